/* SPDX-License-Identifier: MIT */
/* Which conversations are kept: as many as were asked for, and always the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fault.h"
#include "scope/sample.h"

#define PIDS 500
#define SHARE(x) ((uint32_t)((x) * SCOPE_SAMPLE_ALL))

/* As OTP 25 and before, and from 26 on, number them. */
static uint64_t old_pid(unsigned n)
{
	return (uint64_t)n << 4 | 3;
}

static uint64_t new_pid(unsigned n)
{
	return (uint64_t)n << 32 | 3;
}

static uint64_t port(unsigned n)
{
	return (uint64_t)n << 4 | 7;
}

static void the_share_is_what_was_asked(void **state)
{
	static const double shares[] = { 0.01, 0.1, 0.5, 0.8, 0.99 };
	uint64_t (*const ids[])(unsigned) = { old_pid, new_pid, port };

	(void)state;
	for (size_t k = 0; k < 3; k++)
		for (size_t i = 0; i < 5; i++) {
			unsigned pairs = 0, alone = 0;
			double share;

			for (unsigned a = 1; a <= PIDS; a++)
				for (unsigned b = a + 1; b <= PIDS; b++)
					pairs += (unsigned)scope_sample_keeps(
						ids[k](a), old_pid(b),
						SHARE(shares[i]));
			for (unsigned a = 1; a <= 20000; a++)
				alone += (unsigned)scope_sample_keeps(
					ids[k](a), 0, SHARE(shares[i]));
			share = pairs / (PIDS * (PIDS - 1) / 2.0);
			assert_true(share > shares[i] - 0.006 &&
				    share < shares[i] + 0.006);
			share = alone / 20000.0;
			assert_true(share > shares[i] - 0.015 &&
				    share < shares[i] + 0.015);
		}
}

static void both_sides_decide_alike(void **state)
{
	(void)state;
	for (unsigned a = 1; a < 200; a++)
		for (unsigned b = 1; b < 200; b++) {
			uint64_t p = old_pid(a), q = port(b);
			int kept = scope_sample_keeps(p, q, SHARE(0.5));

			assert_int_equal(scope_sample_keeps(q, p, SHARE(0.5)),
					 kept);
			/* More of a larger share, none fewer. */
			if (kept)
				assert_true(scope_sample_keeps(p, q,
							       SHARE(0.6)));
			else
				assert_false(scope_sample_keeps(p, q,
								SHARE(0.4)));
		}
}

static void what_is_of_one_is_with_what_is_of_nobody_else(void **state)
{
	const uint64_t atom = 77 << 6 | 0xb, remote = 0x7f0000001002;

	(void)state;
	for (unsigned a = 1; a < 200; a++) {
		uint64_t p = new_pid(a);
		int kept = scope_sample_keeps(p, 0, SHARE(0.5));

		assert_int_equal(scope_sample_keeps(0, p, SHARE(0.5)), kept);
		assert_int_equal(scope_sample_keeps(p, p, SHARE(0.5)), kept);
		/* Timers and the runtime are named by atoms; who is of another
		 * node is boxed. */
		assert_int_equal(scope_sample_keeps(p, atom, SHARE(0.5)), kept);
		assert_int_equal(scope_sample_keeps(remote, p, SHARE(0.5)),
				 kept);
	}
	assert_true(scope_sample_keeps(0, 0, 0));
	assert_true(scope_sample_keeps(atom, remote, 0));
}

static void all_is_all(void **state)
{
	(void)state;
	for (unsigned a = 1; a < 20000; a++) {
		assert_true(scope_sample_keeps(old_pid(a), old_pid(a * 7),
					       SCOPE_SAMPLE_ALL));
		assert_false(scope_sample_keeps(old_pid(a), old_pid(a * 7), 0));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_share_is_what_was_asked),
		cmocka_unit_test(both_sides_decide_alike),
		cmocka_unit_test(what_is_of_one_is_with_what_is_of_nobody_else),
		cmocka_unit_test(all_is_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
