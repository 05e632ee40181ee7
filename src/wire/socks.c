/* wire/socks.c -- see socks.h. Three exchanges at most: methods, user and password, CONNECT. */
/* SPDX-License-Identifier: MIT */
#include "wire/socks.h"

#include <assert.h>

enum { VERSION = 5, AUTH_VERSION = 1, CONNECT = 1, IPV4 = 1, NAME = 3, IPV6 = 4 };
enum { BY_NOTHING = 0, BY_PASSWORD = 2, BY_NO_METHOD = 0xFF };      /* RFC 1928 3 */

enum { S_NONE, S_METHOD, S_PASSWORD, S_CONNECT, S_OVER };           /* whose answer is awaited */

/* The replies of RFC 1928 6; what stands for 9 and above is in `other`. */
static const struct reply {
    rcpt_err    err;
    const char *why;
} replies[] = {
    { RCPT_OK,      "the proxy connected us"                               },
    { RCPT_PROXY,   "the proxy failed"                                     },
    { RCPT_PROXY,   "the proxy's rules forbid this connection"             },
    { RCPT_UNREACH, "the proxy finds no way to the network"                },
    { RCPT_UNREACH, "the proxy finds no way to the host"                   },
    { RCPT_REFUSED, "the proxy was refused by the host"                    },
    { RCPT_TIMEOUT, "the proxy had no answer from the host (TTL expired)"  },
    { RCPT_PROXY,   "the proxy does not know CONNECT"                      },
    { RCPT_PROXY,   "the proxy does not know this kind of address"         },
};
static const struct reply other = { RCPT_PROXY, "the proxy answered with an unknown code" };

static const struct reply *find_reply(uint8_t code)
{
    return code < sizeof replies / sizeof *replies ? &replies[code] : &other;
}

/* ---- what we say ---- */

static void put(struct rcpt_socks *s, const void *p, size_t n)
{
    assert(s->out_len + n <= sizeof s->out);
    memcpy(s->out + s->out_len, p, n);
    s->out_len = (uint16_t)(s->out_len + n);
}

static void put_byte(struct rcpt_socks *s, uint8_t b)
{
    put(s, &b, 1);
}

static void enter(struct rcpt_socks *s, uint8_t state)
{
    s->at = state;
    s->out_len = s->out_sent = s->in_len = 0;
}

static void say_methods(struct rcpt_socks *s)
{
    enter(s, S_METHOD);
    put_byte(s, VERSION);
    put_byte(s, s->user_len > 0 ? 2 : 1);
    put_byte(s, BY_NOTHING);
    if (s->user_len > 0)
        put_byte(s, BY_PASSWORD);
}

static void say_password(struct rcpt_socks *s)
{
    enter(s, S_PASSWORD);
    put_byte(s, AUTH_VERSION);
    put_byte(s, s->user_len);
    put(s, s->user, s->user_len);
    put_byte(s, s->password_len);
    put(s, s->password, s->password_len);
}

static void say_connect(struct rcpt_socks *s)
{
    const uint8_t head[] = { VERSION, CONNECT, 0, s->ip_len == 4 ? IPV4 : IPV6 };
    const uint8_t port[] = { (uint8_t)(s->port >> 8), (uint8_t)s->port };
    enter(s, S_CONNECT);
    put(s, head, sizeof head);
    put(s, s->ip, s->ip_len);
    put(s, port, sizeof port);
}

/* ---- what we hear ---- */

static rcpt_err end(struct rcpt_socks *s, rcpt_err e, const char *why)
{
    enter(s, S_OVER);
    memset(s->password, 0, sizeof s->password);
    memset(s->out, 0, sizeof s->out);
    s->err = e;
    s->why = why;
    return e;
}

static rcpt_err end_odd(struct rcpt_socks *s)
{
    return end(s, RCPT_PROTO, "this is no SOCKS5 proxy");
}

static rcpt_err hear_method(struct rcpt_socks *s)
{
    if (s->in[0] != VERSION)
        return end_odd(s);
    if (s->in_len < 2)
        return RCPT_AGAIN;
    if (s->in[1] == BY_NO_METHOD)
        return end(s, RCPT_PROXY, s->user_len > 0 ? "the proxy wants more than a password"
                                                  : "the proxy wants a user and a password");
    if (s->in[1] == BY_PASSWORD && s->user_len > 0)
        say_password(s);
    else if (s->in[1] == BY_NOTHING)
        say_connect(s);
    else
        return end_odd(s);
    return RCPT_AGAIN;
}

