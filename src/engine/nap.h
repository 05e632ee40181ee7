/* engine/nap.h -- a job that ends after a while. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_ENGINE_NAP_H
#define RCPT_ENGINE_NAP_H

#include "engine/engine.h"

/* Ends as RCPT_OK at `due_ms` (the engine's clock), at once for a time gone by, never for
 * UINT64_MAX. RCPT_NOMEM, RCPT_CLOSED. */
rcpt_err rcpt_nap_start(struct rcpt_job **j, rcpt_engine *e, uint64_t due_ms);
extern const struct rcpt_job_class rcpt_nap_class;

#endif
