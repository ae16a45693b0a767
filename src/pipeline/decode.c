/* SPDX-License-Identifier: MIT */
#include "pipeline/decode.h"

#include "pipeline/decode_int.h"

#define FREED_MAX (1u << 20) /* names freed during an introduction */
#define MEANWHILE 64  /* processes introduced at once */
#define INFO_WORDS 64 /* budget of a label, of ancestors */

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
	d->callers = scope_map_new(256);
	d->etf = calloc(1, sizeof(*d->etf));
	if (scope_decode_asked(d, SCOPE_KIND_MSG_RECEIVE))
		d->mailbox = scope_mailbox_new();
	if (opts->jit_descriptor)
		d->jit = scope_jit_new(scope_target_read, t,
				       opts->jit_descriptor);
	if ((opts->kinds & SCOPE_KINDS_PORT) &&
	    scope_sockets_new(t, &d->sockets) < 0)
		return scope_fail(err, -ENOMEM, "out of memory");
	if (!d->procs || !d->callers || !d->etf || (opts->jit_descriptor && !d->jit) ||
	    (scope_decode_asked(d, SCOPE_KIND_MSG_RECEIVE) && !d->mailbox))
		return scope_fail(err, -ENOMEM, "out of memory");
	if (scope_target_ranges(t, &d->ranges) == -ENOMEM)
		return scope_fail(err, -ENOMEM, "out of memory");
	d->am_clock_service = scope_vm_find_atom(d->vm, "clock_service", 4096);
	d->am_exit = scope_vm_find_atom(d->vm, "EXIT", 4096);
	d->am_init = scope_vm_find_atom(d->vm, "init", 4096);
	d->am_erlang = scope_vm_find_atom(d->vm, "erlang", 4096);
	d->am_hibernate = scope_vm_find_atom(d->vm, "hibernate", 4096);
	d->am_normal = scope_vm_find_atom(d->vm, "normal", 4096);
	d->am_shutdown = scope_vm_find_atom(d->vm, "shutdown", 4096);
	d->am_connection_closed =
		scope_vm_find_atom(d->vm, "connection_closed", 4096);
	d->node = scope_target_node(t, &d->creation);
	d->own = d->node;
	*ret_decoder = scope_take(d);
	return 0;
}

void scope_decoder_free(struct scope_decoder *d)
{
	if (!d)
		return;
	scope_procs_free(d->procs);
	scope_mailbox_free(d->mailbox);
	scope_jit_free(d->jit);
	scope_ranges_free(d->ranges);
	scope_sockets_free(d->sockets);
	scope_map_free(d->callers);
	scope_map_free(d->freed);
	free(d->etf);
	free(d);
}

/* -- building events --------------------------------------------------------- */

static struct scope_event *start(struct scope_decoder *d, enum scope_kind kind,
				 uint64_t ts_ns, uint64_t pid)
{
	struct scope_event *ev = &d->ev;

	memset(ev, 0, offsetof(struct scope_event, fields));
	ev->kind = kind;
	ev->mono_ns = ts_ns;
	ev->ts_ns = ts_ns + (uint64_t)d->opts.wall_offset_ns;
	ev->pid = pid;
	ev->name = scope_decode_name_of(d, pid);
	return ev;
}

uint64_t scope_decode_name_of(const struct scope_decoder *d, uint64_t pid)
{
	const struct scope_known *k = scope_procs_get(d->procs, pid);

	return k ? k->name : 0;
}

void scope_decode_name(struct scope_decoder *d, struct scope_event *ev,
		     enum scope_field_key key, uint64_t pid)
{
	uint64_t name = scope_decode_name_of(d, pid);

	if (name)
		add_term(ev, key, name);
}

/* -- introducing processes ---------------------------------------------------- */

