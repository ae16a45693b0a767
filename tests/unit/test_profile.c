/* SPDX-License-Identifier: MIT */
/* Profiles: what is kept of stacks, and the forms that they are written in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <zlib.h>

#include <cmocka.h>

#include "export/profile.h"
#include "fault.h"

static uint32_t frame(struct scope_profile *p, enum scope_frame_kind kind,
		      const char *name, const char *file, uint32_t line)
{
	const struct scope_frame f = {
		.kind = kind,
		.name = { name, strlen(name) },
		.file = { file, file ? strlen(file) : 0 },
		.line = line,
	};

	return scope_profile_frame(p, &f);
}

static uint32_t proc(struct scope_profile *p, const char *pid, const char *name,
		     const char *initial)
{
	const struct scope_profile_proc k = {
		.pid = { pid, strlen(pid) },
		.name = { name, name ? strlen(name) : 0 },
		.initial = { initial, strlen(initial) },
	};

	return scope_profile_proc(p, &k);
}

static void add(struct scope_profile *p, uint32_t of, uint64_t count,
		const uint32_t *frames, size_t n)
{
	assert_int_equal(scope_profile_add(p, of, frames, n, count,
					   count * 10000000u),
			 0);
}

/* A node as hostile as can be in its names. */
static struct scope_profile *make(void)
{
	struct scope_profile *p = scope_profile_new();
	uint32_t loop, map1, map2, gc, evil, kernel, native, note;
	uint32_t a, b, stack[8];

	assert_non_null(p);
	loop = frame(p, SCOPE_FRAME_ERLANG, "shop:loop/1", "shop.erl", 12);
	map1 = frame(p, SCOPE_FRAME_ERLANG, "lists:map/2", "lists.erl", 1559);
	map2 = frame(p, SCOPE_FRAME_ERLANG, "lists:map/2", "lists.erl", 1560);
	gc = frame(p, SCOPE_FRAME_SYSTEM, "gc", NULL, 0);
	evil = frame(p, SCOPE_FRAME_ERLANG,
		     "x:';\"<script>&\n\x01\xff\xc3\xa9'/0", "a\"b<c>.erl", 3);
	kernel = frame(p, SCOPE_FRAME_KERNEL, "do_syscall_64", NULL, 0);
	native = frame(p, SCOPE_FRAME_NATIVE, "erts_garbage_collect", NULL, 0);
	note = frame(p, SCOPE_FRAME_NOTE, "[incomplete: collection]", NULL, 0);
	a = proc(p, "<0.80.0>", "shop_till", "shop:init/1");
	b = proc(p, "<0.81.0>", NULL, "erlang:apply/2");

	stack[0] = loop;
	add(p, a, 5, stack, 1);
	stack[1] = map1;
	add(p, a, 20, stack, 2);
	stack[1] = map2;
	add(p, a, 10, stack, 2);
	stack[2] = gc;
	add(p, a, 3, stack, 3);
	stack[2] = evil;
	add(p, b, 2, stack, 3);
	stack[2] = native;
	stack[3] = kernel;
	add(p, b, 1, stack, 4);
	stack[0] = note;
	stack[1] = gc;
	add(p, b, 4, stack, 2);
	stack[0] = frame(p, SCOPE_FRAME_SYSTEM, "[scheduler]", NULL, 0);
	add(p, SCOPE_PROFILE_NONE, 7, stack, 1);
	return p;
}

static const struct scope_profile_opts plain = {
	.title = "shop@host <1>",
	.period_ns = 10000000,
	.start_ns = 1795372800123456789u,
	.duration_ns = 2000000000,
};

typedef int writer(const struct scope_profile *p,
		   const struct scope_profile_opts *opts, FILE *out);

/* What is written; to be freed. */
static char *written(writer *fn, const struct scope_profile *p,
		     const struct scope_profile_opts *opts, size_t *ret_len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, ret_len);

	assert_non_null(out);
	assert_int_equal(fn(p, opts, out), 0);
	assert_int_equal(fclose(out), 0);
	return text;
}

/* Holds what is written to a file of tests/golden; SCOPE_GOLDEN=write makes it
 * anew. */
