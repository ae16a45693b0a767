/* SPDX-License-Identifier: MIT */
/*
 * Signals to and from other nodes, and which nodes there are.
 *
 * The control part is a tuple whose first element says what the others are:
 * erl_dist_protocol, "Protocol between Connected Nodes"; dist.h, enum dop.
 */
#include "pipeline/decode_int.h"

#define CONTROL_WORDS 64
#define TEXT_BYTES 16384

/* What follows the control part. */
enum payload { NONE, MSG, REASON, ARGS, BY_FLAGS };

/* Which elements (1..) of the control tuple are what; 0: it has none. */
struct op {
	const char *name;
	uint8_t arity, from, to, ref, reason, mfa, child;
	enum payload payload;
};

static const struct op ops[] = {
	[1] = { "LINK", 3, 2, 3, 0, 0, 0, 0, NONE },
	[2] = { "SEND", 3, 0, 3, 0, 0, 0, 0, MSG },
	[3] = { "EXIT", 4, 2, 3, 0, 4, 0, 0, NONE },
	[4] = { "UNLINK", 3, 2, 3, 0, 0, 0, 0, NONE },
	[5] = { "NODE_LINK", 1, 0, 0, 0, 0, 0, 0, NONE },
	[6] = { "REG_SEND", 4, 2, 4, 0, 0, 0, 0, MSG },
	[7] = { "GROUP_LEADER", 3, 2, 3, 0, 0, 0, 0, NONE },
	[8] = { "EXIT2", 4, 2, 3, 0, 4, 0, 0, NONE },
	[12] = { "SEND_TT", 4, 0, 3, 0, 0, 0, 0, MSG },
	[13] = { "EXIT_TT", 5, 2, 3, 0, 5, 0, 0, NONE },
	[16] = { "REG_SEND_TT", 5, 2, 4, 0, 0, 0, 0, MSG },
	[18] = { "EXIT2_TT", 5, 2, 3, 0, 5, 0, 0, NONE },
	[19] = { "MONITOR_P", 4, 2, 3, 4, 0, 0, 0, NONE },
	[20] = { "DEMONITOR_P", 4, 2, 3, 4, 0, 0, 0, NONE },
	[21] = { "MONITOR_P_EXIT", 5, 2, 3, 4, 5, 0, 0, NONE },
	[22] = { "SEND_SENDER", 3, 2, 3, 0, 0, 0, 0, MSG },
	[23] = { "SEND_SENDER_TT", 4, 2, 3, 0, 0, 0, 0, MSG },
	[24] = { "PAYLOAD_EXIT", 3, 2, 3, 0, 0, 0, 0, REASON },
	[25] = { "PAYLOAD_EXIT_TT", 4, 2, 3, 0, 0, 0, 0, REASON },
	[26] = { "PAYLOAD_EXIT2", 3, 2, 3, 0, 0, 0, 0, REASON },
	[27] = { "PAYLOAD_EXIT2_TT", 4, 2, 3, 0, 0, 0, 0, REASON },
	[28] = { "PAYLOAD_MONITOR_P_EXIT", 4, 2, 3, 4, 0, 0, 0, REASON },
	[29] = { "SPAWN_REQUEST", 6, 3, 0, 2, 0, 5, 0, ARGS },
	[30] = { "SPAWN_REQUEST_TT", 7, 3, 0, 2, 0, 5, 0, ARGS },
	[31] = { "SPAWN_REPLY", 5, 0, 3, 2, 0, 0, 5, NONE },
	[32] = { "SPAWN_REPLY_TT", 6, 0, 3, 2, 0, 0, 5, NONE },
	[33] = { "ALIAS_SEND", 3, 2, 3, 0, 0, 0, 0, MSG },
	[34] = { "ALIAS_SEND_TT", 4, 2, 3, 0, 0, 0, 0, MSG },
	[35] = { "UNLINK_ID", 4, 3, 4, 0, 0, 0, 0, NONE },
	[36] = { "UNLINK_ID_ACK", 4, 3, 4, 0, 0, 0, 0, NONE },
	[37] = { "ALTACT_SIG_SEND", 4, 3, 4, 0, 0, 0, 0, BY_FLAGS },
};
#define OPS (sizeof(ops) / sizeof(*ops))
#define ALTACT_EXIT 16 /* its second element: ERTS_DOP_ALTACT_SIG_FLG_EXIT */

