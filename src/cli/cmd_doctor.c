/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attacher/attacher.h"
#include "base/auto.h"
#include "cli/cmd.h"
#include "cli/doctor.h"
#include "cli/exit.h"
#include "cli/live_conf.h"
#include "cli/sandbox.h"
#include "cli/units.h"

#define MEASURE_MAX_NS 3600000000000u

enum {
	OPT_PID,
	OPT_EVENTS,
	OPT_MEASURE,
	OPT_BUDGET,
	OPT_JSON,
	OPT_COLOR,
	OPT_NO_SANDBOX,
	OPT_HELP,
	OPT_VERSION,
};

static const struct scope_opt opts[] = {
	[OPT_PID] = { 'p', "pid", "PID", SCOPE_WORDS_NODES,
		      "Look at the node with this process id" },
	[OPT_EVENTS] = { 'e', "events", "LIST", SCOPE_WORDS_KINDS,
			 "Kinds and groups that must work" },
	[OPT_MEASURE] = { 0, "measure", "TIME", NULL,
			  "Count with probes for so long how often they happen" },
	[OPT_BUDGET] = { 0, "budget", "PERCENT", NULL,
			 "With --measure: what this budget would keep; 5%" },
	[OPT_JSON] = { 0, "json", NULL, NULL, "One JSON object" },
	[OPT_COLOR] = { 0, "color", "WHEN", "auto always never",
			"auto, always or never" },
	[OPT_NO_SANDBOX] = { 0, "no-sandbox", NULL, NULL,
			     "Do not restrict system calls" },
	[OPT_HELP] = { 'h', "help", NULL, NULL, "Print this text" },
	[OPT_VERSION] = { 0, "version", NULL, NULL, "Print the version" },
	{ 0 },
};

struct conf {
	struct scope_doctor_opts look;
	const char *color;
	bool wants_json, wants_help, wants_version, has_no_sandbox;
};

static int set_target(struct conf *c, const char *value, struct scope_err *err)
{
	if (!*value)
		return scope_fail(err, -EINVAL,
				  "an empty name means no node");
	if (c->look.target)
		return scope_fail(err, -EINVAL,
				  "one node at a time: '%s' or '%s'",
				  c->look.target, value);
	c->look.target = value;
	return 0;
}

static int set_pid(struct conf *c, const char *value, struct scope_err *err)
{
	uint64_t pid;

	if (scope_parse_number(value, &pid) < 0 || pid == 0 || pid > INT32_MAX)
		return scope_fail(err, -EINVAL,
				  "--pid takes a process id, not '%s'; a name "
				  "goes without an option",
				  value);
	return set_target(c, value, err);
}

static int set_events(struct conf *c, const char *value, struct scope_err *err)
{
	const char *bad = "";
	size_t len = 0;

	if (scope_kinds_parse(value, &c->look.kinds, &bad, &len) == 0)
		return 0;
	return scope_fail(err, -EINVAL,
			  "--events: '%.*s' is no kind or group of this "
			  "version; scope-bpf-events(7) lists them",
			  (int)(len < 100 ? len : 100), bad);
}

static int set(void *arg, const struct scope_opt *opt, const char *value,
	       struct scope_err *err)
{
	struct conf *c = arg;

