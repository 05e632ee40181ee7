/* check/fuzz_client.c -- whatever a server says, in whatever pieces, the client keeps its word.
 *
 * A libFuzzer target, built by check/fuzz.sh, which also replays check/corpus/client. The input: a
 * byte of options, then pieces, each a length byte and so many bytes of the server's. Where the
 * client wants a question a piece of an odd length (option 4: any) is one, VRFY when its length leaves
 * 3 by 4; where it wants TLS it is secured (option 128: lost). Books are kept of what is said. It
 * is run twice, by pieces and byte by byte, and both must end alike. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "wire/client.h"
#include "wire/meaning.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct trail {                         /* what a run did, to compare two */
    uint64_t hash;
    unsigned n;
};

struct books {                         /* what was said, to compare with what may be */
    struct trail trail;
    unsigned tls_said;
    bool has_quit, has_mail, is_secured, has_domain, must_be_secured;
    char domain[RCPT_PATH_MAX];
    size_t domain_len;
};

static void demand(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "broken: %s\n", what);
    abort();
}

static void note(struct trail *t, const void *p, size_t n)
{
    const unsigned char *b = p;
    for (size_t i = 0; i < n; i++)
        t->hash = (t->hash ^ b[i]) * 1099511628211u;
    t->n++;
}

static bool begins(const char *p, size_t n, const char *with)
{
    return n >= strlen(with) && memcmp(p, with, strlen(with)) == 0;
}

/* One domain a transaction; RCPT behind a MAIL alone. */
static void check_recipient(struct books *b, const char *p, size_t n)
{
    const char *at = memrchr(p, '@', n);
    const char *domain = at != NULL ? at + 1 : p + n;
    size_t len = (size_t)(p + n - domain);
    demand(b->has_mail, "RCPT without MAIL");
    if (b->has_domain)
        demand(rcpt_span_same((struct rcpt_span){ domain, len },
                              (struct rcpt_span){ b->domain, b->domain_len }), "two domains");
    b->has_domain = true;
    b->domain_len = len;
    memcpy(b->domain, domain, len);
}

static void check_command(struct books *b, const char *p, size_t n, unsigned offers)
{
    static const char *const verbs[] = {
        "EHLO ", "HELO ", "MAIL FROM:<", "RCPT TO:<", "RSET\r\n", "QUIT\r\n", "STARTTLS\r\n", "VRFY ",
    };
    bool is_known = false;
    for (unsigned i = 0; i < sizeof verbs / sizeof *verbs; i++)
        is_known |= begins(p, n, verbs[i]);
    demand(is_known, "a word we do not say");
    demand(n >= 2 && n <= 512 && p[n - 2] == '\r' && p[n - 1] == '\n', "a command that is no line");
    for (size_t i = 0; i + 2 < n; i++)
        demand(!rcpt_is_ctl(p[i]), "a control character in a command");
    demand(!b->has_quit, "a command after QUIT");
    b->has_quit = begins(p, n, "QUIT");
    if (begins(p, n, "VRFY"))
        demand(offers & RCPT_OFFER(VRFY), "VRFY not offered");
    if (begins(p, n, "STARTTLS"))
        demand((offers & RCPT_OFFER(STARTTLS)) && b->tls_said++ == 0, "STARTTLS not offered, or twice");
    if (begins(p, n, "MAIL") || begins(p, n, "RSET") || begins(p, n, "EHLO"))
        b->has_domain = false;
    if (begins(p, n, "MAIL")) {
        demand(b->is_secured || !b->must_be_secured, "a question in the clear");
        b->has_mail = true;
    }
    if (begins(p, n, "RSET"))
        b->has_mail = false;
    if (begins(p, n, "RCPT"))
        check_recipient(b, p + 9, n - 12);     /* RCPT TO:< and > CR LF */
}

static void check_reply(const struct rcpt_reply *r)
{
    struct rcpt_question q = { r->stage, r->code, r->enhanced, { r->text, r->len }, { "", 0 } };
    struct rcpt_meaning m;
    demand(r->code >= 200 && r->code <= 599, "a code out of range");
    demand(r->len <= RCPT_TEXT_MAX, "a text out of range");
    rcpt_meaning_of(&q, &m);
    demand(r->stage == RCPT_STAGE_RCPT || r->stage == RCPT_STAGE_VRFY || m.about != RCPT_ABOUT_MAILBOX,
           "about the mailbox before anyone asked");
}

