/* SPDX-License-Identifier: MIT */
/*
 * A stack from a sample: where the Erlang stack begins, what its words are, and
 * what is on top of it.
 *
 * A thread is in one of these:
 *
 *   Erlang code of the JIT   its stack pointer is the process's; the function on
 *                            top is where it is
 *   C that such code called  the first word of the C stack is where it was called
 *                            from: a function's code, or one of the JIT's
 *                            fragments, which serve all (then the function on
 *                            top is the one that a return address on the Erlang
 *                            stack leads to, or the BIF or NIF that is called)
 *   an interpreter           by registers, as long as it is on top itself; else
 *                            by what it saved before it called C
 *   a dirty scheduler        C alone: what the process saved before
 *
 * A collection moves the stack: what can't be told then is left out.
 */
#include <string.h>

#include "base/map.h"
#include "pipeline/sampler_int.h"

#define NAME_MAX_BYTES 2100 /* two atoms of 255 characters, quoted by none */
#define NATIVES 128
#define PSFLG_GC (1u << 17) /* erl_process.h, the same in OTP 23 to 29 */

/* What an address is, as it is kept: kind in the lowest bits, frame above. */
#define PLACE(kind, frame) ((uint64_t)(frame) << 4 | (kind))
#define PLACE_KIND(v) ((unsigned)((v)&15))
#define PLACE_FRAME(v) ((uint32_t)((v) >> 4))
#define PLACE_UNKNOWN 0 /* other kinds: enum scope_named_kind */
#define PLACE_BOTTOM 14 /* where a process ends */

/* Frames are gathered from the top down, and turned round at the end. */
struct gathering {
	struct scope_sampler *s;
	const struct scope_sample *raw;
	const uint64_t *data;
	struct scope_sampled *to;
	struct {
		uint64_t pc[NATIVES]; /* innermost first */
		size_t n;
		struct scope_thread_regs regs; /* in what called them */
		bool is_whole; /* that is Erlang's code, or the interpreter */
	} c; /* the C functions on top */
	size_t n;
};

void scope_sampler_forget(struct scope_sampler *s)
{
	scope_map_clear(s->frames);
	scope_map_clear(s->sites);
	scope_map_clear(s->natives);
	memset(s->shared->site, 0, sizeof(s->shared->site));
}

static void push(struct gathering *g, uint32_t frame)
{
	if (frame != SCOPE_PROFILE_NONE && g->n < SCOPE_STACK_MAX)
		g->s->stack[g->n++] = frame;
}

static uint32_t frame_of(struct scope_sampler *s, enum scope_frame_kind kind,
			 const char *name)
{
	struct scope_frame f = { .kind = kind, .name = { name, strlen(name) } };

	return scope_profile_frame(s->profile, &f);
}

/* -- addresses ------------------------------------------------------------------- */

static bool is_bottom(const struct scope_named *f)
{
	static const char name[] = "normal_exit";

	return f->kind == SCOPE_NAMED_OWN &&
	       f->function_len == sizeof(name) - 1 &&
	       !memcmp(f->function, name, sizeof(name) - 1);
}

static uint64_t place_of_named(struct scope_sampler *s,
			       const struct scope_named *f)
{
	char text[NAME_MAX_BYTES];
	struct scope_buf b = scope_buf_of(text, sizeof(text));
	struct scope_frame frame = {
		.kind = f->kind == SCOPE_NAMED_FUNCTION ? SCOPE_FRAME_ERLANG :
							  SCOPE_FRAME_NATIVE,
		.file = { f->file, f->file_len },
		.line = f->line,
	};
	uint32_t at;

	if (is_bottom(f))
		return PLACE(PLACE_BOTTOM, 0);
	scope_named_put(s->naming, f, &b);
	frame.name = (struct scope_text){ text, b.len };
	at = scope_profile_frame(s->profile, &frame);
	return at == SCOPE_PROFILE_NONE ? PLACE(PLACE_UNKNOWN, 0) :
					  PLACE(f->kind, at);
}

