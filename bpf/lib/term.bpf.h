/* SPDX-License-Identifier: (MIT OR GPL-2.0) */
/*
 * term: copying a term out of the target under a budget.
 *
 * A call that reads costs far more than the words that it reads, and a message
 * is one block of memory, nearly always: so a window of 64 words is read at
 * once where a term begins, and what the term leads to in there is marked, in
 * whatever order it lies. Only what is marked is kept; words in between, which
 * may be of anything else, are closed up. What lies outside waits in a queue,
 * and opens a window of its own. src/beam/copy.c yields the same in user space,
 * and says more of what is copied.
 */
#ifndef SCOPE_BPF_TERM_H
#define SCOPE_BPF_TERM_H

#include "lib/emit.bpf.h"

#define WINDOW 64
#define FIRST_LOOKS 16 /* words of a message, without a call for each few */
#define BEFORE (WINDOW - 2) /* words read before a cell: see island() */
#define SUBTAG(h) (((h) >> 2) & 0xf)
#define MASK (SCOPE_WORDS_MAX - 1)

/* Where the lowest bit is, by a de Bruijn sequence. */
static const volatile u8 bit_number[64] = {
	0,  1,	2,  7,	3,  13, 8,  19, 4,  25, 14, 28, 9,  34, 20, 40,
	5,  17, 26, 38, 15, 46, 29, 48, 10, 31, 35, 54, 21, 50, 41, 57,
	63, 6,	12, 18, 24, 27, 33, 39, 16, 37, 45, 47, 30, 53, 49, 56,
	62, 11, 23, 32, 36, 44, 52, 55, 61, 22, 43, 51, 60, 42, 59, 58,
};

static __always_inline u32 lowest(u64 b)
{
	return bit_number[((b & -b) * 0x0218a392cd3d5dbfull) >> 58] & 63;
}

/* The n lowest bits, n from 1 to 64. */
static __always_inline u64 bits(u64 n)
{
	return ~0ull >> ((64 - n) & 63);
}

static __always_inline u32 count_bits(u64 v)
{
	v = v - ((v >> 1) & 0x5555555555555555ull);
	v = (v & 0x3333333333333333ull) + ((v >> 2) & 0x3333333333333333ull);
	v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0full;
	return (v * 0x0101010101010101ull) >> 56;
}

static __always_inline u32 ones(u32 v)
{
	v = v - ((v >> 1) & 0x5555);
	v = (v & 0x3333) + ((v >> 2) & 0x3333);
	v = (v + (v >> 4)) & 0x0f0f;
	return (v + (v >> 8)) & 0x1f;
}

/* Note n words at s->words[s->n] as copied from addr. */
static __always_inline void append(struct scratch *s, u64 addr, u32 n)
{
	u32 at = s->nsegs;

	if (addr && addr == s->last_end && at) {
		at--;
		s->segs[at & (SCOPE_SEGS_MAX - 1)] += (u64)n << 48;
	} else {
		s->segs[at & (SCOPE_SEGS_MAX - 1)] = SCOPE_SEG(addr, n);
		s->nsegs = at + 1;
	}
	s->last_end = addr ? addr + 8 * n : 0;
	s->n += n;
}

static __always_inline int room(struct scratch *s, u32 n)
{
	if (s->n + n <= SCOPE_WORDS_MAX && s->nsegs + 2 <= SCOPE_SEGS_MAX)
		return 1;
	s->flags |= SCOPE_F_CUT;
	return 0;
}

/*
 * Copy raw words, which are not to be looked at: a header of a big integer
 * with that many digits goes before them, in a segment of no address.
 */
static __always_inline void raw(struct scratch *s, u64 addr, u32 n)
{
	u32 at = s->n;

	if (n == 0 || n > 16 || !room(s, n + 1))
		return;
	if (bpf_probe_read_user(&s->words[(at + 1) & MASK], n * 8,
				(void *)addr)) {
		s->flags |= SCOPE_F_TORN;
		return;
	}
	s->words[at & MASK] =
		((u64)n << 6) | (config.layout.sub.pos_big << 2);
	append(s, 0, 1);
	append(s, addr, n);
}

