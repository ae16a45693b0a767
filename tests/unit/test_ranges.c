/* SPDX-License-Identifier: MIT */
/* Where an interpreter's code is (target/ranges.h), in memory made here, whole
 * and damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fake_ranges.h"
#include "fault.h"
#include "target/ranges.h"

static struct fake f;
static struct fake_ranges fr;
static struct scope_ranges *r;

static int set_up(void **state)
{
	(void)state;
	if (fake_init(&f, 23) < 0)
		return -1;
	fake_ranges_make(&f, &fr);
	r = scope_ranges_new(&f.vm, fr.tables, fr.active);
	return r ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	scope_ranges_free(r);
	scope_vm_done(&f.vm);
	return 0;
}

static void put(uint64_t addr, uint64_t v)
{
	fake_put(&f, addr, &v, 8);
}

static uint64_t get(uint64_t addr)
{
	return f.mem[(addr - FAKE_BASE) / 8];
}

static int locate(uint64_t *ret)
{
	return scope_ranges_locate(&f.vm, FAKE_BASE, fake_at(f.used), 0, ret);
}

static void is(uint64_t addr, size_t module, size_t function)
{
	struct scope_mfa m;

	assert_int_equal(scope_ranges_find(r, addr, &m), 0);
	assert_int_equal(m.module, fr.name[module]);
	assert_int_equal(m.function, function ? fr.second : fr.first);
	assert_int_equal(m.arity, function);
}

static void is_nowhere(uint64_t addr)
{
	struct scope_mfa m;

	assert_int_equal(scope_ranges_find(r, addr, &m), -ENOENT);
}

static void every_address_has_its_function(void **state)
{
	(void)state;
	is_nowhere(fake_function_code(&fr, 0, 0)); /* nothing is known yet */
	assert_int_equal(scope_ranges_sync(r), 0);
	assert_int_equal(scope_ranges_modules(r), FAKE_MODULES);
	/* Twice: the second time from what is remembered. */
	for (int k = 0; k < 2; k++)
		for (size_t m = 0; m < FAKE_MODULES; m++)
			for (size_t i = 0; i < 2; i++)
				for (uint64_t at = fake_function(&fr, m, i);
				     at < fake_function(&fr, m, i + 1); at += 8)
					is(at, m, i);
	for (size_t m = 0; m < FAKE_MODULES; m++) {
		is_nowhere(fr.module[m]);	      /* the head */
		is_nowhere(fake_function(&fr, m, 0) - 1);
		is_nowhere(fake_function(&fr, m, 2)); /* behind the last */
	}
	is_nowhere(0);
	is_nowhere(fr.module[0] - 8);
	is_nowhere(~0ull);
}

static void the_tables_are_found(void **state)
{
	uint64_t at = 0, copy;

	(void)state;
	assert_int_equal(locate(&at), 0);
	assert_int_equal(at, fr.tables);
	/* Of another index, which is as good. */
	at = 0;
	assert_int_equal(scope_ranges_locate(&f.vm, FAKE_BASE, fake_at(f.used),
					     1, &at),
			 0);
	assert_int_equal(at, fr.tables);
	/* The one that was never used; no such index. */
	assert_int_equal(scope_ranges_locate(&f.vm, FAKE_BASE, fake_at(f.used),
					     2, &at),
			 -ENOENT);
	assert_int_equal(scope_ranges_locate(&f.vm, FAKE_BASE, fake_at(f.used),
					     3, &at),
			 -EBADMSG);
	/* Not all of it is there. */
	assert_int_equal(scope_ranges_locate(&f.vm, FAKE_BASE, fr.tables + 88, 0,
					     &at),
			 -ENOENT);
	assert_int_equal(scope_ranges_locate(&f.vm, fr.tables + 8,
					     fake_at(f.used), 0, &at),
			 -ENOENT);
	assert_int_equal(scope_ranges_locate(&f.vm, fr.tables, fr.tables, 0,
					     &at),
			 -ENOENT);
	/* Odd borders. */
	assert_int_equal(scope_ranges_locate(&f.vm, fr.tables - 3,
					     fr.tables + 96, 0, &at),
			 0);
	/* Memory that is not there goes before it, and no end of it. */
	assert_int_equal(scope_ranges_locate(&f.vm, FAKE_BASE - (1 << 18),
					     fr.tables, 0, &at),
			 -ENOENT);
	assert_int_equal(scope_ranges_locate(&f.vm, 0x1000, ~0ull, 0, &at),
			 -ENOENT);
	/* Two that look alike: neither. */
	copy = fake_words(&f, f.mem + (fr.tables - FAKE_BASE) / 8, 12);
	assert_int_equal(locate(&at), -ENOENT);
	put(copy, 0);
	assert_int_equal(locate(&at), 0);
}

/* Each word of the tables, of the modules' ranges and of their heads, set to
 * what it can't be: found or not, nothing else happens; what is found is what
 * is there. */
