/* SPDX-License-Identifier: MIT */
/*
 * The order in which stacks are written, and the tree that they make.
 *
 * Functions are ranked by their names once, and stacks then compared by the
 * ranks of their functions: neighbours share the longest beginnings, so that the
 * tree is made in one pass, each node behind its parent.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "export/profile_int.h"

struct ranked {
	struct scope_text name;
	uint32_t id;
	enum scope_frame_kind kind;
};

struct order {
	const struct scope_profile *p;
	bool by_process;
	uint32_t *functions; /* owned: rank of a frame's function */
	uint32_t *procs;     /* owned: rank of a process's title */
};

static int cmp_ranked(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	int r = scope_text_cmp(x->name, y->name);

	return r ? r : (int)x->kind - (int)y->kind;
}

/* Rank all; equal ones have the same. */
static void rank(struct ranked *r, size_t n, uint32_t *ranks)
{
	uint32_t at = 0;

	qsort(r, n, sizeof(*r), cmp_ranked);
	for (size_t i = 0; i < n; i++) {
		if (i && cmp_ranked(&r[i - 1], &r[i]))
			at++;
		ranks[r[i].id] = at;
	}
}

static int rank_all(struct order *o, size_t nframes, size_t nprocs)
{
	size_t most = nframes > nprocs + 1 ? nframes : nprocs + 1;
	scope_autofree struct ranked *r = calloc(most + 1, sizeof(*r));

	o->functions = calloc(nframes + 1, sizeof(*o->functions));
	o->procs = calloc(nprocs + 1, sizeof(*o->procs));
	if (!r || !o->functions || !o->procs)
		return -ENOMEM;
	for (uint32_t i = 0; i < nframes; i++) {
		struct scope_frame f = scope_profile_get_frame(o->p, i);

		r[i] = (struct ranked){ f.name, i, f.kind };
	}
	rank(r, nframes, o->functions);
	for (uint32_t i = 0; i <= nprocs; i++)
		r[i] = (struct ranked){
			scope_profile_proc_title(
				o->p, i < nprocs ? i : SCOPE_PROFILE_NONE),
			i, SCOPE_FRAME_SYSTEM
		};
	rank(r, nprocs + 1, o->procs);
	return 0;
}

static uint32_t proc_rank(const struct order *o,
			  const struct scope_profile_stack *s)
{
	size_t none = scope_profile_procs(o->p);

	return o->procs[s->proc == SCOPE_PROFILE_NONE ? none : s->proc];
}

static int cmp_stack(const void *a, const void *b, void *arg)
{
	const struct order *o = arg;
	const struct scope_profile_stack *x =
		scope_profile_stack(o->p, *(const uint32_t *)a);
	const struct scope_profile_stack *y =
		scope_profile_stack(o->p, *(const uint32_t *)b);
	const uint32_t *f = scope_profile_stack_frames(o->p, x);
	const uint32_t *g = scope_profile_stack_frames(o->p, y);
	uint32_t n = x->n < y->n ? x->n : y->n, i = proc_rank(o, x);
	uint32_t k = proc_rank(o, y);

	if (o->by_process && i != k)
		return i < k ? -1 : 1;
	for (uint32_t at = 0; at < n; at++)
		if (o->functions[f[at]] != o->functions[g[at]])
			return o->functions[f[at]] < o->functions[g[at]] ? -1 :
									   1;
	if (x->n != y->n)
		return x->n < y->n ? -1 : 1;
	if (i != k)
		return i < k ? -1 : 1;
	/* Of processes with the same title; and lines of the same functions. */
	if (x->proc != y->proc)
		return x->proc < y->proc ? -1 : 1;
	n *= (uint32_t)sizeof(*f);
	return n ? memcmp(f, g, n) : 0;
}

static void order_done(struct order *o)
{
	free(o->functions);
	free(o->procs);
}

static int sort(struct order *o, uint32_t **ret_at)
{
	size_t n = scope_profile_stacks(o->p);
	uint32_t *at = calloc(n + 1, sizeof(*at));
	int r = at ? rank_all(o, scope_profile_frames(o->p),
			      scope_profile_procs(o->p)) :
		     -ENOMEM;

	if (r < 0) {
		free(at);
		return r;
	}
	for (uint32_t i = 0; i < n; i++)
		at[i] = i;
	qsort_r(at, n, sizeof(*at), cmp_stack, o);
	*ret_at = at;
	return 0;
}

