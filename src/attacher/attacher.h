/* SPDX-License-Identifier: MIT */
/*
 * attacher: all that needs a right over the target or the kernel, in a process
 * of its own that does nothing else. What asks it holds none.
 *
 * Shapes:  scope_attacher_start forks that process; scope_attacher_local does
 *          the same work in this one, for tools that have no other half.
 *          A node is opened to a slot, by which it is named then.
 * Errors:  with words in err: those of the operations below; -EOWNERDEAD the
 *          attacher has ended, and its probes with it.
 * Memory:  descriptors that are handed over are the caller's to close.
 * Threads: any, one request after the other.
 */
#ifndef SCOPE_ATTACHER_H
#define SCOPE_ATTACHER_H

#include <stdbool.h>
#include <sys/types.h>

#include "attacher/proto.h"
#include "attacher/regs.h"
#include "base/auto.h"
#include "base/err.h"

struct scope_attacher;

int scope_attacher_start(struct scope_attacher **ret_attacher,
			 struct scope_err *err);
int scope_attacher_local(struct scope_attacher **ret_attacher,
			 struct scope_err *err);
/* Ends it: all that it holds is closed, its probes are taken off. */
void scope_attacher_free(struct scope_attacher *a);
SCOPE_AUTO(scope_attacher)

/* Hung up when it has ended by itself; -1: it is local. */
int scope_attacher_fd(const struct scope_attacher *a);

struct scope_opened {
	unsigned slot;
	int pidfd, exe;	  /* owned by the caller */
	int auxv, mem;	  /* the same; -1: not ours to open */
	uint64_t pidns_dev, pidns_ino; /* 0: not known */
	uint64_t start_code; /* lowest address of the program's code; 0 */
	char path[SCOPE_REPLY_TEXT_MAX + 1]; /* of the program */
};

/* -ESRCH no such process; -EPERM no right to look (the capability is named). */
int scope_attacher_open(struct scope_attacher *a, pid_t pid,
			struct scope_opened *ret_opened, struct scope_err *err);
void scope_attacher_close(struct scope_attacher *a, unsigned slot);

/* A debug file, below the target's root or ours; a descriptor, or -ENOENT. */
int scope_attacher_file(struct scope_attacher *a, unsigned slot,
			enum scope_file which, bool ours, const char *name);

/* Read pieces of the target's memory, SCOPE_PIECES_MAX and
 * SCOPE_SHARED_BYTES of them at most, into their buffers. *ret_bytes: how many
 * bytes were there, in the order of the pieces, before the first that could not
 * be read. */
struct scope_read_piece {
	uint64_t addr;
	void *buf;
	uint32_t len;
};
int scope_attacher_read(struct scope_attacher *a, unsigned slot,
			const struct scope_read_piece *pieces, size_t n,
			size_t *ret_bytes);

struct scope_loaded {
	unsigned ncpus;
	bool multi; /* multi-uprobe links */
	enum scope_transport transport; /* RING or PERF */
	int counters, control; /* maps, owned by the caller */
	/* RING: the same, as many as were asked for, and the bytes of each,
	 * which older kernels allow less of */
	int rings[SCOPE_RINGS_MAX];
	size_t ring_bytes;
};
/* m: all but its head. -EPERM, -ENOTSUP with words. */
int scope_attacher_load(struct scope_attacher *a, unsigned slot,
			struct scope_msg_load *m,
			struct scope_loaded *ret_loaded, struct scope_err *err);
/* PERF: the perf events of all `ncpus`, owned by the caller; -1: no such CPU.
 * Once after each load. */
int scope_attacher_perf(struct scope_attacher *a, unsigned slot, unsigned ncpus,
			int *ret_fds, struct scope_err *err);
/* A ring of so many bytes (scope/ring.h), for a map `rings`, whose inner map it
 * is to be before the programs are loaded. Its descriptor; -E2BIG: the kernel
 * takes no such size. */
