/* SPDX-License-Identifier: MIT */
#include "target/stapsdt.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define NOTE_NAME "stapsdt"
#define NOTE_TYPE 3
#define ADDRESSES 24 /* bytes of the three */

struct cursor {
	const uint8_t *p;
	size_t len;
};

static bool take(struct cursor *c, size_t n, const uint8_t **ret)
{
	if (n > c->len)
		return false;
	*ret = c->p;
	c->p += n;
	c->len -= n;
	return true;
}

/* The last note may lack its padding. */
static bool take_padded(struct cursor *c, size_t n, const uint8_t **ret)
{
	size_t pad = -n & 3;

	if (!take(c, n, ret))
		return false;
	if (pad > c->len)
		pad = c->len;
	c->p += pad;
	c->len -= pad;
	return true;
}

static bool take_text(struct cursor *c, const char **ret)
{
	const uint8_t *end = c->len ? memchr(c->p, 0, c->len) : NULL;
	const uint8_t *at;

	if (!end || !take(c, (size_t)(end - c->p) + 1, &at))
		return false;
	*ret = (const char *)at;
	return true;
}

static bool read_probe(struct cursor c, uint64_t base,
		       struct scope_stapsdt *ret)
{
	const uint8_t *at;
	uint64_t word[3], moved;

	if (!take(&c, ADDRESSES, &at))
		return false;
	memcpy(word, at, sizeof(word));
	/* How far the file was moved after it was linked (prelink). */
	moved = base && word[1] ? base - word[1] : 0;
	ret->pc = word[0] + moved;
	ret->semaphore = word[2] ? word[2] + moved : 0;
	return ret->pc && take_text(&c, &ret->provider) &&
	       take_text(&c, &ret->name) && take_text(&c, &ret->args) &&
	       *ret->provider && *ret->name;
}

/* The next note. 1: a probe; 0: something else; -EBADMSG. */
static int next(struct cursor *c, uint64_t base, struct scope_stapsdt *ret)
{
	Elf64_Nhdr nh;
	const uint8_t *at, *name, *desc;

	if (!take(c, sizeof(nh), &at))
		return -EBADMSG;
	memcpy(&nh, at, sizeof(nh));
	if (!take_padded(c, nh.n_namesz, &name) ||
	    !take_padded(c, nh.n_descsz, &desc))
		return -EBADMSG;
	if (nh.n_type != NOTE_TYPE || nh.n_namesz != sizeof(NOTE_NAME) ||
	    memcmp(name, NOTE_NAME, sizeof(NOTE_NAME)) != 0)
		return 0;
	return read_probe((struct cursor){ desc, nh.n_descsz }, base, ret) ?
		       1 :
		       -EBADMSG;
}

int scope_stapsdt_each(const uint8_t *notes, size_t len, uint64_t base,
		       int (*fn)(void *arg, const struct scope_stapsdt *p),
		       void *arg)
{
	for (int pass = 0; pass < 2; pass++) {
		struct cursor c = { notes, len };

		while (c.len) {
			struct scope_stapsdt p;
			int r = next(&c, base, &p);

			if (r < 0)
				return r;
			r = r && pass ? fn(arg, &p) : 0;
			if (r)
				return r;
		}
	}
	return 0;
}
