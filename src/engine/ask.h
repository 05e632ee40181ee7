/* engine/ask.h -- one question to a session, as a job: what is asked, and what came of it.
 *
 * When it is put, and to whom, is session.c's business. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_ENGINE_ASK_H
#define RCPT_ENGINE_ASK_H

#include "engine/session.h"

struct rcpt_ask {
    struct rcpt_job   job;                 /* first: see struct rcpt_job */
    rcpt_session     *s;                   /* referenced until the job ends, then NULL; session.c's */
    struct rcpt_node  node;                /* in the session's queue, or in no list */
    struct rcpt_said *reply;               /* the ask's own; NULL: none came */
    rcpt_err          why;                 /* then why */
    rcpt_ask_kind     kind;
    size_t            len;
    char              recipient[];
};

/* A job of `class`, entered into the engine; copies the recipient. RCPT_BADARG (empty, too long,
 * control characters), RCPT_NOMEM, RCPT_CLOSED. */
rcpt_err rcpt_ask_start(struct rcpt_ask **a, rcpt_engine *e, const struct rcpt_job_class *class,
                        rcpt_ask_kind kind, const char *recipient, size_t len, uint64_t until_ms);
/* For the class: frees it. */
void rcpt_ask_done(struct rcpt_job *j);

#endif
