/* SPDX-License-Identifier: MIT */
#include "target/ports.h"

#include <stdlib.h>
#include <string.h>

#include "target/target_int.h"

#define TRIES 3
/* Slots read at once: 512 kB. */
#define CHUNK 65536u
#define BATCH 128u
#define STRUCT_BYTES 1024u
#define PAGE 4096u
/* Of all links of all ports. */
#define LINKS_MAX (1u << 17)
#define LINK_BYTES 128u
/* Drivers are static in their programs: there are few of them. */
#define DRIVERS_MAX 64
#define DRIVER_NAME 32
#define TEXT_MAX (64u << 20)

struct driver {
	uint64_t addr;
	char name[DRIVER_NAME];
};

/* Addresses of a port's, as it was kept. */
struct more {
	uint64_t name, driver, links;
};

struct walk {
	struct scope_vm *vm;
	struct scope_table table;
	struct scope_ports *out; /* owned until it is given out */
	size_t cap;
	uint8_t *bytes; /* owned: the Ports of a batch */
	struct scope_piece pieces[BATCH];
	uint32_t slots[BATCH];
	size_t n; /* in the batch */
	struct scope_port *all; /* owned, as out is; out->n of them */
	struct more *more; /* owned: as many */
	struct driver drivers[DRIVERS_MAX];
	size_t ndrivers;
	size_t links; /* looked at so far */
};

void scope_ports_free(struct scope_ports *p)
{
	if (!p)
		return;
	free(p->all);
	free(p->text);
	free(p);
}

static void walk_done(struct walk *w)
{
	scope_ports_free(w->out);
	free(w->all);
	free(w->bytes);
	free(w->more);
}

static uint64_t u64_at(const uint8_t *p, uint32_t off)
{
	uint64_t v;

	memcpy(&v, p + off, sizeof(v));
	return v;
}

static uint32_t u32_at(const uint8_t *p, uint32_t off)
{
	uint32_t v;

	memcpy(&v, p + off, sizeof(v));
	return v;
}

/* -- the table ------------------------------------------------------------------ */

static bool is_port(const struct walk *w, size_t i)
{
	uint64_t id = u64_at(w->bytes + i * w->vm->layout->port_bytes, 0);

	return w->pieces[i].is_read && scope_is_port(id) &&
	       scope_table_slot(&w->table, id) == w->slots[i];
}

/* Its slot may have been given to another meanwhile. */
static int read_again(struct walk *w, size_t i)
{
	struct scope_piece *p = &w->pieces[i];

	for (unsigned k = 0; k < TRIES && !is_port(w, i); k++) {
		int r = w->vm->read(w->vm->arg,
				    w->table.tab + 8ull * w->slots[i],
				    &p->addr, 8);

		p->is_read = false;
		if (r == -ESRCH)
			return r;
		if (r < 0 || !p->addr || p->addr == w->table.invalid)
			return 0;
		r = scope_vm_read_all(w->vm, p, 1);
		if (r < 0)
			return r;
	}
	return 0;
}

static int grow(struct walk *w)
{
	size_t cap = w->cap ? w->cap * 2 : 64;
	struct scope_port *all;
	struct more *more;

	if (w->out->n < w->cap)
		return 0;
	all = realloc(w->all, cap * sizeof(*all));
	if (!all)
		return -ENOMEM;
	w->all = all;
	more = realloc(w->more, cap * sizeof(*more));
	if (!more)
		return -ENOMEM;
	w->more = more;
	w->cap = cap;
	return 0;
}

static int take(struct walk *w, size_t i)
{
	const struct scope_layout *l = w->vm->layout;
	const uint8_t *p = w->bytes + i * l->port_bytes;
	const uint64_t os_pid = u64_at(p, l->port_os_pid);
	uint64_t connected = u64_at(p, l->port_connected);
	int r = grow(w);

	if (r < 0)
		return r;
	w->more[w->out->n].name = u64_at(p, l->port_name);
	w->more[w->out->n].driver = u64_at(p, l->port_driver);
	w->more[w->out->n].links = u64_at(p, l->p_links);
	w->all[w->out->n++] = (struct scope_port){
		.id = u64_at(p, 0),
		.addr = w->pieces[i].addr,
		/* The address of a RegProc, until read_names. */
		.name = u64_at(p, l->p_reg),
		.connected = scope_is_pid(connected) ? connected : 0,
		.bytes_in = u64_at(p, l->port_in),
		.bytes_out = u64_at(p, l->port_out),
		.queued = u64_at(p, l->port_queue),
		.state = u32_at(p, l->port_state),
		.os_pid = (int64_t)os_pid < 0 || os_pid > INT32_MAX ?
				  -1 :
				  (int64_t)os_pid,
		.driver = "",
		.command = "",
	};
	return 0;
}

