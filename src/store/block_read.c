/* SPDX-License-Identifier: MIT */
#include "store/block_int.h"

#include <errno.h>
#include <string.h>

#include "store/varint.h"

struct span {
	const uint8_t *p;
	size_t len, at;
};

struct run {
	uint64_t value, events;
};

/* An image, where the columns have it. */
struct image {
	uint32_t words; /* where in COL_WORDS, in words */
	uint32_t nwords;
	uint32_t segs; /* where in segs */
	uint32_t nsegs;
	uint32_t raw; /* where in COL_RAW */
};

struct scope_page {
	struct span cols[COL_MAX];
	const struct scope_block_keys *keys;
	uint64_t nevents, at;
	uint64_t mono_ns;
	struct run wall, id, node;
	uint64_t *dict; /* owned: words, number 0 is the word 0 */
	size_t ndict;
	struct span *texts; /* owned */
	size_t ntexts;
	struct span *shapes; /* owned */
	size_t nshapes;
	struct image *images; /* owned */
	size_t nimages, images_seen;
	uint64_t *segs; /* owned: of all images */
	size_t nsegs;
	uint64_t words[SCOPE_WORDS_MAX]; /* of the event in hand */
	size_t image_shown; /* whose words these are, from 1 */
	struct {
		uint64_t a, b;
	} last[COL_MAX - COL_FIELD];
};

void scope_block_keys_own(struct scope_block_keys *ret)
{
	ret->n = SCOPE_FIELD_MAX;
	for (unsigned i = 0; i < SCOPE_FIELD_MAX; i++) {
		ret->of[i].key = (uint16_t)i;
		ret->of[i].type = (uint8_t)scope_field_info(i)->type;
	}
}

struct scope_page *scope_page_new(void)
{
	return calloc(1, sizeof(struct scope_page));
}

static void clear(struct scope_page *p)
{
	free(p->dict);
	free(p->texts);
	free(p->shapes);
	free(p->images);
	free(p->segs);
	memset(p, 0, sizeof(*p));
}

void scope_page_free(struct scope_page *p)
{
	if (!p)
		return;
	clear(p);
	free(p);
}

/* -- columns --------------------------------------------------------------- */

/* 0 and *ret, or -EBADMSG: the column has no more. */
static int get(struct span *s, uint64_t *ret)
{
	size_t n;

	*ret = 0;
	n = scope_varint_get(s->p + s->at, s->len - s->at, ret);
	s->at += n;
	return n ? 0 : -EBADMSG;
}

static int get_signed(struct span *s, uint64_t *ret)
{
	uint64_t v;
	int r = get(s, &v);

	*ret = (uint64_t)scope_unzigzag(v);
	return r;
}

static int get_below(struct span *s, uint64_t limit, uint64_t *ret)
{
	int r = get(s, ret);

	return r == 0 && *ret >= limit ? -EBADMSG : r;
}

static int get_bytes(struct span *s, size_t n, const uint8_t **ret)
{
	if (n > s->len - s->at)
		return -EBADMSG;
	*ret = s->p + s->at;
	s->at += n;
	return 0;
}

static int get_run(struct span *s, struct run *run, uint64_t *ret)
{
	uint64_t delta = 0;
	int r = 0;

	if (!run->events) {
		r = get(s, &run->events);
		if (r == 0)
			r = get_signed(s, &delta);
		run->value += delta;
		if (r == 0 && !run->events)
			r = -EBADMSG;
	}
	if (r < 0)
		return r;
	run->events--;
	*ret = run->value;
	return 0;
}

static int find_columns(struct scope_page *p, const uint8_t *payload,
			size_t len)
{
	struct span list = { payload, len, 0 };
	unsigned order[COL_MAX];
	uint64_t n, id, bytes, before = 0;
	int r = get_below(&list, COL_MAX + 1, &n);

	for (unsigned i = 0; i < COL_MAX; i++)
		p->cols[i].p = payload; /* of those that are not there, too */
	for (uint64_t i = 0; r == 0 && i < n; i++) {
		r = get_below(&list, COL_MAX, &id);
		if (r == 0)
			r = get_below(&list, len + 1, &bytes);
		if (r < 0)
			return r;
		/* Each once: they ascend. */
		if (i && id <= before)
			return -EBADMSG;
		before = id;
		order[i] = (unsigned)id;
		p->cols[id].len = (size_t)bytes;
	}
	for (uint64_t i = 0; r == 0 && i < n; i++)
		r = get_bytes(&list, p->cols[order[i]].len,
			      &p->cols[order[i]].p);
	return r == 0 && list.at != len ? -EBADMSG : r;
}

