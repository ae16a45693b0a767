/* SPDX-License-Identifier: MIT */
#include "target/unwind.h"

#include <dwarf.h>
#include <elf.h>
#include <elfutils/libdw.h>
#include <string.h>

#include "target/elf_int.h"
#include "target/target_int.h"

/* struct r_debug, struct link_map (link.h, glibc and musl). */
#define DEBUG_MAP 8
struct link_map_head {
	uint64_t addr, name, dynamic, next, prev;
};

#define NAME_BYTES 256
#define DYNAMIC_MAX 256	   /* entries */
#define PHDRS_MAX 64
#define SYMBOLS_MAX 262144u
#define STRINGS_MAX (16u << 20)
#define OPS_MAX 64 /* of one expression */
#define STACK_MAX 16
#define ADDR_END (1ull << 47)

struct module {
	uint64_t bias;	   /* what to add to an address of its file */
	uint64_t from, to; /* where it is */
	char name[64];	   /* of its file */
	bool is_main;
	bool has_looked;      /* at what follows, which may be NULL */
	struct scope_elf *elf; /* owned, but for the emulator's */
	Dwarf_CFI *cfi;	      /* owned */
	Elf64_Sym *symbols;   /* owned; functions, by address */
	size_t nsymbols;
	char *strings; /* owned; ends with a NUL */
	size_t nstrings;
};

struct scope_unwind {
	struct scope_target *t; /* borrowed */
	struct module *modules; /* owned */
	size_t n;
	bool has_listed; /* the libraries */
};

static int read_at(const struct scope_unwind *u, uint64_t addr, void *buf,
		   size_t len)
{
	return scope_target_read(u->t, addr, buf, len);
}

/* -- modules --------------------------------------------------------------- */

/* The value of an entry of a dynamic section; 0: none. */
static uint64_t dynamic(const Elf64_Dyn *d, size_t n, int64_t tag)
{
	for (size_t i = 0; i < n && d[i].d_tag != DT_NULL; i++)
		if (d[i].d_tag == tag)
			return d[i].d_un.d_val;
	return 0;
}

static size_t read_dynamic(const struct scope_unwind *u, uint64_t addr,
			   Elf64_Dyn d[DYNAMIC_MAX])
{
	size_t n = DYNAMIC_MAX;

	/* It is shorter, and may end with its page. */
	while (n && read_at(u, addr, d, n * sizeof(*d)) < 0)
		n /= 2;
	return n;
}

/* The program headers of what is loaded at an address; how many. */
static size_t read_headers(const struct scope_unwind *u, uint64_t base,
			   Elf64_Phdr p[PHDRS_MAX])
{
	Elf64_Ehdr e;

	if (base >= ADDR_END || read_at(u, base, &e, sizeof(e)) < 0 ||
	    memcmp(e.e_ident, ELFMAG, SELFMAG) != 0 ||
	    e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_phnum > PHDRS_MAX ||
	    e.e_phentsize != sizeof(*p) || e.e_phoff > 4096 ||
	    read_at(u, base + e.e_phoff, p, e.e_phnum * sizeof(*p)) < 0)
		return 0;
	return e.e_phnum;
}

static void add_library(struct scope_unwind *u, const struct link_map_head *l)
{
	struct module m = { .bias = l->addr, .from = UINT64_MAX };
	char path[NAME_BYTES], *name;
	Elf64_Phdr p[PHDRS_MAX];
	size_t n = read_headers(u, l->addr, p), len = sizeof(path);

	for (size_t i = 0; i < n; i++) {
		uint64_t from = l->addr + p[i].p_vaddr;

		if (p[i].p_type != PT_LOAD || from >= ADDR_END ||
		    p[i].p_memsz >= ADDR_END)
			continue;
		if (from < m.from)
			m.from = from;
		if (from + p[i].p_memsz > m.to)
			m.to = from + p[i].p_memsz;
	}
	if (!m.to)
		return;
	while (len && read_at(u, l->name, path, len) < 0)
		len /= 2;
	path[len ? len - 1 : 0] = 0;
	name = strrchr(path, '/');
	name = name ? name + 1 : path;
	for (size_t i = 0; *name && i + 1 < sizeof(m.name); i++, name++)
		m.name[i] = *name > ' ' && *name < 0x7f ? *name : '?';
	u->modules[u->n++] = m;
}

