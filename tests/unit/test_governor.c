/* SPDX-License-Identifier: MIT */
/* The governor, fed by a node that is made up: what it pays for its probes, and
 * how often it does what they see, is known here. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fault.h"
#include "pipeline/budget.h"
#include "probe/governor.h"

#define MS 1000000ull
#define S 1000000000ull
#define SENDS SCOPE_GROUP_SEND
#define RECEIVES SCOPE_GROUP_RECEIVE
#define GCS SCOPE_GROUP_GC

/* Of a kind of event. */
struct does {
	enum scope_group group;
	enum scope_kind kind;
	double own_ns;	 /* CPU time of the node for one */
	double cost_ns;	 /* that tracing really adds to it */
	double calibrated_ns;
	double per_s;	 /* how often; 0: as often as there is time for */
};

static struct {
	struct does does[4];
	unsigned ndoes;
	double cpus; /* that a saturated node takes */
	bool hides_work; /* its reductions can't be read */
	struct scope_governor *g;
	struct scope_governor_sample s;
	bool is_on[SCOPE_GROUP_MAX];
	double cpu, cost, done[SCOPE_KIND_MAX], seen[SCOPE_KIND_MAX];
	double reductions, cost_ns[SCOPE_GROUP_MAX];
	uint64_t missed[SCOPE_KIND_MAX];
	unsigned switches, offs[SCOPE_GROUP_MAX];
} n;

/* What is a reduction, on average. */
#define REDUCTION_NS 50.0

static void node_of(double share, const struct does *does, unsigned ndoes,
		    double cpus, bool hides_work)
{
	struct scope_governor_opts opts = { .share = share };

	scope_governor_free(n.g);
	memset(&n, 0, sizeof(n));
	memcpy(n.does, does, ndoes * sizeof(*does));
	n.ndoes = ndoes;
	n.cpus = cpus;
	n.hides_work = hides_work;
	n.s.work = hides_work ? UINT64_MAX : 0;
	n.s.now_ns = 5 * S;
	for (unsigned i = 0; i < ndoes; i++) {
		opts.group[does[i].group].kinds |= SCOPE_KIND_BIT(does[i].kind);
		opts.group[does[i].group].worth =
			does[i].group == SENDS ? 12 : 6;
		n.is_on[does[i].group] = true;
	}
	n.g = scope_governor_new(&opts, &n.s);
	assert_non_null(n.g);
}

static void node(double share, const struct does *does, unsigned ndoes,
		 double cpus)
{
	node_of(share, does, ndoes, cpus, false);
}

static int end(void **state)
{
	(void)state;
	scope_governor_free(n.g);
	n.g = NULL;
	return 0;
}

/* The node goes on for so long. What has no rate of its own shares what time
 * there is, one of each in turn. */
static void live(uint64_t ns)
{
	double left = n.cpus * (double)ns, each = 0;

	n.s.now_ns += ns;
	for (unsigned i = 0; i < n.ndoes; i++)
		if (n.does[i].per_s <= 0)
			each += n.does[i].own_ns +
				n.is_on[n.does[i].group] * n.does[i].cost_ns;
	for (unsigned pass = 0; pass < 2; pass++) {
		double times = each > 0 ? left / each : 0;

		for (unsigned i = 0; i < n.ndoes; i++) {
			const struct does *d = &n.does[i];
			bool is_on = n.is_on[d->group];
			double k = d->per_s * (double)ns / S;

			if ((d->per_s > 0) != (pass == 0))
				continue;
			if (pass == 1)
				k = times;
			n.done[d->kind] += k;
			n.cpu += k * (d->own_ns + is_on * d->cost_ns);
			left -= k * (d->own_ns + is_on * d->cost_ns);
			n.reductions += k * d->own_ns / REDUCTION_NS;
			if (!is_on)
				continue;
			n.seen[d->kind] += k;
			n.cost += k * d->cost_ns;
			n.cost_ns[d->group] += k * d->calibrated_ns;
		}
	}
	n.s.cpu_ns = (uint64_t)n.cpu;
	/* They are counted when a process is left, up to a millisecond late. */
	if (!n.hides_work)
		n.s.work = (uint64_t)n.reductions / 2000 * 2000;
	for (unsigned i = 0; i < SCOPE_GROUP_MAX; i++)
		n.s.cost_ns[i] = (uint64_t)n.cost_ns[i];
	for (unsigned i = 0; i < SCOPE_KIND_MAX; i++)
		n.s.events[i] = (uint64_t)n.seen[i];
}

