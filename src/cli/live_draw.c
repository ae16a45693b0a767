/* SPDX-License-Identifier: MIT */
/*
 * The screen, from the top: two lines of totals, the table's title and its
 * rows, a ruler and the newest events, and one line that explains.
 */
#include "cli/live_int.h"

#include <inttypes.h>
#include <ncurses.h>
#include <stdio.h>
#include <string.h>

#include "cli/terminal.h"

#define NS_PER_S UINT64_C(1000000000)
#define HEAD_LINES 3 /* totals and the table's title */
#define PID_WIDTH 14
#define LABEL_MIN 10
/* A screen with fewer lines has no room for events. */
#define EVENTS_MIN_LINES 14

const struct scope_column scope_columns[SCOPE_COLUMNS] = {
	{ "IN/s", "messages to it, a second", 8, SCOPE_SORT_IN, 'i' },
	{ "OUT/s", "messages from it, a second", 8, SCOPE_SORT_OUT, 'o' },
	{ "MBOX", "messages in its mailbox at the last receive (-e msg)", 7,
	  SCOPE_SORT_MAILBOX, 'm' },
	{ "GC/s", "garbage collections a second", 7, SCOPE_SORT_GC, 'g' },
	{ "GC ms/s", "milliseconds of a second in collections", 8,
	  SCOPE_SORT_GC_NS, 't' },
	{ "SPAWN/s", "children spawned a second", 8, SCOPE_SORT_SPAWN, 'n' },
	{ "LAST", "time since its last event", 6, SCOPE_SORT_LAST, 'l' },
};

/* Of SCOPE_LOOK_. */
static attr_t paint(unsigned look)
{
	return scope_terminal_look(look);
}

static int put_text(int y, int x, int width, const char *s, size_t len)
{
	return scope_terminal_put(y, x, width, s, len);
}

static int put_buf(int y, int x, int width, const struct scope_buf *b)
{
	return width > 0 ? put_text(y, x, width, b->p, b->len) : 0;
}

/* Text from x on to the right edge, the rest of the line blank. */
static void put_rest(int y, int x, const struct scope_buf *b)
{
	(void)move(y, x);
	(void)clrtoeol();
	(void)put_buf(y, x, COLS - x, b);
}

static void draw_head(struct scope_live *l, uint64_t now_ns)
{
	uint64_t s = l->start_ns ? (now_ns - l->start_ns) / NS_PER_S : 0;
	char text[512];
	struct scope_buf b = scope_buf_of(text, sizeof(text));

	if (l->node)
		scope_term_put_atom_raw(l->opts.vm, l->node, &b);
	else
		scope_buf_puts(&b, l->opts.node ? l->opts.node : "?");
	scope_buf_printf(&b, "  OTP %s  pid %d  ",
			 l->opts.otp ? l->opts.otp : "?", l->opts.os_pid);
	scope_buf_printf(&b, "%" PRIu64 ":%02u:%02u  %zu processes", s / 3600,
			 (unsigned)(s / 60 % 60), (unsigned)(s % 60),
			 scope_model_alive(scope_live_shown(l)));
	if (*l->filter)
		scope_buf_printf(&b, ", %zu pass /%s", l->npids, l->filter);
	if (l->frozen)
		scope_buf_puts(&b, "  PAUSED");
	(void)attron(A_BOLD | paint(SCOPE_LOOK_TITLE));
	put_rest(0, 0, &b);
	(void)attroff(A_BOLD | paint(SCOPE_LOOK_TITLE));
}

/* What was lost is shown whatever else must go. */
static void draw_totals(struct scope_live *l)
{
	const struct scope_model_totals *t =
		scope_model_totals(scope_live_shown(l));
	const struct {
		const char *name;
		double per_s;
	} all[] = {
		{ "events/s", t->events.per_s }, { "sent", t->sends.per_s },
		{ "received", t->receives.per_s }, { "spawns", t->spawns.per_s },
		{ "exits", t->exits.per_s },	 { "gc", t->gcs.per_s },
		{ "gc ms", t->gc_ns.per_s / 1e6 },
	};
	char text[256], lost[64];
	struct scope_buf b = scope_buf_of(text, sizeof(text));
	attr_t how = t->lost ? A_BOLD | paint(SCOPE_LOOK_BAD) : 0;
	int len = snprintf(lost, sizeof(lost), "lost %" PRIu64, t->lost);
	int x;

	if (t->is_limited)
		len += snprintf(lost + len, sizeof(lost) - (size_t)len,
				" budget: %u off", t->groups_off);
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		char num[16];

		if (i == 2 && t->receives.total == 0)
			continue;
		scope_screen_number(num, all[i].per_s);
		scope_buf_printf(&b, "%s %s ", all[i].name, num);
	}
	(void)move(1, 0);
	(void)clrtoeol();
	x = put_buf(1, 0, COLS - len - 1, &b);
	x += b.len > (size_t)x; /* it was cut */
	(void)attron(how);
	(void)put_text(1, x, COLS - x, lost, (size_t)len);
	(void)attroff(how);
}

