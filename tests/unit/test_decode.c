/* SPDX-License-Identifier: MIT */
/* Records into events: processes, their names, code, losses. */
#include "fake_ranges.h"
#include "fake_target.h"
#include "pipeline/budget.h"

/* -- processes ------------------------------------------------------------- */

static void a_spawn_is_told(void **state)
{
	uint64_t parent = alive(1, "shop"), args[2] = { fake_int(5), 0 };
	struct scope_rec *rec = rec_of(SCOPE_KIND_PROC_SPAWN, 1000, parent);

	(void)state;
	rec->spawn.child = pid_of(2);
	rec->spawn.module = atom("shop");
	rec->spawn.function = atom("main");
	args[1] = atom("ok");
	rec->spawn.args = fake_list(&t->f, args, 2, FAKE_NIL);
	rec->spawn.arity = 2;
	rec->flags = SCOPE_F_LINK;
	assert_int_equal(give(), 0);
	assert_int_equal(ngot, 2);
	is(0, "kind", "\"proc.info\"");
	is(0, "pid", "\"<0.1.0>\"");
	is(0, "name", "\"shop\"");
	is(1, "kind", "\"proc.spawn\"");
	is(1, "ts", "5000001000");
	is(1, "mono", "1000");
	is(1, "pid", "\"<0.1.0>\"");
	is(1, "name", "\"shop\"");
	is(1, "scheduler", "1");
	is(1, "child", "\"<0.2.0>\"");
	is(1, "mfa", "\"shop:main/2\"");
	is(1, "args", "[\"5\",\"ok\"]");
	is(1, "initial_call", NULL);
	is(1, "link", "true");
	is(1, "monitor", "false");
	is(1, "truncated", "false");
	is(1, "unreadable", NULL);
	/* The child needs no introduction. */
	rec = rec_of(SCOPE_KIND_PROC_EXIT, 3000, pid_of(2));
	rec->exit.reason = atom("normal");
	rec->exit.reductions = 77;
	assert_int_equal(give(), 0);
	assert_int_equal(ngot, 3);
	is(2, "kind", "\"proc.exit\"");
	is(2, "reason", "\"normal\"");
	is(2, "lifetime_ns", "2000");
	is(2, "reductions", "77");
	assert_int_equal(t->looks, 1);
}

static void arguments_that_are_no_list(void **state)
{
	struct scope_rec *rec = rec_of(SCOPE_KIND_PROC_SPAWN, 1, 0);

	(void)state;
	rec->spawn.child = pid_of(2);
	rec->spawn.module = atom("shop");
	rec->spawn.function = atom("main");
	rec->spawn.args = fake_int(3);
	rec->spawn.arity = 256;
	rec->flags = SCOPE_F_MONITOR | SCOPE_F_CUT;
	assert_int_equal(give(), 0);
	is(0, "mfa", NULL);
	is(0, "args", "[\"3\"]");
	is(0, "unreadable",
	   "\"mfa: the arguments are no list of at most 255\"");
	is(0, "link", "false");
	is(0, "monitor", "true");
}

/* init_p(Parent, Ancestors, M, F, A) */
static void spawn_proc_lib(const char *m, const char *f, uint64_t a)
{
	struct scope_rec *rec = rec_of(SCOPE_KIND_PROC_SPAWN, 1, 0);
	uint64_t args[5] = { pid_of(1), FAKE_NIL,
			     scope_vm_find_atom(&t->f.vm, m, t->f.atoms),
			     scope_vm_find_atom(&t->f.vm, f, t->f.atoms), a };

	rec->spawn.child = pid_of(2);
	rec->spawn.module = atom("proc_lib");
	rec->spawn.function = atom("init_p");
	rec->spawn.args = fake_list(&t->f, args, 5, FAKE_NIL);
	rec->spawn.arity = 5;
	forget();
	assert_int_equal(give(), 0);
	is(0, "mfa", "\"proc_lib:init_p/5\"");
}

/* gen:init_it(GenMod, Starter, Parent, [Name,] Mod, Args, Options) */
static void spawn_gen(const char *gen, bool has_name, const char *mod,
		      uint64_t args, const char *expect)
{
	uint64_t w[7], n = 0;

	w[n++] = atom(gen);
	w[n++] = pid_of(1);
	w[n++] = pid_of(1);
	if (has_name)
		w[n++] = atom("local");
	w[n++] = atom(mod);
	w[n++] = args;
	w[n++] = FAKE_NIL;
	spawn_proc_lib("gen", "init_it", fake_list(&t->f, w, n, FAKE_NIL));
	is(0, "initial_call", expect);
}

/* As proc_lib:trans_init/3 of OTP 25 and 27 does. */
static void what_proc_lib_runs_is_told(void **state)
{
	uint64_t sup[3] = { atom("local"), atom("shop"), FAKE_NIL };

	(void)state;
	for (int named = 0; named < 2; named++) {
		spawn_gen("gen_server", named, "shop", FAKE_NIL,
			  "\"shop:init/1\"");
		spawn_gen("gen_statem", named, "shop", FAKE_NIL,
			  "\"shop:init/1\"");
		spawn_gen("gen_event", named, "gen_event", FAKE_NIL,
			  "\"gen_event:init_it/6\"");
		spawn_gen("gen_server", named, "supervisor",
			  fake_tuple(&t->f, sup, 3), "\"supervisor:shop/1\"");
		spawn_gen("gen_server", named, "supervisor_bridge",
			  fake_list(&t->f, sup + 1, 1, FAKE_NIL),
			  "\"supervisor_bridge:shop/1\"");
		/* Of what was cut nothing is said. */
		spawn_gen("gen_server", named, "supervisor",
			  fake_boxed(0x1230), NULL);
		spawn_gen("gen_server", named, "supervisor_bridge",
			  0x1230 | SCOPE_TAG_LIST, NULL);
	}
	spawn_proc_lib("shop", "main", FAKE_NIL);
	is(0, "initial_call", "\"shop:main/0\"");
	sup[0] = fake_cons(&t->f, fake_int(1), FAKE_NIL);
	spawn_proc_lib("gen", "init_it", sup[0]);
	is(0, "initial_call", "\"gen:init_it/1\"");
	/* An argument list that was cut has no length. */
	spawn_proc_lib("shop", "main", 0x1230 | SCOPE_TAG_LIST);
	is(0, "initial_call", NULL);
	sup[0] = fake_cons(&t->f, fake_int(1), fake_int(2));
	spawn_proc_lib("shop", "main", sup[0]);
	is(0, "initial_call", NULL);
}

