/* SPDX-License-Identifier: MIT */
/* Conditions on arguments: what they mean, and which of them the kernel side can
 * test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fake_vm.h"
#include "pipeline/where.h"

static struct fake f;

static int setup(void **state)
{
	(void)state;
	return fake_init(&f, 27);
}

static int teardown(void **state)
{
	(void)state;
	scope_vm_done(&f.vm);
	return 0;
}

static struct scope_where *parsed(const char *text)
{
	struct scope_where *w = NULL;
	struct scope_err err = { 0 };

	if (scope_where_parse(text, &w, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	return w;
}

static bool holds(const char *text, const uint64_t *args, unsigned n)
{
	scope_auto(scope_where) w = parsed(text);

	return scope_where_holds(w, &f.vm, fake_image(&f), args, n);
}

static bool holds_of(const char *text, uint64_t arg)
{
	return holds(text, &arg, 1);
}

static void equal_is_the_same_term(void **state)
{
	uint64_t foo = fake_atom(&f, "foo"), odd = fake_atom(&f, "an atom");
	uint64_t shop = fake_atom(&f, "Elixir.Shop.Cart");
	uint64_t pair[2] = { foo, fake_int(1) };
	uint64_t tuple = fake_tuple(&f, pair, 2);
	uint64_t bin = fake_bin(&f, "text", 4), str = fake_string(&f, "text");

	(void)state;
	assert_true(holds_of("arg1 == foo", foo));
	assert_false(holds_of("arg1 == bar", foo));
	assert_true(holds_of("arg1 != bar", foo));
	assert_true(holds_of("arg1 == :foo", foo));
	assert_true(holds_of("arg1 == 'an atom'", odd));
	assert_true(holds_of("arg1 == :\"an atom\"", odd));
	assert_true(holds_of("arg1 == Shop.Cart", shop));
	assert_true(holds_of("arg1 == 'Elixir.Shop.Cart'", shop));
	assert_true(holds_of("arg1 == Elixir.Shop.Cart", shop));
	assert_true(holds_of("arg1 == 10", fake_int(10)));
	assert_true(holds_of("arg1 == -10", fake_int(-10)));
	assert_false(holds_of("arg1 == 10", fake_int(11)));
	assert_false(holds_of("arg1 == 1.0", fake_int(1)));
	assert_true(holds_of("arg1 == 1.5", fake_float(&f, 1.5)));
	assert_true(holds_of("arg1 == { foo , 1 }", tuple));
	assert_false(holds_of("arg1 == {foo,2}", tuple));
	assert_true(holds_of("arg1 =:= {foo,1}", tuple));
	assert_true(holds_of("arg1 =/= {foo,2}", tuple));
	assert_true(holds_of("arg1 == \"text\"", bin));
	assert_true(holds_of("arg1 == \"text\"", str));
	assert_true(holds_of("arg1 == <<\"text\">>", bin));
	assert_false(holds_of("arg1 == <<\"text\">>", str));
	assert_true(holds_of("arg1 == []", FAKE_NIL));
	assert_false(holds_of("arg1 == []", foo));
	assert_true(holds_of("arg1~\"oo,\"", tuple));
	assert_false(holds_of("arg1 ~ \"bar\"", tuple));
}

static void order_is_of_numbers(void **state)
{
	uint64_t foo = fake_atom(&f, "foo"), half = fake_float(&f, 10.5);
	uint64_t digits = 1ull << 60;
	uint64_t big = fake_thing(&f, f.l->sub.pos_big, &digits, 1);
	uint64_t neg = fake_thing(&f, f.l->sub.neg_big, &digits, 1);

	(void)state;
	assert_true(holds_of("arg1 > 10", fake_int(11)));
	assert_false(holds_of("arg1 > 10", fake_int(10)));
	assert_true(holds_of("arg1 >= 10", fake_int(10)));
	assert_true(holds_of("arg1 < -1", fake_int(-2)));
	assert_true(holds_of("arg1 <= -1 and arg1 =< -1", fake_int(-1)));
	assert_true(holds_of("arg1 > 10", half));
	assert_false(holds_of("arg1 > 11", half));
	assert_true(holds_of("arg1 < 10.75", half));
	assert_true(holds_of("arg1 > 10.25", fake_int(11)));
	assert_true(holds_of("arg1 > 10", big));
	assert_false(holds_of("arg1 > 10", neg));
	assert_true(holds_of("arg1 < 10", neg));
	assert_true(holds_of("arg1 == 1152921504606846976", big));
	assert_false(holds_of("arg1 > 10", foo));
	assert_false(holds_of("arg1 < 10", foo));
	assert_false(holds_of("arg1 < 10", FAKE_NIL));
}

static void joints_bind_as_they_should(void **state)
{
	uint64_t args[3] = { fake_int(1), fake_int(2), fake_int(3) };

	(void)state;
	assert_true(holds("arg1 == 1 or arg1 == 2 and arg2 == 9", args, 3));
	assert_false(holds("(arg1 == 1 or arg1 == 2) and arg2 == 9", args, 3));
	assert_true(holds("not arg1 == 2 and arg3 == 3", args, 3));
	assert_false(holds("not (arg1 == 1 && arg3 == 3)", args, 3));
	assert_true(holds("!(arg1==2)||arg3==4", args, 3));
	assert_true(holds("not not arg1 == 1", args, 3));
	/* One that is not there is equal to nothing. */
	assert_false(holds("arg4 == 1", args, 3));
}

