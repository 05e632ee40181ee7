/* wire/reply.c -- one SMTP reply, read line by line.
 *
 * RFC 5321 4.2 and 4.2.1 with the liberties that real servers take: a bare LF or CR CR LF ends a
 * line, a line may be longer than 512 octets, a later line may carry another code (the last one
 * rules) or none at all (it is text). What does not begin with a code is no reply.
 * It does not know what was asked. Bounded by RCPT_LINE_MAX (cut), RCPT_TEXT_MAX (cut),
 * RCPT_REPLY_MAX and RCPT_REPLY_LINES (an error). */
/* SPDX-License-Identifier: MIT */
#include "wire/reply.h"

#include <string.h>

#define CODE_LEN 3

static const char *const stages[RCPT_STAGE_COUNT] = {
#define X(id, name) [RCPT_STAGE_##id] = name,
    RCPT_STAGES(X)
#undef X
};

const char *rcpt_stage_name(rcpt_stage s)
{
    return (unsigned)s < RCPT_STAGE_COUNT ? stages[s] : "unknown";
}

bool rcpt_stage_read(const char *name, size_t len, rcpt_stage *s)
{
    for (unsigned i = 0; i < RCPT_STAGE_COUNT; i++) {
        if (strlen(stages[i]) == len && memcmp(stages[i], name, len) == 0) {
            *s = (rcpt_stage)i;
            return true;
        }
    }
    return false;
}

/* One to three digits at text[*at]; moves *at past them. */
static bool read_number(const char *text, size_t len, size_t *at, uint16_t *n)
{
    size_t start = *at;
    uint16_t value = 0;
    while (*at < len && *at - start < 3 && rcpt_is_digit(text[*at]))
        value = (uint16_t)(value * 10 + (text[(*at)++] - '0'));
    *n = value;
    return *at > start;
}

size_t rcpt_enhanced_read(struct rcpt_enhanced *e, const char *text, size_t len)
{
    size_t at = 0;
    struct rcpt_enhanced got;
    if (at < len && text[at] == '#')           /* Cisco IronPort: "550 #5.1.0 Address rejected" */
        at++;
    if (at + 1 >= len || strchr("245", text[at]) == NULL || text[at] == '\0' || text[at + 1] != '.')
        return 0;
    got.class = (uint8_t)(text[at] - '0');
    at += 2;
    if (!read_number(text, len, &at, &got.subject) || at >= len || text[at] != '.')
        return 0;
    at++;
    if (!read_number(text, len, &at, &got.detail))
        return 0;
    /* "5.1.1.2 is listed", "5.1.1234", "5.1.1x" are something else */
    if (at < len && (rcpt_is_alnum(text[at]) ||
                     (text[at] == '.' && at + 1 < len && rcpt_is_digit(text[at + 1]))))
        return 0;
    if (at < len && text[at] == ':')
        at++;
    if (at < len && rcpt_is_blank(text[at]))
        at++;
    *e = got;
    return at;
}

