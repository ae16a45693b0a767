/* SPDX-License-Identifier: MIT */
/*
 * fake_target: a target for the decoder, made here: the memory of fake_vm.h, a
 * table of processes and a few functions. What the decoder says is kept as
 * JSON; each event must have the keys that its kind has, in their order.
 */
#ifndef SCOPE_TESTS_FAKE_TARGET_H
#define SCOPE_TESTS_FAKE_TARGET_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "export/json.h"
#include "fake_code.h"
#include "fake_vm.h"
#include "fault.h"
#include "pipeline/decode.h"
#include "pipeline/shed.h"
#include "target/ranges.h"

#define ALL (~0ull)
#define OFFSET_NS 5000000000ll
#define BIAS 0x400000ull
#define NPROCS 8

struct scope_target {
	struct fake f;
	struct scope_target_info info;
	struct scope_proc procs[NPROCS];
	size_t nprocs;
	unsigned looks; /* at one process */
	uint64_t label, ancestors;
	uint64_t ranges, active; /* an interpreter's; 0: it has none */
	uint64_t node; /* its name */
};

static struct scope_target *t;
static struct scope_decoder *d;
static struct scope_json *writer;

/* -- the target ------------------------------------------------------------ */

struct scope_vm *scope_target_vm(struct scope_target *target)
{
	return &target->f.vm;
}

const struct scope_target_info *
scope_target_info(const struct scope_target *target)
{
	return &target->info;
}

int scope_target_read(void *target, uint64_t addr, void *buf, size_t len)
{
	return fake_read(&((struct scope_target *)target)->f, addr, buf, len);
}

int scope_target_function(const struct scope_target *target, uint64_t vaddr,
			  struct scope_symbol *ret_fn)
{
	static const char *const names[] = {
		"erts_garbage_collect_nobump", "erts_gc_after_bif_call_lhf",
		"erts_garbage_collect", "main", NULL,
	};

	(void)target;
	if (vaddr / 0x1000 >= 5)
		return -ENOENT;
	*ret_fn = (struct scope_symbol){ .name = names[vaddr / 0x1000] };
	return 0;
}

int scope_target_procs(struct scope_target *target,
		       int (*fn)(void *arg, const struct scope_proc *p),
		       void *arg, struct scope_err *err)
{
	(void)err;
	for (size_t i = 0; i < target->nprocs; i++) {
		int r = fn(arg, &target->procs[i]);

		if (r)
			return r;
	}
	return 0;
}

int scope_target_proc(struct scope_target *target, uint64_t pid,
		      struct scope_proc *ret_proc)
{
	target->looks++;
	for (size_t i = 0; i < target->nprocs; i++) {
		if (target->procs[i].pid != pid)
			continue;
		*ret_proc = target->procs[i];
		return 0;
	}
	return -ESRCH;
}

uint64_t scope_target_dict(struct scope_target *target,
			   const struct scope_proc *p, const char *key)
{
	assert_true(p->has_dictionary);
	return strcmp(key, "$ancestors") ? target->label : target->ancestors;
}

int scope_target_ranges(const struct scope_target *target,
			struct scope_ranges **ret_ranges)
{
	if (!target->ranges)
		return -ENOENT;
	*ret_ranges = scope_ranges_new(&target->f.vm, target->ranges,
				       target->active);
	return *ret_ranges ? 0 : -ENOMEM;
}

uint64_t scope_target_node(struct scope_target *target, uint32_t *ret_creation)
{
	*ret_creation = 7;
	return target->node;
}

uint64_t scope_target_socket(const struct scope_target *target, int fd)
{
	(void)target;
	(void)fd;
	return 0;
}

unsigned scope_target_scheduler(struct scope_target *target, uint32_t tid,
				bool *ret_dirty)
{
	(void)target;
	if (ret_dirty)
		*ret_dirty = tid % 4 == 3;
	return tid % 4;
}

/* -- what comes out -------------------------------------------------------- */

#define GOT_MAX 64

static json_t *got[GOT_MAX];
static unsigned ngot;
static struct {
	uint64_t pid, name;
	bool on;
} renamings[8];
static unsigned nrenamed;
static uint64_t the_set; /* 0: all */

