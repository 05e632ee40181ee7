/* io/message.c -- see message.h.
 *
 * An answer is made in two passes: the first follows the CNAMEs and picks the records, the
 * second writes them into one block. Its cost is bounded by the 64 KiB of a message: the
 * answer section is walked once for each CNAME followed, at most nine times. */
/* SPDX-License-Identifier: MIT */
#include "io/message.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <resolv.h>
#include <string.h>
#include <strings.h>

#include "base/span.h"

struct block {
    struct rcpt_dns_answer answer;    /* first: an answer is its block */
    struct rcpt_mem mem;
    size_t   size;
    unsigned refs;
    struct rcpt_dns_record record[];
};

struct pick {
    const unsigned char *rdata;       /* within the message */
    size_t   rdlen, len;              /* bytes; of the text it makes */
    uint32_t ttl_s;
    uint16_t preference;
};

struct reader {
    ns_msg   msg;
    const struct rcpt_dns_asked *asked;
    char     at[RCPT_DNAME_TEXT];     /* where the CNAMEs have led so far */
    bool     has_hopped;
    uint32_t ttl_s;
    unsigned n;
    struct pick pick[RCPT_RECORDS_MAX];
};

static const char *const status_names[] = {
#define X(id, name) name,
    RCPT_DNS_STATUSES(X)
#undef X
};

static const struct {
    const char   *name;
    rcpt_dns_type type;
} types[] = {
    { "A", RCPT_DNS_A },   { "AAAA", RCPT_DNS_AAAA },   { "MX", RCPT_DNS_MX },
    { "TXT", RCPT_DNS_TXT }, { "CNAME", RCPT_DNS_CNAME }, { "PTR", RCPT_DNS_PTR },
};

/* What an rcode other than 0 and 3 tells us; the rest is SERVFAIL (RFC 6895 2.3). */
static const struct {
    unsigned rcode;
    rcpt_dns_status status;
} rcodes[] = {
    { 1, RCPT_DNS_NOTIMP },     /* FORMERR: what we ask is beyond it */
    { 4, RCPT_DNS_NOTIMP },
    { 5, RCPT_DNS_REFUSED },
    { 9, RCPT_DNS_REFUSED },    /* NOTAUTH */
};

static rcpt_dns_status rcode_status(unsigned rcode)
{
    for (size_t i = 0; i < sizeof rcodes / sizeof *rcodes; i++)
        if (rcodes[i].rcode == rcode)
            return rcodes[i].status;
    return RCPT_DNS_SERVFAIL;
}

static void lower(char *s)
{
    for (; *s != '\0'; s++)
        *s = rcpt_lower(*s);
}

/* The owner of a record; the ns_parserr() of some libcs writes the root as nothing. */
static const char *owner(const ns_rr *rr)
{
    return ns_rr_name(*rr)[0] != '\0' ? ns_rr_name(*rr) : ".";
}

/* RFC 2181 8: a TTL with its highest bit set is none. */
static uint32_t sane_ttl(uint32_t ttl, uint32_t max)
{
    return ttl > INT32_MAX ? 0 : ttl < max ? ttl : max;
}

static void at_most(uint32_t *ttl, uint32_t other)
{
    if (other < *ttl)
        *ttl = other;
}

/* The name at `p`, which must take up the `len` octets there. */
static bool expand(const struct reader *r, const unsigned char *p, size_t len,
                   char out[RCPT_DNAME_TEXT])
{
    int took = ns_name_uncompress(ns_msg_base(r->msg), ns_msg_end(r->msg), p, out, RCPT_DNAME_TEXT);
    if (took < 0 || (size_t)took != len)
        return false;
    lower(out);
    return true;
}

/* Write what a record says, and a NUL; `to` has room for `room` bytes. The bytes without the
 * NUL, or -1: it is malformed. */
