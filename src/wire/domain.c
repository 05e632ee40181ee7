/* wire/domain.c -- see domain.h.
 *
 * libidn2 is not asked for STD3 rules: it would drop the characters that they forbid, and make
 * another, valid domain of an invalid one. We look at the ASCII before and after. */
/* SPDX-License-Identifier: MIT */
#include "wire/domain.h"

#include <idn2.h>

#include "wire/octet.h"
#include "wire/special.h"
#include "wire/unicode.h"

enum { LABELS_MAX = (RCPT_DOMAIN_MAX + 1) / 2 };

/* A domain being read. */
struct reading {
    struct rcpt_domain *d;
    const char *in;
    size_t len;
    struct rcpt_refusal *r;
    size_t ascii, unicode;             /* bytes written to d */
    unsigned labels;
    bool is_numeric;                   /* is the last label a number? */
    uint8_t from[LABELS_MAX];          /* where each label began in `in` */
};

static bool refuse(struct reading *g, rcpt_diagnosis why, size_t at)
{
    g->r->why = why;
    g->r->at = at;
    return false;
}

/* The octet at `at` is no part of a label. */
static bool refuse_octet(struct reading *g, size_t at)
{
    char c = g->in[at];
    rcpt_diagnosis otherwise = c == '@' ? RCPT_DIAG_AT_TWICE : RCPT_DIAG_DOMAIN_CHARACTER;
    return refuse(g, rcpt_octet_blame(c, otherwise), at);
}

/* Do so many more bytes of the two forms fit? */
static bool has_room(const struct reading *g, size_t ascii, size_t unicode)
{
    return g->ascii + ascii <= RCPT_DOMAIN_MAX && g->unicode + unicode <= RCPT_DOMAIN_MAX;
}

static bool is_alabel(const char *p, size_t n)
{
    return n >= 4 && p[2] == '-' && p[3] == '-' && rcpt_lower(p[0]) == 'x'
           && rcpt_lower(p[1]) == 'n';
}

/* --- ASCII ------------------------------------------------------------------------------------ */

/* One label of letters, digits and hyphens at in[at..end), in lower case to d->ascii. */
static bool read_ldh(struct reading *g, size_t at, size_t end)
{
    const char *p = g->in + at;
    char *to = g->d->ascii + g->ascii;
    size_t n = end - at;
    bool is_numeric = true;
    for (size_t i = 0; i < n; i++) {
        if (!(rcpt_octet(p[i]) & RCPT_OCTET_LDH))
            return refuse_octet(g, at + i);
        if (i == RCPT_LABEL_MAX)
            return refuse(g, RCPT_DIAG_LABEL_TOO_LONG, at + i);
        is_numeric = is_numeric && rcpt_is_digit(p[i]);
        to[i] = rcpt_lower(p[i]);
    }
    if (p[0] == '-')
        return refuse(g, RCPT_DIAG_HYPHEN_FIRST, at);
    if (p[n - 1] == '-')
        return refuse(g, RCPT_DIAG_HYPHEN_LAST, end - 1);
    g->is_numeric = is_numeric;
    return true;
}

/* The bytes up to the next dot, the next byte beyond ASCII, or the end. */
static size_t find_dot(const char *p, size_t n)
{
    size_t i = 0;
    while (i < n && p[i] != '.' && rcpt_is_ascii(p[i]))
        i++;
    return i;
}

/* --- International labels --------------------------------------------------------------------- */

