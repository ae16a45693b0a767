/* SPDX-License-Identifier: MIT */
#include "cli/live_int.h"

#include <locale.h>
#include <ncurses.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

#define FRAME_NS 240000000ull
#define KEYS_NS 20000000ull
/* Events that get a line in a frame: nobody reads more, and terms cost. */
#define LINES_A_FRAME 64
#define ESCAPE_MS 25

/* What gives the terminal back without ncurses; for signal handlers. */
static struct {
	volatile sig_atomic_t is_taken;
	struct termios was;
	bool has_was;
	char text[128];
	size_t len;
} rescue;

static FILE *keyboard; /* owned: /dev/tty, when stdin is no terminal */
static SCREEN *screen; /* owned */

static bool has_capability(const char *name)
{
	const char *s = tigetstr(name);

	return s && s != (const char *)-1;
}

/* A terminfo string as it is sent, without its $<delays>. */
static void add_capability(const char *name)
{
	const char *s = tigetstr(name);

	if (!has_capability(name))
		return;
	while (*s && rescue.len < sizeof(rescue.text)) {
		if (s[0] == '$' && s[1] == '<' && strchr(s, '>'))
			s = strchr(s, '>') + 1;
		else
			rescue.text[rescue.len++] = *s++;
	}
}

void scope_live_rescue(void)
{
	if (!rescue.is_taken)
		return;
	rescue.is_taken = 0;
	if (write(STDOUT_FILENO, rescue.text, rescue.len) < 0)
		return;
	if (rescue.has_was)
		(void)tcsetattr(STDOUT_FILENO, TCSANOW, &rescue.was);
}

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

static int take_terminal(struct scope_err *err)
{
	const char *term = getenv("TERM");
	FILE *in = stdin;

	if (!isatty(STDIN_FILENO)) {
		keyboard = fopen("/dev/tty", "re");
		if (!keyboard)
			return scope_fail(err, -ENOTTY,
					  "the live view has no terminal to "
					  "read keys from; --json needs none");
		in = keyboard;
	}
	rescue.has_was = tcgetattr(STDOUT_FILENO, &rescue.was) == 0;
	screen = newterm(NULL, stdout, in);
	if (!screen || !has_capability("cup"))
		return scope_fail(err, -ENOTTY,
				  "the terminal '%s' (TERM) can't show the "
				  "live view; use --json",
				  term ? term : "");
	rescue.len = 0;
	add_capability("sgr0");
	add_capability("rmkx");
	add_capability("cnorm");
	add_capability("rmcup");
	rescue.is_taken = 1;
	(void)cbreak();
	(void)noecho();
	(void)keypad(stdscr, TRUE);
	(void)nodelay(stdscr, TRUE);
	(void)set_escdelay(ESCAPE_MS);
	(void)curs_set(0);
	return 0;
}

static void give_terminal_back(void)
{
	if (screen) {
		(void)endwin();
		rescue.is_taken = 0;
		delscreen(screen);
		screen = NULL;
	}
	if (keyboard) {
		(void)fclose(keyboard);
		keyboard = NULL;
	}
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
	(void)setlocale(LC_CTYPE, "");
	r = take_terminal(err);
	if (r < 0)
		return r;
	scope_live_colors(opts->has_color);
	(void)snprintf(l->note, sizeof(l->note), "attaching");
	scope_live_draw(l, 0);
	*ret_live = scope_take(l);
	return 0;
}

void scope_live_free(struct scope_live *l)
{
	if (!l)
		return;
	give_terminal_back();
	scope_model_free(l->frozen);
	scope_model_free(l->model);
	free(l->recent);
	free(l);
}

struct scope_sink *scope_live_sink(struct scope_live *l)
{
	return &l->sink;
}
