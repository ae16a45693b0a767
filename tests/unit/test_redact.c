/* SPDX-License-Identifier: MIT */
/* What rules hide, in every place that a value can stand in. */
#include "fake_print.h"

#include <fcntl.h>
#include <unistd.h>

#include "beam/redact.h"

static struct scope_redact *r;
static struct scope_event ev;
static size_t mark; /* the image begins here */
static uint64_t seg;

static void rules(const char *const *list)
{
	struct scope_err err = { 0 };

	assert_int_equal(scope_redact_new(&r), 0);
	for (; *list; list++)
		assert_int_equal(scope_redact_add(r, *list, &err), 0);
}
#define RULES(...) rules((const char *const[]){ __VA_ARGS__, NULL })

static void done(void)
{
	scope_redact_free(r);
	r = NULL;
}

static void term_event(enum scope_kind kind, uint64_t term)
{
	memset(&ev, 0, sizeof(ev));
	ev.kind = kind;
	seg = SCOPE_SEG(fake_at(mark), f.used - mark);
	ev.image = (struct scope_image){ f.mem + mark, &seg, f.used - mark, 1 };
	scope_event_add(&ev, SCOPE_FIELD_MSG)->term = term;
}

/* The term as it is shown under the rules. */
static const char *shown(uint64_t term)
{
	struct scope_buf b = scope_buf_of(out, sizeof(out));
	const struct scope_event *got;

	term_event(SCOPE_KIND_MSG_SEND, term);
	got = scope_redact_event(r, &f.vm, &ev);
	assert_int_equal(got->redacted, got != &ev);
	(void)scope_term_put(&f.vm, &got->image,
			     scope_event_get(got, SCOPE_FIELD_MSG)->term,
			     SCOPE_SYNTAX_ERLANG, &b);
	return scope_buf_str(&b);
}
#define SHOWN(term, want) assert_string_equal(shown(term), want)

static uint64_t pair(uint64_t a, uint64_t b)
{
	uint64_t w[2] = { a, b };

	return fake_tuple(&f, w, 2);
}

static uint64_t bin(const char *s)
{
	return fake_bin(&f, s, strlen(s));
}

TEST(what_stands_under_a_key)
{
	uint64_t k[2], v[2] = { fake_int(1), fake_int(2) }, l[2];

	RULES("key:*Password*", "key:api-key");
	mark = f.used;
	SHOWN(pair(fake_atom(&f, "password"), bin("hunter2")),
	      "{password,'[redacted]'}");
	SHOWN(pair(fake_string(&f, "user_PASSWORD"), fake_string(&f, "hi")),
	      "{\"user_PASSWORD\",'[redacted]'}");
	SHOWN(pair(bin("Api-Key"), fake_int(7)), "{<<\"Api-Key\">>,'[redacted]'}");
	SHOWN(pair(fake_atom(&f, "api_key"), fake_int(7)),
	      "{api_key,'[redacted]'}");
	SHOWN(pair(fake_atom(&f, "user"), bin("x")), "{user,<<\"x\">>}");
	/* The other way round it is no pair of key and value. */
	SHOWN(pair(bin("x"), fake_atom(&f, "password")), "{<<\"x\">>,password}");
	mark = f.used;
	k[0] = bin("user");
	k[1] = fake_atom(&f, "password");
	SHOWN(fake_map(&f, k, v, 2),
	      "#{<<\"user\">> => 1,password => '[redacted]'}");
	l[0] = pair(k[1], fake_map(&f, k, v, 2));
	l[1] = fake_map(&f, k, v, 2);
	SHOWN(fake_list(&f, l, 2, FAKE_NIL),
	      "[{password,'[redacted]'},"
	      "#{<<\"user\">> => 1,password => '[redacted]'}]");
	done();
}

TEST(what_an_atom_begins)
{
	uint64_t w[3] = { fake_atom(&f, "basic_auth"), fake_int(1),
			  fake_int(2) }, k = w[0], v = w[1];

	RULES("atom:basic_*");
	mark = f.used;
	SHOWN(fake_tuple(&f, w, 3), "{basic_auth,'[redacted]','[redacted]'}");
	SHOWN(fake_map(&f, &k, &v, 1), "#{basic_auth => '[redacted]'}");
	k = bin("basic_auth");
	SHOWN(fake_map(&f, &k, &v, 1), "#{<<\"basic_auth\">> => 1}");
	SHOWN(fake_tuple(&f, w, 0), "{}");
	done();
}

