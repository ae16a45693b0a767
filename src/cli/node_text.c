/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "cli/node.h"
#include "cli/ps.h"

#define COLUMNS_MAX 12
#define CELL_BYTES 2048u
/* Columns of text that is not the last one are no wider; text gives way down
 * to so many. */
#define WIDE 40
#define NARROW 8

struct column {
	const char *title; /* NULL: there are no more */
	bool is_right;	   /* a number, which is never cut */
	void (*put)(struct scope_node *n, size_t i, struct scope_buf *b);
};

static void put_atom(struct scope_node *n, uint64_t atom, struct scope_buf *b)
{
	size_t len = 0;
	const char *s = atom ? scope_vm_atom(scope_target_vm(n->t), atom,
					     &len) :
			       NULL;

	if (s)
		scope_buf_put(b, s, len);
}

static void put_id(struct scope_node *n, uint64_t id, struct scope_buf *b)
{
	if (scope_is_port(id))
		scope_vm_put_port(scope_target_vm(n->t), id, b);
	else if (id)
		scope_vm_put_pid(scope_target_vm(n->t), id, b);
}

static void put_u64(uint64_t v, struct scope_buf *b)
{
	if (v != SCOPE_GAUGE_UNKNOWN)
		scope_buf_u64(b, v);
}

/* -- schedulers ------------------------------------------------------------------ */

static const struct scope_scheduler *scheduler(struct scope_node *n, size_t i)
{
	return &n->schedulers->all[i];
}

static void put_no(struct scope_node *n, size_t i, struct scope_buf *b)
{
	scope_buf_u64(b, scheduler(n, i)->no);
}

static void put_type(struct scope_node *n, size_t i, struct scope_buf *b)
{
	scope_buf_puts(b, scope_sched_type_name(scheduler(n, i)->type));
}

static void put_state(struct scope_node *n, size_t i, struct scope_buf *b)
{
	scope_buf_puts(b, scope_sched_state_name(scheduler(n, i)->state));
}

static const struct scope_run_queue *queue(struct scope_node *n, size_t i)
{
	const struct scope_run_queue *q =
		&n->schedulers->queues[scheduler(n, i)->queue];

	/* The dirty ones of a type share one: it stands in the first's row. */
	return q->is_readable && (q->type == SCOPE_SCHED_NORMAL ||
				  scheduler(n, i)->type_no == 1) ?
		       q :
		       NULL;
}

static void put_queue(struct scope_node *n, size_t i, struct scope_buf *b)
{
	if (queue(n, i))
		scope_buf_u64(b, queue(n, i)->len);
}

#define PUT_PRIORITY(name, v)                                                  \
	static void put_##name(struct scope_node *n, size_t i,                 \
			       struct scope_buf *b)                            \
	{                                                                      \
		if (queue(n, i))                                               \
			scope_buf_u64(b, queue(n, i)->v);                      \
	}
PUT_PRIORITY(max, priority[0])
PUT_PRIORITY(high, priority[1])
PUT_PRIORITY(normal, priority[2])
PUT_PRIORITY(low, priority[3])
PUT_PRIORITY(queued_ports, ports)

static void put_running(struct scope_node *n, size_t i, struct scope_buf *b)
{
	const struct scope_scheduler *s = scheduler(n, i);

	if (s->is_torn)
		scope_buf_lit(b, "changes too fast to be read");
	put_id(n, s->pid ? s->pid : s->port, b);
	if (s->name) {
		scope_buf_char(b, ' ');
		put_atom(n, s->name, b);
	}
	if (s->pid && n->put_function) {
		/* Where it was when it was last taken up. */
		scope_buf_lit(b, " ~");
		n->put_function(n->arg, s->pid, b);
	}
}

static void put_cpu(struct scope_node *n, size_t i, struct scope_buf *b)
{
	uint64_t ns = scheduler(n, i)->cpu_ns;

	if (ns != SCOPE_GAUGE_UNKNOWN)
		scope_buf_printf(b, "%.2f", (double)ns / 1e9);
}

/* -- memory ------------------------------------------------------------------------ */

static const struct scope_allocator *allocator(struct scope_node *n, size_t i)
{
	return &n->memory.allocators[i];
}

static void put_allocator(struct scope_node *n, size_t i, struct scope_buf *b)
{
	scope_buf_puts(b, allocator(n, i)->name);
}

#define PUT_NUMBER(name, of, v)                                                \
	static void put_##name(struct scope_node *n, size_t i,                 \
			       struct scope_buf *b)                            \
	{                                                                      \
		put_u64(of(n, i)->v, b);                                       \
	}
PUT_NUMBER(instances, allocator, instances)
PUT_NUMBER(carriers, allocator, carriers)
PUT_NUMBER(carrier_bytes, allocator, carrier_bytes)
PUT_NUMBER(blocks, allocator, blocks)
PUT_NUMBER(block_bytes, allocator, block_bytes)

