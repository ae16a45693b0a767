/* SPDX-License-Identifier: MIT */
/*
 * ring: a bounded queue of pointers between two threads.
 *
 * One thread puts, one gets. Concurrency Kit's SPSC ring; ThreadSanitizer does
 * not see through its assembly, so -DSCOPE_RING_C11 builds the same interface
 * on C11 atomics for it.
 */
#ifndef SCOPE_PIPELINE_RING_H
#define SCOPE_PIPELINE_RING_H

#include <stdbool.h>
#include <stddef.h>

#define SCOPE_RING_SLOTS 128 /* a power of two; holds one less */

#ifdef SCOPE_RING_C11

#include <stdatomic.h>

struct scope_ring {
	_Atomic unsigned head, tail;
	void *slot[SCOPE_RING_SLOTS];
};

static inline void scope_ring_init(struct scope_ring *r)
{
	atomic_init(&r->head, 0);
	atomic_init(&r->tail, 0);
}

static inline bool scope_ring_put(struct scope_ring *r, void *p)
{
	unsigned t = atomic_load_explicit(&r->tail, memory_order_relaxed);

	if (t - atomic_load_explicit(&r->head, memory_order_acquire) >=
	    SCOPE_RING_SLOTS - 1)
		return false;
	r->slot[t % SCOPE_RING_SLOTS] = p;
	atomic_store_explicit(&r->tail, t + 1, memory_order_release);
	return true;
}

static inline void *scope_ring_get(struct scope_ring *r)
{
	unsigned h = atomic_load_explicit(&r->head, memory_order_relaxed);
	void *p;

	if (h == atomic_load_explicit(&r->tail, memory_order_acquire))
		return NULL;
	p = r->slot[h % SCOPE_RING_SLOTS];
	atomic_store_explicit(&r->head, h + 1, memory_order_release);
	return p;
}

#else

#include <ck_ring.h>

struct scope_ring {
	ck_ring_t ring;
	ck_ring_buffer_t slot[SCOPE_RING_SLOTS];
};

static inline void scope_ring_init(struct scope_ring *r)
{
	ck_ring_init(&r->ring, SCOPE_RING_SLOTS);
}

static inline bool scope_ring_put(struct scope_ring *r, void *p)
{
	return ck_ring_enqueue_spsc(&r->ring, r->slot, p);
}

static inline void *scope_ring_get(struct scope_ring *r)
{
	void *p;

	return ck_ring_dequeue_spsc(&r->ring, r->slot, &p) ? p : NULL;
}

#endif
#endif
