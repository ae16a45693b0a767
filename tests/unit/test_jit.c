/* SPDX-License-Identifier: MIT */
/* Names of addresses, over a list of entries that changes as the emulators of
 * OTP 25 and 27 change theirs. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_code.h"
#include "fault.h"
#include "target/jit.h"

#define MEMORY 0x10000ull
#define MEMORY_BYTES (2u << 20)
#define DESCRIPTOR MEMORY
#define CODE 0x7f0000000000ull

static uint8_t *mem;
static size_t used;
static unsigned reads;
static int read_error;
static void (*hook)(void); /* before the read of a symbol file */
static struct scope_jit *j;
static struct fake_code c;

static int read_memory(void *arg, uint64_t addr, void *buf, size_t len)
{
	assert_ptr_equal(arg, &mem);
	reads++;
	if (hook && len > 64)
		hook();
	if (read_error)
		return read_error;
	if (addr < MEMORY || addr - MEMORY > used ||
	    len > used - (addr - MEMORY))
		return -EFAULT;
	memcpy(buf, mem + (addr - MEMORY), len);
	return 0;
}

static void put(uint64_t addr, const void *p, size_t n)
{
	assert_true(addr >= MEMORY && addr - MEMORY + n <= MEMORY_BYTES);
	memcpy(mem + (addr - MEMORY), p, n);
}

static void put_word(uint64_t addr, uint64_t w)
{
	put(addr, &w, 8);
}

static uint64_t word(uint64_t addr)
{
	uint64_t w;

	memcpy(&w, mem + (addr - MEMORY), 8);
	return w;
}

static uint64_t alloc(size_t n)
{
	uint64_t at = MEMORY + used;

	used += (n + 15) & ~(size_t)15;
	assert_true(used <= MEMORY_BYTES);
	return at;
}

static int set_up(void **state)
{
	(void)state;
	mem = calloc(1, MEMORY_BYTES);
	used = 64; /* the descriptor */
	reads = 0;
	read_error = 0;
	hook = NULL;
	j = scope_jit_new(read_memory, &mem, DESCRIPTOR);
	return mem && j ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	scope_jit_free(j);
	free(mem);
	return 0;
}

/* What is in `c` becomes an entry at the head of the list. */
static void link_at(uint64_t entry)
{
	uint64_t sym = alloc(c.n);
	const uint64_t e[4] = { word(DESCRIPTOR + 16), 0, sym, c.n };

	put(sym, c.p, c.n);
	put(entry, e, sizeof(e));
	put_word(DESCRIPTOR + 16, entry);
}

static uint64_t link_new(void)
{
	uint64_t entry = alloc(32);

	link_at(entry);
	return entry;
}

/* A module of two functions of 100 bytes each, behind a header of 64. */
static void two(const char *module, uint64_t base)
{
	char name[64];

	fake_code_begin(&c, module, base, 300);
	(void)snprintf(name, sizeof(name), "%s::codeHeader", module);
	fake_code_range(&c, 0, 64, name);
	(void)snprintf(name, sizeof(name), "%s:one/1", module);
	fake_code_function(&c, 64, 164, name);
	fake_code_line(&c, 120, "a.erl", 7);
	fake_code_line(&c, 130, "b.hrl", 8);
	(void)snprintf(name, sizeof(name), "%s:two/2", module);
	fake_code_function(&c, 164, 264, name);
	(void)snprintf(name, sizeof(name), "%s::codeFooter", module);
	fake_code_range(&c, 264, 300, name);
}

static uint64_t load(const char *module, uint64_t base)
{
	two(module, base);
	return link_new();
}

/* As OTP 27 does; the entry's memory may then be another's. */
static void unload(uint64_t entry)
{
	uint64_t at = DESCRIPTOR + 16;

	while (word(at) != entry)
		at = word(at);
	put_word(at, word(entry));
	/* What free() leaves of an entry and of a symbol file. */
	put_word(word(entry + 16), 0x7f123456789a);
	put_word(word(entry + 16) + 8, 0x1122334455667788);
	put_word(entry, 0xdead000dead);
}

