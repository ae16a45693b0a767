/* SPDX-License-Identifier: MIT */
/* The reader thread over a probe that is made here: rings filled by a thread
 * of the test, and counters of what did not fit. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fault.h"
#include "pipeline/order.h"
#include "pipeline/reader.h"

#define RINGS 3
#define CPUS 4
#define DEADLINE_MS 30000u

/* What is in a ring: lengths only, the records are made when they are read. */
struct slot {
	uint64_t ts;
	uint32_t seq;
	uint16_t nwords;
};

struct fake_ring {
	struct slot *slot; /* cap of them, used round */
	size_t cap, head, n;
	uint32_t seq; /* of the next one */
};

struct scope_probe {
	pthread_mutex_t lock;
	struct fake_ring ring[RINGS];
	struct scope_counters counters[CPUS];
	uint64_t pushed, dropped;
	bool overwrites; /* the oldest, when there is no room */
	uint32_t keep;	 /* the share, as it was set last */
	double fill;
	bool ended, detached;
	unsigned drains_after;
	uint64_t open_ns;   /* a call under way */
	uint32_t last_gift; /* records pushed while detaching */
};

static struct scope_probe fake;
static int stop_fd, pidfd, probe_fd = -1;

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Into a ring, or counted as lost like the kernel side does. */
static bool push(unsigned r, unsigned nwords)
{
	struct fake_ring *ring = &fake.ring[r];
	struct scope_counters *c = &fake.counters[r % CPUS];
	bool fits;

	(void)pthread_mutex_lock(&fake.lock);
	if (fake.overwrites && ring->n == ring->cap) {
		ring->head = (ring->head + 1) % ring->cap;
		ring->n--;
	}
	fits = ring->n < ring->cap;
	if (fits)
		__atomic_fetch_add(&c->written[SCOPE_KIND_MSG_SEND], 1,
				   __ATOMIC_RELAXED);
	__atomic_fetch_add(&c->emitted[SCOPE_KIND_MSG_SEND], 1,
			   __ATOMIC_RELAXED);
	fake.pushed++;
	if (fits) {
		ring->slot[(ring->head + ring->n++) % ring->cap] =
			(struct slot){ now_ns(), ring->seq++,
				       (uint16_t)nwords };
	} else {
		__atomic_fetch_add(
			&c->lost[SCOPE_LOSS_RING][SCOPE_KIND_MSG_SEND], 1,
			__ATOMIC_RELAXED);
		fake.dropped++;
	}
	(void)pthread_mutex_unlock(&fake.lock);
	return fits;
}

int scope_probe_drain(struct scope_probe *p,
		      int (*fn)(void *arg, const void *data, size_t len),
		      void *arg)
{
	static _Thread_local uint64_t bytes[SCOPE_REC_MAX / 8];
	struct scope_rec *rec = (struct scope_rec *)bytes;

	(void)pthread_mutex_lock(&p->lock);
	p->drains_after += p->detached;
	for (unsigned r = 0; r < RINGS; r++) {
		struct fake_ring *ring = &p->ring[r];

		while (ring->n) {
			struct slot s = ring->slot[ring->head];
			int rc;

			ring->head = (ring->head + 1) % ring->cap;
			ring->n--;
			(void)pthread_mutex_unlock(&p->lock);
			*rec = (struct scope_rec){
				.ts_ns = s.ts,
				.len = SCOPE_REC_BYTES + 8u * s.nwords,
				.kind = SCOPE_KIND_MSG_SEND,
				.cpu = (__u16)r,
				.nwords = s.nwords,
				.pid = s.seq,
			};
			for (unsigned i = 0; i < s.nwords; i++)
				bytes[SCOPE_REC_BYTES / 8 + i] = s.seq + i;
			rc = fn(arg, rec, rec->len);
			(void)pthread_mutex_lock(&p->lock);
			if (rc < 0) {
				(void)pthread_mutex_unlock(&p->lock);
				return rc;
			}
		}
	}
	(void)pthread_mutex_unlock(&p->lock);
	return 0;
}

