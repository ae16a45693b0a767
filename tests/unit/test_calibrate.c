/* SPDX-License-Identifier: MIT */
/* The file of a calibration, and what is made of its figures. What is measured
 * is tested live. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "probe/calibrate.h"

#define ID "6.18.1 #1 SMP x86_64 0054fd76-fae9 multi"

static char dir[64];

static int setup(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/scope-unit.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static const char *in_dir(const char *name)
{
	static char path[512];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static int teardown(void **state)
{
	(void)state;
	(void)unlink(in_dir("sub/calibration"));
	(void)rmdir(in_dir("sub"));
	(void)unlink(in_dir("calibration"));
	(void)unlink(in_dir("other"));
	(void)unlink(in_dir("sys/kernel/osrelease"));
	(void)unlink(in_dir("sys/kernel/version"));
	(void)unlink(in_dir("sys/kernel/random/boot_id"));
	(void)rmdir(in_dir("sys/kernel/random"));
	(void)rmdir(in_dir("sys/kernel"));
	(void)rmdir(in_dir("sys"));
	return rmdir(dir);
}

static struct scope_calibration some(void)
{
	struct scope_calibration c = { .from = SCOPE_CAL_MEASURED,
				       .emulated = 0x15 };

	for (unsigned i = 0; i < SCOPE_INSN_MAX; i++)
		c.trap[i] = 100 * i;
	for (unsigned i = 0; i < SCOPE_CAL_F_MAX; i++)
		c.figure[i] = 7 + i;
	return c;
}

static void same(const struct scope_calibration *a,
		 const struct scope_calibration *b)
{
	assert_memory_equal(a->trap, b->trap, sizeof(a->trap));
	assert_memory_equal(a->figure, b->figure, sizeof(a->figure));
	assert_int_equal(a->emulated, b->emulated);
}

static void what_is_written_is_read(void **state)
{
	struct scope_calibration c = some(), d = { 0 };
	char text[SCOPE_CAL_BYTES];
	size_t n = scope_calibration_format(&c, ID, text);

	(void)state;
	assert_true(n > 0);
	assert_int_equal(scope_calibration_parse(text, n, ID, &d), 0);
	same(&c, &d);
	assert_int_equal(d.from, SCOPE_CAL_CACHE);
}

static void another_boot_is_stale(void **state)
{
	struct scope_calibration c = some(), d = { 0 };
	char text[SCOPE_CAL_BYTES];
	size_t n = scope_calibration_format(&c, ID, text);

	(void)state;
	assert_int_equal(scope_calibration_parse(text, n, ID "x", &d), -ESTALE);
	assert_int_equal(scope_calibration_parse(text, n, "", &d), -ESTALE);
	assert_int_equal(d.trap[1], 0);
}

static void no_other_byte_passes(void **state)
{
	struct scope_calibration c = some(), d = { 0 };
	char text[SCOPE_CAL_BYTES], broken[SCOPE_CAL_BYTES];
	size_t n = scope_calibration_format(&c, ID, text);

	(void)state;
	for (size_t i = 0; i < n; i++)
		assert_int_equal(scope_calibration_parse(text, i, ID, &d),
				 -EBADMSG);
	for (size_t i = 0; i < n; i++) {
		memcpy(broken, text, n);
		broken[i] ^= 1;
		assert_true(scope_calibration_parse(broken, n, ID, &d) < 0);
	}
	memcpy(broken, text, n);
	broken[n] = '\n';
	assert_int_equal(scope_calibration_parse(broken, n + 1, ID, &d),
			 -EBADMSG);
	assert_int_equal(scope_calibration_parse("", 0, ID, &d), -EBADMSG);
	assert_int_equal(d.trap[1], 0);
}

static void the_file_is_ours_alone(void **state)
{
	struct scope_calibration c = some(), d = { 0 };
	struct stat st;
	char long_text[2 * SCOPE_CAL_BYTES];
	int fd;

	(void)state;
	assert_int_equal(scope_calibration_load(dir, ID, &d), -ENOENT);
	assert_int_equal(scope_calibration_load(in_dir("none"), ID, &d),
			 -ENOENT);
	assert_int_equal(scope_calibration_save(dir, ID, &c), 0);
	assert_int_equal(stat(in_dir("calibration"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(scope_calibration_load(dir, ID, &d), 0);
	same(&c, &d);
	/* Written over as a whole. */
	c.trap[1]++;
	assert_int_equal(scope_calibration_save(dir, ID, &c), 0);
	assert_int_equal(scope_calibration_load(dir, ID, &d), 0);
	same(&c, &d);

	assert_int_equal(chmod(in_dir("calibration"), 0620), 0);
	assert_int_equal(scope_calibration_load(dir, ID, &d), -EACCES);
	assert_int_equal(chmod(in_dir("calibration"), 0600), 0);
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(scope_calibration_load(dir, ID, &d), -EACCES);
	assert_int_equal(scope_calibration_save(dir, ID, &c), -EACCES);
	assert_int_equal(chmod(dir, 0700), 0);
	(void)snprintf(long_text, sizeof(long_text), "%s", in_dir("other"));
	assert_int_equal(rename(in_dir("calibration"), long_text), 0);
	assert_int_equal(symlink("other", in_dir("calibration")), 0);
	assert_int_equal(scope_calibration_load(dir, ID, &d), -EACCES);
	/* What was there is replaced, not followed. */
	assert_int_equal(scope_calibration_save(dir, ID, &c), 0);
	assert_int_equal(scope_calibration_load(dir, ID, &d), 0);

	/* Any bytes, and more of them than are read. */
	memset(long_text, 'x', sizeof(long_text));
	fd = open(in_dir("calibration"), O_WRONLY | O_TRUNC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, long_text, sizeof(long_text)),
			 sizeof(long_text));
	assert_int_equal(close(fd), 0);
	assert_int_equal(scope_calibration_load(dir, ID, &d), -EBADMSG);
}

