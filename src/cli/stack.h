/* SPDX-License-Identifier: MIT */
/*
 * stack: what the command `stack` was asked to do, and its output, by process.
 *
 * Threads: one owner.
 */
#ifndef SCOPE_CLI_STACK_H
#define SCOPE_CLI_STACK_H

#include <stdio.h>

#include "beam/copy.h"
#include "beam/redact.h"
#include "beam/term.h"
#include "target/naming.h"
#include "target/running.h"
#include "target/snapshot.h"
#include "target/stack.h"

#define SCOPE_STACK_PROCESSES_MAX 256
#define SCOPE_STACK_BLOCK 65536u
#define SCOPE_STACK_REDACTS_MAX 64

struct scope_stack_conf {
	const char *node; /* PID or name; NULL: the only one */
	bool is_hung;
	bool wants_json, wants_help, wants_version, has_no_sandbox;
	unsigned term_words; /* 0: no registers */
	size_t depth;	     /* frames of a stack at most */
	enum scope_syntax syntax;
	size_t nredacts, nprocesses;
	const char *redacts[SCOPE_STACK_REDACTS_MAX];
	const char *processes[SCOPE_STACK_PROCESSES_MAX];
};

/* All that printing a stack takes. */
struct scope_stack_printer {
	const struct scope_stack_conf *conf;
	struct scope_target *t;	     /* borrowed, as all here */
	struct scope_naming *naming;
	struct scope_runner *runner;
	struct scope_redact *redact; /* NULL: nothing to hide */
	/* The heap of the process in hand, when one read gets all of it: most of
	 * what its registers point to is there. */
	struct scope_stack_block {
		struct scope_target *t;
		uint64_t from, to; /* 0: none, or too large */
		bool has_read, is_read;
		uint8_t bytes[SCOPE_STACK_BLOCK];
	} block;
	struct scope_copy copy;
	char scratch[65536];
};

/* Append a process with its stack: a block of text, or a line of JSON. Values
 * are read from the node meanwhile. `run`: what the thread does that runs it;
 * NULL: none does. */
void scope_stack_print(struct scope_stack_printer *p,
		       const struct scope_proc *proc,
		       const struct scope_stack *s,
		       const struct scope_running *run, FILE *out);

/* Print it, read until it is whole. -ENOMEM; what has ended is left out. */
int scope_stack_show(struct scope_stack_printer *p,
		     const struct scope_proc *proc,
		     const struct scope_running *run, FILE *to);

/* Parts of the above. */
void scope_stack_put(struct scope_stack_printer *p, const struct scope_buf *b,
		     FILE *out); /* as text, or a JSON string */
void scope_stack_put_native(struct scope_stack_printer *p,
			    const struct scope_running *run, FILE *out);

#endif
