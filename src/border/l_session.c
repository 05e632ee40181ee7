/* border/l_session.c -- engine:open, and the session it gives.
 *
 * A session that is over keeps its evidence: only collecting the handle frees it. */
/* SPDX-License-Identifier: MIT */
#include "border/objects.h"

static struct l_session *check_session(lua_State *L)
{
    return luaL_checkudata(L, 1, RCPT_L_SESSION);
}

static void push_said(lua_State *L, const struct rcpt_said *r)
{
    lua_createtable(L, 0, 5);
    lua_pushstring(L, rcpt_stage_name(r->stage));
    lua_setfield(L, -2, "stage");
    lua_pushinteger(L, r->code);
    lua_setfield(L, -2, "code");
    if (r->enhanced.class != 0) {
        lua_pushfstring(L, "%d.%d.%d", (int)r->enhanced.class, (int)r->enhanced.subject,
                        (int)r->enhanced.detail);
        lua_setfield(L, -2, "enhanced");
    }
    lua_pushlstring(L, r->text, r->len);
    lua_setfield(L, -2, "text");
    lua_pushboolean(L, r->cut);
    lua_setfield(L, -2, "cut");
}

int rcptL_push_reply(lua_State *L, struct rcpt_job *j)
{
    const struct rcpt_said *r = rcpt_ask_reply(j);
    if (r != NULL) {
        push_said(L, r);
        return 1;
    }
    lua_pushboolean(L, 0);
    lua_pushstring(L, rcpt_err_text(rcpt_ask_why(j)));
    lua_pushstring(L, rcpt_err_name(rcpt_ask_why(j)));
    return 3;
}

/* The collector sees a handle of some bytes: tell it of what hangs on that. */
#define SESSION_KIB 8

void rcptL_push_session(lua_State *L, int idx, struct rcpt_job *j)
{
    (void)lua_gc(L, LUA_GCSTEP, SESSION_KIB);
    struct l_session *self = rcptL_newud(L, sizeof *self);
    self->core = NULL;
    luaL_setmetatable(L, RCPT_L_SESSION);
    rcptL_share_jobs(L, idx);
    self->core = rcpt_session_take(j);
}

/* ---- engine:open ---- */

static struct rcpt_ip optfield_ip(lua_State *L, const char *field, bool is_v6)
{
    struct rcpt_ip ip = { .len = 0 };
    size_t len;
    const char *text = rcptL_optfield_string(L, 2, field, NULL, &len);
    if (text != NULL && (strlen(text) != len || rcpt_ip_read(&ip, text, 0) != RCPT_OK ||
                         rcpt_ip_is_v6(&ip) != is_v6))
        luaL_error(L, "option '%s': an %s address expected", field, is_v6 ? "IPv6" : "IPv4");
    return ip;
}

static uint32_t optfield_ms(lua_State *L, const char *field, lua_Number def)
{
    return (uint32_t)(rcptL_optfield_number(L, 2, field, def, 0, 86400) * 1000);
}

static void check_to(lua_State *L, struct rcpt_session_config *cfg)
{
    lua_Number port = rcptL_optfield_number(L, 2, "port", 25, 1, 65535);
    if (port != (lua_Number)(uint16_t)port)
        luaL_error(L, "option 'port': a whole number expected");
    lua_getfield(L, 2, "to");
    if (!lua_istable(L, -1))
        luaL_error(L, "option 'to': a list of addresses expected, got %s", luaL_typename(L, -1));
    for (cfg->n = 0; cfg->n < RCPT_ADDRS_MAX; cfg->n++) {
        size_t len;
        const char *text;
        lua_rawgeti(L, -1, (int)cfg->n + 1);
        if (lua_isnil(L, -1)) {
            lua_pop(L, 1);
            break;
        }
        text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : NULL;
        if (text == NULL || strlen(text) != len ||
            rcpt_ip_read(&cfg->to[cfg->n], text, (uint16_t)port) != RCPT_OK)
            luaL_error(L, "option 'to': entry %d is no IP address", (int)cfg->n + 1);
        lua_pop(L, 1);
    }
    if (cfg->n == 0)
        luaL_error(L, "option 'to': at least one address expected");
    lua_pop(L, 1);
}

