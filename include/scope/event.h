/* SPDX-License-Identifier: MIT */
/*
 * The contract of events: the table of kinds and the records that the BPF
 * programs write. Compiled by both sides; kinds and flag bits are never
 * renumbered. What each kind means is in CLI terms (man scope-bpf-events(7)).
 *
 * A record is a struct scope_rec, followed by nsegs segment words and nwords
 * words copied from the target:
 *
 *   struct scope_rec | u64 words[nwords] | u64 segs[nsegs]
 *
 * A segment word says where a run of words came from: the low 48 bits are the
 * address (8-byte aligned) in the target, the high 16 bits the number of
 * words. Runs lie in words[] in the order of segs[], back to back; together
 * they are a sparse image of the target's memory, from which user space
 * decodes the terms that the record names. What is not in the image was cut
 * by the budget, or could not be read.
 */
#ifndef SCOPE_EVENT_H
#define SCOPE_EVENT_H

#include <linux/types.h>

/*
 * X(number, SYMBOL, name, group, by default, says)
 *
 * Kinds 40 to 47 are made by the collector; the others come from the kernel
 * side. Free numbers: 21 to 30, 32 to 39 and 48 to 63.
 */
#define SCOPE_KINDS(X)                                                         \
	X(1, PROC_SPAWN, "proc.spawn", PROC, 1, "a process was created")           \
	X(2, PROC_EXIT, "proc.exit", PROC, 1, "a process ended")                   \
	X(3, PROC_EXIT_SIGNAL, "proc.exit_signal", PROC, 1,                        \
	  "an exit signal was sent, by exit/2 or along a link")                    \
	X(4, PROC_LINK, "proc.link", PROC, 0, "a link was requested")              \
	X(5, PROC_UNLINK, "proc.unlink", PROC, 0, "a link was removed")            \
	X(6, PROC_MONITOR, "proc.monitor", PROC, 0, "a monitor was requested")     \
	X(7, PROC_DEMONITOR, "proc.demonitor", PROC, 0, "a monitor was removed")   \
	X(8, PROC_DOWN, "proc.down", PROC, 0, "a DOWN was sent to a watcher")      \
	X(9, PROC_REGISTER, "proc.register", PROC, 1, "a name was registered")     \
	X(10, PROC_UNREGISTER, "proc.unregister", PROC, 1, "a name was freed")     \
	X(11, MSG_SEND, "msg.send", MSG, 1, "a message was enqueued")              \
	X(12, MSG_RECEIVE, "msg.receive", MSG, 0, "a message was taken out")       \
	X(13, GC_START, "gc.start", GC, 0, "a garbage collection began")           \
	X(14, GC_END, "gc.end", GC, 1, "a garbage collection ended")               \
	X(15, CODE_LOAD, "code.load", CODE, 1, "a module's code was loaded")       \
	X(16, CODE_UNLOAD, "code.unload", CODE, 1, "a module's code was removed")  \
	X(17, SCHED_IN, "sched.in", SCHED, 0,                                      \
	  "a scheduler took up a process")                                         \
	X(18, SCHED_OUT, "sched.out", SCHED, 0, "a scheduler left a process")      \
	X(19, PROC_HIBERNATE, "proc.hibernate", PROC, 0,                           \
	  "a process went into hibernation")                                       \
	X(20, HEAP_GROW, "heap.grow", GC, 0,                                       \
	  "a process's heap grew or shrank in a collection")                       \
	X(31, CALL, "call", CALL, 0,                                               \
	  "a BIF or NIF returned; a traced function was called or returned")       \
	X(27, DIST_SEND, "dist.send", DIST, 0,                                 \
	  "a signal was handed to the connection to another node")             \
	X(28, DIST_RECEIVE, "dist.receive", DIST, 0,                           \
	  "a signal of another node came in")                                  \
	X(29, DIST_NODE_UP, "dist.node_up", DIST, 0,                           \
	  "a connection to another node was set up")                           \
	X(30, DIST_NODE_DOWN, "dist.node_down", DIST, 0,                       \
	  "the connection to another node is gone")                            \
	X(21, PORT_OPEN, "port.open", PORT, 0, "a port was opened")                \
	X(22, PORT_CLOSE, "port.close", PORT, 0, "a port was closed")              \
	X(23, PORT_COMMAND, "port.command", PORT, 0, "data was sent to a port")    \
	X(24, PORT_CONTROL, "port.control", PORT, 0,                               \
	  "an operation of a port's driver was called")                            \
	X(25, PORT_INPUT, "port.input", PORT, 0,                                   \
	  "a driver handed data to a process")                                     \
	X(26, PORT_OUTPUT, "port.output", PORT, 0,                                 \
	  "a driver was given data to write")                                      \
	X(32, TIMER_START, "timer.start", TIMER, 0, "a timer was started")         \
	X(33, TIMER_CANCEL, "timer.cancel", TIMER, 0, "a timer was canceled")      \
	X(34, TIMER_TIMEOUT, "timer.timeout", TIMER, 0, "a timer ran out")         \
	X(35, ETS_NEW, "ets.new", ETS, 0, "a table was made")                      \
	X(36, ETS_DELETE_TABLE, "ets.delete_table", ETS, 0, "a table was deleted") \
	X(37, ETS_LOOKUP, "ets.lookup", ETS, 0, "a table was asked")               \
	X(38, ETS_INSERT, "ets.insert", ETS, 0, "objects were inserted")           \
	X(39, ETS_DELETE, "ets.delete", ETS, 0, "objects were deleted")            \
	X(48, ETS_UPDATE, "ets.update", ETS, 0, "a table or object was changed")   \
	X(49, ETS_SELECT, "ets.select", ETS, 0, "a table was searched")            \
	X(40, PROC_INFO, "proc.info", PROC, 1, "a process is introduced")          \
	X(41, NODE_ATTACH, "node.attach", NODE, 1, "what is attached, from where") \
	X(42, NODE_EXIT, "node.exit", NODE, 1, "the node ended")                   \
	X(43, LOSS, "loss", STREAM, 1, "events were lost here")                    \
	X(44, SUMMARY, "summary", STREAM, 1, "totals, the last line of a stream")  \
	X(45, BUDGET, "budget", STREAM, 1,                                         \
	  "probes were taken off for what they cost, or came back")                \
	X(46, OVERFLOW, "overflow", STREAM, 1,                                 \
	  "the share of conversations that is kept changed")                   \
	X(50, MSG_ATTEMPT, "msg.attempt", ATTEMPT, 0,                              \
	  "a process sent a message, to whatever")

