/* wire/unicode.c -- see unicode.h. */
/* SPDX-License-Identifier: MIT */
#include "wire/unicode.h"

#include <assert.h>
#include <unictype.h>
#include <uninorm.h>

#include "wire/octet.h"

size_t rcpt_utf8_read(uint32_t *c, const char *in, size_t len)
{
    static const struct {
        unsigned char mask, lead;      /* of the first byte */
        uint32_t least;                /* what is below has a shorter form */
    } forms[] = {
        { 0x80, 0x00, 0 }, { 0xE0, 0xC0, 0x80 }, { 0xF0, 0xE0, 0x800 }, { 0xF8, 0xF0, 0x10000 },
    };
    const unsigned char *p = (const unsigned char *)in;
    for (size_t more = 0; more < sizeof forms / sizeof *forms; more++) {
        if ((p[0] & forms[more].mask) != forms[more].lead)
            continue;
        if (more >= len)
            return 0;
        uint32_t value = p[0] & (unsigned char)~forms[more].mask;
        for (size_t i = 1; i <= more; i++) {
            if ((p[i] & 0xC0) != 0x80)
                return 0;
            value = value << 6 | (p[i] & 0x3F);
        }
        if (value < forms[more].least || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
            return 0;
        *c = value;
        return more + 1;
    }
    return 0;
}

/* Would normalising this character bring ASCII into the text that was not there? NFC does it by
 * itself for a few (U+212A is K, U+1FEF a grave accent), and mail systems that use NFKC would make
 * an @ or a dot of others. Decompositions are a few steps deep. */
static bool hides_ascii(uint32_t c)
{
    uint32_t parts[UC_DECOMPOSITION_MAX_LENGTH];
    int how, n = uc_decomposition(c, &how, parts);
    if (n == 1 && how == UC_DECOMP_CANONICAL && parts[0] < 0x80)
        return true;
    for (int i = 0; i < n; i++) {
        uint32_t part = parts[i];
        if (part < 0x80 ? !(rcpt_octet((char)part) & RCPT_OCTET_ATEXT) : hides_ascii(part))
            return true;
    }
    return false;
}

rcpt_char_kind rcpt_char_kind_of(uint32_t c)
{
    static const struct {
        uint32_t mask;
        rcpt_char_kind kind;
    } kinds[] = {
        { UC_CATEGORY_MASK_Cc, RCPT_CHAR_CONTROL }, { UC_CATEGORY_MASK_Z, RCPT_CHAR_SPACE },
        { UC_CATEGORY_MASK_Cf, RCPT_CHAR_INVISIBLE }, { UC_CATEGORY_MASK_Co, RCPT_CHAR_PRIVATE },
        { UC_CATEGORY_MASK_Cn | UC_CATEGORY_MASK_Cs, RCPT_CHAR_UNASSIGNED },
    };
    if (c < 0x80)
        return c < 0x20 || c == 0x7F ? RCPT_CHAR_CONTROL
               : c == ' '            ? RCPT_CHAR_SPACE
                                     : RCPT_CHAR_PLAIN;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (uc_is_general_category_withtable(c, kinds[i].mask))
            return kinds[i].kind;
    if (uc_is_property_default_ignorable_code_point(c))
        return RCPT_CHAR_INVISIBLE;    /* Hangul fillers, variation selectors, U+034F */
    if (c == 0xFFFC || c == 0xFFFD || hides_ascii(c))
        return RCPT_CHAR_UNSAFE;
    bool is_mark = uc_is_general_category_withtable(c, UC_CATEGORY_MASK_M);
    return is_mark ? RCPT_CHAR_MARK : RCPT_CHAR_PLAIN;
}

rcpt_err rcpt_unicode_nfc(char *to, size_t size, size_t *n, const char *in, size_t len)
{
    size_t room = size;
    assert(len > 0 && len * RCPT_NFC_GROWTH <= size);
    uint8_t *text = u8_normalize(UNINORM_NFC, (const uint8_t *)in, len, (uint8_t *)to, &room);
    if (text != (uint8_t *)to)         /* NULL: it fits, so nothing else was made */
        return RCPT_NOMEM;
    *n = room;
    return RCPT_OK;
}

#define BIT(class) (1u << (class))
#define RTL (BIT(UC_BIDI_R) | BIT(UC_BIDI_AL) | BIT(UC_BIDI_AN))
#define NEUTRAL (BIT(UC_BIDI_ES) | BIT(UC_BIDI_CS) | BIT(UC_BIDI_ET) | BIT(UC_BIDI_ON) \
                 | BIT(UC_BIDI_BN) | BIT(UC_BIDI_NSM))

/* The Bidi class of the character at *at, as a bit; moves on. */
static unsigned next_class(const char *in, size_t len, size_t *at)
{
    uint32_t c = 0;
    size_t n = rcpt_utf8_read(&c, in + *at, len - *at);
    assert(n > 0);
    *at += n;
    return BIT(uc_bidi_class(c));
}

bool rcpt_unicode_is_rtl(const char *in, size_t len)
{
    for (size_t at = 0; at < len;)
        if (next_class(in, len, &at) & RTL)
            return true;
    return false;
}

bool rcpt_unicode_is_bidi_label(const char *in, size_t len)
{
    unsigned first = 0, last = 0, seen = 0;
    for (size_t at = 0; at < len;) {
        unsigned class = next_class(in, len, &at);
        first = first != 0 ? first : class;
        seen |= class;
        if (class != BIT(UC_BIDI_NSM))
            last = class;              /* conditions 3 and 6 look past the marks at the end */
    }
    const unsigned numbers = BIT(UC_BIDI_EN) | BIT(UC_BIDI_AN);
    if (first & (BIT(UC_BIDI_R) | BIT(UC_BIDI_AL)))                             /* 1 */
        return (seen & ~(RTL | BIT(UC_BIDI_EN) | NEUTRAL)) == 0                 /* 2 */
               && (last & (RTL | BIT(UC_BIDI_EN))) != 0                         /* 3 */
               && (seen & numbers) != numbers;                                  /* 4 */
    return (first & BIT(UC_BIDI_L)) != 0                                        /* 1 */
           && (seen & ~(BIT(UC_BIDI_L) | BIT(UC_BIDI_EN) | NEUTRAL)) == 0       /* 5 */
           && (last & (BIT(UC_BIDI_L) | BIT(UC_BIDI_EN))) != 0;                 /* 6 */
}
