/* SPDX-License-Identifier: MIT */
/*
 * Measuring: probes on the child's functions, kind after kind. CPU time of the
 * child's thread is what is told, because that is what a node would lose.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/perf_event.h>
#include <linux/hw_breakpoint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "attacher/bpf_log.h"
#include "probe/calibrate_int.h"
#include "attacher/link.h"
#include "attacher/attacher.h"

#define ROUNDS 7
#define ROUNDS_MAX 15
#define ROUND_NS 1000000u
#define MANY 1000000u /* calls of one round: the time ends it */
#define SAMPLE_EVERY_NS 100000u
#define SAMPLE_FOR_NS 30000000u
#define BREAKS 64 /* hits of a breakpoint in one round */

/* One that takes this many times a nop is single-stepped. On a machine where
 * traps are cheap stepping is twice an emulated probe. */
#define IS_STEPPED(ns, plain) (2 * (uint64_t)(ns) > 3 * (uint64_t)(plain))

#if defined(__aarch64__)
#define PLAIN SCOPE_INSN_JMP /* emulated by every kernel */
#else
#define PLAIN SCOPE_INSN_NOP
#endif
struct calibrating {
	const struct scope_calibrate_opts *opts;
	unsigned step;
	struct scope_cal_child *child;
	struct bpf_object *obj;
	struct scope_calibration c;
	bool is_multi;
};

#define STEPS (SCOPE_INSN_MAX + 8)

static int step(struct calibrating *k)
{
	const struct scope_calibrate_opts *o = k->opts;

	k->step++;
	return o && o->step && o->step(o->arg, k->step, STEPS) ? -ECANCELED : 0;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Median of picoseconds a call; 0: failed. */
static uint64_t median_ps(struct scope_cal_child *child, unsigned fn,
			  uint64_t round_ns, unsigned rounds, uint64_t max)
{
	uint64_t ps[ROUNDS_MAX], calls, ns;

	if (rounds > ROUNDS_MAX)
		rounds = ROUNDS_MAX;
	/* Once for what happens at first hits alone. */
	if (scope_cal_child_run(child, fn, 0, 16, &calls, &ns) < 0)
		return 0;
	for (unsigned i = 0; i < rounds; i++) {
		if (scope_cal_child_run(child, fn, round_ns, max, &calls, &ns) <
			    0 ||
		    !calls)
			return 0;
		ps[i] = ns * 1000 / calls;
	}
	qsort(ps, rounds, sizeof(*ps), by_value);
	return ps[rounds / 2];
}

uint32_t scope_cal_measure(struct scope_cal_child *child, unsigned fn,
			   uint64_t round_ns, unsigned rounds, uint64_t max)
{
	uint64_t bare = median_ps(child, SCOPE_CAL_BARE, round_ns / 10, 3, max);
	uint64_t ps = median_ps(child, fn, round_ns, rounds, max);

	return bare && ps > bare ? (uint32_t)((ps - bare) / 1000) : 0;
}

static struct bpf_program *program(struct calibrating *k, const char *name)
{
	return bpf_object__find_program_by_name(k->obj, name);
}

static int load(struct calibrating *k, struct scope_err *err)
{
	struct bpf_program *prog;
	size_t len;
	const void *bytes = scope_attacher_count_object(&len);
	int r;

	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "scope_count");
	k->obj = bpf_object__open_mem(bytes, len, &opts);
	if (!k->obj)
		return scope_fail(err, -errno, "cannot open the BPF object: %s",
				  strerror(errno));
	bpf_object__for_each_program(prog, k->obj)
		if (bpf_program__type(prog) != BPF_PROG_TYPE_PERF_EVENT)
			(void)scope_link_prepare(prog, k->is_multi);
	r = bpf_object__load(k->obj);
	if (r == -EPERM || r == -EACCES)
		return scope_fail(err, -EPERM,
				  "no right to load BPF programs; run as root, "
				  "or with CAP_BPF and CAP_PERFMON");
	return r < 0 ? scope_fail(err, r, "cannot load BPF programs: %s (%s)",
				  strerror(-r), scope_bpf_log_last()) :
		       0;
}

/* -- uprobes ------------------------------------------------------------------------ */

int scope_cal_link(struct bpf_program *prog, bool is_multi,
		   struct scope_cal_child *child,
		   const struct scope_attach_site *const *list, size_t n,
		   struct scope_link **ret_link, struct scope_err *err)
{
	struct scope_link_sites sites = { .n = n,
					  .is_return = list[0]->is_return };
	int r;

