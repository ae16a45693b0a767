/* SPDX-License-Identifier: MIT */
/*
 * backlog: lines that wait for a place in a stream, of which the newest stay
 * when there is no more room.
 *
 * Shapes:  lines come out in the order in which they were put. Where there is no
 *          room the oldest that may go are dropped, and counted by kind; lines to
 *          keep have a reserve, and stay when younger ones are dropped.
 * Errors:  -ENOBUFS a line is longer than there may be, or the reserve is full.
 * Threads: one owner.
 */
#ifndef SCOPE_EXPORT_BACKLOG_H
#define SCOPE_EXPORT_BACKLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "scope/event.h"

struct scope_backlog;

/* NULL: no memory. */
struct scope_backlog *scope_backlog_new(size_t cap);
void scope_backlog_free(struct scope_backlog *b);
SCOPE_AUTO(scope_backlog)

int scope_backlog_put(struct scope_backlog *b, const char *line, size_t len,
		      unsigned kind, bool keep);
/* The oldest line; NULL: none. Borrowed until the next put or pop. */
const char *scope_backlog_next(const struct scope_backlog *b, size_t *ret_len,
			       bool *ret_keep);
/* Take it out. */
void scope_backlog_pop(struct scope_backlog *b);

/* Lines that wait. */
size_t scope_backlog_lines(const struct scope_backlog *b);
/* How full it is, from 0 to 1. */
double scope_backlog_fill(const struct scope_backlog *b);
/* Lines dropped since the start, by kind. Borrowed. */
const uint64_t *scope_backlog_dropped(const struct scope_backlog *b);

#endif
