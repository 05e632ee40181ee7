/* wire/phrases.h -- what replies mean, as rows of data.
 *
 * The first row that fits is the meaning, so order is precedence: a cause named in the text stands
 * before what only the codes say, and what is about us before what is about the mailbox. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_WIRE_PHRASES_H
#define RCPT_WIRE_PHRASES_H

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

extern const struct rcpt_phrase rcpt_phrases[];
extern const unsigned rcpt_phrase_count;

#endif
