#!/bin/sh
# luacheck over Lua, cppcheck over C.
set -u
cd "$(dirname "$0")/.." || exit 3
bad=0
luacheck -q lua spec bench examples check bin/rcpt || bad=1
cppcheck --quiet --std=c11 --language=c --enable=warning,portability,performance --inline-suppr \
  --suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches \
  --error-exitcode=1 -Isrc -j2 src || bad=1
[ $bad = 0 ] && echo "lint: clean"
exit $bad
