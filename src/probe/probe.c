/* SPDX-License-Identifier: MIT */
#include "probe/probe.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

#include "attacher/attacher.h"
#include "base/time.h"
#include "probe/calibrate.h"
#include "probe/catalogue.h"
#include "probe/perf_rings.h"
#include "probe/rings.h"
#include "scope/sample.h"

/* What the program of a breakpoint takes: see bpf/README.md. */
#define BREAK_NS 1500

struct scope_probe {
	struct scope_probe_opts opts;
	struct scope_sites sites;
	struct scope_attacher *attacher; /* borrowed */
	unsigned slot;
	struct scope_loaded loaded;
	bool is_loaded; /* its descriptors are ours */
	struct scope_rings *rings;	 /* owned; NULL: perf */
	struct scope_perf_rings *perf;	 /* owned; NULL: rings */
	struct scope_counters *counters; /* mapped, ncpus of them */
	size_t counters_bytes;
	struct scope_bpf_control *control; /* mapped */
	struct scope_points *points; /* owned; NULL: no breakpoints */
	unsigned nrings;
	size_t ring_bytes; /* of each */
	pid_t pid;
	uint64_t jit_descriptor;
};

static void put_ids(struct scope_usdt_ids *to, const struct scope_pixdata *ids)
{
	*to = (struct scope_usdt_ids){
		.pix_mask = ids->pix_mask,
		.cl_mask = ids->cl_mask,
		.cli_mask = ids->cli_mask,
		.cl_shift = ids->cl_shift,
		.cli_shift = ids->cli_shift,
	};
}

static void configure(struct scope_probe *p, struct scope_target *t,
		      struct scope_bpf_config *c)
{
	struct scope_vm *vm = scope_target_vm(t);
	struct scope_symbol sym;

	memset(c, 0, sizeof(*c));
	c->layout = *vm->layout;
	c->kinds = p->sites.found & p->opts.kinds;
	c->term_words = p->opts.term_words;
	c->nrings = p->nrings;
	c->filter = p->opts.filter;
	c->samples = p->opts.samples;
	c->overwrites = p->opts.overwrites;
	c->am_true = scope_vm_find_atom(vm, "true", 8);
	c->am_noconnect = scope_vm_find_atom(vm, "noconnect", 4096);
	c->am_nosuspend = scope_vm_find_atom(vm, "nosuspend", 4096);
	c->am_abs = scope_vm_find_atom(vm, "abs", 4096);
	c->am_async = scope_vm_find_atom(vm, "async", 4096);
	c->am_complete = scope_vm_find_atom(vm, "complete", 4096);
	if (!scope_target_info(t)->no_layout &&
	    scope_target_symbol(t, "__jit_debug_descriptor", &sym) == 0)
		p->jit_descriptor = sym.vaddr + scope_target_info(t)->bias;
	c->jit_descriptor = p->jit_descriptor;
	c->pidns_dev = scope_target_info(t)->pidns.dev;
	c->pidns_ino = scope_target_info(t)->pidns.ino;
	c->procs = scope_target_info(t)->procs;
	c->procs_mask = vm->procs.pix_mask;
	if (scope_target_symbol(t, "erts_this_dist_entry", &sym) == 0)
		c->this_dist_entry = sym.vaddr + scope_target_info(t)->bias;
	put_ids(&c->usdt_procs, &vm->procs);
	put_ids(&c->usdt_ports, &vm->ports);
	memcpy(c->usdt, p->sites.usdt, sizeof(c->usdt));
}

_Static_assert((int)SCOPE_PROG_MAX <= SCOPE_WIRE_PROGS_MAX &&
		       (int)SCOPE_GROUP_MAX <= SCOPE_HIT_GROUPS &&
		       (int)SCOPE_SITES_MAX <= SCOPE_WIRE_SITES_MAX &&
		       (int)SCOPE_GROUP_MAX <= SCOPE_WIRE_GROUPS_MAX,
	       "the attacher takes less than the catalogue has");

static void name_prog(char to[SCOPE_PROG_NAME_MAX], unsigned prog)
{
	const char *name = scope_prog_name(prog);

	assert(strlen(name) < SCOPE_PROG_NAME_MAX);
	(void)snprintf(to, SCOPE_PROG_NAME_MAX, "%s", name);
}

