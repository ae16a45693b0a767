/* SPDX-License-Identifier: MIT */
/* Many observers, one stream. The observers are played by functions here, each
 * in a process of its own, as they will be. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/discover.h"

#define MS UINT64_C(1000000)

/* What a node's observer does, by its process id. */
enum { GOOD = 100, CRASHES, LIES, ENDLESS, UNABLE, FLOODS, DIES_ONCE, LATER, SLOW };

struct shared {
	unsigned tries[16];
	unsigned attached[16]; /* lines that begin a stream, written */
	uint64_t written; /* lines, by FLOODS */
	unsigned starting, starting_max; /* of SLOW ones */
};
static struct shared *shared;
static const int *nodes; /* that are found; ends with 0 */
static unsigned looks;
static bool (*is_enough)(void); /* then it is asked to stop */
static char said[8192];

static volatile sig_atomic_t is_asked;

static void on_term(int sig)
{
	(void)sig;
	is_asked = 1;
}

/* All of it, however slow the reader is. */
static void put(const char *text, size_t n)
{
	while (n) {
		struct pollfd p = { .fd = STDOUT_FILENO, .events = POLLOUT };
		ssize_t r = write(STDOUT_FILENO, text, n);

		if (r < 0)
			(void)poll(&p, 1, 100);
		else
			text += r, n -= (size_t)r;
		if (r < 0 && errno == EPIPE)
			_exit(9);
	}
}

static void put_line(pid_t pid, uint64_t id, const char *kind)
{
	char line[256];
	int n = snprintf(line, sizeof(line),
			 "{\"id\":%" PRIu64
			 ",\"ts\":1,\"mono\":2,\"kind\":\"%s\",\"node\":\"n\","
			 "\"os_pid\":%d}\n",
			 id, kind, (int)pid);

	put(line, (size_t)n);
}

static void attach(pid_t pid)
{
	put_line(pid, 0, "node.attach");
	(void)__atomic_add_fetch(&shared->attached[pid - GOOD], 1,
				 __ATOMIC_SEQ_CST);
}

static unsigned attached(int pid)
{
	return __atomic_load_n(&shared->attached[pid - GOOD], __ATOMIC_SEQ_CST);
}

static void flood(pid_t pid)
{
	uint64_t id = 0;

	while (!is_asked) {
		put_line(pid, id++, "msg.send");
		__atomic_store_n(&shared->written, id, __ATOMIC_RELAXED);
	}
	put_line(pid, id, "summary");
	__atomic_store_n(&shared->written, id + 1, __ATOMIC_RELAXED);
}

static void wait_for_end(void)
{
	while (!is_asked)
		(void)usleep(1000);
}

static void start_slowly(void)
{
	unsigned n = __atomic_add_fetch(&shared->starting, 1, __ATOMIC_SEQ_CST);

	if (n > __atomic_load_n(&shared->starting_max, __ATOMIC_SEQ_CST))
		__atomic_store_n(&shared->starting_max, n, __ATOMIC_SEQ_CST);
	(void)usleep(50000);
	(void)__atomic_sub_fetch(&shared->starting, 1, __ATOMIC_SEQ_CST);
}

static int run(void *arg, unsigned slot, pid_t pid)
{
	unsigned try = shared->tries[pid - GOOD]++;

	(void)arg;
	(void)slot;
	(void)signal(SIGTERM, on_term);
	(void)signal(SIGPIPE, SIG_IGN);
	switch (pid) {
	case CRASHES:
		attach(pid);
		put("{\"id\":1", 7);
		(void)raise(SIGKILL);
		break;
	case DIES_ONCE:
		if (try == 0)
			(void)raise(SIGKILL);
		break;
	case LIES:
		put_line(pid, 0, "node.attach");
		put_line(GOOD, 1, "msg.send");
		put_line(pid, 2, "msg.send");
		(void)__atomic_add_fetch(&shared->attached[LIES - GOOD], 1,
					 __ATOMIC_SEQ_CST);
		wait_for_end();
		return 0;
	case ENDLESS:
		for (int i = 0; i < 5000 && !is_asked; i++)
			put("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
			    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
			    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
			    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
			    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
			    254);
		return 0;
	case UNABLE:
		fprintf(stderr, "scope-bpf: not \033[2Jknown\n");
		return 4;
	case FLOODS:
		flood(pid);
		return 5;
	}
	if (pid >= SLOW)
		start_slowly();
	attach(pid);
	wait_for_end();
	put_line(pid, 1, "summary");
	return 0;
}

static int find(struct scope_found *out, size_t max)
{
	int n = 0;

	looks++;
	if (is_enough())
		(void)raise(SIGTERM);
	for (const int *at = nodes; *at && (size_t)n < max; at++) {
		if (*at == LATER && looks < 2)
			continue;
		out[n] = (struct scope_found){ .pid = *at, .started = 1 };
		(void)snprintf(out[n].node, sizeof(out[n].node), "n%d", *at);
		(void)snprintf(out[n].cmdline, sizeof(out[n].cmdline),
			       "beam.smp -sname n%d", *at);
		n++;
	}
	return n;
}

