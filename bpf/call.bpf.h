/* SPDX-License-Identifier: (MIT OR GPL-2.0) */
/*
 * Events that are known only when the runtime's function returns: the child of
 * a spawn, whether a name was registered, what a collection did. The entry
 * notes the arguments under the thread and the site; the return reports.
 */
#ifndef SCOPE_BPF_CALL_H
#define SCOPE_BPF_CALL_H

#include "proc.bpf.h"

struct heap {
	u64 heap, htop, high_water, abandoned;
	u64 used, size; /* words, of both generations */
	u64 block;	/* words that the young one's block has */
	u32 gen_gcs;
	u32 pad0;
};

struct call {
	u64 ts;
	u64 a[4];
	struct heap before; /* a collection, a hibernation */
	u32 flags;
	u32 pad0;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, u64);
	__type(value, struct call);
} calls SEC(".maps");

/* This thread's place in the control's open_ns. */
static __always_inline volatile u64 *my_open(void)
{
	u32 zero = 0, at = (u32)bpf_get_current_pid_tgid();
	struct scope_bpf_control *c = bpf_map_lookup_elem(&control, &zero);

	return c ? &c->open_ns[at & (SCOPE_OPEN_MAX - 1)] : 0;
}

/* Calls nest, as a collection in a spawn: the outermost counts. */
static __always_inline void call_opened(u64 ts)
{
	volatile u64 *open = my_open();

	if (open && *open + SCOPE_OPEN_NS < ts)
		*open = ts;
}

/* After its event was written. */
static __always_inline void call_closed(u64 ts)
{
	volatile u64 *open = my_open();

	if (open && *open == ts)
		*open = 0;
}

#define CALL_KEY(site) \
	((u64)(u32)bpf_get_current_pid_tgid() << 8 | (u64)(site))

static __always_inline void read_heap(u64 p, struct heap *h)
{
	const volatile struct scope_layout *l = &config.layout;
	u64 old = word(p + l->p_old_heap);

	h->heap = word(p + l->p_heap);
	h->htop = word(p + l->p_htop);
	h->high_water = word(p + l->p_high_water);
	h->abandoned = word(p + l->p_abandoned_heap);
	h->gen_gcs = small(p + l->p_gen_gcs);
	h->used = (h->htop - h->heap) / 8 + word(p + l->p_mbuf_sz);
	h->block = h->size = word(p + l->p_heap_sz);
	if (old) {
		h->used += (word(p + l->p_old_htop) - old) / 8;
		h->size += (word(p + l->p_old_hend) - old) / 8;
	}
}

static __always_inline void gc_started(struct scope_regs *ctx, struct call *c,
				       u64 pid)
{
	struct scratch *s;

	if (!wanted(SCOPE_KIND_GC_START) ||
	    !is_kept(SCOPE_KIND_GC_START, c->ts, pid, 0))
		return;
	s = begin(SCOPE_KIND_GC_START, SCOPE_SITE_GC, c->ts);
	if (!s)
		return;
	s->rec.pid = pid;
	s->rec.flags |= c->flags;
	s->rec.gc.heap_before = c->before.used;
	s->rec.gc.size_before = c->before.size;
	s->rec.gc.need = c->a[2];
	s->rec.gc.caller = c->a[3];
	finish(ctx, s);
}

/* erl_process.h and erl_gc.h, the same in OTP 25 and 27. */
#define F_DISABLE_GC (1u << 11)
#define F_DELAY_GC (1u << 13)
#define F_DIRTY_GC_HIBERNATE (1u << 18)
#define LONG_GC_WORDS (128 * 1024)

#define GC_STARTED (1u << 31) /* of call.flags: gc.start was told */

/*
 * The call may only decide to collect later, when collecting is disabled, or on
 * a dirty scheduler, when it will take long (erl_gc.c,
 * check_for_possibly_long_gc). Where that can't be, the start is told at once;
 * else, with its own time, when the call is over; the collector waits for it.
 */
