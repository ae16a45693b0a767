/* SPDX-License-Identifier: MIT */
/*
 * Batches of lines by HTTP POST, as application/x-ndjson with gzip. What may
 * succeed later (no connection, 408, 425, 429, 5xx) is tried again, later each
 * time, or when the server says so; what won't (other 4xx) is refused and
 * counted. A server that knows no gzip (415) gets plain text from then on.
 */
#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "export/writer.h"

#define BATCH_BYTES (1u << 20)
#define LINGER_MS 1000
#define FIRST_MS 500
#define MOST_MS 30000
#define CONNECT_MS 10000
#define TOTAL_MS 60000
#define HEADERS_MAX 64
#define ANSWER_BYTES 200 /* of an answer that refuses, for people */

struct http {
	struct scope_writer w; /* first */
	CURLM *multi;
	CURL *easy;
	struct curl_slist *plain, *gzip; /* headers */
	char name[256];			 /* the URL without its query */
	unsigned char *packed;		 /* owned */
	size_t packed_cap;
	char answer[ANSWER_BYTES + 1];
	size_t answer_len;
	char why[CURL_ERROR_SIZE];
	unsigned tries;
	bool is_plain;
	bool is_refusing; /* said so */
};

static void free_http(struct scope_writer *w)
{
	struct http *h = (struct http *)w;

	if (h->multi && h->easy)
		(void)curl_multi_remove_handle(h->multi, h->easy);
	curl_easy_cleanup(h->easy);
	(void)curl_multi_cleanup(h->multi);
	curl_slist_free_all(h->plain);
	curl_slist_free_all(h->gzip);
	free(h->packed);
	free(h);
}

/* What the server says; the start of it. */
static size_t take_answer(char *p, size_t size, size_t n, void *arg)
{
	struct http *h = arg;
	size_t room = ANSWER_BYTES - h->answer_len;

	n *= size;
	memcpy(h->answer + h->answer_len, p, n < room ? n : room);
	h->answer_len += n < room ? n : room;
	return n;
}

/* Lines as gzip. 0: does not work, then they go as they are. */
static size_t pack(struct http *h, const char *lines, size_t n)
{
	z_stream z = { 0 };
	size_t need, len = 0;

	if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return 0;
	need = deflateBound(&z, n);
	if (need > h->packed_cap) {
		unsigned char *p = realloc(h->packed, need);

		if (p) {
			h->packed = p;
			h->packed_cap = need;
		}
	}
	if (need <= h->packed_cap) {
		z.next_in = (z_const Bytef *)(uintptr_t)lines;
		z.avail_in = (uInt)n;
		z.next_out = h->packed;
		z.avail_out = (uInt)h->packed_cap;
		if (deflate(&z, Z_FINISH) == Z_STREAM_END)
			len = h->packed_cap - z.avail_out;
	}
	(void)deflateEnd(&z);
	return len;
}

