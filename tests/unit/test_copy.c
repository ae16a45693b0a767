/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "beam/copy.h"
#include "fake_vm.h"

static struct fake f;
static struct scope_copy copy;
static char out[1 << 16];
static char whole[1 << 16];

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

/* What must hold of any copy: the segments cover the words, and each of those
 * that has an address holds what is there. */
static void check_image(void)
{
	const struct scope_image *im = &copy.image;
	size_t at = 0;

	assert_true(im->nwords <= SCOPE_WORDS_MAX);
	assert_true(im->nsegs <= SCOPE_SEGS_MAX);
	for (size_t i = 0; i < im->nsegs; i++) {
		uint64_t from = SCOPE_SEG_ADDR(im->segs[i]);
		size_t n = SCOPE_SEG_WORDS(im->segs[i]);

		assert_true(n > 0);
		assert_true(at + n <= im->nwords);
		if (from)
			assert_memory_equal(im->words + at,
					    f.mem + (from - FAKE_BASE) / 8,
					    8 * n);
		else
			assert_int_equal(n, 1);
		at += n;
	}
	assert_int_equal(at, im->nwords);
}

static const char *copied(uint64_t term, unsigned words, unsigned want)
{
	struct scope_buf b = scope_buf_of(out, sizeof(out));
	unsigned flags = scope_copy_term(&f.vm, term, words, &copy);

	assert_int_equal(flags, want);
	check_image();
	(void)scope_term_put(&f.vm, &copy.image, term, SCOPE_SYNTAX_ERLANG, &b);
	return scope_buf_str(&b);
}

/* The copy prints as the memory itself does. */
static void check_same(uint64_t term)
{
	struct scope_buf b = scope_buf_of(whole, sizeof(whole));
	unsigned met = scope_term_put(&f.vm, fake_image(&f), term,
				      SCOPE_SYNTAX_ERLANG, &b);

	assert_int_equal(met, 0);
	assert_string_equal(copied(term, SCOPE_TERM_WORDS_MAX, 0),
			    scope_buf_str(&b));
}

static uint64_t all_kinds(void)
{
	const struct scope_subtags *sub = &f.l->sub;
	uint64_t big[2] = { 0, 1 }, pid = 9, ref[2] = { 3, 0x200000001 };
	uint64_t k[2] = { fake_atom(&f, "a"), fake_int(2) }, leaf[2], kids[2];
	uint64_t refc = fake_refc(&f, "outside of the heap", 19), t[20];
	size_t n = 0;

	leaf[0] = fake_cons(&f, k[0], fake_string(&f, "one"));
	leaf[1] = fake_cons(&f, k[1], fake_string(&f, "two"));
	kids[0] = leaf[0];
	kids[1] = fake_node(&f, 1, 0, leaf + 1, 1);
	t[n++] = fake_int(1);
	t[n++] = fake_thing(&f, sub->neg_big, big, 2);
	t[n++] = fake_float(&f, 1.5);
	t[n++] = fake_string(&f, "string");
	t[n++] = fake_bin(&f, "on the heap", 11);
	t[n++] = refc;
	t[n++] = fake_sub(&f, refc, 13, 77);
	t[n++] = fake_ref(&f, 1, 2, 3);
	t[n++] = fake_magic_ref(&f, 4, 5, 6);
	t[n++] = fake_external(&f, sub->ext_pid, &pid, 1);
	t[n++] = fake_external(&f, sub->ext_ref, ref, 2);
	t[n++] = fake_fun(&f, "mod", 3, 77);
	t[n++] = fake_export(&f, "lists", "map", 2);
	t[n++] = fake_map(&f, k, k, 2);
	t[n++] = fake_node(&f, 3, 2, kids, 2);
	t[n++] = fake_list(&f, t, 3, fake_int(4));
	t[n++] = fake_tuple(&f, t, 0);
	t[n++] = FAKE_NIL;
	return fake_tuple(&f, t, n);
}

TEST(a_copy_prints_as_the_original)
{
	uint64_t term = all_kinds(), header, t;
	size_t n;

	check_same(term);
	header = f.mem[(SCOPE_PTR(term) - FAKE_BASE) / 8];
	n = SCOPE_ARITY(header);
	for (size_t i = 0; i < n; i++) {
		t = f.mem[(SCOPE_PTR(term) - FAKE_BASE) / 8 + 1 + i];
		check_same(t);
		check_same(fake_cons(&f, t, FAKE_NIL));
	}
}

