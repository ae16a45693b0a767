/* SPDX-License-Identifier: MIT */
/* Every kind of term, in every syntax. */
#include "fake_print.h"

static uint64_t big(bool neg, const uint64_t *w, size_t n)
{
	return fake_thing(&f, neg ? f.l->sub.neg_big : f.l->sub.pos_big, w, n);
}

TEST(integers)
{
	uint64_t two64[2] = { 0, 1 }, max = ~0ull, sub[2] = { 1, 0 };

	ERL(fake_int(0), "0");
	EX(fake_int(-7), "-7");
	JSON(fake_int(-7), "-7");
	JSON(fake_int(1ll << 53), "9007199254740992");
	JSON(fake_int((1ll << 53) + 1),
	     "{\"t\":\"int\",\"v\":\"9007199254740993\"}");
	ERL(fake_int(-(1ll << 59)), "-576460752303423488");
	ERL(big(false, &max, 1), "18446744073709551615");
	ERL(big(true, two64, 2), "-18446744073709551616");
	EX(big(true, two64, 2), "-18446744073709551616");
	JSON(big(false, two64, 2),
	     "{\"t\":\"int\",\"v\":\"18446744073709551616\"}");
	ERL(big(false, sub, 2), "1");
	ERL(big(false, NULL, 0), "0");
	assert_int_equal(met, 0);
}

/* 2^(64 n) has its digits right at any size that an image can hold. */
TEST(bignums_of_all_sizes)
{
	static uint64_t w[1024];
	static uint8_t dec[20000];
	size_t n = 1;

	memset(dec, 0, sizeof(dec));
	dec[0] = 1;
	for (size_t bits = 0; bits < 64 * 60; bits++) {
		const char *s;

		memset(w, 0, sizeof(w));
		w[bits / 64] = 1ull << bits % 64;
		f.used = FAKE_SEG + 2000;
		s = text(big(false, w, bits / 64 + 1), SCOPE_SYNTAX_ERLANG);
		assert_int_equal(strlen(s), n);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(s[i], '0' + dec[n - 1 - i]);
		for (size_t i = 0, carry = 0; i <= n; i++) {
			carry += 2u * dec[i];
			dec[i] = carry % 10;
			carry /= 10;
		}
		n += dec[n] != 0;
	}
}

TEST(floats)
{
	static const struct {
		double d;
		const char *erl, *ex;
	} t[] = {
		{ 0.0, "0.0", NULL },
		{ -0.0, "-0.0", NULL },
		{ 1.0, "1.0", NULL },
		{ -123.456, "-123.456", NULL },
		{ 0.1, "0.1", NULL },
		{ 100.0, "100.0", NULL },
		{ 1000.0, "1.0e3", "1000.0" },
		{ 1200.0, "1.2e3", "1200.0" },
		{ 12000.0, "1.2e4", "12000.0" },
		{ 0.0001, "0.0001", NULL },
		{ 0.00001, "1.0e-5", NULL },
		{ 0.00012, "1.2e-4", NULL },
		{ 1.5e300, "1.5e300", NULL },
		{ 9007199254740991.0, "9007199254740991.0", NULL },
		{ 9007199254740992.0, "9.007199254740992e15",
		  "9007199254740992.0" },
		{ 1e15, "1.0e15", "1000000000000000.0" },
		{ 1e16, "1.0e16", NULL },
		{ 5e-324, "5.0e-324", NULL },
		{ 1.7976931348623157e308, "1.7976931348623157e308", NULL },
		/* powers of two, where the next float down is nearer */
		{ 0x1p-44, "5.684341886080802e-14", NULL },
		{ 0x1p89, "6.189700196426902e26", NULL },
		{ 0x1p-24, "5.960464477539063e-8", NULL },
	};
	uint64_t nan = 0x7ff8ull << 48;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ERL(fake_float(&f, t[i].d), t[i].erl);
		EX(fake_float(&f, t[i].d), t[i].ex ? t[i].ex : t[i].erl);
	}
	JSON(fake_float(&f, 1.5), "{\"t\":\"float\",\"v\":1.5}");
	ERL(fake_thing(&f, f.l->sub.flonum, &nan, 1), "?");
	assert_int_equal(met, SCOPE_TERM_TORN);
}

