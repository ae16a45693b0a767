/* SPDX-License-Identifier: MIT */
#include "probe/probe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"
#include "probe/bpf_log.h"
#include "probe/calibrate.h"
#include "probe/link.h"

#define RING_BYTES_MIN (64u << 10)
#define LINKS_MAX (SCOPE_GROUP_MAX * SCOPE_PROG_MAX)

extern const uint8_t scope_bpf_object[], scope_bpf_object_end[];
extern const uint8_t scope_bpf_count[], scope_bpf_count_end[];

struct scope_probe {
	struct scope_probe_opts opts;
	struct scope_sites sites;
	struct bpf_object *obj;
	struct ring_buffer *reader;
	struct scope_link *links[LINKS_MAX];
	size_t nlinks;
	struct scope_counters *counters; /* mapped, ncpus of them */
	size_t counters_bytes;
	struct scope_bpf_control *control; /* mapped */
	int processes_fd;
	unsigned ncpus, nrings;
	bool multi;
	struct scope_calibrator *calibrator; /* owned; NULL: not needed */
	uint64_t jit_descriptor;
	/* while draining */
	int (*fn)(void *arg, const void *data, size_t len);
	void *arg;
};

const void *scope_probe_object(size_t *ret_len)
{
	*ret_len = (size_t)(scope_bpf_object_end - scope_bpf_object);
	return scope_bpf_object;
}

const void *scope_probe_count_object(size_t *ret_len)
{
	*ret_len = (size_t)(scope_bpf_count_end - scope_bpf_count);
	return scope_bpf_count;
}

/* The power of two of ring bytes that keeps n rings within the total. */
static size_t ring_bytes(size_t total, unsigned n)
{
	size_t bytes = RING_BYTES_MIN;

	while (bytes * 2 * n <= total)
		bytes *= 2;
	return bytes;
}

static int configure(struct scope_probe *p, struct scope_target *t,
		     struct scope_err *err)
{
	struct bpf_map *map =
		bpf_object__find_map_by_name(p->obj, ".rodata.config");
	struct scope_vm *vm = scope_target_vm(t);
	struct scope_bpf_config *c;
	struct scope_symbol sym;
	size_t size = 0;

	c = map ? (struct scope_bpf_config *)bpf_map__initial_value(map,
								   &size) :
		  NULL;
	if (!c || size < sizeof(*c))
		return scope_fail(err, -EINVAL,
				  "the embedded BPF object has no configuration");
	memset(c, 0, sizeof(*c));
	c->layout = *vm->layout;
	c->kinds = p->sites.found & p->opts.kinds;
	c->term_words = p->opts.term_words;
	c->nrings = p->nrings;
	c->filter = p->opts.filter;
	c->am_true = scope_vm_find_atom(vm, "true", 8);
	c->am_noconnect = scope_vm_find_atom(vm, "noconnect", 4096);
	c->am_nosuspend = scope_vm_find_atom(vm, "nosuspend", 4096);
	c->am_complete = scope_vm_find_atom(vm, "complete", 4096);
	if (scope_target_symbol(t, "__jit_debug_descriptor", &sym) == 0)
		p->jit_descriptor = sym.vaddr + scope_target_info(t)->bias;
	c->jit_descriptor = p->jit_descriptor;
	c->pidns_dev = scope_target_info(t)->pidns.dev;
	c->pidns_ino = scope_target_info(t)->pidns.ino;
	c->procs = scope_target_info(t)->procs;
	c->procs_mask = vm->procs.pix_mask;
	if (scope_target_symbol(t, "erts_this_dist_entry", &sym) == 0)
		c->this_dist_entry = sym.vaddr + scope_target_info(t)->bias;
	return 0;
}

static int fail_load(struct scope_probe *p, int r, struct scope_err *err)
{
	(void)p;
	if (r == -EPERM || r == -EACCES)
		return scope_fail(err, -EPERM,
				  "no right to load BPF programs; run as root, "
				  "or with CAP_BPF and CAP_PERFMON (%s)",
				  scope_bpf_log_last());
	if (r == -EINVAL || r == -EOPNOTSUPP || r == -ENOSYS || r == -E2BIG)
		return scope_fail(err, -ENOTSUP,
				  "this kernel refuses the BPF programs; they "
				  "need 5.17 or later with BPF_SYSCALL and "
				  "UPROBE_EVENTS (%s)",
				  scope_bpf_log_last());
	return scope_fail(err, r, "cannot load BPF programs: %s (%s)",
			  strerror(-r), scope_bpf_log_last());
}

