/* base/buf.h -- a byte buffer born with a ceiling that never moves.
 *
 * Full is an error of the peer's, never a larger buffer. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_BASE_BUF_H
#define RCPT_BASE_BUF_H

#include "base/err.h"
#include "base/mem.h"

struct rcpt_buf {
    const struct rcpt_mem *mem;   /* borrowed, must outlive the buffer */
    char  *data;                  /* the buffer's own */
    size_t len, cap, max;         /* bytes */
};

/* Prepare an empty buffer; allocates nothing yet. `max` > 0. */
void rcpt_buf_init(struct rcpt_buf *b, const struct rcpt_mem *mem, size_t max);
void rcpt_buf_done(struct rcpt_buf *b);
/* Empty it, keep its memory. */
void rcpt_buf_reset(struct rcpt_buf *b);
/* RCPT_FULL (nothing was added) over the ceiling, RCPT_NOMEM. */
rcpt_err rcpt_buf_add(struct rcpt_buf *b, const void *p, size_t n);
rcpt_err rcpt_buf_adds(struct rcpt_buf *b, const char *text);
/* Drop the first n bytes, n <= len. */
void rcpt_buf_drop(struct rcpt_buf *b, size_t n);

#endif
