/* SPDX-License-Identifier: (MIT OR GPL-2.0) */
/*
 * msg.attempt: a process sends, to whatever. Told when the send returns.
 *
 * Whether there was anybody to send to is known from what the runtime does
 * meanwhile: it hands the message to a process that it found, and that is not
 * ending, or to a port.
 */
#ifndef SCOPE_BPF_ATTEMPT_H
#define SCOPE_BPF_ATTEMPT_H

#include "msg.bpf.h"

struct attempt {
	u64 pid;
	u64 dest;
	u64 msg;
	u64 opts; /* of send/3 */
	u64 to;	  /* whom it was handed to: pid or port; 0: nobody */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, u64); /* thread */
	__type(value, struct attempt);
} attempts SEC(".maps");

static __always_inline u64 thread(void)
{
	return (u32)bpf_get_current_pid_tgid();
}

static __always_inline void handed_over(u64 to)
{
	u64 key = thread();
	struct attempt *a = bpf_map_lookup_elem(&attempts, &key);

	if (a)
		a->to = to;
}

SEC("uprobe")
int on_attempt(struct scope_regs *ctx)
{
	u64 key = thread(), ts = bpf_ktime_get_ns(), args, p;
	struct attempt a = {};

	count_hit(SCOPE_GROUP_ATTEMPT);
	switch (bpf_get_attach_cookie(ctx)) {
	case SCOPE_SITE_HAND_PROCESS:
		p = SCOPE_ARG2(ctx);
		/* Who ends takes in no more. */
		if (!(half(p + config.layout.p_state) &
		      (PSFLG_EXITING | PSFLG_FREE)))
			handed_over(word(p));
		return 0;
	case SCOPE_SITE_HAND_PORT:
		handed_over(word(SCOPE_ARG3(ctx)));
		return 0;
	case SCOPE_SITE_SEND:
		a.dest = SCOPE_ARG2(ctx);
		a.msg = SCOPE_ARG3(ctx);
		a.opts = 0;
		break;
	default:
		args = SCOPE_ARG2(ctx);
		a.dest = word(args);
		a.msg = word(args + 8);
		a.opts = word(args + 16);
		break;
	}
	a.pid = word(SCOPE_ARG1(ctx));
	if (bpf_map_update_elem(&attempts, &key, &a, BPF_ANY) && in_time(ts)) {
		count_emitted(SCOPE_KIND_MSG_ATTEMPT);
		count_lost(SCOPE_KIND_MSG_ATTEMPT, SCOPE_LOSS_STATE);
	}
	return 0;
}

#define OPTIONS_MAX 4 /* there are two */

/* What send/3 takes as options; with others nothing is sent (bif.c, send_3). */
static __always_inline int are_options(u64 list)
{
	for (u32 i = 0; i < OPTIONS_MAX && (list & 3) == 1; i++) {
		u64 head = word(list & ~7ull);

		if (head != config.am_noconnect && head != config.am_nosuspend)
			return 0;
		list = word((list & ~7ull) + 8);
	}
	return (list & 3) == 1 || (list & 0x3f) == 0x3b;
}

/* Whom it was sent to, where it was handed to nobody: a pid is one itself; an
 * alias' reference is of three words, and its owner. */
static __always_inline u64 alias_owner(u64 dest)
{
	const volatile struct scope_layout *l = &config.layout;
	u64 head;

	if ((dest & 3) != 2 || l->ref_pid == SCOPE_NO)
		return dest;
	head = word(dest & ~7ull);
	return SUBTAG(head) == l->sub.ref && head >> 6 == l->ref_pid / 8 ?
		       word((dest & ~7ull) + l->ref_pid) :
		       0;
}

SEC("uprobe")
int on_attempt_return(struct scope_regs *ctx)
{
	u64 key = thread(), site = bpf_get_attach_cookie(ctx), now;
	struct attempt *found = bpf_map_lookup_elem(&attempts, &key), a;
	struct scratch *s;

	count_hit(SCOPE_GROUP_ATTEMPT);
	if (!found)
		return 0; /* entered before we attached */
	now = bpf_ktime_get_ns();
	a = *found;
	(void)bpf_map_delete_elem(&attempts, &key);
	if (!in_set(a.pid, is_pid(a.dest) ? a.dest : a.to))
		return 0;
	if (a.opts && !a.to && !are_options(a.opts))
		return 0;
	/* To an alias it is its owner who is talked to. */
	if (config.samples &&
	    !is_kept(SCOPE_KIND_MSG_ATTEMPT, now, a.pid,
		     a.to ? a.to : alias_owner(a.dest)))
		return 0;
	s = begin(SCOPE_KIND_MSG_ATTEMPT, site, now);
	if (!s)
		return 0;
	s->rec.pid = a.pid;
	s->rec.msg.to = a.to;
	s->rec.msg.msg = a.msg;
	s->rec.msg.alias = a.dest;
	copy_term(s, a.dest);
	copy_term(s, a.msg);
	finish(ctx, s);
	return 0;
}

#endif
