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
    X(EHLO, "ehlo") X(HELO, "helo") X(STARTTLS, "starttls") X(MAIL, "mail") X(RCPT, "rcpt") \
    X(VRFY, "vrfy") X(RSET, "rset") X(QUIT, "quit")

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
    struct rcpt_enhanced enhanced;     /* of the first line that has one, as sent: its class may
                                          differ from the code's first digit, which rules */
    uint16_t len;                      /* bytes of text: lines joined by LF, codes left out */
    bool     cut;                      /* something was left out: a long line or a long reply */
    bool     mixed;                    /* its lines disagreed on the code: the last one's rules */
    char     text[RCPT_TEXT_MAX];
};

/* "5.1.1" and the like at the start of `text` ("#5.1.1", "5.1.1:" as well); the bytes it takes with
 * one blank, 0 when none. Its class must be 2, 4 or 5; an IP address is none. */
size_t rcpt_enhanced_read(struct rcpt_enhanced *e, const char *text, size_t len);

/* A reply being read; the fields are the reader's own. */
struct rcpt_reader {
    struct rcpt_reply reply;           /* what is known so far */
    uint32_t taken;                    /* bytes of this reply, over all its lines */
    uint16_t lines;                    /* whole lines of it */
    uint16_t have;                     /* bytes in `line` */
    bool     is_line_over, is_over;    /* the last feed ended a line, a reply */
    char     line[RCPT_LINE_MAX];
};

typedef enum {
    RCPT_READ_MORE,                    /* all bytes were taken and no line ended */
    RCPT_READ_LINE,                    /* a line ended and more of them follow */
    RCPT_READ_WHOLE                    /* the last line ended: reader.reply is whole */
} rcpt_read;

void rcpt_reader_init(struct rcpt_reader *r);
/* Take bytes up to the end of at most one line; *used of `len` were taken. The outcome does not
 * depend on how the bytes were cut. The stage of the reply is the caller's to set.
 *   RCPT_OK       see *what
 *   RCPT_TOOLONG  over RCPT_REPLY_MAX or RCPT_REPLY_LINES: start anew with init
 *   RCPT_PROTO    it does not begin with a code of 200 to 599: start anew with init */
rcpt_err rcpt_reader_feed(struct rcpt_reader *r, const char *in, size_t len, size_t *used,
                          rcpt_read *what);
/* The line that just ended, without code and line end; borrowed until the next feed. */
struct rcpt_span rcpt_reader_line(const struct rcpt_reader *r);

#endif
