/* SPDX-License-Identifier: MIT */
/* trace_calls: what breakpoints have reported. */
#include <string.h>

#include "pipeline/trace_int.h"

#define WAYS 8 /* calls that share a place of the table */

/* -- where calls return to ---------------------------------------------------------- */

static struct traced_site *least_site(struct scope_trace *tr)
{
	struct traced_site *least = tr->site;

	for (size_t i = 1; i < tr->nsites; i++)
		if (tr->site[i].score + tr->site[i].calls <
		    least->score + least->calls)
			least = &tr->site[i];
	return least;
}

static void note_site(struct scope_trace *tr, uint64_t addr)
{
	struct traced_site *s = tr->site, *end = s + tr->nsites;

	while (s < end && s->addr != addr)
		s++;
	if (s == end) {
		if (!addr)
			return;
		if (tr->nsites < SCOPE_TRACE_SITES)
			tr->nsites++;
		else
			s = least_site(tr);
		tr->has_new_site = true;
		*s = (struct traced_site){ .addr = addr, .score = 1 };
	}
	s->calls++;
}

/* Half of what was weighs 2 s later; none is forgotten for being idle. */
void scope_trace_rank(struct scope_trace *tr)
{
	for (size_t i = 0; i < tr->nsites; i++) {
		struct traced_site *s = &tr->site[i];

		s->score -= s->score / 32;
		s->score += s->calls * 1024;
		s->calls = 0;
	}
}

/* -- calls under way ------------------------------------------------------------------ */

static struct traced_call *places(struct scope_trace *tr, uint64_t pid,
				  uint32_t depth)
{
	uint64_t h = (pid ^ (uint64_t)depth << 40) * 0x9e3779b97f4a7c15u;

	return tr->pending + (h >> 40) % (SCOPE_TRACE_PENDING / WAYS) * WAYS;
}

/* Since when returns to an address are seen; UINT64_MAX: they are not. */
static uint64_t seen_since(const struct scope_trace *tr, uint64_t addr)
{
	for (unsigned i = 0; i < SCOPE_BREAKS; i++)
		if (tr->reg[i].is_return && tr->reg[i].addr == addr)
			return tr->reg[i].set_ns;
	return UINT64_MAX;
}

static void open_call(struct scope_trace *tr, const struct scope_rec *rec,
		      unsigned function)
{
	const uint32_t depth = (uint32_t)rec->traced.depth;
	struct traced_call *at = places(tr, rec->pid, depth), *to = at;
	uint16_t calls = 1;

	for (unsigned i = 0; i < WAYS; i++) {
		struct traced_call *c = &at[i];

		if (c->pid == rec->pid && c->depth == depth &&
		    c->function == function) {
			to = c;
			/* It has not returned, or that would have been seen:
			 * it was left by a tail call or an exception. */
			if (c->caller == rec->traced.caller &&
			    c->ts_ns > seen_since(tr, c->caller))
				calls = c->calls == UINT16_MAX ?
						UINT16_MAX :
						(uint16_t)(c->calls + 1);
			break;
		}
		/* A free place, or the oldest. */
		if (to->pid && (!c->pid || c->ts_ns < to->ts_ns))
			to = c;
	}
	*to = (struct traced_call){
		.pid = rec->pid,
		.ts_ns = rec->ts_ns,
		.caller = rec->traced.caller,
		.depth = depth,
		.function = (uint16_t)function,
		.calls = calls,
	};
	tr->last = to;
}

/* The youngest call that returns there; the others have ended with it. */
static bool close_call(struct scope_trace *tr, const struct scope_rec *rec,
		       struct scope_traced *ret)
{
	const uint32_t depth = (uint32_t)rec->traced.depth;
	struct traced_call *at = places(tr, rec->pid, depth), *young = NULL;

	for (unsigned i = 0; i < WAYS; i++) {
		struct traced_call *c = &at[i];

		if (c->pid != rec->pid || c->depth != depth ||
		    c->caller != rec->traced.ip)
			continue;
		ret->calls += c->calls;
		tr->function[c->function].returned += c->calls;
		c->pid = 0;
		if (!young || c->ts_ns > young->ts_ns)
			young = c;
	}
	if (!young)
		return false;
	ret->mfa = tr->function[young->function].text;
	ret->len = tr->function[young->function].len;
	ret->arity = tr->function[young->function].arity;
	ret->call = young->event;
	ret->duration_ns = rec->ts_ns - young->ts_ns;
	return true;
}

bool scope_trace_take(struct scope_trace *tr, struct scope_vm *vm,
		      const struct scope_rec *rec, const struct scope_image *im,
		      struct scope_traced *ret)
{
	const struct traced_function *f;
	size_t n = rec->traced.arity;

	tr->last = NULL;
	*ret = (struct scope_traced){ .is_return = rec->flags & SCOPE_F_RETURN };
	if (ret->is_return)
		return tr->pending && close_call(tr, rec, ret);
	if (rec->traced.id >= tr->n || scope_trace_is_done(tr))
		return false;
	if (n > im->nwords)
		n = 0;
	if (tr->opts->where &&
	    !scope_where_holds(tr->opts->where, vm, im, im->words, (unsigned)n))
		return false;
	f = &tr->function[rec->traced.id];
	tr->function[rec->traced.id].told++;
	tr->taken++;
	ret->mfa = f->text;
	ret->len = f->len;
	ret->arity = f->arity;
	ret->is_old = rec->traced.ip != f->at[0].addr &&
		      rec->traced.ip == f->at[1].addr;
	if (tr->pending) {
		note_site(tr, rec->traced.caller);
		open_call(tr, rec, (unsigned)rec->traced.id);
	}
	return true;
}

void scope_trace_emitted(struct scope_trace *tr, uint64_t id)
{
	if (tr->last)
		tr->last->event = id;
}

bool scope_trace_is_done(const struct scope_trace *tr)
{
	return tr->opts->calls && tr->taken >= tr->opts->calls;
}
