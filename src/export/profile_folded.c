/* SPDX-License-Identifier: MIT */
/*
 * A line for each stack: frames from the outermost on, joined by ';', a space,
 * and the weight. Kernel functions end in "_[k]", as tools for this form expect.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "export/profile_int.h"

struct line {
	char *text; /* owned */
	size_t len;
	uint64_t weight;
};

static const char *escape(char c)
{
	return c == ';' ? "," : NULL;
}

static int make_line(const struct scope_profile *p,
		     const struct scope_profile_stack *s, bool by_process,
		     struct line *ret)
{
	const uint32_t *frames = scope_profile_stack_frames(p, s);
	FILE *out = open_memstream(&ret->text, &ret->len);
	int r;

	if (!out)
		return -ENOMEM;
	if (by_process)
		scope_profile_put_text(out,
				       scope_profile_proc_title(p, s->proc),
				       escape);
	for (uint32_t i = 0; i < s->n; i++) {
		struct scope_frame f = scope_profile_get_frame(p, frames[i]);

		if (i || by_process)
			(void)fputc(';', out);
		scope_profile_put_text(out, f.name, escape);
		if (f.kind == SCOPE_FRAME_KERNEL)
			(void)fputs("_[k]", out);
	}
	r = ferror(out) ? -ENOMEM : 0;
	return fclose(out) ? -ENOMEM : r;
}

static int cmp_line(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	int r = memcmp(x->text, y->text, x->len < y->len ? x->len : y->len);

	return r ? r : (x->len > y->len) - (x->len < y->len);
}

static void put_lines(struct line *lines, size_t n, FILE *out)
{
	qsort(lines, n, sizeof(*lines), cmp_line);
	for (size_t i = 0; i < n; i++) {
		if (i + 1 < n && !cmp_line(&lines[i], &lines[i + 1])) {
			lines[i + 1].weight += lines[i].weight;
			continue;
		}
		(void)fwrite(lines[i].text, 1, lines[i].len, out);
		(void)fprintf(out, " %llu\n",
			      (unsigned long long)lines[i].weight);
	}
}

int scope_profile_folded(const struct scope_profile *p,
			 const struct scope_profile_opts *opts, FILE *out)
{
	size_t n = scope_profile_stacks(p), made = 0;
	struct line *lines = calloc(n + 1, sizeof(*lines));
	int r = lines ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < n; i++) {
		const struct scope_profile_stack *s = scope_profile_stack(p, i);

		lines[made].weight = opts->by_ns ? s->ns : s->count;
		if (!s->n && !opts->by_process)
			continue;
		r = make_line(p, s, opts->by_process, &lines[made]);
		made++;
	}
	if (r == 0)
		put_lines(lines, made, out);
	for (size_t i = 0; i < made; i++)
		free(lines[i].text);
	free(lines);
	return r < 0 ? r : ferror(out) ? -EIO : 0;
}
