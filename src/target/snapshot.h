/* SPDX-License-Identifier: MIT */
/*
 * snapshot: the processes of a node as they are now, from its memory alone. The
 * node does nothing for it, and is not stopped.
 *
 * Shapes:  scope_snapshot_take reads all processes, or those asked for, with
 *          what `wants` names, into a scope_snapshot, which does not change.
 *          A scope_snap_proc is one process, in the terms of process_info/2.
 *          Terms that are more than a word are kept as images.
 * Torn:    processes go on while they are read. Each is read twice, some
 *          hundred at a time: what was read of one that ran or changed in
 *          between is thrown away and read again, thrice; then it is kept and
 *          marked torn. Of one that runs all the while, heap, stack, `i` and
 *          reductions are those of when it was last put aside.
 * Limits:  SCOPE_SNAP_PROCS processes; of one process SCOPE_SNAP_ENTRIES links,
 *          monitors, binaries, `messages` messages for its memory, and
 *          SCOPE_SNAP_TERM_WORDS words of a term. What is beyond is in `lacks`.
 * Errors:  -ESRCH the target is gone; -EFAULT the process table can't be read;
 *          -ENOMEM; with words in err.
 * Memory:  all is owned by the snapshot and lives as long.
 * Threads: taken by the target's owner; then constant.
 * Source:  process_info_aux of erl_bif_info.c, erts_process_memory of
 *          erl_process_dump.c, erl_monitor_link.[ch], erl_proc_sig_queue.[ch],
 *          erl_process_dict.c of OTP 23.2.6, 25.2.3, 27.3.4.1, 29.1.1.
 */
#ifndef SCOPE_TARGET_SNAPSHOT_H
#define SCOPE_TARGET_SNAPSHOT_H

#include "base/auto.h"
#include "base/err.h"
#include "target/target.h"

#define SCOPE_SNAP_PROCS (1u << 24)
#define SCOPE_SNAP_ENTRIES (1u << 20)
#define SCOPE_SNAP_MESSAGES 100000u
#define SCOPE_SNAP_TERM_WORDS 256u

/* What to read beside what the process itself holds; bits. */
#define SCOPE_SNAP_INITIAL (1u << 0)  /* `initial` as proc_lib keeps it */
#define SCOPE_SNAP_MEMORY (1u << 1)   /* `memory`, queued messages in it and in
					 `total_heap_words` */
#define SCOPE_SNAP_LINKS (1u << 2)
#define SCOPE_SNAP_MONITORS (1u << 3) /* and those that monitor it */
#define SCOPE_SNAP_BINARIES (1u << 4)
#define SCOPE_SNAP_LABEL (1u << 5)
#define SCOPE_SNAP_ANCESTORS (1u << 6) /* and callers */
#define SCOPE_SNAP_ALL 0x7fu

/* As process_info(P, status) tells them, and `free`. */
enum scope_snap_status {
	SCOPE_SNAP_FREE,
	SCOPE_SNAP_EXITING,
	SCOPE_SNAP_GC,
	SCOPE_SNAP_SUSPENDED,
	SCOPE_SNAP_RUNNING,
	SCOPE_SNAP_RUNNABLE,
	SCOPE_SNAP_WAITING,
};
/* "garbage_collecting"; static. */
const char *scope_snap_status_name(enum scope_snap_status s);
enum scope_snap_status scope_snap_status_of(uint32_t state);

/* A term as it was: word 0: there is none. Its image: scope_snapshot_image. */
struct scope_snap_term {
	uint64_t word;
	uint32_t words_at, segs_at; /* in the snapshot's arrays */
	uint16_t nwords, nsegs;
};

