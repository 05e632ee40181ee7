/* engine/session.c -- see session.h: a dial, then a talk, and the jobs that want to know.
 *
 * References: the open job's (until taken), then the handle's; one for each question;
 * and one for as long as a callback runs, since what it hears may end the last of those.
 * What bounds it: dial.c and talk.c for the network, the caller for how many questions
 * it queues. */
/* SPDX-License-Identifier: MIT */
#include "engine/session.h"

#include <assert.h>
#include <string.h>

#include "engine/ask.h"
#include "engine/dial.h"
#include "engine/talk.h"

struct rcpt_session {
    struct rcpt_mem    mem;
    rcpt_engine       *engine;             /* NULL once over */
    struct rcpt_tenant tenant;
    unsigned           refs;
    rcpt_err           err;                /* see struct rcpt_evidence */
    struct rcpt_job   *opener;             /* until opened */
    struct rcpt_alarm  deadline;           /* of the opening */
    struct rcpt_ask   *asking;             /* whose question is under way; NULL: nobody's, or none */
    struct rcpt_node   queue;              /* struct rcpt_ask, not yet put */
    struct rcpt_ip     source;
    struct rcpt_via   *via;                /* its own; NULL: no proxy */
    struct rcpt_dial   dial;
    struct rcpt_talk   talk;
    char               name[RCPT_DOMAIN_MAX + 2];   /* of the host; a dot at the end may be there */
};


struct open_job {
    struct rcpt_job job;                   /* first: see struct rcpt_job */
    rcpt_session   *s;                     /* referenced; NULL once taken */
};

/* ---- ends ---- */

static void unref(rcpt_session *s)
{
    if (--s->refs > 0)
        return;
    s->refs = 1;                           /* what ends in quitting must not come here again */
    rcpt_session_quit(s);
    rcpt_talk_done(&s->talk);
    struct rcpt_mem mem = s->mem;
    rcpt_via_close(s->via, &mem);
    rcpt_mem_free(&mem, s, sizeof *s);
}

/* The question leaves the session. */
static void detach(struct rcpt_ask *a)
{
    rcpt_session *s = a->s;
    if (s->asking == a)
        s->asking = NULL;
    rcpt_list_remove(&a->node);
    a->s = NULL;
    unref(s);
}

static void end_ask(struct rcpt_ask *a, rcpt_err err, rcpt_err why)
{
    a->why = why;
    rcpt_job_end(&a->job, err);
    detach(a);
}

static void end_opening(rcpt_session *s, rcpt_err err)
{
    struct rcpt_job *j = s->opener;
    s->opener = NULL;
    rcpt_engine_unalarm(s->engine, &s->deadline);
    if (j != NULL)
        rcpt_job_end(j, err);
}

/* Dial and talk are over. `err` is for the jobs: RCPT_OK tells them to look at why. */
static void end(rcpt_session *s, rcpt_err err, rcpt_err why)
{
    if (s->engine == NULL)
        return;
    rcpt_engine_unsettle(&s->tenant);
    rcpt_talk_retire(&s->talk);
    s->refs++;
    end_opening(s, err);
    s->engine = NULL;
    if (s->asking != NULL)
        end_ask(s->asking, err, why);
    for (struct rcpt_node *n; (n = rcpt_list_first(&s->queue)) != NULL;)
        end_ask(RCPT_OWNER(n, struct rcpt_ask, node), err, why);
    unref(s);
}

/* End it from our side. */
static void leave(rcpt_session *s, bool politely)
{
    s->refs++;
    rcpt_engine *e = s->engine;
    s->engine = NULL;                      /* so that talk_over leaves the rest to us */
    rcpt_dial_stop(&s->dial);
    rcpt_talk_stop(&s->talk, politely);
    s->engine = e;
    end(s, RCPT_CLOSED, RCPT_CLOSED);
    unref(s);
}

/* ---- what the talk tells ---- */

