/* SPDX-License-Identifier: MIT */
#include "beam/etf.h"

#include <math.h>
#include <stdlib.h>

#include "base/utf8.h"

/* Where no address of a target is; below it is where nothing ever is. */
#define BASE (1ull << 46)
#define NOWHERE (BASE - 4096)
#define CUT (NOWHERE | SCOPE_TAG_BOXED)
#define CUT_LIST (NOWHERE | SCOPE_TAG_LIST)
#define TORN 0 /* a header: no term */
#define NIL 0x3bull

#define VERSION 131
/* A binary of this size and more is not on the heap (ERL_ONHEAP_BIN_LIMIT). */
#define OFF_HEAP 65
#define BIN_KEPT (SCOPE_BIN_BYTES + 8)
#define BIG_KEPT 1024 /* digits' words: more than what is ever copied */
#define CUT_KEPT SCOPE_TERM_WORDS_MAX
#define REF_NUMBERS_MAX 5
#define SMALL_MAX ((1ll << 59) - 1)

enum tag {
	NEW_FLOAT = 70, BIT_BINARY = 77, ATOM_CACHE_REF = 82, NEW_PID = 88,
	NEW_PORT = 89, NEWER_REFERENCE = 90, SMALL_INTEGER = 97, INTEGER = 98,
	FLOAT = 99, ATOM = 100, REFERENCE = 101, PORT = 102, PID = 103,
	SMALL_TUPLE = 104, LARGE_TUPLE = 105, NIL_EXT = 106, STRING = 107,
	LIST = 108, BINARY = 109, SMALL_BIG = 110, LARGE_BIG = 111,
	NEW_FUN = 112, EXPORT = 113, NEW_REFERENCE = 114, SMALL_ATOM = 115,
	MAP = 116, ATOM_UTF8 = 118, SMALL_ATOM_UTF8 = 119, V4_PORT = 120,
};

/* -- bytes ------------------------------------------------------------------- */

static size_t left(const struct scope_etf *e)
{
	return e->in.len - e->at;
}

/* Nothing more can be read: the bytes end here, or make no sense. */
static uint64_t stop(struct scope_etf *e, bool is_torn)
{
	e->is_over = true;
	e->is_torn |= is_torn;
	e->at = e->in.len;
	return is_torn ? TORN : CUT;
}

/* The bytes end too early: those of a whole signal must not. */
static uint64_t ended(struct scope_etf *e)
{
	return stop(e, !e->in.more);
}

static bool has(struct scope_etf *e, size_t n)
{
	return !e->is_over && left(e) >= n;
}

/* A big-endian number of 1 to 8 bytes; there must be as many. */
static uint64_t number(struct scope_etf *e, unsigned bytes)
{
	uint64_t v = 0;

	while (bytes--)
		v = v << 8 | e->in.bytes[e->at++];
	return v;
}

/* -- words ------------------------------------------------------------------- */

static uint64_t address(const struct scope_etf *e, size_t i)
{
	return e->seg_addr + 8 * (uint64_t)(i - e->seg_start);
}

/* Room for n words that lie together, all of them cut so far; false: there is
 * none. */
static bool take(struct scope_etf *e, size_t n, size_t *ret_at)
{
	if (n > SCOPE_ETF_WORDS - e->n)
		return false;
	*ret_at = e->n;
	for (size_t i = 0; i < n; i++)
		e->words[e->n++] = CUT;
	return true;
}

/* The segment that grows; there is always room for it. */
static void note_segment(struct scope_etf *e)
{
	e->segs[e->closed] = SCOPE_SEG(e->seg_addr, e->n - e->seg_start);
	e->image.nsegs = e->closed + 1;
	e->image.nwords = e->n;
}

/* What was taken last goes on for n more words that we do not have: nothing
 * else may be taken for them. */
static bool gap(struct scope_etf *e, uint64_t n)
{
	if (!n)
		return true;
	if (e->closed + 1 == SCOPE_ETF_SEGS)
		return false;
	note_segment(e);
	e->closed++;
	e->seg_addr = address(e, e->n) + 8 * n;
	e->seg_start = e->n;
	return true;
}

