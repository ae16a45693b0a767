/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>

#include "target/target_int.h"

bool scope_target_is_gone(const struct scope_target *t)
{
	struct pollfd p = { .fd = t->pidfd, .events = POLLIN };

	return t->pidfd >= 0 && poll(&p, 1, 0) > 0;
}

int scope_target_read(void *target, uint64_t addr, void *buf, size_t len)
{
	const struct scope_target *t = target;
	size_t at = 0;

	/* The offset of a file is signed; user addresses have 47 bits. */
	if (addr >> 47 || len >> 47)
		return -EFAULT;
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

static int one_by_one(struct scope_target *t, struct scope_piece *pieces,
		      size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct scope_piece *p = &pieces[i];
		int r = p->addr ? scope_target_read(t, p->addr, p->buf, p->len) :
				  -EFAULT;

		if (r == -ESRCH)
			return r;
		p->is_read = r == 0;
	}
	return 0;
}

#define IOVS 256

/* Read as many of the n (at most IOVS) pieces as come whole before the first
 * that can't be read; *ret_done: how many were dealt with, with that one. */
static int read_some(struct scope_target *t, struct scope_piece **p, size_t n,
		     size_t *ret_done)
{
	struct iovec here[IOVS], there[IOVS];
	size_t i = 0;
	ssize_t got;

	for (size_t k = 0; k < n; k++) {
		here[k] = (struct iovec){ p[k]->buf, p[k]->len };
		there[k] = (struct iovec){ (void *)(uintptr_t)p[k]->addr,
					   p[k]->len };
	}
	got = process_vm_readv(t->info.pid, here, n, there, n, 0);
	if (got < 0 && errno != EFAULT)
		return -errno;
	for (i = 0; i < n && got >= (ssize_t)p[i]->len; i++) {
		got -= (ssize_t)p[i]->len;
		p[i]->is_read = true;
	}
	*ret_done = i < n ? i + 1 : n;
	return 0;
}

int scope_target_batch(void *target, struct scope_piece *pieces, size_t n)
{
	struct scope_target *t = target;
	struct scope_piece *todo[IOVS];
	size_t at = 0;

	for (size_t i = 0; i < n; i++)
		pieces[i].is_read = false;
	while (at < n) {
		size_t from = at, k = 0, done = 0;

		for (; at < n && k < IOVS; at++)
			if (pieces[at].addr && !(pieces[at].addr >> 47))
				todo[k++] = &pieces[at];
		while (done < k) {
			size_t d = 0;
			int r = read_some(t, todo + done, k - done, &d);

			if (r == -ESRCH || scope_target_is_gone(t))
				return -ESRCH;
			if (r < 0)
				return one_by_one(t, pieces + from, n - from);
			done += d;
		}
	}
	return 0;
}

int scope_target_open_mem(struct scope_target *t, struct scope_err *err)
{
	char path[64];
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)t->info.pid);
	t->memfd = open(path, O_RDONLY | O_CLOEXEC);
	if (t->memfd >= 0)
		return 0;
	r = -errno;
	if (r == -EPERM || r == -EACCES)
		return scope_fail(err, -EPERM,
				  "reading the memory of PID %d needs "
				  "CAP_SYS_PTRACE, and CAP_DAC_READ_SEARCH "
				  "where it is another user's; run with sudo",
				  (int)t->info.pid);
	if (r == -ENOENT || r == -ESRCH)
		return scope_fail(err, -ESRCH, "PID %d has ended",
				  (int)t->info.pid);
	return scope_fail(err, r, "can't open %s: %s", path, strerror(-r));
}
