/* io/dns.c -- see dns.h.
 *
 * c-ares is left as little to decide as can be: one server, one try, no search list, no
 * hosts file, no resolv.conf, no check of the rcode; the message is read by message.c. Its
 * descriptors are watched level-triggered, for it takes a TCP answer in two calls. */
/* SPDX-License-Identifier: MIT */
#include "io/dns.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <pthread.h>
#include <string.h>

#define SOCKETS  4            /* c-ares has at most one for UDP and one for TCP open */
#define EDNS_MAX 1232         /* bytes over UDP: no fragment on any path of 1280 */

struct port {
    struct rcpt_watch watch;          /* first: a watch is its port */
    rcpt_channel *channel;            /* NULL: free */
};

struct rcpt_channel {
    const struct rcpt_mem *mem;       /* borrowed */
    rcpt_poller *poller;              /* borrowed; NULL: leave it alone */
    ares_channel ares;
    void       (*stir)(void *ud);
    void        *ud;
    struct rcpt_node ended;           /* queries */
    size_t       n;                   /* of queries c-ares holds */
    struct port  port[SOCKETS];
};

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

/* Never undone: ares_library_cleanup() would take it from others in the process. */
static void open_library(void)
{
    (void)ares_library_init(ARES_LIB_INIT_ALL);
}

/* What c-ares says where it has no message to show. */
static const struct {
    int status;
    rcpt_dns_status means;
} failures[] = {
    { ARES_ETIMEOUT, RCPT_DNS_TIMEOUT },   { ARES_ECONNREFUSED, RCPT_DNS_UNREACHABLE },
    { ARES_EBADNAME, RCPT_DNS_NXDOMAIN },  { ARES_ENOTFOUND, RCPT_DNS_NXDOMAIN }, /* .onion */
    { ARES_EBADRESP, RCPT_DNS_MALFORMED }, { ARES_EBADQUERY, RCPT_DNS_NXDOMAIN },
};

static rcpt_dns_status failure(int status)
{
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++)
        if (failures[i].status == status)
            return failures[i].means;
    return RCPT_DNS_UNREACHABLE;
}

/* c-ares' callback. It may come from inside ares_query(), so it only queues. */
static void heard(void *ud, int status, int timeouts, unsigned char *p, int len)
{
    struct rcpt_query *q = ud;
    rcpt_channel *c = q->channel;
    (void)timeouts;
    c->n--;
    if (status == ARES_EDESTRUCTION || status == ARES_ECANCELLED) {
        q->channel = NULL;
        return;
    }
    if (p != NULL && len > 0)
        q->err = rcpt_message_read(&q->answer, c->mem, &q->asked, p, (size_t)len);
    else if (status == ARES_ENOMEM)
        q->err = RCPT_NOMEM;
    else
        q->err = rcpt_dns_answer_bare(&q->answer, c->mem, failure(status));
    rcpt_list_append(&c->ended, &q->node);
}

static void stir(rcpt_channel *c)
{
    if (c->stir != NULL && !rcpt_list_empty(&c->ended))
        c->stir(c->ud);
}

static void socket_ready(struct rcpt_watch *w, unsigned events)
{
    rcpt_channel *c = ((struct port *)w)->channel;
    int fd = w->fd;                    /* the port may be free when ares_process_fd() is back */
    ares_process_fd(c->ares, events & RCPT_READABLE ? fd : ARES_SOCKET_BAD,
                    events & RCPT_WRITABLE ? fd : ARES_SOCKET_BAD);
    stir(c);
}

static struct port *find_port(rcpt_channel *c, int fd)
{
    for (struct port *p = c->port; p < c->port + SOCKETS; p++)
        if (p->channel != NULL && p->watch.fd == fd)
            return p;
    return NULL;
}

static struct port *free_port(rcpt_channel *c)
{
    for (struct port *p = c->port; p < c->port + SOCKETS; p++)
        if (p->channel == NULL)
            return p;
    return NULL;
}

/* c-ares' callback on its sockets; 0, 0 comes before it closes one. A socket that cannot be
 * watched (no memory) is not read: its queries end by their patience. */
static void socket_changed(void *ud, ares_socket_t fd, int readable, int writable)
{
    rcpt_channel *c = ud;
    unsigned events = (readable ? RCPT_READABLE : 0U) | (writable ? RCPT_WRITABLE : 0U);
    if (c->poller == NULL)
        return;
    struct port *p = find_port(c, fd);
    if (events == 0) {
        if (p != NULL) {
            rcpt_poller_remove(c->poller, &p->watch);
            p->channel = NULL;
        }
    } else if (p != NULL) {
        (void)rcpt_poller_change(c->poller, &p->watch, events);
    } else if ((p = free_port(c)) != NULL) {
        p->watch = (struct rcpt_watch){ .fd = fd, .ready = socket_ready };
        if (rcpt_poller_add(c->poller, &p->watch, events) == RCPT_OK)
            p->channel = c;
    }
}

static rcpt_err ares_err(int status)
{
    return status == ARES_SUCCESS ? RCPT_OK
         : status == ARES_ENOMEM  ? RCPT_NOMEM
         : status == ARES_EFILE   ? RCPT_NOFILE : RCPT_SYSTEM;
}

