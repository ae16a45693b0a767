/* SPDX-License-Identifier: MIT */
#include "target/contents.h"

#include <errno.h>
#include <string.h>

#include "target/table.h"

#define HEADER(arity) ((uint64_t)(arity) << 6) /* of a tuple */
#define MESSAGE_WORDS 8
/* The header of an external pid, which no term of a message begins with: a
 * signal, or a mark of a receive (erl_proc_sig_queue.h). */
#define SIGNAL 0x30
#define HEADER_MASK 0x3f
#define SLOTS 256u /* read at once */

struct walk {
	const struct scope_contents *c;
	size_t left;	/* entries */
	unsigned steps; /* reads */
	int (*fn)(void *arg, uint64_t a, uint64_t b);
	void *arg;
};

static int read_at(struct walk *w, uint64_t addr, void *buf, size_t len)
{
	if (!w->steps || !addr)
		return -EFAULT;
	w->steps--;
	return w->c->vm->read(w->c->vm->arg, addr, buf, len);
}

static int mark(struct scope_contents *c, uint64_t ret[4])
{
	const struct scope_layout *l = c->vm->layout;
	uint64_t id;
	struct scope_piece p[] = {
		{ c->proc, &id, 8, false },
		{ c->proc + l->p_htop, &ret[0], 8, false },
		{ c->proc + l->p_stop, &ret[1], 8, false },
		{ c->proc + l->p_reds, &ret[2], 8, false },
		{ c->proc + l->p_sig_qs + l->sq_first, &ret[3], 8, false },
	};
	int r = scope_vm_read_all(c->vm, p, sizeof(p) / sizeof(*p));

	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(p) / sizeof(*p); i++)
		if (!p[i].is_read)
			return -ESRCH;
	return id == c->pid ? 0 : -ESRCH;
}

int scope_contents_of(struct scope_vm *vm, uint64_t pid, uint64_t proc,
		      struct scope_contents *ret_contents)
{
	struct scope_contents c = { .vm = vm, .pid = pid, .proc = proc };
	int r = mark(&c, c.mark);

	if (r == 0)
		*ret_contents = c;
	return r;
}

bool scope_contents_changed(const struct scope_contents *c)
{
	struct scope_contents now = *c;

	return mark(&now, now.mark) < 0 ||
	       memcmp(now.mark, c->mark, sizeof(now.mark)) != 0;
}

static int give(struct walk *w, uint64_t a, uint64_t b)
{
	if (!w->left)
		return 0;
	w->left--;
	return w->fn(w->arg, a, b);
}

/* -- the dictionary ------------------------------------------------------------- */

static int give_pair(struct walk *w, uint64_t term)
{
	uint64_t p[3];

	if (SCOPE_TAG(term) != SCOPE_TAG_BOXED ||
	    read_at(w, SCOPE_PTR(term), p, sizeof(p)) < 0 || p[0] != HEADER(2))
		return 0;
	return give(w, p[1], p[2]);
}

/* NIL, one {Key, Value}, or a list of such. */
static int walk_slot(struct walk *w, uint64_t term)
{
	uint64_t cell[2];

	for (unsigned i = 0; i < SCOPE_DICT_CHAIN && w->left; i++) {
		int r;

		if (SCOPE_TAG(term) != SCOPE_TAG_LIST)
			return give_pair(w, term);
		if (read_at(w, SCOPE_PTR(term), cell, sizeof(cell)) < 0)
			return 0;
		r = give_pair(w, cell[0]);
		if (r)
			return r;
		term = cell[1];
	}
	return 0;
}

int scope_contents_pairs(const struct scope_contents *c, size_t max,
			 int (*fn)(void *arg, uint64_t key, uint64_t value),
			 void *arg)
{
	const struct scope_layout *l = c->vm->layout;
	struct walk w = { c, max, SCOPE_CONTENTS_STEPS, fn, arg };
	uint64_t dict, slots[SLOTS];
	uint32_t used = 0;
	int r = read_at(&w, c->proc + l->p_dictionary, &dict, 8);

	if (r < 0 || !dict)
		return r;
	r = read_at(&w, dict + l->pd_used, &used, 4);
	if (used > SCOPE_DICT_MAX)
		return 0;
	for (uint32_t at = 0; r == 0 && at < used && w.left; at += SLOTS) {
		uint32_t n = used - at < SLOTS ? used - at : SLOTS;

		r = read_at(&w, dict + l->pd_data + 8ull * at, slots, 8ull * n);
		for (uint32_t i = 0; r == 0 && i < n; i++)
			r = walk_slot(&w, slots[i]);
	}
	return r;
}

/* -- messages ------------------------------------------------------------------------ */

/* A queue, from its first message on. */
static int walk_queue(struct walk *w, uint64_t at)
{
	const struct scope_layout *l = w->c->vm->layout;
	uint8_t m[8 * MESSAGE_WORDS];

	while (at && w->left && l->m_from + 8 <= sizeof(m)) {
		uint64_t term, from;
		int r;

		if (read_at(w, at, m, l->m_from + 8) < 0)
			return 0;
		memcpy(&at, m + l->m_next, 8);
		memcpy(&term, m + l->m_term, 8);
		memcpy(&from, m + l->m_from, 8);
		if ((term & HEADER_MASK) == SIGNAL)
			continue;
		r = give(w, term,
			 scope_is_pid(from) || scope_is_atom(from) ? from : 0);
		if (r)
			return r;
	}
	return 0;
}

static int walk_at(struct walk *w, uint64_t addr)
{
	uint64_t first;

	return read_at(w, addr, &first, 8) == 0 ? walk_queue(w, first) : 0;
}

/* Of what many send to, each buffer. */
static int walk_buffers(struct walk *w)
{
	const struct scope_layout *l = w->c->vm->layout;
	uint64_t buffers;
	int r = 0;

	if (l->p_sig_inq_buffers == SCOPE_NO ||
	    read_at(w, w->c->proc + l->p_sig_inq_buffers, &buffers, 8) < 0 ||
	    !buffers)
		return 0;
	for (uint32_t i = 0; r == 0 && i < l->sb_count; i++) {
		uint64_t at = buffers + l->sb_slots + (uint64_t)i * l->sb_stride;
		uint32_t alive;

		if (read_at(w, at + l->sb_alive, &alive, 4) == 0 && alive)
			r = walk_at(w, at + l->sb_queue + l->si_first);
	}
	return r;
}

int scope_contents_messages(const struct scope_contents *c, size_t max,
			    int (*fn)(void *arg, uint64_t term, uint64_t from),
			    void *arg)
{
	const struct scope_layout *l = c->vm->layout;
	struct walk w = { c, max, SCOPE_CONTENTS_STEPS, fn, arg };
	int r = walk_at(&w, c->proc + l->p_sig_qs + l->sq_first);

	if (r == 0)
		r = walk_at(&w, c->proc + l->p_sig_qs + l->sq_cont);
	if (r == 0)
		r = walk_at(&w, c->proc + l->p_sig_inq + l->si_first);
	return r == 0 ? walk_buffers(&w) : r;
}
