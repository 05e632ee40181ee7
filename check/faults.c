/* check/faults.c -- the engine where memory fails, and where the process forks.
 *
 * One small life (a nap, a read from a pipe, a session that is dialled, greeted, asked and left,
 * beside a host of our own on loopback) is lived once to count its allocations, then once for
 * each of them failing, and once for each of them and all after it failing: in the clear, and
 * within TLS through a SOCKS5 proxy. Every error must be RCPT_NOMEM; the same engine must live
 * the same life without a fault afterwards where it could be opened; every byte must come back,
 * with the size it was taken with; no descriptor may stay. OpenSSL's own memory is not ours and
 * does not fail here.
 *
 * Then the engine is forked under way: the child's copy must answer RCPT_CLOSED and say nothing
 * to the peer; the parent's must not notice. And twenty TLS handshakes that could all start in
 * one step must not.
 *
 * Exits 0 and prints one line, or says what failed and aborts; see check/faults.sh. */
/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check/host.h"
#include "engine/engine.h"
#include "engine/input.h"
#include "engine/nap.h"
#include "engine/session.h"
#include "io/clock.h"

static char ca_file[] = "/tmp/rcpt-faults-XXXXXX";

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

/* ---- a life ---- */

/* Run both sides until the job has ended; it is off the list then. Others stay on it. */
static void await(rcpt_engine *e, struct host *h, struct rcpt_job *j)
{
    uint64_t late = rcpt_clock_ms() + 5000;
    while (!j->ended) {
        CHECK(rcpt_clock_ms() < late);
        host_step(h);
        (void)rcpt_poller_block(rcpt_engine_fd(e), 1);
        CHECK(rcpt_engine_step(e) == RCPT_OK);
    }
    rcpt_engine_take(e, j);
}

/* Its error, and the handle released. */
static rcpt_err finish(rcpt_engine *e, struct host *h, struct rcpt_job *j)
{
    await(e, h, j);
    rcpt_err err = j->err;
    rcpt_job_release(j);
    return err;
}

static rcpt_err live_jobs(rcpt_engine *e, struct host *h)
{
    struct rcpt_job *j;
    int pipe_fd[2];
    rcpt_err err = rcpt_nap_start(&j, e, rcpt_engine_now(e));
    if (err == RCPT_OK)
        err = finish(e, h, j);
    if (err != RCPT_OK)
        return err;
    CHECK(pipe(pipe_fd) == 0 && write(pipe_fd[1], "text", 4) == 4);
    err = rcpt_input_start(&j, e, pipe_fd[0], rcpt_engine_now(e) + 60000);
    if (err == RCPT_OK) {
        await(e, h, j);
        err = j->err;
        CHECK(err != RCPT_OK || rcpt_input_bytes(j).n == 4);
        rcpt_job_release(j);
    }
    (void)close(pipe_fd[0]);
    (void)close(pipe_fd[1]);
    return err;
}

/* How the host is reached: in the clear, or within TLS through the proxy. */
typedef enum { NEAR, FAR, WAYS } way;

static void set_way(struct rcpt_session_config *cfg, const struct host *h, way to)
{
    if (to == NEAR)
        return;
    cfg->tls = RCPT_TLS_REQUIRE;
    cfg->name = "mx.example";
    cfg->ca_file = ca_file;
    CHECK(rcpt_ip_read(&cfg->proxy.at, "127.0.0.1", h->proxy_port) == RCPT_OK);
}

static rcpt_err open_session(rcpt_session **s, rcpt_engine *e, struct host *h, way to)
{
    struct rcpt_session_config cfg = {
        .n = 2, .helo = "probe.example", .sender = "a@probe.example", .transcript = true,
        .connect_ms = 5000, .greeting_ms = 5000, .reply_ms = 5000, .idle_ms = 5000,
        .second_ms = 5000 };
    struct rcpt_job *j;
    struct rcpt_evidence ev;
    CHECK(rcpt_ip_read(&cfg.to[0], "127.0.0.1", 1) == RCPT_OK);         /* nobody listens there */
    CHECK(rcpt_ip_read(&cfg.to[1], "127.0.0.1", h->port) == RCPT_OK);
    set_way(&cfg, h, to);
    rcpt_err err = rcpt_session_open(&j, e, &cfg, rcpt_engine_now(e) + 60000);
    if (err != RCPT_OK)
        return err;
    await(e, h, j);
    err = j->err;
    if (err == RCPT_OK) {
        *s = rcpt_session_take(j);
        rcpt_session_evidence(*s, &ev);
        err = ev.err;
        CHECK((err == RCPT_OK) == rcpt_session_is_ready(*s));
        CHECK(err != RCPT_OK || (ev.is_proxied == (to == FAR) && (ev.tls != NULL) == (to == FAR)));
        CHECK(ev.tls == NULL || ev.tls->is_verified);
        if (err != RCPT_OK)
            rcpt_session_release(*s);
    }
    rcpt_job_release(j);
    return err;
}