static bool is_jit_code(unsigned kind)
{
	return kind == SCOPE_NAMED_FUNCTION || kind == SCOPE_NAMED_FRAGMENT ||
	       kind == SCOPE_NAMED_OWN || kind == PLACE_BOTTOM;
}

static uint64_t place(struct scope_sampler *s, uint64_t addr, bool is_return)
{
	uint64_t key = addr << 1 | is_return, v;
	struct scope_named f;
	int r;

	if (!addr)
		return PLACE(PLACE_UNKNOWN, 0);
	if (scope_map_get(s->frames, key, &v))
		return v;
	r = is_return ? scope_naming_return(s->naming, addr, &f) :
			scope_naming_find(s->naming, addr, &f);
	v = r < 0 ? PLACE(PLACE_UNKNOWN, 0) : place_of_named(s, &f);
	(void)scope_map_put(s->frames, key, v);
	return v;
}

/* "module:function/arity" of atoms. */
static uint32_t frame_of_mfa(struct scope_sampler *s,
			     const struct scope_mfa *mfa)
{
	struct scope_vm *vm = scope_target_vm(s->t);
	char text[NAME_MAX_BYTES];
	struct scope_buf b = scope_buf_of(text, sizeof(text));
	struct scope_frame f = { .kind = SCOPE_FRAME_ERLANG };
	const char *name;
	size_t len;

	if (mfa->arity > 255)
		return SCOPE_PROFILE_NONE;
	name = scope_vm_atom(vm, mfa->module, &len);
	if (!name)
		return SCOPE_PROFILE_NONE;
	scope_buf_put(&b, name, len);
	scope_buf_char(&b, ':');
	name = scope_vm_atom(vm, mfa->function, &len);
	if (!name)
		return SCOPE_PROFILE_NONE;
	scope_buf_put(&b, name, len);
	scope_buf_char(&b, '/');
	scope_buf_u64(&b, mfa->arity);
	f.name = (struct scope_text){ text, b.len };
	return scope_profile_frame(s->profile, &f);
}

/* The MFA that the process notes when it calls a BIF or NIF; it stays where it
 * is as long as its module. */
static uint32_t current(struct gathering *g)
{
	struct scope_mfa mfa;

	if (!g->raw->current ||
	    scope_target_read(g->s->t, g->raw->current, &mfa, sizeof(mfa)) < 0)
		return SCOPE_PROFILE_NONE;
	return frame_of_mfa(g->s, &mfa);
}

/* -- processes ------------------------------------------------------------------- */

static struct scope_text text_of_buf(const struct scope_buf *b)
{
	return (struct scope_text){ b->len ? b->p : NULL, b->len };
}

static void put_mfa(struct scope_vm *vm, const struct scope_mfa *mfa,
		    struct scope_buf *out)
{
	size_t mlen, flen;
	const char *m = scope_vm_atom(vm, mfa->module, &mlen);
	const char *f = m ? scope_vm_atom(vm, mfa->function, &flen) : NULL;

	if (!f || mfa->arity > 255)
		return;
	/* The first may have gone out of the cache for the second. */
	m = scope_vm_atom(vm, mfa->module, &mlen);
	scope_buf_put(out, m, m ? mlen : 0);
	scope_buf_char(out, ':');
	f = scope_vm_atom(vm, mfa->function, &flen);
	scope_buf_put(out, f, f ? flen : 0);
	scope_buf_char(out, '/');
	scope_buf_u64(out, mfa->arity);
}

static uint32_t meet(struct scope_sampler *s, const struct scope_sample *raw)
{
	struct scope_vm *vm = scope_target_vm(s->t);
	struct scope_mfa initial = { raw->initial[0], raw->initial[1],
				     raw->initial[2] };
	char pid[64], mfa[NAME_MAX_BYTES];
	struct scope_buf pid_buf = scope_buf_of(pid, sizeof(pid));
	struct scope_buf mfa_buf = scope_buf_of(mfa, sizeof(mfa));
	struct scope_profile_proc p;
	struct scope_proc now;

	/* What proc_lib keeps tells more, as long as the process is there. */
	if (scope_target_proc(s->t, raw->pid, &now) == 0)
		initial = now.initial;
	scope_vm_put_pid(vm, raw->pid, &pid_buf);
	put_mfa(vm, &initial, &mfa_buf);
	p = (struct scope_profile_proc){ .pid = text_of_buf(&pid_buf),
					 .initial = text_of_buf(&mfa_buf) };
	if (raw->name)
		p.name.p = scope_vm_atom(vm, raw->name, &p.name.len);
	return scope_profile_proc(s->profile, &p);
}

