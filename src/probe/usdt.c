/* SPDX-License-Identifier: MIT */
/*
 * The USDT probes that events are taken from, and what their arguments are:
 * erts/emulator/beam/erlang_dtrace.d, the same from OTP 23 to 29. That of a
 * probe's sites one is emitted by one place of the emulator's source; the JIT
 * emits none into code that it makes, so that calls of functions are not told.
 *
 * Texts of records, in this order: proc.spawn, proc.hibernate: the function;
 * proc.exit, proc.exit_signal, port.close: the reason; port.open: the name;
 * dist.send: the peer; dist.node_up, dist.node_down: the peer, its type, our
 * name, the reason.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/catalogue.h"
#include "target/stapsdt.h"

#define ARGS_MAX 16 /* of one probe */

/* Slots of scope_rec: 0 the pid, then a[0] and so on. */
#define SLOT(member)                                                           \
	(1 + (offsetof(struct scope_rec, member) -                             \
	      offsetof(struct scope_rec, a)) / 8)
#define PID { 0, SCOPE_USDT_PID, 0 }

struct probe {
	enum scope_kind kind;
	enum scope_group group;
	const char *name;
	const char *match; /* of SCOPE_USDT_MATCH; NULL: none */
	uint8_t flags;
	uint32_t rec_flags;
	struct {
		uint8_t at; /* which argument */
		uint8_t role, slot;
	} arg[SCOPE_USDT_ARGS];
};

#define K(k) SCOPE_KIND_##k
/* A site that several lines name is one, unless they match: the first that
 * opens is before those that need it opened. */
