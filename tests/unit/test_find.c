/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "target/find.h"
#include "target/procfs.h"
#include "target/target_int.h"

static const struct scope_found nodes[] = {
	{ .pid = 10, .node = "shop@a", .cmdline = "beam.smp -name shop@a" },
	{ .pid = 11, .node = "shop@b", .cmdline = "beam.smp -name shop@b" },
	{ .pid = 12, .node = "bank", .cmdline = "beam.smp -sname bank" },
	{ .pid = 13, .node = "", .cmdline = "beam.smp -s rabbit boot" },
	{ .pid = 14, .node = "", .cmdline = "beam.smp -s rabbit prelaunch" },
};

static int among(size_t n, const char *name, pid_t *pid, struct scope_err *err)
{
	*pid = 0;
	*err = (struct scope_err){ 0 };
	return scope_find_among(nodes, n, name, pid, err);
}

static void a_name_means_one_node(void **state)
{
	struct scope_err err;
	pid_t pid;

	(void)state;
	assert_int_equal(among(5, "shop@b", &pid, &err), 0);
	assert_int_equal(pid, 11);
	assert_int_equal(among(5, "bank", &pid, &err), 0);
	assert_int_equal(pid, 12);
	assert_int_equal(among(5, "bank@anywhere", &pid, &err), 0);
	assert_int_equal(pid, 12);
	assert_int_equal(among(5, "prelaunch", &pid, &err), 0);
	assert_int_equal(pid, 14);
	/* A full name is better than one without its host. */
	assert_int_equal(among(1, "shop", &pid, &err), 0);
	assert_int_equal(pid, 10);
	assert_int_equal(among(1, NULL, &pid, &err), 0);
	assert_int_equal(pid, 10);
}

static void what_means_none_or_several_is_told(void **state)
{
	struct scope_err err;
	pid_t pid;

	(void)state;
	assert_int_equal(among(5, "shop", &pid, &err), -ESRCH);
	assert_non_null(strstr(err.text, "10 (shop@a), 11 (shop@b)"));
	assert_null(strstr(err.text, "bank"));
	assert_int_equal(among(5, "shop@c", &pid, &err), -ESRCH);
	assert_int_equal(among(5, "rabbit", &pid, &err), -ESRCH);
	assert_non_null(strstr(err.text, "13 (no name), 14 (no name)"));
	assert_int_equal(among(5, "cafe", &pid, &err), -ESRCH);
	assert_non_null(strstr(err.text, "12 (bank)"));
	assert_int_equal(among(5, "", &pid, &err), -ESRCH);
	assert_int_equal(among(5, NULL, &pid, &err), -ESRCH);
	assert_non_null(strstr(err.text, "several nodes run"));
	assert_int_equal(among(0, "shop", &pid, &err), -ESRCH);
	assert_int_equal(among(0, NULL, &pid, &err), -ESRCH);
	assert_int_equal(pid, 0);
}

static void a_number_is_a_pid(void **state)
{
	struct scope_err err = { 0 };
	pid_t pid = 0;

	(void)state;
	assert_int_equal(scope_find_pid("4711", &pid, &err), 0);
	assert_int_equal(pid, 4711);
	assert_int_equal(scope_find_pid("0", &pid, &err), -ESRCH);
	assert_int_equal(scope_find_pid("99999999999999999999", &pid, &err),
			 -ESRCH);
	assert_int_equal(pid, 4711);
}

static char root[] = "/tmp/scope-find-XXXXXX";

