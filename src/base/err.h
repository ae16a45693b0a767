/* SPDX-License-Identifier: MIT */
/*
 * err: the one way to report an error that a user will read.
 *
 * Shapes:  a function that can fail takes a `struct scope_err *err` last
 *          (NULL allowed), fills it with scope_fail() and returns the negative
 *          errno. Functions whose failure needs no words return -Exxx alone.
 * Text:    one sentence saying what is wrong, then, after a semicolon, what to
 *          do about it. No final stop, no newline. Never a secret.
 * Errors:  what the codes mean to the command line (cli/exit.h):
 *          -ESRCH -ENOEXEC             no such node, or it is not a BEAM
 *          -EPERM -EACCES -ENOTSUP     not permitted or not supported here
 *          -EINVAL                     wrong usage, found late
 *          any other                   failed
 */
#ifndef SCOPE_ERR_H
#define SCOPE_ERR_H

#include <errno.h>

struct scope_err {
	int code; /* negative errno; 0: nothing reported */
	char text[480];
};

/* Note `code` and the text in *err (if not NULL), and return `code`. The first
 * report wins: an err that already holds one keeps it. */
int scope_fail(struct scope_err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
