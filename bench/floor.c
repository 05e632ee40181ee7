/* bench/floor.c -- the least that can speak the dialogue: a floor to measure against.
 *
 *   floor IP PORT SESSIONS CONCURRENCY [pipelined]
 *
 * One epoll loop, no timers, no DNS, no parsing past the last line of a reply:
 * greeting, EHLO, MAIL, RCPT, QUIT, the next command when a reply is whole (or
 * MAIL and RCPT in one write). Prints: sessions a second, processor us a session. */
/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct session {
    int  fd, at, lines;
    char line[512];
    int  len;
};

static const char *say[] = { "EHLO floor.example\r\n", "MAIL FROM:<user@floor.example>\r\n",
                             "RCPT TO:<user@sink.example>\r\n", "QUIT\r\n" };
static const char both[] = "MAIL FROM:<user@floor.example>\r\nRCPT TO:<user@sink.example>\r\n";
static struct sockaddr_in target;
static int poller;
static bool pipelined;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void dial(struct session *s)
{
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        die("socket");
    s->at = s->len = 0;
    if (connect(s->fd, (struct sockaddr *)&target, sizeof target) < 0 && errno != EINPROGRESS)
        die("connect");
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = s };
    if (epoll_ctl(poller, EPOLL_CTL_ADD, s->fd, &ev) < 0)
        die("epoll_ctl");
}

static void send_text(struct session *s, const char *text)
{
    size_t n = strlen(text);
    if (write(s->fd, text, n) != (ssize_t)n)
        die("write");
}

/* One whole reply came; true when the session is over. */
static bool go_on(struct session *s)
{
    if (pipelined && s->at == 1) {
        send_text(s, both);
        s->at = 3;
        s->lines = 2;
        return false;
    }
    if (pipelined && s->at == 3 && --s->lines > 0)
        return false;
    send_text(s, say[s->at]);
    return ++s->at == 4;
}

static bool hear(struct session *s, const char *in, ssize_t n)
{
    for (ssize_t i = 0; i < n; i++) {
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

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: floor IP PORT SESSIONS CONCURRENCY [pipelined]\n");
        return 2;
    }
    target.sin_family = AF_INET;
    target.sin_port = htons((uint16_t)atoi(argv[2]));
    if (inet_pton(AF_INET, argv[1], &target.sin_addr) != 1)
        die("address");
    int total = atoi(argv[3]), at_once = atoi(argv[4]), started = 0, ended = 0;
    pipelined = argc > 5;
    if (at_once > total)
        at_once = total;
    poller = epoll_create1(EPOLL_CLOEXEC);
    struct session *all = calloc((size_t)at_once, sizeof *all);
    if (poller < 0 || all == NULL)
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
            char in[2048];
            ssize_t got = read(s->fd, in, sizeof in);
            if (got < 0 && errno == EAGAIN)
                continue;
            if (got <= 0)
                die("read");
            if (hear(s, in, got)) {
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
    free(all);
    return 0;
}
