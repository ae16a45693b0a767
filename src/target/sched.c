/* SPDX-License-Identifier: MIT */
/*
 * Threads of an emulator and the schedulers that they are.
 *
 * Each thread of the emulator names itself: up to OTP 25 "3_scheduler",
 * "3_dirty_cpu_sch", "3_dirty_io_sche"; from 26 on "erts_sched_3",
 * "erts_dcpus_3", "erts_dios_3" (erl_process.c, sched_thread_func and the
 * names that start_scheduler_threads gives; the kernel keeps 15 bytes).
 */
#include <string.h>

#include "target/procfs.h"
#include "target/target_int.h"

/* More than the VM allows (ERTS_MAX_NO_OF_SCHEDULERS 1024 of each kind), with
 * room for all its other threads. */
#define THREADS_MAX 16384

/* Schedulers are there from the start; other threads come seldom. */
#define RESCANS_MAX 32

#define KINDS 3

bool scope_thread_parse(const char *comm, unsigned *ret_kind, unsigned *ret_no)
{
	static const char *const before[KINDS] = { "erts_sched_", "erts_dcpus_",
						   "erts_dios_" };
	/* Cut by the number's length: "1024_dirty_cpu_" is what can be left. */
	static const char *const after[KINDS] = { "_sched", "_dirty_cpu",
						  "_dirty_io" };
	char *end;
	unsigned long no;

	for (unsigned k = 0; k < KINDS; k++) {
		size_t n = strlen(before[k]);

		if (strncmp(comm, before[k], n) != 0 || comm[n] < '1' ||
		    comm[n] > '9')
			continue;
		no = strtoul(comm + n, &end, 10);
		if (*end || no > 1024)
			return false;
		*ret_kind = k;
		*ret_no = (unsigned)no;
		return true;
	}
	if (*comm < '1' || *comm > '9')
		return false;
	no = strtoul(comm, &end, 10);
	for (unsigned k = 0; k < KINDS && no <= 1024; k++) {
		if (strncmp(end, after[k], strlen(after[k])) != 0)
			continue;
		*ret_kind = k;
		*ret_no = (unsigned)no;
		return true;
	}
	return false;
}

/* In the map: number << 1 | dirty; 0 for other threads. */
static uint64_t number(const struct scope_target *t, const char *comm)
{
	const unsigned first[KINDS] = {
		0,
		t->info.schedulers,
		t->info.schedulers + t->info.dirty_cpu,
	};
	const unsigned count[KINDS] = { t->info.schedulers, t->info.dirty_cpu,
					t->info.dirty_io };
	unsigned kind, no;

	if (!scope_thread_parse(comm, &kind, &no) || no > count[kind])
		return 0;
	return (uint64_t)(first[kind] + no) << 1 | (kind != 0);
}

static int note(void *arg, pid_t tid, const char *comm)
{
	struct scope_target *t = arg;

	if (t->info.pidns.ino)
		tid = scope_place_tid(t->info.pid, tid);
	return tid ? scope_map_put(t->threads, (uint64_t)tid, number(t, comm)) :
		     0;
}

int scope_target_load_threads(struct scope_target *t)
{
	int r;

	if (!t->threads)
		t->threads = scope_map_new(THREADS_MAX);
	if (!t->threads)
		return -ENOMEM;
	scope_map_clear(t->threads);
	r = scope_procfs_threads(t->info.pid, note, t);
	return r == -ENOSPC ? 0 : r;
}

unsigned scope_target_scheduler(struct scope_target *t, uint32_t tid,
				bool *ret_dirty)
{
	uint64_t v = 0;
	char comm[32];

	if (!tid || scope_map_get(t->threads, tid, &v))
		goto known;
	if (!t->info.pidns.ino) {
		if (scope_procfs_comm(t->info.pid, (pid_t)tid, comm,
				      sizeof(comm)) < 0)
			goto known;
		v = number(t, comm);
	} else if (t->rescans < RESCANS_MAX) {
		t->rescans++;
		(void)scope_procfs_threads(t->info.pid, note, t);
		(void)scope_map_get(t->threads, tid, &v);
	}
	(void)scope_map_put(t->threads, tid, v);
known:
	if (ret_dirty)
		*ret_dirty = v & 1;
	return (unsigned)(v >> 1);
}

uint64_t scope_target_scheduler_data(const struct scope_target *t,
				     unsigned kind, unsigned no)
{
	static const char *const names[KINDS] = {
		"erts_aligned_scheduler_data",
		"erts_aligned_dirty_cpu_scheduler_data",
		"erts_aligned_dirty_io_scheduler_data",
	};
	const struct scope_layout *l = t->vm.layout;
	uint64_t at = kind < KINDS ? scope_target_address(t, names[kind]) : 0;
	uint64_t first, addr, is = 0;

	if (!at || !no ||
	    scope_target_read((void *)(uintptr_t)t, at, &first, 8) < 0)
		return 0;
	addr = first + (uint64_t)(no - 1) * l->s_stride;
	if (scope_target_read((void *)(uintptr_t)t,
			      addr + (kind ? l->s_dirty_no : l->s_no), &is,
			      8) < 0 ||
	    is != no)
		return 0;
	return addr;
}
