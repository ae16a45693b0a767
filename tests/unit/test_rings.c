/* SPDX-License-Identifier: MIT */
/* How many buffers there are, and what is read of rings and of perf buffers:
 * pages in memory stand for the kernel's. */
#include <errno.h>
#include <linux/perf_event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "fault.h"
#include "attacher/proto.h"
#include "probe/perf_rings.h"
#include "probe/rings.h"
#include "scope/event.h"
#include "scope/ring.h"

#define BYTES 65536u
#define CPUS 3 /* of which the second has none */

static void rings_are_as_many_as_cpus(void **state)
{
	static const struct {
		unsigned cpus;
		size_t total;
		unsigned n;
		size_t bytes;
	} plans[] = {
		{ 1, 8u << 20, 1, 8u << 20 },
		{ 2, 8u << 20, 2, 4u << 20 },
		{ 3, 8u << 20, 3, 2u << 20 }, /* a power of two, within 8 MB */
		{ 4, 8u << 20, 4, 2u << 20 },
		{ 64, 8u << 20, 64, 128u << 10 },
		{ 64, 1u << 20, 16, 64u << 10 }, /* four CPUs to a ring */
		{ 65, 8u << 20, 64, 128u << 10 },
		{ 512, 8u << 20, 64, 128u << 10 },
		{ 512, 1u << 30, 64, 16u << 20 },
		{ 2, 64u << 10, 1, 64u << 10 },
		{ 0, 64u << 10, 1, 64u << 10 },
		{ 2, 1, 1, 64u << 10 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(plans) / sizeof(*plans); i++) {
		size_t bytes = 0;
		unsigned n = scope_rings_plan(plans[i].cpus, plans[i].total,
					      &bytes);

		assert_int_equal(n, plans[i].n);
		assert_int_equal(bytes, plans[i].bytes);
		assert_true(bytes >= SCOPE_RING_BYTES_MIN &&
			    bytes <= SCOPE_RING_BYTES_MAX);
	}
}

static void perf_buffers_are_one_each(void **state)
{
	(void)state;
	assert_int_equal(scope_perf_rings_bytes(8u << 20, 1), 8u << 20);
	assert_int_equal(scope_perf_rings_bytes(8u << 20, 2), 4u << 20);
	assert_int_equal(scope_perf_rings_bytes(8u << 20, 96), 64u << 10);
	assert_int_equal(scope_perf_rings_bytes(8u << 20, 512), 64u << 10);
}

/* -- perf buffers ----------------------------------------------------------------- */

static int fds[CPUS] = { -1, -1, -1 };
static struct perf_event_mmap_page *page[CPUS]; /* as the kernel sees them */
static uint8_t *data[CPUS];
static struct scope_perf_rings *rings;
static uint32_t got[4096];
static size_t ngot, ends_after;

static int setup(void **state)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);

	(void)state;
	for (unsigned i = 0; i < CPUS; i++) {
		void *m;

		if (i == 1)
			continue;
		fds[i] = memfd_create("perf", MFD_CLOEXEC);
		if (fds[i] < 0 || ftruncate(fds[i], (off_t)(size + BYTES)) < 0)
			return -1;
		m = mmap(NULL, size + BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
			 fds[i], 0);
		if (m == MAP_FAILED)
			return -1;
		page[i] = m;
		data[i] = (uint8_t *)m + size;
	}
	ngot = 0;
	ends_after = SIZE_MAX;
	return scope_perf_rings_new(fds, CPUS, BYTES, false, &rings, NULL);
}

static int teardown(void **state)
{
	(void)state;
	scope_perf_rings_free(rings);
	rings = NULL;
	for (unsigned i = 0; i < CPUS; i++) {
		if (fds[i] < 0)
			continue;
		(void)munmap(page[i], (size_t)sysconf(_SC_PAGESIZE) + BYTES);
		(void)close(fds[i]);
		fds[i] = -1;
	}
	return 0;
}

static void put_bytes(unsigned cpu, uint64_t at, const void *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		data[cpu][(at + i) % BYTES] = ((const uint8_t *)from)[i];
}

