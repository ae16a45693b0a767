/* SPDX-License-Identifier: MIT */
/* Looking up words, and the public functions. */
#include "beam/term_int.h"

#include <errno.h>

static struct scope_put put_of(struct scope_vm *vm,
			       const struct scope_image *image,
			       struct scope_buf *out)
{
	return (struct scope_put){
		.vm = vm,
		.l = vm->layout,
		.image = image,
		.out = out,
	};
}

/* For walking only. */
static struct scope_put walk_of(const struct scope_image *image)
{
	return (struct scope_put){ .image = image };
}

/* Find the segment that has addr, and make it the cached one. */
static bool find_seg(struct scope_put *p, uint64_t addr)
{
	const struct scope_image *im = p->image;
	size_t at = 0;

	for (size_t i = 0; i < im->nsegs && at < im->nwords; i++) {
		uint64_t from = SCOPE_SEG_ADDR(im->segs[i]);
		uint64_t n = SCOPE_SEG_WORDS(im->segs[i]);

		if (n > im->nwords - at)
			n = im->nwords - at;
		if (from && !(from & 7) && addr - from < 8 * n) {
			p->hit_addr = from;
			p->hit_bytes = 8 * n;
			p->hit = im->words + at;
			p->work += (unsigned)i;
			return true;
		}
		at += n;
	}
	p->work += (unsigned)im->nsegs;
	return false;
}

bool scope_word_at(struct scope_put *p, uint64_t addr, uint64_t *ret)
{
	if (addr & 7)
		return false;
	if (p->work >= SCOPE_TERM_WORK) {
		p->met |= SCOPE_TERM_CUT;
		return false;
	}
	p->work++;
	if (addr - p->hit_addr >= p->hit_bytes && !find_seg(p, addr))
		return false;
	*ret = p->hit[(addr - p->hit_addr) / 8];
	return true;
}

size_t scope_bytes_at(struct scope_put *p, uint64_t addr, void *buf, size_t n)
{
	size_t got = 0;

	while (got < n) {
		uint64_t at = addr + got, word;
		size_t skip = at & 7, take = 8 - skip;

		if (!scope_word_at(p, at - skip, &word))
			break;
		if (take > n - got)
			take = n - got;
		memcpy((char *)buf + got, (const char *)&word + skip, take);
		got += take;
	}
	return got;
}

bool scope_down(struct scope_put *p)
{
	if (p->depth == SCOPE_TERM_DEPTH) {
		p->met |= SCOPE_TERM_CUT;
		return false;
	}
	p->depth++;
	return true;
}

void scope_up(struct scope_put *p)
{
	p->depth--;
}

static enum scope_what immediate(uint64_t word)
{
	if (scope_is_small(word))
		return SCOPE_IS_SMALL;
	if (scope_is_atom(word))
		return SCOPE_IS_ATOM;
	if (scope_is_pid(word) || scope_is_port(word))
		return SCOPE_IS_IDENT;
	if (scope_is_nil(word))
		return SCOPE_IS_NIL;
	if (word == SCOPE_WORD_REDACTED)
		return SCOPE_IS_ATOM;
	return SCOPE_IS_TORN;
}

static bool fun_is_export(struct scope_put *p, const struct scope_view *v)
{
	uint64_t creator;

	switch (p->l->fun_style) {
	case SCOPE_FUN_25:
		return scope_word_at(p, v->addr + p->l->fun_creator,
				     &creator) && scope_is_atom(creator);
	case SCOPE_FUN_27:
		return v->header >> 16 == 0;
	case SCOPE_FUN_29:
		return v->header >> 24 != 0;
	default:
		return false;
	}
}

static enum scope_what boxed(struct scope_put *p, const struct scope_view *v)
{
	const struct scope_subtags *sub = &p->l->sub;
	uint32_t tag = SCOPE_SUBTAG(v->header);

