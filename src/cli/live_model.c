/* SPDX-License-Identifier: MIT */
/*
 * Rows lie in an array; freed ones are chained through `older`. Those in use
 * are a ring through row 0, which is no process: 0's `older` is the row whose
 * last event is the youngest, 0's `newer` the one that was idle longest.
 */
#include "cli/live_model.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

#define FIRST_ROWS 64u
#define NS_PER_S 1e9
/* Below it a rate is 0: averages never quite forget. */
#define RATE_LEAST 0.05

struct scope_model {
	struct scope_row *rows; /* owned; rows[0] is the ring's anchor */
	size_t cap;		/* of rows */
	size_t used;		/* rows ever used */
	size_t max;		/* processes */
	size_t gone;		/* of them, those that ended */
	uint32_t free_row;	/* chain of freed rows; 0: none */
	struct scope_map *index; /* owned: pid to row */
	uint64_t *pids;		 /* owned: the last view */
	size_t pids_cap;
	bool counts_receives; /* messages in are counted when received */
	bool sees_all;	      /* every process comes and goes by an event */
	uint64_t tick_ns;
	scope_match_fn *match;
	void *match_arg;
	struct scope_model_totals totals;
};

struct scope_model *scope_model_new(size_t max, scope_kindset kinds)
{
	const scope_kindset comings = SCOPE_KIND_BIT(SCOPE_KIND_PROC_INFO) |
				      SCOPE_KIND_BIT(SCOPE_KIND_PROC_SPAWN) |
				      SCOPE_KIND_BIT(SCOPE_KIND_PROC_EXIT);
	scope_auto(scope_model) m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->max = max;
	m->cap = FIRST_ROWS;
	m->used = 1;
	m->counts_receives = !(kinds & SCOPE_KIND_BIT(SCOPE_KIND_MSG_SEND));
	m->sees_all = (kinds & comings) == comings;
	m->rows = calloc(m->cap, sizeof(*m->rows));
	m->index = scope_map_new(max);
	return m->rows && m->index ? scope_take(m) : NULL;
}

void scope_model_free(struct scope_model *m)
{
	if (!m)
		return;
	free(m->rows);
	scope_map_free(m->index);
	free(m->pids);
	free(m);
}

struct scope_model *scope_model_copy(const struct scope_model *m)
{
	scope_auto(scope_model) c = calloc(1, sizeof(*c));
	uint64_t pid, i;
	size_t at = 0;

	if (!c)
		return NULL;
	*c = *m;
	c->pids = NULL;
	c->pids_cap = 0;
	c->rows = malloc(m->cap * sizeof(*m->rows));
	c->index = scope_map_new(m->max);
	if (!c->rows || !c->index)
		return NULL;
	memcpy(c->rows, m->rows, m->used * sizeof(*m->rows));
	while (scope_map_next(m->index, &at, &pid, &i))
		if (scope_map_put(c->index, pid, i) < 0)
			return NULL;
	return scope_take(c);
}

static void unlink_row(struct scope_model *m, uint32_t i)
{
	struct scope_row *r = &m->rows[i];

	m->rows[r->newer].older = r->older;
	m->rows[r->older].newer = r->newer;
}

static void link_newest(struct scope_model *m, uint32_t i)
{
	struct scope_row *anchor = &m->rows[0];
	struct scope_row *r = &m->rows[i];

	r->newer = 0;
	r->older = anchor->older;
	m->rows[anchor->older].newer = i;
	anchor->older = i;
}

static void drop_row(struct scope_model *m, uint32_t i)
{
	(void)scope_map_take(m->index, m->rows[i].pid, NULL);
	m->gone -= m->rows[i].gone_ns != 0;
	unlink_row(m, i);
	m->rows[i].older = m->free_row;
	m->free_row = i;
}

