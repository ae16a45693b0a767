/* SPDX-License-Identifier: MIT */
/*
 * callsite: where the JIT's code leaves the top of the Erlang stack when it
 * calls a C function.
 *
 * Shapes:  told by the code before the call: from the call before it, or the
 *          function's beginning, on.
 * Threads: pure functions.
 * Source:  emit_enter_runtime in jit/x86/beam_asm.hpp (OTP 25, 27, 29): with
 *          Update::eStack it stores htop and stop, or stop, in the Process (r13);
 *          else `mov rbp, rsp`.
 */
#ifndef SCOPE_TARGET_CALLSITE_H
#define SCOPE_TARGET_CALLSITE_H

#include <stddef.h>
#include <stdint.h>

#include "scope/layout.h"

enum scope_callsite {
	SCOPE_CALLSITE_UNKNOWN,
	SCOPE_CALLSITE_PUBLISHES, /* Process.stop is right */
	SCOPE_CALLSITE_KEEPS,	  /* it is in rbp */
};

/* `len` bytes of code at `addr`, up to where the call returns to. */
enum scope_callsite scope_callsite_of(const struct scope_layout *l,
				      const uint8_t *code, size_t len,
				      uint64_t addr);

#endif
