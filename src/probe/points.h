/* SPDX-License-Identifier: MIT */
/*
 * points: breakpoints of one node, and what their program is told of them.
 *
 * Shapes:  a register (below SCOPE_BREAKS) is set to an address, and reports
 *          from when all threads have it until it is cleared; what is hit
 *          before or after that is not reported.
 * Errors:  -ENOSPC no register is free: others hold them; -EOPNOTSUPP there are
 *          none here; -ESHUTDOWN it is over; with words in err.
 * Threads: any.
 */
#ifndef SCOPE_PROBE_POINTS_H
#define SCOPE_PROBE_POINTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/err.h"
#include "scope/site.h"

struct scope_attacher;
struct scope_points;

/* control: mapped, borrowed, as is the attacher. */
int scope_points_new(struct scope_attacher *a, unsigned slot,
		     struct scope_bpf_control *control,
		     struct scope_points **ret_points);
void scope_points_free(struct scope_points *p);
SCOPE_AUTO(scope_points)

/* Of a register, since it was set. */
struct scope_point_figures {
	uint64_t passed;   /* hits that passed the tests */
	uint64_t armed_ns; /* how long it was set, pauses left out */
};

/* `to`: addr, id, arity, flags and tests; the rest is nothing. What was there
 * is cleared. */
int scope_points_set(struct scope_points *p, unsigned reg,
		     const struct scope_break *to, struct scope_err *err);
/* ret_figures may be NULL. */
void scope_points_clear(struct scope_points *p, unsigned reg,
			struct scope_point_figures *ret_figures);
void scope_points_figures(struct scope_points *p, unsigned reg,
			  struct scope_point_figures *ret_figures);

/* Take all off that are set, or put them back. -ENOSPC: not all. */
int scope_points_pause(struct scope_points *p, bool pause);
/* All off, for good; their figures stay. */
void scope_points_end(struct scope_points *p);
/* When that was; 0: not yet. */
uint64_t scope_points_ended(struct scope_points *p);

/* Hits that the kernel counted and ran no program for. */
uint64_t scope_points_missed(struct scope_points *p);
/* What the trap of a hit takes on this machine, ns; 0: not known yet. */
uint64_t scope_points_trap_ns(struct scope_points *p);

#endif
