/* spec/wire/socks_test.c -- the client's side of SOCKS5 beside a proxy that is a script;
 * socks_spec.lua runs it. */
/* SPDX-License-Identifier: MIT */
#include "wire/socks.h"

#include "spec/support/check.h"

static const uint8_t ipv4[4] = { 192, 0, 2, 1 };
static const uint8_t ipv6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };
static const struct rcpt_span nobody;

#define SPAN(text) ((struct rcpt_span){ text, sizeof text - 1 })
#define BYTES(...) (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ })

static struct rcpt_socks s;

static void open_to(const uint8_t *ip, size_t n, bool with_password)
{
    CHECK(rcpt_socks_init(&s, ip, n, 25, with_password ? SPAN("joe") : nobody,
                          with_password ? SPAN("a word of mine") : nobody) == RCPT_OK);
}

static bool said(const uint8_t *p, size_t n)
{
    size_t got;
    const void *out = rcpt_socks_out(&s, &got);
    bool is_same = got == n && memcmp(out, p, n) == 0;
    rcpt_socks_sent(&s, got);
    return is_same;
}

static void send_all(void)
{
    size_t n;
    (void)rcpt_socks_out(&s, &n);
    rcpt_socks_sent(&s, n);
}

static bool is_silent(void)
{
    size_t n;
    (void)rcpt_socks_out(&s, &n);
    return n == 0;
}

static rcpt_err hear(const uint8_t *p, size_t n)
{
    size_t used = n + 1;
    rcpt_err e = rcpt_socks_feed(&s, p, n, &used);
    CHECK(used <= n && (e != RCPT_AGAIN || used == n));
    return e;
}

/* As far as the reply to CONNECT. */
static void reach_connect(bool with_password)
{
    open_to(ipv4, 4, with_password);
    send_all();
    CHECK(hear(BYTES(5, with_password ? 2 : 0)) == RCPT_AGAIN);
    send_all();
    if (with_password) {
        CHECK(hear(BYTES(1, 0)) == RCPT_AGAIN);
        send_all();
    }
}

static void test_plain(void)
{
    open_to(ipv4, 4, false);
    CHECK(said(BYTES(5, 1, 0)) && is_silent());
    CHECK(hear(BYTES(5, 0)) == RCPT_AGAIN);
    CHECK(said(BYTES(5, 1, 0, 1, 192, 0, 2, 1, 0, 25)) && is_silent());
    CHECK(hear(BYTES(5, 0, 0, 1, 10, 0, 0, 1, 4, 56)) == RCPT_OK && is_silent() && s.code == 0);
    CHECK(strcmp(rcpt_socks_why(&s), "the proxy connected us") == 0);
    told("offers no authentication alone where there is no user, and connects to IPv4 (RFC 1928)");
}

static void test_ipv6(void)
{
    open_to(ipv6, 16, false);
    send_all();
    CHECK(hear(BYTES(5, 0)) == RCPT_AGAIN);
    CHECK(said(BYTES(5, 1, 0, 4, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 25)));
    told("connects to IPv6");
}

static void test_password(void)
{
    open_to(ipv4, 4, true);
    CHECK(said(BYTES(5, 2, 0, 2)));
    CHECK(hear(BYTES(5, 2)) == RCPT_AGAIN);
    CHECK(said(BYTES(1, 3, 'j', 'o', 'e', 14, 'a', ' ', 'w', 'o', 'r', 'd', ' ', 'o', 'f', ' ',
                     'm', 'i', 'n', 'e')));
    CHECK(hear(BYTES(1, 0)) == RCPT_AGAIN);
    CHECK(said(BYTES(5, 1, 0, 1, 192, 0, 2, 1, 0, 25)));
    CHECK(hear(BYTES(5, 0, 0, 1, 0, 0, 0, 0, 0, 0)) == RCPT_OK);
    CHECK(memmem(&s, sizeof s, "mine", 4) == NULL);
    open_to(ipv4, 4, true);
    send_all();
    CHECK(hear(BYTES(5, 0)) == RCPT_AGAIN);
    CHECK(said(BYTES(5, 1, 0, 1, 192, 0, 2, 1, 0, 25)));
    told("gives user and password where the proxy asks for them (RFC 1929), and forgets them");
}

