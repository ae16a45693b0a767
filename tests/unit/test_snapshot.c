/* SPDX-License-Identifier: MIT */
/* Processes as a snapshot reads them: what hangs off them, in each release's
 * layout; what changes meanwhile; what makes no sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_procs.h"
#include "fault.h"
#include "target/snap_int.h"

#define KEY_LABEL FP_ATOM(40)
#define KEY_ANCESTORS FP_ATOM(41)
#define KEY_INITIAL FP_ATOM(42)
#define NODE FP_ATOM(30)

static struct fp f;
static struct scope_snapshot *s;

static int take_opts(const struct scope_snapshot_opts *opts)
{
	struct scope_snap_batch *b = scope_snap_batch_new(&f.vm);
	int r = -ENOMEM;

	scope_snapshot_free(s);
	s = calloc(1, sizeof(*s));
	if (b && s) {
		b->schedulers = 4;
		b->dirty_cpu = 2;
		b->node = NODE;
		b->keys[SCOPE_SNAP_KEY_INITIAL] = KEY_INITIAL;
		b->keys[SCOPE_SNAP_KEY_LABEL] = KEY_LABEL;
		b->keys[SCOPE_SNAP_KEY_ANCESTORS] = KEY_ANCESTORS;
		r = scope_snapshot_read(b, &f.table, opts, s);
	}
	scope_snap_batch_free(b);
	return r;
}

static const struct scope_snap_proc *take(uint32_t slot)
{
	const struct scope_snap_proc *p;

	assert_int_equal(take_opts(&(struct scope_snapshot_opts){
				 .wants = SCOPE_SNAP_ALL }),
			 0);
	p = scope_snapshot_find(s, fp_pid(&f, slot));
	assert_non_null(p);
	return p;
}

static void in_each_release(void (*test)(void))
{
	for (const unsigned *r = scope_layout_releases(); *r; r++) {
		assert_int_equal(fp_make(&f, *r), 0);
		test();
	}
}

/* ---- a process ------------------------------------------------------------------ */

static void plain(void)
{
	const struct scope_layout *l = f.l;
	uint64_t p = fp_process(&f, 5);
	const struct scope_snap_proc *q;

	fp_w64(&f, p + l->p_reg, FP_WORDS(&f, 0, 0, 0, 0, FP_ATOM(9)));
	fp_w64(&f, p + l->p_parent, fp_pid(&f, 1));
	fp_w64(&f, p + l->p_current,
	       FP_WORDS(&f, FP_ATOM(12), FP_ATOM(13), 2));
	fp_w64(&f, p + l->p_i, 0x1234);
	q = take(5);
	assert_int_equal(scope_snapshot_count(s), 1);
	assert_int_equal(q->addr, p);
	assert_int_equal(q->name, FP_ATOM(9));
	assert_int_equal(q->parent, fp_pid(&f, 1));
	assert_int_equal(q->group_leader.word, fp_pid(&f, 0));
	assert_int_equal(q->status, SCOPE_SNAP_WAITING);
	assert_int_equal(q->spawned.module, FP_ATOM(10));
	assert_int_equal(q->initial.arity, 3);
	assert_int_equal(q->current.function, FP_ATOM(13));
	assert_int_equal(q->i, 0x1234);
	assert_int_equal(q->reductions, 1005);
	assert_int_equal(q->heap_words, 233);
	assert_int_equal(q->total_heap_words, 233);
	assert_int_equal(q->stack_words, 20);
	assert_int_equal(q->memory, l->p_size + 8 * 233);
	assert_int_equal(q->mailbox, 0);
	assert_int_equal(q->lacks, 0);
	assert_false(q->torn);
}

static void a_process_is_read(void **state)
{
	(void)state;
	in_each_release(plain);
}