static void answer(rcpt_session *s)
{
    struct rcpt_ask *a = s->asking;
    s->err = RCPT_OK;
    if (a == NULL)
        return;                            /* its waiter left */
    a->reply = rcpt_said_copy(&s->mem, rcpt_client_reply(s->talk.client));
    end_ask(a, a->reply != NULL ? RCPT_OK : RCPT_NOMEM, RCPT_OK);
}

static void talk_heard(struct rcpt_talk *t, rcpt_heard heard)
{
    rcpt_session *s = RCPT_OWNER(t, rcpt_session, talk);
    if (heard == RCPT_HEARD_READY)
        end_opening(s, RCPT_OK);
    else
        answer(s);
}

/* Put the first question that can be put. */
static bool talk_idle(struct rcpt_talk *t)
{
    rcpt_session *s = RCPT_OWNER(t, rcpt_session, talk);
    for (struct rcpt_node *n; (n = rcpt_list_first(&s->queue)) != NULL;) {
        struct rcpt_ask *a = RCPT_OWNER(n, struct rcpt_ask, node);
        rcpt_err e = rcpt_client_ask(t->client, a->kind, a->recipient, a->len, false);
        bool is_lacking = e == RCPT_SMTPUTF8 || e == RCPT_NOTOFFERED;
        rcpt_record_turn(&t->record, false);
        if (e == RCPT_OK) {
            rcpt_list_remove(&a->node);
            s->asking = a;
            return true;
        }
        if (is_lacking)
            s->err = e;
        end_ask(a, is_lacking ? RCPT_OK : e, e);
    }
    return false;
}

static void talk_over(struct rcpt_talk *t)
{
    rcpt_session *s = RCPT_OWNER(t, rcpt_session, talk);
    if (s->engine == NULL)
        return;                            /* it was us: see leave */
    s->err = t->err;
    end(s, RCPT_OK, t->err != RCPT_OK ? t->err : RCPT_EOF);
}

static void socket_ready(struct rcpt_watch *w, unsigned events)
{
    rcpt_session *s = RCPT_OWNER(w, rcpt_session, talk.watch);
    s->refs++;
    rcpt_talk_ready(&s->talk, events);
    unref(s);
}

static void patience_due(struct rcpt_alarm *a)
{
    rcpt_session *s = RCPT_OWNER(a, rcpt_session, talk.patience);
    s->refs++;
    if (s->talk.is_idle) {
        s->err = RCPT_CLOSED;
        leave(s, true);
    } else {
        rcpt_talk_tire(&s->talk);
    }
    unref(s);
}

/* ---- opening ---- */

static void dial_ended(struct rcpt_dial *d)
{
    rcpt_session *s = RCPT_OWNER(d, rcpt_session, dial);
    s->refs++;
    if (d->err == RCPT_OK) {
        (void)rcpt_sock_local(d->fd, &s->source);
        rcpt_talk_start(&s->talk, s->engine, d->fd);
    } else {
        s->err = d->err;
        end(s, RCPT_OK, d->err);
    }
    unref(s);
}

static void deadline_due(struct rcpt_alarm *a)
{
    rcpt_session *s = RCPT_OWNER(a, rcpt_session, deadline);
    s->refs++;
    if (s->talk.is_open) {
        rcpt_talk_lose(&s->talk, RCPT_TIMEOUT);
    } else {
        rcpt_dial_stop(&s->dial);
        s->err = s->dial.err != RCPT_OK ? s->dial.err : RCPT_TIMEOUT;
        end(s, RCPT_OK, s->err);
    }
    unref(s);
}

static void evict(struct rcpt_tenant *t, bool inherited)
{
    rcpt_session *s = RCPT_OWNER(t, rcpt_session, tenant);
    s->err = RCPT_CLOSED;
    leave(s, !inherited);
}

static void stop_opening(struct rcpt_job *j)
{
    rcpt_session *s = ((struct open_job *)j)->s;
    s->opener = NULL;                      /* the job ends by who stops it */
    s->err = RCPT_CANCELLED;
    rcpt_session_quit(s);
}

static void open_done(struct rcpt_job *j)
{
    struct open_job *o = (struct open_job *)j;
    struct rcpt_mem mem = j->mem;
    if (o->s != NULL)
        unref(o->s);
    rcpt_mem_free(&mem, o, sizeof *o);
}

