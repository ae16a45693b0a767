/* SPDX-License-Identifier: MIT */
/* Messages: where they come from, and which send a receive belongs to. */
#include "pipeline/decode_int.h"

/* Whether a copied word may be an address, or lie among such: it differs
 * between two copies of the same term. */
static bool is_address(uint64_t w)
{
	return w >= 4096 && w < 1ull << 47 && (w & 3) != 3;
}

/* Words of the image up to the alias: it is copied behind the message that was
 * sent to it (of which it may be a part, too), and is not there when that is
 * received. */
static size_t message_end(const struct scope_image *im, uint64_t alias)
{
	size_t end = im->nwords, at = 0;

	for (size_t i = 0; alias && i < im->nsegs; i++) {
		uint64_t lo = SCOPE_SEG_ADDR(im->segs[i]);
		uint64_t n = SCOPE_SEG_WORDS(im->segs[i]);

		if (alias - lo < 8 * n && at + (alias - lo) / 8 < im->nwords)
			end = at + (alias - lo) / 8;
		at += n;
	}
	return end;
}

/*
 * What can be told of a message at both of its ends. The digest is a sum over
 * the words that are contents (immediates, headers, digits, bytes), whatever
 * their order, so that two copies of a term have the same one; copies that are
 * laid out in another way (a binary that was part of a larger one, a subterm
 * that was shared) may have another, and are then not matched by order.
 */
static struct scope_shape shape_of(const struct scope_event *ev,
				   const struct scope_rec *rec)
{
	const struct scope_image *im = &ev->image;
	struct scope_shape s = { .from = rec->msg.from };
	size_t end = message_end(im, SCOPE_PTR(rec->msg.alias)), at = 0;

	if (SCOPE_TAG(rec->msg.msg) == 3)
		s.digest = rec->msg.msg;
	for (size_t i = 0; i < im->nsegs; i++) {
		uint64_t lo = SCOPE_SEG_ADDR(im->segs[i]);
		uint64_t n = SCOPE_SEG_WORDS(im->segs[i]);

		for (uint64_t k = 0; lo && k < n && at + k < end; k++)
			if (!is_address(im->words[at + k]))
				s.digest += im->words[at + k] *
					    0x9e3779b97f4a7c15ull;
		at += n;
	}
	return s;
}

/* What the VM notes as the sender of a message from another node, once it is
 * decoded: that node's name. Its own few atoms have no @. */
static bool is_node(struct scope_decoder *d, uint64_t from)
{
	size_t len;
	const char *s = scope_vm_atom(d->vm, from, &len);

	return s && memchr(s, '@', len);
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
	} else if ((rec->flags & SCOPE_F_DIST) || is_node(d, from)) {
		add_text(ev, SCOPE_FIELD_FROM_KIND, "dist");
	} else {
		add_text(ev, SCOPE_FIELD_FROM_KIND, "system");
	}
}

