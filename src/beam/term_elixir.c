/* SPDX-License-Identifier: MIT */
/*
 * Terms as Elixir's inspect/2 prints them without limits, on one line; of
 * charlists, as releases from 1.15 on do. A fun's parent function is not known
 * outside of the node, and left out.
 */
#include "beam/term_elixir.h"

#include <errno.h>
#include <math.h>

#include "base/utf8.h"

void scope_elixir_cut(struct scope_put *p)
{
	p->met |= SCOPE_TERM_CUT;
	scope_buf_lit(p->out, "...");
}

static void put_torn(struct scope_put *p)
{
	p->met |= SCOPE_TERM_TORN;
	scope_buf_char(p->out, '?');
}

void scope_elixir_missing(struct scope_put *p, int r)
{
	if (r == -ENODATA)
		scope_elixir_cut(p);
	else
		put_torn(p);
}

/* List.ascii_printable?/1 */
static bool is_char(uint32_t cp)
{
	return (cp >= 7 && cp <= 13) || cp == 0x1b || (cp >= 0x20 && cp <= 0x7e);
}

/* String.printable?/1 */
static bool is_printable(uint32_t cp)
{
	return is_char(cp) || cp == 0x7f ||
	       (cp >= 0xa0 && cp != 0xfffe && cp != 0xffff);
}

static void put_charlist(struct scope_put *p, uint64_t list, size_t n, bool cut)
{
	uint64_t head = 0, next = 0;

	scope_buf_lit(p->out, "~c\"");
	(void)scope_cons_next(p, &list, &head);
	while (n--) {
		next = 0;
		if (n && scope_cons_next(p, &list, &next) == 1)
			next = (uint64_t)SCOPE_SMALL(next);
		scope_elixir_char(p->out, (uint32_t)SCOPE_SMALL(head),
				  (uint32_t)next, '"');
		head = next << 4;
	}
	scope_buf_char(p->out, '"');
	if (cut) {
		scope_buf_lit(p->out, " ++ ");
		scope_elixir_cut(p);
	}
}

/* The key and value of a pair; false: it is none. */
static bool pair_of(struct scope_put *p, uint64_t term, uint64_t *ret_key,
		    uint64_t *ret_value)
{
	struct scope_view v = scope_look(p, term);

	return v.what == SCOPE_IS_TUPLE && SCOPE_ARITY(v.header) == 2 &&
	       scope_word_at(p, v.addr + 8, ret_key) &&
	       scope_word_at(p, v.addr + 16, ret_value) &&
	       scope_elixir_is_key(p, *ret_key);
}

static bool is_keyword(struct scope_put *p, uint64_t list)
{
	size_t left = scope_cons_max(p);
	uint64_t head, key, value;
	int r;

	while ((r = scope_cons_next(p, &list, &head)) == 1)
		if (!pair_of(p, head, &key, &value) || !left--)
			return false;
	return r < 0 || scope_is_nil(list);
}

static void put_element(struct scope_put *p, uint64_t term, bool keyword)
{
	uint64_t key, value;

	if (keyword && pair_of(p, term, &key, &value) &&
	    scope_elixir_key(p, key)) {
		scope_buf_lit(p->out, ": ");
		scope_put_term(p, value);
		return;
	}
	scope_put_term(p, term);
}

static void put_list(struct scope_put *p, uint64_t list)
{
	bool cut = false, keyword;
	size_t n = scope_charlist_len(p, list, is_char, &cut);
	uint64_t head;
	int r;

	if (n) {
		put_charlist(p, list, n, cut);
		return;
	}
	keyword = is_keyword(p, list);
	scope_buf_char(p->out, '[');
	for (n = 0; (r = scope_cons_next(p, &list, &head)) == 1; n++) {
		if (n)
			scope_buf_lit(p->out, ", ");
		put_element(p, head, keyword);
		if (p->out->full)
			return;
	}
	if (r < 0) {
		if (n)
			scope_buf_lit(p->out, ", ");
		scope_elixir_cut(p);
	} else if (!scope_is_nil(list)) {
		scope_buf_lit(p->out, " | ");
		scope_put_term(p, list);
	}
	scope_buf_char(p->out, ']');
}

static void put_tuple(struct scope_put *p, const struct scope_view *v)
{
	uint64_t n = SCOPE_ARITY(v->header), word;

	scope_buf_char(p->out, '{');
	for (uint64_t i = 0; i < n && !p->out->full; i++) {
		if (i)
			scope_buf_lit(p->out, ", ");
		if (!scope_word_at(p, v->addr + 8 + 8 * i, &word)) {
			scope_elixir_cut(p);
			break;
		}
		scope_put_term(p, word);
	}
	scope_buf_char(p->out, '}');
}

static bool is_text(const struct scope_bits *b)
{
	const char *s = (const char *)b->data;
	size_t n = b->bytes;
	uint32_t cp;

	if (b->bits % 8 || b->tail)
		return false;
	if (b->cut)
		n -= scope_utf8_tail(s, n);
	for (size_t i = 0; i < n;) {
		size_t len = scope_utf8_next(s + i, n - i, &cp);

		if (!len || !is_printable(cp))
			return false;
		i += len;
	}
	return n || !b->cut;
}

