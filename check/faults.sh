#!/bin/sh
# check/faults.c: each allocation failing in turn, a fork under way, many handshakes at once.
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build}/faults
mkdir -p "$build"
pkg=${PKG:-pkg-config}
# shellcheck disable=SC2046,SC2086
${CC:-cc} -std=c11 -D_GNU_SOURCE ${CFLAGS:--g} -Isrc -I. -o "$build/faults" check/faults.c check/host.c \
  spec/io/tls_peer.c src/base/*.c src/wire/*.c src/io/*.c src/engine/*.c $($pkg --cflags --libs libcares libidn2 openssl) -lunistring -lresolv
exec "$build/faults"
