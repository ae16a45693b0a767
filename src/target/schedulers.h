/* SPDX-License-Identifier: MIT */
/*
 * schedulers: what each scheduler of a node runs, and what waits in its run
 * queue; read from memory.
 *
 * Shapes:  normal schedulers, then dirty CPU, then dirty I/O ones, numbered as
 *          erlang:system_info(scheduler_id) counts. Run queues, one for each
 *          normal scheduler, then one for all dirty CPU ones and one for all
 *          dirty I/O ones: as erlang:statistics(run_queue_lengths_all) lists.
 * Torn:    what a scheduler runs is read before and after the process's or
 *          port's own id; where these differ it is read again, a few times, and
 *          then marked.
 * Limits:  SCOPE_SCHEDULERS_MAX.
 * Errors:  -ENOENT they are not found; -EBADMSG what is there is none; -EFAULT
 *          -ESRCH from reading; -ENOMEM.
 * Memory:  the result is the caller's.
 * Threads: as the vm's.
 * Source:  erl_process.h, ErtsSchedulerData, ErtsSchedulerSleepInfo (flags
 *          ERTS_SSI_FLG_*, the same in OTP 23 to 29), ErtsRunQueue; erl_process.c,
 *          init_scheduling: the run queues are one array, erts_run_queues_len;
 *          layout's s_*, ssi_* and rq_* (OTP 23.2.6, 25.2.3, 27.3.4.1, 29.1.1).
 */
#ifndef SCOPE_TARGET_SCHEDULERS_H
#define SCOPE_TARGET_SCHEDULERS_H

#include "target/target.h"

/* ERTS_MAX_NO_OF_SCHEDULERS of each of the three types. */
#define SCOPE_SCHEDULERS_MAX 3072u
#define SCOPE_PRIORITIES 4 /* max, high, normal, low */

enum scope_sched_type {
	SCOPE_SCHED_NORMAL,
	SCOPE_SCHED_DIRTY_CPU,
	SCOPE_SCHED_DIRTY_IO,
	SCOPE_SCHED_TYPES,
};

enum scope_sched_state {
	SCOPE_SCHED_RUNNING,   /* a process or a port */
	SCOPE_SCHED_AWAKE,     /* between them: other work, or looks for some */
	SCOPE_SCHED_WAITING,   /* spins before it goes to sleep */
	SCOPE_SCHED_ASLEEP,
	SCOPE_SCHED_SUSPENDED, /* not online */
	SCOPE_SCHED_UNREADABLE,
};

struct scope_scheduler {
	unsigned no;	     /* from 1, of all */
	unsigned type_no;    /* from 1, of its type */
	enum scope_sched_type type;
	enum scope_sched_state state;
	bool is_torn; /* what it runs changed as often as it was read */
	uint64_t esdp;	     /* address of its ErtsSchedulerData */
	uint64_t pid;	     /* Eterm; 0: it runs no process */
	uint64_t name;	     /* Eterm atom: of that process; 0: none */
	uint64_t proc;	     /* address of that Process */
	uint64_t port;	     /* Eterm; 0: it runs no port */
	uint64_t reductions; /* of processes that it has scheduled out; normal
				ones count them alone */
	uint64_t cpu_ns;     /* of its thread; SCOPE_GAUGE_UNKNOWN */
	uint64_t ntables;    /* ETS tables that it keeps */
	unsigned queue;	     /* index of its run queue */
};

struct scope_run_queue {
	enum scope_sched_type type;
	bool is_readable;
	uint32_t len; /* processes and ports */
	uint32_t priority[SCOPE_PRIORITIES]; /* processes: max to low */
	uint32_t ports;
};

struct scope_schedulers {
	size_t n, nqueues;
	size_t unread; /* dirty ones, whose data is not found */
	struct scope_scheduler *all;	/* owned */
	struct scope_run_queue *queues; /* owned */
};

/* Where a node keeps them: arrays of ErtsAlignedSchedulerData. */
struct scope_sched_place {
	uint64_t at[SCOPE_SCHED_TYPES]; /* 0: not known, but of normal ones */
	unsigned n[SCOPE_SCHED_TYPES];
};

/* All but cpu_ns. */
int scope_schedulers_read(struct scope_vm *vm,
			  const struct scope_sched_place *place,
			  struct scope_schedulers **ret_schedulers);
void scope_schedulers_free(struct scope_schedulers *s);
SCOPE_AUTO(scope_schedulers)

int scope_target_schedulers(struct scope_target *t,
			    struct scope_schedulers **ret_schedulers);
/* The run queues alone: one read. */
int scope_target_run_queues(struct scope_target *t,
			    struct scope_schedulers **ret_schedulers);
/* Where they are; at[NORMAL] 0: not found. */
struct scope_sched_place scope_target_sched_place(struct scope_target *t);

/* "normal", "dirty_cpu", "dirty_io"; "running" and so on. Static. */
const char *scope_sched_type_name(enum scope_sched_type type);
const char *scope_sched_state_name(enum scope_sched_state state);

#endif
