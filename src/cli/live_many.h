/* SPDX-License-Identifier: MIT */
/* live_many: the default command with --discover. */
#ifndef SCOPE_CLI_LIVE_MANY_H
#define SCOPE_CLI_LIVE_MANY_H

#include "cli/live_conf.h"
#include "export/metrics.h"

/* watch: what watches one node, in a process of its own; metrics: those to keep
 * up to date, or NULL. Returns an exit status, as it does. */
int scope_live_many(const struct scope_live_conf *c,
		    int (*watch)(const struct scope_live_conf *c,
				 struct scope_metrics *metrics,
				 struct scope_err *err),
		    struct scope_err *err);

#endif
