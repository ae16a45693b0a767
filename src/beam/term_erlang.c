/* SPDX-License-Identifier: MIT */
/*
 * Terms as io_lib:format("~0tp") prints them.
 *
 * The rules of io_lib, io_lib_pretty and of the VM's own printer, which does
 * funs: characters up to U+00FF are printable, but for controls; atoms with
 * others are quoted; a binary is text when all of it is UTF-8 and printable, or
 * when it is not UTF-8 but all of its bytes are printable Latin-1; OTP 29 asks
 * for the latter only where what comes before the first byte that is not UTF-8
 * is printable.
 */
#include "beam/term_int.h"

#include <errno.h>
#include <math.h>

#include "base/utf8.h"

void scope_cp_put(struct scope_buf *out, uint32_t cp)
{
	char s[4];
	size_t n = scope_utf8_put(s, cp);

	scope_buf_put(out, s, n);
}

static void put_cut(struct scope_put *p)
{
	p->met |= SCOPE_TERM_CUT;
	scope_buf_lit(p->out, "...");
}

static void put_torn(struct scope_put *p)
{
	p->met |= SCOPE_TERM_TORN;
	scope_buf_char(p->out, '?');
}

static void put_missing(struct scope_put *p, int r)
{
	if (r == -ENODATA)
		put_cut(p);
	else
		put_torn(p);
}

bool scope_latin1_printable(uint32_t cp)
{
	return (cp >= 0x20 && cp <= 0x7e) || (cp >= 0xa0 && cp <= 0xff) ||
	       (cp >= 0x08 && cp <= 0x0d) || cp == 0x1b;
}

static void put_char(struct scope_buf *out, uint32_t cp, char quote)
{
	static const char esc[] = "btnvfr"; /* from 8 on */

	if (cp == (uint32_t)quote || cp == '\\') {
		scope_buf_char(out, '\\');
		scope_buf_char(out, (char)cp);
	} else if (cp >= 0xa0 || (cp >= 0x20 && cp <= 0x7e)) {
		scope_cp_put(out, cp);
	} else if (cp >= 8 && cp <= 13) {
		scope_buf_char(out, '\\');
		scope_buf_char(out, esc[cp - 8]);
	} else if (cp == 0x1b) {
		scope_buf_lit(out, "\\e");
	} else if (cp == 0x7f) {
		scope_buf_lit(out, "\\d");
	} else {
		scope_buf_char(out, '\\');
		scope_buf_char(out, (char)('0' + (cp >> 6)));
		scope_buf_char(out, (char)('0' + (cp >> 3 & 7)));
		scope_buf_char(out, (char)('0' + (cp & 7)));
	}
}

static bool is_reserved(const struct scope_layout *l, const char *s, size_t n)
{
	/* Filled up with NULs, so that eight bytes are compared at once. */
	static const char words[][8] = {
		"after", "and", "andalso", "band", "begin", "bnot", "bor",
		"bsl", "bsr", "bxor", "case", "catch", "cond", "div", "end",
		"fun", "if", "let", "not", "of", "or", "orelse", "receive",
		"rem", "try", "when", "xor",
		/* maybe_expr, enabled by default from OTP 27 on */
		"maybe", "else",
	};
	size_t nwords = sizeof(words) / sizeof(words[0]);
	char word[8] = { 0 };

	if (n >= sizeof(word))
		return false;
	memcpy(word, s, n);
	for (size_t i = 0; i < nwords - (l->otp >= 27 ? 0 : 2); i++)
		if (memcmp(words[i], word, sizeof(word)) == 0)
			return true;
	return false;
}

static bool is_lower(uint32_t cp)
{
	return (cp >= 'a' && cp <= 'z') ||
	       (cp >= 0xdf && cp <= 0xff && cp != 0xf7);
}

static bool is_name_char(uint32_t cp)
{
	return is_lower(cp) || (cp >= 'A' && cp <= 'Z') ||
	       (cp >= 0xc0 && cp <= 0xde && cp != 0xd7) ||
	       (cp >= '0' && cp <= '9') || cp == '_' || cp == '@';
}

/* The VM's own printer, for funs, knows neither reserved words nor '@'. */
static bool is_bare(const struct scope_layout *l, const char *s, size_t n,
		    bool in_fun)
{
	uint32_t cp;

	for (size_t i = 0; i < n;) {
		size_t len = 1;

		cp = (unsigned char)s[i];
		if (cp >= 0x80)
			len = scope_utf8_next(s + i, n - i, &cp);
		if (!len || !(i ? is_name_char(cp) : is_lower(cp)) ||
		    (in_fun && cp == '@'))
			return false;
		i += len;
	}
	return n && (in_fun || !is_reserved(l, s, n));
}

