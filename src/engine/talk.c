/* engine/talk.c -- see talk.h.
 *
 * What a reply means for the dialogue is the client's table to say, not ours. What bounds it:
 * READ_MAX bytes a callback whatever the peer floods, the client's own limits for replies,
 * io/tls.h's for TLS, the record's for what is kept. A dialogue that is over closes its socket
 * at once. */
/* SPDX-License-Identifier: MIT */
#include "engine/talk.h"

#include <stdio.h>

#include "io/sock.h"

#define READ_MAX 16384

static rcpt_want_kind wants(const struct rcpt_talk *t)
{
    struct rcpt_want w;
    rcpt_client_next(t->client, &w);
    return w.kind;
}

static void close_down(struct rcpt_talk *t)
{
    if (!t->is_open)
        return;
    t->is_open = t->is_idle = false;
    rcpt_engine_unalarm(t->engine, &t->patience);
    rcpt_engine_unwatch(t->engine, &t->watch);
    rcpt_wrap_close(&t->wrap, rcpt_engine_is_ours(t->engine));
    t->over(t);
}

static rcpt_err write_some(struct rcpt_talk *t, const struct rcpt_want *w)
{
    size_t n = 0;
    rcpt_err e = rcpt_wrap_write(&t->wrap, w->data, w->len, &n);
    if (e == RCPT_OK) {
        rcpt_record_bytes(&t->record, 'C', w->data, n);
        rcpt_client_wrote(t->client, n);
    }
    return e;
}

/* QUIT where the rules allow one now and the socket takes it without waiting. Before the
 * greeting it would get us listed; while a reply is awaited it would be pipelining. Then what
 * came meanwhile is read once: closing over unread bytes is a reset, and may cost the peer our
 * QUIT. */
static void say_goodbye(struct rcpt_talk *t)
{
    static const char quit[] = "QUIT\r\n";
    struct rcpt_want w;
    char unread[READ_MAX];
    size_t n;
    if (!t->is_greeted)
        return;
    rcpt_client_quit(t->client);
    rcpt_client_next(t->client, &w);
    if (w.kind == RCPT_WANT_WRITE)
        (void)write_some(t, &w);
    else if (w.kind == RCPT_WANT_READ &&
             (rcpt_client_offers(t->client) & RCPT_OFFER(PIPELINING)) != 0 &&
             rcpt_wrap_write(&t->wrap, quit, sizeof quit - 1, &n) == RCPT_OK)
        rcpt_record_bytes(&t->record, 'C', quit, n);
    (void)rcpt_wrap_read(&t->wrap, unread, sizeof unread, &n, true);
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
    if (rcpt_wrap_is_sending(&t->wrap))
        events |= RCPT_WRITABLE;
    return rcpt_poller_change(rcpt_engine_poller(t->engine), &t->watch, events);
}

/* A reply is whole: keep it, tell of it. */
static rcpt_err heed(struct rcpt_talk *t, rcpt_heard heard)
{
    t->is_timed = false;
    rcpt_err e = rcpt_record_reply(&t->record, rcpt_client_reply(t->client));
    if (e != RCPT_OK)
        return e;
    if (heard == RCPT_HEARD_READY) {
        t->is_greeted = true;
        rcpt_record_mark(&t->record);
    }
    t->is_ending = heard == RCPT_HEARD_END ||             /* or greeting_only: */
                   (heard == RCPT_HEARD_READY && wants(t) != RCPT_WANT_QUESTION);
    if (heard == RCPT_HEARD_READY || heard == RCPT_HEARD_ANSWER)
        t->heard(t, heard);
    return RCPT_OK;
}

/* All that came is fed before anything is said in turn: who talks ahead is out of step. But what
 * came in the clear behind the answer to STARTTLS is anybody's, and thrown away (CVE-2011-0411). */
static rcpt_err hear(struct rcpt_talk *t, const char *p, size_t len)
{
    while (len > 0 && wants(t) != RCPT_WANT_TLS) {
        rcpt_heard heard;
        size_t used = 0;
        rcpt_err e = rcpt_client_feed(t->client, p, len, &used, &heard);
        rcpt_record_bytes(&t->record, 'S', p, used);
        p += used;
        len -= used;
        if (e == RCPT_OK && heard != RCPT_HEARD_NOTHING)
            e = heed(t, heard);
        if (e != RCPT_OK)
            return e;
    }
    return RCPT_OK;
}

