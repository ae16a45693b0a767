/* SPDX-License-Identifier: MIT */
/*
 * server: the HTTP server of the observer.
 *
 *   GET /healthz   200 while the observer works, else 503
 *   GET /readyz    200 while it watches a node, else 503
 *   GET /metrics   numbers for Prometheus (export/metrics.h)
 *
 * Shapes:  listens on one address; what it answers from is given as functions.
 *          The first two need no token, as a cluster's probes have none; they
 *          tell no more than their status.
 * Limits:  SCOPE_HTTP_CONNECTIONS at once, 10 s of silence each; no bodies.
 * Errors:  -EINVAL no such address, or no token where there must be one;
 *          -EADDRINUSE -EACCES -EIO, all with words.
 * Threads: one of its own, which calls the functions.
 */
#ifndef SCOPE_HTTP_SERVER_H
#define SCOPE_HTTP_SERVER_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/err.h"

#define SCOPE_HTTP_CONNECTIONS 32
#define SCOPE_HTTP_TOKEN_BYTES 256

struct scope_http;

struct scope_http_opts {
	const char *listen;	/* "PORT", "ADDR:PORT", "[ADDR]:PORT"; without
				   an address 127.0.0.1 */
	const char *token_file; /* its first line is the token; NULL: none */
	bool (*is_healthy)(void *arg);
	bool (*is_ready)(void *arg);
	/* Append the text; what does not fit makes the answer 500. */
	void (*metrics)(void *arg, struct scope_buf *out);
	void *arg;
};

/* Listens, but answers nobody before it is started: rights and other threads
 * can be dealt with between the two. */
int scope_http_new(const struct scope_http_opts *opts,
		   struct scope_http **ret_http, struct scope_err *err);
int scope_http_start(struct scope_http *h, struct scope_err *err);
void scope_http_free(struct scope_http *h);
SCOPE_AUTO(scope_http)

/* Where it listens, for people and tests: "127.0.0.1:9464". */
const char *scope_http_where(const struct scope_http *h);

/* Whether two secrets are equal, in a time that does not tell where not. */
bool scope_http_same(const char *a, const char *b);

#endif