/* The bytes of a binary, cut, as the aligned words that hold them. */
static __always_inline void raw_bytes(struct scratch *s, u64 addr, u64 len)
{
	u64 lo = addr & ~7ull, hi;

	if (len > SCOPE_BIN_BYTES + 1)
		len = SCOPE_BIN_BYTES + 1;
	hi = (addr + len + 7) & ~7ull;
	raw(s, lo, (hi - lo) >> 3);
}

/* What the object at s->words[at] refers to outside of the heap. */
__noinline int beside(struct scratch *s, u32 at)
{
	const volatile struct scope_layout *l = &config.layout;
	u64 h, w1, w2, w3, w4;
	u32 sub;

	if (!s)
		return 0;
	h = s->words[at & MASK];
	w1 = s->words[(at + 1) & MASK];
	w2 = s->words[(at + 2) & MASK];
	w3 = s->words[(at + 3) & MASK];
	w4 = s->words[(at + 4) & MASK];
	sub = SUBTAG(h);

	if (sub == l->sub.refc_bin) {
		/* header, size, next, Binary *, bytes, flags */
		raw_bytes(s, w4, w1);
	} else if (sub == l->sub.sub_bin) {
		/* header, size, offset, bit fields, orig */
		u64 orig = w4 & ~7ull, oh = word(orig);

		if (SUBTAG(oh) == l->sub.refc_bin) {
			raw(s, orig, 6);
			raw_bytes(s, word(orig + 32) + w2, w1 + 1);
		} else {
			raw(s, orig, 2);
			raw_bytes(s, orig + 16 + w2, w1 + 1);
		}
	} else if (sub == l->sub.sub_bits) {
		/* header, base and flags, start bit, end bit, orig */
		raw_bytes(s, (w1 & ~3ull) + (w2 >> 3),
			  ((w3 + 7) >> 3) - (w2 >> 3));
	} else if (sub == l->sub.ref) {
		if ((u32)w1 != 0xffffffff)
			raw(s, (w1 + l->magic_refn) & ~7ull, 2);
	} else if (sub == l->sub.fun) {
		u64 entry = w1;
		int external = 0;

		if (l->fun_style == SCOPE_FUN_25)
			external = !is_pid(w4);
		else if (l->fun_style == SCOPE_FUN_27)
			external = (h >> 16) == 0;
		else if (l->fun_style == SCOPE_FUN_29)
			external = (h >> 24) & 1;
		if (external)
			raw(s, entry + l->export_mfa, 3);
		else
			raw(s, entry + l->fe_start, l->fe_bytes / 8);
	} else if (sub == l->sub.export_fun) {
		raw(s, w1 + l->export_mfa, 3);
	} else if (sub == l->sub.ext_pid || sub == l->sub.ext_port ||
		   sub == l->sub.ext_ref) {
		raw(s, w1 + l->node_sysname, 2);
	}
	return 0;
}

/* Words of the boxed object that begins with these two. */
static __always_inline u64 boxed_words(u64 h, u64 w1)
{
	const volatile struct scope_layout *l = &config.layout;
	u32 sub = SUBTAG(h);

	if (sub == l->sub.map) {
		u32 type = (h >> 6) & 3;

		if (type == 0)
			return 3 + (w1 & 0xffffff);
		if (type == 1)
			return 1 + ones((h >> 16) & 0xffff);
		if (type == 2)
			return 2 + 16;
		return 2 + ones((h >> 16) & 0xffff);
	}
	/* The environment of a fun is never shown, so it is not copied. */
	if (sub == l->sub.fun)
		return l->fun_style == SCOPE_FUN_23 ? 6 :
		       l->fun_style == SCOPE_FUN_25 ? 5 :
						      2;
	if (sub == l->sub.sub_bin)
		return 5;
	if (sub == l->sub.heap_bin || sub == l->sub.heap_bits) {
		u64 n = 1 + (h >> 6);

		return n > 2 + SCOPE_BIN_BYTES / 8 + 1 ?
			       2 + SCOPE_BIN_BYTES / 8 + 1 :
			       n;
	}
	return 1 + (h >> 6);
}

