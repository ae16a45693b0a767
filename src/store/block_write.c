/* SPDX-License-Identifier: MIT */
#include "store/block_int.h"

#include <errno.h>
#include <string.h>

#include <xxhash.h>

#include "base/map.h"
#include "store/varint.h"

/* gcc 12's analyser believes that columns are lost when others grow. */
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"

#define KEYS_MAX (COL_MAX - COL_FIELD)
#define TEXT_MAX (1u << 20) /* a longer one is cut */
#define RECENT 4096u	    /* images that may come again */
/* What an event takes at most, of its columns beside words, segments, texts. */
#define HEAD_BYTES 256u
#define FIELD_BYTES (4 * SCOPE_VARINT_MAX)

struct col {
	uint8_t *p; /* owned */
	size_t len, cap;
};

/* Events in a row that have the same value. */
struct run {
	uint64_t value, events;
	uint64_t before; /* value of the run before */
};

/* An image that was written; compared in whole before it is referred to. */
struct recent {
	uint64_t hash;
	uint32_t number; /* from 1; 0: none */
	uint32_t nwords, nsegs;
	size_t words; /* where in COL_WORDS */
	size_t segs;  /* where in segs */
};

struct scope_block {
	struct col cols[COL_MAX];
	struct col segs;    /* of images, as they were given */
	struct col text_at; /* where each text is in COL_TEXTS, and its size */
	size_t bytes;	    /* of cols */
	bool is_ended;
	struct scope_block_sum sum;
	uint64_t time; /* mono_ns of the last event */
	struct run wall, id, node;
	struct scope_map *words;  /* word -> number */
	struct scope_map *texts;  /* hash -> number + 1 */
	struct scope_map *shapes; /* hash -> number + 1 */
	uint32_t nwords, ntexts, nshapes, nimages;
	uint64_t base; /* where the last image began */
	struct {
		uint64_t a, b;
	} last[KEYS_MAX]; /* values of each key's last event */
	struct recent recent[RECENT];
};

/* What an event's values are in the dictionaries. */
struct numbers {
	uint32_t pid, name, node, shape;
	uint32_t field[SCOPE_EVENT_FIELDS][2];
};

static const uint8_t types[SCOPE_FIELD_MAX] = {
#define X(sym, key, type, says) [SCOPE_FIELD_##sym] = SCOPE_T_##type,
	SCOPE_FIELDS(X)
#undef X
};

struct scope_block *scope_block_new(void)
{
	struct scope_block *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->words = scope_map_new(8 * SCOPE_BLOCK_EVENTS);
	b->texts = scope_map_new(SCOPE_BLOCK_EVENTS);
	b->shapes = scope_map_new(SHAPES_MAX);
	if (!b->words || !b->texts || !b->shapes) {
		scope_block_free(b);
		return NULL;
	}
	return b;
}

void scope_block_free(struct scope_block *b)
{
	if (!b)
		return;
	for (unsigned i = 0; i < COL_MAX; i++)
		free(b->cols[i].p);
	free(b->segs.p);
	free(b->text_at.p);
	scope_map_free(b->words);
	scope_map_free(b->texts);
	scope_map_free(b->shapes);
	free(b);
}

void scope_block_clear(struct scope_block *b)
{
	for (unsigned i = 0; i < COL_MAX; i++)
		b->cols[i].len = 0;
	b->segs.len = b->text_at.len = b->bytes = 0;
	b->is_ended = false;
	b->sum = (struct scope_block_sum){ 0 };
	b->time = b->base = 0;
	b->wall = b->id = b->node = (struct run){ 0 };
	scope_map_clear(b->words);
	scope_map_clear(b->texts);
	scope_map_clear(b->shapes);
	b->nwords = b->ntexts = b->nshapes = b->nimages = 0;
	memset(b->last, 0, sizeof(b->last));
	memset(b->recent, 0, sizeof(b->recent));
}

/* -- columns --------------------------------------------------------------- */

