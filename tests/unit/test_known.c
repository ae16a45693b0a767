/* SPDX-License-Identifier: MIT */
/* What is known of processes (pipeline/procs.h), against a model. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fault.h"
#include "pipeline/procs.h"

#define PID(n) ((uint64_t)(n) << 4 | 3)
#define ATOM(n) ((uint64_t)(n) << 6 | 0x0b)
#define KEEP_NS 10000000000ull /* an ended process is kept for so long */
#define KEEP_N 65536u	       /* or until so many others ended */

static uint64_t seed;

static uint32_t rnd(uint32_t below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(seed >> 33) % below;
}

static struct scope_procs *procs;

static int make_procs(void **state)
{
	(void)state;
	procs = scope_procs_new();
	return procs ? 0 : -1;
}

static int free_procs(void **state)
{
	(void)state;
	scope_procs_free(procs);
	return 0;
}

static uint64_t name_of(uint64_t pid)
{
	struct scope_known *k = scope_procs_get(procs, pid);

	assert_non_null(k);
	return k->name;
}

static void a_name_moves(void **state)
{
	(void)state;
	assert_non_null(scope_procs_add(procs, PID(1)));
	assert_non_null(scope_procs_add(procs, PID(2)));
	scope_procs_name(procs, PID(1), ATOM(5));
	assert_int_equal(scope_procs_named(procs, ATOM(5)), PID(1));
	scope_procs_name(procs, PID(2), ATOM(5));
	assert_int_equal(scope_procs_named(procs, ATOM(5)), PID(2));
	assert_int_equal(name_of(PID(1)), 0);
	assert_int_equal(name_of(PID(2)), ATOM(5));
	assert_int_equal(scope_procs_unname(procs, ATOM(5)), PID(2));
	assert_int_equal(name_of(PID(2)), 0);
	assert_int_equal(scope_procs_unname(procs, ATOM(5)), 0);
}

/* That the first name was freed went unseen. */
static void a_process_has_one_name(void **state)
{
	(void)state;
	assert_non_null(scope_procs_add(procs, PID(1)));
	scope_procs_name(procs, PID(1), ATOM(5));
	scope_procs_name(procs, PID(1), ATOM(6));
	assert_int_equal(name_of(PID(1)), ATOM(6));
	assert_int_equal(scope_procs_named(procs, ATOM(5)), 0);
	assert_int_equal(scope_procs_unname(procs, ATOM(5)), 0);
	assert_int_equal(name_of(PID(1)), ATOM(6));
}

/* Ports have names too, and are not in the table. */
static void what_is_no_process_may_have_a_name(void **state)
{
	(void)state;
	scope_procs_name(procs, 0x17, ATOM(5));
	assert_int_equal(scope_procs_named(procs, ATOM(5)), 0x17);
	assert_null(scope_procs_get(procs, 0x17));
	assert_int_equal(scope_procs_unname(procs, ATOM(5)), 0x17);
	/* Not known by whom: at least the one before has it no longer. */
	assert_non_null(scope_procs_add(procs, PID(1)));
	scope_procs_name(procs, PID(1), ATOM(5));
	scope_procs_name(procs, 0, ATOM(5));
	assert_int_equal(name_of(PID(1)), 0);
	assert_int_equal(scope_procs_named(procs, ATOM(5)), 0);
}

static void none_is_nobody(void **state)
{
	(void)state;
	assert_null(scope_procs_get(procs, 0));
	assert_null(scope_procs_add(procs, 0));
	scope_procs_ended(procs, 0, 1);
	scope_procs_name(procs, PID(1), 0);
	assert_int_equal(scope_procs_named(procs, 0), 0);
	assert_int_equal(scope_procs_unname(procs, 0), 0);
}

static void who_ended_is_kept_for_a_while(void **state)
{
	struct scope_known *k;

	(void)state;
	assert_non_null(scope_procs_add(procs, PID(1)));
	scope_procs_name(procs, PID(1), ATOM(5));
	scope_procs_ended(procs, PID(1), 1000);
	scope_procs_ended(procs, PID(1), 2000);
	k = scope_procs_get(procs, PID(1));
	assert_non_null(k);
	assert_int_equal(k->ended_ns, 1000);
	assert_int_equal(k->name, ATOM(5));
	/* One that nobody heard of before. */
	scope_procs_ended(procs, PID(2), 1000 + KEEP_NS - 1);
	assert_non_null(scope_procs_get(procs, PID(1)));
	assert_non_null(scope_procs_get(procs, PID(2)));
	scope_procs_ended(procs, PID(3), 1000 + KEEP_NS);
	assert_null(scope_procs_get(procs, PID(1)));
	assert_int_equal(scope_procs_named(procs, ATOM(5)), 0);
	assert_non_null(scope_procs_get(procs, PID(2)));
}

