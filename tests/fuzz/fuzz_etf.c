/* SPDX-License-Identifier: MIT */
/*
 * Bytes in external format, as another node might send them. Input: a byte for
 * the release, a byte whose lowest bit says that the bytes go on elsewhere, and
 * the bytes. Whatever they are, they print as valid text and valid JSON, and
 * what is copied of them does, too.
 */
#include <jansson.h>

#include "base/utf8.h"
#include "beam/copy.h"
#include "beam/etf.h"
#include "beam/term.h"
#include "fuzz_atoms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct scope_etf etf;
static struct scope_copy copied;

static int read_atoms(void *arg, uint64_t addr, void *buf, size_t len)
{
	(void)arg;
	return atoms_read(addr, buf, len);
}

static void print(struct scope_vm *vm, const struct scope_image *im,
		  uint64_t term, enum scope_syntax syntax)
{
	size_t cap = 1 << 16;
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

static void all_syntaxes(struct scope_vm *vm, const struct scope_image *im,
			 uint64_t term)
{
	for (int syntax = 0; syntax <= SCOPE_SYNTAX_JSON; syntax++)
		print(vm, im, term, (enum scope_syntax)syntax);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t atoms[] = { 4 << 6 | 0x0b, 30 << 6 | 0x0b, 0x2b,
					  0x123 };
	struct scope_etf_in in = { .atoms = atoms, .natoms = 4 };
	struct scope_vm vm, of_image;
	const struct scope_layout *l;
	uint64_t terms[2];
	uint8_t *bytes;

	if (size < 2)
		return 0;
	/* An exact-size copy, so that a step beyond its end is seen. */
	bytes = malloc(size - 1);
	if (!bytes)
		abort();
	memcpy(bytes, data + 2, size - 2);
	l = layout_by(data[0]);
	atoms_init(l);
	if (scope_vm_init(&vm, l, read_atoms, NULL) < 0)
		abort();
	vm.atom_table = ATOMS_BASE;
	in.bytes = bytes;
	in.len = size - 2;
	in.more = data[1] & 1;
	in.node = atoms[1];
	in.creation = 1;
	scope_etf_begin(&etf, &vm, &in);
	for (int i = 0; i < 2; i++)
		terms[i] = scope_etf_next(&etf);
	if (etf.at > in.len || etf.n > SCOPE_ETF_WORDS ||
	    etf.image.nsegs > SCOPE_ETF_SEGS)
		abort();
	of_image = vm;
	of_image.read = scope_image_read;
	of_image.arg = &etf.image;
	for (int i = 0; i < 2; i++) {
		all_syntaxes(&vm, &etf.image, terms[i]);
		(void)scope_copy_term(&of_image, terms[i], 64, &copied);
		all_syntaxes(&vm, &copied.image, terms[i]);
	}
	scope_vm_done(&vm);
	free(bytes);
	return 0;
}