TEST(a_field_of_a_struct)
{
	uint64_t k[2] = { fake_atom(&f, "__struct__"), fake_atom(&f, "pin") };
	uint64_t v[2] = { fake_atom(&f, "Elixir.Shop.Card"), fake_int(1234) };

	RULES("field:Shop.Card.pin");
	mark = f.used;
	SHOWN(fake_map(&f, k, v, 2),
	      "#{'__struct__' => 'Elixir.Shop.Card',pin => '[redacted]'}");
	v[0] = fake_atom(&f, "Elixir.Shop.Board");
	mark = f.used;
	SHOWN(fake_map(&f, k, v, 2),
	      "#{'__struct__' => 'Elixir.Shop.Board',pin => 1234}");
	SHOWN(fake_map(&f, k + 1, v + 1, 1), "#{pin => 1234}");
	done();
}

TEST(text_with_a_match)
{
	uint64_t w[4];

	RULES("match:sk_live_[0-9a-z]{8}", "match:^4711$");
	mark = f.used;
	w[0] = bin("my sk_live_0123abcd!");
	w[1] = fake_string(&f, "sk_live_0123abcd");
	w[2] = fake_int(4711);
	w[3] = fake_int(47110);
	SHOWN(fake_list(&f, w, 4, FAKE_NIL),
	      "['[redacted]','[redacted]','[redacted]',47110]");
	SHOWN(w[0], "'[redacted]'");
	SHOWN(bin("sk_live_0123abc"), "<<\"sk_live_0123abc\">>");
	w[0] = fake_atom(&f, "sk_live_00000000");
	mark = f.used;
	SHOWN(w[0], "'[redacted]'");
	SHOWN(fake_cons(&f, fake_int(1), w[0]), "[1|'[redacted]']");
	w[1] = fake_map(&f, w, w, 1);
	SHOWN(w[1], "#{'[redacted]' => '[redacted]'}");
	/* It is the copy that was changed. */
	SHOWN(w[1], "#{'[redacted]' => '[redacted]'}");
	done();
}

/* What was cut may go on as a match would. */
TEST(cut_text_is_in_doubt)
{
	char s[101];
	uint64_t list;

	RULES("match:sk_live_[0-9]+z");
	mark = f.used;
	memset(s, '1', 100);
	s[100] = '\0';
	memcpy(s, "sk_live_", 8);
	SHOWN(fake_refc(&f, s, 100), "'[redacted]'");
	s[0] = 'S';
	assert_null(strstr(shown(fake_refc(&f, s, 100)), "[redacted]"));
	memcpy(s + 58, "sk_liv", 6);
	SHOWN(fake_refc(&f, s, 100), "'[redacted]'");
	/* A list that goes on outside of the image. */
	list = fake_cons(&f, fake_int('s'), fake_at(FAKE_TABLE + 2) | 1);
	SHOWN(list, "'[redacted]'");
	list = fake_cons(&f, fake_int('t'), fake_at(FAKE_TABLE + 2) | 1);
	assert_null(strstr(shown(list), "[redacted]"));
	done();
}

TEST(keys_that_are_not_there_are_in_doubt)
{
	RULES("key:password");
	mark = f.used;
	SHOWN(pair(fake_at(FAKE_TABLE + 2) | 2, fake_int(5)),
	      "{...,'[redacted]'}");
	done();
}

TEST(hostile_terms_end)
{
	uint64_t tuple, w[2], list;

	RULES("key:password", "match:secret");
	mark = f.used;
	/* A ring of conses, a tuple in itself. */
	list = fake_cons(&f, fake_int(1), 0);
	fake_put(&f, SCOPE_PTR(list) + 8, &list, 8);
	w[0] = w[1] = 0;
	tuple = fake_tuple(&f, w, 2);
	fake_put(&f, SCOPE_PTR(tuple) + 8, &tuple, 8);
	fake_put(&f, SCOPE_PTR(tuple) + 16, &list, 8);
	term_event(SCOPE_KIND_MSG_SEND, tuple);
	(void)scope_redact_event(r, &f.vm, &ev);
	done();
}

