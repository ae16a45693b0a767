/* SPDX-License-Identifier: MIT */
#include "cli/trace_text.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

#include "base/utf8.h"
#include "pipeline/trace.h"

#define NS_PER_S UINT64_C(1000000000)
#define LIST_MAX SCOPE_BREAK_ARGS
#define ELIXIR "Elixir."

static void put_time(uint64_t ts_ns, struct scope_buf *out)
{
	time_t t = (time_t)(ts_ns / NS_PER_S);
	struct tm tm;

	(void)localtime_r(&t, &tm);
	scope_buf_printf(out, "%02d:%02d:%02d.%06u ", tm.tm_hour, tm.tm_min,
			 tm.tm_sec, (unsigned)(ts_ns % NS_PER_S / 1000));
}

/* The module without Elixir's prefix, with what stands before a function. */
static const char *put_module(enum scope_syntax syntax, const char *mfa,
			      size_t len, struct scope_buf *out)
{
	const char *colon = memchr(mfa, ':', len);
	size_t skip = sizeof(ELIXIR) - 1, n = colon ? (size_t)(colon - mfa) : 0;

	if (!colon || syntax != SCOPE_SYNTAX_ELIXIR)
		return mfa;
	if (n > skip && !memcmp(mfa, ELIXIR, skip)) {
		scope_buf_put(out, mfa + skip, n - skip);
	} else {
		scope_buf_char(out, ':');
		scope_buf_put(out, mfa, n);
	}
	scope_buf_char(out, '.');
	return colon + 1;
}

void scope_trace_text_mfa(enum scope_syntax syntax, const char *mfa, size_t len,
			  struct scope_buf *out)
{
	const char *rest = put_module(syntax, mfa, len, out);

	scope_buf_put(out, rest, len - (size_t)(rest - mfa));
}

/* f(1, 2) in the place of f/2. */
static void put_call(const struct scope_trace_text *t,
		     const struct scope_event *ev, const struct scope_field *f,
		     struct scope_buf *out)
{
	const struct scope_field *args = scope_event_get(ev, SCOPE_FIELD_ARGS);
	const char *slash = memrchr(f->text, '/', f->len);
	uint64_t list, head;

	if (!args || !slash) {
		scope_trace_text_mfa(t->syntax, f->text, f->len, out);
		return;
	}
	scope_trace_text_mfa(t->syntax, f->text, (size_t)(slash - f->text), out);
	scope_buf_char(out, '(');
	list = args->term;
	for (unsigned n = 0; n < LIST_MAX && !out->full &&
			     scope_term_list_next(&ev->image, &list, &head) > 0;
	     n++) {
		if (n)
			scope_buf_lit(out, ", ");
		(void)scope_term_put(t->vm, &ev->image, head, t->syntax, out);
	}
	scope_buf_char(out, ')');
}

static void put_duration(uint64_t ns, struct scope_buf *out)
{
	if (ns < 10000000)
		scope_buf_printf(out, "%.1f us", (double)ns / 1e3);
	else if (ns < 10 * NS_PER_S)
		scope_buf_printf(out, "%.1f ms", (double)ns / 1e6);
	else
		scope_buf_printf(out, "%.1f s", (double)ns / 1e9);
}

static void put_who(const struct scope_trace_text *t,
		    const struct scope_event *ev, struct scope_buf *out)
{
	const char *name;
	size_t len;

	put_time(ev->ts_ns, out);
	scope_vm_put_pid(t->vm, ev->pid, out);
	name = ev->name ? scope_vm_atom(t->vm, ev->name, &len) : NULL;
	if (name) {
		scope_buf_char(out, ' ');
		scope_buf_put(out, name, len);
	}
	scope_buf_lit(out, "  ");
}

static void put_traced(const struct scope_trace_text *t,
		       const struct scope_event *ev,
		       const struct scope_field *mfa, struct scope_buf *out)
{
	const struct scope_field *caller =
		scope_event_get(ev, SCOPE_FIELD_CALLER);
	const struct scope_field *value =
		scope_event_get(ev, SCOPE_FIELD_RETURN);
	const struct scope_field *ns =
		scope_event_get(ev, SCOPE_FIELD_DURATION_NS);
	const struct scope_field *calls =
		scope_event_get(ev, SCOPE_FIELD_CALLS);

	put_who(t, ev, out);
	put_call(t, ev, mfa, out);
	if (ns) {
		scope_buf_lit(out, " -> ");
		if (value)
			(void)scope_term_put(t->vm, &ev->image, value->term,
					     t->syntax, out);
		else
			scope_buf_lit(out, "…");
		scope_buf_lit(out, "  in ");
		put_duration(ns->u, out);
		if (calls)
			scope_buf_printf(out, " (%" PRIu64 " calls ended)",
					 calls->u);
	} else if (caller) {
		scope_buf_lit(out, "  <- ");
		scope_trace_text_mfa(t->syntax, caller->text, caller->len, out);
	}
	if (scope_event_get(ev, SCOPE_FIELD_OLD_CODE))
		scope_buf_lit(out, "  (old code)");
}

