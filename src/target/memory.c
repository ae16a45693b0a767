/* SPDX-License-Identifier: MIT */
#include "target/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "target/target_int.h"

/* Read at once. */
#define BATCH 16u
#define ALLCTR_BYTES 4096u
#define SPEC_BYTES 64u
#define FIX_BYTES 4096u
#define PREFIX 16u

/* ERTS_ALC_A_* of what erlang:memory/0 has a name for. */
#define EHEAP 6
#define ETS 7
#define FIXED_SIZE 8
#define BINARY 10

#define UNKNOWN SCOPE_GAUGE_UNKNOWN

struct sums {
	struct scope_vm *vm;
	struct scope_memory *out; /* borrowed */
	uint64_t of_type[SCOPE_ALLOCATORS]; /* bytes of blocks of this type, in
					       carriers of whatever allocator */
	uint64_t fix_allocated, fix_used;   /* for processes */
};

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

/* Counters of a pool that others count down may be below 0 for a moment. */
static uint64_t positive(uint64_t v)
{
	return (int64_t)v < 0 ? 0 : v;
}

static void add_carriers(struct sums *s, struct scope_allocator *a,
			 const uint8_t *cs)
{
	const struct scope_layout *l = s->vm->layout;

	for (uint32_t i = 0; i < l->cs_kinds; i++) {
		const uint8_t *v = cs + i * l->cs_value_bytes;

		a->carriers += u64_at(v, l->cs_number);
		a->carrier_bytes += u64_at(v, l->cs_size);
	}
	for (uint32_t i = 0; i < SCOPE_ALLOCATORS; i++) {
		const uint8_t *v = cs + l->cs_blocks + i * l->cs_block_bytes;

		a->blocks += u64_at(v, l->cs_number);
		a->block_bytes += u64_at(v, l->cs_size);
		s->of_type[i] += u64_at(v, l->cs_size);
	}
}

/* Sizes of blocks by type, their numbers, size and number of carriers. */
static void add_pool(struct sums *s, struct scope_allocator *a,
		     const uint8_t *pool)
{
	for (uint32_t i = 0; i < SCOPE_ALLOCATORS; i++) {
		uint64_t bytes = positive(u64_at(pool, 8 * i));

		a->block_bytes += bytes;
		s->of_type[i] += bytes;
		a->blocks += positive(
			u64_at(pool, 8 * (SCOPE_ALLOCATORS + i)));
	}
	a->pooled_bytes += positive(u64_at(pool, 16 * SCOPE_ALLOCATORS));
	a->carriers += positive(u64_at(pool, 16 * SCOPE_ALLOCATORS + 8));
}

static int add_fixed(struct sums *s, uint64_t lists, bool has_pools)
{
	const struct scope_layout *l = s->vm->layout;
	uint8_t p[FIX_BYTES];
	int r;

	if (!lists || l->fl_count * l->fl_bytes > sizeof(p))
		return 0;
	r = s->vm->read(s->vm->arg, lists, p, l->fl_count * l->fl_bytes);
	for (uint32_t i = 0; r == 0 && i < l->fl_count; i++) {
		const uint8_t *f = p + i * l->fl_bytes;
		uint64_t size = u64_at(f, l->fl_size);

		if (!(l->fl_processes & 1u << i))
			continue;
		s->fix_allocated += size * u64_at(f, has_pools ?
						  l->fl_allocated :
						  l->fl_own_allocated);
		s->fix_used += size * u64_at(f, has_pools ? l->fl_used :
							   l->fl_own_used);
	}
	return r;
}

static int take_name(struct sums *s, struct scope_allocator *a,
		     const uint8_t *p)
{
	char prefix[PREFIX] = "";
	int r = s->vm->read(s->vm->arg, u64_at(p, s->vm->layout->al_prefix),
			    prefix, sizeof(prefix) - 1);

	for (size_t i = 0; prefix[i]; i++)
		if ((prefix[i] < 'a' || prefix[i] > 'z') && prefix[i] != '_')
			return -EBADMSG;
	(void)snprintf(a->name, sizeof(a->name), "%.*salloc", (int)PREFIX,
		       prefix);
	return r;
}

