/* SPDX-License-Identifier: MIT */
#include "target/naming.h"

#include <string.h>

#include "target/code.h"
#include "target/jit.h"
#include "target/pattern.h"
#include "target/ranges.h"
#include "target/target_int.h"

#define FIRST_ENTRY 16 /* in __jit_debug_descriptor */
#define SYMFILE_PAYLOAD 8
#define FILE_TEXT 1032 /* an atom's 255 characters of 4 bytes, and ".erl" */

/*
 * What an interpreter runs that is in no module, and what it is called here.
 * Up to OTP 23 these symbols are arrays of instructions (beam_emu.c: beam_apply
 * has two, and the second ends a process), later pointers to some
 * (emu/beam_emu.c). A JIT registers its own as functions of erts_beamasm.
 */
static const struct own_symbol {
	const char *symbol, *name;
	unsigned word;	  /* in the array */
	unsigned at_most; /* release that has it */
} own_symbols[] = {
	{ "beam_apply", "apply", 0, 23 },
	{ "beam_apply", "normal_exit", 1, 23 },
	{ "beam_run_process", "run_process", 0, 0 },
	{ "beam_normal_exit", "normal_exit", 0, 0 },
	{ "beam_exit", "exit", 0, 0 },
	{ "beam_continue_exit", "continue_exit", 0, 0 },
	{ "beam_exception_trace", "exception_trace", 0, 0 },
	{ "beam_return_trace", "return_trace", 0, 0 },
	{ "beam_return_to_trace", "return_to_trace", 0, 0 },
	{ "beam_return_time_trace", "return_time_trace", 0, 0 },
};
#define OWN_SYMBOLS (sizeof(own_symbols) / sizeof(*own_symbols))
#define OWN_MODULE "erts_beamasm"

struct scope_naming {
	struct scope_target *t;	     /* borrowed */
	struct scope_jit *jit;	     /* owned; NULL: an interpreter */
	struct scope_ranges *ranges; /* owned; NULL: not found, or a JIT */
	uint64_t own[OWN_SYMBOLS];   /* addresses; 0: not there */
	bool has_frame_pointers;
	char file[FILE_TEXT];	     /* of what was found last */
};

static void find_own(struct scope_naming *n)
{
	const bool are_arrays = n->t->layout.otp <= 23;

	for (size_t i = 0; i < OWN_SYMBOLS; i++) {
		const struct own_symbol *s = &own_symbols[i];
		uint64_t at = scope_target_address(n->t, s->symbol);

		if (!at || (s->at_most && n->t->layout.otp > s->at_most))
			continue;
		if (are_arrays)
			n->own[i] = at + 8 * s->word;
		else if (scope_target_read(n->t, at, &n->own[i], 8) < 0)
			n->own[i] = 0;
	}
}

/* The emulator's own entry among those of the JIT says how frames are laid out
 * (beam_jit_metadata.cpp: payload.emu, int frame_layout at its start: 0 return
 * address, 1 frame pointer and return address). */
static bool reads_frame_pointers(struct scope_target *t, uint64_t descriptor)
{
	uint64_t entry = 0;
	uint32_t layout;

	(void)scope_target_read(t, descriptor + FIRST_ENTRY, &entry, 8);
	for (unsigned i = 0; entry && i < SCOPE_JIT_ENTRIES; i++) {
		struct scope_code_entry e;

		if (scope_code_entry(scope_target_read, t, entry, &e) < 0)
			return false;
		if (!e.is_module)
			return scope_target_read(t, e.sym + SYMFILE_PAYLOAD,
						 &layout, 4) == 0 &&
			       layout == 1;
		entry = e.next;
	}
	return false;
}

bool scope_naming_has_frame_pointers(const struct scope_naming *n)
{
	return n->has_frame_pointers;
}

int scope_naming_new(struct scope_target *t, struct scope_naming **ret_naming)
{
	scope_auto(scope_naming) n = calloc(1, sizeof(*n));
	uint64_t descriptor;
	int r;

	if (!n)
		return -ENOMEM;
	n->t = t;
	if (t->info.jit) {
		descriptor = scope_target_address(t, "__jit_debug_descriptor");
		if (!descriptor)
			return -ENOENT;
		n->has_frame_pointers = reads_frame_pointers(t, descriptor);
		n->jit = scope_jit_new(scope_target_read, t, descriptor);
		if (!n->jit)
			return -ENOMEM;
	} else {
		r = scope_target_ranges(t, &n->ranges);
		if (r < 0)
			return r;
		find_own(n);
	}
	r = scope_naming_sync(n);
	if (r == -ENOMEM || r == -ESRCH)
		return r;
	*ret_naming = scope_take(n);
	return 0;
}