static int finish_batch(struct walk *w)
{
	int r;

	for (size_t i = 0; i < w->n; i++) {
		w->pieces[i].buf = w->bytes + i * w->vm->layout->port_bytes;
		w->pieces[i].len = w->vm->layout->port_bytes;
	}
	r = scope_vm_read_all(w->vm, w->pieces, w->n);
	for (size_t i = 0; r == 0 && i < w->n; i++) {
		r = read_again(w, i);
		if (r == 0 && is_port(w, i))
			r = take(w, i);
	}
	w->n = 0;
	return r;
}

static int read_table(struct walk *w)
{
	scope_autofree uint64_t *slots = malloc(CHUNK * sizeof(*slots));
	int r = 0;

	if (!slots)
		return -ENOMEM;
	for (uint32_t at = 0; r == 0 && at < w->table.max; at += CHUNK) {
		uint32_t n = w->table.max - at < CHUNK ? w->table.max - at :
							 CHUNK;

		r = w->vm->read(w->vm->arg, w->table.tab + 8ull * at, slots,
				n * sizeof(*slots));
		for (uint32_t i = 0; r == 0 && i < n; i++) {
			if (!slots[i] || slots[i] == w->table.invalid)
				continue;
			if (w->out->n + w->n == SCOPE_PORTS_MAX) {
				w->out->is_cut = true;
				return finish_batch(w);
			}
			w->slots[w->n] = at + i;
			w->pieces[w->n++].addr = slots[i];
			if (w->n == BATCH)
				r = finish_batch(w);
		}
	}
	return r == 0 && w->n ? finish_batch(w) : r;
}

/* -- names -------------------------------------------------------------------------- */

static int read_registered(struct walk *w)
{
	struct scope_piece pieces[BATCH];
	uint64_t words[BATCH];

	for (size_t at = 0; at < w->out->n; at += BATCH) {
		struct scope_port *p = w->all + at;
		size_t n = w->out->n - at < BATCH ? w->out->n - at : BATCH;
		int r;

		for (size_t i = 0; i < n; i++)
			pieces[i] = (struct scope_piece){
				p[i].name ? p[i].name + w->vm->layout->reg_name :
					    0,
				&words[i], 8, false
			};
		r = scope_vm_read_all(w->vm, pieces, n);
		if (r < 0)
			return r;
		for (size_t i = 0; i < n; i++)
			p[i].name = pieces[i].is_read &&
						    scope_is_atom(words[i]) ?
					    words[i] :
					    0;
	}
	return 0;
}

/* A C string of the target's at addr, cut to cap - 1 bytes. A page at a time:
 * what is behind its end may not be mapped. */
static int read_text(struct walk *w, uint64_t addr, char *text, size_t cap)
{
	size_t at = 0;

	while (at < cap - 1) {
		size_t n = PAGE - ((addr + at) & (PAGE - 1));
		int r;

		if (n > cap - 1 - at)
			n = cap - 1 - at;
		r = w->vm->read(w->vm->arg, addr + at, text + at, n);
		if (r < 0) {
			text[at] = '\0';
			return r;
		}
		if (memchr(text + at, 0, n))
			return 0;
		at += n;
	}
	text[at] = '\0';
	return 0;
}

static const char *driver_name(struct walk *w, uint64_t addr)
{
	struct driver *d;
	uint64_t name;

	for (size_t i = 0; i < w->ndrivers; i++)
		if (w->drivers[i].addr == addr)
			return w->drivers[i].name;
	if (!addr || w->ndrivers == DRIVERS_MAX ||
	    w->vm->read(w->vm->arg, addr + w->vm->layout->drv_name, &name, 8) <
		    0)
		return "";
	d = &w->drivers[w->ndrivers];
	if (read_text(w, name, d->name, sizeof(d->name)) < 0)
		return "";
	d->addr = addr;
	w->ndrivers++;
	return d->name;
}

/* The port may have ended, and its name with it: what it had is only said if
 * it is the port still. */
