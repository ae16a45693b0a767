/* SPDX-License-Identifier: MIT */
/*
 * map: 64-bit keys to 64-bit values; open addressing, linear probing.
 *
 * Shapes:  key 0 is not allowed (no Eterm, address or thread id is 0).
 * Limits:  `max` entries, given at creation; the table grows by doubling up to
 *          what holds them, and a further key is refused with -ENOSPC.
 * Errors:  -ENOMEM, -ENOSPC.
 * Memory:  owned by the map; values are plain words.
 * Threads: one owner.
 */
#ifndef SCOPE_MAP_H
#define SCOPE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"

struct scope_map;

/* NULL when memory is short. */
struct scope_map *scope_map_new(size_t max);
void scope_map_free(struct scope_map *m);
SCOPE_AUTO(scope_map)

bool scope_map_get(const struct scope_map *m, uint64_t key, uint64_t *ret_val);
int scope_map_put(struct scope_map *m, uint64_t key, uint64_t val);
/* Take a key out; false when it was not there. ret_val may be NULL. */
bool scope_map_take(struct scope_map *m, uint64_t key, uint64_t *ret_val);
size_t scope_map_len(const struct scope_map *m);
void scope_map_clear(struct scope_map *m);
/* Walk: start with *at = 0; false at the end. The map must not change. */
bool scope_map_next(const struct scope_map *m, size_t *at, uint64_t *ret_key,
		    uint64_t *ret_val);

#endif
