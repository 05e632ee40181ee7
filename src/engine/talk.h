/* engine/talk.h -- a struct rcpt_client carried over one connected socket.
 *
 * It moves bytes, times the waiting and keeps the record. What is asked, and who
 * wants to know, is its owner's business (session.c), told by three callbacks; none of them
 * may free the talk: the owner frees it after the call into the talk that made them. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_ENGINE_TALK_H
#define RCPT_ENGINE_TALK_H

#include "engine/engine.h"
#include "engine/record.h"
#include "wire/client.h"

struct rcpt_talk {
    /* set by the owner before the start */
    void (*heard)(struct rcpt_talk *t, rcpt_heard heard);   /* READY or ANSWER: see rcpt_client_reply */
    bool (*idle)(struct rcpt_talk *t);    /* the client wants a question: true when one was put */
    void (*over)(struct rcpt_talk *t);    /* once; the socket is closed, see err */
    struct rcpt_watch watch;              /* its ready(): call rcpt_talk_ready */
    struct rcpt_alarm patience;           /* its due(): call rcpt_talk_lose, RCPT_TIMEOUT */

    /* to be read */
    struct rcpt_client client;
    struct rcpt_record record;
    rcpt_err     err;                     /* how the connection was lost; RCPT_OK: it was not, or
                                             the peer ended it in so many words */
    bool         is_open, is_greeted;
    bool         is_ending;               /* only QUIT may still be said */

    /* the talk's own */
    rcpt_engine *engine;
    uint32_t     reply_ms;
    bool         is_timed;                /* the patience for what is awaited now has begun */
};

/* RCPT_BADARG: see rcpt_client_init. The callbacks, watch and patience stay as they are. `mem` is
 * borrowed and must outlive it. */
rcpt_err rcpt_talk_init(struct rcpt_talk *t, const struct rcpt_mem *mem,
                        const struct rcpt_client_config *cfg, bool transcript);
void rcpt_talk_done(struct rcpt_talk *t);
/* Takes the socket over, on failure too (over() is called then). */
void rcpt_talk_start(struct rcpt_talk *t, rcpt_engine *e, int fd);
/* The watch fired. */
void rcpt_talk_ready(struct rcpt_talk *t, unsigned events);
/* A question may be put now if the client wants one: asks idle(). */
void rcpt_talk_nudge(struct rcpt_talk *t);
/* The connection is lost, `how`: closes, over(). An end that was there before keeps its own. */
void rcpt_talk_lose(struct rcpt_talk *t, rcpt_err how);
/* Close, with QUIT first where it may be said now (`politely`); over() is called. Nothing when it
 * is not open. */
void rcpt_talk_stop(struct rcpt_talk *t, bool politely);

#endif
