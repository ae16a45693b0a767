/* SPDX-License-Identifier: MIT */
/*
 * report: the events that a stream tells of itself: what is attached, what the
 * output lost, the totals.
 *
 * Memory:  the events borrow the text in the scope_report.
 * Threads: plain data.
 */
#ifndef SCOPE_PIPELINE_REPORT_H
#define SCOPE_PIPELINE_REPORT_H

#include "pipeline/run.h"
#include "probe/probe.h"

struct scope_report {
	char a[8192], b[8192], c[8192], d[2048], e[4096], f[4096], g[65536];
};

void scope_report_plain(struct scope_event *ev, enum scope_kind kind,
			uint64_t now_ns, int64_t wall_offset_ns);
void scope_report_output_loss(struct scope_event *ev, enum scope_loss cause,
			      unsigned of,
			      uint64_t count, uint64_t since_ns,
			      uint64_t now_ns, int64_t wall_offset_ns);
void scope_report_attach(struct scope_report *r, struct scope_event *ev,
			 struct scope_target *t, struct scope_probe *p,
			 scope_kindset wanted, uint64_t now_ns,
			 int64_t wall_offset_ns);
struct scope_trace;
/* trace: NULL: no breakpoints; late: records that came out of order; cpu_ns: of the reader thread. */
void scope_report_summary(struct scope_report *r, struct scope_event *ev,
			  const struct scope_run_totals *totals,
			  const struct scope_trace *trace, uint64_t late,
			  uint64_t cpu_ns, uint64_t now_ns,
			  int64_t wall_offset_ns);

#endif
