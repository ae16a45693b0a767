/* SPDX-License-Identifier: MIT */
/* Who waits for whom: chains, cycles, and how many hang on each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fault.h"
#include "target/waits.h"

static void mark(struct scope_wait *w, size_t n)
{
	assert_int_equal(scope_waits_mark(w, n), 0);
}

static void chains_end(void **state)
{
	struct scope_wait w[] = { { .pid = 1, .on = 2 }, { .pid = 2, .on = 3 },
				  { .pid = 4, .on = 3 }, { .pid = 5 } };

	(void)state;
	mark(w, 4);
	for (int i = 0; i < 4; i++)
		assert_false(w[i].is_in_cycle);
	assert_int_equal(w[0].waiting, 1); /* for 2 */
	assert_int_equal(w[1].waiting, 3); /* for 3: 1, 2 and 4 */
	assert_int_equal(w[2].waiting, 3);
	assert_int_equal(w[3].waiting, 0);
	mark(w, 0);
}

static void cycles_are_told_from_what_hangs_on_them(void **state)
{
	struct scope_wait w[] = { { .pid = 1, .on = 2 }, { .pid = 2, .on = 3 },
				  { .pid = 3, .on = 1 }, { .pid = 4, .on = 2 },
				  { .pid = 5, .on = 4 }, { .pid = 6, .on = 6 } };

	(void)state;
	mark(w, 6);
	assert_true(w[0].is_in_cycle && w[1].is_in_cycle && w[2].is_in_cycle);
	assert_false(w[3].is_in_cycle);
	assert_false(w[4].is_in_cycle);
	assert_true(w[5].is_in_cycle);
	assert_int_equal(w[4].waiting, 1);
	assert_int_equal(w[5].waiting, 0);
	/* 1, 3, 4 and 5 hang on 2. */
	assert_int_equal(w[0].waiting, 4);
}

static void many_are_no_matter(void **state)
{
	enum { N = 3000 };
	static struct scope_wait w[N];

	(void)state;
	for (size_t i = 0; i < N; i++)
		w[i] = (struct scope_wait){ .pid = i + 1, .on = N + 1 };
	mark(w, N);
	assert_int_equal(w[0].waiting, N);
}

static void memory_may_be_short(void **state)
{
	struct scope_wait w[] = { { .pid = 1, .on = 2 }, { .pid = 2, .on = 1 } };

	(void)state;
	for (long n = 0;; n++) {
		int r;

		fault_in = n;
		r = scope_waits_mark(w, 2);
		fault_in = -1;
		if (r == 0)
			break;
		assert_int_equal(r, -ENOMEM);
	}
	assert_true(w[0].is_in_cycle);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chains_end),
		cmocka_unit_test(cycles_are_told_from_what_hangs_on_them),
		cmocka_unit_test(many_are_no_matter),
		cmocka_unit_test(memory_may_be_short),
	};

	return cmocka_run_group_tests_name("waits", tests, NULL, NULL);
}
