/* SPDX-License-Identifier: MIT */
/*
 * Links and monitors of a process: red-black trees of ErtsMonLnkNode, and one
 * list of those monitors that have no reference of their own in the process
 * (P_LT_MONITORS: local targets), which ends where it began. What
 * process_info/2 tells of them: collect_one_link and its neighbours.
 */
#include "target/snap_int.h"

/* Types of monitors, the same in all releases; see layout.h for the others. */
#define MON_PROC 0
#define MON_PORT 1
#define MON_TIME_OFFSET 2
#define MON_DIST_PROC 3

/* ErtsMonLnkTreeNode, ErtsMonLnkListNode of erl_monitor_link.h, OTP 23 to 29. */
#define TREE_PARENT 0
#define LIST_PREV 8

static uint32_t flags_of(const struct scope_layout *l, const uint8_t *node)
{
	uint16_t v;

	if (l->ml_flags_bytes == 4)
		return scope_snap_u32(node, l->ml_flags);
	memcpy(&v, node + l->ml_flags, sizeof(v));
	return v;
}

static uint32_t type_of(const struct scope_layout *l, const uint8_t *node)
{
	uint16_t v;

	memcpy(&v, node + l->ml_type, sizeof(v));
	return v & l->ml_type_mask;
}

static uint16_t offset_of(const struct scope_layout *l, const uint8_t *node)
{
	uint16_t v;

	memcpy(&v, node + l->ml_offset, sizeof(v));
	return v;
}

static void found(struct scope_snap_batch *b, const struct scope_snap_item *it,
		  struct scope_snap_found f)
{
	if (!scope_snap_grow((void **)&b->found, &b->found_cap, b->nfound, 1,
			     sizeof(*b->found))) {
		b->r = -ENOMEM;
		return;
	}
	f.proc = it->proc;
	b->found[b->nfound++] = f;
}

static void children(struct scope_snap_batch *b,
		     const struct scope_snap_item *it, const uint8_t *node)
{
	struct scope_snap_item next = *it;

	scope_snap_allow(b, it->proc, 5);
	next.x = it->addr;
	next.addr = scope_snap_u64(node, b->l->ml_left);
	scope_snap_push(b, next);
	next.addr = scope_snap_u64(node, b->l->ml_right);
	scope_snap_push(b, next);
}

/*
 * Of a process that ended meanwhile the memory may be another's, and lead
 * anywhere, or round in circles. A node of a tree says what is above it, one of
 * a list what is before it; x and y say how we came to it. (The word of what is
 * above has flags in its lowest bits: RBT_FLAG… of erl_monitor_link.c.)
 */
static bool is_in_tree(const struct scope_snap_item *it, const uint8_t *node)
{
	return (scope_snap_u64(node, TREE_PARENT) & ~7ull) == it->x;
}

static bool is_in_list(const struct scope_snap_item *it, const uint8_t *node)
{
	return it->addr == it->x || scope_snap_u64(node, LIST_PREV) == it->y;
}

static bool is_ident(uint64_t w)
{
	return scope_is_pid(w) || scope_is_port(w) ||
	       SCOPE_TAG(w) == SCOPE_TAG_BOXED;
}

/* ---- links -------------------------------------------------------------------- */

static void put_link(struct scope_snap_batch *b,
		     const struct scope_snap_item *it, uint64_t other)
{
	if (!(b->wants & SCOPE_SNAP_LINKS))
		return;
	found(b, it,
	      (struct scope_snap_found){
		      .to = other,
		      .list = SCOPE_SNAP_LIST_LINKS,
		      .what = scope_is_port(other) ? SCOPE_SNAP_PORT :
						     SCOPE_SNAP_PROCESS });
}

void scope_snap_link(struct scope_snap_batch *b,
		     const struct scope_snap_item *it, const uint8_t *bytes)
{
	const struct scope_layout *l = b->l;
	uint32_t type = type_of(l, bytes), flags = flags_of(l, bytes);
	uint64_t other = scope_snap_u64(bytes, l->ml_other);
	struct scope_snap_item data = *it;

	if (type < l->ml_link_type || type > l->ml_link_type + 3 ||
	    !is_ident(other) || !is_in_tree(it, bytes)) {
		b->p[it->proc].lacks |= it->lacks;
		return;
	}
	children(b, it, bytes);
	if (flags & l->ml_extended || l->lnk_refc != SCOPE_NO) {
		data.x = other;
		data.key = (flags & l->ml_extended) != 0;
		data.addr = it->addr - offset_of(l, bytes);
		data.step = SCOPE_SNAP_AT_LINK_DATA;
		scope_snap_push(b, data);
		return;
	}
	b->w[it->proc].other += l->lnk_bytes;
	if (!scope_snap_u64(bytes, l->lnk_unlinking))
		put_link(b, it, other);
}

