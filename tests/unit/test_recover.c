/* SPDX-License-Identifier: MIT */
/* What an emulator hides, found again: tables of its build-id, variables by
 * what they hold, functions by the calls of the JIT's code. Over an ELF file
 * and a memory that are made here. */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "beam/layout.h"
#include "fake_code.h"
#include "fault.h"
#include "target/builds.h"
#include "target/fragment.h"
#include "target/scan.h"
#include "tiny_elf.h"

#define BIAS 0x550000000000ull
#define DATA_BYTES 0x4000u /* the data segment, in memory */
#define HEAP 0x7f0000000000ull
#define HEAP_BYTES (4u << 20)
#define ID "aabbccdd00010203070000000800000009000000"

static uint8_t file[TINY_BYTES];
static struct scope_elf *elf;
static const struct scope_layout *l;
static uint8_t data[DATA_BYTES], heap[HEAP_BYTES];
static size_t used; /* of the heap */
static unsigned long reads;
static bool is_gone;

static int read_memory(void *arg, uint64_t addr, void *buf, size_t len)
{
	assert_ptr_equal(arg, data);
	reads++;
	if (is_gone)
		return -ESRCH;
	if (addr >= BIAS + TINY_DATA && addr - BIAS - TINY_DATA <= DATA_BYTES &&
	    len <= DATA_BYTES - (addr - BIAS - TINY_DATA))
		memcpy(buf, data + (addr - BIAS - TINY_DATA), len);
	else if (addr >= HEAP && addr - HEAP <= HEAP_BYTES &&
		 len <= HEAP_BYTES - (addr - HEAP))
		memcpy(buf, heap + (addr - HEAP), len);
	else
		return -EFAULT;
	return 0;
}

/* Some memory, on `align`. */
static uint64_t get(size_t n, size_t align)
{
	used = (used + align - 1) / align * align;
	assert_true(used + n <= HEAP_BYTES);
	used += n;
	return HEAP + used - n;
}

static uint8_t *at(uint64_t addr)
{
	return addr >= HEAP ? heap + (addr - HEAP) : data + (addr - TINY_DATA);
}

static void put(uint64_t addr, uint64_t v)
{
	memcpy(at(addr), &v, 8);
}

static void put32(uint64_t addr, uint32_t v)
{
	memcpy(at(addr), &v, 4);
}

static int make(unsigned otp)
{
	const Elf64_Phdr *ph = (const void *)(file + sizeof(Elf64_Ehdr));
	Elf64_Phdr wide;

	memset(file, 0, sizeof(file));
	memset(data, 0, sizeof(data));
	memset(heap, 0, sizeof(heap));
	used = 64;
	reads = 0;
	is_gone = false;
	tiny_elf(file);
	memcpy(&wide, &ph[1], sizeof(wide));
	wide.p_memsz = DATA_BYTES;
	tiny_put(file, sizeof(Elf64_Ehdr) + sizeof(wide), &wide, sizeof(wide));
	tiny_put(file, TINY_NAMES_OFF + 0x80, "atom_tab", 9);
	l = scope_layout_of(otp);
	return scope_elf_parse(file, sizeof(file), &elf);
}

static int set_up(void **state)
{
	(void)state;
	return make(29);
}

static int tear_down(void **state)
{
	(void)state;
	scope_elf_free(elf);
	elf = NULL;
	return 0;
}

static struct scope_scan *scan(void)
{
	struct scope_scan *s = NULL;

	assert_int_equal(scope_scan_open(elf, l, read_memory, data, BIAS, &s),
			 0);
	return s;
}

/* -- variables by what they hold ------------------------------------------- */

#define ATOMS (TINY_DATA + 0x400)
#define PROCS (TINY_DATA + 0x800)
#define PORTS (TINY_DATA + 0xc00)
#define SCHEDS (TINY_DATA + 0x1000)
#define DESCRIPTOR (TINY_DATA + 0x1100)
#define NODE (TINY_DATA + 0x1200)

