/* SPDX-License-Identifier: (MIT OR GPL-2.0) */
/*
 * USDT: what the emulator's own probes say, as texts and numbers. Their sites
 * differ in nothing but a description that the collector makes of their notes:
 * which event it is, where the arguments are and what each is for. The emulator
 * prepares arguments only where a semaphore says that somebody looks.
 */
#ifndef SCOPE_BPF_USDT_H
#define SCOPE_BPF_USDT_H

#include "lib/emit.bpf.h"

#if defined(__TARGET_ARCH_x86)
#define USDT_REGS 16
#else
#define USDT_REGS 32
#endif

/* Longer than any pid or port that is printed: <0.268435455.8191>. */
#define IDENT_BYTES 48
#define NUMBER_BITS 28	   /* beam/vm.c: from OTP 26 on */
#define OLD_NUMBER_BITS 15
#define OLD_DATA_BITS 28
#define USDT_TEXTS_MAX 64 /* words before the last text */

/* When what a thread is in began. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, u64);
} usdt_since SEC(".maps");

/* All of them at fixed places: the verifier wants no computed place of the
 * context. */
static __always_inline void usdt_regs(struct scope_regs *ctx, u64 *to)
{
#if defined(__TARGET_ARCH_x86)
	to[SCOPE_USDT_R15] = ctx->r15;
	to[SCOPE_USDT_R14] = ctx->r14;
	to[SCOPE_USDT_R13] = ctx->r13;
	to[SCOPE_USDT_R12] = ctx->r12;
	to[SCOPE_USDT_BP] = ctx->bp;
	to[SCOPE_USDT_BX] = ctx->bx;
	to[SCOPE_USDT_R11] = ctx->r11;
	to[SCOPE_USDT_R10] = ctx->r10;
	to[SCOPE_USDT_R9] = ctx->r9;
	to[SCOPE_USDT_R8] = ctx->r8;
	to[SCOPE_USDT_AX] = ctx->ax;
	to[SCOPE_USDT_CX] = ctx->cx;
	to[SCOPE_USDT_DX] = ctx->dx;
	to[SCOPE_USDT_SI] = ctx->si;
	to[SCOPE_USDT_DI] = ctx->di;
	to[SCOPE_USDT_SP] = ctx->sp;
#else
#pragma unroll
	for (u32 i = 0; i < 31; i++)
		to[i] = ctx->regs[i];
	to[SCOPE_USDT_ARM_SP] = ctx->sp;
#endif
}

static __always_inline u64 usdt_value(const u64 *regs,
				      const volatile struct scope_usdt_arg *a)
{
	u32 flags = a->flags, size = a->size, spare;
	u64 v = a->value, at;

	if (flags & SCOPE_USDT_BASE)
		v += regs[a->reg & (USDT_REGS - 1)];
	if (flags & SCOPE_USDT_INDEX)
		v += regs[a->index & (USDT_REGS - 1)] << (a->scale & 3);
	if (flags & SCOPE_USDT_DEREF) {
		at = v;
		v = 0;
		if (size < 1 || size > 8 ||
		    bpf_probe_read_user(&v, size, (void *)at))
			return 0;
	}
	v >>= a->shift & 63;
	spare = (64 - 8 * size) & 63;
	v <<= spare;
	if (flags & SCOPE_USDT_SIGNED)
		return (long)v >> spare;
	return v >> spare;
}

/* The word of a table's element, from what it is printed as; beam/vm.c says
 * the same. */
static __always_inline u64 usdt_word(const volatile struct scope_usdt_ids *t,
				     u64 data, u64 tag)
{
	u64 slot = ((data & t->cl_mask) << (t->cl_shift & 63)) |
		   ((data >> (t->cli_shift & 63)) & t->cli_mask);

	if (!config.layout.pixdata)
		return (slot & 0xffffffff) << 32 |
		       (data & ((1u << OLD_DATA_BITS) - 1)) << 4 | tag;
	return ((data & ~t->pix_mask) | slot) << 4 | tag;
}

struct ident {
	char text[IDENT_BYTES];
	u64 first, second, last; /* of the numbers */
	u32 dots, is_whole;
};

/* A loop of its own, for the verifier's sake: it looks at one step. */
static long ident_step(u32 i, void *ctx)
{
	struct ident *p = ctx;
	u32 c;

	if (i >= IDENT_BYTES)
		return 1;
	c = (u8)p->text[i];
	if (c == '>')
		p->is_whole = 1;
	if (c == '>' || !c)
		return 1;
	if (c == '.') {
		p->first = p->second;
		p->second = p->last;
		p->last = 0;
		p->dots++;
	} else if (c - '0' < 10) {
		p->last = p->last * 10 + (c - '0');
	}
	return 0;
}

/* The Eterm of a local pid, "<0.12.3>", or a local port, "#Port<0.4>"; 0: it
 * is neither. */
__noinline u64 usdt_ident(u64 addr, u32 is_port)
{
	struct ident p = {};
	u32 bits;

	if (bpf_probe_read_user_str(p.text, sizeof(p.text), (void *)addr) < 0)
		return 0;
	if (p.text[0] != (is_port ? '#' : '<'))
		return 0;
	bpf_loop(IDENT_BYTES, ident_step, &p, 0);
	if (!p.is_whole)
		return 0;
	if (is_port)
		return p.dots == 1 && !p.second ?
			       usdt_word(&config.usdt_ports, p.last, 7) :
			       0;
	bits = config.layout.pixdata ? NUMBER_BITS : OLD_NUMBER_BITS;
	if (p.dots != 2 || p.first || p.second >> bits)
		return 0;
	return usdt_word(&config.usdt_procs, p.last << bits | p.second, 3);
}

