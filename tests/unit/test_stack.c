/* SPDX-License-Identifier: MIT */
/* Frames from the words of a stack: both layouts, cut and broken ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fault.h"
#include "target/stack.h"

#define CODE 0x7f0000001000ull /* 16 return addresses, 16 bytes apart */
#define END 0x7f0000000008ull
#define STACK 0x7f0100000000ull
#define PC (CODE + 8)
#define NIL 0x3bull
#define INT(n) ((uint64_t)(n) << 4 | 0xf)

static uint64_t words[64];
static struct scope_stack s;

static int is_code(void *arg, uint64_t w)
{
	(void)arg;
	assert_int_equal(w & 3, 0);
	assert_true(w != 0);
	if (w == END)
		return 2;
	return w >= CODE && w < CODE + 256;
}

static void make(const uint64_t *w, size_t n)
{
	memcpy(words, w, 8 * n);
	free(s.frames);
	s = (struct scope_stack){
		.at = STACK,
		.hend = STACK + 8 * n,
		.words = words,
		.nwords = n,
		.words_all = n,
	};
}

static void walk(bool has_fp, size_t max)
{
	free(s.frames);
	s.frames = NULL;
	assert_int_equal(scope_stack_walk(&s, has_fp, PC, max, is_code, NULL),
			 0);
}

static void frame_is(size_t i, uint64_t addr, uint32_t y, uint32_t ny)
{
	assert_true(i < s.nframes);
	assert_int_equal(s.frames[i].addr, addr);
	assert_int_equal(s.frames[i].is_return, i > 0);
	assert_int_equal(s.frames[i].ny, ny);
	if (ny)
		assert_int_equal(s.frames[i].y, y);
}

static int tear_down(void **state)
{
	(void)state;
	free(s.frames);
	s.frames = NULL;
	return 0;
}

static void registers_belong_to_the_function_that_returns(void **state)
{
	const uint64_t w[] = { INT(1), NIL, CODE, CODE + 16, INT(2), END };

	(void)state;
	make(w, 6);
	walk(false, 0);
	assert_int_equal(s.nframes, 4);
	frame_is(0, PC, 0, 2);
	frame_is(1, CODE, 0, 0);
	frame_is(2, CODE + 16, 4, 1);
	frame_is(3, END, 0, 0);
	assert_true(s.is_whole);
	assert_true(s.frames[3].is_own);
	assert_false(s.is_cut);
	assert_int_equal(s.odd, 0);
}

static void frame_pointers_are_no_registers(void **state)
{
	const uint64_t w[] = { INT(1),	       STACK + 40, CODE, INT(2), NIL,
			       STACK + 64, CODE + 16,  0,    END };

	(void)state;
	make(w, 9);
	walk(true, 0);
	assert_int_equal(s.nframes, 4);
	frame_is(0, PC, 0, 1);
	frame_is(1, CODE, 3, 2);
	frame_is(2, CODE + 16, 0, 0);
	assert_true(s.is_whole);
	assert_int_equal(s.odd, 0);
	/* Code without them has no such words: they are told as odd. */
	walk(false, 0);
	frame_is(0, PC, 0, 2);
	assert_int_equal(s.odd, 3);
}

static void a_stack_may_be_empty_or_nothing(void **state)
{
	const uint64_t w[] = { END };

	(void)state;
	make(w, 1);
	walk(false, 0);
	assert_int_equal(s.nframes, 2);
	assert_true(s.is_whole);
	make(w, 0);
	walk(false, 0);
	assert_int_equal(s.nframes, 1);
	assert_false(s.is_whole);
}

static void what_is_too_deep_is_cut(void **state)
{
	const uint64_t w[] = { INT(1), CODE, INT(2), CODE, INT(3), CODE, END };

	(void)state;
	make(w, 7);
	walk(false, 3);
	assert_int_equal(s.nframes, 3);
	assert_true(s.is_cut);
	assert_false(s.is_whole);
	frame_is(2, CODE, 4, 1);
	make(w, 7);
	walk(false, 5);
	assert_int_equal(s.nframes, 5);
	assert_false(s.is_cut);
	assert_true(s.is_whole);
	/* Words that were not read are not the end. */
	make(w, 7);
	s.nwords = 6;
	walk(false, 0);
	assert_int_equal(s.nframes, 4);
	assert_false(s.is_whole);
	/* Nor is an end in the middle. */
	words[1] = END;
	s.nwords = 6;
	walk(false, 0);
	assert_false(s.is_whole);
}

static void words_that_are_neither_are_counted(void **state)
{
	const uint64_t w[] = { 0, 0x10, CODE + 4096, CODE, END };

	(void)state;
	make(w, 5);
	walk(false, 0);
	assert_int_equal(s.odd, 3);
	frame_is(0, PC, 0, 3);
	frame_is(1, CODE, 0, 0);
	walk(true, 0);
	assert_int_equal(s.odd, 3);
	frame_is(0, PC, 0, 3);
}

static int is_any_code(void *arg, uint64_t w)
{
	(void)arg;
	return w == END ? 2 : w >= CODE && w < CODE + 256;
}

/* A fragment of the JIT is called from anywhere in a function: that return
 * address looks like a term. */
static void a_fragment_has_a_caller(void **state)
{
	const uint64_t w[] = { CODE + 0x2d, INT(1), CODE + 0x3d, END };

	(void)state;
	make(w, 4);
	s.in_fragment = true;
	assert_int_equal(scope_stack_walk(&s, false, PC, 0, is_any_code, NULL),
			 0);
	frame_is(0, PC, 0, 0);
	frame_is(1, CODE + 0x2d, 1, 2);
	assert_int_equal(s.nframes, 3);
	/* Or the word is none. */
	make(w + 1, 3);
	s.in_fragment = true;
	assert_int_equal(scope_stack_walk(&s, false, PC, 0, is_any_code, NULL),
			 0);
	frame_is(0, PC, 0, 2);
	assert_int_equal(s.nframes, 2);
}

static void memory_may_be_short(void **state)
{
	uint64_t w[60];

	(void)state;
	for (size_t i = 0; i < 60; i++)
		w[i] = CODE;
	make(w, 60);
	for (int n = 0; n < 2; n++) {
		fault_in = n;
		assert_int_equal(scope_stack_walk(&s, false, PC, 0, is_code,
						  NULL),
				 -ENOMEM);
		fault_in = -1;
		free(s.frames);
		s.frames = NULL;
	}
	walk(false, 0);
	assert_int_equal(s.nframes, 61);
}

#define T(t) cmocka_unit_test_teardown(t, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(registers_belong_to_the_function_that_returns),
		T(frame_pointers_are_no_registers),
		T(a_stack_may_be_empty_or_nothing),
		T(what_is_too_deep_is_cut),
		T(words_that_are_neither_are_counted),
		T(a_fragment_has_a_caller),
		T(memory_may_be_short),
	};

	return cmocka_run_group_tests_name("stack", tests, NULL, NULL);
}
