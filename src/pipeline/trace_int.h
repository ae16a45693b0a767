/* SPDX-License-Identifier: MIT */
/* trace_int: what the two halves of trace share. */
#ifndef SCOPE_PIPELINE_TRACE_INT_H
#define SCOPE_PIPELINE_TRACE_INT_H

#include "base/map.h"
#include "pipeline/trace.h"
#include "target/naming.h"

/* "module:function/arity", of two atoms of 255 characters. */
#define SCOPE_TRACE_NAME 2048

struct traced_place {
	uint64_t addr; /* 0: none */
	uint64_t age;
};

struct traced_function {
	char *text; /* owned */
	size_t len;
	unsigned arity;
	struct traced_place at[2];    /* its newest code, and the one before */
	struct traced_place found[2]; /* while they are looked for */
	uint64_t calls, armed_ns;     /* settled so far */
	uint64_t told, returned;
	bool was_off;    /* at any time */
	uint64_t off_ns;   /* not traced since then; 0: it is */
	uint64_t moved_ns; /* its code is new since then, at the earliest; 0 */
};

struct traced_register {
	uint64_t addr; /* 0: it is free */
	unsigned function;
	bool is_newest; /* of the function's code */
	bool is_return;
	uint64_t set_ns;
	struct scope_point_figures settled;
};

/* Where calls return to. */
struct traced_site {
	uint64_t addr;
	uint64_t calls; /* since they were last ranked */
	uint64_t score; /* of calls, older ones weigh less */
};

/* A call that may be under way. */
struct traced_call {
	uint64_t pid;	 /* Eterm; 0: the place is free */
	uint64_t ts_ns;
	uint64_t caller; /* address that it returns to */
	uint64_t event;	 /* id; 0: none */
	uint32_t depth;
	uint16_t function;
	uint16_t calls; /* that it stands for, up to what there is room for */
};

struct scope_trace {
	struct scope_target *t; /* borrowed */
	const struct scope_trace_opts *opts;
	struct scope_points *points; /* borrowed */
	struct scope_naming *naming; /* owned */
	struct scope_map *by_name;   /* owned: hash -> place in function[] */
	struct traced_function function[SCOPE_TRACE_FUNCTIONS];
	size_t n, nmatches;
	struct scope_break_test test[SCOPE_BREAK_TESTS];
	unsigned ntests;
	bool has_bifs, told;
	struct traced_register reg[SCOPE_BREAKS];
	uint64_t blocked_until[SCOPE_BREAKS]; /* others have it */
	unsigned nregs; /* that are not others' */
	size_t first;	/* of the functions whose turn it is */
	uint64_t changes, synced_ns, turned_ns, learned_ns, begun_ns, ended_ns;
	char note[200];

	/* trace_calls.c */
	struct traced_site site[SCOPE_TRACE_SITES];
	size_t nsites;
	bool has_new_site;
	struct traced_call *pending; /* owned; NULL: without returns */
	struct traced_call *last;    /* the one taken last; or NULL */
	uint64_t taken;		     /* calls that became events */
};

/* Weigh where calls return to by how often they do. */
void scope_trace_rank(struct scope_trace *tr);

#endif
