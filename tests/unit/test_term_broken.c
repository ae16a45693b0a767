/* SPDX-License-Identifier: MIT */
/* Terms of which parts are missing or make no sense, and hostile images. */
#include "fake_print.h"

#include "base/utf8.h"

#define CUT_ALL(term)                                                          \
	do {                                                                   \
		ERL(term, "...");                                              \
		EX(term, "...");                                               \
		JSON(term, "{\"t\":\"cut\"}");                                 \
		assert_int_equal(met, SCOPE_TERM_CUT);                         \
	} while (0)

#define TORN_ALL(term)                                                         \
	do {                                                                   \
		ERL(term, "?");                                                \
		EX(term, "?");                                                 \
		JSON(term, "{\"t\":\"torn\"}");                                \
		assert_int_equal(met, SCOPE_TERM_TORN);                        \
	} while (0)

TEST(what_is_missing_shows_as_dots)
{
	uint64_t gone = fake_boxed(0x1000), w[2] = { fake_int(1), gone };

	CUT_ALL(gone);
	CUT_ALL(0x1001ull);
	CUT_ALL(fake_boxed(0xffff000000001000ull));
	ERL(fake_tuple(&f, w, 2), "{1,...}");
	EX(fake_tuple(&f, w, 2), "{1, ...}");
	ERL(fake_list(&f, w, 1, 0x1001), "[1|...]");
	EX(fake_list(&f, w, 1, 0x1001), "[1, ...]");
	JSON(fake_list(&f, w, 1, 0x1001),
	     "{\"t\":\"list\",\"v\":[1],\"tail\":{\"t\":\"cut\"}}");
	w[0] = fake_int('a');
	ERL(fake_list(&f, w, 1, 0x1001), "\"a\"...");
	EX(fake_list(&f, w, 1, 0x1001), "~c\"a\" ++ ...");
	JSON(fake_list(&f, w, 1, 0x1001),
	     "{\"t\":\"str\",\"v\":\"a\",\"cut\":true}");
	/* objects whose header is the last word of the image */
	for (unsigned tag = 1; tag < 16; tag++) {
		uint64_t header = fake_header(tag, 4);
		uint64_t at = fake_boxed(fake_words(&f, &header, 1));

		(void)text(at, SCOPE_SYNTAX_ERLANG);
		assert_true(met != 0);
		(void)text(at, SCOPE_SYNTAX_ELIXIR);
		assert_true(met != 0);
		(void)text(at, SCOPE_SYNTAX_JSON);
		assert_true(met != 0);
	}
	w[0] = fake_int(1);
	w[1] = fake_tuple(&f, w, 1);
	f.mem[f.used - 2] = fake_header(0, 3); /* two of three are missing */
	ERL(w[1], "{1,...}");
	EX(w[1], "{1, ...}");
	JSON(w[1], "{\"t\":\"tuple\",\"v\":[1,{\"t\":\"cut\"}]}");
}

TEST(what_makes_no_sense_shows_as_a_mark)
{
	uint64_t moved = fake_boxed(fake_at(4)), w[2];

	TORN_ALL(0ull);
	TORN_ALL(0x40ull);    /* a header */
	TORN_ALL(0x1bull);    /* a catch */
	TORN_ALL(fake_boxed(fake_words(&f, &moved, 1)));
	w[0] = fake_header(11, 0);
	if (f.l->sub.map != 11)
		TORN_ALL(fake_boxed(fake_words(&f, w, 1)));
	w[0] = fake_header(f.l->sub.map, 1); /* a map's inner node */
	TORN_ALL(fake_boxed(fake_words(&f, w, 2)));
	w[0] = 0; /* a cons that a collection has moved */
	w[1] = FAKE_NIL;
	ERL(fake_words(&f, w, 2) | 1, "[?]");
	assert_int_equal(met, SCOPE_TERM_TORN);
}

TEST(depth_has_an_end)
{
	uint64_t t = fake_int(1);
	size_t open = 0;

	for (int i = 0; i < 1000; i++)
		t = fake_tuple(&f, &t, 1);
	for (const char *s = text(t, SCOPE_SYNTAX_ERLANG); *s == '{'; s++)
		open++;
	assert_int_equal(open, SCOPE_TERM_DEPTH);
	assert_int_equal(met, SCOPE_TERM_CUT);
	(void)text(t, SCOPE_SYNTAX_ELIXIR);
	(void)text(t, SCOPE_SYNTAX_JSON);
}

/* Rings end at the output's cap; what has no output ends, too. */
TEST(rings_have_an_end)
{
	uint64_t w[17], ring, n = f.used;
	struct scope_buf b;

	ring = fake_cons(&f, fake_int('a'), fake_at(n) | 1);
	for (int s = 0; s < 3; s++) {
		b = scope_buf_of(out, sizeof(out));
		(void)scope_term_put(&f.vm, fake_image(&f), ring, s, &b);
		assert_true(b.full);
	}
	n = f.used;
	w[0] = w[1] = fake_boxed(fake_at(n));
	ring = fake_tuple(&f, w, 2);
	for (int s = 0; s < 3; s++) {
		b = scope_buf_of(out, sizeof(out));
		(void)scope_term_put(&f.vm, fake_image(&f), ring, s, &b);
	}
	n = f.used;
	for (int i = 0; i < 16; i++)
		w[i] = fake_boxed(fake_at(n));
	ring = fake_node(&f, 1, 0, w, 16);
	w[0] = ring;
	ring = fake_node(&f, 3, 9, w, 1);
	for (int s = 0; s < 3; s++) {
		b = scope_buf_of(out, sizeof(out));
		(void)scope_term_put(&f.vm, fake_image(&f), ring, s, &b);
	}
}

