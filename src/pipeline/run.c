/* SPDX-License-Identifier: MIT */
#include "pipeline/run.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "base/time.h"
#include "pipeline/decode.h"
#include "pipeline/meter.h"
#include "pipeline/order.h"
#include "pipeline/report.h"
#include "pipeline/trace.h"
#include "probe/calibrate.h"

#define TICK_MS 250u
#define LOSS_EVERY_NS 100000000u /* a reader that is slow is told this often */
#define PROCESSES_MAX 64
#define ATOMS_AT_ONCE 512 /* some 2 ms of reading */
#define ATOMS_FIRST 131072 /* before anything asks for them; most nodes have fewer */

struct run {
	struct scope_target *t; /* borrowed */
	const struct scope_run_opts *opts;
	struct scope_sink *sink;
	struct scope_probe *probe;
	struct scope_decoder *decoder;
	struct scope_order *order;
	struct scope_reader *reader;
	struct scope_budget *budget; /* NULL: no limit */
	struct scope_trace *trace;   /* NULL: no breakpoints */
	struct scope_run_totals totals;
	uint64_t next_id;
	uint64_t begun_ns; /* since when events are reported */
	int64_t wall_offset_ns;
	uint64_t last_ns; /* of the youngest event handed on */
	/* lost to a slow sink since it was last told */
	uint64_t refused[SCOPE_KIND_MAX], refused_since, told_ns;
	uint64_t lost_since; /* when the sink was asked what it lost later */
	/* came, and were no event of this stream: out of the set, or left out
	 */
	uint64_t out_of_set[SCOPE_KIND_MAX];
	uint64_t set[PROCESSES_MAX]; /* pid of each opts->processes; 0: none */
	size_t nset;
	uint64_t cpu_ns;
	bool ended; /* the last batch has come */
	bool cut_off; /* the process that held the probes has ended */
	int failed; /* while processes were introduced */
	struct scope_report report;
};

/* Written by scope_run_stop, from anywhere; made once a process, never closed. */
static int stop_fd = -1;

static int stop_fd_get(void)
{
	int fd;

	if (stop_fd >= 0)
		return stop_fd;
	/* Not 0 to 2, even when one of them is closed: others write there. */
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	stop_fd = fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (fd >= 0)
		(void)close(fd);
	return stop_fd;
}

__attribute__((constructor)) static void make_stop_fd(void)
{
	(void)stop_fd_get();
}

int scope_run_renew(void)
{
	stop_fd = -1;
	return stop_fd_get() < 0 ? -EMFILE : 0;
}

void scope_run_stop(void)
{
	uint64_t one = 1;

	(void)!write(stop_fd, &one, sizeof(one));
}

static void say(const struct run *r, const char *text)
{
	if (r->opts->progress)
		r->opts->progress(r->opts->progress_arg, text);
}

/* -- handing events to the sink ------------------------------------------------ */

static bool deliver(struct run *r, struct scope_event *ev)
{
	/* An introduction is of no moment: it never goes back in time. */
	if (ev->kind == SCOPE_KIND_PROC_INFO && ev->mono_ns < r->last_ns) {
		ev->ts_ns += r->last_ns - ev->mono_ns;
		ev->mono_ns = r->last_ns;
	}
	ev->id = r->next_id;
	if (r->decoder)
		ev->node = scope_decoder_node(r->decoder);
	if (r->sink->event(r->sink, ev) < 0)
		return false;
	r->next_id++;
	if (ev->mono_ns > r->last_ns)
		r->last_ns = ev->mono_ns;
	r->totals.delivered[ev->kind]++;
	return true;
}

/* Tell the reader of the stream what it missed for being slow. */
static void tell_refused(struct run *r)
{
	struct scope_event ev;
	uint64_t now = r->last_ns > r->refused_since ? r->last_ns :
						       r->refused_since;

	if (!r->refused_since || now < r->told_ns + LOSS_EVERY_NS)
		return;
	r->told_ns = now;
	for (unsigned k = 0; k < SCOPE_KIND_MAX; k++) {
		if (!r->refused[k])
			continue;
		scope_report_output_loss(&ev, SCOPE_LOSS_OUTPUT, k,
					 r->refused[k],
					 r->refused_since, now,
					 r->wall_offset_ns);
		if (!deliver(r, &ev))
			return;
		r->refused[k] = 0;
	}
	r->refused_since = 0;
}

