/* io/sock.c -- see sock.h. It keeps nothing: every function is one or a few system calls. */
/* SPDX-License-Identifier: MIT */
#include "io/sock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

static const struct {
    int      number;
    rcpt_err err;
} errors[] = {
    { EAGAIN,        RCPT_AGAIN   }, { EINTR,        RCPT_AGAIN   },
    { EMFILE,        RCPT_NOFILE  }, { ENFILE,       RCPT_NOFILE  },
    { ECONNREFUSED,  RCPT_REFUSED }, { ETIMEDOUT,    RCPT_TIMEOUT },
    { ECONNRESET,    RCPT_RESET   }, { EPIPE,        RCPT_RESET   },
    { ECONNABORTED,  RCPT_RESET   },
    { ENETUNREACH,   RCPT_UNREACH }, { EHOSTUNREACH, RCPT_UNREACH },
    { ENETDOWN,      RCPT_UNREACH }, { EHOSTDOWN,    RCPT_UNREACH },
    { ENONET,        RCPT_UNREACH }, { ENOPROTOOPT,  RCPT_UNREACH },
    { EACCES,        RCPT_UNREACH }, { EPERM,        RCPT_UNREACH },  /* a firewall of ours     */
    { EAFNOSUPPORT,  RCPT_UNREACH },                                  /* a kernel without IPv6  */
    { EADDRNOTAVAIL, RCPT_UNREACH }, { EINVAL,       RCPT_UNREACH },  /* no address of ours fits */
};

static rcpt_err errno_err(int e)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].number == e)
            return errors[i].err;
    return RCPT_SYSTEM;
}

/* One system call's result as ours. */
static rcpt_err moved(ssize_t got, size_t *n)
{
    if (got < 0)
        return errno_err(errno);
    *n = (size_t)got;
    return RCPT_OK;
}

static rcpt_err bind_source(int fd, const struct rcpt_ip *source)
{
    int on = 1;
    /* The port is chosen at connect(), per peer: without it 28,000 connections from one
     * address are all there can be, however many hosts they go to. */
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    return bind(fd, &source->sa.any, source->len) == 0 ? RCPT_OK : RCPT_SOURCE;
}

static rcpt_err start(int fd, const struct rcpt_ip *to, const struct rcpt_ip *source)
{
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (source != NULL) {
        rcpt_err e = bind_source(fd, source);
        if (e != RCPT_OK)
            return e;
    }
    if (connect(fd, &to->sa.any, to->len) == 0 || errno == EINPROGRESS || errno == EINTR)
        return RCPT_OK;
    if (errno == EADDRNOTAVAIL && source != NULL)
        return RCPT_SOURCE;
    return errno == EAGAIN ? RCPT_SYSTEM : errno_err(errno);
}

rcpt_err rcpt_ip_read(struct rcpt_ip *ip, const char *text, uint16_t port)
{
    struct rcpt_ip got;
    memset(&got, 0, sizeof got);
    if (inet_pton(AF_INET, text, &got.sa.v4.sin_addr) == 1) {
        got.sa.v4.sin_family = AF_INET;
        got.sa.v4.sin_port = htons(port);
        got.len = sizeof got.sa.v4;
    } else if (inet_pton(AF_INET6, text, &got.sa.v6.sin6_addr) == 1) {
        got.sa.v6.sin6_family = AF_INET6;
        got.sa.v6.sin6_port = htons(port);
        got.len = sizeof got.sa.v6;
    } else {
        return RCPT_BADARG;
    }
    *ip = got;
    return RCPT_OK;
}

void rcpt_ip_write(const struct rcpt_ip *ip, char text[RCPT_IP_TEXT])
{
    const void *address = rcpt_ip_is_v6(ip) ? (const void *)&ip->sa.v6.sin6_addr
                                            : (const void *)&ip->sa.v4.sin_addr;
    text[0] = '\0';
    if (ip->len != 0)
        (void)inet_ntop(ip->sa.any.sa_family, address, text, RCPT_IP_TEXT);
}

bool rcpt_ip_is_v6(const struct rcpt_ip *ip)
{
    return ip->len != 0 && ip->sa.any.sa_family == AF_INET6;
}

rcpt_err rcpt_sock_dial(int *out, const struct rcpt_ip *to, const struct rcpt_ip *source)
{
    if (source != NULL && source->len == 0)
        source = NULL;
    if (source != NULL && source->sa.any.sa_family != to->sa.any.sa_family)
        return RCPT_SOURCE;
    int fd = socket(to->sa.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno_err(errno);
    rcpt_err e = start(fd, to, source);
    if (e != RCPT_OK) {
        rcpt_sock_close(fd);
        return e;
    }
    *out = fd;
    return RCPT_OK;
}

rcpt_err rcpt_sock_dialled(int fd)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        error = errno;
    return error == 0 ? RCPT_OK : errno_err(error);
}

rcpt_err rcpt_sock_read(int fd, void *p, size_t size, size_t *n)
{
    ssize_t got = recv(fd, p, size, 0);
    return got == 0 && size != 0 ? RCPT_EOF : moved(got, n);
}

rcpt_err rcpt_sock_write(int fd, const void *p, size_t size, size_t *n)
{
    return moved(send(fd, p, size, MSG_NOSIGNAL), n);
}

rcpt_err rcpt_sock_local(int fd, struct rcpt_ip *ip)
{
    struct rcpt_ip got;
    memset(&got, 0, sizeof got);
    got.len = sizeof got.sa;
    if (getsockname(fd, &got.sa.any, &got.len) != 0)
        return RCPT_SYSTEM;
    *ip = got;
    return RCPT_OK;
}

void rcpt_sock_close(int fd)
{
    (void)close(fd);
}

rcpt_err rcpt_fd_read(int fd, void *p, size_t size, size_t *n)
{
    ssize_t got = read(fd, p, size);
    *n = 0;
    return got == 0 && size != 0 ? RCPT_EOF : moved(got, n);
}
