/* SPDX-License-Identifier: MIT */
#include "target/fragment.h"

#include <capstone/capstone.h>
#include <errno.h>
#include <string.h>

#include "target/code.h"

/* A range of a module is looked at up to here; the largest functions have some
 * 100 kB. */
#define RANGE_BYTES (1u << 20)

/* The arguments of a call are set up in fewer instructions than these. */
#define SETUP 8

/* Does the entry name a module "global"? There are two with the JIT's own
 * fragments. */
static bool is_global(const uint8_t *sym, size_t len)
{
	struct scope_code c;

	return scope_code_open(sym, len, &c) == 0 && c.module_len == 6 &&
	       memcmp(c.module, "global", 6) == 0;
}

int scope_fragment_read(scope_read_fn *read, void *arg, uint64_t descriptor,
			const char *name, uint8_t *code, uint32_t *ret_len,
			uint64_t *ret_addr)
{
	uint64_t at, addr;
	uint32_t len;
	int r = read(arg, descriptor + 16, &at, sizeof(at));

	for (unsigned i = 0; r == 0 && at && i < SCOPE_FRAGMENT_ENTRIES; i++) {
		scope_autofree uint8_t *sym = NULL;
		struct scope_code_entry e;
		char head[33];
		size_t n;

		r = scope_code_entry(read, arg, at, &e);
		if (r < 0)
			return r;
		if (e.is_module && e.len > sizeof(head)) {
			r = read(arg, e.sym, head, sizeof(head));
			if (r < 0)
				return r;
		}
		if (e.is_module && e.len > sizeof(head) &&
		    memcmp(head + 26, "global", 7) == 0 &&
		    scope_code_load(read, arg, at, &sym, &n) == 0 &&
		    is_global(sym, n) &&
		    scope_code_range(sym, n, name, &addr, &len) == 0) {
			if (len > SCOPE_FRAGMENT_BYTES)
				return -EFBIG;
			r = read(arg, addr, code, len);
			if (r < 0)
				return r;
			*ret_len = len;
			*ret_addr = addr;
			return 0;
		}
		at = e.next;
	}
	return r < 0 ? r : -ENOENT;
}

#if defined(__x86_64__)

struct walk {
	csh cs;
	cs_insn *insn;
	scope_read_fn *read;
	void *arg;
	uint64_t value[X86_REG_ENDING]; /* of registers set to a constant */
};

static int walk_open(struct walk *w, scope_read_fn *read, void *arg)
{
	memset(w, 0, sizeof(*w));
	w->read = read;
	w->arg = arg;
	if (cs_open(CS_ARCH_X86, CS_MODE_64, &w->cs) != CS_ERR_OK)
		return -ENOMEM;
	if (cs_option(w->cs, CS_OPT_DETAIL, CS_OPT_ON) == CS_ERR_OK)
		w->insn = cs_malloc(w->cs);
	if (w->insn)
		return 0;
	(void)cs_close(&w->cs);
	return -ENOMEM;
}

static void walk_close(struct walk *w)
{
	cs_free(w->insn, 1);
	(void)cs_close(&w->cs);
}

/* Where a call leads; 0: that is not known. */
static uint64_t callee(struct walk *w)
{
	const cs_x86_op *op = &w->insn->detail->x86.operands[0];
	uint64_t to = 0;

	if (w->insn->detail->x86.op_count != 1)
		return 0;
	switch (op->type) {
	case X86_OP_IMM:
		return (uint64_t)op->imm;
	case X86_OP_REG:
		return op->reg < X86_REG_ENDING ? w->value[op->reg] : 0;
	case X86_OP_MEM:
		if (op->mem.base != X86_REG_RIP ||
		    op->mem.index != X86_REG_INVALID ||
		    w->read(w->arg,
			    w->insn->address + w->insn->size +
				    (uint64_t)op->mem.disp,
			    &to, sizeof(to)) < 0)
			return 0;
		return to;
	default:
		return 0;
	}
}

/* Note what constant a register holds from here on, or that it is no more
 * known. */
