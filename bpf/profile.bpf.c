// SPDX-License-Identifier: (MIT OR GPL-2.0)
/*
 * What the schedulers of a node run, by clock: an object of its own, because it
 * shares nothing with the probes but the layout.
 *
 * on_clock runs when a scheduler thread has used its next piece of processor
 * time (a perf event of that thread alone, whose cookie is the address of the
 * scheduler's data). It fires for no other thread, and costs a node that
 * sleeps nothing. What is copied is judged by the reader; only where a stack
 * begins must be known here:
 *
 *   - Erlang code of the JIT has its stack pointer in the machine's, which then
 *     lies within the process's heap block.
 *   - C code that it calls is on the scheduler's own stack, whose first word is
 *     below `registers`: where it was called from. Code that saves the stack
 *     pointer in Process.stop is exact; the rest keeps it in a register that C
 *     code preserves, so that it is there still, or among the first words that
 *     were pushed. Which of both, the reader tells by the calling address; until
 *     it has, the lowest that is possible is taken, and the reader leaves out
 *     what is below the right one.
 *   - The interpreter has it in a register as long as it is itself on top. C code
 *     may have moved that elsewhere: then, too, the lower one is taken.
 */
#include "lib/kernel.bpf.h"
#include "scope/profile.h"

#define PROCESS_WORDS 128
#define CHUNK 512	/* words read at once */
#define CHUNKS 32	/* of them: 128 kB of stack */
#define SLOTS 4		/* of scratch: the clock's, and of probes */
#define STEP 8		/* words looked at in a step */
#define TAIL_WORDS SCOPE_SAMPLE_TAIL /* looked at from the bottom of what was cut */

struct scratch {
	u64 process[PROCESS_WORDS];
	u64 chunk[CHUNK];
	u32 busy; /* 1: taken */
	u32 pad0;
	u64 at;	  /* words from the top to the chunk's first */
	u32 words; /* in the chunk */
	u32 max;   /* frames that there is room for */
	struct scope_sample rec;
	u64 data[SCOPE_SAMPLE_FRAMES + SCOPE_SAMPLE_TAIL + SCOPE_SAMPLE_KERNEL +
		 SCOPE_SAMPLE_NATIVE];
};

const volatile struct scope_sample_config config SEC(".rodata.config");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, u32);
	__type(value, struct scratch);
} scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, struct scope_sample_shared);
} shared SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* set before loading */
} samples SEC(".maps");

static __always_inline u64 word(u64 addr)
{
	u64 w = 0;

	if (bpf_probe_read_user(&w, 8, (void *)addr))
		return 0;
	return w;
}

static __always_inline u64 field(const struct scratch *s, u32 offset)
{
	return s->process[(offset / 8) & (PROCESS_WORDS - 1)];
}

static __always_inline u32 half_field(const struct scratch *s, u32 offset)
{
	u64 w = field(s, offset);

	return offset & 4 ? w >> 32 : (u32)w;
}

/* -- registers ---------------------------------------------------------------- */

#if defined(__TARGET_ARCH_x86)
#define IN_KERNEL(r) (!((r)->cs & 3))
#define COPY(to, r)                                                            \
	do {                                                                   \
		(to)[0] = (r)->ax;                                             \
		(to)[1] = (r)->dx;                                             \
		(to)[2] = (r)->cx;                                             \
		(to)[3] = (r)->bx;                                             \
		(to)[4] = (r)->si;                                             \
		(to)[5] = (r)->di;                                             \
		(to)[6] = (r)->bp;                                             \
		(to)[7] = (r)->sp;                                             \
		(to)[8] = (r)->r8;                                             \
		(to)[9] = (r)->r9;                                             \
		(to)[10] = (r)->r10;                                           \
		(to)[11] = (r)->r11;                                           \
		(to)[12] = (r)->r12;                                           \
		(to)[13] = (r)->r13;                                           \
		(to)[14] = (r)->r14;                                           \
		(to)[15] = (r)->r15;                                           \
		(to)[16] = (r)->ip;                                            \
	} while (0)
