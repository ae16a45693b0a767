/* SPDX-License-Identifier: MIT */
#include "probe/count.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <poll.h>
#include <string.h>

#include "base/time.h"
#include "attacher/bpf_log.h"
#include "attacher/link.h"
#include "attacher/attacher.h"

#define CPUS_MAX 4096

/* Does an entry probe of the same call stand beside this return probe? */
static bool has_entry(const struct scope_sites *s,
		      const struct scope_attach_site *ret)
{
	for (size_t i = 0; i < s->n; i++)
		if (!s->site[i].is_return && s->site[i].offset == ret->offset)
			return true;
	return false;
}

/* The object with on_count alone. */
static int load(bool is_multi, struct bpf_object **ret_obj,
		struct bpf_program **ret_prog, struct scope_err *err)
{
	struct bpf_program *prog;
	size_t len;
	const void *bytes = scope_attacher_count_object(&len);
	struct bpf_object *obj;
	int r;

	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "scope_count");
	scope_bpf_log_start();
	obj = bpf_object__open_mem(bytes, len, &opts);
	if (!obj)
		return scope_fail(err, -errno, "cannot open the BPF object: %s",
				  strerror(errno));
	bpf_object__for_each_program(prog, obj)
		(void)bpf_program__set_autoload(
			prog, !strcmp(bpf_program__name(prog), "on_count"));
	*ret_prog = bpf_object__find_program_by_name(obj, "on_count");
	(void)scope_link_prepare(*ret_prog, is_multi);
	*ret_obj = obj;
	r = bpf_object__load(obj);
	if (r == -EPERM || r == -EACCES)
		return scope_fail(err, -EPERM,
				  "no right to load BPF programs; run as root, "
				  "or with CAP_BPF and CAP_PERFMON");
	return r < 0 ? scope_fail(err, r, "cannot load BPF programs: %s (%s)",
				  strerror(-r), scope_bpf_log_last()) :
		       0;
}

/* Until the time is over, or the node is. */
static void wait_for(const struct scope_target *t, uint64_t until_ns)
{
	struct pollfd p = { .fd = scope_target_pidfd(t), .events = POLLIN };
	uint64_t now;

	while ((now = scope_now_ns()) < until_ns)
		if (poll(&p, 1, (int)((until_ns - now) / 1000000 + 1)) > 0)
			return;
}

static void read_hits(struct bpf_object *obj, size_t n, uint64_t *hits)
{
	int fd = bpf_object__find_map_fd_by_name(obj, "counts");
	int cpus = libbpf_num_possible_cpus();
	uint64_t *each = cpus > 0 && cpus <= CPUS_MAX ?
				 calloc((size_t)cpus, sizeof(*each)) :
				 NULL;

	for (__u32 i = 0; each && i < n; i++) {
		hits[i] = 0;
		if (bpf_map_lookup_elem(fd, &i, each) < 0)
			continue;
		for (int c = 0; c < cpus; c++)
			hits[i] += each[c];
	}
	free(each);
}

int scope_count_hits(struct scope_target *t, const struct scope_sites *sites,
		     scope_kindset kinds, uint64_t for_ns, uint64_t *hits,
		     uint64_t *ret_ns, struct scope_err *err)
{
	struct scope_link_sites mine[2] = { { .n = 0 }, { .is_return = true } };
	struct scope_link *links[2] = { NULL, NULL };
	const struct scope_target_info *info = scope_target_info(t);
	bool is_multi = scope_link_has_multi();
	struct bpf_object *obj = NULL;
	struct bpf_program *prog = NULL;
	uint64_t start;
	int r;

	memset(hits, 0, sites->n * sizeof(*hits));
	for (size_t i = 0; i < sites->n; i++) {
		const struct scope_attach_site *s = &sites->site[i];
		struct scope_link_sites *m;

		if (!(s->kinds & kinds) ||
		    (s->is_return && has_entry(sites, s)))
			continue;
		m = &mine[s->is_return];
		m->offset[m->n] = s->offset;
		m->ref_ctr[m->n] = s->ref_ctr;
		m->cookie[m->n++] = i; /* which */
	}
	r = load(is_multi, &obj, &prog, err);
	for (int k = 0; r == 0 && k < 2; k++)
		if (mine[k].n)
			r = scope_link_attach(prog, is_multi, info->exe,
					      info->pid, &mine[k], &links[k]);
	if (r < 0)
		r = scope_fail(err, r, "cannot place uprobes: %s",
			       strerror(-r));
	start = scope_now_ns();
	if (r == 0) {
		wait_for(t, start + for_ns);
		*ret_ns = scope_now_ns() - start;
		read_hits(obj, sites->n, hits);
	}
	scope_link_free(links[0]);
	scope_link_free(links[1]);
	bpf_object__close(obj);
	return r;
}
