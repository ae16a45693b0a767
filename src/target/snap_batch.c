/* SPDX-License-Identifier: MIT */
#include "target/snap_int.h"

#include <errno.h>
#include <stdlib.h>

#include "base/time.h"
#include "beam/copy.h"

/* A process that changed while it was read is read this often. */
#define TRIES 3

/* Process.state: include/scope/layout.h has the rest. */
#define STATE_FREE (1u << 10)
#define STATE_RUNNING (1u << 15)
#define STATE_GC (1u << 17)
#define STATE_RUNNING_SYS (1u << 21)
#define STATE_DIRTY_RUNNING (3u << 29) /* and of a system task */

/* erts_process_state2status of erl_process.c, in its order. */
enum scope_snap_status scope_snap_status_of(uint32_t state)
{
	if (state & STATE_FREE)
		return SCOPE_SNAP_FREE;
	if (state & SCOPE_PSFLG_EXITING)
		return SCOPE_SNAP_EXITING;
	if (state & STATE_GC)
		return SCOPE_SNAP_GC;
	if (state & SCOPE_PSFLG_SUSPENDED)
		return SCOPE_SNAP_SUSPENDED;
	if (state & (STATE_RUNNING | STATE_RUNNING_SYS | STATE_DIRTY_RUNNING))
		return SCOPE_SNAP_RUNNING;
	if (state & (SCOPE_PSFLG_ACTIVE | SCOPE_PSFLG_ACTIVE_SYS |
		     SCOPE_PSFLG_DIRTY_ACTIVE_SYS))
		return SCOPE_SNAP_RUNNABLE;
	return SCOPE_SNAP_WAITING;
}

const char *scope_snap_status_name(enum scope_snap_status s)
{
	static const char *const names[] = {
		[SCOPE_SNAP_FREE] = "free",
		[SCOPE_SNAP_EXITING] = "exiting",
		[SCOPE_SNAP_GC] = "garbage_collecting",
		[SCOPE_SNAP_SUSPENDED] = "suspended",
		[SCOPE_SNAP_RUNNING] = "running",
		[SCOPE_SNAP_RUNNABLE] = "runnable",
		[SCOPE_SNAP_WAITING] = "waiting",
	};

	return names[s];
}

/* ---- one process -------------------------------------------------------------- */

static struct scope_mfa mfa_at(const uint8_t *p, uint32_t off)
{
	struct scope_mfa m = {
		.module = scope_snap_u64(p, off),
		.function = scope_snap_u64(p, off + 8),
		.arity = scope_snap_u64(p, off + 16),
	};

	if (!scope_is_atom(m.module) || !scope_is_atom(m.function) ||
	    m.arity > 255)
		m = (struct scope_mfa){ 0 };
	return m;
}

static bool is_heap_sound(const struct scope_snap_proc *p)
{
	return p->heap && p->heap <= p->htop && p->htop <= p->stop &&
	       p->stop <= p->hend &&
	       ((p->heap | p->htop | p->stop | p->hend) & 7) == 0 &&
	       (p->hend - p->heap) / 8 == p->heap_words &&
	       p->old_heap <= p->old_hend;
}

static void fill_heap(const struct scope_layout *l, const uint8_t *bytes,
		      struct scope_snap_proc *p)
{
	p->heap = scope_snap_u64(bytes, l->p_heap);
	p->htop = scope_snap_u64(bytes, l->p_htop);
	p->stop = scope_snap_u64(bytes, l->p_stop);
	p->hend = scope_snap_u64(bytes, l->p_hend);
	p->heap_words = scope_snap_u64(bytes, l->p_heap_sz);
	p->old_heap = scope_snap_u64(bytes, l->p_old_heap);
	p->old_htop = scope_snap_u64(bytes, l->p_old_htop);
	p->old_hend = scope_snap_u64(bytes, l->p_old_hend);
	if (!p->old_heap || !p->old_hend)
		p->old_heap = p->old_htop = p->old_hend = 0;
	/* A heap that is being changed for another: what it was is gone. */
	p->torn = !is_heap_sound(p) &&
		  !scope_snap_u64(bytes, l->p_abandoned_heap);
	p->stack_words = p->stop <= p->hend ? (p->hend - p->stop) / 8 : 0;
	p->total_heap_words = p->heap_words + (p->old_hend - p->old_heap) / 8 +
			      scope_snap_u64(bytes, l->p_mbuf_sz);
}

