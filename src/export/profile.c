/* SPDX-License-Identifier: MIT */
#include "export/profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/utf8.h"
#include "export/profile_int.h"

/* Texts are kept as offsets: the block moves when it grows. */
struct span {
	uint32_t at, len; /* at UINT32_MAX: none */
};

struct frame {
	struct span name, file;
	uint32_t line, function, next;
	uint8_t kind;
};

struct proc {
	struct span pid, name, initial;
	uint32_t next;
};

struct scope_profile {
	char *text; /* owned */
	size_t ntext, text_cap;
	struct frame *frames; /* owned */
	size_t nframes, frames_cap;
	struct proc *procs; /* owned */
	size_t nprocs, procs_cap;
	struct scope_profile_stack *stacks; /* owned */
	size_t nstacks, stacks_cap;
	uint32_t *lists; /* owned: frames of all stacks */
	size_t nlists, lists_cap;
	struct scope_map *by_frame, *by_proc, *by_stack; /* hash to first */
};

struct scope_profile *scope_profile_new(void)
{
	struct scope_profile *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->by_frame = scope_map_new(SCOPE_PROFILE_FRAMES);
	p->by_proc = scope_map_new(SCOPE_PROFILE_PROCS);
	p->by_stack = scope_map_new(SCOPE_PROFILE_STACKS);
	if (!p->by_frame || !p->by_proc || !p->by_stack) {
		scope_profile_free(p);
		return NULL;
	}
	return p;
}

void scope_profile_free(struct scope_profile *p)
{
	if (!p)
		return;
	free(p->text);
	free(p->frames);
	free(p->procs);
	free(p->stacks);
	free(p->lists);
	scope_map_free(p->by_frame);
	scope_map_free(p->by_proc);
	scope_map_free(p->by_stack);
	free(p);
}

/* Room for `more` elements; false: a limit, or no memory. */
static bool grow(void **array, size_t n, size_t more, size_t *cap, size_t each,
		 size_t max)
{
	size_t want = *cap ? *cap : 256;
	void *to;

	if (more > max || n > max - more)
		return false;
	if (n + more <= *cap)
		return true;
	while (want < n + more)
		want *= 2;
	to = realloc(*array, want * each);
	if (!to)
		return false;
	*array = to;
	*cap = want;
	return true;
}

int scope_text_cmp(struct scope_text a, struct scope_text b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int r = a.p && b.p && n ? memcmp(a.p, b.p, n) : 0;

	return r ? r : (a.len > b.len) - (a.len < b.len);
}

/* FNV-1a; never 0, which the map does not take. */
static uint64_t hash(uint64_t h, const void *data, size_t len)
{
	const uint8_t *b = data;

	for (size_t i = 0; i < len; i++)
		h = (h ^ b[i]) * 0x100000001b3ull;
	return h ? h : 1;
}

#define HASH 0xcbf29ce484222325ull

static struct scope_text text_of(const struct scope_profile *p, struct span s)
{
	if (s.at == UINT32_MAX)
		return (struct scope_text){ NULL, 0 };
	return (struct scope_text){ p->text + s.at, s.len };
}

static bool is_text(const struct scope_profile *p, struct span s,
		    struct scope_text t)
{
	struct scope_text was = text_of(p, s);

	return !was.p == !t.p && was.len == t.len &&
	       (!t.len || !memcmp(was.p, t.p, t.len));
}

static bool keep_text(struct scope_profile *p, struct scope_text t,
		      struct span *ret)
{
	*ret = (struct span){ UINT32_MAX, 0 };
	if (!t.p)
		return true;
	if (!grow((void **)&p->text, p->ntext, t.len, &p->text_cap, 1,
		  SCOPE_PROFILE_BYTES))
		return false;
	*ret = (struct span){ (uint32_t)p->ntext, (uint32_t)t.len };
	if (t.len)
		memcpy(p->text + p->ntext, t.p, t.len);
	p->ntext += t.len;
	return true;
}

