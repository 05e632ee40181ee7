/* engine/answers.h -- DNS answers kept for their TTL.
 *
 * Bounded twice: `max` answers, and 1 KiB for each of them in all, so that a few huge TXT
 * sets cannot take what ten thousand names were meant to have. The least recently used
 * goes first. Time is an argument; it asks nobody. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_ENGINE_ANSWERS_H
#define RCPT_ENGINE_ANSWERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/mem.h"
#include "io/message.h"

struct rcpt_answers {
    const struct rcpt_mem *mem;        /* borrowed */
    struct rcpt_kept **bucket;         /* its own; a power of two of them, or none */
    size_t   buckets, n, max;          /* answers kept, and at most */
    size_t   bytes;                    /* that those take */
    uint32_t seed;
    struct rcpt_node used;             /* struct rcpt_kept, the least recently used first */
};

/* Allocates nothing yet. `max` > 0. */
void rcpt_answers_init(struct rcpt_answers *a, const struct rcpt_mem *mem, size_t max);
void rcpt_answers_done(struct rcpt_answers *a);
/* What is known at that time, or NULL. `name` as rcpt_dname_read() gives it. *view becomes a copy
 * with what is left of the TTL, and the age; the result is borrowed: keep it to use the view. */
const struct rcpt_dns_answer *rcpt_answers_find(struct rcpt_answers *a, rcpt_dns_type type,
                                                const char *name, uint64_t now_ms,
                                                struct rcpt_dns_answer *view);
/* Keep a reference to `answer` for its TTL, in the place of what was known. Without memory, or with
 * a TTL of 0, it is not kept, and that is no error. */
void rcpt_answers_put(struct rcpt_answers *a, rcpt_dns_type type, const char *name,
                      const struct rcpt_dns_answer *answer, uint64_t now_ms);

/* For any table by type and name. */
uint32_t rcpt_answers_hash(uint32_t seed, rcpt_dns_type type, const char *name);

#endif
