/* SPDX-License-Identifier: MIT */
#include "attacher/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void leave_alone(const char *name, int fd)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT,
				       SIGPIPE };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; i < 3; i++)
		if (null >= 0 && i != fd)
			(void)dup2(null, i);
	if (fd > 3)
		(void)close_range(3, (unsigned)fd - 1, 0);
	(void)close_range((unsigned)(fd < 3 ? 3 : fd + 1), ~0u, 0);
	(void)prctl(PR_SET_NAME, name);
	(void)setsid();
	for (unsigned i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
}

int scope_child_start(const char *name, void (*serve)(int fd, void *arg),
		      void *arg, pid_t *ret_pid, int *ret_fd)
{
	int fds[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		leave_alone(name, fds[1]);
		/* Not for others of the same user to reach into. */
		if (prctl(PR_SET_DUMPABLE, 0) == 0)
			serve(fds[1], arg);
		_exit(0);
	}
	(void)close(fds[1]);
	if (pid < 0) {
		(void)close(fds[0]);
		return -EAGAIN;
	}
	*ret_pid = pid;
	*ret_fd = fds[0];
	return 0;
}

void scope_child_end(pid_t pid, int fd)
{
	if (fd >= 0)
		(void)close(fd);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