static inline void forget(void)
{
	while (ngot)
		json_decref(got[--ngot]);
}

static inline void check_fields(const struct scope_event *ev)
{
	const enum scope_field_key *may;
	size_t n = scope_json_fields(ev->kind, &may);

	for (size_t i = 0; i < ev->nfields; i++) {
		bool found = false;

		for (size_t k = 0; k < n; k++)
			found |= may[k] == ev->fields[i].key;
		if (!found)
			fail_msg("%s has the field %s, which it may not",
				 scope_kind_info(ev->kind)->name,
				 scope_field_info(ev->fields[i].key)->key);
		/* In the order of the table, each once. */
		if (i && ev->fields[i].key <= ev->fields[i - 1].key)
			fail_msg("%s: %s comes after %s",
				 scope_kind_info(ev->kind)->name,
				 scope_field_info(ev->fields[i].key)->key,
				 scope_field_info(ev->fields[i - 1].key)->key);
	}
}

static inline void on_event(void *arg, struct scope_event *ev)
{
	static char line[1 << 20];
	struct scope_buf b = scope_buf_of(line, sizeof(line));
	json_error_t why;

	fault_in = -1;
	assert_ptr_equal(arg, &ngot);
	check_fields(ev);
	assert_int_equal(ev->ts_ns, ev->mono_ns + (uint64_t)OFFSET_NS);
	assert_int_equal(ev->id, 0);
	assert_int_equal(scope_json_event(writer, ev, &b), 0);
	assert_true(ngot < GOT_MAX);
	got[ngot] = json_loadb(b.p, b.len, JSON_REJECT_DUPLICATES, &why);
	if (!got[ngot])
		fail_msg("%s in %.*s", why.text, (int)b.len, b.p);
	ngot++;
}

static inline void on_renamed(void *arg, uint64_t pid, uint64_t name, bool on)
{
	(void)arg;
	assert_true(nrenamed < 8);
	renamings[nrenamed].pid = pid;
	renamings[nrenamed].name = name;
	renamings[nrenamed++].on = on;
}

static inline bool in_the_set(void *arg, uint64_t pid)
{
	(void)arg;
	return !the_set || pid == the_set;
}

/* Whether key of event i is this JSON; NULL: it is not there. */
static inline void is(unsigned i, const char *key, const char *json)
{
	json_t *v;
	char *text = NULL;

	assert_in_range(i + 1, 1, ngot);
	v = json_object_get(got[i], key);
	if (v)
		text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
	if (!text != !json || (json && strcmp(text, json)))
		fail_msg("%s of %s is %s, not %s", key,
			 json_string_value(json_object_get(got[i], "kind")),
			 text ? text : "not there", json ? json : "absent");
	free(text);
}

/* -- records --------------------------------------------------------------- */

static struct {
	struct scope_rec rec;
	uint64_t words[SCOPE_WORDS_MAX + SCOPE_SEGS_MAX];
} r;
static size_t mark; /* of the memory, where the record's terms begin */

static inline struct scope_rec *rec_of(enum scope_kind kind, uint64_t ts,
				       uint64_t pid)
{
	memset(&r.rec, 0, sizeof(r.rec));
	r.rec.ts_ns = ts;
	r.rec.kind = (__u16)kind;
	r.rec.pid = pid;
	r.rec.tid = 4001; /* scheduler 1 */
	return &r.rec;
}

/* With what was put into the memory since the mark. */
static inline int give(void)
{
	size_t n = t->f.used - mark;

	assert_true(n <= SCOPE_WORDS_MAX);
	memcpy(r.words, t->f.mem + mark, 8 * n);
	r.words[n] = SCOPE_SEG(fake_at(mark), n);
	r.rec.nwords = (__u16)n;
	r.rec.nsegs = n != 0;
	r.rec.len = SCOPE_REC_BYTES + 8u * (r.rec.nwords + r.rec.nsegs);
	mark = t->f.used;
	return scope_decoder_record(d, &r.rec);
}

static inline uint64_t pid_of(unsigned n)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "<0.%u.0>", n);
	return scope_vm_parse_pid(&t->f.vm, text);
}

static inline uint64_t port_of(unsigned n)
{
	return (pid_of(n) & ~0xfull) | 7;
}

