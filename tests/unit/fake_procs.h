/* SPDX-License-Identifier: MIT */
/*
 * fake_procs: a process table with processes, in memory made by hand as a given
 * release has it, in one arena at FP_BASE; for what reads processes whole.
 */
#ifndef SCOPE_TESTS_FAKE_PROCS_H
#define SCOPE_TESTS_FAKE_PROCS_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "beam/layout.h"
#include "target/table.h"

#define FP_BASE 0x10000000ull
#define FP_ARENA (1u << 20)
#define FP_SLOTS 64u
#define FP_ATOM(n) ((uint64_t)(n) << 6 | 0x0b)
#define FP_SMALL(n) ((uint64_t)(n) << 4 | 0x0f)
#define FP_NIL 0x3bull

struct fp {
	uint8_t *mem; /* FP_ARENA bytes */
	size_t used;
	struct scope_vm vm;
	struct scope_table table;
	const struct scope_layout *l;
	void (*hook)(struct fp *f, uint64_t addr); /* before each read */
	int n; /* the hook's own */
};

static inline int fp_read(void *arg, uint64_t addr, void *buf, size_t len)
{
	struct fp *f = arg;

	if (f->hook)
		f->hook(f, addr);
	if (addr < FP_BASE || addr - FP_BASE > FP_ARENA ||
	    len > FP_ARENA - (addr - FP_BASE))
		return -EFAULT;
	memcpy(buf, f->mem + (addr - FP_BASE), len);
	return 0;
}

/* 0: there is no room. */
static inline uint64_t fp_alloc(struct fp *f, size_t n)
{
	uint64_t at = FP_BASE + f->used;

	n = (n + 15) & ~(size_t)15;
	if (n > FP_ARENA - f->used)
		return 0;
	f->used += n;
	return at;
}

static inline void fp_put(struct fp *f, uint64_t at, const void *v, size_t n)
{
	memcpy(f->mem + (at - FP_BASE), v, n);
}

static inline void fp_w64(struct fp *f, uint64_t at, uint64_t v)
{
	fp_put(f, at, &v, 8);
}

static inline void fp_w32(struct fp *f, uint64_t at, uint32_t v)
{
	fp_put(f, at, &v, 4);
}

static inline void fp_w16(struct fp *f, uint64_t at, uint16_t v)
{
	fp_put(f, at, &v, 2);
}

static inline uint64_t fp_words(struct fp *f, size_t n, const uint64_t *w)
{
	uint64_t at = fp_alloc(f, 8 * n);

	fp_put(f, at, w, 8 * n);
	return at;
}

#define FP_WORDS(f, ...)                                                \
	fp_words(f, sizeof((uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t), \
		 (uint64_t[]){ __VA_ARGS__ })

static inline uint64_t fp_pid(const struct fp *f, uint32_t slot)
{
	if (f->l->pixdata)
		return (uint64_t)(FP_SLOTS + slot) << 4 | 3;
	return (uint64_t)slot << 32 | (uint64_t)slot << 4 | 3;
}

/* One with a heap of 233 words, 20 of which are stack, that waits. */
static inline uint64_t fp_process(struct fp *f, uint32_t slot)
{
	const struct scope_layout *l = f->l;
	uint64_t p = fp_alloc(f, l->p_size), heap = fp_alloc(f, 8 * 233);

	fp_w64(f, p, fp_pid(f, slot));
	fp_w64(f, p + l->p_initial, FP_ATOM(10));
	fp_w64(f, p + l->p_initial + 8, FP_ATOM(11));
	fp_w64(f, p + l->p_initial + 16, 3);
	fp_w64(f, p + l->p_parent, FP_ATOM(0));
	fp_w64(f, p + l->p_group_leader, fp_pid(f, 0));
	fp_w64(f, p + l->p_heap, heap);
	fp_w64(f, p + l->p_htop, heap + 80);
	fp_w64(f, p + l->p_stop, heap + 8 * 213);
	fp_w64(f, p + l->p_hend, heap + 8 * 233);
	fp_w64(f, p + l->p_heap_sz, 233);
	fp_w64(f, p + l->p_reds, 1000 + slot);
	fp_w64(f, p + l->p_arg_reg, p + l->p_def_arg_reg);
	fp_w32(f, p + l->p_state, 0x2a);
	fp_w64(f, f->table.tab + 8ull * slot, p);
	return p;
}

/* The arena stays between tests. */
static inline int fp_make(struct fp *f, unsigned otp)
{
	struct scope_pixdata pix;
	uint8_t *mem = f->mem ? f->mem : malloc(FP_ARENA);
	uint64_t ro, tab;

	if (!mem)
		return -ENOMEM;
	memset(mem, 0, FP_ARENA);
	*f = (struct fp){ .mem = mem, .used = 16 };
	f->l = scope_layout_of(otp);
	f->vm = (struct scope_vm){ .layout = f->l,
				   .read = fp_read,
				   .arg = f };
	f->table = (struct scope_table){ .vm = &f->vm };
	f->table.addr = fp_alloc(f, 1024);
	ro = f->table.addr + f->l->pt_ro;
	tab = fp_alloc(f, 8 * FP_SLOTS);
	fp_w64(f, ro + f->l->t_tab, tab);
	fp_w32(f, ro + f->l->t_max, FP_SLOTS);
	fp_w32(f, ro + f->l->t_pix_mask, FP_SLOTS - 1);
	fp_w64(f, ro + f->l->t_invalid, fp_alloc(f, 16));
	return scope_table_load(&f->table, &pix);
}

#endif
