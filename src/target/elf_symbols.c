/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "target/elf_int.h"

static int cmp_name(const void *a, const void *b)
{
	const struct scope_elf_sym *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	if (r != 0)
		return r;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->vaddr < y->vaddr ? -1 : x->vaddr > y->vaddr;
}

static int cmp_addr(const void *a, const void *b)
{
	const struct scope_elf_sym *x = a, *y = b;

	if (x->vaddr != y->vaddr)
		return x->vaddr < y->vaddr ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return strcmp(x->name, y->name);
}

static bool take_symbol(const GElf_Sym *s, const char *name,
			struct scope_elf_sym *ret)
{
	unsigned type = GELF_ST_TYPE(s->st_info);
	unsigned bind = GELF_ST_BIND(s->st_info);

	if (s->st_shndx == SHN_UNDEF || s->st_shndx == SHN_ABS || !name ||
	    !*name)
		return false;
	if (type != STT_FUNC && type != STT_OBJECT && type != STT_NOTYPE &&
	    type != STT_GNU_IFUNC)
		return false;
	*ret = (struct scope_elf_sym){
		.name = name,
		.vaddr = s->st_value,
		.size = s->st_size,
		.rank = bind == STB_GLOBAL ? 0 : bind == STB_WEAK ? 1 : 2,
		.is_func = type == STT_FUNC,
	};
	return true;
}

static Elf_Scn *find_table(struct scope_elf *e, GElf_Word type,
			   GElf_Shdr *ret_sh)
{
	Elf_Scn *scn = NULL;

	while ((scn = elf_nextscn(e->elf, scn)))
		if (gelf_getshdr(scn, ret_sh) && ret_sh->sh_type == type &&
		    ret_sh->sh_entsize == sizeof(Elf64_Sym))
			return scn;
	return NULL;
}

static int read_table(struct scope_elf *e, Elf_Scn *scn, const GElf_Shdr *sh)
{
	Elf_Data *d = elf_getdata(scn, NULL);
	size_t n = d ? d->d_size / sizeof(Elf64_Sym) : 0;

	if (n == 0)
		return 0;
	if (n > SCOPE_ELF_SYMBOLS_MAX)
		n = SCOPE_ELF_SYMBOLS_MAX;
	e->syms = calloc(n, sizeof(*e->syms));
	if (!e->syms)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		GElf_Sym s;

		if (!gelf_getsym(d, (int)i, &s))
			break;
		/* elf_strptr answers only with what ends inside the table. */
		if (take_symbol(&s, elf_strptr(e->elf, sh->sh_link, s.st_name),
				&e->syms[e->nsyms]))
			e->nsyms++;
	}
	return 0;
}

int scope_elf_read_symbols(struct scope_elf *e)
{
	GElf_Shdr sh;
	Elf_Scn *scn = find_table(e, SHT_SYMTAB, &sh);
	int r;

	e->has_symtab = scn != NULL;
	if (!scn)
		scn = find_table(e, SHT_DYNSYM, &sh);
	if (!scn)
		return 0;
	r = read_table(e, scn, &sh);
	if (r < 0 || e->nsyms == 0)
		return r;
	e->by_addr = calloc(e->nsyms, sizeof(*e->by_addr));
	if (!e->by_addr)
		return -ENOMEM;
	memcpy(e->by_addr, e->syms, e->nsyms * sizeof(*e->syms));
	qsort(e->syms, e->nsyms, sizeof(*e->syms), cmp_name);
	qsort(e->by_addr, e->nsyms, sizeof(*e->by_addr), cmp_addr);
	return 0;
}

