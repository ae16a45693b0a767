/* SPDX-License-Identifier: MIT */
/*
 * shed: which share of all conversations is kept, so that what is kept gets
 * through: less when a buffer on the way fills, all again when there is room.
 *
 * Shapes:  the share is halved while a buffer is half full or something is
 *          lost, and doubled when all have been nearly empty for a while,
 *          up to the share that was asked for.
 * Threads: plain data.
 */
#ifndef SCOPE_PIPELINE_SHED_H
#define SCOPE_PIPELINE_SHED_H

#include <stdbool.h>
#include <stdint.h>

#define SCOPE_SHED_LEAST (1.0 / 1024)

/* Which buffer filled. */
enum scope_shed_why {
	SCOPE_SHED_KERNEL, /* from the kernel */
	SCOPE_SHED_QUEUE,  /* of batches to be decoded */
	SCOPE_SHED_OUTPUT, /* of lines to be written */
	SCOPE_SHED_ROOM,   /* none: there is room again */
	SCOPE_SHED_WHYS,
};

struct scope_shed {
	double most, share;
	enum scope_shed_why why; /* of the last change */
	uint64_t changed_ns, calm_ns; /* 0: not, or not calm */
};

/* most: the share that was asked for. */
void scope_shed_init(struct scope_shed *s, double most);
/* fill: how full each of the buffers is, by enum scope_shed_why, from 0 to 1;
 * lost: whether events were lost since the last call. Whether `share` changed. */
bool scope_shed_update(struct scope_shed *s, const double fill[SCOPE_SHED_ROOM],
		       bool lost, uint64_t now_ns);
/* The buffer's name in events; static. */
const char *scope_shed_name(enum scope_shed_why why);

#endif