static void lost_later(struct run *r, unsigned cause, unsigned kind, uint64_t n,
		       uint64_t now)
{
	struct scope_event ev;

	r->totals.delivered[kind] -= n;
	r->totals.lost[cause][kind] += n;
	if (!scope_kind_info(kind)->name)
		return;
	scope_report_output_loss(&ev, (enum scope_loss)cause, kind, n,
				 r->lost_since, now, r->wall_offset_ns);
	(void)deliver(r, &ev);
}

/* Events that the sink had taken, and then could not put out. */
static void note_lost_later(struct run *r)
{
	/* In its place among those that are put out now. */
	uint64_t now = r->last_ns > r->lost_since ? r->last_ns : r->lost_since;
	uint64_t counts[SCOPE_LOSS_MAX][SCOPE_KIND_MAX] = { { 0 } };

	if (!r->sink->lost)
		return;
	r->sink->lost(r->sink, counts);
	for (unsigned i = 0; i < SCOPE_LOSS_MAX; i++)
		for (unsigned k = 0; k < SCOPE_KIND_MAX; k++)
			if (counts[i][k])
				lost_later(r, i, k, counts[i][k], now);
	r->lost_since = now;
}

static void emit(void *arg, struct scope_event *ev)
{
	struct run *r = arg;

	if (r->refused_since)
		tell_refused(r);
	if (!SCOPE_KIND_IS_WIRE(ev->kind) && ev->kind != SCOPE_KIND_LOSS)
		r->totals.emitted[ev->kind]++;
	if (deliver(r, ev))
		return;
	if (ev->kind == SCOPE_KIND_LOSS)
		return; /* the totals have it */
	r->totals.lost[SCOPE_LOSS_OUTPUT][ev->kind]++;
	r->refused[ev->kind]++;
	if (ev->mono_ns > r->last_ns)
		r->last_ns = ev->mono_ns;
	if (!r->refused_since)
		r->refused_since = ev->mono_ns;
}

/* -- the set of processes ------------------------------------------------------- */

static bool in_set(void *arg, uint64_t pid)
{
	struct run *r = arg;

	for (size_t i = 0; i < r->nset; i++)
		if (pid && r->set[i] == pid)
			return true;
	return false;
}

static void renamed(void *arg, uint64_t pid, uint64_t name, bool on)
{
	struct run *r = arg;
	size_t len;
	const char *text = scope_vm_atom(scope_target_vm(r->t), name, &len);

	for (size_t i = 0; text && i < r->nset; i++) {
		const char *want = r->opts->processes[i];

		if (strlen(want) != len || memcmp(want, text, len))
			continue;
		if (on) {
			r->set[i] = pid;
			(void)scope_probe_watch(r->probe, pid, true);
		} else if (r->set[i] == pid) {
			r->set[i] = 0;
			if (!in_set(r, pid))
				(void)scope_probe_watch(r->probe, pid, false);
		}
	}
}


/* Names that are registered now; by the table, before anything is attached. */
static int find_named(void *arg, const struct scope_proc *p)
{
	struct run *r = arg;

	if (p->name)
		renamed(r, p->pid, p->name, true);
	return 0;
}

static int make_set(struct run *r, struct scope_err *err)
{
	const char *const *names = r->opts->processes;
	int rc;

	while (names && names[r->nset]) {
		uint64_t pid = scope_vm_parse_pid(scope_target_vm(r->t),
						  names[r->nset]);

		if (!pid && names[r->nset][0] == '<')
			return scope_fail(err, -EINVAL,
					  "--process %s is no pid of this node; "
					  "they look like <0.123.0>",
					  names[r->nset]);
		if (r->nset == PROCESSES_MAX)
			return scope_fail(err, -EINVAL,
					  "at most %d --process options",
					  PROCESSES_MAX);
		r->set[r->nset++] = pid;
		if (pid)
			(void)scope_probe_watch(r->probe, pid, true);
	}
	rc = r->nset ? scope_target_procs(r->t, find_named, r, err) : 0;
	for (size_t i = 0; rc == 0 && i < r->nset; i++) {
		char text[128];

		if (r->set[i])
			continue;
		(void)snprintf(text, sizeof(text),
			       "no process is registered as %.64s so far",
			       names[i]);
		say(r, text);
	}
	return rc;
}

static double share(const struct run *r)
{
	return r->opts->sample > 0 ? r->opts->sample : 1;
}

static bool is_kept(void *arg, uint64_t pid)
{
	const struct run *r = arg;

	return scope_probe_keeps(r->probe, pid);
}

/* -- accounting ------------------------------------------------------------------ */

