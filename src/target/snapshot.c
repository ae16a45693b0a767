/* SPDX-License-Identifier: MIT */
#include "target/snapshot.h"

#include <errno.h>
#include <stdlib.h>

#include "base/time.h"
#include "target/snap_int.h"
#include "target/target_int.h"

static const char *const keys[SCOPE_SNAP_KEYS] = {
	[SCOPE_SNAP_KEY_INITIAL] = "$initial_call",
	[SCOPE_SNAP_KEY_LABEL] = "$process_label",
	[SCOPE_SNAP_KEY_ANCESTORS] = "$ancestors",
	[SCOPE_SNAP_KEY_CALLERS] = "$callers",
};

static const uint32_t wanted_by[SCOPE_SNAP_KEYS] = {
	[SCOPE_SNAP_KEY_INITIAL] = SCOPE_SNAP_INITIAL,
	[SCOPE_SNAP_KEY_LABEL] = SCOPE_SNAP_LABEL,
	[SCOPE_SNAP_KEY_ANCESTORS] = SCOPE_SNAP_ANCESTORS,
	[SCOPE_SNAP_KEY_CALLERS] = SCOPE_SNAP_ANCESTORS,
};

void scope_snapshot_free(struct scope_snapshot *s)
{
	if (!s)
		return;
	free(s->procs);
	free(s->peers);
	free(s->words);
	free(s->segs);
	scope_map_free(s->by_pid);
	free(s);
}

void scope_snap_batch_free(struct scope_snap_batch *b)
{
	if (!b)
		return;
	free(b->bytes);
	free(b->again);
	free(b->items);
	free(b->found);
	free(b->bins);
	free(b->mfa);
	scope_map_free(b->mfas);
	scope_map_free(b->numbers);
	free(b);
}

struct scope_snap_batch *scope_snap_batch_new(struct scope_vm *vm)
{
	struct scope_snap_batch *b = calloc(1, sizeof(*b));
	const size_t bytes = (size_t)SCOPE_SNAP_BATCH * vm->layout->p_size;

	if (!b)
		return NULL;
	b->vm = vm;
	b->l = vm->layout;
	b->bytes = malloc(bytes);
	b->again = malloc(bytes);
	b->mfas = scope_map_new(1u << 20);
	b->numbers = scope_map_new(8192);
	if (!b->bytes || !b->again || !b->mfas || !b->numbers) {
		scope_snap_batch_free(b);
		return NULL;
	}
	return b;
}

static int add(void *arg, uint64_t addr, const uint8_t *proc)
{
	struct scope_snap_batch *b = arg;
	struct scope_snapshot *s = b->s;
	const uint32_t size = b->l->p_size;

	if (!proc) {
		s->totals.vanished++;
		return 0;
	}
	if (scope_snap_status_of(scope_snap_u32(proc, b->l->p_state)) ==
	    SCOPE_SNAP_FREE)
		return 0;
	if (s->n + b->n >= SCOPE_SNAP_PROCS)
		return -ENOMEM;
	b->addr[b->n] = addr;
	memcpy(b->bytes + b->n * size, proc, size);
	return ++b->n == SCOPE_SNAP_BATCH ? scope_snap_batch_run(b) : 0;
}

/* Those asked for: their slots first, then they themselves. */
static int add_some(struct scope_snap_batch *b, const struct scope_table *t,
		    const uint64_t *pids, size_t n)
{
	uint8_t *proc = b->again; /* free until a batch is run */

	for (size_t i = 0; i < n; i++) {
		uint32_t slot = scope_table_slot(t, pids[i]);
		uint64_t addr;
		int r = b->vm->read(b->vm->arg, t->tab + 8ull * slot, &addr, 8);

		if (r < 0)
			return r;
		if (!addr || addr == t->invalid)
			continue;
		r = b->vm->read(b->vm->arg, addr, proc, b->l->p_size);
		if (r == -ESRCH)
			return r;
		if (r == 0 && scope_snap_u64(proc, 0) == pids[i])
			r = add(b, addr, proc);
		if (r < 0 && r != -EFAULT)
			return r;
	}
	return 0;
}

int scope_snapshot_read(struct scope_snap_batch *b, struct scope_table *t,
			const struct scope_snapshot_opts *opts,
			struct scope_snapshot *s)
{
	int r;

	b->s = s;
	b->wants = opts->wants;
	b->max_messages = opts->messages ? opts->messages : SCOPE_SNAP_MESSAGES;
	s->totals.slots = t->max;
	s->totals.from_ns = scope_now_ns();
	r = opts->pids ? add_some(b, t, opts->pids, opts->npids) :
			 scope_table_raw(t, add, b);
	if (r == 0 && b->n)
		r = scope_snap_batch_run(b);
	s->totals.to_ns = scope_now_ns();
	s->by_pid = scope_map_new(s->n + 1);
	if (r == 0 && !s->by_pid)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < s->n; i++)
		r = scope_map_put(s->by_pid, s->procs[i].pid, i);
	return r;
}

int scope_snapshot_take(struct scope_target *t,
			const struct scope_snapshot_opts *opts,
			struct scope_snapshot **ret_snapshot,
			struct scope_err *err)
{
	scope_auto(scope_snapshot) s = calloc(1, sizeof(*s));
	struct scope_snap_batch *b = scope_snap_batch_new(&t->vm);
	uint32_t creation;
	int r = s && b ? 0 : -ENOMEM;

	if (r == 0) {
		b->schedulers = t->info.schedulers;
		b->dirty_cpu = t->info.dirty_cpu;
		b->node = scope_target_node(t, &creation);
		for (unsigned k = 0; k < SCOPE_SNAP_KEYS; k++)
			if (opts->wants & wanted_by[k])
				b->keys[k] = scope_target_atom(t, keys[k]);
		r = scope_snapshot_read(b, &t->table, opts, s);
	}
	scope_snap_batch_free(b);
	if (r == -ESRCH)
		return scope_fail(err, r, "the node has ended");
	if (r < 0)
		return scope_fail(err, r, "can't read the processes: %s",
				  strerror(-r));
	*ret_snapshot = scope_take(s);
	return 0;
}

size_t scope_snapshot_count(const struct scope_snapshot *s)
{
	return s->n;
}

const struct scope_snap_proc *scope_snapshot_at(const struct scope_snapshot *s,
						size_t i)
{
	return &s->procs[i];
}

const struct scope_snap_proc *
scope_snapshot_find(const struct scope_snapshot *s, uint64_t pid)
{
	uint64_t at;

	return pid && scope_map_get(s->by_pid, pid, &at) ? &s->procs[at] : NULL;
}

const struct scope_snap_peer *
scope_snapshot_peer(const struct scope_snapshot *s,
		    const struct scope_snap_range *r, size_t i)
{
	return &s->peers[r->at + i];
}

struct scope_image scope_snapshot_image(const struct scope_snapshot *s,
					const struct scope_snap_term *t)
{
	return (struct scope_image){
		.words = t->nwords ? s->words + t->words_at : NULL,
		.segs = t->nsegs ? s->segs + t->segs_at : NULL,
		.nwords = t->nwords,
		.nsegs = t->nsegs,
	};
}

void scope_snapshot_totals(const struct scope_snapshot *s,
			   struct scope_snapshot_totals *ret)
{
	*ret = s->totals;
}