static void golden(const char *name, const char *text, size_t len)
{
	char path[200], *was;
	size_t n;
	FILE *f;

	(void)snprintf(path, sizeof(path), "tests/golden/%s", name);
	if (getenv("SCOPE_GOLDEN")) {
		f = fopen(path, "w");
		assert_non_null(f);
		assert_int_equal(fwrite(text, 1, len, f), len);
		assert_int_equal(fclose(f), 0);
	}
	f = fopen(path, "r");
	assert_non_null(f);
	was = calloc(1, len + 2);
	assert_non_null(was);
	n = fread(was, 1, len + 1, f);
	(void)fclose(f);
	assert_int_equal(n, len);
	assert_memory_equal(was, text, len);
	free(was);
}

static void frames_and_processes_are_kept_once(void **state)
{
	scope_auto(scope_profile) p = scope_profile_new();
	uint32_t a, b, c;

	(void)state;
	a = frame(p, SCOPE_FRAME_ERLANG, "m:f/1", "m.erl", 1);
	b = frame(p, SCOPE_FRAME_ERLANG, "m:f/1", "m.erl", 2);
	c = frame(p, SCOPE_FRAME_NATIVE, "m:f/1", NULL, 0);
	assert_int_not_equal(a, b);
	assert_int_not_equal(a, c);
	assert_int_equal(a, frame(p, SCOPE_FRAME_ERLANG, "m:f/1", "m.erl", 1));
	assert_int_equal(scope_profile_get_frame(p, a).function,
			 scope_profile_get_frame(p, b).function);
	assert_int_not_equal(scope_profile_get_frame(p, a).function,
			     scope_profile_get_frame(p, c).function);
	assert_int_equal(proc(p, "<0.1.0>", NULL, "a:b/0"),
			 proc(p, "<0.1.0>", NULL, "a:b/0"));
	assert_int_not_equal(proc(p, "<0.1.0>", "init", "a:b/0"),
			     proc(p, "<0.1.0>", NULL, "a:b/0"));
	add(p, 0, 1, &a, 1);
	add(p, 0, 2, &a, 1);
	add(p, 1, 2, &a, 1);
	assert_int_equal(scope_profile_stacks(p), 2);
	assert_int_equal(scope_profile_count(p), 5);
	scope_profile_clear(p);
	assert_int_equal(scope_profile_count(p), 0);
	add(p, 0, 1, &b, 1);
	assert_int_equal(scope_profile_ns(p), 10000000);
}

