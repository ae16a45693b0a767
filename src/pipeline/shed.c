/* SPDX-License-Identifier: MIT */
#include "pipeline/shed.h"

#define FULL 0.5
#define EMPTY 0.125
#define DOWN_NS UINT64_C(20000000) /* for a change to show */
#define UP_NS UINT64_C(250000000)

void scope_shed_init(struct scope_shed *s, double most)
{
	*s = (struct scope_shed){ .most = most,
				  .share = most,
				  .why = SCOPE_SHED_ROOM };
}

static bool set(struct scope_shed *s, double share, enum scope_shed_why why,
		uint64_t now_ns)
{
	if (share > s->most)
		share = s->most;
	if (share < SCOPE_SHED_LEAST)
		share = SCOPE_SHED_LEAST < s->most ? SCOPE_SHED_LEAST : s->most;
	if (share == s->share)
		return false;
	s->share = share;
	s->why = why;
	s->changed_ns = now_ns;
	return true;
}

bool scope_shed_update(struct scope_shed *s, const double fill[SCOPE_SHED_ROOM],
		       bool lost, uint64_t now_ns)
{
	unsigned most = 0;

	for (unsigned i = 1; i < SCOPE_SHED_ROOM; i++)
		if (fill[i] > fill[most])
			most = i;
	if (fill[most] >= EMPTY || lost)
		s->calm_ns = 0;
	else if (!s->calm_ns)
		s->calm_ns = now_ns;
	if (fill[most] >= FULL || lost) {
		if (s->changed_ns && now_ns - s->changed_ns < DOWN_NS)
			return false;
		return set(s, s->share / 2, (enum scope_shed_why)most, now_ns);
	}
	if (!s->calm_ns || s->share >= s->most ||
	    now_ns - s->calm_ns < UP_NS || now_ns - s->changed_ns < UP_NS)
		return false;
	return set(s, s->share * 2, SCOPE_SHED_ROOM, now_ns);
}

const char *scope_shed_name(enum scope_shed_why why)
{
	static const char *const names[] = {
		[SCOPE_SHED_KERNEL] = "ring_full",
		[SCOPE_SHED_QUEUE] = "queue_full",
		[SCOPE_SHED_OUTPUT] = "output_full",
		[SCOPE_SHED_ROOM] = "room",
	};

	return names[why];
}
