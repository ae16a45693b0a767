/* SPDX-License-Identifier: MIT */
/*
 * roster: which nodes there are, which of them are watched, and when the others
 * are to be tried (again).
 *
 * Shapes:  a place is taken by a node from when it is first seen until it is
 *          neither seen nor watched any more. A node is known by its process id
 *          and the time it started at.
 * Policy:  a new node is tried at once. One whose watching ends while it lives is
 *          tried again after 1 s, then 2, 4… up to 60; after 60 s of watching
 *          from the start again. What can't be watched (no BEAM, another OTP, no
 *          right) is tried SCOPE_ROSTER_TRIES times, as a node that is just
 *          starting looks like that, and then left alone.
 * Limits:  SCOPE_ROSTER_MAX nodes; others are counted.
 * Threads: one owner. Times are given, so that tests have their own.
 */
#ifndef SCOPE_CLI_ROSTER_H
#define SCOPE_CLI_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "target/find.h"

#define SCOPE_ROSTER_MAX 64
#define SCOPE_ROSTER_TRIES 5

struct scope_roster_node {
	pid_t pid; /* 0: a free place */
	uint64_t started;
	char name[64]; /* for people; "" */
	bool is_seen;	/* by the last scan */
	bool is_watched; /* from begun to ended */
	bool is_left;	/* can't be watched: no further tries */
	unsigned tries;	/* that ended, one after the other */
	uint64_t begun_ns, due_ns;
};

struct scope_roster {
	struct scope_roster_node node[SCOPE_ROSTER_MAX];
	size_t unplaced; /* nodes that the last scan had no place for */
};

/* What a scan found: n nodes, those that match alone. */
void scope_roster_scan(struct scope_roster *r, const struct scope_found *found,
		       size_t n, uint64_t now_ns);
/* A node to begin with now, or -1. */
int scope_roster_due(const struct scope_roster *r, uint64_t now_ns);
void scope_roster_begun(struct scope_roster *r, unsigned at, uint64_t now_ns);

enum scope_roster_end {
	SCOPE_ROSTER_DONE,   /* of itself: the node ended, most likely */
	SCOPE_ROSTER_FAILED, /* crashed, or something went wrong */
	SCOPE_ROSTER_UNABLE, /* the node can't be watched */
};
/* Watching has ended. How long until the next try, in seconds; 0: there is
 * none, as far as is known. */
unsigned scope_roster_ended(struct scope_roster *r, unsigned at,
			    enum scope_roster_end how, uint64_t now_ns);

#endif
