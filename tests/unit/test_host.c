/* SPDX-License-Identifier: MIT */
/* What the doctor says of hosts that are made here, as folders. */
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/doctor.h"
#include "target/procfs.h"
#include "probe/host.h"

static char root[64];
static struct scope_host host;

static void put(const char *path, const char *text)
{
	char full[512];
	FILE *f;

	(void)snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		(void)mkdir(full, 0700);
		*p = '/';
	}
	f = fopen(full, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void put_link(const char *path, const char *to)
{
	char full[512];

	put(path, "");
	(void)snprintf(full, sizeof(full), "%s%s", root, path);
	assert_int_equal(unlink(full), 0);
	assert_int_equal(symlink(to, full), 0);
}

static void put_caps(const char *caps)
{
	char text[256];

	(void)snprintf(text, sizeof(text),
		       "Name:\tx\nCapInh:\t0\nCapEff:\t%s\nSeccomp:\t0\n", caps);
	put("/proc/self/status", text);
}

/* A host that has it all. */
static int setup(void **state)
{
	(void)state;
	(void)snprintf(root, sizeof(root), "/tmp/scope-unit.XXXXXX");
	if (!mkdtemp(root))
		return -1;
	put("/proc/sys/kernel/osrelease", "6.12.1-x\n");
	put("/proc/sys/net/core/bpf_jit_enable", "1\n");
	put("/proc/sys/kernel/unprivileged_bpf_disabled", "2\n");
	put("/proc/sys/kernel/perf_event_paranoid", "2\n");
	put("/proc/sys/kernel/yama/ptrace_scope", "1\n");
	put("/sys/kernel/btf/vmlinux", "x");
	put("/sys/kernel/security/lockdown", "[none] integrity confidentiality\n");
	put("/sys/bus/event_source/devices/uprobe/type", "7\n");
	put("/proc/self/cgroup", "0::/a/b\n");
	put("/sys/fs/cgroup/a/b/memory.max", "max\n");
	put_link("/proc/self/ns/user", "user:[4026531837]");
	put_link("/proc/self/ns/pid", "pid:[4026531836]");
	put_caps("000001ffffffffff");
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	(void)state;
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const struct scope_check *find(const struct scope_checks *c,
				      const char *id)
{
	for (size_t i = 0; i < c->n; i++)
		if (!strcmp(c->list[i].id, id))
			return &c->list[i];
	fail_msg("no check %s", id);
	return NULL;
}

/* Each thing that is not there says what would bring it. */
static void nothing_without_advice(const struct scope_checks *c)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct scope_check *k = &c->list[i];

		if (!*k->value)
			fail_msg("%s says nothing", k->id);
		if (k->state != SCOPE_STATE_YES &&
		    k->state != SCOPE_STATE_INFO && !*k->fix)
			fail_msg("%s is %s, and nothing to do about it", k->id,
				 scope_state_name(k->state));
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(k->id, c->list[j].id);
	}
}

static void look(void)
{
	const struct scope_host_env env = { .root = root };

	scope_host_look(&env, &host);
	nothing_without_advice(&host.kernel_checks);
	nothing_without_advice(&host.caps);
}

static const struct scope_check *kernel(const char *id)
{
	return find(&host.kernel_checks, id);
}

static const struct scope_check *cap(const char *id)
{
	return find(&host.caps, id);
}

static void one_that_has_it_all(void **state)
{
	(void)state;
	look();
	assert_string_equal(host.kernel, "6.12.1-x");
	assert_true(scope_checks_ok(&host.kernel_checks));
	assert_true(scope_checks_ok(&host.caps));
	for (size_t i = 0; i < host.kernel_checks.n; i++)
		if (host.kernel_checks.list[i].is_needed)
			assert_int_equal(host.kernel_checks.list[i].state,
					 SCOPE_STATE_YES);
}

static void old_kernels(void **state)
{
	(void)state;
	put("/proc/sys/kernel/osrelease", "5.10.0-30-amd64\n");
	look();
	assert_int_equal(kernel("kernel")->state, SCOPE_STATE_NO);
	assert_int_equal(kernel("uprobe_multi")->state, SCOPE_STATE_LIMITED);
	assert_int_equal(kernel("ring_buffer")->state, SCOPE_STATE_YES);
	assert_int_equal(kernel("bpf_loop")->state, SCOPE_STATE_NO);
	assert_false(scope_checks_ok(&host.kernel_checks));
	put("/proc/sys/kernel/osrelease", "6.1.0\n");
	put_caps("000000c000080000"); /* BPF, PERFMON, SYS_PTRACE */
	look();
	assert_int_equal(kernel("kernel")->state, SCOPE_STATE_LIMITED);
	assert_true(scope_checks_ok(&host.kernel_checks));
	/* Perf uprobes want more. */
	assert_int_equal(cap("CAP_SYS_ADMIN")->state, SCOPE_STATE_NO);
	put("/proc/sys/kernel/osrelease", "what\n");
	look();
	assert_false(scope_checks_ok(&host.kernel_checks));
}