enum scope_kind {
	SCOPE_KIND_NONE = 0,
#define X(num, sym, name, group, def, says) SCOPE_KIND_##sym = num,
	SCOPE_KINDS(X)
#undef X
	SCOPE_KIND_MAX = 64,
};

/* Whether events of this kind come from the kernel side. */
#define SCOPE_KIND_IS_WIRE(k) ((k) > 0 && (k) < 64 && ((k) < 40 || (k) > 47))

/* Where an event can be lost. The first ones are counted in BPF. */
#define SCOPE_LOSSES(X)                                                     \
	X(0, RING, "ring_full", "the buffer to the collector was full")         \
	X(1, SCRATCH, "scratch_busy", "no scratch space was free on that CPU")  \
	X(2, STATE, "state_full", "the table of calls under way was full")      \
	X(3, BATCH, "batch_cut", "one hit held more messages than are copied")  \
	X(4, READ, "unreadable", "the target's memory could not be read")       \
	X(5, KERNEL, "kernel_missed", "the kernel skipped the probe")           \
	X(6, OUTPUT, "output_full", "the reader of the output was too slow")    \
	X(7, DECODE, "decode", "a record could not be decoded")                 \
	X(8, REFUSED, "refused", "the receiver of the output refused them") \
	X(9, OVERWRITTEN, "overwritten",                                    \
	  "newer ones took their place in the buffer to the collector")     \
	X(10, QUEUE, "queue_full", "the collector was too slow to decode them")

enum scope_loss {
#define X(num, sym, name, says) SCOPE_LOSS_##sym = num,
	SCOPE_LOSSES(X)
#undef X
	SCOPE_LOSS_MAX = 16,
};

