/* SPDX-License-Identifier: MIT */
/*
 * Maps and structs in Elixir's syntax. A struct is a map whose key __struct__
 * is a module. Of those with a syntax of their own, ranges, sets, dates and
 * times are shown in it; the others as %Mod{field: value}, with the fields in
 * stored order (that of their definition is known to the node only).
 */
#include "beam/term_elixir.h"

#include <errno.h>

static bool is_hidden(struct scope_put *p, uint64_t key)
{
	return scope_elixir_is(p, key, "__struct__") ||
	       scope_elixir_is(p, key, "__exception__");
}

/* The value of an atom key; false: not there. */
static bool field(struct scope_put *p, const struct scope_view *v,
		  const char *name, uint64_t *ret)
{
	struct scope_map_walk w;
	uint64_t key, value;

	if (!scope_map_begin(p, v, false, &w))
		return false;
	while (scope_map_pair(p, &w, &key, &value) == 1) {
		if (!scope_elixir_is(p, key, name))
			continue;
		*ret = value;
		return true;
	}
	return false;
}

/* A small integer field within limits. */
static bool number(struct scope_put *p, const struct scope_view *v,
		   const char *name, int64_t max, int64_t *ret)
{
	uint64_t word;

	if (!field(p, v, name, &word) || !scope_is_small(word) ||
	    SCOPE_SMALL(word) > max || SCOPE_SMALL(word) < -max)
		return false;
	*ret = SCOPE_SMALL(word);
	return true;
}

static bool put_range(struct scope_put *p, const struct scope_view *v)
{
	uint64_t first, last, step;

	if (!field(p, v, "first", &first) || !field(p, v, "last", &last) ||
	    !field(p, v, "step", &step))
		return false;
	scope_put_term(p, first);
	scope_buf_lit(p->out, "..");
	scope_put_term(p, last);
	if (scope_is_small(step) && SCOPE_SMALL(step) == 1 &&
	    !(scope_is_small(first) && scope_is_small(last) &&
	      SCOPE_SMALL(first) > SCOPE_SMALL(last)))
		return true;
	scope_buf_lit(p->out, "//");
	scope_put_term(p, step);
	return true;
}

static bool put_set(struct scope_put *p, const struct scope_view *v)
{
	struct scope_map_walk w;
	struct scope_view map;
	uint64_t word, key, value;
	bool first = true;
	int r;

	if (!field(p, v, "map", &word))
		return false;
	map = scope_look(p, word);
	if (map.what != SCOPE_IS_MAP || !scope_map_begin(p, &map, true, &w))
		return false;
	scope_buf_lit(p->out, "MapSet.new([");
	while ((r = scope_map_pair(p, &w, &key, &value)) == 1) {
		if (!first)
			scope_buf_lit(p->out, ", ");
		first = false;
		scope_put_term(p, key);
		if (p->out->full)
			return true;
	}
	if (r < 0) {
		if (!first)
			scope_buf_lit(p->out, ", ");
		scope_elixir_missing(p, r);
	}
	scope_buf_lit(p->out, "])");
	return true;
}

static bool is_iso(struct scope_put *p, const struct scope_view *v)
{
	uint64_t calendar;

	return field(p, v, "calendar", &calendar) &&
	       scope_elixir_is(p, calendar, "Elixir.Calendar.ISO");
}

struct when {
	int64_t year, month, day, hour, minute, second, micros, digits;
};

static bool date_of(struct scope_put *p, const struct scope_view *v,
		    struct when *t)
{
	return number(p, v, "year", 9999, &t->year) &&
	       number(p, v, "month", 12, &t->month) &&
	       number(p, v, "day", 31, &t->day) && t->month > 0 && t->day > 0;
}

static bool time_of(struct scope_put *p, const struct scope_view *v,
		    struct when *t)
{
	uint64_t pair, micros, digits;

	if (!number(p, v, "hour", 23, &t->hour) ||
	    !number(p, v, "minute", 59, &t->minute) ||
	    !number(p, v, "second", 60, &t->second) || t->hour < 0 ||
	    t->minute < 0 || t->second < 0 ||
	    !field(p, v, "microsecond", &pair) ||
	    scope_term_element(p->image, pair, 0, &micros) < 0 ||
	    scope_term_element(p->image, pair, 1, &digits) < 0 ||
	    !scope_is_small(micros) || !scope_is_small(digits))
		return false;
	t->micros = SCOPE_SMALL(micros);
	t->digits = SCOPE_SMALL(digits);
	return t->micros >= 0 && t->micros <= 999999 && t->digits >= 0 &&
	       t->digits <= 6;
}