/* Words after the header that are no terms. */
static __always_inline u32 raw_words(u64 h)
{
	const volatile struct scope_layout *l = &config.layout;
	u32 sub = SUBTAG(h);

	if (sub == l->sub.tuple)
		return 0;
	if (sub == l->sub.map)
		return ((h >> 6) & 3) == 1 ? 0 : 1;
	if (sub == l->sub.fun)
		return l->fun_style == SCOPE_FUN_23 ? 5 :
		       l->fun_style == SCOPE_FUN_25 ? 4 :
						      1;
	if (sub == l->sub.sub_bin)
		return 4;
	if (sub == l->sub.heap_bin || sub == l->sub.heap_bits) {
		u64 n = h >> 6;

		return n > 1 + SCOPE_BIN_BYTES / 8 + 1 ?
			       1 + SCOPE_BIN_BYTES / 8 + 1 :
			       n;
	}
	if (sub == l->sub.record)
		return 0;
	/* Not more than were copied: a cut object ends the copying. */
	return h >> 6 > SCOPE_WORDS_MAX ? SCOPE_WORDS_MAX : h >> 6;
}

/* Where word 0 of the window is in words[]. */
static __always_inline u32 window_at(struct scratch *s)
{
	u32 at = s->win_at;

	barrier_var(at);
	return at < SCOPE_WORDS_MAX + BEFORE ? at : 0;
}

/* A pointer to what is copied later, in a window of its own. */
static __always_inline void put_off(struct scratch *s, u64 w)
{
	u32 at = s->tail;

	if (at >= QUEUE_MAX) {
		s->flags |= SCOPE_F_CUT;
		return;
	}
	s->queue[at & (QUEUE_MAX - 1)] = w;
	s->tail = at + 1;
}

/* Mark the object that w leads to, and its terms as to be looked at. 1: it is
 * not whole in the window, or more than the budget. */
static __always_inline int mark(struct scratch *s, u64 w)
{
	u64 off = ((w & ~7ull) - s->win_addr) >> 3, n = 2, fresh;
	u32 k = off & 63, skip = 0;

	if (off >= WINDOW)
		return 1;
	if ((s->here >> k) & 1)
		return 0;
	if ((w & 3) == 2) {
		u32 at = window_at(s) + k;
		u64 h = s->words[at];

		/* Not a header: being moved, or no pointer at all. */
		if (h & 3)
			return 1;
		n = 1 + (h >> 6);
		skip = 1;
		if (SUBTAG(h) != config.layout.sub.tuple) {
			s->object_words = boxed_words(h, s->words[at + 1]);
			s->object_raw = 1 + raw_words(h);
			/* The verifier need not follow each kind of object on. */
			barrier();
			n = s->object_words;
			skip = s->object_raw;
		}
	}
	if (n > s->budget || k + n > s->win_words)
		return 1;
	fresh = (bits(n) << k) & ~s->here;
	s->here |= fresh;
	s->budget -= n;
	if (skip > 1 && SUBTAG(s->words[window_at(s) + k]) != config.layout.sub.map)
		s->aside |= 1ull << k;
	if (skip < n)
		s->todo |= (bits(n - skip) << (k + skip)) & fresh;
	return 0;
}

/* Look at one of the words that are to be looked at; 1: there is none. */
static __always_inline int look(struct scratch *s)
{
	u64 todo = s->todo, w;

	if (!todo)
		return 1;
	s->todo = todo & (todo - 1);
	w = s->words[window_at(s) + lowest(todo)];
	if (((w + 1) & 2) && mark(s, w))
		put_off(s, w);
	return 0;
}