static rcpt_tls_mode optfield_tls(lua_State *L)
{
    static const struct { const char *name; rcpt_tls_mode mode; } modes[] = {
        { "off", RCPT_TLS_OFF }, { "may", RCPT_TLS_MAY }, { "require", RCPT_TLS_REQUIRE },
    };
    const char *name = rcptL_optfield_string(L, 2, "tls", "off", NULL);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (strcmp(modes[i].name, name) == 0)
            return modes[i].mode;
    luaL_error(L, "option 'tls': \"off\", \"may\" or \"require\" expected, got \"%s\"", name);
    return RCPT_TLS_OFF;
}

/* proxy = { ip=, port=1080, user=, password= }; its table stays on the stack, so its words stay
 * alive. */
static void check_proxy(lua_State *L, struct rcpt_proxy_config *p)
{
    size_t len;
    lua_getfield(L, 2, "proxy");
    if (lua_isnil(L, -1))
        return;
    if (!lua_istable(L, -1))
        luaL_error(L, "option 'proxy': a table expected, got %s", luaL_typename(L, -1));
    int at = lua_gettop(L);
    lua_Number port = rcptL_optfield_number(L, at, "port", 1080, 1, 65535);
    const char *ip = rcptL_optfield_string(L, at, "ip", "", &len);
    if (port != (lua_Number)(uint16_t)port)
        luaL_error(L, "option 'port': a whole number expected");
    if (strlen(ip) != len || rcpt_ip_read(&p->at, ip, (uint16_t)port) != RCPT_OK)
        luaL_error(L, "option 'proxy': an IP address expected as its 'ip'");
    p->user.p = rcptL_optfield_string(L, at, "user", NULL, &p->user.n);
    p->password.p = rcptL_optfield_string(L, at, "password", NULL, &p->password.n);
}

/* A text without a NUL in it, or NULL with *is_whole false. */
static const char *optfield_text(lua_State *L, const char *field, const char *def, bool *is_whole)
{
    size_t len;
    const char *text = rcptL_optfield_string(L, 2, field, def, &len);
    if (text != NULL && strlen(text) != len)
        *is_whole = false;
    return text;
}

