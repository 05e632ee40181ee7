/* io/clock.h -- the only place that reads a clock. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_IO_CLOCK_H
#define RCPT_IO_CLOCK_H

#include <stdint.h>

/* Milliseconds that never go back; their zero means nothing. */
uint64_t rcpt_clock_ms(void);

#endif
