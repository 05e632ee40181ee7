/* engine/proxy.c -- see proxy.h. What bounds it: the proxy's answers are some 300 bytes in all. */
/* SPDX-License-Identifier: MIT */
#include "engine/proxy.h"

#include "io/poller.h"

struct rcpt_proxy {
    struct rcpt_socks socks;
    const char *why;                    /* where the connection ended; NULL: ask socks */
    bool        has_answered;
};

/* One byte at a time, so that the first byte of the peer behind it stays in the socket: how long
 * the proxy's last answer is stands in the answer itself, and they are short. */
static rcpt_err hear(struct rcpt_proxy *p, int fd)
{
    rcpt_err e = RCPT_AGAIN;
    while (e == RCPT_AGAIN) {
        char c;
        size_t n, used;
        rcpt_err got = rcpt_sock_read(fd, &c, 1, &n);
        if (got == RCPT_AGAIN)
            return RCPT_AGAIN;
        if (got != RCPT_OK) {
            p->why = got == RCPT_EOF ? "the proxy hung up" : "the connection to the proxy was lost";
            return RCPT_PROXY;
        }
        p->has_answered = true;
        e = rcpt_socks_feed(&p->socks, &c, 1, &used);
        (void)rcpt_socks_out(&p->socks, &n);
        if (e == RCPT_AGAIN && n > 0)
            return RCPT_AGAIN;
    }
    return e == RCPT_PROTO ? RCPT_PROXY : e;
}

/* RCPT_OK: all that was to be said has gone. */
static rcpt_err speak(struct rcpt_proxy *p, int fd)
{
    size_t len, n;
    const void *out;
    while ((out = rcpt_socks_out(&p->socks, &len)), len > 0) {
        rcpt_err e = rcpt_sock_write(fd, out, len, &n);
        if (e == RCPT_AGAIN)
            return e;
        if (e != RCPT_OK) {
            p->why = "the connection to the proxy was lost";
            return RCPT_PROXY;
        }
        rcpt_socks_sent(&p->socks, n);
    }
    return RCPT_OK;
}

rcpt_err rcpt_via_open(struct rcpt_via **out, const struct rcpt_mem *mem,
                       const struct rcpt_proxy_config *cfg)
{
    struct rcpt_proxy *p;
    struct rcpt_span user = cfg->user, password = cfg->password;
    rcpt_err e = rcpt_proxy_open(&p, mem, cfg, &cfg->at);       /* would the words do? */
    if (e != RCPT_OK)
        return e;
    rcpt_proxy_close(p, mem);
    struct rcpt_via *v = rcpt_mem_alloc(mem, sizeof *v);
    if (v == NULL)
        return RCPT_NOMEM;
    v->cfg.at = cfg->at;
    if (user.p != NULL) {
        memcpy(v->words, user.p, user.n);
        memcpy(v->words + user.n, password.p, password.n);
        v->cfg.user = (struct rcpt_span){ v->words, user.n };
        v->cfg.password = (struct rcpt_span){ v->words + user.n, password.n };
    }
    *out = v;
    return RCPT_OK;
}

void rcpt_via_close(struct rcpt_via *v, const struct rcpt_mem *mem)
{
    rcpt_mem_free(mem, v, sizeof *v);
}

rcpt_err rcpt_proxy_open(struct rcpt_proxy **out, const struct rcpt_mem *mem,
                         const struct rcpt_proxy_config *cfg, const struct rcpt_ip *to)
{
    bool is_v6 = rcpt_ip_is_v6(to);
    const void *ip = is_v6 ? (const void *)&to->sa.v6.sin6_addr : (const void *)&to->sa.v4.sin_addr;
    uint16_t port = ntohs(is_v6 ? to->sa.v6.sin6_port : to->sa.v4.sin_port);
    struct rcpt_proxy *p = rcpt_mem_alloc(mem, sizeof *p);
    if (p == NULL)
        return RCPT_NOMEM;
    rcpt_err e = rcpt_socks_init(&p->socks, ip, is_v6 ? 16 : 4, port, cfg->user, cfg->password);
    if (e != RCPT_OK) {
        rcpt_proxy_close(p, mem);
        return e;
    }
    *out = p;
    return RCPT_OK;
}

void rcpt_proxy_close(struct rcpt_proxy *p, const struct rcpt_mem *mem)
{
    rcpt_mem_free(mem, p, sizeof *p);
}

rcpt_err rcpt_proxy_go(struct rcpt_proxy *p, int fd, unsigned *events)
{
    for (;;) {
        size_t n;
        rcpt_err e = speak(p, fd);
        if (e == RCPT_AGAIN)
            *events = RCPT_WRITABLE;
        if (e == RCPT_OK) {
            e = hear(p, fd);
            *events = RCPT_READABLE;
            (void)rcpt_socks_out(&p->socks, &n);
            if (e == RCPT_AGAIN && n > 0)
                continue;              /* it answered, and is to be answered */
        }
        return e;
    }
}

bool rcpt_proxy_has_answered(const struct rcpt_proxy *p)
{
    return p->has_answered;
}

bool rcpt_proxy_has_judged(const struct rcpt_proxy *p)
{
    return p->socks.code != 0;
}

const char *rcpt_proxy_why(const struct rcpt_proxy *p)
{
    return p->why != NULL ? p->why : rcpt_socks_why(&p->socks);
}
