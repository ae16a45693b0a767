/* SPDX-License-Identifier: MIT */
/*
 * Where functions begin and end, static ones included, from what the linker
 * keeps for exceptions even in a stripped file.
 *
 * .eh_frame_hdr: u8 version (1), u8 encoding of eh_frame_ptr, u8 encoding of
 * the count, u8 encoding of the table; then the pointer, the count, and a
 * table of {s32 start, s32 fde}, both relative to the header. GNU ld and lld
 * write the encodings 1b 03 3b; with others there is no table for us.
 *
 * An FDE: u32 length, u32 distance to its CIE, then the start and the size of
 * its code. The start's encoding is in the CIE; instead of reading that, the
 * usual one (pc-relative s32) is assumed, and proven by giving the same start
 * as the table.
 */
#include <stdlib.h>
#include <string.h>

#include "target/elf_int.h"

static int cmp_range(const void *a, const void *b)
{
	const struct scope_elf_range *x = a, *y = b;

	return x->vaddr < y->vaddr ? -1 : x->vaddr > y->vaddr;
}

static bool read_fde(const struct scope_elf *e, uint64_t start, uint64_t fde,
		     struct scope_elf_range *ret)
{
	const uint8_t *p = scope_elf_at(e, fde, 16);
	uint32_t len, size;
	int32_t rel;

	if (!p)
		return false;
	memcpy(&len, p, 4);
	memcpy(&rel, p + 8, 4);
	memcpy(&size, p + 12, 4);
	if (len < 12 || len == UINT32_MAX ||
	    fde + 8 + (uint64_t)(int64_t)rel != start || size == 0)
		return false;
	*ret = (struct scope_elf_range){ .vaddr = start, .size = size };
	return scope_elf_is_code(e, start);
}

/* Sorted and disjoint, so that a search can halve. */
static void tidy(struct scope_elf *e)
{
	qsort(e->funcs, e->nfuncs, sizeof(*e->funcs), cmp_range);
	for (size_t i = 0; i + 1 < e->nfuncs; i++) {
		uint64_t room = e->funcs[i + 1].vaddr - e->funcs[i].vaddr;

		if (e->funcs[i].size > room)
			e->funcs[i].size = room;
	}
}

int scope_elf_read_frames(struct scope_elf *e)
{
	const uint64_t hdr = e->frame_hdr;
	const uint8_t *h = hdr ? scope_elf_at(e, hdr, 12) : NULL;
	const uint8_t *table;
	uint32_t n;

	if (!h || h[0] != 1 || h[2] != 0x03 || h[3] != 0x3b ||
	    (h[1] & 0x0f) != 0x0b)
		return 0;
	memcpy(&n, h + 8, sizeof(n));
	if (n == 0 || n > SCOPE_ELF_FUNCTIONS_MAX)
		return 0;
	table = scope_elf_at(e, hdr + 12, (size_t)n * 8);
	if (!table)
		return 0;
	e->funcs = calloc(n, sizeof(*e->funcs));
	if (!e->funcs)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		int32_t at[2];

		memcpy(at, table + 8 * (size_t)i, sizeof(at));
		if (read_fde(e, hdr + (uint64_t)(int64_t)at[0],
			     hdr + (uint64_t)(int64_t)at[1],
			     &e->funcs[e->nfuncs]))
			e->nfuncs++;
	}
	tidy(e);
	return 0;
}