/* What is in use of what is held: the less, the more is lost to holes. */
static void put_use(struct scope_node *n, size_t i, struct scope_buf *b)
{
	const struct scope_allocator *a = allocator(n, i);

	if (a->carrier_bytes)
		scope_buf_printf(b, "%.0f%%", 100.0 * (double)a->block_bytes /
						      (double)a->carrier_bytes);
}

/* -- ports --------------------------------------------------------------------------- */

static const struct scope_port *port(struct scope_node *n, size_t i)
{
	return &n->ports->all[i];
}

static void put_port(struct scope_node *n, size_t i, struct scope_buf *b)
{
	put_id(n, port(n, i)->id, b);
}

static void put_connected(struct scope_node *n, size_t i, struct scope_buf *b)
{
	put_id(n, port(n, i)->connected, b);
}

static void put_driver(struct scope_node *n, size_t i, struct scope_buf *b)
{
	scope_buf_puts(b, port(n, i)->driver);
}

PUT_NUMBER(bytes_in, port, bytes_in)
PUT_NUMBER(bytes_out, port, bytes_out)
PUT_NUMBER(queued, port, queued)
PUT_NUMBER(links, port, nlinks)

/* What it was opened with, where that is not its driver; its name; what its
 * socket is connected to. */
static void put_what(struct scope_node *n, size_t i, struct scope_buf *b)
{
	const struct scope_port *p = port(n, i);
	struct scope_node_port text;

	scope_node_port_text(n, p, &text);
	put_atom(n, p->name, b);
	if (strcmp(p->command, p->driver) != 0) {
		if (b->len)
			scope_buf_char(b, ' ');
		scope_buf_put(b, text.command, text.command_len);
	}
	if (*text.local)
		scope_buf_printf(b, "%s%s", b->len ? " " : "", text.local);
	if (*text.peer)
		scope_buf_printf(b, " -> %s", text.peer);
	if (p->os_pid >= 0)
		scope_buf_printf(b, "%s(process %lld)", b->len ? " " : "",
				 (long long)p->os_pid);
}

/* -- ETS tables -------------------------------------------------------------------------- */

static const struct scope_ets *table(struct scope_node *n, size_t i)
{
	return &n->tables->all[i];
}

static void put_table(struct scope_node *n, size_t i, struct scope_buf *b)
{
	const struct scope_ets *e = table(n, i);

	if (e->is_named)
		put_atom(n, e->name, b);
	else
		scope_buf_printf(b, "#Ref<0.%" PRIu32 ".%" PRIu32 ".%" PRIu32
				    ">",
				 e->ref[2], e->ref[1], e->ref[0]);
}

static void put_table_name(struct scope_node *n, size_t i, struct scope_buf *b)
{
	put_atom(n, table(n, i)->name, b);
}

static void put_owner(struct scope_node *n, size_t i, struct scope_buf *b)
{
	put_id(n, table(n, i)->owner, b);
}

static void put_table_type(struct scope_node *n, size_t i, struct scope_buf *b)
{
	scope_buf_puts(b, scope_ets_type(table(n, i)));
	if (table(n, i)->is_compressed)
		scope_buf_lit(b, ",compressed");
}

static void put_protection(struct scope_node *n, size_t i, struct scope_buf *b)
{
	scope_buf_puts(b, scope_ets_protection(table(n, i)));
}

PUT_NUMBER(objects, table, objects)
PUT_NUMBER(words, table, words)

/* -- the tables ---------------------------------------------------------------------------- */

static const struct column columns[SCOPE_NODE_PARTS][COLUMNS_MAX + 1] = {
	[SCOPE_NODE_SCHEDULERS] = {
		{ "NO", true, put_no },
		{ "TYPE", false, put_type },
		{ "STATE", false, put_state },
		{ "CPU-S", true, put_cpu },
		{ "QUEUE", true, put_queue },
		{ "MAX", true, put_max },
		{ "HIGH", true, put_high },
		{ "NORMAL", true, put_normal },
		{ "LOW", true, put_low },
		{ "PORTS", true, put_queued_ports },
		{ "RUNS", false, put_running },
		{ NULL, false, NULL },
	},
	[SCOPE_NODE_MEMORY] = {
		{ "ALLOCATOR", false, put_allocator },
		{ "INSTANCES", true, put_instances },
		{ "CARRIERS", true, put_carriers },
		{ "BYTES-HELD", true, put_carrier_bytes },
		{ "BLOCKS", true, put_blocks },
		{ "BYTES-USED", true, put_block_bytes },
		{ "USE", true, put_use },
		{ NULL, false, NULL },
	},
	[SCOPE_NODE_PORTS] = {
		{ "PORT", false, put_port },
		{ "OWNER", false, put_connected },
		{ "DRIVER", false, put_driver },
		{ "LINKS", true, put_links },
		{ "IN", true, put_bytes_in },
		{ "OUT", true, put_bytes_out },
		{ "QUEUED", true, put_queued },
		{ "WHAT", false, put_what },
		{ NULL, false, NULL },
	},
	[SCOPE_NODE_ETS] = {
		{ "TABLE", false, put_table },
		{ "OWNER", false, put_owner },
		{ "TYPE", false, put_table_type },
		{ "ACCESS", false, put_protection },
		{ "OBJECTS", true, put_objects },
		{ "WORDS", true, put_words },
		{ "NAME", false, put_table_name },
		{ NULL, false, NULL },
	},
};

