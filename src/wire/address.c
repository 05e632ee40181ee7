/* wire/address.c -- see address.h.
 *
 * A plain ASCII address takes one pass with a table and touches no library. Refusals
 * come in the order of the bytes, as far as one look forward allows: the local part, then
 * the domain, then their lengths together and what normalising made of them. */
/* SPDX-License-Identifier: MIT */
#include "wire/address.h"

#include "wire/domain.h"
#include "wire/literal.h"
#include "wire/octet.h"
#include "wire/unicode.h"

const struct rcpt_address_options rcpt_address_defaults = {
#define X(field, value, text) .field = value,
    RCPT_ADDRESS_OPTIONS(X)
#undef X
};

const char *rcpt_domain_kind_name(rcpt_domain_kind k)
{
    static const char *const names[] = { "domain", "ipv4", "ipv6" };
    return names[k];
}

/* A mailbox being read. */
struct reading {
    struct rcpt_address *out;
    const struct rcpt_address_options *opt;
    const char *in;                    /* the mailbox, without angle brackets */
    size_t len, before;                /* its bytes; bytes of the input before it */
};

static bool refuse(struct reading *g, rcpt_diagnosis why, size_t at)
{
    g->out->why = why;
    g->out->position = g->before + at + 1;
    return false;
}

/* --- The local part --------------------------------------------------------------------------- */

/* What a quoted local part says, without its quoting. */
struct content {
    char    text[RCPT_LOCAL_MAX];
    uint8_t from[RCPT_LOCAL_MAX];      /* where in the mailbox each byte was */
    size_t  n;
    bool    is_ascii;
};

/* Dot-string = Atom *("." Atom), as far as an "@"; *end is where that stands. */
static bool read_dot_string(struct reading *g, size_t *end, bool *is_ascii)
{
    const char *in = g->in;
    char *to = g->out->normalized;
    size_t stop = g->len < RCPT_LOCAL_MAX ? g->len : RCPT_LOCAL_MAX, i;
    bool in_atom = false;
    unsigned seen = 0;
    for (i = 0; i < stop; i++) {
        unsigned class = rcpt_octet(in[i]);
        if (class & (RCPT_OCTET_ATEXT | RCPT_OCTET_UTF8)) {
            in_atom = true;
            seen |= class;
        } else if (in[i] == '.') {
            if (!in_atom)
                return refuse(g, i == 0 ? RCPT_DIAG_LOCAL_DOT_FIRST
                                        : RCPT_DIAG_LOCAL_DOT_DOUBLE, i);
            in_atom = false;
        } else {
            break;
        }
        to[i] = in[i];
    }
    *is_ascii = (seen & RCPT_OCTET_UTF8) == 0;
    *end = i;
    if (i == g->len)
        return refuse(g, RCPT_DIAG_NO_AT, i);
    if (in[i] != '@' && i == RCPT_LOCAL_MAX)
        return refuse(g, RCPT_DIAG_LOCAL_TOO_LONG, i);
    if (in[i] != '@')
        return refuse(g, rcpt_octet_blame(in[i], in[i] == '"' ? RCPT_DIAG_QUOTE_INSIDE
                                                              : RCPT_DIAG_LOCAL_CHARACTER), i);
    if (!in_atom && i > 0)
        return refuse(g, RCPT_DIAG_LOCAL_DOT_LAST, i - 1);
    if (i == 0)                        /* A-d-l = "@" Domain *("," "@" Domain) ":" */
        return refuse(g, memchr(in, ':', g->len < RCPT_PATH_MAX ? g->len : RCPT_PATH_MAX) != NULL
                             ? RCPT_DIAG_SOURCE_ROUTE : RCPT_DIAG_LOCAL_EMPTY, 0);
    return true;
}

