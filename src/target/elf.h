/* SPDX-License-Identifier: MIT */
/*
 * elf: an emulator's ELF file: segments, symbols, functions, pointer tables.
 *
 * Shapes:  addresses are those of the file (p_vaddr); who knows the bias of a
 *          process adds it. The file is read into memory once, so nothing
 *          that happens to it later can be seen or hurt.
 * Limits:  SCOPE_ELF_BYTES_MAX of file; tables are cut at the counts below.
 * Errors:  -ENOEXEC not an ELF file; -ENOTSUP one of another kind of
 *          machine; -EBADMSG it contradicts itself; -EFBIG; -ENOMEM; -ENOENT nothing found.
 * Memory:  all that is returned is borrowed from the scope_elf.
 * Threads: constant after opening.
 * Source:  System V gABI chapters 4 and 5; LSB 5.0 core, "Exception frames".
 */
#ifndef SCOPE_TARGET_ELF_H
#define SCOPE_TARGET_ELF_H

#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "target/target.h"

#define SCOPE_ELF_BYTES_MAX (512u << 20)
#define SCOPE_ELF_SYMBOLS_MAX (2u << 20)
#define SCOPE_ELF_FUNCTIONS_MAX (1u << 20)
#define SCOPE_ELF_SEGMENTS_MAX 16

struct scope_elf;

/* Read the file behind fd (which stays open). */
int scope_elf_open(int fd, struct scope_elf **ret_elf);
/* The same of `len` bytes of memory, copied. */
int scope_elf_parse(const void *data, size_t len, struct scope_elf **ret_elf);
void scope_elf_free(struct scope_elf *e);
SCOPE_AUTO(scope_elf)

/* Use the symbols of another file, a debug file of this one, instead of the
 * own ones. Takes `debug` over. -ENOENT: it has none, or the build-ids of the
 * two differ; then it is freed and the own symbols stay. */
int scope_elf_use_symbols(struct scope_elf *e, struct scope_elf *debug);

const char *scope_elf_build_id(const struct scope_elf *e); /* hex, or "" */
/* The name in .gnu_debuglink and its CRC-32; NULL: none. */
const char *scope_elf_debuglink(const struct scope_elf *e, uint32_t *ret_crc);
/* CRC-32 of the whole file, as debuglinks have it. */
uint32_t scope_elf_crc(const struct scope_elf *e);
uint64_t scope_elf_entry(const struct scope_elf *e);
/* There is a .symtab (here or in the debug file), so that static functions
 * have names. */
bool scope_elf_has_symtab(const struct scope_elf *e);

/* Bytes [vaddr, vaddr + len) as the file has them, relocated where they are in
 * a writable segment; NULL when not all of them are in the file. */
const uint8_t *scope_elf_at(const struct scope_elf *e, uint64_t vaddr,
			    size_t len);
/* The NUL-terminated text there, of at most `max` bytes with the NUL. */
const char *scope_elf_text(const struct scope_elf *e, uint64_t vaddr,
			   size_t max);
/* The bytes that the file has of a section, not relocated; NULL: there is no
 * such section, or it has none. */
const uint8_t *scope_elf_section(const struct scope_elf *e, const char *name,
				 size_t *ret_len, uint64_t *ret_vaddr);
bool scope_elf_u64(const struct scope_elf *e, uint64_t vaddr, uint64_t *ret);
bool scope_elf_u32(const struct scope_elf *e, uint64_t vaddr, uint32_t *ret);
bool scope_elf_is_code(const struct scope_elf *e, uint64_t vaddr);
int scope_elf_offset(const struct scope_elf *e, uint64_t vaddr,
		     uint64_t *ret_offset);

struct scope_elf_segment {
	uint64_t vaddr;
	uint64_t offset;  /* in the file */
	uint64_t filesz;  /* bytes that the file has */
	uint64_t memsz;
	uint32_t flags;	  /* PF_* */
	const uint8_t *bytes; /* filesz of them */
};
/* The loaded segments, in the file's order. */
const struct scope_elf_segment *scope_elf_segments(const struct scope_elf *e,
						   size_t *ret_n);

/* See scope_target_symbol and scope_target_function. -ENOTUNIQ: several
 * symbols contain the part. */
int scope_elf_symbol(const struct scope_elf *e, const char *name,
		     struct scope_symbol *ret_sym);
int scope_elf_function(const struct scope_elf *e, uint64_t vaddr,
		       struct scope_symbol *ret_fn);
/* How many functions .eh_frame describes. */
size_t scope_elf_functions(const struct scope_elf *e);

#endif
