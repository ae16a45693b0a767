/* SPDX-License-Identifier: MIT */
/*
 * pprof's profile.proto, in gzip, as `go tool pprof` and others read it. Fields
 * by their numbers:
 *
 *   Profile    1 sample_type, 2 sample, 4 location, 5 function, 6 string_table,
 *              9 time_nanos, 10 duration_nanos, 11 period_type, 12 period,
 *              14 default_sample_type
 *   ValueType  1 type, 2 unit               (numbers of strings)
 *   Sample     1 location_id, leaf first, 2 value, 3 label
 *   Label      1 key, 2 str
 *   Location   1 id, 4 line
 *   Line       1 function_id, 2 line
 *   Function   1 id, 2 name, 4 filename
 *
 * A location is a frame, a function one without a line; ids are their numbers
 * plus one. The process is in labels: pid, process, initial_call.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/utf8.h"
#include "export/profile_int.h"

#define CHUNK 65536

/* Bytes in the making; full: no memory. */
struct bytes {
	uint8_t *p; /* owned */
	size_t len, cap;
	bool full;
};

static void add(struct bytes *b, const void *data, size_t n)
{
	size_t cap = b->cap ? b->cap : 256;
	uint8_t *more;

	if (b->full || !n)
		return;
	while (cap < b->len + n)
		cap *= 2;
	if (cap > b->cap) {
		more = realloc(b->p, cap);
		if (!more) {
			b->full = true;
			return;
		}
		b->p = more;
		b->cap = cap;
	}
	memcpy(b->p + b->len, data, n);
	b->len += n;
}

static void add_varint(struct bytes *b, uint64_t v)
{
	uint8_t text[10];
	size_t n = 0;

	do {
		text[n++] = (uint8_t)((v & 127) | (v > 127 ? 128 : 0));
		v >>= 7;
	} while (v);
	add(b, text, n);
}

static void add_number(struct bytes *b, unsigned field, uint64_t v)
{
	add_varint(b, field << 3);
	add_varint(b, v);
}

static void add_bytes(struct bytes *b, unsigned field, const void *data,
		      size_t n)
{
	add_varint(b, field << 3 | 2);
	add_varint(b, n);
	add(b, data, n);
}

/* Another message, which is empty then. */
static void add_message(struct bytes *b, unsigned field, struct bytes *m)
{
	add_bytes(b, field, m->p, m->len);
	b->full |= m->full;
	m->len = 0;
}

struct making {
	struct bytes out, m, inner; /* the profile; a part; a part of that */
	struct bytes strings;	    /* field 6, all of them */
	uint64_t nstrings;
};

/* A string's number. What is no UTF-8 is none here either. */
static uint64_t string(struct making *k, struct scope_text t)
{
	char *clean = NULL;
	size_t len = 0;
	FILE *out;

	if (!t.len && k->nstrings)
		return 0;
	if (scope_utf8_valid(t.p ? t.p : "", t.len)) {
		add_bytes(&k->strings, 6, t.p, t.len);
		return k->nstrings++;
	}
	out = open_memstream(&clean, &len);
	if (!out) {
		k->strings.full = true;
		return 0;
	}
	scope_profile_put_text(out, t, NULL);
	if (fclose(out))
		k->strings.full = true;
	else
		add_bytes(&k->strings, 6, clean, len);
	free(clean);
	return k->nstrings++;
}

static uint64_t word(struct making *k, const char *s)
{
	return string(k, (struct scope_text){ s, strlen(s) });
}

static void add_type(struct making *k, unsigned field, uint64_t type,
		     uint64_t unit)
{
	add_number(&k->m, 1, type);
	add_number(&k->m, 2, unit);
	add_message(&k->out, field, &k->m);
}

static void add_label(struct making *k, uint64_t key, uint64_t str)
{
	if (!str)
		return;
	add_number(&k->inner, 1, key);
	add_number(&k->inner, 2, str);
	add_message(&k->m, 3, &k->inner);
}

struct labels {
	uint64_t pid, name, initial;
};

static void add_sample(struct making *k, const struct scope_profile *p,
		       const struct scope_profile_stack *s,
		       const struct labels *keys, const struct labels *of)
{
	const uint32_t *frames = scope_profile_stack_frames(p, s);

	for (uint32_t i = s->n; i; i--)
		add_varint(&k->inner, (uint64_t)frames[i - 1] + 1);
	if (s->n)
		add_message(&k->m, 1, &k->inner);
	add_varint(&k->inner, s->count);
	add_varint(&k->inner, s->ns);
	add_message(&k->m, 2, &k->inner);
	if (of) {
		add_label(k, keys->pid, of->pid);
		add_label(k, keys->name, of->name);
		add_label(k, keys->initial, of->initial);
	}
	add_message(&k->out, 2, &k->m);
}

