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
 *   messages from other nodes  erts_queue_dist_message, and for an alias
 *                              erts_proc_sig_send_dist_to_alias; OTP 29
 *                              erts_proc_sig_send_dist_altact_msg (not decoded)
 *
 * A message to a process that is exiting is dropped by these functions; so is
 * its event. Cost a hit: README.md.
 */
#ifndef SCOPE_BPF_MSG_H
#define SCOPE_BPF_MSG_H

#include "lib/ext.bpf.h"

#define PSFLG_FREE (1u << 10)
#define PSFLG_EXITING (1u << 11)
#define BATCH_MAX 64
#define PROCESS_TAIL 24 /* bytes of ErtsSignalInQueue that are looked at */

/* A signal that is no message: tag of ERTS_PROC_SIG_MAKE_TAG in m[0]. */
#define is_signal(w) (((w)&0x3f) == 0x30)

/* Read a Process up to its queues; a call costs more than the words that are
 * not needed. */
static __always_inline int read_process(struct scratch *s, u64 p)
{
	u32 n = config.layout.p_sig_inq + PROCESS_TAIL;

	if (n > sizeof(s->process))
		n = sizeof(s->process);
	return bpf_probe_read_user(s->process, n, (void *)p) != 0;
}

/* The word at this offset of what read_process() read. */
static __always_inline u64 of_process(struct scratch *s, u32 offset)
{
	return s->process[(offset >> 3) & (PROCESS_WORDS - 1)];
}

static __always_inline int is_gone(struct scratch *s)
{
	u32 at = config.layout.p_state;
	u32 state = of_process(s, at) >> (at & 4 ? 32 : 0);

	return (state & (PSFLG_EXITING | PSFLG_FREE)) != 0;
}

/* Report one enqueued message. */
static __always_inline void send_one(struct scope_regs *ctx, u64 rcvr, u64 mp,
				     u64 msg, u64 from, u32 site)
{
	u64 ts = bpf_ktime_get_ns(), pid = is_pid(from) ? from : 0;
	struct scratch *s;

	if (!in_time(ts))
		return;
	s = take();
	if (!s) {
		if (!(half(rcvr + config.layout.p_state) &
		      (PSFLG_EXITING | PSFLG_FREE)) &&
		    in_set(pid, word(rcvr))) {
			count_emitted(SCOPE_KIND_MSG_SEND);
			count_lost(SCOPE_KIND_MSG_SEND, SCOPE_LOSS_SCRATCH);
		}
		return;
	}
	if (read_process(s, rcvr)) {
		give_back(s);
		count_unread(SCOPE_KIND_MSG_SEND, ts);
		return;
	}
	if (is_gone(s) || !in_set(pid, s->process[0])) {
		give_back(s);
		count_hit(SCOPE_GROUP_SEND);
		return;
	}
	if (!is_kept(SCOPE_KIND_MSG_SEND, ts, from, s->process[0])) {
		give_back(s);
		return;
	}
	start(s, SCOPE_KIND_MSG_SEND, site, ts);
	s->rec.pid = pid;
	s->rec.msg.to = s->process[0];
	s->rec.msg.msg = msg;
	s->rec.msg.from = from;
	s->rec.msg.addr = mp;
	if (msg)
		copy_message(s, msg);
	else if (site != SCOPE_SITE_QUEUE_TAIL)
		s->rec.flags |= SCOPE_F_DIST;
	finish(ctx, s);
}

/* Is there such a process, and is it not ending? With pixdata (OTP 26 on). */
static __always_inline int is_there(u64 pid)
{
	u64 p = word(config.procs + 8 * ((pid >> 4) & config.procs_mask));

	return p && word(p) == pid &&
	       !(half(p + config.layout.p_state) &
		 (PSFLG_EXITING | PSFLG_FREE));
}

/* In a frame of its own: see on_send_tail. */
static __noinline int send_alias(struct scope_regs *ctx)
{
	u64 from = SCOPE_ARG2(ctx), alias = SCOPE_ARG3(ctx);
	u64 msg = SCOPE_ARG4(ctx), ts = bpf_ktime_get_ns();
	u64 pid = is_pid(from) ? from : 0, to = alias;
	struct scratch *s;

	/* OTP 29 sends messages with priority this way, to a pid too. */
	if (is_pid(alias)) {
		if (!is_there(alias))
			return 0;
		alias = 0;
	} else {
		to = word((alias & ~7ull) + config.layout.ref_pid);
	}

	if (!in_set(pid, to)) {
		count_hit(SCOPE_GROUP_SEND);
		return 0;
	}
	if (!is_kept(SCOPE_KIND_MSG_SEND, ts, from, to))
		return 0;
	s = begin(SCOPE_KIND_MSG_SEND, SCOPE_SITE_ALIAS, ts);
	if (!s)
		return 0;
	s->rec.pid = pid;
	if (alias)
		s->rec.flags |= SCOPE_F_ALIAS;
	s->rec.msg.to = to;
	s->rec.msg.msg = msg;
	s->rec.msg.from = from;
	s->rec.msg.alias = alias;
	copy_term(s, msg);
	copy_term(s, alias);
	finish(ctx, s);
	return 0;
}

