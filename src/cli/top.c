/* SPDX-License-Identifier: MIT */
/*
 * The screen, from the top: three lines about the node, the table's title and
 * its rows, and one line that explains; or the lines of one process.
 */
#include "cli/top.h"

#include <errno.h>
#include <inttypes.h>
#include <ncurses.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_S UINT64_C(1000000000)
#define KEY_ESCAPE 27
#define HEAD (SCOPE_TOP_HEAD_LINES + 1)
#define PID_WIDTH 13
#define NAME_MIN 14
#define FUNCTION_MIN 12
#define KNOWN(v) ((v) != SCOPE_GAUGE_UNKNOWN)

const char scope_top_sorts[] = "rate reductions memory memory_growth mailbox "
			       "mailbox_growth pid name state function";

static const struct column {
	const char *title, *says;
	int width;
	enum scope_top_sort sort;
	char key;
} columns[] = {
	{ "S", "state: Running, Queued, Waiting, Gc, Suspended, eXiting", 2,
	  SCOPE_TOP_STATE, 't' },
	{ "REDS/s", "reductions a second", 8, SCOPE_TOP_RATE, 'c' },
	{ "MEMORY", "bytes, as process_info(P, memory)", 8, SCOPE_TOP_MEMORY,
	  'y' },
	{ "", "its trend: the fastest growth first", 7, SCOPE_TOP_MEMORY_GROWTH,
	  'Y' },
	{ "MBOX", "messages in its mailbox", 7, SCOPE_TOP_MAILBOX, 'm' },
	{ "", "its trend: the fastest growth first", 7,
	  SCOPE_TOP_MAILBOX_GROWTH, 'M' },
};
#define COLUMNS (sizeof(columns) / sizeof(*columns))

int scope_top_sort_of(const char *name)
{
	const char *at = scope_top_sorts;
	const size_t len = strlen(name);

	for (int i = 0; i < SCOPE_TOP_SORTS; i++) {
		size_t n = strcspn(at, " ");

		if (n == len && !memcmp(at, name, n))
			return i;
		at += n + (at[n] == ' ');
	}
	return -1;
}

/* -- what is shown of the processes -------------------------------------------- */

static const char *sort_text(void *arg, const struct scope_top_row *r,
			     enum scope_top_sort sort)
{
	static char text[1024];
	struct scope_buf b = scope_buf_of(text, sizeof(text));
	struct scope_top *t = arg;

	t->text(t->arg, r,
		sort == SCOPE_TOP_NAME	? SCOPE_TOP_TEXT_WHAT :
		sort == SCOPE_TOP_STATE ? SCOPE_TOP_TEXT_STATE :
					  SCOPE_TOP_TEXT_FUNCTION,
		&b);
	return scope_buf_str(&b);
}

static bool match(void *arg, const struct scope_top_row *r)
{
	struct scope_top *t = arg;
	char text[2048];
	struct scope_buf b = scope_buf_of(text, sizeof(text));

	for (unsigned i = 0; i <= SCOPE_TOP_TEXT_FUNCTION; i++) {
		t->text(t->arg, r, (enum scope_top_text)i, &b);
		scope_buf_char(&b, ' ');
	}
	return strcasestr(scope_buf_str(&b), t->filter) != NULL;
}

int scope_top_arrange(struct scope_top *t)
{
	const struct scope_top_view v = {
		.sort = t->sort,
		.is_reversed = t->is_reversed,
		.match = *t->filter ? match : NULL,
		.text = sort_text,
		.arg = t,
	};
	int r = scope_top_model_view(t->model, &v, &t->rows, &t->nrows);

	if (r < 0)
		return r;
	for (size_t i = 0; t->sel_pid && i < t->nrows; i++)
		if (t->rows[i]->now.pid == t->sel_pid)
			t->sel = i;
	if (t->sel >= t->nrows)
		t->sel = t->nrows ? t->nrows - 1 : 0;
	return 0;
}

void scope_top_trend(const uint64_t *values, unsigned n, bool is_utf8,
		     struct scope_buf *out)
{
	static const char *const blocks[] = { "▁", "▂", "▃", "▄",
					      "▅", "▆", "▇", "█" };
	static const char letters[] = "_.-:=+*#";
	uint64_t lo = UINT64_MAX, hi = 0;