/* Whatever the bits, the text reads back as the same float. */
TEST(floats_read_back)
{
	uint64_t bits = 1;

	for (int i = 0; i < 3000; i++) {
		double d, back;

		bits = bits * 6364136223846793005ull + 1442695040888963407ull;
		memcpy(&d, &bits, 8);
		if ((bits >> 52 & 0x7ff) == 0x7ff)
			continue;
		f.used = FAKE_SEG + 2000;
		back = strtod(text(fake_float(&f, d), SCOPE_SYNTAX_ERLANG),
			      NULL);
		assert_memory_equal(&back, &d, 8);
		back = strtod(text(fake_float(&f, d), SCOPE_SYNTAX_ELIXIR),
			      NULL);
		assert_memory_equal(&back, &d, 8);
	}
}

TEST(atoms)
{
	static const struct {
		const char *text, *erl, *ex;
	} t[] = {
		{ "ok", "ok", ":ok" },
		{ "a_B9@x", "a_B9@x", ":a_B9@x" },
		{ "", "''", ":\"\"" },
		{ "Foo", "'Foo'", ":Foo" },
		{ "_a", "'_a'", ":_a" },
		{ "9a", "'9a'", ":\"9a\"" },
		{ "a b", "'a b'", ":\"a b\"" },
		{ "a'b\\", "'a\\'b\\\\'", ":\"a'b\\\\\"" },
		{ "a\"b", "'a\"b'", ":\"a\\\"b\"" },
		{ "\n\t\v\b\f\r\x1b\x7f", "'\\n\\t\\v\\b\\f\\r\\e\\d'",
		  ":\"\\n\\t\\v\\b\\f\\r\\e\\d\"" },
		{ "\x01", "'\\001'", ":\"\\x01\"" },
		{ "\xc2\x85", "'\\205'", ":\"\\x85\"" },
		{ "\xc3\xa5", "\xc3\xa5", ":\xc3\xa5" },
		{ "\xce\xa9", "'\xce\xa9'", ":\xce\xa9" },
		{ "a\xce\xa9", "'a\xce\xa9'", ":\"a\xce\xa9\"" },
		{ "a\xc3\xb7", "'a\xc3\xb7'", ":\"a\xc3\xb7\"" },
		{ "end", "'end'", ":end" },
		{ "cond", "'cond'", ":cond" },
		{ "true", "true", "true" },
		{ "nil", "nil", "nil" },
		{ "Elixir", "'Elixir'", "Elixir" },
		{ "Elixir.Foo.Bar", "'Elixir.Foo.Bar'", "Foo.Bar" },
		{ "Elixir.foo", "'Elixir.foo'", ":\"Elixir.foo\"" },
		{ "Elixir.Foo.", "'Elixir.Foo.'", ":\"Elixir.Foo.\"" },
		{ "Elixir.", "'Elixir.'", ":\"Elixir.\"" },
		{ "a?", "'a?'", ":a?" },
		{ "a?b", "'a?b'", ":\"a?b\"" },
		{ "?", "'?'", ":\"?\"" },
		{ "+", "'+'", ":+" },
		{ "%{}", "'%{}'", ":%{}" },
		{ "#{", "'#{'", ":\"\\#{\"" },
	};
	bool maybe = f.l->otp >= 27;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		uint64_t atom = fake_atom(&f, t[i].text);

		ERL(atom, t[i].erl);
		EX(atom, t[i].ex);
	}
	ERL(fake_atom(&f, "maybe"), maybe ? "'maybe'" : "maybe");
	ERL(fake_atom(&f, "else"), maybe ? "'else'" : "else");
	JSON(fake_atom(&f, "a\"\n\xce\xa9"),
	     "{\"t\":\"atom\",\"v\":\"a\\\"\\u000a\xce\xa9\"}");
	ERL(500ull << 6 | 0x0b, "?");
	EX(500ull << 6 | 0x0b, "?");
	JSON(500ull << 6 | 0x0b, "{\"t\":\"torn\"}");
	assert_int_equal(met, SCOPE_TERM_TORN);
}

