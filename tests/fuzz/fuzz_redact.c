/* SPDX-License-Identifier: MIT */
/*
 * Rules held against an image and a term, as a record of a probe might hold
 * them. Input: as fuzz_term's. What is left after hiding must print, and
 * hiding again must change nothing.
 */
#include "beam/redact.h"
#include "beam/term.h"
#include "fuzz_atoms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_atoms(void *arg, uint64_t addr, void *buf, size_t len)
{
	(void)arg;
	return atoms_read(addr, buf, len);
}

static struct scope_redact *rules(void)
{
	static const char *const list[] = {
		"default", "atom:*a*", "field:*.*e*", "match:[a-f]{2}", "match:^1",
	};
	struct scope_redact *r = NULL;

	if (scope_redact_new(&r) < 0)
		abort();
	for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++)
		if (scope_redact_add(r, list[i], NULL) < 0)
			abort();
	return r;
}

static void hide(struct scope_redact *r, struct scope_vm *vm,
		 struct scope_event *ev)
{
	const struct scope_event *got = scope_redact_event(r, vm, ev);
	static char text[1 << 16];
	static uint64_t words[SCOPE_WORDS_MAX];
	struct scope_buf b = scope_buf_of(text, sizeof(text));
	struct scope_event again = *got;

	if (got != ev && !got->redacted)
		abort();
	for (size_t i = 0; i < got->nfields; i++)
		(void)scope_term_put(vm, &got->image, got->fields[i].term,
				     SCOPE_SYNTAX_ERLANG, &b);
	if (got == ev)
		return;
	memcpy(words, got->image.words, 8 * got->image.nwords);
	again.image.words = words;
	if (scope_redact_event(r, vm, &again) != &again)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct scope_redact *r;
	const struct scope_layout *l;
	struct scope_event ev = { .kind = SCOPE_KIND_MSG_SEND };
	struct scope_vm vm;
	uint64_t *words;
	size_t n = size / 8, nsegs;

	if (n < 2)
		return 0;
	if (!r)
		r = rules();
	words = malloc(8 * n);
	if (!words)
		abort();
	memcpy(words, data, 8 * n);
	l = layout_by(data[0]);
	nsegs = data[1] < n - 2 ? data[1] : n - 2;
	ev.image = (struct scope_image){
		.segs = words + 2,
		.nsegs = nsegs,
		.words = words + 2 + nsegs,
		.nwords = n - 2 - nsegs,
	};
	scope_event_add(&ev, SCOPE_FIELD_MSG)->term = words[1];
	atoms_init(l);
	if (scope_vm_init(&vm, l, read_atoms, NULL) < 0)
		abort();
	vm.atom_table = ATOMS_BASE;
	hide(r, &vm, &ev);
	scope_vm_done(&vm);
	free(words);
	return 0;
}
