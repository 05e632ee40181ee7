/* engine/nap.c -- see nap.h. An alarm of its own: the job's would end it as a time-out. */
/* SPDX-License-Identifier: MIT */
#include "engine/nap.h"

struct nap {
    struct rcpt_job   job;                 /* first: see struct rcpt_job */
    struct rcpt_alarm alarm;
};

static void due(struct rcpt_alarm *a)
{
    rcpt_job_end(&RCPT_OWNER(a, struct nap, alarm)->job, RCPT_OK);
}

static void stop(struct rcpt_job *j)
{
    rcpt_engine_unalarm(j->engine, &((struct nap *)j)->alarm);
}

static void done(struct rcpt_job *j)
{
    struct rcpt_mem mem = j->mem;
    rcpt_mem_free(&mem, j, sizeof(struct nap));
}

const struct rcpt_job_class rcpt_nap_class = { "sleep", stop, done };

rcpt_err rcpt_nap_start(struct rcpt_job **j, rcpt_engine *e, uint64_t due_ms)
{
    const struct rcpt_mem *mem = rcpt_engine_mem(e);
    if (!rcpt_engine_is_ours(e))
        return RCPT_CLOSED;
    struct nap *n = rcpt_mem_alloc(mem, sizeof *n);
    if (n == NULL)
        return RCPT_NOMEM;
    n->alarm.due = due;
    rcpt_err err = due_ms != UINT64_MAX ? rcpt_engine_alarm(e, &n->alarm, due_ms) : RCPT_OK;
    if (err == RCPT_OK)
        err = rcpt_job_start(&n->job, e, &rcpt_nap_class, UINT64_MAX);
    if (err != RCPT_OK) {
        rcpt_engine_unalarm(e, &n->alarm);
        rcpt_mem_free(mem, n, sizeof *n);
        return err;
    }
    *j = &n->job;
    return RCPT_OK;
}
