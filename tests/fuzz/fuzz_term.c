/* SPDX-License-Identifier: MIT */
/*
 * An image and a term, as a record of a probe might hold them. Input: a byte
 * for the release, a byte for the number of segments, six bytes of nothing, the
 * term, the segments, and what is left are the words.
 */
#include <jansson.h>

#include "base/utf8.h"
#include "beam/term.h"
#include "fuzz_atoms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_atoms(void *arg, uint64_t addr, void *buf, size_t len)
{
	(void)arg;
	return atoms_read(addr, buf, len);
}

static void print(struct scope_vm *vm, const struct scope_image *im,
		  uint64_t term, enum scope_syntax syntax, size_t cap)
{
	char *text = malloc(cap);
	struct scope_buf b = scope_buf_of(text, cap);
	json_error_t err;
	json_t *json;

	if (!text)
		abort();
	(void)scope_term_put(vm, im, term, syntax, &b);
	if (!b.full && !scope_utf8_valid(b.p, b.len))
		abort();
	if (!b.full && syntax == SCOPE_SYNTAX_JSON) {
		json = json_loadb(b.p, b.len,
				  JSON_DECODE_ANY | JSON_ALLOW_NUL |
					  JSON_REJECT_DUPLICATES, &err);
		if (!json)
			abort();
		json_decref(json);
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct scope_layout *l;
	struct scope_image im;
	struct scope_vm vm;
	uint64_t *words, term;
	uint64_t unused;
	size_t n = size / 8, nsegs;

	if (n < 2)
		return 0;
	/* An exact-size copy, so that a step beyond its end is seen. */
	words = malloc(8 * n);
	if (!words)
		abort();
	memcpy(words, data, 8 * n);
	l = layout_by(data[0]);
	nsegs = data[1] < n - 2 ? data[1] : n - 2;
	term = words[1];
	im = (struct scope_image){
		.segs = words + 2,
		.nsegs = nsegs,
		.words = words + 2 + nsegs,
		.nwords = n - 2 - nsegs,
	};
	atoms_init(l);
	if (scope_vm_init(&vm, l, read_atoms, NULL) < 0)
		abort();
	vm.atom_table = ATOMS_BASE;
	for (int syntax = 0; syntax <= SCOPE_SYNTAX_JSON; syntax++) {
		print(&vm, &im, term, (enum scope_syntax)syntax, 4096);
		print(&vm, &im, term, (enum scope_syntax)syntax, 100);
	}
	(void)scope_term_list_next(&im, &term, &unused);
	(void)scope_term_element(&im, term, data[0], &unused);
	scope_vm_done(&vm);
	free(words);
	return 0;
}
