/* SPDX-License-Identifier: MIT */
/* Waits: from processes that are left, and taken up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline/offcpu.h"

static uint32_t frame(struct scope_profile *p)
{
	const struct scope_frame f = { .name = { "m:f/0", 5 } };

	return scope_profile_frame(p, &f);
}

static void take(struct scope_offcpu *w, uint64_t ts, uint64_t pid, bool is_in,
		 const uint32_t *f)
{
	const struct scope_sampled s = { .ts_ns = ts,
					 .pid = pid,
					 .proc = SCOPE_PROFILE_NONE,
					 .frames = f,
					 .n = is_in ? 0 : 1,
					 .is_in = is_in,
					 .is_out = !is_in };

	assert_int_equal(scope_offcpu_take(w, &s), 0);
}

static void a_wait_lasts_until_it_is_taken_up(void **state)
{
	scope_auto(scope_profile) p = scope_profile_new();
	scope_auto(scope_offcpu) w = scope_offcpu_new(p);
	const uint32_t f = frame(p);

	(void)state;
	take(w, 50, 7, true, NULL); /* its leaving was before */
	take(w, 100, 7, false, &f);
	take(w, 130, 8, false, &f);
	take(w, 150, 7, true, NULL);
	take(w, 160, 7, true, NULL);
	assert_int_equal(scope_profile_count(p), 1);
	assert_int_equal(scope_profile_ns(p), 50);
	scope_offcpu_finish(w, 200);
	assert_int_equal(scope_profile_count(p), 2);
	assert_int_equal(scope_profile_ns(p), 120);
	scope_offcpu_finish(w, 300);
	assert_int_equal(scope_profile_count(p), 2);
}

/* Left twice: in between something was lost, and how long it waited with it. */
static void what_was_lost_is_not_made_up(void **state)
{
	scope_auto(scope_profile) p = scope_profile_new();
	scope_auto(scope_offcpu) w = scope_offcpu_new(p);
	const uint32_t f = frame(p);

	(void)state;
	take(w, 100, 7, false, &f);
	take(w, 200, 7, false, &f);
	take(w, 230, 7, true, NULL);
	take(w, 240, 9, false, &f); /* freed with the waits */
	assert_int_equal(scope_profile_count(p), 1);
	assert_int_equal(scope_profile_ns(p), 30);
	assert_int_equal(scope_offcpu_refused(w), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wait_lasts_until_it_is_taken_up),
		cmocka_unit_test(what_was_lost_is_not_made_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