/* What a link or monitor leads to. */
enum scope_snap_what {
	SCOPE_SNAP_PROCESS,
	SCOPE_SNAP_PORT,
	SCOPE_SNAP_TIME_OFFSET, /* `to` is the atom clock_service */
	SCOPE_SNAP_RESOURCE,	/* of a NIF; `to` is nothing */
};
struct scope_snap_peer {
	struct scope_snap_term to; /* a pid, a port, or the name monitored */
	uint64_t node; /* of a name: the atom of its node; else 0 */
	enum scope_snap_what what;
};
struct scope_snap_range {
	uint32_t at, n; /* of the snapshot's peers */
};

struct scope_snap_proc {
	uint64_t pid;	 /* Eterm */
	uint64_t addr;	 /* of the Process */
	uint64_t name;	 /* Eterm atom; 0: none */
	uint64_t parent; /* Eterm; 0: none, or of another node */
	uint32_t state;	 /* ERTS_PSFLG_* */
	uint32_t flags;	 /* F_* */
	enum scope_snap_status status;
	uint32_t scheduler; /* that runs it; as scope_target_scheduler counts;
			       0: none, or not known */
	struct scope_mfa spawned; /* process_info's initial_call */
	struct scope_mfa initial; /* proc_lib's, where it keeps one */
	/* Where it goes on, or was when it was last put aside if it runs:
	 * `current` when there is one (a BIF, or a function's entry), else the
	 * code at address i. */
	uint64_t i;
	struct scope_mfa current; /* module 0: none */
	uint64_t mailbox; /* messages, in the outer queue, too */
	uint64_t reductions;
	uint64_t heap, htop, stop, hend; /* addresses */
	uint64_t old_heap, old_htop, old_hend; /* 0: there is none */
	uint64_t heap_words, total_heap_words, stack_words;
	uint64_t memory; /* bytes */
	uint64_t binaries, binary_bytes; /* entries; of each binary once */
	uint64_t dictionary; /* address of the ProcDict; 0: none */
	uint64_t dictionary_entries;
	uint64_t read_ns; /* CLOCK_MONOTONIC */
	uint32_t catches;
	uint32_t lacks; /* SCOPE_SNAP_*: could not be read, or not all of it */
	bool torn;
	bool sensitive; /* process_flag(sensitive): no contents were read */
	struct scope_snap_term group_leader;
	struct scope_snap_term label, ancestors, callers;
	struct scope_snap_range links, monitors, monitored_by;
};

struct scope_snapshot_opts {
	uint32_t wants;		/* SCOPE_SNAP_* */
	uint32_t messages;	/* of one process that are looked at; 0:
				   SCOPE_SNAP_MESSAGES */
	const uint64_t *pids;	/* borrowed; NULL: all */
	size_t npids;
};

struct scope_snapshot;

int scope_snapshot_take(struct scope_target *t,
			const struct scope_snapshot_opts *opts,
			struct scope_snapshot **ret_snapshot,
			struct scope_err *err);
void scope_snapshot_free(struct scope_snapshot *s);
SCOPE_AUTO(scope_snapshot)

/* In no order. */
size_t scope_snapshot_count(const struct scope_snapshot *s);
const struct scope_snap_proc *scope_snapshot_at(const struct scope_snapshot *s,
						size_t i);
/* NULL: it is not there. */
const struct scope_snap_proc *
scope_snapshot_find(const struct scope_snapshot *s, uint64_t pid);

/* Peer i of a range. */
const struct scope_snap_peer *
scope_snapshot_peer(const struct scope_snapshot *s,
		    const struct scope_snap_range *r, size_t i);
struct scope_image scope_snapshot_image(const struct scope_snapshot *s,
					const struct scope_snap_term *t);

struct scope_snapshot_totals {
	uint64_t from_ns, to_ns; /* CLOCK_MONOTONIC: when it was taken */
	uint32_t slots;		 /* of the process table */
	uint32_t vanished; /* ended or began while they were read: left out */
	uint32_t torn, lacking;
};
void scope_snapshot_totals(const struct scope_snapshot *s,
			   struct scope_snapshot_totals *ret);

#endif
