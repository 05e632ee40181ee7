/* wire/socks.h -- the client's side of SOCKS5 (RFC 1928, RFC 1929), without a socket.
 *
 * CONNECT to an IP address, never to a name: we resolve, so that refused ranges stay refused.
 * No authentication, or user and password. Allocates nothing, reads no clock. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_WIRE_SOCKS_H
#define RCPT_WIRE_SOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { RCPT_SOCKS_WORD_MAX = 255 };    /* RFC 1929 2: a user or password */

struct rcpt_socks {
    uint8_t  at;
    uint16_t out_len, out_sent, in_len, in_need;
    uint8_t  code;                     /* the proxy's reply code, RFC 1928 6 */
    uint8_t  user_len, password_len, ip_len;
    uint16_t port;
    uint8_t  ip[16];
    char     user[RCPT_SOCKS_WORD_MAX], password[RCPT_SOCKS_WORD_MAX];
    uint8_t  out[520], in[264];
};

/* `ip` is 4 or 16 bytes in network order; user may be NULL. RCPT_BADARG: a word too long or empty. */
rcpt_err rcpt_socks_init(struct rcpt_socks *s, const uint8_t *ip, size_t ip_len, uint16_t port,
                         const char *user, const char *password);
/* What to send now: borrowed; *n == 0: the proxy is to speak, or it is over. */
const void *rcpt_socks_out(const struct rcpt_socks *s, size_t *n);
void     rcpt_socks_sent(struct rcpt_socks *s, size_t n);
/* Take what the proxy sent; *used of it (never a byte that belongs to the peer behind it).
 *   RCPT_AGAIN    more is needed
 *   RCPT_OK       connected: the next byte is the peer's
 *   RCPT_REFUSED RCPT_UNREACH RCPT_TIMEOUT   the proxy says so of the peer (reply 5; 3, 4; 6)
 *   RCPT_PROXY    the proxy will not: authentication, ruleset (2), any other code
 *   RCPT_PROTO    this is no SOCKS5 proxy */
rcpt_err rcpt_socks_feed(struct rcpt_socks *s, const void *in, size_t len, size_t *used);

#endif
