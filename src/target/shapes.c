/* SPDX-License-Identifier: MIT */
#include "target/shapes.h"

#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "target/shapes_int.h"
#include "target/tsv.h"

#define FUNCTIONS_MAX 1024u
#define LINES_MAX 65536u
#define TEXT_MAX (4u << 20)
#define STEPS_MAX 16u
#define VOTES_MAX 32u

extern const char scope_shapes_text[], scope_shapes_text_end[];

struct step {
	uint32_t i, n;
};

/* A line of a function or variable. */
struct line {
	char kind; /* p, r, u */
	const char *anchor; /* "b:…"; of u the function's name */
	uint32_t i;
	uint64_t off; /* of u */
	struct step step[STEPS_MAX];
	unsigned nsteps;
	uint64_t at; /* of the anchor, once it is known */
	bool is_asked; /* it stays so */
};

struct shape {
	const char *name;
	bool is_function;
	uint64_t size, digest;
	uint32_t nrefs;
	size_t first, nlines; /* in `lines` */
	uint64_t by_digest;   /* where its digest is found; 0: nowhere */
	bool is_same;	      /* it was found by a digest of many bytes */
	bool is_disputed;     /* another's evidence leads to the same place */
	uint64_t vaddr;	      /* 0: not found */
};

struct scope_shapes {
	const struct scope_elf *elf; /* borrowed */
	const struct scope_shapes_opts *opts;
	char *text; /* owned; the names are in it */
	struct shape *shapes;
	size_t nshapes;
	struct line *lines;
	size_t nlines;
	struct scope_refs *refs; /* owned, until all was looked for */
};

void scope_shapes_free(struct scope_shapes *s)
{
	if (!s)
		return;
	scope_refs_free(s->refs);
	free(s->shapes);
	free(s->lines);
	free(s->text);
	free(s);
}

/* -- the table ----------------------------------------------------------------- */

static bool number(const char *s, int base, uint64_t max, uint64_t *ret)
{
	char *end;

	if (!s || !isxdigit((unsigned char)*s))
		return false;
	errno = 0;
	*ret = strtoull(s, &end, base);
	return !*end && errno == 0 && *ret <= max;
}

static bool take_steps(struct line *l, char *rest)
{
	for (char *f; (f = scope_tsv_field(&rest));) {
		struct step *st = &l->step[l->nsteps];
		char *slash = strchr(f, '/');
		uint64_t i, n;

		if (!slash || l->nsteps == STEPS_MAX)
			return false;
		*slash = '\0';
		if (!number(f, 10, UINT32_MAX, &i) ||
		    !number(slash + 1, 10, UINT32_MAX, &n) || i >= n)
			return false;
		*st = (struct step){ (uint32_t)i, (uint32_t)n };
		l->nsteps++;
	}
	return l->nsteps > 0;
}

static int take_shape(struct scope_shapes *s, char kind, char *rest)
{
	struct shape *h = &s->shapes[s->nshapes];
	uint64_t n = 0;

	if (s->nshapes == FUNCTIONS_MAX)
		return -EBADMSG;
	*h = (struct shape){ .is_function = kind == 's', .first = s->nlines };
	h->name = scope_tsv_field(&rest);
	if (!h->name || !number(scope_tsv_field(&rest), 16, UINT32_MAX, &h->size))
		return -EBADMSG;
	if (h->is_function &&
	    (!number(scope_tsv_field(&rest), 16, UINT64_MAX, &h->digest) ||
	     !number(scope_tsv_field(&rest), 10, UINT32_MAX, &n)))
		return -EBADMSG;
	if (rest)
		return -EBADMSG;
	h->nrefs = (uint32_t)n;
	s->nshapes++;
	return 0;
}