/* Room for the head of an object of n elements, and for those of them that the
 * bytes may have, with so many cut ones as anybody looks at; false: no room. */
static bool take_some(struct scope_etf *e, size_t head, uint64_t n,
		      size_t have, size_t *ret_at)
{
	uint64_t some = n - have < CUT_KEPT ? n : have + CUT_KEPT;

	return some <= SCOPE_ETF_WORDS && take(e, head + (size_t)some, ret_at);
}

/* And what then is behind it. */
static bool skip_rest(struct scope_etf *e, uint64_t n, size_t have)
{
	return n - have <= CUT_KEPT || gap(e, n - have - CUT_KEPT);
}

static uint64_t boxed(const struct scope_etf *e, size_t at)
{
	return address(e, at) | SCOPE_TAG_BOXED;
}

static uint64_t header(uint32_t subtag, uint64_t arity)
{
	return arity << 6 | (uint64_t)subtag << 2;
}

static uint64_t small(int64_t v)
{
	return (uint64_t)v << 4 | 0xf;
}

/* The first n words of a new object. */
static uint64_t object(struct scope_etf *e, const uint64_t *w, size_t n)
{
	size_t at;

	if (!take(e, n, &at))
		return stop(e, false);
	memcpy(e->words + at, w, 8 * n);
	return boxed(e, at);
}

/* Bytes that are no terms; n of them, all there. Returns their address, 0: no
 * room. */
static uint64_t raw(struct scope_etf *e, const void *bytes, size_t n)
{
	size_t at;

	if (!take(e, (n + 7) / 8 + 1, &at))
		return 0;
	memset(e->words + at, 0, 8 * ((n + 7) / 8 + 1));
	if (n)
		memcpy(e->words + at, bytes, n);
	return address(e, at);
}

/* What the containers on the way wait for. */
static bool push(struct scope_etf *e, size_t slot, size_t step, size_t n,
		 size_t other)
{
	if (!n)
		return true;
	if (e->depth == SCOPE_ETF_DEPTH)
		return false;
	e->todo[e->depth++] = (struct scope_etf_todo){
		.first = (uint32_t)slot,
		.slot = (uint32_t)slot,
		.step = (uint32_t)step,
		.left = (uint32_t)n,
		.other = (uint32_t)other,
	};
	return true;
}

/* -- numbers ----------------------------------------------------------------- */

static uint64_t big(struct scope_etf *e, uint64_t n)
{
	uint64_t digits[BIG_KEPT + 1] = { 0 };
	bool is_negative;
	size_t words = (n + 7) / 8;

	if (!has(e, 1) || left(e) - 1 < n)
		return ended(e);
	is_negative = e->in.bytes[e->at++];
	if (n <= 8 * BIG_KEPT)
		memcpy(digits + 1, e->in.bytes + e->at, n);
	e->at += n;
	while (words && words <= BIG_KEPT && !digits[words])
		words--;
	if (words == 0)
		return small(0);
	if (words == 1 && digits[1] <= (uint64_t)SMALL_MAX + is_negative)
		return small(is_negative ? -(int64_t)digits[1] :
					   (int64_t)digits[1]);
	if (words > BIG_KEPT)
		return CUT;
	digits[0] = header(is_negative ? e->vm->layout->sub.neg_big :
					 e->vm->layout->sub.pos_big, words);
	return object(e, digits, words + 1);
}

static uint64_t flonum(struct scope_etf *e, uint64_t bits)
{
	uint64_t w[2] = { header(e->vm->layout->sub.flonum, 1), bits };

	return object(e, w, 2);
}

/* "1.50000000000000000000e+00", in 31 bytes. */
static uint64_t old_float(struct scope_etf *e)
{
	char text[32] = "", *end;
	uint64_t bits;
	double d;

	if (!has(e, 31))
		return ended(e);
	memcpy(text, e->in.bytes + e->at, 31);
	e->at += 31;
	d = strtod(text, &end);
	if (end == text || !isfinite(d))
		return stop(e, true);
	memcpy(&bits, &d, 8);
	return flonum(e, bits);
}

/* -- atoms ------------------------------------------------------------------- */

static uint64_t atom_of(struct scope_etf *e, const char *text, size_t len)
{
	uint64_t atom = scope_vm_atom_of(e->vm, text, len);

	return atom ? atom : stop(e, true);
}