static void signals_are_told(void **state)
{
	uint64_t from = alive(1, "shop"), to = alive(2, "main");
	struct scope_rec *rec = rec_of(SCOPE_KIND_PROC_EXIT_SIGNAL, 9, from);

	(void)state;
	rec->exit_signal.from = from;
	rec->exit_signal.to = to;
	rec->exit_signal.reason = atom("normal");
	assert_int_equal(give(), 0);
	assert_int_equal(ngot, 3);
	is(2, "pid", "\"<0.1.0>\"");
	is(2, "to", "\"<0.2.0>\"");
	is(2, "to_name", "\"main\"");
	is(2, "reason", "\"normal\"");
	is(2, "via", "\"exit\"");
	is(2, "from", NULL);
	is(2, "port", NULL);
	is(2, "corr", "\"m-0-1\"");
	rec = rec_of(SCOPE_KIND_PROC_EXIT_SIGNAL, 10, 0);
	rec->exit_signal.from = port_of(4);
	rec->exit_signal.to = to;
	rec->exit_signal.reason = atom("normal");
	rec->flags = SCOPE_F_VIA_LINK;
	assert_int_equal(give(), 0);
	is(3, "via", "\"link\"");
	is(3, "from", "\"port\"");
	is(3, "port", "\"#Port<0.4>\"");
	is(3, "corr", "\"m-0-2\"");
}

static void links_and_monitors_are_told(void **state)
{
	static const unsigned kinds[] = {
		SCOPE_KIND_PROC_LINK, SCOPE_KIND_PROC_UNLINK,
		SCOPE_KIND_PROC_MONITOR, SCOPE_KIND_PROC_DEMONITOR,
	};
	static const char *const names[] = {
		"\"proc.link\"", "\"proc.unlink\"", "\"proc.monitor\"",
		"\"proc.demonitor\"",
	};
	uint64_t pid = alive(1, NULL), to = alive(2, "main");
	struct scope_rec *rec;

	(void)state;
	/* Introduce both. */
	rec = rec_of(SCOPE_KIND_PROC_EXIT_SIGNAL, 1, pid);
	rec->exit_signal.to = to;
	assert_int_equal(give(), 0);
	for (size_t i = 0; i < 4; i++) {
		bool has_ref = i > 1;

		forget();
		rec = rec_of(kinds[i], 2 + i, pid);
		rec->link.to = to;
		if (has_ref)
			rec->link.ref = fake_ref(&t->f, 1, 2, 3);
		assert_int_equal(give(), 0);
		assert_int_equal(ngot, 1);
		is(0, "kind", names[i]);
		is(0, "to", "\"<0.2.0>\"");
		is(0, "to_name", "\"main\"");
		is(0, "ref", has_ref ? "\"#Ref<0.3.2.1>\"" : NULL);
		is(0, "corr", NULL);
	}
	forget();
	rec = rec_of(SCOPE_KIND_PROC_DOWN, 9, pid);
	rec->link.to = to;
	rec->link.ref = fake_ref(&t->f, 1, 2, 3);
	rec->link.reason = atom("normal");
	assert_int_equal(give(), 0);
	is(0, "kind", "\"proc.down\"");
	is(0, "pid", "\"<0.1.0>\"");
	is(0, "from", "\"<0.2.0>\"");
	is(0, "from_name", "\"main\"");
	is(0, "to", NULL);
	is(0, "reason", "\"normal\"");
	is(0, "ref", "\"#Ref<0.3.2.1>\"");
}

static void names_come_and_go(void **state)
{
	uint64_t pid = alive(1, NULL);
	struct scope_rec *rec;

	(void)state;
	rec = rec_of(SCOPE_KIND_PROC_REGISTER, 1, pid);
	rec->reg.name = atom("shop");
	rec->reg.id = pid;
	assert_int_equal(give(), 0);
	assert_int_equal(ngot, 2);
	is(0, "kind", "\"proc.info\"");
	is(0, "name", NULL);
	is(1, "kind", "\"proc.register\"");
	is(1, "pid", "\"<0.1.0>\"");
	is(1, "name", "\"shop\"");
	is(1, "port", NULL);

	/* From now on its events say the name. */
	rec = rec_of(SCOPE_KIND_GC_START, 2, pid);
	assert_int_equal(give(), 0);
	is(2, "name", "\"shop\"");

	rec = rec_of(SCOPE_KIND_PROC_UNREGISTER, 3, pid_of(8));
	rec->reg.name = atom("shop");
	assert_int_equal(give(), 0);
	is(3, "kind", "\"proc.unregister\"");
	is(3, "pid", "\"<0.1.0>\"");
	is(3, "name", "\"shop\"");
	assert_int_equal(nrenamed, 2);
	assert_true(renamings[0].on && !renamings[1].on);
	assert_int_equal(renamings[0].pid, pid);
	assert_int_equal(renamings[1].pid, pid);
	assert_int_equal(renamings[1].name, atom("shop"));
	rec = rec_of(SCOPE_KIND_GC_START, 4, pid);
	assert_int_equal(give(), 0);
	is(4, "name", NULL);
}

