/* SPDX-License-Identifier: MIT */
/*
 * unwind: from a C function to its caller, by the unwind tables of the emulator
 * and of the libraries that it has loaded.
 *
 * Shapes:  a scope_unwind knows the node's modules: the emulator by its file,
 *          libraries by what the dynamic linker says of them (r_debug, link_map)
 *          and their own headers, all read from memory, when they are first
 *          asked for. Code of the JIT has no such tables: there a stack of C
 *          functions ends.
 * Limits:  SCOPE_UNWIND_MODULES, SCOPE_UNWIND_BYTES of each in memory.
 * Errors:  -ENOENT no module, or no table, has that address; -EBADMSG a table
 *          contradicts itself, or the registers are not those of code; -EFAULT
 *          -ESRCH from reading; -ENOMEM.
 * Memory:  names are borrowed from the scope_unwind.
 * Threads: one owner, who is the target's.
 * Source:  DWARF 4, section 6.4; System V gABI, "Dynamic Section"; link.h.
 */
#ifndef SCOPE_TARGET_UNWIND_H
#define SCOPE_TARGET_UNWIND_H

#include "attacher/regs.h"
#include "target/target.h"

#define SCOPE_UNWIND_MODULES 256
#define SCOPE_UNWIND_BYTES (64u << 20)

struct scope_unwind;

int scope_unwind_new(struct scope_target *t, struct scope_unwind **ret_unwind);
void scope_unwind_free(struct scope_unwind *u);
SCOPE_AUTO(scope_unwind)

/*
 * The registers of the caller, in place of those of a function: pc and sp must
 * be known. is_call: pc is where a call returns to, as in all but the first
 * step. Memory is read by `read`, so that it can be a copy.
 */
int scope_unwind_step(struct scope_unwind *u, struct scope_thread_regs *regs,
		      bool is_call, scope_read_fn *read, void *arg);

/* "name" of the function at an address with how far it is into the file where it
 * has none: "libc.so.6+0x1234". Of the emulator or a library; else -ENOENT. */
int scope_unwind_name(struct scope_unwind *u, uint64_t addr,
		      struct scope_buf *out);

#endif
