/* SPDX-License-Identifier: MIT */
#include "target/ets.h"

#include <stdlib.h>
#include <string.h>

#include "target/target_int.h"

/* Rings are walked this often before they are called torn. */
#define TRIES 4
/* Read at once, of what hangs off tables. */
#define BATCH 128u
#define TABLE_BYTES 512u
/* ERTS_MAX_FLXCTR_GROUPS, and the slot of threads that are no schedulers. */
#define SLOTS_MAX 257u
#define SLOT_BYTES 128u

/* DB_* of erl_db_util.h; those from the 13th bit on since OTP 25. */
#define DB_PRIVATE (1u << 0)
#define DB_PROTECTED (1u << 1)
#define DB_PUBLIC (1u << 2)
#define DB_SET (1u << 4)
#define DB_BAG (1u << 5)
#define DB_DUPLICATE_BAG (1u << 6)
#define DB_ORDERED_SET (1u << 7)
#define DB_CA_ORDERED_SET (1u << 8)
#define DB_FINE_LOCKED (1u << 9)
#define DB_FREQ_READ (1u << 10)
#define DB_NAMED_TABLE (1u << 11)
#define DB_FINE_LOCKED_AUTO (1u << 14)

/* Of a block's header: its size, without flags and the offset in the carrier
 * (erl_alloc_util.h, MBC_ABLK_SZ_MASK on 64-bit machines). */
#define BLOCK_SIZE(w) ((w)&0x800000fffffffff8ull)

const char *scope_ets_type(const struct scope_ets *e)
{
	return e->status & DB_SET	    ? "set" :
	       e->status & DB_DUPLICATE_BAG ? "duplicate_bag" :
	       e->status & (DB_ORDERED_SET | DB_CA_ORDERED_SET) ?
					      "ordered_set" :
	       e->status & DB_BAG ? "bag" :
				    NULL;
}

const char *scope_ets_protection(const struct scope_ets *e)
{
	return e->status & DB_PRIVATE	? "private" :
	       e->status & DB_PROTECTED ? "protected" :
	       e->status & DB_PUBLIC	? "public" :
					  NULL;
}

const char *scope_ets_write_concurrency(const struct scope_ets *e)
{
	if (!(e->status & DB_FINE_LOCKED))
		return "false";
	return e->status & DB_FINE_LOCKED_AUTO ? "auto" : "true";
}

bool scope_ets_reads_concurrently(const struct scope_ets *e)
{
	return e->status & DB_FREQ_READ;
}

