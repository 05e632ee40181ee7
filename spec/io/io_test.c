/* spec/io/io_test.c -- the poller and the sockets, and lookups whose memory runs out or whose process
 * forks, tested in C; io_spec.lua runs it.
 *
 * Each check prints "ok NAME" or "not ok NAME: LINE". */
/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/lookup.h"
#include "io/clock.h"
#include "io/poller.h"
#include "io/sock.h"
#include "spec/support/check.h"

/* ---- the poller --------------------------------------------------------------- */

struct pipe_watch {
    struct rcpt_watch watch;
    struct pipe_watch *victim;           /* removed when this one is called */
    rcpt_poller *poller;
    int writer, calls;
    unsigned events;
};

static void ready(struct rcpt_watch *w, unsigned events)
{
    struct pipe_watch *p = (struct pipe_watch *)w;
    p->calls++;
    p->events = events;
    if (p->victim != NULL)
        rcpt_poller_remove(p->poller, &p->victim->watch);
}

static void open_pipe(struct pipe_watch *p, rcpt_poller *poller)
{
    int fd[2] = { -1, -1 };
    CHECK(pipe(fd) == 0);
    *p = (struct pipe_watch){ .watch = { .fd = fd[0], .ready = ready }, .poller = poller,
                              .writer = fd[1] };
}

static void close_pipe(struct pipe_watch *p)
{
    rcpt_poller_remove(p->poller, &p->watch);
    close(p->watch.fd);
    close(p->writer);
}

static void test_level(rcpt_poller *p)
{
    struct pipe_watch a;
    open_pipe(&a, p);
    CHECK(rcpt_poller_add(p, &a.watch, RCPT_READABLE) == RCPT_OK);
    CHECK(rcpt_poller_run(p) == 0 && !rcpt_poller_block(rcpt_poller_fd(p), 0));
    CHECK(write(a.writer, "x", 1) == 1);
    CHECK(rcpt_poller_block(rcpt_poller_fd(p), 0));
    CHECK(rcpt_poller_run(p) == 1 && rcpt_poller_run(p) == 1);
    CHECK(a.calls == 2 && a.events == RCPT_READABLE);
    CHECK(rcpt_poller_change(p, &a.watch, 0) == RCPT_OK);
    CHECK(rcpt_poller_run(p) == 0);
    close(a.writer);
    a.writer = -1;
    CHECK(rcpt_poller_run(p) == 1 && a.events == RCPT_HANGUP);
    close_pipe(&a);
    rcpt_poller_remove(p, &a.watch);
    CHECK(rcpt_poller_run(p) == 0);
    told("poller: level-triggered, and a hang-up is told even who asked for nothing");
}

static void test_removed(rcpt_poller *p)
{
    struct pipe_watch a, b;
    open_pipe(&a, p);
    open_pipe(&b, p);
    a.victim = &b;
    b.victim = &a;
    CHECK(rcpt_poller_add(p, &a.watch, RCPT_READABLE) == RCPT_OK);
    CHECK(rcpt_poller_add(p, &b.watch, RCPT_READABLE) == RCPT_OK);
    CHECK(write(a.writer, "x", 1) == 1 && write(b.writer, "x", 1) == 1);
    CHECK(rcpt_poller_run(p) == 1 && a.calls + b.calls == 1);
    close_pipe(&a);
    close_pipe(&b);
    told("poller: who is removed in a batch is not called in it");
}

static struct pipe_watch old_one, new_one;

/* The other descriptor's number is given to another watch while its event is in the batch. */
static void replace(struct rcpt_watch *w, unsigned events)
{
    struct pipe_watch *p = (struct pipe_watch *)w;
    (void)events;
    p->calls++;
    if (p->calls > 1)
        return;
    int number = old_one.watch.fd;
    rcpt_poller_remove(p->poller, &old_one.watch);
    close(number);
    open_pipe(&new_one, p->poller);
    if (new_one.watch.fd != number) {
        CHECK(dup2(new_one.watch.fd, number) == number);
        close(new_one.watch.fd);
        new_one.watch.fd = number;
    }
    CHECK(rcpt_poller_add(p->poller, &new_one.watch, RCPT_READABLE) == RCPT_OK);
}

static void test_reused(rcpt_poller *p)
{
    struct pipe_watch a;
    open_pipe(&a, p);
    open_pipe(&old_one, p);
    a.watch.ready = replace;
    CHECK(rcpt_poller_add(p, &a.watch, RCPT_READABLE) == RCPT_OK);
    CHECK(rcpt_poller_add(p, &old_one.watch, RCPT_READABLE) == RCPT_OK);
    CHECK(write(a.writer, "x", 1) == 1 && write(old_one.writer, "x", 1) == 1);
    (void)rcpt_poller_run(p);
    CHECK(a.calls == 1 && old_one.calls == 0 && new_one.calls == 0);
    close_pipe(&a);
    close(old_one.writer);
    close_pipe(&new_one);
    told("poller: an event of a descriptor's former owner is dropped");
}

