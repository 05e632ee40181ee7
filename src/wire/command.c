/* wire/command.c -- commands on their way out; see command.h. It has no word for DATA or BDAT, nor
 * for any other: words are the client's. */
/* SPDX-License-Identifier: MIT */
#include "wire/command.h"

#include <assert.h>
#include <string.h>

void rcpt_commands_clear(struct rcpt_commands *g)
{
    g->len = g->sent = 0;
    g->n = g->due = 0;
}

void rcpt_commands_put_span(struct rcpt_commands *g, struct rcpt_span s)
{
    assert(s.n <= sizeof g->text - g->len);
    memcpy(g->text + g->len, s.p, s.n);
    g->len = (uint16_t)(g->len + s.n);
}

void rcpt_commands_put(struct rcpt_commands *g, const char *text)
{
    rcpt_commands_put_span(g, (struct rcpt_span){ text, strlen(text) });
}

void rcpt_commands_end(struct rcpt_commands *g)
{
    assert(g->n < RCPT_GROUP_MAX);
    rcpt_commands_put(g, "\r\n");
    g->end[g->n++] = g->len;
}

bool rcpt_commands_is_due_sent(const struct rcpt_commands *g)
{
    return g->n == 0 || g->sent >= g->end[g->due];
}

bool rcpt_commands_is_ahead(const struct rcpt_commands *g)
{
    return g->due + 1 < g->n;
}

void rcpt_commands_take_back(struct rcpt_commands *g)
{
    while (g->n > 0 && g->sent <= (g->n > 1 ? g->end[g->n - 2] : 0))
        g->n--;
    g->len = g->n > 0 ? g->end[g->n - 1] : 0;
}

/* A quoted string can only be the local part, from the first octet on; in it all but control
 * characters is safe. */
bool rcpt_command_is_path(struct rcpt_span path)
{
    bool is_quoted = false;
    if (path.n > RCPT_PATH_MAX)
        return false;
    for (size_t i = 0; i < path.n; i++) {
        char ch = path.p[i];
        if (rcpt_is_ctl(ch))
            return false;
        if (is_quoted && ch == '\\') {
            if (++i == path.n || rcpt_is_ctl(path.p[i]))
                return false;
        } else if (ch == '"' && (is_quoted || i == 0)) {
            is_quoted = !is_quoted;
        } else if (!is_quoted && strchr("<> \"\\", ch) != NULL) {
            return false;
        }
    }
    return !is_quoted;
}

bool rcpt_command_is_helo(struct rcpt_span helo)
{
    for (size_t i = 0; i < helo.n; i++)
        if (rcpt_is_ctl(helo.p[i]) || !rcpt_is_ascii(helo.p[i]) || strchr("<> ", helo.p[i]) != NULL)
            return false;
    return helo.n <= RCPT_HELO_MAX;
}
