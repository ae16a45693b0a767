/* SPDX-License-Identifier: MIT */
/* Lines to descriptors whose readers are slow, gone or full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "export/stream.h"

#define LINES 20000
#define DEADLINE_MS 20000

static uint64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void pause_ms(unsigned ms)
{
	struct timespec t = { .tv_sec = ms / 1000,
			      .tv_nsec = (long)(ms % 1000) * 1000000 };

	(void)nanosleep(&t, NULL);
}

/* Line i is "i i i … \n" of a length that varies. */
static size_t make_line(char *s, unsigned i)
{
	size_t n = 0;

	for (unsigned k = 0; k <= i % 13; k++)
		n += (size_t)sprintf(s + n, "%u ", i);
	s[n++] = '\n';
	return n;
}

/* Reads lines until the end; each must be one that was made, in order. */
struct reader {
	int fd;
	unsigned lines;
	unsigned delay_ms; /* now and then */
	int bad;
};

static void *read_lines(void *arg)
{
	struct reader *r = arg;
	FILE *f = fdopen(r->fd, "r");
	char got[512], want[512];
	unsigned next = 0;

	while (f && fgets(got, sizeof(got), f)) {
		unsigned i;

		if (sscanf(got, "%u", &i) != 1 || i < next) {
			r->bad = 1;
			break;
		}
		want[make_line(want, i)] = '\0';
		if (strcmp(got, want) != 0)
			r->bad = 1;
		next = i + 1;
		r->lines++;
		if (r->delay_ms && r->lines % 1000 == 0)
			pause_ms(r->delay_ms);
	}
	if (f)
		(void)fclose(f);
	return NULL;
}

/* Put LINES lines; again while the buffer is full, if so asked. The number
 * that was refused. */
static unsigned put_lines(struct scope_stream *s, int insist)
{
	unsigned refused = 0;
	char line[512];

	for (unsigned i = 0; i < LINES; i++) {
		size_t n = make_line(line, i);
		int r = scope_stream_put(s, line, n, 0);

		while (insist && r == -ENOBUFS) {
			pause_ms(1);
			r = scope_stream_put(s, line, n, 0);
		}
		assert_true(r == 0 || r == -ENOBUFS);
		refused += r != 0;
	}
	return refused;
}

static void go_through(int out, int in, size_t cap, int insist, unsigned delay)
{
	struct reader r = { .fd = in, .delay_ms = delay };
	struct scope_stream *s = NULL;
	pthread_t t;
	unsigned refused;

	assert_int_equal(pthread_create(&t, NULL, read_lines, &r), 0);
	assert_int_equal(scope_stream_new(out, scope_stream_reopen(out), cap, &s), 0);
	refused = put_lines(s, insist);
	assert_int_equal(scope_stream_flush(s, DEADLINE_MS), 0);
	assert_int_equal(scope_stream_unwritten(s), 0);
	assert_int_equal(scope_stream_error(s), 0);
	scope_stream_free(s);
	(void)close(out);
	(void)pthread_join(t, NULL);
	assert_false(r.bad);
	assert_int_equal(r.lines + refused, LINES);
}

