/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "target/place.h"

#define ID1 "4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c"
#define ID2 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define UID "8f2a1c3d-4e5f-6071-8293-a4b5c6d7e8f9"
#define UID_ "8f2a1c3d_4e5f_6071_8293_a4b5c6d7e8f9"
#define UID_STATIC "8f2a1c3d4e5f60718293a4b5c6d7e8f9"

static const struct {
	const char *text, *cgroup, *runtime, *container, *name, *pod;
} cases[] = {
	{ "0::/docker/" ID1 "\n", "/docker/" ID1, "docker", ID1, "", "" },
	{ "0::/system.slice/docker-" ID1 ".scope\n",
	  "/system.slice/docker-" ID1 ".scope", "docker", ID1, "", "" },
	{ "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_
	  ".slice/cri-containerd-" ID1 ".scope\n",
	  NULL, "containerd", ID1, "", UID },
	{ "0::/kubepods.slice/kubepods-pod" UID_ ".slice/crio-" ID1 ".scope\n",
	  NULL, "cri-o", ID1, "", UID },
	{ "0::/kubepods/besteffort/pod" UID "/" ID1 "\n", NULL, "", ID1, "",
	  UID },
	{ "0::/kubepods/pod" UID_STATIC "/" ID1, NULL, "", ID1, "",
	  UID_STATIC },
	{ "0::/system.slice/containerd.service/kubepods-besteffort-pod" UID_
	  ".slice:cri-containerd:" ID1 "\n",
	  NULL, "containerd", ID1, "", UID },
	{ "0::/machine.slice/libpod-" ID1 ".scope/container\n", NULL, "podman",
	  ID1, "", "" },
	{ "0::/lxc.payload.web/system.slice/rabbit.service\n", NULL, "lxc", "",
	  "web", "" },
	{ "0::/lxc/web/init.scope\n", NULL, "lxc", "", "web", "" },
	{ "0::/machine.slice/machine-my\\x2dbox.scope/payload\n", NULL,
	  "machined", "", "my-box", "" },
	{ "0::/machine.slice/systemd-nspawn@box.service/payload\n", NULL,
	  "machined", "", "box", "" },
	/* A node of a cluster that is a container itself: the innermost. */
	{ "0::/docker/" ID2 "/kubelet/kubepods/pod" UID "/" ID1 "\n", NULL, "",
	  ID1, "", UID },
	/* Version 1, and both at once. */
	{ "12:pids:/user.slice\n1:name=systemd:/docker/" ID1 "\n0::/init\n",
	  "/docker/" ID1, "docker", ID1, "", "" },
	{ "2:cpu:/a\n0::/b\n", "/b", "", "", "", "" },
	{ "2:cpu:/a\n1:name=systemd:/b\n", "/a", "", "", "", "" },
	/* From a namespace of control groups beside it. */
	{ "0::/../cri-containerd-" ID1 ".scope\n", NULL, "containerd", ID1, "",
	  "" },
	/* None of it is a container. */
	{ "0::/\n", "/", "", "", "", "" },
	{ "0::/user.slice/user-0.slice/session-1.scope\n", NULL, "", "", "",
	  "" },
	{ "0::/mine/" ID1 "\n", NULL, "", "", "", "" },
	{ "0::/docker/1234\n", NULL, "", "", "", "" },
	{ "0::/docker/" ID1 "0\n", NULL, "", "", "", "" },
	{ "0::/system.slice/docker-" ID1 "x.scope", NULL, "", "", "", "" },
	{ "0::/machine.slice/libpod-conmon-" ID1 ".scope\n", NULL, "", "", "",
	  "" },
	{ "0::/kubepods/podx\n", NULL, "", "", "", "" },
	{ "0::/lxc/\n", NULL, "", "", "", "" },
	{ "", "", "", "", "", "" },
	{ "rubbish\n:\n::", "", "", "", "", "" },
	/* What a container may call itself goes to no terminal. */
	{ "0::/a\033[2Jb\xff\n", "/a?[2Jb?", "", "", "", "" },
};

static void containers_are_known_by_their_path(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct scope_place p = { 0 };

		scope_place_cgroup(cases[i].text, &p);
		if (cases[i].cgroup)
			assert_string_equal(p.cgroup, cases[i].cgroup);
		assert_string_equal(p.runtime, cases[i].runtime);
		assert_string_equal(p.container, cases[i].container);
		assert_string_equal(p.name, cases[i].name);
		assert_string_equal(p.pod, cases[i].pod);
	}
}

static void a_long_path_is_cut(void **state)
{
	char text[8000] = "0::";
	struct scope_place p = { 0 };

	(void)state;
	memset(text + 3, '/', sizeof(text) - 4);
	scope_place_cgroup(text, &p);
	assert_int_equal(strlen(p.cgroup), sizeof(p.cgroup) - 1);
	memset(text + 3, 'a', sizeof(text) - 4);
	memcpy(text + 3, "/lxc/", 5);
	scope_place_cgroup(text, &p);
	assert_int_equal(strlen(p.name), sizeof(p.name) - 1);
}

static void we_are_where_our_own_proc_is(void **state)
{
	struct scope_place p;

	(void)state;
	assert_true(scope_pidns_is_of_proc());
	assert_int_equal(scope_place_of(getpid(), &p), 0);
	assert_int_equal(p.pid_inside, 0);
	if (scope_pidns_is_initial())
		assert_int_equal(scope_place_tid(getpid(), getpid()), getpid());
	assert_int_equal(scope_place_of(0x3fffffff, &p), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(containers_are_known_by_their_path),
		cmocka_unit_test(a_long_path_is_cut),
		cmocka_unit_test(we_are_where_our_own_proc_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