/* A message from another node, in external format. Global, so that it is
 * verified once. */
__noinline int send_dist(struct scope_regs *ctx, u64 to, u64 edep, u64 from,
			 u64 alias)
{
	u64 ts = bpf_ktime_get_ns(), site = bpf_get_attach_cookie(ctx);
	struct scratch *s;

	if (!in_set(0, to)) {
		count_hit(SCOPE_GROUP_SEND);
		return 0;
	}
	if (!is_kept(SCOPE_KIND_MSG_SEND, ts, from, to))
		return 0;
	s = begin(SCOPE_KIND_MSG_SEND, site, ts);
	if (!s)
		return 0;
	s->rec.flags |= SCOPE_F_DIST;
	if (alias)
		s->rec.flags |= SCOPE_F_ALIAS;
	s->rec.msg_dist.to = to;
	s->rec.msg_dist.from = from;
	s->rec.msg_dist.peer = ext_peer(edep);
	s->rec.msg_dist.alias = alias;
	copy_control(s, from);
	copy_control(s, alias);
	if (config.term_words)
		copy_ext(s, edep);
	finish(ctx, s);
	return 0;
}

struct batch {
	struct scope_regs *ctx;
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
		send_one(b->ctx, b->rcvr, b->mp, m.term,
			 b->from ? b->from : m.from, b->site);
		b->left--;
	}
	b->mp = m.next;
	return 0;
}

/* Global, so that what it keeps on the stack is not the caller's: see
 * on_send_tail. */
__noinline int send_batch(struct scope_regs *ctx, u64 rcvr, u64 first, u64 from,
			  u64 len)
{
	struct batch b = {
		.ctx = ctx,
		.rcvr = rcvr,
		.mp = first,
		.from = from,
		.left = len,
		.site = bpf_get_attach_cookie(ctx),
	};

	bpf_loop(BATCH_MAX, batch_one, &b, 0);
	if (b.left && b.mp && len >= BATCH_MAX) {
		struct scope_counters *c = my_counters();

		if (!c || !in_time(bpf_ktime_get_ns()))
			return 0;
		__sync_fetch_and_add(&c->emitted[SCOPE_KIND_MSG_SEND], b.left);
		__sync_fetch_and_add(
			&c->lost[SCOPE_LOSS_BATCH][SCOPE_KIND_MSG_SEND],
			b.left);
	}
	return 0;
}

/*
 * The sites of nearly all messages have programs of their own, which need not
 * ask where they are. What OTP 25's functions jump to: the list may begin with
 * a signal that was waiting to be sent, but nearly always is one message, and
 * then `last` is its own `next`. Its term is in place.
 *
 * A frame of 64 bytes or more gets a stack of its own from newer kernels
 * (6.13), into which reading costs 20 ns more: it is checked as other memory.
 */
SEC("uprobe")
int on_send_tail(struct scope_regs *ctx)
{
	u64 from = SCOPE_ARG1(ctx), rcvr = SCOPE_ARG2(ctx);
	u64 mp = SCOPE_ARG4(ctx), last = SCOPE_ARG5(ctx), term = 0;

	if (last != mp + config.layout.m_next) {
		send_batch(ctx, rcvr, mp, from, SCOPE_ARG6(ctx));
		return 0;
	}
	/* What it is serves to show it, and to find its receive. */
	if (config.term_words || wanted(SCOPE_KIND_MSG_RECEIVE))
		term = word(mp + config.layout.m_term);
	send_one(ctx, rcvr, mp, term, from, SCOPE_SITE_QUEUE_TAIL);
	return 0;
}

SEC("uprobe")
int on_send_message(struct scope_regs *ctx)
{
	send_one(ctx, SCOPE_ARG1(ctx), SCOPE_ARG3(ctx), SCOPE_ARG4(ctx),
		 SCOPE_ARG5(ctx), SCOPE_SITE_QUEUE_MESSAGE);
	return 0;
}

SEC("uprobe")
int on_send_proc(struct scope_regs *ctx)
{
	send_one(ctx, SCOPE_ARG2(ctx), SCOPE_ARG4(ctx), SCOPE_ARG5(ctx),
		 word(SCOPE_ARG1(ctx)), SCOPE_SITE_QUEUE_PROC);
	return 0;
}

/* OTP 23: the sender is in the message. 0: it is more than one message, or
 * something else. In a frame of its own, as above. */
static __noinline int send_tail_23(struct scope_regs *ctx)
{
	u64 rcvr = SCOPE_ARG1(ctx), mp = SCOPE_ARG3(ctx), term;

	if (SCOPE_ARG5(ctx) != 1)
		return 0;
	term = word(mp + config.layout.m_term);
	if (is_signal(term))
		return 0;
	send_one(ctx, rcvr, mp, term, word(mp + config.layout.m_from),
		 SCOPE_SITE_QUEUE_TAIL_23);
	return 1;
}

