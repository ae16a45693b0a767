/* SPDX-License-Identifier: MIT */
/*
 * stack_hung: why a node does not answer, from two looks at its schedulers and
 * one at who waits for whom.
 */
#ifndef SCOPE_CLI_STACK_HUNG_H
#define SCOPE_CLI_STACK_HUNG_H

#include "cli/stack.h"

/* Look, and print. */
int scope_stack_hung(struct scope_stack_printer *p, FILE *out,
		     struct scope_err *err);

#endif
