/* SPDX-License-Identifier: MIT */
/* profile, its insides: shared by the files that write it. */
#ifndef SCOPE_EXPORT_PROFILE_INT_H
#define SCOPE_EXPORT_PROFILE_INT_H

#include "export/profile.h"

struct scope_profile_stack {
	uint64_t count, ns;
	uint32_t proc;	/* SCOPE_PROFILE_NONE: none */
	uint32_t n;	/* frames */
	uint32_t at;	/* the first, in the list of all */
	uint32_t next;	/* with the same hash */
};

const struct scope_profile_stack *
scope_profile_stack(const struct scope_profile *p, size_t i);
const uint32_t *scope_profile_stack_frames(const struct scope_profile *p,
					   const struct scope_profile_stack *s);
size_t scope_profile_procs(const struct scope_profile *p);
size_t scope_profile_frames(const struct scope_profile *p);

/* The stacks in the order in which they are written: by functions, and before
 * that by processes if so asked; to be freed. */
int scope_profile_order(const struct scope_profile *p, bool by_process,
			uint32_t **ret_order);

/* By bytes, as memcmp; none is the least. */
int scope_text_cmp(struct scope_text a, struct scope_text b);

/* What a process is called as a first frame: its name, else what it was spawned
 * with, else its pid; and where none ran. */
struct scope_text scope_profile_proc_title(const struct scope_profile *p,
					   uint32_t proc);

#define SCOPE_PROFILE_DEPTH 1024 /* of a tree; frames above are left out */

/* A tree of functions, by what calls what; nodes in the order in which they are
 * written, each behind its parent, siblings by name. */
struct scope_profile_node {
	struct scope_text name;
	enum scope_frame_kind kind;
	uint32_t depth; /* the root: 0 */
	uint32_t parent;
	uint64_t self, total, from; /* from: where in the whole it begins */
};
struct scope_profile_tree {
	struct scope_profile_node *nodes; /* owned */
	size_t n;
	uint32_t depth; /* the deepest */
};
int scope_profile_tree(const struct scope_profile *p,
		       const struct scope_profile_opts *opts,
		       struct scope_profile_tree *ret_tree);

/* Valid UTF-8 of any text, without control characters (a '?' for each), into
 * out; with what `escape` gives for a character, if not NULL. */
void scope_profile_put_text(FILE *out, struct scope_text t,
			    const char *(*escape)(char c));

#endif
