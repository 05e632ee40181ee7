/* wire/meaning.c -- what a reply means: the first row that fits, of phrases.c and then of codes.c.
 *
 * It decides a reason and whom it is about, never a status. Each row is looked at once, against a
 * text of at most RCPT_TEXT_MAX bytes; nothing is allocated or kept. */
/* SPDX-License-Identifier: MIT */
#include "wire/meaning.h"

#include "wire/phrases.h"
#include "wire/words.h"

static const struct {
    const char *name;
    rcpt_about  about;
} reasons[RCPT_REASON_COUNT] = {
#define X(id, name, about) [RCPT_REASON_##id] = { name, RCPT_ABOUT_##about },
    RCPT_REASONS(X)
#undef X
};

static const char *const abouts[RCPT_ABOUT_COUNT] = {
#define X(id, name) [RCPT_ABOUT_##id] = name,
    RCPT_ABOUTS(X)
#undef X
};

static bool fits_code(uint16_t wanted, uint16_t code)
{
    return wanted == 0 || wanted == code || wanted == code / 10 || wanted == code / 100;
}

static unsigned number_at(const char **p)
{
    unsigned n = 0;
    while (rcpt_is_digit(**p))
        n = n * 10 + (unsigned)(*(*p)++ - '0');
    return n;
}

/* See phrases.h. The class of the enhanced code is not looked at: the reply code's rules. */
static bool fits_enhanced(const char *wanted, const struct rcpt_enhanced *e)
{
    if (*wanted == '\0')
        return true;
    if (*wanted == '-')
        return e->class == 0;
    if (e->class == 0 || number_at(&wanted) != e->subject)
        return false;
    wanted++;                                  /* the dot */
    if (*wanted == '*')
        return true;
    unsigned low = number_at(&wanted), high = low;
    if (*wanted == '-') {
        wanted++;
        high = number_at(&wanted);
    }
    return e->detail >= low && e->detail <= high;
}

static bool fits_host(const char *wanted, struct rcpt_span mx)
{
    size_t n = strlen(wanted);
    if (mx.n > 0 && mx.p[mx.n - 1] == '.')
        mx.n--;
    return n == 0 || (mx.n > n && rcpt_span_same((struct rcpt_span){ mx.p + mx.n - n, n },
                                                 (struct rcpt_span){ wanted, n }));
}

static bool fits_words(const char *wanted, const struct rcpt_words *w)
{
    if (wanted[0] == '\0')
        return true;
    if (wanted[0] == '-' && wanted[1] == '\0')
        return w->len <= 1;
    return rcpt_words_have(w, wanted);
}

/* An enhanced code that is not where it belongs: qmail's "sorry, ... (#5.1.1)". */
static bool find_enhanced(struct rcpt_enhanced *e, struct rcpt_span text)
{
    if (rcpt_enhanced_read(e, text.p, text.n) > 0)
        return true;
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '#' && rcpt_enhanced_read(e, text.p + i, text.n - i) > 0)
            return true;
    return false;
}

static bool says_nothing(const char *wanted)
{
    return wanted[0] == '\0' || (wanted[0] == '-' && wanted[1] == '\0');
}

/* The first row for the stage that fits; with `in_so_many_words` rows by the code alone are left out. */
static rcpt_reason look_up(const struct rcpt_question *q, rcpt_stage stage, bool in_so_many_words)
{
    struct rcpt_enhanced e = q->enhanced;
    struct rcpt_words words;
    struct rcpt_span text = q->text;
    if (e.class == 0 && text.n > 0)
        find_enhanced(&e, text);
    rcpt_words_read(&words, text);
    const struct rcpt_phrase *row;
    for (unsigned i = 0; (row = rcpt_phrase_at(i)) != NULL; i++)
        if ((row->where & (1u << stage)) && fits_code(row->code, q->code) &&
            fits_enhanced(row->enhanced, &e) && fits_host(row->mx, q->mx) &&
            fits_words(row->phrase, &words) &&
            !(in_so_many_words && says_nothing(row->phrase) && says_nothing(row->enhanced)))
            return row->reason;
    return RCPT_REASON_UNCLASSIFIED;
}

/* RFC 5321 3.5.3, S74, S75: VRFY is mostly switched off, and who refuses it tells nothing of the
 * mailbox; a 553 tells that several fit. Only a 550 that speaks of the mailbox is a no. */
static rcpt_reason reason_of_vrfy(const struct rcpt_question *q)
{
    switch (q->code) {
    case 250:
    case 251:
        return RCPT_REASON_ACCEPTED;
    case 550: {
        rcpt_reason r = look_up(q, RCPT_STAGE_RCPT, true);
        return reasons[r].about == RCPT_ABOUT_MAILBOX ? r : RCPT_REASON_UNCLASSIFIED;
    }
    case 551:
        return RCPT_REASON_MAILBOX_MOVED;
    default:
        return RCPT_REASON_UNCLASSIFIED;
    }
}

static rcpt_reason reason_of(const struct rcpt_question *q)
{
    bool is_rcpt = q->stage == RCPT_STAGE_RCPT;
    if (q->stage == RCPT_STAGE_VRFY)
        return reason_of_vrfy(q);
    if (q->code / 100 == 2)
        return is_rcpt && q->code != 252 ? RCPT_REASON_ACCEPTED : RCPT_REASON_UNCLASSIFIED;
    if (q->code / 100 != 4 && q->code / 100 != 5)
        return RCPT_REASON_PROTOCOL;
    return look_up(q, q->stage, false);
}

void rcpt_meaning_of(const struct rcpt_question *q, struct rcpt_meaning *m)
{
    m->reason = reason_of(q);
    m->about = reasons[m->reason].about;
}

const char *rcpt_reason_name(rcpt_reason r)
{
    return reasons[r].name;
}

const char *rcpt_about_name(rcpt_about a)
{
    return abouts[a];
}
