/* SPDX-License-Identifier: MIT */
/* top_inside: what one process holds, as text for `top`. */
#ifndef SCOPE_CLI_TOP_INSIDE_H
#define SCOPE_CLI_TOP_INSIDE_H

#include "beam/copy.h"
#include "cli/ps.h"
#include "cli/stack.h"

#define SCOPE_INSIDE_LIST 100 /* messages, entries, links shown at most */

struct scope_inside {
	struct scope_target *t; /* borrowed, as all but the text */
	struct scope_ps ps;
	struct scope_stack_conf conf;
	struct scope_stack_printer printer;
	char *text; /* owned: of the last look */
};

/* Read the process and set `text`: headings at the margin, what belongs to them
 * two columns in. A process that is gone is text, too. -ESRCH: the node is gone;
 * -ENOMEM. */
int scope_inside_look(struct scope_inside *in, uint64_t pid,
		      struct scope_err *err);
void scope_inside_done(struct scope_inside *in);

#endif
