/* SPDX-License-Identifier: MIT */
#include "target/target.h"

#include <elf.h>
#include <string.h>
#include <time.h>

#include "beam/layout.h"
#include "target/bif.h"
#include "target/builds.h"
#include "target/procfs.h"
#include "target/ranges.h"
#include "target/shapes.h"
#include "target/stapsdt.h"
#include "target/target_int.h"
#include "target/verify.h"

/* A node that starts needs 0.1 s to 2 s until it has its first process. */
#define START_TRIES 40
#define START_WAIT_MS 50

/* More normal, dirty CPU or dirty I/O schedulers the VM does not take
 * (erl_process.h, ERTS_MAX_NO_OF_SCHEDULERS). */
#define SCHEDULERS_MAX 1024

/* _start, which has that much code at least. */
#define ENTRY_BYTES 32

void scope_target_free(struct scope_target *t)
{
	if (!t)
		return;
	scope_vm_done(&t->vm);
	scope_map_free(t->threads);
	scope_bifs_free(t->bifs);
	scope_build_free(t->build);
	scope_shapes_free(t->shapes);
	scope_elf_free(t->elf);
	if (t->is_open)
		scope_attacher_close(t->attacher, t->slot);
	scope_attacher_free(t->own);
	if (t->memfd >= 0)
		(void)close(t->memfd);
	if (t->exefd >= 0)
		(void)close(t->exefd);
	if (t->auxvfd >= 0)
		(void)close(t->auxvfd);
	if (t->pidfd >= 0)
		(void)close(t->pidfd);
	free(t);
}

static int gone(struct scope_target *t, struct scope_err *err)
{
	return scope_fail(err, -ESRCH, "PID %d has ended", (int)t->info.pid);
}

/* The lowest address of code that the file asks for (load_elf_binary in the
 * kernel's fs/binfmt_elf.c, whose start_code it is). */
static uint64_t lowest_code(const struct scope_target *t)
{
	uint64_t lowest = UINT64_MAX;
	size_t n;
	const struct scope_elf_segment *s = scope_elf_segments(t->elf, &n);

	for (size_t i = 0; i < n; i++)
		if ((s[i].flags & PF_X) && s[i].vaddr < lowest)
			lowest = s[i].vaddr;
	return lowest;
}

/*
 * The kernel tells the program where its entry is (AT_ENTRY), which gives the
 * bias without guessing from names of mappings; and who may not read that is
 * told where its code starts.
 */
static int read_bias(struct scope_target *t)
{
	uint64_t entry;
	int r;

	if (t->auxvfd >= 0) {
		r = scope_procfs_auxv(t->auxvfd, AT_ENTRY, &entry);
		if (r == 0)
			t->info.bias = entry - scope_elf_entry(t->elf);
		return r;
	}
	if (!t->start_code)
		return -EACCES;
	t->info.bias = t->start_code - lowest_code(t);
	return 0;
}

/* That the file is what is mapped there is seen from the code of the entry. */
static int find_bias(struct scope_target *t, struct scope_err *err)
{
	const uint64_t at = scope_elf_entry(t->elf);
	const uint8_t *in_file = scope_elf_at(t->elf, at, ENTRY_BYTES);
	uint8_t in_memory[ENTRY_BYTES];
	int r = read_bias(t);

	if (r == -ESRCH)
		return gone(t, err);
	if (r < 0)
		return scope_fail(err, r, "can't read where PID %d is loaded: %s",
				  (int)t->info.pid, strerror(-r));
	if (in_file)
		r = scope_target_read(t, t->info.bias + at, in_memory,
				      sizeof(in_memory));
	if (r == -ESRCH)
		return gone(t, err);
	if (!in_file || r < 0 ||
	    memcmp(in_memory, in_file, sizeof(in_memory)) != 0)
		return scope_fail(err, -ENOTSUP,
				  "%s is not what is in the memory of PID %d",
				  t->path, (int)t->info.pid);
	return 0;
}

