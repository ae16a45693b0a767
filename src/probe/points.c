/* SPDX-License-Identifier: MIT */
#include "probe/points.h"

#include <pthread.h>
#include <string.h>

#include "attacher/attacher.h"
#include "base/time.h"

struct point {
	bool is_set;		 /* by who uses it; it may be paused */
	bool is_on;		 /* in the threads */
	uint64_t on_ns;		 /* since when */
	uint64_t hits_were;	 /* of its break, when it was put on */
	struct scope_point_figures past; /* without what runs */
};

struct scope_points {
	struct scope_attacher *attacher; /* borrowed */
	unsigned slot;
	struct scope_bpf_control *control; /* borrowed, mapped */
	pthread_mutex_t lock;		   /* of what follows */
	struct point point[SCOPE_BREAKS];
	bool is_paused, is_over;
	uint64_t missed, trap_ns, ended_ns;
};

int scope_points_new(struct scope_attacher *a, unsigned slot,
		     struct scope_bpf_control *control,
		     struct scope_points **ret_points)
{
	struct scope_points *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->attacher = a;
	p->slot = slot;
	p->control = control;
	(void)pthread_mutex_init(&p->lock, NULL);
	*ret_points = p;
	return 0;
}

void scope_points_free(struct scope_points *p)
{
	if (!p)
		return;
	(void)pthread_mutex_destroy(&p->lock);
	free(p);
}

static int fail(int r, struct scope_err *err)
{
	switch (r) {
	case -ENOSPC:
		return scope_fail(err, r,
				  "no debug register is free: a debugger or "
				  "another tracer holds them");
	case -EOPNOTSUPP:
	case -ENOENT:
	case -ENODEV:
	case -ENOSYS:
		return scope_fail(err, -EOPNOTSUPP,
				  "this machine has no debug registers that "
				  "work (virtual machines may lack them)");
	case -EPERM:
	case -EACCES:
		return scope_fail(err, -EPERM,
				  "no right to set breakpoints; run as root, or "
				  "with CAP_BPF, CAP_PERFMON and "
				  "CAP_SYS_PTRACE");
	case -ESRCH:
		return scope_fail(err, r, "the node has ended");
	case -EOWNERDEAD:
		return scope_fail(err, r,
				  "the process that attaches has ended; its "
				  "breakpoints are gone with it");
	case -EMFILE:
		return scope_fail(err, r,
				  "too many open files for a breakpoint on each "
				  "scheduler; raise the limit (ulimit -n)");
	case -EBADMSG:
		return scope_fail(err, r, "the code is gone");
	default:
		return scope_fail(err, r, "can't set a breakpoint: %s",
				  strerror(-r));
	}
}

/* Take it off the threads; it keeps what it is set to. */
static void put_off(struct scope_points *p, unsigned reg)
{
	struct scope_break *b = &p->control->breaks[reg];
	struct point *at = &p->point[reg];
	struct scope_broken was = { 0 };
	uint64_t now = scope_now_ns(), hits;

	if (!at->is_on)
		return;
	__atomic_store_n(&b->until_ns, now, __ATOMIC_RELEASE);
	(void)scope_attacher_break(p->attacher, p->slot, reg, 0, &was);
	at->is_on = false;
	at->past.armed_ns += now - at->on_ns;
	hits = __atomic_load_n(&b->hits, __ATOMIC_RELAXED) - at->hits_were;
	if (was.hits > hits)
		p->missed += was.hits - hits;
}

static int put_on(struct scope_points *p, unsigned reg)
{
	struct scope_break *b = &p->control->breaks[reg];
	struct point *at = &p->point[reg];
	struct scope_broken now;
	int r;

	__atomic_store_n(&b->since_ns, UINT64_MAX, __ATOMIC_RELAXED);
	__atomic_store_n(&b->until_ns, UINT64_MAX, __ATOMIC_RELEASE);
	at->hits_were = __atomic_load_n(&b->hits, __ATOMIC_RELAXED);
	r = scope_attacher_break(p->attacher, p->slot, reg, b->addr, &now);
	if (r < 0)
		return r;
	if (now.trap_ns)
		p->trap_ns = now.trap_ns;
	at->is_on = true;
	at->on_ns = scope_now_ns();
	__atomic_store_n(&b->since_ns, at->on_ns, __ATOMIC_RELEASE);
	return 0;
}

