/* SPDX-License-Identifier: MIT */
/* Any text as that of /proc/PID/cgroup, and as the name of a thread. */
#include <stdlib.h>
#include <string.h>

#include "target/target_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scope_place *p = malloc(sizeof(*p));
	char *text = malloc(size + 1);
	unsigned kind, no;

	if (!p || !text)
		abort();
	memcpy(text, data, size);
	text[size] = 0;
	memset(p, 0, sizeof(*p));
	scope_place_cgroup(text, p);
	if (strnlen(p->cgroup, sizeof(p->cgroup)) == sizeof(p->cgroup) ||
	    strnlen(p->container, sizeof(p->container)) == sizeof(p->container) ||
	    strnlen(p->runtime, sizeof(p->runtime)) == sizeof(p->runtime))
		abort();
	if (scope_thread_parse(text, &kind, &no) && (kind > 2 || !no))
		abort();
	free(text);
	free(p);
	return 0;
}