/* An atom for records: not a part of their terms. */
static inline uint64_t atom(const char *text)
{
	uint64_t a = scope_vm_find_atom(&t->f.vm, text, t->f.atoms);

	if (!a) {
		assert_int_equal(mark, t->f.used);
		a = fake_atom(&t->f, text);
		mark = t->f.used;
	}
	return a;
}

/* A JIT entry of a module of 1000 bytes, with the functions init/1 from 0 on,
 * 'buy it'/2 from 300 on and stop/0 from 600 on. */
static inline uint64_t code_of(const char *module, uint64_t base, uint64_t next)
{
	static const char *const names[] = { "init/1", "'buy it'/2", "stop/0" };
	static struct fake_code c;
	uint64_t entry[4] = { next, 0 };
	char name[64];

	fake_code_begin(&c, module, base, 1000);
	for (unsigned i = 0; i < 3; i++) {
		(void)snprintf(name, sizeof(name), "%s:%s", module, names[i]);
		fake_code_function(&c, 300 * i, 300 * i + 300, name);
	}
	entry[2] = fake_bytes(&t->f, c.p, c.n, 0);
	entry[3] = c.n;
	entry[0] = fake_words(&t->f, entry, 4);
	mark = t->f.used;
	return entry[0];
}

/* What is at an entry is none any more. */
static inline void code_gone(uint64_t entry)
{
	uint64_t none[4] = { 0 };

	fake_put(&t->f, entry, none, sizeof(none));
}

/* One is left out. */
static uint64_t left_out;

static inline bool is_kept(void *arg, uint64_t pid)
{
	(void)arg;
	return pid != left_out;
}

/* A process that the table has. */
static inline uint64_t alive(unsigned n, const char *name)
{
	struct scope_proc *p = &t->procs[t->nprocs++];

	assert_true(t->nprocs <= NPROCS);
	*p = (struct scope_proc){ .pid = pid_of(n) };
	if (name)
		p->name = atom(name);
	return p->pid;
}

static inline void open_decoder(scope_kindset kinds, unsigned term_words)
{
	struct scope_decode_opts opts = {
		.kinds = kinds,
		.term_words = term_words,
		.wall_offset_ns = OFFSET_NS,
		.emit = on_event,
		.renamed = on_renamed,
		.in_set = in_the_set,
		.is_kept = is_kept,
		.jit_descriptor = fake_at(0),
		.arg = &ngot,
	};
	struct scope_err err = { 0 };

	scope_decoder_free(d);
	d = NULL;
	forget();
	assert_int_equal(scope_decoder_new(t, &opts, &d, &err), 0);
}

static inline int set_up(unsigned otp)
{
	static const char *const atoms[] = {
		"clock_service", "EXIT", "init", "DOWN", "process", "normal",
		"proc_lib", "init_p", "gen", "init_it", "gen_server",
		"gen_statem", "gen_event", "supervisor", "supervisor_bridge",
		"shop", "main", "local", "nolink", "spawn", "ok",
	};
	struct scope_json_opts opts = { .node = "a@b", .os_pid = 7 };

	t = calloc(1, sizeof(*t));
	if (!t || fake_init(&t->f, otp) < 0)
		return -1;
	t->info.bias = BIAS;
	mark = t->f.used;
	for (size_t i = 0; i < sizeof(atoms) / sizeof(*atoms); i++)
		(void)atom(atoms[i]);
	writer = scope_json_new(&t->f.vm, &opts);
	nrenamed = 0;
	the_set = 0;
	left_out = 0;
	open_decoder(ALL, 64);
	return writer ? 0 : -1;
}

static inline int set_up_25(void **state)
{
	(void)state;
	return set_up(25);
}

static inline int set_up_23(void **state)
{
	(void)state;
	return set_up(23);
}

static inline int set_up_27(void **state)
{
	(void)state;
	return set_up(27);
}

static inline int tear_down(void **state)
{
	(void)state;
	forget();
	scope_decoder_free(d);
	d = NULL;
	scope_json_free(writer);
	scope_vm_done(&t->f.vm);
	free(t);
	return 0;
}

#define T(t, otp) cmocka_unit_test_setup_teardown(t, set_up_##otp, tear_down)

#endif