/* As perf_output_sample() does; 0: there is no room. */
static int put(unsigned cpu, uint32_t seq, uint32_t words)
{
	static uint64_t bytes[SCOPE_REC_MAX / 8];
	struct scope_rec *rec = (struct scope_rec *)bytes;
	uint32_t len = SCOPE_REC_BYTES + 8 * words;
	uint32_t raw = ((len + 4 + 7) & ~7u) - 4;
	struct perf_event_header h = { .type = PERF_RECORD_SAMPLE,
				       .size = (uint16_t)(12 + raw) };
	uint64_t at = page[cpu]->data_head;

	if (at + h.size - page[cpu]->data_tail > BYTES)
		return 0;
	memset(bytes, 0, sizeof(bytes));
	rec->len = len;
	rec->nwords = (uint16_t)words;
	rec->tid = seq;
	for (uint32_t i = 0; i < words; i++)
		bytes[SCOPE_REC_BYTES / 8 + i] = seq + i;
	put_bytes(cpu, at, &h, sizeof(h));
	put_bytes(cpu, at + 8, &raw, 4);
	put_bytes(cpu, at + 12, bytes, len);
	page[cpu]->data_head = at + h.size;
	return 1;
}

static int take(void *arg, const void *p, size_t len)
{
	uint64_t words[SCOPE_REC_MAX / 8];
	struct scope_rec rec;

	(void)arg;
	memcpy(&rec, p, sizeof(rec));
	assert_int_equal(len, rec.len);
	memcpy(words, p, len);
	for (uint32_t i = 0; i < rec.nwords; i++)
		assert_int_equal(words[SCOPE_REC_BYTES / 8 + i], rec.tid + i);
	got[ngot++] = rec.tid;
	return ngot == ends_after ? -EAGAIN : 0;
}

static int drain(void)
{
	return scope_perf_rings_drain(rings, take, NULL);
}

static void records_come_cpu_by_cpu(void **state)
{
	(void)state;
	assert_int_equal(scope_perf_rings_count(rings), 2);
	assert_int_equal(drain(), 0);
	assert_int_equal(ngot, 0);
	assert_true(put(2, 7, 0) && put(0, 1, 3) && put(0, 2, 1280));
	assert_int_equal(drain(), 0);
	assert_int_equal(ngot, 3);
	assert_int_equal(got[0], 1);
	assert_int_equal(got[1], 2);
	assert_int_equal(got[2], 7);
	assert_int_equal(page[0]->data_tail, page[0]->data_head);
	assert_int_equal(drain(), 0);
	assert_int_equal(ngot, 3);
}

/* All go round the end many times, at every place of it. */
static void records_go_round(void **state)
{
	uint32_t seq = 0;

	(void)state;
	for (unsigned i = 0; i < 400; i++) {
		size_t before = ngot = 0;

		while (put(0, seq + (uint32_t)before, (i * 7 + (uint32_t)before) % 200))
			before++;
		assert_true(before > 30);
		assert_int_equal(drain(), 0);
		assert_int_equal(ngot, before);
		for (size_t k = 0; k < ngot; k++)
			assert_int_equal(got[k], seq + k);
		seq += (uint32_t)before;
	}
}

static void it_stops_where_it_is_told(void **state)
{
	(void)state;
	assert_true(put(0, 1, 1) && put(0, 2, 1) && put(2, 3, 1));
	ends_after = 1;
	assert_int_equal(drain(), -EAGAIN);
	assert_int_equal(ngot, 1);
	ends_after = SIZE_MAX;
	assert_int_equal(drain(), 0);
	assert_int_equal(ngot, 3);
	assert_int_equal(got[1], 2);
	assert_int_equal(got[2], 3);
}

/* What the kernel says about losses is counted elsewhere. */
static void others_are_left_out(void **state)
{
	struct perf_event_header h = { .type = PERF_RECORD_LOST, .size = 24 };

	(void)state;
	assert_true(put(0, 1, 2));
	put_bytes(0, page[0]->data_head, &h, sizeof(h));
	page[0]->data_head += h.size;
	assert_true(put(0, 2, 2));
	assert_int_equal(drain(), 0);
	assert_int_equal(ngot, 2);
}

