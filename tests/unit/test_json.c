/* SPDX-License-Identifier: MIT */
/*
 * JSON lines, held against tests/golden/events*.json: one event of each kind.
 * SCOPE_GOLDEN=write writes those files anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "export/json.h"
#include "fake_events.h"

#define LINE_BYTES (1u << 20)

static char line[LINE_BYTES];

static int make(void **state)
{
	(void)state;
	return make_events();
}

static int unmake(void **state)
{
	(void)state;
	scope_vm_done(&fake.vm);
	return 0;
}

static struct scope_json *writer(enum scope_syntax syntax)
{
	struct scope_json_opts opts = { .syntax = syntax,
					.node = "shop@host",
					.os_pid = 4242 };
	struct scope_json *j = scope_json_new(&fake.vm, &opts);

	assert_non_null(j);
	return j;
}

static json_t *parse(const char *s, size_t len)
{
	json_error_t err;
	json_t *o = json_loadb(s, len, JSON_REJECT_DUPLICATES, &err);

	if (!o)
		fail_msg("%s in: %.*s", err.text, (int)len, s);
	return o;
}

/* Where a key stands: the head's first, then those of the kind. */
static int place(const char *key, enum scope_kind kind)
{
	static const char *const heads[] = { "id",   "ts",     "mono",
					     "time", "kind",   "node",
					     "os_pid", "scheduler", "pid" };
	const enum scope_field_key *fields = NULL;
	size_t n = scope_json_fields(kind, &fields);

	for (int i = 0; i < 9; i++)
		if (!strcmp(heads[i], key))
			return i;
	for (size_t i = 0; i < n; i++)
		if (!strcmp(scope_field_info(fields[i])->key, key))
			return 100 + (int)i;
	return strcmp(key, "name") ? -1 : 9;
}

static void check_keys(json_t *o, enum scope_kind kind)
{
	const char *key;
	json_t *value;
	int last = -1;

	json_object_foreach(o, key, value) {
		int at = place(key, kind);

		if (at <= last)
			fail_msg("%s of %s is out of place", key,
				 scope_kind_info(kind)->name);
		last = at;
	}
}

static void golden(const char *path, enum scope_syntax syntax)
{
	scope_auto(scope_json) j = writer(syntax);
	const char *mode = getenv("SCOPE_GOLDEN");
	scope_autofclose FILE *f = NULL;

	f = fopen(path, mode && !strcmp(mode, "write") ? "w+" : "r");
	if (!f)
		fail_msg("can't open %s", path);
	for (size_t i = 0; i < nevents; i++) {
		struct scope_buf out = scope_buf_of(line, sizeof(line));
		char want[4096];
		json_t *o;

		assert_int_equal(scope_json_event(j, &events[i], &out), 0);
		assert_int_equal(line[out.len - 1], '\n');
		o = parse(line, out.len);
		check_keys(o, events[i].kind);
		json_decref(o);
		if (mode) {
			(void)fwrite(line, 1, out.len, f);
			continue;
		}
		assert_non_null(fgets(want, sizeof(want), f));
		assert_string_equal(scope_buf_str(&out), want);
	}
	assert_int_equal(fgetc(f), EOF);
}

static void lines_are_as_they_were(void **state)
{
	(void)state;
	golden("tests/golden/events.json", SCOPE_SYNTAX_ERLANG);
	golden("tests/golden/events_elixir.json", SCOPE_SYNTAX_ELIXIR);
	golden("tests/golden/events_term_json.json", SCOPE_SYNTAX_JSON);
}

static void every_kind_has_an_example(void **state)
{
	scope_kindset seen = 0;

	(void)state;
	for (size_t i = 0; i < nevents; i++)
		seen |= SCOPE_KIND_BIT(events[i].kind);
	for (unsigned k = 1; k < SCOPE_KIND_MAX; k++)
		if (scope_kind_info(k)->name && !(seen & SCOPE_KIND_BIT(k)))
			fail_msg("%s", scope_kind_info(k)->name);
}

