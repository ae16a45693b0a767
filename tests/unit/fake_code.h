/* SPDX-License-Identifier: MIT */
/*
 * fake_code: the symbol file of a module, as the JIT writes it (code.c has the
 * format).
 */
#ifndef SCOPE_TESTS_FAKE_CODE_H
#define SCOPE_TESTS_FAKE_CODE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FAKE_CODE_MAX (64u << 10)

struct fake_code {
	uint8_t p[FAKE_CODE_MAX];
	size_t n;
	size_t lines_at; /* where the last range says how many lines it has */
};

static inline void fake_code_put(struct fake_code *c, const void *p, size_t n)
{
	if (n > sizeof(c->p) - c->n)
		abort();
	memcpy(c->p + c->n, p, n);
	c->n += n;
}

static inline void fake_code_set(struct fake_code *c, size_t at, uint32_t v)
{
	memcpy(c->p + at, &v, sizeof(v));
}

static inline uint32_t fake_code_get(const struct fake_code *c, size_t at)
{
	uint32_t v;

	memcpy(&v, c->p + at, sizeof(v));
	return v;
}

static inline void fake_code_text(struct fake_code *c, const char *s)
{
	uint16_t len = (uint16_t)(strlen(s) + 1);

	fake_code_put(c, &len, 2);
	fake_code_put(c, s, len);
}

/* The name is padded to the stride, 32 + length. */
static inline void fake_code_begin(struct fake_code *c, const char *module,
				   uint64_t base, uint32_t bytes)
{
	const uint32_t kind[2] = { 1, 0 }, numbers[2] = { 0, bytes };

	c->n = 0;
	fake_code_put(c, kind, 8);
	fake_code_put(c, &base, 8);
	fake_code_put(c, numbers, 8);
	fake_code_text(c, module);
	fake_code_put(c, "\0\0\0\0\0", 6);
}

static inline void fake_code_range(struct fake_code *c, uint32_t start,
				   uint32_t end, const char *name)
{
	const uint32_t head[3] = { start, end, 0 };

	c->lines_at = c->n + 8;
	fake_code_put(c, head, 12);
	fake_code_text(c, name);
	fake_code_put(c, "\0", 2);
	fake_code_set(c, 16, fake_code_get(c, 16) + 1);
}

/* Of the last range. */
static inline void fake_code_line(struct fake_code *c, uint32_t start,
				  const char *file, uint32_t line)
{
	const uint32_t head[2] = { start, line };

	fake_code_put(c, head, 8);
	fake_code_text(c, file);
	fake_code_put(c, "\0", 2);
	fake_code_set(c, c->lines_at, fake_code_get(c, c->lines_at) + 1);
}

/* A function of 48 bytes of prologue and what is left up to `end`. */
static inline void fake_code_function(struct fake_code *c, uint32_t start,
				      uint32_t end, const char *mfa)
{
	char name[2048];
	size_t n = strlen(mfa);

	if (n > sizeof(name) - 32)
		abort();
	memcpy(name, mfa, n);
	memcpy(name + n, "-CodeInfoPrologue", 18);
	fake_code_range(c, start, start + 48, name);
	fake_code_range(c, start + 48, end, mfa);
}

#endif
