/* SPDX-License-Identifier: MIT */
/* trace: which breakpoints are set when. trace_calls.c has what they report. */
#include "pipeline/trace.h"

#include <string.h>

#include "base/time.h"
#include "pipeline/budget.h"
#include "pipeline/report.h"
#include "pipeline/trace_int.h"

#define SYNC_NS 5000000u     /* code is looked for this often */
#define LEARN_NS 100000000u  /* where calls return to */
#define RETRY_NS 1000000000u /* a register that others held */
#define NAMES_TOLD 8

/* -- functions ----------------------------------------------------------------- */

static uint64_t key_of(const struct scope_named *f)
{
	uint64_t h = 1469598103934665603u ^ f->arity; /* FNV-1a */

	for (uint32_t i = 0; i < f->module_len; i++)
		h = (h ^ (uint8_t)f->module[i]) * 1099511628211u;
	h = (h ^ ':') * 1099511628211u;
	for (uint32_t i = 0; i < f->function_len; i++)
		h = (h ^ (uint8_t)f->function[i]) * 1099511628211u;
	return h | 1;
}

/* The function of that name, whichever code it is of. */
static struct traced_function *known(struct scope_trace *tr,
				     const struct scope_named *f)
{
	uint64_t at;
	char text[SCOPE_TRACE_NAME];
	struct scope_buf b = scope_buf_of(text, sizeof(text));

	if (!scope_map_get(tr->by_name, key_of(f), &at))
		return NULL;
	scope_named_put(tr->naming, f, &b);
	return tr->function[at].len == b.len &&
			       !memcmp(tr->function[at].text, text, b.len) ?
		       &tr->function[at] :
		       NULL;
}

static bool is_bif(const struct scope_trace *tr, const struct scope_named *f)
{
	char module[256], function[256];
	struct scope_symbol sym;

	if (f->module_len >= sizeof(module) || f->function_len >= sizeof(function))
		return false;
	memcpy(module, f->module, f->module_len);
	module[f->module_len] = 0;
	memcpy(function, f->function, f->function_len);
	function[f->function_len] = 0;
	return scope_target_bif(tr->t, module, function, f->arity, &sym) == 0;
}

static int add_function(void *arg, const struct scope_named *f)
{
	struct scope_trace *tr = arg;
	struct traced_function *to;
	char text[SCOPE_TRACE_NAME];
	struct scope_buf b = scope_buf_of(text, sizeof(text));

	if (known(tr, f))
		return 0;
	tr->nmatches++;
	if (tr->n == SCOPE_TRACE_FUNCTIONS)
		return 0;
	scope_named_put(tr->naming, f, &b);
	if (b.full)
		return 0;
	to = &tr->function[tr->n];
	to->text = malloc(b.len);
	if (!to->text ||
	    scope_map_put(tr->by_name, key_of(f), (uint64_t)tr->n) < 0)
		return -ENOMEM;
	memcpy(to->text, text, b.len);
	to->len = b.len;
	to->arity = f->arity;
	tr->n++;
	tr->has_bifs |= is_bif(tr, f);
	return 0;
}

/* -- what is wrong with a name -------------------------------------------------- */

struct hint {
	const struct scope_trace *tr;
	struct scope_buf *out;
	unsigned n;
	size_t last; /* where the last one is in out */
};

static int add_hint(void *arg, const struct scope_named *f)
{
	struct hint *h = arg;
	struct scope_buf was = *h->out;

	/* Old code has the same names. */
	if (h->n == NAMES_TOLD || h->out->full)
		return 1;
	if (h->out->len)
		scope_buf_lit(h->out, ", ");
	scope_named_put(h->tr->naming, f, h->out);
	if (h->out->full)
		*h->out = was;
	h->n++;
	return 0;
}

