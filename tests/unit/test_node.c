/* SPDX-License-Identifier: MIT */
/* Schedulers, ports, ETS tables and allocators, read from memory made here, as
 * each release lays it out; whole, torn and damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fake_node.h"
#include "fault.h"

/* DB_* of erl_db_util.h */
#define SET (1u << 4)
#define BAG (1u << 5)
#define ORDERED (1u << 7)
#define PUBLIC (1u << 2)
#define PROTECTED (1u << 1)
#define NAMED (1u << 11)

#define EHEAP 6
#define ETS 7
#define FIXED 8
#define BINARY 10

static struct fake_node n;
static const struct scope_layout *const l = &n.layout;

/* The same for each release. */
static void each(void (*test)(void))
{
	for (const unsigned *otp = scope_layout_releases(); *otp; otp++) {
		node_init(&n, *otp);
		test();
	}
}

#define TEST(name)                                                             \
	static void name##_in_one(void);                                       \
	static void name(void **state)                                         \
	{                                                                      \
		(void)state;                                                   \
		each(name##_in_one);                                           \
	}                                                                      \
	static void name##_in_one(void)

/* -- schedulers --------------------------------------------------------------- */

static struct scope_schedulers *schedulers(void)
{
	struct scope_schedulers *s;

	assert_int_equal(scope_schedulers_read(&n.vm, &n.place, &s), 0);
	assert_int_equal(s->n, NODE_NORMAL + NODE_DIRTY_CPU + NODE_DIRTY_IO);
	assert_int_equal(s->nqueues, NODE_NORMAL + 2);
	return s;
}

TEST(schedulers_run_what_they_run)
{
	scope_auto(scope_schedulers) s = NULL;

	node_runs(&n, SCOPE_SCHED_NORMAL, 1, node_pid(77), node_atom(5));
	node_runs(&n, SCOPE_SCHED_DIRTY_IO, 2, node_pid(78), 0);
	node_sleeps(&n, SCOPE_SCHED_NORMAL, 0, 0xb);
	node_sleeps(&n, SCOPE_SCHED_DIRTY_CPU, 0, 0x18);
	node_sleeps(&n, SCOPE_SCHED_DIRTY_IO, 0, 0x8);
	node_u64(&n, node_esdp(&n, SCOPE_SCHED_NORMAL, 1) + l->s_reductions,
		 4000);
	s = schedulers();
	assert_int_equal(s->all[0].state, SCOPE_SCHED_ASLEEP);
	assert_int_equal(s->all[0].no, 1);
	assert_int_equal(s->all[1].state, SCOPE_SCHED_RUNNING);
	assert_int_equal(s->all[1].pid, node_pid(77));
	assert_int_equal(s->all[1].name, node_atom(5));
	assert_int_equal(s->all[1].reductions, 4000);
	assert_int_equal(s->all[2].state, SCOPE_SCHED_SUSPENDED);
	assert_int_equal(s->all[2].type, SCOPE_SCHED_DIRTY_CPU);
	assert_int_equal(s->all[2].queue, NODE_NORMAL);
	assert_int_equal(s->all[3].state, SCOPE_SCHED_WAITING);
	assert_int_equal(s->all[4].state, SCOPE_SCHED_AWAKE);
	assert_int_equal(s->all[5].pid, node_pid(78));
	assert_int_equal(s->all[5].type_no, 3);
	assert_int_equal(s->all[5].queue, NODE_NORMAL + 1);
	assert_int_equal(s->unread, 0);
}

TEST(queues_are_as_long_as_they_are)
{
	scope_auto(scope_schedulers) s = NULL;
	uint64_t q = node_queue(&n, 1);

	node_u32(&n, q + l->rq_len, 15);
	for (unsigned i = 0; i < SCOPE_PRIORITIES; i++)
		node_u32(&n, q + l->rq_prio + i * l->rq_prio_bytes, i + 1);
	node_u32(&n, q + l->rq_ports, 5);
	node_u32(&n, node_queue(&n, NODE_NORMAL) + l->rq_len, 9);
	s = schedulers();
	assert_int_equal(s->queues[0].len, 0);
	assert_int_equal(s->queues[1].len, 15);
	assert_int_equal(s->queues[1].priority[3], 4);
	assert_int_equal(s->queues[1].ports, 5);
	assert_int_equal(s->queues[2].type, SCOPE_SCHED_DIRTY_CPU);
	assert_int_equal(s->queues[2].len, 9);
	assert_int_equal(s->queues[3].type, SCOPE_SCHED_DIRTY_IO);
}

static void runs_another(struct fake_node *node)
{
	if (node->watched <= 9)
		node_runs(node, SCOPE_SCHED_NORMAL, 0,
			  node_pid(100 + node->watched), 0);
}

/* It runs others while it is looked at: what is said is one of them, whole. */
TEST(a_busy_scheduler_is_read_again)
{
	scope_auto(scope_schedulers) s = NULL;

	node_runs(&n, SCOPE_SCHED_NORMAL, 0, node_pid(99), 0);
	n.watch = node_esdp(&n, SCOPE_SCHED_NORMAL, 0) + l->s_current_process;
	n.watched = 7;
	n.on_watch = runs_another;
	s = schedulers();
	assert_false(s->all[0].is_torn);
	assert_int_equal(s->all[0].pid, node_pid(109));
}

TEST(one_that_never_rests_is_torn)
{
	scope_auto(scope_schedulers) s = NULL;

	node_runs(&n, SCOPE_SCHED_NORMAL, 0, node_pid(99), 0);
	n.watch = node_esdp(&n, SCOPE_SCHED_NORMAL, 0) + l->s_current_process;
	n.on_watch = runs_another;
	s = schedulers();
	assert_true(s->all[0].is_torn);
	assert_int_equal(s->all[0].state, SCOPE_SCHED_RUNNING);
	assert_int_equal(s->all[0].pid, 0);
}

TEST(dirty_ones_may_not_be_found)
{
	scope_auto(scope_schedulers) s = NULL;

	n.place.at[SCOPE_SCHED_DIRTY_CPU] = n.place.at[SCOPE_SCHED_DIRTY_IO] =
		0;
	s = schedulers();
	assert_int_equal(s->unread, NODE_DIRTY_CPU + NODE_DIRTY_IO);
	assert_int_equal(s->all[3].state, SCOPE_SCHED_UNREADABLE);
	assert_int_equal(s->all[0].state, SCOPE_SCHED_AWAKE);
}

TEST(what_are_no_schedulers_are_refused)
{
	struct scope_schedulers *s;
	struct scope_sched_place none = n.place;

	node_u64(&n, node_esdp(&n, SCOPE_SCHED_NORMAL, 1) + l->s_no, 5);
	assert_int_equal(scope_schedulers_read(&n.vm, &n.place, &s), -EBADMSG);
	node_u32(&n, node_queue(&n, 1) + l->rq_ix, 3);
	assert_int_equal(scope_schedulers_read(&n.vm, &n.place, &s), -EBADMSG);
	none.at[0] = 0;
	assert_int_equal(scope_schedulers_read(&n.vm, &none, &s), -ENOENT);
	none.at[0] = 64;
	assert_int_equal(scope_schedulers_read(&n.vm, &none, &s), -EFAULT);
}

/* -- ETS tables ------------------------------------------------------------------ */

static struct scope_ets_tables *tables(void)
{
	struct scope_ets_tables *t;

	assert_int_equal(scope_ets_read(&n.vm, &n.place, &t), 0);
	return t;
}

static const struct scope_ets *named(const struct scope_ets_tables *t,
				     unsigned name)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->all[i].name == node_atom(name))
			return &t->all[i];
	return NULL;
}

