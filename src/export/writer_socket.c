/* SPDX-License-Identifier: MIT */
/*
 * A stream socket, connected again whenever it breaks. A batch counts as dealt
 * with once the other side's kernel (TCP) or program (Unix) has all of it; else
 * it is sent again, so that a line can come twice. What the other side's kernel
 * has and its program never reads is lost unseen: only HTTP confirms more.
 */
#include <limits.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "export/writer.h"

#define BATCH_BYTES (256u << 10)
#define CONNECT_MS 10000
#define STEP_MS 1000
#define FIRST_MS 100
#define MOST_MS 5000

struct sock {
	struct scope_writer w; /* first */
	char *host, *port;     /* owned; TCP */
	struct sockaddr_un un; /* Unix */
	char name[300];	       /* for people */
	int fd;
	size_t sent;   /* of the lines that put was given last */
	unsigned tries;
};

static void free_sock(struct scope_writer *w)
{
	struct sock *s = (struct sock *)w;

	if (s->fd >= 0)
		(void)close(s->fd);
	free(s->host);
	free(s->port);
	free(s);
}

/* 0: fd has the event; -EAGAIN not in time, or woken; or its error. */
static int await(int fd, short events, int wake_fd, int ms)
{
	struct pollfd p[2] = { { .fd = fd, .events = events },
			       { .fd = wake_fd, .events = POLLIN } };
	socklen_t len = sizeof(int);
	int e = 0;

	if (poll(p, 2, ms) < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (p[0].revents & (POLLERR | POLLHUP) &&
	    getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len) == 0)
		return e ? -e : -EPIPE;
	return p[0].revents & events ? 0 : -EAGAIN;
}

static int connect_to(struct sock *s, const struct sockaddr *addr,
		      socklen_t len, int wake_fd)
{
	scope_autoclose int fd = socket(
		addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return -errno;
	if (connect(fd, addr, len) < 0) {
		if (errno != EINPROGRESS)
			return -errno;
		r = await(fd, POLLOUT, wake_fd, CONNECT_MS);
		if (r < 0)
			return r == -EAGAIN ? -ETIMEDOUT : r;
	}
	s->fd = fd;
	fd = -1;
	return 0;
}

static int connect_tcp(struct sock *s, int wake_fd, const char **ret_why)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_ADDRCONFIG };
	struct addrinfo *all = NULL;
	int r = getaddrinfo(s->host, s->port, &hints, &all);

	if (r) {
		*ret_why = gai_strerror(r);
		return -EHOSTUNREACH;
	}
	r = -EHOSTUNREACH;
	for (struct addrinfo *a = all; a && s->fd < 0; a = a->ai_next)
		r = connect_to(s, a->ai_addr, a->ai_addrlen, wake_fd);
	freeaddrinfo(all);
	return r;
}

static void lose(struct sock *s)
{
	if (s->fd >= 0)
		(void)close(s->fd);
	s->fd = -1;
	s->sent = 0;
}

static int not_now(struct sock *s, const char *why, unsigned *ret_wait_ms)
{
	if (s->tries == 0)
		scope_writer_note(&s->w, "%s is out of reach: %s; trying again",
				  s->name, why);
	*ret_wait_ms = scope_writer_backoff(s->tries, FIRST_MS, MOST_MS);
	if (s->tries < 1000)
		s->tries++;
	return -EAGAIN;
}

static int make_connection(struct sock *s, int wake_fd, unsigned *ret_wait_ms)
{
	const char *why = NULL;
	int r;

	if (s->host)
		r = connect_tcp(s, wake_fd, &why);
	else
		r = connect_to(s, (struct sockaddr *)&s->un, sizeof(s->un),
			       wake_fd);
	if (r < 0)
		return not_now(s, why ? why : strerror(-r), ret_wait_ms);
	if (s->tries)
		scope_writer_note(&s->w, "%s is within reach again", s->name);
	s->tries = 0;
	return 0;
}

/* Send what is not on its way; then wait until it is there. */
static int send_all(struct sock *s, const char *lines, size_t n, int wake_fd)
{
	int queued = 0, r = 0;

	while (s->sent < n) {
		ssize_t got = send(s->fd, lines + s->sent, n - s->sent,
				   MSG_NOSIGNAL | MSG_DONTWAIT);

		if (got >= 0) {
			s->sent += (size_t)got;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		r = await(s->fd, POLLOUT, wake_fd, STEP_MS);
		if (r < 0)
			return r;
	}
	for (unsigned ms = 0; ms < STEP_MS; ms++) {
		if (ioctl(s->fd, SIOCOUTQ, &queued) < 0)
			return -errno;
		/* No event tells that the queue is empty. A Unix socket's is
		 * when the other side closed, too: so that is asked after. */
		r = await(s->fd, 0, wake_fd, queued ? 1 : 0);
		if (r < 0 && r != -EAGAIN)
			return r;
		if (queued == 0)
			return 0;
	}
	return -EAGAIN;
}

static int put_sock(struct scope_writer *w, const char *lines, size_t n,
		    int wake_fd, size_t *ret_done, unsigned *ret_wait_ms)
{
	struct sock *s = (struct sock *)w;
	int r = 0;

	*ret_done = 0;
	*ret_wait_ms = 0;
	if (s->fd < 0)
		r = make_connection(s, wake_fd, ret_wait_ms);
	if (r < 0)
		return r;
	r = send_all(s, lines, n, wake_fd);
	if (r == 0) {
		s->sent = 0;
		*ret_done = n;
		return 0;
	}
	if (r == -EAGAIN)
		return r;
	lose(s);
	return not_now(s, strerror(-r), ret_wait_ms);
}

static struct sock *new_sock(struct scope_err *err)
{
	struct sock *s = calloc(1, sizeof(*s));

	if (!s) {
		(void)scope_fail(err, -ENOMEM, "out of memory");
		return NULL;
	}
	s->fd = -1;
	s->w.put = put_sock;
	s->w.free = free_sock;
	s->w.batch_bytes = BATCH_BYTES;
	s->w.uses_network = s->w.needs_user = true;
	return s;
}

int scope_writer_unix(const char *path, struct scope_writer **ret_writer,
		      struct scope_err *err)
{
	struct sock *s;

	if (!*path || strlen(path) >= sizeof(s->un.sun_path))
		return scope_fail(err, -EINVAL,
				  "--to unix: needs a path of less than %zu "
				  "bytes",
				  sizeof(s->un.sun_path));
	s = new_sock(err);
	if (!s)
		return -ENOMEM;
	s->un.sun_family = AF_UNIX;
	memcpy(s->un.sun_path, path, strlen(path) + 1);
	(void)snprintf(s->name, sizeof(s->name), "unix:%s", path);
	*ret_writer = &s->w;
	return 0;
}

int scope_writer_tcp(const char *host, const char *port,
		     struct scope_writer **ret_writer, struct scope_err *err)
{
	scope_auto(scope_writer) w = NULL;
	struct sock *s = new_sock(err);

	if (!s)
		return -ENOMEM;
	w = &s->w;
	s->host = strdup(host);
	s->port = strdup(port);
	if (!s->host || !s->port)
		return scope_fail(err, -ENOMEM, "out of memory");
	(void)snprintf(s->name, sizeof(s->name), "%s:%s", host, port);
	*ret_writer = scope_take(w);
	return 0;
}
