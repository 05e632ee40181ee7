/* base/err.h -- every way an operation can fail, in one list.
 *
 * The enum, the stable name (what Lua sees as `code`) and the human text grow
 * from RCPT_ERRORS. Names are covered by the version; texts are not. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_BASE_ERR_H
#define RCPT_BASE_ERR_H

#define RCPT_ERRORS(X)                                                      \
    X(OK,         "ok",          "no error")                                \
    X(NOMEM,      "nomem",       "out of memory")                           \
    X(BADARG,     "badarg",      "an argument that cannot be used")         \
    X(TOOLONG,    "toolong",     "longer than the protocol allows")         \
    X(FULL,       "full",        "a ceiling was reached")                   \
    X(PROTO,      "proto",       "the peer does not speak the protocol")    \
    X(CLOSED,     "closed",      "already closed")                          \
    X(CANCELLED,  "cancelled",   "cancelled")                               \
    X(TIMEOUT,    "timeout",     "no answer in time")                       \
    X(EOF,        "eof",         "the peer hung up")                        \
    X(RESET,      "reset",       "the peer reset the connection")           \
    X(REFUSED,    "refused",     "connection refused")                      \
    X(UNREACH,    "unreachable", "no way to the host or network")           \
    X(SOURCE,     "source",      "the source address cannot be used here")  \
    X(NOFILE,     "nofile",      "no file descriptors left")                \
    X(TLS,        "tls",         "the TLS handshake or record layer failed")  \
    X(PROXY,      "proxy",       "the proxy will not connect us")           \
    X(AGAIN,      "again",       "not now; ask again when ready")           \
    X(SMTPUTF8,   "smtputf8_unsupported", "the peer does not offer SMTPUTF8") \
    X(NOTOFFERED, "not_offered", "the peer does not offer it")              \
    X(SYSTEM,     "system",      "the operating system refused")

typedef enum {
#define X(id, name, text) RCPT_##id,
    RCPT_ERRORS(X)
#undef X
    RCPT_ERR_COUNT
} rcpt_err;

/* The stable name and the text of an error; both static, never NULL. */
const char *rcpt_err_name(rcpt_err e);
const char *rcpt_err_text(rcpt_err e);

#endif