static void put_date(struct scope_buf *out, const struct when *t)
{
	scope_buf_printf(out, "%s%04d-%02d-%02d", t->year < 0 ? "-" : "",
			 (int)(t->year < 0 ? -t->year : t->year),
			 (int)t->month, (int)t->day);
}

static void put_time(struct scope_buf *out, const struct when *t)
{
	int64_t fraction = t->micros;

	scope_buf_printf(out, "%02d:%02d:%02d", (int)t->hour, (int)t->minute,
			 (int)t->second);
	if (!t->digits)
		return;
	for (int64_t i = t->digits; i < 6; i++)
		fraction /= 10;
	scope_buf_printf(out, ".%0*d", (int)t->digits, (int)fraction);
}

/* Date, Time, NaiveDateTime, and DateTime in UTC. */
static bool put_when(struct scope_put *p, const struct scope_view *v,
		     char sigil)
{
	bool has_date = sigil != 'T', has_time = sigil != 'D';
	struct when t = { 0 };
	uint64_t zone;
	int64_t offset;

	if (!is_iso(p, v) || (has_date && !date_of(p, v, &t)) ||
	    (has_time && !time_of(p, v, &t)))
		return false;
	if (sigil == 'U' &&
	    (!number(p, v, "utc_offset", 0, &offset) ||
	     !number(p, v, "std_offset", 0, &offset) ||
	     !field(p, v, "time_zone", &zone)))
		return false;
	scope_buf_char(p->out, '~');
	scope_buf_char(p->out, sigil);
	scope_buf_char(p->out, '[');
	if (has_date)
		put_date(p->out, &t);
	if (has_date && has_time)
		scope_buf_char(p->out, ' ');
	if (has_time)
		put_time(p->out, &t);
	if (sigil == 'U')
		scope_buf_char(p->out, 'Z');
	scope_buf_char(p->out, ']');
	return true;
}

/* In the syntax of the struct's own, if it has one and is whole. */
static bool put_special(struct scope_put *p, const struct scope_view *v,
			uint64_t module)
{
	if (scope_elixir_is(p, module, "Elixir.Range"))
		return put_range(p, v);
	if (scope_elixir_is(p, module, "Elixir.MapSet"))
		return put_set(p, v);
	if (scope_elixir_is(p, module, "Elixir.Date"))
		return put_when(p, v, 'D');
	if (scope_elixir_is(p, module, "Elixir.Time"))
		return put_when(p, v, 'T');
	if (scope_elixir_is(p, module, "Elixir.NaiveDateTime"))
		return put_when(p, v, 'N');
	if (scope_elixir_is(p, module, "Elixir.DateTime"))
		return put_when(p, v, 'U');
	return false;
}

/* Whether all keys are atoms that may stand without =>. */
static bool all_keys(struct scope_put *p, const struct scope_view *v)
{
	struct scope_map_walk w;
	uint64_t key, value;

	if (!scope_map_begin(p, v, true, &w))
		return false;
	while (scope_map_pair(p, &w, &key, &value) == 1)
		if (!scope_elixir_is_key(p, key))
			return false;
	return true;
}

static void put_pairs(struct scope_put *p, const struct scope_view *v,
		      bool is_struct)
{
	bool first = true, bare = is_struct || all_keys(p, v);
	struct scope_map_walk w;
	uint64_t key, value;
	int r;

	(void)scope_map_begin(p, v, true, &w);
	while ((r = scope_map_pair(p, &w, &key, &value)) == 1) {
		if (is_struct && is_hidden(p, key))
			continue;
		if (!first)
			scope_buf_lit(p->out, ", ");
		first = false;
		if (bare && scope_elixir_key(p, key)) {
			scope_buf_lit(p->out, ": ");
		} else {
			scope_put_term(p, key);
			scope_buf_lit(p->out, " => ");
		}
		scope_put_term(p, value);
		if (p->out->full)
			return;
	}
	if (r < 0) {
		if (!first)
			scope_buf_lit(p->out, ", ");
		scope_elixir_missing(p, r);
	}
}

void scope_elixir_map(struct scope_put *p, const struct scope_view *v)
{
	struct scope_map_walk w;
	uint64_t module = 0;
	bool is_struct;

	if (!scope_map_begin(p, v, true, &w)) {
		scope_elixir_missing(p, -EINVAL);
		return;
	}
	is_struct = field(p, v, "__struct__", &module) &&
		    scope_elixir_is_alias(p, module);
	if (is_struct && put_special(p, v, module))
		return;
	scope_buf_char(p->out, '%');
	if (is_struct)
		(void)scope_elixir_atom(p, module);
	scope_buf_char(p->out, '{');
	put_pairs(p, v, is_struct);
	scope_buf_char(p->out, '}');
}
