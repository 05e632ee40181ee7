/* engine/input.c -- see input.h. */
/* SPDX-License-Identifier: MIT */
#include "engine/input.h"

#include "io/sock.h"

struct input {
    struct rcpt_job   job;                 /* first: see struct rcpt_job */
    struct rcpt_watch watch;
    size_t            len;                 /* bytes of data */
    char              data[RCPT_INPUT_MAX];
};

static void take_chunk(struct input *in)
{
    rcpt_err err = rcpt_fd_read(in->watch.fd, in->data, sizeof in->data, &in->len);
    if (err == RCPT_AGAIN)
        return;                            /* somebody else was quicker */
    rcpt_engine_unwatch(in->job.engine, &in->watch);
    rcpt_job_end(&in->job, err == RCPT_EOF ? RCPT_OK : err);
}

static void ready(struct rcpt_watch *w, unsigned events)
{
    (void)events;
    take_chunk(RCPT_OWNER(w, struct input, watch));
}

static void stop(struct rcpt_job *j)
{
    rcpt_engine_unwatch(j->engine, &((struct input *)j)->watch);
}

static void done(struct rcpt_job *j)
{
    struct rcpt_mem mem = j->mem;
    rcpt_mem_free(&mem, j, sizeof(struct input));
}

const struct rcpt_job_class rcpt_input_class = { "input", stop, done };

rcpt_err rcpt_input_start(struct rcpt_job **j, rcpt_engine *e, int fd, uint64_t until_ms)
{
    const struct rcpt_mem *mem = rcpt_engine_mem(e);
    if (!rcpt_engine_is_ours(e))
        return RCPT_CLOSED;
    struct input *in = rcpt_mem_alloc(mem, sizeof *in);
    if (in == NULL)
        return RCPT_NOMEM;
    in->watch.fd = fd;
    in->watch.ready = ready;
    rcpt_err err = rcpt_poller_add(rcpt_engine_poller(e), &in->watch, RCPT_READABLE);
    /* A file is refused by the poller, but never makes its reader wait. */
    bool is_at_once = err == RCPT_SYSTEM && rcpt_poller_block(fd, 0);
    if (is_at_once)
        err = RCPT_OK;
    if (err == RCPT_OK)
        err = rcpt_job_start(&in->job, e, &rcpt_input_class, until_ms);
    if (err != RCPT_OK) {
        rcpt_engine_unwatch(e, &in->watch);
        rcpt_mem_free(mem, in, sizeof *in);
        return err;
    }
    if (is_at_once) {
        take_chunk(in);
        rcpt_job_end(&in->job, RCPT_AGAIN);        /* nothing, unless the read found nothing */
    }
    *j = &in->job;
    return RCPT_OK;
}

struct rcpt_span rcpt_input_bytes(const struct rcpt_job *j)
{
    const struct input *in = (const struct input *)j;
    return (struct rcpt_span){ in->data, in->len };
}
