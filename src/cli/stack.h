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
#include "target/stack.h"

#define SCOPE_STACK_PROCESSES_MAX 256
#define SCOPE_STACK_REDACTS_MAX 64

struct scope_stack_conf {
	const char *node; /* PID or name; NULL: the only one */
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
	struct scope_redact *redact; /* NULL: nothing to hide */
	struct scope_copy copy;
	char scratch[65536];
};

/* Append a process with its stack: a block of text, or a line of JSON. Values
 * are read from the node meanwhile. */
void scope_stack_print(struct scope_stack_printer *p,
		       const struct scope_proc *proc,
		       const struct scope_stack *s, FILE *out);

/* "waiting", "running"…: process_info(P, status). Static. */
const char *scope_stack_status(uint32_t state);

#endif
