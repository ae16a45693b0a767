/* SPDX-License-Identifier: MIT */
/* Processes: spawns, exits, signals, links and collections. */
#include "pipeline/decode_int.h"

#define ARITY_UNKNOWN 256

static uint64_t list_at(const struct scope_image *im, uint64_t list, unsigned i)
{
	uint64_t w = 0;

	do {
		if (scope_term_list_next(im, &list, &w) != 1)
			return 0;
	} while (i--);
	return w;
}

static bool atom_is(struct scope_decoder *d, uint64_t atom, const char *text)
{
	size_t len;
	const char *s = atom ? scope_vm_atom(d->vm, atom, &len) : NULL;

	return s && len == strlen(text) && !memcmp(s, text, len);
}

static uint64_t list_length(const struct scope_image *im, uint64_t list)
{
	uint64_t n = 0, w;

	while (n < ARITY_UNKNOWN && scope_term_list_next(im, &list, &w) == 1)
		n++;
	return scope_is_nil(list) ? n : ARITY_UNKNOWN;
}

/*
 * The callback of a gen process, from the n arguments of gen:init_it, as
 * proc_lib:trans_init/3 has it (proc_lib.erl, the same in OTP 25 and 27): they
 * are 6, or 7 with a name, and end in Mod, Args, Options.
 */
static bool gen_call(struct scope_decoder *d, const struct scope_image *im,
		     uint64_t list, unsigned n, struct scope_mfa *ret)
{
	uint64_t gen = list_at(im, list, 0), args, rest, callback = 0;

	if (atom_is(d, gen, "gen_event")) {
		ret->module = gen;
		ret->arity = 6;
		return true;
	}
	ret->module = list_at(im, list, n - 3);
	ret->function = d->am_init;
	ret->arity = 1;
	if (!atom_is(d, gen, "gen_server"))
		return scope_is_atom(ret->module) && d->am_init;
	rest = args = list_at(im, list, n - 2);
	/* supervisor:Callback/1, supervisor_bridge:Callback/1 */
	if (atom_is(d, ret->module, "supervisor")) {
		if (scope_term_element(im, args, 1, &callback) < 0)
			return false;
	} else if (atom_is(d, ret->module, "supervisor_bridge")) {
		if (scope_term_list_next(im, &rest, &callback) != 1)
			return false;
	}
	if (callback)
		ret->function = callback;
	return scope_is_atom(ret->module) && scope_is_atom(ret->function);
}

/* What a process spawned by proc_lib really runs: init_p(Parent, Ancestors, M,
 * F, A), and for the behaviours the callback. False: it can't be told. */
static bool proc_lib_call(struct scope_decoder *d, const struct scope_rec *rec,
			  const struct scope_image *im, struct scope_mfa *ret)
{
	uint64_t args = rec->spawn.args, a;

	if (!atom_is(d, rec->spawn.module, "proc_lib") ||
	    !atom_is(d, rec->spawn.function, "init_p") ||
	    rec->spawn.arity != 5)
		return false;
	ret->module = list_at(im, args, 2);
	ret->function = list_at(im, args, 3);
	a = list_at(im, args, 4);
	ret->arity = list_length(im, a);
	if (!scope_is_atom(ret->module) || !scope_is_atom(ret->function) ||
	    ret->arity == ARITY_UNKNOWN)
		return false;
	if (atom_is(d, ret->module, "gen") &&
	    atom_is(d, ret->function, "init_it") &&
	    (ret->arity == 6 || ret->arity == 7))
		return gen_call(d, im, a, (unsigned)ret->arity, ret);
	return true;
}

void scope_decode_spawn(struct scope_decoder *d, const struct scope_rec *rec,
			struct scope_event *ev)
{
	struct scope_mfa mfa = { rec->spawn.module, rec->spawn.function,
				 rec->spawn.arity };

