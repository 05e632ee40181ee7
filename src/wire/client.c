/* wire/client.c -- the client's side of an SMTP dialogue, driven by the table in dialogue.c.
 *
 * The next command is said when the reply has come; where the peer offers PIPELINING, RSET, MAIL
 * and RCPT go in one breath and the replies are matched in order. Here is how each command is said,
 * and what decides where the table cannot: TLS, leaving, what was said ahead. It opens no socket,
 * reads no clock, allocates nothing, and has no word for DATA or BDAT. */
/* SPDX-License-Identifier: MIT */
#include "wire/client.h"

#include <assert.h>
#include <string.h>

#include "wire/dialogue.h"
#include "wire/meaning.h"

#define S(id) RCPT_STATE_##id

static const char *const heards[] = {
    [RCPT_HEARD_NOTHING] = "nothing", [RCPT_HEARD_REPLY] = "reply", [RCPT_HEARD_READY] = "ready",
    [RCPT_HEARD_ANSWER] = "answer", [RCPT_HEARD_END] = "end",
};

/* ---- what we say ---- */

static bool offers(const struct rcpt_client *c, unsigned offer)
{
    return (c->offers.set & offer) != 0;
}

static struct rcpt_span recipient_of(const struct rcpt_client *c)
{
    return (struct rcpt_span){ c->recipient, c->recipient_len };
}

/* What follows the last @: a quoted local part may hold one, a domain cannot. */
static struct rcpt_span domain_of(struct rcpt_span address)
{
    size_t n = 0;
    while (n < address.n && address.p[address.n - 1 - n] != '@')
        n++;
    return (struct rcpt_span){ address.p + address.n - n, n == address.n ? 0 : n };
}

static void say_ehlo(struct rcpt_client *c)
{
    c->offers = (struct rcpt_offers){ 0 };
    rcpt_commands_put(&c->out, "EHLO ");
    rcpt_commands_put(&c->out, c->helo);
}

static void say_helo(struct rcpt_client *c)
{
    rcpt_commands_put(&c->out, "HELO ");
    rcpt_commands_put(&c->out, c->helo);
}

static void say_starttls(struct rcpt_client *c)
{
    rcpt_commands_put(&c->out, "STARTTLS");
}

static void say_rset(struct rcpt_client *c)
{
    rcpt_commands_put(&c->out, "RSET");
}

/* No transaction is open: none was, or RSET was said before. */
static void say_mail(struct rcpt_client *c)
{
    struct rcpt_span domain = domain_of(recipient_of(c));
    memcpy(c->domain, domain.p, domain.n);
    c->domain_len = (uint16_t)domain.n;
    c->recipients = 0;
    c->has_smtputf8 = c->wants_smtputf8;
    rcpt_commands_put(&c->out, "MAIL FROM:<");
    rcpt_commands_put(&c->out, c->sender);
    rcpt_commands_put(&c->out, ">");
    if (c->wants_smtputf8) {                   /* ask() saw to it that it is offered */
        rcpt_commands_put(&c->out, " SMTPUTF8");
        if (offers(c, RCPT_OFFER(8BITMIME)))
            rcpt_commands_put(&c->out, " BODY=8BITMIME");
    }
}

static void say_rcpt(struct rcpt_client *c)
{
    c->recipients++;
    rcpt_commands_put(&c->out, "RCPT TO:<");
    rcpt_commands_put_span(&c->out, recipient_of(c));
    rcpt_commands_put(&c->out, ">");
}

static void say_vrfy(struct rcpt_client *c)
{
    rcpt_commands_put(&c->out, "VRFY ");
    rcpt_commands_put_span(&c->out, recipient_of(c));
    if (c->wants_smtputf8)                     /* RFC 6531 3.7.4.2 */
        rcpt_commands_put(&c->out, " SMTPUTF8");
}

static void say_quit(struct rcpt_client *c)
{
    rcpt_commands_put(&c->out, "QUIT");
}