static void what_is_no_record_is_not_believed(void **state)
{
	static const uint16_t sizes[] = { 0, 7, 2000 };
	struct perf_event_header h;
	uint32_t n;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		page[0]->data_head = page[0]->data_tail;
		assert_true(put(0, 1, 2));
		h = (struct perf_event_header){ .type = PERF_RECORD_SAMPLE,
						.size = sizes[i] };
		put_bytes(0, page[0]->data_tail, &h, sizeof(h));
		assert_int_equal(drain(), -EBADMSG);
	}
	/* A length beyond what there is; a record longer than that. */
	for (size_t i = 0; i < 2; i++) {
		page[0]->data_head = page[0]->data_tail;
		assert_true(put(0, 1, 2));
		n = 4000;
		put_bytes(0, page[0]->data_tail + (i ? 20 : 8), &n, sizeof(n));
		assert_int_equal(drain(), -EBADMSG);
	}
	assert_int_equal(ngot, 0);
}

/* -- rings ------------------------------------------------------------------------ */

static struct {
	int fd;
	uint8_t *mem; /* as the programs see it */
	struct scope_rings *rings;
} own[2];

static int setup_rings(void **state)
{
	int fd[2];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		const size_t size = SCOPE_RING_VALUE(BYTES);

		fd[i] = own[i].fd = memfd_create("ring", MFD_CLOEXEC);
		if (fd[i] < 0 || ftruncate(fd[i], (off_t)size) < 0)
			return -1;
		own[i].mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
				  MAP_SHARED, fd[i], 0);
		if (own[i].mem == MAP_FAILED)
			return -1;
	}
	ngot = 0;
	ends_after = SIZE_MAX;
	return scope_rings_new(fd, 2, BYTES, &own[0].rings, NULL);
}

static int teardown_rings(void **state)
{
	(void)state;
	scope_rings_free(own[0].rings);
	for (unsigned i = 0; i < 2; i++) {
		(void)munmap(own[i].mem, SCOPE_RING_VALUE(BYTES));
		(void)close(own[i].fd);
	}
	return 0;
}

static uint64_t *word_of(unsigned ring, size_t at)
{
	return (uint64_t *)(void *)(own[ring].mem + at);
}

/* As room_in_ring() and what follows it do (bpf/lib/emit.bpf.h), up to the
 * mark, which it returns with its place; 0: there is no room. */
static uint64_t begin_own(unsigned ring, uint32_t seq, uint32_t words,
			  uint64_t **ret_to)
{
	const struct scope_ring_reader *reader = (void *)own[ring].mem;
	struct scope_ring_writer *writer =
		(void *)(own[ring].mem + SCOPE_RING_PAGE);
	const uint32_t len = SCOPE_REC_BYTES + 8 * words;
	const uint64_t at = writer->produced;
	struct scope_rec rec = { .len = len,
				 .nwords = (uint16_t)words,
				 .tid = seq };
	uint64_t *to = word_of(ring, SCOPE_RING_DATA + (at & (BYTES - 1)));

	if (at - reader->consumed + SCOPE_RING_ROOM(len) > BYTES)
		return 0;
	writer->produced = at + SCOPE_RING_ROOM(len);
	memcpy(to + 1, &rec, sizeof(rec));
	for (uint32_t i = 0; i < words; i++)
		to[1 + SCOPE_REC_BYTES / 8 + i] = seq + i;
	*ret_to = to;
	return SCOPE_RING_MARK(len, at, reader->key);
}

static bool put_own(unsigned ring, uint32_t seq, uint32_t words)
{
	uint64_t *to, mark = begin_own(ring, seq, words, &to);

	if (mark)
		*to = mark;
	return mark != 0;
}

static int drain_own(void)
{
	return scope_rings_drain(own[0].rings, take, NULL);
}

