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

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define EMULATOR 0
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

static uint64_t u64_at(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Length of a name of which `room` bytes are there, the NUL among them. */
static size_t text_len(const uint8_t *s, size_t room)
{
	return strnlen((const char *)s, room);
}

int scope_code_open(const uint8_t *sym, size_t len, struct scope_code *ret)
{
	struct scope_code c = { .sym = sym, .len = len };
	size_t name;

	if (len < HEAD || u32_at(sym) != MODULE)
		return -EBADMSG;
	name = u16_at(sym + 24);
	if (len - HEAD < name)
		return -EBADMSG;
	c.base = u64_at(sym + 8);
	c.ranges = u32_at(sym + 16);
	c.bytes = u32_at(sym + 20);
	c.module = (const char *)sym + NAME_AT;
	c.module_len = text_len(sym + NAME_AT, name);
	c.at = HEAD + name;
	*ret = c;
	return 0;
}

int scope_code_next_line(struct scope_code *c, struct scope_code_line *ret)
{
	const uint8_t *p = c->sym + c->at;
	size_t file;

	if (c->lines == 0)
		return 0;
	if (c->len - c->at < LINE + PAD)
		return -EBADMSG;
	file = u16_at(p + 8);
	if (c->len - c->at - LINE - PAD < file)
		return -EBADMSG;
	*ret = (struct scope_code_line){
		.start = u32_at(p),
		.line = u32_at(p + 4),
		.file = (const char *)p + LINE,
		.len = text_len(p + LINE, file),
	};
	c->lines--;
	c->at += LINE + PAD + file;
	return 1;
}

int scope_code_next(struct scope_code *c, struct scope_code_range *ret)
{
	struct scope_code_line line;
	const uint8_t *p;
	size_t name;
	int r;

	do
		r = scope_code_next_line(c, &line);
	while (r > 0);
	if (r < 0 || c->ranges == 0)
		return r;
	p = c->sym + c->at;
	if (c->len - c->at < RANGE + PAD)
		return -EBADMSG;
	name = u16_at(p + 12);
	if (c->len - c->at - RANGE - PAD < name)
		return -EBADMSG;
	*ret = (struct scope_code_range){
		.start = u32_at(p),
		.end = u32_at(p + 4),
		.name = (const char *)p + RANGE,
		.len = text_len(p + RANGE, name),
	};
	if (ret->end < ret->start)
		return -EBADMSG;
	c->ranges--;
	c->lines = u32_at(p + 8);
	c->at += RANGE + PAD + name;
	return 1;
}

int scope_code_range(const uint8_t *sym, size_t len, const char *name,
		     uint64_t *ret_addr, uint32_t *ret_len)
{
	struct scope_code_range range;
	size_t n = strlen(name);
	struct scope_code c;
	int r = scope_code_open(sym, len, &c);

	while (r >= 0) {
		r = scope_code_next(&c, &range);
		if (r == 0)
			return -ENOENT;
		if (r < 0 || range.len != n || memcmp(range.name, name, n) != 0)
			continue;
		*ret_addr = c.base + range.start;
		*ret_len = range.end - range.start;
		return 0;
	}
	return r;
}

int scope_code_entry(scope_read_fn *read, void *arg, uint64_t addr,
		     struct scope_code_entry *ret_entry)
{
	uint64_t e[4];
	uint8_t head[HEAD];
	int r = addr ? read(arg, addr, e, sizeof(e)) : -EFAULT;

	if (r < 0)
		return r;
	if (e[3] < HEAD || e[3] > SCOPE_CODE_BYTES_MAX)
		return -EBADMSG;
	r = read(arg, e[2], head, sizeof(head));
	if (r < 0)
		return r;
	if (u32_at(head) != MODULE && u32_at(head) != EMULATOR)
		return -EBADMSG;
	*ret_entry = (struct scope_code_entry){
		.next = e[0],
		.sym = e[2],
		.len = e[3],
	};
	if (u32_at(head) == MODULE) {
		ret_entry->is_module = true;
		ret_entry->base = u64_at(head + 8);
		ret_entry->bytes = u32_at(head + 20);
	}
	return 0;
}

int scope_code_load(scope_read_fn *read, void *arg, uint64_t entry,
		    uint8_t **ret_sym, size_t *ret_len)
{
	scope_autofree uint8_t *sym = NULL;
	struct scope_code_entry e;
	int r = scope_code_entry(read, arg, entry, &e);

	if (r < 0)
		return r;
	sym = malloc(e.len);
	if (!sym)
		return -ENOMEM;
	r = read(arg, e.sym, sym, e.len);
	if (r < 0)
		return r;
	*ret_sym = scope_take(sym);
	*ret_len = e.len;
	return 0;
}
