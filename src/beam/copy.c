/* SPDX-License-Identifier: MIT */
/*
 * Cheney's breadth-first copy: words[] is both the copy and the queue. It is
 * scanned from its start; what a pointer in it points to is put at its end. So
 * when the budget runs out, it is the deepest parts that are missing.
 *
 * What is not a term must not be scanned. Inside of an object, its header says
 * what to pass over. Words from outside of a heap (the bytes of binaries, the
 * entries of funs) are an auxiliary run, which is preceded by one word that
 * looks like the header of a bignum of the run's length; that word is a segment
 * of its own, of address 0.
 *
 * Of what is not printed, nothing is copied: the environments of funs, and what
 * goes beyond the first SCOPE_BIN_BYTES bytes of a binary on a heap.
 */
#include "beam/copy.h"

#include <errno.h>
#include <string.h>

#define POS_BIG 2 /* a bignum's subtag, in all releases */
#define HEAP_BIN_WORDS (2 + SCOPE_BIN_BYTES / 8)

struct copying {
	struct scope_vm *vm;
	const struct scope_layout *l;
	struct scope_copy *to;
	size_t nwords, nsegs;
	size_t left; /* of the budget */
	unsigned flags;
	bool done; /* nothing more fits */
};

static int read_words(struct copying *c, uint64_t addr, uint64_t *buf, size_t n)
{
	int r;

	if (addr & 7 || addr >> 47)
		r = -EFAULT;
	else
		r = c->vm->read(c->vm->arg, addr, buf, 8 * n);
	if (r < 0)
		c->flags |= SCOPE_F_TORN;
	return r;
}

static void cut(struct copying *c)
{
	c->flags |= SCOPE_F_CUT;
	c->done = true;
}

static bool is_aux(const struct copying *c, size_t seg)
{
	return seg && SCOPE_SEG_ADDR(c->to->segs[seg - 1]) == 0;
}

/* Whether the n words at addr were copied as a part of the heap. */
static bool has(const struct copying *c, uint64_t addr, size_t n)
{
	for (size_t i = c->nsegs; i--;) {
		uint64_t seg = c->to->segs[i];
		uint64_t from = SCOPE_SEG_ADDR(seg);

		if (from && addr >= from &&
		    addr + 8 * n <= from + 8 * SCOPE_SEG_WORDS(seg) &&
		    !is_aux(c, i))
			return true;
	}
	return false;
}

/* Copy n words of a heap, or as many as the limits allow. */
static void heap(struct copying *c, uint64_t addr, size_t n)
{
	uint64_t *last = c->nsegs ? &c->to->segs[c->nsegs - 1] : NULL;
	bool joins = last && !is_aux(c, c->nsegs - 1) &&
		     SCOPE_SEG_ADDR(*last) + 8 * SCOPE_SEG_WORDS(*last) == addr;
	size_t room = SCOPE_WORDS_MAX - c->nwords;

	if (!joins && c->nsegs == SCOPE_SEGS_MAX)
		room = 0;
	if (room > c->left)
		room = c->left;
	if (n > room) {
		cut(c);
		n = room;
	}
	if (!n || read_words(c, addr, c->to->words + c->nwords, n) < 0)
		return;
	if (joins)
		*last += SCOPE_SEG(0, n);
	else
		c->to->segs[c->nsegs++] = SCOPE_SEG(addr, n);
	c->nwords += n;
	c->left -= n;
}

/* Copy an auxiliary run of n words; all of it or nothing. */
static void aux(struct copying *c, uint64_t addr, size_t n)
{
	if (c->nwords + 1 + n > SCOPE_WORDS_MAX ||
	    c->nsegs + 2 > SCOPE_SEGS_MAX) {
		c->flags |= SCOPE_F_CUT;
		return;
	}
	if (read_words(c, addr, c->to->words + c->nwords + 1, n) < 0)
		return;
	c->to->words[c->nwords] = (uint64_t)n << 6 | POS_BIG << 2;
	c->to->segs[c->nsegs++] = SCOPE_SEG(0, 1);
	c->to->segs[c->nsegs++] = SCOPE_SEG(addr, n);
	c->nwords += 1 + n;
}

static void aux_bytes(struct copying *c, uint64_t addr, uint64_t bytes)
{
	size_t skip = addr & 7;

	if (bytes > SCOPE_BIN_BYTES) {
		c->flags |= SCOPE_F_CUT;
		bytes = SCOPE_BIN_BYTES;
	}
	if (bytes)
		aux(c, addr - skip, (skip + bytes + 7) / 8);
}

