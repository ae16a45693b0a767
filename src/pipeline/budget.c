/* SPDX-License-Identifier: MIT */
#include "pipeline/budget.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"
#include "probe/governor.h"
#include "target/schedulers.h"

struct note {
	struct scope_rec rec;
	uint64_t words[2 * SCOPE_KIND_MAX + 1]; /* and the segment word */
};

_Static_assert(sizeof(struct note) == SCOPE_BUDGET_BYTES,
	       "a note is larger than its record");

struct scope_budget {
	struct scope_target *target; /* borrowed */
	struct scope_probe *probe; /* borrowed */
	struct scope_governor *governor; /* owned */
	clockid_t clock;
	size_t nschedulers; /* 0: their reductions are not to be found */
	struct scope_piece *pieces; /* owned: of each, into: */
	uint64_t *reductions; /* owned */
	uint64_t work; /* their sum, when it was read last */
	int stop_fd;
	pthread_t thread;
	bool started, is_lost; /* the node or the attacher is gone */
	uint64_t off_since[SCOPE_GROUP_MAX];
	scope_kindset kinds[SCOPE_GROUP_MAX];
	pthread_mutex_t lock; /* of what follows */
	struct note notes[SCOPE_BUDGET_NOTES];
	unsigned head, n;
	struct scope_budget_now now;
};

/* -- what the governor is fed with ------------------------------------------------ */

/* Reductions of all schedulers. While one can't be read they stand still. */
static uint64_t work(struct scope_budget *b)
{
	uint64_t sum = 0;

	if (!b->nschedulers)
		return UINT64_MAX;
	if (scope_vm_read_all(scope_target_vm(b->target), b->pieces,
			      b->nschedulers) < 0)
		return b->work;
	for (size_t i = 0; i < b->nschedulers; i++) {
		if (!b->pieces[i].is_read)
			return b->work;
		sum += b->reductions[i];
	}
	b->work = sum;
	return sum;
}

/* Where they are: each normal scheduler counts its own. Without them, no
 * less is kept; it is only known less well. */
static int find_work(struct scope_budget *b)
{
	const struct scope_layout *l = scope_target_vm(b->target)->layout;
	const struct scope_sched_place place =
		scope_target_sched_place(b->target);
	const unsigned n = place.n[SCOPE_SCHED_NORMAL];

	if (!place.at[SCOPE_SCHED_NORMAL] || !l->s_stride || !l->s_reductions)
		return 0;
	b->pieces = calloc(n, sizeof(*b->pieces));
	b->reductions = calloc(n, sizeof(*b->reductions));
	if (!b->pieces || !b->reductions)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++)
		b->pieces[i] = (struct scope_piece){
			.addr = place.at[SCOPE_SCHED_NORMAL] +
				(uint64_t)i * l->s_stride + l->s_reductions,
			.buf = &b->reductions[i],
			.len = sizeof(b->reductions[i]),
		};
	b->nschedulers = n;
	return 0;
}

static int sample(struct scope_budget *b,
		  struct scope_governor_sample *s)
{
	struct timespec t;

	memset(s, 0, sizeof(*s));
	if (clock_gettime(b->clock, &t) < 0)
		return -ESRCH;
	s->now_ns = scope_now_ns();
	s->cpu_ns = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
	s->work = work(b);
	for (unsigned g = 0; g < SCOPE_GROUP_MAX; g++)
		s->cost_ns[g] = scope_probe_cost(b->probe, g);
	for (unsigned cpu = 0; cpu < scope_probe_cpus(b->probe); cpu++) {
		const struct scope_counters *c =
			scope_probe_counters(b->probe, cpu);

		for (unsigned k = 0; k < SCOPE_KIND_MAX; k++)
			s->events[k] += __atomic_load_n(&c->emitted[k],
							__ATOMIC_RELAXED);
	}
	return 0;
}

/* -- what is told ------------------------------------------------------------------ */

static uint64_t millionths(double share)
{
	return (uint64_t)(share * SCOPE_MILLION + 0.5);
}

