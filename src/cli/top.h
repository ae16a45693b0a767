/* SPDX-License-Identifier: MIT */
/*
 * top: the processes of a node as `scope-bpf top` shows them: state, keys and
 * drawing, apart from where they come from and where they are shown.
 *
 * Shapes:  the caller takes looks into the model and sets the head; a scope_top
 *          is drawn into a grid of any size. Inside a process its lines are
 *          those that the caller has set.
 * Threads: one owner.
 */
#ifndef SCOPE_CLI_TOP_H
#define SCOPE_CLI_TOP_H

#include "cli/screen.h"
#include "cli/top_model.h"
#include "target/schedulers.h"

#define SCOPE_TOP_FILTER 64
#define SCOPE_TOP_DELAY_MIN_NS 100000000u
#define SCOPE_TOP_DELAY_MAX_NS 3600000000000u

/* The node as a whole; SCOPE_GAUGE_UNKNOWN: not known. */
struct scope_top_head {
	const char *node, *otp; /* borrowed */
	int os_pid;
	bool is_stopped;   /* by a signal (SIGSTOP) */
	uint64_t up_ns;
	uint64_t processes, process_limit, torn;
	uint64_t ports, tables, atoms, atom_limit;
	uint64_t memory_total, memory_processes, memory_binary, memory_ets;
	unsigned schedulers[SCOPE_SCHED_TYPES];
	unsigned running[SCOPE_SCHED_TYPES]; /* a process or a port */
	double busy[SCOPE_SCHED_TYPES]; /* part of the CPU time that they could
					   have had; below 0: not known */
	uint64_t run_queue[SCOPE_SCHED_TYPES];
	uint64_t reductions_per_s; /* of the normal schedulers */
};

enum scope_top_text {
	SCOPE_TOP_TEXT_PID,
	SCOPE_TOP_TEXT_WHAT,
	SCOPE_TOP_TEXT_STATE,
	SCOPE_TOP_TEXT_FUNCTION,
};

enum scope_top_do {
	SCOPE_TOP_DO_NOTHING,
	SCOPE_TOP_DO_DRAW,
	SCOPE_TOP_DO_LOOK,  /* at the node, now */
	SCOPE_TOP_DO_ENTER, /* set the lines of `inside`, and look no further */
	SCOPE_TOP_DO_QUIT,
};

struct scope_top {
	struct scope_top_model *model; /* borrowed */
	struct scope_top_head head;
	void (*text)(void *arg, const struct scope_top_row *r,
		     enum scope_top_text what, struct scope_buf *out);
	void *arg;
	bool is_utf8; /* trends as blocks, else as letters */
	bool has_no_mark; /* it is not for keys */
	enum scope_top_sort sort;
	bool is_reversed, is_paused, shows_help, is_typing;
	char filter[SCOPE_TOP_FILTER];
	uint64_t delay_ns;
	char note[256]; /* at the bottom; "": nothing to say */
	/* the view */
	const struct scope_top_row *const *rows;
	size_t nrows, sel, top, page;
	uint64_t sel_pid; /* the mark stays with this process; 0: with its line */
	/* inside a process */
	uint64_t inside; /* Eterm; 0: outside */
	const char *lines; /* borrowed: text, lines ended by newlines */
	size_t scroll;
};

/* Sort and filter anew, after a look or a change. -ENOMEM. */
int scope_top_arrange(struct scope_top *t);
/* A grid that has its size already. */
void scope_top_draw(struct scope_top *t, struct scope_grid *g);
enum scope_top_do scope_top_key(struct scope_top *t, wint_t key,
				bool is_special);

/* Parts for output that is no screen. */
void scope_top_head_line(const struct scope_top *t, unsigned line,
			 struct scope_buf *out);
#define SCOPE_TOP_HEAD_LINES 3
/* Values of a trend as a character each. */
void scope_top_trend(const uint64_t *values, unsigned n, bool is_utf8,
		     struct scope_buf *out);
/* By name, as --sort takes it; -1. Names, parted by blanks; static. */
int scope_top_sort_of(const char *name);
extern const char scope_top_sorts[];

#endif
