/* SPDX-License-Identifier: MIT */
/* The walk over a process table, in memory made for the purpose: an arena at
 * BASE, and a hook that changes it while it is read. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "beam/layout.h"
#include "target/table.h"

#define BASE 0x10000000ull
#define ARENA (4u << 20)
#define SLOTS 1024u

#define ATOM(n) ((uint64_t)(n) << 6 | 0x0b)
#define KEY ATOM(77)
#define SMALL(n) ((uint64_t)(n) << 4 | 0x0f)
#define NIL 0x3bull

static uint8_t *mem;
static size_t used;
static struct scope_vm vm;
static struct scope_table table;
static const struct scope_layout *l;
static void (*hook)(uint64_t addr); /* before each read */
static int read_error;

static int read_fake(void *arg, uint64_t addr, void *buf, size_t len)
{
	(void)arg;
	if (hook)
		hook(addr);
	if (read_error)
		return read_error;
	if (addr < BASE || addr - BASE > ARENA || len > ARENA - (addr - BASE))
		return -EFAULT;
	memcpy(buf, mem + (addr - BASE), len);
	return 0;
}

static uint64_t alloc(size_t n)
{
	uint64_t at = BASE + used;

	used += (n + 15) & ~(size_t)15;
	assert_true(used <= ARENA);
	return at;
}

static void w64(uint64_t at, uint64_t v)
{
	memcpy(mem + (at - BASE), &v, 8);
}

static void w32(uint64_t at, uint32_t v)
{
	memcpy(mem + (at - BASE), &v, 4);
}

static uint64_t words(size_t n, const uint64_t *w)
{
	uint64_t at = alloc(8 * n);

	for (size_t i = 0; i < n; i++)
		w64(at + 8 * i, w[i]);
	return at;
}

