/* SPDX-License-Identifier: MIT */
/*
 * The rings that records leave the kernel through: each the one element of an
 * array that the reader maps, written without a call of the kernel's.
 *
 *   0                   scope_ring_reader; the reader alone writes it
 *   SCOPE_RING_PAGE     scope_ring_writer
 *   2 SCOPE_RING_PAGE   `bytes` of records, a power of two, and slack
 *
 * A record is a word of head and its bytes, at `position & (bytes - 1)`; what
 * begins before the end of the ring goes on into the slack, so that none is
 * cut. Who writes takes room by raising `produced`, and writes the head last:
 * the record's length, and in the upper half its position in words, by a key
 * that the reader chose. So what an earlier lap left there is no head, whatever
 * it is. Several CPUs may share a ring, and a program may be preempted by
 * another: room is taken with a compare-and-exchange.
 *
 * Both positions only rise. Who finds no room between them gives up: nothing is
 * overwritten.
 */
#ifndef SCOPE_RING_H
#define SCOPE_RING_H

#include "scope/event.h"

/* A multiple of every size that pages may have. */
#if defined(__x86_64__) || defined(__TARGET_ARCH_x86)
#define SCOPE_RING_PAGE 4096u
#else
#define SCOPE_RING_PAGE 65536u
#endif

struct scope_ring_reader {
	__u64 consumed; /* up to here; the programs look at it */
	__u64 key;	/* before anything is written */
};

struct scope_ring_writer {
	__u64 produced;
};

#define SCOPE_RING_HEAD 8u
/* A record takes that much; its length is a multiple of 8. */
#define SCOPE_RING_ROOM(len) ((len) + SCOPE_RING_HEAD)
#define SCOPE_RING_MARK(len, at, key) \
	((__u64)(len) | ((((at) >> 3) ^ (key)) << 32))

#define SCOPE_RING_DATA (2 * SCOPE_RING_PAGE)
#define SCOPE_RING_SLACK                                              \
	((SCOPE_RING_ROOM(SCOPE_REC_MAX) + SCOPE_RING_PAGE - 1) /     \
	 SCOPE_RING_PAGE * SCOPE_RING_PAGE)
/* The element's size. */
#define SCOPE_RING_VALUE(bytes) (SCOPE_RING_DATA + (bytes) + SCOPE_RING_SLACK)

#define SCOPE_RING_BYTES_MIN (64u << 10)
#define SCOPE_RING_BYTES_MAX (1u << 30)

#endif
