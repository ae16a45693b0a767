/* SPDX-License-Identifier: MIT */
/*
 * Debug information of the JIT, in a target's memory that changes.
 *
 * Input:  0  steps, up to STEPS_MAX
 *         1  for each: u8 what to do, u8 a value, u16 where
 *            then the memory, from MEMORY on; the descriptor is its start
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "target/code.h"
#include "target/jit.h"

#define MEMORY 0x10000ull
#define STEPS_MAX 16

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

/* Read all that is said to be text. */
static unsigned sum(const char *s, size_t n)
{
	unsigned v = 0;

	while (n--)
		v += (uint8_t)*s++;
	return v;
}

static volatile unsigned seen;

static void look(const struct scope_jit *j, uint64_t addr)
{
	struct scope_jit_place p;

	if (scope_jit_find(j, addr, &p) < 0)
		return;
	if (addr < p.start || addr >= p.end || p.arity > 255 ||
	    p.start < p.module->base ||
	    p.end > p.module->base + p.module->bytes)
		abort();
	seen += sum(p.module->name, p.module->name_len) +
		sum(p.function, p.function_len) +
		(p.file ? sum(p.file, p.file_len) : 0);
	if (p.line >> 24)
		abort();
}

/* Every word may be an address, a base, or an entry's. */
static void look_around(const struct scope_jit *j, const struct memory *m)
{
	struct scope_jit_usage u;
	size_t modules = 0, functions = 0;

	for (size_t at = 0; at + 8 <= m->n; at += 8) {
		const struct scope_jit_module *mod =
			scope_jit_module(j, MEMORY + at);
		uint64_t w;

		memcpy(&w, m->p + at, 8);
		look(j, w);
		if (!mod)
			continue;
		modules++;
		functions += mod->functions;
		for (uint64_t i = 0; i < mod->bytes && i < 512; i += 7)
			look(j, mod->base + i);
		look(j, mod->base + mod->bytes - 1);
		look(j, mod->base + mod->bytes);
	}
	scope_jit_usage(j, &u);
	/* Those at odd addresses are not counted here. */
	if (modules > u.modules || functions > u.functions ||
	    (u.modules == 0 && (u.functions || u.lines || u.bytes)))
		abort();
}

static void step(struct scope_jit *j, struct memory *m, const uint8_t *s)
{
	size_t at = s[2] | (size_t)s[3] << 8;

	switch (s[0] % 5) {
	case 0:
		(void)scope_jit_sync(j);
		break;
	case 1:
		(void)scope_jit_added(j, MEMORY + at);
		break;
	case 2:
		scope_jit_removed(j, MEMORY + at);
		break;
	case 3:
		if (m->n)
			m->p[at % m->n] = s[1];
		break;
	default:
		/* Another first entry. */
		if (m->n >= 24)
			memcpy(m->p + 16, &(uint64_t){ MEMORY + at }, 8);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memory m = { 0 };
	struct scope_jit *j = scope_jit_new(read_memory, &m, MEMORY);
	unsigned steps;
	uint64_t addr;
	uint32_t len;

	if (!j)
		abort();
	steps = size ? data[0] % (STEPS_MAX + 1) : 0;
	if (size < 1 + 4 * (size_t)steps) {
		scope_jit_free(j);
		return 0;
	}
	m.n = size - 1 - 4 * steps;
	m.p = malloc(m.n + !m.n);
	if (!m.p)
		abort();
	memcpy(m.p, data + size - m.n, m.n);
	(void)scope_code_range(m.p, m.n, "shop:buy/2", &addr, &len);
	(void)scope_jit_sync(j);
	look_around(j, &m);
	for (unsigned i = 0; i < steps; i++) {
		step(j, &m, data + 1 + 4 * i);
		look_around(j, &m);
	}
	scope_jit_free(j);
	free(m.p);
	return 0;
}