#define WORDS(...)                                                     \
	words(sizeof((uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t), \
	      (uint64_t[]){ __VA_ARGS__ })
#define TUPLE2(a, b) (WORDS(2 << 6, a, b) | 2)
#define TUPLE3(a, b, c) (WORDS(3 << 6, a, b, c) | 2)
#define CONS(a, b) (WORDS(a, b) | 1)

static uint64_t pid_of(uint32_t slot, uint32_t serial)
{
	if (l->pixdata)
		return (uint64_t)(serial * SLOTS + slot) << 4 | 3;
	return (uint64_t)slot << 32 | serial << 19 | 3;
}

static void set_slot(uint32_t slot, uint64_t addr)
{
	w64(table.tab + 8ull * slot, addr);
}

static uint64_t add_process(uint32_t slot)
{
	uint64_t p = alloc(l->p_size);

	w64(p, pid_of(slot, 1));
	w64(p + l->p_initial, ATOM(10));
	w64(p + l->p_initial + 8, ATOM(11));
	w64(p + l->p_initial + 16, 3);
	w64(p + l->p_parent, pid_of(0, 1));
	set_slot(slot, p);
	return p;
}

/* A dictionary of 8 slots (mask 15), with `term` where KEY's is. */
static uint64_t add_dict(uint64_t p, uint64_t term)
{
	uint64_t d = alloc(l->pd_data + 8 * 8);

	w32(d, 15);
	w32(d + l->pd_used, 8);
	for (int i = 0; i < 8; i++)
		w64(d + l->pd_data + 8ull * i, NIL);
	/* 77 & 15 is 13, not in use, so 77 & 7. */
	w64(d + l->pd_data + 8ull * (77 & 7), term);
	w64(p + l->p_dictionary, d);
	return d;
}

static void make(unsigned otp)
{
	struct scope_pixdata pix;
	uint64_t ro, tab;

	memset(mem, 0, ARENA);
	used = 16;
	hook = NULL;
	read_error = 0;
	l = scope_layout_of(otp);
	vm = (struct scope_vm){ .layout = l, .read = read_fake };
	table = (struct scope_table){ .vm = &vm, .initial_call = KEY };
	table.addr = alloc(1024);
	ro = table.addr + l->pt_ro;
	tab = alloc(8 * SLOTS);
	w64(ro + l->t_tab, tab);
	w32(ro + l->t_max, SLOTS);
	w32(ro + l->t_pix_mask, SLOTS - 1);
	w64(ro + l->t_invalid, alloc(16));
	assert_int_equal(scope_table_load(&table, &pix), 0);
	assert_int_equal(table.tab, tab);
	assert_int_equal(pix.pix_mask, SLOTS - 1);
}

static int setup(void **state)
{
	(void)state;
	mem = malloc(ARENA);
	return mem ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(mem);
	return 0;
}

struct seen {
	size_t n;
	struct scope_proc p[SLOTS];
};
static struct seen seen;

static int see(void *arg, const struct scope_proc *p)
{
	struct seen *s = arg;

	s->p[s->n++] = *p;
	return 0;
}

static size_t walk(void)
{
	seen.n = 0;
	assert_int_equal(scope_table_walk(&table, see, &seen), 0);
	return seen.n;
}

static void all_processes_are_seen(void **state)
{
	static const unsigned releases[] = { 25, 27 };

	(void)state;
	for (unsigned r = 0; r < 2; r++) {
		make(releases[r]);
		assert_int_equal(walk(), 0);
		for (uint32_t i = 0; i < SLOTS; i += 2)
			(void)add_process(i);
		set_slot(1, table.invalid);
		assert_int_equal(walk(), SLOTS / 2);
		for (uint32_t i = 0; i < SLOTS / 2; i++) {
			assert_int_equal(seen.p[i].pid, pid_of(2 * i, 1));
			assert_int_equal(seen.p[i].parent, pid_of(0, 1));
			assert_int_equal(seen.p[i].spawned.module, ATOM(10));
			assert_int_equal(seen.p[i].initial.arity, 3);
			assert_int_equal(seen.p[i].name, 0);
			assert_false(seen.p[i].has_dictionary);
		}
	}
}

static int stop_at_third(void *arg, const struct scope_proc *p)
{
	(void)p;
	return ++*(int *)arg == 3 ? 42 : 0;
}

static void a_walk_can_be_stopped(void **state)
{
	int n = 0;

	(void)state;
	make(25);
	for (uint32_t i = 0; i < 9; i++)
		(void)add_process(i);
	assert_int_equal(scope_table_walk(&table, stop_at_third, &n), 42);
	assert_int_equal(n, 3);
	read_error = -ESRCH;
	assert_int_equal(scope_table_walk(&table, stop_at_third, &n), -ESRCH);
}

static void what_is_not_alive_is_left_out(void **state)
{
	uint64_t p;

	(void)state;
	make(27);
	p = add_process(1);
	w32(p + l->p_state, 1u << 11); /* exiting */
	p = add_process(2);
	w32(p + l->p_state, 1u << 10); /* free */
	p = add_process(3);
	w64(p, pid_of(4, 1)); /* another's */
	p = add_process(5);
	w64(p, ATOM(5)); /* no pid */
	set_slot(6, 0x1234); /* not mapped */
	set_slot(7, UINT64_MAX);
	(void)add_process(8);
	assert_int_equal(walk(), 1);
	assert_int_equal(seen.p[0].pid, pid_of(8, 1));
}

static void names_and_parents_are_checked(void **state)
{
	uint64_t p;

	(void)state;
	make(25);
	p = add_process(1);
	w64(p + l->p_reg, WORDS(0, 0, 0, 0, ATOM(9)));
	p = add_process(2);
	w64(p + l->p_reg, WORDS(0, 0, 0, 0, 0x1234));
	p = add_process(3);
	w64(p + l->p_reg, 0x1234);
	w64(p + l->p_parent, ATOM(3)); /* undefined, and the like */
	w64(p + l->p_initial, 0x1230); /* not an MFA */
	assert_int_equal(walk(), 3);
	assert_int_equal(seen.p[0].name, ATOM(9));
	assert_int_equal(seen.p[1].name, 0);
	assert_int_equal(seen.p[2].name, 0);
	assert_int_equal(seen.p[2].parent, 0);
	assert_int_equal(seen.p[2].spawned.module, 0);
}

/* Two processes: one has it alone in its slot, one beside another key. */
static void initial_call(uint64_t arity_or_args, uint64_t arity)
{
	uint64_t value = TUPLE3(ATOM(20), ATOM(21), arity_or_args);

	(void)add_dict(add_process(1), TUPLE2(KEY, value));
	(void)add_dict(add_process(2), CONS(TUPLE2(ATOM(5), ATOM(6)),
					    CONS(TUPLE2(KEY, value), NIL)));
	assert_int_equal(walk(), 2);
	for (int i = 0; i < 2; i++) {
		assert_true(seen.p[i].has_dictionary);
		assert_int_equal(seen.p[i].initial.module, ATOM(20));
		assert_int_equal(seen.p[i].initial.function, ATOM(21));
		assert_int_equal(seen.p[i].initial.arity, arity);
		assert_int_equal(seen.p[i].spawned.module, ATOM(10));
	}
}

static void the_initial_call_is_translated(void **state)
{
	(void)state;
	make(25);
	initial_call(SMALL(1), 1);
	initial_call(CONS(SMALL(1), CONS(SMALL(2), NIL)), 2);
	make(27);
	initial_call(SMALL(255), 255);
	initial_call(NIL, 0);
}

/* Whatever it is, the process was spawned with ATOM(10):… */
static void odd(uint64_t term)
{
	uint64_t p = add_process(1);

	(void)add_dict(p, term);
	assert_int_equal(walk(), 1);
	assert_int_equal(seen.p[0].initial.module, ATOM(10));
}

static void odd_dictionaries_do_no_harm(void **state)
{
	uint64_t cell, d;

	(void)state;
	make(25);
	odd(NIL);
	odd(0);
	odd(0x1234 | 2);
	odd(0x1234 | 1);
	odd(UINT64_MAX);
	odd(TUPLE2(ATOM(5), TUPLE3(ATOM(20), ATOM(21), SMALL(1))));
	odd(TUPLE2(KEY, ATOM(1)));
	odd(TUPLE2(KEY, 0x1234 | 2));
	odd(TUPLE2(KEY, TUPLE2(ATOM(20), ATOM(21))));
	odd(TUPLE2(KEY, TUPLE3(ATOM(20), SMALL(1), SMALL(1))));
	odd(TUPLE2(KEY, TUPLE3(ATOM(20), ATOM(21), SMALL(256))));
	odd(TUPLE2(KEY, TUPLE3(ATOM(20), ATOM(21), SMALL(-1))));
	odd(TUPLE2(KEY, TUPLE3(ATOM(20), ATOM(21), ATOM(1))));
	/* Lists without an end: of entries, and of arguments. */
	cell = CONS(TUPLE2(ATOM(5), ATOM(6)), 0);
	w64(SCOPE_PTR(cell) + 8, cell);
	odd(cell);
	odd(TUPLE2(KEY, TUPLE3(ATOM(20), ATOM(21), cell)));
	/* Sizes that lead out of the table. */
	d = add_dict(add_process(1), TUPLE2(KEY, NIL));
	w32(d, UINT32_MAX);
	w32(d + l->pd_used, UINT32_MAX);
	assert_int_equal(walk(), 1);
	w32(d + l->pd_used, 0);
	assert_int_equal(walk(), 1);
}

static void one_process_is_read_alone(void **state)
{
	struct scope_proc p = { .pid = 1 };
	uint64_t addr;

	(void)state;
	make(25);
	addr = add_process(4);
	assert_int_equal(scope_table_get(&table, pid_of(4, 1), &p), 0);
	assert_int_equal(p.addr, addr);
	assert_int_equal(scope_table_get(&table, pid_of(5, 1), &p), -ESRCH);
	/* The slot's next owner is not the one that was meant. */
	assert_int_equal(scope_table_get(&table, pid_of(4, 2), &p), -ESRCH);
	assert_int_equal(p.pid, pid_of(4, 1));
}

static void tables_that_cannot_be_are_refused(void **state)
{
	struct scope_pixdata pix;
	uint64_t ro;

	(void)state;
	make(25);
	ro = table.addr + l->pt_ro;
	w32(ro + l->t_max, SLOTS + 1);
	assert_int_equal(scope_table_load(&table, &pix), -EBADMSG);
	w32(ro + l->t_max, 1u << 31);
	assert_int_equal(scope_table_load(&table, &pix), -EBADMSG);
	w32(ro + l->t_max, SLOTS);
	w32(ro + l->t_pix_mask, 5);
	assert_int_equal(scope_table_load(&table, &pix), -EBADMSG);
	w64(ro + l->t_tab, 0);
	assert_int_equal(scope_table_load(&table, &pix), -EAGAIN);
	table.addr = 0x1234;
	assert_int_equal(scope_table_load(&table, &pix), -EFAULT);
}

static uint64_t old_proc, new_proc;

/* The process ends, its memory is another's, and its slot too, between the
 * reading of the slot and of the process. */
static void replace(uint64_t addr)
{
	if (addr != old_proc)
		return;
	w64(old_proc, pid_of(9, 1));
	set_slot(4, new_proc);
	old_proc = 0;
}

static void vanish(uint64_t addr)
{
	if (addr != old_proc)
		return;
	w64(old_proc, 0);
	set_slot(4, 0);
	old_proc = 0;
}

static void a_slot_that_changes_is_read_again(void **state)
{
	(void)state;
	make(27);
	new_proc = add_process(4);
	w64(new_proc, pid_of(4, 2));
	old_proc = add_process(4);
	hook = replace;
	assert_int_equal(walk(), 1);
	assert_int_equal(seen.p[0].pid, pid_of(4, 2));
	assert_int_equal(seen.p[0].addr, new_proc);
	old_proc = add_process(4);
	hook = vanish;
	assert_int_equal(walk(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_processes_are_seen),
		cmocka_unit_test(a_walk_can_be_stopped),
		cmocka_unit_test(what_is_not_alive_is_left_out),
		cmocka_unit_test(names_and_parents_are_checked),
		cmocka_unit_test(the_initial_call_is_translated),
		cmocka_unit_test(odd_dictionaries_do_no_harm),
		cmocka_unit_test(one_process_is_read_alone),
		cmocka_unit_test(tables_that_cannot_be_are_refused),
		cmocka_unit_test(a_slot_that_changes_is_read_again),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
