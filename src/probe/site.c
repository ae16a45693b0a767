/* SPDX-License-Identifier: MIT */
/*
 * What the kernel emulates, as far as it was not measured (calibrate.h; x86: arch/x86/kernel/uprobes.c, push_setup_xol_ops
 * and branch_setup_xol_ops):
 *
 *   50+r, 41 50+r            push of a register
 *   90, 66 90, 0f 1f /0      nop (the long forms: newer kernels; measured as
 *                            fast as the short ones on 6.18)
 *   e8, e9, eb               call and jmp, relative
 *   70+cc, 0f 80+cc          jcc
 *
 * not endbr64 (f3 0f 1e fa), nor a relative branch with a 66 prefix.
 *
 * aarch64 (arch/arm64/kernel/probes/decode-insn.c): b, bl, b.cond, cbz, cbnz,
 * tbz, tbnz, adr, adrp, br, blr, ret are simulated, nop since 6.13. A function
 * rarely starts with one, so there the answer is mostly the entry.
 */
#include "probe/site.h"

#include <capstone/capstone.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* As far as the way to an instruction that is emulated is looked for. Newer
 * compilers save registers by mov all over the start of a function: in OTP 29's
 * erts_proc_sig_send_altact_msg the first such stands at 109. */
#define PROLOGUE 192

/* A larger function is not looked through: the largest in an emulator,
 * process_main of an interpreter, has some 100 kB. */
#define FUNCTION_MAX (4u << 20)

#if defined(__aarch64__)

#define ARCH CS_ARCH_ARM64
#define MODE CS_MODE_LITTLE_ENDIAN
#define ARGS_MAX 8

/* Which argument (0..) a register is, or part of; -1: none. */
static int argument(unsigned reg)
{
	if (reg >= ARM64_REG_X0 && reg <= ARM64_REG_X0 + 7)
		return (int)(reg - ARM64_REG_X0);
	if (reg >= ARM64_REG_W0 && reg <= ARM64_REG_W0 + 7)
		return (int)(reg - ARM64_REG_W0);
	return -1;
}

#define EMULATED                                                               \
	(SCOPE_INSN_BIT(SCOPE_INSN_NOP) | SCOPE_INSN_BIT(SCOPE_INSN_JMP) |     \
	 SCOPE_INSN_BIT(SCOPE_INSN_JCC) | SCOPE_INSN_BIT(SCOPE_INSN_CALL) |    \
	 SCOPE_INSN_BIT(SCOPE_INSN_ADR) | SCOPE_INSN_BIT(SCOPE_INSN_RET))

static enum scope_insn class_of(const cs_insn *i)
{
	/* Not every capstone has a name for it. */
	static const uint8_t paciasp[] = { 0x3f, 0x23, 0x03, 0xd5 };

	if (!memcmp(i->bytes, paciasp, sizeof(paciasp)))
		return SCOPE_INSN_PAC;
	switch (i->id) {
	case ARM64_INS_B:
	case ARM64_INS_BR:
		return SCOPE_INSN_JMP;
	case ARM64_INS_BL:
	case ARM64_INS_BLR:
		return SCOPE_INSN_CALL;
	case ARM64_INS_RET:
		return SCOPE_INSN_RET;
	case ARM64_INS_CBZ:
	case ARM64_INS_CBNZ:
	case ARM64_INS_TBZ:
	case ARM64_INS_TBNZ:
		return SCOPE_INSN_JCC;
	case ARM64_INS_ADR:
	case ARM64_INS_ADRP:
		return SCOPE_INSN_ADR;
	case ARM64_INS_NOP:
		return SCOPE_INSN_NOP;
	case ARM64_INS_STP:
		return SCOPE_INSN_PUSH;
	case ARM64_INS_MOV:
		return SCOPE_INSN_MOV;
	case ARM64_INS_SUB:
		return SCOPE_INSN_SUB;
	default:
		return SCOPE_INSN_OTHER;
	}
}

static bool is_call(const cs_insn *i)
{
	return i->id == ARM64_INS_BL || i->id == ARM64_INS_BLR;
}

/* No instruction calls what is in memory. */
static bool is_call_through(const cs_insn *i, int64_t offset)
{
	(void)i;
	(void)offset;
	return false;
}