static int load(struct scope_probe *p, struct scope_target *t,
		struct scope_err *err)
{
	struct scope_msg_load m = {
		.nrings = p->nrings,
		.ring_bytes = p->ring_bytes,
		.transport = p->opts.overwrites ? SCOPE_TRANSPORT_PERF :
						  p->opts.transport,
	};
	int r;

	configure(p, t, &m.config);
	for (unsigned k = 0; k < SCOPE_PROG_MAX; k++) {
		bool used = false;

		for (size_t i = 0; i < p->sites.n; i++)
			used |= p->sites.site[i].prog == k;
		if (used)
			name_prog(m.prog[m.nprogs++], k);
	}
	if (p->opts.breaks)
		name_prog(m.prog[m.nprogs++], SCOPE_PROG_BREAK);
	r = scope_attacher_load(p->attacher, p->slot, &m, &p->loaded, err);
	p->is_loaded = r == 0;
	return r;
}

/* Map the one array whose elements fill `bytes`. */
static int map_array(int fd, const char *name, size_t bytes, int prot,
		     void *ret_mem, struct scope_err *err)
{
	void *m = mmap(NULL, bytes, prot, MAP_SHARED, fd, 0);

	if (m == MAP_FAILED)
		return scope_fail(err, -errno, "cannot map the BPF array %s: %s",
				  name, strerror(errno));
	*(void **)ret_mem = m;
	return 0;
}

static int map_arrays(struct scope_probe *p, struct scope_err *err)
{
	int r;

	p->counters_bytes = p->loaded.ncpus * sizeof(struct scope_counters);
	r = map_array(p->loaded.counters, "counters", p->counters_bytes,
		      PROT_READ, &p->counters, err);
	if (r < 0)
		return r;
	r = map_array(p->loaded.control, "control", sizeof(*p->control),
		      PROT_READ | PROT_WRITE, &p->control, err);
	if (r < 0)
		return r;
	p->control->since_ns = UINT64_MAX;
	p->control->keep = SCOPE_SAMPLE_ALL;
	if (p->opts.breaks &&
	    scope_points_new(p->attacher, p->slot, p->control, &p->points) < 0)
		return scope_fail(err, -ENOMEM, "out of memory");
	return 0;
}

static bool is_perf(const struct scope_probe *p)
{
	return p->loaded.transport == SCOPE_TRANSPORT_PERF;
}

/* The mappings keep the maps. */
static void close_maps(struct scope_probe *p)
{
	if (!p->is_loaded)
		return;
	(void)close(p->loaded.counters);
	(void)close(p->loaded.control);
	for (unsigned i = 0; !is_perf(p) && i < p->nrings; i++)
		(void)close(p->loaded.rings[i]);
	p->is_loaded = false;
}

