/* base/mem.h -- where memory comes from.
 *
 * One resize function in the manner of lua_Alloc, so that a host's limit sees
 * our bytes and a spec can make the n-th allocation fail. Sizes are in bytes
 * and must be given back exactly. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_BASE_MEM_H
#define RCPT_BASE_MEM_H

#include <stddef.h>

struct rcpt_mem {
    void *(*resize)(void *ud, void *p, size_t old_size, size_t new_size);
    void *ud;               /* borrowed: whoever made the struct owns it */
};

/* The C library's own heap. */
extern const struct rcpt_mem rcpt_mem_libc;

/* NULL when there is no memory; zeroed. `size` > 0. */
void *rcpt_mem_alloc(const struct rcpt_mem *m, size_t size);
/* NULL when there is no memory, then `p` is as it was. `new_size` > 0. */
void *rcpt_mem_resize(const struct rcpt_mem *m, void *p, size_t old_size, size_t new_size);
/* Freeing NULL is nothing. */
void rcpt_mem_free(const struct rcpt_mem *m, void *p, size_t size);

#endif
