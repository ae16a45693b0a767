/* SPDX-License-Identifier: MIT */
#include "attacher/drop.h"

#include <errno.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOBODY 65534

static int get(struct __user_cap_data_struct d[2])
{
	struct __user_cap_header_struct h = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};

	return syscall(SYS_capget, &h, d) < 0 ? -errno : 0;
}

static int keep(uint64_t caps)
{
	struct __user_cap_header_struct h = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct d[2];
	int r = get(d);

	if (r < 0)
		return r;
	for (int i = 0; i < 2; i++) {
		d[i].permitted &= (uint32_t)(caps >> 32 * i);
		d[i].effective = d[i].permitted;
		d[i].inheritable = 0;
	}
	return syscall(SYS_capset, &h, d) < 0 ? -errno : 0;
}

/* Not all of it may be allowed; what matters is checked by who called. */
static void leave_root(void)
{
	if (geteuid() != 0 || prctl(PR_SET_KEEPCAPS, 1) < 0)
		return;
	if (setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0)
		(void)!setresuid(NOBODY, NOBODY, NOBODY);
	(void)prctl(PR_SET_KEEPCAPS, 0);
}

int scope_drop(uint64_t caps, int keep_user)
{
	for (int c = 0; c < 64; c++)
		if (!((caps >> c) & 1))
			(void)prctl(PR_CAPBSET_DROP, c);
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (!keep_user)
		leave_root();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	/* Others of the same user must not reach in. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return -errno;
	return keep(caps);
}

uint64_t scope_caps_missing(uint64_t caps)
{
	struct __user_cap_data_struct d[2];
	uint64_t has;

	if (get(d) < 0)
		return caps;
	has = d[0].effective | (uint64_t)d[1].effective << 32;
	if (has & SCOPE_CAP(CAP_SYS_ADMIN))
		has |= SCOPE_CAP(CAP_BPF) | SCOPE_CAP(CAP_PERFMON);
	return caps & ~has;
}
