/* SPDX-License-Identifier: MIT */
/*
 * wayback: where the Erlang stack is while C code runs.
 *
 * Shapes:  the JIT's code leaves the Erlang stack for the scheduler's before it
 *          calls C, and comes back to it afterwards. How it comes back shows
 *          where the stack pointer is kept meanwhile: in the process, or in a
 *          register that C code preserves. An interpreter keeps process and
 *          stack pointer in registers that its compiler chose; which, its own
 *          code shows wherever it saves them.
 * Errors:  -ENOENT not to be seen in this code; -ENOTSUP not on this machine;
 *          -EFAULT -ESRCH from reading; -ENOMEM.
 * Threads: pure functions.
 * Source:  emit_enter_runtime and emit_leave_runtime in beam/jit/x86/
 *          beam_asm.hpp (OTP 25, 27, 29); SWAPOUT in beam/beam_emu.c (23).
 */
#ifndef SCOPE_TARGET_CALLSITE_H
#define SCOPE_TARGET_CALLSITE_H

#include <stddef.h>
#include <stdint.h>

enum scope_wayback {
	SCOPE_WAYBACK_STOP = 1, /* Process.stop has it */
	SCOPE_WAYBACK_BP = 2,	 /* the frame pointer's register has it */
};

#define SCOPE_WAYBACK_BYTES 160u /* of code that are enough to see */

/* How the stack pointer comes back in the code from `addr` on, which may be in
 * the middle of a call or behind it. p_stop: offset of Process.stop. */
int scope_wayback_of(const uint8_t *code, size_t len, uint64_t addr,
		      uint32_t p_stop);

/* The registers that an interpreter's main function, of `len` bytes, saves as
 * Process.stop and Process.i, and that of the process; numbers as
 * enum scope_sample_reg has them. */
struct scope_interpreter_regs {
	unsigned process, stack, instruction;
};
int scope_wayback_interpreter(const uint8_t *code, size_t len, uint64_t addr,
			       uint32_t p_stop, uint32_t p_i,
			       struct scope_interpreter_regs *ret_regs);

#endif
