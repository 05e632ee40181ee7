/* bench/floor.c -- the least that can speak the dialogue: a floor to measure against.
 *
 *   floor IP PORT SESSIONS CONCURRENCY [pipelined] [rcpts=N] [tls] [domain=NAME]
 *
 * One epoll loop, no timers, no DNS, no parsing past the last line of a reply: greeting, EHLO,
 * (STARTTLS, EHLO), MAIL, RCPT N times, QUIT, the next command when a reply is whole, or MAIL and
 * the first RCPT in one write. Prints: sessions a second, processor us a session. */
/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EHLO, STARTTLS, EHLO_AGAIN, MAIL, RCPT, QUIT, OVER };

struct session {
    int  fd, next, asked, ahead;         /* ahead: replies to come before the next command */
    bool is_shaking;
    SSL *ssl;
    char line[512];
    int  len;
};

static const char *say[] = { "EHLO floor.example\r\n", "STARTTLS\r\n", "EHLO floor.example\r\n",
                             "MAIL FROM:<user@floor.example>\r\n", NULL, "QUIT\r\n" };
static char rcpt[300], mail_and_rcpt[400];
static struct sockaddr_in target;
static int poller, recipients = 1;
static bool pipelined, wants_tls;
static SSL_CTX *tls;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void dial(struct session *s)
{
    *s = (struct session){ .next = EHLO };
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;                          /* TLS writes twice in a row: Nagle would wait for an ACK */
    if (s->fd < 0 || setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
        die("socket");
    if (connect(s->fd, (struct sockaddr *)&target, sizeof target) < 0 && errno != EINPROGRESS)
        die("connect");
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = s };
    if (epoll_ctl(poller, EPOLL_CTL_ADD, s->fd, &ev) < 0)
        die("epoll_ctl");
}

static void send_text(struct session *s, const char *text)
{
    int n = (int)strlen(text);
    if ((s->ssl != NULL ? SSL_write(s->ssl, text, n) : (int)write(s->fd, text, (size_t)n)) != n)
        die("write");
}

static void shake(struct session *s)
{
    int r = SSL_connect(s->ssl);
    if (r == 1) {
        s->is_shaking = false;
        send_text(s, say[EHLO_AGAIN]);
        s->next = MAIL;
    } else if (SSL_get_error(s->ssl, r) != SSL_ERROR_WANT_READ) {
        die("handshake");
    }
}

/* One whole reply came; true when the session is over. */
static bool go_on(struct session *s)
{
    if (s->ahead > 0 && s->ahead-- > 1)
        return false;
    switch (s->next) {
    case EHLO:
        send_text(s, say[EHLO]);
        s->next = wants_tls ? STARTTLS : MAIL;
        return false;
    case STARTTLS:
        send_text(s, say[STARTTLS]);
        s->next = EHLO_AGAIN;
        return false;
    case EHLO_AGAIN:
        s->ssl = SSL_new(tls);
        SSL_set_fd(s->ssl, s->fd);
        s->is_shaking = true;
        shake(s);
        return false;
    case MAIL:
        send_text(s, pipelined ? mail_and_rcpt : say[MAIL]);
        s->asked = pipelined ? 1 : 0;
        s->ahead = pipelined ? 2 : 0;
        s->next = s->asked == recipients ? QUIT : RCPT;
        return false;
    case RCPT:
        send_text(s, rcpt);
        s->next = ++s->asked == recipients ? QUIT : RCPT;
        return false;
    default:
        send_text(s, say[QUIT]);
        return true;
    }
}

static bool hear(struct session *s, const char *in, int n)
{
    for (int i = 0; i < n; i++) {
        if (s->len < (int)sizeof s->line)
            s->line[s->len++] = in[i];
        if (in[i] == '\n') {
            bool last = s->len > 3 && s->line[3] != '-';
            s->len = 0;
            if (last && go_on(s))
                return true;
        }
    }
    return false;
}

/* Something to read; true when the session is over. */
static bool ready(struct session *s)
{
    char in[2048];
    if (s->is_shaking) {
        shake(s);
        return false;
    }
    for (;;) {
        int n = s->ssl != NULL ? SSL_read(s->ssl, in, sizeof in) : (int)read(s->fd, in, sizeof in);
        if (n <= 0) {
            if (s->ssl != NULL ? SSL_get_error(s->ssl, n) == SSL_ERROR_WANT_READ : errno == EAGAIN)
                return false;
            die("read");
        }
        if (hear(s, in, n))
            return true;
        if (s->ssl == NULL || s->is_shaking)
            return false;
    }
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static const char *read_options(int argc, char **argv)
{
    const char *domain = "sink.example";
    for (int i = 5; i < argc; i++) {
        if (strcmp(argv[i], "pipelined") == 0)
            pipelined = true;
        else if (strcmp(argv[i], "tls") == 0)
            wants_tls = true;
        else if (strncmp(argv[i], "rcpts=", 6) == 0)
            recipients = atoi(argv[i] + 6);
        else if (strncmp(argv[i], "domain=", 7) == 0)
            domain = argv[i] + 7;
    }
    return domain;
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: floor IP PORT SESSIONS CONCURRENCY [pipelined] [rcpts=N] [tls] [domain=NAME]\n");
        return 2;
    }
    target.sin_family = AF_INET;
    target.sin_port = htons((uint16_t)atoi(argv[2]));
    if (inet_pton(AF_INET, argv[1], &target.sin_addr) != 1)
        die("address");
    int total = atoi(argv[3]), at_once = atoi(argv[4]), started = 0, ended = 0;
    const char *domain = read_options(argc, argv);
    snprintf(rcpt, sizeof rcpt, "RCPT TO:<user@%s>\r\n", domain);
    snprintf(mail_and_rcpt, sizeof mail_and_rcpt, "%s%s", say[MAIL], rcpt);
    if (at_once > total)
        at_once = total;
    signal(SIGPIPE, SIG_IGN);
    tls = SSL_CTX_new(TLS_client_method());
    poller = epoll_create1(EPOLL_CLOEXEC);
    struct session *all = calloc((size_t)at_once, sizeof *all);
    if (poller < 0 || all == NULL || tls == NULL)
        die("start");

    double from = seconds();
    for (; started < at_once; started++)
        dial(&all[started]);
    while (ended < total) {
        struct epoll_event ev[64];
        int n = epoll_wait(poller, ev, 64, 10000);
        if (n <= 0)
            die("epoll_wait");
        for (int i = 0; i < n; i++) {
            struct session *s = ev[i].data.ptr;
            if (ready(s)) {
                SSL_free(s->ssl);
                close(s->fd);
                ended++;
                if (started < total) {
                    started++;
                    dial(s);
                }
            }
        }
    }
    double took = seconds() - from;
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    double cpu = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
                 (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
    printf("%.0f %.1f\n", total / took, cpu / total * 1e6);
    SSL_CTX_free(tls);
    free(all);
    return 0;
}
