/* SPDX-License-Identifier: MIT */
/* The BPF programs of one node: loading them, attaching, taking off. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "attacher/attacher.h"
#include "attacher/bpf_log.h"
#include "attacher/node_int.h"
#include "base/auto.h"

extern const uint8_t scope_bpf_object[], scope_bpf_object_end[];
extern const uint8_t scope_bpf_profile[], scope_bpf_profile_end[];

const void *scope_attacher_object(size_t *ret_len)
{
	*ret_len = (size_t)(scope_bpf_object_end - scope_bpf_object);
	return scope_bpf_object;
}

const void *scope_attacher_profile_object(size_t *ret_len)
{
	*ret_len = (size_t)(scope_bpf_profile_end - scope_bpf_profile);
	return scope_bpf_profile;
}

int scope_node_fail_load(int r, struct scope_err *err)
{
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

int scope_ring_make(uint32_t bytes)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "scope_ring", sizeof(__u32),
				SCOPE_RING_VALUE(bytes), 1, &opts);

	return fd < 0 ? -errno : fd;
}

bool scope_load_has_rings(void)
{
	const char *env = getenv("SCOPE_BPF_RINGS");
	scope_autoclose int fd = -1;

	if (env && !strcmp(env, "none"))
		return false;
	fd = scope_ring_make(SCOPE_RING_BYTES_MIN);
	return fd >= 0;
}

static int choose_transport(struct scope_node *n,
			    const struct scope_msg_load *m,
			    struct scope_err *err)
{
	bool has_rings = m->transport == SCOPE_TRANSPORT_PERF ||
			 scope_load_has_rings();

	if (m->transport == SCOPE_TRANSPORT_RING && !has_rings)
		return scope_fail(err, -ENOTSUP,
				  "this kernel has no BPF arrays that can be "
				  "mapped, which came with 5.5; use --transport "
				  "perf");
	n->transport = m->transport != SCOPE_TRANSPORT_AUTO ? m->transport :
		       has_rings ? SCOPE_TRANSPORT_RING :
				   SCOPE_TRANSPORT_PERF;
	return 0;
}

static int configure(struct scope_node *n, const struct scope_msg_load *m,
		     struct scope_err *err)
{
	struct bpf_map *map =
		bpf_object__find_map_by_name(n->obj, ".rodata.config");
	size_t size = 0;
	struct scope_bpf_config *c =
		map ? (void *)bpf_map__initial_value(map, &size) : NULL;

	if (!c || size < sizeof(m->config))
		return scope_fail(err, -EINVAL,
				  "the embedded BPF object has no configuration");
	memcpy(c, &m->config, sizeof(m->config));
	c->transport = n->transport;
	c->ring_bytes = n->ring_bytes;
	return 0;
}

static void choose(struct scope_node *n, const struct scope_msg_load *m)
{
	struct bpf_program *prog;
	struct bpf_map *map;
	bool schedules = false, usdt = false;

	bpf_object__for_each_program(prog, n->obj) {
		bool used = false;

		for (unsigned i = 0; i < m->nprogs; i++)
			used |= !strcmp(bpf_program__name(prog), m->prog[i]);
		(void)bpf_program__set_autoload(prog, used);
		schedules |= used && strstr(bpf_program__name(prog), "_sched");
		usdt |= used && strstr(bpf_program__name(prog), "_usdt");
		if (bpf_program__type(prog) == BPF_PROG_TYPE_KPROBE)
			(void)scope_link_prepare(prog, n->multi);
	}
	map = bpf_object__find_map_by_name(
		n->obj, n->transport == SCOPE_TRANSPORT_PERF ? "rings" :
							       "perf_buffers");
	if (map)
		(void)bpf_map__set_autocreate(map, false);
	/* Its memory is taken at once: not where nobody uses it. */
	map = bpf_object__find_map_by_name(n->obj, "runs");
	if (map)
		(void)bpf_map__set_autocreate(map, schedules);
	map = bpf_object__find_map_by_name(n->obj, "usdt_since");
	if (map)
		(void)bpf_map__set_autocreate(map, usdt);
}

static int reply_map(struct scope_node *n, const char *name,
		     struct scope_reply *reply, struct scope_err *err)
{
	int fd = fcntl(bpf_object__find_map_fd_by_name(n->obj, name),
		       F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return scope_fail(err, -EINVAL,
				  "the embedded BPF object has no map %s", name);
	scope_reply_fd(reply, fd);
	return 0;
}

/* Before the programs are loaded, which are made for rings of that size. Before
 * Linux 6.2 an element has 4 MB at most. */
static int make_rings(struct scope_node *n, const struct scope_msg_load *m,
		      struct scope_err *err)
{
	struct bpf_map *outer = bpf_object__find_map_by_name(n->obj, "rings");
	uint32_t bytes = (uint32_t)m->ring_bytes;

