/* SPDX-License-Identifier: MIT */
/*
 * contents: what one process holds beside its stack: its dictionary and its
 * messages, one after the other.
 *
 * Shapes:  words are Eterms, good while the process does not run: they are to be
 *          copied (beam/copy.h) in the callback.
 * Torn:    scope_contents_changed, afterwards: the process has run, or got
 *          another queue, since the walk began; what was copied may be of two
 *          moments then.
 * Limits:  as many entries as are asked for; SCOPE_CONTENTS_STEPS reads.
 * Errors:  -ESRCH the process is not there (any more); -EFAULT from reading.
 *          What can't be followed ends the walk, which is no error.
 * Threads: as the vm's.
 * Source:  erl_process_dict.c (ProcDict), erl_proc_sig_queue.h
 *          (ErtsSignalPrivQueues, ErtsSignalInQueue and its buffers), erl_message.h
 *          (ErtsMessage); layout's pd_*, sq_*, si_*, sb_*, m_*.
 */
#ifndef SCOPE_TARGET_CONTENTS_H
#define SCOPE_TARGET_CONTENTS_H

#include "beam/vm.h"

#define SCOPE_CONTENTS_STEPS (1u << 20)

struct scope_contents {
	struct scope_vm *vm;	  /* borrowed */
	uint64_t pid, proc;	  /* Eterm; address of the Process */
	uint64_t mark[4];	  /* what tells that it has not changed */
};

/* Begin with a process, at an address. */
int scope_contents_of(struct scope_vm *vm, uint64_t pid, uint64_t proc,
		      struct scope_contents *ret_contents);

/* Call fn for each entry of the dictionary, in no order, or for each message, the
 * oldest first; at most `max` of them. `term` 0: a message from another node that
 * is not decoded yet. from: Eterm, or 0. Stops when fn returns non-zero, and
 * returns that. */
int scope_contents_pairs(const struct scope_contents *c, size_t max,
			 int (*fn)(void *arg, uint64_t key, uint64_t value),
			 void *arg);
int scope_contents_messages(const struct scope_contents *c, size_t max,
			    int (*fn)(void *arg, uint64_t term, uint64_t from),
			    void *arg);
bool scope_contents_changed(const struct scope_contents *c);

#endif
