/* SPDX-License-Identifier: MIT */
#include "cli/cmd.h"

#include <assert.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "cli/exit.h"

#define OPTS_MAX 40
/* Columns that an option takes in a help text. */
#define OPT_COLUMNS 26
#define LONG_BASE 256

const struct scope_cmd *const scope_cmds[] = {
	&scope_cmd_live,
	&scope_cmd_ps,
	&scope_cmd_top,
	&scope_cmd_record,
	&scope_cmd_query,
	&scope_cmd_stack,
	&scope_cmd_trace,
	&scope_cmd_doctor,
	&scope_cmd_profile,
	&scope_cmd_schema,
	&scope_cmd_help,
	&scope_cmd_completion,
	NULL,
};

/* Words of the contract that this version does not serve: said so, so that
 * nobody looks for a node of that name, or for a typing error. */
static const char *const later_cmds[] = {
	"show",	"state",   "sql",
	"analyze", "plan", "watch",
	"explain", "serve",  "export",	"agent",   "hub",  NULL,
};
static const char *const later_opts[] = {
	"--filter", "-f", "--config", NULL,
};

static bool is_among(const char *word, size_t len, const char *const *list)
{
	for (; *list; list++)
		if (strlen(*list) == len && !memcmp(*list, word, len))
			return true;
	return false;
}

const struct scope_cmd *scope_cmd_find(const char *name)
{
	for (const struct scope_cmd *const *c = scope_cmds; *c; c++)
		if (!strcmp((*c)->name, name))
			return *c;
	return NULL;
}

/* getopt's arrays, from a command's table. */
struct arrays {
	struct option longs[OPTS_MAX + 1];
	char shorts[2 * OPTS_MAX + 2];
};

static void make_arrays(const struct scope_cmd *cmd, struct arrays *a)
{
	size_t n = 0, at = 0;

	memset(a, 0, sizeof(*a));
	a->shorts[at++] = ':';
	for (const struct scope_opt *o = cmd->opts; o->name; o++, n++) {
		assert(n < OPTS_MAX);
		a->longs[n].name = o->name;
		a->longs[n].has_arg = o->arg ? required_argument : no_argument;
		a->longs[n].val = LONG_BASE + (int)n;
		if (!o->key)
			continue;
		a->shorts[at++] = o->key;
		if (o->arg)
			a->shorts[at++] = ':';
	}
}

static const struct scope_opt *opt_of(const struct scope_cmd *cmd, int c)
{
	const struct scope_opt *o = cmd->opts;

	if (c >= LONG_BASE)
		return &o[c - LONG_BASE];
	while (o->name && o->key != c)
		o++;
	return o->name ? o : NULL;
}

/* "--json=1" -> "--json"; the letter of a group of short ones: "-x". */
static int refuse(const struct scope_cmd *cmd, int c, const char *word,
		  struct scope_err *err)
{
	char letter[3] = { '-', (char)optopt, '\0' };
	const struct scope_opt *o = opt_of(cmd, optopt);
	size_t len;

	if (optopt > 0 && optopt < LONG_BASE)
		word = letter;
	len = strcspn(word, "=");
	if (c == ':')
		return scope_fail(err, -EINVAL, "%.*s needs a value: %s",
				  (int)len, word, o ? o->arg : "");
	if (optopt >= LONG_BASE)
		return scope_fail(err, -EINVAL, "--%s takes no value",
				  o ? o->name : "?");
	if (is_among(word, len, later_opts))
		return scope_fail(err, -EINVAL,
				  "%.*s is not available in this version",
				  (int)len, word);
	return scope_fail(err, -EINVAL,
			  "%.*s is no option, or short for several; "
			  "scope-bpf help %s%slists them",
			  (int)len, word, cmd->name, *cmd->name ? " " : "");
}

int scope_cmd_parse(const struct scope_cmd *cmd, int argc, char **argv,
		    int (*set)(void *arg, const struct scope_opt *opt,
			       const char *value, struct scope_err *err),
		    void *arg, struct scope_err *err)
{
	const struct scope_opt *opt;
	struct arrays a;
	int c, r;

	make_arrays(cmd, &a);
	opterr = 0;
	optind = 0; /* glibc: start afresh */
	for (;;) {
		c = getopt_long(argc, argv, a.shorts, a.longs, NULL);
		if (c == -1)
			return optind;
		opt = c == '?' || c == ':' ? NULL : opt_of(cmd, c);
		if (!opt)
			return refuse(cmd, c, argv[optind - 1], err);
		r = set(arg, opt, optarg, err);
		if (r < 0)
			return r;
	}
}

struct plain {
	bool wants_help, wants_version;
};

static int set_plain(void *arg, const struct scope_opt *opt, const char *value,
		     struct scope_err *err)
{
	struct plain *p = arg;

	(void)value;
	(void)err;
	if (!strcmp(opt->name, "help"))
		p->wants_help = true;
	else
		p->wants_version = true;
	return 0;
}

