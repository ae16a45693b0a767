/* SPDX-License-Identifier: MIT */
#include "pipeline/budget.h"

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
