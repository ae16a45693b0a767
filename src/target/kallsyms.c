/* SPDX-License-Identifier: MIT */
/* A line: address in hex, a letter for its kind (t, T, w, W: code), a name, and
 * the module in brackets where it is of one. */
#include "target/kallsyms.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define CHUNK (1u << 20)

struct symbol {
	uint64_t addr;
	const char *name;
};

struct scope_kallsyms {
	char *text; /* owned; names end in NUL */
	size_t len;
	struct symbol *syms; /* owned, by address */
	size_t n;
};

void scope_kallsyms_free(struct scope_kallsyms *k)
{
	if (!k)
		return;
	free(k->text);
	free(k->syms);
	free(k);
}

static int read_all(int fd, struct scope_kallsyms *k)
{
	size_t cap = 0;

	for (;;) {
		ssize_t n;

		if (cap - k->len < CHUNK) {
			char *more;

			cap = cap ? 2 * cap : 16 * CHUNK;
			if (cap > SCOPE_KALLSYMS_BYTES)
				return -EFBIG;
			more = realloc(k->text, cap + 1);
			if (!more)
				return -ENOMEM;
			k->text = more;
		}
		n = read(fd, k->text + k->len, cap - k->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		k->len += (size_t)n;
	}
	k->text[k->len] = 0;
	return 0;
}

static bool parse_line(char *line, struct symbol *ret)
{
	char *end;
	uint64_t addr = strtoull(line, &end, 16);

	if (!addr || end == line || end[0] != ' ' || !strchr("tTwW", end[1]) ||
	    !end[1] || end[2] != ' ' || !end[3])
		return false;
	ret->addr = addr;
	ret->name = end + 3;
	end[3 + strcspn(end + 3, "\t ")] = 0;
	return true;
}

static int cmp(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

int scope_kallsyms_read(int fd, struct scope_kallsyms **ret_syms)
{
	scope_auto(scope_kallsyms) k = calloc(1, sizeof(*k));
	size_t lines = 1;
	char *at, *line;
	int r = k ? read_all(fd, k) : -ENOMEM;

	if (r < 0)
		return r;
	for (size_t i = 0; i < k->len; i++)
		lines += k->text[i] == '\n';
	k->syms = calloc(lines, sizeof(*k->syms));
	if (!k->syms)
		return -ENOMEM;
	for (line = strtok_r(k->text, "\n", &at); line && k->n < lines;
	     line = strtok_r(NULL, "\n", &at))
		k->n += parse_line(line, &k->syms[k->n]);
	if (!k->n)
		return -EPERM;
	qsort(k->syms, k->n, sizeof(*k->syms), cmp);
	*ret_syms = scope_take(k);
	return 0;
}

const char *scope_kallsyms_find(const struct scope_kallsyms *k, uint64_t addr)
{
	size_t lo = 0, hi = k->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (k->syms[mid].addr <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo ? k->syms[lo - 1].name : NULL;
}
