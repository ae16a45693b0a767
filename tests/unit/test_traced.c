/* SPDX-License-Identifier: MIT */
/* Calls that breakpoints report: names of functions, and which return belongs to
 * which call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pipeline/trace_int.h"

#define PID 0x30003ull
#define OTHER 0x40003ull
#define FROM 0x7f0000001000ull /* where calls return to */
#define SINCE 1000

static struct scope_trace *tr;
static struct scope_trace_opts opts;
static char f_text[] = "m:f/2", g_text[] = "m:g/1";

static int setup(void **state)
{
	(void)state;
	memset(&opts, 0, sizeof(opts));
	tr = calloc(1, sizeof(*tr));
	if (!tr)
		return -1;
	tr->opts = &opts;
	tr->pending = calloc(SCOPE_TRACE_PENDING, sizeof(*tr->pending));
	tr->n = 2;
	tr->function[0].text = f_text;
	tr->function[0].len = 5;
	tr->function[0].arity = 2;
	tr->function[0].at[0].addr = 0x5000;
	tr->function[0].at[1].addr = 0x6000;
	tr->function[1].text = g_text;
	tr->function[1].len = 5;
	tr->function[1].arity = 1;
	/* Returns to FROM are seen. */
	tr->reg[1] = (struct traced_register){ .addr = FROM,
					       .is_return = true,
					       .set_ns = SINCE };
	return tr->pending ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(tr->pending);
	free(tr);
	return 0;
}

static struct scope_traced got;

static bool call(uint64_t ts, unsigned id, uint64_t pid, uint64_t depth,
		 uint64_t caller)
{
	struct scope_rec rec = {
		.ts_ns = ts,
		.kind = SCOPE_KIND_CALL,
		.site = SCOPE_SITE_BREAK,
		.pid = pid,
		.traced = { .id = id,
			    .caller = caller,
			    .depth = depth,
			    .ip = id ? 0x7000 : 0x5000 },
	};
	struct scope_image im = { 0 };
	bool is_taken = scope_trace_take(tr, NULL, &rec, &im, &got);

	scope_trace_emitted(tr, ts);
	return is_taken;
}

static bool returns(uint64_t ts, uint64_t pid, uint64_t depth, uint64_t at)
{
	struct scope_rec rec = {
		.ts_ns = ts,
		.kind = SCOPE_KIND_CALL,
		.site = SCOPE_SITE_BREAK,
		.flags = SCOPE_F_RETURN,
		.pid = pid,
		.traced = { .depth = depth, .ip = at },
	};
	struct scope_image im = { 0 };

	return scope_trace_take(tr, NULL, &rec, &im, &got);
}

static void a_return_is_of_its_call(void **state)
{
	(void)state;
	assert_true(call(2000, 0, PID, 10, FROM));
	assert_int_equal(got.len, 5);
	assert_int_equal(got.arity, 2);
	assert_false(got.is_return);
	/* Another place on the stack, process, or address. */
	assert_false(returns(2100, PID, 11, FROM));
	assert_false(returns(2100, OTHER, 10, FROM));
	assert_false(returns(2100, PID, 10, FROM + 8));
	assert_true(returns(2500, PID, 10, FROM));
	assert_true(got.is_return);
	assert_memory_equal(got.mfa, "m:f/2", 5);
	assert_int_equal(got.duration_ns, 500);
	assert_int_equal(got.call, 2000);
	assert_int_equal(got.calls, 1);
	/* Once. */
	assert_false(returns(2600, PID, 10, FROM));
	assert_int_equal(tr->function[0].returned, 1);
}

static void calls_nest(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++)
		assert_true(call(2000 + i, 0, PID, 10 + 3 * i, FROM));
	for (unsigned i = 100; i-- > 0;) {
		assert_true(returns(3000 - i, PID, 10 + 3 * i, FROM));
		assert_int_equal(got.call, 2000 + i);
		assert_int_equal(got.calls, 1);
	}
}

/* f calls itself, then g, each in the place of its return. */
static void tail_calls_end_together(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5; i++)
		assert_true(call(2000 + i, 0, PID, 10, FROM));
	assert_true(call(2100, 1, PID, 10, FROM));
	assert_true(returns(2400, PID, 10, FROM));
	assert_memory_equal(got.mfa, "m:g/1", 5);
	assert_int_equal(got.duration_ns, 300);
	assert_int_equal(got.calls, 6);
	assert_false(returns(2500, PID, 10, FROM));
}

