/* SPDX-License-Identifier: MIT */
/*
 * regs: the registers of a thread in user space, by the numbers that DWARF gives
 * them (System V ABI, AMD64 supplement, figure 3.36; DWARF for the ARM 64-bit
 * architecture, 4.1).
 */
#ifndef SCOPE_ATTACHER_REGS_H
#define SCOPE_ATTACHER_REGS_H

#include <stdint.h>

#if defined(__x86_64__)
#define SCOPE_REGS 17
#define SCOPE_REG_SP 7
#define SCOPE_REG_PC 16 /* the return address's column */
#else
#define SCOPE_REGS 33
#define SCOPE_REG_SP 31
#define SCOPE_REG_PC 32
#endif

struct scope_thread_regs {
	uint64_t r[SCOPE_REGS];
	uint64_t known; /* bit i: r[i] */
};

static inline int scope_reg_is_known(const struct scope_thread_regs *r, unsigned i)
{
	return i < SCOPE_REGS && (r->known >> i & 1);
}

static inline void scope_reg_set(struct scope_thread_regs *r, unsigned i, uint64_t v)
{
	r->r[i] = v;
	r->known |= 1ull << i;
}

#endif