static void emit_info(struct scope_decoder *d, const struct scope_proc *p,
		      uint64_t ts_ns)
{
	struct scope_event *ev;
	uint64_t label = 0, ancestors = 0;

	if (!scope_decode_asked(d, SCOPE_KIND_PROC_INFO) ||
	    (d->opts.in_set && !d->opts.in_set(d->opts.arg, p->pid)))
		return;
	ev = start(d, SCOPE_KIND_PROC_INFO, ts_ns, p->pid);
	ev->name = p->name;
	if (p->spawned.module)
		add_mfa(ev, SCOPE_FIELD_MFA, &p->spawned);
	if (p->initial.module)
		add_mfa(ev, SCOPE_FIELD_INITIAL_CALL, &p->initial);
	scope_decode_current(d, p, ev);
	if (p->has_dictionary && d->opts.term_words) {
		label = scope_target_dict(d->t, p, "$process_label");
		ancestors = scope_target_dict(d->t, p, "$ancestors");
	}
	/* There is one image: with ancestors, only a label that is a word. */
	if (label && SCOPE_TAG(label) != 3 &&
	    (ancestors ||
	     scope_copy_term(d->vm, label, INFO_WORDS, &d->copy)))
		label = 0;
	if (ancestors &&
	    scope_copy_term(d->vm, ancestors, INFO_WORDS, &d->copy))
		ancestors = 0;
	if (label)
		add_term(ev, SCOPE_FIELD_LABEL, label);
	if (p->parent)
		add_term(ev, SCOPE_FIELD_PARENT, p->parent);
	if (ancestors)
		add_term(ev, SCOPE_FIELD_ANCESTORS, ancestors);
	if (label || ancestors)
		ev->image = d->copy.image;
	d->opts.emit(d->opts.arg, ev);
}

static int introduce(void *arg, const struct scope_proc *p)
{
	struct scope_decoder *d = ((void **)arg)[0];
	const uint64_t *ts_ns = ((void **)arg)[1];
	struct scope_known *k = scope_procs_add(d->procs, p->pid);
	uint64_t freed;

	if (!k || k->introduced)
		return 0;
	k->introduced = true;
	/* The row may be older than events that were taken in meanwhile: those
	 * know better who has the name, or that nobody has. */
	if (p->name && !scope_procs_named(d->procs, p->name) &&
	    !scope_map_get(d->freed, p->name, &freed))
		scope_procs_name(d->procs, p->pid, p->name);
	emit_info(d, p, *ts_ns);
	if (++d->introduced % MEANWHILE == 0) {
		if (d->opts.meanwhile)
			d->opts.meanwhile(d->opts.arg);
		scope_decode_sync_code(d);
	}
	return 0;
}

int scope_decoder_introduce(struct scope_decoder *d, uint64_t ts_ns,
			    struct scope_err *err)
{
	void *arg[] = { d, &ts_ns };
	int r;

	d->freed = scope_map_new(FREED_MAX);
	if (!d->freed)
		return scope_fail(err, -ENOMEM, "out of memory");
	/* What was loaded before there were events of it; and the node may have
	 * got its name before there were of that. */
	scope_decoder_learn_code(d);
	if (!d->was)
		d->node = scope_target_node(d->t, &d->creation);
	r = scope_target_procs(d->t, introduce, arg, err);
	scope_map_free(d->freed);
	d->freed = NULL;
	return r;
}

uint64_t scope_decoder_node(const struct scope_decoder *d)
{
	return d->node;
}

void scope_decoder_ask_node(struct scope_decoder *d)
{
	uint32_t creation;
	uint64_t node = scope_target_node(d->t, &creation);

	/* One that is ending can't be read; it keeps its name. */
	if (!node)
		return;
	d->node = node;
	d->creation = creation;
}

void scope_decoder_set_wall(struct scope_decoder *d, int64_t wall_offset_ns)
{
	d->opts.wall_offset_ns = wall_offset_ns;
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
	scope_decode_sync_code(d);
	emit_info(d, &p, ts_ns);
}

/* -- the stream itself ------------------------------------------------------------ */

static void loss_event(struct scope_decoder *d, const struct scope_rec *rec,
		       struct scope_event *ev)
{
	uint64_t off = (uint64_t)d->opts.wall_offset_ns;

	add_text(ev, SCOPE_FIELD_CAUSE, scope_loss_name((enum scope_loss)rec->a[1]));
	add_text(ev, SCOPE_FIELD_OF, scope_kind_info((unsigned)rec->a[0])->name);
	add_text(ev, SCOPE_FIELD_STAGE,
		 rec->a[1] == SCOPE_LOSS_QUEUE ? "collector" : "kernel");
	if (rec->a[1] != SCOPE_LOSS_QUEUE)
		scope_event_add_u(ev, SCOPE_FIELD_CPU, rec->cpu);
	scope_event_add_u(ev, SCOPE_FIELD_COUNT, rec->a[2]);
	scope_event_add_u(ev, SCOPE_FIELD_FROM_NS,
			  (rec->a[4] ? rec->a[4] : rec->ts_ns) + off);
	scope_event_add_u(ev, SCOPE_FIELD_TO_NS, rec->a[3] + off);
}

