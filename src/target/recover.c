/* SPDX-License-Identifier: MIT */
/*
 * Names of an emulator that hides them: where each comes from, the surest
 * first.
 *
 *   its symbols, or those of a debug file         elf_symbols.c
 *   a table of its build-id                       builds.c
 *   variables: what they hold in the live node    scan.c
 *   functions: the calls in the JIT's own code    fragment.c
 *   both: what they are in another build          shapes.c
 *
 * What none of them gives is not there: nothing is guessed.
 */
#include <elf.h>
#include <string.h>

#include "target/bif.h"
#include "target/builds.h"
#include "target/fragment.h"
#include "target/procfs.h"
#include "target/scan.h"
#include "target/shapes.h"
#include "target/target_int.h"

static int symbol(const struct scope_target *t, const char *name,
		  struct scope_symbol *ret_sym)
{
	int r = scope_elf_symbol(t->elf, name, ret_sym);

	if (r == -ENOENT && t->build)
		r = scope_build_find(t->build, name, ret_sym);
	for (unsigned i = 0; r == -ENOENT && i < SCOPE_VARS; i++)
		if (t->vars[i].name && !strcmp(t->vars[i].name, name)) {
			*ret_sym = (struct scope_symbol){
				.name = t->vars[i].name,
				.vaddr = t->vars[i].vaddr,
				.how = SCOPE_HOW_SIGNATURE,
			};
			r = 0;
		}
	if (r == -ENOENT && t->shapes)
		r = scope_shapes_find(t->shapes, name, ret_sym);
	return r;
}

/* From where to where the emulator has code, as it is loaded. */
static void text_of(const struct scope_target *t, uint64_t *ret_from,
		    uint64_t *ret_to)
{
	size_t n;
	const struct scope_elf_segment *s = scope_elf_segments(t->elf, &n);

	*ret_from = *ret_to = 0;
	for (size_t i = 0; i < n; i++)
		if (s[i].flags & PF_X) {
			*ret_from = t->info.bias + s[i].vaddr;
			*ret_to = *ret_from + s[i].filesz;
		}
}

/* A function that the JIT's code calls. */
static int called_by_jit(const struct scope_target *t, const char *name,
			 struct scope_symbol *ret_sym)
{
	uint64_t from, to, addr, descriptor;
	int r;

	descriptor = scope_target_address(t, "__jit_debug_descriptor");
	if (!descriptor)
		return -ENOENT;
	text_of(t, &from, &to);
	/* Only to be read from: the function takes no more. */
	r = scope_fragment_find(scope_target_read, (void *)(uintptr_t)t,
				descriptor, from, to, name, &addr);
	if (r < 0)
		return -ENOENT;
	addr -= t->info.bias;
	r = scope_elf_function(t->elf, addr, ret_sym);
	if (r < 0 || ret_sym->vaddr != addr)
		return -ENOENT;
	ret_sym->name = *name == '~' ? name + 1 : name;
	ret_sym->how = SCOPE_HOW_JIT;
	return 0;
}

int scope_target_symbol(const struct scope_target *t, const char *name,
			struct scope_symbol *ret_sym)
{
	int r = symbol(t, name, ret_sym);

	return r == -ENOENT && t->info.hides_symbols ?
		       called_by_jit(t, name, ret_sym) :
		       r;
}

/* See shapes.h. "erlang:send/2" of a BIF. */
static uint64_t anchor(void *arg, char kind, const char *name)
{
	struct scope_target *t = arg;
	char text[256], *module = text, *function, *arity;
	struct scope_symbol s;
	int r = -ENOENT;

	switch (kind) {
	case 'x':
		r = scope_elf_symbol(t->elf, name, &s);
		break;
	case 'j':
		r = called_by_jit(t, name, &s);
		break;
	case 'b':
		if (snprintf(text, sizeof(text), "%s", name) >=
		    (int)sizeof(text))
			return 0;
		function = strchr(text, ':');
		arity = strrchr(text, '/');
		if (!function || !arity || arity < function)
			return 0;
		*function++ = *arity++ = '\0';
		r = scope_bifs_find(t->bifs, module, function,
				    (unsigned)atoi(arity), &s);
		break;
	default:
		break;
	}
	return r == 0 ? s.vaddr : 0;
}

