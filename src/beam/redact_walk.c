/* SPDX-License-Identifier: MIT */
/*
 * Hiding parts of a term: a walk through the image over the slots, the words
 * that hold a term. A slot whose term is secret is made to hold
 * SCOPE_WORD_REDACTED. Each container is entered once, and when the walk would
 * need more room than any real term does, all of the term is hidden.
 */
#include "beam/redact_int.h"
#include "beam/term_int.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_MAX (4 * SCOPE_WORDS_MAX)
#define TEXT_BYTES (4 * SCOPE_WORDS_MAX)

struct walk {
	struct scope_redact *r;
	struct scope_put p;
	uint64_t *words; /* the image's, to write to */
	bool changed;
	bool is_lost; /* no room: nothing is known of the rest */
	size_t n;
	uint64_t *slots[SLOTS_MAX];
	uint8_t seen[SCOPE_WORDS_MAX];
	char text[TEXT_BYTES]; /* of what has none of its own */
	struct scope_bits bits;
};

static bool is_printable(uint32_t cp)
{
	return cp < 0x110000;
}

/* The word at addr, to write to; NULL: not in the image. */
static uint64_t *slot_at(struct walk *w, uint64_t addr)
{
	uint64_t word;

	if (!scope_word_at(&w->p, addr, &word))
		return NULL;
	return w->words + (w->p.hit - w->p.image->words) +
	       (addr - w->p.hit_addr) / 8;
}

/* Whether the object at addr is entered for the first time. */
static bool enter(struct walk *w, uint64_t addr)
{
	uint64_t *slot = slot_at(w, addr);
	size_t i;

	if (!slot)
		return false;
	i = (size_t)(slot - w->words);
	if (w->seen[i])
		return false;
	w->seen[i] = 1;
	return true;
}

static void hide(struct walk *w, uint64_t *slot)
{
	if (!slot || *slot == SCOPE_WORD_REDACTED)
		return;
	*slot = SCOPE_WORD_REDACTED;
	w->changed = true;
}

static void later(struct walk *w, uint64_t *slot)
{
	if (!slot)
		return;
	if (w->n == SLOTS_MAX)
		w->is_lost = true;
	else
		w->slots[w->n++] = slot;
}

static bool list_text(struct walk *w, uint64_t list, struct scope_text *ret)
{
	bool cut = false;
	size_t n = scope_charlist_len(&w->p, list, is_printable, &cut);
	struct scope_buf b = scope_buf_of(w->text, sizeof(w->text));
	uint64_t head = 0;

	if (!n)
		return false;
	while (n-- && scope_cons_next(&w->p, &list, &head) == 1)
		scope_cp_put(&b, (uint32_t)SCOPE_SMALL(head));
	*ret = (struct scope_text){ w->text, b.len, cut || b.full };
	return true;
}

/* What the term reads as, where that is text; borrowed until the next call. */
static bool text_of(struct walk *w, const struct scope_view *v,
		    struct scope_text *ret)
{
	struct scope_buf b = scope_buf_of(w->text, sizeof(w->text));

	*ret = (struct scope_text){ 0 };
	switch (v->what) {
	case SCOPE_IS_ATOM:
		ret->p = scope_vm_atom(w->p.vm, v->word, &ret->len);
		return ret->p;
	case SCOPE_IS_BITS:
		if (!scope_bits_of(&w->p, v, &w->bits))
			return false;
		ret->p = (const char *)w->bits.data;
		ret->len = w->bits.bytes;
		ret->cut = w->bits.cut;
		return true;
	case SCOPE_IS_LIST:
		return list_text(w, v->word, ret);
	case SCOPE_IS_SMALL:
		scope_buf_i64(&b, SCOPE_SMALL(v->word));
		*ret = (struct scope_text){ w->text, b.len, false };
		return true;
	case SCOPE_IS_BIG:
		w->p.out = &b;
		ret->cut = !scope_big_put(&w->p, v);
		ret->p = w->text;
		ret->len = b.len;
		return true;
	default:
		return false;
	}
}

/* Whether the key says that its value is secret. One that is not in the image
 * might. */
static bool is_secret_key(struct walk *w, uint64_t key,
			  const struct scope_text *module)
{
	struct scope_view v = scope_look(&w->p, key);
	struct scope_text text;

	if (key == SCOPE_WORD_REDACTED)
		return false;
	if (v.what == SCOPE_IS_CUT)
		text = (struct scope_text){ "", 0, true };
	else if (v.what == SCOPE_IS_SMALL || v.what == SCOPE_IS_BIG ||
		 !text_of(w, &v, &text))
		return false;
	if (scope_redact_is_key(w->r, &text))
		return true;
	if (v.what != SCOPE_IS_ATOM && v.what != SCOPE_IS_CUT)
		return false;
	return scope_redact_is_tag(w->r, &text) ||
	       (module && scope_redact_is_field(w->r, module, &text));
}

