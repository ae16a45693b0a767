/* SPDX-License-Identifier: MIT */
#include "probe/ringbuf.h"

#include <linux/bpf.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "attacher/proto.h"

struct ring {
	unsigned long *consumed; /* mapped: our page */
	const unsigned long *produced; /* mapped: the kernel's pages */
	const uint8_t *data;
};

struct scope_ringbuf {
	struct ring ring[SCOPE_RINGS_MAX];
	unsigned n;
	size_t page, bytes;
};

unsigned scope_ringbuf_plan(unsigned ncpus, size_t total, size_t *ret_bytes)
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

void scope_ringbuf_free(struct scope_ringbuf *r)
{
	if (!r)
		return;
	for (unsigned i = 0; i < r->n; i++) {
		if (r->ring[i].consumed)
			(void)munmap(r->ring[i].consumed, r->page);
		if (r->ring[i].produced)
			(void)munmap((void *)(uintptr_t)r->ring[i].produced,
				     r->page + 2 * r->bytes);
	}
	free(r);
}

static int map(struct scope_ringbuf *r, int fd, struct ring *ring)
{
	void *m = mmap(NULL, r->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (m == MAP_FAILED)
		return -errno;
	ring->consumed = m;
	m = mmap(NULL, r->page + 2 * r->bytes, PROT_READ, MAP_SHARED, fd,
		 (off_t)r->page);
	if (m == MAP_FAILED)
		return -errno;
	ring->produced = m;
	ring->data = (const uint8_t *)m + r->page;
	return 0;
}

int scope_ringbuf_new(const int *fds, unsigned n, size_t bytes,
		    struct scope_ringbuf **ret_rings, struct scope_err *err)
{
	scope_auto(scope_ringbuf) r = calloc(1, sizeof(*r));

	if (!r)
		return scope_fail(err, -ENOMEM, "out of memory");
	r->page = (size_t)sysconf(_SC_PAGESIZE);
	r->bytes = bytes;
	while (r->n < n) {
		int rc = map(r, fds[r->n], &r->ring[r->n]);

		r->n++;
		if (rc < 0)
			return scope_fail(err, rc,
					  "cannot map a ring buffer of %zu "
					  "bytes: %s; use a smaller --buffer",
					  bytes, strerror(-rc));
	}
	*ret_rings = scope_take(r);
	return 0;
}

static int drain(struct scope_ringbuf *r, struct ring *ring,
		 int (*fn)(void *arg, const void *data, size_t len), void *arg)
{
	unsigned long at = __atomic_load_n(ring->consumed, __ATOMIC_RELAXED);
	unsigned long end;

	do {
		end = __atomic_load_n(ring->produced, __ATOMIC_ACQUIRE);
		while (at < end) {
			const uint8_t *head = ring->data + (at & (r->bytes - 1));
			uint32_t len = __atomic_load_n((const uint32_t *)head,
						       __ATOMIC_ACQUIRE);
			size_t n = len & ~(BPF_RINGBUF_BUSY_BIT |
					   BPF_RINGBUF_DISCARD_BIT);
			int rc = 0;

			if (len & BPF_RINGBUF_BUSY_BIT)
				return 0; /* being written: the next time */
			if (!(len & BPF_RINGBUF_DISCARD_BIT))
				rc = fn(arg, head + BPF_RINGBUF_HDR_SZ, n);
			at += (n + BPF_RINGBUF_HDR_SZ + 7) & ~7ul;
			__atomic_store_n(ring->consumed, at, __ATOMIC_RELEASE);
			if (rc < 0)
				return rc;
		}
	} while (end != __atomic_load_n(ring->produced, __ATOMIC_ACQUIRE));
	return 0;
}

int scope_ringbuf_drain(struct scope_ringbuf *r,
		      int (*fn)(void *arg, const void *data, size_t len),
		      void *arg)
{
	int rc = 0;

	for (unsigned i = 0; rc >= 0 && i < r->n; i++)
		rc = drain(r, &r->ring[i], fn, arg);
	return rc;
}
