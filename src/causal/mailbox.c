/* SPDX-License-Identifier: MIT */
#include "causal/mailbox.h"

#include <string.h>

#include "base/map.h"

#define NONE UINT32_MAX
#define SYNCED_MAX (1u << 21) /* receivers */
#define BLIND_NS 1000000u /* a loss may be counted that much later */
#define STALE_NS 10000000u /* no send takes that long to arrive */

struct item {
	uint64_t to, addr, ts, n;
	struct scope_shape shape;
	uint32_t prev, next; /* in the receiver's list, oldest first */
	uint8_t what;
	bool used;
};

struct scope_mailbox {
	struct item *items;	   /* a ring: `at` is reused next */
	uint32_t at;
	uint64_t n;
	struct scope_map *by_addr; /* mix(to, addr) -> index */
	struct scope_map *heads;   /* receiver -> first << 32 | last */
	struct scope_map *synced;  /* receiver -> since when order decides */
	uint64_t blind_ns;	   /* until then nothing is known */
	bool is_paused;
};

struct scope_mailbox *scope_mailbox_new(void)
{
	struct scope_mailbox *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->items = calloc(SCOPE_MAILBOX_MAX, sizeof(*m->items));
	m->by_addr = scope_map_new(SCOPE_MAILBOX_MAX);
	m->heads = scope_map_new(SCOPE_MAILBOX_MAX);
	m->synced = scope_map_new(SYNCED_MAX);
	if (!m->items || !m->by_addr || !m->heads || !m->synced) {
		scope_mailbox_free(m);
		return NULL;
	}
	return m;
}

void scope_mailbox_free(struct scope_mailbox *m)
{
	if (!m)
		return;
	free(m->items);
	scope_map_free(m->by_addr);
	scope_map_free(m->heads);
	scope_map_free(m->synced);
	free(m);
}

/* Never 0; a collision is found out by comparing the item. */
static uint64_t mix(uint64_t to, uint64_t addr)
{
	uint64_t k = (to * 0x9e3779b97f4a7c15ull) ^ addr;

	return k ? k : 1;
}

static void unlink_item(struct scope_mailbox *m, uint32_t i)
{
	struct item *it = &m->items[i];
	uint32_t first, last;
	uint64_t head = 0, at;

	if (it->addr && scope_map_get(m->by_addr, mix(it->to, it->addr), &at) &&
	    at == i)
		(void)scope_map_take(m->by_addr, mix(it->to, it->addr), NULL);
	(void)scope_map_get(m->heads, it->to, &head);
	first = (uint32_t)(head >> 32);
	last = (uint32_t)head;
	if (it->prev != NONE)
		m->items[it->prev].next = it->next;
	else
		first = it->next;
	if (it->next != NONE)
		m->items[it->next].prev = it->prev;
	else
		last = it->prev;
	if (first == NONE)
		(void)scope_map_take(m->heads, it->to, NULL);
	else
		(void)scope_map_put(m->heads, it->to,
				    (uint64_t)first << 32 | last);
	it->used = false;
}

static bool is_blind(const struct scope_mailbox *m, uint64_t ts_ns)
{
	return m->is_paused || (m->blind_ns && ts_ns <= m->blind_ns);
}

uint64_t scope_mailbox_sent(struct scope_mailbox *m, uint64_t to, uint64_t addr,
			    enum scope_queued what,
			    const struct scope_shape *shape, uint64_t ts_ns)
{
	uint32_t i = m->at, last = NONE, first = i;
	struct item *it = &m->items[i];
	uint64_t head;

	if (is_blind(m, ts_ns))
		return 0;
	m->n++;
	if (!to)
		return m->n;
	if (it->used)
		unlink_item(m, i);
	m->at = (i + 1) % SCOPE_MAILBOX_MAX;
	if (scope_map_get(m->heads, to, &head)) {
		first = (uint32_t)(head >> 32);
		last = (uint32_t)head;
	}
	*it = (struct item){
		.to = to,
		.addr = addr,
		.ts = ts_ns,
		.n = m->n,
		.shape = *shape,
		.prev = last,
		.next = NONE,
		.what = (uint8_t)what,
		.used = true,
	};
	if (scope_map_put(m->heads, to, (uint64_t)first << 32 | i) < 0) {
		it->used = false;
		return m->n;
	}
	if (last != NONE)
		m->items[last].next = i;
	if (addr)
		(void)scope_map_put(m->by_addr, mix(to, addr), i);
	return m->n;
}

