/* SPDX-License-Identifier: MIT */
/*
 * fake_vm: a VM's memory made by hand, laid out as a given release has it: an
 * atom table and a heap, in one array that the vm's read function serves.
 */
#ifndef SCOPE_TESTS_FAKE_VM_H
#define SCOPE_TESTS_FAKE_VM_H

#include <errno.h>
#include <string.h>

#include "beam/layout.h"
#include "beam/term.h"
#include "beam/vm.h"
#include "wire/event.h"

#define FAKE_BASE 0x7f0000010000ull
#define FAKE_WORDS 16384
#define FAKE_NIL 0x3bull
#define FAKE_TABLE 16 /* words from the base to the atom table */
#define FAKE_SEG 64   /* to its first segment of 1024 slots */

struct fake {
	struct scope_vm vm;
	const struct scope_layout *l;
	size_t used;
	uint32_t atoms;
	unsigned reads;
	uint64_t fail_at; /* reads of this word fail; 0: none */
	uint64_t mem[FAKE_WORDS];
	uint64_t seg;
	struct scope_image image;
};

static inline int fake_read(void *arg, uint64_t addr, void *buf, size_t len)
{
	struct fake *f = arg;

	f->reads++;
	if (addr < FAKE_BASE || addr - FAKE_BASE > sizeof(f->mem) - len ||
	    (f->fail_at && f->fail_at + 8 > addr && f->fail_at < addr + len))
		return -EFAULT;
	memcpy(buf, (char *)f->mem + (addr - FAKE_BASE), len);
	return 0;
}

static inline uint64_t fake_at(size_t i)
{
	return FAKE_BASE + 8 * i;
}

static inline uint64_t fake_words(struct fake *f, const uint64_t *w, size_t n)
{
	uint64_t addr = fake_at(f->used);

	if (n)
		memcpy(f->mem + f->used, w, 8 * n);
	f->used += n;
	return addr;
}

/* Bytes at an address that is `skew` past an aligned one. */
static inline uint64_t fake_bytes(struct fake *f, const void *s, size_t n,
				  size_t skew)
{
	uint64_t addr = fake_at(f->used) + skew;

	memcpy((char *)(f->mem + f->used) + skew, s, n);
	f->used += (skew + n + 7) / 8;
	return addr;
}

static inline void fake_put(struct fake *f, uint64_t addr, const void *s,
			    size_t n)
{
	memcpy((char *)f->mem + (addr - FAKE_BASE), s, n);
}

static inline uint64_t fake_header(uint32_t subtag, uint64_t arity)
{
	return arity << 6 | (uint64_t)subtag << 2;
}

static inline uint64_t fake_boxed(uint64_t addr)
{
	return addr | SCOPE_TAG_BOXED;
}

static inline uint64_t fake_int(int64_t v)
{
	return (uint64_t)v << 4 | 0xf;
}

/* A binary on the heap. */
static inline uint64_t fake_bin(struct fake *f, const void *s, size_t n)
{
	bool bits = f->l->bin_style == SCOPE_BIN_BITS;
	uint64_t w[2] = {
		fake_header(bits ? f->l->sub.heap_bits : f->l->sub.heap_bin,
			    1 + (n + 7) / 8),
		bits ? 8 * n : n,
	};
	uint64_t addr = fake_words(f, w, 2);

	(void)fake_bytes(f, s, n, 0);
	return fake_boxed(addr);
}

static inline uint64_t fake_atom_n(struct fake *f, const char *s, size_t n)
{
	uint64_t name, atom, ix = f->atoms++;
	uint16_t len = (uint16_t)n;
	uint64_t w[5] = { 0, 0, ix };

	name = f->l->atom_is_term ? fake_bin(f, s, n) : fake_bytes(f, s, n, 0);
	atom = fake_words(f, w, 5);
	fake_put(f, atom + f->l->atom_len, &len, 2);
	fake_put(f, atom + f->l->atom_name, &name, 8);
	f->mem[FAKE_SEG + ix] = atom;
	fake_put(f, fake_at(FAKE_TABLE) + f->l->at_entries, &f->atoms, 4);
	return ix << 6 | 0x0b;
}

static inline uint64_t fake_atom(struct fake *f, const char *s)
{
	return fake_atom_n(f, s, strlen(s));
}

