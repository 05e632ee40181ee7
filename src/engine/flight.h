/* engine/flight.h -- DNS questions under way, each asked once for all who wait for it.
 *
 * Which server is asked, when, and how often, is decided here; the rules stand in lookup.h.
 * It knows no jobs: a waiter is told once, unless it left. A flight is QUEUED (the cap is
 * reached), ASKING (its query is in c-ares' hands, and so is its memory) or ASLEEP (before a
 * server that failed at once is asked again).
 *
 * Bounds: `cap` flights are ASKING at most; one that is not has at least one waiter. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_ENGINE_FLIGHT_H
#define RCPT_ENGINE_FLIGHT_H

#include "engine/answers.h"
#include "engine/engine.h"
#include "io/dns.h"

#define RCPT_FLIGHT_BUCKETS 1024

struct rcpt_flight;                        /* opaque: see flight.c */
struct rcpt_flights;

struct rcpt_waiter {
    struct rcpt_node    node;
    struct rcpt_flight *flight;            /* NULL: it does not wait */
    /* What it waited for came: `a`, borrowed; or, `a` being NULL, a failure, or an error. It does
     * not wait any more. It may leave another flight, ask nothing. */
    void (*told)(struct rcpt_waiter *w, const struct rcpt_dns_answer *a, rcpt_dns_status failure,
                 rcpt_err err);
};

struct rcpt_seat {                         /* a nameserver's */
    rcpt_channel        *channel;
    struct rcpt_flights *flights;
    struct rcpt_alarm    alarm;            /* c-ares' next time-out; unset while nothing is asked */
};

struct rcpt_flights {
    const struct rcpt_mem *mem;            /* borrowed, like the next two */
    rcpt_engine         *engine;
    struct rcpt_answers *answers;          /* what is learnt goes there */
    struct rcpt_seat     seat[RCPT_SERVERS_MAX];
    unsigned             n, good;          /* servers; the one that answered last */
    unsigned             cap, underway;    /* queries */
    uint32_t             patience_ms;
    struct rcpt_node     queue, others;    /* flights QUEUED; flights ASKING and ASLEEP */
    uint64_t             queries, joined, queued, retried, most;   /* see lookup.h */
    struct rcpt_flight  *bucket[RCPT_FLIGHT_BUCKETS];
};

/* `f` is zeroed but for mem, engine, answers, cap and patience_ms, which are set. On failure it is
 * as after _done(). RCPT_NOMEM, RCPT_NOFILE, RCPT_SYSTEM. */
rcpt_err rcpt_flights_init(struct rcpt_flights *f, const struct rcpt_ip *server, unsigned n);
/* All who wait are told RCPT_CLOSED. `inherited` as in rcpt_channel_close(). */
void     rcpt_flights_done(struct rcpt_flights *f, bool inherited);
/* Wait for that question's answer; `name` as rcpt_dname_read() gives it. Maybe told before this
 * returns. RCPT_NOMEM: it does not wait. */
rcpt_err rcpt_flights_wait(struct rcpt_flights *f, struct rcpt_waiter *w, rcpt_dns_type type,
                           const char *name);
/* The waiter goes untold; of one that does not wait, nothing. */
void     rcpt_waiter_leave(struct rcpt_waiter *w);
/* The most telling failure so far of what it waits for; RCPT_DNS_TIMEOUT when there was none. */
rcpt_dns_status rcpt_waiter_failure(const struct rcpt_waiter *w);

#endif