TEST(tables_of_all_schedulers_are_found)
{
	scope_auto(scope_ets_tables) t = NULL;
	const struct scope_ets *e;
	uint64_t compressed;

	(void)node_table(&n, 0, 1, SET | PUBLIC | NAMED, 10, 81);
	(void)node_table(&n, 0, 2, BAG | PROTECTED, 0, 80);
	compressed = node_table(&n, 1, 3, ORDERED | PUBLIC | 1 << 9, 5, 800);
	node_put(&n, compressed + l->ets_compress, 1, 1);
	t = tables();
	assert_int_equal(t->n, 3);
	assert_false(t->is_torn);
	e = named(t, 1);
	assert_int_equal(e->objects, 10);
	assert_int_equal(e->words, 11);
	assert_int_equal(e->owner, node_pid(1));
	assert_int_equal(e->ref[0], 1);
	assert_int_equal(e->ref[2], 3);
	assert_int_equal(e->keypos, 1);
	assert_true(e->is_named);
	assert_string_equal(scope_ets_type(e), "set");
	assert_string_equal(scope_ets_protection(e), "public");
	assert_string_equal(scope_ets_write_concurrency(e), "false");
	e = named(t, 2);
	assert_string_equal(scope_ets_type(e), "bag");
	assert_string_equal(scope_ets_protection(e), "protected");
	assert_false(e->is_named || e->is_compressed || e->is_spread);
	e = named(t, 3);
	assert_string_equal(scope_ets_type(e), "ordered_set");
	assert_string_equal(scope_ets_write_concurrency(e), "true");
	assert_true(e->is_compressed);
	assert_false(scope_ets_reads_concurrently(e));
}

