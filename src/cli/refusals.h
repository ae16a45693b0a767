/* SPDX-License-Identifier: MIT */
/*
 * refusals: what a receiver refused of the lines of several observers, counted
 * where they are handed on, and told to the observer whose lines they were, so
 * that it can say so in its stream.
 *
 * Shapes:  the counts are in memory that is shared with processes forked later;
 *          which process id is in which place is known to this one alone.
 * Trust:   observers are to make the counts read-only; one that does not could
 *          make others tell wrong numbers, and no more.
 * Threads: seat from one; count from another one; counts are read by any.
 */
#ifndef SCOPE_CLI_REFUSALS_H
#define SCOPE_CLI_REFUSALS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/auto.h"

struct scope_refusals;

/* For n observers. -ENOMEM. */
int scope_refusals_new(size_t n, struct scope_refusals **ret_refusals);
void scope_refusals_free(struct scope_refusals *r);
SCOPE_AUTO(scope_refusals)

/* From now on lines with this os_pid are of that place; 0: of nobody. */
void scope_refusals_seat(struct scope_refusals *r, size_t at, pid_t os_pid);
/* Whole lines that were refused; those of nobody who has a place are late.
 * As scope_writer.refuse takes it: arg is a struct scope_refusals. */
void scope_refusals_count(void *arg, const char *lines, size_t n);
/* Lines that were refused when nobody was left to say so. */
uint64_t scope_refusals_late(const struct scope_refusals *r);
/* What was refused, by kind, of a place: since the start, whoever had it. */
const uint64_t *scope_refusals_of(const struct scope_refusals *r, size_t at);
/* In an observer: give up the right to write there. 0, or -errno. */
int scope_refusals_keep(struct scope_refusals *r);

#endif
