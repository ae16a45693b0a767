/* SPDX-License-Identifier: MIT */
#include "cli/top_model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

#define ROWS_MAX (1u << 27) /* more processes no node has */

struct key {
	const struct scope_top_row *row;
	double n;
	char *text; /* owned; NULL: by n */
};

struct scope_top_model {
	struct scope_top_row *rows; /* owned */
	size_t n;
	struct scope_map *at; /* owned: pid to place + 1 */
	const struct scope_top_row **view; /* owned */
};

struct scope_top_model *scope_top_model_new(void)
{
	scope_auto(scope_top_model) m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->at = scope_map_new(ROWS_MAX);
	return m->at ? scope_take(m) : NULL;
}

void scope_top_model_free(struct scope_top_model *m)
{
	if (!m)
		return;
	scope_map_free(m->at);
	free(m->rows);
	free(m->view);
	free(m);
}

size_t scope_top_model_len(const struct scope_top_model *m)
{
	return m->n;
}

static double rate(uint64_t from, uint64_t to, uint64_t ns)
{
	return ns ? ((double)to - (double)from) * 1e9 / (double)ns : 0;
}

static void go_on(struct scope_top_row *r, const struct scope_top_row *was)
{
	uint64_t ns = r->now.read_ns - was->now.read_ns;
	unsigned skip = was->n == SCOPE_TOP_TREND;

	if (r->now.read_ns > was->now.read_ns) {
		r->has_rate = true;
		r->reductions_per_s =
			rate(was->now.reductions, r->now.reductions, ns);
		r->memory_per_s = rate(was->now.memory, r->now.memory, ns);
		r->mailbox_per_s = rate(was->now.mailbox, r->now.mailbox, ns);
	}
	r->n = was->n - skip;
	memcpy(r->memory, was->memory + skip, r->n * sizeof(*r->memory));
	memcpy(r->mailbox, was->mailbox + skip, r->n * sizeof(*r->mailbox));
}

int scope_top_model_take(struct scope_top_model *m,
			 const struct scope_top_sample *samples, size_t n)
{
	scope_autofree struct scope_top_row *rows = calloc(n + 1, sizeof(*rows));
	scope_auto(scope_map) at = scope_map_new(ROWS_MAX);
	const struct scope_top_row **view;
	uint64_t was;

	if (!rows || !at)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct scope_top_row *r = &rows[i];

		r->now = samples[i];
		if (scope_map_get(m->at, r->now.pid, &was))
			go_on(r, &m->rows[was - 1]);
		r->memory[r->n] = r->now.memory;
		r->mailbox[r->n++] = r->now.mailbox;
		if (scope_map_put(at, r->now.pid, i + 1) < 0)
			return -ENOMEM;
	}
	view = realloc(m->view, (n + 1) * sizeof(*view));
	if (!view)
		return -ENOMEM;
	m->view = view;
	free(m->rows);
	m->rows = scope_take(rows);
	m->n = n;
	scope_map_free(m->at);
	m->at = scope_take(at);
	return 0;
}

static bool is_text(enum scope_top_sort sort)
{
	return sort >= SCOPE_TOP_NAME;
}

static double number(const struct scope_top_row *r, enum scope_top_sort sort)
{
	switch (sort) {
	case SCOPE_TOP_RATE:
		return r->reductions_per_s;
	case SCOPE_TOP_REDUCTIONS:
		return (double)r->now.reductions;
	case SCOPE_TOP_MEMORY:
		return (double)r->now.memory;
	case SCOPE_TOP_MEMORY_GROWTH:
		return r->memory_per_s;
	case SCOPE_TOP_MAILBOX:
		return (double)r->now.mailbox;
	case SCOPE_TOP_MAILBOX_GROWTH:
		return r->mailbox_per_s;
	default:
		return 0;
	}
}

static int by_age(const struct scope_top_row *a, const struct scope_top_row *b)
{
	return (a->now.order > b->now.order) - (a->now.order < b->now.order);
}

static int compare(const void *x, const void *y)
{
	const struct key *a = x, *b = y;
	int r = 0;

	if (a->text && b->text) {
		r = !*a->text - !*b->text;
		r = r ? r : strcmp(a->text, b->text);
	} else if (a->n != b->n) {
		r = a->n < b->n ? 1 : -1;
	}
	return r ? r : by_age(a->row, b->row);
}

static void free_keys(struct key *keys, size_t n)
{
	for (size_t i = 0; keys && i < n; i++)
		free(keys[i].text);
	free(keys);
}

int scope_top_model_view(struct scope_top_model *m,
			 const struct scope_top_view *v,
			 const struct scope_top_row *const **ret_rows,
			 size_t *ret_n)
{
	struct key *keys = calloc(m->n + 1, sizeof(*keys));
	size_t n = 0;

	if (!keys)
		return -ENOMEM;
	for (size_t i = 0; i < m->n; i++) {
		const struct scope_top_row *r = &m->rows[i];

		if (v->match && !v->match(v->arg, r))
			continue;
		keys[n] = (struct key){ .row = r, .n = number(r, v->sort) };
		if (is_text(v->sort)) {
			keys[n].text = strdup(v->text(v->arg, r, v->sort));
			if (!keys[n].text) {
				free_keys(keys, n);
				return -ENOMEM;
			}
		}
		n++;
	}
	qsort(keys, n, sizeof(*keys), compare);
	for (size_t i = 0; i < n; i++)
		m->view[i] = keys[v->is_reversed ? n - 1 - i : i].row;
	free_keys(keys, n);
	*ret_rows = m->view;
	*ret_n = n;
	return 0;
}