static void test_longest_words(void)
{
    char word[256];
    size_t n;
    memset(word, 'x', sizeof word);
    struct rcpt_span longest = { word, 255 }, longer = { word, 256 }, empty = { word, 0 };
    CHECK(rcpt_socks_init(&s, ipv4, 4, 25, longest, longest) == RCPT_OK);
    send_all();
    CHECK(hear(BYTES(5, 2)) == RCPT_AGAIN);
    const uint8_t *out = rcpt_socks_out(&s, &n);
    CHECK(n == 3 + 255 + 255 && out[1] == 255 && out[257] == 255 && out[512] == 'x');
    CHECK(rcpt_socks_init(&s, ipv4, 4, 25, longer, SPAN("x")) == RCPT_BADARG);
    CHECK(rcpt_socks_init(&s, ipv4, 4, 25, SPAN("x"), longer) == RCPT_BADARG);
    CHECK(rcpt_socks_init(&s, ipv4, 4, 25, empty, SPAN("x")) == RCPT_BADARG);
    CHECK(rcpt_socks_init(&s, ipv4, 4, 25, SPAN("x"), empty) == RCPT_BADARG);
    CHECK(rcpt_socks_init(&s, ipv4, 4, 25, SPAN("x"), nobody) == RCPT_BADARG);
    CHECK(rcpt_socks_init(&s, ipv4, 4, 25, SPAN("a\0b"), SPAN("x")) == RCPT_BADARG);
    CHECK(rcpt_socks_init(&s, ipv4, 4, 25, SPAN("x"), SPAN("a\0")) == RCPT_BADARG);
    CHECK(rcpt_socks_init(&s, ipv4, 5, 25, nobody, nobody) == RCPT_BADARG);
    told("takes words of 1 to 255 bytes without a NUL, and no others");
}

static void test_partial_sending(void)
{
    size_t n;
    open_to(ipv4, 4, true);
    rcpt_socks_sent(&s, 1);
    CHECK(memcmp(rcpt_socks_out(&s, &n), "\2\0\2", 3) == 0 && n == 3);
    rcpt_socks_sent(&s, 3);
    CHECK(is_silent() && hear((const uint8_t *)"", 0) == RCPT_AGAIN);
    told("shows what has not gone yet");
}

static void test_bound_address(void)
{
    uint8_t reply[4 + 1 + 255 + 2 + 3] = { 5, 0, 0, 3, 0 };
    size_t used;
    for (unsigned n = 0; n <= 255; n += 51) {
        reply[4] = (uint8_t)n;
        reach_connect(false);
        CHECK(rcpt_socks_feed(&s, reply, sizeof reply, &used) == RCPT_OK && used == 7 + n);
        reach_connect(false);
        CHECK(rcpt_socks_feed(&s, reply, 6 + n, &used) == RCPT_AGAIN && used == 6 + n);
    }
    reply[3] = 4;
    reach_connect(false);
    CHECK(rcpt_socks_feed(&s, reply, sizeof reply, &used) == RCPT_OK && used == 22);
    reply[3] = 1;
    reach_connect(false);
    CHECK(rcpt_socks_feed(&s, reply, sizeof reply, &used) == RCPT_OK && used == 10);
    CHECK(rcpt_socks_feed(&s, reply, sizeof reply, &used) == RCPT_OK && used == 0);
    told("reads a bound address of each type, and not a byte past it");
}

static void test_cut(void)
{
    const uint8_t reply[23] = { 5, 0, 0, 4, [20] = 4, 56, '2' };
    for (size_t cut = 1; cut < sizeof reply; cut++) {
        size_t used;
        reach_connect(true);
        rcpt_err e = rcpt_socks_feed(&s, reply, cut, &used);
        CHECK(e == (cut < 22 ? RCPT_AGAIN : RCPT_OK) && used == cut);
        e = rcpt_socks_feed(&s, reply + cut, sizeof reply - cut, &used);
        CHECK(e == RCPT_OK && used == 22 - cut);
    }
    open_to(ipv4, 4, true);
    send_all();
    CHECK(hear(BYTES(5)) == RCPT_AGAIN && is_silent());
    CHECK(hear(BYTES(2)) == RCPT_AGAIN && !is_silent());
    send_all();
    CHECK(hear(BYTES(1)) == RCPT_AGAIN && is_silent());
    CHECK(hear(BYTES(0)) == RCPT_AGAIN && !is_silent());
    told("does not mind where the proxy's words are cut");
}