#define SCOPE_HIT_GROUPS 32 /* as many as SCOPE_GROUP_MAX may become */

/* Counters of one CPU, in the BPF object's .bss. emitted counts every event
 * that a program decided to report, lost those of them that did not make it
 * into a buffer: emitted - lost is what the collector must receive. */
struct scope_counters {
	__u64 emitted[SCOPE_KIND_MAX];
	__u64 lost[SCOPE_LOSS_MAX][SCOPE_KIND_MAX];
	/* Put into the buffer of this CPU; where older ones are overwritten. */
	__u64 written[SCOPE_KIND_MAX];
	/* Left out by intention, and not in emitted: scope_bpf_control.keep. */
	__u64 sampled[SCOPE_KIND_MAX];
	/* Runs of programs, by enum scope_group; of those of sends and receives
	 * only the ones that gave no event, as the others are in emitted. */
	__u64 hits[SCOPE_HIT_GROUPS];
};
#define SCOPE_CPUS_MAX 512

/* Bits of scope_rec.flags. */
#define SCOPE_F_CUT (1u << 0)	 /* the budget cut the copy of the terms */
#define SCOPE_F_TORN (1u << 1)	 /* a word of the terms could not be read */
#define SCOPE_F_ALIAS (1u << 2)	 /* msg.send: sent to an alias */
#define SCOPE_F_LINK (1u << 3)	 /* proc.spawn: linked */
#define SCOPE_F_MONITOR (1u << 4)	 /* proc.spawn: monitored */
#define SCOPE_F_MAJOR (1u << 5)	 /* gc.end: a full sweep */
#define SCOPE_F_VIA_LINK (1u << 6)	 /* proc.exit_signal: along a link */
#define SCOPE_F_DIST (1u << 7)	 /* the message is in external format */
#define SCOPE_F_DIRTY (1u << 8)	 /* happened on a dirty scheduler */
#define SCOPE_F_LAST (1u << 9)	 /* msg.receive: nothing else was queued */
#define SCOPE_F_TIMED (1u << 10)	 /* sched.*: the duration is known */
#define SCOPE_F_AWAKE (1u << 12)	 /* proc.hibernate: has work to do */
#define SCOPE_F_PUT_OFF (1u << 13) /* proc.hibernate: not collected yet */
#define SCOPE_F_USDT (1u << 22) /* by USDT: texts stand for terms, see below */
#define SCOPE_F_RETURN (1u << 26) /* call: of a breakpoint, where it returns */
#define SCOPE_F_SELF (1u << 18)	 /* dist.node_*: it is this node itself */
#define SCOPE_F_HIDDEN (1u << 19) /* dist.node_*: a hidden node */
#define SCOPE_F_PORT_CALL (1u << 14) /* port.control: by port_call/3 */
#define SCOPE_F_PORT_STATUS (1u << 15) /* port.input: bytes is an exit status */
#define SCOPE_F_TIMER_ABS (1u << 16) /* timer.start: time is a point in time */
/* Left out by intention: it comes, without terms, for the sake of the table of
 * processes alone. Counted in emitted until it has come. */
#define SCOPE_F_SAMPLED (1u << 30)
#define SCOPE_F_TIMER_ASYNC (1u << 17) /* timer.cancel: asynchronous */