/* -- dictionaries ---------------------------------------------------------- */

static int load_words(struct scope_page *p, struct scope_vm *vm)
{
	struct span *dict = &p->cols[COL_DICT], *atoms = &p->cols[COL_ATOMS];
	uint64_t number, len;
	const uint8_t *text;
	int r = 0;

	if (dict->len % 8)
		return -EBADMSG;
	p->ndict = dict->len / 8 + 1;
	p->dict = calloc(p->ndict, 8);
	if (!p->dict)
		return -ENOMEM;
	if (dict->len)
		memcpy(p->dict + 1, dict->p, dict->len);
	while (r == 0 && atoms->at < atoms->len) {
		r = get_below(atoms, p->ndict, &number);
		if (r == 0)
			r = get_below(atoms, atoms->len + 1, &len);
		if (r == 0)
			r = get_bytes(atoms, (size_t)len, &text);
		if (r == 0 && !scope_is_atom(p->dict[number]))
			r = -EBADMSG;
		if (r == 0)
			r = scope_vm_know_atom(vm, p->dict[number],
					       (const char *)text,
					       (size_t)len);
	}
	return r;
}

static int load_texts(struct scope_page *p)
{
	struct span *s = &p->cols[COL_TEXTS];
	uint64_t len;
	int r = 0;

	/* A text takes a byte at least. */
	p->texts = calloc(s->len + 1, sizeof(*p->texts));
	if (!p->texts)
		return -ENOMEM;
	while (r == 0 && s->at < s->len) {
		struct span *t = &p->texts[p->ntexts];

		r = get_below(s, s->len + 1, &len);
		if (r == 0)
			r = get_bytes(s, (size_t)len, &t->p);
		t->len = (size_t)len;
		p->ntexts++;
	}
	return r;
}

static int load_shapes(struct scope_page *p)
{
	struct span *s = &p->cols[COL_SHAPES];
	int r = 0;

	p->shapes = calloc(SHAPES_MAX, sizeof(*p->shapes));
	if (!p->shapes)
		return -ENOMEM;
	while (r == 0 && s->at < s->len) {
		const uint8_t *head;
		struct span *shape = &p->shapes[p->nshapes];

		if (p->nshapes++ == SHAPES_MAX)
			return -EBADMSG;
		r = get_bytes(s, 2, &head);
		if (r == 0 && head[0] > SCOPE_EVENT_FIELDS)
			r = -EBADMSG;
		if (r == 0)
			r = get_bytes(s, head[0], &shape->p);
		if (r < 0)
			return r;
		shape->p = head;
		shape->len = 2 + (size_t)head[0];
		for (size_t i = 2; i < shape->len; i++)
			if (head[i] >= p->keys->n)
				return -EBADMSG;
	}
	return r;
}

static int load_segs_of(struct scope_page *p, struct image *image,
			uint64_t *base)
{
	struct span *s = &p->cols[COL_SEGS];
	uint64_t n, words, at = 0, end = *base;
	int r = get_below(s, SCOPE_SEGS_MAX + 1, &n);

	image->segs = (uint32_t)p->nsegs;
	image->nsegs = (uint32_t)n;
	if (r == 0 && n == 0)
		return -EBADMSG;
	for (uint64_t i = 0; r == 0 && i < n; i++) {
		r = get_below(s, SCOPE_WORDS_MAX + 1, &words);
		if (r == 0)
			r = get_signed(s, &at);
		if (r < 0)
			return r;
		at = end + 8 * at;
		if (at >> 48 || image->nwords + words > SCOPE_WORDS_MAX)
			return -EBADMSG;
		p->segs[p->nsegs++] = words << 48 | at;
		image->nwords += (uint32_t)words;
		end = at + 8 * words;
		if (i == 0)
			*base = at;
	}
	return r;
}

/* Step over what is said of an image's words that are no pointers. */
static int skip_raw(struct scope_page *p, const struct image *image)
{
	struct span *s = &p->cols[COL_RAW];
	uint64_t n, ignored;
	int r = get_below(s, image->nwords + 1ull, &n);

	while (r == 0 && n--)
		r = get(s, &ignored);
	return r;
}

static int load_images(struct scope_page *p)
{
	struct span *s = &p->cols[COL_SEGS], *words = &p->cols[COL_WORDS];
	uint64_t base = 0, at = 0;
	int r = 0;

	/* An image takes three bytes there at least, a segment two. */
	p->images = calloc(s->len / 3 + 1, sizeof(*p->images));
	p->segs = calloc(s->len / 2 + 1, sizeof(*p->segs));
	if (!p->images || !p->segs)
		return -ENOMEM;
	while (r == 0 && s->at < s->len) {
		struct image *image = &p->images[p->nimages];

		r = load_segs_of(p, image, &base);
		image->words = (uint32_t)at;
		image->raw = (uint32_t)p->cols[COL_RAW].at;
		if (r == 0)
			r = skip_raw(p, image);
		at += image->nwords;
		p->nimages++;
	}
	return r == 0 && 8 * at != words->len ? -EBADMSG : r;
}

