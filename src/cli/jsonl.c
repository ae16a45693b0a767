/* SPDX-License-Identifier: MIT */
#include "cli/jsonl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "export/stream.h"

struct scope_jsonl {
	struct scope_sink sink; /* first: the sink is the object */
	struct scope_json *json;     /* owned */
	struct scope_stream *stream; /* owned */
	char *line;		     /* owned */
	void (*stop)(void);
};

/* What a reader must get even when it is too slow for the rest. */
static bool is_kept(enum scope_kind kind)
{
	return kind == SCOPE_KIND_LOSS || kind == SCOPE_KIND_SUMMARY ||
	       kind == SCOPE_KIND_NODE_EXIT || kind == SCOPE_KIND_NODE_ATTACH;
}

static int take_event(struct scope_sink *sink, const struct scope_event *ev)
{
	struct scope_jsonl *j = (struct scope_jsonl *)sink;
	struct scope_buf line = scope_buf_of(j->line, SCOPE_JSONL_LINE);
	int r;

	r = scope_json_event(j->json, ev, &line);
	if (r < 0)
		return r;
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
	if (scope_stream_error(j->stream))
		j->stop();
}

int scope_jsonl_new(int fd, struct scope_vm *vm,
		    const struct scope_json_opts *opts, void (*stop)(void),
		    struct scope_jsonl **ret_jsonl)
{
	scope_auto(scope_jsonl) j = calloc(1, sizeof(*j));
	int r;

	if (!j)
		return -ENOMEM;
	j->sink.event = take_event;
	j->sink.tick = tick;
	j->stop = stop;
	j->line = malloc(SCOPE_JSONL_LINE);
	j->json = scope_json_new(vm, opts);
	if (!j->line || !j->json)
		return -ENOMEM;
	r = scope_stream_new(fd, SCOPE_JSONL_BUFFER, &j->stream);
	if (r < 0)
		return r;
	*ret_jsonl = scope_take(j);
	return 0;
}

void scope_jsonl_free(struct scope_jsonl *j)
{
	if (!j)
		return;
	scope_stream_free(j->stream);
	scope_json_free(j->json);
	free(j->line);
	free(j);
}

struct scope_sink *scope_jsonl_sink(struct scope_jsonl *j)
{
	return &j->sink;
}

int scope_jsonl_finish(struct scope_jsonl *j, unsigned timeout_ms,
		       struct scope_err *err)
{
	int r = scope_stream_flush(j->stream, timeout_ms);
	uint64_t n;

	if (r == 0)
		return 0;
	n = scope_stream_unwritten(j->stream);
	if (r == -ETIMEDOUT)
		return scope_fail(err, r,
				  "%" PRIu64 " lines were not written: the "
				  "reader of the output is too slow",
				  n);
	r = scope_stream_error(j->stream);
	return scope_fail(err, r == -EPIPE ? r : -EIO,
			  "can't write the output: %s; %" PRIu64
			  " lines were not written",
			  strerror(-r), n);
}
