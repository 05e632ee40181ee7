/* io/clock.c -- see clock.h. */
/* SPDX-License-Identifier: MIT */
#include "io/clock.h"

#include <time.h>

uint64_t rcpt_clock_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);     /* cannot fail: the clock exists, t is ours */
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}
