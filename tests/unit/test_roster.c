/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "cli/roster.h"

#define S UINT64_C(1000000000)

static struct scope_roster r;

static struct scope_found found(pid_t pid, uint64_t started)
{
	return (struct scope_found){ .pid = pid, .started = started };
}

static void scan1(pid_t pid, uint64_t started, uint64_t now)
{
	struct scope_found f = found(pid, started);

	scope_roster_scan(&r, &f, pid != 0, now);
}

static int setup(void **state)
{
	(void)state;
	memset(&r, 0, sizeof(r));
	return 0;
}

static void new_nodes_are_due_at_once(void **state)
{
	struct scope_found f[2] = { found(10, 1), found(11, 1) };
	int a, b;

	(void)state;
	assert_int_equal(scope_roster_due(&r, 0), -1);
	scope_roster_scan(&r, f, 2, 5 * S);
	a = scope_roster_due(&r, 5 * S);
	assert_true(a >= 0);
	scope_roster_begun(&r, (unsigned)a, 5 * S);
	b = scope_roster_due(&r, 5 * S);
	assert_true(b >= 0 && b != a);
	scope_roster_begun(&r, (unsigned)b, 5 * S);
	assert_int_equal(scope_roster_due(&r, 5 * S), -1);
	/* Seen again, they stay where they are. */
	scope_roster_scan(&r, f, 2, 6 * S);
	assert_int_equal(scope_roster_due(&r, 6 * S), -1);
	assert_int_equal(r.node[a].pid + r.node[b].pid, 21);
}

static void failures_are_tried_again_ever_later(void **state)
{
	static const unsigned waits[] = { 1, 2, 4, 8, 16, 32, 60, 60 };
	uint64_t now = 0;

	(void)state;
	scan1(10, 1, now);
	for (size_t i = 0; i < sizeof(waits) / sizeof(*waits); i++) {
		assert_int_equal(scope_roster_due(&r, now), 0);
		scope_roster_begun(&r, 0, now);
		assert_int_equal(
			scope_roster_ended(&r, 0, SCOPE_ROSTER_FAILED, now),
			waits[i]);
		assert_int_equal(scope_roster_due(&r, now + waits[i] * S - 1),
				 -1);
		now += waits[i] * S;
	}
	/* All was well for a minute: from the start again. */
	scope_roster_begun(&r, 0, now);
	now += 60 * S;
	assert_int_equal(scope_roster_ended(&r, 0, SCOPE_ROSTER_FAILED, now),
			 1);
}

static void what_cannot_be_watched_is_left_alone(void **state)
{
	uint64_t now = 0;

	(void)state;
	scan1(10, 1, now);
	for (unsigned i = 1; i <= SCOPE_ROSTER_TRIES; i++) {
		assert_int_equal(scope_roster_due(&r, now), 0);
		scope_roster_begun(&r, 0, now);
		(void)scope_roster_ended(&r, 0, SCOPE_ROSTER_UNABLE, now);
		assert_int_equal(r.node[0].is_left, i == SCOPE_ROSTER_TRIES);
		now += 100 * S;
	}
	scan1(10, 1, now);
	assert_int_equal(scope_roster_due(&r, now), -1);
	/* Another process of that number is another node. */
	scan1(10, 2, now);
	assert_int_equal(scope_roster_due(&r, now), 0);
}

static void places_are_kept_while_watched(void **state)
{
	int at;

	(void)state;
	scan1(10, 1, 0);
	scope_roster_begun(&r, 0, 0);
	scan1(10, 2, S); /* restarted under the same number */
	at = scope_roster_due(&r, S);
	assert_int_equal(at, 1);
	assert_int_equal(r.node[0].pid, 10);
	assert_int_equal(scope_roster_ended(&r, 0, SCOPE_ROSTER_DONE, S), 0);
	scan1(10, 2, 2 * S);
	assert_int_equal(r.node[0].pid, 0);
	/* What is not seen is not tried. */
	scan1(0, 0, 3 * S);
	assert_int_equal(scope_roster_due(&r, 3 * S), -1);
}

static void too_many_are_counted(void **state)
{
	static struct scope_found f[SCOPE_ROSTER_MAX + 3];

	(void)state;
	for (int i = 0; i < SCOPE_ROSTER_MAX + 3; i++)
		f[i] = found(100 + i, 1);
	scope_roster_scan(&r, f, SCOPE_ROSTER_MAX + 3, 0);
	assert_int_equal(r.unplaced, 3);
	/* One goes: the next scan places another. */
	scope_roster_scan(&r, f + 1, SCOPE_ROSTER_MAX + 2, S);
	assert_int_equal(r.unplaced, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(new_nodes_are_due_at_once, setup),
		cmocka_unit_test_setup(failures_are_tried_again_ever_later,
				       setup),
		cmocka_unit_test_setup(what_cannot_be_watched_is_left_alone,
				       setup),
		cmocka_unit_test_setup(places_are_kept_while_watched, setup),
		cmocka_unit_test_setup(too_many_are_counted, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
