/* engine/talk.h -- a struct rcpt_client carried over one connected socket.
 *
 * It moves bytes, shakes hands where TLS is wanted, times the waiting and keeps the record. What
 * is asked, and who wants to know, is its owner's business (session.c), told by three callbacks;
 * none of them may free the talk: the owner frees it after the call into the talk that made
 * them. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_ENGINE_TALK_H
#define RCPT_ENGINE_TALK_H

#include "engine/engine.h"
#include "engine/record.h"
#include "engine/trust.h"
#include "engine/wrap.h"
#include "wire/client.h"

struct rcpt_talk_config {
    struct rcpt_client_config client;
    bool     transcript;
    uint32_t idle_ms;                     /* how long it waits for a question */
    const char *name;                     /* the host asked; NULL: not known; must outlive it */
    struct rcpt_trust *trust;             /* for TLS; must outlive it */
};

/* What TLS came to; kept when the connection is gone. */
struct rcpt_secured {
    bool is_secured, is_verified;
    char version[16], cipher[64];
    char why[160];                        /* why not verified; "": it is, or not secured */
    char failed[160];                     /* why RCPT_TLS, else "" */
};

struct rcpt_talk {
    /* set by the owner before the start */
    void (*heard)(struct rcpt_talk *t, rcpt_heard heard);   /* READY or ANSWER: see rcpt_client_reply */
    bool (*idle)(struct rcpt_talk *t);    /* the client wants a question: true when one was put */
    void (*over)(struct rcpt_talk *t);    /* once; the socket is closed, see err */
    struct rcpt_watch watch;              /* its ready(): call rcpt_talk_ready */
    struct rcpt_alarm patience;           /* its due(): rcpt_talk_stop if is_idle, or rcpt_talk_tire */

    /* to be read */
    struct rcpt_client *client;           /* NULL: retired */
    struct rcpt_record record;
    struct rcpt_secured tls;
    rcpt_err     err;                     /* how the connection was lost; RCPT_OK: it was not, or the
                                             peer ended it in so many words */
    rcpt_stage   stage;                   /* see rcpt_talk_stage */
    bool         is_open, is_greeted;
    bool         is_ending;               /* only QUIT may still be said */
    bool         is_idle;                 /* nothing to do but wait for a question */

    /* the talk's own */
    rcpt_engine *engine;
    struct rcpt_wrap wrap;
    const char  *name;                    /* borrowed */
    struct rcpt_trust *trust;             /* borrowed */
    uint32_t     reply_ms, idle_ms;
    bool         is_timed;                /* the patience for what is awaited now has begun */
};

/* RCPT_NOMEM; RCPT_BADARG: see rcpt_client_init. rcpt_talk_done() follows in any case. The callbacks, watch and patience stay as they are. `mem` is
 * borrowed and must outlive it. */
rcpt_err rcpt_talk_init(struct rcpt_talk *t, const struct rcpt_mem *mem,
                        const struct rcpt_talk_config *cfg);
void rcpt_talk_done(struct rcpt_talk *t);
/* It is over, and only to be looked at: the client, the most of its memory, goes. Safe in over(). */
void rcpt_talk_retire(struct rcpt_talk *t);
/* See rcpt_client_stage(); to the end. */
rcpt_stage rcpt_talk_stage(const struct rcpt_talk *t);
/* Takes the socket over, on failure too (over() is called then). */
void rcpt_talk_start(struct rcpt_talk *t, rcpt_engine *e, int fd);
/* The watch fired. */
void rcpt_talk_ready(struct rcpt_talk *t, unsigned events);
/* A question may be put now if the client wants one: asks idle(). What the peer did meanwhile is
 * heard first. */
void rcpt_talk_nudge(struct rcpt_talk *t);
/* The patience is over: RCPT_TIMEOUT, or in a handshake RCPT_TLS. Closes, over(). */
void rcpt_talk_tire(struct rcpt_talk *t);
/* The connection is lost, `how`: closes, over(). An end that was there before keeps its own. */
void rcpt_talk_lose(struct rcpt_talk *t, rcpt_err how);
/* Close, with QUIT first where it may be said now (`politely`); over() is called. Nothing when it
 * is not open. */
void rcpt_talk_stop(struct rcpt_talk *t, bool politely);

#endif
