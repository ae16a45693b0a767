/* SPDX-License-Identifier: MIT */
/*
 * Who is below whom. A process that proc_lib started (gen_server, supervisor,
 * Task, GenServer…) keeps in '$ancestors' who started it, that one's ancestor,
 * and so on: under a supervisor that is the supervision tree. One without such
 * a list, or whose ancestors are gone or not linked to it, is below the process
 * that spawned it if those two are linked, else below the only older process
 * that it is linked to.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "cli/ps.h"
#include "export/json.h"

#define NONE UINT32_MAX
#define DEPTH_MAX 512u

struct tree {
	struct scope_ps *ps;
	struct scope_ps_node *nodes;
	size_t n;
	struct scope_map *by_pid, *by_name; /* owned */
};

static bool is_linked(const struct scope_ps *ps,
		      const struct scope_snap_proc *p, uint64_t to)
{
	for (uint32_t i = 0; i < p->links.n; i++)
		if (scope_snapshot_peer(ps->s, &p->links, i)->to.word == to)
			return true;
	return false;
}

static uint32_t find(const struct tree *t, uint64_t word)
{
	uint64_t at;

	if (scope_is_pid(word) && scope_map_get(t->by_pid, word, &at))
		return (uint32_t)at;
	if (scope_is_atom(word) && scope_map_get(t->by_name, word, &at))
		return (uint32_t)at;
	return NONE;
}

/* What a node says of itself may be anything: no circles, and no tree deeper
 * than can be drawn. */
static bool may_be_above(const struct tree *t, uint32_t above, uint32_t below)
{
	unsigned depth = 1;

	for (uint32_t at = above; at != NONE; at = t->nodes[at].above)
		if (at == below || ++depth > DEPTH_MAX)
			return false;
	return true;
}

static bool put_below(struct tree *t, uint32_t i, uint32_t above,
		      enum scope_ps_via via, bool linked)
{
	struct scope_ps_node *n = &t->nodes[i];

	if (above == NONE || !may_be_above(t, above, i))
		return false;
	n->above = above;
	n->via = via;
	n->is_linked = linked;
	return true;
}

/* The first of its ancestors that is alive. */
static uint32_t ancestor(const struct tree *t, const struct scope_snap_proc *p)
{
	struct scope_image image = scope_snapshot_image(t->ps->s,
							&p->ancestors);
	uint64_t list = p->ancestors.word, head;

	while (list && scope_term_list_next(&image, &list, &head) == 1) {
		uint32_t at = find(t, head);

		if (at != NONE)
			return at;
	}
	return NONE;
}

/* The only process among its links that is older than it. */
static uint32_t older(const struct tree *t, uint32_t i)
{
	const struct scope_snap_proc *p = t->nodes[i].p;
	uint32_t one = NONE;

	for (uint32_t k = 0; k < p->links.n; k++) {
		uint32_t at = find(
			t, scope_snapshot_peer(t->ps->s, &p->links, k)->to.word);

		if (at == NONE || at >= i)
			continue;
		if (one != NONE)
			return NONE;
		one = at;
	}
	return one;
}

static void place(struct tree *t, uint32_t i)
{
	const struct scope_snap_proc *p = t->nodes[i].p;
	uint32_t above = ancestor(t, p);
	bool linked = above != NONE &&
		      is_linked(t->ps, p, t->nodes[above].p->pid);

	if (linked && put_below(t, i, above, SCOPE_PS_VIA_ANCESTORS, true))
		return;
	if (p->parent && is_linked(t->ps, p, p->parent) &&
	    put_below(t, i, find(t, p->parent), SCOPE_PS_VIA_PARENT, true))
		return;
	if (put_below(t, i, older(t, i), SCOPE_PS_VIA_LINK, true))
		return;
	(void)put_below(t, i, above, SCOPE_PS_VIA_ANCESTORS, false);
}

struct keyed {
	uint64_t order;
	const struct scope_snap_proc *p;
};

static int by_order(const void *a, const void *b)
{
	const struct keyed *x = a, *y = b;

	return (x->order > y->order) - (x->order < y->order);
}

static int fill(struct tree *t)
{
	scope_autofree struct keyed *k = calloc(t->n + 1, sizeof(*k));
	int r = 0;

	if (!k)
		return -ENOMEM;
	for (size_t i = 0; i < t->n; i++) {
		k[i].p = scope_snapshot_at(t->ps->s, i);
		k[i].order = scope_vm_pid_order(t->ps->vm, k[i].p->pid);
	}
	qsort(k, t->n, sizeof(*k), by_order);
	for (size_t i = 0; r == 0 && i < t->n; i++) {
		t->nodes[i] = (struct scope_ps_node){
			.p = k[i].p, .above = NONE, .first = NONE, .next = NONE
		};
		r = scope_map_put(t->by_pid, k[i].p->pid, i);
		if (r == 0 && k[i].p->name)
			r = scope_map_put(t->by_name, k[i].p->name, i);
	}
	return r;
}

struct scope_ps_node *scope_ps_tree(struct scope_ps *ps, size_t *ret_n)
{
	size_t n = scope_snapshot_count(ps->s);
	scope_auto(scope_map) by_pid = scope_map_new(n + 1);
	scope_auto(scope_map) by_name = scope_map_new(n + 1);
	scope_autofree struct scope_ps_node *nodes =
		calloc(n + 1, sizeof(*nodes));
	struct tree t = { .ps = ps,
			  .nodes = nodes,
			  .n = n,
			  .by_pid = by_pid,
			  .by_name = by_name };

