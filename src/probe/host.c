/* SPDX-License-Identifier: MIT */
/*
 * Sources: capabilities(7), bpf(2), perf_event_open(2), proc(5), and the
 * kernel's Documentation/admin-guide/sysctl/{kernel,net}.rst, LSM/Yama.rst,
 * lockdown(7). First versions: arrays to map 5.5, CAP_BPF 5.8, memory of maps by
 * control group 5.11, bpf_loop 5.17, multi-uprobe links that know processes
 * 6.10, semaphores of USDT 4.20.
 */
#include "probe/host.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/auto.h"
#include "attacher/attacher.h"
#include "attacher/bpf_log.h"
#include "attacher/link.h"
#include "target/procfs.h"

#define VERSION(major, minor) ((major) * 1000u + (minor))
#define MEMORY_NEEDED (64u << 20) /* the program's, with 8M of buffers */
#define BREAKS_MAX 16

#define GRANT                                                                  \
	"run as root, or give the program the capabilities: setcap "           \
	"cap_bpf,cap_perfmon,cap_sys_ptrace+ep FILE (in a container: add BPF, " \
	"PERFMON and SYS_PTRACE)"

struct looking {
	const struct scope_host_env *env;
	struct scope_host *host;
	struct scope_checks *c; /* being filled in */
	unsigned version;
	unsigned long user_ns; /* 0: not told */
	uint64_t caps; /* effective, where it counts */
	bool has_caps; /* they could be read */
	bool is_rootless; /* and hold in a user namespace of its own alone */
};

const char *scope_state_name(enum scope_state state)
{
	static const char *const names[] = {
#define X(sym, name) [SCOPE_STATE_##sym] = name,
		SCOPE_STATES(X)
#undef X
	};

	return names[state];
}

struct scope_check *scope_check_add(struct scope_checks *c, const char *id,
				    const char *title, bool is_needed,
				    enum scope_state state)
{
	struct scope_check *k;

	if (c->n == SCOPE_CHECKS_MAX)
		c->n--;
	k = &c->list[c->n++];
	*k = (struct scope_check){ .id = id, .title = title, .state = state,
				   .is_needed = is_needed };
	return k;
}

void scope_check_say(struct scope_check *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(c->value, sizeof(c->value), fmt, ap);
	va_end(ap);
}

void scope_check_fix(struct scope_check *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(c->fix, sizeof(c->fix), fmt, ap);
	va_end(ap);
}

bool scope_checks_ok(const struct scope_checks *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->list[i].is_needed && c->list[i].state == SCOPE_STATE_NO)
			return false;
	return true;
}

/* -- files -------------------------------------------------------------------------- */

/* A small file under the root, without its last newline; -errno. */
static int slurp(const struct looking *l, const char *path, char *buf,
		 size_t cap)
{
	char full[600];
	scope_autofclose FILE *f = NULL;
	size_t n;

	if (snprintf(full, sizeof(full), "%s%s", l->env->root, path) >=
	    (int)sizeof(full))
		return -ENAMETOOLONG;
	f = fopen(full, "re");
	if (!f)
		return -errno;
	n = fread(buf, 1, cap - 1, f);
	if (ferror(f))
		return -EIO;
	while (n && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return 0;
}

static bool number(const struct looking *l, const char *path, long *ret)
{
	char text[64], *end;
	long v;

	if (slurp(l, path, text, sizeof(text)) < 0)
		return false;
	v = strtol(text, &end, 10);
	if (end == text)
		return false;
	*ret = v;
	return true;
}

static bool exists(const struct looking *l, const char *path)
{
	char full[600];

	(void)snprintf(full, sizeof(full), "%s%s", l->env->root, path);
	return access(full, F_OK) == 0;
}

static bool has(const struct looking *l, unsigned cap)
{
	return l->caps >> cap & 1;
}

/* CAP_SYS_ADMIN stands for the two that were split off from it. */
static bool may_bpf(const struct looking *l)
{
	return has(l, CAP_SYS_ADMIN) || has(l, CAP_BPF);
}

static bool may_perf(const struct looking *l)
{
	return has(l, CAP_SYS_ADMIN) || has(l, CAP_PERFMON);
}

static struct scope_check *add(struct looking *l, const char *id,
			       const char *title, bool is_needed, bool is_there)
{
	return scope_check_add(l->c, id, title, is_needed,
			       is_there ? SCOPE_STATE_YES : SCOPE_STATE_NO);
}

/* Inode numbers of the initial namespaces (include/linux/proc_ns.h). */
#define INITIAL_USER 4026531837ul
#define INITIAL_PID 4026531836ul

static unsigned long namespace_of(const struct looking *l, const char *name)
{
	char path[600], text[64];
	const char *p;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/proc/self/ns/%s", l->env->root,
		       name);
	n = readlink(path, text, sizeof(text) - 1);
	if (n < 0)
		return 0;
	text[n] = '\0';
	p = strchr(text, '[');
	return p ? strtoul(p + 1, NULL, 10) : 0;
}

