/* engine/talk.c -- see talk.h.
 *
 * What a reply means for the dialogue is the client's table to say, not ours. What bounds
 * it: READ_MAX bytes a callback whatever the peer floods, the client's own limits for
 * replies, the record's for what is kept. A dialogue that is over closes its socket
 * at once. */
/* SPDX-License-Identifier: MIT */
#include "engine/talk.h"

#include "io/sock.h"

#define READ_MAX 16384

static void close_down(struct rcpt_talk *t)
{
    if (!t->is_open)
        return;
    t->is_open = false;
    rcpt_engine_unalarm(t->engine, &t->patience);
    rcpt_engine_unwatch(t->engine, &t->watch);
    rcpt_sock_close(t->watch.fd);
    t->over(t);
}

static rcpt_err write_some(struct rcpt_talk *t, const struct rcpt_want *w)
{
    size_t n = 0;
    rcpt_err e = rcpt_sock_write(t->watch.fd, w->data, w->len, &n);
    if (e == RCPT_OK) {
        rcpt_record_bytes(&t->record, 'C', w->data, n);
        rcpt_client_wrote(&t->client, n);
    }
    return e;
}

/* QUIT where the rules allow one now and the socket takes it without waiting. Before the greeting it
 * would get us listed; while a reply is awaited it would be pipelining. Then what came meanwhile
 * is read once: closing over unread bytes is a reset, and may cost the peer our QUIT. */
static void say_goodbye(struct rcpt_talk *t)
{
    static const char quit[] = "QUIT\r\n";
    struct rcpt_want w;
    char unread[READ_MAX];
    size_t n;
    if (!t->is_greeted)
        return;
    rcpt_client_quit(&t->client);
    rcpt_client_next(&t->client, &w);
    if (w.kind == RCPT_WANT_WRITE)
        (void)write_some(t, &w);
    else if (w.kind == RCPT_WANT_READ &&
             (rcpt_client_offers(&t->client) & RCPT_OFFER(PIPELINING)) != 0 &&
             rcpt_sock_write(t->watch.fd, quit, sizeof quit - 1, &n) == RCPT_OK)
        rcpt_record_bytes(&t->record, 'C', quit, n);
    (void)rcpt_sock_read(t->watch.fd, unread, sizeof unread, &n);
}

static rcpt_err be_patient(struct rcpt_talk *t, uint32_t patience_ms)
{
    if (t->is_timed)
        return RCPT_OK;
    t->is_timed = true;
    return rcpt_engine_alarm(t->engine, &t->patience, rcpt_engine_now(t->engine) + patience_ms);
}

static rcpt_err watch_for(struct rcpt_talk *t, unsigned events)
{
    return rcpt_poller_change(rcpt_engine_poller(t->engine), &t->watch, events);
}

/* A reply is whole: keep it, tell of it. */
static rcpt_err heed(struct rcpt_talk *t, rcpt_heard heard)
{
    struct rcpt_want w;
    t->is_timed = false;
    rcpt_err e = rcpt_record_reply(&t->record, rcpt_client_reply(&t->client));
    if (e != RCPT_OK)
        return e;
    if (heard == RCPT_HEARD_READY)
        t->is_greeted = true;
    rcpt_client_next(&t->client, &w);
    t->is_ending = heard == RCPT_HEARD_END ||             /* or greeting_only: */
                   (heard == RCPT_HEARD_READY && w.kind != RCPT_WANT_QUESTION);
    if (heard == RCPT_HEARD_READY || heard == RCPT_HEARD_ANSWER)
        t->heard(t, heard);
    return RCPT_OK;
}

/* All that came is fed before anything is said in turn: who talks ahead is out of step. */
static rcpt_err hear(struct rcpt_talk *t, const char *p, size_t len)
{
    while (len > 0) {
        struct rcpt_want before, after;
        rcpt_heard heard;
        size_t used = 0;
        rcpt_client_next(&t->client, &before);
        rcpt_err e = rcpt_client_feed(&t->client, p, len, &used, &heard);
        rcpt_record_bytes(&t->record, 'S', p, used);
        p += used;
        len -= used;
        rcpt_client_next(&t->client, &after);
        if (e == RCPT_OK && (heard != RCPT_HEARD_NOTHING || after.kind != before.kind))
            e = heed(t, heard);
        if (e != RCPT_OK)
            return e;
    }
    return RCPT_OK;
}

