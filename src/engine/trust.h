/* engine/trust.h -- the TLS contexts of an engine: one for each file of CA certificates that was
 * named.
 *
 * The system's CA store is always part of it. Kept until the engine closes: reading certificates
 * again for every session would cost more than the sessions. Bounded by how many files its host
 * names. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_ENGINE_TRUST_H
#define RCPT_ENGINE_TRUST_H

#include "base/list.h"
#include "base/mem.h"
#include "io/tls.h"

struct rcpt_trust {
    struct rcpt_node  node;
    rcpt_tls_context *context;            /* NULL: not needed yet */
    size_t            size;               /* of this struct */
    char              ca_file[];          /* "": the system's store alone */
};

/* The entry of `list` for that file, made when it is not there; borrowed, it lives as long as
 * the list. `mem` too is borrowed for that long. `ca_file` may be NULL: the system's store
 * alone. RCPT_NOMEM; RCPT_BADARG: no certificate can be read from the file. */
rcpt_err rcpt_trust_find(struct rcpt_trust **t, struct rcpt_node *list, const struct rcpt_mem *mem,
                         const char *ca_file);
/* Its context, opened at first need. RCPT_NOMEM; RCPT_SYSTEM: OpenSSL cannot be used here. */
rcpt_err rcpt_trust_context(struct rcpt_trust *t, const struct rcpt_mem *mem, rcpt_tls_context **x);
/* Close and free all of them. */
void rcpt_trust_done(struct rcpt_node *list, const struct rcpt_mem *mem);

#endif
