/* io/message.h -- what a DNS message says: RFC 1035, and RFC 2308 for what it denies.
 *
 * Bytes in, one answer out: an immutable block of memory that counts its references.
 * The libc's ns_* functions take the message apart; nothing here asks a server, reads a
 * clock or trusts a byte. Bounds: RCPT_RECORDS_MAX records, 64 KiB of message, 8 CNAMEs. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_IO_MESSAGE_H
#define RCPT_IO_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"

#define RCPT_DNAME_TEXT 1025          /* bytes of a name as text, escapes and NUL included */
#define RCPT_DNAME_HOPS 8             /* CNAMEs followed within one message, and across messages */

typedef enum {
    RCPT_DNS_A = 1, RCPT_DNS_CNAME = 5, RCPT_DNS_PTR = 12, RCPT_DNS_MX = 15,
    RCPT_DNS_TXT = 16, RCPT_DNS_AAAA = 28
} rcpt_dns_type;

/* NOERROR: records. NODATA: the name exists, the type does not (RFC 2308 2.2).
 * SERVFAIL also: a referral, from a server that does not resolve for us.
 * TIMEOUT: no answer. UNREACHABLE: nobody to ask. MALFORMED: an answer that is none.
 * The order is the order of telling: of several failures the first one here is told. */
#define RCPT_DNS_STATUSES(X)                                                          \
    X(NOERROR, "noerror") X(NODATA, "nodata") X(NXDOMAIN, "nxdomain")                 \
    X(SERVFAIL, "servfail") X(REFUSED, "refused") X(NOTIMP, "notimp")                 \
    X(MALFORMED, "malformed") X(UNREACHABLE, "unreachable") X(TIMEOUT, "timeout")

typedef enum {
#define X(id, name) RCPT_DNS_##id,
    RCPT_DNS_STATUSES(X)
#undef X
    RCPT_DNS_STATUS_COUNT
} rcpt_dns_status;

const char *rcpt_dns_status_name(rcpt_dns_status s);
/* "A", "mx"...; false for a name that is none of the types above */
bool rcpt_dns_type_read(const char *name, rcpt_dns_type *t);

struct rcpt_dns_record {
    uint32_t ttl_s;
    uint16_t preference;           /* MX */
    const char *data;              /* an address or a name as text (lower case, no final dot, "."
                                      for the root, odd bytes as \DDD), or TXT's strings joined:
                                      any bytes */
    size_t   len;                  /* bytes of data; a NUL follows */
};

/* One block of memory, reference-counted, never changed once made. */
struct rcpt_dns_answer {
    rcpt_dns_status status;
    uint32_t ttl_s;                /* the least TTL on the way to the records (CNAMEs included), or
                                      the denial's: min(SOA TTL, SOA minimum), 0 without a SOA */
    uint32_t age_s;                /* how long it was kept; the records' TTLs are as they came */
    const char *canonical;         /* the name the records stand at, or do not, when CNAMEs led
                                      away; or NULL */
    unsigned n;
    const struct rcpt_dns_record *record;
};

/* Another reference, and the end of one; both take NULL. For answers made here, not for copies. */
void   rcpt_dns_answer_keep(const struct rcpt_dns_answer *a);
void   rcpt_dns_answer_release(const struct rcpt_dns_answer *a);
size_t rcpt_dns_answer_size(const struct rcpt_dns_answer *a);

/* A name in its one form: lower case, no final dot, escapes as RFC 1035 5.1 has them. False for
 * what cannot be a name: empty or over-long labels, over 255 octets, a NUL octet. */
bool rcpt_dname_read(char out[RCPT_DNAME_TEXT], const char *text);

struct rcpt_dns_asked {
    const char   *name;            /* as rcpt_dname_read() gives it */
    rcpt_dns_type type;
    uint32_t      ttl_s;           /* a ceiling for the answer's: CNAMEs in earlier messages */
    bool          is_hop;          /* those CNAMEs led to `name`: it is the canonical one */
};

/* Whatever the bytes are: RCPT_OK with an answer (released by the caller), or RCPT_NOMEM.
 * NOERROR without records: CNAMEs led to `canonical`, of which it says no more: ask for that. */
rcpt_err rcpt_message_read(const struct rcpt_dns_answer **a, const struct rcpt_mem *mem,
                           const struct rcpt_dns_asked *asked, const unsigned char *p, size_t len);
/* An answer that is a status alone. RCPT_NOMEM. */
rcpt_err rcpt_dns_answer_bare(const struct rcpt_dns_answer **a, const struct rcpt_mem *mem,
                              rcpt_dns_status status);

#endif
