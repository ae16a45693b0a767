/* SPDX-License-Identifier: MIT */
/* How the Erlang stack comes back after C code; bytes as the JIT of OTP 25 to 29
 * and gcc write them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "target/wayback.h"

#define STOP 0x58

#if defined(__x86_64__)

#define of(code) scope_wayback_of(code, sizeof(code), 0x1000, STOP)

static void the_way_back_is_seen(void **state)
{
	static const uint8_t stop[] = {
		0x49, 0x8b, 0x65, 0x58, /* mov rsp, [r13+0x58] */
		0xc3,
	};
	static const uint8_t bp[] = {
		0x48, 0x85, 0xc0, /* test rax, rax */
		0x48, 0x89, 0xec, /* mov rsp, rbp */
	};

	(void)state;
	assert_int_equal(of(stop), SCOPE_WAYBACK_STOP);
	assert_int_equal(of(bp), SCOPE_WAYBACK_BP);
}

/* Another field, another function's code, the next call, the end. */
static void nothing_is_guessed(void **state)
{
	static const uint8_t other[] = { 0x49, 0x8b, 0x65, 0x60, 0x48, 0x89,
					 0xec };
	static const uint8_t behind_jump[] = { 0xeb, 0x10, 0x48, 0x89, 0xec };
	static const uint8_t behind_ret[] = { 0xc3, 0x48, 0x89, 0xec };
	static const uint8_t next_call[] = {
		0x48, 0x8d, 0x63, 0x80, /* lea rsp, [rbx-0x80] */
		0x48, 0x89, 0xec,
	};
	static const uint8_t cut[] = { 0x48, 0x89 };

	(void)state;
	assert_int_equal(of(other), -ENOENT);
	assert_int_equal(of(behind_jump), -ENOENT);
	assert_int_equal(of(behind_ret), -ENOENT);
	assert_int_equal(of(next_call), -ENOENT);
	assert_int_equal(of(cut), -ENOENT);
	assert_int_equal(scope_wayback_of(cut, 0, 0, STOP), -ENOENT);
}

/* mov [r12+0x58], r13; mov [r12+0xe0], rbx */
#define SAVE                                                                   \
	0x4d, 0x89, 0x6c, 0x24, 0x58, 0x49, 0x89, 0x9c, 0x24, 0xe0, 0, 0, 0

static void an_interpreter_shows_its_registers(void **state)
{
	static const uint8_t code[] = {
		SAVE, SAVE, 0x06, /* no instruction */
		SAVE, SAVE, SAVE, SAVE,
		0x49, 0x89, 0x44, 0x24, 0x58, /* mov [r12+0x58], rax */
	};
	struct scope_interpreter_regs regs = { 0 };

	(void)state;
	assert_int_equal(scope_wayback_interpreter(code, sizeof(code), 0, STOP,
						    0xe0, &regs),
			 0);
	assert_int_equal(regs.process, 12);
	assert_int_equal(regs.stack, 13);
	assert_int_equal(regs.instruction, 3);
}

static void too_few_places_are_no_proof(void **state)
{
	static const uint8_t code[] = { SAVE, SAVE, SAVE };
	struct scope_interpreter_regs regs = { 1, 2, 3 };

	(void)state;
	assert_int_equal(scope_wayback_interpreter(code, sizeof(code), 0, STOP,
						    0xe0, &regs),
			 -ENOENT);
	assert_int_equal(regs.process, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_way_back_is_seen),
		cmocka_unit_test(nothing_is_guessed),
		cmocka_unit_test(an_interpreter_shows_its_registers),
		cmocka_unit_test(too_few_places_are_no_proof),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void there_is_none(void **state)
{
	(void)state;
	assert_int_equal(scope_wayback_of(NULL, 0, 0, STOP), -ENOTSUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(there_is_none) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
