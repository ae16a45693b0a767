/* SPDX-License-Identifier: MIT */
/* ps_node: what `scope-bpf ps` says of the node as a whole. */
#ifndef SCOPE_CLI_PS_NODE_H
#define SCOPE_CLI_PS_NODE_H

#include <stdio.h>

#include "cli/ps.h"

/* {"kind":"node",…}, a line: how the processes of ps->s were read, and all that
 * the node has beside them. -ESRCH -ENOMEM. */
int scope_ps_node_json(struct scope_ps *ps, struct scope_target *t, FILE *out);
/* The parts of it alone (SCOPE_NODE_BITs), as tables or lines of JSON. width:
 * of the terminal, 0: not cut. With words in err. */
int scope_ps_node_parts(struct scope_ps *ps, struct scope_target *t,
			unsigned parts, bool is_json, size_t width, FILE *out,
			struct scope_err *err);

#endif
