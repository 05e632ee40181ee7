/* base/mem.c -- the one place of malloc. */
/* SPDX-License-Identifier: MIT */
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static void *libc_resize(void *ud, void *p, size_t old_size, size_t new_size)
{
    (void)ud;
    (void)old_size;
    if (new_size == 0) {
        free(p);
        return NULL;
    }
    return realloc(p, new_size);
}

const struct rcpt_mem rcpt_mem_libc = { libc_resize, NULL };

void *rcpt_mem_alloc(const struct rcpt_mem *m, size_t size)
{
    void *p = m->resize(m->ud, NULL, 0, size);
    if (p != NULL)
        memset(p, 0, size);
    return p;
}

void *rcpt_mem_resize(const struct rcpt_mem *m, void *p, size_t old_size, size_t new_size)
{
    return m->resize(m->ud, p, old_size, new_size);
}

void rcpt_mem_free(const struct rcpt_mem *m, void *p, size_t size)
{
    if (p != NULL)
        (void)m->resize(m->ud, p, size, 0);
}
