/* SPDX-License-Identifier: MIT */
/* Filters: what they mean, what they let be left out, what is wrong in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_vm.h"
#include "fault.h"
#include "query/expr.h"

static struct fake fake;
static struct scope_event send, receive, gc, reg;

#define FIRST 1795372800000000000ull
#define SECOND 1000000000ull

static const struct scope_expr_opts opts = { .first_ts_ns = FIRST,
					     .last_ts_ns = FIRST + 60 * SECOND,
					     .os_pid = 4242 };

static uint64_t pid(unsigned n)
{
	return (uint64_t)n << 4 | 0x3;
}

static void add(struct scope_event *ev, enum scope_field_key key, uint64_t v)
{
	scope_event_add(ev, key)->term = v;
}

static uint64_t message(void)
{
	uint64_t call[3] = { fake_atom(&fake, "$gen_call"), pid(7), 0 };
	uint64_t keys[2] = { fake_atom(&fake, "id"), fake_atom(&fake, "what") };
	uint64_t values[2] = { fake_int(42), fake_bin(&fake, "cart 7", 6) };

	call[2] = fake_map(&fake, keys, values, 2);
	return fake_tuple(&fake, call, 3);
}

static int make(void **state)
{
	struct scope_field *f;

	(void)state;
	if (fake_init(&fake, 25) < 0)
		return -1;
	send = (struct scope_event){ .id = 1,
				     .kind = SCOPE_KIND_MSG_SEND,
				     .ts_ns = FIRST,
				     .mono_ns = 5,
				     .scheduler = 2,
				     .pid = pid(10),
				     .name = fake_atom(&fake, "shop") };
	add(&send, SCOPE_FIELD_TO, pid(11));
	add(&send, SCOPE_FIELD_TO_NAME, fake_atom(&fake, "Elixir.Shop.Db"));
	add(&send, SCOPE_FIELD_MSG, message());
	add(&send, SCOPE_FIELD_MSG_WORDS, 14);
	receive = send;
	receive.id = 2;
	receive.kind = SCOPE_KIND_MSG_RECEIVE;
	receive.ts_ns += SECOND;
	receive.pid = pid(11);
	receive.name = 0;
	receive.nfields = 0;
	add(&receive, SCOPE_FIELD_FROM, pid(10));
	add(&receive, SCOPE_FIELD_MSG, fake_atom(&fake, "tick"));
	add(&receive, SCOPE_FIELD_WAIT_NS, 5000000);
	f = scope_event_add(&receive, SCOPE_FIELD_CORR);
	f->corr.addr = 0x7f01;
	f->corr.n = 3;
	gc = (struct scope_event){ .id = 3,
				   .kind = SCOPE_KIND_GC_END,
				   .ts_ns = FIRST + 2 * SECOND,
				   .pid = pid(12) };
	add(&gc, SCOPE_FIELD_MAJOR, 0);
	add(&gc, SCOPE_FIELD_PAUSE_NS, 70000);
	reg = (struct scope_event){ .id = 4,
				    .kind = SCOPE_KIND_PROC_REGISTER,
				    .ts_ns = FIRST + 60 * SECOND,
				    .pid = pid(12),
				    .name = fake_atom(&fake, "old") };
	add(&reg, SCOPE_FIELD_REGISTERED, fake_atom(&fake, "new one"));
	scope_event_add(&reg, SCOPE_FIELD_MFA)->mfa =
		(struct scope_mfa){ fake_atom(&fake, "gen_server"),
				    fake_atom(&fake, "init_it"), 6 };
	send.image = receive.image = gc.image = reg.image = *fake_image(&fake);
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	scope_vm_done(&fake.vm);
	return 0;
}

/* Those that are meant, a bit each: 1 send, 2 receive, 4 gc, 8 register. */
static unsigned meant(const char *text)
{
	const struct scope_event *all[] = { &send, &receive, &gc, &reg };
	scope_auto(scope_expr) e = NULL;
	struct scope_err err = { 0 };
	unsigned set = 0;

	if (scope_expr_parse(text, &opts, &e, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	for (unsigned i = 0; i < 4; i++)
		if (scope_expr_is(e, &fake.vm, all[i]))
			set |= 1u << i;
	return set;
}

static void filters_mean_what_they_say(void **state)
{
	static const struct {
		const char *text;
		unsigned set;
	} cases[] = {
		{ "", 15 },
		{ "kind=msg.send", 1 },
		{ "kind = msg", 3 },
		{ "kind=msg.*", 3 },
		{ "kind!=msg", 12 },
		{ "kind in (gc.end, proc)", 12 },
		{ "kind not in (gc, proc)", 3 },
		{ "not kind=gc", 11 },
		{ "id=2", 2 },
		{ "os_pid=4242", 15 },
		{ "os_pid!=4242", 0 },
		{ "truncated=false", 3 },
		{ "truncated", 0 },
		{ "id>=2 and id<4", 6 },
		{ "id in 2..3", 6 },
		{ "id not in 2..3", 9 },
		{ "kind=gc or kind=msg and id=1", 5 },
		{ "(kind=gc or kind=msg) and id=1", 1 },
		{ "pid=<0.10.0>", 1 },
		{ "pid=<0.11.0> or to=<0.11.0>", 3 },
		{ "pid=\"<0.11.0>\"", 2 },
		{ "name=shop", 1 },
		{ "name=old", 0 },
		{ "name='new one'", 8 },
		{ "name", 9 },
		{ "to_name=Elixir.Shop.*", 1 },
		{ "to_name~\"Shop\\.Db$\"", 1 },
		{ "to_name!~Shop", 14 },
		{ "msg=tick", 2 },
		{ "msg~'cart 7'", 1 },
		{ "msg[1]='$gen_call'", 1 },
		{ "msg[2]=<0.7.0>", 1 },
		{ "msg[3][id]=42", 1 },
		{ "msg[3][id]>41", 1 },
		{ "msg[3][what]=\"cart 7\"", 1 },
		{ "msg[3][other]=1 or msg[9]", 0 },
		{ "wait_ns>4ms", 2 },
		{ "wait_ns=5ms", 2 },
		{ "wait_ns<=4.9ms", 0 },
		{ "pause_ns>=70us", 4 },
		{ "major", 0 },
		{ "major=false", 4 },
		{ "not major", 15 },
		{ "corr=m-7f01-3", 2 },
		{ "mfa=gen_server:init_it/6", 8 },
		{ "mfa=gen_server:*", 8 },
		{ "scheduler>1", 3 },
		{ "ts<+1s", 1 },
		{ "ts in +0s..+2s", 7 },
		{ "ts>=-58s", 12 },
		{ "ts=2026-11-22T18:40:01Z", 2 },
		{ "ts=2026-11-22T19:40:01.000+01:00", 2 },
		{ "ts>1795372801999999999", 12 },
		{ "NOT kind=gc AND id>1", 10 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (meant(cases[i].text) != cases[i].set)
			fail_msg("%s: %u instead of %u", cases[i].text,
				 meant(cases[i].text), cases[i].set);
}

static void wrong_ones_are_told_where(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "kind=", "column 6: a value is missing" },
		{ "knd=x", "column 1: no field" },
		{ "kind=a kind=b", "column 8: and, or" },
		{ "(kind=a", "a ) is missing" },
		{ "kind in a", "range" },
		{ "msg~\"(\"", "column 5: missing closing" },
		{ "msg=\"abc", "does not end" },
		{ "ts=yesterday", "no time" },
		{ "msg[1=2", "a ] is missing" },
		{ "kind=a and", "a field is missing" },
		{ "kind=a & id=1", "column 8: a character" },
		{ "not", "a field is missing" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct scope_expr *e = NULL;
		struct scope_err err = { 0 };

		assert_int_equal(scope_expr_parse(cases[i].text, &opts, &e,
						  &err),
				 -EINVAL);
		if (!strstr(err.text, cases[i].says))
			fail_msg("%s: %s", cases[i].text, err.text);
	}
}

static void no_depth_and_no_length_breaks_it(void **state)
{
	static char text[200000];
	struct scope_expr *e = NULL;
	struct scope_err err = { 0 };

	(void)state;
	memset(text, '(', 100000);
	assert_int_equal(scope_expr_parse(text, &opts, &e, &err), -EINVAL);
	for (unsigned i = 0; i < 10000; i++)
		memcpy(text + 10 * (size_t)i, "id=1 or   ", 10);
	strcpy(text + 100000, "id=1");
	err.code = 0;
	assert_int_equal(scope_expr_parse(text, &opts, &e, &err), -EINVAL);
}

static void plans_leave_out_what_can_not_be(void **state)
{
	struct scope_expr_plan plan;
	scope_auto(scope_expr) e = NULL;
	struct scope_err err = { 0 };

	(void)state;
	assert_int_equal(
		scope_expr_parse("kind in (gc.end, msg.send) and ts in "
				 "+1s..+2s and id>5 and pid=<0.10.0> and "
				 "name=shop and (wait_ns>1 or id=1)",
				 &opts, &e, &err),
		0);
	scope_expr_plan(e, &plan);
	assert_true(plan.kinds == (SCOPE_KIND_BIT(SCOPE_KIND_GC_END) |
				   SCOPE_KIND_BIT(SCOPE_KIND_MSG_SEND)));
	assert_true(plan.min_ts_ns == FIRST + SECOND);
	assert_true(plan.max_ts_ns == FIRST + 2 * SECOND);
	assert_true(plan.min_id == 5 && plan.max_id == UINT64_MAX);
	assert_int_equal(plan.nkeys, 2);
	assert_true(plan.keys[0].is_pid);
	assert_memory_equal(plan.keys[0].text, "<0.10.0>", 8);
	assert_memory_equal(plan.keys[1].text, "shop", 4);
	scope_expr_free(scope_take(e));
	assert_int_equal(scope_expr_parse("kind=gc or pid=<0.1.0>", &opts, &e,
					  &err),
			 0);
	scope_expr_plan(e, &plan);
	assert_true(plan.kinds == UINT64_MAX && plan.nkeys == 0);
	scope_expr_free(scope_take(e));
	/* Of a socket an address, which the blocks' filters do not hold. */
	assert_int_equal(scope_expr_parse("peer=\"127.0.0.1:80\"", &opts, &e,
					  &err),
			 0);
	scope_expr_plan(e, &plan);
	assert_int_equal(plan.nkeys, 0);
}

static void want_of_memory_is_said(void **state)
{
	(void)state;
	for (long n = 0;; n++) {
		struct scope_expr *e = NULL;
		struct scope_err err = { 0 };
		int r;

		fault_in = n;
		r = scope_expr_parse("msg~a", &opts, &e, &err);
		if (fault_in >= 0) {
			fault_in = -1;
			scope_expr_free(e);
			assert_int_equal(r, 0);
			break;
		}
		fault_in = -1;
		assert_true(r < 0 || e);
		scope_expr_free(e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filters_mean_what_they_say),
		cmocka_unit_test(wrong_ones_are_told_where),
		cmocka_unit_test(no_depth_and_no_length_breaks_it),
		cmocka_unit_test(plans_leave_out_what_can_not_be),
		cmocka_unit_test(want_of_memory_is_said),
	};

	return cmocka_run_group_tests(tests, make, unmake);
}
