/* SPDX-License-Identifier: MIT */
/* target, its insides: shared by the files of src/target/. */
#ifndef SCOPE_TARGET_INT_H
#define SCOPE_TARGET_INT_H

#include "attacher/attacher.h"
#include "base/map.h"
#include "target/elf.h"
#include "target/place.h"
#include "target/table.h"
#include "target/target.h"

struct scope_bifs;
struct scope_build;
struct scope_shapes;

/* Variables that are looked for by what they hold: recover.c. */
#define SCOPE_VARS 6

struct scope_target {
	struct scope_target_info info;
	char exe[32];
	char path[SCOPE_REPLY_TEXT_MAX + 1];
	char otp[8];
	char erts[32];
	char node[260];
	char no_layout[200]; /* of info, when there is one */

	struct scope_attacher *attacher; /* borrowed, or own */
	struct scope_attacher *own;	 /* owned; NULL: borrowed */
	unsigned slot;
	bool is_open;	     /* there is a slot */
	uint64_t start_code; /* see attacher.h */
	int pidfd;
	int memfd;  /* -1: read by the attacher */
	int exefd;  /* the program's file, until it has been read */
	int auxvfd; /* the same */
	struct scope_elf *elf;	 /* owned */
	struct scope_bifs *bifs; /* owned */
	struct scope_build *build; /* owned; NULL: no table of this build */
	struct scope_shapes *shapes; /* owned; NULL: none are needed, or known */
	struct {
		const char *name; /* NULL: not found */
		uint64_t vaddr;
	} vars[SCOPE_VARS];
	struct scope_layout layout; /* of its release and build */
	struct scope_vm vm;
	struct scope_table table;
	struct scope_map *threads;  /* owned: tid to number; sched.c */
	unsigned rescans;	    /* for threads that were not known */
	struct scope_place place;
};

/* identify.c: pidfd, exe, path, elf, otp and erts, checked. */
int scope_target_identify(struct scope_target *t, struct scope_err *err);

/* Whether the emulator has the VM's USDT probes. */
bool scope_target_has_probes(const struct scope_target *t);
/* Go on with those alone, for the reason in `why`. */
void scope_target_give_up_layout(struct scope_target *t,
				 const struct scope_err *why);

/* Has the process ended? */
bool scope_target_is_gone(const struct scope_target *t);

/* mem.c: many pieces at once, by the attacher. */
int scope_target_batch(void *target, struct scope_piece *pieces, size_t n);

/* sched.c */
int scope_target_load_threads(struct scope_target *t);

/* An atom by its text, anywhere in the table; 0: not there (yet). Most of those
 * that are asked for come into being when a module is loaded. */
uint64_t scope_target_atom(struct scope_target *t, const char *text);

/* recover.c: find the variables of an emulator that hides its symbols. -ENOTSUP
 * with words: one is not there, or not yet. */
int scope_target_recover(struct scope_target *t, struct scope_err *err);
/* Numbers of schedulers, from the names of the threads. -EAGAIN: not all of
 * them are up. */
int scope_target_count_threads(struct scope_target *t);

/* What can be known again of a build without a table. The BIFs are known. */
int scope_target_find_shapes(struct scope_target *t);

/* Address in the process of an emulator's variable; 0: not known. */
uint64_t scope_target_address(const struct scope_target *t, const char *name);

#endif
