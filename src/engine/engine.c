/* engine/engine.c -- see engine.h: the poller, the alarms, and the jobs' two lists.
 *
 * It knows no protocol and makes no socket. What bounds a step: the poller's batches
 * (1,024 callbacks), ALARMS_A_STEP and SHAKES_A_STEP; what is left keeps the descriptor readable.
 *
 * Sockets come before alarms: an answer that is already here beats its own time-out.
 * While the poller comes back full there may be more such answers, so the alarms wait,
 * but not longer than PUT_OFF_MAX steps. */
/* SPDX-License-Identifier: MIT */
#include "engine/engine.h"

#include "engine/trust.h"
#include "io/clock.h"
#include "io/process.h"

#define ALARMS_A_STEP 1024
#define POLLER_IS_BUSY 1000       /* callbacks in one run: near its bound, so more are waiting */
#define PUT_OFF_MAX 8
#define SHAKES_A_STEP 16          /* TLS handshakes: some ten milliseconds of the host's loop */

struct rcpt_engine {
    struct rcpt_mem   mem;
    rcpt_poller      *poller;
    struct rcpt_heap  alarms;
    struct rcpt_node  running, ended;      /* of struct rcpt_job */
    struct rcpt_node  tenants;
    struct rcpt_node  trusts;              /* struct rcpt_trust, its own */
    size_t            pending;
    long              pid;                 /* whose it is */
    uint64_t          now_ms;              /* while stepping */
    unsigned          put_off;             /* steps in a row that left the alarms alone */
    unsigned          shaken;              /* handshakes of this step */
    bool              is_stepping, is_closing, is_inherited;
};

/* Are we a forked child? Once seen it stays so. */
static bool is_foreign(rcpt_engine *e)
{
    if (!e->is_inherited && rcpt_process_id() != e->pid)
        e->is_inherited = true;
    return e->is_inherited;
}

/* The kernel's timer as the alarms want it. A step does this once, at its end. */
static void set_clock(rcpt_engine *e)
{
    const struct rcpt_timer *first = rcpt_heap_first(&e->alarms);
    if (!e->is_stepping && !e->is_closing && !e->is_inherited)
        rcpt_poller_alarm(e->poller, first != NULL ? first->due_ms : UINT64_MAX);
}

/* Make the descriptor readable now. */
static void knock(rcpt_engine *e)
{
    if (!e->is_stepping && !e->is_closing && !e->is_inherited)
        rcpt_poller_alarm(e->poller, 0);
}

static void unref(struct rcpt_job *j)
{
    if (--j->refs == 0)
        j->class->done(j);
}

static void finish(struct rcpt_job *j, rcpt_err err)
{
    if (j->ended)
        return;
    if (j->class->stop != NULL)
        j->class->stop(j);
    rcpt_job_end(j, err);
}

static void deadline_due(struct rcpt_alarm *a)
{
    finish(RCPT_OWNER(a, struct rcpt_job, alarm), RCPT_TIMEOUT);
}

static void run_alarms(rcpt_engine *e)
{
    for (int i = 0; i < ALARMS_A_STEP; i++) {
        struct rcpt_timer *first = rcpt_heap_first(&e->alarms);
        if (first == NULL || first->due_ms > e->now_ms)
            return;
        rcpt_heap_unset(&e->alarms, first);
        struct rcpt_alarm *a = RCPT_OWNER(first, struct rcpt_alarm, timer);
        a->due(a);
    }
}

static struct rcpt_job *first_job(const struct rcpt_node *list)
{
    struct rcpt_node *n = rcpt_list_first(list);
    return n != NULL ? RCPT_OWNER(n, struct rcpt_job, node) : NULL;
}

rcpt_err rcpt_engine_open(rcpt_engine **out, const struct rcpt_mem *mem)
{
    rcpt_engine *e = rcpt_mem_alloc(mem, sizeof *e);
    if (e == NULL)
        return RCPT_NOMEM;
    e->mem = *mem;
    e->pid = rcpt_process_id();
    rcpt_heap_init(&e->alarms, &e->mem);
    rcpt_list_init(&e->running);
    rcpt_list_init(&e->ended);
    rcpt_list_init(&e->tenants);
    rcpt_list_init(&e->trusts);
    rcpt_err err = rcpt_poller_open(&e->poller, &e->mem);
    if (err != RCPT_OK) {
        rcpt_mem_free(mem, e, sizeof *e);
        return err;
    }
    *out = e;
    return RCPT_OK;
}

void rcpt_engine_close(rcpt_engine *e)
{
    if (e == NULL)
        return;
    bool inherited = is_foreign(e);
    e->is_closing = true;
    for (struct rcpt_node *n; (n = rcpt_list_first(&e->tenants)) != NULL;) {
        struct rcpt_tenant *t = RCPT_OWNER(n, struct rcpt_tenant, node);
        rcpt_list_remove(n);
        t->evict(t, inherited);
    }
    for (struct rcpt_job *j; (j = first_job(&e->running)) != NULL;)
        finish(j, RCPT_CLOSED);
    for (struct rcpt_job *j; (j = first_job(&e->ended)) != NULL;)
        rcpt_engine_take(e, j);
    rcpt_trust_done(&e->trusts, &e->mem);
    rcpt_heap_done(&e->alarms);
    rcpt_poller_close(e->poller, inherited);
    struct rcpt_mem mem = e->mem;
    rcpt_mem_free(&mem, e, sizeof *e);
}