	while (n->nrings < m->nrings) {
		int fd = scope_ring_make(bytes);

		if (fd == -E2BIG && n->nrings == 0 &&
		    bytes > SCOPE_RING_BYTES_MIN) {
			bytes /= 2;
			continue;
		}
		if (fd < 0)
			return scope_fail(err, fd,
					  "cannot make a ring of %u bytes: "
					  "%s; use a smaller --buffer",
					  bytes, strerror(-fd));
		n->rings[n->nrings++] = fd;
	}
	n->ring_bytes = bytes;
	if (!outer || bpf_map__set_inner_map_fd(outer, n->rings[0]) < 0)
		return scope_fail(err, -EINVAL,
				  "the embedded BPF object has no map rings");
	return 0;
}

/* Once they are loaded. */
static int put_rings(struct scope_node *n, struct scope_reply *reply,
		     struct scope_err *err)
{
	int outer = bpf_object__find_map_fd_by_name(n->obj, "rings");

	for (uint32_t i = 0; i < n->nrings; i++)
		if (bpf_map_update_elem(outer, &i, &n->rings[i], BPF_ANY) < 0)
			return scope_fail(err, -errno,
					  "cannot set up a ring: %s",
					  strerror(errno));
	for (uint32_t i = 0; i < n->nrings; i++)
		scope_reply_fd(reply, n->rings[i]);
	n->nrings = 0;
	return 0;
}

int scope_node_load(struct scope_node *n, const struct scope_msg_load *m,
		    struct scope_reply *reply, struct scope_err *err)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "scope_bpf");
	int ncpus = libbpf_num_possible_cpus(), r;
	struct bpf_map *map;
	size_t len;
	const void *bytes = scope_attacher_object(&len);

	if (n->obj)
		return scope_fail(err, -EALREADY, "the programs are loaded");
	scope_bpf_log_start();
	r = choose_transport(n, m, err);
	if (r < 0)
		return r;
	n->multi = scope_link_has_multi();
	n->overwrites = m->config.overwrites;
	n->nperf = 0;
	n->obj = bpf_object__open_mem(bytes, len, &opts);
	if (!n->obj)
		return scope_node_fail_load(-errno, err);
	choose(n, m);
	map = bpf_object__find_map_by_name(n->obj, "counters");
	if (map)
		(void)bpf_map__set_max_entries(map, (uint32_t)ncpus);
	r = n->transport == SCOPE_TRANSPORT_RING ? make_rings(n, m, err) : 0;
	if (r == 0)
		r = configure(n, m, err);
	if (r == 0) {
		r = bpf_object__load(n->obj);
		r = r < 0 ? scope_node_fail_load(r, err) : 0;
	}
	if (r == 0)
		r = reply_map(n, "counters", reply, err);
	if (r == 0)
		r = reply_map(n, "control", reply, err);
	if (r == 0 && n->transport == SCOPE_TRANSPORT_RING)
		r = put_rings(n, reply, err);
	if (r < 0)
		scope_node_unload(n);
	reply->head.v[0] = (uint64_t)ncpus;
	reply->head.v[1] = n->multi;
	reply->head.v[2] = n->transport;
	reply->head.v[3] = n->ring_bytes;
	return r;
}

/* The event that a CPU's programs write to. Who maps it makes its buffer; the
 * kernel wakes nobody but when a whole buffer was written. -ENODEV: there is no
 * such CPU, or it is off. Overwriting begins at the newest record, from where
 * the older ones are found. */
static int open_perf(unsigned cpu, bool overwrites)
{
	struct perf_event_attr a = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(a),
		.config = PERF_COUNT_SW_BPF_OUTPUT,
		.sample_type = PERF_SAMPLE_RAW,
		.sample_period = 1,
		.watermark = 1,
		.write_backward = overwrites,
		.wakeup_watermark = UINT32_MAX,
	};
	long fd = syscall(SYS_perf_event_open, &a, -1, (int)cpu, -1,
			  PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : (int)fd;
}

int scope_node_perf(struct scope_node *n, const struct scope_msg_perf *m,
		    struct scope_reply *reply, struct scope_err *err)
{
	int map = n->obj && n->transport == SCOPE_TRANSPORT_PERF ?
			  bpf_object__find_map_fd_by_name(n->obj,
							  "perf_buffers") :
			  -1;

