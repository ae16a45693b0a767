/* SPDX-License-Identifier: MIT */
/* Any bytes as what an observer wrote: a line that is taken is one JSON object
 * of that node; words become text. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "cli/relay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PID 7

/* What jansson takes, too, it understands in the same way. */
static void check(const char *line, size_t len)
{
	json_t *o;
	char text[64];
	struct scope_buf b = scope_buf_of(text, sizeof(text));

	scope_relay_words(line, len, &b);
	if (!scope_utf8_valid(b.p, b.len) || memchr(b.p, '\x1b', b.len))
		abort();
	if (!scope_relay_is_of(line, len, PID))
		return;
	o = json_loadb(line, len, 0, NULL);
	if (o && (!json_is_object(o) ||
		  json_integer_value(json_object_get(o, "os_pid")) != PID))
		abort();
	json_decref(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scope_relay *r = NULL;
	const char *line;
	size_t len;
	int fds[2];

	if (size > 4096 || pipe2(fds, O_NONBLOCK) < 0)
		return 0;
	if (write(fds[1], data, size) < 0 ||
	    scope_relay_new(fds[0], 256, &r) < 0)
		abort();
	(void)close(fds[1]);
	for (;;) {
		ssize_t n = scope_relay_read(r);

		while ((line = scope_relay_next(r, &len))) {
			if (line[len - 1] != '\n')
				abort();
			check(line, len - 1);
			scope_relay_drop(r, len);
		}
		if (n == 0 || (n < 0 && n != -EAGAIN))
			break;
	}
	scope_relay_free(r);
	return 0;
}
