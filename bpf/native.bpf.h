/* SPDX-License-Identifier: (MIT OR GPL-2.0) */
/*
 * call: C code that a process runs, as one call from Erlang: NIFs, BIFs that
 * code calls with its registers saved, and both on dirty schedulers. Told when
 * it returns, with the time that it took.
 */
#ifndef SCOPE_BPF_NATIVE_H
#define SCOPE_BPF_NATIVE_H

#include "lib/emit.bpf.h"

struct native {
	u64 ts;
	u64 pid;
	u64 module, function, arity; /* ErtsCodeMFA */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, u64); /* thread << 8 | site: none of them calls itself */
	__type(value, struct native);
} natives SEC(".maps");

static __always_inline u64 native_key(u64 site)
{
	return (u64)(u32)bpf_get_current_pid_tgid() << 8 | site;
}

SEC("uprobe")
int on_native(struct scope_regs *ctx)
{
	u64 site = bpf_get_attach_cookie(ctx), key = native_key(site);
	struct native n = { .ts = bpf_ktime_get_ns() };
	u64 p, mfa;

	count_hit(SCOPE_GROUP_CALL);
	switch (site) {
	case SCOPE_SITE_CALL_NIF:
		p = SCOPE_ARG1(ctx);
		mfa = SCOPE_ARG2(ctx) - 24;
		break;
	case SCOPE_SITE_CALL_BIF:
	case SCOPE_SITE_CALL_BIF_23:
		p = SCOPE_ARG1(ctx);
		mfa = word(p + config.layout.p_current);
		break;
	case SCOPE_SITE_CALL_NIF_23:
		p = SCOPE_ARG2(ctx);
		mfa = word(p + config.layout.p_current);
		break;
	default:
		p = SCOPE_ARG2(ctx);
		mfa = SCOPE_ARG3(ctx) - 24;
		break;
	}
	n.pid = word(p);
	if (!in_set(n.pid, 0))
		return 0;
	if (bpf_probe_read_user(&n.module, 24, (void *)mfa))
		n.module = 0;
	if (bpf_map_update_elem(&natives, &key, &n, BPF_ANY) &&
	    in_time(n.ts)) {
		count_emitted(SCOPE_KIND_CALL);
		count_lost(SCOPE_KIND_CALL, SCOPE_LOSS_STATE);
	}
	return 0;
}

static __always_inline int native_done(struct scope_regs *ctx)
{
	u64 site = bpf_get_attach_cookie(ctx), key = native_key(site);
	u64 now = bpf_ktime_get_ns();
	struct native *n = bpf_map_lookup_elem(&natives, &key);
	struct scratch *s;

	count_hit(SCOPE_GROUP_CALL);
	if (!n)
		return 0; /* entered before we attached, or of no interest */
	s = is_since(SCOPE_GROUP_CALL, n->ts) &&
			    is_kept(SCOPE_KIND_CALL, now, n->pid, 0) ?
		    begin(SCOPE_KIND_CALL, site, now) :
		    NULL;
	if (s) {
		s->rec.pid = n->pid;
		s->rec.call.module = n->module;
		s->rec.call.function = n->function;
		s->rec.call.arity = n->arity;
		s->rec.call.duration_ns = now - n->ts;
		finish(ctx, s);
	}
	(void)bpf_map_delete_elem(&natives, &key);
	return 0;
}

SEC("uprobe")
int on_native_return(struct scope_regs *ctx)
{
	return native_done(ctx);
}

/* In the midst of the function that made the call. */
SEC("uprobe")
int on_native_done(struct scope_regs *ctx)
{
	return native_done(ctx);
}

#endif