static void put(const char *pid, const char *file, const char *text, size_t n)
{
	char path[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", root, pid);
	(void)mkdir(path, 0755);
	(void)snprintf(path, sizeof(path), "%s/%s/%s", root, pid, file);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

#define PUT(pid, file, text) put(pid, file, text, sizeof(text) - 1)

static void link_exe(const char *pid, const char *to)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", root, pid);
	(void)mkdir(path, 0755);
	(void)snprintf(path, sizeof(path), "%s/%s/exe", root, pid);
	assert_int_equal(symlink(to, path), 0);
}

static int make_root(void **state)
{
	(void)state;
	if (!mkdtemp(root))
		return -1;
	link_exe("20", "/usr/lib/erlang/erts-13/bin/beam.smp");
	PUT("20", "cmdline", "/usr/bin/beam.smp\0--\0-root\0/x\0-sname\0foo\0"
			     "-extra\0-name\0bar\0");
	link_exe("21", "/x/beam.debug.smp (deleted)");
	PUT("21", "cmdline", "beam.debug.smp\0-name\0a\033[2Jb@c\0-name");
	link_exe("22", "/bin/bash");
	PUT("22", "cmdline", "beam.smp\0");
	link_exe("23", "/x/beam.smp/sleep");
	PUT("24", "comm", "beam.smp\n"); /* no exe: a zombie */
	link_exe("self", "/x/beam.smp");
	link_exe("25", "/x/beam.smp"); /* no command line */
	return 0;
}

static int drop(const char *path, const struct stat *st, int type,
		struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int drop_root(void **state)
{
	(void)state;
	return nftw(root, drop, 8, FTW_DEPTH | FTW_PHYS);
}

/* Index of the node with a PID. */
static int with(const struct scope_found *f, int n, pid_t pid)
{
	int i = 0;

	while (i < n - 1 && f[i].pid != pid)
		i++;
	assert_int_equal(f[i].pid, pid);
	return i;
}

static void nodes_are_found_by_their_program(void **state)
{
	struct scope_found f[8];
	int n = scope_find_nodes_in(root, f, 8);

	(void)state;
	assert_int_equal(n, 3);
	assert_string_equal(f[with(f, n, 20)].node, "foo");
	assert_non_null(strstr(f[with(f, n, 20)].cmdline,
			       "-root /x -sname foo"));
	assert_string_equal(f[with(f, n, 21)].node, "a?[2Jb@c");
	assert_null(strchr(f[with(f, n, 21)].cmdline, '\033'));
	assert_string_equal(f[with(f, n, 25)].node, "");
	assert_int_equal(scope_find_nodes_in(root, f, 2), 2);
	assert_int_equal(scope_find_nodes_in("/nowhere", f, 2), -ENOENT);
}

static void a_long_command_line_is_cut(void **state)
{
	static char text[200000];
	struct scope_found f[8];

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "beam\0-name\0", 11);
	put("25", "cmdline", text, sizeof(text));
	assert_int_equal(scope_find_nodes_in(root, f, 8), 3);
	assert_int_equal(strlen(f[with(f, 3, 25)].node), 255);
	assert_int_equal(strlen(f[with(f, 3, 25)].cmdline), 511);
}

static void threads_are_known_by_their_names(void **state)
{
	static const struct {
		const char *comm;
		int kind; /* -1: no scheduler */
		unsigned no;
	} rows[] = {
		{ "1_scheduler", 0, 1 },     { "1024_scheduler", 0, 1024 },
		{ "2_dirty_cpu_sch", 1, 2 }, { "100_dirty_cpu_s", 1, 100 },
		{ "10_dirty_io_sch", 2, 10 }, { "erts_sched_7", 0, 7 },
		{ "erts_dcpus_12", 1, 12 },  { "erts_dios_1024", 2, 1024 },
		{ "1_aux", -1, 0 },	     { "0_poller", -1, 0 },
		{ "0_scheduler", -1, 0 },    { "beam.smp", -1, 0 },
		{ "erts_sched_", -1, 0 },    { "erts_sched_1x", -1, 0 },
		{ "erts_sched_-1", -1, 0 },  { "erts_sched_1025", -1, 0 },
		{ "99999999999_sch", -1, 0 }, { "async_1", -1, 0 },
		{ "erts_aux_1", -1, 0 },     { "", -1, 0 },
		{ "1", -1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		unsigned kind = 9, no = 9;
		bool is = scope_thread_parse(rows[i].comm, &kind, &no);

		if (is != (rows[i].kind >= 0) ||
		    (is && ((int)kind != rows[i].kind || no != rows[i].no)))
			fail_msg("%s: %d %u %u", rows[i].comm, is, kind, no);
	}
}

static void a_process_that_is_no_node_is_refused(void **state)
{
	struct scope_procfs_status st;
	struct scope_target *t = NULL;
	struct scope_err err = { 0 };

	(void)state;
	assert_int_equal(scope_target_open(getpid(), &t, &err), -ENOEXEC);
	assert_non_null(strstr(err.text, "is not a BEAM"));
	err = (struct scope_err){ 0 };
	assert_int_equal(scope_target_open(0x3fffffff, &t, &err), -ESRCH);
	assert_non_null(strstr(err.text, "no process with PID"));
	assert_null(t);
	assert_int_equal(scope_procfs_status(getpid(), &st), 0);
	assert_int_equal(st.tgid, getpid());
	assert_false(st.is_kernel);
}

static void a_zombie_is_told_from_a_node(void **state)
{
	struct scope_target *t = NULL;
	struct scope_err err = { 0 };
	siginfo_t info;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(0);
	assert_true(pid > 0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(scope_target_open(pid, &t, &err), -ESRCH);
	assert_non_null(strstr(err.text, "zombie"));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_means_one_node),
		cmocka_unit_test(what_means_none_or_several_is_told),
		cmocka_unit_test(a_number_is_a_pid),
		cmocka_unit_test(nodes_are_found_by_their_program),
		cmocka_unit_test(a_long_command_line_is_cut),
		cmocka_unit_test(threads_are_known_by_their_names),
		cmocka_unit_test(a_process_that_is_no_node_is_refused),
		cmocka_unit_test(a_zombie_is_told_from_a_node),
	};

	return cmocka_run_group_tests(tests, make_root, drop_root);
}
