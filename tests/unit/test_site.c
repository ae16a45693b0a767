/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "probe/site.h"

#if defined(__x86_64__)

#define AT 0x1000
/* Hexadecimal text is easier on the eye than arrays. */
static size_t code_of(const char *hex, uint8_t *code)
{
	size_t n = 0;

	for (; *hex; hex += 2) {
		unsigned v = 0;

		if (*hex == ' ') {
			hex--;
			continue;
		}
		for (int k = 0; k < 2; k++)
			v = v << 4 | (unsigned)(hex[k] <= '9' ?
							hex[k] - '0' :
							hex[k] - 'a' + 10);
		code[n++] = (uint8_t)v;
	}
	return n;
}

static struct scope_site_pick pick(const char *hex, unsigned nargs)
{
	struct scope_site_pick p = { .offset = 99 };
	uint8_t code[256];
	size_t n = code_of(hex, code);

	assert_int_equal(scope_site_pick(code, n, AT, nargs, &p), 0);
	return p;
}

static void expect(const char *hex, unsigned nargs, unsigned offset,
		   bool emulated)
{
	struct scope_site_pick p = pick(hex, nargs);

	if (p.offset != offset || p.emulated != emulated)
		fail_msg("%s with %u arguments: +%u %s (%s)", hex, nargs,
			 p.offset, p.emulated ? "emulated" : "stepped", p.insn);
}

static void emulated_entries_are_taken(void **state)
{
	(void)state;
	expect("55 c3", 6, 0, true);		 /* push rbp */
	expect("4157 c3", 6, 0, true);		 /* push r15 */
	expect("90 c3", 6, 0, true);		 /* nop */
	expect("6690 c3", 6, 0, true);		 /* 2-byte nop */
	expect("0f1f440000 c3", 6, 0, true);	 /* 5-byte nop */
	expect("660f1f440000 c3", 6, 0, true);	 /* 6-byte nop */
	expect("e800000000 c3", 6, 0, true);	 /* call */
	expect("e900000000 c3", 6, 0, true);	 /* jmp */
	expect("eb00 c3", 6, 0, true);		 /* jmp short */
	expect("7400 c3", 6, 0, true);		 /* je short */
	expect("0f8400000000 c3", 6, 0, true);	 /* je */
}

static void others_are_stepped(void **state)
{
	(void)state;
	expect("c3", 6, 0, false);		 /* ret */
	expect("4883ec08 c3", 6, 0, false);	 /* sub rsp, 8; ret */
	expect("f30f1efa c3", 6, 0, false);	 /* endbr64; ret */
	expect("4190 c3", 6, 0, false);		 /* xchg r8d, eax */
	expect("ff25 00000000 c3", 6, 0, false); /* jmp [rip] */
	/* A 16-bit call; with 32 bits on some processors, so to capstone 5. */
	expect("66e80000 0000 c3", 6, 0, false);
	expect("e300 c3", 6, 0, false);		 /* jrcxz */
	expect("ff30 c3", 6, 0, false);		 /* push [rax] */
	expect("6a01 c3", 6, 0, false);		 /* push 1 */
	assert_string_equal(pick("c3", 0).insn, "ret");
	assert_string_equal(pick("4157 c3", 0).insn, "push r15");
}

static void the_way_goes_on_past_what_harms_nothing(void **state)
{
	(void)state;
	expect("f30f1efa 55 c3", 6, 4, true);	 /* endbr64; push rbp */
	/* OTP 25's erts_queue_proc_message: cmp rdi, rsi; je */
	expect("4839f7 7400 c3", 5, 3, true);
	/* mov r10, rsi; sub rsp, 8; mov rax, rsi; cmp; je */
	expect("4989f2 4883ec08 4889f0 4839ce 7400 c3", 6, 13, true);
	/* OTP 29's erts_proc_sig_send_altact_msg: endbr64; sub rsp; xor; test;
	 * and registers saved by mov, 16 times; jne */
	expect("f30f1efa 4881ecd8000000 31c0 4585c9"
	       "48899c24a8000000 48899c24a8000000 48899c24a8000000"
	       "48899c24a8000000 48899c24a8000000 48899c24a8000000"
	       "48899c24a8000000 48899c24a8000000 48899c24a8000000"
	       "48899c24a8000000 48899c24a8000000 48899c24a8000000"
	       "4883fb03 0f85cd030000 c3", 6, 116, true);
	/* A store through an argument leaves the register as it is. */
	expect("48894a10 55 c3", 6, 4, true);
}