static uint64_t utf8_atom(struct scope_etf *e, size_t len)
{
	if (!has(e, len))
		return ended(e);
	e->at += len;
	return atom_of(e, (const char *)e->in.bytes + e->at - len, len);
}

static uint64_t latin1_atom(struct scope_etf *e, size_t len)
{
	char text[2 * 255] = "";
	size_t n = 0;

	if (len > 255)
		return stop(e, true);
	if (!has(e, len))
		return ended(e);
	while (len--)
		n += scope_utf8_put(text + n, e->in.bytes[e->at++]);
	return atom_of(e, text, n);
}

static uint64_t cached_atom(struct scope_etf *e)
{
	uint64_t i = number(e, 1), atom;

	if (i >= e->in.natoms)
		return stop(e, true);
	atom = e->in.atoms[i];
	return scope_is_atom(atom) ? atom : stop(e, true);
}

/* The tag's atom; TORN when it is no atom's tag, CUT when it is not there. */
static uint64_t atom(struct scope_etf *e, unsigned tag)
{
	static const uint8_t sizes[256] = {
		[ATOM_CACHE_REF] = 1, [ATOM] = 2,      [ATOM_UTF8] = 2,
		[SMALL_ATOM] = 1,     [SMALL_ATOM_UTF8] = 1,
	};

	if (!sizes[tag])
		return stop(e, true);
	if (!has(e, sizes[tag]))
		return ended(e);
	if (tag == ATOM_CACHE_REF)
		return cached_atom(e);
	if (tag == ATOM || tag == SMALL_ATOM)
		return latin1_atom(e, number(e, sizes[tag]));
	return utf8_atom(e, number(e, sizes[tag]));
}

/* An atom where one must be: false when it is not there. */
static bool need_atom(struct scope_etf *e, uint64_t *ret_atom)
{
	if (!has(e, 1)) {
		(void)ended(e);
		return false;
	}
	*ret_atom = atom(e, (unsigned)number(e, 1));
	return !e->is_over;
}

/* -- pids, ports, references --------------------------------------------------- */

/* external.c, dec_get_node(): creation 0 is any. */
static bool is_here(const struct scope_etf *e, uint64_t node, uint32_t creation)
{
	return e->in.node && node == e->in.node &&
	       (creation == e->in.creation || creation == 0);
}

static uint64_t external(struct scope_etf *e, uint32_t subtag, uint64_t node,
			 uint32_t creation, const uint64_t *data, size_t n)
{
	const struct scope_layout *l = e->vm->layout;
	uint64_t w[8] = { header(subtag, 2 + n) }, sys[2] = { node, creation };
	uint64_t at = raw(e, sys, sizeof(sys));

	if (!at)
		return stop(e, false);
	w[l->ext_node / 8] = at - l->node_sysname;
	memcpy(w + l->ext_data / 8, data, 8 * n);
	return object(e, w, 3 + n);
}

/* Node, and then as many bytes. */
static bool ident_head(struct scope_etf *e, size_t rest, uint64_t *ret_node)
{
	if (!need_atom(e, ret_node))
		return false;
	if (!has(e, rest)) {
		(void)ended(e);
		return false;
	}
	return true;
}

static uint64_t pid(struct scope_etf *e, unsigned creation_bytes)
{
	uint64_t node, num, serial, data, local;
	uint32_t creation;

	if (!ident_head(e, 8 + creation_bytes, &node))
		return e->is_torn ? TORN : CUT;
	num = number(e, 4);
	serial = number(e, 4);
	creation = (uint32_t)number(e, creation_bytes);
	if (is_here(e, node, creation)) {
		local = scope_vm_make_pid(e->vm, num, serial);
		return local ? local : stop(e, true);
	}
	data = e->vm->layout->otp < 24 ? num | serial << 15 :
					 num | serial << 32;
	return external(e, e->vm->layout->sub.ext_pid, node, creation, &data,
			1);
}

