/* SPDX-License-Identifier: MIT */
/*
 * A target's memory and a term in it. Input: a byte for the release, a byte of
 * nothing, two bytes for the budget, four of nothing, the term, and what is
 * left is the memory, from MEMORY on.
 */
#include "beam/copy.h"
#include "beam/term.h"
#include "fuzz_atoms.h"

#define MEMORY 0x10000ull

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct memory {
	const uint64_t *words;
	size_t n;
};

static int read_memory(void *arg, uint64_t addr, void *buf, size_t len)
{
	const struct memory *m = arg;

	if (addr < MEMORY)
		return atoms_read(addr, buf, len);
	if (len > 8 * m->n || addr - MEMORY > 8 * m->n - len)
		return -EFAULT;
	memcpy(buf, (const char *)m->words + (addr - MEMORY), len);
	return 0;
}

static void check(struct memory *m, const struct scope_image *im)
{
	uint64_t there[SCOPE_WORDS_MAX];
	size_t at = 0;

	if (im->nwords > SCOPE_WORDS_MAX || im->nsegs > SCOPE_SEGS_MAX)
		abort();
	for (size_t i = 0; i < im->nsegs; i++) {
		uint64_t from = SCOPE_SEG_ADDR(im->segs[i]);
		size_t n = SCOPE_SEG_WORDS(im->segs[i]);

		if (n > im->nwords - at)
			abort();
		if (from && (read_memory(m, from, there, 8 * n) < 0 ||
			     memcmp(there, im->words + at, 8 * n) != 0))
			abort();
		at += n;
	}
	if (at != im->nwords)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct scope_copy copy;
	const struct scope_layout *l;
	struct memory m = { .n = size / 8 };
	char text[4096];
	struct scope_vm vm;
	uint64_t *words;

	if (m.n < 2)
		return 0;
	words = malloc(8 * m.n);
	if (!words)
		abort();
	memcpy(words, data, 8 * m.n);
	m.words = words + 2;
	m.n -= 2;
	l = layout_by(data[0]);
	atoms_init(l);
	if (scope_vm_init(&vm, l, read_memory, &m) < 0)
		abort();
	vm.atom_table = ATOMS_BASE;
	(void)scope_copy_term(&vm, words[1], data[2] | data[3] << 8, &copy);
	check(&m, &copy.image);
	for (int syntax = 0; syntax <= SCOPE_SYNTAX_JSON; syntax++) {
		struct scope_buf b = scope_buf_of(text, sizeof(text));

		(void)scope_term_put(&vm, &copy.image, words[1],
				     (enum scope_syntax)syntax, &b);
	}
	scope_vm_done(&vm);
	free(words);
	return 0;
}
