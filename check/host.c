/* check/host.c -- see host.h. */
/* SPDX-License-Identifier: MIT */
#include "check/host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void set_nonblocking(int fd)
{
    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0);
}

static int listen_at(uint16_t *port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&a, len) == 0 && listen(fd, CONNS) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&a, &len) == 0);
    *port = ntohs(a.sin_port);
    set_nonblocking(fd);
    return fd;
}

static void hang_up(struct conn *c)
{
    if (c->is_tls)
        peer_close(&c->tls);
    (void)close(c->fd);
    c->fd = -1;
}

static void send_all(struct conn *c, const void *p, size_t n)
{
    if (send(c->fd, p, n, MSG_NOSIGNAL) < 0)
        hang_up(c);
}

/* What TLS has to send. */
static void flush(struct conn *c)
{
    char out[4096];
    size_t n;
    while (c->fd >= 0 && c->is_tls && (n = peer_out(&c->tls, out, sizeof out)) > 0)
        send_all(c, out, n);
}

static void say(struct conn *c, const char *text)
{
    if (c->is_tls)
        peer_write(&c->tls, text, strlen(text));
    else
        send_all(c, text, strlen(text));
    flush(c);
}

static void start_tls(struct host *h, struct conn *c)
{
    c->has_asked_tls = false;
    say(c, "220 2.0.0 go ahead\r\n");
    if (c->fd < 0)
        return;
    peer_open(&c->tls, WANT(.cert = &h->cert));
    c->is_tls = true;
}

static void heed(struct host *h, struct conn *c, const char *line)
{
    static const struct { const char *verb, *reply; } replies[] = {
        { "EHLO ", "250-mx\r\n250-STARTTLS\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES\r\n" },
        { "MAIL ", "250 2.1.0 ok\r\n" },
        { "RCPT TO:<yes", "250 2.1.5 ok\r\n" },
        { "RCPT TO:<no", "550-5.1.1 no\r\n550 5.1.1 such user\r\n" },
        { "RSET", "250 2.0.0 ok\r\n" },
        { "QUIT", "221 2.0.0 bye\r\n" },
    };
    if (strcmp(line, "STARTTLS") == 0) {
        CHECK(!c->is_tls);
        c->has_asked_tls = true;
        if (!h->holds_tls)
            start_tls(h, c);
        return;
    }
    for (size_t k = 0; k < sizeof replies / sizeof *replies; k++)
        if (strncmp(line, replies[k].verb, strlen(replies[k].verb)) == 0) {
            h->quits += strcmp(line, "QUIT") == 0;
            say(c, replies[k].reply);
            return;
        }
    demand_failed(line, __FILE__, __LINE__);
}

/* No authentication, then CONNECT to an IPv4 address: we are what is behind us. */
static void lead(struct conn *c)
{
    static const unsigned char hello[] = { 5, 1, 0 }, connect_to[] = { 5, 1, 0, 1 };
    unsigned char reply[10] = { 5, 0, 0, 1 };
    if (c->have == sizeof hello) {
        CHECK(memcmp(c->line, hello, sizeof hello) == 0);
        send_all(c, "\5", 2);
    } else if (c->have == sizeof hello + 10) {
        const unsigned char *asked = (const unsigned char *)c->line + sizeof hello;
        CHECK(memcmp(asked, connect_to, sizeof connect_to) == 0);
        reply[1] = asked[8] == 0 && asked[9] == 1 ? 5 : 0;
        send_all(c, reply, sizeof reply);
        if (c->fd < 0 || reply[1] != 0)
            return;
        c->is_socks = false;
        c->have = 0;
        say(c, "220-mx\r\n220 ready\r\n");
    }
}

static void hear(struct host *h, struct conn *c, char octet)
{
    CHECK(c->have < sizeof c->line);
    c->line[c->have++] = octet;
    if (c->is_socks) {
        lead(c);
    } else if (octet == '\n') {
        CHECK(c->have >= 2 && c->line[c->have - 2] == '\r');
        c->line[c->have - 2] = '\0';
        c->have = 0;
        heed(h, c, c->line);
    }
}

static void read_some(struct host *h, struct conn *c)
{
    char octet, plain;
    ssize_t n = 0;
    while (c->fd >= 0 && (n = recv(c->fd, &octet, 1, 0)) == 1) {
        if (!c->is_tls) {
            hear(h, c, octet);
            continue;
        }
        peer_feed(&c->tls, &octet, 1);
        flush(c);
        while (c->fd >= 0 && peer_read(&c->tls, &plain, 1) == 1)
            hear(h, c, plain);
    }
    if (c->fd < 0 || (n != 0 && errno == EAGAIN))
        return;
    h->notified += c->is_tls && (SSL_get_shutdown(c->tls.ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
    hang_up(c);
}

static void accept_one(struct conn *c, int fd, bool is_socks)
{
    int got = accept(fd, NULL, NULL);
    if (got < 0)
        return;
    memset(c, 0, sizeof *c);
    c->fd = got;
    c->is_socks = is_socks;
    set_nonblocking(got);
    if (!is_socks)
        say(c, "220-mx\r\n220 ready\r\n");
}

void host_open(struct host *h)
{
    memset(h, 0, sizeof *h);
    for (int i = 0; i < CONNS; i++)
        h->conn[i].fd = -1;
    h->fd = listen_at(&h->port);
    h->proxy_fd = listen_at(&h->proxy_port);
    cert_make(&h->cert, &(struct cert_want){ .name = "mx.example", .san = "DNS:mx.example" });
}

void host_close(struct host *h)
{
    host_drop(h);
    (void)close(h->fd);
    (void)close(h->proxy_fd);
    cert_done(&h->cert);
}

void host_step(struct host *h)
{
    for (int i = 0; i < CONNS; i++) {
        struct conn *c = &h->conn[i];
        if (c->fd < 0)
            accept_one(c, h->fd, false);
        if (c->fd < 0)
            accept_one(c, h->proxy_fd, true);
        if (c->fd >= 0)
            read_some(h, c);
    }
}

void host_drop(struct host *h)
{
    for (int i = 0; i < CONNS; i++)
        if (h->conn[i].fd >= 0)
            hang_up(&h->conn[i]);
}

unsigned host_asked_tls(const struct host *h)
{
    unsigned n = 0;
    for (int i = 0; i < CONNS; i++)
        n += h->conn[i].fd >= 0 && h->conn[i].has_asked_tls;
    return n;
}

void host_let_tls(struct host *h)
{
    h->holds_tls = false;
    for (int i = 0; i < CONNS; i++)
        if (h->conn[i].fd >= 0 && h->conn[i].has_asked_tls)
            start_tls(h, &h->conn[i]);
}

unsigned host_open_now(const struct host *h)
{
    unsigned n = 0;
    for (int i = 0; i < CONNS; i++)
        n += h->conn[i].fd >= 0;
    return n;
}

unsigned host_unread(const struct host *h)
{
    unsigned n = 0;
    char octet;
    for (int i = 0; i < CONNS; i++)
        n += h->conn[i].fd >= 0 && recv(h->conn[i].fd, &octet, 1, MSG_PEEK) == 1;
    return n;
}
