/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/utf8.h"
#include "cli/ps.h"
#include "wire/event.h"

#define ELIXIR_PREFIX "Elixir."

#define WANTS_WHAT (SCOPE_SNAP_INITIAL | SCOPE_SNAP_LABEL)

const struct scope_ps_field scope_ps_fields[SCOPE_PS_KEYS] = {
	[SCOPE_PS_PID] = { "pid", "PID", 0, false },
	[SCOPE_PS_WHAT] = { "what", "NAME/CALL", WANTS_WHAT, false },
	[SCOPE_PS_NAME] = { "name", "NAME", 0, false },
	[SCOPE_PS_LABEL] = { "label", "LABEL", SCOPE_SNAP_LABEL, false },
	[SCOPE_PS_INITIAL_CALL] = { "initial_call", "INITIAL CALL",
				    SCOPE_SNAP_INITIAL, false },
	[SCOPE_PS_CURRENT_FUNCTION] = { "current_function", "FUNCTION", 0,
					false },
	[SCOPE_PS_STATE] = { "state", "STATE", 0, false },
	[SCOPE_PS_SCHEDULER] = { "scheduler", "SCHED", 0, true },
	[SCOPE_PS_MAILBOX] = { "mailbox", "MSGS", 0, true },
	[SCOPE_PS_REDUCTIONS] = { "reductions", "REDS", 0, true },
	[SCOPE_PS_HEAP_WORDS] = { "heap_words", "HEAP", 0, true },
	[SCOPE_PS_TOTAL_HEAP_WORDS] = { "total_heap_words", "TOTAL HEAP",
					SCOPE_SNAP_MEMORY, true },
	[SCOPE_PS_STACK_WORDS] = { "stack_words", "STACK", 0, true },
	[SCOPE_PS_MEMORY] = { "memory", "MEMORY", SCOPE_SNAP_MEMORY, true },
	[SCOPE_PS_BINARIES] = { "binaries", "BINS", SCOPE_SNAP_BINARIES, true },
	[SCOPE_PS_BINARY_BYTES] = { "binary_bytes", "BIN BYTES",
				    SCOPE_SNAP_BINARIES, true },
	[SCOPE_PS_LINKS] = { "links", "LINKS", SCOPE_SNAP_LINKS, true },
	[SCOPE_PS_MONITORS] = { "monitors", "MONS", SCOPE_SNAP_MONITORS, true },
	[SCOPE_PS_MONITORED_BY] = { "monitored_by", "MON BY",
				    SCOPE_SNAP_MONITORS, true },
	[SCOPE_PS_PARENT] = { "parent", "PARENT", 0, false },
	[SCOPE_PS_GROUP_LEADER] = { "group_leader", "LEADER", 0, false },
	[SCOPE_PS_ANCESTORS] = { "ancestors", "ANCESTORS", SCOPE_SNAP_ANCESTORS,
				 false },
	[SCOPE_PS_CALLERS] = { "callers", "CALLERS", SCOPE_SNAP_ANCESTORS,
			       false },
	/* The dictionary's head is read with what is looked for in it. */
	[SCOPE_PS_DICTIONARY] = { "dictionary", "DICT", SCOPE_SNAP_INITIAL,
				  true },
};

int scope_ps_key_of(const char *name, size_t len)
{
	for (int k = 0; k < SCOPE_PS_KEYS; k++)
		if (strlen(scope_ps_fields[k].name) == len &&
		    !memcmp(scope_ps_fields[k].name, name, len))
			return k;
	return -1;
}

