/* SPDX-License-Identifier: MIT */
/*
 * perf_rings: reading the perf buffers of all CPUs through their mappings alone.
 *
 * Errors:  -EPERM more memory would be locked than is allowed, and others of
 *          mmap, with words in err.
 * Memory:  a record is borrowed until the callback returns.
 * Threads: one drains.
 * Source:  linux/perf_event.h, struct perf_event_mmap_page: a page with
 *          data_head, written by the kernel, and data_tail, written here; then
 *          a power of two of data, in which a record may go on at the start.
 *          A record is a struct perf_event_header, and of PERF_RECORD_SAMPLE
 *          with PERF_SAMPLE_RAW a u32 of the length and the bytes, padded so
 *          that the whole is a multiple of 8.
 *          Where older records are overwritten the page is mapped read-only and
 *          data_head falls from 0: it is where the newest record begins, and
 *          the older ones follow it (kernel/events/ring_buffer.c).
 */
#ifndef SCOPE_PROBE_PERF_RINGS_H
#define SCOPE_PROBE_PERF_RINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/auto.h"
#include "base/err.h"

struct scope_perf_rings;

/* The bytes of each of n buffers, so that all of them take `total`; or as few
 * as there may be. */
size_t scope_perf_rings_bytes(size_t total, unsigned n);

/* fds: perf events of n CPUs, -1: none; they may be closed afterwards.
 * overwrites: as they were opened. */
int scope_perf_rings_new(const int *fds, unsigned n, size_t bytes,
			 bool overwrites,
			 struct scope_perf_rings **ret_rings,
			 struct scope_err *err);
void scope_perf_rings_free(struct scope_perf_rings *r);
SCOPE_AUTO(scope_perf_rings)

/* Hand over what is there, CPU by CPU, oldest first in each. Stops after the
 * record for which fn returns a negative number, and returns that; -EBADMSG:
 * what is there is no record. */
int scope_perf_rings_drain(struct scope_perf_rings *r,
			   int (*fn)(void *arg, const void *data, size_t len),
			   void *arg);

/* How full the fullest is, from 0 to 1; 0 where they are overwritten. */
double scope_perf_rings_fill(const struct scope_perf_rings *r);

/* How many CPUs have a buffer. */
unsigned scope_perf_rings_count(const struct scope_perf_rings *r);

#endif