static void a_line_fits_or_is_not_there(void **state)
{
	scope_auto(scope_json) j = writer(SCOPE_SYNTAX_ERLANG);

	(void)state;
	for (size_t i = 0; i < nevents; i++) {
		struct scope_buf out = scope_buf_of(line, sizeof(line));
		size_t len;

		assert_int_equal(scope_json_event(j, &events[i], &out), 0);
		len = out.len;
		for (size_t cap = 5; cap <= len + 5; cap++) {
			out = scope_buf_of(line, cap);
			memcpy(line, "begin", 5);
			out.len = 5;
			assert_int_equal(scope_json_event(j, &events[i], &out),
					 cap < len + 5 ? -ENOBUFS : 0);
			assert_int_equal(out.len, cap < len + 5 ? 5 : len + 5);
			assert_false(out.full);
			assert_memory_equal(line, "begin", 5);
		}
	}
}

static void check_string(const char *s, size_t len, const char *want)
{
	struct scope_buf out = scope_buf_of(line, sizeof(line));

	scope_json_string(&out, s, len);
	assert_string_equal(scope_buf_str(&out), want);
}

static void strings_are_escaped(void **state)
{
	char s[2];

	(void)state;
	check_string("", 0, "\"\"");
	check_string("a\0b", 3, "\"a\\u0000b\"");
	check_string("\"\\/\b\f\n\r\t\x1f\x7f", 10,
		     "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u001f\x7f\"");
	check_string("\xe2\x82\xac\xf0\x9f\x98\x80", 7,
		     "\"\xe2\x82\xac\xf0\x9f\x98\x80\"");
	/* overlong, surrogate, too large, cut, lone */
	check_string("\xc0\xaf", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"");
	check_string("\xed\xa0\x80", 3,
		     "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	check_string("\xf4\x90\x80\x80", 4,
		     "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	check_string("x\xe2\x82", 3, "\"x\xef\xbf\xbd\xef\xbf\xbd\"");
	for (int c = 0; c < 256; c++) {
		struct scope_buf out = scope_buf_of(line, sizeof(line));
		json_t *o;

		s[0] = (char)c;
		scope_buf_char(&out, '[');
		scope_json_string(&out, s, 1);
		scope_buf_char(&out, ']');
		o = json_loadb(line, out.len, JSON_ALLOW_NUL, NULL);
		assert_non_null(o);
		json_decref(o);
	}
}

/* The value of `key` of the event's line; the caller gives it back. */
static json_t *value_of(struct scope_json *j, const struct scope_event *ev,
			const char *key)
{
	struct scope_buf out = scope_buf_of(line, sizeof(line));
	json_t *o, *v;

	assert_int_equal(scope_json_event(j, ev, &out), 0);
	o = parse(line, out.len);
	v = json_incref(json_object_get(o, key));
	json_decref(o);
	return v;
}

static void check_truncated(enum scope_syntax syntax, uint64_t msg, bool want)
{
	scope_auto(scope_json) j = writer(syntax);
	struct scope_event ev = { .kind = SCOPE_KIND_MSG_SEND, .ts_ns = 1 };
	json_t *v;

	ADD(&ev, MSG, msg);
	ev.image = *fake_image(&fake);
	v = value_of(j, &ev, "truncated");
	assert_true(json_is_boolean(v));
	assert_int_equal(json_is_true(v), want);
	json_decref(v);
}

static void truncated_says_what_is_missing(void **state)
{
	uint64_t pair[2] = { fake_int(1), fake_int(2) };
	uint64_t half[2] = { fake_int(1), missing() };

	(void)state;
	for (int s = SCOPE_SYNTAX_ERLANG; s <= SCOPE_SYNTAX_JSON; s++) {
		check_truncated((enum scope_syntax)s,
				fake_tuple(&fake, pair, 2), false);
		check_truncated((enum scope_syntax)s,
				fake_tuple(&fake, half, 2), true);
		check_truncated((enum scope_syntax)s, missing(), true);
	}
}

/* A list that is its own tail never ends by itself. */
static void endless_terms_end(void **state)
{
	uint64_t at = fake_at(fake.used) | SCOPE_TAG_LIST;
	uint64_t ring = fake_cons(&fake, fake_atom(&fake, "ring"), at);
	struct scope_event ev = { .kind = SCOPE_KIND_PROC_SPAWN, .ts_ns = 1 };

	(void)state;
	ADD(&ev, ARGS, ring);
	ADD(&ev, MSG, ring);
	ev.image = *fake_image(&fake);
	for (int s = SCOPE_SYNTAX_ERLANG; s <= SCOPE_SYNTAX_JSON; s++) {
		scope_auto(scope_json) j = writer((enum scope_syntax)s);
		json_t *v = value_of(j, &ev, "truncated");

		assert_true(json_is_true(v));
		json_decref(v);
	}
}

