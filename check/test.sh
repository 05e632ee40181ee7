#!/bin/sh
# Every spec on each Lua; the last line is the sum, "N passed, N failed".
#   BUILD=build  where the modules are;  LUAS="lua5.4 luajit";  arguments go to busted
set -u
cd "$(dirname "$0")/.." || exit 3
build=${BUILD:-build}
luas=${LUAS:-lua5.4 luajit}
busted=$(command -v busted) || { echo "busted is missing: make deps" >&2; exit 3; }
counts=$(mktemp -d) || exit 3
trap 'rm -rf "$counts"' EXIT

passed=0 failed=0 broken=0
for lua in $luas; do
  abi=$("$lua" -e 'io.write(_VERSION:match("%d.%d"))') || { broken=1; continue; }
  echo "== $lua (build for Lua $abi)"
  preload=
  # A shared object built with ASan wants its runtime first in the process; Lua itself is not built so,
  # and what the interpreter leaves to the exit is not ours: leaks are looked for by valgrind and check/faults.
  [ -z "${RCPT_ASAN:-}" ] || preload="$(${CC:-cc} -print-file-name=libasan.so) $(${CC:-cc} -print-file-name=libubsan.so)"
  RCPT_BUILD=$build RCPT_LUA=$lua RCPT_COUNTS=$counts/$abi \
  RCPT_PRELOAD=$preload ASAN_OPTIONS=detect_leaks=0:${ASAN_OPTIONS:-} \
  LUA_PATH="./lua/?.lua;./lua/?/init.lua;./?.lua;;" LUA_CPATH="./$build/$abi/?.so;;" \
  LD_PRELOAD=$preload "$lua" "$busted" --output=spec/support/report.lua "$@" || [ -s "$counts/$abi" ] || broken=1
  if [ -s "$counts/$abi" ]; then
    read -r p f <"$counts/$abi"
    passed=$((passed + p)) failed=$((failed + f))
  else
    echo "$lua: the run ended before its sum" >&2
    broken=1
  fi
done
[ "$broken" = 0 ] || failed=$((failed + 1))
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
