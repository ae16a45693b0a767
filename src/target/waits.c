/* SPDX-License-Identifier: MIT */
#include "target/waits.h"

#include <string.h>

#include "base/map.h"
#include "target/target_int.h"

#define REFS 4	  /* of a caller's frame that are looked at */
#define DEPTH 3	  /* of tuples that a {Caller, Tag} may be in */
#define ARITY_MAX 8 /* of such tuples */
#define CHAIN_MAX 1024
#define MARKER 0xffffffffu
/* It is on a scheduler, a dirty one or in a system task (erl_process.h). */
#define STATE_RUNS (1u << 15 | 1u << 21 | 1u << 29 | 1u << 30)

struct ref {
	uint32_t n[3];
};

struct caller {
	struct ref refs[REFS];
	unsigned nrefs;
	uint64_t target; /* the one pid in its frame, or 0 */
};

struct search {
	struct scope_target *t;
	struct scope_naming *n;
	struct scope_map *by_pid; /* owned: pid to its number + 1 */
	struct scope_wait *waits; /* owned, with `callers`, of the same number */
	struct caller *callers;	  /* owned */
	size_t count, cap;
	size_t left; /* terms that may still be looked at */
	uint64_t words[SCOPE_WAITS_WORDS];
};

static bool read_words(const struct search *s, uint64_t addr, uint64_t *w,
		       size_t n)
{
	return (addr & 7) == 0 && scope_target_read(s->t, addr, w, 8 * n) == 0;
}

static bool read_ref(const struct search *s, uint64_t term, struct ref *ret)
{
	const struct scope_layout *l = &s->t->layout;
	uint64_t w[3];
	uint32_t marker;

	if (SCOPE_TAG(term) != SCOPE_TAG_BOXED ||
	    !read_words(s, SCOPE_PTR(term), w, 3) ||
	    SCOPE_TAG(w[0]) != SCOPE_TAG_HEADER ||
	    SCOPE_SUBTAG(w[0]) != l->sub.ref)
		return false;
	memcpy(&marker, (uint8_t *)w + l->ref_marker, 4);
	memcpy(ret->n, (uint8_t *)w + l->ref_num, sizeof(ret->n));
	return marker == MARKER;
}

/* Where a stack is, of a process that has one. */
static size_t read_stack(struct search *s, uint64_t proc)
{
	const struct scope_layout *l = &s->t->layout;
	uint64_t stop, hend;
	size_t n;

	if (!read_words(s, proc + l->p_stop, &stop, 1) ||
	    !read_words(s, proc + l->p_hend, &hend, 1) || stop >= hend ||
	    ((stop | hend) & 7))
		return 0;
	n = (hend - stop) / 8 < SCOPE_WAITS_WORDS ? (hend - stop) / 8 :
						    SCOPE_WAITS_WORDS;
	return read_words(s, stop, s->words, n) ? n : 0;
}

/* -- who calls ------------------------------------------------------------- */

static bool is_name(const char *s, uint32_t len, const char *is)
{
	return s && len == strlen(is) && !memcmp(s, is, len);
}

static bool is_in(const struct scope_named *f, const char *module)
{
	return f->kind == SCOPE_NAMED_FUNCTION &&
	       is_name(f->module, f->module_len, module);
}

static int add_caller(struct search *s, const struct scope_proc *p,
		      const struct caller *c)
{
	if (s->count == SCOPE_WAITS_CALLERS)
		return 0;
	if (s->count == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 64;
		struct scope_wait *w =
			realloc(s->waits, cap * sizeof(*w));
		struct caller *k;

		if (!w)
			return -ENOMEM;
		s->waits = w;
		k = realloc(s->callers, cap * sizeof(*k));
		if (!k)
			return -ENOMEM;
		s->callers = k;
		s->cap = cap;
	}
	s->waits[s->count] =
		(struct scope_wait){ .pid = p->pid, .name = p->name };
	s->callers[s->count++] = *c;
	return scope_map_put(s->by_pid, p->pid, s->count);
}