/* Columns that fit, from the left. */
static size_t fitting(int *ret_label)
{
	int left = COLS - PID_WIDTH - LABEL_MIN;
	size_t n = 0;

	while (n < SCOPE_COLUMNS && left >= scope_columns[n].width)
		left -= scope_columns[n++].width;
	*ret_label = left + LABEL_MIN;
	return n;
}

static void draw_title(struct scope_live *l, int y)
{
	char sign = l->is_reversed ? '^' : 'v';
	int label, x;
	size_t n = fitting(&label);

	(void)attron(A_REVERSE);
	(void)mvhline(y, 0, ' ', COLS);
	(void)mvprintw(y, 0, "PID%c", l->sort == SCOPE_SORT_PID ? sign : ' ');
	(void)mvaddstr(y, PID_WIDTH, "NAME OR CALL");
	x = PID_WIDTH + label;
	for (size_t i = 0; i < n; i++) {
		const struct scope_column *c = &scope_columns[i];
		char title[16];

		(void)snprintf(title, sizeof(title), "%s%s", c->title,
			       l->sort != c->sort ? "" :
			       l->is_reversed	  ? "^" :
						    "v");
		(void)mvprintw(y, x, "%*s", c->width, title);
		x += c->width;
	}
	(void)attroff(A_REVERSE);
}

static void cell(char out[16], const struct scope_row *r,
		 const struct scope_column *c, uint64_t now_ns)
{
	switch (c->sort) {
	case SCOPE_SORT_IN:
		scope_screen_number(out, r->n[SCOPE_COUNT_IN].per_s);
		break;
	case SCOPE_SORT_OUT:
		scope_screen_number(out, r->n[SCOPE_COUNT_OUT].per_s);
		break;
	case SCOPE_SORT_GC:
		scope_screen_number(out, r->n[SCOPE_COUNT_GC].per_s);
		break;
	case SCOPE_SORT_GC_NS:
		scope_screen_number(out, r->n[SCOPE_COUNT_GC_NS].per_s / 1e6);
		break;
	case SCOPE_SORT_SPAWN:
		scope_screen_number(out, r->n[SCOPE_COUNT_SPAWN].per_s);
		break;
	case SCOPE_SORT_MAILBOX:
		out[0] = '\0';
		if (r->has_mailbox)
			scope_screen_number(out, (double)r->mailbox);
		break;
	default:
		if (r->gone_ns)
			(void)snprintf(out, 16, "gone");
		else
			scope_screen_age(out, now_ns > r->last_ns ?
						    now_ns - r->last_ns :
						    0);
		break;
	}
}

static void draw_row(struct scope_live *l, int y, uint64_t pid, bool is_sel,
		     uint64_t now_ns)
{
	const struct scope_row *r = scope_model_row(scope_live_shown(l), pid);
	attr_t how = is_sel ? A_REVERSE : r && r->gone_ns ? A_DIM : 0;
	char text[512];
	struct scope_buf b = scope_buf_of(text, sizeof(text));
	int label, x;
	size_t n = fitting(&label);

	(void)attron(how);
	(void)mvhline(y, 0, ' ', COLS);
	scope_vm_put_pid(l->opts.vm, pid, &b);
	(void)put_buf(y, 0, PID_WIDTH - 1, &b);
	if (r) {
		b = scope_buf_of(text, sizeof(text));
		scope_live_row_label(l, r, &b);
		(void)put_buf(y, PID_WIDTH, label, &b);
	}
	x = PID_WIDTH + label;
	for (size_t i = 0; r && i < n; i++) {
		char num[16];

		cell(num, r, &scope_columns[i], now_ns);
		(void)mvprintw(y, x, "%*s", scope_columns[i].width, num);
		x += scope_columns[i].width;
	}
	(void)attroff(how);
}

static void draw_table(struct scope_live *l, int y, int height, uint64_t now_ns)
{
	l->page = height > 0 ? (size_t)height : 0;
	if (l->sel >= l->npids)
		l->sel = l->npids ? l->npids - 1 : 0;
	if (l->top > l->sel)
		l->top = l->sel;
	if (l->page && l->sel >= l->top + l->page)
		l->top = l->sel - l->page + 1;
	for (int i = 0; i < height; i++) {
		size_t at = l->top + (size_t)i;

		if (at < l->npids) {
			draw_row(l, y + i, l->pids[at], at == l->sel, now_ns);
		} else {
			(void)move(y + i, 0);
			(void)clrtoeol();
		}
	}
}