static int room(struct col *c, size_t n)
{
	size_t cap = c->cap ? c->cap : 4096;
	uint8_t *p;

	if (c->cap - c->len >= n)
		return 0;
	while (cap - c->len < n)
		cap *= 2;
	p = realloc(c->p, cap);
	if (!p)
		return -ENOMEM;
	c->p = p;
	c->cap = cap;
	return 0;
}

/* There is room. */
static void put(struct scope_block *b, unsigned col, uint64_t v)
{
	struct col *c = &b->cols[col];
	size_t n = scope_varint_put(c->p + c->len, v);

	c->len += n;
	b->bytes += n;
}

static void put_signed(struct scope_block *b, unsigned col, uint64_t v)
{
	put(b, col, scope_zigzag((int64_t)v));
}

static void put_bytes(struct scope_block *b, unsigned col, const void *p,
		      size_t n)
{
	struct col *c = &b->cols[col];

	memcpy(c->p + c->len, p, n);
	c->len += n;
	b->bytes += n;
}

static void put_run(struct scope_block *b, unsigned col, struct run *r)
{
	if (!r->events)
		return;
	put(b, col, r->events);
	put_signed(b, col, r->value - r->before);
	r->before = r->value;
	r->events = 0;
}

static void add_to_run(struct scope_block *b, unsigned col, struct run *r,
		       uint64_t value)
{
	if (value != r->value)
		put_run(b, col, r);
	r->value = value;
	r->events++;
}

/* -- dictionaries ---------------------------------------------------------- */

static int number_of_word(struct scope_block *b, struct scope_vm *vm,
			  uint64_t word, uint32_t *ret)
{
	const char *text;
	uint64_t n;
	size_t len;
	int r;

	*ret = 0;
	if (!word)
		return 0;
	if (scope_map_get(b->words, word, &n)) {
		*ret = (uint32_t)n;
		return 0;
	}
	text = scope_is_atom(word) ? scope_vm_atom(vm, word, &len) : NULL;
	if (!text)
		len = 0;
	r = room(&b->cols[COL_DICT], 8);
	if (r == 0)
		r = room(&b->cols[COL_ATOMS], 2 * SCOPE_VARINT_MAX + len);
	if (r == 0)
		r = scope_map_put(b->words, word, b->nwords + 1);
	if (r < 0)
		return r;
	*ret = ++b->nwords;
	put_bytes(b, COL_DICT, &word, 8);
	if (text) {
		put(b, COL_ATOMS, b->nwords);
		put(b, COL_ATOMS, len);
		put_bytes(b, COL_ATOMS, text, len);
	}
	return 0;
}

/* Two texts may have one hash: then the later one has a number of its own. */
static int number_of_text(struct scope_block *b, const char *text, size_t len,
			  uint32_t *ret)
{
	uint64_t hash = XXH3_64bits(text, len) | 1, n, at[2];
	int r;

	if (scope_map_get(b->texts, hash, &n)) {
		memcpy(at, b->text_at.p + 16 * (n - 1), 16);
		if (at[1] == len &&
		    !memcmp(b->cols[COL_TEXTS].p + at[0], text, len)) {
			*ret = (uint32_t)n - 1;
			return 0;
		}
	}
	r = room(&b->cols[COL_TEXTS], SCOPE_VARINT_MAX + len);
	if (r == 0)
		r = room(&b->text_at, 16);
	if (r == 0)
		r = scope_map_put(b->texts, hash, b->ntexts + 1);
	if (r < 0)
		return r;
	put(b, COL_TEXTS, len);
	at[0] = b->cols[COL_TEXTS].len;
	at[1] = len;
	put_bytes(b, COL_TEXTS, text, len);
	memcpy(b->text_at.p + b->text_at.len, at, 16);
	b->text_at.len += 16;
	*ret = b->ntexts++;
	return 0;
}

/* Shapes are few: two that share a hash are told apart by the key, which is
 * the shape itself where it is short enough, and a hash of 64 bits that we
 * make ourselves where it is not. */