int scope_profile_order(const struct scope_profile *p, bool by_process,
			uint32_t **ret_order)
{
	struct order o = { .p = p, .by_process = by_process };
	int r = sort(&o, ret_order);

	order_done(&o);
	return r;
}

/* -- the tree -------------------------------------------------------------------- */

struct making {
	struct order o;
	struct scope_profile_tree tree;
	size_t cap;
	uint32_t path[SCOPE_PROFILE_DEPTH + 2]; /* nodes from the root on */
	uint32_t depth; /* of the path's last */
};

static uint32_t add_node(struct making *m, struct scope_text name,
			 enum scope_frame_kind kind, uint32_t depth,
			 uint64_t from)
{
	struct scope_profile_tree *t = &m->tree;

	if (t->n == m->cap) {
		size_t cap = m->cap ? 2 * m->cap : 1024;
		void *more = realloc(t->nodes, cap * sizeof(*t->nodes));

		if (!more)
			return SCOPE_PROFILE_NONE;
		t->nodes = more;
		m->cap = cap;
	}
	t->nodes[t->n] = (struct scope_profile_node){
		.name = name,
		.kind = kind,
		.depth = depth,
		.parent = depth ? m->path[depth - 1] : 0,
		.from = from,
	};
	m->path[depth] = (uint32_t)t->n;
	if (depth > t->depth)
		t->depth = depth;
	return (uint32_t)t->n++;
}

/* What stands at a depth of a stack; the root is at 0. */
static struct scope_text element(const struct making *m,
				 const struct scope_profile_stack *s,
				 uint32_t depth, enum scope_frame_kind *ret_kind)
{
	uint32_t at = depth - 1 - m->o.by_process;
	struct scope_frame f;

	*ret_kind = SCOPE_FRAME_SYSTEM;
	if (m->o.by_process && depth == 1)
		return scope_profile_proc_title(m->o.p, s->proc);
	f = scope_profile_get_frame(
		m->o.p, scope_profile_stack_frames(m->o.p, s)[at]);
	*ret_kind = f.kind;
	return f.name;
}

static int add_stack(struct making *m, const struct scope_profile_stack *s,
		     uint64_t weight, uint64_t from)
{
	uint32_t depth = s->n + m->o.by_process, same = 0;
	enum scope_frame_kind kind;

	if (depth > SCOPE_PROFILE_DEPTH)
		depth = SCOPE_PROFILE_DEPTH;
	while (same < depth && same < m->depth) {
		const struct scope_profile_node *n =
			&m->tree.nodes[m->path[same + 1]];
		struct scope_text name = element(m, s, same + 1, &kind);

		if (n->kind != kind || scope_text_cmp(n->name, name))
			break;
		same++;
	}
	for (uint32_t d = same + 1; d <= depth; d++) {
		struct scope_text name = element(m, s, d, &kind);

		if (add_node(m, name, kind, d, from) == SCOPE_PROFILE_NONE)
			return -ENOMEM;
	}
	m->depth = depth;
	for (uint32_t d = 0; d <= depth; d++)
		m->tree.nodes[m->path[d]].total += weight;
	m->tree.nodes[m->path[depth]].self += weight;
	return 0;
}

static int make(struct making *m, const struct scope_profile_opts *opts,
		const uint32_t *at)
{
	static const struct scope_text all = { "all", 3 };
	uint64_t from = 0;
	int r = add_node(m, all, SCOPE_FRAME_SYSTEM, 0, 0) ==
				SCOPE_PROFILE_NONE ?
			-ENOMEM :
			0;

	for (size_t i = 0; r == 0 && i < scope_profile_stacks(m->o.p); i++) {
		const struct scope_profile_stack *s =
			scope_profile_stack(m->o.p, at[i]);
		uint64_t w = opts->by_ns ? s->ns : s->count;

		r = add_stack(m, s, w, from);
		from += w;
	}
	return r;
}

int scope_profile_tree(const struct scope_profile *p,
		       const struct scope_profile_opts *opts,
		       struct scope_profile_tree *ret_tree)
{
	struct making *m = calloc(1, sizeof(*m));
	uint32_t *at = NULL;
	int r;

	if (!m)
		return -ENOMEM;
	m->o = (struct order){ .p = p, .by_process = opts->by_process };
	r = sort(&m->o, &at);
	if (r == 0)
		r = make(m, opts, at);
	order_done(&m->o);
	free(at);
	if (r < 0)
		free(m->tree.nodes);
	else
		*ret_tree = m->tree;
	free(m);
	return r;
}