/* -- capabilities --------------------------------------------------------------------- */

static void read_caps(struct looking *l)
{
	char text[8192];
	const char *p;

	if (slurp(l, "/proc/self/status", text, sizeof(text)) < 0)
		return;
	p = strstr(text, "\nCapEff:");
	if (!p)
		return;
	l->caps = strtoull(p + 8, NULL, 16);
	l->has_caps = true;
	if (l->user_ns && l->user_ns != INITIAL_USER) {
		l->is_rootless = l->caps != 0;
		l->caps = 0;
	}
}

static void look_at_caps(struct looking *l)
{
	const struct {
		unsigned cap;
		const char *id, *what;
		bool is_needed, by_admin;
	} caps[] = {
		{ CAP_BPF, "CAP_BPF", "load BPF programs and maps", true,
		  true },
		{ CAP_PERFMON, "CAP_PERFMON",
		  "place probes, sample, and let programs read memory", true,
		  true },
		{ CAP_SYS_PTRACE, "CAP_SYS_PTRACE",
		  "read the memory of other processes and find their files",
		  true, false },
		{ CAP_SYS_ADMIN, "CAP_SYS_ADMIN",
		  "only before 6.10: place probes there; before 5.8: all",
		  l->version < VERSION(6, 10), false },
		{ CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH",
		  "only for files of other users that are closed to us", false,
		  false },
		{ CAP_SYS_RESOURCE, "CAP_SYS_RESOURCE",
		  "only before 5.11: lock more memory than the limit allows",
		  false, false },
	};

	for (size_t i = 0; i < sizeof(caps) / sizeof(*caps); i++) {
		bool held = has(l, caps[i].cap);
		bool by_admin = !held && caps[i].by_admin &&
				has(l, CAP_SYS_ADMIN);
		struct scope_check *c =
			add(l, caps[i].id, caps[i].id, caps[i].is_needed,
			    held || by_admin);

		scope_check_say(c, "%s%s", caps[i].what,
				by_admin ? " (held as CAP_SYS_ADMIN)" :
				l->is_rootless ?
					   " (held in our user namespace "
					   "alone)" :
					   "");
		if (!l->has_caps)
			c->state = SCOPE_STATE_UNKNOWN;
		if (held || by_admin)
			continue;
		if (caps[i].is_needed)
			scope_check_fix(c, "%s",
					caps[i].cap == CAP_SYS_ADMIN ?
						"run as root" :
						GRANT);
		else
			c->state = SCOPE_STATE_INFO;
	}
}

/* -- the kernel ----------------------------------------------------------------------- */

static void look_at_version(struct looking *l)
{
	struct scope_check *c = add(l, "kernel", "kernel", true,
				    l->version >= VERSION(5, 17));

	scope_check_say(c, "%s; 5.17 or later is needed, 6.10 is best",
			l->host->kernel);
	if (c->state == SCOPE_STATE_NO)
		scope_check_fix(c, "boot a newer kernel");
	else if (l->version < VERSION(6, 10))
		c->state = SCOPE_STATE_LIMITED;
	if (c->state == SCOPE_STATE_LIMITED)
		scope_check_fix(c, "from 6.10 on probes come off in 40 ms "
				   "instead of 0.1 s each, and CAP_SYS_ADMIN "
				   "is not needed");
}

/* r: 1 there, 0 not, else it could not be tried: then by the version. */
static void by_trying(struct looking *l, const char *id, const char *title,
		      bool is_needed, int r, unsigned since, const char *fix)
{
	bool is_there = r < 0 ? l->version >= since : r > 0;
	struct scope_check *c = add(l, id, title, is_needed, is_there);

	scope_check_say(c, r < 0 ? "by the kernel's version (%u.%u or later); "
				   "not tried" :
				   "tried; since %u.%u",
			since / 1000, since % 1000);
	if (!is_there)
		scope_check_fix(c, "%s", fix);
}

