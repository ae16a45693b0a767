/* SPDX-License-Identifier: MIT */
/* What a process holds (target/contents.h), in memory made here, whole and
 * damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_vm.h"
#include "target/contents.h"

#define PID 0x53ull
#define SIGNAL 0x30ull

static struct fake f;
static uint64_t proc;
static uint64_t got[64][2];
static size_t ngot;

static int note(void *arg, uint64_t a, uint64_t b)
{
	(void)arg;
	assert_true(ngot < 64);
	got[ngot][0] = a;
	got[ngot++][1] = b;
	return 0;
}

static void put(uint64_t addr, uint64_t v)
{
	fake_put(&f, addr, &v, 8);
}

static uint64_t room(size_t bytes)
{
	uint64_t at = fake_at(f.used);

	f.used += (bytes + 7) / 8;
	return at;
}

/* A message in front of another. */
static uint64_t message(uint64_t term, uint64_t from, uint64_t next)
{
	uint64_t at = room(64);

	put(at + f.l->m_next, next);
	put(at + f.l->m_term, term);
	put(at + f.l->m_from, from);
	return at;
}

static struct scope_contents begin(unsigned otp)
{
	struct scope_contents c;

	scope_vm_done(&f.vm);
	assert_int_equal(fake_init(&f, otp), 0);
	proc = room(f.l->p_size);
	put(proc, PID);
	ngot = 0;
	assert_int_equal(scope_contents_of(&f.vm, PID, proc, &c), 0);
	return c;
}

static void messages_are_in_order(void **state)
{
	(void)state;
	for (const unsigned *otp = scope_layout_releases(); *otp; otp++) {
		struct scope_contents c = begin(*otp);
		uint64_t qs = proc + f.l->p_sig_qs;

		assert_int_equal(scope_contents_messages(&c, 9, note, NULL), 0);
		assert_int_equal(ngot, 0);
		put(qs + f.l->sq_first,
		    message(fake_int(1), PID,
			    message(SIGNAL | 7 << 6, 0,
				    message(fake_int(2), 0, 0))));
		put(qs + f.l->sq_cont, message(fake_int(3), FAKE_NIL, 0));
		put(proc + f.l->p_sig_inq + f.l->si_first,
		    message(0, PID, message(fake_int(5), PID, 0)));
		assert_int_equal(scope_contents_messages(&c, 9, note, NULL), 0);
		assert_int_equal(ngot, 5);
		for (unsigned i = 0; i < 5; i++)
			assert_int_equal(got[i][0],
					 i == 3 ? 0 : fake_int(i + 1));
		assert_int_equal(got[0][1], PID);
		assert_int_equal(got[1][1], 0);
		assert_int_equal(got[2][1], 0);
		/* No more than are asked for. */
		ngot = 0;
		assert_int_equal(scope_contents_messages(&c, 2, note, NULL), 0);
		assert_int_equal(ngot, 2);
	}
}

/* Of what many send to at once. */
static void buffers_are_looked_through(void **state)
{
	(void)state;
	for (const unsigned *otp = scope_layout_releases(); *otp; otp++) {
		struct scope_contents c = begin(*otp);
		uint64_t buffers, at;

		if (f.l->p_sig_inq_buffers == SCOPE_NO)
			continue;
		buffers = room(f.l->sb_slots + f.l->sb_count * f.l->sb_stride);
		put(proc + f.l->p_sig_inq_buffers, buffers);
		at = buffers + f.l->sb_slots + 3ull * f.l->sb_stride;
		put(at + f.l->sb_queue + f.l->si_first,
		    message(fake_int(8), PID, 0));
		assert_int_equal(scope_contents_messages(&c, 9, note, NULL), 0);
		assert_int_equal(ngot, 0);
		put(at + f.l->sb_alive, 1);
		assert_int_equal(scope_contents_messages(&c, 9, note, NULL), 0);
		assert_int_equal(ngot, 1);
		assert_int_equal(got[0][0], fake_int(8));
	}
}