/* Does it stop the program? Capstone has no group for that. */
static bool is_trap(const cs_insn *i)
{
	return i->id == ARM64_INS_BRK || i->id == ARM64_INS_HLT;
}

/* The address that a branch or call names; false: it is in a register. */
static bool has_target(const cs_insn *i, uint64_t *ret_target)
{
	const cs_arm64 *d = &i->detail->arm64;

	/* The last operand: cbz and tbz name a register (and a bit) first. */
	if (d->op_count == 0 ||
	    d->operands[d->op_count - 1].type != ARM64_OP_IMM)
		return false;
	*ret_target = (uint64_t)d->operands[d->op_count - 1].imm;
	return true;
}

static bool has_unknown_write(const cs_insn *i, unsigned nargs)
{
	const cs_arm64 *d = &i->detail->arm64;

	for (unsigned k = 0; k < d->op_count; k++) {
		int a = d->operands[k].type == ARM64_OP_REG ?
				argument(d->operands[k].reg) :
				-1;

		if (a >= 0 && (unsigned)a < nargs && !d->operands[k].access)
			return true;
	}
	return false;
}

#else

#define ARCH CS_ARCH_X86
#define MODE CS_MODE_64
#define ARGS_MAX 6

/* Which argument (0..) a register is, or part of; -1: none. */
static int argument(unsigned reg)
{
	static const uint16_t of[ARGS_MAX][5] = {
		{ X86_REG_RDI, X86_REG_EDI, X86_REG_DI, X86_REG_DIL },
		{ X86_REG_RSI, X86_REG_ESI, X86_REG_SI, X86_REG_SIL },
		{ X86_REG_RDX, X86_REG_EDX, X86_REG_DX, X86_REG_DL,
		  X86_REG_DH },
		{ X86_REG_RCX, X86_REG_ECX, X86_REG_CX, X86_REG_CL,
		  X86_REG_CH },
		{ X86_REG_R8, X86_REG_R8D, X86_REG_R8W, X86_REG_R8B },
		{ X86_REG_R9, X86_REG_R9D, X86_REG_R9W, X86_REG_R9B },
	};

	for (int a = 0; a < ARGS_MAX; a++)
		for (int k = 0; k < 5; k++)
			if (of[a][k] == reg && reg != X86_REG_INVALID)
				return a;
	return -1;
}

#define EMULATED                                                               \
	(SCOPE_INSN_BIT(SCOPE_INSN_NOP) | SCOPE_INSN_BIT(SCOPE_INSN_NOP5) |    \
	 SCOPE_INSN_BIT(SCOPE_INSN_NOPL) | SCOPE_INSN_BIT(SCOPE_INSN_PUSH) |   \
	 SCOPE_INSN_BIT(SCOPE_INSN_JMP) | SCOPE_INSN_BIT(SCOPE_INSN_JCC) |     \
	 SCOPE_INSN_BIT(SCOPE_INSN_CALL))

/* Narrow: what a kernel that emulates one instruction of a class would do for
 * all of them. */
