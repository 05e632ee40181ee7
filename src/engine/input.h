/* engine/input.h -- a job that waits for bytes on any descriptor and reads a chunk.
 *
 * For standard input, pipes, terminals. The descriptor stays the caller's and is
 * never made non-blocking (others may share it): it is read once, when the
 * kernel says there is something. A regular file is read at once. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_ENGINE_INPUT_H
#define RCPT_ENGINE_INPUT_H

#include "base/span.h"
#include "engine/engine.h"

#define RCPT_INPUT_MAX 16384              /* bytes one job gives at most */

/* Ends as RCPT_OK with bytes, with none at the end of the input; as RCPT_TIMEOUT, or as what
 * reading answered. RCPT_NOMEM, RCPT_CLOSED; RCPT_SYSTEM: a descriptor that cannot be waited for (one
 * that another job waits for already). */
rcpt_err rcpt_input_start(struct rcpt_job **j, rcpt_engine *e, int fd, uint64_t until_ms);
extern const struct rcpt_job_class rcpt_input_class;
/* Borrowed while the job is referenced. */
struct rcpt_span rcpt_input_bytes(const struct rcpt_job *j);

#endif