/* Numbers of schedulers: Uint variables of erl_process.c. -EAGAIN: not set
 * yet. */
static int read_counts(struct scope_target *t)
{
	static const char *const names[] = { "erts_no_schedulers",
					     "erts_no_dirty_cpu_schedulers",
					     "erts_no_dirty_io_schedulers" };
	unsigned *const to[] = { &t->info.schedulers, &t->info.dirty_cpu,
				 &t->info.dirty_io };

	if (t->info.hides_symbols && !scope_target_address(t, names[0]))
		return scope_target_count_threads(t);
	for (unsigned i = 0; i < 3; i++) {
		uint64_t at = scope_target_address(t, names[i]), n = 0;
		int r = at ? scope_target_read(t, at, &n, sizeof(n)) :
			     -ENOTSUP;

		if (r < 0)
			return r;
		if (n > SCHEDULERS_MAX)
			return -ENOTSUP;
		*to[i] = (unsigned)n;
	}
	return t->info.schedulers ? 0 : -EAGAIN;
}

/* ErtsPTab of ports: the same type as that of processes. */
static int read_ports(struct scope_target *t)
{
	struct scope_table ports = { .vm = &t->vm };

	ports.addr = scope_target_address(t, "erts_port");
	return ports.addr ? scope_table_load(&ports, &t->vm.ports) : -ENOTSUP;
}

/* One try; -EAGAIN while the node is starting up. */
static int read_node(struct scope_target *t, struct scope_err *err)
{
	int r = read_counts(t);

	if (r == 0)
		r = scope_target_recover(t, err);
	if (r < 0)
		return r;
	t->vm.atom_table = scope_target_address(t, "erts_atom_table");
	t->table.addr = scope_target_address(t, "erts_proc");
	r = scope_table_load(&t->table, &t->vm.procs);
	if (r == 0)
		r = read_ports(t);
	if (r == 0)
		r = scope_target_verify(t, err);
	return r;
}

static int wait_for_node(struct scope_target *t, struct scope_err *err)
{
	const struct timespec wait = { .tv_nsec = START_WAIT_MS * 1000000l };
	struct scope_err why = { 0 };
	int r = -EAGAIN;

	for (int i = 0; i < START_TRIES; i++) {
		why = (struct scope_err){ 0 };
		r = read_node(t, &why);
		/* A misfit may be a state half made: it must last. */
		if (r == 0 || r == -ENOMEM)
			break;
		if (r == -ESRCH || scope_target_is_gone(t))
			return gone(t, err);
		(void)nanosleep(&wait, NULL);
	}
	if (r < 0 && why.code)
		return scope_fail(err, why.code, "%s", why.text);
	if (r == -EAGAIN)
		return scope_fail(err, r,
				  "PID %d has not finished starting; try again "
				  "later",
				  (int)t->info.pid);
	if (r < 0)
		return scope_fail(err, r, "can't read the tables of PID %d: %s",
				  (int)t->info.pid, strerror(-r));
	return 0;
}

/* erts_this_node_sysname (erl_node_tables.c): the same as text, which takes no
 * layout. */
static uint64_t node_by_text(struct scope_target *t)
{
	uint64_t at = scope_target_address(t, "erts_this_node_sysname");
	char text[256];

	if (!at || scope_target_read(t, at, &at, sizeof(at)) < 0 ||
	    scope_target_read(t, at, text, sizeof(text)) < 0)
		return 0;
	return scope_vm_atom_of_printed(&t->vm, text,
					strnlen(text, sizeof(text)));
}

/* erts_this_node (erl_node_tables.c): its sysname is nonode@nohost until the
 * node is alive. */
uint64_t scope_target_node(struct scope_target *t, uint32_t *ret_creation)
{
	uint64_t at = scope_target_address(t, "erts_this_node"), node, atom;

	*ret_creation = 0;
	if (t->info.no_layout)
		return node_by_text(t);
	if (!at || scope_target_read(t, at, &node, 8) < 0 || !node ||
	    scope_target_read(t, node + t->vm.layout->node_sysname, &atom,
			      8) < 0 ||
	    scope_target_read(t, node + t->vm.layout->node_creation,
			      ret_creation, 4) < 0)
		return 0;
	return scope_is_atom(atom) ? atom : 0;
}