static const struct probe probes[] = {
	/* Its process is the new one. */
	{ K(PROC_SPAWN), SCOPE_GROUP_PROC, "process__spawn", NULL,
	  SCOPE_USDT_PAIR, 0,
	  { { 0, SCOPE_USDT_PID, SLOT(spawn.child) },
	    { 1, SCOPE_USDT_STRING, 0 } } },
	{ K(PROC_EXIT), SCOPE_GROUP_PROC, "process__exit", NULL, 0, 0,
	  { PID, { 1, SCOPE_USDT_CONTENTS, 0 } } },
	{ K(PROC_EXIT_SIGNAL), SCOPE_GROUP_PROC, "process__exit_signal", NULL,
	  SCOPE_USDT_PAIR, 0,
	  { { 0, SCOPE_USDT_ANY, 0 },
	    { 1, SCOPE_USDT_PID, SLOT(exit_signal.to) },
	    { 2, SCOPE_USDT_CONTENTS, 0 } } },
	{ K(PROC_HIBERNATE), SCOPE_GROUP_PROC, "process__hibernate", NULL, 0, 0,
	  { PID, { 1, SCOPE_USDT_STRING, 0 } } },
	/* Sends to other nodes pass by it, too. */
	{ K(MSG_SEND), SCOPE_GROUP_SEND, "message__send", NULL, SCOPE_USDT_PAIR,
	  0,
	  { { 1, SCOPE_USDT_LOCAL, SLOT(msg.to) },
	    PID,
	    { 2, SCOPE_USDT_NUMBER, SLOT(msg.addr) } } },
	{ K(MSG_RECEIVE), SCOPE_GROUP_RECEIVE, "message__receive", NULL, 0, 0,
	  { PID, { 1, SCOPE_USDT_NUMBER, SLOT(msg.addr) } } },
	{ K(GC_START), SCOPE_GROUP_GC, "gc_minor__start", NULL,
	  SCOPE_USDT_OPENS, 0,
	  { PID, { 1, SCOPE_USDT_NUMBER, SLOT(gc.need) } } },
	{ K(GC_START), SCOPE_GROUP_GC, "gc_major__start", NULL,
	  SCOPE_USDT_OPENS, SCOPE_F_MAJOR,
	  { PID, { 1, SCOPE_USDT_NUMBER, SLOT(gc.need) } } },
	{ K(GC_END), SCOPE_GROUP_GC, "gc_minor__start", NULL,
	  SCOPE_USDT_OPENS | SCOPE_USDT_QUIET, 0, { PID } },
	{ K(GC_END), SCOPE_GROUP_GC, "gc_minor__end", NULL, SCOPE_USDT_CLOSES,
	  0, { PID, { 1, SCOPE_USDT_NUMBER, SLOT(gc.heap_before) } } },
	{ K(GC_END), SCOPE_GROUP_GC, "gc_major__start", NULL,
	  SCOPE_USDT_OPENS | SCOPE_USDT_QUIET, 0, { PID } },
	{ K(GC_END), SCOPE_GROUP_GC, "gc_major__end", NULL, SCOPE_USDT_CLOSES,
	  SCOPE_F_MAJOR,
	  { PID, { 1, SCOPE_USDT_NUMBER, SLOT(gc.heap_before) } } },
	{ K(HEAP_GROW), SCOPE_GROUP_GC, "process__heap_grow", NULL, 0, 0,
	  { PID,
	    { 1, SCOPE_USDT_NUMBER, SLOT(gc.size_before) },
	    { 2, SCOPE_USDT_NUMBER, SLOT(gc.size_after) } } },
	{ K(HEAP_GROW), SCOPE_GROUP_GC, "process__heap_shrink", NULL, 0, 0,
	  { PID,
	    { 1, SCOPE_USDT_NUMBER, SLOT(gc.size_before) },
	    { 2, SCOPE_USDT_NUMBER, SLOT(gc.size_after) } } },
	{ K(SCHED_OUT), SCOPE_GROUP_SCHED, "process__unscheduled", NULL, 0, 0,
	  { PID } },
	{ K(PORT_OPEN), SCOPE_GROUP_PORT, "port__open", NULL, 0, 0,
	  { PID,
	    { 1, SCOPE_USDT_STRING, 0 },
	    { 2, SCOPE_USDT_PORT, SLOT(port.port) } } },
	{ K(PORT_CLOSE), SCOPE_GROUP_PORT, "port__exit", NULL, 0, 0,
	  { { 0, SCOPE_USDT_ANY, 0 },
	    { 1, SCOPE_USDT_PORT, SLOT(port.port) },
	    { 3, SCOPE_USDT_CONTENTS, 0 } } },
	/* Closing and connecting pass by it, too. */
	{ K(PORT_COMMAND), SCOPE_GROUP_PORT, "port__command", "command", 0, 0,
	  { { 3, SCOPE_USDT_MATCH, 0 },
	    { 0, SCOPE_USDT_ANY, 0 },
	    { 1, SCOPE_USDT_PORT, SLOT(port.port) } } },
	{ K(PORT_CONTROL), SCOPE_GROUP_PORT, "port__control", NULL, 0, 0,
	  { { 0, SCOPE_USDT_ANY, 0 },
	    { 1, SCOPE_USDT_PORT, SLOT(port.port) },
	    { 3, SCOPE_USDT_NUMBER, SLOT(port.op) } } },
	/* Of its last argument, a size, dist__outputv makes nothing. */
	{ K(DIST_SEND), SCOPE_GROUP_DIST, "dist__output", NULL, 0, 0,
	  { { 1, SCOPE_USDT_PORT, SLOT(port.port) },
	    { 2, SCOPE_USDT_STRING, 0 } } },
	{ K(DIST_SEND), SCOPE_GROUP_DIST, "dist__outputv", NULL, 0, 0,
	  { { 1, SCOPE_USDT_PORT, SLOT(port.port) },
	    { 2, SCOPE_USDT_STRING, 0 } } },
	/* A text is compared as far as seven bytes go. */
	{ K(DIST_NODE_UP), SCOPE_GROUP_PROC, "dist__monitor", "nodeup",
	  SCOPE_USDT_NODE, 0,
	  { { 1, SCOPE_USDT_MATCH, 0 },
	    { 2, SCOPE_USDT_STRING, 0 },
	    { 3, SCOPE_USDT_STRING, 0 },
	    { 0, SCOPE_USDT_STRING, 0 } } },
	{ K(DIST_NODE_DOWN), SCOPE_GROUP_PROC, "dist__monitor", "nodedow",
	  SCOPE_USDT_NODE, 0,
	  { { 1, SCOPE_USDT_MATCH, 0 },
	    { 2, SCOPE_USDT_STRING, 0 },
	    { 3, SCOPE_USDT_STRING, 0 },
	    { 0, SCOPE_USDT_STRING, 0 },
	    { 4, SCOPE_USDT_CONTENTS, 0 } } },
};

