/* SPDX-License-Identifier: MIT */
#include "cli/profile_conf.h"

#include <string.h>
#include <unistd.h>

#include "attacher/proto.h"
#include "cli/units.h"

/* What an option does; in the order of the table. */
enum {
	OPT_PID,
	OPT_FREQUENCY,
	OPT_DURATION,
	OPT_PROCESS,
	OPT_FUNCTION,
	OPT_BY_PROCESS,
	OPT_OFF_CPU,
	OPT_TOP,
	OPT_FORMAT,
	OPT_OUTPUT,
	OPT_NATIVE,
	OPT_KERNEL,
	OPT_NO_SANDBOX,
	OPT_QUIET,
	OPT_HELP,
	OPT_VERSION,
};

const struct scope_opt scope_profile_opts[] = {
	[OPT_PID] = { 'p', "pid", "PID", SCOPE_WORDS_NODES,
		      "Profile the node with this process id" },
	[OPT_FREQUENCY] = { 'F', "frequency", "HZ", NULL,
			    "Samples of a second of processor time; 99" },
	[OPT_DURATION] = { 'd', "duration", "TIME", NULL,
			   "Stop after 10s, 500ms, 5m, 1h" },
	[OPT_PROCESS] = { 0, "process", "PROCESS", NULL,
			  "Only <0.1.0>, a registered name, or an initial call" },
	[OPT_FUNCTION] = { 0, "function", "M:F/A", NULL,
			   "Only stacks with such a function; * and ? match" },
	[OPT_BY_PROCESS] = { 0, "by-process", NULL, NULL,
			     "Stacks begin with the name of their process" },
	[OPT_OFF_CPU] = { 0, "off-cpu", NULL, NULL,
			  "Where processes wait, and for what, not what they run" },
	[OPT_TOP] = { 0, "top", NULL, NULL,
		      "A table of functions, refreshed on a terminal" },
	[OPT_FORMAT] = { 0, "format", "FORMAT", SCOPE_PROFILE_FORMATS,
			 SCOPE_PROFILE_FORMATS },
	[OPT_OUTPUT] = { 'o', "output", "FILE", NULL,
			 "Write to a file, by default in the form it is named for" },
	[OPT_NATIVE] = { 0, "native", NULL, NULL,
			 "C functions, too" },
	[OPT_KERNEL] = { 0, "kernel", NULL, NULL,
			 "Functions of the kernel, too" },
	[OPT_NO_SANDBOX] = { 0, "no-sandbox", NULL, NULL,
			     "Do not restrict system calls" },
	[OPT_QUIET] = { 'q', "quiet", NULL, NULL, "Only errors on stderr" },
	[OPT_HELP] = { 'h', "help", NULL, NULL, "Print this text" },
	[OPT_VERSION] = { 0, "version", NULL, NULL, "Print the version" },
	{ 0 },
};

static int set_target(struct scope_profile_conf *c, const char *value,
		      struct scope_err *err)
{
	if (!*value)
		return scope_fail(err, -EINVAL, "an empty name means no node");
	if (c->target)
		return scope_fail(err, -EINVAL,
				  "one node at a time: '%s' or '%s'", c->target,
				  value);
	c->target = value;
	return 0;
}

static int set_pid(struct scope_profile_conf *c, const char *value,
		   struct scope_err *err)
{
	uint64_t pid;

	if (scope_parse_number(value, &pid) < 0 || pid == 0 || pid > INT32_MAX)
		return scope_fail(err, -EINVAL,
				  "--pid takes a process id, not '%s'; a name "
				  "goes without an option",
				  value);
	return set_target(c, value, err);
}

static int set_hz(struct scope_profile_conf *c, const char *value,
		  struct scope_err *err)
{
	uint64_t hz;

	if (scope_parse_number(value, &hz) < 0 || hz < 1 || hz > SCOPE_HZ_MAX)
		return scope_fail(err, -EINVAL,
				  "--frequency takes 1 to %u samples of a "
				  "second, not '%s'",
				  SCOPE_HZ_MAX, value);
	c->hz = (unsigned)hz;
	c->has_hz = true;
	return 0;
}

static int set_duration(struct scope_profile_conf *c, const char *value,
			struct scope_err *err)
{
	if (scope_parse_duration(value, &c->duration_ns) == 0 &&
	    c->duration_ns > 0)
		return 0;
	return scope_fail(err, -EINVAL,
			  "--duration takes a time such as 10s, not '%s'",
			  value);
}

static int add_process(struct scope_profile_conf *c, const char *value,
		       struct scope_err *err)
{
	if (!*value)
		return scope_fail(err, -EINVAL,
				  "--process takes a pid, a name or an initial "
				  "call");
	if (c->nprocesses == SCOPE_PROFILE_WHO_MAX)
		return scope_fail(err, -EINVAL, "more than %d --process",
				  SCOPE_PROFILE_WHO_MAX);
	c->processes[c->nprocesses++] = value;
	return 0;
}

