/* SPDX-License-Identifier: MIT */
/*
 * offcpu: for how long processes wait, and where and for what: from stacks of
 * those that are left, and the moments in which they are taken up.
 *
 * Limits:  SCOPE_OFFCPU_MAX processes that wait at once; more are refused, and
 *          counted.
 * Threads: one owner.
 */
#ifndef SCOPE_PIPELINE_OFFCPU_H
#define SCOPE_PIPELINE_OFFCPU_H

#include "pipeline/sampler.h"

#define SCOPE_OFFCPU_MAX (1u << 20)

struct scope_offcpu;

/* The profile is borrowed: each wait that has ended is added to it. */
struct scope_offcpu *scope_offcpu_new(struct scope_profile *p);
void scope_offcpu_free(struct scope_offcpu *w);
SCOPE_AUTO(scope_offcpu)

/* A process that is left, of which the wait is wanted; one that is taken up. */
int scope_offcpu_take(struct scope_offcpu *w, const struct scope_sampled *s);
/* Processes that still wait have waited until then. */
void scope_offcpu_finish(struct scope_offcpu *w, uint64_t now_ns);
/* Waits that could not be kept. */
uint64_t scope_offcpu_refused(const struct scope_offcpu *w);

#endif
