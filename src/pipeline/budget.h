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
 * Source:  clock_getcpuclockid(3), which may be read of any user's process;
 *          erl_process.c, erts_schedule: a scheduler counts the reductions of a
 *          process when it leaves it (OTP 23.2.6, 25.2.3, 27.3.4.1, 29.1.1).
 * Threads: one inside; it asks the attacher, which takes one request after the
 *          other. take and stop from one thread, look from any.
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

/* What a budget comes to, on a node that takes so much CPU time for itself,
 * where each group costs so much while it is on (CPUs; 0: it does nothing).
 * part_on: of the time that each is on, in the long run. Returns the share that
 * tracing takes then. */
double scope_budget_plan(double share, double own,
			 const double cost[SCOPE_GROUP_MAX],
			 double part_on[SCOPE_GROUP_MAX]);

/* share: of the target's CPU time. Works from now on; borrows both. */
int scope_budget_new(struct scope_target *t, struct scope_probe *probe,
		     double share,
		     struct scope_budget **ret_budget, struct scope_err *err);
/* Ends its thread. */
void scope_budget_free(struct scope_budget *b);
SCOPE_AUTO(scope_budget)

/* Switch nothing any more; what is off is said to be. */
void scope_budget_stop(struct scope_budget *b);
/* The next record: SCOPE_BUDGET_BYTES at most; its length, or 0. */
size_t scope_budget_take(struct scope_budget *b,
			 uint8_t buf[SCOPE_BUDGET_BYTES]);
/* How things are now, from any thread. */
struct scope_budget_now {
	double share;  /* asked for */
	double cost;   /* what tracing took of the node's CPU time lately */
	double factor; /* by how much more than calibrated it costs */
	struct {
		bool is_there; /* it has probes */
		bool is_on;
		double part_on; /* of the time, lately */
	} group[SCOPE_GROUP_MAX];
};
void scope_budget_look(struct scope_budget *b,
		       struct scope_budget_now *ret_now);

#endif
