/* border/l_address.c -- core.parse and core.diagnoses: addresses for Lua.
 *
 * No class: an address is a plain table. The strings it shares with the input, or with another of
 * its fields, are pushed as the same Lua string: interning costs more than parsing. */
/* SPDX-License-Identifier: MIT */
#include "border/border.h"
#include "wire/address.h"

static void check_options(lua_State *L, int idx, struct rcpt_address_options *opt)
{
    *opt = rcpt_address_defaults;
    if (lua_isnoneornil(L, idx))
        return;
    luaL_checktype(L, idx, LUA_TTABLE);
#define X(field, value, text) opt->field = rcptL_optfield_boolean(L, idx, #field, value);
    RCPT_ADDRESS_OPTIONS(X)
#undef X
}

/* Push `s`, as the value at `like` when it is the same text as `of`. */
static void push_like(lua_State *L, struct rcpt_span s, int like, struct rcpt_span of)
{
    if (rcpt_span_equal(s, of))
        lua_pushvalue(L, like);
    else
        lua_pushlstring(L, s.p, s.n);
}

/* The table is at the top; its fields' values are kept below it while they may be shared. */
static void push_valid(lua_State *L, const struct rcpt_address *a, struct rcpt_span in)
{
    struct rcpt_span normalized = { a->normalized, a->len }, wire = { a->wire, a->wire_len };
    lua_createtable(L, 0, 10);
    int self = lua_gettop(L);
    push_like(L, normalized, 1, in);                          /* self + 1 */
    lua_pushlstring(L, rcpt_address_domain(a).p, rcpt_address_domain(a).n);    /* self + 2 */
    lua_pushboolean(L, true);
    lua_setfield(L, self, "valid");
    lua_pushvalue(L, 1);
    lua_setfield(L, self, "address");
    lua_pushvalue(L, self + 1);
    lua_setfield(L, self, "normalized");
    if (!a->needs_smtputf8) {
        push_like(L, wire, self + 1, normalized);
        lua_setfield(L, self, "ascii");
    }
    lua_pushlstring(L, rcpt_address_local(a).p, rcpt_address_local(a).n);
    lua_setfield(L, self, "local");
    lua_pushvalue(L, self + 2);
    lua_setfield(L, self, "domain");
    push_like(L, rcpt_address_udomain(a), self + 2, rcpt_address_domain(a));
    lua_setfield(L, self, "unicode_domain");
    lua_pushstring(L, rcpt_domain_kind_name(a->kind));
    lua_setfield(L, self, "kind");
    lua_pushboolean(L, a->is_quoted);
    lua_setfield(L, self, "quoted");
    lua_pushboolean(L, a->needs_smtputf8);
    lua_setfield(L, self, "smtputf8");
    lua_settop(L, self);
}

static void push_refused(lua_State *L, const struct rcpt_address *a)
{
    lua_createtable(L, 0, 4);
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "valid");
    lua_pushvalue(L, 1);
    lua_setfield(L, -2, "address");
    lua_pushstring(L, rcpt_diagnosis_name(a->why));
    lua_setfield(L, -2, "reason");
    lua_pushinteger(L, (lua_Integer)a->position);
    lua_setfield(L, -2, "position");
}

/* parse(address[, options]) -> table; or nil, message, "nomem" */
static int parse(lua_State *L)
{
    struct rcpt_address_options opt;
    struct rcpt_address a;
    struct rcpt_span in;
    luaL_checktype(L, 1, LUA_TSTRING);      /* a number is no address, whatever Lua says */
    in.p = lua_tolstring(L, 1, &in.n);
    check_options(L, 2, &opt);
    rcpt_err e = rcpt_address_parse(&a, in.p, in.n, &opt);
    if (e != RCPT_OK)
        return rcptL_fail(L, e);
    if (a.why == RCPT_DIAG_NONE)
        push_valid(L, &a, in);
    else
        push_refused(L, &a);
    return 1;
}

/* diagnoses() -> a list of { name =, text =, clause = }, in the order of the C list */
static int diagnoses(lua_State *L)
{
    lua_createtable(L, RCPT_DIAG_COUNT - 1, 0);
    for (int d = RCPT_DIAG_NONE + 1; d < RCPT_DIAG_COUNT; d++) {
        lua_createtable(L, 0, 3);
        lua_pushstring(L, rcpt_diagnosis_name((rcpt_diagnosis)d));
        lua_setfield(L, -2, "name");
        lua_pushstring(L, rcpt_diagnosis_text((rcpt_diagnosis)d));
        lua_setfield(L, -2, "text");
        lua_pushstring(L, rcpt_diagnosis_clause((rcpt_diagnosis)d));
        lua_setfield(L, -2, "clause");
        lua_rawseti(L, -2, d);
    }
    return 1;
}

void rcptL_open_address(lua_State *L)
{
    lua_pushcfunction(L, parse);
    lua_setfield(L, -2, "parse");
    lua_pushcfunction(L, diagnoses);
    lua_setfield(L, -2, "diagnoses");
}