/* A process that gets a name is met anew. */
static uint32_t proc_of(struct scope_sampler *s, const struct scope_sample *raw)
{
	uint64_t key = raw->pid ^ raw->name << 40 ^ raw->name << 20, v;

	if (key && scope_map_get(s->procs, key, &v))
		return (uint32_t)v;
	v = meet(s, raw);
	if (key && v != SCOPE_PROFILE_NONE)
		(void)scope_map_put(s->procs, key, v);
	return (uint32_t)v;
}

static const struct sampled_thread *thread_of(const struct scope_sampler *s,
					      uint64_t addr)
{
	for (size_t i = 0; i < s->nthreads; i++)
		if (s->threads[i].addr == addr)
			return &s->threads[i];
	return NULL;
}

/* -- where the Erlang stack begins ------------------------------------------------ */

/* How the stack pointer comes back behind an address of the JIT's code. The BPF
 * program is told, too: it then begins at the right word. */
static unsigned callsite(struct scope_sampler *s, uint64_t addr, bool is_call)
{
	uint8_t code[SCOPE_WAYBACK_BYTES];
	size_t len = sizeof(code);
	uint64_t v = 0;
	int r;

	if (scope_map_get(s->sites, addr, &v))
		return (unsigned)v;
	while (len >= 16 && scope_target_read(s->t, addr, code, len) < 0)
		len /= 2; /* up to the end of what is mapped */
	r = len < 16 ? -ENOENT :
		       scope_wayback_of(code, len, addr,
					 scope_target_vm(s->t)->layout->p_stop);
	v = r > 0 ? (uint64_t)r : 0;
	(void)scope_map_put(s->sites, addr, v);
	if (is_call && v)
		for (uint32_t i = 0, at = SCOPE_SITE_HASH(addr);
		     i < SCOPE_SITE_PROBES; i++) {
			__u64 *to = &s->shared->site[(at + i) &
							(SCOPE_SITES - 1)];

			if (*to)
				continue;
			__atomic_store_n(to,
					 addr | (v == SCOPE_WAYBACK_BP ?
							 SCOPE_SITE_BP :
							 SCOPE_SITE_STOP),
					 __ATOMIC_RELAXED);
			break;
		}
	return (unsigned)v;
}

static bool is_stack(const struct scope_sample *raw, uint64_t w)
{
	return w >= raw->htop && w < raw->hend && !(w & 7);
}

/* What C code keeps is exact where it was followed back to the call. */
static uint64_t kept_in_bp(const struct gathering *g)
{
	const struct scope_sample *raw = g->raw;

	if (g->c.is_whole && g->c.n && is_stack(raw, g->c.regs.r[SCOPE_SREG_BP]))
		return g->c.regs.r[SCOPE_SREG_BP];
	if (is_stack(raw, raw->reg[SCOPE_SREG_BP]))
		return raw->reg[SCOPE_SREG_BP];
	for (unsigned i = 1; i < SCOPE_SAMPLE_SAVED; i++)
		if (is_stack(raw, raw->saved[i]))
			return raw->saved[i];
	return raw->stop;
}

static bool is_on_erlang_stack(const struct gathering *g)
{
	const uint64_t sp = g->raw->reg[SCOPE_SREG_SP];

	return g->s->info->jit && sp >= g->raw->heap && sp < g->raw->hend;
}

/* An interpreter is on top, or what it called leads back to it. */
static bool has_registers(const struct gathering *g)
{
	const struct scope_sampler *s = g->s;
	const uint64_t ip = g->c.regs.r[SCOPE_REG_PC];

	return ip >= s->main_lo && ip < s->main_hi &&
	       g->c.regs.r[s->regs.process] == g->raw->process &&
	       is_stack(g->raw, g->c.regs.r[s->regs.stack]);
}