static inline int fake_init(struct fake *f, unsigned otp)
{
	/* Constants of a table of 2^18 and of 2^20 slots. */
	static const struct scope_pixdata old = { 0x3ffff, 0xf, 0x3fff, 14, 4 };
	static const struct scope_pixdata new = { 0xfffff, 0xf, 0xffff, 16, 4 };
	uint64_t segs;
	int r;

	memset(f, 0, sizeof(*f));
	f->l = scope_layout_of(otp);
	r = scope_vm_init(&f->vm, f->l, fake_read, f);
	if (r < 0)
		return r;
	f->used = FAKE_SEG + 1024;
	f->vm.atom_table = fake_at(FAKE_TABLE);
	f->vm.procs = f->vm.ports = f->l->pixdata ? new : old;
	segs = fake_at(FAKE_SEG);
	segs = fake_words(f, &segs, 1);
	fake_put(f, fake_at(FAKE_TABLE) + f->l->at_seg_table, &segs, 8);
	(void)fake_atom(f, "false");
	(void)fake_atom(f, "true");
	return 0;
}

/* All of the memory as an image of one segment. */
static inline const struct scope_image *fake_image(struct fake *f)
{
	f->seg = SCOPE_SEG(FAKE_BASE, f->used);
	f->image = (struct scope_image){
		.words = f->mem,
		.segs = &f->seg,
		.nwords = f->used,
		.nsegs = 1,
	};
	return &f->image;
}

static inline uint64_t fake_cons(struct fake *f, uint64_t head, uint64_t tail)
{
	uint64_t w[2] = { head, tail };

	return fake_words(f, w, 2) | SCOPE_TAG_LIST;
}

static inline uint64_t fake_list(struct fake *f, const uint64_t *w, size_t n,
				 uint64_t tail)
{
	while (n--)
		tail = fake_cons(f, w[n], tail);
	return tail;
}

static inline uint64_t fake_string(struct fake *f, const char *s)
{
	uint64_t list = FAKE_NIL;

	for (size_t n = strlen(s); n--;)
		list = fake_cons(f, fake_int((unsigned char)s[n]), list);
	return list;
}

static inline uint64_t fake_thing(struct fake *f, uint32_t subtag,
				  const uint64_t *w, size_t n)
{
	uint64_t header = fake_header(subtag, n);
	uint64_t addr = fake_words(f, &header, 1);

	(void)fake_words(f, w, n);
	return fake_boxed(addr);
}

static inline uint64_t fake_tuple(struct fake *f, const uint64_t *w, size_t n)
{
	return fake_thing(f, f->l->sub.tuple, w, n);
}

static inline uint64_t fake_float(struct fake *f, double d)
{
	uint64_t w;

	memcpy(&w, &d, 8);
	return fake_thing(f, f->l->sub.flonum, &w, 1);
}

/* A binary outside of the heap; its bytes at an odd address. */
static inline uint64_t fake_refc(struct fake *f, const void *s, size_t n)
{
	uint64_t bytes = fake_bytes(f, s, n, 3), w[6] = { 0 };

	if (f->l->bin_style == SCOPE_BIN_BITS) {
		w[0] = fake_header(f->l->sub.sub_bits, 4);
		w[1] = bytes & ~3ull;
		w[2] = 8 * (bytes & 3);
		w[3] = w[2] + 8 * n;
		w[4] = fake_boxed(8);
		return fake_boxed(fake_words(f, w, 5));
	}
	w[0] = fake_header(f->l->sub.refc_bin, 5);
	w[1] = n;
	w[4] = bytes;
	return fake_boxed(fake_words(f, w, 6));
}

/* The `bits` bits from bit `from` on of a binary made by fake_refc. */
static inline uint64_t fake_sub(struct fake *f, uint64_t bin, uint64_t from,
				uint64_t bits)
{
	uint64_t w[5] = { 0 };

	if (f->l->bin_style == SCOPE_BIN_BITS) {
		(void)fake_read(f, SCOPE_PTR(bin), w, 40);
		w[2] += from;
		w[3] = w[2] + bits;
	} else {
		w[0] = fake_header(f->l->sub.sub_bin, 3);
		w[1] = bits / 8;
		w[2] = from / 8;
		w[3] = bits % 8 | from % 8 << 8;
		w[4] = bin;
	}
	return fake_boxed(fake_words(f, w, 5));
}