static int fail_unknown(struct scope_trace *tr, const char *text,
			const char *name, struct scope_err *err)
{
	char hints[300], wider[SCOPE_TRACE_NAME];
	struct scope_buf b = scope_buf_of(hints, sizeof(hints));
	struct hint h = { .tr = tr, .out = &b };
	const char *slash = strrchr(name, '/'), *colon = strrchr(name, ':');

	if (slash) {
		(void)snprintf(wider, sizeof(wider), "%.*s",
			       (int)(slash - name), name);
		(void)scope_naming_each(tr->naming, wider, add_hint, &h);
	}
	if (!h.n && colon) {
		(void)snprintf(wider, sizeof(wider), "%.*s:*",
			       (int)(colon - name), name);
		(void)scope_naming_each(tr->naming, wider, add_hint, &h);
	}
	if (h.n)
		return scope_fail(err, -EINVAL,
				  "no function %.120s is loaded; there is: %s%s",
				  text, scope_buf_str(&b),
				  h.n == NAMES_TOLD ? " …" : "");
	return scope_fail(err, -EINVAL,
			  "no function %.120s is loaded, nor any of that "
			  "module; names are like lists:map/2, "
			  "Shop.Cart.add/2, 'my module':f/1 or Shop.*, and code "
			  "may be loaded at its first use only",
			  text);
}

static int fail_many(struct scope_trace *tr, struct scope_err *err)
{
	char names[300];
	struct scope_buf b = scope_buf_of(names, sizeof(names));
	size_t i = 0;

	for (; i < tr->n && i < NAMES_TOLD && b.len + tr->function[i].len + 2 <
						      sizeof(names);
	     i++) {
		if (i)
			scope_buf_lit(&b, ", ");
		scope_buf_put(&b, tr->function[i].text, tr->function[i].len);
	}
	return scope_fail(err, -EINVAL,
			  "%zu functions match, and %d can be traced at once: "
			  "%s%s; name those, or let them take turns with "
			  "--turns%s",
			  tr->nmatches, SCOPE_BREAKS, scope_buf_str(&b),
			  i < tr->nmatches ? " …" : "",
			  tr->nmatches > SCOPE_TRACE_FUNCTIONS ?
				  " (256 at most)" :
				  "");
}

/* Whether a pattern names one function. */
static bool is_exact(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash && slash[1] >= '0' && slash[1] <= '9' &&
	       !strpbrk(name, "*?");
}

static int find_functions(struct scope_trace *tr, struct scope_err *err)
{
	bool are_exact = true;

	for (const char *const *f = tr->opts->functions; *f; f++) {
		char name[SCOPE_TRACE_NAME], more[SCOPE_TRACE_NAME];
		size_t before = tr->nmatches, n = tr->n;
		int r = scope_trace_name(*f, name, sizeof(name));

		if (r == 0)
			r = scope_naming_each(tr->naming, name, add_function, tr);
		/* Shop.Cart:add/2, too. */
		if (r == 0 && tr->nmatches == before && *name >= 'A' &&
		    *name <= 'Z' && strncmp(name, "Elixir.", 7) != 0 &&
		    strlen(name) + 8 < sizeof(more)) {
			(void)snprintf(more, sizeof(more), "Elixir.%.1016s",
				       name);
			r = scope_naming_each(tr->naming, more, add_function,
					      tr);
		}
		if (r == -ENOMEM)
			return scope_fail(err, r, "out of memory");
		if (r < 0)
			return scope_fail(err, -EINVAL,
					  "'%.120s' is no function; they are "
					  "written lists:map/2, or "
					  "Shop.Cart.add/2 in Elixir's way",
					  *f);
		if (tr->nmatches == before && tr->n == n)
			return fail_unknown(tr, *f, name, err);
		are_exact = are_exact && is_exact(name);
	}
	if (tr->nmatches > SCOPE_TRACE_FUNCTIONS ||
	    (tr->nmatches > SCOPE_BREAKS && !are_exact && !tr->opts->turns))
		return fail_many(tr, err);
	if (tr->opts->returns && tr->n > SCOPE_TRACE_RETURNS)
		return scope_fail(err, -EINVAL,
				  "at most %d functions with --return; %zu match",
				  SCOPE_TRACE_RETURNS, tr->n);
	return 0;
}