int scope_probe_fd(const struct scope_probe *p)
{
	(void)p;
	return probe_fd;
}

unsigned scope_probe_cpus(const struct scope_probe *p)
{
	(void)p;
	return CPUS;
}

const struct scope_counters *scope_probe_counters(const struct scope_probe *p,
						  unsigned cpu)
{
	return cpu < CPUS ? &p->counters[cpu] : NULL;
}

void scope_probe_keep(struct scope_probe *p, double share)
{
	__atomic_store_n(&p->keep, (uint32_t)(share * SCOPE_MILLION),
			 __ATOMIC_RELAXED);
}

double scope_probe_fill(const struct scope_probe *p)
{
	double fill;

	(void)pthread_mutex_lock((pthread_mutex_t *)(uintptr_t)&p->lock);
	fill = p->fill;
	(void)pthread_mutex_unlock((pthread_mutex_t *)(uintptr_t)&p->lock);
	return fill;
}

int scope_probe_switch(struct scope_probe *p, enum scope_group group, bool on,
		       struct scope_err *err)
{
	(void)p;
	(void)group;
	(void)on;
	return scope_fail(err, -ENOTSUP, "nothing is attached");
}

scope_kindset scope_probe_group_kinds(const struct scope_probe *p,
				      enum scope_group group)
{
	(void)p;
	(void)group;
	return 0;
}

uint64_t scope_probe_cost(const struct scope_probe *p, enum scope_group group)
{
	(void)p;
	(void)group;
	return 0;
}

uint64_t scope_probe_safe(const struct scope_probe *p, uint64_t now)
{
	uint64_t open = __atomic_load_n(&p->open_ns, __ATOMIC_ACQUIRE);

	return open && open < now ? open : now;
}

void scope_probe_end(struct scope_probe *p)
{
	(void)pthread_mutex_lock(&p->lock);
	p->ended = true;
	(void)pthread_mutex_unlock(&p->lock);
}

void scope_probe_detach(struct scope_probe *p)
{
	/* Until the probes are off, records come. */
	for (uint32_t i = 0; i < p->last_gift; i++)
		(void)push(i % RINGS, 5);
	(void)pthread_mutex_lock(&p->lock);
	p->detached = p->ended;
	(void)pthread_mutex_unlock(&p->lock);
}

static int make_probe(size_t cap)
{
	memset(&fake, 0, sizeof(fake));
	(void)pthread_mutex_init(&fake.lock, NULL);
	for (unsigned r = 0; r < RINGS; r++) {
		fake.ring[r].slot = calloc(cap, sizeof(*fake.ring[r].slot));
		if (!fake.ring[r].slot)
			return -1;
		fake.ring[r].cap = cap;
	}
	stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pidfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return stop_fd < 0 || pidfd < 0 ? -1 : 0;
}

static int make_small(void **state)
{
	(void)state;
	return make_probe(512);
}

static int make_medium(void **state)
{
	(void)state;
	return make_probe(1u << 13);
}

static int make_large(void **state)
{
	(void)state;
	return make_probe(1u << 17);
}

static int free_probe(void **state)
{
	(void)state;
	for (unsigned r = 0; r < RINGS; r++)
		free(fake.ring[r].slot);
	(void)pthread_mutex_destroy(&fake.lock);
	(void)close(stop_fd);
	(void)close(pidfd);
	return 0;
}

static void signal_fd(int fd)
{
	uint64_t one = 1;

	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
}

/* -- what came out --------------------------------------------------------- */

static struct {
	uint32_t seq[RINGS]; /* of the next one */
	uint64_t n, lost[CPUS], safe_ns, bytes;
	uint64_t causes[SCOPE_LOSS_MAX];
	uint64_t share, whys[SCOPE_SHED_WHYS]; /* of overflow records */
	uint64_t since[CPUS];
	unsigned batches, lasts;
	bool node_ended, cut_off;
} got;

