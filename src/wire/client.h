/* wire/client.h -- the client's side of an SMTP dialogue, without sockets.
 *
 * Bytes in by rcpt_client_feed(), orders out by rcpt_client_next(). It reads no
 * clock and allocates nothing: all it may ever hold is in the struct. It never
 * says DATA or BDAT, and nothing an address holds can end a line.
 *
 * The carrier's loop:  next() -> WRITE: send want.data, then rcpt_client_wrote();
 * READ: feed what came; ANSWERED: look at rcpt_client_reply(), then ask again,
 * or quit; READY: ask or quit; DONE: close the socket. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_WIRE_CLIENT_H
#define RCPT_WIRE_CLIENT_H

#include "base/err.h"
#include "base/limits.h"
#include "wire/reply.h"

#define RCPT_HELO_MAX (RCPT_DOMAIN_MAX + 2)   /* a domain, or a literal in its brackets */

struct rcpt_client_config {           /* borrowed for the call to init */
    const char *helo;                 /* our name, ASCII; "" allowed with greeting_only */
    const char *sender;               /* the reverse-path without brackets; "" is the null sender */
    bool        greeting_only;        /* say QUIT after the greeting, nothing else (S10) */
    uint32_t    greeting_ms, reply_ms;
};

typedef enum {
    RCPT_WANT_READ,        /* bytes from the peer, within patience_ms */
    RCPT_WANT_WRITE,       /* send data[0..len) */
    RCPT_WANT_QUESTION,    /* nothing: greeted and idle, ask() or quit() */
    RCPT_WANT_DONE         /* over: close; see rcpt_client_err() */
} rcpt_want_kind;

struct rcpt_want {
    rcpt_want_kind kind;
    const char *data;                 /* WRITE: borrowed until the next call on the client */
    size_t      len;                  /* WRITE: bytes */
    uint32_t    patience_ms;          /* READ: give up after this long */
};

/* What became of the dialogue; the carrier reads it after feed(). */
typedef enum {
    RCPT_HEARD_NOTHING,    /* the reply is not whole yet, or leads on by itself */
    RCPT_HEARD_READY,      /* greeted (and HELO'd): questions may be asked */
    RCPT_HEARD_ANSWER,     /* the question has its answer: rcpt_client_reply() at stage MAIL or
                              RCPT; a 421 there is heard as the answer, and next() wants DONE */
    RCPT_HEARD_END         /* the peer will not go on, and a question under way has no answer
                              (refused at greeting, EHLO, HELO or RSET; a 421 there or between
                              questions; garbage): rcpt_client_reply() is the last, if any */
} rcpt_heard;

/* What EHLO may offer. X(id, keyword) */
#define RCPT_OFFERS(X) \
    X(PIPELINING, "PIPELINING") X(SIZE, "SIZE") X(8BITMIME, "8BITMIME") X(SMTPUTF8, "SMTPUTF8") \
    X(STARTTLS, "STARTTLS") X(ENHANCEDSTATUSCODES, "ENHANCEDSTATUSCODES") X(VRFY, "VRFY") \
    X(CHUNKING, "CHUNKING") X(AUTH, "AUTH") X(REQUIRETLS, "REQUIRETLS") X(LIMITS, "LIMITS")

enum {
#define X(id, name) RCPT_OFFER_AT_##id,
    RCPT_OFFERS(X)
#undef X
    RCPT_OFFER_COUNT
};
#define RCPT_OFFER(id) (1u << RCPT_OFFER_AT_##id)

/* A struct the carrier may embed; its fields are the client's own. */
struct rcpt_client {
    uint8_t  at;                      /* its state: a row of the table in client.c */
    uint8_t  stage;                   /* of the reply awaited, or heard last */
    bool     has_transaction;         /* MAIL was accepted and RSET not yet said */
    bool     is_leaving;              /* quit() was called while a reply was awaited */
    bool     has_reply;
    bool     wants_smtputf8;          /* of the question under way */
    rcpt_err err;
    unsigned offers;
    uint32_t greeting_ms, reply_ms;
    uint16_t out_len, out_sent;       /* bytes of `out`, and how many of them have gone */
    uint16_t recipient_len;
    char     helo[RCPT_HELO_MAX + 1], sender[RCPT_PATH_MAX + 1];
    char     recipient[RCPT_PATH_MAX];
    char     out[RCPT_COMMAND_MAX];
    struct rcpt_reply  reply;         /* the last whole one */
    struct rcpt_reader reader;
};