static int find_caller(void *arg, const struct scope_proc *p)
{
	struct search *s = arg;
	struct caller c = { .nrefs = 0 };
	struct scope_named f;
	unsigned pids = 0;
	size_t n;

	if (!p->i || scope_naming_find(s->n, p->i, &f) < 0 ||
	    !is_in(&f, "gen") || !is_name(f.function, f.function_len, "do_call"))
		return 0;
	n = read_stack(s, p->addr);
	/* The registers of the first frame. */
	for (size_t i = 0; i < n && SCOPE_TAG(s->words[i]); i++) {
		const uint64_t w = s->words[i];

		if (c.nrefs < REFS && read_ref(s, w, &c.refs[c.nrefs]))
			c.nrefs++;
		if (scope_is_pid(w) && w != p->pid) {
			c.target = w;
			pids++;
		}
	}
	if (pids != 1)
		c.target = 0;
	return add_caller(s, p, &c);
}

/* -- who is called --------------------------------------------------------- */

/* The tag of a call: its reference, or [alias | reference], or that in a list
 * (gen_server's send_request). */
static bool is_tag(const struct search *s, uint64_t tag, const struct caller *c)
{
	struct ref ref;
	uint64_t cell[2];

	for (int i = 0; i < 2 && SCOPE_TAG(tag) == SCOPE_TAG_LIST; i++) {
		if (!read_words(s, SCOPE_PTR(tag), cell, 2))
			return false;
		tag = SCOPE_TAG(cell[0]) == SCOPE_TAG_LIST ? cell[0] : cell[1];
	}
	if (!read_ref(s, tag, &ref))
		return false;
	for (unsigned i = 0; i < c->nrefs; i++)
		if (!memcmp(&ref, &c->refs[i], sizeof(ref)))
			return true;
	return false;
}

static void found(struct search *s, size_t caller, const struct scope_proc *p,
		  bool is_queued)
{
	const uint64_t target = s->callers[caller].target;
	struct scope_wait *w = &s->waits[caller];

	/* Where a stack was when a process began to run may be anything now:
	 * what it says against the caller's own word is not believed. */
	if (!is_queued && (p->state & STATE_RUNS) && target &&
	    target != p->pid)
		return;
	/* Its own From is on a caller's stack, too. */
	if (w->pid == p->pid || (w->on && !w->is_queued))
		return;
	w->on = p->pid;
	w->on_name = p->name;
	w->is_queued = is_queued;
}

static void look_at(struct search *s, const struct scope_proc *p,
		    uint64_t term, bool is_queued, unsigned depth)
{
	uint64_t w[1 + ARITY_MAX], caller, arity;

	if (SCOPE_TAG(term) != SCOPE_TAG_BOXED || !s->left || !s->left-- ||
	    !read_words(s, SCOPE_PTR(term), w, 1) ||
	    SCOPE_TAG(w[0]) != SCOPE_TAG_HEADER ||
	    SCOPE_SUBTAG(w[0]) != s->t->layout.sub.tuple)
		return;
	arity = SCOPE_ARITY(w[0]);
	if (arity < 2 || arity > ARITY_MAX ||
	    !read_words(s, SCOPE_PTR(term) + 8, w + 1, (size_t)arity))
		return;
	if (arity == 2 && scope_map_get(s->by_pid, w[1], &caller) &&
	    is_tag(s, w[2], &s->callers[caller - 1])) {
		found(s, (size_t)caller - 1, p, is_queued);
		return;
	}
	for (uint64_t i = 1; depth && i <= arity; i++)
		look_at(s, p, w[i], is_queued, depth - 1);
}

static void look_at_queue(struct search *s, const struct scope_proc *p,
			  uint64_t head, unsigned *left)
{
	const struct scope_layout *l = &s->t->layout;
	uint64_t at, term;

	if (!read_words(s, head, &at, 1))
		return;
	for (; at && *left; --*left) {
		if (!read_words(s, at + l->m_term, &term, 1))
			return;
		look_at(s, p, term, true, DEPTH - 1);
		if (!read_words(s, at + l->m_next, &at, 1))
			return;
	}
}

/* A server that waits for its next message, and has none, owes nothing that
 * could be seen. */