/* -- frames ------------------------------------------------------------------- */

static uint64_t hash_frame(const struct scope_frame *f)
{
	uint64_t h = hash(HASH, f->name.p, f->name.len);

	h = hash(h, &f->kind, sizeof(f->kind));
	h = hash(h, f->file.p, f->file.len);
	return hash(h, &f->line, sizeof(f->line));
}

static uint32_t add_frame(struct scope_profile *p, const struct scope_frame *f,
			  uint32_t next)
{
	struct frame new = { .line = f->line,
			     .kind = (uint8_t)f->kind,
			     .next = next };

	if (!grow((void **)&p->frames, p->nframes, 1, &p->frames_cap,
		  sizeof(*p->frames), SCOPE_PROFILE_FRAMES) ||
	    !keep_text(p, f->name, &new.name) ||
	    !keep_text(p, f->file, &new.file))
		return SCOPE_PROFILE_NONE;
	new.function = (uint32_t)p->nframes;
	p->frames[p->nframes] = new;
	return (uint32_t)p->nframes++;
}

static uint32_t find_frame(struct scope_profile *p, const struct scope_frame *f)
{
	uint64_t h = hash_frame(f), first = SCOPE_PROFILE_NONE;
	uint32_t at;

	(void)scope_map_get(p->by_frame, h, &first);
	for (at = (uint32_t)first; at != SCOPE_PROFILE_NONE;
	     at = p->frames[at].next) {
		const struct frame *k = &p->frames[at];

		if (k->kind == (uint8_t)f->kind && k->line == f->line &&
		    is_text(p, k->name, f->name) &&
		    is_text(p, k->file, f->file))
			return at;
	}
	at = add_frame(p, f, (uint32_t)first);
	if (at != SCOPE_PROFILE_NONE && scope_map_put(p->by_frame, h, at) < 0) {
		p->nframes--;
		return SCOPE_PROFILE_NONE;
	}
	return at;
}

uint32_t scope_profile_frame(struct scope_profile *p,
			     const struct scope_frame *f)
{
	/* The function: without a line. */
	struct scope_frame bare = { .kind = f->kind, .name = f->name };
	uint32_t function = find_frame(p, &bare), at;

	if (function == SCOPE_PROFILE_NONE || (!f->line && !f->file.p))
		return function;
	at = find_frame(p, f);
	if (at != SCOPE_PROFILE_NONE)
		p->frames[at].function = function;
	return at;
}

struct scope_frame scope_profile_get_frame(const struct scope_profile *p,
					   uint32_t frame)
{
	const struct frame *f = &p->frames[frame];

	return (struct scope_frame){
		.kind = (enum scope_frame_kind)f->kind,
		.name = text_of(p, f->name),
		.file = text_of(p, f->file),
		.line = f->line,
		.function = f->function,
	};
}

/* -- processes ----------------------------------------------------------------- */

uint32_t scope_profile_proc(struct scope_profile *p,
			    const struct scope_profile_proc *proc)
{
	uint64_t h = hash(HASH, proc->pid.p, proc->pid.len);
	uint64_t first = SCOPE_PROFILE_NONE;
	struct proc new = { 0 };
	uint32_t at;

	h = hash(h, proc->name.p, proc->name.len);
	h = hash(h, proc->initial.p, proc->initial.len);
	(void)scope_map_get(p->by_proc, h, &first);
	for (at = (uint32_t)first; at != SCOPE_PROFILE_NONE;
	     at = p->procs[at].next)
		if (is_text(p, p->procs[at].pid, proc->pid) &&
		    is_text(p, p->procs[at].name, proc->name) &&
		    is_text(p, p->procs[at].initial, proc->initial))
			return at;
	new.next = (uint32_t)first;
	if (!grow((void **)&p->procs, p->nprocs, 1, &p->procs_cap,
		  sizeof(*p->procs), SCOPE_PROFILE_PROCS) ||
	    !keep_text(p, proc->pid, &new.pid) ||
	    !keep_text(p, proc->name, &new.name) ||
	    !keep_text(p, proc->initial, &new.initial) ||
	    scope_map_put(p->by_proc, h, p->nprocs) < 0)
		return SCOPE_PROFILE_NONE;
	p->procs[p->nprocs] = new;
	return (uint32_t)p->nprocs++;
}

