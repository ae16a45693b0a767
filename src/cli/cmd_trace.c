/* SPDX-License-Identifier: MIT */
/* scope-bpf trace: calls of functions, by breakpoints. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "cli/live_conf.h"
#include "cli/live_watch.h"
#include "cli/trace_text.h"
#include "cli/units.h"
#include "pipeline/trace.h"
#include "target/naming.h"

#define TABLE_BYTES (256u << 10)
#define TURN_MIN_NS 50000000u

enum {
	OPT_PID,
	OPT_RETURN,
	OPT_WHERE,
	OPT_COUNT,
	OPT_NUMBER,
	OPT_TURNS,
	OPT_LIST,
	OPT_TEXT,
	OPT_BUDGET,
	OPT_STRATEGY,
	OPT_OTHERS, /* those from here on are the default command's */
};

static const struct scope_opt opts[] = {
	[OPT_PID] = { 'p', "pid", "NODE", SCOPE_WORDS_NODES,
		      "Its PID or name; without it the only one there is" },
	[OPT_RETURN] = { 'r', "return", NULL, NULL,
			 "Tell what they return, too, and how long it took" },
	[OPT_WHERE] = { 'w', "where", "CONDITION", NULL,
			"Only calls such as 'arg1 == foo and arg2 > 10'" },
	[OPT_COUNT] = { 'c', "count", NULL, NULL,
			"Count calls; tell none of them" },
	[OPT_NUMBER] = { 'n', "number", "CALLS", NULL,
			 "Stop after so many calls" },
	[OPT_TURNS] = { 0, "turns", "TIME", NULL,
			"Trace more than four functions in turns of that time" },
	[OPT_LIST] = { 'l', "list", NULL, NULL,
		       "List the functions that match, and end" },
	[OPT_TEXT] = { 0, "text", NULL, NULL,
		       "Lines for people, also where no terminal is" },
	[OPT_BUDGET] = { 0, "budget", "PERCENT", NULL,
			 "Of the node's CPU time that tracing may cost: 2%" },
	[OPT_STRATEGY] = { 0, "strategy", "NAME", "minimal balanced full",
			   "minimal: 1%, balanced: 5%, full: no --budget" },
	[OPT_OTHERS] =
		{ 'd', "duration", "TIME", NULL, "Stop after 10s, 500ms, 5m, 1h" },
	{ 0, "process", "PROCESS", NULL,
	  "Only calls by <0.1.0> or a registered name" },
	{ 0, "json", NULL, NULL, "JSON lines, on a terminal too" },
	{ 0, "terms", "WORDS", NULL,
	  "Words of a term to copy, 0..512; 0: no contents" },
	{ 0, "elixir", NULL, NULL, "Terms and names in Elixir's syntax" },
	{ 0, "term-json", NULL, NULL, "Terms as tagged JSON objects" },
	{ 0, "to", "DEST", "file: unix: tcp: http:// https://",
	  "Write to a file, unix:, tcp:HOST:PORT or https:// URL" },
	{ 0, "rotate", "SIZE", NULL,
	  "Begin a new file when it gets larger than this" },
	{ 0, "rotate-keep", "NUMBER", NULL,
	  "Files kept when a new one begins; 5" },
	{ 0, "header-file", "FILE", NULL, "HTTP headers to send, one a line" },
	{ 0, "cacert", "FILE", NULL,
	  "Certificates to believe instead of the system's" },
	{ 0, "redact", "RULE", "default key: atom: field: match: kind:",
	  "Hide values: default, key:NAME, match:REGEX, @FILE" },
	{ 0, "buffer", "SIZE", NULL, "Kernel buffers in all, 64K..1G; 8M" },
	{ 0, "strict", NULL, NULL, "Exit with 5 when events were lost" },
	{ 0, "no-sandbox", NULL, NULL,
	  "Do not restrict system calls (no seccomp)" },
	{ 'q', "quiet", NULL, NULL, "Errors only on the standard error" },
	{ 'v', "verbose", NULL, NULL, "Say what is done and attached" },
	{ 'h', "help", NULL, NULL, "Print this text" },
	{ 0, "version", NULL, NULL, "Print the version" },
	{ 0 },
};

