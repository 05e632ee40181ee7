/* io/process.h -- which process this is: a forked child must not touch what its parent shares. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_IO_PROCESS_H
#define RCPT_IO_PROCESS_H

long rcpt_process_id(void);

#endif
