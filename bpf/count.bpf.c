// SPDX-License-Identifier: (MIT OR GPL-2.0)
/*
 * The least that a probe can do, in an object of its own: nothing, to measure
 * what the trap costs (src/probe/calibrate.h), or counting, to see how often a
 * node comes by (scope-bpf doctor --measure).
 */
#include "lib/kernel.bpf.h"

#define COUNTS 256 /* sites of one attach; cookie: which */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTS);
	__type(key, u32);
	__type(value, u64);
} counts SEC(".maps");

static __always_inline int count(u32 which)
{
	u64 *n = bpf_map_lookup_elem(&counts, &which);

	if (n)
		*n += 1;
	return 0;
}

SEC("uprobe")
int on_nothing(struct scope_regs *ctx)
{
	(void)ctx;
	return 0;
}

SEC("uprobe")
int on_count(struct scope_regs *ctx)
{
	return count((u32)bpf_get_attach_cookie(ctx));
}

/* Breakpoints and clock samples. Nothing is written to the event's buffer. */
SEC("perf_event")
int on_perf(void *ctx)
{
	(void)ctx;
	return count(0);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