static rcpt_err keep_name(rcpt_session *s, const struct rcpt_session_config *cfg)
{
    size_t len = cfg->name != NULL ? strlen(cfg->name) : 0;
    if (len >= sizeof s->name)
        return RCPT_BADARG;
    if (len > 0)
        memcpy(s->name, cfg->name, len);
    return RCPT_OK;
}

/* A session of one reference that belongs to nothing yet but the engine. */
static rcpt_err session_new(rcpt_session **out, rcpt_engine *e, const struct rcpt_session_config *cfg)
{
    rcpt_session *s = rcpt_mem_alloc(rcpt_engine_mem(e), sizeof *s);
    if (s == NULL)
        return RCPT_NOMEM;
    s->mem = *rcpt_engine_mem(e);
    s->refs = 1;
    s->engine = e;
    s->tenant.evict = evict;
    s->deadline.due = deadline_due;
    s->dial.ended = dial_ended;
    s->talk.heard = talk_heard;
    s->talk.idle = talk_idle;
    s->talk.over = talk_over;
    s->talk.watch.ready = socket_ready;
    s->talk.patience.due = patience_due;
    rcpt_list_init(&s->queue);
    rcpt_engine_settle(e, &s->tenant);
    struct rcpt_talk_config talk = {
        .client = { .helo = cfg->helo, .sender = cfg->sender, .greeting_only = cfg->greeting_only,
                    .tls = cfg->tls, .greeting_ms = cfg->greeting_ms, .reply_ms = cfg->reply_ms },
        .transcript = cfg->transcript, .idle_ms = cfg->idle_ms };
    rcpt_err name = keep_name(s, cfg), trust = RCPT_OK, proxy = RCPT_OK;
    if (cfg->proxy.at.len != 0)
        proxy = rcpt_via_open(&s->via, &s->mem, &cfg->proxy);
    talk.name = s->name[0] != '\0' ? s->name : NULL;
    if (cfg->tls != RCPT_TLS_OFF)
        trust = rcpt_engine_trust(e, cfg->ca_file, &talk.trust);
    rcpt_err err = rcpt_talk_init(&s->talk, &s->mem, &talk);
    if (err == RCPT_OK)
        err = name != RCPT_OK ? name : trust != RCPT_OK ? trust : proxy;
    if (err != RCPT_OK) {
        unref(s);
        return err;
    }
    *out = s;
    return RCPT_OK;
}

static rcpt_err start(rcpt_session *s, struct open_job *o, const struct rcpt_session_config *cfg,
                      uint64_t until_ms)
{
    struct rcpt_dial_config dial = {
        .to = cfg->to, .n = cfg->n, .proxy = s->via != NULL ? &s->via->cfg : NULL,
        .source4 = cfg->source4, .source6 = cfg->source6,
        .connect_ms = cfg->connect_ms, .second_ms = cfg->second_ms };
    rcpt_err e = RCPT_OK;
    if (until_ms != UINT64_MAX)
        e = rcpt_engine_alarm(s->engine, &s->deadline, until_ms);
    if (e == RCPT_OK)
        e = rcpt_dial_start(&s->dial, s->engine, &dial);
    return e == RCPT_OK ? rcpt_job_start(&o->job, s->engine, &rcpt_open_class, UINT64_MAX) : e;
}

/* ---- questions ---- */

/* Its waiter leaves; what was said for it is heard to the end. */
static void stop_asking(struct rcpt_job *j)
{
    detach((struct rcpt_ask *)j);
}

/* ---- exported ---- */

const struct rcpt_job_class rcpt_open_class = { "open", stop_opening, open_done };
const struct rcpt_job_class rcpt_ask_class = { "ask", stop_asking, rcpt_ask_done };

