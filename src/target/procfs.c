/* SPDX-License-Identifier: MIT */
#include "target/procfs.h"

#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <string.h>

#include "base/auto.h"
#include "base/err.h"

/* A process that ends while it is looked at answers ESRCH to read, ENOENT to
 * open. */
static int gone(int err)
{
	return err == ENOENT ? -ESRCH : -err;
}

ssize_t scope_procfs_read(const char *path, char *buf, size_t cap)
{
	scope_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t at = 0;

	if (fd < 0)
		return gone(errno);
	while (at < cap - 1) {
		ssize_t n = read(fd, buf + at, cap - 1 - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return gone(errno);
		if (n == 0)
			break;
		at += (size_t)n;
	}
	buf[at] = 0;
	return (ssize_t)at;
}

static const char *field(const char *text, const char *name)
{
	const char *p = strstr(text, name);

	return p ? p + strlen(name) : NULL;
}

int scope_procfs_status(pid_t pid, struct scope_procfs_status *ret_status)
{
	const char *state, *tgid, *kthread;
	char path[64], text[4096];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	n = scope_procfs_read(path, text, sizeof(text));
	if (n < 0)
		return (int)n;
	/* "Name:" comes first and escapes newlines, so that no name can look
	 * like another field at the start of a line. */
	state = field(text, "\nState:\t");
	tgid = field(text, "\nTgid:\t");
	if (!state || !tgid)
		return -ESRCH;
	/* Kthread: since Linux 6.8; before, only the missing memory shows. */
	kthread = field(text, "\nKthread:\t");
	*ret_status = (struct scope_procfs_status){
		.tgid = (pid_t)strtol(tgid, NULL, 10),
		.state = *state,
		.is_kernel = kthread ? *kthread == '1' :
				       !strstr(text, "\nVmSize:") &&
					       *state != 'Z' && *state != 'X',
	};
	return 0;
}

int scope_procfs_auxv(int fd, uint64_t type, uint64_t *ret_value)
{
	Elf64_auxv_t av[64];
	ssize_t n = pread(fd, av, sizeof(av), 0);

	if (n <= 0)
		return n < 0 ? gone(errno) : -ESRCH;
	for (size_t i = 0; i < (size_t)n / sizeof(*av); i++) {
		if (av[i].a_type != type)
			continue;
		*ret_value = av[i].a_un.a_val;
		return 0;
	}
	return -ENOENT;
}

int scope_procfs_comm(pid_t pid, pid_t tid, char *buf, size_t cap)
{
	char path[64];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", (int)pid,
		       (int)tid);
	n = scope_procfs_read(path, buf, cap);
	if (n < 0)
		return (int)n;
	if (n > 0 && buf[n - 1] == '\n')
		buf[n - 1] = 0;
	return 0;
}

int scope_procfs_threads(pid_t pid,
			 int (*fn)(void *arg, pid_t tid, const char *comm),
			 void *arg)
{
	struct dirent *de;
	char path[64];
	int r = 0;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	if (!dir)
		return gone(errno);
	while (r == 0 && (de = readdir(dir))) {
		char comm[32];
		long tid = strtol(de->d_name, NULL, 10);

		if (tid > 0 && scope_procfs_comm(pid, (pid_t)tid, comm,
						 sizeof(comm)) == 0)
			r = fn(arg, (pid_t)tid, comm);
	}
	(void)closedir(dir);
	return r;
}
