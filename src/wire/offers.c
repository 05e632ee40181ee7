/* wire/offers.c -- the lines of an EHLO reply: a keyword, then parameters, or in the old way of
 * AUTH=LOGIN. Nothing is kept but bits and one figure. */
/* SPDX-License-Identifier: MIT */
#include "wire/offers.h"

static const char *const keywords[RCPT_OFFER_COUNT] = {
#define X(id, name) [RCPT_OFFER_AT_##id] = name,
    RCPT_OFFERS(X)
#undef X
};

/* The next word of `rest`, which moves past it; n is 0 when none is left. */
static struct rcpt_span next_word(struct rcpt_span *rest)
{
    size_t n = 0;
    while (rest->n > 0 && rcpt_is_blank(*rest->p)) {
        rest->p++;
        rest->n--;
    }
    while (n < rest->n && !rcpt_is_blank(rest->p[n]))
        n++;
    struct rcpt_span word = { rest->p, n };
    rest->p += n;
    rest->n -= n;
    return word;
}

/* RFC 9422 4: up to six digits, no leading zero. What is not so is not said. */
static uint32_t figure_of(const char *p, size_t n)
{
    uint32_t value = 0;
    if (n == 0 || n > 6 || *p == '0')
        return 0;
    for (size_t i = 0; i < n; i++) {
        if (!rcpt_is_digit(p[i]))
            return 0;
        value = value * 10 + (uint32_t)(p[i] - '0');
    }
    return value;
}

static void learn_limits(struct rcpt_offers *o, struct rcpt_span rest)
{
    static const char name[] = "RCPTMAX=";
    const size_t len = sizeof name - 1;
    for (struct rcpt_span w; (w = next_word(&rest)).n > 0;)
        if (w.n > len &&
            rcpt_span_same((struct rcpt_span){ w.p, len }, (struct rcpt_span){ name, len }))
            o->rcpt_max = figure_of(w.p + len, w.n - len);
}

void rcpt_offers_learn(struct rcpt_offers *o, struct rcpt_span line)
{
    struct rcpt_span word = { line.p, 0 };
    while (word.n < line.n && !rcpt_is_blank(line.p[word.n]) && line.p[word.n] != '=')
        word.n++;
    for (unsigned i = 0; i < RCPT_OFFER_COUNT; i++)
        if (rcpt_span_same(word, (struct rcpt_span){ keywords[i], strlen(keywords[i]) }))
            o->set |= 1u << i;
    line.p += word.n;
    line.n -= word.n;
    if (rcpt_span_same(word, (struct rcpt_span){ "LIMITS", 6 }))
        learn_limits(o, line);
}

const char *rcpt_offer_keyword(unsigned at)
{
    return keywords[at];
}