	for (unsigned i = 0; i < n; i++) {
		lo = values[i] < lo ? values[i] : lo;
		hi = values[i] > hi ? values[i] : hi;
	}
	for (unsigned i = 0; n > 1 && i < n; i++) {
		unsigned at = hi == lo ? 0 :
					 (unsigned)((double)(values[i] - lo) *
						    7 / (double)(hi - lo));

		if (is_utf8)
			scope_buf_puts(out, blocks[at]);
		else
			scope_buf_char(out, letters[at]);
	}
}

/* -- the head ----------------------------------------------------------------------- */

/* What is counted has no tenths. */
static void put_count(char text[16], uint64_t v)
{
	if (v < 10)
		(void)snprintf(text, 16, "%" PRIu64, v);
	else
		scope_screen_number(text, (double)v);
}

static void put_number(struct scope_buf *out, const char *name, uint64_t v)
{
	char text[16];

	if (!KNOWN(v))
		return;
	put_count(text, v);
	scope_buf_printf(out, "%s%s %s", out->len ? "  " : "", name, text);
}

static void put_node(const struct scope_top *t, struct scope_buf *out)
{
	const struct scope_top_head *h = &t->head;
	uint64_t s = h->up_ns / NS_PER_S;

	scope_buf_printf(out, "%s  OTP %s  pid %d", h->node, h->otp, h->os_pid);
	if (KNOWN(h->up_ns))
		scope_buf_printf(out, "  up %" PRIu64 ":%02u:%02u", s / 3600,
				 (unsigned)(s / 60 % 60), (unsigned)(s % 60));
	scope_buf_printf(out, "  %" PRIu64 " processes", h->processes);
	if (*t->filter)
		scope_buf_printf(out, ", %zu pass /%s", t->nrows, t->filter);
	if (h->is_stopped)
		scope_buf_puts(out, "  STOPPED");
	if (t->is_paused)
		scope_buf_puts(out, "  PAUSED");
}

static void put_schedulers(const struct scope_top *t, struct scope_buf *out)
{
	static const char *const names[] = { "sched", "dcpu", "dio" };
	const struct scope_top_head *h = &t->head;

	for (unsigned i = 0; i < SCOPE_SCHED_TYPES; i++) {
		scope_buf_printf(out, "%s%s %u/%u", i ? "  " : "", names[i],
				 h->running[i], h->schedulers[i]);
		if (h->busy[i] >= 0)
			scope_buf_printf(out, " %.0f%%", 100 * h->busy[i]);
		if (KNOWN(h->run_queue[i]))
			scope_buf_printf(out, " queue %" PRIu64,
					 h->run_queue[i]);
	}
	put_number(out, "reds/s", h->reductions_per_s);
}

static void put_memory(const struct scope_top *t, struct scope_buf *out)
{
	const struct scope_top_head *h = &t->head;

	put_number(out, "mem", h->memory_total);
	put_number(out, "proc", h->memory_processes);
	put_number(out, "bin", h->memory_binary);
	put_number(out, "ets", h->memory_ets);
	put_number(out, "ports", h->ports);
	put_number(out, "tables", h->tables);
	put_number(out, "atoms", h->atoms);
}

void scope_top_head_line(const struct scope_top *t, unsigned line,
			 struct scope_buf *out)
{
	if (line == 0)
		put_node(t, out);
	else if (line == 1)
		put_schedulers(t, out);
	else
		put_memory(t, out);
}

static void draw_head(const struct scope_top *t, struct scope_grid *g)
{
	static const unsigned looks[] = { SCOPE_LOOK_BOLD | SCOPE_LOOK_TITLE,
					  0, 0 };

	for (unsigned i = 0; i < SCOPE_TOP_HEAD_LINES; i++) {
		char text[1024];
		struct scope_buf b = scope_buf_of(text, sizeof(text));

		scope_top_head_line(t, i, &b);
		scope_grid_buf(g, (int)i, 0, g->cols, looks[i], &b);
	}
}

/* -- the table -------------------------------------------------------------------------- */

