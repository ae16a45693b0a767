/* SPDX-License-Identifier: MIT */
#include "pipeline/budget.h"

#include <math.h>

/* In what order they go: scope-bpf(1) tells it. */
static const struct {
	const char *name;
	unsigned worth;
} groups[SCOPE_GROUP_MAX] = {
	[SCOPE_GROUP_PROC] = { "proc", 0 },
	[SCOPE_GROUP_CODE] = { "code", 0 },
	[SCOPE_GROUP_SEND] = { "send", 12 },
	[SCOPE_GROUP_LINK] = { "link", 10 },
	[SCOPE_GROUP_DIST] = { "dist", 10 },
	[SCOPE_GROUP_RECEIVE] = { "receive", 6 },
	[SCOPE_GROUP_GC] = { "gc", 6 },
	[SCOPE_GROUP_PORT] = { "port", 6 },
	[SCOPE_GROUP_TIMER] = { "timer", 4 },
	[SCOPE_GROUP_ATTEMPT] = { "attempt", 3 },
	[SCOPE_GROUP_CALL] = { "call", 2 },
	[SCOPE_GROUP_ETS] = { "ets", 2 },
	[SCOPE_GROUP_BREAK] = { "break", 8 },
	[SCOPE_GROUP_SCHED] = { "sched", 2 },
};

unsigned scope_budget_worth(enum scope_group group)
{
	return groups[group].worth;
}

const char *scope_budget_group_name(enum scope_group group)
{
	return groups[group].name;
}

/* Of those that are on for some of the time, the dearest for its worth. */
static unsigned dearest(const double cost[SCOPE_GROUP_MAX],
			const double part_on[SCOPE_GROUP_MAX])
{
	unsigned best = SCOPE_GROUP_MAX;

	for (unsigned i = 0; i < SCOPE_GROUP_MAX; i++) {
		if (!groups[i].worth || part_on[i] <= 0 || cost[i] <= 0)
			continue;
		if (best == SCOPE_GROUP_MAX ||
		    cost[i] / groups[i].worth >
			    cost[best] / groups[best].worth)
			best = i;
	}
	return best;
}

double scope_budget_plan(double share, double own,
			 const double cost[SCOPE_GROUP_MAX],
			 double part_on[SCOPE_GROUP_MAX])
{
	/* The share is of the time that the node takes with tracing. */
	const double room = share < 1 ? share * own / (1 - share) : INFINITY;
	double sum = 0;
	unsigned i;

	for (i = 0; i < SCOPE_GROUP_MAX; i++) {
		part_on[i] = 1;
		sum += cost[i];
	}
	while (sum > room && (i = dearest(cost, part_on)) < SCOPE_GROUP_MAX) {
		sum -= cost[i];
		part_on[i] = sum < room ? (room - sum) / cost[i] : 0;
		if (part_on[i] > 0)
			sum = room;
	}
	return sum > 0 ? sum / (own + sum) : 0;
}
