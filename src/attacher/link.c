/* SPDX-License-Identifier: MIT */
#include "attacher/link.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#define ATTACH_TYPE_UPROBE_MULTI 48 /* BPF_TRACE_UPROBE_MULTI */
#define MULTI_RETURN 1u		    /* BPF_F_UPROBE_MULTI_RETURN */
#define CMD_LINK_CREATE 28	    /* BPF_LINK_CREATE */

/* The part of union bpf_attr that a multi-uprobe link is made from. */
struct link_attr {
	__u32 prog_fd, target_fd, attach_type, flags;
	__u64 path, offsets, ref_ctr_offsets, cookies;
	__u32 cnt, multi_flags, pid, pad;
};

struct scope_link {
	int fd;			/* multi link; -1: none */
	struct bpf_link **perf; /* owned */
	size_t n;
};

bool scope_link_has_multi(void)
{
	const char *env = getenv("SCOPE_BPF_LINKS");
	unsigned major = 0, minor = 0;
	struct utsname u;

	if (env && !strcmp(env, "perf"))
		return false;
	if (uname(&u) < 0 || sscanf(u.release, "%u.%u", &major, &minor) != 2)
		return false;
	return major > 6 || (major == 6 && minor >= 10);
}

int scope_link_prepare(struct bpf_program *prog, bool multi)
{
	if (!multi)
		return 0;
	return bpf_program__set_expected_attach_type(
		prog, (enum bpf_attach_type)ATTACH_TYPE_UPROBE_MULTI);
}

static int attach_multi(struct bpf_program *prog, const char *exe, pid_t pid,
			struct scope_link_sites *sites, struct scope_link *link)
{
	struct link_attr a = {
		.prog_fd = (__u32)bpf_program__fd(prog),
		.attach_type = ATTACH_TYPE_UPROBE_MULTI,
		.path = (__u64)(uintptr_t)exe,
		.offsets = (__u64)(uintptr_t)sites->offset,
		.cookies = (__u64)(uintptr_t)sites->cookie,
		.cnt = (__u32)sites->n,
		.multi_flags = sites->is_return ? MULTI_RETURN : 0,
		.pid = (__u32)pid,
	};
	uint64_t has_ref_ctr = 0;
	long fd;

	for (size_t i = 0; i < sites->n; i++)
		has_ref_ctr |= sites->ref_ctr[i];
	if (has_ref_ctr)
		a.ref_ctr_offsets = (__u64)(uintptr_t)sites->ref_ctr;
	fd = syscall(SYS_bpf, CMD_LINK_CREATE, &a, sizeof(a));
	if (fd < 0)
		return -errno;
	link->fd = (int)fd;
	return 0;
}

static int attach_perf(struct bpf_program *prog, const char *exe, pid_t pid,
		       struct scope_link_sites *sites, struct scope_link *link)
{
	link->perf = calloc(sites->n, sizeof(*link->perf));
	if (!link->perf)
		return -ENOMEM;
	for (size_t i = 0; i < sites->n; i++) {
		LIBBPF_OPTS(bpf_uprobe_opts, opts,
			    .bpf_cookie = sites->cookie[i],
			    .retprobe = sites->is_return,
			    .ref_ctr_offset = sites->ref_ctr[i]);
		struct bpf_link *l = bpf_program__attach_uprobe_opts(
			prog, pid, exe, sites->offset[i], &opts);

		if (!l) {
			sites->failed = i;
			return -errno;
		}
		link->perf[link->n++] = l;
	}
	return 0;
}

int scope_link_attach(struct bpf_program *prog, bool multi, const char *exe,
		      pid_t pid, struct scope_link_sites *sites,
		      struct scope_link **ret_link)
{
	struct scope_link *link = calloc(1, sizeof(*link));
	int r;

	if (!link)
		return -ENOMEM;
	link->fd = -1;
	sites->failed = 0;
	r = (multi ? attach_multi : attach_perf)(prog, exe, pid, sites, link);
	if (r < 0) {
		scope_link_free(link);
		return r;
	}
	*ret_link = link;
	return 0;
}

void scope_link_free(struct scope_link *link)
{
	if (!link)
		return;
	if (link->fd >= 0)
		(void)close(link->fd);
	for (size_t i = 0; i < link->n; i++)
		(void)bpf_link__destroy(link->perf[i]);
	free(link->perf);
	free(link);
}
