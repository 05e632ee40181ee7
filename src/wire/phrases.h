/* wire/phrases.h -- what replies mean, as rows of data: phrases.c, then codes.c.
 *
 * The first row that fits is the meaning, so order is precedence: a cause named in the text stands
 * before what only the codes say, and what is about us before what is about the mailbox. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_WIRE_PHRASES_H
#define RCPT_WIRE_PHRASES_H

#include <stddef.h>

#include "wire/meaning.h"

/* Stages a row is for. */
#define RCPT_AT(stage) (1u << RCPT_STAGE_##stage)

struct rcpt_phrase {
    rcpt_reason reason;
    uint16_t    where;                 /* RCPT_AT() bits */
    uint16_t    code;                  /* 0 any, 5 is 5yz, 45 is 45z, else this one code */
    const char *enhanced;              /* "" any; "-" none given; "1.1", "7.606-649", "7.*": subject
                                          and detail, whatever its class */
    const char *mx;                    /* "" any host; else how its name ends */
    const char *phrase;                /* in the language of words.h; "" any text, "-" no words */
    const char *seen;                  /* who says so, or the clause */
};

extern const struct rcpt_phrase rcpt_phrases[], rcpt_codes[];
extern const unsigned rcpt_phrase_count, rcpt_code_count;

/* Row i of both tables, phrases.c before codes.c; NULL past the last. */
static inline const struct rcpt_phrase *rcpt_phrase_at(unsigned i)
{
    if (i < rcpt_phrase_count)
        return &rcpt_phrases[i];
    return i - rcpt_phrase_count < rcpt_code_count ? &rcpt_codes[i - rcpt_phrase_count] : NULL;
}

#endif
