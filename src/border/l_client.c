/* border/l_client.c -- core.client: the sans-I/O dialogue for Lua, and core.dialogue, its table.
 *
 * For specs that replay transcripts and for doc/dialogue.md; sessions do not come here. The whole
 * client lives in the userdata: there is nothing to free. */
/* SPDX-License-Identifier: MIT */
#include "border/border.h"
#include "wire/dialogue.h"

#define CLIENT "rcpt.client"

static struct rcpt_client *check_client(lua_State *L)
{
    return luaL_checkudata(L, 1, CLIENT);
}

static rcpt_want_kind wants(const struct rcpt_client *c)
{
    struct rcpt_want want;
    rcpt_client_next(c, &want);
    return want.kind;
}

static rcpt_tls_mode check_tls(lua_State *L, const char *name)
{
    static const char *const modes[] = {
        [RCPT_TLS_OFF] = "off", [RCPT_TLS_MAY] = "may", [RCPT_TLS_REQUIRE] = "require",
    };
    for (unsigned i = 0; i < sizeof modes / sizeof *modes; i++)
        if (strcmp(modes[i], name) == 0)
            return (rcpt_tls_mode)i;
    luaL_error(L, "tls is off, may or require");
    return RCPT_TLS_OFF;
}

/* core.client{helo=, sender=, greeting_only=, tls=, greeting=, reply=}: client; nil, message, code */
static int client_open(lua_State *L)
{
    struct rcpt_client_config cfg;
    size_t helo_len, sender_len;
    luaL_checktype(L, 1, LUA_TTABLE);
    cfg.helo = rcptL_optfield_string(L, 1, "helo", "", &helo_len);
    cfg.sender = rcptL_optfield_string(L, 1, "sender", "", &sender_len);
    cfg.greeting_only = rcptL_optfield_boolean(L, 1, "greeting_only", false);
    cfg.tls = check_tls(L, rcptL_optfield_string(L, 1, "tls", "off", NULL));
    cfg.greeting_ms = (uint32_t)(rcptL_optfield_number(L, 1, "greeting", 20, 0, 86400) * 1000);
    cfg.reply_ms = (uint32_t)(rcptL_optfield_number(L, 1, "reply", 20, 0, 86400) * 1000);
    if (strlen(cfg.helo) != helo_len || strlen(cfg.sender) != sender_len)
        return rcptL_fail(L, RCPT_BADARG);
    struct rcpt_client *c = rcptL_newud(L, sizeof *c);
    rcpt_err e = rcpt_client_init(c, &cfg);
    if (e != RCPT_OK)
        return rcptL_fail(L, e);
    luaL_setmetatable(L, CLIENT);
    return 1;
}

/* client:feed(bytes): used, heard; or nil, message, code, used */
static int client_feed(lua_State *L)
{
    struct rcpt_client *c = check_client(L);
    size_t len, used = 0;
    const char *in = luaL_checklstring(L, 2, &len);
    rcpt_heard heard;
    rcpt_err e = rcpt_client_feed(c, in, len, &used, &heard);
    if (e != RCPT_OK) {
        rcptL_fail(L, e);
        lua_pushinteger(L, (lua_Integer)used);
        return 4;
    }
    lua_pushinteger(L, (lua_Integer)used);
    lua_pushstring(L, rcpt_heard_name(heard));
    return 2;
}

/* client:next(): "read" | "tls", nil, patience; "write", data; "question"; "done" */
static int client_next(lua_State *L)
{
    static const char *const kinds[] = {
        [RCPT_WANT_READ] = "read", [RCPT_WANT_WRITE] = "write",
        [RCPT_WANT_TLS] = "tls", [RCPT_WANT_QUESTION] = "question", [RCPT_WANT_DONE] = "done",
    };
    struct rcpt_want want;
    rcpt_client_next(check_client(L), &want);
    lua_pushstring(L, kinds[want.kind]);
    if (want.kind == RCPT_WANT_WRITE) {
        lua_pushlstring(L, want.data, want.len);
        return 2;
    }
    if (want.kind != RCPT_WANT_READ && want.kind != RCPT_WANT_TLS)
        return 1;
    lua_pushnil(L);
    lua_pushnumber(L, want.patience_ms / 1000.0);
    return 3;
}

static int client_wrote(lua_State *L)
{
    struct rcpt_client *c = check_client(L);
    lua_Number n = luaL_checknumber(L, 2);
    struct rcpt_want want;
    rcpt_client_next(c, &want);
    luaL_argcheck(L, want.kind == RCPT_WANT_WRITE && n >= 0 && n <= (lua_Number)want.len, 2,
                  "more than was to be written");
    rcpt_client_wrote(c, (size_t)n);
    return 0;
}

static int put_question(lua_State *L, rcpt_ask_kind ask)
{
    struct rcpt_client *c = check_client(L);
    size_t len;
    const char *address = luaL_checklstring(L, 2, &len);
    rcpt_want_kind kind = wants(c);
    if (kind != RCPT_WANT_QUESTION)
        return rcptL_fail(L, kind == RCPT_WANT_DONE ? RCPT_CLOSED : RCPT_AGAIN);
    rcpt_err e = rcpt_client_ask(c, ask, address, len, lua_toboolean(L, 3));
    if (e != RCPT_OK)
        return rcptL_fail(L, e);
    lua_pushboolean(L, true);
    return 1;
}

/* client:ask(recipient[, smtputf8]): true; or nil, message, code ("again": not its turn) */
static int client_ask(lua_State *L)
{
    return put_question(L, RCPT_ASK_RCPT);
}

