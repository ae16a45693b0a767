/* SPDX-License-Identifier: MIT */
/*
 * ringbuf: reading the kernel's BPF ring buffers through their mappings alone, so
 * that who reads them needs no right to the bpf() call.
 *
 * Errors:  those of mmap, with words in err.
 * Memory:  a record is borrowed until the callback returns.
 * Threads: one drains.
 * Source:  kernel/bpf/ringbuf.c: a page with the consumer's position, one with
 *          the producer's, then the data, mapped twice in a row so that no
 *          record is cut. A record is 8 bytes of head, of which the first four
 *          are its length and two bits, and its bytes, to a multiple of 8.
 */
#ifndef SCOPE_PROBE_RINGBUF_H
#define SCOPE_PROBE_RINGBUF_H

#include <stddef.h>

#include "base/auto.h"
#include "base/err.h"

struct scope_ringbuf;

/* How many rings there are for that many CPUs (of which several then share one:
 * CPU % rings), and the bytes of each, so that all take `total` at most; but one
 * ring, of the least size, there always is. */
unsigned scope_ringbuf_plan(unsigned ncpus, size_t total, size_t *ret_bytes);

/* fds: n ring buffers of `bytes` each; they may be closed afterwards. */
int scope_ringbuf_new(const int *fds, unsigned n, size_t bytes,
		    struct scope_ringbuf **ret_rings, struct scope_err *err);
void scope_ringbuf_free(struct scope_ringbuf *r);
SCOPE_AUTO(scope_ringbuf)

/* Hand over what is there, ring by ring, oldest first in each. Stops after the
 * record for which fn returns a negative number, and returns that. */
int scope_ringbuf_drain(struct scope_ringbuf *r,
		      int (*fn)(void *arg, const void *data, size_t len),
		      void *arg);

#endif
