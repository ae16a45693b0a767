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
#define SEG_MASK ((1u << SEG_BITS) - 1)
#define WORD(ix) ((ix) << 6 | 0x0b)
#define ATOM_BYTES_MAX (255 * 4) /* 255 characters */
#define CHUNK_BYTES 65536u
#define GROUP 256      /* atoms read at once */
#define HEAD_BYTES 64  /* of a struct atom, with what is asked of it */
#define TEXT_BYTES 128 /* most names have fewer */
#define TRIES 3	       /* for an atom that can't be read */
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
	unsigned tries;	   /* that the atom of that number could not be read */
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
 * bits point to them. The words w[4] are those at p; of heap bits, w[2]. */
static int bytes_of_term(const struct scope_vm *vm, uint64_t p,
			 const uint64_t *w, size_t len, uint64_t *ret_addr)
{
	const struct scope_subtags *sub = &vm->layout->sub;

	if (SCOPE_TAG(w[0]) != SCOPE_TAG_HEADER)
		return -EINVAL;
	if (SCOPE_SUBTAG(w[0]) == sub->heap_bits) {
		if (w[1] != 8 * (uint64_t)len)
			return -EINVAL;
		*ret_addr = p + 16;
		return 0;
	}
	if (SCOPE_SUBTAG(w[0]) != sub->sub_bits ||
	    w[3] - w[2] != 8 * (uint64_t)len || (w[2] & 7))
		return -EINVAL;
	*ret_addr = (w[1] & ~3ull) + w[2] / 8;
	return 0;
}

static int name_bytes_of_term(struct scope_vm *vm, uint64_t term, size_t len,
			      uint64_t *ret_addr)
{
	uint64_t p = SCOPE_PTR(term), w[4];
	int r;

	if (SCOPE_TAG(term) != SCOPE_TAG_BOXED)
		return -EINVAL;
	r = vm->read(vm->arg, p, w, 16);
	if (r == 0 && SCOPE_SUBTAG(w[0]) == vm->layout->sub.sub_bits)
		r = vm->read(vm->arg, p, w, sizeof(w));
	return r < 0 ? r : bytes_of_term(vm, p, w, len, ret_addr);
}

/* It is allocated once, at the VM's start. */
static int load_seg_table(struct scope_vm *vm)
{
	struct scope_atoms *a = vm->atoms;
	int r;

	if (a->seg_table && a->table == vm->atom_table)
		return 0;
	r = read_u64(vm, vm->atom_table + vm->layout->at_seg_table,
		     &a->seg_table);
	if (r == 0)
		a->table = vm->atom_table;
	return r;
}

/* Read the text of atom number `ix` into text[ATOM_BYTES_MAX]: its length. */
static int read_text(struct scope_vm *vm, uint64_t ix, char *text)
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
	r = load_seg_table(vm);
	if (r < 0)
		return r;
	r = read_u64(vm, vm->atoms->seg_table + 8 * (ix >> SEG_BITS), &seg);
	if (r < 0)
		return r;
	r = read_u64(vm, seg + 8 * (ix & SEG_MASK), &atom);
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
	return scope_utf8_valid(text, len) ? len : -EINVAL;
}

/* gcc 12's analyser believes that a kept chunk is lost. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
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

#pragma GCC diagnostic pop

const char *scope_vm_atom(struct scope_vm *vm, uint64_t atom, size_t *ret_len)
{
	struct scope_atoms *a = vm->atoms;
	const char *text;
	uint64_t at;
	int len;

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
	len = read_text(vm, atom >> 6, a->spare);
	if (len < 0)
		return NULL;
	text = keep(a, atom, a->spare, (size_t)len);
	*ret_len = (size_t)len;
	return text ? text : a->spare;
}

int scope_vm_know_atom(struct scope_vm *vm, uint64_t atom, const char *text,
		       size_t len)
{
	struct scope_atoms *a = vm->atoms;
	uint64_t at;

	if (!scope_is_atom(atom) || len > ATOM_BYTES_MAX ||
	    !scope_utf8_valid(text, len))
		return -EBADMSG;
	if (scope_map_get(a->texts, atom, &at)) {
		const unsigned char *kept = (unsigned char *)(uintptr_t)at;

		return ((size_t)kept[0] << 8 | kept[1]) == len &&
				       !memcmp(kept + 2, text, len) ?
			       0 :
			       -EBADMSG;
	}
	return keep(a, atom, text, len) ? 0 : -ENOMEM;
}

/* -- many at once ---------------------------------------------------------- */

