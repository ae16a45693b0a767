/* SPDX-License-Identifier: MIT */
/*
 * live_conf: what the default command was asked to do.
 *
 * Limits:  SCOPE_PROCESSES_MAX --process options; SCOPE_REDACTS_MAX --redact;
 *          SCOPE_MATCHES_MAX --match; --events of at most SCOPE_EVENTS_LEN bytes in all. More is a usage error.
 * Errors:  -EINVAL with words in err.
 * Memory:  text is borrowed from argv.
 */
#ifndef SCOPE_CLI_LIVE_CONF_H
#define SCOPE_CLI_LIVE_CONF_H

#include "beam/term.h"
#include "cli/cmd.h"
#include "export/writer.h"
#include "pipeline/reader.h"
#include "probe/catalogue.h"

#define SCOPE_PROCESSES_MAX 64
#define SCOPE_EVENTS_LEN 1024
#define SCOPE_REDACTS_MAX 256
#define SCOPE_MATCHES_MAX 64
#define SCOPE_BUFFER_DEFAULT (8u << 20)

struct scope_target;
struct scope_trace;
struct scope_trace_opts;

enum scope_color {
	SCOPE_COLOR_AUTO,
	SCOPE_COLOR_ALWAYS,
	SCOPE_COLOR_NEVER,
};

enum scope_strategy {
	SCOPE_STRATEGY_BALANCED,
	SCOPE_STRATEGY_MINIMAL,
	SCOPE_STRATEGY_FULL,
};

struct scope_live_conf {
	bool wants_help, wants_version;
	const char *target; /* PID or name; NULL: the only node */
	bool is_pid;	       /* it was given as --pid */
	bool discovers;	    /* all nodes, or those that match */
	size_t nmatches;
	const char *matches[SCOPE_MATCHES_MAX + 1]; /* NULL-ended */
	char events[SCOPE_EVENTS_LEN]; /* as given; "": the default set */
	scope_kindset kinds;
	uint64_t duration_ns; /* 0: until stopped */
	uint64_t buffer_bytes;
	enum scope_transport transport;
	double sample; /* share of conversations to keep; 0: all */
	enum scope_overflow overflow;
	enum scope_strategy strategy;
	double budget; /* share of the node's CPU time; 0: no limit */
	unsigned term_words;
	enum scope_syntax syntax;
	enum scope_color color;
	enum scope_from from;
	bool has_syntax, has_rotate_keep;
	bool is_hasty; /* when stopped: who reads may be too slow */
	bool is_recorded_only; /* nothing is put out */
	/* Of `trace`: */
	const struct scope_trace_opts *trace; /* NULL: another command */
	bool wants_text; /* lines for people */
	/* Look at the node, instead of watching it; an exit status. */
	int (*look)(const struct scope_live_conf *c, struct scope_target *t,
		    struct scope_err *err);
	/* It is over. */
	void (*traced)(void *conf, const struct scope_trace *trace);
	bool wants_json, is_strict, is_quiet, has_no_sandbox;
	unsigned verbose;
	const char *output; /* the folder to record to; NULL: none */
	uint64_t keep_ns, keep_bytes, flush_ns; /* of it; 0: all, the default */
	const char *listen, *token_file; /* NULL: no HTTP server, no token */
	struct scope_dest dest; /* dest.to NULL: the standard output */
	/* With --discover, of each node: by kind, what was refused of its lines
	 * by whom they are handed on to; borrowed; else NULL. */
	const uint64_t *refused;
	size_t nredacts;
	const char *redacts[SCOPE_REDACTS_MAX]; /* rules, as given */
	size_t nprocesses;
	const char *processes[SCOPE_PROCESSES_MAX + 1]; /* NULL-ended */
};

#define SCOPE_BUDGET_BALANCED 0.05 /* of the strategy that is the default */

/* What --budget takes: a share of the node's CPU time. */
int scope_parse_budget(const char *value, double *ret_share,
		       struct scope_err *err);

/* argv[0] is skipped. Help and version make what follows them unimportant. */
int scope_live_conf_parse(const struct scope_cmd *cmd, int argc, char **argv,
			  struct scope_live_conf *ret_conf,
			  struct scope_err *err);

/* The same by parts, for commands that have some of these options: what is so
 * without any; one of them, by its long name; what follows from all. */
void scope_live_conf_init(struct scope_live_conf *c);
int scope_live_conf_set(struct scope_live_conf *c, const char *name,
			const char *value, struct scope_err *err);
int scope_live_conf_finish(struct scope_live_conf *c, struct scope_err *err);

/* The options, for the command's table. Static. */
extern const struct scope_opt scope_live_opts[];

#endif