static void states(void **state)
{
	static const struct {
		uint32_t bits;
		const char *name;
	} cases[] = {
		{ 0, "waiting" },
		{ 1u << 10, "free" },
		{ 1u << 11 | 1u << 15, "exiting" },
		{ 1u << 17 | 1u << 16, "garbage_collecting" },
		{ 1u << 16 | 1u << 15, "suspended" },
		{ 1u << 15, "running" },
		{ 1u << 21, "running" },
		{ 1u << 29, "running" },
		{ 1u << 30, "running" },
		{ 1u << 13, "runnable" },
		{ 1u << 20, "runnable" },
		{ 1u << 28, "runnable" },
		{ 1u << 25 | 1u << 19 | 0x3f, "waiting" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_string_equal(scope_snap_status_name(scope_snap_status_of(
					    cases[i].bits)),
				    cases[i].name);
}

static void schedulers(void)
{
	const struct scope_layout *l = f.l;
	static const uint32_t want[] = { 3, 4 + 3, 4 + 2 + 3 };

	for (uint32_t type = 0; type < 3; type++) {
		uint64_t p = fp_process(&f, type + 1);
		uint64_t e = fp_alloc(&f, 512);

		fp_w32(&f, p + l->p_state, 1u << 15);
		fp_w64(&f, p + l->p_scheduler_data, e);
		fp_w32(&f, e + l->s_type, type);
		fp_w32(&f, e + l->s_no, type ? 0 : 3);
		fp_w32(&f, e + l->s_dirty_no, type ? 3 : 0);
	}
	(void)take(1);
	for (uint32_t type = 0; type < 3; type++)
		assert_int_equal(scope_snapshot_find(s, fp_pid(&f, type + 1))
					 ->scheduler,
				 want[type]);
}

static void schedulers_have_numbers(void **state)
{
	(void)state;
	in_each_release(schedulers);
}

/* ---- its dictionary ------------------------------------------------------------- */

static uint64_t tuple(uint64_t a, uint64_t b)
{
	return FP_WORDS(&f, 2 << 6, a, b) | 2;
}

static uint64_t cons(uint64_t a, uint64_t b)
{
	return FP_WORDS(&f, a, b) | 1;
}

/* 64 slots, so that not all are read with the head. */
static void dictionary(void)
{
	const struct scope_layout *l = f.l;
	uint64_t p = fp_process(&f, 5), d = fp_alloc(&f, l->pd_data + 8 * 64);
	const struct scope_snap_proc *q;
	uint64_t mfa = FP_WORDS(&f, 3 << 6, FP_ATOM(1), FP_ATOM(2),
				FP_SMALL(4)) | 2;

	fp_w32(&f, d, 63);
	fp_w32(&f, d + l->pd_used, 64);
	fp_w32(&f, d + l->pd_slots, 64);
	fp_w32(&f, d + l->pd_elements, 5);
	for (uint64_t i = 0; i < 64; i++)
		fp_w64(&f, d + l->pd_data + 8 * i, FP_NIL);
	fp_w64(&f, d + l->pd_data + 8 * 40, tuple(KEY_LABEL, FP_SMALL(7)));
	/* Two in one slot, the other first. */
	fp_w64(&f, d + l->pd_data + 8 * 41,
	       cons(tuple(FP_ATOM(105), FP_SMALL(1)),
		    tuple(KEY_ANCESTORS, cons(FP_ATOM(3), FP_NIL))));
	fp_w64(&f, d + l->pd_data + 8 * 42, tuple(KEY_INITIAL, mfa));
	fp_w64(&f, p + l->p_dictionary, d);
	q = take(5);
	assert_int_equal(q->lacks, 0);
	assert_int_equal(q->dictionary_entries, 5);
	assert_int_equal(q->label.word, FP_SMALL(7));
	assert_int_equal(q->initial.module, FP_ATOM(1));
	assert_int_equal(q->initial.arity, 4);
	assert_int_equal(q->spawned.arity, 3);
	assert_int_equal(q->ancestors.nwords, 2);
	assert_int_equal(scope_snapshot_image(s, &q->ancestors).words[0],
			 FP_ATOM(3));
	assert_int_equal(q->callers.word, 0);
	assert_int_equal(q->memory,
			 l->p_size + 8 * 233 + l->pd_bytes + 8 * 63);

	fp_w32(&f, p + l->p_trace_flags, l->trace_sensitive);
	q = take(5);
	assert_true(q->sensitive);
	assert_int_equal(q->label.word, 0);
	assert_int_equal(q->ancestors.word, 0);
	assert_int_equal(q->dictionary_entries, 0);
	assert_int_equal(q->initial.arity, 4);

	fp_w32(&f, d + l->pd_used, 65);
	assert_true(take(5)->lacks & SCOPE_SNAP_MEMORY);
}

static void a_dictionary_is_looked_up(void **state)
{
	(void)state;
	in_each_release(dictionary);
}

/* ---- links and monitors ---------------------------------------------------------- */

static uint64_t node(uint32_t type, uint32_t flags, uint64_t other, size_t size)
{
	const struct scope_layout *l = f.l;
	uint64_t n = fp_alloc(&f, size);

	fp_w64(&f, n + l->ml_other, other);
	if (l->ml_flags_bytes == 4) {
		fp_w32(&f, n + l->ml_flags, flags | type);
	} else {
		fp_w16(&f, n + l->ml_flags, (uint16_t)flags);
		fp_w16(&f, n + l->ml_type, (uint16_t)type);
	}
	return n;
}

static uint64_t link_to(uint64_t other)
{
	const struct scope_layout *l = f.l;
	uint64_t n = node(l->ml_link_type, 0, other, 256);

	if (l->lnk_refc != SCOPE_NO)
		fp_w32(&f, n + l->lnk_refc, 2);
	return n;
}

static uint64_t monitor_of(uint32_t type, uint32_t flags, uint64_t other)
{
	const struct scope_layout *l = f.l;
	uint64_t n = node(type, flags, other, 256);

	fp_w32(&f, n + l->md_refc, 2);
	return n;
}

static bool has(const struct scope_snap_range *r, uint64_t to)
{
	for (uint32_t i = 0; i < r->n; i++)
		if (scope_snapshot_peer(s, r, i)->to.word == to)
			return true;
	return false;
}

static void lists(void)
{
	const struct scope_layout *l = f.l;
	uint64_t p = fp_process(&f, 5), a, b, c, m, named, target;
	uint64_t share = l->lnk_refc == SCOPE_NO ? l->lnk_bytes :
						   l->lnk_bytes / 2;
	const struct scope_snap_proc *q;

	/* A tree of three. */
	a = link_to(fp_pid(&f, 1));
	b = link_to(fp_pid(&f, 2));
	c = link_to(0x77); /* a port */
	fp_w64(&f, p + l->p_links, a);
	fp_w64(&f, a + l->ml_left, b);
	fp_w64(&f, a + l->ml_right, c);
	fp_w64(&f, b, a | 1);
	fp_w64(&f, c, a);
	/* A monitor, one by name, and one that was asked for and not yet begun;
	 * in the list two that others have. */
	m = monitor_of(0, 0, fp_pid(&f, 3));
	named = monitor_of(0, l->ml_named | l->ml_extended, fp_pid(&f, 4));
	fp_w64(&f, named + l->mx_name, FP_ATOM(50));
	fp_w64(&f, p + l->p_monitors, m);
	fp_w64(&f, m + l->ml_left, named);
	fp_w64(&f, named, m);
	c = monitor_of(0, l->ml_pending, fp_pid(&f, 6));
	fp_w64(&f, m + l->ml_right, c);
	fp_w64(&f, c, m | 1);
	target = monitor_of(0, 0, 0);
	a = target + l->md_target;
	fp_w64(&f, a + l->ml_other, fp_pid(&f, 7));
	fp_w16(&f, a + l->ml_offset, (uint16_t)l->md_target);
	if (l->ml_flags_bytes == 4)
		fp_w32(&f, a + l->ml_flags, l->ml_target);
	else
		fp_w16(&f, a + l->ml_flags, (uint16_t)l->ml_target);
	b = monitor_of(l->mon_resource, l->ml_target, 0x5550);
	fp_w64(&f, p + l->p_lt_monitors, a);
	fp_w64(&f, a + l->ml_next, b);
	fp_w64(&f, b + l->ml_next, a);
	fp_w64(&f, a + 8, b);
	fp_w64(&f, b + 8, a);
	q = take(5);
	assert_int_equal(q->lacks, 0);
	assert_int_equal(q->links.n, 3);
	assert_true(has(&q->links, fp_pid(&f, 1)));
	assert_true(has(&q->links, fp_pid(&f, 2)));
	assert_true(has(&q->links, 0x77));
	assert_int_equal(q->monitors.n, 2);
	assert_true(has(&q->monitors, fp_pid(&f, 3)));
	assert_true(has(&q->monitors, FP_ATOM(50)));
	for (uint32_t i = 0; i < 2; i++) {
		const struct scope_snap_peer *x =
			scope_snapshot_peer(s, &q->monitors, i);

		assert_int_equal(x->node, x->to.word == FP_ATOM(50) ? NODE : 0);
	}
	assert_int_equal(q->monitored_by.n, 2);
	assert_true(has(&q->monitored_by, fp_pid(&f, 7)));
	assert_true(has(&q->monitored_by, 0));
	assert_int_equal(q->memory, l->p_size + 8 * 233 + 3 * share +
					    4 * (l->md_heap_bytes / 2) +
					    (l->mx_bytes - 8) / 2);
	/* The rest of what it has is not wanted. */
	assert_int_equal(take_opts(&(struct scope_snapshot_opts){ .wants = 0 }),
			 0);
	q = scope_snapshot_at(s, 0);
	assert_int_equal(q->links.n + q->monitors.n + q->memory, 0);
}

static void links_and_monitors_are_listed(void **state)
{
	(void)state;
	in_each_release(lists);
}

/* Circles, and what is no link, end. */
static void broken(void)
{
	const struct scope_layout *l = f.l;
	uint64_t p = fp_process(&f, 5), a = link_to(fp_pid(&f, 1));

	fp_w64(&f, p + l->p_links, a);
	fp_w64(&f, a + l->ml_left, a);
	assert_true(take(5)->lacks & SCOPE_SNAP_LINKS);
	assert_int_equal(take(5)->links.n, 1);
	fp_w64(&f, p + l->p_links, FP_BASE + FP_ARENA);
	assert_true(take(5)->lacks & SCOPE_SNAP_LINKS);
	fp_w64(&f, p + l->p_links, node(0, 0, FP_ATOM(1), 64));
	assert_true(take(5)->lacks & SCOPE_SNAP_LINKS);
	fp_w64(&f, p + l->p_links, 0);
	fp_w64(&f, p + l->p_monitors, node(31, 0, FP_ATOM(1), 256));
	assert_true(take(5)->lacks & SCOPE_SNAP_MONITORS);
	fp_w64(&f, p + l->p_monitors, node(0, 0, fp_pid(&f, 1), 256));
	assert_true(take(5)->lacks & SCOPE_SNAP_MONITORS); /* nobody's */
}

static void broken_lists_end(void **state)
{
	(void)state;
	in_each_release(broken);
}

/* ---- queues and binaries --------------------------------------------------------- */

static uint64_t message(uint64_t next, uint64_t term, uint64_t data,
			uint64_t inside)
{
	const struct scope_layout *l = f.l;
	uint64_t m = fp_alloc(&f, l->m_bytes);

	fp_w64(&f, m + l->m_next, next);
	fp_w64(&f, m + l->m_term, term);
	fp_w64(&f, m + l->m_data, data);
	fp_w64(&f, m + l->m_token, FP_NIL);
	fp_w64(&f, m + l->m_hfrag + l->hf_used, inside);
	return m;
}

static uint64_t fragment(uint64_t next, uint64_t words)
{
	uint64_t h = fp_alloc(&f, 64);

	fp_w64(&f, h + f.l->hf_next, next);
	fp_w64(&f, h + f.l->hf_used, words);
	return h;
}

static void queues(void)
{
	const struct scope_layout *l = f.l;
	uint64_t p = fp_process(&f, 5), inner, outer, external, signal, at;
	bool has_markers = l->m_marker != SCOPE_NO;
	const struct scope_snap_proc *q;

	/* One of no words, one with 5 in it, one with 10 and 20 outside, a
	 * marker; then in the outer queue one that came from another node, with a
	 * signal before it. */
	inner = message(0, has_markers ? l->m_marker : 0x30, 0, 0);
	inner = message(inner, FP_SMALL(3), fragment(fragment(0, 20), 10), 0);
	inner = message(inner, FP_BASE | 2, 1, 5);
	inner = message(inner, FP_SMALL(1), 0, 0);
	external = fp_alloc(&f, 128);
	fp_w64(&f, external + 40 + l->dx_heap_size, 30);
	outer = message(0, 0, external, 0);
	signal = message(outer, 0x30, 0, 0);
	fp_w64(&f, p + l->p_sig_qs + l->sq_first, inner);
	fp_w64(&f, p + l->p_sig_qs + l->sq_len, 3);
	fp_w64(&f, p + l->p_sig_inq + l->si_first, signal);
	if (l->si_len != SCOPE_NO) {
		fp_w64(&f, p + l->p_sig_inq + l->si_len, 1);
	} else {
		at = FP_WORDS(&f, signal);
		fp_w64(&f, p + l->p_sig_inq + l->si_nmsigs, at);
		fp_w64(&f, p + l->p_sig_inq + l->si_behind, 1);
		fp_w64(&f, signal + l->nm_before, 0);
	}
	q = take(5);
	assert_int_equal(q->lacks, 0);
	assert_int_equal(q->mailbox, 4);
	assert_int_equal(q->total_heap_words, 233);
	assert_int_equal(q->memory,
			 l->p_size + 8 * 233 + 4 * l->m_bytes + 8 * (35 + 30) +
				 (has_markers ? l->m_marker_bytes : 0));
	fp_w32(&f, p + l->p_sig_qs + l->sq_flags, 1 << 1);
	assert_int_equal(take(5)->total_heap_words, 233 + 65);
	/* Nobody has asked how large it is. */
	fp_w64(&f, external + 40 + l->dx_heap_size, UINT64_MAX);
	assert_int_equal(take(5)->lacks, SCOPE_SNAP_MEMORY);
	/* More than are looked at. */
	assert_int_equal(take_opts(&(struct scope_snapshot_opts){
				 .wants = SCOPE_SNAP_ALL, .messages = 2 }),
			 0);
	assert_true(scope_snapshot_at(s, 0)->lacks & SCOPE_SNAP_MEMORY);
	/* A circle. */
	fp_w64(&f, inner + l->m_next, inner);
	assert_true(take(5)->lacks & SCOPE_SNAP_MEMORY);
}

static void queued_messages_count(void **state)
{
	(void)state;
	in_each_release(queues);
}

static void buffers(void)
{
	const struct scope_layout *l = f.l;
	uint64_t p, a;

	if (l->p_sig_inq_buffers == SCOPE_NO)
		return;
	p = fp_process(&f, 5);
	a = fp_alloc(&f, (size_t)l->sb_count * l->sb_stride);
	fp_w64(&f, p + l->p_sig_inq_buffers, a);
	for (uint32_t i = 0; i < 3; i++) {
		uint64_t b = a + l->sb_slots + (uint64_t)(20 * i) * l->sb_stride;

		fp_w32(&f, b + l->sb_alive, i < 2);
		fp_w64(&f, b + l->sb_queue + l->si_first,
		       message(0, FP_SMALL(1), 1, 4));
		fp_w64(&f,
		       b + l->sb_queue + (l->si_len != SCOPE_NO ? l->si_len :
								  l->si_behind),
		       1);
	}
	assert_int_equal(take(5)->mailbox, 2);
	assert_int_equal(take(5)->memory,
			 l->p_size + 8 * 233 + 2 * (l->m_bytes + 32));
}

static void buffers_of_senders_count(void **state)
{
	(void)state;
	in_each_release(buffers);
}

static uint64_t off_heap(uint64_t next, uint64_t bin)
{
	const struct scope_layout *l = f.l;
	const uint32_t tag = l->bin_style == SCOPE_BIN_BITS ? l->sub.bin_ref :
							      l->sub.refc_bin;
	uint64_t h = fp_alloc(&f, 48);

	fp_w64(&f, h, 2 << 6 | (uint64_t)(bin ? tag : l->sub.fun) << 2);
	fp_w64(&f, h + l->oh_next, next);
	if (bin)
		fp_w64(&f, h + l->ref_bin, bin);
	return h;
}

static void binaries(void)
{
	const struct scope_layout *l = f.l;
	uint64_t p = fp_process(&f, 5), one = fp_alloc(&f, 64),
		 two = fp_alloc(&f, 64), frag = fragment(0, 3);
	const struct scope_snap_proc *q;

	fp_w64(&f, one + l->bin_orig_size, 1000);
	fp_w64(&f, two + l->bin_orig_size, 70);
	fp_w64(&f, p + l->p_off_heap,
	       off_heap(off_heap(off_heap(0, one), 0), one));
	fp_w64(&f, frag + l->hf_off_heap, off_heap(0, two));
	fp_w64(&f, p + l->p_mbuf, frag);
	q = take(5);
	assert_int_equal(q->binaries, 3);
	assert_int_equal(q->binary_bytes, 1070);
	assert_int_equal(q->lacks, 0);
}

/* At the very end of what is mapped things are as short as they may be. */
static void last_things(void)
{
	const struct scope_layout *l = f.l;
	uint64_t p = fp_process(&f, 5), end = FP_BASE + FP_ARENA;
	uint64_t m = end - l->m_hfrag, h = end - l->oh_next - 8;

	fp_w64(&f, p + l->p_sig_qs + l->sq_first, m);
	fp_w64(&f, p + l->p_sig_qs + l->sq_len, 1);
	fp_w64(&f, m + l->m_term, FP_SMALL(1));
	assert_int_equal(take(5)->lacks, 0);
	assert_int_equal(take(5)->memory, l->p_size + 8 * 233 + l->m_bytes);
	fp_w64(&f, m + l->m_data, 1); /* can't be */
	assert_int_equal(take(5)->lacks, SCOPE_SNAP_MEMORY);
	fp_w64(&f, p + l->p_sig_qs + l->sq_first, 0);
	fp_w64(&f, p + l->p_off_heap, h);
	fp_w64(&f, h + l->oh_next, 0);
	fp_w64(&f, h, 2 << 6 | (uint64_t)l->sub.ref << 2);
	assert_int_equal(take(5)->lacks, 0);
}

static void what_lies_at_the_end_is_read(void **state)
{
	(void)state;
	in_each_release(last_things);
}

static void binaries_count_once(void **state)
{
	(void)state;
	in_each_release(binaries);
}

/* ---- what changes ----------------------------------------------------------------- */

static uint64_t moving; /* the process whose reductions rise */
static int changes;	/* how often they still do */

static void run_meanwhile(struct fp *x, uint64_t addr)
{
	uint64_t reds;

	if (addr != moving || changes <= 0)
		return;
	changes--;
	memcpy(&reds, x->mem + (addr + x->l->p_reds - FP_BASE), 8);
	fp_w64(x, addr + x->l->p_reds, reds + 1);
}

static void changing(void)
{
	struct scope_snapshot_totals totals;

	moving = fp_process(&f, 5);
	(void)fp_process(&f, 6);
	f.hook = run_meanwhile;
	/* Between the first two looks: what counts is the last. */
	changes = 3;
	assert_false(take(5)->torn);
	assert_int_equal(take(5)->reductions, 1008);
	changes = 1000;
	assert_true(take(5)->torn);
	assert_false(scope_snapshot_find(s, fp_pid(&f, 6))->torn);
	scope_snapshot_totals(s, &totals);
	assert_int_equal(totals.torn, 1);
	assert_true(totals.from_ns && totals.to_ns >= totals.from_ns);
	f.hook = NULL;
}

static void what_changes_is_read_again(void **state)
{
	(void)state;
	in_each_release(changing);
}

static void end_meanwhile(struct fp *x, uint64_t addr)
{
	if (addr == moving && ++changes == 2)
		fp_w64(x, addr, 0);
}

static void ending(void)
{
	struct scope_snapshot_totals totals;

	moving = fp_process(&f, 5);
	(void)fp_process(&f, 6);
	changes = 0;
	f.hook = end_meanwhile;
	(void)take(6);
	assert_int_equal(scope_snapshot_count(s), 1);
	scope_snapshot_totals(s, &totals);
	assert_int_equal(totals.vanished, 1);
	f.hook = NULL;
}

static void what_ends_is_left_out(void **state)
{
	(void)state;
	in_each_release(ending);
}

/* A heap that is no heap is marked. */
static void odd_heaps(void)
{
	uint64_t p = fp_process(&f, 5);

	fp_w64(&f, p + f.l->p_heap_sz, 232);
	assert_true(take(5)->torn);
	fp_w64(&f, p + f.l->p_heap_sz, 233);
	fp_w64(&f, p + f.l->p_stop, FP_BASE);
	assert_true(take(5)->torn);
}

static void odd_heaps_are_marked(void **state)
{
	(void)state;
	in_each_release(odd_heaps);
}

static void only_those_asked_for(void **state)
{
	uint64_t pids[3];

	(void)state;
	assert_int_equal(fp_make(&f, 27), 0);
	for (uint32_t i = 1; i < 10; i++)
		(void)fp_process(&f, i);
	pids[0] = fp_pid(&f, 7);
	pids[1] = fp_pid(&f, 50); /* nobody */
	pids[2] = fp_pid(&f, 2);
	assert_int_equal(take_opts(&(struct scope_snapshot_opts){
				 .pids = pids, .npids = 3 }),
			 0);
	assert_int_equal(scope_snapshot_count(s), 2);
	assert_non_null(scope_snapshot_find(s, pids[0]));
	assert_null(scope_snapshot_find(s, pids[1]));
	assert_null(scope_snapshot_find(s, 0));
}

static void memory_may_be_short(void **state)
{
	int r = -ENOMEM;

	(void)state;
	assert_int_equal(fp_make(&f, 25), 0);
	lists();
	for (long n = 0; r == -ENOMEM && n < 200; n++) {
		fault_in = n;
		r = take_opts(&(struct scope_snapshot_opts){
			.wants = SCOPE_SNAP_ALL });
		fault_in = -1;
	}
	assert_int_equal(r, 0);
}

static int teardown(void **state)
{
	(void)state;
	scope_snapshot_free(s);
	free(f.mem);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_is_read),
		cmocka_unit_test(states),
		cmocka_unit_test(schedulers_have_numbers),
		cmocka_unit_test(a_dictionary_is_looked_up),
		cmocka_unit_test(links_and_monitors_are_listed),
		cmocka_unit_test(broken_lists_end),
		cmocka_unit_test(queued_messages_count),
		cmocka_unit_test(buffers_of_senders_count),
		cmocka_unit_test(binaries_count_once),
		cmocka_unit_test(what_lies_at_the_end_is_read),
		cmocka_unit_test(what_changes_is_read_again),
		cmocka_unit_test(what_ends_is_left_out),
		cmocka_unit_test(odd_heaps_are_marked),
		cmocka_unit_test(only_those_asked_for),
		cmocka_unit_test(memory_may_be_short),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
