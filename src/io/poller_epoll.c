/* io/poller_epoll.c -- the poller of Linux: an epoll set with a timerfd inside; see poller.h.
 *
 * An event carries its watch's generation and descriptor, and the watch is found in a table
 * by descriptor: an event left in a batch after its watch went, or after another watch got
 * the same number, finds another generation and is dropped. The table grows to the highest
 * descriptor watched, so the process's limit of descriptors bounds it.
 *
 * The timer is never read. Once it fired it stays readable until it is set anew, which
 * is what level-triggered means, and saves a system call. */
/* SPDX-License-Identifier: MIT */
#include "io/poller.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define BATCH   64            /* events taken from the kernel at once */
#define BATCHES 16            /* ...and how often in one run          */
#define FIRST   64            /* entries of the table at first        */

struct rcpt_poller {
    const struct rcpt_mem *mem;       /* borrowed */
    struct rcpt_watch **watch;        /* by descriptor; the table is ours, the watches are not */
    size_t   cap;                     /* entries of it */
    int      set_fd, timer_fd;
    uint32_t generation;              /* of the newest watch; 0 is the timer's and never given */
    uint64_t armed_ms;                /* what the kernel's timer is set to; UINT64_MAX: not */
    bool     has_fired;               /* the timer was seen readable since it was set */
};

static rcpt_err errno_err(int e)
{
    switch (e) {
    case EMFILE:
    case ENFILE: return RCPT_NOFILE;
    case ENOMEM: return RCPT_NOMEM;
    default:     return RCPT_SYSTEM;
    }
}

static uint64_t ticket(int fd, uint32_t generation)
{
    return (uint64_t)generation << 32 | (uint32_t)fd;
}

static int control(rcpt_poller *p, int op, const struct rcpt_watch *w, unsigned events)
{
    struct epoll_event ev = { .events = 0, .data = { .u64 = ticket(w->fd, w->generation) } };
    if (events & RCPT_READABLE)
        ev.events |= EPOLLIN;
    if (events & RCPT_WRITABLE)
        ev.events |= EPOLLOUT;
    return epoll_ctl(p->set_fd, op, w->fd, &ev);
}

static bool is_watched(const rcpt_poller *p, const struct rcpt_watch *w)
{
    return w->generation != 0 && w->fd >= 0 && (size_t)w->fd < p->cap && p->watch[w->fd] == w;
}

static rcpt_err make_room(rcpt_poller *p, int fd)
{
    size_t cap = p->cap != 0 ? p->cap : FIRST;
    while (cap <= (size_t)fd)
        cap *= 2;
    if (cap == p->cap)
        return RCPT_OK;
    struct rcpt_watch **t = rcpt_mem_resize(p->mem, p->watch, p->cap * sizeof *t, cap * sizeof *t);
    if (t == NULL)
        return RCPT_NOMEM;
    for (size_t i = p->cap; i < cap; i++)
        t[i] = NULL;
    p->watch = t;
    p->cap = cap;
    return RCPT_OK;
}

/* Make one event's callback; how many were made. */
static unsigned dispatch(rcpt_poller *p, const struct epoll_event *ev)
{
    int fd = (int)(ev->data.u64 & UINT32_MAX);
    uint32_t generation = (uint32_t)(ev->data.u64 >> 32);
    if (generation == 0) {
        p->has_fired = true;
        return 0;
    }
    struct rcpt_watch *w = (size_t)fd < p->cap ? p->watch[fd] : NULL;
    if (w == NULL || w->generation != generation)
        return 0;                           /* it went earlier in this batch */
    unsigned events = 0;
    if (ev->events & EPOLLIN)
        events |= RCPT_READABLE;
    if (ev->events & EPOLLOUT)
        events |= RCPT_WRITABLE;
    if (ev->events & (EPOLLERR | EPOLLHUP)) /* who waits to read or write learns why by doing it */
        events |= RCPT_HANGUP | w->events;
    w->ready(w, events);
    return 1;
}

