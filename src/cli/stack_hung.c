/* SPDX-License-Identifier: MIT */
#include "cli/stack_hung.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/auto.h"
#include "base/time.h"
#include "export/json.h"
#include "target/schedulers.h"
#include "target/waits.h"

#define LOOKS 7 /* at each scheduler */
#define LOOK_MS 50
/* Share of the time that a thread ran, or had to wait for a CPU, from which on it
 * is at work; CPU time that takes several turns of any process. */
#define BUSY 0.5
#define TURNS_NS 10000000u
#define CULPRITS_MAX 64
#define TURNS 16 /* that are waited for, to see a process at work */
#define WAITS_SHOWN 100

enum what {
	WHAT_IDLE,
	WHAT_BUSY,     /* with work of the runtime, no process */
	WHAT_RUNS,     /* one process or another */
	WHAT_KEEPS,    /* the same process nearly always, which goes on */
	WHAT_SPINS,    /* the same, without a reduction, on a CPU */
	WHAT_BLOCKED,  /* the same, and it is asleep */
	WHAT_STARVED,  /* the same, and it waits for a CPU */
	WHAT_STOPPED,
};

struct row {
	struct scope_scheduler_thread thread;
	struct scope_glance at[LOOKS];
	uint64_t pid;  /* whom it is about: Eterm; 0: none */
	uint64_t reds; /* that it did meanwhile */
	double share;	/* of a CPU, between the looks */
	double at_work; /* the same, with the time that it waited for one */
	uint64_t cpu_ns;
	enum what what;
};

struct hung {
	struct scope_stack_printer *p;
	FILE *out;
	struct row *rows; /* owned */
	size_t n;
	uint64_t between_ns;
	bool is_stopped;
	char state; /* of the threads when stopped: T or t */
	struct scope_schedulers *queues; /* owned; NULL: can't be read */
	struct scope_wait *waits; /* owned */
	size_t nwaits;
};

/* -- looking --------------------------------------------------------------- */

static void glance(struct hung *h, int look)
{
	for (size_t i = 0; i < h->n; i++)
		scope_runner_glance(h->p->runner, &h->rows[i].thread,
				    &h->rows[i].at[look]);
}

static int first_look(struct hung *h, struct scope_err *err)
{
	const struct scope_scheduler_thread *threads;
	size_t stopped = 0;

	h->n = scope_runner_threads(h->p->runner, &threads);
	h->rows = calloc(h->n + 1, sizeof(*h->rows));
	if (!h->rows)
		return scope_fail(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < h->n; i++)
		h->rows[i].thread = threads[i];
	glance(h, 0);
	for (size_t i = 0; i < h->n; i++) {
		char state = h->rows[i].at[0].state;

		if (state == 'T' || state == 't') {
			h->state = state;
			stopped++;
		}
	}
	h->is_stopped = h->n && stopped == h->n;
	return 0;
}

/* Whom it had most often; how often that was. */
static unsigned most_often(struct row *w)
{
	unsigned most = 0;

	for (int i = 0; i < LOOKS; i++) {
		const struct scope_glance *g = &w->at[i];
		unsigned n = 0;

		if (!g->pid)
			continue;
		for (int k = 0; k < LOOKS; k++)
			n += w->at[k].pid == g->pid;
		if (n <= most)
			continue;
		most = n;
		w->pid = g->pid;
	}
	return most;
}

/* The reductions of the process from the first look at it to the last. */
static uint64_t reductions(const struct row *w)
{
	uint64_t from = 0, to = 0;
	bool has = false;

	for (int i = 0; i < LOOKS; i++) {
		if (w->at[i].pid != w->pid)
			continue;
		if (!has)
			from = w->at[i].reds;
		has = true;
		to = w->at[i].reds;
	}
	return to - from;
}

static enum what judge(const struct hung *h, struct row *w)
{
	unsigned n = most_often(w);

	if (h->is_stopped)
		return WHAT_STOPPED;
	if (!n)
		return w->at_work > BUSY ? WHAT_BUSY : WHAT_IDLE;
	w->reds = reductions(w);
	if (n < LOOKS || w->reds)
		return n > LOOKS / 2 && w->at_work > BUSY ? WHAT_KEEPS :
							    WHAT_RUNS;
	if (w->at_work < BUSY)
		return WHAT_BLOCKED;
	return w->cpu_ns > TURNS_NS ? WHAT_SPINS : WHAT_STARVED;
}