TEST(lists)
{
	uint64_t w[3] = { fake_int(1), fake_int(2), fake_int(3) };
	uint64_t list = fake_list(&f, w, 3, FAKE_NIL), pair[2], kw;

	ERL(FAKE_NIL, "[]");
	ERL(0xfffffffffffffffbull, "[]"); /* OTP 23's */
	EX(FAKE_NIL, "[]");
	JSON(FAKE_NIL, "{\"t\":\"list\",\"v\":[]}");
	ERL(list, "[1,2,3]");
	EX(list, "[1, 2, 3]");
	JSON(list, "{\"t\":\"list\",\"v\":[1,2,3]}");
	list = fake_list(&f, w, 2, fake_atom(&f, "t"));
	ERL(list, "[1,2|t]");
	EX(list, "[1, 2 | :t]");
	JSON(list, "{\"t\":\"list\",\"v\":[1,2],"
		   "\"tail\":{\"t\":\"atom\",\"v\":\"t\"}}");
	list = fake_string(&f, "a\"b\\\n'#{");
	ERL(list, "\"a\\\"b\\\\\\n'#{\"");
	EX(list, "~c\"a\\\"b\\\\\\n'\\#{\"");
	JSON(list, "{\"t\":\"str\",\"v\":\"a\\\"b\\\\\\u000a'#{\"}");
	list = fake_string(&f, "\xe5");
	ERL(list, "\"\xc3\xa5\"");
	EX(list, "[229]");
	ERL(fake_string(&f, "\x7f"), "[127]");
	EX(fake_string(&f, "\x07"), "~c\"\\a\"");
	ERL(fake_string(&f, "\x07"), "[7]");
	w[0] = fake_int('a');
	ERL(fake_list(&f, w, 1, fake_int(2)), "[97|2]");
	w[1] = fake_int(0x3a9);
	ERL(fake_list(&f, w, 2, FAKE_NIL), "[97,937]");

	pair[0] = fake_atom(&f, "a b");
	pair[1] = fake_int(1);
	w[0] = fake_tuple(&f, pair, 2);
	pair[0] = fake_atom(&f, "nil");
	w[1] = fake_tuple(&f, pair, 2);
	kw = fake_list(&f, w, 2, FAKE_NIL);
	EX(kw, "[\"a b\": 1, nil: 1]");
	ERL(kw, "[{'a b',1},{nil,1}]");
	pair[0] = fake_atom(&f, "Elixir.A");
	w[1] = fake_tuple(&f, pair, 2);
	EX(fake_list(&f, w, 2, FAKE_NIL), "[{:\"a b\", 1}, {A, 1}]");
	EX(fake_list(&f, w, 1, fake_int(2)), "[{:\"a b\", 1} | 2]");
}

TEST(tuples)
{
	uint64_t w[3] = { fake_int(1), fake_atom(&f, "a"), 0 };

	ERL(fake_tuple(&f, w, 0), "{}");
	EX(fake_tuple(&f, w, 0), "{}");
	JSON(fake_tuple(&f, w, 0), "{\"t\":\"tuple\",\"v\":[]}");
	w[2] = fake_tuple(&f, w, 1);
	ERL(fake_tuple(&f, w, 3), "{1,a,{1}}");
	EX(fake_tuple(&f, w, 3), "{1, :a, {1}}");
	JSON(fake_tuple(&f, w, 2),
	     "{\"t\":\"tuple\",\"v\":[1,{\"t\":\"atom\",\"v\":\"a\"}]}");
}

static uint64_t bin(const char *s)
{
	return fake_bin(&f, s, strlen(s));
}

