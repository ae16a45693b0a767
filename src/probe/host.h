/* SPDX-License-Identifier: MIT */
/*
 * host: what this machine, its kernel and our rights allow, and for each thing
 * that is not there what would bring it.
 *
 * Shapes:  a list of checks, in the order in which people read them. Where we
 *          have the right the kernel is asked by trying; else its version and
 *          its files are what is told.
 * Limits:  SCOPE_CHECKS_MAX; texts are cut.
 * Threads: one thread.
 */
#ifndef SCOPE_PROBE_HOST_H
#define SCOPE_PROBE_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(SYMBOL, name) */
#define SCOPE_STATES(X)                                                        \
	X(YES, "yes")	      /* there */                                      \
	X(LIMITED, "limited") /* works, but not as it could; see fix */         \
	X(NO, "no")	      /* not there; see fix */                         \
	X(UNKNOWN, "unknown") /* can't be told; fix says with what it can */    \
	X(INFO, "info")	      /* nothing to have or not to have */

enum scope_state {
#define X(sym, name) SCOPE_STATE_##sym,
	SCOPE_STATES(X)
#undef X
};

const char *scope_state_name(enum scope_state state);

struct scope_check {
	const char *id;	   /* stable: "ring_buffer"; static */
	const char *title; /* for people; static */
	enum scope_state state;
	bool is_needed;	   /* nothing works without it */
	char value[160];   /* what was found */
	char fix[240];	   /* what to do about it; "": nothing to do */
};

#define SCOPE_CHECKS_MAX 40

struct scope_checks {
	struct scope_check list[SCOPE_CHECKS_MAX];
	size_t n;
};

/* Append one; the texts are to be filled in. Beyond the limit the last. */
struct scope_check *scope_check_add(struct scope_checks *c, const char *id,
				    const char *title, bool is_needed,
				    enum scope_state state);
void scope_check_say(struct scope_check *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void scope_check_fix(struct scope_check *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* No needed one is missing. */
bool scope_checks_ok(const struct scope_checks *c);

struct scope_host {
	char kernel[80]; /* uname -r */
	char arch[40];
	struct scope_checks kernel_checks;
	struct scope_checks caps; /* one for each capability */
};

struct scope_host_env {
	const char *root; /* before /proc and /sys; "" is this machine */
	bool is_tried;	  /* ask the kernel by trying, too */
};

void scope_host_look(const struct scope_host_env *env,
		     struct scope_host *ret_host);

#endif