/* Every option that would else be looked for in resolv.conf is set, so that it is not read. */
static rcpt_err open_ares(rcpt_channel *c, const struct rcpt_channel_config *cfg)
{
    char lookups[] = "b";
    struct in_addr nobody = { 0 };
    struct ares_options o;
    memset(&o, 0, sizeof o);
    o.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_NOCHECKRESP | ARES_FLAG_EDNS;
    o.timeout = (int)cfg->patience_ms;
    o.tries = 1;
    o.ndots = 1;
    o.ednspsz = EDNS_MAX;
    o.lookups = lookups;
    o.servers = &nobody;
    o.nservers = 1;
    o.sock_state_cb = socket_changed;
    o.sock_state_cb_data = c;
    int status = ares_init_options(&c->ares, &o,
        ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS | ARES_OPT_EDNSPSZ |
        ARES_OPT_LOOKUPS | ARES_OPT_SERVERS | ARES_OPT_DOMAINS | ARES_OPT_SORTLIST |
        ARES_OPT_SOCK_STATE_CB);
    if (status != ARES_SUCCESS) {
        c->ares = NULL;
        return ares_err(status);
    }
    const struct rcpt_ip *ip = &cfg->server;
    bool is_v6 = rcpt_ip_is_v6(ip);
    struct ares_addr_port_node node;
    memset(&node, 0, sizeof node);
    node.family = ip->sa.any.sa_family;
    if (is_v6)
        memcpy(&node.addr.addr6, &ip->sa.v6.sin6_addr, sizeof node.addr.addr6);
    else
        node.addr.addr4 = ip->sa.v4.sin_addr;
    node.udp_port = node.tcp_port = ntohs(is_v6 ? ip->sa.v6.sin6_port : ip->sa.v4.sin_port);
    return ares_err(ares_set_servers_ports(c->ares, &node));
}

/* A name as c-ares reads one: it takes "\." and "\\" but not "\DDD", so other octets go as they
 * are. Two bytes for an octet at most. */
static void spell(char out[2 * NS_MAXCDNAME + 2], const char *name)
{
    unsigned char wire[NS_MAXCDNAME];
    if (ns_name_pton(name, wire, sizeof wire) < 0 || wire[0] == 0) {
        memcpy(out, ".", 2);
        return;
    }
    for (const unsigned char *p = wire; *p != 0; p += 1 + *p) {
        for (unsigned i = 1; i <= *p; i++) {
            if (p[i] == '.' || p[i] == '\\')
                *out++ = '\\';
            *out++ = (char)p[i];
        }
        *out++ = '.';
    }
    *out = '\0';
}

void rcpt_dns_library(void)
{
    (void)pthread_once(&library_once, open_library);
}

rcpt_err rcpt_channel_open(rcpt_channel **out, const struct rcpt_mem *mem, rcpt_poller *p,
                           const struct rcpt_channel_config *cfg)
{
    rcpt_dns_library();
    rcpt_channel *c = rcpt_mem_alloc(mem, sizeof *c);
    if (c == NULL)
        return RCPT_NOMEM;
    c->mem = mem;
    c->poller = p;
    c->stir = cfg->stir;
    c->ud = cfg->ud;
    rcpt_list_init(&c->ended);
    rcpt_err e = open_ares(c, cfg);
    if (e != RCPT_OK) {
        rcpt_channel_close(c, false);
        return e;
    }
    *out = c;
    return RCPT_OK;
}

void rcpt_channel_close(rcpt_channel *c, bool inherited)
{
    if (c == NULL)
        return;
    if (inherited)
        c->poller = NULL;
    if (c->ares != NULL)
        ares_destroy(c->ares);
    for (struct rcpt_query *q; (q = rcpt_channel_take(c)) != NULL; q->answer = NULL)
        rcpt_dns_answer_release(q->answer);
    rcpt_mem_free(c->mem, c, sizeof *c);
}

void rcpt_channel_ask(rcpt_channel *c, struct rcpt_query *q)
{
    char name[2 * NS_MAXCDNAME + 2];
    spell(name, q->asked.name);
    rcpt_list_init(&q->node);
    q->channel = c;
    q->err = RCPT_OK;
    q->answer = NULL;
    c->n++;
    ares_query(c->ares, name, ns_c_in, (int)q->asked.type, heard, q);
}

struct rcpt_query *rcpt_channel_take(rcpt_channel *c)
{
    struct rcpt_node *first = rcpt_list_first(&c->ended);
    if (first == NULL)
        return NULL;
    struct rcpt_query *q = RCPT_OWNER(first, struct rcpt_query, node);
    rcpt_list_remove(&q->node);
    q->channel = NULL;
    return q;
}

uint32_t rcpt_channel_due(const rcpt_channel *c)
{
    struct timeval tv;
    if (c->n == 0 || ares_timeout(c->ares, NULL, &tv) == NULL)
        return UINT32_MAX;
    return (uint32_t)tv.tv_sec * 1000 + (uint32_t)(tv.tv_usec / 1000) + 1;   /* never too early */
}

void rcpt_channel_tick(rcpt_channel *c)
{
    ares_process_fd(c->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}
