/* check/fuzz_message.c -- any bytes are an answer of some kind, within its bounds.
 *
 * A libFuzzer target: clang -fsanitize=fuzzer,address,undefined with src/base/mem.c and
 * src/io/message.c. The first byte chooses the type; the rest is the message, asked for as
 * "a.example" (seeds live in check/corpus/message). */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "broken: %s\n", what);
    abort();
}

/* A name from the wire is text of printable ASCII, and a name again unless an octet of it is NUL. */
static void check_name(const char *p, size_t n)
{
    char again[RCPT_DNAME_TEXT];
    demand(n > 0 && n < RCPT_DNAME_TEXT && p[n] == '\0', "a name too long");
    for (size_t i = 0; i < n; i++)
        demand(p[i] > ' ' && p[i] < 0x7F && !(p[i] >= 'A' && p[i] <= 'Z'), "an odd octet in a name");
    if (strstr(p, "\\000") == NULL)
        demand(rcpt_dname_read(again, p) && strcmp(again, p) == 0, "a name that is none");
}

static void check(const struct rcpt_dns_answer *a, rcpt_dns_type type)
{
    demand(a->status < RCPT_DNS_STATUS_COUNT, "a status of its own");
    demand(a->n <= RCPT_RECORDS_MAX, "too many records");
    demand(a->n == 0 || a->status == RCPT_DNS_NOERROR, "records with a denial");
    demand(a->status != RCPT_DNS_NOERROR || a->n > 0 || a->canonical != NULL, "nothing to go on with");
    if (a->canonical != NULL)
        check_name(a->canonical, strlen(a->canonical));
    for (unsigned i = 0; i < a->n; i++) {
        const struct rcpt_dns_record *r = &a->record[i];
        demand(r->ttl_s >= a->ttl_s && r->ttl_s <= RCPT_TTL_MAX_S, "a TTL out of bounds");
        demand(r->data[r->len] == '\0', "no NUL behind the data");
        if (type == RCPT_DNS_MX || type == RCPT_DNS_PTR || type == RCPT_DNS_CNAME)
            check_name(r->data, r->len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const rcpt_dns_type types[] = { RCPT_DNS_A, RCPT_DNS_AAAA, RCPT_DNS_MX, RCPT_DNS_TXT,
                                           RCPT_DNS_PTR, RCPT_DNS_CNAME };
    if (size == 0)
        return 0;
    struct rcpt_dns_asked asked = { "a.example", types[data[0] % 6], UINT32_MAX, data[0] & 0x80 };
    size_t len = size - 1;
    unsigned char *in = malloc(len > 0 ? len : 1);    /* its own block, to see reading past it */
    const struct rcpt_dns_answer *a = NULL;
    demand(in != NULL, "memory");
    memcpy(in, data + 1, len);
    demand(rcpt_message_read(&a, &rcpt_mem_libc, &asked, in, len) == RCPT_OK, "memory");
    free(in);                                         /* the answer borrows nothing of it */
    check(a, asked.type);
    rcpt_dns_answer_release(a);
    return 0;
}
