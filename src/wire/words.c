/* wire/words.c -- the text of a reply as plain words.
 *
 * One pass over at most RCPT_TEXT_MAX bytes into an array of the caller's. It knows how servers
 * write, not what they mean: that is phrases.c. */
/* SPDX-License-Identifier: MIT */
#include "wire/words.h"

#define LEAP 80                        /* bytes a " * " may leap over */
#define ECHO_MAX 340                   /* bytes of an echo in angle brackets */

static const char *const listing_zones[] = {
    "spamhaus.org", "spamhaus.net", "spamhaus.com", "spamcop.net", "barracudacentral.org",
    "sorbs.net", "uceprotect.net", "abusix.com", "abusix.org", "abusix.zone", "spamrats.com",
    "surriel.com", "manitu.net", "mailspike.net", "mailspike.org", "senderbase.org",
    "cloudmark.com", "invaluement.com", "senderscore.org", "senderscore.net", "trendmicro.com",
    "spameatingmonkey.net", "backscatterer.org", "spfbl.net", "dnswl.org", "truncate.gbudb.net",
    "hostkarma.junkemailfilter.com", "proofpoint.com", "talosintelligence.com",
};

/* Prefixes of Exchange's own dotted names: words, not hosts. */
static const char *const exchange_names[] = { "RESOLVER.", "SMTPSEND.", "STOREDRV." };

static bool is_word(char c)
{
    return rcpt_is_alnum(c) || !rcpt_is_ascii(c);
}

static bool is_run(char c)
{
    return is_word(c) || (c != '\0' && strchr(".-_@+=/?&%~'", c) != NULL);
}

static bool has(struct rcpt_span s, const char *needle)
{
    size_t n = strlen(needle);
    for (size_t i = 0; i + n <= s.n; i++)
        if (rcpt_span_same((struct rcpt_span){ s.p + i, n }, (struct rcpt_span){ needle, n }))
            return true;
    return false;
}

static bool starts(struct rcpt_span s, const char *with)
{
    size_t n = strlen(with);
    return s.n >= n && memcmp(s.p, with, n) == 0;
}

/* ---- writing ---- */

static void put(struct rcpt_words *w, char c)
{
    if (w->len < sizeof w->text - 1)           /* room for the last blank */
        w->text[w->len++] = c;
}

static void put_blank(struct rcpt_words *w)
{
    if (w->text[w->len - 1] != ' ')
        put(w, ' ');
}

static void put_mark(struct rcpt_words *w, const char *mark)
{
    put_blank(w);
    while (*mark != '\0')
        put(w, *mark++);
    put_blank(w);
}

static void put_words(struct rcpt_words *w, struct rcpt_span run)
{
    for (size_t i = 0; i < run.n; i++) {
        if (i + 2 < run.n && memcmp(run.p + i, "\xE2\x80\x99", 3) == 0)
            i += 2;                            /* U+2019, the apostrophe of "doesn't" */
        else if (is_word(run.p[i]))
            put(w, rcpt_lower(run.p[i]));
        else if (run.p[i] != '\'')
            put_blank(w);
    }
}

/* ---- what a run of characters is ---- */

/* The bytes of an IPv6 address at p; 0 when there is none. */
static size_t ipv6_at(const char *p, size_t n)
{
    size_t i = 0, colons = 0;
    while (i < n && (rcpt_is_digit(p[i]) || (rcpt_lower(p[i]) >= 'a' && rcpt_lower(p[i]) <= 'f') ||
                     p[i] == ':' || p[i] == '.'))
        colons += p[i++] == ':';
    return colons >= 2 && (i == n || !is_word(p[i])) ? i : 0;
}

/* Does a sentence end at the dot s.p[i], the next beginning without a blank ("unknown.Please")? */
static bool ends_sentence(struct rcpt_span s, size_t i)
{
    return i + 2 < s.n && rcpt_is_lower(s.p[i - 1]) && rcpt_is_upper(s.p[i + 1]) &&
           rcpt_is_lower(s.p[i + 2]);
}

/* A host name, an IPv4 address, an enhanced code: labels joined by dots. */
static bool is_dotted(struct rcpt_span s)
{
    bool has_dot = false;
    for (unsigned i = 0; i < sizeof exchange_names / sizeof *exchange_names; i++)
        if (starts(s, exchange_names[i]))
            return false;
    for (size_t i = 1; i + 1 < s.n && s.p[i] != '/' && s.p[i] != '?'; i++)
        if (s.p[i] == '.' && is_word(s.p[i - 1]) && is_word(s.p[i + 1]))
            has_dot = true;
    return has_dot;
}

static bool names_listing(struct rcpt_span host)
{
    for (unsigned i = 0; i < sizeof listing_zones / sizeof *listing_zones; i++)
        if (has(host, listing_zones[i]))
            return true;
    return has(host, "dnsbl") || has(host, "rbl.");
}

static void put_host(struct rcpt_words *w, struct rcpt_span run)
{
    put_mark(w, "#");
    if (names_listing(run))
        put_mark(w, "#bl");
    for (size_t i = 0; i + 3 < run.n; i++) {
        if (memcmp(run.p + i, "?p=", 3) != 0)
            continue;
        put_mark(w, "?p=");
        w->len--;                              /* the blank: the word follows */
        for (i += 3; i < run.n && is_word(run.p[i]); i++)
            put(w, rcpt_lower(run.p[i]));
        put_blank(w);
    }
}