struct conf {
	struct scope_live_conf live; /* first */
	struct scope_trace_opts trace;
	struct scope_where *where; /* owned */
	bool has_strategy;
};

/* A number is a process id; anything else a name. */
static int set_pid(struct conf *c, const char *value, struct scope_err *err)
{
	uint64_t pid;

	if (scope_parse_number(value, &pid) == 0)
		return scope_live_conf_set(&c->live, "pid", value, err);
	if (c->live.target || !*value)
		return scope_fail(err, -EINVAL, "one node at a time: '%s'",
				  value);
	c->live.target = value;
	return 0;
}

static int set_time(struct conf *c, const char *value, struct scope_err *err)
{
	if (scope_parse_duration(value, &c->trace.turn_ns) < 0 ||
	    c->trace.turn_ns < TURN_MIN_NS)
		return scope_fail(err, -EINVAL,
				  "--turns takes a time from 50ms on, such as "
				  "1s, not '%s'",
				  value);
	c->trace.turns = true;
	return 0;
}

static int list(const struct scope_live_conf *live, struct scope_target *t,
		struct scope_err *err);

static int set(void *arg, const struct scope_opt *opt, const char *value,
	       struct scope_err *err)
{
	struct conf *c = arg;

	switch (opt - opts) {
	case OPT_PID:
		return set_pid(c, value, err);
	case OPT_RETURN:
		c->trace.returns = true;
		return 0;
	case OPT_WHERE:
		if (c->where)
			return scope_fail(err, -EINVAL,
					  "one --where; join conditions by "
					  "`and` or `or`");
		return scope_where_parse(value, &c->where, err);
	case OPT_COUNT:
		c->trace.counts = true;
		return 0;
	case OPT_NUMBER:
		if (scope_parse_number(value, &c->trace.calls) < 0 ||
		    !c->trace.calls)
			return scope_fail(err, -EINVAL,
					  "--number takes a number from 1 on, "
					  "not '%s'",
					  value);
		return 0;
	case OPT_TURNS:
		return set_time(c, value, err);
	case OPT_LIST:
		c->live.look = list;
		return 0;
	case OPT_TEXT:
		c->live.wants_text = true;
		return 0;
	case OPT_BUDGET:
		if (!c->has_strategy)
			c->live.strategy = SCOPE_STRATEGY_BALANCED;
		break;
	case OPT_STRATEGY:
		c->has_strategy = true;
		break;
	default:
		break;
	}
	return scope_live_conf_set(&c->live, opt->name, value, err);
}

static int check(const struct conf *c, struct scope_err *err)
{
	if (!c->trace.functions[0])
		return scope_fail(err, -EINVAL,
				  "no function was named; they are written "
				  "lists:map/2, or Shop.Cart.add/2 in Elixir's "
				  "way");
	if (c->trace.counts && (c->trace.returns || c->trace.calls))
		return scope_fail(err, -EINVAL,
				  "--count tells no calls: it goes with neither "
				  "--return nor --number");
	if (c->live.wants_text && (c->live.wants_json || c->live.dest.to ||
				   c->live.syntax == SCOPE_SYNTAX_JSON))
		return scope_fail(err, -EINVAL,
				  "--text goes with neither --json, --term-json "
				  "nor --to");
	if (c->where && !c->live.term_words && !c->trace.counts)
		return scope_fail(err, -EINVAL,
				  "--where looks at arguments, and --terms 0 "
				  "copies none; --count needs none");
	return 0;
}

static int finish(struct conf *c, int argc, char **argv, struct scope_err *err)
{
	int r;

	c->trace.functions = (const char *const *)argv;
	argv[argc] = NULL;
	if (!scope_kinds_parse("call", &c->live.kinds, NULL, NULL))
		(void)snprintf(c->live.events, sizeof(c->live.events), "call");
	r = scope_live_conf_finish(&c->live, err);
	c->trace.where = c->where;
	c->live.trace = &c->trace;
	c->live.wants_text =
		c->live.wants_text ||
		(isatty(STDOUT_FILENO) && !c->live.wants_json &&
		 !c->live.dest.to && c->live.syntax != SCOPE_SYNTAX_JSON);
	return r < 0 ? r : check(c, err);
}