/* The dynamic linker's list, to which the emulator's own dynamic section
 * leads. */
static void list_libraries(struct scope_unwind *u)
{
	const struct scope_elf_segment *segs;
	Elf64_Dyn d[DYNAMIC_MAX];
	struct link_map_head l;
	uint64_t debug = 0, at = 0;
	Elf64_Phdr p[PHDRS_MAX];
	size_t n, nsegs;

	u->has_listed = true;
	segs = scope_elf_segments(u->t->elf, &nsegs);
	n = nsegs ? read_headers(u, u->t->info.bias + segs[0].vaddr -
					 segs[0].offset,
				 p) :
		    0;
	for (size_t i = 0; i < n && !debug; i++)
		if (p[i].p_type == PT_DYNAMIC)
			debug = dynamic(d,
					read_dynamic(u, u->t->info.bias +
								p[i].p_vaddr,
						     d),
					DT_DEBUG);
	if (!debug || read_at(u, debug + DEBUG_MAP, &at, 8) < 0)
		return;
	while (at && u->n < SCOPE_UNWIND_MODULES &&
	       read_at(u, at, &l, sizeof(l)) == 0) {
		if (l.addr != u->t->info.bias)
			add_library(u, &l);
		at = l.next;
		/* A list that goes round in a circle ends with the room. */
	}
}

static struct module *module_of(struct scope_unwind *u, uint64_t addr)
{
	for (int k = 0; k < 2; k++) {
		for (size_t i = 0; i < u->n; i++)
			if (addr >= u->modules[i].from &&
			    addr < u->modules[i].to)
				return &u->modules[i];
		if (u->has_listed)
			return NULL;
		list_libraries(u);
	}
	return NULL;
}

/* -- what a library has in memory ------------------------------------------ */

/* Its file, as far as its segments are that: without section headers. */
static uint8_t *read_image(struct scope_unwind *u, const struct module *m,
			   size_t *ret_len)
{
	scope_autofree uint8_t *image = NULL;
	Elf64_Phdr p[PHDRS_MAX];
	size_t n = read_headers(u, m->bias, p), len = 0;
	Elf64_Ehdr *e;

	for (size_t i = 0; i < n; i++) {
		if (p[i].p_type != PT_LOAD)
			continue;
		if (p[i].p_offset > SCOPE_UNWIND_BYTES ||
		    p[i].p_filesz > SCOPE_UNWIND_BYTES)
			return NULL;
		if (p[i].p_offset + p[i].p_filesz > len)
			len = p[i].p_offset + p[i].p_filesz;
	}
	if (len < sizeof(*e) || len > SCOPE_UNWIND_BYTES)
		return NULL;
	image = calloc(1, len);
	for (size_t i = 0; image && i < n; i++)
		if (p[i].p_type == PT_LOAD && p[i].p_filesz)
			(void)read_at(u, m->bias + p[i].p_vaddr,
				      image + p[i].p_offset, p[i].p_filesz);
	if (!image)
		return NULL;
	e = (Elf64_Ehdr *)image;
	e->e_shoff = 0;
	e->e_shnum = 0;
	e->e_shstrndx = 0;
	*ret_len = len;
	return scope_take(image);
}

static int cmp_symbol(const void *a, const void *b)
{
	const Elf64_Sym *x = a, *y = b;

	return x->st_value < y->st_value ? -1 : x->st_value > y->st_value;
}

/* glibc has made addresses of what the file has; musl and the vdso have not. */
static uint64_t absolute(const struct module *m, uint64_t v)
{
	return v >= m->from && v < m->to ? v : m->bias + v;
}

