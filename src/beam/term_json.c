/* SPDX-License-Identifier: MIT */
/*
 * Terms as JSON. An integer is a number; all else is an object whose "t" says
 * what it is:
 *
 *   7                                      integers up to 2^53, either sign
 *   {"t":"int","v":"9007199254740993"}     other integers
 *   {"t":"float","v":1.5}
 *   {"t":"atom","v":"ok"}
 *   {"t":"str","v":"abc"}                  a list of printable characters
 *   {"t":"list","v":[1,2]}                 any other list, [] too
 *   {"t":"list","v":[1],"tail":2}          an improper list: [1|2]
 *   {"t":"tuple","v":[1,2]}
 *   {"t":"map","v":[[1,2],[3,4]]}          pairs of key and value
 *   {"t":"record","module":"m","name":"r","v":[[key,value]]}
 *   {"t":"bin","v":"abc"}                  a binary that is printable UTF-8
 *   {"t":"bin","hex":"00ff"}               any other binary
 *   {"t":"bits","hex":"a0","bits":3}       a bitstring; its last bits are the
 *                                          high ones of the last byte
 *   {"t":"pid","v":"<0.1.0>"}              also "port" and "ref"
 *   {"t":"pid","v":"<9.1.0>","node":"a@b"} of another node
 *   {"t":"fun","module":"m","function":"f","arity":1}
 *   {"t":"fun","module":"m","index":0,"uniq":77,"arity":1}
 *   {"t":"cut"}                            was not copied
 *   {"t":"torn"}                           made no sense
 *
 * Of what was copied in part: a list has {"t":"cut"} as its "tail", a tuple as
 * its last element; a str, map, record, bin or bits has "cut":true, bin and
 * bits then also their full "size" in bits. A map may have "torn":true.
 */
#include "beam/term_int.h"

#include <errno.h>
#include <math.h>

#include "base/utf8.h"

#define INT_MAX_EXACT (1ll << 53)

static void put_cut(struct scope_put *p)
{
	p->met |= SCOPE_TERM_CUT;
	scope_buf_lit(p->out, "{\"t\":\"cut\"}");
}

static void put_torn(struct scope_put *p)
{
	p->met |= SCOPE_TERM_TORN;
	scope_buf_lit(p->out, "{\"t\":\"torn\"}");
}

static void put_missing(struct scope_put *p, int r)
{
	if (r == -ENODATA)
		put_cut(p);
	else
		put_torn(p);
}

static void put_char(struct scope_buf *out, uint32_t cp)
{
	static const char hex[] = "0123456789abcdef";

	if (cp == '"' || cp == '\\') {
		scope_buf_char(out, '\\');
		scope_buf_char(out, (char)cp);
	} else if (cp < 0x20) {
		scope_buf_lit(out, "\\u00");
		scope_buf_char(out, hex[cp >> 4]);
		scope_buf_char(out, hex[cp & 15]);
	} else {
		scope_cp_put(out, cp);
	}
}

/* Text that is known to be UTF-8, but for what a cut left at its end. */
static void put_text(struct scope_buf *out, const char *s, size_t n)
{
	uint32_t cp;

	scope_buf_char(out, '"');
	while (n) {
		size_t len = scope_utf8_next(s, n, &cp);

		if (!len)
			break;
		put_char(out, cp);
		s += len;
		n -= len;
	}
	scope_buf_char(out, '"');
}

static void put_atom_text(struct scope_put *p, uint64_t atom)
{
	size_t n;
	const char *s = scope_vm_atom(p->vm, atom, &n);

	if (s) {
		put_text(p->out, s, n);
		return;
	}
	p->met |= SCOPE_TERM_TORN;
	scope_buf_lit(p->out, "\"?\"");
}

static void put_atom(struct scope_put *p, uint64_t atom)
{
	size_t n;

	if (!scope_vm_atom(p->vm, atom, &n)) {
		put_torn(p);
		return;
	}
	scope_buf_lit(p->out, "{\"t\":\"atom\",\"v\":");
	put_atom_text(p, atom);
	scope_buf_char(p->out, '}');
}

static void put_small(struct scope_put *p, int64_t v)
{
	if (v <= INT_MAX_EXACT && v >= -INT_MAX_EXACT) {
		scope_buf_i64(p->out, v);
		return;
	}
	scope_buf_lit(p->out, "{\"t\":\"int\",\"v\":\"");
	scope_buf_i64(p->out, v);
	scope_buf_lit(p->out, "\"}");
}

static void put_big(struct scope_put *p, const struct scope_view *v)
{
	struct scope_buf before = *p->out;

	scope_buf_lit(p->out, "{\"t\":\"int\",\"v\":\"");
	if (!scope_big_put(p, v)) {
		*p->out = before;
		put_cut(p);
		return;
	}
	scope_buf_lit(p->out, "\"}");
}