/* The code a line begins with; 0 when it begins with none, or is cut off before it could. */
static uint16_t code_of(const char *line, size_t len)
{
    if (len < CODE_LEN || line[0] < '2' || line[0] > '5' || !rcpt_is_digit(line[1]) ||
        !rcpt_is_digit(line[2]))
        return 0;
    if (len > CODE_LEN && line[CODE_LEN] != '-' && !rcpt_is_blank(line[CODE_LEN]))
        return 0;
    return (uint16_t)((line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0'));
}

/* May the first `have` bytes of the first line still become a reply? Asked byte by byte, so that a
 * peer that speaks something else and awaits our turn is known at once. */
static bool may_be_reply(const char *line, size_t have)
{
    char last = line[have - 1];
    switch (have) {
    case 1:  return last >= '2' && last <= '5';
    case 2:
    case 3:  return rcpt_is_digit(last);
    case 4:  return last == '-' || last == '\r' || rcpt_is_blank(last);
    default: return true;
    }
}

/* Bytes of `text` without the UTF-8 sequence its end cut in two. Bytes that are no UTF-8 stay. */
static size_t whole_characters(const char *text, size_t len)
{
    size_t back = 0;
    while (back < 3 && back < len && ((unsigned char)text[len - 1 - back] & 0xC0) == 0x80)
        back++;
    if (back == len)
        return len;
    unsigned char lead = (unsigned char)text[len - 1 - back];
    size_t wants = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    return wants > back ? len - 1 - back : len;
}

static void add_text(struct rcpt_reply *reply, const char *p, size_t n)
{
    if (n > sizeof reply->text - reply->len) {
        n = sizeof reply->text - reply->len;
        reply->cut = true;
    }
    memcpy(reply->text + reply->len, p, n);
    reply->len = (uint16_t)(reply->len + n);
}

/* Fold the line that just ended into the reply. True when it was the last one. */
static bool fold_line(struct rcpt_reader *r)
{
    struct rcpt_reply *reply = &r->reply;
    while (r->have > 0 && r->line[r->have - 1] == '\r')
        r->have--;
    uint16_t code = code_of(r->line, r->have);
    struct rcpt_span text = rcpt_reader_line(r);
    if (reply->code != 0 && code != reply->code)
        reply->mixed = true;
    if (code != 0)
        reply->code = code;
    struct rcpt_enhanced e;
    size_t n = rcpt_enhanced_read(&e, text.p, text.n);
    if (n > 0 && reply->enhanced.class == 0)
        reply->enhanced = e;
    if (r->lines > 0)
        add_text(reply, "\n", 1);
    add_text(reply, text.p + n, text.n - n);
    r->lines++;
    return code != 0 && !(r->have > CODE_LEN && r->line[CODE_LEN] == '-');
}

void rcpt_reader_init(struct rcpt_reader *r)
{
    memset(r, 0, offsetof(struct rcpt_reader, line));
}

struct rcpt_span rcpt_reader_line(const struct rcpt_reader *r)
{
    struct rcpt_span s = { r->line, r->have };
    if (code_of(r->line, r->have) != 0) {
        size_t n = r->have > CODE_LEN ? CODE_LEN + 1 : CODE_LEN;
        s.p += n;
        s.n -= n;
    }
    return s;
}

/* Keep one byte of a line; false when it shows that this is no SMTP. */
static bool keep_byte(struct rcpt_reader *r, char c)
{
    if (r->have == sizeof r->line) {
        if (c != '\r')                        /* the line's end is no loss */
            r->reply.cut = true;
        return true;
    }
    r->line[r->have++] = c;
    return r->lines > 0 || may_be_reply(r->line, r->have);
}

rcpt_err rcpt_reader_feed(struct rcpt_reader *r, const char *in, size_t len, size_t *used,
                          rcpt_read *what)
{
    if (r->is_over)
        rcpt_reader_init(r);
    else if (r->is_line_over)
        r->have = 0;
    r->is_line_over = false;
    *what = RCPT_READ_MORE;
    for (size_t i = 0; i < len; i++) {
        *used = i + 1;
        if (++r->taken > RCPT_REPLY_MAX)
            return RCPT_TOOLONG;
        if (in[i] != '\n') {
            if (!keep_byte(r, in[i]))
                return RCPT_PROTO;
            continue;
        }
        r->is_line_over = true;
        r->is_over = fold_line(r);
        if (r->reply.code == 0)
            return RCPT_PROTO;
        if (!r->is_over && r->lines == RCPT_REPLY_LINES)
            return RCPT_TOOLONG;
        if (r->is_over && r->reply.cut)
            r->reply.len = (uint16_t)whole_characters(r->reply.text, r->reply.len);
        *what = r->is_over ? RCPT_READ_WHOLE : RCPT_READ_LINE;
        return RCPT_OK;
    }
    *used = len;
    return RCPT_OK;
}
