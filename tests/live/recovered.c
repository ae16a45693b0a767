/* SPDX-License-Identifier: MIT */
/*
 * recovered PID: what is found in a node without its names must be what the
 * names say: variables by what they hold, functions by the JIT's calls. Ends
 * with the counted line.
 */
#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "target/bif.h"
#include "target/builds.h"
#include "target/fragment.h"
#include "target/scan.h"
#include "target/shapes.h"
#include "target/target_int.h"

static unsigned passed, failed;

static void compare(const struct scope_target *t, const char *name, int r,
		    uint64_t vaddr)
{
	struct scope_symbol s = { 0 };

	if (scope_target_symbol(t, name, &s) == 0 &&
	    s.how <= SCOPE_HOW_BUILD && r == 0 && s.vaddr == vaddr) {
		passed++;
		return;
	}
	failed++;
	printf("%s: found at %#" PRIx64 " (%d), is at %#" PRIx64 "\n", name,
	       vaddr, r, s.vaddr);
}

static void variables(struct scope_target *t)
{
	scope_auto(scope_scan) s = NULL;
	uint64_t v = 0;
	int r = scope_scan_open(t->elf, t->vm.layout, scope_target_read, t,
				t->info.bias, &s);

	if (r < 0) {
		failed++;
		printf("can't scan: %d\n", r);
		return;
	}
	r = scope_scan_atoms(s, &v);
	compare(t, "erts_atom_table", r, v);
	r = scope_scan_table(s, 0x3, &v);
	compare(t, "erts_proc", r, v);
	r = scope_scan_table(s, 0x7, &v);
	compare(t, "erts_port", r, v);
	r = scope_scan_schedulers(s, t->info.schedulers, &v);
	compare(t, "erts_aligned_scheduler_data", r, v);
	r = scope_scan_descriptor(s, &v);
	compare(t, "__jit_debug_descriptor", r, v);
	r = scope_scan_this_node(s, &v);
	compare(t, "erts_this_node", r, v);
}

static void functions(struct scope_target *t)
{
	static const char *const names[] = {
		"erts_garbage_collect_nobump",
		"erts_gc_after_bif_call_lhf",
		"~beam_jit_call_bif",
		"~beam_jit_call_nif",
		"erts_call_nif_early",
		"erts_proc_sig_receive_helper",
		"~beam_jit_decode_dist",
		"~beam_jit_remove_message",
		"copy_out_registers",
		"check_monitor_long_schedule",
		"erts_schedule",
		"erts_timestamp_millis",
		"copy_in_registers",
	};
	uint64_t descriptor = scope_target_address(t, "__jit_debug_descriptor");
	const struct scope_elf_segment *seg;
	uint64_t from = 0, to = 0;
	size_t n;

	seg = scope_elf_segments(t->elf, &n);
	for (size_t i = 0; i < n; i++)
		if (seg[i].flags & PF_X) {
			from = t->info.bias + seg[i].vaddr;
			to = from + seg[i].filesz;
		}
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		uint64_t fn = t->info.bias;
		int r = scope_fragment_find(scope_target_read, t, descriptor,
					    from, to, names[i], &fn);

		compare(t, names[i], r, fn - t->info.bias);
	}
}

static uint64_t anchor(void *arg, char kind, const char *name)
{
	struct scope_target *t = arg;
	char text[256], *function, *arity;
	struct scope_symbol s;

	if (kind == 'x')
		return scope_elf_symbol(t->elf, name, &s) == 0 ? s.vaddr : 0;
	if (kind == 'j') /* functions() compares what is found of them */
		return scope_build_find(t->build, name, &s) == 0 ? s.vaddr : 0;
	(void)snprintf(text, sizeof(text), "%s", name);
	function = strchr(text, ':');
	arity = strrchr(text, '/');
	*function++ = *arity++ = 0;
	return scope_bifs_find(t->bifs, text, function, (unsigned)atoi(arity),
			       &s) == 0 ?
		       s.vaddr :
		       0;
}

/* As if there were no table of this build: all that is found again is what the
 * table says; by digests that is all of it, without them still half. */
static void shapes(struct scope_target *t, bool has_no_digests)
{
	const struct scope_shapes_opts opts = {
		.anchor = anchor, .arg = t, .has_no_digests = has_no_digests
	};
	scope_auto(scope_shapes) s = NULL;
	const size_t least = has_no_digests ? 60 : 130;
	int r = scope_shapes_new(t->elf, t->layout.otp, &opts, &s);

	if (r < 0 || scope_shapes_found(s) < least) {
		failed++;
		printf("%zu shapes are found again (%d)\n",
		       r < 0 ? 0 : scope_shapes_found(s), r);
		return;
	}
	for (size_t i = 0; i < scope_build_count(t->build); i++) {
		const char *name = scope_build_at(t->build, i);
		struct scope_symbol sym;

		if (scope_shapes_find(s, name, &sym) == 0)
			compare(t, name, 0, sym.vaddr);
	}
}

int main(int argc, char **argv)
{
	scope_auto(scope_target) t = NULL;
	struct scope_err err = { 0 };

	if (argc != 2 || scope_target_open(atoi(argv[1]), &t, &err) < 0) {
		printf("%s\n", argc == 2 ? err.text : "usage: recovered PID");
		return 2;
	}
	variables(t);
	functions(t);
	if (t->build) {
		shapes(t, false);
		shapes(t, true);
	}
	printf("%u passed, %u failed\n", passed, failed);
	return failed != 0;
}