static double share_of(const struct hung *h, uint64_t ns)
{
	double share = h->between_ns ?
			       (double)ns / (double)h->between_ns :
			       0;

	return share > 1 ? 1 : share;
}

/* A node that is stopped looks the same at any time. */
static void look_on(struct hung *h)
{
	const struct timespec pause = { .tv_nsec = LOOK_MS * 1000000l };
	uint64_t from = scope_now_ns();

	for (int i = 1; i < LOOKS; i++) {
		if (!h->is_stopped)
			(void)nanosleep(&pause, NULL);
		glance(h, i);
	}
	h->between_ns = scope_now_ns() - from;
	for (size_t i = 0; i < h->n; i++) {
		struct row *w = &h->rows[i];
		const struct scope_glance *a = w->at, *b = a + LOOKS - 1;

		w->cpu_ns = b->cpu_ns - a->cpu_ns;
		w->share = share_of(h, w->cpu_ns);
		w->at_work = share_of(h, w->cpu_ns + b->wait_ns - a->wait_ns);
		w->what = judge(h, w);
	}
}

/* -- words ----------------------------------------------------------------- */

static const char *const types[] = { "normal", "dirty_cpu", "dirty_io" };
static const char *const type_words[] = { "scheduler", "dirty CPU scheduler",
					  "dirty I/O scheduler" };

static const char *const names[] = {
	[WHAT_IDLE] = "idle",	    [WHAT_BUSY] = "runtime",
	[WHAT_RUNS] = "runs",	    [WHAT_KEEPS] = "keeps",
	[WHAT_SPINS] = "spins",	    [WHAT_BLOCKED] = "blocked",
	[WHAT_STARVED] = "starved", [WHAT_STOPPED] = "stopped",
};

static const char *const says[] = {
	[WHAT_IDLE] = "idle",
	[WHAT_BUSY] = "busy with the runtime's own work",
	[WHAT_RUNS] = "runs one process after another",
	[WHAT_KEEPS] = "runs the same process nearly all the time",
	[WHAT_SPINS] = "spins: the same process, and not one reduction",
	[WHAT_BLOCKED] = "blocked: the same process, asleep in native code",
	[WHAT_STARVED] = "has the same process, and waits for a CPU",
	[WHAT_STOPPED] = "stopped",
};

static bool is_stuck(enum what w)
{
	return w == WHAT_SPINS || w == WHAT_BLOCKED;
}

static bool is_json(const struct hung *h)
{
	return h->p->conf->wants_json;
}

static void put_pid(struct hung *h, uint64_t pid)
{
	char text[64];
	struct scope_buf b = scope_buf_of(text, sizeof(text));

	scope_vm_put_pid(scope_target_vm(h->p->t), pid, &b);
	scope_stack_put(h->p, &b, h->out);
}

static void put_atom(struct hung *h, uint64_t atom)
{
	char text[1100];
	struct scope_buf b = scope_buf_of(text, sizeof(text));

	scope_term_put_atom_raw(scope_target_vm(h->p->t), atom, &b);
	scope_stack_put(h->p, &b, h->out);
}

static void put_who(struct hung *h, uint64_t pid, uint64_t name)
{
	put_pid(h, pid);
	if (name) {
		fputc(' ', h->out);
		put_atom(h, name);
	}
}

/* -- a scheduler ----------------------------------------------------------- */

/* The process, with what the thread does. Its place in the table is asked for
 * now: it may have ended. */
static void put_process(struct hung *h, uint64_t pid,
			const struct scope_running *run)
{
	scope_autofree char *text = NULL;
	struct scope_proc proc;
	size_t len = 0;
	FILE *out;

	if (scope_target_proc(h->p->t, pid, &proc) < 0)
		return;
	out = open_memstream(&text, &len);
	if (!out)
		return;
	(void)scope_stack_show(h->p, &proc, run, out);
	if (fclose(out) != 0 || !len)
		return;
	if (is_json(h)) {
		fputs(",\"process\":", h->out);
		len -= text[len - 1] == '\n'; /* it is all one line */
	}
	(void)fwrite(text, 1, len, h->out);
}

