#!/bin/bash
# Runs the real servers of build/servers until its standard input ends: see ../servers.lua.
#
#   run.sh world FOLDER PORT    one DNS and mail world; PORT for mail, PORT+1 knot, PORT+2 unbound
#   run.sh sink PORT [OPTION]   Postfix's smtp-sink on 127.0.0.1:PORT
#   run.sh watch SECONDS FILE FROM PATTERN     until a line from octet FROM of FILE on matches
#
# A world lives in a mount and a process namespace of its own: /etc is a private one with the
# users that the servers insist on, /run, /var/lib and /var/spool are empty memory, nothing of
# the host's is written but FOLDER, which holds the logs. The first process of the namespace
# reads standard input; when that ends, or after LIFE seconds, or when anything above it is
# killed, the kernel ends all in the namespace. Prints "ready NAME" for each server whose port
# answers, then "ready"; or "failed NAME: why".
#
# SPDX-License-Identifier: MIT
set -u
LIFE=900                                 # seconds after which nothing is left, whatever happened
PATIENCE=15                              # seconds a server may take to answer
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../../.." && pwd)
tree=$top/build/servers

libraries() { echo "$1/lib:$1/postfix/usr/lib/postfix"; }

fail() {
  echo "failed $1: $2"
  tail -n 8 /var/log/"$1"*log 2>/dev/null
  exit 1
}

# Wait until server $1, process $2, accepts a connection on address $3 port $4; with $5 a greeting.
await() {
  local stop=$((SECONDS + PATIENCE)) line
  while ! { exec 3<>"/dev/tcp/$3/$4"; } 2>/dev/null; do
    kill -0 "$2" 2>/dev/null || fail "$1" 'it ended'
    [ "$SECONDS" -lt "$stop" ] || fail "$1" "nothing answers on $3 port $4"
    read -rt 0.02 <> <(:)                # a port has no event to await: look again soon
  done
  if [ "${5-}" = greets ]; then
    read -rt "$PATIENCE" line <&3
    case $line in
      220*) printf 'QUIT\r\n' >&3 ;;
      *) fail "$1" "it greets with '$line'" ;;
    esac
  fi
  exec 3<&- 3>&-
  echo "ready $1"
}

fill() {
  sed -e "s/@PORT@/$port/g" -e "s/@KNOT@/$((port + 1))/g" -e "s/@UNBOUND@/$((port + 2))/g" "$@"
}

