/* SPDX-License-Identifier: MIT */
/*
 * Maps (erl_map.h). Bits 6 and 7 of the header say which:
 *
 *   0  flat map: size 8, tuple of keys 16, values from 24
 *   1  inner node: kids from 8, as many as bits 16..31 of the header are set
 *   2  root with 16 kids: size 8, kids from 16
 *   3  root with as many kids as bits 16..31 are set: size 8, kids from 16
 *
 * A kid is a cons of key and value, or a node; a node may also be what looks
 * like a tuple of conses, whose keys have the same hash.
 */
#include "beam/term_int.h"

#include <errno.h>

enum { FLAT, NODE, ROOT_ARRAY, ROOT_BITMAP };

static unsigned type_of(uint64_t header)
{
	return header >> 6 & 3;
}

static unsigned bitmap_count(uint64_t header)
{
	return (unsigned)__builtin_popcount(header >> 16 & 0xffff);
}

static void push(struct scope_map_walk *w, uint64_t kids, uint32_t n)
{
	w->stack[w->level].kids = kids;
	w->stack[w->level].n = n;
	w->stack[w->level].i = 0;
	w->level++;
}

static bool begin_flat(struct scope_put *p, const struct scope_view *v,
		       struct scope_map_walk *w)
{
	uint64_t keys, header;

	w->flat = true;
	w->values = v->addr + 24;
	if (!scope_word_at(p, v->addr + 16, &keys))
		return true; /* no pair will be found */
	if (SCOPE_TAG(keys) != SCOPE_TAG_BOXED)
		return false;
	w->keys = SCOPE_PTR(keys) + 8;
	/* Tuples have subtag 0. */
	return !scope_word_at(p, SCOPE_PTR(keys), &header) ||
	       header == w->size << 6;
}

bool scope_map_begin(struct scope_put *p, const struct scope_view *v,
		     bool reverse, struct scope_map_walk *w)
{
	w->flat = false;
	w->reverse = reverse;
	w->keys = 0;
	w->i = 0;
	w->level = 0;
	w->missing = false;
	if (type_of(v->header) == NODE)
		return false;
	if (!scope_word_at(p, v->addr + 8, &w->size)) {
		w->size = 0;
		w->missing = true;
		return true;
	}
	if (type_of(v->header) == FLAT)
		return w->size < 1ull << 32 && begin_flat(p, v, w);
	push(w, v->addr + 16,
	     type_of(v->header) == ROOT_ARRAY ? 16 : bitmap_count(v->header));
	return true;
}

static int flat_pair(struct scope_put *p, struct scope_map_walk *w,
		     uint64_t *ret_key, uint64_t *ret_value)
{
	if (w->i == w->size)
		return w->missing ? -ENODATA : 0;
	if (!w->keys || !scope_word_at(p, w->keys + 8 * w->i, ret_key) ||
	    !scope_word_at(p, w->values + 8 * w->i, ret_value))
		return -ENODATA;
	w->key_addr = w->keys + 8 * w->i;
	w->value_addr = w->values + 8 * w->i;
	w->i++;
	return 1;
}

/* Go down to the node that `word` points to. */
static int enter(struct scope_put *p, struct scope_map_walk *w, uint64_t word)
{
	uint64_t header, n, addr = SCOPE_PTR(word);

	if (SCOPE_TAG(word) != SCOPE_TAG_BOXED)
		return -EINVAL;
	if (!scope_word_at(p, addr, &header)) {
		w->missing = true;
		return 0;
	}
	if (SCOPE_TAG(header) != SCOPE_TAG_HEADER)
		return -EINVAL;
	if (SCOPE_SUBTAG(header) == p->l->sub.tuple)
		n = SCOPE_ARITY(header);
	else if (SCOPE_SUBTAG(header) == p->l->sub.map &&
		 type_of(header) == NODE)
		n = bitmap_count(header);
	else
		return -EINVAL;
	if (n > p->image->nwords || w->level == SCOPE_MAP_LEVELS)
		return -EINVAL;
	push(w, addr + 8, (uint32_t)n);
	return 0;
}

int scope_map_pair(struct scope_put *p, struct scope_map_walk *w,
		   uint64_t *ret_key, uint64_t *ret_value)
{
	if (w->flat)
		return flat_pair(p, w, ret_key, ret_value);
	while (w->level) {
		uint32_t n = w->stack[w->level - 1].n;
		uint32_t i = w->stack[w->level - 1].i++;
		uint64_t word, list;
		int r;

		if (i >= n) {
			w->level--;
			continue;
		}
		if (w->reverse)
			i = n - 1 - i;
		if (!scope_word_at(p, w->stack[w->level - 1].kids + 8 * i,
				   &word)) {
			w->missing = true;
			continue;
		}
		if (SCOPE_TAG(word) == SCOPE_TAG_LIST) {
			list = word;
			r = scope_cons_next(p, &list, ret_key);
			if (r == 1) {
				*ret_value = list;
				w->key_addr = SCOPE_PTR(word);
				w->value_addr = SCOPE_PTR(word) + 8;
				return 1;
			}
			w->missing = true;
			continue;
		}
		r = enter(p, w, word);
		if (r < 0)
			return r;
	}
	return w->missing ? -ENODATA : 0;
}