static void capabilities(void **state)
{
	(void)state;
	put_caps("000000c000080000"); /* BPF, PERFMON, SYS_PTRACE */
	look();
	assert_true(scope_checks_ok(&host.caps));
	assert_int_equal(cap("CAP_SYS_ADMIN")->state, SCOPE_STATE_INFO);
	put_caps("0000000000200000"); /* SYS_ADMIN */
	look();
	assert_int_equal(cap("CAP_BPF")->state, SCOPE_STATE_YES);
	assert_non_null(strstr(cap("CAP_BPF")->value, "CAP_SYS_ADMIN"));
	assert_int_equal(cap("CAP_SYS_PTRACE")->state, SCOPE_STATE_NO);
	put_caps("0000000000000000");
	look();
	assert_false(scope_checks_ok(&host.caps));
	assert_int_equal(cap("CAP_BPF")->state, SCOPE_STATE_NO);
	assert_int_equal(cap("CAP_PERFMON")->state, SCOPE_STATE_NO);
	assert_non_null(strstr(cap("CAP_PERFMON")->fix, "setcap"));
}

static void what_forbids(void **state)
{
	(void)state;
	put("/sys/kernel/security/lockdown",
	    "none integrity [confidentiality]\n");
	look();
	assert_int_equal(kernel("lockdown")->state, SCOPE_STATE_NO);
	put("/sys/kernel/security/lockdown",
	    "none [integrity] confidentiality\n");
	put("/proc/sys/kernel/yama/ptrace_scope", "3\n");
	look();
	assert_int_equal(kernel("lockdown")->state, SCOPE_STATE_YES);
	assert_int_equal(kernel("ptrace_scope")->state, SCOPE_STATE_NO);
	put("/proc/sys/kernel/yama/ptrace_scope", "2\n");
	look();
	assert_true(scope_checks_ok(&host.kernel_checks));
}

static void processes_of_others(void **state)
{
	static const char *const hides[] = {
		"hidepid=1", "hidepid=2", "hidepid=invisible", "gid=4,hidepid=4",
	};
	static const char *const shows[] = { "hidepid=0", "hidepid=off", "gid=4" };
	char text[512];

	(void)state;
	assert_false(scope_procfs_hides(root)); /* it does not say */
	for (size_t i = 0; i < sizeof(hides) / sizeof(*hides); i++) {
		(void)snprintf(text, sizeof(text),
			       "21 1 0:20 / / rw - ext4 /dev/x rw\n"
			       "22 21 0:21 / /proc rw,nosuid shared:1 - proc "
			       "proc rw,%s\n"
			       "23 21 0:22 / /a/proc rw - proc proc rw\n",
			       hides[i]);
		put("/proc/self/mountinfo", text);
		look();
		assert_int_equal(kernel("hidepid")->state, SCOPE_STATE_NO);
		assert_non_null(strstr(kernel("hidepid")->fix, "remount"));
		assert_false(scope_checks_ok(&host.kernel_checks));
	}
	for (size_t i = 0; i < sizeof(shows) / sizeof(*shows); i++) {
		/* Over one that hides, or beside it. */
		(void)snprintf(text, sizeof(text),
			       "22 21 0:21 / /proc rw - proc proc rw,hidepid=2\n"
			       "24 22 0:24 / /proc rw - proc proc rw,%s\n"
			       "23 21 0:22 / /a/proc rw - proc x hidepid=2\n",
			       shows[i]);
		put("/proc/self/mountinfo", text);
		assert_false(scope_procfs_hides(root));
	}
}