static void folders_are_made(void **state)
{
	struct scope_calibration c = some(), d = { 0 };

	(void)state;
	assert_int_equal(scope_calibration_save(in_dir("sub"), ID, &c), 0);
	assert_int_equal(scope_calibration_load(in_dir("sub"), ID, &d), 0);
	assert_true(scope_calibration_save("/proc/none/none", ID, &c) < 0);
}

static void the_users_folder(void **state)
{
	char buf[512], tiny[4];

	(void)state;
	assert_int_equal(setenv("SCOPE_CACHE", "/x", 1), 0);
	assert_int_equal(scope_calibration_dir(buf, sizeof(buf)), 0);
	assert_string_equal(buf, "/x");
	assert_int_equal(setenv("SCOPE_CACHE", "/x/y", 1), 0);
	assert_int_equal(scope_calibration_dir(tiny, sizeof(tiny)), -ENOENT);
	assert_int_equal(unsetenv("SCOPE_CACHE"), 0);
	if (geteuid() == 0) {
		assert_int_equal(scope_calibration_dir(buf, sizeof(buf)), 0);
		assert_string_equal(buf, "/var/cache/scope-bpf");
	}
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(in_dir(name), "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void kernel_and_boot_are_told_apart(void **state)
{
	char id[SCOPE_CAL_ID], again[SCOPE_CAL_ID];

	(void)state;
	assert_int_equal(scope_calibration_id(dir, id), -ENOENT);
	assert_int_equal(mkdir(in_dir("sys"), 0700), 0);
	assert_int_equal(mkdir(in_dir("sys/kernel"), 0700), 0);
	assert_int_equal(mkdir(in_dir("sys/kernel/random"), 0700), 0);
	put("sys/kernel/osrelease", "6.1\n");
	put("sys/kernel/version", "#1 SMP\tx\n");
	assert_int_equal(scope_calibration_id(dir, id), -ENOENT);
	put("sys/kernel/random/boot_id", "abc\n");
	assert_int_equal(scope_calibration_id(dir, id), 0);
	assert_non_null(strstr(id, "6.1 #1 SMP?x"));
	assert_null(strchr(id, '\n'));
	put("sys/kernel/random/boot_id", "abd\n");
	assert_int_equal(scope_calibration_id(dir, again), 0);
	assert_string_not_equal(id, again);
}

static void costs_add_up(void **state)
{
	struct scope_calibration c;
	struct scope_attach_site s = { .group = SCOPE_GROUP_SEND,
				       .prog = SCOPE_PROG_SEND,
				       .insn = SCOPE_INSN_NOP };
	uint64_t none, few, full;

	(void)state;
	scope_calibration_default(&c);
	none = scope_calibration_cost(&c, &s, 0);
	few = scope_calibration_cost(&c, &s, 4);
	full = scope_calibration_cost(&c, &s, 16);
	assert_true(none ==
		    c.trap[SCOPE_INSN_NOP] + c.figure[SCOPE_CAL_F_RECORD]);
	assert_true(none < few && few < full);
	assert_true(scope_calibration_cost(&c, &s, 512) == full);
	s.insn = SCOPE_INSN_OTHER;
	assert_true(scope_calibration_cost(&c, &s, 0) > 10 * none);

	/* A pair: trap at the entry, all else at the return. */
	s.insn = SCOPE_INSN_NOP;
	s.group = SCOPE_GROUP_GC;
	s.prog = SCOPE_PROG_CALL;
	assert_true(scope_calibration_cost(&c, &s, 64) ==
		    c.trap[SCOPE_INSN_NOP]);
	s.prog = SCOPE_PROG_RETURN;
	s.is_return = true;
	assert_true(scope_calibration_cost(&c, &s, 64) >=
		    c.figure[SCOPE_CAL_F_CALL]);
	assert_true(scope_calibration_cost(&c, &s, 64) ==
		    scope_calibration_cost(&c, &s, 0));
}

static void everything_has_a_name(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SCOPE_CAL_F_MAX; i++) {
		assert_non_null(scope_cal_figure_name(i));
		assert_null(strchr(scope_cal_figure_name(i), ' '));
		assert_non_null(scope_cal_figure_says(i));
	}
	for (unsigned i = 0; i < SCOPE_INSN_MAX; i++)
		assert_null(strchr(scope_insn_name(i), ' '));
	assert_string_equal(scope_calibration_from_name(SCOPE_CAL_DEFAULT),
			    "default");
	assert_string_equal(scope_calibration_from_name(SCOPE_CAL_CACHE),
			    "cache");
	assert_string_equal(scope_calibration_from_name(SCOPE_CAL_MEASURED),
			    "measured");
}

/* A file that is no good is as none, and nothing is measured for asking. */
static void without_a_file_there_are_defaults(void **state)
{
	(void)state;
	put("calibration", "scope-bpf calibration 1\nid x\n");
	assert_int_equal(chmod(in_dir("calibration"), 0600), 0);
	assert_int_equal(setenv("SCOPE_CACHE", dir, 1), 0);
	assert_int_equal(scope_calibration_get()->from, SCOPE_CAL_DEFAULT);
	assert_ptr_equal(scope_calibration_get(), scope_calibration_get());
	assert_int_equal(unsetenv("SCOPE_CACHE"), 0);
}

int main(void)
{
#define IN_DIR(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(another_boot_is_stale),
		cmocka_unit_test(no_other_byte_passes),
		IN_DIR(the_file_is_ours_alone),
		IN_DIR(folders_are_made),
		cmocka_unit_test(the_users_folder),
		IN_DIR(kernel_and_boot_are_told_apart),
		cmocka_unit_test(costs_add_up),
		cmocka_unit_test(everything_has_a_name),
		IN_DIR(without_a_file_there_are_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
