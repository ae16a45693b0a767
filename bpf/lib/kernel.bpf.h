/* SPDX-License-Identifier: (MIT OR GPL-2.0) */
/*
 * What the programs need to know of the kernel, kept by hand, so that they
 * build where no BTF is. Only the user registers at a probe: their layout is
 * ABI (arch/x86/include/uapi/asm/ptrace.h, arch/arm64/.../ptrace.h), so they
 * need no relocation.
 */
#ifndef SCOPE_BPF_KERNEL_H
#define SCOPE_BPF_KERNEL_H

#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;

/* The kernel takes a program's context in a global function by these names
 * alone: older ones by that of the struct, newer ones by the typedef. */
#define scope_regs pt_regs
typedef struct pt_regs bpf_user_pt_regs_t;

#if defined(__TARGET_ARCH_x86)
struct scope_regs {
	u64 r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
	u64 orig_ax, ip, cs, flags, sp, ss;
};
#define SCOPE_ARG1(r) ((r)->di)
#define SCOPE_ARG2(r) ((r)->si)
#define SCOPE_ARG3(r) ((r)->dx)
#define SCOPE_ARG4(r) ((r)->cx)
#define SCOPE_ARG5(r) ((r)->r8)
#define SCOPE_ARG6(r) ((r)->r9)
#define SCOPE_RET(r) ((r)->ax)
/* Where a function returns to, at its first instruction. */
#define SCOPE_CALLER(r) word((r)->sp)
/* Where Erlang code of the JIT runs: its process, its stack, and how many words
 * a call puts there. */
#define SCOPE_IP(r) ((r)->ip)
#define SCOPE_C_P(r) ((r)->r13)
#define SCOPE_E(r) ((r)->sp)
#define SCOPE_CALL_WORDS 1
#elif defined(__TARGET_ARCH_arm64)
struct scope_regs {
	u64 regs[31];
	u64 sp, pc, pstate;
};
#define SCOPE_ARG1(r) ((r)->regs[0])
#define SCOPE_ARG2(r) ((r)->regs[1])
#define SCOPE_ARG3(r) ((r)->regs[2])
#define SCOPE_ARG4(r) ((r)->regs[3])
#define SCOPE_ARG5(r) ((r)->regs[4])
#define SCOPE_ARG6(r) ((r)->regs[5])
#define SCOPE_RET(r) ((r)->regs[0])
#define SCOPE_CALLER(r) ((r)->regs[30])
#define SCOPE_IP(r) ((r)->pc)
#define SCOPE_C_P(r) ((r)->regs[21])
#define SCOPE_E(r) ((r)->regs[20])
#define SCOPE_CALL_WORDS 0
#else
#error "no register map for this architecture"
#endif

#endif
