/* SPDX-License-Identifier: MIT */
/* Timers and ETS tables. */
#include <stdio.h>

#include "pipeline/decode_int.h"
#include "scope/ets.h"
#include "scope/site.h"

#define NS_PER_MS UINT64_C(1000000)

/* Milliseconds as nanoseconds; false: it is no small number of them. */
static bool in_ns(uint64_t term, uint64_t *ret_ns)
{
	if (!scope_is_small(term) || SCOPE_SMALL(term) < 0 ||
	    (uint64_t)SCOPE_SMALL(term) > UINT64_MAX / NS_PER_MS)
		return false;
	*ret_ns = (uint64_t)SCOPE_SMALL(term) * NS_PER_MS;
	return true;
}

static void canceled(const struct scope_rec *rec, struct scope_event *ev)
{
	const uint64_t am_false = 0x0b; /* the first of all atoms */
	uint64_t ns;

	if (in_ns(rec->timer.result, &ns))
		scope_event_add_u(ev, SCOPE_FIELD_LEFT_NS, ns);
	if (rec->flags & SCOPE_F_TIMER_ASYNC)
		scope_event_add_u(ev, SCOPE_FIELD_ASYNC, 1);
	if (rec->timer.result == am_false)
		scope_event_add_u(ev, SCOPE_FIELD_FOUND, 0);
}

void scope_decode_timer(struct scope_decoder *d, const struct scope_rec *rec,
			struct scope_event *ev)
{
	bool is_receive = rec->site == SCOPE_SITE_RECEIVE_TIMER ||
			  rec->site == SCOPE_SITE_RECEIVE_TIMER_23;
	uint64_t ns;

	if (rec->timer.to && scope_is_pid(rec->timer.to)) {
		add_term(ev, SCOPE_FIELD_TO, rec->timer.to);
		scope_decode_name(d, ev, SCOPE_FIELD_TO_NAME, rec->timer.to);
	} else if (scope_is_atom(rec->timer.to)) {
		add_term(ev, SCOPE_FIELD_TO_NAME, rec->timer.to);
	}
	if (rec->kind != SCOPE_KIND_TIMER_CANCEL && !is_receive &&
	    d->opts.term_words)
		add_term(ev, SCOPE_FIELD_MSG, rec->timer.msg);
	if (rec->timer.ref && d->opts.term_words)
		add_term(ev, SCOPE_FIELD_REF, rec->timer.ref);
	if (rec->kind == SCOPE_KIND_TIMER_CANCEL)
		canceled(rec, ev);
	if (rec->kind != SCOPE_KIND_TIMER_START)
		return;
	if ((rec->flags & SCOPE_F_TIMER_ABS) && scope_is_small(rec->timer.time)) {
		scope_event_add_u(ev, SCOPE_FIELD_AT_MS,
				  (uint64_t)SCOPE_SMALL(rec->timer.time));
	} else if (!(rec->flags & SCOPE_F_TIMER_ABS) &&
		   in_ns(rec->timer.time, &ns)) {
		scope_event_add_u(ev, SCOPE_FIELD_AFTER_NS, ns);
	}
	if (is_receive)
		add_text(ev, SCOPE_FIELD_TIMER_TYPE, "receive");
}

static const struct {
	const char *name;
	uint8_t takes;
} bifs[] = {
#define X(function, arity, kind, takes, since) \
	{ #function "/" #arity, SCOPE_ETS_##takes },
	SCOPE_ETS_BIFS(X)
#undef X
};

void scope_decode_ets(struct scope_decoder *d, const struct scope_rec *rec,
		      struct scope_event *ev)
{
	bool is_new = rec->kind == SCOPE_KIND_ETS_NEW;
	uint8_t takes;

	if (rec->ets.op >= sizeof(bifs) / sizeof(*bifs))
		return;
	takes = bifs[rec->ets.op].takes;
	if (scope_is_atom(rec->ets.table))
		add_term(ev, SCOPE_FIELD_TABLE_ATOM, rec->ets.table);
	else if (SCOPE_TAG(rec->ets.table) == SCOPE_TAG_BOXED)
		add_term(ev, SCOPE_FIELD_TABLE, rec->ets.table);
	if (is_new)
		add_term(ev, SCOPE_FIELD_TABLE_NAME, rec->ets.key);
	if (takes == SCOPE_ETS_KEY && d->opts.term_words)
		add_term(ev, SCOPE_FIELD_KEY, rec->ets.key);
	if (takes == SCOPE_ETS_OBJECT && d->opts.term_words)
		add_term(ev, SCOPE_FIELD_OBJECT, rec->ets.key);
	add_text(ev, SCOPE_FIELD_ETS_OP, bifs[rec->ets.op].name);
	if (rec->ets.count)
		scope_event_add_u(ev, SCOPE_FIELD_OBJECTS, rec->ets.count);
}