/* One request. 0: there is an answer; -EAGAIN: woken before; -EIO: h->why. */
static int request(struct http *h, int wake_fd)
{
	struct curl_waitfd wake = { .fd = (curl_socket_t)wake_fd,
				    .events = CURL_WAIT_POLLIN };
	CURLMsg *msg;
	int running = 1, left, r = -EIO;

	h->answer_len = 0;
	h->why[0] = '\0';
	if (curl_multi_add_handle(h->multi, h->easy) != CURLM_OK)
		return -EIO;
	while (running) {
		if (curl_multi_perform(h->multi, &running) != CURLM_OK)
			break;
		if (!running)
			break;
		if (curl_multi_poll(h->multi, &wake, 1, 1000, NULL) !=
		    CURLM_OK)
			break;
		if (wake.revents) {
			r = -EAGAIN;
			goto out;
		}
	}
	while ((msg = curl_multi_info_read(h->multi, &left)))
		if (msg->msg == CURLMSG_DONE) {
			r = msg->data.result == CURLE_OK ? 0 : -EIO;
			if (r < 0 && !h->why[0])
				(void)snprintf(
					h->why, sizeof(h->why), "%s",
					curl_easy_strerror(msg->data.result));
		}
out:
	(void)curl_multi_remove_handle(h->multi, h->easy);
	h->answer[h->answer_len] = '\0';
	h->answer[strcspn(h->answer, "\r\n")] = '\0';
	for (char *p = h->answer; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
	return r;
}

static int not_now(struct http *h, const char *why, unsigned *ret_wait_ms)
{
	curl_off_t after = 0;

	if (h->tries == 0)
		scope_writer_note(&h->w, "%s is out of reach: %s; trying again",
				  h->name, why);
	*ret_wait_ms = scope_writer_backoff(h->tries, FIRST_MS, MOST_MS);
	if (curl_easy_getinfo(h->easy, CURLINFO_RETRY_AFTER, &after) ==
		    CURLE_OK &&
	    after > 0)
		*ret_wait_ms = after < 600 ? (unsigned)after * 1000 : 600000;
	if (h->tries < 1000)
		h->tries++;
	return -EAGAIN;
}

static int accepted(struct http *h, size_t n, size_t *ret_done)
{
	if (h->tries || h->is_refusing)
		scope_writer_note(&h->w, "%s takes events again", h->name);
	h->tries = 0;
	h->is_refusing = false;
	*ret_done = n;
	return 0;
}

static int put_http(struct scope_writer *w, const char *lines, size_t n,
		    int wake_fd, size_t *ret_done, unsigned *ret_wait_ms)
{
	struct http *h = (struct http *)w;
	size_t packed = h->is_plain ? 0 : pack(h, lines, n);
	char why[64];
	long code = 0;
	int r;

	*ret_done = 0;
	*ret_wait_ms = 0;
	(void)curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER,
			       packed ? h->gzip : h->plain);
	(void)curl_easy_setopt(h->easy, CURLOPT_POSTFIELDS,
			       packed ? (const char *)h->packed : lines);
	(void)curl_easy_setopt(h->easy, CURLOPT_POSTFIELDSIZE_LARGE,
			       (curl_off_t)(packed ? packed : n));
	r = request(h, wake_fd);
	if (r == -EAGAIN)
		return r;
	if (r < 0)
		return not_now(h, h->why, ret_wait_ms);
	(void)curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &code);
	if (code >= 200 && code < 300)
		return accepted(h, n, ret_done);
	(void)snprintf(why, sizeof(why), "it answers %ld", code);
	if (code == 408 || code == 425 || code == 429 || code >= 500)
		return not_now(h, why, ret_wait_ms);
	if (code == 415 && packed) {
		h->is_plain = true;
		return -EAGAIN;
	}
	if (!h->is_refusing)
		scope_writer_note(w, "%s refuses events: %s%s%s", h->name, why,
				  h->answer[0] ? ": " : "", h->answer);
	h->is_refusing = true;
	scope_writer_refuse(w, lines, n);
	*ret_done = n;
	return 0;
}

/* -- making one --------------------------------------------------------------------- */

static int add_header(struct http *h, const char *line)
{
	struct curl_slist *p = curl_slist_append(h->plain, line);

	if (!p)
		return -ENOMEM;
	h->plain = p;
	p = curl_slist_append(h->gzip, line);
	if (!p)
		return -ENOMEM;
	h->gzip = p;
	return 0;
}

static int read_headers(struct http *h, FILE *f, const char *path,
			struct scope_err *err)
{
	scope_autofree char *line = NULL;
	size_t cap = 0;
	unsigned n = 0;
	ssize_t len;

	while ((len = getline(&line, &cap, f)) >= 0) {
		while (len && (line[len - 1] == '\n' || line[len - 1] == '\r'))
			line[--len] = '\0';
		if (!*line || *line == '#')
			continue;
		/* Not what it says: that may be a secret. */
		if (!strchr(line, ':') || strlen(line) != (size_t)len ||
		    ++n > HEADERS_MAX)
			return scope_fail(err, -EINVAL,
					  "%s: a line is no header; write one "
					  "as NAME: VALUE, at most %d of them",
					  path, HEADERS_MAX);
		if (add_header(h, line) < 0)
			return scope_fail(err, -ENOMEM, "out of memory");
	}
	return 0;
}