/* A message that lies in the first segments of the image. */
static void add_message(struct scope_decoder *d, struct scope_event *ev,
			uint64_t msg, size_t nsegs)
{
	uint32_t words = 0;

	if (!d->opts.term_words)
		return;
	for (size_t i = 0; i < nsegs; i++)
		if (SCOPE_SEG_ADDR(ev->image.segs[i]))
			words += SCOPE_SEG_WORDS(ev->image.segs[i]);
	add_term(ev, SCOPE_FIELD_MSG, msg);
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

static void add_to(struct scope_decoder *d, struct scope_event *ev,
		   uint64_t to)
{
	if (!to)
		return;
	add_term(ev, SCOPE_FIELD_TO, to);
	scope_decode_name(d, ev, SCOPE_FIELD_TO_NAME, to);
}

static void add_alias(struct scope_event *ev, const struct scope_rec *rec)
{
	if (!(rec->flags & SCOPE_F_ALIAS))
		return;
	scope_event_add_u(ev, SCOPE_FIELD_ALIAS, 1);
	add_term(ev, SCOPE_FIELD_ALIAS_REF, rec->msg.alias);
}

/* From another node, in external format: who receives it makes words of it,
 * elsewhere, and notes the node as its sender. So it is known by what it prints
 * as. */
static void send_dist(struct scope_decoder *d, const struct scope_rec *rec,
		      struct scope_event *ev)
{
	struct scope_shape shape = { .from = rec->msg_dist.peer };
	uint64_t msg;
	size_t nsegs;
	bool is_there = scope_decode_dist_message(d, rec, ev, &msg, &nsegs);

	add_origin(d, ev, rec);
	add_to(d, ev, rec->msg_dist.to);
	if (is_there)
		add_message(d, ev, msg, nsegs);
	add_alias(ev, rec);
	scope_event_add_u(ev, SCOPE_FIELD_DIST, 1);
	if (!d->mailbox || !is_there)
		return;
	shape.digest = scope_decode_text_digest(d, &ev->image, msg);
	scope_decode_sent(d, ev, rec->msg_dist.to, 0, SCOPE_QUEUED_MESSAGE,
			  &shape, rec->ts_ns);
}

void scope_decode_send(struct scope_decoder *d, const struct scope_rec *rec,
		       struct scope_event *ev)
{
	struct scope_shape shape;

	if (rec->flags & SCOPE_F_DIST) {
		send_dist(d, rec, ev);
		return;
	}
	shape = shape_of(ev, rec);
	add_origin(d, ev, rec);
	add_to(d, ev, rec->msg.to);
	add_message(d, ev, rec->msg.msg, ev->image.nsegs);
	add_alias(ev, rec);
	if (d->mailbox)
		scope_decode_sent(d, ev, rec->msg.to, rec->msg.addr,
				  SCOPE_QUEUED_MESSAGE, &shape, rec->ts_ns);
}

/* Whether this is the atom of our own node's name. */
static bool is_own_node(struct scope_decoder *d, uint64_t node)
{
	const char *own = scope_target_info(d->t)->node, *s;
	size_t len;

	s = scope_is_atom(node) ? scope_vm_atom(d->vm, node, &len) : NULL;
	return s && own && len == strlen(own) && !memcmp(s, own, len);
}

/* A reference of this node: its number is 0. */
static bool is_own_ref(struct scope_decoder *d, const struct scope_image *im,
		       uint64_t ref)
{
	static const char own[] = "#Ref<0.";
	char text[64];
	struct scope_buf b = scope_buf_of(text, sizeof(text));

	(void)scope_term_put_ident(d->vm, im, ref, SCOPE_SYNTAX_ERLANG, &b);
	return b.len >= sizeof(own) - 1 && !memcmp(b.p, own, sizeof(own) - 1);
}

/*
 * Why nobody was handed the message (bif.c, do_send, OTP 23 to 27); NULL: of
 * what goes to an alias or to another node that is not known here.
 */
static const char *why_dropped(struct scope_decoder *d,
			       const struct scope_image *im, uint64_t dest,
			       bool is_alias)
{
	uint64_t name, node;

	if (scope_is_pid(dest) || scope_is_atom(dest))
		return "noproc";
	if (scope_is_port(dest))
		return "noport";
	if (SCOPE_TAG(dest) != SCOPE_TAG_BOXED)
		return "badarg";
	if (is_alias || scope_term_tuple_arity(im, dest) < 0)
		return NULL;
	if (scope_term_tuple_arity(im, dest) != 2 ||
	    scope_term_element(im, dest, 0, &name) < 0 ||
	    scope_term_element(im, dest, 1, &node) < 0 ||
	    !scope_is_atom(name) || !scope_is_atom(node))
		return "badarg";
	return is_own_node(d, node) ? "noproc" : NULL;
}

void scope_decode_attempt(struct scope_decoder *d, const struct scope_rec *rec,
			  struct scope_event *ev)
{
	uint64_t dest = rec->msg.alias, to = rec->msg.to;
	bool is_plain = scope_is_pid(dest) || scope_is_port(dest);
	bool is_alias = !is_plain && SCOPE_TAG(dest) == SCOPE_TAG_BOXED &&
			is_own_ref(d, &ev->image, dest);
	const char *why = to ? NULL :
			       why_dropped(d, &ev->image, dest, is_alias);

	if (!to && is_plain)
		to = dest;
	if (to) {
		add_term(ev, SCOPE_FIELD_TO, to);
		scope_decode_name(d, ev, SCOPE_FIELD_TO_NAME, to);
	}
	if (dest && !is_plain &&
	    (d->opts.term_words || SCOPE_TAG(dest) != SCOPE_TAG_BOXED))
		add_term(ev, SCOPE_FIELD_DEST, dest);
	if (d->opts.term_words)
		add_term(ev, SCOPE_FIELD_MSG, rec->msg.msg);
	if (why)
		add_text(ev, SCOPE_FIELD_DROPPED, why);
	if (is_alias)
		scope_event_add_u(ev, SCOPE_FIELD_ALIAS, 1);
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

	if (d->opts.term_words && is_node(d, rec->msg.from))
		shape.digest = scope_decode_text_digest(d, &ev->image,
							rec->msg.msg);
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
	add_message(d, ev, rec->msg.msg, ev->image.nsegs);
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