static int map_perf(struct scope_probe *p, struct scope_err *err)
{
	unsigned n = p->loaded.ncpus;
	int fds[SCOPE_CPUS_MAX];
	int r;

	if (n > SCOPE_CPUS_MAX)
		return scope_fail(err, -ENOTSUP,
				  "--transport perf takes %d CPUs at most; "
				  "there are %u",
				  SCOPE_CPUS_MAX, n);
	r = scope_attacher_perf(p->attacher, p->slot, n, fds, err);
	if (r < 0)
		return r;
	p->ring_bytes = scope_perf_rings_bytes(p->opts.buffer_bytes, n);
	do /* as much as may be locked */
		r = scope_perf_rings_new(fds, n, p->ring_bytes,
					 p->opts.overwrites, &p->perf, err);
	while (r == -EPERM && p->ring_bytes > SCOPE_RING_BYTES_MIN &&
	       (p->ring_bytes /= 2));
	for (unsigned i = 0; i < n; i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
	return r;
}

static int map_buffers(struct scope_probe *p, struct scope_err *err)
{
	if (is_perf(p))
		return map_perf(p, err);
	return scope_rings_new(p->loaded.rings, p->nrings,
			       p->loaded.ring_bytes, &p->rings, err);
}

static int fail_attach(struct scope_err *err, int r, pid_t pid,
		       const char *what)
{
	switch (r) {
	case -ESRCH:
	case -ENOENT: /* its /proc/PID/exe */
		return scope_fail(err, -ESRCH, "PID %d has ended", (int)pid);
	case -EOWNERDEAD:
		return scope_fail(err, r,
				  "the process that attaches has ended; its "
				  "probes are gone with it");
	case -EPERM:
	case -EACCES:
		return scope_fail(err, -EPERM,
				  "no right to place uprobes (%s); run as root, "
				  "or with CAP_BPF, CAP_PERFMON and "
				  "CAP_SYS_PTRACE on kernel 6.10 or later (before, "
				  "CAP_SYS_ADMIN, too)",
				  what);
	case -EINVAL:
	case -EOPNOTSUPP:
		return scope_fail(err, -ENOTSUP,
				  "the kernel refused a uprobe at %s: %s", what,
				  strerror(-r));
	default:
		return scope_fail(err, r, "cannot place a uprobe at %s: %s",
				  what, strerror(-r));
	}
}

/* One link for the sites of this group, program and side. */
static int attach_some(struct scope_probe *p, unsigned group, unsigned prog,
		       struct scope_err *err)
{
	const struct scope_attach_site *sites[SCOPE_SITES_MAX];
	struct scope_msg_attach m = { .group = group };
	size_t bad = 0;
	int r;

	for (size_t i = 0; i < p->sites.n; i++) {
		const struct scope_attach_site *s = &p->sites.site[i];

		if (s->group != group || s->prog != prog)
			continue;
		sites[m.n] = s;
		m.site[m.n].offset = s->offset;
		m.site[m.n].ref_ctr = s->ref_ctr;
		m.site[m.n++].cookie = scope_site_cookie(s);
	}
	if (!m.n)
		return 0;
	m.is_return = sites[0]->is_return;
	name_prog(m.prog, prog);
	r = scope_attacher_attach(p->attacher, p->slot, &m, &bad);
	return r < 0 ? fail_attach(err, r, p->pid, sites[bad]->what) : 0;
}

/* The links of a group at returns, or those at entries. */
static int attach_side(struct scope_probe *p, unsigned group, bool returns,
		       struct scope_err *err)
{
	int r = 0;

	for (unsigned k = 0; r == 0 && k < SCOPE_PROG_MAX; k++)
		if (scope_prog_is_return(k) == returns)
			r = attach_some(p, group, k, err);
	return r;
}

int scope_probe_attach(struct scope_probe *p, struct scope_target *t,
		       struct scope_err *err)
{
	p->pid = scope_target_info(t)->pid;
	/* Returns before entries: a pair is whole once its entry is there. */
	for (int pass = 0; pass < 2; pass++)
		for (unsigned g = 0; g < SCOPE_GROUP_MAX; g++) {
			int r = attach_side(p, g, pass == 0, err);

			if (r < 0)
				return r;
		}
	/* For the next one: this one has its sites. */
	scope_calibrator_go(p->opts.calibrator);
	return 0;
}

int scope_probe_open(struct scope_target *t,
		     const struct scope_probe_opts *opts,
		     struct scope_probe **ret_probe, struct scope_err *err)
{
	scope_auto(scope_probe) p = calloc(1, sizeof(*p));
	long ncpus = sysconf(_SC_NPROCESSORS_CONF);
	int r;

	/* Before sites are chosen: they depend on what is emulated. */
	(void)scope_calibration_get();
	if (!p)
		return scope_fail(err, -ENOMEM, "out of memory");
	p->opts = *opts;
	p->attacher = scope_target_attacher(t);
	p->slot = scope_target_slot(t);
	p->nrings = scope_rings_plan(ncpus < 1 ? 1 : (unsigned)ncpus,
				     opts->buffer_bytes, &p->ring_bytes);
	scope_catalogue_find(t, scope_catalogue_needs(opts->kinds), opts->from,
			     &p->sites);
	if (opts->from == SCOPE_FROM_USDT && !p->sites.nusdt)
		return scope_fail(err, -ENOTSUP,
				  "PID %d has no USDT probes for these events; "
				  "its emulator needs to be built with "
				  "--with-dynamic-trace; without --source usdt "
				  "it can be watched by uprobes",
				  (int)scope_target_info(t)->pid);
	if (scope_target_info(t)->no_layout && !p->sites.nusdt)
		return scope_fail(err, -ENOTSUP,
				  "%s; its USDT probes tell nothing of these "
				  "events",
				  scope_target_info(t)->no_layout);
	r = load(p, t, err);
	if (r == 0)
		r = map_arrays(p, err);
	if (r == 0)
		r = map_buffers(p, err);
	close_maps(p);
	if (r < 0)
		return r;
	*ret_probe = scope_take(p);
	return 0;
}

uint64_t scope_probe_begin(struct scope_probe *p)
{
	uint64_t now = scope_now_ns();

	__atomic_store_n(&p->control->until_ns, UINT64_MAX, __ATOMIC_RELAXED);
	__atomic_store_n(&p->control->since_ns, now, __ATOMIC_RELEASE);
	return now;
}

void scope_probe_end(struct scope_probe *p)
{
	__atomic_store_n(&p->control->until_ns, scope_now_ns(), __ATOMIC_RELEASE);
}

static void set_since(struct scope_probe *p, enum scope_group group,
		      uint64_t ns)
{
	__atomic_store_n(&p->control->group_since_ns[group], ns,
			 __ATOMIC_RELEASE);
}

int scope_probe_switch(struct scope_probe *p, enum scope_group group, bool on,
		       struct scope_err *err)
{
	int r;

	if (group == SCOPE_GROUP_BREAK)
		return scope_points_pause(p->points, !on);
	if (!on)
		return scope_attacher_detach(p->attacher, p->slot, group);
	set_since(p, group, UINT64_MAX);
	/* Entries before returns: what an entry noted before the probes were
	 * taken off is overwritten by the one that a return belongs to. */
	r = attach_side(p, group, false, err);
	if (r == 0)
		r = attach_side(p, group, true, err);
	if (r < 0)
		(void)scope_attacher_detach(p->attacher, p->slot, group);
	else
		set_since(p, group, scope_now_ns());
	return r;
}

scope_kindset scope_probe_group_kinds(const struct scope_probe *p,
				      enum scope_group group)
{
	scope_kindset kinds = 0;

	if (group == SCOPE_GROUP_BREAK)
		return p->points ? SCOPE_KIND_BIT(SCOPE_KIND_CALL) : 0;
	for (size_t i = 0; i < p->sites.n; i++)
		if (p->sites.site[i].group == group)
			kinds |= p->sites.site[i].kinds;
	return kinds & p->opts.kinds & p->sites.found;
}

/* A run of one of the group's programs, on average over its sites. */
static uint64_t run_ns(const struct scope_probe *p, enum scope_group group,
		       unsigned term_words)
{
	const struct scope_calibration *c = scope_calibration_get();
	uint64_t sum = 0, n = 0;

	if (group == SCOPE_GROUP_BREAK)
		return p->points ? scope_points_trap_ns(p->points) + BREAK_NS :
				   0;
	for (size_t i = 0; i < p->sites.n; i++) {
		if (p->sites.site[i].group != group)
			continue;
		sum += scope_calibration_cost(c, &p->sites.site[i], term_words);
		n++;
	}
	return n ? sum / n : 0;
}

uint64_t scope_probe_cost(const struct scope_probe *p, enum scope_group group)
{
	/* As they are counted: see scope_counters. */
	const enum scope_kind kind =
		group == SCOPE_GROUP_SEND    ? SCOPE_KIND_MSG_SEND :
		group == SCOPE_GROUP_RECEIVE ? SCOPE_KIND_MSG_RECEIVE :
					       SCOPE_KIND_NONE;
	uint64_t hits = 0, events = 0;

	for (unsigned cpu = 0; cpu < p->loaded.ncpus; cpu++) {
		const struct scope_counters *c = &p->counters[cpu];

		hits += __atomic_load_n(&c->hits[group], __ATOMIC_RELAXED);
		if (kind)
			events += __atomic_load_n(&c->emitted[kind],
						  __ATOMIC_RELAXED);
	}
	if (!hits && !events)
		return 0;
	return hits * run_ns(p, group, kind ? 0 : p->opts.term_words) +
	       events * run_ns(p, group, p->opts.term_words);
}

void scope_probe_detach(struct scope_probe *p)
{
	if (p->points)
		scope_points_end(p->points);
	(void)scope_attacher_detach(p->attacher, p->slot, SCOPE_GROUP_ALL);
}

void scope_probe_free(struct scope_probe *p)
{
	if (!p)
		return;
	scope_probe_detach(p);
	scope_points_free(p->points);
	scope_rings_free(p->rings);
	scope_perf_rings_free(p->perf);
	if (p->counters)
		(void)munmap(p->counters, p->counters_bytes);
	if (p->control)
		(void)munmap(p->control, sizeof(*p->control));
	close_maps(p);
	free(p);
}

void scope_probe_keep(struct scope_probe *p, double share)
{
	uint32_t keep = share >= 1 ? SCOPE_SAMPLE_ALL :
				     (uint32_t)(share * SCOPE_SAMPLE_ALL);

	__atomic_store_n(&p->control->keep, keep, __ATOMIC_RELAXED);
}

double scope_probe_fill(const struct scope_probe *p)
{
	return p->perf ? scope_perf_rings_fill(p->perf) :
			 scope_rings_fill(p->rings);
}

bool scope_probe_keeps(const struct scope_probe *p, uint64_t pid)
{
	return !p->opts.samples ||
	       scope_sample_keeps(pid, 0,
				  __atomic_load_n(&p->control->keep,
						  __ATOMIC_RELAXED));
}

int scope_probe_watch(struct scope_probe *p, uint64_t pid, bool on)
{
	return scope_attacher_watch(p->attacher, p->slot, pid, on);
}

int scope_probe_drain(struct scope_probe *p,
		      int (*fn)(void *arg, const void *data, size_t len),
		      void *arg)
{
	if (p->perf)
		return scope_perf_rings_drain(p->perf, fn, arg);
	return scope_rings_drain(p->rings, fn, arg);
}

uint64_t scope_probe_safe(const struct scope_probe *p, uint64_t now)
{
	uint64_t safe = now;

	for (unsigned i = 0; i < SCOPE_OPEN_MAX; i++) {
		uint64_t ns = __atomic_load_n(&p->control->open_ns[i],
					      __ATOMIC_ACQUIRE);

		if (ns < safe && ns + SCOPE_OPEN_NS > now)
			safe = ns;
	}
	return safe;
}

int scope_probe_fd(const struct scope_probe *p)
{
	return scope_attacher_fd(p->attacher);
}

unsigned scope_probe_cpus(const struct scope_probe *p)
{
	return p->loaded.ncpus;
}

const struct scope_counters *scope_probe_counters(const struct scope_probe *p,
						  unsigned cpu)
{
	return &p->counters[cpu];
}

uint64_t scope_probe_missed(const struct scope_probe *p)
{
	return scope_attacher_missed(p->attacher, p->slot) +
	       (p->points ? scope_points_missed(p->points) : 0);
}

const char *scope_probe_source(const struct scope_probe *p, enum scope_kind k)
{
	if (!SCOPE_KIND_IS_WIRE(k) || !(p->sites.found & SCOPE_KIND_BIT(k)))
		return NULL;
	return p->sites.source[k];
}

const char *scope_probe_missing(const struct scope_probe *p, enum scope_kind k)
{
	if (!SCOPE_KIND_IS_WIRE(k) || !p->sites.missing[k][0])
		return NULL;
	return p->sites.missing[k];
}

const char *scope_probe_limits(const struct scope_probe *p, enum scope_kind k)
{
	return scope_probe_source(p, k) ? p->sites.limits[k] : NULL;
}

struct scope_points *scope_probe_points(struct scope_probe *p)
{
	return p->points;
}

void scope_probe_set_source(struct scope_probe *p, enum scope_kind k,
			    const char *text, const char *limits)
{
	(void)snprintf(p->sites.source[k], sizeof(p->sites.source[k]), "%s",
		       text);
	p->sites.found |= SCOPE_KIND_BIT(k);
	p->sites.missing[k][0] = 0;
	p->sites.limits[k] = limits;
}

const char *scope_probe_link_kind(const struct scope_probe *p)
{
	return p->loaded.multi ? "uprobe_multi" : "perf_uprobe";
}

enum scope_transport scope_probe_transport(const struct scope_probe *p,
					   unsigned *ret_buffers,
					   uint64_t *ret_bytes,
					   const char **ret_why)
{
	*ret_buffers = p->perf ? scope_perf_rings_count(p->perf) : p->nrings;
	*ret_bytes = *ret_buffers * (uint64_t)p->ring_bytes;
	*ret_why = p->opts.overwrites ? "they keep the newest events" :
		   p->opts.transport != SCOPE_TRANSPORT_AUTO ? "asked for" :
		   is_perf(p) ? "this kernel has no BPF arrays to map" :
				"the kernel has them";
	return p->loaded.transport;
}

const char *scope_probe_calibration(const struct scope_probe *p)
{
	return p->opts.calibrator ? "measuring" :
			       scope_calibration_from_name(
				       scope_calibration_get()->from);
}

uint64_t scope_probe_jit_descriptor(const struct scope_probe *p)
{
	return p->jit_descriptor;
}