static void look_at_bpf(struct looking *l)
{
	bool tries = l->env->is_tried && may_bpf(l) && may_perf(l);
	bool has_multi = l->version >= VERSION(6, 10);
	struct scope_check *c;
	bool has_rings;
	char text[64];
	long n;
	int r;

	c = add(l, "uprobes", "uprobes", true,
		exists(l, "/sys/bus/event_source/devices/uprobe/type"));
	if (c->state == SCOPE_STATE_NO) {
		scope_check_say(c, "the kernel offers none");
		scope_check_fix(c, "a kernel with CONFIG_UPROBE_EVENTS and "
				   "CONFIG_PERF_EVENTS, and /sys mounted");
	} else {
		scope_check_say(c, "there");
	}
	if (l->env->is_tried)
		has_multi = scope_link_has_multi();
	c = scope_check_add(l->c, "uprobe_multi", "multi-uprobe links", false,
			    has_multi ? SCOPE_STATE_YES : SCOPE_STATE_LIMITED);
	scope_check_say(c, has_multi ? "many probes at once, and off in 40 ms" :
				       "one perf event a probe; 0.1 s each to "
				       "take off");
	if (!has_multi)
		scope_check_fix(c, "kernel 6.10 or later (and no "
				   "SCOPE_BPF_LINKS=perf)");
	r = tries ? scope_load_has_rings() : -1;
	by_trying(l, "ring_buffer", "BPF arrays to map", false, r, VERSION(5, 5),
		  "kernel 5.5 or later");
	has_rings = r < 0 ? l->version >= VERSION(5, 5) : r > 0;
	by_trying(l, "perf_buffer", "perf event buffers", false,
		  tries ? libbpf_probe_bpf_map_type(
				  BPF_MAP_TYPE_PERF_EVENT_ARRAY, NULL) :
			  -1,
		  VERSION(4, 4), "a kernel with CONFIG_PERF_EVENTS");
	c = scope_check_add(l->c, "transport", "way of events", false,
			    SCOPE_STATE_INFO);
	scope_check_say(c, has_rings ?
				   "ring: rings in BPF arrays, as the kernel "
				   "has them; perf with --transport perf" :
				   "perf: a perf buffer for each CPU, as the "
				   "kernel has no BPF arrays to map");
	by_trying(l, "bpf_loop", "bpf_loop helper", true,
		  tries ? libbpf_probe_bpf_helper(BPF_PROG_TYPE_KPROBE,
						  BPF_FUNC_loop, NULL) :
			  -1,
		  VERSION(5, 17), "kernel 5.17 or later");

	c = scope_check_add(l->c, "bpf_jit", "BPF compiler", false,
			    SCOPE_STATE_UNKNOWN);
	if (!number(l, "/proc/sys/net/core/bpf_jit_enable", &n)) {
		scope_check_say(c, "bpf_jit_enable can't be read");
		scope_check_fix(c, "run as root, in the host's network "
				   "namespace, to see it");
	} else {
		c->state = n ? SCOPE_STATE_YES : SCOPE_STATE_LIMITED;
		scope_check_say(c, n ? "on" : "off: programs are interpreted, "
					      "several times dearer");
		if (!n)
			scope_check_fix(c, "sysctl -w "
					   "net.core.bpf_jit_enable=1");
	}

	c = scope_check_add(l->c, "btf", "kernel types (BTF)", false,
			    SCOPE_STATE_INFO);
	scope_check_say(c, "%s; not needed",
			exists(l, "/sys/kernel/btf/vmlinux") ? "there" :
							       "not there");

	c = scope_check_add(l->c, "unprivileged_bpf_disabled",
			    "unprivileged BPF", false, SCOPE_STATE_INFO);
	if (number(l, "/proc/sys/kernel/unprivileged_bpf_disabled", &n))
		scope_check_say(c, "%s; of no matter with CAP_BPF",
				n ? "off" : "on");
	else
		scope_check_say(c, "not told; of no matter with CAP_BPF");

	if (slurp(l, "/sys/kernel/security/lockdown", text, sizeof(text)) < 0) {
		c = scope_check_add(l->c, "lockdown", "lockdown", true,
				    SCOPE_STATE_YES);
		scope_check_say(c, "none that can be seen");
	} else {
		bool is_strict = strstr(text, "[confidentiality]") != NULL;

		c = add(l, "lockdown", "lockdown", true, !is_strict);
		scope_check_say(c, "%s", text);
		if (is_strict)
			scope_check_fix(c, "boot with lockdown=integrity or "
					   "none; confidentiality forbids BPF "
					   "to read memory");
	}
}

