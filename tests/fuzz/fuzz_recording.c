/* SPDX-License-Identifier: MIT */
/*
 * A recording of one segment. Input: the file. Whatever it is, opening and
 * reading it ends, and what is not shown is told as a gap.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "store/recording.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[] = "/tmp/scope-fuzz.XXXXXX";
static char path[64];

static void tidy(void)
{
	(void)unlink(path);
	(void)rmdir(dir);
}

static void set_up(void)
{
	if (path[0])
		return;
	if (!mkdtemp(dir))
		abort();
	(void)snprintf(path, sizeof(path), "%s/00000001.scope", dir);
	(void)atexit(tidy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scope_auto(scope_recording) rec = NULL;
	struct scope_err err = { 0 };
	struct scope_event ev;
	int fd;

	set_up();
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	(void)close(fd);
	if (scope_recording_open(dir, &rec, &err) < 0)
		return 0;
	for (size_t i = 0; i < scope_recording_frames(rec); i++) {
		struct scope_page *page;

		if (scope_recording_load(rec, i, &page) == 0)
			while (scope_page_next(page, &ev) > 0)
				;
	}
	(void)scope_recording_refresh(rec);
	return 0;
}