static uint64_t stack_pointer(struct gathering *g, bool is_dirty)
{
	struct scope_sampler *s = g->s;
	const uint64_t ip = g->raw->reg[SCOPE_SREG_IP];
	unsigned how;

	if (!s->info->jit)
		return has_registers(g) ? g->c.regs.r[s->regs.stack] :
					  g->raw->stop;
	if (is_dirty)
		return g->raw->stop;
	if (is_on_erlang_stack(g))
		return g->raw->reg[SCOPE_SREG_SP];
	/* In between, on the way to C code or back. */
	if (is_jit_code(PLACE_KIND(place(s, ip, false))))
		how = callsite(s, ip, false);
	else
		how = callsite(s, g->raw->saved[0], true);
	return how == SCOPE_WAYBACK_BP ? kept_in_bp(g) : g->raw->stop;
}

/* -- what is on top ----------------------------------------------------------------- */

static bool push_place(struct gathering *g, uint64_t v)
{
	unsigned kind = PLACE_KIND(v);

	if (kind == SCOPE_NAMED_FUNCTION ||
	    (g->s->opts.wants_native && kind == SCOPE_NAMED_FRAGMENT))
		push(g, PLACE_FRAME(v));
	return kind == SCOPE_NAMED_FUNCTION;
}

/* A C function: of the emulator by its symbol, of other objects by where it
 * begins in them. */
static uint32_t native_frame(struct scope_sampler *s, uint64_t addr,
			     bool is_return)
{
	char text[NAME_MAX_BYTES];
	struct scope_buf b = scope_buf_of(text, sizeof(text));
	uint64_t v = place(s, addr, is_return);

	if (PLACE_KIND(v) == SCOPE_NAMED_NATIVE)
		return PLACE_FRAME(v);
	if (scope_map_get(s->natives, addr, &v))
		return (uint32_t)v;
	if (scope_unwind_name(s->unwind, addr - is_return, &b) < 0)
		scope_buf_lit(&b, "[unknown]");
	text[b.len < sizeof(text) ? b.len : sizeof(text) - 1] = 0;
	v = frame_of(s, SCOPE_FRAME_NATIVE, text);
	(void)scope_map_put(s->natives, addr, v);
	return (uint32_t)v;
}

static void push_kernel(struct gathering *g)
{
	const uint64_t *addr = g->data + g->raw->nframes;

	for (uint32_t i = 0; i < g->raw->nkernel; i++) {
		const char *name = g->s->kallsyms ?
					   scope_kallsyms_find(g->s->kallsyms,
							       addr[i]) :
					   NULL;

		push(g, frame_of(g->s, SCOPE_FRAME_KERNEL,
				 name ? name : "[kernel]"));
		if (!name)
			break;
	}
}

/* What is on top of all else, as far as it was asked for. */
static void push_native(struct gathering *g)
{
	if (g->s->opts.wants_kernel)
		push_kernel(g);
	for (size_t i = 0; g->s->opts.wants_native && i < g->c.n; i++)
		push(g, native_frame(g->s, g->c.pc[i], i > 0));
}

/* What a fragment of the JIT is for, by its name. */
static bool is_fragment(struct gathering *g, uint64_t v, const char *part)
{
	struct scope_text name;

	if (PLACE_KIND(v) != SCOPE_NAMED_FRAGMENT)
		return false;
	name = scope_profile_get_frame(g->s->profile, PLACE_FRAME(v)).name;
	return name.p && memmem(name.p, name.len, part, strlen(part));
}