struct widths {
	size_t n; /* columns that fit, from the left */
	int name, function; /* function 0: there is no room for it */
};

static struct widths measure(const struct scope_grid *g)
{
	int left = g->cols - PID_WIDTH - NAME_MIN;
	struct widths w = { 0 };

	while (w.n < COLUMNS && left >= columns[w.n].width)
		left -= columns[w.n++].width;
	w.name = NAME_MIN;
	if (w.n < COLUMNS || left < FUNCTION_MIN + 1) {
		w.name += left > 0 ? left : 0;
		return w;
	}
	w.function = FUNCTION_MIN + (left - FUNCTION_MIN - 1) * 3 / 5;
	w.name += left - 1 - w.function;
	return w;
}

static void draw_title(const struct scope_top *t, struct scope_grid *g, int y)
{
	const char sign = t->is_reversed ? '^' : 'v';
	const struct widths w = measure(g);
	int x = PID_WIDTH + w.name;
	char text[32];

	scope_grid_blank(g, y, 0, SCOPE_LOOK_REVERSE);
	(void)snprintf(text, sizeof(text), "PID%c",
		       t->sort == SCOPE_TOP_PID ? sign : ' ');
	scope_grid_put(g, y, 0, PID_WIDTH, SCOPE_LOOK_REVERSE, text, 4);
	(void)snprintf(text, sizeof(text), "NAME OR CALL%c",
		       t->sort == SCOPE_TOP_NAME ? sign : ' ');
	scope_grid_put(g, y, PID_WIDTH, w.name, SCOPE_LOOK_REVERSE, text,
		       strlen(text));
	for (size_t i = 0; i < w.n; i++) {
		const bool is_sorted =
			t->sort == columns[i].sort ||
			(t->sort == SCOPE_TOP_REDUCTIONS &&
			 columns[i].sort == SCOPE_TOP_RATE);

		(void)snprintf(text, sizeof(text), "%*s%c",
			       columns[i].width - 1, columns[i].title,
			       is_sorted ? sign : ' ');
		scope_grid_put(g, y, x, columns[i].width, SCOPE_LOOK_REVERSE,
			       text, strlen(text));
		x += columns[i].width;
	}
	(void)snprintf(text, sizeof(text), "FUNCTION%c",
		       t->sort == SCOPE_TOP_FUNCTION ? sign : ' ');
	scope_grid_put(g, y, x + 1, w.function, SCOPE_LOOK_REVERSE, text,
		       strlen(text));
}

/* In place of a state's name: running and runnable begin alike. */
static void put_letter(struct scope_buf *out)
{
	static const char *const names[] = { "runnable", "exiting", "free" };
	static const char letters[] = { 'Q', 'X', 'X' };
	char c = out->len ? (char)(out->p[0] - 'a' + 'A') : '?';

	for (size_t i = 0; i < sizeof(letters); i++)
		if (out->len == strlen(names[i]) &&
		    !memcmp(out->p, names[i], out->len))
			c = letters[i];
	out->len = 0;
	scope_buf_char(out, c);
}

/* Its newest values, as many as there is room for. */
static void put_trend(const struct scope_top *t, const struct scope_top_row *r,
		      size_t column, struct scope_buf *out)
{
	const unsigned room = (unsigned)columns[column].width - 1;
	const unsigned skip = r->n > room ? r->n - room : 0;

	scope_top_trend((columns[column].sort == SCOPE_TOP_MEMORY_GROWTH ?
				 r->memory :
				 r->mailbox) + skip,
			r->n - skip, t->is_utf8, out);
}

static void cell(const struct scope_top *t, const struct scope_top_row *r,
		 size_t i, struct scope_buf *out)
{
	char text[16];

	switch (columns[i].sort) {
	case SCOPE_TOP_STATE:
		t->text(t->arg, r, SCOPE_TOP_TEXT_STATE, out);
		put_letter(out);
		return;
	case SCOPE_TOP_RATE:
		if (!r->has_rate)
			return;
		scope_screen_number(text, r->reductions_per_s);
		break;
	case SCOPE_TOP_MEMORY:
		put_count(text, r->now.memory);
		break;
	case SCOPE_TOP_MAILBOX:
		put_count(text, r->now.mailbox);
		break;
	default:
		put_trend(t, r, i, out);
		return;
	}
	scope_buf_puts(out, text);
}

