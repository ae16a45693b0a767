/* SPDX-License-Identifier: MIT */
#include "base/map.h"

#include <errno.h>
#include <string.h>

struct slot {
	uint64_t key; /* 0: free */
	uint64_t val;
};

struct scope_map {
	struct slot *slots;
	size_t mask; /* slots - 1 */
	size_t len;
	size_t max;
};

#define FIRST_SLOTS 64u

static size_t home(const struct scope_map *m, uint64_t key)
{
	/* Fibonacci hashing with a fold: Eterms differ in their middle bits. */
	key ^= key >> 32;
	key *= 0x9e3779b97f4a7c15ull;
	return (size_t)(key >> 20) & m->mask;
}

static struct slot *find(const struct scope_map *m, uint64_t key)
{
	size_t i = home(m, key);

	while (m->slots[i].key && m->slots[i].key != key)
		i = (i + 1) & m->mask;
	return &m->slots[i];
}

struct scope_map *scope_map_new(size_t max)
{
	struct scope_map *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->slots = calloc(FIRST_SLOTS, sizeof(*m->slots));
	if (!m->slots) {
		free(m);
		return NULL;
	}
	m->mask = FIRST_SLOTS - 1;
	m->max = max;
	return m;
}

void scope_map_free(struct scope_map *m)
{
	if (!m)
		return;
	free(m->slots);
	free(m);
}

bool scope_map_get(const struct scope_map *m, uint64_t key, uint64_t *ret_val)
{
	const struct slot *s = find(m, key);

	if (!s->key)
		return false;
	*ret_val = s->val;
	return true;
}

static int grow(struct scope_map *m)
{
	struct scope_map old = *m;
	size_t n = (m->mask + 1) * 2;
	struct slot *slots = calloc(n, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	m->slots = slots;
	m->mask = n - 1;
	for (size_t i = 0; i <= old.mask; i++)
		if (old.slots[i].key)
			*find(m, old.slots[i].key) = old.slots[i];
	free(old.slots);
	return 0;
}

int scope_map_put(struct scope_map *m, uint64_t key, uint64_t val)
{
	struct slot *s = find(m, key);
	int r;

	if (!s->key) {
		if (m->len >= m->max)
			return -ENOSPC;
		if ((m->len + 1) * 4 > (m->mask + 1) * 3) {
			r = grow(m);
			if (r < 0)
				return r;
			s = find(m, key);
		}
		s->key = key;
		m->len++;
	}
	s->val = val;
	return 0;
}

bool scope_map_take(struct scope_map *m, uint64_t key, uint64_t *ret_val)
{
	struct slot *s = find(m, key);
	size_t hole = (size_t)(s - m->slots);
	size_t i = hole;

	if (!s->key)
		return false;
	if (ret_val)
		*ret_val = s->val;
	/* Close the hole: move back what probed over it. */
	for (;;) {
		size_t h;

		i = (i + 1) & m->mask;
		if (!m->slots[i].key)
			break;
		h = home(m, m->slots[i].key);
		if (((i - h) & m->mask) >= ((i - hole) & m->mask)) {
			m->slots[hole] = m->slots[i];
			hole = i;
		}
	}
	m->slots[hole].key = 0;
	m->len--;
	return true;
}

size_t scope_map_len(const struct scope_map *m)
{
	return m->len;
}

void scope_map_clear(struct scope_map *m)
{
	memset(m->slots, 0, (m->mask + 1) * sizeof(*m->slots));
	m->len = 0;
}

bool scope_map_next(const struct scope_map *m, size_t *at, uint64_t *ret_key,
		    uint64_t *ret_val)
{
	for (; *at <= m->mask; (*at)++) {
		if (m->slots[*at].key) {
			*ret_key = m->slots[*at].key;
			*ret_val = m->slots[*at].val;
			(*at)++;
			return true;
		}
	}
	return false;
}