/* Four at a time: the step of a loop costs as much as a word. */
static long look_on(u32 i, void *ctx)
{
	struct scratch *s = *(struct scratch **)ctx;

	(void)i;
	return look(s) || look(s) || look(s) || look(s);
}

/* Keep the next run of marked words, behind what is kept; 1: that was all. */
static __always_inline int keep(struct scratch *s)
{
	u64 left = s->left, run;
	u32 to = s->n, from = window_at(s), lo, n;

	if (!left)
		return 1;
	lo = lowest(left);
	run = left >> lo;
	n = run == ~0ull ? 64 : lowest(run + 1);
	s->left = left & ~(bits(n) << lo);
	from += lo;
	barrier_var(n);
	if (to != from && n <= WINDOW)
		bpf_probe_read_kernel(&s->words[to & MASK], 8 * n,
				      &s->words[from]);
	append(s, s->win_addr + 8 * lo, n);
	return s->left == 0;
}

static long keep_on(u32 i, void *ctx)
{
	(void)i;
	return keep(*(struct scratch **)ctx);
}

/* What a marked object refers to outside of the heap. */
static __always_inline int one_aside(struct scratch *s)
{
	u64 aside = s->aside, bit = aside & -aside;

	if (!aside)
		return 1;
	s->aside = aside ^ bit;
	beside(s, s->win_from + count_bits(s->here & (bit - 1)));
	return 0;
}

static long aside_on(u32 i, void *ctx)
{
	(void)i;
	return one_aside(*(struct scratch **)ctx);
}

/* Look at the words of an object that is no window's. */
static long scan(u32 i, void *ctx)
{
	struct scratch *s = *(struct scratch **)ctx;
	u32 at = s->scan;
	u64 w;

	(void)i;
	if (at >= s->scan_end)
		return 1;
	s->scan = at + 1;
	w = s->words[at & MASK];
	if ((w + 1) & 2)
		put_off(s, w);
	return 0;
}

/* Copy an object that is larger than the window or the budget. */
static __always_inline void large(struct scratch *s, u64 w)
{
	u64 addr = w & ~7ull, n = 2, h;
	u32 at = s->n, skip = 0, whole = 1;

	if ((w & 3) == 2) {
		h = s->words[at & MASK];
		if (h & 3) {
			s->flags |= SCOPE_F_TORN;
			return;
		}
		n = boxed_words(h, s->words[(at & MASK) + 1]);
		skip = 1 + raw_words(h);
	}
	if (n > s->budget) {
		n = s->budget;
		whole = 0;
		s->flags |= SCOPE_F_CUT;
	}
	barrier_var(n);
	if (n > SCOPE_TERM_WORDS_MAX || !room(s, n)) {
		s->flags |= SCOPE_F_CUT;
		return;
	}
	if (bpf_probe_read_user(&s->words[at & MASK], 8 * n, (void *)addr)) {
		s->flags |= SCOPE_F_TORN;
		return;
	}
	s->budget -= n;
	append(s, addr, n);
	if (whole && skip > 1)
		beside(s, at);
	s->scan = at + skip;
	s->scan_end = at + n;
	bpf_loop(SCOPE_TERM_WORDS_MAX, scan, &s, 0);
}

/* Read the window for w: where it begins, or, for a cell, as lists of
 * immediates lie from their last cell to their first, around it. */
static __always_inline int open_window(struct scratch *s, u64 w)
{
	u64 addr = w & ~7ull;
	u32 at = s->n & MASK;

	s->win_from = at;
	s->win_at = at;
	s->win_addr = addr;
	s->win_words = WINDOW;
	if ((w & 3) == 2) {
		if (bpf_probe_read_user(&s->words[at], 8 * WINDOW,
					(void *)addr) == 0)
			return 0;
	} else if (bpf_probe_read_user(&s->words[at], 8 * (BEFORE + WINDOW),
				       (void *)(addr - 8 * BEFORE)) == 0) {
		u64 tail = s->words[at + BEFORE + 1];

		if ((tail & 3) == 1 && tail < addr)
			s->win_addr = addr - 8 * BEFORE;
		else
			s->win_at = at + BEFORE;
		return 0;
	}
	/* The end of a mapping: try the least. */
	s->win_words = 2;
	if (bpf_probe_read_user(&s->words[at], 16, (void *)addr) == 0)
		return 0;
	/* `{}` is one word on a heap before OTP 26. */
	s->win_words = 1;
	s->words[at + 1] = 0;
	return bpf_probe_read_user(&s->words[at], 8, (void *)addr);
}