TEST(spread_counters_are_added_up)
{
	scope_auto(scope_ets_tables) t = NULL;
	uint64_t at[2];

	at[0] = node_table(&n, 0, 1, SET | PUBLIC, 0, 0);
	node_spread(&n, at[0], NODE_NORMAL + 1, 7, 72, 0);
	/* Of fewer groups than schedulers; the block is larger than asked. */
	at[1] = node_table(&n, 0, 2, SET | PUBLIC, 0, 0);
	node_spread(&n, at[1], NODE_NORMAL, 7, 72, 48);
	t = tables();
	assert_int_equal(t->n, 2);
	assert_true(named(t, 1)->is_spread);
	assert_int_equal(named(t, 1)->objects, 21);
	assert_int_equal(named(t, 1)->words, 27);
	assert_int_equal(named(t, 2)->objects, 14);
}

/* How many slots there are can't be told: nothing is guessed. */
TEST(spread_counters_that_make_no_sense_are_not_said)
{
	scope_auto(scope_ets_tables) t = NULL;
	uint64_t at = node_table(&n, 0, 1, SET | PUBLIC, 0, 0);

	node_spread(&n, at, NODE_NORMAL + 2, 7, 72, 0);
	t = tables();
	assert_int_equal(t->n, 1);
	assert_int_equal(t->all[0].objects, SCOPE_GAUGE_UNKNOWN);
	assert_int_equal(t->all[0].words, SCOPE_GAUGE_UNKNOWN);
}

TEST(tables_that_are_being_deleted_are_left_out)
{
	scope_auto(scope_ets_tables) t = NULL;
	uint64_t at = node_table(&n, 0, 1, SET | PUBLIC, 1, 8), id;

	(void)node_table(&n, 0, 2, SET | PUBLIC, 1, 8);
	id = node_get(&n, at + l->ets_id);
	node_u64(&n, id + l->magic_word, 0);
	t = tables();
	assert_int_equal(t->n, 1);
	assert_int_equal(t->all[0].name, node_atom(2));
	assert_false(t->is_torn);
}

static void makes_a_table(struct fake_node *node)
{
	if (node->watched < 3)
		(void)node_table(node, 0, 50 + node->watched, SET | PUBLIC, 1,
				 8);
}

TEST(a_ring_that_grows_is_walked_again)
{
	scope_auto(scope_ets_tables) t = NULL;
	uint64_t at = node_table(&n, 0, 1, SET | PUBLIC, 1, 8);

	n.watch = at;
	n.on_watch = makes_a_table;
	t = tables();
	assert_false(t->is_torn);
	assert_int_equal(t->n, 3);
}

static void never_rests(struct fake_node *node)
{
	node_u64(node, node_esdp(node, SCOPE_SCHED_NORMAL, 0) +
			       node->layout.s_ets_count,
		 node->watched);
}

TEST(a_ring_that_never_rests_is_torn)
{
	scope_auto(scope_ets_tables) t = NULL;

	n.watch = node_table(&n, 0, 1, SET | PUBLIC, 1, 8);
	n.watched = 10;
	n.on_watch = never_rests;
	t = tables();
	assert_true(t->is_torn);
	assert_int_equal(t->n, 1);
}

/* What is no table ends the ring: it is said that some may be missing. */
TEST(a_broken_ring_is_torn)
{
	scope_auto(scope_ets_tables) t = NULL;
	uint64_t at;

	(void)node_table(&n, 0, 1, SET | PUBLIC, 1, 8);
	at = node_table(&n, 0, 2, SET | PUBLIC, 1, 8);
	(void)node_table(&n, 1, 3, SET | PUBLIC, 1, 8);
	node_u64(&n, at + l->ets_owner, 0);
	t = tables();
	assert_true(t->is_torn);
	assert_int_equal(t->n, 2);
	assert_null(named(t, 2));
}

