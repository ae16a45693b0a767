/* SPDX-License-Identifier: MIT */
/*
 * buf: text written into memory that somebody else owns, up to its end.
 *
 * Shapes:  a buffer holds len bytes at p, never more than cap. What does not
 *          fit is left out and noted in `full`; nothing is written past cap,
 *          and no NUL is added (scope_buf_str does).
 * Memory:  p is borrowed.
 * Threads: one owner.
 */
#ifndef SCOPE_BUF_H
#define SCOPE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct scope_buf {
	char *p;
	size_t len;
	size_t cap;
	bool full;
};

static inline struct scope_buf scope_buf_of(void *p, size_t cap)
{
	return (struct scope_buf){ .p = p, .cap = cap };
}

static inline void scope_buf_put(struct scope_buf *b, const void *s, size_t n)
{
	if (n > b->cap - b->len) {
		n = b->cap - b->len;
		b->full = true;
	}
	if (n)
		memcpy(b->p + b->len, s, n);
	b->len += n;
}

static inline void scope_buf_char(struct scope_buf *b, char c)
{
	if (b->len < b->cap)
		b->p[b->len++] = c;
	else
		b->full = true;
}

/* A string literal. */
#define scope_buf_lit(b, s) scope_buf_put((b), "" s, sizeof(s) - 1)

void scope_buf_puts(struct scope_buf *b, const char *s);
void scope_buf_u64(struct scope_buf *b, uint64_t v);
void scope_buf_i64(struct scope_buf *b, int64_t v);
void scope_buf_hex(struct scope_buf *b, uint64_t v); /* no prefix, lower case */
void scope_buf_printf(struct scope_buf *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The text as a C string: the last byte is given up when the buffer is full.
 * Borrowed; cap must be at least 1. */
const char *scope_buf_str(struct scope_buf *b);

#endif