static int take_line(struct scope_shapes *s, char kind, char *rest)
{
	struct line *l = &s->lines[s->nlines];
	struct shape *h;
	uint64_t i = 0;

	if (!s->nshapes || s->nlines == LINES_MAX)
		return -EBADMSG;
	h = &s->shapes[s->nshapes - 1];
	if (h->is_function != (kind != 'u'))
		return -EBADMSG;
	*l = (struct line){ .kind = kind };
	if (kind == 'r' && !number(scope_tsv_field(&rest), 10, UINT32_MAX, &i))
		return -EBADMSG;
	l->anchor = scope_tsv_field(&rest);
	if (!l->anchor ||
	    (kind != 'u' && (!strchr("bxjef", l->anchor[0]) ||
			     l->anchor[1] != ':')) ||
	    (kind == 'u' && (!number(scope_tsv_field(&rest), 10, UINT32_MAX, &i) ||
			     !number(scope_tsv_field(&rest), 16, UINT32_MAX, &l->off))) ||
	    (kind == 'p' ? !take_steps(l, rest) : rest != NULL))
		return -EBADMSG;
	l->i = (uint32_t)i;
	h->nlines++;
	s->nlines++;
	return 0;
}

/* The lines of one release; *ret_found: there is a table of it. */
static int read_table(struct scope_shapes *s, unsigned otp, bool *ret_found)
{
	char *line, *next = s->text;
	bool is_ours = false;
	uint64_t n;
	int r = 0;

	while (r == 0 && (line = next) && *line) {
		char *kind, *rest = line;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (*line == '#' || !*line)
			continue;
		kind = scope_tsv_field(&rest);
		if (!kind || !rest)
			return -EBADMSG;
		if (!strcmp(kind, "otp")) {
			if (!number(rest, 10, 1000, &n))
				return -EBADMSG;
			is_ours = n == otp;
			*ret_found |= is_ours;
		} else if (kind[1] || !strchr("svpru", *kind)) {
			r = -EBADMSG;
		} else if (is_ours) {
			r = *kind == 's' || *kind == 'v' ?
				    take_shape(s, *kind, rest) :
				    take_line(s, *kind, rest);
		}
	}
	return r;
}

/* -- looking ------------------------------------------------------------------- */

static const struct shape *shape_of(const struct scope_shapes *s,
				    const char *name)
{
	for (size_t i = 0; i < s->nshapes; i++)
		if (!strcmp(s->shapes[i].name, name))
			return &s->shapes[i];
	return NULL;
}

/* 0: it is not known (yet). */
static uint64_t anchor(const struct scope_shapes *s, struct line *l)
{
	const struct shape *h;

	if (*l->anchor == 'f') {
		h = shape_of(s, l->anchor + 2);
		return h ? h->vaddr : 0;
	}
	if (!l->is_asked) {
		l->at = *l->anchor == 'e' ?
				scope_elf_entry(s->elf) :
				s->opts->anchor(s->opts->arg, *l->anchor,
						l->anchor + 2);
		l->is_asked = true;
	}
	return l->at;
}

/* Where a path leads, and through which function last; 0: nowhere. */
static uint64_t follow(struct scope_shapes *s, struct line *l,
		       uint64_t *ret_last)
{
	uint64_t at = anchor(s, l);

	for (unsigned k = 0; at && k < l->nsteps; k++) {
		const struct scope_ref_list *f = scope_refs_of(s->refs, at);

		if (!f || f->nrefs != l->step[k].n)
			return 0;
		*ret_last = at;
		at = f->refs[l->step[k].i];
	}
	return at;
}

struct votes {
	uint64_t to; /* where all lead; 0: nowhere */
	bool is_split;
	struct {
		uint64_t last;
		uint32_t i;
	} by[VOTES_MAX];
	unsigned n; /* different last steps */
};

static void vote(struct votes *v, uint64_t to, uint64_t last, uint32_t i)
{
	v->is_split |= v->to && v->to != to;
	v->to = to;
	for (unsigned k = 0; k < v->n; k++)
		if (v->by[k].last == last && v->by[k].i == i)
			return;
	if (v->n < VOTES_MAX) {
		v->by[v->n].last = last;
		v->by[v->n++].i = i;
	}
}

