/* wire/special.h -- names set aside, under which no mail is found in the public DNS.
 *
 * The rows of IANA's special-use registry (RFC 6761 and those after it) that name no mail
 * domain. `example`, `test`, example.com, example.net and example.org are in that registry too and
 * are not here: people test with them. `internal` is no row of it: a private DNS may
 * well have mail there. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_WIRE_SPECIAL_H
#define RCPT_WIRE_SPECIAL_H

#include <stddef.h>

struct rcpt_special {
    const char *name;                  /* this and everything below it */
    unsigned    rfc;
};

/* The row that `domain` falls under, which is lower case and has no dot at its end; or NULL. */
const struct rcpt_special *rcpt_special_find(const char *domain, size_t len);

#endif
