/* SPDX-License-Identifier: MIT */
#include "cli/live_int.h"

#include <ncurses.h>
#include <string.h>

#include "cli/screen.h"

#define KEY_ESCAPE 27
/* Keys looked at in one go: a held key must not hold up the events. */
#define KEYS_MAX 64

static void refilter(struct scope_live *l)
{
	scope_match_fn *match = *l->filter ? scope_live_match : NULL;

	scope_model_set_filter(l->model, match, l);
	if (l->frozen)
		scope_model_set_filter(l->frozen, match, l);
	l->sel = l->top = 0;
	l->frame_ns = 0;
}

/* A key while the filter is typed. */
static void type(struct scope_live *l, wint_t key, bool is_special)
{
	enum scope_typed what = scope_screen_type(l->filter, sizeof(l->filter),
						  key, is_special);

	if (what == SCOPE_TYPED_DONE || what == SCOPE_TYPED_CANCELLED)
		l->is_typing = false;
	if (what == SCOPE_TYPED_TEXT || what == SCOPE_TYPED_CANCELLED)
		refilter(l);
}

static void move_by(struct scope_live *l, wint_t key)
{
	size_t last = l->npids ? l->npids - 1 : 0;
	size_t step = 1;

	if (key == KEY_NPAGE || key == KEY_PPAGE)
		step = l->page ? l->page : 1;
	switch (key) {
	case KEY_UP:
	case KEY_PPAGE:
		l->sel = l->sel > step ? l->sel - step : 0;
		break;
	case KEY_DOWN:
	case KEY_NPAGE:
		l->sel = l->sel + step < last ? l->sel + step : last;
		break;
	case KEY_HOME:
		l->sel = 0;
		break;
	case KEY_END:
		l->sel = last;
		break;
	}
}

static void sort_by(struct scope_live *l, enum scope_sort sort)
{
	l->sort = sort;
	l->sel = l->top = 0;
	l->frame_ns = 0;
}

/* What happens meanwhile is still counted. */
static void pause_or_go_on(struct scope_live *l)
{
	if (l->frozen) {
		scope_model_free(l->frozen);
		l->frozen = NULL;
	} else {
		l->frozen = scope_model_copy(l->model);
		l->frozen_ns = l->keys_ns;
	}
	l->frame_ns = 0;
}

static void press(struct scope_live *l, wint_t key)
{
	for (size_t i = 0; i < SCOPE_COLUMNS; i++)
		if ((wint_t)scope_columns[i].key == key)
			sort_by(l, scope_columns[i].sort);
	switch (key) {
	case 'q':
		l->opts.stop();
		break;
	case 'p':
	case ' ':
		pause_or_go_on(l);
		break;
	case 's':
		sort_by(l, (l->sort + 1) % SCOPE_SORT_MAX);
		break;
	case 'a':
		sort_by(l, SCOPE_SORT_ACTIVE);
		break;
	case 'd':
		sort_by(l, SCOPE_SORT_PID);
		break;
	case 'r':
		l->is_reversed = !l->is_reversed;
		l->frame_ns = 0;
		break;
	case 'e':
		l->hides_events = !l->hides_events;
		break;
	case 'h':
	case '?':
		l->shows_help = !l->shows_help;
		break;
	case KEY_ESCAPE:
		l->shows_help = false;
		break;
	case '/':
		l->is_typing = true;
		break;
	}
}

bool scope_live_keys(struct scope_live *l)
{
	bool changed = false;
	wint_t key;
	int r;

	for (int i = 0; i < KEYS_MAX; i++) {
		r = get_wch(&key);
		if (r == ERR)
			break;
		changed = true;
		if (r == KEY_CODE_YES && key == KEY_RESIZE)
			(void)clear();
		else if (l->is_typing)
			type(l, key, r == KEY_CODE_YES);
		else if (r == KEY_CODE_YES)
			move_by(l, key);
		else
			press(l, key);
	}
	return changed;
}
