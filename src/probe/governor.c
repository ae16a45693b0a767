/* SPDX-License-Identifier: MIT */
#include "probe/governor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>


#define MS 1e6
#define S 1e9
#define TURN_NS (2 * S)	     /* of a group that is on and off in turn */
#define FORGIVEN_NS (30 * S) /* debts are, after that time */
#define ROOM_MIN_NS (0.5 * MS)
#define AHEAD_NS (1 * S)     /* over which rates are averaged */
#define EVENTS_NS (30 * MS)  /* of own CPU time, the same of events */
#define WINDOW_NS (30 * S)
#define LEARN_NS (60 * S)
#define STEADY_NS (5 * S)    /* on for longer: no turn */
/* How much is learned against what was assumed: ns of cost, see learn(). */
#define PRIOR_NS (100 * MS)
/* Ticks say little of a node that runs for short moments alone, right after
 * them: what is learned may go as far as has been measured, and no further. */
#define FACTOR_MIN 0.9
#define FACTOR_MAX 1.5
#define KERNEL_MAX 0.6 /* of its own time: above nothing can be told */
/* The node's own part of its CPU time is taken to be this at least, lest what
 * is measured of nearly all cost makes events of nothing. */
#define OWN_MIN (1.0 / 16)
#define STEP_MIN_NS (2 * MS)
#define STEP_MAX_NS (50 * MS)

struct group {
	bool is_on;
	double since, /* when it was taken off, or put back */
		off_ns; /* how long it was off before */
	double rate; /* of cost, ns a ns; of when it was on last */
	double events[SCOPE_KIND_MAX], own; /* when it was on last, fading */
	double own_off; /* CPU time that the node had since it is off */
};

struct scope_governor {
	struct scope_governor_opts opts;
	struct scope_governor_sample last;
	struct group group[SCOPE_GROUP_MAX];
	double room; /* ns */
	double cpu_rate; /* CPUs that the node takes */
	double cpu, cost; /* over the window, fading */
	double net; /* room earned in the last step */
	double switched; /* when a group was last switched */
	double factor;
	/* of the least squares: sums over steps of products of CPU time (a),
	 * calibrated cost (b) and the kernel's time (y), by CPU time */
	double aa, ab, bb, ay, by;
};

struct scope_governor *
scope_governor_new(const struct scope_governor_opts *opts,
		   const struct scope_governor_sample *first)
{
	struct scope_governor *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->opts = *opts;
	g->last = *first;
	g->factor = SCOPE_GOVERNOR_FACTOR;
	g->switched = (double)first->now_ns;
	for (unsigned i = 0; i < SCOPE_GROUP_MAX; i++) {
		g->group[i].is_on = true;
		g->group[i].since = (double)first->now_ns;
	}
	return g;
}

void scope_governor_free(struct scope_governor *g)
{
	free(g);
}

/* An average that forgets: weight of what was before. */
static double fade(double dt, double over)
{
	return exp(-dt / over);
}

static double rose(uint64_t now, uint64_t before)
{
	return now > before ? (double)(now - before) : 0;
}

/* What one turn may spend. */
static double turn(const struct scope_governor *g)
{
	double ns = g->opts.share * g->cpu_rate * TURN_NS;

	return ns > ROOM_MIN_NS ? ns : ROOM_MIN_NS;
}

/*
 * The kernel's time y of a step is a part k of what the node takes for itself,
 * a - f b, and SCOPE_GOVERNOR_KERNEL of what tracing takes, f b:
 *
 *   y = k a + f (KERNEL - k) b
 *
 * Ticks of the clock are what y is made of, so its error grows with a, by which
 * the squares are weighed. What the answer is worth is how much the density of
 * cost, b / a, differed between steps; in ns of cost.
 */
static void learn(struct scope_governor *g, double a, double b, double y,
		  double dt)
{
	const double old = fade(dt, LEARN_NS);
	double det, k, f, worth;

	if (a <= 0)
		return;
	g->aa = g->aa * old + a;
	g->ab = g->ab * old + b;
	g->bb = g->bb * old + b * b / a;
	g->ay = g->ay * old + y;
	g->by = g->by * old + b * y / a;
	det = g->aa * g->bb - g->ab * g->ab;
	worth = det / g->aa;
	if (!(worth > 1 * MS))
		return;
	k = (g->ay * g->bb - g->by * g->ab) / det;
	k = k < 0 ? 0 : k;
	if (k > KERNEL_MAX)
		return;
	f = (g->aa * g->by - g->ab * g->ay) / det /
	    (SCOPE_GOVERNOR_KERNEL - k);
	f = (PRIOR_NS * SCOPE_GOVERNOR_FACTOR + worth * f) / (PRIOR_NS + worth);
	g->factor = fmin(fmax(f, FACTOR_MIN), FACTOR_MAX);
}

