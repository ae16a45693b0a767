/* SPDX-License-Identifier: MIT */
#include "base/nice.h"

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RAISED (-10)

static bool is_raised;
static int before;

static int set(int nice)
{
	return setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), nice);
}

void scope_nice_raise(void)
{
	before = getpriority(PRIO_PROCESS, 0);
	is_raised = before > RAISED && set(RAISED) == 0;
}

void scope_nice_give_back(void)
{
	if (is_raised)
		(void)set(before);
}