void scope_naming_free(struct scope_naming *n)
{
	if (!n)
		return;
	scope_jit_free(n->jit);
	scope_ranges_free(n->ranges);
	free(n);
}

int scope_naming_sync(struct scope_naming *n)
{
	return n->jit ? scope_jit_sync(n->jit) : scope_ranges_sync(n->ranges);
}

uint64_t scope_naming_changes(const struct scope_naming *n)
{
	return n->jit ? scope_jit_changes(n->jit) : 0;
}

/* -- kinds of code --------------------------------------------------------- */

static bool is_own_module(const struct scope_jit_module *m)
{
	return m->name_len == sizeof(OWN_MODULE) - 1 &&
	       !memcmp(m->name, OWN_MODULE, sizeof(OWN_MODULE) - 1);
}

static struct scope_named of_place(const struct scope_jit_place *p)
{
	struct scope_named f = {
		.kind = SCOPE_NAMED_FUNCTION,
		.module = p->module->name,
		.module_len = p->module->name_len,
		.function = p->function,
		.function_len = p->function_len,
		.arity = p->arity,
		.start = p->start,
		.end = p->end,
		.entry = p->entry,
		.file = p->file,
		.file_len = p->file_len,
		.line = p->line,
		.age = p->module->age,
	};

	if (p->is_fragment || is_own_module(p->module)) {
		f.kind = p->is_fragment ? SCOPE_NAMED_FRAGMENT :
					  SCOPE_NAMED_OWN;
		f.module = NULL;
		f.module_len = 0;
	}
	return f;
}

static int find_jit(struct scope_naming *n, uint64_t addr,
		    struct scope_named *ret)
{
	struct scope_jit_place p;
	int r = scope_jit_find(n->jit, addr, &p);

	if (r == -ENOENT && scope_jit_sync(n->jit) == 0)
		r = scope_jit_find(n->jit, addr, &p);
	if (r == 0)
		*ret = of_place(&p);
	return r;
}

/* -EFAULT: its name can't be read. */
static int of_range(struct scope_naming *n, const struct scope_range_place *p,
		    struct scope_named *ret)
{
	size_t module, function;
	struct scope_named f = {
		.kind = SCOPE_NAMED_FUNCTION,
		.module = scope_vm_atom(&n->t->vm, p->mfa.module, &module),
		.function = scope_vm_atom(&n->t->vm, p->mfa.function, &function),
		.arity = (uint32_t)p->mfa.arity,
		.start = p->start,
		.end = p->end,
		.entry = p->entry,
		.line = p->line,
	};

	if (!f.module || !f.function)
		return -EFAULT;
	f.module_len = (uint32_t)module;
	f.function_len = (uint32_t)function;
	*ret = f;
	return 0;
}

/* File 0 is the module's name and ".erl" (beam_bif_load.c and beam_common.c,
 * erts_build_mfa_item); the others are atoms. */
static void add_file(struct scope_naming *n, const struct scope_range_place *p,
		     struct scope_named *f)
{
	const char *s = f->module;
	size_t len = f->module_len;

	if (!f->line)
		return;
	if (p->file)
		s = scope_vm_atom(&n->t->vm, p->file, &len);
	if (!s || len + 4 > sizeof(n->file)) {
		f->line = 0;
		return;
	}
	memcpy(n->file, s, len);
	if (!p->file) {
		memcpy(n->file + len, ".erl", 4);
		len += 4;
	}
	f->file = n->file;
	f->file_len = (uint32_t)len;
}

static int find_own_at(const struct scope_naming *n, uint64_t addr,
		       struct scope_named *ret)
{
	for (size_t i = 0; i < OWN_SYMBOLS; i++) {
		if (!n->own[i] || addr - n->own[i] >= 8)
			continue;
		*ret = (struct scope_named){
			.kind = SCOPE_NAMED_OWN,
			.function = own_symbols[i].name,
			.function_len = (uint32_t)strlen(own_symbols[i].name),
			.start = n->own[i],
			.end = n->own[i] + 8,
			.entry = n->own[i],
		};
		return 0;
	}
	return -ENOENT;
}

