/* SPDX-License-Identifier: MIT */
/*
 * Names of functions and conditions, as people write them. Input: a name, a NUL,
 * a condition, a NUL, and words: segments and memory of three arguments, as
 * fuzz_term's. What is taken is within its limits and can be decided; what is
 * refused says why. What the kernel side lets pass is no less than what holds.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz_atoms.h"
#include "pipeline/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static int read_atoms(void *arg, uint64_t addr, void *buf, size_t len)
{
	(void)arg;
	return atoms_read(addr, buf, len);
}

/* As bpf/break.bpf.h has it. */
static bool may_pass(uint64_t w, const struct scope_break_test *t)
{
	int64_t a = (int64_t)w, b = (int64_t)t->word;

	switch (t->op) {
	case SCOPE_BREAK_EQ:
		return w == t->word;
	case SCOPE_BREAK_NE:
		return w != t->word;
	default:
		break;
	}
	if ((w & 3) == 2)
		return true;
	if ((w & 0xf) != 0xf)
		return false;
	return t->op == SCOPE_BREAK_LT ? a < b :
	       t->op == SCOPE_BREAK_LE ? a <= b :
	       t->op == SCOPE_BREAK_GT ? a > b :
					 a >= b;
}

static void try_where(const char *text, struct scope_vm *vm,
		      const struct scope_image *im, const uint64_t args[3])
{
	struct scope_break_test tests[SCOPE_BREAK_TESTS];
	scope_auto(scope_where) w = NULL;
	struct scope_err err = { 0 };
	int r = scope_where_parse(text, &w, &err);
	bool whole, holds, passes = true;
	unsigned n;

	if (r < 0) {
		check(r == -EINVAL && *err.text && !w);
		return;
	}
	check(scope_where_args(w) >= 1 && scope_where_args(w) <= 255);
	n = scope_where_tests(w, vm, tests, &whole);
	check(n <= SCOPE_BREAK_TESTS);
	holds = scope_where_holds(w, vm, im, args, 3);
	for (unsigned i = 0; i < n; i++) {
		check(tests[i].op < SCOPE_BREAK_OPS &&
		      tests[i].arg < scope_where_args(w));
		if (tests[i].arg < 3)
			passes = passes && may_pass(args[tests[i].arg],
						    &tests[i]);
		else
			passes = false;
	}
	/* What is no word of any VM is in doubt here, and not there. */
	for (int i = 0; i < 3; i++)
		holds = holds && scope_is_small(args[i]);
	check(passes || !holds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct scope_layout *l = layout_by(2);
	size_t name_len = strnlen((const char *)data, size), where_len, n;
	char name[300], *text = malloc(size + 2);
	uint64_t *words, args[3] = { 0x3b, 0x1f, 0x4b };
	struct scope_image im = { 0 };
	struct scope_vm vm;

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = text[size + 1] = 0;
	if (scope_trace_name(text, name, sizeof(name)) == 0)
		check(strchr(name, ':') && strlen(name) < sizeof(name));
	name_len = name_len < size ? name_len + 1 : size;
	where_len = strlen(text + name_len);
	n = name_len + where_len + 1 < size ?
		    (size - name_len - where_len - 1) / 8 :
		    0;
	words = malloc(8 * n + 8);
	check(words);
	if (n)
		memcpy(words, data + name_len + where_len + 1, 8 * n);
	if (n >= 5) {
		memcpy(args, words, sizeof(args));
		im = (struct scope_image){ .segs = words + 3,
					   .nsegs = 1,
					   .words = words + 4,
					   .nwords = n - 4 };
	}
	atoms_init(l);
	check(scope_vm_init(&vm, l, read_atoms, NULL) == 0);
	vm.atom_table = ATOMS_BASE;
	try_where(text + name_len, &vm, &im, args);
	scope_vm_done(&vm);
	free(words);
	free(text);
	return 0;
}
