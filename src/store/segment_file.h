/* SPDX-License-Identifier: MIT */
/*
 * segment_file: writing one segment.
 *
 * Shapes:  frames are appended whole or not at all: what got there in part is
 *          cut off again.
 * Errors:  those of files: -ENOSPC, -EDQUOT, -EIO…; -ENOMEM.
 * Memory:  buffers are kept from frame to frame.
 * Threads: one owner.
 */
#ifndef SCOPE_STORE_SEGMENT_FILE_H
#define SCOPE_STORE_SEGMENT_FILE_H

#include "store/segment.h"

struct scope_segment_file;

struct scope_segment_file *scope_segment_file_new(int level);
void scope_segment_file_free(struct scope_segment_file *f);
SCOPE_AUTO(scope_segment_file)

/* Make the file in a folder, and write its head. */
int scope_segment_file_open(struct scope_segment_file *f, int dir,
			    uint64_t number, const uint8_t recording[16],
			    uint64_t now_ns, const char *info,
			    size_t info_len);
/* A block as a frame; it is ended thereby. */
int scope_segment_file_put(struct scope_segment_file *f,
			   struct scope_block *b);
/* To the disk. */
int scope_segment_file_sync(struct scope_segment_file *f);
/* The index and the trailer, then close it. It is closed in any case. */
int scope_segment_file_close(struct scope_segment_file *f);

uint64_t scope_segment_file_bytes(const struct scope_segment_file *f);

#endif
