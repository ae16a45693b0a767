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
#include "fake_vm.h"

#define LINE_BYTES (1u << 20)
#define EVENTS_MAX 64

static struct fake fake;
static struct scope_event events[EVENTS_MAX];
static size_t nevents;
static char line[LINE_BYTES];

static uint64_t pid(unsigned n)
{
	return (uint64_t)n << 4 | 0x3;
}

static uint64_t port(unsigned n)
{
	return (uint64_t)n << 4 | 0x7;
}

static struct scope_event *event(enum scope_kind kind, unsigned of)
{
	struct scope_event *ev = &events[nevents++];

	*ev = (struct scope_event){
		.id = nevents,
		.ts_ns = 1795372800000000000ull + 999999999ull * nevents,
		.mono_ns = 512345678901ull + nevents,
		.kind = kind,
		.scheduler = of ? 1 : 0,
		.pid = of ? pid(of) : 0,
	};
	return ev;
}

static void add(struct scope_event *ev, enum scope_field_key key, uint64_t term)
{
	scope_event_add(ev, key)->term = term;
}

static void add_text(struct scope_event *ev, enum scope_field_key key,
		     const char *s)
{
	scope_event_add_text(ev, key, s, strlen(s));
}

static void add_mfa(struct scope_event *ev, enum scope_field_key key,
		    const char *module, const char *function, unsigned arity)
{
	scope_event_add(ev, key)->mfa = (struct scope_mfa){
		fake_atom(&fake, module), fake_atom(&fake, function), arity
	};
}

/* A word that points to nothing that was copied. */
static uint64_t missing(void)
{
	return 0x10000 | SCOPE_TAG_BOXED;
}

#define ADD(ev, sym, term) add(ev, SCOPE_FIELD_##sym, term)
#define ADD_U(ev, sym, v) scope_event_add_u(ev, SCOPE_FIELD_##sym, v)
#define ADD_TEXT(ev, sym, s) add_text(ev, SCOPE_FIELD_##sym, s)
#define ADD_MFA(ev, sym, m, f, a) add_mfa(ev, SCOPE_FIELD_##sym, m, f, a)

static void make_processes(void)
{
	uint64_t two[2] = { fake_int(1), fake_atom(&fake, "hello world") };
	uint64_t cut[2] = { fake_atom(&fake, "badarg"), missing() };
	struct scope_event *ev;

	ev = event(SCOPE_KIND_PROC_INFO, 10);
	ev->name = fake_atom(&fake, "Elixir.Shop.Cart");
	ev->scheduler = 0;
	ADD_MFA(ev, MFA, "proc_lib", "init_p", 5);
	ADD_MFA(ev, INITIAL_CALL, "Elixir.Shop.Cart", "init", 1);
	ADD(ev, PARENT, pid(9));
	ADD(ev, ANCESTORS, fake_list(&fake, two, 2, FAKE_NIL));
	ADD(ev, LABEL, fake_bin(&fake, "cart 7", 6));
	ev = event(SCOPE_KIND_PROC_SPAWN, 10);
	ADD(ev, CHILD, pid(11));
	ADD_MFA(ev, MFA, "a \"quoted\"\n", "fun", 2);
	ADD(ev, ARGS, fake_list(&fake, two, 2, FAKE_NIL));
	ADD_U(ev, LINK, 1);
	ADD_U(ev, MONITOR, 0);
	ev = event(SCOPE_KIND_PROC_EXIT, 11);
	ADD(ev, REASON, fake_tuple(&fake, cut, 2));
	ADD_U(ev, LIFETIME_NS, 12345);
	ADD_U(ev, REDUCTIONS, INT64_MAX);
	ev = event(SCOPE_KIND_PROC_EXIT_SIGNAL, 11);
	ADD(ev, TO, pid(10));
	ADD(ev, TO_NAME, fake_atom(&fake, "Elixir.Shop.Cart"));
	ADD(ev, REASON, fake_atom(&fake, "normal"));
	ADD_TEXT(ev, VIA, "link");
	for (enum scope_kind k = SCOPE_KIND_PROC_LINK;
	     k <= SCOPE_KIND_PROC_DEMONITOR; k++) {
		ev = event(k, 10);
		ADD(ev, TO, pid(12));
		if (k >= SCOPE_KIND_PROC_MONITOR)
			ADD(ev, REF, fake_ref(&fake, 1, 2, 3));
	}
	ev = event(SCOPE_KIND_PROC_DOWN, 10);
	ADD(ev, FROM, pid(12));
	ADD(ev, REASON, fake_atom(&fake, "noproc"));
	ADD(ev, REF, fake_ref(&fake, 1, 2, 3));
	ev = event(SCOPE_KIND_PROC_REGISTER, 10);
	ev->name = fake_atom(&fake, "cart");
	ADD(ev, REGISTERED, fake_atom(&fake, "cart"));
	ev = event(SCOPE_KIND_PROC_UNREGISTER, 0);
	ADD(ev, REGISTERED, fake_atom(&fake, "gone"));
	ADD(ev, PORT, port(5));
}

