/* SPDX-License-Identifier: MIT */
/*
 * What the attacher opens and reads of a node. All of it is asked of the kernel
 * by a process id, which could come to mean another process in between: the
 * pidfd is opened first, and what was opened after it counts only if the
 * process that it is of is still there at the end.
 */
#include <elf.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

#include "attacher/drop.h"
#include "attacher/node_int.h"
#include "base/auto.h"

#define MINOR_BITS 20 /* include/linux/kdev_t.h */

bool scope_node_is_gone(const struct scope_node *n)
{
	struct pollfd p = { .fd = n->pidfd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

static int gone(pid_t pid, struct scope_err *err)
{
	return scope_fail(err, -ESRCH, "PID %d has ended", (int)pid);
}

static const char *path_of(const struct scope_node *n, const char *name,
			   char *buf, size_t cap)
{
	(void)snprintf(buf, cap, "/proc/%d/%s", (int)n->pid, name);
	return buf;
}

/* Which bytes of the program's file are executable: its own headers say so. A
 * probe anywhere else is refused. */
static void read_texts(struct scope_node *n)
{
	Elf64_Ehdr e;

	if (pread(n->exe, &e, sizeof(e), 0) != sizeof(e) ||
	    memcmp(e.e_ident, ELFMAG, SELFMAG) != 0 ||
	    e.e_ident[EI_CLASS] != ELFCLASS64 ||
	    e.e_phentsize != sizeof(Elf64_Phdr))
		return;
	for (unsigned i = 0; i < e.e_phnum && n->ntexts < SCOPE_TEXTS_MAX;
	     i++) {
		Elf64_Phdr p;

		if (pread(n->exe, &p, sizeof(p),
			  (off_t)(e.e_phoff + i * sizeof(p))) != sizeof(p))
			return;
		if (p.p_type != PT_LOAD || !(p.p_flags & PF_X))
			continue;
		n->text[n->ntexts].from = p.p_offset;
		n->text[n->ntexts++].to = p.p_offset + p.p_filesz;
	}
}

static int open_exe(struct scope_node *n, struct scope_err *err)
{
	char path[64];
	ssize_t len = readlink(path_of(n, "exe", path, sizeof(path)), n->path,
			       sizeof(n->path) - 1);
	int r;

	if (len >= 0)
		n->exe = open(path, O_RDONLY | O_CLOEXEC);
	if (n->exe >= 0) {
		n->path[len] = 0;
		read_texts(n);
		return 0;
	}
	r = -errno;
	if (scope_node_is_gone(n))
		return gone(n->pid, err);
	if (len < 0 && (r == -EACCES || r == -EPERM) &&
	    !scope_caps_missing(SCOPE_CAP(CAP_SYS_PTRACE)))
		return scope_fail(err, -EPERM,
				  "looking into PID %d is refused in spite of "
				  "CAP_SYS_PTRACE: it holds more capabilities, "
				  "or is in a user namespace that ours do not "
				  "reach; run with all of them, outside of it",
				  (int)n->pid);
	if (len < 0 && (r == -EACCES || r == -EPERM))
		return scope_fail(err, -EPERM,
				  "looking into PID %d needs CAP_SYS_PTRACE; run "
				  "as root, or with CAP_BPF, CAP_PERFMON and "
				  "CAP_SYS_PTRACE",
				  (int)n->pid);
	if (r == -EACCES || r == -EPERM)
		return scope_fail(err, -EPERM,
				  "reading the program of PID %d (%s) needs "
				  "CAP_DAC_READ_SEARCH; run as root, or with "
				  "that as well",
				  (int)n->pid, n->path);
	return scope_fail(err, r, "can't open %s: %s", path, strerror(-r));
}

static void reply_ns(const struct scope_node *n, struct scope_reply *reply)
{
	struct stat st;
	char path[64];

	if (stat(path_of(n, "ns/pid", path, sizeof(path)), &st) < 0)
		return;
	/* As the kernel numbers devices inside. */
	reply->head.v[1] = (uint64_t)major(st.st_dev) << MINOR_BITS |
			   minor(st.st_dev);
	reply->head.v[2] = st.st_ino;
}

/* Field 26 of /proc/PID/stat: the lowest address of its program's code, which
 * only who may trace it is told. */
static void reply_start(const struct scope_node *n, struct scope_reply *reply)
{
	scope_autoclose int fd = -1;
	char path[64], text[2048], *p;
	ssize_t len;

	fd = open(path_of(n, "stat", path, sizeof(path)), O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (len <= 0)
		return;
	text[len] = 0;
	p = strrchr(text, ')'); /* a name can hold anything before that */
	for (unsigned field = 2; p && field < 26; field++)
		p = strchr(p + 1, ' ');
	if (p)
		reply->head.v[3] = strtoull(p, NULL, 10);
}

static void reply_file(const struct scope_node *n, const char *name,
		       uint64_t has, struct scope_reply *reply)
{
	char path[64];
	int fd = open(path_of(n, name, path, sizeof(path)),
		      O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	scope_reply_fd(reply, fd);
	reply->head.v[4] |= has;
}

static void node_close(struct scope_node *n)
{
	if (!n)
		return;
	scope_node_unload(n);
	scope_node_count_end(n);
	scope_node_threads_end(n);
	scope_node_stop_samples(n);
	if (n->exe >= 0)
		(void)close(n->exe);
	if (n->pidfd >= 0)
		(void)close(n->pidfd);
	free(n);
}

static void node_closep(struct scope_node **n)
{
	node_close(*n);
}

static int node_open(pid_t pid, struct scope_node **ret_node,
		     struct scope_reply *reply, struct scope_err *err)
{
	__attribute__((cleanup(node_closep))) struct scope_node *n =
		calloc(1, sizeof(*n));
	int r;

	if (!n)
		return scope_fail(err, -ENOMEM, "out of memory");
	n->pid = pid;
	n->exe = -1;
	n->pidfd = pidfd_open(pid, 0);
	if (n->pidfd < 0)
		return errno == ESRCH ? gone(pid, err) :
					scope_fail(err, -errno,
						   "can't watch PID %d: %s",
						   (int)pid, strerror(errno));
	r = open_exe(n, err);
	if (r < 0)
		return r;
	scope_reply_fd(reply, fcntl(n->pidfd, F_DUPFD_CLOEXEC, 3));
	scope_reply_fd(reply, fcntl(n->exe, F_DUPFD_CLOEXEC, 3));
	reply_ns(n, reply);
	reply_start(n, reply);
	/* Files of another user's process, which CAP_SYS_PTRACE does not open:
	 * READ, and the start of the code, do instead. */
	reply_file(n, "auxv", SCOPE_HAS_AUXV, reply);
	reply_file(n, "mem", SCOPE_HAS_MEM, reply);
	if (scope_node_is_gone(n))
		return gone(pid, err);
	if (reply->fds[0] < 0 || reply->fds[1] < 0)
		return scope_fail(err, -EMFILE, "too many open files");
	reply->head.text_len = (uint32_t)strlen(n->path);
	memcpy(reply->text, n->path, reply->head.text_len);
	*ret_node = scope_take(n);
	return 0;
}

/* Where debug files are, which the name of one can't lead away from. */
static int debug_path(const struct scope_node *n, enum scope_file which,
		      const char *name, char *path, size_t cap)
{
	size_t len = strlen(name);
	const char *slash = strrchr(n->path, '/');
	int w;

	if (which == SCOPE_FILE_BY_ID) {
		if (len < 4 || strspn(name, "0123456789abcdef") != len)
			return -EBADMSG;
		w = snprintf(path, cap, "/usr/lib/debug/.build-id/%.2s/%s.debug",
			     name, name + 2);
	} else {
		if (!len || strchr(name, '/') || n->path[0] != '/' || !slash)
			return -EBADMSG;
		w = snprintf(path, cap, "/usr/lib/debug%.*s/%s",
			     (int)(slash - n->path), n->path, name);
	}
	return w < 0 || (size_t)w >= cap ? -ENAMETOOLONG : 0;
}

static int node_file(struct scope_node *n, enum scope_file which, bool ours,
		     const char *name, struct scope_reply *reply)
{
	/* The folder may be another's: no link leads out of it, and nothing
	 * that is no file is waited for. */
	const struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
				      .resolve = RESOLVE_IN_ROOT |
						 RESOLVE_NO_MAGICLINKS };
	scope_autoclose int root = -1;
	char path[4600], dir[64];
	struct stat st;
	int fd, r = debug_path(n, which, name, path, sizeof(path));

	if (r < 0)
		return r;
	root = open(ours ? "/" : path_of(n, "root", dir, sizeof(dir)),
		    O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		(void)close(fd);
		return -ENOENT;
	}
	scope_reply_fd(reply, fd);
	return scope_node_is_gone(n) ? -ESRCH : 0;
}

static int node_read(struct scope_node *n, const struct scope_msg_piece *pieces,
		     size_t npieces, void *shared, struct scope_reply *reply)
{
	struct iovec here, there[SCOPE_PIECES_MAX];
	ssize_t got;

	here = (struct iovec){ shared, 0 };
	for (size_t i = 0; i < npieces; i++) {
		there[i] = (struct iovec){ (void *)(uintptr_t)pieces[i].addr,
					   pieces[i].len };
		here.iov_len += pieces[i].len;
	}
	got = process_vm_readv(n->pid, &here, 1, there, npieces, 0);
	if (got < 0 && errno != EFAULT)
		return -errno;
	/* The process id is no other's as long as this one is there. */
	if (scope_node_is_gone(n)) {
		memset(shared, 0, here.iov_len);
		return -ESRCH;
	}
	reply->head.v[0] = got < 0 ? 0 : (uint64_t)got;
	return 0;
}

/*
 * /proc/PID/fd is its user's alone. CAP_SYS_PTRACE lets us hold the descriptor
 * ourselves, as long as it takes to ask for its number: nothing is read from
 * it, and a close by the target meanwhile takes effect then.
 */
static int node_socket(struct scope_node *n, int fd, uint64_t *ret_inode)
{
	unsigned long long inode = 0;
	char path[64], name[16], to[64];
	struct stat st;
	ssize_t len;
	int r = 0, own;

	(void)snprintf(name, sizeof(name), "fd/%d", fd);
	len = readlink(path_of(n, name, path, sizeof(path)), to,
		       sizeof(to) - 1);
	if (len > 0) {
		to[len] = 0;
		if (sscanf(to, "socket:[%llu]", &inode) != 1)
			return -ENOTSOCK;
	} else {
		own = pidfd_getfd(n->pidfd, fd, 0);
		if (own < 0)
			return -errno;
		if (fstat(own, &st) < 0 || !S_ISSOCK(st.st_mode))
			r = -ENOTSOCK;
		else
			inode = st.st_ino;
		(void)close(own);
	}
	if (r == 0)
		*ret_inode = inode;
	return r < 0 ? r : scope_node_is_gone(n) ? -ESRCH : 0;
}

const struct scope_server_ops scope_server_real = {
	.open = node_open,
	.file = node_file,
	.read = node_read,
	.load = scope_node_load,
	.perf = scope_node_perf,
	.attach = scope_node_attach,
	.detach = scope_node_detach,
	.watch = scope_node_watch,
	.missed = scope_node_missed,
	.socket = node_socket,
	.thread = scope_node_thread,
	.set_break = scope_node_break,
	.count = scope_node_count,
	.hits = scope_node_hits,
	.sample = scope_node_sample,
	.clock = scope_node_clock,
	.waits = scope_node_waits,
	.close = node_close,
};