static int number_of_shape(struct scope_block *b, const struct scope_event *ev,
			   uint32_t *ret)
{
	uint8_t shape[SCOPE_EVENT_FIELDS + 2];
	uint64_t key, n;
	size_t len = 0;
	int r;

	shape[len++] = (uint8_t)ev->nfields;
	shape[len++] = (uint8_t)((ev->cut ? SHAPE_CUT : 0) |
				 (ev->redacted ? SHAPE_REDACTED : 0));
	for (size_t i = 0; i < ev->nfields; i++)
		shape[len++] = (uint8_t)ev->fields[i].key;
	key = XXH3_64bits(shape, len) | 1;
	if (scope_map_get(b->shapes, key, &n)) {
		*ret = (uint32_t)n - 1;
		return 0;
	}
	r = room(&b->cols[COL_SHAPES], len);
	if (r == 0)
		r = scope_map_put(b->shapes, key, b->nshapes + 1);
	if (r < 0)
		return r;
	put_bytes(b, COL_SHAPES, shape, len);
	*ret = b->nshapes++;
	return 0;
}

static uint64_t place_of(const struct scope_image *image, uint64_t word);

static int numbers_of_field(struct scope_block *b, struct scope_vm *vm,
			    const struct scope_event *ev,
			    const struct scope_field *f, uint32_t *ret)
{
	int r;

	switch ((enum scope_type)types[f->key]) {
	case SCOPE_T_TEXT:
	case SCOPE_T_JSON:
		return number_of_text(b, f->text,
				      f->len < TEXT_MAX ? f->len : TEXT_MAX,
				      ret);
	case SCOPE_T_IDENT:
	case SCOPE_T_TERM:
	case SCOPE_T_TERMS:
		if (place_of(&ev->image, f->term) != SCOPE_BLOCK_NO_PLACE)
			return 0;
		return number_of_word(b, vm, f->term, ret);
	case SCOPE_T_ATOM:
		return number_of_word(b, vm, f->term, ret);
	case SCOPE_T_MFA:
		r = number_of_word(b, vm, f->mfa.module, &ret[0]);
		return r < 0 ? r :
			       number_of_word(b, vm, f->mfa.function, &ret[1]);
	default:
		return 0;
	}
}

/* Everything that may fail. What the dictionaries gain stays, and does no harm
 * when the event is not added after all. */
static int find_numbers(struct scope_block *b, struct scope_vm *vm,
			const struct scope_event *ev, struct numbers *ret)
{
	uint32_t ignored;
	int r = number_of_word(b, vm, ev->pid, &ret->pid);

	if (r == 0)
		r = number_of_word(b, vm, ev->name, &ret->name);
	if (r == 0)
		r = number_of_word(b, vm, ev->node, &ret->node);
	if (r == 0)
		r = number_of_shape(b, ev, &ret->shape);
	for (size_t i = 0; r == 0 && i < ev->nfields; i++)
		r = numbers_of_field(b, vm, ev, &ev->fields[i],
				     ret->field[i]);
	for (size_t i = 0; r == 0 && i < ev->image.nwords; i++)
		if (scope_is_atom(ev->image.words[i]))
			r = number_of_word(b, vm, ev->image.words[i],
					   &ignored);
	return r;
}

/* -- images ---------------------------------------------------------------- */

/* Where a pointer leads to in the image, with its tag; SCOPE_BLOCK_NO_PLACE. */
static uint64_t place_of(const struct scope_image *image, uint64_t word)
{
	uint64_t at = 0, addr = SCOPE_PTR(word);

	if (SCOPE_TAG(word) != SCOPE_TAG_LIST &&
	    SCOPE_TAG(word) != SCOPE_TAG_BOXED)
		return SCOPE_BLOCK_NO_PLACE;
	if (word & 4)
		return SCOPE_BLOCK_NO_PLACE;
	for (size_t i = 0; i < image->nsegs; i++) {
		uint64_t base = SCOPE_SEG_ADDR(image->segs[i]);
		uint64_t n = SCOPE_SEG_WORDS(image->segs[i]);

		if (addr >= base && addr < base + 8 * n)
			return (at + (addr - base) / 8) << 2 | SCOPE_TAG(word);
		at += n;
	}
	return SCOPE_BLOCK_NO_PLACE;
}

