/* SPDX-License-Identifier: MIT */
#include "pipeline/procs.h"

#include "base/map.h"

#define KEEP_NS 10000000000u /* an ended process is kept for 10 s */
#define GRAVES (1u << 16)    /* or until so many others have ended */

struct scope_procs {
	struct scope_known *known; /* owned */
	size_t n, cap;
	uint32_t *unused;	   /* owned: places in known that are free */
	size_t nunused, unused_cap;
	struct scope_map *by_pid;  /* pid -> place */
	struct scope_map *by_name; /* atom -> pid */
	uint64_t *graves;	   /* owned ring: pids that ended */
	uint32_t first_grave, ngraves;
};

struct scope_procs *scope_procs_new(void)
{
	struct scope_procs *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->by_pid = scope_map_new(SCOPE_PROCS_MAX);
	p->by_name = scope_map_new(SCOPE_PROCS_MAX);
	p->graves = calloc(GRAVES, sizeof(*p->graves));
	if (!p->by_pid || !p->by_name || !p->graves) {
		scope_procs_free(p);
		return NULL;
	}
	return p;
}

void scope_procs_free(struct scope_procs *p)
{
	if (!p)
		return;
	free(p->known);
	free(p->unused);
	free(p->graves);
	scope_map_free(p->by_pid);
	scope_map_free(p->by_name);
	free(p);
}

struct scope_known *scope_procs_get(struct scope_procs *p, uint64_t pid)
{
	uint64_t at;

	return pid && scope_map_get(p->by_pid, pid, &at) ? &p->known[at] : NULL;
}

/* A place that is free. It stays so until it is put into by_pid. */
static bool place(struct scope_procs *p, size_t *ret_at)
{
	struct scope_known *k;
	size_t cap;

	if (p->nunused) {
		*ret_at = p->unused[p->nunused - 1];
		return true;
	}
	if (p->n == p->cap) {
		cap = p->cap ? p->cap * 2 : 1024;
		k = realloc(p->known, cap * sizeof(*k));
		if (!k)
			return false;
		p->known = k;
		p->cap = cap;
	}
	*ret_at = p->n;
	return true;
}

/* Start anew, with nothing known: more processes than a node has were seen,
 * because their ends were not. Who is met again is looked at again. */
static void forget(struct scope_procs *p)
{
	scope_map_clear(p->by_pid);
	scope_map_clear(p->by_name);
	p->n = p->nunused = 0;
	p->first_grave = p->ngraves = 0;
}

struct scope_known *scope_procs_add(struct scope_procs *p, uint64_t pid)
{
	struct scope_known *k = scope_procs_get(p, pid);
	size_t at;

	if (k || !pid)
		return k;
	if (scope_map_len(p->by_pid) >= SCOPE_PROCS_MAX)
		forget(p);
	if (!place(p, &at))
		return NULL;
	if (scope_map_put(p->by_pid, pid, at) < 0)
		return NULL;
	if (p->nunused)
		p->nunused--;
	else
		p->n++;
	p->known[at] = (struct scope_known){ .pid = pid };
	return &p->known[at];
}

void scope_procs_name(struct scope_procs *p, uint64_t pid, uint64_t name)
{
	struct scope_known *k = scope_procs_get(p, pid);

	if (!name || (k && k->name == name))
		return;
	(void)scope_procs_unname(p, name);
	/* A process has one name: that another one was freed went unseen. */
	if (k && k->name)
		(void)scope_procs_unname(p, k->name);
	if (pid)
		(void)scope_map_put(p->by_name, name, pid);
	if (k)
		k->name = name;
}

uint64_t scope_procs_unname(struct scope_procs *p, uint64_t name)
{
	struct scope_known *k;
	uint64_t pid;

	if (!name || !scope_map_take(p->by_name, name, &pid))
		return 0;
	k = scope_procs_get(p, pid);
	if (k)
		k->name = 0;
	return pid;
}

uint64_t scope_procs_named(const struct scope_procs *p, uint64_t name)
{
	uint64_t pid;

	return name && scope_map_get(p->by_name, name, &pid) ? pid : 0;
}

static void bury(struct scope_procs *p, uint64_t pid)
{
	struct scope_known *k = scope_procs_get(p, pid);
	uint64_t at, who;

	if (!k || !k->ended_ns)
		return;
	if (k->name && scope_map_get(p->by_name, k->name, &who) && who == pid)
		(void)scope_map_take(p->by_name, k->name, NULL);
	(void)scope_map_take(p->by_pid, pid, &at);
	if (p->nunused == p->unused_cap) {
		size_t cap = p->unused_cap ? p->unused_cap * 2 : 1024;
		uint32_t *u = realloc(p->unused, cap * sizeof(*u));

		if (!u)
			return; /* the place stays unused */
		p->unused = u;
		p->unused_cap = cap;
	}
	p->unused[p->nunused++] = (uint32_t)at;
}

void scope_procs_ended(struct scope_procs *p, uint64_t pid, uint64_t now_ns)
{
	struct scope_known *k = scope_procs_add(p, pid);

	if (!k || k->ended_ns)
		return;
	k->ended_ns = now_ns;
	while (p->ngraves) {
		uint64_t old = p->graves[p->first_grave % GRAVES];
		struct scope_known *o = scope_procs_get(p, old);

		if (p->ngraves < GRAVES && o && o->ended_ns &&
		    o->ended_ns + KEEP_NS > now_ns)
			break;
		bury(p, old);
		p->first_grave++;
		p->ngraves--;
	}
	p->graves[(p->first_grave + p->ngraves++) % GRAVES] = pid;
}