static long render(const struct reader *r, const struct pick *k, char *to, size_t room)
{
    char text[RCPT_DNAME_TEXT];
    size_t len = 0;
    switch (r->asked->type) {
    case RCPT_DNS_A:
    case RCPT_DNS_AAAA: {
        bool is_v4 = r->asked->type == RCPT_DNS_A;
        if (k->rdlen != (is_v4 ? 4U : 16U) ||
            inet_ntop(is_v4 ? AF_INET : AF_INET6, k->rdata, text, sizeof text) == NULL)
            return -1;
        break;
    }
    case RCPT_DNS_MX:
        if (k->rdlen < 3 || !expand(r, k->rdata + 2, k->rdlen - 2, text))
            return -1;
        break;
    case RCPT_DNS_CNAME:
    case RCPT_DNS_PTR:
        if (!expand(r, k->rdata, k->rdlen, text))
            return -1;
        break;
    case RCPT_DNS_TXT:
        for (size_t i = 0, n; i < k->rdlen; i += 1 + n) {
            n = k->rdata[i];
            if (n > k->rdlen - i - 1)
                return -1;
            if (len + n < room)
                memcpy(to + len, k->rdata + i + 1, n);
            len += n;
        }
        if (len < room)
            to[len] = '\0';
        return k->rdlen != 0 ? (long)len : -1;
    }
    len = strlen(text);
    if (len < room)
        memcpy(to, text, len + 1);
    return (long)len;
}

/* Keep a record; of too many MX those with the best preference stay. */
static bool choose(struct reader *r, const ns_rr *rr)
{
    struct pick k = { .rdata = ns_rr_rdata(*rr), .rdlen = ns_rr_rdlen(*rr),
                      .ttl_s = sane_ttl(ns_rr_ttl(*rr), RCPT_TTL_MAX_S) };
    long len = render(r, &k, NULL, 0);
    if (len < 0)
        return false;
    k.len = (size_t)len;
    if (r->asked->type == RCPT_DNS_MX)
        k.preference = (uint16_t)(k.rdata[0] << 8 | k.rdata[1]);
    if (r->n < RCPT_RECORDS_MAX) {
        r->pick[r->n++] = k;
        return true;
    }
    struct pick *worst = r->pick;
    for (unsigned i = 1; i < r->n; i++)
        if (r->pick[i].preference > worst->preference)
            worst = &r->pick[i];
    if (k.preference < worst->preference)
        *worst = k;
    return true;
}

typedef enum { FOUND_BAD, FOUND_NOTHING, FOUND_CNAME, FOUND_RECORDS } found;

/* Walk the answer section for what stands at r->at; a CNAME moves it on. */
static found look(struct reader *r)
{
    char target[RCPT_DNAME_TEXT];
    uint32_t ttl = 0;
    bool has_cname = false;
    for (int i = 0; i < ns_msg_count(r->msg, ns_s_an); i++) {
        ns_rr rr;
        if (ns_parserr(&r->msg, ns_s_an, i, &rr) != 0)
            return FOUND_BAD;
        if (ns_rr_class(rr) != ns_c_in || strcasecmp(owner(&rr), r->at) != 0)
            continue;
        if (ns_rr_type(rr) == (unsigned)r->asked->type) {
            if (!choose(r, &rr))
                return FOUND_BAD;
        } else if (ns_rr_type(rr) == ns_t_cname && !has_cname) {
            if (!expand(r, ns_rr_rdata(rr), ns_rr_rdlen(rr), target))
                return FOUND_BAD;
            has_cname = true;
            ttl = sane_ttl(ns_rr_ttl(rr), RCPT_TTL_MAX_S);
        }
    }
    if (r->n != 0)
        return FOUND_RECORDS;
    if (!has_cname)
        return FOUND_NOTHING;
    memcpy(r->at, target, strlen(target) + 1);
    r->has_hopped = true;
    at_most(&r->ttl_s, ttl);
    return FOUND_CNAME;
}