static void fill(struct scope_snap_batch *b, size_t i)
{
	const struct scope_layout *l = b->l;
	const uint8_t *bytes = b->bytes + i * l->p_size;
	struct scope_snap_proc *p = &b->p[i];
	uint64_t parent = scope_snap_u64(bytes, l->p_parent);

	*p = (struct scope_snap_proc){
		.pid = scope_snap_u64(bytes, 0),
		.addr = b->addr[i],
		.parent = scope_is_pid(parent) ? parent : 0,
		.state = scope_snap_u32(bytes, l->p_state),
		.flags = scope_snap_u32(bytes, l->p_flags),
		.spawned = mfa_at(bytes, l->p_initial),
		.i = scope_snap_u64(bytes, l->p_i),
		.reductions = scope_snap_u64(bytes, l->p_reds),
		.dictionary = scope_snap_u64(bytes, l->p_dictionary),
		.catches = scope_snap_u32(bytes, l->p_catches),
		.read_ns = scope_now_ns(),
		.group_leader.word = scope_snap_u64(bytes, l->p_group_leader),
	};
	p->status = scope_snap_status_of(p->state);
	p->initial = p->spawned;
	p->sensitive = scope_snap_u32(bytes, l->p_trace_flags) &
		       l->trace_sensitive;
	fill_heap(l, bytes, p);
}

/* ---- what hangs off it -------------------------------------------------------- */

static uint32_t arity_of(const struct scope_layout *l, const uint8_t *bytes)
{
	return l->p_arity_bytes == 1 ? bytes[l->p_arity] :
				       scope_snap_u32(bytes, l->p_arity) & 0xff;
}

/* What erts_process_memory counts of the process itself. */
static void start_memory(struct scope_snap_batch *b, size_t i)
{
	const struct scope_layout *l = b->l;
	const uint8_t *bytes = b->bytes + i * l->p_size;
	const struct scope_snap_proc *p = &b->p[i];
	uint64_t psd = scope_snap_u64(bytes, l->p_psd);
	uint64_t *size = &b->w[i].other;

	*size += l->p_size + 8 * p->total_heap_words;
	if (scope_snap_u64(bytes, l->p_abandoned_heap))
		*size += p->hend - p->heap;
	if (scope_snap_u64(bytes, l->p_arg_reg) != p->addr + l->p_def_arg_reg)
		*size += 8ull * arity_of(l, bytes);
	if (!psd)
		return;
	*size += l->psd_bytes;
	scope_snap_push(b, (struct scope_snap_item){
				   .addr = psd,
				   .proc = (uint16_t)i,
				   .lacks = SCOPE_SNAP_MEMORY,
				   .step = SCOPE_SNAP_AT_PSD });
}

static void start_known(struct scope_snap_batch *b, size_t i)
{
	const struct scope_layout *l = b->l;
	const uint8_t *bytes = b->bytes + i * l->p_size;
	struct scope_snap_item it = { .proc = (uint16_t)i };
	uint64_t at;

	it.addr = scope_snap_u64(bytes, l->p_reg);
	it.step = SCOPE_SNAP_AT_REG;
	scope_snap_push(b, it);
	it.addr = scope_snap_u64(bytes, l->p_current);
	it.step = SCOPE_SNAP_AT_CURRENT;
	if (it.addr && scope_map_get(b->mfas, it.addr, &at))
		b->p[i].current = b->mfa[at];
	else
		scope_snap_push(b, it);
	it.addr = scope_snap_u64(bytes, l->p_scheduler_data);
	it.step = SCOPE_SNAP_AT_SCHEDULER;
	if (b->p[i].status != SCOPE_SNAP_RUNNING &&
	    b->p[i].status != SCOPE_SNAP_GC)
		return;
	if (it.addr && scope_map_get(b->numbers, it.addr, &at))
		b->p[i].scheduler = (uint32_t)at;
	else
		scope_snap_push(b, it);
}

