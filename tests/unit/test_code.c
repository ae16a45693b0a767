/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_code.h"
#include "target/code.h"

#define BASE 0x7f0000001000ull

static struct fake_code shop;

static int set_up(void **state)
{
	(void)state;
	fake_code_begin(&shop, "shop", BASE, 4711);
	fake_code_range(&shop, 0, 64, "shop::codeHeader");
	fake_code_function(&shop, 64, 200, "shop:buy/2");
	fake_code_line(&shop, 120, "shop.erl", 10);
	fake_code_line(&shop, 130, "shop.erl", 11);
	fake_code_line(&shop, 140, "", 12);
	fake_code_function(&shop, 200, 300, "shop:'-buy/2-fun-0-'/1");
	fake_code_line(&shop, 250, "shop.hrl", 3);
	fake_code_range(&shop, 300, 320, "shop::codeFooter");
	return 0;
}

/* Walk to the end over bytes of their own, so that a sanitizer sees reading
 * past them; 0, or what went wrong. With the lines, or over them. */
static int walk(const void *p, size_t n, bool with_lines, unsigned *ret_ranges,
		unsigned *ret_lines)
{
	uint8_t *copy = malloc(n ? n : 1);
	struct scope_code_range range;
	struct scope_code_line line;
	struct scope_code c;
	int r;

	if (n)
		memcpy(copy, p, n);
	*ret_ranges = *ret_lines = 0;
	r = scope_code_open(copy, n, &c);
	while (r == 0 && (r = scope_code_next(&c, &range)) > 0) {
		++*ret_ranges;
		r = 0;
		while (with_lines && (r = scope_code_next_line(&c, &line)) > 0)
			++*ret_lines;
		if (r == 0)
			continue;
		break;
	}
	free(copy);
	return r;
}

static void a_module_is_walked(void **state)
{
	struct scope_code_range range;
	struct scope_code_line line;
	struct scope_code c;

	(void)state;
	assert_int_equal(scope_code_open(shop.p, shop.n, &c), 0);
	assert_int_equal(c.module_len, 4);
	assert_memory_equal(c.module, "shop", 4);
	assert_int_equal(c.base, BASE);
	assert_int_equal(c.bytes, 4711);
	assert_int_equal(scope_code_next_line(&c, &line), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(scope_code_next(&c, &range), 1);
	assert_int_equal(range.len, 10);
	assert_memory_equal(range.name, "shop:buy/2", 10);
	assert_int_equal(range.start, 112);
	assert_int_equal(range.end, 200);
	assert_int_equal(scope_code_next_line(&c, &line), 1);
	assert_int_equal(line.start, 120);
	assert_int_equal(line.line, 10);
	assert_int_equal(line.len, 8);
	assert_memory_equal(line.file, "shop.erl", 8);
	/* The other two are stepped over. */
	assert_int_equal(scope_code_next(&c, &range), 1);
	assert_int_equal(range.len, 22 + 17);
	assert_int_equal(scope_code_next_line(&c, &line), 0);
	assert_int_equal(scope_code_next(&c, &range), 1);
	assert_int_equal(scope_code_next(&c, &range), 1);
	assert_int_equal(scope_code_next(&c, &range), 0);
	assert_int_equal(scope_code_next(&c, &range), 0);
	assert_int_equal(scope_code_next_line(&c, &line), 0);
}

static void every_prefix_is_refused(void **state)
{
	unsigned ranges, lines;

	(void)state;
	for (size_t n = 0; n < shop.n; n++) {
		assert_int_equal(walk(shop.p, n, false, &ranges, &lines),
				 -EBADMSG);
		assert_int_equal(walk(shop.p, n, true, &ranges, &lines),
				 -EBADMSG);
	}
	assert_int_equal(walk(shop.p, shop.n, true, &ranges, &lines), 0);
	assert_int_equal(ranges, 6);
	assert_int_equal(lines, 4);
	shop.p[0] = 0; /* the emulator's own */
	assert_int_equal(walk(shop.p, shop.n, true, &ranges, &lines), -EBADMSG);
}

static void counts_that_lie_are_refused(void **state)
{
	/* of the name, of ranges, of the first range's name, of its lines */
	static const struct {
		size_t at, n;
	} counts[] = { { 24, 2 }, { 16, 4 }, { 37 + 12, 2 }, { 37 + 8, 4 } };
	unsigned ranges, lines;

	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		(void)set_up(state);
		memset(shop.p + counts[i].at, 0xff, counts[i].n);
		assert_int_equal(walk(shop.p, shop.n, false, &ranges, &lines),
				 -EBADMSG);
		assert_int_equal(walk(shop.p, shop.n, true, &ranges, &lines),
				 -EBADMSG);
	}
	(void)set_up(state);
	fake_code_set(&shop, 37, 65); /* it begins behind its end */
	assert_int_equal(walk(shop.p, shop.n, true, &ranges, &lines), -EBADMSG);
}

