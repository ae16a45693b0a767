/* SPDX-License-Identifier: MIT */
#include "cli/live_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NS_PER_S UINT64_C(1000000000)
/* Silence shorter than this needs no words. */
#define QUIET_NS (3 * NS_PER_S)
#define ELIXIR_PREFIX "Elixir."

static enum scope_syntax syntax_of(const struct scope_live *l)
{
	return l->opts.syntax == SCOPE_SYNTAX_ELIXIR ? SCOPE_SYNTAX_ELIXIR :
						       SCOPE_SYNTAX_ERLANG;
}

/* Raw text; Elixir's modules without their prefix under --elixir. */
static void put_atom(struct scope_live *l, uint64_t atom, struct scope_buf *out)
{
	size_t len = 0, skip = sizeof(ELIXIR_PREFIX) - 1;
	const char *s = scope_vm_atom(l->opts.vm, atom, &len);

	if (!s) {
		scope_buf_char(out, '?');
		return;
	}
	if (syntax_of(l) != SCOPE_SYNTAX_ELIXIR || len <= skip ||
	    memcmp(s, ELIXIR_PREFIX, skip) != 0)
		skip = 0;
	scope_buf_put(out, s + skip, len - skip);
}

static void put_mfa(struct scope_live *l, const struct scope_mfa *mfa,
		    struct scope_buf *out)
{
	put_atom(l, mfa->module, out);
	scope_buf_char(out, syntax_of(l) == SCOPE_SYNTAX_ELIXIR ? '.' : ':');
	put_atom(l, mfa->function, out);
	scope_buf_char(out, '/');
	scope_buf_u64(out, mfa->arity);
}

static void put_time(const struct scope_event *ev, struct scope_buf *out)
{
	time_t t = (time_t)(ev->ts_ns / NS_PER_S);
	struct tm tm;

	(void)localtime_r(&t, &tm);
	scope_buf_printf(out, "%02d:%02d:%02d.%06u ", tm.tm_hour, tm.tm_min,
			 tm.tm_sec, (unsigned)(ev->ts_ns % NS_PER_S / 1000));
}

/* Fields that a line of the live view has no room for. */
static bool is_left_out(enum scope_field_key key)
{
	return key == SCOPE_FIELD_MSG_WORDS || key == SCOPE_FIELD_CORR ||
	       key == SCOPE_FIELD_SURE || key == SCOPE_FIELD_TRUNCATED;
}

static void put_value(struct scope_live *l, const struct scope_event *ev,
		      const struct scope_field *f, enum scope_type type,
		      struct scope_buf *out)
{
	switch (type) {
	case SCOPE_T_INT:
		scope_buf_i64(out, (int64_t)f->u);
		break;
	case SCOPE_T_UINT:
		scope_buf_u64(out, f->u);
		break;
	case SCOPE_T_SHARE:
		scope_buf_printf(out, "%.1f%%", (double)f->u / 10000);
		break;
	case SCOPE_T_BOOL:
		scope_buf_puts(out, f->u ? "true" : "false");
		break;
	case SCOPE_T_TEXT:
	case SCOPE_T_JSON:
		scope_buf_put(out, f->text, f->len);
		break;
	case SCOPE_T_ATOM:
		put_atom(l, f->term, out);
		break;
	case SCOPE_T_IDENT:
		(void)scope_term_put_ident(l->opts.vm, &ev->image, f->term,
					   syntax_of(l), out);
		break;
	case SCOPE_T_TERM:
	case SCOPE_T_TERMS:
		(void)scope_term_put(l->opts.vm, &ev->image, f->term,
				     syntax_of(l), out);
		break;
	case SCOPE_T_MFA:
		put_mfa(l, &f->mfa, out);
		break;
	case SCOPE_T_CORR:
		break;
	}
}

void scope_live_event_text(struct scope_live *l, const struct scope_event *ev,
			   struct scope_buf *out)
{
	const struct scope_kind_info *kind = scope_kind_info(ev->kind);

	put_time(ev, out);
	scope_buf_printf(out, "%-15s", kind->name ? kind->name : "?");
	if (ev->pid) {
		scope_buf_char(out, ' ');
		scope_vm_put_pid(l->opts.vm, ev->pid, out);
	}
	if (ev->name) {
		scope_buf_char(out, ' ');
		put_atom(l, ev->name, out);
	}
	for (size_t i = 0; i < ev->nfields && !out->full; i++) {
		const struct scope_field *f = &ev->fields[i];
		const struct scope_field_info *info = scope_field_info(f->key);

		if (is_left_out(f->key) ||
		    (info->type == SCOPE_T_BOOL && !f->u))
			continue;
		scope_buf_char(out, ' ');
		if (info->type != SCOPE_T_BOOL && f->key != SCOPE_FIELD_MSG) {
			scope_buf_puts(out, info->key);
			scope_buf_char(out, '=');
			put_value(l, ev, f, info->type, out);
		} else if (f->key == SCOPE_FIELD_MSG) {
			put_value(l, ev, f, info->type, out);
		} else {
			scope_buf_puts(out, info->key);
		}
	}
}

void scope_live_row_label(struct scope_live *l, const struct scope_row *r,
			  struct scope_buf *out)
{
	if (r->name)
		put_atom(l, r->name, out);
	else if (r->call.module)
		put_mfa(l, &r->call, out);
}

void scope_live_row_text(struct scope_live *l, const struct scope_row *r,
			 struct scope_buf *out)
{
	scope_vm_put_pid(l->opts.vm, r->pid, out);
	if (r->name) {
		scope_buf_char(out, ' ');
		put_atom(l, r->name, out);
	}
	if (r->call.module) {
		scope_buf_char(out, ' ');
		put_mfa(l, &r->call, out);
	}
}

bool scope_live_match(void *live, const struct scope_row *r)
{
	struct scope_live *l = live;
	char text[1024];
	struct scope_buf b = scope_buf_of(text, sizeof(text));

	scope_live_row_text(l, r, &b);
	return strcasestr(scope_buf_str(&b), l->filter) != NULL;
}

void scope_live_why(struct scope_live *l, uint64_t now_ns,
		    struct scope_buf *out)
{
	const struct scope_model_totals *t = scope_model_totals(l->model);
	uint64_t since = t->last_ns ? t->last_ns : l->start_ns;
	size_t n = scope_model_len(scope_live_shown(l));

	if (*l->note && (!l->is_attached || !l->start_ns)) {
		scope_buf_puts(out, l->note);
		return;
	}
	if (*l->filter && l->npids == 0 && n > 0) {
		scope_buf_printf(out,
				 "the filter '%s' hides all %zu processes; "
				 "/ and Escape take it away",
				 l->filter, n);
		return;
	}
	if (l->frozen) {
		scope_buf_puts(out, "paused; p goes on");
		return;
	}
	if (!l->start_ns || now_ns < since || now_ns - since < QUIET_NS)
		return;
	scope_buf_printf(out, "no events for %" PRIu64 " s: ",
			 (now_ns - since) / NS_PER_S);
	if (l->opts.is_filtered)
		scope_buf_puts(out, "the processes of --process are idle, or "
				    "not there");
	else if (*l->opts.events)
		scope_buf_printf(out, "the node does nothing of --events %s",
				 l->opts.events);
	else
		scope_buf_puts(out, "the node is idle");
}
