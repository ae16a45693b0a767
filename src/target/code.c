/* SPDX-License-Identifier: MIT */
/*
 * The GDB JIT interface of the emulator (beam/jit/beam_jit_metadata.cpp,
 * the same in OTP 25, 27 and 29). A jit_code_entry is
 *
 *   u64 next, u64 prev, u64 symfile_addr, u64 symfile_size
 *
 * and a symbol file, without any padding after its header:
 *
 *    0  u32 kind: 0 the emulator's own, 1 a module; 4 bytes unused
 *    8  u64 base
 *   16  u32 number of ranges
 *   20  u32 bytes of code
 *   24  u16 length of the name, with its NUL
 *   26  the name; the struct is 32 bytes, and the ranges start at 32 + length
 *
 * each range: u32 start, u32 end, u32 lines, u16 length of name, name; then
 * as many lines: u32 offset, u32 line, u16 length of file name, file name.
 */
#include "target/code.h"

#include <stdlib.h>
#include <string.h>

#define MODULE 1
#define HEAD 32
#define NAME_AT 26
#define RANGE 14
#define LINE 10
/* Both records are followed by 2 bytes that count in the stride:
 * sizeof(struct) is rounded up to 4. */
#define PAD 2

static uint16_t u16_at(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint32_t u32_at(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static bool ends_with(const char *s, size_t n, const char *end)
{
	size_t m = strlen(end);

	return n >= m && memcmp(s + n - m, end, m) == 0;
}

/* Is the range a function: "module:function/arity"? Beside them there are
 * "…-CodeInfoPrologue" before each, and "module::codeHeader", "…Footer". */
static bool is_function(const char *name, size_t len)
{
	return !ends_with(name, len, "-CodeInfoPrologue") &&
	       !ends_with(name, len, "::codeHeader") &&
	       !ends_with(name, len, "::codeFooter");
}

/* Step over `n` lines; false: they do not fit. */
static bool skip_lines(const uint8_t *sym, size_t len, uint32_t n, size_t *at)
{
	for (uint32_t i = 0; i < n; i++) {
		size_t step;

		if (len - *at < LINE + PAD)
			return false;
		step = LINE + PAD + (size_t)u16_at(sym + *at + 8);
		if (len - *at < step)
			return false;
		*at += step;
	}
	return true;
}

struct range {
	uint32_t start, end; /* from the module's base */
	const char *name;
	size_t len; /* of name */
};

/* The range at *at, which moves on to the next; false: it does not fit. */
static bool next_range(const uint8_t *sym, size_t len, size_t *at,
		       struct range *ret)
{
	const uint8_t *p = sym + *at;
	size_t name;

	if (len - *at < RANGE + PAD)
		return false;
	name = u16_at(p + 12);
	if (len - *at < RANGE + PAD + name)
		return false;
	*ret = (struct range){
		.start = u32_at(p),
		.end = u32_at(p + 4),
		.name = (const char *)p + RANGE,
		.len = strnlen((const char *)p + RANGE, name),
	};
	*at += RANGE + PAD + name;
	return skip_lines(sym, len, u32_at(p + 8), at);
}

int scope_code_range(const uint8_t *sym, size_t len, const char *name,
		     uint64_t *ret_addr, uint32_t *ret_len)
{
	size_t at = HEAD, n = strlen(name);
	struct range r;
	uint64_t base;

	if (len < HEAD || u32_at(sym) != MODULE ||
	    len - HEAD < u16_at(sym + 24))
		return -EBADMSG;
	at += u16_at(sym + 24);
	memcpy(&base, sym + 8, sizeof(base));
	for (uint32_t i = 0; i < u32_at(sym + 16); i++) {
		if (!next_range(sym, len, &at, &r))
			return -EBADMSG;
		if (r.len != n || memcmp(r.name, name, n) != 0)
			continue;
		if (r.end < r.start)
			return -EBADMSG;
		*ret_addr = base + r.start;
		*ret_len = r.end - r.start;
		return 0;
	}
	return -ENOENT;
}

int scope_code_parse(const uint8_t *sym, size_t len,
		     struct scope_code *ret_code)
{
	struct scope_code c = { 0 };
	size_t name, n, at;
	struct range r;

	if (len < HEAD || u32_at(sym) != MODULE)
		return -EBADMSG;
	memcpy(&c.base, sym + 8, sizeof(c.base));
	c.bytes = u32_at(sym + 20);
	name = u16_at(sym + 24);
	if (len - HEAD < name)
		return -EBADMSG;
	n = strnlen((const char *)sym + NAME_AT, name);
	/* An atom has up to 255 characters, so up to 1020 bytes: a longer name
	 * is cut, at the end of a character. */
	if (n >= sizeof(c.module)) {
		n = sizeof(c.module) - 1;
		while (n > 0 && (sym[NAME_AT + n] & 0xc0) == 0x80)
			n--;
	}
	memcpy(c.module, sym + NAME_AT, n);
	at = HEAD + name;
	for (uint32_t i = 0; i < u32_at(sym + 16); i++) {
		if (!next_range(sym, len, &at, &r))
			return -EBADMSG;
		c.functions += is_function(r.name, r.len);
	}
	*ret_code = c;
	return 0;
}

int scope_code_load(scope_read_fn *read, void *arg, uint64_t entry,
		    uint8_t **ret_sym, size_t *ret_len)
{
	scope_autofree uint8_t *sym = NULL;
	uint64_t e[4];
	int r;

	if (entry == 0)
		return -EFAULT;
	r = read(arg, entry, e, sizeof(e));
	if (r < 0)
		return r;
	if (e[3] < HEAD || e[3] > SCOPE_CODE_BYTES_MAX)
		return -EBADMSG;
	sym = malloc(e[3]);
	if (!sym)
		return -ENOMEM;
	r = read(arg, e[2], sym, e[3]);
	if (r < 0)
		return r;
	*ret_sym = scope_take(sym);
	*ret_len = e[3];
	return 0;
}

int scope_code_read(scope_read_fn *read, void *arg, uint64_t entry,
		    struct scope_code *ret_code)
{
	scope_autofree uint8_t *sym = NULL;
	size_t len;
	int r = scope_code_load(read, arg, entry, &sym, &len);

	return r < 0 ? r : scope_code_parse(sym, len, ret_code);
}