static void look_at_memlock(struct looking *l)
{
	bool by_cgroup = l->version >= VERSION(5, 11);
	struct rlimit lim = { 0 };
	struct scope_check *c;

	(void)getrlimit(RLIMIT_MEMLOCK, &lim);
	c = add(l, "memlock", "locked memory", true,
		by_cgroup || has(l, CAP_SYS_RESOURCE) ||
			lim.rlim_cur >= MEMORY_NEEDED);
	if (by_cgroup)
		scope_check_say(c, "of no matter since 5.11: control groups "
				   "count it");
	else
		scope_check_say(c, "limit %" PRIu64 " bytes",
				(uint64_t)lim.rlim_cur);
	if (c->state == SCOPE_STATE_NO)
		scope_check_fix(c, "ulimit -l unlimited, or CAP_SYS_RESOURCE");
}

/* -- perf events ----------------------------------------------------------------------- */

/* How many breakpoints a thread of ours can have at once; -errno. */
static int free_breakpoints(void)
{
	static const char place[8] = { 0 };
	struct perf_event_attr a = {
		.type = PERF_TYPE_BREAKPOINT,
		.size = sizeof(a),
		.bp_type = HW_BREAKPOINT_X,
		.bp_addr = (uint64_t)(uintptr_t)place,
		.bp_len = sizeof(long),
		.disabled = 1,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};
	int fds[BREAKS_MAX], n = 0, r = 0;

	while (n < BREAKS_MAX) {
		fds[n] = (int)syscall(SYS_perf_event_open, &a, 0, -1, -1,
				      PERF_FLAG_FD_CLOEXEC);
		if (fds[n] < 0) {
			r = -errno;
			break;
		}
		n++;
	}
	for (int i = 0; i < n; i++)
		(void)close(fds[i]);
	return n || r == -ENOSPC ? n : r;
}

static void look_at_perf(struct looking *l)
{
	struct scope_check *c;
	long n;
	int free_regs;

	c = scope_check_add(l->c, "perf_event_paranoid", "perf_event_paranoid",
			    false, SCOPE_STATE_INFO);
	if (number(l, "/proc/sys/kernel/perf_event_paranoid", &n))
		scope_check_say(c, "%ld; of no matter with CAP_PERFMON", n);
	else
		scope_check_say(c, "not told; of no matter with CAP_PERFMON");
	if (!l->env->is_tried)
		return;
	free_regs = free_breakpoints();
	c = scope_check_add(l->c, "debug_registers", "debug registers", false,
			    free_regs > 0     ? SCOPE_STATE_YES :
			    free_regs == 0    ? SCOPE_STATE_LIMITED :
			    !may_perf(l)      ? SCOPE_STATE_UNKNOWN :
						SCOPE_STATE_LIMITED);
	if (free_regs > 0) {
		scope_check_say(c, "%d free, for calls of Erlang functions",
				free_regs);
	} else if (free_regs == 0) {
		scope_check_say(c, "all taken");
		scope_check_fix(c, "end debuggers and other users of hardware "
				   "breakpoints");
	} else {
		scope_check_say(c, "can't be had: %s", strerror(-free_regs));
		scope_check_fix(c, may_perf(l) ?
					   "virtual machines may offer none; "
					   "use bare metal or another type" :
					   GRANT);
	}
}

/* -- what is around us -------------------------------------------------------------------- */

static void look_at_ptrace(struct looking *l)
{
	struct scope_check *c;
	long n;

	if (!number(l, "/proc/sys/kernel/yama/ptrace_scope", &n)) {
		c = scope_check_add(l->c, "ptrace_scope", "Yama ptrace_scope",
				    true, SCOPE_STATE_YES);
		scope_check_say(c, "Yama is not there");
		return;
	}
	c = add(l, "ptrace_scope", "Yama ptrace_scope", true, n < 3);
	scope_check_say(c, "%ld%s", n,
			n == 0 ? "" :
			n < 3  ? "; of no matter with CAP_SYS_PTRACE" :
				 "; nobody may read other processes' memory");
	if (n >= 3)
		scope_check_fix(c, "a lower kernel.yama.ptrace_scope; once 3 "
				   "it stays so until the next boot");
}

static void look_at_seccomp(struct looking *l)
{
	char text[8192];
	const char *p;
	bool is_filtered, is_refused = false;
	struct scope_check *c;

	if (slurp(l, "/proc/self/status", text, sizeof(text)) < 0)
		return;
	p = strstr(text, "\nSeccomp:");
	is_filtered = p && atoi(p + 9) == 2;
	/* A command that there is not: EINVAL unless somebody is in the way. */
	if (is_filtered && l->env->is_tried && may_bpf(l))
		is_refused = syscall(SYS_bpf, 0x7fffffff, NULL, 0) < 0 &&
			     (errno == EPERM || errno == ENOSYS);
	c = add(l, "seccomp", "seccomp", true, !is_refused);
	scope_check_say(c, !is_filtered ? "no filter" :
			   is_refused	? "a filter refuses bpf(2)" :
					  "a filter is there; bpf(2) is not "
					  "refused by it");
	if (is_refused)
		scope_check_fix(c, "a seccomp profile that allows bpf, "
				   "perf_event_open, process_vm_readv and "
				   "pidfd_open (or: Unconfined)");
}