int scope_page_load(struct scope_page *p, const uint8_t *payload, size_t len,
		    const struct scope_block_keys *keys, struct scope_vm *vm)
{
	int r;

	clear(p);
	if (len > SCOPE_BLOCK_BYTES + 4096)
		return -EBADMSG;
	p->keys = keys;
	r = find_columns(p, payload, len);
	if (r == 0 && p->cols[COL_KIND].len > SCOPE_BLOCK_EVENTS)
		r = -EBADMSG;
	p->nevents = p->cols[COL_KIND].len;
	if (r == 0)
		r = load_words(p, vm);
	if (r == 0)
		r = load_texts(p);
	if (r == 0)
		r = load_shapes(p);
	if (r == 0)
		r = load_images(p);
	if (r < 0)
		clear(p);
	return r;
}

size_t scope_page_events(const struct scope_page *p)
{
	return p->nevents;
}

/* -- events ---------------------------------------------------------------- */

/* The word that a place of an image stands for; 0: there is none such. */
static uint64_t word_at(const struct scope_image *image, uint64_t place)
{
	uint64_t at = place >> 2, tag = place & 3;

	if (tag != SCOPE_TAG_LIST && tag != SCOPE_TAG_BOXED)
		return 0;
	for (size_t i = 0; i < image->nsegs; i++) {
		uint64_t n = SCOPE_SEG_WORDS(image->segs[i]);

		if (at < n)
			return (SCOPE_SEG_ADDR(image->segs[i]) + 8 * at) | tag;
		at -= n;
	}
	return 0;
}

/* Which of the image's words are no pointers, as a bit each. */
static int load_raw(struct scope_page *p, const struct image *image,
		    uint8_t *bits)
{
	struct span s = p->cols[COL_RAW];
	uint64_t n, step, at = 0;
	int r;

	s.at = image->raw;
	r = get(&s, &n);
	while (r == 0 && n--) {
		r = get(&s, &step);
		at += step;
		if (r == 0 && at >= image->nwords)
			r = -EBADMSG;
		if (r == 0)
			bits[at / 8] |= (uint8_t)(1 << at % 8);
	}
	return r;
}

static int show_image(struct scope_page *p, size_t number,
		      struct scope_image *ret)
{
	const struct image *image = &p->images[number - 1];
	const uint8_t *from = p->cols[COL_WORDS].p + 8 * (size_t)image->words;
	uint8_t raw[SCOPE_WORDS_MAX / 8] = { 0 };
	int r;

	*ret = (struct scope_image){ .words = p->words,
				     .segs = p->segs + image->segs,
				     .nwords = image->nwords,
				     .nsegs = image->nsegs };
	if (p->image_shown == number)
		return 0;
	p->image_shown = 0;
	r = load_raw(p, image, raw);
	for (size_t i = 0; r == 0 && i < image->nwords; i++) {
		uint64_t w;

		memcpy(&w, from + 8 * i, 8);
		if ((w & SCOPE_BLOCK_PLACE_MASK) == SCOPE_BLOCK_PLACE &&
		    !(raw[i / 8] & 1 << i % 8)) {
			w = word_at(ret, w & ~SCOPE_BLOCK_PLACE_MASK);
			r = w ? 0 : -EBADMSG;
		}
		p->words[i] = w;
	}
	if (r == 0)
		p->image_shown = number;
	return r;
}

static int get_image(struct scope_page *p, struct scope_image *ret)
{
	uint64_t v;
	int r = get(&p->cols[COL_IMAGE], &v);

	*ret = (struct scope_image){ 0 };
	if (r < 0 || v == 0)
		return r;
	if (v == 1) {
		if (p->images_seen == p->nimages)
			return -EBADMSG;
		return show_image(p, ++p->images_seen, ret);
	}
	if (v - 2 >= p->images_seen)
		return -EBADMSG;
	return show_image(p, p->images_seen - (size_t)(v - 2), ret);
}

static int get_word(struct scope_page *p, struct span *s, uint64_t *ret)
{
	uint64_t n;
	int r = get_below(s, p->ndict, &n);

	if (r == 0)
		*ret = p->dict[n];
	return r;
}

