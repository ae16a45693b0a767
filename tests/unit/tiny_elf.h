/* SPDX-License-Identifier: MIT */
/*
 * tiny_elf: the smallest ELF file with all that is read from an emulator's:
 * code of three functions, .eh_frame, .dynsym, relocated pointers with the
 * tables of atoms and BIFs, a build-id and a debuglink.
 */
#ifndef TESTS_TINY_ELF_H
#define TESTS_TINY_ELF_H

#include <elf.h>
#include <stdint.h>
#include <string.h>

#define TINY_TEXT 0x1000	 /* addresses: file offset + these */
#define TINY_DATA 0x3000
#define TINY_BYTES 0x1000

/* Offsets in the file. The first segment is all of it up to DATA_OFF. */
#define TINY_TEXT_OFF 0x200
#define TINY_EH_OFF 0x300
#define TINY_NOTE_OFF 0x380
#define TINY_SYM_OFF 0x400
#define TINY_STR_OFF 0x500
#define TINY_LINK_OFF 0x5c0
#define TINY_NAMES_OFF 0x600
#define TINY_DATA_OFF 0x700
#define TINY_DATA_LEN 0x200
#define TINY_RELA_OFF 0x900
#define TINY_SHDR_OFF 0xd00

#define TINY_ADDR(off) (TINY_TEXT + (off))
#define TINY_DATA_ADDR(off) (TINY_DATA + (off) - TINY_DATA_OFF)

/* What functions there are, at TINY_TEXT_OFF: 16 bytes each. */
#define TINY_FN(n) TINY_ADDR(TINY_TEXT_OFF + 16 * (n))

static inline void tiny_put(uint8_t *f, size_t at, const void *p, size_t n)
{
	memcpy(f + at, p, n);
}

static inline void tiny_headers(uint8_t *f)
{
	Elf64_Ehdr eh = {
		.e_type = ET_DYN,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_entry = TINY_FN(0),
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_shoff = TINY_SHDR_OFF,
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 3,
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = 7,
		.e_shstrndx = 2,
	};
	Elf64_Phdr ph[3] = {
		{ PT_LOAD, PF_R | PF_X, 0, TINY_TEXT, TINY_TEXT, TINY_DATA_OFF,
		  TINY_DATA_OFF, 0x1000 },
		{ PT_LOAD, PF_R | PF_W, TINY_DATA_OFF, TINY_DATA, TINY_DATA,
		  TINY_DATA_LEN, TINY_DATA_LEN + 0x100, 0x1000 },
		{ PT_GNU_EH_FRAME, PF_R, TINY_EH_OFF, TINY_ADDR(TINY_EH_OFF),
		  TINY_ADDR(TINY_EH_OFF), 0x40, 0x40, 4 },
	};

	memcpy(eh.e_ident, ELFMAG, SELFMAG);
	eh.e_ident[EI_CLASS] = ELFCLASS64;
	eh.e_ident[EI_DATA] = ELFDATA2LSB;
	eh.e_ident[EI_VERSION] = EV_CURRENT;
#if defined(__aarch64__)
	eh.e_machine = EM_AARCH64;
#endif
	tiny_put(f, 0, &eh, sizeof(eh));
	tiny_put(f, sizeof(eh), ph, sizeof(ph));
}

/* names: .dynsym .dynstr .rela.dyn .note .gnu_debuglink .text */
static inline void tiny_sections(uint8_t *f)
{
	static const char str[] = "\0first\0second\0_Z6helperi\0.dynsym\0.dynstr"
				  "\0.rela.dyn\0.note\0.gnu_debuglink\0.text";
	Elf64_Shdr sh[7] = {
		[1] = { .sh_name = 25, .sh_type = SHT_DYNSYM,
			.sh_flags = SHF_ALLOC, .sh_offset = TINY_SYM_OFF,
			.sh_addr = TINY_ADDR(TINY_SYM_OFF),
			.sh_size = 4 * sizeof(Elf64_Sym), .sh_link = 2,
			.sh_entsize = sizeof(Elf64_Sym), .sh_addralign = 8 },
		[2] = { .sh_name = 33, .sh_type = SHT_STRTAB,
			.sh_flags = SHF_ALLOC, .sh_offset = TINY_STR_OFF,
			.sh_addr = TINY_ADDR(TINY_STR_OFF),
			.sh_size = sizeof(str), .sh_addralign = 1 },
		[3] = { .sh_name = 41, .sh_type = SHT_RELA,
			.sh_flags = SHF_ALLOC, .sh_offset = TINY_RELA_OFF,
			.sh_size = 10 * sizeof(Elf64_Rela), .sh_link = 1,
			.sh_entsize = sizeof(Elf64_Rela), .sh_addralign = 8 },
		[4] = { .sh_name = 51, .sh_type = SHT_NOTE,
			.sh_offset = TINY_NOTE_OFF, .sh_size = 36,
			.sh_addralign = 4 },
		[5] = { .sh_name = 57, .sh_type = SHT_PROGBITS,
			.sh_offset = TINY_LINK_OFF, .sh_size = 16,
			.sh_addralign = 4 },
		[6] = { .sh_name = 72, .sh_type = SHT_PROGBITS,
			.sh_offset = TINY_TEXT_OFF, .sh_size = 48,
			.sh_flags = SHF_ALLOC | SHF_EXECINSTR,
			.sh_addr = TINY_ADDR(TINY_TEXT_OFF),
			.sh_addralign = 16 },
	};
	Elf64_Sym sym[4] = {
		[1] = { 1, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 0, 6,
			TINY_FN(0), 0 },
		[2] = { 7, ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT), 0, 6,
			TINY_DATA_ADDR(TINY_DATA_OFF), 8 },
		[3] = { 14, ELF64_ST_INFO(STB_WEAK, STT_FUNC), 0, 6,
			TINY_FN(2), 9 },
	};

	tiny_put(f, TINY_STR_OFF, str, sizeof(str));
	tiny_put(f, TINY_SHDR_OFF, sh, sizeof(sh));
	tiny_put(f, TINY_SYM_OFF, sym, sizeof(sym));
}