/* A text, or an empty one. */
static __always_inline void usdt_text(struct scratch *s, u64 addr, u32 is_wanted)
{
	u32 at = s->n, n = 1, nsegs = s->nsegs;
	long len;

	if (at > USDT_TEXTS_MAX || nsegs >= SCOPE_USDT_ARGS)
		return;
	s->words[at] = 0;
	if (is_wanted) {
		len = bpf_probe_read_user_str(&s->words[at], SCOPE_USDT_TEXT,
					      (void *)addr);
		if (len > 0 && len <= SCOPE_USDT_TEXT)
			n = (u32)(len + 7) >> 3;
	}
	s->segs[nsegs] = SCOPE_SEG(0, n);
	s->nsegs = nsegs + 1;
	s->n = at + n;
}

enum usdt_verdict { USDT_EVENT, USDT_NONE, USDT_UNREADABLE };

/* The pid and a[] are one array of eight. */
static __always_inline void usdt_put(struct scratch *s, u32 slot, u64 v)
{
	(&s->rec.pid)[slot & 7] = v;
}

/* One argument, into the record. */
static __always_inline int usdt_take(struct scratch *s,
				     const volatile struct scope_usdt_site *u,
				     const volatile struct scope_usdt_arg *a)
{
	u64 v = usdt_value(s->queue, a), text = 0;
	u32 role = a->role;

	switch (role) {
	case SCOPE_USDT_NUMBER:
		usdt_put(s, a->slot, v);
		break;
	case SCOPE_USDT_PID:
	case SCOPE_USDT_ANY:
	case SCOPE_USDT_LOCAL:
	case SCOPE_USDT_PORT:
		v = usdt_ident(v, role == SCOPE_USDT_PORT);
		usdt_put(s, a->slot, v);
		if (!v && role == SCOPE_USDT_LOCAL)
			return USDT_NONE;
		if (!v && role == SCOPE_USDT_PID)
			return USDT_UNREADABLE;
		break;
	case SCOPE_USDT_STRING:
		usdt_text(s, v, 1);
		break;
	case SCOPE_USDT_CONTENTS:
		usdt_text(s, v, config.term_words != 0);
		break;
	case SCOPE_USDT_MATCH:
		(void)bpf_probe_read_user_str(&text, sizeof(text), (void *)v);
		if (text != u->match)
			return USDT_NONE;
		break;
	}
	return USDT_EVENT;
}

/* The time since the thread's last site that opens; 0: not known. */
static __always_inline u64 usdt_passed(u64 ts)
{
	u64 key = bpf_get_current_pid_tgid();
	u64 *since = bpf_map_lookup_elem(&usdt_since, &key), ns;

	if (!since)
		return 0;
	ns = ts - *since;
	bpf_map_delete_elem(&usdt_since, &key);
	return ns;
}

/* Spawns and exits go on, for the table of processes. */
static __always_inline int usdt_sampled(
	struct scratch *s, const volatile struct scope_usdt_site *u)
{
	u64 pid = s->rec.pid,
	    other = u->flags & SCOPE_USDT_PAIR ? s->rec.a[0] : 0;

	if (u->kind == SCOPE_KIND_PROC_SPAWN ||
	    u->kind == SCOPE_KIND_PROC_EXIT) {
		if (is_out(u->kind == SCOPE_KIND_PROC_SPAWN ? s->rec.a[0] : pid,
			   0))
			s->rec.flags |= SCOPE_F_SAMPLED;
		return 0;
	}
	/* Who receives is not told from whom. */
	if (u->kind == SCOPE_KIND_MSG_SEND)
		pid = other;
	return leave_out(pid, other, s->rec.ts_ns, u->kind);
}

static __always_inline int usdt_fill(struct scratch *s,
				     const volatile struct scope_usdt_site *u)
{
	for (u32 i = 0; i < SCOPE_USDT_ARGS; i++) {
		int r = usdt_take(s, u, &u->arg[i]);

		if (r)
			return r;
	}
	if (!(u->flags & SCOPE_USDT_NODE) &&
	    !in_set(s->rec.pid, u->flags & SCOPE_USDT_PAIR ? s->rec.a[0] : 0))
		return USDT_NONE;
	if (config.samples && usdt_sampled(s, u))
		return USDT_NONE;
	return USDT_EVENT;
}

SEC("uprobe")
int on_usdt(struct scope_regs *ctx)
{
	u64 ts = bpf_ktime_get_ns(), key;
	u64 at = bpf_get_attach_cookie(ctx) >> SCOPE_COOKIE_ARG;
	const volatile struct scope_usdt_site *u;
	struct scratch *s;
	int r;

	if (at >= SCOPE_USDT_MAX)
		return 0;
	u = &config.usdt[at];
	count_hit(u->group);
	if (u->flags & SCOPE_USDT_OPENS) {
		key = bpf_get_current_pid_tgid();
		bpf_map_update_elem(&usdt_since, &key, &ts, BPF_ANY);
	}
	if ((u->flags & SCOPE_USDT_QUIET) || !in_time(ts))
		return 0;
	s = take();
	if (!s) {
		count_emitted(u->kind);
		count_lost(u->kind, SCOPE_LOSS_SCRATCH);
		return 0;
	}
	blank(s, u->kind, SCOPE_SITE_USDT, ts);
	s->rec.flags = u->rec_flags | SCOPE_F_USDT;
	usdt_regs(ctx, s->queue);
	r = usdt_fill(s, u);
	if (r != USDT_EVENT) {
		if (r == USDT_UNREADABLE)
			count_unread(u->kind, ts);
		give_back(s);
		return 0;
	}
	if (u->flags & SCOPE_USDT_CLOSES)
		s->rec.gc.pause_ns = usdt_passed(ts);
	count_emitted(u->kind);
	finish(ctx, s);
	return 0;
}

#endif
