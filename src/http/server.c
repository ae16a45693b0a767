/* SPDX-License-Identifier: MIT */
#include "http/server.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define SILENCE_S 10u
#define TEXT_BYTES (4u << 20)

struct scope_http {
	struct scope_http_opts opts;
	struct MHD_Daemon *daemon; /* NULL: not started */
	int fd;
	char token[SCOPE_HTTP_TOKEN_BYTES]; /* "": none */
	char where[80];
};

bool scope_http_same(const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b);
	unsigned char diff = na != nb;

	for (size_t i = 0; i < nb; i++)
		diff |= (unsigned char)(a[na ? i % na : 0] ^ b[i]);
	return diff == 0;
}

/* -- answers ------------------------------------------------------------------------ */

static enum MHD_Result answer(struct MHD_Connection *c, unsigned code,
			      const char *type, const char *text, size_t len)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(
		len, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result done = MHD_NO;

	if (!r)
		return MHD_NO;
	if (MHD_add_response_header(r, "Content-Type", type) == MHD_YES &&
	    MHD_add_response_header(r, "Cache-Control", "no-store") ==
		    MHD_YES &&
	    (code != 401 ||
	     MHD_add_response_header(r, "WWW-Authenticate", "Bearer") ==
		     MHD_YES) &&
	    (code != 405 ||
	     MHD_add_response_header(r, "Allow", "GET, HEAD") == MHD_YES))
		done = MHD_queue_response(c, code, r);
	MHD_destroy_response(r);
	return done;
}

static enum MHD_Result say(struct MHD_Connection *c, unsigned code,
			   const char *text)
{
	return answer(c, code, "text/plain; charset=utf-8", text,
		      strlen(text));
}

static bool is_allowed(const struct scope_http *h, struct MHD_Connection *c)
{
	static const char bearer[] = "Bearer ";
	const char *given = MHD_lookup_connection_value(c, MHD_HEADER_KIND,
							"Authorization");

	if (!h->token[0])
		return true;
	return given && !strncasecmp(given, bearer, sizeof(bearer) - 1) &&
	       scope_http_same(h->token, given + sizeof(bearer) - 1);
}

static enum MHD_Result metrics(struct scope_http *h, struct MHD_Connection *c)
{
	scope_autofree char *text = malloc(TEXT_BYTES);
	struct scope_buf out = scope_buf_of(text, TEXT_BYTES);

	if (!is_allowed(h, c))
		return say(c, 401, "a token is needed: Authorization: Bearer …\n");
	if (!text)
		return say(c, 500, "out of memory\n");
	h->opts.metrics(h->opts.arg, &out);
	if (out.full)
		return say(c, 500, "too many nodes for one answer\n");
	return answer(c, 200, "text/plain; version=0.0.4; charset=utf-8",
		      out.p, out.len);
}

static enum MHD_Result route(void *arg, struct MHD_Connection *c,
			     const char *url, const char *method,
			     const char *version, const char *body, size_t *len,
			     void **state)
{
	struct scope_http *h = arg;
	void *scope_arg = h->opts.arg;

	(void)version;
	(void)body;
	(void)state;
	if (*len) {
		*len = 0; /* nobody reads bodies */
		return MHD_YES;
	}
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return say(c, 405, "GET or HEAD\n");
	if (!strcmp(url, "/healthz"))
		return h->opts.is_healthy(scope_arg) ?
			       say(c, 200, "ok\n") :
			       say(c, 503, "the observer does not work\n");
	if (!strcmp(url, "/readyz"))
		return h->opts.is_ready(scope_arg) ?
			       say(c, 200, "ok\n") :
			       say(c, 503, "no node is watched\n");
	if (!strcmp(url, "/metrics"))
		return metrics(h, c);
	return say(c, 404, "there are /healthz, /readyz and /metrics\n");
}

/* -- addresses ---------------------------------------------------------------------- */

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static int parse(const char *text, union address *a, struct scope_err *err)
{
	const char *colon = strrchr(text, ':');
	const char *port = colon ? colon + 1 : text;
	size_t n = colon ? (size_t)(colon - text) : 0;
	char host[64] = "127.0.0.1", *end;
	unsigned long number;

	memset(a, 0, sizeof(*a));
	number = strtoul(port, &end, 10);
	if (!isdigit((unsigned char)*port) || *end || number > 65535 ||
	    n >= sizeof(host))
		goto wrong;
	if (colon) {
		if (n > 2 && text[0] == '[' && text[n - 1] == ']') {
			text++;
			n -= 2;
		}
		memcpy(host, text, n);
		host[n] = '\0';
	}
	if (inet_pton(AF_INET, host, &a->v4.sin_addr) == 1) {
		a->v4.sin_family = AF_INET;
		a->v4.sin_port = htons((uint16_t)number);
		return 0;
	}
	if (inet_pton(AF_INET6, host, &a->v6.sin6_addr) == 1) {
		a->v6.sin6_family = AF_INET6;
		a->v6.sin6_port = htons((uint16_t)number);
		return 0;
	}
wrong:
	return scope_fail(err, -EINVAL,
			  "--listen takes a port, or an address and a port as "
			  "127.0.0.1:9464 or [::1]:9464, not '%.80s'",
			  text);
}

