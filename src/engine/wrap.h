/* engine/wrap.h -- a connected socket, in the clear or within TLS.
 *
 * The same read and write for both, so that a dialogue does not care. Nothing here blocks,
 * watches or keeps the time: its owner does (talk.c). It closes the socket. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_ENGINE_WRAP_H
#define RCPT_ENGINE_WRAP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "io/tls.h"

struct rcpt_wrap {
    int       fd;                      /* the wrap's own; -1: none */
    rcpt_tls *tls;                     /* the wrap's own; NULL: in the clear */
};

/* Takes the connected socket over. */
void rcpt_wrap_init(struct rcpt_wrap *w, int fd);
/* From here on within TLS; `name` as for rcpt_tls_open(), whose errors these are. Once. */
rcpt_err rcpt_wrap_secure(struct rcpt_wrap *w, rcpt_tls_context *x, const char *name);
/* Go on with the handshake; may_read: read the socket once. RCPT_OK: done; RCPT_AGAIN: watch for
 * the peer, and see rcpt_wrap_is_sending(); RCPT_TLS RCPT_NOMEM, or how the connection was lost. */
rcpt_err rcpt_wrap_shake(struct rcpt_wrap *w, bool may_read);

/* Bytes of the peer, *n > 0; may_read: from the socket, which is read once at most. Within TLS
 * one read of the socket may hold more than was asked for, and the poller will not tell of it:
 * call again, without may_read, until RCPT_AGAIN. Else RCPT_EOF and the like, see
 * rcpt_sock_read(); RCPT_TLS RCPT_NOMEM. */
rcpt_err rcpt_wrap_read(struct rcpt_wrap *w, void *p, size_t size, size_t *n, bool may_read);
/* *n > 0 bytes of it went, or are TLS's to send now. RCPT_AGAIN: none; see rcpt_sock_write(). */
rcpt_err rcpt_wrap_write(struct rcpt_wrap *w, const void *p, size_t size, size_t *n);
/* Send what TLS has to send, as far as the socket takes it; RCPT_OK also where some is left. */
rcpt_err rcpt_wrap_flush(struct rcpt_wrap *w);
/* Has TLS anything left to send? Then watch for writable, and flush. */
bool rcpt_wrap_is_sending(const struct rcpt_wrap *w);

/* Close the socket; nothing when that was done. `politely`: a close_notify or an alert goes
 * first if the socket takes it now; none is awaited. */
void rcpt_wrap_close(struct rcpt_wrap *w, bool politely);

#endif