rcpt_err rcpt_poller_open(rcpt_poller **out, const struct rcpt_mem *mem)
{
    rcpt_poller *p = rcpt_mem_alloc(mem, sizeof *p);
    if (p == NULL)
        return RCPT_NOMEM;
    p->mem = mem;
    p->armed_ms = UINT64_MAX;
    p->set_fd = epoll_create1(EPOLL_CLOEXEC);
    p->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    struct epoll_event ev = { .events = EPOLLIN, .data = { .u64 = ticket(p->timer_fd, 0) } };
    if (p->set_fd < 0 || p->timer_fd < 0 ||
        epoll_ctl(p->set_fd, EPOLL_CTL_ADD, p->timer_fd, &ev) != 0) {
        rcpt_err e = errno_err(errno);
        rcpt_poller_close(p, false);
        return e;
    }
    *out = p;
    return RCPT_OK;
}

void rcpt_poller_close(rcpt_poller *p, bool inherited)
{
    (void)inherited;               /* nothing but close(2) is done here in either case */
    if (p == NULL)
        return;
    if (p->set_fd >= 0)
        (void)close(p->set_fd);
    if (p->timer_fd >= 0)
        (void)close(p->timer_fd);
    rcpt_mem_free(p->mem, p->watch, p->cap * sizeof *p->watch);
    rcpt_mem_free(p->mem, p, sizeof *p);
}

int rcpt_poller_fd(const rcpt_poller *p)
{
    return p->set_fd;
}

rcpt_err rcpt_poller_add(rcpt_poller *p, struct rcpt_watch *w, unsigned events)
{
    rcpt_err e = make_room(p, w->fd);
    if (e != RCPT_OK)
        return e;
    if (++p->generation == 0)
        p->generation = 1;
    w->generation = p->generation;
    if (control(p, EPOLL_CTL_ADD, w, events) != 0) {
        e = errno_err(errno);
        w->generation = 0;
        return e;
    }
    w->events = events;
    p->watch[w->fd] = w;
    return RCPT_OK;
}

rcpt_err rcpt_poller_change(rcpt_poller *p, struct rcpt_watch *w, unsigned events)
{
    if (!is_watched(p, w))
        return RCPT_SYSTEM;
    if (events == w->events)
        return RCPT_OK;
    if (control(p, EPOLL_CTL_MOD, w, events) != 0)
        return errno_err(errno);
    w->events = events;
    return RCPT_OK;
}

void rcpt_poller_remove(rcpt_poller *p, struct rcpt_watch *w)
{
    if (!is_watched(p, w))
        return;
    (void)control(p, EPOLL_CTL_DEL, w, 0);
    p->watch[w->fd] = NULL;
    w->generation = 0;
}

void rcpt_poller_alarm(rcpt_poller *p, uint64_t due_ms)
{
    if (due_ms == p->armed_ms || (due_ms > p->armed_ms && !p->has_fired))
        return;
    struct itimerspec t = { { 0, 0 }, { 0, 0 } };
    if (due_ms != UINT64_MAX) {
        t.it_value.tv_sec = (time_t)(due_ms / 1000);
        t.it_value.tv_nsec = (long)(due_ms % 1000) * 1000000;
        if (due_ms == 0)
            t.it_value.tv_nsec = 1;                       /* all zero would mean never */
    }
    (void)timerfd_settime(p->timer_fd, TFD_TIMER_ABSTIME, &t, NULL);
    p->armed_ms = due_ms;
    p->has_fired = false;
}

unsigned rcpt_poller_run(rcpt_poller *p)
{
    struct epoll_event ev[BATCH];
    unsigned made = 0;
    for (int batch = 0; batch < BATCHES; batch++) {
        int n = epoll_wait(p->set_fd, ev, BATCH, 0);
        for (int i = 0; i < n; i++)
            made += dispatch(p, &ev[i]);
        if (n < BATCH)
            break;
    }
    return made;
}

bool rcpt_poller_block(int fd, int patience_ms)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    return poll(&p, 1, patience_ms) > 0;
}
