/* SPDX-License-Identifier: MIT */
#include "pipeline/decode.h"

#include <string.h>

#include "base/map.h"
#include "beam/copy.h"
#include "beam/term.h"
#include "causal/mailbox.h"
#include "pipeline/procs.h"
#include "probe/probe.h"

#define CODE_MAX (1u << 17) /* JIT entries walked at attach */
#define INFO_WORDS 64	    /* budget of a label, of ancestors */
#define ARITY_UNKNOWN 256

struct module {
	char name[256];
	uint32_t functions, bytes;
};

struct scope_decoder {
	struct scope_target *t; /* borrowed */
	struct scope_vm *vm;	/* borrowed */
	struct scope_decode_opts opts;
	struct scope_procs *procs;
	struct scope_mailbox *mailbox; /* NULL: not both ends */
	struct scope_map *code;	       /* JIT entry -> place in modules */
	struct module *modules;	       /* owned */
	size_t nmodules, modules_cap;
	uint64_t am_clock_service, am_exit;
	struct scope_copy copy;
	struct scope_event ev;
	struct scope_code loaded;
};

static bool asked(const struct scope_decoder *d, enum scope_kind kind)
{
	return (d->opts.kinds >> kind) & 1;
}

int scope_decoder_new(struct scope_target *t,
		      const struct scope_decode_opts *opts,
		      struct scope_decoder **ret_decoder, struct scope_err *err)
{
	scope_auto(scope_decoder) d = calloc(1, sizeof(*d));

	if (!d)
		return scope_fail(err, -ENOMEM, "out of memory");
	d->t = t;
	d->vm = scope_target_vm(t);
	d->opts = *opts;
	d->procs = scope_procs_new();
	d->code = scope_map_new(CODE_MAX);
	if (asked(d, SCOPE_KIND_MSG_RECEIVE))
		d->mailbox = scope_mailbox_new();
	if (!d->procs || !d->code ||
	    (asked(d, SCOPE_KIND_MSG_RECEIVE) && !d->mailbox))
		return scope_fail(err, -ENOMEM, "out of memory");
	d->am_clock_service = scope_vm_find_atom(d->vm, "clock_service", 4096);
	d->am_exit = scope_vm_find_atom(d->vm, "EXIT", 4096);
	*ret_decoder = scope_take(d);
	return 0;
}

void scope_decoder_free(struct scope_decoder *d)
{
	if (!d)
		return;
	scope_procs_free(d->procs);
	scope_mailbox_free(d->mailbox);
	scope_map_free(d->code);
	free(d->modules);
	free(d);
}

/* -- building events --------------------------------------------------------- */

static struct scope_event *start(struct scope_decoder *d, enum scope_kind kind,
				 uint64_t ts_ns, uint64_t pid)
{
	const struct scope_known *k = scope_procs_get(d->procs, pid);
	struct scope_event *ev = &d->ev;

	memset(ev, 0, offsetof(struct scope_event, fields));
	ev->kind = kind;
	ev->mono_ns = ts_ns;
	ev->ts_ns = ts_ns + (uint64_t)d->opts.wall_offset_ns;
	ev->pid = pid;
	ev->name = k ? k->name : 0;
	return ev;
}

static void add_term(struct scope_event *ev, enum scope_field_key key,
		     uint64_t term)
{
	scope_event_add(ev, key)->term = term;
}

static void add_name(struct scope_decoder *d, struct scope_event *ev,
		     enum scope_field_key key, uint64_t pid)
{
	const struct scope_known *k = scope_procs_get(d->procs, pid);

	if (k && k->name)
		add_term(ev, key, k->name);
}

static void add_mfa(struct scope_event *ev, enum scope_field_key key,
		    const struct scope_mfa *mfa)
{
	scope_event_add(ev, key)->mfa = *mfa;
}

#define add_text(ev, key, s) scope_event_add_text(ev, key, s, strlen(s))

/* -- introducing processes ---------------------------------------------------- */

