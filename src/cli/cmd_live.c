/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "attacher/attacher.h"
#include "beam/redact.h"
#include "cli/cmd.h"
#include "cli/exit.h"
#include "cli/health.h"
#include "cli/jsonl.h"
#include "cli/live.h"
#include "cli/live_conf.h"
#include "cli/live_many.h"
#include "cli/live_parts.h"
#include "cli/live_watch.h"
#include "cli/sandbox.h"
#include "cli/terminal.h"
#include "cli/trace_text.h"
#include "export/stream.h"
#include "pipeline/run.h"
#include "probe/calibrate.h"
#include "store/recorder.h"
#include "target/find.h"
#include "target/target.h"

#define FLUSH_MS 5000	 /* for a reader that pauses */
#define FLUSH_STOP_MS 800 /* the same, when somebody wants out */
#define LIVE_TICK_MS 250
#define RECORD_TICK_MS 50
#define SAY_NS 500000000

/* Of one run of the command: what its callbacks need. */
struct session {
	const struct scope_live_conf *conf;
	struct scope_sink tee;	/* hands on to `out`; sees node.attach */
	struct scope_redact *redact; /* borrowed; NULL: nothing to hide */
	struct scope_vm *vm;	     /* borrowed */
	struct scope_writer *to; /* owned until the writing begins */
	struct scope_metrics *metrics; /* borrowed; NULL: nobody asks */
	struct scope_sink *out; /* borrowed; NULL: only recorded */
	struct scope_recorder *recorder; /* borrowed; NULL: not recorded */
	/* Events that were put out and could not be recorded. */
	uint64_t unrecorded[SCOPE_KIND_MAX];
	bool has_hints;		/* stderr is for people */
	struct scope_calibrator *calibrator; /* borrowed; NULL: not needed */
	uint64_t said_ns;	/* when progress was last said */
	int own_out;		/* stdout anew; -1: see scope_stream_reopen */
};

/*
 * The first signal asks for a clean end; the handler is gone then, and a
 * second one ends the program at once (the kernel takes the probes away).
 */
static volatile sig_atomic_t is_stopped;

static void on_stop(int sig)
{
	(void)sig;
	is_stopped = 1;
	scope_run_stop();
}

/* On a terminal the second signal must give it back first. */
static void on_stop_live(int sig)
{
	scope_run_stop();
	(void)signal(sig, scope_terminal_fatal);
}

static void handle(int sig, void (*fn)(int), int flags)
{
	struct sigaction sa = { .sa_handler = fn, .sa_flags = flags };

	(void)sigemptyset(&sa.sa_mask);
	(void)sigaction(sig, &sa, NULL);
}

static void handle_signals(bool is_live)
{
	static const int stops[] = { SIGINT, SIGTERM, SIGHUP };

	for (size_t i = 0; i < sizeof(stops) / sizeof(*stops); i++)
		handle(stops[i], is_live ? on_stop_live : on_stop,
		       is_live ? 0 : (int)SA_RESETHAND);
	if (is_live)
		scope_terminal_guard();
}

static void progress(void *arg, const char *text)
{
	const struct session *s = arg;

	if (s->has_hints || s->conf->verbose)
		fprintf(stderr, "scope-bpf: %s\n", text);
}

/* -v: what was attached, from what the stream says about it. */
static void say_attached(const struct scope_event *ev)
{
	for (size_t i = 0; i < ev->nfields; i++) {
		const struct scope_field *f = &ev->fields[i];
		const struct scope_field_info *info = scope_field_info(f->key);

		if (info->type == SCOPE_T_TEXT || info->type == SCOPE_T_JSON)
			fprintf(stderr, "scope-bpf: %s: %.*s\n", info->key,
				(int)f->len, f->text);
	}
}

/* How the recording grows, on a line of its own; `mono_ns` 0: at its end. */
static void say_recorded(struct session *s, uint64_t mono_ns)
{
	struct scope_recorder_usage u;

	if (mono_ns && mono_ns - s->said_ns < SAY_NS)
		return;
	s->said_ns = mono_ns;
	scope_recorder_usage(s->recorder, &u);
	fprintf(stderr,
		"\r\033[Kscope-bpf: %" PRIu64 " events recorded, %" PRIu64
		" kB in %" PRIu64 " segments, %" PRIu64 " lost%s",
		u.events, u.bytes / 1024, u.segments - u.removed, u.lost,
		mono_ns ? "; Ctrl-C ends it" : "\n");
}

