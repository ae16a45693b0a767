/* SPDX-License-Identifier: MIT */
/* The metrics that several processes share, and who is ready. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <arpa/inet.h>

#include <cmocka.h>

#include "cli/health.h"

#define NODES 3

static struct scope_health *health;

static int setup(void **state)
{
	(void)state;
	return scope_health_new(NODES, &health);
}

static int teardown(void **state)
{
	(void)state;
	scope_health_free(health);
	return 0;
}

/* What node `i` of a process does to node `other`; how it ends. */
static int touch(size_t i, size_t other)
{
	const struct rlimit none = { 0, 0 };
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)setrlimit(RLIMIT_CORE, &none);
		(void)signal(SIGSEGV, SIG_DFL);
		scope_health_keep(health, i);
		scope_metrics_set(scope_health_node(health, other)->os_pid,
				  42);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void a_process_reaches_its_own_node_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < NODES; i++) {
		for (size_t other = 0; other < NODES; other++) {
			scope_metrics_set(
				scope_health_node(health, other)->os_pid, 0);
			if (i == other) {
				assert_int_equal(touch(i, other), 0);
				assert_int_equal(
					scope_health_node(health, other)->os_pid,
					42);
			} else {
				assert_true(WIFSIGNALED(touch(i, other)));
				assert_int_equal(
					scope_health_node(health, other)->os_pid,
					0);
			}
		}
	}
}

/* The status of the answer. */
static int get(const char *path)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	const char *where = scope_health_where(health);
	int fd = socket(AF_INET, SOCK_STREAM, 0), status = 0, n;
	char text[256];

	a.sin_port = htons((uint16_t)atoi(strrchr(where, ':') + 1));
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	n = snprintf(text, sizeof(text),
		     "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		     path);
	assert_int_equal(write(fd, text, (size_t)n), n);
	n = (int)read(fd, text, sizeof(text) - 1);
	assert_true(n > 12);
	text[n] = '\0';
	assert_int_equal(sscanf(text, "HTTP/1.1 %d", &status), 1);
	(void)close(fd);
	return status;
}

static void ready_is_who_watches_all_there_is(void **state)
{
	struct scope_err err = { 0 };

	(void)state;
	assert_int_equal(scope_health_listen(health, "0", NULL, &err), 0);
	assert_int_equal(scope_health_start(health, &err), 0);
	assert_int_equal(get("/healthz"), 200);
	assert_int_equal(get("/readyz"), 503);
	scope_metrics_set(scope_health_node(health, 1)->attached_ns, 1);
	assert_int_equal(get("/readyz"), 200);
	scope_metrics_set(scope_health_node(health, 1)->attached_ns, 0);
	assert_int_equal(get("/readyz"), 503);
	scope_health_all_is_watched(health, true);
	assert_int_equal(get("/readyz"), 200);
	scope_health_all_is_watched(health, false);
	assert_int_equal(get("/readyz"), 503);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_process_reaches_its_own_node_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(
			ready_is_who_watches_all_there_is, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