static int add_function(struct scope_profile_conf *c, const char *value,
			struct scope_err *err)
{
	if (c->nfunctions == SCOPE_PROFILE_WHO_MAX)
		return scope_fail(err, -EINVAL, "more than %d --function",
				  SCOPE_PROFILE_WHO_MAX);
	if (scope_pattern_parse(value, &c->functions[c->nfunctions]) < 0)
		return scope_fail(err, -EINVAL,
				  "--function takes Module:function/arity, with "
				  "* and ? for anything, not '%s'",
				  value);
	c->nfunctions++;
	return 0;
}

static const struct {
	const char *name, *suffix;
	enum scope_profile_format format;
} formats[] = {
	{ "folded", ".folded", SCOPE_FORMAT_FOLDED },
	{ "svg", ".svg", SCOPE_FORMAT_SVG },
	{ "speedscope", ".speedscope.json", SCOPE_FORMAT_SPEEDSCOPE },
	{ "pprof", ".pb.gz", SCOPE_FORMAT_PPROF },
	{ "json", ".json", SCOPE_FORMAT_JSON },
};

static int set_format(struct scope_profile_conf *c, const char *value,
		      struct scope_err *err)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
		if (strcmp(formats[i].name, value) != 0)
			continue;
		c->format = formats[i].format;
		return 0;
	}
	return scope_fail(err, -EINVAL, "--format takes one of %s, not '%s'",
			  SCOPE_PROFILE_FORMATS, value);
}

static bool ends_in(const char *text, const char *suffix)
{
	size_t n = strlen(text), k = strlen(suffix);

	return n > k && !strcmp(text + n - k, suffix);
}

/* A file that is named for a form is written in that. */
static void choose_format(struct scope_profile_conf *c)
{
	if (c->format != SCOPE_FORMAT_AUTO)
		return;
	c->format = SCOPE_FORMAT_FOLDED;
	for (size_t i = 0; c->output && i < sizeof(formats) / sizeof(*formats);
	     i++) {
		if (!ends_in(c->output, formats[i].suffix))
			continue;
		c->format = formats[i].format;
		return;
	}
}

static int set_output(struct scope_profile_conf *c, const char *value,
		      struct scope_err *err)
{
	if (!*value)
		return scope_fail(err, -EINVAL, "--output takes a file's name");
	c->output = strcmp(value, "-") ? value : NULL;
	return 0;
}

static int set(void *arg, const struct scope_opt *opt, const char *value,
	       struct scope_err *err)
{
	struct scope_profile_conf *c = arg;

	switch (opt - scope_profile_opts) {
	case OPT_PID:
		return set_pid(c, value, err);
	case OPT_FREQUENCY:
		return set_hz(c, value, err);
	case OPT_DURATION:
		return set_duration(c, value, err);
	case OPT_PROCESS:
		return add_process(c, value, err);
	case OPT_FUNCTION:
		return add_function(c, value, err);
	case OPT_FORMAT:
		return set_format(c, value, err);
	case OPT_OUTPUT:
		return set_output(c, value, err);
	case OPT_BY_PROCESS:
		c->by_process = true;
		return 0;
	case OPT_OFF_CPU:
		c->is_off_cpu = true;
		return 0;
	case OPT_TOP:
		c->is_top = true;
		return 0;
	case OPT_NATIVE:
		c->wants_native = true;
		return 0;
	case OPT_KERNEL:
		c->wants_kernel = true;
		return 0;
	case OPT_NO_SANDBOX:
		c->has_no_sandbox = true;
		return 0;
	case OPT_QUIET:
		c->is_quiet = true;
		return 0;
	case OPT_HELP:
		c->wants_help = true;
		return 0;
	default:
		c->wants_version = true;
		return 0;
	}
}

int scope_profile_conf_parse(const struct scope_cmd *cmd, int argc,
			     char **argv, struct scope_profile_conf *ret_conf,
			     struct scope_err *err)
{
	struct scope_profile_conf c = { .hz = SCOPE_PROFILE_HZ };
	int at = scope_cmd_parse(cmd, argc, argv, set, &c, err), r = 0;

	if (at < 0)
		return at;
	if (!c.wants_help && !c.wants_version)
		for (; r == 0 && at < argc; at++)
			r = set_target(&c, argv[at], err);
	if (r < 0)
		return r;
	if (c.is_off_cpu && (c.has_hz || c.wants_native || c.wants_kernel))
		return scope_fail(err, -EINVAL,
				  "--off-cpu follows every wait, in Erlang "
				  "alone: --frequency, --native and --kernel "
				  "mean nothing with it");
	if (c.is_top && c.format != SCOPE_FORMAT_AUTO)
		return scope_fail(err, -EINVAL,
				  "--top is a form of its own; leave out "
				  "--format");
	choose_format(&c);
	if (c.format == SCOPE_FORMAT_PPROF && !c.output &&
	    isatty(STDOUT_FILENO))
		return scope_fail(err, -EINVAL,
				  "pprof is nothing for a terminal; give it a "
				  "file: -o FILE");
	*ret_conf = c;
	return 0;
}
