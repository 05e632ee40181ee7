#!/bin/sh
# Does the tree keep its architecture? (doc/architecture.md)
#   border -> engine -> wire -> base, engine -> io -> base; never back.
#   BUILD=build  whose objects are read (Lua 5.4's)
set -u
cd "$(dirname "$0")/.." || exit 3
build=${BUILD:-build}/5.4
bad=0
fault() { echo "layers: $*"; bad=1; }

# 1. Who may include whom.
may() {
  case "$1" in
  base) echo base ;;
  wire) echo "base wire" ;;
  io) echo "base io" ;;
  engine) echo "base wire io engine" ;;
  border) echo "base wire io engine border" ;;
  esac
}
for layer in base wire io engine border; do
  allowed=" $(may $layer) "
  for file in src/$layer/*.[ch]; do
    for seen in $(sed -n 's|^ *# *include *"\([a-z_]*\)/.*|\1|p' "$file" | sort -u); do
      case "$allowed" in *" $seen "*) ;; *) fault "$file includes $seen/" ;; esac
    done
    if [ $layer != border ] && grep -qE '# *include *[<"](lua|lauxlib|lualib|luajit)\.h' "$file"; then
      fault "$file knows Lua"
    fi
  done
done
[ "$(grep -l LUA_VERSION_NUM src/*/*.[ch] | tr '\n' ' ')" = "src/border/compat.h " ] ||
  fault "only border/compat.h may test LUA_VERSION_NUM"

# 2. What base and wire may ask of the C library: memory blocks, text, no world.
libc=' memcpy memmove memset memcmp memchr memmem strlen strcmp strncmp strchr strspn strcspn strstr
 snprintf __snprintf_chk __memcpy_chk __memmove_chk __memset_chk __assert_fail __stack_chk_fail bsearch '
for object in "$build"/base/*.o "$build"/wire/*.o; do
  name=$(basename "$object" .o)
  for symbol in $(nm -u "$object" | awk '{print $2}'); do
    case "$symbol" in
    rcpt_* | _GLOBAL_OFFSET_TABLE_ | __asan_* | __ubsan_*) continue ;;
    realloc | free) [ "$name" = mem ] && continue ;;
    idn2_*) [ "$name" = domain ] && continue ;;
    u8_* | uc_* | uninorm_*) [ "$name" = unicode ] && continue ;;
    esac
    case "$libc" in *[[:space:]]"$symbol"[[:space:]]*) ;; *) fault "$object asks for $symbol" ;; esac
  done
done

# 3. Only io asks the system.
for object in "$build"/engine/*.o "$build"/border/*.o; do
  for symbol in $(nm -u "$object" | awk '{print $2}'); do
    case "$symbol" in
    socket | connect | bind | listen | accept* | send* | recv* | read | write | poll | epoll_* | \
      clock_gettime | time | gettimeofday | ares_* | getaddrinfo | gethostby*)
      fault "$object asks the system for $symbol" ;;
    esac
  done
done
#    ...and in it TLS alone knows OpenSSL.
for object in "$build"/base/*.o "$build"/wire/*.o "$build"/io/*.o "$build"/engine/*.o "$build"/border/*.o; do
  name=$(basename "$object" .o)
  for symbol in $(nm -u "$object" | awk '{print $2}'); do
    case "$symbol" in
    SSL_* | TLS_* | BIO_* | X509_* | ERR_* | EVP_* | OPENSSL_* | OpenSSL_* | CRYPTO_*)
      case "$name" in tls | tls_context) ;; *) fault "$object asks OpenSSL for $symbol" ;; esac ;;
    esac
  done
done

# 4. Nothing mutable at file scope; a pthread_once_t is exempt by name.
for object in "$build"/*/*.o; do
  case "$object" in */rcpt/*) continue ;; esac
  objdump -t "$object" | awk '$3 == "O" || $2 == "O" || $4 == "O" {print}' |
    grep -E ' \.(data|bss|tdata|tbss)(\.[a-z_0-9]+)?[[:space:]]' | grep -vE ' \.data\.rel\.ro' |
    awk '{print $NF}' | while read -r symbol; do
    case "$symbol" in *_once) ;; *) echo "layers: $object holds $symbol" ;; esac
  done
done | grep . && bad=1

# 5. One exported symbol.
for so in "${BUILD:-build}"/5.*/rcpt/core.so; do
  exported=$(nm -D --defined-only "$so" | awk '$2 ~ /[TDBRVW]/ {print $3}' | grep -vE '^(_init|_fini|__asan|__ubsan)' | tr '\n' ' ')
  [ "$exported" = "luaopen_rcpt_core " ] || fault "$so exports: $exported"
done

# 6. Lua: no host outside driver/, and C is reached through few doors.
hosts='ngx|cqueues|luv|uv|copas|socket|posix'
grep -nE "require *\(? *[\"']($hosts)[\"'.]" -r lua --include=*.lua | grep -v '^lua/rcpt/driver/' && fault "a host is required outside driver/"
grep -nE '(^|[^.[:alnum:]_])ngx\.' -r lua --include=*.lua | grep -vE '^lua/rcpt/driver/|^[^:]*:[0-9]+: *--' && fault "ngx is used outside driver/"

[ $bad = 0 ] && echo "layers: kept"
exit $bad