/* Quoted-string = DQUOTE *QcontentSMTP DQUOTE, and the "@" after it, which is *end. */
static bool read_quoted(struct reading *g, size_t *end, struct content *c)
{
    size_t i = 1;
    c->n = 0;
    c->is_ascii = true;
    for (;; i++) {
        if (i < g->len && i < RCPT_LOCAL_MAX && g->in[i] == '"')
            break;
        bool is_pair = i < g->len && g->in[i] == '\\';
        i += is_pair;
        if (i >= RCPT_LOCAL_MAX && g->len > RCPT_LOCAL_MAX)
            return refuse(g, RCPT_DIAG_LOCAL_TOO_LONG, RCPT_LOCAL_MAX);
        if (i >= g->len)
            return refuse(g, RCPT_DIAG_QUOTE_OPEN, 0);
        unsigned class = rcpt_octet(g->in[i]);
        if (class & RCPT_OCTET_CTL)
            return refuse(g, RCPT_DIAG_CONTROL_CHARACTER, i);
        if (is_pair && (class & RCPT_OCTET_UTF8))
            return refuse(g, RCPT_DIAG_QUOTE_PAIR, i);
        c->is_ascii = c->is_ascii && !(class & RCPT_OCTET_UTF8);
        c->from[c->n] = (uint8_t)i;
        c->text[c->n++] = g->in[i];
    }
    *end = ++i;
    if (i == g->len)
        return refuse(g, RCPT_DIAG_NO_AT, i);
    return g->in[i] == '@' || refuse(g, rcpt_octet_blame(g->in[i], RCPT_DIAG_QUOTE_AFTER), i);
}

/* Does it read the same without quotes? */
static bool is_dot_string(const char *p, size_t n)
{
    bool in_atom = false;
    for (size_t i = 0; i < n; i++) {
        bool is_dot = p[i] == '.';
        if (is_dot ? !in_atom : !(rcpt_octet(p[i]) & (RCPT_OCTET_ATEXT | RCPT_OCTET_UTF8)))
            return false;
        in_atom = !is_dot;
    }
    return in_atom;
}

/* The characters of a local part beyond ASCII: which may be there. *bad: bytes before the first
 * that may not. */
static rcpt_diagnosis check_characters(const char *p, size_t n, size_t *bad)
{
    static const rcpt_diagnosis blame[] = {
        [RCPT_CHAR_PLAIN] = RCPT_DIAG_NONE,
        [RCPT_CHAR_MARK] = RCPT_DIAG_NONE,
        [RCPT_CHAR_CONTROL] = RCPT_DIAG_CONTROL_CHARACTER,
        [RCPT_CHAR_SPACE] = RCPT_DIAG_WHITE_SPACE,
        [RCPT_CHAR_INVISIBLE] = RCPT_DIAG_LOCAL_FORMAT,
        [RCPT_CHAR_PRIVATE] = RCPT_DIAG_LOCAL_PRIVATE,
        [RCPT_CHAR_UNASSIGNED] = RCPT_DIAG_LOCAL_UNASSIGNED,
        [RCPT_CHAR_UNSAFE] = RCPT_DIAG_LOCAL_UNSAFE,
    };
    bool has_base = false;             /* is there something for a mark to combine with? */
    for (size_t len; n > 0; p += len, n -= len, *bad += len) {
        uint32_t c;
        len = rcpt_utf8_read(&c, p, n);
        if (len == 0)
            return RCPT_DIAG_UTF8_BAD;
        if (len == 1) {
            has_base = (rcpt_octet(*p) & RCPT_OCTET_ATEXT) != 0;
            continue;
        }
        rcpt_char_kind kind = rcpt_char_kind_of(c);
        if (blame[kind] != RCPT_DIAG_NONE)
            return blame[kind];
        if (kind == RCPT_CHAR_MARK && !has_base)
            return RCPT_DIAG_LOCAL_COMBINING;
        has_base = true;
    }
    return RCPT_DIAG_NONE;
}

/* Where the first character stands in which `a` differs from `b`. */
static size_t differ_at(const char *a, const char *b, size_t n)
{
    size_t i = 0;
    while (i < n && a[i] == b[i])
        i++;
    while (i > 0 && (i == n || ((unsigned char)a[i] & 0xC0) == 0x80))
        i--;
    return i;
}

/* Check a text beyond ASCII and bring it to NFC, in place. `from` maps its bytes to the mailbox's;
 * NULL: they are the same. */
static rcpt_err normalise(struct reading *g, char text[RCPT_LOCAL_MAX], size_t *n,
                          const uint8_t *from)
{
    char nfc[RCPT_LOCAL_MAX * RCPT_NFC_GROWTH];
    size_t bad = 0, len, again = 0;
    rcpt_diagnosis why = check_characters(text, *n, &bad);
    if (why == RCPT_DIAG_NONE && !g->opt->smtputf8) {
        why = RCPT_DIAG_SMTPUTF8_OFF;
        for (bad = 0; rcpt_is_ascii(text[bad]); bad++)
            ;
    }
    if (why == RCPT_DIAG_NONE) {
        rcpt_err e = rcpt_unicode_nfc(nfc, sizeof nfc, &len, text, *n);
        if (e != RCPT_OK)
            return e;
        why = len > RCPT_LOCAL_MAX ? RCPT_DIAG_LOCAL_TOO_LONG : check_characters(nfc, len, &again);
        if (why == RCPT_DIAG_NONE) {
            memcpy(text, nfc, len);
            *n = len;
            return RCPT_OK;
        }
        bad = differ_at(text, nfc, *n < len ? *n : len);
    }
    refuse(g, why, from != NULL ? from[bad] : bad);
    return RCPT_OK;
}

