/* SPDX-License-Identifier: MIT */
/*
 * top_model: what `top` knows about processes from one look to the next; no
 * drawing here.
 *
 * Shapes:  a look is one sample for each process; a row has the newest, the
 *          rate since the one before, and the last SCOPE_TOP_TREND values of its
 *          memory and its mailbox. A process that is gone has no row.
 * Units:   bytes, messages, reductions, ns of CLOCK_MONOTONIC.
 * Errors:  -ENOMEM: the model is as it was.
 * Memory:  rows and views are borrowed until the next call.
 * Threads: one owner.
 */
#ifndef SCOPE_CLI_TOP_MODEL_H
#define SCOPE_CLI_TOP_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"

#define SCOPE_TOP_TREND 8

struct scope_top_sample {
	uint64_t pid;	/* Eterm */
	uint64_t order; /* younger processes have larger ones */
	uint64_t reductions, memory, mailbox;
	uint64_t read_ns;
	size_t at; /* the caller's */
};

struct scope_top_row {
	struct scope_top_sample now;
	bool has_rate; /* it was there the last time, too */
	double reductions_per_s, memory_per_s, mailbox_per_s;
	unsigned n; /* of the trends, oldest first */
	uint64_t memory[SCOPE_TOP_TREND], mailbox[SCOPE_TOP_TREND];
};

enum scope_top_sort {
	SCOPE_TOP_RATE, /* reductions a second; else in all */
	SCOPE_TOP_REDUCTIONS,
	SCOPE_TOP_MEMORY,
	SCOPE_TOP_MEMORY_GROWTH,
	SCOPE_TOP_MAILBOX,
	SCOPE_TOP_MAILBOX_GROWTH,
	SCOPE_TOP_PID,
	SCOPE_TOP_NAME, /* by text, as the two below */
	SCOPE_TOP_STATE,
	SCOPE_TOP_FUNCTION,
	SCOPE_TOP_SORTS,
};

struct scope_top_model;

struct scope_top_model *scope_top_model_new(void);
void scope_top_model_free(struct scope_top_model *m);
SCOPE_AUTO(scope_top_model)

/* A look: all processes, each once. */
int scope_top_model_take(struct scope_top_model *m,
			 const struct scope_top_sample *samples, size_t n);

struct scope_top_view {
	enum scope_top_sort sort;
	bool is_reversed;
	/* NULL: all. */
	bool (*match)(void *arg, const struct scope_top_row *r);
	/* The text that a row is sorted by; good until the next call. */
	const char *(*text)(void *arg, const struct scope_top_row *r,
			    enum scope_top_sort sort);
	void *arg;
};
/* The rows that match, in order: numbers from the largest, pids from the oldest,
 * text from A on, what has none last; what is equal by age. -ENOMEM. */
int scope_top_model_view(struct scope_top_model *m,
			 const struct scope_top_view *v,
			 const struct scope_top_row *const **ret_rows,
			 size_t *ret_n);
size_t scope_top_model_len(const struct scope_top_model *m);

#endif