/* "module:function/arity file:line" of an address; "-": none. */
static const char *name_of(uint64_t addr)
{
	static char text[8192];
	struct scope_jit_place p;
	int n;

	if (scope_jit_find(j, addr, &p) < 0)
		return "-";
	assert_true(addr >= p.start && addr < p.end);
	n = snprintf(text, sizeof(text), "%.*s:%.*s/%u",
		     (int)p.module->name_len, p.module->name,
		     (int)p.function_len, p.function, p.arity);
	if (p.line)
		(void)snprintf(text + n, sizeof(text) - (size_t)n, " %.*s:%u",
			       (int)p.file_len, p.file ? p.file : "", p.line);
	return text;
}

#define is(addr, expect) assert_string_equal(name_of(addr), expect)

static struct scope_jit_usage usage(void)
{
	struct scope_jit_usage u;

	scope_jit_usage(j, &u);
	return u;
}

static void addresses_have_names(void **state)
{
	uint64_t shop = load("shop", CODE), car = load("car", CODE + 0x1000);
	const struct scope_jit_module *m;

	(void)state;
	is(CODE + 64, "-");
	assert_int_equal(scope_jit_sync(j), 0);
	is(CODE - 1, "-");
	is(CODE, "-");
	is(CODE + 63, "-");
	/* The prologue is the function's. */
	is(CODE + 64, "shop:one/1");
	is(CODE + 112, "shop:one/1");
	is(CODE + 119, "shop:one/1");
	is(CODE + 120, "shop:one/1 a.erl:7");
	is(CODE + 129, "shop:one/1 a.erl:7");
	is(CODE + 130, "shop:one/1 b.hrl:8");
	is(CODE + 163, "shop:one/1 b.hrl:8");
	is(CODE + 164, "shop:two/2");
	is(CODE + 263, "shop:two/2");
	is(CODE + 264, "-");
	is(CODE + 299, "-");
	is(CODE + 300, "-");
	is(CODE + 0xfff, "-");
	is(CODE + 0x1000 + 200, "car:two/2");
	is(UINT64_MAX, "-");
	is(0, "-");
	m = scope_jit_module(j, shop);
	assert_non_null(m);
	assert_int_equal(m->name_len, 4);
	assert_memory_equal(m->name, "shop", 4);
	assert_int_equal(m->functions, 2);
	assert_int_equal(m->bytes, 300);
	assert_int_equal(m->base, CODE);
	assert_non_null(scope_jit_module(j, car));
	assert_null(scope_jit_module(j, car + 8));
	assert_null(scope_jit_module(j, 0));
	assert_int_equal(usage().modules, 2);
	assert_int_equal(usage().functions, 4);
	assert_int_equal(usage().lines, 4);
	assert_int_equal(usage().refused, 0);
}

static void function_is(const char *printed, const char *expect)
{
	fake_code_begin(&c, "m", CODE, 100);
	fake_code_range(&c, 0, 100, printed);
	assert_int_equal(scope_jit_added(j, link_new()), 0);
	is(CODE + 50, expect);
}

static void printed_names_are_undone(void **state)
{
	char longest[1100] = "m:'";

	(void)state;
	function_is("m:f/0", "m:f/0");
	function_is("m:f/255", "m:f/255");
	function_is("m:f_1A/3", "m:f_1A/3");
	function_is("'Elixir.M':'f/2:x'/1", "m:f/2:x/1");
	function_is("'a:b/3':'-f/1-fun-0-'/1", "m:-f/1-fun-0-/1");
	function_is("'it\\'s':'\\\\\\'\\n\\f\\t\\r\\b\\v'/1",
		    "m:\\'\n\f\t\r\b\v/1");
	function_is("m:'\\001\\037\\177'/1", "m:\001\037\177/1");
	function_is("m:'\\200\\237'/1", "m:\xc2\x80\xc2\x9f/1");
	function_is("m:''/1", "m:/1");
	function_is("m:\xc3\xa4\xc3\xb6/1", "m:\xc3\xa4\xc3\xb6/1");
	function_is("m:'\xe2\x82\xac -> \xf0\x9f\x90\x9d'/1",
		    "m:\xe2\x82\xac -> \xf0\x9f\x90\x9d/1");
	memset(longest + 3, 'x', 1020);
	memcpy(longest + 1023, "'/9", 4);
	fake_code_begin(&c, "m", CODE, 100);
	fake_code_range(&c, 0, 100, longest);
	assert_int_equal(scope_jit_added(j, link_new()), 0);
	assert_int_equal(strlen(name_of(CODE)), 2 + 1020 + 2);
}