static void containers(void **state)
{
	char path[128];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/proc/self/ns/user", root);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("user:[4026532999]", path), 0);
	(void)snprintf(path, sizeof(path), "%s/proc/self/ns/pid", root);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("pid:[4026532998]", path), 0);
	put("/sys/fs/cgroup/a/b/memory.max", "16777216\n");
	look();
	assert_int_equal(kernel("user_namespace")->state, SCOPE_STATE_NO);
	/* What is held there is of no use. */
	assert_int_equal(cap("CAP_BPF")->state, SCOPE_STATE_NO);
	assert_non_null(strstr(cap("CAP_BPF")->value, "user namespace"));
	assert_non_null(strstr(kernel("pid_namespace")->fix, "hostPID"));
	assert_int_equal(kernel("cgroup_memory")->state, SCOPE_STATE_LIMITED);
	assert_non_null(strstr(kernel("cgroup_memory")->value, "16 MB"));
	put("/sys/fs/cgroup/a/b/memory.max", "1073741824\n");
	look();
	assert_int_equal(kernel("cgroup_memory")->state, SCOPE_STATE_YES);
}

static void the_compiler(void **state)
{
	(void)state;
	put("/proc/sys/net/core/bpf_jit_enable", "0\n");
	look();
	assert_int_equal(kernel("bpf_jit")->state, SCOPE_STATE_LIMITED);
	put("/proc/sys/net/core/bpf_jit_enable", "?\n");
	look();
	assert_int_equal(kernel("bpf_jit")->state, SCOPE_STATE_UNKNOWN);
}

/* Nothing to read at all: nothing is claimed. */
static void an_empty_host(void **state)
{
	const struct scope_host_env env = { .root = "/nonexistent" };

	(void)state;
	scope_host_look(&env, &host);
	nothing_without_advice(&host.kernel_checks);
	assert_false(scope_checks_ok(&host.kernel_checks));
	assert_int_equal(kernel("uprobes")->state, SCOPE_STATE_NO);
	assert_int_equal(kernel("user_namespace")->state, SCOPE_STATE_UNKNOWN);
	assert_int_equal(cap("CAP_BPF")->state, SCOPE_STATE_UNKNOWN);
}

static void checks_are_bounded(void **state)
{
	static struct scope_checks c;
	char long_text[2000];

	(void)state;
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	for (int i = 0; i < SCOPE_CHECKS_MAX + 3; i++) {
		struct scope_check *k = scope_check_add(
			&c, "id", "title", true, SCOPE_STATE_YES);

		scope_check_say(k, "%s", long_text);
		scope_check_fix(k, "%s", long_text);
		assert_int_equal(strlen(k->value), sizeof(k->value) - 1);
		assert_int_equal(strlen(k->fix), sizeof(k->fix) - 1);
	}
	assert_int_equal(c.n, SCOPE_CHECKS_MAX);
}

static void names_do_not_reach_the_terminal_raw(void **state)
{
	char text[] = "a\033[31m\xc2\x9b\xff\n\xc3\xa9z";

	(void)state;
	scope_doctor_clean(text);
	assert_string_equal(text, "a?[31m????\xc3\xa9z");
}

/* A report without a node: both forms, whatever the figures. */
static void both_reports(void **state)
{
	static struct scope_doctor d;
	char *text = NULL;
	size_t len = 0;
	FILE *f;

	(void)state;
	look();
	d.host = host;
	d.host_ok = true;
	scope_calibration_default(&d.cal);
	d.cal.figure[SCOPE_CAL_F_BREAK] = 0;
	f = open_memstream(&text, &len);
	assert_non_null(f);
	scope_doctor_print(&d, false, f);
	assert_int_equal(fclose(f), 0);
	assert_non_null(strstr(text, "No node runs here"));
	assert_non_null(strstr(text, "?  hardware execution breakpoint"));
	assert_null(strchr(text, '\033'));
	free(text);
	f = open_memstream(&text, &len);
	assert_non_null(f);
	assert_int_equal(scope_doctor_print_json(&d, f), 0);
	assert_int_equal(fclose(f), 0);
	assert_non_null(strstr(text, "\"breakpoint\": null"));
	assert_non_null(strstr(text, "\"ok\": true"));
	free(text);
	d.has_node = true;
	(void)scope_check_add(&d.node.checks, "open", "x", true,
			      SCOPE_STATE_NO);
	f = open_memstream(&text, &len);
	assert_non_null(f);
	scope_doctor_print(&d, true, f);
	assert_int_equal(scope_doctor_print_json(&d, f), 0);
	assert_int_equal(fclose(f), 0);
	assert_non_null(strstr(text, "\"ok\": false"));
	free(text);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(one_that_has_it_all),
		T(old_kernels),
		T(capabilities),
		T(what_forbids),
		T(processes_of_others),
		T(containers),
		T(the_compiler),
		T(an_empty_host),
		cmocka_unit_test(checks_are_bounded),
		cmocka_unit_test(names_do_not_reach_the_terminal_raw),
		T(both_reports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
