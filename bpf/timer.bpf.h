/* SPDX-License-Identifier: (MIT OR GPL-2.0) */
/*
 * timer.*: the BIFs that start and cancel timers, whose reference and result are
 * known when they return; timers of `receive`; and timers that run out.
 */
#ifndef SCOPE_BPF_TIMER_H
#define SCOPE_BPF_TIMER_H

#include "call.bpf.h"

struct bif_call {
	u64 ts;
	u64 a[2];
};

/* Calls under way, by thread and site. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, u64);
	__type(value, struct bif_call);
} bif_calls SEC(".maps");

static __always_inline void bif_entered(u64 site, u32 kind, struct bif_call *c)
{
	u64 key = CALL_KEY(site);

	if (bpf_map_update_elem(&bif_calls, &key, c, BPF_ANY) &&
	    in_time(c->ts)) {
		count_emitted(kind);
		count_lost(kind, SCOPE_LOSS_STATE);
	}
}

static __always_inline int bif_returned(u64 site, struct bif_call *c)
{
	u64 key = CALL_KEY(site);
	struct bif_call *found = bpf_map_lookup_elem(&bif_calls, &key);

	if (!found)
		return 0; /* entered before we attached */
	*c = *found;
	bpf_map_delete_elem(&bif_calls, &key);
	return 1;
}

/* The words of a reference, and where it is a magic one those of its numbers,
 * behind what is copied: they are few, and are there without contents, too. */
static __always_inline void ref_words(struct scratch *s, u64 ref)
{
	const volatile struct scope_layout *l = &config.layout;
	u64 addr = ref & ~7ull;
	u32 at = s->n;

	if (!room(s, 3))
		return;
	barrier_var(at);
	if (bpf_probe_read_user(&s->words[at & MASK], 24, (void *)addr))
		return;
	append(s, addr, 3);
	if ((u32)s->words[(at + 1) & MASK] != 0xffffffff && room(s, 2)) {
		u64 numbers = (s->words[(at + 1) & MASK] + l->magic_refn) &
			      ~7ull;

		at = s->n;
		barrier_var(at);
		if (bpf_probe_read_user(&s->words[at & MASK], 16,
					(void *)numbers))
			return;
		append(s, numbers, 2);
	}
}

/* Whether {what, true} is among the first options. */
static __always_inline int has_option(u64 list, u64 what)
{
	for (u32 i = 0; i < 3; i++) {
		u64 cell[2] = {}, tuple[3] = {};

		if ((list & 3) != 1 ||
		    bpf_probe_read_user(cell, sizeof(cell),
					(void *)(list & ~7ull)))
			return 0;
		if ((cell[0] & 3) == 2 &&
		    bpf_probe_read_user(tuple, sizeof(tuple),
					(void *)(cell[0] & ~7ull)) == 0 &&
		    tuple[1] == what && tuple[2] == config.am_true)
			return 1;
		list = cell[1];
	}
	return 0;
}

SEC("uprobe")
int on_timer_call(struct scope_regs *ctx)
{
	u64 site = bpf_get_attach_cookie(ctx);
	struct bif_call c = { .ts = bpf_ktime_get_ns() };

	count_hit(SCOPE_GROUP_TIMER);
	c.a[0] = word(SCOPE_ARG1(ctx));
	c.a[1] = SCOPE_ARG2(ctx);
	bif_entered(site,
		    site >= SCOPE_SITE_CANCEL_TIMER_1 ?
			    SCOPE_KIND_TIMER_CANCEL :
			    SCOPE_KIND_TIMER_START,
		    &c);
	return 0;
}

static __always_inline void timer_started(struct scope_regs *ctx, u64 site,
					  struct bif_call *c, u64 ref)
{
	u64 a[4] = {};
	struct scratch *s;

	/* It was refused. */
	if ((ref & 3) != 2 || !in_set(c->a[0], 0) ||
	    !is_kept(SCOPE_KIND_TIMER_START, c->ts, c->a[0], 0))
		return;
	s = begin(SCOPE_KIND_TIMER_START, site, c->ts);
	if (!s)
		return;
	bpf_probe_read_user(a, 24, (void *)c->a[1]);
	if (site == SCOPE_SITE_START_TIMER_4 || site == SCOPE_SITE_SEND_AFTER_4) {
		a[3] = word(c->a[1] + 24);
		if (has_option(a[3], config.am_abs))
			s->rec.flags |= SCOPE_F_TIMER_ABS;
	}
	s->rec.pid = c->a[0];
	s->rec.timer.ref = ref;
	s->rec.timer.time = a[0];
	s->rec.timer.to = a[1];
	s->rec.timer.msg = a[2];
	copy_term(s, a[2]);
	ref_words(s, ref);
	finish(ctx, s);
}

