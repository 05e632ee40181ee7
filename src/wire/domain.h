/* wire/domain.h -- a domain name: the grammar of RFC 5321 4.1.2, IDNA2008 mapped by UTS 46.
 *
 * ASCII labels are read by the grammar alone. The others, and those that begin with "xn--",
 * go through libidn2 label by label: UTS 46 (non-transitional) maps what was typed, IDNA2008's
 * rules for look-up decide, and what comes out must read back as itself. Not here: whether the
 * name exists. Nothing here allocates but libidn2 for itself; of the input no more than
 * RCPT_DOMAIN_MAX bytes are read. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_WIRE_DOMAIN_H
#define RCPT_WIRE_DOMAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"
#include "wire/diagnosis.h"

struct rcpt_domain_options {
    bool single_label;                 /* admit "localhost" and the like */
    bool special_use;                  /* admit what special.h lists */
};

struct rcpt_domain {
    bool    is_unicode;                /* the two forms differ */
    uint8_t ascii_len, unicode_len;    /* bytes */
    char    ascii[RCPT_DOMAIN_MAX];    /* lower case, A-labels; no NUL */
    char    unicode[RCPT_DOMAIN_MAX];  /* U-labels, in UTF-8; filled only when is_unicode */
};

/* Read `len` bytes. RCPT_OK: r->why is RCPT_DIAG_NONE and `d` is filled, or r says what is wrong
 * and `d` is garbage. RCPT_NOMEM: libidn2 had no memory. */
rcpt_err rcpt_domain_read(struct rcpt_domain *d, const char *in, size_t len,
                          const struct rcpt_domain_options *opt, struct rcpt_refusal *r);

#endif
