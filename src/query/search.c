/* SPDX-License-Identifier: MIT */
#include "query/search.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/filter.h"

struct scope_search {
	struct scope_recording *rec; /* borrowed */
	struct scope_expr *expr;     /* borrowed; NULL: all */
	struct scope_expr_plan plan;
	struct scope_page *page; /* borrowed; NULL: none is being read */
	size_t at, last;	 /* frames; last: SIZE_MAX: to the end */
	struct scope_search_usage usage;
};

struct scope_search *scope_search_new(struct scope_recording *rec,
				  struct scope_expr *expr)
{
	struct scope_search *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->rec = rec;
	s->expr = expr;
	s->last = SIZE_MAX;
	if (expr)
		scope_expr_plan(expr, &s->plan);
	return s;
}

void scope_search_free(struct scope_search *s)
{
	free(s);
}

void scope_search_frames(struct scope_search *s, size_t first, size_t last)
{
	s->at = first;
	s->last = last;
	s->page = NULL;
}

static bool has_keys(const struct scope_search *s)
{
	struct scope_vm *vm = scope_recording_vm(s->rec);
	size_t n;
	const uint8_t *filter = scope_recording_filter(s->rec, s->at, &n);

	for (size_t i = 0; i < s->plan.nkeys; i++) {
		const char *text = s->plan.keys[i].text;
		size_t len = s->plan.keys[i].len;
		char pid[64];
		uint64_t key;

		if (s->plan.keys[i].is_pid) {
			uint64_t word;

			if (len >= sizeof(pid))
				return false;
			memcpy(pid, text, len);
			pid[len] = '\0';
			word = scope_vm_parse_pid(vm, pid);
			/* Another node's, in a term of its own. */
			if (!word)
				continue;
			key = scope_filter_key_of_word(word);
		} else {
			key = scope_filter_key_of_atom(text, len);
		}
		if (!scope_filter_has(filter, n, key))
			return false;
	}
	return true;
}

static bool may_hold(const struct scope_search *s)
{
	const struct scope_block_sum *sum = scope_recording_sum(s->rec, s->at);

	if (!s->expr)
		return true;
	return (sum->kinds & s->plan.kinds) &&
	       sum->max_ts_ns >= s->plan.min_ts_ns &&
	       sum->min_ts_ns <= s->plan.max_ts_ns &&
	       sum->last_id >= s->plan.min_id &&
	       sum->first_id <= s->plan.max_id && has_keys(s);
}

/* 1: a page is being read; 0: there is no further frame. */
static int next_frame(struct scope_search *s)
{
	while (s->at < s->last && s->at < scope_recording_frames(s->rec)) {
		int r;

		if (!may_hold(s)) {
			s->at++;
			s->usage.skipped++;
			continue;
		}
		s->usage.frames++;
		r = scope_recording_load(s->rec, s->at++, &s->page);
		if (r == 0)
			return 1;
		s->page = NULL;
		if (r != -EBADMSG)
			return r;
	}
	return 0;
}

int scope_search_next(struct scope_search *s, struct scope_event *ret_ev)
{
	int r;

	for (;;) {
		r = s->page ? scope_page_next(s->page, ret_ev) : 0;
		if (r <= 0) {
			s->page = NULL;
			r = next_frame(s);
			if (r <= 0)
				return r;
			continue;
		}
		s->usage.events++;
		if (!s->expr ||
		    scope_expr_is(s->expr, scope_recording_vm(s->rec), ret_ev))
			return 1;
	}
}

void scope_search_usage(const struct scope_search *s, struct scope_search_usage *ret)
{
	*ret = s->usage;
}

void scope_search_times(const struct scope_recording *rec,
		      struct scope_expr_opts *ret)
{
	*ret = (struct scope_expr_opts){
		.os_pid = scope_recording_info(rec)->os_pid,
	};
	for (size_t i = 0; i < scope_recording_frames(rec); i++) {
		const struct scope_block_sum *sum = scope_recording_sum(rec, i);

		if (i == 0 || sum->min_ts_ns < ret->first_ts_ns)
			ret->first_ts_ns = sum->min_ts_ns;
		if (sum->max_ts_ns > ret->last_ts_ns)
			ret->last_ts_ns = sum->max_ts_ns;
	}
}
