/* SPDX-License-Identifier: MIT */
/* Breakpoints: what is told to their program, and when; the attacher is made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "attacher/attacher.h"
#include "base/time.h"
#include "probe/points.h"

static struct scope_bpf_control control;
static uint64_t set_to[SCOPE_BREAKS]; /* address; 0: none */
static uint64_t kernel_hits;	      /* of what is taken off next */
static int next;		      /* what the next one answers */

int scope_attacher_break(struct scope_attacher *a, unsigned slot, unsigned reg,
			 uint64_t addr, struct scope_broken *ret)
{
	const struct scope_break *b = &control.breaks[reg];

	(void)a;
	assert_int_equal(slot, 3);
	assert_true(reg < SCOPE_BREAKS);
	memset(ret, 0, sizeof(*ret));
	ret->hits = kernel_hits;
	kernel_hits = 0;
	set_to[reg] = 0;
	if (!addr) {
		/* What is hit from now on is not reported. */
		assert_true(b->until_ns <= scope_now_ns());
		return 0;
	}
	/* Nor what is hit before all threads have it. */
	assert_int_equal(b->addr, addr);
	assert_int_equal(b->since_ns, UINT64_MAX);
	if (next < 0)
		return next;
	set_to[reg] = addr;
	ret->threads = 2;
	ret->trap_ns = 9000;
	return 0;
}

static struct scope_points *p;

static int setup(void **state)
{
	(void)state;
	memset(&control, 0, sizeof(control));
	memset(set_to, 0, sizeof(set_to));
	next = 0;
	return scope_points_new(NULL, 3, &control, &p);
}

static int teardown(void **state)
{
	(void)state;
	scope_points_free(p);
	return 0;
}

static const struct scope_break one = { .addr = 0x7000,
					.id = 5,
					.arity = 2,
					.ntests = 1,
					.hits = 99,
					.passed = 99 };

/* As the kernel side does. */
static void hit(unsigned reg, unsigned times, unsigned passed)
{
	control.breaks[reg].hits += times;
	control.breaks[reg].passed += passed;
}

static void one_reports_from_when_it_is_set(void **state)
{
	struct scope_point_figures f;
	uint64_t before = scope_now_ns();

	(void)state;
	assert_int_equal(scope_points_set(p, 1, &one, NULL), 0);
	assert_int_equal(set_to[1], 0x7000);
	assert_true(control.breaks[1].since_ns >= before);
	assert_true(control.breaks[1].since_ns <= scope_now_ns());
	assert_int_equal(control.breaks[1].until_ns, UINT64_MAX);
	assert_int_equal(control.breaks[1].id, 5);
	assert_int_equal(control.breaks[1].ntests, 1);
	assert_int_equal(control.breaks[1].hits, 0);
	assert_int_equal(scope_points_trap_ns(p), 9000);
	hit(1, 10, 7);
	scope_points_figures(p, 1, &f);
	assert_int_equal(f.passed, 7);
	kernel_hits = 12;
	scope_points_clear(p, 1, &f);
	assert_int_equal(f.passed, 7);
	assert_true(f.armed_ns <= scope_now_ns() - before);
	assert_int_equal(set_to[1], 0);
	assert_int_equal(control.breaks[1].addr, 0);
	/* Two were counted, and no program ran. */
	assert_int_equal(scope_points_missed(p), 2);
	scope_points_clear(p, 1, &f);
	assert_int_equal(f.passed, 0);
}

static void a_pause_is_no_end(void **state)
{
	struct scope_point_figures f, g;

	(void)state;
	assert_int_equal(scope_points_set(p, 0, &one, NULL), 0);
	hit(0, 3, 3);
	kernel_hits = 3;
	assert_int_equal(scope_points_pause(p, true), 0);
	assert_int_equal(set_to[0], 0);
	scope_points_figures(p, 0, &f);
	scope_points_figures(p, 0, &g);
	assert_int_equal(f.passed, 3);
	assert_int_equal(f.armed_ns, g.armed_ns);
	/* What is set meanwhile waits. */
	assert_int_equal(scope_points_set(p, 2, &one, NULL), 0);
	assert_int_equal(set_to[2], 0);
	assert_int_equal(scope_points_pause(p, false), 0);
	assert_int_equal(set_to[0], 0x7000);
	assert_int_equal(set_to[2], 0x7000);
	hit(0, 4, 4);
	kernel_hits = 4;
	scope_points_clear(p, 0, &f);
	assert_int_equal(f.passed, 7);
	assert_int_equal(scope_points_missed(p), 0);
}

static void the_end_is_for_good(void **state)
{
	struct scope_point_figures f;

	(void)state;
	assert_int_equal(scope_points_set(p, 0, &one, NULL), 0);
	hit(0, 3, 2);
	kernel_hits = 3;
	assert_int_equal(scope_points_ended(p), 0);
	scope_points_end(p);
	assert_true(scope_points_ended(p) > 0);
	assert_int_equal(set_to[0], 0);
	scope_points_figures(p, 0, &f);
	assert_int_equal(f.passed, 2);
	assert_int_equal(scope_points_set(p, 1, &one, NULL), -ESHUTDOWN);
	assert_int_equal(scope_points_pause(p, false), 0);
	assert_int_equal(set_to[0], 0);
}

static void failures_have_words(void **state)
{
	static const struct {
		int r, becomes;
		const char *word;
	} all[] = {
		{ -ENOSPC, -ENOSPC, "debugger" },
		{ -EOPNOTSUPP, -EOPNOTSUPP, "virtual machines" },
		{ -ENOENT, -EOPNOTSUPP, "virtual machines" },
		{ -EACCES, -EPERM, "CAP_PERFMON" },
		{ -ESRCH, -ESRCH, "ended" },
		{ -EOWNERDEAD, -EOWNERDEAD, "ended" },
		{ -EMFILE, -EMFILE, "ulimit" },
		{ -EBADMSG, -EBADMSG, "code" },
		{ -EIO, -EIO, "breakpoint" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct scope_err err = { 0 };

		next = all[i].r;
		assert_int_equal(scope_points_set(p, 0, &one, &err),
				 all[i].becomes);
		assert_non_null(strstr(err.text, all[i].word));
		assert_int_equal(control.breaks[0].addr, 0);
	}
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(one_reports_from_when_it_is_set),
		T(a_pause_is_no_end),
		T(the_end_is_for_good),
		T(failures_have_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