static struct votes count_votes(struct scope_shapes *s, const struct shape *h)
{
	struct votes v = { 0 };

	for (size_t k = h->first; k < h->first + h->nlines; k++) {
		struct line *l = &s->lines[k];
		uint64_t last = 0;
		uint64_t to = l->kind == 'p' ? follow(s, l, &last) : 0;

		if (to)
			vote(&v, to, last, l->step[l->nsteps - 1].i);
	}
	return v;
}

/* Do its own references lead where they should? 1: those that are known, one at
 * least; 0: that can't be told; -1: one does not. */
static int own_refs(struct scope_shapes *s, const struct shape *h, uint64_t at)
{
	const struct scope_ref_list *f = scope_refs_of(s->refs, at);
	int good = 0;

	if (!f || f->nrefs != h->nrefs)
		return 0;
	for (size_t k = h->first; k < h->first + h->nlines; k++) {
		struct line *l = &s->lines[k];
		uint64_t to = l->kind == 'r' ? anchor(s, l) : 0;

		if (!to)
			continue;
		if (l->i >= f->nrefs || f->refs[l->i] != to)
			return -1;
		good = 1;
	}
	return good;
}

static bool is_sized(struct scope_shapes *s, const struct shape *h, uint64_t at)
{
	struct scope_symbol fn;

	return scope_elf_function(s->elf, at, &fn) == 0 && fn.vaddr == at &&
	       fn.size * 2 >= h->size && fn.size <= h->size * 2;
}

/* Where it is by all that is known now; 0: that is not certain. */
static uint64_t decide(struct scope_shapes *s, const struct shape *h)
{
	const struct votes v = count_votes(s, h);
	uint64_t at = h->by_digest ? h->by_digest : v.to;
	int own;

	if (!at || v.is_split || (v.to && v.to != at) || !is_sized(s, h, at))
		return 0;
	own = own_refs(s, h, at);
	if (own < 0)
		return 0;
	if (h->by_digest && h->size >= SCOPE_SHAPE_BIG)
		return at;
	return v.n + (unsigned)own + (h->by_digest != 0) >= 2 ? at : 0;
}

/* Two functions at one place: neither is certain. */
static bool is_taken(struct scope_shapes *s, struct shape *h, uint64_t at)
{
	for (size_t i = 0; i < s->nshapes; i++) {
		struct shape *other = &s->shapes[i];

		if (other == h || other->vaddr != at)
			continue;
		other->vaddr = 0;
		h->is_disputed = other->is_disputed = true;
		return true;
	}
	return false;
}

static void find_functions(struct scope_shapes *s)
{
	bool is_new = true;

	for (size_t i = 0; i < s->nshapes && !s->opts->has_no_digests; i++) {
		struct shape *h = &s->shapes[i];

		if (h->is_function && h->digest)
			h->by_digest = scope_refs_digest(s->refs, h->size,
							 h->digest);
	}
	while (is_new) {
		is_new = false;
		for (size_t i = 0; i < s->nshapes; i++) {
			struct shape *h = &s->shapes[i];
			uint64_t at = h->is_function && !h->vaddr &&
							!h->is_disputed ?
					      decide(s, h) :
					      0;

			if (!at || is_taken(s, h, at))
				continue;
			h->vaddr = at;
			h->is_same = at == h->by_digest &&
				     h->size >= SCOPE_SHAPE_BIG;
			is_new = true;
		}
	}
	/* What was found later may speak against what was found before. */
	for (size_t i = 0; i < s->nshapes; i++)
		if (s->shapes[i].vaddr && !decide(s, &s->shapes[i]))
			s->shapes[i].vaddr = 0;
}