static void test_many(rcpt_poller *p)
{
    static struct pipe_watch w[200];
    for (int i = 0; i < 200; i++) {
        open_pipe(&w[i], p);
        CHECK(rcpt_poller_add(p, &w[i].watch, RCPT_READABLE) == RCPT_OK);
        CHECK(write(w[i].writer, "x", 1) == 1);
    }
    CHECK(rcpt_poller_run(p) >= 200);
    for (int i = 0; i < 200; i++) {
        CHECK(w[i].calls >= 1);
        close_pipe(&w[i]);
    }
    told("poller: two hundred at once are all called in one run");
}

static void test_file(rcpt_poller *p)
{
    FILE *f = tmpfile();
    struct rcpt_watch w = { .ready = ready };
    CHECK(f != NULL);
    if (f != NULL) {
        w.fd = fileno(f);
        CHECK(rcpt_poller_add(p, &w, RCPT_READABLE) == RCPT_SYSTEM);
        rcpt_poller_remove(p, &w);
        fclose(f);
    }
    told("poller: a regular file is refused");
}

static void test_alarm(rcpt_poller *p)
{
    int fd = rcpt_poller_fd(p);
    uint64_t start = rcpt_clock_ms();
    rcpt_poller_alarm(p, start + 20);
    CHECK(!rcpt_poller_block(fd, 0));
    CHECK(rcpt_poller_block(fd, 5000) && rcpt_clock_ms() >= start + 20);
    CHECK(rcpt_poller_run(p) == 0);
    CHECK(rcpt_poller_block(fd, 0));               /* due until it is set anew */
    rcpt_poller_alarm(p, UINT64_MAX);
    CHECK(!rcpt_poller_block(fd, 0));
    rcpt_poller_alarm(p, 0);
    CHECK(rcpt_poller_block(fd, 0));
    (void)rcpt_poller_run(p);
    rcpt_poller_alarm(p, rcpt_clock_ms() + 10000);
    CHECK(!rcpt_poller_block(fd, 0));
    rcpt_poller_alarm(p, rcpt_clock_ms() + 10);    /* an earlier one takes over */
    CHECK(rcpt_poller_block(fd, 5000));
    (void)rcpt_poller_run(p);
    rcpt_poller_alarm(p, UINT64_MAX);
    told("poller: its alarm makes it readable in time, and never means never");
}

/* ---- sockets -------------------------------------------------------------------- */

static void test_ip(void)
{
    static const char *const good[] = { "192.0.2.1", "2001:db8::1", "::", "::ffff:192.0.2.1" };
    static const char *const bad[] = { "", "192.0.2", "192.0.2.256", "192.0.2.1 ", "[::1]", "::1%lo",
                                       "localhost", "1", "0x7f.0.0.1", ":::" };
    struct rcpt_ip ip;
    char text[RCPT_IP_TEXT];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        CHECK(rcpt_ip_read(&ip, good[i], 25) == RCPT_OK);
        rcpt_ip_write(&ip, text);
        CHECK(strcmp(text, good[i]) == 0);
        CHECK(rcpt_ip_is_v6(&ip) == (strchr(good[i], ':') != NULL));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(rcpt_ip_read(&ip, bad[i], 25) == RCPT_BADARG);
    memset(&ip, 0, sizeof ip);
    rcpt_ip_write(&ip, text);
    CHECK(text[0] == '\0' && !rcpt_ip_is_v6(&ip));
    told("sock: addresses are read strictly and written back alike");
}

static int listener(struct rcpt_ip *at, int type)
{
    int fd = socket(AF_INET, type, 0);
    CHECK(rcpt_ip_read(at, "127.0.0.1", 0) == RCPT_OK);
    CHECK(bind(fd, &at->sa.any, at->len) == 0);
    CHECK(type != SOCK_STREAM || listen(fd, 8) == 0);
    CHECK(rcpt_sock_local(fd, at) == RCPT_OK);
    return fd;
}

static bool await_writable(int fd)
{
    fd_set set;
    struct timeval tv = { 5, 0 };
    FD_ZERO(&set);
    FD_SET(fd, &set);
    return select(fd + 1, NULL, &set, NULL, &tv) == 1;
}

