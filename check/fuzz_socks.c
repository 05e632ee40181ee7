/* check/fuzz_socks.c -- whatever a SOCKS5 proxy says, in whatever pieces, the dialogue keeps its
 * word.
 *
 * A libFuzzer target: clang -fsanitize=fuzzer,address,undefined with src/wire/socks.c. The input:
 * a byte of options, then what the proxy says. It is run whole and byte by byte, all that is out
 * being sent at once, and both must end alike and leave the same bytes to the peer behind the
 * proxy. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "wire/socks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "broken: %s\n", what);
    abort();
}

static void send_all(struct rcpt_socks *s)
{
    size_t n;
    const uint8_t *out = rcpt_socks_out(s, &n);
    demand(n == 0 || out[0] == 5 || out[0] == 1, "a word we do not say");
    demand(n <= 513, "a word too long");
    rcpt_socks_sent(s, n);
}

/* How many bytes were taken; pieces of `most`, cut shorter where the proxy is to wait for us. */
static size_t run(struct rcpt_socks *s, const uint8_t *data, size_t size, size_t most)
{
    uint8_t ip[16] = { 192, 0, 2, 1 };
    struct rcpt_span user = { "user", 4 }, password = { "password", 8 }, none = { NULL, 0 };
    bool has_user = data[0] & 1;
    demand(rcpt_socks_init(s, ip, data[0] & 2 ? 16 : 4, 25, has_user ? user : none, password)
           == RCPT_OK, "init");
    size_t at = 1, used;
    rcpt_err e = RCPT_AGAIN;
    while (e == RCPT_AGAIN && at < size) {
        size_t n = s->at < 3 && most > 2 ? 2 - s->in_len : most;   /* until CONNECT by two */
        n = n < size - at ? n : size - at;
        send_all(s);
        e = rcpt_socks_feed(s, data + at, n, &used);
        demand(used <= n && (e != RCPT_AGAIN || used == n), "not all was taken");
        demand(e != RCPT_NOMEM && e != RCPT_BADARG && e != RCPT_FULL, "an error of ours");
        at += used;
    }
    send_all(s);
    demand(rcpt_socks_feed(s, data, 0, &used) == e && used == 0, "asking again changes the answer");
    return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rcpt_socks whole, bytes;
    if (size == 0)
        return 0;
    size_t a = run(&whole, data, size, size), b = run(&bytes, data, size, 1);
    demand(whole.err == bytes.err && whole.code == bytes.code, "the cut changed the outcome");
    demand(whole.err != RCPT_OK || a == b, "the cut changed where the peer begins");
    return 0;
}
