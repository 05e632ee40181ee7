/* engine/lookup.h -- DNS questions as jobs: cached, asked once, capped.
 *
 * A resolver is a set of nameservers with its own cache. Identical questions
 * under way share one query; at most `inflight` queries are under way, the rest
 * wait in order. Answers and denials (RFC 2308) are kept for their TTL, at most
 * `answers` of them, the least recently used going first; SERVFAIL, REFUSED,
 * timeouts and garbage are never kept. A server that answers SERVFAIL, REFUSED, garbage or
 * not at all costs one attempt: the next server is asked, round after round, until the job's
 * deadline; when every server has answered with the same kind of refusal, that is the answer. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_ENGINE_LOOKUP_H
#define RCPT_ENGINE_LOOKUP_H

#include "engine/engine.h"
#include "io/dns.h"

typedef struct rcpt_resolver rcpt_resolver;

struct rcpt_resolver_config {
    const char *servers;          /* "127.0.0.1:5300,[::1]:53"; NULL: the system's (resolv.conf) */
    unsigned    inflight;         /* 0: RCPT_INFLIGHT */
    unsigned    answers;          /* 0: RCPT_ANSWERS_MAX */
    unsigned    patience_ms;      /* for one attempt at one server; 0: 2000 */
};

/* RCPT_BADARG: a server that is no IP[:port]; RCPT_NOMEM; RCPT_SYSTEM. It is a tenant of `e`. */
rcpt_err rcpt_resolver_open(rcpt_resolver **r, rcpt_engine *e, const struct rcpt_resolver_config *cfg);
/* Its running jobs end as RCPT_CLOSED. Also safe after the engine closed. */
void     rcpt_resolver_close(rcpt_resolver *r);

/* Ask. A name that cannot be one is answered as RCPT_DNS_NXDOMAIN at once. RCPT_NOMEM, RCPT_CLOSED.
 * The job always ends as RCPT_OK with an answer, a deadline included (RCPT_DNS_TIMEOUT; or the last
 * refusal seen), or as RCPT_CANCELLED, RCPT_CLOSED, RCPT_NOMEM. */
rcpt_err rcpt_lookup_start(struct rcpt_job **j, rcpt_resolver *r, rcpt_dns_type type,
                           const char *name, uint64_t until_ms);
extern const struct rcpt_job_class rcpt_lookup_class;
/* Borrowed while the job is referenced; its ttl_s is what is left of it now (cached answers). */
const struct rcpt_dns_answer *rcpt_lookup_answer(const struct rcpt_job *j);
/* Was it answered from the cache? */
bool rcpt_lookup_is_cached(const struct rcpt_job *j);

struct rcpt_resolver_counts { uint64_t asked, queries, cached, joined, queued, retried; };
void rcpt_resolver_count(const rcpt_resolver *r, struct rcpt_resolver_counts *c);

#endif
