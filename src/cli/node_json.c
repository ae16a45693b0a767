/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <string.h>

#include "cli/node.h"
#include "export/json.h"

/* Of one scheduler, port or table: a name of 255 characters, each of which may
 * take six bytes, is the largest. */
#define OBJECT_BYTES 16384u

static void put_u64(struct scope_buf *b, const char *key, uint64_t v)
{
	if (v != SCOPE_GAUGE_UNKNOWN)
		scope_buf_printf(b, ",\"%s\":%" PRIu64, key, v);
}

static void put_bool(struct scope_buf *b, const char *key, bool v)
{
	scope_buf_printf(b, ",\"%s\":%s", key, v ? "true" : "false");
}

static void put_text(struct scope_buf *b, const char *key, const char *s,
		     size_t len)
{
	scope_buf_printf(b, ",\"%s\":", key);
	scope_json_string(b, s, len);
}

static void put_str(struct scope_buf *b, const char *key, const char *s)
{
	if (s && *s)
		put_text(b, key, s, strlen(s));
}

static void put_atom(struct scope_node *n, struct scope_buf *b, const char *key,
		     uint64_t atom)
{
	size_t len = 0;
	const char *s = atom ? scope_vm_atom(scope_target_vm(n->t), atom,
					     &len) :
			       NULL;

	if (s)
		put_text(b, key, s, len);
}

static void put_ident(struct scope_node *n, struct scope_buf *b, uint64_t id)
{
	struct scope_vm *vm = scope_target_vm(n->t);

	scope_buf_char(b, '"');
	if (scope_is_port(id))
		scope_vm_put_port(vm, id, b);
	else
		scope_vm_put_pid(vm, id, b);
	scope_buf_char(b, '"');
}

static void put_id(struct scope_node *n, struct scope_buf *b, const char *key,
		   uint64_t id)
{
	if (!id)
		return;
	scope_buf_printf(b, ",\"%s\":", key);
	put_ident(n, b, id);
}

/* -- one of each --------------------------------------------------------------- */

static void put_queue(const struct scope_run_queue *q, struct scope_buf *b)
{
	static const char *const names[] = { "max", "high", "normal", "low" };

	put_u64(b, "run_queue", q->len);
	for (unsigned i = 0; i < SCOPE_PRIORITIES; i++)
		scope_buf_printf(b, "%s\"%s\":%" PRIu32,
				 i ? "," : ",\"queued_processes\":{", names[i],
				 q->priority[i]);
	scope_buf_printf(b, "},\"queued_ports\":%" PRIu32, q->ports);
}

static void put_scheduler(struct scope_node *n, size_t i, struct scope_buf *b)
{
	const struct scope_scheduler *s = &n->schedulers->all[i];
	const struct scope_run_queue *q = &n->schedulers->queues[s->queue];
	char text[1024];
	struct scope_buf f = scope_buf_of(text, sizeof(text));

	put_u64(b, "scheduler", s->no);
	put_str(b, "type", scope_sched_type_name(s->type));
	put_str(b, "state", scope_sched_state_name(s->state));
	put_id(n, b, "pid", s->pid);
	put_atom(n, b, "name", s->name);
	if (s->pid && n->put_function)
		n->put_function(n->arg, s->pid, &f);
	if (f.len)
		put_text(b, "last_function", f.p, f.len);
	put_id(n, b, "port", s->port);
	put_u64(b, "cpu_ns", s->cpu_ns);
	if (s->type == SCOPE_SCHED_NORMAL && s->state != SCOPE_SCHED_UNREADABLE)
		put_u64(b, "reductions", s->reductions);
	if (s->type == SCOPE_SCHED_NORMAL && q->is_readable)
		put_queue(q, b);
	if (s->is_torn)
		put_bool(b, "torn", true);
}

static void put_queues(struct scope_node *n, FILE *out)
{
	const char *comma = "";

	fputs(",\"run_queues\":[", out);
	for (size_t i = 0; i < n->schedulers->nqueues; i++) {
		const struct scope_run_queue *q = &n->schedulers->queues[i];
		char text[512];
		struct scope_buf b = scope_buf_of(text, sizeof(text));

		if (!q->is_readable)
			continue;
		scope_buf_printf(&b, "%s{\"type\":\"%s\"", comma,
				 scope_sched_type_name(q->type));
		if (q->type == SCOPE_SCHED_NORMAL)
			put_u64(&b, "scheduler", i + 1);
		put_queue(q, &b);
		scope_buf_char(&b, '}');
		fwrite(b.p, 1, b.len, out);
		comma = ",";
	}
	fputc(']', out);
}