static void test_dial(void)
{
    struct rcpt_ip at, source, other;
    char buf[16], text[RCPT_IP_TEXT];
    size_t n = 0;
    int fd = -1, server = listener(&at, SOCK_STREAM);
    CHECK(rcpt_ip_read(&source, "127.0.0.9", 0) == RCPT_OK);
    CHECK(rcpt_sock_dial(&fd, &at, &source) == RCPT_OK);
    CHECK(await_writable(fd) && rcpt_sock_dialled(fd) == RCPT_OK);
    CHECK(rcpt_sock_local(fd, &other) == RCPT_OK);
    rcpt_ip_write(&other, text);
    CHECK(strcmp(text, "127.0.0.9") == 0 && other.sa.v4.sin_port != 0);
    int peer = accept(server, NULL, NULL);
    CHECK(rcpt_sock_read(fd, buf, sizeof buf, &n) == RCPT_AGAIN);
    CHECK(write(peer, "hello", 5) == 5 && rcpt_poller_block(fd, 5000));
    CHECK(rcpt_sock_read(fd, buf, sizeof buf, &n) == RCPT_OK && n == 5);
    shutdown(peer, SHUT_WR);
    CHECK(rcpt_poller_block(fd, 5000) && rcpt_sock_read(fd, buf, sizeof buf, &n) == RCPT_EOF);
    close(peer);
    rcpt_err e = RCPT_OK;
    for (int i = 0; i < 100 && e == RCPT_OK; i++)      /* the first may still be taken */
        e = rcpt_sock_write(fd, "x", 1, &n);
    CHECK(e == RCPT_RESET);
    rcpt_sock_close(fd);
    close(server);
    told("sock: dials from a source, reads, and learns of the end without a signal");
}

static void test_no_way(void)
{
    struct rcpt_ip at, source;
    int fd = -1, server = listener(&at, SOCK_STREAM);
    close(server);
    rcpt_err e = rcpt_sock_dial(&fd, &at, NULL);
    if (e == RCPT_OK) {
        CHECK(await_writable(fd));
        e = rcpt_sock_dialled(fd);
        rcpt_sock_close(fd);
    }
    CHECK(e == RCPT_REFUSED);
    CHECK(rcpt_ip_read(&source, "192.0.2.77", 0) == RCPT_OK);
    CHECK(rcpt_sock_dial(&fd, &at, &source) == RCPT_SOURCE);
    CHECK(rcpt_ip_read(&source, "::1", 0) == RCPT_OK);
    CHECK(rcpt_sock_dial(&fd, &at, &source) == RCPT_SOURCE);
    told("sock: tells a closed port from a source that is not ours");
}

/* ---- lookups ---------------------------------------------------------------------- */

struct ledger {
    long out;
    int  fail_at;                          /* the n-th allocation from now, from 0; -1: none */
};

static void *ledger_resize(void *ud, void *p, size_t old_size, size_t new_size)
{
    struct ledger *l = ud;
    if (new_size > old_size && l->fail_at >= 0 && l->fail_at-- == 0)
        return NULL;
    l->out += (long)new_size - (long)(p != NULL ? old_size : 0);
    return rcpt_mem_libc.resize(NULL, p, old_size, new_size);
}

/* Answer one question with A 192.0.2.1, or when it is no longer new with a CNAME to it. */
static void serve(int fd)
{
    unsigned char m[512];
    struct sockaddr_in from;
    socklen_t from_len = sizeof from;
    ssize_t len = recvfrom(fd, m, sizeof m - 64, MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);
    static const unsigned char a[] = { 0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1 };
    static const unsigned char cname[] = { 0xC0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 4, 1, 'z', 0xC0, 14 };
    if (len < 12 + 5)
        return;
    size_t end = 12 + strlen((char *)m + 12) + 1 + 4;
    m[2] = 0x81, m[3] = 0x80;
    m[7] = 1, m[11] = 0;                               /* one answer, no OPT */
    memcpy(m + end, m[13] == 'a' ? cname : a, sizeof a);
    (void)sendto(fd, m, end + sizeof a, 0, (struct sockaddr *)&from, from_len);
}

static rcpt_err run(rcpt_engine *e, struct rcpt_job *j, int server)
{
    uint64_t until = rcpt_clock_ms() + 5000;
    while (!j->ended && rcpt_clock_ms() < until) {
        (void)rcpt_poller_block(rcpt_engine_fd(e), 2);
        serve(server);
        CHECK(rcpt_engine_step(e) == RCPT_OK);
    }
    CHECK(j->ended);
    return j->err;
}

