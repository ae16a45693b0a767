/* SPDX-License-Identifier: MIT */
/*
 * naming: what code of a node an address is in, whatever kind of code, and
 * where the code of a function is.
 *
 * Shapes:  a scope_naming joins what the JIT registers (jit.h), or the tables of
 *          an interpreter (ranges.h), with the emulator's own functions. It
 *          follows the loading of code: an address that is not known makes it
 *          look for what is new.
 * Names:   raw UTF-8, as an atom's text; not NUL-terminated.
 * Errors:  -ENOENT in nothing that is known; -EFAULT -ESRCH from reading;
 *          -ENOMEM.
 * Memory:  what is returned is borrowed, until the next call.
 * Threads: one owner, who is the target's.
 */
#ifndef SCOPE_TARGET_NAMING_H
#define SCOPE_TARGET_NAMING_H

#include "base/buf.h"
#include "target/target.h"

enum scope_named_kind {
	SCOPE_NAMED_FUNCTION = 1, /* an Erlang function */
	SCOPE_NAMED_FRAGMENT, /* the JIT's own: function is what follows
				 "global::" */
	SCOPE_NAMED_OWN,      /* what a process begins or ends with:
				 normal_exit, exit, continue_exit, apply… */
	SCOPE_NAMED_NATIVE,   /* a C function of the emulator: function is its
				 symbol, or NULL: none is known */
};

struct scope_named {
	enum scope_named_kind kind;
	const char *module; /* NULL: no Erlang function */
	uint32_t module_len;
	const char *function;
	uint32_t function_len;
	uint32_t arity;
	uint64_t start, end; /* of its code; with what is kept before it */
	uint64_t entry;	     /* where calls of it arrive */
	const char *file;    /* NULL: not known; as the compiler was told it */
	uint32_t file_len;
	uint32_t line;	     /* 0: not known */
	uint64_t age; /* JIT: of code of one module, the newest has the highest */
};

struct scope_naming;

int scope_naming_new(struct scope_target *t, struct scope_naming **ret_naming);
void scope_naming_free(struct scope_naming *n);
SCOPE_AUTO(scope_naming)

/* Learn what was loaded since the last time; -EFAULT: not all of it can be read
 * now. */
int scope_naming_sync(struct scope_naming *n);

/* Does the JIT's code keep frame pointers (+JPperf fp, or true)? */
bool scope_naming_has_frame_pointers(const struct scope_naming *n);

/* Rises when what is known changes: JIT alone. */
uint64_t scope_naming_changes(const struct scope_naming *n);

/* Where an address is: of an instruction, such as Process.i. */
int scope_naming_find(struct scope_naming *n, uint64_t addr,
		      struct scope_named *ret_named);
/* Where the call is that returns to an address. */
int scope_naming_return(struct scope_naming *n, uint64_t addr,
			struct scope_named *ret_named);

/*
 * The functions that "Module:function/arity" means, by address: '*' and '?' in
 * module and function stand for any characters, unless they are quoted
 * ('Mod':'fun'), and an arity of '*' or none for any. Lines are not looked for.
 * Stops when fn returns non-zero, and returns that. -EINVAL: it is no such
 * text.
 */
int scope_naming_each(struct scope_naming *n, const char *pattern,
		      int (*fn)(void *arg, const struct scope_named *f),
		      void *arg);

/* "module:function/arity", "global::fragment", "normal_exit", a symbol, or
 * "beam.smp+0x1234" for a C function without one (the ELF address). */
void scope_named_put(const struct scope_naming *n, const struct scope_named *f,
		     struct scope_buf *out);

#endif
