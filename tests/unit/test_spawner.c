/* SPDX-License-Identifier: MIT */
/* The process that starts others, and what asks it. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/spawner.h"

enum { QUICK = 7, PATIENT, CRASH };

struct seen {
	pid_t pid[8];	    /* of the process of each slot */
	int ended[8];	    /* it was asked to end, and did */
	int slot[8], node[8];
};
static struct seen *seen;
static struct scope_spawner *spawner;

static void on_term(int sig)
{
	(void)sig;
}

static int run(void *arg, unsigned slot, pid_t pid)
{
	sigset_t term, was;
	struct sigaction sa = { .sa_handler = on_term };

	assert_ptr_equal(arg, &spawner);
	if (pid == QUICK) {
		(void)!write(STDOUT_FILENO, "out\n", 4);
		(void)!write(STDERR_FILENO, "err\n", 4);
		return 3;
	}
	if (pid == CRASH)
		(void)raise(SIGKILL);
	(void)sigemptyset(&term);
	(void)sigaddset(&term, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &term, &was);
	(void)sigaction(SIGTERM, &sa, NULL);
	seen->slot[slot] = (int)slot;
	seen->node[slot] = pid;
	__atomic_store_n(&seen->pid[slot], getpid(), __ATOMIC_SEQ_CST);
	(void)sigsuspend(&was);
	__atomic_store_n(&seen->ended[slot], 1, __ATOMIC_SEQ_CST);
	return 0;
}

static int setup(void **state)
{
	struct scope_err err = { 0 };

	(void)state;
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return seen == MAP_FAILED ?
		       -1 :
		       scope_spawner_start(run, &spawner, &spawner, &err);
}

static int teardown(void **state)
{
	(void)state;
	scope_spawner_free(spawner);
	spawner = NULL;
	return munmap(seen, sizeof(*seen));
}

static struct scope_spawn_news next(void)
{
	struct pollfd p = { .fd = scope_spawner_fd(spawner),
			    .events = POLLIN };
	struct scope_spawn_news news;

	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(scope_spawner_receive(spawner, &news), 1);
	return news;
}

static void close_pipes(const struct scope_spawn_news *news)
{
	assert_int_equal(close(news->out), 0);
	assert_int_equal(close(news->err), 0);
}

static void reads(int fd, const char *want)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char text[16] = { 0 };

	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(read(fd, text, sizeof(text) - 1), strlen(want));
	assert_string_equal(text, want);
	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(read(fd, text, 1), 0);
}

/* Until the process in that slot is there. */
static void await(const int *what)
{
	for (int i = 0; i < 1000 && !__atomic_load_n(what, __ATOMIC_SEQ_CST);
	     i++)
		(void)usleep(10000);
	assert_true(__atomic_load_n(what, __ATOMIC_SEQ_CST));
}

static void what_it_writes_and_how_it_ends_is_told(void **state)
{
	struct scope_spawn_news news;

	(void)state;
	assert_int_equal(scope_spawner_receive(spawner, &news), 0);
	assert_int_equal(scope_spawner_begin(spawner, 5, QUICK), 0);
	news = next();
	assert_int_equal(news.what, SCOPE_SPAWNED_BEGUN);
	assert_int_equal(news.slot, 5);
	reads(news.out, "out\n");
	reads(news.err, "err\n");
	close_pipes(&news);
	news = next();
	assert_int_equal(news.what, SCOPE_SPAWNED_ENDED);
	assert_int_equal(news.slot, 5);
	assert_true(WIFEXITED(news.status));
	assert_int_equal(WEXITSTATUS(news.status), 3);
	/* The slot is free again. */
	assert_int_equal(scope_spawner_begin(spawner, 5, CRASH), 0);
	news = next();
	close_pipes(&news);
	news = next();
	assert_true(WIFSIGNALED(news.status));
	assert_int_equal(WTERMSIG(news.status), SIGKILL);
}

