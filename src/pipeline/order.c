/* SPDX-License-Identifier: MIT */
#include "pipeline/order.h"

#include <string.h>

struct entry {
	uint64_t ts;
	const struct scope_rec *rec;
	struct scope_batch *batch;
};

struct scope_order {
	void (*done)(void *arg, struct scope_batch *b);
	void *arg;
	struct entry *e, *tmp; /* owned, cap entries each */
	size_t head, n, cap;   /* e[head..n) are pending, by time */
	uint64_t safe;	       /* let out what is not younger */
	uint64_t last;	       /* time of the last one out */
	uint64_t late;
	size_t held;		 /* batches that are not yet done */
	struct scope_batch *out; /* batch of the record that is out */
};

bool scope_rec_ok(const void *data, size_t len)
{
	const struct scope_rec *rec = data;

	return len >= SCOPE_REC_BYTES && rec->len <= len &&
	       rec->nwords <= SCOPE_WORDS_MAX &&
	       rec->nsegs <= SCOPE_SEGS_MAX &&
	       rec->len == SCOPE_REC_BYTES +
				   8u * ((uint32_t)rec->nwords + rec->nsegs);
}

struct scope_order *scope_order_new(void (*done)(void *arg,
						 struct scope_batch *b),
				    void *arg)
{
	struct scope_order *o = calloc(1, sizeof(*o));

	if (o) {
		o->done = done;
		o->arg = arg;
	}
	return o;
}

void scope_order_free(struct scope_order *o)
{
	if (!o)
		return;
	free(o->e);
	free(o->tmp);
	free(o);
}

static int reserve(struct scope_order *o, size_t more)
{
	size_t cap = o->cap ? o->cap : 4096;
	struct entry *e;

	if (o->head) {
		memmove(o->e, o->e + o->head,
			(o->n - o->head) * sizeof(*o->e));
		o->n -= o->head;
		o->head = 0;
	}
	while (cap < o->n + more)
		cap *= 2;
	if (cap == o->cap)
		return 0;
	e = realloc(o->e, cap * sizeof(*e));
	if (!e)
		return -ENOMEM;
	o->e = e;
	e = realloc(o->tmp, cap * sizeof(*e));
	if (!e)
		return -ENOMEM;
	o->tmp = e;
	o->cap = cap;
	return 0;
}

/* Merge the sorted e[a..m) and e[m..b); equal times keep their order. */
static void merge(struct scope_order *o, size_t a, size_t m, size_t b)
{
	size_t i = 0, j = m, k = a, left;

	/* Most of the first part is in place already. */
	while (a < m && o->e[a].ts <= o->e[m].ts)
		a++;
	k = a;
	left = m - a;
	memcpy(o->tmp, o->e + a, left * sizeof(*o->e));
	while (i < left && j < b)
		o->e[k++] = o->tmp[i].ts <= o->e[j].ts ? o->tmp[i++] :
							 o->e[j++];
	memcpy(o->e + k, o->tmp + i, (left - i) * sizeof(*o->e));
}

/* Sort e[a..n) by its natural runs, then merge them into what pends. A drain
 * reads ring by ring, so there are few. */
static void sort_new(struct scope_order *o, size_t a)
{
	size_t end = a;

	while (end < o->n) {
		size_t m = end++;

		while (end < o->n && o->e[end].ts >= o->e[end - 1].ts)
			end++;
		if (m > a)
			merge(o, a, m, end);
	}
	if (a > o->head && a < o->n)
		merge(o, o->head, a, o->n);
}

static void give_back(struct scope_order *o, struct scope_batch *b)
{
	o->held--;
	o->done(o->arg, b);
}

int scope_order_add(struct scope_order *o, struct scope_batch *b)
{
	size_t at = 0, start;
	int r = reserve(o, SCOPE_BATCH_BYTES / SCOPE_REC_BYTES + 1);

	if (r < 0)
		return r;
	o->held++;
	start = o->n;
	while (at < b->used) {
		const void *p = b->data + at;

		if (!scope_rec_ok(p, b->used - at)) {
			r = -EBADMSG;
			break;
		}
		o->e[o->n++] = (struct entry){
			.ts = ((const struct scope_rec *)p)->ts_ns,
			.rec = p,
			.batch = b,
		};
		b->live++;
		at += (((const struct scope_rec *)p)->len + 7) & ~7u;
	}
	sort_new(o, start);
	if (b->safe_ns == UINT64_MAX)
		o->safe = UINT64_MAX;
	else if (b->safe_ns > SCOPE_ORDER_SLACK_NS &&
		 b->safe_ns - SCOPE_ORDER_SLACK_NS > o->safe)
		o->safe = b->safe_ns - SCOPE_ORDER_SLACK_NS;
	if (!b->live)
		give_back(o, b);
	return r;
}

const struct scope_rec *scope_order_next(struct scope_order *o)
{
	struct entry *e;

	if (o->out && --o->out->live == 0)
		give_back(o, o->out);
	o->out = NULL;
	if (o->head == o->n)
		return NULL;
	/* While all batches are here, no drain can come to its end. */
	if (o->e[o->head].ts > o->safe && o->held < SCOPE_BATCHES)
		return NULL;
	e = &o->e[o->head++];
	if (e->ts < o->last)
		o->late++;
	else
		o->last = e->ts;
	o->out = e->batch;
	return e->rec;
}

uint64_t scope_order_late(const struct scope_order *o)
{
	return o->late;
}
