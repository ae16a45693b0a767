/* SPDX-License-Identifier: MIT */
/* What the live view knows about processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "cli/live_model.h"

#define S 1000000000ull

static const scope_kindset sends = SCOPE_KIND_BIT(SCOPE_KIND_MSG_SEND);

static uint64_t pid(unsigned n)
{
	return (uint64_t)n << 4 | 0x3;
}

static uint64_t atom(unsigned n)
{
	return (uint64_t)n << 6 | 0x0b;
}

static struct scope_event event(enum scope_kind kind, unsigned of, uint64_t ns)
{
	return (struct scope_event){ .kind = kind,
				     .pid = of ? pid(of) : 0,
				     .mono_ns = ns };
}

static void give(struct scope_model *m, struct scope_event *ev)
{
	assert_int_equal(scope_model_event(m, ev), 0);
}

static void send(struct scope_model *m, unsigned from, unsigned to, uint64_t ns)
{
	struct scope_event ev = event(SCOPE_KIND_MSG_SEND, from, ns);

	scope_event_add(&ev, SCOPE_FIELD_TO)->term = pid(to);
	give(m, &ev);
}

static void spawn(struct scope_model *m, unsigned parent, unsigned child,
		  uint64_t ns)
{
	struct scope_event ev = event(SCOPE_KIND_PROC_SPAWN, parent, ns);

	scope_event_add(&ev, SCOPE_FIELD_CHILD)->term = pid(child);
	scope_event_add(&ev, SCOPE_FIELD_MFA)->mfa =
		(struct scope_mfa){ atom(100), atom(101), 2 };
	give(m, &ev);
}

static void leave(struct scope_model *m, unsigned who, uint64_t ns)
{
	struct scope_event ev = event(SCOPE_KIND_PROC_EXIT, who, ns);

	give(m, &ev);
}

static const struct scope_row *row(struct scope_model *m, unsigned n)
{
	return scope_model_row(m, pid(n));
}

static void events_are_counted_where_they_belong(void **state)
{
	scope_auto(scope_model) m = scope_model_new(100, sends);
	struct scope_event ev;

	(void)state;
	assert_non_null(m);
	spawn(m, 1, 2, S);
	send(m, 1, 2, S);
	send(m, 1, 2, S);
	send(m, 2, 2, 2 * S); /* to itself */
	send(m, 0, 2, 3 * S); /* from a port */
	ev = event(SCOPE_KIND_GC_END, 2, 4 * S);
	scope_event_add_u(&ev, SCOPE_FIELD_PAUSE_NS, 500);
	give(m, &ev);
	assert_int_equal(scope_model_len(m), 2);
	assert_int_equal(row(m, 1)->n[SCOPE_COUNT_OUT].total, 2);
	assert_int_equal(row(m, 1)->n[SCOPE_COUNT_SPAWN].total, 1);
	assert_int_equal(row(m, 2)->n[SCOPE_COUNT_IN].total, 4);
	assert_int_equal(row(m, 2)->n[SCOPE_COUNT_OUT].total, 1);
	assert_int_equal(row(m, 2)->n[SCOPE_COUNT_GC].total, 1);
	assert_int_equal(row(m, 2)->n[SCOPE_COUNT_GC_NS].total, 500);
	assert_int_equal(row(m, 2)->call.arity, 2);
	assert_int_equal(row(m, 2)->last_ns, 4 * S);
	assert_int_equal(scope_model_totals(m)->events.total, 6);
	assert_int_equal(scope_model_totals(m)->sends.total, 4);
	assert_int_equal(scope_model_totals(m)->last_ns, 4 * S);
	/* Not of this node: no row. */
	ev = event(SCOPE_KIND_MSG_SEND, 1, 5 * S);
	scope_event_add(&ev, SCOPE_FIELD_TO)->term = 0x1002;
	give(m, &ev);
	assert_int_equal(scope_model_len(m), 2);
}

static void receives_count_where_sends_are_not_watched(void **state)
{
	scope_kindset recv = SCOPE_KIND_BIT(SCOPE_KIND_MSG_RECEIVE);
	struct scope_event ev = event(SCOPE_KIND_MSG_RECEIVE, 1, S);

	(void)state;
	scope_event_add_u(&ev, SCOPE_FIELD_MAILBOX, 7);
	for (int both = 0; both < 2; both++) {
		scope_auto(scope_model) m =
			scope_model_new(100, both ? recv | sends : recv);

		assert_non_null(m);
		give(m, &ev);
		assert_int_equal(row(m, 1)->n[SCOPE_COUNT_IN].total, !both);
		assert_true(row(m, 1)->has_mailbox);
		assert_int_equal(row(m, 1)->mailbox, 7);
		assert_int_equal(scope_model_totals(m)->receives.total, 1);
	}
}