/* Dynamic symbols: the table has no end of its own, but its text follows. */
static void read_symbols(struct scope_unwind *u, struct module *m,
			 uint64_t addr)
{
	Elf64_Dyn d[DYNAMIC_MAX];
	size_t n = read_dynamic(u, addr, d), k = 0;
	uint64_t sym = dynamic(d, n, DT_SYMTAB), str = dynamic(d, n, DT_STRTAB);
	uint64_t len = dynamic(d, n, DT_STRSZ);

	sym = absolute(m, sym);
	str = absolute(m, str);
	if (str <= sym || !len || len > STRINGS_MAX ||
	    (str - sym) / sizeof(Elf64_Sym) > SYMBOLS_MAX)
		return;
	n = (str - sym) / sizeof(Elf64_Sym);
	m->symbols = calloc(n + 1, sizeof(Elf64_Sym));
	m->strings = calloc(1, len + 1);
	if (!m->symbols || !m->strings ||
	    read_at(u, sym, m->symbols, n * sizeof(Elf64_Sym)) < 0 ||
	    read_at(u, str, m->strings, len) < 0)
		return;
	m->nstrings = len;
	for (size_t i = 0; i < n; i++)
		if (ELF64_ST_TYPE(m->symbols[i].st_info) == STT_FUNC &&
		    m->symbols[i].st_value && m->symbols[i].st_name < len)
			m->symbols[k++] = m->symbols[i];
	m->nsymbols = k;
	qsort(m->symbols, k, sizeof(*m->symbols), cmp_symbol);
}

static void look(struct scope_unwind *u, struct module *m)
{
	scope_autofree uint8_t *image = NULL;
	Elf64_Phdr p[PHDRS_MAX];
	size_t n, len = 0;

	if (m->has_looked)
		return;
	m->has_looked = true;
	if (m->is_main) {
		m->cfi = dwarf_getcfi_elf(m->elf->elf);
		return;
	}
	image = read_image(u, m, &len);
	if (image && scope_elf_parse(image, len, &m->elf) == 0)
		m->cfi = dwarf_getcfi_elf(m->elf->elf);
	n = read_headers(u, m->bias, p);
	for (size_t i = 0; i < n; i++)
		if (p[i].p_type == PT_DYNAMIC && !m->symbols)
			read_symbols(u, m, m->bias + p[i].p_vaddr);
}

int scope_unwind_new(struct scope_target *t, struct scope_unwind **ret_unwind)
{
	scope_auto(scope_unwind) u = calloc(1, sizeof(*u));
	const struct scope_elf_segment *s;
	struct module *m;
	size_t n;

	if (!u)
		return -ENOMEM;
	u->t = t;
	u->modules = calloc(SCOPE_UNWIND_MODULES, sizeof(*u->modules));
	if (!u->modules)
		return -ENOMEM;
	m = &u->modules[u->n++];
	*m = (struct module){ .bias = t->info.bias,
			      .from = UINT64_MAX,
			      .name = "beam.smp",
			      .is_main = true,
			      .elf = t->elf };
	s = scope_elf_segments(t->elf, &n);
	for (size_t i = 0; i < n; i++) {
		if (m->bias + s[i].vaddr < m->from)
			m->from = m->bias + s[i].vaddr;
		if (m->bias + s[i].vaddr + s[i].memsz > m->to)
			m->to = m->bias + s[i].vaddr + s[i].memsz;
	}
	*ret_unwind = scope_take(u);
	return 0;
}

void scope_unwind_free(struct scope_unwind *u)
{
	if (!u)
		return;
	for (size_t i = 0; u->modules && i < u->n; i++) {
		struct module *m = &u->modules[i];

		if (m->cfi)
			(void)dwarf_cfi_end(m->cfi);
		if (!m->is_main)
			scope_elf_free(m->elf);
		free(m->symbols);
		free(m->strings);
	}
	free(u->modules);
	free(u);
}

/* -- expressions ----------------------------------------------------------- */

struct machine {
	const struct scope_thread_regs *regs;
	scope_read_fn *read;
	void *arg;
	uint64_t cfa;
	uint64_t stack[STACK_MAX];
	unsigned n;
};