	for (size_t i = 0; i < n; i++) {
		sites.offset[i] = list[i]->offset;
		sites.cookie[i] = list[i]->site;
		sites.ref_ctr[i] = list[i]->ref_ctr;
	}
	r = scope_link_attach(prog, is_multi, "/proc/self/exe",
			      scope_cal_child_pid(child), &sites, ret_link);
	return r < 0 ? scope_fail(err, r == -EACCES ? -EPERM : r,
				  "cannot place uprobes on a process of our "
				  "own: %s", strerror(-r)) :
		       0;
}

static int site_of(unsigned fn, struct scope_attach_site *s)
{
	*s = (struct scope_attach_site){ .what = "calibration" };
	return scope_cal_offset(fn, &s->offset);
}

static int attach(struct calibrating *k, bool returns,
		  struct scope_link **ret_link, struct scope_err *err)
{
	struct scope_attach_site all[SCOPE_CAL_FNS];
	const struct scope_attach_site *list[SCOPE_CAL_FNS];
	size_t n = 0;

	for (unsigned fn = 0; fn <= SCOPE_CAL_PAIR; fn++) {
		if (fn == SCOPE_CAL_BARE || (returns && fn != SCOPE_CAL_PAIR) ||
		    site_of(fn, &all[n]) < 0)
			continue;
		all[n].is_return = returns;
		list[n] = &all[n];
		n++;
	}
	if (!n)
		return scope_fail(err, -ENOTSUP,
				  "this program's own file can't be found");
	return scope_cal_link(program(k, "on_nothing"), k->is_multi, k->child,
			      list, n, ret_link, err);
}

/* What the kernel emulates; of what was not measured, what it mostly does. */
static void note_emulated(struct scope_calibration *c)
{
	uint32_t plain = c->trap[PLAIN];

	c->emulated = 0;
	for (unsigned i = 0; i < SCOPE_INSN_MAX; i++) {
		uint32_t bit = SCOPE_INSN_BIT(i);

		if (c->trap[i] ? !IS_STEPPED(c->trap[i], plain) :
				 scope_site_emulated_default() & bit)
			c->emulated |= bit;
	}
	c->emulated &= ~SCOPE_INSN_BIT(SCOPE_INSN_OTHER);
}

static int measure_uprobes(struct calibrating *k, struct scope_err *err)
{
	struct scope_link *entry = NULL, *ret = NULL;
	struct scope_calibration *c = &k->c;
	int r = attach(k, true, &ret, err);

	if (r == 0)
		r = attach(k, false, &entry, err);
	for (unsigned i = 0; r == 0 && i < SCOPE_INSN_MAX; i++) {
		if (scope_cal_address(i))
			c->trap[i] = scope_cal_measure(k->child, i, ROUND_NS,
						       ROUNDS, MANY);
		r = step(k);
	}
	if (r == 0) {
		c->figure[SCOPE_CAL_F_PAIR] = scope_cal_measure(
			k->child, SCOPE_CAL_PAIR, ROUND_NS, ROUNDS, MANY);
		r = step(k);
	}
	scope_link_free(entry);
	scope_link_free(ret);
	if (r == 0 && !c->trap[PLAIN])
		return scope_fail(err, -ENOTSUP,
				  "probes on a process of our own were not hit");
	note_emulated(c);
	return r;
}

/* A USDT site is a nop; the semaphore makes the program prepare arguments. */
static int measure_usdt(struct calibrating *k)
{
	struct scope_attach_site s;
	const struct scope_attach_site *list[] = { &s };
	struct scope_link *link = NULL;
	uint32_t ns;

	if (site_of(SCOPE_CAL_USDT, &s) < 0 ||
	    scope_cal_semaphore_offset(&s.ref_ctr) < 0 ||
	    scope_cal_link(program(k, "on_nothing"), k->is_multi, k->child,
			   list, 1, &link, NULL) < 0)
		return step(k);
	ns = scope_cal_measure(k->child, SCOPE_CAL_USDT, ROUND_NS, ROUNDS,
			       MANY);
	if (scope_cal_child_semaphore(k->child) == 1)
		k->c.figure[SCOPE_CAL_F_USDT] = ns;
	scope_link_free(link);
	return step(k);
}

/* -- perf events ---------------------------------------------------------------------- */

static uint64_t hits(struct calibrating *k)
{
	uint64_t n[1024], sum = 0;
	int cpus = libbpf_num_possible_cpus();
	__u32 zero = 0;

	if (cpus < 1 || (size_t)cpus > sizeof(n) / sizeof(*n) ||
	    bpf_map_lookup_elem(bpf_object__find_map_fd_by_name(k->obj,
								"counts"),
				&zero, n) < 0)
		return 0;
	for (int i = 0; i < cpus; i++)
		sum += n[i];
	return sum;
}