/* Add up what the kernel side counted; called after the last drain. */
static void count_kernel(struct run *r)
{
	struct scope_run_totals *t = &r->totals;

	for (unsigned cpu = 0; cpu < scope_probe_cpus(r->probe); cpu++) {
		const struct scope_counters *c =
			scope_probe_counters(r->probe, cpu);

		for (unsigned k = 0; k < SCOPE_KIND_MAX; k++) {
			if (!SCOPE_KIND_IS_WIRE(k) || !((r->opts->kinds >> k) & 1))
				continue;
			t->emitted[k] += c->emitted[k];
			t->sampled[k] += c->sampled[k];
			for (unsigned i = 0; i < SCOPE_LOSS_MAX; i++)
				t->lost[i][k] += c->lost[i][k];
		}
	}
	for (unsigned k = 0; k < SCOPE_KIND_MAX; k++)
		t->emitted[k] -= r->out_of_set[k];
	t->lost[SCOPE_LOSS_KERNEL][SCOPE_KIND_NONE] =
		scope_probe_missed(r->probe);
	for (unsigned i = 0; i < SCOPE_LOSS_MAX; i++)
		for (unsigned k = 0; k < SCOPE_KIND_MAX; k++)
			t->lost_all += t->lost[i][k];
}

/* What could not be decoded; of a kind that is none, or of none at all. */
static void count_bad(struct run *r, unsigned kind)
{
	bool is_known = scope_kind_info(kind)->name;

	r->totals.lost[SCOPE_LOSS_DECODE][is_known ? kind : SCOPE_KIND_NONE]++;
}

/* Events that nobody saw, as estimated. */
static void count_missed(struct run *r, const struct scope_rec *rec)
{
	const uint64_t *words =
		(const uint64_t *)((const char *)rec + SCOPE_REC_BYTES);

	for (unsigned i = 0; i + 1 < rec->nwords; i += 2)
		r->totals.missed[words[i]] += words[i + 1];
}

static void record(struct run *r, const struct scope_rec *rec)
{
	int rc = scope_decoder_record(r->decoder, rec);

	if (rc >= 0 && rec->kind == SCOPE_KIND_BUDGET)
		count_missed(r, rec);
	/* What no counter of the kernel side has. */
	if (rc >= 0 && rec->kind == SCOPE_KIND_LOSS &&
	    (rec->a[1] == SCOPE_LOSS_OVERWRITTEN ||
	     rec->a[1] == SCOPE_LOSS_QUEUE) &&
	    ((r->opts->kinds >> rec->a[0]) & 1))
		r->totals.lost[rec->a[1]][rec->a[0]] += rec->a[2];
	if (rc < 0)
		count_bad(r, rec->kind);
	else if (rc > 0 && SCOPE_KIND_IS_WIRE(rec->kind) &&
		 ((r->opts->kinds >> rec->kind) & 1))
		r->out_of_set[rec->kind]++;
	if (rc == SCOPE_DECODE_SAMPLED)
		r->totals.sampled[rec->kind]++;
}

/* -- the loop --------------------------------------------------------------------- */

static void batch_done(void *arg, struct scope_batch *b)
{
	struct run *r = arg;

	scope_reader_put(r->reader, b);
}

static void measure(struct run *r)
{
	const struct scope_meter m = {
		.target = r->t,
		.probe = r->probe,
		.totals = &r->totals,
		.kinds = r->opts->kinds,
		.out_of_set = r->out_of_set,
		.budget = r->budget,
		.late = scope_order_late(r->order),
	};

	if (r->opts->metrics)
		scope_meter_update(&m, r->opts->metrics);
}

static void tick(struct run *r, uint64_t *last)
{
	uint64_t now = scope_now_ns();
	unsigned ms = r->opts->tick_ms ? r->opts->tick_ms : TICK_MS;

	if (now - *last < (uint64_t)ms * 1000000u)
		return;
	*last = now;
	scope_calibrator_take(r->opts->calibrator);
	r->wall_offset_ns = scope_wall_offset_ns();
	scope_decoder_set_wall(r->decoder, r->wall_offset_ns);
	if (!scope_probe_source(r->probe, SCOPE_KIND_DIST_NODE_UP))
		scope_decoder_ask_node(r->decoder);
	if (r->refused_since)
		tell_refused(r);
	note_lost_later(r);
	measure(r);
	if (r->sink->tick)
		r->sink->tick(r->sink, now);
}