static uint64_t port(struct scope_etf *e, unsigned id_bytes,
		     unsigned creation_bytes)
{
	uint64_t node, num, local;
	uint32_t creation;

	if (!ident_head(e, id_bytes + creation_bytes, &node))
		return e->is_torn ? TORN : CUT;
	num = number(e, id_bytes);
	creation = (uint32_t)number(e, creation_bytes);
	if (is_here(e, node, creation)) {
		local = scope_vm_make_port(e->vm, num);
		return local ? local : stop(e, true);
	}
	return external(e, e->vm->layout->sub.ext_port, node, creation, &num,
			1);
}

static uint64_t local_ref(struct scope_etf *e, const uint32_t *num, unsigned n)
{
	const struct scope_layout *l = e->vm->layout;
	uint64_t w[4] = { 0 };
	uint32_t marker = 0xffffffff;
	/* One of a process has its pid after the three numbers. */
	unsigned words = n > 3 ? 3 : 2;

	w[0] = header(l->sub.ref, words);
	memcpy((char *)w + l->ref_marker, &marker, 4);
	memcpy((char *)w + l->ref_num, num, 4 * (n > 3 ? 5 : 3));
	return object(e, w, 1 + words);
}

static uint64_t reference(struct scope_etf *e, unsigned n,
			  unsigned creation_bytes)
{
	uint32_t num[2 + REF_NUMBERS_MAX] = { 0 }, creation;
	uint64_t node, data[4] = { 0 };

	if (n == 0 || n > REF_NUMBERS_MAX)
		return stop(e, true);
	if (!ident_head(e, 4 * n + creation_bytes, &node))
		return e->is_torn ? TORN : CUT;
	creation = (uint32_t)number(e, creation_bytes);
	for (unsigned i = 0; i < n; i++)
		num[1 + i] = (uint32_t)number(e, 4);
	if (is_here(e, node, creation))
		return local_ref(e, num + 1, n);
	num[0] = n;
	memcpy(data, num, 4 * (1 + n));
	return external(e, e->vm->layout->sub.ext_ref, node, creation, data,
			(1 + n + 1) / 2);
}

static uint64_t old_reference(struct scope_etf *e)
{
	uint32_t num[3] = { 0 }, creation;
	uint64_t node, data;

	if (!ident_head(e, 5, &node))
		return e->is_torn ? TORN : CUT;
	num[0] = (uint32_t)number(e, 4);
	creation = (uint32_t)number(e, 1);
	if (is_here(e, node, creation))
		return local_ref(e, num, 3);
	data = 1 | (uint64_t)num[0] << 32;
	return external(e, e->vm->layout->sub.ext_ref, node, creation, &data,
			1);
}

/* -- bits -------------------------------------------------------------------- */

/* n bytes, of the last one so many bits. What is not here is cut. */
static uint64_t bits(struct scope_etf *e, uint64_t n, unsigned last)
{
	const struct scope_layout *l = e->vm->layout;
	bool is_27 = l->bin_style == SCOPE_BIN_BITS;
	size_t have = left(e) < n ? left(e) : (size_t)n;
	size_t keep = have < BIN_KEPT ? have : BIN_KEPT;
	uint64_t w[6] = { 0 }, size = 8 * n - (last ? 8 - last : 0), whole;

	if (have < n && !e->in.more)
		return stop(e, true);
	if (keep < n && keep < BIN_KEPT)
		return stop(e, false);
	if (n < OFF_HEAP) {
		w[0] = header(is_27 ? l->sub.heap_bits : l->sub.heap_bin,
			      1 + (n + 7) / 8);
		w[1] = is_27 ? size : n;
		whole = object(e, w, 2);
		if (e->is_over || !raw(e, e->in.bytes + e->at, keep))
			return stop(e, false);
	} else {
		uint64_t bytes = raw(e, e->in.bytes + e->at, keep);

		if (!bytes)
			return stop(e, false);
		w[0] = header(is_27 ? l->sub.sub_bits : l->sub.refc_bin,
			      is_27 ? 4 : 5);
		w[1] = is_27 ? bytes : n;
		w[3] = is_27 ? size : 0;
		w[4] = is_27 ? CUT : bytes;
		whole = object(e, w, is_27 ? 5 : 6);
	}
	e->at += have;
	if (have < n)
		(void)stop(e, false);
	if (is_27 || last == 0 || last == 8 || n == 0)
		return whole;
	/* Up to 26 a part of a byte makes it a part of a whole binary. */
	w[0] = header(l->sub.sub_bin, 3);
	w[1] = n - 1;
	w[2] = 0;
	w[3] = last;
	w[4] = whole;
	w[5] = 0;
	return object(e, w, 5);
}

