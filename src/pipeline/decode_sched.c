/* SPDX-License-Identifier: MIT */
/* Scheduling: who was taken up, where, and why it was left. */
#include "pipeline/decode_int.h"
#include "scope/site.h"

/* Process.flags: erl_process.h, the same in OTP 25 and 27: a dirty scheduler
 * is to copy literals, to hibernate, or to collect. */
#define F_DIRTY_CLA (1u << 17)
#define F_DIRTY_GC_HIBERNATE (1u << 18)
#define F_DIRTY_MAJOR_GC (1u << 19)
#define F_DIRTY_MINOR_GC (1u << 20)
#define F_DIRTY_COLLECTION                                                     \
	(F_DIRTY_CLA | F_DIRTY_GC_HIBERNATE | F_DIRTY_MAJOR_GC |               \
	 F_DIRTY_MINOR_GC)

static bool is_mfa(const struct scope_rec *rec)
{
	return scope_is_atom(rec->sched.module) &&
	       scope_is_atom(rec->sched.function) && rec->sched.arity <= 255;
}

/* Where it is: as the emulator's own tracing has it, Process.current where
 * that is set (a function that begins, a BIF that trapped), else the code. */
static void add_where(struct scope_decoder *d, const struct scope_rec *rec,
		      struct scope_event *ev)
{
	struct scope_mfa mfa = { rec->sched.module, rec->sched.function,
				 rec->sched.arity };
	struct scope_buf text;

	if (is_mfa(rec))
		add_mfa(ev, SCOPE_FIELD_MFA, &mfa);
	else if (scope_decode_place(d, rec->sched.i, &text))
		scope_event_add_text(ev, SCOPE_FIELD_WHERE, text.p, text.len);
}

static bool is_hibernation(const struct scope_decoder *d,
			   const struct scope_rec *rec)
{
	return rec->sched.module && rec->sched.module == d->am_erlang &&
	       rec->sched.function == d->am_hibernate;
}

static const char *why_left(const struct scope_decoder *d,
			    const struct scope_rec *rec, bool dirty)
{
	uint32_t state = (uint32_t)rec->sched.state;
	uint32_t flags = (uint32_t)(rec->sched.state >> 32);

	if (state & SCOPE_PSFLG_EXITING)
		return "exiting";
	/* What waits for a dirty scheduler, or had to leave it for a while. */
	if (!dirty && state & SCOPE_PSFLG_DIRTY_ACTIVE_SYS &&
	    flags & F_DIRTY_COLLECTION)
		return "dirty_gc";
	if (state & SCOPE_PSFLG_DIRTY_CPU_PROC)
		return "dirty_cpu";
	if (state & SCOPE_PSFLG_DIRTY_IO_PROC)
		return "dirty_io";
	if (state & SCOPE_PSFLG_SUSPENDED)
		return "suspended";
	if (state & SCOPE_PSFLG_ACTIVE)
		return "runnable";
	return is_hibernation(d, rec) ? "hibernating" : "waiting";
}

void scope_decode_sched(struct scope_decoder *d, const struct scope_rec *rec,
			struct scope_event *ev)
{
	bool out = rec->kind == SCOPE_KIND_SCHED_OUT, dirty = false;

	(void)scope_target_scheduler(d->t, rec->tid, &dirty);
	add_where(d, rec, ev);
	if (rec->flags & SCOPE_F_TIMED)
		scope_event_add_u(ev,
				  out ? SCOPE_FIELD_RUN_NS :
					SCOPE_FIELD_WAIT_NS,
				  rec->sched.ns);
	if (out) {
		add_text(ev, SCOPE_FIELD_STATE, why_left(d, rec, dirty));
		if (rec->sched.reductions >= 0)
			scope_event_add_u(ev, SCOPE_FIELD_REDUCTIONS,
					  (uint64_t)rec->sched.reductions);
	}
	if (dirty)
		scope_event_add_u(ev, SCOPE_FIELD_DIRTY, 1);
}

void scope_decode_hibernate(struct scope_decoder *d,
			    const struct scope_rec *rec, struct scope_event *ev)
{
	struct scope_mfa mfa = { rec->hibernate.module, rec->hibernate.function,
				 rec->hibernate.arity };

	if (scope_is_atom(mfa.module) && scope_is_atom(mfa.function) &&
	    mfa.arity <= 255)
		add_mfa(ev, SCOPE_FIELD_MFA, &mfa);
	if (d->opts.term_words && rec->hibernate.args)
		add_term(ev, SCOPE_FIELD_ARGS, rec->hibernate.args);
	if (rec->flags & SCOPE_F_AWAKE)
		add_text(ev, SCOPE_FIELD_STATE, "runnable");
	else
		add_text(ev, SCOPE_FIELD_STATE, "hibernating");
	if (!(rec->flags & SCOPE_F_PUT_OFF))
		scope_event_add_u(ev, SCOPE_FIELD_HEAP_AFTER,
				  rec->hibernate.heap_after);
	scope_event_add_u(ev, SCOPE_FIELD_SIZE_BEFORE,
			  rec->hibernate.size_before);
	if (!(rec->flags & SCOPE_F_PUT_OFF))
		scope_event_add_u(ev, SCOPE_FIELD_SIZE_AFTER,
				  rec->hibernate.size_after);
}

void scope_decode_call(const struct scope_rec *rec, struct scope_event *ev)
{
	struct scope_mfa mfa = { rec->call.module, rec->call.function,
				 rec->call.arity };
	bool dirty = rec->site == SCOPE_SITE_DIRTY_NIF ||
		     rec->site == SCOPE_SITE_DIRTY_BIF;
	const char *type = "bif";

	if (scope_is_atom(mfa.module) && scope_is_atom(mfa.function) &&
	    mfa.arity <= 255)
		add_mfa(ev, SCOPE_FIELD_MFA, &mfa);
	else
		add_text(ev, SCOPE_FIELD_UNREADABLE, "mfa: it was not there");
	scope_event_add_u(ev, SCOPE_FIELD_DURATION_NS, rec->call.duration_ns);
	if (rec->site == SCOPE_SITE_DIRTY_NIF)
		type = "dirty_nif";
	else if (rec->site == SCOPE_SITE_DIRTY_BIF)
		type = "dirty_bif";
	else if (rec->site == SCOPE_SITE_CALL_NIF ||
		 rec->site == SCOPE_SITE_CALL_NIF_23)
		type = "nif";
	add_text(ev, SCOPE_FIELD_CALL_TYPE, type);
	if (dirty)
		scope_event_add_u(ev, SCOPE_FIELD_DIRTY, 1);
}