/* There is room: see is_full. */
static void put(struct scope_budget *b, unsigned group,
		enum scope_budget_state state, double share, uint64_t now)
{
	uint64_t missed[SCOPE_KIND_MAX] = { 0 };
	struct note note = { .rec = { .ts_ns = now,
				      .kind = SCOPE_KIND_BUDGET } };
	unsigned n = 0;

	note.rec.a[0] = group;
	note.rec.a[1] = state;
	note.rec.a[3] = millionths(share);
	note.rec.a[4] = millionths(scope_governor_cost(b->governor));
	note.rec.a[5] = b->kinds[group];
	if (state == SCOPE_BUDGET_ON || state == SCOPE_BUDGET_END) {
		note.rec.a[2] = b->off_since[group];
		(void)scope_governor_missed(b->governor, group, missed);
	}
	for (unsigned k = 0; k < SCOPE_KIND_MAX; k++) {
		if (!missed[k])
			continue;
		note.words[n++] = k;
		note.words[n++] = missed[k];
	}
	note.rec.nwords = (uint16_t)n;
	if (n)
		note.words[n] = SCOPE_SEG(0, n);
	note.rec.nsegs = n != 0;
	note.rec.len = SCOPE_REC_BYTES + 8u * (n + (n != 0));
	(void)pthread_mutex_lock(&b->lock);
	b->notes[(b->head + b->n++) % SCOPE_BUDGET_NOTES] = note;
	(void)pthread_mutex_unlock(&b->lock);
}

/* Leaves as many places as the stop may need. */
static bool is_full(struct scope_budget *b)
{
	unsigned n;

	(void)pthread_mutex_lock(&b->lock);
	n = b->n;
	(void)pthread_mutex_unlock(&b->lock);
	return n + SCOPE_GROUP_MAX + 2 > SCOPE_BUDGET_NOTES;
}

size_t scope_budget_take(struct scope_budget *b,
			 uint8_t buf[SCOPE_BUDGET_BYTES])
{
	size_t len = 0;

	(void)pthread_mutex_lock(&b->lock);
	if (b->n) {
		len = b->notes[b->head].rec.len;
		memcpy(buf, &b->notes[b->head], len);
		b->head = (b->head + 1) % SCOPE_BUDGET_NOTES;
		b->n--;
	}
	(void)pthread_mutex_unlock(&b->lock);
	return len;
}

static void publish(struct scope_budget *b)
{
	const struct scope_governor *g = b->governor;

	(void)pthread_mutex_lock(&b->lock);
	b->now.cost = scope_governor_cost(g);
	b->now.factor = scope_governor_factor(g);
	for (unsigned i = 0; i < SCOPE_GROUP_MAX; i++) {
		b->now.group[i].is_on = scope_governor_is_on(g, i);
		b->now.group[i].part_on = scope_governor_part_on(g, i);
	}
	(void)pthread_mutex_unlock(&b->lock);
}

/* -- what is done ------------------------------------------------------------------- */

static void act(struct scope_budget *b,
		const struct scope_governor_action *action)
{
	const unsigned g = action->group;
	struct scope_governor_sample s;
	uint64_t now = scope_now_ns();

	if (!action->on) {
		/* Told before it is done: what comes afterwards is not whole. */
		b->off_since[g] = now;
		put(b, g,
		    action->share < 1 ? SCOPE_BUDGET_DUTY : SCOPE_BUDGET_OFF,
		    action->share, now);
	}
	if (scope_probe_switch(b->probe, g, action->on, NULL) < 0 ||
	    sample(b, &s) < 0) {
		b->is_lost = true;
		if (!action->on)
			return;
	} else {
		scope_governor_done(b->governor, action, &s);
	}
	if (action->on && !b->is_lost) {
		put(b, g, SCOPE_BUDGET_ON, 1, s.now_ns);
		b->off_since[g] = 0;
	}
}

/* Whether it is to end, after waiting that long. */
static bool waits(const struct scope_budget *b, uint64_t ns)
{
	struct pollfd fd = { .fd = b->stop_fd, .events = POLLIN };
	struct timespec t = { .tv_nsec = (long)ns };

	return ppoll(&fd, 1, &t, NULL) > 0;
}