static const struct scope_event *redacted(void)
{
	return scope_redact_event(r, &f.vm, &ev);
}

static void kinds_and_keys_of_the_event(void **state)
{
	const struct scope_event *got;

	(void)state;
	assert_int_equal(fake_init(&f, 25), 0);
	mark = f.used;
	RULES("kind:msg.send,port", "key:mailbox", "key:via", "key:name");
	term_event(SCOPE_KIND_MSG_SEND, bin("x"));
	ev.name = fake_atom(&f, "me");
	scope_event_add_u(&ev, SCOPE_FIELD_MAILBOX, 3);
	scope_event_add_text(&ev, SCOPE_FIELD_VIA, "exit", 4);
	scope_event_add_u(&ev, SCOPE_FIELD_WAIT_NS, 9);
	got = redacted();
	assert_true(got->redacted);
	assert_true(got->name == SCOPE_WORD_REDACTED);
	assert_int_equal(got->nfields, 3);
	assert_true(got->fields[0].term == SCOPE_WORD_REDACTED);
	assert_memory_equal(got->fields[1].text, "[redacted]",
			    got->fields[1].len);
	assert_int_equal(got->fields[2].u, 9);
	/* A command line is contents, what opened the port is none. */
	ev.kind = SCOPE_KIND_PORT_OPEN;
	ev.name = 0;
	ev.nfields = 0;
	scope_event_add_text(&ev, SCOPE_FIELD_DRIVER, "spawn", 5);
	scope_event_add_text(&ev, SCOPE_FIELD_COMMAND, "login -p x", 10);
	got = redacted();
	assert_true(got->redacted);
	assert_memory_equal(got->fields[0].text, "spawn", 5);
	assert_memory_equal(got->fields[1].text, "[redacted]", 10);
	/* Another kind keeps its contents, and the stream's own all. */
	term_event(SCOPE_KIND_MSG_RECEIVE, bin("x"));
	assert_ptr_equal(redacted(), &ev);
	ev.kind = SCOPE_KIND_SUMMARY;
	assert_ptr_equal(redacted(), &ev);
	done();
	scope_vm_done(&f.vm);
}

static void names_are_text_too(void **state)
{
	const struct scope_event *got;

	(void)state;
	assert_int_equal(fake_init(&f, 27), 0);
	mark = f.used;
	RULES("match:tenant_[0-9]+");
	term_event(SCOPE_KIND_PROC_SPAWN, FAKE_NIL);
	ev.nfields = 0;
	ev.name = fake_atom(&f, "tenant_42");
	scope_event_add(&ev, SCOPE_FIELD_MFA)->mfa =
		(struct scope_mfa){ ev.name, ev.name, 1 };
	scope_event_add(&ev, SCOPE_FIELD_TO_NAME)->term = ev.name;
	scope_event_add_text(&ev, SCOPE_FIELD_CURRENT, "tenant_1:f/0", 12);
	got = redacted();
	assert_true(got->name == SCOPE_WORD_REDACTED);
	assert_true(got->fields[0].mfa.module == SCOPE_WORD_REDACTED);
	assert_true(got->fields[1].term == SCOPE_WORD_REDACTED);
	assert_memory_equal(got->fields[2].text, "[redacted]", 10);
	done();
	scope_vm_done(&f.vm);
}

/* A reason that is text may hold anything: with rules, it is one atom or
 * nothing. */
static void terms_that_are_text_are_hidden(void **state)
{
	static const char *const shown[] = { "normal", "shutdown", "a_b@c1" };
	static const char *const hidden[] = { "{password,\"x\"}", "'x y'",
					      "tenant_42", "<<\"hunter2\">>",
					      "42", "" };

	(void)state;
	assert_int_equal(fake_init(&f, 27), 0);
	mark = f.used;
	RULES("match:tenant_[0-9]+");
	for (size_t i = 0; i < 9; i++) {
		const char *text = i < 3 ? shown[i] : hidden[i - 3];
		const struct scope_event *got;

		term_event(SCOPE_KIND_PROC_EXIT, FAKE_NIL);
		ev.nfields = 0;
		scope_event_add_text(&ev, SCOPE_FIELD_REASON_TEXT, text,
				     strlen(text));
		got = redacted();
		if (i < 3)
			assert_ptr_equal(got, &ev);
		else
			assert_memory_equal(got->fields[0].text, "[redacted]",
					    10);
	}
	done();
	scope_vm_done(&f.vm);
}

