/* engine/lookup.c -- see lookup.h: the jobs, and the resolver they ask. The asking itself is in
 * flight.c, the remembering in answers.c. */
/* SPDX-License-Identifier: MIT */
#include "engine/lookup.h"

#include "engine/answers.h"
#include "engine/flight.h"
#include "io/nameservers.h"

#define PATIENCE_MS 2000

struct rcpt_resolver {
    struct rcpt_tenant  tenant;
    struct rcpt_mem     mem;
    rcpt_engine        *engine;            /* NULL: shut */
    struct rcpt_answers answers;
    struct rcpt_flights flights;
    uint64_t            asked, cached;     /* jobs */
};

struct lookup {
    struct rcpt_job    job;                /* first: see struct rcpt_job */
    struct rcpt_waiter waiter;
    struct rcpt_alarm  deadline;           /* its own: the job's would not end it as RCPT_OK */
    rcpt_dns_type      type;
    struct rcpt_dns_answer view;
    const struct rcpt_dns_answer *held;    /* what the view looks into, or NULL */
    bool               is_cached;
};

/* ---- jobs --------------------------------------------------------------------- */

static void answer(struct lookup *l, const struct rcpt_dns_answer *a,
                   const struct rcpt_dns_answer *view)
{
    rcpt_dns_answer_keep(a);
    l->held = a;
    l->view = *view;
    rcpt_job_end(&l->job, RCPT_OK);
}

static void answer_bare(struct lookup *l, rcpt_dns_status status)
{
    struct rcpt_dns_answer view = { .status = status };
    answer(l, NULL, &view);
}

static void told(struct rcpt_waiter *w, const struct rcpt_dns_answer *a, rcpt_dns_status failure,
                 rcpt_err err)
{
    struct lookup *l = RCPT_OWNER(w, struct lookup, waiter);
    rcpt_engine_unalarm(l->job.engine, &l->deadline);
    if (err != RCPT_OK)
        rcpt_job_end(&l->job, err);
    else if (a != NULL)
        answer(l, a, a);
    else
        answer_bare(l, failure);
}

static void deadline_due(struct rcpt_alarm *a)
{
    struct lookup *l = RCPT_OWNER(a, struct lookup, deadline);
    rcpt_dns_status failure = rcpt_waiter_failure(&l->waiter);
    rcpt_waiter_leave(&l->waiter);
    answer_bare(l, failure);
}

static void stop(struct rcpt_job *j)
{
    struct lookup *l = (struct lookup *)j;
    rcpt_waiter_leave(&l->waiter);
    rcpt_engine_unalarm(j->engine, &l->deadline);
}

static void done(struct rcpt_job *j)
{
    struct rcpt_mem mem = j->mem;
    rcpt_dns_answer_release(((struct lookup *)j)->held);
    rcpt_mem_free(&mem, j, sizeof(struct lookup));
}

const struct rcpt_job_class rcpt_lookup_class = { "lookup", stop, done };

static void seek(struct lookup *l, rcpt_resolver *r, const char *text, uint64_t until_ms)
{
    char name[RCPT_DNAME_TEXT];
    struct rcpt_dns_answer view;
    if (!rcpt_dname_read(name, text)) {
        answer_bare(l, RCPT_DNS_NXDOMAIN);
        return;
    }
    const struct rcpt_dns_answer *known =
        rcpt_answers_find(&r->answers, l->type, name, rcpt_engine_now(r->engine), &view);
    if (known != NULL) {
        r->cached++;
        l->is_cached = true;
        answer(l, known, &view);
        return;
    }
    rcpt_err e = until_ms != UINT64_MAX ? rcpt_engine_alarm(r->engine, &l->deadline, until_ms)
                                        : RCPT_OK;
    if (e == RCPT_OK)
        e = rcpt_flights_wait(&r->flights, &l->waiter, l->type, name);
    if (e != RCPT_OK) {
        rcpt_engine_unalarm(r->engine, &l->deadline);
        rcpt_job_end(&l->job, e);
    }
}

