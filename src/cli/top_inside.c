/* SPDX-License-Identifier: MIT */
#include "cli/top_inside.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "target/contents.h"

#define TERM_WORDS 128u
/* What changed while it was read is read again. */
#define TRIES 3

struct list {
	struct scope_inside *in;
	enum scope_field_key key; /* as which it is redacted */
	uint64_t name;		  /* of the process */
	FILE *out;
	size_t n;
	struct scope_copy copy;
};

static void put_line(const char *s, size_t len, FILE *out)
{
	for (size_t i = 0; i < len; i++)
		fputc(s[i] == '\n' ? ' ' : s[i], out);
}

/* -- fields ------------------------------------------------------------------- */

static void put_field(struct scope_inside *in, const struct scope_snap_proc *p,
		      enum scope_ps_key key, FILE *out)
{
	struct scope_buf b = scope_buf_of(in->ps.text, sizeof(in->ps.text));

	scope_ps_put(&in->ps, p, key, &b);
	if (!b.len)
		return;
	fprintf(out, "  %-17s ", scope_ps_fields[key].name);
	put_line(b.p, b.len, out);
	fputc('\n', out);
}

static void put_fields(struct scope_inside *in, const struct scope_snap_proc *p,
		       FILE *out)
{
	static const enum scope_ps_key keys[] = {
		SCOPE_PS_NAME,	      SCOPE_PS_LABEL,
		SCOPE_PS_INITIAL_CALL, SCOPE_PS_STATE,
		SCOPE_PS_CURRENT_FUNCTION, SCOPE_PS_MAILBOX,
		SCOPE_PS_REDUCTIONS,  SCOPE_PS_MEMORY,
		SCOPE_PS_TOTAL_HEAP_WORDS, SCOPE_PS_HEAP_WORDS,
		SCOPE_PS_STACK_WORDS, SCOPE_PS_BINARIES,
		SCOPE_PS_BINARY_BYTES, SCOPE_PS_PARENT,
		SCOPE_PS_GROUP_LEADER, SCOPE_PS_ANCESTORS,
		SCOPE_PS_CALLERS,
	};
	struct scope_buf b = scope_buf_of(in->ps.text, sizeof(in->ps.text));

	scope_ps_put(&in->ps, p, SCOPE_PS_PID, &b);
	fprintf(out, "process %.*s%s\n", (int)b.len, b.p,
		p->torn ? " (it changed while it was read)" : "");
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		put_field(in, p, keys[i], out);
}

static void put_peers(struct scope_inside *in, const char *title,
		      const struct scope_snap_range *r, FILE *out)
{
	fprintf(out, "%s: %" PRIu32 "\n", title, r->n);
	for (size_t i = 0; i < r->n && i < SCOPE_INSIDE_LIST; i++) {
		const struct scope_snap_peer *p =
			scope_snapshot_peer(in->ps.s, r, i);
		struct scope_image image =
			scope_snapshot_image(in->ps.s, &p->to);
		struct scope_buf b =
			scope_buf_of(in->ps.text, sizeof(in->ps.text));

		if (p->what == SCOPE_SNAP_RESOURCE)
			scope_buf_lit(&b, "a resource of a NIF");
		else
			(void)scope_term_put(in->ps.vm, &image, p->to.word,
					     in->ps.syntax, &b);
		if (p->node) {
			scope_buf_char(&b, '@');
			scope_term_put_atom_raw(in->ps.vm, p->node, &b);
		}
		fputs("  ", out);
		put_line(b.p, b.len, out);
		fputc('\n', out);
	}
	if (r->n > SCOPE_INSIDE_LIST)
		fputs("  …\n", out);
}

/* -- terms ---------------------------------------------------------------------- */

/* As if it were a field of an event, so that the same rules hold. */
static void put_term(struct list *l, uint64_t term, enum scope_field_key key,
		     struct scope_buf *out)
{
	struct scope_event ev = { .kind = SCOPE_KIND_MSG_RECEIVE,
				  .name = l->name };
	const struct scope_event *to = &ev;

