/* engine/dial.c -- see dial.h.
 *
 * Bounded by its arrays: RCPT_ADDRS_MAX sockets at most, and those only where each
 * takes longer than second_ms. The alarm `second` stays set from start to end, since
 * moving a set alarm cannot fail; it also carries the news that all have failed. */
/* SPDX-License-Identifier: MIT */
#include "engine/dial.h"

#include <assert.h>

/* The most telling first. Ours come before the host's: where we ran out of something, the host was
 * not really asked. A refusal says more than silence; a source that does not fit, the least. */
static const rcpt_err telling[] = {
    RCPT_NOMEM, RCPT_NOFILE, RCPT_REFUSED, RCPT_RESET, RCPT_UNREACH, RCPT_TIMEOUT, RCPT_SYSTEM,
    RCPT_SOURCE,
};
#define TELLING (sizeof telling / sizeof *telling)

static size_t rank(rcpt_err e)
{
    size_t i = 0;
    while (i < TELLING && telling[i] != e)
        i++;
    return i;                              /* RCPT_OK, nothing known yet, comes last */
}

static void note(struct rcpt_dial *d, unsigned i, rcpt_err e)
{
    if (rank(e) < rank(d->err)) {
        d->err = e;
        d->told = i;
    }
}

static void hang_up(struct rcpt_dial *d, struct rcpt_attempt *a)
{
    if (a->watch.fd < 0)
        return;
    rcpt_engine_unalarm(d->engine, &a->patience);
    rcpt_engine_unwatch(d->engine, &a->watch);
    rcpt_sock_close(a->watch.fd);
    a->watch.fd = -1;
    d->live--;
}

static rcpt_err try(struct rcpt_dial *d, struct rcpt_attempt *a, const struct rcpt_ip *to)
{
    const struct rcpt_ip *source = rcpt_ip_is_v6(to) ? &d->source6 : &d->source4;
    rcpt_err e = rcpt_sock_dial(&a->watch.fd, to, source->len != 0 ? source : NULL);
    if (e != RCPT_OK)
        return e;
    d->live++;
    e = rcpt_poller_add(rcpt_engine_poller(d->engine), &a->watch, RCPT_WRITABLE);
    if (e == RCPT_OK)
        e = rcpt_engine_alarm(d->engine, &a->patience, rcpt_engine_now(d->engine) + d->connect_ms);
    if (e != RCPT_OK)
        hang_up(d, a);
    return e;
}

/* Start the next address that can be started. */
static void go_on(struct rcpt_dial *d)
{
    uint64_t now_ms = rcpt_engine_now(d->engine);
    while (d->next < d->n) {
        unsigned i = d->next++;
        rcpt_err e = try(d, &d->attempt[i], &d->to[i]);
        if (e == RCPT_OK) {
            if (d->err == RCPT_OK)
                d->told = i;
            break;
        }
        note(d, i, e);
    }
    uint64_t due_ms = d->live == 0 ? now_ms : d->next < d->n ? now_ms + d->second_ms : UINT64_MAX;
    (void)rcpt_engine_alarm(d->engine, &d->second, due_ms);
}

static void lose(struct rcpt_attempt *a, rcpt_err e)
{
    struct rcpt_dial *d = a->dial;
    note(d, (unsigned)(a - d->attempt), e);
    hang_up(d, a);
    go_on(d);
}

static void win(struct rcpt_attempt *a)
{
    struct rcpt_dial *d = a->dial;
    rcpt_engine_unalarm(d->engine, &a->patience);
    rcpt_engine_unwatch(d->engine, &a->watch);
    d->fd = a->watch.fd;
    a->watch.fd = -1;
    d->live--;
    d->err = RCPT_OK;
    d->told = (unsigned)(a - d->attempt);
    rcpt_dial_stop(d);
    d->ended(d);
}

static void attempt_ready(struct rcpt_watch *w, unsigned events)
{
    (void)events;
    struct rcpt_attempt *a = RCPT_OWNER(w, struct rcpt_attempt, watch);
    rcpt_err e = rcpt_sock_dialled(w->fd);
    if (e == RCPT_OK)
        win(a);
    else
        lose(a, e);
}

static void attempt_due(struct rcpt_alarm *alarm)
{
    lose(RCPT_OWNER(alarm, struct rcpt_attempt, patience), RCPT_TIMEOUT);
}

static void second_due(struct rcpt_alarm *alarm)
{
    struct rcpt_dial *d = RCPT_OWNER(alarm, struct rcpt_dial, second);
    if (d->live == 0 && d->next == d->n) {
        d->n = 0;                          /* over: see rcpt_dial_stop */
        d->ended(d);
    } else {
        (void)rcpt_engine_alarm(d->engine, alarm, UINT64_MAX);   /* before its slot is another's */
        go_on(d);
    }
}

rcpt_err rcpt_dial_start(struct rcpt_dial *d, rcpt_engine *e, const struct rcpt_dial_config *cfg)
{
    assert(cfg->n >= 1 && cfg->n <= RCPT_ADDRS_MAX);
    d->err = RCPT_OK;
    d->fd = -1;
    d->told = 0;
    d->engine = e;
    d->source4 = cfg->source4;
    d->source6 = cfg->source6;
    d->connect_ms = cfg->connect_ms;
    d->second_ms = cfg->second_ms;
    d->n = cfg->n;
    d->next = d->live = 0;
    d->second = (struct rcpt_alarm){ .due = second_due };
    for (unsigned i = 0; i < d->n; i++) {
        d->to[i] = cfg->to[i];
        d->attempt[i] = (struct rcpt_attempt){ .dial = d, .watch = { .fd = -1, .ready = attempt_ready },
                                               .patience = { .due = attempt_due } };
    }
    rcpt_err err = rcpt_engine_alarm(e, &d->second, UINT64_MAX);
    if (err != RCPT_OK) {
        d->n = 0;
        return err;
    }
    go_on(d);
    return RCPT_OK;
}

void rcpt_dial_stop(struct rcpt_dial *d)
{
    if (d->n == 0)
        return;
    for (unsigned i = 0; i < d->n; i++)
        hang_up(d, &d->attempt[i]);
    rcpt_engine_unalarm(d->engine, &d->second);
    d->n = 0;
}
