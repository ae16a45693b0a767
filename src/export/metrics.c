/* SPDX-License-Identifier: MIT */
#include "export/metrics.h"

#include <string.h>

#define NS_PER_S UINT64_C(1000000000)
#define THOUSAND 1000u
#define MILLION 1000000u

struct nodes {
	const struct scope_metrics *const *node;
	size_t n;
	struct scope_buf *out;
};

static void head(struct nodes *s, const char *name, const char *type,
		 const char *help)
{
	scope_buf_printf(s->out, "# HELP %s %s\n# TYPE %s %s\n", name, help,
			 name, type);
}

/* The value of a label: what is in quotes. */
static void put_text(struct scope_buf *out, const char *text, size_t cap)
{
	for (size_t i = 0; i < cap && text[i]; i++) {
		if (text[i] == '\n') {
			scope_buf_lit(out, "\\n");
			continue;
		}
		if (text[i] == '"' || text[i] == '\\')
			scope_buf_char(out, '\\');
		scope_buf_char(out, text[i]);
	}
}

static bool is_attached(const struct scope_metrics *m)
{
	return __atomic_load_n(&m->attached_ns, __ATOMIC_ACQUIRE) != 0;
}

/* Up to the closing brace; more labels may follow. */
static void labels(struct nodes *s, const char *name,
		   const struct scope_metrics *m)
{
	scope_buf_puts(s->out, name);
	scope_buf_lit(s->out, "{node=\"");
	put_text(s->out, m->node, sizeof(m->node));
	scope_buf_lit(s->out, "\",os_pid=\"");
	scope_buf_u64(s->out, scope_metrics_get(m->os_pid));
	scope_buf_char(s->out, '"');
	if (m->container[0]) {
		scope_buf_lit(s->out, ",container=\"");
		put_text(s->out, m->container, sizeof(m->container));
		scope_buf_char(s->out, '"');
	}
	if (m->pod[0]) {
		scope_buf_lit(s->out, ",pod_uid=\"");
		put_text(s->out, m->pod, sizeof(m->pod));
		scope_buf_char(s->out, '"');
	}
}

static void put_value(struct nodes *s, uint64_t v)
{
	scope_buf_lit(s->out, "} ");
	scope_buf_u64(s->out, v);
	scope_buf_char(s->out, '\n');
}

static void put_seconds(struct nodes *s, uint64_t ns)
{
	scope_buf_printf(s->out, "} %llu.%09llu\n",
			 (unsigned long long)(ns / NS_PER_S),
			 (unsigned long long)(ns % NS_PER_S));
}

/* One number of each node, `at` bytes into its metrics. */
static void put_numbers(struct nodes *s, const char *name, const char *type,
			const char *help, size_t at, bool is_ns)
{
	head(s, name, type, help);
	for (size_t i = 0; i < s->n; i++) {
		const struct scope_metrics *m = s->node[i];
		uint64_t v = __atomic_load_n(
			(const uint64_t *)(const void *)((const char *)m + at),
			__ATOMIC_RELAXED);

		if (!is_attached(m) || v == SCOPE_METRICS_UNKNOWN)
			continue;
		labels(s, name, m);
		if (is_ns)
			put_seconds(s, v);
		else
			put_value(s, v);
	}
}

static void put_kinds(struct nodes *s, const char *name, const char *help,
		      size_t at)
{
	head(s, name, "counter", help);
	for (size_t i = 0; i < s->n; i++) {
		const struct scope_metrics *m = s->node[i];
		const uint64_t *v =
			(const uint64_t *)(const void *)((const char *)m + at);

		for (unsigned k = 1; k < SCOPE_KIND_MAX; k++) {
			uint64_t n = __atomic_load_n(&v[k], __ATOMIC_RELAXED);

			if (!n || !scope_kind_info(k)->name || !is_attached(m))
				continue;
			labels(s, name, m);
			scope_buf_printf(s->out, ",kind=\"%s\"",
					 scope_kind_info(k)->name);
			put_value(s, n);
		}
	}
}

