/* SPDX-License-Identifier: MIT */
/*
 * meter: the metrics of a run, brought up to date while it goes on.
 *
 * Threads: the run's own; readers are anywhere (export/metrics.h).
 */
#ifndef SCOPE_PIPELINE_METER_H
#define SCOPE_PIPELINE_METER_H

#include "export/metrics.h"
#include "pipeline/budget.h"
#include "pipeline/run.h"
#include "probe/probe.h"

/* What there is to read from; all borrowed. */
struct scope_meter {
	struct scope_target *target;
	const struct scope_probe *probe;
	const struct scope_run_totals *totals; /* without the kernel's part */
	scope_kindset kinds;		       /* that were asked for */
	const uint64_t *out_of_set;	       /* by kind: not to be counted */
	struct scope_budget *budget;	       /* NULL: no limit */
	uint64_t late;
};

/* Who the node is; from then on it counts as attached. */
void scope_meter_begin(struct scope_target *t, struct scope_metrics *m);
void scope_meter_update(const struct scope_meter *from,
			struct scope_metrics *m);
void scope_meter_end(struct scope_metrics *m);

#endif
