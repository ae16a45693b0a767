/* SPDX-License-Identifier: MIT */
/*
 * jit: which Erlang function an address of native code is in, while code comes
 * and goes.
 *
 * Shapes:  a scope_jit knows the modules that the emulator has registered with
 *          the GDB JIT interface: scope_jit_sync reads what is new in its list,
 *          the whole of it at first; scope_jit_added and scope_jit_removed
 *          follow single entries. Where two modules claim the same memory the
 *          newer one has it, and the other is forgotten: OTP 25 never takes
 *          purged code off its list.
 * Names:   raw UTF-8, as an atom's text; not NUL-terminated.
 * Fragments: what the JIT makes for itself (global::garbage_collect…) is found
 *          as a function of the module "global", told by is_fragment.
 * Limits:  SCOPE_JIT_MODULES, SCOPE_JIT_BYTES: more modules are left out, and
 *          counted as refused. SCOPE_JIT_ENTRIES of the list are looked at in
 *          one sync, newest first, and SCOPE_JIT_READ bytes read. A list that
 *          changes under the reader is read again by the next sync, thrice.
 * Errors:  -EFAULT the list can't be read, or not to its end; -ESRCH the target
 *          is gone; -EBADMSG no module, or one that contradicts itself;
 *          -ENOMEM; -ENOSPC a limit.
 * Memory:  what is returned is borrowed, until the jit is next changed.
 * Threads: one owner.
 * Source:  beam_jit_metadata.cpp, beam_jit_common.cpp, beam_code.h,
 *          erl_printf_term.c (OTP 25.2.3, 27.3.4.1).
 */
#ifndef SCOPE_TARGET_JIT_H
#define SCOPE_TARGET_JIT_H

#include "base/auto.h"
#include "beam/vm.h"

#define SCOPE_JIT_MODULES (1u << 16)
#define SCOPE_JIT_BYTES (256u << 20) /* 100,000 functions take 7 MB */
#define SCOPE_JIT_ENTRIES (1u << 20)
#define SCOPE_JIT_READ (1ull << 30)

struct scope_jit;

/* `descriptor`: address of __jit_debug_descriptor. Nothing is read yet. NULL
 * when memory is short. */
struct scope_jit *scope_jit_new(scope_read_fn *read, void *arg,
				uint64_t descriptor);
void scope_jit_free(struct scope_jit *j);
SCOPE_AUTO(scope_jit)

/* Learn what was loaded since the last time: three short reads if nothing. */
int scope_jit_sync(struct scope_jit *j);

/* An entry was registered: learn it, anew where it was known. Its memory may
 * have been used again since: then it is the later module that is learned. */
int scope_jit_added(struct scope_jit *j, uint64_t entry);
/* An entry was unregistered: forget it. */
void scope_jit_removed(struct scope_jit *j, uint64_t entry);

struct scope_jit_module {
	const char *name;
	uint32_t name_len;
	uint32_t functions;
	uint32_t bytes; /* of native code */
	uint64_t base;
	uint64_t age; /* of modules of one name, the newest has the highest */
};
/* What is known of an entry; NULL: nothing. */
const struct scope_jit_module *scope_jit_module(const struct scope_jit *j,
						uint64_t entry);

struct scope_jit_place {
	const struct scope_jit_module *module;
	const char *function;
	uint32_t function_len;
	uint32_t arity;
	uint64_t start, end; /* of the function with its prologue */
	uint64_t entry; /* behind the prologue: where calls arrive */
	bool is_fragment; /* the JIT's own; arity is 0 */
	const char *file; /* NULL: not known; as the compiler was told it */
	uint32_t file_len;
	uint32_t line; /* 0: not known */
};
/*
 * Where an address is. For a return address ask for the byte before it: the
 * call may be the function's last instruction. -ENOENT: in no function: not
 * the JIT's, a module's header.
 */
int scope_jit_find(const struct scope_jit *j, uint64_t addr,
		   struct scope_jit_place *ret_place);
/* Call fn for each function, by address, without fragments and lines; stops
 * when it returns non-zero, and returns that. */
int scope_jit_each(const struct scope_jit *j,
		   int (*fn)(void *arg, const struct scope_jit_place *p),
		   void *arg);

/* How often what is known has changed. */
uint64_t scope_jit_changes(const struct scope_jit *j);

struct scope_jit_usage {
	size_t modules, functions, lines, bytes; /* bytes: of memory held */
	size_t refused; /* how often a module was left out, for limits or for
			 * what it holds */
};
void scope_jit_usage(const struct scope_jit *j, struct scope_jit_usage *ret);

#endif
