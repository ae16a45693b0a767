/* SPDX-License-Identifier: MIT */
#include "cli/live_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/terminal.h"

#define FRAME_NS 240000000ull
#define KEYS_NS 20000000ull
/* Events that get a line in a frame: nobody reads more, and terms cost. */
#define LINES_A_FRAME 64

static void keep_line(struct scope_live *l, const struct scope_event *ev)
{
	struct scope_line *line;
	struct scope_buf b;

	if (!l->budget) {
		l->unshown++;
		return;
	}
	l->budget--;
	line = &l->recent[l->nrecent++ % SCOPE_LINES];
	b = scope_buf_of(line->text, sizeof(line->text));
	scope_live_event_text(l, ev, &b);
	line->kind = ev->kind;
	line->len = (uint16_t)b.len;
}

/* Of a process that passes the filter, or to one. */
static bool is_wanted(struct scope_live *l, const struct scope_event *ev)
{
	const struct scope_field *to = scope_event_get(ev, SCOPE_FIELD_TO);
	const struct scope_row *a = scope_model_row(l->model, ev->pid);
	const struct scope_row *b = NULL;

	if (l->frozen || ev->kind == SCOPE_KIND_PROC_INFO)
		return false;
	if (!*l->filter)
		return true;
	if (to)
		b = scope_model_row(l->model, to->term);
	return (a && a->is_match) || (b && b->is_match);
}

static int take_event(struct scope_sink *sink, const struct scope_event *ev)
{
	struct scope_live *l = (struct scope_live *)sink;

	/* A process without a row is still in the totals. */
	(void)scope_model_event(l->model, ev);
	if (ev->kind == SCOPE_KIND_NODE_ATTACH)
		l->is_attached = true;
	if (ev->node)
		l->node = ev->node;
	if (is_wanted(l, ev))
		keep_line(l, ev);
	return 0;
}

static void frame(struct scope_live *l, uint64_t mono_ns)
{
	scope_model_tick(l->model, mono_ns);
	if (!l->frozen) {
		l->unshown_last = l->unshown;
		l->budget = LINES_A_FRAME;
	}
	l->unshown = 0;
	l->npids = scope_model_view(scope_live_shown(l), l->sort,
				    l->is_reversed, &l->pids);
	l->frame_ns = mono_ns;
}

static void tick(struct scope_sink *sink, uint64_t mono_ns)
{
	struct scope_live *l = (struct scope_live *)sink;
	bool is_due;

	if (!l->start_ns)
		l->start_ns = mono_ns;
	if (mono_ns - l->keys_ns < KEYS_NS)
		return;
	l->keys_ns = mono_ns;
	is_due = scope_live_keys(l);
	if (!l->frame_ns || mono_ns - l->frame_ns >= FRAME_NS) {
		frame(l, mono_ns);
		is_due = true;
	}
	if (is_due)
		scope_live_draw(l, l->frozen ? l->frozen_ns : mono_ns);
}

void scope_live_progress(void *live, const char *text)
{
	struct scope_live *l = live;

	(void)snprintf(l->note, sizeof(l->note), "%s", text);
	if (!l->is_attached)
		scope_live_draw(l, l->start_ns);
}

int scope_live_new(const struct scope_live_opts *opts,
		   struct scope_live **ret_live, struct scope_err *err)
{
	scope_auto(scope_live) l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return scope_fail(err, -ENOMEM, "out of memory");
	l->sink.event = take_event;
	l->sink.tick = tick;
	l->opts = *opts;
	l->budget = LINES_A_FRAME;
	l->recent = calloc(SCOPE_LINES, sizeof(*l->recent));
	l->model = scope_model_new(SCOPE_ROWS_MAX, opts->kinds);
	if (!l->recent || !l->model)
		return scope_fail(err, -ENOMEM, "out of memory");
	r = scope_terminal_take("the live view", opts->has_color, err);
	if (r < 0)
		return r;
	(void)snprintf(l->note, sizeof(l->note), "attaching");
	scope_live_draw(l, 0);
	*ret_live = scope_take(l);
	return 0;
}

void scope_live_rescue(void)
{
	scope_terminal_rescue();
}

void scope_live_free(struct scope_live *l)
{
	if (!l)
		return;
	scope_terminal_give_back();
	scope_model_free(l->frozen);
	scope_model_free(l->model);
	free(l->recent);
	free(l);
}

struct scope_sink *scope_live_sink(struct scope_live *l)
{
	return &l->sink;
}