static int load(struct scope_probe *p, struct scope_target *t,
		struct scope_err *err)
{
	struct bpf_program *prog;
	struct bpf_map *map;
	bool schedules = false;
	size_t len;
	const void *bytes = scope_probe_object(&len);
	int r;

	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "scope_bpf");
	p->obj = bpf_object__open_mem(bytes, len, &opts);
	if (!p->obj)
		return fail_load(p, -errno, err);
	r = configure(p, t, err);
	if (r < 0)
		return r;
	bpf_object__for_each_program(prog, p->obj) {
		bool used = false;

		for (size_t i = 0; i < p->sites.n; i++)
			used |= !strcmp(bpf_program__name(prog),
					scope_prog_name(p->sites.site[i].prog));
		(void)bpf_program__set_autoload(prog, used);
		schedules |= used && strstr(bpf_program__name(prog), "_sched");
		(void)scope_link_prepare(prog, p->multi);
	}
	/* Its memory is taken at once: not where nobody uses it. */
	map = bpf_object__find_map_by_name(p->obj, "runs");
	if (map)
		(void)bpf_map__set_autocreate(map, schedules);
	map = bpf_object__find_map_by_name(p->obj, "counters");
	if (map)
		(void)bpf_map__set_max_entries(map, p->ncpus);
	r = bpf_object__load(p->obj);
	return r < 0 ? fail_load(p, r, err) : 0;
}

/* Map the one array whose elements fill `bytes`. */
static int map_array(struct scope_probe *p, const char *name, size_t bytes,
		     int prot, void *ret_mem, struct scope_err *err)
{
	int fd = bpf_object__find_map_fd_by_name(p->obj, name);
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

	p->counters_bytes = p->ncpus * sizeof(struct scope_counters);
	r = map_array(p, "counters", p->counters_bytes, PROT_READ, &p->counters,
		      err);
	if (r < 0)
		return r;
	r = map_array(p, "control", sizeof(*p->control),
		      PROT_READ | PROT_WRITE, &p->control, err);
	if (r == 0)
		p->control->since_ns = UINT64_MAX;
	return r;
}

static int on_record(void *arg, void *data, size_t len)
{
	struct scope_probe *p = arg;

	return p->fn(p->arg, data, len);
}

static int make_rings(struct scope_probe *p, struct scope_err *err)
{
	size_t bytes = ring_bytes(p->opts.buffer_bytes, p->nrings);
	int outer = bpf_object__find_map_fd_by_name(p->obj, "rings");

	for (__u32 i = 0; i < p->nrings; i++) {
		int r, fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "scope_ring",
					   0, 0, (__u32)bytes, NULL);

		if (fd < 0)
			return scope_fail(err, -errno,
					  "cannot make a ring buffer of %zu "
					  "bytes: %s; use a smaller --buffer",
					  bytes, strerror(errno));
		r = bpf_map_update_elem(outer, &i, &fd, BPF_ANY);
		if (r == 0 && !p->reader) {
			p->reader = ring_buffer__new(fd, on_record, p, NULL);
			r = p->reader ? 0 : -errno;
		} else if (r == 0) {
			r = ring_buffer__add(p->reader, fd, on_record, p);
		}
		/* The outer map and the reader's mapping keep the ring. */
		(void)close(fd);
		if (r < 0)
			return scope_fail(err, r,
					  "cannot set up a ring buffer: %s",
					  strerror(-r));
	}
	return 0;
}

/* One link for the sites of this group, program and side. */
static int attach_some(struct scope_probe *p, struct scope_target *t,
		       unsigned group, unsigned prog, struct scope_err *err)
{
	const struct scope_attach_site *sites[SCOPE_SITES_MAX];
	struct bpf_program *bp;
	size_t n = 0;
	int r;

	for (size_t i = 0; i < p->sites.n; i++)
		if (p->sites.site[i].group == group &&
		    p->sites.site[i].prog == prog)
			sites[n++] = &p->sites.site[i];
	if (!n)
		return 0;
	bp = bpf_object__find_program_by_name(p->obj, scope_prog_name(prog));
	if (!bp)
		return scope_fail(err, -EINVAL, "the BPF object has no %s",
				  scope_prog_name(prog));
	r = scope_link_attach(bp, p->multi, scope_target_info(t)->exe,
			      scope_target_info(t)->pid, sites, n,
			      &p->links[p->nlinks], err);
	if (r == 0)
		p->nlinks++;
	return r;
}

