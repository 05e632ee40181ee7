/* engine/dial.h -- a race of addresses to one connected socket (in the manner of RFC 8305).
 *
 * The addresses are tried in the order given: the next one when the one before
 * failed, or beside it when that one took second_ms. The first to connect
 * wins and the others are closed at once. It knows nothing of what is said then.
 *
 * Through a proxy each address has a connection to the proxy of its own, and has connected when the
 * proxy says so. What ails the proxy itself (not reached, no SOCKS5, refuses us) ends the
 * race as RCPT_PROXY, since the hosts were not asked. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_ENGINE_DIAL_H
#define RCPT_ENGINE_DIAL_H

#include "base/limits.h"
#include "engine/engine.h"
#include "engine/proxy.h"
#include "io/sock.h"

struct rcpt_dial_config {
    const struct rcpt_ip *to;             /* borrowed for the call; the ports within */
    unsigned n;                           /* of `to`, 1 to RCPT_ADDRS_MAX */
    const struct rcpt_proxy_config *proxy;   /* NULL: none; borrowed until the dial is over */
    struct rcpt_ip source4, source6;      /* bound for that family, of the proxy where there is one;
                                             len 0: the system chooses */
    uint32_t connect_ms;                  /* patience with each address, all of its way */
    uint32_t second_ms;
};

struct rcpt_dial;
struct rcpt_attempt {                     /* the dial's own */
    struct rcpt_dial *dial;
    struct rcpt_watch watch;              /* fd -1: not under way */
    struct rcpt_alarm patience;
    struct rcpt_proxy *proxy;             /* once connected to the proxy; its own */
};

/* Lives in what it connects; must not move once started. */
struct rcpt_dial {
    /* set before the start */
    void (*ended)(struct rcpt_dial *d);   /* once, out of a step, never out of rcpt_dial_start */

    /* to be read: when `ended` is called, `told` also before */
    rcpt_err err;                         /* RCPT_OK, or the most telling of the errors: see dial.c */
    const char *why;                      /* RCPT_PROXY: more of it, for people; static */
    int      fd;                          /* connected, the reader's now; -1 on an error */
    unsigned told;                        /* index of the address that connected, gave `err`, or is
                                             the latest tried */

    /* the dial's own */
    rcpt_engine *engine;
    const struct rcpt_proxy_config *proxy;
    struct rcpt_ip to[RCPT_ADDRS_MAX], source4, source6;
    uint32_t connect_ms, second_ms;
    unsigned n, next, live;               /* addresses; the next to try; attempts under way */
    struct rcpt_alarm second;             /* set as long as the race is on */
    struct rcpt_attempt attempt[RCPT_ADDRS_MAX];
};

/* RCPT_NOMEM: nothing was started, and nothing needs to be stopped. */
rcpt_err rcpt_dial_start(struct rcpt_dial *d, rcpt_engine *e, const struct rcpt_dial_config *cfg);
/* Give up: every socket of the race is closed and `ended` is not called. Twice, or after the
 * end, is nothing; a zeroed struct that was never started may be stopped too. */
void rcpt_dial_stop(struct rcpt_dial *d);

#endif
