/* wire/codes.c -- what reply codes and enhanced codes mean where no words tell.
 *
 * Data alone, read after phrases.c, first row that fits; phrases.h tells how a row is read. A code
 * is a weak witness: a row that calls a mailbox unknown needs one that says so and nothing else. */
/* SPDX-License-Identifier: MIT */
#include "wire/phrases.h"

#define RCPT   RCPT_AT(RCPT)
#define MAIL   RCPT_AT(MAIL)
#define STARTTLS RCPT_AT(STARTTLS)
#define HELLO  (RCPT_AT(EHLO) | RCPT_AT(HELO))
#define ANY    0xFFFFu
#define BEFORE (ANY & ~RCPT)

#define MICROSOFT ".protection.outlook.com"
#define GOOGLE    ".google.com"

/* reason, stages, code, enhanced, phrase, seen */
#define C(reason, where, code, enhanced, phrase, seen) \
    { RCPT_REASON_##reason, where, code, enhanced, "", phrase, seen },
/* reason, stages, code, enhanced, host, phrase, seen */
#define M(reason, where, code, enhanced, mx, phrase, seen) \
    { RCPT_REASON_##reason, where, code, enhanced, mx, phrase, seen },

const struct rcpt_phrase rcpt_codes[] = {

/* ---- the codes alone, at RCPT ---- */
M(RELAY_DENIED,    RCPT, 5,   "1.2",  MICROSOFT, "",                  "Microsoft 365")
M(MAILBOX_UNKNOWN, RCPT, 5,   "1.10", MICROSOFT, "",                  "Microsoft 365")
M(SENDER_REJECTED, RCPT, 5,   "1.0",  MICROSOFT, "",                  "Microsoft 365")
M(SENDER_REJECTED, ANY,  0,   "7.30", GOOGLE,    "",                  "Gmail: DKIM")
M(TLS_REQUIRED,    ANY,  0,   "7.29", GOOGLE,    "",                  "Gmail")
C(MAILBOX_UNKNOWN, RCPT, 0,   "1.1",  "",  "RFC 3463: bad destination mailbox address")
C(UNCLASSIFIED,    RCPT, 5,   "1.0",  "sender", "of whom it speaks is not clear")
C(MAILBOX_UNKNOWN, RCPT, 5,   "1.0",  "",  "Cisco IronPort: #5.1.0 Address rejected")
C(DOMAIN_NO_MAIL,  RCPT, 0,   "1.2",  "",  "RFC 3463: bad destination system")
C(DOMAIN_NO_MAIL,  RCPT, 0,   "1.10", "",  "RFC 7505")
C(MAILBOX_MOVED,   RCPT, 0,   "1.6",  "",  "RFC 3463")
C(PROTOCOL,        RCPT, 0,   "1.3",  "",  "RFC 3463: bad destination address syntax")
C(RECEIVING_TOO_FAST, RCPT, 0, "2.121-122", "", "Microsoft 365")
C(BLOCKED,         RCPT, 521, "2.1",  "",  "AOL")
C(MAILBOX_DISABLED,RCPT, 0,   "2.1",  "",  "RFC 3463")
C(MAILBOX_FULL,    RCPT, 0,   "2.2",  "",  "RFC 3463")
C(MESSAGE,         ANY,  0,   "2.3",  "",  "RFC 3463: too long for the mailbox")
C(MESSAGE,         ANY,  0,   "3.4",  "",  "RFC 3463: too big for the system")
C(DOMAIN_NO_MAIL,  RCPT, 5,   "3.2",  "",  "RFC 3463: not accepting messages")
C(TEMPORARY,       RCPT, 0,   "3.1",  "",  "RFC 3463: system full")
C(RATE_LIMITED,    ANY,  0,   "4.5",  "",  "RFC 3463: congestion")
C(DOMAIN_NO_MAIL,  RCPT, 5,   "4.4",  "",  "RFC 3463: unable to route")
C(SESSION_LIMIT,   ANY,  0,   "5.3",  "",  "RFC 3463: too many recipients")
C(MESSAGE,         RCPT, 5,   "6.*",  "",  "RFC 3463")
C(MAILBOX_RESTRICTED, RCPT, 5, "7.2", "",  "RFC 3463: list expansion prohibited")
C(AUTH_REQUIRED,   ANY,  0,   "7.8-9","",  "RFC 4954")
C(TLS_REQUIRED,    ANY,  0,   "7.10-11", "", "RFC 5248")
C(MAILBOX_RESTRICTED, RCPT, 5, "7.12","",  "Exchange")
C(MAILBOX_DISABLED,RCPT, 0,   "7.13", "",  "RFC 5248")
C(SENDER_REJECTED, ANY,  0,   "7.20-24", "", "RFC 7372: DKIM, SPF")
C(PTR_OR_HELO,     ANY,  0,   "7.25", "",  "RFC 7372: reverse DNS")
C(SENDER_REJECTED, ANY,  0,   "7.26-27", "", "RFC 7372, RFC 7505")
C(RATE_LIMITED,    ANY,  0,   "7.28", "",  "registry: mail flood")
C(SENDER_REJECTED, ANY,  0,   "7.29", "",  "RFC 8617: ARC")
C(TLS_REQUIRED,    ANY,  0,   "7.30", "",  "RFC 8689: REQUIRETLS")
C(AUTH_REQUIRED,   ANY,  0,   "7.57", "",  "Microsoft 365")
C(RELAY_DENIED,    RCPT, 0,   "7.64", "",  "Microsoft 365")
C(MAILBOX_RESTRICTED, RCPT, 5, "7.124", "", "Microsoft 365")
C(MAILBOX_RESTRICTED, RCPT, 5, "7.133-136", "", "Microsoft 365")
C(RATE_LIMITED,    ANY,  4,   "7.500","",  "Microsoft 365")
C(MAILBOX_DISABLED,RCPT, 5,   "7.504-505", "", "Microsoft 365")
C(PTR_OR_HELO,     ANY,  5,   "7.506","",  "Microsoft 365")
C(RATE_LIMITED,    ANY,  5,   "7.508","",  "Microsoft 365")
C(BLOCKED,         ANY,  0,   "7.511-513", "", "Microsoft 365")
C(BLOCKED,         ANY,  5,   "7.606-649", "", "Microsoft 365")
C(RATE_LIMITED,    ANY,  4,   "7.501-699", "", "Microsoft 365")
C(RATE_LIMITED,    ANY,  5,   "7.700-749", "", "Microsoft 365")
C(SENDER_REJECTED, ANY,  5,   "7.750","",  "Microsoft 365")
C(BLOCKED,         ANY,  4,   "7.850-899", "", "Microsoft 365")
C(GREYLISTED,      RCPT, 45,  "7.0-1","",  "the usual code of greylisting")
C(GREYLISTED,      RCPT, 45,  "2.0",  "",  "Postfix with postgrey")
C(TEMPORARY,       ANY,  4,   "",     "",  "RFC 5321 4.2.1: 4yz is worth another try")
C(TLS_REQUIRED,    ANY,  530, "",     "tls ", "RFC 3207")
C(AUTH_REQUIRED,   ANY,  530, "",     "",  "RFC 4954")
C(AUTH_REQUIRED,   ANY,  535, "",     "",  "RFC 4954")
C(TLS_REQUIRED,    ANY,  538, "",     "",  "RFC 4954")
C(POLICY_REFUSAL,  RCPT, 5,   "7.*",  "",  "RFC 3463: not authorised, and no more")
C(MAILBOX_UNKNOWN, RCPT, 550, "5.0",  "mailbox unavailable", "Microsoft, consumers")
C(PROTOCOL,        RCPT, 5,   "5.*",  "",  "RFC 3463")

/* ---- no enhanced code, no cause: RFC 5321 4.2.2 ---- */
C(PROTOCOL,        ANY,  500, "",     "",  "RFC 5321")
C(PTR_OR_HELO,     HELLO,501, "",     "",  "RFC 5321: syntax error in arguments")
C(SENDER_REJECTED, MAIL, 501, "",     "",  "RFC 5321: syntax error in arguments")
C(PROTOCOL,        ANY,  501, "",     "",  "RFC 5321")
C(PROTOCOL,        ANY,  502, "",     "",  "RFC 5321")
C(PROTOCOL,        ANY,  503, "",     "",  "RFC 5321")
C(PROTOCOL,        ANY,  504, "",     "",  "RFC 5321")
C(PROTOCOL,        ANY,  555, "",     "",  "RFC 5321: parameters not recognised")
C(DOMAIN_NO_MAIL,  RCPT, 521, "",     "-", "RFC 7504")
C(BLOCKED,         RCPT, 521, "",     "",  "and says something else: AOL, postscreen")
C(DOMAIN_NO_MAIL,  RCPT, 556, "",     "",  "RFC 7504")
C(MAILBOX_MOVED,   RCPT, 551, "-",    "-", "RFC 5321: user not local")
C(MAILBOX_FULL,    RCPT, 552, "-",    "-", "RFC 5321: exceeded storage allocation")
C(MAILBOX_UNKNOWN, RCPT, 550, "-",    "-", "RFC 5321: mailbox unavailable")
C(MAILBOX_UNKNOWN, RCPT, 550, "-",    "mailbox unavailable", "RFC 5321")
C(MAILBOX_UNKNOWN, RCPT, 553, "-",    "-", "RFC 5321: mailbox name not allowed")
C(MAILBOX_UNKNOWN, RCPT, 553, "-",    "mailbox name not allowed", "RFC 5321")
C(PROTOCOL,        STARTTLS, 5, "",   "",  "RFC 3207: refuses what it offered")
C(SENDER_REJECTED, MAIL, 5,   "",     "",  "who refuses MAIL refuses what it names")
C(BLOCKED,         BEFORE, 5, "",     "",  "nobody was asked about yet: it is us")
};

const unsigned rcpt_code_count = sizeof rcpt_codes / sizeof *rcpt_codes;