static int find_range(struct scope_naming *n, uint64_t addr,
		      struct scope_named *ret)
{
	struct scope_range_place p;
	int r = find_own_at(n, addr, ret);

	if (r == 0)
		return 0;
	r = scope_ranges_place(n->ranges, addr, &p);
	if (r == -ENOENT && scope_ranges_sync(n->ranges) == 0)
		r = scope_ranges_place(n->ranges, addr, &p);
	if (r == 0)
		r = of_range(n, &p, ret);
	if (r == 0)
		add_file(n, &p, ret);
	return r;
}

static int find_native(const struct scope_naming *n, uint64_t addr,
		       struct scope_named *ret)
{
	const uint64_t vaddr = addr - n->t->info.bias;
	struct scope_symbol s;
	int r;

	if (!scope_elf_is_code(n->t->elf, vaddr))
		return -ENOENT;
	r = scope_target_function(n->t, vaddr, &s);
	if (r < 0)
		return r;
	*ret = (struct scope_named){
		.kind = SCOPE_NAMED_NATIVE,
		.function = s.name,
		.function_len = s.name ? (uint32_t)strlen(s.name) : 0,
		.start = n->t->info.bias + s.vaddr,
		.end = n->t->info.bias + s.vaddr + s.size,
		.entry = n->t->info.bias + s.vaddr,
	};
	return 0;
}

int scope_naming_find(struct scope_naming *n, uint64_t addr,
		      struct scope_named *ret_named)
{
	int r = find_native(n, addr, ret_named);

	if (r == 0 || !addr)
		return r;
	return n->jit ? find_jit(n, addr, ret_named) :
			find_range(n, addr, ret_named);
}

int scope_naming_return(struct scope_naming *n, uint64_t addr,
			struct scope_named *ret_named)
{
	/* No call stands before what a process ends with. */
	if (find_own_at(n, addr, ret_named) == 0)
		return 0;
	return scope_naming_find(n, addr - 1, ret_named);
}

/* -- the other way --------------------------------------------------------- */

struct each {
	struct scope_naming *n;
	struct scope_pattern pattern;
	int (*fn)(void *arg, const struct scope_named *f);
	void *arg;
};

static int try(const struct each *e, const struct scope_named *f)
{
	if (f->kind != SCOPE_NAMED_FUNCTION ||
	    !scope_pattern_matches(&e->pattern, f->module, f->module_len,
				   f->function, f->function_len, f->arity))
		return 0;
	return e->fn(e->arg, f);
}

static int try_place(void *arg, const struct scope_jit_place *p)
{
	const struct scope_named f = of_place(p);

	return try(arg, &f);
}

static int try_range(void *arg, const struct scope_range_place *p)
{
	const struct each *e = arg;
	struct scope_named f;

	return of_range(e->n, p, &f) < 0 ? 0 : try(e, &f);
}

int scope_naming_each(struct scope_naming *n, const char *pattern,
		      int (*fn)(void *arg, const struct scope_named *f),
		      void *arg)
{
	struct each e = { .n = n, .fn = fn, .arg = arg };
	int r = scope_pattern_parse(pattern, &e.pattern);

	if (r == 0)
		r = scope_naming_sync(n);
	if (r < 0)
		return r;
	return n->jit ? scope_jit_each(n->jit, try_place, &e) :
			scope_ranges_each(n->ranges, try_range, &e);
}

void scope_named_put(const struct scope_naming *n, const struct scope_named *f,
		     struct scope_buf *out)
{
	if (f->kind == SCOPE_NAMED_NATIVE && !f->function) {
		scope_buf_lit(out, "beam.smp+0x");
		scope_buf_hex(out, f->start - n->t->info.bias);
		return;
	}
	if (f->kind == SCOPE_NAMED_FRAGMENT)
		scope_buf_lit(out, "global::");
	if (f->kind == SCOPE_NAMED_FUNCTION) {
		scope_buf_put(out, f->module, f->module_len);
		scope_buf_char(out, ':');
	}
	scope_buf_put(out, f->function, f->function_len);
	if (f->kind == SCOPE_NAMED_FUNCTION) {
		scope_buf_char(out, '/');
		scope_buf_u64(out, f->arity);
	}
}