static inline void tiny_frames(uint8_t *f)
{
	const uint32_t n = 3;
	static const uint8_t head[4] = { 1, 0x1b, 0x03, 0x3b };
	/* A CIE of 16 bytes would be at +0x24; FDEs of 16 bytes from +0x30. */
	for (uint32_t i = 0; i < n; i++) {
		const int32_t fde = 0x30 + 16 * (int32_t)i;
		int32_t row[2] = { TINY_TEXT_OFF + 16 * (int32_t)i -
					   TINY_EH_OFF,
				   fde };
		int32_t body[4] = { 12, 0, row[0] - (fde + 8), 16 };

		tiny_put(f, TINY_EH_OFF + 12 + 8 * i, row, sizeof(row));
		tiny_put(f, TINY_EH_OFF + (size_t)fde, body, sizeof(body));
	}
	tiny_put(f, TINY_EH_OFF, head, sizeof(head));
	tiny_put(f, TINY_EH_OFF + 8, &n, sizeof(n));
}

/* Atoms false true _ nonode@nohost erlang abs; one BIF, erlang:abs/1. */
static inline void tiny_tables(uint8_t *f)
{
	static const char names[] = "false\0true\0_\0nonode@nohost\0erlang\0abs";
	static const uint8_t at[6] = { 0, 6, 11, 13, 27, 34 };
	Elf64_Rela ra[10] = { { 0 } };
	uint64_t bif[6] = { 4 << 6 | 0x0b, 5 << 6 | 0x0b, 1, 0, 0, 0 };
	const size_t table = TINY_DATA_OFF + 0x80;
	uint32_t type = R_X86_64_RELATIVE;

#if defined(__aarch64__)
	type = R_AARCH64_RELATIVE;
#endif
	tiny_put(f, TINY_NAMES_OFF, names, sizeof(names));
	for (unsigned i = 0; i < 6; i++)
		ra[i] = (Elf64_Rela){ TINY_DATA_ADDR(TINY_DATA_OFF + 8 + 8 * i),
				      ELF64_R_INFO(0, type),
				      TINY_ADDR(TINY_NAMES_OFF) + at[i] };
	tiny_put(f, table, bif, sizeof(bif));
	ra[6] = (Elf64_Rela){ TINY_DATA_ADDR(table + 24),
			      ELF64_R_INFO(0, type), TINY_FN(1) };
	ra[7] = (Elf64_Rela){ TINY_DATA_ADDR(table + 32),
			      ELF64_R_INFO(0, type), TINY_FN(2) };
	/* Outside of all segments: must be left alone. */
	ra[8] = (Elf64_Rela){ 0x7fffffff0000, ELF64_R_INFO(0, type), 1 };
	ra[9] = (Elf64_Rela){ TINY_DATA + TINY_DATA_LEN - 4,
			      ELF64_R_INFO(0, type), 1 };
	tiny_put(f, TINY_RELA_OFF, ra, sizeof(ra));
}

/* f: TINY_BYTES of zeros. */
static inline void tiny_elf(uint8_t *f)
{
	static const uint32_t note[9] = { 4, 20, 3, 0x554e47, 0xddccbbaa,
					  0x03020100, 7, 8, 9 };
	static const char link[] = "x.debug\0\x78\x56\x34\x12";

	tiny_headers(f);
	tiny_sections(f);
	tiny_frames(f);
	tiny_tables(f);
	memset(f + TINY_TEXT_OFF, 0x90, 48);
	tiny_put(f, TINY_NOTE_OFF, note, sizeof(note));
	tiny_put(f, TINY_LINK_OFF, link, sizeof(link));
}

#endif
