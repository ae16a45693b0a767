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

/* Lines of module 5: first/0 has two, second/1 three, of which one is not
 * known and one of another file; locations of 2 or 4 bytes. */
static uint64_t put_lines(unsigned size)
{
	const uint64_t code[2] = { fake_function_code(&fr, 5, 0),
				   fake_function_code(&fr, 5, 1) };
	const uint64_t at[6] = { code[0],      code[0] + 16, code[1],
				 code[1] + 8,  code[1] + 16,
				 fake_function(&fr, 5, 2) };
	const uint32_t four[5] = { 10, 11, 20, 0, 2u << 24 | 30 };
	const uint16_t two[5] = { 10, 11, 20, 0, 30 };
	const uint64_t names[2] = { fake_atom(&f, "a.hrl"),
				    fake_atom(&f, "b.hrl") };
	const uint64_t lines = fake_words(&f, at, 6);
	const uint64_t loc = size == 4 ? fake_bytes(&f, four, sizeof(four), 0) :
					 fake_bytes(&f, two, sizeof(two), 0);
	const uint64_t w[6] = { fake_words(&f, names, 2), size, loc,
				lines, lines + 16, lines + 40 };
	const uint64_t table = fake_words(&f, w, 6);

	put(fr.module[5] + 72, table);
	return table;
}

static unsigned line_of(uint64_t addr)
{
	struct scope_range_place p;

	assert_int_equal(scope_ranges_place(r, addr, &p), 0);
	assert_true(addr >= p.start && addr < p.end);
	assert_int_equal(p.entry, p.start + 40);
	if (p.file) {
		size_t len;
		const char *s = scope_vm_atom(&f.vm, p.file, &len);

		assert_int_equal(len, 5);
		assert_memory_equal(s, "b.hrl", 5);
		return 1000 + p.line;
	}
	return p.line;
}

static void code_has_lines(void **state)
{
	const uint64_t first = fake_function_code(&fr, 5, 0);
	const uint64_t second = fake_function_code(&fr, 5, 1);

	(void)state;
	for (unsigned size = 2; size <= 4; size += 2) {
		(void)put_lines(size);
		assert_int_equal(scope_ranges_sync(r), 0);
		assert_int_equal(line_of(first - 1), 0); /* its ErtsCodeInfo */
		assert_int_equal(line_of(first), 10);
		assert_int_equal(line_of(first + 15), 10);
		assert_int_equal(line_of(first + 16), 11);
		assert_int_equal(line_of(second), 20);
		assert_int_equal(line_of(second + 8), 0);
		assert_int_equal(line_of(second + 16), size == 4 ? 1030 : 30);
		assert_int_equal(line_of(second + 31), size == 4 ? 1030 : 30);
		/* A module without a table of lines. */
		assert_int_equal(line_of(fake_function_code(&fr, 6, 0)), 0);
		scope_ranges_free(r);
		r = scope_ranges_new(&f.vm, fr.tables, fr.active);
	}
}

/* Each word of the table and of what it leads to, set to what it can't be:
 * there is no line, or one, and nothing else happens. */
static void damaged_lines_do_no_harm(void **state)
{
	static const uint64_t bad[] = {
		0, 1, 3, 1ull << 20, 1ull << 47, ~0ull, FAKE_BASE, FAKE_BASE + 4,
	};
	uint64_t from = fake_at(f.used), table = put_lines(4);

	(void)state;
	for (uint64_t at = from; at <= table + 48; at += 8)
		for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
			struct scope_range_place p;
			const uint64_t was = get(at);

			put(at, bad[i]);
			scope_ranges_free(r);
			r = scope_ranges_new(&f.vm, fr.tables, fr.active);
			assert_int_equal(scope_ranges_sync(r), 0);
			for (uint64_t a = fake_function(&fr, 5, 0);
			     a < fake_function(&fr, 5, 2); a += 8)
				assert_int_equal(scope_ranges_place(r, a, &p),
						 0);
			put(at, was);
		}
	/* And a file whose name is none. */
	assert_int_equal(line_of(fake_function_code(&fr, 5, 1) + 16), 1030);
	put(get(table) + 8, 5);
	assert_int_equal(line_of(fake_function_code(&fr, 5, 1) + 16), 0);
}

static int count_to_five(void *arg, const struct scope_range_place *p)
{
	unsigned *n = arg;

	assert_true(scope_is_atom(p->mfa.module));
	return ++*n == 5 ? 3 : 0;
}

static int count(void *arg, const struct scope_range_place *p)
{
	(void)p;
	++*(unsigned *)arg;
	return 0;
}

static void each_function_is_listed(void **state)
{
	unsigned n = 0;

	(void)state;
	assert_int_equal(scope_ranges_sync(r), 0);
	assert_int_equal(scope_ranges_each(r, count_to_five, &n), 3);
	assert_int_equal(n, 5);
	n = 0;
	put(fr.module[3], 1ull << 40); /* no module */
	scope_ranges_free(r);
	r = scope_ranges_new(&f.vm, fr.tables, fr.active);
	assert_int_equal(scope_ranges_sync(r), 0);
	assert_int_equal(scope_ranges_each(r, count, &n), 0);
	assert_int_equal(n, 2 * (FAKE_MODULES - 1));
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
		T(code_has_lines),
		T(damaged_lines_do_no_harm),
		T(each_function_is_listed),
		T(memory_may_be_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