static void names_come_and_go(void **state)
{
	scope_auto(scope_model) m = scope_model_new(100, sends);
	struct scope_event ev = event(SCOPE_KIND_PROC_INFO, 1, S);

	(void)state;
	ev.name = atom(1);
	scope_event_add(&ev, SCOPE_FIELD_MFA)->mfa =
		(struct scope_mfa){ atom(5), atom(6), 1 };
	scope_event_add(&ev, SCOPE_FIELD_INITIAL_CALL)->mfa =
		(struct scope_mfa){ atom(7), atom(8), 2 };
	give(m, &ev);
	assert_true(row(m, 1)->name == atom(1));
	assert_true(row(m, 1)->call.module == atom(7));
	/* An introduction is no event of the node. */
	assert_int_equal(scope_model_totals(m)->events.total, 0);
	ev = event(SCOPE_KIND_PROC_UNREGISTER, 1, S);
	ev.name = atom(1);
	give(m, &ev);
	assert_int_equal(row(m, 1)->name, 0);
	ev = event(SCOPE_KIND_PROC_REGISTER, 1, S);
	scope_event_add(&ev, SCOPE_FIELD_REGISTERED)->term = atom(2);
	give(m, &ev);
	assert_true(row(m, 1)->name == atom(2));
	ev = event(SCOPE_KIND_MSG_SEND, 3, S);
	scope_event_add(&ev, SCOPE_FIELD_TO)->term = pid(4);
	scope_event_add(&ev, SCOPE_FIELD_TO_NAME)->term = atom(9);
	give(m, &ev);
	assert_true(row(m, 4)->name == atom(9));
}

static void rates_follow_and_forget(void **state)
{
	scope_auto(scope_model) m = scope_model_new(100, sends);
	uint64_t now = S;
	double r;

	(void)state;
	scope_model_tick(m, now);
	for (int i = 0; i < 40; i++) { /* 100 a second for 10 s */
		for (int k = 0; k < 25; k++)
			send(m, 1, 2, now);
		now += S / 4;
		scope_model_tick(m, now);
	}
	r = row(m, 2)->n[SCOPE_COUNT_IN].per_s;
	assert_true(r > 99 && r < 101);
	r = scope_model_totals(m)->sends.per_s;
	assert_true(r > 99 && r < 101);
	/* A clock that stands still or goes back changes nothing. */
	scope_model_tick(m, now);
	scope_model_tick(m, now - S);
	assert_true(row(m, 2)->n[SCOPE_COUNT_IN].per_s > 99);
	for (int i = 0; i < 40; i++) {
		now += S / 4;
		scope_model_tick(m, now);
	}
	assert_true(row(m, 2)->n[SCOPE_COUNT_IN].per_s == 0);
	assert_int_equal(row(m, 2)->n[SCOPE_COUNT_IN].total, 1000);
}

static void the_ended_stay_a_little(void **state)
{
	scope_auto(scope_model) m = scope_model_new(100, sends);

	(void)state;
	scope_model_tick(m, S);
	spawn(m, 1, 2, S);
	leave(m, 2, 2 * S);
	scope_model_tick(m, 2 * S + SCOPE_GONE_NS);
	assert_non_null(row(m, 2));
	assert_int_equal(row(m, 2)->gone_ns, 2 * S);
	assert_int_equal(scope_model_len(m), 2);
	assert_int_equal(scope_model_alive(m), 1);
	scope_model_tick(m, 2 * S + SCOPE_GONE_NS + 1);
	assert_null(row(m, 2));
	assert_non_null(row(m, 1));
	/* The same pid again is another process. */
	spawn(m, 1, 3, 9 * S);
	send(m, 1, 3, 9 * S);
	leave(m, 3, 9 * S);
	spawn(m, 1, 3, 10 * S);
	assert_int_equal(row(m, 3)->gone_ns, 0);
	assert_int_equal(row(m, 3)->n[SCOPE_COUNT_IN].total, 0);
	leave(m, 3, 11 * S);
	leave(m, 3, 11 * S);
	assert_int_equal(scope_model_alive(m), 1);
	spawn(m, 1, 3, 12 * S);
	assert_int_equal(scope_model_alive(m), 2);
}

static void the_idle_make_room(void **state)
{
	enum { MAX = 300, ALL = 1000 };
	scope_auto(scope_model) m = scope_model_new(MAX, sends);
	const uint64_t *pids;

	(void)state;
	for (unsigned i = 1; i <= ALL; i++) {
		send(m, 1, i, i * S);
		assert_true(scope_model_len(m) <= MAX);
	}
	assert_int_equal(scope_model_len(m), MAX);
	assert_int_equal(scope_model_totals(m)->evicted, ALL - MAX);
	assert_int_equal(scope_model_totals(m)->sends.total, ALL);
	assert_non_null(row(m, 1)); /* was never idle */
	assert_int_equal(row(m, 1)->n[SCOPE_COUNT_OUT].total, ALL);
	assert_null(row(m, 2));
	assert_null(row(m, ALL - MAX + 1));
	assert_non_null(row(m, ALL - MAX + 2));
	assert_int_equal(scope_model_view(m, SCOPE_SORT_LAST, false, &pids),
			 MAX);
}

