/* SPDX-License-Identifier: MIT */
/*
 * fake_node: what a node has beside processes, in memory made here, laid out
 * as a given release has it: schedulers and their run queues, ports, ETS
 * tables, allocators.
 */
#ifndef SCOPE_TESTS_FAKE_NODE_H
#define SCOPE_TESTS_FAKE_NODE_H

#include <errno.h>
#include <string.h>

#include "beam/layout.h"
#include "target/ets.h"
#include "target/memory.h"
#include "target/ports.h"
#include "target/schedulers.h"

#define NODE_BASE 0x7f0000010000ull
#define NODE_BYTES (1u << 20)
#define NODE_NORMAL 2u
#define NODE_DIRTY_CPU 1u
#define NODE_DIRTY_IO 3u
#ifndef NODE_SLOTS
#define NODE_SLOTS 1024u /* of the table of ports */
#endif

struct fake_node {
	struct scope_vm vm;
	struct scope_layout layout;
	size_t used;
	struct scope_sched_place place;
	uint64_t queues, ports, info, specs;
	/* Changes made while it is read: after each read of this word. */
	uint64_t watch;
	void (*on_watch)(struct fake_node *n);
	unsigned watched;
	uint8_t mem[NODE_BYTES];
};

static inline bool node_has(uint64_t addr, size_t len)
{
	return addr >= NODE_BASE && len <= NODE_BYTES &&
	       addr - NODE_BASE <= NODE_BYTES - len;
}

static inline int node_read(void *arg, uint64_t addr, void *buf, size_t len)
{
	struct fake_node *n = arg;

	if (!node_has(addr, len))
		return -EFAULT;
	memcpy(buf, n->mem + (addr - NODE_BASE), len);
	if (n->on_watch && addr <= n->watch && n->watch < addr + len) {
		n->watched++;
		n->on_watch(n);
	}
	return 0;
}

static inline uint64_t node_take(struct fake_node *n, size_t bytes)
{
	uint64_t at = NODE_BASE + n->used;

	n->used += (bytes + 63) / 64 * 64;
	return at;
}

static inline void node_put(struct fake_node *n, uint64_t addr, uint64_t v,
			    size_t len)
{
	memcpy(n->mem + (addr - NODE_BASE), &v, len);
}

static inline void node_u64(struct fake_node *n, uint64_t addr, uint64_t v)
{
	node_put(n, addr, v, 8);
}

static inline void node_u32(struct fake_node *n, uint64_t addr, uint32_t v)
{
	node_put(n, addr, v, 4);
}

static inline uint64_t node_get(const struct fake_node *n, uint64_t addr)
{
	uint64_t v;

	memcpy(&v, n->mem + (addr - NODE_BASE), 8);
	return v;
}

static inline uint64_t node_text(struct fake_node *n, const char *s)
{
	uint64_t at = node_take(n, strlen(s) + 1);

	memcpy(n->mem + (at - NODE_BASE), s, strlen(s) + 1);
	return at;
}

static inline uint64_t node_atom(unsigned ix)
{
	return (uint64_t)ix << 6 | 0x0b;
}

static inline uint64_t node_pid(unsigned no)
{
	return (uint64_t)no << 4 | 0x3;
}

static inline uint64_t node_esdp(const struct fake_node *n,
				 enum scope_sched_type type, unsigned i)
{
	return n->place.at[type] + (uint64_t)i * n->layout.s_stride;
}

static inline void node_schedulers(struct fake_node *n,
				   enum scope_sched_type type, unsigned count)
{
	const struct scope_layout *l = &n->layout;

	n->place.n[type] = count;
	n->place.at[type] = node_take(n, (size_t)count * l->s_stride);
	for (unsigned i = 0; i < count; i++) {
		uint64_t esdp = node_esdp(n, type, i);
		uint64_t ssi = node_take(n, 64);

		node_u32(n, esdp + l->s_type, type);
		node_u64(n, esdp + (type ? l->s_dirty_no : l->s_no), i + 1);
		node_u64(n, esdp + l->s_ssi, ssi);
		node_u64(n, esdp + l->s_run_queue,
			 n->queues + (uint64_t)(type ? NODE_NORMAL + type - 1 :
						       i) *
					     l->rq_stride);
	}
}

/* Its sleep flags. */
static inline void node_sleeps(struct fake_node *n, enum scope_sched_type type,
			       unsigned i, uint32_t flags)
{
	uint64_t ssi, at = node_esdp(n, type, i) + n->layout.s_ssi;

	ssi = node_get(n, at);
	node_u32(n, ssi + n->layout.ssi_flags, flags);
}