/* All Eterm fields are words as the target has them; 0 means none. */
struct scope_rec {
	__u64 ts_ns;  /* CLOCK_MONOTONIC when the event happened */
	__u32 len;    /* bytes, this header and all that follows included */
	__u32 tid;    /* thread, as scope_bpf_config.pidns_* says; 0: none */
	__u16 kind;   /* enum scope_kind */
	__u16 cpu;
	__u16 nwords; /* words copied from the target */
	__u16 nsegs;  /* segment words after them */
	__u32 flags;  /* SCOPE_F_* */
	__u32 site;   /* enum scope_site that produced it */
	__u64 pid;    /* Eterm: the process it happened in or to */
	union {
		struct {
			__u64 child;  /* Eterm */
			__u64 module; /* Eterm atom */
			__u64 function; /* Eterm atom */
			__u64 args; /* Eterm list, copied */
			__u64 arity; /* its length; 256: not known */
		} spawn;
		struct {
			__u64 reason; /* Eterm, copied */
			__u64 reductions;
		} exit;
		struct {
			__u64 to;     /* Eterm */
			__u64 reason; /* Eterm, copied */
			__u64 from;   /* Eterm: pid or port */
		} exit_signal;
		struct {
			__u64 to;     /* Eterm: the other party, or a copied term */
			__u64 ref;    /* Eterm reference, copied; 0: none */
			__u64 reason; /* proc.down: Eterm, copied */
			__u64 type;   /* ERTS_MON_TYPE_*, ERTS_LNK_TYPE_* */
		} link; /* link unlink monitor demonitor down */
		struct {
			__u64 name; /* Eterm atom */
			__u64 id;   /* Eterm pid or port; 0: not known */
		} reg;
		struct {
			__u64 to;   /* Eterm pid of the receiver; 0: see alias */
			__u64 msg;  /* Eterm, copied */
			__u64 from; /* Eterm: sender as the VM notes it */
			__u64 addr; /* address of the ErtsMessage; 0: not known */
			__u64 alias; /* Eterm reference, copied; 0: none;
				      * attempt: what it was sent to, copied */
			__u64 mailbox; /* receive: messages left behind it */
		} msg;
		struct {
			__u64 to;   /* Eterm pid of the receiver */
			__u64 ext;  /* address of its bytes, copied */
			__u64 from; /* Eterm: sender, copied */
			__u64 peer; /* Eterm atom: the node it came from */
			__u64 alias; /* Eterm reference, copied; 0: none */
			__u64 left; /* bytes at ext */
			__u64 atoms; /* as in dist_in */
		} msg_dist; /* msg.send with SCOPE_F_DIST */
		struct {
			__u64 peer; /* Eterm atom: the node it goes to */
			__u64 ctl;  /* Eterm: control tuple, copied */
			__u64 msg;  /* Eterm, copied; 0: none */
			__u64 fragments; /* room is made for; rarely fewer */
		} dist_out; /* dist.send */
		struct {
			__u64 peer; /* Eterm atom: the node it comes from */
			__u64 ext;  /* address of control and message, copied */
			__u64 bytes; /* of all fragments; 0: too many */
			__u64 fragments;
			__u64 pad;
			__u64 left; /* bytes at ext, in the first fragment */
			/* address of the Eterm atoms that its bytes refer to
			 * by number, copied | how many << 48 */
			__u64 atoms;
		} dist_in; /* dist.receive */
		struct {
			__u64 peer;   /* Eterm atom */
			__u64 reason; /* Eterm, copied */
			__u64 cid;    /* Eterm: port or process of it */
			__u64 creation; /* SCOPE_F_SELF */
		} node; /* dist.node_up, dist.node_down */
		struct {
			__u64 heap_before; /* words in use, both generations */
			__u64 heap_after;
			__u64 pause_ns;
			__u64 size_after; /* words allocated, both generations */
			__u64 need; /* words asked for: the reason */
			__u64 size_before;
			__u64 caller; /* return address: the reason */
		} gc; /* heap.grow: the sizes are those of the young block */
		struct {
			__u64 module; /* Eterm atom; 0: see i */
			__u64 function; /* Eterm atom */
			__u64 arity;
			__u64 i;      /* address where it goes on; 0: none */
			__u64 ns;     /* in: waited; out: ran; SCOPE_F_TIMED */
			__s64 reductions; /* out: in this run */
			__u64 state;  /* out: Process.state, Process.flags << 32 */
		} sched;
		struct {
			__u64 module; /* Eterm atom */
			__u64 function; /* Eterm atom */
			__u64 args; /* Eterm list, copied */
			__u64 arity; /* its length; 256: not known */
			__u64 size_before; /* words allocated, both generations */
			__u64 size_after;
			__u64 heap_after; /* words in use, both generations */
		} hibernate;
		struct {
			__u64 module; /* Eterm atom; 0: not known */
			__u64 function; /* Eterm atom */
			__u64 arity;
			__u64 duration_ns;
		} call; /* what it is: the site */
		struct {
			__u64 id;     /* scope_break.id */
			__u64 caller; /* address that it returns to */
			/* words of the stack that are left when it returns:
			 * tells calls of a process apart */
			__u64 depth;
			__u64 arity; /* X registers, the first words; 0: not
				      * copied */
			__u64 value; /* SCOPE_F_RETURN: Eterm, copied */
			__u64 ip;
		} traced; /* call: SCOPE_SITE_BREAK */
		struct {
			__u64 entry;  /* address of the jit_code_entry; 0: none */
			__u64 module; /* Eterm atom; 0: see entry */
			__u64 file; /* what entry describes; its head, copied */
			__u64 functions; /* where module is of code loaded */
			__u64 bytes; /* of that code */
		} code;
		/* Bytes that are copied beside, see SCOPE_PORT_*_WORDS. */
		struct {
			__u64 port;  /* Eterm; 0: not known */
			__u64 addr;  /* of the Port; 0: not known */
			__u64 bytes; /* SCOPE_PORT_NO_BYTES: not known */
			__u64 data;  /* Eterm, copied; close: the reason */
			__u64 op;    /* port.control: the operation */
			__u64 to;    /* port.input: Eterm of the receiver */
			__u64 spec;  /* port.input: address of a description
				        of the term (ErlDrvTermData), copied */
		} port;
		struct {
			__u64 ref;  /* Eterm reference, copied; 0: none */
			__u64 time; /* Eterm: milliseconds */
			__u64 to;   /* Eterm: pid, or atom of a name */
			__u64 msg;  /* Eterm, copied */
			__u64 result; /* timer.cancel: Eterm; 0: none yet */
		} timer;
		struct {
			__u64 table; /* Eterm: atom, or reference, copied */
			__u64 key;   /* Eterm, copied: key, objects, or name */
			__u64 op;    /* place in SCOPE_ETS_BIFS (ets.h) */
			__u64 count; /* objects in a list; 0: not known */
		} ets;
		__u64 a[7];
	};
};

