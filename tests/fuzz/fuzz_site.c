/* SPDX-License-Identifier: MIT */
/* Any bytes as code: what is picked must lie in it. */
#include <stdlib.h>
#include <string.h>

#include "probe/site.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scope_site_pick p;
	struct scope_call call;
	uint8_t *code;
	uint64_t to;
	int64_t at;

	if (size < 1 || size > 4096)
		return 0;
	/* The first byte says how many arguments there are. */
	code = malloc(size - 1 ? size - 1 : 1);
	if (!code)
		return 0;
	memcpy(code, data + 1, size - 1);
	if (scope_site_pick(code, size - 1, 0x401000, data[0] % 8, &p) == 0 &&
	    (p.offset >= size - 1 || (p.offset && !p.emulated) ||
	     !memchr(p.insn, 0, sizeof(p.insn))))
		abort();
	to = scope_site_tail(code, size - 1, 0x401000);
	if (to >= 0x401000 && to < 0x401000 + size - 1)
		abort();
	to = scope_site_first_call(code, size - 1, 0x401000);
	at = scope_site_only_call(code, size - 1, 0x401000, to);
	if (at >= (int64_t)size - 1)
		abort();
	if (scope_site_only_call_through(code, size - 1, 0x401000, 8, &call) &&
	    (call.at >= call.next || call.next >= size - 1))
		abort();
	free(code);
	return 0;
}