	switch (opt - opts) {
	case OPT_PID:
		return set_pid(c, value, err);
	case OPT_EVENTS:
		return set_events(c, value, err);
	case OPT_MEASURE:
		if (scope_parse_duration(value, &c->look.measure_ns) == 0 &&
		    c->look.measure_ns > 0 &&
		    c->look.measure_ns <= MEASURE_MAX_NS)
			return 0;
		return scope_fail(err, -EINVAL,
				  "--measure takes a time such as 1s, at most "
				  "an hour, not '%s'",
				  value);
	case OPT_BUDGET:
		return scope_parse_budget(value, &c->look.budget, err);
	case OPT_COLOR:
		if (strcmp(value, "auto") && strcmp(value, "always") &&
		    strcmp(value, "never"))
			return scope_fail(err, -EINVAL,
					  "--color takes auto, always or never, "
					  "not '%s'",
					  value);
		c->color = value;
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

/* -- looking ------------------------------------------------------------------------ */

static void say(const char *text)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[Kscope-bpf: %s", text);
}

static void say_end(void)
{
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

static int step(void *arg, unsigned at, unsigned of)
{
	char text[80];

	(void)arg;
	(void)snprintf(text, sizeof(text),
		       "measuring probes on a process of our own, %u of %u", at,
		       of);
	say(text);
	return 0;
}

/* The host, and whether probes work on it: by trying, on ourselves. */
static void look_at_host(struct scope_doctor *d)
{
	const struct scope_host_env env = { .root = "", .is_tried = true };
	struct scope_calibrate_opts how = { .step = step };
	struct scope_err why = { 0 };
	struct scope_checks *c = &d->host.kernel_checks;
	struct scope_check *k;
	const char *todo;
	int r;

	scope_host_look(&env, &d->host);
	r = scope_calibrate(&how, &d->cal, &why);
	if (r < 0)
		d->cal = *scope_calibration_get();
	say_end();
	k = scope_check_add(c, "attach", "probes on ourselves", true,
			    r < 0 ? SCOPE_STATE_NO : SCOPE_STATE_YES);
	todo = strstr(why.text, "; ");
	if (r < 0) {
		scope_check_say(k, "%.*s",
				(int)(todo ? (size_t)(todo - why.text) :
					     strlen(why.text)),
				why.text);
		scope_check_fix(k, "%s", todo ? todo + 2 : "see above");
	} else {
		scope_check_say(k, "tried: they are hit");
	}
	k = scope_check_add(c, "usdt", "USDT with semaphores", false,
			    r < 0 ? SCOPE_STATE_UNKNOWN :
			    d->cal.figure[SCOPE_CAL_F_USDT] ?
				    SCOPE_STATE_YES :
				    SCOPE_STATE_NO);
	scope_check_say(k, r < 0 ? "not tried: probes do not work" :
			   d->cal.figure[SCOPE_CAL_F_USDT] ?
				   "tried: the semaphore is counted up" :
				   "tried: the semaphore is not counted up");
	if (k->state != SCOPE_STATE_YES)
		scope_check_fix(k, r < 0 ? "what probes need, above" :
					   "kernel 4.20 or later");
	d->host_ok = scope_checks_ok(c) && scope_checks_ok(&d->host.caps);
}

/* Without a name: the only node that there is, or none. 1: one was found. */
static int choose(struct scope_doctor *d, pid_t *ret_pid)
{
	const size_t max = sizeof(d->found) / sizeof(*d->found);
	int n;

	n = scope_find_nodes(d->found, max);
	if (n == 1) {
		*ret_pid = d->found[0].pid;
		return 1;
	}
	d->nfound = n > 0 ? (size_t)n : 0;
	for (size_t i = 0; i < d->nfound; i++) {
		scope_doctor_clean(d->found[i].node);
		scope_doctor_clean(d->found[i].cmdline);
	}
	return 0;
}

static bool wants_color(const struct conf *c)
{
	const char *no = getenv("NO_COLOR");

	if (c->color && strcmp(c->color, "auto"))
		return !strcmp(c->color, "always");
	return isatty(STDOUT_FILENO) && !(no && *no);
}

static int verdict(const struct scope_doctor *d)
{
	if (d->has_node && (d->node.r == -ESRCH || d->node.r == -ENOEXEC))
		return SCOPE_EXIT_NO_NODE;
	return d->host_ok && (!d->has_node || d->node.is_ok) ?
		       SCOPE_EXIT_OK :
		       SCOPE_EXIT_DENIED;
}

/* What parses bytes of the node has no rights, as in the live view. */
static int part(const struct conf *c, struct scope_attacher **ret_attacher,
		struct scope_err *err)
{
	const struct scope_sandbox_opts sandbox = {
		.has_no_filter = c->has_no_sandbox,
	};
	int r = scope_attacher_start(ret_attacher, err);

	return r < 0 ? r : scope_sandbox_enter(&sandbox, err);
}

/* 1: there is a node to look at, which may be open already. */
static int find(struct scope_doctor *d, struct scope_attacher *a,
		const char *name, pid_t *ret_pid,
		struct scope_target **ret_target, struct scope_err *err)
{
	int r = name ? scope_find_by(a, name, ret_pid, ret_target, err) : 0;

	return r < 0 ? r : name ? 1 : choose(d, ret_pid);
}

static int examine(struct scope_doctor *d, struct scope_attacher **ret_attacher,
		   const struct conf *c)
{
	struct scope_target *target = NULL;
	struct scope_err err = { 0 };
	pid_t pid = 0;
	int r;

	/* Probes on ourselves, and what is ours to read; then rights go. */
	look_at_host(d);
	r = part(c, ret_attacher, &err);
	if (r == 0)
		r = find(d, *ret_attacher, c->look.target, &pid, &target, &err);
	if (r < 0)
		return scope_cmd_complain(r, &err);
	d->has_node = r > 0;
	r = 0;
	if (d->has_node) {
		say(c->look.measure_ns ? "counting" : "looking at the node");
		r = scope_doctor_look(&d->node, *ret_attacher, pid, target,
				      &c->look, &d->cal, &err);
		say_end();
	}
	if (c->wants_json) {
		if (scope_doctor_print_json(d, stdout) == -ENOMEM)
			return scope_cmd_complain(-ENOMEM, &err);
	} else {
		scope_doctor_print(d, wants_color(c), stdout);
	}
	if (scope_cmd_finish_stdout() != SCOPE_EXIT_OK)
		return SCOPE_EXIT_FAILED;
	/* All but the rates was told. */
	return r < 0 ? scope_cmd_complain(r, &err) : verdict(d);
}

static int doctor(const struct scope_cmd *cmd, int argc, char **argv)
{
	struct conf c = { .look = { .kinds = scope_kinds_default(),
				    .budget = SCOPE_BUDGET_BALANCED } };
	struct scope_err err = { 0 };
	scope_auto(scope_attacher) a = NULL;
	struct scope_doctor *d;
	int at, r = 0;

	at = scope_cmd_parse(cmd, argc, argv, set, &c, &err);
	if (at < 0)
		return scope_cmd_complain(at, &err);
	if (c.wants_help || c.wants_version) {
		if (c.wants_help)
			scope_cmd_usage(cmd, stdout);
		else
			scope_cmd_version(stdout);
		return scope_cmd_finish_stdout();
	}
	for (; r == 0 && at < argc; at++)
		r = set_target(&c, argv[at], &err);
	if (r < 0)
		return scope_cmd_complain(r, &err);
	d = calloc(1, sizeof(*d));
	if (!d)
		return scope_cmd_complain(-ENOMEM, &err);
	r = examine(d, &a, &c);
	scope_doctor_done(d);
	free(d);
	return r;
}

const struct scope_cmd scope_cmd_doctor = {
	.name = "doctor",
	.args = "[OPTIONS] [PID|NAME]",
	.help = "Tell what this host, kernel and node allow, and how to get "
		"more",
	.words = SCOPE_WORDS_NODES,
	.opts = opts,
	.run = doctor,
};