/* Watch it for so long, as pipeline/budget.c does. */
static void watch(double seconds)
{
	uint64_t until = n.s.now_ns + (uint64_t)(seconds * S), ns = MS;

	while (n.s.now_ns < until) {
		struct scope_governor_action a;

		live(ns);
		ns = scope_governor_step(n.g, &n.s, &a);
		assert_in_range(ns, MS, 100 * MS);
		if (a.group == SCOPE_GROUP_MAX)
			continue;
		assert_true(a.on != n.is_on[a.group]);
		assert_true(a.on == !scope_governor_is_on(n.g, a.group));
		n.switches++;
		n.offs[a.group] += !a.on;
		/* Off at once, but it takes time; on in the end. */
		n.is_on[a.group] = a.on;
		live(a.on ? 2 * MS : 40 * MS);
		scope_governor_done(n.g, &a, &n.s);
		if (a.on)
			(void)scope_governor_missed(n.g, a.group, n.missed);
		ns = MS;
	}
}

/* What tracing really took of the node's time, in that many seconds. */
static double taken(double seconds)
{
	double cpu = n.cpu, cost = n.cost;

	watch(seconds);
	return (n.cost - cost) / (n.cpu - cpu);
}

#define NEAR(a, b, part) assert_true(fabs((a) - (b)) <= (part) * (b))

static const struct does busy[] = {
	{ SENDS, SCOPE_KIND_MSG_SEND, 200, 1440, 1200, 0 },
	{ GCS, SCOPE_KIND_GC_END, 10000, 4000, 3000, 50 },
};

static void a_busy_node_pays_its_share(void **state)
{
	static const double shares[] = { 0.01, 0.02, 0.05, 0.2 };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		node(shares[i], busy, 2, 2);
		watch(15);
		for (unsigned w = 0; w < 4; w++) {
			double part = taken(30);

			NEAR(part, shares[i], 0.1);
			NEAR(scope_governor_cost(n.g), part, 0.2);
		}
		NEAR(scope_governor_factor(n.g), 1.2, 0.1);
		/* What costs little stays. */
		assert_int_equal(n.offs[GCS], 0);
		/* Some two seconds a turn. */
		assert_in_range(n.offs[SENDS], 30, 110);
	}
}

static void what_it_pays_is_learned(void **state)
{
	static const double factors[] = { 0.8, 0.95, 1.25, 1.6, 2.2 };

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		struct does d = busy[0];

		d.cost_ns = d.calibrated_ns * factors[i];
		node(0.05, &d, 1, 1);
		watch(60);
		NEAR(scope_governor_factor(n.g), factors[i], 0.05);
		NEAR(taken(30), 0.05, 0.1);
	}
}

static void a_node_with_room_is_left_alone(void **state)
{
	/* 10,000 a second, each with 100 us of work. */
	static const struct does calm[] = {
		{ SENDS, SCOPE_KIND_MSG_SEND, 100000, 1440, 1200, 10000 },
	};

	(void)state;
	node(0.02, calm, 1, 2);
	NEAR(taken(60), 0.0142, 0.05);
	assert_int_equal(n.switches, 0);
	assert_true(scope_governor_is_on(n.g, SENDS));
}

static void a_slow_trickle_pays_its_share_too(void **state)
{
	static const struct does few[] = {
		{ SENDS, SCOPE_KIND_MSG_SEND, 3000, 1500, 1200, 10000 },
	};

	(void)state;
	node(0.02, few, 1, 2);
	watch(30);
	NEAR(taken(30), 0.02, 0.1);
	NEAR(taken(30), 0.02, 0.1);
}

static void the_least_worth_goes_first(void **state)
{
	static const struct does both[] = {
		{ SENDS, SCOPE_KIND_MSG_SEND, 300, 1440, 1200, 0 },
		{ RECEIVES, SCOPE_KIND_MSG_RECEIVE, 100, 1440, 1200, 0 },
	};

	(void)state;
	/* Room for one of them. */
	node(0.83, both, 2, 1);
	watch(60);
	assert_int_equal(n.offs[SENDS], 0);
	assert_true(n.offs[RECEIVES] > 0);
	node(0.05, both, 2, 1);
	watch(20);
	assert_true(n.offs[SENDS] > 3);
	assert_true(n.seen[SCOPE_KIND_MSG_SEND] >
		    2 * n.seen[SCOPE_KIND_MSG_RECEIVE]);
	NEAR(taken(30), 0.05, 0.15);
}

