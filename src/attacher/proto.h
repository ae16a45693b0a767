/* SPDX-License-Identifier: MIT */
/*
 * proto: what the main process asks of the attacher, and what that answers.
 *
 * One request is one packet of a SOCK_SEQPACKET socket pair, one answer is
 * another; each starts with its fixed head, in the byte order of the machine.
 * There is no version: both ends are one program. The attacher takes nothing
 * for granted: a request of another size than its operation has, a number out
 * of its range, a text that does not end is answered with -EBADMSG, and nothing
 * is done.
 *
 *   operation  request              answer: v[], text, descriptors
 *   OPEN       scope_msg_open       slot, dev and ino of its pid namespace,
 *                                   start of its code, SCOPE_HAS_*; the path
 *                                   of its program; pidfd, exe[, auxv][, mem]
 *   FILE       scope_msg_file       -; -; the debug file
 *   READ       scope_msg_read       bytes read, of all pieces in their order;
 *                                   they are in the shared memory
 *   LOAD       scope_msg_load       CPUs, 1: multi links, enum
 *                                   scope_transport, bytes of a ring; -;
 *                                   counters, control, and of RING nrings
 *                                   rings
 *   PERF       scope_msg_perf       which of these CPUs are there, by bit; -;
 *                                   a perf event of each
 *   ATTACH     scope_msg_attach     on failure the site that was refused
 *   DETACH     scope_msg_detach     -
 *   WATCH      scope_msg_watch      -
 *   MISSED     scope_msg_head       hits that no program was run for
 *   CLOSE      scope_msg_head       -
 *   SOCKET     scope_msg_socket     number of the socket that it is
 *   BREAK      scope_msg_break      threads that have it, hits that the kernel
 *                                   counted at what was there before
 *   COUNT      scope_msg_attach     as ATTACH, with a program that counts hits;
 *                                   no group, no program; cookie: which count
 *   HITS       scope_msg_head       counts that are in the shared memory, in
 *                                   the order of their numbers, 64 bits each;
 *                                   what counted is taken off
 *   THREAD     scope_msg_thread     SCOPE_THREAD_*, bytes of its stack, number of
 *                                   its system call (-1: in none), ns since it
 *                                   got on a CPU last (0: not known); what it
 *                                   waits for in the kernel; struct scope_thread_regs,
 *                                   then the stack, are in the shared memory
 *   SAMPLE     scope_msg_sample     -; -; what programs and reader share, the
 *                                   ring of samples
 *   CLOCK      scope_msg_clock      threads that were there
 *   WAITS      scope_msg_waits      -
 */
#ifndef SCOPE_ATTACHER_PROTO_H
#define SCOPE_ATTACHER_PROTO_H

#include <stdint.h>

#include "scope/ring.h"
#include "scope/profile.h"
#include "scope/site.h"

enum scope_op {
	SCOPE_OP_OPEN = 1,
	SCOPE_OP_FILE,
	SCOPE_OP_READ,
	SCOPE_OP_LOAD,
	SCOPE_OP_ATTACH,
	SCOPE_OP_DETACH,
	SCOPE_OP_WATCH,
	SCOPE_OP_MISSED,
	SCOPE_OP_CLOSE,
	SCOPE_OP_SOCKET,
	SCOPE_OP_COUNT,
	SCOPE_OP_HITS,
	SCOPE_OP_PERF,
	SCOPE_OP_THREAD,
	SCOPE_OP_SAMPLE,
	SCOPE_OP_CLOCK,
	SCOPE_OP_WAITS,
	SCOPE_OP_BREAK,
	SCOPE_OP_MAX,
};

#define SCOPE_SLOTS_MAX 64 /* nodes at once */
#define SCOPE_PIECES_MAX 256
#define SCOPE_SHARED_BYTES (1u << 20)
#define SCOPE_WIRE_PROGS_MAX 48
#define SCOPE_WIRE_SITES_MAX 256
#define SCOPE_WIRE_GROUPS_MAX 32
#define SCOPE_COUNTS_MAX 256 /* as many as bpf/count.bpf.c has */
#define SCOPE_PROG_NAME_MAX 32
#define SCOPE_PERF_CPUS_MAX 64
#define SCOPE_FDS_MAX (SCOPE_RINGS_MAX + 4)
#define SCOPE_GROUP_ALL UINT32_MAX

struct scope_msg_head {
	uint32_t op;
	uint32_t slot; /* OPEN: 0 */
};

struct scope_msg_open {
	struct scope_msg_head head;
	int32_t pid;
	uint32_t pad;
};

#define SCOPE_HAS_AUXV 1u
#define SCOPE_HAS_MEM 2u

enum scope_file {
	SCOPE_FILE_BY_ID,   /* name: build-id, in hex */
	SCOPE_FILE_BY_LINK, /* name: that of .gnu_debuglink */
	SCOPE_FILE_MAX,
};

struct scope_msg_file {
	struct scope_msg_head head;
	uint32_t which; /* enum scope_file */
	uint32_t ours;	/* 0: below the target's root; 1: below ours */
	char name[256];
};