static rcpt_diagnosis blame_idn2(int rc)
{
    switch (rc) {
    case IDN2_TOO_BIG_DOMAIN: case IDN2_TOO_BIG_LABEL: case IDN2_PUNYCODE_BIG_OUTPUT:
        return RCPT_DIAG_LABEL_TOO_LONG;
    case IDN2_2HYPHEN:
        return RCPT_DIAG_IDNA_HYPHENS;
    case IDN2_HYPHEN_STARTEND:
        return RCPT_DIAG_HYPHEN_FIRST;
    case IDN2_LEADING_COMBINING:
        return RCPT_DIAG_IDNA_COMBINING;
    case IDN2_CONTEXTJ: case IDN2_CONTEXTJ_NO_RULE: case IDN2_CONTEXTO: case IDN2_CONTEXTO_NO_RULE:
        return RCPT_DIAG_IDNA_CONTEXT;
    case IDN2_BIDI:
        return RCPT_DIAG_IDNA_BIDI;
    case IDN2_PUNYCODE_BAD_INPUT: case IDN2_PUNYCODE_OVERFLOW: case IDN2_INVALID_ALABEL:
    case IDN2_UALABEL_MISMATCH: case IDN2_ALABEL_ROUNDTRIP_FAILED:
        return RCPT_DIAG_ALABEL_BAD;
    default:
        return RCPT_DIAG_IDNA_DISALLOWED;
    }
}

/* What `text` holds, when libidn2 gave it: bytes of letters, digits and hyphens, at most a
 * label's worth. Else 0, and why. */
static size_t check_mapped(const char *text, rcpt_diagnosis *why)
{
    size_t n = strlen(text);
    *why = n == 0               ? RCPT_DIAG_IDNA_EMPTY
           : n > RCPT_LABEL_MAX ? RCPT_DIAG_LABEL_TOO_LONG
                                : RCPT_DIAG_NONE;
    for (size_t i = 0; i < n && *why == RCPT_DIAG_NONE; i++)
        if (!(rcpt_octet(text[i]) & RCPT_OCTET_LDH))
            *why = RCPT_DIAG_IDNA_MAPPED;
    if (*why == RCPT_DIAG_NONE && text[0] == '-')
        *why = RCPT_DIAG_HYPHEN_FIRST;
    if (*why == RCPT_DIAG_NONE && text[n - 1] == '-')
        *why = RCPT_DIAG_HYPHEN_LAST;
    return *why == RCPT_DIAG_NONE ? n : 0;
}

struct label {
    size_t ascii_len, unicode_len;
    char ascii[RCPT_LABEL_MAX + 1];
    char unicode[4 * RCPT_LABEL_MAX + 1];
};

/* Is l->ascii the A-label of one U-label by IDNA2008's own rules? (UTS 46's admit symbols.)
 * Fills l->unicode. A libidn2 code; INVALID_ALABEL when the two do not lead to each other. */
static int read_back(struct label *l)
{
    char *unicode = NULL;
    uint8_t *ascii = NULL;
    int rc = idn2_to_unicode_8z8z(l->ascii, &unicode, IDN2_NONTRANSITIONAL);
    if (rc != IDN2_OK)
        goto done;
    l->unicode_len = strlen(unicode);
    rc = IDN2_INVALID_ALABEL;
    if (l->unicode_len >= sizeof l->unicode || strchr(unicode, '.') != NULL)
        goto done;
    memcpy(l->unicode, unicode, l->unicode_len + 1);
    rc = idn2_lookup_u8((const uint8_t *)unicode, &ascii, IDN2_NO_TR46 | IDN2_NFC_INPUT);
    if (rc == IDN2_OK && strcmp((char *)ascii, l->ascii) != 0)
        rc = IDN2_INVALID_ALABEL;
done:
    idn2_free(ascii);
    idn2_free(unicode);
    return rc;
}

