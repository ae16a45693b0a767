/* SPDX-License-Identifier: MIT */
/* USDT notes and where they say that arguments are. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "target/stapsdt.h"

#define BASE 0x9000ull

static uint64_t address(void *arg, const char *name)
{
	(void)arg;
	return strcmp(name, "a_variable") ? 0 : 0x5000;
}

static const struct scope_usdt_resolver resolver = { address, NULL };

struct want {
	const char *text;
	struct scope_usdt_arg arg;
};

#define ARG(f, r, i, s, n, sh, v)                                              \
	{                                                                      \
		.flags = (f), .reg = (r), .index = (i), .scale = (s),          \
		.size = (n), .shift = (sh), .value = (uint64_t)(v)             \
	}
#define B SCOPE_USDT_BASE
#define I SCOPE_USDT_INDEX
#define D SCOPE_USDT_DEREF
#define S SCOPE_USDT_SIGNED

static const struct want x86[] = {
	{ "8@%rax", ARG(B, SCOPE_USDT_AX, 0, 0, 8, 0, 0) },
	{ "-4@%ebx", ARG(B | S, SCOPE_USDT_BX, 0, 0, 4, 0, 0) },
	{ "2@%cx", ARG(B, SCOPE_USDT_CX, 0, 0, 2, 0, 0) },
	{ "1@%al", ARG(B, SCOPE_USDT_AX, 0, 0, 1, 0, 0) },
	{ "1@%dh", ARG(B, SCOPE_USDT_DX, 0, 0, 1, 8, 0) },
	{ "1@%sil", ARG(B, SCOPE_USDT_SI, 0, 0, 1, 0, 0) },
	{ "1@%bpl", ARG(B, SCOPE_USDT_BP, 0, 0, 1, 0, 0) },
	{ "4@%edi", ARG(B, SCOPE_USDT_DI, 0, 0, 4, 0, 0) },
	{ "8@%r8", ARG(B, SCOPE_USDT_R8, 0, 0, 8, 0, 0) },
	{ "4@%r10d", ARG(B, SCOPE_USDT_R10, 0, 0, 4, 0, 0) },
	{ "2@%r9w", ARG(B, SCOPE_USDT_R9, 0, 0, 2, 0, 0) },
	{ "1@%r15b", ARG(B, SCOPE_USDT_R15, 0, 0, 1, 0, 0) },
	{ "-4@$5", ARG(S, 0, 0, 0, 4, 0, 5) },
	{ "-8@$-7", ARG(S, 0, 0, 0, 8, 0, -7) },
	{ "8@$0xff", ARG(0, 0, 0, 0, 8, 0, 255) },
	{ "8@(%rax)", ARG(B | D, SCOPE_USDT_AX, 0, 0, 8, 0, 0) },
	{ "-2@-34(%rbp)", ARG(B | D | S, SCOPE_USDT_BP, 0, 0, 2, 0, -34) },
	{ "8@472(%r12)", ARG(B | D, SCOPE_USDT_R12, 0, 0, 8, 0, 472) },
	{ "8@16(%rsp)", ARG(B | D, SCOPE_USDT_SP, 0, 0, 8, 0, 16) },
	{ "8@8(%rax,%rbx,8)",
	  ARG(B | I | D, SCOPE_USDT_AX, SCOPE_USDT_BX, 3, 8, 0, 8) },
	{ "8@(%rax,%rbx)",
	  ARG(B | I | D, SCOPE_USDT_AX, SCOPE_USDT_BX, 0, 8, 0, 0) },
	{ "4@64(,%r14,4)", ARG(I | D, 0, SCOPE_USDT_R14, 2, 4, 0, 64) },
	{ "8@a_variable(%rip)", ARG(D, 0, 0, 0, 8, 0, 0x5000) },
	{ "8@a_variable+16(%rip)", ARG(D, 0, 0, 0, 8, 0, 0x5010) },
};

static const struct want arm64[] = {
	{ "8@x0", ARG(B, 0, 0, 0, 8, 0, 0) },
	{ "-4@w19", ARG(B | S, 19, 0, 0, 4, 0, 0) },
	{ "4@x1", ARG(B, 1, 0, 0, 4, 0, 0) },
	{ "8@xzr", ARG(0, 0, 0, 0, 8, 0, 0) },
	{ "4@5", ARG(0, 0, 0, 0, 4, 0, 5) },
	{ "-4@-1", ARG(S, 0, 0, 0, 4, 0, -1) },
	{ "8@[sp, 16]", ARG(B | D, SCOPE_USDT_ARM_SP, 0, 0, 8, 0, 16) },
	{ "8@[x29, -8]", ARG(B | D, 29, 0, 0, 8, 0, -8) },
	{ "8@[x3]", ARG(B | D, 3, 0, 0, 8, 0, 0) },
	{ "8@[x3,x4]", ARG(B | I | D, 3, 4, 0, 8, 0, 0) },
	{ "8@[x3, x4, lsl 3]", ARG(B | I | D, 3, 4, 3, 8, 0, 0) },
};

typedef int parse_fn(const char *text, const struct scope_usdt_resolver *r,
		     struct scope_usdt_arg *ret_args, size_t max,
		     size_t *ret_bad);

static void check(parse_fn *parse, const struct want *w, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct scope_usdt_arg a[2];
		char twice[128];
		size_t bad;

		memset(a, 0xee, sizeof(a));
		(void)snprintf(twice, sizeof(twice), " %s  %s ", w[i].text,
			       w[i].text);
		assert_int_equal(parse(twice, &resolver, a, 2, &bad), 2);
		assert_memory_equal(&a[0], &w[i].arg, sizeof(a[0]));
		assert_memory_equal(&a[1], &w[i].arg, sizeof(a[0]));
	}
}

static void every_form_is_understood(void **state)
{
	(void)state;
	check(scope_usdt_args_x86, x86, sizeof(x86) / sizeof(*x86));
	check(scope_usdt_args_arm64, arm64, sizeof(arm64) / sizeof(*arm64));
}

static void others_are_refused(void **state)
{
	static const char *const bad_x86[] = {
		"8", "8@", "%rax", "3@%rax", "16@%rax", "8@%", "8@%rxx",
		"8@%r16", "8@%r7", "8@%r08", "8@%r8x", "8@%xmm0", "8@%rip",
		"8@%fs:8", "8@$", "8@$x", "8@(%rax", "8@(%eax)", "8@()",
		"8@(%rax,)", "8@(%rax,%rsp)", "8@(%rax,%rbx,3)",
		"8@(%rax,%rbx,16)", "8@8(%rip)", "8@nothing(%rip)",
		"8@a_variable", "8@a_variable(%rax)", "8f@%rax",
		"4@%ah", "8@$99999999999999999999", "8@%rax,8@%rbx", "@%rax",
		"--8@%rax", "8@-(%rax)",
	};
	static const char *const bad_arm[] = {
		"8@x31", "8@x00", "8@y1", "8@[w1]", "8@[x1", "8@[x1, ]",
		"8@[xzr]", "8@[x1, x2, lsl 4]", "8@[x1, x2, asr 2]", "8@d0",
		"8@spx", "8@x1y",
	};
	struct scope_usdt_arg a[4];
	size_t bad = 9;

	(void)state;
	for (size_t i = 0; i < sizeof(bad_x86) / sizeof(*bad_x86); i++)
		if (scope_usdt_args_x86(bad_x86[i], &resolver, a, 4, &bad) !=
		    -EBADMSG)
			fail_msg("%s is taken", bad_x86[i]);
	for (size_t i = 0; i < sizeof(bad_arm) / sizeof(*bad_arm); i++)
		if (scope_usdt_args_arm64(bad_arm[i], &resolver, a, 4, &bad) !=
		    -EBADMSG)
			fail_msg("%s is taken", bad_arm[i]);
	/* Which one it is. */
	assert_int_equal(scope_usdt_args_x86("8@%rax 8@$1 8@%zz", NULL, a, 4,
					     &bad),
			 -EBADMSG);
	assert_int_equal(bad, 2);
	/* More than there is room for are counted. */
	assert_int_equal(scope_usdt_args_x86("8@%rax 8@$1 8@$2", NULL, a, 1,
					     &bad),
			 3);
	assert_int_equal(scope_usdt_args_x86("", NULL, a, 4, &bad), 0);
}

