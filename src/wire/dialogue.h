/* wire/dialogue.h -- the table of the client's dialogue: what is said, and where each reply leads.
 *
 * Data for client.c, for doc/dialogue.md and for the spec that walks it. What depends on more than
 * the reply (TLS, leaving, what was said ahead) is in client.c. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_WIRE_DIALOGUE_H
#define RCPT_WIRE_DIALOGUE_H

#include "wire/client.h"

typedef enum {
    RCPT_STATE_NONE,                  /* a forgotten cell */
    RCPT_STATE_GREETING, RCPT_STATE_KNOCK, RCPT_STATE_EHLO, RCPT_STATE_HELO, RCPT_STATE_STARTTLS,
    RCPT_STATE_SECURE, RCPT_STATE_IDLE, RCPT_STATE_RSET, RCPT_STATE_MAIL, RCPT_STATE_RCPT,
    RCPT_STATE_MORE, RCPT_STATE_SPOILT, RCPT_STATE_VRFY, RCPT_STATE_QUIT, RCPT_STATE_DONE,
    RCPT_STATE_COUNT
} rcpt_state;

typedef enum {
    RCPT_CLASS_2YZ, RCPT_CLASS_3YZ, RCPT_CLASS_4YZ, RCPT_CLASS_5YZ, RCPT_CLASS_421,
    RCPT_CLASS_FULL,                  /* too many recipients; in MORE alone, else 4yz or 5yz */
    RCPT_CLASS_COUNT
} rcpt_class;

struct rcpt_step {
    rcpt_state  to;
    rcpt_heard  heard;
    const char *why;
    rcpt_err    err;
};

/* All strings static. */
struct rcpt_dialogue {
    const char *name, *says;          /* says: "" for nothing */
    rcpt_stage  stage;                /* of the reply it awaits; SYNTAX: the stage stays as it was */
    rcpt_state  ahead;                /* said behind it, in one breath, with PIPELINING; NONE */
    struct rcpt_step on[RCPT_CLASS_COUNT];     /* to NONE: not heard here */
};

const struct rcpt_dialogue *rcpt_dialogue_of(rcpt_state s);
const char *rcpt_class_name(rcpt_class k);    /* "2yz" .. "421", "full" */

#endif