static void ports_have_names_too(void **state)
{
	struct scope_rec *rec = rec_of(SCOPE_KIND_PROC_REGISTER, 1, 0);

	(void)state;
	rec->reg.name = atom("shop");
	rec->reg.id = port_of(4);
	assert_int_equal(give(), 0);
	assert_int_equal(ngot, 1);
	is(0, "pid", NULL);
	is(0, "name", "\"shop\"");
	is(0, "port", "\"#Port<0.4>\"");
}

static void one_that_is_not_known_is_looked_at_once(void **state)
{
	uint64_t pid = alive(1, NULL), gone = pid_of(2);

	(void)state;
	t->procs[0].parent = pid_of(5);
	t->procs[0].spawned = (struct scope_mfa){ atom("proc_lib"),
						  atom("init_p"), 5 };
	t->procs[0].initial = (struct scope_mfa){ atom("shop"), atom("init"),
						  1 };
	for (int i = 0; i < 3; i++) {
		(void)rec_of(SCOPE_KIND_GC_START, 1, pid);
		assert_int_equal(give(), 0);
		(void)rec_of(SCOPE_KIND_GC_START, 2, gone);
		assert_int_equal(give(), 0);
	}
	assert_int_equal(t->looks, 2);
	assert_int_equal(ngot, 7);
	is(0, "kind", "\"proc.info\"");
	is(0, "mono", "1");
	is(0, "mfa", "\"proc_lib:init_p/5\"");
	is(0, "initial_call", "\"shop:init/1\"");
	is(0, "parent", "\"<0.5.0>\"");
	is(0, "label", NULL);
	is(0, "ancestors", NULL);
	for (unsigned i = 1; i < 7; i++)
		is(i, "kind", "\"gc.start\"");
}

static void labels_and_ancestors_are_told(void **state)
{
	uint64_t w[2] = { 0, atom("shop") };

	(void)state;
	w[0] = alive(5, NULL);
	t->nprocs = 0;
	for (unsigned i = 0; i < 6; i++) {
		(void)alive(10 + i, NULL);
		t->procs[i].has_dictionary = true;
	}
	t->label = fake_tuple(&t->f, w, 2);
	mark = t->f.used;
	(void)rec_of(SCOPE_KIND_GC_START, 1, pid_of(10));
	assert_int_equal(give(), 0);
	is(0, "label", "\"{<0.5.0>,shop}\"");
	is(0, "ancestors", NULL);

	t->ancestors = fake_list(&t->f, w, 2, FAKE_NIL);
	mark = t->f.used;
	(void)rec_of(SCOPE_KIND_GC_START, 1, pid_of(11));
	assert_int_equal(give(), 0);
	is(2, "label", NULL);
	is(2, "ancestors", "[\"<0.5.0>\",\"shop\"]");

	t->label = atom("main");
	(void)rec_of(SCOPE_KIND_GC_START, 1, pid_of(12));
	assert_int_equal(give(), 0);
	is(4, "label", "\"main\"");
	is(4, "ancestors", "[\"<0.5.0>\",\"shop\"]");

	t->ancestors = 0;
	(void)rec_of(SCOPE_KIND_GC_START, 1, pid_of(13));
	assert_int_equal(give(), 0);
	is(6, "label", "\"main\"");

	/* What can't be read is left out. */
	t->label = 0x1230 | SCOPE_TAG_LIST;
	(void)rec_of(SCOPE_KIND_GC_START, 1, pid_of(14));
	assert_int_equal(give(), 0);
	is(8, "label", NULL);

	/* Contents that nobody asked for. */
	open_decoder(ALL, 0);
	t->label = atom("main");
	(void)rec_of(SCOPE_KIND_GC_START, 1, pid_of(15));
	assert_int_equal(give(), 0);
	is(0, "label", NULL);
}

/* Registrations come unfiltered: those of others are noted, and not told. */
static void names_of_others_are_not_told(void **state)
{
	uint64_t ours = alive(1, NULL), other = alive(2, NULL);
	struct scope_rec *rec;

	(void)state;
	the_set = ours;
	rec = rec_of(SCOPE_KIND_PROC_REGISTER, 1, other);
	rec->reg.name = atom("shop");
	rec->reg.id = other;
	assert_int_equal(give(), 1);
	rec = rec_of(SCOPE_KIND_PROC_UNREGISTER, 2, other);
	rec->reg.name = atom("shop");
	assert_int_equal(give(), 1);
	assert_int_equal(ngot, 0);
	assert_int_equal(nrenamed, 2);
	rec = rec_of(SCOPE_KIND_PROC_REGISTER, 3, other);
	rec->reg.name = atom("shop");
	rec->reg.id = ours;
	assert_int_equal(give(), 0);
	rec = rec_of(SCOPE_KIND_PROC_UNREGISTER, 4, other);
	rec->reg.name = atom("shop");
	assert_int_equal(give(), 0);
	is(ngot - 1, "kind", "\"proc.unregister\"");
	is(ngot - 1, "pid", "\"<0.1.0>\"");
	the_set = 0;
}

static void those_alive_are_introduced(void **state)
{
	struct scope_err err = { 0 };
	uint64_t b = alive(2, NULL);

	(void)state;
	(void)alive(1, "shop");
	(void)rec_of(SCOPE_KIND_GC_START, 1, b);
	assert_int_equal(give(), 0);
	forget();
	assert_int_equal(scope_decoder_introduce(d, 7, &err), 0);
	assert_int_equal(ngot, 1);
	is(0, "pid", "\"<0.1.0>\"");
	is(0, "name", "\"shop\"");
	is(0, "mono", "7");
	assert_int_equal(scope_decoder_introduce(d, 8, &err), 0);
	assert_int_equal(ngot, 1);
	/* Only those in the set. */
	open_decoder(ALL, 64);
	the_set = b;
	assert_int_equal(scope_decoder_introduce(d, 7, &err), 0);
	assert_int_equal(ngot, 1);
	is(0, "pid", "\"<0.2.0>\"");
}

