/* SPDX-License-Identifier: MIT */
/* Records of several rings against a model that sorts all that pends. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "fault.h"
#include "pipeline/order.h"

#define RINGS 4
#define ROUNDS 400
#define MS 1000000ull

static uint64_t seed;

static uint32_t rnd(uint32_t below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(seed >> 33) % below;
}

/* Batches that wait for use; those in use know what they hold. */
static struct scope_batch *idle[SCOPE_BATCHES];
static size_t nidle;
static unsigned given_back;

static void on_done(void *arg, struct scope_batch *b)
{
	(void)arg;
	assert_int_equal(b->live, 0);
	assert_true(nidle < SCOPE_BATCHES);
	for (size_t i = 0; i < nidle; i++)
		assert_ptr_not_equal(idle[i], b);
	/* Whoever still looks at a record of it sees this. */
	memset(b->data, 0xee, b->used);
	idle[nidle++] = b;
	given_back++;
}

static int make_batches(void **state)
{
	(void)state;
	nidle = given_back = 0;
	while (nidle < SCOPE_BATCHES) {
		idle[nidle] = calloc(1, sizeof(**idle));
		assert_non_null(idle[nidle]);
		nidle++;
	}
	return 0;
}

static int free_batches(void **state)
{
	(void)state;
	/* Every batch came back, once. */
	assert_int_equal(nidle, SCOPE_BATCHES);
	while (nidle)
		free(idle[--nidle]);
	return 0;
}

static struct scope_batch *take_batch(void)
{
	struct scope_batch *b;

	assert_true(nidle > 0);
	b = idle[--nidle];
	b->used = b->live = 0;
	b->safe_ns = 0;
	return b;
}

static struct scope_rec *put_rec(struct scope_batch *b, uint64_t ts,
				 uint64_t id, unsigned nwords, unsigned nsegs)
{
	struct scope_rec *rec = (struct scope_rec *)(b->data + b->used);
	uint32_t len = SCOPE_REC_BYTES + 8 * (nwords + nsegs);

	assert_true(b->used + len <= SCOPE_BATCH_BYTES);
	memset(rec, 0, len);
	rec->ts_ns = ts;
	rec->len = len;
	rec->nwords = (__u16)nwords;
	rec->nsegs = (__u16)nsegs;
	rec->kind = SCOPE_KIND_PROC_EXIT;
	rec->pid = id;
	b->used += len;
	return rec;
}

/* -- against a model ------------------------------------------------------- */

struct item {
	uint64_t ts, id; /* ids count up as they come in */
};

static struct item model[ROUNDS * 64];
static size_t nmodel;

static int by_time(const void *pa, const void *pb)
{
	const struct item *a = pa, *b = pb;

	if (a->ts != b->ts)
		return a->ts < b->ts ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

/* Records on their way: noted at ts, written at `at`. */
static struct item under_way[RINGS][ROUNDS * 16 + 16];
static uint64_t written_at[RINGS][ROUNDS * 16 + 16];
static size_t first[RINGS], end[RINGS];

static void produce(uint64_t from, uint64_t to, uint64_t delay_max)
{
	for (unsigned r = 0; r < RINGS; r++) {
		unsigned n = rnd(16);

		for (unsigned i = 0; i < n; i++) {
			size_t k = end[r]++;
			uint64_t ts = from + (to - from) * i / n;

			if (rnd(8) == 0)
				ts = from; /* equal times, and disorder */
			under_way[r][k].ts = ts;
			written_at[r][k] = ts + rnd((uint32_t)delay_max);
			/* A ring keeps the order of writing. */
			if (k > first[r] &&
			    written_at[r][k] < written_at[r][k - 1])
				written_at[r][k] = written_at[r][k - 1];
			if (delay_max <= SCOPE_ORDER_SLACK_NS &&
			    written_at[r][k] - ts > SCOPE_ORDER_SLACK_NS)
				under_way[r][k].ts = written_at[r][k] -
						     SCOPE_ORDER_SLACK_NS;
		}
	}
}

static void drain(struct scope_order *o, uint64_t now, uint64_t *id, bool last)
{
	struct scope_batch *b = take_batch();

	for (unsigned r = 0; r < RINGS; r++) {
		/* Each ring is read a little after the drain began. */
		uint64_t read_at = now + rnd(100000);

		while (first[r] < end[r] &&
		       (last || written_at[r][first[r]] <= read_at)) {
			struct item *it = &under_way[r][first[r]++];

			it->id = ++*id;
			model[nmodel++] = *it;
			(void)put_rec(b, it->ts, it->id, rnd(4), rnd(3));
		}
	}
	b->safe_ns = last ? UINT64_MAX : now;
	assert_int_equal(scope_order_add(o, b), 0);
}

/* Returns how many were late. */
static uint64_t run(uint64_t delay_max)
{
	scope_auto(scope_order) o = scope_order_new(on_done, NULL);
	uint64_t now = MS, id = 0, out = 0, late = 0, last_ts = 0, safe;
	const struct scope_rec *rec;

	assert_non_null(o);
	nmodel = 0;
	memset(first, 0, sizeof(first));
	memset(end, 0, sizeof(end));
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t next = now + MS / 2 + rnd(2 * MS);
		bool last = round == ROUNDS - 1;
		size_t n = 0;

		produce(now, next, delay_max);
		now = next;
		drain(o, now, &id, last);
		qsort(model, nmodel, sizeof(*model), by_time);
		safe = now > SCOPE_ORDER_SLACK_NS ? now - SCOPE_ORDER_SLACK_NS :
						    0;
		if (last)
			safe = UINT64_MAX;
		while ((rec = scope_order_next(o))) {
			assert_true(n < nmodel);
			assert_int_equal(rec->pid, model[n].id);
			assert_int_equal(rec->ts_ns, model[n].ts);
			assert_true(rec->ts_ns <= safe);
			late += rec->ts_ns < last_ts;
			if (rec->ts_ns > last_ts)
				last_ts = rec->ts_ns;
			n++;
		}
		assert_true(n == nmodel || model[n].ts > safe);
		memmove(model, model + n, (nmodel - n) * sizeof(*model));
		nmodel -= n;
		out += n;
	}
	assert_int_equal(out, id);
	assert_int_equal(nmodel, 0);
	assert_int_equal(scope_order_late(o), late);
	assert_int_equal(given_back, ROUNDS);
	given_back = 0;
	return late;
}