int scope_elf_use_symbols(struct scope_elf *e, struct scope_elf *debug)
{
	struct scope_elf_sym *by_name = debug->syms, *by_addr = debug->by_addr;
	size_t n = debug->nsyms;

	if (n == 0 || !debug->has_symtab ||
	    (*e->build_id && strcmp(e->build_id, debug->build_id) != 0)) {
		scope_elf_free(debug);
		return -ENOENT;
	}
	debug->syms = e->syms;
	debug->by_addr = e->by_addr;
	debug->nsyms = e->nsyms;
	e->syms = by_name;
	e->by_addr = by_addr;
	e->nsyms = n;
	e->has_symtab = true;
	e->debug = debug;
	return 0;
}

static const struct scope_elf_range *range_at(const struct scope_elf *e,
					      uint64_t vaddr)
{
	size_t lo = 0, hi = e->nfuncs;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (e->funcs[mid].vaddr <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0 || vaddr - e->funcs[lo - 1].vaddr >= e->funcs[lo - 1].size)
		return NULL;
	return &e->funcs[lo - 1];
}

/* The preferred symbol at, or the nearest before, an address. */
static const struct scope_elf_sym *symbol_before(const struct scope_elf *e,
						 uint64_t vaddr)
{
	size_t lo = 0, hi = e->nsyms;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (e->by_addr[mid].vaddr <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0)
		return NULL;
	lo--;
	while (lo > 0 && e->by_addr[lo - 1].vaddr == e->by_addr[lo].vaddr)
		lo--;
	return &e->by_addr[lo];
}

static void fill(const struct scope_elf *e, const struct scope_elf_sym *s,
		 struct scope_symbol *ret)
{
	const struct scope_elf_range *f = range_at(e, s->vaddr);

	*ret = (struct scope_symbol){
		.name = s->name,
		.vaddr = s->vaddr,
		.size = s->size,
	};
	if (ret->size == 0 && f && f->vaddr == s->vaddr)
		ret->size = f->size;
	/* What is in .bss has no place in the file. */
	(void)scope_elf_offset(e, s->vaddr, &ret->offset);
}

static int find_part(const struct scope_elf *e, const char *part,
		     struct scope_symbol *ret_sym)
{
	const struct scope_elf_sym *found = NULL;

	for (size_t i = 0; i < e->nsyms; i++) {
		const struct scope_elf_sym *s = &e->syms[i];

		/* gcc's ".cold", ".part.0"... are pieces of the function. */
		if (!strstr(s->name, part) || strchr(s->name, '.'))
			continue;
		if (found && found->vaddr != s->vaddr)
			return -ENOTUNIQ;
		found = s;
	}
	if (!found)
		return -ENOENT;
	fill(e, found, ret_sym);
	return 0;
}

int scope_elf_symbol(const struct scope_elf *e, const char *name,
		     struct scope_symbol *ret_sym)
{
	size_t lo = 0, hi = e->nsyms;

	if (*name == '~')
		return find_part(e, name + 1, ret_sym);
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(e->syms[mid].name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == e->nsyms || strcmp(e->syms[lo].name, name) != 0)
		return -ENOENT;
	fill(e, &e->syms[lo], ret_sym);
	return 0;
}

int scope_elf_function(const struct scope_elf *e, uint64_t vaddr,
		       struct scope_symbol *ret_fn)
{
	const struct scope_elf_range *f = range_at(e, vaddr);
	const struct scope_elf_sym *s = symbol_before(e, vaddr);

	if (f) {
		s = symbol_before(e, f->vaddr);
		*ret_fn = (struct scope_symbol){
			.name = s && s->vaddr == f->vaddr ? s->name : NULL,
			.vaddr = f->vaddr,
			.size = f->size,
		};
		return scope_elf_offset(e, f->vaddr, &ret_fn->offset);
	}
	/* A file without .eh_frame_hdr: the symbols' own sizes must do. */
	if (!s || !s->is_func || vaddr - s->vaddr >= s->size)
		return -ENOENT;
	fill(e, s, ret_fn);
	return 0;
}

size_t scope_elf_functions(const struct scope_elf *e)
{
	return e->nfuncs;
}
