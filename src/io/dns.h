/* io/dns.h -- one nameserver, asked through c-ares.
 *
 * A channel is one c-ares channel to ONE server (the resolver in engine/lookup.c
 * keeps one a server, so that "ask the next" is ours and a refusal's kind is not
 * lost). It asks over UDP with EDNS, over TCP on truncation, tries once, and gives
 * up after its patience. It keeps no cache. What c-ares calls back only fills a
 * query and queues it: rcpt_channel_take() hands over what ended.
 *
 * c-ares' own memory is malloc's: its allocator is one for the process, not ours to set. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_IO_DNS_H
#define RCPT_IO_DNS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/mem.h"
#include "io/message.h"
#include "io/poller.h"
#include "io/sock.h"

typedef struct rcpt_channel rcpt_channel;

/* Make c-ares ready, once in the process; for whoever of this folder calls it. */
void rcpt_dns_library(void);

struct rcpt_channel_config {
    struct rcpt_ip server;             /* the port within */
    uint32_t patience_ms;              /* over UDP; as much again over TCP */
    void   (*stir)(void *ud);          /* queries ended: called from the poller's run, never from
                                          inside another function here; may be NULL */
    void    *ud;                       /* borrowed */
};

/* One question under way; a part of whatever asks it. */
struct rcpt_query {
    struct rcpt_node node;             /* the channel's */
    rcpt_channel *channel;             /* NULL: not under way, and not ended untaken */
    struct rcpt_dns_asked asked;       /* its name is borrowed until it ended */
    rcpt_err err;                      /* once ended: RCPT_OK with an answer, or RCPT_NOMEM */
    const struct rcpt_dns_answer *answer;   /* once ended, the asker's to release; any status */
};

/* `mem` and `p` are borrowed and must outlive it. RCPT_NOMEM, RCPT_NOFILE, RCPT_SYSTEM. */
rcpt_err rcpt_channel_open(rcpt_channel **c, const struct rcpt_mem *mem, rcpt_poller *p,
                           const struct rcpt_channel_config *cfg);
/* Queries under way are forgotten, and so are those not taken, with their answers. `inherited`: we
 * are a forked child: descriptors are closed, the poller is left alone, no server hears of it. */
void rcpt_channel_close(rcpt_channel *c, bool inherited);

/* Ask q->asked. It ends once, maybe before this returns: look with rcpt_channel_take(). There is
 * no taking it back, since c-ares knows none: its memory stays where it is until it ended. */
void rcpt_channel_ask(rcpt_channel *c, struct rcpt_query *q);
/* The oldest query that ended, off the queue; NULL when there is none. */
struct rcpt_query *rcpt_channel_take(rcpt_channel *c);
/* In how many ms it wants rcpt_channel_tick(); UINT32_MAX: it waits for nothing. */
uint32_t rcpt_channel_due(const rcpt_channel *c);
/* Give up what is out of patience. */
void rcpt_channel_tick(rcpt_channel *c);

#endif
