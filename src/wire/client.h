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
#include "wire/reply.h"

struct rcpt_client_config {
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
    RCPT_HEARD_ANSWER,     /* the question has its answer: rcpt_client_reply() at stage MAIL or RCPT */
    RCPT_HEARD_END         /* the peer will not go on (refused at greeting/EHLO, 421, hang-up,
                              garbage): rcpt_client_reply() is the last thing it said, if any */
} rcpt_heard;

struct rcpt_client;                   /* complete below, in the author's hands: a struct the carrier
                                         may embed; its fields are the client's own */

/* The author of client.c completes this header with the struct and:
 *
 * rcpt_err rcpt_client_init(struct rcpt_client *c, const struct rcpt_client_config *cfg);
 *     copies helo and sender; RCPT_BADARG for control characters, NUL, blanks, over-long ones
 * rcpt_err rcpt_client_feed(c, const char *in, size_t len, size_t *used, rcpt_heard *heard);
 *     takes bytes up to the end of at most ONE reply; call again with the rest.
 *     RCPT_OK, RCPT_TOOLONG (a reply over RCPT_REPLY_MAX/RCPT_REPLY_LINES), RCPT_PROTO (not SMTP):
 *     on both errors the dialogue is over, heard is END and next() wants DONE (no QUIT to a
 *     peer that does not speak SMTP)
 * void rcpt_client_next(const c, struct rcpt_want *want);      asking twice changes nothing
 * void rcpt_client_wrote(c, size_t n);                         n bytes of want.data have gone
 * rcpt_err rcpt_client_ask(c, const char *recipient, size_t len, bool smtputf8_needed);
 *     only when WANT_QUESTION; RCPT_BADARG: a recipient with control characters, or too long
 * void rcpt_client_quit(c);      after what is being said now; allowed at any time
 * void rcpt_client_lost(c, rcpt_err how);   the connection is gone or timed out: DONE
 * const struct rcpt_reply *rcpt_client_reply(const c);         the last whole reply, or NULL
 * rcpt_stage rcpt_client_stage(const c);                       what it is waiting for an answer to
 * rcpt_err rcpt_client_err(const c);
 * unsigned rcpt_client_offers(const c);                        extensions the peer offered (bits)
 */

#endif
