/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/ps.h"
#include "export/json.h"
#include "wire/event.h"

/* Columns of text that is not the last one are no wider. */
#define WIDE 40

/* ---- the table -------------------------------------------------------------------- */

/* What runs shows where it was when it was last taken up. */
static bool is_stale(const struct scope_snap_proc *p, enum scope_ps_key key)
{
	return key == SCOPE_PS_CURRENT_FUNCTION &&
	       p->status == SCOPE_SNAP_RUNNING;
}

static size_t cell(struct scope_ps *ps, const struct scope_snap_proc *p,
		   enum scope_ps_key key, size_t *ret_len)
{
	struct scope_buf b = scope_buf_of(ps->text, sizeof(ps->text));

	if (is_stale(p, key))
		scope_buf_char(&b, '~');
	if (p->torn && key == SCOPE_PS_PID)
		scope_buf_char(&b, '!');
	scope_ps_put(ps, p, key, &b);
	if (b.len == 0 || (is_stale(p, key) && b.len == 1)) {
		b.len = 0;
		scope_buf_char(&b, '-');
	}
	*ret_len = b.len;
	return scope_ps_clean(ps->text, ret_len);
}

size_t scope_ps_cut(const char *s, size_t len, size_t columns)
{
	size_t at = 0;

	for (; at < len; at++)
		if (((unsigned char)s[at] & 0xc0) != 0x80 && columns-- == 0)
			break;
	return at;
}

static void put_cell(const char *s, size_t len, size_t columns, size_t width,
		     bool is_right, bool is_last, FILE *out)
{
	size_t fill = columns < width ? width - columns : 0;

	if (is_right)
		fprintf(out, "%*s", (int)fill, "");
	if (columns > width && !is_right) {
		len = scope_ps_cut(s, len, width - 1);
		fwrite(s, 1, len, out);
		fputc('+', out);
	} else {
		fwrite(s, 1, len, out);
	}
	if (!is_right && !is_last)
		fprintf(out, "%*s", (int)fill, "");
	fputc(is_last ? '\n' : ' ', out);
}

/* Widths that all rows need, then what the terminal has. */
static void measure(struct scope_ps *ps,
		    const struct scope_snap_proc *const *rows, size_t n,
		    const enum scope_ps_key *keys, size_t nkeys, size_t width,
		    size_t *widths)
{
	size_t sum = 0, len;

	for (size_t k = 0; k < nkeys; k++) {
		widths[k] = strlen(scope_ps_fields[keys[k]].title);
		for (size_t i = 0; i < n; i++) {
			size_t c = cell(ps, rows[i], keys[k], &len);

			if (c > widths[k])
				widths[k] = c;
		}
		if (!scope_ps_fields[keys[k]].is_number && widths[k] > WIDE &&
		    k + 1 < nkeys)
			widths[k] = WIDE;
		sum += widths[k] + (k > 0);
	}
	if (!width)
		return;
	/* Text gives way, from the right, down to eight columns. */
	for (size_t k = nkeys; sum > width && k--;) {
		size_t over = sum - width;

		if (scope_ps_fields[keys[k]].is_number || widths[k] <= 8)
			continue;
		if (over > widths[k] - 8)
			over = widths[k] - 8;
		widths[k] -= over;
		sum -= over;
	}
}

void scope_ps_print_table(struct scope_ps *ps,
			  const struct scope_snap_proc *const *rows, size_t n,
			  const enum scope_ps_key *keys, size_t nkeys,
			  size_t width, FILE *out)
{
	size_t widths[SCOPE_PS_KEYS], len;

	measure(ps, rows, n, keys, nkeys, width, widths);
	for (size_t k = 0; k < nkeys; k++) {
		const struct scope_ps_field *f = &scope_ps_fields[keys[k]];

		put_cell(f->title, strlen(f->title), strlen(f->title),
			 widths[k], f->is_number, k + 1 == nkeys, out);
	}
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < nkeys; k++) {
			size_t c = cell(ps, rows[i], keys[k], &len);

			put_cell(ps->text, len, c, widths[k],
				 scope_ps_fields[keys[k]].is_number,
				 k + 1 == nkeys, out);
		}
	}
}

/* ---- JSON ---------------------------------------------------------------------------- */

static struct scope_buf half(struct scope_ps *ps)
{
	return scope_buf_of(ps->text, sizeof(ps->text) / 7);
}

/* What is in the first part of the text, as a JSON string behind it: one byte
 * takes six at most. */
static void put_string(struct scope_ps *ps, const struct scope_buf *b,
		       FILE *out)
{
	struct scope_buf q = scope_buf_of(ps->text + b->cap,
					  sizeof(ps->text) - b->cap);

	scope_json_string(&q, b->p, b->len);
	fwrite(q.p, 1, q.len, out);
}

static void put_peer(struct scope_ps *ps, const struct scope_snap_peer *peer,
		     FILE *out)
{
	struct scope_image image = scope_snapshot_image(ps->s, &peer->to);
	struct scope_buf b = half(ps);

	if (peer->what == SCOPE_SNAP_RESOURCE) {
		scope_buf_lit(&b, "resource");
	} else if (peer->node) {
		scope_buf_char(&b, '{');
		(void)scope_term_put(ps->vm, &image, peer->to.word, ps->syntax,
				     &b);
		scope_buf_puts(&b, ps->syntax == SCOPE_SYNTAX_ELIXIR ? ", " :
								       ",");
		(void)scope_term_put(ps->vm, &image, peer->node, ps->syntax,
				     &b);
		scope_buf_char(&b, '}');
	} else if (scope_is_atom(peer->to.word)) {
		scope_term_put_atom_raw(ps->vm, peer->to.word, &b);
	} else {
		(void)scope_term_put_ident(ps->vm, &image, peer->to.word,
					   SCOPE_SYNTAX_ERLANG, &b);
	}
	put_string(ps, &b, out);
}