TEST(immediates_need_no_image)
{
	assert_string_equal(copied(fake_int(5), 64, 0), "5");
	assert_int_equal(copy.image.nwords, 0);
	assert_string_equal(copied(FAKE_NIL, 0, 0), "[]");
}

/* Breadth first: with each word more of the budget, no less is shown; what is
 * cut is said to be. */
TEST(the_budget_is_kept)
{
	uint64_t w[3] = { fake_int(1), 0, fake_int(3) };
	uint64_t term;

	w[1] = fake_tuple(&f, w, 1);
	term = fake_tuple(&f, w, 3); /* {1,{1},3}: four words, and two */
	assert_string_equal(copied(term, 0, SCOPE_F_CUT), "...");
	assert_string_equal(copied(term, 1, SCOPE_F_CUT), "{...}");
	assert_string_equal(copied(term, 3, SCOPE_F_CUT), "{1,...,...}");
	assert_string_equal(copied(term, 4, SCOPE_F_CUT), "{1,...,3}");
	assert_string_equal(copied(term, 5, SCOPE_F_CUT), "{1,{...},3}");
	assert_string_equal(copied(term, 6, 0), "{1,{1},3}");

	term = all_kinds();
	for (unsigned n = 0; n < 300; n++) {
		struct scope_buf b = scope_buf_of(out, sizeof(out));
		unsigned flags = scope_copy_term(&f.vm, term, n, &copy), met;

		check_image();
		met = scope_term_put(&f.vm, &copy.image, term,
				     SCOPE_SYNTAX_ERLANG, &b);
		assert_int_equal(!(met & SCOPE_TERM_CUT),
				 !(flags & SCOPE_F_CUT));
		assert_false(met & SCOPE_TERM_TORN);
		if (n == 299)
			assert_int_equal(flags, 0);
	}
}

/* Neighbours share a segment: a list built at once is one. */
TEST(neighbours_share_a_segment)
{
	uint64_t at = fake_at(f.used), list;
	uint64_t w[20];

	for (size_t i = 0; i < 10; i++) {
		w[2 * i] = fake_int((int64_t)i);
		w[2 * i + 1] = i == 9 ? FAKE_NIL : (at + 16 * (i + 1)) | 1;
	}
	list = fake_words(&f, w, 20) | 1;
	assert_string_equal(copied(list, 64, 0), "[0,1,2,3,4,5,6,7,8,9]");
	assert_int_equal(copy.image.nsegs, 1);
	assert_int_equal(copy.image.nwords, 20);
}

TEST(shared_parts_are_copied_once)
{
	uint64_t w[4] = { 0 };

	w[0] = w[1] = w[2] = w[3] = fake_string(&f, "abc");
	assert_string_equal(copied(fake_tuple(&f, w, 4), 64, 0),
			    "{\"abc\",\"abc\",\"abc\",\"abc\"}");
	assert_int_equal(copy.image.nwords, 5 + 6);
}

/* Bytes that look like terms are not followed. */
TEST(bytes_are_not_scanned)
{
	uint64_t evil[8], bin, w[2], words;

	for (size_t i = 0; i < 8; i++)
		evil[i] = fake_boxed(fake_at(2));
	bin = fake_refc(&f, evil, 64);
	w[0] = bin;
	w[1] = fake_string(&f, "after");
	(void)copied(fake_tuple(&f, w, 2), 512, 0);
	words = 3 + 10 + (f.l->bin_style == SCOPE_BIN_BITS ? 5 : 6) + 1 + 9;
	assert_int_equal(copy.image.nwords, words);
}

TEST(long_binaries_are_cut)
{
	static char s[4096];
	uint64_t bin, w[2];
	const char *got;

	memset(s, 'x', sizeof(s));
	bin = fake_refc(&f, s, sizeof(s));
	got = copied(bin, 64, SCOPE_F_CUT);
	assert_int_equal(strlen(got), 64 + 9);
	assert_true(copy.image.nwords <= 6 + 1 + 9);
	got = copied(fake_sub(&f, bin, 8, 8 * 2000), 64, SCOPE_F_CUT);
	assert_int_equal(strlen(got), 64 + 9);
	/* one on the heap, too, and what comes after it is whole */
	w[0] = fake_bin(&f, s, 1000);
	w[1] = fake_string(&f, "after");
	got = copied(fake_tuple(&f, w, 2), 64, 0);
	assert_string_equal(got + 64, "xxxx\"...>>,\"after\"}");
}