static void take_rec(const struct scope_rec *rec)
{
	const uint64_t *words = (const uint64_t *)(rec + 1);

	if (rec->kind == SCOPE_KIND_OVERFLOW) {
		assert_in_range(rec->a[1], 0, SCOPE_SHED_WHYS - 1);
		got.share = rec->a[0];
		got.whys[rec->a[1]]++;
		return;
	}
	if (rec->kind == SCOPE_KIND_LOSS && fake.overwrites) {
		/* Also of one whose batch was emptied. */
		assert_true(rec->ts_ns >= got.safe_ns);
		assert_true(rec->a[4] <= rec->ts_ns);
		assert_int_equal(rec->a[0], SCOPE_KIND_MSG_SEND);
		got.causes[rec->a[1]] += rec->a[2];
		return;
	}
	/* What the last whole drain promised. */
	assert_true(rec->ts_ns >= got.safe_ns);
	if (rec->kind == SCOPE_KIND_LOSS) {
		assert_in_range(rec->cpu, 0, CPUS - 1);
		assert_int_equal(rec->a[0], SCOPE_KIND_MSG_SEND);
		assert_int_equal(rec->a[1], SCOPE_LOSS_RING);
		assert_true(rec->a[2] > 0);
		assert_true(rec->ts_ns <= rec->a[3]);
		assert_true(rec->ts_ns >= got.since[rec->cpu]);
		got.since[rec->cpu] = rec->ts_ns;
		got.lost[rec->cpu] += rec->a[2];
		return;
	}
	assert_int_equal(rec->kind, SCOPE_KIND_MSG_SEND);
	assert_in_range(rec->cpu, 0, RINGS - 1);
	if (fake.overwrites) /* in order, with gaps */
		assert_true(rec->pid >= got.seq[rec->cpu]);
	else
		assert_int_equal(rec->pid, got.seq[rec->cpu]);
	got.seq[rec->cpu] = (uint32_t)rec->pid + 1;
	got.n++;
	for (unsigned i = 0; i < rec->nwords; i++)
		assert_int_equal(words[i], rec->pid + i);
}

static void take_batch(const struct scope_batch *b)
{
	size_t at = 0;

	assert_int_equal(got.lasts, 0);
	assert_int_equal(b->live, 0);
	while (at < b->used) {
		const struct scope_rec *rec =
			(const struct scope_rec *)(b->data + at);

		assert_true(scope_rec_ok(rec, b->used - at));
		take_rec(rec);
		at += rec->len;
	}
	assert_int_equal(at, b->used);
	if (b->safe_ns && b->safe_ns != UINT64_MAX) {
		assert_true(b->safe_ns >= got.safe_ns);
		got.safe_ns = b->safe_ns;
	}
	got.bytes += b->used;
	got.batches++;
	got.lasts += b->last;
	got.node_ended |= b->node_ended;
	got.cut_off |= b->cut_off;
	if (b->last)
		assert_true(b->safe_ns == UINT64_MAX);
	else
		assert_false(b->node_ended || b->cut_off);
}

static void take_until_last(struct scope_reader *r)
{
	uint64_t end = now_ns() + DEADLINE_MS * 1000000ull;

	while (!got.lasts) {
		struct scope_batch *b = scope_reader_get(r, 100);

		assert_true(now_ns() < end);
		if (!b)
			continue;
		take_batch(b);
		scope_reader_put(r, b);
	}
}

