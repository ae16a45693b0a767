/* SPDX-License-Identifier: MIT */
/* fake_print: printing terms of a fake_vm, on each release's layout. */
#ifndef SCOPE_TESTS_FAKE_PRINT_H
#define SCOPE_TESTS_FAKE_PRINT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_vm.h"

static struct fake f;
static char out[1 << 16];
static unsigned met;

static inline const char *text(uint64_t term, enum scope_syntax syntax)
{
	struct scope_buf b = scope_buf_of(out, sizeof(out));

	met = scope_term_put(&f.vm, fake_image(&f), term, syntax, &b);
	assert_false(b.full);
	return scope_buf_str(&b);
}

#define ERL(term, want) assert_string_equal(text(term, SCOPE_SYNTAX_ERLANG), want)
#define EX(term, want) assert_string_equal(text(term, SCOPE_SYNTAX_ELIXIR), want)
#define JSON(term, want) assert_string_equal(text(term, SCOPE_SYNTAX_JSON), want)

/* Run a test on each release's layout. */
static void on_each(void (*test)(void))
{
	for (const unsigned *r = scope_layout_releases(); *r; r++) {
		assert_int_equal(fake_init(&f, *r), 0);
		test();
		scope_vm_done(&f.vm);
	}
}

#define TEST(name)                                                             \
	static void on_##name(void);                                           \
	static void name(void **state)                                         \
	{                                                                      \
		(void)state;                                                   \
		on_each(on_##name);                                            \
	}                                                                      \
	static void on_##name(void)

#endif