static __always_inline void gc_entry(struct scope_regs *ctx, u64 p,
				     struct call *c)
{
	const volatile struct scope_layout *l = &config.layout;
	u64 esdp = word(p + l->p_scheduler_data), stack;

	read_heap(p, &c->before);
	/* Dirty schedulers leave no trace in a process that they work for. */
	if (!esdp || half(esdp + l->s_type) != 0)
		c->flags = SCOPE_F_DIRTY;
	if (half(p + l->p_flags) & (F_DISABLE_GC | F_DELAY_GC) ||
	    half(p + l->p_state) & PSFLG_EXITING)
		return;
	stack = (word(p + l->p_hend) - word(p + l->p_stop)) / 8;
	if (c->flags || (c->before.used + stack < LONG_GC_WORDS &&
			 word(p + l->p_sig_qs + l->sq_len) == 0)) {
		gc_started(ctx, c, word(p));
		c->flags |= GC_STARTED;
	}
}

static __always_inline void heap_resized(struct scope_regs *ctx, struct call *c,
					 u64 pid, u64 block, u64 now)
{
	struct scratch *s;

	if (!wanted(SCOPE_KIND_HEAP_GROW) ||
	    !is_kept(SCOPE_KIND_HEAP_GROW, now, pid, 0))
		return;
	s = begin(SCOPE_KIND_HEAP_GROW, SCOPE_SITE_GC, now);
	if (!s)
		return;
	s->rec.pid = pid;
	s->rec.flags |= c->flags;
	s->rec.gc.size_before = c->before.block;
	s->rec.gc.size_after = block;
	s->rec.gc.need = c->a[2];
	s->rec.gc.caller = c->a[3];
	finish(ctx, s);
}

static __always_inline void gc_return(struct scope_regs *ctx, struct call *c)
{
	u64 p = c->a[0], pid = word(p), now = bpf_ktime_get_ns();
	struct heap h = {};
	struct scratch *s;

	read_heap(p, &h);
	/* Put off: the heap is as it was, or was swapped for a fragment. */
	if (h.abandoned ||
	    (h.heap == c->before.heap && h.htop == c->before.htop &&
	     h.high_water == c->before.high_water &&
	     h.gen_gcs == c->before.gen_gcs))
		return;
	if (!(c->flags & GC_STARTED))
		gc_started(ctx, c, pid);
	c->flags &= ~GC_STARTED;
	if (h.block != c->before.block)
		heap_resized(ctx, c, pid, h.block, now);
	if (!wanted(SCOPE_KIND_GC_END) ||
	    !is_kept(SCOPE_KIND_GC_END, now, pid, 0))
		return;
	s = begin(SCOPE_KIND_GC_END, SCOPE_SITE_GC, now);
	if (!s)
		return;
	s->rec.pid = pid;
	s->rec.flags |= c->flags;
	if (h.gen_gcs == 0)
		s->rec.flags |= SCOPE_F_MAJOR;
	s->rec.gc.heap_before = c->before.used;
	s->rec.gc.heap_after = h.used;
	s->rec.gc.size_before = c->before.size;
	s->rec.gc.size_after = h.size;
	s->rec.gc.pause_ns = now - c->ts;
	s->rec.gc.need = c->a[2];
	s->rec.gc.caller = c->a[3];
	finish(ctx, s);
}