/* What a link of two halves is part of: it counts for each half its share. */
void scope_snap_link_data(struct scope_snap_batch *b,
			  const struct scope_snap_item *it,
			  const uint8_t *bytes)
{
	const struct scope_layout *l = b->l;
	uint32_t refc = scope_snap_u32(bytes, it->key ? l->lx_refc :
							l->lnk_refc);
	uint64_t head = scope_snap_u64(bytes, l->lx_heap);
	uint64_t size = l->lnk_bytes;

	if (it->key)
		size = l->lx_bytes + 8 * (SCOPE_ARITY(head) & 0xff);
	if (refc == 0 || refc > 2) {
		b->p[it->proc].lacks |= it->lacks;
		return;
	}
	b->w[it->proc].other += size / refc;
	if (!it->key || l->lx_unlinking == SCOPE_NO ||
	    !scope_snap_u64(bytes, l->lx_unlinking))
		put_link(b, it, it->x);
}

/* ---- monitors ----------------------------------------------------------------- */

static enum scope_snap_what what_of(const struct scope_layout *l, uint32_t type,
				    uint64_t other)
{
	if (type == MON_TIME_OFFSET)
		return SCOPE_SNAP_TIME_OFFSET;
	if (type == l->mon_resource)
		return SCOPE_SNAP_RESOURCE;
	return scope_is_port(other) || type == MON_PORT ? SCOPE_SNAP_PORT :
							  SCOPE_SNAP_PROCESS;
}

/* Up to where monitors of processes and ports go: 3, from 24 on 4. */
static bool is_plain(const struct scope_layout *l, uint32_t type)
{
	return type < l->mon_resource;
}

static void put_monitor(struct scope_snap_batch *b,
			const struct scope_snap_item *it, const uint8_t *node,
			uint64_t name)
{
	const struct scope_layout *l = b->l;
	uint32_t type = type_of(l, node), flags = flags_of(l, node);
	uint64_t other = scope_snap_u64(node, l->ml_other);
	struct scope_snap_found f = {
		.to = other,
		.what = (uint8_t)what_of(l, type, other),
	};

	if (!(b->wants & SCOPE_SNAP_MONITORS))
		return;
	if (flags & l->ml_target) {
		f.list = SCOPE_SNAP_LIST_MONITORED_BY;
		if (type == MON_TIME_OFFSET)
			return;
		if (type == l->mon_resource)
			f.to = 0;
		else if (!is_plain(l, type))
			return;
	} else {
		f.list = SCOPE_SNAP_LIST_MONITORS;
		if (!is_plain(l, type) || flags & l->ml_pending)
			return;
		if (name) {
			f.to = name;
			f.node = b->node;
		}
	}
	found(b, it, f);
}

/*
 * The rest of what is known of a monitor is in what both its halves are part
 * of. The node itself waits there as one of the two: key says that it is the
 * target, x whether there is more behind.
 */
void scope_snap_monitor(struct scope_snap_batch *b,
			const struct scope_snap_item *it, const uint8_t *bytes)
{
	const struct scope_layout *l = b->l;
	uint32_t type = type_of(l, bytes), flags = flags_of(l, bytes);
	uint16_t offset = offset_of(l, bytes);
	const bool is_tree = it->step == SCOPE_SNAP_AT_MONITOR;
	struct scope_snap_item data = *it, next = *it;

	if (type >= l->ml_link_type || offset > l->mx_bytes ||
	    !(is_tree ? is_in_tree(it, bytes) : is_in_list(it, bytes))) {
		b->p[it->proc].lacks |= it->lacks;
		return;
	}
	if (is_tree) {
		children(b, it, bytes);
	} else {
		scope_snap_allow(b, it->proc, 5);
		next.y = it->addr;
		next.addr = scope_snap_u64(bytes, l->ml_next);
		if (next.addr != it->x)
			scope_snap_push(b, next);
	}
	data.addr = it->addr - offset;
	data.x = (flags & l->ml_extended && type != l->mon_suspend) != 0;
	data.key = offset != 0;
	data.step = SCOPE_SNAP_AT_MONITOR_DATA;
	scope_snap_push(b, data);
}