static enum scope_insn class_of(const cs_insn *i)
{
	static const uint8_t nop5[] = { 0x0f, 0x1f, 0x44, 0x00, 0x00 };
	static const uint8_t endbr[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	const uint8_t *b = i->bytes;

	if (i->size == 1)
		return b[0] >= 0x50 && b[0] <= 0x57 ? SCOPE_INSN_PUSH :
		       b[0] == 0x90		    ? SCOPE_INSN_NOP :
		       b[0] == 0xc3		    ? SCOPE_INSN_RET :
						      SCOPE_INSN_OTHER;
	if (i->size == sizeof(nop5) && !memcmp(b, nop5, sizeof(nop5)))
		return SCOPE_INSN_NOP5;
	if (i->size == sizeof(endbr) && !memcmp(b, endbr, sizeof(endbr)))
		return SCOPE_INSN_ENDBR;
	switch (b[0]) {
	case 0x41:
		return i->size == 2 && b[1] >= 0x50 && b[1] <= 0x57 ?
			       SCOPE_INSN_PUSH :
			       SCOPE_INSN_OTHER;
	case 0x66: /* a nop of two bytes or more; not a 16-bit branch */
		return i->id == X86_INS_NOP ? SCOPE_INSN_NOPL :
					      SCOPE_INSN_OTHER;
	case 0xe8:
		return SCOPE_INSN_CALL;
	case 0xe9:
	case 0xeb:
		return SCOPE_INSN_JMP;
	case 0x0f:
		return b[1] == 0x1f		      ? SCOPE_INSN_NOPL :
		       b[1] >= 0x80 && b[1] <= 0x8f ? SCOPE_INSN_JCC :
						      SCOPE_INSN_OTHER;
	case 0x48: /* of 64 bits, without the upper registers */
		if (b[1] == 0x8d)
			return SCOPE_INSN_LEA;
		if ((b[1] == 0x89 || b[1] == 0x8b) && b[2] >= 0xc0)
			return SCOPE_INSN_MOV;
		if (b[1] == 0x85 && b[2] >= 0xc0)
			return SCOPE_INSN_TEST;
		if ((b[1] == 0x83 || b[1] == 0x81) && b[2] == 0xec)
			return SCOPE_INSN_SUB;
		return SCOPE_INSN_OTHER;
	default:
		return b[0] >= 0x70 && b[0] <= 0x7f ? SCOPE_INSN_JCC :
						      SCOPE_INSN_OTHER;
	}
}

static bool is_call(const cs_insn *i)
{
	return i->id == X86_INS_CALL;
}

/* A call of what a register points to, so many bytes behind. */
static bool is_call_through(const cs_insn *i, int64_t offset)
{
	const cs_x86_op *o = &i->detail->x86.operands[0];

	return is_call(i) && o->type == X86_OP_MEM &&
	       o->mem.base != X86_REG_INVALID && o->mem.base != X86_REG_RIP &&
	       o->mem.index == X86_REG_INVALID && o->mem.disp == offset;
}

/* Does it stop the program? Capstone has no group for that. */
static bool is_trap(const cs_insn *i)
{
	return i->id == X86_INS_UD2 || i->id == X86_INS_HLT ||
	       i->id == X86_INS_INT3;
}

/* The address that a branch or call names; false: it is in a register or in
 * memory. */
static bool has_target(const cs_insn *i, uint64_t *ret_target)
{
	const cs_x86 *d = &i->detail->x86;

	if (d->op_count != 1 || d->operands[0].type != X86_OP_IMM)
		return false;
	*ret_target = (uint64_t)d->operands[0].imm;
	return true;
}

/* An argument register in an operand of which capstone does not know whether
 * it is read or written. */
static bool has_unknown_write(const cs_insn *i, unsigned nargs)
{
	const cs_x86 *d = &i->detail->x86;

	for (unsigned k = 0; k < d->op_count; k++) {
		int a = d->operands[k].type == X86_OP_REG ?
				argument(d->operands[k].reg) :
				-1;

		if (a >= 0 && (unsigned)a < nargs && !d->operands[k].access)
			return true;
	}
	return false;
}

#endif

static uint32_t emulated = EMULATED; /* see scope_site_learn_emulated */

const char *scope_insn_name(enum scope_insn insn)
{
	static const char *const names[] = {
#define X(sym, name) [SCOPE_INSN_##sym] = name,
		SCOPE_INSNS(X)
#undef X
	};

	return names[insn];
}

uint32_t scope_site_emulated_default(void)
{
	return EMULATED;
}

void scope_site_learn_emulated(uint32_t insns)
{
	insns &= ~SCOPE_INSN_BIT(SCOPE_INSN_OTHER);
	__atomic_store_n(&emulated, insns, __ATOMIC_RELAXED);
}

/* A walk over the instructions of a function. */
struct code {
	csh cs;
	cs_insn *insn;
	const uint8_t *p;
	size_t left;
	uint64_t at;
};

static int code_open(struct code *c, const uint8_t *code, size_t len,
		     uint64_t vaddr)
{
	*c = (struct code){ .p = code, .left = len, .at = vaddr };
	if (cs_open(ARCH, MODE, &c->cs) != CS_ERR_OK)
		return -ENOMEM;
	if (cs_option(c->cs, CS_OPT_DETAIL, CS_OPT_ON) == CS_ERR_OK)
		c->insn = cs_malloc(c->cs);
	if (c->insn)
		return 0;
	(void)cs_close(&c->cs);
	return -ENOMEM;
}

static void code_close(struct code *c)
{
	cs_free(c->insn, 1);
	(void)cs_close(&c->cs);
}

static bool code_next(struct code *c)
{
	return cs_disasm_iter(c->cs, &c->p, &c->left, &c->at, c->insn);
}

static bool in_group(const struct code *c, unsigned group)
{
	return cs_insn_group(c->cs, c->insn, group);
}

static bool leaves(const struct code *c)
{
	return in_group(c, CS_GRP_JUMP) || in_group(c, CS_GRP_CALL) ||
	       in_group(c, CS_GRP_RET) || in_group(c, CS_GRP_INT) ||
	       in_group(c, CS_GRP_IRET) || is_trap(c->insn);
}

static bool writes_argument(const struct code *c, unsigned nargs)
{
	cs_regs read, written;
	uint8_t nread = 0, nwritten = 0;

	if (has_unknown_write(c->insn, nargs) ||
	    cs_regs_access(c->cs, c->insn, read, &nread, written, &nwritten) !=
		    CS_ERR_OK)
		return true;
	for (unsigned k = 0; k < nwritten; k++) {
		int a = argument(written[k]);

		if (a >= 0 && (unsigned)a < nargs)
			return true;
	}
	return false;
}

/* Does the function jump back into (vaddr, vaddr + offset]? A probe there
 * would be hit once for each round of that loop. */
static bool is_jumped_to(const uint8_t *code, size_t len, uint64_t vaddr,
			 uint32_t offset)
{
	struct code c;
	bool found = false;

	if (code_open(&c, code, len, vaddr) < 0)
		return true;
	while (!found && code_next(&c)) {
		uint64_t to;

		found = in_group(&c, CS_GRP_JUMP) && has_target(c.insn, &to) &&
			to > vaddr && to <= vaddr + offset;
	}
	code_close(&c);
	return found;
}

static void note(struct scope_site_pick *pick, const cs_insn *i,
		 uint32_t offset)
{
	pick->offset = offset;
	pick->what = class_of(i);
	pick->emulated = __atomic_load_n(&emulated, __ATOMIC_RELAXED) &
			 SCOPE_INSN_BIT(pick->what);
	(void)snprintf(pick->insn, sizeof(pick->insn), "%.15s%s%.30s",
		       i->mnemonic, *i->op_str ? " " : "", i->op_str);
}

int scope_site_pick(const uint8_t *code, size_t len, uint64_t vaddr,
		    unsigned nargs, struct scope_site_pick *ret_pick)
{
	struct scope_site_pick entry, pick;
	struct code c;
	bool is_first = true;
	int r;

	if (nargs > ARGS_MAX)
		nargs = ARGS_MAX;
	if (len > FUNCTION_MAX)
		len = FUNCTION_MAX;
	r = code_open(&c, code, len < PROLOGUE ? len : PROLOGUE, vaddr);
	if (r < 0)
		return r;
	while (code_next(&c)) {
		note(&pick, c.insn, (uint32_t)(c.insn->address - vaddr));
		if (is_first)
			entry = pick;
		is_first = false;
		if (pick.emulated || leaves(&c) || writes_argument(&c, nargs))
			break;
	}
	code_close(&c);
	if (is_first)
		return -EINVAL;
	if (!pick.emulated ||
	    (pick.offset && is_jumped_to(code, len, vaddr, pick.offset)))
		pick = entry;
	*ret_pick = pick;
	return 0;
}

#if defined(__aarch64__)

/* The return address is in a register: any landing pad is left alone. */
static bool is_landing_pad(const cs_insn *i)
{
	(void)i;
	return false;
}

#else

static bool is_landing_pad(const cs_insn *i)
{
	static const uint8_t endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };

