/* SPDX-License-Identifier: MIT */
/*
 * search: the events of a recording that a filter means, one after the other.
 *
 * Shapes:  frames that can't hold any, by the recording's index, are not read.
 * Errors:  -ENOMEM, -EIO. Damage is no error: what can be read is, and the
 *          recording's gaps tell the rest.
 * Memory:  events are borrowed until the next one.
 * Threads: one owner.
 */
#ifndef SCOPE_QUERY_SEARCH_H
#define SCOPE_QUERY_SEARCH_H

#include "query/expr.h"
#include "store/recording.h"

struct scope_search;

/* Both are borrowed. The expression may be NULL: all events. */
struct scope_search *scope_search_new(struct scope_recording *rec,
				  struct scope_expr *expr);
void scope_search_free(struct scope_search *s);
SCOPE_AUTO(scope_search)

/* Begin with frame `first`, and end before `last`. */
void scope_search_frames(struct scope_search *s, size_t first, size_t last);
/* The next event: 1; 0: there is none, so far. */
int scope_search_next(struct scope_search *s, struct scope_event *ret_ev);

struct scope_search_usage {
	size_t frames, skipped; /* read; known to hold none */
	uint64_t events;	/* looked at */
};
void scope_search_usage(const struct scope_search *s,
		      struct scope_search_usage *ret);

/* When the recording's first and last events were: what offsets are of. */
void scope_search_times(const struct scope_recording *rec,
		      struct scope_expr_opts *ret_opts);

#endif