/* The name went on to another before its first owner is forgotten. */
static void a_name_outlives_who_had_it(void **state)
{
	(void)state;
	assert_non_null(scope_procs_add(procs, PID(1)));
	assert_non_null(scope_procs_add(procs, PID(2)));
	scope_procs_name(procs, PID(1), ATOM(5));
	scope_procs_ended(procs, PID(1), 1);
	scope_procs_name(procs, PID(2), ATOM(5));
	scope_procs_ended(procs, PID(3), KEEP_NS + 1);
	assert_null(scope_procs_get(procs, PID(1)));
	assert_int_equal(scope_procs_named(procs, ATOM(5)), PID(2));
	assert_int_equal(name_of(PID(2)), ATOM(5));
}

static void so_many_ended_are_kept(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= KEEP_N + 10; i++) {
		assert_non_null(scope_procs_add(procs, PID(i)));
		scope_procs_ended(procs, PID(i), 1000);
	}
	for (uint64_t i = 1; i <= KEEP_N + 10; i++)
		assert_int_equal(scope_procs_get(procs, PID(i)) != NULL,
				 i > 10);
}

/* The places of those forgotten are used again. */
static void places_are_used_again(void **state)
{
	struct scope_known *first[100], *k;
	unsigned reused = 0;

	(void)state;
	for (uint64_t i = 0; i < 100; i++)
		first[i] = scope_procs_add(procs, PID(i + 1));
	for (uint64_t i = 0; i < 100; i++)
		scope_procs_ended(procs, PID(i + 1), 1);
	scope_procs_ended(procs, PID(1000), 2 * KEEP_NS);
	for (uint64_t i = 0; i < 100; i++) {
		k = scope_procs_add(procs, PID(i + 201));
		assert_non_null(k);
		assert_int_equal(k->pid, PID(i + 201));
		assert_int_equal(k->name | k->ended_ns | k->spawned_ns, 0);
		assert_false(k->introduced);
		for (unsigned j = 0; j < 100; j++)
			reused += first[j] == k;
	}
	assert_int_equal(reused, 100);
}

/* More than a node can have: their ends went unseen, so all is learned anew. */
static void there_is_a_limit(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= SCOPE_PROCS_MAX; i++)
		assert_non_null(scope_procs_add(procs, PID(i)));
	scope_procs_name(procs, PID(1), 0x4b);
	scope_procs_ended(procs, PID(2), 1);
	assert_non_null(scope_procs_add(procs, PID(SCOPE_PROCS_MAX + 1)));
	assert_null(scope_procs_get(procs, PID(1)));
	assert_int_equal(scope_procs_named(procs, 0x4b), 0);
	assert_non_null(scope_procs_get(procs, PID(SCOPE_PROCS_MAX + 1)));
	for (uint64_t i = 1; i < 100; i++)
		assert_non_null(scope_procs_add(procs, PID(i)));
	scope_procs_ended(procs, PID(3), 2);
}

/* -- against a model ------------------------------------------------------- */

#define PIDS 300
#define NAMES 40

static struct {
	bool is_known;
	uint64_t name, ended_ns, spawned_ns;
} model[PIDS];
static unsigned graves[100000];
static size_t first_grave, ngraves;

static uint64_t model_named(uint64_t name)
{
	for (unsigned i = 0; i < PIDS; i++)
		if (model[i].is_known && model[i].name == name)
			return PID(i + 1);
	return 0;
}

static void model_unname(uint64_t name)
{
	for (unsigned i = 0; i < PIDS; i++)
		if (model[i].name == name)
			model[i].name = 0;
}

