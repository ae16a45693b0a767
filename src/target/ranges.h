/* SPDX-License-Identifier: MIT */
/*
 * ranges: which Erlang function an address of the interpreter's code is in.
 *
 * Shapes:  an interpreter keeps, for each of three code indices, a sorted table
 *          of where modules are, in a static variable that scope_ranges_locate
 *          finds by what it holds. A module's code begins with a head that
 *          points to its functions, in order, and to the table of its lines.
 *          These are read when one of them is asked for.
 * Torn:    a table that changes under the reader is one that is not sorted, or
 *          whose index is another afterwards: it is read again, a few times.
 * Limits:  SCOPE_RANGES_MODULES, SCOPE_RANGES_FUNCTIONS in all,
 *          SCOPE_RANGES_LINES in all: of modules beyond them no lines are known.
 * Errors:  -ENOENT in no function; -EBADMSG no such table; -EFAULT -ESRCH from
 *          reading; -ENOMEM.
 * Threads: one owner.
 * Source:  beam_ranges.c, code_ix.h, and of the head beam_load.h (OTP 23.2.6)
 *          or beam_code.h (25.2.3, 27.3.4.1).
 */
#ifndef SCOPE_TARGET_RANGES_H
#define SCOPE_TARGET_RANGES_H

#include "base/auto.h"
#include "beam/vm.h"
#include "wire/event.h"

#define SCOPE_RANGES_MODULES (1u << 16)
#define SCOPE_RANGES_FUNCTIONS (1u << 20)
#define SCOPE_RANGES_LINES (8u << 20)

struct scope_ranges;

/*
 * The address of the tables in [lo, hi), memory that holds the emulator's
 * variables, where `active` is the index in use. -ENOENT: nothing there is
 * these tables, or more than one thing might be.
 */
int scope_ranges_locate(const struct scope_vm *vm, uint64_t lo, uint64_t hi,
			uint32_t active, uint64_t *ret_tables);

/* tables: what locate found; active: address of the_active_code_index. Nothing
 * is read yet. NULL when memory is short. */
struct scope_ranges *scope_ranges_new(const struct scope_vm *vm,
				      uint64_t tables, uint64_t active);
void scope_ranges_free(struct scope_ranges *r);
SCOPE_AUTO(scope_ranges)

/* Learn what was loaded or purged since the last time. */
int scope_ranges_sync(struct scope_ranges *r);

/* The function that an address is in, as of the last sync. */
int scope_ranges_find(struct scope_ranges *r, uint64_t addr,
		      struct scope_mfa *ret_mfa);

struct scope_range_place {
	struct scope_mfa mfa;
	uint64_t start, end; /* of the function, with its ErtsCodeInfo */
	uint64_t entry;	     /* its first instruction */
	uint64_t file; /* Eterm atom, as the compiler was told it; 0: the
			  module's own, or there is no line */
	uint32_t line; /* 0: not known */
};
/* The same, with the line. For a return address ask for the byte before it. */
int scope_ranges_place(struct scope_ranges *r, uint64_t addr,
		       struct scope_range_place *ret_place);
/* Call fn for each function, by address, without lines; those that can't be
 * read are left out. Stops when fn returns non-zero, and returns that. */
int scope_ranges_each(struct scope_ranges *r,
		      int (*fn)(void *arg, const struct scope_range_place *p),
		      void *arg);

size_t scope_ranges_modules(const struct scope_ranges *r);

#endif