/* -- what people see at the end ---------------------------------------------------- */

static void traced(void *arg, const struct scope_trace *trace)
{
	const struct conf *c = arg;
	static char text[TABLE_BYTES];
	struct scope_buf b = scope_buf_of(text, sizeof(text));
	FILE *out = c->trace.counts && c->live.wants_text ? stdout : stderr;

	if (c->live.is_quiet && out == stderr)
		return;
	if (out == stderr && !isatty(STDERR_FILENO) && !c->live.wants_text)
		return;
	scope_trace_text_table(trace, c->live.syntax, c->trace.returns, &b);
	(void)fwrite(b.p, 1, b.len, out);
	(void)fflush(out);
}

/* -- --list ------------------------------------------------------------------------- */

struct listing {
	const struct scope_naming *naming;
	enum scope_syntax syntax;
	uint64_t n;
};

static int list_one(void *arg, const struct scope_named *f)
{
	struct listing *l = arg;
	char mfa[2048], text[2048];
	struct scope_buf m = scope_buf_of(mfa, sizeof(mfa));
	struct scope_buf t = scope_buf_of(text, sizeof(text));

	scope_named_put(l->naming, f, &m);
	scope_trace_text_mfa(l->syntax, m.p, m.len, &t);
	for (size_t i = 0; i < t.len; i++)
		if ((unsigned char)t.p[i] < 0x20 || t.p[i] == 0x7f)
			t.p[i] = '.';
	(void)fwrite(t.p, 1, t.len, stdout);
	(void)fputc('\n', stdout);
	l->n++;
	return 0;
}

static int list(const struct scope_live_conf *live, struct scope_target *t,
		struct scope_err *err)
{
	const struct conf *c = (const struct conf *)live;
	scope_auto(scope_naming) naming = NULL;
	struct listing l = { .syntax = live->syntax };
	int r = scope_naming_new(t, &naming);

	if (r < 0)
		return scope_cmd_complain(
			scope_fail(err, -ENOTSUP,
				   "where the node's code is can't be found"),
			err);
	l.naming = naming;
	for (const char *const *f = c->trace.functions; *f; f++) {
		char name[2048];

		r = scope_trace_name(*f, name, sizeof(name));
		if (r == 0)
			r = scope_naming_each(naming, name, list_one, &l);
		if (r < 0)
			return scope_cmd_complain(
				scope_fail(err, -EINVAL,
					   "'%.120s' is no function; they are "
					   "written lists:map/2, or "
					   "Shop.Cart.add/2 in Elixir's way",
					   *f),
				err);
	}
	if (!l.n)
		return scope_cmd_complain(
			scope_fail(err, -ESRCH,
				   "no function that is loaded matches"),
			err);
	return scope_cmd_finish_stdout();
}

static int trace(const struct scope_cmd *cmd, int argc, char **argv)
{
	static struct conf c;
	struct scope_err err = { 0 };
	int at, r;

	memset(&c, 0, sizeof(c));
	scope_live_conf_init(&c.live);
	c.live.strategy = SCOPE_STRATEGY_FULL;
	at = scope_cmd_parse(cmd, argc, argv, set, &c, &err);
	if (at >= 0 && c.live.wants_help) {
		scope_cmd_usage(cmd, stdout);
		r = scope_cmd_finish_stdout();
	} else if (at >= 0 && c.live.wants_version) {
		scope_cmd_version(stdout);
		r = scope_cmd_finish_stdout();
	} else {
		r = at < 0 ? at : finish(&c, argc - at, argv + at, &err);
		c.live.traced = traced;
		r = r < 0 ? scope_cmd_complain(r, &err) :
			    scope_live_watch(&c.live, NULL, &err);
	}
	scope_where_free(c.where);
	return r;
}

const struct scope_cmd scope_cmd_trace = {
	.name = "trace",
	.args = "[OPTIONS] [-p NODE] FUNCTION…",
	.help = "Trace the calls of Erlang and Elixir functions, with their "
		"arguments",
	.words = NULL,
	.opts = opts,
	.run = trace,
};
