/* SPDX-License-Identifier: MIT */
/*
 * Dictionaries of processes: linear hash tables (erl_process_dict.c). The
 * ProcDict has u32 sizeMask (of the larger half's index), u32 usedSlots, then
 * the slots at pd_data: NIL, one {Key, Value}, or a list of such tuples. An
 * atom's hash is its index, so an atom key has one slot where it can be.
 */
#include <string.h>

#include "target/table_int.h"

#define HEADER(arity) ((uint64_t)(arity) << 6) /* of a tuple */

static bool read_at(struct scope_vm *vm, uint64_t addr, void *buf, size_t len)
{
	return addr && vm->read(vm->arg, addr, buf, len) == 0;
}

/* The slot of an atom, or -1; `head` is the ProcDict's first word. */
static int64_t slot_of(uint64_t head, uint64_t key)
{
	uint32_t mask = (uint32_t)head, used = (uint32_t)(head >> 32);
	uint32_t ix = (uint32_t)(key >> 6) & mask;

	if (ix >= used)
		ix = (uint32_t)(key >> 6) & (mask >> 1);
	return ix < used && ix < SCOPE_DICT_MAX ? (int64_t)ix : -1;
}

/* The value in a {Key, Value}; 0 when `term` is not that. */
static uint64_t value_in(struct scope_vm *vm, uint64_t term, uint64_t key)
{
	uint64_t w[3];

	if (SCOPE_TAG(term) != SCOPE_TAG_BOXED ||
	    !read_at(vm, SCOPE_PTR(term), w, sizeof(w)))
		return 0;
	return w[0] == HEADER(2) && w[1] == key ? w[2] : 0;
}

uint64_t scope_dict_get(struct scope_vm *vm, uint64_t dict, uint64_t key)
{
	uint64_t head, term, cell[2];
	int64_t ix;

	if (!read_at(vm, dict, &head, sizeof(head)))
		return 0;
	ix = slot_of(head, key);
	if (ix < 0 ||
	    !read_at(vm, dict + vm->layout->pd_data + 8 * (uint64_t)ix, &term,
		     sizeof(term)))
		return 0;
	for (int i = 0; i < SCOPE_DICT_CHAIN; i++) {
		uint64_t v;

		if (SCOPE_TAG(term) != SCOPE_TAG_LIST)
			return value_in(vm, term, key);
		if (!read_at(vm, SCOPE_PTR(term), cell, sizeof(cell)))
			return 0;
		v = value_in(vm, cell[0], key);
		if (v)
			return v;
		term = cell[1];
	}
	return 0;
}

/* Length of a proper list of at most 255; -1: it is none. */
static int list_length(struct scope_vm *vm, uint64_t term)
{
	uint64_t cell[2];

	for (int n = 0; n < 256; n++) {
		if (scope_is_nil(term))
			return n;
		if (SCOPE_TAG(term) != SCOPE_TAG_LIST ||
		    !read_at(vm, SCOPE_PTR(term), cell, sizeof(cell)))
			return -1;
		term = cell[1];
	}
	return -1;
}

/* {M, F, A}: proc_lib stores the arity, and others that imitate it may store
 * the list of arguments. */
static bool initial_of(struct scope_vm *vm, const uint64_t *w,
		       struct scope_mfa *ret_mfa)
{
	int64_t arity;

	if (w[0] != HEADER(3) || !scope_is_atom(w[1]) || !scope_is_atom(w[2]))
		return false;
	arity = scope_is_small(w[3]) ? SCOPE_SMALL(w[3]) :
				       list_length(vm, w[3]);
	if (arity < 0 || arity > 255)
		return false;
	*ret_mfa = (struct scope_mfa){
		.module = w[1],
		.function = w[2],
		.arity = (uint64_t)arity,
	};
	return true;
}

bool scope_initial_call(struct scope_vm *vm, uint64_t term,
			struct scope_mfa *ret_mfa)
{
	uint64_t w[4];

	return SCOPE_TAG(term) == SCOPE_TAG_BOXED &&
	       read_at(vm, SCOPE_PTR(term), w, sizeof(w)) &&
	       initial_of(vm, w, ret_mfa);
}

/* From slots' contents in words[] to addresses of tuples in at[]. */
static void follow_slots(struct scope_chunk *b, uint64_t *at)
{
	struct scope_vm *vm = b->t->vm;

	for (size_t i = 0; i < b->n; i++) {
		uint64_t term = b->pieces[i].is_read ? b->words[i][0] : 0;

		at[i] = 0;
		if (SCOPE_TAG(term) == SCOPE_TAG_BOXED)
			at[i] = SCOPE_PTR(term);
		else if (SCOPE_TAG(term) == SCOPE_TAG_LIST)
			(void)scope_initial_call(
				vm,
				scope_dict_get(vm, b->dict[i],
					       b->t->initial_call),
				&b->out[i].initial);
	}
}

/*
 * Four reads for a whole batch instead of four for each process: the heads,
 * the one slot of each that can hold the key, the {Key, Value} in it, and the
 * value. The rare slot that several keys share is looked up alone.
 */
int scope_chunk_initial(struct scope_chunk *b)
{
	const uint64_t key = b->t->initial_call;
	uint64_t at[SCOPE_BATCH];
	int r;

	if (!key)
		return 0;
	r = scope_chunk_words(b, b->dict, 0, 1);
	for (size_t i = 0; r == 0 && i < b->n; i++) {
		int64_t ix = slot_of(b->words[i][0], key);

		at[i] = b->pieces[i].is_read && ix >= 0 ?
				b->dict[i] + 8 * (uint64_t)ix :
				0;
	}
	if (r == 0)
		r = scope_chunk_words(b, at, b->t->vm->layout->pd_data, 1);
	if (r == 0) {
		follow_slots(b, at);
		r = scope_chunk_words(b, at, 0, 3);
	}
	for (size_t i = 0; r == 0 && i < b->n; i++) {
		const uint64_t *w = b->words[i];

		at[i] = b->pieces[i].is_read && w[0] == HEADER(2) &&
					w[1] == key &&
					SCOPE_TAG(w[2]) == SCOPE_TAG_BOXED ?
				SCOPE_PTR(w[2]) :
				0;
	}
	if (r == 0)
		r = scope_chunk_words(b, at, 0, 4);
	for (size_t i = 0; r == 0 && i < b->n; i++)
		if (b->pieces[i].is_read)
			(void)initial_of(b->t->vm, b->words[i],
					 &b->out[i].initial);
	return r;
}