int scope_ring_make(uint32_t bytes);
/* Whether this kernel has what rings are made of; needs the rights to ask. */
bool scope_load_has_rings(void);
/* m: all but its head. On failure *ret_site is the site that was refused. */
int scope_attacher_attach(struct scope_attacher *a, unsigned slot,
			  struct scope_msg_attach *m, size_t *ret_site);
int scope_attacher_detach(struct scope_attacher *a, unsigned slot,
			  unsigned group);
int scope_attacher_watch(struct scope_attacher *a, unsigned slot, uint64_t pid,
			 bool on);
/* The number of the socket behind a descriptor of the target; -EBADF, -ENOTSOCK:
 * there is none. */
int scope_attacher_socket(struct scope_attacher *a, unsigned slot, int fd,
			  uint64_t *ret_inode);
/* Where a thread of the target is now; one that runs is waited for that long, at
 * most 2 s. What comes of its stack, from the stack pointer on, goes to `stack`.
 * -ESRCH there is no such thread; -EPERM, -EACCES no right to look. */
struct scope_thread_look {
	enum scope_thread_how how;
	struct scope_thread_regs regs;
	int64_t syscall; /* -1: in none */
	uint64_t since_ns; /* of one that is asleep: since it got on a CPU; 0 */
	char wchan[64];	 /* what it waits for in the kernel; "": not known */
	size_t stack_bytes;
};
int scope_attacher_thread(struct scope_attacher *a, unsigned slot, pid_t tid,
			  unsigned ms, uint8_t *stack, size_t cap,
			  struct scope_thread_look *ret_look);
/* Break on an address of JIT code in all threads that run Erlang code, by a
 * register of theirs (below SCOPE_BREAKS), instead of on what it was set to
 * before; 0: nothing. -ENOSPC none is free; -EOPNOTSUPP there are none here;
 * -EBADMSG it is no JIT code. */
struct scope_broken {
	unsigned threads; /* that have it now */
	uint64_t hits;	  /* of what it was set to before, by the kernel */
	uint64_t trap_ns; /* that one takes, as tried; 0: not tried */
};
int scope_attacher_break(struct scope_attacher *a, unsigned slot, unsigned reg,
			 uint64_t addr, struct scope_broken *ret);
/* Hits that the kernel ran no program for. */
uint64_t scope_attacher_missed(struct scope_attacher *a, unsigned slot);

/* Put a program that counts at sites; m: all but its head, prog and group. The
 * cookie says which of SCOPE_COUNTS_MAX counts a site's hits go to. Once for
 * entries and once for returns. -EPERM, -ENOTSUP with words. */
int scope_attacher_count(struct scope_attacher *a, unsigned slot,
			 struct scope_msg_attach *m, struct scope_err *err);
/* What was counted; the probes come off. */
int scope_attacher_hits(struct scope_attacher *a, unsigned slot,
			uint64_t hits[SCOPE_COUNTS_MAX]);

/* Load the programs that sample. m: all but its head. The descriptors, of
 * struct scope_sample_shared and of the ring, are the caller's. */
int scope_attacher_sample(struct scope_attacher *a, unsigned slot,
			  struct scope_msg_sample *m, int *ret_shared,
			  int *ret_ring, struct scope_err *err);
/* Sample threads; how many of them were there. */
int scope_attacher_clock(struct scope_attacher *a, unsigned slot,
			 struct scope_msg_clock *m, struct scope_err *err);

/* Follow processes that are left and taken up. m: all but its head. */
int scope_attacher_waits(struct scope_attacher *a, unsigned slot,
			 struct scope_msg_waits *m, struct scope_err *err);

/* The embedded BPF object; the small one of programs that only count; that of
 * those that sample. */
const void *scope_attacher_object(size_t *ret_len);
const void *scope_attacher_count_object(size_t *ret_len);
const void *scope_attacher_profile_object(size_t *ret_len);

#endif
