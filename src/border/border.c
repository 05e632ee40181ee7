/* border/border.c -- the one exported symbol, and what the classes share. */
/* SPDX-License-Identifier: MIT */
#include "border/border.h"

#define RCPT_EXPORT __attribute__((visibility("default")))

/* Under AddressSanitizer our bytes come from malloc, where it watches them: LuaJIT's own
 * allocator would hide them. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RCPT_ASAN
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define RCPT_ASAN
#endif

struct rcpt_mem rcptL_mem(lua_State *L)
{
#ifdef RCPT_ASAN
    (void)L;
    return rcpt_mem_libc;
#else
    struct rcpt_mem m;
    m.resize = lua_getallocf(L, &m.ud);
    return m;
#endif
}

int rcptL_fail(lua_State *L, rcpt_err e)
{
    lua_pushnil(L);
    lua_pushstring(L, rcpt_err_text(e));
    lua_pushstring(L, rcpt_err_name(e));
    return 3;
}

void rcptL_class(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction close,
                 lua_CFunction tostring)
{
    luaL_newmetatable(L, name);
    lua_pushstring(L, name);
    lua_setfield(L, -2, "__name");
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, close);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, close);
    lua_setfield(L, -2, "__close");
    lua_pushcfunction(L, tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pop(L, 1);
}

static int wrong_field(lua_State *L, const char *field, const char *wanted)
{
    return luaL_error(L, "option '%s': %s expected, got %s", field, wanted, luaL_typename(L, -1));
}

const char *rcptL_optfield_string(lua_State *L, int idx, const char *field, const char *def,
                                  size_t *len)
{
    const char *s = def;
    if (len != NULL)
        *len = def != NULL ? strlen(def) : 0;
    lua_getfield(L, idx, field);
    if (lua_type(L, -1) == LUA_TSTRING)
        s = lua_tolstring(L, -1, len);      /* stays alive: the table holds it */
    else if (!lua_isnil(L, -1))
        wrong_field(L, field, "string");
    lua_pop(L, 1);
    return s;
}

lua_Number rcptL_optfield_number(lua_State *L, int idx, const char *field, lua_Number def,
                                 lua_Number min, lua_Number max)
{
    lua_Number n = def;
    lua_getfield(L, idx, field);
    if (lua_type(L, -1) == LUA_TNUMBER) {
        n = lua_tonumber(L, -1);
        if (!(n >= min && n <= max))
            luaL_error(L, "option '%s': %f is out of range (%f to %f)", field, n, min, max);
    } else if (!lua_isnil(L, -1)) {
        wrong_field(L, field, "number");
    }
    lua_pop(L, 1);
    return n;
}

bool rcptL_optfield_boolean(lua_State *L, int idx, const char *field, bool def)
{
    bool b = def;
    lua_getfield(L, idx, field);
    if (lua_type(L, -1) == LUA_TBOOLEAN)
        b = lua_toboolean(L, -1);
    else if (!lua_isnil(L, -1))
        wrong_field(L, field, "boolean");
    lua_pop(L, 1);
    return b;
}

RCPT_EXPORT int luaopen_rcpt_core(lua_State *L);
RCPT_EXPORT int luaopen_rcpt_core(lua_State *L)
{
    lua_newtable(L);
    rcptL_open_address(L);
    rcptL_open_meaning(L);
    rcptL_open_client(L);
    rcptL_open_job(L);
    rcptL_open_resolver(L);
    rcptL_open_session(L);
    rcptL_open_engine(L);
    return 1;
}