static uint64_t slots; /* of the atoms */

static void put_atoms(uint64_t where)
{
	uint64_t seg = get(8, 8);

	slots = get(8 * 1024, 8);
	put(where + 64, BIAS + TINY_ADDR(TINY_NAMES_OFF) + 0x80);
	put32(where + l->at_entries, 100);
	put(where + l->at_seg_table, seg);
	put(seg, slots);
	for (uint32_t i = 0; i < 100; i++) {
		uint64_t atom = get(64, 8);

		put(slots + 8 * i, atom);
		put32(atom + 16, i);
	}
}

/* A table with `n` entries; *ret_tab: its slots. */
static uint64_t put_table(uint64_t where, unsigned tag, unsigned n)
{
	uint64_t tab = get(8 * 1024, 64), invalid = get(64, 8);
	uint64_t ro = where + l->pt_ro;

	put(ro + l->t_tab, tab);
	put(ro + l->t_invalid, invalid);
	put32(ro + l->t_max, 1024);
	if (l->pixdata)
		put(ro + l->t_pix_mask, 1023);
	else
		put32(ro + l->t_pix_mask, 1023);
	put32(where + l->pt_count, n);
	put(tab, invalid);
	for (unsigned i = 0; i < n; i++) {
		uint64_t p = get(64, 8);

		put(p, (uint64_t)i << 4 | tag);
		put(tab + 8 * (3 * i + 1), p);
	}
	return tab;
}

static uint64_t put_schedulers(uint64_t where, unsigned n)
{
	uint64_t first = get((size_t)n * l->s_stride, 64);

	put(where, first);
	for (unsigned i = 0; i < n; i++) {
		uint64_t esdp = first + (uint64_t)i * l->s_stride;
		uint64_t queue = get(512, 64);

		put(esdp + l->s_no, i + 1);
		put(esdp + l->s_run_queue, queue);
		put(queue + 224, esdp);
	}
	return first;
}

static uint64_t put_entry(uint64_t next, const void *sym, size_t len)
{
	uint64_t e = get(32, 8), s = get(len, 8);

	memcpy(at(s), sym, len);
	put(e, next);
	put(e + 16, s);
	put(e + 24, len);
	return e;
}

/* The JIT's list: `modules` of them, and before the last the emulator's own. */
static uint64_t put_descriptor(uint64_t where, unsigned modules)
{
	static const uint32_t own[8];
	uint64_t next = 0;

	for (unsigned i = 0; i < modules; i++) {
		struct fake_code *c = malloc(sizeof(*c));

		fake_code_begin(c, "m", HEAP, 10);
		next = put_entry(next, c->p, c->n);
		if (i == 0)
			next = put_entry(next, own, sizeof(own));
		free(c);
	}
	put32(where, 1);
	put(where + 16, next);
	return next;
}

static uint64_t put_node(uint64_t where)
{
	uint64_t node = get(64, 8), dist = get(256, 8);

	put(where, node);
	put(node + l->node_sysname, 70 << 6 | 0x0b);
	put(node + 40, dist);
	put(dist + 112, 70 << 6 | 0x0b);
	return node;
}

static void all_are_found(void **state)
{
	static const unsigned releases[] = { 25, 27, 29 };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct scope_scan *s;
		uint64_t v;

		scope_elf_free(elf);
		assert_int_equal(make(releases[i]), 0);
		put_atoms(ATOMS);
		(void)put_table(PROCS, 0x3, 5);
		(void)put_table(PORTS, 0x7, 2);
		(void)put_schedulers(SCHEDS, 3);
		(void)put_descriptor(DESCRIPTOR, 6);
		(void)put_node(NODE);
		s = scan();
		assert_int_equal(scope_scan_atoms(s, &v), 0);
		assert_int_equal(v, ATOMS);
		assert_int_equal(scope_scan_table(s, 0x3, &v), 0);
		assert_int_equal(v, PROCS);
		assert_int_equal(scope_scan_table(s, 0x7, &v), 0);
		assert_int_equal(v, PORTS);
		assert_int_equal(scope_scan_schedulers(s, 3, &v), 0);
		assert_int_equal(v, SCHEDS);
		assert_int_equal(scope_scan_descriptor(s, &v), 0);
		assert_int_equal(v, DESCRIPTOR);
		assert_int_equal(scope_scan_this_node(s, &v), 0);
		assert_int_equal(v, NODE);
		scope_scan_free(s);
	}
}

