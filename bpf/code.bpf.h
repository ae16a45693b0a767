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

#define HEAD_WORDS 36 /* 26 bytes and a name of 255, NUL included */
#define HEAD_LEAST 8

static __always_inline void head(struct scratch *s, u64 addr)
{
	u32 n = HEAD_WORDS;

	if (!addr || (addr & 7))
		return;
	if (bpf_probe_read_user(s->words, 8 * HEAD_WORDS, (void *)addr)) {
		n = HEAD_LEAST;
		if (bpf_probe_read_user(s->words, 8 * HEAD_LEAST,
					(void *)addr))
			return;
	}
	s->segs[0] = SCOPE_SEG(addr, n);
	s->nsegs = 1;
	s->n = n;
}

SEC("uprobe")
int on_code(struct scope_regs *ctx)
{
	u32 action = half(config.jit_descriptor + 4), kind;
	u64 entry = word(config.jit_descriptor + 8);
	struct scratch *s;

	(void)ctx;
	/* Code is of no process. */
	if (!config.jit_descriptor || config.filter)
		return 0;
	kind = action == 2 ? SCOPE_KIND_CODE_UNLOAD : SCOPE_KIND_CODE_LOAD;
	s = begin(kind, SCOPE_SITE_JIT_CODE, bpf_ktime_get_ns());
	if (!s)
		return 0;
	s->rec.code.entry = entry;
	/* The head of what the entry describes, with the module's name: code
	 * that is purged at once is gone before it is read from outside. */
	s->rec.code.file = word(entry + 16);
	head(s, s->rec.code.file);
	finish(s);
	return 0;
}

#endif
