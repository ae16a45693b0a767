/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "probe/site.h"
#include "target/bif.h"
#include "target/elf.h"
#include "tiny_elf.h"

static struct scope_elf *tiny(void)
{
	uint8_t f[TINY_BYTES] = { 0 };
	struct scope_elf *e = NULL;

	tiny_elf(f);
	assert_int_equal(scope_elf_parse(f, sizeof(f), &e), 0);
	return e;
}

/* Ask for everything that can be asked, whatever the answers are. */
static void exercise(const struct scope_elf *e)
{
	struct scope_bifs *b = NULL;
	struct scope_symbol s;
	uint32_t crc;

	(void)scope_elf_symbol(e, "first", &s);
	(void)scope_elf_symbol(e, "~e", &s);
	for (uint64_t at = 0; at < 0x4000; at += 0x100) {
		if (scope_elf_function(e, at, &s) == 0)
			(void)scope_elf_at(e, s.vaddr, s.size);
		(void)scope_elf_text(e, at, 64);
	}
	(void)scope_elf_debuglink(e, &crc);
	if (scope_bifs_new(e, &b) == 0) {
		(void)scope_bifs_find(b, "erlang", "abs", 1, &s);
		scope_bifs_free(b);
	}
}

static void a_tiny_file_is_read(void **state)
{
	scope_auto(scope_elf) e = tiny();
	struct scope_symbol s;
	uint32_t crc = 0;

	(void)state;
	assert_string_equal(scope_elf_build_id(e),
			    "aabbccdd00010203070000000800000009000000");
	assert_string_equal(scope_elf_debuglink(e, &crc), "x.debug");
	assert_int_equal(crc, 0x12345678);
	assert_int_equal(scope_elf_entry(e), TINY_FN(0));
	assert_false(scope_elf_has_symtab(e));
	assert_int_equal(scope_elf_symbol(e, "first", &s), 0);
	assert_int_equal(s.vaddr, TINY_FN(0));
	assert_int_equal(s.offset, TINY_TEXT_OFF);
	assert_int_equal(s.size, 16); /* from .eh_frame */
	assert_int_equal(scope_elf_symbol(e, "second", &s), 0);
	assert_int_equal(s.size, 8);
	assert_int_equal(scope_elf_symbol(e, "~helper", &s), 0);
	assert_int_equal(s.vaddr, TINY_FN(2));
	assert_int_equal(s.size, 9);
	assert_int_equal(scope_elf_symbol(e, "helper", &s), -ENOENT);
	assert_int_equal(scope_elf_symbol(e, "~e", &s), -ENOTUNIQ);
	assert_int_equal(scope_elf_symbol(e, "zzz", &s), -ENOENT);
}

static void functions_are_known_by_their_frames(void **state)
{
	scope_auto(scope_elf) e = tiny();
	struct scope_symbol s;

	(void)state;
	assert_int_equal(scope_elf_functions(e), 3);
	assert_int_equal(scope_elf_function(e, TINY_FN(0) + 15, &s), 0);
	assert_string_equal(s.name, "first");
	assert_int_equal(scope_elf_function(e, TINY_FN(1) + 3, &s), 0);
	assert_null(s.name); /* static */
	assert_int_equal(s.vaddr, TINY_FN(1));
	assert_int_equal(s.size, 16);
	assert_int_equal(scope_elf_function(e, TINY_FN(0) - 1, &s), -ENOENT);
	assert_int_equal(scope_elf_function(e, TINY_FN(3), &s), -ENOENT);
}