static void nothing_is_found_in_nothing(void **state)
{
	struct scope_scan *s = scan();
	uint64_t v = 7;

	(void)state;
	assert_int_equal(scope_scan_atoms(s, &v), -ENOENT);
	assert_int_equal(scope_scan_table(s, 0x3, &v), -ENOENT);
	assert_int_equal(scope_scan_schedulers(s, 2, &v), -ENOENT);
	assert_int_equal(scope_scan_schedulers(s, 0, &v), -ENOENT);
	assert_int_equal(scope_scan_descriptor(s, &v), -ENOENT);
	assert_int_equal(scope_scan_this_node(s, &v), -ENOENT);
	assert_int_equal(v, 7);
	scope_scan_free(s);
}

static int atoms_now(void)
{
	scope_auto(scope_scan) s = scan();
	uint64_t v;

	return scope_scan_atoms(s, &v);
}

/* Locks and allocators are called "atom_tab" as well. */
static void a_name_makes_no_atom_table(void **state)
{
	uint64_t text = BIAS + TINY_ADDR(TINY_NAMES_OFF) + 0x80;

	(void)state;
	put(TINY_DATA + 0x300, text);
	put(TINY_DATA + 0x2000, text);
	assert_int_equal(atoms_now(), -ENOENT);
	put_atoms(ATOMS);
	assert_int_equal(atoms_now(), 0);
	/* One of the first is not in its place. */
	put(slots + 8 * 63, HEAP);
	assert_int_equal(atoms_now(), -ENOENT);
	put(slots + 8 * 63, 0xdead000000000000);
	assert_int_equal(atoms_now(), -ENOENT);
	put(slots + 8 * 63, HEAP + HEAP_BYTES - 18);
	assert_int_equal(atoms_now(), -ENOENT);
	/* Two are one too many. */
	put_atoms(ATOMS);
	put_atoms(TINY_DATA + 0x3000);
	assert_int_equal(atoms_now(), -ENOTUNIQ);
}

static int procs_now(void)
{
	scope_auto(scope_scan) s = scan();
	uint64_t v;

	return scope_scan_table(s, 0x3, &v);
}

static void a_table_holds_what_it_says(void **state)
{
	uint64_t tab = put_table(PROCS, 0x3, 4), p = get(64, 8);

	(void)state;
	assert_int_equal(procs_now(), 0);
	/* An entry that is a port's. */
	put(p, 0x17);
	put(tab + 80, p);
	assert_int_equal(procs_now(), -ENOENT);
	put(tab + 80, 0x1001);
	assert_int_equal(procs_now(), -ENOENT);
	put(tab + 80, 0);
	assert_int_equal(procs_now(), 0);
	/* More entries than it has room for; no power of two; no mask. */
	put32(PROCS + l->pt_count, 1025);
	assert_int_equal(procs_now(), -ENOENT);
	put32(PROCS + l->pt_count, 4);
	put(PROCS + l->pt_ro + l->t_pix_mask, 1022);
	assert_int_equal(procs_now(), -ENOENT);
	put(PROCS + l->pt_ro + l->t_pix_mask, 1023);
	assert_int_equal(procs_now(), 0);
	/* Slots that are not mapped to their end. */
	put(PROCS + l->pt_ro + l->t_tab, HEAP + HEAP_BYTES - 64);
	assert_int_equal(procs_now(), -ENOENT);
	/* An empty one says nothing. */
	put(PROCS + l->pt_ro + l->t_tab, get(8 * 1024, 64));
	assert_int_equal(procs_now(), -ENOENT);
}

