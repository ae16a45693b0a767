/* SPDX-License-Identifier: MIT */
/*
 * bif: the C functions of all BIFs, from the emulator's file alone.
 *
 * Shapes:  static tables of the emulator, found by what they hold, so that it
 *          works where symbols are hidden or stripped.
 * Errors:  -ENOENT no such BIF, or the tables were not found; -ENOMEM.
 * Memory:  borrows the scope_elf.
 * Threads: constant after creation.
 */
#ifndef SCOPE_TARGET_BIF_H
#define SCOPE_TARGET_BIF_H

#include "target/elf.h"

struct scope_bifs;

int scope_bifs_new(const struct scope_elf *e, struct scope_bifs **ret_bifs);
void scope_bifs_free(struct scope_bifs *b);
SCOPE_AUTO(scope_bifs)

size_t scope_bifs_count(const struct scope_bifs *b);
/* The BIF whose C function begins at an ELF address; a function that several
 * share is none's. */
int scope_bifs_at(const struct scope_bifs *b, uint64_t vaddr,
		  const char **ret_module, const char **ret_function,
		  unsigned *ret_arity);
int scope_bifs_find(const struct scope_bifs *b, const char *module,
		    const char *function, unsigned arity,
		    struct scope_symbol *ret_sym);

#endif
