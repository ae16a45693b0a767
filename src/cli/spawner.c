/* SPDX-License-Identifier: MIT */
/*
 * Each process begun has one end of a socket pair, its lifeline; the spawner
 * holds the other. When that is closed, by will or because the spawner has
 * ended, the kernel sends the process SIGTERM (fcntl(2), F_SETSIG). No right to
 * send signals is needed for that, which a process that gave up its user would
 * be out of reach for.
 */
#include "cli/spawner.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "attacher/child.h"
#include "base/time.h"

#define PATIENCE_NS UINT64_C(6000000000)
#define PIPE_BYTES (256 << 10)
#define LIFELINE 3

enum { OP_BEGIN = 1, OP_END = 2 };

/* Both ways; `what` is an operation, or an enum scope_spawned. */
struct message {
	uint16_t what;
	uint16_t slot;
	int32_t value; /* pid; status */
};
_Static_assert(sizeof(struct message) == 8, "it has padding");

struct scope_spawner {
	int fd;
	pid_t pid;
};

/* -- in the process begun -------------------------------------------------------- */

struct serving {
	int (*run)(void *arg, unsigned slot, pid_t pid);
	void *arg;
	int dumpable; /* as it was at the start */
	int fd;
	struct slot {
		pid_t pid; /* 0: free */
		int pidfd, lifeline; /* -1: closed */
	} slot[SCOPE_SPAWN_MAX];
};

/* SIGTERM when the other end of the lifeline closes. */
static void hold_lifeline(void)
{
	struct pollfd p = { .fd = LIFELINE };

	if (fcntl(LIFELINE, F_SETOWN, getpid()) < 0 ||
	    fcntl(LIFELINE, F_SETSIG, SIGTERM) < 0 ||
	    fcntl(LIFELINE, F_SETFL, O_ASYNC | O_NONBLOCK) < 0)
		_exit(1);
	if (poll(&p, 1, 0) > 0) /* closed before we asked for the signal */
		_exit(0);
}

static void become(const struct serving *s, int out, int err, int lifeline)
{
	static const int reset[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT,
				     SIGPIPE };

	/* What the socket of the spawner was may lie anywhere above 2. */
	out = fcntl(out, F_DUPFD, 10);
	err = fcntl(err, F_DUPFD, 10);
	lifeline = fcntl(lifeline, F_DUPFD, 10);
	if (dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0 ||
	    dup2(lifeline, LIFELINE) < 0)
		_exit(1);
	(void)close_range(LIFELINE + 1, ~0u, 0);
	(void)fcntl(LIFELINE, F_SETFD, FD_CLOEXEC);
	for (size_t i = 0; i < sizeof(reset) / sizeof(*reset); i++)
		(void)signal(reset[i], SIG_DFL);
	(void)prctl(PR_SET_NAME, "scope-bpf");
	(void)prctl(PR_SET_DUMPABLE, s->dumpable);
	hold_lifeline();
}

/* -- in the spawner ---------------------------------------------------------------- */

static void say(const struct serving *s, enum scope_spawned what, unsigned slot,
		int value, const int fds[2])
{
	struct message m = { .what = (uint16_t)what,
			     .slot = (uint16_t)slot,
			     .value = value };
	union {
		char bytes[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec iov = { &m, sizeof(m) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fds) {
		struct cmsghdr *c;

		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(2 * sizeof(int));
		memcpy(CMSG_DATA(c), fds, 2 * sizeof(int));
	}
	/* Nobody to tell it: the loop sees that as well. */
	(void)!sendmsg(s->fd, &msg, MSG_NOSIGNAL);
}

static int make_pipe(int fds[2])
{
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	(void)fcntl(fds[1], F_SETPIPE_SZ, PIPE_BYTES);
	return 0;
}

static void close_both(int fds[2])
{
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
}

static void cut(struct slot *slot)
{
	if (slot->pid && slot->lifeline >= 0) {
		(void)close(slot->lifeline);
		slot->lifeline = -1;
	}
}

static void begin(struct serving *s, unsigned n, pid_t node)
{
	int out[2] = { -1, -1 }, err[2] = { -1, -1 }, line[2] = { -1, -1 };
	struct slot *slot = &s->slot[n];
	int r = make_pipe(out);
	pid_t pid;

	if (r == 0)
		r = make_pipe(err);
	/* Words are few, and who writes them may wait. */
	if (r == 0 && (fcntl(err[1], F_SETFL, 0) < 0 ||
		       socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				  line) < 0))
		r = -errno;
	if (r < 0)
		goto out;
	pid = fork();
	if (pid == 0) {
		become(s, out[1], err[1], line[1]);
		_exit(s->run(s->arg, n, node));
	}
	if (pid < 0) {
		r = -errno;
		goto out;
	}
	*slot = (struct slot){ .pid = pid,
			       .pidfd = (int)syscall(SYS_pidfd_open, pid, 0),
			       .lifeline = line[0] };
	line[0] = -1;
	if (slot->pidfd < 0) {
		r = -errno;
		cut(slot);
		(void)waitpid(pid, NULL, 0);
		slot->pid = 0;
		goto out;
	}
	say(s, SCOPE_SPAWNED_BEGUN, n, 0, (const int[]){ out[0], err[0] });
out:
	if (r < 0)
		say(s, SCOPE_SPAWNED_FAILED, n, r, NULL);
	close_both(out);
	close_both(err);
	close_both(line);
}

/* What it asks for is done when it makes sense, and else not. */
static void obey(struct serving *s, const struct message *m, size_t len)
{
	if (len != sizeof(*m) || m->slot >= SCOPE_SPAWN_MAX)
		return;
	if (m->what == OP_BEGIN && m->value > 0 && !s->slot[m->slot].pid)
		begin(s, m->slot, m->value);
	else if (m->what == OP_END)
		cut(&s->slot[m->slot]);
}

/* Has this one ended? Then its slot is free. */
static bool reap(struct serving *s, unsigned n)
{
	struct slot *slot = &s->slot[n];
	int status = 0;

	if (waitpid(slot->pid, &status, WNOHANG) <= 0)
		return false;
	cut(slot);
	if (slot->pidfd >= 0)
		(void)close(slot->pidfd);
	slot->pid = 0;
	say(s, SCOPE_SPAWNED_ENDED, n, status, NULL);
	return true;
}

/* Wait until one has ended, or something is asked. False: nobody asks any more.
 * to_ms: at most so long; no requests are taken then. */
static bool await(struct serving *s, int to_ms)
{
	struct pollfd p[SCOPE_SPAWN_MAX + 1];
	struct message m;
	unsigned n = 0;
	ssize_t len;

	for (; n < SCOPE_SPAWN_MAX; n++)
		p[n] = (struct pollfd){
			.fd = s->slot[n].pid ? s->slot[n].pidfd : -1,
			.events = POLLIN,
		};
	p[n] = (struct pollfd){ .fd = to_ms < 0 ? s->fd : -1,
				.events = POLLIN };
	if (poll(p, n + 1, to_ms) < 0)
		return errno == EINTR;
	for (n = 0; n < SCOPE_SPAWN_MAX; n++)
		if (p[n].revents)
			(void)reap(s, n);
	if (!p[n].revents)
		return true;
	len = recv(s->fd, &m, sizeof(m), MSG_TRUNC);
	if (len <= 0)
		return len < 0 && errno == EINTR;
	obey(s, &m, (size_t)len);
	return true;
}

static unsigned alive(const struct serving *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SCOPE_SPAWN_MAX; i++)
		n += s->slot[i].pid != 0;
	return n;
}

