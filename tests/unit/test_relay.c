/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/relay.h"

#define PID 4242
#define HEAD "{\"id\":1,\"ts\":2,\"mono\":3,\"kind\":\"msg.send\",\"node\":\"a@b\",\"os_pid\":4242"

static struct scope_relay *relay;
static int in;

static int begin(size_t max)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	in = fds[1];
	return scope_relay_new(fds[0], max, &relay);
}

static void end(void)
{
	if (in >= 0)
		(void)close(in);
	in = -1;
	scope_relay_free(relay);
	relay = NULL;
}

static void put(const char *text)
{
	assert_int_equal(write(in, text, strlen(text)), strlen(text));
}

static void gives(const char *want)
{
	size_t len = 0;
	const char *line = scope_relay_next(relay, &len);

	if (!want) {
		assert_null(line);
		return;
	}
	assert_non_null(line);
	assert_int_equal(len, strlen(want));
	assert_memory_equal(line, want, len);
	scope_relay_drop(relay, len);
}

static void lines_come_whole(void **state)
{
	(void)state;
	assert_int_equal(begin(64), 0);
	assert_int_equal(scope_relay_read(relay), -EAGAIN);
	put("one\ntw");
	assert_int_equal(scope_relay_read(relay), 6);
	gives("one\n");
	gives(NULL);
	put("o\n\nthree\n");
	assert_int_equal(scope_relay_read(relay), 9);
	gives("two\n");
	gives("\n");
	/* Asked again, it is the same, until it is dropped. */
	for (int i = 0; i < 2; i++) {
		size_t len;

		assert_memory_equal(scope_relay_next(relay, &len), "three\n", 6);
		assert_int_equal(len, 6);
	}
	gives("three\n");
	put("rest");
	assert_int_equal(scope_relay_read(relay), 4);
	(void)close(in);
	in = -1;
	assert_int_equal(scope_relay_read(relay), 0);
	assert_int_equal(scope_relay_fd(relay), -1);
	assert_int_equal(scope_relay_read(relay), 0);
	gives(NULL);
	assert_int_equal(scope_relay_rest(relay), 4);
	end();
}

/* Who can't hand lines on does not take more than there is room for. */
static void what_is_not_taken_stays_in_the_pipe(void **state)
{
	(void)state;
	assert_int_equal(begin(8), 0);
	put("aaa\nbbb\nccc\n");
	assert_int_equal(scope_relay_read(relay), 8);
	assert_int_equal(scope_relay_read(relay), -EAGAIN);
	gives("aaa\n");
	assert_int_equal(scope_relay_read(relay), 4);
	gives("bbb\n");
	gives("ccc\n");
	gives(NULL);
	end();
}

static void a_line_without_end_ends_the_reading(void **state)
{
	(void)state;
	assert_int_equal(begin(8), 0);
	put("1234567\n12345678");
	assert_int_equal(scope_relay_read(relay), 8);
	gives("1234567\n");
	assert_int_equal(scope_relay_read(relay), 8);
	gives(NULL);
	assert_int_equal(scope_relay_read(relay), -EMSGSIZE);
	assert_int_equal(scope_relay_fd(relay), -1);
	assert_int_equal(scope_relay_read(relay), 0);
	/* Whoever wrote it is told. */
	(void)signal(SIGPIPE, SIG_IGN);
	assert_int_equal(write(in, "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	end();
}

/* A line of the largest size, which comes in pieces. */
static void long_lines_fit(void **state)
{
	static char line[SCOPE_RELAY_LINE];
	size_t at = 0, len;

	(void)state;
	assert_int_equal(begin(SCOPE_RELAY_LINE), 0);
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\n';
	while (at < sizeof(line)) {
		ssize_t n = write(in, line + at, sizeof(line) - at);

		if (n > 0)
			at += (size_t)n;
		gives(NULL);
		assert_true(scope_relay_read(relay) > 0);
	}
	while (scope_relay_read(relay) > 0)
		;
	assert_non_null(scope_relay_next(relay, &len));
	assert_int_equal(len, sizeof(line));
	end();
}

static bool is_of(const char *line)
{
	return scope_relay_is_of(line, strlen(line), PID);
}

static void lines_of_the_node_are_known(void **state)
{
	(void)state;
	assert_true(is_of(HEAD "}"));
	assert_true(is_of(HEAD ",\"msg\":\"{'a\\\"',[]}\",\"args\":[\"{\",\"]\"]}"));
	assert_true(is_of(HEAD ",\"msg\":{\"t\":\"map\",\"v\":{\"os_pid\":1}}}"));
	/* What looks like the key is text. */
	assert_true(is_of(HEAD ",\"msg\":\"x,\\\"os_pid\\\":1\"}"));
	assert_true(is_of(HEAD ",\"msg\":\"os_pid\"}"));
	assert_true(is_of(HEAD ",\"msg\":\"gr\xc3\xbc\xc3\x9f\"}"));
}

static void lines_of_others_are_known(void **state)
{
	static const char *const lines[] = {
		"",
		"{",
		"{}",
		"scope-bpf: words",
		"{\"id\":1}",
		"{\"id\":1,\"os_pid\":4243}",
		"{\"id\":1,\"os_pid\":42421}",
		"{\"id\":1,\"os_pid\":424}",
		"{\"id\":1,\"os_pid\":\"4242\"}",
		"{\"os_pid\":4242,\"os_pid\":1}",
		"{\"os_pid\":4242,\"os_pid\":4242}",
		"{\"os_pid\":4242,\"os\\u005fpid\":1}",
		"{\"x\":{\"os_pid\":4242}}",
		"[\"os_pid\":4242]",
		HEAD,
		HEAD "]}",
		HEAD "}{\"id\":2}",
		HEAD "} ",
		HEAD ",\"msg\":\"",
		HEAD ",\"msg\":\"\\",
		HEAD ",\"msg\":\"\\\"}",
		HEAD ",\"msg\":\"\x1b[2J\"}",
		HEAD ",\t\"msg\":1}",
		HEAD ",\"msg\":\"\xc3\"}",
		HEAD ",\"msg\":[[[}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		if (is_of(lines[i]))
			fail_msg("taken: %s", lines[i]);
}

static void summaries_are_known(void **state)
{
	static const char yes[] =
		"{\"id\":1,\"ts\":2,\"mono\":3,\"kind\":\"summary\",\"os_pid\":4}";

	(void)state;
	assert_true(scope_relay_is_summary(yes, sizeof(yes) - 1));
	assert_false(scope_relay_is_summary(HEAD, sizeof(HEAD) - 1));
}

static void words_are_text(void **state)
{
	char text[16];
	struct scope_buf b = scope_buf_of(text, sizeof(text));

	(void)state;
	scope_relay_words("scope-bpf: a\x1b[2J\xff\xc2\x9bz", 20, &b);
	assert_string_equal(scope_buf_str(&b), "a?[2J??z");
	b = scope_buf_of(text, sizeof(text));
	scope_relay_words("0123456789abcdefghij", 20, &b);
	assert_true(b.len <= sizeof(text));
	b = scope_buf_of(text, sizeof(text));
	scope_relay_words("", 0, &b);
	assert_string_equal(scope_buf_str(&b), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_come_whole),
		cmocka_unit_test(what_is_not_taken_stays_in_the_pipe),
		cmocka_unit_test(a_line_without_end_ends_the_reading),
		cmocka_unit_test(long_lines_fit),
		cmocka_unit_test(lines_of_the_node_are_known),
		cmocka_unit_test(lines_of_others_are_known),
		cmocka_unit_test(summaries_are_known),
		cmocka_unit_test(words_are_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