struct scope_profile_proc scope_profile_get_proc(const struct scope_profile *p,
						 uint32_t proc)
{
	const struct proc *k = &p->procs[proc];

	return (struct scope_profile_proc){ text_of(p, k->pid),
					    text_of(p, k->name),
					    text_of(p, k->initial) };
}

size_t scope_profile_frames(const struct scope_profile *p)
{
	return p->nframes;
}

size_t scope_profile_procs(const struct scope_profile *p)
{
	return p->nprocs;
}

struct scope_text scope_profile_proc_title(const struct scope_profile *p,
					   uint32_t proc)
{
	static const char none[] = "[no process]";
	struct scope_profile_proc k;

	if (proc == SCOPE_PROFILE_NONE)
		return (struct scope_text){ none, sizeof(none) - 1 };
	k = scope_profile_get_proc(p, proc);
	return k.name.len ? k.name : k.initial.len ? k.initial : k.pid;
}

/* -- stacks -------------------------------------------------------------------- */

int scope_profile_add(struct scope_profile *p, uint32_t proc,
		      const uint32_t *frames, size_t n, uint64_t count,
		      uint64_t ns)
{
	uint64_t h = hash(hash(HASH, &proc, sizeof(proc)), frames,
			  n * sizeof(*frames));
	uint64_t first = SCOPE_PROFILE_NONE;
	uint32_t at;

	(void)scope_map_get(p->by_stack, h, &first);
	for (at = (uint32_t)first; at != SCOPE_PROFILE_NONE;
	     at = p->stacks[at].next) {
		struct scope_profile_stack *s = &p->stacks[at];

		if (s->proc == proc && s->n == n &&
		    (!n || !memcmp(p->lists + s->at, frames,
				   n * sizeof(*frames)))) {
			s->count += count;
			s->ns += ns;
			return 0;
		}
	}
	if (!grow((void **)&p->stacks, p->nstacks, 1, &p->stacks_cap,
		  sizeof(*p->stacks), SCOPE_PROFILE_STACKS) ||
	    !grow((void **)&p->lists, p->nlists, n, &p->lists_cap,
		  sizeof(*p->lists), SCOPE_PROFILE_BYTES / sizeof(*p->lists)) ||
	    scope_map_put(p->by_stack, h, p->nstacks) < 0)
		return -ENOSPC;
	if (n)
		memcpy(p->lists + p->nlists, frames, n * sizeof(*frames));
	p->stacks[p->nstacks++] = (struct scope_profile_stack){
		.count = count,
		.ns = ns,
		.proc = proc,
		.n = (uint32_t)n,
		.at = (uint32_t)p->nlists,
		.next = (uint32_t)first,
	};
	p->nlists += n;
	return 0;
}

void scope_profile_clear(struct scope_profile *p)
{
	p->nstacks = p->nlists = 0;
	scope_map_clear(p->by_stack);
}

size_t scope_profile_stacks(const struct scope_profile *p)
{
	return p->nstacks;
}

const struct scope_profile_stack *
scope_profile_stack(const struct scope_profile *p, size_t i)
{
	return &p->stacks[i];
}

const uint32_t *scope_profile_stack_frames(const struct scope_profile *p,
					   const struct scope_profile_stack *s)
{
	return p->lists + s->at;
}

uint64_t scope_profile_count(const struct scope_profile *p)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < p->nstacks; i++)
		sum += p->stacks[i].count;
	return sum;
}

uint64_t scope_profile_ns(const struct scope_profile *p)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < p->nstacks; i++)
		sum += p->stacks[i].ns;
	return sum;
}

/* -- the table of functions ------------------------------------------------------ */

