/* SPDX-License-Identifier: MIT */
/* Functions that are known again by what they refer to, and by who refers to
 * them. Over an ELF file of three that is made here. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "target/shapes.h"
#include "target/shapes_int.h"
#include "tiny_elf.h"

static uint8_t file[TINY_BYTES];
static struct scope_elf *elf;

static void put_rel(unsigned fn, unsigned at, uint8_t op, uint64_t to)
{
	uint8_t *p = file + TINY_TEXT_OFF + 16 * fn + at;
	int32_t rel = (int32_t)(to - (TINY_FN(fn) + at + 5));

	*p = op;
	memcpy(p + 1, &rel, 4);
}

/* 0 calls 1 and 2; 1 jumps to 2; 2 takes the address of 0. */
static int set_up(void **state)
{
	static const uint8_t lea[] = { 0x48, 0x8d, 0x05 };
	int32_t rel = (int32_t)(TINY_FN(0) - (TINY_FN(2) + 7));

	(void)state;
	memset(file, 0, sizeof(file));
	tiny_elf(file);
	put_rel(0, 0, 0xe8, TINY_FN(1));
	put_rel(0, 5, 0xe8, TINY_FN(2));
	put_rel(1, 2, 0xe9, TINY_FN(2));
	memcpy(file + TINY_TEXT_OFF + 32, lea, sizeof(lea));
	memcpy(file + TINY_TEXT_OFF + 32 + 3, &rel, 4);
	return scope_elf_parse(file, sizeof(file), &elf);
}

static int tear_down(void **state)
{
	(void)state;
	scope_elf_free(elf);
	elf = NULL;
	return 0;
}

static uint64_t anchor(void *arg, char kind, const char *name)
{
	(void)arg;
	if (kind == 'b')
		return !strcmp(name, "erlang:abs/1") ? TINY_FN(2) : 0;
	return kind == 'x' && !strcmp(name, "first") ? TINY_FN(0) : 0;
}

static int parse(const char *text, bool has_no_digests,
		 struct scope_shapes **ret)
{
	const struct scope_shapes_opts opts = {
		.anchor = anchor, .has_no_digests = has_no_digests
	};

	return scope_shapes_parse(text, strlen(text), elf, 29, &opts, ret);
}

static uint64_t where(const struct scope_shapes *s, const char *name)
{
	struct scope_symbol sym;

	if (scope_shapes_find(s, name, &sym) < 0)
		return 0;
	assert_int_equal(sym.how, SCOPE_HOW_SHAPE);
	assert_int_equal(sym.size, 16);
	return sym.vaddr;
}

/* Is `name` found at `at` (0: nowhere) with that table? */
#define finds(text, name, at)                                                  \
	do {                                                                   \
		scope_auto(scope_shapes) s_ = NULL;                            \
		assert_int_equal(parse("otp\t29\n" text, false, &s_), 0);      \
		assert_int_equal(where(s_, name), at);                         \
	} while (0)

static void two_ways_are_enough(void **state)
{
	(void)state;
	/* A path, and its own reference to what is known. */
	finds("s\tone\t10\t0\t1\nr\t0\tb:erlang:abs/1\np\tx:first\t0/2\n", "one",
	      TINY_FN(1));
	/* Two paths, of which one begins at what is found by them. */
	finds("s\ttwo\t10\t0\t1\np\te:\t1/2\np\tf:one\t0/1\n"
	      "s\tone\t10\t0\t1\nr\t0\tb:erlang:abs/1\np\tx:first\t0/2\n",
	      "two", TINY_FN(2));
	finds("s\t_Z3twoi\t10\t0\t1\np\te:\t1/2\np\te:\t0/2\t0/1\n", "~two",
	      TINY_FN(2));
	/* By way of an address that is taken. */
	finds("s\tzero\t10\t0\t2\nr\t1\tb:erlang:abs/1\n"
	      "p\tb:erlang:abs/1\t0/1\n",
	      "zero", TINY_FN(0));
}

static void one_is_not(void **state)
{
	(void)state;
	finds("s\tone\t10\t0\t1\np\te:\t0/2\n", "one", 0);
	/* The same last step twice is one. */
	finds("s\tone\t10\t0\t1\np\te:\t0/2\np\tx:first\t0/2\n", "one", 0);
	finds("s\tone\t10\t0\t1\nr\t0\tb:erlang:abs/1\n", "one", 0);
	finds("s\tone\t10\t0\t1\n", "one", 0);
}

