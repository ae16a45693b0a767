/* SPDX-License-Identifier: MIT */
/*
 * Two tables that the build generates (utils/make_tables, the same in OTP 23
 * to 29) hold all that is needed:
 *
 *   erl_atom_names[]: pointers to the texts of the emulator's own atoms, in
 *     the order of their indices: "false", "true", "_", "nonode@nohost"…
 *   bif_table[]: {Eterm module, Eterm name, u32 arity, u32 pad, f, impl, u32
 *     kind, u32 pad}, 48 bytes, the first erlang:abs/1. f is what Erlang
 *     calls, which for a dirty BIF only schedules; impl is what does it.
 */
#include "target/bif.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#define ATOMS_MAX 16384
#define BIFS_MAX 4096
#define ENTRY 48
#define NAME_MAX_LEN 256

struct bif {
	const char *module;
	const char *function;
	uint32_t arity;
	uint64_t impl;
};

struct scope_bifs {
	const struct scope_elf *elf;
	size_t n;
	struct bif bifs[BIFS_MAX];
};

struct atoms {
	uint64_t at; /* where the table is */
	size_t n;
};

void scope_bifs_free(struct scope_bifs *b)
{
	free(b);
}

static const char *name_at(const struct scope_elf *e, uint64_t at)
{
	uint64_t p;

	return scope_elf_u64(e, at, &p) ? scope_elf_text(e, p, NAME_MAX_LEN) :
					  NULL;
}

static bool is_atom_table(const struct scope_elf *e, uint64_t at)
{
	static const char *const first[] = { "false", "true", "_",
					     "nonode@nohost" };

	for (unsigned i = 0; i < 4; i++) {
		const char *s = name_at(e, at + 8 * i);

		if (!s || strcmp(s, first[i]) != 0)
			return false;
	}
	return true;
}

static const char *atom_name(const struct scope_elf *e, const struct atoms *a,
			     uint64_t term)
{
	if ((term & 0x3f) != 0x0b || term >> 6 >= a->n)
		return NULL;
	return name_at(e, a->at + 8 * (term >> 6));
}

static bool read_entry(const struct scope_elf *e, const struct atoms *a,
		       uint64_t at, struct bif *ret)
{
	const uint8_t *p = scope_elf_at(e, at, ENTRY);
	uint64_t module, function, f;
	uint32_t kind;

	if (!p)
		return false;
	memcpy(&module, p, 8);
	memcpy(&function, p + 8, 8);
	memcpy(&ret->arity, p + 16, 4);
	memcpy(&f, p + 24, 8);
	memcpy(&ret->impl, p + 32, 8);
	memcpy(&kind, p + 40, 4);
	ret->module = atom_name(e, a, module);
	ret->function = atom_name(e, a, function);
	return ret->module && ret->function && ret->arity <= 255 &&
	       kind <= 2 && scope_elf_is_code(e, f) &&
	       scope_elf_is_code(e, ret->impl);
}

static bool is_bif_table(const struct scope_elf *e, const struct atoms *a,
			 uint64_t at)
{
	struct bif b;

	return read_entry(e, a, at, &b) && b.arity == 1 &&
	       strcmp(b.module, "erlang") == 0 && strcmp(b.function, "abs") == 0;
}

/* The first word of a writable segment (both tables hold relocated pointers)
 * where the atoms start, or with them known, the BIFs. 0: none. */
static uint64_t search(const struct scope_elf *e, const struct atoms *a)
{
	size_t n;
	const struct scope_elf_segment *s = scope_elf_segments(e, &n);

	for (size_t i = 0; i < n; i++) {
		if (!(s[i].flags & PF_W))
			continue;
		for (uint64_t off = -s[i].vaddr & 7;
		     off < s[i].filesz && s[i].filesz - off >= 8; off += 8) {
			uint64_t at = s[i].vaddr + off;

			if (a ? is_bif_table(e, a, at) : is_atom_table(e, at))
				return at;
		}
	}
	return 0;
}

int scope_bifs_new(const struct scope_elf *e, struct scope_bifs **ret_bifs)
{
	scope_auto(scope_bifs) b = calloc(1, sizeof(*b));
	struct atoms a = { 0 };
	uint64_t at;

	if (!b)
		return -ENOMEM;
	b->elf = e;
	a.at = search(e, NULL);
	while (a.at && a.n < ATOMS_MAX && name_at(e, a.at + 8 * a.n))
		a.n++;
	at = a.n ? search(e, &a) : 0;
	while (at && b->n < BIFS_MAX && read_entry(e, &a, at, &b->bifs[b->n])) {
		b->n++;
		at += ENTRY;
	}
	*ret_bifs = scope_take(b);
	return 0;
}

size_t scope_bifs_count(const struct scope_bifs *b)
{
	return b->n;
}

int scope_bifs_at(const struct scope_bifs *b, uint64_t vaddr,
		  const char **ret_module, const char **ret_function,
		  unsigned *ret_arity)
{
	const struct bif *found = NULL;

	for (size_t i = 0; i < b->n; i++) {
		if (b->bifs[i].impl != vaddr)
			continue;
		if (found)
			return -ENOENT;
		found = &b->bifs[i];
	}
	if (!found)
		return -ENOENT;
	*ret_module = found->module;
	*ret_function = found->function;
	*ret_arity = (unsigned)found->arity;
	return 0;
}

int scope_bifs_find(const struct scope_bifs *b, const char *module,
		    const char *function, unsigned arity,
		    struct scope_symbol *ret_sym)
{
	for (size_t i = 0; i < b->n; i++) {
		const struct bif *f = &b->bifs[i];

		if (f->arity == arity && strcmp(f->function, function) == 0 &&
		    strcmp(f->module, module) == 0)
			return scope_elf_function(b->elf, f->impl, ret_sym);
	}
	return -ENOENT;
}
