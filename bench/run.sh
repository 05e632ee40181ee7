#!/bin/sh
# All benches, on Lua 5.4 and where it tells something on LuaJIT. Medians of three, each beside a floor or a
# peer measured in the same run. Needs `make servers` (Postfix's smtp-sink).
set -eu
cd "$(dirname "$0")/.."
export BUILD="${BUILD:-build}"
export LUA_PATH="./lua/?.lua;./lua/?/init.lua;./?.lua;;"
for lua in lua5.4 luajit; do
  abi=$($lua -e 'io.write(_VERSION:match("%d.%d"))')
  export LUA_CPATH="./$BUILD/$abi/?.so;;"
  for bench in parse classify dns tls wait probes kept; do
    echo
    $lua bench/$bench.lua
  done
done
