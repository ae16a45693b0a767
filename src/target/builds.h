/* SPDX-License-Identifier: MIT */
/*
 * builds: where functions and variables are in emulators that hide them, by
 * build-id.
 *
 * Shapes:  tables that scripts/symbol-table makes, text of lines with fields
 *          that are parted by one tab:
 *
 *            build-id  HEX            of the emulator; begins a table
 *            otp       RELEASE        of people's concern only, as the next
 *            package   TEXT
 *            f         ADDR SIZE NAME a function: ELF address, bytes; in hex
 *            d         ADDR SIZE NAME a variable
 *
 *          and empty ones, and comments (#). Those of src/target/builds/ are in
 *          the program; another may be BUILDID.tsv in the folder that
 *          SCOPE_BPF_BUILDS names, or in SCOPE_BUILDS_DIR.
 * Trust:   a table is taken only when each of its functions begins and ends
 *          where .eh_frame says that one does, and each variable lies in a
 *          segment that is written to.
 * Limits:  SCOPE_BUILDS_BYTES of a file, SCOPE_BUILDS_NAMES of a table.
 * Errors:  -ENOENT no table of that build; -EBADMSG it is none, or does not
 *          fit the emulator; -ENOMEM.
 * Memory:  names are borrowed from the table.
 * Threads: constant after opening.
 */
#ifndef SCOPE_TARGET_BUILDS_H
#define SCOPE_TARGET_BUILDS_H

#include "target/elf.h"

#define SCOPE_BUILDS_DIR "/etc/scope-bpf/builds"
#define SCOPE_BUILDS_BYTES (1u << 20)
#define SCOPE_BUILDS_NAMES 16384

struct scope_build;

/* The table of e's build, wherever there is one. */
int scope_build_open(const struct scope_elf *e, struct scope_build **ret_build);
/* The table of e's build in `len` bytes of text. */
int scope_build_parse(const char *text, size_t len, const struct scope_elf *e,
		      struct scope_build **ret_build);
void scope_build_free(struct scope_build *b);
SCOPE_AUTO(scope_build)

size_t scope_build_count(const struct scope_build *b);
/* Names as scope_target_symbol takes them. -ENOENT, -ENOTUNIQ. */
int scope_build_find(const struct scope_build *b, const char *name,
		     struct scope_symbol *ret_sym);
/* The i-th name. */
const char *scope_build_at(const struct scope_build *b, size_t i);
/* The name of the function that begins there; NULL: not in the table. */
const char *scope_build_name(const struct scope_build *b, uint64_t vaddr);

#endif
