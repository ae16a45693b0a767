// SPDX-License-Identifier: (MIT OR GPL-2.0)
/* The least that a probe can do: count its hits. */
#include "lib/kernel.bpf.h"

u64 hits;

SEC("uprobe")
int on_hit(struct scope_regs *ctx)
{
	(void)ctx;
	__sync_fetch_and_add(&hits, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