static void read_name(struct scope_target *t)
{
	uint32_t creation;
	size_t len = 0;
	const char *name = scope_vm_atom(&t->vm,
					 scope_target_node(t, &creation), &len);

	if (!name)
		name = "nonode@nohost", len = strlen(name);
	if (len >= sizeof(t->node))
		len = sizeof(t->node) - 1;
	memcpy(t->node, name, len);
	t->node[len] = 0;
}

static int is_vm_probe(void *arg, const struct scope_stapsdt *p)
{
	(void)arg;
	return !strcmp(p->provider, "erlang") && !strcmp(p->name, "message__send");
}

bool scope_target_has_probes(const struct scope_target *t)
{
	return scope_target_usdt(t, is_vm_probe, NULL) > 0;
}

void scope_target_give_up_layout(struct scope_target *t,
				 const struct scope_err *why)
{
	(void)snprintf(t->no_layout, sizeof(t->no_layout), "%.*s",
		       (int)sizeof(t->no_layout) - 1, why->text);
	t->info.no_layout = t->no_layout;
}

static int init_vm(struct scope_target *t, struct scope_err *err)
{
	int r;

	/* Numbers of processes as they are printed, and nothing else. */
	t->layout = (struct scope_layout){
		.otp = (unsigned)strtoul(t->otp, NULL, 10),
		.pixdata = 1,
	};
	if (!t->info.no_layout)
		t->layout = *scope_layout_of(t->layout.otp);
	if (!t->info.no_layout && scope_target_has_probes(t))
		scope_layout_add_probes(&t->layout);
	r = scope_vm_init(&t->vm, &t->layout, scope_target_read, t);
	if (r < 0)
		return scope_fail(err, r, "out of memory");
	t->vm.batch = scope_target_batch;
	return 0;
}

/* All that is known of a node whose structures are not. */
static int look_without_layout(struct scope_target *t, struct scope_err *err)
{
	int r;

	(void)scope_target_count_threads(t);
	read_name(t);
	r = scope_target_load_threads(t);
	if (r == -ESRCH)
		return gone(t, err);
	return r < 0 ? scope_fail(err, r, "can't list the threads of PID %d: %s",
				  (int)t->info.pid, strerror(-r)) :
		       0;
}

/* A layout that does not fit is as one that is not known. */
static int find_tables(struct scope_target *t, struct scope_err *err)
{
	struct scope_err why = { 0 };
	int r = wait_for_node(t, &why);

	if (r != -ENOTSUP || !scope_target_has_probes(t))
		return r < 0 ? scope_fail(err, r, "%s", why.text) : 0;
	scope_target_give_up_layout(t, &why);
	scope_vm_done(&t->vm);
	return init_vm(t, err);
}

static int open_all(struct scope_target *t, struct scope_err *err)
{
	int r = scope_target_identify(t, err);

	if (r == 0)
		r = find_bias(t, err);
	if (r < 0)
		return r;
	r = init_vm(t, err);
	if (r == 0 && !t->info.no_layout)
		r = find_tables(t, err);
	if (r < 0)
		return r;
	if (t->info.no_layout)
		return look_without_layout(t, err);
	t->info.procs = t->table.tab;
	read_name(t);
	r = scope_target_load_threads(t);
	if (r == 0)
		r = scope_bifs_new(t->elf, &t->bifs);
	if (r == 0)
		r = scope_target_find_shapes(t);
	if (r == -ESRCH)
		return gone(t, err);
	return r < 0 ? scope_fail(err, r, "can't list the threads of PID %d: %s",
				  (int)t->info.pid, strerror(-r)) :
		       0;
}