static size_t count_rows(const struct scope_node *n, enum scope_node_part part)
{
	return part == SCOPE_NODE_SCHEDULERS ? n->schedulers->n :
	       part == SCOPE_NODE_MEMORY     ? SCOPE_ALLOCATORS :
	       part == SCOPE_NODE_PORTS	     ? n->ports->n :
					       n->tables->n;
}

/* A cell's text, clean; its columns on a screen. */
static size_t cell(struct scope_node *n, const struct column *c, size_t row,
		   char text[CELL_BYTES], size_t *ret_len)
{
	struct scope_buf b = scope_buf_of(text, CELL_BYTES - 1);

	c->put(n, row, &b);
	if (!b.len)
		scope_buf_char(&b, '-');
	*ret_len = b.len;
	return scope_ps_clean(text, ret_len);
}

static void measure(struct scope_node *n, enum scope_node_part part,
		    size_t width, size_t widths[COLUMNS_MAX])
{
	const struct column *c = columns[part];
	size_t sum = 0, k = 0, len;
	char text[CELL_BYTES];

	for (; c[k].title; k++) {
		widths[k] = strlen(c[k].title);
		for (size_t i = 0; i < count_rows(n, part); i++) {
			size_t w = cell(n, &c[k], i, text, &len);

			widths[k] = w > widths[k] ? w : widths[k];
		}
		if (!c[k].is_right && widths[k] > WIDE && c[k + 1].title)
			widths[k] = WIDE;
		sum += widths[k] + (k > 0);
	}
	while (width && sum > width && k--) {
		size_t over = sum - width;

		if (c[k].is_right || widths[k] <= NARROW)
			continue;
		over = over < widths[k] - NARROW ? over : widths[k] - NARROW;
		widths[k] -= over;
		sum -= over;
	}
}

static void put_cell(const char *s, size_t len, size_t w, size_t width,
		     const struct column *c, FILE *out)
{
	const bool is_last = !c[1].title;

	if (c->is_right && w < width)
		fprintf(out, "%*s", (int)(width - w), "");
	if (!c->is_right && w > width) {
		len = scope_ps_cut(s, len, width - 1);
		fwrite(s, 1, len, out);
		fputc('+', out);
	} else {
		fwrite(s, 1, len, out);
	}
	if (!c->is_right && !is_last && w < width)
		fprintf(out, "%*s", (int)(width - w), "");
	fputc(is_last ? '\n' : ' ', out);
}

static void print_sums(const struct scope_node *n, FILE *out)
{
	const struct scope_memory *m = &n->memory;
	const struct {
		const char *name;
		uint64_t v;
	} sums[] = {
		{ "total", m->total },
		{ "processes", m->processes },
		{ "processes_used", m->processes_used },
		{ "system", m->system },
		{ "atom", m->atom },
		{ "binary", m->binary },
		{ "code", m->code },
		{ "ets", m->ets },
	};

	for (size_t i = 0; i < sizeof(sums) / sizeof(*sums); i++)
		if (sums[i].v != SCOPE_GAUGE_UNKNOWN)
			fprintf(out, "%-14s %14" PRIu64 "\n", sums[i].name,
				sums[i].v);
	if (m->why)
		fprintf(out, "not known: %s\n", m->why);
	fputc('\n', out);
}

void scope_node_print_table(struct scope_node *n, enum scope_node_part part,
			    size_t width, FILE *out)
{
	const struct column *c = columns[part];
	size_t widths[COLUMNS_MAX], len;
	char text[CELL_BYTES];

	if (!(n->parts & SCOPE_NODE_BIT(part))) {
		fprintf(out, "not known: %s\n", n->why[part]);
		return;
	}
	if (part == SCOPE_NODE_MEMORY)
		print_sums(n, out);
	measure(n, part, width, widths);
	for (size_t k = 0; c[k].title; k++)
		put_cell(c[k].title, strlen(c[k].title), strlen(c[k].title),
			 widths[k], &c[k], out);
	for (size_t i = 0; i < count_rows(n, part) && !ferror(out); i++) {
		if (part == SCOPE_NODE_MEMORY && !allocator(n, i)->name[0])
			continue;
		for (size_t k = 0; c[k].title; k++) {
			size_t w = cell(n, &c[k], i, text, &len);

			put_cell(text, len, w, widths[k], &c[k], out);
		}
	}
	if (part == SCOPE_NODE_ETS && n->tables->is_torn)
		fputs("tables were made and deleted meanwhile: some may be "
		      "missing\n",
		      out);
}