static void what_is_no_function_has_no_name(void **state)
{
	static const char *const names[] = {
		"", ":", "/", "m", "m:", "m:f", "m:f/", "m::codeHeader",
		"m::codeFooter", "global::", "global:x", "m:f/256",
		"m:f/1000000000000", "m:f/-1", "m:f/1x", "m:f/1 ", ":f/1",
		"m:/1", "m/f/1", "'m:f/1", "m:'f/1", "m:'f\\", "m:'f\\x'/1",
		"m:'f\\08'/1", "m:'f\\0", "m:f g/1", "m:<bad/1", "m:'f'g/1",
		"m:f/1-CodeInfoPrologue", "-CodeInfoPrologue",
		"m:'f/1-CodeInfoPrologue",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		function_is(names[i], "-");
	function_is("m:'f/1-CodeInfoPrologue'/1", "m:f/1-CodeInfoPrologue/1");
	/* A prologue that is another's, and one of nobody. */
	fake_code_begin(&c, "m", CODE, 300);
	fake_code_range(&c, 0, 48, "m:f/1-CodeInfoPrologue");
	fake_code_range(&c, 50, 100, "m:f/1");
	fake_code_range(&c, 100, 148, "m:g/1-CodeInfoPrologue");
	assert_int_equal(scope_jit_added(j, link_new()), 0);
	is(CODE + 47, "-");
	is(CODE + 50, "m:f/1");
	is(CODE + 100, "-");
}

static void fragments_are_told_from_functions(void **state)
{
	struct scope_jit_place p;

	(void)state;
	fake_code_begin(&c, "global", CODE, 300);
	fake_code_range(&c, 0, 100, "global::call_bif_shared");
	fake_code_range(&c, 100, 148, "global:f/1-CodeInfoPrologue");
	fake_code_range(&c, 148, 300, "global:f/1");
	assert_int_equal(scope_jit_added(j, link_new()), 0);
	is(CODE + 99, "global:call_bif_shared/0");
	assert_int_equal(scope_jit_find(j, CODE, &p), 0);
	assert_true(p.is_fragment);
	assert_int_equal(p.entry, CODE);
	assert_int_equal(scope_jit_find(j, CODE + 100, &p), 0);
	assert_false(p.is_fragment);
	assert_int_equal(p.start, CODE + 100);
	assert_int_equal(p.entry, CODE + 148);
}

static int count_to_three(void *arg, const struct scope_jit_place *p)
{
	unsigned *n = arg;

	assert_false(p->is_fragment);
	assert_int_equal(p->line, 0);
	return ++*n == 3 ? 7 : 0;
}

static void each_function_is_listed(void **state)
{
	unsigned n = 0;

	(void)state;
	assert_int_equal(scope_jit_each(j, count_to_three, &n), 0);
	(void)load("shop", CODE);
	fake_code_begin(&c, "global", CODE + 0x800, 100);
	fake_code_range(&c, 0, 100, "global::call_bif_shared");
	(void)link_new();
	assert_int_equal(scope_jit_sync(j), 0);
	assert_int_equal(scope_jit_each(j, count_to_three, &n), 0);
	assert_int_equal(n, 2);
	(void)load("car", CODE + 0x1000);
	assert_int_equal(scope_jit_sync(j), 0);
	n = 0;
	assert_int_equal(scope_jit_each(j, count_to_three, &n), 7);
	assert_int_equal(n, 3);
}

static void lines_have_files(void **state)
{
	char file[32];

	(void)state;
	fake_code_begin(&c, "m", CODE, 10000);
	fake_code_range(&c, 0, 10000, "m:f/1");
	for (uint32_t i = 1; i < 300; i++) {
		(void)snprintf(file, sizeof(file), "f%u.erl", i);
		fake_code_line(&c, 10 * i, file, i);
	}
	fake_code_line(&c, 9000, "f1.erl", 1u << 24);
	fake_code_line(&c, 9010, "f1.erl", (1u << 24) - 1);
	fake_code_line(&c, 9020, "", 5);
	(void)link_new();
	assert_int_equal(scope_jit_sync(j), 0);
	is(CODE + 9, "m:f/1");
	is(CODE + 10, "m:f/1 f1.erl:1");
	is(CODE + 2559, "m:f/1 f255.erl:255");
	/* More files than are told apart. */
	is(CODE + 2560, "m:f/1 :256");
	is(CODE + 2999, "m:f/1 :299");
	is(CODE + 9000, "m:f/1");
	is(CODE + 9010, "m:f/1 f1.erl:16777215");
	is(CODE + 9999, "m:f/1 :5");
}

static void lines_that_are_not_in_order_do_no_harm(void **state)
{
	(void)state;
	fake_code_begin(&c, "m", CODE, 1000);
	fake_code_range(&c, 0, 1000, "m:f/1");
	for (uint32_t i = 0; i < 100; i++)
		fake_code_line(&c, i * 7919 % 1009, "f.erl", i + 1);
	(void)link_new();
	assert_int_equal(scope_jit_sync(j), 0);
	for (uint64_t i = 0; i < 1000; i++)
		(void)name_of(CODE + i);
}

static void a_sync_reads_only_what_is_new(void **state)
{
	unsigned before;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		(void)load("old", CODE + 0x1000 * i);
	assert_int_equal(scope_jit_sync(j), 0);
	assert_int_equal(usage().modules, 100);
	before = reads;
	assert_int_equal(scope_jit_sync(j), 0);
	assert_in_range(reads - before, 1, 3);
	(void)load("new", CODE + 0x100000);
	(void)load("newer", CODE + 0x101000);
	before = reads;
	assert_int_equal(scope_jit_sync(j), 0);
	assert_in_range(reads - before, 1, 20);
	is(CODE + 0x100000 + 100, "new:one/1");
	is(CODE + 0x101000 + 100, "newer:one/1");
	assert_int_equal(usage().modules, 102);
}

static void nothing_is_there(void **state)
{
	(void)state;
	assert_int_equal(scope_jit_sync(j), 0);
	is(CODE, "-");
	read_error = -EFAULT;
	assert_int_equal(scope_jit_sync(j), -EFAULT);
	read_error = -ESRCH;
	assert_int_equal(scope_jit_sync(j), -ESRCH);
	assert_int_equal(scope_jit_added(j, MEMORY), -ESRCH);
	scope_jit_removed(j, MEMORY);
	scope_jit_removed(j, 0);
	assert_int_equal(scope_jit_added(j, 0), -EFAULT);
	scope_jit_free(NULL);
}

/* OTP 25 leaves the entries of purged code in its list. */
static void of_two_the_newer_has_the_memory(void **state)
{
	uint64_t old[3];

	(void)state;
	old[0] = load("old", CODE);
	old[1] = load("left", CODE + 1000);
	old[2] = load("right", CODE + 1500);
	(void)load("kept", CODE + 5000);
	two("new", CODE);
	(void)link_new();
	two("mid", CODE + 1290); /* of left its end, of right its begin */
	(void)link_new();
	assert_int_equal(scope_jit_sync(j), 0);
	is(CODE + 100, "new:one/1");
	is(CODE + 1100, "-");
	is(CODE + 1390, "mid:one/1");
	is(CODE + 1700, "-");
	is(CODE + 5100, "kept:one/1");
	for (unsigned i = 0; i < 3; i++)
		assert_null(scope_jit_module(j, old[i]));
	assert_int_equal(usage().modules, 3);
	assert_int_equal(usage().refused, 0);
	/* The same by events, and by a later sync. */
	assert_int_equal(scope_jit_added(j, load("event", CODE)), 0);
	is(CODE + 100, "event:one/1");
	(void)load("later", CODE + 10);
	assert_int_equal(scope_jit_sync(j), 0);
	is(CODE + 110, "later:one/1");
	assert_int_equal(usage().modules, 3);
}

static void neighbours_leave_each_other_alone(void **state)
{
	(void)state;
	(void)load("b", CODE + 300);
	(void)load("c", CODE + 600);
	(void)load("a", CODE);
	assert_int_equal(scope_jit_sync(j), 0);
	assert_int_equal(usage().modules, 3);
	is(CODE + 263, "a:two/2");
	is(CODE + 364, "b:one/1");
	is(CODE + 664, "c:one/1");
}

static void code_comes_and_goes(void **state)
{
	uint64_t a = load("a", CODE), b = load("b", CODE + 1000), m[2];

	(void)state;
	assert_int_equal(scope_jit_sync(j), 0);
	for (unsigned i = 0; i < 50; i++) {
		m[i & 1] = load(i & 1 ? "odd" : "even", CODE + 2000 +
				1000 * (i & 1));
		assert_int_equal(scope_jit_added(j, m[i & 1]), 0);
		is(CODE + 2100 + 1000 * (i & 1), i & 1 ? "odd:one/1" :
						       "even:one/1");
		if (i == 0)
			continue;
		unload(m[!(i & 1)]);
		assert_non_null(scope_jit_module(j, m[!(i & 1)]));
		scope_jit_removed(j, m[!(i & 1)]);
		assert_null(scope_jit_module(j, m[!(i & 1)]));
		is(CODE + 2100 + 1000 * !(i & 1), "-");
		assert_int_equal(usage().modules, 3);
	}
	assert_int_equal(scope_jit_sync(j), 0);
	unload(a);
	scope_jit_removed(j, a);
	scope_jit_removed(j, a);
	scope_jit_removed(j, b);
	scope_jit_removed(j, m[1]);
	assert_int_equal(usage().modules, 0);
	assert_int_equal(usage().functions, 0);
	assert_int_equal(usage().lines, 0);
	assert_int_equal(usage().bytes, 0);
}

/* The memory of an entry is used again at once. */
static void an_entry_may_be_another_now(void **state)
{
	uint64_t a = load("a", CODE), b = load("b", CODE + 1000);

	(void)state;
	assert_int_equal(scope_jit_sync(j), 0);
	/* Nobody told that it went. */
	unload(b);
	two("c", CODE + 2000);
	link_at(b);
	assert_int_equal(scope_jit_sync(j), 0);
	is(CODE + 1100, "-");
	is(CODE + 2100, "c:one/1");
	assert_int_equal(usage().modules, 2);
	unload(a);
	two("d", CODE);
	link_at(a);
	assert_int_equal(scope_jit_added(j, a), 0);
	is(CODE + 100, "d:one/1");
	assert_int_equal(usage().modules, 2);
	/* Gone before it could be read. */
	put_word(a + 16, 0x123);
	assert_int_equal(scope_jit_added(j, a), -EFAULT);
	is(CODE + 100, "-");
	unload(b);
	assert_int_equal(scope_jit_added(j, b), -EBADMSG);
	is(CODE + 2100, "-");
	assert_int_equal(usage().modules, 0);
}

static uint64_t freed;

static void free_it(void)
{
	if (freed)
		unload(freed);
	freed = 0;
}

static void a_list_that_changes_is_read_again(void **state)
{
	(void)state;
	(void)load("a", CODE);
	(void)load("b", CODE + 1000);
	freed = load("c", CODE + 2000);
	(void)load("d", CODE + 3000);
	hook = free_it; /* while the first is being read */
	assert_int_equal(scope_jit_sync(j), 0);
	is(CODE + 2100, "-");
	is(CODE + 1100, "b:one/1");
	freed = load("e", CODE + 4000);
	(void)scope_jit_sync(j); /* while it is being read itself */
	is(CODE + 4100, "-");
	assert_int_equal(scope_jit_sync(j), 0);
	is(CODE + 100, "a:one/1");
	is(CODE + 3100, "d:one/1");
	assert_int_equal(usage().modules, 3);
}

static void what_was_cut_short_is_completed(void **state)
{
	uint64_t b, saved;

	(void)state;
	(void)load("a", CODE);
	b = load("b", CODE + 1000);
	(void)load("c", CODE + 2000);
	saved = word(b);
	put_word(b, 0x5); /* leads nowhere */
	assert_int_equal(scope_jit_sync(j), -EFAULT);
	is(CODE + 2100, "c:one/1");
	is(CODE + 100, "-");
	put_word(b, saved);
	assert_int_equal(scope_jit_sync(j), 0);
	is(CODE + 100, "a:one/1");
	is(CODE + 1100, "b:one/1");
	is(CODE + 2100, "c:one/1");
}

static void a_broken_list_is_given_up(void **state)
{
	uint64_t a = load("a", CODE);
	unsigned before;

	(void)state;
	(void)load("b", CODE + 1000);
	put_word(a, 0x5);
	for (int i = 0; i < 3; i++)
		assert_int_equal(scope_jit_sync(j), -EFAULT);
	before = reads;
	assert_int_equal(scope_jit_sync(j), 0);
	assert_in_range(reads - before, 1, 3);
	is(CODE + 100, "a:one/1");
	/* What is new is learned all the same. */
	(void)load("c", CODE + 2000);
	assert_int_equal(scope_jit_sync(j), 0);
	is(CODE + 2100, "c:one/1");
}

static void circles_have_an_end(void **state)
{
	uint64_t a = load("a", CODE), b = load("b", CODE + 1000), emu;
	const uint32_t none[8] = { 0 };

	(void)state;
	put_word(a, b);
	assert_int_equal(scope_jit_sync(j), -EFAULT);
	assert_int_equal(usage().modules, 2);
	put_word(b, b);
	assert_int_equal(scope_jit_sync(j), -EFAULT);
	assert_int_equal(usage().modules, 2);
	/* Of entries that are no modules. */
	emu = alloc(32);
	put_word(emu, emu);
	put_word(emu + 16, alloc(32));
	put_word(emu + 24, 32);
	put(word(emu + 16), none, sizeof(none));
	put_word(DESCRIPTOR + 16, emu);
	assert_int_equal(scope_jit_sync(j), -EFAULT);
	assert_int_equal(scope_jit_added(j, emu), -EBADMSG);
	assert_in_range(reads, 1, 100);
	/* A wide one. */
	scope_jit_free(j);
	j = scope_jit_new(read_memory, &mem, DESCRIPTOR);
	put_word(DESCRIPTOR + 16, a);
	put_word(a, 0);
	for (unsigned i = 0; i < 1000; i++)
		(void)load("m", CODE + 0x1000 + 0x1000 * i);
	put_word(a, word(word(DESCRIPTOR + 16)));
	assert_int_equal(scope_jit_sync(j), -EFAULT);
	assert_int_equal(usage().modules, 1001);
	assert_in_range(reads, 5000, 20000);
}

static void refuse(int expect)
{
	size_t refused = usage().refused;

	assert_int_equal(scope_jit_added(j, link_new()), expect);
	assert_int_equal(usage().refused, refused + 1);
	is(CODE + 100, "-");
	assert_int_equal(usage().bytes, 0);
}

static void what_contradicts_itself_is_refused(void **state)
{
	(void)state;
	two("m", CODE);
	fake_code_set(&c, 20, 0); /* no bytes of code */
	refuse(-EBADMSG);
	two("m", CODE);
	fake_code_set(&c, 20, 263); /* fewer than its functions have */
	refuse(-EBADMSG);
	two("m", 1ull << 47);
	refuse(-EBADMSG);
	two("m", UINT64_MAX - 10);
	refuse(-EBADMSG);
	two("m", CODE);
	fake_code_set(&c, 16, UINT32_MAX); /* ranges */
	refuse(-EBADMSG);
	two("m", CODE);
	fake_code_set(&c, c.lines_at, UINT32_MAX);
	refuse(-EBADMSG);
	/* Functions that overlap, or are not in order. */
	fake_code_begin(&c, "m", CODE, 300);
	fake_code_range(&c, 0, 100, "m:f/1");
	fake_code_range(&c, 99, 200, "m:g/1");
	refuse(-EBADMSG);
	fake_code_begin(&c, "m", CODE, 300);
	fake_code_range(&c, 100, 200, "m:f/1");
	fake_code_range(&c, 0, 100, "m:g/1");
	refuse(-EBADMSG);
	for (size_t n = 0;; n++) {
		two("m", CODE);
		if (n == c.n)
			break;
		c.n = n;
		refuse(-EBADMSG);
	}
	/* A list of such: each is left out, the rest is there. */
	two("m", CODE);
	fake_code_set(&c, 16, UINT32_MAX);
	put_word(DESCRIPTOR + 16, 0);
	(void)link_new();
	(void)load("good", CODE + 1000);
	assert_int_equal(scope_jit_sync(j), -EFAULT);
	is(CODE + 1100, "good:one/1");
}

static void there_is_a_limit_to_modules(void **state)
{
	uint64_t entry = load("m", CODE), sym = word(entry + 16);

	(void)state;
	/* One entry whose base moves on. */
	for (uint64_t i = 0; i < 2000; i++) {
		put_word(sym + 8, CODE + 300 * i);
		assert_int_equal(scope_jit_added(j, entry), 0);
	}
	assert_int_equal(usage().modules, 1);
	/* Each its own entry, with one symbol file each. */
	for (uint64_t i = 0; i < 2000; i++) {
		(void)load("m", CODE + 300 * (i ^ 5));
		assert_int_equal(scope_jit_added(j, word(DESCRIPTOR + 16)), 0);
	}
	assert_int_equal(usage().modules, 2000);
	assert_in_range(usage().bytes, 2000 * 100, 2000 * 400);
}

static void every_allocation_may_fail(void **state)
{
	for (long n = 0;; n++) {
		long left;
		int r;

		(void)tear_down(state);
		assert_int_equal(set_up(state), 0);
		(void)load("a", CODE);
		(void)load("b", CODE + 1000);
		fault_in = n;
		r = scope_jit_sync(j);
		left = fault_in;
		fault_in = -1;
		if (left >= 0) {
			assert_int_equal(r, 0);
			break;
		}
		assert_int_equal(r, -EFAULT);
		assert_int_equal(scope_jit_sync(j), 0);
		is(CODE + 100, "a:one/1");
		is(CODE + 1100, "b:one/1");
	}
	for (fault_in = 0;; fault_in++) {
		long n = fault_in;
		struct scope_jit *other = scope_jit_new(read_memory, &mem, 1);
		bool failed = fault_in < 0;

		fault_in = n;
		if (!failed) {
			fault_in = -1;
			assert_non_null(other);
			scope_jit_free(other);
			break;
		}
		assert_null(other);
	}
}

#define T(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(addresses_have_names),
		T(printed_names_are_undone),
		T(what_is_no_function_has_no_name),
		T(fragments_are_told_from_functions),
		T(each_function_is_listed),
		T(lines_have_files),
		T(lines_that_are_not_in_order_do_no_harm),
		T(a_sync_reads_only_what_is_new),
		T(nothing_is_there),
		T(of_two_the_newer_has_the_memory),
		T(neighbours_leave_each_other_alone),
		T(code_comes_and_goes),
		T(an_entry_may_be_another_now),
		T(a_list_that_changes_is_read_again),
		T(what_was_cut_short_is_completed),
		T(a_broken_list_is_given_up),
		T(circles_have_an_end),
		T(what_contradicts_itself_is_refused),
		T(there_is_a_limit_to_modules),
		T(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