static void put_peers(struct scope_ps *ps, const char *key,
		      const struct scope_snap_range *r, FILE *out)
{
	fprintf(out, ",\"%s\":[", key);
	for (uint32_t i = 0; i < r->n; i++) {
		if (i)
			fputc(',', out);
		put_peer(ps, scope_snapshot_peer(ps->s, r, i), out);
	}
	fputc(']', out);
}

/* A list of terms, each a string. */
static void put_terms(struct scope_ps *ps, const char *key,
		      const struct scope_snap_term *term, FILE *out)
{
	struct scope_event own = {
		.kind = SCOPE_KIND_PROC_INFO,
		.image = scope_snapshot_image(ps->s, term),
	};
	const struct scope_event *ev = &own;
	uint64_t list, head;
	bool is_first = true;

	if (!term->word)
		return;
	scope_event_add(&own, SCOPE_FIELD_ANCESTORS)->term = term->word;
	if (ps->redact)
		ev = scope_redact_event(ps->redact, ps->vm, &own);
	fprintf(out, ",\"%s\":[", key);
	list = ev->nfields ? ev->fields[0].term : SCOPE_WORD_REDACTED;
	while (scope_term_list_next(&ev->image, &list, &head) == 1) {
		struct scope_buf b = half(ps);

		if (!is_first)
			fputc(',', out);
		is_first = false;
		(void)scope_term_put(ps->vm, &ev->image, head, ps->syntax, &b);
		put_string(ps, &b, out);
	}
	if (!scope_is_nil(list))
		fputs(is_first ? "\"...\"" : ",\"...\"", out);
	fputc(']', out);
}

static void put_text(struct scope_ps *ps, const struct scope_snap_proc *p,
		     enum scope_ps_key key, const char *name, FILE *out)
{
	struct scope_buf b = half(ps);

	scope_ps_put(ps, p, key, &b);
	if (!b.len)
		return;
	fprintf(out, "%s\"%s\":", key == SCOPE_PS_PID ? "" : ",", name);
	put_string(ps, &b, out);
}

/* What proc_lib keeps differs from what process_info/2 says. */
static void put_spawned(struct scope_ps *ps, const struct scope_snap_proc *p,
			FILE *out)
{
	struct scope_snap_proc plain = { .initial = p->spawned };

	if (memcmp(&p->spawned, &p->initial, sizeof(p->spawned)) != 0)
		put_text(ps, &plain, SCOPE_PS_INITIAL_CALL, "spawned_as", out);
}

static void put_value(struct scope_ps *ps, const struct scope_snap_proc *p,
		      enum scope_ps_key key, FILE *out)
{
	const struct scope_ps_field *f = &scope_ps_fields[key];

	switch (key) {
	case SCOPE_PS_WHAT:
		break;
	case SCOPE_PS_LINKS:
		put_peers(ps, f->name, &p->links, out);
		break;
	case SCOPE_PS_MONITORS:
		put_peers(ps, f->name, &p->monitors, out);
		break;
	case SCOPE_PS_MONITORED_BY:
		put_peers(ps, f->name, &p->monitored_by, out);
		break;
	case SCOPE_PS_ANCESTORS:
		put_terms(ps, f->name, &p->ancestors, out);
		break;
	case SCOPE_PS_CALLERS:
		put_terms(ps, f->name, &p->callers, out);
		break;
	case SCOPE_PS_CURRENT_FUNCTION:
		put_text(ps, p, key, is_stale(p, key) ? "last_function" : f->name,
			 out);
		break;
	case SCOPE_PS_INITIAL_CALL:
		put_text(ps, p, key, f->name, out);
		put_spawned(ps, p, out);
		break;
	case SCOPE_PS_SCHEDULER:
		if (p->scheduler)
			fprintf(out, ",\"%s\":%" PRIu32, f->name, p->scheduler);
		break;
	default:
		if (f->is_number)
			fprintf(out, ",\"%s\":%" PRIu64, f->name,
				scope_ps_number(p, key));
		else
			put_text(ps, p, key, f->name, out);
		break;
	}
}

static void put_lacks(const struct scope_snap_proc *p, FILE *out)
{
	static const char *const names[] = { "initial_call", "memory",
					     "links",	     "monitors",
					     "binaries",     "label",
					     "ancestors" };
	const char *sep = "";

	if (!p->lacks)
		return;
	fputs(",\"partial\":[", out);
	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!(p->lacks & 1u << i))
			continue;
		fprintf(out, "%s\"%s\"", sep, names[i]);
		sep = ",";
	}
	fputc(']', out);
}

void scope_ps_print_json(struct scope_ps *ps, const struct scope_snap_proc *p,
			 const enum scope_ps_key *keys, size_t nkeys, FILE *out)
{
	fputc('{', out);
	put_text(ps, p, SCOPE_PS_PID, "pid", out);
	if (!keys)
		for (int k = SCOPE_PS_PID + 1; k < SCOPE_PS_KEYS; k++)
			put_value(ps, p, (enum scope_ps_key)k, out);
	for (size_t i = 0; keys && i < nkeys; i++)
		if (keys[i] != SCOPE_PS_PID)
			put_value(ps, p, keys[i], out);
	if (p->sensitive)
		fputs(",\"sensitive\":true", out);
	put_lacks(p, out);
	if (p->torn)
		fputs(",\"torn\":true", out);
	fputc('}', out);
}