/* -- notes -------------------------------------------------------------------- */

static uint8_t notes[512];
static size_t len;

static void word(uint64_t v, size_t n)
{
	memcpy(notes + len, &v, n);
	len += n;
}

static void pad(void)
{
	while (len % 4)
		notes[len++] = 0;
}

static void note(const char *owner, uint32_t type, uint64_t pc,
		 uint64_t semaphore, const char *texts, size_t ntexts)
{
	word(strlen(owner) + 1, 4);
	word(24 + ntexts, 4);
	word(type, 4);
	memcpy(notes + len, owner, strlen(owner) + 1);
	len += strlen(owner) + 1;
	pad();
	word(pc, 8);
	word(BASE, 8);
	word(semaphore, 8);
	memcpy(notes + len, texts, ntexts);
	len += ntexts;
	pad();
}
#define TEXTS(s) s, sizeof(s)

static struct scope_stapsdt seen[4];
static size_t nseen;

static int see(void *arg, const struct scope_stapsdt *p)
{
	(void)arg;
	seen[nseen++] = *p;
	return nseen == 4 ? 7 : 0;
}

static int look(uint64_t base)
{
	nseen = 0;
	return scope_stapsdt_each(notes, len, base, see, NULL);
}

static int no_notes(void **state)
{
	(void)state;
	len = 0;
	return 0;
}

