/* SPDX-License-Identifier: MIT */
/*
 * stream: lines to a descriptor, by a thread of its own, from bounded memory.
 *
 * Shapes:  a line is taken whole or not at all. While the reader of the
 *          descriptor is slow, lines pile up to `cap` bytes; then further ones
 *          are refused (-ENOBUFS), and whoever offers them counts the loss:
 *          the node never waits, and memory never grows.
 *          A stream goes to a descriptor as it is, or to a writer (writer.h)
 *          in batches of whole lines.
 * Errors:  -ENOBUFS the buffer is full; -EPIPE the reader is gone, or the
 *          descriptor failed (scope_stream_error says with what).
 * Threads: one that puts; the writer thread inside.
 */
#ifndef SCOPE_EXPORT_STREAM_H
#define SCOPE_EXPORT_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "export/writer.h"

struct scope_stream;

/* The same file anew, non-blocking, so that nobody who shares fd is disturbed:
 * for pipes and terminals, while there is a right to; else -1. */
int scope_stream_reopen(int fd);
/* fd is borrowed; own, from scope_stream_reopen, is taken over, whatever comes
 * of it. -ENOMEM, -EAGAIN (no thread). */
int scope_stream_new(int fd, int own, size_t cap,
		     struct scope_stream **ret_stream);
/* To a writer, which the stream owns from now on, also when this fails. */
int scope_stream_new_writer(struct scope_writer *w, size_t cap,
			    struct scope_stream **ret_stream);
/* Stops the writer without waiting for unwritten lines. */
void scope_stream_free(struct scope_stream *s);
SCOPE_AUTO(scope_stream)

/* Offer a line. keep: a reserve of the buffer is open to it that ordinary
 * lines can't use (loss, node.exit and summary lines). */
int scope_stream_put(struct scope_stream *s, const char *line, size_t len,
		     int keep);
/* How much of the buffer waits to be written, from 0 to 1. */
double scope_stream_fill(const struct scope_stream *s);
/* Wait until all is written: until the reader has taken nothing for
 * `timeout_ms`, and at most 5 s. 0, -ETIMEDOUT, -EPIPE. */
int scope_stream_flush(struct scope_stream *s, unsigned timeout_ms);
/* 0, or the negative errno that ended the writing. */
int scope_stream_error(const struct scope_stream *s);
/* Lines that were taken, and that the writer then gave up: since the start. */
uint64_t scope_stream_refused(const struct scope_stream *s);
/* Lines that were taken but never written (after an error or a timeout). */
uint64_t scope_stream_unwritten(const struct scope_stream *s);

#endif