/* What a control tuple says: words, 0 where it has none. */
struct control {
	const struct op *op; /* NULL: it is none that is known */
	enum payload payload;
	uint64_t from, to, ref, reason, child;
	struct scope_mfa mfa;
};

static uint64_t element(const struct scope_image *im, uint64_t tuple, unsigned i)
{
	uint64_t w = 0;

	return i && scope_term_element(im, tuple, i - 1, &w) == 0 ? w : 0;
}

static struct control control_of(const struct scope_image *im, uint64_t tuple)
{
	int arity = scope_term_tuple_arity(im, tuple);
	uint64_t op = element(im, tuple, 1), mfa;
	struct control c = { 0 };

	if (!scope_is_small(op) || op >> 4 >= OPS || !ops[op >> 4].name ||
	    arity < ops[op >> 4].arity)
		return c;
	c.op = &ops[op >> 4];
	c.payload = c.op->payload;
	if (c.payload == BY_FLAGS)
		c.payload = element(im, tuple, 2) >> 4 & ALTACT_EXIT ? REASON :
								       MSG;
	c.from = element(im, tuple, c.op->from);
	c.to = element(im, tuple, c.op->to);
	c.ref = element(im, tuple, c.op->ref);
	c.reason = element(im, tuple, c.op->reason);
	mfa = element(im, tuple, c.op->mfa);
	c.mfa.module = element(im, mfa, 1);
	c.mfa.function = element(im, mfa, 2);
	c.mfa.arity = element(im, mfa, 3);
	c.child = element(im, tuple, c.op->child);
	/* Instead of a process, why there is none. */
	if (scope_is_atom(c.child))
		c.reason = c.child;
	return c;
}

static bool is_ident(uint64_t w)
{
	return scope_is_pid(w) || scope_is_port(w) ||
	       SCOPE_TAG(w) == SCOPE_TAG_BOXED;
}

static bool has_mfa(const struct control *c)
{
	return scope_is_atom(c->mfa.module) && scope_is_atom(c->mfa.function) &&
	       scope_is_small(c->mfa.arity) && c->mfa.arity >> 4 < 256;
}

/* In the order of the table of fields. */
static void add_control(struct scope_decoder *d, struct scope_event *ev,
			const struct control *c, uint64_t peer, uint64_t msg)
{
	bool terms = d->opts.term_words;
	uint64_t reason = c->payload == REASON ? msg : c->reason;

	if (peer)
		add_term(ev, SCOPE_FIELD_PEER, peer);
	if (!c->op) {
		add_text(ev, SCOPE_FIELD_UNREADABLE,
			 "op: the control part is none that is known");
		return;
	}
	add_text(ev, SCOPE_FIELD_OP, c->op->name);
	if (is_ident(c->child))
		add_term(ev, SCOPE_FIELD_CHILD, c->child);
	if (is_ident(c->from) && c->from != ev->pid)
		add_term(ev, SCOPE_FIELD_FROM, c->from);
	if (is_ident(c->to) && c->to != ev->pid)
		add_term(ev, SCOPE_FIELD_TO, c->to);
	else if (scope_is_atom(c->to))
		add_term(ev, SCOPE_FIELD_TO_WORD, c->to);
	if (has_mfa(c)) {
		struct scope_mfa mfa = c->mfa;

		mfa.arity >>= 4;
		add_mfa(ev, SCOPE_FIELD_MFA, &mfa);
	}
	if (terms && c->payload == ARGS)
		add_term(ev, SCOPE_FIELD_ARGS, msg);
	if (terms && c->payload == MSG)
		add_term(ev, SCOPE_FIELD_MSG, msg);
	if (terms && (c->payload == REASON || reason))
		add_term(ev, SCOPE_FIELD_REASON, reason);
	if (terms && c->ref)
		add_term(ev, SCOPE_FIELD_REF, c->ref);
}