static void emit_info(struct scope_decoder *d, const struct scope_proc *p,
		      uint64_t ts_ns)
{
	struct scope_event *ev;
	uint64_t label, ancestors;

	if (!asked(d, SCOPE_KIND_PROC_INFO) ||
	    (d->opts.in_set && !d->opts.in_set(d->opts.arg, p->pid)))
		return;
	ev = start(d, SCOPE_KIND_PROC_INFO, ts_ns, p->pid);
	ev->name = p->name;
	if (p->spawned.module)
		add_mfa(ev, SCOPE_FIELD_MFA, &p->spawned);
	if (p->initial.module)
		add_mfa(ev, SCOPE_FIELD_INITIAL_CALL, &p->initial);
	if (p->parent)
		add_term(ev, SCOPE_FIELD_PARENT, p->parent);
	if (p->has_dictionary && d->opts.term_words) {
		label = scope_target_dict(d->t, p, "$process_label");
		ancestors = scope_target_dict(d->t, p, "$ancestors");
		/* One copy of both: a pair is what holds them together. */
		if (label && !ancestors) {
			if (scope_copy_term(d->vm, label, INFO_WORDS,
					    &d->copy) == 0)
				add_term(ev, SCOPE_FIELD_LABEL, label);
		} else if (ancestors) {
			if (scope_copy_term(d->vm, ancestors, INFO_WORDS,
					    &d->copy) == 0)
				add_term(ev, SCOPE_FIELD_ANCESTORS, ancestors);
			if (label && SCOPE_TAG(label) == 3)
				add_term(ev, SCOPE_FIELD_LABEL, label);
		}
		ev->image = d->copy.image;
	}
	d->opts.emit(d->opts.arg, ev);
}

static int introduce(void *arg, const struct scope_proc *p)
{
	struct scope_decoder *d = ((void **)arg)[0];
	const uint64_t *ts_ns = ((void **)arg)[1];
	struct scope_known *k = scope_procs_add(d->procs, p->pid);

	if (!k || k->introduced)
		return 0;
	k->introduced = true;
	if (p->name)
		scope_procs_name(d->procs, p->pid, p->name);
	emit_info(d, p, *ts_ns);
	return 0;
}

int scope_decoder_introduce(struct scope_decoder *d, uint64_t ts_ns,
			    struct scope_err *err)
{
	void *arg[] = { d, &ts_ns };

	return scope_target_procs(d->t, introduce, arg, err);
}

/* A process that no spawn and no table introduced: look at it now. */
static void meet(struct scope_decoder *d, uint64_t pid, uint64_t ts_ns)
{
	struct scope_known *k;
	struct scope_proc p;

	if (!scope_is_pid(pid) || scope_procs_get(d->procs, pid))
		return;
	k = scope_procs_add(d->procs, pid);
	if (!k)
		return;
	k->introduced = true;
	if (scope_target_proc(d->t, pid, &p) < 0) {
		/* Gone: nothing to say, and nothing to keep for long. */
		scope_procs_ended(d->procs, pid, ts_ns);
		return;
	}
	if (p.name)
		scope_procs_name(d->procs, pid, p.name);
	emit_info(d, &p, ts_ns);
}

uint64_t scope_decoder_whereis(struct scope_decoder *d, const char *name)
{
	uint64_t pid = scope_vm_parse_pid(d->vm, name);
	uint64_t atom;

	if (pid)
		return pid;
	atom = scope_vm_find_atom(d->vm, name, SCOPE_ATOMS_MAX);
	return atom ? scope_procs_named(d->procs, atom) : 0;
}

/* -- code ----------------------------------------------------------------------- */

static struct module *note_module(struct scope_decoder *d, uint64_t entry,
				  const struct scope_code *code)
{
	struct module *m;
	uint64_t at;

	if (!scope_map_get(d->code, entry, &at)) {
		at = d->nmodules;
		if (at == d->modules_cap) {
			size_t cap = at ? at * 2 : 256;

			m = realloc(d->modules, cap * sizeof(*m));
			if (!m)
				return NULL;
			d->modules = m;
			d->modules_cap = cap;
		}
		if (scope_map_put(d->code, entry, at) < 0)
			return NULL;
		d->nmodules++;
	}
	m = &d->modules[at];
	memcpy(m->name, code->module, sizeof(m->name));
	m->functions = code->functions;
	m->bytes = code->bytes;
	return m;
}

