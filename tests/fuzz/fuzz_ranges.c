/* SPDX-License-Identifier: MIT */
/*
 * The tables of an interpreter's code, in a target's memory that changes.
 *
 * Input:  0  which code index is in use
 *         1  steps, up to STEPS_MAX
 *         2  for each: u8 a value, u16 where it is put
 *            then the memory, from MEMORY on; it begins with the index
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "beam/layout.h"
#include "target/ranges.h"

#define MEMORY 0x10000ull
#define STEPS_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct memory {
	uint8_t *p;
	size_t n;
};

static int read_memory(void *arg, uint64_t addr, void *buf, size_t len)
{
	const struct memory *m = arg;

	if (addr < MEMORY || addr - MEMORY > m->n ||
	    len > m->n - (addr - MEMORY))
		return -EFAULT;
	memcpy(buf, m->p + (addr - MEMORY), len);
	return 0;
}

static void look_around(struct scope_ranges *r, const struct memory *m)
{
	struct scope_mfa f;

	if (scope_ranges_sync(r) < 0)
		return;
	if (scope_ranges_modules(r) > SCOPE_RANGES_MODULES)
		abort();
	for (uint64_t at = 0; at < m->n + 16; at += 4)
		if (scope_ranges_find(r, MEMORY + at, &f) == 0 &&
		    (!scope_is_atom(f.module) || !scope_is_atom(f.function) ||
		     f.arity > 255))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memory m = { 0 };
	const struct scope_vm vm = {
		.layout = scope_layout_of(23),
		.read = read_memory,
		.arg = &m,
	};
	struct scope_ranges *r;
	unsigned steps = size > 1 ? data[1] % (STEPS_MAX + 1) : 0;
	uint64_t tables = MEMORY + 8;

	if (size < 2 + 3 * (size_t)steps || size > 1 << 16)
		return 0;
	m.n = size - 2 - 3 * steps;
	m.p = malloc(m.n + !m.n);
	if (!m.p)
		abort();
	memcpy(m.p, data + size - m.n, m.n);
	if (scope_ranges_locate(&vm, MEMORY, MEMORY + m.n, data[0] % 4,
				&tables) == 0 &&
	    (tables < MEMORY || tables + 96 > MEMORY + m.n))
		abort();
	r = scope_ranges_new(&vm, tables, MEMORY);
	if (!r)
		abort();
	look_around(r, &m);
	for (unsigned i = 0; i < steps; i++) {
		const uint8_t *s = data + 2 + 3 * i;

		if (m.n)
			m.p[(s[1] | (size_t)s[2] << 8) % m.n] = s[0];
		look_around(r, &m);
	}
	scope_ranges_free(r);
	free(m.p);
	return 0;
}