static bool is_data(const struct scope_elf *e, uint64_t at, uint64_t size)
{
	const struct scope_elf_segment *s;
	size_t n;

	s = scope_elf_segments(e, &n);
	for (size_t i = 0; i < n; i++)
		if ((s[i].flags & PF_W) && at >= s[i].vaddr &&
		    at - s[i].vaddr < s[i].memsz &&
		    size <= s[i].memsz - (at - s[i].vaddr))
			return true;
	return false;
}

static uint64_t find_variable(struct scope_shapes *s, const struct shape *h)
{
	uint64_t at = 0;

	for (size_t k = h->first; k < h->first + h->nlines; k++) {
		const struct line *l = &s->lines[k];
		const struct shape *f = shape_of(s, l->anchor);
		const struct scope_ref_list *list =
			f && f->is_same && f->vaddr ?
				scope_refs_of(s->refs, f->vaddr) :
				NULL;

		if (!list || l->i >= list->ndata)
			continue;
		if (at && at != list->data[l->i] - l->off)
			return 0;
		at = list->data[l->i] - l->off;
	}
	return at && is_data(s->elf, at, h->size) ? at : 0;
}

int scope_shapes_parse(const char *text, size_t len, const struct scope_elf *e,
		       unsigned otp, const struct scope_shapes_opts *opts,
		       struct scope_shapes **ret_shapes)
{
	scope_auto(scope_shapes) s = calloc(1, sizeof(*s));
	bool is_found = false;
	int r;

	if (!s)
		return -ENOMEM;
	if (len > TEXT_MAX)
		return -EBADMSG;
	s->elf = e;
	s->opts = opts;
	s->text = malloc(len + 1);
	s->shapes = calloc(FUNCTIONS_MAX, sizeof(*s->shapes));
	s->lines = calloc(LINES_MAX, sizeof(*s->lines));
	if (!s->text || !s->shapes || !s->lines)
		return -ENOMEM;
	memcpy(s->text, text, len);
	s->text[len] = '\0';
	r = read_table(s, otp, &is_found);
	if (r < 0 || !is_found)
		return r < 0 ? r : -ENOENT;
	r = scope_refs_new(e, &s->refs);
	if (r < 0)
		return r;
	find_functions(s);
	for (size_t i = 0; i < s->nshapes; i++)
		if (!s->shapes[i].is_function)
			s->shapes[i].vaddr = find_variable(s, &s->shapes[i]);
	scope_refs_free(s->refs);
	s->refs = NULL;
	free(s->lines);
	s->lines = NULL;
	s->opts = NULL;
	*ret_shapes = scope_take(s);
	return 0;
}

int scope_shapes_new(const struct scope_elf *e, unsigned otp,
		     const struct scope_shapes_opts *opts,
		     struct scope_shapes **ret_shapes)
{
	return scope_shapes_parse(scope_shapes_text,
				  (uintptr_t)scope_shapes_text_end -
					  (uintptr_t)scope_shapes_text,
				  e, otp, opts, ret_shapes);
}

size_t scope_shapes_found(const struct scope_shapes *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->nshapes; i++)
		n += s->shapes[i].vaddr != 0;
	return n;
}

int scope_shapes_find(const struct scope_shapes *s, const char *name,
		      struct scope_symbol *ret_sym)
{
	const struct shape *found = NULL;

	for (size_t i = 0; i < s->nshapes; i++) {
		const struct shape *h = &s->shapes[i];

		if (*name == '~' ? !strstr(h->name, name + 1) :
				   strcmp(h->name, name) != 0)
			continue;
		if (found)
			return -ENOTUNIQ;
		found = h;
	}
	if (!found || !found->vaddr)
		return -ENOENT;
	*ret_sym = (struct scope_symbol){ .name = found->name,
					  .vaddr = found->vaddr,
					  .size = found->size };
	if (found->is_function &&
	    scope_elf_function(s->elf, found->vaddr, ret_sym) < 0)
		return -ENOENT;
	ret_sym->name = found->name;
	ret_sym->how = SCOPE_HOW_SHAPE;
	return 0;
}