/* client:vrfy(address[, smtputf8]): likewise; "not_offered" */
static int client_vrfy(lua_State *L)
{
    return put_question(L, RCPT_ASK_VRFY);
}

/* client:secured(): true; or nil, message, code where no handshake was wanted */
static int client_secured(lua_State *L)
{
    struct rcpt_client *c = check_client(L);
    rcpt_want_kind kind = wants(c);
    if (kind != RCPT_WANT_TLS)
        return rcptL_fail(L, kind == RCPT_WANT_DONE ? RCPT_CLOSED : RCPT_AGAIN);
    rcpt_client_secured(c);
    lua_pushboolean(L, true);
    return 1;
}

static int client_quit(lua_State *L)
{
    rcpt_client_quit(check_client(L));
    return 0;
}

/* client:lost(code): code as in err.h, "eof" unless given */
static int client_lost(lua_State *L)
{
    struct rcpt_client *c = check_client(L);
    const char *name = luaL_optstring(L, 2, "eof");
    for (int e = 0; e < RCPT_ERR_COUNT; e++) {
        if (strcmp(rcpt_err_name((rcpt_err)e), name) == 0) {
            rcpt_client_lost(c, (rcpt_err)e);
            return 0;
        }
    }
    return luaL_argerror(L, 2, "no such error code");
}

static int client_reply(lua_State *L)
{
    const struct rcpt_reply *r = rcpt_client_reply(check_client(L));
    if (r == NULL)
        return 0;
    lua_createtable(L, 0, 6);
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
    lua_pushboolean(L, r->mixed);
    lua_setfield(L, -2, "mixed");
    return 1;
}

static int client_stage(lua_State *L)
{
    lua_pushstring(L, rcpt_stage_name(rcpt_client_stage(check_client(L))));
    return 1;
}

/* client:err(): nil, or the code of the error */
static int client_err(lua_State *L)
{
    rcpt_err e = rcpt_client_err(check_client(L));
    if (e == RCPT_OK)
        return 0;
    lua_pushstring(L, rcpt_err_name(e));
    return 1;
}

/* client:offers(): a table, keyword -> true */
static int client_offers(lua_State *L)
{
    unsigned offers = rcpt_client_offers(check_client(L));
    lua_newtable(L);
    for (unsigned i = 0; i < RCPT_OFFER_COUNT; i++) {
        if (offers & (1u << i)) {
            lua_pushboolean(L, true);
            lua_setfield(L, -2, rcpt_offer_keyword(i));
        }
    }
    return 1;
}

static int client_close(lua_State *L)
{
    (void)L;                                   /* nothing is owned */
    return 0;
}

static int client_tostring(lua_State *L)
{
    struct rcpt_client *c = check_client(L);
    lua_pushfstring(L, "rcpt.client: at %s", rcpt_stage_name(rcpt_client_stage(c)));
    return 1;
}

static void set_string(lua_State *L, const char *field, const char *value)
{
    lua_pushstring(L, value);
    lua_setfield(L, -2, field);
}

static void push_step(lua_State *L, const struct rcpt_step *s)
{
    lua_createtable(L, 0, 3);
    set_string(L, "to", s->to == RCPT_STATE_NONE ? "" : rcpt_dialogue_of(s->to)->name);
    set_string(L, "heard", rcpt_heard_name(s->heard));
    set_string(L, "why", s->why != NULL ? s->why : "");
}

/* core.dialogue(): dialogue.c as a list of {state=, says=, stage=, ahead=, on=}, where `on` has
 * {to=, heard=, why=} for each class of replies, "2yz" and so on */
static int dialogue(lua_State *L)
{
    lua_newtable(L);
    for (int i = RCPT_STATE_NONE + 1; i < RCPT_STATE_COUNT; i++) {
        const struct rcpt_dialogue *row = rcpt_dialogue_of((rcpt_state)i);
        lua_createtable(L, 0, 5);
        set_string(L, "state", row->name);
        set_string(L, "says", row->says);
        set_string(L, "stage", row->stage == RCPT_STAGE_SYNTAX ? "" : rcpt_stage_name(row->stage));
        set_string(L, "ahead",
                   row->ahead == RCPT_STATE_NONE ? "" : rcpt_dialogue_of(row->ahead)->name);
        lua_createtable(L, 0, RCPT_CLASS_COUNT);
        for (unsigned k = 0; k < RCPT_CLASS_COUNT; k++) {
            push_step(L, &row->on[k]);
            lua_setfield(L, -2, rcpt_class_name((rcpt_class)k));
        }
        lua_setfield(L, -2, "on");
        lua_rawseti(L, -2, i);
    }
    return 1;
}

void rcptL_open_client(lua_State *L)
{
    static const luaL_Reg methods[] = {
        { "feed", client_feed },   { "next", client_next },   { "wrote", client_wrote },
        { "ask", client_ask },     { "vrfy", client_vrfy },   { "secured", client_secured },
        { "quit", client_quit },   { "lost", client_lost },
        { "reply", client_reply }, { "stage", client_stage }, { "err", client_err },
        { "offers", client_offers }, { NULL, NULL },
    };
    static const luaL_Reg functions[] = {
        { "client", client_open }, { "dialogue", dialogue }, { NULL, NULL },
    };
    rcptL_class(L, CLIENT, methods, client_close, client_tostring);
    luaL_setfuncs(L, functions, 0);
}