	return i->size == 4 && memcmp(i->bytes, endbr64, 4) == 0;
}

#endif

int scope_site_pick_return(const uint8_t *code, size_t len, uint64_t vaddr,
			   struct scope_site_pick *ret_pick)
{
	struct scope_site_pick pick, next;
	struct code c;
	int r = code_open(&c, code, len < PROLOGUE ? len : PROLOGUE, vaddr);

	if (r < 0)
		return r;
	r = code_next(&c) ? 0 : -EINVAL;
	if (r == 0)
		note(&pick, c.insn, 0);
	if (r == 0 && is_landing_pad(c.insn) && code_next(&c)) {
		note(&next, c.insn, (uint32_t)(c.insn->address - vaddr));
		/* What jumps back there makes no call. */
		if (!is_jumped_to(code, len < FUNCTION_MAX ? len : FUNCTION_MAX,
				  vaddr, next.offset))
			pick = next;
	}
	code_close(&c);
	if (r == 0)
		*ret_pick = pick;
	return r;
}

/* The only function that the code leads to: by jumps out of it, with no other
 * way out, or by calls as well, and it may return. */
static uint64_t sole_target(const uint8_t *code, size_t len, uint64_t vaddr,
			    bool by_calls)
{
	uint64_t sole = 0, to;
	bool is_sole = true;
	struct code c;

	if (len == 0 || len > FUNCTION_MAX ||
	    code_open(&c, code, len, vaddr) < 0)
		return 0;
	while (is_sole && code_next(&c)) {
		if (!by_calls && (in_group(&c, CS_GRP_RET) ||
				  in_group(&c, CS_GRP_IRET)))
			is_sole = false;
		if (!in_group(&c, CS_GRP_JUMP) && !(by_calls && is_call(c.insn)))
			continue;
		/* An indirect jump may be a tail, or a switch. */
		if (!has_target(c.insn, &to)) {
			is_sole = false;
		} else if (to < vaddr || to >= vaddr + len) {
			is_sole = sole == 0 || sole == to;
			sole = to;
		}
	}
	/* What was not decoded may be another way out. */
	if (c.left)
		is_sole = false;
	code_close(&c);
	return is_sole ? sole : 0;
}

