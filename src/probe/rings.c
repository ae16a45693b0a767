/* SPDX-License-Identifier: MIT */
#include "probe/rings.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "base/time.h"
#include "scope/ring.h"
#include "scope/site.h"

struct ring {
	uint64_t *consumed; /* mapped: scope_ring_reader */
	const uint64_t *produced; /* mapped: what the programs write */
	const uint8_t *data;
	uint64_t key;
};

struct scope_rings {
	struct ring ring[SCOPE_RINGS_MAX];
	unsigned n;
	size_t bytes;
};

/* What the programs write. */
static size_t written_bytes(const struct scope_rings *r)
{
	return SCOPE_RING_VALUE(r->bytes) - SCOPE_RING_PAGE;
}

unsigned scope_rings_plan(unsigned ncpus, size_t total, size_t *ret_bytes)
{
	unsigned n = ncpus < 1 ? 1 : ncpus;

	if (n > SCOPE_RINGS_MAX)
		n = SCOPE_RINGS_MAX;
	while (n > 1 && n * SCOPE_RING_BYTES_MIN > total)
		n--;
	*ret_bytes = SCOPE_RING_BYTES_MIN;
	while (*ret_bytes * 2 * n <= total)
		*ret_bytes *= 2;
	return n;
}

void scope_rings_free(struct scope_rings *r)
{
	if (!r)
		return;
	for (unsigned i = 0; i < r->n; i++) {
		if (r->ring[i].consumed)
			(void)munmap(r->ring[i].consumed, SCOPE_RING_PAGE);
		if (r->ring[i].produced)
			(void)munmap((void *)(uintptr_t)r->ring[i].produced,
				     written_bytes(r));
	}
	free(r);
}

static int map(struct scope_rings *r, int fd, struct ring *ring)
{
	struct scope_ring_reader *reader;
	void *m = mmap(NULL, SCOPE_RING_PAGE, PROT_READ | PROT_WRITE,
		       MAP_SHARED, fd, 0);

	if (m == MAP_FAILED)
		return -errno;
	ring->consumed = m;
	reader = m;
	/* Guessing it would take a process that is watched 2^32 tries. */
	if (getrandom(&reader->key, sizeof(reader->key), GRND_NONBLOCK) !=
	    sizeof(reader->key))
		reader->key = scope_now_ns();
	ring->key = reader->key;
	m = mmap(NULL, written_bytes(r), PROT_READ, MAP_SHARED, fd,
		 SCOPE_RING_PAGE);
	if (m == MAP_FAILED)
		return -errno;
	ring->produced = m;
	ring->data = (const uint8_t *)m + SCOPE_RING_PAGE;
	return 0;
}

int scope_rings_new(const int *fds, unsigned n, size_t bytes,
		    struct scope_rings **ret_rings, struct scope_err *err)
{
	scope_auto(scope_rings) r = calloc(1, sizeof(*r));

	if (!r)
		return scope_fail(err, -ENOMEM, "out of memory");
	r->bytes = bytes;
	while (r->n < n) {
		int rc = map(r, fds[r->n], &r->ring[r->n]);

		r->n++;
		if (rc < 0)
			return scope_fail(err, rc,
					  "cannot map a ring of %zu "
					  "bytes: %s; use a smaller --buffer",
					  bytes, strerror(-rc));
	}
	*ret_rings = scope_take(r);
	return 0;
}

/* Bytes of the record whose head that is; 0: it is still being written. */
static size_t length(const struct ring *ring, uint64_t at, uint64_t mark)
{
	const uint32_t len = (uint32_t)mark;

	return mark == SCOPE_RING_MARK(len, at, ring->key) &&
			       len >= SCOPE_REC_BYTES && len <= SCOPE_REC_MAX ?
		       len :
		       0;
}

static int drain(struct scope_rings *r, struct ring *ring,
		 int (*fn)(void *arg, const void *data, size_t len), void *arg)
{
	uint64_t at = __atomic_load_n(ring->consumed, __ATOMIC_RELAXED), end;

	do {
		end = __atomic_load_n(ring->produced, __ATOMIC_ACQUIRE);
		while (at < end) {
			const uint8_t *head = ring->data + (at & (r->bytes - 1));
			size_t len = length(
				ring, at,
				__atomic_load_n((const uint64_t *)head,
						__ATOMIC_ACQUIRE));
			int rc;

			if (!len)
				return 0; /* the next time */
			rc = fn(arg, head + SCOPE_RING_HEAD, len);
			at += SCOPE_RING_ROOM(len);
			__atomic_store_n(ring->consumed, at, __ATOMIC_RELEASE);
			if (rc < 0)
				return rc;
		}
	} while (end != __atomic_load_n(ring->produced, __ATOMIC_ACQUIRE));
	return 0;
}

int scope_rings_drain(struct scope_rings *r,
		      int (*fn)(void *arg, const void *data, size_t len),
		      void *arg)
{
	int rc = 0;

	for (unsigned i = 0; rc >= 0 && i < r->n; i++)
		rc = drain(r, &r->ring[i], fn, arg);
	return rc;
}

double scope_rings_fill(const struct scope_rings *r)
{
	uint64_t most = 0;

	for (unsigned i = 0; i < r->n; i++) {
		const struct ring *ring = &r->ring[i];
		uint64_t used =
			__atomic_load_n(ring->produced, __ATOMIC_RELAXED) -
			__atomic_load_n(ring->consumed, __ATOMIC_RELAXED);

		if (used > most)
			most = used;
	}
	return (double)most / (double)r->bytes;
}