void scope_decoder_learn_code(struct scope_decoder *d)
{
	uint64_t entry = 0;

	if (!d->opts.jit_descriptor ||
	    scope_target_read(d->t, d->opts.jit_descriptor + 16, &entry, 8) < 0)
		return;
	for (unsigned i = 0; entry && i < CODE_MAX; i++) {
		if (scope_target_code(d->t, entry, &d->loaded) == 0)
			(void)note_module(d, entry, &d->loaded);
		if (scope_target_read(d->t, entry, &entry, 8) < 0)
			break;
	}
}

static void code_event(struct scope_decoder *d, const struct scope_rec *rec,
		       struct scope_event *ev)
{
	const struct module *m = NULL;
	uint64_t at;

	if (rec->code.module) {
		size_t len;
		const char *s = scope_vm_atom(d->vm, rec->code.module, &len);

		if (s)
			scope_event_add_text(ev, SCOPE_FIELD_MODULE, s, len);
		return;
	}
	if (rec->kind == SCOPE_KIND_CODE_LOAD) {
		if (scope_target_code(d->t, rec->code.entry, &d->loaded) == 0)
			m = note_module(d, rec->code.entry, &d->loaded);
	} else if (scope_map_get(d->code, rec->code.entry, &at)) {
		m = &d->modules[at];
	}
	if (!m) {
		add_text(ev, SCOPE_FIELD_UNREADABLE,
			 "module: its JIT entry was gone");
		return;
	}
	add_text(ev, SCOPE_FIELD_MODULE, m->name);
	scope_event_add_u(ev, SCOPE_FIELD_FUNCTIONS, m->functions);
	scope_event_add_u(ev, SCOPE_FIELD_CODE_BYTES, m->bytes);
}

/* -- messages ------------------------------------------------------------------- */

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
	}
	return s;
}

static void add_corr(struct scope_event *ev, uint64_t addr, uint64_t n)
{
	struct scope_field *f = scope_event_add(ev, SCOPE_FIELD_CORR);

	f->corr.addr = addr;
	f->corr.n = n;
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

	if (rec->flags & SCOPE_F_DIST) {
		scope_event_add_u(ev, SCOPE_FIELD_DIST, 1);
		return;
	}
	if (!d->opts.term_words)
		return;
	for (size_t i = 0; i < ev->image.nsegs; i++)
		if (SCOPE_SEG_ADDR(ev->image.segs[i]))
			words += SCOPE_SEG_WORDS(ev->image.segs[i]);
	add_term(ev, SCOPE_FIELD_MSG, rec->msg.msg);
	scope_event_add_u(ev, SCOPE_FIELD_MSG_WORDS, words);
}

static void send_event(struct scope_decoder *d, const struct scope_rec *rec,
		       struct scope_event *ev)
{
	struct scope_shape shape = shape_of(ev, rec);

	add_origin(d, ev, rec);
	if (rec->msg.to) {
		add_term(ev, SCOPE_FIELD_TO, rec->msg.to);
		add_name(d, ev, SCOPE_FIELD_TO_NAME, rec->msg.to);
	}
	add_message(d, ev, rec);
	if (rec->flags & SCOPE_F_ALIAS) {
		scope_event_add_u(ev, SCOPE_FIELD_ALIAS, 1);
		add_term(ev, SCOPE_FIELD_ALIAS_REF, rec->msg.alias);
	}
	if (d->mailbox)
		add_corr(ev, rec->msg.addr,
			 scope_mailbox_sent(d->mailbox, rec->msg.to,
					    rec->msg.addr, SCOPE_QUEUED_MESSAGE,
					    &shape, rec->ts_ns));
}

/* A digest of a reference's numbers, the same for every copy of it. */
static uint64_t ref_digest(struct scope_decoder *d, const struct scope_image *im,
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
		shape.from = ref_digest(d, &ev->image, who);
		return shape.from &&
		       scope_mailbox_received(d->mailbox, rec->pid, 0,
					      SCOPE_QUEUED_DOWN, &shape, ret);
	}
	shape.from = who;
	return tag == d->am_exit &&
	       scope_mailbox_received(d->mailbox, rec->pid, 0,
				      SCOPE_QUEUED_EXIT, &shape, ret);
}