/* A message takes one step and one more for what is attached, of often one
 * fragment; an entry off the heap two for three words. What is in dictionaries,
 * links and monitors add theirs as they are found. */
static void set_limit(struct scope_snap_batch *b, size_t i)
{
	const struct scope_layout *l = b->l;
	const uint8_t *bytes = b->bytes + i * l->p_size;
	uint64_t most = SCOPE_SNAP_STEPS_ANY + b->p[i].total_heap_words;
	uint64_t queued = scope_snap_u64(bytes, l->p_sig_qs + l->sq_len);

	if (l->si_len != SCOPE_NO)
		queued += scope_snap_u64(bytes, l->p_sig_inq + l->si_len);
	else
		queued += scope_snap_u64(bytes, l->p_sig_qs + l->sq_behind) +
			  scope_snap_u64(bytes, l->p_sig_inq + l->si_behind);
	/* Not all are counted there while there are signals among them, or in
	 * buffers. */
	if (queued > b->max_messages ||
	    scope_snap_u64(bytes, l->p_sig_qs + l->sq_nmsigs) ||
	    scope_snap_u64(bytes, l->p_sig_inq + l->si_nmsigs) ||
	    (l->p_sig_inq_buffers != SCOPE_NO &&
	     scope_snap_u64(bytes, l->p_sig_inq_buffers)))
		queued = b->max_messages;
	most += 8 * queued;
	b->w[i].most = most > SCOPE_SNAP_ENTRIES ? SCOPE_SNAP_ENTRIES :
						   (uint32_t)most;
}

static void start(struct scope_snap_batch *b, size_t i)
{
	const uint32_t dict = SCOPE_SNAP_INITIAL | SCOPE_SNAP_LABEL |
			      SCOPE_SNAP_ANCESTORS | SCOPE_SNAP_MEMORY;

	memset(&b->w[i], 0, sizeof(b->w[i]));
	fill(b, i);
	set_limit(b, i);
	start_known(b, i);
	scope_snap_start_queue(b, i);
	/* What it had is being taken apart. */
	if (b->p[i].status != SCOPE_SNAP_EXITING)
		scope_snap_start_lists(b, i);
	if (b->wants & dict)
		scope_snap_start_dict(b, i);
	if (b->wants & SCOPE_SNAP_MEMORY)
		start_memory(b, i);
}

/* ---- what was found ----------------------------------------------------------- */

static int keep_image(struct scope_snapshot *s, const struct scope_image *im,
		      struct scope_snap_term *t)
{
	if (!scope_snap_grow((void **)&s->words, &s->words_cap, s->nwords,
			     im->nwords, sizeof(*s->words)) ||
	    !scope_snap_grow((void **)&s->segs, &s->segs_cap, s->nsegs,
			     im->nsegs, sizeof(*s->segs)))
		return -ENOMEM;
	if (s->nwords + im->nwords > UINT32_MAX ||
	    s->nsegs + im->nsegs > UINT32_MAX)
		return -ENOMEM;
	t->words_at = (uint32_t)s->nwords;
	t->segs_at = (uint32_t)s->nsegs;
	t->nwords = (uint16_t)im->nwords;
	t->nsegs = (uint16_t)im->nsegs;
	if (im->nwords)
		memcpy(s->words + s->nwords, im->words, 8 * im->nwords);
	if (im->nsegs)
		memcpy(s->segs + s->nsegs, im->segs, 8 * im->nsegs);
	s->nwords += im->nwords;
	s->nsegs += im->nsegs;
	return 0;
}

/* Copy what a term's word points to. */
static int keep_term(struct scope_snap_batch *b, size_t i, uint64_t word,
		     uint32_t lacks, struct scope_snap_term *ret)
{
	struct scope_copy copy;

	*ret = (struct scope_snap_term){ .word = word };
	if (SCOPE_TAG(word) != SCOPE_TAG_BOXED &&
	    SCOPE_TAG(word) != SCOPE_TAG_LIST)
		return 0;
	if (scope_copy_term(b->vm, word, SCOPE_SNAP_TERM_WORDS, &copy))
		b->p[i].lacks |= lacks;
	return keep_image(b->s, &copy.image, ret);
}

