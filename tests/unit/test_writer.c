/* SPDX-License-Identifier: MIT */
/* Lines to files, sockets and HTTP servers that fail now and then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "export/stream.h"
#include "export/writer.h"

#define DEADLINE_MS 20000
#define CAP (1u << 20)

static char dir[64];
static char notes[4096];
static uint64_t refused;

static void note(const char *text)
{
	(void)strncat(notes, text, sizeof(notes) - strlen(notes) - 2);
	(void)strcat(notes, "\n");
}

static void count_refused(void *arg, const char *lines, size_t n)
{
	(void)arg;
	assert_true(n && lines[n - 1] == '\n');
	for (size_t i = 0; i < n; i++)
		refused += lines[i] == '\n';
}

static void pause_ms(unsigned ms)
{
	struct timespec t = { .tv_sec = ms / 1000,
			      .tv_nsec = (long)(ms % 1000) * 1000000 };

	(void)nanosleep(&t, NULL);
}

static struct scope_stream *open_stream(const struct scope_dest *dest)
{
	struct scope_writer *w = NULL;
	struct scope_stream *s = NULL;
	struct scope_err err = { 0 };

	notes[0] = '\0';
	refused = 0;
	if (scope_writer_new(dest, &w, &err) < 0)
		fail_msg("%s: %s", dest->to, err.text);
	w->note = note;
	w->refuse = count_refused;
	if (w->linger_ms)
		w->linger_ms = 20;
	assert_int_equal(scope_stream_new_writer(w, CAP, &s), 0);
	return s;
}

static void put(struct scope_stream *s, unsigned from, unsigned to)
{
	char line[64];

	for (unsigned i = from; i < to; i++) {
		size_t n = (size_t)snprintf(line, sizeof(line), "%u%*s\n", i,
					    (int)(i % 23), "");

		while (scope_stream_put(s, line, n, 0) == -ENOBUFS)
			pause_ms(1);
	}
}

/* What lines may do besides rising by one. */
enum { AGAIN = 1, GAPS = 2 };

/* Lines of a text; returns the number after the last. */
static unsigned check_lines(const char *text, size_t len, unsigned next,
			    unsigned may)
{
	const char *end = text + len;

	while (text < end) {
		unsigned i;

		assert_int_equal(sscanf(text, "%u", &i), 1);
		if (((may & AGAIN) && i < next) || ((may & GAPS) && i > next))
			next = i;
		assert_int_equal(i, next);
		text = memchr(text, '\n', (size_t)(end - text));
		assert_non_null(text);
		text++;
		next++;
	}
	return next;
}

static char *slurp(const char *path, size_t *ret_len)
{
	FILE *f = fopen(path, "re");
	char *text = malloc(8u << 20);

	assert_non_null(f);
	assert_non_null(text);
	*ret_len = fread(text, 1, 8u << 20, f);
	(void)fclose(f);
	return text;
}

/* -- files -------------------------------------------------------------------------- */