	/* Each once: a map that loses an event loses what its buffer holds. */
	if (map < 0 || m->first != n->nperf)
		return -EBADMSG;
	n->nperf += m->n;
	for (uint32_t i = 0; i < m->n; i++) {
		uint32_t cpu = m->first + i;
		int fd = open_perf(cpu, n->overwrites);

		if (fd == -ENODEV)
			continue;
		if (fd < 0)
			return scope_fail(
				err, fd == -EACCES ? -EPERM : fd,
				"cannot open a perf event for CPU %u: "
				"%s%s",
				cpu, strerror(-fd),
				fd == -EACCES || fd == -EPERM ?
					"; it takes CAP_PERFMON" :
					"");
		scope_reply_fd(reply, fd);
		reply->head.v[0] |= 1ull << i;
		if (bpf_map_update_elem(map, &cpu, &fd, BPF_ANY) < 0)
			return scope_fail(err, -errno,
					  "cannot set up the perf buffer of "
					  "CPU %u: %s",
					  cpu, strerror(errno));
	}
	return 0;
}

bool scope_node_is_text(const struct scope_node *n, uint64_t offset)
{
	for (unsigned i = 0; i < n->ntexts; i++)
		if (offset >= n->text[i].from && offset < n->text[i].to)
			return true;
	return false;
}

int scope_node_sites(const struct scope_node *n,
		     const struct scope_msg_attach *m,
		     struct scope_link_sites *ret_sites)
{
	*ret_sites = (struct scope_link_sites){ .n = m->n,
						.is_return = m->is_return };
	for (uint32_t i = 0; i < m->n; i++) {
		if (!scope_node_is_text(n, m->site[i].offset))
			return -EBADMSG;
		ret_sites->offset[i] = m->site[i].offset;
		ret_sites->cookie[i] = m->site[i].cookie;
		ret_sites->ref_ctr[i] = m->site[i].ref_ctr;
	}
	return 0;
}

int scope_node_attach(struct scope_node *n, const struct scope_msg_attach *m,
		      struct scope_reply *reply)
{
	struct bpf_program *prog =
		n->obj ? bpf_object__find_program_by_name(n->obj, m->prog) :
			 NULL;
	struct scope_link_sites sites;
	char exe[64];
	int r;

	if (!prog || bpf_program__fd(prog) < 0)
		return -EBADMSG;
	if (n->nlinks == SCOPE_LINKS_MAX)
		return -ENOSPC;
	r = scope_node_sites(n, m, &sites);
	if (r < 0)
		return r;
	(void)snprintf(exe, sizeof(exe), "/proc/%d/exe", (int)n->pid);
	r = scope_link_attach(prog, n->multi, exe, n->pid, &sites,
			      &n->links[n->nlinks].link);
	reply->head.v[0] = sites.failed;
	if (r < 0)
		return r;
	n->links[n->nlinks++].group = m->group;
	return 0;
}

static void *free_link(void *link)
{
	scope_link_free(link);
	return NULL;
}

/* Taking a link off waits for grace periods of the kernel, some 40 ms or, for
 * perf uprobes, 100 ms a site: side by side they wait together. */
int scope_node_detach(struct scope_node *n, unsigned group)
{
	pthread_t threads[SCOPE_LINKS_MAX];
	size_t nthreads = 0, kept = 0;

	for (size_t i = 0; i < n->nlinks; i++) {
		if (group != SCOPE_GROUP_ALL && n->links[i].group != group)
			n->links[kept++] = n->links[i];
		else if (pthread_create(&threads[nthreads], NULL, free_link,
					n->links[i].link) == 0)
			nthreads++;
		else
			scope_link_free(n->links[i].link);
	}
	n->nlinks = kept;
	if (group == SCOPE_GROUP_ALL)
		scope_node_breaks_off(n);
	while (nthreads)
		(void)pthread_join(threads[--nthreads], NULL);
	return 0;
}

int scope_node_watch(struct scope_node *n, uint64_t pid, bool on)
{
	uint32_t one = 1;
	int fd = n->obj ? bpf_object__find_map_fd_by_name(n->obj, "processes") :
			  -EINVAL;

	if (fd < 0)
		return -EBADMSG;
	if (on)
		return bpf_map_update_elem(fd, &pid, &one, BPF_ANY) < 0 ?
			       -ENOSPC :
			       0;
	(void)bpf_map_delete_elem(fd, &pid);
	return 0;
}

int scope_node_missed(struct scope_node *n, uint64_t *ret_missed)
{
	struct bpf_program *prog;
	uint64_t missed = 0;

	if (!n->obj)
		return -EBADMSG;
	bpf_object__for_each_program(prog, n->obj) {
		struct bpf_prog_info info = { 0 };
		__u32 len = sizeof(info);

		if (bpf_program__fd(prog) >= 0 &&
		    bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info,
					   &len) == 0)
			missed += info.recursion_misses;
	}
	*ret_missed = missed;
	return 0;
}

void scope_node_unload(struct scope_node *n)
{
	(void)scope_node_detach(n, SCOPE_GROUP_ALL);
	bpf_object__close(n->obj);
	n->obj = NULL;
	while (n->nrings)
		(void)close(n->rings[--n->nrings]);
}
