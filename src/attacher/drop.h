/* SPDX-License-Identifier: MIT */
/*
 * drop: what each of the two processes gives up.
 *
 * Threads: of the calling thread; call it while there is no other.
 */
#ifndef SCOPE_ATTACHER_DROP_H
#define SCOPE_ATTACHER_DROP_H

#include <linux/capability.h>
#include <stdint.h>

#define SCOPE_CAP(n) (1ull << (n))
/* What attaching takes, on kernels with multi-uprobe links that can be used. */
#define SCOPE_CAPS_ATTACH                                                      \
	(SCOPE_CAP(CAP_BPF) | SCOPE_CAP(CAP_PERFMON) |                         \
	 SCOPE_CAP(CAP_SYS_PTRACE))

/*
 * Keep those capabilities of `caps` that are there, and no other: not in the
 * permitted, effective, inheritable, ambient nor, where that is ours to say,
 * in the bounding set. Root becomes nobody, unless keep_user says not to or it
 * may not. Sets no_new_privs. 0, or -errno.
 */
int scope_drop(uint64_t caps, int keep_user);

/* Those of `caps` that this process may not use; CAP_SYS_ADMIN stands for
 * CAP_BPF and CAP_PERFMON. */
uint64_t scope_caps_missing(uint64_t caps);

#endif