/* "a.b" leads to "z.b"; whatever fails, it ends, and all memory comes back. */
static rcpt_err one_lookup(struct ledger *l, int fail_at, int server, const char *servers)
{
    struct rcpt_mem mem = { ledger_resize, l };
    struct rcpt_resolver_config cfg = { .servers = servers, .patience_ms = 300 };
    rcpt_engine *e = NULL;
    rcpt_resolver *r = NULL;
    struct rcpt_job *j = NULL;
    l->fail_at = fail_at;
    rcpt_err err = rcpt_engine_open(&e, &mem);
    if (err == RCPT_OK)
        err = rcpt_resolver_open(&r, e, &cfg);
    if (err == RCPT_OK)
        err = rcpt_lookup_start(&j, r, RCPT_DNS_A, "a.b", rcpt_clock_ms() + 600);
    if (err == RCPT_OK) {
        err = run(e, j, server);
        if (err == RCPT_OK && rcpt_lookup_answer(j)->status == RCPT_DNS_NOERROR)
            CHECK(strcmp(rcpt_lookup_answer(j)->canonical, "z.b") == 0);
        rcpt_job_release(j);
    }
    int is_last = l->fail_at >= 0;                     /* it never came to that allocation */
    rcpt_resolver_close(r);
    rcpt_engine_close(e);
    CHECK(l->out == 0);
    return is_last ? RCPT_OK : err != RCPT_OK ? err : RCPT_AGAIN;
}

static void test_memory(void)
{
    struct ledger l = { 0, -1 };
    struct rcpt_ip at;
    int fd = listener(&at, SOCK_DGRAM), n = 0, failed = 0;
    char servers[32];
    snprintf(servers, sizeof servers, "127.0.0.1:%d", ntohs(at.sa.v4.sin_port));
    for (rcpt_err e = RCPT_AGAIN; e != RCPT_OK && n < 100; n++) {
        e = one_lookup(&l, n, fd, servers);
        failed += e == RCPT_NOMEM;
    }
    CHECK(n > 8 && n < 100 && failed > 5);
    close(fd);
    told("lookup: each allocation failing in turn ends it cleanly");
}

static void test_fork(void)
{
    struct ledger l = { 0, -1 };
    struct rcpt_mem mem = { ledger_resize, &l };
    struct rcpt_ip at;
    int fd = listener(&at, SOCK_DGRAM), status = 1;
    char servers[32];
    snprintf(servers, sizeof servers, "127.0.0.1:%d", ntohs(at.sa.v4.sin_port));
    struct rcpt_resolver_config cfg = { .servers = servers };
    rcpt_engine *e = NULL;
    rcpt_resolver *r = NULL;
    struct rcpt_job *j = NULL, *k = NULL;
    CHECK(rcpt_engine_open(&e, &mem) == RCPT_OK && rcpt_resolver_open(&r, e, &cfg) == RCPT_OK);
    CHECK(rcpt_lookup_start(&j, r, RCPT_DNS_A, "z.b", rcpt_clock_ms() + 5000) == RCPT_OK);
    pid_t child = fork();
    if (child == 0) {
        struct rcpt_resolver_config again = cfg;
        CHECK(rcpt_lookup_start(&k, r, RCPT_DNS_A, "c.b", UINT64_MAX) == RCPT_CLOSED);
        rcpt_resolver_close(r);
        CHECK(rcpt_resolver_open(&r, e, &again) == RCPT_CLOSED);
        rcpt_engine_close(e);
        rcpt_job_release(j);
        CHECK(l.out == 0);
        _exit(wrong != 0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(run(e, j, fd) == RCPT_OK);                   /* the parent's sockets are still watched */
    CHECK(rcpt_lookup_answer(j)->status == RCPT_DNS_NOERROR);
    struct rcpt_resolver_counts counts;
    rcpt_resolver_count(r, &counts);
    CHECK(counts.queries == 1);
    rcpt_job_release(j);
    rcpt_engine_close(e);                              /* the engine first, then the resolver */
    CHECK(rcpt_resolver_engine(r) == NULL);
    rcpt_resolver_close(r);
    CHECK(l.out == 0);
    close(fd);
    told("lookup: a forked child is closed to it, and leaves the parent's alone");
}

int main(void)
{
    rcpt_poller *p = NULL;
    CHECK(rcpt_poller_open(&p, &rcpt_mem_libc) == RCPT_OK);
    test_level(p);
    test_removed(p);
    test_reused(p);
    test_many(p);
    test_file(p);
    test_alarm(p);
    rcpt_poller_close(p, false);
    rcpt_poller_close(NULL, false);
    test_ip();
    test_dial();
    test_no_way();
    test_memory();
    test_fork();
    return 0;
}