TEST(binaries)
{
	ERL(bin(""), "<<>>");
	EX(bin(""), "\"\"");
	JSON(bin(""), "{\"t\":\"bin\",\"v\":\"\"}");
	ERL(bin("abc\"\\\n"), "<<\"abc\\\"\\\\\\n\">>");
	EX(bin("abc\"\\\n#{"), "\"abc\\\"\\\\\\n\\#{\"");
	JSON(bin("abc"), "{\"t\":\"bin\",\"v\":\"abc\"}");
	ERL(bin("\x01\x02\xff"), "<<1,2,255>>");
	EX(bin("\x01\x02\xff"), "<<1, 2, 255>>");
	JSON(bin("\x01\x02\xff"), "{\"t\":\"bin\",\"hex\":\"0102ff\"}");
	ERL(bin("\xc3\xa5"), "<<\"\xc3\xa5\"/utf8>>");
	EX(bin("\xc3\xa5"), "\"\xc3\xa5\"");
	ERL(bin("a\xe5"), "<<\"a\xc3\xa5\">>"); /* Latin-1 */
	EX(bin("a\xe5"), "<<97, 229>>");
	ERL(bin("\xce\xa9"), "<<206,169>>"); /* not printable with +pc latin1 */
	EX(bin("\xce\xa9"), "\"\xce\xa9\"");
	JSON(bin("\xce\xa9"), "{\"t\":\"bin\",\"v\":\"\xce\xa9\"}");
	/* U+0569, which is not printable, and then no UTF-8: as Latin-1, but
	 * not with OTP 29. */
	ERL(bin("\xd5\xa9\xf8"),
	    f.l->otp < 29 ? "<<\"\xc3\x95\xc2\xa9\xc3\xb8\">>" :
			    "<<213,169,248>>");
	ERL(bin("\xf8\xd5\xa9"), "<<\"\xc3\xb8\xc3\x95\xc2\xa9\">>");
	ERL(bin("\x7f"), "<<127>>");
	EX(bin("\x7f"), "\"\\d\"");
	EX(bin("\xc2\x80"), "<<194, 128>>");
	EX(bin("\xef\xbb\xbf"), "\"\\uFEFF\"");
	ERL(fake_refc(&f, "refc", 4), "<<\"refc\">>");
	ERL(fake_sub(&f, fake_refc(&f, "hello sub", 9), 48, 24), "<<\"sub\">>");
	EX(fake_sub(&f, fake_refc(&f, "hello sub", 9), 48, 24), "\"sub\"");
	assert_int_equal(met, 0);
}

TEST(bitstrings)
{
	uint64_t whole = fake_refc(&f, "\xa5\x5a\x07\xff", 4);

	ERL(fake_sub(&f, whole, 0, 3), "<<5:3>>");
	EX(fake_sub(&f, whole, 0, 3), "<<5::size(3)>>");
	JSON(fake_sub(&f, whole, 0, 3),
	     "{\"t\":\"bits\",\"hex\":\"a0\",\"bits\":3}");
	ERL(fake_sub(&f, whole, 3, 16), "<<\"*\xc3\x90\">>");
	ERL(fake_sub(&f, whole, 9, 16), "<<180,15>>");
	ERL(fake_sub(&f, whole, 5, 17), "<<171,64,1:1>>");
	EX(fake_sub(&f, whole, 5, 17), "<<171, 64, 1::size(1)>>");
	JSON(fake_sub(&f, whole, 5, 17),
	     "{\"t\":\"bits\",\"hex\":\"ab4080\",\"bits\":17}");
	if (f.l->bin_style == SCOPE_BIN_PROC) {
		ERL(fake_sub(&f, bin("heap bin"), 40, 24), "<<\"bin\">>");
		ERL(fake_sub(&f, fake_int(1), 0, 8), "?");
	}
	ERL(fake_sub(&f, whole, 0, 0), "<<>>");
}

/* At most SCOPE_BIN_BYTES are shown, whatever the image has. */
TEST(long_binaries_are_cut)
{
	char s[100];
	const char *got;

	memset(s, 'x', sizeof(s));
	ERL(fake_refc(&f, s, 64),
	    "<<\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	    "\">>");
	assert_int_equal(met, 0);
	got = text(fake_refc(&f, s, 65), SCOPE_SYNTAX_ERLANG);
	assert_int_equal(met, SCOPE_TERM_CUT);
	assert_int_equal(strlen(got), 64 + 9);
	assert_string_equal(got + 64, "xxx\"...>>");
	got = text(fake_refc(&f, s, 100), SCOPE_SYNTAX_ELIXIR);
	assert_string_equal(got + 62, "xxx\" <> ...");
	got = text(fake_refc(&f, s, 100), SCOPE_SYNTAX_JSON);
	assert_string_equal(got + 77, "xxx\",\"cut\":true,\"size\":800}");

	/* a character that the cut went through */
	memcpy(s + 63, "\xc3\xa5", 2);
	got = text(fake_refc(&f, s, 100), SCOPE_SYNTAX_ERLANG);
	assert_string_equal(got + 63, "xxx\"/utf8...>>");
	got = text(fake_refc(&f, s, 100), SCOPE_SYNTAX_ELIXIR);
	assert_string_equal(got + 61, "xxx\" <> ...");
	memset(s, 1, sizeof(s));
	got = text(fake_refc(&f, s, 100), SCOPE_SYNTAX_ERLANG);
	assert_string_equal(got + strlen(got) - 8, ",1,...>>");
	got = text(fake_refc(&f, s, 100), SCOPE_SYNTAX_ELIXIR);
	assert_string_equal(got + strlen(got) - 10, ", 1, ...>>");
}

