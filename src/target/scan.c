/* SPDX-License-Identifier: MIT */
#include "target/scan.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "target/code.h"

#define PAGE 4096u

/* The largest of what is looked for: an ErtsPTab. */
#define STRUCT_MAX 512u

/* Checked of a table or list: more would say no more. */
#define ATOMS_CHECKED 64
#define ENTRIES_CHECKED 64
#define SLOTS_READ 65536u

/* More modules than any node has, and fewer than any that is up. */
#define MODULES_MAX 200000
#define MODULES_MIN 5

/* index.h: Hash.name of an IndexTable, and IndexSlot.index of its slots. */
#define HASH_NAME 64
#define SLOT_INDEX 16

/* erl_node_tables.h, the same in OTP 25 to 29. */
#define NODE_DIST_ENTRY 40
#define DIST_SYSNAME 112

/* As far into an ErtsRunQueue as its pointer to the scheduler may stand. */
#define RUN_QUEUE_BYTES 512

struct piece {
	uint64_t vaddr;
	size_t len;
	uint8_t *bytes; /* owned */
};

struct scope_scan {
	const struct scope_elf *elf;
	const struct scope_layout *l;
	scope_read_fn *read;
	void *arg;
	uint64_t bias;
	struct piece pieces[SCOPE_ELF_SEGMENTS_MAX];
	size_t n;
	uint64_t left; /* how much more may be read, see read_some */
};

/* Does what could stand at p (in the copy, STRUCT_MAX bytes of it) check out?
 * 1, 0, or an error. */
typedef int check_fn(struct scope_scan *s, const uint8_t *p,
		     const void *arg);

void scope_scan_free(struct scope_scan *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		free(s->pieces[i].bytes);
	free(s);
}

static uint64_t u64_at(const uint8_t *p, size_t off)
{
	uint64_t v;

	memcpy(&v, p + off, sizeof(v));
	return v;
}

static uint32_t u32_at(const uint8_t *p, size_t off)
{
	uint32_t v;

	memcpy(&v, p + off, sizeof(v));
	return v;
}

static bool is_pointer(uint64_t w, unsigned align)
{
	return w >= PAGE && !(w >> 47) && !(w & (align - 1));
}

/* What is read may be made to lead to ever more. */
static int read_some(void *arg, uint64_t addr, void *buf, size_t len)
{
	struct scope_scan *s = arg;
	uint64_t cost = 1 + len / PAGE;

	if (cost > s->left)
		return -EFBIG;
	s->left -= cost;
	return addr >= PAGE && !(addr >> 47) ?
		       s->read(s->arg, addr, buf, len) :
		       -EFAULT;
}

/* 1: read; 0: not mapped, or no pointer; -ESRCH, -EFBIG. */
static int fetch(struct scope_scan *s, uint64_t addr, void *buf, size_t len)
{
	int r = read_some(s, addr, buf, len);

	return r == 0 ? 1 : r == -ESRCH || r == -EFBIG ? r : 0;
}

static int fetch_u64(struct scope_scan *s, uint64_t addr, uint64_t *ret)
{
	return fetch(s, addr, ret, sizeof(*ret));
}

/* A segment page by page, for what is not mapped in it is no reason not to
 * look at the rest. */
static int copy_segment(struct scope_scan *s, uint64_t vaddr, uint64_t memsz)
{
	struct piece *p = &s->pieces[s->n];
	uint64_t skip = -vaddr & 7;

	if (memsz <= skip)
		return 0;
	p->vaddr = vaddr + skip;
	p->len = (size_t)((memsz - skip) & ~7ull);
	/* With room behind, so that each word can be taken for a struct. */
	p->bytes = calloc(1, p->len + STRUCT_MAX);
	if (!p->bytes)
		return -ENOMEM;
	s->n++;
	for (size_t at = 0; at < p->len;) {
		uint64_t addr = s->bias + p->vaddr + at;
		size_t n = PAGE - (addr & (PAGE - 1));

		if (n > p->len - at)
			n = p->len - at;
		if (fetch(s, addr, p->bytes + at, n) < 0)
			return -ESRCH;
		at += n;
	}
	return 0;
}

int scope_scan_open(const struct scope_elf *e, const struct scope_layout *l,
		    scope_read_fn *read, void *arg, uint64_t bias,
		    struct scope_scan **ret_scan)
{
	scope_auto(scope_scan) s = calloc(1, sizeof(*s));
	const struct scope_elf_segment *seg;
	uint64_t total = 0;
	size_t n;
	int r = 0;

