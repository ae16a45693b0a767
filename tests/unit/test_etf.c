/* SPDX-License-Identifier: MIT */
/*
 * Terms in external format: what term_to_binary/1 of a node made of them, and
 * bytes that no node makes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "beam/etf.h"
#include "fake_vm.h"

static struct fake *f;
static struct scope_etf *e;
static struct scope_etf_in in;
static uint64_t table[3];
static uint8_t bytes[8192];

static int set_up(unsigned otp)
{
	f = calloc(1, sizeof(*f));
	e = calloc(1, sizeof(*e));
	if (!f || !e || fake_init(f, otp) < 0)
		return -1;
	in = (struct scope_etf_in){ .bytes = bytes };
	in.node = fake_atom(f, "a@b");
	in.creation = 0x12345678;
	table[0] = fake_atom(f, "cached");
	table[1] = in.node;
	table[2] = fake_atom(f, "c@d");
	in.atoms = table;
	in.natoms = 3;
	return 0;
}

#define SET_UP(otp)                                                            \
	static int set_up_##otp(void **state)                                  \
	{                                                                      \
		(void)state;                                                   \
		return set_up(otp);                                            \
	}
SET_UP(23)
SET_UP(25)
SET_UP(27)
SET_UP(29)

static int tear_down(void **state)
{
	(void)state;
	scope_vm_done(&f->vm);
	free(f);
	free(e);
	return 0;
}

/* "83 6a …": bytes in hexadecimal; returns how many. */
static size_t hex(const char *s, size_t at)
{
	unsigned v;
	int n;

	while (sscanf(s, " %2x%n", &v, &n) == 1) {
		assert_true(at < sizeof(bytes));
		bytes[at++] = (uint8_t)v;
		s += n;
	}
	return at;
}

static const char *print(uint64_t term)
{
	static char text[1 << 18];
	struct scope_buf b = scope_buf_of(text, sizeof(text));

	(void)scope_term_put(&f->vm, &e->image, term, SCOPE_SYNTAX_ERLANG, &b);
	assert_false(b.full);
	return scope_buf_str(&b);
}

static const char *decoded(size_t len, bool more)
{
	in.len = len;
	in.more = more;
	scope_etf_begin(e, &f->vm, &in);
	return print(scope_etf_next(e));
}

/* The whole of it says this, and is used up. */
static void says(const char *s, const char *text)
{
	size_t len = hex(s, 0);

	assert_string_equal(decoded(len, false), text);
	assert_false(e->is_torn);
	assert_int_equal(e->at, len);
	/* Wherever it ends too early, nothing else happens. */
	for (size_t n = 0; n < len; n++) {
		(void)decoded(n, true);
		assert_false(e->is_torn);
		(void)decoded(n, false);
	}
}

static void tears(const char *s)
{
	size_t len = hex(s, 0);

	(void)decoded(len, false);
	assert_true(e->is_torn);
	assert_int_equal(scope_etf_next(e) & 3, 0);
}

static void numbers(void **state)
{
	(void)state;
	says("83 61 05", "5");
	says("83 62 ff ff ff fb", "-5");
	says("83 62 7f ff ff ff", "2147483647");
	says("83 6e 08 00 ff ff ff ff ff ff ff 07", "576460752303423487");
	says("83 6e 08 00 00 00 00 00 00 00 00 08", "576460752303423488");
	says("83 6e 08 01 00 00 00 00 00 00 00 08", "-576460752303423488");
	says("83 6e 08 01 01 00 00 00 00 00 00 08", "-576460752303423489");
	says("83 6e 09 00 00 00 00 00 00 00 00 00 40",
	     "1180591620717411303424");
	says("83 6f 00 00 00 09 01 00 00 00 00 00 00 00 00 40",
	     "-1180591620717411303424");
	says("83 6e 00 00", "0");
	says("83 46 40 04 00 00 00 00 00 00", "2.5");
	says("83 63 32 2e 35 30 30 30 30 30 30 30 30 30 30 30 30 30 30 30 30"
	     "30 30 30 65 2b 30 30 00 00 00 00 00", "2.5");
	tears("83 63 78 2e 35 30 30 30 30 30 30 30 30 30 30 30 30 30 30 30 30"
	      "30 30 30 65 2b 30 30 00 00 00 00 00");
}

static void atoms(void **state)
{
	uint64_t made;

	(void)state;
	says("83 77 04 74 72 75 65", "true");
	says("83 76 00 04 74 72 75 65", "true");
	says("83 64 00 04 74 72 75 65", "true");
	says("83 73 04 74 72 75 65", "true");
	says("83 73 02 e4 20", "'\xc3\xa4 '");
	says("83 77 00", "''");
	says("52 00", "cached");
	/* One that the node does not have: always the same. */
	says("83 68 02 77 03 6e 65 77 77 03 6e 65 77", "{new,new}");
	assert_int_equal(scope_vm_atom_of(&f->vm, "new", 3),
			 scope_vm_atom_of(&f->vm, "new", 3));
	/* Until it has it. */
	made = fake_atom(f, "new");
	assert_int_equal(made, scope_vm_atom_of(&f->vm, "new", 3));
	tears("52 03");
	tears("83 77 02 c3 28"); /* no UTF-8 */
	tears("83 64 01 00 00");
	table[0] = 0x123;
	tears("52 00");
}

