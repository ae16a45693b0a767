/* SPDX-License-Identifier: MIT */
#include <poll.h>
#include <unistd.h>

#include "target/target_int.h"

bool scope_target_is_gone(const struct scope_target *t)
{
	struct pollfd p = { .fd = t->pidfd, .events = POLLIN };

	return t->pidfd >= 0 && poll(&p, 1, 0) > 0;
}

/* Without a descriptor of the memory. */
static int read_by_attacher(const struct scope_target *t, uint64_t addr,
			    void *buf, size_t len)
{
	for (size_t at = 0; at < len;) {
		size_t n = len - at, got;
		struct scope_read_piece p = { addr + at, (char *)buf + at, 0 };
		int r;

		if (n > SCOPE_SHARED_BYTES)
			n = SCOPE_SHARED_BYTES;
		p.len = (uint32_t)n;
		r = scope_attacher_read(t->attacher, t->slot, &p, 1, &got);
		if (r < 0)
			return r == -EOWNERDEAD ? -ESRCH : r;
		if (got < n)
			return -EFAULT;
		at += n;
	}
	return 0;
}

int scope_target_read(void *target, uint64_t addr, void *buf, size_t len)
{
	const struct scope_target *t = target;
	size_t at = 0;

	/* The offset of a file is signed; user addresses have 47 bits. */
	if (addr >> 47 || len >> 47)
		return -EFAULT;
	if (t->memfd < 0)
		return read_by_attacher(t, addr, buf, len);
	while (at < len) {
		ssize_t n = pread(t->memfd, (char *)buf + at, len - at,
				  (off_t)(addr + at));

		if (n > 0) {
			at += (size_t)n;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		/* 0: the address space is gone; EIO: nothing is mapped. */
		return n == 0 || scope_target_is_gone(t) ? -ESRCH : -EFAULT;
	}
	return 0;
}

/* Read as many of the n pieces as come whole before the first that can't be
 * read; *ret_done: how many were dealt with, with that one. */
static int read_some(struct scope_target *t, struct scope_piece **p, size_t n,
		     size_t *ret_done)
{
	struct scope_read_piece pieces[SCOPE_PIECES_MAX];
	size_t i = 0, got;
	int r;

	for (size_t k = 0; k < n; k++)
		pieces[k] = (struct scope_read_piece){ p[k]->addr, p[k]->buf,
						       (uint32_t)p[k]->len };
	r = scope_attacher_read(t->attacher, t->slot, pieces, n, &got);
	if (r < 0)
		return r;
	for (i = 0; i < n && got >= p[i]->len; i++) {
		got -= p[i]->len;
		p[i]->is_read = true;
	}
	*ret_done = i < n ? i + 1 : n;
	return 0;
}

int scope_target_batch(void *target, struct scope_piece *pieces, size_t n)
{
	struct scope_target *t = target;
	struct scope_piece *todo[SCOPE_PIECES_MAX];
	size_t at = 0;

	for (size_t i = 0; i < n; i++)
		pieces[i].is_read = false;
	while (at < n) {
		size_t k = 0, bytes = 0, done = 0;

		for (; at < n && k < SCOPE_PIECES_MAX &&
		       bytes + pieces[at].len <= SCOPE_SHARED_BYTES;
		     at++) {
			if (!pieces[at].addr || pieces[at].addr >> 47)
				continue;
			bytes += pieces[at].len;
			todo[k++] = &pieces[at];
		}
		/* Larger than what is read at once: no piece of ours is. */
		if (!k && at < n)
			at++;
		while (done < k) {
			size_t d = 0;
			int r = read_some(t, todo + done, k - done, &d);

			if (r == -ESRCH || scope_target_is_gone(t))
				return -ESRCH;
			if (r < 0)
				return r;
			done += d;
		}
	}
	return 0;
}