static int check_where(const struct scope_trace *tr, struct scope_err *err)
{
	unsigned args = tr->opts->where ? scope_where_args(tr->opts->where) : 0;

	for (size_t i = 0; i < tr->n; i++)
		if (args > tr->function[i].arity)
			return scope_fail(err, -EINVAL,
					  "--where: %.*s has no arg%u",
					  (int)tr->function[i].len,
					  tr->function[i].text, args);
	return 0;
}

/* Where the code of each is now: its newest, and what was before. */
static int note_place(void *arg, const struct scope_named *f)
{
	struct scope_trace *tr = arg;
	struct traced_function *to = known(tr, f);

	if (!to)
		return 0;
	if (!to->found[0].addr || f->age > to->found[0].age) {
		to->found[1] = to->found[0];
		to->found[0] = (struct traced_place){ f->entry, f->age };
	} else if (!to->found[1].addr || f->age > to->found[1].age) {
		to->found[1] = (struct traced_place){ f->entry, f->age };
	}
	return 0;
}

static void find_places(struct scope_trace *tr)
{
	for (size_t i = 0; i < tr->n; i++)
		memset(tr->function[i].found, 0, sizeof(tr->function[i].found));
	(void)scope_naming_each(tr->naming, "*:*", note_place, tr);
	for (size_t i = 0; i < tr->n; i++)
		memcpy(tr->function[i].at, tr->function[i].found,
		       sizeof(tr->function[i].at));
}

int scope_trace_new(struct scope_target *t, const struct scope_trace_opts *opts,
		    struct scope_trace **ret_trace, struct scope_err *err)
{
	scope_auto(scope_trace) tr = calloc(1, sizeof(*tr));
	const struct scope_target_info *info = scope_target_info(t);
	bool is_whole = true;
	int r;

	if (!info->jit)
		return scope_fail(err, -ENOTSUP,
				  "the node's OTP %s is an interpreter: its "
				  "functions are no machine code, on which a "
				  "breakpoint could be; `scope-bpf -e call,sched` "
				  "shows NIFs, BIFs and where processes run, "
				  "`scope-bpf stack` what they are in",
				  info->otp);
	if (!tr)
		return scope_fail(err, -ENOMEM, "out of memory");
	tr->t = t;
	tr->opts = opts;
	tr->nregs = SCOPE_BREAKS;
	tr->by_name = scope_map_new(2 * SCOPE_TRACE_FUNCTIONS);
	if (opts->returns)
		tr->pending = calloc(SCOPE_TRACE_PENDING, sizeof(*tr->pending));
	if (!tr->by_name || (opts->returns && !tr->pending))
		return scope_fail(err, -ENOMEM, "out of memory");
	r = scope_naming_new(t, &tr->naming);
	if (r < 0)
		return scope_fail(err, r == -ENOENT ? -ENOTSUP : r,
				  "where the node's code is can't be found: %s",
				  strerror(-r));
	r = find_functions(tr, err);
	if (r == 0)
		r = check_where(tr, err);
	if (r < 0)
		return r;
	if (opts->where)
		tr->ntests = scope_where_tests(opts->where, scope_target_vm(t),
					       tr->test, &is_whole);
	if (opts->counts && !is_whole)
		return scope_fail(err, -EINVAL,
				  "--count takes conditions of atoms and small "
				  "integers, joined by `and`, of which there may "
				  "be %d",
				  SCOPE_BREAK_TESTS);
	tr->changes = scope_naming_changes(tr->naming);
	find_places(tr);
	tr->synced_ns = scope_now_ns();
	*ret_trace = scope_take(tr);
	return 0;
}

void scope_trace_free(struct scope_trace *tr)
{
	if (!tr)
		return;
	for (size_t i = 0; i < tr->n; i++)
		free(tr->function[i].text);
	scope_map_free(tr->by_name);
	scope_naming_free(tr->naming);
	free(tr->pending);
	free(tr);
}

/* -- registers ------------------------------------------------------------------ */

/* Note what a register has counted since the last time. */
static void settle(struct scope_trace *tr, struct traced_register *r,
		   const struct scope_point_figures *now)
{
	struct traced_function *f = &tr->function[r->function];

	if (r->is_return)
		return;
	f->calls += now->passed - r->settled.passed;
	if (r->is_newest)
		f->armed_ns += now->armed_ns - r->settled.armed_ns;
	r->settled = *now;
}