TEST(what_cannot_be_read_is_torn)
{
	uint64_t w[2] = { fake_int(1), fake_boxed(0x1000) };
	uint64_t moved = fake_boxed(fake_at(4)), odd = fake_header(1, 1);

	assert_string_equal(copied(w[1], 64, SCOPE_F_TORN), "...");
	assert_string_equal(copied(fake_tuple(&f, w, 2), 64, SCOPE_F_TORN),
			    "{1,...}");
	w[1] = 0x1001;
	assert_string_equal(copied(fake_tuple(&f, w, 2), 64, SCOPE_F_TORN),
			    "{1,...}");
	w[1] = fake_boxed(0xffff800000001000ull);
	assert_string_equal(copied(fake_tuple(&f, w, 2), 64, SCOPE_F_TORN),
			    "{1,...}");
	w[1] = fake_boxed(fake_words(&f, &moved, 1));
	assert_string_equal(copied(fake_tuple(&f, w, 2), 64, SCOPE_F_TORN),
			    "{1,?}");
	w[1] = fake_boxed(fake_words(&f, &odd, 1));
	assert_string_equal(copied(fake_tuple(&f, w, 2), 64, SCOPE_F_TORN),
			    "{1,?}");
}

/* Whichever word can't be read, what is shown is a part of the whole. */
TEST(any_word_may_be_unreadable)
{
	size_t from = f.used;
	uint64_t term = all_kinds();

	for (size_t i = from; i < f.used; i++) {
		unsigned flags;
		struct scope_buf b = scope_buf_of(out, sizeof(out));

		f.fail_at = fake_at(i);
		flags = scope_copy_term(&f.vm, term, 512, &copy);
		assert_false(flags & ~(unsigned)SCOPE_F_TORN);
		check_image();
		f.fail_at = 0;
		(void)scope_term_put(&f.vm, &copy.image, term,
				     SCOPE_SYNTAX_ERLANG, &b);
		assert_true(b.len >= 3);
	}
}

/* More segments than there is room for. */
TEST(segments_have_an_end)
{
	uint64_t w[400];

	for (size_t i = 0; i < 150; i++)
		w[i] = fake_refc(&f, "abcd", 4);
	(void)copied(fake_tuple(&f, w, 150), 4000, SCOPE_F_CUT);
	assert_true(copy.image.nsegs > SCOPE_SEGS_MAX - 3);
	for (size_t i = 0; i < 400; i++) {
		w[i] = fake_float(&f, (double)i);
		f.used++;
	}
	(void)copied(fake_tuple(&f, w, 400), 4000, SCOPE_F_CUT);
	assert_int_equal(copy.image.nsegs, SCOPE_SEGS_MAX);
}

/* Property: whatever the memory, the copy keeps to its limits. */
TEST(random_memory)
{
	uint64_t x = 88172645463325252ull;

	for (int round = 0; round < 1500; round++) {
		f.used = 256;
		for (size_t i = 0; i < 256; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			f.mem[i] = x;
			if (x >> 60 & 3)
				f.mem[i] = fake_at(x >> 8 & 255) | (x & 3);
			if (!(f.mem[i] & 3))
				f.mem[i] = x & 0x3ff;
		}
		(void)scope_copy_term(&f.vm, f.mem[0] & ~1ull,
				      (unsigned)round, &copy);
		check_image();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_copy_prints_as_the_original),
		cmocka_unit_test(immediates_need_no_image),
		cmocka_unit_test(the_budget_is_kept),
		cmocka_unit_test(neighbours_share_a_segment),
		cmocka_unit_test(shared_parts_are_copied_once),
		cmocka_unit_test(bytes_are_not_scanned),
		cmocka_unit_test(long_binaries_are_cut),
		cmocka_unit_test(what_cannot_be_read_is_torn),
		cmocka_unit_test(any_word_may_be_unreadable),
		cmocka_unit_test(segments_have_an_end),
		cmocka_unit_test(random_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
