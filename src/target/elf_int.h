/* SPDX-License-Identifier: MIT */
/* elf, its insides: shared by elf.c, elf_symbols.c and elf_frames.c. */
#ifndef SCOPE_TARGET_ELF_INT_H
#define SCOPE_TARGET_ELF_INT_H

#include <gelf.h>

#include "target/elf.h"

struct scope_elf_sym {
	const char *name; /* in the symbols' own file */
	uint64_t vaddr;
	uint64_t size;
	uint8_t rank; /* 0: global, 1: weak, 2: local; lower is preferred */
	bool is_func;
};

struct scope_elf_range {
	uint64_t vaddr;
	uint64_t size;
};

struct scope_elf {
	uint8_t *file; /* owned */
	size_t len;
	Elf *elf;      /* owned; its data is `file` */
	uint64_t entry;
	uint64_t frame_hdr; /* address of .eh_frame_hdr; 0: none */
	char build_id[65];
	bool has_symtab;

	struct scope_elf_segment segs[SCOPE_ELF_SEGMENTS_MAX];
	uint8_t *copies[SCOPE_ELF_SEGMENTS_MAX]; /* owned: relocated bytes */
	size_t nsegs;

	struct scope_elf_sym *syms; /* owned, by name */
	struct scope_elf_sym *by_addr; /* owned, by address */
	size_t nsyms;

	struct scope_elf_range *funcs; /* owned, by address, disjoint */
	size_t nfuncs;

	struct scope_elf *debug; /* owned; where the names are */
};

int scope_elf_read_symbols(struct scope_elf *e);
int scope_elf_read_frames(struct scope_elf *e);

#endif