int scope_target_find_shapes(struct scope_target *t)
{
	const struct scope_shapes_opts opts = { .anchor = anchor, .arg = t };
	int r;

	if (!t->info.hides_symbols || t->build)
		return 0;
	r = scope_shapes_new(t->elf, t->layout.otp, &opts, &t->shapes);
	return r == -ENOMEM ? r : 0;
}

int scope_target_function(const struct scope_target *t, uint64_t vaddr,
			  struct scope_symbol *ret_fn)
{
	int r = scope_elf_function(t->elf, vaddr, ret_fn);

	if (r == 0 && !ret_fn->name && t->build)
		ret_fn->name = scope_build_name(t->build, ret_fn->vaddr);
	return r;
}

uint64_t scope_target_address(const struct scope_target *t, const char *name)
{
	struct scope_symbol s;

	return symbol(t, name, &s) == 0 ? t->info.bias + s.vaddr : 0;
}

/* -- what a node must be running for ------------------------------------------- */

struct threads {
	unsigned n[3], highest[3];
	bool has_poller;
};

static int count(void *arg, pid_t tid, const char *comm)
{
	struct threads *c = arg;
	unsigned kind, no;

	(void)tid;
	if (scope_thread_parse(comm, &kind, &no)) {
		c->n[kind]++;
		if (no > c->highest[kind])
			c->highest[kind] = no;
	}
	if (!strncmp(comm, "erts_poll", 9))
		c->has_poller = true;
	return 0;
}

int scope_target_count_threads(struct scope_target *t)
{
	struct threads c = { 0 };
	int r = scope_procfs_threads(t->info.pid, count, &c);

	if (r < 0)
		return r;
	/* They are made in this order, pollers last, and each names itself
	 * before the next is made (erl_process.c, erts_start_schedulers). */
	for (unsigned k = 0; k < 3; k++)
		if (c.n[k] != c.highest[k])
			return -EAGAIN;
	if (!c.has_poller || !c.n[0])
		return -EAGAIN;
	t->info.schedulers = c.n[0];
	t->info.dirty_cpu = c.n[1];
	t->info.dirty_io = c.n[2];
	return 0;
}

static int scan_for(struct scope_scan *s, struct scope_target *t, unsigned i,
		    uint64_t *ret_vaddr)
{
	switch (i) {
	case 0:
		t->vars[i].name = "erts_atom_table";
		return scope_scan_atoms(s, ret_vaddr);
	case 1:
		t->vars[i].name = "erts_proc";
		return scope_scan_table(s, 0x3, ret_vaddr);
	case 2:
		t->vars[i].name = "erts_port";
		return scope_scan_table(s, 0x7, ret_vaddr);
	case 3:
		t->vars[i].name = "erts_aligned_scheduler_data";
		return scope_scan_schedulers(s, t->info.schedulers, ret_vaddr);
	case 4:
		t->vars[i].name = "__jit_debug_descriptor";
		return scope_scan_descriptor(s, ret_vaddr);
	default:
		t->vars[i].name = "erts_this_node";
		return scope_scan_this_node(s, ret_vaddr);
	}
}

int scope_target_recover(struct scope_target *t, struct scope_err *err)
{
	scope_auto(scope_scan) s = NULL;
	struct scope_symbol sym;
	int r;

	if (!t->info.hides_symbols || symbol(t, "erts_proc", &sym) == 0)
		return 0;
	r = scope_scan_open(t->elf, t->vm.layout, scope_target_read, t,
			    t->info.bias, &s);
	for (unsigned i = 0; r == 0 && i < SCOPE_VARS; i++) {
		r = scan_for(s, t, i, &t->vars[i].vaddr);
		if (r == 0)
			continue;
		if (r == -ENOENT || r == -ENOTUNIQ)
			r = scope_fail(err, -ENOTSUP,
				       "%s hides its symbols, and %s is not "
				       "found in PID %d by what it holds%s",
				       t->path, t->vars[i].name,
				       (int)t->info.pid,
				       r == -ENOTUNIQ ?
					       ": several look like it" :
					       "");
		/* All or none: they are looked for anew. */
		memset(t->vars, 0, sizeof(t->vars));
	}
	return r;
}