/* -- the rest -------------------------------------------------------------- */

static void collections_are_told(void **state)
{
	static const char *const why[] = { "\"heap\"", "\"bif\"", "\"runtime\"",
					   NULL, NULL, NULL };
	uint64_t pid = alive(1, NULL);
	struct scope_rec *rec;

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		forget();
		for (unsigned end = 0; end < 2; end++) {
			rec = rec_of(end ? SCOPE_KIND_GC_END :
					   SCOPE_KIND_GC_START,
				     5, pid);
			rec->gc.heap_before = 100;
			rec->gc.size_before = 233;
			rec->gc.need = 7;
			rec->gc.caller = BIAS + 0x1000 * i + 1;
			if (end) {
				rec->flags = SCOPE_F_MAJOR | SCOPE_F_DIRTY;
				rec->gc.heap_after = 50;
				rec->gc.size_after = 144;
				rec->gc.pause_ns = 999;
			}
			assert_int_equal(give(), 0);
			is(ngot - 1, "major", end ? "true" : NULL);
			is(ngot - 1, "dirty", end ? "true" : NULL);
			is(ngot - 1, "heap_before_words", "100");
			is(ngot - 1, "heap_after_words", end ? "50" : NULL);
			is(ngot - 1, "heap_size_before_words", "233");
			is(ngot - 1, "heap_size_after_words",
			   end ? "144" : NULL);
			is(ngot - 1, "need_words", "7");
			is(ngot - 1, "pause_ns", end ? "999" : NULL);
			is(ngot - 1, "reason", why[i]);
		}
	}
	rec = rec_of(SCOPE_KIND_GC_START, 5, pid);
	rec->gc.caller = BIAS + 1;
	assert_int_equal(give(), 0);
	is(ngot - 1, "reason", "\"forced\"");
	/* More callers than are remembered. */
	for (uint64_t i = 0; i < 1000; i++) {
		forget();
		rec = rec_of(SCOPE_KIND_GC_START, 5, pid);
		rec->gc.caller = i == 999 ? BIAS + 0x2000 : 16 * i;
		assert_int_equal(give(), 0);
	}
	is(0, "reason", "\"runtime\"");
}

#define CODE 0x7e0000000000ull

static void code_is_told(void **state)
{
	static const char gone[] = "\"module: its JIT entry was gone\"";
	uint64_t entry = code_of("shop", CODE, 0), late, never;
	struct scope_rec *rec;

	(void)state;
	late = code_of("main", CODE + 0x1000, 0);
	code_gone(late);
	never = code_of("main", CODE + 0x2000, 0);
	rec = rec_of(SCOPE_KIND_CODE_LOAD, 1, 0);
	rec->code.entry = entry;
	assert_int_equal(give(), 0);
	is(0, "kind", "\"code.load\"");
	is(0, "module", "\"shop\"");
	is(0, "functions", "3");
	is(0, "code_bytes", "1000");
	is(0, "pid", NULL);
	code_gone(entry);
	rec = rec_of(SCOPE_KIND_CODE_UNLOAD, 2, 0);
	rec->code.entry = entry;
	assert_int_equal(give(), 0);
	is(1, "module", "\"shop\"");
	is(1, "functions", "3");
	/* One that was not loaded, and the same once more. */
	rec = rec_of(SCOPE_KIND_CODE_UNLOAD, 2, 0);
	rec->code.entry = never;
	assert_int_equal(give(), 0);
	is(2, "module", NULL);
	is(2, "unreadable", gone);
	rec = rec_of(SCOPE_KIND_CODE_UNLOAD, 2, 0);
	rec->code.entry = entry;
	assert_int_equal(give(), 0);
	is(3, "unreadable", gone);
	rec = rec_of(SCOPE_KIND_CODE_LOAD, 2, 0);
	rec->code.entry = late;
	assert_int_equal(give(), 0);
	is(4, "unreadable", gone);
	rec = rec_of(SCOPE_KIND_CODE_UNLOAD, 2, 0);
	rec->code.module = atom("main");
	assert_int_equal(give(), 0);
	is(5, "module", "\"main\"");
	is(5, "functions", NULL);
}

/* What the probe copied of an entry that is gone has the module's name; a
 * length that is more than what was copied is not believed. */
static void code_that_was_purged_at_once_has_a_name(void **state)
{
	static const uint8_t head[40] = { [0] = 1,  [20] = 0xe8, [21] = 3,
					  [26] = 's', 'h', 'o', 'p' };
	uint64_t entry = code_of("main", CODE + 0x1000, 0), w[5];

	(void)state;
	code_gone(entry);
	(void)rec_of(SCOPE_KIND_GC_START, 1, 0);
	assert_int_equal(give(), 0);
	for (uint16_t len = 5; len < 26; len += 10) {
		struct scope_rec *rec = rec_of(SCOPE_KIND_CODE_LOAD, len, 0);

		memcpy(w, head, sizeof(w));
		memcpy((char *)w + 24, &len, sizeof(len));
		rec->code.entry = entry;
		rec->code.file = fake_words(&t->f, w, 5);
		assert_int_equal(give(), 0);
		is(ngot - 1, "module", len == 5 ? "\"shop\"" : NULL);
		is(ngot - 1, "code_bytes", len == 5 ? "1000" : NULL);
		is(ngot - 1, "functions", NULL);
	}
}

/* jit_descriptor: version, action, relevant entry, first entry (gdb). */
static void first_code(uint64_t entry)
{
	fake_put(&t->f, fake_at(2), &entry, 8);
}

