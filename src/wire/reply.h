/* wire/reply.h -- one SMTP reply, read line by line (RFC 5321 4.2, RFC 2034).
 *
 * Takes bytes in any cut, folds continuation lines, finds the enhanced code,
 * keeps a bounded text. It allocates nothing and never fails on long lines (cut)
 * or odd bytes (kept; the border makes valid UTF-8 of them). */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_WIRE_REPLY_H
#define RCPT_WIRE_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/span.h"

/* Where in the dialogue a reply was given. */
#define RCPT_STAGES(X) \
    X(SYNTAX, "syntax") X(DNS, "dns") X(CONNECT, "connect") X(GREETING, "greeting") \
    X(EHLO, "ehlo") X(HELO, "helo") X(MAIL, "mail") X(RCPT, "rcpt") X(RSET, "rset") X(QUIT, "quit")

typedef enum {
#define X(id, name) RCPT_STAGE_##id,
    RCPT_STAGES(X)
#undef X
    RCPT_STAGE_COUNT
} rcpt_stage;

const char *rcpt_stage_name(rcpt_stage s);
bool        rcpt_stage_read(const char *name, size_t len, rcpt_stage *s);

struct rcpt_enhanced {                 /* RFC 3463; class 0: none was given */
    uint8_t  class;
    uint16_t subject, detail;
};

struct rcpt_reply {
    rcpt_stage stage;
    uint16_t code;                     /* 200..599 */
    struct rcpt_enhanced enhanced;     /* of the first line that has one */
    uint16_t len;                      /* bytes of text, its lines joined by LF, the codes left out */
    bool     cut;                      /* something was left out: a long line or a long reply */
    char     text[RCPT_TEXT_MAX];
};

/* "5.1.1" and the like at the start of `text`; the bytes it takes with one blank, 0 when none.
 * Its class must be 2, 4 or 5. */
size_t rcpt_enhanced_read(struct rcpt_enhanced *e, const char *text, size_t len);

/* A reply being read. Zeroed by rcpt_reader_init. The author of reply.c completes it. */

#endif
