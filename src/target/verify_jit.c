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

#include "target/code.h"
#include "target/target_int.h"
#include "target/verify.h"

#define FRAGMENT "global::call_light_bif_shared"
#define FRAGMENT_MAX 4096

/* More modules than any node has. */
#define ENTRIES_MAX 200000

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

/* Is it an entry of the JIT's own fragments? There are two; *ret_next: the
 * entry after it. */
static bool is_global(struct scope_target *t, uint64_t entry,
		      uint64_t *ret_next)
{
	uint64_t e[4];
	char head[33];

	if (scope_target_read(t, entry, e, sizeof(e)) < 0) {
		*ret_next = 0;
		return false;
	}
	*ret_next = e[0];
	return e[3] > sizeof(head) &&
	       scope_target_read(t, e[2], head, sizeof(head)) == 0 &&
	       memcmp(head + 26, "global", 7) == 0;
}

int scope_target_verify_jit(struct scope_target *t)
{
	uint64_t at = scope_target_address(t, "__jit_debug_descriptor");
	uint64_t entry, next, addr;
	uint8_t code[FRAGMENT_MAX];
	uint32_t len;

	/* u32 version, u32 action, relevant entry, first entry */
	if (!at || scope_target_read(t, at + 16, &entry, sizeof(entry)) < 0)
		return 0;
	for (int i = 0; entry && i < ENTRIES_MAX; i++, entry = next) {
		scope_autofree uint8_t *sym = NULL;
		size_t n;

		if (!is_global(t, entry, &next) ||
		    scope_code_load(scope_target_read, t, entry, &sym, &n) <
			    0 ||
		    scope_code_range(sym, n, FRAGMENT, &addr, &len) < 0)
			continue;
		if (len > sizeof(code) ||
		    scope_target_read(t, addr, code, len) < 0)
			return 0;
		return check_code(t->vm.layout, code, len, addr);
	}
	return 0;
}

#else

int scope_target_verify_jit(struct scope_target *t)
{
	(void)t;
	return 0;
}

#endif
