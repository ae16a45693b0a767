/* SPDX-License-Identifier: MIT */
/*
 * The JIT's own code knows where the fields of a Process are: its fragment
 * global::call_light_bif_shared saves htop and stop together, writes fcalls,
 * tests flags, and looks at mbuf before and after each call of a BIF
 * (beam/jit/x86/instr_bif.cpp). The offsets that it uses, from the register
 * that holds the Process (r13), must be those of the layout: so that a build
 * with other fields is seen even if its processes look well by chance.
 */
#include <capstone/capstone.h>
#include <string.h>

#include "target/fragment.h"
#include "target/target_int.h"
#include "target/verify.h"

#define FRAGMENT "global::call_light_bif_shared"

#if defined(__x86_64__)

struct field {
	uint32_t offset;
	bool is_used;
};

static void mark(const cs_insn *i, struct field *fields, size_t n)
{
	const cs_x86 *d = &i->detail->x86;

	for (unsigned k = 0; k < d->op_count; k++) {
		const cs_x86_op *op = &d->operands[k];

		if (op->type != X86_OP_MEM || op->mem.base != X86_REG_R13 ||
		    op->mem.index != X86_REG_INVALID)
			continue;
		for (size_t f = 0; f < n; f++)
			if (op->mem.disp == (int64_t)fields[f].offset)
				fields[f].is_used = true;
	}
}

static int check_code(const struct scope_layout *l, const uint8_t *code,
		      size_t len, uint64_t addr)
{
	struct field fields[] = {
		{ .offset = l->p_htop },
		{ .offset = l->p_fcalls },
		{ .offset = l->p_flags },
		{ .offset = l->p_mbuf },
	};
	const size_t n = sizeof(fields) / sizeof(*fields);
	cs_insn *insn;
	bool all = true;
	csh cs;

	if (cs_open(CS_ARCH_X86, CS_MODE_64, &cs) != CS_ERR_OK)
		return -ENOMEM;
	(void)cs_option(cs, CS_OPT_DETAIL, CS_OPT_ON);
	insn = cs_malloc(cs);
	if (!insn) {
		(void)cs_close(&cs);
		return -ENOMEM;
	}
	while (cs_disasm_iter(cs, &code, &len, &addr, insn))
		mark(insn, fields, n);
	cs_free(insn, 1);
	(void)cs_close(&cs);
	for (size_t i = 0; i < n; i++)
		all = all && fields[i].is_used;
	return all ? 0 : -ENOTSUP;
}

int scope_target_verify_jit(struct scope_target *t)
{
	uint64_t at = scope_target_address(t, "__jit_debug_descriptor"), addr;
	uint8_t code[SCOPE_FRAGMENT_BYTES];
	uint32_t len;

	if (!at || scope_fragment_read(scope_target_read, t, at, FRAGMENT, code,
				       &len, &addr) < 0)
		return 0;
	return check_code(t->vm.layout, code, len, addr);
}

#else

int scope_target_verify_jit(struct scope_target *t)
{
	(void)t;
	return 0;
}

#endif
