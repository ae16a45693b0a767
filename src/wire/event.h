/* SPDX-License-Identifier: MIT */
/*
 * event: one decoded event, and the one table of its fields.
 *
 * Shapes:  a scope_event is a head (id, times, kind, parties) and a list of
 *          fields, in the order in which JSON shows them. Every view, export
 *          and the schema is driven by the field table below.
 * Units:   as the field's name says (_ns, _words, _bytes); times are
 *          CLOCK_MONOTONIC nanoseconds, `ts_ns` is the wall clock.
 * Memory:  an event borrows all its text and its image; it is good until the
 *          sink returns.
 * Threads: plain data.
 */
#ifndef SCOPE_WIRE_EVENT_H
#define SCOPE_WIRE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scope/event.h"

/* What a field's value is, and how JSON shows it. */
enum scope_type {
	SCOPE_T_UINT,  /* u: integer */
	SCOPE_T_INT,   /* u: the same, with a sign: an int64_t */
	SCOPE_T_BOOL,  /* u: true or false */
	SCOPE_T_TEXT,  /* text/len: string, raw text */
	SCOPE_T_ATOM,  /* term: the raw text of an atom, as a string */
	SCOPE_T_IDENT, /* term: pid, port or reference, as "<0.1.0>" */
	SCOPE_T_TERM,  /* term: string in the chosen syntax, or tagged object */
	SCOPE_T_TERMS, /* term, an Erlang list: array, one term each */
	SCOPE_T_MFA,   /* mfa: "module:function/arity" */
	SCOPE_T_CORR,  /* corr: "m-ADDR-N" */
	SCOPE_T_SHARE, /* u: millionths, as a number with six digits */
	SCOPE_T_JSON,  /* text/len: ready JSON (summary, node.attach) */
};

/*
 * X(SYMBOL, key, type, says): every key an event may have, besides the head's
 * (id ts time mono kind node os_pid scheduler pid name). In order of printing.
 */