static void put_float(struct scope_put *p, const struct scope_view *v)
{
	double d;

	if (!scope_float_of(p, v, &d)) {
		put_cut(p);
	} else if (!isfinite(d)) {
		put_torn(p);
	} else {
		scope_buf_lit(p->out, "{\"t\":\"float\",\"v\":");
		scope_float_put(p->out, d);
		scope_buf_char(p->out, '}');
	}
}

static void put_string(struct scope_put *p, uint64_t list, size_t n, bool cut)
{
	uint64_t head = 0;

	scope_buf_lit(p->out, "{\"t\":\"str\",\"v\":\"");
	while (n-- && scope_cons_next(p, &list, &head) == 1)
		put_char(p->out, (uint32_t)SCOPE_SMALL(head));
	scope_buf_char(p->out, '"');
	if (cut) {
		p->met |= SCOPE_TERM_CUT;
		scope_buf_lit(p->out, ",\"cut\":true");
	}
	scope_buf_char(p->out, '}');
}

static void put_list(struct scope_put *p, uint64_t list)
{
	bool cut = false;
	size_t n = scope_charlist_len(p, list, scope_latin1_printable, &cut);
	uint64_t head;
	int r;

	if (n) {
		put_string(p, list, n, cut);
		return;
	}
	scope_buf_lit(p->out, "{\"t\":\"list\",\"v\":[");
	for (n = 0; (r = scope_cons_next(p, &list, &head)) == 1; n++) {
		if (n)
			scope_buf_char(p->out, ',');
		scope_put_term(p, head);
		if (p->out->full)
			return;
	}
	scope_buf_char(p->out, ']');
	if (r < 0) {
		scope_buf_lit(p->out, ",\"tail\":");
		put_cut(p);
	} else if (!scope_is_nil(list)) {
		scope_buf_lit(p->out, ",\"tail\":");
		scope_put_term(p, list);
	}
	scope_buf_char(p->out, '}');
}

static void put_tuple(struct scope_put *p, const struct scope_view *v)
{
	uint64_t n = SCOPE_ARITY(v->header), word;

	scope_buf_lit(p->out, "{\"t\":\"tuple\",\"v\":[");
	for (uint64_t i = 0; i < n && !p->out->full; i++) {
		if (i)
			scope_buf_char(p->out, ',');
		if (!scope_word_at(p, v->addr + 8 + 8 * i, &word)) {
			put_cut(p);
			break;
		}
		scope_put_term(p, word);
	}
	scope_buf_lit(p->out, "]}");
}

static void put_pair(struct scope_put *p, bool first, uint64_t key,
		     uint64_t value)
{
	if (!first)
		scope_buf_char(p->out, ',');
	scope_buf_char(p->out, '[');
	scope_put_term(p, key);
	scope_buf_char(p->out, ',');
	scope_put_term(p, value);
	scope_buf_char(p->out, ']');
}

/* The end of a list of pairs, of which some may be missing. */
static void put_pairs_end(struct scope_put *p, int r)
{
	scope_buf_char(p->out, ']');
	if (r == -ENODATA) {
		p->met |= SCOPE_TERM_CUT;
		scope_buf_lit(p->out, ",\"cut\":true");
	} else if (r < 0) {
		p->met |= SCOPE_TERM_TORN;
		scope_buf_lit(p->out, ",\"torn\":true");
	}
	scope_buf_char(p->out, '}');
}

static void put_map(struct scope_put *p, const struct scope_view *v)
{
	struct scope_map_walk w;
	uint64_t key, value;
	bool first = true;
	int r;

	if (!scope_map_begin(p, v, false, &w)) {
		put_torn(p);
		return;
	}
	scope_buf_lit(p->out, "{\"t\":\"map\",\"v\":[");
	while ((r = scope_map_pair(p, &w, &key, &value)) == 1) {
		put_pair(p, first, key, value);
		first = false;
		if (p->out->full)
			return;
	}
	put_pairs_end(p, r);
}

static void put_record(struct scope_put *p, const struct scope_view *v)
{
	struct scope_record rec;
	uint64_t key, value;
	int r = scope_record_of(p, v, &rec);

	if (r < 0) {
		put_missing(p, r);
		return;
	}
	scope_buf_lit(p->out, "{\"t\":\"record\",\"module\":");
	put_atom_text(p, rec.module);
	scope_buf_lit(p->out, ",\"name\":");
	put_atom_text(p, rec.name);
	scope_buf_lit(p->out, ",\"v\":[");
	for (unsigned i = 0; i < rec.n && !p->out->full; i++) {
		r = scope_record_field(p, &rec, i, &key, &value);
		if (r < 0)
			break;
		put_pair(p, i == 0, key, value);
	}
	put_pairs_end(p, r);
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

		if (!len || (cp < 0xa0 && !scope_latin1_printable(cp)))
			return false;
		i += len;
	}
	return n || !b->bits;
}