/* More text than the writer has room for, cut between two characters. */
static void long_terms_are_cut(void **state)
{
	char name[400];
	uint64_t w[400];
	struct scope_event ev = { .kind = SCOPE_KIND_MSG_SEND, .ts_ns = 1 };

	(void)state;
	for (size_t i = 0; i < sizeof(name); i += 2)
		memcpy(name + i, "\xc3\xa9", 2);
	w[0] = fake_atom_n(&fake, name, sizeof(name));
	for (size_t i = 1; i < 400; i++)
		w[i] = w[0];
	ADD(&ev, MSG, fake_tuple(&fake, w, 400));
	ev.image = *fake_image(&fake);
	for (int s = SCOPE_SYNTAX_ERLANG; s <= SCOPE_SYNTAX_JSON; s++) {
		scope_auto(scope_json) j = writer((enum scope_syntax)s);
		json_t *v = value_of(j, &ev, "truncated");

		assert_true(json_is_true(v));
		json_decref(v);
		v = value_of(j, &ev, "msg");
		if (s == SCOPE_SYNTAX_JSON) {
			assert_string_equal(
				json_string_value(json_object_get(v, "t")),
				"cut");
		} else {
			const char *text = json_string_value(v);
			size_t len = json_string_length(v);

			assert_true(len > 65000);
			assert_string_equal(text + len - 3, "...");
			assert_null(strstr(text, "\xef\xbf\xbd"));
		}
		json_decref(v);
	}
}

static void time_is_rfc3339(void **state)
{
	static const struct {
		uint64_t ts;
		const char *want;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00.000000000Z" },
		{ 999999999, "1970-01-01T00:00:00.999999999Z" },
		{ 1000000000, "1970-01-01T00:00:01.000000000Z" },
		{ 1709210096000000007, "2024-02-29T12:34:56.000000007Z" },
		{ 1795379519123456789, "2026-11-22T20:31:59.123456789Z" },
		{ INT64_MAX, "2262-04-11T23:47:16.854775807Z" },
	};
	scope_auto(scope_json) j = writer(SCOPE_SYNTAX_ERLANG);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct scope_event ev = { .kind = SCOPE_KIND_NODE_EXIT,
					  .ts_ns = cases[i].ts };
		json_t *v = value_of(j, &ev, "time");

		assert_string_equal(json_string_value(v), cases[i].want);
		json_decref(v);
	}
}

static void the_schema_knows_kinds_and_keys(void **state)
{
	struct scope_buf out = scope_buf_of(line, sizeof(line));
	json_t *schema, *defs;

	(void)state;
	scope_json_schema(&out);
	assert_false(out.full);
	schema = parse(line, out.len);
	defs = json_object_get(schema, "$defs");
	for (unsigned k = 1; k < SCOPE_KIND_MAX; k++) {
		const struct scope_kind_info *info = scope_kind_info(k);
		const enum scope_field_key *fields = NULL;
		size_t n = scope_json_fields((enum scope_kind)k, &fields);
		json_t *props;

		if (!info->name) {
			assert_int_equal(n, 0);
			continue;
		}
		props = json_object_get(json_object_get(defs, info->name),
					"properties");
		assert_non_null(props);
		assert_string_equal(json_string_value(json_object_get(
					    json_object_get(props, "kind"),
					    "const")),
				    info->name);
		assert_true(n < 23);
		for (size_t i = 0; i < n; i++)
			assert_non_null(json_object_get(
				props, scope_field_info(fields[i])->key));
	}
	json_decref(schema);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_as_they_were),
		cmocka_unit_test(every_kind_has_an_example),
		cmocka_unit_test(a_line_fits_or_is_not_there),
		cmocka_unit_test(strings_are_escaped),
		cmocka_unit_test(truncated_says_what_is_missing),
		cmocka_unit_test(endless_terms_end),
		cmocka_unit_test(long_terms_are_cut),
		cmocka_unit_test(time_is_rfc3339),
		cmocka_unit_test(the_schema_knows_kinds_and_keys),
	};

	return cmocka_run_group_tests(tests, make, unmake);
}
