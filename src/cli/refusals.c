/* SPDX-License-Identifier: MIT */
#include "cli/refusals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cli/jsonl.h"
#include "scope/event.h"

typedef uint64_t counts[SCOPE_KIND_MAX];

struct scope_refusals {
	counts *count; /* mapped, shared: n of them */
	uint64_t late;
	size_t n;
	pid_t pid[]; /* 0: free */
};

int scope_refusals_new(size_t n, struct scope_refusals **ret_refusals)
{
	struct scope_refusals *r = calloc(1, sizeof(*r) + n * sizeof(r->pid[0]));
	void *m;

	if (!r)
		return -ENOMEM;
	r->n = n;
	m = mmap(NULL, n * sizeof(*r->count), PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (m == MAP_FAILED) {
		free(r);
		return -ENOMEM;
	}
	r->count = m;
	*ret_refusals = r;
	return 0;
}

void scope_refusals_free(struct scope_refusals *r)
{
	if (!r)
		return;
	(void)munmap(r->count, r->n * sizeof(*r->count));
	free(r);
}

void scope_refusals_seat(struct scope_refusals *r, size_t at, pid_t os_pid)
{
	__atomic_store_n(&r->pid[at], os_pid, __ATOMIC_RELAXED);
}

/* The first key of that name is the line's own: it is before any text. */
static pid_t pid_of(const char *line, size_t n)
{
	static const char key[] = "\"os_pid\":";
	const char *at = memmem(line, n, key, sizeof(key) - 1);
	const char *end = line + n;
	long pid = 0;

	if (!at)
		return 0;
	for (at += sizeof(key) - 1; at < end && *at >= '0' && *at <= '9'; at++)
		pid = pid > INT32_MAX / 10 ? 0 : pid * 10 + (*at - '0');
	return (pid_t)pid;
}

static void count_line(struct scope_refusals *r, const char *line, size_t n)
{
	pid_t pid = pid_of(line, n);

	for (size_t i = 0; pid > 0 && i < r->n; i++) {
		if (__atomic_load_n(&r->pid[i], __ATOMIC_RELAXED) != pid)
			continue;
		(void)__atomic_add_fetch(&r->count[i][scope_jsonl_kind(line, n)],
					 1, __ATOMIC_RELAXED);
		return;
	}
	(void)__atomic_add_fetch(&r->late, 1, __ATOMIC_RELAXED);
}

uint64_t scope_refusals_late(const struct scope_refusals *r)
{
	return __atomic_load_n(&r->late, __ATOMIC_RELAXED);
}

void scope_refusals_count(void *arg, const char *lines, size_t n)
{
	while (n) {
		const char *end = memchr(lines, '\n', n);
		size_t len = end ? (size_t)(end + 1 - lines) : n;

		count_line(arg, lines, len);
		lines += len;
		n -= len;
	}
}

const uint64_t *scope_refusals_of(const struct scope_refusals *r, size_t at)
{
	return r->count[at];
}

int scope_refusals_keep(struct scope_refusals *r)
{
	return mprotect(r->count, r->n * sizeof(*r->count), PROT_READ) < 0 ?
		       -errno :
		       0;
}
