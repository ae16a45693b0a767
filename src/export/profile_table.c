/* SPDX-License-Identifier: MIT */
/* The table of functions, or of processes, for people. */
#include <errno.h>
#include <stdlib.h>

#include "export/profile_int.h"

#define FIXED 28 /* columns before a name */
#define WIDE 1000

static double percent(uint64_t part, uint64_t of)
{
	return of ? 100.0 * (double)part / (double)of : 0.0;
}

/* At most so many characters of a name; long ones keep their end, where the
 * function is. */
static struct scope_text fit(struct scope_text t, unsigned columns)
{
	size_t n = 0;

	for (size_t i = 0; i < t.len; i++)
		n += ((uint8_t)t.p[i] & 0xc0) != 0x80;
	while (n > columns && t.len) {
		do {
			t.p++;
			t.len--;
		} while (t.len && ((uint8_t)*t.p & 0xc0) == 0x80);
		n--;
	}
	return t;
}

static void put_row(const struct scope_profile *p,
		    const struct scope_profile_opts *opts,
		    const struct scope_profile_row *r, uint64_t all,
		    unsigned columns, FILE *out)
{
	struct scope_text name;

	if (opts->by_process)
		name = scope_profile_proc_title(p, r->frame);
	else
		name = scope_profile_get_frame(p, r->frame).name;
	if (opts->by_ns)
		(void)fprintf(out, "%6.2f%% %6.2f%% %10.3f  ",
			      percent(r->self, all), percent(r->total, all),
			      (double)r->self / 1e6);
	else
		(void)fprintf(out, "%6.2f%% %6.2f%% %10llu  ",
			      percent(r->self, all), percent(r->total, all),
			      (unsigned long long)r->self);
	scope_profile_put_text(out, fit(name, columns - FIXED), NULL);
	if (opts->by_process && r->frame != SCOPE_PROFILE_NONE) {
		struct scope_profile_proc k =
			scope_profile_get_proc(p, r->frame);

		if (name.p != k.pid.p) {
			(void)fputc(' ', out);
			scope_profile_put_text(out, k.pid, NULL);
		}
	}
	(void)fputc('\n', out);
}

int scope_profile_table(const struct scope_profile *p,
			const struct scope_profile_opts *opts, unsigned lines,
			unsigned columns, FILE *out)
{
	scope_autofree struct scope_profile_row *rows = NULL;
	uint64_t all = opts->by_ns ? scope_profile_ns(p) :
				     scope_profile_count(p);
	size_t n = 0;
	int r = (opts->by_process ? scope_profile_proc_rows :
				    scope_profile_rows)(p, opts->by_ns, &rows,
							&n);

	if (r < 0)
		return r;
	if (!columns)
		columns = WIDE;
	if (columns < FIXED + 10)
		columns = FIXED + 10;
	(void)fprintf(out, "%7s %7s %10s  %s\n", "SELF", "TOTAL",
		      opts->by_ns ? "MS" : "SAMPLES",
		      opts->by_process ? "PROCESS" : "FUNCTION");
	for (size_t i = 0; i < n && (!lines || i + 1 < lines); i++)
		put_row(p, opts, &rows[i], all, columns, out);
	return ferror(out) ? -EIO : 0;
}