static void bytes_are_given_within_segments_only(void **state)
{
	scope_auto(scope_elf) e = tiny();
	uint64_t v;

	(void)state;
	assert_non_null(scope_elf_at(e, TINY_TEXT, TINY_DATA_OFF));
	assert_null(scope_elf_at(e, TINY_TEXT, TINY_DATA_OFF + 1));
	assert_null(scope_elf_at(e, TINY_TEXT + 1, SIZE_MAX));
	assert_null(scope_elf_at(e, TINY_TEXT - 1, 1));
	/* .bss is in the segment, and not in the file. */
	assert_null(scope_elf_at(e, TINY_DATA + TINY_DATA_LEN, 1));
	assert_false(scope_elf_u64(e, TINY_DATA + TINY_DATA_LEN - 4, &v));
	assert_true(scope_elf_u64(e, TINY_DATA + 8, &v));
	assert_int_equal(v, TINY_ADDR(TINY_NAMES_OFF));
	assert_string_equal(scope_elf_text(e, v, 6), "false");
	assert_null(scope_elf_text(e, v, 5));
	assert_true(scope_elf_is_code(e, TINY_FN(0)));
	assert_false(scope_elf_is_code(e, TINY_DATA));
}

static void bifs_come_from_the_tables(void **state)
{
	scope_auto(scope_elf) e = tiny();
	scope_auto(scope_bifs) b = NULL;
	struct scope_symbol s;

	(void)state;
	assert_int_equal(scope_bifs_new(e, &b), 0);
	assert_int_equal(scope_bifs_count(b), 1);
	assert_int_equal(scope_bifs_find(b, "erlang", "abs", 1, &s), 0);
	assert_int_equal(s.vaddr, TINY_FN(2)); /* impl, not f */
	assert_string_equal(s.name, "_Z6helperi");
	assert_int_equal(scope_bifs_find(b, "erlang", "abs", 2, &s), -ENOENT);
}

static void what_is_no_elf_is_refused(void **state)
{
	struct scope_elf *e = NULL;
	uint8_t f[TINY_BYTES] = { 0 };

	(void)state;
	assert_int_equal(scope_elf_parse("", 0, &e), -ENOEXEC);
	assert_int_equal(scope_elf_parse("#!/bin/sh\n", 10, &e), -ENOEXEC);
	tiny_elf(f);
	f[EI_CLASS] = ELFCLASS32;
	assert_int_equal(scope_elf_parse(f, sizeof(f), &e), -ENOTSUP);
	tiny_elf(f);
	f[18] = EM_SPARC;
	assert_int_equal(scope_elf_parse(f, sizeof(f), &e), -ENOTSUP);
	tiny_elf(f);
	f[sizeof(Elf64_Ehdr) + 32 + 4] = 1; /* p_filesz of 4 GB and more */
	assert_int_equal(scope_elf_parse(f, sizeof(f), &e), -EBADMSG);
	assert_null(e);
}

static void every_prefix_is_survived(void **state)
{
	uint8_t f[TINY_BYTES] = { 0 };

	(void)state;
	tiny_elf(f);
	for (size_t n = 0; n < sizeof(f); n += 3) {
		scope_auto(scope_elf) e = NULL;

		if (scope_elf_parse(f, n, &e) == 0)
			exercise(e);
	}
}

/* A repeatable sequence is enough: the fuzzer looks further. */
static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static void any_change_is_survived(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 4000; round++) {
		scope_auto(scope_elf) e = NULL;
		uint8_t f[TINY_BYTES] = { 0 };

		tiny_elf(f);
		for (unsigned k = 0; k < 1 + round % 8u; k++) {
			/* Mostly in the tables, which say where all else is. */
			size_t at = next(&seed) % 4 ? next(&seed) % 0xe8 :
						      next(&seed) % sizeof(f);

			if (next(&seed) % 3 == 0)
				at = TINY_SHDR_OFF + next(&seed) % 448;
			f[at] = (uint8_t)next(&seed);
		}
		if (scope_elf_parse(f, sizeof(f), &e) == 0)
			exercise(e);
	}
}

