/* SPDX-License-Identifier: MIT */
/*
 * writer: places beyond a plain descriptor that lines go to: a file that is
 * turned over, a socket that is connected again, an HTTP server.
 *
 * Shapes:  a stream (stream.h) gives its writer whole lines, in order, and
 *          keeps them until the writer has dealt with them. What can't be
 *          written now is asked for again; meanwhile lines pile up in the
 *          stream, and then are refused and counted there.
 * Text:    a writer says through `note` what a person should know, once each
 *          time that it changes: out of reach, within reach again, refused.
 *          Never a header or what a URL has after its path.
 * Errors:  what can't be right later is found when it is made: -EINVAL -EACCES
 *          -ENOENT -EISDIR, with words.
 * Threads: made in one thread, then used by the stream's alone.
 */
#ifndef SCOPE_EXPORT_WRITER_H
#define SCOPE_EXPORT_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/err.h"

struct scope_writer {
	/*
	 * Write whole lines. 0: *ret_done bytes of them, which end with a line,
	 * are dealt with: written, or refused for good, which the writer counts
	 * with scope_writer_refuse. -EAGAIN: nothing or only those *ret_done
	 * are; the rest again in *ret_wait_ms. Other errors end the stream.
	 * Must not wait longer than wake_fd is not readable.
	 */
	int (*put)(struct scope_writer *w, const char *lines, size_t n,
		   int wake_fd, size_t *ret_done, unsigned *ret_wait_ms);
	void (*free)(struct scope_writer *w);
	size_t batch_bytes;  /* most that is put at once; a longer line alone */
	unsigned linger_ms;  /* how long a smaller batch waits for more */
	uint64_t refused;    /* lines, since it was made; by the stream's thread */
	/* NULL: nobody wants to know */
	void (*refuse)(void *arg, const char *lines, size_t n);
	void *refuse_arg;
	void (*note)(const char *text);
	/* What it does after it was made, for who restricts the process. */
	bool writes_files; /* makes, renames and removes some */
	bool uses_network; /* connects */
	bool needs_user;   /* with the rights of who started us */
};

void scope_writer_free(struct scope_writer *w);
SCOPE_AUTO(scope_writer)

/* Count these lines as lost. */
void scope_writer_refuse(struct scope_writer *w, const char *lines, size_t n);
void scope_writer_note(struct scope_writer *w, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* How long to wait before try number `n` (0, 1, 2…): from first_ms, doubling,
 * up to max_ms, give or take a fifth. */
unsigned scope_writer_backoff(unsigned n, unsigned first_ms, unsigned max_ms);

/* Where to: what `--to` takes. Strings are borrowed. */
struct scope_dest {
	const char *to;		 /* PATH, file:PATH, unix:PATH, tcp:HOST:PORT,
				    http://…, https://… */
	uint64_t rotate_bytes;	 /* files: 0: never */
	unsigned rotate_keep;	 /* files turned over that are kept */
	const char *header_file; /* HTTP: headers to send, one a line; NULL */
	const char *ca_file;	 /* HTTPS: whom to believe; NULL: the system's */
};

/* Makes the writer; connects to nothing yet. */
int scope_writer_new(const struct scope_dest *dest,
		     struct scope_writer **ret_writer, struct scope_err *err);

/* The kinds of writers, each in its file. */
int scope_writer_file(const char *path, uint64_t rotate_bytes, unsigned keep,
		      struct scope_writer **ret_writer, struct scope_err *err);
int scope_writer_unix(const char *path, struct scope_writer **ret_writer,
		      struct scope_err *err);
int scope_writer_tcp(const char *host, const char *port,
		     struct scope_writer **ret_writer, struct scope_err *err);
int scope_writer_http(const char *url, const char *header_file,
		      const char *ca_file, struct scope_writer **ret_writer,
		      struct scope_err *err);

#endif