static void lists_and_tuples(void **state)
{
	(void)state;
	says("83 6a", "[]");
	says("83 6b 00 03 61 62 63", "\"abc\"");
	says("83 6b 00 03 01 02 03", "[1,2,3]");
	says("83 6b 00 00", "[]");
	says("83 6c 00 00 00 02 61 01 52 00 6a", "[1,cached]");
	says("83 6c 00 00 00 01 61 01 61 02", "[1|2]");
	says("83 6c 00 00 00 00 61 02", "2"); /* as the VM takes it */
	says("83 6c 00 00 00 01 6c 00 00 00 01 61 01 6a 6c 00 00 00 01 61 02"
	     "6a", "[[1],2]");
	says("83 68 00", "{}");
	says("83 68 02 61 01 68 01 6a", "{1,{[]}}");
	says("83 69 00 00 00 02 61 01 61 02", "{1,2}");
	says("83 74 00 00 00 00", "#{}");
	says("83 74 00 00 00 02 61 01 52 00 61 02 68 01 6a",
	     "#{1 => cached,2 => {[]}}");
}

static void bits(void **state)
{
	char want[256] = "<<\"";

	(void)state;
	says("83 6d 00 00 00 00", "<<>>");
	says("83 6d 00 00 00 03 61 62 63", "<<\"abc\">>");
	says("83 4d 00 00 00 02 03 61 a0", "<<97,5:3>>");
	says("83 4d 00 00 00 01 08 61", "<<\"a\">>");
	tears("83 4d 00 00 00 01 09 61");
	tears("83 4d 00 00 00 01 00 61");
	(void)hex("83 68 02 6d 00 00 00 c8", 0);
	memset(bytes + 8, 'x', 200);
	bytes[208] = 106;
	memset(want + 3, 'x', 64);
	(void)snprintf(want + 67, sizeof(want) - 67, "\"...>>");
	assert_memory_equal(decoded(209, false) + 1, want, 73);
	assert_string_equal(decoded(209, false) + 74, ",[]}");
	/* Its bytes go on where we have none: they do not show, nor what is
	 * behind them. */
	assert_memory_equal(decoded(100, true) + 1, want, 73);
	assert_string_equal(decoded(100, true) + 74, ",...}");
	assert_string_equal(decoded(50, true), "{...,...}");
}

static void idents(void **state)
{
	char want[64];

	(void)state;
	says("83 58 52 01 00 00 00 55 00 00 00 00 12 34 56 78", "<0.85.0>");
	says("83 58 52 01 00 00 00 55 00 00 00 00 00 00 00 00", "<0.85.0>");
	(void)snprintf(want, sizeof(want), "<%u.85.2>",
		       (unsigned)(table[2] >> 6));
	says("83 58 52 02 00 00 00 55 00 00 00 02 12 34 56 78", want);
	/* This node, but in another life. */
	(void)snprintf(want, sizeof(want), "<%u.85.2>",
		       (unsigned)(table[1] >> 6));
	says("83 58 52 01 00 00 00 55 00 00 00 02 12 34 56 79", want);
	says("83 67 52 01 00 00 00 55 00 00 00 02 00", "<0.85.2>");
	says("83 78 52 01 00 00 00 00 00 00 00 07 12 34 56 78", "#Port<0.7>");
	says("83 59 52 01 00 00 00 07 12 34 56 78", "#Port<0.7>");
	says("83 66 52 01 00 00 00 07 00", "#Port<0.7>");
	(void)snprintf(want, sizeof(want), "#Port<%u.7>",
		       (unsigned)(table[2] >> 6));
	says("83 78 52 02 00 00 00 00 00 00 00 07 12 34 56 78", want);
	says("83 5a 00 03 52 01 12 34 56 78 00 00 00 01 00 00 00 02 00 00 00 "
	     "03", "#Ref<0.3.2.1>");
	says("83 72 00 03 52 01 00 00 00 00 01 00 00 00 02 00 00 00 03",
	     "#Ref<0.3.2.1>");
	(void)snprintf(want, sizeof(want), "#Ref<%u.3.2.1>",
		       (unsigned)(table[2] >> 6));
	says("83 5a 00 03 52 02 12 34 56 78 00 00 00 01 00 00 00 02 00 00 00 "
	     "03", want);
	(void)snprintf(want, sizeof(want), "#Ref<%u.1>",
		       (unsigned)(table[2] >> 6));
	says("83 65 52 02 00 00 00 01 00", want);
	says("83 5a 00 05 52 01 12 34 56 78 00 00 00 01 00 00 00 02 00 00 00 "
	     "03 00 00 00 04 00 00 00 05",
	     f->l->otp < 26 ? "#Ref<0.3.2.1>" : "#Ref<0.5.4.3.2.1>");
	tears("83 5a 00 06 52 01");
	tears("83 5a 00 00 52 01");
	tears("83 58 61 01 00 00 00 55 00 00 00 00 12 34 56 78");
	/* No number that a process of this node has. */
	tears("83 58 52 01 ff ff ff ff ff ff ff ff 12 34 56 78");
}

