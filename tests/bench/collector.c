/* SPDX-License-Identifier: MIT */
/*
 * What an event costs the collector, in processor time, beside a memcpy of the
 * same bytes in the same run:
 *
 *   collector PID FILE KINDS [ROUNDS [EVENTS [PART]]]
 *
 * FILE has records that the probes wrote (capture), of the node PID, which must
 * still be there: names are read from it. They are given to the pipeline again
 * and again, by a probe that is none: the scope_probe_* functions below stand
 * for those of the library, so that reader, order and decoder run as they are.
 * Each lap brings new processes: the pids of those spawned in it are changed.
 * Time is that of now, and records come as two rings give them.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/map.h"
#include "export/json.h"
#include "pipeline/decode.h"
#include "pipeline/order.h"
#include "pipeline/run.h"
#include "probe/probe.h"

#define ROUNDS_MAX 25
#define DRAIN_RECORDS 2048 /* at most, of each of the two rings */
#define RINGS 2
#define LINE_BYTES (256u << 10)
#define LAP_SHIFT 44 /* bits of a pid's word that number the lap */

/* -- the records ------------------------------------------------------------- */

struct tape {
	char *data; /* mapped, private */
	size_t bytes, n;
	struct scope_rec **rec; /* owned */
	__u64 **fresh;	/* owned: words that are pids of this lap */
	size_t nfresh;
	uint64_t lap;
	size_t at; /* next record */
};

static struct tape tape;

static void die(const char *what)
{
	fprintf(stderr, "collector: %s\n", what);
	exit(1);
}

static void note_fresh(const struct scope_map *born, __u64 *w)
{
	uint64_t v;

	if (*w && scope_map_get(born, *w, &v))
		tape.fresh[tape.nfresh++] = w;
}

static void load(const char *path)
{
	struct scope_map *born = scope_map_new(1u << 20);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !born)
		die("cannot open the records");
	tape.bytes = (size_t)st.st_size;
	tape.data = mmap(NULL, tape.bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (tape.data == MAP_FAILED)
		die("cannot map the records");
	(void)close(fd);
	tape.rec = calloc(tape.bytes / SCOPE_REC_BYTES + 1, sizeof(*tape.rec));
	tape.fresh = calloc(tape.bytes / SCOPE_REC_BYTES * 4 + 1,
			    sizeof(*tape.fresh));
	if (!tape.rec || !tape.fresh)
		die("out of memory");
	for (size_t at = 0; at < tape.bytes;) {
		struct scope_rec *rec = (struct scope_rec *)(tape.data + at);

		if (!scope_rec_ok(rec, tape.bytes - at))
			break;
		tape.rec[tape.n++] = rec;
		if (rec->kind == SCOPE_KIND_PROC_SPAWN)
			(void)scope_map_put(born, rec->spawn.child, 1);
		at += (rec->len + 7) & ~7u;
	}
	for (size_t i = 0; i < tape.n; i++) {
		note_fresh(born, &tape.rec[i]->pid);
		note_fresh(born, &tape.rec[i]->a[0]);
		note_fresh(born, &tape.rec[i]->a[2]);
	}
	scope_map_free(born);
	if (tape.n < DRAIN_RECORDS)
		die("too few records");
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec t;

	(void)clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void next_lap(void)
{
	uint64_t mark = ((tape.lap ^ (tape.lap + 1)) & 0xfff) << LAP_SHIFT;

	tape.lap++;
	tape.at = 0;
	for (size_t i = 0; i < tape.nfresh; i++)
		*tape.fresh[i] ^= mark;
}

/* -- the probe that is none ---------------------------------------------------- */

struct scope_probe {
	struct scope_counters counters;
	uint64_t left; /* records still to be given */
	uint64_t until_ns;
	/* The records under way, and where in them. */
	size_t first, n, ring, i;
	uint64_t from_ns, step;
};

static struct scope_probe fake = { .ring = RINGS };

int scope_probe_open(struct scope_target *t,
		     const struct scope_probe_opts *opts,
		     struct scope_probe **ret_probe, struct scope_err *err)
{
	(void)t;
	(void)opts;
	(void)err;
	*ret_probe = &fake;
	return 0;
}

void scope_probe_free(struct scope_probe *p)
{
	(void)p;
}

int scope_probe_attach(struct scope_probe *p, struct scope_target *t,
		       struct scope_err *err)
{
	(void)p;
	(void)t;
	(void)err;
	return 0;
}

uint64_t scope_probe_begin(struct scope_probe *p)
{
	p->ring = RINGS;
	return p->until_ns = now_ns(CLOCK_MONOTONIC);
}

int scope_probe_switch(struct scope_probe *p, enum scope_group group, bool on,
		       struct scope_err *err)
{
	(void)p;
	(void)group;
	(void)on;
	return scope_fail(err, -ENOTSUP, "nothing is attached");
}

scope_kindset scope_probe_group_kinds(const struct scope_probe *p,
				      enum scope_group group)
{
	(void)p;
	(void)group;
	return 0;
}

uint64_t scope_probe_cost(const struct scope_probe *p, enum scope_group group)
{
	(void)p;
	(void)group;
	return 0;
}

uint64_t scope_probe_safe(const struct scope_probe *p, uint64_t now)
{
	(void)p;
	return now;
}

void scope_probe_end(struct scope_probe *p)
{
	(void)p;
}

void scope_probe_detach(struct scope_probe *p)
{
	(void)p;
}

int scope_probe_watch(struct scope_probe *p, uint64_t pid, bool on)
{
	(void)p;
	(void)pid;
	(void)on;
	return 0;
}

/* As much as a busy node writes in a while: one ring's records, then the
 * other's, their times spread over what passed since the last drain. */
int scope_probe_drain(struct scope_probe *p,
		      int (*fn)(void *arg, const void *data, size_t len),
		      void *arg)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);
	int r = 0;

	if (!p->left) {
		scope_run_stop();
		return 0;
	}
	if (p->ring == RINGS) {
		if (tape.at == tape.n)
			next_lap();
		p->first = tape.at;
		p->n = DRAIN_RECORDS * RINGS;
		if (p->n > tape.n - tape.at)
			p->n = tape.n - tape.at;
		tape.at += p->n;
		p->from_ns = p->until_ns;
		p->step = (now - p->until_ns) / p->n;
		p->until_ns = now;
		p->ring = p->i = 0;
	}
	/* What does not fit waits: a process whose end is missed stays known. */
	while (p->ring < RINGS && r == 0 && p->left) {
		struct scope_rec *rec = tape.rec[p->first + p->i];

		rec->ts_ns = p->from_ns + p->step * p->i;
		p->left--;
		r = fn(arg, rec, rec->len);
		p->i += RINGS;
		if (p->i >= p->n)
			p->i = ++p->ring;
	}
	return r;
}