static int schedulers_now(unsigned n)
{
	scope_auto(scope_scan) s = scan();
	uint64_t v;

	return scope_scan_schedulers(s, n, &v);
}

static void schedulers_are_numbered_and_known_to_their_queues(void **state)
{
	uint64_t first = put_schedulers(SCHEDS, 2), other;

	(void)state;
	assert_int_equal(schedulers_now(2), 0);
	assert_int_equal(schedulers_now(1), 0);
	assert_int_equal(schedulers_now(3), -ENOENT);
	/* Another variable with the same is the same; one with others is not. */
	put(SCHEDS + 0x100, first);
	assert_int_equal(schedulers_now(2), 0);
	other = put_schedulers(SCHEDS + 0x200, 2);
	assert_int_equal(schedulers_now(2), -ENOTUNIQ);
	put32(other + l->s_type, 1); /* dirty ones */
	assert_int_equal(schedulers_now(2), 0);
	/* A queue of somebody else. */
	put(first + l->s_stride + l->s_run_queue, get(512, 64));
	assert_int_equal(schedulers_now(2), -ENOENT);
	assert_int_equal(schedulers_now(1), 0);
}

static int descriptor_now(void)
{
	scope_auto(scope_scan) s = scan();
	uint64_t v;

	return scope_scan_descriptor(s, &v);
}

static void a_descriptor_heads_the_list_of_code(void **state)
{
	uint64_t first = put_descriptor(DESCRIPTOR, 5), own;
	static const uint32_t none[8];

	(void)state;
	assert_int_equal(descriptor_now(), 0);
	put32(DESCRIPTOR + 4, 3);
	assert_int_equal(descriptor_now(), -ENOENT);
	put32(DESCRIPTOR + 4, 2);
	put(DESCRIPTOR + 8, first);
	assert_int_equal(descriptor_now(), 0);
	/* Too few; two of the emulator's own; one that is no entry. */
	(void)put_descriptor(DESCRIPTOR, 4);
	assert_int_equal(descriptor_now(), -ENOENT);
	own = put_entry(first, none, sizeof(none));
	put(DESCRIPTOR + 16, own);
	assert_int_equal(descriptor_now(), -ENOENT);
	put(DESCRIPTOR + 16, first);
	assert_int_equal(descriptor_now(), 0);
	put(first + 24, 8);
	assert_int_equal(descriptor_now(), -ENOENT);
}

/* A list that leads back into itself, from every word: the search ends. */
static void searching_has_an_end(void **state)
{
	uint64_t first = put_descriptor(DESCRIPTOR, 5);

	(void)state;
	put(first, first);
	assert_int_equal(descriptor_now(), -ENOENT);
	for (uint64_t a = TINY_DATA; a < TINY_DATA + DATA_BYTES - 24; a += 24) {
		put32(a, 1);
		put32(a + 4, 0);
		put(a + 8, 0);
		put(a + 16, first);
	}
	reads = 0;
	assert_int_equal(descriptor_now(), -EFBIG);
	assert_in_range(reads, 1, SCOPE_SCAN_READS + 100);
}

static void a_node_has_one_name(void **state)
{
	uint64_t node = put_node(NODE), v;
	scope_auto(scope_scan) s = scan();

	(void)state;
	assert_int_equal(scope_scan_this_node(s, &v), 0);
	put(node + l->node_sysname, 71 << 6 | 0x0b);
	assert_int_equal(scope_scan_this_node(s, &v), -ENOENT);
	put(node + l->node_sysname, 70 << 4 | 0xf);
	assert_int_equal(scope_scan_this_node(s, &v), -ENOENT);
}