static void nothing_may_speak_against_it(void **state)
{
	(void)state;
	/* Another number of references on the way. */
	finds("s\ttwo\t10\t0\t1\np\te:\t1/3\np\te:\t0/2\t0/1\n", "two", 0);
	/* Ways that part. */
	finds("s\ttwo\t10\t0\t1\np\te:\t1/2\np\te:\t0/2\t0/1\np\te:\t0/2\n",
	      "two", 0);
	/* Its own reference leads elsewhere. */
	finds("s\ttwo\t10\t0\t1\nr\t0\tb:erlang:abs/1\np\te:\t1/2\n"
	      "p\te:\t0/2\t0/1\n",
	      "two", 0);
	/* Of another size. */
	finds("s\ttwo\t40\t0\t1\np\te:\t1/2\np\te:\t0/2\t0/1\n", "two", 0);
	/* Two at one place. */
	finds("s\ttwo\t10\t0\t1\np\te:\t1/2\np\te:\t0/2\t0/1\n"
	      "s\tother\t10\t0\t1\np\te:\t1/2\np\te:\t0/2\t0/1\n",
	      "two", 0);
	finds("s\ttwo\t10\t0\t1\np\te:\t1/2\np\te:\t0/2\t0/1\n"
	      "s\tother\t10\t0\t1\np\te:\t1/2\np\te:\t0/2\t0/1\n",
	      "other", 0);
	/* Anchors that there are not. */
	finds("s\ttwo\t10\t0\t1\np\tx:last\t1/2\np\tb:a:b/1\t0/2\n"
	      "p\tf:nobody\t0/1\n",
	      "two", 0);
}

static void a_digest_is_as_good_as_a_way(void **state)
{
	scope_auto(scope_shapes) s = NULL;
	struct scope_refs *refs = NULL;
	const struct scope_ref_list *l;
	char text[256];

	(void)state;
	assert_int_equal(scope_refs_new(elf, &refs), 0);
	l = scope_refs_of(refs, TINY_FN(1));
	assert_non_null(l);
	assert_int_equal(l->nrefs, 1);
	assert_int_equal(l->refs[0], TINY_FN(2));
	assert_int_equal(scope_refs_digest(refs, 16, l->digest), TINY_FN(1));
	assert_int_equal(scope_refs_digest(refs, 16, l->digest + 1), 0);
	assert_null(scope_refs_of(refs, TINY_FN(1) + 1));
	(void)snprintf(text, sizeof(text),
		       "otp\t29\ns\tone\t10\t%llx\t1\np\te:\t0/2\n"
		       "s\tsmall\t10\t%llx\t9\n",
		       (unsigned long long)l->digest,
		       (unsigned long long)scope_refs_of(refs, TINY_FN(2))
			       ->digest);
	scope_refs_free(refs);
	assert_int_equal(parse(text, false, &s), 0);
	assert_int_equal(where(s, "one"), TINY_FN(1));
	/* That of little code is not enough alone. */
	assert_int_equal(where(s, "small"), 0);
	assert_int_equal(scope_shapes_found(s), 1);
	scope_shapes_free(s);
	s = NULL;
	assert_int_equal(parse(text, true, &s), 0);
	assert_int_equal(where(s, "one"), 0);
}

static void a_table_is_of_its_form(void **state)
{
	static const char *const bad[] = {
		"s\tx", "s\tx\t10", "s\tx\t10\t0", "s\tx\t10\t0\t1\t2",
		"s\tx\tg\t0\t1", "s\t\t10\t0\t1", "q\tx", "p\te:\t0/1",
		"s\tx\t10\t0\t1\np\te:", "s\tx\t10\t0\t1\np\te:\t1/1",
		"s\tx\t10\t0\t1\np\te:\t1", "s\tx\t10\t0\t1\np\tz:\t0/1",
		"s\tx\t10\t0\t1\np\te\t0/1", "s\tx\t10\t0\t1\nr\te:",
		"s\tx\t10\t0\t1\nr\t0\te:\t1", "s\tx\t10\t0\t1\nu\tx\t0\t0",
		"v\tx\t8\np\te:\t0/1", "v\tx\t8\nu\tx\t0", "otp\tx", "s",
		"s\tx\t10\t0\t1\np\te:\t0/1\t0/1\t0/1\t0/1\t0/1\t0/1\t0/1\t0/1"
		"\t0/1\t0/1\t0/1\t0/1\t0/1\t0/1\t0/1\t0/1\t0/1",
	};
	struct scope_shapes *s = NULL;
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		(void)snprintf(text, sizeof(text), "otp\t29\n%s\n", bad[i]);
		if (parse(text, false, &s) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
	}
	assert_int_equal(parse("", false, &s), -ENOENT);
	assert_int_equal(parse("# none\n\notp\t27\ns\tx\t10\t0\t1\n", false, &s),
			 -ENOENT);
	assert_int_equal(parse("otp\t29\n# one\n\nv\tx\t8\nu\ty\t0\t0\n", false,
			       &s), 0);
	assert_int_equal(where(s, "x"), 0);
	scope_shapes_free(s);
	s = NULL;
	/* That in the program, whatever of it is found here. */
	assert_int_equal(scope_shapes_new(elf, 29,
					  &(struct scope_shapes_opts){
						  .anchor = anchor },
					  &s), 0);
	assert_int_equal(scope_shapes_found(s), 0);
	scope_shapes_free(s);
	assert_int_equal(scope_shapes_new(elf, 23,
					  &(struct scope_shapes_opts){
						  .anchor = anchor },
					  &s), -ENOENT);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(two_ways_are_enough),
		T(one_is_not),
		T(nothing_may_speak_against_it),
		T(a_digest_is_as_good_as_a_way),
		T(a_table_is_of_its_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
