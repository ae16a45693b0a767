/* SPDX-License-Identifier: MIT */
/*
 * sampler: what the schedulers of a node run, sampled by clock, as stacks of
 * functions.
 *
 * Shapes:  scope_sampler_start begins; scope_sampler_poll hands each sample that
 *          was taken meanwhile to a function, as a stack whose frames are of a
 *          scope_profile.
 * Frames:  of Erlang, outermost first; on top what is known of the C code that
 *          the process is in: the BIF or NIF, `gc`. C functions and the kernel's
 *          only where they were asked for. A stack of which frames are missing
 *          says why in its first frame, or where they are missing.
 * Losses:  samples for which there was no room are counted.
 * Errors:  with words in err: -EPERM -ENOTSUP as attaching; -ENOTSUP code can't
 *          be told here; -ESRCH the node is gone.
 * Memory:  a scope_stack is borrowed for the call.
 * Threads: one owner, who is the target's.
 */
#ifndef SCOPE_PIPELINE_SAMPLER_H
#define SCOPE_PIPELINE_SAMPLER_H

#include "export/profile.h"
#include "target/target.h"

struct scope_sampler;

struct scope_sampler_opts {
	unsigned hz; /* of each scheduler's processor time */
	bool wants_native, wants_kernel;
	bool waits; /* stacks of processes that are left, and that they are
		       taken up, instead of samples; hz is nothing then */
	int kallsyms; /* descriptor of /proc/kallsyms, borrowed; -1: none */
};

/* Why frames of a stack are missing. */
enum scope_incomplete {
	SCOPE_STACK_COMPLETE = 0, /* down to the bottom; of a stack that is deeper
				     than SCOPE_SAMPLE_FRAMES, but for those in
				     between */
	SCOPE_STACK_GC,	     /* the heap is being moved */
	SCOPE_STACK_MOVED,   /* its bounds are not one heap's */
	SCOPE_STACK_UNREAD,  /* its memory could not be read */
	SCOPE_STACK_TOP,     /* where it begins is not known */
	SCOPE_STACK_BOTTOM,  /* the last frame is not a process's first */
	SCOPE_STACK_EXITING, /* the process is being taken apart */
	SCOPE_STACK_REASONS,
};
/* For people and programs: "collection". Static. */
const char *scope_incomplete_name(enum scope_incomplete why);

struct scope_sampled {
	uint64_t ts_ns;
	uint64_t pid;	 /* Eterm; 0: the scheduler itself */
	unsigned scheduler; /* as erlang:system_info(scheduler_id) */
	uint32_t proc;	 /* in the profile; SCOPE_PROFILE_NONE */
	const uint32_t *frames; /* in the profile, outermost first */
	size_t n;
	bool is_out;	 /* it is left, and waits; on top is what for */
	bool is_in;	 /* it is taken up; there are no frames */
	bool is_gc;	 /* it collects garbage */
	bool has_leaf;	 /* the function on top is known */
	bool is_deep;	 /* frames in between are left out */
	enum scope_incomplete incomplete;
};

struct scope_sampler_counts {
	uint64_t taken, lost; /* by the kernel's side; lost ones among taken */
	uint64_t run_ns, runs; /* what its program took, and how often it ran */
	uint64_t delivered;
	uint64_t of_processes; /* delivered; of the others none ran */
	uint64_t attributed;   /* of_processes: the function on top is known */
	uint64_t in_gc;
	uint64_t deep;
	uint64_t incomplete[SCOPE_STACK_REASONS]; /* of_processes, by reason */
	uint64_t complete_outside_gc, outside_gc;
	unsigned threads;
};

/* Both are borrowed. */
int scope_sampler_start(struct scope_target *t, struct scope_profile *p,
			const struct scope_sampler_opts *opts,
			struct scope_sampler **ret_sampler,
			struct scope_err *err);
/* Stops when fn returns a negative number, and returns that. */
int scope_sampler_poll(struct scope_sampler *s,
		       int (*fn)(void *arg, const struct scope_sampled *stack),
		       void *arg);
/* No samples after this; those that were taken can still be polled. */
void scope_sampler_stop(struct scope_sampler *s);
void scope_sampler_counts(const struct scope_sampler *s,
			  struct scope_sampler_counts *ret);
void scope_sampler_free(struct scope_sampler *s);
SCOPE_AUTO(scope_sampler)

#endif
