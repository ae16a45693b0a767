/* SPDX-License-Identifier: MIT */
/*
 * A file of lines, appended to. When it would grow beyond its size it becomes
 * PATH.1, what was that PATH.2, and so on; the oldest is removed. A full disk
 * is waited for: a line that got there in part is taken back first.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "export/writer.h"

#define BATCH_BYTES (256u << 10)
#define FULL_MS 1000

struct file {
	struct scope_writer w; /* first */
	char *path;	       /* owned */
	int fd;
	uint64_t size, limit;
	unsigned keep;
	bool is_waiting; /* said that it can't be written */
};

static void free_file(struct scope_writer *w)
{
	struct file *f = (struct file *)w;

	if (f->fd >= 0)
		(void)close(f->fd);
	free(f->path);
	free(f);
}

static int open_file(struct file *f)
{
	struct stat st;
	int fd = open(f->path,
		      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		(void)close(fd);
		return -EINVAL;
	}
	f->fd = fd;
	f->size = (uint64_t)st.st_size;
	return 0;
}

static int turn_over(struct file *f)
{
	char from[PATH_MAX], to[PATH_MAX];
	int r;

	(void)close(f->fd);
	f->fd = -1;
	for (unsigned i = f->keep; i > 0; i--) {
		if (i > 1)
			(void)snprintf(from, sizeof(from), "%s.%u", f->path,
				       i - 1);
		else
			(void)snprintf(from, sizeof(from), "%s", f->path);
		(void)snprintf(to, sizeof(to), "%s.%u", f->path, i);
		if (rename(from, to) < 0 && errno != ENOENT)
			return -errno;
	}
	if (!f->keep && unlink(f->path) < 0 && errno != ENOENT)
		return -errno;
	r = open_file(f);
	return r;
}

/* Of n bytes of lines, those that still fit; at least the first line when the
 * file is empty. */
static size_t fitting(const struct file *f, const char *lines, size_t n)
{
	uint64_t room = f->limit > f->size ? f->limit - f->size : 0;
	const char *end;

	if (!f->limit || n <= room)
		return n;
	end = memrchr(lines, '\n', (size_t)room);
	if (!end && f->size == 0)
		end = memchr(lines, '\n', n);
	return end ? (size_t)(end + 1 - lines) : 0;
}

static int not_now(struct file *f, int e, unsigned *ret_wait_ms)
{
	if (!f->is_waiting)
		scope_writer_note(&f->w, "can't write to %s: %s; trying again",
				  f->path, strerror(e));
	f->is_waiting = true;
	*ret_wait_ms = FULL_MS;
	return -EAGAIN;
}

static int put_file(struct scope_writer *w, const char *lines, size_t n,
		    int wake_fd, size_t *ret_done, unsigned *ret_wait_ms)
{
	struct file *f = (struct file *)w;
	size_t fit;
	ssize_t got;
	int r = 0;

	(void)wake_fd;
	*ret_done = 0;
	if (f->fd < 0)
		r = open_file(f);
	fit = r == 0 ? fitting(f, lines, n) : 0;
	if (r == 0 && !fit) {
		r = turn_over(f);
		fit = r == 0 ? fitting(f, lines, n) : 0;
	}
	if (r < 0)
		return not_now(f, -r, ret_wait_ms);
	got = write(f->fd, lines, fit);
	if (got < 0)
		return not_now(f, errno, ret_wait_ms);
	if ((size_t)got < fit) {
		const char *end = memrchr(lines, '\n', (size_t)got);
		size_t whole = end ? (size_t)(end + 1 - lines) : 0;

		/* Half a line would spoil the next one. */
		if (whole < (size_t)got &&
		    ftruncate(f->fd, (off_t)(f->size + whole)) < 0)
			return -errno;
		f->size += whole;
		*ret_done = whole;
		return not_now(f, ENOSPC, ret_wait_ms);
	}
	if (f->is_waiting)
		scope_writer_note(w, "%s is written to again", f->path);
	f->is_waiting = false;
	f->size += fit;
	*ret_done = fit;
	return 0;
}

int scope_writer_file(const char *path, uint64_t rotate_bytes, unsigned keep,
		      struct scope_writer **ret_writer, struct scope_err *err)
{
	scope_auto(scope_writer) w = NULL;
	struct file *f;
	int r;

	if (!*path || strlen(path) > PATH_MAX - 16)
		return scope_fail(err, -EINVAL, "--to needs the path of a file");
	f = calloc(1, sizeof(*f));
	if (!f)
		return scope_fail(err, -ENOMEM, "out of memory");
	w = &f->w;
	w->put = put_file;
	w->free = free_file;
	w->batch_bytes = BATCH_BYTES;
	w->writes_files = w->needs_user = true;
	f->fd = -1;
	f->limit = rotate_bytes;
	f->keep = keep;
	f->path = strdup(path);
	if (!f->path)
		return scope_fail(err, -ENOMEM, "out of memory");
	r = open_file(f);
	if (r == -EINVAL)
		return scope_fail(err, -EEXIST, "%s is no regular file", path);
	/* Not that scope-bpf itself lacks a right: a path can be chosen anew. */
	if (r < 0)
		return scope_fail(err, -EIO, "can't write to %s: %s", path,
				  strerror(-r));
	*ret_writer = scope_take(w);
	return 0;
}
