/* SPDX-License-Identifier: MIT */
/*
 * budget: keeps what tracing costs a node within a share of its CPU time, by
 * taking groups of probes off and putting them back (probe/governor.h).
 *
 * Shapes:  what was done comes as records of kind SCOPE_KIND_BUDGET, for the
 *          stream to tell in its place: ts_ns when; a[0] enum scope_group,
 *          a[1] enum scope_budget_state, a[2] since when it was off (ns; 0:
 *          not yet), a[3] share of the last turn that it was on, a[4] what
 *          tracing cost of the node's CPU time, a[5] the kinds; shares in
 *          millionths. Behind that, by pairs of words, a kind and how many of
 *          it were missed.
 * Limits:  SCOPE_BUDGET_NOTES records wait to be taken; nothing is switched
 *          while there is no room for more.
 * Source:  /proc/PID/stat (proc(5)), clock_getcpuclockid(3): both may be read
 *          of any user's process.
 * Threads: one inside; it asks the attacher, which takes one request after the
 *          other. take and stop from one thread.
 */
#ifndef SCOPE_PIPELINE_BUDGET_H
#define SCOPE_PIPELINE_BUDGET_H

#include "probe/probe.h"

#define SCOPE_BUDGET_NOTES 32
#define SCOPE_BUDGET_BYTES (SCOPE_REC_BYTES + 8 * (2 * SCOPE_KIND_MAX + 1))
#define SCOPE_MILLION 1000000u

enum scope_budget_state {
	SCOPE_BUDGET_OFF,
	SCOPE_BUDGET_DUTY, /* off, after it was on for a part of the time */
	SCOPE_BUDGET_ON,
	SCOPE_BUDGET_END, /* it is off at the end */
	SCOPE_BUDGET_STATES,
};

struct scope_budget;

/* Groups of most worth stay longest; 0: is never taken off. */
unsigned scope_budget_worth(enum scope_group group);
const char *scope_budget_group_name(enum scope_group group);

/* share: of the CPU time of process pid. Works from now on. */
int scope_budget_new(struct scope_probe *probe, pid_t pid, double share,
		     struct scope_budget **ret_budget, struct scope_err *err);
/* Ends its thread. */
void scope_budget_free(struct scope_budget *b);
SCOPE_AUTO(scope_budget)

/* Switch nothing any more; what is off is said to be. */
void scope_budget_stop(struct scope_budget *b);
/* The next record: SCOPE_BUDGET_BYTES at most; its length, or 0. */
size_t scope_budget_take(struct scope_budget *b,
			 uint8_t buf[SCOPE_BUDGET_BYTES]);
/* After the stop: what tracing cost, as a share, and by how much more than
 * calibrated. */
void scope_budget_figures(const struct scope_budget *b, double *ret_cost,
			  double *ret_factor);

#endif