static void files_are_turned_over(void **state)
{
	struct scope_dest d = { .rotate_bytes = 100000, .rotate_keep = 3 };
	char path[128], name[160];
	struct scope_stream *s;
	unsigned next = 0;
	struct stat st;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/events.json", dir);
	d.to = path;
	s = open_stream(&d);
	put(s, 0, 20000);
	assert_int_equal(scope_stream_flush(s, DEADLINE_MS), 0);
	scope_stream_free(s);
	/* The oldest are gone; what is left has no gap. */
	for (int i = 3; i >= 0; i--) {
		size_t len;
		char *text;

		(void)snprintf(name, sizeof(name), i ? "%s.%d" : "%s", path, i);
		text = slurp(name, &len);
		assert_in_range(len, 1, 100000);
		if (i == 3)
			assert_int_equal(sscanf(text, "%u", &next), 1);
		next = check_lines(text, len, next, 0);
		free(text);
		assert_int_equal(stat(name, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
	assert_int_equal(next, 20000);
	(void)snprintf(name, sizeof(name), "%s.4", path);
	assert_int_equal(access(name, F_OK), -1);
	/* Another run appends. */
	s = open_stream(&d);
	put(s, 20000, 20001);
	assert_int_equal(scope_stream_flush(s, DEADLINE_MS), 0);
	scope_stream_free(s);
}

static void a_full_disk_is_waited_for(void **state)
{
	struct rlimit was, small = { 10000, RLIM_INFINITY };
	char path[128];
	struct scope_dest d = { .to = path };
	struct scope_stream *s;
	size_t len;
	char *text;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/full.json", dir);
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small.rlim_max = was.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	s = open_stream(&d);
	put(s, 0, 2000);
	assert_int_equal(scope_stream_flush(s, 100), -ETIMEDOUT);
	assert_true(scope_stream_unwritten(s) > 0);
	/* No half line is left meanwhile. */
	text = slurp(path, &len);
	assert_in_range(len, 9900, 10000);
	(void)check_lines(text, len, 0, 0);
	free(text);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(scope_stream_flush(s, DEADLINE_MS), 0);
	scope_stream_free(s);
	text = slurp(path, &len);
	assert_int_equal(check_lines(text, len, 0, 0), 2000);
	free(text);
	assert_non_null(strstr(notes, "trying again"));
	assert_non_null(strstr(notes, "written to again"));
}

/* -- sockets ------------------------------------------------------------------------ */

struct server {
	int listener;
	unsigned breaks; /* connections that are broken after some bytes */
	unsigned lines;	 /* to come in all */
	unsigned may;
	bool is_good;
	unsigned next;
	int last; /* the connection that the last line came on: left open */
};

/* Take whole lines until enough came. */
static void *serve(void *arg)
{
	struct server *v = arg;
	static char text[4u << 20];

	while (v->next < v->lines) {
		int fd = accept(v->listener, NULL, NULL);
		size_t len = 0;
		const char *end;
		ssize_t n;

		if (fd < 0)
			break;
		while (v->next < v->lines &&
		       (n = read(fd, text + len, sizeof(text) - len)) > 0) {
			len += (size_t)n;
			if (v->breaks && len > 20000) {
				v->breaks--;
				break;
			}
			end = memrchr(text, '\n', len);
			if (end && v->breaks == 0) {
				n = end + 1 - text;
				v->next = check_lines(text, (size_t)n, v->next,
						      v->may);
				memmove(text, text + n, len - (size_t)n);
				len -= (size_t)n;
			}
		}
		end = len ? memrchr(text, '\n', len) : NULL;
		if (end)
			v->next = check_lines(text, (size_t)(end + 1 - text),
					      v->next, v->may);
		if (v->next < v->lines)
			(void)close(fd);
		else
			v->last = fd;
	}
	v->is_good = v->next == v->lines;
	return NULL;
}

static int listen_tcp(unsigned *ret_port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int bytes = 32768;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes,
				    sizeof(bytes)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*ret_port = ntohs(a.sin_port);
	return fd;
}

static void through_socket(struct server *v, const char *to)
{
	struct scope_dest d = { .to = to };
	struct scope_stream *s = open_stream(&d);
	pthread_t t;

	/* Many times what a connection that breaks takes with it. */
	v->lines = 200000;
	assert_int_equal(pthread_create(&t, NULL, serve, v), 0);
	put(s, 0, v->lines);
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_true(v->is_good);
	assert_int_equal(scope_stream_flush(s, DEADLINE_MS), 0);
	scope_stream_free(s);
	(void)close(v->last);
	(void)close(v->listener);
}

static void broken_tcp_is_connected_again(void **state)
{
	/* What the kernel took from the line and no program read is gone. */
	struct server v = { .breaks = 3, .may = AGAIN | GAPS };
	char to[64];
	unsigned port;

	(void)state;
	v.listener = listen_tcp(&port);
	(void)snprintf(to, sizeof(to), "tcp:127.0.0.1:%u", port);
	through_socket(&v, to);
}

static void broken_unix_is_connected_again(void **state)
{
	struct server v = { .breaks = 3, .may = AGAIN };
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char to[128];

	(void)state;
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s/socket", dir);
	(void)snprintf(to, sizeof(to), "unix:%s", a.sun_path);
	v.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(v.listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(v.listener, 4), 0);
	through_socket(&v, to);
}

/* Nobody listens at first: said once, tried again. */
static void who_comes_late_gets_all(void **state)
{
	struct scope_dest d = { 0 };
	struct server v = { .lines = 100 };
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct scope_stream *s;
	char to[128], *again;

	(void)state;
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s/late", dir);
	(void)snprintf(to, sizeof(to), "unix:%s", a.sun_path);
	d.to = to;
	s = open_stream(&d);
	put(s, 0, 100);
	assert_int_equal(scope_stream_flush(s, 300), -ETIMEDOUT);
	assert_int_equal(scope_stream_unwritten(s), 100);
	v.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(v.listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(v.listener, 4), 0);
	(void)serve(&v);
	assert_true(v.is_good);
	scope_stream_free(s);
	(void)close(v.last);
	(void)close(v.listener);
	again = strstr(notes, "within reach again");
	assert_non_null(again);
	*again = '\0';
	assert_non_null(strstr(notes, "out of reach"));
	assert_null(strstr(strstr(notes, "out of reach") + 1, "out of reach"));
}

/* What it waits for does not hold up the end. */
static void it_stops_while_it_waits(void **state)
{
	struct scope_dest d = { 0 };
	struct scope_stream *s;
	char to[128];

	(void)state;
	(void)snprintf(to, sizeof(to), "unix:%s/nobody", dir);
	d.to = to;
	s = open_stream(&d);
	put(s, 0, 10);
	pause_ms(500); /* the back-off is long by now */
	scope_stream_free(s);
}

/* -- HTTP --------------------------------------------------------------------------- */

struct http {
	int listener;
	const int *codes; /* one for each request; the last one for all others */
	unsigned requests;
	unsigned next;	  /* of the lines accepted */
	unsigned lines;
	bool has_plain, has_token;
	char extra[64]; /* a header of the answers */
};

static size_t unpack(char *in, size_t n, char *out, size_t cap)
{
	z_stream z = { .next_in = (Bytef *)in,
		       .avail_in = (uInt)n,
		       .next_out = (Bytef *)out,
		       .avail_out = (uInt)cap };

	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	(void)inflateEnd(&z);
	return cap - z.avail_out;
}

static void answer(struct http *h, int fd, char *head, char *body, size_t len)
{
	static char text[4u << 20];
	int code = h->codes[0];
	bool is_gzip = strcasestr(head, "Content-Encoding: gzip");
	char reply[256];

	if (h->codes[1])
		h->codes++;
	h->requests++;
	assert_non_null(strcasestr(head, "POST /in?key=secret HTTP"));
	assert_non_null(strcasestr(head, "application/x-ndjson"));
	h->has_token |= strcasestr(head, "X-Token: t1") != NULL;
	h->has_plain |= !is_gzip;
	if (code == 200) {
		if (is_gzip)
			len = unpack(body, len, text, sizeof(text));
		else
			memcpy(text, body, len);
		h->next = check_lines(text, len, h->next, 0);
	}
	if (code == 0) /* hangs up */
		return;
	(void)snprintf(reply, sizeof(reply),
		       "HTTP/1.1 %d X\r\n%sContent-Length: 5\r\n\r\nsorry", code,
		       h->extra);
	assert_int_equal(write(fd, reply, strlen(reply)), strlen(reply));
}

static void *serve_http(void *arg)
{
	static char in[4u << 20];
	struct http *h = arg;

	while (h->next < h->lines) {
		int fd = accept(h->listener, NULL, NULL);
		size_t len = 0;
		ssize_t n;

		if (fd < 0)
			break;
		while ((n = read(fd, in + len, sizeof(in) - 1 - len)) > 0) {
			char *body, *at;
			size_t want;

			len += (size_t)n;
			in[len] = '\0';
			body = strstr(in, "\r\n\r\n");
			at = body ? strcasestr(in, "Content-Length:") : NULL;
			if (!at)
				continue;
			want = (size_t)strtoul(at + 15, NULL, 10);
			body += 4;
			if (len < (size_t)(body - in) + want)
				continue;
			body[-1] = '\0';
			answer(h, fd, in, body, want);
			len = 0;
			if (h->requests && h->codes[0] == 0)
				break;
			if (h->next >= h->lines)
				break;
		}
		(void)close(fd);
	}
	return NULL;
}

/* Send `lines` lines to a server that answers so. */
static struct http through_http(const int *codes, unsigned lines,
				unsigned lost, const char *header_file,
				const char *extra)
{
	struct http h = { .codes = codes, .next = lost, .lines = lines };
	struct scope_dest d = { .header_file = header_file };
	struct scope_stream *s;
	char to[128];
	unsigned port;
	pthread_t t;

	(void)snprintf(h.extra, sizeof(h.extra), "%s", extra);
	h.listener = listen_tcp(&port);
	(void)snprintf(to, sizeof(to), "http://127.0.0.1:%u/in?key=secret",
		       port);
	d.to = to;
	s = open_stream(&d);
	assert_int_equal(pthread_create(&t, NULL, serve_http, &h), 0);
	put(s, 0, lost);
	if (lost)
		assert_int_equal(scope_stream_flush(s, DEADLINE_MS), 0);
	put(s, lost, lines);
	assert_int_equal(scope_stream_flush(s, DEADLINE_MS), 0);
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_int_equal(scope_stream_refused(s), lost);
	assert_int_equal(refused, lost);
	assert_int_equal(h.next, lines);
	scope_stream_free(s);
	(void)close(h.listener);
	assert_null(strstr(notes, "secret"));
	return h;
}

static void batches_are_posted(void **state)
{
	static const int codes[] = { 200, 0 };
	char path[128];
	struct http h;
	FILE *f;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/headers", dir);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs("# comment\nX-Token: t1\r\n\n", f) >= 0);
	(void)fclose(f);
	h = through_http(codes, 50000, 0, path, "");
	assert_true(h.has_token);
	assert_false(h.has_plain);
	assert_in_range(h.requests, 1, 1000);
	assert_string_equal(notes, "");
}

static void what_may_work_later_is_tried_again(void **state)
{
	static const int codes[] = { 503, 429, 200, 0 };
	struct http h;

	(void)state;
	h = through_http(codes, 100, 0, NULL, "Retry-After: 1\r\n");
	assert_true(h.requests >= 3);
	assert_non_null(strstr(notes, "it answers 503"));
	assert_non_null(strstr(notes, "takes events again"));
}

static void what_is_refused_is_counted(void **state)
{
	static const int codes[] = { 400, 200, 0 };

	(void)state;
	(void)through_http(codes, 200, 50, NULL, "");
	assert_non_null(strstr(notes, "refuses events: it answers 400: sorry"));
}

static void who_knows_no_gzip_gets_plain(void **state)
{
	static const int codes[] = { 415, 200, 0 };
	struct http h;

	(void)state;
	h = through_http(codes, 100, 0, NULL, "");
	assert_true(h.has_plain);
}

/* -- what is no place ---------------------------------------------------------------- */

static void wrong_places_are_refused(void **state)
{
	static const struct scope_dest wrong[] = {
		{ .to = "file:" },
		{ .to = "/nonexistent/x" },
		{ .to = "/dev/null" },
		{ .to = "/tmp" },
		{ .to = "udp:host:1" },
		{ .to = "tcp:host" },
		{ .to = "tcp::80" },
		{ .to = "tcp:host:" },
		{ .to = "unix:" },
		{ .to = "http://" },
		{ .to = "http://user:pw@host/" },
		{ .to = "http://host/", .header_file = "/nonexistent" },
		{ .to = "http://host/", .ca_file = "/nonexistent" },
		{ .to = "tcp:host:1", .ca_file = "/dev/null" },
	};
	char path[128];
	struct scope_dest d = { .to = "http://host/", .header_file = path };
	FILE *f;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct scope_err err = { 0 };
		struct scope_writer *w = NULL;

		if (scope_writer_new(&wrong[i], &w, &err) == 0)
			fail_msg("%s is taken", wrong[i].to);
		assert_null(w);
		assert_true(strlen(err.text) > 10);
		assert_null(strstr(err.text, "pw"));
	}
	(void)snprintf(path, sizeof(path), "%s/no_headers", dir);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs("secret\n", f) >= 0);
	(void)fclose(f);
	{
		struct scope_err err = { 0 };
		struct scope_writer *w = NULL;

		assert_int_equal(scope_writer_new(&d, &w, &err), -EINVAL);
		assert_null(strstr(err.text, "secret"));
	}
}

static int set_up(void **state)
{
	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	(void)snprintf(dir, sizeof(dir), "/tmp/scope_writer_XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_turned_over),
		cmocka_unit_test(a_full_disk_is_waited_for),
		cmocka_unit_test(broken_tcp_is_connected_again),
		cmocka_unit_test(broken_unix_is_connected_again),
		cmocka_unit_test(who_comes_late_gets_all),
		cmocka_unit_test(it_stops_while_it_waits),
		cmocka_unit_test(batches_are_posted),
		cmocka_unit_test(what_may_work_later_is_tried_again),
		cmocka_unit_test(what_is_refused_is_counted),
		cmocka_unit_test(who_knows_no_gzip_gets_plain),
		cmocka_unit_test(wrong_places_are_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
