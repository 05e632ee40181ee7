#!/bin/sh
# Puts what `make all` built into DESTDIR/PREFIX, or with `remove` takes exactly that away again.
#   PREFIX=/usr/local  DESTDIR=  BUILD=build  ABIS="5.4 5.1"
# Nothing is written into the files: bin/rcpt finds the modules from where it stands.
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build}
abis=${ABIS:-5.4 5.1}
root=${DESTDIR:-}${PREFIX:-/usr/local}

# What goes where: mode, from, to; a line each.
list() {
  echo "755 bin/rcpt bin/rcpt"
  echo "644 doc/rcpt.1 share/man/man1/rcpt.1"
  for file in LICENSE README.md CHANGELOG.md; do
    [ ! -e $file ] || echo "644 $file share/doc/rcpt/$file"
  done
  for abi in $abis; do
    find lua/rcpt -type f -name '*.lua' | sort | sed "s|^lua/\(.*\)|644 & share/lua/$abi/\1|"
    echo "755 $build/$abi/rcpt/core.so lib/lua/$abi/rcpt/core.so"
  done
}

put() {
  for abi in $abis; do
    [ -e "$build/$abi/rcpt/core.so" ] || { echo "install: not built for Lua $abi: run \`make all\` first" >&2; exit 3; }
  done
  list | while read -r mode from to; do
    mkdir -p "$root/${to%/*}"
    install -m "$mode" "$from" "$root/$to"
  done
}

# Folders go only where they are ours alone and empty.
remove() {
  list | while read -r mode from to; do
    rm -f "$root/$to"
  done
  for abi in $abis; do
    for folder in "$root/share/lua/$abi/rcpt" "$root/lib/lua/$abi/rcpt"; do
      [ ! -d "$folder" ] || find "$folder" -depth -type d -exec rmdir {} + 2>/dev/null || :
    done
  done
  [ ! -d "$root/share/doc/rcpt" ] || rmdir "$root/share/doc/rcpt" 2>/dev/null || :
}

case "${1:-}" in
'') put ;;
remove) remove ;;
*) echo "install.sh [remove]" >&2; exit 2 ;;
esac
