/* SPDX-License-Identifier: MIT */
/* ps_node: what `scope-bpf ps` says of the node as a whole. */
#ifndef SCOPE_CLI_PS_NODE_H
#define SCOPE_CLI_PS_NODE_H

#include <stdio.h>

#include "target/snapshot.h"
#include "target/target.h"

/* {"kind":"node",…}, a line. */
void scope_ps_node_json(struct scope_target *t, const struct scope_snapshot *s,
			FILE *out);

#endif