static void settle_now(struct scope_trace *tr, unsigned reg)
{
	struct scope_point_figures now;

	if (!tr->reg[reg].addr)
		return;
	scope_points_figures(tr->points, reg, &now);
	settle(tr, &tr->reg[reg], &now);
}

static void clear(struct scope_trace *tr, unsigned reg)
{
	struct scope_point_figures now;

	if (!tr->reg[reg].addr)
		return;
	scope_points_clear(tr->points, reg, &now);
	settle(tr, &tr->reg[reg], &now);
	memset(&tr->reg[reg], 0, sizeof(tr->reg[reg]));
}

static int set(struct scope_trace *tr, unsigned reg,
	       const struct traced_register *to, struct scope_err *err)
{
	const struct traced_function *f = &tr->function[to->function];
	struct scope_break b = {
		.addr = to->addr,
		.id = to->function,
		.arity = (__u16)f->arity,
		.flags = (to->is_return ? SCOPE_BREAK_RETURN : 0) |
			 (tr->opts->counts ? SCOPE_BREAK_COUNT : 0),
	};
	int r;

	if (!to->is_return) {
		b.ntests = tr->ntests;
		memcpy(b.test, tr->test, sizeof(b.test));
	}
	r = scope_points_set(tr->points, reg, &b, err);
	if (r == 0) {
		tr->reg[reg] = *to;
		tr->reg[reg].set_ns = scope_now_ns();
		memset(&tr->reg[reg].settled, 0, sizeof(to->settled));
	}
	return r;
}

/* -- who has them ---------------------------------------------------------------- */

struct wanted {
	struct traced_register reg[SCOPE_BREAKS];
	unsigned n;
};

static void want(struct wanted *w, unsigned room, uint64_t addr,
		 size_t function, bool is_newest, bool is_return)
{
	for (unsigned i = 0; i < w->n; i++)
		if (w->reg[i].addr == addr)
			return;
	if (!addr || w->n >= room)
		return;
	w->reg[w->n++] = (struct traced_register){
		.addr = addr,
		.function = (unsigned)function,
		.is_newest = is_newest,
		.is_return = is_return,
	};
}

/* Functions that are traced at once. */
static unsigned window(const struct scope_trace *tr)
{
	unsigned room = tr->nregs;

	if (tr->opts->returns && room > 1)
		room = tr->n < room ? room - 1 : (room + 1) / 2;
	return tr->n < room ? (unsigned)tr->n : room;
}

static void want_sites(const struct scope_trace *tr, struct wanted *w)
{
	bool taken[SCOPE_TRACE_SITES] = { false };

	while (w->n < tr->nregs) {
		size_t best = SCOPE_TRACE_SITES;

		for (size_t i = 0; i < tr->nsites; i++)
			if (!taken[i] && tr->site[i].score &&
			    (best == SCOPE_TRACE_SITES ||
			     tr->site[i].score > tr->site[best].score))
				best = i;
		if (best == SCOPE_TRACE_SITES)
			return;
		taken[best] = true;
		want(w, tr->nregs, tr->site[best].addr, 0, false, true);
	}
}

static struct wanted choose(const struct scope_trace *tr)
{
	struct wanted w = { .n = 0 };
	unsigned n = window(tr);

	for (unsigned i = 0; i < n; i++) {
		size_t f = (tr->first + i) % tr->n;

		want(&w, tr->nregs, tr->function[f].at[0].addr, f, true, false);
	}
	if (tr->opts->returns) {
		want_sites(tr, &w);
		return w;
	}
	for (unsigned i = 0; i < n; i++) {
		size_t f = (tr->first + i) % tr->n;

		want(&w, tr->nregs, tr->function[f].at[1].addr, f, false,
		     false);
	}
	return w;
}

static bool is_wanted(const struct wanted *w, const struct traced_register *r)
{
	for (unsigned i = 0; i < w->n; i++)
		if (w->reg[i].addr == r->addr &&
		    w->reg[i].is_return == r->is_return)
			return true;
	return false;
}