#define SCOPE_FIELDS(X)                                                        \
	X(PEER, "peer", ATOM, "name of the other node")                        \
	X(OP, "op", TEXT, "the signal, as the distribution protocol names it") \
	X(VISIBILITY, "visibility", TEXT, "visible or hidden")                 \
	X(SELF, "self", BOOL, "it is this node itself")                        \
	X(CHILD, "child", IDENT, "the new process")                            \
	X(FROM, "from", IDENT, "the other party that it came from")            \
	X(FROM_KIND, "from", TEXT,                                             \
	  "port, timer, system, signal or dist, where no process sent it")     \
	X(FROM_NAME, "from_name", ATOM, "registered name of from")             \
	X(PORT, "port", IDENT, "the port")                                     \
	X(TO, "to", IDENT, "the other party that it went to")                  \
	X(TO_WORD, "to", ATOM, "registered name that it went to")              \
	X(TO_NAME, "to_name", ATOM, "registered name of to")                   \
	X(DEST, "dest", TERM,                                                  \
	  "what it was sent to: a name, {Name,Node}, an alias")                \
	X(MFA, "mfa", MFA, "function that the process runs")                   \
	X(WHERE, "mfa", TEXT, "function that the process is in")               \
	X(ARGS, "args", TERMS, "arguments of mfa")                             \
	X(CALLER, "caller", TEXT, "function that the call returns to")         \
	X(RETURN, "return", TERM, "what the function returned")                \
	X(OF_CALL, "call_id", UINT, "id of the event of the call that returned") \
	X(CALLS, "calls", UINT,                                                \
	  "calls that ended with this one, by tail call or exception")         \
	X(OLD_CODE, "old_code", BOOL, "the module was loaded anew since")      \
	X(INITIAL_CALL, "initial_call", MFA,                                   \
	  "first function, as proc_lib keeps it where it does")                \
	X(CURRENT, "current", TEXT,                                            \
	  "function that it is in, where it waits")                            \
	X(LINK, "link", BOOL, "spawned linked")                                \
	X(MONITOR, "monitor", BOOL, "spawned monitored")                       \
	X(REGISTERED, "name", ATOM, "the name in question")                    \
	X(LABEL, "label", TERM, "label set by proc_lib:set_label/1")           \
	X(PARENT, "parent", IDENT, "the process that spawned it")              \
	X(ANCESTORS, "ancestors", TERMS, "what proc_lib keeps of its parents") \
	X(MSG, "msg", TERM, "the message")                                     \
	X(MSG_WORDS, "msg_words", UINT, "words of it that were copied")        \
	X(SIZE_WORDS, "size_words", UINT,                                      \
	  "by USDT: words that the message takes, as the runtime counts")      \
	X(REASON, "reason", TERM, "why")                                       \
	X(REASON_TEXT, "reason", TEXT,                                         \
	  "by USDT: why, as the runtime prints it, cut at 255 bytes")          \
	X(GC_REASON, "reason", TEXT,                                           \
	  "heap: code needed room; bif: after a BIF; forced; runtime")         \
	X(VIA, "via", TEXT, "exit: by exit/2; link: along a link")             \
	X(REF, "ref", TERM, "the monitor's reference")                         \
	X(DROPPED, "dropped", TEXT,                                            \
	  "noproc, noport: there was none; badarg: not a destination")         \
	X(ALIAS, "alias", BOOL, "sent to an alias")                            \
	X(ALIAS_REF, "alias_ref", IDENT, "the alias that it was sent to")      \
	X(DIST, "dist", BOOL, "it came from another node")                     \
	X(TRUNCATED, "truncated", BOOL, "a term above was cut")                \
	X(UNREADABLE, "unreadable", TEXT, "what could not be read, and why")   \
	X(BYTES, "bytes", UINT, "size in external format")                     \
	X(FRAGMENTS, "fragments", UINT, "packets that it takes")               \
	X(WAIT_NS, "wait_ns", UINT,                                            \
	  "from enqueue to receive; from runnable to running")                 \
	X(RUN_NS, "run_ns", UINT, "how long it ran")                           \
	X(DURATION_NS, "duration_ns", UINT, "from call to return")             \
	X(CALL_TYPE, "type", TEXT, "nif, bif, dirty_nif, dirty_bif, call or return")         \
	X(STATE, "state", TEXT, "why it was left; how it is")                             \
	X(MAILBOX, "mailbox", UINT, "messages left in the mailbox")            \
	X(CORR, "corr", CORR, "same on a message's send and receive")          \
	X(SURE, "sure", TEXT, "order: matched by order, not by identity")      \
	X(LIFETIME_NS, "lifetime_ns", UINT, "from spawn to exit")              \
	X(REDUCTIONS, "reductions", UINT, "reductions executed")               \
	X(MAJOR, "major", BOOL, "a full sweep")                                \
	X(DIRTY, "dirty", BOOL, "ran on a dirty scheduler")                    \
	X(HEAP_BEFORE, "heap_before_words", UINT, "words in use before")       \
	X(HEAP_AFTER, "heap_after_words", UINT, "words in use after")          \
	X(SIZE_BEFORE, "heap_size_before_words", UINT, "words held before")    \
	X(SIZE_AFTER, "heap_size_after_words", UINT, "words held after")       \
	X(GREW, "grew", BOOL, "the heap grew; else it shrank")                 \
	X(BLOCK_BEFORE, "heap_block_before_words", UINT,                       \
	  "words of the young heap's block before")                            \
	X(BLOCK_AFTER, "heap_block_after_words", UINT,                         \
	  "words of the young heap's block after")                             \
	X(NEED, "need_words", UINT, "words that were asked for")               \
	X(RECLAIMED, "reclaimed_words", UINT, "by USDT: words that were freed") \
	X(PAUSE_NS, "pause_ns", UINT, "the process stood still for")           \
	X(DRIVER, "driver", TEXT, "the port's driver")                         \
	X(COMMAND, "command", TEXT,                                            \
	  "what the port was opened with: a program, or the driver's name")    \
	X(OP_NUMBER, "op", UINT, "number of the operation")                    \
	X(CALL, "call", BOOL, "by port_call/3")                                \
	X(DATA_BYTES, "bytes", UINT, "bytes of data")                          \
	X(EXIT_STATUS, "exit_status", UINT, "of the port's program")           \
	X(DATA, "data", TERM, "the data")                                      \
	X(LOCAL, "local", TEXT, "address of the port's socket")                \
	X(PEER_ADDR, "peer", TEXT, "address of the other end")                 \
	X(AFTER_NS, "after_ns", UINT, "from now until the timer runs out")     \
	X(AT_MS, "at_ms", INT, "when: the node's monotonic time, ms")         \
	X(TIMER_TYPE, "type", TEXT, "receive: the after of a receive")         \
	X(LEFT_NS, "left_ns", UINT, "time that the timer had left")            \
	X(ASYNC, "async", BOOL, "asynchronous: the answer is a message")       \
	X(FOUND, "found", BOOL, "false: there was no such timer any more")     \
	X(TABLE, "table", IDENT, "the table: its reference")                   \
	X(TABLE_ATOM, "table", ATOM, "or its name, of a named one")            \
	X(TABLE_NAME, "table_name", ATOM, "what it was called when made")      \
	X(KEY, "key", TERM, "the key")                                         \
	X(OBJECT, "object", TERM, "the object, or a list of them")             \
	X(ETS_OP, "op", TEXT, "the function of ets and its arity")             \
	X(OBJECTS, "objects", UINT, "objects in the list")                     \
	X(MODULE, "module", TEXT, "the module")                                \
	X(FUNCTIONS, "functions", UINT, "functions in its code")               \
	X(CODE_BYTES, "code_bytes", UINT, "bytes of its code")                   \
	X(CAUSE, "cause", TEXT, "why events were lost")                        \
	X(OF, "of", TEXT, "kind of the lost events")                           \
	X(STAGE, "stage", TEXT,                                                \
	  "where they were lost: kernel, collector or output")                 \
	X(CPU, "cpu", UINT, "the CPU that lost them")                          \
	X(COUNT, "count", UINT, "how many")                                    \
	X(FROM_NS, "from", UINT, "loss: since when, wall clock ns")            \
	X(TO_NS, "to", UINT, "loss: until when, wall clock ns")                \
	X(GROUP, "group", TEXT, "the probes that go and come together")        \
	X(KINDS, "of", TEXT, "the kinds that they are for: msg.send,…")        \
	X(BUDGET_STATE, "state", TEXT, "off, duty, on or end")                 \
	X(SHARE, "share", SHARE, "part of its last turn that it was on")       \
	X(COST, "cost", SHARE,                                                 \
	  "part of the node's CPU time that tracing took lately")              \
	X(OFF_NS, "from", UINT, "off since when, wall clock ns")               \
	X(BACK_NS, "to", UINT, "off until when, wall clock ns")                \
	X(MISSED, "missed", JSON, "events not seen meanwhile, estimated, by kind") \
	X(KEPT, "share", SHARE, "part of all conversations kept from now on")  \
	X(SAMPLED, "sampled", JSON, "events left out by intention, by kind")   \
	X(OTP, "otp", TEXT, "OTP release")                                     \
	X(ERTS, "erts", TEXT, "ERTS version")                                  \
	X(FLAVOR, "flavor", TEXT, "jit or emu")                                \
	X(OS_PID_NS, "os_pid_ns", UINT, "the process id in its own namespace") \
	X(CONTAINER_ID, "container_id", TEXT, "the container, by its id")      \
	X(CONTAINER_NAME, "container_name", TEXT, "the container, by its name") \
	X(RUNTIME, "container_runtime", TEXT, "what runs the container")       \
	X(POD_UID, "pod_uid", TEXT, "the Kubernetes pod")                      \
	X(CGROUP, "cgroup", TEXT, "the control group, as seen from here")      \
	X(EVENTS, "events", JSON, "kinds that are on, and their source")       \
	X(UNAVAILABLE, "unavailable", JSON, "kinds that are not, and why")     \
	X(EMITTED, "emitted", JSON, "events seen by probes, by kind")          \
	X(DELIVERED, "delivered", JSON, "events put out, by kind")             \
	X(LOST, "lost", JSON, "events lost, by kind and stage")                \
	X(LIMITS, "limits", JSON, "what the source of a kind does not tell")   \
	X(TRACED, "trace", JSON, "figures of the functions that were traced")  \
	X(STATS, "stats", JSON, "the collector's own figures")

