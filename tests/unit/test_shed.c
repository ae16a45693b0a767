/* SPDX-License-Identifier: MIT */
/* The share that is kept while buffers fill, and what waits when the newest
 * lines stay. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fault.h"
#include "export/backlog.h"
#include "pipeline/shed.h"

#define MS UINT64_C(1000000)

static double fill[SCOPE_SHED_ROOM];
static uint64_t now;

/* Let time go by in steps of 1 ms; how often the share changed. */
static unsigned pass(struct scope_shed *s, unsigned ms)
{
	unsigned changes = 0;

	for (unsigned i = 0; i < ms; i++) {
		now += MS;
		changes += scope_shed_update(s, fill, false, now);
	}
	return changes;
}

static int setup(void **state)
{
	(void)state;
	memset(fill, 0, sizeof(fill));
	now = 1000 * MS;
	return 0;
}

static void all_is_kept_while_there_is_room(void **state)
{
	struct scope_shed s;

	(void)state;
	scope_shed_init(&s, 1);
	assert_int_equal(pass(&s, 5000), 0);
	fill[SCOPE_SHED_QUEUE] = 0.49;
	assert_int_equal(pass(&s, 5000), 0);
	assert_true(s.share == 1);
}

static void less_is_kept_while_a_buffer_fills(void **state)
{
	double before;
	struct scope_shed s;

	(void)state;
	scope_shed_init(&s, 0.8);
	fill[SCOPE_SHED_OUTPUT] = 0.6;
	fill[SCOPE_SHED_KERNEL] = 0.5;
	assert_int_equal(pass(&s, 1), 1);
	assert_true(s.share == 0.4);
	assert_int_equal(s.why, SCOPE_SHED_OUTPUT);
	/* Not again before it can show. */
	assert_int_equal(pass(&s, 19), 0);
	assert_int_equal(pass(&s, 1), 1);
	assert_true(s.share == 0.2);
	(void)pass(&s, 10000);
	assert_true(s.share == SCOPE_SHED_LEAST);
	/* What is neither full nor empty stays as it is. */
	fill[SCOPE_SHED_OUTPUT] = 0.3;
	fill[SCOPE_SHED_KERNEL] = 0;
	assert_int_equal(pass(&s, 5000), 0);
	fill[SCOPE_SHED_OUTPUT] = 0;
	before = s.share;
	assert_int_equal(pass(&s, 250), 0);
	assert_int_equal(pass(&s, 1), 1);
	assert_true(s.share == 2 * before);
	assert_int_equal(s.why, SCOPE_SHED_ROOM);
	(void)pass(&s, 10000);
	assert_true(s.share == 0.8); /* as much as was asked for */
	assert_int_equal(pass(&s, 5000), 0);
}

static void a_loss_counts_as_full(void **state)
{
	struct scope_shed s;

	(void)state;
	scope_shed_init(&s, 1);
	assert_true(scope_shed_update(&s, fill, true, now));
	assert_true(s.share == 0.5);
	assert_int_equal(s.why, SCOPE_SHED_KERNEL);
	assert_false(scope_shed_update(&s, fill, true, now + MS));
	for (unsigned i = 0; i < SCOPE_SHED_WHYS; i++)
		assert_non_null(scope_shed_name(i));
}

/* -- the backlog -------------------------------------------------------------------- */

#define CAP 65536u

static int text(char *to, unsigned n, unsigned len)
{
	int at = snprintf(to, 4096, "%u:", n);

	while ((unsigned)at < len)
		to[at++] = (char)('a' + n % 26);
	return at;
}

static unsigned number_of(const char *line)
{
	return (unsigned)strtoul(line, NULL, 10);
}