static void put_segs(struct scope_block *b, const struct scope_image *image)
{
	uint64_t end = b->base;

	put(b, COL_SEGS, image->nsegs);
	for (size_t i = 0; i < image->nsegs; i++) {
		uint64_t base = SCOPE_SEG_ADDR(image->segs[i]);

		put(b, COL_SEGS, SCOPE_SEG_WORDS(image->segs[i]));
		put_signed(b, COL_SEGS, (uint64_t)((int64_t)(base - end) / 8));
		end = base + 8 * SCOPE_SEG_WORDS(image->segs[i]);
		if (i == 0)
			b->base = base;
	}
}

/* The words as they are stored, in the free part of COL_WORDS; how many of them
 * only look like places is in *ret_raw. */
static uint8_t *store_words(struct scope_block *b,
			    const struct scope_image *image, size_t *ret_raw)
{
	uint8_t *at = b->cols[COL_WORDS].p + b->cols[COL_WORDS].len;

	*ret_raw = 0;
	for (size_t i = 0; i < image->nwords; i++) {
		uint64_t w = image->words[i], place = place_of(image, w);

		if (place != SCOPE_BLOCK_NO_PLACE)
			w = SCOPE_BLOCK_PLACE | place;
		else if ((w & SCOPE_BLOCK_PLACE_MASK) == SCOPE_BLOCK_PLACE)
			(*ret_raw)++;
		memcpy(at + 8 * i, &w, 8);
	}
	return at;
}

static void put_raw(struct scope_block *b, const struct scope_image *image,
		    size_t raw)
{
	size_t before = 0;

	put(b, COL_RAW, raw);
	for (size_t i = 0; raw && i < image->nwords; i++) {
		uint64_t w = image->words[i];

		if ((w & SCOPE_BLOCK_PLACE_MASK) != SCOPE_BLOCK_PLACE ||
		    place_of(image, w) != SCOPE_BLOCK_NO_PLACE)
			continue;
		put(b, COL_RAW, i - before);
		before = i;
		raw--;
	}
}

static bool is_same(const struct scope_block *b, const struct recent *r,
		    const struct scope_image *image, const uint8_t *words)
{
	return r->nwords == image->nwords && r->nsegs == image->nsegs &&
	       !memcmp(b->cols[COL_WORDS].p + r->words, words,
		       8 * image->nwords) &&
	       !memcmp(b->segs.p + r->segs, image->segs, 8 * image->nsegs);
}

/* A receive has the image of its send: it is referred to. */
static void put_image(struct scope_block *b, const struct scope_image *image)
{
	struct col *words = &b->cols[COL_WORDS];
	struct recent *r;
	uint64_t hash;
	uint8_t *at;
	size_t raw;

	if (!image->nsegs) {
		put(b, COL_IMAGE, 0);
		return;
	}
	at = store_words(b, image, &raw);
	hash = XXH3_64bits_withSeed(at, 8 * image->nwords, image->segs[0]);
	r = &b->recent[hash % RECENT];
	if (r->number && r->hash == hash && is_same(b, r, image, at)) {
		put(b, COL_IMAGE, 2 + b->nimages - r->number);
		return;
	}
	*r = (struct recent){ .hash = hash,
			      .number = ++b->nimages,
			      .nwords = (uint32_t)image->nwords,
			      .nsegs = (uint32_t)image->nsegs,
			      .words = words->len,
			      .segs = b->segs.len };
	words->len += 8 * image->nwords;
	b->bytes += 8 * image->nwords;
	memcpy(b->segs.p + b->segs.len, image->segs, 8 * image->nsegs);
	b->segs.len += 8 * image->nsegs;
	put(b, COL_IMAGE, 1);
	put_segs(b, image);
	put_raw(b, image, raw);
}