static int open_target(struct scope_attacher *a, struct scope_attacher *own,
		       pid_t pid, struct scope_target **ret_target,
		       struct scope_err *err)
{
	scope_auto(scope_target) t = calloc(1, sizeof(*t));
	int r;

	if (!t) {
		scope_attacher_free(own);
		return scope_fail(err, -ENOMEM, "out of memory");
	}
	t->attacher = a;
	t->own = own;
	t->pidfd = t->memfd = t->exefd = t->auxvfd = -1;
	t->info = (struct scope_target_info){
		.pid = pid,
		.exe = t->exe,
		.path = t->path,
		.otp = t->otp,
		.erts = t->erts,
		.node = t->node,
		.place = &t->place,
	};
	t->table.vm = &t->vm;
	r = open_all(t, err);
	if (r < 0)
		return r;
	t->info.symbols = t->info.hides_symbols	      ? "hidden; recovered" :
			  scope_elf_has_symtab(t->elf) ? ".symtab" :
							 ".dynsym";
	*ret_target = scope_take(t);
	return 0;
}

int scope_target_open_probes(struct scope_attacher *a, pid_t pid,
			     struct scope_target **ret_target,
			     struct scope_err *err)
{
	return open_target(a, NULL, pid, ret_target, err);
}

int scope_target_needs_layout(const struct scope_target *t,
			      struct scope_err *err)
{
	return t->info.no_layout ?
		       scope_fail(err, -ENOTSUP, "%s", t->info.no_layout) :
		       0;
}

int scope_target_open_by(struct scope_attacher *a, pid_t pid,
			 struct scope_target **ret_target,
			 struct scope_err *err)
{
	scope_auto(scope_target) t = NULL;
	int r = open_target(a, NULL, pid, &t, err);

	if (r == 0)
		r = scope_target_needs_layout(t, err);
	if (r == 0)
		*ret_target = scope_take(t);
	return r;
}

int scope_target_open(pid_t pid, struct scope_target **ret_target,
		      struct scope_err *err)
{
	scope_auto(scope_target) t = NULL;
	struct scope_attacher *a;
	int r = scope_attacher_local(&a, err);

	if (r == 0)
		r = open_target(a, a, pid, &t, err);
	if (r == 0)
		r = scope_target_needs_layout(t, err);
	if (r == 0)
		*ret_target = scope_take(t);
	return r;
}

struct scope_attacher *scope_target_attacher(const struct scope_target *t)
{
	return t->attacher;
}

uint64_t scope_target_socket(const struct scope_target *t, int fd)
{
	uint64_t inode = 0;

	(void)scope_attacher_socket(t->attacher, t->slot, fd, &inode);
	return inode;
}

unsigned scope_target_slot(const struct scope_target *t)
{
	return t->slot;
}

const struct scope_target_info *scope_target_info(const struct scope_target *t)
{
	return &t->info;
}

struct scope_vm *scope_target_vm(struct scope_target *t)
{
	return &t->vm;
}

int scope_target_pidfd(const struct scope_target *t)
{
	return t->pidfd;
}

int64_t scope_wall_offset_ns(void)
{
	struct timespec mono, real, again;

	/* Between two readings of the one clock, so that a pause between them
	 * counts half. */
	(void)clock_gettime(CLOCK_MONOTONIC, &mono);
	(void)clock_gettime(CLOCK_REALTIME, &real);
	(void)clock_gettime(CLOCK_MONOTONIC, &again);
	return (real.tv_sec - mono.tv_sec) * 1000000000ll + real.tv_nsec -
	       mono.tv_nsec -
	       ((again.tv_sec - mono.tv_sec) * 1000000000ll + again.tv_nsec -
		mono.tv_nsec) / 2;
}

const uint8_t *scope_target_text(const struct scope_target *t, uint64_t vaddr,
				 size_t len)
{
	return scope_elf_is_code(t->elf, vaddr) ?
		       scope_elf_at(t->elf, vaddr, len) :
		       NULL;
}

