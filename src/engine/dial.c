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
    RCPT_PROXY, RCPT_SOURCE,
};
#define TELLING (sizeof telling / sizeof *telling)

static const char not_reached[] = "the proxy cannot be reached";

static size_t rank(rcpt_err e)
{
    size_t i = 0;
    while (i < TELLING && telling[i] != e)
        i++;
    return i;                              /* RCPT_OK, nothing known yet, comes last */
}

static void note(struct rcpt_dial *d, unsigned i, rcpt_err e, const char *why)
{
    if (rank(e) < rank(d->err)) {
        d->err = e;
        d->why = why;
        d->told = i;
    }
}

/* What an address gets told of when the way to the proxy failed as `e`. What we ran out of
 * stays; the rest is the proxy's fault, and it is no use to try it again. */
static rcpt_err blame_proxy(struct rcpt_dial *d, rcpt_err e)
{
    if (e == RCPT_NOMEM || e == RCPT_NOFILE || e == RCPT_SOURCE)
        return e;
    d->next = d->n;
    return RCPT_PROXY;
}

static void hang_up(struct rcpt_dial *d, struct rcpt_attempt *a)
{
    if (a->watch.fd < 0)
        return;
    rcpt_engine_unalarm(d->engine, &a->patience);
    rcpt_engine_unwatch(d->engine, &a->watch);
    rcpt_sock_close(a->watch.fd);
    rcpt_proxy_close(a->proxy, rcpt_engine_mem(d->engine));
    a->proxy = NULL;
    a->watch.fd = -1;
    d->live--;
}

static rcpt_err try(struct rcpt_dial *d, struct rcpt_attempt *a, const struct rcpt_ip *to)
{
    if (d->proxy != NULL)
        to = &d->proxy->at;
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
        note(d, i, d->proxy != NULL ? blame_proxy(d, e) : e, not_reached);
    }
    uint64_t due_ms = d->live == 0 ? now_ms : d->next < d->n ? now_ms + d->second_ms : UINT64_MAX;
    (void)rcpt_engine_alarm(d->engine, &d->second, due_ms);
}

/* Did the proxy fail, and not the way from it to the address? Its silence is the address's once
 * it has answered anything, since it answers CONNECT only when it knows. */
static bool is_proxys_fault(const struct rcpt_attempt *a, rcpt_err e)
{
    if (a->dial->proxy == NULL || a->proxy == NULL)
        return a->dial->proxy != NULL;
    return !rcpt_proxy_has_judged(a->proxy) &&
           (e == RCPT_PROXY || !rcpt_proxy_has_answered(a->proxy));
}

static void lose(struct rcpt_attempt *a, rcpt_err e)
{
    struct rcpt_dial *d = a->dial;
    const char *why = a->proxy == NULL ? not_reached : e != RCPT_PROXY ? "the proxy does not answer"
                                                                       : rcpt_proxy_why(a->proxy);
    if (is_proxys_fault(a, e))
        e = blame_proxy(d, e);
    note(d, (unsigned)(a - d->attempt), e, why);
    hang_up(d, a);
    go_on(d);
}

static void win(struct rcpt_attempt *a)
{
    struct rcpt_dial *d = a->dial;
    rcpt_engine_unalarm(d->engine, &a->patience);
    rcpt_engine_unwatch(d->engine, &a->watch);
    rcpt_proxy_close(a->proxy, rcpt_engine_mem(d->engine));
    a->proxy = NULL;
    d->fd = a->watch.fd;
    a->watch.fd = -1;
    d->live--;
    d->err = RCPT_OK;
    d->told = (unsigned)(a - d->attempt);
    rcpt_dial_stop(d);
    d->ended(d);
}

/* Connected to the proxy: now through it. RCPT_OK: all the way; RCPT_AGAIN: under way. */
static rcpt_err go_through(struct rcpt_attempt *a)
{
    struct rcpt_dial *d = a->dial;
    unsigned events;
    rcpt_err e = RCPT_OK;
    if (a->proxy == NULL)
        e = rcpt_proxy_open(&a->proxy, rcpt_engine_mem(d->engine), d->proxy,
                            &d->to[a - d->attempt]);
    if (e == RCPT_OK)
        e = rcpt_proxy_go(a->proxy, a->watch.fd, &events);
    if (e != RCPT_AGAIN)
        return e;
    e = rcpt_poller_change(rcpt_engine_poller(d->engine), &a->watch, events);
    return e == RCPT_OK ? RCPT_AGAIN : e;
}

static void attempt_ready(struct rcpt_watch *w, unsigned events)
{
    (void)events;
    struct rcpt_attempt *a = RCPT_OWNER(w, struct rcpt_attempt, watch);
    rcpt_err e = a->proxy == NULL ? rcpt_sock_dialled(w->fd) : RCPT_OK;
    if (e == RCPT_OK && a->dial->proxy != NULL)
        e = go_through(a);
    if (e == RCPT_OK)
        win(a);
    else if (e != RCPT_AGAIN)
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
    d->why = NULL;
    d->proxy = cfg->proxy;
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
