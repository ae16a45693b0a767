/* SPDX-License-Identifier: MIT */
/*
 * place: where a process runs: its pid namespace, control group, container.
 *
 * Shapes:  all of it is what the kernel tells of the process; a container is
 *          named only where the control group's path has the form that a
 *          runtime gives it, else the texts are "".
 * Errors:  -ESRCH the process ended; -EACCES no right to look.
 * Threads: pure functions.
 * Source:  proc(5), cgroups(7), pid_namespaces(7). The forms of paths: Docker
 *          and Podman (cgroupfs and systemd drivers), the kubelet's
 *          pkg/kubelet/cm (kubepods, pod UID), CRI-O and containerd's CRI
 *          plugin, lxc(7), systemd-machined(8).
 */
#ifndef SCOPE_TARGET_PLACE_H
#define SCOPE_TARGET_PLACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct scope_place {
	pid_t pid_inside;	/* innermost pid namespace; 0: ours is that */
	char cgroup[512];	/* path, as we see it; cut when longer */
	char runtime[16];	/* "docker"; "": not said */
	char container[72];	/* id, 64 hex digits */
	char name[72];		/* where the runtime puts names into the path */
	char pod[40];		/* UID of the Kubernetes pod */
};

/* From the text of /proc/PID/cgroup. */
void scope_place_cgroup(const char *text, struct scope_place *p);
int scope_place_of(pid_t pid, struct scope_place *ret_place);
/* A thread's id in its innermost pid namespace; 0: it is gone. */
pid_t scope_place_tid(pid_t pid, pid_t tid);

/* A pid namespace as BPF programs name it. */
struct scope_pidns {
	uint64_t dev, ino;
};
/* Are we in the initial pid namespace? */
bool scope_pidns_is_initial(void);
/* Does /proc show the pid namespace that we are in? */
bool scope_pidns_is_of_proc(void);

#endif