static void one_ends_when_asked_and_others_go_on(void **state)
{
	struct scope_spawn_news news;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(scope_spawner_begin(spawner, i, PATIENT), 0);
		news = next();
		assert_int_equal(news.what, SCOPE_SPAWNED_BEGUN);
		close_pipes(&news);
		await(&seen->pid[i]);
		assert_int_equal(seen->slot[i], i);
		assert_int_equal(seen->node[i], PATIENT);
	}
	assert_int_equal(scope_spawner_end(spawner, 1), 0);
	assert_int_equal(scope_spawner_end(spawner, 1), 0);
	news = next();
	assert_int_equal(news.what, SCOPE_SPAWNED_ENDED);
	assert_int_equal(news.slot, 1);
	assert_int_equal(news.status, 0);
	assert_int_equal(seen->ended[1], 1);
	assert_int_equal(seen->ended[0] + seen->ended[2], 0);
	scope_spawner_free(spawner);
	spawner = NULL;
	/* All have ended by then. */
	assert_int_equal(seen->ended[0] + seen->ended[2], 2);
	assert_int_equal(kill(seen->pid[0], 0), -1);
}

static void what_makes_no_sense_is_not_obeyed(void **state)
{
	static const struct {
		uint16_t what, slot;
		int32_t value;
	} bad[] = {
		{ 0, 0, QUICK },   { 3, 0, QUICK },  { 1, SCOPE_SPAWN_MAX, QUICK },
		{ 1, 65535, QUICK }, { 1, 0, 0 },    { 1, 0, -1 },
		{ 1, 0, INT32_MIN }, { 2, 65535, 0 }, { 2, 3, 0 },
	};
	struct scope_spawn_news news;
	char longer[64] = { 1 };
	int fd = scope_spawner_fd(spawner);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(send(fd, &bad[i], 8, 0), 8);
	for (size_t n = 1; n < sizeof(longer); n++)
		if (n != 8)
			assert_int_equal(send(fd, longer, n, 0), n);
	assert_int_equal(scope_spawner_begin(spawner, 2, PATIENT), 0);
	/* A slot that is taken. */
	assert_int_equal(scope_spawner_begin(spawner, 2, QUICK), 0);
	news = next();
	assert_int_equal(news.what, SCOPE_SPAWNED_BEGUN);
	assert_int_equal(news.slot, 2);
	close_pipes(&news);
	await(&seen->pid[2]);
	assert_int_equal(scope_spawner_end(spawner, 2), 0);
	news = next();
	assert_int_equal(news.what, SCOPE_SPAWNED_ENDED);
	assert_int_equal(news.slot, 2);
	assert_int_equal(scope_spawner_receive(spawner, &news), 0);
}

static pid_t parent_of(pid_t pid)
{
	char path[64], text[512] = { 0 };
	FILE *f;
	int parent = -1;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (f && fgets(text, sizeof(text), f) && strrchr(text, ')'))
		(void)sscanf(strrchr(text, ')'), ") %*c %d", &parent);
	if (f)
		(void)fclose(f);
	return parent;
}

static void all_end_with_the_spawner(void **state)
{
	struct scope_spawn_news news;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(scope_spawner_begin(spawner, i, PATIENT), 0);
		news = next();
		close_pipes(&news);
		await(&seen->pid[i]);
	}
	assert_int_equal(kill(parent_of(seen->pid[0]), SIGKILL), 0);
	await(&seen->ended[0]);
	await(&seen->ended[1]);
	while (scope_spawner_receive(spawner, &news) == 0)
		(void)usleep(1000);
	assert_int_equal(scope_spawner_receive(spawner, &news), -EOWNERDEAD);
	assert_int_equal(scope_spawner_begin(spawner, 3, PATIENT), -EOWNERDEAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_it_writes_and_how_it_ends_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(
			one_ends_when_asked_and_others_go_on, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_makes_no_sense_is_not_obeyed, setup, teardown),
		cmocka_unit_test_setup_teardown(all_end_with_the_spawner, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
