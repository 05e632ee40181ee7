/* wire/literal.h -- an IP address in brackets, in place of a domain (RFC 5321 4.1.3).
 *
 * IPv4 and IPv6 alone; it does not say whether anybody may be asked there. It allocates
 * nothing and reads no more than RCPT_DOMAIN_MAX bytes. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_WIRE_LITERAL_H
#define RCPT_WIRE_LITERAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/diagnosis.h"

#define RCPT_LITERAL_MAX 46            /* [IPv6:], and an IPv6 address as RFC 5952 writes it: 39 */

struct rcpt_literal {
    bool    is_ipv6;
    uint8_t len;
    char    text[RCPT_LITERAL_MAX];    /* canonical, its brackets and tag included; no NUL */
};

/* Read the `len` > 0 bytes at `in`, which begin with '['. False: `r` says why; `l` is garbage. */
bool rcpt_literal_read(struct rcpt_literal *l, const char *in, size_t len, struct rcpt_refusal *r);

#endif