#else
/* Erlang's stack pointer is x20 there (beam/jit/arm/beam_asm.hpp), which C code
 * preserves: it takes the place of the stack pointer. */
#define IN_KERNEL(r) ((r)->pstate & 0xf)
#define COPY(to, r)                                                            \
	do {                                                                   \
		(to)[0] = (r)->regs[19];                                       \
		(to)[1] = (r)->regs[0];                                        \
		(to)[2] = (r)->regs[1];                                        \
		(to)[3] = (r)->regs[22];                                       \
		(to)[4] = (r)->regs[23];                                       \
		(to)[5] = (r)->regs[24];                                       \
		(to)[6] = (r)->regs[29];                                       \
		(to)[7] = (r)->regs[20];                                       \
		(to)[8] = (r)->regs[25];                                       \
		(to)[9] = (r)->regs[26];                                       \
		(to)[10] = (r)->regs[27];                                      \
		(to)[11] = (r)->regs[28];                                      \
		(to)[12] = (r)->regs[30];                                      \
		(to)[13] = (r)->regs[21];                                      \
		(to)[14] = (r)->sp;                                            \
		(to)[15] = (r)->regs[2];                                       \
		(to)[16] = (r)->pc;                                            \
	} while (0)
#endif

/* Of their own, so that the compiler does not make one of both copies, which the
 * verifier refuses. */
static __attribute__((noinline)) int user_registers(struct scratch *s)
{
	const volatile struct scope_regs *user;

	user = (const volatile struct scope_regs *)bpf_task_pt_regs(
		bpf_get_current_task_btf());
	COPY(s->rec.reg, user);
	return 0;
}

/* The registers of the thread in its own code: what the kernel interrupted to
 * do something for it is kept elsewhere. */
static __always_inline void registers(struct scratch *s,
				      const volatile struct scope_regs *now)
{
	if (IN_KERNEL(now)) {
		s->rec.flags |= SCOPE_SAMPLE_IN_KERNEL;
		(void)user_registers(s);
	} else {
		COPY(s->rec.reg, now);
	}
}

/* -- the process's stack ------------------------------------------------------- */

static __always_inline void look(struct scratch *s, u32 at)
{
	u64 w = s->chunk[at & (CHUNK - 1)];
	u32 n = s->rec.nframes;

	if ((w & 3) || w < 4096 || w >> SCOPE_FRAME_BITS ||
	    (w >= s->rec.heap && w < s->rec.hend) || at >= s->words)
		return;
	if (n >= s->max || n >= SCOPE_SAMPLE_FRAMES + SCOPE_SAMPLE_TAIL) {
		s->rec.flags |= SCOPE_SAMPLE_CUT;
		return;
	}
	s->data[n] = w | (s->at + at) << SCOPE_FRAME_BITS;
	s->rec.nframes = n + 1;
}

static long step(u32 i, struct scratch **of)
{
	struct scratch *s = *of;
	u32 at = i * STEP;

	if (at >= s->words)
		return 1;
	for (u32 k = 0; k < STEP; k++)
		look(s, at + k);
	return s->rec.flags & SCOPE_SAMPLE_CUT ? 1 : 0;
}

/* Look at the words from `s->at` on; how many there are in the chunk, 0: none. */
static __always_inline u32 chunk(struct scratch *s, u32 most)
{
	u64 from = s->rec.from + 8 * s->at, left = (s->rec.hend - from) >> 3;
	u32 n = left < most ? left : most;

	if (n > CHUNK)
		n = CHUNK;
	if (!n || bpf_probe_read_user(s->chunk, n * 8, (void *)from)) {
		if (n)
			s->rec.flags |= SCOPE_SAMPLE_UNREAD;
		return 0;
	}
	s->words = n;
	bpf_loop(CHUNK / STEP, step, &s, 0);
	return n;
}