/* The BIF that Erlang code called: the outermost of the C functions. */
static uint32_t called_bif(struct gathering *g)
{
	const char *module, *function;
	char text[NAME_MAX_BYTES];
	struct scope_named c;
	unsigned arity;
	int n;

	if (!g->c.is_whole || !g->c.n ||
	    scope_naming_return(g->s->naming, g->c.pc[g->c.n - 1] + (g->c.n == 1),
				&c) < 0 ||
	    c.kind != SCOPE_NAMED_NATIVE ||
	    scope_target_bif_at(g->s->t, c.start, &module, &function,
				&arity) < 0)
		return SCOPE_PROFILE_NONE;
	n = snprintf(text, sizeof(text), "%s:%s/%u", module, function, arity);
	if (n < 0 || (size_t)n >= sizeof(text))
		return SCOPE_PROFILE_NONE;
	return frame_of(g->s, SCOPE_FRAME_ERLANG, text);
}

/* Of the stack there is the copy; what else a table may want is in memory. */
static int read_copy(void *arg, uint64_t addr, void *buf, size_t len)
{
	const struct gathering *g = arg;
	const uint64_t from = g->raw->reg[SCOPE_SREG_SP];
	const uint64_t size = 8ull * g->raw->nnative;

	if (addr < from || addr - from > size || len > size - (addr - from))
		return scope_target_read(g->s->t, addr, buf, len);
	memcpy(buf,
	       (const char *)(g->data + g->raw->nframes + g->raw->nkernel) +
		       (addr - from),
	       len);
	return 0;
}

static bool is_loop(const struct scope_sampler *s, uint64_t addr)
{
	return addr >= s->main_lo && addr < s->main_hi;
}

/* Follow C code back to Erlang's, or to the interpreter. */
static void unwind(struct gathering *g)
{
	struct scope_sampler *s = g->s;

	g->c.regs.known = 0;
	for (unsigned i = 0; i < SCOPE_SAMPLE_REGS && i < SCOPE_REGS; i++)
		scope_reg_set(&g->c.regs, i, g->raw->reg[i]);
	while (g->c.n < NATIVES) {
		uint64_t pc = g->c.regs.r[SCOPE_REG_PC];
		bool is_call = g->c.n > 0;

		if (is_loop(s, pc - is_call) ||
		    is_jit_code(PLACE_KIND(place(s, pc, is_call)))) {
			g->c.is_whole = true;
			return;
		}
		g->c.pc[g->c.n++] = pc;
		if (scope_unwind_step(s->unwind, &g->c.regs, is_call, read_copy,
				      g) < 0)
			return;
	}
}

/* The function on top, where the stack does not have it. */
static void push_leaf_jit(struct gathering *g, bool is_dirty)
{
	struct scope_sampler *s = g->s;
	uint64_t v = place(s, g->raw->reg[SCOPE_SREG_IP], false), from;
	uint32_t mfa;

	if (is_jit_code(PLACE_KIND(v))) {
		(void)push_place(g, v);
		return;
	}
	if (is_dirty) {
		push(g, current(g));
		return;
	}
	from = place(s, g->raw->saved[0], true);
	if (is_fragment(g, from, "::call_bif") ||
	    is_fragment(g, from, "::call_nif")) {
		mfa = current(g);
		push(g, mfa);
	} else if (is_fragment(g, from, "::call_light_bif")) {
		push(g, called_bif(g));
	} else if (is_fragment(g, from, "::process_main")) {
		/* It comes, or goes. */
		from = place(s, g->raw->i, false);
	}
	(void)push_place(g, from);
}

static void push_leaf_interpreter(struct gathering *g)
{
	struct scope_sampler *s = g->s;
	uint32_t bif = called_bif(g);
	uint64_t v;

	/* NIFs are of other objects, and noted by the process. */
	if (bif == SCOPE_PROFILE_NONE && g->c.n && g->c.is_whole &&
	    PLACE_KIND(place(s, g->c.pc[g->c.n - 1], true)) == PLACE_UNKNOWN)
		bif = current(g);
	push(g, bif);
	if (has_registers(g)) {
		v = place(s, g->c.regs.r[s->regs.instruction], false);
		if (push_place(g, v))
			return;
	} else if (bif == SCOPE_PROFILE_NONE) {
		push(g, current(g));
	}
	(void)push_place(g, place(s, g->raw->i, false));
}

/* -- the stack ----------------------------------------------------------------------- */