/* -- funs -------------------------------------------------------------------- */

static uint64_t export(struct scope_etf *e)
{
	const struct scope_layout *l = e->vm->layout;
	uint64_t mfa[3], w[5] = { 0 }, at;

	if (!need_atom(e, &mfa[0]) || !need_atom(e, &mfa[1]))
		return e->is_torn ? TORN : CUT;
	if (!has(e, 2))
		return ended(e);
	if (number(e, 1) != SMALL_INTEGER)
		return stop(e, true);
	mfa[2] = number(e, 1);
	at = raw(e, mfa, sizeof(mfa));
	if (!at)
		return stop(e, false);
	w[1] = at - l->export_mfa;
	switch (l->fun_style) {
	case SCOPE_FUN_23:
		w[0] = header(l->sub.export_fun, 1);
		return object(e, w, 2);
	case SCOPE_FUN_25:
		w[0] = header(l->sub.fun, 4);
		w[l->fun_creator / 8] = mfa[0]; /* any atom */
		return object(e, w, 5);
	case SCOPE_FUN_27:
		w[0] = header(l->sub.fun, 0) | mfa[2] << 8;
		break;
	default:
		w[0] = header(l->sub.fun, 0) | mfa[2] << 8 | 1ull << 24;
	}
	return object(e, w, 2);
}

/* A number where one must be. */
static bool need_number(struct scope_etf *e, int32_t *ret)
{
	unsigned tag;

	if (!has(e, 2)) {
		(void)ended(e);
		return false;
	}
	tag = (unsigned)number(e, 1);
	if (tag == SMALL_INTEGER) {
		*ret = (int32_t)number(e, 1);
		return true;
	}
	if (tag != INTEGER || !has(e, 4)) {
		(void)(tag == INTEGER ? ended(e) : stop(e, true));
		return false;
	}
	*ret = (int32_t)number(e, 4);
	return true;
}

static uint64_t make_fun(struct scope_etf *e, uint64_t module, uint64_t arity,
			 int32_t index, int32_t old_uniq, int32_t old_index)
{
	const struct scope_layout *l = e->vm->layout;
	uint64_t entry[16] = { 0 }, w[6] = { 0 }, at;
	char *p = (char *)entry;

	memcpy(p + (l->fe_module - l->fe_start), &module, 8);
	memcpy(p + (l->fe_index - l->fe_start), &index, 4);
	memcpy(p + (l->fe_old_uniq - l->fe_start), &old_uniq, 4);
	memcpy(p + (l->fe_old_index - l->fe_start), &old_index, 4);
	at = raw(e, entry, l->fe_bytes);
	if (!at)
		return stop(e, false);
	w[1] = at - l->fe_start;
	w[0] = header(l->sub.fun, 4);
	switch (l->fun_style) {
	case SCOPE_FUN_23:
		w[3] = arity;
		w[5] = 0x3; /* any pid */
		return object(e, w, 6);
	case SCOPE_FUN_25:
		w[3] = arity;
		w[l->fun_creator / 8] = 0x3;
		return object(e, w, 5);
	case SCOPE_FUN_27:
		w[0] = header(l->sub.fun, 0) | arity << 8 | 1 << 16;
		break;
	default:
		w[0] = header(l->sub.fun, 0) | arity << 8;
	}
	return object(e, w, 2);
}

static uint64_t new_fun(struct scope_etf *e)
{
	size_t start = e->at;
	uint64_t size, arity, module, made;
	int32_t index, old_index, old_uniq;

	if (!has(e, 29))
		return ended(e);
	size = number(e, 4);
	arity = number(e, 1);
	e->at += 16;
	index = (int32_t)number(e, 4);
	(void)number(e, 4);
	if (!need_atom(e, &module) || !need_number(e, &old_index) ||
	    !need_number(e, &old_uniq))
		return e->is_torn ? TORN : CUT;
	if (size < e->at - start)
		return stop(e, true);
	made = make_fun(e, module, arity, index, old_uniq, old_index);
	if (size > e->in.len - start) {
		(void)ended(e);
		return made;
	}
	e->at = start + (size_t)size;
	return made;
}

