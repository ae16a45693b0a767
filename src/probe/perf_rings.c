/* SPDX-License-Identifier: MIT */
#include "probe/perf_rings.h"

#include <linux/perf_event.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "attacher/proto.h"
#include "scope/event.h"

/* Of a sample, before its bytes. */
#define HEAD_BYTES (sizeof(struct perf_event_header) + sizeof(uint32_t))
#define RECORD_MAX (HEAD_BYTES + SCOPE_REC_MAX + 8)

struct perf_ring {
	struct perf_event_mmap_page *page; /* mapped; NULL: no such CPU */
	const uint8_t *data;
};

struct scope_perf_rings {
	unsigned n;
	size_t page, bytes;
	uint64_t whole[(RECORD_MAX + 7) / 8]; /* a record that goes round */
	struct perf_ring ring[];
};

size_t scope_perf_rings_bytes(size_t total, unsigned n)
{
	size_t bytes = SCOPE_RING_BYTES_MIN;

	while (bytes * 2 * n <= total)
		bytes *= 2;
	return bytes;
}

void scope_perf_rings_free(struct scope_perf_rings *r)
{
	if (!r)
		return;
	for (unsigned i = 0; i < r->n; i++)
		if (r->ring[i].page)
			(void)munmap(r->ring[i].page, r->page + r->bytes);
	free(r);
}

int scope_perf_rings_new(const int *fds, unsigned n, size_t bytes,
			 struct scope_perf_rings **ret_rings,
			 struct scope_err *err)
{
	scope_auto(scope_perf_rings) r =
		calloc(1, sizeof(*r) + n * sizeof(r->ring[0]));

	if (!r)
		return scope_fail(err, -ENOMEM, "out of memory");
	r->page = (size_t)sysconf(_SC_PAGESIZE);
	r->bytes = bytes;
	for (; r->n < n; r->n++) {
		struct perf_ring *ring = &r->ring[r->n];
		void *m;

		if (fds[r->n] < 0)
			continue;
		m = mmap(NULL, r->page + bytes, PROT_READ | PROT_WRITE,
			 MAP_SHARED, fds[r->n], 0);
		if (m == MAP_FAILED)
			return scope_fail(
				err, -errno,
				"cannot map a perf buffer of %zu bytes for "
				"each of %u CPUs: %s; %s",
				bytes, n, strerror(errno),
				errno == EPERM ?
					"raise the limit of locked memory "
					"(ulimit -l), or use a smaller "
					"--buffer" :
					"use a smaller --buffer");
		ring->page = m;
		ring->data = (const uint8_t *)m + r->page;
	}
	*ret_rings = scope_take(r);
	return 0;
}

/* The record at `at`, in one piece. */
static const uint8_t *whole(struct scope_perf_rings *r,
			    const struct perf_ring *ring, uint64_t at, size_t n)
{
	size_t from = (size_t)(at & (r->bytes - 1));
	size_t first = r->bytes - from;

	if (n <= first)
		return ring->data + from;
	if (n > sizeof(r->whole))
		return NULL;
	memcpy(r->whole, ring->data + from, first);
	memcpy((uint8_t *)r->whole + first, ring->data, n - first);
	return (const uint8_t *)r->whole;
}

/* A record's bytes to fn; others than samples tell of what was lost, which is
 * counted where it is lost. */
static int hand_over(const uint8_t *rec, size_t n,
		     int (*fn)(void *arg, const void *data, size_t len),
		     void *arg)
{
	const size_t len_at = HEAD_BYTES + offsetof(struct scope_rec, len);
	struct perf_event_header h;
	uint32_t room, len;

	memcpy(&h, rec, sizeof(h));
	if (h.type != PERF_RECORD_SAMPLE || n < HEAD_BYTES + SCOPE_REC_BYTES)
		return 0;
	memcpy(&room, rec + sizeof(h), sizeof(room));
	memcpy(&len, rec + len_at, sizeof(len));
	if (len > room || room > n - HEAD_BYTES || len > SCOPE_REC_MAX)
		return -EBADMSG;
	return fn(arg, rec + HEAD_BYTES, len);
}

static int drain(struct scope_perf_rings *r, struct perf_ring *ring,
		 int (*fn)(void *arg, const void *data, size_t len), void *arg)
{
	uint64_t at = ring->page->data_tail;
	uint64_t end = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
	int rc = 0;

	/* The head of a record never goes round: both are multiples of 8. */
	while (at < end && rc >= 0) {
		struct perf_event_header h;
		const uint8_t *rec;

		memcpy(&h, ring->data + (at & (r->bytes - 1)), sizeof(h));
		if (h.size < sizeof(h) || h.size > end - at)
			return -EBADMSG;
		rec = whole(r, ring, at, h.size);
		if (rec)
			rc = hand_over(rec, h.size, fn, arg);
		at += h.size;
		__atomic_store_n(&ring->page->data_tail, at, __ATOMIC_RELEASE);
	}
	return rc;
}

int scope_perf_rings_drain(struct scope_perf_rings *r,
			   int (*fn)(void *arg, const void *data, size_t len),
			   void *arg)
{
	int rc = 0;

	for (unsigned i = 0; rc >= 0 && i < r->n; i++)
		if (r->ring[i].page)
			rc = drain(r, &r->ring[i], fn, arg);
	return rc;
}

unsigned scope_perf_rings_count(const struct scope_perf_rings *r)
{
	unsigned count = 0;

	for (unsigned i = 0; i < r->n; i++)
		count += r->ring[i].page != NULL;
	return count;
}