static void sub_binary(struct copying *c, const uint64_t *w)
{
	const struct scope_subtags *sub = &c->l->sub;
	uint64_t orig = SCOPE_PTR(w[4]), o[6], base;
	uint64_t bytes = w[1] + ((w[3] & 0xff) + (w[3] >> 8 & 0xff) + 7) / 8;
	size_t n;

	if (read_words(c, orig, o, 1) < 0)
		return;
	if (SCOPE_SUBTAG(o[0]) == sub->refc_bin)
		n = 6;
	else if (SCOPE_SUBTAG(o[0]) == sub->heap_bin)
		n = 2;
	else
		return;
	if (read_words(c, orig, o, n) < 0)
		return;
	base = n == 6 ? o[4] : orig + 16;
	aux(c, orig, n);
	aux_bytes(c, base + w[2], bytes);
}

static void sub_bits(struct copying *c, const uint64_t *w)
{
	uint64_t from = w[2], end = w[3];

	if (end > from)
		aux_bytes(c, (w[1] & ~3ull) + from / 8,
			  ((from & 7) + (end - from) + 7) / 8);
}

static void fun(struct copying *c, const uint64_t *w)
{
	const struct scope_layout *l = c->l;
	uint64_t entry = w[l->fun_entry / 8];
	bool is_export;

	switch (l->fun_style) {
	case SCOPE_FUN_23:
		is_export = false;
		break;
	case SCOPE_FUN_25:
		is_export = scope_is_atom(w[l->fun_creator / 8]);
		break;
	case SCOPE_FUN_27:
		is_export = w[0] >> 16 == 0;
		break;
	default:
		is_export = w[0] >> 24 != 0;
	}
	if (is_export)
		aux(c, entry + l->export_mfa, 3);
	else
		aux(c, entry + l->fe_start, l->fe_bytes / 8);
}

static void ref(struct copying *c, const uint64_t *w)
{
	uint64_t refn = w[1] + c->l->magic_refn;

	if (SCOPE_ARITY(w[0]) == 2 && (uint32_t)w[1] != 0xffffffff)
		aux(c, refn & ~7ull, ((refn & 7) + 12 + 7) / 8);
}

/* What an object needs of outside of its heap. w: all of its words. */
static void outside(struct copying *c, const uint64_t *w)
{
	const struct scope_subtags *sub = &c->l->sub;
	uint32_t tag = SCOPE_SUBTAG(w[0]);

	if (tag == sub->refc_bin)
		aux_bytes(c, w[4], w[1]);
	else if (tag == sub->sub_bin)
		sub_binary(c, w);
	else if (tag == sub->sub_bits)
		sub_bits(c, w);
	else if (tag == sub->fun)
		fun(c, w);
	else if (tag == sub->export_fun)
		aux(c, w[1] + c->l->export_mfa, 3);
	else if (tag == sub->ref)
		ref(c, w);
	else if (tag == sub->ext_pid || tag == sub->ext_port ||
		 tag == sub->ext_ref)
		aux(c, w[1] + c->l->node_sysname, 2);
}

/* Words of a thing, which has no terms inside, from its header. At least as
 * many as `outside` looks at; 0: no such thing. */
static uint64_t thing_words(const struct copying *c, uint64_t header)
{
	const struct scope_subtags *sub = &c->l->sub;
	uint32_t tag = SCOPE_SUBTAG(header);
	uint64_t n = SCOPE_ARITY(header) + 1;

	if (tag == sub->heap_bin || tag == sub->heap_bits)
		return n < HEAP_BIN_WORDS ? n : HEAP_BIN_WORDS;
	if (tag == sub->sub_bin || tag == sub->sub_bits)
		return 5;
	if (tag == sub->refc_bin)
		return 6;
	if (tag == sub->fun)
		return (c->l->fun_creator == SCOPE_NO ? c->l->fun_entry :
							c->l->fun_creator) / 8 +
		       1;
	if (tag == sub->pos_big || tag == sub->neg_big)
		return n;
	if (tag == sub->ref || tag == sub->export_fun || tag == sub->flonum ||
	    tag == sub->ext_pid || tag == sub->ext_port || tag == sub->ext_ref)
		return n < 2 || n > 8 ? 0 : n;
	return 0;
}