/* -- containers -------------------------------------------------------------- */

static uint64_t tuple(struct scope_etf *e, uint64_t n)
{
	size_t have = left(e) < n ? left(e) : (size_t)n, at;
	uint64_t word;

	/* Each element takes at least a byte. */
	if (have < n && !e->in.more)
		return stop(e, true);
	if (!take_some(e, 1, n, have, &at))
		return stop(e, false);
	e->words[at] = header(e->vm->layout->sub.tuple, n);
	word = boxed(e, at);
	if (!skip_rest(e, n, have) || !push(e, at + 1, 1, have, 0))
		(void)stop(e, false);
	return word;
}

/* Cells lie together: head, tail, head, tail … */
static uint64_t list(struct scope_etf *e, uint64_t n)
{
	size_t have = left(e) < n ? left(e) : (size_t)n, at;

	if (have < n && !e->in.more)
		return stop(e, true);
	if (!have)
		return ended(e);
	if (!take(e, 2 * have, &at))
		return stop(e, false);
	for (size_t i = 0; i < have; i++)
		e->words[at + 2 * i + 1] =
			i + 1 < have ? address(e, at + 2 * i + 2) |
					       SCOPE_TAG_LIST :
				       CUT_LIST;
	/* The tail is read after the elements: it lies under them. */
	if (have == n && !push(e, at + 2 * have - 1, 1, 1, 0))
		(void)stop(e, false);
	else if (!push(e, at, 2, have, 0))
		(void)stop(e, false);
	return address(e, at) | SCOPE_TAG_LIST;
}

static uint64_t string(struct scope_etf *e, size_t n)
{
	size_t have = left(e) < n ? left(e) : n, at;

	if (have < n && !e->in.more)
		return stop(e, true);
	if (n == 0)
		return NIL;
	if (!have)
		return ended(e);
	if (!take(e, 2 * have, &at))
		return stop(e, false);
	for (size_t i = 0; i < have; i++) {
		e->words[at + 2 * i] = small(e->in.bytes[e->at++]);
		e->words[at + 2 * i + 1] =
			i + 1 < have ? address(e, at + 2 * i + 2) |
					       SCOPE_TAG_LIST :
			have == n    ? NIL :
				       CUT_LIST;
	}
	if (have < n)
		(void)stop(e, false);
	return address(e, at) | SCOPE_TAG_LIST;
}

/* A flat map of any size. */
static uint64_t map(struct scope_etf *e, uint64_t n)
{
	size_t have = left(e) / 2 < n ? left(e) / 2 : (size_t)n, keys, at;
	uint64_t keys_word, word;

	if (have < n && !e->in.more)
		return stop(e, true);
	if (!take_some(e, 1, n, have, &keys))
		return stop(e, false);
	e->words[keys] = header(e->vm->layout->sub.tuple, n);
	keys_word = boxed(e, keys);
	if (!skip_rest(e, n, have) || !take_some(e, 3, n, have, &at))
		return stop(e, false);
	e->words[at] = header(e->vm->layout->sub.map, 0);
	e->words[at + 1] = n;
	e->words[at + 2] = keys_word;
	word = boxed(e, at);
	if (!skip_rest(e, n, have) ||
	    !push(e, keys + 1, 1, 2 * have, at + 3))
		(void)stop(e, false);
	return word;
}

/* -- terms ------------------------------------------------------------------- */