static void a_node_that_ends_is_told(void **state)
{
	struct scope_scan *s = NULL, *t = NULL;
	uint64_t v;

	(void)state;
	put_atoms(ATOMS);
	s = scan();
	is_gone = true;
	assert_int_equal(scope_scan_atoms(s, &v), -ESRCH);
	assert_int_equal(scope_scan_open(elf, l, read_memory, data, BIAS, &t),
			 -ESRCH);
	assert_null(t);
	scope_scan_free(s);
	scope_scan_free(NULL);
}

static void scanning_without_memory(void **state)
{
	struct scope_scan *s = NULL;
	int n = 0, r;

	(void)state;
	do {
		fault_in = n++;
		r = scope_scan_open(elf, l, read_memory, data, BIAS, &s);
		fault_in = -1;
		assert_true(r == 0 || r == -ENOMEM);
	} while (r != 0);
	assert_true(n > 2);
	scope_scan_free(s);
}

/* -- functions by the JIT's calls ------------------------------------------ */

#if defined(__x86_64__)

#define TEXT_FROM (BIAS + 0x10000)
#define TEXT_TO (BIAS + 0x20000)

static uint8_t code[512];
static size_t ncode;

static void emit(const char *bytes, size_t n)
{
	memcpy(code + ncode, bytes, n);
	ncode += n;
}

/* mov rax, imm64; call rax */
static void emit_call(uint64_t fn)
{
	emit("\x48\xb8", 2);
	emit((const char *)&fn, 8);
	emit("\xff\xd0", 2);
}

static uint64_t calls[SCOPE_FRAGMENT_CALLS];

static int calls_of_code(void)
{
	memset(calls, 0, sizeof(calls));
	return scope_fragment_calls(read_memory, data, code, ncode, HEAP,
				    TEXT_FROM, TEXT_TO, calls);
}

static void calls_are_followed(void **state)
{
	int32_t rel;

	(void)state;
	ncode = 0;
	emit_call(TEXT_FROM + 0x100);
	/* To elsewhere: not the emulator's. */
	emit_call(TEXT_TO);
	/* call [rip+0]: the pointer is what comes next. */
	put(HEAP + 0x1000, TEXT_FROM + 0x200);
	rel = (int32_t)(0x1000 - (ncode + 6));
	emit("\xff\x15", 2);
	emit((const char *)&rel, 4);
	/* A register that was overwritten since: not known. */
	emit("\x48\xb9", 2);
	emit((const char *)&(uint64_t){ TEXT_FROM + 0x300 }, 8);
	emit("\x48\x89\xc1", 3); /* mov rcx, rax */
	emit("\xff\xd1", 2);	 /* call rcx */
	/* And one set before a call. */
	emit("\x48\xb9", 2);
	emit((const char *)&(uint64_t){ TEXT_FROM + 0x300 }, 8);
	emit_call(TEXT_FROM + 0x400);
	emit("\xff\xd1", 2);
	/* What can't be read. */
	emit("\xff\x15\x00\x00\x00\x7f", 6);
	emit("\xe8\x00\x00\x00\x00", 5); /* to itself */
	assert_int_equal(calls_of_code(), 3);
	assert_int_equal(calls[0], TEXT_FROM + 0x100);
	assert_int_equal(calls[1], TEXT_FROM + 0x200);
	assert_int_equal(calls[2], TEXT_FROM + 0x400);
	/* No more than there is room for; none in what is no code. */
	ncode = 0;
	for (unsigned i = 0; i < SCOPE_FRAGMENT_CALLS + 5; i++)
		emit_call(TEXT_FROM + i);
	assert_int_equal(calls_of_code(), SCOPE_FRAGMENT_CALLS);
	memset(code, 0x06, sizeof(code));
	assert_int_equal(calls_of_code(), 0);
	ncode = 0;
	assert_int_equal(calls_of_code(), 0);
}

static struct fake_code sym;