static void views_are_sorted(void **state)
{
	scope_auto(scope_model) m = scope_model_new(100, sends);
	const uint64_t *pids = NULL;

	(void)state;
	scope_model_tick(m, S);
	for (unsigned i = 1; i <= 9; i++)
		for (unsigned k = 0; k < (i * 7) % 10; k++)
			send(m, 20, i, S + i);
	scope_model_tick(m, 2 * S);
	assert_int_equal(scope_model_view(m, SCOPE_SORT_IN, false, &pids), 10);
	for (unsigned i = 1; i < 10; i++)
		assert_true(scope_model_row(m, pids[i - 1])
				    ->n[SCOPE_COUNT_IN].per_s >=
			    scope_model_row(m, pids[i])
				    ->n[SCOPE_COUNT_IN].per_s);
	assert_true(pids[0] == pid(7) && pids[9] == pid(20));
	assert_int_equal(scope_model_view(m, SCOPE_SORT_IN, true, &pids), 10);
	assert_true(pids[9] == pid(7) && pids[0] == pid(20));
	assert_int_equal(scope_model_view(m, SCOPE_SORT_PID, false, &pids),
			 10);
	for (unsigned i = 1; i < 10; i++)
		assert_true(pids[i - 1] < pids[i]);
	for (int s = 0; s < SCOPE_SORT_MAX; s++)
		assert_int_equal(scope_model_view(m, (enum scope_sort)s, true,
						  &pids),
				 10);
}

static bool is_odd(void *arg, const struct scope_row *r)
{
	(*(unsigned *)arg)++;
	return (r->pid >> 4) % 2 || r->name == atom(1);
}

static void filters_hide(void **state)
{
	scope_auto(scope_model) m = scope_model_new(100, sends);
	const uint64_t *pids = NULL;
	struct scope_event ev;
	unsigned asked = 0;

	(void)state;
	for (unsigned i = 1; i <= 10; i++)
		send(m, i, i, S);
	scope_model_set_filter(m, is_odd, &asked);
	assert_int_equal(asked, 10);
	assert_int_equal(scope_model_view(m, SCOPE_SORT_PID, false, &pids), 5);
	send(m, 11, 12, S);
	assert_int_equal(asked, 12);
	assert_int_equal(scope_model_view(m, SCOPE_SORT_PID, false, &pids), 6);
	/* A name is asked about again. */
	ev = event(SCOPE_KIND_GC_END, 12, S);
	ev.name = atom(1);
	give(m, &ev);
	assert_int_equal(scope_model_view(m, SCOPE_SORT_PID, false, &pids), 7);
	/* Events don't ask. */
	asked = 0;
	send(m, 11, 12, S);
	assert_int_equal(asked, 0);
	scope_model_set_filter(m, NULL, NULL);
	assert_int_equal(scope_model_view(m, SCOPE_SORT_PID, false, &pids),
			 12);
}

static void a_copy_stands_still(void **state)
{
	scope_auto(scope_model) m = scope_model_new(100, sends);
	scope_auto(scope_model) c = NULL;
	const uint64_t *pids = NULL;

	(void)state;
	send(m, 1, 2, S);
	c = scope_model_copy(m);
	assert_non_null(c);
	for (unsigned i = 3; i < 90; i++)
		send(m, 1, i, 2 * S);
	assert_int_equal(scope_model_len(c), 2);
	assert_int_equal(scope_model_view(c, SCOPE_SORT_IN, false, &pids), 2);
	assert_int_equal(row(c, 1)->n[SCOPE_COUNT_OUT].total, 1);
	assert_int_equal(scope_model_totals(c)->sends.total, 1);
	assert_int_equal(row(m, 1)->n[SCOPE_COUNT_OUT].total, 88);
}

static void losses_add_up(void **state)
{
	scope_auto(scope_model) m = scope_model_new(100, sends);
	struct scope_event ev = event(SCOPE_KIND_LOSS, 0, S);

	(void)state;
	scope_event_add_u(&ev, SCOPE_FIELD_COUNT, 120);
	give(m, &ev);
	give(m, &ev);
	assert_int_equal(scope_model_totals(m)->lost, 240);
	assert_int_equal(scope_model_totals(m)->events.total, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_are_counted_where_they_belong),
		cmocka_unit_test(receives_count_where_sends_are_not_watched),
		cmocka_unit_test(names_come_and_go),
		cmocka_unit_test(rates_follow_and_forget),
		cmocka_unit_test(the_ended_stay_a_little),
		cmocka_unit_test(the_idle_make_room),
		cmocka_unit_test(views_are_sorted),
		cmocka_unit_test(filters_hide),
		cmocka_unit_test(a_copy_stands_still),
		cmocka_unit_test(losses_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
