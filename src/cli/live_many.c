/* SPDX-License-Identifier: MIT */
#include "cli/live_many.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "attacher/drop.h"
#include "cli/cmd.h"
#include "cli/discover.h"
#include "cli/exit.h"
#include "cli/jsonl.h"
#include "cli/live_parts.h"
#include "cli/refusals.h"
#include "cli/sandbox.h"
#include "pipeline/run.h"

#define FLUSH_MS 5000
#define FLUSH_STOP_MS 800

struct many {
	const struct scope_live_conf *conf;
	int (*watch)(const struct scope_live_conf *c,
		     struct scope_metrics *metrics, struct scope_err *err);
	struct scope_health *health; /* borrowed; or NULL */
	struct scope_refusals *refusals; /* borrowed */
};

/* In a process of its own: watch one node, and write to standard output. */
static int watch_one(void *arg, unsigned slot, pid_t pid)
{
	const struct many *m = arg;
	struct scope_live_conf c = *m->conf;
	struct scope_metrics *metrics = NULL;
	struct scope_err err = { 0 };
	char target[16];

	(void)snprintf(target, sizeof(target), "%d", (int)pid);
	c.target = target;
	c.discovers = false;
	c.wants_json = true;
	c.is_hasty = !c.dest.to;
	c.dest = (struct scope_dest){ 0 };
	c.listen = c.token_file = NULL;
	c.duration_ns = 0; /* of all; the other end sees to it */
	if (scope_run_renew() < 0 || scope_refusals_keep(m->refusals) < 0)
		return SCOPE_EXIT_FAILED;
	c.refused = scope_refusals_of(m->refusals, slot);
	if (m->health) {
		scope_health_keep(m->health, slot);
		metrics = scope_health_node(m->health, slot);
	}
	return m->watch(&c, metrics, &err);
}

static void say(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "scope-bpf: %s\n", text);
}

static int is_allowed(struct scope_err *err)
{
	if (!scope_caps_missing(SCOPE_CAPS_ATTACH))
		return 0;
	return scope_fail(err, -EPERM,
			  "no right to watch nodes: run as root, or with "
			  "CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE");
}

static int open_stream(const struct scope_live_conf *c,
		       struct scope_writer *to, int own,
		       struct scope_stream **ret_stream, struct scope_err *err)
{
	/* Who drops the oldest does so in the processes that watch. */
	size_t cap = c->overflow == SCOPE_DROP_OLDEST ? SCOPE_JSONL_SHORT :
							SCOPE_JSONL_BUFFER;
	int r = to ? scope_stream_new_writer(to, cap, ret_stream) :
		     scope_stream_new(STDOUT_FILENO, own, cap, ret_stream);

	return r < 0 ? scope_fail(err, r, "can't start writing: %s",
				  strerror(-r)) :
		       0;
}

/* All that was handed on gets out, or it is said how much did not. */
static int finish(const struct scope_live_conf *c, struct scope_stream *s,
		  const struct scope_refusals *refusals, bool was_stopped,
		  struct scope_err *err)
{
	int r = scope_stream_flush(s, was_stopped && !c->dest.to ?
					      FLUSH_STOP_MS :
					      FLUSH_MS);
	int e = scope_stream_error(s);

	/* The others are told by those whose lines they were. */
	if (r == 0 && scope_refusals_late(refusals))
		return scope_fail(err, -EIO,
				  "the receiver of the output refused %" PRIu64
				  " lines of streams that had ended",
				  scope_refusals_late(refusals));
	if (r == 0 || e == -EPIPE)
		return e;
	return scope_fail(err, r == -ETIMEDOUT ? r : -EIO,
			  "%s; %" PRIu64 " lines were not written",
			  e ? strerror(-e) : "who reads the output is too slow",
			  scope_stream_unwritten(s));
}

static int discover(const struct scope_live_conf *c,
		    struct scope_spawner *spawner, struct scope_stream *stream,
		    struct scope_health *health,
		    struct scope_refusals *refusals, struct scope_err *err)
{
	const struct scope_discover_opts opts = {
		.spawner = spawner,
		.stream = stream,
		.health = health,
		.refusals = refusals,
		.names = c->matches,
		.duration_ns = c->duration_ns,
		.is_quiet = c->is_quiet,
		.is_verbose = c->verbose,
		.find = scope_find_nodes,
		.say = say,
	};
	struct scope_discover_totals totals;
	int r = scope_discover(&opts, &totals, err);
	int f = finish(c, stream, refusals, totals.was_stopped, r < 0 ? NULL : err);

	/* Who reads until enough was seen had its fill. */
	if (f == -EPIPE)
		return SCOPE_EXIT_OK;
	if (r == 0)
		r = f;
	if (r < 0)
		(void)scope_cmd_complain(r, err);
	else if (!c->is_quiet && isatty(STDERR_FILENO))
		fprintf(stderr, "scope-bpf: %" PRIu64 " lines\n", totals.lines);
	if (c->is_strict && totals.has_lost && r >= 0)
		return SCOPE_EXIT_LOST;
	return (int)scope_exit_of(r);
}

int scope_live_many(const struct scope_live_conf *c,
		    int (*watch)(const struct scope_live_conf *c,
				 struct scope_metrics *metrics,
				 struct scope_err *err),
		    struct scope_err *err)
{
	struct many many = { .conf = c, .watch = watch };
	struct scope_sandbox_opts sandbox = {
		.has_no_filter = c->has_no_sandbox,
		.listens = c->listen,
	};
	scope_auto(scope_writer) to = NULL;
	scope_auto(scope_health) health = NULL;
	scope_auto(scope_refusals) refusals = NULL;
	scope_auto(scope_spawner) spawner = NULL;
	scope_auto(scope_stream) stream = NULL;
	int own = -1;
	int r;

	if (!c->wants_json && !c->dest.to && isatty(STDOUT_FILENO)) {
		r = scope_fail(err, -EINVAL,
			       "--discover writes JSON lines: use --json or "
			       "--to");
		return scope_cmd_complain(r, err);
	}
	r = is_allowed(err);
	if (r == 0)
		r = scope_live_writer(c, &to, err);
	if (r == 0)
		r = scope_live_health(c, SCOPE_ROSTER_MAX, &health, err);
	many.health = health;
	if (r == 0 && scope_refusals_new(SCOPE_ROSTER_MAX, &refusals) < 0)
		r = scope_fail(err, -ENOMEM, "out of memory");
	many.refusals = refusals;
	if (r == 0)
		r = scope_spawner_start(watch_one, &many, &spawner, err);
	if (r < 0)
		return scope_cmd_complain(r, err);
	if (to) {
		to->refuse = scope_refusals_count;
		to->refuse_arg = refusals;
		sandbox.writes_files = to->writes_files;
		sandbox.uses_network = to->uses_network;
		sandbox.keeps_user = to->needs_user;
	} else {
		own = scope_stream_reopen(STDOUT_FILENO);
	}
	r = scope_sandbox_enter(&sandbox, err);
	if (r == 0 && health)
		r = scope_live_serve(c, health, err);
	if (r == 0)
		r = open_stream(c, scope_take(to), own, &stream, err);
	if (r < 0)
		return scope_cmd_complain(r, err);
	return discover(c, spawner, stream, health, refusals, err);
}
