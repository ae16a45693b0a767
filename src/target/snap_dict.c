/* SPDX-License-Identifier: MIT */
/* What a snapshot takes of dictionaries; see dict.c for how they are made. */
#include "target/snap_int.h"

#define HEADER(arity) ((uint64_t)(arity) << 6) /* of a tuple */

static const uint32_t lacks_of[SCOPE_SNAP_KEYS] = {
	[SCOPE_SNAP_KEY_INITIAL] = SCOPE_SNAP_INITIAL,
	[SCOPE_SNAP_KEY_LABEL] = SCOPE_SNAP_LABEL,
	[SCOPE_SNAP_KEY_ANCESTORS] = SCOPE_SNAP_ANCESTORS,
	[SCOPE_SNAP_KEY_CALLERS] = SCOPE_SNAP_ANCESTORS,
};

void scope_snap_start_dict(struct scope_snap_batch *b, size_t i)
{
	scope_snap_push(b, (struct scope_snap_item){
				   .addr = b->p[i].dictionary,
				   .proc = (uint16_t)i,
				   .lacks = SCOPE_SNAP_MEMORY |
					    SCOPE_SNAP_INITIAL |
					    SCOPE_SNAP_LABEL |
					    SCOPE_SNAP_ANCESTORS,
				   .step = SCOPE_SNAP_AT_DICT });
}

/* A slot's word, the head or tail of a cell: NIL, {Key, Value}, or a list. */
static void follow(struct scope_snap_batch *b, const struct scope_snap_item *it,
		   uint64_t term)
{
	struct scope_snap_item next = *it;

	next.addr = SCOPE_PTR(term);
	if (SCOPE_TAG(term) == SCOPE_TAG_BOXED)
		next.step = SCOPE_SNAP_AT_PAIR;
	else if (SCOPE_TAG(term) == SCOPE_TAG_LIST)
		next.step = SCOPE_SNAP_AT_CELL;
	else
		return;
	scope_snap_push(b, next);
}

void scope_snap_slot(struct scope_snap_batch *b,
		     const struct scope_snap_item *it, const uint8_t *bytes)
{
	follow(b, it, scope_snap_u64(bytes, 0));
}

void scope_snap_cell(struct scope_snap_batch *b,
		     const struct scope_snap_item *it, const uint8_t *bytes)
{
	follow(b, it, scope_snap_u64(bytes, 0));
	follow(b, it, scope_snap_u64(bytes, 8));
}

void scope_snap_pair(struct scope_snap_batch *b,
		     const struct scope_snap_item *it, const uint8_t *bytes)
{
	uint64_t value = scope_snap_u64(bytes, 16);
	struct scope_snap_item next = *it;

	if (scope_snap_u64(bytes, 0) != HEADER(2) ||
	    scope_snap_u64(bytes, 8) != b->keys[it->key])
		return;
	b->w[it->proc].terms[it->key] = value;
	if (it->key != SCOPE_SNAP_KEY_INITIAL ||
	    SCOPE_TAG(value) != SCOPE_TAG_BOXED)
		return;
	next.addr = SCOPE_PTR(value);
	next.x = value;
	next.step = SCOPE_SNAP_AT_INITIAL;
	scope_snap_push(b, next);
}

/* {M, F, A}, where A is the arity, or rarely the list of arguments. */
void scope_snap_initial(struct scope_snap_batch *b,
			const struct scope_snap_item *it, const uint8_t *bytes)
{
	struct scope_mfa m = {
		.module = scope_snap_u64(bytes, 8),
		.function = scope_snap_u64(bytes, 16),
	};
	uint64_t arity = scope_snap_u64(bytes, 24);

	if (scope_snap_u64(bytes, 0) != HEADER(3) || !scope_is_atom(m.module) ||
	    !scope_is_atom(m.function))
		return;
	m.arity = (uint64_t)SCOPE_SMALL(arity);
	if (!scope_is_small(arity))
		(void)scope_initial_call(b->vm, it->x,
					 &b->p[it->proc].initial);
	else if (m.arity <= 255)
		b->p[it->proc].initial = m;
}

/* The slot of an atom, as dict.c's slot_of. */
static int64_t slot_of(uint32_t mask, uint32_t used, uint64_t key)
{
	uint32_t hash = (uint32_t)(key >> 6), ix = hash & mask;

	if (ix >= used)
		ix = hash & (mask >> 1);
	return ix < used && ix < SCOPE_DICT_MAX ? (int64_t)ix : -1;
}

static bool is_hidden(const struct scope_snap_proc *p, unsigned key)
{
	return p->sensitive && key != SCOPE_SNAP_KEY_INITIAL;
}

/* The head, with the first slots where they could be read. */
void scope_snap_dict(struct scope_snap_batch *b,
		     const struct scope_snap_item *it, const uint8_t *bytes)
{
	const struct scope_layout *l = b->l;
	uint32_t mask = scope_snap_u32(bytes, 0);
	uint32_t used = scope_snap_u32(bytes, l->pd_used);
	uint32_t slots = scope_snap_u32(bytes, l->pd_slots);
	struct scope_snap_proc *p = &b->p[it->proc];
	struct scope_snap_item next = *it;

	if (used > slots || slots > SCOPE_DICT_MAX) {
		p->lacks |= it->lacks;
		return;
	}
	if (!p->sensitive)
		p->dictionary_entries = scope_snap_u32(bytes, l->pd_elements);
	b->w[it->proc].other += l->pd_bytes + 8ull * slots - 8;
	scope_snap_allow(b, it->proc, 2 * slots);
	for (unsigned k = 0; k < SCOPE_SNAP_KEYS; k++) {
		int64_t ix = slot_of(mask, used, b->keys[k]);

		if (!b->keys[k] || ix < 0 || is_hidden(p, k))
			continue;
		next.key = (uint8_t)k;
		next.lacks = lacks_of[k];
		next.step = SCOPE_SNAP_AT_SLOT;
		next.addr = it->addr + l->pd_data + 8ull * (uint64_t)ix;
		if (it->step == SCOPE_SNAP_AT_DICT && ix < SCOPE_SNAP_SLOTS)
			follow(b, &next,
			       scope_snap_u64(bytes,
					      l->pd_data + 8 * (uint32_t)ix));
		else
			scope_snap_push(b, next);
	}
}