static void pairs_are_found(void **state)
{
	(void)state;
	for (const unsigned *otp = scope_layout_releases(); *otp; otp++) {
		struct scope_contents c = begin(*otp);
		uint64_t dict = room(64), used = 3ull << 32 | 3;
		uint64_t a[2] = { fake_int(1), fake_int(10) };
		uint64_t b[2] = { fake_int(2), fake_int(20) };
		uint64_t d[2] = { fake_int(3), fake_int(30) };
		uint64_t list[2];

		assert_int_equal(scope_contents_pairs(&c, 9, note, NULL), 0);
		put(dict, used);
		put(dict + f.l->pd_data, FAKE_NIL);
		put(dict + f.l->pd_data + 8, fake_tuple(&f, a, 2));
		list[0] = fake_tuple(&f, b, 2);
		list[1] = fake_tuple(&f, d, 2);
		put(dict + f.l->pd_data + 16,
		    fake_list(&f, list, 2, FAKE_NIL));
		put(proc + f.l->p_dictionary, dict);
		assert_int_equal(scope_contents_pairs(&c, 9, note, NULL), 0);
		assert_int_equal(ngot, 3);
		for (unsigned i = 0; i < 3; i++) {
			assert_int_equal(got[i][0], fake_int(i + 1));
			assert_int_equal(got[i][1], fake_int(10 * (i + 1)));
		}
	}
}

/* Queues and lists that go round, slots beyond all bounds, words that lead
 * nowhere: the walk ends. */
static void damage_ends_the_walk(void **state)
{
	struct scope_contents c = begin(27);
	uint64_t m = message(SIGNAL, 0, 0), dict = room(64), cell;

	(void)state;
	put(m + f.l->m_next, m);
	put(proc + f.l->p_sig_qs + f.l->sq_first, m);
	assert_int_equal(scope_contents_messages(&c, 9, note, NULL), 0);
	put(proc + f.l->p_sig_qs + f.l->sq_first, 64);
	assert_int_equal(scope_contents_messages(&c, 9, note, NULL), 0);
	put(proc + f.l->p_dictionary, dict);
	put(dict, (uint64_t)UINT32_MAX << 32);
	assert_int_equal(scope_contents_pairs(&c, 9, note, NULL), 0);
	put(dict, 1ull << 32);
	cell = room(16);
	put(cell, FAKE_NIL);
	put(cell + 8, cell | SCOPE_TAG_LIST);
	put(dict + f.l->pd_data, cell | SCOPE_TAG_LIST);
	assert_int_equal(scope_contents_pairs(&c, 9, note, NULL), 0);
	put(proc + f.l->p_dictionary, 8);
	assert_int_equal(scope_contents_pairs(&c, 9, note, NULL), -EFAULT);
	assert_int_equal(ngot, 0);
}

static void changes_are_seen(void **state)
{
	struct scope_contents c = begin(29), none;

	(void)state;
	assert_false(scope_contents_changed(&c));
	put(proc + f.l->p_htop, 8);
	assert_true(scope_contents_changed(&c));
	assert_int_equal(scope_contents_of(&f.vm, PID, proc, &c), 0);
	assert_false(scope_contents_changed(&c));
	/* The memory is another process's. */
	put(proc, PID + 16);
	assert_true(scope_contents_changed(&c));
	assert_int_equal(scope_contents_of(&f.vm, PID, proc, &none), -ESRCH);
}

static int tear_down(void **state)
{
	(void)state;
	scope_vm_done(&f.vm);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_are_in_order),
		cmocka_unit_test(buffers_are_looked_through),
		cmocka_unit_test(pairs_are_found),
		cmocka_unit_test(damage_ends_the_walk),
		cmocka_unit_test(changes_are_seen),
	};

	return cmocka_run_group_tests_name("contents", tests, NULL, tear_down);
}
