/* bench/dns.c -- a name server that only answers, and a bare c-ares loop that only asks: a floor.
 *
 *   dns serve                     prints its port, answers A 192.0.2.1 to anything over UDP, and
 *                                 ends when nobody reads its output any more
 *   dns ask PORT N INFLIGHT       asks N names, prints: answers a second, processor us an answer
 *
 * The loop has no cache, no timers of its own and no second server. */
/* SPDX-License-Identifier: MIT */
#include <ares.h>
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static long total, sent, answered, failed;
static ares_channel channel;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- serve ---- */

static void answer_all(int fd)
{
    static const unsigned char record[] = { 0xC0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, 1 };
    unsigned char m[512];
    struct sockaddr_in from;
    for (;;) {
        socklen_t from_len = sizeof from;
        ssize_t len = recvfrom(fd, m, sizeof m - sizeof record, MSG_DONTWAIT,
                               (struct sockaddr *)&from, &from_len);
        if (len < 17)
            return;
        size_t end = 12 + strnlen((char *)m + 12, (size_t)len - 12) + 5;
        m[2] = 0x81, m[3] = 0x80, m[7] = 1, m[11] = 0;
        memcpy(m + end, record, sizeof record);
        (void)sendto(fd, m, end + sizeof record, 0, (struct sockaddr *)&from, from_len);
    }
}

static int serve(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) != 0)
        die("serve");
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    struct pollfd p[2] = { { .fd = fd, .events = POLLIN }, { .fd = STDOUT_FILENO } };
    while (poll(p, 2, -1) > 0 && p[1].revents == 0)
        answer_all(fd);
    return 0;
}

/* ---- ask ---- */

static void ask_one(void);

static void heard(void *ud, int status, int timeouts, unsigned char *p, int len)
{
    struct ares_addrttl a[8];
    int n = 8;
    (void)ud;
    (void)timeouts;
    if (status == ARES_SUCCESS && ares_parse_a_reply(p, len, NULL, a, &n) == ARES_SUCCESS && n == 1)
        answered++;
    else
        failed++;
    ask_one();
}

static void ask_one(void)
{
    char name[64];
    if (sent == total)
        return;
    snprintf(name, sizeof name, "host%ld.example.com", sent++);
    ares_query(channel, name, ns_c_in, ns_t_a, heard, NULL);
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void turn(void)
{
    ares_socket_t fd[ARES_GETSOCK_MAXNUM];
    struct pollfd p[ARES_GETSOCK_MAXNUM];
    int bits = ares_getsock(channel, fd, ARES_GETSOCK_MAXNUM), n = 0;
    for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++)
        if (ARES_GETSOCK_READABLE(bits, i))
            p[n++] = (struct pollfd){ .fd = fd[i], .events = POLLIN };
    if (poll(p, (nfds_t)n, 100) == 0)
        ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    for (int i = 0; i < n; i++)
        if (p[i].revents != 0)
            ares_process_fd(channel, p[i].fd, ARES_SOCKET_BAD);
}

static int ask(const char *port, long n, long inflight)
{
    char servers[64];
    struct ares_options o = { .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES |
                                       ARES_FLAG_NOCHECKRESP, .timeout = 2000, .tries = 1 };
    snprintf(servers, sizeof servers, "127.0.0.1:%s", port);
    if (ares_library_init(ARES_LIB_INIT_ALL) != 0 ||
        ares_init_options(&channel, &o, ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES) != 0 ||
        ares_set_servers_ports_csv(channel, servers) != 0)
        die("c-ares");
    struct timespec from, to;
    total = n;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (long i = 0; i < inflight; i++)
        ask_one();
    while (answered + failed < total)
        turn();
    clock_gettime(CLOCK_MONOTONIC, &to);
    double wall = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    printf("%.0f %.2f\n", (double)answered / wall,
           (seconds(u.ru_utime) + seconds(u.ru_stime)) * 1e6 / (double)total);
    ares_destroy(channel);
    return failed != 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "serve") == 0)
        return serve();
    if (argc == 5 && strcmp(argv[1], "ask") == 0)
        return ask(argv[2], atol(argv[3]), atol(argv[4]));
    fprintf(stderr, "usage: dns serve | dns ask PORT N INFLIGHT\n");
    return 2;
}
