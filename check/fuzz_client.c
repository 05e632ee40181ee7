/* check/fuzz_client.c -- whatever a server says, in whatever pieces, the client keeps its word.
 *
 * A libFuzzer target: clang -fsanitize=fuzzer,address,undefined with src/wire's reply, client,
 * words, phrases, codes and meaning. Without libFuzzer, give it a main() that reads each file of
 * check/corpus/client. The input: a byte of options, then pieces, each a length byte and so many
 * bytes of the server's; where the client wants a question, a piece is the recipient. It is run
 * twice, by pieces and byte by byte, and both must end alike. */
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

static void check_command(const char *p, size_t n)
{
    static const char *const verbs[] = {
        "EHLO ", "HELO ", "MAIL FROM:<", "RCPT TO:<", "RSET\r\n", "QUIT\r\n",
    };
    bool is_known = false;
    for (unsigned i = 0; i < sizeof verbs / sizeof *verbs; i++)
        is_known |= n >= strlen(verbs[i]) && memcmp(p, verbs[i], strlen(verbs[i])) == 0;
    demand(is_known, "a word we do not say");
    demand(n >= 2 && n <= 512 && p[n - 2] == '\r' && p[n - 1] == '\n', "a command that is no line");
    for (size_t i = 0; i + 2 < n; i++)
        demand(!rcpt_is_ctl(p[i]), "a control character in a command");
}

static void check_reply(const struct rcpt_reply *r)
{
    struct rcpt_question q = { r->stage, r->code, r->enhanced, { r->text, r->len }, { "", 0 } };
    struct rcpt_meaning m;
    demand(r->code >= 200 && r->code <= 599, "a code out of range");
    demand(r->len <= RCPT_TEXT_MAX, "a text out of range");
    rcpt_meaning_of(&q, &m);
    demand(r->stage == RCPT_STAGE_RCPT || m.about != RCPT_ABOUT_MAILBOX,
           "about the mailbox before anyone asked");
}

static void write_all(struct rcpt_client *c, struct trail *t)
{
    struct rcpt_want want;
    rcpt_client_next(c, &want);
    if (want.kind != RCPT_WANT_WRITE)
        return;
    check_command(want.data, want.len);
    if (memmem(want.data, want.len, "> SMTPUTF8", 10) != NULL)
        demand(rcpt_client_offers(c) & RCPT_OFFER(SMTPUTF8), "SMTPUTF8 not offered");
    note(t, want.data, want.len);
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
                   rcpt_client_reply(c)->stage <= RCPT_STAGE_RCPT, "an answer at another stage");
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

static struct trail run(const uint8_t *data, size_t size, bool by_bytes)
{
    struct rcpt_client c;
    struct rcpt_want want;
    struct trail t = { 14695981039346656037u, 0 };
    struct rcpt_client_config cfg = { "probe.example", data[0] & 1 ? "a@probe.example" : "",
                                      data[0] & 2, 20000, 20000 };
    demand(rcpt_client_init(&c, &cfg) == RCPT_OK, "init");
    for (size_t at = 1; at < size;) {
        size_t n = data[at++];
        n = n > size - at ? size - at : n;
        const char *piece = (const char *)data + at;
        at += n;
        rcpt_client_next(&c, &want);
        if (want.kind == RCPT_WANT_QUESTION && (data[0] & 4 || n % 2)) {
            (void)rcpt_client_ask(&c, piece, n, data[0] & 8);
        } else {
            for (size_t i = 0; by_bytes && i < n; i++)
                feed(&c, &t, piece + i, 1);
            if (!by_bytes)
                feed(&c, &t, piece, n);
        }
        write_all(&c, &t);
    }
    if (data[0] & 16)
        rcpt_client_quit(&c);
    write_all(&c, &t);
    rcpt_client_lost(&c, RCPT_EOF);
    rcpt_client_next(&c, &want);
    demand(want.kind == RCPT_WANT_DONE, "not done after all is lost");
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct trail whole = run(data, size, false), bytes = run(data, size, true);
    demand(whole.hash == bytes.hash, "the cut of the bytes changed the outcome");
    return 0;
}
