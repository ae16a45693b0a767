/* SPDX-License-Identifier: MIT */
#include "cli/sandbox.h"

#include <asm/ioctls.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "attacher/drop.h"
#include "base/nice.h"
#include "cli/exit.h"

/* Allowed whatever the arguments. Names, because not every architecture has
 * all; those that it has not are left out. */
static const char *const always[] = {
	/* memory and threads */
	"brk", "munmap", "mremap", "madvise", "futex", "set_robust_list",
	"get_robust_list", "rseq", "membarrier", "sched_yield",
	"sched_getaffinity", "gettid", "getpid", "getppid", "exit",
	"exit_group", "restart_syscall",
	/* signals */
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait",
	"sigaltstack", "wait4", "waitid",
	/* descriptors that are open */
	"read", "readv", "pread64", "preadv", "write", "writev", "close",
	"lseek", "fstat", "dup", "dup2", "dup3", "poll", "ppoll", "select",
	"pselect6", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait",
	"eventfd2", "pipe2", "recvmsg", "recvfrom", "sendmsg", "fadvise64",
	/* files, to read */
	"access", "faccessat", "faccessat2", "stat", "lstat", "newfstatat",
	"statx", "readlink", "readlinkat", "getdents64", "getcwd",
	/* time, and what the machine is */
	"clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep",
	"gettimeofday", "time", "getrandom", "getrusage", "times", "uname",
	"sysinfo", "getuid", "geteuid", "getgid", "getegid", "getpgrp",
	"getpgid", "getpriority", "setpriority",
};

static const char *const files[] = {
	"openat", "open", "rename", "renameat", "renameat2", "unlink",
	"unlinkat", "ftruncate", "fsync", "fdatasync", "fchmod", "fallocate",
	"flock", "pwrite64",
};

/* Finding hosts asks the kernel for our addresses, and loads libraries. */
static const char *const network[] = {
	"socket", "socketpair", "connect", "bind", "getsockopt", "setsockopt",
	"getsockname", "getpeername", "shutdown", "sendto", "sendmmsg",
	"recvmmsg", "mmap", "mprotect",
};

/* A socket that listens already. */
static const char *const listening[] = {
	"accept", "accept4", "setsockopt", "getsockopt", "getsockname",
	"getpeername", "shutdown",
};

/* What a terminal is asked, and told; not to take input that nobody typed. */
static const unsigned long terminal[] = {
	TCGETS, TCSETS, TCSETSW, TCSETSF, TCFLSH, TIOCGWINSZ, TIOCGPGRP,
	FIONREAD, FIONBIO,
};

static const int control[] = {
	F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD, F_DUPFD_CLOEXEC,
};

static void (*on_violation)(void);

static void say_violation(int sig, siginfo_t *info, void *context)
{
	char text[200];
	int n;

	(void)sig;
	(void)context;
	if (on_violation)
		on_violation();
	n = snprintf(text, sizeof(text),
		     "scope-bpf: system call %d is none that reading a node "
		     "takes, and was not made; this is a defect, or the node "
		     "took the program over\n",
		     info->si_syscall);
	if (n > 0)
		(void)!write(STDERR_FILENO, text, (size_t)n);
	_exit(SCOPE_EXIT_FAILED);
}

static int allow(scmp_filter_ctx ctx, const char *name, struct scmp_arg_cmp arg)
{
	int nr = seccomp_syscall_resolve_name(name);

	return nr == __NR_SCMP_ERROR ?
		       0 :
		       seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 1, arg);
}

static struct scmp_arg_cmp is(unsigned arg, scmp_datum_t value)
{
	return (struct scmp_arg_cmp){ .arg = arg,
				      .op = SCMP_CMP_EQ,
				      .datum_a = value };
}

static int add_all(scmp_filter_ctx ctx, const char *const *names, size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		int nr = seccomp_syscall_resolve_name(names[i]);

		if (nr != __NR_SCMP_ERROR)
			r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
	}
	return r;
}

#define add_table(ctx, t) add_all(ctx, t, sizeof(t) / sizeof(*(t)))

static int add_files(scmp_filter_ctx ctx)
{
	/* O_TMPFILE has the bit of O_DIRECTORY, which is harmless. */
	const scmp_datum_t writes =
		(O_ACCMODE | O_CREAT | O_TRUNC | O_TMPFILE) & ~O_DIRECTORY;

	return allow(ctx, "openat",
		     SCMP_A2(SCMP_CMP_MASKED_EQ, writes, O_RDONLY)) |
	       allow(ctx, "open",
		     SCMP_A1(SCMP_CMP_MASKED_EQ, writes, O_RDONLY));
}

static int add_no_network(scmp_filter_ctx ctx)
{
	/* No code that is not there yet. */
	return allow(ctx, "mmap", SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) |
	       allow(ctx, "mprotect",
		     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) |
	       allow(ctx, "sendto", is(4, 0));
}

/* Those of which it depends on an argument. */
static int add_some(scmp_filter_ctx ctx)
{
	const scmp_datum_t self = (scmp_datum_t)getpid();
	int r = 0;

	/* Threads, but no processes. clone3's flags are out of a filter's reach:
	 * glibc then takes clone. */
	r |= allow(ctx, "clone",
		   SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
	r |= seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	r |= allow(ctx, "prctl", is(0, PR_SET_NAME));
	r |= seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(prctl), 1,
			      is(0, 0x53564d41 /* PR_SET_VMA */));
	r |= allow(ctx, "prlimit64", is(2, 0));
	r |= allow(ctx, "tgkill", is(0, self));
	r |= allow(ctx, "kill", is(0, self));
	r |= allow(ctx, "kill", is(0, 0)); /* ^Z stops the job */
	for (size_t i = 0; i < sizeof(terminal) / sizeof(*terminal); i++)
		r |= allow(ctx, "ioctl", is(1, terminal[i]));
	for (size_t i = 0; i < sizeof(control) / sizeof(*control); i++)
		r |= allow(ctx, "fcntl",
			   is(1, (scmp_datum_t)control[i]));
	return r;
}

static int add_filter(const struct scope_sandbox_opts *opts)
{
	struct sigaction sa = { .sa_sigaction = say_violation,
				.sa_flags = SA_SIGINFO };
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);
	int r;

	if (!ctx)
		return -ENOMEM;
	r = add_some(ctx) | add_table(ctx, always) |
	    (opts->writes_files ? add_table(ctx, files) : add_files(ctx)) |
	    (opts->uses_network ? add_table(ctx, network) :
				  add_no_network(ctx));
	if (opts->listens)
		r |= add_table(ctx, listening);
	(void)sigemptyset(&sa.sa_mask);
	if (r == 0 && sigaction(SIGSYS, &sa, NULL) == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r;
}

int scope_sandbox_enter(const struct scope_sandbox_opts *opts,
			struct scope_err *err)
{
	int r;

	on_violation = opts->on_violation;
	scope_nice_raise();
	r = scope_drop(0, opts->keeps_user);
	if (r < 0)
		return scope_fail(err, r, "can't give up privileges: %s",
				  strerror(-r));
	if (opts->has_no_filter)
		return 0;
	r = add_filter(opts);
	return r < 0 ? scope_fail(err, -ENOTSUP,
				  "can't restrict system calls (seccomp: %s); "
				  "--no-sandbox goes on without",
				  strerror(-r)) :
		       0;
}