static void records_come_ring_by_ring(void **state)
{
	(void)state;
	assert_int_equal(drain_own(), 0);
	assert_int_equal(ngot, 0);
	assert_true(put_own(1, 7, 0) && put_own(0, 1, 3) &&
		    put_own(0, 2, SCOPE_WORDS_MAX + SCOPE_SEGS_MAX));
	assert_int_equal(drain_own(), 0);
	assert_int_equal(ngot, 3);
	assert_int_equal(got[0], 1);
	assert_int_equal(got[1], 2);
	assert_int_equal(got[2], 7);
	assert_int_equal(*word_of(0, 0), *word_of(0, SCOPE_RING_PAGE));
	assert_int_equal(drain_own(), 0);
	assert_int_equal(ngot, 3);
}

/* All begin at every place of the ring, and end behind it. */
static void no_record_is_cut(void **state)
{
	uint32_t seq = 0;

	(void)state;
	for (unsigned i = 0; i < 400; i++) {
		size_t before = ngot = 0;

		while (put_own(0, seq + (uint32_t)before,
			       i % 9 ? (i * 7 + (uint32_t)before) % 200 : 1280))
			before++;
		assert_true(before >= 5);
		assert_int_equal(drain_own(), 0);
		assert_int_equal(ngot, before);
		for (size_t k = 0; k < ngot; k++)
			assert_int_equal(got[k], seq + k);
		seq += (uint32_t)before;
	}
}

/* Of two that write at once the second may be done first. */
static void what_is_being_written_is_waited_for(void **state)
{
	uint64_t *to, mark = begin_own(0, 1, 4, &to);

	(void)state;
	assert_true(put_own(0, 2, 0));
	assert_int_equal(drain_own(), 0);
	assert_int_equal(ngot, 0);
	*to = mark;
	assert_int_equal(drain_own(), 0);
	assert_int_equal(ngot, 2);
	assert_int_equal(got[0], 1);
	assert_int_equal(got[1], 2);
}

/* What is left of an earlier lap is no mark: not the mark of then, nor words
 * that a node chose without the key; nor is one with a length that none has. */
static void what_was_there_is_no_record(void **state)
{
	const uint64_t key = ((struct scope_ring_reader *)own[0].mem)->key;
	uint64_t *to, mark, at;

	(void)state;
	/* Some laps: the same places again. */
	for (unsigned i = 0; i < 1000; i++) {
		assert_true(put_own(0, i, 20));
		assert_int_equal(drain_own(), 0);
	}
	at = *word_of(0, SCOPE_RING_PAGE);
	mark = begin_own(0, 9, 20, &to);
	ngot = 0;
	for (unsigned i = 0; i < 5; i++) {
		const uint64_t wrong[] = {
			SCOPE_RING_MARK(SCOPE_REC_BYTES + 160, at - BYTES, key),
			SCOPE_RING_MARK(SCOPE_REC_BYTES + 160, at, key ^ 1),
			SCOPE_RING_MARK(SCOPE_REC_BYTES - 8, at, key),
			SCOPE_RING_MARK(SCOPE_REC_MAX + 8, at, key),
			0,
		};

		*to = wrong[i];
		assert_int_equal(drain_own(), 0);
		assert_int_equal(ngot, 0);
	}
	*to = mark;
	assert_int_equal(drain_own(), 0);
	assert_int_equal(ngot, 1);
}

static void it_stops_there_too(void **state)
{
	(void)state;
	assert_true(put_own(0, 1, 1) && put_own(0, 2, 1) && put_own(1, 3, 1));
	ends_after = 1;
	assert_int_equal(drain_own(), -EAGAIN);
	assert_int_equal(ngot, 1);
	ends_after = SIZE_MAX;
	assert_int_equal(drain_own(), 0);
	assert_int_equal(ngot, 3);
	assert_int_equal(got[2], 3);
}

/* -- where older records are overwritten ------------------------------------ */

static void again_overwriting(void)
{
	scope_perf_rings_free(rings);
	assert_int_equal(scope_perf_rings_new(fds, CPUS, BYTES, true, &rings,
					      NULL),
			 0);
}

