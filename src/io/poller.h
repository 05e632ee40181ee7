/* io/poller.h -- many descriptors and one timer behind one descriptor.
 *
 * poller_epoll.c (Linux) makes it of epoll with a timerfd inside. The poller's
 * own descriptor is level-triggered: readable as long as a watched descriptor is
 * ready or the timer is due. It knows nothing of what it watches.
 *
 * Watches are intrusive: a struct rcpt_watch lives in what it wakes, and may be
 * removed (and its memory freed) inside any callback, its own included: an event
 * of the same batch that is meant for it is then dropped (events carry a
 * generation, so a descriptor number used again is not mistaken). */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_IO_POLLER_H
#define RCPT_IO_POLLER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

typedef struct rcpt_poller rcpt_poller;

enum { RCPT_READABLE = 1, RCPT_WRITABLE = 2, RCPT_HANGUP = 4 };

struct rcpt_watch {
    int      fd;
    unsigned events;                                  /* as last asked for; 0: only a hang-up */
    uint32_t generation;                              /* the poller's own */
    void   (*ready)(struct rcpt_watch *w, unsigned events);
};

/* RCPT_NOMEM, RCPT_NOFILE, RCPT_SYSTEM. `mem` is borrowed and must outlive it. */
rcpt_err rcpt_poller_open(rcpt_poller **p, const struct rcpt_mem *mem);
/* Closes its own descriptors alone. `inherited`: we are a forked child; touch
 * nothing that is shared with the parent (close only, no epoll_ctl). */
void rcpt_poller_close(rcpt_poller *p, bool inherited);
int  rcpt_poller_fd(const rcpt_poller *p);

/* Watch w->fd; `fd` and `ready` must be set. RCPT_NOMEM, RCPT_SYSTEM (a regular
 * file cannot be watched: it is always ready). */
rcpt_err rcpt_poller_add(rcpt_poller *p, struct rcpt_watch *w, unsigned events);
rcpt_err rcpt_poller_change(rcpt_poller *p, struct rcpt_watch *w, unsigned events);
/* Before the descriptor is closed, always. Removing what is not watched is nothing. */
void rcpt_poller_remove(rcpt_poller *p, struct rcpt_watch *w);

/* Make the descriptor readable at that time (monotonic ms); UINT64_MAX: never.
 * Cheap when nothing changes: the kernel is asked only for an earlier time, and a
 * later one may cost one wake-up for nothing. Once due, the descriptor stays readable
 * until the run that sees it and the next call of this after it: call it after every run. */
void rcpt_poller_alarm(rcpt_poller *p, uint64_t due_ms);
/* Call ready() of what is ready, never block: at most 16 batches of 64 events.
 * The number of callbacks made. */
unsigned rcpt_poller_run(rcpt_poller *p);

/* Block until `fd` is readable or that many ms went by (-1: for ever). True when
 * readable. For hosts that have no loop of their own; a signal ends it early. */
bool rcpt_poller_block(int fd, int patience_ms);

#endif
