/* SPDX-License-Identifier: MIT */
/*
 * fragment: functions of the emulator that the JIT's own code calls.
 *
 * Shapes:  the JIT registers its fragments (global::garbage_collect…) by name
 *          with the debugger's interface; what C functions one calls, and in
 *          which order, is its source's and no compiler's choice. So a call in
 *          it tells where a function is whose symbol is hidden.
 *          beam_jit_remove_message is called by the code of modules alone: of
 *          all that they call it is the only one whose fifth argument is the
 *          active code index, which r12 always holds. It is taken only when
 *          SCOPE_FRAGMENT_SITES such calls all lead to one function.
 * Limits:  SCOPE_FRAGMENT_BYTES of a fragment, SCOPE_FRAGMENT_CALLS of its
 *          calls; SCOPE_FRAGMENT_ENTRIES of the JIT's list.
 * Errors:  -ENOENT no such fragment or call; -ENOTUNIQ calls that should be of
 *          one function are of several; -EFBIG; -ENOTSUP not on this
 *          machine; -EFAULT -ESRCH from reading; -ENOMEM.
 * Threads: pure functions.
 * Source:  erts/emulator/beam/jit/x86/{beam_asm_global,instr_*,
 *          process_main}.cpp (OTP 25, 27, 29).
 */
#ifndef SCOPE_TARGET_FRAGMENT_H
#define SCOPE_TARGET_FRAGMENT_H

#include "beam/vm.h"

#define SCOPE_FRAGMENT_BYTES 8192u
#define SCOPE_FRAGMENT_CALLS 16u
#define SCOPE_FRAGMENT_ENTRIES 200000u
#define SCOPE_FRAGMENT_SITES 8u

/* The code of a fragment: its address, and *ret_len bytes into `code`, which
 * has room for SCOPE_FRAGMENT_BYTES. `descriptor`: address of
 * __jit_debug_descriptor. */
int scope_fragment_read(scope_read_fn *read, void *arg, uint64_t descriptor,
			const char *name, uint8_t *code, uint32_t *ret_len,
			uint64_t *ret_addr);

/* The C functions, addresses in [from, to), that `len` bytes of code at `addr`
 * call, in order; how many. Indirect calls are followed where the code itself
 * says where they lead. */
int scope_fragment_calls(scope_read_fn *read, void *arg, const uint8_t *code,
			 size_t len, uint64_t addr, uint64_t from, uint64_t to,
			 uint64_t ret_calls[SCOPE_FRAGMENT_CALLS]);

/* Where a function is that the JIT's code calls, by its symbol's name (as
 * scope_target_symbol takes them). `from`, `to`: the emulator's text. */
int scope_fragment_find(scope_read_fn *read, void *arg, uint64_t descriptor,
			uint64_t from, uint64_t to, const char *name,
			uint64_t *ret_addr);

#endif
