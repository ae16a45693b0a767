/* SPDX-License-Identifier: MIT */
#include "target/procfs.h"

#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
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

/* A line of mountinfo (proc(5)): ID PARENT DEVICE ROOT MOUNTPOINT OPTIONS … -
 * TYPE SOURCE SUPEROPTIONS. */
static bool is_proc(const char *line)
{
	const char *at = line;

	for (int i = 0; at && i < 4; i++) {
		at = strchr(at, ' ');
		at = at ? at + 1 : NULL;
	}
	return at && strncmp(at, "/proc ", 6) == 0 && strstr(at, " - proc ");
}

bool scope_procfs_hides(const char *root)
{
	scope_autofclose FILE *f = NULL;
	scope_autofree char *line = NULL;
	char path[600];
	bool hides = false;
	size_t cap = 0;

	(void)snprintf(path, sizeof(path), "%s/proc/self/mountinfo", root);
	f = fopen(path, "re");
	while (f && getline(&line, &cap, f) > 0) {
		const char *at = is_proc(line) ? strstr(line, "hidepid=") : NULL;

		/* The last one that is mounted there is what is seen. */
		if (is_proc(line))
			hides = at && strncmp(at + 8, "0", 1) != 0 &&
				strncmp(at + 8, "off", 3) != 0;
	}
	return hides;
}

const char *scope_procfs_hint(void)
{
	return scope_procfs_hides("") ?
		       "; /proc hides processes of others here: mount it "
		       "without hidepid (mount -o remount,hidepid=0 /proc)" :
		       "";
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