/* All that was pushed came out, or is told as lost. */
static void check_all(void)
{
	uint64_t lost = 0;

	for (unsigned r = 0; r < RINGS; r++) {
		assert_int_equal(fake.ring[r].n, 0);
		assert_int_equal(got.seq[r], fake.ring[r].seq);
	}
	for (unsigned c = 0; c < CPUS; c++) {
		assert_int_equal(
			got.lost[c],
			fake.counters[c]
				.lost[SCOPE_LOSS_RING][SCOPE_KIND_MSG_SEND]);
		lost += got.lost[c];
	}
	assert_int_equal(lost, fake.dropped);
	assert_int_equal(got.n + lost, fake.pushed);
	assert_int_equal(got.lasts, 1);
	assert_true(fake.ended && fake.detached);
	assert_true(fake.drains_after > 0);
}

static struct scope_reader *start_with(enum scope_overflow overflow)
{
	const struct scope_reader_opts opts = { .stop_fd = stop_fd,
						.pidfd = pidfd,
						.overflow = overflow,
						.share = 1 };
	struct scope_reader *r = NULL;
	struct scope_err err = { 0 };

	memset(&got, 0, sizeof(got));
	fake.overwrites = overflow == SCOPE_DROP_OLDEST;
	assert_int_equal(scope_reader_new(&fake, &opts, &r, &err), 0);
	return r;
}

static struct scope_reader *start(void)
{
	return start_with(SCOPE_DROP_NEWEST);
}

/* -- tests ----------------------------------------------------------------- */

/* Pushes *arg records, fast; what does not fit is lost. */
static void *produce(void *arg)
{
	uint32_t n = *(uint32_t *)arg, x = 1;

	for (uint32_t i = 0; i < n; i++) {
		x = x * 1664525u + 1013904223u;
		(void)push((x >> 16) % RINGS, (x >> 8) % 40);
	}
	return NULL;
}

static void nothing_is_lost_or_reordered(void **state)
{
	scope_auto(scope_reader) r = start();
	uint32_t n = 200000;
	pthread_t producer;

	(void)state;
	assert_int_equal(pthread_create(&producer, NULL, produce, &n), 0);
	/* Take some while it runs, then stop, and take the rest. */
	for (unsigned i = 0; i < 50; i++) {
		struct scope_batch *b = scope_reader_get(r, 100);

		if (!b)
			continue;
		take_batch(b);
		scope_reader_put(r, b);
	}
	assert_int_equal(pthread_join(producer, NULL), 0);
	signal_fd(stop_fd);
	take_until_last(r);
	check_all();
	assert_true(got.n > 0);
	assert_false(got.node_ended);
	assert_false(got.cut_off);
	/* Nothing follows the last. */
	assert_null(scope_reader_get(r, 30));
}

static void losses_are_told_to_the_last_one(void **state)
{
	scope_auto(scope_reader) r = NULL;
	uint32_t n = 5000;

	(void)state;
	/* More than there is room for, before the start and at the end. */
	(void)produce(&n);
	assert_true(fake.dropped > 0);
	fake.last_gift = 4000;
	r = start();
	signal_fd(stop_fd);
	take_until_last(r);
	check_all();
}

static void the_end_of_the_node_is_told(void **state)
{
	scope_auto(scope_reader) r = NULL;

	(void)state;
	fake.last_gift = 7;
	r = start();
	signal_fd(pidfd);
	take_until_last(r);
	check_all();
	assert_int_equal(got.n, 7);
	assert_true(got.node_ended);
}

/* What the process that held the probes has written until it ended comes. */
static void the_loss_of_the_probes_is_told(void **state)
{
	scope_auto(scope_reader) r = NULL;
	uint32_t n = 20;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	probe_fd = fds[0];
	/* An answer that another thread waits for is none. */
	assert_int_equal(write(fds[1], "x", 1), 1);
	r = start();
	(void)produce(&n);
	while (got.n < fake.pushed) {
		struct scope_batch *b = scope_reader_get(r, DEADLINE_MS);

		assert_non_null(b);
		take_batch(b);
		scope_reader_put(r, b);
		assert_int_equal(got.lasts, 0);
	}
	assert_int_equal(close(fds[1]), 0);
	take_until_last(r);
	check_all();
	assert_true(got.cut_off);
	assert_false(got.node_ended);
	assert_int_equal(close(fds[0]), 0);
	probe_fd = -1;
}