/* Take in what the reader has, waiting at most timeout_ms for it. */
static int pump(struct run *r, unsigned timeout_ms, struct scope_err *err)
{
	struct scope_batch *b = scope_reader_get(r->reader, timeout_ms);
	const struct scope_rec *rec;
	int rc;

	if (!b)
		return 0;
	/* Its atoms can't be read any more when the node is gone. */
	(void)scope_vm_follow_atoms(scope_target_vm(r->t), ATOMS_AT_ONCE);
	r->ended |= b->last;
	r->totals.node_ended |= b->node_ended;
	r->cut_off |= b->cut_off;
	r->cpu_ns = b->cpu_ns;
	rc = scope_order_add(r->order, b);
	if (rc == -ENOMEM)
		return scope_fail(err, -ENOMEM, "out of memory");
	if (rc < 0)
		count_bad(r, SCOPE_KIND_NONE);
	while ((rec = scope_order_next(r->order)))
		record(r, rec);
	if (r->opts->overflow == SCOPE_SHED && r->sink->fill)
		scope_reader_set_output(r->reader, r->sink->fill(r->sink));
	return 1;
}

static void meanwhile(void *arg)
{
	struct run *r = arg;

	int rc = 1;

	while (!r->ended && rc > 0)
		rc = pump(r, 0, NULL);
	if (rc < 0)
		r->failed = rc;
}

static void trace_step(struct run *r)
{
	const struct scope_trace_emit to = {
		.emit = emit,
		.arg = r,
		.stamp_ns = r->last_ns,
		.wall_offset_ns = r->wall_offset_ns,
	};

	if (!r->trace || r->ended)
		return;
	scope_trace_step(r->trace, scope_now_ns(), &to);
	if (scope_trace_is_done(r->trace))
		scope_run_stop();
}

static int loop(struct run *r, struct scope_err *err)
{
	uint64_t deadline = r->opts->duration_ns ?
				    r->begun_ns + r->opts->duration_ns :
				    UINT64_MAX;
	uint64_t ticked = 0;

	if (r->failed)
		return scope_fail(err, r->failed, "out of memory");
	while (!r->ended) {
		int rc = pump(r, 50, err);

		if (rc < 0)
			return rc;
		if (scope_now_ns() >= deadline) {
			deadline = UINT64_MAX;
			scope_run_stop();
		}
		trace_step(r);
		tick(r, &ticked);
	}
	return 0;
}

static void finish(struct run *r)
{
	uint64_t now = scope_now_ns();
	struct scope_event ev;

	r->told_ns = 0;
	tell_refused(r);
	note_lost_later(r);
	count_kernel(r);
	if (r->totals.node_ended) {
		scope_report_plain(&ev, SCOPE_KIND_NODE_EXIT, now,
				   r->wall_offset_ns);
		emit(r, &ev);
	}
	if (r->budget) {
		struct scope_budget_now b;

		scope_budget_look(r->budget, &b);
		r->totals.cost = b.cost;
		r->totals.factor = b.factor;
	}
	if (r->trace)
		scope_trace_end(r->trace, now);
	scope_report_summary(&r->report, &ev, &r->totals, r->trace,
			     scope_order_late(r->order), r->cpu_ns, now,
			     r->wall_offset_ns);
	(void)deliver(r, &ev);
	if (r->sink->tick)
		r->sink->tick(r->sink, now);
	if (r->trace && r->opts->traced)
		r->opts->traced(r->opts->traced_arg, r->trace);
}

/* Breakpoints, and what node.attach says of them. */
static int begin_trace(struct run *r, struct scope_err *err)
{
	const char *note;
	char source[256];
	struct scope_buf b = scope_buf_of(source, sizeof(source));
	int rc = scope_trace_begin(r->trace, scope_probe_points(r->probe),
				   &note, err);

	if (rc < 0)
		return rc;
	if (note)
		say(r, note);
	scope_trace_put_source(r->trace, &b);
	scope_probe_set_source(r->probe, SCOPE_KIND_CALL, scope_buf_str(&b),
			       scope_trace_limits(r->trace));
	return 0;
}

