/* SPDX-License-Identifier: MIT */
#include "target/callsite.h"

#include <capstone/capstone.h>

#if defined(__x86_64__)

static enum scope_callsite effect(const struct scope_layout *l,
				  const cs_insn *i, enum scope_callsite was)
{
	const cs_x86 *d = &i->detail->x86;
	const cs_x86_op *to = &d->operands[0];

	if (i->id == X86_INS_CALL)
		return SCOPE_CALLSITE_UNKNOWN;
	if (d->op_count != 2)
		return was;
	if (i->id == X86_INS_MOV && to->type == X86_OP_REG &&
	    to->reg == X86_REG_RBP && d->operands[1].type == X86_OP_REG &&
	    d->operands[1].reg == X86_REG_RSP)
		return SCOPE_CALLSITE_KEEPS;
	if (to->type != X86_OP_MEM || to->mem.base != X86_REG_R13 ||
	    to->mem.index != X86_REG_INVALID)
		return was;
	switch (i->id) {
	case X86_INS_MOV:
		return to->mem.disp == (int64_t)l->p_stop ?
			       SCOPE_CALLSITE_PUBLISHES :
			       was;
	case X86_INS_MOVUPS:
	case X86_INS_MOVDQU:
	case X86_INS_VMOVUPS:
	case X86_INS_VMOVDQU:
		return to->mem.disp == (int64_t)l->p_htop ?
			       SCOPE_CALLSITE_PUBLISHES :
			       was;
	default:
		return was;
	}
}

enum scope_callsite scope_callsite_of(const struct scope_layout *l,
				      const uint8_t *code, size_t len,
				      uint64_t addr)
{
	enum scope_callsite c = SCOPE_CALLSITE_UNKNOWN, before = c;
	const uint64_t end = addr + len;
	cs_insn *insn;
	csh cs;

	if (cs_open(CS_ARCH_X86, CS_MODE_64, &cs) != CS_ERR_OK)
		return c;
	(void)cs_option(cs, CS_OPT_DETAIL, CS_OPT_ON);
	insn = cs_malloc(cs);
	while (insn && cs_disasm_iter(cs, &code, &len, &addr, insn)) {
		before = c;
		c = effect(l, insn, c);
	}
	if (insn)
		cs_free(insn, 1);
	(void)cs_close(&cs);
	/* The last one is the call itself; all of it must have made sense. */
	return addr == end ? before : SCOPE_CALLSITE_UNKNOWN;
}

#else

/* Elsewhere a register that C functions preserve has it, always. */
enum scope_callsite scope_callsite_of(const struct scope_layout *l,
				      const uint8_t *code, size_t len,
				      uint64_t addr)
{
	(void)l;
	(void)code;
	(void)len;
	(void)addr;
	return SCOPE_CALLSITE_KEEPS;
}

#endif