int rcptL_session_open(lua_State *L)
{
    struct rcpt_session_config cfg = { .n = 0 };
    bool is_whole = true;
    rcpt_engine *e = rcptL_check_engine(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    check_to(L, &cfg);
    cfg.helo = optfield_text(L, "helo", "", &is_whole);
    cfg.sender = optfield_text(L, "sender", "", &is_whole);
    cfg.name = optfield_text(L, "name", NULL, &is_whole);
    cfg.ca_file = optfield_text(L, "ca_file", NULL, &is_whole);
    cfg.tls = optfield_tls(L);
    cfg.source4 = optfield_ip(L, "source4", false);
    cfg.source6 = optfield_ip(L, "source6", true);
    cfg.greeting_only = rcptL_optfield_boolean(L, 2, "greeting_only", false);
    cfg.transcript = rcptL_optfield_boolean(L, 2, "transcript", false);
    cfg.connect_ms = optfield_ms(L, "connect", 10);
    cfg.greeting_ms = optfield_ms(L, "greeting", 20);
    cfg.reply_ms = optfield_ms(L, "reply", 20);
    cfg.second_ms = optfield_ms(L, "second", 2);
    cfg.idle_ms = optfield_ms(L, "idle", 30);
    lua_getfield(L, 2, "deadline");
    uint64_t deadline_ms = rcptL_opt_ms(L, 3);
    lua_settop(L, 2);
    check_proxy(L, &cfg.proxy);
    if (e == NULL)
        return rcptL_fail(L, RCPT_CLOSED);
    if (!is_whole)
        return rcptL_fail(L, RCPT_BADARG);
    struct l_job *job = rcptL_new_job(L);
    rcpt_err err = rcpt_session_open(&job->core, e, &cfg, rcptL_until(e, deadline_ms));
    return err == RCPT_OK ? rcptL_enter_job(L, 1) : rcptL_fail(L, err);
}

/* ---- its methods ---- */

static int session_ready(lua_State *L)
{
    struct l_session *self = check_session(L);
    lua_pushboolean(L, self->core != NULL && rcpt_session_is_ready(self->core));
    return 1;
}

static void set_text(lua_State *L, const char *field, const char *text)
{
    lua_pushstring(L, text);
    lua_setfield(L, -2, field);
}

static void push_tls(lua_State *L, const struct rcpt_secured *tls)
{
    lua_createtable(L, 0, 4);
    set_text(L, "version", tls->version);
    set_text(L, "cipher", tls->cipher);
    lua_pushboolean(L, tls->is_verified);
    lua_setfield(L, -2, "verified");
    if (!tls->is_verified)
        set_text(L, "why", tls->why);
}

static int session_evidence(lua_State *L)
{
    struct l_session *self = check_session(L);
    struct rcpt_evidence ev;
    if (self->core == NULL)
        return rcptL_fail(L, RCPT_CLOSED);
    rcpt_session_evidence(self->core, &ev);
    lua_createtable(L, 0, 12);
    if (ev.err != RCPT_OK)
        set_text(L, "err", rcpt_err_name(ev.err));
    if (ev.why != NULL)
        set_text(L, ev.err == RCPT_TLS ? "tls_why" : "proxy_why", ev.why);
    set_text(L, "stage", rcpt_stage_name(ev.stage));
    set_text(L, "ip", ev.ip);
    lua_pushinteger(L, ev.port);
    lua_setfield(L, -2, "port");
    if (ev.source[0] != '\0')
        set_text(L, "source", ev.source);
    if (ev.tls != NULL) {
        push_tls(L, ev.tls);
        lua_setfield(L, -2, "tls");
    }
    if (ev.is_proxied) {
        lua_pushboolean(L, true);
        lua_setfield(L, -2, "proxied");
    }
    lua_createtable(L, (int)ev.n, 0);
    for (unsigned i = 0; i < ev.n; i++) {
        push_said(L, ev.said[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    lua_setfield(L, -2, "replies");
    if (ev.transcript != NULL) {
        lua_pushlstring(L, ev.transcript, ev.transcript_len);
        lua_setfield(L, -2, "transcript");
    }
    return 1;
}

static int ask(lua_State *L, rcpt_ask_kind kind)
{
    struct l_session *self = check_session(L);
    size_t len;
    luaL_checktype(L, 2, LUA_TSTRING);
    const char *recipient = lua_tolstring(L, 2, &len);
    uint64_t ms = rcptL_opt_ms(L, 3);
    rcpt_engine *e = self->core != NULL ? rcpt_session_engine(self->core) : NULL;
    if (e == NULL)
        return rcptL_fail(L, RCPT_CLOSED);
    struct l_job *job = rcptL_new_job(L);
    rcpt_err err = rcpt_session_ask(&job->core, self->core, kind, recipient, len,
                                    rcptL_until(e, ms));
    return err == RCPT_OK ? rcptL_enter_job(L, 1) : rcptL_fail(L, err);
}

static int session_rcpt(lua_State *L)
{
    return ask(L, RCPT_ASK_RCPT);
}

static int session_vrfy(lua_State *L)
{
    return ask(L, RCPT_ASK_VRFY);
}

static int session_quit(lua_State *L)
{
    struct l_session *self = check_session(L);
    if (self->core != NULL)
        rcpt_session_quit(self->core);
    return 0;
}

static int session_gc(lua_State *L)
{
    struct l_session *self = check_session(L);
    rcpt_session *core = self->core;
    self->core = NULL;
    if (core != NULL)
        rcpt_session_release(core);
    return 0;
}

static int session_tostring(lua_State *L)
{
    struct l_session *self = check_session(L);
    struct rcpt_evidence ev;
    if (self->core == NULL) {
        lua_pushliteral(L, RCPT_L_SESSION " (closed)");
        return 1;
    }
    rcpt_session_evidence(self->core, &ev);
    lua_pushfstring(L, RCPT_L_SESSION " (%s, %s): %p", ev.ip,
                    rcpt_session_is_ready(self->core) ? "ready" : rcpt_stage_name(ev.stage),
                    (void *)self->core);
    return 1;
}

static const luaL_Reg methods[] = {
    { "ready", session_ready }, { "evidence", session_evidence }, { "rcpt", session_rcpt },
    { "vrfy", session_vrfy },   { "quit", session_quit },         { NULL, NULL },
};

void rcptL_open_session(lua_State *L)
{
    rcptL_class(L, RCPT_L_SESSION, methods, session_gc, session_tostring);
    luaL_getmetatable(L, RCPT_L_SESSION);
    lua_pushcfunction(L, session_quit);
    lua_setfield(L, -2, "__close");
    lua_pop(L, 1);
}