static void a_range_is_found_by_its_name(void **state)
{
	uint64_t addr = 1;
	uint32_t len = 1;

	(void)state;
	assert_int_equal(scope_code_range(shop.p, shop.n, "shop:buy/2", &addr,
					  &len), 0);
	assert_int_equal(addr, BASE + 112);
	assert_int_equal(len, 88);
	assert_int_equal(scope_code_range(shop.p, shop.n, "shop:buy/3", &addr,
					  &len), -ENOENT);
	/* The last range: all before it must be whole. */
	for (size_t n = 0; n < shop.n; n++)
		assert_int_equal(scope_code_range(shop.p, n, "shop::codeFooter",
						  &addr, &len), -EBADMSG);
}

static uint8_t target[FAKE_CODE_MAX];
static size_t target_n;

static int read_target(void *arg, uint64_t addr, void *buf, size_t len)
{
	(void)arg;
	if (addr < 0x1000 || addr - 0x1000 > target_n ||
	    len > target_n - (addr - 0x1000))
		return -EFAULT;
	memcpy(buf, target + (addr - 0x1000), len);
	return 0;
}

static int entry_of(uint64_t len, struct scope_code_entry *e)
{
	const uint64_t entry[4] = { 0x5000, 0x77, 0x1020, len };

	memcpy(target, entry, sizeof(entry));
	return scope_code_entry(read_target, NULL, 0x1000, e);
}

static void an_entry_is_read_from_a_target(void **state)
{
	struct scope_code_entry e;
	uint8_t *sym;
	size_t len;

	(void)state;
	memcpy(target + 32, shop.p, shop.n);
	target_n = 32 + shop.n;
	assert_int_equal(entry_of(shop.n, &e), 0);
	assert_true(e.is_module);
	assert_int_equal(e.next, 0x5000);
	assert_int_equal(e.sym, 0x1020);
	assert_int_equal(e.len, shop.n);
	assert_int_equal(e.base, BASE);
	assert_int_equal(e.bytes, 4711);
	assert_int_equal(scope_code_load(read_target, NULL, 0x1000, &sym, &len),
			 0);
	assert_int_equal(len, shop.n);
	assert_memory_equal(sym, shop.p, len);
	free(sym);
	assert_int_equal(entry_of(shop.n + 1, &e), 0);
	assert_int_equal(scope_code_load(read_target, NULL, 0x1000, &sym, &len),
			 -EFAULT);
	assert_int_equal(entry_of(UINT64_MAX, &e), -EBADMSG);
	assert_int_equal(entry_of(31, &e), -EBADMSG);
	assert_int_equal(scope_code_entry(read_target, NULL, 0, &e), -EFAULT);
	assert_int_equal(scope_code_entry(read_target, NULL, 0x9000, &e),
			 -EFAULT);
	target[32] = 2;
	assert_int_equal(entry_of(shop.n, &e), -EBADMSG);
	target[32] = 0;
	assert_int_equal(entry_of(32, &e), 0);
	assert_false(e.is_module);
	assert_int_equal(e.base, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_module_is_walked, set_up),
		cmocka_unit_test_setup(every_prefix_is_refused, set_up),
		cmocka_unit_test_setup(counts_that_lie_are_refused, set_up),
		cmocka_unit_test_setup(a_range_is_found_by_its_name, set_up),
		cmocka_unit_test_setup(an_entry_is_read_from_a_target, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