	if (!s)
		return -ENOMEM;
	s->elf = e;
	s->l = l;
	s->read = read;
	s->arg = arg;
	s->bias = bias;
	s->left = SCOPE_SCAN_READS;
	seg = scope_elf_segments(e, &n);
	for (size_t i = 0; i < n && r == 0; i++) {
		if (!(seg[i].flags & PF_W))
			continue;
		if (seg[i].memsz > SCOPE_SCAN_BYTES - total)
			return -EFBIG;
		total += seg[i].memsz;
		r = copy_segment(s, seg[i].vaddr, seg[i].memsz);
	}
	if (r == 0)
		*ret_scan = scope_take(s);
	return r;
}

/* The only place that checks out. With `is_value`, places that hold the same
 * word are one: a pointer may be kept twice. */
static int only(struct scope_scan *s, check_fn *check, const void *arg,
		bool is_value, uint64_t *ret_vaddr)
{
	uint64_t found = 0, value = 0;

	for (size_t i = 0; i < s->n; i++)
		for (size_t at = 0; at < s->pieces[i].len; at += 8) {
			const uint8_t *p = s->pieces[i].bytes + at;
			int r = check(s, p, arg);

			if (r < 0)
				return r;
			if (r == 0 || (found && is_value &&
				       u64_at(p, 0) == value))
				continue;
			if (found)
				return -ENOTUNIQ;
			found = s->pieces[i].vaddr + at;
			value = u64_at(p, 0);
		}
	if (!found)
		return -ENOENT;
	*ret_vaddr = found;
	return 0;
}

/* -- atoms ----------------------------------------------------------------- */

/* Its Hash is called "atom_tab"; but its locks and its memory are called so
 * too, so its first entries must be in their places as well. */
static int is_atom_table(struct scope_scan *s, const uint8_t *p,
			 const void *arg)
{
	uint64_t slots[ATOMS_CHECKED], segment;
	const char *name;
	uint32_t entries, index;
	int r;

	(void)arg;
	if (!is_pointer(u64_at(p, HASH_NAME), 1) ||
	    !is_pointer(u64_at(p, s->l->at_seg_table), 8))
		return 0;
	name = scope_elf_text(s->elf, u64_at(p, HASH_NAME) - s->bias, 16);
	entries = u32_at(p, s->l->at_entries);
	if (!name || strcmp(name, "atom_tab") != 0 || entries < ATOMS_CHECKED)
		return 0;
	r = fetch_u64(s, u64_at(p, s->l->at_seg_table), &segment);
	if (r > 0)
		r = fetch(s, segment, slots, sizeof(slots));
	for (uint32_t i = 0; r > 0 && i < ATOMS_CHECKED; i++) {
		r = fetch(s, slots[i] + SLOT_INDEX, &index, sizeof(index));
		if (r > 0 && index != i)
			r = 0;
	}
	return r;
}

int scope_scan_atoms(struct scope_scan *s, uint64_t *ret_vaddr)
{
	return only(s, is_atom_table, NULL, false, ret_vaddr);
}

/* -- processes and ports ----------------------------------------------------- */

/* Do the entries of the table have ids with this tag? At least one, and the
 * first ENTRIES_CHECKED of them. */
static int have_tag(struct scope_scan *s, uint64_t tab, uint32_t slots,
		    uint64_t invalid, unsigned tag)
{
	scope_autofree uint64_t *p = NULL;
	unsigned seen = 0;
	int r;

	if (slots > SLOTS_READ)
		slots = SLOTS_READ;
	p = malloc((size_t)slots * 8);
	if (!p)
		return -ENOMEM;
	r = fetch(s, tab, p, (size_t)slots * 8);
	for (uint32_t i = 0; r > 0 && i < slots && seen < ENTRIES_CHECKED;
	     i++) {
		uint64_t id = 0;

		if (p[i] == 0 || p[i] == invalid)
			continue;
		r = is_pointer(p[i], 8) ? fetch_u64(s, p[i], &id) : 0;
		if (r > 0 && (id & 0xf) != tag)
			r = 0;
		seen++;
	}
	return r > 0 && seen == 0 ? 0 : r;
}

static int is_table(struct scope_scan *s, const uint8_t *p,
		    const void *arg)
{
	const struct scope_layout *l = s->l;
	const uint8_t *ro = p + l->pt_ro;
	uint32_t max = u32_at(ro, l->t_max);
	uint64_t mask = l->pixdata ? u64_at(ro, l->t_pix_mask) :
				     u32_at(ro, l->t_pix_mask);

	if (max < 1024 || max > 1u << 27 || (max & (max - 1)) != 0 ||
	    mask != max - 1 || u32_at(p, l->pt_count) > max ||
	    !is_pointer(u64_at(ro, l->t_tab), 8) ||
	    !is_pointer(u64_at(ro, l->t_invalid), 8))
		return 0;
	return have_tag(s, u64_at(ro, l->t_tab), max, u64_at(ro, l->t_invalid),
			*(const unsigned *)arg);
}