/* Map one label of UTF-8, which ends with a NUL. RCPT_NOMEM, or RCPT_OK and *why. */
static rcpt_err map_label(struct label *l, const char *text, rcpt_diagnosis *why)
{
    char *ascii = NULL;
    int rc = idn2_to_ascii_8z(text, &ascii, IDN2_NONTRANSITIONAL);
    if (rc == IDN2_OK) {
        l->ascii_len = check_mapped(ascii, why);
        memcpy(l->ascii, ascii, l->ascii_len);
        l->ascii[l->ascii_len] = '\0';
        idn2_free(ascii);
        if (l->ascii_len == 0)
            return RCPT_OK;
        for (size_t i = 0; i < l->ascii_len; i++)
            l->ascii[i] = rcpt_lower(l->ascii[i]);
        if (!is_alabel(l->ascii, l->ascii_len)) {
            memcpy(l->unicode, l->ascii, l->ascii_len);
            l->unicode_len = l->ascii_len;
            return RCPT_OK;
        }
        rc = read_back(l);
    }
    *why = rc == IDN2_OK ? RCPT_DIAG_NONE : blame_idn2(rc);
    return rc == IDN2_MALLOC ? RCPT_NOMEM : RCPT_OK;
}

/* Where is the first character that maps to nothing good by itself? The bytes before it. */
static size_t find_disallowed(const char *text, size_t n)
{
    for (size_t at = 0; at < n;) {
        uint32_t c;
        size_t len = rcpt_utf8_read(&c, text + at, n - at);
        struct label l;
        char one[5] = { 0 };
        rcpt_diagnosis why = RCPT_DIAG_NONE;
        memcpy(one, text + at, len);
        if (len > 1 && map_label(&l, one, &why) == RCPT_OK
            && (why == RCPT_DIAG_IDNA_DISALLOWED || why == RCPT_DIAG_IDNA_MAPPED
                || why == RCPT_DIAG_ALABEL_BAD))
            return at;
        at += len;
    }
    return 0;
}

/* The length of the dot at `p`, 0 when there is none: UTS 46 reads three more as '.'. */
static size_t dot_at(const char *p, size_t n)
{
    static const char dots[][4] = { "\xE3\x80\x82", "\xEF\xBC\x8E", "\xEF\xBD\xA1" };
    if (p[0] == '.')
        return 1;
    for (size_t i = 0; i < sizeof dots / sizeof *dots; i++)
        if (n >= 3 && memcmp(p, dots[i], 3) == 0)
            return 3;
    return 0;
}

/* The end of the label that begins at `at`: whole characters, of ASCII what a label may hold. */
static bool find_end(struct reading *g, size_t at, size_t *end, bool *is_ascii)
{
    *is_ascii = true;
    while (at < g->len && dot_at(g->in + at, g->len - at) == 0) {
        uint32_t c;
        size_t n = rcpt_utf8_read(&c, g->in + at, g->len - at);
        if (n == 0)
            return refuse(g, RCPT_DIAG_UTF8_BAD, at);
        if (n == 1 && !(rcpt_octet(g->in[at]) & RCPT_OCTET_LDH))
            return refuse_octet(g, at);
        if (n > 1 && rcpt_char_kind_of(c) == RCPT_CHAR_CONTROL)
            return refuse(g, RCPT_DIAG_CONTROL_CHARACTER, at);
        if (n > 1 && rcpt_char_kind_of(c) == RCPT_CHAR_SPACE)
            return refuse(g, RCPT_DIAG_WHITE_SPACE, at);
        *is_ascii = *is_ascii && n == 1;
        at += n;
    }
    *end = at;
    return true;
}