	(void)scope_copy_term(l->in->ps.vm, term, TERM_WORDS, &l->copy);
	ev.image = l->copy.image;
	scope_event_add(&ev, key)->term = term;
	if (l->in->ps.redact)
		to = scope_redact_event(l->in->ps.redact, l->in->ps.vm, &ev);
	(void)scope_term_put(l->in->ps.vm, &to->image,
			     to->nfields ? to->fields[0].term :
					   SCOPE_WORD_REDACTED,
			     l->in->ps.syntax, out);
}

static int put_message(void *arg, uint64_t term, uint64_t from)
{
	struct list *l = arg;
	struct scope_buf b =
		scope_buf_of(l->in->ps.text, sizeof(l->in->ps.text));

	l->n++;
	if (term)
		put_term(l, term, SCOPE_FIELD_MSG, &b);
	else
		scope_buf_lit(&b, "(from another node, not decoded yet)");
	fputs("  ", l->out);
	if (scope_is_pid(from)) {
		char pid[64];
		struct scope_buf p = scope_buf_of(pid, sizeof(pid));

		scope_vm_put_pid(l->in->ps.vm, from, &p);
		fprintf(l->out, "from %s: ", scope_buf_str(&p));
	}
	put_line(b.p, b.len, l->out);
	fputc('\n', l->out);
	return 0;
}

/* Rules may be about the pair, as about one in a property list: so a pair is
 * made of it, in the image. */
static int put_pair(void *arg, uint64_t key, uint64_t value)
{
	struct list *l = arg;
	uint64_t words[3] = { 2ull << 6, key, value };
	struct scope_event ev = { .kind = SCOPE_KIND_PROC_INFO,
				  .name = l->name };
	const struct scope_event *to = &ev;
	struct scope_buf b =
		scope_buf_of(l->in->ps.text, sizeof(l->in->ps.text));
	/* No address of a node's: the first page is nobody's. */
	const uint64_t at = 64;

	l->n++;
	(void)scope_copy_term(l->in->ps.vm, key, TERM_WORDS, &l->copy);
	(void)scope_copy_more(l->in->ps.vm, value, TERM_WORDS, &l->copy);
	if (l->copy.image.nwords + 3 > SCOPE_WORDS_MAX ||
	    l->copy.image.nsegs == SCOPE_SEGS_MAX) {
		scope_buf_lit(&b, "...");
	} else {
		l->copy.segs[l->copy.image.nsegs++] = SCOPE_SEG(at, 3);
		memcpy(l->copy.words + l->copy.image.nwords, words,
		       sizeof(words));
		l->copy.image.nwords += 3;
		ev.image = l->copy.image;
		scope_event_add(&ev, SCOPE_FIELD_ARGS)->term =
			at | SCOPE_TAG_BOXED;
		if (l->in->ps.redact)
			to = scope_redact_event(l->in->ps.redact, l->in->ps.vm,
						&ev);
		(void)scope_term_put(l->in->ps.vm, &to->image,
				     to->nfields ? to->fields[0].term :
						   SCOPE_WORD_REDACTED,
				     l->in->ps.syntax, &b);
	}
	fputs("  ", l->out);
	put_line(b.p, b.len, l->out);
	fputc('\n', l->out);
	return 0;
}

/* The dictionary or the mailbox, once; *ret_text is the caller's. */
static int list_once(struct scope_inside *in, const struct scope_snap_proc *p,
		     bool is_mailbox, char **ret_text, bool *ret_changed)
{
	struct list *l = calloc(1, sizeof(*l));
	struct scope_contents c;
	size_t len = 0;
	int r = l ? scope_contents_of(in->ps.vm, p->pid, p->addr, &c) :
		    -ENOMEM;

	*ret_changed = true;
	if (r == 0) {
		l->in = in;
		l->name = p->name;
		l->out = open_memstream(ret_text, &len);
		r = l->out ? 0 : -ENOMEM;
	}
	if (r == 0) {
		r = is_mailbox ? scope_contents_messages(&c, SCOPE_INSIDE_LIST,
							 put_message, l) :
				 scope_contents_pairs(&c, SCOPE_INSIDE_LIST,
						      put_pair, l);
		*ret_changed = scope_contents_changed(&c);
		if (fclose(l->out) != 0 && r == 0)
			r = -ENOMEM;
	}
	free(l);
	return r;
}

