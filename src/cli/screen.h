/* SPDX-License-Identifier: MIT */
/*
 * screen: what is drawn, before it gets to a terminal: a grid of characters,
 * and the text of numbers, ages and typed filters.
 *
 * Shapes:  a grid has `lines` times `cols` cells, each one character and how it
 *          looks. What a node's text has no glyph for, or what would move the
 *          cursor, becomes a dot.
 * Limits:  SCOPE_GRID_SIDE lines and columns: what is beyond is not drawn.
 * Errors:  -ENOMEM.
 * Threads: one owner.
 */
#ifndef SCOPE_CLI_SCREEN_H
#define SCOPE_CLI_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <wchar.h>

#include "base/buf.h"

#define SCOPE_GRID_SIDE 1000

/* How a cell looks; bits. Colours only show where there are some. */
#define SCOPE_LOOK_BOLD (1u << 0)
#define SCOPE_LOOK_REVERSE (1u << 1)
#define SCOPE_LOOK_DIM (1u << 2)
#define SCOPE_LOOK_BAD (1u << 3)
#define SCOPE_LOOK_TITLE (1u << 4)
#define SCOPE_LOOK_GOOD (1u << 5)
#define SCOPE_LOOK_BUSY (1u << 6)

struct scope_cell {
	wchar_t c; /* 0: the second half of a wide one */
	uint8_t look;
};

struct scope_grid {
	int lines, cols;
	struct scope_cell *cells; /* owned */
	int cursor_y, cursor_x;	  /* -1: not shown */
};

/* Blank, of this size. */
int scope_grid_resize(struct scope_grid *g, int lines, int cols);
void scope_grid_done(struct scope_grid *g);
/* UTF-8 text into `width` columns at most; the columns it took. */
int scope_grid_put(struct scope_grid *g, int y, int x, int width, unsigned look,
		   const char *s, size_t len);
int scope_grid_buf(struct scope_grid *g, int y, int x, int width, unsigned look,
		   const struct scope_buf *b);
/* Blanks, from x to the end of the line. */
void scope_grid_blank(struct scope_grid *g, int y, int x, unsigned look);

/* The first n lines as text, without blanks at their ends. */
void scope_grid_print(const struct scope_grid *g, int n, FILE *out);

/* One character of text: how many bytes it takes, its glyph and its columns. */
size_t scope_screen_glyph(const char *s, size_t len, wchar_t *ret_glyph,
			  int *ret_columns);

/* At most 7 columns: "0", "0.5", "1234", "12.3k"; "9.9s", "99s", "5m". */
void scope_screen_number(char out[16], double v);
void scope_screen_age(char out[16], uint64_t ns);

/* A key while text is typed: UTF-8 in text[cap]. is_special: a KEY_ of
 * curses. */
enum scope_typed {
	SCOPE_TYPED_NOTHING,
	SCOPE_TYPED_TEXT, /* it is another text now */
	SCOPE_TYPED_DONE,
	SCOPE_TYPED_CANCELLED, /* the text is empty */
};
enum scope_typed scope_screen_type(char *text, size_t cap, wint_t key,
				   bool is_special);

#endif