static int start(struct run *r, struct scope_err *err)
{
	struct scope_probe_opts po = {
		.kinds = r->opts->trace ? r->opts->kinds &
						  ~SCOPE_KIND_BIT(
							  SCOPE_KIND_CALL) :
					  r->opts->kinds,
		.breaks = r->opts->trace,
		.term_words = r->opts->term_words,
		.buffer_bytes = r->opts->buffer_bytes,
		.transport = r->opts->transport,
		.samples = r->opts->sample > 0 ||
			   r->opts->overflow == SCOPE_SHED,
		.overwrites = r->opts->overflow == SCOPE_DROP_OLDEST,
		.filter = r->opts->processes && r->opts->processes[0],
		.from = r->opts->from,
		.calibrator = r->opts->calibrator,
	};
	struct scope_decode_opts dec = {
		.kinds = r->opts->kinds,
		.term_words = r->opts->term_words,
		.wall_offset_ns = r->wall_offset_ns,
		.emit = emit,
		.meanwhile = meanwhile,
		.arg = r,
	};
	struct scope_reader_opts ro = {
		.stop_fd = stop_fd_get(),
		.pidfd = scope_target_pidfd(r->t),
		.overflow = r->opts->overflow,
		.share = share(r),
	};
	struct scope_event ev;
	int rc;

	if (r->opts->trace) {
		rc = scope_trace_new(r->t, r->opts->trace, &r->trace, err);
		if (rc < 0)
			return rc;
	}
	dec.trace = r->trace;
	say(r, "loading programs");
	rc = scope_probe_open(r->t, &po, &r->probe, err);
	if (rc < 0)
		return rc;
	rc = make_set(r, err);
	if (rc < 0)
		return rc;
	if (po.filter) {
		dec.renamed = renamed;
		dec.in_set = in_set;
	}
	if (po.samples) {
		scope_probe_keep(r->probe, share(r));
		dec.is_kept = is_kept;
	}
	dec.jit_descriptor = scope_probe_jit_descriptor(r->probe);
	rc = scope_decoder_new(r->t, &dec, &r->decoder, err);
	if (rc < 0)
		return rc;
	r->order = scope_order_new(batch_done, r);
	if (!r->order)
		return scope_fail(err, -ENOMEM, "out of memory");
	(void)scope_vm_follow_atoms(scope_target_vm(r->t), ATOMS_FIRST);
	scope_decoder_learn_code(r->decoder);
	say(r, "attaching");
	rc = scope_probe_attach(r->probe, r->t, err);
	if (rc < 0)
		return rc;
	if (r->trace) {
		rc = begin_trace(r, err);
		if (rc < 0)
			return rc;
	}
	r->begun_ns = scope_probe_begin(r->probe);
	if (r->trace)
		scope_trace_begun(r->trace, r->begun_ns);
	r->lost_since = r->begun_ns;
	/* The reader drains while the processes are being read. */
	if (r->opts->budget > 0) {
		rc = scope_budget_new(r->t, r->probe, r->opts->budget,
				      &r->budget, err);
		if (rc < 0)
			return rc;
	}
	ro.budget = r->budget;
	rc = scope_reader_new(r->probe, &ro, &r->reader, err);
	if (rc < 0)
		return rc;
	scope_report_attach(&r->report, &ev, r->t, r->probe, r->opts->kinds,
			    r->begun_ns, r->wall_offset_ns);
	emit(r, &ev);
	measure(r);
	if (r->opts->metrics)
		scope_meter_begin(r->t, r->opts->metrics);
	say(r, "reading processes");
	rc = scope_decoder_introduce(r->decoder, r->begun_ns, err);
	/* A node that ends right now is told by the reader. */
	return rc == -ESRCH ? 0 : rc;
}

int scope_run(struct scope_target *t, const struct scope_run_opts *opts,
	      struct scope_sink *sink, struct scope_run_totals *ret_totals,
	      struct scope_err *err)
{
	struct run *r = calloc(1, sizeof(*r));
	uint64_t n;
	int rc;

	if (!r || stop_fd_get() < 0) {
		free(r);
		return scope_fail(err, -ENOMEM, "out of memory");
	}
	r->t = t;
	r->opts = opts;
	r->sink = sink;
	r->next_id = 1;
	r->wall_offset_ns = scope_wall_offset_ns();
	rc = start(r, err);
	if (rc == 0)
		rc = loop(r, err);
	if (rc == 0)
		finish(r);
	if (rc == 0 && r->cut_off)
		rc = scope_fail(err, -EOWNERDEAD,
				"the process that attaches has ended, and its "
				"probes with it: the stream stops before its "
				"time");
	if (opts->metrics)
		scope_meter_end(opts->metrics);
	*ret_totals = r->totals;
	scope_reader_free(r->reader);
	scope_budget_free(r->budget);
	scope_order_free(r->order);
	scope_decoder_free(r->decoder);
	scope_trace_free(r->trace);
	scope_probe_free(r->probe);
	free(r);
	/* A stop is for one run. */
	(void)!read(stop_fd, &n, sizeof(n));
	return rc;
}
