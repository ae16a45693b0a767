/* SPDX-License-Identifier: MIT */
/* Numbers about a node, read from its memory and from /proc. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "target/ets.h"
#include "target/procfs.h"
#include "target/schedulers.h"
#include "target/target_int.h"

#define NS_PER_S UINT64_C(1000000000)
/* IndexTable.limit stands before .entries (index.h, OTP 23 to 29). */
#define LIMIT_BEFORE_ENTRIES 4

static uint64_t half_at(struct scope_target *t, uint64_t addr)
{
	uint32_t v;

	if (!addr || scope_target_read(t, addr, &v, sizeof(v)) < 0)
		return SCOPE_GAUGE_UNKNOWN;
	return v;
}

/* Field `n` of /proc/PID/stat, counted from 3, the one after the name. */
static bool stat_field(const char *stat, unsigned n, uint64_t *ret)
{
	const char *at = strrchr(stat, ')');

	for (unsigned i = 2; at && i < n; i++)
		at = strchr(at + 1, ' ');
	if (!at)
		return false;
	*ret = strtoull(at + 1, NULL, 10);
	return true;
}

static uint64_t ticks_to_ns(uint64_t ticks)
{
	long hz = sysconf(_SC_CLK_TCK);

	return hz > 0 ? ticks * (NS_PER_S / (uint64_t)hz) : 0;
}

static void read_queues(struct scope_target *t, uint64_t sums[3])
{
	scope_auto(scope_schedulers) s = NULL;

	sums[0] = sums[1] = sums[2] = SCOPE_GAUGE_UNKNOWN;
	if (scope_target_run_queues(t, &s) < 0)
		return;
	sums[0] = sums[1] = sums[2] = 0;
	for (size_t i = 0; i < s->nqueues; i++)
		if (s->queues[i].is_readable)
			sums[s->queues[i].type] += s->queues[i].len;
}

void scope_target_gauges(struct scope_target *t, struct scope_gauges *ret)
{
	const struct scope_layout *l = t->vm.layout;
	uint64_t ports = t->info.no_layout ?
				 0 :
				 scope_target_address(t, "erts_port");
	uint64_t user, system, started, v;
	char path[64], text[1024];

	ret->processes = half_at(t, t->table.addr + l->pt_count);
	ret->process_limit = half_at(t, t->table.addr + l->pt_ro + l->t_max);
	ret->ports = half_at(t, ports ? ports + l->pt_count : 0);
	ret->port_limit = half_at(t, ports ? ports + l->pt_ro + l->t_max : 0);
	ret->atoms = half_at(t, t->vm.atom_table + l->at_entries);
	ret->atom_limit = half_at(t, t->vm.atom_table + l->at_entries -
					     LIMIT_BEFORE_ENTRIES);
	ret->ets_tables = scope_target_ets_count(t);
	read_queues(t, ret->run_queue);
	ret->cpu_ns = ret->started_ns = ret->resident_bytes =
		SCOPE_GAUGE_UNKNOWN;
	(void)snprintf(path, sizeof(path), "/proc/%d/stat", t->info.pid);
	if (scope_procfs_read(path, text, sizeof(text)) > 0 &&
	    stat_field(text, 14, &user) && stat_field(text, 15, &system) &&
	    stat_field(text, 22, &started)) {
		ret->cpu_ns = ticks_to_ns(user + system);
		ret->started_ns = ticks_to_ns(started);
	}
	(void)snprintf(path, sizeof(path), "/proc/%d/statm", t->info.pid);
	if (scope_procfs_read(path, text, sizeof(text)) > 0 &&
	    sscanf(text, "%*u %lu", &v) == 1)
		ret->resident_bytes = v * (uint64_t)sysconf(_SC_PAGESIZE);
}