	add_term(ev, SCOPE_FIELD_CHILD, rec->spawn.child);
	if (mfa.arity < ARITY_UNKNOWN)
		add_mfa(ev, SCOPE_FIELD_MFA, &mfa);
	if (d->opts.term_words) {
		add_term(ev, SCOPE_FIELD_ARGS, rec->spawn.args);
		if (proc_lib_call(d, rec, &ev->image, &mfa))
			add_mfa(ev, SCOPE_FIELD_INITIAL_CALL, &mfa);
	}
	scope_event_add_u(ev, SCOPE_FIELD_LINK,
			  !!(rec->flags & SCOPE_F_LINK));
	scope_event_add_u(ev, SCOPE_FIELD_MONITOR,
			  !!(rec->flags & SCOPE_F_MONITOR));
	if (rec->spawn.arity >= ARITY_UNKNOWN)
		add_text(ev, SCOPE_FIELD_UNREADABLE,
			 "mfa: the arguments are no list of at most 255");
}

void scope_decode_exit(struct scope_decoder *d, const struct scope_rec *rec,
		       struct scope_event *ev)
{
	const struct scope_known *k = scope_procs_get(d->procs, rec->pid);

	if (d->opts.term_words)
		add_term(ev, SCOPE_FIELD_REASON, rec->exit.reason);
	if (k && k->spawned_ns && rec->ts_ns >= k->spawned_ns)
		scope_event_add_u(ev, SCOPE_FIELD_LIFETIME_NS,
				  rec->ts_ns - k->spawned_ns);
	scope_event_add_u(ev, SCOPE_FIELD_REDUCTIONS, rec->exit.reductions);
}

void scope_decode_exit_signal(struct scope_decoder *d,
			      const struct scope_rec *rec,
			      struct scope_event *ev)
{
	uint64_t from = rec->exit_signal.from;
	bool link = rec->flags & SCOPE_F_VIA_LINK;
	struct scope_shape shape = { .from = from };

	if (scope_is_port(from)) {
		add_text(ev, SCOPE_FIELD_FROM_KIND, "port");
		add_term(ev, SCOPE_FIELD_PORT, from);
	} else if (!scope_is_pid(from) && from) {
		add_term(ev, SCOPE_FIELD_FROM, from);
	}
	add_term(ev, SCOPE_FIELD_TO, rec->exit_signal.to);
	scope_decode_name(d, ev, SCOPE_FIELD_TO_NAME, rec->exit_signal.to);
	if (d->opts.term_words)
		add_term(ev, SCOPE_FIELD_REASON, rec->exit_signal.reason);
	add_text(ev, SCOPE_FIELD_VIA, link ? "link" : "exit");
	if (d->mailbox)
		scope_decode_sent(d, ev, rec->exit_signal.to, 0,
				  SCOPE_QUEUED_EXIT, &shape, rec->ts_ns);
}

void scope_decode_link(struct scope_decoder *d, const struct scope_rec *rec,
		       struct scope_event *ev)
{
	bool down = rec->kind == SCOPE_KIND_PROC_DOWN;
	enum scope_field_key party = down ? SCOPE_FIELD_FROM : SCOPE_FIELD_TO;

	if (SCOPE_TAG(rec->link.to) == SCOPE_TAG_BOXED ||
	    scope_is_pid(rec->link.to) || scope_is_port(rec->link.to))
		add_term(ev, party, rec->link.to);
	scope_decode_name(d, ev, down ? SCOPE_FIELD_FROM_NAME : SCOPE_FIELD_TO_NAME,
		 rec->link.to);
	if (down && d->opts.term_words)
		add_term(ev, SCOPE_FIELD_REASON, rec->link.reason);
	if (rec->link.ref && d->opts.term_words &&
	    rec->kind != SCOPE_KIND_PROC_LINK &&
	    rec->kind != SCOPE_KIND_PROC_UNLINK)
		add_term(ev, SCOPE_FIELD_REF, rec->link.ref);
	if (down && d->mailbox) {
		struct scope_shape shape = {
			.from = scope_decode_ref_digest(d, &ev->image, rec->link.ref)
		};

		scope_decode_sent(d, ev, rec->pid, 0, SCOPE_QUEUED_DOWN,
				  &shape, rec->ts_ns);
	}
}