static long walk(u32 i, struct scratch **of)
{
	struct scratch *s = *of;
	/* Most stacks are short. */
	u32 n = chunk(s, i ? CHUNK : 64);

	if (!n || (s->rec.flags & SCOPE_SAMPLE_CUT))
		return 1;
	s->at += n;
	return s->rec.from + 8 * s->at >= s->rec.hend;
}

static __always_inline void frames(struct scratch *s, u64 from)
{
	u32 n;

	s->rec.from = from;
	if (from < s->rec.heap || from >= s->rec.hend || (from & 7) ||
	    s->rec.hend >> SCOPE_FRAME_BITS) {
		s->rec.flags |= SCOPE_SAMPLE_NO_STACK;
		return;
	}
	s->at = 0;
	s->max = SCOPE_SAMPLE_FRAMES;
	bpf_loop(CHUNKS + 1, walk, &s, 0);
	if (s->rec.flags & SCOPE_SAMPLE_UNREAD)
		return;
	if (!(s->rec.flags & SCOPE_SAMPLE_CUT)) {
		if (from + 8 * s->at >= s->rec.hend)
			return;
		s->rec.flags |= SCOPE_SAMPLE_DEEP;
	}
	/* What it was spawned with is at the bottom. */
	n = s->rec.nframes;
	s->rec.flags &= ~SCOPE_SAMPLE_CUT;
	if ((s->rec.hend - from) >> 3 > s->at + TAIL_WORDS)
		s->at = ((s->rec.hend - from) >> 3) - TAIL_WORDS;
	s->max = n + SCOPE_SAMPLE_TAIL;
	(void)chunk(s, TAIL_WORDS);
	s->rec.ntail = s->rec.nframes - n;
	s->rec.flags |= SCOPE_SAMPLE_CUT;
}

/* -- where it begins ------------------------------------------------------------- */

static __always_inline int is_stack(const struct scratch *s, u64 w)
{
	return w >= s->rec.htop && w < s->rec.hend && !(w & 7);
}

static __always_inline u64 site_of(struct scope_sample_shared *sh, u64 addr)
{
	u32 at = SCOPE_SITE_HASH(addr);

	for (u32 i = 0; i < SCOPE_SITE_PROBES; i++) {
		u64 site = sh->site[(at + i) & (SCOPE_SITES - 1)];

		if (SCOPE_SITE_ADDR(site) == addr)
			return site;
	}
	return 0;
}

static __always_inline u64 in_c_code(struct scratch *s,
				     struct scope_sample_shared *sh)
{
	u64 site = site_of(sh, s->rec.saved[0]), from = s->rec.stop;

	if (site & SCOPE_SITE_STOP)
		return from;
	/* In the register, or the first of what was pushed that can be it. */
	if (site & SCOPE_SITE_BP) {
		if (is_stack(s, s->rec.reg[SCOPE_SREG_BP]))
			return s->rec.reg[SCOPE_SREG_BP];
		for (u32 i = 1; i < SCOPE_SAMPLE_SAVED; i++)
			if (is_stack(s, s->rec.saved[i]))
				return s->rec.saved[i];
		return from;
	}
	if (is_stack(s, s->rec.reg[SCOPE_SREG_BP]) &&
	    s->rec.reg[SCOPE_SREG_BP] < from)
		from = s->rec.reg[SCOPE_SREG_BP];
	for (u32 i = 1; i < SCOPE_SAMPLE_SAVED; i++)
		if (is_stack(s, s->rec.saved[i]) && s->rec.saved[i] < from)
			from = s->rec.saved[i];
	return from;
}

static __always_inline u64 stack_pointer(struct scratch *s,
					 struct scope_sample_shared *sh)
{
	u64 sp = s->rec.reg[SCOPE_SREG_SP], ip = s->rec.reg[SCOPE_SREG_IP];

	if (config.main_hi) {
		u64 e = s->rec.reg[config.reg_e & 15];

		if (s->rec.reg[config.reg_p & 15] != s->rec.process ||
		    !is_stack(s, e))
			return s->rec.stop;
		return e < s->rec.stop ||
				       (ip >= config.main_lo &&
					ip < config.main_hi) ?
			       e :
			       s->rec.stop;
	}
	if (sp >= s->rec.heap && sp < s->rec.hend)
		return sp;
	return in_c_code(s, sh);
}