static int get_value(struct scope_page *p, unsigned key,
		     const struct scope_image *image, struct scope_field *f)
{
	struct span *s = &p->cols[COL_FIELD + key];
	uint64_t v, w = 0;
	int r;

	switch ((enum scope_type)p->keys->of[key].type) {
	case SCOPE_T_UINT:
	case SCOPE_T_INT:
	case SCOPE_T_BOOL:
	case SCOPE_T_SHARE:
		r = get_signed(s, &v);
		if (r == 0)
			f->u = p->last[key].a += v;
		return r;
	case SCOPE_T_TEXT:
	case SCOPE_T_JSON:
		r = get_below(s, p->ntexts, &v);
		if (r == 0) {
			f->text = (const char *)p->texts[v].p;
			f->len = (uint32_t)p->texts[v].len;
		}
		return r;
	case SCOPE_T_ATOM:
		return get_word(p, s, &f->term);
	case SCOPE_T_IDENT:
	case SCOPE_T_TERM:
	case SCOPE_T_TERMS:
		r = get(s, &v);
		if (r < 0)
			return r;
		w = v & 1 ? word_at(image, v >> 1) : 0;
		if (v & 1 ? !w : v >> 1 >= p->ndict)
			return -EBADMSG;
		f->term = v & 1 ? w : p->dict[v >> 1];
		return 0;
	case SCOPE_T_MFA:
		r = get_word(p, s, &f->mfa.module);
		if (r == 0)
			r = get_word(p, s, &f->mfa.function);
		return r < 0 ? r : get(s, &f->mfa.arity);
	case SCOPE_T_CORR:
		r = get_signed(s, &v);
		if (r == 0)
			r = get_signed(s, &w);
		if (r < 0)
			return r;
		f->corr.addr = p->last[key].a += v;
		f->corr.n = p->last[key].b += w;
		return 0;
	}
	return -EBADMSG;
}

static int get_fields(struct scope_page *p, const struct span *shape,
		      struct scope_event *ev)
{
	int r = 0;

	ev->cut = shape->p[1] & SHAPE_CUT;
	ev->redacted = shape->p[1] & SHAPE_REDACTED;
	for (size_t i = 2; r == 0 && i < shape->len; i++) {
		struct scope_field *f = &ev->fields[ev->nfields];
		unsigned key = shape->p[i];

		*f = (struct scope_field){ .key = p->keys->of[key].key };
		r = get_value(p, key, &ev->image, f);
		/* One that we have no name for is left out. */
		ev->nfields += f->key < SCOPE_FIELD_MAX;
	}
	return r;
}

static int get_head(struct scope_page *p, struct scope_event *ev,
		    const struct span **ret_shape)
{
	uint64_t delta = 0, wall = 0, id = 0, node = 0, scheduler = 0,
		 shape = 0;
	int r = get_signed(&p->cols[COL_TIME], &delta);

	if (r == 0)
		r = get_run(&p->cols[COL_WALL], &p->wall, &wall);
	if (r == 0)
		r = get_run(&p->cols[COL_ID], &p->id, &id);
	if (r == 0)
		r = get_run(&p->cols[COL_NODE], &p->node, &node);
	if (r == 0)
		r = get_below(&p->cols[COL_SCHED], UINT32_MAX, &scheduler);
	if (r == 0)
		r = get_word(p, &p->cols[COL_PID], &ev->pid);
	if (r == 0)
		r = get_word(p, &p->cols[COL_NAME], &ev->name);
	if (r == 0)
		r = get_below(&p->cols[COL_SHAPE], p->nshapes, &shape);
	if (r < 0)
		return r;
	if (node >= p->ndict)
		return -EBADMSG;
	p->mono_ns += delta;
	ev->mono_ns = p->mono_ns;
	ev->ts_ns = p->mono_ns + wall;
	ev->id = id + p->at;
	ev->scheduler = (uint32_t)scheduler;
	ev->node = p->dict[node];
	*ret_shape = &p->shapes[shape];
	return 0;
}

int scope_page_next(struct scope_page *p, struct scope_event *ret_ev)
{
	const struct span *shape;
	int r;

	if (p->at == p->nevents)
		return 0;
	ret_ev->kind = p->cols[COL_KIND].p[p->at];
	ret_ev->nfields = 0;
	if (ret_ev->kind >= SCOPE_KIND_MAX)
		return -EBADMSG;
	r = get_head(p, ret_ev, &shape);
	if (r == 0)
		r = get_image(p, &ret_ev->image);
	if (r == 0)
		r = get_fields(p, shape, ret_ev);
	if (r < 0)
		return r;
	p->at++;
	return 1;
}
