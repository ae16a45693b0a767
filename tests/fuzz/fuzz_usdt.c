/* SPDX-License-Identifier: MIT */
/* USDT notes of an emulator made by somebody else, and the arguments in them. */
#include <stdlib.h>
#include <string.h>

#include "target/stapsdt.h"

#define MAX 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t address(void *arg, const char *name)
{
	(void)arg;
	return strlen(name) & 1 ? 0x1000 : 0;
}

/* What is understood is what the programs can take. */
static void check(const struct scope_usdt_arg *a, size_t n, unsigned registers)
{
	for (size_t i = 0; i < n && i < MAX; i++)
		if (a[i].reg >= registers || a[i].index >= registers ||
		    a[i].scale > 3 || (a[i].shift && a[i].shift != 8) ||
		    (a[i].size != 1 && a[i].size != 2 && a[i].size != 4 &&
		     a[i].size != 8) ||
		    a[i].role || a[i].slot)
			abort();
}

static int on_note(void *arg, const struct scope_stapsdt *p)
{
	const struct scope_usdt_resolver r = { address, NULL };
	struct scope_usdt_arg a[MAX];
	size_t bad = 0;
	int n;

	(void)arg;
	if (!*p->provider || !*p->name || !p->pc)
		abort();
	n = scope_usdt_args_x86(p->args, &r, a, MAX, &bad);
	if (n >= 0)
		check(a, (size_t)n, 16);
	n = scope_usdt_args_arm64(p->args, &r, a, MAX, &bad);
	if (n >= 0)
		check(a, (size_t)n, 32);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scope_stapsdt p = { "erlang", "probe", NULL, 1, 0 };
	uint8_t *notes = malloc(size ? size : 1);
	char *text = malloc(size + 1);

	if (!notes || !text)
		abort();
	memcpy(notes, data, size);
	(void)scope_stapsdt_each(notes, size, size & 1 ? 0x2000 : 0, on_note,
				 NULL);
	memcpy(text, data, size);
	text[size] = 0;
	p.args = text;
	(void)on_note(NULL, &p);
	free(notes);
	free(text);
	return 0;
}
