/* SPDX-License-Identifier: (MIT OR GPL-2.0) */
/*
 * proc.exit, exit signals, links and monitors: what is known at the entry of
 * the runtime's function. The senders of signals are the moments when the
 * signal leaves; what the receiver makes of it is seen when it is received.
 */
#ifndef SCOPE_BPF_PROC_H
#define SCOPE_BPF_PROC_H

#include "msg.bpf.h"

/* erl_monitor_link.h; the same from OTP 24 to 29. */
#define MON_TYPE_PROC 0
#define MON_TYPE_PORT 1
#define MON_TYPE_DIST_PROC 3

static __always_inline u16 small(u64 addr)
{
	u16 w = 0;

	if (bpf_probe_read_user(&w, 2, (void *)addr))
		return 0xffff;
	return w;
}

/* What process_info(reductions) says of the running process p:
 * erl_bif_info.c, erl_process.c erts_current_reductions(). */
static __always_inline u64 reductions(u64 p)
{
	const volatile struct scope_layout *l = &config.layout;
	u64 reds = word(p + l->p_reds), esdp = word(p + l->p_scheduler_data);
	long in, left, virtual;

	if (!esdp)
		return reds;
	in = word(p + l->p_def_arg_reg + 5 * 8);
	left = l->p_fcalls_bytes == 4 ? (long)(int)half(p + l->p_fcalls) :
					(long)word(p + l->p_fcalls);
	virtual = (int)half(esdp + l->s_virtual_reds);
	in -= left + virtual;
	return in > 0 && in < 1000000 ? reds + in : reds;
}

static __always_inline void exits(struct scope_regs *ctx)
{
	u64 p = SCOPE_ARG1(ctx), ts = bpf_ktime_get_ns(), pid = word(p);
	struct scratch *s;

	if (!in_set(pid, 0))
		return;
	s = begin(SCOPE_KIND_PROC_EXIT, SCOPE_SITE_EXIT, ts);
	if (!s)
		return;
	s->rec.pid = pid;
	s->rec.exit.reason = SCOPE_ARG2(ctx);
	s->rec.exit.reductions = reductions(p);
	/* Where it only serves the table of processes, that it ended is all. */
	if (config.samples && is_out(pid, 0))
		s->rec.flags |= SCOPE_F_SAMPLED;
	else if (wanted(SCOPE_KIND_PROC_EXIT))
		copy_term(s, SCOPE_ARG2(ctx));
	finish(ctx, s);
}

static __always_inline void exit_signal(struct scope_regs *ctx, u64 from,
					u64 to, u64 reason, u32 site)
{
	u64 ts = bpf_ktime_get_ns();
	struct scratch *s;

	if (!in_set(from, to) ||
	    !is_kept(SCOPE_KIND_PROC_EXIT_SIGNAL, ts, from, to))
		return;
	s = begin(SCOPE_KIND_PROC_EXIT_SIGNAL, site, ts);
	if (!s)
		return;
	if (is_pid(from))
		s->rec.pid = from;
	if (site == SCOPE_SITE_LINK_EXIT)
		s->rec.flags |= SCOPE_F_VIA_LINK;
	s->rec.exit_signal.to = to;
	s->rec.exit_signal.reason = reason;
	s->rec.exit_signal.from = from;
	copy_term(s, reason);
	copy_term(s, from);
	finish(ctx, s);
}

/* link unlink monitor demonitor down */
static __always_inline void linked(struct scope_regs *ctx, u32 kind, u32 site,
				   u64 pid, u64 to, u64 ref, u64 reason,
				   u32 type)
{
	u64 ts = bpf_ktime_get_ns();
	struct scratch *s;

	/* Where the node is not what we take it for, say so. */
	if (!is_pid(pid)) {
		count_unread(kind, ts);
		return;
	}
	if (!in_set(pid, to) || !is_kept(kind, ts, pid, to))
		return;
	s = begin(kind, site, ts);
	if (!s)
		return;
	s->rec.pid = pid;
	s->rec.link.to = to;
	s->rec.link.ref = ref;
	s->rec.link.reason = reason;
	s->rec.link.type = type;
	copy_term(s, ref);
	copy_term(s, to);
	copy_term(s, reason);
	finish(ctx, s);
}

/* The reference of a monitor, from the node that is in the hash or list. */
static __always_inline u64 monitor_ref(u64 mon)
{
	const volatile struct scope_layout *l = &config.layout;

	return word(mon - small(mon + l->ml_offset) + l->ml_data_ref);
}

static __always_inline u16 node_type(u64 node)
{
	const volatile struct scope_layout *l = &config.layout;

	return small(node + l->ml_type) & l->ml_type_mask;
}

/* A process that is ending takes its monitors down without saying so. */
static __always_inline int is_ending(u64 p)
{
	return p && is_pid(word(p)) &&
	       (half(p + config.layout.p_state) & PSFLG_EXITING);
}

/* What a site says of a link or a monitor; kind 0: nothing. */
struct tie {
	u64 pid, to, mon, reason; /* mon 0: a link */
	u32 kind, type;
};

/* The four arguments. */
struct args {
	u64 a1, a2, a3, a4;
};

static __always_inline void monitors(const struct args *a, u64 site,
				     struct tie *t)
{
	const volatile struct scope_layout *l = &config.layout;
	u64 mon = site == SCOPE_SITE_DEMONITOR ? a->a4 : a->a3;

