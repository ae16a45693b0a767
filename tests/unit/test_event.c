/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "wire/event.h"

#define BIT(k) SCOPE_KIND_BIT(SCOPE_KIND_##k)

static scope_kindset parsed(const char *list)
{
	scope_kindset set = 0;
	const char *bad;
	size_t len;

	assert_int_equal(scope_kinds_parse(list, &set, &bad, &len), 0);
	return set;
}

/* What a stream says of itself is in every choice. */
static const scope_kindset own = BIT(NODE_ATTACH) | BIT(NODE_EXIT) | BIT(LOSS) |
				 BIT(SUMMARY) | BIT(BUDGET) | BIT(OVERFLOW);

static void kinds_and_groups(void **state)
{
	(void)state;
	assert_true(parsed("msg.send") == (BIT(MSG_SEND) | own));
	assert_true(parsed("msg") ==
		    (BIT(MSG_SEND) | BIT(MSG_RECEIVE) | own));
	/* It costs more than a send does: only by its own name. */
	assert_true(parsed("msg.attempt") == (BIT(MSG_ATTEMPT) | own));
	assert_true(parsed("gc,-gc.start") ==
		    (BIT(GC_END) | BIT(HEAP_GROW) | own));
	assert_true(parsed("default") == scope_kinds_default());
	assert_true(parsed("-gc") == (scope_kinds_default() & ~BIT(GC_END)));
	assert_true(parsed("default,msg.receive") ==
		    (scope_kinds_default() | BIT(MSG_RECEIVE)));
	assert_true((parsed("all") & BIT(PROC_LINK)) != 0);
	assert_true((parsed("all") & 1) == 0);
}

static void default_set_is_the_contract(void **state)
{
	(void)state;
	assert_true(scope_kinds_default() ==
		    (BIT(PROC_SPAWN) | BIT(PROC_EXIT) | BIT(PROC_EXIT_SIGNAL) |
		     BIT(PROC_REGISTER) | BIT(PROC_UNREGISTER) |
		     BIT(MSG_SEND) | BIT(GC_END) | BIT(CODE_LOAD) |
		     BIT(CODE_UNLOAD) | BIT(PROC_INFO) | own));
}

static void bad_words_are_named(void **state)
{
	static const struct {
		const char *list, *bad;
	} cases[] = { { "", "" },
		      { "msg,", "" },
		      { "msg,nonsense,gc", "nonsense" },
		      { "-", "-" },
		      { "msg.sen", "msg.sen" },
		      { "Msg", "Msg" } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		scope_kindset set = 42;
		const char *bad = NULL;
		size_t len = 0;

		assert_int_equal(scope_kinds_parse(cases[i].list, &set, &bad,
						   &len),
				 -EINVAL);
		assert_int_equal(len, strlen(cases[i].bad));
		assert_memory_equal(bad, cases[i].bad, len);
		assert_true(set == 42);
	}
}

static void every_kind_and_field_is_described(void **state)
{
	(void)state;
	for (unsigned k = 0; k < SCOPE_KIND_MAX; k++) {
		const struct scope_kind_info *i = scope_kind_info(k);

		if (i->name) {
			assert_non_null(i->group);
			assert_true(i->says[0] != '\0');
		}
	}
	assert_null(scope_kind_info(SCOPE_KIND_MAX + 5)->name);
	for (unsigned f = 0; f < SCOPE_FIELD_MAX; f++) {
		assert_true(scope_field_info(f)->key[0] != '\0');
		assert_true(scope_field_info(f)->says[0] != '\0');
	}
}

static void fields_are_found_again(void **state)
{
	struct scope_event ev = { 0 };

	(void)state;
	scope_event_add_u(&ev, SCOPE_FIELD_COUNT, 7);
	scope_event_add_text(&ev, SCOPE_FIELD_OTP, "27", 2);
	assert_int_equal(scope_event_get(&ev, SCOPE_FIELD_COUNT)->u, 7);
	assert_int_equal(scope_event_get(&ev, SCOPE_FIELD_OTP)->len, 2);
	assert_null(scope_event_get(&ev, SCOPE_FIELD_CPU));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_and_groups),
		cmocka_unit_test(default_set_is_the_contract),
		cmocka_unit_test(bad_words_are_named),
		cmocka_unit_test(every_kind_and_field_is_described),
		cmocka_unit_test(fields_are_found_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
