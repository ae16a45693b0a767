/* SPDX-License-Identifier: MIT */
/*
 * procs: what is known of each process of the node: its name, what it runs,
 * since when. Fed by the table at attach, by the events, and, for a process
 * that neither introduced, by a look at the target.
 *
 * Limits:  SCOPE_PROCS_MAX processes, then all are forgotten and met anew; one
 *          that ended is kept for some seconds, because events of it may
 *          follow.
 * Memory:  a scope_known is borrowed until the next call that adds one.
 * Threads: one owner.
 */
#ifndef SCOPE_PIPELINE_PROCS_H
#define SCOPE_PIPELINE_PROCS_H

#include "target/target.h"

#define SCOPE_PROCS_MAX (1u << 21)

struct scope_known {
	uint64_t pid;
	uint64_t name;	     /* Eterm atom; 0: none */
	uint64_t spawned_ns; /* 0: before we looked */
	uint64_t ended_ns;   /* 0: alive */
	bool introduced;     /* by proc.info or proc.spawn */
};

struct scope_procs;

struct scope_procs *scope_procs_new(void);
void scope_procs_free(struct scope_procs *p);
SCOPE_AUTO(scope_procs)

/* NULL: not known. */
struct scope_known *scope_procs_get(struct scope_procs *p, uint64_t pid);
/* Known from now on; NULL: memory or the limit. */
struct scope_known *scope_procs_add(struct scope_procs *p, uint64_t pid);
/* It has this name now; whoever had it before has not. */
void scope_procs_name(struct scope_procs *p, uint64_t pid, uint64_t name);
/* The name is free; the process that had it, or 0. */
uint64_t scope_procs_unname(struct scope_procs *p, uint64_t name);
/* The process that has a name; 0: none. */
uint64_t scope_procs_named(const struct scope_procs *p, uint64_t name);
void scope_procs_ended(struct scope_procs *p, uint64_t pid, uint64_t now_ns);

#endif
