/* SPDX-License-Identifier: MIT */
/*
 * Following pointers of many processes at once: steps wait on a stack, and some
 * hundred of them are read together. Each reading of one by one would be a
 * round trip to the attacher. What is followed is the target's, may be anything,
 * and may lead in circles: trees and doubly linked lists are checked for that
 * (snap_list.c); for the rest a process has only so many steps as what it has
 * can take.
 */
#include "target/snap_int.h"

#include <errno.h>
#include <stdlib.h>

/* Fewer than these are read one by one: that makes no round trip where the
 * memory itself is open. */
#define FEW 4u
/* Steps of a snapshot in all: what is read may be made to have no end. */
#define STEPS_ALL (1u << 26)

bool scope_snap_grow(void **array, size_t *cap, size_t used, size_t n,
		     size_t size)
{
	size_t want = *cap ? *cap : 64;
	void *p;

	if (n <= *cap - used)
		return true;
	while (want - used < n)
		want *= 2;
	p = realloc(*array, want * size);
	if (!p)
		return false;
	*array = p;
	*cap = want;
	return true;
}

void scope_snap_push(struct scope_snap_batch *b, struct scope_snap_item item)
{
	if (!item.addr)
		return;
	if (b->w[item.proc].pushed >= b->w[item.proc].most ||
	    b->steps >= STEPS_ALL) {
		b->p[item.proc].lacks |= item.lacks;
		return;
	}
	b->w[item.proc].pushed++;
	b->steps++;
	if (!scope_snap_grow((void **)&b->items, &b->items_cap, b->nitems, 1,
			     sizeof(*b->items))) {
		b->r = -ENOMEM;
		return;
	}
	b->items[b->nitems++] = item;
}

static void name(struct scope_snap_batch *b, const struct scope_snap_item *it,
		 const uint8_t *bytes)
{
	uint64_t atom = scope_snap_u64(bytes, 0);

	if (scope_is_atom(atom))
		b->p[it->proc].name = atom;
}

static void current(struct scope_snap_batch *b,
		    const struct scope_snap_item *it, const uint8_t *bytes)
{
	struct scope_mfa m = {
		.module = scope_snap_u64(bytes, 0),
		.function = scope_snap_u64(bytes, 8),
		.arity = scope_snap_u64(bytes, 16),
	};

	if (!scope_is_atom(m.module) || !scope_is_atom(m.function) ||
	    m.arity > 255)
		return;
	b->p[it->proc].current = m;
	if (!scope_snap_grow((void **)&b->mfa, &b->mfa_cap, b->nmfa, 1,
			     sizeof(*b->mfa))) {
		b->r = -ENOMEM;
		return;
	}
	b->mfa[b->nmfa] = m;
	/* Without it, it is only read again. */
	if (scope_map_put(b->mfas, it->addr, b->nmfa) == 0)
		b->nmfa++;
}

/* ErtsSchedulerData.type, .no, .dirty_no: 0 normal, 1 dirty CPU, 2 dirty I/O. */
static void scheduler(struct scope_snap_batch *b,
		      const struct scope_snap_item *it, const uint8_t *bytes)
{
	const struct scope_layout *l = b->l;
	uint32_t type = scope_snap_u32(bytes, 0), no = 0;

	if (type == 0)
		no = scope_snap_u32(bytes, l->s_no - l->s_type);
	else if (type <= 2)
		no = scope_snap_u32(bytes, l->s_dirty_no - l->s_type) +
		     b->schedulers + (type == 2 ? b->dirty_cpu : 0);
	if (no > 4096)
		return;
	b->p[it->proc].scheduler = no;
	(void)scope_map_put(b->numbers, it->addr, no);
}

static void psd(struct scope_snap_batch *b, const struct scope_snap_item *it,
		const uint8_t *bytes)
{
	scope_snap_push(b, (struct scope_snap_item){
				   .addr = scope_snap_u64(bytes, 0),
				   .proc = it->proc,
				   .lacks = it->lacks,
				   .step = SCOPE_SNAP_AT_SAVED_CALLS });
}

