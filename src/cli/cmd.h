/* SPDX-License-Identifier: MIT */
/*
 * cmd: the one table of commands and their options. Dispatch, getopt's arrays,
 * the help texts and the shells' completion are made from it; a test holds the
 * man page against it.
 *
 * Errors:  scope_cmd_parse: -EINVAL with words in err.
 * Threads: the main thread only (getopt has state).
 */
#ifndef SCOPE_CLI_CMD_H
#define SCOPE_CLI_CMD_H

#include <stdio.h>

#include "base/err.h"

#ifndef SCOPE_VERSION
#define SCOPE_VERSION "0.1.0"
#endif

/* Of `words` below: completed with kinds and groups of events; with the PIDs
 * of nodes that run; with commands. */
#define SCOPE_WORDS_KINDS "@kinds"
#define SCOPE_WORDS_NODES "@nodes"
#define SCOPE_WORDS_COMMANDS "@commands"

struct scope_opt {
	char key;	   /* short letter, or 0 */
	const char *name;  /* long name; NULL ends a table */
	const char *arg;   /* metavariable; NULL: a flag */
	const char *words; /* what its argument may be, or SCOPE_WORDS_*, or
			      NULL */
	const char *help;  /* one line, no final stop */
};

struct scope_cmd {
	const char *name;  /* "": the default command */
	const char *args;  /* synopsis after the name */
	const char *help;  /* one line, imperative */
	const char *words; /* what its operands may be, as in scope_opt */
	const struct scope_opt *opts;
	/* argv[0] is the command's name. Returns an exit status. */
	int (*run)(const struct scope_cmd *cmd, int argc, char **argv);
};

extern const struct scope_cmd scope_cmd_live;
extern const struct scope_cmd scope_cmd_record;
extern const struct scope_cmd scope_cmd_query;
extern const struct scope_cmd scope_cmd_trace;
extern const struct scope_cmd scope_cmd_doctor;
extern const struct scope_cmd scope_cmd_ps;
extern const struct scope_cmd scope_cmd_profile;
extern const struct scope_cmd scope_cmd_schema;
extern const struct scope_cmd scope_cmd_stack;
extern const struct scope_cmd scope_cmd_top;
extern const struct scope_cmd scope_cmd_help;
extern const struct scope_cmd scope_cmd_completion;

/* Every command, the default one first; ends with NULL. Static. */
extern const struct scope_cmd *const scope_cmds[];

/* The command of that name, or NULL. Static. */
const struct scope_cmd *scope_cmd_find(const char *name);

/*
 * Give each option on the command line to `set`, which returns 0 or -EINVAL
 * (with words in err). argv is permuted: operands come last. Returns the index
 * of the first operand.
 */
int scope_cmd_parse(const struct scope_cmd *cmd, int argc, char **argv,
		    int (*set)(void *arg, const struct scope_opt *opt,
			       const char *value, struct scope_err *err),
		    void *arg, struct scope_err *err);

/* For commands whose only options are --help and --version, and which take at
 * most max operands: the index of the first one; or an exit status e that the
 * command shall return, as -1 - e. */
int scope_cmd_operands(const struct scope_cmd *cmd, int argc, char **argv,
		       int max);

/* The text of --help; of --version. */
void scope_cmd_usage(const struct scope_cmd *cmd, FILE *out);
void scope_cmd_version(FILE *out);

/* Say on stderr what is wrong; returns the exit status for r. */
int scope_cmd_complain(int r, const struct scope_err *err);

/* 0 when all of stdout got out; else says so and returns 1. */
int scope_cmd_finish_stdout(void);

int scope_cli(int argc, char **argv);

#endif