static void records_come_out_by_time(void **state)
{
	(void)state;
	for (seed = 1; seed < 20; seed++) {
		uint64_t s = seed;

		/* What is written within the slack is never late. */
		assert_int_equal(run(SCOPE_ORDER_SLACK_NS), 0);
		seed = s;
	}
}

static void what_is_late_comes_out_and_is_counted(void **state)
{
	uint64_t late = 0;

	(void)state;
	for (seed = 1; seed < 20; seed++) {
		uint64_t s = seed;

		late += run(20 * SCOPE_ORDER_SLACK_NS);
		seed = s;
	}
	assert_true(late > 0);
}

/* -- one at a time --------------------------------------------------------- */

static void a_record_is_there_until_the_next(void **state)
{
	scope_auto(scope_order) o = scope_order_new(on_done, NULL);
	struct scope_batch *b = take_batch();
	const struct scope_rec *rec;

	(void)state;
	(void)put_rec(b, 5, 1, 2, 1);
	b->safe_ns = UINT64_MAX;
	assert_int_equal(scope_order_add(o, b), 0);
	rec = scope_order_next(o);
	assert_non_null(rec);
	assert_int_equal(given_back, 0);
	assert_int_equal(rec->pid, 1);
	assert_null(scope_order_next(o));
	assert_int_equal(given_back, 1);
	assert_null(scope_order_next(o));
	assert_int_equal(given_back, 1);
}

static void an_empty_batch_comes_back_at_once(void **state)
{
	scope_auto(scope_order) o = scope_order_new(on_done, NULL);

	(void)state;
	assert_null(scope_order_next(o));
	assert_int_equal(scope_order_add(o, take_batch()), 0);
	assert_int_equal(given_back, 1);
	assert_null(scope_order_next(o));
}

/* The time up to which all was read never goes back. */
static void safe_times_only_rise(void **state)
{
	scope_auto(scope_order) o = scope_order_new(on_done, NULL);
	static const uint64_t safe[] = { 0, 20 * MS, 10 * MS, 0, 3 };
	unsigned out = 0;

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		struct scope_batch *b = take_batch();

		(void)put_rec(b, 12 * MS + i, i, 0, 0);
		b->safe_ns = safe[i];
		assert_int_equal(scope_order_add(o, b), 0);
		while (scope_order_next(o))
			out++;
		assert_int_equal(out, i ? i + 1 : 0);
	}
	assert_int_equal(given_back, 5);
}

/* All batches hold what is younger than the last whole drain: the reader has
 * none left, so no such drain can come before one is given back. */