static unsigned look_of(const struct scope_top_row *r, size_t column)
{
	if (columns[column].sort == SCOPE_TOP_MEMORY_GROWTH)
		return r->memory_per_s > 0 ? SCOPE_LOOK_BUSY : SCOPE_LOOK_GOOD;
	if (columns[column].sort == SCOPE_TOP_MAILBOX_GROWTH)
		return r->mailbox_per_s > 0 ? SCOPE_LOOK_BAD : SCOPE_LOOK_GOOD;
	return 0;
}

static void draw_row(const struct scope_top *t, struct scope_grid *g, int y,
		     const struct scope_top_row *r, bool is_sel)
{
	const unsigned look = is_sel ? SCOPE_LOOK_REVERSE : 0;
	const struct widths w = measure(g);
	char text[1024];
	struct scope_buf b = scope_buf_of(text, sizeof(text));
	int x = PID_WIDTH + w.name;

	scope_grid_blank(g, y, 0, look);
	t->text(t->arg, r, SCOPE_TOP_TEXT_PID, &b);
	scope_grid_buf(g, y, 0, PID_WIDTH - 1, look, &b);
	b = scope_buf_of(text, sizeof(text));
	t->text(t->arg, r, SCOPE_TOP_TEXT_WHAT, &b);
	scope_grid_buf(g, y, PID_WIDTH, w.name - 1, look, &b);
	for (size_t i = 0; i < w.n; i++) {
		const bool is_trend = !*columns[i].title;
		int width = columns[i].width - 1;

		b = scope_buf_of(text, sizeof(text));
		cell(t, r, i, &b);
		if (is_trend)
			scope_grid_buf(g, y, x, width, look | look_of(r, i),
				       &b);
		else if (b.len <= (size_t)width)
			scope_grid_buf(g, y, x + width - (int)b.len, width,
				       look, &b);
		x += columns[i].width;
	}
	b = scope_buf_of(text, sizeof(text));
	if (w.function)
		t->text(t->arg, r, SCOPE_TOP_TEXT_FUNCTION, &b);
	scope_grid_buf(g, y, x + 1, w.function, look, &b);
}

static void draw_table(struct scope_top *t, struct scope_grid *g, int y,
		       int height)
{
	t->page = height > 0 ? (size_t)height : 0;
	if (t->has_no_mark)
		t->sel = 0;
	if (t->top > t->sel)
		t->top = t->sel;
	if (t->page && t->sel >= t->top + t->page)
		t->top = t->sel - t->page + 1;
	for (int i = 0; i < height && t->top + (size_t)i < t->nrows; i++)
		draw_row(t, g, y + i, t->rows[t->top + (size_t)i],
			 !t->has_no_mark && t->top + (size_t)i == t->sel);
}

static void draw_status(const struct scope_top *t, struct scope_grid *g, int y)
{
	static const char hint[] = "Enter inside  h help  q quit";
	char text[512];
	struct scope_buf b = scope_buf_of(text, sizeof(text));
	int cols;

	if (t->is_typing)
		scope_buf_printf(&b, "/%s", t->filter);
	else if (*t->note)
		scope_buf_puts(&b, t->note);
	else if (*t->filter && !t->nrows)
		scope_buf_printf(&b, "the filter '%s' hides all %zu processes; "
				     "/ and Escape take it away",
				 t->filter, scope_top_model_len(t->model));
	else
		scope_buf_printf(&b, "every %.1f s",
				 (double)t->delay_ns / 1e9);
	cols = scope_grid_buf(g, y, 0, g->cols, 0, &b);
	if (t->is_typing) {
		g->cursor_y = y;
		g->cursor_x = cols < g->cols ? cols : g->cols - 1;
	} else if (g->cols > cols + (int)sizeof(hint)) {
		scope_grid_put(g, y, g->cols - (int)sizeof(hint) + 1,
			       sizeof(hint), SCOPE_LOOK_DIM, hint,
			       sizeof(hint) - 1);
	}
}

