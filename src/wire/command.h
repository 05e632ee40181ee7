/* wire/command.h -- commands on their way out: one, or a group said in one breath (RFC 2920).
 *
 * It holds the bytes and where each command ends, so that what has not begun to go can be taken
 * back and a reply is known to come after its command. What may stand in a command is checked
 * here; when which is said, the client knows. Bounded by RCPT_COMMAND_MAX and RCPT_GROUP_MAX. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_WIRE_COMMAND_H
#define RCPT_WIRE_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/span.h"

#define RCPT_HELO_MAX  (RCPT_DOMAIN_MAX + 2)   /* a domain, or a literal in its brackets */
#define RCPT_GROUP_MAX 4                       /* RSET, MAIL, RCPT; QUIT behind what is half said */

/* All zero is empty. */
struct rcpt_commands {
    uint16_t len, sent;                        /* bytes of `text`, and how many of them have gone */
    uint16_t end[RCPT_GROUP_MAX];              /* where each command ends in `text` */
    uint8_t  n, due;                           /* commands; which of them awaits its reply */
    char     text[RCPT_COMMAND_MAX];
};

void rcpt_commands_clear(struct rcpt_commands *g);
/* Add to the command being written, `text` ending with a NUL; the ceilings are an assert: who calls
 * has checked its paths and names below. */
void rcpt_commands_put(struct rcpt_commands *g, const char *text);
void rcpt_commands_put_span(struct rcpt_commands *g, struct rcpt_span s);
/* End the command: its line end. */
void rcpt_commands_end(struct rcpt_commands *g);
/* Has the command whose reply is due gone, all of it? True when there is none. */
bool rcpt_commands_is_due_sent(const struct rcpt_commands *g);
/* Is another said behind the one that is due? */
bool rcpt_commands_is_ahead(const struct rcpt_commands *g);
/* Take back the commands of which not a byte has gone. */
void rcpt_commands_take_back(struct rcpt_commands *g);

/* Nothing in a path may end it, or the line (RFC 5321 4.1.2): no control characters; outside a
 * quoted local part no blanks, angle brackets, quotes or backslashes; at most RCPT_PATH_MAX octets. */
bool rcpt_command_is_path(struct rcpt_span path);
/* ASCII, no control characters, blanks or angle brackets; at most RCPT_HELO_MAX octets. */
bool rcpt_command_is_helo(struct rcpt_span helo);

#endif
