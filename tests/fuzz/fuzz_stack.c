/* SPDX-License-Identifier: MIT */
/*
 * The words of a stack, whatever they are: its frames, and terms in them.
 *
 * Input:  0  bit 0: code keeps frame pointers
 *         1  frames at most; 0: no limit
 *            then the words, from STACK on; those of CODE are return addresses
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "beam/copy.h"
#include "beam/layout.h"
#include "beam/term.h"
#include "target/stack.h"

#define STACK 0x10000ull
#define CODE 0x20000ull
#define CODE_END 0x20100ull
#define END 0x20100ull

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int is_code(void *arg, uint64_t w)
{
	(void)arg;
	if (w == 0 || (w & 3))
		abort();
	return w == END ? 2 : w >= CODE && w < CODE_END;
}

static int read_memory(void *arg, uint64_t addr, void *buf, size_t len)
{
	const struct scope_stack *s = arg;

	if (addr < STACK || addr - STACK > 8 * s->nwords ||
	    len > 8 * s->nwords - (addr - STACK))
		return -EFAULT;
	memcpy(buf, (uint8_t *)s->words + (addr - STACK), len);
	return 0;
}

static void check(const struct scope_stack *s, size_t max)
{
	size_t seen = 0;

	if (s->nframes == 0 || (max && s->nframes > max))
		abort();
	for (size_t i = 0; i < s->nframes; i++) {
		const struct scope_stack_frame *f = &s->frames[i];

		if (f->is_return != (i > 0) ||
		    (f->ny && (f->y < seen || f->y + f->ny > s->nwords)))
			abort();
		if (f->ny)
			seen = f->y + f->ny;
	}
	if (s->odd > s->nwords)
		abort();
}

static void print_terms(struct scope_vm *vm, const struct scope_stack *s)
{
	static struct scope_copy copy;
	static char text[4096];

	for (size_t i = 0; i < s->nframes && i < 8; i++)
		for (uint32_t k = 0; k < s->frames[i].ny && k < 8; k++) {
			struct scope_buf b = scope_buf_of(text, sizeof(text));
			uint64_t w = s->words[s->frames[i].y + k];

			if ((w & 3) == 0 || (w & 0x3f) == 0x1b)
				continue;
			(void)scope_copy_term(vm, w, 64, &copy);
			(void)scope_term_put(vm, &copy.image, w,
					     SCOPE_SYNTAX_ERLANG, &b);
		}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scope_stack s = { .at = STACK };
	struct scope_vm vm;

	if (size < 2 || size > 1 << 14)
		return 0;
	s.nwords = (size - 2) / 8;
	s.words_all = s.nwords;
	s.hend = STACK + 8 * s.nwords;
	s.words = malloc(8 * s.nwords + !s.nwords);
	if (!s.words)
		abort();
	memcpy(s.words, data + 2, 8 * s.nwords);
	if (scope_stack_walk(&s, data[0] & 1, CODE, data[1], is_code, NULL) == 0)
		check(&s, data[1]);
	if (scope_vm_init(&vm, scope_layout_of(data[0] & 2 ? 27 : 25),
			  read_memory, &s) == 0) {
		print_terms(&vm, &s);
		scope_vm_done(&vm);
	}
	scope_stack_done(&s);
	return 0;
}