static void end_all(struct serving *s)
{
	uint64_t until = scope_now_ns() + PATIENCE_NS;

	for (unsigned i = 0; i < SCOPE_SPAWN_MAX; i++)
		cut(&s->slot[i]);
	while (alive(s) && scope_now_ns() < until)
		(void)await(s, 50);
	for (unsigned i = 0; i < SCOPE_SPAWN_MAX; i++)
		if (s->slot[i].pid)
			(void)kill(s->slot[i].pid, SIGKILL);
}

static void serve(int fd, void *arg)
{
	struct serving *s = arg;

	s->fd = fd;
	while (await(s, -1))
		;
	end_all(s);
}

/* -- who asks ------------------------------------------------------------------------ */

int scope_spawner_start(int (*run)(void *arg, unsigned slot, pid_t pid),
			void *arg, struct scope_spawner **ret_spawner,
			struct scope_err *err)
{
	scope_auto(scope_spawner) s = calloc(1, sizeof(*s));
	struct serving serving = { .run = run,
				   .arg = arg,
				   .dumpable = prctl(PR_GET_DUMPABLE) };
	int r;

	if (!s)
		return scope_fail(err, -ENOMEM, "out of memory");
	s->fd = -1;
	r = scope_child_start("scope-spawner", serve, &serving, &s->pid,
			      &s->fd);
	if (r < 0)
		return scope_fail(err, r, "can't start a process: %s",
				  strerror(-r));
	*ret_spawner = scope_take(s);
	return 0;
}

void scope_spawner_free(struct scope_spawner *s)
{
	if (!s)
		return;
	scope_child_end(s->pid, s->fd);
	free(s);
}

int scope_spawner_fd(const struct scope_spawner *s)
{
	return s->fd;
}

static int ask(struct scope_spawner *s, int op, unsigned slot, pid_t pid)
{
	struct message m = { .what = (uint16_t)op,
			     .slot = (uint16_t)slot,
			     .value = pid };
	ssize_t n;

	do
		n = send(s->fd, &m, sizeof(m), MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -EOWNERDEAD : 0;
}

int scope_spawner_begin(struct scope_spawner *s, unsigned slot, pid_t pid)
{
	return ask(s, OP_BEGIN, slot, pid);
}

int scope_spawner_end(struct scope_spawner *s, unsigned slot)
{
	return ask(s, OP_END, slot, 0);
}

static size_t take_fds(struct msghdr *msg, int fds[2])
{
	size_t n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(c), n * sizeof(int));
	}
	return n;
}

int scope_spawner_receive(struct scope_spawner *s,
			  struct scope_spawn_news *ret_news)
{
	union {
		char bytes[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct message m;
	struct iovec iov = { &m, sizeof(m) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	int fds[2] = { -1, -1 };
	size_t nfds;
	ssize_t n;

	do
		n = recvmsg(s->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n != sizeof(m))
		return -EOWNERDEAD;
	nfds = take_fds(&msg, fds);
	*ret_news = (struct scope_spawn_news){
		.what = (enum scope_spawned)m.what,
		.slot = m.slot,
		.status = m.value,
		.out = fds[0],
		.err = fds[1],
	};
	if (m.what != SCOPE_SPAWNED_BEGUN || nfds == 2)
		return 1;
	/* Out of descriptors ourselves. */
	for (size_t i = 0; i < nfds; i++)
		(void)close(fds[i]);
	ret_news->out = ret_news->err = -1;
	return 1;
}
