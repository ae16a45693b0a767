/* SPDX-License-Identifier: MIT */
/* What the JIT's code does with the Erlang stack before it calls a C function. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "beam/layout.h"
#include "target/callsite.h"

#if defined(__x86_64__)

#define ADDR 0x7f0000001000ull
#define KEEP 0x48, 0x89, 0xe5		 /* mov rbp, rsp */
#define STORE 0x49, 0x89, 0x65, 0x58	 /* mov [r13+0x58], rsp */
#define STORE_BOTH 0x41, 0x0f, 0x11, 0x45, 0x50 /* movups [r13+0x50], xmm0 */
#define STORE_OTHER 0x49, 0x89, 0x65, 0x60	/* mov [r13+0x60], rsp */
#define SWITCH 0x48, 0x8d, 0x63, 0x80	 /* lea rsp, [rbx-0x80] */
#define CALL 0xff, 0xd0			 /* call rax */

static void is(enum scope_callsite want, const uint8_t *code, size_t len)
{
	assert_int_equal(scope_callsite_of(scope_layout_of(27), code, len, ADDR),
			 want);
}

#define IS(want, ...)                                                          \
	do {                                                                   \
		static const uint8_t code[] = { __VA_ARGS__ };                 \
		is(want, code, sizeof(code));                                  \
	} while (0)

static void stores_and_registers(void **state)
{
	(void)state;
	IS(SCOPE_CALLSITE_KEEPS, KEEP, SWITCH, CALL);
	IS(SCOPE_CALLSITE_PUBLISHES, STORE, SWITCH, CALL);
	IS(SCOPE_CALLSITE_PUBLISHES, STORE_BOTH, SWITCH, CALL);
	IS(SCOPE_CALLSITE_UNKNOWN, STORE_OTHER, SWITCH, CALL);
	IS(SCOPE_CALLSITE_UNKNOWN, SWITCH, CALL);
	/* The last one counts, and what was before another call does not. */
	IS(SCOPE_CALLSITE_KEEPS, STORE, CALL, KEEP, SWITCH, CALL);
	IS(SCOPE_CALLSITE_UNKNOWN, STORE, CALL, SWITCH, CALL);
}

static void what_is_no_code_tells_nothing(void **state)
{
	(void)state;
	is(SCOPE_CALLSITE_UNKNOWN, NULL, 0);
	/* It ends in the middle of an instruction. */
	IS(SCOPE_CALLSITE_UNKNOWN, KEEP, 0x48);
	IS(SCOPE_CALLSITE_UNKNOWN, KEEP, 0x06, 0x07);
}

#else

static void stores_and_registers(void **state)
{
	(void)state;
}
#define what_is_no_code_tells_nothing stores_and_registers

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stores_and_registers),
		cmocka_unit_test(what_is_no_code_tells_nothing),
	};

	return cmocka_run_group_tests_name("callsite", tests, NULL, NULL);
}
