/* base/buf.c -- see buf.h. Grows by doubling, up to its ceiling. */
/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <assert.h>
#include <string.h>

#define FIRST 256

static rcpt_err grow(struct rcpt_buf *b, size_t need)
{
    size_t cap = b->cap != 0 ? b->cap : FIRST;
    while (cap < need)
        cap *= 2;
    if (cap > b->max)
        cap = b->max;
    char *p = rcpt_mem_resize(b->mem, b->data, b->cap, cap);
    if (p == NULL)
        return RCPT_NOMEM;
    b->data = p;
    b->cap = cap;
    return RCPT_OK;
}

void rcpt_buf_init(struct rcpt_buf *b, const struct rcpt_mem *mem, size_t max)
{
    assert(max > 0);
    *b = (struct rcpt_buf){ .mem = mem, .max = max };
}

void rcpt_buf_done(struct rcpt_buf *b)
{
    rcpt_mem_free(b->mem, b->data, b->cap);
    b->data = NULL;
    b->len = b->cap = 0;
}

void rcpt_buf_reset(struct rcpt_buf *b)
{
    b->len = 0;
}

rcpt_err rcpt_buf_add(struct rcpt_buf *b, const void *p, size_t n)
{
    if (n > b->max - b->len)
        return RCPT_FULL;
    if (n == 0)
        return RCPT_OK;
    if (b->len + n > b->cap) {
        rcpt_err e = grow(b, b->len + n);
        if (e != RCPT_OK)
            return e;
    }
    memcpy(b->data + b->len, p, n);
    b->len += n;
    return RCPT_OK;
}

rcpt_err rcpt_buf_adds(struct rcpt_buf *b, const char *text)
{
    return rcpt_buf_add(b, text, strlen(text));
}

void rcpt_buf_drop(struct rcpt_buf *b, size_t n)
{
    assert(n <= b->len);
    b->len -= n;
    if (b->len > 0)
        memmove(b->data, b->data + n, b->len);
}
