/* SPDX-License-Identifier: MIT */
/*
 * Events with fields of any kind and value, over an image of any words: what
 * comes out is one valid line, or -ENOBUFS and nothing.
 *
 * Input: a byte of syntax, a kind, a number of fields; then for each its key
 * and three words; what is left is the image, one segment at 0x10000, and the
 * text of text fields.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "beam/layout.h"
#include "export/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LINE_BYTES (1u << 20)
#define IMAGE_AT 0x10000ull
#define WORDS 512

struct input {
	const uint8_t *p;
	size_t n;
};

static uint64_t take(struct input *in, size_t n)
{
	uint64_t v = 0;

	if (n > in->n)
		n = in->n;
	memcpy(&v, in->p, n);
	in->p += n;
	in->n -= n;
	return v;
}

/* Atoms are made up of the image, too: any bytes, any length. */
static struct input memory;

static int read_memory(void *arg, uint64_t addr, void *buf, size_t len)
{
	(void)arg;
	if (!memory.n || len > memory.n)
		return -EFAULT;
	memcpy(buf, memory.p + addr % (memory.n - len + 1), len);
	return 0;
}

static void take_field(struct input *in, struct scope_event *ev,
		       const struct input *text)
{
	enum scope_field_key key = take(in, 1) % SCOPE_FIELD_MAX;
	struct scope_field *f = scope_event_add(ev, key);
	enum scope_type type = scope_field_info(key)->type;

	f->mfa.module = take(in, 8);
	f->mfa.function = take(in, 8);
	f->mfa.arity = take(in, 8);
	if (type == SCOPE_T_UINT || type == SCOPE_T_SHARE)
		f->u &= INT64_MAX; /* jansson's integers are signed */
	if (type == SCOPE_T_TEXT) {
		f->len = (uint32_t)(f->u % (text->n + 1));
		f->text = (const char *)text->p;
	} else if (type == SCOPE_T_JSON) {
		f->text = "{\"a\":[1]}";
		f->len = 9;
	}
}

static void check(struct scope_json *j, const struct scope_event *ev)
{
	static char line[LINE_BYTES];
	struct scope_buf out = scope_buf_of(line, sizeof(line));
	json_error_t err;
	json_t *o;
	size_t len;
	int r = scope_json_event(j, ev, &out);

	if (r == -ENOBUFS && out.len == 0)
		return;
	if (r != 0 || out.len < 2 || line[out.len - 1] != '\n' ||
	    memchr(line, '\n', out.len - 1))
		abort();
	o = json_loadb(line, out.len, JSON_ALLOW_NUL, &err);
	if (!o)
		abort();
	json_decref(o);
	/* Once more into what does not hold it. */
	len = out.len - 1;
	out = scope_buf_of(line, len);
	if (scope_json_event(j, ev, &out) != -ENOBUFS || out.len || out.full)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned otps[] = { 25, 27, 24, 28 };
	struct input in = { data, size };
	struct scope_json_opts opts = { .node = "n@h", .os_pid = 1 };
	struct scope_event ev = { 0 };
	const struct scope_layout *l;
	uint64_t words[WORDS] = { 0 };
	struct scope_vm vm = { 0 };
	struct scope_json *j;
	unsigned first = (unsigned)take(&in, 1);
	uint64_t seg;
	size_t n;

	l = scope_layout_of(otps[first >> 2 & 3]);
	opts.syntax = first % 3;
	do
		ev.kind = 1 + take(&in, 1) % (SCOPE_KIND_MAX - 1);
	while (!scope_kind_info(ev.kind)->name && in.n);
	if (!scope_kind_info(ev.kind)->name || !l)
		return 0;
	n = take(&in, 1) % 20;
	ev.ts_ns = take(&in, 8) & INT64_MAX;
	ev.scheduler = (uint32_t)take(&in, 1);
	ev.pid = take(&in, 8);
	ev.name = take(&in, 8);
	memory = in;
	if (scope_vm_init(&vm, l, read_memory, NULL) < 0)
		abort();
	vm.atom_table = IMAGE_AT;
	j = scope_json_new(&vm, &opts);
	if (!j)
		abort();
	for (size_t i = 0; i < n; i++)
		take_field(&in, &ev, &memory);
	ev.image.nwords = in.n / 8 < WORDS ? in.n / 8 : WORDS;
	if (ev.image.nwords)
		memcpy(words, in.p, 8 * ev.image.nwords);
	ev.image.words = words;
	seg = SCOPE_SEG(IMAGE_AT, ev.image.nwords);
	ev.image.segs = &seg;
	ev.image.nsegs = 1;
	check(j, &ev);
	scope_json_free(j);
	scope_vm_done(&vm);
	return 0;
}
