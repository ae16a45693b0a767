/* SPDX-License-Identifier: MIT */
/*
 * order: records of several CPUs in the order of their time.
 *
 * Shapes:  batches go in as they come, records come out by time. A record is
 *          let out when everything older must have been read: SLACK before the
 *          start of the last whole drain, because a program notes its time
 *          first and writes its record last; or before the oldest call under
 *          way that is told, with the time of its entry, when it returns.
 *          A record that is still later (its thread was preempted inside the
 *          probe) comes out at once and is counted in `late`.
 * Limits:  SCOPE_BATCHES batches. When all of them are in here, the oldest
 *          records are let out until one is done, because the reader needs it
 *          to end its drain.
 * Memory:  a record is borrowed until the next call of scope_order_next; a
 *          batch whose records are all out is handed to the `done` callback.
 * Threads: one owner.
 */
#ifndef SCOPE_PIPELINE_ORDER_H
#define SCOPE_PIPELINE_ORDER_H

#include "pipeline/reader.h"

#define SCOPE_ORDER_SLACK_NS 5000000u /* 5 ms */

struct scope_order;

struct scope_order *scope_order_new(void (*done)(void *arg,
						 struct scope_batch *b),
				    void *arg);
void scope_order_free(struct scope_order *o);
SCOPE_AUTO(scope_order)

/* -ENOMEM: the batch was not taken; -EBADMSG: it holds what is no record, and
 * its rest is left out. */
int scope_order_add(struct scope_order *o, struct scope_batch *b);
/* The next record that may come out; NULL: none yet. */
const struct scope_rec *scope_order_next(struct scope_order *o);
uint64_t scope_order_late(const struct scope_order *o);

/* Whether data holds a whole, consistent record. */
bool scope_rec_ok(const void *data, size_t len);

#endif