static int keep_terms(struct scope_snap_batch *b, size_t i)
{
	struct scope_snap_proc *p = &b->p[i];
	const uint64_t *terms = b->w[i].terms;
	int r = keep_term(b, i, p->group_leader.word, 0, &p->group_leader);

	if (r == 0)
		r = keep_term(b, i, terms[SCOPE_SNAP_KEY_LABEL],
			      SCOPE_SNAP_LABEL, &p->label);
	if (r == 0)
		r = keep_term(b, i, terms[SCOPE_SNAP_KEY_ANCESTORS],
			      SCOPE_SNAP_ANCESTORS, &p->ancestors);
	if (r == 0)
		r = keep_term(b, i, terms[SCOPE_SNAP_KEY_CALLERS],
			      SCOPE_SNAP_ANCESTORS, &p->callers);
	return r;
}

static int by_proc_and_list(const void *a, const void *b)
{
	const struct scope_snap_found *x = a, *y = b;

	if (x->proc != y->proc)
		return x->proc < y->proc ? -1 : 1;
	return (x->list > y->list) - (x->list < y->list);
}

static struct scope_snap_range *list_of(struct scope_snap_proc *p, unsigned l)
{
	return l == SCOPE_SNAP_LIST_LINKS    ? &p->links :
	       l == SCOPE_SNAP_LIST_MONITORS ? &p->monitors :
					       &p->monitored_by;
}

static int keep_peers(struct scope_snap_batch *b)
{
	struct scope_snapshot *s = b->s;
	int r = 0;

	if (!scope_snap_grow((void **)&s->peers, &s->peers_cap, s->npeers,
			     b->nfound, sizeof(*s->peers)) ||
	    s->npeers + b->nfound > UINT32_MAX)
		return -ENOMEM;
	if (b->nfound)
		qsort(b->found, b->nfound, sizeof(*b->found), by_proc_and_list);
	for (size_t k = 0; r == 0 && k < b->nfound; k++) {
		const struct scope_snap_found *f = &b->found[k];
		struct scope_snap_peer *to = &s->peers[s->npeers];
		struct scope_snap_range *range =
			list_of(&b->p[f->proc], f->list);

		if (range->n++ == 0)
			range->at = (uint32_t)s->npeers;
		*to = (struct scope_snap_peer){ .node = f->node,
						.what = f->what };
		r = keep_term(b, f->proc, f->to, 0, &to->to);
		s->npeers++;
	}
	b->nfound = 0;
	return r;
}

static int by_proc_and_address(const void *a, const void *b)
{
	const struct scope_snap_bin *x = a, *y = b;

	if (x->proc != y->proc)
		return x->proc < y->proc ? -1 : 1;
	return (x->addr > y->addr) - (x->addr < y->addr);
}

static void keep_binaries(struct scope_snap_batch *b)
{
	if (b->nbins)
		qsort(b->bins, b->nbins, sizeof(*b->bins), by_proc_and_address);
	for (size_t k = 0; k < b->nbins; k++) {
		const struct scope_snap_bin *x = &b->bins[k];
		struct scope_snap_proc *p = &b->p[x->proc];

		p->binaries++;
		if (!k || x[-1].proc != x->proc || x[-1].addr != x->addr)
			p->binary_bytes += x->bytes;
	}
	b->nbins = 0;
}

static void sum(struct scope_snap_batch *b, size_t i)
{
	const struct scope_snap_work *w = &b->w[i];
	struct scope_snap_proc *p = &b->p[i];

	if (!(b->wants & SCOPE_SNAP_MEMORY))
		return;
	p->memory = w->other + w->queued + 8 * w->attached;
	if (w->on_heap)
		p->total_heap_words += w->attached;
}

