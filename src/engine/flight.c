/* engine/flight.c -- see flight.h.
 *
 * What ends comes through tend(): from the poller, from a server's alarm, from the end of a
 * pause, or in the call that asked. Nothing here is called back by c-ares. */
/* SPDX-License-Identifier: MIT */
#include "engine/flight.h"

#include <string.h>

#define PAUSE_MS   100
#define OUT        6               /* strikes that put a server out of a flight */
#define PAUSE_UNIT 2               /* the least strikes that a failure at once brings */

typedef enum { QUEUED, ASKING, ASLEEP } flight_state;

struct rcpt_flight {
    struct rcpt_query    query;            /* first: a query is its flight */
    struct rcpt_flights *flights;
    struct rcpt_node     node;
    struct rcpt_flight  *next;             /* of its bucket */
    struct rcpt_node     waiters;          /* struct rcpt_waiter */
    struct rcpt_alarm    pause;
    flight_state         state;
    unsigned             server, hops;
    unsigned char        strikes[RCPT_SERVERS_MAX];
    rcpt_dns_status      telling;          /* of the failures; RCPT_DNS_TIMEOUT at first */
    const struct rcpt_dns_answer *via;     /* holds the name asked for, once CNAMEs led away */
    uint32_t             hash;
    size_t               size;             /* bytes of this block */
    char                 name[];
};

/* What each failure brings the server that gave it. */
static const unsigned char strikes_for[RCPT_DNS_STATUS_COUNT] = {
    [RCPT_DNS_SERVFAIL]  = 3, [RCPT_DNS_REFUSED]     = OUT, [RCPT_DNS_NOTIMP]  = OUT,
    [RCPT_DNS_MALFORMED] = 3, [RCPT_DNS_UNREACHABLE] = 2,   [RCPT_DNS_TIMEOUT] = 0,
};

static void tend(struct rcpt_flights *fs);

/* ---- opened and dropped ------------------------------------------------------ */

static struct rcpt_flight *find(struct rcpt_flights *fs, rcpt_dns_type type, const char *name,
                                uint32_t hash)
{
    struct rcpt_flight *f = fs->bucket[hash % RCPT_FLIGHT_BUCKETS];
    while (f != NULL &&
           (f->hash != hash || f->query.asked.type != type || strcmp(f->name, name) != 0))
        f = f->next;
    return f;
}

static void enter_list(struct rcpt_flight *f, struct rcpt_node *before, flight_state state)
{
    rcpt_list_remove(&f->node);
    rcpt_list_append(before, &f->node);
    f->state = state;
}

static struct rcpt_flight *open_flight(struct rcpt_flights *fs, rcpt_dns_type type,
                                       const char *name, uint32_t hash)
{
    size_t size = sizeof(struct rcpt_flight) + strlen(name) + 1;
    struct rcpt_flight *f = rcpt_mem_alloc(fs->mem, size);
    if (f == NULL)
        return NULL;
    f->flights = fs;
    f->size = size;
    f->hash = hash;
    f->server = fs->good;
    f->telling = RCPT_DNS_TIMEOUT;
    memcpy(f->name, name, strlen(name) + 1);
    f->query.asked = (struct rcpt_dns_asked){ f->name, type, UINT32_MAX, false };
    rcpt_list_init(&f->waiters);
    rcpt_list_init(&f->node);
    enter_list(f, &fs->queue, QUEUED);
    struct rcpt_flight **p = &fs->bucket[hash % RCPT_FLIGHT_BUCKETS];
    f->next = *p;
    *p = f;
    return f;
}

/* It must not be ASKING, unless its channel is gone. */
static void drop(struct rcpt_flight *f)
{
    struct rcpt_flights *fs = f->flights;
    struct rcpt_flight **p = &fs->bucket[f->hash % RCPT_FLIGHT_BUCKETS];
    while (*p != f)
        p = &(*p)->next;
    *p = f->next;
    rcpt_list_remove(&f->node);
    rcpt_engine_unalarm(fs->engine, &f->pause);
    rcpt_dns_answer_release(f->via);
    rcpt_mem_free(fs->mem, f, f->size);
}

/* Tell all who wait. Then it is gone. */
static void land(struct rcpt_flight *f, const struct rcpt_dns_answer *a, rcpt_dns_status failure,
                 rcpt_err err)
{
    for (struct rcpt_node *n; (n = rcpt_list_first(&f->waiters)) != NULL;) {
        struct rcpt_waiter *w = RCPT_OWNER(n, struct rcpt_waiter, node);
        rcpt_list_remove(n);
        w->flight = NULL;
        w->told(w, a, failure, err);
    }
    drop(f);
}

