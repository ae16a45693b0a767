/* SPDX-License-Identifier: MIT */
/*
 * vm: what is needed to give meaning to the words of one VM.
 *
 * Shapes:  a scope_vm joins the layout, the constants of the process and port
 *          tables, the atom table with its cache, and a way to read memory.
 * Errors:  read: 0, or -EFAULT (not mapped), -ESRCH (the target is gone).
 * Memory:  atom texts are owned by the vm's cache and live as long as it.
 * Threads: one owner (the cache is written on lookups).
 */
#ifndef SCOPE_BEAM_VM_H
#define SCOPE_BEAM_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/buf.h"
#include "scope/layout.h"

/* Read len bytes of the target at addr, all or nothing. */
typedef int scope_read_fn(void *arg, uint64_t addr, void *buf, size_t len);

/* One of many pieces of memory to read. */
struct scope_piece {
	uint64_t addr; /* 0: nothing to read, is_read becomes false */
	void *buf;
	size_t len;
	bool is_read;
};
/* Read all pieces that can be read. -ESRCH: the target is gone. */
typedef int scope_batch_fn(void *arg, struct scope_piece *pieces, size_t n);

/* ErtsPTab.r.o of the process or port table: how an id's pixdata becomes its
 * number (erl_ptab.h, erts_ptab_pixdata2data). Where !layout->pixdata, only
 * scope_vm_parse_pid needs them. */
struct scope_pixdata {
	uint64_t pix_mask, cl_mask, cli_mask;
	uint32_t cl_shift, cli_shift;
};

struct scope_atoms;

struct scope_vm {
	const struct scope_layout *layout; /* static */
	scope_read_fn *read;
	scope_batch_fn *batch; /* NULL: piece by piece with read */
	void *arg; /* borrowed, for read and batch */
	uint64_t atom_table; /* address of erts_atom_table */
	struct scope_pixdata procs, ports;
	struct scope_atoms *atoms; /* owned: scope_vm_done */
};

/* Tags: erl_term.h, the same in OTP 23 to 29. */
#define SCOPE_TAG(w) ((w)&3)
#define SCOPE_TAG_HEADER 0
#define SCOPE_TAG_LIST 1
#define SCOPE_TAG_BOXED 2
#define SCOPE_PTR(w) ((w) & ~7ull)
#define scope_is_pid(w) (((w)&0xf) == 0x3)
#define scope_is_port(w) (((w)&0xf) == 0x7)
#define scope_is_small(w) (((w)&0xf) == 0xf)
#define scope_is_atom(w) (((w)&0x3f) == 0x0b)
#define scope_is_nil(w) (((w)&0x3f) == 0x3b)
#define SCOPE_SMALL(w) ((int64_t)(w) >> 4)
/* Put in the place of a term that must not be shown: no release has such an
 * immediate. It prints as an atom. */
#define SCOPE_WORD_REDACTED 0x7265646163742bull
#define SCOPE_TEXT_REDACTED "[redacted]"
#define SCOPE_SUBTAG(hdr) (((hdr) >> 2) & 0xf)
#define SCOPE_ARITY(hdr) ((hdr) >> 6)

/* Fill in layout, read, arg and make the cache; the tables' constants are set
 * by whoever found them. -ENOMEM. */
int scope_vm_init(struct scope_vm *vm, const struct scope_layout *layout,
		  scope_read_fn *read, void *arg);
void scope_vm_done(struct scope_vm *vm);

/* Read the pieces, together where there is a way to. As scope_batch_fn. */
int scope_vm_read_all(struct scope_vm *vm, struct scope_piece *pieces,
		      size_t n);

/* The text of an atom, UTF-8 without quotes, not NUL-terminated by contract
 * (ret_len says). Read once from the target, then from the cache; atoms never
 * change. NULL: not an atom, or not readable (not cached, so that a later try
 * may succeed). At most 255 characters; at most SCOPE_ATOMS_MAX are cached: the
 * text of one that can't be, for that or want of memory, is good until the next
 * call. */
#define SCOPE_ATOMS_MAX (8u << 20)
const char *scope_vm_atom(struct scope_vm *vm, uint64_t atom, size_t *ret_len);

/* Read the texts of atoms that were not looked at so far, many at once, at most
 * `max` of them: what is asked for after the target is gone is known then. One
 * that can't be read (yet) is looked at again by later calls, and after some of
 * them only when it is asked for. Returns how many were looked at; 0: all that
 * there are, or the target is gone. */
size_t scope_vm_follow_atoms(struct scope_vm *vm, size_t max);

/* The atom with this text among the first `limit` of the table; 0: none. For
 * the atoms that the VM itself makes (am_*), found once at attach. */
uint64_t scope_vm_find_atom(struct scope_vm *vm, const char *text,
			    unsigned limit);

/* The atom with this text (UTF-8), wherever it is in the table; 0: there is none
 * (yet). All atoms' texts are read for it, those that are new each time. */
uint64_t scope_vm_atom_known(struct scope_vm *vm, const char *text, size_t len);

/* The same; where the node
 * has none such (yet), a number of our own that stands for it from then on, and
 * of which there are at most SCOPE_LOOSE_MAX. 0: none is left, no memory, or no
 * text of an atom. */
#define SCOPE_LOOSE_MAX 65536u
uint64_t scope_vm_atom_of(struct scope_vm *vm, const char *text, size_t len);

/* The same of an atom as the emulator prints it (erl_printf_term.c,
 * print_atom_name), between quotes where it needs them; `text` with its own
 * escapes of those alone: the names of nodes have no others. */
uint64_t scope_vm_atom_of_printed(struct scope_vm *vm, const char *text,
				  size_t len);
/* Learn the text of an atom from elsewhere than the target's memory. -ENOMEM;
 * -EBADMSG: it is no atom, no text of one, or the atom has another. */
int scope_vm_know_atom(struct scope_vm *vm, uint64_t atom, const char *text,
		       size_t len);

/* The Eterm of a local process or port from the numbers that it is printed
 * with; 0: out of range. */
uint64_t scope_vm_make_pid(const struct scope_vm *vm, uint64_t num,
			   uint64_t serial);
uint64_t scope_vm_make_port(const struct scope_vm *vm, uint64_t num);

/* A number that is larger for a local process that was spawned later, until the
 * node has spawned so many that it starts anew. */
uint64_t scope_vm_pid_order(const struct scope_vm *vm, uint64_t pid);

/* "<0.N.S>" and "#Port<0.N>" as the node itself prints them. */
void scope_vm_put_pid(const struct scope_vm *vm, uint64_t pid,
		      struct scope_buf *out);
void scope_vm_put_port(const struct scope_vm *vm, uint64_t port,
		       struct scope_buf *out);

/* The Eterm of the pid written as "<0.N.S>" or "0.N.S"; 0: not of that form.
 * (Whether such a process is alive is not looked at.) */
uint64_t scope_vm_parse_pid(const struct scope_vm *vm, const char *text);

#endif
