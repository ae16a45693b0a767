/* SPDX-License-Identifier: MIT */
/*
 * recorder: a sink that keeps events in the segments of a folder.
 *
 * Shapes:  events go into a block; one that is full, or as old as `flush_ns`,
 *          is handed to a thread that packs and writes it. A crash loses what
 *          was not handed over. Segments are begun anew when they are large
 *          enough; whole ones are removed by size and age, the oldest first.
 * Limits:  BLOCKS wait to be written; then events are refused (-ENOBUFS), which
 *          the stream counts as lost. What can't be written (a full disk) is
 *          taken back, counted as lost, and tried again with the next block;
 *          a spare file makes room for the last one, which has the totals.
 * Files:   0600, in a folder of 0700. One recorder a folder: it is locked.
 * Errors:  with words in err: -EEXIST there is a recording already; -EBUSY
 *          somebody records there; -ENOSPC, -EACCES and others of files.
 * Threads: one owner; the writing thread is the recorder's own.
 */
#ifndef SCOPE_STORE_RECORDER_H
#define SCOPE_STORE_RECORDER_H

#include "base/err.h"
#include "store/segment.h"

struct scope_recorder;

struct scope_recorder_opts {
	uint64_t flush_ns;     /* 0: 100 ms */
	uint64_t keep_ns;      /* remove what is older; 0: nothing */
	uint64_t keep_bytes;   /* and what is more; 0: nothing */
	uint64_t segment_bytes; /* 0: 64 MB, or a part of keep_bytes */
	int level;	       /* zstd's; 0: 1 */
	/* What a person should know: it can't be written, it can again. Called
	 * by the writing thread. NULL: nobody. */
	void (*note)(const char *text);
};

/* The folder, made where there is none; nothing is recorded yet. */
int scope_recorder_new(const char *dir, const struct scope_recorder_opts *opts,
		       struct scope_recorder **ret_recorder,
		       struct scope_err *err);
void scope_recorder_free(struct scope_recorder *r);
SCOPE_AUTO(scope_recorder)

/* Begin: info and vm are those of the node; the vm is borrowed until the end. */
int scope_recorder_start(struct scope_recorder *r,
			 const struct scope_segment_info *info,
			 struct scope_vm *vm, struct scope_err *err);
/* Borrowed; from the start on. */
struct scope_sink *scope_recorder_sink(struct scope_recorder *r);

/* Write what there is, and close the segment. 0, or that it could not be
 * written, with words in err. */
int scope_recorder_finish(struct scope_recorder *r, struct scope_err *err);

struct scope_recorder_usage {
	uint64_t events, bytes; /* written */
	uint64_t lost;		/* events that could not be */
	uint64_t segments, removed;
};
void scope_recorder_usage(struct scope_recorder *r,
			  struct scope_recorder_usage *ret);

/* The name of segment `number` in a folder. */
#define SCOPE_SEGMENT_NAME 32
void scope_segment_name(uint64_t number, char name[SCOPE_SEGMENT_NAME]);

#endif
