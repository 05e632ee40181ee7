/* check/faults.c -- the engine where memory fails, and where the process forks.
 *
 * One small life (a nap, a read from a pipe, a session that is dialled, greeted, asked
 * and left, beside a listener of our own on loopback) is lived once to count its
 * allocations, then once for each of them failing, and once for each of them and all after
 * it failing. Every error must be RCPT_NOMEM; the same engine must live the same life
 * without a fault afterwards where it could be opened; every byte must come back, with
 * the size it was taken with; no descriptor may stay.
 *
 * Then the engine is forked under way: the child's copy must answer RCPT_CLOSED and say
 * nothing to the peer; the parent's must not notice.
 *
 *     cc -std=c11 -D_GNU_SOURCE -Isrc -fsanitize=address,undefined check/faults.c \
 *        src/base/X.c src/wire/{client,reply}.c src/io/{clock,poller_epoll,process,sock}.c \
 *        src/engine/{engine,nap,input,dial,record,talk,session}.c        (X: all of them)
 *
 * Exits 0 and prints one line, or says what failed and aborts. */
/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/input.h"
#include "engine/nap.h"
#include "engine/session.h"
#include "io/clock.h"

#define CHECK(what) ((what) ? (void)0 : fail(#what, __LINE__))

static void fail(const char *what, int line)
{
    fprintf(stderr, "check/faults.c:%d: not so: %s\n", line, what);
    abort();
}

/* ---- memory that fails ---- */

struct faulty {
    struct rcpt_mem mem;
    size_t bytes, made;       /* in use; allocations and growths asked for */
    size_t fail_at;           /* the n-th of them fails; 0: none */
    bool   forever;           /* ...and all after it */
    bool   has_failed;
};

static void *resize(void *ud, void *p, size_t old_size, size_t new_size)
{
    struct faulty *f = ud;
    if (new_size == 0) {
        f->bytes -= old_size;
        free(p);
        return NULL;
    }
    f->made++;
    if (f->fail_at != 0 && (f->made == f->fail_at || (f->forever && f->made > f->fail_at))) {
        f->has_failed = true;
        return NULL;
    }
    void *q = malloc(new_size);           /* always moves: whoever kept the old place is found out */
    CHECK(q != NULL);
    if (p != NULL) {
        memcpy(q, p, old_size < new_size ? old_size : new_size);
        free(p);
    }
    f->bytes += new_size - old_size;
    return q;
}

static void faulty_init(struct faulty *f, size_t fail_at, bool forever)
{
    *f = (struct faulty){ .mem = { resize, f }, .fail_at = fail_at, .forever = forever };
}

/* ---- the peer: one mail server in this very thread ---- */

#define CONNS 8

struct peer {
    int      fd;
    uint16_t port;
    int      conn[CONNS];
    size_t   have[CONNS];
    char     line[CONNS][512];
    unsigned quits;
};

static void set_nonblocking(int fd)
{
    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0);
}

static void peer_open(struct peer *p)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    memset(p, 0, sizeof *p);
    p->fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(p->fd >= 0 && bind(p->fd, (struct sockaddr *)&a, len) == 0 && listen(p->fd, CONNS) == 0);
    CHECK(getsockname(p->fd, (struct sockaddr *)&a, &len) == 0);
    p->port = ntohs(a.sin_port);
    set_nonblocking(p->fd);
    for (int i = 0; i < CONNS; i++)
        p->conn[i] = -1;
}

static void hang_up(struct peer *p, int i)
{
    (void)close(p->conn[i]);
    p->conn[i] = -1;
}

static void peer_close(struct peer *p)
{
    for (int i = 0; i < CONNS; i++)
        if (p->conn[i] >= 0)
            hang_up(p, i);
    (void)close(p->fd);
}

static void say(struct peer *p, int i, const char *text)
{
    if (send(p->conn[i], text, strlen(text), MSG_NOSIGNAL) < 0)
        hang_up(p, i);
}