static bool same(const struct item *it, enum scope_queued what,
		 const struct scope_shape *shape)
{
	if (it->what != (uint8_t)what || it->shape.from != shape->from)
		return false;
	return what != SCOPE_QUEUED_MESSAGE ||
	       it->shape.digest == shape->digest;
}

bool scope_mailbox_received(struct scope_mailbox *m, uint64_t to, uint64_t addr,
			    enum scope_queued what,
			    const struct scope_shape *shape, uint64_t ts_ns,
			    struct scope_match *ret_match)
{
	uint64_t v, since;
	uint32_t i = NONE;
	bool by_order = false;

	if (is_blind(m, ts_ns))
		return false;
	if (addr && what == SCOPE_QUEUED_MESSAGE &&
	    scope_map_get(m->by_addr, mix(to, addr), &v) &&
	    m->items[v].to == to && m->items[v].addr == addr &&
	    same(&m->items[v], what, shape)) {
		i = (uint32_t)v;
	} else if (scope_map_get(m->heads, to, &v)) {
		by_order = what == SCOPE_QUEUED_MESSAGE;
		if (by_order && (!scope_map_get(m->synced, to, &since) ||
				 since > ts_ns))
			return false;
		i = (uint32_t)(v >> 32);
		for (unsigned k = 1;
		     i != NONE && !same(&m->items[i], what, shape); k++)
			i = k < SCOPE_MAILBOX_SEARCH ? m->items[i].next : NONE;
	}
	if (i == NONE)
		return false;
	*ret_match = (struct scope_match){
		.ts_ns = m->items[i].ts,
		.addr = m->items[i].addr,
		.n = m->items[i].n,
		.by_order = by_order,
	};
	unlink_item(m, i);
	return true;
}

void scope_mailbox_synced(struct scope_mailbox *m, uint64_t pid, uint64_t ts_ns)
{
	uint64_t since, head, stale = 0;

	if (is_blind(m, ts_ns))
		return;
	/* What is noted for an empty queue was received, by nobody knows which
	 * receive, when order did not decide so far; else it never came, if it
	 * is old: its receiver was ending, or the alias was not active. */
	if (!scope_map_get(m->synced, pid, &since)) {
		stale = UINT64_MAX;
		(void)scope_map_put(m->synced, pid, ts_ns);
	} else if (ts_ns > STALE_NS) {
		stale = ts_ns - STALE_NS;
	}
	while (scope_map_get(m->heads, pid, &head) &&
	       m->items[head >> 32].ts < stale)
		unlink_item(m, (uint32_t)(head >> 32));
}

static void forget(struct scope_mailbox *m)
{
	if (scope_map_len(m->synced))
		scope_map_clear(m->synced);
	/* Losses come in rows: after the first there is nothing left. */
	if (!scope_map_len(m->heads))
		return;
	scope_map_clear(m->heads);
	scope_map_clear(m->by_addr);
	for (uint32_t i = 0; i < SCOPE_MAILBOX_MAX; i++)
		m->items[i].used = false;
}

void scope_mailbox_lost(struct scope_mailbox *m, uint64_t until_ns)
{
	if (until_ns + BLIND_NS > m->blind_ns)
		m->blind_ns = until_ns + BLIND_NS;
	forget(m);
}

void scope_mailbox_pause(struct scope_mailbox *m)
{
	m->is_paused = true;
	forget(m);
}

void scope_mailbox_resume(struct scope_mailbox *m, uint64_t ts_ns)
{
	m->is_paused = false;
	if (ts_ns > m->blind_ns)
		m->blind_ns = ts_ns;
}

void scope_mailbox_ended(struct scope_mailbox *m, uint64_t pid)
{
	uint64_t head;

	while (scope_map_get(m->heads, pid, &head))
		unlink_item(m, (uint32_t)(head >> 32));
	(void)scope_map_take(m->synced, pid, NULL);
}
