/* wire/client.c -- the client's side of an SMTP dialogue, driven by one table.
 *
 * What we say on entering a state and where each reply leads stand side by side below; the same
 * table draws doc/dialogue.md. One command at a time: the next is said when the reply has come. It
 * opens no socket, reads no clock, allocates nothing, and has no word for DATA or BDAT. */
/* SPDX-License-Identifier: MIT */
#include "wire/client.h"

#include <assert.h>
#include <string.h>

/* X(id, name, what it says, the stage of the reply it awaits) */
#define STATES(X)                                                             \
    X(NONE,     "none",     "",                    SYNTAX)                    \
    X(GREETING, "greeting", "",                    GREETING)                  \
    X(KNOCK,    "knock",    "",                    GREETING)                  \
    X(EHLO,     "ehlo",     "EHLO helo",           EHLO)                      \
    X(HELO,     "helo",     "HELO helo",           HELO)                      \
    X(IDLE,     "idle",     "",                    SYNTAX)                    \
    X(RSET,     "rset",     "RSET",                RSET)                      \
    X(MAIL,     "mail",     "MAIL FROM:<sender>",  MAIL)                      \
    X(RCPT,     "rcpt",     "RCPT TO:<recipient>", RCPT)                      \
    X(QUIT,     "quit",     "QUIT",                SYNTAX)                    \
    X(DONE,     "done",     "",                    SYNTAX)

typedef enum {
#define X(id, name, says, stage) S_##id,
    STATES(X)
#undef X
    STATE_COUNT
} state;

static const struct {
    const char *name, *says;
    rcpt_stage  stage;                 /* SYNTAX: awaits none, the stage stays as it was */
} states[STATE_COUNT] = {
#define X(id, name, says, stage) [S_##id] = { name, says, RCPT_STAGE_##stage },
    STATES(X)
#undef X
};

static const char *const heards[] = {
    [RCPT_HEARD_NOTHING] = "nothing", [RCPT_HEARD_READY] = "ready",
    [RCPT_HEARD_ANSWER] = "answer", [RCPT_HEARD_END] = "end",
};

static const char *const classes[RCPT_CLASS_COUNT] = {
    [RCPT_CLASS_2YZ] = "2yz", [RCPT_CLASS_3YZ] = "3yz", [RCPT_CLASS_4YZ] = "4yz",
    [RCPT_CLASS_5YZ] = "5yz", [RCPT_CLASS_421] = "421",
};

static const char *const offers[RCPT_OFFER_COUNT] = {
#define X(id, name) [RCPT_OFFER_AT_##id] = name,
    RCPT_OFFERS(X)
#undef X
};

/* ---- what we say ---- */

static void put_bytes(struct rcpt_client *c, const char *p, size_t n)
{
    assert(n <= sizeof c->out - c->out_len);   /* init() and ask() bound what goes in */
    memcpy(c->out + c->out_len, p, n);
    c->out_len = (uint16_t)(c->out_len + n);
}

static void put(struct rcpt_client *c, const char *text)
{
    put_bytes(c, text, strlen(text));
}

static void say_ehlo(struct rcpt_client *c)
{
    put(c, "EHLO ");
    put(c, c->helo);
    put(c, "\r\n");
}

static void say_helo(struct rcpt_client *c)
{
    put(c, "HELO ");
    put(c, c->helo);
    put(c, "\r\n");
}

static void say_rset(struct rcpt_client *c)
{
    put(c, "RSET\r\n");
}

/* Here no transaction is open: none was, or RSET was accepted. */
static void say_mail(struct rcpt_client *c)
{
    c->has_transaction = false;
    put(c, "MAIL FROM:<");
    put(c, c->sender);
    put(c, ">");
    if (c->wants_smtputf8) {                   /* ask() saw to it that it is offered */
        put(c, " SMTPUTF8");
        if (c->offers & RCPT_OFFER(8BITMIME))
            put(c, " BODY=8BITMIME");
    }
    put(c, "\r\n");
}

static void say_rcpt(struct rcpt_client *c)
{
    c->has_transaction = true;                 /* we are here because MAIL was accepted */
    put(c, "RCPT TO:<");
    put_bytes(c, c->recipient, c->recipient_len);
    put(c, ">\r\n");
}