static void heed(struct peer *p, int i, const char *line)
{
    static const struct { const char *verb, *reply; } replies[] = {
        { "EHLO ", "250-mx\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES\r\n" },
        { "MAIL ", "250 2.1.0 ok\r\n" },
        { "RCPT TO:<yes", "250 2.1.5 ok\r\n" },
        { "RCPT TO:<no", "550-5.1.1 no\r\n550 5.1.1 such user\r\n" },
        { "RSET", "250 2.0.0 ok\r\n" },
        { "QUIT", "221 2.0.0 bye\r\n" },
    };
    for (size_t k = 0; k < sizeof replies / sizeof *replies; k++)
        if (strncmp(line, replies[k].verb, strlen(replies[k].verb)) == 0) {
            p->quits += strcmp(line, "QUIT") == 0;
            say(p, i, replies[k].reply);
            return;
        }
    fail(line, __LINE__);
}

static void peer_read(struct peer *p, int i)
{
    char c;
    ssize_t n = 0;
    while (p->conn[i] >= 0 && (n = recv(p->conn[i], &c, 1, 0)) == 1) {
        CHECK(p->have[i] < sizeof p->line[i]);
        p->line[i][p->have[i]++] = c;
        if (c != '\n')
            continue;
        CHECK(p->have[i] >= 2 && p->line[i][p->have[i] - 2] == '\r');
        p->line[i][p->have[i] - 2] = '\0';
        p->have[i] = 0;
        heed(p, i, p->line[i]);
    }
    if (p->conn[i] >= 0 && (n == 0 || errno != EAGAIN))
        hang_up(p, i);
}

static void peer_step(struct peer *p)
{
    for (int i = 0; i < CONNS; i++) {
        if (p->conn[i] < 0 && (p->conn[i] = accept(p->fd, NULL, NULL)) >= 0) {
            set_nonblocking(p->conn[i]);
            p->have[i] = 0;
            say(p, i, "220-mx\r\n220 ready\r\n");
        }
        if (p->conn[i] >= 0)
            peer_read(p, i);
    }
}

/* ---- a life ---- */

/* Run both sides until the job has ended; it is off the list then. Others stay on it. */
static void await(rcpt_engine *e, struct peer *p, struct rcpt_job *j)
{
    uint64_t late = rcpt_clock_ms() + 5000;
    while (!j->ended) {
        CHECK(rcpt_clock_ms() < late);
        peer_step(p);
        (void)rcpt_poller_block(rcpt_engine_fd(e), 1);
        CHECK(rcpt_engine_step(e) == RCPT_OK);
    }
    rcpt_engine_take(e, j);
}

/* Its error, and the handle released. */
static rcpt_err finish(rcpt_engine *e, struct peer *p, struct rcpt_job *j)
{
    await(e, p, j);
    rcpt_err err = j->err;
    rcpt_job_release(j);
    return err;
}

static rcpt_err live_jobs(rcpt_engine *e, struct peer *p)
{
    struct rcpt_job *j;
    int pipe_fd[2];
    rcpt_err err = rcpt_nap_start(&j, e, rcpt_engine_now(e));
    if (err == RCPT_OK)
        err = finish(e, p, j);
    if (err != RCPT_OK)
        return err;
    CHECK(pipe(pipe_fd) == 0 && write(pipe_fd[1], "text", 4) == 4);
    err = rcpt_input_start(&j, e, pipe_fd[0], rcpt_engine_now(e) + 60000);
    if (err == RCPT_OK) {
        await(e, p, j);
        err = j->err;
        CHECK(err != RCPT_OK || rcpt_input_bytes(j).n == 4);
        rcpt_job_release(j);
    }
    (void)close(pipe_fd[0]);
    (void)close(pipe_fd[1]);
    return err;
}

static rcpt_err open_session(rcpt_session **s, rcpt_engine *e, struct peer *p)
{
    struct rcpt_session_config cfg = {
        .n = 2, .helo = "probe.example", .sender = "a@probe.example", .transcript = true,
        .connect_ms = 5000, .greeting_ms = 5000, .reply_ms = 5000, .second_ms = 5000 };
    struct rcpt_job *j;
    struct rcpt_evidence ev;
    CHECK(rcpt_ip_read(&cfg.to[0], "127.0.0.1", 1) == RCPT_OK);         /* nobody listens there */
    CHECK(rcpt_ip_read(&cfg.to[1], "127.0.0.1", p->port) == RCPT_OK);
    rcpt_err err = rcpt_session_open(&j, e, &cfg, rcpt_engine_now(e) + 60000);
    if (err != RCPT_OK)
        return err;
    await(e, p, j);
    err = j->err;
    if (err == RCPT_OK) {
        *s = rcpt_session_take(j);
        rcpt_session_evidence(*s, &ev);
        err = ev.err;
        CHECK((err == RCPT_OK) == rcpt_session_is_ready(*s));
        if (err != RCPT_OK)
            rcpt_session_release(*s);
    }
    rcpt_job_release(j);
    return err;
}