static bool is_below(const char *name, const char *zone)
{
    size_t n = strlen(name), z = strlen(zone);
    if (strcmp(zone, ".") == 0)
        return true;
    return n >= z && strcasecmp(name + n - z, zone) == 0 && (n == z || name[n - z - 1] == '.');
}

/* The SOA that denies r->at, and for how long (RFC 2308 5); whether there is one. */
static bool denial(const struct reader *r, uint32_t *ttl, bool *has_ns)
{
    for (int i = 0; i < ns_msg_count(r->msg, ns_s_ns); i++) {
        ns_rr rr;
        ns_msg msg = r->msg;                        /* ns_parserr() moves a cursor in it */
        if (ns_parserr(&msg, ns_s_ns, i, &rr) != 0)
            return false;
        if (ns_rr_type(rr) == ns_t_ns)
            *has_ns = true;
        if (ns_rr_type(rr) != ns_t_soa || ns_rr_class(rr) != ns_c_in ||
            !is_below(r->at, owner(&rr)))
            continue;
        const unsigned char *p = ns_rr_rdata(rr), *end = p + ns_rr_rdlen(rr);
        if (ns_name_skip(&p, end) != 0 || ns_name_skip(&p, end) != 0 || end - p != 20)
            return false;
        *ttl = sane_ttl(ns_rr_ttl(rr), RCPT_DENIAL_MAX_S);
        at_most(ttl, sane_ttl((uint32_t)ns_get32(p + 16), RCPT_DENIAL_MAX_S));
        return true;
    }
    return false;
}

static bool is_answer_to(struct reader *r)
{
    ns_rr q;
    return ns_msg_getflag(r->msg, ns_f_qr) != 0 && ns_msg_count(r->msg, ns_s_qd) == 1 &&
           ns_parserr(&r->msg, ns_s_qd, 0, &q) == 0 &&
           ns_rr_type(q) == (unsigned)r->asked->type && ns_rr_class(q) == ns_c_in &&
           strcasecmp(owner(&q), r->asked->name) == 0;
}

/* No record stands at the end of the CNAMEs: is that a denial, or the end of what is told here? */
static rcpt_dns_status nothing(struct reader *r, unsigned rcode)
{
    uint32_t ttl = 0;
    bool has_ns = false, has_soa = denial(r, &ttl, &has_ns);
    if (rcode != ns_r_nxdomain && !has_soa) {
        if (r->has_hopped)
            return RCPT_DNS_NOERROR;                /* go on and ask for r->at */
        if (has_ns && ns_msg_getflag(r->msg, ns_f_aa) == 0)
            return RCPT_DNS_SERVFAIL;               /* a referral (RFC 2308 2.2) */
    }
    at_most(&r->ttl_s, ttl);
    return rcode == ns_r_nxdomain ? RCPT_DNS_NXDOMAIN : RCPT_DNS_NODATA;
}

static rcpt_dns_status read_message(struct reader *r, const unsigned char *p, size_t len)
{
    if (len > NS_MAXMSG || ns_initparse(p, (int)len, &r->msg) != 0)
        return RCPT_DNS_MALFORMED;
    unsigned rcode = (unsigned)ns_msg_getflag(r->msg, ns_f_rcode);
    if (rcode != ns_r_noerror && rcode != ns_r_nxdomain)
        return rcode_status(rcode);
    if (!is_answer_to(r))
        return RCPT_DNS_MALFORMED;
    for (int hops = 0; hops <= RCPT_DNAME_HOPS; hops++) {
        switch (look(r)) {
        case FOUND_BAD:
            return RCPT_DNS_MALFORMED;
        case FOUND_CNAME:
            break;
        case FOUND_NOTHING:
            return nothing(r, rcode);
        case FOUND_RECORDS:
            for (unsigned i = 0; i < r->n; i++)
                at_most(&r->ttl_s, r->pick[i].ttl_s);
            return RCPT_DNS_NOERROR;
        }
    }
    return RCPT_DNS_MALFORMED;                      /* a loop, or as good as one */
}

