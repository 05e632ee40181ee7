/* border/l_job.c -- the handle of a job, and what its end is as Lua values. */
/* SPDX-License-Identifier: MIT */
#include "border/objects.h"
#include "engine/input.h"
#include "engine/lookup.h"
#include "engine/nap.h"

struct l_job *rcptL_new_job(lua_State *L)
{
    struct l_job *self = rcptL_newud(L, sizeof *self);
    self->core = NULL;
    self->is_tagged = false;
    luaL_setmetatable(L, RCPT_L_JOB);
    return self;
}

int rcptL_enter_job(lua_State *L, int idx)
{
    struct l_job *self = lua_touserdata(L, -1);
    rcptL_getref(L, idx);
    lua_pushlightuserdata(L, self->core);
    lua_pushvalue(L, -3);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    return 1;
}

void rcptL_share_jobs(lua_State *L, int idx)
{
    rcptL_getref(L, idx);
    rcptL_setref(L, -2);
}

/* Each pushes the result of a job of its class that ended as RCPT_OK; the number of values. */
static int push_nap(lua_State *L, int idx, struct rcpt_job *j)
{
    (void)idx;
    (void)j;
    lua_pushboolean(L, 1);
    return 1;
}

static int push_input(lua_State *L, int idx, struct rcpt_job *j)
{
    struct rcpt_span s = rcpt_input_bytes(j);
    (void)idx;
    lua_pushlstring(L, s.p, s.n);
    return 1;
}

static int push_lookup(lua_State *L, int idx, struct rcpt_job *j)
{
    (void)idx;
    rcptL_push_answer(L, j);
    return 1;
}

static int push_open(lua_State *L, int idx, struct rcpt_job *j)
{
    rcptL_push_session(L, idx, j);
    return 1;
}

static int push_ask(lua_State *L, int idx, struct rcpt_job *j)
{
    (void)idx;
    return rcptL_push_reply(L, j);
}

static const struct {
    const struct rcpt_job_class *class;
    int (*push)(lua_State *L, int idx, struct rcpt_job *j);
} results[] = {
    { &rcpt_nap_class, push_nap },       { &rcpt_input_class, push_input },
    { &rcpt_lookup_class, push_lookup }, { &rcpt_open_class, push_open },
    { &rcpt_ask_class, push_ask },
};

int rcptL_push_result(lua_State *L, int idx, struct rcpt_job *j)
{
    if (j->err != RCPT_OK)
        return rcptL_fail(L, j->err);
    for (size_t i = 0; i < sizeof results / sizeof *results; i++)
        if (results[i].class == j->class)
            return results[i].push(L, idx, j);
    return luaL_error(L, "rcpt: no result for a job of class '%s'", j->class->name);
}

static struct l_job *check_job(lua_State *L)
{
    return luaL_checkudata(L, 1, RCPT_L_JOB);
}

static int job_cancel(lua_State *L)
{
    struct l_job *self = check_job(L);
    if (self->core != NULL)
        rcpt_job_cancel(self->core);
    return 0;
}

static int job_tag(lua_State *L)
{
    struct l_job *self = check_job(L);
    if (!lua_isnoneornil(L, 2)) {
        luaL_checktype(L, 2, LUA_TTABLE);
        lua_settop(L, 2);
        lua_pushvalue(L, 2);
        rcptL_setref(L, 1);
        self->is_tagged = true;
    } else if (self->is_tagged) {
        rcptL_getref(L, 1);
    } else {
        lua_pushnil(L);                    /* in 5.1 the ref would be somebody else's table */
    }
    return 1;
}

static int job_close(lua_State *L)
{
    struct l_job *self = check_job(L);
    struct rcpt_job *core = self->core;
    self->core = NULL;
    if (core != NULL)
        rcpt_job_release(core);
    return 0;
}

static int job_tostring(lua_State *L)
{
    struct l_job *self = check_job(L);
    if (self->core == NULL)
        lua_pushliteral(L, RCPT_L_JOB " (closed)");
    else
        lua_pushfstring(L, RCPT_L_JOB " (%s, %s): %p", self->core->class->name,
                        self->core->ended ? rcpt_err_name(self->core->err) : "running",
                        (void *)self->core);
    return 1;
}

static const luaL_Reg methods[] = {
    { "cancel", job_cancel },
    { "tag", job_tag },
    { NULL, NULL },
};

void rcptL_open_job(lua_State *L)
{
    rcptL_class(L, RCPT_L_JOB, methods, job_close, job_tostring);
}
