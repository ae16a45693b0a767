/* SPDX-License-Identifier: MIT */
#include "cli/live_parts.h"

#include <stdio.h>

/* From the stream's thread. */
static void say_note(const char *text)
{
	fprintf(stderr, "scope-bpf: %s\n", text);
}

int scope_live_writer(const struct scope_live_conf *c,
		      struct scope_writer **ret_writer, struct scope_err *err)
{
	int r = c->dest.to ? scope_writer_new(&c->dest, ret_writer, err) : 0;

	if (r == 0 && *ret_writer && !c->is_quiet)
		(*ret_writer)->note = say_note;
	return r;
}

int scope_live_health(const struct scope_live_conf *c, size_t n,
		      struct scope_health **ret_health, struct scope_err *err)
{
	int r;

	if (!c->listen)
		return 0;
	r = scope_health_new(n, ret_health);
	if (r < 0)
		return scope_fail(err, r, "out of memory");
	return scope_health_listen(*ret_health, c->listen, c->token_file, err);
}

int scope_live_serve(const struct scope_live_conf *c,
		     struct scope_health *health, struct scope_err *err)
{
	int r = scope_health_start(health, err);

	if (r == 0 && !c->is_quiet)
		fprintf(stderr, "scope-bpf: http://%s/metrics\n",
			scope_health_where(health));
	return r;
}
