/* wire/client.h -- the client's side of an SMTP dialogue, without sockets.
 *
 * Bytes in by rcpt_client_feed(), orders out by rcpt_client_next(). It reads no
 * clock and allocates nothing: all it may ever hold is in the struct. It never
 * says DATA or BDAT, nothing that was not offered, never two domains in one transaction,
 * nothing after QUIT; and nothing an address holds can end a line.
 *
 * The carrier's loop:  next() -> WRITE: send want.data, then rcpt_client_wrote();
 * READ: feed what came, keep rcpt_client_reply() whenever a reply was heard; QUESTION:
 * ask or quit; TLS: shake hands, then rcpt_client_secured(); DONE: close the socket. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_WIRE_CLIENT_H
#define RCPT_WIRE_CLIENT_H

#include "base/err.h"
#include "base/limits.h"
#include "wire/command.h"
#include "wire/offers.h"
#include "wire/reply.h"

#define RCPT_TRANSACTION_MAX 50       /* recipients asked in one; RFC 5321 4.5.3.1.8 has 100 */

typedef enum {
    RCPT_TLS_OFF,          /* never say STARTTLS */
    RCPT_TLS_MAY,          /* say it where it is offered; in the clear where it is refused */
    RCPT_TLS_REQUIRE       /* ask nothing in the clear: not offered, or refused, is the END */
} rcpt_tls_mode;

struct rcpt_client_config {           /* borrowed for the call to init */
    const char *helo;                 /* our name, ASCII; "" allowed with greeting_only */
    const char *sender;               /* the reverse-path without brackets; "" is the null sender */
    bool        greeting_only;        /* say QUIT after the greeting, nothing else (S10) */
    rcpt_tls_mode tls;
    uint32_t    greeting_ms, reply_ms;
};

typedef enum {
    RCPT_WANT_READ,        /* bytes from the peer, within patience_ms */
    RCPT_WANT_WRITE,       /* send data[0..len): a command, or several in one breath */
    RCPT_WANT_TLS,         /* a TLS handshake, within patience_ms; then rcpt_client_secured(), or
                              rcpt_client_lost(c, RCPT_TLS). Bytes in the clear that came behind the
                              220 are no part of it: feed() takes them and hears nothing */
    RCPT_WANT_QUESTION,    /* nothing: greeted and idle, ask() or quit() */
    RCPT_WANT_DONE         /* over: close; see rcpt_client_err() */
} rcpt_want_kind;

struct rcpt_want {
    rcpt_want_kind kind;
    const char *data;                 /* WRITE: borrowed until the next call on the client */
    size_t      len;                  /* WRITE: bytes */
    uint32_t    patience_ms;          /* READ, TLS: give up after this long */
};

/* What became of the dialogue; the carrier reads it after feed(). All but NOTHING: a reply is whole
 * (or the dialogue is broken) and rcpt_client_reply() has it. */
typedef enum {
    RCPT_HEARD_NOTHING,    /* no reply is whole yet; or it answers a RCPT said behind a refused MAIL
                              and is dropped: rcpt_client_reply() is still the one before */
    RCPT_HEARD_REPLY,      /* a reply that leads on by itself: one of a group, or on the way */
    RCPT_HEARD_READY,      /* greeted, HELO'd, secured where it is to be: questions may be asked */
    RCPT_HEARD_ANSWER,     /* the question has its answer: rcpt_client_reply() at stage MAIL, RCPT
                              or VRFY; a 421 there is heard as the answer, and next() wants DONE.
                              After a refused MAIL next() may want a READ before the QUESTION */
    RCPT_HEARD_END         /* the peer will not go on, and a question under way has no answer
                              (refused at greeting, EHLO, HELO or RSET; a 421 there or between
                              questions; garbage; no TLS where it is required: err() is RCPT_TLS):
                              rcpt_client_reply() is the last, if any */
} rcpt_heard;

typedef enum {
    RCPT_ASK_RCPT,         /* MAIL and RCPT: would you take mail for it? */
    RCPT_ASK_VRFY          /* VRFY: is it a mailbox? (RFC 5321 3.5) */
} rcpt_ask_kind;