static void put_lost(struct nodes *s)
{
	static const char name[] = "scope_bpf_events_lost_total";

	head(s, name, "counter", "Events that were seen and not put out.");
	for (size_t i = 0; i < s->n; i++) {
		const struct scope_metrics *m = s->node[i];

		for (unsigned c = 0; c < SCOPE_LOSS_MAX; c++)
			for (unsigned k = 0; k < SCOPE_KIND_MAX; k++) {
				uint64_t n = scope_metrics_get(m->lost[c][k]);
				const char *kind = scope_kind_info(k)->name;

				if (!n || !is_attached(m))
					continue;
				labels(s, name, m);
				scope_buf_printf(
					s->out, ",kind=\"%s\",cause=\"%s\"",
					kind ? kind : "unknown",
					scope_loss_name((enum scope_loss)c));
				put_value(s, n);
			}
	}
}

/* thousandths or millionths */
static void put_share(struct nodes *s, uint64_t v, unsigned of)
{
	scope_buf_printf(s->out, "} %.6f\n", (double)v / of);
}

static void put_shares(struct nodes *s, const char *name, const char *help,
		       size_t at, unsigned of)
{
	head(s, name, "gauge", help);
	for (size_t i = 0; i < s->n; i++) {
		const struct scope_metrics *m = s->node[i];
		uint64_t v = __atomic_load_n(
			(const uint64_t *)(const void *)((const char *)m + at),
			__ATOMIC_RELAXED);

		if (!is_attached(m) ||
		    scope_metrics_get(m->budget) == SCOPE_METRICS_UNKNOWN)
			continue;
		labels(s, name, m);
		put_share(s, v, of);
	}
}

static void put_groups(struct nodes *s, const char *name, const char *help,
		       bool is_part)
{
	head(s, name, "gauge", help);
	for (size_t i = 0; i < s->n; i++) {
		const struct scope_metrics *m = s->node[i];

		if (!is_attached(m) ||
		    scope_metrics_get(m->budget) == SCOPE_METRICS_UNKNOWN)
			continue;
		for (unsigned g = 0; g < SCOPE_GROUP_MAX; g++) {
			uint64_t on = scope_metrics_get(m->group[g].on);

			if (on == SCOPE_METRICS_UNKNOWN)
				continue;
			labels(s, name, m);
			scope_buf_printf(s->out, ",group=\"%.*s\"",
					 (int)sizeof(m->group[g].name),
					 m->group[g].name);
			if (is_part)
				put_share(s,
					  scope_metrics_get(
						  m->group[g].part_on),
					  MILLION);
			else
				put_value(s, on);
		}
	}
}

static void put_up(struct nodes *s)
{
	head(s, "scope_bpf_up", "gauge", "1: the node is being watched.");
	for (size_t i = 0; i < s->n; i++) {
		labels(s, "scope_bpf_up", s->node[i]);
		if (s->node[i]->otp[0]) {
			scope_buf_lit(s->out, ",otp=\"");
			put_text(s->out, s->node[i]->otp,
				 sizeof(s->node[i]->otp));
			scope_buf_char(s->out, '"');
		}
		put_value(s, is_attached(s->node[i]));
	}
}

#define AT(field) offsetof(struct scope_metrics, field)

/* Numbers of one family, told apart by a label. */
struct part {
	const char *value;
	size_t at;
};

static void put_parts(struct nodes *s, const char *name, const char *help,
		      const char *label, const struct part *parts, size_t n)
{
	head(s, name, "gauge", help);
	for (size_t i = 0; i < s->n; i++) {
		const struct scope_metrics *m = s->node[i];

		for (size_t k = 0; k < n; k++) {
			uint64_t v = __atomic_load_n(
				(const uint64_t *)(const void *)((const char *)m +
								 parts[k].at),
				__ATOMIC_RELAXED);

			if (!is_attached(m) || v == SCOPE_METRICS_UNKNOWN)
				continue;
			labels(s, name, m);
			scope_buf_printf(s->out, ",%s=\"%s\"", label,
					 parts[k].value);
			put_value(s, v);
		}
	}
}