/* ---- asked ------------------------------------------------------------------- */

static void ask(struct rcpt_flight *f)
{
    struct rcpt_flights *fs = f->flights;
    struct rcpt_seat *s = &fs->seat[f->server];
    enter_list(f, &fs->others, ASKING);
    fs->queries++;
    if (++fs->underway > fs->most)
        fs->most = fs->underway;
    /* Without memory for the alarm the next query sets it, and each job has its deadline. */
    if (s->alarm.timer.at == 0)
        (void)rcpt_engine_alarm(fs->engine, &s->alarm,
                                rcpt_engine_now(fs->engine) + fs->patience_ms + 1);
    rcpt_channel_ask(s->channel, &f->query);
}

static void ask_again(struct rcpt_flight *f)
{
    f->flights->retried++;
    ask(f);
}

static void pause_over(struct rcpt_alarm *a)
{
    struct rcpt_flight *f = RCPT_OWNER(a, struct rcpt_flight, pause);
    struct rcpt_flights *fs = f->flights;
    fs->retried++;
    enter_list(f, fs->queue.next, QUEUED);          /* at the front: it has waited */
    tend(fs);
}

/* Go on to the next server that is not out; false: there is none. */
static bool turn(struct rcpt_flight *f)
{
    unsigned n = f->flights->n;
    for (unsigned k = 1; k <= n; k++) {
        unsigned s = (f->server + k) % n;
        if (f->strikes[s] < OUT) {
            f->server = s;
            return true;
        }
    }
    return false;
}

static void fail(struct rcpt_flight *f, rcpt_dns_status status)
{
    rcpt_engine *e = f->flights->engine;
    f->strikes[f->server] = (unsigned char)(f->strikes[f->server] + strikes_for[status]);
    if (status < f->telling)
        f->telling = status;
    if (rcpt_list_empty(&f->waiters) || !turn(f)) {
        land(f, NULL, f->telling, RCPT_OK);
        return;
    }
    unsigned strikes = f->strikes[f->server];
    if (strikes == 0 || status == RCPT_DNS_TIMEOUT) {
        ask_again(f);
        return;
    }
    enter_list(f, &f->flights->others, ASLEEP);
    f->pause.due = pause_over;
    if (rcpt_engine_alarm(e, &f->pause, rcpt_engine_now(e) + strikes / PAUSE_UNIT * PAUSE_MS) !=
        RCPT_OK)
        land(f, NULL, f->telling, RCPT_NOMEM);
}

/* CNAMEs led out of the message: ask for where they lead; `a` becomes the flight's. */
static void hop(struct rcpt_flight *f, const struct rcpt_dns_answer *a)
{
    rcpt_dns_answer_release(f->via);
    f->via = a;
    if (++f->hops > RCPT_DNAME_HOPS || rcpt_list_empty(&f->waiters)) {
        land(f, NULL, RCPT_DNS_MALFORMED, RCPT_OK);
        return;
    }
    f->query.asked.name = a->canonical;
    f->query.asked.ttl_s = a->ttl_s;
    f->query.asked.is_hop = true;
    f->telling = RCPT_DNS_TIMEOUT;
    memset(f->strikes, 0, sizeof f->strikes);
    ask_again(f);
}

static void conclude(struct rcpt_flight *f)
{
    struct rcpt_flights *fs = f->flights;
    const struct rcpt_dns_answer *a = f->query.answer;
    f->query.answer = NULL;
    f->state = ASLEEP;                              /* its memory is ours again */
    if (f->query.err != RCPT_OK) {
        land(f, NULL, RCPT_DNS_TIMEOUT, f->query.err);
        return;
    }
    rcpt_dns_status status = a->status;
    if (status > RCPT_DNS_NXDOMAIN) {
        fail(f, status);
    } else {
        fs->good = f->server;
        if (status == RCPT_DNS_NOERROR && a->n == 0) {
            hop(f, a);
            return;
        }
        rcpt_answers_put(fs->answers, f->query.asked.type, f->name, a, rcpt_engine_now(fs->engine));
        land(f, a, status, RCPT_OK);
    }
    rcpt_dns_answer_release(a);
}

/* See to what ended, and send what may be sent. A query may end as it is asked, so: until
 * nothing moves. A flight moves a bounded number of times without a pause, so this ends. */