int scope_target_bif(const struct scope_target *t, const char *module,
		     const char *function, unsigned arity,
		     struct scope_symbol *ret_sym)
{
	return scope_bifs_find(t->bifs, module, function, arity, ret_sym);
}

int scope_target_bif_at(const struct scope_target *t, uint64_t addr,
			const char **ret_module, const char **ret_function,
			unsigned *ret_arity)
{
	return scope_bifs_at(t->bifs, addr - t->info.bias, ret_module,
			     ret_function, ret_arity);
}

int scope_target_usdt(const struct scope_target *t,
		      int (*fn)(void *arg, const struct scope_stapsdt *p),
		      void *arg)
{
	uint64_t at, base = 0;
	size_t len, none;
	const uint8_t *notes =
		scope_elf_section(t->elf, ".note.stapsdt", &len, &at);

	if (!notes || !len)
		return -ENOENT;
	if (!scope_elf_section(t->elf, ".stapsdt.base", &none, &base))
		base = 0;
	return scope_stapsdt_each(notes, len, base, fn, arg);
}

int scope_target_offset(const struct scope_target *t, uint64_t vaddr,
			uint64_t *ret_offset)
{
	return scope_elf_offset(t->elf, vaddr, ret_offset);
}

uint64_t scope_target_atom(struct scope_target *t, const char *text)
{
	return scope_vm_atom_known(&t->vm, text, strlen(text));
}

int scope_target_procs(struct scope_target *t,
		       int (*fn)(void *arg, const struct scope_proc *p),
		       void *arg, struct scope_err *err)
{
	int r;

	if (t->info.no_layout)
		return 0;
	t->table.initial_call = scope_target_atom(t, "$initial_call");
	r = scope_table_walk(&t->table, fn, arg);
	if (r == -ESRCH)
		return gone(t, err);
	if (r == -EOWNERDEAD)
		return scope_fail(err, r,
				  "the process that attaches has ended");
	return r;
}

int scope_target_proc(struct scope_target *t, uint64_t pid,
		      struct scope_proc *ret_proc)
{
	if (t->info.no_layout)
		return -ESRCH;
	t->table.initial_call = scope_target_atom(t, "$initial_call");
	return scope_table_get(&t->table, pid, ret_proc);
}

uint64_t scope_target_dict(struct scope_target *t, const struct scope_proc *p,
			   const char *key)
{
	const struct scope_layout *l = t->vm.layout;
	uint64_t atom = scope_target_atom(t, key), dict, pid;

	if (!atom || scope_target_read(t, p->addr + l->p_dictionary, &dict,
				       sizeof(dict)) < 0)
		return 0;
	/* The struct may be another process's by now. */
	if (scope_target_read(t, p->addr, &pid, sizeof(pid)) < 0 ||
	    pid != p->pid)
		return 0;
	return scope_dict_get(&t->vm, dict, atom);
}

int scope_target_ranges(const struct scope_target *t,
			struct scope_ranges **ret_ranges)
{
	uint64_t active = scope_target_address(t, "the_active_code_index");
	const struct scope_elf_segment *seg;
	uint64_t tables = 0, found;
	uint32_t index;
	size_t n;
	int r;

	if (t->info.jit || !active || t->info.no_layout)
		return -ENOENT;
	r = scope_target_read((void *)(uintptr_t)t, active, &index,
			      sizeof(index));
	if (r < 0)
		return r;
	seg = scope_elf_segments(t->elf, &n);
	for (size_t i = 0; i < n; i++) {
		uint64_t lo = t->info.bias + seg[i].vaddr;

		if (!(seg[i].flags & PF_W))
			continue;
		r = scope_ranges_locate(&t->vm, lo, lo + seg[i].memsz, index,
					&found);
		if (r == 0 && tables)
			return -ENOENT;
		if (r == 0)
			tables = found;
		else if (r != -ENOENT)
			return r;
	}
	if (!tables)
		return -ENOENT;
	*ret_ranges = scope_ranges_new(&t->vm, tables, active);
	return *ret_ranges ? 0 : -ENOMEM;
}