static void say(void *arg, const char *text)
{
	size_t n = strlen(said);

	(void)arg;
	(void)snprintf(said + n, sizeof(said) - n, "%s\n", text);
}

static FILE *out;
static char *lines[32];
static size_t nlines;

/* Watch these until it is enough; what came out is in lines. */
static int discover(const int *which, const char *const *names,
		    bool (*enough)(void), struct scope_discover_totals *totals)
{
	struct scope_discover_opts opts = { .names = names,
					    .duration_ns = 60000 * MS,
					    .find = find,
					    .say = say };
	struct scope_err err = { 0 };
	static char line[4096];
	int r;

	nodes = which;
	is_enough = enough;
	looks = 0;
	said[0] = '\0';
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(shared != MAP_FAILED);
	out = tmpfile();
	assert_non_null(out);
	assert_int_equal(scope_spawner_start(run, NULL, &opts.spawner, &err),
			 0);
	assert_int_equal(scope_stream_new(fileno(out), -1, 1 << 20,
					  &opts.stream),
			 0);
	r = scope_discover(&opts, totals, &err);
	assert_int_equal(scope_stream_flush(opts.stream, 5000), 0);
	scope_stream_free(opts.stream);
	scope_spawner_free(opts.spawner);
	rewind(out);
	nlines = 0;
	while (nlines < 32 && fgets(line, sizeof(line), out))
		lines[nlines++] = strdup(line);
	return r;
}

static void done(void)
{
	while (nlines)
		free(lines[--nlines]);
	(void)fclose(out);
	(void)munmap(shared, sizeof(*shared));
}

/* Lines of that node and kind. */
static unsigned count(int pid, const char *kind)
{
	char want_pid[32], want_kind[64];
	unsigned n = 0;

	(void)snprintf(want_pid, sizeof(want_pid), "\"os_pid\":%d}", pid);
	(void)snprintf(want_kind, sizeof(want_kind), "\"kind\":\"%s\"", kind);
	for (size_t i = 0; i < nlines; i++)
		n += strstr(lines[i], want_pid) && strstr(lines[i], want_kind);
	return n;
}

static bool two_are_watched(void)
{
	return attached(GOOD) && attached(LATER);
}

static void all_are_watched_until_the_end(void **state)
{
	static const int which[] = { GOOD, LATER, 0 };
	struct scope_discover_totals totals;

	(void)state;
	assert_int_equal(discover(which, NULL, two_are_watched, &totals), 0);
	assert_int_equal(count(GOOD, "node.attach"), 1);
	assert_int_equal(count(GOOD, "summary"), 1);
	assert_int_equal(count(LATER, "node.attach"), 1);
	assert_int_equal(count(LATER, "summary"), 1);
	assert_int_equal(nlines, 4);
	assert_int_equal(totals.lines, 4);
	assert_int_equal(totals.nodes, 2);
	assert_false(totals.has_lost);
	assert_true(totals.was_stopped);
	done();
}

static bool later_is_watched(void)
{
	return attached(LATER) && looks > 3;
}

static void names_choose(void **state)
{
	static const int which[] = { GOOD, LATER, 0 };
	static const char *const names[] = { "n107", NULL };
	struct scope_discover_totals totals;

	(void)state;
	assert_int_equal(discover(which, names, later_is_watched, &totals), 0);
	assert_int_equal(totals.nodes, 1);
	assert_int_equal(count(LATER, "node.attach"), 1);
	assert_non_null(strstr(said, "waiting for one"));
	done();
}

static bool all_have_failed(void)
{
	return attached(GOOD) && attached(CRASHES) >= 2 && attached(LIES) &&
	       attached(DIES_ONCE);
}

static void one_that_fails_is_alone(void **state)
{
	static const int which[] = { GOOD, CRASHES, LIES, DIES_ONCE, 0 };
	struct scope_discover_totals totals;

	(void)state;
	assert_int_equal(discover(which, NULL, all_have_failed, &totals), 0);
	assert_int_equal(count(GOOD, "node.attach"), 1);
	assert_int_equal(count(GOOD, "summary"), 1);
	assert_int_equal(count(GOOD, "msg.send"), 0);
	/* What it said before it told lies was well-formed. */
	assert_true(count(LIES, "node.attach") >= 1);
	assert_int_equal(count(LIES, "msg.send"), 0);
	assert_true(count(CRASHES, "node.attach") >= 2);
	assert_int_equal(count(DIES_ONCE, "summary"), 1);
	assert_non_null(strstr(said, "101 (n101): its observer was ended by"));
	assert_non_null(strstr(said, "102 (n102): its observer wrote what"));
	for (size_t i = 0; i < nlines; i++)
		assert_int_equal(lines[i][strlen(lines[i]) - 2], '}');
	done();
}

