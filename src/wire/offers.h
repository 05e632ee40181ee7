/* wire/offers.h -- what a server offers in its reply to EHLO (RFC 5321 4.1.1.1).
 *
 * Keywords as bits, and the one figure we go by. It does not decide what is made of them. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_WIRE_OFFERS_H
#define RCPT_WIRE_OFFERS_H

#include <stdint.h>

#include "base/span.h"

/* X(id, keyword) */
#define RCPT_OFFERS(X) \
    X(PIPELINING, "PIPELINING") X(SIZE, "SIZE") X(8BITMIME, "8BITMIME") X(SMTPUTF8, "SMTPUTF8") \
    X(STARTTLS, "STARTTLS") X(ENHANCEDSTATUSCODES, "ENHANCEDSTATUSCODES") X(VRFY, "VRFY") \
    X(CHUNKING, "CHUNKING") X(AUTH, "AUTH") X(REQUIRETLS, "REQUIRETLS") X(LIMITS, "LIMITS")

enum {
#define X(id, name) RCPT_OFFER_AT_##id,
    RCPT_OFFERS(X)
#undef X
    RCPT_OFFER_COUNT
};
#define RCPT_OFFER(id) (1u << RCPT_OFFER_AT_##id)

struct rcpt_offers {
    unsigned set;                     /* RCPT_OFFER() bits */
    uint32_t rcpt_max;                /* LIMITS RCPTMAX (RFC 9422): recipients of one
                                         transaction; 0: not said */
};

/* Learn from a line of the EHLO reply, without code and line end; not the first, which is a
 * greeting. A keyword we do not know is passed over. */
void rcpt_offers_learn(struct rcpt_offers *o, struct rcpt_span line);
const char *rcpt_offer_keyword(unsigned at);   /* at < RCPT_OFFER_COUNT */

#endif
