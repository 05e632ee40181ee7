/* base/list.h -- an intrusive ring: the node lives in what it links.
 *
 * A head that points to itself is empty; a node that points to itself is in no
 * list, and taking it out again is nothing. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_BASE_LIST_H
#define RCPT_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct rcpt_node {
    struct rcpt_node *next, *prev;
};

#define RCPT_OWNER(node, type, field) ((type *)(void *)((char *)(node) - offsetof(type, field)))

static inline void rcpt_list_init(struct rcpt_node *n) { n->next = n->prev = n; }
static inline bool rcpt_list_empty(const struct rcpt_node *head) { return head->next == head; }

static inline void rcpt_list_remove(struct rcpt_node *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
    rcpt_list_init(n);
}

/* `n` must be in no list. */
static inline void rcpt_list_append(struct rcpt_node *head, struct rcpt_node *n)
{
    n->prev = head->prev;
    n->next = head;
    head->prev->next = n;
    head->prev = n;
}

/* NULL when empty. */
static inline struct rcpt_node *rcpt_list_first(const struct rcpt_node *head)
{
    return rcpt_list_empty(head) ? NULL : head->next;
}

#endif