static int tee_event(struct scope_sink *sink, const struct scope_event *ev)
{
	struct session *s = (struct session *)((char *)sink -
					       offsetof(struct session, tee));

	if (ev->kind == SCOPE_KIND_NODE_ATTACH && s->conf->verbose)
		say_attached(ev);
	if (s->redact)
		ev = scope_redact_event(s->redact, s->vm, ev);
	if (s->recorder) {
		struct scope_sink *to = scope_recorder_sink(s->recorder);
		int r = to->event(to, ev);

		if (!s->out)
			return r;
		if (r < 0)
			s->unrecorded[ev->kind]++;
	}
	return s->out->event(s->out, ev);
}

static void tee_lost(struct scope_sink *sink,
		     uint64_t counts[SCOPE_LOSS_MAX][SCOPE_KIND_MAX])
{
	struct session *s = (struct session *)((char *)sink -
					       offsetof(struct session, tee));

	if (s->recorder) {
		struct scope_sink *to = scope_recorder_sink(s->recorder);

		to->lost(to, counts);
		for (unsigned k = 0; k < SCOPE_KIND_MAX; k++)
			counts[SCOPE_LOSS_OUTPUT][k] += s->unrecorded[k];
		memset(s->unrecorded, 0, sizeof(s->unrecorded));
	}
	if (s->out && s->out->lost)
		s->out->lost(s->out, counts);
}

static double tee_fill(struct scope_sink *sink)
{
	struct session *s = (struct session *)((char *)sink -
					       offsetof(struct session, tee));

	return s->out && s->out->fill ? s->out->fill(s->out) : 0;
}

static void tee_tick(struct scope_sink *sink, uint64_t mono_ns)
{
	struct session *s = (struct session *)((char *)sink -
					       offsetof(struct session, tee));

	if (s->recorder) {
		struct scope_sink *to = scope_recorder_sink(s->recorder);

		to->tick(to, mono_ns);
	}
	if (s->out)
		s->out->tick(s->out, mono_ns);
	else if (s->has_hints)
		say_recorded(s, mono_ns);
}

static void say_totals(const struct session *s,
		       const struct scope_run_totals *t)
{
	uint64_t delivered = 0, missed = 0, sampled = 0;

	if (!s->has_hints)
		return;
	for (size_t i = 0; i < SCOPE_KIND_MAX; i++) {
		delivered += t->delivered[i];
		missed += t->missed[i];
		sampled += t->sampled[i];
	}
	fprintf(stderr, "scope-bpf: %s%" PRIu64 " events, %" PRIu64 " lost%s\n",
		t->node_ended ? "the node ended; " : "", delivered,
		t->lost_all,
		t->lost_all ? "; a larger --buffer, fewer --events or a "
			      "--process may help" :
			      "");
	if (sampled)
		fprintf(stderr,
			"scope-bpf: %" PRIu64 " events of other "
			"conversations were left out\n",
			sampled);
	if (missed)
		fprintf(stderr,
			"scope-bpf: some %" PRIu64 " more were not seen, to "
			"keep within the budget; --strategy full sees all\n",
			missed);
}

static struct scope_run_opts run_opts(const struct session *s)
{
	const struct scope_live_conf *c = s->conf;

	return (struct scope_run_opts){
		.kinds = c->kinds,
		.term_words = c->term_words,
		.buffer_bytes = c->buffer_bytes,
		.transport = c->transport,
		.sample = c->sample,
		.overflow = c->overflow,
		.from = c->from,
		.duration_ns = c->duration_ns,
		.budget = c->budget,
		.processes = c->processes,
		.calibrator = s->calibrator,
		.metrics = s->metrics,
		.trace = c->trace,
		.traced = c->traced,
		.traced_arg = (void *)(uintptr_t)c,
	};
}

/* 0, or -errno with words in err. */
static int run_json(struct session *s, struct scope_target *t,
		    struct scope_run_totals *totals, struct scope_err *err)
{
	const struct scope_target_info *info = scope_target_info(t);
	struct scope_json_opts opts = {
		.syntax = s->conf->syntax,
		.node = info->node,
		.os_pid = info->pid,
	};
	struct scope_trace_text text = { .vm = scope_target_vm(t),
					 .syntax = s->conf->syntax };
	struct scope_run_opts run = run_opts(s);
	scope_auto(scope_jsonl) j = NULL;
	int r, f;

	r = scope_jsonl_new(STDOUT_FILENO, s->own_out, scope_take(s->to),
			    scope_target_vm(t), &opts,
			    s->conf->overflow == SCOPE_DROP_OLDEST,
			    scope_run_stop, &j);
	if (r < 0)
		return scope_fail(err, r, "can't start writing: %s",
				  strerror(-r));
	if (s->conf->wants_text)
		scope_jsonl_set_format(j, scope_trace_text, &text);
	s->out = scope_jsonl_sink(j);
	if (s->conf->refused)
		scope_jsonl_also(j, s->conf->refused);
	run.progress = progress;
	run.progress_arg = s;
	handle_signals(false);
	r = scope_run(t, &run, &s->tee, totals, err);
	f = scope_jsonl_finish(j,
			       is_stopped && s->conf->is_hasty ? FLUSH_STOP_MS :
								 FLUSH_MS,
			       r < 0 ? NULL : err);
	return r < 0 ? r : f;
}

