/* SPDX-License-Identifier: MIT */
/*
 * link: programs onto sites, as one multi-uprobe link for all sites of a
 * program in a group, or as perf uprobes where the kernel has no good ones.
 *
 * Source:  include/uapi/linux/bpf.h (BPF_LINK_CREATE, uprobe_multi), which
 *          libbpf before 1.3 has no call for. Multi links came with 6.6, but
 *          until 6.10 a link with a pid ran its program for that one thread
 *          only; so older kernels get perf uprobes, which take about 0.1 s
 *          each to detach.
 */
#ifndef SCOPE_ATTACHER_LINK_H
#define SCOPE_ATTACHER_LINK_H

#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "attacher/proto.h"

struct scope_link;

struct scope_link_sites {
	uint64_t offset[SCOPE_WIRE_SITES_MAX]; /* in the file */
	uint64_t cookie[SCOPE_WIRE_SITES_MAX];
	uint64_t ref_ctr[SCOPE_WIRE_SITES_MAX]; /* in the file; 0: none */
	size_t n;
	bool is_return;
	size_t failed; /* the one that was refused, where that is known */
};

/* Whether this kernel's multi links can be used. The environment variable
 * SCOPE_BPF_LINKS=perf says no. */
bool scope_link_has_multi(void);

/* To be called for each program before it is loaded. */
int scope_link_prepare(struct bpf_program *prog, bool multi);

/* Attach prog at sites of file `exe` for process pid. 0, or the kernel's
 * -errno. */
int scope_link_attach(struct bpf_program *prog, bool multi, const char *exe,
		      pid_t pid, struct scope_link_sites *sites,
		      struct scope_link **ret_link);
/* Detach. NULL allowed. */
void scope_link_free(struct scope_link *link);

#endif
