/* SPDX-License-Identifier: MIT */
/*
 * What is queued at a process, how much memory that takes, and binaries outside
 * of its heap.
 *
 * Queues: the inner one, which receive looks through, the middle one of what
 * was fetched and waits for signals before it, and the outer one, which senders
 * put into; for one that many send to, the outer one is 64 of them. What
 * process_info/2 tells is what is there once all are fetched.
 */
#include "target/snap_int.h"

#include <errno.h>

#define FS_ON_HEAP_MSGQ (1u << 1) /* erl_process.h, OTP 23 to 29 */
#define ATTACHED_IS_IN_MESSAGE 1  /* ERTS_MSG_COMBINED_HFRAG */
#define HEADER_SIGNAL 0x30	  /* of an external pid: no message */
#define HEADER_MASK 0x3f
#define FRAGMENT_MEM 40 /* ErlHeapFragment.mem: after used_size */

static bool is_signal(uint64_t term)
{
	return (term & HEADER_MASK) == HEADER_SIGNAL;
}

/* ---- how many ----------------------------------------------------------------- */

static uint64_t count_at(const uint8_t *p, uint32_t off)
{
	int64_t n = (int64_t)scope_snap_u64(p, off);

	/* One more than memory has room for is none. */
	return n < 0 || n > INT64_C(1) << 40 ? 0 : (uint64_t)n;
}

/* Messages of an ErtsSignalInQueue; up to 25 all are counted in one place. */
static void count_outer(struct scope_snap_batch *b,
			const struct scope_snap_item *it, const uint8_t *queue)
{
	const struct scope_layout *l = b->l;
	struct scope_snap_item next = *it;

	if (l->si_len != SCOPE_NO) {
		b->p[it->proc].mailbox += count_at(queue, l->si_len);
		return;
	}
	b->p[it->proc].mailbox += count_at(queue, l->si_behind);
	next.addr = scope_snap_u64(queue, l->si_nmsigs);
	next.step = SCOPE_SNAP_AT_SIGNAL_PTR;
	next.lacks = 0;
	scope_snap_push(b, next);
}

/* From 27 on each signal that is no message says how many are before it. */
void scope_snap_signal_ptr(struct scope_snap_batch *b,
			   const struct scope_snap_item *it,
			   const uint8_t *bytes)
{
	struct scope_snap_item next = *it;

	next.addr = scope_snap_u64(bytes, 0);
	next.step = SCOPE_SNAP_AT_SIGNAL;
	scope_snap_push(b, next);
}

void scope_snap_signal(struct scope_snap_batch *b,
		       const struct scope_snap_item *it, const uint8_t *bytes)
{
	const struct scope_layout *l = b->l;
	struct scope_snap_item next = *it;

	if (!is_signal(scope_snap_u64(bytes, l->m_term)))
		return;
	b->p[it->proc].mailbox += count_at(bytes, l->nm_before);
	next.addr = scope_snap_u64(bytes, l->nm_next);
	next.step = SCOPE_SNAP_AT_SIGNAL_PTR;
	scope_snap_push(b, next);
}

static void push_message(struct scope_snap_batch *b,
			 const struct scope_snap_item *it, uint64_t addr)
{
	struct scope_snap_item next = *it;

	if (!(b->wants & SCOPE_SNAP_MEMORY))
		return;
	next.addr = addr;
	next.step = SCOPE_SNAP_AT_MESSAGE;
	next.lacks = SCOPE_SNAP_MEMORY;
	scope_snap_push(b, next);
}

void scope_snap_buffer(struct scope_snap_batch *b,
		       const struct scope_snap_item *it, const uint8_t *bytes)
{
	const struct scope_layout *l = b->l;
	const uint8_t *queue = bytes + l->sb_queue;

	if (!scope_snap_u32(bytes, l->sb_alive))
		return;
	count_outer(b, it, queue);
	push_message(b, it, scope_snap_u64(queue, l->si_first));
}

/* ---- how much ----------------------------------------------------------------- */

static void attach(struct scope_snap_batch *b, const struct scope_snap_item *it,
		   uint64_t words)
{
	if (words >> 40)
		b->p[it->proc].lacks |= it->lacks;
	else
		b->w[it->proc].attached += words;
}

