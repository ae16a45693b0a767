/* SPDX-License-Identifier: MIT */
#include "target/wayback.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)

#include <capstone/capstone.h>

/* An interpreter saves both in dozens of places: most of them must agree. In
 * some the value is on its way through another register. */
#define VOTES_MIN 5

static int open_cs(csh *cs, cs_insn **insn)
{
	if (cs_open(CS_ARCH_X86, CS_MODE_64, cs) != CS_ERR_OK)
		return -ENOMEM;
	if (cs_option(*cs, CS_OPT_DETAIL, CS_OPT_ON) == CS_ERR_OK)
		*insn = cs_malloc(*cs);
	if (*insn)
		return 0;
	(void)cs_close(cs);
	return -ENOMEM;
}

static void close_cs(csh *cs, cs_insn *insn)
{
	cs_free(insn, 1);
	(void)cs_close(cs);
}

/* `mov rsp, …`: 0: something else is loaded; -ENOENT: it is no such thing. */
static int restores(const cs_insn *i, uint32_t p_stop)
{
	const cs_x86 *d = &i->detail->x86;
	const cs_x86_op *from = &d->operands[1];

	if (i->id != X86_INS_MOV || d->op_count != 2 ||
	    d->operands[0].type != X86_OP_REG ||
	    d->operands[0].reg != X86_REG_RSP)
		return -ENOENT;
	if (from->type == X86_OP_REG && from->reg == X86_REG_RBP)
		return SCOPE_WAYBACK_BP;
	if (from->type == X86_OP_MEM && from->mem.base == X86_REG_R13 &&
	    from->mem.index == X86_REG_INVALID &&
	    from->mem.disp == (int64_t)p_stop)
		return SCOPE_WAYBACK_STOP;
	return 0;
}

/* Code that goes on elsewhere, or enters the scheduler's stack once more. */
static bool is_end(csh cs, const cs_insn *i)
{
	const cs_x86 *d = &i->detail->x86;

	return i->id == X86_INS_JMP || cs_insn_group(cs, i, CS_GRP_RET) ||
	       i->id == X86_INS_UD2 ||
	       (i->id == X86_INS_LEA && d->op_count == 2 &&
		d->operands[0].type == X86_OP_REG &&
		d->operands[0].reg == X86_REG_RSP);
}

int scope_wayback_of(const uint8_t *code, size_t len, uint64_t addr,
		      uint32_t p_stop)
{
	cs_insn *insn = NULL;
	csh cs;
	int r = open_cs(&cs, &insn);

	if (r < 0)
		return r;
	r = -ENOENT;
	while (r == -ENOENT && cs_disasm_iter(cs, &code, &len, &addr, insn)) {
		r = restores(insn, p_stop);
		if (r == -ENOENT && is_end(cs, insn))
			r = 0;
	}
	close_cs(&cs, insn);
	return r ? r : -ENOENT;
}

/* As DWARF numbers them; -1: not a register of 64 bits. */
static int number_of(unsigned reg)
{
	static const unsigned regs[] = {
		X86_REG_RAX, X86_REG_RDX, X86_REG_RCX, X86_REG_RBX,
		X86_REG_RSI, X86_REG_RDI, X86_REG_RBP, X86_REG_RSP,
		X86_REG_R8,  X86_REG_R9,  X86_REG_R10, X86_REG_R11,
		X86_REG_R12, X86_REG_R13, X86_REG_R14, X86_REG_R15,
	};

	for (int i = 0; i < 16; i++)
		if (regs[i] == reg)
			return i;
	return -1;
}

struct votes {
	unsigned base[16], from[16], n;
};

static void vote(struct votes *v, const cs_insn *i, uint32_t offset)
{
	const cs_x86 *d = &i->detail->x86;
	int base, from;

	if (i->id != X86_INS_MOV || d->op_count != 2 ||
	    d->operands[0].type != X86_OP_MEM ||
	    d->operands[1].type != X86_OP_REG ||
	    d->operands[0].mem.index != X86_REG_INVALID ||
	    d->operands[0].mem.disp != (int64_t)offset)
		return;
	base = number_of(d->operands[0].mem.base);
	from = number_of(d->operands[1].reg);
	if (base < 0 || from < 0)
		return;
	v->base[base]++;
	v->from[from]++;
	v->n++;
}

/* What more than a `1/of` of the votes are for. */
static int winner(const unsigned count[16], unsigned n, unsigned of)
{
	int best = 0;

	for (int i = 1; i < 16; i++)
		if (count[i] > count[best])
			best = i;
	return count[best] >= VOTES_MIN && count[best] * of > n ? best :
								  -ENOENT;
}

int scope_wayback_interpreter(const uint8_t *code, size_t len, uint64_t addr,
			       uint32_t p_stop, uint32_t p_i,
			       struct scope_interpreter_regs *ret_regs)
{
	struct votes stop = { .n = 0 }, ip = { .n = 0 };
	cs_insn *insn = NULL;
	int r, process, stack, instruction;
	csh cs;

	r = open_cs(&cs, &insn);
	if (r < 0)
		return r;
	/* There are tables in between: what is none is stepped over. */
	while (len) {
		if (!cs_disasm_iter(cs, &code, &len, &addr, insn)) {
			code++;
			addr++;
			len--;
			continue;
		}
		vote(&stop, insn, p_stop);
		vote(&ip, insn, p_i);
	}
	close_cs(&cs, insn);
	process = winner(stop.base, stop.n, 2);
	stack = winner(stop.from, stop.n, 2);
	instruction = winner(ip.from, ip.n, 3);
	if (process < 0 || stack < 0 || instruction < 0 || process == stack)
		return -ENOENT;
	*ret_regs = (struct scope_interpreter_regs){
		.process = (unsigned)process,
		.stack = (unsigned)stack,
		.instruction = (unsigned)instruction,
	};
	return 0;
}

#else

int scope_wayback_of(const uint8_t *code, size_t len, uint64_t addr,
		      uint32_t p_stop)
{
	(void)code;
	(void)len;
	(void)addr;
	(void)p_stop;
	return -ENOTSUP;
}

int scope_wayback_interpreter(const uint8_t *code, size_t len, uint64_t addr,
			       uint32_t p_stop, uint32_t p_i,
			       struct scope_interpreter_regs *ret_regs)
{
	(void)code;
	(void)len;
	(void)addr;
	(void)p_stop;
	(void)p_i;
	(void)ret_regs;
	return -ENOTSUP;
}

#endif
