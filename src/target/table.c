/* SPDX-License-Identifier: MIT */
#include "target/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "target/table_int.h"

/* Slots read at once: 512 kB. */
#define CHUNK 65536u

/* Bits of Process.state, the same in OTP 23 to 29 (erl_process.h,
 * ERTS_PSFLG_*). */
#define STATE_FREE (1u << 10)
#define STATE_EXITING (1u << 11)
#define STATE_RUNNING (1u << 15)
#define STATE_DIRTY_RUNNING (1u << 29)

/* A changed entry is read this often before it is left out. */
#define TRIES 3

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

/* The masks are u32 before OTP 26, u64 from it on. */
static uint64_t mask_at(const struct scope_layout *l, const uint8_t *ro,
			uint32_t off)
{
	return l->pixdata ? u64_at(ro, off) : u32_at(ro, off);
}

int scope_table_load(struct scope_table *t, struct scope_pixdata *ret_pix)
{
	const struct scope_layout *l = t->vm->layout;
	uint8_t ro[256];
	uint64_t max, pix_mask;
	int r = t->vm->read(t->vm->arg, t->addr + l->pt_ro, ro, sizeof(ro));

	if (r < 0)
		return r;
	t->tab = u64_at(ro, l->t_tab);
	t->invalid = u64_at(ro, l->t_invalid);
	max = u32_at(ro, l->t_max);
	pix_mask = mask_at(l, ro, l->t_pix_mask);
	if (t->tab == 0 || max == 0)
		return -EAGAIN;
	if (max > SCOPE_TABLE_MAX || (max & (max - 1)) != 0 ||
	    (t->tab & 7) != 0 || pix_mask != max - 1)
		return -EBADMSG;
	t->max = (uint32_t)max;
	t->pix_mask = (uint32_t)pix_mask;
	*ret_pix = (struct scope_pixdata){
		.pix_mask = pix_mask,
		.cl_mask = mask_at(l, ro, l->t_pix_cl_mask),
		.cli_mask = mask_at(l, ro, l->t_pix_cli_mask),
		.cl_shift = u32_at(ro, l->t_pix_cl_shift) & 63,
		.cli_shift = u32_at(ro, l->t_pix_cli_shift) & 63,
	};
	return 0;
}

/* Where in the table a pid's process is: with pixdata, the low bits of the
 * data (erl_ptab.h, erts_ptab_data2pix); before it, the high half of the word
 * (OTP 25's _GET_PID_PIX). */
uint32_t scope_table_slot(const struct scope_table *t, uint64_t pid)
{
	if (t->vm->layout->pixdata)
		return (uint32_t)(pid >> 4) & t->pix_mask;
	return (uint32_t)(pid >> 32) & t->pix_mask;
}

static void chunk_free(struct scope_chunk *b)
{
	if (b)
		free(b->bytes);
	free(b);
}

static void chunk_freep(struct scope_chunk **b)
{
	chunk_free(*b);
}
#define auto_chunk __attribute__((cleanup(chunk_freep))) struct scope_chunk *

static struct scope_chunk *chunk_new(struct scope_table *t)
{
	auto_chunk b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->t = t;
	b->p_size = t->vm->layout->p_size;
	b->bytes = malloc((size_t)SCOPE_BATCH * b->p_size);
	return b->bytes ? scope_take(b) : NULL;
}

/* Is this what slot i holds, whole? */
static bool is_process(const struct scope_chunk *b, size_t i)
{
	uint64_t pid = u64_at(b->bytes + i * b->p_size, 0);

	return b->pieces[i].is_read && scope_is_pid(pid) &&
	       scope_table_slot(b->t, pid) == b->slot[i];
}

/* A process that ended after its slot was read leaves memory that is free or
 * another's: look at the slot anew. */