static int add_samples(struct making *k, const struct scope_profile *p)
{
	size_t n = scope_profile_procs(p);
	scope_autofree struct labels *of = calloc(n + 1, sizeof(*of));
	scope_autofree uint32_t *order = NULL;
	struct labels keys = { 0 };
	int r = of ? scope_profile_order(p, false, &order) : -ENOMEM;

	if (r < 0)
		return r;
	keys.pid = word(k, "pid");
	keys.name = word(k, "process");
	keys.initial = word(k, "initial_call");
	for (uint32_t i = 0; i < n; i++) {
		struct scope_profile_proc proc = scope_profile_get_proc(p, i);

		of[i].pid = string(k, proc.pid);
		of[i].name = string(k, proc.name);
		of[i].initial = string(k, proc.initial);
	}
	for (size_t i = 0; i < scope_profile_stacks(p); i++) {
		const struct scope_profile_stack *s =
			scope_profile_stack(p, order[i]);

		add_sample(k, p, s, &keys,
			   s->proc == SCOPE_PROFILE_NONE ? NULL : &of[s->proc]);
	}
	return 0;
}

static void add_frames(struct making *k, const struct scope_profile *p)
{
	size_t n = scope_profile_frames(p);

	for (uint32_t i = 0; i < n; i++) {
		struct scope_frame f = scope_profile_get_frame(p, i);

		add_number(&k->inner, 1, (uint64_t)f.function + 1);
		if (f.line)
			add_number(&k->inner, 2, f.line);
		add_number(&k->m, 1, (uint64_t)i + 1);
		add_message(&k->m, 4, &k->inner);
		add_message(&k->out, 4, &k->m);
	}
	for (uint32_t i = 0; i < n; i++) {
		struct scope_frame f = scope_profile_get_frame(p, i);
		struct scope_frame next =
			i + 1 < n ? scope_profile_get_frame(p, i + 1) : f;

		if (f.function != i)
			continue;
		add_number(&k->m, 1, (uint64_t)i + 1);
		add_number(&k->m, 2, string(k, f.name));
		/* Its first line, which follows it, knows its file. */
		if (next.function == i && next.file.len)
			add_number(&k->m, 4, string(k, next.file));
		add_message(&k->out, 5, &k->m);
	}
}

static int add_all(struct making *k, const struct scope_profile *p,
		   const struct scope_profile_opts *opts)
{
	uint64_t count, ns, type, samples;
	int r;

	(void)string(k, (struct scope_text){ "", 0 }); /* 0 is the empty one */
	samples = word(k, "samples");
	count = word(k, "count");
	type = word(k, opts->period_ns ? "cpu" : "wait");
	ns = word(k, "nanoseconds");
	add_type(k, 1, samples, count);
	add_type(k, 1, type, ns);
	r = add_samples(k, p);
	if (r < 0)
		return r;
	add_frames(k, p);
	add_number(&k->out, 9, opts->start_ns);
	add_number(&k->out, 10, opts->duration_ns);
	if (opts->period_ns) {
		add_type(k, 11, type, ns);
		add_number(&k->out, 12, opts->period_ns);
	}
	add_number(&k->out, 14, opts->by_ns ? type : samples);
	add(&k->out, k->strings.p, k->strings.len);
	return k->out.full || k->strings.full || k->m.full ? -ENOMEM : 0;
}

static int put_gzip(struct bytes *b, FILE *out)
{
	scope_autofree uint8_t *chunk = malloc(CHUNK);
	z_stream z = { .next_in = b->p, .avail_in = (uInt)b->len };
	int r;

	if (!chunk || b->len > UINT32_MAX / 2 ||
	    deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	do {
		z.next_out = chunk;
		z.avail_out = CHUNK;
		r = deflate(&z, Z_FINISH);
		(void)fwrite(chunk, 1, CHUNK - z.avail_out, out);
	} while (r == Z_OK);
	(void)deflateEnd(&z);
	return r != Z_STREAM_END ? -ENOMEM : ferror(out) ? -EIO : 0;
}

int scope_profile_pprof(const struct scope_profile *p,
			const struct scope_profile_opts *opts, FILE *out)
{
	struct making k = { .nstrings = 0 };
	int r = add_all(&k, p, opts);

	if (r == 0)
		r = put_gzip(&k.out, out);
	free(k.out.p);
	free(k.m.p);
	free(k.inner.p);
	free(k.strings.p);
	return r;
}
