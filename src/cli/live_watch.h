/* SPDX-License-Identifier: MIT */
/*
 * live_watch: watch one node as it was asked for: the way from options to an
 * exit status, for the default command and for those that are like it.
 *
 * Errors:  it says on stderr itself what is wrong.
 */
#ifndef SCOPE_CLI_LIVE_WATCH_H
#define SCOPE_CLI_LIVE_WATCH_H

#include "cli/live_conf.h"
#include "export/metrics.h"

/* metrics: kept up to date; NULL: none. err: empty. */
int scope_live_watch(const struct scope_live_conf *c,
		     struct scope_metrics *metrics, struct scope_err *err);

#endif
