/* spec/base/base_test.c -- what src/base promises, tested in C; base_spec.lua runs it.
 *
 * Each check prints "ok NAME" or "not ok NAME: LINE". */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/span.h"
#include "spec/support/check.h"

/* An allocator that counts what is out and fails when told to. */
struct ledger {
    long out;
    int  fail_after;          /* -1: never */
};

static void *ledger_resize(void *ud, void *p, size_t old_size, size_t new_size)
{
    struct ledger *l = ud;
    if (new_size > old_size && l->fail_after >= 0 && l->fail_after-- == 0) {
        l->fail_after = 0;
        return NULL;
    }
    l->out += (long)new_size - (long)(p != NULL ? old_size : 0);
    return rcpt_mem_libc.resize(NULL, p, old_size, new_size);
}

static void test_err(void)
{
    for (int i = 0; i < RCPT_ERR_COUNT; i++) {
        CHECK(rcpt_err_name((rcpt_err)i)[0] != '\0');
        CHECK(rcpt_err_text((rcpt_err)i)[0] != '\0');
        for (int j = 0; j < i; j++)
            CHECK(strcmp(rcpt_err_name((rcpt_err)i), rcpt_err_name((rcpt_err)j)) != 0);
    }
    CHECK(strcmp(rcpt_err_name((rcpt_err)999), "unknown") == 0);
    told("err: every error has a name of its own and a text");
}

static void test_buf(void)
{
    struct ledger l = { 0, -1 };
    struct rcpt_mem m = { ledger_resize, &l };
    struct rcpt_buf b;
    rcpt_buf_init(&b, &m, 1000);
    CHECK(l.out == 0);
    for (int i = 0; i < 100; i++)
        CHECK(rcpt_buf_add(&b, "0123456789", 10) == RCPT_OK);
    CHECK(b.len == 1000);
    CHECK(rcpt_buf_adds(&b, "x") == RCPT_FULL);
    CHECK(b.len == 1000 && l.out == 1000);
    CHECK(memcmp(b.data + 990, "0123456789", 10) == 0);
    told("buf: fills to its ceiling and not a byte over");
    rcpt_buf_drop(&b, 995);
    CHECK(b.len == 5 && memcmp(b.data, "56789", 5) == 0);
    rcpt_buf_reset(&b);
    CHECK(b.len == 0 && l.out == 1000);
    rcpt_buf_done(&b);
    CHECK(l.out == 0);
    told("buf: drops from the front, gives all memory back");
    l.fail_after = 0;
    rcpt_buf_init(&b, &m, 1000);
    CHECK(rcpt_buf_adds(&b, "x") == RCPT_NOMEM && b.len == 0);
    l.fail_after = 1;
    CHECK(rcpt_buf_adds(&b, "x") == RCPT_OK);
    char much[600] = { 0 };
    CHECK(rcpt_buf_add(&b, much, sizeof much) == RCPT_NOMEM);
    CHECK(b.len == 1 && b.data[0] == 'x');
    rcpt_buf_done(&b);
    CHECK(l.out == 0);
    told("buf: stays whole when memory runs out");
}

static void test_heap(void)
{
    enum { N = 500 };
    struct ledger l = { 0, -1 };
    struct rcpt_mem m = { ledger_resize, &l };
    struct rcpt_heap h;
    static struct rcpt_timer t[N];
    rcpt_heap_init(&h, &m);
    CHECK(rcpt_heap_first(&h) == NULL);
    srand(1);
    for (int i = 0; i < N; i++)
        CHECK(rcpt_heap_set(&h, &t[i], (uint64_t)(rand() % 1000)) == RCPT_OK);
    for (int i = 0; i < N; i += 3)
        CHECK(rcpt_heap_set(&h, &t[i], (uint64_t)(rand() % 1000)) == RCPT_OK);
    for (int i = 1; i < N; i += 3)
        rcpt_heap_unset(&h, &t[i]);
    rcpt_heap_unset(&h, &t[1]);
    uint64_t last = 0;
    int seen = 0;
    for (struct rcpt_timer *f; (f = rcpt_heap_first(&h)) != NULL; seen++) {
        CHECK(f->due_ms >= last);
        last = f->due_ms;
        rcpt_heap_unset(&h, f);
        CHECK(f->at == 0);
    }
    CHECK(seen == N - (N + 1) / 3);
    told("heap: gives timers in order, moved and unset ones too");
    CHECK(rcpt_heap_set(&h, &t[0], 5) == RCPT_OK);
    rcpt_heap_done(&h);
    CHECK(t[0].at == 0 && l.out == 0);
    told("heap: unsets what is left and gives all memory back");
    l.fail_after = 0;
    CHECK(rcpt_heap_set(&h, &t[0], 5) == RCPT_NOMEM);
    CHECK(t[0].at == 0 && rcpt_heap_first(&h) == NULL);
    rcpt_heap_done(&h);
    told("heap: a timer that could not be set is not set");
}

static void test_list(void)
{
    struct thing {
        int n;
        struct rcpt_node node;
    } a = { .n = 1 }, b = { .n = 2 };
    struct rcpt_node head;
    rcpt_list_init(&head);
    rcpt_list_init(&a.node);
    rcpt_list_init(&b.node);
    CHECK(rcpt_list_empty(&head) && rcpt_list_first(&head) == NULL);
    rcpt_list_append(&head, &a.node);
    rcpt_list_append(&head, &b.node);
    CHECK(RCPT_OWNER(rcpt_list_first(&head), struct thing, node)->n == 1);
    rcpt_list_remove(&a.node);
    rcpt_list_remove(&a.node);
    CHECK(RCPT_OWNER(rcpt_list_first(&head), struct thing, node)->n == 2);
    rcpt_list_remove(&b.node);
    CHECK(rcpt_list_empty(&head));
    told("list: keeps order; removing twice is nothing");
}

static void test_span(void)
{
    struct rcpt_span a = { "MX.Example", 10 }, b = { "mx.eXAMPLE", 10 }, u = { "\xc3\x84", 2 },
                     v = { "\xc3\xa4", 2 }, none = { NULL, 0 };
    CHECK(rcpt_span_same(a, b) && !rcpt_span_equal(a, b));
    CHECK(!rcpt_span_same(u, v));
    CHECK(rcpt_span_is_ascii(a) && !rcpt_span_is_ascii(u) && rcpt_span_is_ascii(none));
    CHECK(rcpt_span_equal(none, none));
    CHECK(!rcpt_is_alpha((char)0xC4) && !rcpt_is_ctl((char)0x80) && rcpt_is_ctl(0x7F));
    told("span: folds the case of ASCII alone");
}

int main(void)
{
    test_err();
    test_buf();
    test_heap();
    test_list();
    test_span();
    return 0;
}
