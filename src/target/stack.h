/* SPDX-License-Identifier: MIT */
/*
 * stack: the Erlang stack of a process, as frames, from its words.
 *
 * Shapes:  the live part of a stack is the words from E (Process.stop, unless
 *          the process runs) up to hend. What is no term among them is a return
 *          address, or, where code keeps frame pointers, the frame pointer
 *          before one. Each frame is a place in code and its Y registers, which
 *          stand before the address that it returns to:
 *
 *            y0 … yn-1 [frame pointer] return address
 *
 *          A stack ends with the address of what ends a process.
 * Torn:    a process that runs changes its stack under the reader. One that does
 *          not is read again when it was changed meanwhile; see scope_stack_same.
 * Limits:  the words and frames asked for, SCOPE_STACK_WORDS at most.
 * Errors:  -ESRCH there is no such process (any more); -EFAULT its memory can't
 *          be read; -EBADMSG its struct contradicts itself; -ENOMEM.
 * Memory:  a scope_stack owns its arrays: scope_stack_done.
 * Threads: the target's owner.
 * Source:  gather_stacktrace in beam_emu.c (OTP 23), beam_common.c (25, 27, 29);
 *          erts_inspect_frame in jit/beam_asm.h; y(N) in beam_emu.c.
 */
#ifndef SCOPE_TARGET_STACK_H
#define SCOPE_TARGET_STACK_H

#include "target/naming.h"

#define SCOPE_STACK_WORDS (64u << 20)

struct scope_stack_frame {
	uint64_t addr;	/* of an instruction; with is_return: the one after */
	bool is_return; /* a call returns there */
	bool is_own;	/* of what processes end with, or of tracing */
	uint32_t y, ny; /* its Y registers: words[y], as many as ny */
};

struct scope_stack {
	uint64_t pid, proc; /* Eterm; address of the Process */
	uint64_t at;	    /* address of words[0] */
	uint64_t heap, hend; /* its block: heap, then stack */
	uint64_t i;	  /* Process.i, current, as read; state too */
	uint64_t current;
	uint32_t state;
	uint64_t *words;  /* owned; nwords of them */
	size_t nwords;
	struct scope_stack_frame *frames; /* owned */
	size_t nframes;
	size_t words_all; /* how many the stack has */
	size_t odd;	  /* words that are neither term nor return address */
	bool in_fragment; /* frames[0] is: words[0] may be where it was called */
	bool is_cut;	  /* it has more words or frames than were asked for */
	bool is_whole;	  /* it ends as stacks do */
	bool is_torn;	  /* it changed while it was read, again and again */
	uint8_t mark[48]; /* for scope_stack_same */
};

struct scope_stack_opts {
	size_t frames; /* at most; 0: no limit */
	size_t words;  /* at most; 0: SCOPE_STACK_WORDS */
	/* Of a process that runs, where that is known; else 0. */
	uint64_t e;    /* top of its stack */
	uint64_t pc;   /* where it is: frames[0]; 0: Process.i */
	bool pc_is_return; /* it calls something there */
	const uint64_t *copy; /* what was at e then; borrowed */
	size_t copied; /* words of it */
};

/* The stack of the process at an address that has this id. */
int scope_stack_read(struct scope_target *t, struct scope_naming *n,
		     const struct scope_proc *p,
		     const struct scope_stack_opts *opts,
		     struct scope_stack *ret_stack);
void scope_stack_done(struct scope_stack *s);

/* Has the process not run since? What its words point to, and was read since
 * scope_stack_read, was then as it is said to be. */
bool scope_stack_same(struct scope_target *t, const struct scope_stack *s);

/* The part of the above that looks at nothing but words: frames of those of `s`
 * (at, hend, words, nwords, in_fragment), the first of them at `pc`. is_code tells of a word
 * whether it is a return address (1), one of what is its own (2), or not (0). */
int scope_stack_walk(struct scope_stack *s, bool has_frame_pointers,
		     uint64_t pc, size_t max_frames,
		     int (*is_code)(void *arg, uint64_t word), void *arg);

#endif
