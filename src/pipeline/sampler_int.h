/* SPDX-License-Identifier: MIT */
/* sampler, its insides: sampler.c takes samples, sampler_stack.c makes stacks of
 * them. */
#ifndef SCOPE_PIPELINE_SAMPLER_INT_H
#define SCOPE_PIPELINE_SAMPLER_INT_H

#include "pipeline/sampler.h"
#include "scope/profile.h"
#include "target/wayback.h"
#include "target/kallsyms.h"
#include "target/naming.h"
#include "target/unwind.h"

struct scope_map;
struct scope_ringbuf;

#define SCOPE_STACK_MAX                                                        \
	(SCOPE_SAMPLE_FRAMES + SCOPE_SAMPLE_TAIL + SCOPE_SAMPLE_KERNEL + 256)

struct sampled_thread {
	pid_t tid;
	unsigned no;
	bool is_dirty;
	uint64_t addr; /* of the scheduler's data */
};

struct scope_sampler {
	struct scope_target *t; /* borrowed */
	const struct scope_target_info *info;
	struct scope_profile *profile; /* borrowed */
	struct scope_attacher *a;      /* borrowed */
	unsigned slot;
	struct scope_sampler_opts opts;
	struct scope_naming *naming;	    /* owned */
	struct scope_unwind *unwind;	    /* owned */
	struct scope_ringbuf *rings;	    /* owned */
	struct scope_sample_shared *shared; /* mapped */
	struct sampled_thread *threads;	    /* owned */
	size_t nthreads;
	size_t unfound; /* threads whose scheduler's data is not known */
	struct scope_interpreter_regs regs; /* of an interpreter */
	uint64_t main_lo, main_hi;	    /* its main function */
	struct scope_map *frames; /* owned: address to struct place, packed */
	struct scope_map *procs;  /* owned: pid to its number in the profile */
	struct scope_kallsyms *kallsyms; /* owned; NULL: not to be had */
	struct scope_map *natives; /* owned: address to its frame */
	struct scope_map *sites;  /* owned: address to enum scope_wayback */
	uint64_t forgot_ns;
	struct scope_sampler_counts counts;
	uint32_t stack[SCOPE_STACK_MAX]; /* of the sample under way */
};

/* data: the words behind *raw. */
void scope_sampler_resolve(struct scope_sampler *s,
			   const struct scope_sample *raw, const uint64_t *data,
			   struct scope_sampled *ret_stack);
/* Names and call sites are looked for anew: code may have been replaced. */
void scope_sampler_forget(struct scope_sampler *s);

#endif