enum gc_reason { GC_UNKNOWN, GC_NOBUMP, GC_BIF, GC_RUNTIME };

/* Which function called the collector; erl_gc.c, OTP 25 and 27: running code
 * and the scheduler call erts_garbage_collect_nobump, BIFs that built more than
 * there was room for erts_gc_after_bif_call_lhf, the rest of the runtime
 * erts_garbage_collect. */
static uint64_t gc_caller(struct scope_decoder *d, uint64_t addr)
{
	uint64_t bias = scope_target_info(d->t)->bias, why = GC_UNKNOWN;
	struct scope_symbol fn;

	if (!addr || scope_map_get(d->callers, addr, &why))
		return why;
	if (addr > bias &&
	    scope_target_function(d->t, addr - bias, &fn) == 0 && fn.name) {
		if (!strcmp(fn.name, "erts_garbage_collect_nobump"))
			why = GC_NOBUMP;
		else if (!strcmp(fn.name, "erts_gc_after_bif_call_lhf"))
			why = GC_BIF;
		else if (!strcmp(fn.name, "erts_garbage_collect"))
			why = GC_RUNTIME;
	}
	(void)scope_map_put(d->callers, addr, why);
	return why;
}

static void add_gc_reason(struct scope_decoder *d, struct scope_event *ev,
			  const struct scope_rec *rec)
{
	switch (gc_caller(d, rec->gc.caller)) {
	case GC_NOBUMP:
		/* The scheduler asks for no room: somebody asked it to. */
		if (rec->gc.need)
			add_text(ev, SCOPE_FIELD_GC_REASON, "heap");
		else
			add_text(ev, SCOPE_FIELD_GC_REASON, "forced");
		break;
	case GC_BIF:
		add_text(ev, SCOPE_FIELD_GC_REASON, "bif");
		break;
	case GC_RUNTIME:
		add_text(ev, SCOPE_FIELD_GC_REASON, "runtime");
		break;
	default:
		break;
	}
}

void scope_decode_gc(struct scope_decoder *d, const struct scope_rec *rec,
		     struct scope_event *ev)
{
	bool end = rec->kind == SCOPE_KIND_GC_END;

	add_gc_reason(d, ev, rec);
	if (end)
		scope_event_add_u(ev, SCOPE_FIELD_MAJOR,
				  !!(rec->flags & SCOPE_F_MAJOR));
	if (rec->flags & SCOPE_F_DIRTY)
		scope_event_add_u(ev, SCOPE_FIELD_DIRTY, 1);
	scope_event_add_u(ev, SCOPE_FIELD_HEAP_BEFORE, rec->gc.heap_before);
	if (end)
		scope_event_add_u(ev, SCOPE_FIELD_HEAP_AFTER,
				  rec->gc.heap_after);
	scope_event_add_u(ev, SCOPE_FIELD_SIZE_BEFORE, rec->gc.size_before);
	if (end)
		scope_event_add_u(ev, SCOPE_FIELD_SIZE_AFTER,
				  rec->gc.size_after);
	scope_event_add_u(ev, SCOPE_FIELD_NEED, rec->gc.need);
	if (end)
		scope_event_add_u(ev, SCOPE_FIELD_PAUSE_NS, rec->gc.pause_ns);
}

void scope_decode_heap(struct scope_decoder *d, const struct scope_rec *rec,
		       struct scope_event *ev)
{
	add_gc_reason(d, ev, rec);
	if (rec->flags & SCOPE_F_DIRTY)
		scope_event_add_u(ev, SCOPE_FIELD_DIRTY, 1);
	scope_event_add_u(ev, SCOPE_FIELD_GREW,
			  rec->gc.size_after > rec->gc.size_before);
	scope_event_add_u(ev, SCOPE_FIELD_BLOCK_BEFORE, rec->gc.size_before);
	scope_event_add_u(ev, SCOPE_FIELD_BLOCK_AFTER, rec->gc.size_after);
	scope_event_add_u(ev, SCOPE_FIELD_NEED, rec->gc.need);
}
