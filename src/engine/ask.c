/* engine/ask.c -- see ask.h. */
/* SPDX-License-Identifier: MIT */
#include "engine/ask.h"

#include <string.h>

static bool is_writable(const char *recipient, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (rcpt_is_ctl(recipient[i]))
            return false;
    return len > 0 && len <= RCPT_PATH_MAX;
}

rcpt_err rcpt_ask_start(struct rcpt_ask **out, rcpt_engine *e, const struct rcpt_job_class *class,
                        rcpt_ask_kind kind, const char *recipient, size_t len, uint64_t until_ms)
{
    const struct rcpt_mem *mem = rcpt_engine_mem(e);
    if (!is_writable(recipient, len))
        return RCPT_BADARG;
    struct rcpt_ask *a = rcpt_mem_alloc(mem, sizeof *a + len);
    if (a == NULL)
        return RCPT_NOMEM;
    rcpt_err err = rcpt_job_start(&a->job, e, class, until_ms);
    if (err != RCPT_OK) {
        rcpt_mem_free(mem, a, sizeof *a + len);
        return err;
    }
    rcpt_list_init(&a->node);
    a->kind = kind;
    a->len = len;
    memcpy(a->recipient, recipient, len);
    *out = a;
    return RCPT_OK;
}

void rcpt_ask_done(struct rcpt_job *j)
{
    struct rcpt_ask *a = (struct rcpt_ask *)j;
    struct rcpt_mem mem = j->mem;
    rcpt_said_free(&mem, a->reply);
    rcpt_mem_free(&mem, a, sizeof *a + a->len);
}

const struct rcpt_said *rcpt_ask_reply(const struct rcpt_job *j)
{
    return ((const struct rcpt_ask *)j)->reply;
}

rcpt_err rcpt_ask_why(const struct rcpt_job *j)
{
    return ((const struct rcpt_ask *)j)->why;
}
