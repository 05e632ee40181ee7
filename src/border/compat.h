/* border/compat.h -- Lua 5.4's names on Lua 5.4 and on 5.1 (LuaJIT, PUC).
 *
 * The one file that tests LUA_VERSION_NUM. What 5.1 lacks is static here, never taken from
 * LuaJIT's own additions: Debian shares one folder between LuaJIT and PUC 5.1, and
 * one shared object must load in both. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_BORDER_COMPAT_H
#define RCPT_BORDER_COMPAT_H

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <string.h>

#if LUA_VERSION_NUM >= 504

/* One Lua value that lives with a userdata: its first user value. */
static inline void *rcptL_newud(lua_State *L, size_t size) { return lua_newuserdatauv(L, size, 1); }
static inline void rcptL_setref(lua_State *L, int idx) { (void)lua_setiuservalue(L, idx, 1); }
static inline void rcptL_getref(lua_State *L, int idx) { (void)lua_getiuservalue(L, idx, 1); }

#elif LUA_VERSION_NUM == 501

#define LUA_OK 0

static inline int lua_absindex(lua_State *L, int idx)
{
    return idx > 0 || idx <= LUA_REGISTRYINDEX ? idx : lua_gettop(L) + idx + 1;
}

/* The value must be a table (or nil, which leaves the shared default in place). In 5.1 a
 * userdata's environment stands in for its user value; the default environment is the
 * running C function's, so getref may answer a table nobody set: set it first. */
static inline void *rcptL_newud(lua_State *L, size_t size) { return lua_newuserdata(L, size); }
static inline void rcptL_setref(lua_State *L, int idx)
{
    idx = lua_absindex(L, idx);
    if (lua_istable(L, -1))
        (void)lua_setfenv(L, idx);
    else
        lua_pop(L, 1);
}
static inline void rcptL_getref(lua_State *L, int idx) { lua_getfenv(L, idx); }

static inline void rcptL_setfuncs(lua_State *L, const luaL_Reg *l)
{
    for (; l->name != NULL; l++) {
        lua_pushcfunction(L, l->func);
        lua_setfield(L, -2, l->name);
    }
}
#define luaL_setfuncs(L, l, nup) rcptL_setfuncs((L), (l))
#undef luaL_newlib
#define luaL_newlib(L, l) (lua_newtable(L), rcptL_setfuncs((L), (l)))
#define luaL_setmetatable(L, name) (luaL_getmetatable((L), (name)), (void)lua_setmetatable((L), -2))
#define lua_rawlen(L, i) lua_objlen((L), (i))

static inline void *rcptL_testudata(lua_State *L, int idx, const char *name)
{
    void *p = lua_touserdata(L, idx);
    if (p == NULL || !lua_getmetatable(L, idx))
        return NULL;
    luaL_getmetatable(L, name);
    if (!lua_rawequal(L, -1, -2))
        p = NULL;
    lua_pop(L, 2);
    return p;
}
#define luaL_testudata(L, idx, name) rcptL_testudata((L), (idx), (name))

#else
#error "rcpt needs Lua 5.4 or 5.1 (LuaJIT 2.1)"
#endif

#endif