static int push(struct machine *m, uint64_t v)
{
	if (m->n == STACK_MAX)
		return -EBADMSG;
	m->stack[m->n++] = v;
	return 0;
}

static int push_register(struct machine *m, uint64_t i, uint64_t off)
{
	if (i >= SCOPE_REGS || !scope_reg_is_known(m->regs, (unsigned)i))
		return -EBADMSG;
	return push(m, m->regs->r[i] + off);
}

static int binary(struct machine *m, unsigned atom)
{
	uint64_t a, b;

	if (m->n < 2)
		return -EBADMSG;
	b = m->stack[--m->n];
	a = m->stack[m->n - 1];
	switch (atom) {
	case DW_OP_plus:
		a += b;
		break;
	case DW_OP_minus:
		a -= b;
		break;
	case DW_OP_and:
		a &= b;
		break;
	case DW_OP_shl:
		a = b < 64 ? a << b : 0;
		break;
	case DW_OP_ge:
		a = (int64_t)a >= (int64_t)b;
		break;
	default:
		return -EBADMSG;
	}
	m->stack[m->n - 1] = a;
	return 0;
}

/* What compilers and linkers write into unwind tables; nothing jumps. */
static int step(struct machine *m, const Dwarf_Op *op)
{
	const unsigned atom = op->atom;

	if (atom >= DW_OP_breg0 && atom <= DW_OP_breg31)
		return push_register(m, atom - DW_OP_breg0, op->number);
	if (atom >= DW_OP_lit0 && atom <= DW_OP_lit31)
		return push(m, atom - DW_OP_lit0);
	switch (atom) {
	case DW_OP_bregx:
		return push_register(m, op->number, op->number2);
	case DW_OP_const1u:
	case DW_OP_const1s:
	case DW_OP_const2u:
	case DW_OP_const2s:
	case DW_OP_const4u:
	case DW_OP_const4s:
	case DW_OP_const8u:
	case DW_OP_const8s:
	case DW_OP_constu:
	case DW_OP_consts:
		return push(m, op->number);
	case DW_OP_call_frame_cfa:
		return push(m, m->cfa);
	case DW_OP_plus_uconst:
		if (!m->n)
			return -EBADMSG;
		m->stack[m->n - 1] += op->number;
		return 0;
	case DW_OP_deref:
		if (!m->n)
			return -EBADMSG;
		return m->read(m->arg, m->stack[m->n - 1],
			       &m->stack[m->n - 1], 8);
	case DW_OP_stack_value:
		return 0;
	default:
		return binary(m, atom);
	}
}

static int evaluate(struct machine *m, const Dwarf_Op *ops, size_t n,
		    uint64_t *ret)
{
	int r = n && n <= OPS_MAX ? 0 : -EBADMSG;

	m->n = 0;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = step(m, &ops[i]);
	if (r == 0 && m->n == 0)
		r = -EBADMSG;
	if (r == 0)
		*ret = m->stack[m->n - 1];
	return r;
}

/* A register of the caller: known, or not known any more. */
static int restore(struct machine *m, Dwarf_Frame *frame, unsigned i,
		   struct scope_thread_regs *to)
{
	Dwarf_Op mem[3], *ops;
	uint64_t v;
	size_t n;
	int r;

	if (dwarf_frame_register(frame, (int)i, mem, &ops, &n) != 0)
		return 0;
	if (n == 0) {
		/* The same, or not to be had. */
		if (!ops && scope_reg_is_known(m->regs, i))
			scope_reg_set(to, i, m->regs->r[i]);
		return 0;
	}
	r = evaluate(m, ops, n, &v);
	if (r == 0 && ops[n - 1].atom != DW_OP_stack_value)
		r = m->read(m->arg, v, &v, 8);
	if (r == 0)
		scope_reg_set(to, i, v);
	return r == -EBADMSG ? 0 : r;
}

static int find_frame(struct scope_unwind *u, uint64_t pc, Dwarf_Frame **ret)
{
	struct module *m = module_of(u, pc);

	if (!m)
		return -ENOENT;
	look(u, m);
	if (!m->cfi || dwarf_cfi_addrframe(m->cfi, pc - m->bias, ret) != 0)
		return -ENOENT;
	return 0;
}