static void say_quit(struct rcpt_client *c)
{
    put(c, "QUIT\r\n");
}

/* ---- the table ---- */

struct step {
    uint8_t     to;
    rcpt_heard  heard;
    const char *why;
    rcpt_err    err;
};

#define ON(cell, to, heard, why) \
    [RCPT_CLASS_##cell] = { S_##to, RCPT_HEARD_##heard, why, RCPT_OK }
#define BAD(cell, to, heard, why) \
    [RCPT_CLASS_##cell] = { S_##to, RCPT_HEARD_##heard, why, RCPT_PROTO }

/* RFC 5321 4.3.2 for what may answer what; 4.2.1: 421 may come at any time and closes. A reply that
 * comes while we say something, or when we asked nothing, is read by the row of idle. QUIT and done
 * hear nothing. */
static const struct {
    void (*say)(struct rcpt_client *c);        /* on entering the state; NULL: nothing */
    struct step on[RCPT_CLASS_COUNT];
} dialogue[STATE_COUNT] = {
    [S_GREETING] = { NULL, {
        ON(2YZ, EHLO, NOTHING, "welcome"),
        ON(3YZ, QUIT, END,     "no such greeting"),
        ON(4YZ, QUIT, END,     "not now"),
        ON(5YZ, QUIT, END,     "not us, or no mail here (521, RFC 7504)"),
        ON(421, DONE, END,     "closing") } },
    [S_KNOCK] = { NULL, {
        ON(2YZ, QUIT, READY,   "alive: all we wanted to know"),
        ON(3YZ, QUIT, END,     "no such greeting"),
        ON(4YZ, QUIT, END,     "not now"),
        ON(5YZ, QUIT, END,     "not us, or no mail here (521, RFC 7504)"),
        ON(421, DONE, END,     "closing") } },
    [S_EHLO] = { say_ehlo, {
        ON(2YZ, IDLE, READY,   "extensions offered"),
        ON(3YZ, QUIT, END,     "no such reply"),
        ON(4YZ, QUIT, END,     "not now"),
        ON(5YZ, HELO, NOTHING, "knows no EHLO (RFC 5321 3.2)"),
        ON(421, DONE, END,     "closing") } },
    [S_HELO] = { say_helo, {
        ON(2YZ, IDLE, READY,   "no extensions"),
        ON(3YZ, QUIT, END,     "no such reply"),
        ON(4YZ, QUIT, END,     "not now"),
        ON(5YZ, QUIT, END,     "not us"),
        ON(421, DONE, END,     "closing") } },
    [S_IDLE] = { NULL, {
        BAD(2YZ, DONE, END,    "out of step: the next reply might be taken for another's"),
        BAD(3YZ, DONE, END,    "out of step"),
        ON(4YZ, DONE, END,     "tired of waiting (qmail: 451 timeout)"),
        ON(5YZ, DONE, END,     "tired of us"),
        ON(421, DONE, END,     "closing") } },
    [S_RSET] = { say_rset, {
        ON(2YZ, MAIL, NOTHING, "a new transaction"),
        ON(3YZ, QUIT, END,     "no such reply"),
        ON(4YZ, QUIT, END,     "the old transaction may still be open"),
        ON(5YZ, QUIT, END,     "the old transaction may still be open"),
        ON(421, DONE, END,     "closing") } },
    [S_MAIL] = { say_mail, {
        ON(2YZ, RCPT, NOTHING, "sender taken"),
        ON(3YZ, QUIT, ANSWER,  "no such reply"),
        ON(4YZ, IDLE, ANSWER,  "not now"),
        ON(5YZ, IDLE, ANSWER,  "sender or we refused"),
        ON(421, DONE, ANSWER,  "closing") } },
    [S_RCPT] = { say_rcpt, {
        ON(2YZ, IDLE, ANSWER,  "accepted"),
        ON(3YZ, QUIT, ANSWER,  "no such reply"),
        ON(4YZ, IDLE, ANSWER,  "later"),
        ON(5YZ, IDLE, ANSWER,  "refused"),
        ON(421, DONE, ANSWER,  "closing") } },
    [S_QUIT] = { say_quit, { { 0 } } },
    [S_DONE] = { NULL, { { 0 } } },
};

static void enter(struct rcpt_client *c, state to)
{
    c->at = (uint8_t)to;
    c->out_len = c->out_sent = 0;
    if (states[to].stage != RCPT_STAGE_SYNTAX)
        c->stage = (uint8_t)states[to].stage;
    if (dialogue[to].say != NULL)
        dialogue[to].say(c);
}

/* ---- what we hear ---- */

static bool is_deaf(const struct rcpt_client *c)
{
    return c->at == S_QUIT || c->at == S_DONE;
}

static unsigned class_of(uint16_t code)
{
    return code == 421 ? (unsigned)RCPT_CLASS_421 : RCPT_CLASS_2YZ + (code / 100u - 2);
}

/* A line of the EHLO reply after the first: keyword, then parameters (RFC 5321 4.1.1.1), or in the
 * old way of AUTH=LOGIN. */
static void learn_offer(struct rcpt_client *c)
{
    struct rcpt_span line = rcpt_reader_line(&c->reader);
    size_t n = 0;
    while (n < line.n && !rcpt_is_blank(line.p[n]) && line.p[n] != '=')
        n++;
    line.n = n;
    for (unsigned i = 0; i < RCPT_OFFER_COUNT; i++)
        if (rcpt_span_same(line, (struct rcpt_span){ offers[i], strlen(offers[i]) }))
            c->offers |= 1u << i;
}

static rcpt_err hear(struct rcpt_client *c, rcpt_heard *heard)
{
    const struct rcpt_reply *said = &c->reader.reply;
    bool in_turn = c->out_sent == c->out_len;
    struct step s = dialogue[in_turn ? c->at : S_IDLE].on[class_of(said->code)];
    memcpy(&c->reply, said, offsetof(struct rcpt_reply, text) + said->len);
    c->reply.stage = (rcpt_stage)c->stage;
    c->has_reply = true;
    c->err = s.err;
    if (c->at == S_EHLO && said->code / 100 != 2)
        c->offers = 0;
    if (c->is_leaving && s.to != S_QUIT && s.to != S_DONE) {
        s.to = S_QUIT;
        if (s.heard == RCPT_HEARD_READY)
            s.heard = RCPT_HEARD_NOTHING;
    }
    enter(c, (state)s.to);
    *heard = s.heard;
    return s.err;
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
        if (e == RCPT_OK && what != RCPT_READ_MORE && c->at == S_EHLO && c->reader.lines > 1)
            learn_offer(c);
    }
    *used = done;
    if (e != RCPT_OK) {
        rcpt_client_lost(c, e);
        *heard = RCPT_HEARD_END;
        return e;
    }
    return what == RCPT_READ_WHOLE ? hear(c, heard) : RCPT_OK;
}

/* ---- what may go on the wire ---- */

/* Nothing in a path may end it, or the line: RFC 5321 4.1.2. A quoted string can only be the local
 * part, from the first octet on; in it all but control characters is safe. */
static bool is_path_safe(const char *p, size_t n)
{
    bool is_quoted = false;
    if (n > RCPT_PATH_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (rcpt_is_ctl(p[i]))
            return false;
        if (is_quoted && p[i] == '\\') {
            if (++i == n || rcpt_is_ctl(p[i]))
                return false;
        } else if (p[i] == '"' && (is_quoted || i == 0)) {
            is_quoted = !is_quoted;
        } else if (!is_quoted && p[i] != '\0' && strchr("<> \"\\", p[i]) != NULL) {
            return false;
        }
    }
    return !is_quoted;
}

static bool is_helo_safe(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (rcpt_is_ctl(p[i]) || !rcpt_is_ascii(p[i]) || strchr("<> ", p[i]) != NULL)
            return false;
    return n <= RCPT_HELO_MAX;
}

/* ---- exported ---- */

rcpt_err rcpt_client_init(struct rcpt_client *c, const struct rcpt_client_config *cfg)
{
    size_t helo_len = strlen(cfg->helo), sender_len = strlen(cfg->sender);
    if (!is_helo_safe(cfg->helo, helo_len) || (helo_len == 0 && !cfg->greeting_only) ||
        !is_path_safe(cfg->sender, sender_len))
        return RCPT_BADARG;
    memset(c, 0, offsetof(struct rcpt_client, reply));
    rcpt_reader_init(&c->reader);
    memcpy(c->helo, cfg->helo, helo_len);
    memcpy(c->sender, cfg->sender, sender_len);
    c->greeting_ms = cfg->greeting_ms;
    c->reply_ms = cfg->reply_ms;
    enter(c, cfg->greeting_only ? S_KNOCK : S_GREETING);
    return RCPT_OK;
}

void rcpt_client_next(const struct rcpt_client *c, struct rcpt_want *want)
{
    *want = (struct rcpt_want){ .kind = RCPT_WANT_READ };
    if (c->out_sent < c->out_len) {
        want->kind = RCPT_WANT_WRITE;
        want->data = c->out + c->out_sent;
        want->len = (size_t)(c->out_len - c->out_sent);
    } else if (is_deaf(c)) {
        want->kind = RCPT_WANT_DONE;
    } else if (c->at == S_IDLE) {
        want->kind = RCPT_WANT_QUESTION;
    } else {
        want->patience_ms = c->stage == RCPT_STAGE_GREETING ? c->greeting_ms : c->reply_ms;
    }
}

void rcpt_client_wrote(struct rcpt_client *c, size_t n)
{
    assert(n <= (size_t)(c->out_len - c->out_sent));
    c->out_sent = (uint16_t)(c->out_sent + n);
}

rcpt_err rcpt_client_ask(struct rcpt_client *c, const char *recipient, size_t len,
                         bool smtputf8_needed)
{
    assert(c->at == S_IDLE);
    struct rcpt_span sender = { c->sender, strlen(c->sender) };
    struct rcpt_span asked = { recipient, len };
    if (len == 0 || !is_path_safe(recipient, len))
        return RCPT_BADARG;
    bool wants_smtputf8 =
        smtputf8_needed || !rcpt_span_is_ascii(asked) || !rcpt_span_is_ascii(sender);
    if (wants_smtputf8 && !(c->offers & RCPT_OFFER(SMTPUTF8)))
        return RCPT_SMTPUTF8;
    c->wants_smtputf8 = wants_smtputf8;
    memcpy(c->recipient, recipient, len);
    c->recipient_len = (uint16_t)len;
    enter(c, c->has_transaction ? S_RSET : S_MAIL);
    return RCPT_OK;
}

void rcpt_client_quit(struct rcpt_client *c)
{
    c->is_leaving = true;
    /* a command of which not a byte has gone is not said at all */
    if (!is_deaf(c) && (c->at == S_IDLE || (c->out_len > 0 && c->out_sent == 0)))
        enter(c, S_QUIT);
}

void rcpt_client_lost(struct rcpt_client *c, rcpt_err how)
{
    if (!is_deaf(c))
        c->err = how;
    enter(c, S_DONE);
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
    return c->offers;
}

const char *rcpt_heard_name(rcpt_heard h)
{
    return heards[h];
}

const char *rcpt_offer_keyword(unsigned at)
{
    return offers[at];
}

const char *rcpt_client_class_name(unsigned c)
{
    return classes[c];
}

bool rcpt_client_row(unsigned i, struct rcpt_client_row *row)
{
    if (i >= STATE_COUNT - 1)
        return false;
    unsigned at = i + 1;
    row->state = states[at].name;
    row->says = states[at].says;
    row->stage = states[at].stage == RCPT_STAGE_SYNTAX ? "" : rcpt_stage_name(states[at].stage);
    for (unsigned k = 0; k < RCPT_CLASS_COUNT; k++) {
        const struct step *s = &dialogue[at].on[k];
        row->on[k].to = s->to == S_NONE ? "" : states[s->to].name;
        row->on[k].heard = heards[s->heard];
        row->on[k].why = s->why != NULL ? s->why : "";
    }
    return true;
}
