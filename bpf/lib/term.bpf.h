/* SPDX-License-Identifier: (MIT OR GPL-2.0) */
/*
 * term: copying a term out of the target, breadth-first, under a budget.
 *
 * The copied words are their own queue: they are looked at from left to right,
 * as a copying collector does, and what a pointer among them leads to is
 * appended. src/beam/copy.c is the same in user space, and says more.
 *
 * An object that follows the last segment's memory directly extends that
 * segment: messages are laid out in one block, so most are one or two segments.
 */
#ifndef SCOPE_BPF_TERM_H
#define SCOPE_BPF_TERM_H

#include "lib/emit.bpf.h"

#define AHEAD 8 /* words read at once, for most objects all there is */
#define SUBTAG(h) (((h) >> 2) & 0xf)
#define MASK (SCOPE_WORDS_MAX - 1)

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
static __always_inline void beside(struct scratch *s, u32 at)
{
	const volatile struct scope_layout *l = &config.layout;
	u64 h = s->words[at & MASK], w1 = s->words[(at + 1) & MASK];
	u64 w2 = s->words[(at + 2) & MASK], w3 = s->words[(at + 3) & MASK];
	u64 w4 = s->words[(at + 4) & MASK];
	u32 sub = SUBTAG(h);

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
}

/* Words of the boxed object whose first words are at s->words[at]. */
static __always_inline u64 boxed_words(struct scratch *s, u32 at)
{
	const volatile struct scope_layout *l = &config.layout;
	u64 h = s->words[at & MASK], w1 = s->words[(at + 1) & MASK];
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

/* Words after the header at s->words[at] that are no terms. */
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

/* Copy what w points to; 1 when there is no more room or budget. */
static __always_inline int object(struct scratch *s, u64 w)
{
	u64 addr = w & ~7ull, n;
	u32 at = s->n, got = AHEAD;

	if (!s->budget) {
		s->flags |= SCOPE_F_CUT;
		return 1;
	}
	if (!room(s, AHEAD))
		return 1;
	if (bpf_probe_read_user(&s->words[at & MASK], 8 * AHEAD,
				(void *)addr)) {
		/* The end of a mapping: try the least. */
		if (bpf_probe_read_user(&s->words[at & MASK], 16,
					(void *)addr)) {
			s->flags |= SCOPE_F_TORN;
			return 0;
		}
		got = 2;
	}
	if ((w & 3) == 1) {
		/* A run of cells, each followed by the next. */
		n = 2;
		if (got == AHEAD) {
			if (s->words[(at + 1) & MASK] == ((addr + 16) | 1))
				n = 4;
			if (n == 4 &&
			    s->words[(at + 3) & MASK] == ((addr + 32) | 1))
				n = 6;
			if (n == 6 &&
			    s->words[(at + 5) & MASK] == ((addr + 48) | 1))
				n = 8;
		}
		if (n > s->budget)
			n = 2;
	} else {
		if (s->words[at & MASK] & 3) {
			/* Not a header: being moved, or no pointer at all. */
			s->flags |= SCOPE_F_TORN;
			return 0;
		}
		n = boxed_words(s, at);
	}
	if (n > s->budget) {
		n = s->budget;
		s->flags |= SCOPE_F_CUT;
	}
	if (n > got) {
		u64 more = n - got;

		if (!room(s, n))
			return 1;
		barrier_var(more);
		if (more > SCOPE_TERM_WORDS_MAX)
			more = SCOPE_TERM_WORDS_MAX;
		if (bpf_probe_read_user(&s->words[(at + got) & MASK], more * 8,
					(void *)(addr + 8 * got))) {
			s->flags |= SCOPE_F_TORN;
			return 0;
		}
	}
	s->budget -= n;
	append(s, addr, n);
	if ((w & 3) == 2 && n > 1)
		beside(s, at);
	return 0;
}

static __always_inline int within(u64 w, u64 seg)
{
	return (w & ~7ull) - SCOPE_SEG_ADDR(seg) < 8 * SCOPE_SEG_WORDS(seg);
}

/* Look at one word, or step into the next segment. */
static long step(u32 i, void *ctx)
{
	struct scratch *s = *(struct scratch **)ctx;
	u32 at = s->scan;
	u64 w, seg, last;

	(void)i;
	if (s->root) {
		w = s->root;
		s->root = 0;
		return object(s, w);
	}
	if (at >= s->n)
		return 1;
	seg = s->segs[s->seg & (SCOPE_SEGS_MAX - 1)];
	if (at >= s->seg_start + SCOPE_SEG_WORDS(seg)) {
		s->seg_start += SCOPE_SEG_WORDS(seg);
		s->seg++;
		return s->seg > SCOPE_SEGS_MAX;
	}
	w = s->words[at & MASK];
	s->scan = at + 1;
	switch (w & 3) {
	case 0:
		s->scan += raw_words(w);
		return 0;
	case 1:
	case 2:
		/* Most of a message is in one block, and cells in runs: what
		 * is here already is not copied again. */
		last = s->segs[(s->nsegs - 1) & (SCOPE_SEGS_MAX - 1)];
		if (within(w, seg) || within(w, last))
			return 0;
		return object(s, w);
	default:
		return 0;
	}
}

/* Copy a term and what it refers to, as far as the budget goes. Global, so
 * that the verifier goes through it once for all its callers. */
__noinline int copy_term(struct scratch *s, u64 term)
{
	u32 tag = term & 3;

	if (!s || !config.term_words || (tag != 1 && tag != 2))
		return 0;
	s->root = term;
	bpf_loop(SCOPE_WORDS_MAX + SCOPE_SEGS_MAX, step, &s, 0);
	s->root = 0;
	s->scan = s->n;
	return 0;
}

#endif