/* Heed what TLS holds, and what the socket does if it may be read, which is done once.
 * RCPT_AGAIN: that was all. */
static rcpt_err heed_peer(struct rcpt_talk *t, bool may_read)
{
    char in[READ_MAX];
    size_t n = 0;
    rcpt_err e = rcpt_wrap_read(&t->wrap, in, sizeof in, &n, may_read);
    while (e == RCPT_OK) {
        e = hear(t, in, n);
        if (e == RCPT_OK)
            e = rcpt_wrap_read(&t->wrap, in, sizeof in, &n, false);
    }
    return e;
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
        (void)heed_peer(t, true);          /* its last words: mostly a 421 */
    }
    rcpt_talk_lose(t, e);
    return false;
}

/* ---- the handshake ---- */

/* There will be no TLS. What the host ran out of is no fault of the peer's. */
static void give_up_tls(struct rcpt_talk *t, rcpt_err e, const char *why)
{
    (void)snprintf(t->tls.failed, sizeof t->tls.failed, "%s", why);
    rcpt_talk_lose(t, e == RCPT_NOMEM ? e : RCPT_TLS);
}

static rcpt_err begin_tls(struct rcpt_talk *t, const char **why)
{
    rcpt_tls_context *x;
    rcpt_err e = rcpt_trust_context(t->trust, rcpt_engine_mem(t->engine), &x);
    if (e == RCPT_OK)
        e = rcpt_wrap_secure(&t->wrap, x, t->name);
    if (e == RCPT_BADARG)                  /* an odd name: not said, and not verified */
        e = rcpt_wrap_secure(&t->wrap, x, NULL);
    *why = e == RCPT_SYSTEM && rcpt_tls_trouble() != NULL ? rcpt_tls_trouble() : rcpt_err_text(e);
    return e;
}

/* What came within TLS ahead of its turn is heard now, before we say anything. */
static rcpt_err end_tls(struct rcpt_talk *t)
{
    struct rcpt_tls_facts f;
    rcpt_tls_facts(t->wrap.tls, &f);
    t->tls.is_secured = true;
    t->tls.is_verified = f.verified;
    (void)snprintf(t->tls.version, sizeof t->tls.version, "%s", f.version);
    (void)snprintf(t->tls.cipher, sizeof t->tls.cipher, "%s", f.cipher);
    (void)snprintf(t->tls.why, sizeof t->tls.why, "%s", f.why != NULL ? f.why : "");
    rcpt_client_secured(t->client);
    t->is_timed = false;
    return heed_peer(t, false);
}

/* One part of the handshake. True: it is done. False: it waits, or the talk is over. */
static bool shake(struct rcpt_talk *t, bool may_read)
{
    const char *why = NULL;
    unsigned events = RCPT_READABLE;
    rcpt_err e = RCPT_AGAIN;
    if (rcpt_engine_may_shake(t->engine)) {
        e = RCPT_OK;
        if (t->wrap.tls == NULL)
            e = begin_tls(t, &why);
        if (e == RCPT_OK && (e = rcpt_wrap_shake(&t->wrap, may_read)) == RCPT_TLS)
            why = rcpt_tls_why(t->wrap.tls);
    } else if (t->wrap.tls == NULL) {
        events = RCPT_READABLE | RCPT_WRITABLE;           /* it is: ready again in the next step */
    }
    if (e == RCPT_OK) {
        e = end_tls(t);
        if (e == RCPT_AGAIN)
            return true;
        rcpt_talk_lose(t, e);
        return false;
    }
    if (e == RCPT_AGAIN && (e = watch_for(t, events)) == RCPT_OK &&
        (e = be_patient(t, t->reply_ms)) == RCPT_OK)
        return false;
    give_up_tls(t, e, why != NULL ? why : rcpt_err_text(e));
    return false;
}

/* ---- the loop ---- */

/* The peer is to speak, or to be asked: wait for that. */
static rcpt_err wait_for_peer(struct rcpt_talk *t, uint32_t patience_ms)
{
    rcpt_err e = watch_for(t, RCPT_READABLE);
    return e == RCPT_OK ? be_patient(t, patience_ms) : e;
}

