/* SPDX-License-Identifier: MIT */
#include "cli/units.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull
/* As many decimals as a duration of whole nanoseconds can have. */
#define DECIMALS 9

struct unit {
	const char *name;
	uint64_t factor;
};

/* Read digits at *s: their value times `factor`. */
static int digits(const char **s, uint64_t factor, uint64_t *ret_n)
{
	const char *at = *s;
	uint64_t n = 0;

	if (*at < '0' || *at > '9')
		return -EINVAL;
	for (; *at >= '0' && *at <= '9'; at++)
		if (__builtin_mul_overflow(n, 10u, &n) ||
		    __builtin_add_overflow(n, (unsigned)(*at - '0'), &n))
			return -ERANGE;
	if (__builtin_mul_overflow(n, factor, &n))
		return -ERANGE;
	*s = at;
	*ret_n = n;
	return 0;
}

static const struct unit *unit_of(const struct unit *units, const char *name)
{
	while (units->name && strcmp(units->name, name))
		units++;
	return units->name ? units : NULL;
}

int scope_parse_duration(const char *s, uint64_t *ret_ns)
{
	static const struct unit units[] = {
		{ "", NS_PER_S },	{ "ms", NS_PER_MS },
		{ "s", NS_PER_S },	{ "m", 60 * NS_PER_S },
		{ "h", 3600 * NS_PER_S }, { NULL, 0 },
	};
	const struct unit *u;
	const char *at = s;
	uint64_t ns, part = 0;
	int r;

	u = unit_of(units, s + strspn(s, "0123456789."));
	if (!u)
		return -EINVAL;
	r = digits(&at, u->factor, &ns);
	if (r < 0)
		return r;
	if (*at == '.') {
		uint64_t step = u->factor;
		const char *first = ++at;

		for (; *at >= '0' && *at <= '9'; at++) {
			step /= 10;
			part += step * (unsigned)(*at - '0');
		}
		if (at == first || at - first > DECIMALS)
			return -EINVAL;
	}
	if (strcmp(at, u->name) != 0)
		return -EINVAL;
	if (__builtin_add_overflow(ns, part, &ns))
		return -ERANGE;
	*ret_ns = ns;
	return 0;
}

int scope_parse_size(const char *s, uint64_t *ret_bytes)
{
	static const struct unit units[] = {
		{ "", 1 },	     { "K", 1u << 10 }, { "k", 1u << 10 },
		{ "M", 1u << 20 },   { "G", 1u << 30 }, { NULL, 0 },
	};
	const struct unit *u = unit_of(units, s + strspn(s, "0123456789"));

	return u ? digits(&s, u->factor, ret_bytes) : -EINVAL;
}

int scope_parse_number(const char *s, uint64_t *ret_n)
{
	if (s[strspn(s, "0123456789")])
		return -EINVAL;
	return digits(&s, 1, ret_n);
}

int scope_parse_percent(const char *s, double *ret_share)
{
	uint64_t thousandths, step = 1000;
	int r = digits(&s, step, &thousandths);

	if (r < 0)
		return r;
	if (*s == '.') {
		const char *first = ++s;

		for (; *s >= '0' && *s <= '9' && step > 1; s++) {
			step /= 10;
			thousandths += step * (unsigned)(*s - '0');
		}
		if (s == first)
			return -EINVAL;
	}
	if (*s == '%')
		s++;
	if (*s || thousandths > 100000)
		return -EINVAL;
	*ret_share = (double)thousandths / 100000;
	return 0;
}

int scope_parse_share(const char *s, double *ret_share)
{
	uint64_t millionths, step = 1000000, whole = step;
	int r = digits(&s, step, &millionths);

	if (r < 0)
		return r;
	if (*s == '.') {
		const char *first = ++s;

		for (; *s >= '0' && *s <= '9' && step > 1; s++) {
			step /= 10;
			millionths += step * (unsigned)(*s - '0');
		}
		if (s == first)
			return -EINVAL;
	}
	if (*s == '%') {
		whole *= 100;
		s++;
	}
	if (*s || millionths > whole)
		return -EINVAL;
	*ret_share = (double)millionths / (double)whole;
	return 0;
}
