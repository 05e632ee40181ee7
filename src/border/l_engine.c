/* border/l_engine.c -- the engine's class, and the small functions beside it.
 *
 * The engine's one ref is the table of jobs: address of a job -> its handle, weak, so
 * that a handle nobody holds any more can be collected (and cancels its job). Sessions and
 * resolvers share that table. */
/* SPDX-License-Identifier: MIT */
#include <limits.h>

#include "border/objects.h"
#include "engine/input.h"
#include "engine/nap.h"
#include "io/clock.h"
#include "io/process.h"

#define FD_MAX 1048575                 /* Linux: fs.nr_open, the most a process may be allowed */

static struct l_engine *check_engine(lua_State *L, int idx)
{
    return luaL_checkudata(L, idx, RCPT_L_ENGINE);
}

rcpt_engine *rcptL_check_engine(lua_State *L, int idx)
{
    return check_engine(L, idx)->core;
}

/* The same, and NULL in a forked child too. */
static rcpt_engine *check_ours(lua_State *L)
{
    rcpt_engine *e = rcptL_check_engine(L, 1);
    return e != NULL && rcpt_engine_is_ours(e) ? e : NULL;
}

uint64_t rcptL_opt_ms(lua_State *L, int idx)
{
    if (lua_isnoneornil(L, idx))
        return UINT64_MAX;
    luaL_checktype(L, idx, LUA_TNUMBER);
    lua_Number ms = lua_tonumber(L, idx) * 1000;
    luaL_argcheck(L, ms == ms, idx, "seconds expected, got NaN");
    if (ms <= 0)
        return 0;
    if (ms >= 1e15)
        return UINT64_MAX;
    uint64_t whole = (uint64_t)ms;
    return (lua_Number)whole < ms ? whole + 1 : whole;
}

uint64_t rcptL_until(rcpt_engine *e, uint64_t ms)
{
    return ms == UINT64_MAX ? ms : rcpt_engine_now(e) + ms;
}

uint64_t rcptL_opt_until(lua_State *L, int idx, rcpt_engine *e)
{
    return rcptL_until(e, rcptL_opt_ms(L, idx));
}

/* ---- the class ---- */

static int engine_open(lua_State *L)
{
    struct rcpt_mem mem = rcptL_mem(L);
    struct l_engine *self = rcptL_newud(L, sizeof *self);
    self->core = NULL;
    luaL_setmetatable(L, RCPT_L_ENGINE);
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    rcptL_setref(L, -2);
    rcpt_err e = rcpt_engine_open(&self->core, &mem);
    return e == RCPT_OK ? 1 : rcptL_fail(L, e);
}

static int engine_close(lua_State *L)
{
    struct l_engine *self = check_engine(L, 1);
    rcpt_engine *core = self->core;
    self->core = NULL;
    rcpt_engine_close(core);
    return 0;
}

static int engine_tostring(lua_State *L)
{
    rcpt_engine *e = rcptL_check_engine(L, 1);
    if (e == NULL)
        lua_pushliteral(L, RCPT_L_ENGINE " (closed)");
    else
        lua_pushfstring(L, RCPT_L_ENGINE " (%d pending): %p", (int)rcpt_engine_pending(e),
                        (void *)e);
    return 1;
}

static int engine_fd(lua_State *L)
{
    rcpt_engine *e = check_ours(L);
    if (e == NULL)
        return rcptL_fail(L, RCPT_CLOSED);
    lua_pushinteger(L, rcpt_engine_fd(e));
    return 1;
}

static int engine_step(lua_State *L)
{
    rcpt_engine *e = rcptL_check_engine(L, 1);
    rcpt_err err = e != NULL ? rcpt_engine_step(e) : RCPT_CLOSED;
    if (err != RCPT_OK)
        return rcptL_fail(L, err);
    lua_pushboolean(L, 1);
    return 1;
}

static int engine_pending(lua_State *L)
{
    rcpt_engine *e = check_ours(L);
    lua_pushinteger(L, e != NULL ? (lua_Integer)rcpt_engine_pending(e) : 0);
    return 1;
}

static int engine_wait(lua_State *L)
{
    rcpt_engine *e = check_ours(L);
    uint64_t ms = rcptL_opt_ms(L, 2);
    if (e == NULL)
        return rcptL_fail(L, RCPT_CLOSED);
    int patience_ms = ms == UINT64_MAX ? -1 : ms < INT_MAX ? (int)ms : INT_MAX;
    lua_pushboolean(L, rcpt_poller_block(rcpt_engine_fd(e), patience_ms));
    return 1;
}