TEST(identifiers)
{
	const struct scope_subtags *sub = &f.l->sub;
	uint64_t pid[1] = { 9ull | 3ull << 32 }, port[1] = { 5 };
	uint64_t ref[2] = { 3ull | 1ull << 32, 2ull | 3ull << 32 };
	uint64_t alias[3] = { 0xffffffffull | 1ull << 32, 2ull | 3ull << 32,
			      0x77 };
	const struct scope_image *im;
	uint64_t term;
	char s[100];
	struct scope_buf b = scope_buf_of(s, sizeof(s));

	term = scope_vm_parse_pid(&f.vm, "<0.82.1>");
	ERL(term, "<0.82.1>");
	EX(term, "#PID<0.82.1>");
	JSON(term, "{\"t\":\"pid\",\"v\":\"<0.82.1>\"}");
	ERL(0x7, "#Port<0.0>");
	EX(0x7, "#Port<0.0>");
	ERL(fake_ref(&f, 1, 2, 3), "#Ref<0.3.2.1>");
	EX(fake_ref(&f, 1, 2, 3), "#Reference<0.3.2.1>");
	JSON(fake_ref(&f, 1, 2, 3), "{\"t\":\"ref\",\"v\":\"#Ref<0.3.2.1>\"}");
	ERL(fake_magic_ref(&f, 1, 2, 3), "#Ref<0.3.2.1>");
	ERL(fake_thing(&f, sub->ref, alias, 3),
	    f.l->otp < 26 ? "#Ref<0.3.2.1>" : "#Ref<0.0.119.3.2.1>");

	if (f.l->otp < 24)
		pid[0] = 9 | 3 << 15;
	f.atoms = 100; /* what will be n@h is atom 100, and so on */
	ERL(fake_external(&f, sub->ext_pid, pid, 1), "<100.9.3>");
	EX(fake_external(&f, sub->ext_pid, pid, 1), "#PID<101.9.3>");
	ERL(fake_external(&f, sub->ext_port, port, 1), "#Port<102.5>");
	ERL(fake_external(&f, sub->ext_ref, ref, 2), "#Ref<103.3.2.1>");
	JSON(fake_external(&f, sub->ext_ref, ref, 2),
	     "{\"t\":\"ref\",\"v\":\"#Ref<104.3.2.1>\",\"node\":\"n@h\"}");
	ref[0] = 9;
	ERL(fake_external(&f, sub->ext_ref, ref, 2), "?");

	term = fake_ref(&f, 1, 2, 3);
	im = fake_image(&f);
	met = scope_term_put_ident(&f.vm, im, term, SCOPE_SYNTAX_ELIXIR, &b);
	assert_int_equal(met, 0);
	met = scope_term_put_ident(&f.vm, im, fake_int(1), SCOPE_SYNTAX_JSON,
				   &b);
	assert_int_equal(met, SCOPE_TERM_TORN);
	met = scope_term_put_ident(&f.vm, im, fake_boxed(0x1000),
				   SCOPE_SYNTAX_ERLANG, &b);
	assert_int_equal(met, SCOPE_TERM_CUT);
	met = scope_term_put_ident(&f.vm, im, 0x7, SCOPE_SYNTAX_JSON, &b);
	assert_int_equal(met, 0);
	assert_string_equal(scope_buf_str(&b),
			    "#Reference<0.3.2.1>?...#Port<0.0>");
}

TEST(funs)
{
	ERL(fake_export(&f, "lists", "map", 2), "fun lists:map/2");
	EX(fake_export(&f, "lists", "map", 2), "&:lists.map/2");
	JSON(fake_export(&f, "lists", "map", 2),
	     "{\"t\":\"fun\",\"module\":\"lists\",\"function\":\"map\","
	     "\"arity\":2}");
	/* the VM's own printer quotes by its own rules */
	ERL(fake_export(&f, "a@b", "end", 0), "fun 'a@b':end/0");
	EX(fake_export(&f, "Elixir.Enum", "a b", 1), "&Enum.\"a b\"/1");
	EX(fake_export(&f, "m", "A", 1), "&:m.\"A\"/1");
	EX(fake_export(&f, "m", "+", 1), "&:m.+/1");
	EX(fake_export(&f, "m", "a?", 1), "&:m.a?/1");
	ERL(fake_fun(&f, "mod", 3, -77), "#Fun<mod.3.-77>");
	EX(fake_fun(&f, "Elixir.Mod", 3, 77), "#Function<3.77/1 in Mod>");
	JSON(fake_fun(&f, "mod", 3, 77),
	     "{\"t\":\"fun\",\"module\":\"mod\",\"index\":3,\"uniq\":77,"
	     "\"arity\":1}");
	assert_int_equal(met, 0);
}