static int add_file(struct http *h, const char *path, struct scope_err *err)
{
	scope_autofclose FILE *f = fopen(path, "re");

	if (!f)
		return scope_fail(err, -EIO,
				  "can't read the headers in %s: %s", path,
				  strerror(errno));
	return read_headers(h, f, path, err);
}

static int check_url(struct http *h, const char *url, struct scope_err *err)
{
	CURLU *u = curl_url();
	char *user = NULL;
	int r = 0;

	if (!u)
		return scope_fail(err, -ENOMEM, "out of memory");
	if (curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK)
		r = scope_fail(err, -EINVAL, "--to: that is no URL");
	else if (curl_url_get(u, CURLUPART_USER, &user, 0) == CURLUE_OK)
		r = scope_fail(err, -EINVAL,
			       "--to: no user and password in the URL, where "
			       "all can see them; put an Authorization header "
			       "into a file for --header-file");
	curl_free(user);
	curl_url_cleanup(u);
	(void)snprintf(h->name, sizeof(h->name), "%.*s",
		       (int)strcspn(url, "?#"), url);
	return r;
}

static int set_up(struct http *h, const char *url, const char *ca_file)
{
	CURL *e = h->easy;

	h->multi = curl_multi_init();
	if (!h->multi)
		return -ENOMEM;
	if (curl_easy_setopt(e, CURLOPT_URL, url) != CURLE_OK ||
	    (ca_file &&
	     curl_easy_setopt(e, CURLOPT_CAINFO, ca_file) != CURLE_OK))
		return -ENOMEM;
	(void)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(e, CURLOPT_POST, 1L);
	(void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(e, CURLOPT_ERRORBUFFER, h->why);
	(void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_answer);
	(void)curl_easy_setopt(e, CURLOPT_WRITEDATA, h);
	(void)curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	(void)curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)TOTAL_MS);
	(void)curl_easy_setopt(e, CURLOPT_USERAGENT, "scope-bpf");
	return 0;
}

int scope_writer_http(const char *url, const char *header_file,
		      const char *ca_file, struct scope_writer **ret_writer,
		      struct scope_err *err)
{
	scope_auto(scope_writer) w = NULL;
	struct curl_slist *gzip;
	struct http *h;
	int r;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return scope_fail(err, -EIO, "the HTTP library does not start");
	h = calloc(1, sizeof(*h));
	if (!h)
		return scope_fail(err, -ENOMEM, "out of memory");
	w = &h->w;
	w->put = put_http;
	w->free = free_http;
	w->batch_bytes = BATCH_BYTES;
	w->uses_network = true;
	w->linger_ms = LINGER_MS;
	h->easy = curl_easy_init();
	if (!h->easy)
		return scope_fail(err, -ENOMEM, "out of memory");
	r = check_url(h, url, err);
	if (r == 0 && ca_file && access(ca_file, R_OK) < 0)
		r = scope_fail(err, -EIO, "can't read --cacert %s: %s", ca_file,
			       strerror(errno));
	if (r < 0)
		return r;
	/* No "Expect: 100-continue": it costs a round trip for each batch. */
	if (add_header(h, "Content-Type: application/x-ndjson") < 0 ||
	    add_header(h, "Expect:") < 0)
		return scope_fail(err, -ENOMEM, "out of memory");
	r = header_file ? add_file(h, header_file, err) : 0;
	if (r < 0)
		return r;
	gzip = curl_slist_append(h->gzip, "Content-Encoding: gzip");
	if (!gzip || set_up(h, url, ca_file) < 0)
		return scope_fail(err, -ENOMEM, "out of memory");
	h->gzip = gzip;
	*ret_writer = scope_take(w);
	return 0;
}
