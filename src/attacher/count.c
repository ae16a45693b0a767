/* SPDX-License-Identifier: MIT */
/* Counting how often a node comes by sites, with an object of its own. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdlib.h>
#include <string.h>

#include "attacher/attacher.h"
#include "attacher/bpf_log.h"
#include "attacher/node_int.h"
#include "base/auto.h"

#define CPUS_MAX 4096

extern const uint8_t scope_bpf_count[], scope_bpf_count_end[];

const void *scope_attacher_count_object(size_t *ret_len)
{
	*ret_len = (size_t)(scope_bpf_count_end - scope_bpf_count);
	return scope_bpf_count;
}

/* The object with on_count alone. */
static int load(struct scope_node *n, struct scope_err *err)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "scope_count");
	struct bpf_program *prog;
	size_t len;
	const void *bytes = scope_attacher_count_object(&len);
	int r;

	scope_bpf_log_start();
	n->counting = bpf_object__open_mem(bytes, len, &opts);
	if (!n->counting)
		return scope_fail(err, -errno, "cannot open the BPF object: %s",
				  strerror(errno));
	bpf_object__for_each_program(prog, n->counting) {
		(void)bpf_program__set_autoload(
			prog, !strcmp(bpf_program__name(prog), "on_count"));
		(void)scope_link_prepare(prog, scope_link_has_multi());
	}
	r = bpf_object__load(n->counting);
	if (r == 0)
		return 0;
	scope_node_count_end(n);
	return r == -EPERM || r == -EACCES ?
		       scope_fail(err, -EPERM,
				  "no right to load BPF programs; run as root, "
				  "or with CAP_BPF and CAP_PERFMON") :
		       scope_fail(err, r, "cannot load BPF programs: %s (%s)",
				  strerror(-r), scope_bpf_log_last());
}

int scope_node_count(struct scope_node *n, const struct scope_msg_attach *m,
		     struct scope_reply *reply, struct scope_err *err)
{
	struct scope_link_sites sites;
	struct bpf_program *prog;
	char exe[64];
	int r = scope_node_sites(n, m, &sites);

	if (r < 0 || n->counts[m->is_return])
		return -EBADMSG;
	r = n->counting ? 0 : load(n, err);
	if (r < 0)
		return r;
	prog = bpf_object__find_program_by_name(n->counting, "on_count");
	(void)snprintf(exe, sizeof(exe), "/proc/%d/exe", (int)n->pid);
	r = scope_link_attach(prog, scope_link_has_multi(), exe, n->pid, &sites,
			      &n->counts[m->is_return]);
	reply->head.v[0] = sites.failed;
	return r < 0 ? scope_fail(err, r, "cannot place uprobes: %s",
				  strerror(-r)) :
		       0;
}

int scope_node_hits(struct scope_node *n, uint64_t hits[SCOPE_COUNTS_MAX])
{
	int cpus = libbpf_num_possible_cpus();
	scope_autofree uint64_t *each =
		cpus > 0 && cpus <= CPUS_MAX ?
			calloc((size_t)cpus, sizeof(*each)) :
			NULL;
	int fd;

	if (!n->counting)
		return -EBADMSG;
	if (!each)
		return -ENOMEM;
	fd = bpf_object__find_map_fd_by_name(n->counting, "counts");
	for (uint32_t i = 0; i < SCOPE_COUNTS_MAX; i++) {
		hits[i] = 0;
		if (bpf_map_lookup_elem(fd, &i, each) < 0)
			return -errno;
		for (int c = 0; c < cpus; c++)
			hits[i] += each[c];
	}
	scope_node_count_end(n);
	return 0;
}

void scope_node_count_end(struct scope_node *n)
{
	for (int k = 0; k < 2; k++) {
		scope_link_free(n->counts[k]);
		n->counts[k] = NULL;
	}
	bpf_object__close(n->counting);
	n->counting = NULL;
}
