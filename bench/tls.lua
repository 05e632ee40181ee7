-- TLS handshakes without a socket beside OpenSSL's own; all of it is in tls.c.
local support = require "bench.support"
local program = support.compile("tls", "-I. spec/io/tls_peer.c src/base/*.c src/io/tls*.c -lssl -lcrypto")
print((support.output(program):gsub("%s+$", "")))
