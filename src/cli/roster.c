/* SPDX-License-Identifier: MIT */
#include "cli/roster.h"

#include <stdio.h>
#include <string.h>

#define NS_PER_S UINT64_C(1000000000)
#define WAIT_MAX_S 60u
#define GOOD_NS (60 * NS_PER_S) /* watched so long: all was well */

static struct scope_roster_node *place_of(struct scope_roster *r,
					  const struct scope_found *f)
{
	struct scope_roster_node *unused = NULL;

	for (size_t i = 0; i < SCOPE_ROSTER_MAX; i++) {
		struct scope_roster_node *n = &r->node[i];

		if (n->pid == f->pid && n->started == f->started)
			return n;
		if (!n->pid && !unused)
			unused = n;
	}
	return unused;
}

/* Places of what is gone; a process whose last words still come keeps its. */
static void forget(struct scope_roster *r)
{
	for (size_t i = 0; i < SCOPE_ROSTER_MAX; i++) {
		struct scope_roster_node *n = &r->node[i];

		if (!n->is_seen && !n->is_watched)
			n->pid = 0;
	}
}

void scope_roster_scan(struct scope_roster *r, const struct scope_found *found,
		       size_t n, uint64_t now_ns)
{
	for (size_t i = 0; i < SCOPE_ROSTER_MAX; i++) {
		struct scope_roster_node *at = &r->node[i];

		at->is_seen = false;
		for (size_t k = 0; at->pid && k < n; k++)
			at->is_seen |= found[k].pid == at->pid &&
				       found[k].started == at->started;
	}
	forget(r);
	r->unplaced = 0;
	for (size_t k = 0; k < n; k++) {
		struct scope_roster_node *at = place_of(r, &found[k]);

		if (!at) {
			r->unplaced++;
			continue;
		}
		if (at->pid)
			continue;
		*at = (struct scope_roster_node){
			.pid = found[k].pid,
			.started = found[k].started,
			.is_seen = true,
			.due_ns = now_ns,
		};
		(void)snprintf(at->name, sizeof(at->name), "%.63s",
			       found[k].node);
	}
}

int scope_roster_due(const struct scope_roster *r, uint64_t now_ns)
{
	for (size_t i = 0; i < SCOPE_ROSTER_MAX; i++) {
		const struct scope_roster_node *n = &r->node[i];

		if (n->pid && n->is_seen && !n->is_watched && !n->is_left &&
		    n->due_ns <= now_ns)
			return (int)i;
	}
	return -1;
}

void scope_roster_begun(struct scope_roster *r, unsigned at, uint64_t now_ns)
{
	r->node[at].is_watched = true;
	r->node[at].begun_ns = now_ns;
}

unsigned scope_roster_ended(struct scope_roster *r, unsigned at,
			    enum scope_roster_end how, uint64_t now_ns)
{
	struct scope_roster_node *n = &r->node[at];
	unsigned wait_s = 1;

	n->is_watched = false;
	if (now_ns - n->begun_ns >= GOOD_NS)
		n->tries = 0;
	n->tries++;
	if (how == SCOPE_ROSTER_UNABLE && n->tries >= SCOPE_ROSTER_TRIES)
		n->is_left = true;
	for (unsigned i = 1; i < n->tries && wait_s < WAIT_MAX_S; i++)
		wait_s *= 2;
	if (wait_s > WAIT_MAX_S)
		wait_s = WAIT_MAX_S;
	n->due_ns = now_ns + wait_s * NS_PER_S;
	return n->is_left || !n->is_seen || how == SCOPE_ROSTER_DONE ? 0 :
								       wait_s;
}