/* Nothing is put out; the recording is the sink. */
static int run_record(struct session *s, struct scope_target *t,
		      struct scope_run_totals *totals, struct scope_err *err)
{
	struct scope_run_opts run = run_opts(s);

	run.tick_ms = RECORD_TICK_MS;
	run.progress = progress;
	run.progress_arg = s;
	handle_signals(false);
	return scope_run(t, &run, &s->tee, totals, err);
}

static int begin_recording(const struct session *s, struct scope_target *t,
			   struct scope_err *err)
{
	const struct scope_target_info *info = scope_target_info(t);
	struct scope_vm *vm = scope_target_vm(t);
	scope_autofree struct scope_segment_info *head =
		calloc(1, sizeof(*head));

	if (!head)
		return scope_fail(err, -ENOMEM, "out of memory");
	head->otp = (unsigned)strtoul(info->otp, NULL, 10);
	head->os_pid = info->pid;
	head->procs = vm->procs;
	head->ports = vm->ports;
	(void)snprintf(head->node, sizeof(head->node), "%s", info->node);
	return scope_recorder_start(s->recorder, head, vm, err);
}

static bool wants_color(const struct scope_live_conf *c)
{
	const char *no = getenv("NO_COLOR");

	return c->color == SCOPE_COLOR_ALWAYS ||
	       (c->color == SCOPE_COLOR_AUTO && !(no && *no));
}

static int run_live(struct session *s, struct scope_target *t,
		    struct scope_run_totals *totals, struct scope_err *err)
{
	const struct scope_target_info *info = scope_target_info(t);
	struct scope_live_opts opts = {
		.vm = scope_target_vm(t),
		.syntax = s->conf->syntax,
		.has_color = wants_color(s->conf),
		.node = info->node,
		.otp = info->otp,
		.events = s->conf->events,
		.kinds = s->conf->kinds,
		.os_pid = info->pid,
		.is_filtered = s->conf->nprocesses > 0,
		.stop = scope_run_stop,
	};
	struct scope_run_opts run = run_opts(s);
	scope_auto(scope_live) l = NULL;
	int r;

	handle_signals(true);
	r = scope_live_new(&opts, &l, err);
	if (r < 0)
		return r;
	s->out = scope_live_sink(l);
	run.tick_ms = LIVE_TICK_MS;
	run.progress = scope_live_progress;
	run.progress_arg = l;
	return scope_run(t, &run, &s->tee, totals, err);
}

/* What needs rights goes to processes of their own; this one gives them up. */
static int part(const struct scope_live_conf *c, const struct scope_writer *to,
		struct scope_attacher **ret,
		struct scope_calibrator **ret_calibrator, struct scope_err *err)
{
	const struct scope_sandbox_opts opts = {
		.has_no_filter = c->has_no_sandbox,
		.writes_files = c->output || (to && to->writes_files),
		.uses_network = to && to->uses_network,
		.listens = c->listen,
		.keeps_user = c->output || (to && to->needs_user),
		.on_violation = scope_live_rescue,
	};
	int r = scope_attacher_start(ret, err);

	*ret_calibrator = scope_calibrator_start();
	return r < 0 ? r : scope_sandbox_enter(&opts, err);
}

static void say_note(const char *text)
{
	fprintf(stderr, "scope-bpf: %s\n", text);
}

static int make_recorder(const struct scope_live_conf *c,
			 struct scope_recorder **ret, struct scope_err *err)
{
	const struct scope_recorder_opts opts = {
		.flush_ns = c->flush_ns,
		.keep_ns = c->keep_ns,
		.keep_bytes = c->keep_bytes,
		.note = say_note,
	};

	return c->output ? scope_recorder_new(c->output, &opts, ret, err) : 0;
}

int scope_live_watch(const struct scope_live_conf *c,
		     struct scope_metrics *metrics, struct scope_err *err)
{
	const bool is_json = c->trace || c->wants_json || c->dest.to ||
			     !isatty(STDOUT_FILENO);
	struct scope_run_totals totals = { 0 };
	scope_auto(scope_redact) redact = NULL;
	scope_auto(scope_writer) to = NULL;
	scope_auto(scope_attacher) a = NULL;
	scope_auto(scope_calibrator) calibrator = NULL;
	scope_auto(scope_health) health = NULL;
	scope_auto(scope_target) t = NULL;
	scope_auto(scope_recorder) recorder = NULL; /* uses t's vm */
	struct session s = {
		.conf = c,
		.tee = { .event = tee_event,
			 .tick = tee_tick,
			 .lost = tee_lost,
			 .fill = tee_fill },
		.metrics = metrics,
		.has_hints = isatty(STDERR_FILENO) && !c->is_quiet,
	};
	int r;