/* A module with the code as its one function; its entry. */
static uint64_t put_module(const char *name, const char *function,
			   uint64_t next)
{
	uint64_t base = get(ncode, 16);

	memcpy(at(base), code, ncode);
	fake_code_begin(&sym, name, base, (uint32_t)ncode);
	fake_code_range(&sym, 0, (uint32_t)ncode, function);
	return put_entry(next, sym.p, sym.n);
}

static int find(const char *name, uint64_t *ret)
{
	*ret = 0;
	return scope_fragment_find(read_memory, data, BIAS + DESCRIPTOR,
				   TEXT_FROM, TEXT_TO, name, ret);
}

static void fragments_tell_what_they_call(void **state)
{
	uint64_t fn, entry;

	(void)state;
	ncode = 0;
	for (unsigned i = 0; i < 5; i++)
		emit_call(TEXT_FROM + 0x10 * i);
	entry = put_module("m", "global::process_main", 0);
	entry = put_module("global", "global::process_main", entry);
	ncode = 0;
	emit_call(TEXT_FROM + 0x500);
	entry = put_module("global", "global::garbage_collect", entry);
	put(DESCRIPTOR + 16, entry);
	assert_int_equal(find("erts_garbage_collect_nobump", &fn), 0);
	assert_int_equal(fn, TEXT_FROM + 0x500);
	assert_int_equal(find("erts_schedule", &fn), 0);
	assert_int_equal(fn, TEXT_FROM + 0x20);
	assert_int_equal(find("copy_in_registers", &fn), 0);
	assert_int_equal(fn, TEXT_FROM + 0x40);
	/* No such fragment; none of it is known; no such call. */
	assert_int_equal(find("~beam_jit_call_bif", &fn), -ENOENT);
	assert_int_equal(find("erts_send_message", &fn), -ENOENT);
	assert_int_equal(find("", &fn), -ENOENT);
	ncode = 0;
	emit_call(TEXT_TO);
	put(DESCRIPTOR + 16, put_module("global", "global::garbage_collect", 0));
	assert_int_equal(find("erts_garbage_collect_nobump", &fn), -ENOENT);
	/* A module of that name is not one. */
	put(DESCRIPTOR + 16, put_module("globals", "global::garbage_collect", 0));
	assert_int_equal(find("erts_garbage_collect_nobump", &fn), -ENOENT);
	/* A list that can't be read, and one without an end. */
	put(DESCRIPTOR + 16, 0x1000);
	assert_int_equal(find("erts_schedule", &fn), -EFAULT);
	entry = put_module("m", "m:f/0", 0);
	put(entry, entry);
	put(DESCRIPTOR + 16, entry);
	assert_int_equal(find("erts_schedule", &fn), -ENOENT);
	is_gone = true;
	assert_int_equal(find("erts_schedule", &fn), -ESRCH);
}

/* As modules call beam_jit_remove_message: the code index goes along. */
static void emit_receive(uint64_t fn)
{
	emit("\x45\x89\xe0", 3); /* mov r8d, r12d */
	emit("\x48\x89\xe1", 3); /* mov rcx, rsp */
	emit_call(fn);
}

static void receives_are_known_by_their_arguments(void **state)
{
	uint64_t fn, entry = 0;

	(void)state;
	/* Too few of them prove nothing. */
	ncode = 0;
	for (unsigned i = 1; i < SCOPE_FRAGMENT_SITES; i++)
		emit_receive(TEXT_FROM + 0x80);
	emit_call(TEXT_FROM + 0x90); /* other calls are many */
	entry = put_module("a", "a:f/1", entry);
	put(DESCRIPTOR + 16, entry);
	assert_int_equal(find("~beam_jit_remove_message", &fn), -ENOENT);
	ncode = 0;
	emit_call(TEXT_FROM + 0x90);
	emit_receive(TEXT_FROM + 0x80);
	entry = put_module("b", "b:f/1", entry);
	put(DESCRIPTOR + 16, entry);
	assert_int_equal(find("~beam_jit_remove_message", &fn), 0);
	assert_int_equal(fn, TEXT_FROM + 0x80);
	/* One that goes elsewhere, and nothing is proven. */
	ncode = 0;
	emit_receive(TEXT_FROM + 0x98);
	put(DESCRIPTOR + 16, put_module("c", "c:f/1", entry));
	assert_int_equal(find("~beam_jit_remove_message", &fn), -ENOTUNIQ);
	/* The argument of a call before is none of a later one. */
	ncode = 0;
	for (unsigned i = 0; i < 2 * SCOPE_FRAGMENT_SITES; i++) {
		emit("\x45\x89\xe0", 3);
		emit("\xff\xd3", 2); /* call rbx */
		emit_call(TEXT_FROM + 0x80);
	}
	put(DESCRIPTOR + 16, put_module("d", "d:f/1", 0));
	assert_int_equal(find("~beam_jit_remove_message", &fn), -ENOENT);
}

