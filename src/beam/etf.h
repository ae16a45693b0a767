/* SPDX-License-Identifier: MIT */
/*
 * etf: terms in external format, made into what they would be on a heap.
 *
 * Shapes:  bytes become words at addresses of their own, as the layout of the
 *          release has them, so that whatever prints, walks or copies a term of
 *          the target's heap does the same to them, and all outputs agree.
 * Cut:     bytes may end anywhere. What would follow is a pointer to nothing,
 *          which prints as `...`; bytes that make no sense are a word that
 *          prints as `?`, and nothing after them is read.
 * Limits:  SCOPE_ETF_WORDS words, SCOPE_ETF_DEPTH levels; what goes beyond is
 *          cut. No count in the bytes is believed beyond what the bytes can
 *          hold, nothing recurses, nothing is allocated but atoms that the node
 *          does not have (beam/vm.h).
 * Funs:    the environment is passed over, as it is never shown.
 * Maps:    pairs are in the order of the bytes.
 * Memory:  a scope_etf is large; it is reused from one signal to the next, and
 *          what it made is good until then.
 * Threads: as the vm's.
 * Source:  erts/doc erl_ext_dist; external.c dec_term() of OTP 25 and 27.
 */
#ifndef SCOPE_BEAM_ETF_H
#define SCOPE_BEAM_ETF_H

#include "beam/vm.h"
#include "wire/event.h"

#define SCOPE_ETF_WORDS 16384u
#define SCOPE_ETF_SEGS 64u
#define SCOPE_ETF_DEPTH 256u

struct scope_etf_in {
	const uint8_t *bytes;
	size_t len;
	bool more; /* the bytes go on, where we have none */
	/* What ATOM_CACHE_REF counts into: Eterms. */
	const uint64_t *atoms;
	size_t natoms;
	/* This node: pids and the like of it are local ones. */
	uint64_t node; /* Eterm atom; 0: not known */
	uint32_t creation;
};

struct scope_etf_todo {
	/* words to fill: the first, the next, their distance, how many */
	uint32_t first, slot, step, left;
	uint32_t other; /* of a map: where values go; 0: no map */
};

struct scope_etf {
	struct scope_vm *vm; /* borrowed */
	struct scope_etf_in in;
	size_t at;	  /* in in.bytes */
	bool is_over;	  /* nothing more can be read */
	bool is_torn;	  /* because the bytes make no sense */
	size_t n;	  /* words in use */
	size_t closed;	  /* segments that grow no more */
	size_t seg_start; /* the first word of the one that does */
	uint64_t seg_addr;
	unsigned depth;
	struct scope_etf_todo todo[SCOPE_ETF_DEPTH];
	uint64_t words[SCOPE_ETF_WORDS];
	uint64_t segs[SCOPE_ETF_SEGS];
	struct scope_image image; /* all that was made so far */
};

void scope_etf_begin(struct scope_etf *e, struct scope_vm *vm,
		     const struct scope_etf_in *in);
/* The next term of the bytes (after a version byte, if there is one); what is
 * not there is cut in it. */
uint64_t scope_etf_next(struct scope_etf *e);

#endif