static void put_run(struct rcpt_words *w, struct rcpt_span run, bool is_url, bool is_quoted)
{
    const char *at = memchr(run.p, '@', run.n);
    if (is_url) {
        put_host(w, run);
        return;
    }
    if (is_quoted || (at != NULL && at > run.p && at + 1 < run.p + run.n)) {
        put_mark(w, "@");
        return;
    }
    for (size_t i = 1; i < run.n; i++) {
        if (run.p[i] == '.' && ends_sentence(run, i)) {
            put_run(w, (struct rcpt_span){ run.p, i }, false, false);
            put_blank(w);
            run.p += i + 1;
            run.n -= i + 1;
            i = 0;
        }
    }
    if (is_dotted(run))
        put_host(w, run);
    else
        put_words(w, run);
}

/* The run that begins at text.p[at], its final punctuation left out. */
static struct rcpt_span run_at(struct rcpt_span text, size_t at, bool *is_url)
{
    size_t end = at;
    *is_url = false;
    while (end < text.n) {
        if (end + 2 < text.n && memcmp(text.p + end, "://", 3) == 0) {
            *is_url = true;
            end += 3;
        } else if (is_run(text.p[end]) || (*is_url && text.p[end] > ' ' &&
                                           strchr("<>\"()[]", text.p[end]) == NULL)) {
            end++;
        } else {
            break;
        }
    }
    while (end > at + 1 && !is_word(text.p[end - 1]))
        end--;
    return (struct rcpt_span){ text.p + at, end - at };
}

/* Bytes of an echo in angle brackets that begins at p; 0 when it does not end soon. */
static size_t echo_at(const char *p, size_t n)
{
    for (size_t i = 1; i < n && i < ECHO_MAX && p[i] != '\n' && p[i] != '<'; i++)
        if (p[i] == '>')
            return i + 1;
    return 0;
}

static void index_words(struct rcpt_words *w)
{
    memset(w->first, 0, sizeof w->first);
    for (uint16_t i = 1; i < w->len; i++) {
        if (w->text[i - 1] == ' ' && w->text[i] != ' ') {
            uint16_t *first = &w->first[(unsigned char)w->text[i]];
            w->before[i] = *first;
            *first = i;
        }
    }
}

void rcpt_words_read(struct rcpt_words *w, struct rcpt_span text)
{
    size_t i = 0, n;
    if (text.n > RCPT_TEXT_MAX)
        text.n = RCPT_TEXT_MAX;
    w->len = 1;
    w->text[0] = ' ';
    while (i < text.n) {
        char c = text.p[i];
        if (c == '<' && (n = echo_at(text.p + i, text.n - i)) > 0) {
            put_mark(w, "@");
            i += n;
        } else if ((is_word(c) || c == ':') && (n = ipv6_at(text.p + i, text.n - i)) > 0) {
            put_mark(w, "#");
            i += n;
        } else if (is_word(c)) {
            bool is_url;
            struct rcpt_span run = run_at(text, i, &is_url);
            bool is_quoted = i > 0 && (text.p[i - 1] == '"' || text.p[i - 1] == '\'') &&
                             i + run.n < text.n && text.p[i + run.n] == text.p[i - 1];
            put_run(w, run, is_url, is_quoted);
            i += run.n;
        } else {
            put_blank(w);
            i++;
        }
    }
    if (w->text[w->len - 1] != ' ')
        w->text[w->len++] = ' ';               /* put() left room for it */
    index_words(w);
}

/* ---- finding ---- */

/* Bytes of a phrase up to its first leap, the blank before it included; all of it without one. */
static size_t piece_of(const char *phrase, const char **rest)
{
    size_t n = strlen(phrase);
    const char *leap = memmem(phrase, n, " * ", 3);
    *rest = leap != NULL ? leap + 3 : NULL;
    return leap != NULL ? (size_t)(leap - phrase) + 1 : n;
}

/* Do the pieces from `phrase` on follow at w->text[at], each after a leap? The first place that
 * fits is taken, without going back: a phrase holds few leaps. */
static bool follows(const struct rcpt_words *w, size_t at, const char *phrase)
{
    while (phrase != NULL) {
        const char *piece = phrase;
        size_t n = piece_of(piece, &phrase), limit = at + LEAP;
        while (at + n <= w->len && at <= limit &&
               (w->text[at - 1] != ' ' || memcmp(w->text + at, piece, n) != 0))
            at++;
        if (at + n > w->len || at > limit)
            return false;
        at += n;
    }
    return true;
}

bool rcpt_words_have(const struct rcpt_words *w, const char *phrase)
{
    size_t at = w->first[(unsigned char)*phrase];
    if (at == 0)
        return false;
    const char *rest;
    size_t n = piece_of(phrase, &rest);
    for (; at != 0; at = w->before[at])
        if (at + n <= w->len && memcmp(w->text + at, phrase, n) == 0 && follows(w, at + n, rest))
            return true;
    return false;
}
