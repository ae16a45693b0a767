/* SPDX-License-Identifier: MIT */
/* Any bytes as a calibration's file: what is taken is written the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "probe/calibrate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *text, size_t len)
{
	struct scope_calibration c = { 0 };
	char again[SCOPE_CAL_BYTES];
	size_t n;

	if (scope_calibration_parse(text, len, "x", &c) < 0)
		return;
	n = scope_calibration_format(&c, "x", again);
	if (c.emulated >> SCOPE_INSN_OTHER || !n)
		abort();
	(void)n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size > SCOPE_CAL_BYTES)
		return 0;
	text = malloc(size + 16);
	if (!text)
		return 0;
	memcpy(text, data, size);
	check(text, size);
	/* The same with a sum that is right, so that it comes further. */
	(void)snprintf(text + size, 16, "crc %08lx\n",
		       crc32(crc32(0, NULL, 0), data, (uInt)size));
	check(text, size + 13);
	free(text);
	return 0;
}