static void code_that_is_there_is_learned(void **state)
{
	struct scope_rec *rec;
	uint64_t at[2];

	(void)state;
	at[1] = code_of("shop", CODE, 0);
	at[0] = code_of("main", CODE + 0x1000, at[1]);
	first_code(at[0]);
	scope_decoder_learn_code(d);
	code_gone(at[0]);
	code_gone(at[1]);
	for (unsigned i = 0; i < 2; i++) {
		rec = rec_of(SCOPE_KIND_CODE_UNLOAD, 2, 0);
		rec->code.entry = at[i];
		assert_int_equal(give(), 0);
		is(i, "module", i ? "\"shop\"" : "\"main\"");
	}
	assert_int_equal(ngot, 2);
	/* A circle has an end. */
	at[0] = code_of("main", CODE, at[0]);
	fake_put(&t->f, at[0], &at[0], 8);
	first_code(at[0]);
	scope_decoder_learn_code(d);
}

/* What a process that is met now says of itself. */
static void meet_at(unsigned n, uint64_t i, uint64_t current,
		    const char *expect)
{
	uint64_t pid = alive(n, NULL);

	t->procs[t->nprocs - 1].i = i;
	t->procs[t->nprocs - 1].current = current;
	forget();
	(void)rec_of(SCOPE_KIND_GC_START, 3, pid);
	assert_int_equal(give(), 0);
	is(0, "kind", "\"proc.info\"");
	is(0, "current", expect);
}

static void where_processes_wait(void **state)
{
	const uint64_t mfa[3] = { atom("proc_lib"), atom("init_p"), 5 };
	uint64_t own, shop, at, none, later;

	(void)state;
	at = fake_words(&t->f, mfa, 3);
	none = fake_words(&t->f, (uint64_t[3]){ 1, 2, 3 }, 3);
	own = code_of("erts_beamasm", CODE, 0);
	shop = code_of("shop", CODE + 0x1000, own);
	first_code(shop);
	meet_at(1, CODE + 0x1000, 0, "\"shop:init/1\"");
	meet_at(2, CODE + 0x1000 + 400, at, "\"shop:buy it/2\"");
	/* It runs. */
	meet_at(3, 0, at, NULL);
	/* In no code of Erlang: what it is about to run, if that is known. */
	meet_at(4, CODE + 10, at, "\"proc_lib:init_p/5\"");
	meet_at(5, CODE + 0x1000 + 950, at, "\"proc_lib:init_p/5\"");
	meet_at(6, CODE + 10, 0, NULL);
	meet_at(7, CODE + 10, none, NULL);
	t->nprocs = 0;
	meet_at(8, 17, 8, NULL);
	/* Code that nothing told of. */
	later = code_of("shop", CODE + 0x2000, shop);
	first_code(later);
	meet_at(9, CODE + 0x2000 + 600, 0, "\"shop:stop/0\"");
	/* And where code is not watched, also what took another's place. */
	open_decoder(ALL & ~SCOPE_KIND_BIT(SCOPE_KIND_CODE_LOAD), 64);
	meet_at(10, CODE + 0x1000 + 600, 0, "\"shop:stop/0\"");
	first_code(code_of("main", CODE + 0x1000, later));
	meet_at(11, CODE + 0x1000 + 600, 0, "\"main:stop/0\"");
}

static void interpreted_code_is_named(void **state)
{
	const uint64_t mfa[3] = { atom("proc_lib"), atom("init_p"), 5 };
	struct fake_ranges fr;
	struct scope_rec *rec;
	uint64_t at;

	(void)state;
	fake_ranges_make(&t->f, &fr);
	at = fake_words(&t->f, mfa, 3);
	mark = t->f.used;
	t->ranges = fr.tables;
	t->active = fr.active;
	open_decoder(ALL, 64);
	meet_at(1, fake_function_code(&fr, 0, 0), 0, "\"module_a:first/0\"");
	meet_at(2, fake_function_code(&fr, 19, 1), at,
		"\"module_t:second/1\"");
	/* In no module: where processes begin; in a BIF that waits. */
	meet_at(3, CODE, at, "\"proc_lib:init_p/5\"");
	meet_at(4, CODE, 0, NULL);
	meet_at(5, 0, at, NULL);
	/* Code that was loaded since: another index has it. */
	t->f.mem[(fake_function(&fr, 3, 1) + 24 - FAKE_BASE) / 8] =
		atom("main");
	t->f.mem[(fr.slots + 16 * 3 + 8 - FAKE_BASE) / 8] = fr.module[3];
	t->nprocs = 0;
	fake_put(&t->f, fr.active, &(uint32_t){ 1 }, 4);
	open_decoder(ALL, 64);
	meet_at(6, fake_function_code(&fr, 3, 1), 0, "\"module_d:main/1\"");
	/* The probe tells what there is to tell. */
	forget();
	rec = rec_of(SCOPE_KIND_CODE_LOAD, 1, 0);
	rec->code.module = atom("shop");
	rec->code.functions = 3;
	rec->code.bytes = 1000;
	assert_int_equal(give(), 0);
	is(0, "module", "\"shop\"");
	is(0, "functions", "3");
	is(0, "code_bytes", "1000");
}