static int add_instance(struct sums *s, unsigned type, const uint8_t *p)
{
	const struct scope_layout *l = s->vm->layout;
	struct scope_allocator *a = &s->out->allocators[type - 1];
	const bool has_pools = u64_at(p, l->al_pools) != 0;
	int r = 0;

	if (u32_at(p, l->al_no) != type)
		return -EBADMSG;
	if (!a->name[0])
		r = take_name(s, a, p);
	if (r < 0)
		return r;
	a->instances++;
	add_carriers(s, a, p + l->al_sbcs);
	add_carriers(s, a, p + l->al_mbcs);
	if (has_pools)
		add_pool(s, a, p + l->al_pool);
	return type == FIXED_SIZE ?
		       add_fixed(s, u64_at(p, l->al_fix), has_pools) :
		       0;
}

static int add_instances(struct sums *s, unsigned type, const uint64_t *at,
			 size_t n)
{
	const struct scope_layout *l = s->vm->layout;
	scope_autofree uint8_t *p = malloc((size_t)BATCH * l->al_bytes);
	struct scope_piece pieces[BATCH];
	int r = 0;

	if (!p)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < n; i += BATCH) {
		size_t k = n - i < BATCH ? n - i : BATCH;

		for (size_t j = 0; j < k; j++)
			pieces[j] = (struct scope_piece){
				at[i + j], p + j * l->al_bytes, l->al_bytes,
				false
			};
		r = scope_vm_read_all(s->vm, pieces, k);
		for (size_t j = 0; r == 0 && j < k; j++)
			if (at[i + j])
				r = pieces[j].is_read ?
					    add_instance(s, type,
							 p + j * l->al_bytes) :
					    -EFAULT;
	}
	return r;
}

/* Those of each thread, the first of which is for threads without one. */
static int read_by_thread(struct sums *s, unsigned type, uint64_t spec_at)
{
	const struct scope_layout *l = s->vm->layout;
	scope_autofree uint64_t *at = NULL;
	uint8_t spec[SPEC_BYTES];
	uint32_t n;
	int r = s->vm->read(s->vm->arg, spec_at, spec, l->ts_bytes);

	if (r < 0)
		return r;
	n = u32_at(spec, l->ts_size);
	if (n == 0 || n > SCOPE_INSTANCES_MAX)
		return -EBADMSG;
	at = malloc(n * sizeof(*at));
	if (!at)
		return -ENOMEM;
	r = s->vm->read(s->vm->arg, u64_at(spec, l->ts_instances), at,
			n * sizeof(*at));
	return r < 0 ? r : add_instances(s, type, at, n);
}

static int read_allocators(struct sums *s,
			   const struct scope_memory_place *place)
{
	const struct scope_layout *l = s->vm->layout;
	uint8_t info[SPEC_BYTES];
	int r = 0;

	for (unsigned type = 1; r == 0 && type <= SCOPE_ALLOCATORS; type++) {
		r = s->vm->read(s->vm->arg, place->info + type * l->ai_bytes,
				info, l->ai_bytes);
		if (r < 0 || !u32_at(info, l->ai_is_util) ||
		    !u32_at(info, l->ai_enabled))
			continue;
		if (u32_at(info, l->ai_by_thread)) {
			r = read_by_thread(s, type, place->by_thread +
							    type * l->ts_bytes);
		} else {
			uint64_t at = u64_at(info, l->ai_extra);

			r = add_instances(s, type, &at, 1);
		}
	}
	return r;
}

/* ErtsPTab.r.o: max slots of a word each and, unless ids are the number of
 * the slot (a legacy of ports), as many halves of one (erts_ptab_mem_size). */
