/* SPDX-License-Identifier: MIT */
/* What `scope-bpf ps` prints of a snapshot: columns, JSON, the tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/ps.h"
#include "fake_vm.h"
#include "target/snap_int.h"

#define N 6
#define NIL FAKE_NIL

static struct fake fake;
static struct scope_snap_proc procs[N];
static struct scope_snap_peer peers[16];
static uint64_t words[64], segs[16];
static struct scope_snapshot s;
static struct scope_ps ps;
static char *text; /* what was printed last */
static size_t len;

/* Words behind each other at an address of their own; the list of `n` heads. */
static struct scope_snap_term list_of(const uint64_t *heads, size_t n)
{
	const uint64_t at = 0x5000 + 16 * s.nwords;
	struct scope_snap_term t = { .word = n ? at | 1 : NIL,
				     .words_at = (uint32_t)s.nwords,
				     .segs_at = (uint32_t)s.nsegs,
				     .nwords = (uint16_t)(2 * n),
				     .nsegs = 1 };

	for (size_t i = 0; i < n; i++) {
		words[s.nwords++] = heads[i];
		words[s.nwords++] = i + 1 < n ? (at + 16 * (i + 1)) | 1 : NIL;
	}
	segs[s.nsegs++] = SCOPE_SEG(at, 2 * n);
	return t;
}

static void links(size_t i, const size_t *to, uint32_t n)
{
	procs[i].links = (struct scope_snap_range){ (uint32_t)s.npeers, n };
	for (uint32_t k = 0; k < n; k++)
		peers[s.npeers++] = (struct scope_snap_peer){
			.to.word = procs[to[k]].pid
		};
}

static uint64_t pid(uint64_t n)
{
	return scope_vm_make_pid(&fake.vm, 10 + n, 0);
}

static int setup(void **state)
{
	uint64_t m, fn;

	(void)state;
	memset(procs, 0, sizeof(procs));
	memset(&s, 0, sizeof(s));
	if (fake_init(&fake, 27) < 0)
		return -1;
	m = fake_atom(&fake, "Elixir.Shop.Cart");
	fn = fake_atom(&fake, "init");
	for (size_t i = 0; i < N; i++)
		procs[i] = (struct scope_snap_proc){
			.pid = pid(i),
			.status = SCOPE_SNAP_WAITING,
			.spawned = { m, fn, 1 },
			.initial = { m, fn, 1 },
			.mailbox = i,
			.memory = 1000 * i,
		};
	s.procs = procs;
	s.peers = peers;
	s.words = words;
	s.segs = segs;
	s.n = N;
	s.by_pid = NULL;
	ps = (struct scope_ps){ .s = &s, .vm = &fake.vm };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(text);
	text = NULL;
	scope_vm_done(&fake.vm);
	return 0;
}

static FILE *begin(void)
{
	free(text);
	text = NULL;
	return open_memstream(&text, &len);
}

static void table(size_t width)
{
	static const enum scope_ps_key keys[] = { SCOPE_PS_PID, SCOPE_PS_WHAT,
						  SCOPE_PS_MAILBOX };
	const struct scope_snap_proc *rows[N];
	FILE *f = begin();

	for (size_t i = 0; i < N; i++)
		rows[i] = &procs[i];
	scope_ps_print_table(&ps, rows, N, keys, 3, width, f);
	(void)fclose(f);
}

static json_t *json(size_t i)
{
	FILE *f = begin();
	json_t *j;

	scope_ps_print_json(&ps, &procs[i], NULL, 0, f);
	(void)fclose(f);
	j = json_loads(text, 0, NULL);
	if (!j)
		fail_msg("no JSON: %s", text);
	return j;
}

static void tree(const bool *wanted)
{
	size_t n = 0;
	struct scope_ps_node *nodes = scope_ps_tree(&ps, &n);
	FILE *f = begin();

	assert_non_null(nodes);
	assert_int_equal(n, N);
	assert_int_equal(scope_ps_print_tree(&ps, nodes, n, wanted, false, f),
			 0);
	(void)fclose(f);
	free(nodes);
}

static void a_table_has_columns(void **state)
{
	(void)state;
	procs[1].name = fake_atom(&fake, "db_pool");
	procs[2].torn = true;
	table(0);
	assert_non_null(strstr(text, "PID       NAME/CALL               MSGS\n"));
	assert_non_null(strstr(text, "<0.11.0>  db_pool                    1\n"));
	assert_non_null(strstr(text, "!<0.12.0> Elixir.Shop.Cart:init/1"));
	ps.syntax = SCOPE_SYNTAX_ELIXIR;
	table(0);
	assert_non_null(strstr(text, "<0.10.0>  Shop.Cart.init/1    0\n"));
	/* Text gives way. */
	table(28);
	assert_non_null(strstr(text, "<0.10.0>  Shop.Cart.in+    0\n"));
}

static void nothing_moves_the_cursor(void **state)
{
	char evil[] = "a\x1b[2J\x7f\xc2\x9b\xe2\x80\xae\xff\n\xc3\xa9z";
	size_t n = sizeof(evil) - 1;

	(void)state;
	(void)scope_ps_clean(evil, &n);
	for (size_t i = 0; i < n; i++)
		assert_true((unsigned char)evil[i] >= ' ' && evil[i] != 0x7f);
	assert_null(strstr(evil, "\xe2\x80\xae"));
	assert_null(strstr(evil, "\xc2\x9b"));
	assert_non_null(strstr(evil, "\xc3\xa9z"));
	procs[0].name = fake_atom(&fake, "x\x1b[31m\ny");
	table(0);
	assert_null(strchr(text, 0x1b));
	assert_non_null(strstr(text, "x?[31m?y"));
}

