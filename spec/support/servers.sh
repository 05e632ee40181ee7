#!/bin/sh
# Unpacks real mail, DNS and proxy servers into build/servers: `make servers`.
#
# Debian packages are fetched with `apt-get download` and opened with `dpkg -x`. Nothing is
# installed, no maintainer script runs, no user is made; it works as root and as anyone.
# Shared libraries that this system lacks go into build/servers/lib. A finished tree carries a
# stamp with the list of packages, and is left as it is while everything in it still loads.
# Not this file's business: running them, which is servers/run.sh's.
#
# SPDX-License-Identifier: MIT
set -u
cd "$(dirname "$0")/../.." || exit 1

SERVERS='postfix:postfix exim:exim4-daemon-light exim:exim4-base opensmtpd:opensmtpd
  knot:knot unbound:unbound microsocks:microsocks openssl:openssl'
PROGRAMS='postfix/usr/lib/postfix/sbin/master postfix/usr/sbin/smtp-sink exim/usr/sbin/exim4
  opensmtpd/usr/sbin/smtpd knot/usr/sbin/knotd unbound/usr/sbin/unbound
  microsocks/usr/bin/microsocks openssl/usr/bin/openssl'
DEPTH=5                                  # how far dependencies are followed for a library

to=build/servers
new=build/servers.new.$$

fail() { echo "servers: $*" >&2; rm -rf "$new"; exit 1; }
trap 'rm -rf "$new"' EXIT
trap 'exit 1' HUP INT TERM

packages() { for each in $SERVERS; do echo "${each#*:}"; done; }

# The programs in tree $1 that lack a library, as the libraries' names; "gone" for one not there.
missing() {
  for each in $PROGRAMS; do
    [ -x "$1/$each" ] || { echo "$each (gone)"; continue; }
    LD_LIBRARY_PATH="$1/lib:$1/postfix/usr/lib/postfix" ldd "$1/$each" 2>&1
  done | sed -n 's/^[[:space:]]*\(.*\) => not found.*/\1/p; /(gone)$/p' | sort -u
}

# Download packages $2... into folder $1.
fetch() {
  into=$1; shift
  mkdir -p "$into" || fail "cannot make $into"
  as=; [ "$(id -u)" != 0 ] || as='-o APT::Sandbox::User=root'
  # shellcheck disable=SC2086
  ( cd "$into" && apt-get -q $as download "$@" >apt.out 2>&1 ) ||
    fail "apt-get could not download $*: $(grep '^E:' "$into/apt.out" | head -1)" \
         "(are the package lists there? apt-get update)"
}

# Libraries that packages "$@" depend on and this system has not installed.
wanted_libraries() {
  apt-cache depends --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
    --no-enhances "$@" | awk '/Depends: lib/ { print $NF }' | sort -u |
  while read -r each; do
    case $(dpkg-query -W -f '${Status}' "$each" 2>/dev/null) in
      'install ok installed') ;;
      *) echo "$each" ;;
    esac
  done
}

if [ "$(cat "$to/stamp" 2>/dev/null)" = "$(packages)" ] && [ -z "$(missing "$to")" ]; then
  exit 0
fi
for tool in apt-get apt-cache dpkg dpkg-query ldd; do
  command -v "$tool" >/dev/null || fail "no $tool here; the real servers are Debian packages"
done

echo "servers: unpacking $(packages | tr '\n' ' ')into $to"
mkdir -p "$new/lib" || fail "cannot make $new"
# shellcheck disable=SC2046
fetch "$new/deb" $(packages)
for each in $SERVERS; do
  for deb in "$new/deb/${each#*:}"_*.deb; do
    dpkg -x "$deb" "$new/${each%%:*}" || fail "dpkg could not unpack ${deb##*/}"
  done
done

from=$(packages); seen=' '; depth=0
while [ -n "$(missing "$new")" ] && [ "$depth" -lt "$DEPTH" ]; do
  # shellcheck disable=SC2086
  next=$(for each in $(wanted_libraries $from); do
    case $seen in *" $each "*) ;; *) echo "$each" ;; esac; done)
  [ -n "$next" ] || break
  # shellcheck disable=SC2086
  fetch "$new/deb/$depth" $next
  for deb in "$new/deb/$depth"/*.deb; do
    dpkg -x "$deb" "$new/deb/$depth/x" || fail "dpkg could not unpack ${deb##*/}"
  done
  find "$new/deb/$depth/x" -name '*.so*' ! -type d -exec cp -P {} "$new/lib/" \;
  seen="$seen$(echo "$next" | tr '\n' ' ')"; from=$next; depth=$((depth + 1))
done
lacking=$(missing "$new" | tr '\n' ' ')
[ -z "$lacking" ] || fail "no package found for $lacking"

rm -rf "$new/deb" "$new"/*/usr/share "$new"/*/etc
packages >"$new/stamp"
rm -rf "$to"
mv "$new" "$to" || fail "cannot put $to in place"
