/* SPDX-License-Identifier: MIT */
/* trace_name: functions as people write them, Erlang's way and Elixir's. */
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "pipeline/trace.h"

/* The ':' between module and function, outside of quotes; NULL: there is none. */
static const char *colon_of(const char *text)
{
	bool in_quotes = false;

	for (; *text; text++) {
		if (*text == '\'')
			in_quotes = !in_quotes;
		else if (*text == ':' && !in_quotes)
			return text;
	}
	return NULL;
}

/* The '.' between a module and a function of Elixir: the last before the arity;
 * a function may be called .. or ... or be an operator. */
static const char *dot_of(const char *text)
{
	size_t len = strlen(text);
	const char *slash = memrchr(text, '/', len);
	const char *dot = memrchr(text, '.',
				  slash ? (size_t)(slash - text) : len);

	while (dot && dot > text && dot[-1] == '.')
		dot--;
	return dot > text ? dot : NULL;
}

static int finish(struct scope_buf *b, const char *dot)
{
	if (!dot[1] || dot[1] == '/')
		return -EINVAL;
	scope_buf_char(b, ':');
	scope_buf_puts(b, dot + 1);
	if (b->full || b->len == b->cap)
		return -ENAMETOOLONG;
	b->p[b->len] = 0;
	return 0;
}

int scope_trace_name(const char *text, char *buf, size_t cap)
{
	struct scope_buf b = scope_buf_of(buf, cap);
	const char *dot;

	/* :lists.map/2 */
	if (*text == ':') {
		dot = dot_of(++text);
		if (!dot || colon_of(text))
			return -EINVAL;
		scope_buf_put(&b, text, (size_t)(dot - text));
		return finish(&b, dot);
	}
	if (colon_of(text)) {
		scope_buf_puts(&b, text);
		if (b.full || b.len == b.cap)
			return -ENAMETOOLONG;
		b.p[b.len] = 0;
		return 0;
	}
	dot = dot_of(text);
	/* Elixir's modules begin with a capital, or a wildcard. */
	if (!dot || !strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ*?", *text))
		return -EINVAL;
	if (strncmp(text, "Elixir.", 7) != 0)
		scope_buf_lit(&b, "Elixir.");
	scope_buf_put(&b, text, (size_t)(dot - text));
	return finish(&b, dot);
}
