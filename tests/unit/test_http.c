/* SPDX-License-Identifier: MIT */
/* The HTTP server, asked over a socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/server.h"

static bool healthy = true, ready = true;
static size_t fill;

static bool is_healthy(void *arg)
{
	(void)arg;
	return healthy;
}

static bool is_ready(void *arg)
{
	(void)arg;
	return ready;
}

static void metrics(void *arg, struct scope_buf *out)
{
	(void)arg;
	scope_buf_lit(out, "the_numbers 1\n");
	for (size_t i = 0; i < fill; i++)
		scope_buf_char(out, 'x');
}

static struct scope_http_opts opts = {
	.is_healthy = is_healthy,
	.is_ready = is_ready,
	.metrics = metrics,
};

static struct scope_http *serve(const char *listen, const char *token_file)
{
	struct scope_http *h = NULL;
	struct scope_err err = { 0 };

	opts.listen = listen;
	opts.token_file = token_file;
	if (scope_http_new(&opts, &h, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(scope_http_start(h, &err), 0);
	return h;
}

/* Send text as it is; the status, 0 when there is no answer, and the answer in
 * got. */
static char got[8192];
static int ask(const struct scope_http *h, const char *text)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	const char *port = strrchr(scope_http_where(h), ':') + 1;
	int fd = socket(AF_INET, SOCK_STREAM, 0), code = 0;
	size_t len = 0;
	ssize_t n;

	a.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL),
			 strlen(text));
	(void)shutdown(fd, SHUT_WR);
	while ((n = read(fd, got + len, sizeof(got) - 1 - len)) > 0)
		len += (size_t)n;
	got[len] = '\0';
	(void)close(fd);
	(void)sscanf(got, "HTTP/1.1 %d", &code);
	return code;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

static void it_answers(void **state)
{
	struct scope_http *h = serve("0", NULL);

	(void)state;
	assert_memory_equal(scope_http_where(h), "127.0.0.1:", 10);
	assert_int_equal(ask(h, GET("/healthz")), 200);
	assert_int_equal(ask(h, GET("/readyz")), 200);
	assert_int_equal(ask(h, GET("/metrics")), 200);
	assert_non_null(strstr(got, "the_numbers 1"));
	assert_non_null(strstr(got, "version=0.0.4"));
	assert_int_equal(ask(h, GET("/")), 404);
	assert_int_equal(ask(h, "POST /metrics HTTP/1.1\r\nHost: x\r\n"
				"Content-Length: 5\r\n\r\nhello"), 405);
	assert_int_equal(ask(h, "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n"),
			 200);
	healthy = ready = false;
	assert_int_equal(ask(h, GET("/healthz")), 503);
	assert_int_equal(ask(h, GET("/readyz")), 503);
	healthy = ready = true;
	fill = 5u << 20;
	assert_int_equal(ask(h, GET("/metrics")), 500);
	fill = 0;
	scope_http_free(h);
}

static void nonsense_does_no_harm(void **state)
{
	struct scope_http *h = serve("127.0.0.1:0", NULL);
	static char long_line[100000];

	(void)state;
	memset(long_line, 'A', sizeof(long_line) - 1);
	(void)ask(h, "");
	(void)ask(h, "\r\n\r\n");
	(void)ask(h, "GET\r\n\r\n");
	(void)ask(h, "GET /metrics HTTP/9.9\r\n\r\n");
	memcpy(long_line, "GET /", 5);
	(void)ask(h, long_line);
	assert_int_equal(ask(h, GET("/healthz")), 200);
	scope_http_free(h);
}

static void a_token_is_asked_for(void **state)
{
	char path[] = "/tmp/scope_token_XXXXXX";
	int fd = mkstemp(path);
	struct scope_http *h;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "s3cret\n", 7), 7);
	h = serve("0.0.0.0:0", path);
	assert_int_equal(ask(h, GET("/metrics")), 401);
	assert_null(strstr(got, "the_numbers"));
	assert_int_equal(ask(h, "GET /metrics HTTP/1.1\r\nHost: x\r\n"
				"Authorization: Bearer s3cre\r\n\r\n"), 401);
	assert_int_equal(ask(h, "GET /metrics HTTP/1.1\r\nHost: x\r\n"
				"Authorization: Bearer s3cret2\r\n\r\n"), 401);
	assert_int_equal(ask(h, "GET /metrics HTTP/1.1\r\nHost: x\r\n"
				"Authorization: Basic s3cret\r\n\r\n"), 401);
	assert_int_equal(ask(h, "GET /metrics HTTP/1.1\r\nHost: x\r\n"
				"Authorization: Bearer s3cret\r\n\r\n"), 200);
	/* A cluster's probes have none. */
	assert_int_equal(ask(h, GET("/healthz")), 200);
	scope_http_free(h);
	(void)close(fd);
	(void)unlink(path);
}

static void what_it_does_not_listen_on(void **state)
{
	static const char *const wrong[][2] = {
		{ "", NULL },		   { "x", NULL },
		{ "host:80", NULL },	   { "70000", NULL },
		{ "127.0.0.1:", NULL },	   { "127.0.0.1:80x", NULL },
		{ "0.0.0.0:0", NULL },	   { "[::]:0", NULL },
		{ "0", "/nonexistent" },   { "0", "/dev/null" },
		{ "203.0.113.1:1", "/etc/hostname" },
	};
	struct scope_http *h = serve("127.1.2.3:0", NULL), *second = NULL;
	struct scope_err taken = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct scope_err err = { 0 };

		opts.listen = wrong[i][0];
		opts.token_file = wrong[i][1];
		if (scope_http_new(&opts, &second, &err) >= 0)
			fail_msg("it listens on %s", wrong[i][0]);
		assert_true(strlen(err.text) > 10);
	}
	opts.listen = scope_http_where(h);
	opts.token_file = NULL;
	assert_int_equal(scope_http_new(&opts, &second, &taken), -EADDRINUSE);
	scope_http_free(h);
}

static void secrets_are_compared_whole(void **state)
{
	(void)state;
	assert_true(scope_http_same("abc", "abc"));
	assert_false(scope_http_same("abc", "abd"));
	assert_false(scope_http_same("abc", "abcabc"));
	assert_false(scope_http_same("abc", ""));
	assert_false(scope_http_same("abc", "ab"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_answers),
		cmocka_unit_test(nonsense_does_no_harm),
		cmocka_unit_test(a_token_is_asked_for),
		cmocka_unit_test(what_it_does_not_listen_on),
		cmocka_unit_test(secrets_are_compared_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
