/* SPDX-License-Identifier: MIT */
#include "export/writer.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/time.h"

#define NOTE_BYTES 400

void scope_writer_free(struct scope_writer *w)
{
	if (w)
		w->free(w);
}

void scope_writer_refuse(struct scope_writer *w, const char *lines, size_t n)
{
	for (size_t i = 0; i < n; i++)
		w->refused += lines[i] == '\n';
	if (w->refuse)
		w->refuse(w->refuse_arg, lines, n);
}

void scope_writer_note(struct scope_writer *w, const char *fmt, ...)
{
	char text[NOTE_BYTES];
	va_list ap;

	if (!w->note)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	w->note(text);
}

unsigned scope_writer_backoff(unsigned n, unsigned first_ms, unsigned max_ms)
{
	uint64_t ms = first_ms;

	while (n-- && ms < max_ms)
		ms *= 2;
	if (ms > max_ms)
		ms = max_ms;
	/* Many observers of one server must not come back all at once. */
	return (unsigned)(ms * 4 / 5 + scope_now_ns() / 1000 % (ms * 2 / 5 + 1));
}

static int tcp(const char *to, struct scope_writer **ret_writer,
	       struct scope_err *err)
{
	const char *colon = strrchr(to, ':');
	char host[256];
	size_t n;

	if (!colon || colon == to || !colon[1])
		goto wrong;
	n = (size_t)(colon - to);
	if (to[0] == '[' && to[n - 1] == ']') {
		to++;
		n -= 2;
	}
	if (n == 0 || n >= sizeof(host))
		goto wrong;
	memcpy(host, to, n);
	host[n] = '\0';
	return scope_writer_tcp(host, colon + 1, ret_writer, err);
wrong:
	return scope_fail(err, -EINVAL,
			  "--to tcp:%.200s: write it as tcp:HOST:PORT, an IPv6 "
			  "address as tcp:[::1]:PORT",
			  to);
}

int scope_writer_new(const struct scope_dest *dest,
		     struct scope_writer **ret_writer, struct scope_err *err)
{
	const char *to = dest->to;
	bool is_http = !strncasecmp(to, "http://", 7) ||
		       !strncasecmp(to, "https://", 8);

	if (!is_http && (dest->header_file || dest->ca_file))
		return scope_fail(err, -EINVAL,
				  "--header-file and --cacert are for --to "
				  "http://… and https://…");
	if (is_http)
		return scope_writer_http(to, dest->header_file, dest->ca_file,
					 ret_writer, err);
	if (!strncmp(to, "unix:", 5))
		return scope_writer_unix(to + 5, ret_writer, err);
	if (!strncmp(to, "tcp:", 4))
		return tcp(to + 4, ret_writer, err);
	if (!strncmp(to, "file:", 5))
		to += 5;
	else if (!strchr(to, '/') && strchr(to, ':'))
		return scope_fail(err, -EINVAL,
				  "--to %.200s: no such kind of place; there "
				  "are file:, unix:, tcp:, http: and https:",
				  to);
	return scope_writer_file(to, dest->rotate_bytes, dest->rotate_keep,
				 ret_writer, err);
}
