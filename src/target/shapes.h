/* SPDX-License-Identifier: MIT */
/*
 * shapes: functions of an emulator that hides its symbols and of whose build
 * there is no table, known again by what they are in a build of the same
 * release that is known.
 *
 * Shapes:  what a function refers to, and in which order, is its source's, and
 *          mostly no compiler's choice. Its references are the direct calls
 *          and jumps out of it to where another begins, and such addresses
 *          that it takes (lea), by their places in the code. Evidence for a
 *          function at an address:
 *
 *            digest    its code, but for where it refers to, is the same byte
 *                      for byte, and no other's is
 *            path      a way from a function that is certain, by the i-th of n
 *                      references of each on it, leads there; each last step
 *                      counts once
 *            own       it has as many references as it should, and those that
 *                      are known lead where they should
 *
 *          A digest of SCOPE_SHAPE_BIG bytes of code is enough by itself; else
 *          there must be two of them. None may speak against it: another
 *          address by any way, a reference that leads elsewhere, another
 *          function at the same address. What was found counts as certain for
 *          the others, until no more are found. Variables are what a reference
 *          of a function with such a digest leads to; all that there are must
 *          agree.
 *
 * Format:  text that scripts/shape-table makes, fields parted by one tab:
 *
 *            otp RELEASE             begins a table
 *            s NAME SIZE DIGEST REFS a function; numbers in hex but REFS; a
 *                                    digest of 0: it has none
 *            r I ANCHOR              its I-th reference
 *            p ANCHOR I/N...         a path to it
 *            v NAME SIZE             a variable
 *            u FUNCTION I OFFSET     FUNCTION's I-th address of data is so many
 *                                    bytes behind the variable's
 *
 *          ANCHOR: b:M:F/A a BIF, x:NAME an exported symbol, j:NAME one that
 *          the JIT's code calls, e: the program's entry, f:NAME one of these.
 * Limits:  of the table those in shapes.c; SCOPE_SHAPE_LOOKED functions of the
 *          emulator are disassembled, SCOPE_SHAPE_BYTES of code in all.
 * Errors:  -ENOENT no table of that release, or nothing of that name; -EBADMSG
 *          it is none; -ENOTUNIQ; -ENOTSUP not on this machine; -ENOMEM.
 * Threads: constant after creation.
 */
#ifndef SCOPE_TARGET_SHAPES_H
#define SCOPE_TARGET_SHAPES_H

#include "target/elf.h"

#define SCOPE_SHAPE_BIG 96u
#define SCOPE_SHAPE_LOOKED 16384u
#define SCOPE_SHAPE_BYTES (16u << 20)

struct scope_shapes;

struct scope_shapes_opts {
	/* Where an anchor of that kind ('b', 'x', 'j') and name is. 0: it is
	 * not known. */
	uint64_t (*anchor)(void *arg, char kind, const char *name);
	void *arg;
	bool has_no_digests; /* go without: for tests */
};

/* Find what can be found of release `otp`. */
int scope_shapes_new(const struct scope_elf *e, unsigned otp,
		     const struct scope_shapes_opts *opts,
		     struct scope_shapes **ret_shapes);
/* The same by a table of `len` bytes. */
int scope_shapes_parse(const char *text, size_t len, const struct scope_elf *e,
		       unsigned otp, const struct scope_shapes_opts *opts,
		       struct scope_shapes **ret_shapes);
void scope_shapes_free(struct scope_shapes *s);
SCOPE_AUTO(scope_shapes)

/* Names as scope_target_symbol takes them. */
int scope_shapes_find(const struct scope_shapes *s, const char *name,
		      struct scope_symbol *ret_sym);
size_t scope_shapes_found(const struct scope_shapes *s);

#endif
