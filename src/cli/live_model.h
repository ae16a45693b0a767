/* SPDX-License-Identifier: MIT */
/*
 * live_model: what the live view knows about processes; no drawing here.
 *
 * Shapes:  one row per process, fed by events; rates are moving averages that
 *          forget in about SCOPE_RATE_TAU_S seconds. An ended process keeps
 *          its row for SCOPE_GONE_NS.
 * Limits:  max rows; then the row that was idle longest makes room (counted in
 *          `evicted`). Totals count every event, rows or not.
 * Errors:  -ENOMEM: the row was not made; totals stay right.
 * Memory:  rows are borrowed, until the next event or tick.
 * Threads: one owner.
 */
#ifndef SCOPE_CLI_LIVE_MODEL_H
#define SCOPE_CLI_LIVE_MODEL_H

#include "base/auto.h"
#include "wire/event.h"

#define SCOPE_ROWS_MAX 65536u
#define SCOPE_RATE_TAU_S 1.0
#define SCOPE_GONE_NS 3000000000ull

/* Something that is counted and has a rate. */
struct scope_rate {
	uint64_t total;
	uint64_t seen; /* of total, by the last tick */
	double per_s;
};

enum scope_count {
	SCOPE_COUNT_IN,	     /* messages to it */
	SCOPE_COUNT_OUT,     /* messages from it */
	SCOPE_COUNT_GC,
	SCOPE_COUNT_GC_NS,
	SCOPE_COUNT_SPAWN,   /* children */
	SCOPE_COUNT_MAX,
};

struct scope_row {
	uint64_t pid;  /* Eterm */
	uint64_t name; /* Eterm atom; 0: none */
	struct scope_mfa call; /* initial call; module 0: not known */
	uint64_t mailbox;
	uint64_t last_ns; /* of its last event, monotonic */
	uint64_t gone_ns; /* when it ended; 0: alive */
	struct scope_rate n[SCOPE_COUNT_MAX];
	bool has_mailbox;
	bool is_match; /* passes the filter */
	uint32_t newer, older; /* rows, by last activity */
};

enum scope_sort {
	SCOPE_SORT_ACTIVE, /* what it does; those that ended come last */
	SCOPE_SORT_IN,
	SCOPE_SORT_OUT,
	SCOPE_SORT_MAILBOX,
	SCOPE_SORT_GC,
	SCOPE_SORT_GC_NS,
	SCOPE_SORT_SPAWN,
	SCOPE_SORT_LAST,
	SCOPE_SORT_PID,
	SCOPE_SORT_MAX,
};

struct scope_model_totals {
	uint64_t introduced; /* by proc.info */
	struct scope_rate events, sends, receives, spawns, exits, gcs, gc_ns;
	uint64_t lost;
	unsigned groups_off; /* groups of probes, for the budget */
	bool is_limited;     /* some have been */
	uint64_t evicted; /* rows given up for others */
	uint64_t last_ns; /* of the last event of the node; 0: none yet */
};

struct scope_model;

/* Does a process pass the filter? Asked when a row is made or renamed. */
typedef bool scope_match_fn(void *arg, const struct scope_row *row);

/* kinds: what is watched; tells which events count as messages in. NULL:
 * memory is short. */
struct scope_model *scope_model_new(size_t max, scope_kindset kinds);
void scope_model_free(struct scope_model *m);
SCOPE_AUTO(scope_model)

/* A copy that stands still: what a paused view shows. NULL: memory is short. */
struct scope_model *scope_model_copy(const struct scope_model *m);

/* NULL: everything matches. */
void scope_model_set_filter(struct scope_model *m, scope_match_fn *match,
			    void *arg);

int scope_model_event(struct scope_model *m, const struct scope_event *ev);
/* Bring rates up to now, and forget processes that ended. */
void scope_model_tick(struct scope_model *m, uint64_t mono_ns);

const struct scope_model_totals *scope_model_totals(const struct scope_model *m);
/* Rows; processes that did not end: of the node, where proc.info, spawns and
 * exits are all watched, else those that have rows. */
size_t scope_model_len(const struct scope_model *m);
size_t scope_model_alive(const struct scope_model *m);
/* NULL: no row. */
const struct scope_row *scope_model_row(const struct scope_model *m,
					uint64_t pid);

/* PIDs of the rows that pass the filter, sorted: the largest first (pids: the
 * smallest first), unless reversed. The number of them; borrowed until the
 * next call. */
size_t scope_model_view(struct scope_model *m, enum scope_sort sort,
			bool is_reversed, const uint64_t **ret_pids);

#endif
