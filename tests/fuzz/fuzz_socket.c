/* SPDX-License-Identifier: MIT */
/* Any bytes as the kernel's tables of sockets, of both families. */
#include <stdlib.h>
#include <string.h>

#include "target/socket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *line, size_t len, bool is_v6)
{
	char text[SCOPE_ADDR_TEXT];
	struct scope_net_line l;

	memset(&l, 0xa5, sizeof(l));
	if (!scope_net_line(line, len, is_v6, &l))
		return;
	if (!l.inode || l.state > 255)
		abort();
	memset(text, 0xa5, sizeof(text));
	scope_net_text(l.local, is_v6, l.local_port, text, sizeof(text));
	if (strnlen(text, sizeof(text)) == sizeof(text) ||
	    (l.local_port && !strchr(text, ':')))
		abort();
	/* An IPv4 address leaves the rest of its place alone. */
	for (int i = is_v6 ? 16 : 4; i < 16; i++)
		if (l.local[i] || l.peer[i])
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = data + size;

	while (data < end) {
		const uint8_t *nl = memchr(data, '\n', (size_t)(end - data));
		size_t n = (size_t)((nl ? nl : end) - data);
		/* Of its own, so that what reads beyond it is seen. */
		char *line = malloc(n ? n : 1);

		if (!line)
			abort();
		memcpy(line, data, n);
		check(line, n, false);
		check(line, n, true);
		free(line);
		data += n + (nl != NULL);
	}
	return 0;
}