rcpt_err rcpt_lookup_start(struct rcpt_job **j, rcpt_resolver *r, rcpt_dns_type type,
                           const char *name, uint64_t until_ms)
{
    if (r->engine == NULL || !rcpt_engine_is_ours(r->engine))
        return RCPT_CLOSED;
    struct lookup *l = rcpt_mem_alloc(&r->mem, sizeof *l);
    if (l == NULL)
        return RCPT_NOMEM;
    l->type = type;
    l->waiter.told = told;
    l->deadline.due = deadline_due;
    rcpt_err e = rcpt_job_start(&l->job, r->engine, &rcpt_lookup_class, UINT64_MAX);
    if (e != RCPT_OK) {
        rcpt_mem_free(&r->mem, l, sizeof *l);
        return e;
    }
    r->asked++;
    *j = &l->job;
    seek(l, r, name, until_ms);
    return RCPT_OK;
}

const struct rcpt_dns_answer *rcpt_lookup_answer(const struct rcpt_job *j)
{
    return &((const struct lookup *)j)->view;
}

rcpt_dns_type rcpt_lookup_type(const struct rcpt_job *j)
{
    return ((const struct lookup *)j)->type;
}

bool rcpt_lookup_is_cached(const struct rcpt_job *j)
{
    return ((const struct lookup *)j)->is_cached;
}

/* ---- resolvers ---------------------------------------------------------------- */

/* Everything but the struct, which is its handle's. */
static void shut(rcpt_resolver *r, bool inherited)
{
    rcpt_flights_done(&r->flights, inherited);
    rcpt_answers_done(&r->answers);
    rcpt_engine_unsettle(&r->tenant);
    r->engine = NULL;
}

static void evict(struct rcpt_tenant *t, bool inherited)
{
    shut(RCPT_OWNER(t, rcpt_resolver, tenant), inherited);
}

rcpt_err rcpt_resolver_open(rcpt_resolver **out, rcpt_engine *e,
                            const struct rcpt_resolver_config *cfg)
{
    struct rcpt_ip server[RCPT_SERVERS_MAX];
    unsigned n = 0;
    if (!rcpt_engine_is_ours(e))
        return RCPT_CLOSED;
    rcpt_err err = cfg->servers != NULL ? rcpt_nameservers_read(server, &n, cfg->servers)
                                        : rcpt_nameservers_system(server, &n);
    if (err != RCPT_OK)
        return err;
    rcpt_resolver *r = rcpt_mem_alloc(rcpt_engine_mem(e), sizeof *r);
    if (r == NULL)
        return RCPT_NOMEM;
    r->mem = *rcpt_engine_mem(e);
    r->engine = e;
    rcpt_answers_init(&r->answers, &r->mem, cfg->answers != 0 ? cfg->answers : RCPT_ANSWERS_MAX);
    r->flights.mem = &r->mem;
    r->flights.engine = e;
    r->flights.answers = &r->answers;
    r->flights.cap = cfg->inflight != 0 ? cfg->inflight : RCPT_INFLIGHT;
    r->flights.patience_ms = cfg->patience_ms != 0 ? cfg->patience_ms : PATIENCE_MS;
    err = rcpt_flights_init(&r->flights, server, n);
    if (err != RCPT_OK) {
        rcpt_mem_free(rcpt_engine_mem(e), r, sizeof *r);
        return err;
    }
    r->tenant.evict = evict;
    rcpt_engine_settle(e, &r->tenant);
    *out = r;
    return RCPT_OK;
}

void rcpt_resolver_close(rcpt_resolver *r)
{
    if (r == NULL)
        return;
    if (r->engine != NULL)
        shut(r, !rcpt_engine_is_ours(r->engine));
    struct rcpt_mem mem = r->mem;
    rcpt_mem_free(&mem, r, sizeof *r);
}

rcpt_engine *rcpt_resolver_engine(const rcpt_resolver *r)
{
    return r->engine;
}

void rcpt_resolver_count(const rcpt_resolver *r, struct rcpt_resolver_counts *c)
{
    const struct rcpt_flights *f = &r->flights;
    *c = (struct rcpt_resolver_counts){
        .asked = r->asked, .cached = r->cached, .queries = f->queries, .joined = f->joined,
        .queued = f->queued, .retried = f->retried, .underway = f->underway, .most = f->most,
        .held = r->answers.n,
    };
}