static int reg_of(const struct scope_trace *tr, uint64_t addr)
{
	for (unsigned i = 0; i < SCOPE_BREAKS; i++)
		if (tr->reg[i].addr == addr)
			return (int)i;
	return -1;
}

/* A free register for it; others' are tried again later. */
static int place(struct scope_trace *tr, const struct traced_register *to,
		 uint64_t now, struct scope_err *err)
{
	int r = -ENOSPC;

	for (unsigned i = 0; i < SCOPE_BREAKS; i++) {
		if (tr->reg[i].addr || tr->blocked_until[i] > now)
			continue;
		r = set(tr, i, to, err);
		if (r != -ENOSPC)
			return r;
		tr->blocked_until[i] = now + RETRY_NS;
	}
	return r;
}

static void assign(struct scope_trace *tr, uint64_t now, struct scope_err *err)
{
	struct wanted w = choose(tr);

	for (unsigned i = 0; i < SCOPE_BREAKS; i++)
		if (tr->reg[i].addr && !is_wanted(&w, &tr->reg[i]))
			clear(tr, i);
	for (unsigned i = 0; i < w.n; i++) {
		int reg = reg_of(tr, w.reg[i].addr);

		if (reg < 0) {
			(void)place(tr, &w.reg[i], now, err);
		} else if (tr->reg[reg].is_newest != w.reg[i].is_newest) {
			settle_now(tr, (unsigned)reg);
			tr->reg[reg].is_newest = w.reg[i].is_newest;
		}
	}
	tr->nregs = 0;
	for (unsigned i = 0; i < SCOPE_BREAKS; i++)
		tr->nregs += tr->blocked_until[i] <= now;
}

static bool is_armed(const struct scope_trace *tr, size_t function)
{
	for (unsigned i = 0; i < SCOPE_BREAKS; i++)
		if (tr->reg[i].addr && tr->reg[i].is_newest &&
		    tr->reg[i].function == function)
			return true;
	return false;
}

/* -- what is told ------------------------------------------------------------------ */

static uint64_t share_of(const struct scope_trace *tr,
			 const struct traced_function *f, uint64_t now)
{
	uint64_t all = now - tr->begun_ns, armed = f->armed_ns;

	if (!tr->begun_ns || now <= tr->begun_ns)
		return 0;
	/* What it takes to look at the clock is no gap. */
	if (armed > all || (!f->was_off && all - armed < all / 1000))
		armed = all;
	return (uint64_t)((double)armed / (double)all * SCOPE_MILLION + 0.5);
}

/* `until`: 0: it is off now. */
static void tell(const struct scope_trace *tr, struct traced_function *f,
		 const char *state, uint64_t since, uint64_t until, uint64_t now,
		 const struct scope_trace_emit *to)
{
	const uint64_t off = (uint64_t)to->wall_offset_ns;
	struct scope_event ev;

	scope_report_plain(&ev, SCOPE_KIND_BUDGET, to->stamp_ns,
			   to->wall_offset_ns);
	scope_event_add_text(&ev, SCOPE_FIELD_WHERE, f->text, f->len);
	scope_event_add_text(&ev, SCOPE_FIELD_GROUP, "break", 5);
	scope_event_add_text(&ev, SCOPE_FIELD_KINDS, "call", 4);
	scope_event_add_text(&ev, SCOPE_FIELD_BUDGET_STATE, state,
			     strlen(state));
	scope_event_add_u(&ev, SCOPE_FIELD_SHARE, share_of(tr, f, now));
	if (until) {
		scope_event_add_u(&ev, SCOPE_FIELD_OFF_NS, since + off);
		scope_event_add_u(&ev, SCOPE_FIELD_BACK_NS, until + off);
	}
	to->emit(to->arg, &ev);
}

