/* engine/session.h -- one SMTP session: dialled, greeted, asked, left politely.
 *
 * A session is wire/client.h carried over a socket (dial.h). Opening it is a job,
 * each question to it is a job; questions form a FIFO. Opening runs on the
 * session's own limits: cancelling the job of the one who opened it closes the
 * session, since nobody else has it yet; cancelling a question detaches its waiter: the
 * reply is read and dropped and the session goes on.
 * It never sends DATA or BDAT, and always QUIT where the peer still listens. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_ENGINE_SESSION_H
#define RCPT_ENGINE_SESSION_H

#include "engine/engine.h"
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
    uint32_t    connect_ms, greeting_ms, reply_ms;   /* patience for each */
    uint32_t    second_ms;              /* the next address is tried beside the first after this */
};

/* What was seen so far; borrowed from the session, valid until the next step. */
struct rcpt_evidence {
    rcpt_err      err;                  /* RCPT_OK, or how the connection was lost */
    rcpt_stage    stage;                /* where it stands, or stood when it ended */
    char          ip[RCPT_IP_TEXT];     /* the address connected to, or tried last; "" none */
    uint16_t      port;
    char          source[RCPT_IP_TEXT]; /* our end; "" when never connected */
    unsigned      n;
    const struct rcpt_reply *reply;     /* what was said, in order, the newest RCPT_SAID_MAX */
    const char   *transcript;           /* "C: ...\n" and "S: ...\n"; NULL when not asked for */
    size_t        transcript_len;
};

/* RCPT_BADARG (a helo or sender the wire cannot take), RCPT_NOMEM, RCPT_CLOSED. The job ends as
 * RCPT_OK whatever the peer did; look at rcpt_session_of(j) and its evidence. `until_ms` bounds
 * the opening (UINT64_MAX: only the single patiences do). */
rcpt_err rcpt_session_open(struct rcpt_job **j, rcpt_engine *e, const struct rcpt_session_config *cfg,
                           uint64_t until_ms);
extern const struct rcpt_job_class rcpt_open_class, rcpt_ask_class;
/* The session behind an open or ask job; NULL after it was taken by rcpt_session_take. */
rcpt_session *rcpt_session_of(const struct rcpt_job *j);

/* Reference for a handle; the session quits and closes when the last one is released. */
void rcpt_session_keep(rcpt_session *s);
void rcpt_session_release(rcpt_session *s);
/* QUIT, then close, without awaiting 221; questions under way end as RCPT_CLOSED. Twice is nothing. */
void rcpt_session_quit(rcpt_session *s);
/* Is it open, greeted and able to take a question? */
bool rcpt_session_is_ready(const rcpt_session *s);

/* MAIL and RCPT for one recipient ("a@b.example", octets as they go on the wire). The job ends as
 * RCPT_OK with a reply at stage MAIL or RCPT, or with evidence.err set (lost, timed out).
 * RCPT_BADARG (CR, LF, NUL, too long), RCPT_CLOSED. */
rcpt_err rcpt_session_ask(struct rcpt_job **j, rcpt_session *s, const char *recipient, size_t len,
                          uint64_t until_ms);
void rcpt_session_evidence(const rcpt_session *s, struct rcpt_evidence *ev);
/* The reply that answered an ask job; NULL when none came. Borrowed from the job. */
const struct rcpt_reply *rcpt_ask_reply(const struct rcpt_job *j);

#endif
