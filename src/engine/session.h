/* engine/session.h -- one SMTP session: dialled, greeted, secured, asked, kept, left politely.
 *
 * A session is wire/client.h carried over a socket (dial.h). Opening it is a job, each question
 * to it is a job; questions form a FIFO. It is kept for as many as are put, but one that has
 * none for idle_ms leaves by itself. Opening runs on the session's own limits: cancelling the
 * job of the one who opened it closes the session, since nobody else has it yet; cancelling a
 * question detaches its waiter: the reply is read and dropped and the session goes on. It never
 * sends DATA or BDAT. It says QUIT before it closes wherever that may be said: greeted, and no
 * reply awaited, unless the peer offered PIPELINING (RFC 2920 3.1). */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_ENGINE_SESSION_H
#define RCPT_ENGINE_SESSION_H

#include "engine/engine.h"
#include "engine/proxy.h"
#include "engine/record.h"
#include "engine/talk.h"
#include "io/sock.h"
#include "wire/client.h"

typedef struct rcpt_session rcpt_session;

struct rcpt_session_config {
    struct rcpt_ip to[RCPT_ADDRS_MAX];  /* in the order to try; the port within */
    unsigned    n;                      /* of `to`, >= 1 */
    struct rcpt_ip source4, source6;    /* len 0: the system chooses */
    const char *helo, *sender;          /* borrowed for the call; see rcpt_client_config */
    bool        greeting_only;          /* level "connect": QUIT after the greeting */
    bool        transcript;
    uint32_t    connect_ms;             /* patience with each address */
    uint32_t    greeting_ms, reply_ms;  /* ...with each whole reply, from when it was due */
    uint32_t    second_ms;              /* the next address is tried beside the first after this */
    uint32_t    idle_ms;                /* without a question for so long, it quits */
    rcpt_tls_mode tls;
    const char *name;                   /* the host asked, for TLS; NULL: not known */
    const char *ca_file;                /* trusted beside the system's store; NULL: none */
    struct rcpt_proxy_config proxy;     /* at.len 0: none */
};

/* What was seen of the opening and of the latest question; borrowed from the session, valid
 * until the next step or question. */
struct rcpt_evidence {
    rcpt_err      err;                  /* RCPT_OK, or how the connection was lost; RCPT_SMTPUTF8 or
                                           RCPT_NOTOFFERED on a living session: the latest question
                                           could not be put */
    rcpt_stage    stage;                /* where it stands, or stood when it ended */
    char          ip[RCPT_IP_TEXT];     /* connected to; else the one `err` tells of, or tried last */
    uint16_t      port;
    char          source[RCPT_IP_TEXT]; /* our end; "" when never connected */
    unsigned      n;
    const struct rcpt_said *said[RCPT_SAID_MAX];   /* in order */
    const struct rcpt_secured *tls;     /* NULL: in the clear */
    const char   *why;                  /* more of `err` where it is RCPT_TLS or RCPT_PROXY, for
                                           people; else NULL */
    bool          is_proxied;           /* then `source` is our end of the way to the proxy */
    const char   *transcript;           /* "C: ...\n" and "S: ...\n"; NULL when not asked for */
    size_t        transcript_len;
};

/* RCPT_BADARG (a helo, sender, name, proxy's user or password that cannot be, or a ca_file
 * without a certificate), RCPT_NOMEM, RCPT_CLOSED. The job ends as RCPT_OK whatever the peer
 * did, its deadline included; look at rcpt_session_take(j) and its evidence. `until_ms` bounds
 * the opening (UINT64_MAX: only the single patiences do). */
rcpt_err rcpt_session_open(struct rcpt_job **j, rcpt_engine *e, const struct rcpt_session_config *cfg,
                           uint64_t until_ms);
extern const struct rcpt_job_class rcpt_open_class, rcpt_ask_class;
/* The session of an open job that ended as RCPT_OK, with the job's reference to it. Once. */
rcpt_session *rcpt_session_take(struct rcpt_job *j);

/* The session quits and closes when the last reference is released; a question under way
 * holds one. */
void rcpt_session_release(rcpt_session *s);
/* QUIT, then close, without awaiting 221; questions under way end as RCPT_CLOSED. Twice is
 * nothing. */
void rcpt_session_quit(rcpt_session *s);
/* Is it open, greeted and able to take a question? (It may be busy with one.) */
bool rcpt_session_is_ready(const rcpt_session *s);

/* One question about a recipient ("a@b.example", octets as they go on the wire). The job ends as
 *   RCPT_OK       with a reply at stage MAIL, RCPT or VRFY, or without one: see rcpt_ask_why
 *   RCPT_BADARG   the path cannot be written into a command; nothing was said
 *   RCPT_TIMEOUT  `until_ms` came first: its waiter is detached, the session goes on
 *   RCPT_CLOSED, RCPT_CANCELLED, RCPT_NOMEM
 * Answers RCPT_BADARG (empty, too long, control characters), RCPT_NOMEM, RCPT_CLOSED (the
 * session is not ready). */
rcpt_err rcpt_session_ask(struct rcpt_job **j, rcpt_session *s, rcpt_ask_kind kind,
                          const char *recipient, size_t len, uint64_t until_ms);
/* The reply that answered an ask job; NULL when none came. Borrowed from the job. */
const struct rcpt_said *rcpt_ask_reply(const struct rcpt_job *j);
/* Why none came: how the connection was lost (RCPT_EOF too where the peer said it would not
 * go on), or RCPT_SMTPUTF8, RCPT_NOTOFFERED. */
rcpt_err rcpt_ask_why(const struct rcpt_job *j);

/* NULL once the session is over. */
rcpt_engine *rcpt_session_engine(const rcpt_session *s);
void rcpt_session_evidence(const rcpt_session *s, struct rcpt_evidence *ev);

#endif
