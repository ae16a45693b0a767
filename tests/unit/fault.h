/* SPDX-License-Identifier: MIT */
/*
 * fault: allocations that fail on demand. Every unit test is linked with it,
 * and with --wrap for malloc, calloc and realloc.
 */
#ifndef SCOPE_TESTS_FAULT_H
#define SCOPE_TESTS_FAULT_H

/* The allocation that fails, counted from the next one (0); then, and when it
 * is negative, none does. */
extern long fault_in;

#endif
