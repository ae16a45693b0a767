/* SPDX-License-Identifier: MIT */
/*
 * Atoms by their text.
 *
 * Most of those that are asked for ('$initial_call', '$ancestors') are not
 * among the emulator's own, and come into being when a module is loaded, so
 * the whole table is looked through, once for each text; a text that was not
 * found is looked for again among what was added since.
 */
#include <string.h>

#include "target/target_int.h"

#define SEGMENT 1024u /* atoms to a segment: index.h, INDEX_PAGE_SIZE */
#define KEYS_MAX 64
#define FOLLOW 65536u

struct search {
	struct scope_target *t;
	const char *text;
	size_t len;
	uint64_t atoms[SEGMENT];
	uint8_t heads[SEGMENT][64];
	struct scope_piece pieces[SEGMENT];
};

/* Does the Atom whose first bytes are `head` have the text? */
static bool is_it(struct search *s, const uint8_t *head)
{
	const struct scope_layout *l = s->t->vm.layout;
	char text[256];
	uint64_t name;
	int16_t len;

	memcpy(&len, head + l->atom_len, sizeof(len));
	memcpy(&name, head + l->atom_name, sizeof(name));
	return len >= 0 && (size_t)len == s->len && s->len <= sizeof(text) &&
	       scope_target_read(s->t, name, text, s->len) == 0 &&
	       memcmp(text, s->text, s->len) == 0;
}

/* Index of the atom in the segment at `addr`, or -1. */
static int search_segment(struct search *s, uint64_t addr, uint32_t n)
{
	const struct scope_layout *l = s->t->vm.layout;
	size_t len = l->atom_name + 8;

	if (len > sizeof(s->heads[0]) ||
	    scope_target_read(s->t, addr, s->atoms, 8 * (size_t)n) < 0)
		return -1;
	for (uint32_t i = 0; i < n; i++)
		s->pieces[i] = (struct scope_piece){
			.addr = s->atoms[i],
			.buf = s->heads[i],
			.len = len,
		};
	if (scope_target_batch(s->t, s->pieces, n) < 0)
		return -1;
	for (uint32_t i = 0; i < n; i++)
		if (s->pieces[i].is_read && is_it(s, s->heads[i]))
			return (int)i;
	return -1;
}

/* Search all from index `from` on; 0: not there. */
static uint64_t search(struct search *s, uint32_t from, uint32_t n)
{
	const struct scope_layout *l = s->t->vm.layout;
	uint64_t segs, seg;

	if (scope_target_read(s->t, s->t->vm.atom_table + l->at_seg_table,
			      &segs, sizeof(segs)) < 0)
		return 0;
	for (uint32_t at = from & ~(SEGMENT - 1); at < n; at += SEGMENT) {
		uint32_t left = n - at < SEGMENT ? n - at : SEGMENT;
		int i;

		if (scope_target_read(s->t, segs + 8ull * (at / SEGMENT), &seg,
				      sizeof(seg)) < 0)
			return 0;
		i = search_segment(s, seg, left);
		if (i >= 0)
			return (uint64_t)(at + (uint32_t)i) << 6 | 0x0b;
	}
	return 0;
}

/* The same where names are terms (OTP 29 on): through the texts that the vm
 * keeps, which it reads many at once. */
static uint64_t search_texts(struct scope_target *t, const char *text,
			     uint32_t from, uint32_t n)
{
	size_t want = strlen(text), len;

	while (scope_vm_follow_atoms(&t->vm, FOLLOW) == FOLLOW)
		;
	for (uint32_t i = from; i < n; i++) {
		uint64_t atom = (uint64_t)i << 6 | 0x0b;
		const char *s = scope_vm_atom(&t->vm, atom, &len);

		if (s && len == want && !memcmp(s, text, len))
			return atom;
	}
	return 0;
}

/* FNV-1a; never 0, which a map does not take. */
static uint64_t hash(const char *text)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 0x100000001b3ull;
	return h ? h : 1;
}

/* In the map: the atom; or, what is no atom, the number of atoms that were
 * looked through in vain << 8. */
uint64_t scope_target_atom(struct scope_target *t, const char *text)
{
	const struct scope_layout *l = t->vm.layout;
	scope_autofree struct search *s = NULL;
	uint64_t known = 0;
	uint32_t n, from;

	if (!t->keys)
		t->keys = scope_map_new(KEYS_MAX);
	if (t->keys && scope_map_get(t->keys, hash(text), &known) &&
	    scope_is_atom(known))
		return known;
	if (scope_target_read(t, t->vm.atom_table + l->at_entries, &n,
			      sizeof(n)) < 0)
		return 0;
	if (n > SCOPE_ATOMS_MAX)
		n = SCOPE_ATOMS_MAX;
	if (n == known >> 8)
		return 0;
	/* The one that was the last may have been half made. */
	from = known ? (uint32_t)(known >> 8) - 1 : 0;
	if (l->atom_is_term) {
		known = search_texts(t, text, from, n);
	} else {
		s = malloc(sizeof(*s));
		if (!s)
			return 0;
		s->t = t;
		s->text = text;
		s->len = strlen(text);
		known = search(s, from, n);
	}
	if (t->keys)
		(void)scope_map_put(t->keys, hash(text),
				    known ? known : (uint64_t)n << 8);
	return known;
}
