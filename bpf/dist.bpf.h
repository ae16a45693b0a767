/* SPDX-License-Identifier: (MIT OR GPL-2.0) */
/*
 * dist.send and dist.receive, and the coming and going of nodes.
 *
 * Every signal to another node is encoded by erts_dsig_send(), which is
 * re-entered when it yields or the connection is busy; what passes its call of
 * erts_encode_ext_dist_header_setup() does so once, with all of it measured.
 *
 * Every signal of another node is put together by erts_net_message() from
 * packets; ticks, and fragments but the last, return early. What passes its
 * call of erts_decode_dist_ext() is whole, and its atoms are known. Its control
 * part, and its message, are decoded by the collector.
 */
#ifndef SCOPE_BPF_DIST_H
#define SCOPE_BPF_DIST_H

#include "lib/ext.bpf.h"

#define FRAGMENTS_MAX 4096
#define DFLAG_PUBLISHED 1

static __always_inline void dist_send(struct scope_regs *ctx)
{
	const volatile struct scope_layout *l = &config.layout;
	u64 ts = bpf_ktime_get_ns(), ds = SCOPE_ARG1(ctx) - l->ds_u;
	u64 c_p = word(ds + l->ds_c_p), pid = c_p ? word(c_p) : 0;
	struct scratch *s;

	if (is_pid(pid) && !in_set(pid, 0))
		return;
	/* Whose one is that comes in is known to the collector. */
	if (!is_kept(SCOPE_KIND_DIST_SEND, ts, pid, 0))
		return;
	s = begin(SCOPE_KIND_DIST_SEND, SCOPE_SITE_DIST_SEND, ts);
	if (!s)
		return;
	if (is_pid(pid))
		s->rec.pid = pid;
	s->rec.dist_out.peer = word(word(ds + l->ds_dep) + l->de_sysname);
	s->rec.dist_out.ctl = word(ds + l->ds_ctl);
	s->rec.dist_out.msg = word(ds + l->ds_msg);
	s->rec.dist_out.fragments = word(ds + l->ds_fragments);
	copy_control(s, s->rec.dist_out.ctl);
	copy_term(s, s->rec.dist_out.msg);
	finish(ctx, s);
}

struct fragments {
	u64 at, left, bytes;
};

static long one_fragment(u32 i, void *ctx)
{
	struct fragments *f = ctx;
	struct ext_data d = {};

	(void)i;
	if (!f->left || bpf_probe_read_user(&d, sizeof(d), (void *)f->at))
		return 1;
	f->bytes += d.end - d.ext;
	f->at += config.layout.dd_bytes;
	f->left--;
	return 0;
}

static __always_inline void dist_receive(struct scope_regs *ctx)
{
	const volatile struct scope_layout *l = &config.layout;
	u64 ts = bpf_ktime_get_ns(), edep = SCOPE_ARG2(ctx);
	struct fragments f = { .at = word(edep + l->dx_data) };
	struct scratch *s;

	s = begin(SCOPE_KIND_DIST_RECEIVE, SCOPE_SITE_DIST_RECEIVE, ts);
	if (!s)
		return;
	s->rec.dist_in.peer = ext_peer(edep);
	/* The first fragment has the highest number, the last one 1. */
	f.left = word(f.at + l->dd_seq) ? word(f.at + l->dd_frag) : 1;
	s->rec.dist_in.fragments = f.left;
	bpf_loop(FRAGMENTS_MAX, one_fragment, &f, 0);
	s->rec.dist_in.bytes = f.left ? 0 : f.bytes;
	copy_ext(s, edep);
	finish(ctx, s);
}

SEC("uprobe")
int on_dist(struct scope_regs *ctx)
{
	count_hit(SCOPE_GROUP_DIST);
	switch (bpf_get_attach_cookie(ctx)) {
	case SCOPE_SITE_DIST_SEND:
		dist_send(ctx);
		break;
	case SCOPE_SITE_DIST_RECEIVE:
		dist_receive(ctx);
		break;
	}
	return 0;
}

static __always_inline void node_event(struct scope_regs *ctx, u32 kind,
				       u32 site, u64 peer, u64 reason, u64 cid,
				       u64 creation, u32 flags)
{
	u64 ts = bpf_ktime_get_ns();
	struct scratch *s = begin(kind, site, ts);

	if (!s)
		return;
	s->rec.flags |= flags;
	s->rec.node.peer = peer;
	s->rec.node.reason = reason;
	s->rec.node.cid = cid;
	s->rec.node.creation = creation;
	copy_control(s, reason);
	finish(ctx, s);
}

static __always_inline u32 hidden(u64 dflags)
{
	return dflags & DFLAG_PUBLISHED ? 0 : SCOPE_F_HIDDEN;
}

/* The rare ones, which every observer needs for the node's own name. */
SEC("uprobe")
int on_node(struct scope_regs *ctx)
{
	const volatile struct scope_layout *l = &config.layout;
	u64 a = SCOPE_ARG1(ctx), b = SCOPE_ARG2(ctx);

	count_hit(SCOPE_GROUP_PROC);
	switch (bpf_get_attach_cookie(ctx)) {
	case SCOPE_SITE_CONNECTED:
		node_event(ctx, SCOPE_KIND_DIST_NODE_UP, SCOPE_SITE_CONNECTED,
			   word(a + l->de_sysname), 0, b, 0,
			   hidden(SCOPE_ARG3(ctx)));
		break;
	case SCOPE_SITE_NET_EXITS:
		/* Of this node's own entry: the connections follow. */
		if (a != word(config.this_dist_entry))
			node_event(ctx, SCOPE_KIND_DIST_NODE_DOWN,
				   SCOPE_SITE_NET_EXITS,
				   word(a + l->de_sysname), b,
				   word(a + l->de_cid), 0,
				   hidden(word(a + l->de_dflags)));
		break;
	case SCOPE_SITE_THIS_NODE:
		/* Without a creation it is nonode@nohost again. */
		node_event(ctx, (u32)b ? SCOPE_KIND_DIST_NODE_UP :
				    SCOPE_KIND_DIST_NODE_DOWN,
			   SCOPE_SITE_THIS_NODE, a, 0, 0, (u32)b, SCOPE_F_SELF);
		break;
	}
	return 0;
}

#endif