static void the_newest_lines_stay(void **state)
{
	scope_auto(scope_backlog) b = scope_backlog_new(CAP);
	unsigned n = 0, first, dropped;
	char line[4096], want[4096];
	const char *got;
	size_t len;
	bool keep;

	(void)state;
	assert_non_null(b);
	assert_null(scope_backlog_next(b, &len, &keep));
	for (; n < 5000; n++) {
		int r = text(line, n, 20 + n * 37 % 900);

		assert_int_equal(scope_backlog_put(b, line, (size_t)r,
						   n % 2 ? 11 : 12, false),
				 0);
	}
	assert_true(scope_backlog_fill(b) > 0.6);
	assert_true(scope_backlog_fill(b) <= 0.75);
	first = n - (unsigned)scope_backlog_lines(b);
	dropped = (unsigned)(scope_backlog_dropped(b)[11] +
			     scope_backlog_dropped(b)[12]);
	assert_int_equal(first, dropped);
	for (; first < n; first++) {
		int r = text(want, first, 20 + first * 37 % 900);

		got = scope_backlog_next(b, &len, &keep);
		assert_non_null(got);
		assert_int_equal(len, r);
		assert_memory_equal(got, want, len);
		scope_backlog_pop(b);
	}
	assert_int_equal(scope_backlog_lines(b), 0);
	assert_null(scope_backlog_next(b, &len, &keep));
}

static void lines_to_keep_stay_in_their_place(void **state)
{
	scope_auto(scope_backlog) b = scope_backlog_new(CAP);
	unsigned kept = 0, last = 0, lines = 0;
	const char *got;
	char line[4096];
	size_t len;
	bool keep;

	(void)state;
	assert_non_null(b);
	for (unsigned n = 1; n <= 3000; n++) {
		int r = text(line, n, 100);

		assert_int_equal(scope_backlog_put(b, line, (size_t)r, 43,
						   n % 300 == 1),
				 0);
	}
	while ((got = scope_backlog_next(b, &len, &keep))) {
		assert_true(number_of(got) > last);
		last = number_of(got);
		assert_int_equal(keep, last % 300 == 1);
		kept += keep;
		lines++;
		scope_backlog_pop(b);
	}
	assert_int_equal(kept, 10);
	assert_int_equal(last, 3000);
	assert_int_equal(scope_backlog_dropped(b)[43], 3000 - lines);
}

/* What is to be kept has room of its own, so that none is dropped for it. */
static void nothing_is_dropped_for_a_line_to_keep(void **state)
{
	scope_auto(scope_backlog) b = scope_backlog_new(CAP);
	char line[4096];
	uint64_t dropped;

	(void)state;
	assert_non_null(b);
	for (unsigned n = 0; n < 2000; n++)
		assert_int_equal(scope_backlog_put(b, line,
						   (size_t)text(line, n, 200),
						   11, false),
				 0);
	dropped = scope_backlog_dropped(b)[11];
	for (unsigned n = 0; n < 40; n++)
		assert_int_equal(scope_backlog_put(b, line,
						   (size_t)text(line, n, 200),
						   44, true),
				 0);
	assert_int_equal(scope_backlog_dropped(b)[11], dropped);
}

static void what_is_too_long_is_refused(void **state)
{
	scope_auto(scope_backlog) b = scope_backlog_new(CAP);
	static char line[CAP];

	(void)state;
	assert_non_null(b);
	assert_int_equal(scope_backlog_put(b, line, CAP / 2, 11, false),
			 -ENOBUFS);
	assert_int_equal(scope_backlog_put(b, line, CAP / 4, 11, false), 0);
	assert_int_equal(scope_backlog_lines(b), 1);
}

static void without_memory_there_is_none(void **state)
{
	(void)state;
	for (long n = 0; n < 3; n++) {
		fault_in = n;
		assert_null(scope_backlog_new(CAP));
		fault_in = -1;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(all_is_kept_while_there_is_room, setup),
		cmocka_unit_test_setup(less_is_kept_while_a_buffer_fills, setup),
		cmocka_unit_test_setup(a_loss_counts_as_full, setup),
		cmocka_unit_test(the_newest_lines_stay),
		cmocka_unit_test(lines_to_keep_stay_in_their_place),
		cmocka_unit_test(nothing_is_dropped_for_a_line_to_keep),
		cmocka_unit_test(what_is_too_long_is_refused),
		cmocka_unit_test(without_memory_there_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
