/* bench/parse.c -- addresses parsed a second in C, beside a floor that only looks for the @.
 *
 * Plain addresses take the pass without libraries; the second row has one international
 * domain and one local part beyond ASCII in eight. Prints "name\tper_second" lines. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "wire/address.h"

static const char *const plain[] = {
    "user@example.com", "first.last@company.example", "abc@mail.example.org", "x@y.test",
    "newsletter+tag@lists.example.net",
    "J.R.Longname-Surname@a-rather-long-domain-name.example.com",
    "1234567890@example.com", "support@xyz.co.example",
};
static const char *const mixed[] = {
    "user@example.com", "first.last@company.example", "abc@b\xC3\xBC" "cher.example", "x@y.test",
    "newsletter+tag@lists.example.net", "\"quoted local\"@example.com",
    "j\xC3\xBCrgen@example.com", "a@[192.0.2.1]",
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t look_for_at(const char *in, size_t len)
{
    return memchr(in, '@', len) != NULL;
}

static size_t parse(const char *in, size_t len)
{
    struct rcpt_address a;
    return rcpt_address_parse(&a, in, len, NULL) == RCPT_OK && a.why == RCPT_DIAG_NONE;
}

/* The best of five runs of about a fifth of a second. */
static void measure(const char *name, size_t (*fn)(const char *, size_t), const char *const list[8])
{
    size_t len[8], good = 0;
    double best = 0;
    for (int i = 0; i < 8; i++)
        len[i] = strlen(list[i]);
    for (int run = 0; run < 5; run++) {
        double start = now(), spent;
        size_t n = 0;
        do {
            for (int i = 0; i < 8 * 1000; i++)
                good += fn(list[i & 7], len[i & 7]);
            n += 8 * 1000;
            spent = now() - start;
        } while (spent < 0.2);
        if ((double)n / spent > best)
            best = (double)n / spent;
    }
    printf("%s\t%.0f\n", name, best);
    if (good == 0)
        printf("nothing was valid\n");
}

int main(void)
{
    measure("floor: find the @", look_for_at, plain);
    measure("parse, plain ASCII", parse, plain);
    measure("parse, one in four beyond ASCII", parse, mixed);
    return 0;
}