/* Say which functions came to be traced, or not. */
static void tell_changes(struct scope_trace *tr, uint64_t now,
			 const struct scope_trace_emit *to)
{
	for (unsigned i = 0; i < SCOPE_BREAKS; i++)
		settle_now(tr, i);
	for (size_t i = 0; i < tr->n; i++) {
		struct traced_function *f = &tr->function[i];
		bool on = is_armed(tr, i);

		f->was_off |= !on || f->moved_ns;
		if (on && f->moved_ns) {
			tell(tr, f, "moved",
			     f->off_ns ? f->off_ns : f->moved_ns, now, now, to);
		} else if (on && f->off_ns) {
			tell(tr, f, "on", f->off_ns, now, now, to);
		} else if (!on && !f->off_ns) {
			f->off_ns = f->moved_ns ? f->moved_ns : now;
			tell(tr, f, "off", 0, 0, now, to);
		}
		f->moved_ns = 0;
		if (on)
			f->off_ns = 0;
	}
}

/* -- following --------------------------------------------------------------------- */

/* Whether code has come or gone. */
static bool sync_code(struct scope_trace *tr, uint64_t now)
{
	uint64_t was[SCOPE_TRACE_FUNCTIONS];

	if (now - tr->synced_ns < SYNC_NS)
		return false;
	(void)scope_naming_sync(tr->naming);
	if (scope_naming_changes(tr->naming) == tr->changes) {
		tr->synced_ns = now;
		return false;
	}
	tr->changes = scope_naming_changes(tr->naming);
	for (size_t i = 0; i < tr->n; i++)
		was[i] = tr->function[i].at[0].addr;
	find_places(tr);
	/* It may have been called since it was last looked for. */
	for (size_t i = 0; i < tr->n; i++)
		if (was[i] != tr->function[i].at[0].addr)
			tr->function[i].moved_ns = tr->synced_ns;
	tr->synced_ns = now;
	return true;
}

static bool turn(struct scope_trace *tr, uint64_t now)
{
	uint64_t ns = tr->opts->turn_ns ? tr->opts->turn_ns :
					  SCOPE_TRACE_TURN_NS;

	if (tr->n <= window(tr) || now - tr->turned_ns < ns)
		return false;
	tr->turned_ns = now;
	tr->first = (tr->first + window(tr)) % tr->n;
	return true;
}

static bool retry(struct scope_trace *tr, uint64_t now)
{
	for (unsigned i = 0; i < SCOPE_BREAKS; i++)
		if (tr->blocked_until[i] && tr->blocked_until[i] <= now) {
			memset(tr->blocked_until, 0, sizeof(tr->blocked_until));
			tr->nregs = SCOPE_BREAKS;
			return true;
		}
	return false;
}

/* A new place to return to has a register at once, if one is free. */
static bool learn(struct scope_trace *tr, uint64_t now)
{
	bool is_new = tr->has_new_site && reg_of(tr, 0) >= 0;

	tr->has_new_site = false;
	if (!tr->opts->returns || now - tr->learned_ns < LEARN_NS)
		return is_new;
	tr->learned_ns = now;
	scope_trace_rank(tr);
	return true;
}

void scope_trace_step(struct scope_trace *tr, uint64_t now_ns,
		      const struct scope_trace_emit *to)
{
	bool changes = sync_code(tr, now_ns);

	changes |= turn(tr, now_ns);
	changes |= retry(tr, now_ns);
	changes |= learn(tr, now_ns);
	if (!changes && tr->told)
		return;
	assign(tr, now_ns, NULL);
	tell_changes(tr, scope_now_ns(), to);
	tr->told = true;
}

int scope_trace_begin(struct scope_trace *tr, struct scope_points *points,
		      const char **ret_note, struct scope_err *err)
{
	struct scope_err why = { 0 };
	uint64_t now = scope_now_ns();
	size_t armed = 0, most;

	tr->points = points;
	tr->turned_ns = tr->learned_ns = now;
	*ret_note = NULL;
	for (unsigned try = 0; try < 2; try++) {
		/* With fewer registers others may be chosen. */
		assign(tr, now, &why);
	}
	for (size_t i = 0; i < tr->n; i++)
		armed += is_armed(tr, i);
	if (!armed)
		return scope_fail(err,
				  why.code == -ENOSPC || !why.code ? -ENOTSUP :
								     why.code,
				  "%s; `scope-bpf -e call,msg` and "
				  "`scope-bpf profile` need none",
				  why.code ? why.text :
					     "the code is gone");
	most = tr->n < SCOPE_BREAKS ? tr->n : SCOPE_BREAKS;
	if (tr->opts->returns)
		most = armed;
	if (armed < most)
		(void)snprintf(tr->note, sizeof(tr->note),
			       "others hold debug registers: %zu of %zu "
			       "functions are traced at once, in turns",
			       armed, tr->n);
	else if (armed < tr->n)
		(void)snprintf(tr->note, sizeof(tr->note),
			       "%zu of %zu functions are traced at once, in "
			       "turns; the summary tells each one's share",
			       armed, tr->n);
	else if (tr->has_bifs)
		(void)snprintf(tr->note, sizeof(tr->note), "%s",
			       scope_trace_limits(tr));
	if (*tr->note)
		*ret_note = tr->note;
	return 0;
}

