/* SPDX-License-Identifier: MIT */
#include "pipeline/offcpu.h"

#include <errno.h>
#include <string.h>

#include "base/map.h"

/* A process that waits. */
struct wait {
	uint64_t since_ns;
	uint32_t proc, n;
	uint32_t frames[];
};

struct scope_offcpu {
	struct scope_profile *profile; /* borrowed */
	struct scope_map *by_pid;      /* owned: pid to struct wait, owned */
	uint64_t refused;
};

struct scope_offcpu *scope_offcpu_new(struct scope_profile *p)
{
	struct scope_offcpu *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->profile = p;
	w->by_pid = scope_map_new(SCOPE_OFFCPU_MAX);
	if (!w->by_pid) {
		free(w);
		return NULL;
	}
	return w;
}

static void end(struct scope_offcpu *w, struct wait *of, uint64_t now_ns)
{
	uint64_t ns = now_ns > of->since_ns ? now_ns - of->since_ns : 0;

	if (scope_profile_add(w->profile, of->proc, of->frames, of->n, 1, ns) <
	    0)
		w->refused++;
	free(of);
}

void scope_offcpu_finish(struct scope_offcpu *w, uint64_t now_ns)
{
	uint64_t pid, value;
	size_t at = 0;

	while (scope_map_next(w->by_pid, &at, &pid, &value))
		end(w, (struct wait *)(uintptr_t)value, now_ns);
	scope_map_clear(w->by_pid);
}

void scope_offcpu_free(struct scope_offcpu *w)
{
	uint64_t pid, value;
	size_t at = 0;

	if (!w)
		return;
	while (scope_map_next(w->by_pid, &at, &pid, &value))
		free((struct wait *)(uintptr_t)value);
	scope_map_free(w->by_pid);
	free(w);
}

static int begin(struct scope_offcpu *w, const struct scope_sampled *s)
{
	struct wait *of = malloc(sizeof(*of) + s->n * sizeof(*s->frames));

	if (!of)
		return -ENOMEM;
	of->since_ns = s->ts_ns;
	of->proc = s->proc;
	of->n = (uint32_t)s->n;
	memcpy(of->frames, s->frames, s->n * sizeof(*s->frames));
	if (scope_map_put(w->by_pid, s->pid, (uintptr_t)of) == 0)
		return 0;
	free(of);
	return -ENOSPC;
}

int scope_offcpu_take(struct scope_offcpu *w, const struct scope_sampled *s)
{
	uint64_t value;
	bool waited;
	int r;

	if (!s->pid)
		return 0;
	waited = scope_map_take(w->by_pid, s->pid, &value);
	if (s->is_in) {
		if (waited)
			end(w, (struct wait *)(uintptr_t)value, s->ts_ns);
		return 0;
	}
	/* That it was taken up in between was lost: so is this wait. */
	if (waited)
		free((struct wait *)(uintptr_t)value);
	r = begin(w, s);
	if (r < 0)
		w->refused++;
	return r == -ENOSPC ? 0 : r;
}

uint64_t scope_offcpu_refused(const struct scope_offcpu *w)
{
	return w->refused;
}