SEC("uprobe")
int on_call(struct scope_regs *ctx)
{
	u64 site = bpf_get_attach_cookie(ctx), key = CALL_KEY(site);
	u64 a1 = SCOPE_ARG1(ctx), a2 = SCOPE_ARG2(ctx), a3 = SCOPE_ARG3(ctx);
	struct call c = { .ts = bpf_ktime_get_ns() };
	u32 kind = SCOPE_KIND_NONE, is_open = 0;

	count_hit(site == SCOPE_SITE_GC ? SCOPE_GROUP_GC : SCOPE_GROUP_PROC);
	c.a[0] = a1;
	c.a[1] = a2;
	c.a[2] = a3;
	c.a[3] = SCOPE_ARG4(ctx);
	switch (site) {
	case SCOPE_SITE_SPAWN:
		kind = SCOPE_KIND_PROC_SPAWN;
		c.flags = half(SCOPE_ARG5(ctx));
		is_open = 1;
		break;
	case SCOPE_SITE_REGISTER:
		kind = SCOPE_KIND_PROC_REGISTER;
		is_open = 1;
		break;
	case SCOPE_SITE_UNREGISTER:
		kind = SCOPE_KIND_PROC_UNREGISTER;
		is_open = 1;
		/* An ending process gives up its name, whatever that is. */
		if (!c.a[3])
			c.a[3] = word(word((a3 ? a3 : a1) +
					   config.layout.p_reg) +
				      config.layout.reg_name);
		break;
	case SCOPE_SITE_GC:
		if (!in_set(word(a1), 0))
			return 0;
		kind = wanted(SCOPE_KIND_GC_END) ? SCOPE_KIND_GC_END :
						   SCOPE_KIND_HEAP_GROW;
		c.a[3] = SCOPE_CALLER(ctx);
		gc_entry(ctx, a1, &c);
		is_open = !(c.flags & GC_STARTED) && wanted(SCOPE_KIND_GC_START);
		break;
	case SCOPE_SITE_HIBERNATE:
	case SCOPE_SITE_HIBERNATE_29:
		if (!in_set(word(a1), 0))
			return 0;
		kind = SCOPE_KIND_PROC_HIBERNATE;
		read_heap(a1, &c.before);
		break;
	case SCOPE_SITE_PURGE:
		kind = SCOPE_KIND_CODE_UNLOAD;
		c.a[2] = word(a2);     /* module */
		c.a[3] = word(a2 + 8); /* what to do */
		break;
	}
	if (!bpf_map_update_elem(&calls, &key, &c, BPF_ANY)) {
		if (is_open)
			call_opened(c.ts);
	} else if (in_time(c.ts)) {
		count_emitted(kind);
		count_lost(kind, SCOPE_LOSS_STATE);
	}
	return 0;
}

struct length {
	u64 list, n;
};

static long one_more(u32 i, void *ctx)
{
	struct length *l = ctx;

	(void)i;
	if ((l->list & 3) != 1)
		return 1;
	l->list = word((l->list & ~7ull) + 8);
	l->n++;
	return 0;
}

/* Arguments of a function: at most 255; 256 says that this is no such list. */
static __always_inline u64 length(u64 list)
{
	struct length l = { .list = list };

	bpf_loop(256, one_more, &l, 0);
	return (l.list & 0x3f) == 0x3b ? l.n : 256;
}

static __always_inline void spawned(struct scope_regs *ctx, struct call *c,
				    u64 child)
{
	u64 parent = word(c->a[0]);
	struct scratch *s;

	if (!is_pid(child) || !in_set(parent, child))
		return;
	s = begin(SCOPE_KIND_PROC_SPAWN, SCOPE_SITE_SPAWN, c->ts);
	if (!s)
		return;
	s->rec.pid = parent;
	if (c->flags & 1) /* SPO_LINK */
		s->rec.flags |= SCOPE_F_LINK;
	if (c->flags & 2) /* SPO_MONITOR */
		s->rec.flags |= SCOPE_F_MONITOR;
	s->rec.spawn.child = child;
	s->rec.spawn.module = c->a[1];
	s->rec.spawn.function = c->a[2];
	s->rec.spawn.args = c->a[3];
	s->rec.spawn.arity = length(c->a[3]);
	/* With all else of the child's own. */
	if (config.samples && is_out(child, 0))
		s->rec.flags |= SCOPE_F_SAMPLED;
	else
		copy_term(s, c->a[3]);
	finish(ctx, s);
}

/* The arguments lie where they are kept until it wakes: they have moved. With
 * hibernate/0 (arity 0) there are none, nor a function: it goes on where it
 * was. */