uint64_t scope_site_tail(const uint8_t *code, size_t len, uint64_t vaddr)
{
	return sole_target(code, len, vaddr, false);
}

size_t scope_site_calls(const uint8_t *code, size_t len, uint64_t vaddr,
			uint64_t to, uint64_t *ret_calls, size_t max)
{
	struct code c;
	uint64_t target;
	size_t n = 0;

	if (len > FUNCTION_MAX || code_open(&c, code, len, vaddr) < 0)
		return 0;
	while (code_next(&c))
		if (is_call(c.insn) && has_target(c.insn, &target) &&
		    target == to) {
			if (n < max)
				ret_calls[n] = c.insn->address;
			n++;
		}
	/* What was not decoded may be another call. */
	if (c.left)
		n = 0;
	code_close(&c);
	return n;
}

uint64_t scope_site_leads_to(const uint8_t *code, size_t len, uint64_t vaddr)
{
	return sole_target(code, len, vaddr, true);
}

uint64_t scope_site_first_call(const uint8_t *code, size_t len, uint64_t vaddr)
{
	uint64_t to = 0;
	struct code c;

	if (len > FUNCTION_MAX || code_open(&c, code, len, vaddr) < 0)
		return 0;
	while (code_next(&c)) {
		if (is_call(c.insn) && has_target(c.insn, &to))
			break;
		to = 0;
	}
	code_close(&c);
	return to;
}

int64_t scope_site_only_call(const uint8_t *code, size_t len, uint64_t vaddr,
			     uint64_t to)
{
	int64_t found = -1;
	bool is_sole = true;
	struct code c;

	if (len > FUNCTION_MAX || code_open(&c, code, len, vaddr) < 0)
		return -1;
	while (code_next(&c)) {
		uint64_t target;

		if (!is_call(c.insn) || !has_target(c.insn, &target) ||
		    target != to)
			continue;
		is_sole = is_sole && found < 0;
		found = (int64_t)(c.insn->address - vaddr);
	}
	/* What was not decoded may hold another. */
	if (c.left)
		is_sole = false;
	code_close(&c);
	return is_sole ? found : -1;
}

bool scope_site_only_call_through(const uint8_t *code, size_t len,
				  uint64_t vaddr, int offset,
				  struct scope_call *ret_call)
{
	struct code c;
	unsigned n = 0;

	if (len > FUNCTION_MAX || code_open(&c, code, len, vaddr) < 0)
		return false;
	while (code_next(&c)) {
		if (!is_call_through(c.insn, offset))
			continue;
		ret_call->at = (uint32_t)(c.insn->address - vaddr);
		ret_call->next = ret_call->at + c.insn->size;
		n++;
	}
	/* What was not decoded may hold another. */
	if (c.left || (n && ret_call->next >= len))
		n = 0;
	code_close(&c);
	return n == 1;
}