void scope_trace_begun(struct scope_trace *tr, uint64_t begun_ns)
{
	tr->begun_ns = begun_ns;
	/* What was counted, and how long, is from now on. */
	for (unsigned i = 0; i < SCOPE_BREAKS; i++)
		if (tr->reg[i].addr)
			scope_points_figures(tr->points, i,
					     &tr->reg[i].settled);
	for (size_t i = 0; i < tr->n; i++) {
		tr->function[i].was_off = !is_armed(tr, i);
		tr->function[i].off_ns = is_armed(tr, i) ? 0 : begun_ns;
	}
}

void scope_trace_end(struct scope_trace *tr, uint64_t now_ns)
{
	tr->ended_ns = scope_points_ended(tr->points);
	if (!tr->ended_ns)
		tr->ended_ns = now_ns;
	for (unsigned i = 0; i < SCOPE_BREAKS; i++)
		settle_now(tr, i);
}

/* -- figures ------------------------------------------------------------------------ */

void scope_trace_put_source(const struct scope_trace *tr, struct scope_buf *out)
{
	scope_buf_lit(out, "breakpoint");
	for (size_t i = 0; i < tr->n; i++) {
		const struct traced_function *f = &tr->function[i];

		if (out->len + f->len + 8 > out->cap) {
			scope_buf_lit(out, ", …");
			return;
		}
		scope_buf_puts(out, i ? ", " : " ");
		scope_buf_put(out, f->text, f->len);
	}
}

const char *scope_trace_limits(const struct scope_trace *tr)
{
	return tr->has_bifs ? "compiled code calls most BIFs directly, past the "
			      "function: those calls are not seen" :
			      NULL;
}

size_t scope_trace_functions(const struct scope_trace *tr)
{
	return tr->n;
}

void scope_trace_figures(const struct scope_trace *tr, size_t i,
			 struct scope_trace_figures *ret)
{
	const struct traced_function *f = &tr->function[i];

	*ret = (struct scope_trace_figures){
		.mfa = f->text,
		.len = f->len,
		.calls = f->calls,
		.told = f->told,
		.returned = f->returned,
		.armed = (double)share_of(tr, f, tr->ended_ns) / SCOPE_MILLION,
	};
}

/* Names may hold anything but are printed by the JIT: only these need care. */
static void put_name(struct scope_buf *out, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '"' || s[i] == '\\')
			scope_buf_char(out, '\\');
		if ((unsigned char)s[i] < 0x20)
			scope_buf_printf(out, "\\u%04x", s[i]);
		else
			scope_buf_char(out, s[i]);
	}
}

void scope_trace_put_json(const struct scope_trace *tr, struct scope_buf *out)
{
	scope_buf_char(out, '{');
	for (size_t i = 0; i < tr->n && !out->full; i++) {
		struct scope_trace_figures f;

		scope_trace_figures(tr, i, &f);
		scope_buf_puts(out, i ? ",\"" : "\"");
		put_name(out, f.mfa, f.len);
		scope_buf_printf(out, "\":{\"calls\":%llu,\"armed\":%.6f",
				 (unsigned long long)f.calls, f.armed);
		if (tr->opts->returns)
			scope_buf_printf(out, ",\"returned\":%llu",
					 (unsigned long long)f.returned);
		scope_buf_char(out, '}');
	}
	scope_buf_char(out, '}');
}