static void follow(struct walk *w)
{
	const cs_x86 *d = &w->insn->detail->x86;
	cs_regs read, written;
	uint8_t nread, nwritten = 0;

	/* Whatever comes after a call or a jump may come from elsewhere. */
	if (cs_insn_group(w->cs, w->insn, CS_GRP_JUMP) ||
	    cs_insn_group(w->cs, w->insn, CS_GRP_CALL) ||
	    cs_regs_access(w->cs, w->insn, read, &nread, written, &nwritten) !=
		    CS_ERR_OK) {
		memset(w->value, 0, sizeof(w->value));
		return;
	}
	for (unsigned i = 0; i < nwritten; i++)
		if (written[i] < X86_REG_ENDING)
			w->value[written[i]] = 0;
	if ((w->insn->id == X86_INS_MOV || w->insn->id == X86_INS_MOVABS) &&
	    d->op_count == 2 && d->operands[0].type == X86_OP_REG &&
	    d->operands[0].size == 8 && d->operands[1].type == X86_OP_IMM &&
	    d->operands[0].reg < X86_REG_ENDING)
		w->value[d->operands[0].reg] = (uint64_t)d->operands[1].imm;
}

int scope_fragment_calls(scope_read_fn *read, void *arg, const uint8_t *code,
			 size_t len, uint64_t addr, uint64_t from, uint64_t to,
			 uint64_t ret_calls[SCOPE_FRAGMENT_CALLS])
{
	unsigned n = 0;
	struct walk w;
	int r = walk_open(&w, read, arg);

	if (r < 0)
		return r;
	while (n < SCOPE_FRAGMENT_CALLS &&
	       cs_disasm_iter(w.cs, &code, &len, &addr, w.insn)) {
		uint64_t fn = w.insn->id == X86_INS_CALL ? callee(&w) : 0;

		if (fn >= from && fn < to)
			ret_calls[n++] = fn;
		follow(&w);
	}
	walk_close(&w);
	return (int)n;
}

/* `mov r8d, r12d`, or all 64 bits: the fifth argument is the active code
 * index (beam_asm.hpp, active_code_ix). */
static bool passes_code_index(const cs_insn *i)
{
	const cs_x86 *d = &i->detail->x86;

	return i->id == X86_INS_MOV && d->op_count == 2 &&
	       d->operands[0].type == X86_OP_REG &&
	       d->operands[1].type == X86_OP_REG &&
	       ((d->operands[0].reg == X86_REG_R8D &&
		 d->operands[1].reg == X86_REG_R12D) ||
		(d->operands[0].reg == X86_REG_R8 &&
		 d->operands[1].reg == X86_REG_R12));
}

struct sites {
	uint64_t from, to; /* the emulator's text */
	uint64_t fn;	   /* what they all call */
	unsigned n;
};

static int sites_in(struct walk *w, const uint8_t *code, size_t len,
		    uint64_t addr, struct sites *s)
{
	unsigned since = SETUP;

	memset(w->value, 0, sizeof(w->value));
	while (cs_disasm_iter(w->cs, &code, &len, &addr, w->insn)) {
		uint64_t fn;

		since++;
		if (passes_code_index(w->insn))
			since = 0;
		if (w->insn->id == X86_INS_CALL && since < SETUP) {
			fn = callee(w);
			if (fn >= s->from && fn < s->to) {
				if (s->n && fn != s->fn)
					return -ENOTUNIQ;
				s->fn = fn;
				s->n++;
			}
			since = SETUP;
		}
		follow(w);
	}
	return 0;
}

static int sites_of_module(struct walk *w, uint64_t entry, struct sites *s)
{
	scope_autofree uint8_t *sym = NULL, *code = NULL;
	struct scope_code_range range;
	struct scope_code c;
	size_t n;
	int r = scope_code_load(w->read, w->arg, entry, &sym, &n);

	if (r == 0)
		r = scope_code_open(sym, n, &c);
	if (r < 0)
		return r;
	code = malloc(RANGE_BYTES);
	if (!code)
		return -ENOMEM;
	while ((r = scope_code_next(&c, &range)) > 0) {
		uint32_t len = range.end - range.start;

		if (len > RANGE_BYTES || s->n >= 4 * SCOPE_FRAGMENT_SITES)
			continue;
		r = w->read(w->arg, c.base + range.start, code, len);
		if (r == 0)
			r = sites_in(w, code, len, c.base + range.start, s);
		if (r < 0)
			return r;
	}
	return r;
}