enum scope_field_key {
#define X(sym, key, type, says) SCOPE_FIELD_##sym,
	SCOPE_FIELDS(X)
#undef X
	SCOPE_FIELD_MAX,
};

struct scope_mfa {
	uint64_t module;   /* Eterm atom */
	uint64_t function; /* Eterm atom */
	uint64_t arity;
};

struct scope_field {
	enum scope_field_key key;
	uint32_t len; /* of text */
	union {
		uint64_t u;
		uint64_t term; /* Eterm */
		const char *text; /* borrowed */
		struct scope_mfa mfa;
		struct {
			uint64_t addr;
			uint64_t n;
		} corr;
	};
};

/* Words of the target's memory that came with a record: segs[i] says where the
 * next SCOPE_SEG_WORDS(segs[i]) words of `words` were. */
struct scope_image {
	const uint64_t *words;
	const uint64_t *segs;
	size_t nwords;
	size_t nsegs;
};

#define SCOPE_EVENT_FIELDS 24

struct scope_event {
	uint64_t id;	  /* 0: not yet given */
	uint64_t ts_ns;	  /* wall clock */
	uint64_t mono_ns;
	enum scope_kind kind;
	uint32_t scheduler; /* 1..; 0: none or not known */
	uint64_t pid;	  /* Eterm; 0: none */
	uint64_t name;	  /* Eterm atom: pid's registered name; 0: none */
	uint64_t node;	  /* Eterm atom: name of the node; 0: as at attach */
	bool cut;	  /* the copy of the terms was cut by the budget */
	bool redacted;	  /* values were hidden (beam/redact.h) */
	struct scope_image image;
	size_t nfields;
	struct scope_field fields[SCOPE_EVENT_FIELDS];
};

