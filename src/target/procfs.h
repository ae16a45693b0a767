/* SPDX-License-Identifier: MIT */
/*
 * procfs: what the kernel tells of a process, under /proc.
 *
 * Errors:  -ESRCH no such process; -EACCES not ours to read; -ENOMEM.
 * Threads: pure functions.
 * Source:  proc(5).
 */
#ifndef SCOPE_TARGET_PROCFS_H
#define SCOPE_TARGET_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct scope_procfs_status {
	pid_t tgid;    /* the process that the thread is of */
	char state;    /* as ps shows it: 'Z' a zombie, 'X' dead */
	bool is_kernel; /* a kernel thread */
};

/* Whether /proc (below `root`, "" for ours) is mounted so that it hides the
 * processes of others from who may not trace them (hidepid). */
bool scope_procfs_hides(const char *root);
/* What to add to words about a process that is not there: "", or that, and what
 * to do. Static. */
const char *scope_procfs_hint(void);

/* A file of at most cap - 1 bytes, NUL-terminated; its length, or -errno. */
ssize_t scope_procfs_read(const char *path, char *buf, size_t cap);

int scope_procfs_status(pid_t pid, struct scope_procfs_status *ret_status);

/* Value of an AT_* entry (auxv.h) of an open /proc/PID/auxv. -ENOENT. */
int scope_procfs_auxv(int fd, uint64_t type, uint64_t *ret_value);

/* Call fn with the id and the name of each thread, until it returns non-zero;
 * that value, or 0, or -errno. */
int scope_procfs_threads(pid_t pid,
			 int (*fn)(void *arg, pid_t tid, const char *comm),
			 void *arg);
/* Name of one thread, without the newline. */
int scope_procfs_comm(pid_t pid, pid_t tid, char *buf, size_t cap);

#endif