static inline void node_runs(struct fake_node *n, enum scope_sched_type type,
			     unsigned i, uint64_t pid, uint64_t name)
{
	const struct scope_layout *l = &n->layout;
	uint64_t proc = node_take(n, l->p_size), reg = node_take(n, 64);

	node_u64(n, proc, pid);
	node_u64(n, proc + l->p_reg, name ? reg : 0);
	node_u64(n, reg + l->reg_name, name);
	node_u64(n, node_esdp(n, type, i) + l->s_current_process, proc);
}

static inline uint64_t node_queue(const struct fake_node *n, unsigned i)
{
	return n->queues + (uint64_t)i * n->layout.rq_stride;
}

/* A table at the end of a scheduler's ring. The array of its counters, where
 * they are spread, has slots for all schedulers, and one more. */
static inline uint64_t node_table(struct fake_node *n, unsigned sched,
				  unsigned name, uint32_t status,
				  uint64_t objects, uint64_t bytes)
{
	const struct scope_layout *l = &n->layout;
	uint64_t at = node_take(n, l->ets_bytes), id = node_take(n, 128);
	uint64_t esdp = node_esdp(n, SCOPE_SCHED_NORMAL, sched), first, last;
	uint64_t count;

	first = node_get(n, esdp + l->s_ets);
	count = node_get(n, esdp + l->s_ets_count);
	node_u64(n, esdp + l->s_ets_count, count + 1);
	if (first) {
		last = node_get(n, first + l->ets_prev);
	} else {
		node_u64(n, esdp + l->s_ets, at);
		first = last = at;
	}
	node_u64(n, at + l->ets_next, first);
	node_u64(n, at + l->ets_prev, last);
	node_u64(n, last + l->ets_next, at);
	node_u64(n, first + l->ets_prev, at);
	node_u32(n, at + l->ets_status, status);
	node_u32(n, at + l->ets_type, status);
	node_u64(n, at + l->ets_owner, node_pid(name));
	node_u64(n, at + l->ets_name, node_atom(name));
	node_u32(n, at + l->ets_keypos, 1);
	node_u64(n, at + l->ets_counters + l->fx_counters, objects);
	node_u64(n, at + l->ets_counters + l->fx_counters + 8, bytes);
	node_u64(n, at + l->ets_id, id);
	node_u32(n, id + l->magic_refn, name);
	node_u32(n, id + l->magic_refn + 4, 2);
	node_u32(n, id + l->magic_refn + 8, 3);
	node_u64(n, id + l->magic_word, at);
	return at;
}

/* Counters of `slots` slots with these in each, in a block that is `more`
 * larger than it must be. */
static inline void node_spread(struct fake_node *n, uint64_t table,
			       unsigned slots, uint64_t objects,
			       uint64_t bytes, unsigned more)
{
	const struct scope_layout *l = &n->layout;
	size_t size = l->fx_slots + (size_t)slots * l->fx_slot_bytes +
		      l->fx_room;
	uint64_t block = node_take(n, size + 64 + more) + 8;
	uint64_t array = (block + l->fx_slots + l->fx_room) /
				 l->fx_slot_bytes * l->fx_slot_bytes -
			 l->fx_slots;

	/* A block of a carrier: its size, some offset to it, and flags. */
	node_u64(n, block - 8, (size + 8 + more + 7) / 8 * 8 | 5ull << 40 | 1);
	node_u64(n, array + l->fx_block, block);
	for (unsigned i = 0; i < slots; i++) {
		uint64_t at = array + l->fx_slots + i * (uint64_t)l->fx_slot_bytes;

		node_u64(n, at, objects);
		node_u64(n, at + 8, bytes);
	}
	node_u32(n, table + l->ets_counters + l->fx_spread, 1);
	node_u64(n, table + l->ets_counters + l->fx_counters, array);
}

/* -- ports ---------------------------------------------------------------- */

/* The id of the port in a slot. */
static inline uint64_t node_port_id(const struct fake_node *n, unsigned slot)
{
	return n->layout.pixdata ? (uint64_t)slot << 4 | 0x7 :
				   (uint64_t)slot << 32 | (slot << 4) | 0x7;
}

static inline void node_port_table(struct fake_node *n)
{
	const struct scope_layout *l = &n->layout;
	uint64_t tab = node_take(n, 8 * NODE_SLOTS);
	uint64_t ro;

	n->ports = node_take(n, 512);
	ro = n->ports + l->pt_ro;
	node_u64(n, ro + l->t_tab, tab);
	node_u32(n, ro + l->t_max, NODE_SLOTS);
	node_put(n, ro + l->t_pix_mask, NODE_SLOTS - 1, l->pixdata ? 8 : 4);
	node_u64(n, ro + l->t_invalid, NODE_BASE + 1);
}

