/* SPDX-License-Identifier: MIT */
/* Messages: where they come from, and which send a receive belongs to. */
#include "pipeline/decode_int.h"

/* An alias is copied behind the message that was sent to it: its words, which
 * are not there when the message is received. */
static uint32_t alias_words(const struct scope_image *im, uint64_t alias)
{
	uint64_t seg = im->nsegs ? im->segs[im->nsegs - 1] : 0;
	uint64_t end = SCOPE_SEG_ADDR(seg) + 8 * SCOPE_SEG_WORDS(seg);
	uint64_t addr = SCOPE_PTR(alias);

	if (!SCOPE_SEG_ADDR(seg) || addr < SCOPE_SEG_ADDR(seg) || addr >= end)
		return 0;
	return (uint32_t)((end - addr) / 8);
}

static struct scope_shape shape_of(const struct scope_event *ev,
				   const struct scope_rec *rec)
{
	struct scope_shape s = { .from = rec->msg.from,
				 .first = rec->msg.msg };
	int tag = SCOPE_TAG(rec->msg.msg);

	/* Addresses differ between the two ends; the header does not. */
	if (tag == SCOPE_TAG_BOXED || tag == SCOPE_TAG_LIST) {
		uint64_t addr = SCOPE_PTR(rec->msg.msg);
		size_t at = 0;

		s.first = 0;
		for (size_t i = 0; i < ev->image.nsegs; i++) {
			uint64_t lo = SCOPE_SEG_ADDR(ev->image.segs[i]);
			uint64_t n = SCOPE_SEG_WORDS(ev->image.segs[i]);

			if (lo) {
				s.words += (uint32_t)n;
				if (addr >= lo && addr < lo + 8 * n &&
				    at + (addr - lo) / 8 < ev->image.nwords)
					s.first = ev->image.words
							  [at + (addr - lo) / 8];
			}
			at += n;
		}
		if (SCOPE_TAG(s.first) == SCOPE_TAG_LIST ||
		    SCOPE_TAG(s.first) == SCOPE_TAG_BOXED)
			s.first = 0;
		if (rec->flags & SCOPE_F_ALIAS)
			s.words -= alias_words(&ev->image, rec->msg.alias);
	}
	return s;
}

/* Where a message came from, if no process of this node sent it. */
static void add_origin(struct scope_decoder *d, struct scope_event *ev,
		       const struct scope_rec *rec)
{
	uint64_t from = rec->msg.from;

	if (scope_is_pid(from))
		return;
	if (scope_is_port(from)) {
		add_text(ev, SCOPE_FIELD_FROM_KIND, "port");
		add_term(ev, SCOPE_FIELD_PORT, from);
	} else if (from && from == d->am_clock_service) {
		add_text(ev, SCOPE_FIELD_FROM_KIND, "timer");
	} else if (SCOPE_TAG(from) == SCOPE_TAG_BOXED) {
		add_term(ev, SCOPE_FIELD_FROM, from);
	} else if (rec->flags & SCOPE_F_DIST) {
		add_text(ev, SCOPE_FIELD_FROM_KIND, "dist");
	} else {
		add_text(ev, SCOPE_FIELD_FROM_KIND, "system");
	}
}

static void add_message(struct scope_decoder *d, struct scope_event *ev,
			const struct scope_rec *rec)
{
	uint32_t words = 0;

	if ((rec->flags & SCOPE_F_DIST) || !d->opts.term_words)
		return;
	for (size_t i = 0; i < ev->image.nsegs; i++)
		if (SCOPE_SEG_ADDR(ev->image.segs[i]))
			words += SCOPE_SEG_WORDS(ev->image.segs[i]);
	add_term(ev, SCOPE_FIELD_MSG, rec->msg.msg);
	scope_event_add_u(ev, SCOPE_FIELD_MSG_WORDS, words);
}

void scope_decode_sent(struct scope_decoder *d, struct scope_event *ev,
		       uint64_t to, uint64_t addr, enum scope_queued what,
		       const struct scope_shape *shape, uint64_t ts_ns)
{
	uint64_t n = scope_mailbox_sent(d->mailbox, to, addr, what, shape,
					ts_ns);

	if (n)
		add_corr(ev, addr, n);
}

void scope_decode_send(struct scope_decoder *d, const struct scope_rec *rec,
		       struct scope_event *ev)
{
	struct scope_shape shape = shape_of(ev, rec);

