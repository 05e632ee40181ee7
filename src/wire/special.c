/* wire/special.c -- the table of special.h. */
/* SPDX-License-Identifier: MIT */
#include "wire/special.h"

#include <string.h>

static const struct rcpt_special top[] = {
    { "alt", 9476 },   { "invalid", 6761 }, { "local", 6762 },
    { "localhost", 6761 }, { "onion", 7686 },
};

static const struct rcpt_special arpa[] = {
    { "home.arpa", 8375 }, { "service.arpa", 9665 }, { "resolver.arpa", 9462 },
    { "ipv4only.arpa", 8880 }, { "eap.arpa", 9965 }, { "eap-noob.arpa", 9140 },
    { "6tisch.arpa", 9031 }, { "10.in-addr.arpa", 6761 }, { "168.192.in-addr.arpa", 6761 },
    { "16.172.in-addr.arpa", 6761 }, { "17.172.in-addr.arpa", 6761 },
    { "18.172.in-addr.arpa", 6761 }, { "19.172.in-addr.arpa", 6761 },
    { "20.172.in-addr.arpa", 6761 }, { "21.172.in-addr.arpa", 6761 },
    { "22.172.in-addr.arpa", 6761 }, { "23.172.in-addr.arpa", 6761 },
    { "24.172.in-addr.arpa", 6761 }, { "25.172.in-addr.arpa", 6761 },
    { "26.172.in-addr.arpa", 6761 }, { "27.172.in-addr.arpa", 6761 },
    { "28.172.in-addr.arpa", 6761 }, { "29.172.in-addr.arpa", 6761 },
    { "30.172.in-addr.arpa", 6761 }, { "31.172.in-addr.arpa", 6761 },
    { "254.169.in-addr.arpa", 6762 }, { "170.0.0.192.in-addr.arpa", 8880 },
    { "171.0.0.192.in-addr.arpa", 8880 }, { "8.e.f.ip6.arpa", 6762 }, { "9.e.f.ip6.arpa", 6762 },
    { "a.e.f.ip6.arpa", 6762 }, { "b.e.f.ip6.arpa", 6762 },
};

static const struct rcpt_special *find(const struct rcpt_special *row, size_t n, const char *domain,
                                       size_t len)
{
    for (; n > 0; n--, row++) {
        size_t tail = strlen(row->name);
        if (len >= tail && memcmp(domain + len - tail, row->name, tail) == 0
            && (len == tail || domain[len - tail - 1] == '.'))
            return row;
    }
    return NULL;
}

const struct rcpt_special *rcpt_special_find(const char *domain, size_t len)
{
    static const char last[] = "tdlna";      /* what the names end in: most domains stop here */
    if (len < 3 || memchr(last, domain[len - 1], sizeof last - 1) == NULL)
        return NULL;
    if (len > 5 && memcmp(domain + len - 5, ".arpa", 5) == 0)
        return find(arpa, sizeof arpa / sizeof *arpa, domain, len);
    return find(top, sizeof top / sizeof *top, domain, len);
}
