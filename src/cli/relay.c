/* SPDX-License-Identifier: MIT */
#include "cli/relay.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

#define FIRST_BYTES (64u << 10)

struct scope_relay {
	int fd;	   /* owned; -1: ended */
	char *buf; /* owned: cap bytes; what is there is at..end */
	size_t cap, max;
	size_t at, end;
	size_t looked; /* at..looked has no newline */
};

int scope_relay_new(int fd, size_t line_max, struct scope_relay **ret_relay)
{
	struct scope_relay *r = calloc(1, sizeof(*r));

	if (!r) {
		(void)close(fd);
		return -ENOMEM;
	}
	r->fd = fd;
	r->max = line_max;
	r->cap = line_max < FIRST_BYTES ? line_max : FIRST_BYTES;
	r->buf = malloc(r->cap);
	if (!r->buf) {
		scope_relay_free(r);
		return -ENOMEM;
	}
	*ret_relay = r;
	return 0;
}

void scope_relay_free(struct scope_relay *r)
{
	if (!r)
		return;
	if (r->fd >= 0)
		(void)close(r->fd);
	free(r->buf);
	free(r);
}

int scope_relay_fd(const struct scope_relay *r)
{
	return r->fd;
}

static void end(struct scope_relay *r)
{
	(void)close(r->fd);
	r->fd = -1;
}

/* Room for more behind `end`: by moving what is there to the start, then by
 * growing. */
static int make_room(struct scope_relay *r)
{
	size_t cap = r->cap * 2 < r->max ? r->cap * 2 : r->max;
	char *p;

	if (r->at) {
		memmove(r->buf, r->buf + r->at, r->end - r->at);
		r->looked -= r->at;
		r->end -= r->at;
		r->at = 0;
	}
	if (r->end < r->cap)
		return 0;
	if (memchr(r->buf, '\n', r->end))
		return -EAGAIN; /* lines wait for a place */
	if (r->cap == r->max)
		return -EMSGSIZE;
	p = realloc(r->buf, cap);
	if (!p)
		return -EAGAIN;
	r->buf = p;
	r->cap = cap;
	return 0;
}

ssize_t scope_relay_read(struct scope_relay *r)
{
	ssize_t n;
	int e;

	if (r->fd < 0)
		return 0;
	e = make_room(r);
	if (e == -EMSGSIZE)
		end(r);
	if (e < 0)
		return e;
	do
		n = read(r->fd, r->buf + r->end, r->cap - r->end);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return -EAGAIN;
	if (n <= 0) {
		end(r);
		return 0;
	}
	r->end += (size_t)n;
	return n;
}

const char *scope_relay_next(const struct scope_relay *r, size_t *ret_len)
{
	struct scope_relay *w = (struct scope_relay *)(uintptr_t)r;
	size_t from = r->looked > r->at ? r->looked : r->at;
	const char *nl = memchr(r->buf + from, '\n', r->end - from);

	if (!nl) {
		w->looked = r->end;
		return NULL;
	}
	w->looked = (size_t)(nl - r->buf);
	*ret_len = (size_t)(nl + 1 - (r->buf + r->at));
	return r->buf + r->at;
}

void scope_relay_drop(struct scope_relay *r, size_t len)
{
	r->at += len;
	if (r->looked < r->at)
		r->looked = r->at;
	if (r->at == r->end)
		r->at = r->end = r->looked = 0;
}

size_t scope_relay_rest(const struct scope_relay *r)
{
	return r->end - r->at;
}

/* -- is it what it should be ---------------------------------------------------- */

/* The end of the string that begins behind the quote at s; NULL: there is
 * none, or a control character in it. */
static const char *string_end(const char *s, const char *end, bool *has_escape)
{
	for (; s < end; s++) {
		if ((unsigned char)*s < 0x20)
			return NULL;
		if (*s == '"')
			return s;
		if (*s == '\\') {
			*has_escape = true;
			s++;
		}
	}
	return NULL;
}

/* The key "os_pid" is at s, behind it `:number`. */
static bool is_pid(const char *s, const char *end, pid_t os_pid)
{
	char want[16];
	int n = snprintf(want, sizeof(want), ":%d", (int)os_pid);

	return end - s > n && memcmp(s, want, (size_t)n) == 0 &&
	       (s[n] == ',' || s[n] == '}');
}

bool scope_relay_is_of(const char *line, size_t len, pid_t os_pid)
{
	static const char key[] = "os_pid";
	const char *end = line + len, *s = line;
	unsigned depth = 0;
	bool has_pid = false;

	if (len < 2 || *line != '{' || !scope_utf8_valid(line, len))
		return false;
	for (; s < end; s++) {
		const char *from = s + 1;
		bool has_escape = false;

		if ((unsigned char)*s < 0x20)
			return false;
		if (*s == '{' || *s == '[')
			depth++;
		else if ((*s == '}' || *s == ']') && --depth == 0)
			break;
		if (*s != '"')
			continue;
		s = string_end(from, end, &has_escape);
		if (!s || s + 1 == end)
			return false;
		if (depth != 1 || s[1] != ':')
			continue;
		if (has_escape)
			return false;
		if ((size_t)(s - from) != sizeof(key) - 1 ||
		    memcmp(from, key, sizeof(key) - 1) != 0)
			continue;
		if (has_pid || !is_pid(s + 1, end, os_pid))
			return false;
		has_pid = true;
	}
	return has_pid && s == end - 1 && *s == '}';
}

bool scope_relay_is_summary(const char *line, size_t len)
{
	static const char kind[] = ",\"kind\":\"summary\",";

	/* Among the first keys, which are numbers and fixed words. */
	return memmem(line, len < 200 ? len : 200, kind, sizeof(kind) - 1);
}

void scope_relay_words(const char *line, size_t len, struct scope_buf *out)
{
	static const char self[] = "scope-bpf: ";
	size_t at = 0;

	if (len >= sizeof(self) - 1 && !memcmp(line, self, sizeof(self) - 1))
		at = sizeof(self) - 1;
	while (at < len && out->cap - out->len >= 4) {
		uint32_t cp;
		size_t n = scope_utf8_next(line + at, len - at, &cp);

		if (n == 0 || cp < 0x20 || (cp >= 0x7f && cp < 0xa0)) {
			scope_buf_char(out, '?');
			n = 1 > n ? 1 : n;
		} else {
			scope_buf_put(out, line + at, n);
		}
		at += n;
	}
}
