/* SPDX-License-Identifier: MIT */
/*
 * What a node has beside processes (schedulers, ports, ETS tables, allocators),
 * and what a process holds, in a target's memory that changes.
 *
 * Input:  0  which release's layout, of those that there are; its scheduler data
 *            are made small, so that the memory can be
 *         1  steps, up to STEPS_MAX
 *         2  where things are, u32 from the memory's beginning: the three arrays
 *            of schedulers, the table of ports, the allocators' two tables, two
 *            counters; the process is where the table of ports is
 *            for each step: u8 a value, u16 where it is put
 *            then the memory, from MEMORY on
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "beam/layout.h"
#include "target/contents.h"
#include "target/ets.h"
#include "target/memory.h"
#include "target/ports.h"
#include "target/schedulers.h"

#define MEMORY 0x7f0000010000ull
#define STEPS_MAX 4
#define PLACES 8
#define HEAD (2 + 4 * PLACES)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct memory {
	uint8_t *p;
	size_t n;
};

static int read_memory(void *arg, uint64_t addr, void *buf, size_t len)
{
	const struct memory *m = arg;

	if (addr < MEMORY || addr - MEMORY > m->n ||
	    len > m->n - (addr - MEMORY))
		return -EFAULT;
	memcpy(buf, m->p + (addr - MEMORY), len);
	return 0;
}

static void check_schedulers(struct scope_vm *vm,
			     const struct scope_sched_place *place)
{
	scope_auto(scope_schedulers) s = NULL;

	if (scope_schedulers_read(vm, place, &s) < 0)
		return;
	for (size_t i = 0; i < s->n; i++) {
		const struct scope_scheduler *d = &s->all[i];

		if ((d->pid && !scope_is_pid(d->pid)) ||
		    (d->port && !scope_is_port(d->port)) ||
		    (d->name && !scope_is_atom(d->name)) ||
		    d->queue >= s->nqueues || !scope_sched_state_name(d->state))
			abort();
	}
}

static void check_tables(struct scope_vm *vm,
			 const struct scope_sched_place *place)
{
	scope_auto(scope_ets_tables) t = NULL;

	if (scope_ets_read(vm, place, &t) < 0)
		return;
	for (size_t i = 0; i < t->n; i++)
		if (!scope_is_pid(t->all[i].owner) ||
		    !scope_is_atom(t->all[i].name) ||
		    !scope_ets_type(&t->all[i]) ||
		    !scope_ets_protection(&t->all[i]))
			abort();
}

static void check_ports(struct scope_vm *vm, uint64_t table)
{
	scope_auto(scope_ports) p = NULL;
	size_t len = 0;

	if (scope_ports_read(vm, table, &p) < 0)
		return;
	for (size_t i = 0; i < p->n; i++) {
		const struct scope_port *q = &p->all[i];

		if (!scope_is_port(q->id) ||
		    (q->connected && !scope_is_pid(q->connected)) ||
		    strlen(q->command) >= SCOPE_PORT_NAME)
			abort();
		len += strlen(q->driver);
	}
	if (len > p->n * 32)
		abort();
}

static void check_memory(struct scope_vm *vm,
			 const struct scope_memory_place *place)
{
	struct scope_memory m;

	if (scope_memory_read(vm, place, &m) < 0)
		return;
	for (unsigned i = 0; i < SCOPE_ALLOCATORS; i++)
		if (strnlen(m.allocators[i].name,
			    sizeof(m.allocators[i].name)) ==
		    sizeof(m.allocators[i].name))
			abort();
	if (m.system != SCOPE_GAUGE_UNKNOWN && m.system > m.total)
		abort();
}

static int count(void *arg, uint64_t a, uint64_t b)
{
	(void)a;
	(void)b;
	if ((*(unsigned *)arg)++ == 50)
		abort();
	return 0;
}

static void check_contents(struct scope_vm *vm, uint64_t proc)
{
	struct scope_contents c;
	uint64_t pid;
	unsigned n = 0;

	if (vm->read(vm->arg, proc, &pid, 8) < 0 ||
	    scope_contents_of(vm, pid, proc, &c) < 0)
		return;
	(void)scope_contents_messages(&c, 50, count, &n);
	n = 0;
	(void)scope_contents_pairs(&c, 50, count, &n);
	if (scope_contents_changed(&c))
		abort();
}

static void look_around(struct scope_vm *vm, const uint64_t at[PLACES])
{
	const struct scope_sched_place schedulers = {
		.at = { at[0], at[1], at[2] },
		.n = { 2, 1, 3 },
	};
	const struct scope_memory_place memory = {
		.procs = at[3],
		.info = at[4],
		.by_thread = at[5],
		.ets_misc = at[6],
		.code = at[7],
		.is_jit = true,
	};

	check_schedulers(vm, &schedulers);
	check_tables(vm, &schedulers);
	check_ports(vm, at[3]);
	check_memory(vm, &memory);
	check_contents(vm, at[3]);
}

/* As the maker of the corpus has it, too. */
static struct scope_layout small_layout(uint8_t which)
{
	static const unsigned releases[] = { 23, 25, 27, 29 };
	struct scope_layout l = *scope_layout_of(releases[which % 4]);

	l.s_stride = 1024;
	l.s_reductions = 640;
	l.s_ets_count = 648;
	l.s_ets = 656;
	return l;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scope_layout layout = small_layout(size ? data[0] : 0);
	struct memory m = { 0 };
	struct scope_vm vm = {
		.layout = &layout,
		.read = read_memory,
		.arg = &m,
	};
	unsigned steps = size > 1 ? data[1] % (STEPS_MAX + 1) : 0;
	uint64_t at[PLACES];

	if (size < HEAD + 3 * (size_t)steps || size > 1 << 16)
		return 0;
	for (unsigned i = 0; i < PLACES; i++) {
		uint32_t off;

		memcpy(&off, data + 2 + 4 * i, 4);
		at[i] = off ? MEMORY + off : 0;
	}
	m.n = size - HEAD - 3 * steps;
	m.p = malloc(m.n + !m.n);
	if (!m.p)
		abort();
	memcpy(m.p, data + size - m.n, m.n);
	look_around(&vm, at);
	for (unsigned i = 0; i < steps; i++) {
		const uint8_t *s = data + HEAD + 3 * i;

		if (m.n)
			m.p[(s[1] | (size_t)s[2] << 8) % m.n] = s[0];
		look_around(&vm, at);
	}
	free(m.p);
	return 0;
}