void scope_decode_dist_send(struct scope_decoder *d,
			    const struct scope_rec *rec, struct scope_event *ev)
{
	struct control c = control_of(&ev->image, rec->dist_out.ctl);

	/* The runtime itself sends what a process has left behind. */
	if (!ev->pid && scope_is_pid(c.from)) {
		ev->pid = c.from;
		ev->name = scope_decode_name_of(d, ev->pid);
	}
	add_control(d, ev, &c, rec->dist_out.peer, rec->dist_out.msg);
	scope_event_add_u(ev, SCOPE_FIELD_FRAGMENTS, rec->dist_out.fragments);
}

/* -- in external format -------------------------------------------------------- */

/* The words from addr on that the image has together. */
static const uint64_t *run_at(const struct scope_image *im, uint64_t addr,
			      size_t *ret_words)
{
	size_t at = 0;

	for (size_t i = 0; i < im->nsegs && at < im->nwords; i++) {
		uint64_t from = SCOPE_SEG_ADDR(im->segs[i]);
		uint64_t n = SCOPE_SEG_WORDS(im->segs[i]);

		if (n > im->nwords - at)
			n = im->nwords - at;
		if (from && !((addr - from) & 7) && addr - from < 8 * n) {
			*ret_words = n - (addr - from) / 8;
			return im->words + at + (addr - from) / 8;
		}
		at += n;
	}
	*ret_words = 0;
	return NULL;
}

/* Begin with what msg_dist and dist_in say: there at the same place. */
static bool begin(struct scope_decoder *d, const struct scope_rec *rec,
		  const struct scope_image *im)
{
	uint64_t ext = rec->dist_in.ext, bytes = rec->dist_in.left;
	struct scope_etf_in in = { .node = d->node, .creation = d->creation };
	size_t n, skip = ext & 7;
	const uint64_t *at = run_at(im, ext - skip, &n);

	if (!at)
		return false;
	in.bytes = (const uint8_t *)at + skip;
	in.len = 8 * n - skip;
	in.more = in.len < bytes;
	if (in.len > bytes)
		in.len = (size_t)bytes;
	in.natoms = SCOPE_SEG_WORDS(rec->dist_in.atoms);
	in.atoms = in.natoms ? run_at(im, SCOPE_SEG_ADDR(rec->dist_in.atoms),
				      &n) :
			       NULL;
	if (!in.atoms || in.natoms > n)
		in.natoms = in.atoms ? n : 0;
	scope_etf_begin(d->etf, d->vm, &in);
	return true;
}

/* From an image into the event's, by the budget that terms of a heap have. */
static void copy(struct scope_decoder *d, const struct scope_image *from,
		 uint64_t term, unsigned words)
{
	struct scope_vm of_image = *d->vm;
	struct scope_image im = *from;

	of_image.read = scope_image_read;
	of_image.arg = &im;
	(void)scope_copy_more(&of_image, term, words, &d->copy);
}

static void begin_copy(struct scope_decoder *d)
{
	d->copy.image = (struct scope_image){
		.words = d->copy.words,
		.segs = d->copy.segs,
	};
}

/* The process that a pid or a name of this node stands for; 0: none that is
 * known. What an alias stands for is known to the runtime alone. */
static uint64_t receiver(const struct scope_decoder *d, uint64_t to)
{
	if (scope_is_pid(to))
		return to;
	return scope_is_atom(to) ? scope_procs_named(d->procs, to) : 0;
}

void scope_decode_dist_receive(struct scope_decoder *d,
			       const struct scope_rec *rec,
			       struct scope_event *ev)
{
	struct control c = { 0 };
	uint64_t msg = 0, ctl;

