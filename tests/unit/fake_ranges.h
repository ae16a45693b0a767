/* SPDX-License-Identifier: MIT */
/*
 * fake_ranges: the code of an interpreter, in the memory of fake_vm.h: modules
 * of two functions each, first/0 and second/1, of 4 words each, in a table of
 * each of the three code indices.
 *
 * A module is its head, three pointers, and the functions, each an ErtsCodeInfo
 * (5 words) and its code.
 */
#ifndef SCOPE_TESTS_FAKE_RANGES_H
#define SCOPE_TESTS_FAKE_RANGES_H

#include "fake_vm.h"

#define FAKE_MODULES 20
#define FAKE_FUNCTION 9	  /* words */
#define FAKE_FIRST 14	  /* words from the head to the first function */
#define FAKE_MODULE_WORDS (FAKE_FIRST + 2 * FAKE_FUNCTION)

struct fake_ranges {
	uint64_t module[FAKE_MODULES]; /* addresses of the heads */
	uint64_t name[FAKE_MODULES];
	uint64_t first, second;	       /* names of the functions */
	uint64_t slots;		       /* of index 0's table */
	uint64_t tables, active;       /* addresses */
};

/* Where function i of a module begins, and its code. */
static inline uint64_t fake_function(const struct fake_ranges *r, size_t module,
				     size_t i)
{
	return r->module[module] + 8 * (FAKE_FIRST + FAKE_FUNCTION * i);
}

static inline uint64_t fake_function_code(const struct fake_ranges *r,
					  size_t module, size_t i)
{
	return fake_function(r, module, i) + 8 * 5;
}

static inline uint64_t fake_range_module(struct fake *f, uint64_t name,
					 uint64_t first, uint64_t second)
{
	uint64_t at = fake_at(f->used);
	uint64_t w[FAKE_MODULE_WORDS] = { 2 };
	const size_t table = f->l->ch_functions / 8;

	for (size_t i = 0; i < 3; i++)
		w[table + i] = at + 8 * (FAKE_FIRST + FAKE_FUNCTION * i);
	for (size_t i = 0; i < 2; i++) {
		uint64_t *info = w + FAKE_FIRST + FAKE_FUNCTION * i;

		info[2] = name;
		info[3] = i ? second : first;
		info[4] = i;
	}
	return fake_words(f, w, FAKE_MODULE_WORDS);
}

/* Index 0 is in use; 1 was, with the same modules; 2 never was. */
static inline void fake_ranges_make(struct fake *f, struct fake_ranges *r)
{
	uint64_t slots[2 * FAKE_MODULES], t[12] = { 0 };
	char name[16];

	r->first = fake_atom(f, "first");
	r->second = fake_atom(f, "second");
	for (size_t i = 0; i < FAKE_MODULES; i++) {
		memcpy(name, "module_", 7);
		name[7] = (char)('a' + i);
		name[8] = 0;
		r->name[i] = fake_atom(f, name);
	}
	for (size_t i = 0; i < FAKE_MODULES; i++) {
		r->module[i] = fake_range_module(f, r->name[i], r->first,
						 r->second);
		slots[2 * i] = r->module[i];
		slots[2 * i + 1] = fake_at(f->used);
		f->used += 3; /* between modules */
	}
	r->slots = fake_words(f, slots, 2 * FAKE_MODULES);
	for (size_t i = 0; i < 2; i++) {
		t[4 * i] = i ? fake_words(f, slots, 2 * FAKE_MODULES) :
			       r->slots;
		t[4 * i + 1] = FAKE_MODULES;
		t[4 * i + 2] = FAKE_MODULES + 4;
		t[4 * i + 3] = t[4 * i] + 16 * (FAKE_MODULES / 2);
	}
	r->tables = fake_words(f, t, 12);
	r->active = fake_words(f, &(uint64_t){ 0 }, 1);
}

#endif