static void they_come_back_when_it_is_quiet(void **state)
{
	(void)state;
	node(0.02, busy, 1, 2);
	watch(20);
	assert_true(n.switches > 5);
	n.does[0].per_s = 3;
	n.does[0].own_ns = 200000;
	watch(31);
	assert_true(n.is_on[SENDS]);
	n.switches = 0;
	watch(60);
	assert_true(n.is_on[SENDS]);
	assert_int_equal(n.switches, 0);
	/* And go when it is not. */
	n.does[0] = busy[0];
	watch(2);
	assert_true(n.switches > 0);
}

static void what_was_missed_is_estimated(void **state)
{
	uint64_t missed;

	(void)state;
	node(0.02, busy, 1, 1);
	watch(60);
	missed = n.missed[SCOPE_KIND_MSG_SEND];
	if (!n.is_on[SENDS])
		(void)scope_governor_missed(n.g, SENDS, n.missed);
	missed = n.missed[SCOPE_KIND_MSG_SEND];
	NEAR((double)missed,
	     n.done[SCOPE_KIND_MSG_SEND] - n.seen[SCOPE_KIND_MSG_SEND], 0.1);
	assert_int_equal(n.missed[SCOPE_KIND_MSG_RECEIVE], 0);
}

static void what_is_worth_nothing_is_never_taken_off(void **state)
{
	static const struct does spawns[] = {
		{ SCOPE_GROUP_PROC, SCOPE_KIND_PROC_SPAWN, 1000, 4000, 3000, 0 },
	};
	struct scope_governor_opts opts = { .share = 0.01 };

	(void)state;
	node(0.01, spawns, 1, 1);
	scope_governor_free(n.g);
	n.g = scope_governor_new(&opts, &n.s);
	watch(10);
	assert_int_equal(n.switches, 0);
}

/* Sleeps, but for sends at a pace, which begin all at once. */
static void a_jump_is_known_at_once(void **state)
{
	static const struct does calm[] = {
		{ GCS, SCOPE_KIND_GC_END, 500000, 4000, 3000, 20 },
		{ SENDS, SCOPE_KIND_MSG_SEND, 300, 1440, 1000, 1 },
	};
	double done, seen;

	(void)state;
	node(0.02, calm, 2, 2);
	watch(20);
	assert_int_equal(n.switches, 0);
	n.does[1].per_s = 200000;
	done = n.done[SCOPE_KIND_MSG_SEND];
	seen = n.seen[SCOPE_KIND_MSG_SEND];
	watch(20);
	assert_true(n.offs[SENDS] > 3);
	if (!n.is_on[SENDS])
		(void)scope_governor_missed(n.g, SENDS, n.missed);
	done = n.done[SCOPE_KIND_MSG_SEND] - done;
	seen = n.seen[SCOPE_KIND_MSG_SEND] - seen;
	NEAR((double)n.missed[SCOPE_KIND_MSG_SEND], done - seen, 0.1);
}

/* A node that comes by in bursts, as on ticks of a clock, seems quiet in
 * between; that is no reason to sleep on. */
static void its_turns_are_short(void **state)
{
	static const struct does paced[] = {
		{ SENDS, SCOPE_KIND_MSG_SEND, 300, 1440, 1200, 200000 },
	};

	(void)state;
	node(0.02, paced, 1, 2);
	watch(10);
	n.switches = 0;
	NEAR(taken(30), 0.02, 0.1);
	assert_in_range(n.switches, 2 * 10, 2 * 30);
}

