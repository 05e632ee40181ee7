/* wire/words.h -- the text of a reply as plain words, with what it echoes masked.
 *
 * An echoed address such as <disabled@spam.example> must not be read as a cause. So letters become
 * lower case, whatever is not a letter or digit becomes one blank, apostrophes vanish, and
 *   @     stands for an address, anything in angle brackets, or one quoted word
 *   #     for a host name, an IP address or a URL
 *   #bl   follows a # that names a block list or a page to ask for delisting
 *   ?p=x  follows the # of a URL that holds ?p=X (Gmail's stable names for its refusals) */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_WIRE_WORDS_H
#define RCPT_WIRE_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/span.h"

#define RCPT_WORDS_MAX (RCPT_TEXT_MAX + 64)

struct rcpt_words {
    uint16_t len;                      /* of text, which begins and ends with a blank */
    uint16_t first[256];               /* the last word that begins with this byte, 0: none */
    uint16_t before[RCPT_WORDS_MAX];   /* of a word's place: the one before it with the same byte */
    char     text[RCPT_WORDS_MAX];
};

/* Only the first RCPT_TEXT_MAX bytes of `text` are looked at. */
void rcpt_words_read(struct rcpt_words *w, struct rcpt_span text);
/* Does `phrase` stand in it, from the start of a word on? A blank at its end asks for the end of a
 * word; " * " leaps over some words, up to 80 bytes. "" is never found. */
bool rcpt_words_have(const struct rcpt_words *w, const char *phrase);

#endif