/* For how long it has been so. A look alone tells at least. */
static void put_for(struct hung *h, const struct row *w,
		    const struct scope_running *run)
{
	const char *from = "look";
	uint64_t ns = h->between_ns;

	if (!is_stuck(w->what) && w->what != WHAT_STOPPED &&
	    w->what != WHAT_STARVED)
		return;
	if (run && run->time_ns && w->thread.kind == 0 &&
	    w->what != WHAT_STOPPED) {
		ns = run->time_ns;
		from = "scheduler";
	} else if (run && run->since_ns &&
		   (w->what == WHAT_BLOCKED || w->what == WHAT_STOPPED)) {
		ns = run->since_ns;
		from = "kernel";
	}
	if (is_json(h))
		fprintf(h->out, ",\"for_ns\":%" PRIu64 ",\"for_from\":\"%s\"",
			ns, from);
	else if (ns)
		fprintf(h->out, ", for %.1f s%s", (double)ns / 1e9,
			*from == 'l' ? " at least" : "");
}

/* What is in the queue that it takes its work from, and has not begun. */
static void put_queue(struct hung *h, const struct row *w)
{
	const struct scope_schedulers *s = h->queues;
	const struct scope_run_queue *q = NULL;

	for (size_t i = 0; s && i < s->n; i++)
		if (s->all[i].no == w->thread.number &&
		    s->all[i].queue < s->nqueues)
			q = &s->queues[s->all[i].queue];
	if (!q || !q->is_readable)
		return;
	if (is_json(h))
		fprintf(h->out, ",\"queue\":%" PRIu32, q->len);
	else if (q->len)
		fprintf(h->out, ", %" PRIu32 " waiting in its queue", q->len);
}

static void put_thread(struct hung *h, const struct row *w,
		       const struct scope_running *run)
{
	fprintf(h->out,
		is_json(h) ? ",\"tid\":%d,\"cpu\":%.3f" : " (thread %d, %.0f%% "
							  "of a CPU",
		(int)w->thread.tid, is_json(h) ? w->share : 100 * w->share);
	if (run && run->syscall >= 0)
		fprintf(h->out,
			is_json(h) ? ",\"syscall\":%" PRId64 :
				     ", in system call %" PRId64,
			run->syscall);
	if (run && *run->wchan)
		fprintf(h->out,
			is_json(h) ? ",\"wchan\":\"%s\"" : ", waits in %s",
			run->wchan);
	if (!is_json(h))
		fputs(")\n", h->out);
}

/* Between its turns a process is on no scheduler: wait for one. */
static bool look_at(struct hung *h, const struct row *w,
		    struct scope_running *run)
{
	const struct timespec pause = { .tv_nsec = 1000000l };
	bool is_seen = false;

	for (int i = 0; i < TURNS; i++) {
		is_seen = scope_runner_look(h->p->runner, &w->thread, run) == 0;
		if (w->what == WHAT_IDLE || w->what == WHAT_RUNS ||
		    w->what == WHAT_BUSY || (is_seen && run->pid == w->pid))
			break;
		(void)nanosleep(&pause, NULL);
	}
	return is_seen;
}

static void put_row(struct hung *h, const struct row *w, bool is_first)
{
	struct scope_running run;
	bool is_seen = look_at(h, w, &run);

	if (is_json(h))
		fprintf(h->out,
			"%s{\"scheduler\":%u,\"type\":\"%s\",\"no\":%u,"
			"\"does\":\"%s\"",
			is_first ? "" : ",", w->thread.number,
			types[w->thread.kind], w->thread.no, names[w->what]);
	else
		fprintf(h->out, "%s %u: %s", type_words[w->thread.kind],
			w->thread.no, says[w->what]);
	put_for(h, w, is_seen ? &run : NULL);
	put_queue(h, w);
	if (is_json(h) && w->what == WHAT_KEEPS)
		fprintf(h->out, ",\"reductions\":%" PRIu64,
			w->reds);
	put_thread(h, w, is_seen ? &run : NULL);
	if (is_seen && run.pid && (!w->pid || run.pid == w->pid)) {
		put_process(h, run.pid, &run);
	} else {
		if (is_seen && run.nnative)
			scope_stack_put_native(h->p, &run, h->out);
		if (w->pid && w->what != WHAT_RUNS)
			put_process(h, w->pid, NULL);
	}
	if (is_json(h))
		fputc('}', h->out);
}

