#!/bin/sh
# Does `luarocks make` build the rock offline, for Lua 5.4 and for LuaJIT, and does what it installed work?
set -eu
cd "$(dirname "$0")/.."
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
try() {
  version=$1 lua=$2 include=$3
  git ls-files -z | xargs -0 tar cf - | { mkdir -p "$tree/src-$version" && tar xf - -C "$tree/src-$version"; }
  (cd "$tree/src-$version" &&
   luarocks --lua-version "$version" --tree "$tree/$version" make --deps-mode=none \
     rockspec/rcpt-scm-1.rockspec LUA_INCDIR="$include" >"$tree/log" 2>&1) || { tail -30 "$tree/log"; return 1; }
  cd / && LUA_PATH="$tree/$version/share/lua/$version/?.lua;$tree/$version/share/lua/$version/?/init.lua;;" \
  LUA_CPATH="$tree/$version/lib/lua/$version/?.so;;" "$lua" -e '
    local rcpt = require "rcpt"
    assert(rcpt.parse("user@company.example").valid)
    assert(not rcpt.parse("user@").valid)
    print("rock: " .. (jit and jit.version or _VERSION) .. " works")'
  cd "$OLDPWD"
}
try 5.4 lua5.4 /usr/include/lua5.4
try 5.1 luajit /usr/include/luajit-2.1
