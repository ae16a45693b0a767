/* SPDX-License-Identifier: MIT */
/* Command lines of the default command: the input's words, parted by newlines.
 * What is taken is within the limits; what is refused says why, in a line. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/live_conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ARGS 100

static void check(const struct scope_live_conf *c)
{
	if (c->wants_help || c->wants_version)
		return;
	if (c->term_words > SCOPE_TERM_WORDS_MAX ||
	    c->buffer_bytes < 65536 || c->buffer_bytes > 1u << 30 ||
	    c->nprocesses > SCOPE_PROCESSES_MAX ||
	    c->processes[c->nprocesses] || !c->kinds ||
	    (c->target && !*c->target) || c->syntax > SCOPE_SYNTAX_JSON)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char name[] = "scope-bpf";
	struct scope_live_conf c;
	struct scope_err err = { 0 };
	char *argv[ARGS + 1] = { name };
	char *text = malloc(size + 1);
	int argc = 1, r;

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	for (char *w = text; w && argc < ARGS; argc++) {
		argv[argc] = w;
		w = strchr(w, '\n');
		if (w)
			*w++ = '\0';
	}
	argv[argc] = NULL;
	r = scope_live_conf_parse(&scope_cmd_live, argc, argv, &c, &err);
	if (r == 0)
		check(&c);
	else if (r != -EINVAL || err.code != -EINVAL || !*err.text)
		abort();
	free(text);
	return 0;
}