unsigned scope_probe_cpus(const struct scope_probe *p)
{
	(void)p;
	return 1;
}

const struct scope_counters *scope_probe_counters(const struct scope_probe *p,
						  unsigned cpu)
{
	(void)cpu;
	return &p->counters;
}

uint64_t scope_probe_missed(const struct scope_probe *p)
{
	(void)p;
	return 0;
}

const char *scope_probe_source(const struct scope_probe *p, enum scope_kind kind)
{
	(void)p;
	(void)kind;
	return NULL;
}

const char *scope_probe_missing(const struct scope_probe *p,
				enum scope_kind kind)
{
	(void)p;
	(void)kind;
	return NULL;
}

const char *scope_probe_limits(const struct scope_probe *p, enum scope_kind kind)
{
	(void)p;
	(void)kind;
	return NULL;
}

struct scope_points *scope_probe_points(struct scope_probe *p)
{
	(void)p;
	return NULL;
}

void scope_probe_set_source(struct scope_probe *p, enum scope_kind k,
			    const char *text, const char *limits)
{
	(void)p;
	(void)k;
	(void)text;
	(void)limits;
}

const char *scope_probe_link_kind(const struct scope_probe *p)
{
	(void)p;
	return "none";
}

void scope_probe_keep(struct scope_probe *p, double share)
{
	(void)p;
	(void)share;
}

bool scope_probe_keeps(const struct scope_probe *p, uint64_t pid)
{
	(void)p;
	(void)pid;
	return true;
}

double scope_probe_fill(const struct scope_probe *p)
{
	(void)p;
	return 0;
}

enum scope_transport scope_probe_transport(const struct scope_probe *p,
					   unsigned *ret_buffers,
					   uint64_t *ret_bytes,
					   const char **ret_why)
{
	(void)p;
	*ret_buffers = 1;
	*ret_bytes = 0;
	*ret_why = "no kernel";
	return SCOPE_TRANSPORT_RING;
}

const char *scope_probe_calibration(const struct scope_probe *p)
{
	(void)p;
	return "default";
}

int scope_probe_fd(const struct scope_probe *p)
{
	(void)p;
	return -1;
}

uint64_t scope_probe_jit_descriptor(const struct scope_probe *p)
{
	(void)p;
	return 0;
}

/* -- what is measured ----------------------------------------------------------- */

struct bench {
	struct scope_target *t;
	struct scope_run_opts opts;
	struct scope_json *json;
	struct scope_decoder *decoder;
	uint64_t events; /* that came out */
	uint64_t bytes;	 /* of text */
	uint64_t want;	 /* events of a round */
	/* memory in use after half of them, and towards the end */
	unsigned long half_kb, end_kb;
	char line[LINE_BYTES];
	struct scope_batch batch[2];
};