/* The oldest ended job off the list. What is pushed may run finalisers, and those may do
 * anything, so the engine is looked at anew afterwards. */
static int drain_next(lua_State *L)
{
    struct l_engine *self = check_engine(L, 1);
    struct rcpt_job *j;
    lua_settop(L, 1);
    rcptL_getref(L, 1);
    while (self->core != NULL && rcpt_engine_is_ours(self->core) &&
           (j = rcpt_engine_ended(self->core)) != NULL) {
        lua_pushlightuserdata(L, j);
        lua_rawget(L, 2);
        struct l_job *job = lua_touserdata(L, 3);
        if (job == NULL || job->core != j) {         /* nobody to tell */
            rcpt_engine_take(self->core, j);
            lua_settop(L, 2);
            continue;
        }
        int n = rcptL_push_result(L, 1, j);
        if (self->core != NULL && rcpt_engine_ended(self->core) == j)
            rcpt_engine_take(self->core, j);
        lua_pushlightuserdata(L, j);
        lua_pushnil(L);
        lua_rawset(L, 2);
        return n + 1;
    }
    lua_pushnil(L);
    return 1;
}

static int engine_drain(lua_State *L)
{
    (void)check_engine(L, 1);
    lua_settop(L, 1);
    lua_pushcfunction(L, drain_next);
    lua_insert(L, 1);
    return 2;
}

static int engine_sleep(lua_State *L)
{
    rcpt_engine *e = rcptL_check_engine(L, 1);
    luaL_checktype(L, 2, LUA_TNUMBER);
    uint64_t ms = rcptL_opt_ms(L, 2);
    if (e == NULL)
        return rcptL_fail(L, RCPT_CLOSED);
    struct l_job *job = rcptL_new_job(L);
    rcpt_err err = rcpt_nap_start(&job->core, e, rcptL_until(e, ms));
    return err == RCPT_OK ? rcptL_enter_job(L, 1) : rcptL_fail(L, err);
}

static int engine_read(lua_State *L)
{
    rcpt_engine *e = rcptL_check_engine(L, 1);
    luaL_checktype(L, 2, LUA_TNUMBER);
    lua_Number fd = lua_tonumber(L, 2);
    luaL_argcheck(L, fd >= 0 && fd <= FD_MAX && fd == (lua_Number)(int)fd, 2,
                  "a file descriptor expected");
    uint64_t ms = rcptL_opt_ms(L, 3);
    if (e == NULL)
        return rcptL_fail(L, RCPT_CLOSED);
    struct l_job *job = rcptL_new_job(L);
    rcpt_err err = rcpt_input_start(&job->core, e, (int)fd, rcptL_until(e, ms));
    return err == RCPT_OK ? rcptL_enter_job(L, 1) : rcptL_fail(L, err);
}

static const luaL_Reg methods[] = {
    { "fd", engine_fd },       { "step", engine_step },   { "drain", engine_drain },
    { "wait", engine_wait },   { "sleep", engine_sleep }, { "pending", engine_pending },
    { "read", engine_read },   { "close", engine_close }, { "open", rcptL_session_open },
    { "resolver", rcptL_resolver_new },                   { NULL, NULL },
};

/* ---- beside it ---- */

static int core_now(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)rcpt_clock_ms() / 1000);
    return 1;
}

static int core_pid(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)rcpt_process_id());
    return 1;
}

static int core_ip(lua_State *L)
{
    struct rcpt_ip ip;
    char canonical[RCPT_IP_TEXT];
    size_t len;
    luaL_checktype(L, 1, LUA_TSTRING);
    const char *text = lua_tolstring(L, 1, &len);
    if (strlen(text) != len || rcpt_ip_read(&ip, text, 0) != RCPT_OK) {
        lua_pushnil(L);
        return 1;
    }
    rcpt_ip_write(&ip, canonical);
    lua_pushstring(L, rcpt_ip_is_v6(&ip) ? "ipv6" : "ipv4");
    lua_pushstring(L, canonical);
    return 2;
}

static const luaL_Reg functions[] = {
    { "engine", engine_open },
    { "now", core_now },
    { "pid", core_pid },
    { "ip", core_ip },
    { NULL, NULL },
};

void rcptL_open_engine(lua_State *L)
{
    rcptL_class(L, RCPT_L_ENGINE, methods, engine_close, engine_tostring);
    luaL_setfuncs(L, functions, 0);
}