static void funs(void **state)
{
	(void)state;
	says("83 71 77 05 6c 69 73 74 73 77 03 6d 61 70 61 02",
	     "fun lists:map/2");
	/* Of a module, with one free variable, which is passed over. */
	says("83 68 02 70 00 00 00 37 01"
	     "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 03"
	     "00 00 00 01 52 00 61 03 62 00 00 10 00 58 52 02 00 00 00 55"
	     "00 00 00 00 12 34 56 78 61 63 61 07",
	     "{#Fun<cached.3.4096>,7}");
	tears("83 70 00 00 00 05 01"
	      "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 03"
	      "00 00 00 01 52 00 61 03 62 00 00 10 00");
	tears("83 71 77 01 61 77 01 62 62 00 00 00 02");
}

static void no_terms(void **state)
{
	(void)state;
	/* Tags of nothing, and those of other formats. */
	for (unsigned tag = 0; tag < 256; tag++) {
		char s[16];

		if (strchr("FMRXYZabcdefghijklmnopqrstvwx", (int)tag) && tag)
			continue;
		(void)snprintf(s, sizeof(s), "83 %02x", tag);
		tears(s);
	}
	/* Counts that the bytes can't hold. */
	tears("83 69 ff ff ff ff 61 01");
	tears("83 6c ff ff ff ff 61 01");
	tears("83 74 ff ff ff ff 61 01");
	tears("83 6d ff ff ff ff 61 01");
	tears("83 6f ff ff ff ff 00 01");
	tears("83 6b ff ff 61");
	tears("83 68 02 61 01");
	/* But the rest may be elsewhere. */
	(void)decoded(hex("83 69 ff ff ff ff 61 01", 0), true);
	assert_false(e->is_torn);
	assert_string_equal(decoded(hex("83 6c ff ff ff ff 61 01", 0), true),
			    "[1|...]");
	(void)decoded(hex("83 74 ff ff ff ff 61 01 61 02", 0), true);
	assert_false(e->is_torn);
}

static void deep_and_wide(void **state)
{
	size_t n;

	(void)state;
	/* Tuples in tuples. */
	for (n = 0; n + 2 < sizeof(bytes); n += 2) {
		bytes[n] = 104;
		bytes[n + 1] = 1;
	}
	bytes[n] = 106;
	(void)decoded(n + 1, false);
	assert_false(e->is_torn);
	/* Lists in the tails of lists need no depth. */
	for (n = 0; n + 7 < sizeof(bytes); n += 7)
		(void)hex("6c 00 00 00 01 61 01", n);
	bytes[n] = 106;
	assert_int_equal(strlen(decoded(n + 1, false)), 2 * (n / 7) + 1);
	/* Each of them has as many elements as there are bytes. */
	for (n = 0; n + 5 < sizeof(bytes); n += 5)
		(void)hex("69 00 00 10 00", n);
	(void)decoded(n, true);
	assert_false(e->is_torn);
	for (n = 0; n + 5 < sizeof(bytes); n += 5)
		(void)hex("74 00 00 08 00", n);
	(void)decoded(n, true);
	assert_false(e->is_torn);
	memset(bytes, 1, sizeof(bytes));
	(void)hex("6b 1f f0", 0);
	(void)decoded(3 + 0x1ff0, false);
	assert_false(e->is_torn);
}

/* One after the other, as a signal has them. */
static void two_terms(void **state)
{
	uint64_t first;

	(void)state;
	in.len = hex("68 02 61 01 61 02 6b 00 02 61 62", 0);
	in.more = false;
	scope_etf_begin(e, &f->vm, &in);
	first = scope_etf_next(e);
	assert_string_equal(print(scope_etf_next(e)), "\"ab\"");
	assert_string_equal(print(first), "{1,2}");
	assert_string_equal(print(scope_etf_next(e)), "?");
}

#define T(t, otp) cmocka_unit_test_setup_teardown(t, set_up_##otp, tear_down)
#define TESTS(otp)                                                             \
	T(numbers, otp), T(atoms, otp), T(lists_and_tuples, otp),              \
		T(bits, otp), T(idents, otp), T(funs, otp), T(no_terms, otp),  \
		T(deep_and_wide, otp), T(two_terms, otp)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TESTS(23),
		TESTS(25),
		TESTS(27),
		TESTS(29),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
