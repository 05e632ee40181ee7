/* base/heap.h -- timers in order of the time they are due.
 *
 * Intrusive: the timer lives in what it wakes. A timer that is not set has
 * at == 0; unsetting it is nothing. Times are monotonic milliseconds. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_BASE_HEAP_H
#define RCPT_BASE_HEAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

struct rcpt_timer {
    uint64_t due_ms;
    size_t   at;              /* its place in the heap, from 1; 0: not set */
};

struct rcpt_heap {
    const struct rcpt_mem *mem;   /* borrowed */
    struct rcpt_timer    **slot;  /* the heap's own; timers are borrowed */
    size_t                 n, cap;
};

void rcpt_heap_init(struct rcpt_heap *h, const struct rcpt_mem *mem);
/* Every timer still in it is unset. */
void rcpt_heap_done(struct rcpt_heap *h);
/* Set, or move a set timer. RCPT_NOMEM can only come where it was not set. */
rcpt_err rcpt_heap_set(struct rcpt_heap *h, struct rcpt_timer *t, uint64_t due_ms);
void rcpt_heap_unset(struct rcpt_heap *h, struct rcpt_timer *t);
/* The one due first; NULL when there is none. */
struct rcpt_timer *rcpt_heap_first(const struct rcpt_heap *h);

#endif