static void losses_are_told(void **state)
{
	struct scope_rec *rec;

	(void)state;
	for (unsigned cause = 0; scope_loss_name((enum scope_loss)cause);
	     cause++) {
		forget();
		rec = rec_of(SCOPE_KIND_LOSS, 2000, 0);
		rec->cpu = 3;
		rec->a[0] = SCOPE_KIND_MSG_SEND;
		rec->a[1] = cause;
		rec->a[2] = 17;
		rec->a[3] = 3000;
		assert_int_equal(give(), 0);
		assert_int_equal(ngot, 1);
		is(0, "kind", "\"loss\"");
		if (cause == SCOPE_LOSS_RING)
			is(0, "cause", "\"ring_full\"");
		is(0, "of", "\"msg.send\"");
		is(0, "stage",
		   cause == SCOPE_LOSS_QUEUE ? "\"collector\"" :
					       "\"kernel\"");
		is(0, "cpu", cause == SCOPE_LOSS_QUEUE ? NULL : "3");
		is(0, "count", "17");
		is(0, "from", "5000002000");
		is(0, "to", "5000003000");
		is(0, "scheduler", NULL);
	}
	/* Of what nobody asked for nothing is missed. */
	open_decoder(ALL & ~SCOPE_KIND_BIT(SCOPE_KIND_MSG_SEND), 64);
	rec = rec_of(SCOPE_KIND_LOSS, 3000, 0);
	rec->a[0] = SCOPE_KIND_MSG_SEND;
	assert_int_equal(give(), 1);
	assert_int_equal(ngot, 0);
}

static void what_probes_cost_is_told(void **state)
{
	struct scope_rec *rec;
	uint64_t *words;

	(void)state;
	rec = rec_of(SCOPE_KIND_BUDGET, 2000, 0);
	rec->a[0] = SCOPE_GROUP_GC;
	rec->a[1] = SCOPE_BUDGET_DUTY;
	rec->a[3] = 125000;
	rec->a[4] = 62500;
	rec->a[5] = SCOPE_KIND_BIT(SCOPE_KIND_GC_END) |
		    SCOPE_KIND_BIT(SCOPE_KIND_HEAP_GROW);
	assert_int_equal(give(), 0);
	is(0, "kind", "\"budget\"");
	is(0, "group", "\"gc\"");
	is(0, "of", "\"gc.end,heap.grow\"");
	is(0, "state", "\"duty\"");
	is(0, "share", "0.125");
	is(0, "cost", "0.0625");
	is(0, "from", NULL);
	is(0, "missed", NULL);
	forget();
	rec = rec_of(SCOPE_KIND_BUDGET, 3000, 0);
	words = (uint64_t *)((char *)rec + SCOPE_REC_BYTES);
	rec->a[0] = SCOPE_GROUP_GC;
	rec->a[1] = SCOPE_BUDGET_ON;
	rec->a[2] = 2000;
	rec->nwords = 2;
	rec->nsegs = 1;
	words[0] = SCOPE_KIND_GC_END;
	words[1] = 17;
	words[2] = SCOPE_SEG(0, 2);
	assert_int_equal(scope_decoder_record(d, rec), 0);
	is(0, "state", "\"on\"");
	is(0, "from", "5000002000");
	is(0, "to", "5000003000");
	is(0, "missed", "{\"gc.end\":17}");
	forget();
	words[0] = SCOPE_KIND_MAX;
	assert_int_equal(scope_decoder_record(d, rec), -EBADMSG);
	words[0] = 63;
	assert_int_equal(scope_decoder_record(d, rec), -EBADMSG);
	rec->nwords = 1;
	assert_int_equal(scope_decoder_record(d, rec), -EBADMSG);
	rec->nwords = 0;
	rec->a[1] = SCOPE_BUDGET_STATES;
	assert_int_equal(scope_decoder_record(d, rec), -EBADMSG);
	rec->a[1] = 0;
	rec->a[0] = SCOPE_GROUP_MAX;
	assert_int_equal(scope_decoder_record(d, rec), -EBADMSG);
	assert_int_equal(ngot, 0);
}

static void the_share_that_is_kept_is_told(void **state)
{
	struct scope_rec *rec = rec_of(SCOPE_KIND_OVERFLOW, 3000, 0);
	uint64_t *words = (uint64_t *)((char *)rec + SCOPE_REC_BYTES);

	(void)state;
	rec->a[0] = 250000;
	rec->a[1] = SCOPE_SHED_OUTPUT;
	rec->a[2] = 2000;
	rec->nwords = 2;
	rec->nsegs = 1;
	words[0] = SCOPE_KIND_MSG_SEND;
	words[1] = 17;
	words[2] = SCOPE_SEG(0, 2);
	assert_int_equal(scope_decoder_record(d, rec), 0);
	is(0, "kind", "\"overflow\"");
	is(0, "share", "0.25");
	is(0, "cause", "\"output_full\"");
	is(0, "from", "5000002000");
	is(0, "to", "5000003000");
	is(0, "sampled", "{\"msg.send\":17}");
	forget();
	rec->a[0] = SCOPE_MILLION + 1;
	assert_int_equal(scope_decoder_record(d, rec), -EBADMSG);
	rec->a[0] = SCOPE_MILLION;
	rec->a[1] = SCOPE_SHED_WHYS;
	assert_int_equal(scope_decoder_record(d, rec), -EBADMSG);
	rec->a[1] = SCOPE_SHED_ROOM;
	words[0] = SCOPE_KIND_MAX;
	assert_int_equal(scope_decoder_record(d, rec), -EBADMSG);
	rec->nwords = 1;
	assert_int_equal(scope_decoder_record(d, rec), -EBADMSG);
	rec->nwords = rec->nsegs = 0;
	assert_int_equal(scope_decoder_record(d, rec), 0);
	is(0, "cause", "\"room\"");
	is(0, "share", "1.0");
	is(0, "sampled", "{}");
}

static bool comes_from_below(unsigned kind)
{
	return kind == SCOPE_KIND_LOSS || kind == SCOPE_KIND_BUDGET ||
	       kind == SCOPE_KIND_OVERFLOW ||
	       (SCOPE_KIND_IS_WIRE(kind) && scope_kind_info(kind)->name);
}

