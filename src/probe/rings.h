/* SPDX-License-Identifier: MIT */
/*
 * rings: reading the programs' rings through their mappings alone, so that who
 * reads them needs no right to the bpf() call.
 *
 * Errors:  those of mmap, with words in err.
 * Memory:  a record is borrowed until the callback returns.
 * Threads: one drains.
 * Format:  scope/ring.h
 */
#ifndef SCOPE_PROBE_RINGS_H
#define SCOPE_PROBE_RINGS_H

#include <stddef.h>

#include "base/auto.h"
#include "base/err.h"

struct scope_rings;

/* How many rings there are for that many CPUs (of which several then share one:
 * CPU % rings), and the bytes of each, so that all take `total` at most; but one
 * ring, of the least size, there always is. */
unsigned scope_rings_plan(unsigned ncpus, size_t total, size_t *ret_bytes);

/* fds: n rings of `bytes` each, to which nothing has been written; they may be
 * closed afterwards. */
int scope_rings_new(const int *fds, unsigned n, size_t bytes,
		    struct scope_rings **ret_rings, struct scope_err *err);
void scope_rings_free(struct scope_rings *r);
SCOPE_AUTO(scope_rings)

/* How full the fullest is, from 0 to 1. */
double scope_rings_fill(const struct scope_rings *r);

/* Hand over what is there, ring by ring, oldest first in each. Stops after the
 * record for which fn returns a negative number, and returns that. */
int scope_rings_drain(struct scope_rings *r,
		      int (*fn)(void *arg, const void *data, size_t len),
		      void *arg);

#endif