static void an_object_has_all(void **state)
{
	const uint64_t heads[] = { fake_atom(&fake, "shop sup"), pid(0) };
	json_t *j;

	(void)state;
	procs[3].name = fake_atom(&fake, "quote\"d\n");
	procs[3].ancestors = list_of(heads, 2);
	procs[3].spawned.arity = 5;
	procs[3].lacks = SCOPE_SNAP_MEMORY | SCOPE_SNAP_LABEL;
	links(3, (size_t[]){ 0, 1 }, 2);
	j = json(3);
	assert_string_equal(json_string_value(json_object_get(j, "pid")),
			    "<0.13.0>");
	assert_string_equal(json_string_value(json_object_get(j, "name")),
			    "quote\"d\n");
	assert_string_equal(json_string_value(json_object_get(j, "spawned_as")),
			    "Elixir.Shop.Cart:init/5");
	assert_int_equal(json_integer_value(json_object_get(j, "mailbox")), 3);
	assert_int_equal(json_array_size(json_object_get(j, "links")), 2);
	assert_string_equal(json_string_value(json_array_get(
				    json_object_get(j, "ancestors"), 0)),
			    "'shop sup'");
	assert_int_equal(json_array_size(json_object_get(j, "partial")), 2);
	assert_null(json_object_get(j, "torn"));
	assert_null(json_object_get(j, "label"));
	json_decref(j);
}

static void what_runs_has_no_current_function(void **state)
{
	json_t *j;

	(void)state;
	procs[0].current = procs[0].initial;
	procs[0].status = SCOPE_SNAP_RUNNING;
	procs[0].scheduler = 2;
	j = json(0);
	assert_null(json_object_get(j, "current_function"));
	assert_non_null(json_object_get(j, "last_function"));
	assert_int_equal(json_integer_value(json_object_get(j, "scheduler")), 2);
	json_decref(j);
}

static void a_tree_is_drawn(void **state)
{
	const uint64_t sup = fake_atom(&fake, "sup");
	bool wanted[N] = { [1] = true, [3] = true };

	(void)state;
	/* 0 - 1 (by name), 1 - 3; 2 spawned by 0; 4 linked to 0; 5 alone. */
	procs[0].name = sup;
	procs[1].ancestors = list_of(&sup, 1);
	links(1, (size_t[]){ 0 }, 1);
	procs[3].ancestors =
		list_of((uint64_t[]){ pid(1), sup }, 2);
	procs[2].parent = pid(0);
	links(2, (size_t[]){ 0 }, 1);
	links(4, (size_t[]){ 0, 5 }, 2);
	tree(NULL);
	assert_string_equal(
		text,
		"sup <0.10.0> Elixir.Shop.Cart:init/1\n"
		"├─ Elixir.Shop.Cart:init/1 <0.11.0> 1 queued\n"
		"│  └─ Elixir.Shop.Cart:init/1 <0.13.0> 3 queued (not linked)\n"
		"├─ Elixir.Shop.Cart:init/1 <0.12.0> 2 queued (spawned, linked)\n"
		"└─ Elixir.Shop.Cart:init/1 <0.14.0> 4 queued (linked)\n"
		"Elixir.Shop.Cart:init/1 <0.15.0> 5 queued\n"
		"6 processes: 2 placed by $ancestors, 1 by who spawned them, 1 "
		"by a link, 2 at the top\n");
	/* What is below another one that is drawn is not drawn twice. */
	tree(wanted);
	assert_non_null(strstr(text, "└─ Elixir.Shop.Cart:init/1 <0.13.0>"));
	assert_null(strstr(text, "<0.10.0>"));
	assert_null(strstr(strstr(text, "<0.13.0>") + 1, "<0.13.0>"));
}

/* Each says that the next one is above it. */
static void circles_are_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < N; i++)
		procs[i].ancestors =
			list_of((uint64_t[]){ pid((i + 1) % N) }, 1);
	tree(NULL);
	assert_non_null(strstr(text, "1 at the top"));
	for (size_t i = 0; i < N; i++) {
		char p[16];

		(void)snprintf(p, sizeof(p), "<0.%zu.0>", 10 + i);
		assert_non_null(strstr(text, p));
	}
}

static void secrets_are_hidden(void **state)
{
	scope_auto(scope_redact) r = NULL;
	struct scope_err err = { 0 };
	json_t *j;

	(void)state;
	assert_int_equal(scope_redact_new(&r), 0);
	assert_int_equal(scope_redact_add(r, "match:secret", &err), 0);
	ps.redact = r;
	procs[0].name = fake_atom(&fake, "a_secret_name");
	procs[0].label.word = fake_atom(&fake, "a_secret_label");
	j = json(0);
	assert_null(strstr(text, "secret"));
	assert_string_equal(json_string_value(json_object_get(j, "name")),
			    "[redacted]");
	json_decref(j);
	table(0);
	assert_null(strstr(text, "secret"));
}

static void fields_have_names(void **state)
{
	(void)state;
	for (int k = 0; k < SCOPE_PS_KEYS; k++)
		assert_int_equal(scope_ps_key_of(scope_ps_fields[k].name,
						 strlen(scope_ps_fields[k].name)),
				 k);
	assert_int_equal(scope_ps_key_of("pi", 2), -1);
	assert_int_equal(scope_ps_key_of("", 0), -1);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_table_has_columns),
		TEST(nothing_moves_the_cursor),
		TEST(an_object_has_all),
		TEST(what_runs_has_no_current_function),
		TEST(a_tree_is_drawn),
		TEST(circles_are_cut),
		TEST(secrets_are_hidden),
		TEST(fields_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