static bool all_have_started(void)
{
	for (const int *pid = nodes; *pid; pid++)
		if (!attached(*pid))
			return false;
	return true;
}

/* A machine full of nodes is not asked for all at once. */
static void many_start_by_and_by(void **state)
{
	static const int which[] = { SLOW,     SLOW + 1, SLOW + 2, SLOW + 3,
				     SLOW + 4, SLOW + 5, SLOW + 6, GOOD,
				     0 };
	struct scope_discover_totals totals;

	(void)state;
	assert_int_equal(discover(which, NULL, all_have_started, &totals), 0);
	for (const int *pid = which; *pid; pid++) {
		assert_int_equal(count(*pid, "node.attach"), 1);
		assert_int_equal(count(*pid, "summary"), 1);
	}
	assert_in_range(shared->starting_max, 1, 4);
	done();
}

static bool end_is_missed(void)
{
	return strstr(said, "a line without an end") && attached(GOOD);
}

static void endless_lines_end_their_observer(void **state)
{
	static const int which[] = { ENDLESS, GOOD, 0 };
	struct scope_discover_totals totals;

	(void)state;
	assert_int_equal(discover(which, NULL, end_is_missed, &totals), 0);
	assert_int_equal(nlines, 2);
	assert_non_null(strstr(said, "a line without an end"));
	done();
}

static bool it_was_tried_thrice(void)
{
	return shared->tries[UNABLE - GOOD] > 3;
}

/* Said once, though it was tried more often; and nothing harms a terminal. */
static void what_cannot_be_watched_is_said_once(void **state)
{
	static const int which[] = { UNABLE, 0 };
	struct scope_discover_totals totals;
	char *at;

	(void)state;
	assert_int_equal(discover(which, NULL, it_was_tried_thrice, &totals), 0);
	assert_int_equal(nlines, 0);
	assert_true(shared->tries[UNABLE - GOOD] >= 3);
	at = strstr(said, "104 (n104): not ?[2Jknown\n");
	assert_non_null(at);
	assert_null(strstr(at + 24, "known"));
	done();
}

static uint64_t nread; /* lines, when all is over */

static void *read_late(void *arg)
{
	static char buf[65536];
	const int *fd = arg;
	uint64_t n = 0;
	ssize_t r;

	/* Until all on the way is full. */
	for (uint64_t was = 1, now = 0; now == 0 || now != was;) {
		was = now;
		(void)usleep(200000);
		now = __atomic_load_n(&shared->written, __ATOMIC_RELAXED);
	}
	while ((r = read(*fd, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < r; i++)
			n += buf[i] == '\n';
		__atomic_store_n(&nread, n, __ATOMIC_RELAXED);
	}
	return NULL;
}

static bool some_is_read(void)
{
	return __atomic_load_n(&nread, __ATOMIC_RELAXED) > 0;
}

/* While who reads rests, the observer is kept waiting: it is the one that counts
 * what is lost. Nothing is lost on the way. */
static void no_room_is_handed_back(void **state)
{
	static const int which[] = { FLOODS, 0 };
	struct scope_discover_opts opts = { .duration_ns = 60000 * MS,
					    .find = find,
					    .say = say };
	struct scope_discover_totals totals;
	struct scope_err err = { 0 };
	pthread_t reader;
	int fds[2];

	(void)state;
	nodes = which;
	said[0] = '\0';
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(shared != MAP_FAILED);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	nread = 0;
	is_enough = some_is_read;
	assert_int_equal(scope_spawner_start(run, NULL, &opts.spawner, &err),
			 0);
	assert_int_equal(scope_stream_new(fds[1], -1, 64 << 10, &opts.stream),
			 0);
	assert_int_equal(pthread_create(&reader, NULL, read_late, fds), 0);
	assert_int_equal(scope_discover(&opts, &totals, &err), 0);
	assert_int_equal(scope_stream_flush(opts.stream, 5000), 0);
	scope_stream_free(opts.stream);
	(void)close(fds[1]);
	(void)pthread_join(reader, NULL);
	scope_spawner_free(opts.spawner);
	assert_true(shared->written > 0);
	assert_int_equal(totals.lines, shared->written);
	assert_int_equal(nread, shared->written);
	assert_true(totals.has_lost);
	(void)close(fds[0]);
	(void)munmap(shared, sizeof(*shared));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_are_watched_until_the_end),
		cmocka_unit_test(names_choose),
		cmocka_unit_test(one_that_fails_is_alone),
		cmocka_unit_test(many_start_by_and_by),
		cmocka_unit_test(endless_lines_end_their_observer),
		cmocka_unit_test(what_cannot_be_watched_is_said_once),
		cmocka_unit_test(no_room_is_handed_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