static const char *const limits[SCOPE_KIND_MAX] = {
	[K(PROC_SPAWN)] = "the parent, arguments, links and monitors are "
			  "not told; of a fun, the function is erlang:apply/2",
	[K(PROC_EXIT)] = "reductions are not told; the reason is text, cut at "
			 "255 bytes",
	[K(PROC_EXIT_SIGNAL)] =
		"signals of ports, signals to processes that are gone, and "
		"whether it came by exit/2 or along a link are not told; the "
		"reason is text, cut at 255 bytes",
	[K(PROC_HIBERNATE)] = "arguments and the heap are not told",
	[K(MSG_SEND)] = "messages to aliases (the replies of calls, as a rule), "
			"of ports, of timers, of the runtime itself and from "
			"other nodes are not told; nor are contents",
	[K(MSG_RECEIVE)] = "the sender, contents, the wait and the mailbox are "
			   "not told",
	[K(GC_START)] = "the heap is not told; a minor collection that does "
			"not do and becomes a major one is told as both",
	[K(GC_END)] = "the heap is not told; a minor collection that does not "
		      "do and becomes a major one is told as both",
	[K(HEAP_GROW)] = "one collection may tell several steps",
	[K(SCHED_OUT)] = "run time, reductions, the function and the state are "
			 "not told",
	[K(PORT_OPEN)] = "ports that drivers make themselves (accepted "
			 "connections), drivers and addresses are not told",
	[K(PORT_CLOSE)] = "drivers and addresses are not told; the reason is "
			  "text, cut at 63 bytes",
	[K(PORT_COMMAND)] = "data, sizes, drivers and addresses are not told",
	[K(DIST_SEND)] = "it is told as it is written to the port of the "
			 "connection, each fragment by itself; neither the "
			 "signal, the processes nor contents, nor what a "
			 "process that carries the connection (TLS) sends",
	[K(DIST_NODE_UP)] = "names are cut at 63 bytes",
	[K(DIST_NODE_DOWN)] = "names and the reason, which is text, are cut at "
			      "63 bytes",
	[K(PORT_CONTROL)] = "data, sizes, drivers and addresses are not told; "
			    "nor is port_call/3",
};

/* What is looked for, and where it goes. */
struct search {
	struct scope_target *t;
	struct scope_sites *out;
	const struct probe *probe;
	unsigned found;
	char *why; /* 224 bytes: what is wrong */
};

static uint64_t address_of(void *arg, const char *name)
{
	struct scope_target *t = arg;
	struct scope_symbol sym;

	return scope_target_symbol(t, name, &sym) == 0 ?
		       sym.vaddr + scope_target_info(t)->bias :
		       0;
}

static bool is_erlang(const struct scope_stapsdt *p)
{
	return !strcmp(p->provider, "erlang");
}

/* The arguments of a site. */
static int describe(struct search *s, const struct scope_stapsdt *note,
		    struct scope_usdt_site *u)
{
	const struct scope_usdt_resolver by = { address_of, s->t };
	struct scope_usdt_arg args[ARGS_MAX];
	const struct probe *p = s->probe;
	size_t bad = 0;
	int n = scope_usdt_args(note->args, &by, args, ARGS_MAX, &bad);

	if (n < 0) {
		(void)snprintf(s->why, 224,
			       "argument %zu of USDT probe %s can't be "
			       "understood: %.100s",
			       bad + 1, p->name, note->args);
		return n;
	}
	u->kind = (uint8_t)p->kind;
	u->flags = p->flags;
	u->group = (uint16_t)p->group;
	u->rec_flags = p->rec_flags;
	if (p->match)
		memcpy(&u->match, p->match,
		       strlen(p->match) < 8 ? strlen(p->match) : 8);
	for (size_t i = 0; i < SCOPE_USDT_ARGS; i++) {
		if (p->arg[i].role == SCOPE_USDT_UNUSED)
			continue;
		if (p->arg[i].at >= n || p->arg[i].at >= ARGS_MAX) {
			(void)snprintf(s->why, 224,
				       "USDT probe %s has %d arguments only",
				       p->name, n);
			return -EBADMSG;
		}
		u->arg[i] = args[p->arg[i].at];
		u->arg[i].role = p->arg[i].role;
		u->arg[i].slot = p->arg[i].slot;
	}
	return 0;
}

