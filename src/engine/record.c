/* engine/record.c -- see record.h. */
/* SPDX-License-Identifier: MIT */
#include "engine/record.h"

#include <string.h>

static const char cut_mark[] = "...: the rest is left out\n";
#define ROOM (RCPT_TRANSCRIPT_MAX - sizeof cut_mark)    /* one byte more for the line it may end */

struct rcpt_said *rcpt_said_copy(const struct rcpt_mem *mem, const struct rcpt_reply *r)
{
    struct rcpt_said *s = rcpt_mem_alloc(mem, sizeof *s + r->len);
    if (s == NULL)
        return NULL;
    s->stage = r->stage;
    s->code = r->code;
    s->enhanced = r->enhanced;
    s->cut = r->cut;
    s->mixed = r->mixed;
    s->len = r->len;
    memcpy(s->text, r->text, r->len);
    return s;
}

void rcpt_said_free(const struct rcpt_mem *mem, struct rcpt_said *s)
{
    if (s != NULL)
        rcpt_mem_free(mem, s, sizeof *s + s->len);
}

void rcpt_record_init(struct rcpt_record *r, const struct rcpt_mem *mem, bool transcript)
{
    *r = (struct rcpt_record){ .mem = mem, .has_transcript = transcript };
    rcpt_buf_init(&r->transcript, mem, RCPT_TRANSCRIPT_MAX);
}

void rcpt_record_done(struct rcpt_record *r)
{
    for (unsigned i = 0; i < r->n; i++)
        rcpt_said_free(r->mem, r->said[i]);
    r->n = 0;
    rcpt_buf_done(&r->transcript);
}

rcpt_err rcpt_record_reply(struct rcpt_record *r, const struct rcpt_reply *reply)
{
    if (r->is_mute)
        return RCPT_OK;
    struct rcpt_said *s = rcpt_said_copy(r->mem, reply);
    if (s == NULL)
        return RCPT_NOMEM;
    if (r->n == RCPT_SAID_MAX) {
        unsigned oldest = r->marked < RCPT_SAID_MAX ? r->marked : RCPT_SAID_MAX - 1;
        rcpt_said_free(r->mem, r->said[oldest]);
        memmove(&r->said[oldest], &r->said[oldest + 1], sizeof r->said[0] * (--r->n - oldest));
    }
    r->said[r->n++] = s;
    return RCPT_OK;
}

static void add(struct rcpt_record *r, const char *p, size_t n)
{
    struct rcpt_buf *b = &r->transcript;
    if (r->is_cut)
        return;
    if (b->len + n <= ROOM && rcpt_buf_add(b, p, n) == RCPT_OK)
        return;
    r->is_cut = true;
    if (b->len > 0 && b->data[b->len - 1] != '\n')
        (void)rcpt_buf_add(b, "\n", 1);
    (void)rcpt_buf_adds(b, cut_mark);
}

void rcpt_record_bytes(struct rcpt_record *r, char speaker, const char *p, size_t n)
{
    if (!r->has_transcript || r->is_mute)
        return;
    if (r->speaker != 0 && r->speaker != speaker) {       /* a line left unfinished */
        add(r, "\n", 1);
        r->speaker = 0;
    }
    while (n > 0 && !r->is_cut) {
        if (r->speaker == 0) {
            add(r, speaker == 'C' ? "C: " : "S: ", 3);
            r->speaker = speaker;
        }
        const char *lf = memchr(p, '\n', n);
        size_t len = lf != NULL ? (size_t)(lf - p) : n;
        add(r, p, len);
        if (lf != NULL) {
            struct rcpt_buf *b = &r->transcript;          /* the line end's CR goes */
            if (!r->is_cut && b->len > 0 && b->data[b->len - 1] == '\r')
                b->len--;
            add(r, "\n", 1);
            r->speaker = 0;
            len++;
        }
        p += len;
        n -= len;
    }
}

void rcpt_record_mark(struct rcpt_record *r)
{
    r->marked = r->n;
    r->marked_len = r->transcript.len;
    r->was_cut = r->is_cut;
}

void rcpt_record_turn(struct rcpt_record *r, bool is_mute)
{
    while (r->n > r->marked)
        rcpt_said_free(r->mem, r->said[--r->n]);
    r->transcript.len = r->marked_len;
    r->is_cut = r->was_cut;
    r->speaker = 0;                                       /* a mark is at the end of a line */
    r->is_mute = is_mute;
}
