/* wire/address.h -- what is asked about: a Mailbox (RFC 5321 4.1.2) with RFC 6531's characters.
 *
 * One pass over at most a path's worth of bytes, whatever it is given; any bytes are answered. It
 * allocates nothing (libidn2 does, for itself, when a domain is not plain ASCII) and
 * keeps the result in the struct. Not here: whether the domain or the mailbox exists.
 *
 * Parsing what it made makes the same again: normalized from `normalized`, and from the ASCII form
 * the same `normalized` too. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_WIRE_ADDRESS_H
#define RCPT_WIRE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/span.h"
#include "wire/diagnosis.h"

#define RCPT_NAME_ADDR_MAX 998         /* RFC 5322 2.1.1: an address with its display name */

/* The liberties, X(field, default, text): struct, defaults and Lua's options grow from it. */
#define RCPT_ADDRESS_OPTIONS(X)                                                      \
    X(quoted,       true,  "a quoted local part: \"a b\"@example.com")               \
    X(literal,      true,  "an IP address in place of the domain: a@[192.0.2.1]")    \
    X(smtputf8,     true,  "a local part beyond ASCII (RFC 6531)")                   \
    X(display_name, false, "Name <a@example.com>, and <a@example.com>")              \
    X(single_label, false, "a domain of one label: a@intranet")                      \
    X(special_use,  false, "names set aside: a@host.local, a@x.onion")

struct rcpt_address_options {
#define X(field, value, text) bool field;
    RCPT_ADDRESS_OPTIONS(X)
#undef X
};
extern const struct rcpt_address_options rcpt_address_defaults;

typedef enum { RCPT_DOMAIN_NAME, RCPT_DOMAIN_IPV4, RCPT_DOMAIN_IPV6 } rcpt_domain_kind;
/* "domain", "ipv4", "ipv6"; static. */
const char *rcpt_domain_kind_name(rcpt_domain_kind k);

struct rcpt_address {
    rcpt_diagnosis why;                /* RCPT_DIAG_NONE: valid, and all below is filled */
    size_t   position;                 /* when refused: of the offending byte, from 1; len + 1
                                          when the end came too soon */
    rcpt_domain_kind kind;
    bool     is_quoted;                /* the local part needs its quotes */
    bool     needs_smtputf8;           /* the local part is not ASCII */
    bool     is_unicode_domain;        /* the domain's two forms differ */
    uint8_t  local_len, len, wire_len; /* bytes */
    char     normalized[RCPT_PATH_MAX + 1];  /* local part in NFC, @, domain in U-labels; a NUL
                                                follows */
    char     wire[RCPT_PATH_MAX + 1];        /* the same with A-labels: what RCPT TO says; the
                                                ASCII form unless needs_smtputf8; a NUL follows */
};

/* RCPT_OK: look at out->why. RCPT_NOMEM: a library had no memory; `out` is garbage.
 * `opt` may be NULL for the defaults. `in` is borrowed for the call. */
rcpt_err rcpt_address_parse(struct rcpt_address *out, const char *in, size_t len,
                            const struct rcpt_address_options *opt);

/* The parts of a valid address; they live as long as it. */
static inline struct rcpt_span rcpt_address_local(const struct rcpt_address *a)
{
    return (struct rcpt_span){ a->wire, a->local_len };
}
static inline struct rcpt_span rcpt_address_domain(const struct rcpt_address *a)    /* A-labels */
{
    size_t before = a->local_len + 1u;
    return (struct rcpt_span){ a->wire + before, a->wire_len - before };
}
static inline struct rcpt_span rcpt_address_udomain(const struct rcpt_address *a)   /* U-labels */
{
    size_t before = a->local_len + 1u;
    return (struct rcpt_span){ a->normalized + before, a->len - before };
}

#endif