/* Three questions at once, the middle one cancelled. */
static rcpt_err ask(rcpt_engine *e, struct host *h, rcpt_session *s)
{
    static const char *const who[] = { "yes@a.example", "yes2@a.example", "no@a.example" };
    static const uint16_t code[] = { 250, 0, 550 };
    struct rcpt_job *j[3] = { NULL, NULL, NULL };
    rcpt_err err = RCPT_OK;
    for (int i = 0; i < 3; i++) {
        rcpt_err e1 = rcpt_session_ask(&j[i], s, RCPT_ASK_RCPT, who[i], strlen(who[i]),
                                       rcpt_engine_now(e) + 60000);
        if (e1 != RCPT_OK)
            err = e1 == RCPT_CLOSED && err != RCPT_OK ? err : e1;   /* lost by the one before */
    }
    if (j[1] != NULL)
        rcpt_job_cancel(j[1]);
    for (int i = 0; i < 3; i++) {
        if (j[i] == NULL)
            continue;
        await(e, h, j[i]);
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

static rcpt_err live(rcpt_engine *e, struct host *h, way to)
{
    rcpt_session *s;
    rcpt_err err = live_jobs(e, h);
    if (err == RCPT_OK)
        err = open_session(&s, e, h, to);
    if (err != RCPT_OK)
        return err;
    err = ask(e, h, s);
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
static size_t one_life(struct host *h, way to, size_t fail_at, bool forever)
{
    struct faulty f;
    rcpt_engine *e = NULL;
    int before = descriptors();
    faulty_init(&f, fail_at, forever);
    rcpt_err err = rcpt_engine_open(&e, &f.mem);
    if (err == RCPT_OK)
        err = live(e, h, to);
    CHECK(err == (f.has_failed ? RCPT_NOMEM : RCPT_OK) || (err == RCPT_OK && f.has_failed));
    size_t made = f.made;
    if (e != NULL) {
        f.fail_at = 0;
        CHECK(live(e, h, to) == RCPT_OK);      /* none the worse for it */
    }
    rcpt_engine_close(e);
    CHECK(f.bytes == 0);
    host_drop(h);
    CHECK(descriptors() == before);
    return made;
}

/* ---- closing with everything under way ---- */

static void close_busy(struct host *h, way to)
{
    struct faulty f;
    rcpt_engine *e;
    rcpt_session *s;
    struct rcpt_job *nap, *asked[2], *opening;
    struct rcpt_session_config cfg = { .n = 1, .helo = "a.example", .sender = "", .connect_ms = 5000,
                                       .greeting_ms = 5000, .reply_ms = 5000, .idle_ms = 5000,
                                       .second_ms = 5000 };
    faulty_init(&f, 0, false);
    CHECK(rcpt_engine_open(&e, &f.mem) == RCPT_OK && open_session(&s, e, h, to) == RCPT_OK);
    CHECK(rcpt_ip_read(&cfg.to[0], "127.0.0.1", h->port) == RCPT_OK);
    set_way(&cfg, h, to);
    CHECK(rcpt_session_open(&opening, e, &cfg, UINT64_MAX) == RCPT_OK);
    CHECK(rcpt_nap_start(&nap, e, UINT64_MAX) == RCPT_OK);
    for (int i = 0; i < 2; i++)
        CHECK(rcpt_session_ask(&asked[i], s, RCPT_ASK_RCPT, "yes@a.example", 13, UINT64_MAX) ==
              RCPT_OK);
    CHECK(rcpt_engine_pending(e) == 4);
    rcpt_engine_close(e);
    CHECK(nap->err == RCPT_CLOSED && nap->ended && nap->engine == NULL);
    CHECK(asked[0]->err == RCPT_CLOSED && asked[1]->err == RCPT_CLOSED && opening->err == RCPT_CLOSED);
    CHECK(!rcpt_session_is_ready(s) && rcpt_session_engine(s) == NULL);
    rcpt_session_quit(s);
    struct rcpt_job *none = NULL;
    CHECK(rcpt_session_ask(&none, s, RCPT_ASK_RCPT, "yes@a.example", 13, UINT64_MAX) == RCPT_CLOSED);
    rcpt_job_release(asked[0]);
    rcpt_session_release(s);
    rcpt_job_release(asked[1]);
    rcpt_job_release(opening);
    rcpt_job_release(nap);
    CHECK(f.bytes == 0);
    host_drop(h);
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
    CHECK(rcpt_session_ask(&none, s, RCPT_ASK_RCPT, "yes@a.example", 13, UINT64_MAX) == RCPT_CLOSED);
    rcpt_job_cancel(asked);
    rcpt_job_release(asked);
    rcpt_session_quit(s);
    rcpt_session_release(s);
    rcpt_engine_close(e);
    rcpt_job_release(nap);
    CHECK(f->bytes == 0);
}

static void fork_busy(struct host *h, way to)
{
    struct faulty f;
    rcpt_engine *e;
    rcpt_session *s;
    struct rcpt_job *asked, *nap;
    int status;
    faulty_init(&f, 0, false);
    CHECK(rcpt_engine_open(&e, &f.mem) == RCPT_OK && open_session(&s, e, h, to) == RCPT_OK);
    unsigned quits = h->quits;
    CHECK(rcpt_nap_start(&nap, e, rcpt_engine_now(e) + 30) == RCPT_OK);
    CHECK(rcpt_session_ask(&asked, s, RCPT_ASK_RCPT, "no@a.example", 12, UINT64_MAX) == RCPT_OK);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        be_child(e, s, asked, nap, &f);
        exit(0);                            /* and not _exit: LeakSanitizer looks here as well */
    }
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    await(e, h, asked);
    CHECK(rcpt_ask_reply(asked) != NULL && rcpt_ask_reply(asked)->code == 550);
    rcpt_job_release(asked);
    CHECK(finish(e, h, nap) == RCPT_OK);
    CHECK(h->quits == quits);
    CHECK(ask(e, h, s) == RCPT_OK);
    rcpt_session_release(s);
    rcpt_engine_close(e);
    CHECK(f.bytes == 0);
    host_drop(h);
}

/* ---- many handshakes at once ---- */

#define MANY 20

static void step_until_all_ask(rcpt_engine *e, struct host *h)
{
    uint64_t late = rcpt_clock_ms() + 5000;
    while (host_asked_tls(h) < MANY) {
        CHECK(rcpt_clock_ms() < late);
        host_step(h);
        (void)rcpt_poller_block(rcpt_engine_fd(e), 1);
        CHECK(rcpt_engine_step(e) == RCPT_OK);
    }
}

/* A step starts no more than its share of them, and keeps its descriptor readable for the rest. */
static void shake_many(struct host *h)
{
    struct faulty f;
    rcpt_engine *e;
    struct rcpt_job *j[MANY];
    struct rcpt_session_config cfg = { .n = 1, .helo = "a.example", .sender = "", .connect_ms = 5000,
                                       .greeting_ms = 5000, .reply_ms = 5000, .second_ms = 5000,
                                       .idle_ms = 5000, .tls = RCPT_TLS_MAY };
    unsigned notified = h->notified;
    faulty_init(&f, 0, false);
    CHECK(rcpt_engine_open(&e, &f.mem) == RCPT_OK);
    CHECK(rcpt_ip_read(&cfg.to[0], "127.0.0.1", h->port) == RCPT_OK);
    h->holds_tls = true;
    for (int i = 0; i < MANY; i++)
        CHECK(rcpt_session_open(&j[i], e, &cfg, UINT64_MAX) == RCPT_OK);
    step_until_all_ask(e, h);
    CHECK(host_unread(h) == 0);
    host_let_tls(h);
    CHECK(rcpt_engine_step(e) == RCPT_OK);
    CHECK(host_unread(h) == 16);
    CHECK(rcpt_poller_block(rcpt_engine_fd(e), 0));
    CHECK(rcpt_engine_step(e) == RCPT_OK);
    CHECK(host_unread(h) == MANY);
    for (int i = 0; i < MANY; i++) {
        await(e, h, j[i]);
        rcpt_session *s = rcpt_session_take(j[i]);
        CHECK(rcpt_session_is_ready(s));
        rcpt_session_release(s);
        rcpt_job_release(j[i]);
    }
    rcpt_engine_close(e);
    CHECK(f.bytes == 0);
    for (uint64_t late = rcpt_clock_ms() + 5000; host_open_now(h) > 0; host_step(h))
        CHECK(rcpt_clock_ms() < late);
    CHECK(h->notified - notified == MANY);
}

int main(void)
{
    struct host h;
    size_t n[WAYS];
    host_open(&h);
    int fd = mkstemp(ca_file);
    CHECK(fd >= 0 && close(fd) == 0);
    cert_write(&h.cert, ca_file);
    (void)one_life(&h, FAR, 0, false);        /* what OpenSSL makes once */
    for (way to = NEAR; to < WAYS; to++) {
        n[to] = one_life(&h, to, 0, false);
        for (size_t i = 1; i <= n[to]; i++) {
            (void)one_life(&h, to, i, false);
            (void)one_life(&h, to, i, true);
        }
        close_busy(&h, to);
        fork_busy(&h, to);
    }
    shake_many(&h);
    host_close(&h);
    (void)unlink(ca_file);
    printf("faults: each of %zu allocations in the clear and %zu within TLS through a proxy failing, "
           "alone and with all after it; closed and forked busy; %d handshakes at once\n",
           n[NEAR], n[FAR], MANY);
    return 0;
}
