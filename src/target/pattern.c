/* SPDX-License-Identifier: MIT */
#include "target/pattern.h"

#include <errno.h>
#include <string.h>

#define ARITY_MAX 255

static bool has_wildcard(const char *p, size_t len)
{
	return memchr(p, '*', len) || memchr(p, '?', len);
}

/* The part that ends before one of `stops`, or with its closing quote; NULL:
 * there is none. */
static const char *take_part(const char *at, const char *end, char stop,
			     struct scope_pattern_part *ret)
{
	const char *to;

	if (at < end && *at == '\'') {
		to = memchr(at + 1, '\'', (size_t)(end - at - 1));
		if (!to || to == at + 1)
			return NULL;
		*ret = (struct scope_pattern_part){
			at + 1, (size_t)(to - at - 1), true
		};
		return to + 1;
	}
	to = stop ? memchr(at, stop, (size_t)(end - at)) : end;
	if (!to || to == at)
		return NULL;
	*ret = (struct scope_pattern_part){ at, (size_t)(to - at),
					    !has_wildcard(at, (size_t)(to - at)) };
	return to;
}

/* An arity, a star or nothing behind the last slash; *end is moved before it. */
static int take_arity(const char *at, const char **end)
{
	const char *slash = memrchr(at, '/', (size_t)(*end - at));
	int arity = 0;

	/* A function's name may have a slash, or be one. */
	if (!slash || slash + 1 == *end)
		return -1;
	if (slash == at)
		return ARITY_MAX + 1; /* no name before it */
	if (slash[1] == '*' && slash + 2 == *end) {
		*end = slash;
		return -1;
	}
	for (const char *p = slash + 1; p < *end; p++) {
		if (*p < '0' || *p > '9' || arity > ARITY_MAX)
			return -1;
		arity = 10 * arity + (*p - '0');
	}
	*end = slash;
	return arity;
}

int scope_pattern_parse(const char *text, struct scope_pattern *ret_pattern)
{
	const char *end = text + strlen(text), *at;
	struct scope_pattern p = { 0 };

	at = take_part(text, end, ':', &p.module);
	if (!at || at == end || *at++ != ':')
		return -EINVAL;
	p.arity = take_arity(at, &end);
	if (p.arity > ARITY_MAX || take_part(at, end, 0, &p.function) != end)
		return -EINVAL;
	p.is_exact = p.module.is_exact && p.function.is_exact && p.arity >= 0;
	*ret_pattern = p;
	return 0;
}

bool scope_pattern_part_matches(const struct scope_pattern_part *part,
				const char *name, size_t len)
{
	size_t p = 0, n = 0, star = 0, back = 0;
	bool has_star = false;

	if (part->is_exact)
		return part->len == len && !memcmp(part->p, name, len);
	while (n < len) {
		if (p < part->len && part->p[p] == '*') {
			has_star = true;
			star = ++p;
			back = n;
		} else if (p < part->len &&
			   (part->p[p] == '?' || part->p[p] == name[n])) {
			p++;
			n++;
		} else if (has_star) {
			/* The last star takes one character more. */
			p = star;
			n = ++back;
		} else {
			return false;
		}
	}
	while (p < part->len && part->p[p] == '*')
		p++;
	return p == part->len;
}

bool scope_pattern_matches(const struct scope_pattern *p, const char *module,
			   size_t module_len, const char *function,
			   size_t function_len, unsigned arity)
{
	return (p->arity < 0 || (unsigned)p->arity == arity) &&
	       scope_pattern_part_matches(&p->module, module, module_len) &&
	       scope_pattern_part_matches(&p->function, function, function_len);
}