/* What is not in the image: a cut term. */
static void doubt_holds(void **state)
{
	uint64_t gone = 0x7fff00000000ull | SCOPE_TAG_BOXED;
	uint64_t args[2] = { gone, fake_int(1) };

	(void)state;
	assert_true(holds("arg1 == {a}", args, 2));
	assert_true(holds("arg1 != {a}", args, 2));
	assert_true(holds("arg1 > 5", args, 2));
	assert_true(holds("not arg1 > 5", args, 2));
	assert_true(holds("arg1 ~ \"x\"", args, 2));
	assert_false(holds("arg1 == {a} and arg2 == 2", args, 2));
	assert_true(holds("arg1 == {a} or arg2 == 2", args, 2));
	/* Whatever it is, it is no atom. */
	assert_false(holds("arg1 == a", args, 2));
}

static void other_text_is_refused(void **state)
{
	static const char *const bad[] = {
		"", " ", "arg1", "arg1 ==", "arg == 1", "arg0 == 1",
		"arg256 == 1", "arg1x == 1", "foo == 1", "arg1 = 1",
		"arg1 == 1 and", "arg1 == 1 arg2 == 2", "(arg1 == 1",
		"arg1 == 1)", "arg1 == \"x", "arg1 == {x", "arg1 < foo",
		"arg1 > \"x\"", "arg1 ~ foo", "arg1 ~ 5", "not", "arg1 == 12a",
		"arg1 == #x", "arg1 == 'x", "arg1 == -", "arg1 == ,",
	};
	char deep[400] = { 0 }, many[4000] = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct scope_where *w = NULL;
		struct scope_err err = { 0 };

		if (scope_where_parse(bad[i], &w, &err) != -EINVAL || w ||
		    !*err.text)
			fail_msg("taken: %s", bad[i]);
	}
	memset(deep, '(', 300);
	for (int i = 0; i < 100; i++)
		strcat(many, i ? " and arg1 == 1" : "arg1 == 1");
	for (int i = 0; i < 2; i++) {
		struct scope_where *w = NULL;

		assert_int_equal(scope_where_parse(i ? many : deep, &w, NULL),
				 -EINVAL);
	}
}

static void simple_ones_are_tested_in_the_kernel(void **state)
{
	struct scope_break_test t[SCOPE_BREAK_TESTS];
	uint64_t foo = fake_atom(&f, "foo");
	scope_auto(scope_where) all =
		parsed("arg1 == foo and (arg2 > 10 and arg3 != -1) and arg4 == []");
	scope_auto(scope_where) some =
		parsed("arg1 == foo and (arg2 == 1 or arg2 == 2) and arg2 ~ \"1\"");
	scope_auto(scope_where) late = parsed("arg1 == not_made_yet");
	bool whole;

	(void)state;
	assert_int_equal(scope_where_args(all), 4);
	assert_int_equal(scope_where_tests(all, &f.vm, t, &whole), 4);
	assert_true(whole);
	assert_int_equal(t[0].word, foo);
	assert_int_equal(t[0].arg, 0);
	assert_int_equal(t[0].op, SCOPE_BREAK_EQ);
	assert_int_equal(t[1].word, fake_int(10));
	assert_int_equal(t[1].arg, 1);
	assert_int_equal(t[1].op, SCOPE_BREAK_GT);
	assert_int_equal(t[2].word, fake_int(-1));
	assert_int_equal(t[2].op, SCOPE_BREAK_NE);
	assert_int_equal(t[3].word, FAKE_NIL);
	assert_int_equal(scope_where_tests(some, &f.vm, t, &whole), 1);
	assert_false(whole);
	/* Its number is not known, so it can't be compared there. */
	assert_int_equal(scope_where_tests(late, &f.vm, t, &whole), 0);
	assert_false(whole);
	assert_true(holds_of("arg1 == not_made_yet",
			     fake_atom(&f, "not_made_yet")));
}

static void more_than_there_is_room_for_are_tested_here(void **state)
{
	struct scope_break_test t[SCOPE_BREAK_TESTS];
	char text[400] = "arg1 > 0";
	bool whole;

	(void)state;
	for (int i = 0; i < SCOPE_BREAK_TESTS; i++)
		strcat(text, " and arg1 > 0");
	{
		scope_auto(scope_where) w = parsed(text);

		assert_int_equal(scope_where_tests(w, &f.vm, t, &whole),
				 SCOPE_BREAK_TESTS);
		assert_false(whole);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(equal_is_the_same_term, setup,
						teardown),
		cmocka_unit_test_setup_teardown(order_is_of_numbers, setup,
						teardown),
		cmocka_unit_test_setup_teardown(joints_bind_as_they_should,
						setup, teardown),
		cmocka_unit_test_setup_teardown(doubt_holds, setup, teardown),
		cmocka_unit_test(other_text_is_refused),
		cmocka_unit_test_setup_teardown(
			simple_ones_are_tested_in_the_kernel, setup, teardown),
		cmocka_unit_test_setup_teardown(
			more_than_there_is_room_for_are_tested_here, setup,
			teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
