/* SPDX-License-Identifier: MIT */
#include "target/schedulers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "target/procfs.h"
#include "target/target_int.h"

/* What a scheduler runs is read this often before it is called torn. */
#define TRIES 4

/* ERTS_SSI_FLG_* */
#define SSI_POLL_SLEEPING (1u << 1)
#define SSI_TSE_SLEEPING (1u << 2)
#define SSI_WAITING (1u << 3)
#define SSI_SUSPENDED (1u << 4)

/* Longer queues than this, of all processes there can be, are none. */
#define QUEUE_MAX (1u << 27)

/* Of an ErtsSchedulerData: from its ssi to behind its run queue. */
#define NEAR_BYTES 512u
/* An ErtsRunQueue is this large at most. */
#define QUEUE_BYTES 1024u

const char *scope_sched_type_name(enum scope_sched_type type)
{
	static const char *const names[] = { "normal", "dirty_cpu",
					     "dirty_io" };

	return names[type];
}

const char *scope_sched_state_name(enum scope_sched_state state)
{
	static const char *const names[] = { "running", "awake",
					     "waiting", "asleep",
					     "suspended", "unreadable" };

	return names[state];
}

void scope_schedulers_free(struct scope_schedulers *s)
{
	if (!s)
		return;
	free(s->all);
	free(s->queues);
	free(s);
}

static uint64_t u64_at(const uint8_t *p, uint32_t off)
{
	uint64_t v;

	memcpy(&v, p + off, sizeof(v));
	return v;
}

static uint32_t u32_at(const uint8_t *p, uint32_t off)
{
	uint32_t v;

	memcpy(&v, p + off, sizeof(v));
	return v;
}

/* -- run queues ------------------------------------------------------------- */

static void take_queue(const struct scope_layout *l, const uint8_t *p,
		       struct scope_run_queue *q)
{
	q->len = u32_at(p, l->rq_len);
	q->ports = u32_at(p, l->rq_ports);
	q->is_readable = q->len < QUEUE_MAX && q->ports < QUEUE_MAX;
	for (uint32_t i = 0; i < SCOPE_PRIORITIES; i++) {
		q->priority[i] = u32_at(p, l->rq_prio + i * l->rq_prio_bytes);
		q->is_readable &= q->priority[i] < QUEUE_MAX;
	}
}

/* The array begins with the queue of the first scheduler; each knows which it
 * is (the dirty ones have -1). */
static int read_queues(struct scope_vm *vm, uint64_t first_esdp,
		       unsigned normal, struct scope_schedulers *s)
{
	const struct scope_layout *l = vm->layout;
	const size_t bytes = s->nqueues * (size_t)l->rq_stride;
	scope_autofree uint8_t *p = malloc(bytes);
	uint64_t at;
	int r;

	if (!p)
		return -ENOMEM;
	r = vm->read(vm->arg, first_esdp + l->s_run_queue, &at, sizeof(at));
	if (r == 0)
		r = vm->read(vm->arg, at, p, bytes);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < normal; i++)
		if (u32_at(p + i * (size_t)l->rq_stride, l->rq_ix) != i)
			return -EBADMSG;
	for (unsigned i = 0; i < s->nqueues; i++) {
		take_queue(l, p + i * (size_t)l->rq_stride, &s->queues[i]);
		s->queues[i].type = i < normal	? SCOPE_SCHED_NORMAL :
				    i == normal ? SCOPE_SCHED_DIRTY_CPU :
						  SCOPE_SCHED_DIRTY_IO;
	}
	return 0;
}

/* -- schedulers --------------------------------------------------------------- */

static void number(const struct scope_sched_place *place,
		   const struct scope_layout *l, struct scope_schedulers *s)
{
	for (unsigned type = 0; type < SCOPE_SCHED_TYPES; type++)
		for (unsigned i = 0; i < place->n[type]; i++) {
			struct scope_scheduler *d = &s->all[s->n++];

			d->no = (unsigned)s->n;
			d->type = type;
			d->type_no = i + 1;
			d->cpu_ns = SCOPE_GAUGE_UNKNOWN;
			d->state = SCOPE_SCHED_UNREADABLE;
			if (place->at[type])
				d->esdp = place->at[type] +
					  i * (uint64_t)l->s_stride;
			else
				s->unread++;
			d->queue = type == SCOPE_SCHED_NORMAL ?
					   i :
					   place->n[0] + type - 1;
		}
}

