/* SPDX-License-Identifier: MIT */
/*
 * count: how often a node comes by its probe sites, with programs that do
 * nothing but count: the cheapest way to see what watching would cost.
 *
 * Errors:  with words, as attaching: -EPERM -ENOTSUP -ESRCH.
 * Threads: one; it waits.
 */
#ifndef SCOPE_PROBE_COUNT_H
#define SCOPE_PROBE_COUNT_H

#include "base/err.h"
#include "probe/catalogue.h"
#include "target/target.h"

/* Count hits of those sites that need one of the kinds, for so long. Pairs are
 * counted at their entry alone. hits: one for each site, 0 where it was not
 * counted. *ret_ns: how long it was in the end. */
int scope_count_hits(struct scope_target *t, const struct scope_sites *sites,
		     scope_kindset kinds, uint64_t for_ns, uint64_t *hits,
		     uint64_t *ret_ns, struct scope_err *err);

#endif