/* RFC 1929 2. Some proxies give SOCKS' version here, not the sub-negotiation's. */
static rcpt_err hear_password(struct rcpt_socks *s)
{
    if (s->in[0] != AUTH_VERSION && s->in[0] != VERSION)
        return end_odd(s);
    if (s->in_len < 2)
        return RCPT_AGAIN;
    if (s->in[1] != 0)
        return end(s, RCPT_PROXY, "the proxy refused the user or the password");
    say_connect(s);
    return RCPT_AGAIN;
}

/* How long the reply is, as far as can be known: the address after the first four bytes is of the
 * proxy's choice, and a name's length is its first byte. */
static size_t reply_length(const struct rcpt_socks *s)
{
    if (s->in_len < 5)
        return 5;
    switch (s->in[3]) {
    case IPV4: return 4 + 4 + 2;
    case IPV6: return 4 + 16 + 2;
    default:   return 4 + 1 + (size_t)s->in[4] + 2;
    }
}

/* A refusal is one from its code on: some proxies hang up without the rest. */
static rcpt_err hear_reply(struct rcpt_socks *s)
{
    if (s->in[0] != VERSION)
        return end_odd(s);
    if (s->in_len < 2)
        return RCPT_AGAIN;
    s->code = s->in[1];
    const struct reply *r = find_reply(s->code);
    if (r->err != RCPT_OK)
        return end(s, r->err, r->why);
    if (s->in_len >= 4 && s->in[3] != IPV4 && s->in[3] != NAME && s->in[3] != IPV6)
        return end_odd(s);
    return s->in_len < reply_length(s) ? RCPT_AGAIN : end(s, r->err, r->why);
}

static const struct {
    rcpt_err (*hear)(struct rcpt_socks *s);
} dialogue[] = {
    [S_METHOD]   = { hear_method   },
    [S_PASSWORD] = { hear_password },
    [S_CONNECT]  = { hear_reply    },
};

/* ---- the contract ---- */

static bool is_word(struct rcpt_span w)
{
    return w.n > 0 && w.n <= RCPT_SOCKS_WORD_MAX && memchr(w.p, '\0', w.n) == NULL;
}

rcpt_err rcpt_socks_init(struct rcpt_socks *s, const void *ip, size_t ip_len, uint16_t port,
                         struct rcpt_span user, struct rcpt_span password)
{
    if (ip_len != 4 && ip_len != 16)
        return RCPT_BADARG;
    if (user.p != NULL && (!is_word(user) || password.p == NULL || !is_word(password)))
        return RCPT_BADARG;
    memset(s, 0, sizeof *s);
    s->err = RCPT_AGAIN;
    s->why = "the proxy has not answered";
    s->ip_len = (uint8_t)ip_len;
    memcpy(s->ip, ip, ip_len);
    s->port = port;
    if (user.p != NULL) {
        s->user_len = (uint8_t)user.n;
        memcpy(s->user, user.p, user.n);
        s->password_len = (uint8_t)password.n;
        memcpy(s->password, password.p, password.n);
    }
    say_methods(s);
    return RCPT_OK;
}

const void *rcpt_socks_out(const struct rcpt_socks *s, size_t *n)
{
    *n = (size_t)(s->out_len - s->out_sent);
    return s->out + s->out_sent;
}

void rcpt_socks_sent(struct rcpt_socks *s, size_t n)
{
    assert(n <= (size_t)(s->out_len - s->out_sent));
    s->out_sent = (uint16_t)(s->out_sent + n);
}

rcpt_err rcpt_socks_feed(struct rcpt_socks *s, const void *in, size_t len, size_t *used)
{
    const uint8_t *p = in;
    size_t n = 0;
    while (n < len && s->err == RCPT_AGAIN) {
        if (s->out_sent < s->out_len) {
            (void)end(s, RCPT_PROTO, "the proxy speaks out of turn");
            break;
        }
        assert(s->in_len < sizeof s->in);
        s->in[s->in_len++] = p[n++];
        (void)dialogue[s->at].hear(s);
    }
    *used = n;
    return s->err;
}

const char *rcpt_socks_why(const struct rcpt_socks *s)
{
    return s->why;
}