static __always_inline void hibernated(struct scope_regs *ctx, struct call *c,
				       u32 arity)
{
	const volatile struct scope_layout *l = &config.layout;
	u64 p = c->a[0], regs = p + l->p_def_arg_reg, ts = bpf_ktime_get_ns();
	struct heap h = {};
	struct scratch *s;

	if (!is_kept(SCOPE_KIND_PROC_HIBERNATE, ts, word(p), 0))
		return;
	s = begin(SCOPE_KIND_PROC_HIBERNATE, SCOPE_SITE_HIBERNATE, ts);
	if (!s)
		return;
	read_heap(p, &h);
	s->rec.pid = word(p);
	if (arity == 3) {
		s->rec.hibernate.module = word(regs);
		s->rec.hibernate.function = word(regs + 8);
		s->rec.hibernate.args = word(regs + 16);
		s->rec.hibernate.arity = length(s->rec.hibernate.args);
	}
	s->rec.hibernate.size_before = c->before.size;
	s->rec.hibernate.size_after = h.size;
	s->rec.hibernate.heap_after = h.used;
	if (half(p + l->p_state) & SCOPE_PSFLG_ACTIVE)
		s->rec.flags |= SCOPE_F_AWAKE;
	if (half(p + l->p_flags) & F_DIRTY_GC_HIBERNATE)
		s->rec.flags |= SCOPE_F_PUT_OFF;
	copy_term(s, s->rec.hibernate.args);
	finish(ctx, s);
}

static __always_inline void named(struct scope_regs *ctx, struct call *c,
				  u32 kind, u32 site, u64 pid, u64 name, u64 id)
{
	struct scratch *s;

	/* Never filtered nor left out: the collector, which knows whose name it
	 * was, does both. */
	s = begin(kind, site, c->ts);
	if (!s)
		return;
	s->rec.pid = pid;
	s->rec.reg.name = name;
	s->rec.reg.id = id;
	finish(ctx, s);
}

SEC("uprobe")
int on_return(struct scope_regs *ctx)
{
	u64 site = bpf_get_attach_cookie(ctx), key = CALL_KEY(site);
	u64 ret = SCOPE_RET(ctx);
	struct call *found = bpf_map_lookup_elem(&calls, &key), c;

	count_hit(site == SCOPE_SITE_GC ? SCOPE_GROUP_GC : SCOPE_GROUP_PROC);
	if (!found)
		return 0; /* entered before we attached */
	c = *found;
	bpf_map_delete_elem(&calls, &key);
	switch (site) {
	case SCOPE_SITE_SPAWN:
		spawned(ctx, &c, ret);
		break;
	case SCOPE_SITE_REGISTER:
		if ((u32)ret)
			named(ctx, &c, SCOPE_KIND_PROC_REGISTER, site,
			      word(c.a[0]), c.a[1], c.a[2]);
		break;
	case SCOPE_SITE_UNREGISTER:
		if ((u32)ret && c.a[3])
			named(ctx, &c, SCOPE_KIND_PROC_UNREGISTER, site,
			      word(c.a[0]), c.a[3], 0);
		break;
	case SCOPE_SITE_GC:
		gc_return(ctx, &c);
		break;
	case SCOPE_SITE_HIBERNATE:
		if ((u32)ret)
			hibernated(ctx, &c, 3);
		break;
	case SCOPE_SITE_HIBERNATE_29:
		hibernated(ctx, &c, (u32)c.a[2]);
		break;
	case SCOPE_SITE_PURGE:
		/* Code is of no process. */
		if (!config.filter && ret == config.am_true &&
		    c.a[3] == config.am_complete) {
			struct scratch *s = begin(SCOPE_KIND_CODE_UNLOAD, site,
						  bpf_ktime_get_ns());

			if (!s)
				return 0;
			s->rec.code.module = c.a[2];
			finish(ctx, s);
		}
		break;
	}
	call_closed(c.ts);
	return 0;
}

#endif