static void damage_is_not_believed(void **state)
{
	static const uint64_t bad[] = {
		0, 1, 7, 16, 1ull << 20, 1ull << 47, ~0ull, FAKE_BASE,
		FAKE_BASE + 4, 0x8000000000000000ull,
	};
	const uint64_t end = fake_at(f.used);

	(void)state;
	for (uint64_t at = fr.module[0]; at < end; at += 8) {
		const uint64_t was = get(at);

		for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
			struct scope_mfa m;
			uint64_t found = 0;
			int rc;

			if (bad[i] == was)
				continue;
			put(at, bad[i]);
			rc = locate(&found);
			assert_true(rc == -ENOENT ||
				    (rc == 0 && found == fr.tables));
			(void)scope_ranges_sync(r);
			for (size_t k = 0; k < FAKE_MODULES; k += 7) {
				rc = scope_ranges_find(
					r, fake_function_code(&fr, k, 1), &m);
				assert_true(rc < 0 ||
					    (scope_is_atom(m.module) &&
					     scope_is_atom(m.function) &&
					     m.arity <= 255));
			}
			put(at, was);
		}
	}
	assert_int_equal(scope_ranges_sync(r), 0);
	is(fake_function_code(&fr, 7, 1), 7, 1);
}

static void what_is_not_there_can_be_read_later(void **state)
{
	struct scope_mfa m;

	(void)state;
	f.fail_at = fr.active;
	assert_int_equal(scope_ranges_sync(r), -EFAULT);
	f.fail_at = fr.tables;
	assert_int_equal(scope_ranges_sync(r), -EFAULT);
	f.fail_at = fr.slots;
	assert_int_equal(scope_ranges_sync(r), -EFAULT);
	f.fail_at = fr.module[3];
	assert_int_equal(scope_ranges_sync(r), 0);
	assert_int_equal(scope_ranges_find(r, fake_function_code(&fr, 3, 0),
					   &m),
			 -EFAULT);
	f.fail_at = fake_function(&fr, 3, 0) + 16;
	assert_int_equal(scope_ranges_find(r, fake_function_code(&fr, 3, 0),
					   &m),
			 -EFAULT);
	f.fail_at = 0;
	is(fake_function_code(&fr, 3, 0), 3, 0);
	put(fr.active, 3);
	assert_int_equal(scope_ranges_sync(r), -EBADMSG);
	/* What was known stays known. */
	is(fake_function_code(&fr, 3, 1), 3, 1);
}

/* A module is purged: its end becomes its start. Another one is loaded in its
 * place: another index has it. */
static void code_comes_and_goes(void **state)
{
	const uint64_t there = fake_function_code(&fr, 5, 1);
	uint64_t other = fake_atom(&f, "other");

	(void)state;
	assert_int_equal(scope_ranges_sync(r), 0);
	is(there, 5, 1);
	put(fr.slots + 16 * 5 + 8, fr.module[5]);
	is(there, 5, 1); /* as of the last sync */
	assert_int_equal(scope_ranges_sync(r), 0);
	is_nowhere(there);
	is(fake_function_code(&fr, 6, 0), 6, 0);
	/* Index 1 still has the range; the function's name is another. */
	put(fake_function(&fr, 5, 1) + 16, other);
	put(fr.active, 1);
	assert_int_equal(scope_ranges_sync(r), 0);
	fr.name[5] = other;
	is(there, 5, 1);
}

static void out_of_order_is_no_table(void **state)
{
	(void)state;
	put(fr.slots + 16 * 4 + 8, fr.module[5] + 8);
	assert_int_equal(scope_ranges_sync(r), -EBADMSG);
	put(fr.slots + 16 * 4 + 8, fr.module[4] - 8);
	assert_int_equal(scope_ranges_sync(r), -EBADMSG);
	assert_int_equal(scope_ranges_modules(r), 0);
}

/* A module that says of itself what can't be is asked once. */
static void a_refused_module_is_not_read_again(void **state)
{
	struct scope_mfa m;
	unsigned reads;

	(void)state;
	put(fr.module[2], 1ull << 40);
	assert_int_equal(scope_ranges_sync(r), 0);
	assert_int_equal(scope_ranges_find(r, fake_function_code(&fr, 2, 0),
					   &m),
			 -EBADMSG);
	reads = f.reads;
	is_nowhere(fake_function_code(&fr, 2, 0));
	assert_int_equal(f.reads, reads);
}

static void memory_may_be_short(void **state)
{
	struct scope_mfa m;
	uint64_t at;
	int rc;

	(void)state;
	fault_in = 0;
	assert_null(scope_ranges_new(&f.vm, fr.tables, fr.active));
	fault_in = 0;
	assert_int_equal(locate(&at), -ENOMEM);
	for (long n = 0;; n++) {
		fault_in = n;
		rc = scope_ranges_sync(r);
		fault_in = -1;
		if (rc == 0)
			break;
		assert_int_equal(rc, -ENOMEM);
	}
	fault_in = 0;
	assert_int_equal(scope_ranges_find(r, fake_function_code(&fr, 2, 0),
					   &m),
			 -ENOMEM);
	fault_in = -1;
	is(fake_function_code(&fr, 2, 0), 2, 0);
}

#define T(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_address_has_its_function),
		T(the_tables_are_found),
		T(damage_is_not_believed),
		T(what_is_not_there_can_be_read_later),
		T(code_comes_and_goes),
		T(out_of_order_is_no_table),
		T(a_refused_module_is_not_read_again),
		T(memory_may_be_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