static void make_messages(void)
{
	uint64_t three[3] = { fake_atom(&fake, "$gen_call"), pid(10),
			      fake_bin(&fake, "na\xc3\xafve\0\x1b\"", 9) };
	struct scope_event *ev;
	struct scope_field *f;

	ev = event(SCOPE_KIND_MSG_SEND, 10);
	ev->name = fake_atom(&fake, "Elixir.Shop.Cart");
	ADD(ev, TO, pid(12));
	ADD(ev, TO_NAME, fake_atom(&fake, "db_pool"));
	ADD(ev, MSG, fake_tuple(&fake, three, 3));
	ADD_U(ev, MSG_WORDS, 14);
	f = scope_event_add(ev, SCOPE_FIELD_CORR);
	f->corr.addr = 0x7f3b95772788;
	f->corr.n = 1;
	ev = event(SCOPE_KIND_MSG_SEND, 0);
	ADD_TEXT(ev, FROM_KIND, "port");
	ADD(ev, PORT, port(5));
	ADD(ev, TO, pid(12));
	ADD_U(ev, DIST, 1);
	ADD_U(ev, ALIAS, 1);
	ADD(ev, ALIAS_REF, fake_ref(&fake, 4, 5, 6));
	ev = event(SCOPE_KIND_MSG_RECEIVE, 12);
	ADD(ev, FROM, pid(10));
	ADD(ev, MSG, fake_cons(&fake, fake_int(7), missing()));
	ADD_U(ev, WAIT_NS, 1500);
	ADD_U(ev, MAILBOX, 3);
	f = scope_event_add(ev, SCOPE_FIELD_CORR);
	f->corr.addr = 0;
	f->corr.n = 2;
	ADD_TEXT(ev, SURE, "order");
}

static void make_dist(void)
{
	uint64_t two[2] = { fake_int(1), fake_atom(&fake, "hello world") };
	struct scope_event *ev;

	ev = event(SCOPE_KIND_DIST_SEND, 10);
	ADD(ev, PEER, fake_atom(&fake, "db@host"));
	ADD_TEXT(ev, OP, "REG_SEND");
	ADD(ev, TO_WORD, fake_atom(&fake, "db_pool"));
	ADD(ev, MSG, fake_tuple(&fake, two, 2));
	ADD_U(ev, FRAGMENTS, 1);
	/* From then on the node has another name. */
	ev = event(SCOPE_KIND_DIST_NODE_UP, 0);
	ev->node = fake_atom(&fake, "a \"node\"@host");
	ADD(ev, PEER, ev->node);
	ADD_TEXT(ev, VISIBILITY, "visible");
	ADD_U(ev, SELF, 1);
	ev = event(SCOPE_KIND_DIST_RECEIVE, 12);
	ADD(ev, PEER, fake_atom(&fake, "db@host"));
	ADD_TEXT(ev, OP, "PAYLOAD_MONITOR_P_EXIT");
	ADD(ev, FROM, pid(13));
	ADD(ev, REASON, fake_atom(&fake, "normal"));
	ADD(ev, REF, fake_ref(&fake, 1, 2, 3));
	ADD_U(ev, BYTES, 57);
	ADD_U(ev, FRAGMENTS, 1);
	ev = event(SCOPE_KIND_DIST_NODE_DOWN, 0);
	ADD(ev, PEER, fake_atom(&fake, "db@host"));
	ADD_TEXT(ev, VISIBILITY, "hidden");
	ADD(ev, REASON, fake_atom(&fake, "connection_closed"));
}

