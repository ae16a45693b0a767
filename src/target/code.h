/* SPDX-License-Identifier: MIT */
/*
 * code: what the JIT tells debuggers about a module's code.
 *
 * Errors:  -EBADMSG it is no module, or contradicts itself; -EFAULT -ESRCH
 *          from reading; -ENOMEM.
 * Threads: pure functions.
 */
#ifndef SCOPE_TARGET_CODE_H
#define SCOPE_TARGET_CODE_H

#include "target/target.h"

/* Larger is refused: ten times that of the largest known modules. */
#define SCOPE_CODE_BYTES_MAX (64u << 20)

/* From the bytes of one "symbol file". */
int scope_code_parse(const uint8_t *sym, size_t len,
		     struct scope_code *ret_code);

/* Where the range with that name is. -ENOENT: there is none. */
int scope_code_range(const uint8_t *sym, size_t len, const char *name,
		     uint64_t *ret_addr, uint32_t *ret_len);

/* The "symbol file" of a jit_code_entry in a target; to be freed. */
int scope_code_load(scope_read_fn *read, void *arg, uint64_t entry,
		    uint8_t **ret_sym, size_t *ret_len);
/* Both: what the entry describes. */
int scope_code_read(scope_read_fn *read, void *arg, uint64_t entry,
		    struct scope_code *ret_code);

#endif
