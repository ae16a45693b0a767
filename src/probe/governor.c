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
/* Of a group's events as many, or so long a time that it is on, tell how many
 * go with what the node does. Of a step, JUMP_N that are JUMP times as many as
 * was known are a load that has just begun: what was before tells nothing. */
#define EVENTS_N 2000.0
#define EVENTS_NS (1 * S)
#define JUMP_N 100
#define JUMP 4
#define WINDOW_NS (30 * S)
#define TOLD_NS (10 * S)     /* over which it is evened out where in a turn it is */
#define LEARN_NS (60 * S)
#define STEADY_NS (5 * S)    /* on for longer: no turn */
#define LOOK_NS (200 * MS)   /* of one observation, at most */
#define LOOKS_MIN 8.0	     /* to learn from */
/* How far from what is assumed the factor may well be, and within what bounds
 * it can be at all. */
#define FACTOR_SD 0.25
#define FACTOR_MIN 0.5
#define FACTOR_MAX 4.0
/* The node's own part of its CPU time is taken to be this at least, lest what
 * is measured of nearly all cost makes events of nothing. */
#define OWN_MIN (1.0 / 16)
#define STEP_MIN_NS (2 * MS)
#define STEP_MAX_NS (50 * MS)

struct group {
	bool is_on;
	double since, /* when it was taken off, or put back */
		off_ns; /* how long it was off before */
	double cost, on; /* ns, and in what time; of when it was on last, fading */
	double window_on; /* ns that it was on, over the window */
	double events[SCOPE_KIND_MAX], work; /* the same */
	double work_off; /* that the node did since it is off */
};