struct scope_msg_read {
	struct scope_msg_head head;
	uint32_t n;
	uint32_t pad;
	struct scope_msg_piece {
		uint64_t addr;
		uint32_t len;
		uint32_t pad;
	} piece[SCOPE_PIECES_MAX]; /* n of them are sent */
};

struct scope_msg_load {
	struct scope_msg_head head;
	uint32_t nprogs;
	uint32_t nrings;
	uint64_t ring_bytes; /* of each: a power of two */
	uint32_t transport;  /* enum scope_transport */
	uint32_t pad;
	char prog[SCOPE_WIRE_PROGS_MAX][SCOPE_PROG_NAME_MAX];
	struct scope_bpf_config config;
};

/* Of programs that were loaded with SCOPE_TRANSPORT_PERF: open the perf events
 * of `n` CPUs; of each CPU once, in their order. */
struct scope_msg_perf {
	struct scope_msg_head head;
	uint32_t first;
	uint32_t n; /* SCOPE_PERF_CPUS_MAX at most */
};

struct scope_msg_attach {
	struct scope_msg_head head;
	uint32_t group;
	uint32_t is_return;
	char prog[SCOPE_PROG_NAME_MAX];
	uint32_t n;
	uint32_t pad;
	struct scope_msg_site {
		uint64_t offset; /* in the file, of an instruction */
		uint64_t cookie; /* enum scope_site, and its argument: SCOPE_COOKIE_ARG */
		uint64_t ref_ctr; /* in the file: a semaphore; 0: none */
	} site[SCOPE_WIRE_SITES_MAX]; /* n of them are sent */
};

struct scope_msg_detach {
	struct scope_msg_head head;
	uint32_t group; /* or SCOPE_GROUP_ALL */
	uint32_t pad;
};

struct scope_msg_watch {
	struct scope_msg_head head;
	uint64_t pid;
	uint32_t on;
	uint32_t pad;
};

struct scope_msg_socket {
	struct scope_msg_head head;
	int32_t fd; /* of the target's */
	uint32_t pad;
};

struct scope_msg_thread {
	struct scope_msg_head head;
	int32_t tid; /* of the target's, as we see them */
	uint32_t ms; /* that a thread which runs is waited for */
};

enum scope_thread_how {
	SCOPE_THREAD_UNSEEN,  /* it neither ran nor slept */
	SCOPE_THREAD_ASLEEP,  /* not on a CPU: its registers */
	SCOPE_THREAD_SAMPLED, /* it runs: all registers, and of its stack */
};

/* Load the programs that sample; once for a node. */
struct scope_msg_sample {
	struct scope_msg_head head;
	uint64_t ring_bytes; /* a power of two */
	struct scope_sample_config config;
};

/* Sample threads of the node; may be asked again for more. Those that have ended
 * are left out. */
#define SCOPE_WIRE_THREADS_MAX 256
#define SCOPE_HZ_MAX 10000u
struct scope_msg_clock {
	struct scope_msg_head head;
	uint32_t hz;
	uint32_t n;
	struct scope_msg_clocked {
		int32_t tid; /* in the attacher's own pid namespace */
		uint32_t pad;
		uint64_t scheduler; /* address of its data */
	} thread[SCOPE_WIRE_THREADS_MAX]; /* n of them are sent */
};

/* Follow processes that are left and taken up: probes on the function that does
 * both; once for a node, whose programs were loaded for it. */
struct scope_msg_waits {
	struct scope_msg_head head;
	uint64_t entry, ret; /* offsets in the file */
};

/* A debug register of all threads that run Erlang code; and what it breaks on,
 * instead of what it did before. */
struct scope_msg_break {
	struct scope_msg_head head;
	uint32_t reg; /* below SCOPE_BREAKS */
	uint32_t pad;
	uint64_t addr; /* of an instruction of the JIT's; 0: nothing */
};

#define SCOPE_MSG_MAX 8192
_Static_assert(sizeof(struct scope_msg_read) <= SCOPE_MSG_MAX &&
		       sizeof(struct scope_msg_load) <= SCOPE_MSG_MAX &&
		       sizeof(struct scope_msg_attach) <= SCOPE_MSG_MAX &&
		       sizeof(struct scope_msg_sample) <= SCOPE_MSG_MAX &&
		       sizeof(struct scope_msg_clock) <= SCOPE_MSG_MAX,
	       "a request is larger than what is received");

/* As it is sent: text_len bytes of text, no NUL. The text is the words of a
 * failure, or what the operation says. */
struct scope_reply_head {
	int32_t r; /* 0, or -errno */
	uint32_t nfds;
	uint64_t v[5];
	uint32_t text_len;
	uint32_t pad;
};
#define SCOPE_REPLY_TEXT_MAX 4096

struct scope_reply {
	struct scope_reply_head head;
	char text[SCOPE_REPLY_TEXT_MAX];
	int fds[SCOPE_FDS_MAX]; /* owned by the reply; beside the bytes */
};

#endif
