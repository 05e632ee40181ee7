/* engine/record.h -- what is kept of one dialogue: its replies, and a transcript on request.
 *
 * Of a session that is asked again and again: the opening, and the latest question, so that what
 * was said of one address never shows up with another. Bounded by RCPT_SAID_MAX replies (the
 * newest are kept) and RCPT_TRANSCRIPT_MAX bytes: a transcript that has to be cut ends with a
 * line that says so, and loses its tail, not its head. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_ENGINE_RECORD_H
#define RCPT_ENGINE_RECORD_H

#include "base/buf.h"
#include "wire/reply.h"

/* An opening has six replies at most (greeting, EHLO, HELO, STARTTLS, EHLO, HELO), and so has a
 * question that is put twice. */
#define RCPT_SAID_MAX 12

/* A reply as it is kept: a struct rcpt_reply without its unused room. */
struct rcpt_said {
    rcpt_stage stage;
    uint16_t code;
    struct rcpt_enhanced enhanced;
    bool     cut, mixed;
    uint16_t len;                     /* bytes of text */
    char     text[];
};

/* NULL: no memory. Given back with rcpt_said_free. */
struct rcpt_said *rcpt_said_copy(const struct rcpt_mem *mem, const struct rcpt_reply *r);
void rcpt_said_free(const struct rcpt_mem *mem, struct rcpt_said *s);

struct rcpt_record {
    const struct rcpt_mem *mem;       /* borrowed */
    unsigned n;
    struct rcpt_said *said[RCPT_SAID_MAX];     /* the record's own, in order */
    struct rcpt_buf transcript;       /* "C: ...\n", "S: ...\n" */
    bool     has_transcript, is_cut;
    bool     is_mute;                 /* nothing is kept until the next question */
    bool     was_cut;                 /* at the mark */
    unsigned marked;                  /* replies of the opening */
    size_t   marked_len;              /* bytes of its transcript */
    char     speaker;                 /* of the line being written; 0: between lines */
};

void rcpt_record_init(struct rcpt_record *r, const struct rcpt_mem *mem, bool transcript);
void rcpt_record_done(struct rcpt_record *r);
/* RCPT_NOMEM */
rcpt_err rcpt_record_reply(struct rcpt_record *r, const struct rcpt_reply *reply);
/* Bytes as they crossed the wire, in any cut; `speaker` is 'C' or 'S'. Cut short without memory. */
void rcpt_record_bytes(struct rcpt_record *r, char speaker, const char *p, size_t n);

/* The opening is over: what is kept now stays. */
void rcpt_record_mark(struct rcpt_record *r);
/* A question begins: what was kept since the mark goes. `is_mute`: it is nobody's any more, so
 * nothing is kept of it; until the next call. */
void rcpt_record_turn(struct rcpt_record *r, bool is_mute);

#endif