/* Three questions at once, the middle one cancelled. */
static rcpt_err ask(rcpt_engine *e, struct peer *p, rcpt_session *s)
{
    static const char *const who[] = { "yes@a.example", "yes2@a.example", "no@a.example" };
    static const uint16_t code[] = { 250, 0, 550 };
    struct rcpt_job *j[3] = { NULL, NULL, NULL };
    rcpt_err err = RCPT_OK;
    for (int i = 0; i < 3; i++) {
        rcpt_err e1 = rcpt_session_ask(&j[i], s, who[i], strlen(who[i]),
                                       rcpt_engine_now(e) + 60000);
        if (e1 != RCPT_OK)
            err = e1 == RCPT_CLOSED && err != RCPT_OK ? err : e1;   /* lost by the one before */
    }
    if (j[1] != NULL)
        rcpt_job_cancel(j[1]);
    for (int i = 0; i < 3; i++) {
        if (j[i] == NULL)
            continue;
        await(e, p, j[i]);
        if (i != 1 && j[i]->err == RCPT_OK) {
            const struct rcpt_said *said = rcpt_ask_reply(j[i]);
            if (said == NULL)
                err = rcpt_ask_why(j[i]);
            else
                CHECK(said->code == code[i]);
        } else if (i != 1) {
            err = j[i]->err;
        }
        rcpt_job_release(j[i]);
    }
    return err;
}

static rcpt_err live(rcpt_engine *e, struct peer *p)
{
    rcpt_session *s;
    rcpt_err err = live_jobs(e, p);
    if (err == RCPT_OK)
        err = open_session(&s, e, p);
    if (err != RCPT_OK)
        return err;
    err = ask(e, p, s);
    rcpt_session_release(s);
    return err;
}

static int descriptors(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    CHECK(d != NULL);
    while (readdir(d) != NULL)
        n++;
    (void)closedir(d);
    return n;
}

/* How many allocations the life made; RCPT_NOMEM is the only error it may end with. */
static size_t one_life(struct peer *p, size_t fail_at, bool forever)
{
    struct faulty f;
    rcpt_engine *e = NULL;
    int before = descriptors();
    faulty_init(&f, fail_at, forever);
    rcpt_err err = rcpt_engine_open(&e, &f.mem);
    if (err == RCPT_OK)
        err = live(e, p);
    CHECK(err == (f.has_failed ? RCPT_NOMEM : RCPT_OK) || (err == RCPT_OK && f.has_failed));
    size_t made = f.made;
    if (e != NULL) {
        f.fail_at = 0;
        CHECK(live(e, p) == RCPT_OK);      /* none the worse for it */
    }
    rcpt_engine_close(e);
    CHECK(f.bytes == 0);
    for (int i = 0; i < CONNS; i++)
        if (p->conn[i] >= 0)
            hang_up(p, i);
    CHECK(descriptors() == before);
    return made;
}

/* ---- closing with everything under way ---- */