static inline uint64_t node_port(struct fake_node *n, unsigned slot,
				 const char *name, const char *driver)
{
	const struct scope_layout *l = &n->layout;
	uint64_t at = node_take(n, l->port_bytes), drv = node_take(n, 256);
	uint64_t tab;

	tab = node_get(n, n->ports + l->pt_ro + l->t_tab);
	node_u64(n, tab + 8ull * slot, at);
	node_u64(n, at, node_port_id(n, slot));
	node_u64(n, at + l->port_name, node_text(n, name));
	node_u64(n, at + l->port_driver, drv);
	node_u64(n, drv + l->drv_name, node_text(n, driver));
	node_u64(n, at + l->port_connected, node_pid(7));
	node_u64(n, at + l->port_in, 11);
	node_u64(n, at + l->port_out, 12);
	node_u64(n, at + l->port_queue, 13);
	node_u64(n, at + l->port_os_pid, UINT64_MAX);
	return at;
}

static inline uint64_t node_link(struct fake_node *n, uint64_t to, uint64_t left,
				 uint64_t right)
{
	const struct scope_layout *l = &n->layout;
	uint64_t at = node_take(n, 128);

	node_u64(n, at + l->ml_other, to);
	node_u64(n, at + l->ml_left, left);
	node_u64(n, at + l->ml_right, right);
	return at;
}

/* -- allocators ------------------------------------------------------------------ */

static inline uint64_t node_instance(struct fake_node *n, unsigned type,
				     const char *prefix, bool has_pools)
{
	const struct scope_layout *l = &n->layout;
	uint64_t at = node_take(n, l->al_bytes);

	node_u32(n, at + l->al_no, type);
	node_u64(n, at + l->al_prefix, node_text(n, prefix));
	node_u64(n, at + l->al_pools, has_pools);
	return at;
}

/* Blocks of a type in its carriers of many blocks, and one carrier of each
 * kind. */
static inline void node_blocks(struct fake_node *n, uint64_t at, unsigned type,
			       uint64_t number, uint64_t bytes)
{
	const struct scope_layout *l = &n->layout;
	uint64_t cs = at + l->al_mbcs;
	uint64_t b = cs + l->cs_blocks + (type - 1) * (uint64_t)l->cs_block_bytes;

	for (unsigned i = 0; i < l->cs_kinds; i++) {
		node_u64(n, cs + i * l->cs_value_bytes + l->cs_number, 1);
		node_u64(n, cs + i * l->cs_value_bytes + l->cs_size, 1000);
	}
	node_u64(n, b + l->cs_number, number);
	node_u64(n, b + l->cs_size, bytes);
}

static inline void node_allocators(struct fake_node *n)
{
	n->info = node_take(n, 13 * n->layout.ai_bytes);
	n->specs = node_take(n, 13 * n->layout.ts_bytes);
}

/* Instances of a type, by thread when there is more than one. */
static inline void node_allocator(struct fake_node *n, unsigned type,
				  const uint64_t *instances, unsigned count)
{
	const struct scope_layout *l = &n->layout;
	uint64_t info = n->info + type * l->ai_bytes;
	uint64_t spec = n->specs + type * l->ts_bytes;
	uint64_t list = node_take(n, 8 * count);

	node_u32(n, info + l->ai_is_util, 1);
	node_u32(n, info + l->ai_enabled, 1);
	if (count == 1) {
		node_u64(n, info + l->ai_extra, instances[0]);
		return;
	}
	node_u32(n, info + l->ai_by_thread, 1);
	node_u32(n, spec + l->ts_size, count);
	node_u64(n, spec + l->ts_instances, list);
	for (unsigned i = 0; i < count; i++)
		node_u64(n, list + 8ull * i, instances[i]);
}

/* Schedulers that sleep, empty queues, an empty table of ports. */
static inline void node_init(struct fake_node *n, unsigned otp)
{
	memset(n, 0, sizeof(*n));
	n->layout = *scope_layout_of(otp);
	n->vm = (struct scope_vm){
		.layout = &n->layout,
		.read = node_read,
		.arg = n,
	};
	n->used = 64;
	n->queues = node_take(n, (NODE_NORMAL + 2) * n->layout.rq_stride);
	for (unsigned i = 0; i < NODE_NORMAL + 2; i++)
		node_u32(n, node_queue(n, i) + n->layout.rq_ix,
			 i < NODE_NORMAL ? i : UINT32_MAX);
	node_schedulers(n, SCOPE_SCHED_NORMAL, NODE_NORMAL);
	node_schedulers(n, SCOPE_SCHED_DIRTY_CPU, NODE_DIRTY_CPU);
	node_schedulers(n, SCOPE_SCHED_DIRTY_IO, NODE_DIRTY_IO);
	node_port_table(n);
	node_allocators(n);
}

#endif