static int read_names(struct walk *w)
{
	size_t cap = w->out->n * (SCOPE_PORT_NAME + DRIVER_NAME) + 1, at = 0;
	char *text;

	if (cap > TEXT_MAX)
		cap = TEXT_MAX;
	text = w->out->text = calloc(1, cap);
	if (!text)
		return -ENOMEM;
	for (size_t i = 0; i < w->out->n; i++) {
		struct scope_port *p = &w->all[i];
		const char *driver = driver_name(w, w->more[i].driver);
		char name[SCOPE_PORT_NAME] = "";
		uint64_t id = 0;
		size_t n;
		int r = read_text(w, w->more[i].name, name, sizeof(name));

		if (r == 0)
			r = w->vm->read(w->vm->arg, p->addr, &id, 8);
		if (r == -ESRCH)
			return r;
		if (id != p->id)
			name[0] = '\0';
		n = strlen(name) + 1;
		if (cap - at < n + DRIVER_NAME)
			return 0;
		p->command = memcpy(text + at, name, n);
		at += n;
		n = strlen(driver) + 1;
		p->driver = memcpy(text + at, driver, n);
		at += n;
	}
	return 0;
}

/* -- links --------------------------------------------------------------------------- */

/* A tree, of which the halves that are still to be looked at are few: it is
 * balanced (erl_rbtree.h), and deeper ones are none. */
#define DEPTH_MAX 64

static int read_links(struct walk *w, struct scope_port *p, uint64_t root)
{
	const struct scope_layout *l = w->vm->layout;
	uint64_t todo[DEPTH_MAX] = { root };
	size_t n = root != 0;
	uint8_t node[LINK_BYTES];
	const size_t bytes = l->lnk_unlinking != SCOPE_NO ?
				     l->lnk_unlinking + 8 :
				     l->ml_bytes;

	while (n && w->links < LINKS_MAX && bytes <= sizeof(node)) {
		uint64_t at = todo[--n], other;
		int r = w->vm->read(w->vm->arg, at, node, bytes);

		w->links++;
		if (r < 0)
			return r == -ESRCH ? r : 0;
		other = u64_at(node, l->ml_other);
		if (n + 2 > DEPTH_MAX)
			return 0;
		if (u64_at(node, l->ml_right))
			todo[n++] = u64_at(node, l->ml_right);
		if (u64_at(node, l->ml_left))
			todo[n++] = u64_at(node, l->ml_left);
		/* A link that is being taken off is none to the node, either. */
		if ((l->lnk_unlinking != SCOPE_NO &&
		     u64_at(node, l->lnk_unlinking)) ||
		    (!scope_is_pid(other) && !scope_is_port(other)))
			continue;
		if (p->nlinks < SCOPE_PORT_LINKS)
			p->links[p->nlinks] = other;
		p->nlinks++;
	}
	return 0;
}

/* Those of a port that has ended meanwhile may have been anything. */
static int read_all_links(struct walk *w)
{
	for (size_t i = 0; i < w->out->n; i++) {
		struct scope_port *p = &w->all[i];
		uint64_t id = 0;
		int r = read_links(w, p, w->more[i].links);

		if (r == 0 && p->nlinks)
			r = w->vm->read(w->vm->arg, p->addr, &id, 8);
		if (r == -ESRCH)
			return r;
		if (id != p->id)
			p->nlinks = 0;
	}
	return 0;
}

int scope_ports_read(struct scope_vm *vm, uint64_t table,
		     struct scope_ports **ret_ports)
{
	__attribute__((cleanup(walk_done))) struct walk w = {
		.vm = vm,
		.table = { .vm = vm, .addr = table },
	};
	struct scope_pixdata pix;
	int r;

	if (!table || vm->layout->port_bytes > STRUCT_BYTES)
		return -ENOENT;
	r = scope_table_load(&w.table, &pix);
	if (r < 0)
		return r;
	w.out = calloc(1, sizeof(*w.out));
	w.bytes = malloc((size_t)BATCH * vm->layout->port_bytes);
	if (!w.out || !w.bytes)
		return -ENOMEM;
	r = read_table(&w);
	if (r == 0)
		r = read_registered(&w);
	if (r == 0)
		r = read_names(&w);
	if (r == 0)
		r = read_all_links(&w);
	if (r < 0)
		return r;
	w.out->all = scope_take(w.all);
	*ret_ports = scope_take(w.out);
	return 0;
}

int scope_target_ports(struct scope_target *t, struct scope_ports **ret_ports)
{
	return scope_ports_read(&t->vm, scope_target_address(t, "erts_port"),
				ret_ports);
}