static void put_state(struct nodes *s)
{
	static const struct part queues[] = {
		{ "normal", AT(run_queue[0]) },
		{ "dirty_cpu", AT(run_queue[1]) },
		{ "dirty_io", AT(run_queue[2]) },
	};
	static const struct part memory[] = {
		{ "total", AT(memory_total) },
		{ "processes", AT(memory_processes) },
		{ "processes_used", AT(memory_processes_used) },
		{ "system", AT(memory_system) },
		{ "binary", AT(memory_binary) },
		{ "ets", AT(memory_ets) },
	};

	put_parts(s, "beam_run_queue_length",
		  "Processes and ports that wait for a scheduler of the kind.",
		  "schedulers", queues, sizeof(queues) / sizeof(*queues));
	put_parts(s, "beam_memory_bytes",
		  "Memory in use, as erlang:memory/0 counts it: processes and "
		  "system are the total, the others are parts of them.",
		  "type", memory, sizeof(memory) / sizeof(*memory));
}

void scope_metrics_put(const struct scope_metrics *const *nodes, size_t n,
		       struct scope_buf *out)
{
	struct nodes s = { .node = nodes, .n = n, .out = out };

	put_up(&s);
	put_kinds(&s, "scope_bpf_events_emitted_total",
		  "Events that the probes saw.", AT(emitted));
	put_kinds(&s, "scope_bpf_events_delivered_total",
		  "Events that were put out.", AT(delivered));
	put_lost(&s);
	put_kinds(&s, "scope_bpf_events_sampled_total",
		  "Events left out by intention.", AT(sampled));
	put_kinds(&s, "scope_bpf_events_missed_total",
		  "Events while probes were off for the budget, estimated.",
		  AT(missed));
	put_shares(&s, "scope_bpf_budget_ratio",
		   "Of the node's CPU time that tracing may take.", AT(budget),
		   MILLION);
	put_shares(&s, "scope_bpf_cost_ratio",
		   "Of the node's CPU time that tracing took lately.", AT(cost),
		   MILLION);
	put_shares(&s, "scope_bpf_cost_factor",
		   "What a probe costs, by what was measured of it on this host.",
		   AT(cost_factor), THOUSAND);
	put_groups(&s, "scope_bpf_group_on",
		   "1: the probes of the group are on; 0: off for the budget.",
		   false);
	put_groups(&s, "scope_bpf_group_on_ratio",
		   "Of the last half minute that the group was on.", true);
	put_numbers(&s, "scope_bpf_events_late_total", "counter",
		    "Events that came too late to be put in order.", AT(late),
		    false);
	put_numbers(&s, "scope_bpf_collector_cpu_seconds_total", "counter",
		    "CPU time of the observer itself.", AT(cpu_ns), true);
	put_numbers(&s, "scope_bpf_collector_resident_memory_bytes", "gauge",
		    "Memory of the observer itself.", AT(resident_bytes),
		    false);
	put_numbers(&s, "beam_cpu_seconds_total", "counter",
		    "CPU time of the node.", AT(node_cpu_ns), true);
	put_numbers(&s, "beam_resident_memory_bytes", "gauge",
		    "Resident memory of the node.", AT(node_resident_bytes),
		    false);
	put_numbers(&s, "beam_processes", "gauge", "Erlang processes alive.",
		    AT(processes), false);
	put_numbers(&s, "beam_process_limit", "gauge",
		    "Erlang processes at most.", AT(process_limit), false);
	put_numbers(&s, "beam_ports", "gauge", "Ports open.", AT(ports), false);
	put_numbers(&s, "beam_port_limit", "gauge", "Ports at most.",
		    AT(port_limit), false);
	put_numbers(&s, "beam_atoms", "gauge", "Atoms in the atom table.",
		    AT(atoms), false);
	put_numbers(&s, "beam_atom_limit", "gauge", "Atoms at most.",
		    AT(atom_limit), false);
	put_numbers(&s, "beam_schedulers", "gauge", "Schedulers, dirty ones aside.",
		    AT(schedulers), false);
	put_numbers(&s, "beam_ets_tables", "gauge", "ETS tables.",
		    AT(ets_tables), false);
	put_state(&s);
}