/* Do what the client wants until it has to wait. */
static void go_on(struct rcpt_talk *t)
{
    rcpt_err e = RCPT_OK;
    while (t->is_open) {
        struct rcpt_want w;
        rcpt_client_next(t->client, &w);
        switch (w.kind) {
        case RCPT_WANT_WRITE:
            if (!say(t, &w))
                return;
            continue;
        case RCPT_WANT_TLS:
            if (!shake(t, false))
                return;
            continue;
        case RCPT_WANT_READ:
            e = wait_for_peer(t, w.patience_ms);
            break;
        case RCPT_WANT_QUESTION:
            if (t->idle(t)) {
                t->is_idle = t->is_timed = false;
                continue;
            }
            t->is_timed = t->is_timed && t->is_idle;
            t->is_idle = true;
            e = wait_for_peer(t, t->idle_ms);      /* a hang-up is news too */
            break;
        case RCPT_WANT_DONE:
            t->err = rcpt_client_err(t->client);
            close_down(t);
            return;
        }
        if (e != RCPT_OK)
            rcpt_talk_lose(t, e);
        return;
    }
}

/* ---- exported ---- */

rcpt_err rcpt_talk_init(struct rcpt_talk *t, const struct rcpt_mem *mem,
                        const struct rcpt_talk_config *cfg)
{
    rcpt_record_init(&t->record, mem, cfg->transcript);
    rcpt_wrap_init(&t->wrap, -1);
    t->watch.fd = -1;
    t->stage = RCPT_STAGE_CONNECT;
    t->err = RCPT_OK;
    t->is_open = t->is_greeted = t->is_ending = t->is_idle = t->is_timed = false;
    t->tls = (struct rcpt_secured){ .is_secured = false };
    t->reply_ms = cfg->client.reply_ms;
    t->idle_ms = cfg->idle_ms;
    t->name = cfg->name;
    t->trust = cfg->trust;
    t->client = rcpt_mem_alloc(mem, sizeof *t->client);
    return t->client != NULL ? rcpt_client_init(t->client, &cfg->client) : RCPT_NOMEM;
}

void rcpt_talk_retire(struct rcpt_talk *t)
{
    if (t->client == NULL)
        return;
    t->stage = rcpt_talk_stage(t);
    rcpt_mem_free(t->record.mem, t->client, sizeof *t->client);
    t->client = NULL;
}

rcpt_stage rcpt_talk_stage(const struct rcpt_talk *t)
{
    return t->client != NULL ? rcpt_client_stage(t->client) : t->stage;
}

void rcpt_talk_done(struct rcpt_talk *t)
{
    rcpt_talk_retire(t);
    rcpt_record_done(&t->record);
}

void rcpt_talk_start(struct rcpt_talk *t, rcpt_engine *e, int fd)
{
    t->engine = e;
    rcpt_wrap_init(&t->wrap, fd);
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
    bool is_readable = (events & (RCPT_READABLE | RCPT_HANGUP)) != 0;
    rcpt_err e = RCPT_OK;
    if (wants(t) == RCPT_WANT_TLS) {
        if (shake(t, is_readable))
            go_on(t);
        return;
    }
    if (is_readable)
        e = heed_peer(t, true);
    if (e == RCPT_OK || e == RCPT_AGAIN)
        e = rcpt_wrap_flush(&t->wrap);
    if (e == RCPT_OK)
        go_on(t);
    else
        rcpt_talk_lose(t, e);
}

void rcpt_talk_nudge(struct rcpt_talk *t)
{
    if (!t->is_open || wants(t) != RCPT_WANT_QUESTION)
        return;
    rcpt_err e = heed_peer(t, true);       /* a late reply must not pass for the answer to come */
    if (e == RCPT_AGAIN)
        go_on(t);
    else
        rcpt_talk_lose(t, e);
}

void rcpt_talk_tire(struct rcpt_talk *t)
{
    if (wants(t) == RCPT_WANT_TLS)
        give_up_tls(t, RCPT_TLS, "the peer stopped in the handshake");
    else
        rcpt_talk_lose(t, RCPT_TIMEOUT);
}

void rcpt_talk_lose(struct rcpt_talk *t, rcpt_err how)
{
    if (how == RCPT_TLS && t->tls.failed[0] == '\0')
        (void)snprintf(t->tls.failed, sizeof t->tls.failed, "%s", rcpt_tls_why(t->wrap.tls));
    rcpt_client_lost(t->client, how);     /* nothing where only QUIT was left to say */
    t->err = how == RCPT_NOMEM ? how : rcpt_client_err(t->client);
    close_down(t);
}

void rcpt_talk_stop(struct rcpt_talk *t, bool politely)
{
    if (t->is_open && politely)
        say_goodbye(t);
    close_down(t);
}
