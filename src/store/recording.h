/* SPDX-License-Identifier: MIT */
/*
 * recording: the segments of a folder, to be read. Neither root nor a node is
 * needed.
 *
 * Shapes:  a recording knows its frames from the segments' indexes; where a
 *          segment has none, because its writer was killed, from the frames
 *          themselves. Frames are in the order in which they were written: ids
 *          rise by one, but where something is missing.
 * Damage:  bytes that are no whole frame are passed over, and told as a gap:
 *          what is shown is what was written. scope_recording_gaps tells them
 *          all, once everything was looked at.
 * Limits:  SCOPE_SEGMENTS_MAX.
 * Errors:  with words in err: -ENOENT no recording; -EPROTONOSUPPORT of a later
 *          version, or of a release that is not known; -EACCES; -EBADMSG
 *          nothing of it can be read.
 * Memory:  one frame at a time, and the index.
 * Threads: one owner.
 */
#ifndef SCOPE_STORE_RECORDING_H
#define SCOPE_STORE_RECORDING_H

#include "base/err.h"
#include "store/segment.h"

#define SCOPE_SEGMENTS_MAX 65536u

struct scope_recording;

int scope_recording_open(const char *dir, struct scope_recording **ret_rec,
			 struct scope_err *err);
void scope_recording_free(struct scope_recording *rec);
SCOPE_AUTO(scope_recording)

/* Look for what was written since: more frames, more segments. How many frames
 * are new; or -errno. */
int scope_recording_refresh(struct scope_recording *rec);

/* Of its first segment; borrowed. */
const struct scope_segment_info *
scope_recording_info(const struct scope_recording *rec);
/* Gives meaning to its words: what was read so far is known. Borrowed. */
struct scope_vm *scope_recording_vm(struct scope_recording *rec);

size_t scope_recording_frames(const struct scope_recording *rec);
/* What is known of frame i without reading it; its filter is borrowed. */
const struct scope_block_sum *
scope_recording_sum(const struct scope_recording *rec, size_t i);
const uint8_t *scope_recording_filter(const struct scope_recording *rec,
				      size_t i, size_t *ret_bytes);
/* Read frame i: its events by scope_page_next. -EBADMSG: it is damaged, and
 * noted as a gap. The page is the recording's, until the next load. */
int scope_recording_load(struct scope_recording *rec, size_t i,
			 struct scope_page **ret_page);

struct scope_gap {
	uint64_t segment, offset, bytes; /* in that file */
	const char *why;		 /* static */
	uint64_t after_id; /* of the last event before; 0: there is none */
	uint64_t events;   /* how many are missing; 0: not known */
};
const struct scope_gap *scope_recording_gaps(const struct scope_recording *rec,
					     size_t *ret_n);
/* Whether its last segment was closed as it should be. */
bool scope_recording_is_closed(const struct scope_recording *rec);
uint64_t scope_recording_bytes(const struct scope_recording *rec);
size_t scope_recording_segments(const struct scope_recording *rec);

#endif
