/* SPDX-License-Identifier: MIT */
/*
 * run: watch one node until it ends, a deadline passes or somebody says stop:
 * attach, drain, order, decode, hand every event to a sink, detach.
 *
 * Shapes:  the sink sees proc.info and node.attach first, then events in order
 *          of time, `loss` events in their place, node.exit when the node
 *          ended, and a `summary` last.
 * Errors:  those of target.h and probe.h, with words in err.
 * Threads: scope_run blocks; it runs a reader thread of its own. The sink is
 *          called from the calling thread only. scope_run_stop may be called
 *          from any thread and from signal handlers.
 */
#ifndef SCOPE_PIPELINE_RUN_H
#define SCOPE_PIPELINE_RUN_H

#include "base/err.h"
#include "export/metrics.h"
#include "pipeline/reader.h"
#include "probe/catalogue.h"
#include "target/target.h"
#include "wire/event.h"

struct scope_calibrator;
struct scope_trace_opts;
struct scope_trace;

struct scope_run_opts {
	scope_kindset kinds;	/* what to deliver */
	unsigned term_words;	/* budget of a term; 0: no contents */
	size_t buffer_bytes;	/* of all kernel buffers together */
	enum scope_transport transport;
	double sample; /* share of conversations to keep; 0: all */
	enum scope_overflow overflow; /* see reader.h */
	double budget; /* share of the node's CPU time; 0: no limit */
	enum scope_from from;	/* sources of events */
	uint64_t duration_ns;	/* 0: until stopped */
	const char *const *processes; /* pids "<0.1.0>" or names; NULL-ended */
	struct scope_calibrator *calibrator; /* see probe.h; borrowed; or NULL */
	/* Trace calls by breakpoints, which kind `call` is then; NULL: none. */
	const struct scope_trace_opts *trace;
	/* It is over: its figures. May be NULL. */
	void (*traced)(void *arg, const struct scope_trace *trace);
	void *traced_arg;
	unsigned tick_ms;	/* how often the sink's tick is called; 0: 250 */
	struct scope_metrics *metrics; /* kept up to date; NULL: none */
	/* Progress for people, one line, no newline; may be NULL. */
	void (*progress)(void *arg, const char *text);
	void *progress_arg;
};

struct scope_run_totals {
	uint64_t emitted[SCOPE_KIND_MAX];
	uint64_t delivered[SCOPE_KIND_MAX];
	uint64_t lost[SCOPE_LOSS_MAX][SCOPE_KIND_MAX];
	uint64_t lost_all; /* sum of lost */
	uint64_t sampled[SCOPE_KIND_MAX]; /* left out by intention */
	/* With a budget: events while probes were off, estimated; what tracing
	 * cost, as a share, and by how much more than calibrated. */
	uint64_t missed[SCOPE_KIND_MAX];
	double cost, factor;
	bool node_ended;
};

int scope_run(struct scope_target *t, const struct scope_run_opts *opts,
	      struct scope_sink *sink, struct scope_run_totals *ret_totals,
	      struct scope_err *err);

/* Make a running scope_run return soon, or the next one at once. */
void scope_run_stop(void);
/* In a process that was forked: a stop of its own, whatever became of the
 * descriptors that it inherited. 0, or -errno. */
int scope_run_renew(void);

#endif
