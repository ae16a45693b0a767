/* SPDX-License-Identifier: MIT */
/*
 * live: a sink that shows processes and events on a terminal.
 *
 * Errors:  -ENOTTY the terminal can't be used (err says why).
 * Memory:  bounded, see live_model.h.
 * Threads: one owner; at most one live view at a time.
 */
#ifndef SCOPE_CLI_LIVE_H
#define SCOPE_CLI_LIVE_H

#include "base/err.h"
#include "beam/term.h"
#include "wire/event.h"

struct scope_live;

struct scope_live_opts {
	struct scope_vm *vm; /* borrowed */
	enum scope_syntax syntax;
	bool has_color;
	const char *node; /* borrowed, these too */
	const char *otp;
	const char *events; /* what was chosen with --events; "" */
	scope_kindset kinds;
	int os_pid;
	bool is_filtered; /* --process was given */
	void (*stop)(void); /* called when the user wants to leave */
};

/* Takes the terminal over. */
int scope_live_new(const struct scope_live_opts *opts,
		   struct scope_live **ret_live, struct scope_err *err);
/* Gives it back as it was. */
void scope_live_free(struct scope_live *l);
SCOPE_AUTO(scope_live)

/* Borrowed. */
struct scope_sink *scope_live_sink(struct scope_live *l);

/* A line for people, shown at the bottom; of scope_run_opts.progress. */
void scope_live_progress(void *live, const char *text);

/* Give the terminal back from a signal handler. Does nothing without a view. */
void scope_live_rescue(void);

#endif
