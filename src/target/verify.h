/* SPDX-License-Identifier: MIT */
/*
 * verify: does a layout table describe this node?
 *
 * Checked: the first atoms; every process seen (its id is a pid and leads
 *          back to it; heap <= htop <= stop <= hend, and the size agrees); a
 *          process named init that runs erl_init:start/2; the roots of their
 *          links; the schedulers'
 *          numbers at their stride; the offsets that the JIT's own code uses.
 * Errors:  -EAGAIN the node has not come up so far; -ENOTSUP the layout does
 *          not fit, with words; -EFAULT -ESRCH -ENOMEM.
 */
#ifndef SCOPE_TARGET_VERIFY_H
#define SCOPE_TARGET_VERIFY_H

#include "target/target.h"

int scope_target_verify(struct scope_target *t, struct scope_err *err);

/* The last of these checks alone, in verify_jit.c: 0 also where the code is
 * not found; -ENOTSUP -ENOMEM. */
int scope_target_verify_jit(struct scope_target *t);

#endif