static void full_up_the_oldest_are_let_out(void **state)
{
	scope_auto(scope_order) o = scope_order_new(on_done, NULL);
	const struct scope_rec *rec;
	unsigned out = 0;
	uint64_t last = 0;

	(void)state;
	for (unsigned i = 0; i < SCOPE_BATCHES; i++) {
		struct scope_batch *b = take_batch();

		assert_null(scope_order_next(o));
		(void)put_rec(b, 100 * MS - i, 1, 0, 0);
		(void)put_rec(b, 200 * MS - i, 2, 0, 0);
		assert_int_equal(scope_order_add(o, b), 0);
	}
	assert_int_equal(nidle, 0);
	while ((rec = scope_order_next(o))) {
		assert_true(rec->ts_ns > last);
		last = rec->ts_ns;
		out++;
	}
	assert_int_equal(nidle, 1);
	assert_int_equal(out, SCOPE_BATCHES + 1);
	assert_null(scope_order_next(o));
	for (unsigned i = 0; nidle && i < 2; i++) {
		struct scope_batch *b = take_batch();

		if (i)
			b->safe_ns = UINT64_MAX;
		(void)put_rec(b, 300 * MS, 3, 0, 0);
		assert_int_equal(scope_order_add(o, b), 0);
		while (scope_order_next(o))
			out++;
	}
	assert_int_equal(out, 2 * SCOPE_BATCHES + 2);
	assert_int_equal(scope_order_late(o), 0);
}

/* -- what is no record ----------------------------------------------------- */

static void every_prefix_is_refused(void **state)
{
	static const unsigned shapes[][2] = {
		{ 0, 0 }, { 1, 0 }, { 0, 1 }, { 3, 2 },
		{ SCOPE_WORDS_MAX, SCOPE_SEGS_MAX },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		size_t len = SCOPE_REC_BYTES +
			     8 * (shapes[i][0] + shapes[i][1]);
		struct scope_rec rec = {
			.len = (__u32)len,
			.nwords = (__u16)shapes[i][0],
			.nsegs = (__u16)shapes[i][1],
		};

		for (size_t n = 0; n < len + 16; n += 1 + n / 256) {
			/* Of the exact size, so that ASan sees the end. */
			char *copy = malloc(n ? n : 1);

			assert_non_null(copy);
			memcpy(copy, &rec, n < sizeof(rec) ? n : sizeof(rec));
			assert_int_equal(scope_rec_ok(copy, n), n >= len);
			free(copy);
		}
	}
}

static void every_length_must_agree(void **state)
{
	(void)state;
	seed = 3;
	for (unsigned i = 0; i < 200000; i++) {
		unsigned near = rnd(3), w = rnd(1100), s = rnd(300);
		uint32_t want = SCOPE_REC_BYTES + 8 * (w + s);
		uint32_t len = near == 0 ? want :
			       near == 1 ? want + rnd(17) - 8 :
					   rnd(UINT32_MAX);
		size_t have = rnd(2) ? SCOPE_REC_MAX : rnd(SCOPE_REC_MAX);
		struct scope_rec rec = {
			.len = len,
			.nwords = (__u16)w,
			.nsegs = (__u16)s,
		};
		bool ok = len == want && w <= 1024 && s <= 256 && have >= len;

		assert_int_equal(scope_rec_ok(&rec, have), ok);
	}
}

/* A batch whose last byte is the last of its page, with nothing mapped after
 * it. */