static int cmp_row(const void *a, const void *b, void *profile)
{
	const struct scope_profile_row *x = a, *y = b;
	struct scope_text s, t;

	if (x->self != y->self)
		return x->self < y->self ? 1 : -1;
	if (x->total != y->total)
		return x->total < y->total ? 1 : -1;
	s = scope_profile_get_frame(profile, x->frame).name;
	t = scope_profile_get_frame(profile, y->frame).name;
	return scope_text_cmp(s, t);
}

int scope_profile_rows(const struct scope_profile *p, bool by_ns,
		       struct scope_profile_row **ret_rows, size_t *ret_n)
{
	scope_autofree struct scope_profile_row *rows =
		calloc(p->nframes + 1, sizeof(*rows));
	/* The last stack that each function was counted for: recursion counts
	 * once. */
	scope_autofree uint32_t *seen = calloc(p->nframes + 1, sizeof(*seen));
	size_t n = 0;

	if (!rows || !seen)
		return -ENOMEM;
	for (size_t i = 0; i < p->nstacks; i++) {
		const struct scope_profile_stack *s = &p->stacks[i];
		uint64_t w = by_ns ? s->ns : s->count;

		for (uint32_t k = 0; k < s->n; k++) {
			uint32_t f = p->frames[p->lists[s->at + k]].function;

			if (k + 1 == s->n)
				rows[f].self += w;
			if (seen[f] != i + 1)
				rows[f].total += w;
			seen[f] = (uint32_t)i + 1;
		}
	}
	for (uint32_t f = 0; f < p->nframes; f++) {
		if (!rows[f].total)
			continue;
		rows[n] = rows[f];
		rows[n++].frame = f;
	}
	qsort_r(rows, n, sizeof(*rows), cmp_row, (void *)(uintptr_t)p);
	*ret_rows = scope_take(rows);
	*ret_n = n;
	return 0;
}

static int cmp_proc_row(const void *a, const void *b)
{
	const struct scope_profile_row *x = a, *y = b;

	if (x->total != y->total)
		return x->total < y->total ? 1 : -1;
	return x->frame < y->frame ? -1 : x->frame > y->frame;
}

int scope_profile_proc_rows(const struct scope_profile *p, bool by_ns,
			    struct scope_profile_row **ret_rows, size_t *ret_n)
{
	scope_autofree struct scope_profile_row *rows =
		calloc(p->nprocs + 1, sizeof(*rows));
	size_t n = 0;

	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < p->nstacks; i++) {
		const struct scope_profile_stack *s = &p->stacks[i];
		size_t at = s->proc == SCOPE_PROFILE_NONE ? p->nprocs : s->proc;

		rows[at].total += by_ns ? s->ns : s->count;
	}
	for (size_t i = 0; i <= p->nprocs; i++) {
		if (!rows[i].total)
			continue;
		rows[n++] = (struct scope_profile_row){
			.frame = i < p->nprocs ? (uint32_t)i :
						 SCOPE_PROFILE_NONE,
			.self = rows[i].total,
			.total = rows[i].total,
		};
	}
	qsort(rows, n, sizeof(*rows), cmp_proc_row);
	*ret_rows = scope_take(rows);
	*ret_n = n;
	return 0;
}

/* -- text ----------------------------------------------------------------------- */

void scope_profile_put_text(FILE *out, struct scope_text t,
			    const char *(*escape)(char c))
{
	for (size_t i = 0; i < t.len;) {
		uint32_t cp = 0;
		size_t n = scope_utf8_next(t.p + i, t.len - i, &cp);
		const char *as = n == 1 && escape ? escape(t.p[i]) : NULL;

		if (as)
			(void)fputs(as, out);
		else if (!n || cp < 32 || (cp >= 127 && cp < 160) ||
			 cp == 0xfffe || cp == 0xffff)
			(void)fputc('?', out);
		else
			(void)fwrite(t.p + i, 1, n, out);
		i += n ? n : 1;
	}
}