static void close_busy(struct peer *p)
{
    struct faulty f;
    rcpt_engine *e;
    rcpt_session *s;
    struct rcpt_job *nap, *asked[2], *opening;
    struct rcpt_session_config cfg = { .n = 1, .helo = "a.example", .sender = "", .connect_ms = 5000,
                                       .greeting_ms = 5000, .reply_ms = 5000, .second_ms = 5000 };
    faulty_init(&f, 0, false);
    CHECK(rcpt_engine_open(&e, &f.mem) == RCPT_OK && open_session(&s, e, p) == RCPT_OK);
    CHECK(rcpt_ip_read(&cfg.to[0], "127.0.0.1", p->port) == RCPT_OK);
    CHECK(rcpt_session_open(&opening, e, &cfg, UINT64_MAX) == RCPT_OK);
    CHECK(rcpt_nap_start(&nap, e, UINT64_MAX) == RCPT_OK);
    for (int i = 0; i < 2; i++)
        CHECK(rcpt_session_ask(&asked[i], s, "yes@a.example", 13, UINT64_MAX) == RCPT_OK);
    CHECK(rcpt_engine_pending(e) == 4);
    rcpt_engine_close(e);
    CHECK(nap->err == RCPT_CLOSED && nap->ended && nap->engine == NULL);
    CHECK(asked[0]->err == RCPT_CLOSED && asked[1]->err == RCPT_CLOSED && opening->err == RCPT_CLOSED);
    CHECK(!rcpt_session_is_ready(s) && rcpt_session_engine(s) == NULL);
    rcpt_session_quit(s);
    struct rcpt_job *none = NULL;
    CHECK(rcpt_session_ask(&none, s, "yes@a.example", 13, UINT64_MAX) == RCPT_CLOSED);
    rcpt_job_release(asked[0]);
    rcpt_session_release(s);
    rcpt_job_release(asked[1]);
    rcpt_job_release(opening);
    rcpt_job_release(nap);
    CHECK(f.bytes == 0);
}

/* ---- forking ---- */

static void be_child(rcpt_engine *e, rcpt_session *s, struct rcpt_job *asked, struct rcpt_job *nap,
                     struct faulty *f)
{
    struct rcpt_job *none = NULL;
    struct rcpt_session_config cfg = { .n = 1, .helo = "a.example", .sender = "" };
    CHECK(!rcpt_engine_is_ours(e));
    CHECK(rcpt_engine_step(e) == RCPT_CLOSED);
    CHECK(rcpt_nap_start(&none, e, 0) == RCPT_CLOSED);
    CHECK(rcpt_input_start(&none, e, 0, UINT64_MAX) == RCPT_CLOSED);
    CHECK(rcpt_session_open(&none, e, &cfg, UINT64_MAX) == RCPT_CLOSED);
    CHECK(!rcpt_session_is_ready(s));
    CHECK(rcpt_session_ask(&none, s, "yes@a.example", 13, UINT64_MAX) == RCPT_CLOSED);
    rcpt_job_cancel(asked);
    rcpt_job_release(asked);
    rcpt_session_quit(s);
    rcpt_session_release(s);
    rcpt_engine_close(e);
    rcpt_job_release(nap);
    CHECK(f->bytes == 0);
}

static void fork_busy(struct peer *p)
{
    struct faulty f;
    rcpt_engine *e;
    rcpt_session *s;
    struct rcpt_job *asked, *nap;
    int status;
    faulty_init(&f, 0, false);
    CHECK(rcpt_engine_open(&e, &f.mem) == RCPT_OK && open_session(&s, e, p) == RCPT_OK);
    unsigned quits = p->quits;
    CHECK(rcpt_nap_start(&nap, e, rcpt_engine_now(e) + 30) == RCPT_OK);
    CHECK(rcpt_session_ask(&asked, s, "no@a.example", 12, UINT64_MAX) == RCPT_OK);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        be_child(e, s, asked, nap, &f);
        exit(0);                            /* and not _exit: LeakSanitizer looks here as well */
    }
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    await(e, p, asked);
    CHECK(rcpt_ask_reply(asked) != NULL && rcpt_ask_reply(asked)->code == 550);
    rcpt_job_release(asked);
    CHECK(finish(e, p, nap) == RCPT_OK);
    CHECK(p->quits == quits);
    CHECK(ask(e, p, s) == RCPT_OK);
    rcpt_session_release(s);
    rcpt_engine_close(e);
    CHECK(f.bytes == 0);
}

int main(void)
{
    struct peer p;
    peer_open(&p);
    size_t n = one_life(&p, 0, false);
    for (size_t i = 1; i <= n; i++) {
        (void)one_life(&p, i, false);
        (void)one_life(&p, i, true);
    }
    close_busy(&p);
    fork_busy(&p);
    peer_close(&p);
    printf("faults: each of %zu allocations failing, alone and with all after it; closed and forked busy\n", n);
    return 0;
}