static void put_budget(const struct scope_trace_text *t,
		       const struct scope_event *ev, struct scope_buf *out)
{
	const struct scope_field *mfa = scope_event_get(ev, SCOPE_FIELD_WHERE);
	const struct scope_field *state =
		scope_event_get(ev, SCOPE_FIELD_BUDGET_STATE);
	const struct scope_field *from = scope_event_get(ev, SCOPE_FIELD_OFF_NS);
	const struct scope_field *to = scope_event_get(ev, SCOPE_FIELD_BACK_NS);

	put_time(ev->ts_ns, out);
	scope_buf_lit(out, "-- ");
	if (mfa)
		scope_trace_text_mfa(t->syntax, mfa->text, mfa->len, out);
	else
		scope_buf_lit(out, "all");
	if (state && state->len == 5 && !memcmp(state->text, "moved", 5))
		scope_buf_lit(out, " was loaded anew");
	scope_buf_puts(out, from && to ? ": not traced for " : ": not traced");
	if (from && to)
		put_duration(to->u - from->u, out);
}

static void put_loss(const struct scope_event *ev, struct scope_buf *out)
{
	const struct scope_field *n = scope_event_get(ev, SCOPE_FIELD_COUNT);
	const struct scope_field *why = scope_event_get(ev, SCOPE_FIELD_CAUSE);

	put_time(ev->ts_ns, out);
	scope_buf_printf(out, "-- %" PRIu64 " events were lost (%.*s)",
			 n ? n->u : 0, why ? (int)why->len : 0,
			 why ? why->text : "");
}

/* What is between from and the end, made harmless. */
static void clean(struct scope_buf *out, size_t from)
{
	while (from < out->len) {
		uint8_t c = (uint8_t)out->p[from];
		uint32_t cp = c;
		size_t n = c < 0x80 ? 1 :
				      scope_utf8_next(out->p + from,
						      out->len - from, &cp);

		if (!n || cp < 0x20 || (cp >= 0x7f && cp < 0xa0)) {
			n = n ? n : 1;
			memset(out->p + from, '.', n);
		}
		from += n;
	}
}

int scope_trace_text(void *arg, const struct scope_event *ev,
		     struct scope_buf *out)
{
	const struct scope_trace_text *t = arg;
	const struct scope_field *mfa = scope_event_get(ev, SCOPE_FIELD_WHERE);
	struct scope_buf was = *out;

	out->full = false;
	if (ev->kind == SCOPE_KIND_CALL && mfa)
		put_traced(t, ev, mfa, out);
	else if (ev->kind == SCOPE_KIND_BUDGET)
		put_budget(t, ev, out);
	else if (ev->kind == SCOPE_KIND_LOSS)
		put_loss(ev, out);
	else
		return 0;
	clean(out, was.len);
	scope_buf_char(out, '\n');
	if (out->full) {
		*out = was;
		return -ENOBUFS;
	}
	out->full = was.full;
	return 0;
}

void scope_trace_text_table(const struct scope_trace *trace,
			    enum scope_syntax syntax, bool has_returns,
			    struct scope_buf *out)
{
	size_t from = out->len;

	scope_buf_printf(out, "%12s %8s ", "calls", "traced");
	if (has_returns)
		scope_buf_printf(out, "%8s ", "returned");
	scope_buf_lit(out, "function\n");
	for (size_t i = 0; i < scope_trace_functions(trace); i++) {
		struct scope_trace_figures f;

		scope_trace_figures(trace, i, &f);
		scope_buf_printf(out, "%12" PRIu64 " %7.1f%% ", f.calls,
				 100 * f.armed);
		if (has_returns && f.told)
			scope_buf_printf(out, "%7.1f%% ",
					 100 * (double)f.returned /
						 (double)f.told);
		else if (has_returns)
			scope_buf_printf(out, "%8s ", "-");
		from = out->len;
		scope_trace_text_mfa(syntax, f.mfa, f.len, out);
		clean(out, from);
		scope_buf_char(out, '\n');
	}
}