static void make_others(void)
{
	struct scope_event *ev;

	ev = event(SCOPE_KIND_GC_START, 12);
	ADD_U(ev, HEAP_BEFORE, 233);
	ev = event(SCOPE_KIND_GC_END, 12);
	ADD_U(ev, MAJOR, 1);
	ADD_U(ev, HEAP_BEFORE, 233);
	ADD_U(ev, HEAP_AFTER, 34);
	ADD_U(ev, PAUSE_NS, 2100);
	ev = event(SCOPE_KIND_CODE_LOAD, 0);
	ADD_TEXT(ev, MODULE, "bad \xff\xc3 utf8");
	ADD_U(ev, FUNCTIONS, 8);
	ev = event(SCOPE_KIND_CODE_UNLOAD, 0);
	ADD_TEXT(ev, MODULE, "lists");
	ev = event(SCOPE_KIND_NODE_ATTACH, 0);
	ADD_TEXT(ev, OTP, "25");
	ADD_TEXT(ev, EVENTS, "{\"msg.send\":\"uprobe x\"}");
	(void)event(SCOPE_KIND_NODE_EXIT, 0);
	ev = event(SCOPE_KIND_LOSS, 0);
	ADD_TEXT(ev, CAUSE, "ring_full");
	ADD_TEXT(ev, OF, "msg.send");
	ADD_U(ev, CPU, 0);
	ADD_U(ev, COUNT, 120);
	ADD_U(ev, FROM_NS, 1795372800000000000ull);
	ADD_U(ev, TO_NS, 1795372801000000000ull);
	ev = event(SCOPE_KIND_BUDGET, 0);
	ADD_TEXT(ev, GROUP, "gc");
	ADD_TEXT(ev, KINDS, "gc.start,gc.end");
	ADD_TEXT(ev, BUDGET_STATE, "on");
	ADD_U(ev, SHARE, 1000000);
	ADD_U(ev, COST, 20049);
	ADD_U(ev, OFF_NS, 1795372800000000000ull);
	ADD_U(ev, BACK_NS, 1795372801000000000ull);
	ADD_TEXT(ev, MISSED, "{\"gc.end\":120}");
	ev = event(SCOPE_KIND_OVERFLOW, 0);
	ADD_TEXT(ev, CAUSE, "output_full");
	ADD_U(ev, OFF_NS, 1795372800000000000ull);
	ADD_U(ev, BACK_NS, 1795372801000000000ull);
	ADD_U(ev, KEPT, 250000);
	ADD_TEXT(ev, SAMPLED, "{\"msg.send\":120}");
	ev = event(SCOPE_KIND_SUMMARY, 0);
	ADD_TEXT(ev, LOST, "{\"msg.send\":{\"ring_full\":120}}");
}

static void make_scheduling(void)
{
	struct scope_event *ev;

	ev = event(SCOPE_KIND_SCHED_IN, 12);
	ADD_MFA(ev, MFA, "shop", "buy it", 2);
	ADD_U(ev, WAIT_NS, 900);
	ev = event(SCOPE_KIND_SCHED_OUT, 12);
	ADD_TEXT(ev, WHERE, "shop:buy it/2");
	ADD_U(ev, RUN_NS, 4100);
	ADD_TEXT(ev, STATE, "runnable");
	ADD_U(ev, REDUCTIONS, 4000);
	ADD_U(ev, DIRTY, 1);
	ev = event(SCOPE_KIND_PROC_HIBERNATE, 12);
	ADD_MFA(ev, MFA, "shop", "wake", 2);
	ADD(ev, ARGS, fake_list(&fake, (uint64_t[2]){ fake_int(1), pid(9) }, 2,
				FAKE_NIL));
	ADD_TEXT(ev, STATE, "hibernating");
	ADD_U(ev, HEAP_AFTER, 12);
	ADD_U(ev, SIZE_BEFORE, 233);
	ADD_U(ev, SIZE_AFTER, 12);
	ev = event(SCOPE_KIND_HEAP_GROW, 12);
	ADD_TEXT(ev, GC_REASON, "heap");
	ADD_U(ev, GREW, 0);
	ADD_U(ev, BLOCK_BEFORE, 610);
	ADD_U(ev, BLOCK_AFTER, 233);
	ADD_U(ev, NEED, 3);
	ev = event(SCOPE_KIND_CALL, 12);
	ADD_MFA(ev, MFA, "zlib", "deflate_nif", 4);
	ADD_U(ev, DURATION_NS, 12345);
	ADD_TEXT(ev, CALL_TYPE, "dirty_nif");
	ADD_U(ev, DIRTY, 1);
	ev = event(SCOPE_KIND_MSG_ATTEMPT, 12);
	ADD(ev, DEST, fake_atom(&fake, "db pool"));
	ADD(ev, MSG, fake_atom(&fake, "hello"));
	ADD_TEXT(ev, DROPPED, "noproc");
	ev = event(SCOPE_KIND_MSG_ATTEMPT, 12);
	ADD(ev, TO, pid(9));
	ADD(ev, DEST, fake_ref(&fake, 1, 2, 3));
	ADD(ev, MSG, missing());
	ADD_U(ev, ALIAS, 1);
}