/* -- events ---------------------------------------------------------------- */

static void put_field(struct scope_block *b, const struct scope_image *image,
		      const struct scope_field *f, const uint32_t *number)
{
	unsigned col = COL_FIELD + (unsigned)f->key;
	uint64_t place;

	switch ((enum scope_type)types[f->key]) {
	case SCOPE_T_UINT:
	case SCOPE_T_INT:
	case SCOPE_T_BOOL:
	case SCOPE_T_SHARE:
		put_signed(b, col, f->u - b->last[f->key].a);
		b->last[f->key].a = f->u;
		break;
	case SCOPE_T_TEXT:
	case SCOPE_T_JSON:
	case SCOPE_T_ATOM:
		put(b, col, number[0]);
		break;
	case SCOPE_T_IDENT:
	case SCOPE_T_TERM:
	case SCOPE_T_TERMS:
		place = place_of(image, f->term);
		if (place != SCOPE_BLOCK_NO_PLACE)
			put(b, col, place << 1 | 1);
		else
			put(b, col, (uint64_t)number[0] << 1);
		break;
	case SCOPE_T_MFA:
		put(b, col, number[0]);
		put(b, col, number[1]);
		put(b, col, f->mfa.arity);
		break;
	case SCOPE_T_CORR:
		put_signed(b, col, f->corr.addr - b->last[f->key].a);
		put_signed(b, col, f->corr.n - b->last[f->key].b);
		b->last[f->key].a = f->corr.addr;
		b->last[f->key].b = f->corr.n;
		break;
	}
}

/* Room in all columns that the event may add to, so that adding can't fail. */
static int room_for(struct scope_block *b, const struct scope_event *ev)
{
	const struct scope_image *image = &ev->image;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < COL_DICT; i++)
		r = room(&b->cols[i], HEAD_BYTES);
	if (r == 0)
		r = room(&b->cols[COL_WORDS], 8 * image->nwords);
	if (r == 0)
		r = room(&b->cols[COL_RAW],
			 SCOPE_VARINT_MAX * (image->nwords + 1));
	if (r == 0)
		r = room(&b->cols[COL_SEGS],
			 SCOPE_VARINT_MAX * (2 * image->nsegs + 1));
	if (r == 0)
		r = room(&b->segs, 8 * image->nsegs);
	for (size_t i = 0; r == 0 && i < ev->nfields; i++)
		r = room(&b->cols[COL_FIELD + (unsigned)ev->fields[i].key],
			 FIELD_BYTES);
	return r;
}

static bool is_full(const struct scope_block *b, const struct scope_event *ev)
{
	size_t n = HEAD_BYTES * COL_DICT + FIELD_BYTES * SCOPE_EVENT_FIELDS +
		   (8 + SCOPE_VARINT_MAX) * ev->image.nwords +
		   2 * SCOPE_VARINT_MAX * ev->image.nsegs;

	for (size_t i = 0; i < ev->nfields; i++) {
		enum scope_type type = types[ev->fields[i].key];

		if (type == SCOPE_T_TEXT || type == SCOPE_T_JSON)
			n += ev->fields[i].len;
	}
	return b->is_ended || b->sum.events == SCOPE_BLOCK_EVENTS ||
	       b->bytes + n > SCOPE_BLOCK_BYTES;
}

static void add_to_sum(struct scope_block *b, const struct scope_event *ev)
{
	struct scope_block_sum *s = &b->sum;

	if (!s->events || ev->ts_ns < s->min_ts_ns)
		s->min_ts_ns = ev->ts_ns;
	if (ev->ts_ns > s->max_ts_ns)
		s->max_ts_ns = ev->ts_ns;
	if (!s->events)
		s->first_id = ev->id;
	s->last_id = ev->id;
	s->kinds |= SCOPE_KIND_BIT(ev->kind);
	s->events++;
}

