/* io/nameservers.h -- which servers to ask: a list of a user's, or the system's. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_IO_NAMESERVERS_H
#define RCPT_IO_NAMESERVERS_H

#include "base/err.h"
#include "base/limits.h"
#include "io/sock.h"

/* "192.0.2.1, 192.0.2.2:5300, 2001:db8::1, [::1]:53": blanks around a comma are nothing, a port not
 * given is 53. RCPT_BADARG: anything else, an empty list, more than RCPT_SERVERS_MAX. */
rcpt_err rcpt_nameservers_read(struct rcpt_ip server[RCPT_SERVERS_MAX], unsigned *n,
                               const char *list);
/* Those of resolv.conf, the first RCPT_SERVERS_MAX; 127.0.0.1 where it names none. It reads that
 * file, which is the one thing here that may wait for a disk. RCPT_NOMEM, RCPT_SYSTEM. */
rcpt_err rcpt_nameservers_system(struct rcpt_ip server[RCPT_SERVERS_MAX], unsigned *n);

#endif