/* Write what was quoted: without quotes where it can be, else quoting no more than it must. */
static bool write_quoted(struct reading *g, const struct content *c)
{
    char *to = g->out->normalized;
    size_t n = 0;
    g->out->is_quoted = !is_dot_string(c->text, c->n);
    if (!g->out->is_quoted) {
        memcpy(to, c->text, c->n);
        g->out->local_len = (uint8_t)c->n;
        return true;
    }
    to[n++] = '"';
    for (size_t i = 0; i < c->n; i++) {
        if (c->text[i] == '"' || c->text[i] == '\\')
            to[n++] = '\\';
        to[n++] = c->text[i];
    }
    to[n++] = '"';
    g->out->local_len = (uint8_t)n;
    return n <= RCPT_LOCAL_MAX || refuse(g, RCPT_DIAG_LOCAL_TOO_LONG, 0);
}

/* The local part, normalised, into out->normalized; *end is where the "@" stands. */
static rcpt_err read_local(struct reading *g, size_t *end)
{
    struct rcpt_address *out = g->out;
    bool is_ascii;
    if (g->len == 0) {
        refuse(g, RCPT_DIAG_EMPTY, 0);
        return RCPT_OK;
    }
    if (g->in[0] != '"') {
        if (!read_dot_string(g, end, &is_ascii))
            return RCPT_OK;
        size_t n = *end;
        rcpt_err e = is_ascii ? RCPT_OK : normalise(g, out->normalized, &n, NULL);
        out->local_len = (uint8_t)n;
        out->needs_smtputf8 = !is_ascii;
        return e;
    }
    struct content c;
    if (!g->opt->quoted) {
        refuse(g, RCPT_DIAG_QUOTED_OFF, 0);
        return RCPT_OK;
    }
    if (!read_quoted(g, end, &c))
        return RCPT_OK;
    out->needs_smtputf8 = !c.is_ascii;
    if (!c.is_ascii) {
        rcpt_err e = normalise(g, c.text, &c.n, c.from);
        if (e != RCPT_OK || out->why != RCPT_DIAG_NONE)
            return e;
    }
    write_quoted(g, &c);
    return RCPT_OK;
}

/* --- The domain, and both --------------------------------------------------------------------- */

/* "@" and the domain behind the local part, in both forms. */
static bool join(struct reading *g, size_t at, const char *ascii, size_t ascii_len,
                 const char *unicode, size_t unicode_len)
{
    struct rcpt_address *out = g->out;
    size_t local = out->local_len;
    if (g->len > RCPT_PATH_MAX)
        return refuse(g, RCPT_DIAG_PATH_TOO_LONG, RCPT_PATH_MAX);
    if (local + 1 + ascii_len > RCPT_PATH_MAX || local + 1 + unicode_len > RCPT_PATH_MAX)
        return refuse(g, RCPT_DIAG_PATH_TOO_LONG, at);
    out->normalized[local] = '@';
    memcpy(out->wire, out->normalized, local + 1);
    memcpy(out->wire + local + 1, ascii, ascii_len);
    memcpy(out->normalized + local + 1, unicode, unicode_len);
    out->wire_len = (uint8_t)(local + 1 + ascii_len);
    out->len = (uint8_t)(local + 1 + unicode_len);
    out->wire[out->wire_len] = '\0';
    out->normalized[out->len] = '\0';
    return true;
}

