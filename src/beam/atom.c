/* SPDX-License-Identifier: MIT */
/*
 * The atom table (index.h, atom.h): an atom's word is its index << 6 | 0x0b;
 * seg_table[index >> 10][index & 1023] is the address of its struct atom, whose
 * name is UTF-8: a plain pointer up to OTP 28, a binary term from OTP 29 on.
 * Atoms are never freed and never change, so what was read once stays true.
 *
 * Texts are kept in chunks that are never moved, as a length byte pair and the
 * bytes; a map leads from the atom's word to the text.
 */
#include "beam/vm_int.h"

#include <errno.h>

#include "base/map.h"
#include "base/utf8.h"

#define SEG_BITS 10
#define ATOM_BYTES_MAX (255 * 4) /* 255 characters */
#define CHUNK_BYTES 65536u
#define LOOSE_FIRST (1ull << 40) /* no table has as many */

struct chunk {
	struct chunk *next;
	size_t used;
	char text[CHUNK_BYTES];
};

struct scope_atoms {
	struct scope_map *texts; /* atom word -> address of its length pair */
	struct scope_map *words; /* hash of a text -> atom word */
	unsigned loose;		 /* atoms of our own, from LOOSE_FIRST on */
	struct chunk *chunks;
	uint64_t table;	    /* erts_atom_table as of which seg_table was read */
	uint64_t seg_table; /* 0: not yet read */
	char spare[ATOM_BYTES_MAX]; /* the last text that could not be kept */
	uint64_t followed; /* atoms below this number were looked at */
};

struct scope_atoms *scope_atoms_new(void)
{
	struct scope_atoms *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->texts = scope_map_new(SCOPE_ATOMS_MAX);
	a->words = scope_map_new(SCOPE_ATOMS_MAX);
	if (!a->texts || !a->words) {
		scope_map_free(a->texts);
		scope_map_free(a->words);
		free(a);
		return NULL;
	}
	return a;
}

void scope_atoms_free(struct scope_atoms *a)
{
	if (!a)
		return;
	while (a->chunks) {
		struct chunk *c = a->chunks;

		a->chunks = c->next;
		free(c);
	}
	scope_map_free(a->texts);
	scope_map_free(a->words);
	free(a);
}

/* Never 0. Two texts may have the same: the caller compares. */
static uint64_t hash_of(const char *text, size_t len)
{
	uint64_t h = 14695981039346656037ull;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)text[i]) * 1099511628211ull;
	return h ? h : 1;
}

static int read_u64(struct scope_vm *vm, uint64_t addr, uint64_t *ret)
{
	return vm->read(vm->arg, addr, ret, sizeof(*ret));
}

/* Where a name that is a binary term has its bytes: heap bits hold them, sub
 * bits point to them. */
static int name_bytes_of_term(struct scope_vm *vm, uint64_t term, size_t len,
			      uint64_t *ret_addr)
{
	const struct scope_subtags *sub = &vm->layout->sub;
	uint64_t p = SCOPE_PTR(term), w[4];
	int r;

	if (SCOPE_TAG(term) != SCOPE_TAG_BOXED)
		return -EINVAL;
	r = vm->read(vm->arg, p, w, 16);
	if (r < 0)
		return r;
	if (SCOPE_TAG(w[0]) != SCOPE_TAG_HEADER)
		return -EINVAL;
	if (SCOPE_SUBTAG(w[0]) == sub->heap_bits) {
		if (w[1] != 8 * (uint64_t)len)
			return -EINVAL;
		*ret_addr = p + 16;
		return 0;
	}
	if (SCOPE_SUBTAG(w[0]) != sub->sub_bits)
		return -EINVAL;
	r = vm->read(vm->arg, p, w, sizeof(w));
	if (r < 0)
		return r;
	if (w[3] - w[2] != 8 * (uint64_t)len || (w[2] & 7))
		return -EINVAL;
	*ret_addr = (w[1] & ~3ull) + w[2] / 8;
	return 0;
}

/* Read the text of atom number `ix` into text[ATOM_BYTES_MAX]. */
static int read_text(struct scope_vm *vm, uint64_t ix, char *text,
		     size_t *ret_len)
{
	const struct scope_layout *l = vm->layout;
	uint64_t seg, atom, name;
	uint32_t entries;
	uint16_t len;
	int r;

	r = vm->read(vm->arg, vm->atom_table + l->at_entries, &entries,
		     sizeof(entries));
	if (r < 0)
		return r;
	if (ix >= entries)
		return -EINVAL;
	if (!vm->atoms->seg_table || vm->atoms->table != vm->atom_table) {
		/* allocated once, at the VM's start */
		r = read_u64(vm, vm->atom_table + l->at_seg_table,
			     &vm->atoms->seg_table);
		if (r < 0)
			return r;
		vm->atoms->table = vm->atom_table;
	}
	r = read_u64(vm, vm->atoms->seg_table + 8 * (ix >> SEG_BITS), &seg);
	if (r < 0)
		return r;
	r = read_u64(vm, seg + 8 * (ix & ((1u << SEG_BITS) - 1)), &atom);
	if (r < 0)
		return r;
	r = vm->read(vm->arg, atom + l->atom_len, &len, sizeof(len));
	if (r < 0)
		return r;
	if (len > ATOM_BYTES_MAX)
		return -EINVAL;
	r = read_u64(vm, atom + l->atom_name, &name);
	if (r < 0)
		return r;
	if (l->atom_is_term) {
		r = name_bytes_of_term(vm, name, len, &name);
		if (r < 0)
			return r;
	}
	r = len ? vm->read(vm->arg, name, text, len) : 0;
	if (r < 0)
		return r;
	if (!scope_utf8_valid(text, len))
		return -EINVAL;
	*ret_len = len;
	return 0;
}

