/* SPDX-License-Identifier: MIT */
/*
 * What bpf/thread.bpf.c says of a thread. The registers are the kernel's struct
 * pt_regs, whose layout is ABI (arch/x86/include/uapi/asm/ptrace.h; user_pt_regs
 * of arch/arm64/include/uapi/asm/ptrace.h).
 */
#ifndef SCOPE_THREAD_H
#define SCOPE_THREAD_H

#include <linux/types.h>

#define SCOPE_THREAD_REGS 34 /* room for those of any machine */

struct scope_thread_rec {
	__u32 on_cpu; /* 1: it runs, and the registers are old */
	__u32 bytes;  /* of regs; 0: there are none */
	__u64 since_ns; /* since it got on a CPU last; 0: not known */
	__u64 regs[SCOPE_THREAD_REGS];
};

#endif