int scope_scan_table(struct scope_scan *s, unsigned tag,
		     uint64_t *ret_vaddr)
{
	return only(s, is_table, &tag, false, ret_vaddr);
}

/* -- schedulers -------------------------------------------------------------- */

/* The scheduler's run queue knows which scheduler it is of. */
static int leads_back(struct scope_scan *s, uint64_t esdp)
{
	uint64_t queue, words[RUN_QUEUE_BYTES / 8];
	int r = fetch_u64(s, esdp + s->l->s_run_queue, &queue);

	if (r > 0)
		r = is_pointer(queue, 8) ?
			    fetch(s, queue, words, sizeof(words)) :
			    0;
	for (size_t i = 0; r > 0 && i < RUN_QUEUE_BYTES / 8; i++)
		if (words[i] == esdp)
			return 1;
	return r > 0 ? 0 : r;
}

/* A pointer to the array of all normal schedulers, numbered from 1. */
static int is_schedulers(struct scope_scan *s, const uint8_t *p,
			 const void *arg)
{
	const unsigned n = *(const unsigned *)arg;
	uint64_t first = u64_at(p, 0);
	int r = is_pointer(first, 64);

	for (unsigned i = 0; r > 0 && i < n; i++) {
		uint64_t esdp = first + (uint64_t)i * s->l->s_stride, no;
		uint32_t type;

		r = fetch_u64(s, esdp + s->l->s_no, &no);
		if (r > 0 && no != i + 1)
			r = 0;
		if (r > 0)
			r = fetch(s, esdp + s->l->s_type, &type, sizeof(type));
		if (r > 0 && type != 0)
			r = 0;
		if (r > 0)
			r = leads_back(s, esdp);
	}
	return r;
}

int scope_scan_schedulers(struct scope_scan *s, unsigned schedulers,
			  uint64_t *ret_vaddr)
{
	if (schedulers == 0)
		return -ENOENT;
	return only(s, is_schedulers, &schedulers, true, ret_vaddr);
}

/* -- the JIT's descriptor ------------------------------------------------------ */

/* struct jit_descriptor {u32 version, u32 action, relevant, first}: the chain
 * from `first` is one of JIT entries, one of them the emulator's own. */
static int is_descriptor(struct scope_scan *s, const uint8_t *p,
			 const void *arg)
{
	uint64_t at = u64_at(p, 16);
	unsigned own = 0, modules = 0;

	(void)arg;
	if (u32_at(p, 0) != 1 || u32_at(p, 4) > 2 || !is_pointer(at, 8) ||
	    (u64_at(p, 8) != 0 && !is_pointer(u64_at(p, 8), 8)))
		return 0;
	while (at) {
		struct scope_code_entry e = { 0 };
		int r = is_pointer(at, 8) ?
				scope_code_entry(read_some, s, at, &e) :
				-EFAULT;

		if (r == -ESRCH || r == -EFBIG)
			return r;
		if (r < 0 || modules + own == MODULES_MAX)
			return 0;
		if (e.is_module)
			modules++;
		else
			own++;
		at = e.next;
	}
	return own == 1 && modules >= MODULES_MIN;
}

int scope_scan_descriptor(struct scope_scan *s, uint64_t *ret_vaddr)
{
	return only(s, is_descriptor, NULL, false, ret_vaddr);
}

/* -- this node ------------------------------------------------------------------ */

/* A pointer to an ErlNode: its name, an atom, is that of its DistEntry too. Of
 * all nodes only this one has a variable. */
static int is_node(struct scope_scan *s, const uint8_t *p,
		   const void *arg)
{
	uint64_t node = u64_at(p, 0), name = 0, dist, other = 0;
	int r = is_pointer(node, 8);

	(void)arg;
	if (r > 0)
		r = fetch_u64(s, node + s->l->node_sysname, &name);
	if (r > 0)
		r = scope_is_atom(name) && name >> 6 < SCOPE_ATOMS_MAX;
	if (r > 0)
		r = fetch_u64(s, node + NODE_DIST_ENTRY, &dist);
	if (r > 0)
		r = is_pointer(dist, 8) ?
			    fetch_u64(s, dist + DIST_SYSNAME, &other) :
			    0;
	return r > 0 ? name == other : r;
}

int scope_scan_this_node(struct scope_scan *s, uint64_t *ret_vaddr)
{
	return only(s, is_node, NULL, true, ret_vaddr);
}
