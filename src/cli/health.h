/* SPDX-License-Identifier: MIT */
/*
 * health: the metrics of the nodes that are watched, and the HTTP server that
 * tells them.
 *
 * Memory:  the metrics lie in memory that processes forked later share.
 * Threads: as export/metrics.h and http/server.h.
 */
#ifndef SCOPE_CLI_HEALTH_H
#define SCOPE_CLI_HEALTH_H

#include "export/metrics.h"
#include "http/server.h"

struct scope_health;

/* Room for n nodes, each on pages of its own. -ENOMEM. */
int scope_health_new(size_t n, struct scope_health **ret_health);
void scope_health_free(struct scope_health *h);
SCOPE_AUTO(scope_health)

/* Of node i, below n. Borrowed. */
struct scope_metrics *scope_health_node(struct scope_health *h, size_t i);

/* The observer itself is alive: say so now and then. Healthy is who said it,
 * or updated a node's metrics, less than 10 s ago. */
void scope_health_beat(struct scope_health *h);

/* Ready, though there may be no node: none is there that is not watched. Who
 * never says so is ready while a node is watched. */
void scope_health_all_is_watched(struct scope_health *h, bool is_so);

/* In a forked process: let go of all but node i's metrics. */
void scope_health_keep(struct scope_health *h, size_t i);

/* Take the address, and then begin to serve: scope_http_new and _start. */
int scope_health_listen(struct scope_health *h, const char *address,
			const char *token_file, struct scope_err *err);
int scope_health_start(struct scope_health *h, struct scope_err *err);
/* Where; NULL: it does not. */
const char *scope_health_where(const struct scope_health *h);

#endif
