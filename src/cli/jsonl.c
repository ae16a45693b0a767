/* SPDX-License-Identifier: MIT */
#include "cli/jsonl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/time.h"
#include "export/backlog.h"
#include "export/stream.h"

#define STEP_NS 1000000
#define NS_PER_MS UINT64_C(1000000)
#define FLUSH_MAX_MS 5000

struct scope_jsonl {
	struct scope_sink sink; /* first: the sink is the object */
	struct scope_json *json;     /* owned */
	struct scope_stream *stream; /* owned */
	struct scope_backlog *backlog; /* owned; NULL: the oldest stay */
	uint64_t next_id; /* of the next line that leaves the backlog */
	uint64_t dropped[SCOPE_KIND_MAX]; /* of the backlog's, what was asked
					     for */
	/* by kind; written by the stream's thread */
	uint64_t refused[SCOPE_KIND_MAX];
	uint64_t told[SCOPE_KIND_MAX]; /* of those, what was asked for */
	const uint64_t
		*also; /* borrowed: refused elsewhere; NULL: nothing is */
	uint64_t also_told[SCOPE_KIND_MAX];
	bool is_written_to;
	char *line;		     /* owned */
	/* NULL: JSON */
	int (*format)(void *arg, const struct scope_event *ev,
		      struct scope_buf *out);
	void *format_arg;
	void (*stop)(void);
};

/* What a reader must get even when it is too slow for the rest. */
static bool is_kept(enum scope_kind kind)
{
	return kind == SCOPE_KIND_LOSS || kind == SCOPE_KIND_SUMMARY ||
	       kind == SCOPE_KIND_NODE_EXIT || kind == SCOPE_KIND_NODE_ATTACH;
}

/* A line as it is written: with the number that it has among those, which is
 * not longer than the one that it was put with. */
static size_t number(struct scope_jsonl *j, const char *line, size_t len)
{
	const char *rest = memchr(line, ',', len);
	int n;

	n = snprintf(j->line, SCOPE_JSONL_LINE, "{\"id\":%" PRIu64, j->next_id);
	len -= (size_t)(rest - line);
	memcpy(j->line + n, rest, len);
	return (size_t)n + len;
}

/* Hand on what there is a place for. 0, or -EPIPE. */
static int feed(struct scope_jsonl *j)
{
	const char *line;
	size_t len;
	bool keep;
	int r = 0;

	while (r == 0 && (line = scope_backlog_next(j->backlog, &len, &keep))) {
		len = number(j, line, len);
		r = scope_stream_put(j->stream, j->line, len, keep);
		if (r == 0) {
			scope_backlog_pop(j->backlog);
			j->next_id++;
		}
	}
	return r == -EPIPE ? r : 0;
}

static int take_later(struct scope_jsonl *j, const struct scope_event *ev,
		      const struct scope_buf *line)
{
	int r = scope_backlog_put(j->backlog, line->p, line->len, ev->kind,
				  is_kept(ev->kind));

	if (feed(j) < 0) {
		j->stop();
		return -ENOBUFS;
	}
	return r;
}

static int take_event(struct scope_sink *sink, const struct scope_event *ev)
{
	struct scope_jsonl *j = (struct scope_jsonl *)sink;
	struct scope_buf line = scope_buf_of(j->line, SCOPE_JSONL_LINE);
	int r;

	r = j->format ? j->format(j->format_arg, ev, &line) :
			scope_json_event(j->json, ev, &line);
	if (r < 0 || !line.len)
		return r;
	if (j->backlog)
		return take_later(j, ev, &line);
	r = scope_stream_put(j->stream, line.p, line.len, is_kept(ev->kind));
	if (r == -EPIPE) {
		j->stop();
		return -ENOBUFS;
	}
	return r;
}

static void tick(struct scope_sink *sink, uint64_t mono_ns)
{
	struct scope_jsonl *j = (struct scope_jsonl *)sink;

	(void)mono_ns;
	if ((j->backlog && feed(j) < 0) || scope_stream_error(j->stream))
		j->stop();
}

static double fill(struct scope_sink *sink)
{
	struct scope_jsonl *j = (struct scope_jsonl *)sink;

	return j->backlog ? scope_backlog_fill(j->backlog) :
			    scope_stream_fill(j->stream);
}

unsigned scope_jsonl_kind(const char *line, size_t n)
{
	static const char key[] = "\"kind\":\"";
	const char *at = memmem(line, n, key, sizeof(key) - 1);
	size_t left, len;

	if (!at)
		return SCOPE_KIND_NONE;
	at += sizeof(key) - 1;
	left = n - (size_t)(at - line);
	for (unsigned k = 1; k < SCOPE_KIND_MAX; k++) {
		const char *name = scope_kind_info(k)->name;

		len = name ? strlen(name) : 0;
		if (len && len < left && !memcmp(at, name, len) &&
		    at[len] == '"')
			return k;
	}
	return SCOPE_KIND_NONE;
}

/* Called by the stream's thread. */
static void count_refused(void *arg, const char *lines, size_t n)
{
	struct scope_jsonl *j = arg;

	while (n) {
		const char *end = memchr(lines, '\n', n);
		size_t len = end ? (size_t)(end + 1 - lines) : n;

		(void)__atomic_add_fetch(
			&j->refused[scope_jsonl_kind(lines, len)], 1,
			__ATOMIC_RELAXED);
		lines += len;
		n -= len;
	}
}

