/* SPDX-License-Identifier: (MIT OR GPL-2.0) */
/*
 * break: calls of Erlang functions, on execution breakpoints: no code of the
 * node is changed. Here the Erlang machine is all there is: its process, its
 * stack and its X registers are where the JIT keeps them.
 */
#ifndef SCOPE_BPF_BREAK_H
#define SCOPE_BPF_BREAK_H

#include "lib/term.bpf.h"

/* Copy the first n X registers, n from 1 to SCOPE_BREAK_ARGS. */
static __always_inline int read_x(struct scope_regs *ctx, struct scratch *s,
				  u32 n)
{
#if defined(__TARGET_ARCH_x86)
	return bpf_probe_read_user(s->words, 8 * n, (void *)ctx->bx);
#else
	s->words[0] = ctx->regs[25];
	s->words[1] = ctx->regs[26];
	s->words[2] = ctx->regs[27];
	s->words[3] = ctx->regs[28];
	s->words[4] = ctx->regs[15];
	s->words[5] = ctx->regs[16];
	return n > 6;
#endif
}

static __always_inline struct scope_break *
find_break(struct scope_bpf_control *c, u64 ip)
{
#pragma unroll
	for (u32 i = 0; i < SCOPE_BREAKS; i++)
		if (c->breaks[i].addr == ip)
			return &c->breaks[i];
	return NULL;
}

/* Whether a word may pass a test. */
static __always_inline int may_pass(u64 w, u64 word, u32 op, u32 flags)
{
	if (op == SCOPE_BREAK_EQ)
		return w == word;
	if (op == SCOPE_BREAK_NE)
		return w != word;
	if ((w & 3) == 2)
		return !(flags & SCOPE_BREAK_COUNT); /* large, a float? */
	if ((w & 0xf) != 0xf)
		return 0;
	if (op == SCOPE_BREAK_LT)
		return (long)w < (long)word;
	if (op == SCOPE_BREAK_LE)
		return (long)w <= (long)word;
	if (op == SCOPE_BREAK_GT)
		return (long)w > (long)word;
	return (long)w >= (long)word;
}

struct tested {
	struct scratch *s;
	struct scope_break *b;
	u32 failed;
};

static long one_test(u32 i, void *ctx)
{
	struct tested *t = ctx;
	struct scope_break_test *test;

	if (i >= SCOPE_BREAK_TESTS)
		return 1;
	test = &t->b->test[i];
	if (may_pass(t->s->words[test->arg], test->word, test->op,
		     t->b->flags))
		return 0;
	t->failed = 1;
	return 1;
}

static long queue_arg(u32 i, void *ctx)
{
	struct scratch *s = *(struct scratch **)ctx;
	u64 w = s->words[i & MASK];

	if ((w + 1) & 2)
		put_off(s, w);
	return 0;
}

/* Copy what the n words before lead to: each of them may take as much as one
 * term, and they come before what they lead to. */
static __always_inline void copy_args(struct scratch *s, u32 n)
{
	append(s, 0, n);
	s->head = 0;
	s->tail = 0;
	s->here = 0;
	s->win_addr = 0;
	bpf_loop(n, queue_arg, &s, 0);
	if (!s->tail)
		return;
	s->budget = config.term_words * s->tail;
	if (s->budget > SCOPE_WORDS_MAX)
		s->budget = SCOPE_WORDS_MAX;
	bpf_loop(QUEUE_MAX, later, &s, 0);
}

static __always_inline void fill_break(struct scope_regs *ctx,
				       struct scratch *s,
				       struct scope_break *b, u32 n)
{
	u64 p = SCOPE_C_P(ctx), sp = SCOPE_E(ctx);

	s->rec.traced.id = b->id;
	s->rec.traced.ip = SCOPE_IP(ctx);
	s->rec.traced.depth = (word(p + config.layout.p_hend) - sp) >> 3;
	if (b->flags & SCOPE_BREAK_RETURN) {
		s->rec.flags |= SCOPE_F_RETURN;
		if (config.term_words) {
			s->rec.traced.value = s->words[0];
			copy_term(s, s->words[0]);
		}
		return;
	}
	s->rec.traced.depth -= SCOPE_CALL_WORDS;
	s->rec.traced.caller = SCOPE_CALLER(ctx);
	if (n && config.term_words) {
		s->rec.traced.arity = n;
		copy_args(s, n);
	}
}

/* A hit that is in time, of a process that is asked for: 1: it is to be
 * reported. */
static __always_inline int passes(struct scope_regs *ctx, struct scratch *s,
				  struct scope_break *b, u32 n)
{
	struct tested t = { .s = s, .b = b };

	if (n && (b->ntests || config.term_words) && read_x(ctx, s, n)) {
		count_emitted(SCOPE_KIND_CALL);
		count_lost(SCOPE_KIND_CALL, SCOPE_LOSS_READ);
		return 0;
	}
	if (b->ntests)
		bpf_loop(b->ntests, one_test, &t, 0);
	if (t.failed)
		return 0;
	__sync_fetch_and_add(&b->passed, 1);
	return !(b->flags & SCOPE_BREAK_COUNT);
}

SEC("perf_event")
int on_break(struct scope_regs *ctx)
{
	u64 ts = bpf_ktime_get_ns(), pid;
	struct scope_bpf_control *c;
	struct scope_break *b;
	struct scratch *s;
	u32 zero = 0, n;

	count_hit(SCOPE_GROUP_BREAK);
	c = bpf_map_lookup_elem(&control, &zero);
	b = c ? find_break(c, SCOPE_IP(ctx)) : NULL;
	if (!b)
		return 0;
	__sync_fetch_and_add(&b->hits, 1);
	if (ts < b->since_ns || ts > b->until_ns || !in_time(ts))
		return 0;
	pid = word(SCOPE_C_P(ctx));
	if (!in_set(pid, 0))
		return 0;
	s = take();
	if (!s) {
		count_emitted(SCOPE_KIND_CALL);
		count_lost(SCOPE_KIND_CALL, SCOPE_LOSS_SCRATCH);
		return 0;
	}
	blank(s, SCOPE_KIND_CALL, SCOPE_SITE_BREAK, ts);
	s->rec.pid = pid;
	n = b->flags & SCOPE_BREAK_RETURN ? 1 : b->arity;
	barrier_var(n);
	if (n > SCOPE_BREAK_ARGS)
		n = SCOPE_BREAK_ARGS;
	if (!passes(ctx, s, b, n)) {
		give_back(s);
		return 0;
	}
	count_emitted(SCOPE_KIND_CALL);
	fill_break(ctx, s, b, n);
	finish(ctx, s);
	return 0;
}

#endif