/* Words that a term in a monitor's own memory takes: NC_HEAP_SIZE. References
 * that are boxed, and pids of other nodes; their headers are not read: they are
 * of these sizes in all releases but for 23's references. */
static uint64_t boxed_words(const struct scope_layout *l, uint64_t term,
			    bool is_ref)
{
	if (SCOPE_TAG(term) != SCOPE_TAG_BOXED)
		return 0;
	if (!is_ref)
		return l->ext_data / 8 + 1;
	return l->ref_num / 8 + 2;
}

static uint64_t size_of(const struct scope_layout *l, const uint8_t *bytes,
			uint32_t type, bool is_extended)
{
	const uint64_t ref = scope_snap_u64(bytes, l->ml_data_ref);
	uint64_t words = 0;

	if (l->mon_alias != SCOPE_NO && type == l->mon_alias)
		return l->md_bytes;
	if (type == l->mon_suspend)
		return l->md_suspend_bytes;
	if (!is_extended)
		return l->md_heap_bytes;
	if (type < l->mon_suspend - 2) /* not of nodes */
		words = boxed_words(l, ref, true);
	if (type >= MON_DIST_PROC && type < l->mon_resource)
		words += boxed_words(l, scope_snap_u64(bytes, l->ml_other),
				     false) +
			 boxed_words(l,
				     scope_snap_u64(bytes, l->md_target +
								   l->ml_other),
				     false);
	return l->mx_bytes + 8 * words - 8;
}

void scope_snap_monitor_data(struct scope_snap_batch *b,
			     const struct scope_snap_item *it,
			     const uint8_t *bytes)
{
	const struct scope_layout *l = b->l;
	const uint8_t *node = bytes + (it->key ? l->md_target : 0);
	uint32_t refc = scope_snap_u32(bytes, l->md_refc);
	uint32_t flags = flags_of(l, node), type = type_of(l, bytes);
	struct scope_snap_item next = *it;
	uint64_t name = 0;

	if (refc == 0 || refc > 2) {
		b->p[it->proc].lacks |= it->lacks;
		return;
	}
	b->w[it->proc].other += size_of(l, bytes, type, it->x & 1) / refc;
	if (it->x & 1 && flags & l->ml_named && !(flags & l->ml_target))
		name = scope_snap_u64(bytes, l->mx_name);
	if (name && !scope_is_atom(name)) {
		b->p[it->proc].lacks |= it->lacks;
		return;
	}
	put_monitor(b, it, node, name);
	next.addr = name ? scope_snap_u64(bytes, l->mx_dist) : 0;
	if (!next.addr || !(b->wants & SCOPE_SNAP_MONITORS) || !b->nfound)
		return;
	next.x = b->nfound - 1;
	next.step = SCOPE_SNAP_AT_NODE;
	scope_snap_push(b, next);
}

/* The name of the node that a name is of. */
void scope_snap_node(struct scope_snap_batch *b,
		     const struct scope_snap_item *it, const uint8_t *bytes)
{
	uint64_t atom = scope_snap_u64(bytes, 0);

	if (scope_is_atom(atom) && it->x < b->nfound)
		b->found[it->x].node = atom;
	else
		b->p[it->proc].lacks |= it->lacks;
}

void scope_snap_start_lists(struct scope_snap_batch *b, size_t i)
{
	const struct scope_layout *l = b->l;
	const uint8_t *p = b->bytes + i * l->p_size;
	const uint32_t memory = b->wants & SCOPE_SNAP_MEMORY;
	uint64_t lt = scope_snap_u64(p, l->p_lt_monitors);
	struct scope_snap_item it = { .proc = (uint16_t)i };

	if (b->wants & (SCOPE_SNAP_LINKS | SCOPE_SNAP_MEMORY)) {
		it.addr = scope_snap_u64(p, l->p_links);
		it.lacks = (b->wants & SCOPE_SNAP_LINKS) | memory;
		it.step = SCOPE_SNAP_AT_LINK;
		scope_snap_push(b, it);
	}
	if (!(b->wants & (SCOPE_SNAP_MONITORS | SCOPE_SNAP_MEMORY)))
		return;
	it.addr = scope_snap_u64(p, l->p_monitors);
	it.lacks = (b->wants & SCOPE_SNAP_MONITORS) | memory;
	it.step = SCOPE_SNAP_AT_MONITOR;
	scope_snap_push(b, it);
	it.addr = it.x = lt;
	it.step = SCOPE_SNAP_AT_LT_MONITOR;
	scope_snap_push(b, it);
}
