/* SPDX-License-Identifier: (MIT OR GPL-2.0) */
/*
 * ext: signals of other nodes, as the runtime holds them until somebody decodes
 * them: bytes in external format, and the atoms that those refer to by number,
 * which the runtime has looked up in the connection's cache by then. Where the
 * release's layout of them is not known (dd_bytes is 0), nothing is copied.
 */
#ifndef SCOPE_BPF_EXT_H
#define SCOPE_BPF_EXT_H

#include "lib/term.bpf.h"

#define EXT_HAS_ATOMS 2 /* ERTS_DIST_EXT_ATOM_TRANS_TAB, external.h */
#define EXT_ATOMS_MAX 255 /* of one signal: erl_dist_protocol */
#define EXT_WORDS_MAX 640
#define CONTROL_WORDS 64 /* heap words of a control tuple, and more */

/* ErtsDistExternalData */
struct ext_data {
	u64 seq, frag, ext, end, bin;
};

/* The name of the node that a signal came from. */
static __always_inline u64 ext_peer(u64 edep)
{
	const volatile struct scope_layout *l = &config.layout;

	if (!l->dd_bytes)
		return 0;
	return word(word(edep + l->dx_dep) + l->de_sysname);
}

/* Copy a term whatever the budget of contents: who is concerned. */
static __always_inline void copy_control(struct scratch *s, u64 term)
{
	s->budget = CONTROL_WORDS;
	copy_term(s, term);
	s->budget = config.term_words;
}

/* Words that are no terms. */
static __always_inline void ext_words(struct scratch *s, u64 addr, u32 n)
{
	u32 at = s->n;

	barrier_var(n);
	if (n == 0 || n > EXT_WORDS_MAX || !room(s, n))
		return;
	if (bpf_probe_read_user(&s->words[at & MASK], n * 8, (void *)addr)) {
		s->flags |= SCOPE_F_TORN;
		return;
	}
	append(s, addr, n);
}

/* The bytes of a signal as far as they are in its first fragment and in the
 * budget, and its atoms; where they are goes into the record, in which
 * msg_dist and dist_in have them at the same place. */
__noinline int copy_ext(struct scratch *s, u64 edep)
{
	const volatile struct scope_layout *l = &config.layout;
	struct ext_data d = {};
	u64 left, lo;
	u32 n, max;

	if (!s || !l->dd_bytes)
		return 0;
	if (bpf_probe_read_user(&d, sizeof(d),
				(void *)word(edep + l->dx_data)) ||
	    d.end < d.ext) {
		s->flags |= SCOPE_F_TORN;
		return 0;
	}
	left = d.end - d.ext;
	s->rec.dist_in.ext = d.ext;
	s->rec.dist_in.left = left;
	if (half(edep + l->dx_flags) & EXT_HAS_ATOMS) {
		n = half(edep + l->dx_attab);
		if (n > EXT_ATOMS_MAX)
			n = EXT_ATOMS_MAX;
		s->rec.dist_in.atoms = SCOPE_SEG(edep + l->dx_atoms, n);
		ext_words(s, edep + l->dx_atoms, n);
	}
	/* Most terms take less room in external format than on a heap; binaries
	 * are in it whole. */
	max = 2 * config.term_words + CONTROL_WORDS;
	if (max > EXT_WORDS_MAX)
		max = EXT_WORDS_MAX;
	lo = d.ext & ~7ull;
	left = (d.end - lo + 7) >> 3;
	ext_words(s, lo, left < max ? left : max);
	return 0;
}

#endif
