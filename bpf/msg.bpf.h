/* SPDX-License-Identifier: (MIT OR GPL-2.0) */
/*
 * msg.send and msg.receive.
 *
 * The enqueue is the one place that sees sender, receiver and term at once:
 *
 *   Pid ! Msg, send/2,3      erts_send_message ─┐
 *   ports, timers, the VM    ───────────────────┼─ erts_queue_*message* ─ queue
 *   enif_send                ───────────────────┘
 *   replies to an alias      erts_proc_sig_send_to_alias ─ signal ─ queue
 *   that and priority, OTP 29  erts_proc_sig_send_altact_msg ─ signal ─ queue
 *   messages from other nodes  erts_queue_dist_message (not yet decoded)
 *
 * A message to a process that is exiting is dropped by these functions; so is
 * its event. Cost a hit: README.md.
 */
#ifndef SCOPE_BPF_MSG_H
#define SCOPE_BPF_MSG_H

#include "lib/term.bpf.h"

#define PSFLG_FREE (1u << 10)
#define PSFLG_EXITING (1u << 11)
#define BATCH_MAX 64
#define QUEUE_WORDS 16 /* what of ErtsSignalPrivQueues is looked at, and more */

/* A signal that is no message: tag of ERTS_PROC_SIG_MAKE_TAG in m[0]. */
#define is_signal(w) (((w)&0x3f) == 0x30)

/* An ErtsMessage up to m[2]. */
struct message {
	u64 next, data, term, token, from;
};

/* Report one enqueued message. Global, so that it is verified once. */
__noinline int send_one(u64 rcvr, u64 mp, u64 msg, u64 from, u32 site)
{
	const volatile struct scope_layout *l = &config.layout;
	u64 ts = bpf_ktime_get_ns(), to = word(rcvr);
	u64 pid = is_pid(from) ? from : 0;
	struct scratch *s;

	if (half(rcvr + l->p_state) & (PSFLG_EXITING | PSFLG_FREE))
		return 0;
	if (!in_set(pid, to))
		return 0;
	s = begin(SCOPE_KIND_MSG_SEND, site, ts);
	if (!s)
		return 0;
	s->rec.pid = pid;
	s->rec.msg.to = to;
	s->rec.msg.msg = msg;
	s->rec.msg.from = from;
	s->rec.msg.addr = mp;
	if (msg == 0)
		s->rec.flags |= SCOPE_F_DIST;
	else
		copy_term(s, msg);
	finish(s);
	return 0;
}

static __always_inline void send_alias(struct scope_regs *ctx)
{
	u64 from = SCOPE_ARG2(ctx), alias = SCOPE_ARG3(ctx);
	u64 msg = SCOPE_ARG4(ctx), ts = bpf_ktime_get_ns();
	u64 pid = is_pid(from) ? from : 0, to = alias;
	struct scratch *s;

	/* OTP 29 sends messages with priority this way, to a pid too. */
	if (is_pid(alias))
		alias = 0;
	else
		to = word((alias & ~7ull) + config.layout.ref_pid);

	if (!in_set(pid, to))
		return;
	s = begin(SCOPE_KIND_MSG_SEND, SCOPE_SITE_ALIAS, ts);
	if (!s)
		return;
	s->rec.pid = pid;
	if (alias)
		s->rec.flags |= SCOPE_F_ALIAS;
	s->rec.msg.to = to;
	s->rec.msg.msg = msg;
	s->rec.msg.from = from;
	s->rec.msg.alias = alias;
	copy_term(s, msg);
	copy_term(s, alias);
	finish(s);
}

/* A message from another node, in external format: who it is from and for. */
static __always_inline void send_dist(struct scope_regs *ctx)
{
	const volatile struct scope_layout *l = &config.layout;
	u64 rcvr = SCOPE_ARG1(ctx), from = SCOPE_ARG6(ctx);
	u64 ts = bpf_ktime_get_ns(), to = word(rcvr);
	struct scratch *s;

	if (half(rcvr + l->p_state) & (PSFLG_EXITING | PSFLG_FREE))
		return;
	if (!in_set(0, to))
		return;
	s = begin(SCOPE_KIND_MSG_SEND, SCOPE_SITE_QUEUE_DIST, ts);
	if (!s)
		return;
	s->rec.flags |= SCOPE_F_DIST;
	s->rec.msg.to = to;
	s->rec.msg.from = from;
	copy_term(s, from);
	finish(s);
}

struct batch {
	u64 rcvr, mp, from, left;
	u32 site;
};

/* One message of a list; the terms are in place by now. */
static long batch_one(u32 i, void *ctx)
{
	struct batch *b = ctx;
	struct message m = {};

	(void)i;
	if (!b->mp || !b->left)
		return 1;
	if (bpf_probe_read_user(&m, sizeof(m), (void *)b->mp)) {
		count_unread(SCOPE_KIND_MSG_SEND, bpf_ktime_get_ns());
		return 1;
	}
	if (!is_signal(m.term)) {
		send_one(b->rcvr, b->mp, m.term, b->from ? b->from : m.from,
			 b->site);
		b->left--;
	}
	b->mp = m.next;
	return 0;
}

static __always_inline void send_batch(u64 rcvr, u64 first, u64 from, u64 len,
				       u32 site)
{
	struct batch b = {
		.rcvr = rcvr,
		.mp = first,
		.from = from,
		.left = len,
		.site = site,
	};

	bpf_loop(BATCH_MAX, batch_one, &b, 0);
	if (b.left && b.mp && len >= BATCH_MAX) {
		struct scope_counters *c = my_counters();

		if (!c || !in_time(bpf_ktime_get_ns()))
			return;
		__sync_fetch_and_add(&c->emitted[SCOPE_KIND_MSG_SEND], b.left);
		__sync_fetch_and_add(
			&c->lost[SCOPE_LOSS_BATCH][SCOPE_KIND_MSG_SEND],
			b.left);
	}
}

