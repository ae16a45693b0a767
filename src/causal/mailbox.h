/* SPDX-License-Identifier: MIT */
/*
 * mailbox: which send a received message came from.
 *
 * A message is known by its receiver and its address; a garbage collection may
 * move it, and a message through an alias is copied, so otherwise it is the
 * oldest one queued for that receiver by the same sender with the same
 * contents: order decides, and is said to.
 * Signals that become messages (DOWN, EXIT) are noted by the reference of the
 * monitor or the process that ended.
 *
 * Order decides only for a receiver whose queue is known to hold nothing that
 * was not seen being sent: since it was seen empty, or since it was spawned.
 * When sends or receives are lost, that is known of nobody any more, and what
 * happens in that time is left out.
 *
 * Limits:  SCOPE_MAILBOX_MAX messages under way; the oldest is forgotten.
 *          A match by order is looked for among the SCOPE_MAILBOX_SEARCH oldest
 *          ones of the receiver.
 * Memory:  all owned, allocated at creation.
 * Threads: one owner.
 */
#ifndef SCOPE_CAUSAL_MAILBOX_H
#define SCOPE_CAUSAL_MAILBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/auto.h"

#define SCOPE_MAILBOX_MAX (1u << 18)
#define SCOPE_MAILBOX_SEARCH 1024u

enum scope_queued {
	SCOPE_QUEUED_MESSAGE,
	SCOPE_QUEUED_DOWN, /* from: a digest of the monitor's reference */
	SCOPE_QUEUED_EXIT, /* from: the process that ended */
};

struct scope_shape {
	uint64_t from;   /* Eterm of the sender, as the VM notes it */
	uint64_t digest; /* of the contents, whatever their addresses */
};

struct scope_match {
	uint64_t ts_ns; /* when it was sent */
	uint64_t addr, n; /* of its correlation */
	bool by_order;
};

struct scope_mailbox;

struct scope_mailbox *scope_mailbox_new(void);
void scope_mailbox_free(struct scope_mailbox *m);
SCOPE_AUTO(scope_mailbox)

/* Note a message sent to `to`; returns its number n, or 0 when nothing can be
 * said of that time. addr 0: not known. */
uint64_t scope_mailbox_sent(struct scope_mailbox *m, uint64_t to, uint64_t addr,
			    enum scope_queued what,
			    const struct scope_shape *shape, uint64_t ts_ns);
/* Find and take the one that `to` received now. */
bool scope_mailbox_received(struct scope_mailbox *m, uint64_t to, uint64_t addr,
			    enum scope_queued what,
			    const struct scope_shape *shape, uint64_t ts_ns,
			    struct scope_match *ret_match);
/* The queue of a process was empty then, or it did not exist before. */
void scope_mailbox_synced(struct scope_mailbox *m, uint64_t pid,
			  uint64_t ts_ns);
/* Sends or receives were lost, until then. */
void scope_mailbox_lost(struct scope_mailbox *m, uint64_t until_ns);
/* From now on some are not seen, until it goes on. */
void scope_mailbox_pause(struct scope_mailbox *m);
void scope_mailbox_resume(struct scope_mailbox *m, uint64_t ts_ns);
/* A process ended: forget what was queued for it. */
void scope_mailbox_ended(struct scope_mailbox *m, uint64_t pid);

#endif
