#!/bin/bash
# Runs the real servers of build/servers until its standard input ends: see ../servers.lua.
#
#   run.sh world FOLDER PORT    one DNS and mail world; PORT for mail, PORT+1 knot, PORT+2 unbound,
#                               PORT+3 the proxies
#   run.sh sink PORT [OPTION]   Postfix's smtp-sink on 127.0.0.1:PORT
#   run.sh watch SECONDS FILE FROM PATTERN     until a line from octet FROM of FILE on matches
#   run.sh talk IP PORT COMMAND...             SMTP; prints the replies, a NUL after each
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
GREET=2                                  # seconds between the two parts of the patient one's greeting
USERS=1000                               # user1 ...: how many OpenSMTPD has; the others know no end
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
  sed -e "s/@PORT@/$port/g" -e "s/@KNOT@/$((port + 1))/g" -e "s/@UNBOUND@/$((port + 2))/g" \
    -e "s/@GREET@/$GREET/g" "$@"
}

# A certificate for subject $2 into $1.pem, signed by the CA or, for the rest of the arguments, as they say.
certify() {
  local into=$1 name=$2
  shift 2
  tls req -x509 -new -key server.key -out "$into.pem" -days 30 -subj "/CN=$name" \
    -addext basicConstraints=critical,CA:FALSE "$@"
}

# Keys (P-256) and certificates into the folder of configuration, for this world alone.
make_certificates() {
  local names=DNS:mx.must.example each
  for each in may oldtls badkey broken brokenmust eximtls opentls openmust; do names+=,DNS:mx.$each.example; done
  (
    cd "$folder/etc" || exit 1
    umask 077
    exec 2>tls.err
    tls() { OPENSSL_CONF=$here/etc/openssl.cnf "$tree/openssl/usr/bin/openssl" "$@"; }
    curve() { tls genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }
    curve ca.key && curve server.key &&
      tls req -x509 -new -key ca.key -out ca.pem -days 30 -subj '/CN=A CA that nobody knows' \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign &&
      certify good mx.must.example -addext "subjectAltName=$names" -CA ca.pem -CAkey ca.key &&
      certify wrongname elsewhere.example -addext subjectAltName=DNS:elsewhere.example \
        -CA ca.pem -CAkey ca.key &&
      certify selfsigned mx.selfsigned.example -addext subjectAltName=DNS:mx.selfsigned.example &&
      tls req -new -key server.key -out expired.csr -subj /CN=mx.expired.example \
        -addext subjectAltName=DNS:mx.expired.example &&
      tls x509 -req -in expired.csr -copy_extensions copy -CA ca.pem -CAkey ca.key -CAcreateserial \
        -days -1 -out expired.pem &&
      cp server.key exim.key && cp server.key opensmtpd.key && chmod 644 ./*.pem
  )
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
  make_certificates || { tail -n 3 "$folder/etc/tls.err"; return 1; }
  mount -t tmpfs -o mode=755 none /etc && cp -p "$folder"/etc/* /etc/ || return 1
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
  chown Debian-exim:Debian-exim /var/spool/exim4 /etc/exim.key
  cp /etc/exim.conf /etc/exim4/exim4.conf
  touch /var/log/exim_mainlog /var/log/exim_paniclog
  chown Debian-exim /var/log/exim_mainlog /var/log/exim_paniclog
  /mnt/exim/usr/sbin/exim4 -bdf -d-all+receive >/var/log/exim.log 2>&1 &
}

start_opensmtpd() {
  local i
  mkdir -p /var/lib/opensmtpd/empty /var/spool/smtpd
  for i in user full later grey soft $(seq -f 'user%.0f' "$USERS"); do echo "$i vmail"; done >/etc/opensmtpd.users
  chmod 711 /var/spool/smtpd
  /mnt/opensmtpd/usr/sbin/smtpd -d -f /etc/smtpd.conf -T smtp >/var/log/opensmtpd.log 2>&1 &
}

# Two ways out, seen from outside as 127.0.77.1 and 127.0.77.2: with a password, and for anyone.
start_microsocks() {
  /mnt/microsocks/usr/bin/microsocks -i 127.0.0.1 -p $((port + 3)) -b 127.0.77.1 -u proxy -P "pass word" \
    >/var/log/microsocks.log 2>&1 &
}

start_open_microsocks() {
  /mnt/microsocks/usr/bin/microsocks -i 127.0.2.51 -p $((port + 3)) -b 127.0.77.2 \
    >/var/log/open_microsocks.log 2>&1 &
}

# The first process of the namespace.
inside() {
  private_files || { echo "failed world: no private files"; exit 1; }
  cd /
  umask 022
  export LD_LIBRARY_PATH
  LD_LIBRARY_PATH=$(libraries /mnt)
  exec 9<&0 </dev/null
  local knot unbound postfix exim opensmtpd microsocks open_microsocks
  start_knot 9<&-; knot=$!
  start_unbound 9<&-; unbound=$!
  start_postfix 9<&-; postfix=$!
  start_exim 9<&-; exim=$!
  start_opensmtpd 9<&-; opensmtpd=$!
  start_microsocks 9<&-; microsocks=$!
  start_open_microsocks 9<&-; open_microsocks=$!
  await knot "$knot" 127.0.0.1 $((port + 1))
  await unbound "$unbound" 127.0.0.1 $((port + 2))
  await postfix "$postfix" 127.0.2.1 "$port" greets
  await exim "$exim" 127.0.2.2 "$port" greets
  await opensmtpd "$opensmtpd" 127.0.2.3 "$port" greets
  await microsocks "$microsocks" 127.0.0.1 $((port + 3))
  await open_microsocks "$open_microsocks" 127.0.2.51 $((port + 3))
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

# The greeting, then each command after the reply to the one before; done when the server hangs up.
talk() {
  local line reply command
  exec 3<>"/dev/tcp/$1/$2" || exit 1
  shift 2
  for command in '' "$@"; do
    [ -z "$command" ] || printf '%s\r\n' "$command" | cat >&3    # in one write: printf makes one a line
    reply=
    while :; do
      IFS= read -rt "$PATIENCE" line <&3 || return
      reply+=${reply:+$'\n'}$line
      [ "${line:3:1}" = - ] || break
    done
    printf '%s\0' "$reply"
  done
}

case ${1-} in
  world) folder=$2; port=$3; world ;;
  inside) folder=$2; port=$3; inside ;;
  sink) sink "${@:2}" ;;
  watch) watch "${@:2}" ;;
  talk) talk "${@:2}" ;;
  *) echo "run.sh: what is '${1-}'?" >&2; exit 2 ;;
esac
