/* SPDX-License-Identifier: MIT */
/* table, its insides: a batch of processes under way. */
#ifndef SCOPE_TARGET_TABLE_INT_H
#define SCOPE_TARGET_TABLE_INT_H

#include "target/table.h"

/* Processes read at once: few enough for one process_vm_readv. */
#define SCOPE_BATCH 256u

struct scope_chunk {
	struct scope_table *t;
	size_t n;
	uint32_t slot[SCOPE_BATCH];
	struct scope_proc out[SCOPE_BATCH];
	bool keep[SCOPE_BATCH];
	uint64_t reg[SCOPE_BATCH];  /* addresses: RegProc, ProcDict; or 0 */
	uint64_t dict[SCOPE_BATCH];
	struct scope_piece pieces[SCOPE_BATCH];
	uint64_t words[SCOPE_BATCH][4];
	uint32_t p_size;
	uint64_t read_ns; /* when the structs were read, CLOCK_MONOTONIC */
	uint8_t *bytes; /* owned: the Process structs */
};

/* Read n (at most 4) words at at[i] + off into words[i], for each process that
 * is kept and whose at[i] is not 0; pieces[i].is_read says what came. */
int scope_chunk_words(struct scope_chunk *b, const uint64_t *at, uint32_t off,
		      size_t n);

/* Set `initial` of those that have a '$initial_call'. */
int scope_chunk_initial(struct scope_chunk *b);

#endif