static void tend(struct rcpt_flights *fs)
{
    bool has_moved;
    do {
        has_moved = false;
        for (unsigned i = 0; i < fs->n; i++) {
            for (struct rcpt_query *q; (q = rcpt_channel_take(fs->seat[i].channel)) != NULL;) {
                fs->underway--;
                conclude((struct rcpt_flight *)q);
                has_moved = true;
            }
        }
        while (fs->underway < fs->cap && !rcpt_list_empty(&fs->queue)) {
            ask(RCPT_OWNER(rcpt_list_first(&fs->queue), struct rcpt_flight, node));
            has_moved = true;
        }
    } while (has_moved);
    for (unsigned i = 0; i < fs->n && fs->underway == 0; i++)
        rcpt_engine_unalarm(fs->engine, &fs->seat[i].alarm);
}

static void stirred(void *ud)
{
    tend(((struct rcpt_seat *)ud)->flights);
}

static void seat_due(struct rcpt_alarm *a)
{
    struct rcpt_seat *s = RCPT_OWNER(a, struct rcpt_seat, alarm);
    rcpt_engine *e = s->flights->engine;
    rcpt_channel_tick(s->channel);
    uint32_t in_ms = rcpt_channel_due(s->channel);
    if (in_ms != UINT32_MAX)
        (void)rcpt_engine_alarm(e, a, rcpt_engine_now(e) + in_ms);
    tend(s->flights);
}

/* ---- as flight.h says --------------------------------------------------------- */

rcpt_err rcpt_flights_init(struct rcpt_flights *fs, const struct rcpt_ip *server, unsigned n)
{
    rcpt_list_init(&fs->queue);
    rcpt_list_init(&fs->others);
    for (unsigned i = 0; i < n; i++) {
        struct rcpt_seat *s = &fs->seat[i];
        struct rcpt_channel_config c = { .server = server[i], .patience_ms = fs->patience_ms,
                                         .stir = stirred, .ud = s };
        s->flights = fs;
        s->alarm.due = seat_due;
        rcpt_err e = rcpt_channel_open(&s->channel, fs->mem, rcpt_engine_poller(fs->engine), &c);
        if (e != RCPT_OK) {
            rcpt_flights_done(fs, false);
            return e;
        }
        fs->n = i + 1;
    }
    return RCPT_OK;
}

static struct rcpt_flight *any_flight(const struct rcpt_flights *fs)
{
    struct rcpt_node *n = rcpt_list_first(&fs->queue);
    if (n == NULL)
        n = rcpt_list_first(&fs->others);
    return n != NULL ? RCPT_OWNER(n, struct rcpt_flight, node) : NULL;
}

/* The channels first, for their queries live in the flights. */
void rcpt_flights_done(struct rcpt_flights *fs, bool inherited)
{
    for (unsigned i = 0; i < fs->n; i++) {
        rcpt_channel_close(fs->seat[i].channel, inherited);
        rcpt_engine_unalarm(fs->engine, &fs->seat[i].alarm);
    }
    fs->n = fs->underway = 0;
    for (struct rcpt_flight *f; (f = any_flight(fs)) != NULL;)
        land(f, NULL, RCPT_DNS_TIMEOUT, RCPT_CLOSED);
}

rcpt_err rcpt_flights_wait(struct rcpt_flights *fs, struct rcpt_waiter *w, rcpt_dns_type type,
                           const char *name)
{
    uint32_t hash = rcpt_answers_hash(fs->answers->seed, type, name);
    struct rcpt_flight *f = find(fs, type, name, hash);
    if (f != NULL)
        fs->joined++;
    else if ((f = open_flight(fs, type, name, hash)) == NULL)
        return RCPT_NOMEM;
    else if (fs->underway >= fs->cap)
        fs->queued++;
    w->flight = f;
    rcpt_list_init(&w->node);
    rcpt_list_append(&f->waiters, &w->node);
    tend(fs);
    return RCPT_OK;
}

void rcpt_waiter_leave(struct rcpt_waiter *w)
{
    struct rcpt_flight *f = w->flight;
    if (f == NULL)
        return;
    w->flight = NULL;
    rcpt_list_remove(&w->node);
    if (rcpt_list_empty(&f->waiters) && f->state != ASKING)
        drop(f);
}

rcpt_dns_status rcpt_waiter_failure(const struct rcpt_waiter *w)
{
    return w->flight->telling;
}