/* A ring that leads into itself elsewhere than at its beginning. */
TEST(a_ring_in_the_ring_ends)
{
	scope_auto(scope_ets_tables) t = NULL;
	uint64_t at[3];

	for (unsigned i = 0; i < 3; i++)
		at[i] = node_table(&n, 0, 1 + i, SET | PUBLIC, 1, 8);
	node_u64(&n, at[2] + l->ets_next, at[1]);
	t = tables();
	assert_true(t->is_torn);
	assert_int_equal(t->n, 3);
}

/* -- ports ------------------------------------------------------------------------- */

static struct scope_ports *ports(void)
{
	struct scope_ports *p;

	assert_int_equal(scope_ports_read(&n.vm, n.ports, &p), 0);
	return p;
}

TEST(ports_are_as_they_are)
{
	scope_auto(scope_ports) p = NULL;
	uint64_t at = node_port(&n, 5, "tcp_inet", "tcp_inet"), links, reg;

	links = node_link(&n, node_pid(3), node_link(&n, node_pid(2), 0, 0),
			  node_link(&n, node_port_id(&n, 9), 0, 0));
	reg = node_take(&n, 64);
	node_u64(&n, reg + l->reg_name, node_atom(9));
	node_u64(&n, at + l->p_reg, reg);
	node_u64(&n, at + l->p_links, links);
	at = node_port(&n, 900, "cat -n", "spawn");
	node_u64(&n, at + l->port_os_pid, 4711);
	p = ports();
	assert_int_equal(p->n, 2);
	assert_int_equal(p->all[0].id, node_port_id(&n, 5));
	assert_string_equal(p->all[0].driver, "tcp_inet");
	assert_int_equal(p->all[0].connected, node_pid(7));
	assert_int_equal(p->all[0].bytes_in, 11);
	assert_int_equal(p->all[0].bytes_out, 12);
	assert_int_equal(p->all[0].queued, 13);
	assert_int_equal(p->all[0].os_pid, -1);
	assert_int_equal(p->all[0].name, node_atom(9));
	assert_int_equal(p->all[0].nlinks, 3);
	assert_int_equal(p->all[0].links[0], node_pid(3));
	assert_int_equal(p->all[1].os_pid, 4711);
	assert_string_equal(p->all[1].command, "cat -n");
	assert_string_equal(p->all[1].driver, "spawn");
	assert_int_equal(p->all[1].nlinks, 0);
}

/* Its slot leads to another port by now, or to none. */
TEST(ports_that_are_gone_are_left_out)
{
	scope_auto(scope_ports) p = NULL;
	uint64_t at = node_port(&n, 5, "a", "spawn");

	(void)node_port(&n, 6, "b", "spawn");
	node_u64(&n, at, node_port_id(&n, 700));
	p = ports();
	assert_int_equal(p->n, 1);
	assert_string_equal(p->all[0].command, "b");
}

/* Links that go round, and a name that is nowhere. */
TEST(damaged_ports_are_read_as_far_as_they_go)
{
	scope_auto(scope_ports) p = NULL;
	uint64_t at = node_port(&n, 5, "a", "spawn");
	uint64_t link = node_link(&n, node_pid(3), 0, 0);

	node_u64(&n, link + l->ml_left, link);
	node_u64(&n, link + l->ml_right, link);
	node_u64(&n, at + l->p_links, link);
	node_u64(&n, at + l->port_name, 64);
	p = ports();
	assert_int_equal(p->n, 1);
	assert_string_equal(p->all[0].command, "");
	assert_true(p->all[0].nlinks < 1 << 18);
}

TEST(what_is_no_table_of_ports_is_refused)
{
	struct scope_ports *p;

	node_u32(&n, n.ports + l->pt_ro + l->t_max, 1000);
	assert_int_equal(scope_ports_read(&n.vm, n.ports, &p), -EBADMSG);
	assert_int_equal(scope_ports_read(&n.vm, 0, &p), -ENOENT);
	assert_int_equal(scope_ports_read(&n.vm, 64, &p), -EFAULT);
}

