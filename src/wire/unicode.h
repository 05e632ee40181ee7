/* wire/unicode.h -- what Unicode says of a character: UTF-8, kinds, NFC, direction.
 *
 * The one file that knows libunistring, and with it one version of Unicode: what was
 * assigned later counts as unassigned. It knows nothing of mail but which characters of ASCII
 * an atom may hold. Nothing here allocates, save libunistring for itself on odd text. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_WIRE_UNICODE_H
#define RCPT_WIRE_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* How many bytes more than its UTF-8 the NFC of a text may take, at most (UAX 15, 9.1). */
#define RCPT_NFC_GROWTH 3

typedef enum {
    RCPT_CHAR_PLAIN,       /* letter, digit, punctuation, symbol */
    RCPT_CHAR_MARK,        /* combines with what stands before it */
    RCPT_CHAR_CONTROL,
    RCPT_CHAR_SPACE,       /* separators of words, lines, paragraphs */
    RCPT_CHAR_INVISIBLE,   /* format characters (ZWJ, bidi controls), default ignorable ones */
    RCPT_CHAR_PRIVATE,
    RCPT_CHAR_UNASSIGNED,  /* noncharacters too */
    RCPT_CHAR_UNSAFE       /* normalises to ASCII, or compatibly to ASCII that no atom holds
                              (fullwidth @, one dot leader); U+FFFC, U+FFFD */
} rcpt_char_kind;

/* One character of the `len` > 0 bytes at `in`: the bytes it takes, or 0 when they are not UTF-8
 * (RFC 3629: no over-long forms, no surrogates, nothing above U+10FFFF). */
size_t rcpt_utf8_read(uint32_t *c, const char *in, size_t len);

rcpt_char_kind rcpt_char_kind_of(uint32_t c);

/* The NFC of `len` bytes of UTF-8, at most size/RCPT_NFC_GROWTH of them, into `to`; *n is its
 * bytes. RCPT_NOMEM: libunistring had no memory. */
rcpt_err rcpt_unicode_nfc(char *to, size_t size, size_t *n, const char *in, size_t len);

/* Has this UTF-8 text a character of a right-to-left script (RFC 5893 1.4)? */
bool rcpt_unicode_is_rtl(const char *in, size_t len);
/* Does this label keep the Bidi rule (RFC 5893 2)? */
bool rcpt_unicode_is_bidi_label(const char *in, size_t len);

#endif