static void saved_calls(struct scope_snap_batch *b,
			const struct scope_snap_item *it, const uint8_t *bytes)
{
	uint32_t len = scope_snap_u32(bytes, 0);

	/* saved_calls(N): at most 10000. */
	if (len == 0 || len > 10000)
		b->p[it->proc].lacks |= it->lacks;
	else
		b->w[it->proc].other += b->l->sc_bytes + 8ull * (len - 1);
}

/* Where to read of what an address is of, how much, and what then. */
struct step {
	uint32_t off, len;
	scope_snap_handler *fn;
};

static struct step step_of(const struct scope_layout *l, unsigned step)
{
	switch ((enum scope_snap_step)step) {
	case SCOPE_SNAP_AT_REG:
		return (struct step){ l->reg_name, 8, name };
	case SCOPE_SNAP_AT_CURRENT:
		return (struct step){ 0, 24, current };
	case SCOPE_SNAP_AT_SCHEDULER:
		return (struct step){ l->s_type, l->s_dirty_no + 8 - l->s_type,
				      scheduler };
	case SCOPE_SNAP_AT_DICT:
		return (struct step){ 0, l->pd_data + 8 * SCOPE_SNAP_SLOTS,
				      scope_snap_dict };
	case SCOPE_SNAP_AT_DICT_HEAD:
		return (struct step){ 0, l->pd_data, scope_snap_dict };
	case SCOPE_SNAP_AT_SLOT:
		return (struct step){ 0, 8, scope_snap_slot };
	case SCOPE_SNAP_AT_PAIR:
		return (struct step){ 0, 24, scope_snap_pair };
	case SCOPE_SNAP_AT_CELL:
		return (struct step){ 0, 16, scope_snap_cell };
	case SCOPE_SNAP_AT_INITIAL:
		return (struct step){ 0, 32, scope_snap_initial };
	case SCOPE_SNAP_AT_LINK:
		return (struct step){ 0, l->ml_bytes + 8, scope_snap_link };
	case SCOPE_SNAP_AT_LINK_DATA:
		return (struct step){ 0, l->lx_heap + 8, scope_snap_link_data };
	case SCOPE_SNAP_AT_MONITOR:
	case SCOPE_SNAP_AT_LT_MONITOR:
		return (struct step){ 0, l->ml_bytes, scope_snap_monitor };
	case SCOPE_SNAP_AT_MONITOR_DATA:
		/* x: 1 for an ErtsMonitorDataExtended, chosen below. */
		return (struct step){ 0, l->md_bytes, scope_snap_monitor_data };
	case SCOPE_SNAP_AT_NODE:
		return (struct step){ l->mld_node, 8, scope_snap_node };
	case SCOPE_SNAP_AT_MESSAGE:
		return (struct step){ 0, l->m_hfrag + l->hf_used + 8,
				      scope_snap_message };
	case SCOPE_SNAP_AT_MESSAGE_REF:
		return (struct step){ 0, l->m_hfrag, scope_snap_message_ref };
	case SCOPE_SNAP_AT_FRAGMENT:
		return (struct step){ 0, l->hf_used + 8, scope_snap_fragment };
	case SCOPE_SNAP_AT_MBUF:
		return (struct step){ 0, l->hf_used + 8, scope_snap_mbuf };
	case SCOPE_SNAP_AT_EXTERNAL:
		return (struct step){ 0, l->hf_used + 8, scope_snap_external };
	case SCOPE_SNAP_AT_EXTERNAL_SIZE:
		return (struct step){ l->dx_heap_size, 8,
				      scope_snap_external_size };
	case SCOPE_SNAP_AT_OFF_HEAP:
		return (struct step){ 0, l->ref_bin > l->oh_next ?
						 l->ref_bin + 8 :
						 l->oh_next + 8,
				      scope_snap_off_heap };
	case SCOPE_SNAP_AT_OFF_HEAP_HEAD:
		return (struct step){ 0, l->oh_next + 8, scope_snap_off_heap };
	case SCOPE_SNAP_AT_BINARY:
		return (struct step){ l->bin_orig_size, 8, scope_snap_binary };
	case SCOPE_SNAP_AT_PSD:
		return (struct step){ l->psd_data + 8 * l->psd_saved_calls, 8,
				      psd };
	case SCOPE_SNAP_AT_SAVED_CALLS:
		return (struct step){ l->sc_len, 4, saved_calls };
	case SCOPE_SNAP_AT_BUFFER:
		return (struct step){ 0, l->sb_stride, scope_snap_buffer };
	case SCOPE_SNAP_AT_SIGNAL_PTR:
		return (struct step){ 0, 8, scope_snap_signal_ptr };
	case SCOPE_SNAP_AT_SIGNAL:
		return (struct step){ 0, l->nm_before + 8, scope_snap_signal };
	case SCOPE_SNAP_STEPS:
		break;
	}
	return (struct step){ 0 };
}