static void (*const sayings[RCPT_STATE_COUNT])(struct rcpt_client *c) = {
    [S(EHLO)] = say_ehlo, [S(HELO)] = say_helo, [S(STARTTLS)] = say_starttls, [S(RSET)] = say_rset,
    [S(MAIL)] = say_mail, [S(RCPT)] = say_rcpt, [S(MORE)] = say_rcpt, [S(VRFY)] = say_vrfy,
    [S(QUIT)] = say_quit,
};

static void say(struct rcpt_client *c, rcpt_state first)
{
    for (rcpt_state at = first; at != S(NONE); at = rcpt_dialogue_of(at)->ahead) {
        if (at != first && !offers(c, RCPT_OFFER(PIPELINING)))
            return;
        sayings[at](c);
        rcpt_commands_end(&c->out);
    }
}

static void enter(struct rcpt_client *c, rcpt_state to)
{
    bool is_said = rcpt_commands_is_ahead(&c->out) &&
                   (rcpt_dialogue_of(c->at)->ahead == to || to == S(SPOILT));
    c->at = (uint8_t)to;
    if (rcpt_dialogue_of(to)->stage != RCPT_STAGE_SYNTAX)
        c->stage = (uint8_t)rcpt_dialogue_of(to)->stage;
    if (is_said) {
        c->out.due++;                          /* now its reply is due */
        return;
    }
    rcpt_commands_take_back(&c->out);
    if (to != S(QUIT) || c->out.sent == c->out.len)
        rcpt_commands_clear(&c->out);          /* QUIT goes behind what is half said */
    if (sayings[to] != NULL)
        say(c, to);
}

/* ---- what we hear ---- */

static bool is_over(const struct rcpt_client *c)
{
    return c->at == S(QUIT) || c->at == S(DONE);
}

static bool is_deaf(const struct rcpt_client *c)
{
    return is_over(c) || c->at == S(SECURE);
}

/* Too many recipients, by code or in words: RFC 5321 4.5.3.1.10, RFC 3463 x.5.3. A 503 to a further
 * recipient: the server thinks that no transaction is open. */
static bool is_full(const struct rcpt_reply *r)
{
    struct rcpt_question q = { .stage = RCPT_STAGE_RCPT, .code = r->code, .enhanced = r->enhanced,
                               .text = { r->text, r->len }, .mx = { "", 0 } };
    struct rcpt_meaning m;
    if (r->code / 100 != 4 && r->code / 100 != 5)
        return false;
    rcpt_meaning_of(&q, &m);
    return r->code == 452 || r->code == 503 || m.reason == RCPT_REASON_SESSION_LIMIT ||
           (r->enhanced.class != 0 && r->enhanced.subject == 5 && r->enhanced.detail == 3);
}

static rcpt_class class_of(const struct rcpt_client *c, const struct rcpt_reply *r)
{
    if (r->code == 421)
        return RCPT_CLASS_421;
    if (c->at == S(MORE) && !c->is_leaving && is_full(r))
        return RCPT_CLASS_FULL;
    return (rcpt_class)(RCPT_CLASS_2YZ + (r->code / 100 - 2));
}

/* Questions may be asked, were it not for TLS: STARTTLS first where it is offered, and not without
 * it where it is required. */
static struct rcpt_step secured_first(const struct rcpt_client *c, struct rcpt_step ready)
{
    static const struct rcpt_step starttls = { S(STARTTLS), RCPT_HEARD_REPLY, "", RCPT_OK };
    static const struct rcpt_step without = { S(QUIT), RCPT_HEARD_END, "", RCPT_TLS };
    if (c->at == S(KNOCK) || c->tls == RCPT_TLS_OFF || c->is_secured)
        return ready;
    if (c->at != S(STARTTLS) && offers(c, RCPT_OFFER(STARTTLS)))
        return starttls;
    return c->tls == RCPT_TLS_REQUIRE ? without : ready;
}