/* While a call is under way, no batch says that all since its entry was read. */
static void calls_under_way_are_waited_for(void **state)
{
	scope_auto(scope_reader) r = NULL;
	uint64_t open = now_ns();
	uint32_t n = 20;

	(void)state;
	fake.open_ns = open;
	r = start();
	(void)produce(&n);
	while (got.n < fake.pushed) {
		struct scope_batch *b = scope_reader_get(r, DEADLINE_MS);

		assert_non_null(b);
		assert_true(b->safe_ns <= open);
		take_batch(b);
		scope_reader_put(r, b);
	}
	__atomic_store_n(&fake.open_ns, 0, __ATOMIC_RELEASE);
	while (got.safe_ns <= open) {
		struct scope_batch *b = scope_reader_get(r, DEADLINE_MS);

		assert_non_null(b);
		take_batch(b);
		scope_reader_put(r, b);
	}
	signal_fd(stop_fd);
	take_until_last(r);
	check_all();
}

static void a_stop_before_anything_ends_it(void **state)
{
	scope_auto(scope_reader) r = NULL;

	(void)state;
	signal_fd(stop_fd);
	r = start();
	take_until_last(r);
	check_all();
	assert_int_equal(got.n, 0);
}

/* Take every batch there is and give none back. */
static size_t starve(struct scope_reader *r, struct scope_batch **held)
{
	uint64_t end = now_ns() + DEADLINE_MS * 1000000ull;
	size_t n = 0;

	while (n < SCOPE_BATCHES) {
		assert_true(now_ns() < end);
		held[n] = scope_reader_get(r, 100);
		n += held[n] != NULL;
	}
	assert_null(scope_reader_get(r, 30));
	return n;
}

/* More than all batches hold. */
static void fill(void)
{
	for (unsigned i = 0; i < 3000; i++)
		assert_true(push(i % RINGS, SCOPE_WORDS_MAX));
}

static void it_recovers_from_want_of_batches(void **state)
{
	scope_auto(scope_reader) r = NULL;
	struct scope_batch *held[SCOPE_BATCHES];
	size_t n;

	(void)state;
	fake.last_gift = 10;
	r = start();
	fill();
	n = starve(r, held);
	for (size_t i = 0; i < n; i++) {
		take_batch(held[i]);
		scope_reader_put(r, held[i]);
	}
	signal_fd(stop_fd);
	take_until_last(r);
	check_all();
	assert_int_equal(got.n, 3010);
}

static void a_stop_while_starved_still_ends_it(void **state)
{
	scope_auto(scope_reader) r = start();
	struct scope_batch *held[SCOPE_BATCHES];
	size_t n;

	(void)state;
	fill();
	n = starve(r, held);
	signal_fd(stop_fd);
	assert_null(scope_reader_get(r, 30));
	for (size_t i = 0; i < n; i++) {
		take_batch(held[i]);
		scope_reader_put(r, held[i]);
	}
	take_until_last(r);
	check_all();
	assert_int_equal(got.n, 3000);
}

/* Freed with all of its batches out, and without. */
static void it_can_be_freed_at_any_time(void **state)
{
	struct scope_batch *held[SCOPE_BATCHES];
	struct scope_reader *r = start();

	(void)state;
	scope_reader_free(r);
	fake.ended = fake.detached = false;
	r = start();
	fill();
	(void)starve(r, held);
	scope_reader_free(r);
	scope_reader_free(NULL);
}

/* -- with order ------------------------------------------------------------ */

static void put_back(void *arg, struct scope_batch *b)
{
	scope_reader_put(arg, b);
}

/* One drain that fills all batches: none of them says up to when all was
 * read, and the reader has no more. It must go on all the same. */
