// SPDX-License-Identifier: (MIT OR GPL-2.0)
/*
 * Where a thread is that is not on a CPU, in an object of its own: the registers
 * that it had in user space when it last left it, read by an iterator over
 * tasks. No event of the node runs this, and the node does nothing for it.
 */
#include "lib/kernel.bpf.h"

#include <bpf/bpf_core_read.h>

#include <scope/thread.h>

struct seq_file;

struct sched_info {
	unsigned long long last_arrival; /* of the scheduler's clock */
} __attribute__((preserve_access_index));

struct task_struct {
	int on_cpu;
	struct sched_info sched_info;
} __attribute__((preserve_access_index));

struct bpf_iter_meta {
	struct seq_file *seq;
} __attribute__((preserve_access_index));

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} __attribute__((preserve_access_index));

SEC("iter/task")
int on_thread(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct scope_thread_rec rec;
	struct scope_regs *regs;

	if (!task)
		return 0;
	__builtin_memset(&rec, 0, sizeof(rec));
	rec.on_cpu = task->on_cpu != 0;
	if (bpf_core_field_exists(task->sched_info.last_arrival)) {
		u64 now = bpf_ktime_get_ns();
		u64 then = task->sched_info.last_arrival;

		rec.since_ns = then && now > then ? now - then : 0;
	}
	regs = (struct scope_regs *)bpf_task_pt_regs(task);
	if (bpf_probe_read_kernel(rec.regs, sizeof(*regs), regs) == 0)
		rec.bytes = sizeof(*regs);
	/* It has run meanwhile: what was read is not its. */
	if (task->on_cpu)
		rec.on_cpu = 1;
	bpf_seq_write(ctx->meta->seq, &rec, sizeof(rec));
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