/* Take a step's figures in. */
static void account(struct scope_governor *g,
		    const struct scope_governor_sample *s, double dt)
{
	const double cpu = rose(s->cpu_ns, g->last.cpu_ns);
	const double soon = fade(dt, AHEAD_NS), late = fade(dt, WINDOW_NS);
	double calibrated = 0, cost, own, events_old;

	for (unsigned i = 0; i < SCOPE_GROUP_MAX; i++) {
		struct group *p = &g->group[i];
		double c = rose(s->cost_ns[i], g->last.cost_ns[i]);

		calibrated += c;
		if (p->is_on)
			p->rate = p->rate * soon + g->factor * c / dt * (1 - soon);
	}
	if (s->kernel_ns != UINT64_MAX && g->last.kernel_ns != UINT64_MAX)
		learn(g, cpu, calibrated,
		      rose(s->kernel_ns, g->last.kernel_ns), dt);
	cost = fmin(g->factor * calibrated, cpu);
	own = fmax(cpu - cost, OWN_MIN * cpu);
	events_old = fade(own, EVENTS_NS);
	for (unsigned i = 0; i < SCOPE_GROUP_MAX; i++) {
		struct group *p = &g->group[i];

		if (!p->is_on) {
			p->own_off += own;
			continue;
		}
		p->own = p->own * events_old + own;
		for (unsigned k = 0; k < SCOPE_KIND_MAX; k++)
			if ((g->opts.group[i].kinds >> k) & 1)
				p->events[k] = p->events[k] * events_old +
					       rose(s->events[k],
						    g->last.events[k]);
	}
	g->cpu_rate = g->cpu_rate * soon + cpu / dt * (1 - soon);
	g->cpu = g->cpu * late + cpu;
	g->cost = g->cost * late + cost;
	g->net = g->opts.share * cpu - cost;
	g->room = fmin(g->room + g->net, turn(g));
	g->room = fmax(g->room, -FORGIVEN_NS / TURN_NS * turn(g));
}

static bool can_switch(const struct scope_governor *g, unsigned i)
{
	return g->opts.group[i].worth > 0;
}

static double price(const struct scope_governor *g, unsigned i)
{
	return g->group[i].rate / g->opts.group[i].worth;
}

/* The one that costs most for its worth of those on, or least of those off. */
static unsigned choose(const struct scope_governor *g, bool on)
{
	unsigned best = SCOPE_GROUP_MAX;

	for (unsigned i = 0; i < SCOPE_GROUP_MAX; i++) {
		if (!can_switch(g, i) || g->group[i].is_on != on ||
		    (on && g->group[i].rate <= 0))
			continue;
		if (best == SCOPE_GROUP_MAX ||
		    (price(g, i) > price(g, best)) == on)
			best = i;
	}
	return best;
}

/* One that nobody has looked at for long comes back first. */
static unsigned choose_back(const struct scope_governor *g, double now)
{
	for (unsigned i = 0; i < SCOPE_GROUP_MAX; i++)
		if (can_switch(g, i) && !g->group[i].is_on &&
		    now - g->group[i].since >= FORGIVEN_NS)
			return i;
	return g->room >= turn(g) / 2 ? choose(g, false) : SCOPE_GROUP_MAX;
}

static double part_on(const struct group *p, double now)
{
	double on = now - p->since;

	return p->off_ns <= 0 || on > STEADY_NS ? 1 : on / (on + p->off_ns);
}

/* When there may be something to do. */
static double until_next(const struct scope_governor *g, double dt)
{
	const double rate = g->net / dt, half = turn(g) / 2;
	double t = STEP_MAX_NS;

	if (rate < 0)
		t = (g->room + half) / -rate;
	else if (rate > 0 && g->room < half)
		t = (half - g->room) / rate;
	return fmin(fmax(t, STEP_MIN_NS), STEP_MAX_NS);
}

uint64_t scope_governor_step(struct scope_governor *g,
			     const struct scope_governor_sample *s,
			     struct scope_governor_action *ret_action)
{
	const double now = (double)s->now_ns;
	const double dt = rose(s->now_ns, g->last.now_ns);
	unsigned i = SCOPE_GROUP_MAX;

	*ret_action = (struct scope_governor_action){ SCOPE_GROUP_MAX, false,
						      1 };
	if (dt <= 0)
		return (uint64_t)STEP_MIN_NS;
	account(g, s, dt);
	g->last = *s;
	if (g->room <= -turn(g) / 2 && g->net < 0) {
		i = choose(g, true);
		if (i < SCOPE_GROUP_MAX)
			ret_action->share = part_on(&g->group[i], now);
	} else if (now - g->switched >= STEP_MAX_NS) {
		i = choose_back(g, now);
		ret_action->on = true;
	}
	ret_action->group = i;
	return (uint64_t)until_next(g, dt);
}

void scope_governor_done(struct scope_governor *g,
			 const struct scope_governor_action *action,
			 const struct scope_governor_sample *s)
{
	struct group *p = &g->group[action->group];
	const double now = (double)s->now_ns;
	const double dt = rose(s->now_ns, g->last.now_ns);

	if (!action->on) {
		p->is_on = false;
		p->own_off = 0;
	}
	/* Putting on and taking off take time: of that it was off. */
	if (dt > 0)
		account(g, s, dt);
	g->last = *s;
	g->switched = now;
	p->off_ns = action->on ? now - p->since : 0;
	p->is_on = action->on;
	p->since = now;
	if (action->on)
		g->room = fmax(g->room, 0);
}

uint64_t scope_governor_missed(const struct scope_governor *g,
			       enum scope_group group,
			       uint64_t missed[SCOPE_KIND_MAX])
{
	const struct group *p = &g->group[group];
	uint64_t sum = 0;

	for (unsigned k = 0; p->own > 0 && k < SCOPE_KIND_MAX; k++) {
		uint64_t n = (uint64_t)(p->events[k] / p->own * p->own_off);

		missed[k] += n;
		sum += n;
	}
	return sum;
}

bool scope_governor_is_on(const struct scope_governor *g,
			  enum scope_group group)
{
	return g->group[group].is_on;
}

double scope_governor_cost(const struct scope_governor *g)
{
	return g->cpu > 0 ? g->cost / g->cpu : 0;
}

double scope_governor_factor(const struct scope_governor *g)
{
	return g->factor;
}
