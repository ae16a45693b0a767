/* SPDX-License-Identifier: MIT */
#include "cli/node.h"

#include <errno.h>
#include <string.h>

static const char *reason(int r, enum scope_node_part part)
{
	if (r == -ENOENT)
		return part == SCOPE_NODE_MEMORY ?
			       "the emulator hides its symbols, and no table is "
			       "known of this build" :
			       "where it is kept is not found in this emulator";
	return r == -EBADMSG ? "what is in memory makes no sense" :
			       "the memory can't be read";
}

/* Peers by the kernel's tables; without them ports have no addresses. */
static void read_sockets(struct scope_node *n)
{
	if (!(n->parts & SCOPE_NODE_BIT(SCOPE_NODE_PORTS)) ||
	    scope_sockets_new(n->t, &n->sockets) < 0)
		return;
	scope_sockets_tell_peers(n->sockets);
}

int scope_node_read(struct scope_target *t, unsigned parts,
		    struct scope_node *ret_node)
{
	struct scope_node n = { .t = t };

	for (unsigned i = 0; i < SCOPE_NODE_PARTS; i++) {
		int r;

		if (!(parts & SCOPE_NODE_BIT(i)))
			continue;
		r = i == SCOPE_NODE_SCHEDULERS ?
			    scope_target_schedulers(t, &n.schedulers) :
		    i == SCOPE_NODE_MEMORY ? scope_target_memory(t, &n.memory) :
		    i == SCOPE_NODE_PORTS  ? scope_target_ports(t, &n.ports) :
					     scope_target_ets(t, &n.tables);
		if (r == -ESRCH || r == -ENOMEM) {
			scope_node_done(&n);
			return r;
		}
		if (r == 0)
			n.parts |= SCOPE_NODE_BIT(i);
		else
			n.why[i] = reason(r, i);
	}
	read_sockets(&n);
	*ret_node = n;
	return 0;
}

void scope_node_done(struct scope_node *n)
{
	scope_schedulers_free(n->schedulers);
	scope_sockets_free(n->sockets);
	scope_ports_free(n->ports);
	scope_ets_tables_free(n->tables);
	memset(n, 0, sizeof(*n));
}

/* As if it were a port that was just opened, so that the same rules hold. */
static void redact_command(struct scope_node *n, struct scope_node_port *p)
{
	struct scope_event ev = { .kind = SCOPE_KIND_PORT_OPEN };
	const struct scope_event *to;
	const struct scope_field *f;

	scope_event_add_text(&ev, SCOPE_FIELD_COMMAND, p->command,
			     p->command_len);
	to = scope_redact_event(n->redact, scope_target_vm(n->t), &ev);
	f = scope_event_get(to, SCOPE_FIELD_COMMAND);
	p->command = f ? f->text : SCOPE_TEXT_REDACTED;
	p->command_len = f ? f->len : strlen(SCOPE_TEXT_REDACTED);
}

void scope_node_port_text(struct scope_node *n, const struct scope_port *p,
			  struct scope_node_port *ret)
{
	const struct scope_socket *s =
		n->sockets ? scope_sockets_get(n->sockets, p->id, p->addr) :
			     NULL;

	*ret = (struct scope_node_port){
		.command = p->command,
		.command_len = strlen(p->command),
		.local = s ? s->local : "",
		.peer = s ? s->peer : "",
	};
	if (n->redact)
		redact_command(n, ret);
}
