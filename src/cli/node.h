/* SPDX-License-Identifier: MIT */
/*
 * node: what a node has beside processes, as `ps` and `top` show it: as JSON,
 * and as tables.
 *
 * Shapes:  scope_node_read reads what is asked for; what can't be read is left
 *          out, and said with the reason.
 * Text:    what comes from the node is printed without control characters.
 * Errors:  -ESRCH the node is gone; -ENOMEM.
 * Memory:  a scope_node owns what was read.
 * Threads: one owner.
 */
#ifndef SCOPE_CLI_NODE_H
#define SCOPE_CLI_NODE_H

#include <stdio.h>

#include "beam/redact.h"
#include "target/ets.h"
#include "target/memory.h"
#include "target/ports.h"
#include "target/schedulers.h"
#include "target/socket.h"

enum scope_node_part {
	SCOPE_NODE_SCHEDULERS, /* and run queues */
	SCOPE_NODE_MEMORY,
	SCOPE_NODE_PORTS,
	SCOPE_NODE_ETS,
	SCOPE_NODE_PARTS,
};
#define SCOPE_NODE_ALL ((1u << SCOPE_NODE_PARTS) - 1)
#define SCOPE_NODE_BIT(part) (1u << (part))

struct scope_node {
	struct scope_target *t; /* borrowed */
	struct scope_redact *redact; /* borrowed; NULL: nothing to hide */
	unsigned parts; /* that were asked for, and could be read */
	struct scope_schedulers *schedulers; /* owned, as all below */
	struct scope_ports *ports;
	struct scope_sockets *sockets; /* of the ports; may be NULL */
	struct scope_ets_tables *tables;
	struct scope_memory memory;
	const char *why[SCOPE_NODE_PARTS]; /* static; NULL: it was read */
	/* The function that a process is in, for those that schedulers run;
	 * NULL: nobody knows. */
	void (*put_function)(void *arg, uint64_t pid, struct scope_buf *out);
	void *arg;
};

/* parts: SCOPE_NODE_BITs. */
int scope_node_read(struct scope_target *t, unsigned parts,
		    struct scope_node *ret_node);
void scope_node_done(struct scope_node *n);

/* The keys of the parts that were read, each with a comma before it, for an
 * object that the caller began: "schedulers", "run_queues", "memory", "ports",
 * "tables", and "unavailable" where something could not be read. */
void scope_node_put_json(struct scope_node *n, FILE *out);
/* An object for each scheduler, allocator, port or table, a line each, with its
 * kind. */
void scope_node_print_json(struct scope_node *n, enum scope_node_part part,
			   FILE *out);
/* A table of a part, with a line of titles; width: of the terminal, 0: not cut. */
void scope_node_print_table(struct scope_node *n, enum scope_node_part part,
			   size_t width, FILE *out);

/* What a port was opened with, its registered name and addresses, as they may
 * be shown: borrowed until the next call. */
struct scope_node_port {
	const char *command;
	size_t command_len;
	const char *local, *peer; /* "": none */
};
void scope_node_port_text(struct scope_node *n, const struct scope_port *p,
			  struct scope_node_port *ret);

#endif
