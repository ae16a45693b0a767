/* SPDX-License-Identifier: MIT */
#include "pipeline/meter.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"
#include "target/memory.h"
#include "target/procfs.h"

#define GAUGES_EVERY_NS UINT64_C(1000000000)

static uint64_t own_cpu_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t own_resident_bytes(void)
{
	char text[128];
	unsigned long pages;

	if (scope_procfs_read("/proc/self/statm", text, sizeof(text)) <= 0 ||
	    sscanf(text, "%*u %lu", &pages) != 1)
		return SCOPE_METRICS_UNKNOWN;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void copy_text(char *to, size_t cap, const char *from)
{
	(void)snprintf(to, cap, "%s", from);
}

void scope_meter_begin(struct scope_target *t, struct scope_metrics *m)
{
	const struct scope_target_info *info = scope_target_info(t);

	copy_text(m->node, sizeof(m->node), info->node);
	copy_text(m->otp, sizeof(m->otp), info->otp);
	copy_text(m->container, sizeof(m->container), info->place->container);
	copy_text(m->pod, sizeof(m->pod), info->place->pod);
	scope_metrics_set(m->os_pid, info->pid);
	scope_metrics_set(m->schedulers, info->schedulers);
	scope_metrics_set(m->budget, SCOPE_METRICS_UNKNOWN);
	for (unsigned g = 0; g < SCOPE_GROUP_MAX; g++)
		copy_text(m->group[g].name, sizeof(m->group[g].name),
			  scope_budget_group_name(g));
	__atomic_store_n(&m->attached_ns, scope_now_ns(), __ATOMIC_RELEASE);
}

void scope_meter_end(struct scope_metrics *m)
{
	__atomic_store_n(&m->attached_ns, 0, __ATOMIC_RELEASE);
}

static void put_memory(const struct scope_meter *from, struct scope_metrics *m)
{
	const uint64_t no = SCOPE_METRICS_UNKNOWN;
	struct scope_memory now = { no, no, no, no, no, no, no, no, no,
				    .why = NULL };

	/* What can't be read stays unknown. */
	(void)scope_target_memory(from->target, &now);
	scope_metrics_set(m->memory_total, now.total);
	scope_metrics_set(m->memory_processes, now.processes);
	scope_metrics_set(m->memory_processes_used, now.processes_used);
	scope_metrics_set(m->memory_system, now.system);
	scope_metrics_set(m->memory_binary, now.binary);
	scope_metrics_set(m->memory_ets, now.ets);
}

static void put_gauges(const struct scope_meter *from, struct scope_metrics *m)
{
	struct scope_gauges g;

	scope_target_gauges(from->target, &g);
	scope_metrics_set(m->lost[SCOPE_LOSS_KERNEL][SCOPE_KIND_NONE],
			  scope_probe_missed(from->probe));
	scope_metrics_set(m->processes, g.processes);
	scope_metrics_set(m->process_limit, g.process_limit);
	scope_metrics_set(m->ports, g.ports);
	scope_metrics_set(m->port_limit, g.port_limit);
	scope_metrics_set(m->atoms, g.atoms);
	scope_metrics_set(m->atom_limit, g.atom_limit);
	scope_metrics_set(m->ets_tables, g.ets_tables);
	for (unsigned i = 0; i < 3; i++)
		scope_metrics_set(m->run_queue[i], g.run_queue[i]);
	put_memory(from, m);
	scope_metrics_set(m->node_cpu_ns, g.cpu_ns);
	scope_metrics_set(m->node_resident_bytes, g.resident_bytes);
	scope_metrics_set(m->node_started_ns, g.started_ns);
	scope_metrics_set(m->cpu_ns, own_cpu_ns());
	scope_metrics_set(m->resident_bytes, own_resident_bytes());
}

/* The kernel's counters of all CPUs, and our own, of one kind. */
static void put_kind(const struct scope_meter *from, struct scope_metrics *m,
		     unsigned k)
{
	uint64_t emitted = from->totals->emitted[k] - from->out_of_set[k];
	uint64_t sampled = from->totals->sampled[k];
	uint64_t lost[SCOPE_LOSS_MAX];

	for (unsigned i = 0; i < SCOPE_LOSS_MAX; i++)
		lost[i] = from->totals->lost[i][k];
	for (unsigned cpu = 0;
	     SCOPE_KIND_IS_WIRE(k) && cpu < scope_probe_cpus(from->probe);
	     cpu++) {
		const struct scope_counters *c =
			scope_probe_counters(from->probe, cpu);

		emitted += scope_metrics_get(c->emitted[k]);
		sampled += scope_metrics_get(c->sampled[k]);
		for (unsigned i = 0; i < SCOPE_LOSS_MAX; i++)
			lost[i] += scope_metrics_get(c->lost[i][k]);
	}
	scope_metrics_set(m->emitted[k], emitted);
	scope_metrics_set(m->sampled[k], sampled);
	scope_metrics_set(m->delivered[k], from->totals->delivered[k]);
	for (unsigned i = 0; i < SCOPE_LOSS_MAX; i++)
		scope_metrics_set(m->lost[i][k], lost[i]);
}

static void put_budget(const struct scope_meter *from, struct scope_metrics *m)
{
	struct scope_budget_now now;

	scope_budget_look(from->budget, &now);
	for (unsigned g = 0; g < SCOPE_GROUP_MAX; g++) {
		scope_metrics_set(m->group[g].part_on,
				  now.group[g].part_on * SCOPE_MILLION);
		scope_metrics_set(m->group[g].on,
				  now.group[g].is_there ?
					  now.group[g].is_on :
					  SCOPE_METRICS_UNKNOWN);
	}
	for (unsigned k = 0; k < SCOPE_KIND_MAX; k++)
		scope_metrics_set(m->missed[k], from->totals->missed[k]);
	scope_metrics_set(m->cost, now.cost * SCOPE_MILLION);
	scope_metrics_set(m->cost_factor, now.factor * 1000);
	scope_metrics_set(m->budget, now.share * SCOPE_MILLION + 0.5);
}

void scope_meter_update(const struct scope_meter *from, struct scope_metrics *m)
{
	uint64_t now = scope_now_ns();

	for (unsigned k = 0; k < SCOPE_KIND_MAX; k++)
		if (!SCOPE_KIND_IS_WIRE(k) || ((from->kinds >> k) & 1))
			put_kind(from, m, k);
	scope_metrics_set(m->late, from->late);
	if (from->budget)
		put_budget(from, m);
	if (now - m->updated_ns >= GAUGES_EVERY_NS) {
		put_gauges(from, m);
		scope_metrics_set(m->updated_ns, now);
	}
}
