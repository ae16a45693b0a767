/* SPDX-License-Identifier: (MIT OR GPL-2.0) */
/*
 * sched.in, sched.out: a scheduler takes up a process, and leaves it.
 *
 * erts_schedule(), called by normal and by dirty schedulers alike, is entered
 * with the process that is left and returns the one that is taken up. What the
 * scheduler does in between for a process that it does not run (system tasks,
 * signals) is no run of it.
 *
 * How long it ran, and waited in a queue before, needs the moments of each
 * process. They are kept for those seen last; a moment that is not there leaves
 * the duration out.
 */
#ifndef SCOPE_BPF_SCHED_H
#define SCOPE_BPF_SCHED_H

#include "proc.bpf.h"

struct run {
	u64 runnable; /* when it was put into a queue; before `out`: not known */
	u64 in;	      /* when it was taken up; 0: not known */
	u64 out;      /* when it was left; 0: not known */
	u64 suspended; /* 1: since then somebody suspended it */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, u64); /* pid */
	__type(value, struct run);
} runs SEC(".maps");

/* Whether a process that is left in this state goes into a queue at once
 * (erl_process.c, schedule_out_process, the same in OTP 23 to 29). */
static __always_inline int is_runnable(u32 state)
{
	return state & (SCOPE_PSFLG_ACTIVE_SYS | SCOPE_PSFLG_DIRTY_ACTIVE_SYS) ||
	       (state & (SCOPE_PSFLG_ACTIVE | SCOPE_PSFLG_SUSPENDED)) ==
		       SCOPE_PSFLG_ACTIVE;
}

/* Where the process is: a function that it is about to begin, or that
 * trapped, else the address where it goes on. */
static __always_inline void where(struct scratch *s, u64 p)
{
	const volatile struct scope_layout *l = &config.layout;
	u64 mfa = word(p + l->p_current);

	if (!mfa || bpf_probe_read_user(&s->rec.sched.module, 24, (void *)mfa))
		s->rec.sched.i = word(p + l->p_i);
}

static __always_inline void sched_out(struct scope_regs *ctx, u64 esdp, u64 p,
				      int calls, u64 now)
{
	const volatile struct scope_layout *l = &config.layout;
	u64 pid = word(p), in = 0;
	struct scratch *s;
	struct run *run;
	u32 state;

	if (!in_set(pid, 0))
		return;
	state = half(p + l->p_state);
	run = bpf_map_lookup_elem(&runs, &pid);
	if (run) {
		in = run->in;
		run->in = 0;
		run->out = now;
		run->suspended = 0;
		/* Who woke it while it ran has not put it into a queue, unless
		 * it is about to. */
		if (is_runnable(state))
			run->runnable = now;
	} else if (is_runnable(state)) {
		struct run r = { .runnable = now, .out = now };

		(void)bpf_map_update_elem(&runs, &pid, &r, BPF_ANY);
	}
	if (state & PSFLG_FREE)
		(void)bpf_map_delete_elem(&runs, &pid);
	if (!wanted(SCOPE_KIND_SCHED_OUT) ||
	    !is_kept(SCOPE_KIND_SCHED_OUT, now, pid, 0))
		return;
	s = begin(SCOPE_KIND_SCHED_OUT, SCOPE_SITE_SCHEDULE, now);
	if (!s)
		return;
	s->rec.pid = pid;
	if (in && is_since(SCOPE_GROUP_SCHED, in)) {
		s->rec.flags |= SCOPE_F_TIMED;
		s->rec.sched.ns = now - in;
	}
	s->rec.sched.state = state | (u64)half(p + l->p_flags) << 32;
	/* Only dirty schedulers say who they are. */
	if (!esdp)
		esdp = word(p + l->p_scheduler_data);
	s->rec.sched.reductions = calls - (int)half(esdp + l->s_virtual_reds);
	if (!(state & PSFLG_EXITING))
		where(s, p);
	finish(ctx, s);
}

static __always_inline void sched_in(struct scope_regs *ctx, u64 p, u64 now)
{
	u64 pid = word(p), since = 0;
	struct scratch *s;
	struct run *run;

	if (!in_set(pid, 0))
		return;
	run = bpf_map_lookup_elem(&runs, &pid);
	if (run) {
		if (!run->suspended && run->runnable >= run->out)
			since = run->runnable;
		run->runnable = 0;
		run->suspended = 0;
		run->in = now;
	} else {
		struct run r = { .in = now };

		(void)bpf_map_update_elem(&runs, &pid, &r, BPF_ANY);
	}
	if (!wanted(SCOPE_KIND_SCHED_IN) ||
	    !is_kept(SCOPE_KIND_SCHED_IN, now, pid, 0))
		return;
	s = begin(SCOPE_KIND_SCHED_IN, SCOPE_SITE_SCHEDULE, now);
	if (!s)
		return;
	s->rec.pid = pid;
	if (since && now >= since && is_since(SCOPE_GROUP_SCHED, since)) {
		s->rec.flags |= SCOPE_F_TIMED;
		s->rec.sched.ns = now - since;
	}
	where(s, p);
	finish(ctx, s);
}

/* The process is put into a queue. Whoever says so first did it. */
static __always_inline void runnable(u64 pid, u64 now)
{
	struct run *run, r = { .runnable = now };

	if (!is_pid(pid) || !in_set(pid, 0))
		return;
	run = bpf_map_lookup_elem(&runs, &pid);
	if (!run)
		(void)bpf_map_update_elem(&runs, &pid, &r, BPF_NOEXIST);
	else if (!run->runnable || run->runnable < run->out)
		run->runnable = now;
}

SEC("uprobe")
int on_sched(struct scope_regs *ctx)
{
	u64 now = bpf_ktime_get_ns(), pid;
	struct run *run;

	count_hit(SCOPE_GROUP_SCHED);
	switch (bpf_get_attach_cookie(ctx)) {
	case SCOPE_SITE_SCHEDULE:
		if (SCOPE_ARG2(ctx))
			sched_out(ctx, SCOPE_ARG1(ctx), SCOPE_ARG2(ctx),
				  (int)SCOPE_ARG3(ctx), now);
		break;
	case SCOPE_SITE_RUNNABLE:
		runnable(word(SCOPE_ARG1(ctx)), now);
		break;
	case SCOPE_SITE_SUSPEND:
		pid = word(SCOPE_ARG2(ctx));
		run = bpf_map_lookup_elem(&runs, &pid);
		if (run)
			run->suspended = 1;
		break;
	}
	return 0;
}

SEC("uprobe")
int on_sched_return(struct scope_regs *ctx)
{
	u64 now = bpf_ktime_get_ns(), ret = SCOPE_RET(ctx);
	struct run r = { .runnable = now };

	count_hit(SCOPE_GROUP_SCHED);
	switch (bpf_get_attach_cookie(ctx)) {
	case SCOPE_SITE_SCHEDULE:
		sched_in(ctx, ret, now);
		break;
	case SCOPE_SITE_SPAWNED:
		/* It may run already. */
		if (is_pid(ret) && in_set(ret, 0))
			(void)bpf_map_update_elem(&runs, &ret, &r, BPF_NOEXIST);
		break;
	}
	return 0;
}

#endif