static const char *const budget_states[] = {
	[SCOPE_BUDGET_OFF] = "off",
	[SCOPE_BUDGET_DUTY] = "duty",
	[SCOPE_BUDGET_ON] = "on",
	[SCOPE_BUDGET_END] = "end",
};

static void put_names(struct scope_buf *b, scope_kindset kinds)
{
	for (unsigned k = 0; k < SCOPE_KIND_MAX; k++)
		if (((kinds >> k) & 1) && scope_kind_info(k)->name)
			scope_buf_printf(b, "%s%s", b->len ? "," : "",
					 scope_kind_info(k)->name);
}

/* Pairs of a kind and a number, as an object. */
static void put_pairs(struct scope_buf *b, const uint64_t *words, unsigned n)
{
	scope_buf_char(b, '{');
	for (unsigned i = 0; i + 1 < n; i += 2)
		scope_buf_printf(b, "%s\"%s\":%llu", i ? "," : "",
				 scope_kind_info((unsigned)words[i])->name,
				 (unsigned long long)words[i + 1]);
	scope_buf_char(b, '}');
}

static void overflow_event(struct scope_decoder *d, const struct scope_rec *rec,
			   struct scope_event *ev)
{
	const uint64_t off = (uint64_t)d->opts.wall_offset_ns;
	struct scope_buf left = scope_buf_of(d->json, sizeof(d->json));

	put_pairs(&left, ev->image.words, rec->nwords);
	ev->image = (struct scope_image){ 0 };
	add_text(ev, SCOPE_FIELD_CAUSE,
		 scope_shed_name((enum scope_shed_why)rec->a[1]));
	scope_event_add_u(ev, SCOPE_FIELD_OFF_NS, rec->a[2] + off);
	scope_event_add_u(ev, SCOPE_FIELD_BACK_NS, rec->ts_ns + off);
	scope_event_add_u(ev, SCOPE_FIELD_KEPT, rec->a[0]);
	scope_event_add_text(ev, SCOPE_FIELD_SAMPLED, left.p, left.len);
}

static void budget_event(struct scope_decoder *d, const struct scope_rec *rec,
			 struct scope_event *ev)
{
	const uint64_t *words = ev->image.words;
	const uint64_t off = (uint64_t)d->opts.wall_offset_ns;
	struct scope_buf of = scope_buf_of(d->text, sizeof(d->text));
	struct scope_buf missed = scope_buf_of(d->json, sizeof(d->json));

	ev->image = (struct scope_image){ 0 };
	add_text(ev, SCOPE_FIELD_GROUP,
		 scope_budget_group_name((enum scope_group)rec->a[0]));
	put_names(&of, rec->a[5]);
	scope_event_add_text(ev, SCOPE_FIELD_KINDS, of.p, of.len);
	add_text(ev, SCOPE_FIELD_BUDGET_STATE, budget_states[rec->a[1]]);
	if (rec->a[1] == SCOPE_BUDGET_DUTY)
		scope_event_add_u(ev, SCOPE_FIELD_SHARE, rec->a[3]);
	scope_event_add_u(ev, SCOPE_FIELD_COST, rec->a[4]);
	if (!rec->a[2])
		return;
	scope_event_add_u(ev, SCOPE_FIELD_OFF_NS, rec->a[2] + off);
	scope_event_add_u(ev, SCOPE_FIELD_BACK_NS, rec->ts_ns + off);
	put_pairs(&missed, words, rec->nwords);
	scope_event_add_text(ev, SCOPE_FIELD_MISSED, missed.p, missed.len);
}