/* A kept copy of text; NULL when memory is short or the cache is full. */
static const char *keep(struct scope_atoms *a, uint64_t atom, const char *text,
			size_t len)
{
	struct chunk *c = a->chunks;
	char *at;

	if (!c || CHUNK_BYTES - c->used < len + 2) {
		c = malloc(sizeof(*c));
		if (!c)
			return NULL;
		c->used = 0;
		c->next = a->chunks;
		a->chunks = c;
	}
	at = c->text + c->used;
	if (scope_map_put(a->texts, atom, (uint64_t)(uintptr_t)at) < 0)
		return NULL;
	at[0] = (char)(len >> 8);
	at[1] = (char)(len & 255);
	memcpy(at + 2, text, len);
	c->used += len + 2;
	(void)scope_map_put(a->words, hash_of(text, len), atom);
	return at + 2;
}

const char *scope_vm_atom(struct scope_vm *vm, uint64_t atom, size_t *ret_len)
{
	struct scope_atoms *a = vm->atoms;
	const char *text;
	uint64_t at;
	size_t len;

	if (atom == SCOPE_WORD_REDACTED) {
		*ret_len = sizeof(SCOPE_TEXT_REDACTED) - 1;
		return SCOPE_TEXT_REDACTED;
	}
	if (!scope_is_atom(atom))
		return NULL;
	if (scope_map_get(a->texts, atom, &at)) {
		const unsigned char *kept = (unsigned char *)(uintptr_t)at;

		*ret_len = (size_t)kept[0] << 8 | kept[1];
		return (const char *)kept + 2;
	}
	if (read_text(vm, atom >> 6, a->spare, &len) < 0)
		return NULL;
	text = keep(a, atom, a->spare, len);
	*ret_len = len;
	return text ? text : a->spare;
}

size_t scope_vm_follow_atoms(struct scope_vm *vm, size_t max)
{
	struct scope_atoms *a = vm->atoms;
	uint32_t entries;
	size_t n = 0, len;

	if (vm->read(vm->arg, vm->atom_table + vm->layout->at_entries, &entries,
		     sizeof(entries)) < 0)
		return 0;
	if (entries > SCOPE_ATOMS_MAX)
		entries = SCOPE_ATOMS_MAX;
	for (; n < max && a->followed < entries; n++)
		(void)scope_vm_atom(vm, a->followed++ << 6 | 0x0b, &len);
	return n;
}

uint64_t scope_vm_find_atom(struct scope_vm *vm, const char *text,
			    unsigned limit)
{
	size_t want = strlen(text);

	for (uint64_t ix = 0; ix < limit; ix++) {
		uint64_t atom = ix << 6 | 0x0b;
		size_t len;
		const char *s = scope_vm_atom(vm, atom, &len);

		if (!s)
			return 0;
		if (len == want && memcmp(s, text, len) == 0)
			return atom;
	}
	return 0;
}

static uint64_t known(struct scope_vm *vm, const char *text, size_t len)
{
	uint64_t atom;
	const char *s;
	size_t n;

	if (!scope_map_get(vm->atoms->words, hash_of(text, len), &atom))
		return 0;
	s = scope_vm_atom(vm, atom, &n);
	return s && n == len && !memcmp(s, text, len) ? atom : 0;
}

uint64_t scope_vm_atom_of(struct scope_vm *vm, const char *text, size_t len)
{
	struct scope_atoms *a = vm->atoms;
	uint64_t atom;

	if (len > ATOM_BYTES_MAX || !scope_utf8_valid(text, len))
		return 0;
	atom = known(vm, text, len);
	if (atom && atom >> 6 < LOOSE_FIRST)
		return atom;
	/* Not looked at so far, or new in the table. */
	if (scope_vm_follow_atoms(vm, SCOPE_ATOMS_MAX))
		atom = known(vm, text, len);
	if (atom || a->loose == SCOPE_LOOSE_MAX)
		return atom;
	atom = (LOOSE_FIRST + a->loose) << 6 | 0x0b;
	if (!keep(a, atom, text, len))
		return 0;
	a->loose++;
	return atom;
}