struct scope_governor {
	struct scope_governor_opts opts;
	struct scope_governor_sample last;
	struct group group[SCOPE_GROUP_MAX];
	bool has_work;
	double room; /* ns */
	double soon_cpu, soon_ns; /* CPU time, and in what time; fading */
	double window, cpu, calibrated; /* ns, over the window, fading */
	double told_cpu, told; /* these, over a few turns */
	double net; /* room earned in the last step */
	double switched; /* when a group was last switched */
	double factor;
	struct {
		double work, calibrated, cpu, ns;
	} look; /* the observation under way */
	/* of the least squares: sums over observations of products of work (a),
	 * calibrated cost (b) and CPU time (y), by CPU time; their number */
	double aa, ab, bb, ay, by, yy, n;
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
	g->has_work = first->work != UINT64_MAX;
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

/* CPUs that the node takes. */
static double cpu_rate(const struct scope_governor *g)
{
	return g->soon_ns > 0 ? g->soon_cpu / g->soon_ns : 0;
}

/* What a group costs while it is on: ns a ns. */
static double rate(const struct group *p)
{
	return p->on > 0 ? p->cost / p->on : 0;
}

/* What one turn may spend. */
static double turn(const struct scope_governor *g)
{
	double ns = g->opts.share * cpu_rate(g) * TURN_NS;

	return ns > ROOM_MIN_NS ? ns : ROOM_MIN_NS;
}

/*
 * CPU time y of an observation is what the node's work a takes without tracing,
 * and what tracing takes, some factor f of what is calibrated, b:
 *
 *   y = u a + f b
 *
 * A longer time has a larger error, so the squares are weighed by y. What the
 * answer is worth, its variance tells, from what the sum leaves unexplained; it
 * is weighed with that of what was assumed. So a node whose work tells nothing
 * of its time, or whose tracing never changes, teaches nothing.
 */
static void learn(struct scope_governor *g)
{
	const double a = g->look.work, b = g->look.calibrated, y = g->look.cpu;
	const double old = fade(g->look.ns, LEARN_NS);
	const double prior = 1 / (FACTOR_SD * FACTOR_SD);
	double det, u, f, rest, sure;

	memset(&g->look, 0, sizeof(g->look));
	if (y <= 0)
		return;
	g->aa = g->aa * old + a * a / y;
	g->ab = g->ab * old + a * b / y;
	g->bb = g->bb * old + b * b / y;
	g->ay = g->ay * old + a;
	g->by = g->by * old + b;
	g->yy = g->yy * old + y;
	g->n = g->n * old + 1;
	det = g->aa * g->bb - g->ab * g->ab;
	if (g->n < LOOKS_MIN || !(det > 1e-9 * g->aa * g->bb))
		return;
	u = (g->ay * g->bb - g->by * g->ab) / det;
	f = (g->aa * g->by - g->ab * g->ay) / det;
	rest = fmax(g->yy - u * g->ay - f * g->by, 1e-4 * g->yy) / (g->n - 2);
	sure = det / (g->aa * rest);
	f = (prior * SCOPE_GOVERNOR_FACTOR + sure * f) / (prior + sure);
	f = fmin(fmax(f, FACTOR_MIN), FACTOR_MAX);
	/* What was spent lately was more, or less, than was thought. */
	g->room -= (f - g->factor) * g->calibrated;
	g->factor = f;
}

/* The events of a group that is on, by what the node did meanwhile. */
static void note_events(const struct scope_governor *g, struct group *p,
			scope_kindset kinds,
			const struct scope_governor_sample *s, double work,
			double dt)
{
	double n = 0, known = 0, old;

	for (unsigned k = 0; k < SCOPE_KIND_MAX; k++) {
		if (!((kinds >> k) & 1))
			continue;
		n += rose(s->events[k], g->last.events[k]);
		known += p->events[k];
	}
	old = exp(-n / EVENTS_N - dt / EVENTS_NS);
	if (n >= JUMP_N && n * p->work > JUMP * known * work)
		old = 0;
	p->work = p->work * old + work;
	for (unsigned k = 0; k < SCOPE_KIND_MAX; k++)
		if ((kinds >> k) & 1)
			p->events[k] = p->events[k] * old +
				       rose(s->events[k], g->last.events[k]);
}

/* Take a step's figures in. */
static void account(struct scope_governor *g,
		    const struct scope_governor_sample *s, double dt)
{
	const double cpu = rose(s->cpu_ns, g->last.cpu_ns);
	const double soon = fade(dt, AHEAD_NS), late = fade(dt, WINDOW_NS);
	const double even = fade(dt, TOLD_NS);
	double calibrated = 0, cost, work;

	for (unsigned i = 0; i < SCOPE_GROUP_MAX; i++) {
		struct group *p = &g->group[i];
		double c = rose(s->cost_ns[i], g->last.cost_ns[i]);

		calibrated += c;
		if (!p->is_on)
			continue;
		p->cost = p->cost * soon + g->factor * c;
		p->on = p->on * soon + dt;
	}
	cost = fmin(g->factor * calibrated, cpu);
	work = g->has_work ? rose(s->work, g->last.work) :
			     fmax(cpu - cost, OWN_MIN * cpu);
	g->window = g->window * late + dt;
	for (unsigned i = 0; i < SCOPE_GROUP_MAX; i++) {
		struct group *p = &g->group[i];

		p->window_on = p->window_on * late + (p->is_on ? dt : 0);
		if (p->is_on)
			note_events(g, p, g->opts.group[i].kinds, s, work, dt);
		else
			p->work_off += work;
	}
	g->soon_cpu = g->soon_cpu * soon + cpu;
	g->soon_ns = g->soon_ns * soon + dt;
	g->cpu = g->cpu * late + cpu;
	g->calibrated = g->calibrated * late + calibrated;
	g->told_cpu = g->told_cpu * even + g->cpu * dt;
	g->told = g->told * even + g->calibrated * dt;
	g->net = g->opts.share * cpu - cost;
	g->room = fmin(g->room + g->net, turn(g));
	g->room = fmax(g->room, -FORGIVEN_NS / TURN_NS * turn(g));
	if (!g->has_work)
		return;
	g->look.work += work;
	g->look.calibrated += calibrated;
	g->look.cpu += cpu;
	g->look.ns += dt;
	if (g->look.ns >= LOOK_NS)
		learn(g);
}

static bool can_switch(const struct scope_governor *g, unsigned i)
{
	return g->opts.group[i].worth > 0;
}

static double price(const struct scope_governor *g, unsigned i)
{
	return rate(&g->group[i]) / g->opts.group[i].worth;
}

/* The one that costs most for its worth of those on, or least of those off. */
static unsigned choose(const struct scope_governor *g, bool on)
{
	unsigned best = SCOPE_GROUP_MAX;

	for (unsigned i = 0; i < SCOPE_GROUP_MAX; i++) {
		if (!can_switch(g, i) || g->group[i].is_on != on ||
		    (on && g->group[i].cost <= 0))
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

/* What is earned, ns a ns: as in the last step; soon after something came back,
 * or went, less than that where it is known to cost more. */
static double earned(const struct scope_governor *g, double now, double dt)
{
	double known = g->opts.share * cpu_rate(g);

	if (now - g->switched > AHEAD_NS)
		return g->net / dt;
	for (unsigned i = 0; i < SCOPE_GROUP_MAX; i++)
		if (g->group[i].is_on)
			known -= rate(&g->group[i]);
	return fmin(known, g->net / dt);
}

/* When there may be something to do. */
static double until_next(const struct scope_governor *g, double now, double dt)
{
	const double per_ns = earned(g, now, dt), half = turn(g) / 2;
	double t = STEP_MAX_NS;

	if (per_ns < 0)
		t = (g->room + half) / -per_ns;
	else if (per_ns > 0 && g->room < half)
		t = (half - g->room) / per_ns;
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
	return (uint64_t)until_next(g, now, dt);
}

void scope_governor_done(struct scope_governor *g,
			 const struct scope_governor_action *action,
			 const struct scope_governor_sample *s)
{
	struct group *p = &g->group[action->group];
	const double now = (double)s->now_ns;
	const double dt = rose(s->now_ns, g->last.now_ns);

	learn(g);
	if (!action->on) {
		p->is_on = false;
		p->work_off = 0;
	}
	/* Putting on and taking off take time: of that it was off. */
	if (dt > 0)
		account(g, s, dt);
	learn(g);
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

	for (unsigned k = 0; p->work > 0 && k < SCOPE_KIND_MAX; k++) {
		uint64_t n = (uint64_t)(p->events[k] / p->work * p->work_off);

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

double scope_governor_part_on(const struct scope_governor *g,
			      enum scope_group group)
{
	const struct group *p = &g->group[group];

	return g->window > 0 ? p->window_on / g->window : p->is_on;
}

double scope_governor_cost(const struct scope_governor *g)
{
	return g->told_cpu > 0 ?
		       fmin(g->factor * g->told / g->told_cpu, 1) :
		       0;
}

double scope_governor_factor(const struct scope_governor *g)
{
	return g->factor;
}