static void without_its_work_it_goes_on(void **state)
{
	struct scope_governor_action a;
	uint64_t missed;

	(void)state;
	node_of(0.02, busy, 1, 1, true);
	watch(60);
	assert_true(scope_governor_factor(n.g) == SCOPE_GOVERNOR_FACTOR);
	NEAR(taken(30), 0.02, 0.1);
	if (!n.is_on[SENDS])
		(void)scope_governor_missed(n.g, SENDS, n.missed);
	missed = n.missed[SCOPE_KIND_MSG_SEND];
	NEAR((double)missed,
	     n.done[SCOPE_KIND_MSG_SEND] - n.seen[SCOPE_KIND_MSG_SEND], 0.3);
	/* Nor does it mind a clock that stands, or counters that fall. */
	(void)scope_governor_step(n.g, &n.s, &a);
	(void)scope_governor_step(n.g, &n.s, &a);
	assert_int_equal(a.group, SCOPE_GROUP_MAX);
	n.s.now_ns += MS;
	n.s.cpu_ns = 0;
	memset(n.s.cost_ns, 0, sizeof(n.s.cost_ns));
	(void)scope_governor_step(n.g, &n.s, &a);
	assert_true(scope_governor_cost(n.g) <= 1);
}

/* What of its time goes with no reductions makes what is learned uncertain, not
 * wrong. */
static void work_that_tells_little_teaches_little(void **state)
{
	uint64_t x = 1;

	(void)state;
	node(0.05, busy, 1, 1);
	for (unsigned i = 0; i < 3000; i++) {
		x = x * 6364136223846793005ull + 1442695040888963407ull;
		n.does[0].own_ns = 50 + (double)(x >> 40) / (1 << 24) * 2000;
		n.reductions += (double)(x >> 50);
		watch(0.02);
	}
	NEAR(scope_governor_factor(n.g), 1.2, 0.25);
}

static void a_plan_is_what_it_comes_to(void **state)
{
	double cost[SCOPE_GROUP_MAX] = { [SENDS] = 0.24, [RECEIVES] = 0.1,
					 [SCOPE_GROUP_PROC] = 0.001 };
	double part[SCOPE_GROUP_MAX];

	(void)state;
	/* 0.05 / 0.95 of 0.19 is 0.01; spawns stay, receives are worth less for
	 * what they cost than sends are for the same. */
	cost[SENDS] = 0.15;
	NEAR(scope_budget_plan(0.05, 0.19, cost, part), 0.05, 1e-9);
	assert_true(part[SCOPE_GROUP_PROC] == 1);
	assert_true(part[RECEIVES] == 0);
	NEAR(part[SENDS], 0.009 / 0.15, 1e-9);
	/* Sends are the dearer ones: they go first. */
	cost[SENDS] = 0.24;
	NEAR(scope_budget_plan(0.5, 0.11, cost, part), 0.5, 1e-9);
	assert_true(part[RECEIVES] == 1);
	NEAR(part[SENDS], 0.009 / 0.24, 1e-9);
	/* Room for all. */
	NEAR(scope_budget_plan(0.5, 1, cost, part), 0.341 / 1.341, 1e-9);
	assert_true(part[SENDS] == 1 && part[RECEIVES] == 1);
	assert_true(scope_budget_plan(1, 0.1, cost, part) > 0.7);
	assert_true(part[SENDS] == 1 && part[RECEIVES] == 1);
	/* What is never taken off is all that is left. */
	cost[SCOPE_GROUP_PROC] = 0.5;
	assert_true(scope_budget_plan(0.02, 1, cost, part) > 0.3);
	assert_true(part[SENDS] == 0 && part[RECEIVES] == 0);
}

static void no_memory_is_told(void **state)
{
	struct scope_governor_opts opts = { .share = 0.01 };

	(void)state;
	fault_in = 0;
	assert_null(scope_governor_new(&opts, &n.s));
	fault_in = -1;
}

int main(void)
{
#define T(t) cmocka_unit_test_teardown(t, end)
	const struct CMUnitTest tests[] = {
		T(a_busy_node_pays_its_share),
		T(what_it_pays_is_learned),
		T(a_node_with_room_is_left_alone),
		T(a_slow_trickle_pays_its_share_too),
		T(the_least_worth_goes_first),
		T(they_come_back_when_it_is_quiet),
		T(what_was_missed_is_estimated),
		T(what_is_worth_nothing_is_never_taken_off),
		T(a_jump_is_known_at_once),
		T(its_turns_are_short),
		T(work_that_tells_little_teaches_little),
		T(without_its_work_it_goes_on),
		T(a_plan_is_what_it_comes_to),
		T(no_memory_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