uint64_t scope_ps_number(const struct scope_snap_proc *p, enum scope_ps_key key)
{
	switch (key) {
	case SCOPE_PS_SCHEDULER:
		return p->scheduler;
	case SCOPE_PS_MAILBOX:
		return p->mailbox;
	case SCOPE_PS_REDUCTIONS:
		return p->reductions;
	case SCOPE_PS_HEAP_WORDS:
		return p->heap_words;
	case SCOPE_PS_TOTAL_HEAP_WORDS:
		return p->total_heap_words;
	case SCOPE_PS_STACK_WORDS:
		return p->stack_words;
	case SCOPE_PS_MEMORY:
		return p->memory;
	case SCOPE_PS_BINARIES:
		return p->binaries;
	case SCOPE_PS_BINARY_BYTES:
		return p->binary_bytes;
	case SCOPE_PS_LINKS:
		return p->links.n;
	case SCOPE_PS_MONITORS:
		return p->monitors.n;
	case SCOPE_PS_MONITORED_BY:
		return p->monitored_by.n;
	case SCOPE_PS_DICTIONARY:
		return p->dictionary_entries;
	default:
		return 0;
	}
}

/* ---- text ----------------------------------------------------------------------- */

size_t scope_ps_clean(char *s, size_t *len)
{
	size_t left = *len, columns = 0;

	while (left) {
		uint32_t cp = 0;
		size_t n = scope_utf8_next(s, left, &cp);

		/* Controls, and what turns the direction of writing. */
		if (n == 0 || cp < ' ' || (cp >= 0x7f && cp < 0xa0) ||
		    (cp >= 0x202a && cp <= 0x202e) ||
		    (cp >= 0x2066 && cp <= 0x2069)) {
			n = n ? n : 1;
			memset(s, '?', n);
			columns += n - 1;
		}
		columns++;
		s += n;
		left -= n;
	}
	return columns;
}

/* Text of an atom or a module, without Elixir's prefix in its syntax. */
static void put_raw(const struct scope_ps *ps, const char *s, size_t len,
		    struct scope_buf *out)
{
	size_t skip = sizeof(ELIXIR_PREFIX) - 1;

	if (ps->syntax != SCOPE_SYNTAX_ELIXIR || len <= skip ||
	    memcmp(s, ELIXIR_PREFIX, skip) != 0)
		skip = 0;
	scope_buf_put(out, s + skip, len - skip);
}

static void put_atom(const struct scope_ps *ps, uint64_t atom,
		     struct scope_buf *out)
{
	size_t len = 0;
	const char *s = atom == SCOPE_WORD_REDACTED ?
				NULL :
				scope_vm_atom(ps->vm, atom, &len);

	if (s)
		put_raw(ps, s, len, out);
	else
		scope_buf_puts(out, atom == SCOPE_WORD_REDACTED ?
					    SCOPE_TEXT_REDACTED :
					    "?");
}

static void put_mfa(const struct scope_ps *ps, const struct scope_mfa *m,
		    struct scope_buf *out)
{
	put_atom(ps, m->module, out);
	scope_buf_char(out, ps->syntax == SCOPE_SYNTAX_ELIXIR ? '.' : ':');
	put_atom(ps, m->function, out);
	scope_buf_char(out, '/');
	scope_buf_u64(out, m->arity);
}

/* Where code at an address is. */
static void put_place(const struct scope_ps *ps, uint64_t addr,
		      struct scope_buf *out)
{
	struct scope_named f;

	if (!ps->naming || !addr ||
	    scope_naming_find(ps->naming, addr, &f) < 0 || !f.module)
		return;
	put_raw(ps, f.module, f.module_len, out);
	scope_buf_char(out, ps->syntax == SCOPE_SYNTAX_ELIXIR ? '.' : ':');
	scope_buf_put(out, f.function, f.function_len);
	scope_buf_char(out, '/');
	scope_buf_u64(out, f.arity);
}

/* As if it were a field of an event, so that the same rules hold. */
static struct scope_event as_event(const struct scope_ps *ps,
				   const struct scope_snap_proc *p,
				   enum scope_field_key key,
				   const struct scope_snap_term *term)
{
	struct scope_event ev = {
		.kind = SCOPE_KIND_PROC_INFO,
		.name = p->name,
		.image = scope_snapshot_image(ps->s, term),
	};

	if (term->word)
		scope_event_add(&ev, key)->term = term->word;
	return ev;
}