int scope_unwind_step(struct scope_unwind *u, struct scope_thread_regs *regs,
		      bool is_call, scope_read_fn *read, void *arg)
{
	struct machine m = { .regs = regs, .read = read, .arg = arg };
	struct scope_thread_regs to = { .known = 0 };
	Dwarf_Frame *frame = NULL;
	bool is_signal = false;
	int ra, r = -EBADMSG;
	Dwarf_Op *ops;
	size_t n;

	if (!scope_reg_is_known(regs, SCOPE_REG_PC) ||
	    !scope_reg_is_known(regs, SCOPE_REG_SP))
		return -EBADMSG;
	r = find_frame(u, regs->r[SCOPE_REG_PC] - is_call, &frame);
	if (r < 0)
		return r;
	ra = dwarf_frame_info(frame, NULL, NULL, &is_signal);
	if (ra < 0 || dwarf_frame_cfa(frame, &ops, &n) != 0 ||
	    evaluate(&m, ops, n, &m.cfa) < 0) {
		free(frame);
		return -EBADMSG;
	}
	r = 0;
	for (unsigned i = 0; r == 0 && i < SCOPE_REGS; i++)
		r = restore(&m, frame, i, &to);
	free(frame);
	if (r < 0)
		return r;
	/* The stack pointer is the frame's address, but out of a signal. */
	if (!is_signal || !scope_reg_is_known(&to, SCOPE_REG_SP))
		scope_reg_set(&to, SCOPE_REG_SP, m.cfa);
	if ((unsigned)ra < SCOPE_REGS && (unsigned)ra != SCOPE_REG_PC) {
		if (!scope_reg_is_known(&to, (unsigned)ra))
			return -EBADMSG;
		scope_reg_set(&to, SCOPE_REG_PC, to.r[ra]);
	}
	if (!scope_reg_is_known(&to, SCOPE_REG_PC) || !to.r[SCOPE_REG_PC] ||
	    /* A stack that does not shrink has no end. */
	    to.r[SCOPE_REG_SP] <= regs->r[SCOPE_REG_SP])
		return -EBADMSG;
	*regs = to;
	return 0;
}

/* -- names ----------------------------------------------------------------- */

static const char *symbol_at(const struct module *m, uint64_t vaddr)
{
	size_t lo = 0, hi = m->nsymbols;
	const Elf64_Sym *s;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (m->symbols[mid].st_value <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0)
		return NULL;
	s = &m->symbols[lo - 1];
	return vaddr - s->st_value < (s->st_size ? s->st_size : 1) ?
		       m->strings + s->st_name :
		       NULL;
}

/* Of a C++ function outside of any class its name alone: _Z, its length, it. */
static void put_clean(struct scope_buf *out, const char *s)
{
	char *end = NULL;
	size_t n = strlen(s), own;

	if (n > 3 && s[0] == '_' && s[1] == 'Z' && s[2] >= '1' && s[2] <= '9') {
		own = strtoul(s + 2, &end, 10);
		if (own <= strlen(end)) {
			s = end;
			n = own;
		}
	}
	for (; n; n--, s++)
		scope_buf_char(out, *s > ' ' && *s < 0x7f ? *s : '?');
}

int scope_unwind_name(struct scope_unwind *u, uint64_t addr,
		      struct scope_buf *out)
{
	struct module *m = module_of(u, addr);
	struct scope_symbol s = { 0 };
	const char *name = NULL;

	if (!m)
		return -ENOENT;
	look(u, m);
	if (m->is_main)
		(void)scope_target_function(u->t, addr - m->bias, &s);
	name = m->is_main ? s.name : symbol_at(m, addr - m->bias);
	if (name && *name) {
		put_clean(out, name);
		return 0;
	}
	put_clean(out, *m->name ? m->name : "?");
	scope_buf_lit(out, "+0x");
	scope_buf_hex(out, s.vaddr ? s.vaddr : addr - m->bias);
	return 0;
}
