/* SPDX-License-Identifier: MIT */
/*
 * expr: the language that says which events are meant.
 *
 *   kind=msg.send and pid=<0.153.0> and to_name=db_pool and msg~"get"
 *   wait_ns > 5ms or (kind in (gc.end, heap.grow) and not major)
 *   ts in 2026-11-23T03:00:00Z..+2m and msg[1] = '$gen_call'
 *
 * Grammar: expr    = and { "or" and }
 *          and     = not { "and" not }
 *          not     = "not" not | "(" expr ")" | test
 *          test    = field                         it is there, and not false
 *                  | field op value                = != < <= > >= ~ !~
 *                  | field ["not"] "in" "(" value { "," value } ")"
 *                  | field ["not"] "in" value ".." value
 *          field   = KEY { "[" ( NUMBER | WORD ) "]" }
 *
 * Fields:  the keys of the JSON stream. [2] is the second element of a tuple
 *          or a list, [key] the value of a map's key that is an atom.
 * Values:  numbers, with a unit where it is a time (5ms) or a size (64K); words
 *          as they are printed; what has other characters in quotes, "" or ''.
 *          A "*" in a word stands for anything. `kind` takes groups, too.
 *          `ts`: nanoseconds, RFC 3339, +1.5s after the recording's beginning,
 *          -10s before its end.
 * Text:    ~ looks for a Perl regular expression in the value as it is printed
 *          (Erlang's syntax); = compares with the whole of it.
 * Absent:  a field that an event has not is equal to nothing: != is true then,
 *          all else is false.
 * Limits:  SCOPE_EXPR_NODES tests and operators, SCOPE_EXPR_DEPTH deep.
 * Errors:  -EINVAL with words in err, that say where; -ENOMEM.
 * Threads: one owner.
 */
#ifndef SCOPE_QUERY_EXPR_H
#define SCOPE_QUERY_EXPR_H

#include "base/auto.h"
#include "base/err.h"
#include "beam/vm.h"
#include "wire/event.h"

#define SCOPE_EXPR_NODES 1024
#define SCOPE_EXPR_DEPTH 64

struct scope_expr;

struct scope_expr_opts {
	/* What offsets in time are of; 0: offsets are refused. */
	uint64_t first_ts_ns, last_ts_ns;
	int64_t os_pid; /* of the node; 0: not known */
};

int scope_expr_parse(const char *text, const struct scope_expr_opts *opts,
		     struct scope_expr **ret_expr, struct scope_err *err);
void scope_expr_free(struct scope_expr *e);
SCOPE_AUTO(scope_expr)

/* Whether an event is meant. Terms are printed with the vm where they must. */
bool scope_expr_is(struct scope_expr *e, struct scope_vm *vm,
		   const struct scope_event *ev);

/* What every event that is meant must be, so that whole parts of a recording
 * need not be looked at. */
#define SCOPE_EXPR_KEYS 8
struct scope_expr_plan {
	uint64_t min_ts_ns, max_ts_ns;
	uint64_t min_id, max_id;
	uint64_t kinds; /* a bit each */
	/* Each of these was named: a process (its text, "<0.1.0>") or an atom.
	 * Borrowed from the expression. */
	size_t nkeys;
	struct {
		const char *text;
		size_t len;
		bool is_pid;
	} keys[SCOPE_EXPR_KEYS];
};
void scope_expr_plan(const struct scope_expr *e,
		     struct scope_expr_plan *ret_plan);

/* A point in time as above: nanoseconds since the epoch, RFC 3339, an offset. */
int scope_expr_time(const char *text, size_t len,
		    const struct scope_expr_opts *opts, uint64_t *ret_ns);

#endif