static int perf_open(struct calibrating *k, struct perf_event_attr *a)
{
	int fd;

	a->size = sizeof(*a);
	a->disabled = 1;
	fd = (int)syscall(SYS_perf_event_open, a,
			  scope_cal_child_pid(k->child), -1, -1,
			  PERF_FLAG_FD_CLOEXEC);
	if (fd >= 0 &&
	    (ioctl(fd, PERF_EVENT_IOC_SET_BPF,
		   bpf_program__fd(program(k, "on_perf"))) < 0 ||
	     ioctl(fd, PERF_EVENT_IOC_ENABLE, 0) < 0)) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

static int measure_breakpoint(struct calibrating *k)
{
	struct perf_event_attr a = {
		.type = PERF_TYPE_BREAKPOINT,
		.bp_type = HW_BREAKPOINT_X,
		.bp_addr = scope_cal_address(SCOPE_CAL_BREAK),
		.bp_len = sizeof(long),
		.sample_period = 1,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};
	scope_autoclose int fd = perf_open(k, &a);
	uint64_t before = hits(k), seen;
	uint32_t ns;

	if (fd < 0)
		return step(k);
	ns = scope_cal_measure(k->child, SCOPE_CAL_BREAK, ROUND_NS, ROUNDS,
			       BREAKS);
	seen = hits(k) - before;
	/* One that was throttled would look cheap. */
	if (seen >= 16 + ROUNDS * 16)
		k->c.figure[SCOPE_CAL_F_BREAK] = ns;
	return step(k);
}

/*
 * The child watches the clock: each sample is a pause. What else makes pauses
 * (the tick, other programs) is rarer, so the median of the longest, as many
 * as there were samples, is a sample's.
 */
static int measure_sample(struct calibrating *k)
{
	struct perf_event_attr a = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = SAMPLE_EVERY_NS,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};
	scope_autoclose int fd = perf_open(k, &a);
	uint64_t before = hits(k), seen, calls, ns, sorted[4096];
	const uint32_t *gaps;
	size_t n;

	if (fd < 0 || scope_cal_child_run(k->child, SCOPE_CAL_GAPS,
					  SAMPLE_FOR_NS, 0, &calls, &ns) < 0)
		return step(k);
	seen = hits(k) - before;
	gaps = scope_cal_child_gaps(k->child, &n);
	for (size_t i = 0; i < n; i++)
		sorted[i] = gaps[i];
	qsort(sorted, n, sizeof(*sorted), by_value);
	if (seen >= 20 && seen <= n)
		k->c.figure[SCOPE_CAL_F_SAMPLE] =
			(uint32_t)sorted[n - seen + seen / 2];
	return step(k);
}

/* -- our own programs ------------------------------------------------------------------ */

static uint32_t above(uint32_t ns, uint32_t base)
{
	/* Within what the clock can't tell it still is not nothing. */
	return ns > base ? ns - base : 1;
}

static int measure_programs(struct calibrating *k)
{
	struct scope_calibration *c = &k->c;
	uint32_t plain = 0, with = 0, pair = 0;
	int r;

	if (scope_cal_send_ns(k->child, 0, &plain, NULL) == 0)
		c->figure[SCOPE_CAL_F_RECORD] = above(plain, c->trap[scope_cal_usual()]);
	r = step(k);
	if (r == 0 && plain &&
	    scope_cal_send_ns(k->child, 64, &with, NULL) == 0)
		c->figure[SCOPE_CAL_F_CONTENTS] = above(with, plain);
	if (r == 0)
		r = step(k);
	if (r == 0 && scope_cal_gc_ns(k->child, &pair, NULL) == 0)
		c->figure[SCOPE_CAL_F_CALL] =
			above(pair, c->figure[SCOPE_CAL_F_PAIR]);
	return r == 0 ? step(k) : r;
}

static int measure(struct calibrating *k, struct scope_err *err)
{
	int r = scope_cal_child_start(&k->child);

	if (r < 0)
		return scope_fail(err, r, "cannot start a process to measure: "
				  "%s", strerror(-r));
	r = load(k, err);
	if (r == 0)
		r = measure_uprobes(k, err);
	if (r == 0)
		r = measure_usdt(k);
	if (r == 0)
		r = measure_breakpoint(k);
	if (r == 0)
		r = measure_sample(k);
	if (r == 0)
		r = measure_programs(k);
	return r;
}

int scope_cal_run(const struct scope_calibrate_opts *opts,
		  struct scope_calibration *ret, struct scope_err *err)
{
	struct calibrating k = {
		.opts = opts,
		.is_multi = scope_link_has_multi(),
		.c.from = SCOPE_CAL_MEASURED,
	};
	int r;

	scope_bpf_log_start();
	r = measure(&k, err);
	bpf_object__close(k.obj);
	scope_cal_child_free(k.child);
	if (r == 0)
		*ret = k.c;
	return r;
}