static void put_allocator(struct scope_node *n, size_t i, struct scope_buf *b)
{
	const struct scope_allocator *a = &n->memory.allocators[i];

	put_str(b, "name", a->name);
	put_u64(b, "instances", a->instances);
	put_u64(b, "carriers", a->carriers);
	put_u64(b, "carrier_bytes", a->carrier_bytes);
	put_u64(b, "blocks", a->blocks);
	put_u64(b, "block_bytes", a->block_bytes);
	put_u64(b, "pooled_bytes", a->pooled_bytes);
}

static void put_sums(struct scope_node *n, struct scope_buf *b)
{
	const struct scope_memory *m = &n->memory;

	put_u64(b, "total", m->total);
	put_u64(b, "processes", m->processes);
	put_u64(b, "processes_used", m->processes_used);
	put_u64(b, "system", m->system);
	put_u64(b, "atom", m->atom);
	put_u64(b, "atom_used", m->atom_used);
	put_u64(b, "binary", m->binary);
	put_u64(b, "code", m->code);
	put_u64(b, "ets", m->ets);
}

static void put_port(struct scope_node *n, size_t i, struct scope_buf *b)
{
	const struct scope_port *p = &n->ports->all[i];
	struct scope_node_port text;

	scope_node_port_text(n, p, &text);
	put_id(n, b, "port", p->id);
	put_atom(n, b, "name", p->name);
	put_str(b, "driver", p->driver);
	if (text.command_len)
		put_text(b, "command", text.command, text.command_len);
	put_id(n, b, "connected", p->connected);
	scope_buf_lit(b, ",\"links\":[");
	for (size_t k = 0; k < p->nlinks && k < SCOPE_PORT_LINKS; k++) {
		if (k)
			scope_buf_char(b, ',');
		put_ident(n, b, p->links[k]);
	}
	scope_buf_char(b, ']');
	if (p->nlinks > SCOPE_PORT_LINKS)
		put_u64(b, "links_total", p->nlinks);
	put_u64(b, "input_bytes", p->bytes_in);
	put_u64(b, "output_bytes", p->bytes_out);
	put_u64(b, "queue_bytes", p->queued);
	if (p->os_pid >= 0)
		put_u64(b, "os_pid", (uint64_t)p->os_pid);
	put_str(b, "local", text.local);
	put_str(b, "peer", text.peer);
}

static void put_table(struct scope_node *n, size_t i, struct scope_buf *b)
{
	const struct scope_ets *e = &n->tables->all[i];
	char ref[64];

	(void)snprintf(ref, sizeof(ref),
		       "#Ref<0.%" PRIu32 ".%" PRIu32 ".%" PRIu32 ">", e->ref[2],
		       e->ref[1], e->ref[0]);
	if (e->is_named)
		put_atom(n, b, "table", e->name);
	else
		put_str(b, "table", ref);
	put_str(b, "ref", ref);
	put_atom(n, b, "table_name", e->name);
	put_bool(b, "named", e->is_named);
	put_id(n, b, "owner", e->owner);
	put_str(b, "type", scope_ets_type(e));
	put_str(b, "protection", scope_ets_protection(e));
	put_u64(b, "keypos", e->keypos);
	put_u64(b, "objects", e->objects);
	put_u64(b, "memory_words", e->words);
	put_bool(b, "compressed", e->is_compressed);
	put_str(b, "write_concurrency", scope_ets_write_concurrency(e));
	put_bool(b, "read_concurrency", scope_ets_reads_concurrently(e));
	put_bool(b, "decentralized_counters", e->is_spread);
}

/* -- lists of them ------------------------------------------------------------------- */

struct list {
	const char *key, *kind;
	void (*put)(struct scope_node *n, size_t i, struct scope_buf *b);
};
static const struct list lists[SCOPE_NODE_PARTS] = {
	[SCOPE_NODE_SCHEDULERS] = { "schedulers", "scheduler", put_scheduler },
	[SCOPE_NODE_MEMORY] = { "allocators", "allocator", put_allocator },
	[SCOPE_NODE_PORTS] = { "ports", "port", put_port },
	[SCOPE_NODE_ETS] = { "tables", "table", put_table },
};

