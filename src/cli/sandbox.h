/* SPDX-License-Identifier: MIT */
/*
 * sandbox: what is left to the process that parses what comes from the node.
 *
 * Shapes:  scope_sandbox_enter gives up every capability and root's user id
 *          (attacher/drop.h), then all system calls but those that reading,
 *          decoding and printing take. Without the options what is to be
 *          written to must be open by then; files can be opened for reading.
 * Errors:  with words in err: -ENOTSUP the kernel has no seccomp filters.
 *          A call that is not allowed ends the process with a message, after
 *          on_violation.
 * Threads: to be called while there is only one; later ones are bound as well.
 */
#ifndef SCOPE_CLI_SANDBOX_H
#define SCOPE_CLI_SANDBOX_H

#include <stdbool.h>

#include "base/err.h"

struct scope_sandbox_opts {
	bool has_no_filter;	  /* give up rights alone */
	bool writes_files;	  /* files can be made, renamed and removed */
	bool listens;	   /* on a socket that is there already */
	bool uses_network;	  /* sockets, and what finds hosts by name */
	bool keeps_user;	  /* root's files stay within reach */
	void (*on_violation)(void); /* from a signal handler; may be NULL */
};

int scope_sandbox_enter(const struct scope_sandbox_opts *opts,
			struct scope_err *err);

#endif