static void wrong_rules_are_refused(void **state)
{
	static const char *const wrong[] = {
		"", "password", "key:", "atom:", "field:x", "field:.x",
		"match:", "match:(", "kind:none", "kind:", "@/nonexistent",
		"@/dev",
	};

	(void)state;
	assert_int_equal(scope_redact_new(&r), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct scope_err err = { 0 };

		assert_true(scope_redact_add(r, wrong[i], &err) < 0);
		assert_true(strlen(err.text) > 10);
	}
	done();
}

static void rules_come_from_files(void **state)
{
	static const char text[] = "# rules\n\n  key:password \r\nmatch:x y\n";
	char path[] = "/tmp/scope_redact_XXXXXX", rule[64];
	struct scope_err err = { 0 };
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	(void)snprintf(rule, sizeof(rule), "@%s", path);
	assert_int_equal(fake_init(&f, 25), 0);
	mark = f.used;
	RULES(rule);
	SHOWN(pair(fake_atom(&f, "password"), fake_int(1)),
	      "{password,'[redacted]'}");
	SHOWN(bin("x y"), "'[redacted]'");
	done();
	scope_vm_done(&f.vm);
	/* Another file, or a wrong line, is told with its place. */
	assert_int_equal(write(fd, rule, strlen(rule)), strlen(rule));
	assert_int_equal(scope_redact_new(&r), 0);
	assert_int_equal(scope_redact_add(r, rule, &err), -EINVAL);
	assert_non_null(strstr(err.text, ":5: "));
	done();
	(void)close(fd);
	(void)unlink(path);
}

static void the_default_hides_what_it_should(void **state)
{
	static const char *const secret[] = {
		"Authorization: Bearer abcdef123456",
		"postgres://app:hunter2@db/shop",
		"-----BEGIN RSA PRIVATE KEY-----\nMIIE",
		"AKIAIOSFODNN7EXAMPLE",
		"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
		"{\"user\":\"bob\",\"password\":\"hunter2\"}",
		"{\\\"api_key\\\": \\\"hunter2\\\"}",
		"host=db dbname=shop PASSWORD=hunter2",
		"user=bob&access_token=hunter2",
		"GET / HTTP/1.1\r\nCookie: session=hunter2\r\n",
		"login --db-password hunter2 --user bob",
	};
	static const char *const plain[] = {
		"http://db:5432/shop", "bearer of news", "SELECT 1",
		"a token of love", "no password", "login --user bob",
	};

	(void)state;
	assert_int_equal(fake_init(&f, 27), 0);
	mark = f.used;
	RULES("default");
	for (size_t i = 0; i < sizeof(secret) / sizeof(*secret); i++)
		SHOWN(bin(secret[i]), "'[redacted]'");
	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
		assert_null(strstr(shown(bin(plain[i])), "[redacted]"));
	SHOWN(pair(bin("access_token"), bin("x")),
	      "{<<\"access_token\">>,'[redacted]'}");
	done();
	scope_vm_done(&f.vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_stands_under_a_key),
		cmocka_unit_test(what_an_atom_begins),
		cmocka_unit_test(a_field_of_a_struct),
		cmocka_unit_test(text_with_a_match),
		cmocka_unit_test(cut_text_is_in_doubt),
		cmocka_unit_test(keys_that_are_not_there_are_in_doubt),
		cmocka_unit_test(hostile_terms_end),
		cmocka_unit_test(kinds_and_keys_of_the_event),
		cmocka_unit_test(names_are_text_too),
		cmocka_unit_test(terms_that_are_text_are_hidden),
		cmocka_unit_test(wrong_rules_are_refused),
		cmocka_unit_test(rules_come_from_files),
		cmocka_unit_test(the_default_hides_what_it_should),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