/* Read once and heed it. RCPT_AGAIN where there was nothing. */
static rcpt_err listen_once(struct rcpt_talk *t)
{
    char in[READ_MAX];
    size_t n = 0;
    rcpt_err e = rcpt_sock_read(t->watch.fd, in, sizeof in, &n);
    return e == RCPT_OK ? hear(t, in, n) : e;
}

/* True: all of it went. False: it waits, or the talk is over. */
static bool say(struct rcpt_talk *t, const struct rcpt_want *w)
{
    rcpt_err e = write_some(t, w);
    if (e == RCPT_OK) {
        t->is_timed = false;
        return true;
    }
    if (e == RCPT_AGAIN && !t->is_ending) {
        e = watch_for(t, RCPT_READABLE | RCPT_WRITABLE);
        if (e == RCPT_OK)
            e = be_patient(t, t->reply_ms);
        if (e == RCPT_OK)
            return false;
    } else if (!t->is_ending) {
        (void)listen_once(t);              /* its last words: mostly a 421 */
    }
    rcpt_talk_lose(t, e);
    return false;
}

/* Do what the client wants until it has to wait. */
static void go_on(struct rcpt_talk *t)
{
    rcpt_err e = RCPT_OK;
    while (t->is_open) {
        struct rcpt_want w;
        rcpt_client_next(&t->client, &w);
        switch (w.kind) {
        case RCPT_WANT_WRITE:
            if (!say(t, &w))
                return;
            continue;
        case RCPT_WANT_READ:
            e = watch_for(t, RCPT_READABLE);
            if (e == RCPT_OK)
                e = be_patient(t, w.patience_ms);
            break;
        case RCPT_WANT_QUESTION:
            if (t->idle(t))
                continue;
            rcpt_engine_unalarm(t->engine, &t->patience);
            t->is_timed = false;
            e = watch_for(t, RCPT_READABLE);       /* for a hang-up */
            break;
        case RCPT_WANT_DONE:
            t->err = rcpt_client_err(&t->client);
            close_down(t);
            return;
        }
        if (e != RCPT_OK)
            rcpt_talk_lose(t, e);
        return;
    }
}

rcpt_err rcpt_talk_init(struct rcpt_talk *t, const struct rcpt_mem *mem,
                        const struct rcpt_client_config *cfg, bool transcript)
{
    rcpt_record_init(&t->record, mem, transcript);
    t->watch.fd = -1;
    t->err = RCPT_OK;
    t->is_open = t->is_greeted = t->is_ending = t->is_timed = false;
    t->reply_ms = cfg->reply_ms;
    return rcpt_client_init(&t->client, cfg);
}

void rcpt_talk_done(struct rcpt_talk *t)
{
    rcpt_record_done(&t->record);
}

void rcpt_talk_start(struct rcpt_talk *t, rcpt_engine *e, int fd)
{
    t->engine = e;
    t->watch.fd = fd;
    t->is_open = true;
    rcpt_err err = rcpt_poller_add(rcpt_engine_poller(e), &t->watch, RCPT_READABLE);
    if (err == RCPT_OK)
        go_on(t);
    else
        rcpt_talk_lose(t, err);
}

void rcpt_talk_ready(struct rcpt_talk *t, unsigned events)
{
    rcpt_err e = (events & (RCPT_READABLE | RCPT_HANGUP)) != 0 ? listen_once(t) : RCPT_OK;
    if (e == RCPT_OK || e == RCPT_AGAIN)
        go_on(t);
    else
        rcpt_talk_lose(t, e);
}

void rcpt_talk_nudge(struct rcpt_talk *t)
{
    struct rcpt_want w;
    rcpt_client_next(&t->client, &w);
    if (t->is_open && w.kind == RCPT_WANT_QUESTION)
        go_on(t);
}

void rcpt_talk_lose(struct rcpt_talk *t, rcpt_err how)
{
    rcpt_client_lost(&t->client, how);     /* nothing where only QUIT was left to say */
    t->err = how == RCPT_NOMEM ? how : rcpt_client_err(&t->client);
    close_down(t);
}

void rcpt_talk_stop(struct rcpt_talk *t, bool politely)
{
    if (t->is_open && politely)
        say_goodbye(t);
    close_down(t);
}
