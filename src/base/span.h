/* base/span.h -- text as bytes plus length, and the ASCII classes of RFC 5234.
 *
 * Never the locale's classes: a byte above 0x7F is in none of these. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_BASE_SPAN_H
#define RCPT_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct rcpt_span {
    const char *p;          /* borrowed */
    size_t      n;          /* bytes */
};

static inline bool rcpt_is_digit(char c) { return c >= '0' && c <= '9'; }
static inline bool rcpt_is_upper(char c) { return c >= 'A' && c <= 'Z'; }
static inline bool rcpt_is_lower(char c) { return c >= 'a' && c <= 'z'; }
static inline bool rcpt_is_alpha(char c) { return rcpt_is_upper(c) || rcpt_is_lower(c); }
static inline bool rcpt_is_alnum(char c) { return rcpt_is_alpha(c) || rcpt_is_digit(c); }
static inline bool rcpt_is_ascii(char c) { return ((unsigned char)c & 0x80) == 0; }
static inline bool rcpt_is_ctl(char c) { return (unsigned char)c < 0x20 || c == 0x7F; }
static inline bool rcpt_is_blank(char c) { return c == ' ' || c == '\t'; }
static inline char rcpt_lower(char c) { return rcpt_is_upper(c) ? (char)(c + ('a' - 'A')) : c; }

static inline bool rcpt_span_is_ascii(struct rcpt_span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!rcpt_is_ascii(s.p[i]))
            return false;
    return true;
}

static inline bool rcpt_span_equal(struct rcpt_span a, struct rcpt_span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Equal but for the case of ASCII letters. */
static inline bool rcpt_span_same(struct rcpt_span a, struct rcpt_span b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (rcpt_lower(a.p[i]) != rcpt_lower(b.p[i]))
            return false;
    return true;
}

#endif
