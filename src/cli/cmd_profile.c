/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "attacher/attacher.h"
#include "base/map.h"
#include "base/time.h"
#include "cli/cmd.h"
#include "cli/exit.h"
#include "cli/profile_conf.h"
#include "cli/sandbox.h"
#include "export/profile.h"
#include "pipeline/sampler.h"
#include "pipeline/offcpu.h"
#include "target/find.h"
#include "target/procfs.h"
#include "target/target.h"

#define POLL_NS 50000000l
#define LOOK_NS 200000000u /* how often it is seen whether the node goes on */
#define DRAW_NS 1000000000u
#define FILTERED_MAX (1u << 20)

struct session {
	const struct scope_profile_conf *conf;
	struct scope_target *target;   /* borrowed, as all */
	struct scope_profile *profile;
	struct scope_sampler *sampler;
	struct scope_offcpu *waits; /* NULL: on processors */
	struct scope_map *matches; /* functions and processes: 1 no, 2 yes */
	FILE *out;
	int kallsyms; /* -1: not wanted, or not ours to read */
	uint64_t kept, left_out, refused;
	uint64_t period_ns, began_ns, began_wall_ns, ended_ns;
	bool node_ended, node_stopped;
	bool is_shown; /* while it goes on */
	uint64_t drawn_ns;
};

static volatile sig_atomic_t is_stopped;

static void on_stop(int sig)
{
	(void)sig;
	is_stopped = 1;
}

/* A second one ends the program at once: the kernel takes all away. */
static void handle_signals(void)
{
	struct sigaction sa = { .sa_handler = on_stop,
				.sa_flags = (int)SA_RESETHAND };

	(void)sigemptyset(&sa.sa_mask);
	(void)sigaction(SIGINT, &sa, NULL);
	(void)sigaction(SIGTERM, &sa, NULL);
	(void)sigaction(SIGHUP, &sa, NULL);
}

/* -- filters ----------------------------------------------------------------------- */

static bool is_text(struct scope_text t, const char *s)
{
	return t.p && t.len == strlen(s) && !memcmp(t.p, s, t.len);
}

static bool is_process(const struct session *s, uint32_t proc)
{
	struct scope_profile_proc p;

	if (!s->conf->nprocesses)
		return true;
	if (proc == SCOPE_PROFILE_NONE)
		return false;
	p = scope_profile_get_proc(s->profile, proc);
	for (size_t i = 0; i < s->conf->nprocesses; i++)
		if (is_text(p.pid, s->conf->processes[i]) ||
		    is_text(p.name, s->conf->processes[i]) ||
		    is_text(p.initial, s->conf->processes[i]))
			return true;
	return false;
}

/* "module:function/arity", as frames are named. */
static bool is_named(const struct scope_profile_conf *c, struct scope_text name)
{
	const char *colon = memchr(name.p, ':', name.len);
	const char *slash = memrchr(name.p, '/', name.len);
	unsigned arity = 0;

	if (!colon || !slash || slash < colon)
		return false;
	for (const char *p = slash + 1; p < name.p + name.len; p++)
		arity = arity * 10 + (unsigned)(*p - '0');
	for (size_t i = 0; i < c->nfunctions; i++)
		if (scope_pattern_matches(&c->functions[i], name.p,
					  (size_t)(colon - name.p), colon + 1,
					  (size_t)(slash - colon - 1), arity))
			return true;
	return false;
}

static bool is_function(struct session *s, uint32_t frame)
{
	struct scope_frame f = scope_profile_get_frame(s->profile, frame);
	uint64_t known, key = (uint64_t)f.function + 1;

	if (f.kind != SCOPE_FRAME_ERLANG)
		return false;
	if (!scope_map_get(s->matches, key, &known)) {
		known = is_named(s->conf, f.name) ? 2 : 1;
		(void)scope_map_put(s->matches, key, known);
	}
	return known == 2;
}

static bool is_wanted(struct session *s, const struct scope_sampled *stack)
{
	bool has = !s->conf->nfunctions;

	for (size_t i = 0; !has && i < stack->n; i++)
		has = is_function(s, stack->frames[i]);
	return has && is_process(s, stack->proc);
}

static int keep(void *arg, const struct scope_sampled *stack)
{
	struct session *s = arg;
	uint32_t proc = stack->proc;

	if (stack->is_in)
		return s->waits ? scope_offcpu_take(s->waits, stack) : 0;
	if (!is_wanted(s, stack)) {
		s->left_out++;
		return 0;
	}
	if (s->waits) {
		s->kept++;
		return scope_offcpu_take(s->waits, stack);
	}
	if (scope_profile_add(s->profile, proc, stack->frames, stack->n, 1,
			      s->period_ns) < 0)
		s->refused++;
	else
		s->kept++;
	return 0;
}