static void receive_event(struct scope_decoder *d, const struct scope_rec *rec,
			  struct scope_event *ev)
{
	struct scope_shape shape = shape_of(ev, rec);
	struct scope_match m = { 0 };
	bool found, signal = false;

	found = scope_mailbox_received(d->mailbox, rec->pid, rec->msg.addr,
				       SCOPE_QUEUED_MESSAGE, &shape, &m);
	if (!found)
		signal = found = from_signal(d, rec, ev, &m);
	if (signal) {
		add_text(ev, SCOPE_FIELD_FROM_KIND, "signal");
	} else if (scope_is_pid(rec->msg.from)) {
		add_term(ev, SCOPE_FIELD_FROM, rec->msg.from);
		add_name(d, ev, SCOPE_FIELD_FROM_NAME, rec->msg.from);
	} else {
		add_origin(d, ev, rec);
	}
	add_message(d, ev, rec);
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

/* -- processes ------------------------------------------------------------------- */

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
 * What a process spawned by proc_lib really runs: init_p(Parent, Ancestors, M,
 * F, A), and for the behaviours the callback module's init, as
 * proc_lib:translate_initial_call/1 has it (proc_lib.erl, OTP 25 and 27:
 * gen:init_it gets 6 or 7 arguments, the callback module second to last but
 * one).
 */
static bool proc_lib_call(struct scope_decoder *d, const struct scope_rec *rec,
			  const struct scope_image *im, struct scope_mfa *ret)
{
	uint64_t args = rec->spawn.args, a, n, mod;

	if (!atom_is(d, rec->spawn.module, "proc_lib") ||
	    !atom_is(d, rec->spawn.function, "init_p") ||
	    rec->spawn.arity != 5)
		return false;
	ret->module = list_at(im, args, 2);
	ret->function = list_at(im, args, 3);
	a = list_at(im, args, 4);
	n = ret->arity = list_length(im, a);
	if (!scope_is_atom(ret->module) || !scope_is_atom(ret->function) ||
	    n == ARITY_UNKNOWN)
		return false;
	if (!atom_is(d, ret->module, "gen") ||
	    !atom_is(d, ret->function, "init_it") || n < 6 || n > 7)
		return true;
	mod = list_at(im, a, (unsigned)n - 3);
	if (atom_is(d, list_at(im, a, 0), "gen_event") || !scope_is_atom(mod))
		return true;
	if (atom_is(d, mod, "supervisor")) {
		uint64_t init = list_at(im, a, (unsigned)n - 2), callback;

		if (scope_term_element(im, init, 1, &callback) == 0 &&
		    scope_is_atom(callback)) {
			ret->module = mod; /* supervisor:Callback/1 */
			ret->function = callback;
			ret->arity = 1;
		}
		return true;
	}
	ret->module = mod;
	ret->function = scope_vm_find_atom(d->vm, "init", SCOPE_ATOMS_MAX);
	ret->arity = 1;
	return ret->function != 0;
}

static void spawn_event(struct scope_decoder *d, const struct scope_rec *rec,
			struct scope_event *ev)
{
	struct scope_mfa mfa = { rec->spawn.module, rec->spawn.function,
				 rec->spawn.arity };