	r = scope_redact_make(c->redacts, c->nredacts, &redact,
				  err);
	if (r == 0)
		r = scope_live_writer(c, &to, err);
	if (r == 0)
		r = scope_live_health(c, 1, &health, err);
	if (r == 0)
		r = make_recorder(c, &recorder, err);
	if (r < 0)
		return scope_cmd_complain(r, err);
	/* What is written to is opened while that is allowed. */
	s.own_out = is_json && !to && !c->is_recorded_only ? scope_stream_reopen(STDOUT_FILENO) : -1;
	r = part(c, to, &a, &calibrator, err);
	s.calibrator = calibrator;
	if (r == 0 && health)
		r = scope_live_serve(c, health, err);
	if (r == 0)
		r = scope_find_probes(a, c->target, &t, err);
	if (r < 0)
		return scope_cmd_complain(r, err);
	if (c->look)
		return c->look(c, t, err);
	s.redact = redact;
	if (health)
		s.metrics = scope_health_node(health, 0);
	s.vm = scope_target_vm(t);
	s.to = scope_take(to);
	s.recorder = recorder;
	if (recorder)
		r = begin_recording(&s, t, err);
	if (r < 0)
		return scope_cmd_complain(r, err);
	if (c->is_recorded_only)
		r = run_record(&s, t, &totals, err);
	else if (is_json)
		r = run_json(&s, t, &totals, err);
	else
		r = run_live(&s, t, &totals, err);
	if (recorder) {
		int f = scope_recorder_finish(recorder, r < 0 ? NULL : err);

		r = r < 0 ? r : f;
		if (s.has_hints && c->is_recorded_only)
			say_recorded(&s, 0);
	}
	/* Who reads, as head(1) does, until enough was seen had its fill. */
	if (r == -EPIPE)
		return SCOPE_EXIT_OK;
	if (r < 0)
		(void)scope_cmd_complain(r, err);
	else
		say_totals(&s, &totals);
	if (c->is_strict && totals.lost_all && (r >= 0 || r == -ETIMEDOUT))
		return SCOPE_EXIT_LOST;
	return (int)scope_exit_of(r);
}

static int live(const struct scope_cmd *cmd, int argc, char **argv)
{
	struct scope_live_conf conf;
	struct scope_err err = { 0 };
	int r;

	r = scope_live_conf_parse(cmd, argc, argv, &conf, &err);
	if (r < 0)
		return scope_cmd_complain(r, &err);
	if (conf.wants_help)
		scope_cmd_usage(cmd, stdout);
	else if (conf.wants_version)
		scope_cmd_version(stdout);
	else if (conf.discovers)
		return scope_live_many(&conf, scope_live_watch, &err);
	else
		return scope_live_watch(&conf, NULL, &err);
	return scope_cmd_finish_stdout();
}

static int record(const struct scope_cmd *cmd, int argc, char **argv)
{
	struct scope_live_conf conf;
	struct scope_err err = { 0 };
	int r;

	r = scope_live_conf_parse(cmd, argc, argv, &conf, &err);
	if (r < 0)
		return scope_cmd_complain(r, &err);
	if (conf.wants_help)
		scope_cmd_usage(cmd, stdout);
	else if (conf.wants_version)
		scope_cmd_version(stdout);
	if (conf.wants_help || conf.wants_version)
		return scope_cmd_finish_stdout();
	if (!conf.output || conf.dest.to || conf.has_syntax || conf.wants_json)
		return scope_cmd_complain(
			scope_fail(&err, -EINVAL,
				   conf.output ?
					   "record prints nothing: leave out --to, "
					   "--json, --elixir and --term-json, or "
					   "record" :
					   "where to? --output DIR names a folder "
					   "that is new or empty"),
			&err);
	conf.is_recorded_only = true;
	return scope_live_watch(&conf, NULL, &err);
}

const struct scope_cmd scope_cmd_record = {
	.name = "record",
	.args = "[OPTIONS] -o DIR [PID|NAME]",
	.help = "Record what a node does, to be asked later",
	.words = SCOPE_WORDS_NODES,
	.opts = scope_live_opts,
	.run = record,
};

const struct scope_cmd scope_cmd_live = {
	.name = "",
	.args = "[OPTIONS] [PID|NAME]",
	.help = "Watch an Erlang node from outside: a table on a terminal, "
		"else JSON lines",
	.words = SCOPE_WORDS_NODES,
	.opts = scope_live_opts,
	.run = live,
};