/* -- sampling ---------------------------------------------------------------------- */

static bool has_stopped(const struct session *s)
{
	struct scope_procfs_status status;

	return scope_procfs_status(scope_target_info(s->target)->pid,
				   &status) == 0 &&
	       (status.state == 'T' || status.state == 't');
}

static bool has_ended(const struct session *s)
{
	struct scope_procfs_status status;

	return scope_procfs_status(scope_target_info(s->target)->pid,
				   &status) < 0 ||
	       status.state == 'Z' || status.state == 'X';
}

static int say_stopped(const struct session *s, struct scope_err *err)
{
	int pid = (int)scope_target_info(s->target)->pid;

	return scope_fail(err, -EBUSY,
			  "PID %d is stopped (state T): none of its threads runs, "
			  "so there is nothing to sample; `kill -CONT %d` lets "
			  "it go on, `scope-bpf stack -p %d` reads it as it is",
			  pid, pid, pid);
}

/* The table as it is by now, as high and wide as the terminal. */
static void draw(const struct session *s)
{
	const struct scope_target_info *info = scope_target_info(s->target);
	const struct scope_profile_opts opts = {
		.by_process = s->conf->by_process,
		.by_ns = s->conf->is_off_cpu,
	};
	struct winsize size = { .ws_row = 24, .ws_col = 80 };
	struct scope_sampler_counts c;

	(void)ioctl(fileno(s->out), TIOCGWINSZ, &size);
	if (size.ws_row < 5)
		size.ws_row = 5;
	scope_sampler_counts(s->sampler, &c);
	(void)fprintf(s->out,
		      "\033[H\033[J%s, PID %d: %" PRIu64 " samples in %.0f s, "
		      "%" PRIu64 " lost; Ctrl-C ends\n",
		      info->node, (int)info->pid, c.taken,
		      (double)(s->drawn_ns - s->began_ns) / 1e9, c.lost);
	(void)scope_profile_table(s->profile, &opts, size.ws_row - 2u,
				  size.ws_col, s->out);
	(void)fflush(s->out);
}

static int sample(struct session *s)
{
	const struct timespec wait = { .tv_nsec = POLL_NS };
	uint64_t looked = 0;
	int r;

	handle_signals();
	for (;;) {
		uint64_t now = scope_now_ns();

		r = scope_sampler_poll(s->sampler, keep, s);
		if (r < 0)
			return r;
		if (is_stopped || (s->conf->duration_ns &&
				   now - s->began_ns >= s->conf->duration_ns))
			break;
		if (now - looked >= LOOK_NS) {
			looked = now;
			s->node_ended = has_ended(s);
			s->node_stopped = has_stopped(s);
		}
		if (s->node_ended || s->node_stopped)
			break;
		if (s->is_shown && now - s->drawn_ns >= DRAW_NS) {
			s->drawn_ns = now;
			draw(s);
		}
		(void)nanosleep(&wait, NULL);
	}
	scope_sampler_stop(s->sampler);
	s->ended_ns = scope_now_ns();
	r = scope_sampler_poll(s->sampler, keep, s);
	if (s->waits)
		scope_offcpu_finish(s->waits, s->ended_ns);
	return r;
}

/* The last line of the JSON form: what all stacks are part of. */
static void put_summary(const struct session *s)
{
	const struct scope_target_info *info = scope_target_info(s->target);
	struct scope_sampler_counts c;
	char text[1024];
	struct scope_buf b = scope_buf_of(text, sizeof(text));

	scope_sampler_counts(s->sampler, &c);
	scope_buf_printf(&b,
			 "{\"kind\":\"profile\",\"os_pid\":%d,\"otp\":\"%s\","
			 "\"hz\":%u,\"duration_ns\":%" PRIu64
			 ",\"schedulers\":%u,\"samples\":%" PRIu64
			 ",\"lost\":%" PRIu64 ",\"left_out\":%" PRIu64
			 ",\"of_processes\":%" PRIu64 ",\"attributed\":%" PRIu64
			 ",\"collections\":%" PRIu64 ",\"deep\":%" PRIu64
			 ",\"incomplete\":{",
			 (int)info->pid, info->otp, s->conf->hz,
			 s->ended_ns - s->began_ns, c.threads, c.taken, c.lost,
			 s->left_out + s->refused, c.of_processes, c.attributed,
			 c.in_gc, c.deep);
	for (unsigned i = SCOPE_STACK_COMPLETE + 1, n = 0;
	     i < SCOPE_STACK_REASONS; i++)
		if (c.incomplete[i])
			scope_buf_printf(&b, "%s\"%s\":%" PRIu64,
					 n++ ? "," : "",
					 scope_incomplete_name(i),
					 c.incomplete[i]);
	scope_buf_printf(&b, "},\"cost_ns\":%" PRIu64 "}\n", c.run_ns);
	(void)fwrite(b.p, 1, b.len, s->out);
}