TEST(walking)
{
	uint64_t w[2] = { fake_int(1), fake_int(2) }, head, list;
	uint64_t tuple = fake_tuple(&f, w, 2);
	const struct scope_image *im;

	list = fake_list(&f, w, 2, FAKE_NIL);
	im = fake_image(&f);
	assert_int_equal(scope_term_list_next(im, &list, &head), 1);
	assert_int_equal(head, fake_int(1));
	assert_int_equal(scope_term_list_next(im, &list, &head), 1);
	assert_int_equal(head, fake_int(2));
	assert_int_equal(scope_term_list_next(im, &list, &head), 0);
	assert_int_equal(list, FAKE_NIL);
	list = 0x1001;
	assert_int_equal(scope_term_list_next(im, &list, &head), -ENODATA);

	assert_int_equal(scope_term_tuple_arity(im, tuple), 2);
	assert_int_equal(scope_term_tuple_arity(im, fake_int(1)), -EINVAL);
	assert_int_equal(scope_term_tuple_arity(im, 0x1002), -ENODATA);
	assert_int_equal(scope_term_element(im, tuple, 1, &head), 0);
	assert_int_equal(head, fake_int(2));
	assert_int_equal(scope_term_element(im, tuple, 2, &head), -EINVAL);
	assert_int_equal(scope_term_element(im, fake_int(1), 0, &head),
			 -EINVAL);
	f.mem[(SCOPE_PTR(tuple) - FAKE_BASE) / 8] = fake_header(0, 1u << 20);
	assert_int_equal(scope_term_element(im, tuple, 1u << 19, &head),
			 -ENODATA);
	f.mem[(SCOPE_PTR(tuple) - FAKE_BASE) / 8] = fake_header(0, 1ull << 57);
	assert_int_equal(scope_term_tuple_arity(im, tuple), -EINVAL);
	f.mem[(SCOPE_PTR(tuple) - FAKE_BASE) / 8] = fake_header(2, 2);
	assert_int_equal(scope_term_tuple_arity(im, tuple), -EINVAL);
}

/* An object may lie across segments; address 0 and odd ones are passed over. */
TEST(segments)
{
	uint64_t words[] = { 77, 88, fake_header(0, 2), fake_int(1),
			     fake_int(2) };
	uint64_t segs[] = { SCOPE_SEG(0, 1), SCOPE_SEG(0x2001, 1),
			    SCOPE_SEG(0x2000, 2), SCOPE_SEG(0x2010, 9) };
	struct scope_image im = { words, segs, 5, 4 };
	struct scope_buf b = scope_buf_of(out, sizeof(out));

	met = scope_term_put(&f.vm, &im, fake_boxed(0x2000),
			     SCOPE_SYNTAX_ERLANG, &b);
	assert_int_equal(met, 0);
	assert_string_equal(scope_buf_str(&b), "{1,2}");
	im = (struct scope_image){ 0 };
	met = scope_term_put(&f.vm, &im, fake_boxed(0x2000),
			     SCOPE_SYNTAX_ERLANG, &b);
	assert_int_equal(met, SCOPE_TERM_CUT);
}

/* Property: whatever the words, printing ends and stays within the buffer, and
 * in any prefix of the image, too. */
TEST(random_images)
{
	static uint64_t words[64];
	uint64_t x = 88172645463325252ull, segs[4];
	struct scope_image im = { words, segs, 64, 4 };

	for (int round = 0; round < 4000; round++) {
		for (size_t i = 0; i < 64; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			words[i] = x;
			if (x >> 60 & 3)
				words[i] = 0x2000 + 8 * (x >> 8 & 63) +
					   (x & 3);
			if (!(words[i] & 3))
				words[i] = x & 0x1ff;
		}
		for (int i = 0; i < 4; i++)
			segs[i] = SCOPE_SEG(0x2000 + 128 * i, 16);
		im.nwords = (size_t)round % 65;
		for (int s = 0; s < 3; s++) {
			char small[300];
			struct scope_buf b = scope_buf_of(small, sizeof(small));

			(void)scope_term_put(&f.vm, &im, words[0], s, &b);
			assert_true(b.len <= b.cap);
		}
	}
}

static void utf8(void **state)
{
	static const char *const bad[] = {
		"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80",
		"\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
		"\xff", "\xc3", "\xe2\x82", "a\xc3(",
	};
	char s[4];
	uint32_t cp;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(scope_utf8_valid(bad[i], strlen(bad[i])));
	for (uint32_t c = 0; c <= 0x110000; c++) {
		size_t n = scope_utf8_put(s, c);
		bool none = c > 0x10ffff || (c >= 0xd800 && c < 0xe000);

		assert_int_equal(n == 0, none);
		if (none)
			continue;
		assert_int_equal(scope_utf8_next(s, n, &cp), n);
		assert_int_equal(cp, c);
		assert_int_equal(scope_utf8_tail(s, n), 0);
		for (size_t cut = 1; cut < n; cut++)
			assert_int_equal(scope_utf8_tail(s, cut), cut);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_missing_shows_as_dots),
		cmocka_unit_test(what_makes_no_sense_shows_as_a_mark),
		cmocka_unit_test(depth_has_an_end),
		cmocka_unit_test(rings_have_an_end),
		cmocka_unit_test(walking),
		cmocka_unit_test(segments),
		cmocka_unit_test(random_images),
		cmocka_unit_test(utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
