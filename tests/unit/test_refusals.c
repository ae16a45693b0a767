/* SPDX-License-Identifier: MIT */
/* Refused lines of several observers, and who is told of them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/refusals.h"
#include "fault.h"
#include "scope/event.h"

#define LINE(kind, pid)                                                        \
	"{\"id\":1,\"ts\":2,\"kind\":\"" kind                                  \
	"\",\"node\":\"a@b\",\"os_pid\":" #pid ",\"msg\":\"\\\"os_pid\\\":7\"}\n"

static void each_is_told_of_its_own(void **state)
{
	static const char lines[] = LINE("msg.send", 41) LINE("msg.send", 42)
		LINE("gc.end", 42) LINE("msg.send", 42) LINE("msg.send", 7)
			LINE("msg.send", 4200000000) "no line\n" LINE(
				"what.else", 41);
	scope_auto(scope_refusals) r = NULL;

	(void)state;
	assert_int_equal(scope_refusals_new(3, &r), 0);
	scope_refusals_seat(r, 0, 41);
	scope_refusals_seat(r, 2, 42);
	scope_refusals_count(r, lines, sizeof(lines) - 1);
	assert_int_equal(scope_refusals_of(r, 0)[SCOPE_KIND_MSG_SEND], 1);
	assert_int_equal(scope_refusals_of(r, 0)[SCOPE_KIND_NONE], 1);
	assert_int_equal(scope_refusals_of(r, 2)[SCOPE_KIND_MSG_SEND], 2);
	assert_int_equal(scope_refusals_of(r, 2)[SCOPE_KIND_GC_END], 1);
	assert_int_equal(scope_refusals_late(r), 3);
	for (unsigned k = 0; k < SCOPE_KIND_MAX; k++)
		assert_int_equal(scope_refusals_of(r, 1)[k], 0);
	/* The place is another one's. */
	scope_refusals_seat(r, 2, 43);
	scope_refusals_count(r, lines, sizeof(lines) - 1);
	assert_int_equal(scope_refusals_of(r, 2)[SCOPE_KIND_MSG_SEND], 2);
}

static void a_process_forked_later_sees_them(void **state)
{
	static const char line[] = LINE("msg.send", 41);
	scope_auto(scope_refusals) r = NULL;
	int pipes[2], status;
	char c = 0;
	pid_t pid;

	(void)state;
	assert_int_equal(scope_refusals_new(2, &r), 0);
	scope_refusals_seat(r, 1, 41);
	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		if (scope_refusals_keep(r) < 0 || read(pipes[0], &c, 1) != 1)
			_exit(2);
		_exit(scope_refusals_of(r, 1)[SCOPE_KIND_MSG_SEND] == 1 ? 0 : 1);
	}
	scope_refusals_count(r, line, sizeof(line) - 1);
	assert_int_equal(write(pipes[1], "x", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	(void)close(pipes[0]);
	(void)close(pipes[1]);
}

static void without_memory_there_is_none(void **state)
{
	struct scope_refusals *r = NULL;

	(void)state;
	fault_in = 0;
	assert_int_equal(scope_refusals_new(2, &r), -ENOMEM);
	fault_in = -1;
	assert_null(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_told_of_its_own),
		cmocka_unit_test(a_process_forked_later_sees_them),
		cmocka_unit_test(without_memory_there_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