static void a_drain_of_more_than_all_batches_ends(void **state)
{
	scope_auto(scope_reader) r = NULL;
	scope_auto(scope_order) o = NULL;
	uint64_t end, last = 0, out = 0, late = 0;
	bool is_last = false;

	(void)state;
	/* There before the first tick, so it is one drain. */
	fill();
	r = start();
	o = scope_order_new(put_back, r);
	assert_non_null(o);
	end = now_ns() + DEADLINE_MS * 1000000ull;
	while (!is_last) {
		struct scope_batch *b = scope_reader_get(r, 100);
		const struct scope_rec *rec;

		assert_true(now_ns() < end);
		if (!b)
			continue;
		is_last = b->last;
		assert_int_equal(scope_order_add(o, b), 0);
		while ((rec = scope_order_next(o))) {
			late += rec->ts_ns < last;
			if (rec->ts_ns > last)
				last = rec->ts_ns;
			if (out++ == 2000)
				signal_fd(stop_fd);
		}
	}
	assert_int_equal(out, 3000);
	assert_int_equal(scope_order_late(o), late);
}

/* Records that are put at once when they happen are never late. */
static void in_order_of_time(void **state)
{
	scope_auto(scope_reader) r = start();
	scope_auto(scope_order) o = scope_order_new(put_back, r);
	uint64_t last = 0, out = 0;
	uint32_t n = 40000; /* less than all batches hold */
	bool is_last = false;
	pthread_t producer;

	(void)state;
	assert_non_null(o);
	assert_int_equal(pthread_create(&producer, NULL, produce, &n), 0);
	while (!is_last) {
		struct scope_batch *b = scope_reader_get(r, 100);
		const struct scope_rec *rec;

		if (!b)
			continue;
		is_last = b->last;
		assert_int_equal(scope_order_add(o, b), 0);
		while ((rec = scope_order_next(o))) {
			assert_true(rec->ts_ns >= last);
			last = rec->ts_ns;
			out += rec->kind != SCOPE_KIND_LOSS;
			if (out == 1000)
				signal_fd(stop_fd);
		}
	}
	assert_int_equal(pthread_join(producer, NULL), 0);
	assert_int_equal(scope_order_late(o), 0);
	assert_in_range(out, 1000, n);
}

/* Nothing is in the rings any more. */
static void wait_until_read(void)
{
	const struct timespec step = { .tv_nsec = 200000 };
	uint64_t end = now_ns() + DEADLINE_MS * 1000000ull;
	bool is_empty = false;

	while (!is_empty) {
		assert_true(now_ns() < end);
		(void)nanosleep(&step, NULL);
		(void)pthread_mutex_lock(&fake.lock);
		is_empty = !fake.ring[0].n && !fake.ring[1].n &&
			   !fake.ring[2].n;
		(void)pthread_mutex_unlock(&fake.lock);
	}
}

/* The rings overwrite, and batches that nobody takes are emptied: what is left
 * are the newest, and the sum is right. */
static void the_newest_stay(void **state)
{
	scope_auto(scope_reader) r = start_with(SCOPE_DROP_OLDEST);
	uint32_t n = 400000;

	(void)state;
	for (uint32_t i = 0; i < n; i++) {
		(void)push(i % RINGS, 1);
		if (i % 600 == 599)
			wait_until_read();
	}
	wait_until_read();
	signal_fd(stop_fd);
	take_until_last(r);
	for (unsigned i = 0; i < RINGS; i++)
		assert_int_equal(got.seq[i], fake.ring[i].seq);
	assert_true(got.causes[SCOPE_LOSS_QUEUE] > 0);
	assert_int_equal(got.n + got.causes[SCOPE_LOSS_QUEUE] +
				 got.causes[SCOPE_LOSS_OVERWRITTEN],
			 n);
	assert_int_equal(got.causes[SCOPE_LOSS_RING], 0);
}