static int write_out(const struct session *s)
{
	const struct scope_target_info *info = scope_target_info(s->target);
	char title[400];
	int r;
	const struct scope_profile_opts opts = {
		.by_process = s->conf->by_process,
		.by_ns = s->conf->is_off_cpu,
		.title = title,
		.period_ns = s->conf->is_off_cpu ? 0 : s->period_ns,
		.start_ns = s->began_wall_ns,
		.duration_ns = s->ended_ns - s->began_ns,
	};

	(void)snprintf(title, sizeof(title), "%s (PID %d, OTP %s)", info->node,
		       (int)info->pid, info->otp);
	if (s->conf->is_top)
		return scope_profile_table(s->profile, &opts, 0, 0, s->out);
	switch (s->conf->format) {
	case SCOPE_FORMAT_SVG:
		return scope_profile_svg(s->profile, &opts, s->out);
	case SCOPE_FORMAT_SPEEDSCOPE:
		return scope_profile_speedscope(s->profile, &opts, s->out);
	case SCOPE_FORMAT_PPROF:
		return scope_profile_pprof(s->profile, &opts, s->out);
	case SCOPE_FORMAT_JSON:
		r = scope_profile_json(s->profile, &opts, s->out);
		if (r == 0)
			put_summary(s);
		return r;
	default:
		return scope_profile_folded(s->profile, &opts, s->out);
	}
}

static double percent(uint64_t part, uint64_t of)
{
	return of ? 100.0 * (double)part / (double)of : 100.0;
}

static void say_waits(const struct session *s)
{
	const double seconds = (double)(s->ended_ns - s->began_ns) / 1e9;
	struct scope_sampler_counts c;

	scope_sampler_counts(s->sampler, &c);
	fprintf(stderr,
		"scope-bpf: %s%" PRIu64 " waits in %.1f s, %.3f s of all processes "
		"together; %" PRIu64 " records lost, %" PRIu64 " waits left out\n",
		s->node_ended ? "the node ended; " : "", s->kept, seconds,
		(double)scope_profile_ns(s->profile) / 1e9, c.lost,
		s->left_out + scope_offcpu_refused(s->waits));
	if (c.runs)
		fprintf(stderr,
			"scope-bpf: the programs took %.3f%% of a processor, "
			"besides two traps for each wait\n",
			seconds > 0 ? (double)c.run_ns / seconds / 1e7 : 0.0);
}

static void say_totals(const struct session *s)
{
	struct scope_sampler_counts c;
	const double seconds = (double)(s->ended_ns - s->began_ns) / 1e9;

	if (s->conf->is_off_cpu) {
		say_waits(s);
		return;
	}
	scope_sampler_counts(s->sampler, &c);
	fprintf(stderr,
		"scope-bpf: %s%" PRIu64 " samples of %u schedulers in %.1f s, "
		"%" PRIu64 " lost\n",
		s->node_ended	? "the node ended; " :
		s->node_stopped ? "the node was stopped; " :
				  "",
		c.taken, c.threads, seconds, c.lost);
	if (s->left_out || s->refused)
		fprintf(stderr,
			"scope-bpf: %" PRIu64 " left out by filters, %" PRIu64
			" for want of room\n",
			s->left_out, s->refused);
	if (c.of_processes)
		fprintf(stderr,
			"scope-bpf: %" PRIu64 " of processes (%.1f%% with the "
			"function on top), %" PRIu64 " of schedulers themselves; "
			"%" PRIu64 " in collections; %.1f%% of the others' stacks "
			"complete\n",
			c.of_processes, percent(c.attributed, c.of_processes),
			c.delivered - c.of_processes, c.in_gc,
			percent(c.complete_outside_gc, c.outside_gc));
	for (unsigned i = SCOPE_STACK_COMPLETE + 1; i < SCOPE_STACK_REASONS; i++)
		if (c.incomplete[i])
			fprintf(stderr,
				"scope-bpf: %" PRIu64 " incomplete: %s\n",
				c.incomplete[i], scope_incomplete_name(i));
	if (c.deep)
		fprintf(stderr,
			"scope-bpf: %" PRIu64 " deeper than 512 frames\n",
			c.deep);
	if (c.runs)
		fprintf(stderr,
			"scope-bpf: a sample took %.1f us; in all %.3f%% of a "
			"processor\n",
			(double)c.run_ns / (double)c.runs / 1e3,
			seconds > 0 ? (double)c.run_ns / seconds / 1e7 : 0.0);
	if (!c.taken)
		fprintf(stderr, "scope-bpf: the node used no processor time\n");
}