static void *run(void *arg)
{
	struct scope_budget *b = arg;
	uint64_t ns = 1000000;

	(void)prctl(PR_SET_NAME, "scope-budget");
	while (!b->is_lost && !waits(b, ns)) {
		struct scope_governor_action action;
		struct scope_governor_sample s;

		if (sample(b, &s) < 0)
			break;
		ns = scope_governor_step(b->governor, &s, &action);
		publish(b);
		if (action.group == SCOPE_GROUP_MAX || is_full(b))
			continue;
		act(b, &action);
		publish(b);
		ns = 1000000;
	}
	return NULL;
}

static int start(struct scope_budget *b, double share, struct scope_err *err)
{
	struct scope_governor_opts opts = { .share = share };
	struct scope_governor_sample first;
	sigset_t all, old;
	int rc;

	for (unsigned g = 0; g < SCOPE_GROUP_MAX; g++) {
		b->kinds[g] = scope_probe_group_kinds(b->probe, g);
		opts.group[g].kinds = b->kinds[g];
		b->now.group[g].is_there = b->kinds[g] != 0;
		if (b->kinds[g])
			opts.group[g].worth = scope_budget_worth(g);
	}
	if (sample(b, &first) < 0)
		return scope_fail(err, -ESRCH, "the node has ended");
	b->governor = scope_governor_new(&opts, &first);
	if (!b->governor)
		return scope_fail(err, -ENOMEM, "out of memory");
	b->now.share = share;
	publish(b);
	/* Signals are for the main thread. */
	(void)sigfillset(&all);
	(void)sigdelset(&all, SIGSYS);
	(void)pthread_sigmask(SIG_BLOCK, &all, &old);
	rc = pthread_create(&b->thread, NULL, run, b);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc)
		return scope_fail(err, -rc, "cannot start a thread: %s",
				  strerror(rc));
	b->started = true;
	return 0;
}

int scope_budget_new(struct scope_target *t, struct scope_probe *probe,
		     double share,
		     struct scope_budget **ret_budget, struct scope_err *err)
{
	scope_auto(scope_budget) b = calloc(1, sizeof(*b));
	const pid_t pid = scope_target_info(t)->pid;
	int r;

	if (!b)
		return scope_fail(err, -ENOMEM, "out of memory");
	(void)pthread_mutex_init(&b->lock, NULL);
	b->target = t;
	b->probe = probe;
	if (find_work(b) < 0)
		return scope_fail(err, -ENOMEM, "out of memory");
	b->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (b->stop_fd < 0)
		return scope_fail(err, -errno, "too many open files");
	if (clock_getcpuclockid(pid, &b->clock) != 0)
		return scope_fail(err, -ESRCH, "PID %d has ended", (int)pid);
	r = start(b, share, err);
	if (r < 0)
		return r;
	*ret_budget = scope_take(b);
	return 0;
}

static void join(struct scope_budget *b)
{
	uint64_t one = 1;

	if (!b->started)
		return;
	(void)!write(b->stop_fd, &one, sizeof(one));
	(void)pthread_join(b->thread, NULL);
	b->started = false;
}

void scope_budget_stop(struct scope_budget *b)
{
	struct scope_governor_action none;
	struct scope_governor_sample s;

	join(b);
	/* Up to now, if the node is still there. */
	if (sample(b, &s) == 0)
		(void)scope_governor_step(b->governor, &s, &none);
	publish(b);
	for (unsigned g = 0; g < SCOPE_GROUP_MAX; g++)
		if (b->off_since[g])
			put(b, g, SCOPE_BUDGET_END, 0, scope_now_ns());
}

void scope_budget_look(struct scope_budget *b, struct scope_budget_now *ret_now)
{
	(void)pthread_mutex_lock(&b->lock);
	*ret_now = b->now;
	(void)pthread_mutex_unlock(&b->lock);
}

void scope_budget_free(struct scope_budget *b)
{
	if (!b)
		return;
	join(b);
	scope_governor_free(b->governor);
	if (b->stop_fd >= 0)
		(void)close(b->stop_fd);
	(void)pthread_mutex_destroy(&b->lock);
	free(b->pieces);
	free(b->reductions);
	free(b);
}