static void finding_without_memory(void **state)
{
	uint64_t fn;
	int n = 0, r;

	(void)state;
	ncode = 0;
	for (unsigned i = 0; i < SCOPE_FRAGMENT_SITES; i++)
		emit_receive(TEXT_FROM + 0x80);
	put(DESCRIPTOR + 16, put_module("a", "a:f/1", 0));
	do {
		fault_in = n++;
		r = find("~beam_jit_remove_message", &fn);
		fault_in = -1;
		assert_true(r == 0 || r == -ENOMEM);
	} while (r != 0);
	assert_int_equal(fn, TEXT_FROM + 0x80);
}

#endif

/* -- tables of builds -------------------------------------------------------- */

#define HEAD "build-id\t" ID "\notp\t29\npackage\tany\n"

static int parse(const char *text, struct scope_build **ret)
{
	*ret = NULL;
	return scope_build_parse(text, strlen(text), elf, ret);
}

static void a_table_gives_names(void **state)
{
	scope_auto(scope_build) b = NULL;
	struct scope_symbol s;
	char text[1024];

	(void)state;
	(void)snprintf(text, sizeof(text),
		       "# a comment\n\nbuild-id\tffff\nf\t1\t1\tother\n" HEAD
		       "f\t%x\t10\t_Z6helperi\nf\t%x\t10\terts_schedule\n"
		       "d\t%x\t8\terts_proc\n"
		       "build-id\teeee\nf\t2\t1\tlater\n",
		       TINY_FN(2), TINY_FN(1), TINY_DATA + 0x100);
	assert_int_equal(parse(text, &b), 0);
	assert_int_equal(scope_build_count(b), 3);
	assert_int_equal(scope_build_find(b, "erts_schedule", &s), 0);
	assert_int_equal(s.vaddr, TINY_FN(1));
	assert_int_equal(s.size, 16);
	assert_int_equal(s.offset, TINY_FN(1) - TINY_TEXT);
	assert_int_equal(s.how, SCOPE_HOW_BUILD);
	assert_int_equal(scope_build_find(b, "~helper", &s), 0);
	assert_int_equal(s.vaddr, TINY_FN(2));
	assert_int_equal(scope_build_find(b, "erts_proc", &s), 0);
	assert_int_equal(s.vaddr, TINY_DATA + 0x100);
	assert_int_equal(scope_build_find(b, "other", &s), -ENOENT);
	assert_int_equal(scope_build_find(b, "later", &s), -ENOENT);
	assert_int_equal(scope_build_find(b, "~e", &s), -ENOTUNIQ);
	assert_string_equal(scope_build_name(b, TINY_FN(1)), "erts_schedule");
	assert_null(scope_build_name(b, TINY_FN(0)));
}

