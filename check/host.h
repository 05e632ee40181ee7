/* check/host.h -- a mail server with STARTTLS, and a SOCKS5 proxy that leads to it, in this very thread: the
 * other side of the engine for check/faults.c. Whatever fails here stops the program. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_CHECK_HOST_H
#define RCPT_CHECK_HOST_H

#include "spec/io/tls_peer.h"

#include <stdint.h>

#define CHECK(what) DEMAND(what)
#define CONNS 24

struct conn {
    int    fd;                     /* -1: free */
    bool   is_socks;               /* not through the proxy yet */
    bool   has_asked_tls, is_tls;
    size_t have;
    char   line[512];
    struct peer tls;
};

struct host {
    int      fd, proxy_fd;         /* listening */
    uint16_t port, proxy_port;     /* 127.0.0.1; port 1 of the proxy's is refused */
    struct cert cert;
    struct conn conn[CONNS];
    unsigned quits, notified;      /* heard: QUIT; TLS's close_notify at the end of a connection */
    bool     holds_tls;            /* STARTTLS gets no answer until host_let_tls() */
};

void host_open(struct host *h);
void host_close(struct host *h);
void host_step(struct host *h);
void host_drop(struct host *h);                /* hang up on all */
unsigned host_asked_tls(const struct host *h); /* connections that wait for that answer */
void host_let_tls(struct host *h);
unsigned host_open_now(const struct host *h);
unsigned host_unread(const struct host *h);    /* connections on which something came that was not read */

#endif