	/* A collected object has its new address in place of its header. */
	if (SCOPE_TAG(v->header) != SCOPE_TAG_HEADER)
		return SCOPE_IS_TORN;
	if (tag == sub->tuple)
		return SCOPE_IS_TUPLE;
	if (tag == sub->map)
		return SCOPE_IS_MAP;
	if (tag == sub->refc_bin || tag == sub->heap_bin ||
	    tag == sub->sub_bin || tag == sub->heap_bits ||
	    tag == sub->sub_bits)
		return SCOPE_IS_BITS;
	if (tag == sub->ref || tag == sub->ext_pid || tag == sub->ext_port ||
	    tag == sub->ext_ref)
		return SCOPE_IS_IDENT;
	if (tag == sub->fun)
		return fun_is_export(p, v) ? SCOPE_IS_EXPORT : SCOPE_IS_FUN;
	if (tag == sub->export_fun)
		return SCOPE_IS_EXPORT;
	if (tag == sub->flonum)
		return SCOPE_IS_FLOAT;
	if (tag == sub->pos_big || tag == sub->neg_big)
		return SCOPE_IS_BIG;
	if (tag == sub->record)
		return SCOPE_IS_RECORD;
	return SCOPE_IS_TORN;
}

struct scope_view scope_look(struct scope_put *p, uint64_t word)
{
	struct scope_view v = { .what = SCOPE_IS_CUT, .word = word };
	uint64_t head;

	switch (SCOPE_TAG(word)) {
	case SCOPE_TAG_LIST:
		v.addr = SCOPE_PTR(word);
		if (scope_word_at(p, v.addr, &head))
			v.what = SCOPE_IS_LIST;
		break;
	case SCOPE_TAG_BOXED:
		v.addr = SCOPE_PTR(word);
		if (scope_word_at(p, v.addr, &v.header))
			v.what = boxed(p, &v);
		break;
	case SCOPE_TAG_HEADER:
		v.what = SCOPE_IS_TORN;
		break;
	default:
		v.what = immediate(word);
	}
	return v;
}

int scope_cons_next(struct scope_put *p, uint64_t *list, uint64_t *ret_head)
{
	uint64_t addr = SCOPE_PTR(*list), head, tail;

	if (SCOPE_TAG(*list) != SCOPE_TAG_LIST)
		return 0;
	if (!scope_word_at(p, addr, &head) ||
	    !scope_word_at(p, addr + 8, &tail))
		return -ENODATA;
	*ret_head = head;
	*list = tail;
	return 1;
}

size_t scope_cons_max(const struct scope_put *p)
{
	return p->image->nwords;
}

size_t scope_charlist_len(struct scope_put *p, uint64_t list,
			  bool (*printable)(uint32_t cp), bool *ret_cut)
{
	size_t n = 0;
	uint64_t head;
	int r;

	while ((r = scope_cons_next(p, &list, &head)) == 1) {
		if (!scope_is_small(head) || SCOPE_SMALL(head) < 0 ||
		    SCOPE_SMALL(head) > 0x10ffff ||
		    !printable((uint32_t)SCOPE_SMALL(head)))
			return 0;
		if (++n > scope_cons_max(p))
			return 0;
	}
	if (r == 0 && !scope_is_nil(list))
		return 0;
	*ret_cut = r < 0;
	return n;
}

static void put_deep(struct scope_put *p, const struct scope_view *v)
{
	if (!scope_down(p)) {
		p->ops->cut(p);
		return;
	}
	switch (v->what) {
	case SCOPE_IS_LIST:
		p->ops->list(p, v->word);
		break;
	case SCOPE_IS_TUPLE:
		p->ops->tuple(p, v);
		break;
	case SCOPE_IS_MAP:
		p->ops->map(p, v);
		break;
	default:
		p->ops->record(p, v);
	}
	scope_up(p);
}

void scope_put_term(struct scope_put *p, uint64_t term)
{
	struct scope_view v = scope_look(p, term);

	switch (v.what) {
	case SCOPE_IS_TORN:
		p->ops->torn(p);
		break;
	case SCOPE_IS_CUT:
		p->ops->cut(p);
		break;
	case SCOPE_IS_SMALL:
	case SCOPE_IS_BIG:
	case SCOPE_IS_FLOAT:
		p->ops->number(p, &v);
		break;
	case SCOPE_IS_ATOM:
		p->ops->atom(p, term);
		break;
	case SCOPE_IS_NIL:
		p->ops->nil(p);
		break;
	case SCOPE_IS_BITS:
		p->ops->bits(p, &v);
		break;
	case SCOPE_IS_IDENT:
		p->ops->ident(p, &v);
		break;
	case SCOPE_IS_FUN:
	case SCOPE_IS_EXPORT:
		p->ops->fun(p, &v);
		break;
	case SCOPE_IS_LIST:
	case SCOPE_IS_TUPLE:
	case SCOPE_IS_MAP:
	case SCOPE_IS_RECORD:
		put_deep(p, &v);
		break;
	}
}

