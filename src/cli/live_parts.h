/* SPDX-License-Identifier: MIT */
/*
 * live_parts: what the default command opens before it gives up its rights,
 * whether it watches one node or many.
 *
 * Errors:  with words in err.
 */
#ifndef SCOPE_CLI_LIVE_PARTS_H
#define SCOPE_CLI_LIVE_PARTS_H

#include "cli/health.h"
#include "cli/live_conf.h"

/* What --to names; *ret_writer stays as it is without. */
int scope_live_writer(const struct scope_live_conf *c,
		      struct scope_writer **ret_writer, struct scope_err *err);
/* For --listen, with room for n nodes; the same. */
int scope_live_health(const struct scope_live_conf *c, size_t n,
		      struct scope_health **ret_health, struct scope_err *err);
/* Begin to answer, and say where. */
int scope_live_serve(const struct scope_live_conf *c,
		     struct scope_health *health, struct scope_err *err);

#endif