/* Copies helo and sender. RCPT_BADARG, *c then not to be used: control characters, blanks or
 * angle brackets (a quoted local part of the sender may hold a blank or a bracket), a helo that is
 * empty or not ASCII, or one of them too long. */
rcpt_err rcpt_client_init(struct rcpt_client *c, const struct rcpt_client_config *cfg);

/* Take what the peer sent, up to the end of at most ONE reply; *used of `len` bytes were taken:
 * call again with the rest. Borrows `in` for the call only. Once next() wants DONE, or while QUIT
 * is being said, all bytes are taken and nothing is heard.
 *   RCPT_OK       see *heard
 *   RCPT_TOOLONG  a reply over RCPT_REPLY_MAX or RCPT_REPLY_LINES
 *   RCPT_PROTO    not SMTP, or a reply of success to nothing that was said
 * On both errors *heard is END and next() wants DONE: no QUIT to a peer that is not in step. */
rcpt_err rcpt_client_feed(struct rcpt_client *c, const char *in, size_t len, size_t *used,
                          rcpt_heard *heard);

/* What to do now. Asking twice changes nothing.
 *   after HEARD_READY   QUESTION; with greeting_only WRITE (QUIT), then DONE
 *   after HEARD_ANSWER  QUESTION; after a 421 DONE; after a 3yz WRITE (QUIT), then DONE
 *   after HEARD_END     WRITE (QUIT) where the peer still listens, then DONE; after a 421 DONE
 * The reply to QUIT is not awaited: DONE follows as soon as QUIT has gone. */
void rcpt_client_next(const struct rcpt_client *c, struct rcpt_want *want);
/* n bytes of want.data have gone. */
void rcpt_client_wrote(struct rcpt_client *c, size_t n);

/* Ask about a recipient; only when next() wants QUESTION. Copies it. Says RSET first when a
 * transaction is open. On an error nothing is said and the client still wants a QUESTION.
 *   RCPT_BADARG    empty, over RCPT_PATH_MAX octets, control characters; outside a quoted local
 *                  part blanks, angle brackets, quotes or backslashes: what could end path or line
 *   RCPT_SMTPUTF8  `smtputf8_needed`, or octets above 0x7F in recipient or sender, and the peer
 *                  does not offer SMTPUTF8 (RFC 6531 3.5) */
rcpt_err rcpt_client_ask(struct rcpt_client *c, const char *recipient, size_t len,
                         bool smtputf8_needed);
/* Leave: at once when next() wants QUESTION; else QUIT is said when the reply awaited has come (an
 * answer is still heard), since a command before it would be pipelining, and one before the
 * greeting would get us listed. A carrier that cannot wait closes. Allowed at any time. */
void rcpt_client_quit(struct rcpt_client *c);
/* The connection is gone or timed out: DONE, and err() is `how` unless it was over already. */
void rcpt_client_lost(struct rcpt_client *c, rcpt_err how);

/* The last whole reply, until the next one is whole; NULL when there was none. */
const struct rcpt_reply *rcpt_client_reply(const struct rcpt_client *c);
/* What it waits for an answer to, or had the last one to; QUIT does not change it. */
rcpt_stage rcpt_client_stage(const struct rcpt_client *c);
/* RCPT_OK, also when the peer refused in so many words; or lost()'s `how`, or feed()'s error. */
rcpt_err rcpt_client_err(const struct rcpt_client *c);
/* RCPT_OFFER() bits of the EHLO reply; 0 after HELO. */
unsigned rcpt_client_offers(const struct rcpt_client *c);
const char *rcpt_heard_name(rcpt_heard h);
const char *rcpt_offer_keyword(unsigned at);   /* at < RCPT_OFFER_COUNT */

/* The table itself, for doc/dialogue.md and the spec that walks it. All strings static. */
enum { RCPT_CLASS_2YZ, RCPT_CLASS_3YZ, RCPT_CLASS_4YZ, RCPT_CLASS_5YZ, RCPT_CLASS_421,
       RCPT_CLASS_COUNT };
struct rcpt_client_row {
    const char *state, *says, *stage;         /* says, stage: "" for none */
    struct { const char *to, *heard, *why; } on[RCPT_CLASS_COUNT];
};
/* Row i from 0, the unused state "none" left out; false past the last. */
bool rcpt_client_row(unsigned i, struct rcpt_client_row *row);
const char *rcpt_client_class_name(unsigned c);   /* "2yz" .. "421" */

#endif
