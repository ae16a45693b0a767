/* SPDX-License-Identifier: MIT */
/*
 * What an emulator's functions refer to: the part of shapes that disassembles.
 *
 * Memory:  lists are owned by the scope_refs, and stay where they are.
 * Errors:  -ENOTSUP not on this machine; -ENOMEM.
 */
#ifndef SCOPE_TARGET_SHAPES_INT_H
#define SCOPE_TARGET_SHAPES_INT_H

#include "target/elf.h"

struct scope_ref_list {
	uint64_t *refs; /* functions that it refers to, by place */
	size_t nrefs;
	uint64_t *data; /* all that it addresses by its own place */
	size_t ndata;
	uint64_t digest; /* 0: not all of it is code */
};

struct scope_refs;

int scope_refs_new(const struct scope_elf *e, struct scope_refs **ret_refs);
void scope_refs_free(struct scope_refs *r);

/* Of the function that begins there; NULL: none does, or it can't be read. */
const struct scope_ref_list *scope_refs_of(struct scope_refs *r, uint64_t at);
/* The only function of that size with that digest; 0: none, or several. */
uint64_t scope_refs_digest(struct scope_refs *r, uint64_t size, uint64_t digest);

#endif
