/* spec/support/check.h -- what the specs written in C share; program.lua reads what they print.
 *
 *     CHECK(a == b);              any number of these
 *     told("parser: takes a");    one test: "ok NAME", or "not ok NAME: line N"
 */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_SPEC_CHECK_H
#define RCPT_SPEC_CHECK_H

#include <stdio.h>

static int wrong;

#define CHECK(cond) do { if (!(cond) && !wrong) wrong = __LINE__; } while (0)

static void told(const char *name)
{
    if (wrong)
        printf("not ok %s: line %d\n", name, wrong);
    else
        printf("ok %s\n", name);
    fflush(stdout);
    wrong = 0;
}

#endif