static void unknown_kinds_are_refused(void **state)
{
	uint64_t pid = alive(1, NULL);

	(void)state;
	for (unsigned kind = 0; kind < 65536; kind++) {
		if (comes_from_below(kind))
			continue;
		(void)rec_of(kind, 1, pid);
		assert_int_equal(give(), -EBADMSG);
	}
	for (uint64_t of = 0; of < 300; of++) {
		(void)rec_of(SCOPE_KIND_LOSS, 1, 0);
		r.rec.a[0] = of;
		assert_int_equal(give(), of < SCOPE_KIND_MAX &&
					 scope_kind_info((unsigned)of)->name ?
						 0 : -EBADMSG);
		forget();
	}
	(void)rec_of(SCOPE_KIND_LOSS, 1, 0);
	r.rec.a[0] = 1ull << 32 | SCOPE_KIND_MSG_SEND;
	assert_int_equal(give(), -EBADMSG);
	assert_int_equal(ngot, 0);
	assert_int_equal(t->looks, 0);
}

/* Kinds that nobody asked for: no events, but what they teach is kept. */
static void the_tables_learn_from_all_kinds(void **state)
{
	uint64_t pid = alive(1, NULL);
	struct scope_rec *rec;

	(void)state;
	open_decoder(SCOPE_KIND_BIT(SCOPE_KIND_GC_START), 64);
	rec = rec_of(SCOPE_KIND_PROC_REGISTER, 1, pid);
	rec->reg.name = atom("shop");
	rec->reg.id = pid;
	assert_int_equal(give(), 1);
	assert_int_equal(ngot, 0);
	(void)rec_of(SCOPE_KIND_GC_START, 2, pid);
	assert_int_equal(give(), 0);
	is(0, "name", "\"shop\"");
	(void)rec_of(SCOPE_KIND_PROC_EXIT, 3, pid);
	assert_int_equal(give(), 1);
	assert_int_equal(ngot, 1);
	/* Long after, the first one is forgotten: it is looked for again. */
	(void)rec_of(SCOPE_KIND_PROC_EXIT, 20000000000, pid_of(3));
	assert_int_equal(give(), 1);
	t->looks = 0;
	(void)rec_of(SCOPE_KIND_GC_START, 20000000001, pid);
	assert_int_equal(give(), 0);
	assert_int_equal(t->looks, 1);
	is(1, "name", NULL);
}

static void no_words_no_contents(void **state)
{
	static const char *const contents[] = { "msg", "msg_words", "args",
						"reason", "ref", "label",
						"ancestors", "initial_call",
						"truncated" };
	uint64_t a = alive(1, NULL), b = alive(2, NULL), w[2] = { 0 };
	struct scope_rec *rec;

	(void)state;
	t->procs[0].has_dictionary = t->procs[1].has_dictionary = true;
	t->label = atom("main");
	open_decoder(ALL, 0);
	w[0] = w[1] = fake_int(4711);
	for (unsigned kind = 1; kind < SCOPE_KIND_MAX; kind++) {
		if (!comes_from_below(kind) || kind == SCOPE_KIND_LOSS ||
		    kind == SCOPE_KIND_BUDGET || kind == SCOPE_KIND_OVERFLOW ||
		    kind == SCOPE_KIND_GC_START ||
		    kind == SCOPE_KIND_GC_END)
			continue;
		rec = rec_of(kind, kind, a);
		for (unsigned i = 0; i < 4; i++)
			rec->a[i] = fake_tuple(&t->f, w, 2);
		rec->a[0] = b;
		if (kind == SCOPE_KIND_PROC_REGISTER ||
		    kind == SCOPE_KIND_PROC_UNREGISTER) {
			rec->reg.name = atom("shop");
			rec->reg.id = b;
		}
		if (kind == SCOPE_KIND_CODE_LOAD ||
		    kind == SCOPE_KIND_CODE_UNLOAD)
			rec->code.module = atom("shop");
		if (kind == SCOPE_KIND_PROC_EXIT)
			rec->exit.reductions = 1;
		assert_int_equal(give(), 0);
	}
	for (unsigned i = 0; i < ngot; i++) {
		char *text = json_dumps(got[i], JSON_COMPACT);

		for (size_t k = 0; k < sizeof(contents) / sizeof(*contents);
		     k++)
			is(i, contents[k], NULL);
		assert_null(strstr(text, "4711"));
		free(text);
	}
	assert_true(ngot > 12);
}

static uint64_t seed;

static uint64_t rnd(uint64_t below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (seed >> 33) % below;
}

/* Whatever is in a record: an event that is valid JSON, or a refusal. */
static void nothing_in_a_record_is_trusted(void **state)
{
	uint64_t pick[16];

	(void)state;
	seed = 5;
	for (unsigned i = 0; i < 5; i++)
		(void)alive(1 + i, i & 1 ? "shop" : NULL);
	for (unsigned i = 0; i < 16; i++)
		pick[i] = i < 5 ? pid_of(1 + i) : i < 8 ? port_of(i) :
						   (uint64_t)(i - 8) << 6 | 0xb;
	for (unsigned n = 0; n < 30000; n++) {
		uint64_t base = fake_at(4000);
		struct scope_rec *rec;

		rec = rec_of(1 + rnd(17), n, pick[rnd(16)]);
		if (rec->kind == 17)
			rec->kind = SCOPE_KIND_LOSS;
		rec->flags = (__u32)(rnd(512));
		rec->nwords = (__u16)(rnd(40));
		rec->nsegs = (__u16)(rnd(4));
		rec->len = SCOPE_REC_BYTES + 8u * (rec->nwords + rec->nsegs);
		for (unsigned i = 0; i < rec->nwords; i++)
			r.words[i] = rnd(3) ? pick[rnd(16)] :
				     rnd(2) ? (rnd(16)) << 2 | (rnd(6)) << 6 :
					      base + 8 * (rnd(40)) + (rnd(3));
		for (unsigned i = 0; i < rec->nsegs; i++)
			r.words[rec->nwords + i] =
				SCOPE_SEG(rnd(5) ? base + 8 * (rnd(20)) : 0,
					  rnd(3) ? rnd(20) : rnd(65536));
		for (unsigned i = 0; i < 6; i++) {
			uint64_t v = rnd(3);

			rec->a[i] = v == 0 ? pick[rnd(16)] :
				    v == 1 ? base + 8 * (rnd(40)) + (rnd(3)) :
					     rnd(1ull << 31);
		}
		forget();
		(void)scope_decoder_record(d, rec);
		nrenamed = 0;
	}
}

