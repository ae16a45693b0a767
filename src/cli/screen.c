/* SPDX-License-Identifier: MIT */
#include "cli/screen.h"

#include <errno.h>
#include <inttypes.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

#define NS_PER_S UINT64_C(1000000000)
#define KEY_ESCAPE 27
#define KEY_RUBOUT 127

/* Characters that show nothing but change what is around them: the order of
 * writing, joining, tags (Unicode's category Cf). A name could hide in them. */
static bool is_format(uint32_t cp)
{
	return cp == 0xad || (cp >= 0x600 && cp <= 0x605) || cp == 0x61c ||
	       cp == 0x6dd || cp == 0x70f || cp == 0x180e ||
	       (cp >= 0x200b && cp <= 0x200f) ||
	       (cp >= 0x2028 && cp <= 0x202e) ||
	       (cp >= 0x2060 && cp <= 0x206f) || cp == 0xfeff ||
	       (cp >= 0xfff9 && cp <= 0xfffb) ||
	       (cp >= 0xe0000 && cp <= 0xe007f);
}

size_t scope_screen_glyph(const char *s, size_t len, wchar_t *ret_glyph,
			  int *ret_columns)
{
	uint32_t cp = '.';
	size_t step = scope_utf8_next(s, len, &cp);
	int w = step ? wcwidth((wchar_t)cp) : -1;

	if (w < 0 || is_format(cp)) {
		cp = '.';
		w = 1;
	}
	*ret_glyph = (wchar_t)cp;
	*ret_columns = w;
	return step ? step : 1;
}

/* -- the grid ---------------------------------------------------------------- */

int scope_grid_resize(struct scope_grid *g, int lines, int cols)
{
	size_t n;
	struct scope_cell *cells;

	lines = lines < 0 ? 0 : lines > SCOPE_GRID_SIDE ? SCOPE_GRID_SIDE : lines;
	cols = cols < 0 ? 0 : cols > SCOPE_GRID_SIDE ? SCOPE_GRID_SIDE : cols;
	n = (size_t)lines * (size_t)cols;
	cells = realloc(g->cells, (n + 1) * sizeof(*cells));
	if (!cells)
		return -ENOMEM;
	g->cells = cells;
	g->lines = lines;
	g->cols = cols;
	g->cursor_y = g->cursor_x = -1;
	for (size_t i = 0; i < n; i++)
		cells[i] = (struct scope_cell){ .c = L' ' };
	return 0;
}

void scope_grid_done(struct scope_grid *g)
{
	free(g->cells);
	memset(g, 0, sizeof(*g));
}

int scope_grid_put(struct scope_grid *g, int y, int x, int width, unsigned look,
		   const char *s, size_t len)
{
	int cols = 0;

	if (y < 0 || y >= g->lines || x < 0)
		return 0;
	if (width > g->cols - x)
		width = g->cols - x;
	for (size_t at = 0; at < len;) {
		struct scope_cell *c;
		wchar_t glyph;
		int w;

		at += scope_screen_glyph(s + at, len - at, &glyph, &w);
		if (cols + w > width)
			break;
		/* What joins the one before has no cell of its own. */
		if (w == 0)
			continue;
		c = &g->cells[y * g->cols + x + cols];
		*c = (struct scope_cell){ glyph, (uint8_t)look };
		if (w == 2)
			c[1] = (struct scope_cell){ 0, (uint8_t)look };
		cols += w;
	}
	return cols;
}

int scope_grid_buf(struct scope_grid *g, int y, int x, int width, unsigned look,
		   const struct scope_buf *b)
{
	return scope_grid_put(g, y, x, width, look, b->p, b->len);
}

void scope_grid_blank(struct scope_grid *g, int y, int x, unsigned look)
{
	if (y < 0 || y >= g->lines || x < 0)
		return;
	for (; x < g->cols; x++)
		g->cells[y * g->cols + x] =
			(struct scope_cell){ L' ', (uint8_t)look };
}

void scope_grid_print(const struct scope_grid *g, int n, FILE *out)
{
	for (int y = 0; y < n && y < g->lines; y++) {
		const struct scope_cell *c = &g->cells[y * g->cols];
		int end = g->cols;

		while (end > 0 && c[end - 1].c == L' ')
			end--;
		for (int x = 0; x < end; x++) {
			char s[4] = "";
			size_t len = c[x].c ? scope_utf8_put(s, (uint32_t)c[x].c) :
					      0;

			fwrite(s, 1, len, out);
		}
		fputc('\n', out);
	}
}

/* -- text ------------------------------------------------------------------------ */

void scope_screen_number(char out[16], double v)
{
	static const char units[] = " kMGT";
	size_t u = 0;

	if (v < 1e4) {
		(void)snprintf(out, 16, v > 0 && v < 10 ? "%.1f" : "%.0f", v);
		return;
	}
	while (v >= 1e3 && u < sizeof(units) - 2) {
		v /= 1e3;
		u++;
	}
	(void)snprintf(out, 16, v < 100 ? "%.1f%c" : "%.0f%c", v, units[u]);
}

void scope_screen_age(char out[16], uint64_t ns)
{
	uint64_t s = ns / NS_PER_S;

	if (s < 10)
		(void)snprintf(out, 16, "%.1fs", (double)ns / 1e9);
	else if (s < 100)
		(void)snprintf(out, 16, "%" PRIu64 "s", s);
	else if (s < 100 * 60)
		(void)snprintf(out, 16, "%" PRIu64 "m", s / 60);
	else
		(void)snprintf(out, 16, "%" PRIu64 "h", s / 3600);
}

static void type_back(char *text)
{
	size_t len = strlen(text);

	while (len > 0 && ((unsigned char)text[--len] & 0xc0) == 0x80)
		;
	text[len] = '\0';
}

static void type_on(char *text, size_t cap, uint32_t cp)
{
	size_t len = strlen(text);
	char s[4];
	size_t n = scope_utf8_put(s, cp);

	if (cp < ' ' || len + n >= cap)
		return;
	memcpy(text + len, s, n);
	text[len + n] = '\0';
}

enum scope_typed scope_screen_type(char *text, size_t cap, wint_t key,
				   bool is_special)
{
	if (is_special && key != KEY_BACKSPACE && key != KEY_ENTER)
		return SCOPE_TYPED_NOTHING;
	if (key == KEY_ENTER || key == '\n' || key == '\r')
		return SCOPE_TYPED_DONE;
	if (key == KEY_ESCAPE) {
		text[0] = '\0';
		return SCOPE_TYPED_CANCELLED;
	}
	if (key == KEY_BACKSPACE || key == KEY_RUBOUT || key == '\b')
		type_back(text);
	else
		type_on(text, cap, key);
	return SCOPE_TYPED_TEXT;
}