TEST(flat_maps)
{
	uint64_t k[2] = { fake_atom(&f, "a"), bin("k") };
	uint64_t v[2] = { fake_int(1), FAKE_NIL };

	ERL(fake_map(&f, k, v, 0), "#{}");
	EX(fake_map(&f, k, v, 0), "%{}");
	JSON(fake_map(&f, k, v, 0), "{\"t\":\"map\",\"v\":[]}");
	ERL(fake_map(&f, k, v, 2), "#{a => 1,<<\"k\">> => []}");
	EX(fake_map(&f, k, v, 2), "%{:a => 1, \"k\" => []}");
	EX(fake_map(&f, k, v, 1), "%{a: 1}");
	JSON(fake_map(&f, k, v, 2),
	     "{\"t\":\"map\",\"v\":[[{\"t\":\"atom\",\"v\":\"a\"},1],"
	     "[{\"t\":\"bin\",\"v\":\"k\"},{\"t\":\"list\",\"v\":[]}]]}");
}

TEST(hash_maps)
{
	uint64_t leaf[4], inner[2], kids[2], root;

	for (int i = 0; i < 4; i++)
		leaf[i] = fake_cons(&f, fake_int(i), fake_atom(&f, "v"));
	inner[0] = fake_node(&f, 1, 0, leaf + 1, 2);
	kids[0] = leaf[0];
	kids[1] = inner[0];
	root = fake_node(&f, 3, 3, kids, 2);
	ERL(root, "#{0 => v,1 => v,2 => v}");
	EX(root, "%{2 => :v, 1 => :v, 0 => :v}"); /* as maps:to_list/1 */
	/* a node of keys with the same hash */
	kids[1] = fake_tuple(&f, leaf + 2, 2);
	ERL(fake_node(&f, 3, 3, kids, 2), "#{0 => v,2 => v,3 => v}");
	assert_int_equal(met, 0);
	/* neither cons nor node */
	kids[1] = fake_int(1);
	ERL(fake_node(&f, 3, 3, kids, 2), "#{0 => v,?}");
	JSON(fake_node(&f, 3, 3, kids, 2),
	     "{\"t\":\"map\",\"v\":[[0,{\"t\":\"atom\",\"v\":\"v\"}]],"
	     "\"torn\":true}");
	assert_int_equal(met, SCOPE_TERM_TORN);
	ERL(fake_node(&f, 1, 0, kids, 2), "?");
	/* a part that was not copied: what comes after it is shown */
	kids[0] = fake_boxed(0x1000);
	kids[1] = leaf[1];
	ERL(fake_node(&f, 3, 3, kids, 2), "#{1 => v,...}");
	EX(fake_node(&f, 3, 3, kids, 2), "%{1 => :v, ...}");
	assert_int_equal(met, SCOPE_TERM_CUT);
}

static uint64_t record(const char *const *keys, const uint64_t *values,
		       size_t n)
{
	uint64_t k[8];

	for (size_t i = 0; i < n; i++)
		k[i] = fake_atom(&f, keys[i]);
	return fake_map(&f, k, values, n);
}