private_files() {
  mount --make-rprivate / && mount --bind "$tree" /mnt &&
    mkdir "$folder/etc" "$folder/log" && mount --bind "$folder/log" /var/log || return 1
  cp "$here"/etc/* "$folder/etc/" || return 1
  [ ! -e /etc/ld.so.cache ] || cp /etc/ld.so.cache "$folder/etc/"
  local each
  for each in "$here"/conf/*; do
    fill "$each" >"$folder/etc/${each##*/}" || return 1
  done
  mount -t tmpfs -o mode=755 none /etc && cp "$folder"/etc/* /etc/ || return 1
  for each in /run /var/lib /var/spool /tmp; do
    mount -t tmpfs -o mode=755 none "$each" || return 1
  done
  chmod 1777 /tmp
}

start_knot() {
  mkdir -p /run/knot /var/lib/knot
  /mnt/knot/usr/sbin/knotd -c /etc/knot.conf >/var/log/knot.log 2>&1 &
}

start_unbound() {
  /mnt/unbound/usr/sbin/unbound -d -c /etc/unbound.conf >/var/log/unbound.log 2>&1 &
}

start_postfix() {
  local each
  mkdir -p /var/spool/postfix /var/lib/postfix /etc/postfix
  cp /etc/main.cf /etc/master.cf /etc/postfix/
  touch -d '1 minute ago' /etc/postfix/* # Postfix waits until its files have settled
  for each in active bounce corrupt defer deferred flush hold incoming private saved trace; do
    mkdir -m 700 "/var/spool/postfix/$each"
  done
  mkdir -m 755 /var/spool/postfix/pid
  mkdir -m 730 /var/spool/postfix/maildrop
  mkdir -m 710 /var/spool/postfix/public
  chown postfix /var/spool/postfix/* /var/lib/postfix
  chown root /var/spool/postfix/pid
  chgrp postdrop /var/spool/postfix/maildrop /var/spool/postfix/public
  : >/var/log/postfix.log
  chown postfix /var/log/postfix.log
  /mnt/postfix/usr/lib/postfix/sbin/master -d -c /etc/postfix >/var/log/postfix.err 2>&1 &
}

start_exim() {
  mkdir -p /var/spool/exim4 /etc/exim4
  chown Debian-exim:Debian-exim /var/spool/exim4
  cp /etc/exim.conf /etc/exim4/exim4.conf
  touch /var/log/exim_mainlog /var/log/exim_paniclog
  chown Debian-exim /var/log/exim_mainlog /var/log/exim_paniclog
  /mnt/exim/usr/sbin/exim4 -bdf -d-all+receive >/var/log/exim.log 2>&1 &
}

start_opensmtpd() {
  mkdir -p /var/lib/opensmtpd/empty /var/spool/smtpd
  chmod 711 /var/spool/smtpd
  /mnt/opensmtpd/usr/sbin/smtpd -d -f /etc/smtpd.conf -T smtp >/var/log/opensmtpd.log 2>&1 &
}

# The first process of the namespace.
inside() {
  private_files || { echo "failed world: no private files"; exit 1; }
  cd /
  umask 022
  export LD_LIBRARY_PATH
  LD_LIBRARY_PATH=$(libraries /mnt)
  exec 9<&0 </dev/null
  local knot unbound postfix exim opensmtpd
  start_knot 9<&-; knot=$!
  start_unbound 9<&-; unbound=$!
  start_postfix 9<&-; postfix=$!
  start_exim 9<&-; exim=$!
  start_opensmtpd 9<&-; opensmtpd=$!
  await knot "$knot" 127.0.0.1 $((port + 1))
  await unbound "$unbound" 127.0.0.1 $((port + 2))
  await postfix "$postfix" 127.0.2.1 "$port" greets
  await exim "$exim" 127.0.2.2 "$port" greets
  await opensmtpd "$opensmtpd" 127.0.2.3 "$port" greets
  echo ready
  exec >/dev/null 2>&1
  unset LD_LIBRARY_PATH
  timeout --foreground "$LIFE" cat <&9
  exit 0
}

sink() {
  exec 9<&0
  local as=
  [ "$EUID" != 0 ] || as='-u nobody'     # as root it insists on a user to become
  # shellcheck disable=SC2086
  LD_LIBRARY_PATH=$(libraries "$tree") setpriv --pdeathsig KILL \
    "$tree/postfix/usr/sbin/smtp-sink" $as "${@:2}" "127.0.0.1:$1" 1024 </dev/null 9<&- &
  local pid=$!
  await "sink $pid" "$pid" 127.0.0.1 "$1" greets
  exec >/dev/null
  timeout --foreground "$LIFE" cat <&9
  kill "$pid"
  wait "$pid" 2>/dev/null
}

world() {
  setpriv --pdeathsig KILL unshare -m -p --fork --kill-child --mount-proc \
    bash "$here/run.sh" inside "$folder" "$port"
  rm -rf "$folder"
}

# tail has its file watched by the kernel; it is ended as soon as grep has seen enough.
watch() {
  local status
  exec 3< <(exec tail -c "+$3" -F "$2" 2>/dev/null)
  timeout "$1" grep -qm1 -E -e "$4" <&3
  status=$?
  kill $!
  exit "$status"
}

case ${1-} in
  world) folder=$2; port=$3; world ;;
  inside) folder=$2; port=$3; inside ;;
  sink) sink "${@:2}" ;;
  watch) watch "${@:2}" ;;
  *) echo "run.sh: what is '${1-}'?" >&2; exit 2 ;;
esac