static struct bench bench;

/* Memory in use, in kB; 0: not known. */
static unsigned long resident(void)
{
	scope_autofclose FILE *f = fopen("/proc/self/statm", "r");
	unsigned long size, pages;

	if (!f || fscanf(f, "%lu %lu", &size, &pages) != 2)
		return 0;
	return pages * (unsigned long)sysconf(_SC_PAGESIZE) / 1024;
}

static int null_event(struct scope_sink *sink, const struct scope_event *ev)
{
	(void)sink;
	(void)ev;
	bench.events++;
	if (bench.events == bench.want / 2)
		bench.half_kb = resident();
	if (bench.events == bench.want - bench.want / 100)
		bench.end_kb = resident();
	return 0;
}

static int json_event(struct scope_sink *sink, const struct scope_event *ev)
{
	struct scope_buf line = scope_buf_of(bench.line, sizeof(bench.line));
	int r = scope_json_event(bench.json, ev, &line);

	(void)null_event(sink, ev);
	bench.bytes += line.len;
	return r;
}

/* Terms and names as text, which nobody gets. */
static int text_event(struct scope_sink *sink, const struct scope_event *ev)
{
	struct scope_vm *vm = scope_target_vm(bench.t);
	size_t len;

	(void)null_event(sink, ev);
	if (ev->name)
		(void)scope_vm_atom(vm, ev->name, &len);
	for (size_t i = 0; i < ev->nfields; i++) {
		struct scope_buf out = scope_buf_of(bench.line,
						    sizeof(bench.line));

		switch (scope_field_info(ev->fields[i].key)->type) {
		case SCOPE_T_TERM:
			(void)scope_term_put(vm, &ev->image, ev->fields[i].term,
					     SCOPE_SYNTAX_ERLANG, &out);
			bench.bytes += out.len;
			break;
		case SCOPE_T_ATOM:
			(void)scope_vm_atom(vm, ev->fields[i].term, &len);
			bench.bytes += len;
			break;
		default:
			break;
		}
	}
	return 0;
}

static void null_emit(void *arg, struct scope_event *ev)
{
	(void)null_event(arg, ev);
}

static void json_emit(void *arg, struct scope_event *ev)
{
	(void)json_event(arg, ev);
}

/* Copy the records, one by one, into a batch's memory: the reader's work. */
static void run_memcpy(void)
{
	size_t used = 0;

	next_lap();
	for (bench.events = 0; bench.events < bench.want; bench.events++) {
		const struct scope_rec *rec = tape.rec[bench.events % tape.n];

		if (used + rec->len > SCOPE_BATCH_BYTES)
			used = 0;
		memcpy(bench.batch[0].data + used, rec, rec->len);
		used += (rec->len + 7) & ~7u;
		/* The copy is looked at, for all that the compiler knows. */
		__asm__ volatile("" : : "r"(&bench.batch[0]) : "memory");
	}
}

static void batch_done(void *arg, struct scope_batch *b)
{
	(void)arg;
	b->used = 0;
	b->live = 0;
}

static int put(void *arg, const void *data, size_t len)
{
	struct scope_batch *b = arg;

	memcpy(b->data + b->used, data, len);
	b->used += (uint32_t)((len + 7) & ~(size_t)7);
	return SCOPE_BATCH_BYTES - b->used < SCOPE_REC_MAX ? -EAGAIN : 0;
}

/* Into batches, through the order, and out: no threads. */
static void run_order(void)
{
	struct scope_order *o = scope_order_new(batch_done, NULL);

	fake.left = bench.want;
	(void)scope_probe_begin(&fake);
	for (bench.events = 0; fake.left;) {
		struct scope_batch *b = &bench.batch[0];

		batch_done(NULL, b);
		(void)scope_probe_drain(&fake, put, b);
		b->safe_ns = UINT64_MAX;
		(void)scope_order_add(o, b);
		while (scope_order_next(o))
			bench.events++;
	}
	scope_order_free(o);
}

static void decode_all(void)
{
	bench.events = 0;
	for (uint64_t i = 0; i < bench.want; i++) {
		if (i % tape.n == 0)
			next_lap();
		tape.rec[i % tape.n]->ts_ns = i * 1000;
		(void)scope_decoder_record(bench.decoder,
					   tape.rec[i % tape.n]);
	}
}

static void run_decode_with(void (*emit)(void *arg, struct scope_event *ev))
{
	struct scope_decode_opts opts = {
		.kinds = bench.opts.kinds,
		.term_words = bench.opts.term_words,
		.emit = emit,
	};
	struct scope_err err = { 0 };

	if (scope_decoder_new(bench.t, &opts, &bench.decoder, &err) < 0)
		die(err.text);
	(void)scope_decoder_introduce(bench.decoder, 1, &err);
	decode_all();
	scope_decoder_free(bench.decoder);
}