static void put_hex(struct scope_buf *out, const struct scope_bits *b)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < b->bytes + (b->tail != 0); i++) {
		uint8_t byte = b->data[i];

		if (i == b->bytes)
			byte = (uint8_t)(byte << (8 - b->tail));
		scope_buf_char(out, hex[byte >> 4]);
		scope_buf_char(out, hex[byte & 15]);
	}
}

static void put_bits(struct scope_put *p, const struct scope_view *v)
{
	struct scope_bits b;

	if (!scope_bits_of(p, v, &b)) {
		put_torn(p);
		return;
	}
	if (b.bits % 8)
		scope_buf_lit(p->out, "{\"t\":\"bits\",");
	else
		scope_buf_lit(p->out, "{\"t\":\"bin\",");
	if (is_text(&b)) {
		scope_buf_lit(p->out, "\"v\":");
		put_text(p->out, (const char *)b.data, b.bytes);
	} else {
		scope_buf_lit(p->out, "\"hex\":\"");
		put_hex(p->out, &b);
		scope_buf_char(p->out, '"');
	}
	if (b.bits % 8) {
		scope_buf_lit(p->out, ",\"bits\":");
		scope_buf_u64(p->out, b.cut ? 8 * b.bytes :
					      8 * b.bytes + b.tail);
	}
	if (b.cut) {
		p->met |= SCOPE_TERM_CUT;
		scope_buf_lit(p->out, ",\"cut\":true");
		if (b.bits) {
			scope_buf_lit(p->out, ",\"size\":");
			scope_buf_u64(p->out, b.bits);
		}
	}
	scope_buf_char(p->out, '}');
}

static void put_ident(struct scope_put *p, const struct scope_view *v)
{
	static const char *const types[] = {
		[SCOPE_ID_PID] = "pid",
		[SCOPE_ID_PORT] = "port",
		[SCOPE_ID_REF] = "ref",
	};
	struct scope_ident id;
	int r = scope_ident_of(p, v, &id);

	if (r < 0) {
		put_missing(p, r);
		return;
	}
	scope_buf_lit(p->out, "{\"t\":\"");
	scope_buf_puts(p->out, types[id.type]);
	scope_buf_lit(p->out, "\",\"v\":\"");
	scope_erlang_ident(p, &id);
	scope_buf_char(p->out, '"');
	if (id.num[0]) {
		scope_buf_lit(p->out, ",\"node\":");
		put_atom_text(p, id.num[0] << 6 | 0x0b);
	}
	scope_buf_char(p->out, '}');
}

static void put_fun(struct scope_put *p, const struct scope_view *v)
{
	struct scope_fun f;
	int r = scope_fun_of(p, v, &f);

	if (r < 0) {
		put_missing(p, r);
		return;
	}
	scope_buf_lit(p->out, "{\"t\":\"fun\",\"module\":");
	put_atom_text(p, f.module);
	if (v->what == SCOPE_IS_EXPORT) {
		scope_buf_lit(p->out, ",\"function\":");
		put_atom_text(p, f.function);
	} else {
		scope_buf_lit(p->out, ",\"index\":");
		scope_buf_i64(p->out, f.old_index);
		scope_buf_lit(p->out, ",\"uniq\":");
		scope_buf_i64(p->out, f.old_uniq);
	}
	scope_buf_lit(p->out, ",\"arity\":");
	scope_buf_u64(p->out, f.arity);
	scope_buf_char(p->out, '}');
}

static void put_number(struct scope_put *p, const struct scope_view *v)
{
	if (v->what == SCOPE_IS_SMALL)
		put_small(p, SCOPE_SMALL(v->word));
	else if (v->what == SCOPE_IS_BIG)
		put_big(p, v);
	else
		put_float(p, v);
}

static void put_nil(struct scope_put *p)
{
	scope_buf_lit(p->out, "{\"t\":\"list\",\"v\":[]}");
}

const struct scope_syntax_ops scope_json_ops = {
	.cut = put_cut,
	.torn = put_torn,
	.nil = put_nil,
	.atom = put_atom,
	.list = put_list,
	.number = put_number,
	.bits = put_bits,
	.ident = put_ident,
	.fun = put_fun,
	.tuple = put_tuple,
	.map = put_map,
	.record = put_record,
};
