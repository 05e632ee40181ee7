/* border/border.h -- what the files of this folder share.
 *
 * The rule of the border: any Lua call that allocates may raise and jump over
 * your frame. So: check all arguments; make the userdata, born closed, with its
 * metatable; acquire into it, last. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_BORDER_BORDER_H
#define RCPT_BORDER_BORDER_H

#include "base/err.h"
#include "base/mem.h"
#include "border/compat.h"

/* The host's allocator as ours. */
struct rcpt_mem rcptL_mem(lua_State *L);
/* nil, text, name on the stack; returns 3. */
int rcptL_fail(lua_State *L, rcpt_err e);
/* A class: metatable `name` with __name, __index (its own table), __gc, __close, __tostring. */
void rcptL_class(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction close,
                 lua_CFunction tostring);

/* Fields of an options table at `idx`; each raises "option 'x' ..." on a wrong type. */
const char *rcptL_optfield_string(lua_State *L, int idx, const char *field, const char *def, size_t *len);
lua_Number  rcptL_optfield_number(lua_State *L, int idx, const char *field, lua_Number def,
                                  lua_Number min, lua_Number max);
bool        rcptL_optfield_boolean(lua_State *L, int idx, const char *field, bool def);

/* Each adds its functions to the module table on top of the stack. */
void rcptL_open_address(lua_State *L);     /* l_address.c: parse                          */
void rcptL_open_meaning(lua_State *L);     /* l_meaning.c: classify                       */
void rcptL_open_client(lua_State *L);      /* l_client.c: client, for replaying dialogues */
void rcptL_open_engine(lua_State *L);      /* l_engine.c: engine, now, pid                */
void rcptL_open_resolver(lua_State *L);    /* l_resolver.c                                */
void rcptL_open_session(lua_State *L);     /* l_session.c                                 */
void rcptL_open_job(lua_State *L);         /* l_job.c                                     */

#endif
