/* SPDX-License-Identifier: MIT */
#include "target/shapes_int.h"

#include <capstone/capstone.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "target/elf_int.h"
#include "target/shapes.h"

#define REFS_MAX 65536u /* of one function */

#if defined(__x86_64__)

struct scope_refs {
	const struct scope_elf *elf; /* borrowed */
	struct scope_map *at;	     /* address to index + 1 */
	struct scope_ref_list *lists[SCOPE_SHAPE_LOOKED]; /* owned */
	size_t n;
	uint64_t looked; /* bytes of code */
	csh cs;
	cs_insn *insn;
};

int scope_refs_new(const struct scope_elf *e, struct scope_refs **ret_refs)
{
	struct scope_refs *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->elf = e;
	r->at = scope_map_new(SCOPE_SHAPE_LOOKED);
	if (cs_open(CS_ARCH_X86, CS_MODE_64, &r->cs) == CS_ERR_OK &&
	    cs_option(r->cs, CS_OPT_DETAIL, CS_OPT_ON) == CS_ERR_OK)
		r->insn = cs_malloc(r->cs);
	if (!r->at || !r->insn) {
		scope_refs_free(r);
		return -ENOMEM;
	}
	*ret_refs = r;
	return 0;
}

static void list_free(struct scope_ref_list *l)
{
	if (!l)
		return;
	free(l->refs);
	free(l->data);
	free(l);
}

void scope_refs_free(struct scope_refs *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++)
		list_free(r->lists[i]);
	scope_map_free(r->at);
	if (r->insn)
		cs_free(r->insn, 1);
	if (r->cs)
		(void)cs_close(&r->cs);
	free(r);
}

static bool begins(const struct scope_refs *r, uint64_t at)
{
	struct scope_symbol fn;

	return scope_elf_function(r->elf, at, &fn) == 0 && fn.vaddr == at;
}

static int push(uint64_t **list, size_t *n, uint64_t v)
{
	uint64_t *more;

	if (*n == REFS_MAX)
		return -ENOMEM;
	if ((*n & (*n - 1)) == 0) { /* grows at powers of two */
		more = realloc(*list, (*n ? 2 * *n : 1) * sizeof(v));
		if (!more)
			return -ENOMEM;
		*list = more;
	}
	(*list)[(*n)++] = v;
	return 0;
}

/* What one instruction refers to; the bytes that say where are made 0 in
 * `code`. */
static int take(struct scope_refs *r, struct scope_ref_list *l,
		const struct scope_symbol *fn, uint8_t code[16])
{
	const cs_insn *i = r->insn;
	const cs_x86 *d = &i->detail->x86;
	const uint64_t end = i->address + i->size;
	int e = 0;

	for (unsigned k = 0; e == 0 && k < d->op_count; k++) {
		const cs_x86_op *op = &d->operands[k];
		uint64_t to = end + (uint64_t)op->mem.disp;

		if (op->type != X86_OP_MEM || op->mem.base != X86_REG_RIP)
			continue;
		if (d->encoding.disp_offset &&
		    d->encoding.disp_offset + 4u <= i->size)
			memset(code + d->encoding.disp_offset, 0, 4);
		e = push(&l->data, &l->ndata, to);
		if (e == 0 && i->id == X86_INS_LEA && to != fn->vaddr &&
		    begins(r, to))
			e = push(&l->refs, &l->nrefs, to);
	}
	if (e == 0 && d->op_count == 1 && d->operands[0].type == X86_OP_IMM &&
	    (cs_insn_group(r->cs, i, CS_GRP_CALL) ||
	     cs_insn_group(r->cs, i, CS_GRP_JUMP))) {
		uint64_t to = (uint64_t)d->operands[0].imm;

		if (to - fn->vaddr < fn->size)
			return 0;
		if (i->size >= 5)
			memset(code + i->size - 4, 0, 4);
		if ((i->id == X86_INS_CALL || i->id == X86_INS_JMP) &&
		    begins(r, to))
			e = push(&l->refs, &l->nrefs, to);
	}
	return e;
}

static struct scope_ref_list *look(struct scope_refs *r,
				   const struct scope_symbol *fn)
{
	const uint8_t *code = scope_elf_at(r->elf, fn->vaddr, fn->size);
	struct scope_ref_list *l = calloc(1, sizeof(*l));
	uint64_t at = fn->vaddr, h = 0xcbf29ce484222325ull;
	size_t left = fn->size;
	int e = 0;

	if (!l || !code) {
		free(l);
		return NULL;
	}
	while (e == 0 && left &&
	       cs_disasm_iter(r->cs, &code, &left, &at, r->insn)) {
		uint8_t bytes[16] = { 0 };

		memcpy(bytes, r->insn->bytes, r->insn->size);
		e = take(r, l, fn, bytes);
		for (unsigned k = 0; k < r->insn->size; k++)
			h = (h ^ bytes[k]) * 0x100000001b3ull;
	}
	if (e < 0) {
		list_free(l);
		return NULL;
	}
	l->digest = left ? 0 : h;
	return l;
}

const struct scope_ref_list *scope_refs_of(struct scope_refs *r, uint64_t at)
{
	struct scope_symbol fn;
	uint64_t index;

	if (scope_map_get(r->at, at, &index))
		return r->lists[index - 1];
	if (r->n == SCOPE_SHAPE_LOOKED ||
	    scope_elf_function(r->elf, at, &fn) < 0 || fn.vaddr != at ||
	    fn.size > SCOPE_SHAPE_BYTES - r->looked)
		return NULL;
	r->looked += fn.size;
	r->lists[r->n] = look(r, &fn);
	if (!r->lists[r->n] || scope_map_put(r->at, at, r->n + 1) < 0) {
		list_free(r->lists[r->n]);
		r->lists[r->n] = NULL;
		return NULL;
	}
	return r->lists[r->n++];
}

uint64_t scope_refs_digest(struct scope_refs *r, uint64_t size, uint64_t digest)
{
	uint64_t found = 0;

	for (size_t i = 0; i < r->elf->nfuncs; i++) {
		const struct scope_ref_list *l =
			r->elf->funcs[i].size == size ?
				scope_refs_of(r, r->elf->funcs[i].vaddr) :
				NULL;

		if (!l || l->digest != digest)
			continue;
		if (found)
			return 0;
		found = r->elf->funcs[i].vaddr;
	}
	return found;
}

#else

int scope_refs_new(const struct scope_elf *e, struct scope_refs **ret_refs)
{
	(void)e;
	(void)ret_refs;
	return -ENOTSUP;
}

void scope_refs_free(struct scope_refs *r)
{
	(void)r;
}

const struct scope_ref_list *scope_refs_of(struct scope_refs *r, uint64_t at)
{
	(void)r;
	(void)at;
	return NULL;
}

uint64_t scope_refs_digest(struct scope_refs *r, uint64_t size, uint64_t digest)
{
	(void)r;
	(void)size;
	(void)digest;
	return 0;
}

#endif