/* Recursion counts once in the total, and lines are one function. */
static void rows_have_self_and_total(void **state)
{
	scope_auto(scope_profile) p = scope_profile_new();
	scope_autofree struct scope_profile_row *rows = NULL;
	uint32_t a = frame(p, SCOPE_FRAME_ERLANG, "m:a/0", "m.erl", 1);
	uint32_t a2 = frame(p, SCOPE_FRAME_ERLANG, "m:a/0", "m.erl", 2);
	uint32_t b = frame(p, SCOPE_FRAME_ERLANG, "m:b/0", "m.erl", 3);
	const uint32_t deep[] = { a, a2, a, b }, flat[] = { a2 };
	size_t n;

	(void)state;
	add(p, 0, 3, deep, 4);
	add(p, 0, 4, flat, 1);
	assert_int_equal(scope_profile_rows(p, false, &rows, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(rows[0].self, 4);
	assert_int_equal(rows[0].total, 7);
	assert_int_equal(rows[1].self, 3);
	assert_int_equal(rows[1].total, 3);
}

static void folded_lines_are_as_they_were(void **state)
{
	scope_auto(scope_profile) p = make();
	struct scope_profile_opts opts = plain;
	size_t len;
	char *text = written(scope_profile_folded, p, &opts, &len);

	(void)state;
	golden("profile.folded", text, len);
	free(text);
	opts.by_process = true;
	text = written(scope_profile_folded, p, &opts, &len);
	golden("profile_by_process.folded", text, len);
	free(text);
}

static void a_flame_graph_is_as_it_was(void **state)
{
	scope_auto(scope_profile) p = make();
	struct scope_profile_opts opts = plain;
	size_t len;
	char *text = written(scope_profile_svg, p, &opts, &len);

	(void)state;
	golden("profile.svg", text, len);
	/* What a node named comes out as text, nowhere else. */
	assert_null(strstr(text, "<script>&"));
	assert_non_null(strstr(text, "&lt;script&gt;&amp;"));
	free(text);
	opts.by_process = true;
	text = written(scope_profile_svg, p, &opts, &len);
	golden("profile_by_process.svg", text, len);
	free(text);
}

static void json_is_as_it_was(void **state)
{
	scope_auto(scope_profile) p = make();
	struct scope_profile_opts opts = plain;
	size_t len;
	char *text = written(scope_profile_json, p, &opts, &len), *line, *at;

	(void)state;
	golden("profile.jsonl", text, len);
	for (line = strtok_r(text, "\n", &at); line;
	     line = strtok_r(NULL, "\n", &at)) {
		json_t *j = json_loads(line, 0, NULL);

		assert_non_null(j);
		assert_true(json_is_array(json_object_get(j, "frames")));
		json_decref(j);
	}
	free(text);
}

/* As its schema has it: every frame is there, every list as long as it must. */
static void check_speedscope(const json_t *j, size_t nprofiles)
{
	json_t *frames = json_object_get(json_object_get(j, "shared"),
					 "frames");
	json_t *profiles = json_object_get(j, "profiles"), *p;
	size_t i, k, m;

	assert_string_equal(json_string_value(json_object_get(j, "$schema")),
			    "https://www.speedscope.app/file-format-schema.json");
	assert_int_equal(json_array_size(profiles), nprofiles);
	json_array_foreach(frames, i, p)
		assert_non_null(json_string_value(json_object_get(p, "name")));
	json_array_foreach(profiles, i, p) {
		json_t *samples = json_object_get(p, "samples"), *sample;
		json_t *weights = json_object_get(p, "weights"), *w, *frame;
		json_int_t sum = 0;

		assert_string_equal(json_string_value(json_object_get(p, "type")),
				    "sampled");
		assert_non_null(json_string_value(json_object_get(p, "name")));
		assert_string_equal(json_string_value(json_object_get(p, "unit")),
				    "nanoseconds");
		assert_int_equal(json_array_size(samples),
				 json_array_size(weights));
		json_array_foreach(weights, k, w)
			sum += json_integer_value(w);
		assert_int_equal(json_integer_value(
					 json_object_get(p, "startValue")),
				 0);
		assert_int_equal(
			json_integer_value(json_object_get(p, "endValue")), sum);
		json_array_foreach(samples, k, sample)
			json_array_foreach(sample, m, frame)
				assert_true(json_is_integer(frame) &&
					    (size_t)json_integer_value(frame) <
						    json_array_size(frames));
	}
}

static void speedscope_is_as_its_schema_has_it(void **state)
{
	scope_auto(scope_profile) p = make();
	scope_auto(scope_profile) none = scope_profile_new();
	struct scope_profile_opts opts = plain;
	size_t len;
	char *text = written(scope_profile_speedscope, p, &opts, &len);
	json_t *j = json_loadb(text, len, 0, NULL);

	(void)state;
	assert_non_null(j);
	check_speedscope(j, 1);
	golden("profile.speedscope.json", text, len);
	json_decref(j);
	free(text);
	opts.by_process = true;
	text = written(scope_profile_speedscope, p, &opts, &len);
	j = json_loadb(text, len, 0, NULL);
	assert_non_null(j);
	check_speedscope(j, 3);
	json_decref(j);
	free(text);
	text = written(scope_profile_speedscope, none, &opts, &len);
	j = json_loadb(text, len, 0, NULL);
	assert_non_null(j);
	check_speedscope(j, 1);
	json_decref(j);
	free(text);
}

/* -- pprof ---------------------------------------------------------------------- */

struct field {
	unsigned number;
	uint64_t value;
	const uint8_t *p; /* NULL: a number */
	size_t len;
};

static uint64_t varint(const uint8_t **at, const uint8_t *end)
{
	uint64_t v = 0;

	for (unsigned shift = 0;; shift += 7) {
		assert_true(*at < end && shift < 64);
		v |= (uint64_t)(**at & 127) << shift;
		if (!(*(*at)++ & 128))
			return v;
	}
}

static bool next_field(const uint8_t **at, const uint8_t *end, struct field *f)
{
	uint64_t tag;

	if (*at == end)
		return false;
	tag = varint(at, end);
	*f = (struct field){ .number = (unsigned)(tag >> 3) };
	if ((tag & 7) == 0) {
		f->value = varint(at, end);
		return true;
	}
	assert_int_equal(tag & 7, 2);
	f->len = varint(at, end);
	assert_true(f->len <= (size_t)(end - *at));
	f->p = *at;
	*at += f->len;
	return true;
}

static size_t inflated(const char *data, size_t len, uint8_t *out, size_t cap)
{
	z_stream z = { .next_in = (uint8_t *)(uintptr_t)data,
		       .avail_in = (uInt)len,
		       .next_out = out,
		       .avail_out = (uInt)cap };

	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(inflateEnd(&z), Z_OK);
	return cap - z.avail_out;
}

/* What is in a profile, by ids, to be held against each other. */
struct read {
	uint64_t functions[64], locations[64], of[64], line[64];
	char strings[64][80];
	size_t nfunctions, nlocations, nstrings, nsamples;
	uint64_t count, ns;
};

static void read_sample(struct read *r, struct field m)
{
	const uint8_t *at = m.p, *end = m.p + m.len;
	struct field f;

	r->nsamples++;
	while (next_field(&at, end, &f)) {
		const uint8_t *p = f.p, *to = f.p + f.len;

		if (f.number == 2) {
			r->count += varint(&p, to);
			r->ns += varint(&p, to);
			assert_true(p == to);
		} else if (f.number == 1) {
			while (p < to)
				assert_int_not_equal(varint(&p, to), 0);
		} else {
			assert_int_equal(f.number, 3);
		}
	}
}

static void read_location(struct read *r, struct field m)
{
	const uint8_t *at = m.p, *end = m.p + m.len;
	struct field f, g;

	while (next_field(&at, end, &f)) {
		const uint8_t *p = f.p, *to = f.p + f.len;

		if (f.number == 1) {
			r->locations[r->nlocations] = f.value;
			continue;
		}
		assert_int_equal(f.number, 4);
		while (next_field(&p, to, &g)) {
			if (g.number == 1)
				r->of[r->nlocations] = g.value;
			else
				r->line[r->nlocations] = g.value;
		}
	}
	r->nlocations++;
}

static void pprof_is_what_its_readers_want(void **state)
{
	scope_auto(scope_profile) p = make();
	static uint8_t raw[65536];
	static struct read r;
	size_t len, n;
	char *text = written(scope_profile_pprof, p, &plain, &len);
	const uint8_t *at = raw, *end;
	struct field f;
	bool found;

	(void)state;
	n = inflated(text, len, raw, sizeof(raw));
	free(text);
	golden("profile.pprof", (char *)raw, n);
	end = raw + n;
	memset(&r, 0, sizeof(r));
	while (next_field(&at, end, &f)) {
		const uint8_t *q = f.p;
		struct field id;

		if (f.number == 2) {
			read_sample(&r, f);
		} else if (f.number == 4) {
			read_location(&r, f);
		} else if (f.number == 5) {
			assert_true(next_field(&q, f.p + f.len, &id));
			r.functions[r.nfunctions++] = id.value;
		} else if (f.number == 6) {
			assert_true(f.len < 80 && r.nstrings < 64);
			memcpy(r.strings[r.nstrings++], f.p, f.len);
		} else if (f.number == 9) {
			assert_int_equal(f.value, plain.start_ns);
		} else if (f.number == 10) {
			assert_int_equal(f.value, plain.duration_ns);
		}
	}
	assert_string_equal(r.strings[0], "");
	assert_int_equal(r.nsamples, scope_profile_stacks(p));
	assert_int_equal(r.count, scope_profile_count(p));
	assert_int_equal(r.ns, scope_profile_ns(p));
	for (size_t i = 0; i < r.nlocations; i++) {
		found = false;
		for (size_t k = 0; k < r.nfunctions; k++)
			found |= r.functions[k] == r.of[i];
		assert_true(found && r.locations[i]);
	}
}

/* The order in which stacks came leaves no trace. */
static void order_does_not_matter(void **state)
{
	writer *const all[] = { scope_profile_folded, scope_profile_svg,
				scope_profile_json };

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		scope_auto(scope_profile) a = scope_profile_new();
		scope_auto(scope_profile) b = scope_profile_new();
		uint32_t x[2], y[2];
		size_t n, m;
		char *s, *t;

		x[0] = frame(a, SCOPE_FRAME_ERLANG, "m:f/1", NULL, 0);
		x[1] = frame(a, SCOPE_FRAME_ERLANG, "m:g/1", NULL, 0);
		add(a, proc(a, "<0.1.0>", NULL, "p:q/0"), 3, x, 2);
		add(a, proc(a, "<0.2.0>", NULL, "p:r/0"), 4, x + 1, 1);
		y[1] = frame(b, SCOPE_FRAME_ERLANG, "m:g/1", NULL, 0);
		y[0] = frame(b, SCOPE_FRAME_ERLANG, "m:f/1", NULL, 0);
		add(b, proc(b, "<0.2.0>", NULL, "p:r/0"), 4, y + 1, 1);
		add(b, proc(b, "<0.1.0>", NULL, "p:q/0"), 3, y, 2);
		s = written(all[i], a, &plain, &n);
		t = written(all[i], b, &plain, &m);
		assert_int_equal(n, m);
		assert_memory_equal(s, t, n);
		free(s);
		free(t);
	}
}

/* As wide and high as asked for; the end of a name is what tells functions
 * apart. */
static void a_table_is_for_people(void **state)
{
	scope_auto(scope_profile) p = make();
	struct scope_profile_opts opts = plain;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	assert_int_equal(scope_profile_table(p, &opts, 0, 0, out), 0);
	(void)fputc('\n', out);
	opts.by_process = true;
	assert_int_equal(scope_profile_table(p, &opts, 0, 0, out), 0);
	(void)fputc('\n', out);
	opts.by_process = false;
	opts.by_ns = true;
	assert_int_equal(scope_profile_table(p, &opts, 3, 30, out), 0);
	assert_int_equal(fclose(out), 0);
	golden("profile.table", text, len);
	free(text);
}

static void an_empty_profile_is_written(void **state)
{
	scope_auto(scope_profile) p = scope_profile_new();
	size_t len;
	char *text = written(scope_profile_folded, p, &plain, &len);

	(void)state;
	assert_int_equal(len, 0);
	free(text);
}

/* Whatever can't be had, nothing breaks. */
static void want_of_memory_is_told(void **state)
{
	const uint32_t stack[] = { 0, 0 };

	(void)state;
	for (long nth = 0; nth < 40; nth++) {
		struct scope_profile *p;

		fault_in = nth;
		p = scope_profile_new();
		if (p) {
			(void)proc(p, "<0.1.0>", NULL, "a:b/0");
			if (frame(p, SCOPE_FRAME_ERLANG, "m:f/1", "m.erl", 1) !=
			    SCOPE_PROFILE_NONE)
				(void)scope_profile_add(p, 0, stack, 2, 1, 1);
		}
		fault_in = -1;
		scope_profile_free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_and_processes_are_kept_once),
		cmocka_unit_test(rows_have_self_and_total),
		cmocka_unit_test(folded_lines_are_as_they_were),
		cmocka_unit_test(a_flame_graph_is_as_it_was),
		cmocka_unit_test(json_is_as_it_was),
		cmocka_unit_test(speedscope_is_as_its_schema_has_it),
		cmocka_unit_test(pprof_is_what_its_readers_want),
		cmocka_unit_test(order_does_not_matter),
		cmocka_unit_test(a_table_is_for_people),
		cmocka_unit_test(an_empty_profile_is_written),
		cmocka_unit_test(want_of_memory_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