/* The frames of the Erlang stack; whether its bottom is among them. */
static bool push_frames(struct gathering *g, uint64_t e)
{
	const struct scope_sample *raw = g->raw;
	const uint64_t skip = e > raw->from ? (e - raw->from) / 8 : 0;
	const uint32_t tail = raw->flags & SCOPE_SAMPLE_CUT ?
				      raw->nframes - raw->ntail :
				      raw->nframes;
	bool is_at_bottom = false;

	for (uint32_t i = 0; i < raw->nframes; i++) {
		uint64_t f = g->data[i], v;

		if (i == tail && (!i || SCOPE_FRAME_AT(g->data[i - 1]) >= skip)) {
			g->to->is_deep = true;
			push(g, frame_of(g->s, SCOPE_FRAME_NOTE,
					 "[deeper than 512 frames]"));
		}
		if (SCOPE_FRAME_AT(f) < skip)
			continue;
		v = place(g->s, SCOPE_FRAME_ADDR(f), true);
		(void)push_place(g, v);
		is_at_bottom = PLACE_KIND(v) == PLACE_BOTTOM;
	}
	return is_at_bottom;
}

static enum scope_incomplete why_incomplete(const struct gathering *g,
					    uint64_t e, bool is_at_bottom)
{
	const struct scope_sample *raw = g->raw;

	if (raw->flags & SCOPE_SAMPLE_NO_STACK)
		return SCOPE_STACK_MOVED;
	if (raw->flags & SCOPE_SAMPLE_UNREAD)
		return SCOPE_STACK_UNREAD;
	/* What lies between the frames below the right one and the bottom's
	 * was left out. */
	if (raw->from > e ||
	    ((raw->flags & SCOPE_SAMPLE_CUT) && !g->to->is_deep &&
	     e < raw->hend - 8 * SCOPE_SAMPLE_TAIL))
		return SCOPE_STACK_TOP;
	return is_at_bottom ? SCOPE_STACK_COMPLETE : SCOPE_STACK_BOTTOM;
}

static void push_incomplete(struct gathering *g)
{
	char note[80];

	if (g->to->incomplete == SCOPE_STACK_COMPLETE)
		return;
	(void)snprintf(note, sizeof(note), "[incomplete: %s]",
		       scope_incomplete_name(g->to->incomplete));
	push(g, frame_of(g->s, SCOPE_FRAME_NOTE, note));
}

static void push_process(struct gathering *g, bool is_dirty)
{
	const struct scope_sample *raw = g->raw;
	struct scope_sampled *to = g->to;
	uint64_t e = stack_pointer(g, is_dirty);
	size_t top;
	bool is_at_bottom;

	push_native(g);
	to->is_gc = raw->state & PSFLG_GC;
	top = g->n;
	if (to->is_gc)
		push(g, frame_of(g->s, SCOPE_FRAME_SYSTEM, "gc"));
	if (g->s->info->jit)
		push_leaf_jit(g, is_dirty);
	else
		push_leaf_interpreter(g);
	is_at_bottom = push_frames(g, e);
	to->incomplete = why_incomplete(g, e, is_at_bottom);
	to->has_leaf = g->n > top;
	if (to->incomplete != SCOPE_STACK_COMPLETE && to->is_gc)
		to->incomplete = SCOPE_STACK_GC;
	else if (to->incomplete != SCOPE_STACK_COMPLETE &&
		 (raw->state & SCOPE_PSFLG_EXITING))
		to->incomplete = SCOPE_STACK_EXITING;
	push_incomplete(g);
}

/* -- waits ------------------------------------------------------------------------- */

static bool is_port_call(struct gathering *g, uint32_t frame)
{
	static const char *const parts[] = { ":port_", "erlang:send", "erlang:!",
					     "prim_inet:send" };
	struct scope_text name;

	if (frame == SCOPE_PROFILE_NONE)
		return false;
	name = scope_profile_get_frame(g->s->profile, frame).name;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (name.p &&
		    memmem(name.p, name.len, parts[i], strlen(parts[i])))
			return true;
	return false;
}