static bool is_loopback(const union address *a)
{
	if (a->any.sa_family == AF_INET)
		return ntohl(a->v4.sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
}

static int bind_to(const union address *a, const char *text,
		   struct scope_err *err)
{
	socklen_t len = a->any.sa_family == AF_INET ? sizeof(a->v4) :
						      sizeof(a->v6);
	int on = 1, e;
	int fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return scope_fail(err, -EIO, "can't listen on %s: %s", text,
				  strerror(errno));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, &a->any, len) == 0 && listen(fd, SOMAXCONN) == 0)
		return fd;
	e = errno;
	(void)close(fd);
	return scope_fail(err, e == EADDRINUSE ? -EADDRINUSE : -EIO,
			  "can't listen on %s: %s", text, strerror(e));
}

static void set_where(struct scope_http *h, int fd)
{
	union address a;
	socklen_t len = sizeof(a);
	char host[64] = "?";

	memset(&a, 0, sizeof(a));
	(void)getsockname(fd, &a.any, &len);
	if (a.any.sa_family == AF_INET) {
		(void)inet_ntop(AF_INET, &a.v4.sin_addr, host, sizeof(host));
		(void)snprintf(h->where, sizeof(h->where), "%s:%u", host,
			       ntohs(a.v4.sin_port));
	} else {
		(void)inet_ntop(AF_INET6, &a.v6.sin6_addr, host, sizeof(host));
		(void)snprintf(h->where, sizeof(h->where), "[%s]:%u", host,
			       ntohs(a.v6.sin6_port));
	}
}

/* -- making one --------------------------------------------------------------------- */

static int read_token(struct scope_http *h, const char *path,
		      struct scope_err *err)
{
	scope_autofclose FILE *f = fopen(path, "re");

	if (!f)
		return scope_fail(err, -EIO, "can't read the token in %s: %s",
				  path, strerror(errno));
	if (!fgets(h->token, sizeof(h->token), f))
		h->token[0] = '\0';
	/* A longer line would be cut, and never match. */
	if (strlen(h->token) == sizeof(h->token) - 1)
		return scope_fail(err, -EINVAL,
				  "%s: a token has at most %d bytes", path,
				  SCOPE_HTTP_TOKEN_BYTES - 2);
	h->token[strcspn(h->token, "\r\n")] = '\0';
	if (!h->token[0])
		return scope_fail(err, -EINVAL, "%s: there is no token in it",
				  path);
	return 0;
}

int scope_http_new(const struct scope_http_opts *opts,
		   struct scope_http **ret_http, struct scope_err *err)
{
	scope_auto(scope_http) h = calloc(1, sizeof(*h));
	union address a;
	int r, fd;

	if (!h)
		return scope_fail(err, -ENOMEM, "out of memory");
	h->fd = -1;
	h->opts = *opts;
	r = parse(opts->listen, &a, err);
	if (r == 0 && opts->token_file)
		r = read_token(h, opts->token_file, err);
	if (r < 0)
		return r;
	if (!is_loopback(&a) && !h->token[0])
		return scope_fail(err, -EINVAL,
				  "--listen %s can be reached from elsewhere; "
				  "say with --token-file which token is needed",
				  opts->listen);
	fd = bind_to(&a, opts->listen, err);
	if (fd < 0)
		return fd;
	h->fd = fd;
	set_where(h, fd);
	*ret_http = scope_take(h);
	return 0;
}

int scope_http_start(struct scope_http *h, struct scope_err *err)
{
	h->daemon = MHD_start_daemon(
		MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL | MHD_USE_ITC,
		0, NULL, NULL, route, h, MHD_OPTION_LISTEN_SOCKET, h->fd,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)SCOPE_HTTP_CONNECTIONS,
		MHD_OPTION_CONNECTION_TIMEOUT, SILENCE_S, MHD_OPTION_END);
	return h->daemon ? 0 :
			   scope_fail(err, -EIO,
				      "the HTTP server does not start");
}

void scope_http_free(struct scope_http *h)
{
	if (!h)
		return;
	if (h->daemon)
		MHD_stop_daemon(h->daemon); /* closes fd */
	else if (h->fd >= 0)
		(void)close(h->fd);
	memset(h->token, 0, sizeof(h->token));
	free(h);
}

const char *scope_http_where(const struct scope_http *h)
{
	return h->where;
}
