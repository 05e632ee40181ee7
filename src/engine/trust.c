/* engine/trust.c -- see trust.h. */
/* SPDX-License-Identifier: MIT */
#include "engine/trust.h"

#include <string.h>

static void forget(struct rcpt_trust *t, const struct rcpt_mem *mem)
{
    rcpt_tls_context_close(t->context);
    rcpt_mem_free(mem, t, t->size);
}

rcpt_err rcpt_trust_find(struct rcpt_trust **out, struct rcpt_node *list, const struct rcpt_mem *mem,
                         const char *ca_file)
{
    size_t len = ca_file != NULL ? strlen(ca_file) : 0;
    for (struct rcpt_node *n = list->next; n != list; n = n->next) {
        struct rcpt_trust *t = RCPT_OWNER(n, struct rcpt_trust, node);
        if (strcmp(t->ca_file, ca_file != NULL ? ca_file : "") == 0) {
            *out = t;
            return RCPT_OK;
        }
    }
    struct rcpt_trust *t = rcpt_mem_alloc(mem, sizeof *t + len + 1);
    if (t == NULL)
        return RCPT_NOMEM;
    t->size = sizeof *t + len + 1;
    if (len > 0) {
        rcpt_tls_context *x;
        memcpy(t->ca_file, ca_file, len);
        rcpt_err e = rcpt_trust_context(t, mem, &x);
        if (e != RCPT_OK && e != RCPT_SYSTEM) {       /* without OpenSSL only TLS itself fails */
            forget(t, mem);
            return e;
        }
    }
    rcpt_list_init(&t->node);
    rcpt_list_append(list, &t->node);
    *out = t;
    return RCPT_OK;
}

rcpt_err rcpt_trust_context(struct rcpt_trust *t, const struct rcpt_mem *mem, rcpt_tls_context **x)
{
    if (t->context == NULL) {
        rcpt_err e = rcpt_tls_context_open(&t->context, mem,
                                           t->ca_file[0] != '\0' ? t->ca_file : NULL);
        if (e != RCPT_OK)
            return e;
    }
    *x = t->context;
    return RCPT_OK;
}

void rcpt_trust_done(struct rcpt_node *list, const struct rcpt_mem *mem)
{
    for (struct rcpt_node *n; (n = rcpt_list_first(list)) != NULL;) {
        rcpt_list_remove(n);
        forget(RCPT_OWNER(n, struct rcpt_trust, node), mem);
    }
}