/* What OTP 25's functions jump to: the list may begin with a signal that was
 * waiting to be sent, but nearly always is one message. */
static __always_inline void send_tail(struct scope_regs *ctx)
{
	u64 from = SCOPE_ARG1(ctx), rcvr = SCOPE_ARG2(ctx);
	u64 mp = SCOPE_ARG4(ctx), len = SCOPE_ARG6(ctx);
	u64 term = word(mp + config.layout.m_term);

	if (len == 1 && !is_signal(term))
		send_one(rcvr, mp, term, from, SCOPE_SITE_QUEUE_TAIL);
	else
		send_batch(rcvr, mp, from, len, SCOPE_SITE_QUEUE_TAIL);
}

/* OTP 23: the sender is in the message. */
static __always_inline void send_tail_23(struct scope_regs *ctx)
{
	const volatile struct scope_layout *l = &config.layout;
	u64 rcvr = SCOPE_ARG1(ctx), mp = SCOPE_ARG3(ctx);
	u64 len = SCOPE_ARG5(ctx), term = word(mp + l->m_term);

	if (len == 1 && !is_signal(term))
		send_one(rcvr, mp, term, word(mp + l->m_from),
			 SCOPE_SITE_QUEUE_TAIL_23);
	else
		send_batch(rcvr, mp, 0, len, SCOPE_SITE_QUEUE_TAIL_23);
}

SEC("uprobe")
int on_send(struct scope_regs *ctx)
{
	switch (bpf_get_attach_cookie(ctx)) {
	case SCOPE_SITE_QUEUE_TAIL:
		send_tail(ctx);
		break;
	case SCOPE_SITE_QUEUE_TAIL_23:
		send_tail_23(ctx);
		break;
	case SCOPE_SITE_QUEUE_MESSAGE:
		send_one(SCOPE_ARG1(ctx), SCOPE_ARG3(ctx), SCOPE_ARG4(ctx),
			 SCOPE_ARG5(ctx), SCOPE_SITE_QUEUE_MESSAGE);
		break;
	case SCOPE_SITE_QUEUE_PROC:
		send_one(SCOPE_ARG2(ctx), SCOPE_ARG4(ctx), SCOPE_ARG5(ctx),
			 word(SCOPE_ARG1(ctx)), SCOPE_SITE_QUEUE_PROC);
		break;
	case SCOPE_SITE_QUEUE_PROCS:
		send_batch(SCOPE_ARG2(ctx), SCOPE_ARG4(ctx),
			   word(SCOPE_ARG1(ctx)), SCOPE_ARG6(ctx),
			   SCOPE_SITE_QUEUE_PROCS);
		break;
	case SCOPE_SITE_QUEUE_DIST:
		send_dist(ctx);
		break;
	case SCOPE_SITE_ALIAS:
		send_alias(ctx);
		break;
	}
	return 0;
}

/*
 * beam_jit_remove_message runs once for each message that a receive matched,
 * before it is taken out: it is the one that the queue's save pointer is at.
 * The interpreter's instruction calls erts_save_message_in_proc with the
 * message, once it is out of the queue.
 */
SEC("uprobe")
int on_receive(struct scope_regs *ctx)
{
	const volatile struct scope_layout *l = &config.layout;
	u64 ts = bpf_ktime_get_ns(), c_p = SCOPE_ARG1(ctx);
	int is_out = bpf_get_attach_cookie(ctx) == SCOPE_SITE_SAVE_MESSAGE;
	u64 pid = word(c_p), sq[QUEUE_WORDS] = {}, mp, left, rest;
	struct message m = {};
	struct scratch *s;

	/* A call costs more than the words that are not needed. */
	bpf_probe_read_user(sq, sizeof(sq), (void *)(c_p + l->p_sig_qs));
	mp = is_out ? SCOPE_ARG2(ctx) :
		      word(sq[(l->sq_save >> 3) & (QUEUE_WORDS - 1)]);
	if (bpf_probe_read_user(&m, sizeof(m), (void *)mp)) {
		count_unread(SCOPE_KIND_MSG_RECEIVE, ts);
		return 0;
	}
	if (!in_set(pid, is_pid(m.from) ? m.from : 0))
		return 0;
	s = begin(SCOPE_KIND_MSG_RECEIVE,
		  is_out ? SCOPE_SITE_SAVE_MESSAGE : SCOPE_SITE_RECEIVE, ts);
	if (!s)
		return 0;
	left = sq[(l->sq_len >> 3) & (QUEUE_WORDS - 1)];
	if (l->si_len != SCOPE_NO)
		left += word(c_p + l->p_sig_inq + l->si_len);
	s->rec.pid = pid;
	s->rec.msg.msg = m.term;
	s->rec.msg.from = m.from;
	s->rec.msg.addr = mp;
	s->rec.msg.mailbox = left && !is_out ? left - 1 : left;
	/* No other message in its own queues, and neither message nor signal
	 * in the one that others put to. */
	rest = sq[l->sq_first >> 3 & (QUEUE_WORDS - 1)];
	if (rest == mp && !is_out)
		rest = m.next;
	if (!rest && !sq[l->sq_cont >> 3 & (QUEUE_WORDS - 1)] &&
	    !word(c_p + l->p_sig_inq + l->si_first))
		s->rec.flags |= SCOPE_F_LAST;
	copy_term(s, m.term);
	finish(s);
	return 0;
}

#endif