static __always_inline void timer_canceled(struct scope_regs *ctx, u64 site,
					   struct bif_call *c, u64 ret)
{
	u64 ref = word(c->a[1]);
	struct scratch *s;

	if ((ref & 3) != 2 || !in_set(c->a[0], 0) ||
	    !is_kept(SCOPE_KIND_TIMER_CANCEL, c->ts, c->a[0], 0))
		return;
	s = begin(SCOPE_KIND_TIMER_CANCEL, site, c->ts);
	if (!s)
		return;
	if (site == SCOPE_SITE_CANCEL_TIMER_2 &&
	    has_option(word(c->a[1] + 8), config.am_async))
		s->rec.flags |= SCOPE_F_TIMER_ASYNC;
	s->rec.pid = c->a[0];
	s->rec.timer.ref = ref;
	s->rec.timer.result = ret;
	ref_words(s, ref);
	finish(ctx, s);
}

SEC("uprobe")
int on_timer_return(struct scope_regs *ctx)
{
	u64 site = bpf_get_attach_cookie(ctx);
	struct bif_call c;

	count_hit(SCOPE_GROUP_TIMER);
	if (!bif_returned(site, &c))
		return 0;
	if (site >= SCOPE_SITE_CANCEL_TIMER_1)
		timer_canceled(ctx, site, &c, SCOPE_RET(ctx));
	else
		timer_started(ctx, site, &c, SCOPE_RET(ctx));
	return 0;
}

/* ErtsBifTimer (erl_hl_timer.c; the same in OTP 23 to 29): head {roflgs,
 * refc, next, receiver}, a union, then state, three numbers of the reference,
 * two places in trees, message. */
#define TM_RECEIVER 16
#define TM_STATE 72
#define TM_MESSAGE 136
#define TM_NAMED (1u << 14)

struct timer_numbers {
	u32 state, refn[3];
};

static __always_inline void timer_fired(struct scope_regs *ctx, u64 tmr)
{
	u64 ts = bpf_ktime_get_ns(), to = word(tmr + TM_RECEIVER);
	struct timer_numbers n = {};
	u64 addr = (tmr + TM_STATE) - 8;
	struct scratch *s;
	u32 at;

	if (bpf_probe_read_user(&n, sizeof(n), (void *)(tmr + TM_STATE))) {
		count_unread(SCOPE_KIND_TIMER_TIMEOUT, ts);
		return;
	}
	if (n.state != 0) /* canceled */
		return;
	if (!(half(tmr) & TM_NAMED))
		to = word(to);
	if (!in_set(is_pid(to) ? to : 0, 0))
		return;
	/* Whose a name is, is known to the collector. */
	if (!is_kept(SCOPE_KIND_TIMER_TIMEOUT, ts, to, 0))
		return;
	s = begin(SCOPE_KIND_TIMER_TIMEOUT, SCOPE_SITE_TIMER_FIRED, ts);
	if (!s)
		return;
	s->rec.timer.to = to;
	s->rec.timer.msg = word(tmr + TM_MESSAGE);
	copy_term(s, s->rec.timer.msg);
	/* The numbers as the reference that they are of, where they lie. */
	at = s->n;
	barrier_var(at);
	if (room(s, 3)) {
		s->words[at & MASK] = 2 << 6 | config.layout.sub.ref << 2;
		s->words[(at + 1) & MASK] =
			0xffffffffull | (u64)n.refn[0] << 32;
		s->words[(at + 2) & MASK] =
			n.refn[1] | (u64)n.refn[2] << 32;
		append(s, addr, 3);
		s->rec.timer.ref = addr | 2;
	}
	finish(ctx, s);
}

SEC("uprobe")
int on_timer(struct scope_regs *ctx)
{
	u64 site = bpf_get_attach_cookie(ctx), pid, ts;
	struct scratch *s;

	count_hit(SCOPE_GROUP_TIMER);
	if (site == SCOPE_SITE_TIMER_FIRED) {
		timer_fired(ctx, SCOPE_ARG2(ctx));
		return 0;
	}
	pid = word(SCOPE_ARG1(ctx));
	ts = bpf_ktime_get_ns();
	if (!in_set(pid, 0) || !is_kept(SCOPE_KIND_TIMER_START, ts, pid, 0))
		return 0;
	s = begin(SCOPE_KIND_TIMER_START, site, ts);
	if (!s)
		return 0;
	s->rec.pid = pid;
	s->rec.timer.time = SCOPE_ARG2(ctx);
	if (site == SCOPE_SITE_RECEIVE_TIMER_23) /* as the others' terms */
		s->rec.timer.time = s->rec.timer.time << 4 | 0xf;
	finish(ctx, s);
	return 0;
}

#endif