/* -- memory ---------------------------------------------------------------- */

static void every_allocation_may_fail(void **state)
{
	struct scope_decode_opts opts = {
		.kinds = ALL,
		.emit = on_event,
		.arg = &ngot,
	};
	struct scope_decoder *made = NULL;
	long n = 0;
	int rc;

	(void)state;
	do {
		struct scope_err err = { 0 };

		fault_in = n++;
		rc = scope_decoder_new(t, &opts, &made, &err);
		fault_in = -1;
		assert_true(rc == 0 || rc == -ENOMEM);
		assert_int_equal(rc != 0, made == NULL);
		if (rc < 0)
			assert_string_equal(err.text, "out of memory");
	} while (rc != 0);
	assert_true(n > 10);
	scope_decoder_free(made);
	scope_decoder_free(NULL);
}

/* Without memory for its tables it tells less, and goes on. */
static void events_do_not_need_memory(void **state)
{
	uint64_t a = alive(1, NULL);
	struct scope_rec *rec;

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		rec = rec_of(SCOPE_KIND_PROC_SPAWN, i, a);
		rec->spawn.child = pid_of(10 + i);
		rec->spawn.module = rec->spawn.function = atom("shop");
		rec->spawn.args = FAKE_NIL;
		if (i % 2)
			rec_of(SCOPE_KIND_CODE_LOAD, i, 0)->code.entry =
				0x9000 + 16 * i;
		rec->len = SCOPE_REC_BYTES;
		forget();
		fault_in = 0; /* until the event is there */
		assert_int_equal(scope_decoder_record(d, rec), 0);
		fault_in = -1;
		assert_true(ngot > 0);
		is(ngot - 1, "kind", i % 2 ? "\"code.load\"" :
					     "\"proc.spawn\"");
	}
}

#define TESTS(otp) \
	T(a_spawn_is_told, otp), \
	T(arguments_that_are_no_list, otp), \
	T(what_proc_lib_runs_is_told, otp), \
	T(signals_are_told, otp), \
	T(links_and_monitors_are_told, otp), \
	T(names_come_and_go, otp), \
	T(ports_have_names_too, otp), \
	T(one_that_is_not_known_is_looked_at_once, otp), \
	T(labels_and_ancestors_are_told, otp), \
	T(names_of_others_are_not_told, otp), \
	T(those_alive_are_introduced, otp), \
	T(collections_are_told, otp), \
	T(code_is_told, otp), \
	T(code_that_was_purged_at_once_has_a_name, otp), \
	T(code_that_is_there_is_learned, otp), \
	T(where_processes_wait, otp), \
	T(losses_are_told, otp), \
	T(what_probes_cost_is_told, otp), \
	T(unknown_kinds_are_refused, otp), \
	T(the_tables_learn_from_all_kinds, otp), \
	T(no_words_no_contents, otp), \
	T(nothing_in_a_record_is_trusted, otp)

/* What is left out by intention leaves its traces in the table of processes. */
static void what_is_left_out_is_noted(void **state)
{
	uint64_t pid = alive(1, NULL), child = pid_of(2);
	struct scope_rec *rec = rec_of(SCOPE_KIND_PROC_SPAWN, 1000, pid);

	(void)state;
	rec->flags = SCOPE_F_SAMPLED;
	rec->spawn.child = child;
	assert_int_equal(give(), SCOPE_DECODE_SAMPLED);
	left_out = child;
	rec = rec_of(SCOPE_KIND_PROC_REGISTER, 1100, child);
	rec->reg.name = atom("shop");
	rec->reg.id = child;
	assert_int_equal(give(), SCOPE_DECODE_SAMPLED);
	rec = rec_of(SCOPE_KIND_MSG_SEND, 1200, pid);
	rec->msg.to = child;
	assert_int_equal(give(), 0);
	assert_int_equal(ngot, 2); /* the first introduces the parent */
	is(1, "kind", "\"msg.send\"");
	is(1, "to_name", "\"shop\"");
	/* A timer that is for a name. */
	rec = rec_of(SCOPE_KIND_TIMER_TIMEOUT, 1250, 0);
	rec->timer.to = atom("shop");
	assert_int_equal(give(), SCOPE_DECODE_SAMPLED);
	rec->timer.to = atom("main");
	assert_int_equal(give(), 0);
	rec = rec_of(SCOPE_KIND_PROC_UNREGISTER, 1300, pid);
	rec->reg.name = atom("shop");
	assert_int_equal(give(), SCOPE_DECODE_SAMPLED);
	rec = rec_of(SCOPE_KIND_PROC_EXIT, 1400, child);
	rec->flags = SCOPE_F_SAMPLED;
	assert_int_equal(give(), SCOPE_DECODE_SAMPLED);
	assert_int_equal(ngot, 3);
	/* What nobody asked for is not left out, too. */
	open_decoder(SCOPE_KIND_BIT(SCOPE_KIND_MSG_SEND), 0);
	rec = rec_of(SCOPE_KIND_PROC_EXIT, 1500, child);
	rec->flags = SCOPE_F_SAMPLED;
	assert_int_equal(give(), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TESTS(23),
		TESTS(25),
		TESTS(27),
		T(interpreted_code_is_named, 23),
		T(every_allocation_may_fail, 25),
		T(events_do_not_need_memory, 25),
		T(what_is_left_out_is_noted, 25),
		T(the_share_that_is_kept_is_told, 25),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
