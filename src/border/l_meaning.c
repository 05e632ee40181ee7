/* border/l_meaning.c -- core.classify, and the lists behind it: reasons, stages, phrases.
 *
 * No class. What a peer may have sent (an enhanced code that is none) is answered; what only a
 * caller can get wrong (a type, a code that is no reply code, a stage) raises. */
/* SPDX-License-Identifier: MIT */
#include "border/border.h"
#include "wire/meaning.h"
#include "wire/phrases.h"

static struct rcpt_span check_text(lua_State *L, int idx, const char *field)
{
    struct rcpt_span s;
    s.p = rcptL_optfield_string(L, idx, field, "", &s.n);
    return s;
}

static void check_question(lua_State *L, int idx, struct rcpt_question *q)
{
    luaL_checktype(L, idx, LUA_TTABLE);
    lua_Number code = rcptL_optfield_number(L, idx, "code", 0, 200, 599);
    if (code == 0)
        luaL_error(L, "option 'code': number expected, got nil");
    if (code != (lua_Number)(int)code)
        luaL_error(L, "option 'code': a whole number expected");
    struct rcpt_span stage = check_text(L, idx, "stage");
    struct rcpt_span enhanced = check_text(L, idx, "enhanced");
    *q = (struct rcpt_question){ .stage = RCPT_STAGE_RCPT, .code = (uint16_t)code };
    q->text = check_text(L, idx, "text");
    q->mx = check_text(L, idx, "mx");
    if (stage.n > 0 && !rcpt_stage_read(stage.p, stage.n, &q->stage))
        luaL_error(L, "option 'stage': there is no stage '%s'", stage.p);
    if (rcpt_enhanced_read(&q->enhanced, enhanced.p, enhanced.n) != enhanced.n)
        q->enhanced.class = 0;
}

static int classify(lua_State *L)
{
    struct rcpt_question q;
    struct rcpt_meaning m;
    check_question(L, 1, &q);
    rcpt_meaning_of(&q, &m);
    lua_pushstring(L, rcpt_reason_name(m.reason));
    lua_pushstring(L, rcpt_about_name(m.about));
    return 2;
}

/* Each reason a reply can give, with whom it is about, in the order of the C list. */
static int reasons(lua_State *L)
{
    static const rcpt_about about[] = {
#define X(id, name, about) RCPT_ABOUT_##about,
        RCPT_REASONS(X)
#undef X
    };
    lua_createtable(L, RCPT_REASON_COUNT, 0);
    for (int i = 0; i < RCPT_REASON_COUNT; i++) {
        lua_createtable(L, 0, 2);
        lua_pushstring(L, rcpt_reason_name((rcpt_reason)i));
        lua_setfield(L, -2, "name");
        lua_pushstring(L, rcpt_about_name(about[i]));
        lua_setfield(L, -2, "about");
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static void push_stages(lua_State *L, unsigned where)
{
    int n = 0;
    lua_newtable(L);
    for (int i = 0; i < RCPT_STAGE_COUNT; i++) {
        if (where & (1u << i)) {
            lua_pushstring(L, rcpt_stage_name((rcpt_stage)i));
            lua_rawseti(L, -2, ++n);
        }
    }
}

static int stages(lua_State *L)
{
    push_stages(L, ~0u);
    return 1;
}

/* The table of phrases, row by row, for specs and docs. */
static int phrases(lua_State *L)
{
    const struct rcpt_phrase *row;
    lua_newtable(L);
    for (unsigned i = 0; (row = rcpt_phrase_at(i)) != NULL; i++) {
        lua_createtable(L, 0, 7);
        lua_pushstring(L, rcpt_reason_name(row->reason));
        lua_setfield(L, -2, "reason");
        push_stages(L, row->where);
        lua_setfield(L, -2, "stages");
        lua_pushinteger(L, row->code);
        lua_setfield(L, -2, "code");
        lua_pushstring(L, row->enhanced);
        lua_setfield(L, -2, "enhanced");
        lua_pushstring(L, row->mx);
        lua_setfield(L, -2, "mx");
        lua_pushstring(L, row->phrase);
        lua_setfield(L, -2, "phrase");
        lua_pushstring(L, row->seen);
        lua_setfield(L, -2, "seen");
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

void rcptL_open_meaning(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "classify", classify }, { "reasons", reasons }, { "stages", stages },
        { "phrases", phrases },   { NULL, NULL },
    };
    luaL_setfuncs(L, functions, 0);
}