/* Sends or receives that are not seen leave nothing to match by. */
static void learn_budget(struct scope_decoder *d, const struct scope_rec *rec)
{
	const scope_kindset ends = SCOPE_KIND_BIT(SCOPE_KIND_MSG_SEND) |
				   SCOPE_KIND_BIT(SCOPE_KIND_MSG_RECEIVE);
	const scope_kindset before = d->off & ends;

	if (rec->a[1] == SCOPE_BUDGET_ON)
		d->off &= ~rec->a[5];
	else
		d->off |= rec->a[5];
	if (!d->mailbox)
		return;
	if (d->off & ends)
		scope_mailbox_pause(d->mailbox);
	else if (before)
		scope_mailbox_resume(d->mailbox, rec->ts_ns);
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
		if (d->freed)
			(void)scope_map_put(d->freed, rec->reg.name, 1);
		if (pid && d->opts.renamed)
			d->opts.renamed(d->opts.arg, pid, rec->reg.name, false);
		break;
	case SCOPE_KIND_PROC_SPAWN: {
		struct scope_known *k;

		meet(d, pid, rec->ts_ns);
		k = scope_procs_add(d->procs, rec->spawn.child);
		if (k) {
			/* A number that is used again is another process. */
			if (k->ended_ns) {
				k->ended_ns = 0;
				k->name = 0;
			}
			k->introduced = true;
			k->spawned_ns = rec->ts_ns;
			if (d->mailbox)
				scope_mailbox_synced(d->mailbox, k->pid,
						     rec->ts_ns);
		}
		break;
	}
	case SCOPE_KIND_MSG_SEND:
	case SCOPE_KIND_MSG_ATTEMPT:
	case SCOPE_KIND_PROC_EXIT_SIGNAL:
		meet(d, pid, rec->ts_ns);
		meet(d, rec->a[0], rec->ts_ns);
		break;
	case SCOPE_KIND_CODE_LOAD:
		scope_decode_learn_load(d, rec);
		break;
	case SCOPE_KIND_DIST_NODE_UP:
	case SCOPE_KIND_DIST_NODE_DOWN:
		scope_decode_learn_node(d, rec);
		break;
	case SCOPE_KIND_BUDGET:
		learn_budget(d, rec);
		break;
	case SCOPE_KIND_OVERFLOW:
		/* Of some conversations one half was seen, and not the other.
		 */
		if (d->mailbox)
			scope_mailbox_lost(d->mailbox, rec->ts_ns);
		break;
	case SCOPE_KIND_LOSS:
		if (d->mailbox && (rec->a[0] == SCOPE_KIND_MSG_SEND ||
				   rec->a[0] == SCOPE_KIND_MSG_RECEIVE))
			scope_mailbox_lost(d->mailbox, rec->a[3]);
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
	if (rec->kind != SCOPE_KIND_LOSS && (rec->flags & SCOPE_F_USDT)) {
		scope_decode_usdt(d, rec, ev);
		return;
	}
	switch (rec->kind) {
	case SCOPE_KIND_PROC_SPAWN:
		scope_decode_spawn(d, rec, ev);
		break;
	case SCOPE_KIND_PROC_EXIT:
		scope_decode_exit(d, rec, ev);
		break;
	case SCOPE_KIND_PROC_EXIT_SIGNAL:
		scope_decode_exit_signal(d, rec, ev);
		break;
	case SCOPE_KIND_PROC_REGISTER:
	case SCOPE_KIND_PROC_UNREGISTER:
		if (scope_is_port(rec->reg.id)) {
			ev->pid = 0;
			add_term(ev, SCOPE_FIELD_PORT, rec->reg.id);
		}
		add_term(ev, SCOPE_FIELD_REGISTERED, rec->reg.name);
		break;
	case SCOPE_KIND_MSG_SEND:
		scope_decode_send(d, rec, ev);
		break;
	case SCOPE_KIND_MSG_RECEIVE:
		scope_decode_receive(d, rec, ev);
		break;
	case SCOPE_KIND_GC_START:
	case SCOPE_KIND_GC_END:
		scope_decode_gc(d, rec, ev);
		break;
	case SCOPE_KIND_CODE_LOAD:
	case SCOPE_KIND_CODE_UNLOAD:
		scope_decode_code(d, rec, ev);
		break;
	case SCOPE_KIND_HEAP_GROW:
		scope_decode_heap(d, rec, ev);
		break;
	case SCOPE_KIND_PROC_HIBERNATE:
		scope_decode_hibernate(d, rec, ev);
		break;
	case SCOPE_KIND_MSG_ATTEMPT:
		scope_decode_attempt(d, rec, ev);
		break;
	case SCOPE_KIND_CALL:
		if (rec->site == SCOPE_SITE_BREAK)
			scope_decode_traced(d, rec, ev);
		else
			scope_decode_call(rec, ev);
		break;
	case SCOPE_KIND_SCHED_IN:
	case SCOPE_KIND_SCHED_OUT:
		scope_decode_sched(d, rec, ev);
		break;
	case SCOPE_KIND_DIST_SEND:
		scope_decode_dist_send(d, rec, ev);
		break;
	case SCOPE_KIND_DIST_RECEIVE:
		scope_decode_dist_receive(d, rec, ev);
		break;
	case SCOPE_KIND_DIST_NODE_UP:
	case SCOPE_KIND_DIST_NODE_DOWN:
		scope_decode_node(d, rec, ev);
		break;
	case SCOPE_KIND_TIMER_START:
	case SCOPE_KIND_TIMER_CANCEL:
	case SCOPE_KIND_TIMER_TIMEOUT:
		scope_decode_timer(d, rec, ev);
		break;
	case SCOPE_KIND_ETS_NEW:
	case SCOPE_KIND_ETS_DELETE_TABLE:
	case SCOPE_KIND_ETS_LOOKUP:
	case SCOPE_KIND_ETS_INSERT:
	case SCOPE_KIND_ETS_DELETE:
	case SCOPE_KIND_ETS_UPDATE:
	case SCOPE_KIND_ETS_SELECT:
		scope_decode_ets(d, rec, ev);
		break;
	case SCOPE_KIND_PORT_OPEN:
	case SCOPE_KIND_PORT_CLOSE:
	case SCOPE_KIND_PORT_COMMAND:
	case SCOPE_KIND_PORT_CONTROL:
	case SCOPE_KIND_PORT_INPUT:
	case SCOPE_KIND_PORT_OUTPUT:
		scope_decode_port(d, rec, ev);
		break;
	case SCOPE_KIND_BUDGET:
		budget_event(d, rec, ev);
		break;
	case SCOPE_KIND_OVERFLOW:
		overflow_event(d, rec, ev);
		break;
	case SCOPE_KIND_LOSS:
		loss_event(d, rec, ev);
		break;
	default:
		scope_decode_link(d, rec, ev);
		break;
	}
}