/* As put(), from the end to the start, whatever is there. */
static void put_over(unsigned cpu, uint32_t seq, uint32_t words)
{
	uint64_t head = page[cpu]->data_head, tail = page[cpu]->data_tail;
	uint32_t size =
		(12 + (((SCOPE_REC_BYTES + 8 * words + 4 + 7) & ~7u) - 4));

	page[cpu]->data_tail = page[cpu]->data_head = head - size;
	assert_true(put(cpu, seq, words));
	page[cpu]->data_head = head - size;
	page[cpu]->data_tail = tail;
}

static void the_newest_are_read_oldest_first(void **state)
{
	(void)state;
	again_overwriting();
	assert_int_equal(drain(), 0);
	for (uint32_t i = 0; i < 10; i++)
		put_over(i % 2 ? 2 : 0, i, i * 20);
	assert_int_equal(drain(), 0);
	assert_int_equal(ngot, 10);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(got[i], i < 5 ? 2 * i : 2 * (i - 5) + 1);
	assert_int_equal(drain(), 0);
	assert_int_equal(ngot, 10);
	assert_true(scope_perf_rings_fill(rings) == 0);
}

/* As many as surely are there, in order, without a gap, up to the newest. */
static void what_was_overwritten_is_not_read(void **state)
{
	uint32_t seq = 0;

	(void)state;
	again_overwriting();
	for (unsigned round = 0; round < 200; round++) {
		unsigned n = 1 + round * 13 % 2000;

		for (unsigned i = 0; i < n; i++, seq++)
			put_over(0, seq, (round * 7 + i) % 50);
		ngot = 0;
		assert_int_equal(drain(), 0);
		assert_true(ngot > 0 && ngot <= n);
		if (n < 60)
			assert_int_equal(ngot, n);
		else
			assert_true(ngot > 50);
		for (size_t i = 0; i < ngot; i++)
			assert_int_equal(got[i], seq - ngot + i);
	}
}

static void it_goes_on_where_it_stopped(void **state)
{
	(void)state;
	again_overwriting();
	for (uint32_t i = 0; i < 10; i++)
		put_over(0, i, 3);
	ends_after = 4;
	assert_int_equal(drain(), -EAGAIN);
	assert_int_equal(ngot, 4);
	put_over(0, 10, 3);
	ends_after = SIZE_MAX;
	assert_int_equal(drain(), 0);
	assert_int_equal(ngot, 11);
	for (uint32_t i = 0; i < 11; i++)
		assert_int_equal(got[i], i);
}

static void how_full_they_are(void **state)
{
	(void)state;
	assert_true(scope_perf_rings_fill(rings) == 0);
	while (put(2, 1, 100))
		;
	assert_true(scope_perf_rings_fill(rings) > 0.95);
	assert_int_equal(drain(), 0);
	assert_true(scope_perf_rings_fill(rings) == 0);
}

static void what_cannot_be_mapped_is_said(void **state)
{
	struct scope_perf_rings *none = NULL;
	struct scope_rings *no_rings = NULL;
	struct scope_err err = { 0 };
	int pipes[2];

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	assert_true(scope_perf_rings_new(pipes, 1, BYTES, false, &none,
					 &err) < 0);
	assert_non_null(strstr(err.text, "--buffer"));
	err = (struct scope_err){ 0 };
	assert_true(scope_rings_new(pipes, 1, BYTES, &no_rings, &err) < 0);
	assert_non_null(strstr(err.text, "--buffer"));
	(void)close(pipes[0]);
	(void)close(pipes[1]);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
#define R(t) cmocka_unit_test_setup_teardown(t, setup_rings, teardown_rings)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rings_are_as_many_as_cpus),
		cmocka_unit_test(perf_buffers_are_one_each),
		T(records_come_cpu_by_cpu),
		T(records_go_round),
		T(it_stops_where_it_is_told),
		T(others_are_left_out),
		T(what_is_no_record_is_not_believed),
		R(records_come_ring_by_ring),
		R(no_record_is_cut),
		R(what_is_being_written_is_waited_for),
		R(what_was_there_is_no_record),
		R(it_stops_there_too),
		T(the_newest_are_read_oldest_first),
		T(what_was_overwritten_is_not_read),
		T(it_goes_on_where_it_stopped),
		T(how_full_they_are),
		cmocka_unit_test(what_cannot_be_mapped_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
