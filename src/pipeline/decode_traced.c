/* SPDX-License-Identifier: MIT */
/* Calls of Erlang functions that breakpoints saw, and their returns. */
#include "pipeline/decode_int.h"

/* Where the cells of a list of arguments are said to be: below all that a
 * process may have mapped. */
#define CELLS_AT 4096
#define NIL 0x3b /* of releases that have a JIT */

bool scope_decode_is_traced(struct scope_decoder *d,
			    const struct scope_rec *rec)
{
	const uint64_t *words =
		(const uint64_t *)((const char *)rec + SCOPE_REC_BYTES);
	const struct scope_image im = {
		.words = words,
		.segs = words + rec->nwords,
		.nwords = rec->nwords,
		.nsegs = rec->nsegs,
	};

	if (!d->opts.trace || rec->traced.arity > SCOPE_BREAK_ARGS)
		return false;
	return scope_trace_take(d->opts.trace, d->vm, rec, &im, &d->traced);
}

/* Registers are no list, and are shown as one: made here, in an image of which
 * the record's words are the first part. */
static void add_args(struct scope_decoder *d, const struct scope_rec *rec,
		     struct scope_event *ev)
{
	const size_t n = rec->traced.arity, before = ev->image.nwords;
	uint64_t *cells = d->args + before;

	if (!n || n > before || before > SCOPE_WORDS_MAX ||
	    ev->image.nsegs > SCOPE_SEGS_MAX)
		return;
	memcpy(d->args, ev->image.words, 8 * before);
	memcpy(d->arg_segs, ev->image.segs, 8 * ev->image.nsegs);
	for (size_t i = 0; i < n; i++) {
		cells[2 * i] = d->args[i];
		cells[2 * i + 1] =
			i + 1 < n ? CELLS_AT + 16 * (i + 1) + 1 : NIL;
	}
	d->arg_segs[ev->image.nsegs] = SCOPE_SEG(CELLS_AT, 2 * n);
	ev->image = (struct scope_image){
		.words = d->args,
		.segs = d->arg_segs,
		.nwords = before + 2 * n,
		.nsegs = ev->image.nsegs + 1,
	};
	add_term(ev, SCOPE_FIELD_ARGS, CELLS_AT + 1);
}

static void add_caller(struct scope_decoder *d, uint64_t addr,
		       struct scope_event *ev)
{
	struct scope_buf out;

	/* A call may be the last instruction of its function. */
	if (addr && scope_decode_place(d, addr - 1, &out))
		scope_event_add_text(ev, SCOPE_FIELD_CALLER, out.p, out.len);
}

void scope_decode_traced(struct scope_decoder *d, const struct scope_rec *rec,
			 struct scope_event *ev)
{
	const struct scope_traced *t = &d->traced;

	scope_event_add_text(ev, SCOPE_FIELD_WHERE, t->mfa, t->len);
	if (!t->is_return && d->opts.term_words && !t->arity)
		add_term(ev, SCOPE_FIELD_ARGS, NIL);
	else if (!t->is_return)
		add_args(d, rec, ev);
	add_caller(d, t->is_return ? rec->traced.ip : rec->traced.caller, ev);
	if (t->is_return && rec->traced.value)
		add_term(ev, SCOPE_FIELD_RETURN, rec->traced.value);
	if (t->is_return && t->call)
		scope_event_add_u(ev, SCOPE_FIELD_OF_CALL, t->call);
	if (t->is_return && t->calls > 1)
		scope_event_add_u(ev, SCOPE_FIELD_CALLS, t->calls);
	if (t->is_old)
		scope_event_add_u(ev, SCOPE_FIELD_OLD_CODE, 1);
	if (t->is_return)
		scope_event_add_u(ev, SCOPE_FIELD_DURATION_NS, t->duration_ns);
	if (t->is_return)
		add_text(ev, SCOPE_FIELD_CALL_TYPE, "return");
	else
		add_text(ev, SCOPE_FIELD_CALL_TYPE, "call");
}