/* -- memory --------------------------------------------------------------------------- */

static struct scope_memory_place memory_place(void)
{
	struct scope_memory_place at = {
		.info = n.info,
		.by_thread = n.specs,
		.procs = n.ports, /* a table like another */
		.ets_misc = node_take(&n, 8),
		.code = node_take(&n, 8),
		.is_jit = true,
	};

	node_u64(&n, at.ets_misc, 500);
	node_u64(&n, at.code, 7000);
	return at;
}

/* Two of the heaps', one with a pool; binaries in a carrier of theirs. */
static void make_allocators(void)
{
	uint64_t heap[2] = { node_instance(&n, EHEAP, "eheap_", false),
			     node_instance(&n, EHEAP, "eheap_", true) };
	uint64_t ets = node_instance(&n, ETS, "ets_", false);
	uint64_t fix = node_instance(&n, FIXED, "fix_", true);
	uint64_t bin = node_instance(&n, BINARY, "binary_", false);
	uint64_t lists = node_take(&n, (size_t)l->fl_count * l->fl_bytes);
	uint64_t pool = heap[1] + l->al_pool;

	node_blocks(&n, heap[0], EHEAP, 3, 300);
	node_blocks(&n, heap[0], BINARY, 1, 50); /* a guest */
	node_blocks(&n, heap[1], EHEAP, 1, 100);
	node_u64(&n, pool + 8 * (EHEAP - 1), 1000);
	node_u64(&n, pool + 8 * (12 + EHEAP - 1), 10);
	node_u64(&n, pool + 8 * 24, 4096);
	node_u64(&n, pool + 8 * 25, 2);
	/* Somebody's count is below 0 for a moment. */
	node_u64(&n, pool + 8 * (ETS - 1), UINT64_MAX);
	node_blocks(&n, ets, ETS, 5, 640);
	node_blocks(&n, bin, BINARY, 2, 80);
	node_blocks(&n, fix, FIXED, 4, 400);
	node_u64(&n, fix + l->al_fix, lists);
	for (unsigned i = 0; i < l->fl_count; i++) {
		uint64_t at = lists + i * (uint64_t)l->fl_bytes;

		node_u64(&n, at + l->fl_size, 10);
		node_u64(&n, at + l->fl_allocated, 3);
		node_u64(&n, at + l->fl_used, 2);
	}
	node_allocator(&n, EHEAP, heap, 2);
	node_allocator(&n, ETS, &ets, 1);
	node_allocator(&n, FIXED, &fix, 1);
	node_allocator(&n, BINARY, &bin, 1);
}

TEST(memory_is_what_the_node_adds_up)
{
	struct scope_memory_place at = memory_place();
	unsigned fixed = (unsigned)__builtin_popcount(l->fl_processes);
	struct scope_memory m;

	make_allocators();
	assert_int_equal(scope_memory_read(&n.vm, &at, &m), 0);
	assert_int_equal(m.processes, 1400 + 8 * NODE_SLOTS + 30 * fixed);
	assert_int_equal(m.processes_used, 1400 + 8 * NODE_SLOTS + 20 * fixed);
	assert_int_equal(m.binary, 130);
	assert_int_equal(m.ets, 640 + 500);
	assert_int_equal(m.total, 1400 + 130 + 640 + 400 + 7000);
	assert_int_equal(m.system, m.total < m.processes ?
					   SCOPE_GAUGE_UNKNOWN :
					   m.total - m.processes);
	assert_int_equal(m.atom, SCOPE_GAUGE_UNKNOWN);
	assert_non_null(m.why);
	assert_string_equal(m.allocators[EHEAP - 1].name, "eheap_alloc");
	assert_int_equal(m.allocators[EHEAP - 1].instances, 2);
	assert_int_equal(m.allocators[EHEAP - 1].blocks, 3 + 1 + 1 + 10);
	assert_int_equal(m.allocators[EHEAP - 1].block_bytes,
			 300 + 50 + 100 + 1000);
	assert_int_equal(m.allocators[EHEAP - 1].carriers,
			 2 * l->cs_kinds + 2);
	assert_int_equal(m.allocators[EHEAP - 1].carrier_bytes,
			 2 * l->cs_kinds * 1000 + 4096);
	assert_int_equal(m.allocators[EHEAP - 1].pooled_bytes, 4096);
	assert_string_equal(m.allocators[0].name, "");
}

