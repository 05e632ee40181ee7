/* border/l_resolver.c -- a resolver, and what a lookup found, for Lua.
 *
 * A resolver that is collected is closed, and its lookups end as "closed": whoever waits for
 * one holds it. */
/* SPDX-License-Identifier: MIT */
#include "border/objects.h"
#include "engine/lookup.h"

#define INFLIGHT_MAX 10000
#define ANSWERS_MAX  10000000

struct l_resolver { rcpt_resolver *core; };       /* NULL: closed */

static struct l_resolver *check_resolver(lua_State *L)
{
    return luaL_checkudata(L, 1, RCPT_L_RESOLVER);
}

/* The type by its name, "MX"; raises for one we do not know. */
static rcpt_dns_type check_type(lua_State *L, int idx)
{
    rcpt_dns_type type = RCPT_DNS_A;
    const char *name = luaL_checkstring(L, idx);
    if (!rcpt_dns_type_read(name, &type))
        luaL_argerror(L, idx, lua_pushfstring(L, "unknown type '%s'", name));
    return type;
}

/* resolver:lookup(kind, name, seconds or nil) */
static int resolver_lookup(lua_State *L)
{
    struct l_resolver *self = check_resolver(L);
    rcpt_dns_type type = check_type(L, 2);
    size_t len;
    const char *name = luaL_checklstring(L, 3, &len);
    if (strlen(name) != len)
        name = "";                                /* a NUL in it: it cannot be a name */
    uint64_t ms = rcptL_opt_ms(L, 4);
    struct l_job *job = rcptL_new_job(L);         /* may run finalisers, and they may close us */
    rcpt_engine *e = self->core != NULL ? rcpt_resolver_engine(self->core) : NULL;
    if (e == NULL)
        return rcptL_fail(L, RCPT_CLOSED);
    rcpt_err err = rcpt_lookup_start(&job->core, self->core, type, name, rcptL_until(e, ms));
    return err == RCPT_OK ? rcptL_enter_job(L, 1) : rcptL_fail(L, err);
}

static int resolver_close(lua_State *L)
{
    struct l_resolver *self = check_resolver(L);
    rcpt_resolver *core = self->core;
    self->core = NULL;
    rcpt_resolver_close(core);
    return 0;
}

static void set_count(lua_State *L, const char *name, uint64_t n)
{
    lua_pushinteger(L, (lua_Integer)n);
    lua_setfield(L, -2, name);
}

/* resolver:counts(): one table, or nil, message, code */
static int resolver_counts(lua_State *L)
{
    struct l_resolver *self = check_resolver(L);
    if (self->core == NULL)
        return rcptL_fail(L, RCPT_CLOSED);
    struct rcpt_resolver_counts c;
    rcpt_resolver_count(self->core, &c);
    lua_createtable(L, 0, 9);
    set_count(L, "asked", c.asked);
    set_count(L, "queries", c.queries);
    set_count(L, "cached", c.cached);
    set_count(L, "joined", c.joined);
    set_count(L, "queued", c.queued);
    set_count(L, "retried", c.retried);
    set_count(L, "underway", c.underway);
    set_count(L, "most", c.most);
    set_count(L, "held", c.held);
    return 1;
}

static int resolver_tostring(lua_State *L)
{
    struct l_resolver *self = check_resolver(L);
    if (self->core == NULL)
        lua_pushliteral(L, "rcpt.resolver (closed)");
    else
        lua_pushfstring(L, "rcpt.resolver: %p", (void *)self);
    return 1;
}

static const luaL_Reg methods[] = {
    { "lookup", resolver_lookup }, { "counts", resolver_counts }, { "close", resolver_close },
    { NULL, NULL },
};

int rcptL_resolver_new(lua_State *L)
{
    (void)rcptL_check_engine(L, 1);
    struct rcpt_resolver_config cfg = { NULL, 0, 0, 0 };
    if (!lua_isnoneornil(L, 2)) {
        luaL_checktype(L, 2, LUA_TTABLE);
        size_t len;
        cfg.servers = rcptL_optfield_string(L, 2, "servers", NULL, &len);
        if (cfg.servers != NULL && strlen(cfg.servers) != len)
            return rcptL_fail(L, RCPT_BADARG);
        cfg.inflight = (unsigned)rcptL_optfield_number(L, 2, "inflight", 0, 0, INFLIGHT_MAX);
        cfg.answers = (unsigned)rcptL_optfield_number(L, 2, "answers", 0, 0, ANSWERS_MAX);
        cfg.patience_ms = (unsigned)(rcptL_optfield_number(L, 2, "patience", 0, 0, 3600) * 1000);
    }
    struct l_resolver *self = rcptL_newud(L, sizeof *self);
    self->core = NULL;
    luaL_setmetatable(L, RCPT_L_RESOLVER);
    rcptL_share_jobs(L, 1);
    rcpt_engine *e = rcptL_check_engine(L, 1);    /* now: making the userdata may have closed it */
    if (e == NULL)
        return rcptL_fail(L, RCPT_CLOSED);
    rcpt_err err = rcpt_resolver_open(&self->core, e, &cfg);
    return err == RCPT_OK ? 1 : rcptL_fail(L, err);
}

static void push_record(lua_State *L, const struct rcpt_dns_answer *a, unsigned i, bool is_mx)
{
    const struct rcpt_dns_record *r = &a->record[i];
    lua_createtable(L, 0, is_mx ? 3 : 2);
    lua_pushlstring(L, r->data, r->len);
    lua_setfield(L, -2, "data");
    lua_pushinteger(L, (lua_Integer)(r->ttl_s > a->age_s ? r->ttl_s - a->age_s : 0));
    lua_setfield(L, -2, "ttl");
    if (is_mx) {
        lua_pushinteger(L, r->preference);
        lua_setfield(L, -2, "preference");
    }
}

void rcptL_push_answer(lua_State *L, struct rcpt_job *j)
{
    const struct rcpt_dns_answer *a = rcpt_lookup_answer(j);
    bool is_mx = rcpt_lookup_type(j) == RCPT_DNS_MX;
    lua_createtable(L, 0, 5);
    lua_pushstring(L, rcpt_dns_status_name(a->status));
    lua_setfield(L, -2, "status");
    lua_pushinteger(L, (lua_Integer)a->ttl_s);
    lua_setfield(L, -2, "ttl");
    lua_pushboolean(L, rcpt_lookup_is_cached(j));
    lua_setfield(L, -2, "cached");
    if (a->canonical != NULL) {
        lua_pushstring(L, a->canonical);
        lua_setfield(L, -2, "canonical");
    }
    lua_createtable(L, (int)a->n, 0);
    for (unsigned i = 0; i < a->n; i++) {
        push_record(L, a, i, is_mx);
        lua_rawseti(L, -2, (int)i + 1);
    }
    lua_setfield(L, -2, "records");
}

void rcptL_open_resolver(lua_State *L)
{
    rcptL_class(L, RCPT_L_RESOLVER, methods, resolver_close, resolver_tostring);
}
