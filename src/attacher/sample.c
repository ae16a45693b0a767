/* SPDX-License-Identifier: MIT */
/*
 * Sampling: the programs of bpf/profile.bpf.c on clock events of single threads
 * of the node. An event counts the processor time of its thread alone, so that
 * neither other programs nor a node that sleeps are interrupted.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/syscall.h>

#include "attacher/attacher.h"
#include "attacher/bpf_log.h"
#include "attacher/node_int.h"
#include "base/auto.h"

#define LEFT_PROG "on_left"
#define TAKEN_UP_PROG "on_taken_up"
#define CLOCK_PROG "on_clock"
#define CLOCKS_MAX 4096

void scope_node_stop_samples(struct scope_node *n)
{
	for (size_t i = 0; i < n->nclocks; i++)
		(void)bpf_link__destroy(n->clocks[i]);
	for (size_t i = 0; i < 2; i++) {
		scope_link_free(n->waits[i]);
		n->waits[i] = NULL;
	}
	free(n->clocks);
	n->clocks = NULL;
	n->nclocks = 0;
	bpf_object__close(n->sampler);
	n->sampler = NULL;
}

static int configure(struct scope_node *n, const struct scope_msg_sample *m,
		     struct scope_err *err)
{
	struct bpf_map *rodata =
		bpf_object__find_map_by_name(n->sampler, ".rodata.config");
	struct bpf_map *ring =
		bpf_object__find_map_by_name(n->sampler, "samples");
	struct bpf_program *prog;
	size_t size = 0;
	void *c = rodata ? (void *)bpf_map__initial_value(rodata, &size) : NULL;

	if (!c || !ring || size < sizeof(m->config))
		return scope_fail(err, -EINVAL,
				  "the embedded BPF object has no configuration");
	memcpy(c, &m->config, sizeof(m->config));
	bpf_object__for_each_program(prog, n->sampler) {
		bool is_clock = !strcmp(bpf_program__name(prog), CLOCK_PROG);

		(void)bpf_program__set_autoload(
			prog, is_clock != (m->config.wants_waits == 1));
		if (!is_clock)
			(void)scope_link_prepare(prog, scope_link_has_multi());
	}
	(void)bpf_map__set_max_entries(ring, (uint32_t)m->ring_bytes);
	return 0;
}

static int reply_map(struct scope_node *n, const char *name,
		     struct scope_reply *reply, struct scope_err *err)
{
	int fd = fcntl(bpf_object__find_map_fd_by_name(n->sampler, name),
		       F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return scope_fail(err, -EINVAL,
				  "the embedded BPF object has no map %s", name);
	scope_reply_fd(reply, fd);
	return 0;
}

int scope_node_sample(struct scope_node *n, const struct scope_msg_sample *m,
		      struct scope_reply *reply, struct scope_err *err)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "scope_profile");
	size_t len;
	const void *bytes = scope_attacher_profile_object(&len);
	int r;

	if (n->sampler)
		return scope_fail(err, -EALREADY, "the programs are loaded");
	scope_bpf_log_start();
	n->sampler = bpf_object__open_mem(bytes, len, &opts);
	if (!n->sampler)
		return scope_node_fail_load(-errno, err);
	r = configure(n, m, err);
	if (r == 0) {
		r = bpf_object__load(n->sampler);
		r = r < 0 ? scope_node_fail_load(r, err) : 0;
	}
	if (r == 0)
		r = reply_map(n, "shared", reply, err);
	if (r == 0)
		r = reply_map(n, "samples", reply, err);
	if (r < 0)
		scope_node_stop_samples(n);
	return r;
}

/* Whether a thread is the node's. */
static bool is_thread(const struct scope_node *n, pid_t tid)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d", (int)n->pid,
		       (int)tid);
	return access(path, F_OK) == 0 && !scope_node_is_gone(n);
}

static int open_clock(pid_t tid, uint32_t hz)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_freq = hz,
		.freq = 1,
	};
	long fd = syscall(SYS_perf_event_open, &attr, tid, -1, -1,
			  PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : (int)fd;
}