/* Where the reply leads: the table's step, and what else is known. */
static struct rcpt_step turn(struct rcpt_client *c, const struct rcpt_reply *said)
{
    bool is_due = rcpt_commands_is_due_sent(&c->out);
    struct rcpt_step s = rcpt_dialogue_of(is_due ? c->at : S(IDLE))->on[class_of(c, said)];
    if (s.heard == RCPT_HEARD_READY)
        s = secured_first(c, s);
    if (s.to == S(IDLE))
        rcpt_commands_take_back(&c->out);
    if (c->is_leaving && s.to != S(QUIT) && s.to != S(DONE)) {
        s.to = S(QUIT);
        if (s.heard == RCPT_HEARD_READY)
            s.heard = RCPT_HEARD_REPLY;
    } else if (s.to == S(IDLE) && rcpt_commands_is_ahead(&c->out)) {
        s.to = S(SPOILT);                      /* a RCPT is on its way behind a refused MAIL */
    }
    return s;
}

/* What a reply in this state tells of what may be said later. */
static void learn(struct rcpt_client *c, bool is_taken)
{
    if (c->at == S(EHLO) && !is_taken)
        c->offers = (struct rcpt_offers){ 0 }; /* whatever the refusal listed */
    if (c->at == S(MAIL))
        c->has_transaction = is_taken;
    if (c->at == S(SPOILT) && is_taken) {
        c->has_transaction = true;             /* so it says: RSET comes next */
        c->recipients = RCPT_TRANSACTION_MAX;
    }
}

static rcpt_err hear(struct rcpt_client *c, rcpt_heard *heard)
{
    const struct rcpt_reply *said = &c->reader.reply;
    struct rcpt_step s = turn(c, said);
    if (s.heard != RCPT_HEARD_NOTHING) {
        memcpy(&c->reply, said, offsetof(struct rcpt_reply, text) + said->len);
        c->reply.stage = (rcpt_stage)c->stage;
        c->has_reply = true;
    }
    learn(c, said->code / 100 == 2);
    c->err = s.err;
    enter(c, s.to);
    *heard = s.heard;
    return s.err == RCPT_TLS ? RCPT_OK : s.err;
}

rcpt_err rcpt_client_feed(struct rcpt_client *c, const char *in, size_t len, size_t *used,
                          rcpt_heard *heard)
{
    rcpt_read what = RCPT_READ_MORE;
    rcpt_err e = RCPT_OK;
    size_t done = 0;
    *heard = RCPT_HEARD_NOTHING;
    *used = len;
    if (is_deaf(c))
        return RCPT_OK;
    while (e == RCPT_OK && what != RCPT_READ_WHOLE && done < len) {
        size_t n = 0;
        e = rcpt_reader_feed(&c->reader, in + done, len - done, &n, &what);
        done += n;
        if (e == RCPT_OK && what != RCPT_READ_MORE && c->at == S(EHLO) && c->reader.lines > 1)
            rcpt_offers_learn(&c->offers, rcpt_reader_line(&c->reader));
    }
    *used = done;
    if (e != RCPT_OK) {
        rcpt_client_lost(c, e);
        *heard = RCPT_HEARD_END;
        return e;
    }
    return what == RCPT_READ_WHOLE ? hear(c, heard) : RCPT_OK;
}

/* May it be asked in the transaction that is open? */
static bool may_share(const struct rcpt_client *c, struct rcpt_span recipient, bool wants_smtputf8)
{
    unsigned most = RCPT_TRANSACTION_MAX;
    if (c->offers.rcpt_max > 0 && c->offers.rcpt_max < most)
        most = c->offers.rcpt_max;
    return c->has_transaction && c->sender[0] != '\0' && c->recipients < most &&
           c->has_smtputf8 == wants_smtputf8 &&
           rcpt_span_same((struct rcpt_span){ c->domain, c->domain_len }, domain_of(recipient));
}

/* ---- exported ---- */

rcpt_err rcpt_client_init(struct rcpt_client *c, const struct rcpt_client_config *cfg)
{
    struct rcpt_span helo = { cfg->helo, strlen(cfg->helo) };
    struct rcpt_span sender = { cfg->sender, strlen(cfg->sender) };
    if (!rcpt_command_is_helo(helo) || (helo.n == 0 && !cfg->greeting_only) ||
        !rcpt_command_is_path(sender))
        return RCPT_BADARG;
    memset(c, 0, offsetof(struct rcpt_client, reply));
    rcpt_reader_init(&c->reader);
    memcpy(c->helo, helo.p, helo.n);
    memcpy(c->sender, sender.p, sender.n);
    c->tls = (uint8_t)cfg->tls;
    c->greeting_ms = cfg->greeting_ms;
    c->reply_ms = cfg->reply_ms;
    enter(c, cfg->greeting_only ? S(KNOCK) : S(GREETING));
    return RCPT_OK;
}

