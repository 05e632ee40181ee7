/* wire/dialogue.c -- the table of the client's dialogue; data alone, see dialogue.h. */
/* SPDX-License-Identifier: MIT */
#include "wire/dialogue.h"

static const char *const classes[RCPT_CLASS_COUNT] = {
    [RCPT_CLASS_2YZ] = "2yz", [RCPT_CLASS_3YZ] = "3yz", [RCPT_CLASS_4YZ] = "4yz",
    [RCPT_CLASS_5YZ] = "5yz", [RCPT_CLASS_421] = "421", [RCPT_CLASS_FULL] = "full",
};

/* state, name, what it says, the stage of the reply it awaits, what is said ahead */
#define ROW(state, name, says, stage, ahead, ...) \
    [RCPT_STATE_##state] = { name, says, RCPT_STAGE_##stage, RCPT_STATE_##ahead, { __VA_ARGS__ } }
#define DEAF(state, name, says) ROW(state, name, says, SYNTAX, NONE, { 0 })
#define ON(class, to, heard, why) \
    [RCPT_CLASS_##class] = { RCPT_STATE_##to, RCPT_HEARD_##heard, why, RCPT_OK }
#define BAD(class, to, heard, why) \
    [RCPT_CLASS_##class] = { RCPT_STATE_##to, RCPT_HEARD_##heard, why, RCPT_PROTO }

/* RFC 5321 4.3.2 for what may answer what; 4.2.1: 421 may come at any time and closes. A reply that
 * comes before its command has gone, or when we asked nothing, is read by the row of idle. RSET,
 * MAIL and RCPT may stand in one group (RFC 2920 3.1). */
static const struct rcpt_dialogue table[RCPT_STATE_COUNT] = {
    ROW(GREETING, "greeting", "", GREETING, NONE,
        ON(2YZ, EHLO, REPLY,   "welcome"),
        ON(3YZ, QUIT, END,     "no such greeting"),
        ON(4YZ, QUIT, END,     "not now"),
        ON(5YZ, QUIT, END,     "not us, or no mail here (521, RFC 7504)"),
        ON(421, DONE, END,     "closing")),
    ROW(KNOCK, "knock", "", GREETING, NONE,
        ON(2YZ, QUIT, READY,   "alive: all we wanted to know"),
        ON(3YZ, QUIT, END,     "no such greeting"),
        ON(4YZ, QUIT, END,     "not now"),
        ON(5YZ, QUIT, END,     "not us, or no mail here (521, RFC 7504)"),
        ON(421, DONE, END,     "closing")),
    ROW(EHLO, "ehlo", "EHLO helo", EHLO, NONE,
        ON(2YZ, IDLE, READY,   "extensions offered"),
        ON(3YZ, QUIT, END,     "no such reply"),
        ON(4YZ, QUIT, END,     "not now"),
        ON(5YZ, HELO, REPLY,   "knows no EHLO (RFC 5321 3.2)"),
        ON(421, DONE, END,     "closing")),
    ROW(HELO, "helo", "HELO helo", HELO, NONE,
        ON(2YZ, IDLE, READY,   "no extensions"),
        ON(3YZ, QUIT, END,     "no such reply"),
        ON(4YZ, QUIT, END,     "not now"),
        ON(5YZ, QUIT, END,     "not us"),
        ON(421, DONE, END,     "closing")),
    ROW(STARTTLS, "starttls", "STARTTLS", STARTTLS, NONE,
        ON(2YZ, SECURE, REPLY, "go ahead (RFC 3207)"),
        ON(3YZ, QUIT, END,     "no such reply"),
        ON(4YZ, IDLE, READY,   "not now: in the clear, where we may"),
        ON(5YZ, IDLE, READY,   "refused: in the clear, where we may"),
        ON(421, DONE, END,     "closing")),
    DEAF(SECURE, "secure", ""),
    ROW(IDLE, "idle", "", SYNTAX, NONE,
        BAD(2YZ, DONE, END,    "out of step: the next reply might be taken for another's"),
        BAD(3YZ, DONE, END,    "out of step"),
        ON(4YZ, DONE, END,     "tired of waiting (qmail: 451 timeout)"),
        ON(5YZ, DONE, END,     "tired of us"),
        ON(421, DONE, END,     "closing")),
    ROW(RSET, "rset", "RSET", RSET, MAIL,
        ON(2YZ, MAIL, REPLY,   "a new transaction"),
        ON(3YZ, QUIT, END,     "no such reply"),
        ON(4YZ, QUIT, END,     "the old transaction may still be open"),
        ON(5YZ, QUIT, END,     "the old transaction may still be open"),
        ON(421, DONE, END,     "closing")),
    ROW(MAIL, "mail", "MAIL FROM:<sender>", MAIL, RCPT,
        ON(2YZ, RCPT, REPLY,   "sender taken"),
        ON(3YZ, QUIT, ANSWER,  "no such reply"),
        ON(4YZ, IDLE, ANSWER,  "not now"),
        ON(5YZ, IDLE, ANSWER,  "sender or we refused"),
        ON(421, DONE, ANSWER,  "closing")),
    ROW(RCPT, "rcpt", "RCPT TO:<recipient>", RCPT, NONE,
        ON(2YZ, IDLE, ANSWER,  "accepted"),
        ON(3YZ, QUIT, ANSWER,  "no such reply"),
        ON(4YZ, IDLE, ANSWER,  "later"),
        ON(5YZ, IDLE, ANSWER,  "refused"),
        ON(421, DONE, ANSWER,  "closing")),
    ROW(MORE, "more", "RCPT TO:<recipient>", RCPT, NONE,
        ON(2YZ, IDLE, ANSWER,  "accepted"),
        ON(3YZ, QUIT, ANSWER,  "no such reply"),
        ON(4YZ, IDLE, ANSWER,  "later"),
        ON(5YZ, IDLE, ANSWER,  "refused"),
        ON(421, DONE, ANSWER,  "closing"),
        ON(FULL, RSET, REPLY,  "too many for one transaction: again in its own")),
    ROW(SPOILT, "spoilt", "", SYNTAX, NONE,
        ON(2YZ, IDLE, NOTHING, "dropped: it answers no question of ours"),
        ON(3YZ, QUIT, END,     "no such reply"),
        ON(4YZ, IDLE, NOTHING, "dropped"),
        ON(5YZ, IDLE, NOTHING, "dropped"),
        ON(421, DONE, END,     "closing")),
    ROW(VRFY, "vrfy", "VRFY recipient", VRFY, NONE,
        ON(2YZ, IDLE, ANSWER,  "yes, or not told (252)"),
        ON(3YZ, QUIT, ANSWER,  "no such reply"),
        ON(4YZ, IDLE, ANSWER,  "not now"),
        ON(5YZ, IDLE, ANSWER,  "no, or not told"),
        ON(421, DONE, ANSWER,  "closing")),
    DEAF(QUIT, "quit", "QUIT"),
    DEAF(DONE, "done", ""),
};

const struct rcpt_dialogue *rcpt_dialogue_of(rcpt_state s)
{
    return &table[s];
}

const char *rcpt_class_name(rcpt_class k)
{
    return classes[k];
}