struct scope_field_info {
	const char *key;
	const char *says;
	enum scope_type type;
};

struct scope_kind_info {
	const char *name;  /* "msg.send"; NULL: no such kind */
	const char *group; /* "msg" */
	const char *says;
	bool by_default;
};

/* Static; NULL name for a number that is no kind. */
const struct scope_kind_info *scope_kind_info(unsigned kind);
/* The cause's name, as events tell it: "ring_full"; NULL: there is none such. */
const char *scope_loss_name(enum scope_loss cause);
const struct scope_field_info *scope_field_info(enum scope_field_key key);

/* A set of kinds: bit `kind`. */
typedef uint64_t scope_kindset;
#define SCOPE_KIND_BIT(kind) (1ull << (kind))
/* What ports do: their sockets' addresses are kept until they close. */
#define SCOPE_KINDS_PORT                                                       \
	(SCOPE_KIND_BIT(SCOPE_KIND_PORT_OPEN) |                                \
	 SCOPE_KIND_BIT(SCOPE_KIND_PORT_CLOSE) |                               \
	 SCOPE_KIND_BIT(SCOPE_KIND_PORT_COMMAND) |                             \
	 SCOPE_KIND_BIT(SCOPE_KIND_PORT_CONTROL) |                             \
	 SCOPE_KIND_BIT(SCOPE_KIND_PORT_INPUT) |                               \
	 SCOPE_KIND_BIT(SCOPE_KIND_PORT_OUTPUT))
scope_kindset scope_kinds_default(void);
/* Parse "proc,msg.send,-gc": kinds, groups, "all", "default"; a leading '-'
 * takes away. Adds node.* and the stream's own kinds always. -EINVAL: *ret_bad
 * and *ret_len are the word that is none. */
int scope_kinds_parse(const char *list, scope_kindset *ret_set,
		      const char **ret_bad, size_t *ret_len);

/* Append a field; a full event drops it (SCOPE_EVENT_FIELDS is enough for any
 * kind; asserted). Returns the field to fill in. */
struct scope_field *scope_event_add(struct scope_event *ev,
				    enum scope_field_key key);
void scope_event_add_u(struct scope_event *ev, enum scope_field_key key,
		       uint64_t v);
void scope_event_add_text(struct scope_event *ev, enum scope_field_key key,
			  const char *text, size_t len);
const struct scope_field *scope_event_get(const struct scope_event *ev,
					  enum scope_field_key key);

/* Where decoded events go: a JSON writer, the live view, a counter. */
struct scope_sink {
	/* One event, in order. 0: taken; -ENOBUFS: not taken, count it lost. */
	int (*event)(struct scope_sink *sink, const struct scope_event *ev);
	/* Called about every `tick_ms`, and after each batch; for refreshing. */
	void (*tick)(struct scope_sink *sink, uint64_t mono_ns);
	/* Events that were taken and could not be put out in the end: add
	 * those since the last call to counts[cause][kind]. NULL: none. */
	void (*lost)(struct scope_sink *sink,
		     uint64_t counts[SCOPE_LOSS_MAX][SCOPE_KIND_MAX]);
	/* How full what waits to be put out is, 0 to 1. NULL: nothing waits. */
	double (*fill)(struct scope_sink *sink);
};

#endif