/* A term, or NULL when its value must not be seen at all. */
static const struct scope_event *redacted(const struct scope_ps *ps,
					  const struct scope_event *ev)
{
	return ps->redact ? scope_redact_event(ps->redact, ps->vm, ev) : ev;
}

static void put_term(const struct scope_ps *ps, const struct scope_snap_proc *p,
		     enum scope_field_key key,
		     const struct scope_snap_term *term, struct scope_buf *out)
{
	struct scope_event own = as_event(ps, p, key, term);
	const struct scope_event *ev = redacted(ps, &own);

	if (term->word)
		(void)scope_term_put(ps->vm, &ev->image,
				     ev->nfields ? ev->fields[0].term :
						   SCOPE_WORD_REDACTED,
				     ps->syntax, out);
}

static void put_name(const struct scope_ps *ps, const struct scope_snap_proc *p,
		     struct scope_buf *out)
{
	const struct scope_snap_term none = { 0 };
	struct scope_event own = as_event(ps, p, SCOPE_FIELD_LABEL, &none);

	if (p->name)
		put_atom(ps, redacted(ps, &own)->name, out);
}

void scope_ps_put_what(struct scope_ps *ps, const struct scope_snap_proc *p,
		       struct scope_buf *out)
{
	if (p->name)
		put_name(ps, p, out);
	else if (p->label.word)
		put_term(ps, p, SCOPE_FIELD_LABEL, &p->label, out);
	else
		put_mfa(ps, &p->initial, out);
}

static void put_ident(const struct scope_ps *ps,
		      const struct scope_snap_term *t, struct scope_buf *out)
{
	struct scope_image image = scope_snapshot_image(ps->s, t);

	if (t->word)
		(void)scope_term_put_ident(ps->vm, &image, t->word,
					   SCOPE_SYNTAX_ERLANG, out);
}

void scope_ps_put(struct scope_ps *ps, const struct scope_snap_proc *p,
		  enum scope_ps_key key, struct scope_buf *out)
{
	switch (key) {
	case SCOPE_PS_PID:
		scope_vm_put_pid(ps->vm, p->pid, out);
		break;
	case SCOPE_PS_WHAT:
		scope_ps_put_what(ps, p, out);
		break;
	case SCOPE_PS_NAME:
		put_name(ps, p, out);
		break;
	case SCOPE_PS_LABEL:
		put_term(ps, p, SCOPE_FIELD_LABEL, &p->label, out);
		break;
	case SCOPE_PS_INITIAL_CALL:
		put_mfa(ps, &p->initial, out);
		break;
	case SCOPE_PS_CURRENT_FUNCTION:
		if (p->current.module)
			put_mfa(ps, &p->current, out);
		else
			put_place(ps, p->i, out);
		break;
	case SCOPE_PS_STATE:
		scope_buf_puts(out, scope_snap_status_name(p->status));
		break;
	case SCOPE_PS_PARENT:
		if (p->parent)
			scope_vm_put_pid(ps->vm, p->parent, out);
		break;
	case SCOPE_PS_GROUP_LEADER:
		put_ident(ps, &p->group_leader, out);
		break;
	case SCOPE_PS_ANCESTORS:
		put_term(ps, p, SCOPE_FIELD_ANCESTORS, &p->ancestors, out);
		break;
	case SCOPE_PS_CALLERS:
		put_term(ps, p, SCOPE_FIELD_ANCESTORS, &p->callers, out);
		break;
	case SCOPE_PS_SCHEDULER:
		if (p->scheduler)
			scope_buf_u64(out, p->scheduler);
		break;
	default:
		scope_buf_u64(out, scope_ps_number(p, key));
		break;
	}
}