static void model_ended(unsigned i, uint64_t now)
{
	if (model[i].is_known && model[i].ended_ns)
		return;
	model[i].is_known = true;
	model[i].ended_ns = now;
	while (first_grave < ngraves &&
	       model[graves[first_grave]].ended_ns + KEEP_NS <= now)
		memset(&model[graves[first_grave++]], 0, sizeof(*model));
	assert_true(ngraves < 100000);
	graves[ngraves++] = i;
}

static void check(void)
{
	for (unsigned i = 0; i < PIDS; i++) {
		const struct scope_known *k =
			scope_procs_get(procs, PID(i + 1));

		assert_int_equal(k != NULL, model[i].is_known);
		if (!k)
			continue;
		assert_int_equal(k->pid, PID(i + 1));
		assert_int_equal(k->name, model[i].name);
		assert_int_equal(k->ended_ns, model[i].ended_ns);
		assert_int_equal(k->spawned_ns, model[i].spawned_ns);
	}
	for (unsigned n = 1; n <= NAMES; n++)
		assert_int_equal(scope_procs_named(procs, ATOM(n)),
				 model_named(ATOM(n)));
}

static void as_plain_arrays_do(void **state)
{
	uint64_t now = 1;

	(void)state;
	seed = 17;
	memset(model, 0, sizeof(model));
	first_grave = ngraves = 0;
	for (unsigned step = 0; step < 60000; step++) {
		uint64_t name = ATOM(1 + rnd(NAMES));
		unsigned i = rnd(PIDS);
		struct scope_known *k;

		now += rnd(100000000);
		switch (rnd(4)) {
		case 0:
			k = scope_procs_add(procs, PID(i + 1));
			assert_non_null(k);
			if (!model[i].is_known) {
				k->spawned_ns = now;
				model[i].spawned_ns = now;
			}
			model[i].is_known = true;
			break;
		case 1:
			if (!model[i].is_known)
				break;
			scope_procs_name(procs, PID(i + 1), name);
			model_unname(name);
			model[i].name = name;
			break;
		case 2:
			assert_int_equal(scope_procs_unname(procs, name),
					 model_named(name));
			model_unname(name);
			break;
		default:
			scope_procs_ended(procs, PID(i + 1), now);
			model_ended(i, now);
		}
		if (step % 16 == 0)
			check();
	}
	assert_true(first_grave > 1000);
}

/* -- memory ---------------------------------------------------------------- */

static void every_allocation_may_fail(void **state)
{
	struct scope_procs *p;
	long n = 0;

	(void)state;
	do {
		fault_in = n++;
		p = scope_procs_new();
		fault_in = -1;
	} while (!p);
	assert_true(n > 5);
	scope_procs_free(p);
	scope_procs_free(NULL);
}

/* Each operation may find no memory: it says so, and all that was there is. */
static void want_of_memory_is_told(void **state)
{
	uint64_t refused = 0, n = 0;

	(void)state;
	for (uint64_t i = 1; i <= 5000; i++) {
		struct scope_known *k;

		fault_in = i % 3 ? -1 : 0;
		k = scope_procs_add(procs, PID(i));
		if (!k)
			refused++;
		fault_in = i % 5 ? -1 : 0;
		scope_procs_name(procs, PID(i), ATOM(i));
		fault_in = -1;
		n += k != NULL;
		k = scope_procs_get(procs, PID(i));
		if (k)
			assert_int_equal(k->pid, PID(i));
	}
	assert_in_range(refused, 1, 100);
	for (uint64_t i = 1; i <= 5000; i++)
		n -= scope_procs_get(procs, PID(i)) != NULL;
	assert_int_equal(n, 0);
	for (uint64_t i = 1; i <= 5000; i++) {
		fault_in = i % 2 ? 0 : -1;
		scope_procs_ended(procs, PID(i), i * KEEP_NS);
		fault_in = -1;
	}
	for (uint64_t i = 1; i < 4990; i++)
		assert_null(scope_procs_get(procs, PID(i)));
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, make_procs, free_procs)
	const struct CMUnitTest tests[] = {
		T(a_name_moves),
		T(a_process_has_one_name),
		T(what_is_no_process_may_have_a_name),
		T(none_is_nobody),
		T(who_ended_is_kept_for_a_while),
		T(a_name_outlives_who_had_it),
		T(so_many_ended_are_kept),
		T(places_are_used_again),
		T(there_is_a_limit),
		T(as_plain_arrays_do),
		T(every_allocation_may_fail),
		T(want_of_memory_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