static void returns_are_followed_from_where_the_stack_is_as_it_was(void **state)
{
	static const struct {
		const char *hex;
		unsigned offset;
		bool emulated;
	} of[] = {
		{ "55 c3", 0, true },		   /* push rbp */
		{ "4883ec08 55 c3", 0, false },	   /* sub rsp, 8; push rbp */
		{ "4889f0 55 c3", 0, false },	   /* mov rax, rsi */
		{ "f30f1efa 55 c3", 4, true },	   /* endbr64; push rbp */
		{ "f30f1efa 4883ec08 c3", 4, false },
		{ "f30f1efa 55 5d ebfc c3", 0, false }, /* jmp to the push */
		{ "f30f1efb 55 c3", 0, false },	   /* endbr32 */
		{ "f30f1efa", 0, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(of) / sizeof(*of); i++) {
		uint8_t code[256];
		size_t n = code_of(of[i].hex, code);
		struct scope_site_pick p;

		assert_int_equal(scope_site_pick_return(code, n, AT, &p), 0);
		assert_int_equal(p.offset, of[i].offset);
		assert_int_equal(p.emulated, of[i].emulated);
	}
	assert_int_equal(scope_site_pick_return((const uint8_t *)"\x06", 1, AT,
						&(struct scope_site_pick){ 0 }),
			 -EINVAL);
}

static void an_argument_must_not_be_written_before(void **state)
{
	(void)state;
	expect("4889d1 55 c3", 6, 0, false); /* mov rcx, rdx; push */
	expect("4889d1 55 c3", 4, 0, false);
	expect("4889d1 55 c3", 3, 3, true);  /* rcx is the fourth */
	expect("31c9 55 c3", 4, 0, false);   /* xor ecx, ecx: in part */
	expect("b101 55 c3", 4, 0, false);   /* mov cl, 1 */
	expect("b501 55 c3", 4, 0, false);   /* mov ch, 1 */
	expect("40b701 55 c3", 1, 0, false); /* mov dil, 1 */
	expect("66be0100 55 c3", 2, 0, false); /* mov si, 1 */
	expect("4531c0 55 c3", 5, 0, false); /* xor r8d, r8d */
	expect("4531c9 55 c3", 6, 0, false); /* xor r9d, r9d */
	expect("4531c9 55 c3", 5, 3, true);
	expect("4887f2 55 c3", 2, 0, false); /* xchg rdx, rsi */
	expect("f7e1 55 c3", 3, 0, false);   /* mul ecx writes edx */
	expect("99 55 c3", 3, 0, false);     /* cdq writes edx */
	expect("aa 55 c3", 1, 0, false);     /* stosb moves rdi */
	expect("f3a4 55 c3", 4, 0, false);   /* rep movsb */
	expect("5f 55 c3", 1, 0, false);     /* pop rdi */
}

static void nothing_is_taken_behind_a_way_out(void **state)
{
	(void)state;
	expect("4889c8 c3 55", 2, 0, false);	 /* ret */
	expect("4889c8 ffe0 55", 2, 0, false);	 /* jmp rax */
	expect("4889c8 ff10 55", 2, 0, false);	 /* call [rax] */
	expect("4889c8 e300 55", 2, 0, false);	 /* jrcxz */
	expect("4889c8 0f0b 55", 2, 0, false);	 /* ud2: no way on */
}

/* mov rax, rdi; push rbx; jmp back to the push: hit once a round. */
static void a_loop_is_not_taken(void **state)
{
	(void)state;
	expect("4889f8 53 ebfd", 2, 0, false);
	expect("4889f8 53 ebfa", 2, 3, true); /* to the entry: a new round */
}

static void what_cannot_be_decoded_is_refused(void **state)
{
	struct scope_site_pick p = { .offset = 7 };

	(void)state;
	assert_int_equal(scope_site_pick((const uint8_t *)"\x06", 1, AT, 2, &p),
			 -EINVAL);
	assert_int_equal(scope_site_pick((const uint8_t *)"", 0, AT, 2, &p),
			 -EINVAL);
	assert_int_equal(p.offset, 7);
}

static uint64_t tail(const char *hex)
{
	uint8_t code[256];
	size_t n = code_of(hex, code);

	return scope_site_tail(code, n, AT);
}

static void a_tail_is_the_only_way_out(void **state)
{
	(void)state;
	assert_int_equal(tail("4889c8 e9f8ff0000"), AT + 8 + 0xfff8);
	/* Two jumps to one place, one of them conditional. */
	assert_int_equal(tail("0f84 fa000000 e9 f5000000"), AT + 0x100);
	/* To two places. */
	assert_int_equal(tail("0f84 fa000000 e9 f6000000"), 0);
	/* A ret on another path. */
	assert_int_equal(tail("7405 e9 f9000000 c3"), 0);
	/* Jumps inside of the function are no way out. */
	assert_int_equal(tail("7400 e9 f9000000"), AT + 0x100);
	assert_int_equal(tail("ffe0"), 0);
	assert_int_equal(tail("90"), 0);
	/* What follows is not known. */
	assert_int_equal(tail("e9 fb000000 06"), 0);
	assert_int_equal(scope_site_tail((const uint8_t *)"", 0, AT), 0);
}

static void the_first_direct_call_is_found(void **state)
{
	uint8_t code[64];
	size_t n = code_of("55 ff10 ffd0 e8 fb000000 e8 00000000 c3", code);

	(void)state;
	assert_int_equal(scope_site_first_call(code, n, AT),
			 AT + 5 + 5 + 0xfb);
	assert_int_equal(scope_site_first_call(code, 5, AT), 0);
	assert_int_equal(scope_site_first_call(code, 7, AT), 0);
}

static enum scope_insn first(const char *hex)
{
	uint8_t code[256];
	size_t n = code_of(hex, code);
	struct scope_site_pick pick;

	return scope_site_pick_return(code, n, 0, &pick) < 0 ? SCOPE_INSN_OTHER :
							       pick.what;
}

static void instructions_are_told_apart(void **state)
{
	(void)state;
	assert_int_equal(first("90"), SCOPE_INSN_NOP);
	assert_int_equal(first("0f1f440000"), SCOPE_INSN_NOP5);
	assert_int_equal(first("0f1f4000"), SCOPE_INSN_NOPL);
	assert_int_equal(first("6690"), SCOPE_INSN_NOPL);
	assert_int_equal(first("4157"), SCOPE_INSN_PUSH);
	assert_int_equal(first("eb00"), SCOPE_INSN_JMP);
	assert_int_equal(first("0f8400000000"), SCOPE_INSN_JCC);
	assert_int_equal(first("e800000000"), SCOPE_INSN_CALL);
	assert_int_equal(first("c3"), SCOPE_INSN_RET);
	assert_int_equal(first("f30f1efa"), SCOPE_INSN_ENDBR);
	assert_int_equal(first("488d442408"), SCOPE_INSN_LEA);
	assert_int_equal(first("4889e5"), SCOPE_INSN_MOV);
	assert_int_equal(first("488b07"), SCOPE_INSN_OTHER);
	assert_int_equal(first("4883ec08"), SCOPE_INSN_SUB);
	assert_int_equal(first("4885ff"), SCOPE_INSN_TEST);
	assert_int_equal(first("31c0"), SCOPE_INSN_OTHER);
	assert_int_equal(first(""), SCOPE_INSN_OTHER);
	assert_string_equal(scope_insn_name(SCOPE_INSN_ENDBR), "endbr64");
}

/* What the kernel was measured to emulate is what is looked for. */
static void sites_follow_what_was_measured(void **state)
{
	(void)state;
	expect("f30f1efa 55 c3", 6, 4, true);
	scope_site_learn_emulated(SCOPE_INSN_BIT(SCOPE_INSN_ENDBR) |
				  SCOPE_INSN_BIT(SCOPE_INSN_OTHER));
	expect("f30f1efa 55 c3", 6, 0, true);
	expect("55 c3", 6, 0, false);
	expect("31c0 55 c3", 6, 0, false);
	scope_site_learn_emulated(scope_site_emulated_default());
	expect("55 c3", 6, 0, true);
}

static bool through(const char *hex, struct scope_call *ret_call)
{
	uint8_t code[256];
	size_t n = code_of(hex, code);

	return scope_site_only_call_through(code, n, AT, 8, ret_call);
}

static void a_call_through_a_pointer_is_found_where_it_is_one(void **state)
{
	struct scope_call c;

	(void)state;
	/* call *8(%rax) among others: *(%rax), *16(%rax), *rax, *8(%rip),
	 * *8(%rax,%rcx,8), and a direct one */
	assert_true(through("ff10 ff5010 ffd0 ff1508000000 ff54c808 "
			    "e800000000 ff5008 90 c3", &c));
	assert_int_equal(c.at, 22);
	assert_int_equal(c.next, 25);
	assert_true(through("41ff542408 c3", &c)); /* *8(%r12) */
	assert_int_equal(c.at, 0);
	assert_int_equal(c.next, 5);
	assert_false(through("ff5008 ff5308 c3", &c)); /* and *8(%rbx) */
	assert_false(through("ff10 c3", &c));
	assert_false(through("ff6008 c3", &c)); /* jmp */
	assert_false(through("ff5008", &c)); /* it comes back to nowhere */
	assert_false(through("ff5008 06 c3", &c));
	assert_false(through("", &c));
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
#if defined(__x86_64__)
		cmocka_unit_test(emulated_entries_are_taken),
		cmocka_unit_test(instructions_are_told_apart),
		cmocka_unit_test(sites_follow_what_was_measured),
		cmocka_unit_test(others_are_stepped),
		cmocka_unit_test(the_way_goes_on_past_what_harms_nothing),
		cmocka_unit_test(
			returns_are_followed_from_where_the_stack_is_as_it_was),
		cmocka_unit_test(an_argument_must_not_be_written_before),
		cmocka_unit_test(nothing_is_taken_behind_a_way_out),
		cmocka_unit_test(a_loop_is_not_taken),
		cmocka_unit_test(what_cannot_be_decoded_is_refused),
		cmocka_unit_test(a_tail_is_the_only_way_out),
		cmocka_unit_test(the_first_direct_call_is_found),
		cmocka_unit_test(
			a_call_through_a_pointer_is_found_where_it_is_one),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