	add_term(ev, SCOPE_FIELD_CHILD, rec->spawn.child);
	if (mfa.arity < ARITY_UNKNOWN)
		add_mfa(ev, SCOPE_FIELD_MFA, &mfa);
	else
		add_text(ev, SCOPE_FIELD_UNREADABLE,
			 "mfa: the arguments are no list of at most 255");
	if (d->opts.term_words) {
		add_term(ev, SCOPE_FIELD_ARGS, rec->spawn.args);
		if (proc_lib_call(d, rec, &ev->image, &mfa))
			add_mfa(ev, SCOPE_FIELD_INITIAL_CALL, &mfa);
	}
	scope_event_add_u(ev, SCOPE_FIELD_LINK,
			  !!(rec->flags & SCOPE_F_LINK));
	scope_event_add_u(ev, SCOPE_FIELD_MONITOR,
			  !!(rec->flags & SCOPE_F_MONITOR));
}

static void exit_event(struct scope_decoder *d, const struct scope_rec *rec,
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

static void exit_signal_event(struct scope_decoder *d,
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
	add_name(d, ev, SCOPE_FIELD_TO_NAME, rec->exit_signal.to);
	if (d->opts.term_words)
		add_term(ev, SCOPE_FIELD_REASON, rec->exit_signal.reason);
	add_text(ev, SCOPE_FIELD_VIA, link ? "link" : "exit");
	if (d->mailbox)
		add_corr(ev, 0,
			 scope_mailbox_sent(d->mailbox, rec->exit_signal.to, 0,
					    SCOPE_QUEUED_EXIT, &shape,
					    rec->ts_ns));
}

static void link_event(struct scope_decoder *d, const struct scope_rec *rec,
		       struct scope_event *ev)
{
	bool down = rec->kind == SCOPE_KIND_PROC_DOWN;
	enum scope_field_key party = down ? SCOPE_FIELD_FROM : SCOPE_FIELD_TO;

	if (SCOPE_TAG(rec->link.to) == SCOPE_TAG_BOXED ||
	    scope_is_pid(rec->link.to) || scope_is_port(rec->link.to))
		add_term(ev, party, rec->link.to);
	add_name(d, ev, down ? SCOPE_FIELD_FROM_NAME : SCOPE_FIELD_TO_NAME,
		 rec->link.to);
	if (down && d->opts.term_words)
		add_term(ev, SCOPE_FIELD_REASON, rec->link.reason);
	if (rec->link.ref && d->opts.term_words)
		add_term(ev, SCOPE_FIELD_REF, rec->link.ref);
	if (down && d->mailbox) {
		struct scope_shape shape = {
			.from = ref_digest(d, &ev->image, rec->link.ref)
		};

		add_corr(ev, 0,
			 scope_mailbox_sent(d->mailbox, rec->pid, 0,
					    SCOPE_QUEUED_DOWN, &shape,
					    rec->ts_ns));
	}
}

static void gc_event(const struct scope_rec *rec, struct scope_event *ev)
{
	bool end = rec->kind == SCOPE_KIND_GC_END;

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

/* -- the stream itself ------------------------------------------------------------ */

static void loss_event(struct scope_decoder *d, const struct scope_rec *rec,
		       struct scope_event *ev)
{
	static const char *const causes[] = {
#define X(num, sym, cause, what) [num] = cause,
		SCOPE_LOSSES(X)
#undef X
	};
	uint64_t off = (uint64_t)d->opts.wall_offset_ns;

	add_text(ev, SCOPE_FIELD_CAUSE, causes[rec->a[1] % SCOPE_LOSS_MAX]);
	add_text(ev, SCOPE_FIELD_OF, scope_kind_info((unsigned)rec->a[0])->name);
	add_text(ev, SCOPE_FIELD_STAGE, "kernel");
	scope_event_add_u(ev, SCOPE_FIELD_CPU, rec->cpu);
	scope_event_add_u(ev, SCOPE_FIELD_COUNT, rec->a[2]);
	scope_event_add_u(ev, SCOPE_FIELD_FROM_NS, rec->a[3] + off);
	scope_event_add_u(ev, SCOPE_FIELD_TO_NS, rec->ts_ns + off);
}

/* What the tables learn before the event is built. */
static uint64_t learn_before(struct scope_decoder *d,
			     const struct scope_rec *rec)
{
	uint64_t pid = rec->pid;

	switch (rec->kind) {
	case SCOPE_KIND_PROC_REGISTER:
		pid = rec->reg.id;
		meet(d, pid, rec->ts_ns);
		scope_procs_name(d->procs, pid, rec->reg.name);
		if (d->opts.renamed)
			d->opts.renamed(d->opts.arg, pid, rec->reg.name, true);
		break;
	case SCOPE_KIND_PROC_UNREGISTER:
		pid = scope_procs_unname(d->procs, rec->reg.name);
		if (pid && d->opts.renamed)
			d->opts.renamed(d->opts.arg, pid, rec->reg.name, false);
		break;
	case SCOPE_KIND_PROC_SPAWN: {
		struct scope_known *k;

		meet(d, pid, rec->ts_ns);
		k = scope_procs_add(d->procs, rec->spawn.child);
		if (k) {
			k->introduced = true;
			k->spawned_ns = rec->ts_ns;
		}
		break;
	}
	case SCOPE_KIND_MSG_SEND:
	case SCOPE_KIND_PROC_EXIT_SIGNAL:
		meet(d, pid, rec->ts_ns);
		meet(d, rec->a[0], rec->ts_ns);
		break;
	default:
		meet(d, pid, rec->ts_ns);
		break;
	}
	return pid;
}

static void build(struct scope_decoder *d, const struct scope_rec *rec,
		  struct scope_event *ev)
{
	switch (rec->kind) {
	case SCOPE_KIND_PROC_SPAWN:
		spawn_event(d, rec, ev);
		break;
	case SCOPE_KIND_PROC_EXIT:
		exit_event(d, rec, ev);
		break;
	case SCOPE_KIND_PROC_EXIT_SIGNAL:
		exit_signal_event(d, rec, ev);
		break;
	case SCOPE_KIND_PROC_REGISTER:
	case SCOPE_KIND_PROC_UNREGISTER:
		add_term(ev, SCOPE_FIELD_REGISTERED, rec->reg.name);
		if (scope_is_port(rec->reg.id)) {
			ev->pid = 0;
			add_term(ev, SCOPE_FIELD_PORT, rec->reg.id);
		}
		break;
	case SCOPE_KIND_MSG_SEND:
		send_event(d, rec, ev);
		break;
	case SCOPE_KIND_MSG_RECEIVE:
		receive_event(d, rec, ev);
		break;
	case SCOPE_KIND_GC_START:
	case SCOPE_KIND_GC_END:
		gc_event(rec, ev);
		break;
	case SCOPE_KIND_CODE_LOAD:
	case SCOPE_KIND_CODE_UNLOAD:
		code_event(d, rec, ev);
		break;
	case SCOPE_KIND_LOSS:
		loss_event(d, rec, ev);
		break;
	default:
		link_event(d, rec, ev);
		break;
	}
}

int scope_decoder_record(struct scope_decoder *d, const struct scope_rec *rec)
{
	struct scope_event *ev;
	uint64_t pid;

	if (!scope_kind_info(rec->kind)->name ||
	    (rec->kind >= SCOPE_KIND_WIRE_MAX && rec->kind != SCOPE_KIND_LOSS) ||
	    (rec->kind == SCOPE_KIND_LOSS &&
	     !scope_kind_info((unsigned)rec->a[0])->name))
		return -EBADMSG;
	pid = learn_before(d, rec);
	if (asked(d, (enum scope_kind)rec->kind) &&
	    !(rec->kind == SCOPE_KIND_LOSS &&
	      !asked(d, (enum scope_kind)rec->a[0]))) {
		const uint64_t *words =
			(const uint64_t *)((const char *)rec +
					   SCOPE_REC_BYTES);

		ev = start(d, (enum scope_kind)rec->kind, rec->ts_ns, pid);
		ev->cut = rec->flags & SCOPE_F_CUT;
		ev->image = (struct scope_image){
			.words = words,
			.segs = words + rec->nwords,
			.nwords = rec->nwords,
			.nsegs = rec->nsegs,
		};
		if (rec->kind != SCOPE_KIND_LOSS)
			ev->scheduler = scope_target_scheduler(d->t, rec->tid,
							       NULL);
		build(d, rec, ev);
		d->opts.emit(d->opts.arg, ev);
	} else if (rec->kind != SCOPE_KIND_LOSS) {
		return 1;
	}
	if (rec->kind == SCOPE_KIND_PROC_EXIT) {
		scope_procs_ended(d->procs, rec->pid, rec->ts_ns);
		if (d->mailbox)
			scope_mailbox_ended(d->mailbox, rec->pid);
	}
	return 0;
}