/* What stands after the "@", at `at`. */
static rcpt_err read_domain(struct reading *g, size_t at)
{
    struct rcpt_address *out = g->out;
    struct rcpt_refusal r = { RCPT_DIAG_NONE, 0 };
    if (at < g->len && g->in[at] == '[') {
        struct rcpt_literal l;
        if (!g->opt->literal) {
            refuse(g, RCPT_DIAG_LITERAL_OFF, at);
        } else if (!rcpt_literal_read(&l, g->in + at, g->len - at, &r)) {
            refuse(g, r.why, at + r.at);
        } else {
            out->kind = l.is_ipv6 ? RCPT_DOMAIN_IPV6 : RCPT_DOMAIN_IPV4;
            join(g, at, l.text, l.len, l.text, l.len);
        }
        return RCPT_OK;
    }
    struct rcpt_domain d;
    struct rcpt_domain_options opt = { g->opt->single_label, g->opt->special_use };
    rcpt_err e = rcpt_domain_read(&d, g->in + at, g->len - at, &opt, &r);
    if (e != RCPT_OK)
        return e;
    if (r.why != RCPT_DIAG_NONE) {
        refuse(g, r.why, at + r.at);
        return RCPT_OK;
    }
    out->is_unicode_domain = d.is_unicode;
    join(g, at, d.ascii, d.ascii_len, d.is_unicode ? d.unicode : d.ascii,
         d.is_unicode ? d.unicode_len : d.ascii_len);
    return RCPT_OK;
}

static rcpt_err read_mailbox(struct reading *g)
{
    size_t end = 0;
    rcpt_err e = read_local(g, &end);
    if (e != RCPT_OK || g->out->why != RCPT_DIAG_NONE)
        return e;
    return read_domain(g, end + 1);
}

/* --- A name before it ------------------------------------------------------------------------- */

/* The bytes before a "<" that stands outside of quotes: display-name = phrase, with the dots that
 * obs-phrase has. *bad: a byte no phrase holds stands there (an "@": this is a bare address). */
static size_t read_phrase(const char *in, size_t len, bool *bad)
{
    bool in_quotes = false;
    size_t i = 0;
    for (*bad = false; i < len && (in_quotes || in[i] != '<'); i++) {
        unsigned class = rcpt_octet(in[i]);
        bool may = in[i] == '"' || rcpt_is_blank(in[i]);
        if (in[i] == '"')
            in_quotes = !in_quotes;
        else if (in_quotes && in[i] == '\\' && i + 1 < len)
            may = !(rcpt_octet(in[++i]) & RCPT_OCTET_CTL);
        else if (in_quotes)
            may = may || !(class & RCPT_OCTET_CTL);
        else
            may = may || in[i] == '.' || (class & (RCPT_OCTET_ATEXT | RCPT_OCTET_UTF8));
        *bad = !may;
        if (*bad)
            break;
    }
    return i;
}

/* [phrase] "<" Mailbox ">", blanks around it. Narrows `g` to the mailbox; leaves it when the input
 * is a bare one. False: refused. */
static bool strip_name(struct reading *g)
{
    bool bad;
    size_t cap = g->len < RCPT_NAME_ADDR_MAX ? g->len : RCPT_NAME_ADDR_MAX, end = g->len;
    size_t open = read_phrase(g->in, cap, &bad);
    while (end > 0 && g->len <= RCPT_NAME_ADDR_MAX && rcpt_is_blank(g->in[end - 1]))
        end--;
    bool is_closed = end > 0 && g->in[end - 1] == '>';
    if (!g->opt->display_name)         /* off: say so where it looks like one */
        return bad || open == cap || !is_closed || refuse(g, RCPT_DIAG_DISPLAY_NAME_OFF, open);
    if (g->len > RCPT_NAME_ADDR_MAX)
        return refuse(g, RCPT_DIAG_TOO_LONG, RCPT_NAME_ADDR_MAX);
    if (bad && g->in[open] != '@' && is_closed)
        return refuse(g, rcpt_octet_blame(g->in[open], RCPT_DIAG_DISPLAY_NAME_BAD), open);
    if (bad || open == cap)
        return true;
    const char *close = memchr(g->in + open, '>', g->len - open);
    if (close == NULL)
        return refuse(g, RCPT_DIAG_ANGLE_OPEN, open);
    if (!is_closed) {
        while (end > open && g->in[end - 1] != '>')
            end--;
        return refuse(g, RCPT_DIAG_ANGLE_AFTER, end);
    }
    g->in += open + 1;
    g->before = open + 1;
    g->len = end - 1 - g->before;
    return true;
}

rcpt_err rcpt_address_parse(struct rcpt_address *out, const char *in, size_t len,
                            const struct rcpt_address_options *opt)
{
    struct reading g = { out, opt != NULL ? opt : &rcpt_address_defaults, in, len, 0 };
    out->why = RCPT_DIAG_NONE;
    out->kind = RCPT_DOMAIN_NAME;
    out->is_quoted = out->needs_smtputf8 = out->is_unicode_domain = false;
    if ((g.opt->display_name || (len > 0 && in[len - 1] == '>')) && !strip_name(&g))
        return RCPT_OK;
    return read_mailbox(&g);
}