void scope_ets_tables_free(struct scope_ets_tables *t)
{
	if (!t)
		return;
	free(t->all);
	free(t);
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

/* -- the rings ---------------------------------------------------------------- */

/* What is known of a table beside what it is given out as. */
struct more {
	uint64_t id; /* its magic binary */
	uint64_t counters[2]; /* number, bytes; or the array, and nothing */
};

struct ring {
	uint64_t first, at, last; /* addresses; 0: nothing */
	uint64_t found, count;	  /* tables; as the scheduler counts them */
	bool is_broken;
	uint8_t bytes[TABLE_BYTES];
};

struct walk {
	struct scope_vm *vm;
	struct scope_ets_tables *t; /* owned until it is given out */
	struct more *more;	    /* owned */
	size_t cap;
	struct ring *rings;	    /* owned */
	struct scope_piece *pieces; /* owned: two for each ring */
	size_t n;
};

static void walk_done(struct walk *w)
{
	scope_ets_tables_free(w->t);
	free(w->more);
	free(w->rings);
	free(w->pieces);
}

static int grow(struct walk *w)
{
	size_t cap = w->cap ? w->cap * 2 : 256;
	struct scope_ets *all;
	struct more *more;

	if (w->t->n < w->cap)
		return 0;
	all = realloc(w->t->all, cap * sizeof(*all));
	if (!all)
		return -ENOMEM;
	w->t->all = all;
	more = realloc(w->more, cap * sizeof(*more));
	if (!more)
		return -ENOMEM;
	w->more = more;
	w->cap = cap;
	return 0;
}

static bool is_table(const struct scope_layout *l, const struct ring *r)
{
	struct scope_ets e = { .status = u32_at(r->bytes, l->ets_status) };

	/* The first of a ring is reached from elsewhere. */
	return (!r->last || u64_at(r->bytes, l->ets_prev) == r->last) &&
	       scope_is_pid(u64_at(r->bytes, l->ets_owner)) &&
	       scope_is_atom(u64_at(r->bytes, l->ets_name)) &&
	       scope_ets_type(&e) && scope_ets_protection(&e);
}

static int take_table(struct walk *w, const struct ring *r)
{
	const struct scope_layout *l = w->vm->layout;
	const uint8_t *p = r->bytes;
	struct more *m;
	int err = grow(w);

	if (err < 0)
		return err;
	m = &w->more[w->t->n];
	m->id = u64_at(p, l->ets_id);
	m->counters[0] = u64_at(p, l->ets_counters + l->fx_counters);
	m->counters[1] = u64_at(p, l->ets_counters + l->fx_counters + 8);
	w->t->all[w->t->n++] = (struct scope_ets){
		.addr = r->at,
		.name = u64_at(p, l->ets_name),
		.owner = u64_at(p, l->ets_owner),
		.status = u32_at(p, l->ets_status),
		.keypos = u32_at(p, l->ets_keypos),
		.is_named = u32_at(p, l->ets_type) & DB_NAMED_TABLE,
		/* An int up to OTP 27, a bool from 29 on: 0 or 1. */
		.is_compressed = p[l->ets_compress] != 0,
		.is_spread = p[l->ets_counters + l->fx_spread] != 0,
		.objects = SCOPE_GAUGE_UNKNOWN,
		.words = SCOPE_GAUGE_UNKNOWN,
	};
	return 0;
}

/* One step of a ring that its table was read of. */
static int step(struct walk *w, struct ring *r)
{
	uint64_t next = u64_at(r->bytes, w->vm->layout->ets_next);
	int err;

	if (!is_table(w->vm->layout, r) || r->found == SCOPE_ETS_MAX) {
		r->is_broken = true;
		r->at = 0;
		return 0;
	}
	err = take_table(w, r);
	r->found++;
	r->last = r->at;
	r->at = next == r->first ? 0 : next;
	return err;
}

/* Where the rings begin, and how many tables are said to be in each. */
static int read_heads(struct walk *w, const struct scope_sched_place *place,
		      uint64_t *ret_counts, uint64_t *ret_heads)
{
	const struct scope_layout *l = w->vm->layout;

	for (size_t i = 0; i < w->n; i++) {
		uint64_t esdp = place->at[0] + i * (uint64_t)l->s_stride;

		w->pieces[2 * i] = (struct scope_piece){
			esdp + l->s_ets_count, &ret_counts[i], 8, false
		};
		w->pieces[2 * i + 1] = (struct scope_piece){
			esdp + l->s_ets, &ret_heads[i], 8, false
		};
	}
	return scope_vm_read_all(w->vm, w->pieces, 2 * w->n);
}

/* The next table of each ring. How many there were; 0: all are through. */
static int read_tables(struct walk *w)
{
	size_t n = 0;
	int r;

	for (size_t i = 0; i < w->n; i++) {
		struct ring *ring = &w->rings[i];

		w->pieces[i] = (struct scope_piece){
			ring->at, ring->bytes, w->vm->layout->ets_bytes, false
		};
		n += ring->at != 0;
	}
	r = n ? scope_vm_read_all(w->vm, w->pieces, w->n) : 0;
	for (size_t i = 0; r == 0 && i < w->n; i++) {
		struct ring *ring = &w->rings[i];

		if (!ring->at)
			continue;
		if (w->t->n >= SCOPE_ETS_MAX) {
			w->t->is_cut = true;
			return 0;
		}
		if (w->pieces[i].is_read) {
			r = step(w, ring);
		} else {
			ring->is_broken = true;
			ring->at = 0;
		}
	}
	return r < 0 ? r : n > 0;
}

/* 1: the rings were as they were; 0: not so; -errno. */
static int walk_once(struct walk *w, const struct scope_sched_place *place,
		     uint64_t *counts, uint64_t *heads)
{
	bool is_whole = true;
	int r = read_heads(w, place, counts, heads);

	w->t->n = 0;
	w->t->is_cut = false;
	for (size_t i = 0; i < w->n; i++) {
		memset(&w->rings[i], 0, sizeof(w->rings[i]));
		w->rings[i].first = w->rings[i].at =
			w->pieces[2 * i + 1].is_read ? heads[i] : 0;
		w->rings[i].count = counts[i];
	}
	while (r >= 0 && (r = read_tables(w)) > 0)
		;
	if (r == 0)
		r = read_heads(w, place, counts, heads);
	for (size_t i = 0; r == 0 && i < w->n; i++) {
		const struct ring *ring = &w->rings[i];

		is_whole &= !ring->is_broken && ring->first == heads[i] &&
			    ring->count == counts[i] &&
			    (w->t->is_cut || ring->found == ring->count);
	}
	return r < 0 ? r : is_whole;
}

static int walk_rings(struct walk *w, const struct scope_sched_place *place)
{
	scope_autofree uint64_t *words = calloc(2 * w->n, sizeof(*words));
	int r = 0;

	if (!words)
		return -ENOMEM;
	for (unsigned i = 0; r == 0 && i < TRIES; i++)
		r = walk_once(w, place, words, words + w->n);
	w->t->is_torn = r == 0;
	return r < 0 ? r : 0;
}

/* -- what hangs off the tables ---------------------------------------------------- */

/* Identifiers; tables that are being deleted are dropped. */
static int read_ids(struct walk *w)
{
	const struct scope_layout *l = w->vm->layout;
	struct scope_piece pieces[2 * BATCH];
	uint64_t words[BATCH];
	size_t kept = 0;

	for (size_t at = 0; at < w->t->n; at += BATCH) {
		size_t n = w->t->n - at < BATCH ? w->t->n - at : BATCH;
		int r;

		for (size_t i = 0; i < n; i++) {
			uint64_t id = w->more[at + i].id;

			pieces[2 * i] = (struct scope_piece){
				id ? id + l->magic_refn : 0,
				w->t->all[at + i].ref, 12, false
			};
			pieces[2 * i + 1] = (struct scope_piece){
				id ? id + l->magic_word : 0, &words[i], 8, false
			};
		}
		r = scope_vm_read_all(w->vm, pieces, 2 * n);
		if (r < 0)
			return r;
		for (size_t i = 0; i < n; i++) {
			if (!pieces[2 * i].is_read ||
			    !pieces[2 * i + 1].is_read ||
			    words[i] != w->t->all[at + i].addr)
				continue;
			w->t->all[kept] = w->t->all[at + i];
			w->more[kept++] = w->more[at + i];
		}
	}
	w->t->n = kept;
	return 0;
}

/* The slots that an array of them has; 0: can't be told. */
static size_t slots_of(struct walk *w, uint64_t array)
{
	const struct scope_layout *l = w->vm->layout;
	uint64_t block, header, size;

	if (w->vm->read(w->vm->arg, array + l->fx_block, &block, 8) < 0 ||
	    block > array || array - block > l->fx_room ||
	    w->vm->read(w->vm->arg, block - 8, &header, 8) < 0)
		return 0;
	/* Header, what is before the slots, slots, room to align them; and less
	 * than a slot that was too small to be a block of its own. */
	size = BLOCK_SIZE(header);
	if (size < 8 + l->fx_slots + l->fx_room + l->fx_slot_bytes)
		return 0;
	size = (size - 8 - l->fx_slots - l->fx_room) / l->fx_slot_bytes;
	return size <= w->n + 1 && size <= SLOTS_MAX ? (size_t)size : 0;
}

/* The two counters of a table, from all their slots. */
static int read_slots(struct walk *w, uint64_t array, uint64_t sums[2])
{
	const struct scope_layout *l = w->vm->layout;
	uint8_t slots[SLOTS_MAX * SLOT_BYTES];
	size_t n = l->fx_slot_bytes <= SLOT_BYTES ? slots_of(w, array) : 0;
	int r;

	if (!n)
		return -EBADMSG;
	r = w->vm->read(w->vm->arg, array + l->fx_slots, slots,
			n * l->fx_slot_bytes);
	sums[0] = sums[1] = 0;
	for (size_t i = 0; r == 0 && i < n; i++) {
		sums[0] += u64_at(slots, (uint32_t)(i * l->fx_slot_bytes));
		sums[1] += u64_at(slots, (uint32_t)(i * l->fx_slot_bytes + 8));
	}
	return r;
}

static int read_counters(struct walk *w)
{
	for (size_t i = 0; i < w->t->n; i++) {
		struct scope_ets *e = &w->t->all[i];
		uint64_t c[2] = { w->more[i].counters[0],
				  w->more[i].counters[1] };
		int r = e->is_spread ? read_slots(w, c[0], c) : 0;

		if (r == -ESRCH)
			return r;
		/* Negative for a moment, while others are added up. */
		if (r == 0 && (int64_t)c[0] >= 0)
			e->objects = c[0];
		if (r == 0 && (int64_t)c[1] >= 0)
			e->words = (c[1] + 7) / 8;
	}
	return 0;
}

int scope_ets_read(struct scope_vm *vm, const struct scope_sched_place *place,
		   struct scope_ets_tables **ret_tables)
{
	__attribute__((cleanup(walk_done))) struct walk w = {
		.vm = vm,
		.n = place->n[SCOPE_SCHED_NORMAL],
	};
	int r;

	if (!place->at[0] || !w.n || vm->layout->ets_bytes > TABLE_BYTES)
		return -ENOENT;
	w.t = calloc(1, sizeof(*w.t));
	w.rings = calloc(w.n, sizeof(*w.rings));
	w.pieces = calloc(2 * w.n, sizeof(*w.pieces));
	if (!w.t || !w.rings || !w.pieces)
		return -ENOMEM;
	r = walk_rings(&w, place);
	if (r == 0)
		r = read_ids(&w);
	if (r == 0)
		r = read_counters(&w);
	if (r == 0)
		*ret_tables = scope_take(w.t);
	return r;
}

int scope_target_ets(struct scope_target *t,
		     struct scope_ets_tables **ret_tables)
{
	const struct scope_sched_place place = scope_target_sched_place(t);

	return scope_ets_read(&t->vm, &place, ret_tables);
}

uint64_t scope_target_ets_count(struct scope_target *t)
{
	const struct scope_sched_place place = scope_target_sched_place(t);
	const struct scope_layout *l = &t->layout;
	uint64_t sum = 0, n;

	for (unsigned i = 0; i < place.n[0]; i++) {
		if (!place.at[0] ||
		    scope_target_read(t,
				      place.at[0] + i * (uint64_t)l->s_stride +
					      l->s_ets_count,
				      &n, 8) < 0)
			return SCOPE_GAUGE_UNKNOWN;
		sum += n;
	}
	return sum;
}