static void notes_are_read(void **state)
{
	(void)state;
	note("stapsdt", 3, 0x1000, 0x8000, TEXTS("erlang\0one\0008@%rax"));
	note("GNU", 3, 1, 1, TEXTS("x\0y\0z"));
	note("stapsdt", 4, 1, 1, TEXTS("x\0y\0z"));
	note("stapsdt", 3, 0x2000, 0, TEXTS("erlang\0two\0"));
	assert_int_equal(look(BASE), 0);
	assert_int_equal(nseen, 2);
	assert_string_equal(seen[0].provider, "erlang");
	assert_string_equal(seen[0].name, "one");
	assert_string_equal(seen[0].args, "8@%rax");
	assert_int_equal(seen[0].pc, 0x1000);
	assert_int_equal(seen[0].semaphore, 0x8000);
	assert_string_equal(seen[1].name, "two");
	assert_string_equal(seen[1].args, "");
	/* Moved after it was linked: all but a semaphore that is none. */
	assert_int_equal(look(BASE + 0x100), 0);
	assert_int_equal(seen[0].pc, 0x1100);
	assert_int_equal(seen[0].semaphore, 0x8100);
	assert_int_equal(seen[1].semaphore, 0);
	/* Without that section they stand as they are. */
	assert_int_equal(look(0), 0);
	assert_int_equal(seen[0].pc, 0x1000);
	/* What is asked to stop stops. */
	note("stapsdt", 3, 0x1000, 0, TEXTS("a\0b\0"));
	note("stapsdt", 3, 0x1000, 0, TEXTS("a\0b\0"));
	note("stapsdt", 3, 0x1000, 0, TEXTS("a\0b\0"));
	assert_int_equal(look(BASE), 7);
	assert_int_equal(nseen, 4);
}

static void broken_notes_are_refused_whole(void **state)
{
	static const struct {
		const char *texts;
		size_t n;
	} broken[] = {
		{ TEXTS("erlang\0one") },	/* no third text */
		{ "erlang\0one\0008@%rax", 16 }, /* it does not end */
		{ TEXTS("\0one\0") },
		{ TEXTS("erlang\0\0") },
		{ "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
		len = 0;
		note("stapsdt", 3, 0x1000, 0, TEXTS("erlang\0one\0"));
		note("stapsdt", 3, 0x1000, 0, broken[i].texts, broken[i].n);
		assert_int_equal(look(BASE), -EBADMSG);
		assert_int_equal(nseen, 0);
	}
	len = 0;
	note("stapsdt", 3, 0, 0, TEXTS("erlang\0one\0"));
	assert_int_equal(look(BASE), -EBADMSG);
	/* Cut anywhere but in its padding. */
	len = 0;
	note("stapsdt", 3, 0x1000, 0, TEXTS("erlang\0one\0"));
	for (size_t all = len, n = 1; n < all; n++) {
		len = n;
		assert_int_equal(look(BASE), -EBADMSG);
	}
	/* Sizes that lead beyond. */
	len = 0;
	word(8, 4);
	word(0xffffffff, 4);
	word(3, 4);
	assert_int_equal(look(BASE), -EBADMSG);
	len = 0;
	assert_int_equal(look(BASE), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_is_understood),
		cmocka_unit_test(others_are_refused),
		cmocka_unit_test_setup(notes_are_read, no_notes),
		cmocka_unit_test_setup(broken_notes_are_refused_whole, no_notes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