static void write_all(struct rcpt_client *c, struct books *b)
{
    struct rcpt_want want;
    unsigned n = 0;
    rcpt_client_next(c, &want);
    if (want.kind != RCPT_WANT_WRITE)
        return;
    for (size_t at = 0; at < want.len; n++) {
        const char *end = memchr(want.data + at, '\n', want.len - at);
        demand(end != NULL, "a line without its end");
        size_t len = (size_t)(end + 1 - want.data) - at;
        check_command(b, want.data + at, len, rcpt_client_offers(c));
        at += len;
    }
    demand(n == 1 || (rcpt_client_offers(c) & RCPT_OFFER(PIPELINING)), "PIPELINING not offered");
    if (memmem(want.data, want.len, " SMTPUTF8", 9) != NULL)
        demand(rcpt_client_offers(c) & RCPT_OFFER(SMTPUTF8), "SMTPUTF8 not offered");
    note(&b->trail, want.data, want.len);
    rcpt_client_wrote(c, want.len);
}

static void feed(struct rcpt_client *c, struct trail *t, const char *p, size_t n)
{
    while (n > 0) {
        size_t used = 0;
        rcpt_heard heard;
        rcpt_err e = rcpt_client_feed(c, p, n, &used, &heard);
        demand(used > 0 && used <= n, "feed took nothing");
        demand(e == RCPT_OK || heard == RCPT_HEARD_END, "an error that is no end");
        if (heard == RCPT_HEARD_ANSWER)
            demand(rcpt_client_reply(c)->stage >= RCPT_STAGE_MAIL &&
                   rcpt_client_reply(c)->stage <= RCPT_STAGE_VRFY, "an answer at another stage");
        if (heard != RCPT_HEARD_NOTHING && rcpt_client_reply(c) != NULL) {
            const struct rcpt_reply *r = rcpt_client_reply(c);
            check_reply(r);
            note(t, r->text, r->len);
            note(t, &r->code, sizeof r->code);
        }
        note(t, &heard, heard == RCPT_HEARD_NOTHING ? 0 : sizeof heard);
        t->n = 0;                      /* how often nothing was heard is the cut's affair */
        p += used;
        n -= used;
    }
}

/* What the carrier does with a piece, other than feeding it. */
static bool act(struct rcpt_client *c, struct books *b, uint8_t options, const char *piece, size_t n)
{
    struct rcpt_want want;
    rcpt_client_next(c, &want);
    if (want.kind == RCPT_WANT_TLS && n % 2) {
        b->is_secured = (options & 128) == 0;
        if (b->is_secured)
            rcpt_client_secured(c);
        else
            rcpt_client_lost(c, RCPT_TLS);
        return true;
    }
    if (want.kind == RCPT_WANT_QUESTION && ((options & 4) || n % 2)) {
        (void)rcpt_client_ask(c, n % 4 == 3 ? RCPT_ASK_VRFY : RCPT_ASK_RCPT, piece, n, options & 8);
        return true;
    }
    return false;
}

static struct trail run(const uint8_t *data, size_t size, bool by_bytes)
{
    struct rcpt_client c;
    struct rcpt_want want;
    struct books b = { .trail = { 14695981039346656037u, 0 } };
    struct rcpt_client_config cfg = {
        .helo = "probe.example", .sender = data[0] & 1 ? "a@probe.example" : "",
        .greeting_only = data[0] & 2, .tls = (rcpt_tls_mode)((data[0] >> 5 & 3) % 3),
        .greeting_ms = 20000, .reply_ms = 20000 };
    b.must_be_secured = cfg.tls == RCPT_TLS_REQUIRE;
    demand(rcpt_client_init(&c, &cfg) == RCPT_OK, "init");
    for (size_t at = 1; at < size;) {
        size_t n = data[at++];
        n = n > size - at ? size - at : n;
        const char *piece = (const char *)data + at;
        at += n;
        if (!act(&c, &b, data[0], piece, n)) {
            for (size_t i = 0; by_bytes && i < n; i++)
                feed(&c, &b.trail, piece + i, 1);
            if (!by_bytes)
                feed(&c, &b.trail, piece, n);
        }
        write_all(&c, &b);
    }
    if (data[0] & 16)
        rcpt_client_quit(&c);
    write_all(&c, &b);
    rcpt_client_lost(&c, RCPT_EOF);
    rcpt_client_next(&c, &want);
    demand(want.kind == RCPT_WANT_DONE, "not done after all is lost");
    return b.trail;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct trail whole = run(data, size, false), bytes = run(data, size, true);
    demand(whole.hash == bytes.hash, "the cut of the bytes changed the outcome");
    return 0;
}