#define SCOPE_REC_BYTES 96

#define SCOPE_PORT_NO_BYTES (~0ull)
/* Bytes that go with events of ports: each a segment of no address, told by its
 * length. */
#define SCOPE_PORT_REMOTE_WORDS 4 /* sockaddr of the other end */
#define SCOPE_PORT_HEAD_WORDS 5 /* port.output: the first ones of the data, read
				 * on over its end */
#define SCOPE_PORT_DRIVER_WORDS 6 /* port.open: NUL-terminated, cut */
#define SCOPE_PORT_NAME_WORDS 16 /* what it was opened with, the same */
#define SCOPE_PORT_SPEC_WORDS 64 /* port.input: of a description, at most */

/*
 * SCOPE_F_USDT: the parties are in their fields, as ever; a field of terms is
 * empty. The words are texts, NUL-terminated, a segment of no address each, in
 * the order of the kind's comment in src/probe/usdt.c. Besides:
 * msg.*: msg.addr is the message's size in words; gc.end: heap_before is what
 * was reclaimed.
 */
#define SCOPE_SEG(addr, n) (((__u64)(n) << 48) | (addr))
#define SCOPE_SEG_ADDR(seg) ((seg) & ((1ull << 48) - 1))
#define SCOPE_SEG_WORDS(seg) ((seg) >> 48)

/* Limits of one record's copy. */
#define SCOPE_TERM_WORDS_DEFAULT 64
#define SCOPE_TERM_WORDS_MAX 512
#define SCOPE_WORDS_MAX 1024 /* with what binaries, funs and nodes add */
#define SCOPE_SEGS_MAX 256
#define SCOPE_BIN_BYTES 64 /* of a binary outside of the heap */
#define SCOPE_REC_MAX \
	(SCOPE_REC_BYTES + 8 * (SCOPE_WORDS_MAX + SCOPE_SEGS_MAX))

_Static_assert(sizeof(struct scope_rec) == SCOPE_REC_BYTES,
	       "scope_rec changed size");
_Static_assert(__builtin_offsetof(struct scope_rec, pid) == 32,
	       "scope_rec.pid moved");
_Static_assert(__builtin_offsetof(struct scope_rec, a) == 40,
	       "scope_rec.a moved");

#endif