static void a_debug_file_lends_its_names(void **state)
{
	scope_auto(scope_elf) e = tiny();
	struct scope_elf *debug = NULL;
	uint8_t f[TINY_BYTES] = { 0 };
	const uint32_t type = SHT_SYMTAB;
	struct scope_symbol s;

	(void)state;
	/* Without a .symtab it is no help. */
	assert_int_equal(scope_elf_use_symbols(e, tiny()), -ENOENT);
	tiny_elf(f);
	memcpy(f + TINY_SHDR_OFF + sizeof(Elf64_Shdr) + 4, &type, 4);
	memcpy(f + TINY_STR_OFF + 1, "other", 5);
	assert_int_equal(scope_elf_parse(f, sizeof(f), &debug), 0);
	assert_int_equal(scope_elf_use_symbols(e, debug), 0);
	assert_true(scope_elf_has_symtab(e));
	assert_int_equal(scope_elf_symbol(e, "first", &s), -ENOENT);
	assert_int_equal(scope_elf_symbol(e, "other", &s), 0);
	assert_int_equal(s.offset, TINY_TEXT_OFF);
	/* Of another build: not used. */
	f[TINY_NOTE_OFF + 20]++;
	assert_int_equal(scope_elf_parse(f, sizeof(f), &debug), 0);
	assert_int_equal(scope_elf_use_symbols(e, debug), -ENOENT);
	assert_int_equal(scope_elf_symbol(e, "other", &s), 0);
}

static struct scope_elf *emulator(void)
{
	struct scope_elf *e = NULL;
	glob_t g = { 0 };
	int fd;

	if (glob("/usr/lib/erlang/erts-*/bin/beam.smp", 0, NULL, &g) == 0) {
		fd = open(g.gl_pathv[0], O_RDONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		assert_int_equal(scope_elf_open(fd, &e), 0);
		(void)close(fd);
	}
	globfree(&g);
	if (!e)
		fail_msg("no emulator to read; install erlang-base");
	return e;
}

static void an_emulator_gives_up_its_bifs(void **state)
{
	scope_auto(scope_elf) e = emulator();
	scope_auto(scope_bifs) b = NULL;
	struct scope_symbol bif, sym;

	(void)state;
	assert_int_equal(scope_bifs_new(e, &b), 0);
	assert_true(scope_bifs_count(b) > 400);
	assert_int_equal(scope_bifs_find(b, "ets", "lookup", 2, &bif), 0);
	assert_int_equal(scope_elf_symbol(e, "ets_lookup_2", &sym), 0);
	assert_int_equal(bif.vaddr, sym.vaddr);
	assert_true(bif.size > 16);
}

static void an_emulator_has_its_static_functions(void **state)
{
	scope_auto(scope_elf) e = emulator();
	struct scope_symbol outer, gc;
	const uint8_t *code;
	uint64_t to;

	(void)state;
	assert_true(scope_elf_functions(e) > 4000);
	assert_int_equal(scope_elf_symbol(e, "erts_garbage_collect_nobump",
					  &outer), 0);
	code = scope_elf_at(e, outer.vaddr, outer.size);
	assert_non_null(code);
	to = scope_site_first_call(code, outer.size, outer.vaddr);
	assert_int_equal(scope_elf_function(e, to, &gc), 0);
	/* Calls go to the start of a function; this is a long one. */
	assert_int_equal(gc.vaddr, to);
	assert_true(gc.size > 3000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tiny_file_is_read),
		cmocka_unit_test(functions_are_known_by_their_frames),
		cmocka_unit_test(bytes_are_given_within_segments_only),
		cmocka_unit_test(bifs_come_from_the_tables),
		cmocka_unit_test(what_is_no_elf_is_refused),
		cmocka_unit_test(every_prefix_is_survived),
		cmocka_unit_test(any_change_is_survived),
		cmocka_unit_test(a_debug_file_lends_its_names),
		cmocka_unit_test(an_emulator_gives_up_its_bifs),
		cmocka_unit_test(an_emulator_has_its_static_functions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
