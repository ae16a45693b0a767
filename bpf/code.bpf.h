/* SPDX-License-Identifier: (MIT OR GPL-2.0) */
/*
 * code.load, and code.unload where the release unregisters code: the JIT calls
 * __jit_debug_register_code() with what changed in its descriptor (the GDB JIT
 * interface): u32 version, u32 action (1 register, 2 unregister), relevant
 * entry, first entry. It is a bare `ret`, so a hit is single-stepped; loading
 * code is rare.
 *
 * The interpreter has no such thing, but a table of where modules are, which
 * erts_update_ranges(code, bytes) adds to. The code's head names its functions
 * (BeamCodeHeader), and each of those its module.
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
	const volatile struct scope_layout *l = &config.layout;
	u64 site = bpf_get_attach_cookie(ctx), code = SCOPE_ARG1(ctx);
	u32 kind = SCOPE_KIND_CODE_LOAD;
	struct scratch *s;

	count_hit(SCOPE_GROUP_CODE);
	/* Code is of no process. */
	if (config.filter)
		return 0;
	if (site == SCOPE_SITE_JIT_CODE) {
		if (!config.jit_descriptor)
			return 0;
		if (half(config.jit_descriptor + 4) == 2)
			kind = SCOPE_KIND_CODE_UNLOAD;
	}
	s = begin(kind, site, bpf_ktime_get_ns());
	if (!s)
		return 0;
	if (site == SCOPE_SITE_JIT_CODE) {
		s->rec.code.entry = word(config.jit_descriptor + 8);
		/* The head of what the entry describes, with the module's
		 * name: code that is purged at once is gone before it is read
		 * from outside. */
		s->rec.code.file = word(s->rec.code.entry + 16);
		head(s, s->rec.code.file);
	} else {
		s->rec.code.module =
			word(word(code + l->ch_functions) + l->ci_mfa);
		s->rec.code.functions = word(code);
		s->rec.code.bytes = SCOPE_ARG2(ctx);
	}
	finish(ctx, s);
	return 0;
}

#endif