/* -- the record ------------------------------------------------------------------ */

static __always_inline int read_process(struct scratch *s, u64 p)
{
	const volatile struct scope_layout *l = &config.layout;
	u32 size = config.layout.p_size;

	if (size > PROCESS_WORDS * 8)
		size = PROCESS_WORDS * 8;
	if (bpf_probe_read_user(s->process, size, (void *)p))
		return 0;
	s->rec.process = p;
	s->rec.pid = s->process[0];
	s->rec.heap = field(s, l->p_heap);
	s->rec.htop = field(s, l->p_htop);
	s->rec.stop = field(s, l->p_stop);
	s->rec.hend = field(s, l->p_hend);
	s->rec.i = field(s, l->p_i);
	s->rec.current = field(s, l->p_current);
	s->rec.state = half_field(s, l->p_state);
	s->rec.p_flags = half_field(s, l->p_flags);
	for (u32 i = 0; i < 3; i++)
		s->rec.initial[i] = field(s, l->p_initial + 8 * i);
	if (field(s, l->p_reg))
		s->rec.name = word(field(s, l->p_reg) + l->reg_name);
	return 1;
}

static __always_inline void blank(struct scratch *s)
{
	__builtin_memset(&s->rec, 0, sizeof(s->rec));
}

static __always_inline void put(struct scratch *s,
				struct scope_sample_shared *sh, u64 began)
{
	u32 n = s->rec.nframes + s->rec.nkernel + s->rec.nnative;
	u32 len;

	barrier_var(n);
	if (n > sizeof(s->data) / 8)
		n = sizeof(s->data) / 8;
	len = sizeof(s->rec) + 8 * n;
	s->rec.cpu = bpf_get_smp_processor_id();
	__sync_fetch_and_add(&sh->taken, 1);
	if (bpf_ringbuf_output(&samples, &s->rec, len, BPF_RB_NO_WAKEUP))
		__sync_fetch_and_add(&sh->lost, 1);
	__sync_fetch_and_add(&sh->runs, 1);
	__sync_fetch_and_add(&sh->run_ns, bpf_ktime_get_ns() - began);
}

static __always_inline void kernel_stack(struct scratch *s, void *ctx)
{
	u32 n = s->rec.nframes;
	long got;

	barrier_var(n);
	if (n > SCOPE_SAMPLE_FRAMES + SCOPE_SAMPLE_TAIL)
		return;
	got = bpf_get_stack(ctx, &s->data[n], SCOPE_SAMPLE_KERNEL * 8, 0);
	if (got > 0)
		s->rec.nkernel = (u32)got / 8;
}

static __always_inline void native_stack(struct scratch *s, u64 top)
{
	u64 sp = s->rec.reg[SCOPE_SREG_SP], left = (top - sp) >> 3;
	u32 n = s->rec.nframes + s->rec.nkernel;
	u32 words = SCOPE_SAMPLE_NATIVE;

	/* Threads of dirty schedulers have no such end. */
	if (sp < top && left < words)
		words = left;
	barrier_var(n);
	barrier_var(words);
	if (n > SCOPE_SAMPLE_FRAMES + SCOPE_SAMPLE_TAIL + SCOPE_SAMPLE_KERNEL ||
	    words > SCOPE_SAMPLE_NATIVE)
		return;
	if (bpf_probe_read_user(&s->data[n], words * 8, (void *)sp) == 0)
		s->rec.nnative = words;
}

