/* SPDX-License-Identifier: MIT */
/*
 * copy: terms copied from the target's memory into an image, breadth-first
 * under a budget: what bpf/lib/term.bpf.h does inside a probe, done from
 * outside for what is read without one (dictionaries, labels).
 *
 * Limits:  `words` of heap words, then SCOPE_WORDS_MAX and SCOPE_SEGS_MAX with
 *          what binaries, funs and node names add.
 * Errors:  none: what can't be read is not in the image. The result is a set
 *          of SCOPE_F_CUT and SCOPE_F_TORN.
 * Memory:  the image borrows the scope_copy's arrays.
 * Threads: as the vm's read.
 */
#ifndef SCOPE_BEAM_COPY_H
#define SCOPE_BEAM_COPY_H

#include "beam/vm.h"
#include "wire/event.h"

struct scope_copy {
	uint64_t words[SCOPE_WORDS_MAX];
	uint64_t segs[SCOPE_SEGS_MAX];
	struct scope_image image;
};

unsigned scope_copy_term(struct scope_vm *vm, uint64_t term, unsigned words,
			 struct scope_copy *ret_copy);
/* Another term into the same image, with a budget of its own. */
unsigned scope_copy_more(struct scope_vm *vm, uint64_t term, unsigned words,
			 struct scope_copy *copy);

/* scope_read_fn over an image, which is the arg: so that what is in one can be
 * copied as what is in a target's memory. */
int scope_image_read(void *image, uint64_t addr, void *buf, size_t len);

#endif
