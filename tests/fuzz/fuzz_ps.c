/* SPDX-License-Identifier: MIT */
/*
 * The memory of processes, whatever it holds: read into a snapshot, and printed
 * as a table, as JSON and as a tree.
 *
 * Input:  0  bits 0-1: the release; 2: elixir
 *         1  wants
 *         2  how many processes, 1..4
 *            then for each what is put into its struct: {u16 offset, u8 what,
 *            u8 value}…, ended by an offset beyond it; what: 0: the byte, 1: a
 *            word, the address of byte 16 * value of the rest, 2: the same,
 *            boxed, 3: as a list
 *            then the rest, which lies in memory behind the processes
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/fake_procs.h"
#include "cli/ps.h"
#include "beam/vm_int.h"
#include "target/snap_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fp f;
static FILE *null;

static size_t change(uint64_t p, uint64_t rest, const uint8_t *data,
		     size_t size)
{
	size_t at = 0;

	while (at + 4 <= size) {
		uint16_t off;
		uint8_t what = data[at + 2], value = data[at + 3];
		uint64_t to = rest + 16ull * value;

		memcpy(&off, data + at, sizeof(off));
		at += 4;
		if (off + 8u > f.l->p_size)
			break;
		if (what & 3)
			fp_w64(&f, p + off,
			       to + ((what & 3) == 2 ? 2 :
				     (what & 3) == 3 ? 1 : 0));
		else
			fp_put(&f, p + off, &value, 1);
	}
	return at;
}

static void print(struct scope_snapshot *s, enum scope_syntax syntax)
{
	static const enum scope_ps_key keys[] = {
		SCOPE_PS_PID,	    SCOPE_PS_WHAT,	SCOPE_PS_STATE,
		SCOPE_PS_ANCESTORS, SCOPE_PS_LABEL,	SCOPE_PS_MEMORY,
		SCOPE_PS_LINKS,	    SCOPE_PS_CALLERS,
	};
	static struct scope_ps ps;
	const struct scope_snap_proc *rows[8];
	size_t n = scope_snapshot_count(s), nodes = 0;
	struct scope_ps_node *tree;

	ps = (struct scope_ps){ .s = s, .vm = &f.vm, .syntax = syntax };
	if (n > 8)
		abort();
	for (size_t i = 0; i < n; i++) {
		rows[i] = scope_snapshot_at(s, i);
		scope_ps_print_json(&ps, rows[i], NULL, 0, null);
	}
	scope_ps_print_table(&ps, rows, n, keys, 8, 80, null);
	tree = scope_ps_tree(&ps, &nodes);
	if (tree)
		(void)scope_ps_print_tree(&ps, tree, nodes, NULL, false, null);
	free(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned otps[] = { 23, 25, 27, 29 };
	const struct scope_snapshot_opts opts = { .wants = size > 1 ? data[1] :
								      0,
						  .messages = 50 };
	scope_auto(scope_snapshot) s = NULL;
	struct scope_snap_batch *b;
	uint64_t rest, p[4];
	size_t at = 3, n;

	if (size < 3 || size > 1 << 15)
		return 0;
	if (!null)
		null = fopen("/dev/null", "w");
	if (!null || fp_make(&f, otps[data[0] & 3]) < 0)
		abort();
	n = 1 + (data[2] & 3);
	for (size_t i = 0; i < n; i++)
		p[i] = fp_process(&f, (uint32_t)i + 1);
	rest = fp_alloc(&f, size);
	for (size_t i = 0; i < n; i++)
		at += change(p[i], rest, data + at, size - at);
	fp_put(&f, rest, data + at, size - at);
	f.vm.atoms = scope_atoms_new();
	s = calloc(1, sizeof(*s));
	b = scope_snap_batch_new(&f.vm);
	if (!s || !b || !f.vm.atoms)
		abort();
	for (unsigned k = 0; k < SCOPE_SNAP_KEYS; k++)
		b->keys[k] = FP_ATOM(40 + k);
	if (scope_snapshot_read(b, &f.table, &opts, s) == 0)
		print(s, data[0] & 4 ? SCOPE_SYNTAX_ELIXIR :
				       SCOPE_SYNTAX_ERLANG);
	scope_snap_batch_free(b);
	scope_atoms_free(f.vm.atoms);
	f.vm.atoms = NULL;
	return 0;
}