/* A struct the carrier may embed; its fields are the client's own. */
struct rcpt_client {
    uint8_t  at;                      /* its state: a row of the table in dialogue.c */
    uint8_t  stage;                   /* of the reply awaited, or heard last */
    uint8_t  tls;                     /* rcpt_tls_mode */
    bool     is_secured;
    bool     is_leaving;              /* quit() was called while a reply was awaited */
    bool     has_reply;
    bool     wants_smtputf8;          /* of the question under way */
    bool     has_transaction;         /* MAIL was accepted and RSET not yet said */
    bool     has_smtputf8;            /* MAIL said SMTPUTF8 */
    uint8_t  recipients;              /* asked since MAIL */
    uint16_t domain_len, recipient_len;
    rcpt_err err;
    uint32_t greeting_ms, reply_ms;
    struct rcpt_offers offers;
    char     helo[RCPT_HELO_MAX + 1], sender[RCPT_PATH_MAX + 1];
    char     recipient[RCPT_PATH_MAX];         /* of the question under way */
    char     domain[RCPT_PATH_MAX];            /* of the transaction */
    struct rcpt_commands out;
    struct rcpt_reply  reply;         /* the last whole one */
    struct rcpt_reader reader;
};

/* Copies helo and sender. RCPT_BADARG, *c then not to be used: control characters, blanks or
 * angle brackets (a quoted local part of the sender may hold a blank or a bracket), a helo that is
 * empty or not ASCII, or one of them too long. */
rcpt_err rcpt_client_init(struct rcpt_client *c, const struct rcpt_client_config *cfg);

/* Take what the peer sent, up to the end of at most ONE reply; *used of `len` bytes were taken:
 * call again with the rest. Borrows `in` for the call only. Once next() wants TLS or DONE, or while
 * QUIT is being said, all bytes are taken and nothing is heard.
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

/* Put a question; only when next() wants QUESTION. Copies the address.
 * RCPT is asked in the open transaction when its domain and its need of SMTPUTF8 are the same, the
 * sender is not the null sender, and fewer than RCPT_TRANSACTION_MAX recipients (or RCPTMAX,
 * RFC 9422) were asked in it; else RSET and MAIL come first. A 452, 503, x.5.3 or "too many
 * recipients" for a further recipient is heard as REPLY: it is asked again, once, in a new one.
 * On an error nothing is said and the client still wants a QUESTION.
 *   RCPT_BADARG      empty, or no path: see rcpt_command_is_path
 *   RCPT_SMTPUTF8    `smtputf8_needed`, or octets above 0x7F in the address or (RCPT) in the
 *                    sender, and the peer does not offer SMTPUTF8 (RFC 6531 3.5)
 *   RCPT_NOTOFFERED  VRFY, and the peer does not offer it */
rcpt_err rcpt_client_ask(struct rcpt_client *c, rcpt_ask_kind kind, const char *address, size_t len,
                         bool smtputf8_needed);
/* The handshake next() wanted is done: all that was learnt in the clear is forgotten and EHLO is
 * said again (RFC 3207 4.2). Only when next() wants TLS. */
void rcpt_client_secured(struct rcpt_client *c);
/* Leave: at once when next() wants QUESTION; else QUIT is said when the reply awaited has come (an
 * answer is still heard), since a command before it would be pipelining, and one before the
 * greeting would get us listed. When next() wants TLS it is DONE. Allowed at any time. */
void rcpt_client_quit(struct rcpt_client *c);
/* The connection is gone or timed out: DONE, and err() is `how` unless it was over already. */
void rcpt_client_lost(struct rcpt_client *c, rcpt_err how);

/* The last whole reply, until the next one is whole; NULL when there was none. */
const struct rcpt_reply *rcpt_client_reply(const struct rcpt_client *c);
/* What it waits for an answer to, or had the last one to; QUIT does not change it. */
rcpt_stage rcpt_client_stage(const struct rcpt_client *c);
/* RCPT_OK, also when the peer refused in so many words; or lost()'s `how`, or feed()'s error, or
 * RCPT_TLS where it is required and cannot be had. */
rcpt_err rcpt_client_err(const struct rcpt_client *c);
/* RCPT_OFFER() bits of the latest EHLO reply; 0 after HELO. */
unsigned rcpt_client_offers(const struct rcpt_client *c);
const char *rcpt_heard_name(rcpt_heard h);

#endif
