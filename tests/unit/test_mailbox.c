/* SPDX-License-Identifier: MIT */
/* Matching sends and receives, against a model that is a plain list. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "causal/mailbox.h"
#include "fault.h"

#define PID(n) ((uint64_t)(n) << 4 | 3)
#define SYNCED 20
#define LATER (1ull << 60) /* than all that is sent here */

static uint64_t seed;

static uint32_t rnd(uint32_t below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(seed >> 33) % below;
}

static struct scope_mailbox *box;

static int make_box(void **state)
{
	(void)state;
	box = scope_mailbox_new();
	if (!box)
		return -1;
	/* Of these, order decides. */
	for (unsigned i = 1; i <= SYNCED; i++)
		scope_mailbox_synced(box, PID(i), 1);
	return 0;
}

static int free_box(void **state)
{
	(void)state;
	scope_mailbox_free(box);
	return 0;
}

static struct scope_shape shape(uint64_t first)
{
	return (struct scope_shape){ .from = PID(9), .digest = first };
}

static uint64_t sent(uint64_t to, uint64_t addr, uint64_t first, uint64_t ts)
{
	struct scope_shape s = shape(first);

	return scope_mailbox_sent(box, to, addr, SCOPE_QUEUED_MESSAGE, &s, ts);
}

static bool received(uint64_t to, uint64_t addr, uint64_t first,
		     struct scope_match *m)
{
	struct scope_shape s = shape(first);

	*m = (struct scope_match){ .n = 99 };
	return scope_mailbox_received(box, to, addr, SCOPE_QUEUED_MESSAGE, &s, LATER,
				      m);
}

