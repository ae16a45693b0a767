/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "target/pattern.h"

static bool matches(const char *pattern, const char *m, const char *f,
		    unsigned arity)
{
	struct scope_pattern p;

	assert_int_equal(scope_pattern_parse(pattern, &p), 0);
	return scope_pattern_matches(&p, m, strlen(m), f, strlen(f), arity);
}

static bool is_exact(const char *pattern)
{
	struct scope_pattern p;

	assert_int_equal(scope_pattern_parse(pattern, &p), 0);
	return p.is_exact;
}

static void plain_text_is_one_function(void **state)
{
	(void)state;
	assert_true(is_exact("lists:map/2"));
	assert_true(matches("lists:map/2", "lists", "map", 2));
	assert_false(matches("lists:map/2", "lists", "map", 3));
	assert_false(matches("lists:map/2", "lists", "mapx", 2));
	assert_false(matches("lists:map/2", "list", "map", 2));
	assert_true(matches("Elixir.Shop.Cart:handle_call/3",
			    "Elixir.Shop.Cart", "handle_call", 3));
	assert_true(matches("shop:-buy/2-fun-0-/1", "shop", "-buy/2-fun-0-",
			    1));
	assert_true(matches("erlang:'/'/2", "erlang", "/", 2));
	assert_true(matches("erlang:///2", "erlang", "//", 2));
	assert_false(is_exact("lists:map"));
	assert_true(matches("lists:map", "lists", "map", 0));
	assert_true(matches("lists:map", "lists", "map", 255));
	assert_true(matches("lists:map/*", "lists", "map", 255));
}

static void wildcards_stand_for_anything(void **state)
{
	(void)state;
	assert_false(is_exact("lists:*/2"));
	assert_true(matches("*:*", "", "", 0));
	assert_true(matches("l*s:m?p/2", "lists", "map", 2));
	assert_false(matches("l*s:m?p/2", "lists", "mp", 2));
	assert_true(matches("*a*b*c:f", "xxaxxbxxbxxc", "f", 0));
	assert_false(matches("*a*b*c:f", "xxaxxbxxbxxcd", "f", 0));
	assert_true(matches("**:f*", "m", "f", 0));
	/* A quoted one is a character. */
	assert_true(is_exact("erlang:'*'/2"));
	assert_true(matches("erlang:'*'/2", "erlang", "*", 2));
	assert_false(matches("erlang:'*'/2", "erlang", "+", 2));
	assert_true(matches("'Elixir.*':'f'/1", "Elixir.*", "f", 1));
	assert_false(matches("'Elixir.*':'f'/1", "Elixir.A", "f", 1));
}

static void other_text_is_refused(void **state)
{
	static const char *const bad[] = {
		"", ":", "m", "m:", ":f", "m:/2", "'':f/1", "'m:f/1", "'m'f/1",
		"m:''/1", "m:'f/1", "m:'f'x/1", "m:f/256", "m/1",
	};
	struct scope_pattern p;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (scope_pattern_parse(bad[i], &p) == 0)
			fail_msg("taken: %s", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_text_is_one_function),
		cmocka_unit_test(wildcards_stand_for_anything),
		cmocka_unit_test(other_text_is_refused),
	};

	return cmocka_run_group_tests_name("pattern", tests, NULL, NULL);
}