/*
 * A group of atoms of one segment: their slots in one read, then the structs of
 * all, then the terms of the names where names are terms, then the texts. What
 * of it can't be read so, and a text that is longer than most, is read alone.
 */
struct group {
	uint64_t first; /* number of atom 0 */
	size_t n;
	uint64_t slots[GROUP];
	uint16_t len[GROUP];
	struct scope_piece pieces[GROUP];
	uint8_t heads[GROUP][HEAD_BYTES];
	uint64_t terms[GROUP][4];
	char texts[GROUP][TEXT_BYTES];
};

/* Which of them are not known. */
static int read_slots(struct scope_vm *vm, struct group *g)
{
	uint64_t seg, at;
	int r = load_seg_table(vm);

	if (r == 0)
		r = read_u64(vm, vm->atoms->seg_table +
					 8 * (g->first >> SEG_BITS), &seg);
	if (r == 0)
		r = vm->read(vm->arg, seg + 8 * (g->first & SEG_MASK), g->slots,
			     8 * g->n);
	for (size_t i = 0; r == 0 && i < g->n; i++)
		if (scope_map_get(vm->atoms->texts, WORD(g->first + i), &at))
			g->slots[i] = 0;
	return r;
}

/* Where the names are, in `slots`; 0: not known. */
static int read_heads(struct scope_vm *vm, struct group *g)
{
	const struct scope_layout *l = vm->layout;
	int r;

	for (size_t i = 0; i < g->n; i++)
		g->pieces[i] = (struct scope_piece){ .addr = g->slots[i],
						     .buf = g->heads[i],
						     .len = l->atom_name + 8 };
	r = scope_vm_read_all(vm, g->pieces, g->n);
	for (size_t i = 0; r == 0 && i < g->n; i++) {
		g->slots[i] = 0;
		if (!g->pieces[i].is_read)
			continue;
		memcpy(&g->len[i], g->heads[i] + l->atom_len, 2);
		memcpy(&g->slots[i], g->heads[i] + l->atom_name, 8);
		if (g->len[i] > TEXT_BYTES)
			g->slots[i] = 0;
	}
	return r;
}

/* The same where a name is a term. */
static int read_terms(struct scope_vm *vm, struct group *g)
{
	int r;

	for (size_t i = 0; i < g->n; i++)
		g->pieces[i] = (struct scope_piece){
			.addr = SCOPE_TAG(g->slots[i]) == SCOPE_TAG_BOXED ?
					SCOPE_PTR(g->slots[i]) :
					0,
			.buf = g->terms[i],
			.len = sizeof(g->terms[i]),
		};
	r = scope_vm_read_all(vm, g->pieces, g->n);
	for (size_t i = 0; r == 0 && i < g->n; i++) {
		uint64_t at = g->pieces[i].addr;

		if (!g->pieces[i].is_read ||
		    bytes_of_term(vm, at, g->terms[i], g->len[i],
				  &g->slots[i]) < 0)
			g->slots[i] = 0;
	}
	return r;
}

static int read_texts(struct scope_vm *vm, struct group *g)
{
	int r;

	for (size_t i = 0; i < g->n; i++)
		g->pieces[i] = (struct scope_piece){
			.addr = g->len[i] ? g->slots[i] : 0,
			.buf = g->texts[i],
			.len = g->len[i],
		};
	r = scope_vm_read_all(vm, g->pieces, g->n);
	for (size_t i = 0; r == 0 && i < g->n; i++)
		if (g->pieces[i].is_read &&
		    scope_utf8_valid(g->texts[i], g->len[i]))
			(void)keep(vm->atoms, WORD(g->first + i), g->texts[i],
				   g->len[i]);
	return r;
}