/* Copy what w points to, and what of that is near to it. 1: nothing more. */
static __always_inline int copy_near(struct scratch *s, u64 w, u32 looks)
{
	if (!s)
		return 1;
	if (!s->budget || s->n + WINDOW > SCOPE_WORDS_MAX ||
	    s->nsegs + WINDOW / 2 + 2 > SCOPE_SEGS_MAX) {
		s->flags |= SCOPE_F_CUT;
		return 1;
	}
	s->here = 0;
	s->todo = 0;
	s->aside = 0;
	if (open_window(s, w)) {
		s->flags |= SCOPE_F_TORN;
		return 0;
	}
	if (mark(s, w)) {
		large(s, w);
		return 0;
	}
	for (u32 i = 0; i < looks && s->todo; i++)
		(void)look(s);
	if (s->todo)
		bpf_loop(WINDOW / 4, look_on, &s, 0);
	s->left = s->here;
	if (!keep(s))
		bpf_loop(WINDOW / 2, keep_on, &s, 0);
	if (s->aside)
		bpf_loop(WINDOW, aside_on, &s, 0);
	return 0;
}

/* This and the other functions that are global are verified once for all
 * callers. */
__noinline int island(struct scratch *s, u64 w)
{
	return copy_near(s, w, 0);
}

/* The same, sooner, but long to verify: for the programs of messages. */
__noinline int first_island(struct scratch *s, u64 w)
{
	return copy_near(s, w, FIRST_LOOKS);
}

static __always_inline int within(u64 w, u64 seg)
{
	return (w & ~7ull) - SCOPE_SEG_ADDR(seg) < 8 * SCOPE_SEG_WORDS(seg);
}

/* Whether what w points to is copied already, as far as it can be told soon. */
static __always_inline int known(struct scratch *s, u64 w)
{
	u64 off = ((w & ~7ull) - s->win_addr) >> 3;

	if (off < WINDOW && ((s->here >> (off & 63)) & 1))
		return 1;
	return within(w, s->segs[0]) || within(w, s->segs[1]) ||
	       within(w, s->segs[2]) || within(w, s->segs[3]);
}

static long later(u32 i, void *ctx)
{
	struct scratch *s = *(struct scratch **)ctx;
	u32 at = s->head;
	u64 w;

	(void)i;
	if (at >= s->tail)
		return 1;
	s->head = at + 1;
	w = s->queue[at & (QUEUE_MAX - 1)];
	/* A step's value is 0 or 1, as the verifier must see. */
	if (known(s, w) || !island(s, w))
		return 0;
	return 1;
}

/* Copy a term and what it refers to, as far as the budget goes. */
__noinline int copy_term(struct scratch *s, u64 term)
{
	if (!s || (!config.term_words && !s->budget) || !((term + 1) & 2))
		return 0;
	s->head = 0;
	s->tail = 0;
	if (!island(s, term) && s->tail)
		bpf_loop(QUEUE_MAX, later, &s, 0);
	return 0;
}

/* The same, of a message. */
__noinline int copy_message(struct scratch *s, u64 term)
{
	if (!s || !config.term_words || !((term + 1) & 2))
		return 0;
	s->head = 0;
	s->tail = 0;
	if (!first_island(s, term) && s->tail)
		bpf_loop(QUEUE_MAX, later, &s, 0);
	return 0;
}

#endif
