/* SPDX-License-Identifier: MIT */
/*
 * ps: the processes of a node, as `scope-bpf ps` shows them.
 *
 * Shapes:  one table of fields serves the columns, --sort, --fields and JSON.
 *          A scope_ps joins a snapshot with what gives its words a meaning.
 * Text:    what comes from the node is printed without control characters.
 * Threads: one.
 */
#ifndef SCOPE_CLI_PS_H
#define SCOPE_CLI_PS_H

#include <stdio.h>

#include "beam/redact.h"
#include "beam/term.h"
#include "target/naming.h"
#include "target/snapshot.h"

enum scope_ps_key {
	SCOPE_PS_PID,
	SCOPE_PS_WHAT, /* name, label or initial call: columns alone */
	SCOPE_PS_NAME,
	SCOPE_PS_LABEL,
	SCOPE_PS_INITIAL_CALL,
	SCOPE_PS_CURRENT_FUNCTION,
	SCOPE_PS_STATE,
	SCOPE_PS_SCHEDULER,
	SCOPE_PS_MAILBOX,
	SCOPE_PS_REDUCTIONS,
	SCOPE_PS_HEAP_WORDS,
	SCOPE_PS_TOTAL_HEAP_WORDS,
	SCOPE_PS_STACK_WORDS,
	SCOPE_PS_MEMORY,
	SCOPE_PS_BINARIES,
	SCOPE_PS_BINARY_BYTES,
	SCOPE_PS_LINKS,
	SCOPE_PS_MONITORS,
	SCOPE_PS_MONITORED_BY,
	SCOPE_PS_PARENT,
	SCOPE_PS_GROUP_LEADER,
	SCOPE_PS_ANCESTORS,
	SCOPE_PS_CALLERS,
	SCOPE_PS_DICTIONARY,
	SCOPE_PS_KEYS,
};

struct scope_ps_field {
	const char *name;  /* in --fields, and of the JSON key */
	const char *title; /* of the column */
	uint32_t wants;	   /* SCOPE_SNAP_* */
	bool is_number;	   /* right-aligned, and sorted from the largest */
};
extern const struct scope_ps_field scope_ps_fields[SCOPE_PS_KEYS];

/* By its name, -1: none; `len` bytes. */
int scope_ps_key_of(const char *name, size_t len);

#define SCOPE_PS_TEXT (1u << 16) /* bytes of one value at most */

struct scope_ps {
	const struct scope_snapshot *s; /* borrowed, as all here */
	struct scope_vm *vm;
	struct scope_naming *naming; /* NULL: addresses have no names */
	struct scope_redact *redact; /* NULL: nothing to hide */
	enum scope_syntax syntax;
	char text[SCOPE_PS_TEXT];
};

/* The number of a field that is one; of a list, how many there are. */
uint64_t scope_ps_number(const struct scope_snap_proc *p,
			 enum scope_ps_key key);

/* A value as text: as raw atoms in JSON and for matching, else as people read
 * it. Nothing is put where there is none. */
void scope_ps_put(struct scope_ps *ps, const struct scope_snap_proc *p,
		  enum scope_ps_key key, struct scope_buf *out);
/* Its name, else its label, else its initial call. */
void scope_ps_put_what(struct scope_ps *ps, const struct scope_snap_proc *p,
		       struct scope_buf *out);
/* The same text without what would move a terminal's cursor; its columns. */
size_t scope_ps_clean(char *s, size_t *len);
/* Bytes of the first `columns` columns of such text. */
size_t scope_ps_cut(const char *s, size_t len, size_t columns);

/* A row for each of n processes, with a line of titles. width: of the terminal,
 * 0: not cut. */
void scope_ps_print_table(struct scope_ps *ps,
			  const struct scope_snap_proc *const *rows, size_t n,
			  const enum scope_ps_key *keys, size_t nkeys,
			  size_t width, FILE *out);

/* One object, a line. keys NULL: all that there is. */
void scope_ps_print_json(struct scope_ps *ps, const struct scope_snap_proc *p,
			 const enum scope_ps_key *keys, size_t nkeys,
			 FILE *out);

/* A node of the tree: who is above it, and by what that is known. */
enum scope_ps_via {
	SCOPE_PS_VIA_NONE,	/* a root */
	SCOPE_PS_VIA_ANCESTORS, /* the first of its $ancestors */
	SCOPE_PS_VIA_PARENT,	/* who spawned it, and is linked to it */
	SCOPE_PS_VIA_LINK,	/* the only older one that it is linked to */
};
struct scope_ps_node {
	const struct scope_snap_proc *p;
	uint32_t above; /* place in the array; UINT32_MAX: none */
	uint32_t first, next; /* below; beside; UINT32_MAX: none */
	enum scope_ps_via via;
	bool is_linked; /* with what is above it */
};
/* All processes of the snapshot, in order of pid. NULL: no memory. */
struct scope_ps_node *scope_ps_tree(struct scope_ps *ps, size_t *ret_n);
/* The tree below the nodes that is_wanted says; NULL: all roots. json: objects
 * in the same order, with "above", "via", "linked" and "depth". */
int scope_ps_print_tree(struct scope_ps *ps, struct scope_ps_node *nodes,
			size_t n, const bool *is_wanted, bool is_json,
			FILE *out);

#endif
