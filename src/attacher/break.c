/* SPDX-License-Identifier: MIT */
/*
 * Execution breakpoints: a debug register of each thread that runs Erlang code.
 * Events are the threads' own, so that other processes of the machine pay
 * nothing; threads that run schedulers are there from the start.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include <bpf/libbpf.h>

#include "attacher/node_int.h"
#include "base/auto.h"

#define TESTS 32 /* hits of the test that they work at all */

/* x86 wants this length of all that breaks on execution; arm64, four. */
#if defined(__x86_64__)
#define BREAK_BYTES sizeof(long)
#else
#define BREAK_BYTES 4
#endif

static int open_event(uint64_t addr, pid_t thread)
{
	struct perf_event_attr a = {
		.type = PERF_TYPE_BREAKPOINT,
		.size = sizeof(a),
		.bp_type = HW_BREAKPOINT_X,
		.bp_addr = addr,
		.bp_len = BREAK_BYTES,
		.sample_period = 1,
		.exclude_kernel = 1,
		.exclude_hv = 1,
		.disabled = 1,
	};
	int fd = (int)syscall(SYS_perf_event_open, &a, thread, -1, -1,
			      PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

__attribute__((noinline)) static void landing(void)
{
	__asm__ volatile("");
}

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Some virtual machines take breakpoints and never report one. Tried once, on
 * ourselves. What one costs is told, too. */
static int try_them(uint64_t *ret_ns)
{
	static uint64_t ns;
	static int result = 1;
	uint64_t count = 0, since;
	scope_autoclose int fd = -1;

	*ret_ns = ns;
	if (result <= 0)
		return result;
	fd = open_event((uint64_t)(uintptr_t)landing, 0);
	if (fd < 0)
		return fd;
	(void)ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
	since = now_ns();
	for (int i = 0; i < TESTS; i++)
		landing();
	ns = (now_ns() - since) / TESTS;
	if (read(fd, &count, sizeof(count)) != sizeof(count) || count != TESTS)
		result = -EOPNOTSUPP;
	else
		result = 0;
	*ret_ns = ns;
	return result;
}

/* Whether an address is in code that is none of the node's files: what the JIT
 * has made, in memory of its own (asmjit: a memfd, or a file that is removed at
 * once, or neither). */
static bool is_jit_code(const struct scope_node *n, uint64_t addr)
{
	char path[64], line[4400];
	bool is_found = false;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)n->pid);
	f = fopen(path, "re");
	while (f && !is_found && fgets(line, sizeof(line), f)) {
		unsigned long long from, to, inode;
		char perms[8];
		int at = 0;

		if (sscanf(line, "%llx-%llx %7s %*x %*x:%*x %llu %n", &from,
			   &to, perms, &inode, &at) != 4 ||
		    addr < from || addr >= to)
			continue;
		if (strlen(perms) < 3 || perms[2] != 'x')
			break;
		is_found = !line[at] || line[at] == '\n' ||
			   !strncmp(line + at, "[anon:", 6) ||
			   !strncmp(line + at, "/memfd:", 7) ||
			   !strncmp(line + at, "/dev/shm/", 9);
		break;
	}
	if (f)
		(void)fclose(f);
	return is_found;
}

/* Normal schedulers alone run Erlang code; dirty ones run C (names: see
 * target/sched.c). */
static bool is_scheduler(const struct scope_node *n, const char *tid)
{
	char path[300], comm[32] = "";
	scope_autoclose int fd = -1;
	size_t digits;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%.200s/comm",
		       (int)n->pid, tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, comm, sizeof(comm) - 1) <= 0)
		return false;
	digits = strspn(comm, "0123456789");
	return !strncmp(comm, "erts_sched_", 11) ||
	       (digits && !strncmp(comm + digits, "_sched", 6));
}

static bool has_thread(const struct scope_node *n, pid_t tid)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d", (int)n->pid,
		       (int)tid);
	return access(path, F_OK) == 0;
}

static int add_event(struct scope_node *n, struct scope_breaks *b, int prog,
		     uint64_t addr, pid_t tid)
{
	int fd = open_event(addr, tid);

	if (fd < 0)
		return fd;
	if (!has_thread(n, tid)) {
		(void)close(fd);
		return -ESRCH;
	}
	if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, prog) < 0) {
		int r = -errno;

		(void)close(fd);
		return r;
	}
	b->fd[b->n++] = fd;
	return 0;
}

static int add_events(struct scope_node *n, struct scope_breaks *b, int prog,
		      uint64_t addr, bool all)
{
	struct dirent *e;
	char path[64];
	int r = 0;
	DIR *d;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)n->pid);
	d = opendir(path);
	if (!d)
		return -errno;
	while (r == 0 && (e = readdir(d))) {
		pid_t tid = (pid_t)strtol(e->d_name, NULL, 10);

		if (tid <= 0 || (!all && !is_scheduler(n, e->d_name)))
			continue;
		r = b->n < SCOPE_BREAK_THREADS ?
			    add_event(n, b, prog, addr, tid) :
			    -EMFILE;
		if (r == -ESRCH)
			r = 0; /* it has ended */
	}
	(void)closedir(d);
	return r;
}

/* Take one off; returns how often it was hit. */
static uint64_t take_off(struct scope_breaks *b)
{
	uint64_t sum = 0, hits;

	for (size_t i = 0; i < b->n; i++)
		(void)ioctl(b->fd[i], PERF_EVENT_IOC_DISABLE, 0);
	for (size_t i = 0; i < b->n; i++) {
		if (read(b->fd[i], &hits, sizeof(hits)) == sizeof(hits))
			sum += hits;
		(void)close(b->fd[i]);
	}
	b->n = 0;
	return sum;
}

/* Four for each scheduler, of which there may be a thousand. */
static void want_descriptors(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &l);
	}
}

int scope_node_break(struct scope_node *n, unsigned reg, uint64_t addr,
		     struct scope_reply *reply)
{
	struct bpf_program *prog =
		n->obj ? bpf_object__find_program_by_name(n->obj, "on_break") :
			 NULL;
	struct scope_breaks *b = &n->breaks[reg];
	int r, fd = prog ? bpf_program__fd(prog) : -1;

	reply->head.v[1] = take_off(b);
	if (!addr)
		return 0;
	if (fd < 0 || !is_jit_code(n, addr))
		return -EBADMSG;
	r = try_them(&reply->head.v[2]);
	if (r < 0)
		return r;
	want_descriptors();
	r = add_events(n, b, fd, addr, false);
	/* Named otherwise? */
	if (r == 0 && !b->n)
		r = add_events(n, b, fd, addr, true);
	if (r == 0 && !b->n)
		r = -ESRCH;
	if (r < 0) {
		(void)take_off(b);
		return r;
	}
	for (size_t i = 0; i < b->n; i++)
		(void)ioctl(b->fd[i], PERF_EVENT_IOC_ENABLE, 0);
	reply->head.v[0] = b->n;
	return 0;
}

void scope_node_breaks_off(struct scope_node *n)
{
	for (unsigned i = 0; i < SCOPE_BREAKS; i++)
		(void)take_off(&n->breaks[i]);
}
