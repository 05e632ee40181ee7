/* wire/literal.c -- see literal.h.
 *
 * Strict: the system's own readers take what SMTP does not (a missing group, a zone,
 * octal numbers). A leading zero is decimal, as RFC 5321's Snum has it. */
/* SPDX-License-Identifier: MIT */
#include "wire/literal.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "wire/octet.h"

enum { GROUPS = 8 };                   /* of 16 bits in an IPv6 address */

static bool refuse(struct rcpt_refusal *r, rcpt_diagnosis why, size_t at)
{
    r->why = why;
    r->at = at;
    return false;
}

/* Snum 3("." Snum) in in[at..end). *bad is where it went wrong. */
static bool read_ipv4(uint8_t ip[4], const char *in, size_t at, size_t end, size_t *bad)
{
    for (int part = 0; part < 4; part++) {
        if (part > 0 && (at == end || in[at++] != '.')) {
            *bad = at == end ? end : at - 1;
            return false;
        }
        unsigned value = 0;
        size_t from = at;
        while (at < end && at - from < 3 && rcpt_is_digit(in[at]))
            value = value * 10 + (unsigned)(in[at++] - '0');
        if (at == from || value > 255) {
            *bad = from;
            return false;
        }
        ip[part] = (uint8_t)value;
    }
    *bad = at;
    return at == end;
}

static int hex_value(char c)
{
    return rcpt_is_digit(c)         ? c - '0'
           : c >= 'a' && c <= 'f'   ? c - 'a' + 10
           : c >= 'A' && c <= 'F'   ? c - 'A' + 10
                                    : -1;
}

/* 1*4HEXDIG; the bytes it takes, 0 when it is none. */
static size_t read_group(uint16_t *group, const char *in, size_t at, size_t end)
{
    unsigned value = 0;
    size_t n = 0;
    while (n < 4 && at + n < end && hex_value(in[at + n]) >= 0)
        value = value << 4 | (unsigned)hex_value(in[at + n++]);
    *group = (uint16_t)value;
    return n;
}

/* IPv6-full, -comp, v6v4-full, v6v4-comp in in[at..end). "::" stands for two groups at least. */
static bool read_ipv6(uint16_t ip[GROUPS], const char *in, size_t at, size_t end, size_t *bad)
{
    int n = 0, gap = -1;               /* groups read; how many of them stand before "::" */
    bool wanted = true;                /* must a group follow? */
    if (end - at >= 2 && in[at] == ':' && in[at + 1] == ':') {
        gap = 0;
        at += 2;
        wanted = false;
    }
    while (at < end) {
        uint8_t v4[4];
        size_t len = n < GROUPS ? read_group(&ip[n], in, at, end) : 0;
        *bad = at;
        if (len == 0)
            return false;
        if (at + len < end && in[at + len] == '.') {
            if (n > GROUPS - 2 || !read_ipv4(v4, in, at, end, bad))
                return false;
            ip[n++] = (uint16_t)(v4[0] << 8 | v4[1]);
            ip[n++] = (uint16_t)(v4[2] << 8 | v4[3]);
            wanted = false;
            at = end;
            break;
        }
        n++;
        at += len;
        wanted = false;
        if (at == end)
            break;
        *bad = at;
        if (in[at++] != ':')
            return false;
        wanted = true;
        if (at < end && in[at] == ':') {
            *bad = at;
            if (gap >= 0)
                return false;
            gap = n;
            at++;
            wanted = false;
        }
    }
    *bad = end;
    if (wanted || (gap < 0 ? n != GROUPS : n > GROUPS - 2))
        return false;
    if (gap >= 0) {
        memmove(ip + GROUPS - (n - gap), ip + gap, (size_t)(n - gap) * sizeof *ip);
        memset(ip + gap, 0, (size_t)(GROUPS - n) * sizeof *ip);
    }
    return true;
}

/* RFC 5952: the first of the longest runs of two or more zero groups is "::". */
static void find_zeros(const uint16_t ip[GROUPS], int *from, int *n)
{
    *from = GROUPS;
    *n = 1;
    for (int i = 0; i < GROUPS; i++) {
        int run = 0;
        while (i + run < GROUPS && ip[i + run] == 0)
            run++;
        if (run > *n) {
            *from = i;
            *n = run;
        }
    }
}

