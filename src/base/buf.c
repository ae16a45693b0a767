/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

void scope_buf_puts(struct scope_buf *b, const char *s)
{
	scope_buf_put(b, s, strlen(s));
}

void scope_buf_u64(struct scope_buf *b, uint64_t v)
{
	char s[20];
	size_t at = sizeof(s);

	do {
		s[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	scope_buf_put(b, s + at, sizeof(s) - at);
}

void scope_buf_i64(struct scope_buf *b, int64_t v)
{
	if (v < 0)
		scope_buf_char(b, '-');
	scope_buf_u64(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void scope_buf_hex(struct scope_buf *b, uint64_t v)
{
	char s[16];
	size_t at = sizeof(s);

	do {
		s[--at] = "0123456789abcdef"[v & 15];
		v >>= 4;
	} while (v);
	scope_buf_put(b, s + at, sizeof(s) - at);
}

void scope_buf_printf(struct scope_buf *b, const char *fmt, ...)
{
	char s[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(s, sizeof(s), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(s)) {
		n = sizeof(s) - 1;
		b->full = true;
	}
	scope_buf_put(b, s, (size_t)n);
}

const char *scope_buf_str(struct scope_buf *b)
{
	if (b->len == b->cap) {
		b->len--;
		b->full = true;
	}
	b->p[b->len] = '\0';
	return b->p;
}
