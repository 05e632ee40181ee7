/* engine/engine.h -- jobs behind one descriptor.
 *
 * An engine owns a poller, a heap of alarms and the list of jobs that ended. A
 * job is one thing somebody waits for; it is made by lookup.h, session.h, nap.h
 * or input.h, ends once (done, failed, deadline, cancelled) and is then found
 * in rcpt_engine_ended() until taken. Nothing here blocks; nothing calls out.
 *
 * One thread uses an engine. After fork() an engine belongs to the parent:
 * every function of the child answers RCPT_CLOSED, and closing it there closes
 * descriptors and says nothing to any peer. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_ENGINE_ENGINE_H
#define RCPT_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/mem.h"
#include "io/poller.h"

typedef struct rcpt_engine rcpt_engine;
struct rcpt_job;

/* `mem` is copied; what its `ud` points to must outlive the engine and its jobs. */
rcpt_err rcpt_engine_open(rcpt_engine **e, const struct rcpt_mem *mem);
/* NULL is nothing. Live jobs and sessions end as RCPT_CLOSED; those still
 * referenced by a handle stay readable until released. */
void     rcpt_engine_close(rcpt_engine *e);
/* Readable, level-triggered, as long as step() has something to do: a socket is ready, an alarm is
 * due, or a job ended in the call that made or cancelled it. After step(), take what ended. */
int      rcpt_engine_fd(const rcpt_engine *e);
/* Do what is ready, bounded: what is left keeps the descriptor readable. RCPT_CLOSED in a
 * forked child. */
rcpt_err rcpt_engine_step(rcpt_engine *e);
/* The oldest ended job not yet taken, or NULL; borrowed until taken. */
struct rcpt_job *rcpt_engine_ended(rcpt_engine *e);
/* Off the list; the engine's reference to it is gone, and j->engine is NULL. */
void     rcpt_engine_take(rcpt_engine *e, struct rcpt_job *j);
/* Jobs not yet taken, running and ended. */
size_t   rcpt_engine_pending(const rcpt_engine *e);
bool     rcpt_engine_is_ours(const rcpt_engine *e);      /* false in a forked child */

/* ---- for the files of this folder ------------------------------------------ */

struct rcpt_alarm {
    struct rcpt_timer timer;
    void (*due)(struct rcpt_alarm *a);     /* the alarm is unset before the call */
};

struct rcpt_job_class {
    const char *name;                      /* "lookup", "open", "ask", "sleep", "input" */
    void (*stop)(struct rcpt_job *j);      /* forget it: deadline, cancelled or closed; called
                                              at most once, before it ends; may be NULL */
    void (*done)(struct rcpt_job *j);      /* the last reference went: free what it holds and
                                              the job itself, with j->mem */
};

/* The first member of every job. Born with two references: the engine's (until
 * taken) and the caller's handle (until released). */
struct rcpt_job {
    const struct rcpt_job_class *class;
    rcpt_engine      *engine;              /* NULL once taken, or once the engine closed */
    struct rcpt_mem   mem;
    struct rcpt_node  node;                /* among the running or the ended */
    struct rcpt_alarm alarm;               /* its deadline */
    unsigned          refs;
    rcpt_err          err;                 /* how it ended */
    bool              ended;
};

/* Enter a job into the engine. `until_ms` UINT64_MAX: no deadline. RCPT_NOMEM (then it is
 * as if it had never been), RCPT_CLOSED. */
rcpt_err rcpt_job_start(struct rcpt_job *j, rcpt_engine *e, const struct rcpt_job_class *class,
                        uint64_t until_ms);
/* Ends it once, later calls are nothing. Its memory stays until it is taken: safe inside its own
 * callbacks. Outside of a step it makes the engine's descriptor readable. */
void rcpt_job_end(struct rcpt_job *j, rcpt_err err);
/* By its handle: stop it and end it as RCPT_CANCELLED; on an ended job nothing. */
void rcpt_job_cancel(struct rcpt_job *j);
/* The handle's reference goes; a running job is cancelled first. It stays among the ended until
 * taken, so that a result being handed over cannot vanish underfoot. */
void rcpt_job_release(struct rcpt_job *j);

rcpt_poller     *rcpt_engine_poller(rcpt_engine *e);
const struct rcpt_mem *rcpt_engine_mem(const rcpt_engine *e);
/* Stop watching; in a forked child the poller's set, which is the parent's too, is left alone. */
void rcpt_engine_unwatch(rcpt_engine *e, struct rcpt_watch *w);
/* Monotonic ms. Inside a step one reading serves a whole batch. */
uint64_t rcpt_engine_now(rcpt_engine *e);
/* RCPT_NOMEM only when it was not set. */
rcpt_err rcpt_engine_alarm(rcpt_engine *e, struct rcpt_alarm *a, uint64_t due_ms);
void     rcpt_engine_unalarm(rcpt_engine *e, struct rcpt_alarm *a);

/* May a TLS handshake be started or gone on with now? Each costs its part of a millisecond, so a
 * step has a share of them, and this takes one of it. False: come back in the next step (with
 * the socket still ready, the descriptor stays readable). */
bool     rcpt_engine_may_shake(rcpt_engine *e);
/* What is trusted where certificates are verified: see rcpt_trust_find(). Lives as long as the
 * engine. */
struct rcpt_trust;
rcpt_err rcpt_engine_trust(rcpt_engine *e, const char *ca_file, struct rcpt_trust **t);

/* Something that lives with the engine and must go when it closes (a resolver,
 * a session): evict() is called by rcpt_engine_close(), the tenant being off the list by then.
 * `inherited`: in a forked child; close descriptors, say nothing to any peer. */
struct rcpt_tenant {
    struct rcpt_node node;
    void (*evict)(struct rcpt_tenant *t, bool inherited);
};
void rcpt_engine_settle(rcpt_engine *e, struct rcpt_tenant *t);
/* Leaving early; leaving twice is nothing. */
void rcpt_engine_unsettle(struct rcpt_tenant *t);

#endif