static int read_again(struct scope_chunk *b, size_t i)
{
	struct scope_piece *p = &b->pieces[i];

	for (int k = 0; k < TRIES && !is_process(b, i); k++) {
		struct scope_piece slot = {
			.addr = b->t->tab + 8ull * b->slot[i],
			.buf = &p->addr,
			.len = 8,
		};
		int r = scope_vm_read_all(b->t->vm, &slot, 1);

		if (r < 0)
			return r;
		p->is_read = false;
		if (!slot.is_read || p->addr == 0 || p->addr == b->t->invalid)
			return 0;
		r = scope_vm_read_all(b->t->vm, p, 1);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_structs(struct scope_chunk *b)
{
	int r;

	for (size_t i = 0; i < b->n; i++) {
		b->pieces[i].buf = b->bytes + i * b->p_size;
		b->pieces[i].len = b->p_size;
	}
	r = scope_vm_read_all(b->t->vm, b->pieces, b->n);
	for (size_t i = 0; r == 0 && i < b->n; i++) {
		r = read_again(b, i);
		b->keep[i] = is_process(b, i);
	}
	b->read_ns = scope_now_ns();
	return r;
}

static struct scope_mfa mfa_at(const uint8_t *p, uint32_t off)
{
	struct scope_mfa m = {
		.module = u64_at(p, off),
		.function = u64_at(p, off + 8),
		.arity = u64_at(p, off + 16),
	};

	/* Never more than MAX_ARG, 255; else it is not an MFA. */
	if (!scope_is_atom(m.module) || !scope_is_atom(m.function) ||
	    m.arity > 255)
		m = (struct scope_mfa){ 0 };
	return m;
}

static void fill(struct scope_chunk *b, size_t i)
{
	const struct scope_layout *l = b->t->vm->layout;
	const uint8_t *p = b->bytes + i * b->p_size;
	struct scope_proc *o = &b->out[i];
	uint64_t parent = u64_at(p, l->p_parent);

	*o = (struct scope_proc){
		.pid = u64_at(p, 0),
		.addr = b->pieces[i].addr,
		.parent = scope_is_pid(parent) ? parent : 0,
		.state = u32_at(p, l->p_state),
		.spawned = mfa_at(p, l->p_initial),
		.queue_empty = !u64_at(p, l->p_sig_qs + l->sq_first) &&
			       !u64_at(p, l->p_sig_qs + l->sq_cont) &&
			       !u64_at(p, l->p_sig_inq + l->si_first),
		.read_ns = b->read_ns,
	};
	o->initial = o->spawned;
	/* Of one that runs, they say where it was. */
	if (!(o->state & (STATE_RUNNING | STATE_DIRTY_RUNNING))) {
		o->i = u64_at(p, l->p_i);
		o->current = u64_at(p, l->p_current);
	}
	if (o->state & (STATE_FREE | STATE_EXITING))
		b->keep[i] = false;
	b->reg[i] = u64_at(p, l->p_reg);
	b->dict[i] = u64_at(p, l->p_dictionary);
	o->has_dictionary = b->dict[i] != 0;
}

int scope_chunk_words(struct scope_chunk *b, const uint64_t *at, uint32_t off,
		      size_t n)
{
	for (size_t i = 0; i < b->n; i++)
		b->pieces[i] = (struct scope_piece){
			.addr = b->keep[i] && at[i] ? at[i] + off : 0,
			.buf = b->words[i],
			.len = 8 * n,
		};
	return scope_vm_read_all(b->t->vm, b->pieces, b->n);
}

static int read_names(struct scope_chunk *b)
{
	int r = scope_chunk_words(b, b->reg, b->t->vm->layout->reg_name, 1);

	for (size_t i = 0; r == 0 && i < b->n; i++)
		if (b->pieces[i].is_read && scope_is_atom(b->words[i][0]))
			b->out[i].name = b->words[i][0];
	return r;
}

/* Read the processes of a batch and what hangs off them. */
static int finish(struct scope_chunk *b)
{
	int r = read_structs(b);

	if (r < 0)
		return r;
	for (size_t i = 0; i < b->n; i++)
		if (b->keep[i])
			fill(b, i);
	r = read_names(b);
	return r < 0 ? r : scope_chunk_initial(b);
}

struct walk {
	int (*fn)(void *arg, const struct scope_proc *p);
	int (*raw)(void *arg, uint64_t addr, const uint8_t *proc);
	void *arg;
};

static int deliver(struct scope_chunk *b, const struct walk *w)
{
	int r = w->raw ? read_structs(b) : finish(b);

	for (size_t i = 0; r == 0 && i < b->n; i++) {
		if (w->raw && b->pieces[i].addr &&
		    b->pieces[i].addr != b->t->invalid)
			r = w->raw(w->arg, b->pieces[i].addr,
				   b->keep[i] ? b->bytes + i * b->p_size :
						NULL);
		else if (!w->raw && b->keep[i])
			r = w->fn(w->arg, &b->out[i]);
	}
	b->n = 0;
	return r;
}

static int add(struct scope_chunk *b, uint32_t slot, uint64_t addr,
	       const struct walk *w)
{
	b->slot[b->n] = slot;
	b->pieces[b->n].addr = addr;
	b->n++;
	return b->n == SCOPE_BATCH ? deliver(b, w) : 0;
}

static int walk(struct scope_table *t, const struct walk *w)
{
	scope_autofree uint64_t *slots = malloc(CHUNK * sizeof(*slots));
	auto_chunk b = chunk_new(t);
	int r = 0;

	if (!slots || !b)
		return -ENOMEM;
	for (uint32_t at = 0; r == 0 && at < t->max; at += CHUNK) {
		uint32_t n = t->max - at < CHUNK ? t->max - at : CHUNK;

		r = t->vm->read(t->vm->arg, t->tab + 8ull * at, slots,
				n * sizeof(*slots));
		for (uint32_t i = 0; r == 0 && i < n; i++)
			if (slots[i] && slots[i] != t->invalid)
				r = add(b, at + i, slots[i], w);
	}
	if (r == 0 && b->n)
		r = deliver(b, w);
	return r;
}

int scope_table_walk(struct scope_table *t,
		     int (*fn)(void *arg, const struct scope_proc *p),
		     void *arg)
{
	return walk(t, &(struct walk){ .fn = fn, .arg = arg });
}

int scope_table_raw(struct scope_table *t,
		    int (*fn)(void *arg, uint64_t addr, const uint8_t *proc),
		    void *arg)
{
	return walk(t, &(struct walk){ .raw = fn, .arg = arg });
}

int scope_table_get(struct scope_table *t, uint64_t pid,
		    struct scope_proc *ret_proc)
{
	auto_chunk b = chunk_new(t);
	int r;

	if (!b)
		return -ENOMEM;
	b->slot[0] = scope_table_slot(t, pid);
	r = t->vm->read(t->vm->arg, t->tab + 8ull * b->slot[0],
			&b->pieces[0].addr, 8);
	if (r < 0)
		return r;
	if (b->pieces[0].addr == 0 || b->pieces[0].addr == t->invalid)
		return -ESRCH;
	b->n = 1;
	r = finish(b);
	if (r < 0)
		return r;
	if (!b->keep[0] || b->out[0].pid != pid)
		return -ESRCH;
	*ret_proc = b->out[0];
	return 0;
}