static int run(struct session *s, struct scope_err *err)
{
	const struct scope_sampler_opts opts = {
		.hz = s->conf->hz,
		.wants_native = s->conf->wants_native,
		.wants_kernel = s->conf->wants_kernel,
		.waits = s->conf->is_off_cpu,
		.kallsyms = s->kallsyms,
	};
	struct timespec wall;
	int r;

	if (has_stopped(s))
		return say_stopped(s, err);
	s->period_ns = 1000000000u / s->conf->hz;
	r = scope_sampler_start(s->target, s->profile, &opts, &s->sampler, err);
	if (r < 0)
		return r;
	(void)clock_gettime(CLOCK_REALTIME, &wall);
	s->began_wall_ns = (uint64_t)wall.tv_sec * 1000000000u +
			   (uint64_t)wall.tv_nsec;
	s->began_ns = scope_now_ns();
	s->is_shown = s->conf->is_top && isatty(fileno(s->out));
	r = sample(s);
	if (r < 0)
		return scope_fail(err, r, "can't read samples: %s",
				  strerror(-r));
	if (s->node_stopped && !s->kept)
		return say_stopped(s, err);
	if (s->is_shown)
		(void)fputs("\033[H\033[J", s->out);
	r = write_out(s);
	if (r == 0 && fflush(s->out) != 0)
		r = -errno;
	if (r < 0 && r != -EPIPE)
		return scope_fail(err, r, "can't write the profile: %s",
				  strerror(-r));
	if (!s->conf->is_quiet)
		say_totals(s);
	return 0;
}

/* -- the command -------------------------------------------------------------------- */

static int open_output(const struct scope_profile_conf *c, FILE **ret_out,
		       struct scope_err *err)
{
	int fd;

	if (!c->output) {
		*ret_out = stdout;
		return 0;
	}
	fd = open(c->output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd >= 0)
		*ret_out = fdopen(fd, "w");
	if (fd >= 0 && *ret_out)
		return 0;
	return scope_fail(err, -EIO, "can't write to %s: %s", c->output,
			  strerror(errno));
}

static int profile(const struct scope_profile_conf *c, FILE *out)
{
	const struct scope_sandbox_opts box = {
		.has_no_filter = c->has_no_sandbox,
	};
	scope_auto(scope_attacher) a = NULL;
	scope_auto(scope_target) t = NULL;
	scope_auto(scope_profile) p = scope_profile_new();
	scope_auto(scope_map) matches = scope_map_new(FILTERED_MAX);
	scope_autoclose int kallsyms = -1;
	struct session s = { .conf = c, .out = out };
	scope_auto(scope_offcpu) waits = c->is_off_cpu ? scope_offcpu_new(p) :
							NULL;
	struct scope_err err = { 0 };
	pid_t pid;
	int r = p && matches && (waits || !c->is_off_cpu) ? 0 : -ENOMEM;

	/* Who may know addresses is asked when it is opened. */
	if (c->wants_kernel)
		kallsyms = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);
	s.kallsyms = kallsyms;
	if (r == 0)
		r = scope_attacher_start(&a, &err);
	if (r == 0)
		r = scope_sandbox_enter(&box, &err);
	if (r == 0)
		r = scope_find_pid(c->target, &pid, &err);
	if (r == 0)
		r = scope_target_open_by(a, pid, &t, &err);
	if (r == 0) {
		s.target = t;
		s.profile = p;
		s.matches = matches;
		s.waits = waits;
		r = run(&s, &err);
		scope_sampler_free(s.sampler);
	}
	return r < 0 ? scope_cmd_complain(r, &err) : SCOPE_EXIT_OK;
}

static int profile_cmd(const struct scope_cmd *cmd, int argc, char **argv)
{
	struct scope_profile_conf conf;
	struct scope_err err = { 0 };
	FILE *out = NULL;
	int r;

	r = scope_profile_conf_parse(cmd, argc, argv, &conf, &err);
	if (r < 0)
		return scope_cmd_complain(r, &err);
	if (conf.wants_help || conf.wants_version) {
		if (conf.wants_help)
			scope_cmd_usage(cmd, stdout);
		else
			scope_cmd_version(stdout);
		return scope_cmd_finish_stdout();
	}
	/* While root's files are within reach. */
	r = open_output(&conf, &out, &err);
	if (r < 0)
		return scope_cmd_complain(r, &err);
	r = profile(&conf, out);
	if (out != stdout && fclose(out) != 0 && r == SCOPE_EXIT_OK)
		return scope_cmd_complain(
			scope_fail(&err, -EIO, "can't write to %s: %s",
				   conf.output, strerror(errno)),
			&err);
	return r;
}

const struct scope_cmd scope_cmd_profile = {
	.name = "profile",
	.args = "[OPTIONS] [PID|NAME]",
	.help = "Tell which functions of a node use processor time, by sampling",
	.words = SCOPE_WORDS_NODES,
	.opts = scope_profile_opts,
	.run = profile_cmd,
};
