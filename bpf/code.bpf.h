/* SPDX-License-Identifier: (MIT OR GPL-2.0) */
/*
 * code.load, and code.unload where the release unregisters code: the JIT calls
 * __jit_debug_register_code() with what changed in its descriptor (the GDB JIT
 * interface): u32 version, u32 action (1 register, 2 unregister), relevant
 * entry, first entry. It is a bare `ret`, so a hit is single-stepped; loading
 * code is rare.
 */
#ifndef SCOPE_BPF_CODE_H
#define SCOPE_BPF_CODE_H

#include "lib/emit.bpf.h"

SEC("uprobe")
int on_code(struct scope_regs *ctx)
{
	u32 action = half(config.jit_descriptor + 4), kind;
	u64 entry = word(config.jit_descriptor + 8);
	struct scratch *s;

	(void)ctx;
	kind = action == 2 ? SCOPE_KIND_CODE_UNLOAD : SCOPE_KIND_CODE_LOAD;
	s = begin(kind, SCOPE_SITE_JIT_CODE, bpf_ktime_get_ns());
	if (!s)
		return 0;
	s->rec.code.entry = entry;
	finish(s);
	return 0;
}

#endif
