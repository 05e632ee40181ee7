/* check/fuzz_address.c -- any bytes are an address or are refused at a place, and what is
 * made of an address makes itself again.
 *
 * A libFuzzer target: clang -fsanitize=fuzzer,address,undefined with src/wire's sources. The
 * first byte chooses the options, a bit each. Without libFuzzer, give it a main() that reads
 * each file of check/corpus/address. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "wire/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "broken: %s\n", what);
    abort();
}

static bool is_clean(const char *p, size_t n, bool is_ascii)
{
    for (size_t i = 0; i < n; i++)
        if (rcpt_is_ctl(p[i]) || (is_ascii && !rcpt_is_ascii(p[i])))
            return false;
    return p[n] == '\0';
}

static bool is_same(const struct rcpt_address *a, const struct rcpt_address *b)
{
    return a->len == b->len && a->wire_len == b->wire_len && a->local_len == b->local_len
           && a->kind == b->kind && a->is_quoted == b->is_quoted
           && a->needs_smtputf8 == b->needs_smtputf8
           && a->is_unicode_domain == b->is_unicode_domain
           && memcmp(a->normalized, b->normalized, a->len) == 0
           && memcmp(a->wire, b->wire, a->wire_len) == 0;
}

static void check_valid(const struct rcpt_address *a, const struct rcpt_address_options *opt)
{
    struct rcpt_address again;
    struct rcpt_span domain = rcpt_address_domain(a);
    demand(is_clean(a->normalized, a->len, false), "a control character in normalized");
    demand(is_clean(a->wire, a->wire_len, !a->needs_smtputf8), "a byte beyond ASCII in wire");
    demand(rcpt_span_is_ascii(domain), "a domain beyond ASCII");
    demand(a->len <= RCPT_PATH_MAX && a->wire_len <= RCPT_PATH_MAX, "a path too long");
    demand(a->local_len <= RCPT_LOCAL_MAX && domain.n <= RCPT_DOMAIN_MAX, "a part too long");
    demand(a->normalized[a->local_len] == '@' && a->wire[a->local_len] == '@', "a lost @");
    demand(!a->needs_smtputf8 || opt->smtputf8, "smtputf8 where it is off");
    demand(a->kind == RCPT_DOMAIN_NAME || opt->literal, "a literal where it is off");
    demand(rcpt_address_parse(&again, a->normalized, a->len, opt) == RCPT_OK
           && again.why == RCPT_DIAG_NONE && is_same(a, &again), "normalized is not stable");
    demand(rcpt_address_parse(&again, a->wire, a->wire_len, opt) == RCPT_OK
           && again.why == RCPT_DIAG_NONE && is_same(a, &again), "wire is not stable");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rcpt_address a;
    if (size == 0)
        return 0;
    struct rcpt_address_options opt = {
        .quoted = !(data[0] & 1), .literal = !(data[0] & 2), .smtputf8 = !(data[0] & 4),
        .display_name = data[0] & 8, .single_label = data[0] & 16, .special_use = data[0] & 32,
    };
    size_t len = size - 1;
    char *in = malloc(len > 0 ? len : 1);      /* its own block, so that reading past it is seen */
    demand(in != NULL, "memory");
    memcpy(in, data + 1, len);
    if (rcpt_address_parse(&a, in, len, &opt) == RCPT_OK) {
        if (a.why == RCPT_DIAG_NONE)
            check_valid(&a, &opt);
        else
            demand(a.why < RCPT_DIAG_COUNT && a.position >= 1 && a.position <= len + 1,
                   "a position outside of the input");
    }
    free(in);
    return 0;
}