static void test_refusals(void)
{
    static const rcpt_err means[] = {
        RCPT_OK, RCPT_PROXY, RCPT_PROXY, RCPT_UNREACH, RCPT_UNREACH, RCPT_REFUSED, RCPT_TIMEOUT,
        RCPT_PROXY, RCPT_PROXY, RCPT_PROXY,
    };
    for (unsigned code = 1; code < 256; code++) {
        reach_connect(false);
        rcpt_err e = hear(BYTES(5, (uint8_t)code));
        CHECK(e == means[code < 9 ? code : 9] && s.code == code && is_silent());
        CHECK(hear(BYTES(0, 1, 0, 0, 0, 0, 0, 0)) == e);
        CHECK(strncmp(rcpt_socks_why(&s), "the proxy ", 10) == 0 || code == 2);
    }
    told("says why the proxy refused, from the code on");
}

static void test_authentication_refused(void)
{
    open_to(ipv4, 4, false);
    send_all();
    CHECK(hear(BYTES(5, 0xFF)) == RCPT_PROXY && s.code == 0);
    CHECK(strstr(rcpt_socks_why(&s), "wants a user") != NULL);
    open_to(ipv4, 4, true);
    send_all();
    CHECK(hear(BYTES(5, 0xFF)) == RCPT_PROXY);
    open_to(ipv4, 4, true);
    send_all();
    CHECK(hear(BYTES(5, 2)) == RCPT_AGAIN);
    send_all();
    CHECK(hear(BYTES(1, 1)) == RCPT_PROXY && is_silent());
    CHECK(strstr(rcpt_socks_why(&s), "password") != NULL);
    told("tells a proxy that wants other authentication from one that refuses ours");
}

static void test_version_in_authentication(void)
{
    open_to(ipv4, 4, true);
    send_all();
    CHECK(hear(BYTES(5, 2)) == RCPT_AGAIN);
    send_all();
    CHECK(hear(BYTES(5, 0)) == RCPT_AGAIN && !is_silent());
    told("forgives SOCKS' version in the answer to a password");
}

static void test_unasked_method(void)
{
    open_to(ipv4, 4, false);
    send_all();
    CHECK(hear(BYTES(5, 2)) == RCPT_PROTO && is_silent());
    open_to(ipv4, 4, true);
    send_all();
    CHECK(hear(BYTES(5, 1)) == RCPT_PROTO && is_silent());
    told("gives nothing to a proxy that chooses what was not offered");
}

static void test_no_proxy(void)
{
    static const char *const others[] = {
        "220 mx.example ESMTP\r\n", "HTTP/1.1 400\r\n", "\4\132", "\x16\3\3",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        open_to(ipv4, 4, false);
        send_all();
        CHECK(hear((const uint8_t *)others[i], strlen(others[i])) == RCPT_PROTO && is_silent());
    }
    reach_connect(true);
    CHECK(hear(BYTES(0)) == RCPT_PROTO);
    reach_connect(true);
    CHECK(hear(BYTES(5, 0, 0, 2, 0)) == RCPT_PROTO);
    told("knows what is no SOCKS5 proxy by its first bytes");
}

static void test_out_of_turn(void)
{
    open_to(ipv4, 4, false);
    CHECK(hear(BYTES(5, 0)) == RCPT_PROTO && is_silent());
    open_to(ipv4, 4, false);
    rcpt_socks_sent(&s, 2);
    CHECK(hear(BYTES(5, 0)) == RCPT_PROTO);
    open_to(ipv4, 4, false);
    send_all();
    CHECK(hear(BYTES(5, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0)) == RCPT_PROTO);
    CHECK(strstr(rcpt_socks_why(&s), "turn") != NULL);
    told("refuses answers to what was not said yet");
}

static void test_garbage(void)
{
    uint32_t seed = 20240229;
    for (int i = 0; i < 200000; i++) {
        open_to(i & 1 ? ipv4 : ipv6, i & 1 ? 4 : 16, i & 2);
        rcpt_err e = RCPT_AGAIN;
        for (int k = 0; e == RCPT_AGAIN && k < 400; k++) {
            uint8_t b;
            seed = seed * 1664525u + 1013904223u;
            b = (seed >> 28) < 12 ? "\5\0\1\2"[(seed >> 22) & 3] : (uint8_t)(seed >> 16);
            send_all();
            e = hear(&b, 1);
        }
        CHECK(e != RCPT_AGAIN && is_silent());
    }
    told("comes to an end whatever is said");
}

int main(void)
{
    test_plain();
    test_ipv6();
    test_password();
    test_longest_words();
    test_partial_sending();
    test_bound_address();
    test_cut();
    test_refusals();
    test_authentication_refused();
    test_version_in_authentication();
    test_unasked_method();
    test_no_proxy();
    test_out_of_turn();
    test_garbage();
    return 0;
}
