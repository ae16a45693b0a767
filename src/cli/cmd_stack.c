/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attacher/attacher.h"
#include "base/auto.h"
#include "cli/cmd.h"
#include "cli/exit.h"
#include "cli/sandbox.h"
#include "cli/stack.h"
#include "cli/stack_hung.h"
#include "cli/units.h"
#include "target/find.h"

#define TERM_WORDS 64
#define TERM_WORDS_MAX 512
#define DEPTH 512
#define DEPTH_MAX (1u << 20)

enum {
	OPT_PID,
	OPT_HUNG,
	OPT_DEPTH,
	OPT_TERMS,
	OPT_ELIXIR,
	OPT_REDACT,
	OPT_JSON,
	OPT_NO_SANDBOX,
	OPT_HELP,
	OPT_VERSION,
};

static const struct scope_opt opts[] = {
	[OPT_PID] = { 'p', "pid", "PID", SCOPE_WORDS_NODES,
		      "The node; without: the only one there is" },
	[OPT_HUNG] = { 0, "hung", NULL, NULL,
		       "What each scheduler does, who waits for whom, and why" },
	[OPT_DEPTH] = { 0, "depth", "FRAMES", NULL,
			"Frames of a stack at most; 512" },
	[OPT_TERMS] = { 0, "terms", "WORDS", NULL,
			"Words of a value to copy, 0..512; 0: no values" },
	[OPT_ELIXIR] = { 0, "elixir", NULL, NULL,
			 "Values in Elixir's syntax" },
	[OPT_REDACT] = { 0, "redact", "RULE",
			 "default key: atom: field: match:",
			 "Hide values: default, key:NAME, match:REGEX, @FILE" },
	[OPT_JSON] = { 0, "json", NULL, NULL, "A JSON object for each process" },
	[OPT_NO_SANDBOX] = { 0, "no-sandbox", NULL, NULL,
			     "Do not restrict system calls (no seccomp)" },
	[OPT_HELP] = { 'h', "help", NULL, NULL, "Print this text" },
	[OPT_VERSION] = { 0, "version", NULL, NULL, "Print the version" },
	{ 0 },
};

static int set_number(const char *name, const char *value, uint64_t max,
		      uint64_t *ret, struct scope_err *err)
{
	if (scope_parse_number(value, ret) == 0 && *ret <= max)
		return 0;
	return scope_fail(err, -EINVAL, "--%s takes a number up to %llu, not "
			  "'%s'",
			  name, (unsigned long long)max, value);
}

static int set(void *arg, const struct scope_opt *opt, const char *value,
	       struct scope_err *err)
{
	struct scope_stack_conf *c = arg;
	uint64_t n = 0;
	int r = 0;

	switch (opt - opts) {
	case OPT_PID:
		if (c->node || !*value)
			return scope_fail(err, -EINVAL,
					  "--pid takes one node");
		c->node = value;
		return 0;
	case OPT_DEPTH:
		r = set_number("depth", value, DEPTH_MAX, &n, err);
		if (r == 0 && n == 0)
			r = scope_fail(err, -EINVAL,
				       "--depth takes a number from 1 on");
		c->depth = (size_t)n;
		return r;
	case OPT_TERMS:
		r = set_number("terms", value, TERM_WORDS_MAX, &n, err);
		c->term_words = (unsigned)n;
		return r;
	case OPT_HUNG:
		c->is_hung = true;
		return 0;
	case OPT_REDACT:
		if (c->nredacts == SCOPE_STACK_REDACTS_MAX)
			return scope_fail(err, -EINVAL,
					  "more than %d --redact rules",
					  SCOPE_STACK_REDACTS_MAX);
		c->redacts[c->nredacts++] = value;
		return 0;
	case OPT_ELIXIR:
		c->syntax = SCOPE_SYNTAX_ELIXIR;
		return 0;
	case OPT_JSON:
		c->wants_json = true;
		return 0;
	case OPT_NO_SANDBOX:
		c->has_no_sandbox = true;
		return 0;
	case OPT_HELP:
		c->wants_help = true;
		return 0;
	default:
		c->wants_version = true;
		return 0;
	}
}

static int parse(const struct scope_cmd *cmd, int argc, char **argv,
		 struct scope_stack_conf *c, struct scope_err *err)
{
	int at = scope_cmd_parse(cmd, argc, argv, set, c, err);

	if (at < 0 || c->wants_help || c->wants_version)
		return at;
	for (; at < argc; at++) {
		if (!*argv[at] || c->nprocesses == SCOPE_STACK_PROCESSES_MAX)
			return scope_fail(err, -EINVAL,
					  *argv[at] ? "too many processes" :
						      "an empty name means no "
						      "process");
		c->processes[c->nprocesses++] = argv[at];
	}
	if (c->is_hung && c->nprocesses)
		return scope_fail(err, -EINVAL,
				  "--hung is about the node, not about '%s'",
				  c->processes[0]);
	return 0;
}

/* -- looking --------------------------------------------------------------- */

static bool runs(const struct scope_proc *proc)
{
	enum scope_snap_status s = scope_snap_status_of(proc->state);

	return s == SCOPE_SNAP_RUNNING || s == SCOPE_SNAP_GC;
}

