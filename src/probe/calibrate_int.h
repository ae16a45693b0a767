/* SPDX-License-Identifier: MIT */
/* calibrate, its insides: shared by the files of src/probe/calibrate*.c. */
#ifndef SCOPE_PROBE_CALIBRATE_INT_H
#define SCOPE_PROBE_CALIBRATE_INT_H

#include <sys/types.h>

#include "beam/layout.h"
#include "probe/calibrate.h"

/* -- calibrate_child.c: a process of our own that does nothing but call ------- */

/* The functions it can call. The first ones begin with the instruction of that
 * number in enum scope_insn; the rest with the cheapest. */
enum scope_cal_fn {
	SCOPE_CAL_INSNS = 0,
	SCOPE_CAL_BARE = SCOPE_INSN_MAX, /* never probed */
	SCOPE_CAL_PAIR,	 /* probed at entry and return */
	SCOPE_CAL_USDT,	 /* with a semaphore */
	SCOPE_CAL_BREAK, /* under a hardware breakpoint */
	SCOPE_CAL_SEND,	 /* called as the runtime's queue_messages is */
	SCOPE_CAL_GC,	 /* and as its garbage_collect */
	SCOPE_CAL_FNS,
	/* Not a function: watch the clock, and note when it was away. */
	SCOPE_CAL_GAPS = SCOPE_CAL_FNS,
};

/* Words of the term that SCOPE_CAL_SEND puts into a queue. */
#define SCOPE_CAL_TERM_WORDS 16

struct scope_cal_child;

int scope_cal_child_start(struct scope_cal_child **ret_child);
void scope_cal_child_free(struct scope_cal_child *c);
SCOPE_AUTO(scope_cal_child)
pid_t scope_cal_child_pid(const struct scope_cal_child *c);

/* Call fn for so long in CPU time, and at most `max` times. */
int scope_cal_child_run(struct scope_cal_child *c, unsigned fn,
			uint64_t for_ns, uint64_t max, uint64_t *ret_calls,
			uint64_t *ret_ns);
/* What SCOPE_CAL_GAPS noted: pauses in ns. Borrowed. */
const uint32_t *scope_cal_child_gaps(const struct scope_cal_child *c,
				     size_t *ret_n);
/* Value of the semaphore, as the child sees it. */
unsigned scope_cal_child_semaphore(const struct scope_cal_child *c);

/* Address in the child. */
uint64_t scope_cal_address(unsigned fn);
/* Offset in /proc/self/exe; -ENOENT. */
int scope_cal_offset(unsigned fn, uint64_t *ret_offset);
int scope_cal_semaphore_offset(uint64_t *ret_offset);

/* The layout that the child's process, message and heap follow. */
const struct scope_layout *scope_cal_layout(void);

/* -- calibrate_prog.c: what our own programs take ------------------------------ */

/* ns of the call with the real program attached, all in all. words: budget of
 * a term. -ENOTSUP: it reported nothing. */
int scope_cal_send_ns(struct scope_cal_child *child, unsigned words,
		      uint32_t *ret_ns, struct scope_err *err);
int scope_cal_gc_ns(struct scope_cal_child *child, uint32_t *ret_ns,
		    struct scope_err *err);

/* -- calibrate_run.c ------------------------------------------------------------- */

/* What functions mostly begin with, and those for pairs and our programs do. */
static inline enum scope_insn scope_cal_usual(void)
{
#if defined(__aarch64__)
	return SCOPE_INSN_NOP;
#else
	return SCOPE_INSN_PUSH;
#endif
}

/* scope_calibrate without keeping or using. */
int scope_cal_run(const struct scope_calibrate_opts *opts,
		  struct scope_calibration *ret, struct scope_err *err);

struct bpf_program;
struct scope_link;
/* A program onto sites of our own file, for the child. */
int scope_cal_link(struct bpf_program *prog, bool is_multi,
		   struct scope_cal_child *child,
		   const struct scope_attach_site *const *list, size_t n,
		   struct scope_link **ret_link, struct scope_err *err);

/* -- shared --------------------------------------------------------------------- */

/* Median of a few rounds, without the loop itself, in ns a call; 0: failed. */
uint32_t scope_cal_measure(struct scope_cal_child *child, unsigned fn,
			   uint64_t round_ns, unsigned rounds, uint64_t max);

#endif