static bool is_its_own(const struct scope_layout *l, const uint8_t *p,
		       const struct scope_scheduler *d)
{
	const uint64_t no = u64_at(p, d->type == SCOPE_SCHED_NORMAL ?
					      l->s_no :
					      l->s_dirty_no);

	return u32_at(p, l->s_type) == d->type && no == d->type_no;
}

static enum scope_sched_state state_of(const struct scope_scheduler *d,
				       uint32_t flags)
{
	if (d->pid || d->port || d->is_torn)
		return SCOPE_SCHED_RUNNING;
	if (flags & (SSI_POLL_SLEEPING | SSI_TSE_SLEEPING))
		return SCOPE_SCHED_ASLEEP;
	if (flags & SSI_SUSPENDED)
		return SCOPE_SCHED_SUSPENDED;
	return flags & SSI_WAITING ? SCOPE_SCHED_WAITING : SCOPE_SCHED_AWAKE;
}

/* 1: as it was; 0: it runs something else by now; -errno. */
static int read_once(struct scope_vm *vm, struct scope_scheduler *d)
{
	const struct scope_layout *l = vm->layout;
	uint8_t near[NEAR_BYTES], again[NEAR_BYTES];
	uint64_t proc, port, reg = 0, reductions, tables;
	uint32_t flags = 0;
	int r = vm->read(vm->arg, d->esdp, near, sizeof(near));

	if (r < 0)
		return r;
	if (!is_its_own(l, near, d))
		return -EBADMSG;
	proc = u64_at(near, l->s_current_process);
	port = u64_at(near, l->s_current_port);
	d->pid = d->port = d->name = d->reductions = d->ntables = 0;
	struct scope_piece pieces[] = {
		{ u64_at(near, l->s_ssi) + l->ssi_flags, &flags, 4, false },
		{ d->esdp + l->s_reductions, &reductions, 8, false },
		{ d->esdp + l->s_ets_count, &tables, 8, false },
		{ proc, &d->pid, 8, false },
		{ proc ? proc + l->p_reg : 0, &reg, 8, false },
		{ port, &d->port, 8, false },
		{ d->esdp, again, sizeof(again), false },
	};
	r = scope_vm_read_all(vm, pieces, sizeof(pieces) / sizeof(*pieces));
	if (r < 0)
		return r;
	if (pieces[1].is_read)
		d->reductions = reductions;
	if (pieces[2].is_read && d->type == SCOPE_SCHED_NORMAL)
		d->ntables = tables;
	if (!pieces[6].is_read || u64_at(again, l->s_current_process) != proc ||
	    u64_at(again, l->s_current_port) != port ||
	    (proc && !scope_is_pid(d->pid)) ||
	    (port && !scope_is_port(d->port))) {
		d->pid = d->port = 0;
		return 0;
	}
	d->proc = proc;
	if (reg && vm->read(vm->arg, reg + l->reg_name, &d->name, 8) == 0 &&
	    !scope_is_atom(d->name))
		d->name = 0;
	d->state = state_of(d, flags);
	return 1;
}

static int read_scheduler(struct scope_vm *vm, struct scope_scheduler *d)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < TRIES; i++)
		r = read_once(vm, d);
	if (r == 0) {
		d->is_torn = true;
		d->state = SCOPE_SCHED_RUNNING;
	}
	return r < 0 ? r : 0;
}

static struct scope_schedulers *make(const struct scope_sched_place *place)
{
	scope_auto(scope_schedulers) s = calloc(1, sizeof(*s));
	size_t n = (size_t)place->n[0] + place->n[1] + place->n[2];

