/* SPDX-License-Identifier: MIT */
/*
 * Events from USDT: who and how many, as other sources have it, and texts that
 * the emulator made.
 */
#include "pipeline/decode_int.h"
#include "scope/usdt.h"

/* The text in the image's n-th segment; NULL: it is empty, or not there. */
static const char *text_at(const struct scope_event *ev, size_t n,
			   size_t *ret_len)
{
	const struct scope_image *im = &ev->image;
	size_t at = 0, words;
	const char *s;

	if (n >= im->nsegs)
		return NULL;
	for (size_t i = 0; i < n; i++)
		at += SCOPE_SEG_WORDS(im->segs[i]);
	words = SCOPE_SEG_WORDS(im->segs[n]);
	if (at > im->nwords || words > im->nwords - at ||
	    words > SCOPE_USDT_TEXT / 8)
		return NULL;
	s = (const char *)(im->words + at);
	*ret_len = strnlen(s, 8 * words);
	return *ret_len ? s : NULL;
}

static void add_nth(struct scope_event *ev, size_t n, enum scope_field_key key)
{
	size_t len;
	const char *s = text_at(ev, n, &len);

	if (s)
		scope_event_add_text(ev, key, s, len);
}

/* The node that the n-th segment names; 0: none. */
static uint64_t node_at(struct scope_decoder *d, const struct scope_event *ev,
			size_t n)
{
	size_t len = 0;
	const char *s = text_at(ev, n, &len);

	return s ? scope_vm_atom_of_printed(d->vm, s, len) : 0;
}

static uint64_t add_peer(struct scope_decoder *d, struct scope_event *ev)
{
	uint64_t peer = node_at(d, ev, 0);

	if (peer)
		add_term(ev, SCOPE_FIELD_PEER, peer);
	return peer;
}

static bool is_no_node(const struct scope_event *ev, size_t n)
{
	static const char none[] = "nonode@nohost"; /* between quotes */
	size_t len = 0;
	const char *s = text_at(ev, n, &len);

	return s && memmem(s, len, none, sizeof(none) - 1);
}

/* Whether it is this node. When it gets its name that is ours already; when it
 * gives it up ours is gone, as it may be by the time that others are told to be
 * gone. */
static bool is_self(struct scope_decoder *d, const struct scope_event *ev,
		    uint64_t peer)
{
	if (ev->kind == SCOPE_KIND_DIST_NODE_DOWN)
		return is_no_node(ev, 2) && peer == d->own;
	if (!peer || node_at(d, ev, 2) != peer)
		return false;
	d->own = peer;
	return true;
}

static void node_came_or_went(struct scope_decoder *d, struct scope_event *ev)
{
	uint64_t peer = add_peer(d, ev);

	add_nth(ev, 1, SCOPE_FIELD_VISIBILITY);
	if (is_self(d, ev, peer)) {
		scope_event_add_u(ev, SCOPE_FIELD_SELF, 1);
		scope_decoder_ask_node(d);
	} else if (ev->kind == SCOPE_KIND_DIST_NODE_DOWN &&
		   d->opts.term_words) {
		add_nth(ev, 3, SCOPE_FIELD_REASON_TEXT);
	}
}

static void add_reason(const struct scope_decoder *d, struct scope_event *ev)
{
	if (d->opts.term_words)
		add_nth(ev, 0, SCOPE_FIELD_REASON_TEXT);
}

static void add_party(struct scope_decoder *d, struct scope_event *ev,
		      uint64_t to)
{
	add_term(ev, SCOPE_FIELD_TO, to);
	scope_decode_name(d, ev, SCOPE_FIELD_TO_NAME, to);
}

static void collection(const struct scope_rec *rec, struct scope_event *ev)
{
	scope_event_add_u(ev, SCOPE_FIELD_MAJOR,
			  !!(rec->flags & SCOPE_F_MAJOR));
	if (rec->kind == SCOPE_KIND_GC_START) {
		scope_event_add_u(ev, SCOPE_FIELD_NEED, rec->gc.need);
		return;
	}
	scope_event_add_u(ev, SCOPE_FIELD_RECLAIMED, rec->gc.heap_before);
	/* One that had begun before there was a probe has no start. */
	if (rec->gc.pause_ns)
		scope_event_add_u(ev, SCOPE_FIELD_PAUSE_NS, rec->gc.pause_ns);
}

void scope_decode_usdt(struct scope_decoder *d, const struct scope_rec *rec,
		       struct scope_event *ev)
{
	const struct scope_known *k;

	switch (rec->kind) {
	case SCOPE_KIND_PROC_SPAWN:
		add_term(ev, SCOPE_FIELD_CHILD, rec->spawn.child);
		add_nth(ev, 0, SCOPE_FIELD_WHERE);
		break;
	case SCOPE_KIND_PROC_HIBERNATE:
		add_nth(ev, 0, SCOPE_FIELD_WHERE);
		break;
	case SCOPE_KIND_PROC_EXIT:
		add_reason(d, ev);
		k = scope_procs_get(d->procs, rec->pid);
		if (k && k->spawned_ns && rec->ts_ns >= k->spawned_ns)
			scope_event_add_u(ev, SCOPE_FIELD_LIFETIME_NS,
					  rec->ts_ns - k->spawned_ns);
		break;
	case SCOPE_KIND_PROC_EXIT_SIGNAL:
		add_party(d, ev, rec->exit_signal.to);
		add_reason(d, ev);
		break;
	case SCOPE_KIND_MSG_SEND:
		add_party(d, ev, rec->msg.to);
		scope_event_add_u(ev, SCOPE_FIELD_SIZE_WORDS, rec->msg.addr);
		break;
	case SCOPE_KIND_MSG_RECEIVE:
		scope_event_add_u(ev, SCOPE_FIELD_SIZE_WORDS, rec->msg.addr);
		break;
	case SCOPE_KIND_GC_START:
	case SCOPE_KIND_GC_END:
		collection(rec, ev);
		break;
	case SCOPE_KIND_HEAP_GROW:
		scope_event_add_u(ev, SCOPE_FIELD_GREW,
				  rec->gc.size_after > rec->gc.size_before);
		scope_event_add_u(ev, SCOPE_FIELD_BLOCK_BEFORE,
				  rec->gc.size_before);
		scope_event_add_u(ev, SCOPE_FIELD_BLOCK_AFTER,
				  rec->gc.size_after);
		break;
	case SCOPE_KIND_PORT_OPEN:
	case SCOPE_KIND_PORT_CLOSE:
	case SCOPE_KIND_PORT_COMMAND:
	case SCOPE_KIND_PORT_CONTROL:
		add_term(ev, SCOPE_FIELD_PORT, rec->port.port);
		if (rec->kind == SCOPE_KIND_PORT_OPEN)
			add_nth(ev, 0, SCOPE_FIELD_COMMAND);
		else if (rec->kind == SCOPE_KIND_PORT_CLOSE)
			add_reason(d, ev);
		else if (rec->kind == SCOPE_KIND_PORT_CONTROL)
			scope_event_add_u(ev, SCOPE_FIELD_OP_NUMBER,
					  rec->port.op);
		break;
	case SCOPE_KIND_DIST_SEND:
		(void)add_peer(d, ev);
		add_term(ev, SCOPE_FIELD_PORT, rec->port.port);
		break;
	case SCOPE_KIND_DIST_NODE_UP:
	case SCOPE_KIND_DIST_NODE_DOWN:
		node_came_or_went(d, ev);
		break;
	default:
		break;
	}
}
