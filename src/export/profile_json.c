/* SPDX-License-Identifier: MIT */
/* Forms in JSON: our own, an object a line, and speedscope's. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "export/profile_int.h"

static const char *escape(char c)
{
	return c == '"' ? "\\\"" : c == '\\' ? "\\\\" : NULL;
}

static void put_string(FILE *out, struct scope_text t)
{
	(void)fputc('"', out);
	scope_profile_put_text(out, t, escape);
	(void)fputc('"', out);
}

static void put_key(FILE *out, const char *key, struct scope_text t)
{
	if (!t.len)
		return;
	(void)fprintf(out, "\"%s\":", key);
	put_string(out, t);
	(void)fputc(',', out);
}

/* -- our own -------------------------------------------------------------------- */

static void put_frame(FILE *out, const struct scope_frame *f)
{
	static const char *const kinds[SCOPE_FRAME_KINDS] = {
		"erlang", "system", "native", "kernel", "note",
	};

	(void)fputc('{', out);
	put_key(out, f->kind == SCOPE_FRAME_ERLANG ? "mfa" : "name", f->name);
	put_key(out, "file", f->file);
	if (f->line)
		(void)fprintf(out, "\"line\":%u,", f->line);
	(void)fprintf(out, "\"kind\":\"%s\"}", kinds[f->kind]);
}

int scope_profile_json(const struct scope_profile *p,
		       const struct scope_profile_opts *opts, FILE *out)
{
	scope_autofree uint32_t *order = NULL;
	int r = scope_profile_order(p, opts->by_process, &order);

	for (size_t i = 0; r == 0 && i < scope_profile_stacks(p); i++) {
		const struct scope_profile_stack *s =
			scope_profile_stack(p, order[i]);
		const uint32_t *frames = scope_profile_stack_frames(p, s);

		(void)fputs("{\"kind\":\"stack\",", out);
		if (s->proc != SCOPE_PROFILE_NONE) {
			struct scope_profile_proc k =
				scope_profile_get_proc(p, s->proc);

			put_key(out, "pid", k.pid);
			put_key(out, "name", k.name);
			put_key(out, "initial_call", k.initial);
		}
		(void)fprintf(out, "\"count\":%llu,\"ns\":%llu,\"frames\":[",
			      (unsigned long long)s->count,
			      (unsigned long long)s->ns);
		for (uint32_t k = 0; k < s->n; k++) {
			struct scope_frame f =
				scope_profile_get_frame(p, frames[k]);

			if (k)
				(void)fputc(',', out);
			put_frame(out, &f);
		}
		(void)fputs("]}\n", out);
	}
	return r < 0 ? r : ferror(out) ? -EIO : 0;
}

/* -- speedscope ------------------------------------------------------------------- */

/* Frames that are written: of functions, numbered as they are first met. */
static uint32_t *number_frames(const struct scope_profile *p, FILE *out)
{
	size_t n = scope_profile_frames(p);
	uint32_t *numbers = malloc((n + 1) * sizeof(*numbers));
	uint32_t next = 0;

	for (size_t i = 0; numbers && i < n; i++) {
		struct scope_frame f =
			scope_profile_get_frame(p, (uint32_t)i);

		/* A line of a function comes after the function itself. */
		if (f.function == i)
			numbers[i] = SCOPE_PROFILE_NONE;
	}
	for (size_t i = 0; numbers && i < n; i++) {
		struct scope_frame f =
			scope_profile_get_frame(p, (uint32_t)i);

		if (f.function == i && f.kind == SCOPE_FRAME_ERLANG &&
		    i + 1 < n &&
		    scope_profile_get_frame(p, (uint32_t)i + 1).function == i)
			f = scope_profile_get_frame(p, (uint32_t)i + 1);
		if (numbers[f.function] != SCOPE_PROFILE_NONE) {
			numbers[i] = numbers[f.function];
			continue;
		}
		numbers[f.function] = numbers[i] = next;
		(void)fputs(next++ ? ",\n{" : "\n{", out);
		put_key(out, "file", f.file);
		if (f.line)
			(void)fprintf(out, "\"line\":%u,", f.line);
		(void)fputs("\"name\":", out);
		put_string(out, f.name);
		(void)fputc('}', out);
	}
	return numbers;
}

static void put_profile(FILE *out, const struct scope_profile *p,
			const uint32_t *numbers, const uint32_t *order,
			size_t n, struct scope_text name)
{
	unsigned long long sum = 0;

	(void)fputs("{\"type\":\"sampled\",\"name\":", out);
	put_string(out, name);
	(void)fputs(",\"unit\":\"nanoseconds\",\"startValue\":0,\"samples\":[",
		    out);
	for (size_t i = 0; i < n; i++) {
		const struct scope_profile_stack *s =
			scope_profile_stack(p, order[i]);
		const uint32_t *frames = scope_profile_stack_frames(p, s);

		(void)fputs(i ? ",\n[" : "\n[", out);
		for (uint32_t k = 0; k < s->n; k++)
			(void)fprintf(out, k ? ",%u" : "%u",
				      numbers[frames[k]]);
		(void)fputc(']', out);
	}
	(void)fputs("],\"weights\":[", out);
	for (size_t i = 0; i < n; i++) {
		const struct scope_profile_stack *s =
			scope_profile_stack(p, order[i]);

		(void)fprintf(out, i ? ",%llu" : "%llu",
			      (unsigned long long)s->ns);
		sum += s->ns;
	}
	(void)fprintf(out, "],\"endValue\":%llu}", sum);
}

static struct scope_text title(const struct scope_profile *p, uint32_t at)
{
	return scope_profile_proc_title(p, scope_profile_stack(p, at)->proc);
}

static bool is_same(struct scope_text a, struct scope_text b)
{
	return a.len == b.len && (!a.len || !memcmp(a.p, b.p, a.len));
}

int scope_profile_speedscope(const struct scope_profile *p,
			     const struct scope_profile_opts *opts, FILE *out)
{
	size_t n = scope_profile_stacks(p), from = 0;
	scope_autofree uint32_t *order = NULL, *numbers = NULL;
	struct scope_text name = { opts->title,
				   opts->title ? strlen(opts->title) : 0 };
	int r = scope_profile_order(p, opts->by_process, &order);

	if (r < 0)
		return r;
	(void)fputs("{\"$schema\":\"https://www.speedscope.app/"
		    "file-format-schema.json\",\"exporter\":\"scope-bpf\","
		    "\"name\":",
		    out);
	put_string(out, name);
	(void)fputs(",\"activeProfileIndex\":0,\"shared\":{\"frames\":[", out);
	numbers = number_frames(p, out);
	if (!numbers)
		return -ENOMEM;
	(void)fputs("]},\"profiles\":[\n", out);
	if (!opts->by_process || !n)
		put_profile(out, p, numbers, order, n, name);
	/* Those of a process stand together. */
	for (size_t i = 1; opts->by_process && n && i <= n; i++) {
		if (i < n && is_same(title(p, order[i]), title(p, order[from])))
			continue;
		if (from)
			(void)fputs(",\n", out);
		put_profile(out, p, numbers, order + from, i - from,
			    title(p, order[from]));
		from = i;
	}
	(void)fputs("]}\n", out);
	return ferror(out) ? -EIO : 0;
}