SEC("perf_event")
int on_clock(struct scope_regs *ctx)
{
	const volatile struct scope_layout *l = &config.layout;
	u64 began = bpf_ktime_get_ns(), esdp, p, port, regs;
	struct scope_sample_shared *sh;
	struct scratch *s;
	u32 zero = 0;

	s = bpf_map_lookup_elem(&scratch, &zero);
	sh = bpf_map_lookup_elem(&shared, &zero);
	if (!s || !sh || (sh->until_ns && began > sh->until_ns))
		return 0;
	esdp = bpf_get_attach_cookie(ctx);
	blank(s);
	s->rec.ts_ns = began;
	s->rec.scheduler = esdp;
	registers(s, ctx);
	if (bpf_probe_read_user(&p, 8, (void *)(esdp + l->s_current_process)) ||
	    bpf_probe_read_user(&regs, 8, (void *)esdp)) {
		__sync_fetch_and_add(&sh->unread, 1);
		p = regs = 0;
	}
	/* saved[i] is the word i below the first. */
	if (regs && !config.main_hi) {
		u64 w[SCOPE_SAMPLE_SAVED];

		if (bpf_probe_read_user(w, sizeof(w),
					(void *)(regs - sizeof(w))) == 0)
			for (u32 i = 0; i < SCOPE_SAMPLE_SAVED; i++)
				s->rec.saved[i] = w[SCOPE_SAMPLE_SAVED - 1 - i];
	}
	if (p && read_process(s, p)) {
		frames(s, stack_pointer(s, sh));
	} else {
		port = word(esdp + l->s_current_port);
		if (port)
			s->rec.port = word(port);
	}
	if (config.wants_kernel && (s->rec.flags & SCOPE_SAMPLE_IN_KERNEL))
		kernel_stack(s, ctx);
	if (config.wants_native)
		native_stack(s, config.main_hi ? 0 : regs);
	put(s, sh, began);
	return 0;
}

/* -- waits ----------------------------------------------------------------------
 *
 * erts_schedule(esdp, p, reductions) is entered with the process that is left,
 * whose stack is saved by then, and returns the one that is taken up. A process
 * is let go only in there, so that its leaving is written before its return.
 */

/* Probes can be preempted by others on the same CPU. */
static __always_inline struct scratch *take(void)
{
	for (u32 i = 1; i < SLOTS; i++) {
		u32 key = i;
		struct scratch *s = bpf_map_lookup_elem(&scratch, &key);

		if (!s)
			return NULL;
		if (__sync_val_compare_and_swap(&s->busy, 0, 1) == 0)
			return s;
	}
	return NULL;
}

SEC("uprobe")
int on_left(struct scope_regs *ctx)
{
	u64 began = bpf_ktime_get_ns(), p = SCOPE_ARG2(ctx);
	struct scope_sample_shared *sh;
	struct scratch *s;
	u32 zero = 0;

	sh = bpf_map_lookup_elem(&shared, &zero);
	if (!p || !sh || (sh->until_ns && began > sh->until_ns))
		return 0;
	s = take();
	if (!s) {
		__sync_fetch_and_add(&sh->taken, 1);
		__sync_fetch_and_add(&sh->lost, 1);
		return 0;
	}
	blank(s);
	s->rec.ts_ns = began;
	s->rec.flags = SCOPE_SAMPLE_OUT;
	if (read_process(s, p)) {
		frames(s, s->rec.stop);
		put(s, sh, began);
	}
	barrier();
	*(volatile u32 *)&s->busy = 0;
	return 0;
}

SEC("uprobe")
int on_taken_up(struct scope_regs *ctx)
{
	struct scope_sample_in in = { .ts_ns = bpf_ktime_get_ns() };
	struct scope_sample_shared *sh;
	u64 p = SCOPE_RET(ctx);
	u32 zero = 0;

	sh = bpf_map_lookup_elem(&shared, &zero);
	if (!p || !sh)
		return 0;
	in.pid = word(p);
	__sync_fetch_and_add(&sh->taken, 1);
	if (bpf_ringbuf_output(&samples, &in, sizeof(in), BPF_RB_NO_WAKEUP))
		__sync_fetch_and_add(&sh->lost, 1);
	__sync_fetch_and_add(&sh->runs, 1);
	__sync_fetch_and_add(&sh->run_ns, bpf_ktime_get_ns() - in.ts_ns);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
