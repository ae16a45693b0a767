/* SPDX-License-Identifier: MIT */
/*
 * usdt: what a program is told of a USDT site: which event it is, and where its
 * arguments are, as its note says. The attach cookie's
 * argument is an index into scope_bpf_config.usdt.
 *
 * Source:  systemtap, sys/sdt.h 4.8, and its wiki page "UserSpaceProbe
 *          Implementation"; erts/emulator/beam/erlang_dtrace.d, the same from
 *          OTP 23 to 29.
 */
#ifndef SCOPE_USDT_H
#define SCOPE_USDT_H

#include <linux/types.h>

#define SCOPE_USDT_MAX 48 /* sites */
#define SCOPE_USDT_ARGS 5 /* arguments that are used of one */
#define SCOPE_USDT_TEXT 256 /* bytes of a text, NUL included: DTRACE_TERM_BUF_SIZE */

/* An argument: value [+ register] [+ index register << scale], which with
 * DEREF is an address; then `size` bytes of it, after `shift` bits. Registers
 * are numbered as struct scope_regs of bpf/lib/kernel.bpf.h has them. */
#define SCOPE_USDT_BASE 1u
#define SCOPE_USDT_INDEX 2u
#define SCOPE_USDT_DEREF 4u
#define SCOPE_USDT_SIGNED 8u

/* x86-64 */
enum {
	SCOPE_USDT_R15, SCOPE_USDT_R14, SCOPE_USDT_R13, SCOPE_USDT_R12,
	SCOPE_USDT_BP, SCOPE_USDT_BX, SCOPE_USDT_R11, SCOPE_USDT_R10,
	SCOPE_USDT_R9, SCOPE_USDT_R8, SCOPE_USDT_AX, SCOPE_USDT_CX,
	SCOPE_USDT_DX, SCOPE_USDT_SI, SCOPE_USDT_DI, SCOPE_USDT_SP,
};
/* arm64: x0 to x30, then */
#define SCOPE_USDT_ARM_SP 31

enum scope_usdt_role {
	SCOPE_USDT_UNUSED,
	SCOPE_USDT_NUMBER,
	SCOPE_USDT_PID,	  /* text of a local pid: its Eterm */
	SCOPE_USDT_ANY,	  /* the same; 0 when it is of another node, or a port */
	SCOPE_USDT_LOCAL, /* the same; no event when it is of another node */
	SCOPE_USDT_PORT,  /* text of a port: its Eterm */
	SCOPE_USDT_STRING, /* text */
	SCOPE_USDT_CONTENTS, /* text, where contents are wanted */
	SCOPE_USDT_MATCH, /* no event unless the text is `match` */
};

struct scope_usdt_arg {
	__u8 flags; /* SCOPE_USDT_BASE ... */
	__u8 reg, index, scale;
	__u8 size;  /* bytes: 1, 2, 4 or 8 */
	__u8 shift; /* bits */
	__u8 role;  /* enum scope_usdt_role */
	__u8 slot;  /* NUMBER ... PORT: 0: scope_rec.pid; n: scope_rec.a[n - 1] */
	__u64 value;
};

#define SCOPE_USDT_PAIR 1u   /* a[0] is a process, too */
#define SCOPE_USDT_QUIET 2u  /* no event of its own */
#define SCOPE_USDT_OPENS 4u  /* of this thread: time runs until ... */
#define SCOPE_USDT_NODE 16u  /* of the whole node, whatever the processes */
#define SCOPE_USDT_CLOSES 8u /* ... here, and goes into scope_rec.gc.pause_ns */

struct scope_usdt_site {
	__u8 kind; /* enum scope_kind */
	__u8 flags;
	__u16 group; /* enum scope_group */
	__u32 rec_flags; /* of scope_rec */
	__u64 match; /* 8 bytes of text, NUL included, filled up with NUL */
	struct scope_usdt_arg arg[SCOPE_USDT_ARGS];
};

/* ErtsPTab.r.o of processes and ports: how a number becomes an Eterm, as
 * src/beam/vm.c says. */
struct scope_usdt_ids {
	__u64 pix_mask, cl_mask, cli_mask;
	__u32 cl_shift, cli_shift;
};

#endif
