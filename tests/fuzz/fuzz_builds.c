/* SPDX-License-Identifier: MIT */
/* A table of a build, made by somebody else: over the ELF file of the unit
 * tests. */
#include <stdlib.h>
#include <string.h>

#include "target/builds.h"
#include "../unit/tiny_elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct scope_elf *tiny(void)
{
	static uint8_t file[TINY_BYTES];
	static struct scope_elf *elf;

	if (elf)
		return elf;
	tiny_elf(file);
	if (scope_elf_parse(file, sizeof(file), &elf) < 0)
		abort();
	return elf;
}

/* What it gives must be where the emulator has such a thing. */
static void check(const struct scope_build *b, const char *name)
{
	struct scope_symbol s, fn;

	if (scope_build_find(b, name, &s) < 0)
		return;
	if (!*s.name || s.how != SCOPE_HOW_BUILD)
		abort();
	if (scope_elf_is_code(tiny(), s.vaddr) &&
	    (scope_elf_function(tiny(), s.vaddr, &fn) < 0 ||
	     fn.vaddr != s.vaddr || fn.size != s.size))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scope_build *b = NULL;

	if (scope_build_parse((const char *)data, size, tiny(), &b) < 0)
		return 0;
	check(b, "erts_proc");
	check(b, "erts_schedule");
	check(b, "~e");
	for (unsigned i = 0; i < 4; i++)
		(void)scope_build_name(b, TINY_FN(i));
	if (scope_build_count(b) > SCOPE_BUILDS_NAMES)
		abort();
	scope_build_free(b);
	return 0;
}