int rcpt_engine_fd(const rcpt_engine *e)
{
    return rcpt_poller_fd(e->poller);
}

rcpt_err rcpt_engine_step(rcpt_engine *e)
{
    if (is_foreign(e))
        return RCPT_CLOSED;
    e->is_stepping = true;
    e->shaken = 0;
    e->now_ms = rcpt_clock_ms();
    if (rcpt_poller_run(e->poller) < POLLER_IS_BUSY || e->put_off == PUT_OFF_MAX) {
        e->put_off = 0;
        e->now_ms = rcpt_clock_ms();
        run_alarms(e);
    } else {
        e->put_off++;
    }
    e->is_stepping = false;
    set_clock(e);
    return RCPT_OK;
}

struct rcpt_job *rcpt_engine_ended(rcpt_engine *e)
{
    return first_job(&e->ended);
}

void rcpt_engine_take(rcpt_engine *e, struct rcpt_job *j)
{
    rcpt_list_remove(&j->node);
    e->pending--;
    j->engine = NULL;
    unref(j);
}

size_t rcpt_engine_pending(const rcpt_engine *e)
{
    return e->pending;
}

bool rcpt_engine_is_ours(const rcpt_engine *e)
{
    return !e->is_inherited && rcpt_process_id() == e->pid;
}

rcpt_err rcpt_job_start(struct rcpt_job *j, rcpt_engine *e, const struct rcpt_job_class *class,
                        uint64_t until_ms)
{
    if (is_foreign(e) || e->is_closing)
        return RCPT_CLOSED;
    *j = (struct rcpt_job){ .class = class, .engine = e, .mem = e->mem, .refs = 2,
                            .alarm = { .due = deadline_due } };
    if (until_ms != UINT64_MAX) {
        rcpt_err err = rcpt_engine_alarm(e, &j->alarm, until_ms);
        if (err != RCPT_OK)
            return err;
    }
    rcpt_list_init(&j->node);
    rcpt_list_append(&e->running, &j->node);
    e->pending++;
    return RCPT_OK;
}

void rcpt_job_end(struct rcpt_job *j, rcpt_err err)
{
    if (j->ended)
        return;
    j->ended = true;
    j->err = err;
    rcpt_engine_unalarm(j->engine, &j->alarm);
    rcpt_list_remove(&j->node);
    rcpt_list_append(&j->engine->ended, &j->node);
    knock(j->engine);
}

void rcpt_job_cancel(struct rcpt_job *j)
{
    if (j->ended)
        return;
    (void)is_foreign(j->engine);           /* what stop() may touch depends on it */
    finish(j, RCPT_CANCELLED);
}

void rcpt_job_release(struct rcpt_job *j)
{
    rcpt_job_cancel(j);
    unref(j);
}

rcpt_poller *rcpt_engine_poller(rcpt_engine *e)
{
    return e->poller;
}

const struct rcpt_mem *rcpt_engine_mem(const rcpt_engine *e)
{
    return &e->mem;
}

void rcpt_engine_unwatch(rcpt_engine *e, struct rcpt_watch *w)
{
    if (!is_foreign(e))
        rcpt_poller_remove(e->poller, w);
}

uint64_t rcpt_engine_now(rcpt_engine *e)
{
    return e->is_stepping ? e->now_ms : rcpt_clock_ms();
}

rcpt_err rcpt_engine_alarm(rcpt_engine *e, struct rcpt_alarm *a, uint64_t due_ms)
{
    rcpt_err err = rcpt_heap_set(&e->alarms, &a->timer, due_ms);
    if (err == RCPT_OK && rcpt_heap_first(&e->alarms) == &a->timer)
        set_clock(e);
    return err;
}

void rcpt_engine_unalarm(rcpt_engine *e, struct rcpt_alarm *a)
{
    rcpt_heap_unset(&e->alarms, &a->timer);
}

bool rcpt_engine_may_shake(rcpt_engine *e)
{
    return !e->is_stepping || e->shaken++ < SHAKES_A_STEP;
}

rcpt_err rcpt_engine_trust(rcpt_engine *e, const char *ca_file, struct rcpt_trust **t)
{
    return rcpt_trust_find(t, &e->trusts, &e->mem, ca_file);
}

void rcpt_engine_settle(rcpt_engine *e, struct rcpt_tenant *t)
{
    rcpt_list_init(&t->node);
    rcpt_list_append(&e->tenants, &t->node);
}

void rcpt_engine_unsettle(struct rcpt_tenant *t)
{
    rcpt_list_remove(&t->node);
}