int scope_block_add(struct scope_block *b, struct scope_vm *vm,
		    const struct scope_event *ev)
{
	uint8_t kind = (uint8_t)ev->kind;
	struct numbers n = { 0 };
	int r;

	if (is_full(b, ev))
		return -ENOSPC;
	r = room_for(b, ev);
	if (r == 0)
		r = find_numbers(b, vm, ev, &n);
	if (r < 0)
		return r == -ENOSPC && !b->sum.events ? -ENOMEM : r;
	put_bytes(b, COL_KIND, &kind, 1);
	put_signed(b, COL_TIME, ev->mono_ns - b->time);
	b->time = ev->mono_ns;
	add_to_run(b, COL_WALL, &b->wall, ev->ts_ns - ev->mono_ns);
	add_to_run(b, COL_ID, &b->id, ev->id - b->sum.events);
	put(b, COL_SCHED, ev->scheduler);
	put(b, COL_PID, n.pid);
	put(b, COL_NAME, n.name);
	add_to_run(b, COL_NODE, &b->node, n.node);
	put(b, COL_SHAPE, n.shape);
	put_image(b, &ev->image);
	for (size_t i = 0; i < ev->nfields; i++)
		put_field(b, &ev->image, &ev->fields[i], n.field[i]);
	add_to_sum(b, ev);
	return 0;
}

size_t scope_block_events(const struct scope_block *b)
{
	return b->sum.events;
}

void scope_block_sum(const struct scope_block *b, struct scope_block_sum *ret)
{
	*ret = b->sum;
}

/* Atoms are in the order of the words. */
void scope_block_each_word(const struct scope_block *b,
			   void (*fn)(void *arg, uint64_t word,
				      const char *text, size_t len),
			   void *arg)
{
	const struct col *atoms = &b->cols[COL_ATOMS];
	uint64_t word, number = 0, len = 0;
	size_t at = 0, text = 0;

	for (uint32_t i = 1; i <= b->nwords; i++) {
		memcpy(&word, b->cols[COL_DICT].p + 8 * (size_t)(i - 1), 8);
		if (number < i && at < atoms->len) {
			at += scope_varint_get(atoms->p + at, atoms->len - at,
					       &number);
			at += scope_varint_get(atoms->p + at, atoms->len - at,
					       &len);
			text = at;
			at += (size_t)len;
		}
		if (number == i)
			fn(arg, word, (const char *)atoms->p + text,
			   (size_t)len);
		else
			fn(arg, word, NULL, 0);
	}
}

/* -- the payload ----------------------------------------------------------- */

/* The list of columns; p may be NULL. Its size. */
static size_t put_list(const struct scope_block *b, uint8_t *p)
{
	uint8_t spare[2 * SCOPE_VARINT_MAX];
	uint64_t columns = 0;
	size_t n;

	for (unsigned i = 0; i < COL_MAX; i++)
		columns += b->cols[i].len > 0;
	n = scope_varint_put(p ? p : spare, columns);
	for (unsigned i = 0; i < COL_MAX; i++) {
		if (!b->cols[i].len)
			continue;
		n += scope_varint_put(p ? p + n : spare, i);
		n += scope_varint_put(p ? p + n : spare, b->cols[i].len);
	}
	return n;
}

size_t scope_block_end(struct scope_block *b)
{
	if (!b->is_ended) {
		put_run(b, COL_WALL, &b->wall);
		put_run(b, COL_ID, &b->id);
		put_run(b, COL_NODE, &b->node);
		b->is_ended = true;
	}
	return put_list(b, NULL) + b->bytes;
}

void scope_block_put(const struct scope_block *b, uint8_t *p)
{
	p += put_list(b, p);
	for (unsigned i = 0; i < COL_MAX; i++) {
		if (!b->cols[i].len)
			continue;
		memcpy(p, b->cols[i].p, b->cols[i].len);
		p += b->cols[i].len;
	}
}