static bool is_hibernation(struct gathering *g, uint32_t frame)
{
	static const char name[] = "erlang:hibernate/3";
	struct scope_text t;

	if (frame == SCOPE_PROFILE_NONE)
		return false;
	t = scope_profile_get_frame(g->s->profile, frame).name;
	return t.len == sizeof(name) - 1 && !memcmp(t.p, name, t.len);
}

/* What a process waits for that is left in a state (erl_process.c,
 * schedule_out_process, the same in OTP 23 to 29). */
static const char *waits_for(struct gathering *g, uint32_t leaf)
{
	const uint32_t state = g->raw->state;

	if (state & SCOPE_PSFLG_EXITING)
		return "[exit]";
	if (state & PSFLG_GC)
		return "[gc]";
	if (state & (SCOPE_PSFLG_DIRTY_CPU_PROC | SCOPE_PSFLG_DIRTY_IO_PROC |
		     SCOPE_PSFLG_DIRTY_ACTIVE_SYS))
		return "[dirty scheduler]";
	if (state & SCOPE_PSFLG_SUSPENDED)
		return is_port_call(g, leaf) ? "[port busy]" : "[suspended]";
	if (state & (SCOPE_PSFLG_ACTIVE | SCOPE_PSFLG_ACTIVE_SYS))
		return "[run queue]";
	return is_hibernation(g, leaf) ? "[hibernation]" : "[receive]";
}

static void push_left(struct gathering *g)
{
	const struct scope_sample *raw = g->raw;
	struct scope_sampled *to = g->to;
	uint32_t leaf = current(g);
	uint64_t v = place(g->s, raw->i, false);
	bool is_at_bottom;

	if (leaf == SCOPE_PROFILE_NONE && PLACE_KIND(v) == SCOPE_NAMED_FUNCTION)
		leaf = PLACE_FRAME(v);
	push(g, frame_of(g->s, SCOPE_FRAME_SYSTEM, waits_for(g, leaf)));
	push(g, leaf);
	to->is_out = true;
	to->has_leaf = leaf != SCOPE_PROFILE_NONE;
	is_at_bottom = push_frames(g, raw->stop);
	to->incomplete = why_incomplete(g, raw->stop, is_at_bottom);
	if (to->incomplete != SCOPE_STACK_COMPLETE &&
	    (raw->state & SCOPE_PSFLG_EXITING))
		to->incomplete = SCOPE_STACK_EXITING;
	push_incomplete(g);
}

static void push_scheduler(struct gathering *g)
{
	push_native(g);
	/* What it does is said even where no C functions are wanted: it is all
	 * that there is. */
	if (!g->s->opts.wants_native)
		push(g, native_frame(g->s, g->raw->reg[SCOPE_SREG_IP], false));
	push(g, frame_of(g->s, SCOPE_FRAME_SYSTEM,
			 g->raw->port ? "[port]" : "[scheduler]"));
}

void scope_sampler_resolve(struct scope_sampler *s,
			   const struct scope_sample *raw, const uint64_t *data,
			   struct scope_sampled *ret_stack)
{
	const struct sampled_thread *t = thread_of(s, raw->scheduler);
	struct gathering g = { .s = s, .raw = raw, .data = data,
			       .to = ret_stack };

	*ret_stack = (struct scope_sampled){
		.ts_ns = raw->ts_ns,
		.pid = raw->pid,
		.scheduler = t ? t->no : 0,
		.proc = SCOPE_PROFILE_NONE,
		.frames = s->stack,
	};
	if (raw->pid && (raw->flags & SCOPE_SAMPLE_OUT)) {
		ret_stack->proc = proc_of(s, raw);
		push_left(&g);
	} else if (raw->pid) {
		unwind(&g);
		ret_stack->proc = proc_of(s, raw);
		push_process(&g, t && t->is_dirty);
	} else {
		unwind(&g);
		push_scheduler(&g);
	}
	for (size_t i = 0; i < g.n / 2; i++) {
		uint32_t x = s->stack[i];

		s->stack[i] = s->stack[g.n - 1 - i];
		s->stack[g.n - 1 - i] = x;
	}
	ret_stack->n = g.n;
}
