/* SPDX-License-Identifier: MIT */
/*
 * What the probes write, into a file, for the bench of the collector:
 *
 *   capture PID KINDS FILE BYTES    until the file has that many, or input ends
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probe/probe.h"

#define BUFFER_BYTES (32u << 20)
#define TERM_WORDS SCOPE_TERM_WORDS_DEFAULT

struct file {
	FILE *f;
	size_t left;
};

static int save(void *arg, const void *data, size_t len)
{
	struct file *file = arg;
	static const char pad[8];
	size_t whole = (len + 7) & ~(size_t)7;

	if (file->left < whole)
		return -ENOSPC;
	file->left -= whole;
	if (fwrite(data, 1, len, file->f) != len ||
	    fwrite(pad, 1, whole - len, file->f) != whole - len)
		return -EIO;
	return 0;
}

static int run(struct scope_target *t, scope_kindset kinds, struct file *file,
	       struct scope_err *err)
{
	struct pollfd fd = { .fd = STDIN_FILENO, .events = POLLIN };
	struct scope_probe_opts opts = {
		.kinds = kinds,
		.term_words = TERM_WORDS,
		.buffer_bytes = BUFFER_BYTES,
	};
	scope_auto(scope_probe) p = NULL;
	int r = scope_probe_open(t, &opts, &p, err);

	if (r == 0)
		r = scope_probe_attach(p, t, err);
	if (r < 0)
		return r;
	(void)scope_probe_begin(p);
	puts("attached");
	(void)fflush(stdout);
	do {
		r = scope_probe_drain(p, save, file);
	} while (r == 0 && poll(&fd, 1, 1) == 0);
	scope_probe_end(p);
	scope_probe_detach(p);
	if (r == 0)
		r = scope_probe_drain(p, save, file);
	return r == -ENOSPC ? 0 : r;
}

int main(int argc, char **argv)
{
	scope_auto(scope_target) t = NULL;
	scope_autofclose FILE *f = NULL;
	struct scope_err err = { 0 };
	struct file file;
	scope_kindset kinds;
	const char *bad;
	size_t len;
	int r;

	if (argc != 5 || scope_kinds_parse(argv[2], &kinds, &bad, &len) < 0) {
		fprintf(stderr, "usage: capture PID KINDS FILE BYTES\n");
		return 2;
	}
	f = fopen(argv[3], "wb");
	if (!f) {
		perror(argv[3]);
		return 1;
	}
	file = (struct file){ .f = f, .left = strtoul(argv[4], NULL, 10) };
	r = scope_target_open(atoi(argv[1]), &t, &err);
	if (r == 0)
		r = run(t, kinds, &file, &err);
	if (r < 0)
		fprintf(stderr, "capture: %s\n",
			err.code ? err.text : strerror(-r));
	return r < 0;
}