static int one_try(struct scope_snap_batch *b)
{
	int r = 0;

	for (size_t i = 0; i < b->n; i++)
		if (b->todo[i])
			start(b, i);
	r = scope_snap_walk(b);
	for (size_t i = 0; r == 0 && i < b->n; i++) {
		if (!b->todo[i])
			continue;
		sum(b, i);
		r = keep_terms(b, i);
	}
	if (r == 0)
		r = keep_peers(b);
	keep_binaries(b);
	return r;
}

/* ---- twice the same ----------------------------------------------------------- */

/* Nothing that was followed, nor what was told, is another now. Of locks and
 * counters of no interest nothing is asked. */
static bool is_same(const struct scope_layout *l, const uint8_t *x,
		    const uint8_t *y)
{
	const struct {
		uint32_t off, len;
	} parts[] = {
		{ 0, 8 },
		{ l->p_reg, 8 },
		{ l->p_links, 24 }, /* with both sorts of monitors */
		{ l->p_htop, 16 },
		{ l->p_heap, l->p_heap_sz + 8 - l->p_heap },
		{ l->p_i, 8 },
		{ l->p_reds, 8 },
		{ l->p_group_leader, 8 },
		{ l->p_sig_qs, l->sq_flags + 4 },
		{ l->p_dictionary, 8 },
		{ l->p_current, 8 },
		{ l->p_old_hend, l->p_old_heap + 8 - l->p_old_hend },
		{ l->p_off_heap, 8 },
		{ l->p_mbuf, 8 },
		{ l->p_mbuf_sz, 8 },
		{ l->p_psd, 8 },
		{ l->p_state, 4 },
		{ l->p_sig_inq, 32 },
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (memcmp(x + parts[i].off, y + parts[i].off, parts[i].len))
			return false;
	return true;
}

/* Read the structs again; those that changed are to be read anew. What ended is
 * left out. *ret_todo: how many there are. */
static int look_again(struct scope_snap_batch *b, bool *ret_gone,
		      size_t *ret_todo)
{
	const uint32_t size = b->l->p_size;
	struct scope_piece pieces[SCOPE_SNAP_BATCH];
	int r;

	*ret_todo = 0;
	for (size_t i = 0; i < b->n; i++)
		pieces[i] = (struct scope_piece){
			.addr = b->todo[i] ? b->addr[i] : 0,
			.buf = b->again + i * size,
			.len = size,
		};
	r = scope_vm_read_all(b->vm, pieces, b->n);
	for (size_t i = 0; r == 0 && i < b->n; i++) {
		uint8_t *x = b->bytes + i * size, *y = b->again + i * size;

		if (!b->todo[i])
			continue;
		ret_gone[i] = !pieces[i].is_read ||
			      scope_snap_u64(y, 0) != b->p[i].pid ||
			      scope_snap_u32(y, b->l->p_state) & STATE_FREE;
		b->todo[i] = !ret_gone[i] && !is_same(b->l, x, y);
		*ret_todo += b->todo[i];
		if (b->todo[i])
			memcpy(x, y, size);
	}
	return r;
}

static int keep_all(struct scope_snap_batch *b, const bool *gone)
{
	struct scope_snapshot *s = b->s;

	if (!scope_snap_grow((void **)&s->procs, &s->cap, s->n, b->n,
			     sizeof(*s->procs)))
		return -ENOMEM;
	for (size_t i = 0; i < b->n; i++) {
		if (gone[i]) {
			s->totals.vanished++;
			continue;
		}
		s->totals.torn += b->p[i].torn;
		s->totals.lacking += b->p[i].lacks != 0;
		s->procs[s->n++] = b->p[i];
	}
	return 0;
}

int scope_snap_batch_run(struct scope_snap_batch *b)
{
	bool gone[SCOPE_SNAP_BATCH] = { false };
	size_t todo = b->n;
	int r = 0;

	memset(b->todo, 1, b->n * sizeof(*b->todo));
	for (int k = 0; r == 0 && todo && k < TRIES; k++) {
		r = one_try(b);
		if (r == 0)
			r = look_again(b, gone, &todo);
	}
	for (size_t i = 0; i < b->n; i++)
		b->p[i].torn |= b->todo[i];
	if (r == 0)
		r = keep_all(b, gone);
	b->n = 0;
	return r;
}
