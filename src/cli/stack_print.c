/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cli/ps.h"
#include "cli/stack.h"
#include "export/json.h"

/* Frames that repeat are told once, with how often: so many of them in a row,
 * at most, are taken for one period. */
#define PERIOD_MAX 8
/* A process that runs between the looks at it is looked at again. */
#define TRIES 4

static struct scope_buf scratch(struct scope_stack_printer *p)
{
	return scope_buf_of(p->scratch, sizeof(p->scratch));
}

/* What is in a buffer as it is, or as a JSON string. Text of a node may hold
 * anything: nothing that moves a terminal's cursor is let through. */
void scope_stack_put(struct scope_stack_printer *p, const struct scope_buf *b,
		     FILE *out)
{
	size_t len;

	if (p->conf->wants_json) {
		/* Six bytes for one, at most. */
		static char text[6 * 65536 + 2];
		struct scope_buf to = scope_buf_of(text, sizeof(text));

		scope_json_string(&to, b->p, b->len);
		(void)fwrite(to.p, 1, to.len, out);
		return;
	}
	len = b->len;
	(void)scope_ps_clean(b->p, &len);
	(void)fwrite(b->p, 1, len, out);
}

static void put_key(struct scope_stack_printer *p, const char *key,
		    const struct scope_buf *b, FILE *out)
{
	fprintf(out, ",\"%s\":", key);
	scope_stack_put(p, b, out);
}

/* -- terms ----------------------------------------------------------------- */

static int read_block(void *arg, uint64_t addr, void *buf, size_t len)
{
	struct scope_stack_block *b = arg;

	if (addr < b->from || addr >= b->to || len > b->to - addr)
		return scope_target_read(b->t, addr, buf, len);
	if (!b->has_read)
		b->is_read = scope_target_read(b->t, b->from, b->bytes,
					       b->to - b->from) == 0;
	b->has_read = true;
	if (!b->is_read)
		return scope_target_read(b->t, addr, buf, len);
	memcpy(buf, b->bytes + (addr - b->from), len);
	return 0;
}

static void begin_block(struct scope_stack_printer *p,
			const struct scope_stack *s)
{
	struct scope_stack_block *b = &p->block;

	b->t = p->t;
	b->has_read = b->is_read = false;
	b->from = b->to = 0;
	if (s->heap < s->hend && s->hend - s->heap <= sizeof(b->bytes)) {
		b->from = s->heap;
		b->to = s->hend;
	}
}

/* As if it were the contents of an event, so that the same rules hold. */
static uint64_t redact(struct scope_stack_printer *p, uint64_t term,
		       struct scope_image *image)
{
	struct scope_event ev = { .kind = SCOPE_KIND_PROC_INFO,
				  .image = *image };
	const struct scope_event *to;

	scope_event_add(&ev, SCOPE_FIELD_ARGS)->term = term;
	to = scope_redact_event(p->redact, scope_target_vm(p->t), &ev);
	*image = to->image;
	return to->nfields ? to->fields[0].term : SCOPE_WORD_REDACTED;
}

static void put_term(struct scope_stack_printer *p, uint64_t term,
		     struct scope_buf *out)
{
	struct scope_vm *vm = scope_target_vm(p->t), through;
	struct scope_image image;

	if (SCOPE_TAG(term) == SCOPE_TAG_HEADER) {
		scope_buf_char(out, '?');
		return;
	}
	/* The place that an exception goes to, kept on the stack. */
	if ((term & 0x3f) == 0x1b) {
		scope_buf_lit(out, "catch");
		return;
	}
	through = *vm;
	through.read = read_block;
	through.arg = &p->block;
	(void)scope_copy_term(&through, term, p->conf->term_words, &p->copy);
	image = p->copy.image;
	if (p->redact)
		term = redact(p, term, &image);
	(void)scope_term_put(vm, &image, term, p->conf->syntax, out);
}

static void put_registers(struct scope_stack_printer *p,
			  const struct scope_stack *s,
			  const struct scope_stack_frame *f, FILE *out)
{
	if (!p->conf->term_words || (!f->ny && !p->conf->wants_json))
		return;
	if (p->conf->wants_json)
		fputs(",\"y\":[", out);
	for (uint32_t i = 0; i < f->ny; i++) {
		struct scope_buf b = scratch(p);

		put_term(p, s->words[f->y + i], &b);
		if (p->conf->wants_json)
			fputs(i ? "," : "", out);
		else
			fprintf(out, "      y(%" PRIu32 ") ", i);
		scope_stack_put(p, &b, out);
		if (!p->conf->wants_json)
			fputc('\n', out);
	}
	if (p->conf->wants_json)
		fputc(']', out);
}

/* -- frames ---------------------------------------------------------------- */

static int find(struct scope_stack_printer *p,
		const struct scope_stack_frame *f, struct scope_named *ret)
{
	return f->is_return ? scope_naming_return(p->naming, f->addr, ret) :
			      scope_naming_find(p->naming, f->addr, ret);
}

/* Where a process stopped for the runtime's own reasons, to go on with a
 * function that it has not begun: Process.current. */