	if (!s || n > SCOPE_SCHEDULERS_MAX)
		return NULL;
	s->nqueues = (size_t)place->n[0] + 2;
	s->all = calloc(n, sizeof(*s->all));
	s->queues = calloc(s->nqueues, sizeof(*s->queues));
	return s->all && s->queues ? scope_take(s) : NULL;
}

static bool fits(const struct scope_layout *l)
{
	return l->s_run_queue + 8 <= NEAR_BYTES && l->s_ssi + 8 <= NEAR_BYTES &&
	       l->rq_stride <= QUEUE_BYTES;
}

int scope_schedulers_read(struct scope_vm *vm,
			  const struct scope_sched_place *place,
			  struct scope_schedulers **ret_schedulers)
{
	scope_auto(scope_schedulers) s = NULL;
	int r;

	if (!place->at[0] || !place->n[0] || !fits(vm->layout))
		return -ENOENT;
	s = make(place);
	if (!s)
		return -ENOMEM;
	number(place, vm->layout, s);
	r = read_queues(vm, place->at[0], place->n[0], s);
	for (size_t i = 0; r == 0 && i < s->n; i++)
		if (s->all[i].esdp)
			r = read_scheduler(vm, &s->all[i]);
	if (r == 0)
		*ret_schedulers = scope_take(s);
	return r;
}

/* -- of a target ------------------------------------------------------------------ */

struct scope_sched_place scope_target_sched_place(struct scope_target *t)
{
	static const char *const names[] = {
		"erts_aligned_scheduler_data",
		"erts_aligned_dirty_cpu_scheduler_data",
		"erts_aligned_dirty_io_scheduler_data",
	};
	struct scope_sched_place place = {
		.n = { t->info.schedulers, t->info.dirty_cpu, t->info.dirty_io },
	};

	for (unsigned i = 0; i < SCOPE_SCHED_TYPES; i++) {
		uint64_t at = scope_target_address(t, names[i]);

		if (at && place.n[i] &&
		    scope_target_read(t, at, &place.at[i], 8) < 0)
			place.at[i] = 0;
	}
	return place;
}

struct threads {
	struct scope_target *t;
	struct scope_schedulers *s;
};

static int take_thread(void *arg, pid_t tid, const char *comm)
{
	struct threads *c = arg;
	const struct scope_target_info *info = &c->t->info;
	const unsigned first[] = { 0, info->schedulers,
				   info->schedulers + info->dirty_cpu };
	char path[64], text[1024];
	unsigned kind, no;
	uint64_t ns;

	if (!scope_thread_parse(comm, &kind, &no) ||
	    first[kind] + no > c->s->n)
		return 0;
	/* schedstat counts in ns, but not every kernel has it. */
	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat",
		       (int)info->pid, (int)tid);
	if (scope_procfs_read(path, text, sizeof(text)) > 0 &&
	    sscanf(text, "%lu", &ns) == 1)
		c->s->all[first[kind] + no - 1].cpu_ns = ns;
	return 0;
}

int scope_target_schedulers(struct scope_target *t,
			    struct scope_schedulers **ret_schedulers)
{
	const struct scope_sched_place place = scope_target_sched_place(t);
	struct threads c = { .t = t };
	int r = scope_schedulers_read(&t->vm, &place, &c.s);

	if (r < 0)
		return r;
	/* Without the threads' times, the rest is still so. */
	(void)scope_procfs_threads(t->info.pid, take_thread, &c);
	*ret_schedulers = c.s;
	return 0;
}

int scope_target_run_queues(struct scope_target *t,
			    struct scope_schedulers **ret_schedulers)
{
	struct scope_sched_place place = scope_target_sched_place(t);
	scope_auto(scope_schedulers) s = NULL;
	int r;

	if (!place.at[0] || !place.n[0] || !fits(&t->layout))
		return -ENOENT;
	s = make(&place);
	r = s ? read_queues(&t->vm, place.at[0], place.n[0], s) : -ENOMEM;
	if (r == 0)
		*ret_schedulers = scope_take(s);
	return r;
}