/* Where the probe and its semaphore are in the file. */
static int locate(struct search *s, const struct scope_stapsdt *note,
		  struct scope_attach_site *site)
{
	if (!scope_target_text(s->t, note->pc, 1) ||
	    scope_target_offset(s->t, note->pc, &site->offset) < 0 ||
	    (note->semaphore && scope_target_offset(s->t, note->semaphore,
						    &site->ref_ctr) < 0)) {
		(void)snprintf(s->why, 224,
			       "a note of USDT probe %s leads nowhere",
			       s->probe->name);
		return -EBADMSG;
	}
	return 0;
}

static int add_site(void *arg, const struct scope_stapsdt *note)
{
	struct search *s = arg;
	struct scope_sites *out = s->out;
	struct scope_attach_site site = {
		.site = SCOPE_SITE_USDT,
		.kinds = SCOPE_KIND_BIT(s->probe->kind),
		.prog = SCOPE_PROG_USDT,
		.group = s->probe->group,
		.emulated = true,
		.insn = SCOPE_INSN_NOP,
	};
	int r;

	if (!is_erlang(note) || strcmp(note->name, s->probe->name) != 0)
		return 0;
	r = locate(s, note, &site);
	if (r < 0)
		return r;
	s->found++;
	for (size_t i = 0; !s->probe->match && i < out->n; i++)
		if (out->site[i].site == SCOPE_SITE_USDT &&
		    out->site[i].offset == site.offset) {
			out->site[i].kinds |= site.kinds;
			return 0;
		}
	if (out->n == SCOPE_SITES_MAX || out->nusdt == SCOPE_USDT_MAX) {
		(void)snprintf(s->why, 224, "there are too many USDT sites");
		return -ENOSPC;
	}
	r = describe(s, note, &out->usdt[out->nusdt]);
	if (r < 0)
		return r;
	site.arg = (unsigned)out->nusdt++;
	(void)snprintf(site.what, sizeof(site.what), "usdt %s", note->name);
	out->site[out->n++] = site;
	return 0;
}

/* All sites of one probe. 1: it has some; 0: it is not there, or can't be
 * used, and why says so. */
static int add_probe(struct search *s)
{
	struct scope_sites *out = s->out;
	const struct probe *p = s->probe;
	size_t len = strlen(out->source[p->kind]);

	if (scope_target_usdt(s->t, add_site, s) < 0)
		return 0;
	if (!s->found) {
		(void)snprintf(s->why, 224, "USDT probe %s is not in this build",
			       p->name);
		return 0;
	}
	(void)snprintf(out->source[p->kind] + len,
		       sizeof(out->source[p->kind]) - len, "%s%s",
		       len ? ", " : "usdt ", p->name);
	return 1;
}

static int count_note(void *arg, const struct scope_stapsdt *note)
{
	*(bool *)arg |= is_erlang(note);
	return 0;
}

/* Sites of kinds that lack another one are not probed. */
static void drop_failed(struct scope_sites *out, scope_kindset failed)
{
	size_t n = 0;

	for (size_t i = 0; i < out->n; i++) {
		out->site[i].kinds &= ~failed;
		if (out->site[i].kinds)
			out->site[n++] = out->site[i];
	}
	out->n = n;
	for (unsigned k = 1; k < SCOPE_KIND_MAX; k++)
		if (failed & SCOPE_KIND_BIT(k))
			out->source[k][0] = 0;
}

int scope_catalogue_add_usdt(struct scope_target *t, scope_kindset wanted,
			     struct scope_sites *out)
{
	scope_kindset failed = 0, found = 0;
	bool has_probes = false;
	int r = scope_target_usdt(t, count_note, &has_probes);

	if (r < 0)
		return r;
	if (!has_probes)
		return -ENOENT;
	for (size_t i = 0; i < sizeof(probes) / sizeof(*probes); i++) {
		const scope_kindset kind = SCOPE_KIND_BIT(probes[i].kind);
		char why[224] = "";
		struct search s = {
			.t = t, .out = out, .probe = &probes[i], .why = why
		};

		if (!(wanted & kind))
			continue;
		if (add_probe(&s)) {
			found |= kind;
			continue;
		}
		failed |= kind;
		/* What is said of the uprobe stands. */
		if (!out->missing[probes[i].kind][0])
			memcpy(out->missing[probes[i].kind], why, sizeof(why));
	}
	found &= ~failed;
	drop_failed(out, failed);
	out->found |= found;
	for (unsigned k = 1; k < SCOPE_KIND_MAX; k++)
		if (found & SCOPE_KIND_BIT(k)) {
			out->limits[k] = limits[k];
			out->missing[k][0] = 0;
		}
	return 0;
}
