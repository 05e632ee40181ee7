/* io/nameservers.c -- see nameservers.h. It keeps nothing. */
/* SPDX-License-Identifier: MIT */
#include "io/nameservers.h"

#include <ares.h>
#include <string.h>

#include "base/span.h"
#include "io/dns.h"

#define PORT 53

static struct rcpt_span trim(struct rcpt_span s)
{
    while (s.n > 0 && rcpt_is_blank(s.p[0]))
        s.p++, s.n--;
    while (s.n > 0 && rcpt_is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

static rcpt_err read_port(struct rcpt_span s, uint16_t *port)
{
    unsigned long n = 0;
    if (s.n == 0 || s.n > 5)
        return RCPT_BADARG;
    for (size_t i = 0; i < s.n; i++) {
        if (!rcpt_is_digit(s.p[i]))
            return RCPT_BADARG;
        n = n * 10 + (unsigned long)(s.p[i] - '0');
    }
    if (n == 0 || n > UINT16_MAX)
        return RCPT_BADARG;
    *port = (uint16_t)n;
    return RCPT_OK;
}

/* An address, in brackets or not, and maybe a port: one colon alone is a port's. */
static rcpt_err read_server(struct rcpt_ip *ip, struct rcpt_span s)
{
    char text[RCPT_IP_TEXT];
    uint16_t port = PORT;
    struct rcpt_span host = s, rest = { NULL, 0 };
    if (s.n > 0 && s.p[0] == '[') {
        const char *end = memchr(s.p, ']', s.n);
        if (end == NULL)
            return RCPT_BADARG;
        host = (struct rcpt_span){ s.p + 1, (size_t)(end - s.p) - 1 };
        rest = (struct rcpt_span){ end + 1, s.n - host.n - 2 };
        if (memchr(host.p, ':', host.n) == NULL)
            return RCPT_BADARG;
    } else {
        const char *colon = memchr(s.p, ':', s.n);
        size_t before = colon != NULL ? (size_t)(colon - s.p) : s.n;
        if (colon != NULL && memchr(colon + 1, ':', s.n - before - 1) == NULL) {
            host.n = before;
            rest = (struct rcpt_span){ colon, s.n - before };
        }
    }
    if (rest.n > 0) {
        if (rest.p[0] != ':')
            return RCPT_BADARG;
        rcpt_err e = read_port((struct rcpt_span){ rest.p + 1, rest.n - 1 }, &port);
        if (e != RCPT_OK)
            return e;
    }
    if (host.n >= sizeof text)
        return RCPT_BADARG;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    return rcpt_ip_read(ip, text, port);
}

rcpt_err rcpt_nameservers_read(struct rcpt_ip server[RCPT_SERVERS_MAX], unsigned *n,
                               const char *list)
{
    struct rcpt_ip got[RCPT_SERVERS_MAX];
    unsigned count = 0;
    for (const char *p = list;; p++) {
        size_t len = strcspn(p, ",");
        if (count == RCPT_SERVERS_MAX)
            return RCPT_BADARG;
        rcpt_err e = read_server(&got[count++], trim((struct rcpt_span){ p, len }));
        if (e != RCPT_OK)
            return e;
        p += len;
        if (*p == '\0')
            break;
    }
    memcpy(server, got, count * sizeof *got);
    *n = count;
    return RCPT_OK;
}

static void take_node(struct rcpt_ip *ip, const struct ares_addr_port_node *node)
{
    uint16_t port = htons(node->udp_port != 0 ? (uint16_t)node->udp_port : PORT);
    memset(ip, 0, sizeof *ip);
    if (node->family == AF_INET6) {
        ip->sa.v6.sin6_family = AF_INET6;
        ip->sa.v6.sin6_port = port;
        memcpy(&ip->sa.v6.sin6_addr, &node->addr.addr6, sizeof ip->sa.v6.sin6_addr);
        ip->len = sizeof ip->sa.v6;
    } else {
        ip->sa.v4.sin_family = AF_INET;
        ip->sa.v4.sin_port = port;
        ip->sa.v4.sin_addr = node->addr.addr4;
        ip->len = sizeof ip->sa.v4;
    }
}

rcpt_err rcpt_nameservers_system(struct rcpt_ip server[RCPT_SERVERS_MAX], unsigned *n)
{
    ares_channel ares;
    struct ares_addr_port_node *list = NULL;
    rcpt_dns_library();
    int status = ares_init(&ares);
    if (status != ARES_SUCCESS)
        return status == ARES_ENOMEM ? RCPT_NOMEM : RCPT_SYSTEM;
    status = ares_get_servers_ports(ares, &list);
    unsigned count = 0;
    for (struct ares_addr_port_node *p = list; p != NULL && count < RCPT_SERVERS_MAX; p = p->next)
        take_node(&server[count++], p);
    if (list != NULL)
        ares_free_data(list);
    ares_destroy(ares);
    if (status != ARES_SUCCESS || count == 0)
        return status == ARES_ENOMEM ? RCPT_NOMEM : RCPT_SYSTEM;
    *n = count;
    return RCPT_OK;
}
