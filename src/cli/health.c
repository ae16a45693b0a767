/* SPDX-License-Identifier: MIT */
#include "cli/health.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/time.h"

#define ALIVE_NS UINT64_C(10000000000)

struct scope_health {
	char *node; /* mapped: n times `stride` bytes */
	size_t n, stride;
	uint64_t beat_ns, is_all_watched;
	struct scope_http *http; /* owned */
};

int scope_health_new(size_t n, struct scope_health **ret_health)
{
	struct scope_health *h = calloc(1, sizeof(*h));
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *m;

	if (!h)
		return -ENOMEM;
	h->stride = (sizeof(struct scope_metrics) + page - 1) / page * page;
	m = mmap(NULL, n * h->stride, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (m == MAP_FAILED) {
		free(h);
		return -ENOMEM;
	}
	h->node = m;
	h->n = n;
	scope_health_beat(h);
	*ret_health = h;
	return 0;
}

void scope_health_free(struct scope_health *h)
{
	if (!h)
		return;
	scope_http_free(h->http);
	(void)munmap(h->node, h->n * h->stride);
	free(h);
}

struct scope_metrics *scope_health_node(struct scope_health *h, size_t i)
{
	return (struct scope_metrics *)(void *)(h->node + i * h->stride);
}

void scope_health_keep(struct scope_health *h, size_t i)
{
	size_t below = i * h->stride, above = (i + 1) * h->stride;

	if (below)
		(void)munmap(h->node, below);
	if (above < h->n * h->stride)
		(void)munmap(h->node + above, h->n * h->stride - above);
}

void scope_health_all_is_watched(struct scope_health *h, bool is_so)
{
	scope_metrics_set(h->is_all_watched, is_so);
}

void scope_health_beat(struct scope_health *h)
{
	scope_metrics_set(h->beat_ns, scope_now_ns());
}

static bool is_healthy(void *arg)
{
	struct scope_health *h = arg;
	uint64_t last = scope_metrics_get(h->beat_ns);

	for (size_t i = 0; i < h->n; i++) {
		uint64_t at = scope_metrics_get(scope_health_node(h, i)->updated_ns);

		last = at > last ? at : last;
	}
	return scope_now_ns() - last < ALIVE_NS;
}

static bool is_ready(void *arg)
{
	struct scope_health *h = arg;

	for (size_t i = 0; i < h->n; i++)
		if (scope_metrics_get(scope_health_node(h, i)->attached_ns))
			return true;
	return scope_metrics_get(h->is_all_watched);
}

static void put_metrics(void *arg, struct scope_buf *out)
{
	struct scope_health *h = arg;
	const struct scope_metrics **nodes = calloc(h->n, sizeof(*nodes));
	size_t n = 0;

	if (!nodes) {
		out->full = true;
		return;
	}
	for (size_t i = 0; i < h->n; i++)
		if (scope_metrics_get(scope_health_node(h, i)->os_pid))
			nodes[n++] = scope_health_node(h, i);
	scope_metrics_put(nodes, n, out);
	free(nodes);
}

int scope_health_listen(struct scope_health *h, const char *address,
			const char *token_file, struct scope_err *err)
{
	struct scope_http_opts opts = {
		.listen = address,
		.token_file = token_file,
		.is_healthy = is_healthy,
		.is_ready = is_ready,
		.metrics = put_metrics,
		.arg = h,
	};

	return scope_http_new(&opts, &h->http, err);
}

int scope_health_start(struct scope_health *h, struct scope_err *err)
{
	return scope_http_start(h->http, err);
}

const char *scope_health_where(const struct scope_health *h)
{
	return h->http ? scope_http_where(h->http) : NULL;
}
