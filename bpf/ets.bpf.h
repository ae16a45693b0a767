/* SPDX-License-Identifier: (MIT OR GPL-2.0) */
/*
 * ets.*: the BIFs of ets, at the entries of their C functions, where all calls
 * come by, compiled ones and others: one trap each, but two for ets:new/2, whose
 * table is known when it returns, and with the interpreter.
 *
 * A BIF that has worked long, or whose table is busy with another's long work,
 * lets others run and is called again (erl_db.c: BIF_TRAP_EXPORT): that is the
 * same call, and is not told again. It is one when the process says that it was
 * sent on (freason TRAP) to just where the function is called from, which is not
 * compiled code. The interpreter's: below.
 */
#ifndef SCOPE_BPF_ETS_H
#define SCOPE_BPF_ETS_H

#include "scope/ets.h"
#include "timer.bpf.h"

/* What the JIT puts between a function's start and its call of a BIF. */
#define STUB_BYTES 64
#define LIST_MAX 4096

static const struct {
	u8 kind, takes;
} ets_bifs[64] = {
#define X(function, arity, kind, takes, since) \
	{ SCOPE_KIND_##kind, SCOPE_ETS_##takes },
	SCOPE_ETS_BIFS(X)
#undef X
};

static __always_inline int is_again(struct scope_regs *ctx, u64 p)
{
	const volatile struct scope_layout *l = &config.layout;
	u64 esdp;

	if (half(p + l->p_freason) != l->trap ||
	    SCOPE_ARG3(ctx) - word(p + l->p_i) >= STUB_BYTES)
		return 0;
	/* A call by compiled code is a new one: it is the first on the stack
	 * that the scheduler's registers begin with. */
	esdp = word(p + l->p_scheduler_data);
	return ctx->sp != word(esdp) - 8;
}

/* How many there are; 0: it is no list, or longer than what is looked at. */
static __always_inline u64 list_length(u64 list)
{
	struct length l = { .list = list };

	if ((list & 3) != 1)
		return 0;
	bpf_loop(LIST_MAX, one_more, &l, 0);
	return (l.list & 0x3f) == 0x3b ? l.n : 0;
}

static __always_inline int ets_call(struct scope_regs *ctx, u32 site)
{
	u64 op = (bpf_get_attach_cookie(ctx) >> SCOPE_COOKIE_ARG) & 63;
	u64 args = SCOPE_ARG2(ctx), ts = bpf_ktime_get_ns();
	u64 pid = word(SCOPE_ARG1(ctx)), a[2] = {};
	u32 kind = ets_bifs[op].kind, takes = ets_bifs[op].takes;
	struct scratch *s;

	if (bpf_probe_read_user(a, sizeof(a), (void *)args)) {
		count_unread(kind, ts);
		return 0;
	}
	if (!is_kept(kind, ts, pid, 0))
		return 0;
	s = begin(kind, site, ts);
	if (!s)
		return 0;
	s->rec.pid = pid;
	s->rec.ets.op = op;
	if (takes != SCOPE_ETS_REST)
		s->rec.ets.table = a[0];
	if (takes == SCOPE_ETS_KEY || takes == SCOPE_ETS_OBJECT) {
		s->rec.ets.key = a[1];
		if (takes == SCOPE_ETS_OBJECT)
			s->rec.ets.count = list_length(a[1]);
		copy_term(s, a[1]);
	}
	if ((a[0] & 3) == 2 && takes != SCOPE_ETS_REST)
		ref_words(s, a[0]);
	finish(ctx, s);
	return 0;
}

SEC("uprobe")
int on_ets(struct scope_regs *ctx)
{
	u64 p = SCOPE_ARG1(ctx);

	count_hit(SCOPE_GROUP_ETS);
	if (!in_set(word(p), 0) || is_again(ctx, p))
		return 0;
	return ets_call(ctx, SCOPE_SITE_ETS);
}

/*
 * The interpreter calls all from one place, and tells no other call from one
 * that goes on. So what a BIF returned is looked at: when it lets others run, it
 * says where it is called again from, which is nothing else before.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, u64); /* process */
	__type(value, u64); /* the instruction that calls it again */
} sent_on SEC(".maps");

SEC("uprobe")
int on_ets_23(struct scope_regs *ctx)
{
	struct bif_call c = { .ts = bpf_ktime_get_ns() };
	u64 pid, *to;

	count_hit(SCOPE_GROUP_ETS);
	c.a[0] = SCOPE_ARG1(ctx);
	pid = word(c.a[0]);
	if (!in_set(pid, 0))
		return 0;
	bif_entered(SCOPE_SITE_ETS_23, SCOPE_KIND_NONE, &c);
	to = bpf_map_lookup_elem(&sent_on, &pid);
	if (to) {
		u64 at = *to;

		bpf_map_delete_elem(&sent_on, &pid);
		if (at == SCOPE_ARG3(ctx))
			return 0;
	}
	return ets_call(ctx, SCOPE_SITE_ETS_23);
}

SEC("uprobe")
int on_ets_23_return(struct scope_regs *ctx)
{
	const volatile struct scope_layout *l = &config.layout;
	u64 ret = SCOPE_RET(ctx), pid, at;
	struct bif_call c;

	count_hit(SCOPE_GROUP_ETS);
	if (!bif_returned(SCOPE_SITE_ETS_23, &c) || ret ||
	    half(c.a[0] + l->p_freason) != l->trap)
		return 0;
	pid = word(c.a[0]);
	at = word(c.a[0] + l->p_i);
	bpf_map_update_elem(&sent_on, &pid, &at, BPF_ANY);
	return 0;
}

SEC("uprobe")
int on_ets_new(struct scope_regs *ctx)
{
	struct bif_call c = { .ts = bpf_ktime_get_ns() };

	count_hit(SCOPE_GROUP_ETS);
	c.a[0] = word(SCOPE_ARG1(ctx));
	c.a[1] = word(SCOPE_ARG2(ctx));
	bif_entered(SCOPE_SITE_ETS_NEW, SCOPE_KIND_ETS_NEW, &c);
	return 0;
}

SEC("uprobe")
int on_ets_new_return(struct scope_regs *ctx)
{
	u64 ret = SCOPE_RET(ctx);
	struct bif_call c;
	struct scratch *s;

	count_hit(SCOPE_GROUP_ETS);
	if (!bif_returned(SCOPE_SITE_ETS_NEW, &c) || !ret ||
	    !in_set(c.a[0], 0) || !is_kept(SCOPE_KIND_ETS_NEW, c.ts, c.a[0], 0))
		return 0;
	s = begin(SCOPE_KIND_ETS_NEW, SCOPE_SITE_ETS_NEW, c.ts);
	if (!s)
		return 0;
	s->rec.pid = c.a[0];
	s->rec.ets.table = ret;
	s->rec.ets.key = c.a[1];
	if ((ret & 3) == 2)
		ref_words(s, ret);
	finish(ctx, s);
	return 0;
}

#endif