static struct scope_batch *guarded_batch(void **ret_map, size_t *ret_bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t body = offsetof(struct scope_batch, data) + SCOPE_BATCH_BYTES;
	size_t bytes = (body + page - 1) / page * page;
	char *p = mmap(NULL, bytes + page, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	assert_int_equal(mprotect(p + bytes, page, PROT_NONE), 0);
	*ret_map = p;
	*ret_bytes = bytes + page;
	return (struct scope_batch *)(p + bytes - body);
}

static unsigned guarded_back;

static void on_guarded(void *arg, struct scope_batch *b)
{
	(void)arg;
	(void)b;
	guarded_back++;
}

/* Fill a batch to its last byte and damage a record: those before it come
 * out, nothing behind it does, and nothing is read beyond the end. */
static void a_damaged_batch_keeps_what_precedes(void **state)
{
	size_t bytes;
	void *map;
	struct scope_batch *b = guarded_batch(&map, &bytes);

	(void)state;
	seed = 9;
	for (unsigned i = 0; i < 300; i++) {
		scope_auto(scope_order) o = scope_order_new(on_guarded, NULL);
		unsigned n = 0, bad, out = 0;
		uint32_t at[SCOPE_BATCH_BYTES / SCOPE_REC_BYTES + 1];
		struct scope_rec *rec;

		b->used = b->live = 0;
		while (SCOPE_BATCH_BYTES - b->used >= SCOPE_REC_BYTES) {
			size_t left = (SCOPE_BATCH_BYTES - b->used -
				       SCOPE_REC_BYTES) / 8;
			unsigned w = rnd(64);

			at[n] = b->used;
			/* The last one reaches the end. */
			if (left < 64 + SCOPE_REC_BYTES / 8)
				w = (unsigned)left;
			(void)put_rec(b, n, n, w, 0);
			n++;
		}
		assert_int_equal(b->used, SCOPE_BATCH_BYTES);
		bad = rnd(2) ? n - 1 : rnd(n);
		rec = (struct scope_rec *)(b->data + at[bad]);
		switch (rnd(5)) {
		case 0:
			rec->len = rnd(2) ? 0 : rec->len + 8 * (1 + rnd(9));
			break;
		case 1:
			rec->len = UINT32_MAX - rnd(8);
			break;
		case 2:
			rec->nwords = (__u16)(rec->nwords + 1 + rnd(60000));
			break;
		case 3:
			rec->nsegs = (__u16)(1 + rnd(65535));
			break;
		default: /* cut: the end is inside of it, even of its head */
			b->used = at[bad] + 1 + rnd(rec->len - 1);
		}
		b->safe_ns = UINT64_MAX;
		guarded_back = 0;
		assert_int_equal(scope_order_add(o, b), -EBADMSG);
		while (scope_order_next(o))
			out++;
		assert_int_equal(out, bad);
		assert_int_equal(guarded_back, 1);
	}
	assert_int_equal(munmap(map, bytes), 0);
}

/* What lies behind `used` is of an earlier use. */
static void nothing_behind_the_end_is_read(void **state)
{
	scope_auto(scope_order) o = scope_order_new(on_done, NULL);
	struct scope_batch *b = take_batch();
	unsigned out = 0;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		(void)put_rec(b, i, i, 3, 1);
	b->used = 40 * (SCOPE_REC_BYTES + 32);
	b->safe_ns = UINT64_MAX;
	assert_int_equal(scope_order_add(o, b), 0);
	while (scope_order_next(o))
		out++;
	assert_int_equal(out, 40);
}

/* -- memory ---------------------------------------------------------------- */

static int order_all(void)
{
	scope_auto(scope_order) o = scope_order_new(on_done, NULL);
	unsigned out = 0;
	int r = 0;

	if (!o)
		return -ENOMEM;
	for (unsigned i = 0; r == 0 && i < 8; i++) {
		struct scope_batch *b = take_batch();

		while (SCOPE_BATCH_BYTES - b->used >= SCOPE_REC_BYTES)
			(void)put_rec(b, i, i, 0, 0);
		b->safe_ns = 1;
		r = scope_order_add(o, b);
		if (r < 0) /* then it was not taken */
			idle[nidle++] = b;
	}
	if (r == 0) {
		struct scope_batch *b = take_batch();

		b->safe_ns = UINT64_MAX;
		r = scope_order_add(o, b);
		if (r < 0)
			idle[nidle++] = b;
	}
	fault_in = -1;
	while (r == 0 && scope_order_next(o))
		out++;
	if (r == 0)
		assert_int_equal(out,
				 8 * (SCOPE_BATCH_BYTES / SCOPE_REC_BYTES));
	return r;
}

static void every_allocation_may_fail(void **state)
{
	struct scope_batch *all[SCOPE_BATCHES];
	long n = 0;
	int r;

	(void)state;
	memcpy(all, idle, sizeof(all));
	do {
		/* What a failed order held is lost with it. */
		memcpy(idle, all, sizeof(all));
		nidle = SCOPE_BATCHES;
		fault_in = n++;
		r = order_all();
		fault_in = -1;
		assert_true(r == 0 || r == -ENOMEM);
	} while (r != 0);
	assert_true(n > 3);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, make_batches, free_batches)
	const struct CMUnitTest tests[] = {
		T(records_come_out_by_time),
		T(what_is_late_comes_out_and_is_counted),
		T(a_record_is_there_until_the_next),
		T(an_empty_batch_comes_back_at_once),
		T(safe_times_only_rise),
		T(full_up_the_oldest_are_let_out),
		T(every_prefix_is_refused),
		T(every_length_must_agree),
		T(a_damaged_batch_keeps_what_precedes),
		T(nothing_behind_the_end_is_read),
		T(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