/* A fragment in a message, or outside: its words and the next one's. */
static void add_fragment(struct scope_snap_batch *b,
			 const struct scope_snap_item *it, const uint8_t *frag)
{
	struct scope_snap_item next = *it;

	attach(b, it, scope_snap_u64(frag, b->l->hf_used));
	next.addr = scope_snap_u64(frag, b->l->hf_next);
	next.step = SCOPE_SNAP_AT_FRAGMENT;
	scope_snap_push(b, next);
}

void scope_snap_fragment(struct scope_snap_batch *b,
			 const struct scope_snap_item *it, const uint8_t *bytes)
{
	add_fragment(b, it, bytes);
}

/* One that came from another node, and is not yet decoded: behind the fragment
 * of its token, if it has one, is what it will take. */
void scope_snap_external(struct scope_snap_batch *b,
			 const struct scope_snap_item *it, const uint8_t *bytes)
{
	uint64_t used = scope_snap_u64(bytes, b->l->hf_used);
	struct scope_snap_item next = *it;

	if (used >> 32) {
		b->p[it->proc].lacks |= it->lacks;
		return;
	}
	if (it->key)
		attach(b, it, used);
	next.addr = it->addr + FRAGMENT_MEM + 8 * used;
	next.step = SCOPE_SNAP_AT_EXTERNAL_SIZE;
	scope_snap_push(b, next);
}

void scope_snap_external_size(struct scope_snap_batch *b,
			      const struct scope_snap_item *it,
			      const uint8_t *bytes)
{
	int64_t words = (int64_t)scope_snap_u64(bytes, 0);

	/* Negative: nobody has asked yet. */
	attach(b, it, words < 0 ? UINT64_MAX : (uint64_t)words);
}

/* frag: the fragment inside of it; NULL: it was not read. */
static void message(struct scope_snap_batch *b,
		    const struct scope_snap_item *it, const uint8_t *bytes,
		    const uint8_t *frag)
{
	const struct scope_layout *l = b->l;
	struct scope_snap_work *w = &b->w[it->proc];
	uint64_t term = scope_snap_u64(bytes, l->m_term);
	uint64_t data = scope_snap_u64(bytes, l->m_data);
	struct scope_snap_item next = *it;

	if (w->messages++ >= b->max_messages) {
		b->p[it->proc].lacks |= it->lacks;
		return;
	}
	push_message(b, it, scope_snap_u64(bytes, l->m_next));
	if (is_signal(term)) {
		if (term == l->m_marker)
			w->queued += l->m_marker_bytes;
		return;
	}
	w->queued += l->m_bytes;
	if (!data)
		return;
	if (data == ATTACHED_IS_IN_MESSAGE && frag) {
		add_fragment(b, it, frag);
		return;
	}
	next.addr = data == ATTACHED_IS_IN_MESSAGE ? it->addr + l->m_hfrag :
						     data;
	next.key = !scope_is_nil(scope_snap_u64(bytes, l->m_token));
	next.step = term ? SCOPE_SNAP_AT_FRAGMENT : SCOPE_SNAP_AT_EXTERNAL;
	scope_snap_push(b, next);
}

void scope_snap_message(struct scope_snap_batch *b,
			const struct scope_snap_item *it, const uint8_t *bytes)
{
	message(b, it, bytes, bytes + b->l->m_hfrag);
}

void scope_snap_message_ref(struct scope_snap_batch *b,
			    const struct scope_snap_item *it,
			    const uint8_t *bytes)
{
	message(b, it, bytes, NULL);
}

/* ---- binaries ----------------------------------------------------------------- */

/* The process's own fragments: their words are counted by the process. */
void scope_snap_mbuf(struct scope_snap_batch *b,
		     const struct scope_snap_item *it, const uint8_t *bytes)
{
	struct scope_snap_item next = *it;

	next.addr = scope_snap_u64(bytes, b->l->hf_off_heap);
	next.step = SCOPE_SNAP_AT_OFF_HEAP;
	scope_snap_push(b, next);
	next.addr = scope_snap_u64(bytes, b->l->hf_next);
	next.step = SCOPE_SNAP_AT_MBUF;
	scope_snap_push(b, next);
}