/* Dirty ones without work are many, and alike. */
static bool is_worth_a_row(const struct row *w)
{
	return w->thread.kind == 0 || w->what == WHAT_SPINS ||
	       w->what == WHAT_BLOCKED || w->what == WHAT_STARVED ||
	       w->pid;
}

static void put_rows(struct hung *h)
{
	size_t left_out = 0;
	bool is_first = true;

	for (size_t i = 0; i < h->n; i++) {
		if (!is_worth_a_row(&h->rows[i])) {
			left_out++;
			continue;
		}
		put_row(h, &h->rows[i], is_first);
		is_first = false;
	}
	if (is_json(h))
		fprintf(h->out, "],\"idle_dirty\":%zu", left_out);
	else if (left_out)
		fprintf(h->out, "%zu dirty schedulers: idle\n", left_out);
}

/* -- who waits for whom ------------------------------------------------------ */

static void put_wait(struct hung *h, const struct scope_wait *w, bool is_first)
{
	if (!is_json(h)) {
		fputs("  ", h->out);
		put_who(h, w->pid, w->name);
		fputs(" waits for ", h->out);
		if (w->on)
			put_who(h, w->on, w->on_name);
		else
			fputs("somebody who is not found", h->out);
		fputs(!w->on	     ? "" :
		      w->is_queued ? ", which has not begun" :
				     "",
		      h->out);
		fputs(w->is_in_cycle ? "  (in a cycle)\n" : "\n", h->out);
		return;
	}
	fputs(is_first ? "{\"pid\":" : ",{\"pid\":", h->out);
	put_pid(h, w->pid);
	if (w->name) {
		fputs(",\"name\":", h->out);
		put_atom(h, w->name);
	}
	if (w->on) {
		fputs(",\"on\":", h->out);
		put_pid(h, w->on);
	}
	if (w->on_name) {
		fputs(",\"on_name\":", h->out);
		put_atom(h, w->on_name);
	}
	fprintf(h->out, ",\"queued\":%s,\"cycle\":%s}",
		w->is_queued ? "true" : "false",
		w->is_in_cycle ? "true" : "false");
}

static void put_waits(struct hung *h)
{
	if (is_json(h))
		fputs(",\"waits\":[", h->out);
	else if (h->nwaits)
		fprintf(h->out, "%zu calls wait for an answer:\n", h->nwaits);
	for (size_t i = 0; i < h->nwaits; i++) {
		/* Cycles are all shown. */
		if (!is_json(h) && i >= WAITS_SHOWN && !h->waits[i].is_in_cycle)
			continue;
		put_wait(h, &h->waits[i], i == 0);
	}
	if (is_json(h))
		fputc(']', h->out);
	else if (h->nwaits > WAITS_SHOWN)
		fputs("  … --json tells all\n", h->out);
}

/* -- culprits ----------------------------------------------------------------- */

static size_t put_culprit(struct hung *h, size_t n, uint64_t pid, uint64_t name,
			  const char *why, const char *text)
{
	if (n >= CULPRITS_MAX)
		return n;
	if (is_json(h)) {
		fputs(n ? ",{\"pid\":" : "{\"pid\":", h->out);
		put_pid(h, pid);
		if (name) {
			fputs(",\"name\":", h->out);
			put_atom(h, name);
		}
		fprintf(h->out, ",\"why\":\"%s\"}", why);
	} else {
		fputs("culprit: ", h->out);
		put_who(h, pid, name);
		fprintf(h->out, " %s\n", text);
	}
	return n + 1;
}

static uint64_t name_of(struct hung *h, uint64_t pid)
{
	struct scope_proc proc;

	return scope_target_proc(h->p->t, pid, &proc) == 0 ? proc.name : 0;
}

static bool waits_itself(const struct hung *h, uint64_t pid)
{
	for (size_t i = 0; i < h->nwaits; i++)
		if (h->waits[i].pid == pid)
			return true;
	return false;
}

/* Dirty schedulers are there for what takes long, as long as there are more. */
static bool are_all_taken(const struct hung *h, unsigned kind)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->rows[i].thread.kind == kind && !h->rows[i].pid)
			return false;
	return true;
}

