/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "target/code.h"

struct file {
	uint8_t p[4096];
	size_t n;
};

static void add(struct file *f, const void *p, size_t n)
{
	assert_true(f->n + n <= sizeof(f->p));
	memcpy(f->p + f->n, p, n);
	f->n += n;
}

static void add_head(struct file *f, const char *name, uint32_t ranges)
{
	const uint32_t kind[2] = { 1, 0 }, numbers[2] = { ranges, 4711 };
	const uint64_t base = 0x7f0000001000;
	const uint16_t len = (uint16_t)(strlen(name) + 1);
	const size_t end = 32 + len;

	add(f, kind, 8);
	add(f, &base, 8);
	add(f, numbers, 8);
	add(f, &len, 2);
	add(f, name, len);
	while (f->n < end)
		add(f, "", 1);
}

static void add_range(struct file *f, const char *name, uint32_t lines)
{
	const uint32_t head[3] = { 0, 16, lines };
	uint16_t len = (uint16_t)(strlen(name) + 1);

	add(f, head, 12);
	add(f, &len, 2);
	add(f, name, len);
	add(f, "\0", 2);
	for (uint32_t i = 0; i < lines; i++) {
		const uint32_t line[2] = { 4 * i, 10 + i };

		len = 6;
		add(f, line, 8);
		add(f, &len, 2);
		add(f, "x.erl", 6);
		add(f, "\0", 2);
	}
}

static struct file shop(void)
{
	struct file f = { .n = 0 };

	add_head(&f, "shop", 5);
	add_range(&f, "shop::codeHeader", 0);
	add_range(&f, "shop:buy/2-CodeInfoPrologue", 0);
	add_range(&f, "shop:buy/2", 3);
	add_range(&f, "shop:'-buy/2-fun-0-'/1", 1);
	add_range(&f, "shop::codeFooter", 0);
	return f;
}

/* Bytes of their own, so that a sanitizer sees reading past the end. */
static int parse(const void *p, size_t n, struct scope_code *c)
{
	uint8_t *copy = malloc(n ? n : 1);
	int r;

	memcpy(copy, p, n);
	r = scope_code_parse(copy, n, c);
	free(copy);
	return r;
}

static void a_module_is_counted(void **state)
{
	struct file f = shop();
	struct scope_code c = { .base = 1 };

	(void)state;
	assert_int_equal(parse(f.p, f.n, &c), 0);
	assert_string_equal(c.module, "shop");
	assert_int_equal(c.functions, 2);
	assert_int_equal(c.bytes, 4711);
	assert_int_equal(c.base, 0x7f0000001000);
}

static void every_prefix_is_refused(void **state)
{
	struct file f = shop();
	struct scope_code c = { .base = 1 };

	(void)state;
	for (size_t n = 0; n < f.n; n++)
		assert_int_equal(parse(f.p, n, &c), -EBADMSG);
	f.p[0] = 0; /* the emulator's own */
	assert_int_equal(parse(f.p, f.n, &c), -EBADMSG);
	assert_int_equal(c.base, 1);
}

static void counts_that_lie_are_refused(void **state)
{
	struct file f = shop();
	struct scope_code c = { .base = 1 };

	(void)state;
	memset(f.p + 16, 0xff, 4); /* ranges */
	assert_int_equal(parse(f.p, f.n, &c), -EBADMSG);
	f = shop();
	memset(f.p + 24, 0xff, 2); /* length of the name */
	assert_int_equal(parse(f.p, f.n, &c), -EBADMSG);
	f = shop();
	memset(f.p + 37 + 8, 0xff, 4); /* lines */
	assert_int_equal(parse(f.p, f.n, &c), -EBADMSG);
}

static void a_long_name_is_cut_between_characters(void **state)
{
	struct file f = { .n = 0 };
	struct scope_code c;
	char name[512] = "x";

	(void)state;
	for (size_t i = 1; i + 2 < sizeof(name); i += 2)
		memcpy(name + i, "\xc3\xa9", 2);
	add_head(&f, name, 0);
	assert_int_equal(parse(f.p, f.n, &c), 0);
	assert_int_equal(strlen(c.module), 255);
	add_range(&f, "", 0); /* what follows is not looked at */
	f.p[26] = (uint8_t)'\xc3', f.p[27] = (uint8_t)'\xa9';
	f.p[28] = 'y';
	assert_int_equal(parse(f.p, f.n, &c), 0);
	assert_int_equal(strlen(c.module), 255);
}

static void a_range_is_found_by_its_name(void **state)
{
	struct file f = shop();
	uint64_t addr = 1;
	uint32_t len = 1;

	(void)state;
	assert_int_equal(scope_code_range(f.p, f.n, "shop:buy/2", &addr, &len),
			 0);
	assert_int_equal(addr, 0x7f0000001000);
	assert_int_equal(len, 16);
	assert_int_equal(scope_code_range(f.p, f.n, "shop:buy/3", &addr, &len),
			 -ENOENT);
	/* The last range: all before it must be whole. */
	for (size_t n = 0; n < f.n; n++)
		assert_int_equal(scope_code_range(f.p, n, "shop::codeFooter",
						  &addr, &len),
				 -EBADMSG);
}

static struct file target;

static int read_target(void *arg, uint64_t addr, void *buf, size_t len)
{
	(void)arg;
	if (addr < 0x1000 || addr - 0x1000 > target.n ||
	    len > target.n - (addr - 0x1000))
		return -EFAULT;
	memcpy(buf, target.p + (addr - 0x1000), len);
	return 0;
}

static void an_entry_is_read_from_a_target(void **state)
{
	struct file f = shop();
	uint64_t entry[4] = { 0, 0, 0x1020, f.n };
	struct scope_code c;

	(void)state;
	target.n = 0;
	add(&target, entry, sizeof(entry));
	add(&target, f.p, f.n);
	assert_int_equal(scope_code_read(read_target, NULL, 0x1000, &c), 0);
	assert_string_equal(c.module, "shop");
	assert_int_equal(scope_code_read(read_target, NULL, 0, &c), -EFAULT);
	assert_int_equal(scope_code_read(read_target, NULL, 0x9000, &c),
			 -EFAULT);
	entry[3] = UINT64_MAX;
	memcpy(target.p, entry, sizeof(entry));
	assert_int_equal(scope_code_read(read_target, NULL, 0x1000, &c),
			 -EBADMSG);
	entry[3] = f.n + 1;
	memcpy(target.p, entry, sizeof(entry));
	assert_int_equal(scope_code_read(read_target, NULL, 0x1000, &c),
			 -EFAULT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_module_is_counted),
		cmocka_unit_test(every_prefix_is_refused),
		cmocka_unit_test(counts_that_lie_are_refused),
		cmocka_unit_test(a_long_name_is_cut_between_characters),
		cmocka_unit_test(a_range_is_found_by_its_name),
		cmocka_unit_test(an_entry_is_read_from_a_target),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
