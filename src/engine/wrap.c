/* engine/wrap.c -- see wrap.h. What bounds it: one read of the socket a call, READ_MAX bytes,
 * and what io/tls.h holds. */
/* SPDX-License-Identifier: MIT */
#include "engine/wrap.h"

#include "io/sock.h"

#define READ_MAX 16384

/* What the socket holds into TLS, once. */
static rcpt_err take(struct rcpt_wrap *w)
{
    char in[READ_MAX];
    size_t n = 0;
    rcpt_err e = rcpt_sock_read(w->fd, in, sizeof in, &n);
    if (e == RCPT_OK)
        e = rcpt_tls_feed(w->tls, in, n);
    return e == RCPT_FULL ? RCPT_TOOLONG : e;
}

void rcpt_wrap_init(struct rcpt_wrap *w, int fd)
{
    w->fd = fd;
    w->tls = NULL;
}

rcpt_err rcpt_wrap_secure(struct rcpt_wrap *w, rcpt_tls_context *x, const char *name)
{
    return rcpt_tls_open(&w->tls, x, name);
}

rcpt_err rcpt_wrap_shake(struct rcpt_wrap *w, bool may_read)
{
    rcpt_err lost = may_read ? take(w) : RCPT_OK;
    if (lost == RCPT_NOMEM || lost == RCPT_TOOLONG)
        return lost;
    rcpt_err e = rcpt_tls_shake(w->tls);
    rcpt_err sent = rcpt_wrap_flush(w);
    if (e != RCPT_AGAIN)
        return e;
    if (lost != RCPT_OK && lost != RCPT_AGAIN)
        return lost;
    return sent == RCPT_OK ? RCPT_AGAIN : sent;
}

rcpt_err rcpt_wrap_read(struct rcpt_wrap *w, void *p, size_t size, size_t *n, bool may_read)
{
    if (w->tls == NULL)
        return may_read ? rcpt_sock_read(w->fd, p, size, n) : RCPT_AGAIN;
    rcpt_err e = rcpt_tls_read(w->tls, p, size, n);
    if (e != RCPT_AGAIN || !may_read)
        return e;
    e = take(w);
    return e == RCPT_OK ? rcpt_tls_read(w->tls, p, size, n) : e;
}

rcpt_err rcpt_wrap_write(struct rcpt_wrap *w, const void *p, size_t size, size_t *n)
{
    if (w->tls == NULL)
        return rcpt_sock_write(w->fd, p, size, n);
    rcpt_err e = rcpt_tls_write(w->tls, p, size);
    if (e == RCPT_FULL)
        return RCPT_AGAIN;
    if (e == RCPT_OK)
        e = rcpt_wrap_flush(w);
    if (e == RCPT_OK)
        *n = size;
    return e;
}

rcpt_err rcpt_wrap_flush(struct rcpt_wrap *w)
{
    size_t len, n;
    const char *p;
    if (w->tls == NULL)
        return RCPT_OK;
    while ((p = rcpt_tls_out(w->tls, &len)), len > 0) {
        rcpt_err e = rcpt_sock_write(w->fd, p, len, &n);
        if (e == RCPT_AGAIN)
            break;
        if (e != RCPT_OK)
            return e;
        rcpt_tls_sent(w->tls, n);
    }
    return RCPT_OK;
}

bool rcpt_wrap_is_sending(const struct rcpt_wrap *w)
{
    size_t len = 0;
    if (w->tls != NULL)
        (void)rcpt_tls_out(w->tls, &len);
    return len > 0;
}

void rcpt_wrap_close(struct rcpt_wrap *w, bool politely)
{
    if (w->fd < 0)
        return;
    if (w->tls != NULL && politely) {
        rcpt_tls_shut(w->tls);
        (void)rcpt_wrap_flush(w);
    }
    rcpt_tls_close(w->tls);
    w->tls = NULL;
    rcpt_sock_close(w->fd);
    w->fd = -1;
}