static int show(struct scope_stack_printer *p, const struct scope_proc *proc)
{
	struct scope_scheduler_thread thread;
	struct scope_running run;

	/* Where it is is known from the thread that runs it, if that still
	 * does. */
	if (runs(proc) &&
	    scope_runner_of(p->runner, proc->addr, &thread) == 0 &&
	    scope_runner_look(p->runner, &thread, &run) == 0 &&
	    run.process == proc->addr && run.pid == proc->pid)
		return scope_stack_show(p, proc, &run, stdout);
	return scope_stack_show(p, proc, NULL, stdout);
}

static int show_each(void *arg, const struct scope_proc *proc)
{
	return show(arg, proc);
}

struct search {
	const char *name;
	struct scope_vm *vm;
	struct scope_proc found;
	bool is_found;
};

static int is_named(void *arg, const struct scope_proc *proc)
{
	struct search *s = arg;
	size_t len = 0;
	const char *name = proc->name ? scope_vm_atom(s->vm, proc->name, &len) :
					NULL;

	if (!name || strlen(s->name) != len || memcmp(s->name, name, len) != 0)
		return 0;
	s->found = *proc;
	s->is_found = true;
	return 1;
}

/* A process by its pid, or by its registered name. */
static int find_process(struct scope_stack_printer *p, const char *text,
			struct scope_proc *ret, struct scope_err *err)
{
	struct search s = { .name = text, .vm = scope_target_vm(p->t) };
	uint64_t pid = scope_vm_parse_pid(s.vm, text);
	int r;

	if (pid) {
		r = scope_target_proc(p->t, pid, ret);
	} else {
		r = scope_target_procs(p->t, is_named, &s, err);
		*ret = s.found;
		r = r < 0 ? r : s.is_found ? 0 : -ESRCH;
	}
	if (r == -ESRCH)
		return scope_fail(err, -ENOENT,
				  "no process %s is alive in the node", text);
	return r;
}

static int show_all(struct scope_stack_printer *p, struct scope_err *err)
{
	const struct scope_stack_conf *c = p->conf;
	int r = 0;

	if (c->is_hung)
		return scope_stack_hung(p, stdout, err);
	if (!c->nprocesses)
		return scope_target_procs(p->t, show_each, p, err);
	for (size_t i = 0; r == 0 && i < c->nprocesses; i++) {
		struct scope_proc proc;

		r = find_process(p, c->processes[i], &proc, err);
		if (r == 0)
			r = show(p, &proc);
	}
	return r;
}

/* What needs rights goes to a process of its own; this one gives them up. */
static int part(const struct scope_stack_conf *c, struct scope_attacher **ret,
		struct scope_err *err)
{
	const struct scope_sandbox_opts how = {
		.has_no_filter = c->has_no_sandbox,
	};
	int r = scope_attacher_start(ret, err);

	return r < 0 ? r : scope_sandbox_enter(&how, err);
}

static int look(const struct scope_stack_conf *c, struct scope_err *err)
{
	scope_auto(scope_redact) redact = NULL;
	scope_auto(scope_attacher) a = NULL;
	scope_auto(scope_target) t = NULL;
	scope_auto(scope_naming) naming = NULL;
	scope_auto(scope_runner) runner = NULL;
	scope_autofree struct scope_stack_printer *p = calloc(1, sizeof(*p));
	pid_t pid;
	int r = scope_redact_make(c->redacts, c->nredacts, &redact,
				  err);

	if (!p)
		return scope_fail(err, -ENOMEM, "out of memory");
	if (r == 0)
		r = part(c, &a, err);
	if (r == 0)
		r = scope_find_pid(c->node, &pid, err);
	if (r == 0)
		r = scope_target_open_by(a, pid, &t, err);
	if (r < 0)
		return r;
	r = scope_naming_new(t, &naming);
	if (r < 0)
		return scope_fail(err, r == -ENOENT ? -ENOTSUP : r,
				  r == -ENOENT ?
					  "the node's code is not found" :
					  "can't read the node's code: %s",
				  strerror(-r));
	r = scope_runner_new(t, naming, &runner);
	if (r < 0)
		return scope_fail(err, r, "out of memory");
	*p = (struct scope_stack_printer){
		.runner = runner,
		.conf = c,
		.t = t,
		.naming = naming,
		.redact = redact,
	};
	return show_all(p, err);
}

static int stack(const struct scope_cmd *cmd, int argc, char **argv)
{
	struct scope_stack_conf c = { .term_words = TERM_WORDS,
				      .depth = DEPTH };
	struct scope_err err = { 0 };
	int r = parse(cmd, argc, argv, &c, &err);

	if (r < 0)
		return scope_cmd_complain(r, &err);
	if (c.wants_help)
		scope_cmd_usage(cmd, stdout);
	else if (c.wants_version)
		scope_cmd_version(stdout);
	else
		r = look(&c, &err);
	if (r < 0) {
		(void)fflush(stdout);
		return scope_cmd_complain(r, &err);
	}
	return scope_cmd_finish_stdout();
}

const struct scope_cmd scope_cmd_stack = {
	.name = "stack",
	.args = "[OPTIONS] [PROCESS…]",
	.help = "Show the Erlang stacks of processes, with the values in them",
	.opts = opts,
	.run = stack,
};