/* Controls in octal, but for those with a letter of their own. */
static void put_fun_char(struct scope_buf *out, uint32_t cp)
{
	if (cp == 0x1b || cp == 0x7f) {
		if (cp == 0x1b)
			scope_buf_lit(out, "\\033");
		else
			scope_buf_char(out, 0x7f);
		return;
	}
	put_char(out, cp, '\'');
}

static void put_atom(struct scope_put *p, uint64_t atom, bool in_fun)
{
	size_t n;
	const char *s = scope_vm_atom(p->vm, atom, &n);
	uint32_t cp = 0;

	if (!s) {
		put_torn(p);
		return;
	}
	if (is_bare(p->l, s, n, in_fun)) {
		scope_buf_put(p->out, s, n);
		return;
	}
	scope_buf_char(p->out, '\'');
	for (size_t i = 0; i < n;) {
		i += scope_utf8_next(s + i, n - i, &cp);
		if (in_fun)
			put_fun_char(p->out, cp);
		else
			put_char(p->out, cp, '\'');
	}
	scope_buf_char(p->out, '\'');
}

static void put_string(struct scope_put *p, uint64_t list, size_t n, bool cut)
{
	uint64_t head = 0;

	scope_buf_char(p->out, '"');
	while (n-- && scope_cons_next(p, &list, &head) == 1)
		put_char(p->out, (uint32_t)SCOPE_SMALL(head), '"');
	scope_buf_char(p->out, '"');
	if (cut)
		put_cut(p);
}