/* One label at in[at..end) by way of libidn2, appended to both forms. */
static rcpt_err read_international(struct reading *g, size_t at, size_t end, bool is_ascii)
{
    struct rcpt_domain *d = g->d;
    char text[RCPT_DOMAIN_MAX + 1];
    struct label l;
    rcpt_diagnosis why;
    size_t n = end - at;
    for (size_t i = 0; i < n; i++)
        text[i] = rcpt_lower(g->in[at + i]);
    text[n] = '\0';
    if (text[0] == '-' || text[n - 1] == '-') {
        if (text[0] == '-')
            refuse(g, RCPT_DIAG_HYPHEN_FIRST, at);
        else
            refuse(g, RCPT_DIAG_HYPHEN_LAST, end - 1);
        return RCPT_OK;
    }
    rcpt_err e = map_label(&l, text, &why);
    if (e != RCPT_OK)
        return e;
    if (why == RCPT_DIAG_ALABEL_BAD && !is_ascii)
        why = RCPT_DIAG_IDNA_MAPPED;   /* what it maps to does not lead back to itself */
    if (why == RCPT_DIAG_NONE && is_ascii && (n != l.ascii_len || memcmp(text, l.ascii, n) != 0))
        why = RCPT_DIAG_ALABEL_BAD;
    if (why == RCPT_DIAG_IDNA_DISALLOWED || why == RCPT_DIAG_IDNA_MAPPED)
        at += find_disallowed(text, n);
    if (why != RCPT_DIAG_NONE && is_alabel(text, n) && why != RCPT_DIAG_LABEL_TOO_LONG)
        why = RCPT_DIAG_ALABEL_BAD;
    if (why == RCPT_DIAG_NONE && !has_room(g, l.ascii_len, l.unicode_len))
        why = RCPT_DIAG_DOMAIN_TOO_LONG;
    if (why != RCPT_DIAG_NONE) {
        refuse(g, why, at);
        return RCPT_OK;
    }
    memcpy(d->ascii + g->ascii, l.ascii, l.ascii_len);
    memcpy(d->unicode + g->unicode, l.unicode, l.unicode_len);
    g->ascii += l.ascii_len;
    g->unicode += l.unicode_len;
    d->is_unicode = d->is_unicode || is_alabel(l.ascii, l.ascii_len);
    g->is_numeric = true;
    for (size_t i = 0; i < l.ascii_len; i++)
        g->is_numeric = g->is_numeric && rcpt_is_digit(l.ascii[i]);
    return RCPT_OK;
}

/* Every label of a domain of right-to-left script, the ASCII ones too, keeps the Bidi rule. */
static bool check_bidi(struct reading *g)
{
    const char *p = g->d->unicode;
    if (!rcpt_unicode_is_rtl(p, g->unicode))
        return true;
    for (size_t at = 0, n, label = 0; at < g->unicode; at += n + 1, label++) {
        const char *dot = memchr(p + at, '.', g->unicode - at);
        n = (dot != NULL ? (size_t)(dot - p) : g->unicode) - at;
        if (!rcpt_unicode_is_bidi_label(p + at, n))
            return refuse(g, RCPT_DIAG_IDNA_BIDI, g->from[label]);
    }
    return true;
}

/* A domain with labels that are not plain ASCII: both forms are written. */
static rcpt_err read_labels(struct reading *g)
{
    struct rcpt_domain *d = g->d;
    for (size_t at = 0, end, dot;; at = end + dot) {
        bool is_ascii;
        if (!find_end(g, at, &end, &is_ascii))
            return RCPT_OK;
        dot = end < g->len ? dot_at(g->in + end, g->len - end) : 0;
        if (end == at) {
            bool is_last = at == g->len;
            refuse(g, is_last ? RCPT_DIAG_DOMAIN_DOT_LAST : RCPT_DIAG_LABEL_EMPTY,
                   is_last ? g->from[g->labels] : at);
            return RCPT_OK;
        }
        g->from[g->labels++] = (uint8_t)at;
        if (is_ascii && !is_alabel(g->in + at, end - at)) {
            if (!has_room(g, end - at, end - at)) {
                refuse(g, RCPT_DIAG_DOMAIN_TOO_LONG, at);
                return RCPT_OK;
            }
            if (!read_ldh(g, at, end))
                return RCPT_OK;
            memcpy(d->unicode + g->unicode, d->ascii + g->ascii, end - at);
            g->ascii += end - at;
            g->unicode += end - at;
        } else {
            rcpt_err e = read_international(g, at, end, is_ascii);
            if (e != RCPT_OK || g->r->why != RCPT_DIAG_NONE)
                return e;
        }
        if (dot == 0)
            break;
        if (!has_room(g, 1, 1)) {
            refuse(g, RCPT_DIAG_DOMAIN_TOO_LONG, end);
            return RCPT_OK;
        }
        d->ascii[g->ascii++] = d->unicode[g->unicode++] = '.';
        g->from[g->labels] = (uint8_t)end;      /* a dot that nothing follows is to blame itself */
    }
    check_bidi(g);
    return RCPT_OK;
}