/* Words of a map, given its first two, and how many of those are no terms. */
static uint64_t map_words(uint64_t header, uint64_t size, size_t *ret_skip)
{
	uint64_t kids = (uint64_t)__builtin_popcount(header >> 16 & 0xffff);

	*ret_skip = 2;
	switch (header >> 6 & 3) {
	case 0:
		return size < SCOPE_WORDS_MAX ? 3 + size : SCOPE_WORDS_MAX;
	case 1:
		*ret_skip = 1;
		return 1 + kids;
	case 2:
		return 2 + 16;
	default:
		return 2 + kids;
	}
}

static void boxed(struct copying *c, uint64_t addr)
{
	const struct scope_subtags *sub = &c->l->sub;
	uint64_t w[2] = { 0 }, n;
	size_t skip, at = c->nwords;

	if (has(c, addr, 1) || read_words(c, addr, w, 1) < 0)
		return;
	if (SCOPE_TAG(w[0]) != SCOPE_TAG_HEADER) {
		n = 0; /* moved by a collection under way */
	} else if (SCOPE_SUBTAG(w[0]) == sub->tuple ||
		   SCOPE_SUBTAG(w[0]) == sub->record) {
		n = SCOPE_ARITY(w[0]) + 1;
	} else if (SCOPE_SUBTAG(w[0]) == sub->map) {
		if (read_words(c, addr, w, 2) < 0)
			return;
		n = map_words(w[0], w[1], &skip);
	} else {
		n = thing_words(c, w[0]);
	}
	if (!n) {
		c->flags |= SCOPE_F_TORN;
		aux(c, addr, 1);
		return;
	}
	heap(c, addr, n);
	if (c->nwords - at == n && c->to->words[at] == w[0])
		outside(c, c->to->words + at);
}

static void follow(struct copying *c, uint64_t term)
{
	uint64_t addr = SCOPE_PTR(term);

	if (SCOPE_TAG(term) == SCOPE_TAG_BOXED)
		boxed(c, addr);
	else if (SCOPE_TAG(term) == SCOPE_TAG_LIST && !has(c, addr, 2))
		heap(c, addr, 2);
}

/* How many words to pass over at the header words[at]. */
static size_t pass(const struct copying *c, size_t at)
{
	uint64_t header = c->to->words[at], n;
	size_t skip;

	if (SCOPE_SUBTAG(header) == c->l->sub.tuple ||
	    SCOPE_SUBTAG(header) == c->l->sub.record)
		return 1;
	if (SCOPE_SUBTAG(header) == c->l->sub.map) {
		(void)map_words(header, 0, &skip);
		return skip;
	}
	n = thing_words(c, header);
	if (!n)
		return 1;
	return n < SCOPE_WORDS_MAX ? n : SCOPE_WORDS_MAX;
}

unsigned scope_copy_term(struct scope_vm *vm, uint64_t term, unsigned words,
			 struct scope_copy *ret_copy)
{
	ret_copy->image = (struct scope_image){
		.words = ret_copy->words,
		.segs = ret_copy->segs,
	};
	return scope_copy_more(vm, term, words, ret_copy);
}

unsigned scope_copy_more(struct scope_vm *vm, uint64_t term, unsigned words,
			 struct scope_copy *copy)
{
	struct copying c = {
		.vm = vm,
		.l = vm->layout,
		.to = copy,
		.nwords = copy->image.nwords,
		.nsegs = copy->image.nsegs,
		.left = words,
	};
	size_t at = c.nwords;

	follow(&c, term);
	while (at < c.nwords && !c.done) {
		uint64_t word = copy->words[at];

		if (SCOPE_TAG(word) == SCOPE_TAG_HEADER) {
			at += pass(&c, at);
			continue;
		}
		follow(&c, word);
		at++;
	}
	copy->image.nwords = c.nwords;
	copy->image.nsegs = c.nsegs;
	return c.flags;
}

int scope_image_read(void *image, uint64_t addr, void *buf, size_t len)
{
	const struct scope_image *im = image;
	size_t at = 0;

	for (size_t i = 0; i < im->nsegs && at < im->nwords; i++) {
		uint64_t from = SCOPE_SEG_ADDR(im->segs[i]);
		uint64_t n = SCOPE_SEG_WORDS(im->segs[i]);

		if (n > im->nwords - at)
			n = im->nwords - at;
		if (from && addr - from < 8 * n && len <= 8 * n - (addr - from)) {
			memcpy(buf, (const char *)(im->words + at) +
					    (addr - from), len);
			return 0;
		}
		at += n;
	}
	return -EFAULT;
}