static int grow(struct scope_model *m)
{
	size_t cap = m->cap * 2;
	struct scope_row *rows = realloc(m->rows, cap * sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	m->rows = rows;
	m->cap = cap;
	return 0;
}

/* A row of no process yet: 0 when memory is short. */
static uint32_t take_row(struct scope_model *m)
{
	uint32_t i;

	if (scope_map_len(m->index) >= m->max) {
		drop_row(m, m->rows[0].newer);
		m->totals.evicted++;
	}
	if (m->free_row) {
		i = m->free_row;
		m->free_row = m->rows[i].older;
		return i;
	}
	if (m->used == m->cap && grow(m) < 0)
		return 0;
	return (uint32_t)m->used++;
}

static void rematch(struct scope_model *m, struct scope_row *r)
{
	r->is_match = !m->match || m->match(m->match_arg, r);
}

static struct scope_row *make_row(struct scope_model *m, uint64_t pid)
{
	uint32_t i = take_row(m);

	if (!i)
		return NULL;
	if (scope_map_put(m->index, pid, i) < 0) {
		m->rows[i].older = m->free_row;
		m->free_row = i;
		return NULL;
	}
	memset(&m->rows[i], 0, sizeof(m->rows[i]));
	m->rows[i].pid = pid;
	link_newest(m, i);
	rematch(m, &m->rows[i]);
	return &m->rows[i];
}

/* The row of a process, made when it has none; NULL: not a process, or memory
 * is short. */
static struct scope_row *row_of(struct scope_model *m, uint64_t pid)
{
	uint64_t i;

	if (!pid || (pid & 0xf) != 0x3) /* no pid of this node */
		return NULL;
	if (!scope_map_get(m->index, pid, &i))
		return make_row(m, pid);
	unlink_row(m, (uint32_t)i);
	link_newest(m, (uint32_t)i);
	return &m->rows[i];
}

static uint64_t get_u(const struct scope_event *ev, enum scope_field_key key)
{
	const struct scope_field *f = scope_event_get(ev, key);

	return f ? f->u : 0;
}

static void set_name(struct scope_model *m, struct scope_row *r, uint64_t name)
{
	if (r->name == name)
		return;
	r->name = name;
	rematch(m, r);
}

static void set_call(struct scope_model *m, struct scope_row *r,
		     const struct scope_field *f)
{
	if (!f)
		return;
	r->call = f->mfa;
	rematch(m, r);
}

/* The other party of an event: the one it went to. */
static void count_to(struct scope_model *m, const struct scope_event *ev)
{
	struct scope_row *to = row_of(m, get_u(ev, SCOPE_FIELD_TO));
	uint64_t name = get_u(ev, SCOPE_FIELD_TO_NAME);

	if (!to)
		return;
	to->n[SCOPE_COUNT_IN].total++;
	to->last_ns = ev->mono_ns;
	if (name)
		set_name(m, to, name);
}

static void count_child(struct scope_model *m, const struct scope_event *ev)
{
	uint64_t pid = get_u(ev, SCOPE_FIELD_CHILD);
	struct scope_row *child;
	uint64_t i;

	/* The number of a process that ended can be given again. */
	if (pid && scope_map_get(m->index, pid, &i))
		drop_row(m, (uint32_t)i);
	child = row_of(m, pid);
	if (!child)
		return;
	child->last_ns = ev->mono_ns;
	set_call(m, child, scope_event_get(ev, SCOPE_FIELD_MFA));
}

static void count_info(struct scope_model *m, struct scope_row *r,
		       const struct scope_event *ev)
{
	const struct scope_field *call =
		scope_event_get(ev, SCOPE_FIELD_INITIAL_CALL);

	set_call(m, r, call ? call : scope_event_get(ev, SCOPE_FIELD_MFA));
}

/* What an event says of the process that it happened in or to. */
static void count_own(struct scope_model *m, struct scope_row *r,
		      const struct scope_event *ev)
{
	const struct scope_field *f;

	switch (ev->kind) {
	case SCOPE_KIND_PROC_SPAWN:
		r->n[SCOPE_COUNT_SPAWN].total++;
		break;
	case SCOPE_KIND_PROC_EXIT:
		m->gone += r->gone_ns == 0;
		r->gone_ns = ev->mono_ns ? ev->mono_ns : 1;
		break;
	case SCOPE_KIND_PROC_REGISTER:
		set_name(m, r, get_u(ev, SCOPE_FIELD_REGISTERED));
		break;
	case SCOPE_KIND_PROC_UNREGISTER:
		set_name(m, r, 0); /* the event's is the one given up */
		break;
	case SCOPE_KIND_PROC_INFO:
		count_info(m, r, ev);
		break;
	case SCOPE_KIND_MSG_SEND:
		r->n[SCOPE_COUNT_OUT].total++;
		break;
	case SCOPE_KIND_MSG_RECEIVE:
		r->n[SCOPE_COUNT_IN].total += m->counts_receives;
		f = scope_event_get(ev, SCOPE_FIELD_MAILBOX);
		r->has_mailbox |= f != NULL;
		r->mailbox = f ? f->u : r->mailbox;
		break;
	case SCOPE_KIND_GC_END:
		r->n[SCOPE_COUNT_GC].total++;
		r->n[SCOPE_COUNT_GC_NS].total +=
			get_u(ev, SCOPE_FIELD_PAUSE_NS);
		break;
	default:
		break;
	}
}

/* Probes are taken off, or come back. */
static void note_budget(struct scope_model_totals *t,
			const struct scope_event *ev)
{
	const struct scope_field *state =
		scope_event_get(ev, SCOPE_FIELD_BUDGET_STATE);

	if (state && state->len == 2 && !memcmp(state->text, "on", 2))
		t->groups_off -= t->groups_off > 0;
	else if (state && !(state->len == 3 && !memcmp(state->text, "end", 3)))
		t->groups_off++;
	t->is_limited = true;
}

static void count_totals(struct scope_model_totals *t,
			 const struct scope_event *ev)
{
	switch (ev->kind) {
	case SCOPE_KIND_LOSS:
		t->lost += get_u(ev, SCOPE_FIELD_COUNT);
		return;
	case SCOPE_KIND_BUDGET:
		note_budget(t, ev);
		return;
	case SCOPE_KIND_PROC_INFO:
		t->introduced++;
		return;
	case SCOPE_KIND_NODE_ATTACH:
	case SCOPE_KIND_NODE_EXIT:
	case SCOPE_KIND_SUMMARY:
		return;
	case SCOPE_KIND_MSG_SEND:
		t->sends.total++;
		break;
	case SCOPE_KIND_MSG_RECEIVE:
		t->receives.total++;
		break;
	case SCOPE_KIND_PROC_SPAWN:
		t->spawns.total++;
		break;
	case SCOPE_KIND_PROC_EXIT:
		t->exits.total++;
		break;
	case SCOPE_KIND_GC_END:
		t->gcs.total++;
		t->gc_ns.total += get_u(ev, SCOPE_FIELD_PAUSE_NS);
		break;
	default:
		break;
	}
	t->events.total++;
	t->last_ns = ev->mono_ns;
}

int scope_model_event(struct scope_model *m, const struct scope_event *ev)
{
	struct scope_row *r;

	count_totals(&m->totals, ev);
	if (ev->kind == SCOPE_KIND_PROC_SPAWN)
		count_child(m, ev);
	else if (ev->kind == SCOPE_KIND_MSG_SEND)
		count_to(m, ev);
	if (!ev->pid)
		return 0;
	r = row_of(m, ev->pid);
	if (!r)
		return (ev->pid & 0xf) == 0x3 ? -ENOMEM : 0;
	if (ev->kind != SCOPE_KIND_PROC_INFO || !r->last_ns)
		r->last_ns = ev->mono_ns;
	if (ev->name)
		set_name(m, r, ev->name);
	count_own(m, r, ev);
	return 0;
}

static void advance(struct scope_rate *r, double s, double keep)
{
	double now = (double)(r->total - r->seen) / s;

	r->seen = r->total;
	r->per_s = now + (r->per_s - now) * keep;
	if (r->per_s < RATE_LEAST)
		r->per_s = 0;
}

void scope_model_tick(struct scope_model *m, uint64_t mono_ns)
{
	struct scope_model_totals *t = &m->totals;
	struct scope_rate *all[] = { &t->events, &t->sends, &t->receives,
				     &t->spawns, &t->exits, &t->gcs,
				     &t->gc_ns };
	double s, keep;

	if (!m->tick_ns || mono_ns <= m->tick_ns) {
		m->tick_ns = m->tick_ns ? m->tick_ns : mono_ns;
		return;
	}
	s = (double)(mono_ns - m->tick_ns) / NS_PER_S;
	keep = exp(-s / SCOPE_RATE_TAU_S);
	m->tick_ns = mono_ns;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		advance(all[i], s, keep);
	for (uint32_t i = m->rows[0].older, next; i; i = next) {
		struct scope_row *r = &m->rows[i];

		next = r->older;
		if (r->gone_ns && mono_ns > r->gone_ns &&
		    mono_ns - r->gone_ns > SCOPE_GONE_NS) {
			drop_row(m, i);
			continue;
		}
		for (size_t k = 0; k < SCOPE_COUNT_MAX; k++)
			advance(&r->n[k], s, keep);
	}
}

void scope_model_set_filter(struct scope_model *m, scope_match_fn *match,
			    void *arg)
{
	m->match = match;
	m->match_arg = arg;
	for (uint32_t i = m->rows[0].older; i; i = m->rows[i].older)
		rematch(m, &m->rows[i]);
}

const struct scope_model_totals *scope_model_totals(const struct scope_model *m)
{
	return &m->totals;
}

size_t scope_model_len(const struct scope_model *m)
{
	return scope_map_len(m->index);
}

size_t scope_model_alive(const struct scope_model *m)
{
	const struct scope_model_totals *t = &m->totals;
	uint64_t came = t->introduced + t->spawns.total;

	if (!m->sees_all)
		return scope_model_len(m) - m->gone;
	return came > t->exits.total ? came - t->exits.total : 0;
}

const struct scope_row *scope_model_row(const struct scope_model *m,
					uint64_t pid)
{
	uint64_t i;

	return pid && scope_map_get(m->index, pid, &i) ? &m->rows[i] : NULL;
}

/* What rows are sorted by: the larger comes first. */
struct order {
	double by;
	uint64_t pid;
};

static double value_of(const struct scope_row *r, enum scope_sort sort)
{
	switch (sort) {
	case SCOPE_SORT_ACTIVE:
		return r->gone_ns ? -1 :
				    r->n[SCOPE_COUNT_IN].per_s +
					    r->n[SCOPE_COUNT_OUT].per_s +
					    r->n[SCOPE_COUNT_GC].per_s +
					    r->n[SCOPE_COUNT_SPAWN].per_s;
	case SCOPE_SORT_IN:
		return r->n[SCOPE_COUNT_IN].per_s;
	case SCOPE_SORT_OUT:
		return r->n[SCOPE_COUNT_OUT].per_s;
	case SCOPE_SORT_MAILBOX:
		return r->has_mailbox ? (double)r->mailbox : -1;
	case SCOPE_SORT_GC:
		return r->n[SCOPE_COUNT_GC].per_s;
	case SCOPE_SORT_GC_NS:
		return r->n[SCOPE_COUNT_GC_NS].per_s;
	case SCOPE_SORT_SPAWN:
		return r->n[SCOPE_COUNT_SPAWN].per_s;
	case SCOPE_SORT_LAST:
		return (double)r->last_ns;
	default:
		return 0;
	}
}

static int compare(const void *va, const void *vb, void *arg)
{
	const struct order *a = va, *b = vb;
	int sign = *(const bool *)arg ? -1 : 1;

	if (a->by != b->by)
		return a->by > b->by ? -sign : sign;
	/* Equal rows don't jump about. */
	if (a->pid != b->pid)
		return a->pid < b->pid ? -sign : sign;
	return 0;
}

size_t scope_model_view(struct scope_model *m, enum scope_sort sort,
			bool is_reversed, const uint64_t **ret_pids)
{
	size_t n = 0, len = scope_map_len(m->index);
	scope_autofree struct order *o = malloc((len + 1) * sizeof(*o));

	if (len > m->pids_cap || !m->pids) {
		free(m->pids);
		m->pids = malloc((len + 1) * 2 * sizeof(*m->pids));
		m->pids_cap = m->pids ? len * 2 : 0;
	}
	*ret_pids = m->pids;
	if (!o || !m->pids)
		return 0;
	for (uint32_t i = m->rows[0].older; i; i = m->rows[i].older) {
		const struct scope_row *r = &m->rows[i];

		if (r->is_match)
			o[n++] = (struct order){ value_of(r, sort), r->pid };
	}
	qsort_r(o, n, sizeof(*o), compare, &is_reversed);
	for (size_t i = 0; i < n; i++)
		m->pids[i] = o[i].pid;
	return n;
}
