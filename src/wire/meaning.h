/* wire/meaning.h -- what a reply means: a reason, and whom it is about.
 *
 * From the stage, the reply code, the enhanced code and the text. A refusal
 * before RCPT is never about the mailbox; a cause named in the text beats the code. A reply to VRFY
 * is a yes (250, 251), a no in so many words (550, 551), or no information: unclassified. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_WIRE_MEANING_H
#define RCPT_WIRE_MEANING_H

#include "wire/reply.h"

/* The reasons a reply can give; lua/rcpt/verdict.lua has the whole list with status and
 * prose, and a spec compares the two. X(id, name, about) */
#define RCPT_REASONS(X)                                          \
    X(ACCEPTED,            "accepted",            MAILBOX)       \
    X(MAILBOX_UNKNOWN,     "mailbox_unknown",     MAILBOX)       \
    X(MAILBOX_DISABLED,    "mailbox_disabled",    MAILBOX)       \
    X(MAILBOX_MOVED,       "mailbox_moved",       MAILBOX)       \
    X(MAILBOX_FULL,        "mailbox_full",        MAILBOX)       \
    X(MAILBOX_RESTRICTED,  "mailbox_restricted",  MAILBOX)       \
    X(RECEIVING_TOO_FAST,  "receiving_too_fast",  MAILBOX)       \
    X(DOMAIN_NO_MAIL,      "domain_no_mail",      DOMAIN)        \
    X(RELAY_DENIED,        "relay_denied",        DOMAIN)        \
    X(GREYLISTED,          "greylisted",          US)            \
    X(RATE_LIMITED,        "rate_limited",        US)            \
    X(SESSION_LIMIT,       "session_limit",       US)            \
    X(BLOCKED,             "blocked",             US)            \
    X(PTR_OR_HELO,         "ptr_or_helo",         US)            \
    X(CALLBACK_FAILED,     "callback_failed",     US)            \
    X(SENDER_REJECTED,     "sender_rejected",     US)            \
    X(TLS_REQUIRED,        "tls_required",        US)            \
    X(AUTH_REQUIRED,       "auth_required",       US)            \
    X(POLICY_REFUSAL,      "policy_refusal",      US)            \
    X(SMTPUTF8_UNSUPPORTED,"smtputf8_unsupported",SERVER)        \
    X(MESSAGE,             "message",             MESSAGE)       \
    X(PROTOCOL,            "protocol",            SERVER)        \
    X(TEMPORARY,           "temporary",           SERVER)        \
    X(UNCLASSIFIED,        "unclassified",        SERVER)

typedef enum {
#define X(id, name, about) RCPT_REASON_##id,
    RCPT_REASONS(X)
#undef X
    RCPT_REASON_COUNT
} rcpt_reason;

#define RCPT_ABOUTS(X) \
    X(MAILBOX, "mailbox") X(US, "us") X(DOMAIN, "domain") X(SERVER, "server") X(MESSAGE, "message")

typedef enum {
#define X(id, name) RCPT_ABOUT_##id,
    RCPT_ABOUTS(X)
#undef X
    RCPT_ABOUT_COUNT
} rcpt_about;

struct rcpt_question {                 /* what is to be understood */
    rcpt_stage stage;                  /* GREETING .. RCPT, VRFY */
    uint16_t   code;
    struct rcpt_enhanced enhanced;     /* class 0: look for one at the start of text */
    struct rcpt_span text;             /* lines joined by LF; may be empty */
    struct rcpt_span mx;               /* the host that said it; may be empty */
};

struct rcpt_meaning {
    rcpt_reason reason;
    rcpt_about  about;
};

void rcpt_meaning_of(const struct rcpt_question *q, struct rcpt_meaning *m);
const char *rcpt_reason_name(rcpt_reason r);
const char *rcpt_about_name(rcpt_about a);

#endif
