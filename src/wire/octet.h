/* wire/octet.h -- what an octet may be in an address, as one table of bits.
 *
 * The grammar's classes (RFC 5321 4.1.2, RFC 5322 3.2.3); never the locale's. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_WIRE_OCTET_H
#define RCPT_WIRE_OCTET_H

#include "base/span.h"
#include "wire/diagnosis.h"

enum {
    RCPT_OCTET_ATEXT = 1,              /* may stand in an atom */
    RCPT_OCTET_ALNUM = 2,              /* letter or digit */
    RCPT_OCTET_LDH   = 4,              /* letter, digit or hyphen */
    RCPT_OCTET_UTF8  = 8,              /* beyond ASCII */
    RCPT_OCTET_CTL   = 16              /* below the blank, or DEL */
};

extern const unsigned char rcpt_octets[256];

static inline unsigned rcpt_octet(char c) { return rcpt_octets[(unsigned char)c]; }

/* The diagnosis for an octet that may not stand where it stands: what is wrong with it
 * anywhere, else `otherwise`. */
rcpt_diagnosis rcpt_octet_blame(char c, rcpt_diagnosis otherwise);

#endif