/* A flat map of n pairs. */
static inline uint64_t fake_map(struct fake *f, const uint64_t *keys,
				const uint64_t *values, size_t n)
{
	uint64_t w[3] = { fake_header(f->l->sub.map, 0), n,
			  fake_tuple(f, keys, n) };
	uint64_t addr = fake_words(f, w, 3);

	(void)fake_words(f, values, n);
	return fake_boxed(addr);
}

/* A map's node of n kids, of type 1, or 3 with its size. */
static inline uint64_t fake_node(struct fake *f, unsigned type, uint64_t size,
				 const uint64_t *kids, size_t n)
{
	uint64_t w[2] = {
		((1ull << n) - 1) << 16 | type << 6 | f->l->sub.map << 2, size
	};
	uint64_t addr = fake_words(f, w, type == 1 ? 1 : 2);

	(void)fake_words(f, kids, n);
	return fake_boxed(addr);
}

static inline uint64_t fake_export(struct fake *f, const char *m,
				   const char *fn, unsigned arity)
{
	uint64_t mfa[3] = { fake_atom(f, m), fake_atom(f, fn), arity };
	uint64_t at = fake_words(f, mfa, 3) - f->l->export_mfa, w[5] = { 0 };

	w[1] = at;
	if (f->l->sub.export_fun != SCOPE_NO)
		return fake_thing(f, f->l->sub.export_fun, w + 1, 1);
	w[0] = fake_header(f->l->sub.fun, 3);
	if (f->l->fun_style == SCOPE_FUN_25)
		w[4] = fake_atom(f, "external");
	else
		w[0] = fake_header(f->l->sub.fun, 0) | arity << 8 |
		       (f->l->fun_style == SCOPE_FUN_29) << 24;
	return fake_boxed(fake_words(f, w, 5));
}

/* A fun of arity 1 with one free variable. */
static inline uint64_t fake_fun(struct fake *f, const char *module, int index,
				int uniq)
{
	const struct scope_layout *l = f->l;
	uint64_t at = fake_at(f->used), mod, w[7] = { 0 }, big[16] = { 0 };

	(void)fake_words(f, big, 16);
	mod = fake_atom(f, module);
	fake_put(f, at + l->fe_module, &mod, 8);
	fake_put(f, at + l->fe_index, &index, 4);
	fake_put(f, at + l->fe_old_index, &index, 4);
	fake_put(f, at + l->fe_old_uniq, &uniq, 4);
	w[0] = fake_header(l->sub.fun, 3);
	w[1] = at;
	switch (l->fun_style) {
	case SCOPE_FUN_23:
		w[0] = fake_header(l->sub.fun, 4);
		w[3] = 1;
		w[4] = 1;
		w[5] = 0x3;
		w[6] = fake_int(7);
		return fake_boxed(fake_words(f, w, 7));
	case SCOPE_FUN_25:
		w[3] = 0x0101;
		w[4] = 0x3;
		w[5] = fake_int(7);
		return fake_boxed(fake_words(f, w, 6));
	case SCOPE_FUN_27:
		w[0] = fake_header(l->sub.fun, 0) | 1 << 8 | 2 << 16;
		break;
	default:
		w[0] = fake_header(l->sub.fun, 0) | 1 << 8 | 1 << 16;
	}
	w[2] = fake_int(7);
	return fake_boxed(fake_words(f, w, 4));
}

static inline uint64_t fake_ref(struct fake *f, uint32_t a, uint32_t b,
				uint32_t c)
{
	uint64_t w[2] = { 0xffffffffull | (uint64_t)a << 32,
			  b | (uint64_t)c << 32 };

	return fake_thing(f, f->l->sub.ref, w, 2);
}

/* One that an ets table or a NIF's resource has. */
static inline uint64_t fake_magic_ref(struct fake *f, uint32_t a, uint32_t b,
				      uint32_t c)
{
	uint32_t num[4] = { a, b, c, 0 };
	uint64_t at = fake_bytes(f, num, 16, 0) - f->l->magic_refn;
	uint64_t w[2] = { at, 0 };

	return fake_thing(f, f->l->sub.ref, w, 2);
}

/* Of node "n@h": subtag, then the data words. */
static inline uint64_t fake_external(struct fake *f, uint32_t subtag,
				     const uint64_t *data, size_t n)
{
	uint64_t sys[2] = { fake_atom(f, "n@h"), 1 }, w[6] = { 0 };

	w[0] = fake_words(f, sys, 2) - f->l->node_sysname;
	memcpy(w + 2, data, 8 * n);
	return fake_thing(f, subtag, w, 2 + n);
}

#endif
