/* engine/answers.c -- see answers.h: a chained table that doubles, and a list by last use. */
/* SPDX-License-Identifier: MIT */
#include "engine/answers.h"

#include <string.h>

#define FIRST 64              /* buckets at first */
#define BYTES_EACH 1024       /* ...of the ceiling, for each answer there may be */

struct rcpt_kept {
    struct rcpt_node  node;           /* in `used` */
    struct rcpt_kept *next;           /* of its bucket */
    const struct rcpt_dns_answer *answer;
    uint64_t since_ms, until_ms;
    size_t   size;                    /* bytes of this block */
    uint32_t hash;
    rcpt_dns_type type;
    char     name[];
};

static size_t weight(const struct rcpt_kept *k)
{
    return k->size + rcpt_dns_answer_size(k->answer);
}

static struct rcpt_kept **place(struct rcpt_answers *a, rcpt_dns_type type, const char *name)
{
    uint32_t hash = rcpt_answers_hash(a->seed, type, name);
    struct rcpt_kept **p = &a->bucket[hash & (a->buckets - 1)];
    while (*p != NULL &&
           ((*p)->hash != hash || (*p)->type != type || strcmp((*p)->name, name) != 0))
        p = &(*p)->next;
    return p;
}

/* Drop what `p`, a link of a bucket, points to. */
static void drop(struct rcpt_answers *a, struct rcpt_kept **p)
{
    struct rcpt_kept *k = *p;
    *p = k->next;
    rcpt_list_remove(&k->node);
    a->n--;
    a->bytes -= weight(k);
    rcpt_dns_answer_release(k->answer);
    rcpt_mem_free(a->mem, k, k->size);
}

static void drop_oldest(struct rcpt_answers *a)
{
    struct rcpt_kept *k = RCPT_OWNER(rcpt_list_first(&a->used), struct rcpt_kept, node);
    struct rcpt_kept **p = &a->bucket[k->hash & (a->buckets - 1)];
    while (*p != k)
        p = &(*p)->next;
    drop(a, p);
}

/* One answer more must fit well. False: there is no table at all. */
static bool make_room(struct rcpt_answers *a)
{
    if (a->n < a->buckets || (a->buckets != 0 && a->buckets >= a->max))
        return true;
    size_t buckets = a->buckets != 0 ? a->buckets * 2 : FIRST;
    struct rcpt_kept **t = rcpt_mem_alloc(a->mem, buckets * sizeof *t);
    if (t == NULL)
        return a->buckets != 0;               /* a full one is only slower */
    for (size_t i = 0; i < a->buckets; i++) {
        for (struct rcpt_kept *k = a->bucket[i], *next; k != NULL; k = next) {
            struct rcpt_kept **p = &t[k->hash & (buckets - 1)];
            next = k->next;
            k->next = *p;
            *p = k;
        }
    }
    rcpt_mem_free(a->mem, a->bucket, a->buckets * sizeof *t);
    a->bucket = t;
    a->buckets = buckets;
    return true;
}

void rcpt_answers_init(struct rcpt_answers *a, const struct rcpt_mem *mem, size_t max)
{
    *a = (struct rcpt_answers){ .mem = mem, .max = max };
    a->seed = (uint32_t)((uintptr_t)a >> 4);  /* not the same in every process */
    rcpt_list_init(&a->used);
}

void rcpt_answers_done(struct rcpt_answers *a)
{
    while (a->n > 0)
        drop_oldest(a);
    rcpt_mem_free(a->mem, a->bucket, a->buckets * sizeof *a->bucket);
    a->bucket = NULL;
    a->buckets = 0;
}

const struct rcpt_dns_answer *rcpt_answers_find(struct rcpt_answers *a, rcpt_dns_type type,
                                                const char *name, uint64_t now_ms,
                                                struct rcpt_dns_answer *view)
{
    if (a->n == 0)
        return NULL;
    struct rcpt_kept **p = place(a, type, name), *k = *p;
    if (k == NULL)
        return NULL;
    if (now_ms >= k->until_ms) {
        drop(a, p);
        return NULL;
    }
    rcpt_list_remove(&k->node);
    rcpt_list_append(&a->used, &k->node);
    *view = *k->answer;
    view->ttl_s = (uint32_t)((k->until_ms - now_ms) / 1000);
    view->age_s = (uint32_t)((now_ms - k->since_ms) / 1000);
    return k->answer;
}

void rcpt_answers_put(struct rcpt_answers *a, rcpt_dns_type type, const char *name,
                      const struct rcpt_dns_answer *answer, uint64_t now_ms)
{
    if (answer->ttl_s == 0 || !make_room(a))
        return;
    struct rcpt_kept **p = place(a, type, name);
    if (*p != NULL)
        drop(a, p);
    size_t size = sizeof(struct rcpt_kept) + strlen(name) + 1;
    struct rcpt_kept *k = rcpt_mem_alloc(a->mem, size);
    if (k == NULL)
        return;
    k->answer = answer;
    rcpt_dns_answer_keep(answer);
    k->since_ms = now_ms;
    k->until_ms = now_ms + (uint64_t)answer->ttl_s * 1000;
    k->size = size;
    k->hash = rcpt_answers_hash(a->seed, type, name);
    k->type = type;
    memcpy(k->name, name, strlen(name) + 1);
    p = &a->bucket[k->hash & (a->buckets - 1)];
    k->next = *p;
    *p = k;
    rcpt_list_append(&a->used, &k->node);
    a->n++;
    a->bytes += weight(k);
    while (a->n > a->max || (a->bytes > a->max * BYTES_EACH && a->n > 0))
        drop_oldest(a);
}

uint32_t rcpt_answers_hash(uint32_t seed, rcpt_dns_type type, const char *name)
{
    uint32_t h = seed ^ 2166136261U;                    /* FNV-1a */
    h = (h ^ (uint32_t)type) * 16777619U;
    for (; *name != '\0'; name++)
        h = (h ^ (unsigned char)*name) * 16777619U;
    return h ^ h >> 15;
}
