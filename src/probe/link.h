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
#ifndef SCOPE_PROBE_LINK_H
#define SCOPE_PROBE_LINK_H

#include <bpf/libbpf.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "probe/catalogue.h"

struct scope_link;

/* Whether this kernel's multi links can be used. The environment variable
 * SCOPE_BPF_LINKS=perf says no. */
bool scope_link_has_multi(void);

/* To be called for each program before it is loaded. */
int scope_link_prepare(struct bpf_program *prog, bool multi);

/* Attach prog at `n` sites of file `exe` for process pid. -EPERM, -ENOTSUP,
 * -ESRCH … with words. */
int scope_link_attach(struct bpf_program *prog, bool multi, const char *exe,
		      pid_t pid, const struct scope_attach_site *const *sites,
		      size_t n, struct scope_link **ret_link,
		      struct scope_err *err);
/* Detach. NULL allowed. */
void scope_link_free(struct scope_link *link);

#endif
