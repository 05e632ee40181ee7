#!/bin/sh
# Installs what is missing on Debian and its children; elsewhere says what to install.
#   sh check/deps.sh          everything: build, demo, specs, lint
#   sh check/deps.sh demo     what building and the demo need
set -eu

build="gcc make pkg-config libc6-dev lua5.4 liblua5.4-dev luajit2 libluajit2-5.1-dev
       libc-ares-dev libidn2-dev libunistring-dev libssl-dev lua-cjson lua-argparse"
demo="lua-cqueues lua-socket"
specs="lua-busted lua-sec openssl lua-check luarocks lua-ldoc cppcheck valgrind iproute2 util-linux procps
       python3-minimal"

case "${1:-all}" in
demo) wanted="$build $demo" ;;
all)  wanted="$build $demo $specs" ;;
*)    echo "usage: $0 [all|demo]" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
  for p in lua5.4 libcares libidn2 openssl luajit; do
    pkg-config --exists "$p" 2>/dev/null || missing="${missing-} $p"
  done
  [ -n "${missing-}" ] || exit 0
  cat >&2 <<TXT
rcpt: this is no Debian system, so nothing is installed for you. Missing for pkg-config:${missing}
Needed: a C11 compiler, make, pkg-config, and the headers of Lua 5.4, LuaJIT 2.1, c-ares (1.18 or
newer), libidn2, libunistring and OpenSSL (3.0 or newer); the Lua modules cjson and argparse; for the demo and
the specs cqueues, luasocket, luasec and busted. With one Lua only: make ABIS=5.4 (or 5.1 for LuaJIT).
TXT
  exit 3
fi

missing=
for p in $wanted; do
  dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
  echo "rcpt: packages are missing. Run this once, then the same make again:" >&2
  echo "  sudo apt-get install --no-install-recommends$missing" >&2
  exit 3
fi
echo "rcpt: installing$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086
if ! { apt-get install -y --no-install-recommends $missing >"$log" 2>&1 ||
       { apt-get update >>"$log" 2>&1 && apt-get install -y --no-install-recommends $missing >>"$log" 2>&1; }; }; then
  tail -n 20 "$log" >&2
  echo "rcpt: apt-get could not install:$missing" >&2
  exit 3
fi