/* Number of the group's first atoms that are known now, or were given up. */
static size_t follow_group(struct scope_vm *vm, struct group *g)
{
	struct scope_atoms *a = vm->atoms;
	int r = read_slots(vm, g);
	size_t i, len;

	if (r == 0)
		r = read_heads(vm, g);
	if (r == 0 && vm->layout->atom_is_term)
		r = read_terms(vm, g);
	if (r == 0)
		r = read_texts(vm, g);
	if (r == -ESRCH)
		return 0;
	for (i = 0; i < g->n; i++) {
		if (!scope_vm_atom(vm, WORD(g->first + i), &len) &&
		    ++a->tries < TRIES)
			break;
		a->tries = 0;
	}
	return i;
}

size_t scope_vm_follow_atoms(struct scope_vm *vm, size_t max)
{
	scope_autofree struct group *g = NULL;
	struct scope_atoms *a = vm->atoms;
	uint32_t entries;
	size_t n = 0, done;

	if (vm->read(vm->arg, vm->atom_table + vm->layout->at_entries, &entries,
		     sizeof(entries)) < 0)
		return 0;
	if (entries > SCOPE_ATOMS_MAX)
		entries = SCOPE_ATOMS_MAX;
	if (a->followed >= entries || !max)
		return 0;
	if (vm->layout->atom_name + 8 > HEAD_BYTES ||
	    vm->layout->atom_len + 2 > HEAD_BYTES)
		return 0;
	g = malloc(sizeof(*g));
	if (!g)
		return 0;
	do {
		uint64_t left = entries - a->followed;
		uint64_t room = SEG_MASK + 1 - (a->followed & SEG_MASK);

		g->first = a->followed;
		g->n = left < room ? left : room;
		if (g->n > GROUP)
			g->n = GROUP;
		if (g->n > max - n)
			g->n = max - n;
		done = follow_group(vm, g);
		a->followed += done;
		n += done;
	} while (done == g->n && n < max && a->followed < entries);
	return n;
}

uint64_t scope_vm_find_atom(struct scope_vm *vm, const char *text,
			    unsigned limit)
{
	size_t want = strlen(text);

	if (vm->atoms->followed < limit)
		(void)scope_vm_follow_atoms(vm, limit - vm->atoms->followed);
	for (uint64_t ix = 0; ix < limit; ix++) {
		uint64_t atom = WORD(ix);
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

/* In the table, or a number of our own. */
static uint64_t look_for(struct scope_vm *vm, const char *text, size_t len)
{
	uint64_t atom;

	if (len > ATOM_BYTES_MAX || !scope_utf8_valid(text, len))
		return 0;
	atom = known(vm, text, len);
	if (atom && atom >> 6 < LOOSE_FIRST)
		return atom;
	/* Not looked at so far, or new in the table. */
	if (scope_vm_follow_atoms(vm, SCOPE_ATOMS_MAX))
		atom = known(vm, text, len);
	return atom;
}

uint64_t scope_vm_atom_known(struct scope_vm *vm, const char *text, size_t len)
{
	uint64_t atom = look_for(vm, text, len);

	return atom >> 6 < LOOSE_FIRST ? atom : 0;
}

uint64_t scope_vm_atom_of(struct scope_vm *vm, const char *text, size_t len)
{
	struct scope_atoms *a = vm->atoms;
	uint64_t atom = look_for(vm, text, len);

	if (atom || len > ATOM_BYTES_MAX || !scope_utf8_valid(text, len) ||
	    a->loose == SCOPE_LOOSE_MAX)
		return atom;
	atom = WORD(LOOSE_FIRST + a->loose);
	if (!keep(a, atom, text, len))
		return 0;
	a->loose++;
	return atom;
}

uint64_t scope_vm_atom_of_printed(struct scope_vm *vm, const char *text,
				  size_t len)
{
	char name[ATOM_BYTES_MAX];
	size_t n = 0;

	if (!len || *text != '\'')
		return len ? scope_vm_atom_of(vm, text, len) : 0;
	for (size_t i = 1; i < len && text[i] != '\''; i++) {
		if (text[i] == '\\' && i + 1 < len)
			i++;
		if (n == sizeof(name))
			return 0;
		name[n++] = text[i];
	}
	return scope_vm_atom_of(vm, name, n);
}