	begin_copy(d);
	if (begin(d, rec, &ev->image)) {
		ctl = scope_etf_next(d->etf);
		c = control_of(&d->etf->image, ctl);
		/* The numbers of pids and references are to be there. */
		copy(d, &d->etf->image, ctl, CONTROL_WORDS);
	}
	if (c.payload != NONE && d->opts.term_words) {
		msg = scope_etf_next(d->etf);
		copy(d, &d->etf->image, msg, d->opts.term_words);
	}
	ev->image = d->copy.image;
	ev->pid = receiver(d, c.to);
	ev->name = scope_decode_name_of(d, ev->pid);
	add_control(d, ev, &c, rec->dist_in.peer, msg);
	if (rec->dist_in.bytes)
		scope_event_add_u(ev, SCOPE_FIELD_BYTES, rec->dist_in.bytes);
	scope_event_add_u(ev, SCOPE_FIELD_FRAGMENTS, rec->dist_in.fragments);
}

bool scope_decode_dist_message(struct scope_decoder *d,
			       const struct scope_rec *rec,
			       struct scope_event *ev, uint64_t *ret_msg,
			       size_t *ret_segs)
{
	uint64_t msg = 0;
	bool is_there = d->opts.term_words && begin(d, rec, &ev->image);

	begin_copy(d);
	if (is_there) {
		msg = scope_etf_next(d->etf);
		copy(d, &d->etf->image, msg, d->opts.term_words);
	}
	*ret_msg = msg;
	*ret_segs = d->copy.image.nsegs;
	/* Who sent it, and the alias, are of the target's own heap. */
	copy(d, &ev->image, rec->msg_dist.from, CONTROL_WORDS);
	copy(d, &ev->image, rec->msg_dist.alias, CONTROL_WORDS);
	ev->image = d->copy.image;
	return is_there;
}

/* -- which nodes there are ------------------------------------------------------ */

/* What net_kernel tells of a connection's end: erts_do_net_exits(), dist.c. */
static uint64_t down_reason(struct scope_decoder *d, const struct scope_rec *rec,
			    const struct scope_image *im)
{
	uint64_t reason = rec->node.reason;

	/* A process that controls a connection may end as a supervisor wants. */
	if (scope_is_pid(rec->node.cid) &&
	    scope_term_tuple_arity(im, reason) == 2 &&
	    element(im, reason, 1) == d->am_shutdown)
		reason = element(im, reason, 2);
	return reason == d->am_normal ? d->am_connection_closed : reason;
}

void scope_decode_node(struct scope_decoder *d, const struct scope_rec *rec,
		       struct scope_event *ev)
{
	bool is_self = rec->flags & SCOPE_F_SELF;
	bool is_up = rec->kind == SCOPE_KIND_DIST_NODE_UP;

	add_term(ev, SCOPE_FIELD_PEER, is_self && !is_up && d->was ?
					       d->was : rec->node.peer);
	add_text(ev, SCOPE_FIELD_VISIBILITY,
		 rec->flags & SCOPE_F_HIDDEN ? "hidden" : "visible");
	if (is_self)
		scope_event_add_u(ev, SCOPE_FIELD_SELF, 1);
	else if (!is_up && d->opts.term_words)
		add_term(ev, SCOPE_FIELD_REASON,
			 down_reason(d, rec, &ev->image));
}

void scope_decode_learn_node(struct scope_decoder *d,
			     const struct scope_rec *rec)
{
	if (!(rec->flags & SCOPE_F_SELF))
		return;
	d->was = d->node;
	d->node = rec->node.peer;
	d->creation = (uint32_t)rec->node.creation;
}

uint64_t scope_decode_text_digest(struct scope_decoder *d,
				  const struct scope_image *im, uint64_t term)
{
	static __thread char text[TEXT_BYTES];
	struct scope_buf b = scope_buf_of(text, sizeof(text));
	uint64_t h = 14695981039346656037ull;

	(void)scope_term_put(d->vm, im, term, SCOPE_SYNTAX_ERLANG, &b);
	for (size_t i = 0; i < b.len; i++)
		h = (h ^ (uint8_t)text[i]) * 1099511628211ull;
	return h;
}