static void what_is_overwritten_is_counted(void **state)
{
	scope_auto(scope_reader) r = NULL;

	(void)state;
	fake.overwrites = true;
	/* Before anybody looks. */
	for (unsigned i = 0; i < 5000; i++)
		(void)push(i % RINGS, 1);
	r = start_with(SCOPE_DROP_OLDEST);
	signal_fd(stop_fd);
	take_until_last(r);
	assert_int_equal(got.n, RINGS * 512);
	assert_int_equal(got.causes[SCOPE_LOSS_OVERWRITTEN],
			 5000 - RINGS * 512);
	assert_int_equal(got.causes[SCOPE_LOSS_QUEUE], 0);
}

static void set_fill(double fill)
{
	(void)pthread_mutex_lock(&fake.lock);
	fake.fill = fill;
	(void)pthread_mutex_unlock(&fake.lock);
}

static void take_until_share(struct scope_reader *r, uint64_t share)
{
	uint64_t end = now_ns() + DEADLINE_MS * 1000000ull;

	while (got.share != share) {
		struct scope_batch *b = scope_reader_get(r, 100);

		assert_true(now_ns() < end);
		if (!b)
			continue;
		take_batch(b);
		scope_reader_put(r, b);
	}
	assert_in_range(__atomic_load_n(&fake.keep, __ATOMIC_RELAXED),
			share - 1, share + 1);
}

/* The share falls by the kernel's buffers and by the output, and rises. */
static void less_is_kept_when_it_is_too_much(void **state)
{
	scope_auto(scope_reader) r = NULL;

	(void)state;
	fake.counters[1].sampled[SCOPE_KIND_MSG_SEND] = 5;
	r = start_with(SCOPE_SHED);
	set_fill(0.9);
	take_until_share(r, 250000);
	set_fill(0);
	assert_int_equal(got.whys[SCOPE_SHED_KERNEL], 2);
	take_until_share(r, SCOPE_MILLION);
	assert_int_equal(got.whys[SCOPE_SHED_ROOM], 2);
	scope_reader_set_output(r, 0.7);
	take_until_share(r, 500000);
	assert_int_equal(got.whys[SCOPE_SHED_OUTPUT], 1);
	signal_fd(stop_fd);
	take_until_last(r);
}

static void want_of_memory_is_told(void **state)
{
	const struct scope_reader_opts opts = { .stop_fd = stop_fd,
						.pidfd = pidfd,
						.overflow = SCOPE_DROP_OLDEST };
	struct scope_reader *r = NULL;
	struct scope_err err;
	int rc;

	(void)state;
	for (long n = 0; n < 5; n++) {
		err = (struct scope_err){ 0 };
		fault_in = n;
		rc = scope_reader_new(&fake, &opts, &r, &err);
		fault_in = -1;
		assert_int_equal(rc, -ENOMEM);
		assert_null(r);
		assert_string_equal(err.text, "out of memory");
	}
}

int main(void)
{
#define T(t, make) cmocka_unit_test_setup_teardown(t, make, free_probe)
	const struct CMUnitTest tests[] = {
		T(nothing_is_lost_or_reordered, make_small),
		T(losses_are_told_to_the_last_one, make_small),
		T(the_end_of_the_node_is_told, make_small),
		T(the_loss_of_the_probes_is_told, make_small),
		T(a_stop_before_anything_ends_it, make_small),
		T(calls_under_way_are_waited_for, make_small),
		T(it_recovers_from_want_of_batches, make_large),
		T(a_stop_while_starved_still_ends_it, make_large),
		T(it_can_be_freed_at_any_time, make_large),
		T(a_drain_of_more_than_all_batches_ends, make_large),
		T(in_order_of_time, make_large),
		T(the_newest_stay, make_medium),
		T(what_is_overwritten_is_counted, make_small),
		T(less_is_kept_when_it_is_too_much, make_small),
		T(want_of_memory_is_told, make_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
