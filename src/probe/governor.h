/* SPDX-License-Identifier: MIT */
/*
 * governor: which probes may stay, so that tracing costs no more than its share
 * of the node's CPU time.
 *
 * Shapes:  pure: it is fed with counters, and says which group of probes to
 *          take off or to put back, and when it wants to be fed again.
 *          Room is kept as an account: it earns the share of the CPU time that
 *          the node takes, and pays for what the probes cost. In debt, the
 *          group that is worth least for what it costs is taken off; with room,
 *          the one worth most for that comes back. So a group that costs more
 *          than there is room for is on for a part of the time: some 2 s a
 *          turn. Debts are forgiven after 30 s, so that a node that fell quiet
 *          is looked at again.
 * Cost:    calibrated cost (calibrate.h) is that of warm caches. What a busy
 *          node pays is more, by a factor that is learned where probes come and
 *          go: by how much the CPU time that goes with the node's work rises
 *          with them (least squares, a minute back). Work is reductions, which
 *          tracing does not change. Until then, and where work is not known,
 *          the factor is SCOPE_GOVERNOR_FACTOR.
 * Missed:  while a group is off its events are taken to go with the node's work
 *          as they did when it was on; where that is not known, with the CPU
 *          time that the node has for itself.
 * Units:   nanoseconds; counters rise only.
 * Threads: plain data, one owner.
 */
#ifndef SCOPE_PROBE_GOVERNOR_H
#define SCOPE_PROBE_GOVERNOR_H

#include "base/auto.h"
#include "scope/site.h"
#include "wire/event.h"

/* Measured on nodes that play ping-pong: 1.1 to 1.25, with both ends watched
 * and with one. */
#define SCOPE_GOVERNOR_FACTOR 1.2

struct scope_governor;

struct scope_governor_opts {
	double share; /* of the node's CPU time, above 0 */
	struct {
		unsigned worth; /* 0: never taken off */
		scope_kindset kinds;
	} group[SCOPE_GROUP_MAX];
};

struct scope_governor_sample {
	uint64_t now_ns;
	uint64_t cpu_ns;    /* of the node, all threads */
	uint64_t work;	    /* reductions; UINT64_MAX, at first: not known */
	uint64_t cost_ns[SCOPE_GROUP_MAX]; /* as calibrated */
	uint64_t events[SCOPE_KIND_MAX];
};

struct scope_governor_action {
	enum scope_group group; /* SCOPE_GROUP_MAX: none */
	bool on;
	double share; /* off: part of its last turn that it was on; 1: all */
};

/* NULL: no memory. The first sample only begins. */
struct scope_governor *
scope_governor_new(const struct scope_governor_opts *opts,
		   const struct scope_governor_sample *first);
void scope_governor_free(struct scope_governor *g);
SCOPE_AUTO(scope_governor)

/* Feed; *ret_action is to be done now. Returns in how many ns to feed again. */
uint64_t scope_governor_step(struct scope_governor *g,
			     const struct scope_governor_sample *s,
			     struct scope_governor_action *ret_action);
/* That was done, and this is how things are now. */
void scope_governor_done(struct scope_governor *g,
			 const struct scope_governor_action *action,
			 const struct scope_governor_sample *s);
/* Add the events that a group has missed since it was taken off last, until it
 * was put back, by kind; returns their sum. */
uint64_t scope_governor_missed(const struct scope_governor *g,
			       enum scope_group group,
			       uint64_t missed[SCOPE_KIND_MAX]);
bool scope_governor_is_on(const struct scope_governor *g,
			  enum scope_group group);
/* Of the last half minute or so, the part of the time that it was on. */
double scope_governor_part_on(const struct scope_governor *g,
			      enum scope_group group);
/* Of the node's CPU time of the last half minute or so, what tracing took, by
 * the factor as it is known now. */
double scope_governor_cost(const struct scope_governor *g);
/* By how much more than calibrated tracing costs, as learned. */
double scope_governor_factor(const struct scope_governor *g);

#endif