static void make_timers(void)
{
	struct scope_event *ev;

	ev = event(SCOPE_KIND_TIMER_START, 10);
	ADD(ev, TO, pid(12));
	ADD(ev, MSG, fake_atom(&fake, "tick"));
	ADD(ev, REF, fake_ref(&fake, 1, 2, 3));
	ADD_U(ev, AFTER_NS, 1000000);
	ev = event(SCOPE_KIND_TIMER_CANCEL, 10);
	ADD(ev, REF, fake_ref(&fake, 1, 2, 3));
	ADD_U(ev, LEFT_NS, 1000000);
	ev = event(SCOPE_KIND_TIMER_TIMEOUT, 0);
	ADD(ev, TO, pid(12));
	ADD(ev, MSG, fake_atom(&fake, "tick"));
	ADD(ev, REF, fake_ref(&fake, 1, 2, 3));
}

static void make_tables(void)
{
	struct scope_event *ev;

	ev = event(SCOPE_KIND_ETS_NEW, 10);
	ADD(ev, TABLE, fake_ref(&fake, 1, 2, 3));
	ADD(ev, TABLE_NAME, fake_atom(&fake, "cart"));
	ADD_TEXT(ev, ETS_OP, "new/2");
	for (unsigned k = SCOPE_KIND_ETS_DELETE_TABLE; k <= SCOPE_KIND_ETS_DELETE;
	     k++) {
		ev = event(k, 10);
		ADD(ev, TABLE_ATOM, fake_atom(&fake, "cart"));
		if (k == SCOPE_KIND_ETS_INSERT)
			ADD(ev, OBJECT, fake_int(1));
		else if (k != SCOPE_KIND_ETS_DELETE_TABLE)
			ADD(ev, KEY, fake_int(1));
		ADD_TEXT(ev, ETS_OP, "f/2");
	}
	ev = event(SCOPE_KIND_ETS_UPDATE, 10);
	ADD(ev, TABLE_ATOM, fake_atom(&fake, "cart"));
	ADD(ev, KEY, fake_int(1));
	ADD_TEXT(ev, ETS_OP, "update_counter/3");
	ev = event(SCOPE_KIND_ETS_SELECT, 10);
	ADD_TEXT(ev, ETS_OP, "select/1");
}

static void make_ports(void)
{
	struct scope_event *ev;

	ev = event(SCOPE_KIND_PORT_OPEN, 10);
	ADD(ev, PORT, port(5));
	ADD_TEXT(ev, DRIVER, "spawn");
	ADD_TEXT(ev, COMMAND, "cat \"a file\"");
	ev = event(SCOPE_KIND_PORT_CLOSE, 10);
	ADD(ev, PORT, port(5));
	ADD(ev, REASON, fake_atom(&fake, "normal"));
	ev = event(SCOPE_KIND_PORT_COMMAND, 10);
	ADD(ev, PORT, port(6));
	ADD_TEXT(ev, DRIVER, "tcp_inet");
	ADD_U(ev, DATA_BYTES, 5);
	ADD(ev, DATA, fake_bin(&fake, "hello", 5));
	ADD_TEXT(ev, LOCAL, "10.0.0.2:40123");
	ADD_TEXT(ev, PEER_ADDR, "10.0.0.1:443");
	ev = event(SCOPE_KIND_PORT_CONTROL, 10);
	ADD(ev, PORT, port(6));
	ADD_U(ev, OP_NUMBER, 17);
	ADD_U(ev, CALL, 1);
	ev = event(SCOPE_KIND_PORT_INPUT, 10);
	ADD(ev, PORT, port(5));
	ADD_U(ev, EXIT_STATUS, 1);
	ev = event(SCOPE_KIND_PORT_OUTPUT, 10);
	ADD(ev, PORT, port(6));
	ADD_U(ev, DATA_BYTES, 5);
	ADD_TEXT(ev, PEER_ADDR, "[::1]:443");
}

static int make(void **state)
{
	(void)state;
	if (fake_init(&fake, 25) < 0)
		return -1;
	make_processes();
	make_messages();
	make_others();
	make_scheduling();
	make_dist();
	make_ports();
	make_timers();
	make_tables();
	for (size_t i = 0; i < nevents; i++)
		events[i].image = *fake_image(&fake);
	return 0;
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