static void run_decode(void)
{
	run_decode_with(null_emit);
}

static void text_emit(void *arg, struct scope_event *ev)
{
	(void)text_event(arg, ev);
}

static void run_text(void)
{
	run_decode_with(text_emit);
}

static void run_json(void)
{
	run_decode_with(json_emit);
}

static void run_whole_with(int (*event)(struct scope_sink *,
					const struct scope_event *))
{
	struct scope_sink sink = { .event = event };
	struct scope_run_totals totals;
	struct scope_err err = { 0 };

	fake.left = bench.want;
	bench.events = 0;
	if (scope_run(bench.t, &bench.opts, &sink, &totals, &err) < 0)
		die(err.text);
}

static void run_whole(void)
{
	run_whole_with(null_event);
}

static void run_whole_text(void)
{
	run_whole_with(text_event);
}

static void run_whole_json(void)
{
	run_whole_with(json_event);
}

static const struct part {
	const char *what;
	void (*run)(void);
} parts[] = {
	{ "memcpy of the records", run_memcpy },
	{ "copy and order", run_order },
	{ "decode", run_decode },
	{ "decode, terms and names", run_text },
	{ "decode, JSON", run_json },
	{ "pipeline, no output", run_whole },
	{ "pipeline, terms and names", run_whole_text },
	{ "pipeline, JSON", run_whole_json },
};
#define NPARTS (sizeof(parts) / sizeof(*parts))

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(const double *v, unsigned n)
{
	double s[ROUNDS_MAX];

	memcpy(s, v, n * sizeof(*s));
	qsort(s, n, sizeof(*s), by_value);
	return n % 2 ? s[n / 2] : (s[n / 2 - 1] + s[n / 2]) / 2;
}

/* ns of processor time for an event, all threads together. */
static double measure(const struct part *part)
{
	uint64_t t0 = now_ns(CLOCK_PROCESS_CPUTIME_ID);

	bench.bytes = 0;
	part->run();
	return (double)(now_ns(CLOCK_PROCESS_CPUTIME_ID) - t0) /
	       (double)(bench.events ? bench.events : 1);
}

static void measure_all(unsigned rounds, const char *only)
{
	static double ns[NPARTS][ROUNDS_MAX], ratio[NPARTS][ROUNDS_MAX];

	for (unsigned r = 0; r < rounds; r++) {
		for (size_t i = 0; i < NPARTS; i++) {
			size_t k = (i + r) % NPARTS;

			if (!only || !strcmp(only, parts[k].what))
				ns[k][r] = measure(&parts[k]);
		}
		for (size_t k = 0; k < NPARTS; k++)
			ratio[k][r] = ns[k][r] / (ns[0][r] ? ns[0][r] : 1);
	}
	printf("%-25s %10s %16s %10s\n", "collector", "ns/event",
	       "events/s a core", "x memcpy");
	for (size_t k = 0; k < NPARTS; k++)
		if (ns[k][0] > 0)
			printf("%-25s %10.0f %16.0f %10.1f\n", parts[k].what,
			       median(ns[k], rounds),
			       1e9 / median(ns[k], rounds),
			       median(ratio[k], rounds));
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 4 ? (unsigned)atoi(argv[4]) : 7;
	struct scope_json_opts json = { .syntax = SCOPE_SYNTAX_ERLANG };
	struct scope_err err = { 0 };
	const char *bad;
	size_t len;

	if (argc < 4 || rounds < 1 || rounds > ROUNDS_MAX ||
	    scope_kinds_parse(argv[3], &bench.opts.kinds, &bad, &len) < 0) {
		fprintf(stderr, "usage: collector PID FILE KINDS "
				"[ROUNDS [EVENTS [PART]]]\n");
		return 2;
	}
	if (scope_target_open(atoi(argv[1]), &bench.t, &err) < 0)
		die(err.text);
	load(argv[2]);
	bench.opts.term_words = SCOPE_TERM_WORDS_DEFAULT;
	bench.want = argc > 5 ? strtoull(argv[5], NULL, 10) : 500000;
	json.node = scope_target_info(bench.t)->node;
	json.os_pid = scope_target_info(bench.t)->pid;
	bench.json = scope_json_new(scope_target_vm(bench.t), &json);
	if (!bench.json)
		die("out of memory");
	printf("%zu records of %zu bytes on average\n", tape.n,
	       tape.bytes / tape.n);
	measure_all(rounds, argc > 6 ? argv[6] : NULL);
	if (argc > 6)
		printf("%lu kB in use after half of them, %lu kB at the end\n",
		       bench.half_kb, bench.end_kb);
	scope_json_free(bench.json);
	scope_target_free(bench.t);
	return 0;
}