/* RFC 5952, section 5 included: an IPv4-mapped address ends in dotted numbers. */
static void write_ipv6(struct rcpt_literal *l, const uint16_t ip[GROUPS])
{
    static const uint16_t mapped[6] = { 0, 0, 0, 0, 0, 0xFFFF };
    char text[RCPT_LITERAL_MAX + 1];
    int len, from, zeros;
    if (memcmp(ip, mapped, sizeof mapped) == 0) {
        len = snprintf(text, sizeof text, "[IPv6:::ffff:%u.%u.%u.%u]", ip[6] >> 8, ip[6] & 255,
                       ip[7] >> 8, ip[7] & 255);
    } else {
        find_zeros(ip, &from, &zeros);
        len = snprintf(text, sizeof text, "[IPv6:");
        for (int i = 0; i < GROUPS; i++) {
            if (i == from) {
                len += snprintf(text + len, sizeof text - (size_t)len, "::");
                i += zeros - 1;
            } else {
                bool colon = i > 0 && text[len - 1] != ':';
                len += snprintf(text + len, sizeof text - (size_t)len, colon ? ":%x" : "%x", ip[i]);
            }
        }
        text[len++] = ']';
    }
    l->is_ipv6 = true;
    l->len = (uint8_t)len;
    memcpy(l->text, text, (size_t)len);
}

static void write_ipv4(struct rcpt_literal *l, const uint8_t ip[4])
{
    char text[RCPT_LITERAL_MAX + 1];
    int len = snprintf(text, sizeof text, "[%u.%u.%u.%u]", ip[0], ip[1], ip[2], ip[3]);
    l->is_ipv6 = false;
    l->len = (uint8_t)len;
    memcpy(l->text, text, (size_t)len);
}

/* What holds a colon but not our tag: General-address-literal = Standardized-tag ":" 1*dcontent,
 * an IPv6 address that lacks its tag, or nothing at all. */
static bool refuse_colon(const char *in, size_t end, struct rcpt_refusal *r)
{
    uint16_t ip[GROUPS];
    size_t at = 1, bad;
    if (read_ipv6(ip, in, 1, end, &bad))
        return refuse(r, RCPT_DIAG_LITERAL_UNTAGGED, 1);
    while (at < end && (rcpt_octet(in[at]) & RCPT_OCTET_LDH))
        at++;
    if (at > 1 && in[at] == ':' && at + 1 < end && (rcpt_octet(in[at - 1]) & RCPT_OCTET_ALNUM))
        return refuse(r, RCPT_DIAG_LITERAL_GENERAL, 1);
    return refuse(r, RCPT_DIAG_LITERAL_BAD, at);
}

bool rcpt_literal_read(struct rcpt_literal *l, const char *in, size_t len, struct rcpt_refusal *r)
{
    static const char tag[] = "IPv6:";
    bool has_colon = false;
    size_t end = 1, bad = 0;
    for (; end < len && in[end] != ']'; end++) {
        if (end == RCPT_DOMAIN_MAX)
            return refuse(r, RCPT_DIAG_DOMAIN_TOO_LONG, end);
        /* dcontent = %d33-90 / %d94-126 */
        rcpt_diagnosis why = rcpt_octet_blame(in[end], RCPT_DIAG_NONE);
        if (why != RCPT_DIAG_NONE && why != RCPT_DIAG_COMMENT)
            return refuse(r, why, end);
        if (in[end] == '[' || in[end] == '\\' || (rcpt_octet(in[end]) & RCPT_OCTET_UTF8))
            return refuse(r, RCPT_DIAG_LITERAL_BAD, end);
        has_colon = has_colon || in[end] == ':';
    }
    if (end == len)
        return refuse(r, RCPT_DIAG_LITERAL_OPEN, 0);
    if (end + 1 < len)
        return refuse(r, rcpt_octet_blame(in[end + 1], RCPT_DIAG_LITERAL_AFTER), end + 1);
    if (end == 1)
        return refuse(r, RCPT_DIAG_LITERAL_BAD, 1);

    struct rcpt_span head = { in + 1, end - 1 < sizeof tag - 1 ? end - 1 : sizeof tag - 1 };
    if (rcpt_span_same(head, (struct rcpt_span){ tag, sizeof tag - 1 })) {
        uint16_t ip[GROUPS];
        if (!read_ipv6(ip, in, sizeof tag, end, &bad))
            return refuse(r, RCPT_DIAG_LITERAL_IPV6, bad);
        write_ipv6(l, ip);
        return true;
    }
    if (has_colon)
        return refuse_colon(in, end, r);
    uint8_t ip[4];
    rcpt_diagnosis why = rcpt_is_digit(in[1]) ? RCPT_DIAG_LITERAL_IPV4 : RCPT_DIAG_LITERAL_BAD;
    if (!read_ipv4(ip, in, 1, end, &bad))
        return refuse(r, why, bad);
    write_ipv4(l, ip);
    return true;
}