static int read_pieces(struct scope_snap_batch *b, struct scope_piece *pieces,
		       size_t n)
{
	int r = 0;

	if (n > FEW)
		return scope_vm_read_all(b->vm, pieces, n);
	for (size_t i = 0; i < n && r != -ESRCH; i++) {
		r = b->vm->read(b->vm->arg, pieces[i].addr, pieces[i].buf,
				pieces[i].len);
		pieces[i].is_read = r == 0;
	}
	return r == -ESRCH ? r : 0;
}

/* What is shorter than the longest of its kind may lie at the end of what is
 * mapped: then less is read. A message without an attachment, too, has no room
 * for one (ErtsMessageRef), and an off-heap object that is no binary may be of
 * three words. */
static bool read_less(struct scope_snap_batch *b,
		      const struct scope_snap_item *it)
{
	struct scope_snap_item less = *it;

	if (it->step == SCOPE_SNAP_AT_DICT)
		less.step = SCOPE_SNAP_AT_DICT_HEAD;
	else if (it->step == SCOPE_SNAP_AT_MESSAGE)
		less.step = SCOPE_SNAP_AT_MESSAGE_REF;
	else if (it->step == SCOPE_SNAP_AT_OFF_HEAP)
		less.step = SCOPE_SNAP_AT_OFF_HEAP_HEAD;
	else
		return false;
	scope_snap_push(b, less);
	return true;
}

int scope_snap_walk(struct scope_snap_batch *b)
{
	struct scope_piece pieces[SCOPE_SNAP_BATCH];
	struct scope_snap_item now[SCOPE_SNAP_BATCH];
	int r = 0;

	while (r == 0 && b->r == 0 && b->nitems) {
		size_t n = b->nitems < SCOPE_SNAP_BATCH ? b->nitems :
							  SCOPE_SNAP_BATCH;

		b->nitems -= n;
		memcpy(now, b->items + b->nitems, n * sizeof(*now));
		for (size_t i = 0; i < n; i++) {
			struct step s = step_of(b->l, now[i].step);

			if (now[i].step == SCOPE_SNAP_AT_MONITOR_DATA &&
			    now[i].x & 1)
				s.len = b->l->mx_bytes;
			pieces[i] = (struct scope_piece){
				.addr = now[i].addr + s.off,
				.buf = b->buf[i],
				.len = s.len,
			};
		}
		r = read_pieces(b, pieces, n);
		for (size_t i = 0; r == 0 && i < n; i++) {
			if (pieces[i].is_read)
				step_of(b->l, now[i].step)
					.fn(b, &now[i], b->buf[i]);
			else if (!read_less(b, &now[i]))
				b->p[now[i].proc].lacks |= now[i].lacks;
		}
	}
	b->nitems = 0;
	return r < 0 ? r : b->r;
}