TEST(structs)
{
	static const char *const range[] = { "__struct__", "first", "last",
					     "step" };
	static const char *const user[] = { "__exception__", "__struct__",
					    "age" };
	static const char *const date[] = { "__struct__", "calendar", "year",
					    "month", "day" };
	static const char *const time[] = { "__struct__", "calendar", "hour",
					    "minute", "second", "microsecond" };
	static const char *const set[] = { "__struct__", "map" };
	uint64_t v[8], pair[2], keys[2];

	v[0] = fake_atom(&f, "true");
	v[1] = fake_atom(&f, "Elixir.My.User");
	v[2] = fake_int(7);
	EX(record(user, v, 3), "%My.User{age: 7}");
	ERL(record(user + 1, v + 1, 2),
	    "#{'__struct__' => 'Elixir.My.User',age => 7}");
	v[1] = fake_atom(&f, "user");
	EX(record(user + 1, v + 1, 2), "%{__struct__: :user, age: 7}");

	v[0] = fake_atom(&f, "Elixir.Range");
	v[1] = fake_int(1);
	v[2] = fake_int(5);
	v[3] = fake_int(1);
	EX(record(range, v, 4), "1..5");
	v[3] = fake_int(2);
	EX(record(range, v, 4), "1..5//2");
	v[2] = fake_int(0);
	v[3] = fake_int(1);
	EX(record(range, v, 4), "1..0//1");
	EX(record(range, v, 3), "%Range{first: 1, last: 0}");

	v[0] = fake_atom(&f, "Elixir.Date");
	v[1] = fake_atom(&f, "Elixir.Calendar.ISO");
	v[2] = fake_int(-12);
	v[3] = fake_int(1);
	v[4] = fake_int(2);
	EX(record(date, v, 5), "~D[-0012-01-02]");
	v[3] = fake_int(13);
	EX(record(date, v, 5),
	   "%Date{calendar: Calendar.ISO, year: -12, month: 13, day: 2}");

	v[0] = fake_atom(&f, "Elixir.Time");
	for (int i = 2; i < 5; i++)
		v[i] = fake_int(i);
	pair[0] = fake_int(500000);
	pair[1] = fake_int(1);
	v[5] = fake_tuple(&f, pair, 2);
	EX(record(time, v, 6), "~T[02:03:04.5]");
	pair[1] = fake_int(0);
	v[5] = fake_tuple(&f, pair, 2);
	EX(record(time, v, 6), "~T[02:03:04]");

	keys[0] = fake_int(1);
	keys[1] = fake_int(2);
	v[0] = fake_atom(&f, "Elixir.MapSet");
	v[1] = fake_map(&f, keys, keys, 2);
	EX(record(set, v, 2), "MapSet.new([1, 2])");
}

static void native_records(void **state)
{
	uint64_t order[2] = { fake_int(1), fake_int(0) }, def[7], w[3];

	(void)state;
	assert_int_equal(fake_init(&f, 29), 0);
	def[0] = fake_tuple(&f, order, 2);
	def[1] = fake_int(12345);
	def[2] = fake_atom(&f, "mod");
	def[3] = fake_atom(&f, "r");
	def[4] = fake_atom(&f, "true");
	def[5] = fake_atom(&f, "x");
	def[6] = fake_atom(&f, "y");
	w[0] = fake_tuple(&f, def, 7);
	w[1] = fake_int(1);
	w[2] = fake_int(2);
	ERL(fake_thing(&f, 7, w, 3), "#mod:r{y = 2,x = 1}");
	EX(fake_thing(&f, 7, w, 3), "#Record<:mod, :r, y: 2, x: 1>");
	JSON(fake_thing(&f, 7, w, 3),
	     "{\"t\":\"record\",\"module\":\"mod\",\"name\":\"r\",\"v\":["
	     "[{\"t\":\"atom\",\"v\":\"y\"},2],"
	     "[{\"t\":\"atom\",\"v\":\"x\"},1]]}");
	def[0] = fake_int(0); /* no order: as they are stored */
	w[0] = fake_tuple(&f, def, 7);
	ERL(fake_thing(&f, 7, w, 3), "#mod:r{x = 1,y = 2}");
	w[0] = fake_int(1);
	ERL(fake_thing(&f, 7, w, 3), "?");
	w[0] = fake_boxed(0x1000);
	ERL(fake_thing(&f, 7, w, 3), "...");
	scope_vm_done(&f.vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers),
		cmocka_unit_test(bignums_of_all_sizes),
		cmocka_unit_test(floats),
		cmocka_unit_test(floats_read_back),
		cmocka_unit_test(atoms),
		cmocka_unit_test(lists),
		cmocka_unit_test(tuples),
		cmocka_unit_test(binaries),
		cmocka_unit_test(bitstrings),
		cmocka_unit_test(long_binaries_are_cut),
		cmocka_unit_test(identifiers),
		cmocka_unit_test(funs),
		cmocka_unit_test(flat_maps),
		cmocka_unit_test(hash_maps),
		cmocka_unit_test(structs),
		cmocka_unit_test(native_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
