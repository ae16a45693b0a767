/* SPDX-License-Identifier: MIT */
/* The atom cache when memory is short: its source, with an allocator that fails
 * when it is told to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static long fault_in = -1; /* allocations until one fails; -1: none does */

static void *faulty(void *p)
{
	if (fault_in < 0 || fault_in-- > 0)
		return p;
	fault_in = 0;
	free(p);
	return NULL;
}

#define malloc(n) faulty((malloc)(n))
#define calloc(n, size) faulty((calloc)(n, size))
#include "base/map.c"
#include "beam/atom.c"
#undef malloc
#undef calloc

#include "fake_vm.h"

static struct fake f;

static void every_allocation_may_fail(void **state)
{
	long n = 0;
	size_t len;
	int r;

	(void)state;
	do {
		fault_in = n++;
		r = fake_init(&f, 25);
		assert_true(r == 0 || r == -ENOMEM);
	} while (r != 0);
	assert_true(n > 2);

	/* The text is right, kept or not. */
	for (long i = 0; i < 4; i++) {
		uint64_t a = fake_atom(&f, "some");
		uint64_t b = fake_atom(&f, "other");

		fault_in = i;
		assert_memory_equal(scope_vm_atom(&f.vm, a, &len), "some", 4);
		assert_int_equal(len, 4);
		assert_memory_equal(scope_vm_atom(&f.vm, b, &len), "other", 5);
		assert_int_equal(len, 5);
		fault_in = -1;
		assert_memory_equal(scope_vm_atom(&f.vm, a, &len), "some", 4);
	}
	/* The map must grow: 64 slots do not take 100 atoms. */
	fault_in = 1;
	for (int i = 0; i < 100; i++) {
		char text[16];
		int n_text = snprintf(text, sizeof(text), "atom%d", i);
		uint64_t a = fake_atom(&f, text);
		const char *s = scope_vm_atom(&f.vm, a, &len);

		assert_int_equal(len, n_text);
		assert_memory_equal(s, text, len);
	}
	fault_in = -1;
	scope_vm_done(&f.vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
