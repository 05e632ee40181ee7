/* border/objects.h -- the userdata of this folder, and how a job becomes a Lua value.
 *
 * A job is made in three moves, so that nothing is ever lost to an error:
 *
 *     struct l_job *job = rcptL_new_job(L);               the handle, born empty
 *     rcpt_err e = rcpt_..._start(&job->core, ...);       acquired, last
 *     return e == RCPT_OK ? rcptL_enter_job(L, 1) : rcptL_fail(L, e);
 *
 * where 1 is the index of the engine, or of what was made to share its table of
 * jobs (a resolver, a session): rcptL_share_jobs(). */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_BORDER_OBJECTS_H
#define RCPT_BORDER_OBJECTS_H

#include "border/border.h"
#include "engine/engine.h"
#include "engine/session.h"

#define RCPT_L_ENGINE   "rcpt.engine"
#define RCPT_L_JOB      "rcpt.job"
#define RCPT_L_SESSION  "rcpt.session"
#define RCPT_L_RESOLVER "rcpt.resolver"

struct l_engine  { rcpt_engine *core; };          /* NULL: closed */
struct l_job     { struct rcpt_job *core; bool is_tagged; };   /* core NULL: empty or closed */
struct l_session { rcpt_session *core; };         /* NULL: empty */

/* Raises for anything that is no engine; NULL for a closed one (answer rcptL_fail(L, RCPT_CLOSED)). */
rcpt_engine *rcptL_check_engine(lua_State *L, int idx);

/* Pushes an empty handle. May raise; owns nothing yet. */
struct l_job *rcptL_new_job(lua_State *L);
/* The handle on top of the stack, its core filled in, is put (weakly) into the table of jobs of
 * the object at `idx`, where drain() finds it. Returns 1: the handle stays on top. May raise; then the
 * handle is collected and the job cancelled. */
int rcptL_enter_job(lua_State *L, int idx);
/* The userdata on top of the stack gets the table of jobs of the engine (or of another object that
 * shares it) at `idx` as its ref; needed before rcptL_enter_job(L, that object). */
void rcptL_share_jobs(lua_State *L, int idx);

/* Seconds at `idx` as milliseconds from now on: nil and none are UINT64_MAX (for ever), what is
 * below zero is zero. Raises on anything else, NaN included. */
uint64_t rcptL_opt_ms(lua_State *L, int idx);
/* The same as a time of the engine's clock. */
uint64_t rcptL_opt_until(lua_State *L, int idx, rcpt_engine *e);
/* Milliseconds from now on as a time of the engine's clock: now + ms, UINT64_MAX for ever. */
uint64_t rcptL_until(rcpt_engine *e, uint64_t ms);

/* l_job.c: what drain() gives after the job: its result, or nil, text, name. The number of values.
 * `idx` is the engine's. An error while pushing leaves the job as it was. */
int rcptL_push_result(lua_State *L, int idx, struct rcpt_job *j);

/* l_resolver.c: engine:resolver{...}, a method of the engine's class. */
int rcptL_resolver_new(lua_State *L);
/* l_resolver.c: the answer of a lookup job that ended as RCPT_OK, one table. */
void rcptL_push_answer(lua_State *L, struct rcpt_job *j);
/* l_session.c: the session of an open job that ended as RCPT_OK: taken out of the job. */
void rcptL_push_session(lua_State *L, int idx, struct rcpt_job *j);
/* l_session.c: the reply of an ask job that ended as RCPT_OK, or false, text, name. */
int rcptL_push_reply(lua_State *L, struct rcpt_job *j);
/* l_session.c: engine:open{...}, a method of the engine's class. */
int rcptL_session_open(lua_State *L);

#endif
