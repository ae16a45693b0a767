/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"

static void buf_never_writes_past_its_end(void **state)
{
	char mem[8] = "zzzzzzzz";
	struct scope_buf b = scope_buf_of(mem, 4);

	(void)state;
	scope_buf_put(&b, "abcdef", 6);
	assert_true(b.full);
	assert_int_equal(b.len, 4);
	assert_memory_equal(mem, "abcdzzzz", 8);
	assert_string_equal(scope_buf_str(&b), "abc");
}

static void buf_numbers(void **state)
{
	char mem[128];
	struct scope_buf b = scope_buf_of(mem, sizeof(mem));

	(void)state;
	scope_buf_u64(&b, 0);
	scope_buf_char(&b, ' ');
	scope_buf_u64(&b, UINT64_MAX);
	scope_buf_char(&b, ' ');
	scope_buf_i64(&b, INT64_MIN);
	scope_buf_char(&b, ' ');
	scope_buf_hex(&b, 0xdeadbeef);
	scope_buf_printf(&b, " %d", 7);
	assert_string_equal(
		scope_buf_str(&b),
		"0 18446744073709551615 -9223372036854775808 deadbeef 7");
	assert_false(b.full);
}

static void first_error_wins(void **state)
{
	struct scope_err e = { 0 };

	(void)state;
	assert_int_equal(scope_fail(&e, -EPERM, "no %s", "right"), -EPERM);
	assert_int_equal(scope_fail(&e, -EIO, "later"), -EIO);
	assert_int_equal(e.code, -EPERM);
	assert_string_equal(e.text, "no right");
	assert_int_equal(scope_fail(NULL, -EIO, "nobody"), -EIO);
}

/* A map against the plainest model there is, with many collisions. */
static void map_is_a_map(void **state)
{
	enum { KEYS = 512, STEPS = 200000 };
	struct scope_map *m = scope_map_new(KEYS);
	uint64_t model[KEYS] = { 0 }, v, x = 88172645463325252ull;
	size_t len = 0;

	(void)state;
	for (int i = 0; i < STEPS; i++) {
		uint64_t k, key;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		k = x % KEYS;
		key = (k + 1) << 32 | 3;
		if (x & (1 << 20)) {
			len += !model[k];
			model[k] = x | 1;
			assert_int_equal(scope_map_put(m, key, model[k]), 0);
		} else {
			v = 0;
			assert_int_equal(scope_map_take(m, key, &v),
					 model[k] != 0);
			assert_true(v == model[k]);
			len -= model[k] != 0;
			model[k] = 0;
		}
		assert_int_equal(scope_map_len(m), len);
	}
	for (size_t k = 0; k < KEYS; k++) {
		v = 0;
		assert_int_equal(scope_map_get(m, (k + 1) << 32 | 3, &v),
				 model[k] != 0);
		assert_true(v == model[k]);
	}
	scope_map_free(m);
}

static void map_keeps_its_limit(void **state)
{
	struct scope_map *m = scope_map_new(100);
	size_t at = 0, n = 0;
	uint64_t k, v;

	(void)state;
	for (uint64_t i = 1; i <= 100; i++)
		assert_int_equal(scope_map_put(m, i, i), 0);
	assert_int_equal(scope_map_put(m, 101, 1), -ENOSPC);
	assert_int_equal(scope_map_put(m, 100, 7), 0);
	while (scope_map_next(m, &at, &k, &v))
		n++;
	assert_int_equal(n, 100);
	scope_map_clear(m);
	assert_int_equal(scope_map_len(m), 0);
	assert_false(scope_map_get(m, 5, &v));
	scope_map_free(m);
	scope_map_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buf_never_writes_past_its_end),
		cmocka_unit_test(buf_numbers),
		cmocka_unit_test(first_error_wins),
		cmocka_unit_test(map_is_a_map),
		cmocka_unit_test(map_keeps_its_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