static attr_t kind_paint(enum scope_kind kind)
{
	const char *group = scope_kind_info(kind)->group;

	if (kind == SCOPE_KIND_LOSS)
		return paint(SCOPE_LOOK_BAD) | A_BOLD;
	if (group && !strcmp(group, "gc"))
		return paint(SCOPE_LOOK_BUSY);
	if (group && !strcmp(group, "proc"))
		return paint(SCOPE_LOOK_GOOD);
	return 0;
}

static void draw_events(struct scope_live *l, int y, int height)
{
	char text[128];
	struct scope_buf b = scope_buf_of(text, sizeof(text));

	if (height <= 0)
		return;
	(void)mvhline(y, 0, ACS_HLINE, COLS);
	scope_buf_puts(&b, " newest events ");
	if (l->unshown_last)
		scope_buf_printf(&b, "(%" PRIu64 " more, too fast to show) ",
				 l->unshown_last);
	(void)put_buf(y, 2, COLS - 2, &b);
	for (int i = 1; i < height; i++) {
		uint64_t back = (uint64_t)(height - i);
		const struct scope_line *line;

		(void)move(y + i, 0);
		(void)clrtoeol();
		if (back > l->nrecent || back > SCOPE_LINES)
			continue;
		line = &l->recent[(l->nrecent - back) % SCOPE_LINES];
		(void)attron(kind_paint(line->kind));
		(void)put_text(y + i, 0, COLS, line->text, line->len);
		(void)attroff(kind_paint(line->kind));
	}
}

static void draw_status(struct scope_live *l, int y, uint64_t now_ns)
{
	const struct scope_row *r = NULL;
	char text[1024];
	struct scope_buf b = scope_buf_of(text, sizeof(text));

	if (l->is_typing)
		scope_buf_printf(&b, "/%s", l->filter);
	else
		scope_live_why(l, now_ns, &b);
	if (b.len == 0 && l->sel < l->npids)
		r = scope_model_row(scope_live_shown(l), l->pids[l->sel]);
	if (r) {
		scope_live_row_text(l, r, &b);
		scope_buf_printf(&b, "  in %" PRIu64 " out %" PRIu64,
				 r->n[SCOPE_COUNT_IN].total,
				 r->n[SCOPE_COUNT_OUT].total);
		scope_buf_printf(&b, " gc %" PRIu64 " spawned %" PRIu64,
				 r->n[SCOPE_COUNT_GC].total,
				 r->n[SCOPE_COUNT_SPAWN].total);
	}
	put_rest(y, 0, &b);
	if (l->is_typing) {
		(void)move(y, b.len < (size_t)COLS ? (int)b.len : COLS - 1);
	} else if (COLS > (int)b.len + 16) {
		(void)attron(A_DIM);
		(void)mvaddstr(y, COLS - 15, "h help  q quit");
		(void)attroff(A_DIM);
	}
	(void)curs_set(l->is_typing ? 1 : 0);
}

static void draw_help(int y, int height)
{
	static const char *const keys[] = {
		"q  quit		p, space  pause",
		"/  show only processes whose pid, name or call has this text",
		"a  the most active first      d  by pid     r  reverse",
		"s  by the next column, or press a column's key (below)",
		"e  newest events on and off   h, ?  this help",
		"arrows, PgUp, PgDn, Home, End  move",
	};
	int at = 0;

	for (int i = 0; i < height; i++) {
		(void)move(y + i, 0);
		(void)clrtoeol();
	}
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (at < height)
			(void)mvaddnstr(y + at++, 2, keys[i], COLS - 2);
	at++;
	for (size_t i = 0; i < SCOPE_COLUMNS; i++) {
		const struct scope_column *c = &scope_columns[i];
		char text[160];

		(void)snprintf(text, sizeof(text), "%c  %-9s%s", c->key,
			       c->title, c->says);
		if (at < height)
			(void)mvaddnstr(y + at++, 2, text, COLS - 2);
	}
}

void scope_live_draw(struct scope_live *l, uint64_t now_ns)
{
	int body = LINES - HEAD_LINES - 1;
	int events = 0;

	if (!l->hides_events && !l->shows_help && LINES >= EVENTS_MIN_LINES)
		events = LINES / 3;
	if (LINES < HEAD_LINES + 2 || COLS < 20) {
		(void)erase();
		(void)mvaddnstr(0, 0, "too small", COLS);
		(void)refresh();
		return;
	}
	draw_head(l, now_ns);
	draw_totals(l);
	draw_title(l, HEAD_LINES - 1);
	if (l->shows_help)
		draw_help(HEAD_LINES, body);
	else
		draw_table(l, HEAD_LINES, body - events, now_ns);
	draw_events(l, LINES - 1 - events, events);
	draw_status(l, LINES - 1, now_ns);
	(void)refresh();
}
