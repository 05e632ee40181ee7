/* io/sock.h -- TCP sockets that never block, and IP addresses as text.
 *
 * Every descriptor made here is non-blocking and close-on-exec; a peer that is
 * gone is an rcpt_err, never a SIGPIPE. It knows nothing of mail. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_IO_SOCK_H
#define RCPT_IO_SOCK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

#define RCPT_IP_TEXT 46               /* bytes, NUL included: INET6_ADDRSTRLEN */

struct rcpt_ip {
    union {
        struct sockaddr     any;
        struct sockaddr_in  v4;
        struct sockaddr_in6 v6;
    } sa;
    socklen_t len;                    /* bytes of sa in use; 0: none */
};

/* "192.0.2.1", "2001:db8::1"; no brackets, no scope, no name. `text` ends with a
 * NUL. RCPT_BADARG for anything else. */
rcpt_err rcpt_ip_read(struct rcpt_ip *ip, const char *text, uint16_t port);
void     rcpt_ip_write(const struct rcpt_ip *ip, char text[RCPT_IP_TEXT]);
bool     rcpt_ip_is_v6(const struct rcpt_ip *ip);

/* Start to connect; `source` (may be NULL, port 0) is bound first. On RCPT_OK *fd
 * is the caller's and becomes writable when the connection stands or failed.
 * RCPT_SOURCE: the source is not of this machine or not of that family;
 * RCPT_NOFILE, RCPT_UNREACH, RCPT_REFUSED, RCPT_SYSTEM. */
rcpt_err rcpt_sock_dial(int *fd, const struct rcpt_ip *to, const struct rcpt_ip *source);
/* How the connect ended, once writable: RCPT_OK, RCPT_REFUSED, RCPT_UNREACH,
 * RCPT_TIMEOUT, RCPT_RESET, RCPT_SYSTEM. */
rcpt_err rcpt_sock_dialled(int fd);
/* *n > 0 bytes on RCPT_OK; RCPT_AGAIN, RCPT_EOF, RCPT_RESET, RCPT_TIMEOUT, RCPT_SYSTEM. */
rcpt_err rcpt_sock_read(int fd, void *p, size_t size, size_t *n);
rcpt_err rcpt_sock_write(int fd, const void *p, size_t size, size_t *n);
/* Our own end's address. */
rcpt_err rcpt_sock_local(int fd, struct rcpt_ip *ip);
void     rcpt_sock_close(int fd);
/* read(2) on any descriptor that poll says is readable (stdin, a pipe, a file):
 * *n == 0 with RCPT_EOF at its end. */
rcpt_err rcpt_fd_read(int fd, void *p, size_t size, size_t *n);

#endif