static int read_table_bytes(struct sums *s, uint64_t table, uint64_t *ret)
{
	const struct scope_layout *l = s->vm->layout;
	uint8_t ro[128];
	int r = s->vm->read(s->vm->arg, table + l->pt_ro, ro, sizeof(ro));

	if (r == 0)
		*ret = (uint64_t)u32_at(ro, l->t_max) *
		       (u64_at(ro, l->t_free_ids) ? 12 : 8);
	return r;
}

static uint64_t word_at(struct sums *s, uint64_t addr)
{
	uint64_t v;

	return addr && s->vm->read(s->vm->arg, addr, &v, 8) == 0 ? v : UNKNOWN;
}

static void add_up(struct sums *s, const struct scope_memory_place *place,
		   uint64_t table_bytes)
{
	struct scope_memory *m = s->out;
	const uint64_t code = word_at(s, place->code);
	const uint64_t misc = word_at(s, place->ets_misc);
	uint64_t total = 0;

	for (unsigned i = 0; i < SCOPE_ALLOCATORS; i++)
		total += s->of_type[i];
	m->processes = s->of_type[EHEAP - 1] + table_bytes;
	m->processes_used = m->processes + s->fix_used;
	m->processes += s->fix_allocated;
	m->binary = s->of_type[BINARY - 1];
	m->ets = misc == UNKNOWN ? UNKNOWN : s->of_type[ETS - 1] + misc;
	if (place->is_jit)
		total = code == UNKNOWN ? UNKNOWN : total + code;
	m->total = total;
	m->system = total == UNKNOWN || total < m->processes ?
			    UNKNOWN :
			    total - m->processes;
	m->atom = m->atom_used = m->code = UNKNOWN;
	m->why = "atom and code: the node adds them up from static variables, "
		 "which a stripped emulator has no names for";
	if (m->total == UNKNOWN)
		m->why = "total, system, atom and code: the emulator hides "
			 "its symbols, and no table is known of this build";
}

static bool fits(const struct scope_layout *l)
{
	return l->ai_types == SCOPE_ALLOCATORS && l->cs_kinds &&
	       l->al_bytes <= ALLCTR_BYTES && l->ts_bytes <= SPEC_BYTES &&
	       l->ai_bytes <= SPEC_BYTES &&
	       l->al_mbcs + l->cs_bytes <= l->al_bytes &&
	       l->al_sbcs + l->cs_bytes <= l->al_bytes &&
	       l->al_pool + 16 * (SCOPE_ALLOCATORS + 1) <= l->al_bytes;
}

int scope_memory_read(struct scope_vm *vm,
		      const struct scope_memory_place *place,
		      struct scope_memory *ret_memory)
{
	struct scope_memory m = { .why = NULL };
	struct sums s = { .vm = vm, .out = &m };
	uint64_t table_bytes = 0;
	int r;

	if (!place->info || !place->by_thread || !place->procs ||
	    !fits(vm->layout))
		return -ENOENT;
	r = read_allocators(&s, place);
	if (r == 0)
		r = read_table_bytes(&s, place->procs, &table_bytes);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < SCOPE_ALLOCATORS; i++)
		m.allocators[i].carrier_bytes += m.allocators[i].pooled_bytes;
	add_up(&s, place, table_bytes);
	*ret_memory = m;
	return 0;
}

int scope_target_memory(struct scope_target *t, struct scope_memory *ret_memory)
{
	const struct scope_memory_place place = {
		.info = scope_target_address(t, "erts_allctrs_info"),
		.by_thread = scope_target_address(t, "erts_allctr_thr_spec"),
		.procs = t->table.addr,
		.ets_misc = scope_target_address(t, "erts_ets_misc_mem_size"),
		.code = scope_target_address(t, "erts_total_code_size"),
		.is_jit = t->info.jit,
	};

	return scope_memory_read(&t->vm, &place, ret_memory);
}