static size_t count(const struct scope_node *n, enum scope_node_part part)
{
	return part == SCOPE_NODE_SCHEDULERS ? n->schedulers->n :
	       part == SCOPE_NODE_MEMORY     ? SCOPE_ALLOCATORS :
	       part == SCOPE_NODE_PORTS	     ? n->ports->n :
					       n->tables->n;
}

/* An allocator that the node does not have. */
static bool is_none(const struct scope_node *n, enum scope_node_part part,
		    size_t i)
{
	return part == SCOPE_NODE_MEMORY && !n->memory.allocators[i].name[0];
}

static void put_list(struct scope_node *n, enum scope_node_part part, FILE *out)
{
	const char *comma = "";
	char text[OBJECT_BYTES];

	fprintf(out, ",\"%s\":[", lists[part].key);
	for (size_t i = 0; i < count(n, part); i++) {
		struct scope_buf b = scope_buf_of(text, sizeof(text));

		if (is_none(n, part, i))
			continue;
		lists[part].put(n, i, &b);
		/* Without the comma before the first key. */
		fprintf(out, "%s{%.*s}", comma, (int)b.len - 1, b.p + 1);
		comma = ",";
	}
	fputc(']', out);
}

static void put_unavailable(struct scope_node *n, FILE *out)
{
	const char *comma = ",\"unavailable\":[";
	bool any = false;

	for (unsigned i = 0; i < SCOPE_NODE_PARTS; i++) {
		const char *why = n->why[i];

		if (!why && i == SCOPE_NODE_MEMORY &&
		    (n->parts & SCOPE_NODE_BIT(i)))
			why = n->memory.why;
		if (!why)
			continue;
		fprintf(out, "%s{\"what\":\"%s\",\"why\":\"%s\"}", comma,
			i == SCOPE_NODE_MEMORY ? "memory" : lists[i].key, why);
		comma = ",";
		any = true;
	}
	if (n->schedulers && n->schedulers->unread) {
		fprintf(out,
			"%s{\"what\":\"dirty schedulers\",\"why\":\"the "
			"emulator hides its symbols, and no table is known of "
			"this build\"}",
			comma);
		any = true;
	}
	if (any)
		fputc(']', out);
}

void scope_node_put_json(struct scope_node *n, FILE *out)
{
	char text[1024];
	struct scope_buf b = scope_buf_of(text, sizeof(text));

	if (n->schedulers) {
		put_list(n, SCOPE_NODE_SCHEDULERS, out);
		put_queues(n, out);
	}
	if (n->parts & SCOPE_NODE_BIT(SCOPE_NODE_MEMORY)) {
		put_sums(n, &b);
		fprintf(out, ",\"memory\":{%.*s", (int)b.len - 1, b.p + 1);
		put_list(n, SCOPE_NODE_MEMORY, out);
		fputc('}', out);
	}
	if (n->ports)
		put_list(n, SCOPE_NODE_PORTS, out);
	if (n->tables) {
		put_list(n, SCOPE_NODE_ETS, out);
		if (n->tables->is_torn)
			fputs(",\"tables_torn\":true", out);
	}
	put_unavailable(n, out);
}

void scope_node_print_json(struct scope_node *n, enum scope_node_part part,
			   FILE *out)
{
	char text[OBJECT_BYTES];

	for (size_t i = 0; i < count(n, part); i++) {
		struct scope_buf b = scope_buf_of(text, sizeof(text));

		if (is_none(n, part, i))
			continue;
		lists[part].put(n, i, &b);
		fprintf(out, "{\"kind\":\"%s\"%.*s}\n", lists[part].kind,
			(int)b.len, b.p);
	}
	if (part != SCOPE_NODE_MEMORY)
		return;
	struct scope_buf b = scope_buf_of(text, sizeof(text));

	put_sums(n, &b);
	if (n->memory.why)
		put_str(&b, "unavailable", n->memory.why);
	fprintf(out, "{\"kind\":\"memory\"%.*s}\n", (int)b.len, b.p);
}