static bool put_current(struct scope_stack_printer *p,
			const struct scope_stack *s, struct scope_buf *out)
{
	struct scope_vm *vm = scope_target_vm(p->t);
	uint64_t w[3];

	if (!s->current ||
	    scope_target_read(p->t, s->current, w, sizeof(w)) < 0 ||
	    !scope_is_atom(w[0]) || !scope_is_atom(w[1]) || w[2] > 255)
		return false;
	scope_term_put_atom_raw(vm, w[0], out);
	scope_buf_char(out, ':');
	scope_term_put_atom_raw(vm, w[1], out);
	scope_buf_char(out, '/');
	scope_buf_u64(out, w[2]);
	return true;
}

static void put_file(struct scope_stack_printer *p, const struct scope_named *n,
		     FILE *out)
{
	struct scope_buf b = scratch(p);

	if (!n->line)
		return;
	if (n->file)
		scope_buf_put(&b, n->file, n->file_len);
	if (p->conf->wants_json) {
		if (n->file)
			put_key(p, "file", &b, out);
		fprintf(out, ",\"line\":%" PRIu32, n->line);
		return;
	}
	fputs(" (", out);
	if (n->file)
		scope_stack_put(p, &b, out);
	else
		fputs("line", out);
	fprintf(out, ":%" PRIu32 ")", n->line);
}

/* A frame's place: an Erlang function, or code that is none. */
static void put_place(struct scope_stack_printer *p,
		      const struct scope_stack *s,
		      const struct scope_stack_frame *f, FILE *out)
{
	struct scope_named n = { 0 };
	struct scope_buf b = scratch(p);
	bool is_known = find(p, f, &n) == 0;
	const char *key = "mfa";
	bool is_current = false;

	if (is_known && n.kind == SCOPE_NAMED_FUNCTION) {
		scope_named_put(p->naming, &n, &b);
	} else if (f == s->frames && put_current(p, s, &b)) {
		is_current = true;
		n.line = 0;
	} else if (is_known) {
		key = "code";
		scope_named_put(p->naming, &n, &b);
	} else {
		key = "code";
		scope_buf_lit(&b, "0x");
		scope_buf_hex(&b, f->addr);
	}
	if (p->conf->wants_json)
		fprintf(out, "\"%s\":", key);
	scope_stack_put(p, &b, out);
	if (is_current && p->conf->wants_json)
		fputs(",\"from\":\"current\"", out);
	put_file(p, &n, out);
}

/* How many of the frames from `at` on are those before it again, and after how
 * many of them that begins: a recursion. */
static size_t repeats(const struct scope_stack *s, size_t at, size_t *ret_period)
{
	for (size_t period = 1; period <= PERIOD_MAX; period++) {
		size_t n = 0;

		while (at + period + n < s->nframes &&
		       s->frames[at + period + n].is_return &&
		       s->frames[at + n].is_return &&
		       s->frames[at + period + n].addr ==
			       s->frames[at + n].addr)
			n++;
		n -= n % period;
		if (n >= 2 * period) {
			*ret_period = period;
			return n;
		}
	}
	return 0;
}

static void print_text(struct scope_stack_printer *p,
		       const struct scope_stack *s, FILE *out)
{
	size_t i = 0, period = 1, n;

	while (i < s->nframes) {
		const struct scope_stack_frame *f = &s->frames[i];

		n = repeats(s, i, &period);
		for (size_t k = 0; k < (n ? period : 1); k++, i++, f++) {
			if (f->is_own)
				continue;
			fputs("    ", out);
			put_place(p, s, f, out);
			fputc('\n', out);
			put_registers(p, s, f, out);
		}
		if (n)
			fprintf(out,
				"    … the same %s%zu times more, %zu frames\n",
				period == 1 ? "" : "frames ", n / period, n);
		i += n;
	}
	if (s->is_cut)
		fprintf(out, "    … cut: the stack has %zu words in all\n",
			s->words_all);
}

static void print_frames(struct scope_stack_printer *p,
			 const struct scope_stack *s, FILE *out)
{
	bool is_first = true;

	for (size_t i = 0; i < s->nframes; i++) {
		const struct scope_stack_frame *f = &s->frames[i];

		if (f->is_own)
			continue;
		fputs(is_first ? "{" : ",{", out);
		put_place(p, s, f, out);
		put_registers(p, s, f, out);
		fputc('}', out);
		is_first = false;
	}
}

/* -- a process ------------------------------------------------------------- */

static void put_mfa(struct scope_stack_printer *p, const struct scope_mfa *m,
		    struct scope_buf *out)
{
	struct scope_vm *vm = scope_target_vm(p->t);

	scope_term_put_atom_raw(vm, m->module, out);
	scope_buf_char(out, ':');
	scope_term_put_atom_raw(vm, m->function, out);
	scope_buf_char(out, '/');
	scope_buf_u64(out, m->arity);
}

