/* SPDX-License-Identifier: MIT */
/*
 * code: what the JIT tells debuggers about a module's code.
 *
 * Shapes:  each module has an entry, and that a "symbol file": a head, ranges
 *          of code with their names, and lines of each range. A scope_code
 *          walks over one in memory.
 * Errors:  -EBADMSG it is no module, or contradicts itself; -EFAULT -ESRCH
 *          from reading; -ENOMEM.
 * Memory:  names are borrowed from the symbol file, and not NUL-terminated.
 * Threads: pure functions.
 */
#ifndef SCOPE_TARGET_CODE_H
#define SCOPE_TARGET_CODE_H

#include "beam/vm.h"

/* Larger is refused: ten times that of the largest known modules. */
#define SCOPE_CODE_BYTES_MAX (64u << 20)

/* A jit_code_entry with the head of its symbol file. */
struct scope_code_entry {
	uint64_t next; /* 0: the last */
	uint64_t sym;  /* address of the symbol file */
	uint64_t len;  /* its bytes */
	bool is_module; /* else the emulator's own, and the rest is 0 */
	uint64_t base;
	uint32_t bytes; /* of native code */
};
int scope_code_entry(scope_read_fn *read, void *arg, uint64_t addr,
		     struct scope_code_entry *ret_entry);

/* The symbol file of an entry; to be freed. */
int scope_code_load(scope_read_fn *read, void *arg, uint64_t entry,
		    uint8_t **ret_sym, size_t *ret_len);

struct scope_code {
	const char *module;
	size_t module_len;
	uint64_t base;
	uint32_t bytes; /* of native code */
	/* The walk's own. */
	const uint8_t *sym;
	size_t len, at;
	uint32_t ranges, lines;
};

struct scope_code_range {
	uint32_t start, end; /* from the base */
	const char *name;
	size_t len; /* of name */
};

struct scope_code_line {
	uint32_t start; /* from the base */
	uint32_t line;
	const char *file;
	size_t len; /* of file */
};

int scope_code_open(const uint8_t *sym, size_t len, struct scope_code *ret);
/* The next range, then its lines; those not asked for are stepped over. 1: one
 * more; 0: no more; -EBADMSG. */
int scope_code_next(struct scope_code *c, struct scope_code_range *ret);
int scope_code_next_line(struct scope_code *c, struct scope_code_line *ret);

/* Where the range with that name is. -ENOENT: there is none. */
int scope_code_range(const uint8_t *sym, size_t len, const char *name,
		     uint64_t *ret_addr, uint32_t *ret_len);

#endif