static void draw_help(struct scope_grid *g, int y, int height)
{
	static const char *const keys[] = {
		"q  quit                        p, space  pause",
		("/  show only processes whose pid, name, call or function has "
		 "this text"),
		"Enter  inside a process        Escape, q  out of it",
		"r  the other way round         s  by the next column",
		"d  by age                      n  by name      f  by function",
		"C  by reductions in all        +, -  look less, or more often",
		"arrows, PgUp, PgDn, Home, End  move      h, ?  this help",
	};
	int at = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys) && at < height; i++)
		scope_grid_put(g, y + at++, 2, g->cols - 2, 0, keys[i],
			       strlen(keys[i]));
	at++;
	for (size_t i = 0; i < COLUMNS && at < height; i++) {
		char text[160];
		int n = snprintf(text, sizeof(text), "%c  %-9s%s",
				 columns[i].key, columns[i].title,
				 columns[i].says);

		scope_grid_put(g, y + at++, 2, g->cols - 2, 0, text, (size_t)n);
	}
}

/* -- inside a process ---------------------------------------------------------------------- */

static size_t count_lines(const char *s)
{
	size_t n = 0;

	for (; s && *s; s++)
		n += *s == '\n';
	return n;
}

static void draw_inside(struct scope_top *t, struct scope_grid *g, int y,
			int height)
{
	const char *at = t->lines ? t->lines : "";
	size_t lines = count_lines(at);

	t->page = height > 0 ? (size_t)height : 0;
	if (t->scroll + t->page > lines)
		t->scroll = lines > t->page ? lines - t->page : 0;
	for (size_t i = 0; *at && i < t->scroll + t->page; i++) {
		size_t len = strcspn(at, "\n");
		/* What begins at the margin is a heading. */
		const unsigned look = len && *at != ' ' ? SCOPE_LOOK_BOLD : 0;

		if (i >= t->scroll)
			scope_grid_put(g, y + (int)(i - t->scroll), 0, g->cols,
				       look, at, len);
		at += len + (at[len] == '\n');
	}
}

void scope_top_draw(struct scope_top *t, struct scope_grid *g)
{
	const int body = g->lines - HEAD - 1;

	/* In a text there may be no row to show, on a screen there is room. */
	if (body < (t->has_no_mark ? 0 : 1) || g->cols < 20) {
		scope_grid_put(g, 0, 0, g->cols, 0, "too small", 9);
		return;
	}
	draw_head(t, g);
	if (t->inside && !t->shows_help) {
		char text[64] = "Escape goes back; arrows move; p looks anew or "
				"not";

		scope_grid_blank(g, HEAD - 1, 0, SCOPE_LOOK_REVERSE);
		scope_grid_put(g, HEAD - 1, 0, g->cols, SCOPE_LOOK_REVERSE,
			       text, strlen(text));
		draw_inside(t, g, HEAD, body);
	} else {
		draw_title(t, g, HEAD - 1);
		if (t->shows_help)
			draw_help(g, HEAD, body);
		else
			draw_table(t, g, HEAD, body);
	}
	draw_status(t, g, g->lines - 1);
}

/* -- keys -------------------------------------------------------------------------------------- */

static enum scope_top_do rearrange(struct scope_top *t)
{
	t->sel = t->top = 0;
	t->sel_pid = 0;
	return scope_top_arrange(t) < 0 ? SCOPE_TOP_DO_QUIT :
					  SCOPE_TOP_DO_DRAW;
}

static enum scope_top_do type(struct scope_top *t, wint_t key, bool is_special)
{
	enum scope_typed what = scope_screen_type(t->filter, sizeof(t->filter),
						  key, is_special);

	if (what == SCOPE_TYPED_DONE || what == SCOPE_TYPED_CANCELLED)
		t->is_typing = false;
	return what == SCOPE_TYPED_NOTHING ? SCOPE_TOP_DO_NOTHING :
	       what == SCOPE_TYPED_DONE	   ? SCOPE_TOP_DO_DRAW :
					     rearrange(t);
}