/* The C functions that a thread is in, the innermost first. */
void scope_stack_put_native(struct scope_stack_printer *p,
			    const struct scope_running *run, FILE *out)
{
	if (p->conf->wants_json)
		fputs(",\"native\":[", out);
	for (unsigned i = 0; i < run->nnative; i++) {
		struct scope_buf b = scratch(p);

		if (scope_runner_name(p->runner, &run->native[i], &b) < 0) {
			scope_buf_lit(&b, "0x");
			scope_buf_hex(&b, run->native[i].pc);
		}
		fputs(!p->conf->wants_json ? "    C " : i ? "," : "", out);
		scope_stack_put(p, &b, out);
		if (!p->conf->wants_json)
			fputc('\n', out);
	}
	if (p->conf->wants_json)
		fputc(']', out);
}

/* Of a process that runs, but not where it is now. */
static bool is_old(const struct scope_stack *s, const struct scope_running *run)
{
	enum scope_snap_status status = scope_snap_status_of(s->state);

	return run ? run->from == SCOPE_E_OLD :
		     status == SCOPE_SNAP_RUNNING || status == SCOPE_SNAP_GC;
}

static void print_head(struct scope_stack_printer *p,
		       const struct scope_proc *proc,
		       const struct scope_stack *s,
		       const struct scope_running *run, FILE *out)
{
	struct scope_vm *vm = scope_target_vm(p->t);
	const bool json = p->conf->wants_json;
	struct scope_buf b = scratch(p);

	scope_vm_put_pid(vm, proc->pid, &b);
	fputs(json ? "{\"pid\":" : "", out);
	scope_stack_put(p, &b, out);
	if (proc->name) {
		b = scratch(p);
		scope_term_put_atom_raw(vm, proc->name, &b);
		fputs(json ? ",\"name\":" : " ", out);
		scope_stack_put(p, &b, out);
	}
	if (proc->initial.module) {
		b = scratch(p);
		put_mfa(p, &proc->initial, &b);
		fputs(json ? ",\"initial_call\":" : "  ", out);
		scope_stack_put(p, &b, out);
	}
	fprintf(out, json ? ",\"state\":\"%s\"" : "  %s",
		scope_snap_status_name(scope_snap_status_of(s->state)));
	if (run)
		fprintf(out, json ? ",\"scheduler\":%u" : " on scheduler %u",
			run->thread.number);
	if (json)
		return;
	if (is_old(s, run))
		fputs("  (its stack as it stored it last)", out);
	else if (s->is_torn && !run)
		fputs("  (it changed while it was read)", out);
}

void scope_stack_print(struct scope_stack_printer *p,
		       const struct scope_proc *proc,
		       const struct scope_stack *s,
		       const struct scope_running *run, FILE *out)
{
	print_head(p, proc, s, run, out);
	if (!p->conf->wants_json) {
		fputc('\n', out);
		if (run)
			scope_stack_put_native(p, run, out);
		print_text(p, s, out);
		return;
	}
	if (run && run->nnative)
		scope_stack_put_native(p, run, out);
	fputs(",\"frames\":[", out);
	print_frames(p, s, out);
	fprintf(out,
		"],\"stack_words\":%zu,\"truncated\":%s,\"complete\":%s,"
		"\"torn\":%s",
		s->words_all, s->is_cut ? "true" : "false",
		s->is_whole ? "true" : "false", s->is_torn ? "true" : "false");
	if (is_old(s, run))
		fputs(",\"old\":true", out);
	fputs("}\n", out);
}

int scope_stack_show(struct scope_stack_printer *p,
		     const struct scope_proc *proc,
		     const struct scope_running *run, FILE *to)
{
	struct scope_stack_opts how = { .frames = p->conf->depth };
	struct scope_running old;
	int r = 0;

	if (run && run->from != SCOPE_E_OLD && run->from != SCOPE_E_NONE) {
		how.e = run->e;
		how.pc = run->pc;
		how.pc_is_return = run->pc_is_return;
		how.copy = run->copy;
		how.copied = run->copied;
	}
	for (int i = 0; r != -ENOMEM && r != -ESRCH && i < TRIES; i++) {
		scope_autofree char *text = NULL;
		struct scope_stack s = { 0 };
		size_t len = 0;
		FILE *out;
		bool is_good;

		r = scope_stack_read(p->t, p->naming, proc, &how, &s);
		/* What does not end as stacks do, or has words that no stack
		 * has, is none (any more): then there is the one stored. */
		if (how.e && (r < 0 || s.odd || !(s.is_whole || s.is_cut))) {
			old = *run;
			old.from = SCOPE_E_OLD;
			run = &old;
			how = (struct scope_stack_opts){
				.frames = p->conf->depth
			};
			scope_stack_done(&s);
			r = scope_stack_read(p->t, p->naming, proc, &how, &s);
		}
		if (r < 0)
			continue;
		out = open_memstream(&text, &len);
		if (out) {
			s.is_torn |= i + 1 == TRIES;
			begin_block(p, &s);
			scope_stack_print(p, proc, &s, run, out);
		}
		if (!out || fclose(out) != 0)
			r = -ENOMEM;
		is_good = s.is_torn || scope_stack_same(p->t, &s);
		scope_stack_done(&s);
		if (r == 0 && is_good) {
			(void)fwrite(text, 1, len, to);
			break;
		}
	}
	/* One that has ended meanwhile is left out. */
	return r == -ENOMEM ? r : 0;
}
