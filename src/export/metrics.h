/* SPDX-License-Identifier: MIT */
/*
 * metrics: what is known of one watched node, as numbers, and its text for
 * Prometheus.
 *
 * Shapes:  a scope_metrics is plain memory without pointers, so that it can be
 *          shared between processes: one run writes it, every quarter of a
 *          second, anybody reads. Texts are set before attached_ns is, and
 *          never change after.
 * Units:   as the names say; times are CLOCK_MONOTONIC. Totals only rise.
 * Threads: numbers are stored and loaded one by one, relaxed: those of one
 *          moment may differ from each other by an event or two.
 * Text:    the Prometheus text format 0.0.4; names after its conventions, and
 *          after OpenTelemetry's where there is one.
 */
#ifndef SCOPE_EXPORT_METRICS_H
#define SCOPE_EXPORT_METRICS_H

#include "base/buf.h"
#include "scope/site.h"
#include "wire/event.h"

#define SCOPE_METRICS_UNKNOWN UINT64_MAX /* can't be read: not shown */

struct scope_metrics {
	uint64_t attached_ns; /* 0: not attached (any more) */
	uint64_t updated_ns;
	uint64_t os_pid;
	char node[256];
	char otp[16];
	char container[80]; /* "": none */
	char pod[48];

	uint64_t emitted[SCOPE_KIND_MAX];
	uint64_t delivered[SCOPE_KIND_MAX];
	uint64_t lost[SCOPE_LOSS_MAX][SCOPE_KIND_MAX];
	uint64_t sampled[SCOPE_KIND_MAX];

	/* What tracing may take of the node's CPU time, and does: millionths;
	 * budget SCOPE_METRICS_UNKNOWN: there is no limit, nor what follows. */
	uint64_t budget, cost;
	uint64_t cost_factor; /* thousandths: of what is calibrated */
	uint64_t missed[SCOPE_KIND_MAX]; /* while probes were off: estimated */
	struct {
		char name[12];
		uint64_t on;	  /* 0 or 1; SCOPE_METRICS_UNKNOWN: no probes */
		uint64_t part_on; /* of the time, lately: millionths */
	} group[SCOPE_GROUP_MAX];

	/* the observer itself */
	uint64_t cpu_ns;
	uint64_t resident_bytes;
	uint64_t late; /* events that came too late to be put in order */

	/* the node, from outside */
	uint64_t node_cpu_ns;
	uint64_t node_resident_bytes;
	uint64_t node_started_ns; /* since boot */
	uint64_t processes, process_limit;
	uint64_t ports, port_limit;
	uint64_t atoms, atom_limit;
	uint64_t schedulers;
	uint64_t ets_tables;
	uint64_t run_queue[3]; /* normal, dirty CPU, dirty I/O */
	/* as erlang:memory/0 says it, bytes */
	uint64_t memory_total, memory_processes, memory_processes_used;
	uint64_t memory_system, memory_binary, memory_ets;
};

#define scope_metrics_set(field, v) \
	__atomic_store_n(&(field), (uint64_t)(v), __ATOMIC_RELAXED)
#define scope_metrics_get(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)

/* Append the text of n nodes; those that are not attached only say so. */
void scope_metrics_put(const struct scope_metrics *const *nodes, size_t n,
		       struct scope_buf *out);

#endif