static void walk_tuple(struct walk *w, const struct scope_view *v)
{
	uint64_t n = SCOPE_ARITY(v->header), first = 0;
	struct scope_text text;
	bool is_tagged = false;

	if (n == 0 || !scope_word_at(&w->p, v->addr + 8, &first))
		return;
	if (n == 2 && is_secret_key(w, first, NULL)) {
		later(w, slot_at(w, v->addr + 8));
		hide(w, slot_at(w, v->addr + 16));
		return;
	}
	if (scope_is_atom(first)) {
		text.p = scope_vm_atom(w->p.vm, first, &text.len);
		text.cut = false;
		is_tagged = text.p && scope_redact_is_tag(w->r, &text);
	}
	for (uint64_t i = 0; i < n && i < SCOPE_WORDS_MAX; i++) {
		uint64_t *slot = slot_at(w, v->addr + 8 + 8 * i);

		if (is_tagged && i)
			hide(w, slot);
		else
			later(w, slot);
	}
}

static void walk_list(struct walk *w, uint64_t list)
{
	while (SCOPE_TAG(list) == SCOPE_TAG_LIST &&
	       enter(w, SCOPE_PTR(list))) {
		uint64_t *head = slot_at(w, SCOPE_PTR(list));
		uint64_t *tail = slot_at(w, SCOPE_PTR(list) + 8);

		later(w, head);
		if (!tail)
			return;
		list = *tail;
		if (SCOPE_TAG(list) != SCOPE_TAG_LIST)
			later(w, tail);
	}
}

/* The module of an Elixir struct; false: it is none. */
static bool module_of(struct walk *w, const struct scope_view *v,
		      struct scope_text *ret)
{
	struct scope_map_walk m;
	uint64_t key, value;

	if (!scope_map_begin(&w->p, v, false, &m))
		return false;
	while (scope_map_pair(&w->p, &m, &key, &value) == 1) {
		size_t len;
		const char *s = scope_is_atom(key) ?
					scope_vm_atom(w->p.vm, key, &len) :
					NULL;

		if (!s || len != 10 || memcmp(s, "__struct__", 10) != 0 ||
		    !scope_is_atom(value))
			continue;
		ret->cut = false;
		ret->p = scope_vm_atom(w->p.vm, value, &ret->len);
		return ret->p;
	}
	return false;
}

static void walk_map(struct walk *w, const struct scope_view *v)
{
	struct scope_text module;
	bool is_struct = module_of(w, v, &module);
	struct scope_map_walk m;
	uint64_t key, value;

	if (!scope_map_begin(&w->p, v, false, &m))
		return;
	while (scope_map_pair(&w->p, &m, &key, &value) == 1) {
		uint64_t *slot = slot_at(w, m.value_addr);

		if (is_secret_key(w, key, is_struct ? &module : NULL))
			hide(w, slot);
		else
			later(w, slot);
		/* The key may be, or hold, secret text itself. */
		later(w, slot_at(w, m.key_addr));
	}
}

static void walk_record(struct walk *w, const struct scope_view *v)
{
	struct scope_record rec;
	struct scope_text module = { 0 };
	uint64_t key, value;

	if (scope_record_of(&w->p, v, &rec) < 0)
		return;
	module.p = scope_vm_atom(w->p.vm, rec.module, &module.len);
	for (unsigned i = 0; i < rec.n; i++) {
		unsigned at = rec.have_order ? rec.order[i] : i;
		uint64_t *slot = slot_at(w, rec.values + 8ull * at);

		if (scope_record_field(&w->p, &rec, i, &key, &value) < 0)
			hide(w, slot);
		else if (is_secret_key(w, key, module.p ? &module : NULL))
			hide(w, slot);
		else
			later(w, slot);
	}
}

static bool is_secret_text(struct walk *w, const struct scope_view *v)
{
	struct scope_text text;

	return scope_redact_has_patterns(w->r) && text_of(w, v, &text) &&
	       scope_redact_is_match(w->r, &text);
}

static void walk_slot(struct walk *w, uint64_t *slot)
{
	struct scope_view v = scope_look(&w->p, *slot);

	if (*slot == SCOPE_WORD_REDACTED)
		return;
	if (is_secret_text(w, &v)) {
		hide(w, slot);
		return;
	}
	switch (v.what) {
	case SCOPE_IS_LIST:
		walk_list(w, v.word);
		break;
	case SCOPE_IS_TUPLE:
		if (enter(w, v.addr))
			walk_tuple(w, &v);
		break;
	case SCOPE_IS_MAP:
		if (enter(w, v.addr))
			walk_map(w, &v);
		break;
	case SCOPE_IS_RECORD:
		if (enter(w, v.addr))
			walk_record(w, &v);
		break;
	default:
		break;
	}
}

bool scope_redact_term(struct scope_redact *r, struct scope_vm *vm,
		       const struct scope_image *image, uint64_t *words,
		       uint64_t *slot)
{
	struct walk w;

	/* Not all of it: the texts are written before they are read. */
	w.r = r;
	w.p = (struct scope_put){ .vm = vm, .l = vm->layout, .image = image };
	w.words = words;
	w.changed = w.is_lost = false;
	w.n = 0;
	memset(w.seen, 0, sizeof(w.seen));
	later(&w, slot);
	while (w.n && !w.is_lost)
		walk_slot(&w, w.slots[--w.n]);
	if (w.is_lost || w.p.work >= SCOPE_TERM_WORK)
		hide(&w, slot);
	return w.changed;
}