SEC("uprobe")
int on_send(struct scope_regs *ctx)
{
	switch (bpf_get_attach_cookie(ctx)) {
	case SCOPE_SITE_QUEUE_TAIL_23:
		if (!send_tail_23(ctx))
			send_batch(ctx, SCOPE_ARG1(ctx), SCOPE_ARG3(ctx), 0,
				   SCOPE_ARG5(ctx));
		break;
	case SCOPE_SITE_QUEUE_PROCS:
		send_batch(ctx, SCOPE_ARG2(ctx), SCOPE_ARG4(ctx),
			   word(SCOPE_ARG1(ctx)), SCOPE_ARG6(ctx));
		break;
	case SCOPE_SITE_QUEUE_DIST:
		if (!(half(SCOPE_ARG1(ctx) + config.layout.p_state) &
		      (PSFLG_EXITING | PSFLG_FREE)))
			send_dist(ctx, word(SCOPE_ARG1(ctx)), SCOPE_ARG3(ctx),
				  SCOPE_ARG6(ctx), 0);
		break;
	case SCOPE_SITE_ALIAS_DIST: {
		u64 to = SCOPE_ARG2(ctx), alias = 0;

		/* OTP 29 brings messages with priority to a pid this way. */
		if (!is_pid(to)) {
			alias = to;
			to = word((to & ~7ull) + config.layout.ref_pid);
		} else if (!is_there(to)) {
			break;
		}
		send_dist(ctx, to, SCOPE_ARG3(ctx), SCOPE_ARG1(ctx), alias);
		break;
	}
	case SCOPE_SITE_ALIAS:
		send_alias(ctx);
		break;
	}
	return 0;
}

/* In a frame of its own, as above. */
static __noinline int read_message(struct scratch *s, u64 mp)
{
	struct message m;

	if (bpf_probe_read_user(&m, sizeof(m), (void *)mp))
		return 1;
	s->message = m;
	return 0;
}

/* A message that a process took: the one at mp, or, 0, that which its queue's
 * save pointer is at, and which is still in the queue. */
static __always_inline int received(struct scope_regs *ctx, u64 c_p, u64 mp,
				    u32 site)
{
	const volatile struct scope_layout *l = &config.layout;
	u64 ts = bpf_ktime_get_ns(), pid, from, at, left, rest;
	int is_out = site == SCOPE_SITE_SAVE_MESSAGE;
	struct scratch *s;

	if (!in_time(ts))
		return 0;
	s = take();
	if (!s) {
		if (in_set(word(c_p), 0)) {
			count_emitted(SCOPE_KIND_MSG_RECEIVE);
			count_lost(SCOPE_KIND_MSG_RECEIVE, SCOPE_LOSS_SCRATCH);
		}
		return 0;
	}
	if (read_process(s, c_p))
		goto unread;
	/* The first message's, mostly, is in the queue's own head. */
	rest = of_process(s, l->p_sig_qs + l->sq_first);
	if (!is_out) {
		at = of_process(s, l->p_sig_qs + l->sq_save);
		mp = at == c_p + l->p_sig_qs + l->sq_first ? rest : word(at);
	}
	if (read_message(s, mp))
		goto unread;
	pid = s->process[0];
	from = s->message.from;
	if (!in_set(pid, is_pid(from) ? from : 0)) {
		give_back(s);
		count_hit(SCOPE_GROUP_RECEIVE);
		return 0;
	}
	if (!is_kept(SCOPE_KIND_MSG_RECEIVE, ts, pid, from)) {
		give_back(s);
		return 0;
	}
	start(s, SCOPE_KIND_MSG_RECEIVE, site, ts);
	left = of_process(s, l->p_sig_qs + l->sq_len);
	if (l->si_len != SCOPE_NO)
		left += of_process(s, l->p_sig_inq + l->si_len);
	s->rec.pid = pid;
	s->rec.msg.msg = s->message.term;
	s->rec.msg.from = from;
	s->rec.msg.addr = mp;
	s->rec.msg.mailbox = left && !is_out ? left - 1 : left;
	/* No other message in its own queues, and neither message nor signal
	 * in the one that others put to. */
	if (rest == mp && !is_out)
		rest = s->message.next;
	if (!rest && !of_process(s, l->p_sig_qs + l->sq_cont) &&
	    !of_process(s, l->p_sig_inq + l->si_first))
		s->rec.flags |= SCOPE_F_LAST;
	copy_message(s, s->message.term);
	finish(ctx, s);
	return 0;
unread:
	give_back(s);
	count_unread(SCOPE_KIND_MSG_RECEIVE, ts);
	return 0;
}

/* beam_jit_remove_message runs once for each message that a receive matched,
 * before it is taken out. */
SEC("uprobe")
int on_receive(struct scope_regs *ctx)
{
	return received(ctx, SCOPE_ARG1(ctx), 0, SCOPE_SITE_RECEIVE);
}

/* The interpreter's instruction calls erts_save_message_in_proc with the
 * message, once it is out of the queue. */
SEC("uprobe")
int on_receive_saved(struct scope_regs *ctx)
{
	return received(ctx, SCOPE_ARG1(ctx), SCOPE_ARG2(ctx),
			SCOPE_SITE_SAVE_MESSAGE);
}

#endif
