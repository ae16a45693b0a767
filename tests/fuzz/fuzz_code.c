/* SPDX-License-Identifier: MIT */
/* Debug information of the JIT, in a target's memory: the input is memory from
 * 0x1000 on, and the entry is its start. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "target/code.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct memory {
	const uint8_t *p;
	size_t n;
};

static int read_memory(void *arg, uint64_t addr, void *buf, size_t len)
{
	const struct memory *m = arg;

	if (addr < 0x1000 || addr - 0x1000 > m->n ||
	    len > m->n - (addr - 0x1000))
		return -EFAULT;
	memcpy(buf, m->p + (addr - 0x1000), len);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memory m = { data, size };
	struct scope_code c;

	if (scope_code_read(read_memory, &m, 0x1000, &c) == 0 &&
	    (memchr(c.module, 0, sizeof(c.module)) == NULL ||
	     c.functions > size))
		abort();
	return 0;
}