/* Up, down and so on of a place in `n` lines. */
static void move_by(size_t *at, size_t n, size_t page, wint_t key)
{
	const size_t last = n ? n - 1 : 0;
	size_t step = 1;

	if (key == KEY_NPAGE || key == KEY_PPAGE)
		step = page ? page : 1;
	if (key == KEY_UP || key == KEY_PPAGE)
		*at = *at > step ? *at - step : 0;
	else if (key == KEY_DOWN || key == KEY_NPAGE)
		*at = *at + step < last ? *at + step : last;
	else if (key == KEY_HOME)
		*at = 0;
	else if (key == KEY_END)
		*at = last;
}

static enum scope_top_do go(struct scope_top *t, wint_t key)
{
	if (key == KEY_ENTER)
		key = '\n';
	if (t->inside) {
		move_by(&t->scroll, count_lines(t->lines), t->page, key);
	} else {
		move_by(&t->sel, t->nrows, t->page, key);
		t->sel_pid = t->sel && t->sel < t->nrows ?
				     t->rows[t->sel]->now.pid :
				     0;
	}
	return SCOPE_TOP_DO_DRAW;
}

static enum scope_top_do leave(struct scope_top *t)
{
	t->inside = 0;
	t->lines = NULL;
	return SCOPE_TOP_DO_LOOK;
}

static enum scope_top_do enter(struct scope_top *t)
{
	if (t->inside || t->sel >= t->nrows)
		return SCOPE_TOP_DO_NOTHING;
	t->inside = t->sel_pid = t->rows[t->sel]->now.pid;
	t->scroll = 0;
	return SCOPE_TOP_DO_ENTER;
}

static enum scope_top_do sort_by(struct scope_top *t, enum scope_top_sort sort)
{
	t->sort = sort;
	return rearrange(t);
}

static enum scope_top_do slower(struct scope_top *t, bool is_slower)
{
	uint64_t ns = is_slower ? t->delay_ns * 2 : t->delay_ns / 2;

	if (ns >= SCOPE_TOP_DELAY_MIN_NS && ns <= SCOPE_TOP_DELAY_MAX_NS)
		t->delay_ns = ns;
	return SCOPE_TOP_DO_DRAW;
}

/* Of the table alone. */
static enum scope_top_do press_outside(struct scope_top *t, wint_t key)
{
	for (size_t i = 0; i < COLUMNS; i++)
		if ((wint_t)columns[i].key == key)
			return sort_by(t, columns[i].sort);
	switch (key) {
	case 's':
		return sort_by(t, (t->sort + 1) % SCOPE_TOP_SORTS);
	case 'C':
		return sort_by(t, SCOPE_TOP_REDUCTIONS);
	case 'd':
		return sort_by(t, SCOPE_TOP_PID);
	case 'n':
		return sort_by(t, SCOPE_TOP_NAME);
	case 'f':
		return sort_by(t, SCOPE_TOP_FUNCTION);
	case 'r':
		t->is_reversed = !t->is_reversed;
		return rearrange(t);
	case '/':
		t->is_typing = true;
		return SCOPE_TOP_DO_DRAW;
	case '\n':
	case '\r':
		return enter(t);
	default:
		return SCOPE_TOP_DO_NOTHING;
	}
}

enum scope_top_do scope_top_key(struct scope_top *t, wint_t key, bool is_special)
{
	if (t->is_typing)
		return type(t, key, is_special);
	if (is_special && key == KEY_ENTER)
		key = '\n';
	else if (is_special)
		return go(t, key);
	switch (key) {
	case 'h':
	case '?':
		t->shows_help = !t->shows_help;
		return SCOPE_TOP_DO_DRAW;
	case KEY_ESCAPE:
	case 'q':
		if (t->shows_help) {
			t->shows_help = false;
			return SCOPE_TOP_DO_DRAW;
		}
		if (t->inside)
			return leave(t);
		return key == 'q' ? SCOPE_TOP_DO_QUIT : SCOPE_TOP_DO_NOTHING;
	case 'p':
	case ' ':
		t->is_paused = !t->is_paused;
		return t->is_paused ? SCOPE_TOP_DO_DRAW : SCOPE_TOP_DO_LOOK;
	case '+':
	case '-':
		return slower(t, key == '+');
	default:
		return t->inside ? SCOPE_TOP_DO_NOTHING : press_outside(t, key);
	}
}