static void pipes_and_sockets_get_every_line(void **state)
{
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	go_through(p[1], p[0], 1 << 20, 1, 0);
	assert_int_equal(pipe(p), 0);
	go_through(p[1], p[0], 1000, 1, 0);
	assert_int_equal(pipe(p), 0);
	assert_int_equal(fcntl(p[1], F_SETFL, O_NONBLOCK), 0);
	go_through(p[1], p[0], 4096, 1, 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
	go_through(p[1], p[0], 65536, 1, 0);
}

static void a_slow_reader_loses_whole_lines(void **state)
{
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	go_through(p[1], p[0], 32768, 0, 20);
}

static void files_get_every_line(void **state)
{
	char path[] = "/tmp/scope-stream-XXXXXX";
	int fd = mkstemp(path);
	struct reader r = { .fd = fd };
	struct scope_stream *s = NULL;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	/* A line of somebody else stays. */
	assert_int_equal(write(fd, "0 \n", 3), 3);
	assert_int_equal(scope_stream_new(fd, scope_stream_reopen(fd), 1 << 16, &s), 0);
	(void)put_lines(s, 1);
	assert_int_equal(scope_stream_flush(s, DEADLINE_MS), 0);
	scope_stream_free(s);
	assert_int_equal(lseek(fd, 3, SEEK_SET), 3);
	(void)read_lines(&r);
	assert_false(r.bad);
	assert_int_equal(r.lines, LINES);
}

/* Nobody reads: putting must not wait, and an end comes at once. */
static void putting_never_waits(void **state)
{
	struct scope_stream *s = NULL;
	uint64_t start = now_ms();
	unsigned refused;
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	assert_int_equal(scope_stream_new(p[1], scope_stream_reopen(p[1]), 100000, &s), 0);
	refused = put_lines(s, 0);
	assert_true(refused > 0);
	assert_int_equal(scope_stream_put(s, "kept\n", 5, 1), 0);
	assert_int_equal(scope_stream_flush(s, 50), -ETIMEDOUT);
	assert_true(scope_stream_unwritten(s) > 0);
	assert_true(scope_stream_unwritten(s) <= LINES + 1 - refused);
	scope_stream_free(s);
	assert_true(now_ms() - start < 5000);
	(void)close(p[0]);
	(void)close(p[1]);
}

static void a_line_longer_than_the_buffer_is_refused(void **state)
{
	struct scope_stream *s = NULL;
	char big[4096];
	int p[2];

	(void)state;
	memset(big, 'x', sizeof(big));
	assert_int_equal(pipe(p), 0);
	assert_int_equal(scope_stream_new(p[1], scope_stream_reopen(p[1]), sizeof(big), &s), 0);
	assert_int_equal(scope_stream_put(s, big, sizeof(big), 0), -ENOBUFS);
	assert_int_equal(scope_stream_put(s, big, sizeof(big), 1), 0);
	assert_int_equal(scope_stream_flush(s, DEADLINE_MS), 0);
	scope_stream_free(s);
	(void)close(p[0]);
	(void)close(p[1]);
}

/* Wait for the stream's writer to see an error. */
static int error_of(struct scope_stream *s)
{
	uint64_t start = now_ms();

	while (!scope_stream_error(s) && now_ms() - start < DEADLINE_MS)
		pause_ms(1);
	return scope_stream_error(s);
}

static void a_reader_that_goes_away_shows(void **state)
{
	struct scope_stream *s = NULL;
	int p[2];

	(void)state;
	for (int busy = 0; busy < 2; busy++) {
		assert_int_equal(pipe(p), 0);
		assert_int_equal(scope_stream_new(p[1], scope_stream_reopen(p[1]), 1 << 16, &s), 0);
		if (busy)
			(void)put_lines(s, 0);
		(void)close(p[0]);
		/* Even when there is nothing to write. */
		assert_int_equal(error_of(s), -EPIPE);
		assert_int_equal(scope_stream_put(s, "x\n", 2, 1), -EPIPE);
		assert_int_equal(scope_stream_flush(s, DEADLINE_MS), -EPIPE);
		if (busy)
			assert_true(scope_stream_unwritten(s) > 0);
		scope_stream_free(s);
		(void)close(p[1]);
	}
}

static void a_full_disk_shows(void **state)
{
	struct scope_stream *s = NULL;
	int fd = open("/dev/full", O_WRONLY);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(scope_stream_new(fd, scope_stream_reopen(fd), 1 << 16, &s), 0);
	assert_int_equal(scope_stream_put(s, "x\n", 2, 0), 0);
	assert_int_equal(error_of(s), -ENOSPC);
	assert_int_equal(scope_stream_flush(s, DEADLINE_MS), -EPIPE);
	assert_int_equal(scope_stream_unwritten(s), 1);
	scope_stream_free(s);
	(void)close(fd);
}

static void a_closed_descriptor_shows(void **state)
{
	struct scope_stream *s = NULL;
	int fd = 1000; /* too high to be given to anything else */

	(void)state;
	assert_int_equal(scope_stream_new(fd, scope_stream_reopen(fd), 1 << 16, &s), 0);
	assert_int_equal(error_of(s), -EBADF);
	scope_stream_free(s);
	scope_stream_free(NULL);
}

/* After a pause long enough for the writer to fall asleep, a line still gets
 * out by itself. */
static void the_writer_wakes_up(void **state)
{
	struct scope_stream *s = NULL;
	char got[16];
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	assert_int_equal(scope_stream_new(p[1], scope_stream_reopen(p[1]), 1 << 16, &s), 0);
	for (int i = 0; i < 4; i++) {
		pause_ms(i % 2 ? 10 : 200);
		assert_int_equal(scope_stream_put(s, "a line\n", 7, 0), 0);
		assert_int_equal(read(p[0], got, sizeof(got)), 7);
	}
	scope_stream_free(s);
	(void)close(p[0]);
	(void)close(p[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pipes_and_sockets_get_every_line),
		cmocka_unit_test(a_slow_reader_loses_whole_lines),
		cmocka_unit_test(files_get_every_line),
		cmocka_unit_test(putting_never_waits),
		cmocka_unit_test(a_line_longer_than_the_buffer_is_refused),
		cmocka_unit_test(a_reader_that_goes_away_shows),
		cmocka_unit_test(a_full_disk_shows),
		cmocka_unit_test(a_closed_descriptor_shows),
		cmocka_unit_test(the_writer_wakes_up),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