static void clear(struct scope_points *p, unsigned reg,
		  struct scope_point_figures *ret_figures)
{
	struct scope_break *b = &p->control->breaks[reg];
	struct point *at = &p->point[reg];

	put_off(p, reg);
	if (ret_figures) {
		*ret_figures = at->past;
		ret_figures->passed = at->is_set ? b->passed : 0;
	}
	memset(b, 0, sizeof(*b));
	memset(at, 0, sizeof(*at));
}

int scope_points_set(struct scope_points *p, unsigned reg,
		     const struct scope_break *to, struct scope_err *err)
{
	struct scope_break *b = &p->control->breaks[reg];
	int r = 0;

	(void)pthread_mutex_lock(&p->lock);
	clear(p, reg, NULL);
	if (p->is_over) {
		r = -ESHUTDOWN;
	} else {
		*b = *to;
		b->hits = b->passed = 0;
		p->point[reg].is_set = true;
		if (!p->is_paused)
			r = put_on(p, reg);
		if (r < 0)
			clear(p, reg, NULL);
	}
	(void)pthread_mutex_unlock(&p->lock);
	return r < 0 ? fail(r, err) : 0;
}

void scope_points_clear(struct scope_points *p, unsigned reg,
			struct scope_point_figures *ret_figures)
{
	(void)pthread_mutex_lock(&p->lock);
	clear(p, reg, ret_figures);
	(void)pthread_mutex_unlock(&p->lock);
}

void scope_points_figures(struct scope_points *p, unsigned reg,
			  struct scope_point_figures *ret_figures)
{
	const struct point *at = &p->point[reg];

	(void)pthread_mutex_lock(&p->lock);
	*ret_figures = at->past;
	ret_figures->passed = __atomic_load_n(&p->control->breaks[reg].passed,
					      __ATOMIC_RELAXED);
	if (at->is_on)
		ret_figures->armed_ns += scope_now_ns() - at->on_ns;
	(void)pthread_mutex_unlock(&p->lock);
}

int scope_points_pause(struct scope_points *p, bool pause)
{
	int r = 0;

	(void)pthread_mutex_lock(&p->lock);
	for (unsigned i = 0; i < SCOPE_BREAKS; i++) {
		if (!p->point[i].is_set)
			continue;
		if (pause)
			put_off(p, i);
		else if (!p->is_over && r == 0)
			r = put_on(p, i);
	}
	p->is_paused = pause;
	(void)pthread_mutex_unlock(&p->lock);
	return r;
}

void scope_points_end(struct scope_points *p)
{
	(void)pthread_mutex_lock(&p->lock);
	if (!p->is_over)
		p->ended_ns = scope_now_ns();
	p->is_over = true;
	for (unsigned i = 0; i < SCOPE_BREAKS; i++)
		put_off(p, i);
	(void)pthread_mutex_unlock(&p->lock);
}

uint64_t scope_points_ended(struct scope_points *p)
{
	uint64_t ns;

	(void)pthread_mutex_lock(&p->lock);
	ns = p->ended_ns;
	(void)pthread_mutex_unlock(&p->lock);
	return ns;
}

uint64_t scope_points_missed(struct scope_points *p)
{
	uint64_t n;

	(void)pthread_mutex_lock(&p->lock);
	n = p->missed;
	(void)pthread_mutex_unlock(&p->lock);
	return n;
}

uint64_t scope_points_trap_ns(struct scope_points *p)
{
	uint64_t n;

	(void)pthread_mutex_lock(&p->lock);
	n = p->trap_ns;
	(void)pthread_mutex_unlock(&p->lock);
	return n;
}
