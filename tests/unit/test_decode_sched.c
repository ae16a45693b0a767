/* SPDX-License-Identifier: MIT */
/* Records into events: scheduling. */
#include "fake_target.h"
#include "scope/site.h"

#define DIRTY_TID 4003

static struct scope_rec *sched(enum scope_kind kind, const char *m,
			       const char *f, uint64_t arity)
{
	struct scope_rec *rec = rec_of(kind, 1000, pid_of(1));

	if (m) {
		rec->sched.module = atom(m);
		rec->sched.function = atom(f);
		rec->sched.arity = arity;
	}
	forget();
	return rec;
}

static void taken_up(void **state)
{
	struct scope_rec *rec = sched(SCOPE_KIND_SCHED_IN, "shop", "main", 2);

	(void)state;
	rec->flags = SCOPE_F_TIMED;
	rec->sched.ns = 77;
	rec->sched.reductions = 5; /* of nothing yet */
	assert_int_equal(give(), 0);
	is(0, "kind", "\"sched.in\"");
	is(0, "pid", "\"<0.1.0>\"");
	is(0, "scheduler", "1");
	is(0, "mfa", "\"shop:main/2\"");
	is(0, "wait_ns", "77");
	is(0, "dirty", NULL);
	is(0, "reductions", NULL);
	is(0, "state", NULL);
	rec = sched(SCOPE_KIND_SCHED_IN, NULL, NULL, 0);
	rec->tid = DIRTY_TID;
	rec->sched.ns = 77; /* says nothing without the flag */
	assert_int_equal(give(), 0);
	is(0, "mfa", NULL);
	is(0, "wait_ns", NULL);
	is(0, "dirty", "true");
}

static void left(void **state)
{
	struct scope_rec *rec = sched(SCOPE_KIND_SCHED_OUT, "shop", "main", 0);

	(void)state;
	rec->flags = SCOPE_F_TIMED;
	rec->sched.ns = 4000;
	rec->sched.reductions = 300;
	rec->sched.state = SCOPE_PSFLG_ACTIVE;
	assert_int_equal(give(), 0);
	is(0, "kind", "\"sched.out\"");
	is(0, "mfa", "\"shop:main/0\"");
	is(0, "run_ns", "4000");
	is(0, "wait_ns", NULL);
	is(0, "state", "\"runnable\"");
	is(0, "reductions", "300");
	/* What can't be is not told. */
	rec = sched(SCOPE_KIND_SCHED_OUT, "shop", "main", 256);
	rec->sched.reductions = -1;
	assert_int_equal(give(), 0);
	is(0, "mfa", NULL);
	is(0, "run_ns", NULL);
	is(0, "reductions", NULL);
	is(0, "state", "\"waiting\"");
}

/* By the code, where no function is about to begin. */
static void where_it_goes_on(void **state)
{
	uint64_t entry = code_of("shop_code", 0x7000, 0);
	struct scope_rec *rec;

	(void)state;
	/* jit_descriptor: version, action, relevant entry, first entry */
	fake_put(&t->f, fake_at(2), &entry, 8);
	rec = sched(SCOPE_KIND_SCHED_OUT, NULL, NULL, 0);
	rec->sched.i = 0x7000 + 350;
	assert_int_equal(give(), 0);
	is(0, "mfa", "\"shop_code:buy it/2\"");
	/* The function comes first. */
	rec = sched(SCOPE_KIND_SCHED_OUT, "shop", "main", 1);
	rec->sched.i = 0x7000 + 350;
	assert_int_equal(give(), 0);
	is(0, "mfa", "\"shop:main/1\"");
	rec = sched(SCOPE_KIND_SCHED_OUT, NULL, NULL, 0);
	rec->sched.i = 0x9000;
	assert_int_equal(give(), 0);
	is(0, "mfa", NULL);
}

