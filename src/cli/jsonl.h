/* SPDX-License-Identifier: MIT */
/*
 * jsonl: a sink that writes events as JSON lines to a stream.
 *
 * Limits:  a line of SCOPE_JSONL_LINE bytes, SCOPE_JSONL_BUFFER bytes waiting
 *          for the reader; what does not fit is refused, and the pipeline
 *          counts it lost. Or, where the newest are to stay, the oldest go;
 * they are told to the pipeline as lost later, and the numbers of events are
 * given when they are written. Errors:  a reader that went away, or a full
 * disk, stops the run; the result of scope_jsonl_finish tells. A writer
 * (export/writer.h) waits for better times instead. Threads: one owner.
 */
#ifndef SCOPE_CLI_JSONL_H
#define SCOPE_CLI_JSONL_H

#include "base/err.h"
#include "export/json.h"
#include "export/writer.h"
#include "wire/event.h"

#define SCOPE_JSONL_LINE (1u << 20)
#define SCOPE_JSONL_BUFFER (16u << 20)
/* Of the stream, where the newest stay: what is in it is the oldest. */
#define SCOPE_JSONL_SHORT (2 * SCOPE_JSONL_LINE + (256u << 10))

struct scope_jsonl;

/* To a descriptor, with fd and own as scope_stream_new takes them; or to `to`,
 * which it owns from now on, also when this fails. `stop` is called, once or
 * more, when nothing can be written any more. -ENOMEM, -EAGAIN. */
int scope_jsonl_new(int fd, int own, struct scope_writer *to,
		    struct scope_vm *vm,
		    const struct scope_json_opts *opts, bool keeps_newest,
		    void (*stop)(void),
		    struct scope_jsonl **ret_jsonl);
void scope_jsonl_free(struct scope_jsonl *j);
SCOPE_AUTO(scope_jsonl)

/* Lines of this stream are written by somebody else, too, who counts by kind in
 * `refused` (borrowed; SCOPE_KIND_MAX) what a receiver refused: told like what
 * is refused here, from what is there now on. */
void scope_jsonl_also(struct scope_jsonl *j, const uint64_t *refused);

/* The kind of a line that a jsonl wrote; SCOPE_KIND_NONE: it can't be told. */
unsigned scope_jsonl_kind(const char *line, size_t n);

/* Write events by this instead, as lines with their end; nothing where it
 * writes nothing. It returns as scope_json_event does. */
void scope_jsonl_set_format(struct scope_jsonl *j,
			    int (*line)(void *arg, const struct scope_event *ev,
					struct scope_buf *out),
			    void *arg);

/* Borrowed. */
struct scope_sink *scope_jsonl_sink(struct scope_jsonl *j);

/* Wait for the last lines to get out, at most timeout_ms. 0; -EPIPE the reader
 * went away; -ETIMEDOUT it is too slow; -EIO it could not be written, or was
 * refused. With words in err. */
int scope_jsonl_finish(struct scope_jsonl *j, unsigned timeout_ms,
		       struct scope_err *err);

#endif