static int fail_clock(int r, struct scope_err *err)
{
	if (r == -EACCES || r == -EPERM)
		return scope_fail(err, -EPERM,
				  "sampling needs CAP_PERFMON, and a sysctl "
				  "kernel.perf_event_paranoid of at most 2; run "
				  "as root, or with that");
	if (r == -EMFILE || r == -ENFILE)
		return scope_fail(err, r, "too many open files for so many "
					  "schedulers; raise the limit (ulimit "
					  "-n)");
	return scope_fail(err, r, "can't sample by clock: %s", strerror(-r));
}

/* 1: it is sampled; 0: the thread has ended. */
static int start_clock(struct scope_node *n, struct bpf_program *prog,
		       const struct scope_msg_clocked *t, uint32_t hz,
		       struct scope_err *err)
{
	LIBBPF_OPTS(bpf_perf_event_opts, opts, .bpf_cookie = t->scheduler);
	struct bpf_link *link;
	int fd, r;

	if (!is_thread(n, t->tid))
		return 0;
	fd = open_clock(t->tid, hz);
	if (fd == -ESRCH)
		return 0;
	if (fd < 0)
		return fail_clock(fd, err);
	/* Another process's by now? Then no sample of it is taken. */
	if (!is_thread(n, t->tid)) {
		(void)close(fd);
		return 0;
	}
	link = bpf_program__attach_perf_event_opts(prog, fd, &opts);
	if (!link) {
		r = -errno;
		(void)close(fd);
		return fail_clock(r, err);
	}
	n->clocks[n->nclocks++] = link;
	return 1;
}

int scope_node_clock(struct scope_node *n, const struct scope_msg_clock *m,
		     struct scope_reply *reply, struct scope_err *err)
{
	struct bpf_program *prog =
		n->sampler ? bpf_object__find_program_by_name(n->sampler,
							      CLOCK_PROG) :
			     NULL;
	struct bpf_link **clocks;
	int r = 0;

	if (!prog)
		return -EBADMSG;
	if (n->nclocks + m->n > CLOCKS_MAX)
		return scope_fail(err, -ENOSPC, "at most %d threads at once",
				  CLOCKS_MAX);
	clocks = realloc(n->clocks, (n->nclocks + m->n) * sizeof(*clocks));
	if (!clocks)
		return scope_fail(err, -ENOMEM, "out of memory");
	n->clocks = clocks;
	scope_bpf_log_start();
	for (uint32_t i = 0; r >= 0 && i < m->n; i++) {
		r = start_clock(n, prog, &m->thread[i], m->hz, err);
		if (r > 0)
			reply->head.v[0]++;
	}
	return r < 0 ? r : 0;
}

int scope_node_waits(struct scope_node *n, const struct scope_msg_waits *m,
		     struct scope_err *err)
{
	static const char *const names[2] = { LEFT_PROG, TAKEN_UP_PROG };
	const uint64_t offsets[2] = { m->entry, m->ret };
	char exe[64];

	if (!n->sampler || n->waits[0])
		return -EBADMSG;
	(void)snprintf(exe, sizeof(exe), "/proc/%d/exe", (int)n->pid);
	for (unsigned i = 0; i < 2; i++) {
		struct bpf_program *prog = bpf_object__find_program_by_name(
			n->sampler, names[i]);
		struct scope_link_sites sites = { .n = 1, .is_return = i };
		int r;

		if (!prog || bpf_program__fd(prog) < 0 ||
		    !scope_node_is_text(n, offsets[i]))
			return -EBADMSG;
		sites.offset[0] = offsets[i];
		r = scope_link_attach(prog, scope_link_has_multi(), exe, n->pid,
				      &sites, &n->waits[i]);
		if (r < 0)
			return scope_fail(err, r,
					  "can't attach to the scheduling of PID "
					  "%d: %s",
					  (int)n->pid, strerror(-r));
	}
	return 0;
}
