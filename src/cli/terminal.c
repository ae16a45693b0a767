/* SPDX-License-Identifier: MIT */
#include "cli/terminal.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

/* Macros of <term.h> that are names of others' members. */
#undef lines
#undef columns

#define ESCAPE_MS 25
#define GLYPHS_MAX 512

enum { PAIR_BAD = 1, PAIR_TITLE, PAIR_GOOD, PAIR_BUSY };

static bool has_pairs;

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

void scope_terminal_rescue(void)
{
	if (!rescue.is_taken)
		return;
	rescue.is_taken = 0;
	if (write(STDOUT_FILENO, rescue.text, rescue.len) < 0)
		return;
	if (rescue.has_was)
		(void)tcsetattr(STDOUT_FILENO, TCSANOW, &rescue.was);
}

static int take(const char *what, struct scope_err *err)
{
	const char *term = getenv("TERM");
	FILE *in = stdin;

	if (!isatty(STDIN_FILENO)) {
		keyboard = fopen("/dev/tty", "re");
		if (!keyboard)
			return scope_fail(err, -ENOTTY,
					  "%s has no terminal to read keys "
					  "from; --json needs none",
					  what);
		in = keyboard;
	}
	rescue.has_was = tcgetattr(STDOUT_FILENO, &rescue.was) == 0;
	screen = newterm(NULL, stdout, in);
	if (!screen || !has_capability("cup"))
		return scope_fail(err, -ENOTTY,
				  "the terminal '%s' (TERM) can't show %s; "
				  "use --json",
				  term ? term : "", what);
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

void scope_terminal_give_back(void)
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

void scope_terminal_fatal(int sig)
{
	scope_terminal_rescue();
	(void)signal(sig, SIG_DFL);
	(void)raise(sig);
}

void scope_terminal_guard(void)
{
	static const int crashes[] = { SIGSEGV, SIGBUS,	 SIGILL,
				       SIGFPE,	SIGABRT, SIGQUIT };
	struct sigaction sa = { .sa_handler = scope_terminal_fatal,
				.sa_flags = (int)SA_RESETHAND };

	(void)sigemptyset(&sa.sa_mask);
	for (size_t i = 0; i < sizeof(crashes) / sizeof(*crashes); i++)
		(void)sigaction(crashes[i], &sa, NULL);
}

static void take_colors(bool has_color)
{
	has_pairs = false;
	if (!has_color || !has_colors() || start_color() == ERR)
		return;
	(void)use_default_colors();
	(void)init_pair(PAIR_BAD, COLOR_RED, -1);
	(void)init_pair(PAIR_TITLE, COLOR_CYAN, -1);
	(void)init_pair(PAIR_GOOD, COLOR_GREEN, -1);
	(void)init_pair(PAIR_BUSY, COLOR_YELLOW, -1);
	has_pairs = true;
}

int scope_terminal_take(const char *what, bool has_color, struct scope_err *err)
{
	int r;

	(void)setlocale(LC_CTYPE, "");
	r = take(what, err);
	if (r == 0)
		take_colors(has_color);
	return r;
}

attr_t scope_terminal_look(unsigned look)
{
	int pair = look & SCOPE_LOOK_BAD   ? PAIR_BAD :
		   look & SCOPE_LOOK_TITLE ? PAIR_TITLE :
		   look & SCOPE_LOOK_GOOD  ? PAIR_GOOD :
		   look & SCOPE_LOOK_BUSY  ? PAIR_BUSY :
					     0;

	return (look & SCOPE_LOOK_BOLD ? A_BOLD : 0) |
	       (look & SCOPE_LOOK_REVERSE ? A_REVERSE : 0) |
	       (look & SCOPE_LOOK_DIM ? A_DIM : 0) |
	       (pair && has_pairs ? (attr_t)COLOR_PAIR(pair) : 0);
}

int scope_terminal_put(int y, int x, int width, const char *s, size_t len)
{
	wchar_t glyphs[GLYPHS_MAX + 1];
	size_t n = 0, at = 0;
	int cols = 0, w;

	while (at < len && n < GLYPHS_MAX) {
		at += scope_screen_glyph(s + at, len - at, &glyphs[n], &w);
		if (cols + w > width)
			break;
		cols += w;
		n++;
	}
	if (n)
		(void)mvaddnwstr(y, x, glyphs, (int)n);
	return cols;
}

void scope_terminal_show(const struct scope_grid *g)
{
	for (int y = 0; y < g->lines && y < LINES; y++)
		for (int x = 0; x < g->cols && x < COLS; x++) {
			const struct scope_cell *c = &g->cells[y * g->cols + x];
			wchar_t text[2] = { c->c, 0 };

			if (!c->c)
				continue;
			(void)attrset(A_NORMAL);
			(void)attron(scope_terminal_look(c->look));
			(void)mvaddnwstr(y, x, text, 1);
		}
	(void)attrset(A_NORMAL);
	(void)curs_set(g->cursor_y >= 0);
	if (g->cursor_y >= 0)
		(void)move(g->cursor_y, g->cursor_x);
	(void)refresh();
}