/* Whatever is wrong with it, none of it is used. */
static void a_table_that_does_not_fit_is_refused(void **state)
{
	static const char *const bad[] = {
		"f\t%x\t11\tlonger\n",	  "f\t%x\tf\tshorter\n",
		"f\t%x\t10\n",		  "f\t%x\t10\t\n",
		"f\t%x\t10\ta\tb\n",	  "f\t%xg\t10\ta\n",
		"f\t0x%x\t10\ta\n",	  "g\t%x\t10\ta\n",
		"d\t%x\t8\tin_the_code\n", "f %x 10 a\n",
		"f\t%x\t\ta\n",		  "f\t%x00000000000000001\t10\ta\n",
		"\t%x\n",
	};
	struct scope_build *b;
	char text[512];
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		n = (size_t)snprintf(text, sizeof(text), HEAD);
		(void)snprintf(text + n, sizeof(text) - n, bad[i], TINY_FN(1));
		assert_int_equal(parse(text, &b), -EBADMSG);
		assert_null(b);
	}
	(void)snprintf(text, sizeof(text), HEAD "f\t%x\t10\ta\n", TINY_FN(1) + 1);
	assert_int_equal(parse(text, &b), -EBADMSG);
	(void)snprintf(text, sizeof(text), HEAD "d\t%x\t9\ta\n",
		       TINY_DATA + DATA_BYTES - 8);
	assert_int_equal(parse(text, &b), -EBADMSG);
	assert_int_equal(parse("", &b), -ENOENT);
	assert_int_equal(parse("build-id\tffff\nf\tx\ty\tz\n", &b), -ENOENT);
	assert_int_equal(parse("build-id\n", &b), -EBADMSG);
	/* NULs end it. */
	assert_int_equal(scope_build_parse("\0" HEAD, sizeof(HEAD), elf, &b),
			 -ENOENT);
}

static void a_table_of_ones_own_comes_first(void **state)
{
	char dir[] = "/tmp/scope-builds.XXXXXX", path[128];
	scope_auto(scope_build) b = NULL;
	struct scope_symbol s;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(setenv("SCOPE_BPF_BUILDS", dir, 1), 0);
	assert_int_equal(scope_build_open(elf, &b), -ENOENT);
	(void)snprintf(path, sizeof(path), "%s/" ID ".tsv", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	(void)fprintf(f, HEAD "f\t%x\t10\tmine\n", TINY_FN(1));
	assert_int_equal(fclose(f), 0);
	assert_int_equal(scope_build_open(elf, &b), 0);
	assert_int_equal(scope_build_find(b, "mine", &s), 0);
	/* One that is wrong is not passed over in silence. */
	f = fopen(path, "a");
	assert_non_null(f);
	(void)fprintf(f, "nonsense\n");
	assert_int_equal(fclose(f), 0);
	scope_build_free(b);
	b = NULL;
	assert_int_equal(scope_build_open(elf, &b), -EBADMSG);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(unsetenv("SCOPE_BPF_BUILDS"), 0);
}

static void tables_without_memory(void **state)
{
	struct scope_build *b = NULL;
	char text[256];
	int n = 0, r;

	(void)state;
	(void)snprintf(text, sizeof(text), HEAD "f\t%x\t10\ta\n", TINY_FN(1));
	do {
		fault_in = n++;
		r = parse(text, &b);
		fault_in = -1;
		assert_true(r == 0 || r == -ENOMEM);
	} while (r != 0);
	assert_true(n > 3);
	scope_build_free(b);
	scope_build_free(NULL);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(all_are_found),
		T(nothing_is_found_in_nothing),
		T(a_name_makes_no_atom_table),
		T(a_table_holds_what_it_says),
		T(schedulers_are_numbered_and_known_to_their_queues),
		T(a_descriptor_heads_the_list_of_code),
		T(searching_has_an_end),
		T(a_node_has_one_name),
		T(a_node_that_ends_is_told),
		T(scanning_without_memory),
#if defined(__x86_64__)
		T(calls_are_followed),
		T(fragments_tell_what_they_call),
		T(receives_are_known_by_their_arguments),
		T(finding_without_memory),
#endif
		T(a_table_gives_names),
		T(a_table_that_does_not_fit_is_refused),
		T(a_table_of_ones_own_comes_first),
		T(tables_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