int scope_probe_attach(struct scope_probe *p, struct scope_target *t,
		       struct scope_err *err)
{
	/* Returns before entries: a pair is whole once its entry is there. */
	for (int pass = 0; pass < 2; pass++)
		for (unsigned g = 0; g < SCOPE_GROUP_MAX; g++)
			for (unsigned k = 0; k < SCOPE_PROG_MAX; k++) {
				int r;

				if (scope_prog_is_return(k) != (pass == 0))
					continue;
				r = attach_some(p, t, g, k, err);
				if (r < 0)
					return r;
			}
	/* For the next one: this one has its sites. */
	p->calibrator = scope_calibrator_start();
	return 0;
}

int scope_probe_open(struct scope_target *t,
		     const struct scope_probe_opts *opts,
		     struct scope_probe **ret_probe, struct scope_err *err)
{
	scope_auto(scope_probe) p = calloc(1, sizeof(*p));
	int r;

	/* Before sites are chosen: they depend on what is emulated. */
	(void)scope_calibration_get();
	if (!p)
		return scope_fail(err, -ENOMEM, "out of memory");
	p->opts = *opts;
	p->processes_fd = -1;
	p->ncpus = (unsigned)libbpf_num_possible_cpus();
	p->nrings = p->ncpus < SCOPE_RINGS_MAX ? p->ncpus : SCOPE_RINGS_MAX;
	while (p->nrings > 1 &&
	       (size_t)p->nrings * RING_BYTES_MIN > opts->buffer_bytes)
		p->nrings--;
	p->multi = scope_link_has_multi();
	scope_bpf_log_start();
	scope_catalogue_find(t, scope_catalogue_needs(opts->kinds), &p->sites);
	r = load(p, t, err);
	if (r < 0)
		return r;
	r = map_arrays(p, err);
	if (r < 0)
		return r;
	p->processes_fd = bpf_object__find_map_fd_by_name(p->obj, "processes");
	r = make_rings(p, err);
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

static void *free_link(void *link)
{
	scope_link_free(link);
	return NULL;
}

/* Taking a link off waits for grace periods of the kernel, some 40 ms or, for
 * perf uprobes, 100 ms a site: side by side they wait together. */
void scope_probe_detach(struct scope_probe *p)
{
	pthread_t threads[LINKS_MAX];
	size_t n = 0;

	scope_calibrator_free(scope_take(p->calibrator));
	while (p->nlinks) {
		struct scope_link *link = p->links[--p->nlinks];

		if (pthread_create(&threads[n], NULL, free_link, link) == 0)
			n++;
		else
			scope_link_free(link);
	}
	while (n)
		(void)pthread_join(threads[--n], NULL);
}

void scope_probe_free(struct scope_probe *p)
{
	if (!p)
		return;
	scope_probe_detach(p);
	ring_buffer__free(p->reader);
	if (p->counters)
		(void)munmap(p->counters, p->counters_bytes);
	if (p->control)
		(void)munmap(p->control, sizeof(*p->control));
	bpf_object__close(p->obj);
	free(p);
}

int scope_probe_watch(struct scope_probe *p, uint64_t pid, bool on)
{
	__u32 one = 1;

	if (on)
		return bpf_map_update_elem(p->processes_fd, &pid, &one,
					   BPF_ANY) < 0 ?
			       -ENOSPC :
			       0;
	(void)bpf_map_delete_elem(p->processes_fd, &pid);
	return 0;
}

int scope_probe_drain(struct scope_probe *p,
		      int (*fn)(void *arg, const void *data, size_t len),
		      void *arg)
{
	int r;

	p->fn = fn;
	p->arg = arg;
	r = ring_buffer__consume(p->reader);
	return r < 0 ? r : 0;
}

unsigned scope_probe_cpus(const struct scope_probe *p)
{
	return p->ncpus;
}

const struct scope_counters *scope_probe_counters(const struct scope_probe *p,
						  unsigned cpu)
{
	return &p->counters[cpu];
}

uint64_t scope_probe_missed(const struct scope_probe *p)
{
	struct bpf_program *prog;
	uint64_t missed = 0;

	bpf_object__for_each_program(prog, p->obj) {
		struct bpf_prog_info info = { 0 };
		__u32 len = sizeof(info);

		if (bpf_program__fd(prog) >= 0 &&
		    bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info,
					   &len) == 0)
			missed += info.recursion_misses;
	}
	return missed;
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

const char *scope_probe_link_kind(const struct scope_probe *p)
{
	return p->multi ? "uprobe_multi" : "perf_uprobe";
}

const char *scope_probe_calibration(const struct scope_probe *p)
{
	return p->calibrator ? "measuring" :
			       scope_calibration_from_name(
				       scope_calibration_get()->from);
}

uint64_t scope_probe_jit_descriptor(const struct scope_probe *p)
{
	return p->jit_descriptor;
}