int scope_cmd_operands(const struct scope_cmd *cmd, int argc, char **argv,
		       int max)
{
	struct plain p = { false, false };
	struct scope_err err = { 0 };
	int at = scope_cmd_parse(cmd, argc, argv, set_plain, &p, &err);

	if (at >= 0 && p.wants_help) {
		scope_cmd_usage(cmd, stdout);
		return -1 - scope_cmd_finish_stdout();
	}
	if (at >= 0 && p.wants_version) {
		scope_cmd_version(stdout);
		return -1 - scope_cmd_finish_stdout();
	}
	if (at >= 0 && argc - at > max)
		at = scope_fail(&err, -EINVAL, "'%s' is one operand too many",
				argv[at + max]);
	return at < 0 ? -1 - scope_cmd_complain(at, &err) : at;
}

static void put_opt(const struct scope_opt *o, FILE *out)
{
	int n = fprintf(out, "  ");

	if (o->key)
		n += fprintf(out, "-%c, ", o->key);
	else
		n += fprintf(out, "    ");
	n += fprintf(out, "--%s%s%s", o->name, o->arg ? " " : "",
		     o->arg ? o->arg : "");
	if (n >= OPT_COLUMNS)
		n = fprintf(out, "\n") - 1;
	fprintf(out, "%*s%s\n", OPT_COLUMNS - n, "", o->help);
}

void scope_cmd_usage(const struct scope_cmd *cmd, FILE *out)
{
	fprintf(out, "Usage: scope-bpf %s%s%s\n%s.\n", cmd->name,
		*cmd->name && *cmd->args ? " " : "", cmd->args, cmd->help);
	if (!*cmd->name) {
		fprintf(out, "\nCommands:\n");
		for (const struct scope_cmd *const *c = scope_cmds; *c; c++)
			if (*(*c)->name)
				fprintf(out, "  %-12s%s\n", (*c)->name,
					(*c)->help);
	}
	fprintf(out, "\nOptions:\n");
	for (const struct scope_opt *o = cmd->opts; o->name; o++)
		put_opt(o, out);
	if (!*cmd->name)
		fprintf(out, "\nscope-bpf(1) has the details; "
			     "scope-bpf-events(7) says what events mean.\n");
}

void scope_cmd_version(FILE *out)
{
	fprintf(out, "scope-bpf %s\n", SCOPE_VERSION);
}

int scope_cmd_complain(int r, const struct scope_err *err)
{
	fprintf(stderr, "scope-bpf: %s\n",
		err->code ? err->text : strerror(-r));
	return (int)scope_exit_of(r);
}

int scope_cmd_finish_stdout(void)
{
	struct scope_err err = { 0 };
	int r = 0;

	if (fflush(stdout) == 0 && !ferror(stdout))
		return SCOPE_EXIT_OK;
	/* A reader that has seen enough is no failure. */
	if (errno == EPIPE)
		return SCOPE_EXIT_OK;
	r = scope_fail(&err, -EIO, "can't write to the standard output: %s",
		       strerror(errno));
	return scope_cmd_complain(r, &err);
}

static int help(const struct scope_cmd *cmd, int argc, char **argv)
{
	const struct scope_cmd *of = &scope_cmd_live;
	struct scope_err err = { 0 };
	int at = scope_cmd_operands(cmd, argc, argv, 1);

	if (at < 0)
		return -1 - at;
	if (at < argc)
		of = scope_cmd_find(argv[at]);
	if (!of)
		return scope_cmd_complain(
			scope_fail(&err, -EINVAL,
				   "'%s' is no command of this version; "
				   "scope-bpf help lists them",
				   argv[at]),
			&err);
	scope_cmd_usage(of, stdout);
	return scope_cmd_finish_stdout();
}

static const struct scope_opt help_opts[] = {
	{ 'h', "help", NULL, NULL, "Print this text" },
	{ 0, "version", NULL, NULL, "Print the version" },
	{ 0 },
};

const struct scope_cmd scope_cmd_help = {
	.name = "help",
	.args = "[COMMAND]",
	.help = "Print the options of a command",
	.words = SCOPE_WORDS_COMMANDS,
	.opts = help_opts,
	.run = help,
};

/*
 * A closed standard descriptor would be given to the next file opened, and be
 * written to. A reader that is not there is an error that shows. Before the
 * other constructors: they may open files.
 */
static int filled[3]; /* open to the end, and so no leak to a checker */

__attribute__((constructor(101))) static void fill_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			filled[fd] = fd == STDIN_FILENO ?
					     open("/dev/null", O_RDONLY) :
					     open("/dev/full", O_WRONLY);
}

int scope_cli(int argc, char **argv)
{
	const struct scope_cmd *cmd = NULL;
	struct scope_err err = { 0 };

	if (argc < 1)
		return SCOPE_EXIT_USAGE;
	/* A reader that went away shows as EPIPE. */
	(void)signal(SIGPIPE, SIG_IGN);
	if (argc > 1 && *argv[1])
		cmd = scope_cmd_find(argv[1]);
	if (cmd)
		return cmd->run(cmd, argc - 1, argv + 1);
	if (argc > 1 && is_among(argv[1], strlen(argv[1]), later_cmds))
		return scope_cmd_complain(
			scope_fail(&err, -EINVAL,
				   "'%s' is not available in this version; "
				   "for a node of that name give its PID",
				   argv[1]),
			&err);
	return scope_cmd_live.run(&scope_cmd_live, argc, argv);
}