/* One of a fixed size, whose bytes are there. */
static uint64_t fixed(struct scope_etf *e, unsigned tag)
{
	unsigned last;
	uint64_t n;

	switch (tag) {
	case SMALL_INTEGER:
		return small((int64_t)number(e, 1));
	case INTEGER:
		return small((int32_t)number(e, 4));
	case NEW_FLOAT:
		return flonum(e, number(e, 8));
	case SMALL_TUPLE:
		return tuple(e, number(e, 1));
	case LARGE_TUPLE:
		return tuple(e, number(e, 4));
	case STRING:
		return string(e, (size_t)number(e, 2));
	case LIST:
		return list(e, number(e, 4));
	case MAP:
		return map(e, number(e, 4));
	case BINARY:
		return bits(e, number(e, 4), 0);
	case BIT_BINARY:
		n = number(e, 4);
		last = (unsigned)number(e, 1);
		if (last > 8 || (n && !last) || (!n && last))
			return stop(e, true);
		return bits(e, n, last);
	case SMALL_BIG:
		return big(e, number(e, 1));
	case LARGE_BIG:
		return big(e, number(e, 4));
	case NEW_REFERENCE:
		return reference(e, (unsigned)number(e, 2), 1);
	default: /* NEWER_REFERENCE */
		return reference(e, (unsigned)number(e, 2), 4);
	}
}

/* Pass over a count that is zero. */
static bool skip_zero(struct scope_etf *e)
{
	if (!has(e, 4) || memcmp(e->in.bytes + e->at, "\0\0\0", 4) != 0)
		return false;
	e->at += 4;
	return true;
}

/* What was not read of lists: their last cells end in nothing. */
static void cut_lists(struct scope_etf *e)
{
	while (e->depth--) {
		const struct scope_etf_todo *t = &e->todo[e->depth];

		if (t->step == 2 && t->slot > t->first)
			e->words[t->slot - 1] = CUT_LIST;
	}
	e->depth = 0;
}

static uint64_t one(struct scope_etf *e)
{
	static const uint8_t sizes[256] = {
		[SMALL_INTEGER] = 1, [INTEGER] = 4,    [NEW_FLOAT] = 8,
		[SMALL_TUPLE] = 1,   [LARGE_TUPLE] = 4, [STRING] = 2,
		[LIST] = 4,	     [MAP] = 4,		[BINARY] = 4,
		[BIT_BINARY] = 5,    [SMALL_BIG] = 1,	[LARGE_BIG] = 4,
		[NEW_REFERENCE] = 2, [NEWER_REFERENCE] = 2,
	};
	unsigned tag;

	do {
		if (!has(e, 1))
			return ended(e);
		tag = (unsigned)number(e, 1);
		/* A list of no elements is its tail. */
	} while (tag == LIST && skip_zero(e));
	if (sizes[tag])
		return has(e, sizes[tag]) ? fixed(e, tag) : ended(e);
	switch (tag) {
	case NIL_EXT:
		return NIL;
	case FLOAT:
		return old_float(e);
	case NEW_PID:
		return pid(e, 4);
	case PID:
		return pid(e, 1);
	case V4_PORT:
		return port(e, 8, 4);
	case NEW_PORT:
		return port(e, 4, 4);
	case PORT:
		return port(e, 4, 1);
	case REFERENCE:
		return old_reference(e);
	case EXPORT:
		return export(e);
	case NEW_FUN:
		return new_fun(e);
	default:
		return atom(e, tag);
	}
}

void scope_etf_begin(struct scope_etf *e, struct scope_vm *vm,
		     const struct scope_etf_in *in)
{
	e->vm = vm;
	e->in = *in;
	e->at = 0;
	e->is_over = false;
	e->is_torn = false;
	e->n = 0;
	e->closed = 0;
	e->seg_start = 0;
	e->seg_addr = BASE;
	e->depth = 0;
	e->image = (struct scope_image){
		.words = e->words,
		.segs = e->segs,
	};
}

uint64_t scope_etf_next(struct scope_etf *e)
{
	uint64_t root;

	if (has(e, 1) && e->in.bytes[e->at] == VERSION)
		e->at++;
	e->depth = 0;
	root = one(e);
	while (e->depth && !e->is_over) {
		struct scope_etf_todo *t = &e->todo[e->depth - 1];
		size_t slot = t->slot;

		if (!has(e, 1) && e->in.more) {
			(void)stop(e, false);
			break;
		}
		if (t->other && t->left % 2 == 1)
			slot = t->other++;
		else
			t->slot += t->step;
		if (--t->left == 0)
			e->depth--;
		e->words[slot] = one(e);
	}
	cut_lists(e);
	note_segment(e);
	return root;
}