static void look_at_namespaces(struct looking *l)
{
	unsigned long user = l->user_ns;
	unsigned long pid = namespace_of(l, "pid");
	struct scope_check *c;

	c = add(l, "user_namespace", "user namespace", true,
		!user || user == INITIAL_USER);
	scope_check_say(c, !user ? "not told" :
			   user == INITIAL_USER ?
				   "the initial one" :
				   "one of its own: capabilities in it do not "
				   "reach the kernel's BPF");
	if (!user) {
		c->state = SCOPE_STATE_UNKNOWN;
		scope_check_fix(c, "mount /proc");
	} else if (c->state == SCOPE_STATE_NO) {
		scope_check_fix(c, "run outside of it: not rootless, and with "
				   "hostUsers: true in Kubernetes");
	}
	if (scope_procfs_hides(l->env->root)) {
		c = scope_check_add(l->c, "hidepid", "processes of others",
				    true, SCOPE_STATE_NO);
		scope_check_say(c, "/proc hides them (hidepid)");
		scope_check_fix(c, "mount -o remount,hidepid=0 /proc");
	}
	c = scope_check_add(l->c, "pid_namespace", "pid namespace", false,
			    SCOPE_STATE_INFO);
	if (pid == INITIAL_PID || !pid) {
		scope_check_say(c, pid ? "the initial one: all nodes are seen" :
					 "not told");
	} else {
		scope_check_say(c, "one of its own: only nodes in it are seen");
		scope_check_fix(c, "for others: hostPID or "
				   "shareProcessNamespace in Kubernetes, --pid "
				   "host or container:ID elsewhere");
	}
}

static void look_at_cgroup(struct looking *l)
{
	char text[1024], path[700], max[64];
	struct scope_check *c;
	uint64_t limit;
	char *p, *end;

	c = scope_check_add(l->c, "cgroup_memory", "memory limit",
			    false, SCOPE_STATE_YES);
	scope_check_say(c, "no limit that can be seen");
	if (slurp(l, "/proc/self/cgroup", text, sizeof(text)) < 0)
		return;
	p = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
	if (!p)
		return;
	p = strchr(p, '/');
	if (!p)
		return;
	p[strcspn(p, "\n")] = '\0';
	(void)snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.max",
		       strcmp(p, "/") ? p : "");
	if (slurp(l, path, max, sizeof(max)) < 0)
		return;
	limit = strtoull(max, &end, 10);
	if (end == max)
		return; /* "max" */
	scope_check_say(c, "%" PRIu64 " MB", limit >> 20);
	if (limit >= MEMORY_NEEDED)
		return;
	c->state = SCOPE_STATE_LIMITED;
	scope_check_fix(c, "a memory limit of at least %u MB, or a smaller "
			   "--buffer",
			MEMORY_NEEDED >> 20);
}

void scope_host_look(const struct scope_host_env *env,
		     struct scope_host *ret_host)
{
	struct looking l = { .env = env, .host = ret_host };
	unsigned major = 0, minor = 0;
	struct utsname u;

	memset(ret_host, 0, sizeof(*ret_host));
	scope_bpf_log_start();
	if (uname(&u) == 0)
		(void)snprintf(ret_host->arch, sizeof(ret_host->arch), "%.30s",
			       u.machine);
	if (slurp(&l, "/proc/sys/kernel/osrelease", ret_host->kernel,
		  sizeof(ret_host->kernel)) == 0 &&
	    sscanf(ret_host->kernel, "%u.%u", &major, &minor) == 2)
		l.version = VERSION(major, minor);
	l.user_ns = namespace_of(&l, "user");
	read_caps(&l);
	l.c = &ret_host->caps;
	look_at_caps(&l);
	l.c = &ret_host->kernel_checks;
	look_at_version(&l);
	look_at_bpf(&l);
	look_at_memlock(&l);
	look_at_perf(&l);
	look_at_ptrace(&l);
	look_at_seccomp(&l);
	look_at_namespaces(&l);
	look_at_cgroup(&l);
}
