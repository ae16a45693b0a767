/* SPDX-License-Identifier: MIT */
/*
 * find: the BEAM nodes of this machine.
 */
#ifndef SCOPE_TARGET_FIND_H
#define SCOPE_TARGET_FIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct scope_found {
	pid_t pid;
	char node[256];	   /* -sname/-name argument, "" when it has none */
	char cmdline[512]; /* for people: spaces between arguments, cut */
	uint64_t started;  /* clock ticks since boot; 0: not known */
};

/* List the BEAMs that run (by the name of their executable, beam.smp and
 * kin), at most max; the number found, or -errno. One that has ended, and that
 * nobody has waited for, does not run. */
int scope_find_nodes(struct scope_found *out, size_t max);

/* The PID that `name` means: a number; else the only node whose node name is
 * `name` (with or without @host), else the only one whose command line
 * contains it; with NULL the only node there is. -ESRCH: none, or several:
 * err lists them. */
int scope_find_pid(const char *name, pid_t *ret_pid, struct scope_err *err);

/* The same; but where no node has the name on its command line, or only as a
 * part of that, the names that nodes have now count, too: one may be taken at
 * any time after the start (net_kernel:start/2). *ret_target: the node, where
 * it was opened for that; else untouched. */
struct scope_attacher;
struct scope_target;
int scope_find_by(struct scope_attacher *a, const char *name, pid_t *ret_pid,
		  struct scope_target **ret_target, struct scope_err *err);
/* The same, opened as scope_target_open_by or scope_target_open_probes does. */
int scope_find_open(struct scope_attacher *a, const char *name,
		    struct scope_target **ret_target, struct scope_err *err);
int scope_find_probes(struct scope_attacher *a, const char *name,
		      struct scope_target **ret_target, struct scope_err *err);

/* The same with another root than /proc, and among given nodes: the parts of
 * the above. */
int scope_find_nodes_in(const char *proc, struct scope_found *out, size_t max);
int scope_find_among(const struct scope_found *nodes, size_t n,
		     const char *name, pid_t *ret_pid, struct scope_err *err);

/* Whether a node has that name (with or without @host), or that text in its
 * command line. The empty text is no name. */
bool scope_find_matches(const struct scope_found *node, const char *name);

/* Whether an executable is called as emulators are: "beam.smp" and kin. */
bool scope_find_is_beam_name(const char *name);

#endif