/* Before returns were seen there, a call may have returned. */
static void calls_of_before_are_not_counted(void **state)
{
	(void)state;
	assert_true(call(500, 0, PID, 10, FROM));
	assert_true(call(SINCE, 0, PID, 10, FROM));
	assert_true(call(2000, 0, PID, 10, FROM));
	assert_true(returns(2100, PID, 10, FROM));
	assert_int_equal(got.calls, 1);
	/* Nor of another caller. */
	assert_true(call(3000, 0, PID, 10, FROM + 64));
	assert_true(call(3100, 0, PID, 10, FROM));
	assert_true(returns(3200, PID, 10, FROM));
	assert_int_equal(got.calls, 1);
}

static void old_code_is_told(void **state)
{
	struct scope_rec rec = { .kind = SCOPE_KIND_CALL,
				 .site = SCOPE_SITE_BREAK,
				 .pid = PID,
				 .traced = { .ip = 0x6000 } };
	struct scope_image im = { 0 };

	(void)state;
	assert_true(scope_trace_take(tr, NULL, &rec, &im, &got));
	assert_true(got.is_old);
	rec.traced.ip = 0x5000;
	assert_true(scope_trace_take(tr, NULL, &rec, &im, &got));
	assert_false(got.is_old);
	rec.traced.id = 2;
	assert_false(scope_trace_take(tr, NULL, &rec, &im, &got));
}

static void enough_is_enough(void **state)
{
	(void)state;
	opts.calls = 2;
	assert_true(call(2000, 0, PID, 10, FROM));
	assert_false(scope_trace_is_done(tr));
	assert_true(call(2001, 0, PID, 12, FROM));
	assert_true(scope_trace_is_done(tr));
	assert_false(call(2002, 0, PID, 14, FROM));
	assert_int_equal(tr->function[0].told, 2);
}

static void places_are_ranked(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3 * SCOPE_TRACE_SITES; i++)
		assert_true(call(2000 + i, 0, PID, 10, 0x1000 + 8 * i));
	for (unsigned i = 0; i < 10; i++)
		assert_true(call(9000 + i, 0, PID, 10, FROM));
	assert_int_equal(tr->nsites, SCOPE_TRACE_SITES);
	scope_trace_rank(tr);
	for (size_t i = 0; i < tr->nsites; i++)
		assert_true(tr->site[i].addr == FROM ?
				    tr->site[i].score > 10000 :
				    tr->site[i].score < 2000);
	/* Idle ones are kept: nobody else wants their register. */
	for (int i = 0; i < 10000; i++)
		scope_trace_rank(tr);
	assert_true(tr->site[0].score > 0);
}

/* More calls under way than are kept: the oldest are forgotten. */
static void pending_calls_are_bounded(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= 2 * SCOPE_TRACE_PENDING; i++)
		assert_true(call(SINCE + i, 0, i << 4 | 3, 10, FROM));
	assert_true(returns(1u << 30, 2ull * SCOPE_TRACE_PENDING << 4 | 3, 10,
			    FROM));
}

static void names_are_understood(void **state)
{
	static const char *const good[][2] = {
		{ "lists:map/2", "lists:map/2" },
		{ "'my module':f/1", "'my module':f/1" },
		{ "'a:b':f/1", "'a:b':f/1" },
		{ "Elixir.Shop.Cart:add/2", "Elixir.Shop.Cart:add/2" },
		{ "Shop.Cart.add/2", "Elixir.Shop.Cart:add/2" },
		{ "Elixir.Shop.Cart.add/2", "Elixir.Shop.Cart:add/2" },
		{ "Shop.add", "Elixir.Shop:add" },
		{ "Shop.*", "Elixir.Shop:*" },
		{ ":lists.map/2", "lists:map/2" },
		{ "Kernel.../2", "Elixir.Kernel:../2" },
		{ "Kernel.+/2", "Elixir.Kernel:+/2" },
		{ "Shop.ok?/1", "Elixir.Shop:ok?/1" },
	};
	static const char *const bad[] = {
		"", "lists", "lists.map/2", "Shop", "Shop.", ".f/1", ":", ":x",
		":x.", ":a:b.c/1", "Shop./2",
	};
	char buf[64];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(
			scope_trace_name(good[i][0], buf, sizeof(buf)), 0);
		assert_string_equal(buf, good[i][1]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (scope_trace_name(bad[i], buf, sizeof(buf)) != -EINVAL)
			fail_msg("taken: %s as %s", bad[i], buf);
	assert_int_equal(scope_trace_name("Shop.Cart.add/2", buf, 20),
			 -ENAMETOOLONG);
	assert_int_equal(scope_trace_name("lists:map/2", buf, 11),
			 -ENAMETOOLONG);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_return_is_of_its_call),
		T(calls_nest),
		T(tail_calls_end_together),
		T(calls_of_before_are_not_counted),
		T(old_code_is_told),
		T(enough_is_enough),
		T(places_are_ranked),
		T(pending_calls_are_bounded),
		cmocka_unit_test(names_are_understood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