TEST(memory_that_cant_be_read_is_not_guessed)
{
	struct scope_memory_place at = memory_place();
	struct scope_memory m;

	make_allocators();
	at.code = at.ets_misc = 0;
	assert_int_equal(scope_memory_read(&n.vm, &at, &m), 0);
	assert_int_equal(m.total, SCOPE_GAUGE_UNKNOWN);
	assert_int_equal(m.system, SCOPE_GAUGE_UNKNOWN);
	assert_int_equal(m.ets, SCOPE_GAUGE_UNKNOWN);
	assert_int_equal(m.binary, 130);
	/* An interpreter's code is in its allocators. */
	at.is_jit = false;
	assert_int_equal(scope_memory_read(&n.vm, &at, &m), 0);
	assert_int_equal(m.total, 1400 + 130 + 640 + 400);
	at.info = 0;
	assert_int_equal(scope_memory_read(&n.vm, &at, &m), -ENOENT);
}

TEST(what_are_no_allocators_are_refused)
{
	struct scope_memory_place at = memory_place();
	struct scope_memory m;
	uint64_t heap;

	make_allocators();
	heap = node_get(&n, n.info + ETS * l->ai_bytes + l->ai_extra);
	node_u32(&n, heap + l->al_no, 3);
	assert_int_equal(scope_memory_read(&n.vm, &at, &m), -EBADMSG);
	node_u32(&n, n.specs + EHEAP * l->ts_bytes + l->ts_size, 1 << 20);
	assert_int_equal(scope_memory_read(&n.vm, &at, &m), -EBADMSG);
}

/* -- want of memory ------------------------------------------------------------------- */

static void want_of_memory_is_said(void **state)
{
	struct scope_memory_place at;
	struct scope_memory m;

	(void)state;
	node_init(&n, 27);
	at = memory_place();
	(void)node_table(&n, 0, 1, SET | PUBLIC, 1, 8);
	(void)node_port(&n, 5, "a", "spawn");
	make_allocators();
	for (long i = 0;; i++) {
		scope_auto(scope_schedulers) s = NULL;
		scope_auto(scope_ets_tables) t = NULL;
		scope_auto(scope_ports) p = NULL;
		int r;

		fault_in = i;
		r = scope_schedulers_read(&n.vm, &n.place, &s);
		if (r == 0)
			r = scope_ets_read(&n.vm, &n.place, &t);
		if (r == 0)
			r = scope_ports_read(&n.vm, n.ports, &p);
		if (r == 0)
			r = scope_memory_read(&n.vm, &at, &m);
		if (fault_in >= 0) {
			assert_int_equal(r, 0);
			break;
		}
		assert_int_equal(r, -ENOMEM);
	}
	fault_in = -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(schedulers_run_what_they_run),
		cmocka_unit_test(queues_are_as_long_as_they_are),
		cmocka_unit_test(a_busy_scheduler_is_read_again),
		cmocka_unit_test(one_that_never_rests_is_torn),
		cmocka_unit_test(dirty_ones_may_not_be_found),
		cmocka_unit_test(what_are_no_schedulers_are_refused),
		cmocka_unit_test(tables_of_all_schedulers_are_found),
		cmocka_unit_test(spread_counters_are_added_up),
		cmocka_unit_test(spread_counters_that_make_no_sense_are_not_said),
		cmocka_unit_test(tables_that_are_being_deleted_are_left_out),
		cmocka_unit_test(a_ring_that_grows_is_walked_again),
		cmocka_unit_test(a_ring_that_never_rests_is_torn),
		cmocka_unit_test(a_broken_ring_is_torn),
		cmocka_unit_test(a_ring_in_the_ring_ends),
		cmocka_unit_test(ports_are_as_they_are),
		cmocka_unit_test(ports_that_are_gone_are_left_out),
		cmocka_unit_test(damaged_ports_are_read_as_far_as_they_go),
		cmocka_unit_test(what_is_no_table_of_ports_is_refused),
		cmocka_unit_test(memory_is_what_the_node_adds_up),
		cmocka_unit_test(memory_that_cant_be_read_is_not_guessed),
		cmocka_unit_test(what_are_no_allocators_are_refused),
		cmocka_unit_test(want_of_memory_is_said),
	};

	return cmocka_run_group_tests_name("node", tests, NULL, NULL);
}
