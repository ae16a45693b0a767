/* SPDX-License-Identifier: MIT */
/* Timers and tables: what their records become. */
#include "fake_target.h"
#include "scope/ets.h"
#include "scope/site.h"

static void timers_are_told(void **state)
{
	uint64_t pid = alive(1, "shop"), ref;
	struct scope_rec *rec = rec_of(SCOPE_KIND_TIMER_START, 7, pid);

	(void)state;
	rec->site = SCOPE_SITE_SEND_AFTER_3;
	rec->timer.ref = ref = fake_ref(&t->f, 1, 2, 3);
	rec->timer.time = fake_int(20);
	rec->timer.to = pid;
	rec->timer.msg = fake_int(5);
	assert_int_equal(give(), 0);
	is(ngot - 1, "kind", "\"timer.start\"");
	is(ngot - 1, "to", "\"<0.1.0>\"");
	is(ngot - 1, "to_name", "\"shop\"");
	is(ngot - 1, "msg", "\"5\"");
	is(ngot - 1, "ref", "\"#Ref<0.3.2.1>\"");
	is(ngot - 1, "after_ns", "20000000");
	is(ngot - 1, "at_ms", NULL);
	is(ngot - 1, "type", NULL);
	/* A point in time, for a name. */
	forget();
	rec = rec_of(SCOPE_KIND_TIMER_START, 8, pid);
	rec->flags = SCOPE_F_TIMER_ABS;
	rec->timer.time = fake_int(-576460749151);
	rec->timer.to = atom("main");
	rec->timer.msg = fake_int(5);
	assert_int_equal(give(), 0);
	is(0, "at_ms", "-576460749151");
	is(0, "after_ns", NULL);
	is(0, "to", NULL);
	is(0, "to_name", "\"main\"");
	/* No small number, and a negative one: nothing is said. */
	forget();
	rec = rec_of(SCOPE_KIND_TIMER_START, 9, pid);
	rec->timer.time = fake_boxed(0x1230);
	assert_int_equal(give(), 0);
	is(0, "after_ns", NULL);
	forget();
	rec = rec_of(SCOPE_KIND_TIMER_START, 9, pid);
	rec->site = SCOPE_SITE_RECEIVE_TIMER_23;
	rec->timer.time = fake_int(3);
	assert_int_equal(give(), 0);
	is(0, "type", "\"receive\"");
	is(0, "after_ns", "3000000");
	is(0, "msg", NULL);
	forget();
	rec = rec_of(SCOPE_KIND_TIMER_START, 9, pid);
	rec->site = SCOPE_SITE_RECEIVE_TIMER;
	rec->timer.time = fake_int(2);
	assert_int_equal(give(), 0);
	is(0, "type", "\"receive\"");
	is(0, "after_ns", "2000000");
	is(0, "msg", NULL);
	is(0, "ref", NULL);
	forget();
	rec = rec_of(SCOPE_KIND_TIMER_TIMEOUT, 9, 0);
	rec->timer.ref = fake_ref(&t->f, 1, 2, 3);
	rec->timer.to = pid;
	rec->timer.msg = fake_int(6);
	assert_int_equal(give(), 0);
	is(0, "pid", NULL);
	is(0, "to", "\"<0.1.0>\"");
	is(0, "ref", "\"#Ref<0.3.2.1>\"");
	is(0, "msg", "\"6\"");
	(void)ref;
}

static void give_cancel(uint64_t result, unsigned flags)
{
	struct scope_rec *rec = rec_of(SCOPE_KIND_TIMER_CANCEL, 9, pid_of(1));

	forget();
	rec->flags = flags;
	rec->timer.ref = fake_ref(&t->f, 1, 2, 3);
	rec->timer.result = result;
	assert_int_equal(give(), 0);
}

static void what_canceling_gave_is_told(void **state)
{
	(void)state;
	(void)alive(1, "shop");
	give_cancel(fake_int(7), 0);
	give_cancel(fake_int(7), 0);
	is(0, "left_ns", "7000000");
	is(0, "found", NULL);
	is(0, "async", NULL);
	give_cancel(0x0b, 0); /* false */
	is(0, "found", "false");
	is(0, "left_ns", NULL);
	/* The answer comes later. */
	give_cancel(0, 0);
	is(0, "found", NULL);
	is(0, "left_ns", NULL);
	give_cancel(atom("ok"), SCOPE_F_TIMER_ASYNC);
	is(0, "async", "true");
	is(0, "found", NULL);
}

/* Every operation has its name, and says what it takes. */
static void operations_have_names(void **state)
{
	static const struct {
		enum scope_kind kind;
		const char *name;
		int takes;
	} ops[] = {
#define X(function, arity, kind, takes, since) \
	{ SCOPE_KIND_##kind, "\"" #function "/" #arity "\"", SCOPE_ETS_##takes },
		SCOPE_ETS_BIFS(X)
#undef X
	};

	(void)state;
	(void)alive(1, "shop");
	(void)scope_decoder_record(d, rec_of(SCOPE_KIND_PROC_EXIT_SIGNAL, 1,
					     pid_of(1)));
	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
		struct scope_rec *rec = rec_of(ops[i].kind, 9, pid_of(1));
		bool is_new = ops[i].takes == SCOPE_ETS_NAME;

		forget();
		rec->ets.op = i;
		rec->ets.table = ops[i].takes == SCOPE_ETS_REST ? 0 :
								  atom("shop");
		rec->ets.key = is_new ? atom("main") : fake_int(3);
		rec->ets.count = ops[i].takes == SCOPE_ETS_OBJECT ? 2 : 0;
		assert_int_equal(give(), 0);
		is(0, "op", ops[i].name);
		is(0, "table", rec->ets.table ? "\"shop\"" : NULL);
		is(0, "key", ops[i].takes == SCOPE_ETS_KEY ? "\"3\"" : NULL);
		is(0, "object",
		   ops[i].takes == SCOPE_ETS_OBJECT ? "\"3\"" : NULL);
		is(0, "objects", ops[i].takes == SCOPE_ETS_OBJECT ? "2" : NULL);
		is(0, "table_name", is_new ? "\"main\"" : NULL);
	}
	/* One that there is not. */
	forget();
	rec_of(SCOPE_KIND_ETS_LOOKUP, 9, pid_of(1))->ets.op = UINT64_MAX;
	assert_int_equal(give(), 0);
	is(0, "op", NULL);
}

#define TESTS(otp)                                                        \
	T(timers_are_told, otp), T(what_canceling_gave_is_told, otp), \
		T(operations_have_names, otp)

int main(void)
{
	const struct CMUnitTest tests[] = { TESTS(25), TESTS(27) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
