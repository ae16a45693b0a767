/* SPDX-License-Identifier: MIT */
/* exit: what the program's exit status means (scope-bpf(1), EXIT STATUS). */
#ifndef SCOPE_CLI_EXIT_H
#define SCOPE_CLI_EXIT_H

#include <errno.h>

enum scope_exit {
	SCOPE_EXIT_OK = 0,
	SCOPE_EXIT_FAILED = 1,
	SCOPE_EXIT_USAGE = 2,	/* wrong usage */
	SCOPE_EXIT_NO_NODE = 3, /* no such node, or it is not a BEAM */
	SCOPE_EXIT_DENIED = 4,	/* not permitted or not supported here */
	SCOPE_EXIT_LOST = 5,	/* --strict: done, but events were lost */
};

/* Of a result: 0 and above are OK, negative errnos as base/err.h says. */
static inline enum scope_exit scope_exit_of(int r)
{
	if (r >= 0)
		return SCOPE_EXIT_OK;
	switch (-r) {
	case EINVAL:
		return SCOPE_EXIT_USAGE;
	case ESRCH:
	case ENOEXEC:
		return SCOPE_EXIT_NO_NODE;
	case EPERM:
	case EACCES:
	case ENOTSUP:
		return SCOPE_EXIT_DENIED;
	default:
		return SCOPE_EXIT_FAILED;
	}
}

#endif