static void the_address_says_which(void **state)
{
	struct scope_match m;
	uint64_t n[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		n[i] = sent(PID(1), 0x1000 + 64 * i, 5, 100 + i);
	/* Selective receive takes them in any order. */
	for (unsigned i = 3; i--;) {
		assert_true(received(PID(1), 0x1000 + 64 * i, 5, &m));
		assert_int_equal(m.n, n[i]);
		assert_int_equal(m.addr, 0x1000 + 64 * i);
		assert_int_equal(m.ts_ns, 100 + i);
		assert_false(m.by_order);
	}
	assert_false(received(PID(1), 0x1000, 5, &m));
	assert_int_equal(m.n, 99);
}

static void equal_messages_are_taken_oldest_first(void **state)
{
	struct scope_match m;
	uint64_t n[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		n[i] = sent(PID(1), 0, 5, i);
	(void)sent(PID(2), 0, 5, 7);
	assert_false(received(PID(1), 0, 6, &m));
	for (unsigned i = 0; i < 3; i++) {
		/* An address that is not known does not hinder. */
		assert_true(received(PID(1), i == 1 ? 0x40 : 0, 5, &m));
		assert_int_equal(m.n, n[i]);
		assert_true(m.by_order);
	}
	assert_false(received(PID(1), 0, 5, &m));
}

/* An address is used again; another receiver may have the same. */
static void an_address_alone_is_no_identity(void **state)
{
	struct scope_match m;
	uint64_t old, now;

	(void)state;
	old = sent(PID(1), 0x1000, 5, 1);
	now = sent(PID(1), 0x1000, 6, 2);
	(void)sent(PID(2), 0x1000, 6, 3);
	assert_true(received(PID(1), 0x1000, 6, &m));
	assert_int_equal(m.n, now);
	assert_false(m.by_order);
	assert_true(received(PID(1), 0x1000, 5, &m));
	assert_int_equal(m.n, old);
	assert_true(m.by_order);
	assert_false(received(PID(3), 0x1000, 6, &m));
}

/* A receiver that may hold what was not seen being sent: only the address says
 * which message it is. */
static void order_needs_a_known_queue(void **state)
{
	const uint64_t p = PID(SYNCED + 1);
	struct scope_shape s = shape(5);
	struct scope_match m;

	(void)state;
	(void)sent(p, 0x1000, 5, 100);
	(void)sent(p, 0x2000, 5, 101);
	assert_false(received(p, 0x3000, 5, &m));
	assert_true(received(p, 0x2000, 5, &m));
	assert_false(m.by_order);
	/* Known since 200: not for what was received before. */
	scope_mailbox_synced(box, p, 200);
	(void)sent(p, 0x1000, 5, 201);
	assert_false(scope_mailbox_received(box, p, 0x3000,
					    SCOPE_QUEUED_MESSAGE, &s, 199, &m));
	assert_true(scope_mailbox_received(box, p, 0x3000, SCOPE_QUEUED_MESSAGE,
					   &s, 202, &m));
	assert_int_equal(m.ts_ns, 201);
	assert_true(m.by_order);
	/* An end forgets it. */
	scope_mailbox_ended(box, p);
	(void)sent(p, 0x1000, 5, 300);
	assert_false(received(p, 0x3000, 5, &m));
}

/* What was queued when sends or receives were lost is known no more. */
static void a_loss_casts_doubt(void **state)
{
	const uint64_t until = 1000000000, after = until + 10000000;
	struct scope_match m;

	(void)state;
	(void)sent(PID(1), 0x1000, 5, 100);
	scope_mailbox_lost(box, until);
	assert_false(received(PID(1), 0x1000, 5, &m));
	/* Nothing is said of that time. */
	assert_int_equal(sent(PID(1), 0x1000, 5, until), 0);
	assert_false(received(PID(1), 0x1000, 5, &m));
	/* Afterwards addresses are good again, and order when it is known. */
	assert_true(sent(PID(1), 0x1000, 5, after) != 0);
	assert_true(sent(PID(1), 0x2000, 5, after) != 0);
	assert_true(received(PID(1), 0x2000, 5, &m));
	assert_false(received(PID(1), 0x9000, 5, &m));
	scope_mailbox_synced(box, PID(1), after);
	assert_true(sent(PID(1), 0x1000, 5, after + 1) != 0);
	assert_true(received(PID(1), 0x9000, 5, &m));
	assert_true(m.by_order);
}

/* What did not come for so long never will. */
static void what_never_came_is_dropped(void **state)
{
	struct scope_match m;

	(void)state;
	(void)sent(PID(1), 0, 5, 1000);
	(void)sent(PID(1), 0, 5, 900000000);
	scope_mailbox_synced(box, PID(1), 900000001);
	assert_true(received(PID(1), 0, 5, &m));
	assert_int_equal(m.ts_ns, 900000000);
	assert_false(received(PID(1), 0, 5, &m));
}

static void signals_match_by_whom_they_are_of(void **state)
{
	struct scope_shape a = { .from = PID(7) }, b = { .from = PID(8) };
	struct scope_match m = { .n = 99 };
	uint64_t na, nb;

	(void)state;
	na = scope_mailbox_sent(box, PID(1), 0, SCOPE_QUEUED_EXIT, &a, 1);
	nb = scope_mailbox_sent(box, PID(1), 0, SCOPE_QUEUED_EXIT, &b, 2);
	assert_false(scope_mailbox_received(box, PID(1), 0, SCOPE_QUEUED_DOWN,
					    &a, LATER, &m));
	assert_false(scope_mailbox_received(box, PID(1), 0,
					    SCOPE_QUEUED_MESSAGE, &a, LATER, &m));
	/* The shape of the message does not count. */
	b.digest = 77;
	assert_true(scope_mailbox_received(box, PID(1), 0, SCOPE_QUEUED_EXIT,
					   &b, LATER, &m));
	assert_int_equal(m.n, nb);
	assert_false(m.by_order);
	assert_true(scope_mailbox_received(box, PID(1), 0, SCOPE_QUEUED_EXIT,
					   &a, LATER, &m));
	assert_int_equal(m.n, na);
}

static void nobody_has_no_mailbox(void **state)
{
	struct scope_match m;

	(void)state;
	assert_int_equal(sent(0, 0x1000, 5, 1), 1);
	assert_int_equal(sent(0, 0x1000, 5, 1), 2);
	assert_false(received(0, 0x1000, 5, &m));
	assert_false(received(0, 0, 5, &m));
	scope_mailbox_ended(box, 0);
}

static void whoever_ends_leaves_nothing(void **state)
{
	struct scope_match m;

	(void)state;
	for (unsigned i = 0; i < 3000; i++)
		(void)sent(PID(1 + i % 3), 16 * i, i, i);
	scope_mailbox_ended(box, PID(2));
	scope_mailbox_ended(box, PID(44));
	for (unsigned i = 0; i < 3000; i++)
		assert_int_equal(received(PID(1 + i % 3), 16 * i, i, &m),
				 i % 3 != 1);
}

/* At the limit the oldest goes; what lies between stays whole. */
static void the_oldest_is_forgotten(void **state)
{
	const unsigned over = 1000;
	struct scope_match m;
	uint64_t kept = 0;

	(void)state;
	for (uint64_t i = 0; i < SCOPE_MAILBOX_MAX + over; i++)
		(void)sent(PID(1 + i % 50), 0x100000 + 16 * i, i, i);
	for (uint64_t i = 0; i < SCOPE_MAILBOX_MAX + over; i++) {
		bool is = received(PID(1 + i % 50), 0x100000 + 16 * i, i, &m);

		assert_int_equal(is, i >= over);
		kept += is;
		if (is)
			assert_int_equal(m.n, i + 1);
	}
	assert_int_equal(kept, SCOPE_MAILBOX_MAX);
}

static void a_search_by_order_is_bounded(void **state)
{
	struct scope_match m;

	(void)state;
	for (unsigned i = 0; i <= SCOPE_MAILBOX_SEARCH; i++)
		(void)sent(PID(1), 0x1000 + 16 * i, i, i);
	assert_false(received(PID(1), 0, SCOPE_MAILBOX_SEARCH, &m));
	assert_true(received(PID(1), 0, SCOPE_MAILBOX_SEARCH - 1, &m));
	/* One less before it: now it is in reach. */
	assert_true(received(PID(1), 0, SCOPE_MAILBOX_SEARCH, &m));
	for (unsigned i = 0; i < 2 * SCOPE_MAILBOX_SEARCH; i++)
		(void)sent(PID(1), 0x100000 + 16 * i, 7, i);
	/* By address there is no search. */
	assert_true(received(PID(1),
			     0x100000 + 16 * (2 * SCOPE_MAILBOX_SEARCH - 1), 7,
			     &m));
	assert_false(m.by_order);
}

/* -- against a model ------------------------------------------------------- */

#define MODEL_MAX 4096

static struct {
	uint64_t to, addr, ts, n;
	struct scope_shape shape;
	enum scope_queued what;
	bool newest; /* of those sent to this receiver and address */
} model[MODEL_MAX];
static size_t nmodel;

static void model_take(size_t i)
{
	memmove(model + i, model + i + 1, (nmodel - i - 1) * sizeof(*model));
	nmodel--;
}

static bool model_same(size_t i, enum scope_queued what,
		       const struct scope_shape *s)
{
	return model[i].what == what && model[i].shape.from == s->from &&
	       (what != SCOPE_QUEUED_MESSAGE ||
		model[i].shape.digest == s->digest);
}

static size_t model_find(uint64_t to, uint64_t addr, enum scope_queued what,
			 const struct scope_shape *s, bool *by_order)
{
	unsigned looked = 0;

	*by_order = false;
	for (size_t i = 0; addr && what == SCOPE_QUEUED_MESSAGE && i < nmodel;
	     i++)
		if (model[i].newest && model[i].to == to &&
		    model[i].addr == addr && model_same(i, what, s))
			return i;
	*by_order = what == SCOPE_QUEUED_MESSAGE;
	for (size_t i = 0; i < nmodel; i++) {
		if (model[i].to != to)
			continue;
		if (looked++ == SCOPE_MAILBOX_SEARCH)
			break;
		if (model_same(i, what, s))
			return i;
	}
	return nmodel;
}

static void model_sent(uint64_t to, uint64_t addr, enum scope_queued what,
		       const struct scope_shape *s, uint64_t ts, uint64_t n)
{
	assert_true(nmodel < MODEL_MAX);
	for (size_t i = 0; addr && i < nmodel; i++)
		if (model[i].to == to && model[i].addr == addr)
			model[i].newest = false;
	model[nmodel].to = to;
	model[nmodel].addr = addr;
	model[nmodel].what = what;
	model[nmodel].shape = *s;
	model[nmodel].ts = ts;
	model[nmodel].n = n;
	model[nmodel++].newest = addr != 0;
}

static void as_a_plain_list_does(void **state)
{
	uint64_t n = 0;

	(void)state;
	nmodel = 0;
	seed = 11;
	for (unsigned i = 0; i < 300000; i++) {
		uint64_t to = PID(1 + rnd(8)), addr = 16 * (uint64_t)rnd(64);
		enum scope_queued what = rnd(4) ? SCOPE_QUEUED_MESSAGE :
						  rnd(3);
		struct scope_shape s = { PID(rnd(3)), rnd(6) };
		unsigned op = rnd(2001);

		if (op == 2000) {
			scope_mailbox_ended(box, to);
			scope_mailbox_synced(box, to, 1);
			for (size_t k = nmodel; k--;)
				if (model[k].to == to)
					model_take(k);
		} else if (op < 1000 && nmodel < MODEL_MAX) {
			assert_int_equal(scope_mailbox_sent(box, to, addr, what,
							    &s, i + 1),
					 ++n);
			model_sent(to, addr, what, &s, i + 1, n);
		} else {
			struct scope_match m = { 0 };
			bool by_order, found;
			size_t k = model_find(to, addr, what, &s, &by_order);

			found = scope_mailbox_received(box, to, addr, what, &s, LATER,
						       &m);
			assert_int_equal(found, k < nmodel);
			if (!found)
				continue;
			assert_int_equal(m.n, model[k].n);
			assert_int_equal(m.addr, model[k].addr);
			assert_int_equal(m.ts_ns, model[k].ts);
			assert_int_equal(m.by_order, by_order);
			model_take(k);
		}
	}
}

/* -- memory ---------------------------------------------------------------- */

static void every_allocation_may_fail(void **state)
{
	struct scope_mailbox *m;
	long n = 0;

	(void)state;
	do {
		fault_in = n++;
		m = scope_mailbox_new();
		fault_in = -1;
	} while (!m);
	assert_true(n > 3);
	scope_mailbox_free(m);
	scope_mailbox_free(NULL);
}

/* Want of memory later on loses matches, and nothing else. */
static void a_table_that_can_not_grow_loses_matches(void **state)
{
	struct scope_match m;
	unsigned found = 0;

	(void)state;
	for (uint64_t i = 0; i < 2000; i++) {
		fault_in = i >= 40 && i < 1900 ? 0 : -1;
		assert_int_equal(sent(PID(1 + i), 16 * i, i, i), i + 1);
		fault_in = -1;
	}
	for (uint64_t i = 0; i < 2000; i++) {
		bool is = received(PID(1 + i), 16 * i, i, &m);

		assert_true(is || (i >= 40 && i < 1900));
		found += is;
	}
	assert_in_range(found, 140, 1999);
}

static void what_is_not_seen_leaves_nothing(void **state)
{
	struct scope_match m;

	(void)state;
	assert_true(sent(PID(1), 16, 7, 10) > 0);
	scope_mailbox_pause(box);
	assert_int_equal(sent(PID(1), 32, 8, 20), 0);
	assert_false(received(PID(1), 16, 7, &m));
	/* A loss meanwhile ends nothing. */
	scope_mailbox_lost(box, 25);
	scope_mailbox_synced(box, PID(1), 26);
	scope_mailbox_resume(box, LATER - 100);
	assert_int_equal(sent(PID(1), 48, 9, LATER - 100), 0);
	assert_true(sent(PID(1), 48, 9, LATER - 99) > 0);
	/* By its address alone: what else is queued nobody knows. */
	assert_false(received(PID(1), 64, 9, &m));
	assert_true(received(PID(1), 48, 9, &m));
	assert_false(m.by_order);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, make_box, free_box)
	const struct CMUnitTest tests[] = {
		T(the_address_says_which),
		T(equal_messages_are_taken_oldest_first),
		T(an_address_alone_is_no_identity),
		T(order_needs_a_known_queue),
		T(a_loss_casts_doubt),
		T(what_is_not_seen_leaves_nothing),
		T(what_never_came_is_dropped),
		T(signals_match_by_whom_they_are_of),
		T(nobody_has_no_mailbox),
		T(whoever_ends_leaves_nothing),
		T(the_oldest_is_forgotten),
		T(a_search_by_order_is_bounded),
		T(as_a_plain_list_does),
		T(every_allocation_may_fail),
		T(a_table_that_can_not_grow_loses_matches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