/* See the header. */
static int find_remove_message(scope_read_fn *read, void *arg,
			       uint64_t descriptor, struct sites *s)
{
	struct walk w;
	uint64_t at;
	int r = read(arg, descriptor + 16, &at, sizeof(at));

	if (r == 0)
		r = walk_open(&w, read, arg);
	if (r < 0)
		return r;
	for (unsigned i = 0; r == 0 && at && i < SCOPE_FRAGMENT_ENTRIES &&
			     s->n < 4 * SCOPE_FRAGMENT_SITES;
	     i++) {
		struct scope_code_entry e;

		r = scope_code_entry(read, arg, at, &e);
		if (r == 0 && e.is_module)
			r = sites_of_module(&w, at, s);
		/* A module that is being unloaded is no reason to give up. */
		if (r == -EBADMSG || r == -EFAULT)
			r = 0;
		at = r == 0 ? e.next : 0;
	}
	walk_close(&w);
	if (r < 0)
		return r;
	return s->n >= SCOPE_FRAGMENT_SITES ? 0 : -ENOENT;
}

int scope_fragment_find(scope_read_fn *read, void *arg, uint64_t descriptor,
			uint64_t from, uint64_t to, const char *name,
			uint64_t *ret_addr)
{
	/* The same from OTP 26 on (25 calls one more in process_main). */
	static const struct {
		const char *fragment;
		unsigned nth;
		const char *name;
	} of[] = {
		{ "garbage_collect", 0, "erts_garbage_collect_nobump" },
		{ "call_light_bif_shared", 0, "erts_gc_after_bif_call_lhf" },
		{ "call_bif_shared", 0, "beam_jit_call_bif" },
		{ "call_nif_shared", 0, "beam_jit_call_nif" },
		{ "call_nif_early", 0, "erts_call_nif_early" },
		{ "i_loop_rec_shared", 0, "erts_proc_sig_receive_helper" },
		{ "i_loop_rec_shared", 1, "beam_jit_decode_dist" },
		{ "process_main", 0, "copy_out_registers" },
		{ "process_main", 1, "check_monitor_long_schedule" },
		{ "process_main", 2, "erts_schedule" },
		{ "process_main", 3, "erts_timestamp_millis" },
		{ "process_main", 4, "copy_in_registers" },
	};
	uint8_t code[SCOPE_FRAGMENT_BYTES];
	uint64_t calls[SCOPE_FRAGMENT_CALLS], addr;
	char fragment[64];
	uint32_t len;
	int r;

	if (*name == '~')
		name++;
	if (!strcmp(name, "beam_jit_remove_message")) {
		struct sites s = { .from = from, .to = to };

		r = find_remove_message(read, arg, descriptor, &s);
		if (r == 0)
			*ret_addr = s.fn;
		return r;
	}
	for (size_t i = 0; i < sizeof(of) / sizeof(*of); i++) {
		if (strcmp(of[i].name, name) != 0)
			continue;
		(void)snprintf(fragment, sizeof(fragment), "global::%s",
			       of[i].fragment);
		r = scope_fragment_read(read, arg, descriptor, fragment, code,
					&len, &addr);
		if (r == 0)
			r = scope_fragment_calls(read, arg, code, len, addr,
						 from, to, calls);
		if (r < 0)
			return r;
		if ((unsigned)r <= of[i].nth)
			return -ENOENT;
		*ret_addr = calls[of[i].nth];
		return 0;
	}
	return -ENOENT;
}

#else

int scope_fragment_calls(scope_read_fn *read, void *arg, const uint8_t *code,
			 size_t len, uint64_t addr, uint64_t from, uint64_t to,
			 uint64_t ret_calls[SCOPE_FRAGMENT_CALLS])
{
	(void)read;
	(void)arg;
	(void)code;
	(void)len;
	(void)addr;
	(void)from;
	(void)to;
	(void)ret_calls;
	return -ENOTSUP;
}

int scope_fragment_find(scope_read_fn *read, void *arg, uint64_t descriptor,
			uint64_t from, uint64_t to, const char *name,
			uint64_t *ret_addr)
{
	(void)read;
	(void)arg;
	(void)descriptor;
	(void)from;
	(void)to;
	(void)name;
	(void)ret_addr;
	return -ENOTSUP;
}

#endif
