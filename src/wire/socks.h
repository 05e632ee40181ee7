/* wire/socks.h -- the client's side of SOCKS5 (RFC 1928, RFC 1929), without a socket.
 *
 * CONNECT to an IP address, never to a name: we resolve, so that refused ranges stay refused. No
 * authentication, or user and password. Allocates nothing, reads no clock: all it may ever hold is
 * in the struct.
 *
 * The carrier sends what rcpt_socks_out() shows, feeds what comes back, and stops at the first
 * answer that is not RCPT_AGAIN. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_WIRE_SOCKS_H
#define RCPT_WIRE_SOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

enum { RCPT_SOCKS_WORD_MAX = 255 };    /* RFC 1929 2: a user or password */

struct rcpt_socks {                    /* `code` is for reading, the rest is socks.c's */
    uint8_t  code;                     /* the proxy's reply code, RFC 1928 6; 0 before it */
    uint8_t  at;
    rcpt_err err;                      /* AGAIN under way, else how it ended */
    const char *why;                   /* static */
    uint16_t out_len, out_sent, in_len;
    uint8_t  user_len, password_len, ip_len;
    uint16_t port;
    uint8_t  ip[16];
    char     user[RCPT_SOCKS_WORD_MAX], password[RCPT_SOCKS_WORD_MAX];
    uint8_t  out[520], in[264];
};

/* `ip` is 4 or 16 bytes in network order. user.p == NULL: no authentication is offered, the
 * password is not looked at; else both are copied. RCPT_BADARG: a user or password that is empty,
 * over 255 bytes or has a NUL, or an address of another length. */
rcpt_err rcpt_socks_init(struct rcpt_socks *s, const void *ip, size_t ip_len, uint16_t port,
                         struct rcpt_span user, struct rcpt_span password);
/* What to send now: borrowed until the next call; *n == 0: the proxy is to speak, or it is over. */
const void *rcpt_socks_out(const struct rcpt_socks *s, size_t *n);
/* So much of it has gone, n <= what was shown. */
void rcpt_socks_sent(struct rcpt_socks *s, size_t n);
/* Take what the proxy sent; *used of it (never a byte that belongs to the peer behind it).
 *   RCPT_AGAIN    all of it was taken: send what is out, or feed more
 *   RCPT_OK       connected: what was not taken, and all that follows, is the peer's
 *   RCPT_REFUSED RCPT_UNREACH RCPT_TIMEOUT   the proxy says so of the peer (reply 5; 3, 4; 6)
 *   RCPT_PROXY    the proxy will not: authentication, ruleset (2), any other code
 *   RCPT_PROTO    this is no SOCKS5 proxy, or it speaks out of turn
 * Once it is over, the same again, and nothing is taken. */
rcpt_err rcpt_socks_feed(struct rcpt_socks *s, const void *in, size_t len, size_t *used);
/* How it stands or ended, for people; static, never NULL. */
const char *rcpt_socks_why(const struct rcpt_socks *s);

#endif