static void put_text(struct scope_put *p, const struct scope_bits *b)
{
	const char *s = (const char *)b->data;
	size_t n = b->bytes;
	uint32_t cp = 0;

	scope_buf_char(p->out, '"');
	while (n) {
		size_t len = scope_utf8_next(s, n, &cp);

		if (!len)
			break; /* the cut went through a character */
		s += len;
		n -= len;
		scope_elixir_char(p->out, cp, n ? (uint8_t)*s : 0, '"');
	}
	scope_buf_char(p->out, '"');
	if (b->cut) {
		scope_buf_lit(p->out, " <> ");
		scope_elixir_cut(p);
	}
}

static void put_bits(struct scope_put *p, const struct scope_view *v)
{
	struct scope_bits b;

	if (!scope_bits_of(p, v, &b)) {
		put_torn(p);
		return;
	}
	if (is_text(&b)) {
		put_text(p, &b);
		return;
	}
	scope_buf_lit(p->out, "<<");
	for (size_t i = 0; i < b.bytes; i++) {
		if (i)
			scope_buf_lit(p->out, ", ");
		scope_buf_u64(p->out, b.data[i]);
	}
	if (b.tail) {
		if (b.bytes)
			scope_buf_lit(p->out, ", ");
		scope_buf_u64(p->out, b.data[b.bytes]);
		scope_buf_lit(p->out, "::size(");
		scope_buf_u64(p->out, b.tail);
		scope_buf_char(p->out, ')');
	}
	if (b.cut) {
		if (b.bytes)
			scope_buf_lit(p->out, ", ");
		scope_elixir_cut(p);
	}
	scope_buf_lit(p->out, ">>");
}

void scope_elixir_ident(struct scope_put *p, const struct scope_ident *id)
{
	static const char *const open[] = {
		[SCOPE_ID_PID] = "#PID<",
		[SCOPE_ID_PORT] = "#Port<",
		[SCOPE_ID_REF] = "#Reference<",
	};

	scope_buf_puts(p->out, open[id->type]);
	scope_ident_put(p, id);
	scope_buf_char(p->out, '>');
}

static void put_ident(struct scope_put *p, const struct scope_view *v)
{
	struct scope_ident id;
	int r = scope_ident_of(p, v, &id);

	if (r < 0)
		scope_elixir_missing(p, r);
	else
		scope_elixir_ident(p, &id);
}

static void put_atom(struct scope_put *p, uint64_t atom)
{
	if (!scope_elixir_atom(p, atom))
		put_torn(p);
}

static void put_fun(struct scope_put *p, const struct scope_view *v)
{
	struct scope_fun f;
	int r = scope_fun_of(p, v, &f);

	if (r < 0) {
		scope_elixir_missing(p, r);
		return;
	}
	if (v->what == SCOPE_IS_EXPORT) {
		scope_buf_char(p->out, '&');
		put_atom(p, f.module);
		scope_buf_char(p->out, '.');
		if (!scope_elixir_call(p, f.function))
			put_torn(p);
		scope_buf_char(p->out, '/');
		scope_buf_u64(p->out, f.arity);
		return;
	}
	scope_buf_lit(p->out, "#Function<");
	scope_buf_i64(p->out, f.index);
	scope_buf_char(p->out, '.');
	scope_buf_i64(p->out, f.old_uniq);
	scope_buf_char(p->out, '/');
	scope_buf_u64(p->out, f.arity);
	scope_buf_lit(p->out, " in ");
	put_atom(p, f.module);
	scope_buf_char(p->out, '>');
}

/* Elixir has no syntax for native records. */
static void put_record(struct scope_put *p, const struct scope_view *v)
{
	struct scope_record rec;
	uint64_t key, value;
	int r = scope_record_of(p, v, &rec);

	if (r < 0) {
		scope_elixir_missing(p, r);
		return;
	}
	scope_buf_lit(p->out, "#Record<");
	put_atom(p, rec.module);
	scope_buf_lit(p->out, ", ");
	put_atom(p, rec.name);
	for (unsigned i = 0; i < rec.n && !p->out->full; i++) {
		scope_buf_lit(p->out, ", ");
		if (scope_record_field(p, &rec, i, &key, &value) < 0) {
			scope_elixir_cut(p);
			break;
		}
		if (!scope_elixir_key(p, key))
			put_torn(p);
		scope_buf_lit(p->out, ": ");
		scope_put_term(p, value);
	}
	scope_buf_char(p->out, '>');
}

static void put_float(struct scope_put *p, const struct scope_view *v)
{
	double d;

	if (!scope_float_of(p, v, &d)) {
		scope_elixir_cut(p);
	} else if (!isfinite(d)) {
		put_torn(p);
	} else if (fabs(d) >= 1.0 && fabs(d) < 1.0e16 && trunc(d) == d) {
		scope_buf_i64(p->out, (int64_t)d);
		scope_buf_lit(p->out, ".0");
	} else {
		scope_float_put(p->out, d);
	}
}

static void put_number(struct scope_put *p, const struct scope_view *v)
{
	if (v->what == SCOPE_IS_SMALL)
		scope_buf_i64(p->out, SCOPE_SMALL(v->word));
	else if (v->what == SCOPE_IS_FLOAT)
		put_float(p, v);
	else if (!scope_big_put(p, v))
		scope_elixir_cut(p);
}

static void put_nil(struct scope_put *p)
{
	scope_buf_lit(p->out, "[]");
}

const struct scope_syntax_ops scope_elixir_ops = {
	.cut = scope_elixir_cut,
	.torn = put_torn,
	.nil = put_nil,
	.atom = put_atom,
	.list = put_list,
	.number = put_number,
	.bits = put_bits,
	.ident = put_ident,
	.fun = put_fun,
	.tuple = put_tuple,
	.map = scope_elixir_map,
	.record = put_record,
};