static bool is_idle(struct search *s, const struct scope_proc *p)
{
	struct scope_named f;

	return p->queue_empty && p->i &&
	       scope_naming_find(s->n, p->i, &f) == 0 &&
	       (is_in(&f, "gen_server") || is_in(&f, "gen_statem") ||
		is_in(&f, "gen_event") || is_in(&f, "application_master"));
}

static int find_called(void *arg, const struct scope_proc *p)
{
	struct search *s = arg;
	const struct scope_layout *l = &s->t->layout;
	unsigned left = SCOPE_WAITS_MESSAGES;
	size_t n;

	if (is_idle(s, p))
		return 0;
	if (!p->queue_empty) {
		look_at_queue(s, p, p->addr + l->p_sig_qs + l->sq_first, &left);
		look_at_queue(s, p, p->addr + l->p_sig_qs + l->sq_cont, &left);
		look_at_queue(s, p, p->addr + l->p_sig_inq + l->si_first,
			      &left);
	}
	n = read_stack(s, p->addr);
	for (size_t i = 0; i < n; i++)
		look_at(s, p, s->words[i], false, DEPTH - 1);
	return 0;
}

static void use_targets(struct search *s)
{
	for (size_t i = 0; i < s->count; i++) {
		struct scope_proc p;

		if (s->waits[i].on || !s->callers[i].target)
			continue;
		s->waits[i].on = s->callers[i].target;
		if (scope_target_proc(s->t, s->waits[i].on, &p) == 0)
			s->waits[i].on_name = p.name;
	}
}

/* -- the graph ------------------------------------------------------------- */

/* Each waits for one: from each the chain is followed, which ends, or comes back
 * to where it was. */
int scope_waits_mark(struct scope_wait *w, size_t n)
{
	scope_auto(scope_map) by_pid = scope_map_new(2 * n + 1);
	scope_auto(scope_map) seen = scope_map_new(2 * n + 1);
	scope_autofree size_t *stamp = calloc(n + 1, sizeof(*stamp));
	uint64_t at, count;
	int r = by_pid && seen && stamp ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = scope_map_put(by_pid, w[i].pid, i);
	for (size_t i = 0; r == 0 && i < n; i++) {
		size_t k = i;

		w[i].is_in_cycle = false;
		for (size_t steps = 0; w[k].on && steps < CHAIN_MAX; steps++) {
			bool waits = scope_map_get(by_pid, w[k].on, &at);

			stamp[k] = i + 1;
			w[i].is_in_cycle = waits && at == i;
			if (waits && stamp[at] == i + 1)
				break;
			count = 0;
			(void)scope_map_get(seen, w[k].on, &count);
			r = scope_map_put(seen, w[k].on, count + 1);
			if (r < 0 || !waits)
				break;
			k = (size_t)at;
		}
	}
	for (size_t i = 0; r == 0 && i < n; i++) {
		count = 0;
		if (w[i].on)
			(void)scope_map_get(seen, w[i].on, &count);
		w[i].waiting = (size_t)count;
	}
	return r;
}

static void search_free(struct search **s)
{
	if (!*s)
		return;
	scope_map_free((*s)->by_pid);
	free((*s)->callers);
	free((*s)->waits);
	free(*s);
}

int scope_waits_find(struct scope_target *t, struct scope_naming *n,
		     struct scope_wait **ret_waits, size_t *ret_n,
		     struct scope_err *err)
{
	__attribute__((cleanup(search_free))) struct search *s =
		calloc(1, sizeof(*s));
	int r;

	if (!s)
		return scope_fail(err, -ENOMEM, "out of memory");
	s->t = t;
	s->n = n;
	s->left = SCOPE_WAITS_LOOKS;
	s->by_pid = scope_map_new(2 * SCOPE_WAITS_CALLERS);
	if (!s->by_pid)
		return scope_fail(err, -ENOMEM, "out of memory");
	r = scope_target_procs(t, find_caller, s, err);
	if (r == 0 && s->count)
		r = scope_target_procs(t, find_called, s, err);
	if (r == 0)
		use_targets(s);
	if (r == 0)
		r = scope_waits_mark(s->waits, s->count);
	if (r < 0)
		return r;
	*ret_waits = scope_take(s->waits);
	*ret_n = s->count;
	return 0;
}
