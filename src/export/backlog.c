/* SPDX-License-Identifier: MIT */
#include "export/backlog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RESERVE_BYTES (256u << 10)

/* Before each line; a line is in one piece, so that the end of the memory may
 * be left out. */
struct head {
	uint32_t len; /* of the line; SKIP: it goes on at the start */
	uint16_t kind;
	uint16_t keep;
};

#define SKIP UINT32_MAX

struct fifo {
	char *p; /* owned */
	size_t cap;
	uint64_t head, tail; /* bytes since the start; head >= tail */
	size_t lines;
};

struct scope_backlog {
	struct fifo lines;
	struct fifo kept; /* older than those: what they were dropped beside */
	size_t reserve;
	uint64_t dropped[SCOPE_KIND_MAX];
};

static size_t whole(size_t len)
{
	return sizeof(struct head) + ((len + 7) & ~(size_t)7);
}

/* Bytes that a line takes now, with what is left out of the end. */
static size_t takes(const struct fifo *f, size_t len)
{
	size_t at = (size_t)(f->head % f->cap), n = whole(len);

	return f->cap - at < n ? f->cap - at + n : n;
}

static bool has_room(const struct fifo *f, size_t len, size_t reserve)
{
	return f->head - f->tail + takes(f, len) + reserve <= f->cap;
}

static void push(struct fifo *f, const char *line, const struct head *h)
{
	size_t at = (size_t)(f->head % f->cap), n = whole(h->len);

	if (f->cap - at < n) {
		const struct head skip = { .len = SKIP };

		memcpy(f->p + at, &skip, sizeof(skip));
		f->head += f->cap - at;
		at = 0;
	}
	memcpy(f->p + at, h, sizeof(*h));
	memcpy(f->p + at + sizeof(*h), line, h->len);
	f->head += n;
	f->lines++;
}

static const char *front(const struct fifo *f, struct head *ret_head)
{
	size_t at = (size_t)(f->tail % f->cap);

	memcpy(ret_head, f->p + at, sizeof(*ret_head));
	if (ret_head->len == SKIP) {
		at = 0;
		memcpy(ret_head, f->p, sizeof(*ret_head));
	}
	return f->p + at + sizeof(*ret_head);
}

static void pop(struct fifo *f)
{
	size_t at = (size_t)(f->tail % f->cap);
	struct head h;

	memcpy(&h, f->p + at, sizeof(h));
	if (h.len == SKIP) {
		f->tail += f->cap - at;
		memcpy(&h, f->p, sizeof(h));
	}
	f->tail += whole(h.len);
	f->lines--;
	if (!f->lines) /* no end to leave out */
		f->head = f->tail = 0;
}

/* The oldest line goes; one to keep, out of the way. */
static void drop(struct scope_backlog *b)
{
	struct head h;
	const char *line = front(&b->lines, &h);

	if (h.keep && has_room(&b->kept, h.len, 0))
		push(&b->kept, line, &h);
	else
		b->dropped[h.kind % SCOPE_KIND_MAX]++;
	pop(&b->lines);
}

struct scope_backlog *scope_backlog_new(size_t cap)
{
	struct scope_backlog *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->lines.cap = cap & ~(size_t)7;
	b->reserve = cap / 4 < RESERVE_BYTES ? cap / 4 : RESERVE_BYTES;
	b->kept.cap = b->reserve & ~(size_t)7;
	b->lines.p = malloc(b->lines.cap);
	b->kept.p = malloc(b->kept.cap);
	if (b->lines.p && b->kept.p)
		return b;
	scope_backlog_free(b);
	return NULL;
}

void scope_backlog_free(struct scope_backlog *b)
{
	if (!b)
		return;
	free(b->lines.p);
	free(b->kept.p);
	free(b);
}

int scope_backlog_put(struct scope_backlog *b, const char *line, size_t len,
		      unsigned kind, bool keep)
{
	const struct head h = { (uint32_t)len, (uint16_t)kind, keep };
	const size_t reserve = keep ? 0 : b->reserve;

	/* The end may have to be left out as well. */
	if (2 * whole(len) + reserve > b->lines.cap)
		return -ENOBUFS;
	while (!has_room(&b->lines, len, reserve)) {
		/* What is younger does not go for what is to be kept. */
		if (keep && b->lines.lines == 0)
			return -ENOBUFS;
		drop(b);
	}
	push(&b->lines, line, &h);
	return 0;
}

static const struct fifo *oldest(const struct scope_backlog *b)
{
	return b->kept.lines ? &b->kept : &b->lines;
}

const char *scope_backlog_next(const struct scope_backlog *b, size_t *ret_len,
			       bool *ret_keep)
{
	const struct fifo *f = oldest(b);
	const char *line;
	struct head h;

	if (!f->lines)
		return NULL;
	line = front(f, &h);
	*ret_len = h.len;
	*ret_keep = h.keep;
	return line;
}

void scope_backlog_pop(struct scope_backlog *b)
{
	pop(b->kept.lines ? &b->kept : &b->lines);
}

size_t scope_backlog_lines(const struct scope_backlog *b)
{
	return b->lines.lines + b->kept.lines;
}

double scope_backlog_fill(const struct scope_backlog *b)
{
	return (double)(b->lines.head - b->lines.tail) / (double)b->lines.cap;
}

const uint64_t *scope_backlog_dropped(const struct scope_backlog *b)
{
	return b->dropped;
}
