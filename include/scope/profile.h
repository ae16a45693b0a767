/* SPDX-License-Identifier: MIT */
/*
 * sample: what the sampler's programs and their reader agree on.
 *
 * A sample is a struct scope_sample, followed by nframes, nkernel and nnative
 * words:
 *
 *   frames   what of the process's stack may be return addresses, from its top
 *            to its bottom: words whose two low bits are 0 and that are no
 *            pointers into the stack itself. SCOPE_FRAME_ADDR of it is the
 *            address, SCOPE_FRAME_AT how many words above `from` it stood. Where
 *            SCOPE_SAMPLE_CUT is set, the last ntail of them are of the bottom
 *            of the stack, and those between are left out
 *   kernel   addresses of the kernel, innermost first
 *   native   words of the C stack, from the stack pointer on
 *
 * Whether an address is one of Erlang code is for the reader to find out: code
 * comes and goes.
 */
#ifndef SCOPE_PROFILE_H
#define SCOPE_PROFILE_H

#include "scope/layout.h"

#define SCOPE_SAMPLE_FRAMES 512	/* from the top of the stack */
#define SCOPE_SAMPLE_TAIL 32	/* from its bottom, where there are more */
#define SCOPE_SAMPLE_KERNEL 48
#define SCOPE_SAMPLE_NATIVE 512 /* words */
#define SCOPE_SAMPLE_SAVED 8	/* words below the C stack's first */
#define SCOPE_SAMPLE_REGS 17

#define SCOPE_FRAME_BITS 47
#define SCOPE_FRAME_ADDR(f) ((f) & ((1ull << SCOPE_FRAME_BITS) - 1))
#define SCOPE_FRAME_AT(f) ((f) >> SCOPE_FRAME_BITS)

/* As the ABI of x86-64 numbers registers for unwinding. The others of
 * aarch64: 0 to 15 are x19 to x30 and then nothing. */
enum scope_sample_reg {
	SCOPE_SREG_BX = 3,
	SCOPE_SREG_BP = 6,
	SCOPE_SREG_SP = 7,
	SCOPE_SREG_R12 = 12,
	SCOPE_SREG_R13 = 13,
	SCOPE_SREG_R14 = 14,
	SCOPE_SREG_R15 = 15,
	SCOPE_SREG_IP = 16,
};

enum scope_sample_flag {
	SCOPE_SAMPLE_IN_KERNEL = 1u << 0,
	SCOPE_SAMPLE_CUT = 1u << 1,	/* more frames than there is room for */
	SCOPE_SAMPLE_UNREAD = 1u << 2,	/* of the stack; it is not there */
	SCOPE_SAMPLE_DEEP = 1u << 3,	/* more words than are looked at */
	SCOPE_SAMPLE_NO_STACK = 1u << 4, /* its bounds contradict themselves */
	SCOPE_SAMPLE_OUT = 1u << 5,	/* no clock's: a process is left */
};

struct scope_sample {
	__u64 ts_ns;
	__u64 scheduler; /* address of its data */
	__u64 pid;	 /* Eterm; 0: it runs no process */
	__u64 port;	 /* Eterm of the port that it serves; 0 */
	__u64 process;	 /* address */
	__u64 name;	 /* registered, Eterm; 0: none */
	__u64 initial[3]; /* module and function, Eterms; arity */
	__u64 i;	  /* where the process goes on, as it noted last */
	__u64 current;	  /* address of an MFA; 0 */
	__u64 heap, htop, stop, hend;
	__u64 from; /* where the frames were looked for from */
	__u64 saved[SCOPE_SAMPLE_SAVED]; /* C stack, from its first word down:
					    saved[0] is where the emulator's code
					    was called from */
	__u64 reg[SCOPE_SAMPLE_REGS];
	__u32 state;   /* of the process */
	__u32 p_flags; /* the same */
	__u32 cpu;
	__u32 flags; /* enum scope_sample_flag */
	__u32 nframes, ntail, nkernel, nnative;
};

/* A process is taken up again: a record of its own, of this size. */
struct scope_sample_in {
	__u64 ts_ns;
	__u64 pid; /* Eterm */
};

#define SCOPE_SAMPLE_MAX                                                       \
	(sizeof(struct scope_sample) +                                         \
	 8 * (SCOPE_SAMPLE_FRAMES + SCOPE_SAMPLE_TAIL + SCOPE_SAMPLE_KERNEL +  \
	      SCOPE_SAMPLE_NATIVE))

/* Fixed before the programs are loaded. */
struct scope_sample_config {
	struct scope_layout layout;
	__u64 main_lo, main_hi; /* process_main of an interpreter; 0: a JIT.
				   In there, reg_p and reg_e hold the process and
				   its stack pointer */
	__u32 reg_p, reg_e; /* enum scope_sample_reg */
	__u32 wants_kernel, wants_native;
	__u32 wants_waits; /* processes that are left, instead of samples */
	__u32 pad0;
};

/*
 * Shared with the reader, which writes `site`: how the stack pointer comes back
 * after a call of C code, by the address behind the call, in an open table:
 * the place is SCOPE_SITE_HASH of it or one of the next SCOPE_SITE_PROBES.
 */
#define SCOPE_SITES 8192u
#define SCOPE_SITE_PROBES 4
#define SCOPE_SITE_HASH(addr)                                                  \
	((__u32)(((addr)*0x9e3779b97f4a7c15ull) >> 51) & (SCOPE_SITES - 1))
#define SCOPE_SITE_STOP (1ull << 62) /* from Process.stop */
#define SCOPE_SITE_BP (1ull << 63)   /* from the register that C code keeps */
#define SCOPE_SITE_ADDR(site) ((site) & ((1ull << SCOPE_FRAME_BITS) - 1))

struct scope_sample_shared {
	__u64 taken;  /* samples, those lost among them */
	__u64 lost;   /* for want of room in the ring */
	__u64 unread; /* the scheduler's data was not there */
	__u64 run_ns; /* that the programs took */
	__u64 runs;
	__u64 until_ns; /* written by the reader: nothing after it; 0: no end */
	__u64 pad[2];
	__u64 site[SCOPE_SITES];
};

#endif
