/* engine/proxy.h -- the way to one address through a SOCKS5 proxy, over a connected socket.
 *
 * wire/socks.h carried: it moves bytes. Who connects to the proxy, and how long all of it may
 * take, is its owner's business (dial.c). Never reads a byte of what the peer behind the proxy
 * says. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_ENGINE_PROXY_H
#define RCPT_ENGINE_PROXY_H

#include "base/mem.h"
#include "io/sock.h"
#include "wire/socks.h"

struct rcpt_proxy_config {
    struct rcpt_ip   at;                /* where it listens, the port within; len 0: no proxy */
    struct rcpt_span user, password;    /* borrowed; user.p == NULL: no authentication */
};

/* A copy of it, with its words. */
struct rcpt_via {
    struct rcpt_proxy_config cfg;
    char words[2 * RCPT_SOCKS_WORD_MAX];
};

/* RCPT_NOMEM; RCPT_BADARG: a user or password that cannot be said, see rcpt_socks_init(). */
rcpt_err rcpt_via_open(struct rcpt_via **v, const struct rcpt_mem *mem,
                       const struct rcpt_proxy_config *cfg);
void     rcpt_via_close(struct rcpt_via *v, const struct rcpt_mem *mem);         /* NULL is nothing */

/* One way through it; NULL where none is under way. */
struct rcpt_proxy;

/* RCPT_NOMEM; RCPT_BADARG: see rcpt_socks_init(). Borrows nothing but `mem`. */
rcpt_err rcpt_proxy_open(struct rcpt_proxy **p, const struct rcpt_mem *mem,
                         const struct rcpt_proxy_config *cfg, const struct rcpt_ip *to);
void     rcpt_proxy_close(struct rcpt_proxy *p, const struct rcpt_mem *mem);     /* NULL is nothing */

/* Go on; `fd` is connected to the proxy and ready. RCPT_OK: connected to the address;
 * RCPT_AGAIN: watch for *events. RCPT_REFUSED RCPT_UNREACH RCPT_TIMEOUT: the proxy says so of
 * the address; RCPT_PROXY: it will not, hung up, or is no proxy. */
rcpt_err rcpt_proxy_go(struct rcpt_proxy *p, int fd, unsigned *events);
/* Has it answered at all? If so, silence is the address's, not the proxy's. */
bool     rcpt_proxy_has_answered(const struct rcpt_proxy *p);
/* Did it judge the address (any reply to CONNECT)? If not, it will do no better with another
 * one. */
bool     rcpt_proxy_has_judged(const struct rcpt_proxy *p);
const char *rcpt_proxy_why(const struct rcpt_proxy *p);       /* for people; static, never NULL */

#endif
