/* SPDX-License-Identifier: MIT */
/* fuzz_atoms: an atom table for targets that make up everything else. */
#ifndef SCOPE_FUZZ_ATOMS_H
#define SCOPE_FUZZ_ATOMS_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "beam/layout.h"
#include "beam/vm.h"

#define ATOMS_BASE 0x1000ull
#define ATOMS_WORDS 1024

static const char *const atom_texts[] = {
	"false", "true", "nil", "ok", "Foo bar", "end", "\xce\xa9", "",
	"__struct__", "Elixir.Range", "first", "last", "step", "Elixir.Date",
	"Elixir.Time", "Elixir.MapSet", "map", "calendar",
	"Elixir.Calendar.ISO", "year", "month", "day", "hour", "minute",
	"second", "microsecond", "__exception__", "\x01\"\\", "+", "a?",
	"n@h", "Elixir.DateTime",
};
#define ATOM_COUNT (sizeof(atom_texts) / sizeof(atom_texts[0]))

static uint64_t atom_words[ATOMS_WORDS];

/* Words 0..31: the table; 32: the segment's address; 64..: its slots; 128..:
 * sixteen words for each atom. */
static void atoms_init(const struct scope_layout *l)
{
	uint64_t at = ATOMS_BASE + 8 * 32;
	uint32_t count = ATOM_COUNT;
	char *base = (char *)atom_words;

	memset(atom_words, 0, sizeof(atom_words));
	memcpy(base + l->at_entries, &count, 4);
	memcpy(base + l->at_seg_table, &at, 8);
	atom_words[32] = ATOMS_BASE + 8 * 64;
	for (size_t i = 0; i < ATOM_COUNT; i++) {
		uint16_t len = (uint16_t)strlen(atom_texts[i]);
		uint64_t *atom = atom_words + 128 + 16 * i;
		uint64_t name = ATOMS_BASE + 8 * (128 + 16 * i + 10);

		atom_words[64 + i] = name - 80;
		atom[8] = 2 << 6 | l->sub.heap_bits << 2;
		atom[9] = 8 * (uint64_t)len;
		memcpy(atom + 10, atom_texts[i], len);
		if (l->atom_is_term)
			name = (name - 16) | SCOPE_TAG_BOXED;
		memcpy((char *)atom + l->atom_len, &len, 2);
		memcpy((char *)atom + l->atom_name, &name, 8);
	}
}

static int atoms_read(uint64_t addr, void *buf, size_t len)
{
	if (addr < ATOMS_BASE || addr - ATOMS_BASE > sizeof(atom_words) - len)
		return -EFAULT;
	memcpy(buf, (char *)atom_words + (addr - ATOMS_BASE), len);
	return 0;
}

static const struct scope_layout *layout_by(unsigned n)
{
	return scope_layout_of(scope_layout_releases()[n & 3]);
}

#endif