void scope_snap_off_heap(struct scope_snap_batch *b,
			 const struct scope_snap_item *it, const uint8_t *bytes)
{
	const struct scope_layout *l = b->l;
	const uint32_t tag = l->bin_style == SCOPE_BIN_BITS ? l->sub.bin_ref :
							      l->sub.refc_bin;
	uint64_t head = scope_snap_u64(bytes, 0);
	struct scope_snap_item next = *it;

	if (SCOPE_TAG(head) != SCOPE_TAG_HEADER) {
		b->p[it->proc].lacks |= it->lacks;
		return;
	}
	next.addr = scope_snap_u64(bytes, l->oh_next);
	next.step = SCOPE_SNAP_AT_OFF_HEAP;
	scope_snap_push(b, next);
	if (SCOPE_SUBTAG(head) != tag)
		return;
	if (it->step == SCOPE_SNAP_AT_OFF_HEAP_HEAD &&
	    l->ref_bin > l->oh_next) {
		b->p[it->proc].lacks |= it->lacks;
		return;
	}
	next.addr = scope_snap_u64(bytes, l->ref_bin);
	next.step = SCOPE_SNAP_AT_BINARY;
	scope_snap_push(b, next);
}

void scope_snap_binary(struct scope_snap_batch *b,
		       const struct scope_snap_item *it, const uint8_t *bytes)
{
	if (!scope_snap_grow((void **)&b->bins, &b->bins_cap, b->nbins, 1,
			     sizeof(*b->bins))) {
		b->r = -ENOMEM;
		return;
	}
	b->bins[b->nbins++] = (struct scope_snap_bin){
		.addr = it->addr,
		.bytes = scope_snap_u64(bytes, 0),
		.proc = it->proc,
	};
}

/* ---- the start ---------------------------------------------------------------- */

static void start_binaries(struct scope_snap_batch *b, size_t i,
			   const uint8_t *p)
{
	const struct scope_layout *l = b->l;
	struct scope_snap_item it = { .proc = (uint16_t)i,
				      .lacks = SCOPE_SNAP_BINARIES,
				      .step = SCOPE_SNAP_AT_OFF_HEAP };

	it.addr = scope_snap_u64(p, l->p_off_heap);
	scope_snap_push(b, it);
	if (l->p_wrt_bins != SCOPE_NO) {
		it.addr = scope_snap_u64(p, l->p_wrt_bins);
		scope_snap_push(b, it);
	}
	it.addr = scope_snap_u64(p, l->p_mbuf);
	it.step = SCOPE_SNAP_AT_MBUF;
	scope_snap_push(b, it);
}

void scope_snap_start_queue(struct scope_snap_batch *b, size_t i)
{
	const struct scope_layout *l = b->l;
	const uint8_t *p = b->bytes + i * l->p_size;
	const uint8_t *inner = p + l->p_sig_qs, *outer = p + l->p_sig_inq;
	struct scope_snap_item it = { .proc = (uint16_t)i };
	uint64_t buffers = 0;

	b->w[i].on_heap = scope_snap_u32(inner, l->sq_flags) & FS_ON_HEAP_MSGQ;
	b->p[i].mailbox = count_at(inner, l->sq_len);
	if (l->sq_behind != SCOPE_NO) {
		b->p[i].mailbox += count_at(inner, l->sq_behind);
		it.addr = scope_snap_u64(inner, l->sq_nmsigs);
		it.step = SCOPE_SNAP_AT_SIGNAL_PTR;
		scope_snap_push(b, it);
	}
	count_outer(b, &it, outer);
	push_message(b, &it, scope_snap_u64(inner, l->sq_first));
	push_message(b, &it, scope_snap_u64(inner, l->sq_cont));
	push_message(b, &it, scope_snap_u64(outer, l->si_first));
	if (l->p_sig_inq_buffers != SCOPE_NO)
		buffers = scope_snap_u64(p, l->p_sig_inq_buffers);
	it.step = SCOPE_SNAP_AT_BUFFER;
	it.lacks = b->wants & SCOPE_SNAP_MEMORY;
	for (uint32_t k = 0; buffers && k < l->sb_count; k++) {
		it.addr = buffers + l->sb_slots + (uint64_t)k * l->sb_stride;
		scope_snap_push(b, it);
	}
	if (b->wants & SCOPE_SNAP_BINARIES)
		start_binaries(b, i, p);
}