void rcpt_client_next(const struct rcpt_client *c, struct rcpt_want *want)
{
    *want = (struct rcpt_want){ .kind = RCPT_WANT_READ };
    if (c->out.sent < c->out.len) {
        want->kind = RCPT_WANT_WRITE;
        want->data = c->out.text + c->out.sent;
        want->len = (size_t)(c->out.len - c->out.sent);
    } else if (is_over(c)) {
        want->kind = RCPT_WANT_DONE;
    } else if (c->at == S(IDLE)) {
        want->kind = RCPT_WANT_QUESTION;
    } else {
        want->kind = c->at == S(SECURE) ? RCPT_WANT_TLS : RCPT_WANT_READ;
        want->patience_ms = c->stage == RCPT_STAGE_GREETING ? c->greeting_ms : c->reply_ms;
    }
}

void rcpt_client_wrote(struct rcpt_client *c, size_t n)
{
    assert(n <= (size_t)(c->out.len - c->out.sent));
    c->out.sent = (uint16_t)(c->out.sent + n);
}

rcpt_err rcpt_client_ask(struct rcpt_client *c, rcpt_ask_kind kind, const char *address, size_t len,
                         bool smtputf8_needed)
{
    assert(c->at == S(IDLE));
    struct rcpt_span asked = { address, len }, sender = { c->sender, strlen(c->sender) };
    if (len == 0 || !rcpt_command_is_path(asked))
        return RCPT_BADARG;
    if (kind == RCPT_ASK_VRFY && !offers(c, RCPT_OFFER(VRFY)))
        return RCPT_NOTOFFERED;
    bool wants_smtputf8 = smtputf8_needed || !rcpt_span_is_ascii(asked) ||
                          (kind == RCPT_ASK_RCPT && !rcpt_span_is_ascii(sender));
    if (wants_smtputf8 && !offers(c, RCPT_OFFER(SMTPUTF8)))
        return RCPT_SMTPUTF8;
    c->wants_smtputf8 = wants_smtputf8;
    memcpy(c->recipient, address, len);
    c->recipient_len = (uint16_t)len;
    if (kind == RCPT_ASK_VRFY)
        enter(c, S(VRFY));
    else if (may_share(c, asked, wants_smtputf8))
        enter(c, S(MORE));
    else
        enter(c, c->has_transaction ? S(RSET) : S(MAIL));
    return RCPT_OK;
}

void rcpt_client_secured(struct rcpt_client *c)
{
    assert(c->at == S(SECURE));
    rcpt_reader_init(&c->reader);
    c->is_secured = true;
    enter(c, S(EHLO));
}

void rcpt_client_quit(struct rcpt_client *c)
{
    bool is_unsaid = c->out.len > 0 && c->out.sent == 0;
    if (is_over(c))
        return;
    c->is_leaving = true;
    if (c->at == S(SECURE))
        enter(c, S(DONE));                      /* nothing may be said in the clear any more */
    else if (c->at == S(IDLE) || is_unsaid)
        enter(c, S(QUIT));
    else
        rcpt_commands_take_back(&c->out);
}

void rcpt_client_lost(struct rcpt_client *c, rcpt_err how)
{
    if (!is_over(c))
        c->err = how;
    enter(c, S(DONE));
}

const struct rcpt_reply *rcpt_client_reply(const struct rcpt_client *c)
{
    return c->has_reply ? &c->reply : NULL;
}

rcpt_stage rcpt_client_stage(const struct rcpt_client *c)
{
    return (rcpt_stage)c->stage;
}

rcpt_err rcpt_client_err(const struct rcpt_client *c)
{
    return c->err;
}

unsigned rcpt_client_offers(const struct rcpt_client *c)
{
    return c->offers.set;
}

const char *rcpt_heard_name(rcpt_heard h)
{
    return heards[h];
}
