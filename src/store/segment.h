/* SPDX-License-Identifier: MIT */
/*
 * segment: a file of a recording: a head that tells what the node was, frames,
 * and at its end, when it was closed well, an index of the frames.
 *
 *   segment  head | frame… | index frame | trailer
 *
 *   head     offset  bytes
 *                 0      8  "scopebpf"
 *                 8      2  version of the format: 1
 *                10      2  the oldest version whose readers can read it
 *                12      4  bytes of the info that follows
 *                16      8  number of the segment, from 1
 *                24      8  real-time clock when it was begun, ns
 *                32     16  of the recording: the same in all its segments
 *                48      8  XXH3 of the info
 *                56      8  XXH3 of the 56 bytes before
 *                64         info: lines of text, "key value"
 *
 *   info     otp 25, node shop@host, os_pid 4242,
 *            procs and ports: masks and shifts of ids (scope_pixdata),
 *            field NAME TYPE for each key of blocks, in the order of numbers.
 *            Lines that a reader does not know are left out.
 *
 *   frame    offset  bytes
 *                 0      4  "SBLK"
 *                 4      1  type: 1 events, 2 index
 *                 5      1  how it is packed: 1 zstd
 *                 6      2  0
 *                 8      4  bytes unpacked
 *                12      4  bytes packed
 *                16      4  events
 *                20      4  bytes of its filter
 *                24     16  first and last id
 *                40     16  earliest and latest ts, ns
 *                56      8  kinds, a bit each
 *                64      8  XXH3 of the filter and what is packed
 *                72      8  XXH3 of the 72 bytes before
 *                80         filter (filter.h), then what is packed (block.h);
 *                           zeros up to a multiple of 8
 *
 *   index    packed: for each frame of events its offset in the file (8 bytes),
 *            its head and its filter
 *   trailer  8 bytes: offset of the index frame; 8: XXH3 of those
 *
 * All numbers are little-endian. Frames begin at multiples of 8, so that the
 * next good one is found behind a bad one.
 *
 * Errors:  -EBADMSG: not a head, or a damaged one; -EPROTONOSUPPORT: of a
 *          version that we can't read.
 * Threads: pure functions.
 */
#ifndef SCOPE_STORE_SEGMENT_H
#define SCOPE_STORE_SEGMENT_H

#include "base/buf.h"
#include "store/block.h"

#define SCOPE_SEGMENT_VERSION 1
#define SCOPE_SEGMENT_HEAD 64u
#define SCOPE_SEGMENT_INFO (64u << 10) /* most that an info has */
#define SCOPE_SEGMENT_TRAILER 16u
#define SCOPE_FRAME_HEAD 80u

struct scope_segment_head {
	uint32_t info_bytes;
	uint64_t number;
	uint64_t started_ns; /* real-time clock */
	uint8_t recording[16];
	uint64_t info_hash;
};
void scope_segment_head_put(const struct scope_segment_head *h,
			    uint8_t p[SCOPE_SEGMENT_HEAD]);
int scope_segment_head_get(const uint8_t p[SCOPE_SEGMENT_HEAD],
			   struct scope_segment_head *ret);

enum scope_frame_type {
	SCOPE_FRAME_EVENTS = 1,
	SCOPE_FRAME_INDEX = 2,
};
struct scope_frame {
	uint8_t type;
	uint32_t raw_bytes, packed_bytes, filter_bytes;
	struct scope_block_sum sum;
	uint64_t hash;
};
void scope_frame_put(const struct scope_frame *f, uint8_t p[SCOPE_FRAME_HEAD]);
int scope_frame_get(const uint8_t p[SCOPE_FRAME_HEAD], struct scope_frame *ret);
/* Bytes of the whole frame, with the zeros at its end. */
uint64_t scope_frame_bytes(const struct scope_frame *f);

/* What the info tells. */
struct scope_segment_info {
	unsigned otp;
	char node[256 * 4];
	int64_t os_pid;
	struct scope_pixdata procs, ports;
	struct scope_block_keys keys; /* of the writer's blocks */
};
/* Our own keys are written, whatever info->keys says. */
void scope_segment_info_put(const struct scope_segment_info *info,
			    struct scope_buf *out);
int scope_segment_info_get(const char *text, size_t len,
			   struct scope_segment_info *ret);

uint64_t scope_segment_hash(const void *p, size_t n);

#endif
