/* SPDX-License-Identifier: MIT */
/* time: the one clock of events. */
#ifndef SCOPE_BASE_TIME_H
#define SCOPE_BASE_TIME_H

#include <stdint.h>
#include <time.h>

/* CLOCK_MONOTONIC, nanoseconds: what bpf_ktime_get_ns() gives, too. */
static inline uint64_t scope_now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#endif