static int put_list(struct scope_inside *in, const struct scope_snap_proc *p,
		    const char *title, uint64_t count, bool is_mailbox,
		    FILE *out)
{
	scope_autofree char *text = NULL;
	bool changed = true;
	int r = 0;

	for (unsigned i = 0; changed && i < TRIES; i++) {
		free(text);
		text = NULL;
		r = p->sensitive ? 0 :
				   list_once(in, p, is_mailbox, &text,
					     &changed);
		if (r < 0 || p->sensitive)
			break;
	}
	fprintf(out, "%s: %" PRIu64 "%s\n", title, count,
		p->sensitive ? " (the process is sensitive)" :
		changed	     ? " (it changed while it was read)" :
			       "");
	if (text)
		fputs(text, out);
	if (count > SCOPE_INSIDE_LIST)
		fputs("  …\n", out);
	return r == -ENOMEM || r == -EOWNERDEAD ? r : 0;
}

/* -- the stack ----------------------------------------------------------------------- */

/* Where one that runs is is known from the thread that runs it, if that still
 * does. */
static bool look_at_thread(struct scope_inside *in,
			   const struct scope_proc *proc,
			   struct scope_running *ret)
{
	struct scope_scheduler_thread thread;

	return in->printer.runner &&
	       scope_snap_status_of(proc->state) == SCOPE_SNAP_RUNNING &&
	       scope_runner_of(in->printer.runner, proc->addr, &thread) == 0 &&
	       scope_runner_look(in->printer.runner, &thread, ret) == 0 &&
	       ret->process == proc->addr && ret->pid == proc->pid;
}

static int put_stack(struct scope_inside *in, const struct scope_snap_proc *p,
		     FILE *out)
{
	struct scope_running run;
	struct scope_proc proc;

	fputs("stack\n", out);
	if (!in->ps.naming || scope_target_proc(in->t, p->pid, &proc) < 0) {
		fputs("  it can't be read\n", out);
		return 0;
	}
	return scope_stack_show(&in->printer, &proc,
				look_at_thread(in, &proc, &run) ? &run : NULL,
				out);
}

static int put_all(struct scope_inside *in, const struct scope_snap_proc *p,
		   FILE *out)
{
	int r;

	put_fields(in, p, out);
	put_peers(in, "links", &p->links, out);
	put_peers(in, "monitors", &p->monitors, out);
	put_peers(in, "monitored by", &p->monitored_by, out);
	r = put_list(in, p, "mailbox", p->mailbox, true, out);
	if (r == 0)
		r = put_list(in, p, "dictionary", p->dictionary_entries, false,
			     out);
	return r == 0 ? put_stack(in, p, out) : r;
}

int scope_inside_look(struct scope_inside *in, uint64_t pid,
		      struct scope_err *err)
{
	const struct scope_snapshot_opts how = {
		.wants = SCOPE_SNAP_ALL,
		.pids = &pid,
		.npids = 1,
	};
	scope_auto(scope_snapshot) s = NULL;
	const struct scope_snap_proc *p;
	size_t len = 0;
	char *text = NULL;
	FILE *out;
	int r = scope_snapshot_take(in->t, &how, &s, err);

	if (r < 0)
		return r;
	out = open_memstream(&text, &len);
	if (!out)
		return -ENOMEM;
	in->ps.s = s;
	p = scope_snapshot_find(s, pid);
	if (p)
		r = put_all(in, p, out);
	else
		fputs("the process has ended\n", out);
	in->ps.s = NULL;
	if (fclose(out) != 0 && r == 0)
		r = -ENOMEM;
	if (r < 0) {
		free(text);
		return r;
	}
	free(in->text);
	in->text = text;
	return 0;
}

void scope_inside_done(struct scope_inside *in)
{
	free(in->text);
	in->text = NULL;
}