rcpt_err rcpt_session_open(struct rcpt_job **j, rcpt_engine *e, const struct rcpt_session_config *cfg,
                           uint64_t until_ms)
{
    const struct rcpt_mem *mem = rcpt_engine_mem(e);
    if (cfg->n == 0 || cfg->n > RCPT_ADDRS_MAX)
        return RCPT_BADARG;
    if (!rcpt_engine_is_ours(e))
        return RCPT_CLOSED;
    struct open_job *o = rcpt_mem_alloc(mem, sizeof *o);
    if (o == NULL)
        return RCPT_NOMEM;
    rcpt_session *s = NULL;
    rcpt_err err = session_new(&s, e, cfg);
    if (err == RCPT_OK && (err = start(s, o, cfg, until_ms)) != RCPT_OK)
        unref(s);
    if (err != RCPT_OK) {
        rcpt_mem_free(mem, o, sizeof *o);
        return err;
    }
    o->s = s;
    s->opener = &o->job;
    *j = &o->job;
    return RCPT_OK;
}

rcpt_session *rcpt_session_take(struct rcpt_job *j)
{
    struct open_job *o = (struct open_job *)j;
    rcpt_session *s = o->s;
    assert(j->ended && j->class == &rcpt_open_class && s != NULL);
    o->s = NULL;
    return s;
}

void rcpt_session_release(rcpt_session *s)
{
    unref(s);
}

void rcpt_session_quit(rcpt_session *s)
{
    if (s->engine != NULL)
        leave(s, rcpt_engine_is_ours(s->engine));
}

bool rcpt_session_is_ready(const rcpt_session *s)
{
    return s->talk.is_open && s->talk.is_greeted && !s->talk.is_ending &&
           rcpt_engine_is_ours(s->engine);
}

rcpt_err rcpt_session_ask(struct rcpt_job **j, rcpt_session *s, rcpt_ask_kind kind,
                          const char *recipient, size_t len, uint64_t until_ms)
{
    if (!rcpt_session_is_ready(s))
        return RCPT_CLOSED;
    struct rcpt_ask *a;
    rcpt_err e = rcpt_ask_start(&a, s->engine, &rcpt_ask_class, kind, recipient, len, until_ms);
    if (e != RCPT_OK)
        return e;
    a->s = s;
    s->refs++;
    if (s->asking == NULL)                 /* if it is busy, then for one who left */
        rcpt_record_turn(&s->talk.record, !s->talk.is_idle);
    rcpt_list_append(&s->queue, &a->node);
    rcpt_talk_nudge(&s->talk);
    *j = &a->job;
    return RCPT_OK;
}

rcpt_engine *rcpt_session_engine(const rcpt_session *s)
{
    return s->engine;
}

/* What TLS or the proxy had to say about the error. */
static const char *why(const rcpt_session *s)
{
    if (s->err == RCPT_PROXY)
        return s->dial.why;
    if (s->err != RCPT_TLS)
        return NULL;
    if (s->talk.tls.failed[0] != '\0')
        return s->talk.tls.failed;
    return rcpt_talk_stage(&s->talk) == RCPT_STAGE_STARTTLS ? "STARTTLS was refused"
                                                                     : "STARTTLS is not offered";
}

void rcpt_session_evidence(const rcpt_session *s, struct rcpt_evidence *ev)
{
    const struct rcpt_ip *to = &s->dial.to[s->dial.told];
    bool has_connected = s->talk.watch.fd >= 0;
    *ev = (struct rcpt_evidence){ .err = s->err, .n = s->talk.record.n };
    ev->stage = has_connected ? rcpt_talk_stage(&s->talk) : RCPT_STAGE_CONNECT;
    ev->port = ntohs(rcpt_ip_is_v6(to) ? to->sa.v6.sin6_port : to->sa.v4.sin_port);
    rcpt_ip_write(to, ev->ip);
    rcpt_ip_write(&s->source, ev->source);
    for (unsigned i = 0; i < s->talk.record.n; i++)
        ev->said[i] = s->talk.record.said[i];
    ev->tls = s->talk.tls.is_secured ? &s->talk.tls : NULL;
    ev->why = why(s);
    ev->is_proxied = s->via != NULL;
    if (s->talk.record.has_transcript) {
        ev->transcript = s->talk.record.transcript.len > 0 ? s->talk.record.transcript.data : "";
        ev->transcript_len = s->talk.record.transcript.len;
    }
}