static void put_list(struct scope_put *p, uint64_t list)
{
	bool cut = false;
	size_t n = scope_charlist_len(p, list, scope_latin1_printable,
				     &cut);
	uint64_t head;
	int r;

	if (n) {
		put_string(p, list, n, cut);
		return;
	}
	scope_buf_char(p->out, '[');
	for (n = 0; (r = scope_cons_next(p, &list, &head)) == 1; n++) {
		if (n)
			scope_buf_char(p->out, ',');
		scope_put_term(p, head);
		if (p->out->full)
			return;
	}
	if (r < 0) {
		if (n)
			scope_buf_char(p->out, '|');
		put_cut(p);
	} else if (!scope_is_nil(list)) {
		scope_buf_char(p->out, '|');
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
			scope_buf_char(p->out, ',');
		if (!scope_word_at(p, v->addr + 8 + 8 * i, &word)) {
			put_cut(p);
			break;
		}
		scope_put_term(p, word);
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
	scope_buf_lit(p->out, "#{");
	while ((r = scope_map_pair(p, &w, &key, &value)) == 1) {
		if (!first)
			scope_buf_char(p->out, ',');
		first = false;
		scope_put_term(p, key);
		scope_buf_lit(p->out, " => ");
		scope_put_term(p, value);
		if (p->out->full)
			return;
	}
	if (r < 0) {
		if (!first)
			scope_buf_char(p->out, ',');
		put_missing(p, r);
	}
	scope_buf_char(p->out, '}');
}

/* What a binary is printed as: bytes, or text in one of two encodings. */
enum text { TEXT_NOT, TEXT_LATIN1, TEXT_UTF8 };

static enum text text_of(const struct scope_bits *b, unsigned otp)
{
	const char *s = (const char *)b->data;
	size_t n = b->bytes, i = 0;
	uint32_t cp;
	bool ascii = true, good = true;

	if (!n || b->tail || b->bits % 8)
		return TEXT_NOT;
	if (b->cut)
		n -= scope_utf8_tail(s, n);
	while (i < n) {
		size_t len = scope_utf8_next(s + i, n - i, &cp);

		if (!len)
			break;
		good = good && scope_latin1_printable(cp);
		ascii = ascii && cp < 0x80;
		i += len;
	}
	if (i == n && n == b->bytes && ascii)
		return good ? TEXT_LATIN1 : TEXT_NOT;
	if (i == n && n)
		return good ? TEXT_UTF8 : TEXT_NOT;
	if (otp >= 29 && !good)
		return TEXT_NOT;
	for (i = 0; i < b->bytes; i++)
		if (!scope_latin1_printable(b->data[i]))
			return TEXT_NOT;
	return TEXT_LATIN1;
}

static void put_text(struct scope_put *p, const struct scope_bits *b,
		     enum text text)
{
	const char *s = (const char *)b->data;
	uint32_t cp = 0;

	scope_buf_char(p->out, '"');
	for (size_t i = 0; i < b->bytes;) {
		size_t len = 1;

		if (text == TEXT_UTF8)
			len = scope_utf8_next(s + i, b->bytes - i, &cp);
		else
			cp = b->data[i];
		if (!len)
			break; /* the cut went through a character */
		put_char(p->out, cp, '"');
		i += len;
	}
	scope_buf_char(p->out, '"');
	if (text == TEXT_UTF8)
		scope_buf_lit(p->out, "/utf8");
}

static void put_bits(struct scope_put *p, const struct scope_view *v)
{
	struct scope_bits b;
	enum text text;
	bool some;

	if (!scope_bits_of(p, v, &b)) {
		put_torn(p);
		return;
	}
	scope_buf_lit(p->out, "<<");
	text = text_of(&b, p->l->otp);
	some = text != TEXT_NOT;
	if (some)
		put_text(p, &b, text);
	for (size_t i = 0; i < b.bytes && !text; i++) {
		if (some)
			scope_buf_char(p->out, ',');
		some = true;
		scope_buf_u64(p->out, b.data[i]);
	}
	if (b.tail) {
		if (some)
			scope_buf_char(p->out, ',');
		scope_buf_u64(p->out, b.data[b.bytes]);
		scope_buf_char(p->out, ':');
		scope_buf_u64(p->out, b.tail);
	}
	if (b.cut) {
		if (some && !text)
			scope_buf_char(p->out, ',');
		put_cut(p);
	}
	scope_buf_lit(p->out, ">>");
}

static void put_fun(struct scope_put *p, const struct scope_view *v)
{
	struct scope_fun f;
	int r = scope_fun_of(p, v, &f);

	if (r < 0) {
		put_missing(p, r);
		return;
	}
	if (v->what == SCOPE_IS_EXPORT) {
		scope_buf_lit(p->out, "fun ");
		put_atom(p, f.module, true);
		scope_buf_char(p->out, ':');
		put_atom(p, f.function, true);
		scope_buf_char(p->out, '/');
		scope_buf_u64(p->out, f.arity);
		return;
	}
	scope_buf_lit(p->out, "#Fun<");
	scope_term_put_atom_raw(p->vm, f.module, p->out);
	scope_buf_char(p->out, '.');
	scope_buf_i64(p->out, f.old_index);
	scope_buf_char(p->out, '.');
	scope_buf_i64(p->out, f.old_uniq);
	scope_buf_char(p->out, '>');
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
	scope_buf_char(p->out, '#');
	put_atom(p, rec.module, false);
	scope_buf_char(p->out, ':');
	put_atom(p, rec.name, false);
	scope_buf_char(p->out, '{');
	for (unsigned i = 0; i < rec.n && !p->out->full; i++) {
		if (i)
			scope_buf_char(p->out, ',');
		if (scope_record_field(p, &rec, i, &key, &value) < 0) {
			put_cut(p);
			break;
		}
		scope_put_term(p, key);
		scope_buf_lit(p->out, " = ");
		scope_put_term(p, value);
	}
	scope_buf_char(p->out, '}');
}

void scope_erlang_ident(struct scope_put *p, const struct scope_ident *id)
{
	static const char *const open[] = {
		[SCOPE_ID_PID] = "<",
		[SCOPE_ID_PORT] = "#Port<",
		[SCOPE_ID_REF] = "#Ref<",
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
		put_missing(p, r);
	else
		scope_erlang_ident(p, &id);
}

static void put_number(struct scope_put *p, const struct scope_view *v)
{
	double d;

	if (v->what == SCOPE_IS_SMALL)
		scope_buf_i64(p->out, SCOPE_SMALL(v->word));
	else if (v->what == SCOPE_IS_BIG) {
		if (!scope_big_put(p, v))
			put_cut(p);
	} else if (!scope_float_of(p, v, &d))
		put_cut(p);
	else if (!isfinite(d))
		put_torn(p);
	else
		scope_float_put(p->out, d);
}

static void put_plain_atom(struct scope_put *p, uint64_t atom)
{
	put_atom(p, atom, false);
}

static void put_nil(struct scope_put *p)
{
	scope_buf_lit(p->out, "[]");
}

const struct scope_syntax_ops scope_erlang_ops = {
	.cut = put_cut,
	.torn = put_torn,
	.nil = put_nil,
	.atom = put_plain_atom,
	.list = put_list,
	.number = put_number,
	.bits = put_bits,
	.ident = put_ident,
	.fun = put_fun,
	.tuple = put_tuple,
	.map = put_map,
	.record = put_record,
};