	add_origin(d, ev, rec);
	if (rec->msg.to) {
		add_term(ev, SCOPE_FIELD_TO, rec->msg.to);
		scope_decode_name(d, ev, SCOPE_FIELD_TO_NAME, rec->msg.to);
	}
	add_message(d, ev, rec);
	if (rec->flags & SCOPE_F_ALIAS) {
		scope_event_add_u(ev, SCOPE_FIELD_ALIAS, 1);
		add_term(ev, SCOPE_FIELD_ALIAS_REF, rec->msg.alias);
	}
	if (rec->flags & SCOPE_F_DIST)
		scope_event_add_u(ev, SCOPE_FIELD_DIST, 1);
	if (d->mailbox)
		scope_decode_sent(d, ev, rec->msg.to, rec->msg.addr,
				  SCOPE_QUEUED_MESSAGE, &shape, rec->ts_ns);
}

/* A digest of a reference's numbers, the same for every copy of it. */
uint64_t scope_decode_ref_digest(struct scope_decoder *d, const struct scope_image *im,
			   uint64_t ref)
{
	char text[64];
	struct scope_buf b = scope_buf_of(text, sizeof(text));
	uint64_t h = 14695981039346656037ull;

	if (SCOPE_TAG(ref) != SCOPE_TAG_BOXED ||
	    scope_term_put_ident(d->vm, im, ref, SCOPE_SYNTAX_ERLANG, &b))
		return 0;
	for (size_t i = 0; i < b.len; i++)
		h = (h ^ (uint8_t)text[i]) * 1099511628211ull;
	return h ? h : 1;
}

/* Whether the message is what a signal became, and which. */
static bool from_signal(struct scope_decoder *d, const struct scope_rec *rec,
			const struct scope_event *ev, struct scope_match *ret)
{
	int arity = scope_term_tuple_arity(&ev->image, rec->msg.msg);
	struct scope_shape shape = { 0 };
	uint64_t tag, who;

	if ((arity != 5 && arity != 3) ||
	    scope_term_element(&ev->image, rec->msg.msg, 0, &tag) < 0 ||
	    scope_term_element(&ev->image, rec->msg.msg, 1, &who) < 0)
		return false;
	if (arity == 5) {
		shape.from = scope_decode_ref_digest(d, &ev->image, who);
		return shape.from &&
		       scope_mailbox_received(d->mailbox, rec->pid, 0,
					      SCOPE_QUEUED_DOWN, &shape,
					      rec->ts_ns, ret);
	}
	shape.from = who;
	return tag == d->am_exit &&
	       scope_mailbox_received(d->mailbox, rec->pid, 0,
				      SCOPE_QUEUED_EXIT, &shape,
				      rec->ts_ns, ret);
}

void scope_decode_receive(struct scope_decoder *d, const struct scope_rec *rec,
			  struct scope_event *ev)
{
	struct scope_shape shape = shape_of(ev, rec);
	struct scope_match m = { 0 };
	bool found, signal = false;

	found = scope_mailbox_received(d->mailbox, rec->pid, rec->msg.addr,
				       SCOPE_QUEUED_MESSAGE, &shape,
				       rec->ts_ns, &m);
	if (!found)
		signal = found = from_signal(d, rec, ev, &m);
	if (rec->flags & SCOPE_F_LAST)
		scope_mailbox_synced(d->mailbox, rec->pid, rec->ts_ns);
	if (signal) {
		add_text(ev, SCOPE_FIELD_FROM_KIND, "signal");
	} else if (scope_is_pid(rec->msg.from)) {
		add_term(ev, SCOPE_FIELD_FROM, rec->msg.from);
		scope_decode_name(d, ev, SCOPE_FIELD_FROM_NAME, rec->msg.from);
	} else {
		add_origin(d, ev, rec);
	}
	add_message(d, ev, rec);
	if (rec->flags & SCOPE_F_DIST)
		scope_event_add_u(ev, SCOPE_FIELD_DIST, 1);
	if (found && rec->ts_ns >= m.ts_ns)
		scope_event_add_u(ev, SCOPE_FIELD_WAIT_NS,
				  rec->ts_ns - m.ts_ns);
	scope_event_add_u(ev, SCOPE_FIELD_MAILBOX, rec->msg.mailbox);
	if (found) {
		add_corr(ev, m.addr, m.n);
		if (m.by_order)
			add_text(ev, SCOPE_FIELD_SURE, "order");
	}
}
