/* SPDX-License-Identifier: MIT */
/*
 * The contract of breakpoints: what the collector tells the program that runs
 * where an execution breakpoint on JIT code is hit. A breakpoint is one of the
 * debug registers of the threads that run Erlang code.
 *
 * At a function's entry the X registers hold its arguments, and the word that
 * the stack pointer points to is where it returns to. At the instruction that it
 * returns to, X0 holds the value, and the stack is one word shorter.
 * Sources: erts/emulator/beam/jit/{x86,arm}/beam_asm.hpp (OTP 25.2.3, 27.3.4.1,
 * 29.1.1).
 */
#ifndef SCOPE_BREAK_H
#define SCOPE_BREAK_H

#include <linux/types.h>

#define SCOPE_BREAKS 4 /* debug registers of x86-64 that break on execution */
#define SCOPE_BREAK_TESTS 8
#define SCOPE_BREAK_ARGS 255 /* a function has at most */

/* What a word may be held against, as words: no other than immediates are. A
 * number that is none is let through by an order, and decided on later; but not
 * where it is only counted. */
enum scope_break_op {
	SCOPE_BREAK_EQ,
	SCOPE_BREAK_NE,
	SCOPE_BREAK_LT,
	SCOPE_BREAK_LE,
	SCOPE_BREAK_GT,
	SCOPE_BREAK_GE,
	SCOPE_BREAK_OPS,
};

struct scope_break_test {
	__u64 word; /* Eterm: immediate; small where it is an order */
	__u8 arg;   /* from 0 */
	__u8 op;    /* enum scope_break_op */
	__u16 pad0;
	__u32 pad1;
};

#define SCOPE_BREAK_RETURN 1u /* it is where functions return to */
#define SCOPE_BREAK_COUNT 2u  /* count only */

/* Of one register; in scope_bpf_control. Written by the collector while the
 * register is off, but for since_ns and until_ns; hits and passed by the
 * program. */
struct scope_break {
	__u64 addr; /* 0: none */
	__u64 since_ns, until_ns; /* CLOCK_MONOTONIC: what is reported */
	__u32 id;     /* the collector's, for the record */
	__u16 arity;
	__u16 flags;  /* SCOPE_BREAK_* */
	__u32 ntests; /* all of which must hold */
	__u32 pad0;
	struct scope_break_test test[SCOPE_BREAK_TESTS];
	__u64 hits;   /* runs of the program */
	__u64 passed; /* of those, what was in time and passed its tests */
};

#endif
