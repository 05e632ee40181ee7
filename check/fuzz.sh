#!/bin/sh
# The fuzz targets, check/fuzz_*.c.
#   sh check/fuzz.sh replay     each file of each corpus once (CC, CFLAGS)
#   sh check/fuzz.sh SECONDS    libFuzzer for so long on each target (clang); finds go to BUILD
set -u
cd "$(dirname "$0")/.." || exit 3
build=${BUILD:-build}/fuzz
mkdir -p "$build"
sources="src/base/*.c src/wire/*.c src/io/message.c"
libs="-lidn2 -lunistring -lresolv"
bad=0
for target in check/fuzz_*.c; do
  name=$(basename "$target" .c)
  corpus=check/corpus/${name#fuzz_}
  if [ "${1:-60}" = replay ]; then
    # shellcheck disable=SC2086
    ${CC:-cc} -std=c11 -D_GNU_SOURCE ${CFLAGS:--g} -Isrc -o "$build/$name" check/replay.c "$target" $sources $libs &&
      printf '%s: ' "$name" && "$build/$name" "$corpus"/* || bad=1
  else
    # shellcheck disable=SC2086
    clang -std=c11 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined -Isrc -o "$build/$name" \
      "$target" $sources $libs || exit 3
    mkdir -p "$build/found-$name"
    "$build/$name" -max_total_time="${1:-60}" -artifact_prefix="$build/" -print_final_stats=1 \
      "$build/found-$name" "$corpus" 2>&1 | grep -E 'ERROR|SUMMARY|stat::number_of_executed|Test unit' || true
    ls "$build"/crash-* "$build"/timeout-* "$build"/oom-* 2>/dev/null && bad=1
  fi
done
exit $bad