/* --- The whole -------------------------------------------------------------------------------- */

/* A domain of plain ASCII labels, the common case. Leaves at the first label that is not: */
static bool read_ascii(struct reading *g, bool *is_ascii)
{
    *is_ascii = true;
    for (size_t at = 0;;) {
        size_t end = at + find_dot(g->in + at, g->len - at);
        if (end < g->len && g->in[end] != '.') {
            *is_ascii = false;
            return true;
        }
        if (end == at)
            return at == g->len ? refuse(g, RCPT_DIAG_DOMAIN_DOT_LAST, at - 1)
                                : refuse(g, RCPT_DIAG_LABEL_EMPTY, at);
        if (is_alabel(g->in + at, end - at)) {
            *is_ascii = false;
            return true;
        }
        if (!read_ldh(g, at, end))
            return false;
        g->ascii += end - at;
        g->from[g->labels++] = (uint8_t)at;
        if (end == g->len)
            return true;
        g->d->ascii[g->ascii++] = '.';
        at = end + 1;
    }
}

/* What the name as a whole may not be. */
static bool check_name(struct reading *g, const struct rcpt_domain_options *opt)
{
    const char *p = g->d->ascii;
    if (g->is_numeric)
        return refuse(g, RCPT_DIAG_TLD_NUMERIC, g->from[g->labels - 1]);
    if (g->labels == 1 && !opt->single_label)
        return refuse(g, RCPT_DIAG_SINGLE_LABEL, 0);
    const struct rcpt_special *special = opt->special_use ? NULL : rcpt_special_find(p, g->ascii);
    if (special == NULL)
        return true;
    unsigned label = g->labels - 1;    /* where the special name begins */
    for (const char *c = special->name; *c != '\0'; c++)
        label -= *c == '.';
    return refuse(g, RCPT_DIAG_SPECIAL_USE, g->from[label]);
}

rcpt_err rcpt_domain_read(struct rcpt_domain *d, const char *in, size_t len,
                          const struct rcpt_domain_options *opt, struct rcpt_refusal *r)
{
    struct reading g;
    g.d = d;
    g.in = in;
    g.len = len < RCPT_DOMAIN_MAX ? len : RCPT_DOMAIN_MAX;
    g.r = r;
    g.ascii = g.unicode = 0;
    g.labels = 0;
    g.is_numeric = false;
    r->why = RCPT_DIAG_NONE;
    d->is_unicode = false;
    bool is_ascii;
    if (len == 0) {
        refuse(&g, RCPT_DIAG_DOMAIN_EMPTY, 0);
        return RCPT_OK;
    }
    read_ascii(&g, &is_ascii);
    if (r->why != RCPT_DIAG_NONE && g.len == len)
        return RCPT_OK;
    if (len > RCPT_DOMAIN_MAX) {
        /* what is wrong before the limit comes first; what the cut did wrong does not count */
        if (r->why == RCPT_DIAG_NONE || r->at + 1 >= g.len)
            refuse(&g, RCPT_DIAG_DOMAIN_TOO_LONG, RCPT_DOMAIN_MAX);
        return RCPT_OK;
    }
    if (!is_ascii) {
        g.ascii = g.labels = 0;
        rcpt_err e = read_labels(&g);
        if (e != RCPT_OK || r->why != RCPT_DIAG_NONE)
            return e;
    }
    d->ascii_len = (uint8_t)g.ascii;
    d->unicode_len = (uint8_t)(is_ascii ? g.ascii : g.unicode);
    check_name(&g, opt);
    return RCPT_OK;
}