/* Pairs of a kind and a number. */
static bool are_pairs(const struct scope_rec *rec)
{
	const uint64_t *words =
		(const uint64_t *)((const char *)rec + SCOPE_REC_BYTES);

	if (rec->nwords > 2 * SCOPE_KIND_MAX || rec->nwords % 2)
		return false;
	for (unsigned i = 0; i < rec->nwords; i += 2)
		if (words[i] >= SCOPE_KIND_MAX ||
		    !scope_kind_info((unsigned)words[i])->name)
			return false;
	return true;
}

/* Whether what is used as an index is one. */
static bool is_known(const struct scope_rec *rec)
{
	if (rec->kind == SCOPE_KIND_BUDGET)
		return rec->a[0] < SCOPE_GROUP_MAX &&
		       rec->a[1] < SCOPE_BUDGET_STATES && are_pairs(rec);
	if (rec->kind == SCOPE_KIND_OVERFLOW)
		return rec->a[0] <= SCOPE_MILLION &&
		       rec->a[1] < SCOPE_SHED_WHYS && are_pairs(rec);
	if (rec->kind == SCOPE_KIND_LOSS)
		return rec->a[0] < SCOPE_KIND_MAX &&
		       scope_kind_info((unsigned)rec->a[0])->name &&
		       rec->a[1] < SCOPE_LOSS_MAX &&
		       scope_loss_name((enum scope_loss)rec->a[1]);
	return SCOPE_KIND_IS_WIRE(rec->kind) &&
	       scope_kind_info(rec->kind)->name;
}

/* Registrations come unfiltered, as the set of processes follows the names:
 * whether this one is of the set, as that is now. */
static bool is_in_set(const struct scope_decoder *d,
		      const struct scope_rec *rec)
{
	uint64_t id = rec->reg.id ? rec->reg.id :
				    scope_procs_named(d->procs, rec->reg.name);

	if (!d->opts.in_set || (rec->kind != SCOPE_KIND_PROC_REGISTER &&
				rec->kind != SCOPE_KIND_PROC_UNREGISTER))
		return true;
	return d->opts.in_set(d->opts.arg, id) ||
	       d->opts.in_set(d->opts.arg, rec->pid);
}

