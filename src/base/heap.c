/* base/heap.c -- a binary heap; see heap.h. */
/* SPDX-License-Identifier: MIT */
#include "base/heap.h"

#define FIRST 64

static void put(struct rcpt_heap *h, size_t at, struct rcpt_timer *t)
{
    h->slot[at - 1] = t;
    t->at = at;
}

static void rise(struct rcpt_heap *h, struct rcpt_timer *t)
{
    size_t at = t->at;
    while (at > 1 && h->slot[at / 2 - 1]->due_ms > t->due_ms) {
        put(h, at, h->slot[at / 2 - 1]);
        at /= 2;
    }
    put(h, at, t);
}

static void sink(struct rcpt_heap *h, struct rcpt_timer *t)
{
    size_t at = t->at;
    for (;;) {
        size_t child = at * 2;
        if (child > h->n)
            break;
        if (child < h->n && h->slot[child]->due_ms < h->slot[child - 1]->due_ms)
            child++;
        if (h->slot[child - 1]->due_ms >= t->due_ms)
            break;
        put(h, at, h->slot[child - 1]);
        at = child;
    }
    put(h, at, t);
}

void rcpt_heap_init(struct rcpt_heap *h, const struct rcpt_mem *mem)
{
    *h = (struct rcpt_heap){ .mem = mem };
}

void rcpt_heap_done(struct rcpt_heap *h)
{
    for (size_t i = 0; i < h->n; i++)
        h->slot[i]->at = 0;
    rcpt_mem_free(h->mem, h->slot, h->cap * sizeof *h->slot);
    rcpt_heap_init(h, h->mem);
}

rcpt_err rcpt_heap_set(struct rcpt_heap *h, struct rcpt_timer *t, uint64_t due_ms)
{
    if (t->at == 0) {
        if (h->n == h->cap) {
            size_t cap = h->cap != 0 ? h->cap * 2 : FIRST;
            void *p = rcpt_mem_resize(h->mem, h->slot, h->cap * sizeof *h->slot,
                                      cap * sizeof *h->slot);
            if (p == NULL)
                return RCPT_NOMEM;
            h->slot = p;
            h->cap = cap;
        }
        h->n++;
        put(h, h->n, t);
    }
    t->due_ms = due_ms;
    rise(h, t);
    sink(h, t);
    return RCPT_OK;
}

void rcpt_heap_unset(struct rcpt_heap *h, struct rcpt_timer *t)
{
    if (t->at == 0)
        return;
    size_t at = t->at;
    struct rcpt_timer *last = h->slot[h->n - 1];
    h->n--;
    t->at = 0;
    if (last == t)
        return;
    put(h, at, last);
    rise(h, last);
    sink(h, last);
}

struct rcpt_timer *rcpt_heap_first(const struct rcpt_heap *h)
{
    return h->n != 0 ? h->slot[0] : NULL;
}