/* The second pass: everything into one block. */
static rcpt_err make(const struct rcpt_dns_answer **out, const struct rcpt_mem *mem,
                     const struct reader *r, rcpt_dns_status status)
{
    size_t size = sizeof(struct block) + r->n * sizeof(struct rcpt_dns_record);
    size_t at_len = r->has_hopped ? strlen(r->at) + 1 : 0;
    size += at_len;
    for (unsigned i = 0; i < r->n; i++)
        size += r->pick[i].len + 1;
    struct block *b = rcpt_mem_alloc(mem, size);
    if (b == NULL)
        return RCPT_NOMEM;
    b->mem = *mem;
    b->size = size;
    b->refs = 1;
    char *text = (char *)&b->record[r->n];
    for (unsigned i = 0; i < r->n; i++) {
        const struct pick *k = &r->pick[i];
        b->record[i] = (struct rcpt_dns_record){ k->ttl_s, k->preference, text, k->len };
        (void)render(r, k, text, k->len + 1);
        text += k->len + 1;
    }
    b->answer = (struct rcpt_dns_answer){ .status = status, .ttl_s = r->ttl_s, .n = r->n,
                                          .record = b->record };
    if (at_len != 0)
        b->answer.canonical = memcpy(text, r->at, at_len);
    *out = &b->answer;
    return RCPT_OK;
}

const char *rcpt_dns_status_name(rcpt_dns_status s)
{
    return status_names[s];
}

bool rcpt_dns_type_read(const char *name, rcpt_dns_type *t)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcasecmp(types[i].name, name) == 0) {
            *t = types[i].type;
            return true;
        }
    }
    return false;
}

void rcpt_dns_answer_keep(const struct rcpt_dns_answer *a)
{
    if (a != NULL)
        ((struct block *)(uintptr_t)a)->refs++;
}

void rcpt_dns_answer_release(const struct rcpt_dns_answer *a)
{
    struct block *b = (struct block *)(uintptr_t)a;
    if (b == NULL || --b->refs != 0)
        return;
    struct rcpt_mem mem = b->mem;
    rcpt_mem_free(&mem, b, b->size);
}

size_t rcpt_dns_answer_size(const struct rcpt_dns_answer *a)
{
    return ((const struct block *)a)->size;
}

bool rcpt_dname_read(char out[RCPT_DNAME_TEXT], const char *text)
{
    unsigned char wire[NS_MAXCDNAME];
    if (text[0] == '\0' || ns_name_pton(text, wire, sizeof wire) < 0)
        return false;
    for (const unsigned char *p = wire; *p != 0; p += 1 + *p)
        if (memchr(p + 1, 0, *p) != NULL)
            return false;
    if (ns_name_ntop(wire, out, RCPT_DNAME_TEXT) < 0)
        return false;
    lower(out);
    return true;
}

rcpt_err rcpt_message_read(const struct rcpt_dns_answer **a, const struct rcpt_mem *mem,
                           const struct rcpt_dns_asked *asked, const unsigned char *p, size_t len)
{
    struct reader r;
    memset(&r, 0, offsetof(struct reader, pick));
    r.asked = asked;
    r.ttl_s = asked->ttl_s;
    r.has_hopped = asked->is_hop;
    memcpy(r.at, asked->name, strlen(asked->name) + 1);
    rcpt_dns_status status = read_message(&r, p, len);
    if (status > RCPT_DNS_NXDOMAIN)
        return rcpt_dns_answer_bare(a, mem, status);
    return make(a, mem, &r, status);
}

rcpt_err rcpt_dns_answer_bare(const struct rcpt_dns_answer **a, const struct rcpt_mem *mem,
                              rcpt_dns_status status)
{
    struct reader r;
    memset(&r, 0, offsetof(struct reader, pick));
    return make(a, mem, &r, status);
}
