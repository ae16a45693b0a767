/* SPDX-License-Identifier: MIT */
/*
 * waits: which process waits for the answer of which other, from calls as gen
 * makes them (gen_server, gen_statem, gen_event, supervisor and what is built on
 * them, Elixir's too).
 *
 * Shapes:  a caller stands in gen:do_call/4, and holds the call's reference in a
 *          register there. Whoever has {Caller, Tag} with that reference owes it
 *          an answer: in a queue, it has not begun; in a register of its stack,
 *          it is at it. Where nobody is found so (an answer that was put off is
 *          anywhere), it is the process that the caller has sent the call to, if
 *          it still holds its pid.
 * Limits:  SCOPE_WAITS_CALLERS; SCOPE_WAITS_MESSAGES of a queue; of a stack
 *          SCOPE_WAITS_WORDS; SCOPE_WAITS_LOOKS at terms in all.
 * Torn:    processes go on meanwhile: what is found is what there was at one
 *          moment or another. In a node that hangs, it is so.
 * Errors:  as scope_target_procs.
 * Threads: the target's owner.
 * Source:  lib/stdlib/src/gen.erl (OTP 23.2.6, 25.2.3, 27.3.4.1, 29.1.1).
 */
#ifndef SCOPE_TARGET_WAITS_H
#define SCOPE_TARGET_WAITS_H

#include "target/naming.h"

#define SCOPE_WAITS_CALLERS 65536u
#define SCOPE_WAITS_MESSAGES 10000u
#define SCOPE_WAITS_WORDS 4096u
#define SCOPE_WAITS_LOOKS 1000000u

struct scope_wait {
	uint64_t pid, name; /* who waits: Eterm; name 0: none */
	uint64_t on;	    /* for whom: Eterm; 0: not known */
	uint64_t on_name;
	bool is_queued;	    /* the call is still in its queue */
	bool is_in_cycle;
	size_t waiting;	    /* how many others wait for `on`, directly or not */
};

/* All who wait so, in the order of the process table; *ret_waits is to be
 * freed. */
int scope_waits_find(struct scope_target *t, struct scope_naming *n,
		     struct scope_wait **ret_waits, size_t *ret_n,
		     struct scope_err *err);

/* Marks cycles and counts who waits, of any waits; `on` that is no waiter ends a
 * chain. For the above, and its test. -ENOMEM. */
int scope_waits_mark(struct scope_wait *w, size_t n);

#endif