	if (!nodes || !by_pid || !by_name || n >= NONE || fill(&t) < 0)
		return NULL;
	for (uint32_t i = 0; i < n; i++)
		place(&t, i);
	/* Backwards, so that the lists come out forwards. */
	for (uint32_t i = (uint32_t)n; i-- > 0;) {
		uint32_t above = nodes[i].above;

		if (above == NONE)
			continue;
		nodes[i].next = nodes[above].first;
		nodes[above].first = i;
	}
	*ret_n = n;
	return scope_take(nodes);
}

/* ---- drawing ---------------------------------------------------------------------------- */

static void put_line(struct scope_ps *ps, const struct scope_ps_node *n,
		     FILE *out)
{
	struct scope_buf b = scope_buf_of(ps->text, sizeof(ps->text));
	const struct scope_snap_proc *p = n->p;
	size_t len;

	scope_ps_put_what(ps, p, &b);
	scope_buf_char(&b, ' ');
	scope_ps_put(ps, p, SCOPE_PS_PID, &b);
	if (p->name || p->label.word) {
		scope_buf_char(&b, ' ');
		scope_ps_put(ps, p, SCOPE_PS_INITIAL_CALL, &b);
	}
	if (p->status != SCOPE_SNAP_WAITING) {
		scope_buf_char(&b, ' ');
		scope_ps_put(ps, p, SCOPE_PS_STATE, &b);
	}
	if (p->mailbox)
		scope_buf_printf(&b, " %" PRIu64 " queued", p->mailbox);
	if (n->via == SCOPE_PS_VIA_ANCESTORS && !n->is_linked)
		scope_buf_lit(&b, " (not linked)");
	if (n->via == SCOPE_PS_VIA_PARENT)
		scope_buf_lit(&b, " (spawned, linked)");
	if (n->via == SCOPE_PS_VIA_LINK)
		scope_buf_lit(&b, " (linked)");
	len = b.len;
	(void)scope_ps_clean(ps->text, &len);
	fwrite(ps->text, 1, len, out);
	fputc('\n', out);
}

static void put_object(struct scope_ps *ps, const struct scope_ps_node *nodes,
		       const struct scope_ps_node *n, unsigned depth, FILE *out)
{
	static const char *const via[] = { "none", "ancestors", "parent",
					   "link" };
	struct scope_buf b;

	fputs("{\"process\":", out);
	scope_ps_print_json(ps, n->p, NULL, 0, out);
	fprintf(out, ",\"depth\":%u", depth);
	if (n->above != NONE) {
		b = scope_buf_of(ps->text, sizeof(ps->text));
		scope_ps_put(ps, nodes[n->above].p, SCOPE_PS_PID, &b);
		fprintf(out, ",\"above\":\"%.*s\",\"via\":\"%s\",\"linked\":%s",
			(int)b.len, b.p, via[n->via],
			n->is_linked ? "true" : "false");
	}
	fputs("}\n", out);
}

/* More brothers, at each depth: which lines go on. */
struct drawing {
	bool more[DEPTH_MAX + 2];
	unsigned depth;
};

static void put_branches(const struct drawing *d, FILE *out)
{
	for (unsigned k = 1; k < d->depth; k++)
		fputs(d->more[k] ? "│  " : "   ", out);
	if (d->depth)
		fputs(d->more[d->depth] ? "├─ " : "└─ ", out);
}

/* One tree, in the order of its lines. */
static void draw(struct scope_ps *ps, struct scope_ps_node *nodes,
		 uint32_t root, bool is_json, FILE *out)
{
	struct drawing d = { .depth = 0 };
	uint32_t at = root;

	for (;;) {
		const struct scope_ps_node *n = &nodes[at];

		d.more[d.depth] = d.depth && n->next != NONE;
		if (is_json) {
			put_object(ps, nodes, n, d.depth, out);
		} else {
			put_branches(&d, out);
			put_line(ps, n, out);
		}
		if (n->first != NONE) {
			at = n->first;
			d.depth++;
			continue;
		}
		while (d.depth && nodes[at].next == NONE) {
			at = nodes[at].above;
			d.depth--;
		}
		if (!d.depth)
			return;
		at = nodes[at].next;
	}
}

/* Whether something above is drawn already. */
static bool is_covered(const struct scope_ps_node *nodes, uint32_t i,
		       const bool *is_wanted)
{
	for (uint32_t at = nodes[i].above; at != NONE; at = nodes[at].above)
		if (is_wanted[at])
			return true;
	return false;
}

int scope_ps_print_tree(struct scope_ps *ps, struct scope_ps_node *nodes,
			size_t n, const bool *is_wanted, bool is_json,
			FILE *out)
{
	size_t via[4] = { 0 };

	for (uint32_t i = 0; i < n; i++) {
		via[nodes[i].via]++;
		if (is_wanted ? is_wanted[i] &&
					!is_covered(nodes, i, is_wanted) :
				nodes[i].above == NONE)
			draw(ps, nodes, i, is_json, out);
	}
	if (!is_json)
		fprintf(out,
			"%zu processes: %zu placed by $ancestors, %zu by who "
			"spawned them, %zu by a link, %zu at the top\n",
			n, via[SCOPE_PS_VIA_ANCESTORS],
			via[SCOPE_PS_VIA_PARENT], via[SCOPE_PS_VIA_LINK],
			via[SCOPE_PS_VIA_NONE]);
	return ferror(out) ? -EIO : 0;
}