	t->mon = mon;
	t->type = node_type(mon);
	switch (site) {
	case SCOPE_SITE_MONITOR:
		t->pid = a->a2;
		t->to = a->a4;
		if (t->type == MON_TYPE_PROC)
			t->kind = SCOPE_KIND_PROC_MONITOR;
		break;
	case SCOPE_SITE_DEMONITOR:
		t->pid = a->a2;
		t->to = word(mon + l->ml_other);
		if (t->type == MON_TYPE_PROC && !(u32)a->a3 &&
		    !is_ending(a->a1))
			t->kind = SCOPE_KIND_PROC_DEMONITOR;
		break;
	case SCOPE_SITE_DOWN:
		t->pid = word(mon + l->ml_other);
		t->to = a->a2;
		t->reason = a->a4;
		if (t->type == MON_TYPE_PROC || t->type == MON_TYPE_PORT ||
		    t->type == MON_TYPE_DIST_PROC)
			t->kind = SCOPE_KIND_PROC_DOWN;
		break;
	}
}

/*
 * OTP 23 gives one half of a monitor alone. Its data are the origin's half,
 * then the target's, which is as long, then the reference; each half names
 * the other party. A process that is ending has left the table, or is about
 * to.
 */
static __always_inline void monitors_23(const struct args *a, u64 site,
					struct tie *t)
{
	const volatile struct scope_layout *l = &config.layout;
	u64 mon = a->a1, data = mon - small(mon + l->ml_offset), p;
	u64 watched = word(data + l->ml_other);

	t->mon = mon;
	t->type = node_type(mon);
	t->pid = word(data + l->ml_data_ref / 2 + l->ml_other);
	t->to = watched;
	switch (site) {
	case SCOPE_SITE_MONITOR_23:
		t->to = a->a2;
		if (t->type == MON_TYPE_PROC)
			t->kind = SCOPE_KIND_PROC_MONITOR;
		break;
	case SCOPE_SITE_DEMONITOR_23:
		p = word(config.procs + 8 * (t->pid >> 32));
		if (t->type == MON_TYPE_PROC && p && word(p) == t->pid &&
		    !is_ending(p))
			t->kind = SCOPE_KIND_PROC_DEMONITOR;
		break;
	case SCOPE_SITE_DOWN_23:
		t->reason = a->a2;
		if (t->type == MON_TYPE_PROC || t->type == MON_TYPE_PORT ||
		    t->type == MON_TYPE_DIST_PROC)
			t->kind = SCOPE_KIND_PROC_DOWN;
		break;
	}
}

SEC("uprobe")
int on_proc(struct scope_regs *ctx)
{
	const volatile struct scope_layout *l = &config.layout;
	u64 site = bpf_get_attach_cookie(ctx);

	count_hit(SCOPE_GROUP_PROC);
	switch (site) {
	case SCOPE_SITE_EXIT:
		exits(ctx);
		break;
	case SCOPE_SITE_EXIT_SIGNAL:
		exit_signal(ctx, SCOPE_ARG2(ctx), SCOPE_ARG3(ctx),
			    SCOPE_ARG4(ctx), SCOPE_SITE_EXIT_SIGNAL);
		break;
	case SCOPE_SITE_LINK_EXIT:
		exit_signal(ctx, SCOPE_ARG2(ctx),
			    word(SCOPE_ARG3(ctx) + l->ml_other),
			    SCOPE_ARG4(ctx), SCOPE_SITE_LINK_EXIT);
		break;
	}
	return 0;
}

SEC("uprobe")
int on_link(struct scope_regs *ctx)
{
	const volatile struct scope_layout *l = &config.layout;
	u64 site = bpf_get_attach_cookie(ctx);
	struct args a = { SCOPE_ARG1(ctx), SCOPE_ARG2(ctx), SCOPE_ARG3(ctx),
			  SCOPE_ARG4(ctx) };
	struct tie t = {};

	count_hit(SCOPE_GROUP_LINK);
	/* Read them all: the verifier wants no computed place of the context. */
	barrier_var(a.a1);
	barrier_var(a.a2);
	barrier_var(a.a3);
	barrier_var(a.a4);
	switch (site) {
	case SCOPE_SITE_LINK:
		t.kind = SCOPE_KIND_PROC_LINK;
		t.pid = a.a2;
		t.to = a.a3;
		break;
	case SCOPE_SITE_UNLINK:
		t.kind = SCOPE_KIND_PROC_UNLINK;
		t.pid = a.a2;
		t.to = word(a.a3 + l->ml_other);
		break;
	case SCOPE_SITE_LINK_23:
		t.kind = SCOPE_KIND_PROC_LINK;
		t.pid = word(a.a3 + l->ml_other);
		t.to = a.a2;
		break;
	case SCOPE_SITE_UNLINK_23:
		t.kind = SCOPE_KIND_PROC_UNLINK;
		t.pid = word(a.a1);
		t.to = word(a.a2 + l->ml_other);
		break;
	case SCOPE_SITE_MONITOR:
	case SCOPE_SITE_DEMONITOR:
	case SCOPE_SITE_DOWN:
		monitors(&a, site, &t);
		break;
	default:
		monitors_23(&a, site, &t);
		break;
	}
	/* Links of ports are theirs. */
	if (!t.mon && (!is_pid(t.pid) || !is_pid(t.to)))
		return 0;
	if (t.kind)
		linked(ctx, t.kind, site, t.pid, t.to,
		       t.mon ? monitor_ref(t.mon) : 0, t.reason,
		       t.kind == SCOPE_KIND_PROC_DOWN ? t.type : 0);
	return 0;
}

#endif
