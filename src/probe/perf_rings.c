/* SPDX-License-Identifier: MIT */
#include "probe/perf_rings.h"

#include <ck_pr.h>
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
/* Of the oldest records of a buffer that is overwritten: what may be written
 * just now, and not be told yet. */
#define UNSAFE_BYTES (2 * RECORD_MAX)
#define RECORD_MIN (HEAD_BYTES + SCOPE_REC_BYTES)

struct perf_ring {
	struct perf_event_mmap_page *page; /* mapped; NULL: no such CPU */
	const uint8_t *data;
	uint64_t read; /* overwriting: from where on, towards older ones */
};

struct scope_perf_rings {
	unsigned n;
	bool overwrites;
	uint32_t *found; /* owned: records of one buffer; overwriting */
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
	free(r->found);
	free(r);
}

int scope_perf_rings_new(const int *fds, unsigned n, size_t bytes,
			 bool overwrites,
			 struct scope_perf_rings **ret_rings,
			 struct scope_err *err)
{
	scope_auto(scope_perf_rings) r =
		calloc(1, sizeof(*r) + n * sizeof(r->ring[0]));

	if (!r)
		return scope_fail(err, -ENOMEM, "out of memory");
	r->page = (size_t)sysconf(_SC_PAGESIZE);
	r->bytes = bytes;
	r->overwrites = overwrites;
	if (overwrites) {
		r->found = calloc(bytes / RECORD_MIN + 1, sizeof(*r->found));
		if (!r->found)
			return scope_fail(err, -ENOMEM, "out of memory");
	}
	for (; r->n < n; r->n++) {
		struct perf_ring *ring = &r->ring[r->n];
		void *m;

		if (fds[r->n] < 0)
			continue;
		m = mmap(NULL, r->page + bytes,
			 overwrites ? PROT_READ : PROT_READ | PROT_WRITE,
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

/* -- where older records are overwritten
 * -------------------------------------------- */

/* Positions fall as records are written; how far `to` is behind `from`. */
static uint64_t behind(uint64_t from, uint64_t to)
{
	return to - from;
}

/* A copy of n bytes from `at` on, and whether they were all still there then.
 */
static bool copy_old(struct scope_perf_rings *r, const struct perf_ring *ring,
		     uint64_t at, size_t n, void *to)
{
	size_t from = (size_t)(at & (r->bytes - 1));
	size_t first = n < r->bytes - from ? n : r->bytes - from;
	uint64_t head;

	memcpy(to, ring->data + from, first);
	memcpy((uint8_t *)to + first, ring->data, n - first);
	ck_pr_fence_load();
	head = __atomic_load_n(&ring->page->data_head, __ATOMIC_RELAXED);
	return behind(head, at) + n + UNSAFE_BYTES <= r->bytes;
}

/* The records that were written since `ring->read`, newest first, as far back
 * as they are there: where each begins, behind `head`. */
static size_t find_old(struct scope_perf_rings *r, const struct perf_ring *ring,
		       uint64_t head)
{
	const size_t most = r->bytes / RECORD_MIN + 1;
	uint64_t left = behind(head, ring->read), at = 0;
	size_t n = 0;

	while (at < left && n < most) {
		struct perf_event_header h;

		if (!copy_old(r, ring, head + at, sizeof(h), &h) ||
		    h.size < sizeof(h) || h.size % 8 || h.size > left - at)
			break;
		r->found[n++] = (uint32_t)at;
		at += h.size;
	}
	return n;
}

static int drain_old(struct scope_perf_rings *r, struct perf_ring *ring,
		     int (*fn)(void *arg, const void *data, size_t len),
		     void *arg)
{
	uint64_t head =
		__atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
	size_t n = find_old(r, ring, head);
	int rc = 0;

	ring->read = head;
	while (n && rc >= 0) {
		uint64_t at = head + r->found[--n];
		struct perf_event_header h;

		if (!copy_old(r, ring, at, sizeof(h), &h) ||
		    h.size > sizeof(r->whole) ||
		    !copy_old(r, ring, at, h.size, r->whole))
			continue;
		rc = hand_over((const uint8_t *)r->whole, h.size, fn, arg);
		if (rc < 0)
			ring->read = at; /* the newer ones the next time */
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
			rc = (r->overwrites ? drain_old : drain)(
				r, &r->ring[i], fn, arg);
	return rc;
}

unsigned scope_perf_rings_count(const struct scope_perf_rings *r)
{
	unsigned count = 0;

	for (unsigned i = 0; i < r->n; i++)
		count += r->ring[i].page != NULL;
	return count;
}

double scope_perf_rings_fill(const struct scope_perf_rings *r)
{
	uint64_t most = 0;

	for (unsigned i = 0; !r->overwrites && i < r->n; i++) {
		const struct perf_event_mmap_page *page = r->ring[i].page;
		uint64_t used =
			page ? __atomic_load_n(&page->data_head,
					       __ATOMIC_RELAXED) -
					page->data_tail :
			       0;

		if (used > most)
			most = used;
	}
	return (double)most / (double)r->bytes;
}
