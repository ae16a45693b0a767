/* SPDX-License-Identifier: MIT */
/* An emulator's file, made by somebody else. */
#include <stdlib.h>

#include "probe/site.h"
#include "target/bif.h"
#include "target/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use_function(const struct scope_elf *e, uint64_t vaddr)
{
	struct scope_site_pick pick;
	struct scope_symbol s;
	const uint8_t *code;

	if (scope_elf_function(e, vaddr, &s) < 0)
		return;
	if (vaddr < s.vaddr || vaddr - s.vaddr >= s.size)
		abort();
	code = scope_elf_at(e, s.vaddr, s.size);
	if (code && s.size < 4096)
		(void)scope_site_pick(code, s.size, s.vaddr, 6, &pick);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct scope_elf_segment *seg;
	struct scope_bifs *b = NULL;
	struct scope_elf *e = NULL;
	struct scope_symbol s;
	uint32_t crc;
	size_t n;

	if (scope_elf_parse(data, size, &e) < 0)
		return 0;
	seg = scope_elf_segments(e, &n);
	for (size_t i = 0; i < n; i++)
		for (uint64_t at = 0; at < seg[i].memsz && at < 4096; at += 16)
			use_function(e, seg[i].vaddr + at);
	(void)scope_elf_symbol(e, "first", &s);
	(void)scope_elf_symbol(e, "~e", &s);
	(void)scope_elf_debuglink(e, &crc);
	if (scope_bifs_new(e, &b) == 0)
		(void)scope_bifs_find(b, "erlang", "abs", 1, &s);
	scope_bifs_free(b);
	scope_elf_free(e);
	return 0;
}
