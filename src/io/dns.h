/* io/dns.h -- one nameserver, asked through c-ares, answers read with their TTLs.
 *
 * A channel is one c-ares channel to ONE server (the resolver in engine/lookup.c
 * keeps one a server, so that "ask the next" is ours and a refusal's kind is not
 * lost). It asks over UDP with EDNS, over TCP on truncation, tries once, and gives
 * up after its patience. It keeps no cache. What c-ares calls back only fills a
 * query and queues it: rcpt_dns_run() hands over what ended. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_IO_DNS_H
#define RCPT_IO_DNS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "io/poller.h"

typedef enum {
    RCPT_DNS_A = 1, RCPT_DNS_CNAME = 5, RCPT_DNS_PTR = 12, RCPT_DNS_MX = 15,
    RCPT_DNS_TXT = 16, RCPT_DNS_AAAA = 28
} rcpt_dns_type;

/* NOERROR: records. NODATA: the name exists, the type does not (RFC 2308 2.2).
 * TIMEOUT: no answer. UNREACHABLE: nobody to ask. MALFORMED: an answer that is none. */
#define RCPT_DNS_STATUSES(X)                                                          \
    X(NOERROR, "noerror") X(NODATA, "nodata") X(NXDOMAIN, "nxdomain")                 \
    X(SERVFAIL, "servfail") X(REFUSED, "refused") X(NOTIMP, "notimp")                 \
    X(TIMEOUT, "timeout") X(UNREACHABLE, "unreachable") X(MALFORMED, "malformed")

typedef enum {
#define X(id, name) RCPT_DNS_##id,
    RCPT_DNS_STATUSES(X)
#undef X
    RCPT_DNS_STATUS_COUNT
} rcpt_dns_status;

const char *rcpt_dns_status_name(rcpt_dns_status s);
/* false for a name that is none of the types above */
bool rcpt_dns_type_read(const char *name, rcpt_dns_type *t);

struct rcpt_dns_record {
    uint32_t ttl_s;
    uint16_t preference;           /* MX */
    const char *data;              /* an address or a name as text (lower case as sent, no final
                                      dot, "." for the root), or TXT's strings joined: any bytes */
    size_t   len;                  /* bytes of data; a NUL follows */
};

/* One block of memory, reference-counted, never changed once made. */
struct rcpt_dns_answer {
    rcpt_dns_status status;
    uint32_t ttl_s;                /* the least TTL on the way to the records (CNAMEs included), or
                                      the denial's: min(SOA TTL, SOA minimum), 0 without a SOA */
    const char *canonical;         /* the name the records stand at, when CNAMEs led away; or NULL */
    unsigned n;
    const struct rcpt_dns_record *record;
};
/* ...plus ownership functions here, and the channel; the author of dns.c completes this header. */

#endif