/* Whose a signal of another node is, is known only when it is decoded. */
static bool is_for_set(const struct scope_decoder *d,
		       const struct scope_event *ev)
{
	if (!d->opts.in_set || (ev->kind != SCOPE_KIND_DIST_SEND &&
				ev->kind != SCOPE_KIND_DIST_RECEIVE))
		return true;
	return d->opts.in_set(d->opts.arg, ev->pid);
}

/* Whether a record is left out by intention, though it came: for the table of
 * processes' sake, or because whose it is was not known in the kernel. pid: of
 * a registration, whose name it is or was; of the signal of another node, whom
 * it is for. */
static bool is_left_out(const struct scope_decoder *d,
			const struct scope_rec *rec, uint64_t pid)
{
	if (!d->opts.is_kept)
		return false;
	switch (rec->kind) {
	case SCOPE_KIND_PROC_SPAWN:
	case SCOPE_KIND_PROC_EXIT:
		return rec->flags & SCOPE_F_SAMPLED;
	case SCOPE_KIND_PROC_REGISTER:
	case SCOPE_KIND_PROC_UNREGISTER:
	case SCOPE_KIND_DIST_RECEIVE:
		break;
	case SCOPE_KIND_TIMER_TIMEOUT:
		if (!scope_is_atom(rec->timer.to))
			return false;
		pid = scope_procs_named(d->procs, rec->timer.to);
		break;
	default:
		return false;
	}
	return pid && !d->opts.is_kept(d->opts.arg, pid);
}

int scope_decoder_record(struct scope_decoder *d, const struct scope_rec *rec)
{
	struct scope_event *ev;
	bool is_emitted = true, is_inside, is_sampled;
	uint64_t pid;

	if (!is_known(rec))
		return -EBADMSG;
	if (rec->kind == SCOPE_KIND_CALL && rec->site == SCOPE_SITE_BREAK &&
	    !scope_decode_is_traced(d, rec))
		return 1;
	/* Before a name that is freed takes its process out of the set, and
	 * after one that is taken has put its process in. */
	is_inside = is_in_set(d, rec);
	pid = learn_before(d, rec);
	is_inside = is_inside || is_in_set(d, rec);
	is_sampled = rec->kind != SCOPE_KIND_DIST_RECEIVE &&
		     is_left_out(d, rec, pid);
	if (is_inside && !is_sampled &&
	    scope_decode_asked(d, (enum scope_kind)rec->kind) &&
	    !(rec->kind == SCOPE_KIND_LOSS &&
	      !scope_decode_asked(d, (enum scope_kind)rec->a[0]))) {
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
		if (SCOPE_KIND_IS_WIRE(rec->kind))
			ev->scheduler = scope_target_scheduler(d->t, rec->tid,
							       NULL);
		build(d, rec, ev);
		is_emitted = is_for_set(d, ev);
		if (is_emitted && rec->kind == SCOPE_KIND_DIST_RECEIVE)
			is_sampled = is_left_out(d, rec, ev->pid);
		is_emitted = is_emitted && !is_sampled;
		if (is_emitted) {
			ev->id = 0;
			d->opts.emit(d->opts.arg, ev);
			if (d->opts.trace)
				scope_trace_emitted(d->opts.trace, ev->id);
		}
	} else {
		is_emitted = false;
	}
	if (rec->kind == SCOPE_KIND_PROC_EXIT) {
		scope_procs_ended(d->procs, rec->pid, rec->ts_ns);
		if (d->mailbox)
			scope_mailbox_ended(d->mailbox, rec->pid);
	}
	if (rec->kind == SCOPE_KIND_CODE_UNLOAD)
		scope_decode_learn_unload(d, rec);
	if (rec->kind == SCOPE_KIND_PORT_CLOSE)
		scope_decode_learn_port_closed(d, rec);
	if (is_sampled && is_inside &&
	    scope_decode_asked(d, (enum scope_kind)rec->kind))
		return SCOPE_DECODE_SAMPLED;
	return !is_emitted;
}
