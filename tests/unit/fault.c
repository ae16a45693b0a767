/* SPDX-License-Identifier: MIT */
#include "fault.h"

#include <stdbool.h>
#include <stddef.h>

long fault_in = -1;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static bool fails(void)
{
	return __atomic_load_n(&fault_in, __ATOMIC_RELAXED) >= 0 &&
	       __atomic_fetch_sub(&fault_in, 1, __ATOMIC_RELAXED) == 0;
}

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}