/* Whom most wait for, who waits for nobody. */
static const struct scope_wait *most_awaited(const struct hung *h)
{
	const struct scope_wait *most = NULL;

	for (size_t i = 0; i < h->nwaits; i++) {
		const struct scope_wait *w = &h->waits[i];

		if (w->on && !waits_itself(h, w->on) &&
		    (!most || w->waiting > most->waiting))
			most = w;
	}
	return most;
}

static void put_culprits(struct hung *h)
{
	size_t n = 0, normal = 0, taken = 0;
	const struct scope_wait *most = most_awaited(h);
	char text[160];

	if (is_json(h))
		fputs(",\"culprits\":[", h->out);
	for (size_t i = 0; i < h->n; i++) {
		const struct row *w = &h->rows[i];

		normal += w->thread.kind == 0;
		taken += w->thread.kind == 0 &&
			 (is_stuck(w->what) || w->what == WHAT_KEEPS);
		if (!w->pid ||
		    (w->thread.kind && !are_all_taken(h, w->thread.kind)))
			continue;
		(void)snprintf(text, sizeof(text),
			       w->what == WHAT_BLOCKED ?
				       "sleeps in native code on %s %u" :
			       w->what == WHAT_SPINS ?
				       "does not give %s %u back" :
			       w->what == WHAT_STOPPED ?
				       "was on %s %u when the node was stopped" :
				       "runs on %s %u all the time",
			       type_words[w->thread.kind], w->thread.no);
		if (is_stuck(w->what) || w->what == WHAT_STOPPED ||
		    w->what == WHAT_KEEPS)
			n = put_culprit(h, n, w->pid,
					name_of(h, w->pid),
					names[w->what], text);
	}
	for (size_t i = 0; i < h->nwaits; i++)
		if (h->waits[i].is_in_cycle)
			n = put_culprit(h, n, h->waits[i].pid, h->waits[i].name,
					"cycle",
					"waits in a cycle: none of it goes on");
	if (most) {
		(void)snprintf(text, sizeof(text),
			       "is waited for by %zu process%s", most->waiting,
			       most->waiting == 1 ? "" : "es");
		(void)put_culprit(h, n, most->on, most->on_name, "awaited",
				  text);
	}
	if (is_json(h))
		fprintf(h->out, "],\"all_taken\":%s",
			normal && taken == normal ? "true" : "false");
	else if (normal && taken == normal && !h->is_stopped)
		fputs("no normal scheduler is left for other processes\n",
		      h->out);
}

/* -- all ------------------------------------------------------------------------ */

static void put_head(struct hung *h)
{
	const struct scope_target_info *info = scope_target_info(h->p->t);
	struct scope_buf b = scope_buf_of((char *)(uintptr_t)info->node,
					  strlen(info->node));

	b.len = b.cap;
	if (is_json(h)) {
		fputs("{\"node\":", h->out);
		scope_stack_put(h->p, &b, h->out);
		fprintf(h->out,
			",\"os_pid\":%d,\"stopped\":%s,\"looked_ns\":%" PRIu64
			",\"schedulers\":[",
			(int)info->pid, h->is_stopped ? "true" : "false",
			h->between_ns);
		return;
	}
	fputs("node ", h->out);
	scope_stack_put(h->p, &b, h->out);
	fprintf(h->out, ", PID %d", (int)info->pid);
	if (!h->is_stopped)
		fprintf(h->out, ": looked at for %.1f s\n",
			(double)h->between_ns / 1e9);
	else if (h->state == 't')
		fputs(": STOPPED by a debugger or tracer, which has to let it "
		      "go\n",
		      h->out);
	else
		fprintf(h->out,
			": STOPPED by a signal; kill -CONT %d lets it go on\n",
			(int)info->pid);
}

int scope_stack_hung(struct scope_stack_printer *p, FILE *out,
		     struct scope_err *err)
{
	struct hung h = { .p = p, .out = out };
	int r = first_look(&h, err);

	if (r == 0) {
		look_on(&h);
		(void)scope_target_schedulers(p->t, &h.queues);
		r = scope_waits_find(p->t, p->naming, &h.waits, &h.nwaits, err);
	}
	if (r == 0) {
		put_head(&h);
		put_rows(&h);
		put_waits(&h);
		put_culprits(&h);
		if (is_json(&h))
			fputs("}\n", out);
	}
	scope_schedulers_free(h.queues);
	free(h.waits);
	free(h.rows);
	return r;
}
