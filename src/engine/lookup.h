/* engine/lookup.h -- DNS questions as jobs: cached, asked once, capped.
 *
 * A resolver is a set of nameservers with its own cache. Identical questions
 * under way share one flight; at most `inflight` queries are under way, the rest
 * wait in order. Answers and denials (RFC 2308) are kept for their TTL, at most
 * `answers` of them, the least recently used going first; SERVFAIL, REFUSED,
 * timeouts and garbage are never kept.
 *
 * A flight asks the server that answered last, then the others in their order, round after
 * round, until it has an answer or nobody waits any more. A time-out costs an attempt and no
 * more. A server is left out of the next rounds once it said REFUSED or NOTIMP, said SERVFAIL or
 * garbage twice, or was unreachable three times; when all are out, the most telling failure (the
 * first in the order of RCPT_DNS_STATUSES) is the answer. A server that failed at once is
 * asked again after 100 ms, then after 200. A CNAME that leads out of the answer is followed,
 * RCPT_DNAME_HOPS times. A flight whose waiters all left while it was being asked ends with that
 * query, and its answer is kept. */
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

/* RCPT_BADARG: a server that is no IP[:port], or more than RCPT_SERVERS_MAX; RCPT_NOMEM;
 * RCPT_NOFILE; RCPT_SYSTEM; RCPT_CLOSED in a forked child. It is a tenant of `e`. */
rcpt_err rcpt_resolver_open(rcpt_resolver **r, rcpt_engine *e,
                            const struct rcpt_resolver_config *cfg);
/* Its running jobs end as RCPT_CLOSED. Also safe after the engine closed. NULL is nothing. */
void     rcpt_resolver_close(rcpt_resolver *r);
/* NULL once the engine closed. */
rcpt_engine *rcpt_resolver_engine(const rcpt_resolver *r);

/* Ask. A name that cannot be one is answered as RCPT_DNS_NXDOMAIN at once. RCPT_NOMEM or
 * RCPT_CLOSED, and there is no job.
 * The job always ends as RCPT_OK with an answer, a deadline included (RCPT_DNS_TIMEOUT, or the most
 * telling refusal seen), or as RCPT_CANCELLED, RCPT_CLOSED, RCPT_NOMEM. Without a deadline
 * (UINT64_MAX) it waits for a silent server for ever. */
rcpt_err rcpt_lookup_start(struct rcpt_job **j, rcpt_resolver *r, rcpt_dns_type type,
                           const char *name, uint64_t until_ms);
extern const struct rcpt_job_class rcpt_lookup_class;
/* Borrowed while the job is referenced; its ttl_s is what is left of it now (cached answers). */
const struct rcpt_dns_answer *rcpt_lookup_answer(const struct rcpt_job *j);
rcpt_dns_type rcpt_lookup_type(const struct rcpt_job *j);
/* Was it answered from the cache? */
bool rcpt_lookup_is_cached(const struct rcpt_job *j);

struct rcpt_resolver_counts {
    uint64_t asked;               /* jobs started */
    uint64_t queries;             /* questions sent to a server, the same over TCP not counted */
    uint64_t cached, joined;      /* jobs answered from the cache; that shared a flight */
    uint64_t queued;              /* flights that waited for the cap */
    uint64_t retried;             /* queries beyond the first of a flight, CNAMEs included */
    uint64_t underway, most;      /* queries under way now; the most there ever were */
    uint64_t held;                /* answers in the cache now */
};
void rcpt_resolver_count(const rcpt_resolver *r, struct rcpt_resolver_counts *c);

#endif