unsigned scope_term_put(struct scope_vm *vm, const struct scope_image *image,
			uint64_t term, enum scope_syntax syntax,
			struct scope_buf *out)
{
	static const struct scope_syntax_ops *const ops[] = {
		[SCOPE_SYNTAX_ERLANG] = &scope_erlang_ops,
		[SCOPE_SYNTAX_ELIXIR] = &scope_elixir_ops,
		[SCOPE_SYNTAX_JSON] = &scope_json_ops,
	};
	struct scope_put p = put_of(vm, image, out);

	p.ops = ops[syntax];
	scope_put_term(&p, term);
	return p.met;
}

unsigned scope_term_put_ident(struct scope_vm *vm,
			      const struct scope_image *image, uint64_t term,
			      enum scope_syntax syntax, struct scope_buf *out)
{
	struct scope_put p = put_of(vm, image, out);
	struct scope_view v = scope_look(&p, term);
	struct scope_ident id;
	int r = v.what == SCOPE_IS_CUT ? -ENODATA : -EINVAL;

	if (v.what == SCOPE_IS_IDENT)
		r = scope_ident_of(&p, &v, &id);
	if (r == -ENODATA) {
		scope_buf_lit(out, "...");
		return p.met | SCOPE_TERM_CUT;
	}
	if (r < 0) {
		scope_buf_char(out, '?');
		return p.met | SCOPE_TERM_TORN;
	}
	if (syntax == SCOPE_SYNTAX_ELIXIR)
		scope_elixir_ident(&p, &id);
	else
		scope_erlang_ident(&p, &id);
	return p.met;
}

void scope_term_put_atom_raw(struct scope_vm *vm, uint64_t atom,
			     struct scope_buf *out)
{
	size_t len;
	const char *s = scope_vm_atom(vm, atom, &len);

	if (s)
		scope_buf_put(out, s, len);
	else
		scope_buf_char(out, '?');
}

int scope_term_list_next(const struct scope_image *image, uint64_t *list,
			 uint64_t *ret_head)
{
	struct scope_put p = walk_of(image);

	return scope_cons_next(&p, list, ret_head);
}

int scope_term_tuple_arity(const struct scope_image *image, uint64_t tuple)
{
	struct scope_put p = walk_of(image);
	uint64_t header;

	if (SCOPE_TAG(tuple) != SCOPE_TAG_BOXED)
		return -EINVAL;
	if (!scope_word_at(&p, SCOPE_PTR(tuple), &header))
		return -ENODATA;
	/* A tuple's subtag is 0 in every release. */
	if ((header & 0x3f) != 0 || SCOPE_ARITY(header) > INT32_MAX)
		return -EINVAL;
	return (int)SCOPE_ARITY(header);
}

int scope_term_element(const struct scope_image *image, uint64_t tuple,
		       size_t i, uint64_t *ret_word)
{
	struct scope_put p = walk_of(image);
	int arity = scope_term_tuple_arity(image, tuple);

	if (arity < 0)
		return arity;
	if (i >= (size_t)arity)
		return -EINVAL;
	if (!scope_word_at(&p, SCOPE_PTR(tuple) + 8 + 8 * (uint64_t)i,
			   ret_word))
		return -ENODATA;
	return 0;
}

int scope_term_map_get(struct scope_vm *vm, const struct scope_image *image,
		       uint64_t map, const char *key, size_t len,
		       uint64_t *ret_value)
{
	struct scope_put p = walk_of(image);
	struct scope_map_walk w;
	struct scope_view v;
	uint64_t k, value;
	int r;

	p.vm = vm;
	p.l = vm->layout;
	v = scope_look(&p, map);
	if (v.what != SCOPE_IS_MAP || !scope_map_begin(&p, &v, false, &w))
		return -EINVAL;
	while ((r = scope_map_pair(&p, &w, &k, &value)) > 0) {
		size_t n;
		const char *text = scope_is_atom(k) ?
					   scope_vm_atom(vm, k, &n) :
					   NULL;

		if (text && n == len && !memcmp(text, key, len)) {
			*ret_value = value;
			return 0;
		}
	}
	return r < 0 ? r : -EINVAL;
}