static void lost(struct scope_sink *sink,
		 uint64_t counts[SCOPE_LOSS_MAX][SCOPE_KIND_MAX])
{
	struct scope_jsonl *j = (struct scope_jsonl *)sink;

	for (unsigned k = 0; k < SCOPE_KIND_MAX; k++) {
		uint64_t n = __atomic_load_n(&j->refused[k], __ATOMIC_RELAXED);

		counts[SCOPE_LOSS_REFUSED][k] += n - j->told[k];
		j->told[k] = n;
		if (j->also) {
			n = __atomic_load_n(&j->also[k], __ATOMIC_RELAXED);
			counts[SCOPE_LOSS_REFUSED][k] += n - j->also_told[k];
			j->also_told[k] = n;
		}
		if (!j->backlog)
			continue;
		n = scope_backlog_dropped(j->backlog)[k];
		counts[SCOPE_LOSS_OUTPUT][k] += n - j->dropped[k];
		j->dropped[k] = n;
	}
}

int scope_jsonl_new(int fd, int own, struct scope_writer *to,
		    struct scope_vm *vm,
		    const struct scope_json_opts *opts, bool keeps_newest,
		    void (*stop)(void),
		    struct scope_jsonl **ret_jsonl)
{
	scope_auto(scope_jsonl) j = calloc(1, sizeof(*j));
	scope_auto(scope_writer) w = to;
	size_t cap = SCOPE_JSONL_BUFFER;
	int r;

	if (!j) {
		r = -ENOMEM;
		goto no_stream;
	}
	j->sink.event = take_event;
	j->sink.tick = tick;
	j->sink.fill = fill;
	j->next_id = 1;
	j->stop = stop;
	j->line = malloc(SCOPE_JSONL_LINE);
	j->json = scope_json_new(vm, opts);
	if (keeps_newest) {
		j->backlog = scope_backlog_new(SCOPE_JSONL_BUFFER);
		j->sink.lost = lost;
		cap = SCOPE_JSONL_SHORT;
	}
	if (!j->line || !j->json || (keeps_newest && !j->backlog)) {
		r = -ENOMEM;
		goto no_stream;
	}
	if (w) {
		w->refuse = count_refused;
		w->refuse_arg = j;
		j->sink.lost = lost;
		j->is_written_to = true;
		r = scope_stream_new_writer(scope_take(w), cap, &j->stream);
	} else {
		r = scope_stream_new(fd, own, cap, &j->stream);
	}
	if (r < 0)
		return r;
	*ret_jsonl = scope_take(j);
	return 0;
no_stream:
	if (own >= 0)
		(void)close(own);
	return r;
}

void scope_jsonl_also(struct scope_jsonl *j, const uint64_t *refused)
{
	j->also = refused;
	j->sink.lost = lost;
	for (unsigned k = 0; k < SCOPE_KIND_MAX; k++)
		j->also_told[k] =
			__atomic_load_n(&refused[k], __ATOMIC_RELAXED);
}

void scope_jsonl_free(struct scope_jsonl *j)
{
	if (!j)
		return;
	scope_stream_free(j->stream);
	scope_backlog_free(j->backlog);
	scope_json_free(j->json);
	free(j->line);
	free(j);
}

void scope_jsonl_set_format(struct scope_jsonl *j,
			    int (*line)(void *arg, const struct scope_event *ev,
					struct scope_buf *out),
			    void *arg)
{
	j->format = line;
	j->format_arg = arg;
}

struct scope_sink *scope_jsonl_sink(struct scope_jsonl *j)
{
	return &j->sink;
}

/* All of the backlog into the stream, as long as that goes on, and out. */
static int flush(struct scope_jsonl *j, unsigned timeout_ms)
{
	const struct timespec step = { .tv_nsec = STEP_NS };
	uint64_t begun = scope_now_ns(), moved = begun, now;
	size_t left = 0, lines;

	while (j->backlog && (lines = scope_backlog_lines(j->backlog)) > 0) {
		now = scope_now_ns();
		if (lines != left)
			moved = now;
		left = lines;
		if (now - moved >= timeout_ms * NS_PER_MS ||
		    now - begun >= FLUSH_MAX_MS * NS_PER_MS)
			return -ETIMEDOUT;
		if (feed(j) < 0)
			return -EPIPE;
		if (scope_backlog_lines(j->backlog))
			(void)nanosleep(&step, NULL);
	}
	return scope_stream_flush(j->stream, timeout_ms);
}

int scope_jsonl_finish(struct scope_jsonl *j, unsigned timeout_ms,
		       struct scope_err *err)
{
	int r = flush(j, timeout_ms);
	uint64_t late = 0;
	uint64_t n;

	/* What was refused after the last line said what was lost. */
	for (unsigned k = 0; k < SCOPE_KIND_MAX; k++)
		late += __atomic_load_n(&j->refused[k], __ATOMIC_RELAXED) -
			j->told[k];
	if (r == 0 && late)
		return scope_fail(err, -EIO,
				  "the receiver of the output refused the last "
				  "%" PRIu64 " lines",
				  late);
	if (r == 0)
		return 0;
	n = scope_stream_unwritten(j->stream);
	if (j->backlog)
		n += scope_backlog_lines(j->backlog);
	if (r == -ETIMEDOUT)
		return scope_fail(err, r,
				  "%" PRIu64 " lines were not written: the "
				  "%s of the output is %s",
				  n, j->is_written_to ? "receiver" : "reader",
				  j->is_written_to ?
					  "out of reach or too slow" :
					  "too slow");
	r = scope_stream_error(j->stream);
	return scope_fail(err, r == -EPIPE ? r : -EIO,
			  "can't write the output: %s; %" PRIu64
			  " lines were not written",
			  strerror(-r), n);
}