static void why_it_was_left(void **state)
{
	static const struct {
		uint32_t state, flags;
		const char *says, *dirty;
	} cases[] = {
		{ 0, 0, "waiting", "waiting" },
		{ SCOPE_PSFLG_ACTIVE, 0, "runnable", "runnable" },
		{ SCOPE_PSFLG_ACTIVE | SCOPE_PSFLG_SUSPENDED, 0, "suspended",
		  "suspended" },
		{ SCOPE_PSFLG_ACTIVE | SCOPE_PSFLG_EXITING, 0, "exiting",
		  "exiting" },
		{ SCOPE_PSFLG_ACTIVE | SCOPE_PSFLG_DIRTY_CPU_PROC, 0,
		  "dirty_cpu", "dirty_cpu" },
		{ SCOPE_PSFLG_ACTIVE | SCOPE_PSFLG_DIRTY_IO_PROC, 0,
		  "dirty_io", "dirty_io" },
		{ SCOPE_PSFLG_ACTIVE | SCOPE_PSFLG_DIRTY_ACTIVE_SYS, 1u << 19,
		  "dirty_gc", "runnable" },
		{ SCOPE_PSFLG_ACTIVE | SCOPE_PSFLG_DIRTY_ACTIVE_SYS, 0,
		  "runnable", "runnable" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		for (int dirty = 0; dirty < 2; dirty++) {
			struct scope_rec *rec =
				sched(SCOPE_KIND_SCHED_OUT, NULL, NULL, 0);
			char want[32];

			rec->sched.state = cases[i].state |
					   (uint64_t)cases[i].flags << 32;
			if (dirty)
				rec->tid = DIRTY_TID;
			assert_int_equal(give(), 0);
			(void)snprintf(want, sizeof(want), "\"%s\"",
				       dirty ? cases[i].dirty : cases[i].says);
			is(0, "state", want);
		}
}

static void hibernation(void **state)
{
	struct scope_rec *rec;

	(void)state;
	(void)atom("erlang");
	(void)atom("hibernate");
	open_decoder(ALL, 64);
	rec = sched(SCOPE_KIND_SCHED_OUT, "erlang", "hibernate", 3);
	assert_int_equal(give(), 0);
	is(0, "state", "\"hibernating\"");
	/* A message came at once. */
	rec = sched(SCOPE_KIND_SCHED_OUT, "erlang", "hibernate", 3);
	rec->sched.state = SCOPE_PSFLG_ACTIVE;
	assert_int_equal(give(), 0);
	is(0, "state", "\"runnable\"");
}

static void a_hibernation_is_told(void **state)
{
	struct scope_rec *rec =
		rec_of(SCOPE_KIND_PROC_HIBERNATE, 1000, pid_of(1));
	uint64_t args[2] = { fake_int(5), fake_int(6) };

	(void)state;
	rec->hibernate.module = atom("shop");
	rec->hibernate.function = atom("main");
	rec->hibernate.args = fake_list(&t->f, args, 2, FAKE_NIL);
	rec->hibernate.arity = 2;
	rec->hibernate.size_before = 233;
	rec->hibernate.size_after = 12;
	rec->hibernate.heap_after = 11;
	assert_int_equal(give(), 0);
	is(0, "mfa", "\"shop:main/2\"");
	is(0, "args", "[\"5\",\"6\"]");
	is(0, "state", "\"hibernating\"");
	is(0, "heap_after_words", "11");
	is(0, "heap_size_before_words", "233");
	is(0, "heap_size_after_words", "12");
	is(0, "truncated", "false");
	/* By hibernate/0: it goes on where it was. */
	open_decoder(ALL, 64);
	memset(&rec->hibernate, 0, sizeof(rec->hibernate));
	rec->hibernate.size_before = 233;
	rec->hibernate.size_after = 12;
	assert_int_equal(give(), 0);
	is(0, "mfa", NULL);
	is(0, "args", NULL);
	is(0, "state", "\"hibernating\"");
	is(0, "heap_size_after_words", "12");
	/* It goes on at once; and a dirty scheduler is to collect it. */
	open_decoder(ALL, 0);
	rec->hibernate.module = fake_int(1);
	rec->flags = SCOPE_F_AWAKE | SCOPE_F_PUT_OFF;
	assert_int_equal(give(), 0);
	is(0, "mfa", NULL);
	is(0, "args", NULL);
	is(0, "state", "\"runnable\"");
	is(0, "heap_after_words", NULL);
	is(0, "heap_size_before_words", "233");
	is(0, "heap_size_after_words", NULL);
}

static void heaps_grow_and_shrink(void **state)
{
	struct scope_rec *rec = rec_of(SCOPE_KIND_HEAP_GROW, 1000, pid_of(1));

	(void)state;
	rec->gc.size_before = 233;
	rec->gc.size_after = 610;
	rec->gc.need = 40;
	rec->gc.caller = BIAS + 8; /* erts_garbage_collect_nobump */
	assert_int_equal(give(), 0);
	is(0, "kind", "\"heap.grow\"");
	is(0, "grew", "true");
	is(0, "heap_block_before_words", "233");
	is(0, "heap_block_after_words", "610");
	is(0, "need_words", "40");
	is(0, "reason", "\"heap\"");
	is(0, "dirty", NULL);
	forget();
	rec->gc.size_after = 12;
	rec->flags = SCOPE_F_DIRTY;
	assert_int_equal(give(), 0);
	is(0, "grew", "false");
	is(0, "dirty", "true");
}

static void calls_of_native_code(void **state)
{
	static const struct {
		enum scope_site site;
		const char *type, *dirty;
	} cases[] = {
		{ SCOPE_SITE_CALL_BIF, "\"bif\"", NULL },
		{ SCOPE_SITE_CALL_NIF, "\"nif\"", NULL },
		{ SCOPE_SITE_CALL_NIF_23, "\"nif\"", NULL },
		{ SCOPE_SITE_CALL_BIF_23, "\"bif\"", NULL },
		{ SCOPE_SITE_DIRTY_BIF, "\"dirty_bif\"", "true" },
		{ SCOPE_SITE_DIRTY_NIF, "\"dirty_nif\"", "true" },
	};
	struct scope_rec *rec;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		rec = rec_of(SCOPE_KIND_CALL, 1000, pid_of(1));
		rec->site = cases[i].site;
		rec->call.module = atom("shop");
		rec->call.function = atom("main");
		rec->call.arity = 3;
		rec->call.duration_ns = 99;
		forget();
		assert_int_equal(give(), 0);
		is(0, "kind", "\"call\"");
		is(0, "mfa", "\"shop:main/3\"");
		is(0, "duration_ns", "99");
		is(0, "type", cases[i].type);
		is(0, "dirty", cases[i].dirty);
	}
	rec->call.module = 0;
	forget();
	assert_int_equal(give(), 0);
	is(0, "mfa", NULL);
	is(0, "unreadable", "\"mfa: it was not there\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(taken_up, 25),	 T(left, 25),
		T(where_it_goes_on, 25), T(where_it_goes_on, 27),
		T(why_it_was_left, 25),	 T(hibernation, 25),
		T(a_hibernation_is_told, 25),
		T(heaps_grow_and_shrink, 25),
		T(calls_of_native_code, 25),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
