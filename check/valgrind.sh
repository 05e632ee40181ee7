#!/bin/sh
# The unit specs under valgrind on Lua 5.4: any error or definite leak in our code is a failure.
# Real servers are left out (they are other processes); so are the thousands of sessions (slow), and what a peer says
# right before it hangs up (timed): twenty times slower, we often find only the hang-up.
set -u
cd "$(dirname "$0")/.." || exit 3
build=${BUILD:-build}
log=$(mktemp) || exit 3
trap 'rm -f "$log"' EXIT
LUA_PATH="./lua/?.lua;./lua/?/init.lua;./?.lua;;" LUA_CPATH="./$build/5.4/?.so;;" RCPT_BUILD=$build RCPT_LUA=lua5.4 \
RCPT_VALGRIND=1 valgrind --quiet --trace-children=no --leak-check=full --show-leak-kinds=definite \
  --errors-for-leak-kinds=definite --error-exitcode=9 --num-callers=20 --log-file="$log" \
  lua5.4 "$(command -v busted)" --output=spec/support/report.lua \
  --exclude-tags=integration,slow,cli,timed "${@:-spec}"
status=$?
if [ -s "$log" ]; then
  head -60 "$log"
  status=9
fi
[ $status = 0 ] && echo "valgrind: clean"
exit $status
